"""Decade 3: what the display shows (tables 30 to 34)."""

from __future__ import annotations

from metersdk.model.c1219.elements import binary, record, u8, u16
from metersdk.model.c1219.layout import BitField, Record, bit, bits
from metersdk.model.c1219.references import Reference
from metersdk.model.c1219.table import C1219Table, Certainty
from metersdk.model.fields import HexBytes

ACT_DISP = Reference(31)


class DisplayFlags(BitField):
    on_time_flag: bool = bit(0)
    off_time_flag: bool = bit(1)
    hold_time_flag: bool = bit(2)


class _DisplayLimits(C1219Table):
    display_ctrl: DisplayFlags = record(DisplayFlags)
    nbr_disp_sources: int = u16()
    width_disp_sources: int = u8()
    nbr_pri_disp_list_items: int = u16()
    nbr_pri_disp_lists: int = u8()
    nbr_sec_disp_list_items: int = u16()
    nbr_sec_disp_lists: int = u8()


class DimensionDisplay(_DisplayLimits, number=30, name="DIM_DISP_TBL"):
    """What the meter could do."""


class ActualDisplay(_DisplayLimits, number=31, name="ACT_DISP_TBL"):
    """What it does: the dimensions of tables 32 to 34."""


class DisplaySources(C1219Table, number=32, name="DISP_SOURCE_TBL", certainty=Certainty.MEMORY):
    """Display sources in the manufacturer's own terms."""

    display_sources: tuple[HexBytes, ...] = binary(ACT_DISP.width_disp_sources, times=ACT_DISP.nbr_disp_sources)


class DisplayScroll(BitField):
    """Seconds that an item is shown, and that the display is dark after it."""

    on_time: int = bits(0, 3)
    off_time: int = bits(4, 7)


class DisplayHold(BitField):
    hold_time: int = bits(0, 3)
    default_list: int = bits(4, 7)


class DisplayList(Record):
    scroll: DisplayScroll = record(DisplayScroll)
    hold: DisplayHold = record(DisplayHold)
    nbr_list_items: int = u8()


class PrimaryDisplay(C1219Table, number=33, name="PRI_DISP_LIST_TBL"):
    pri_disp_list: tuple[DisplayList, ...] = record(DisplayList, times=ACT_DISP.nbr_pri_disp_lists)
    pri_disp_sources: tuple[int, ...] = u16(times=ACT_DISP.nbr_pri_disp_list_items)


class SecondaryDisplay(C1219Table, number=34, name="SEC_DISP_LIST_TBL", certainty=Certainty.MEMORY):
    sec_disp_list: tuple[DisplayList, ...] = record(DisplayList, times=ACT_DISP.nbr_sec_disp_lists)
    sec_disp_sources: tuple[int, ...] = u16(times=ACT_DISP.nbr_sec_disp_list_items)


TABLES = (DimensionDisplay, ActualDisplay, DisplaySources, PrimaryDisplay, SecondaryDisplay)
