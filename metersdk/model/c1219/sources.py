"""Decade 1: what is measured, in which unit, and how numbers become values (tables 10 to 16).

``quantities.py`` walks these tables; here they are as they stand in the meter.
"""

from __future__ import annotations

from decimal import Decimal

from metersdk.model.c1219.elements import binary, ni_fmat1, record, u8, u16
from metersdk.model.c1219.layout import BitField, Record, bit, bits
from metersdk.model.c1219.references import Reference, absent, equals
from metersdk.model.c1219.table import C1219Table, Certainty
from metersdk.model.fields import HexBytes

ACT_SOURCES_LIM = Reference(11)
ELECTRIC_CONSTANTS = 2
"""CONSTANTS_SELECTOR of electricity; 0 and 1 are gas by AGA 3 and AGA 7."""


class SourceFlags(BitField):
    pf_exclude_flag: bool = bit(0)
    reset_exclude_flag: bool = bit(1)
    block_demand_flag: bool = bit(2)
    sliding_demand_flag: bool = bit(3)
    thermal_demand_flag: bool = bit(4)
    set1_present_flag: bool = bit(5)
    set2_present_flag: bool = bit(6)
    conversion_alg_flag: bool = bit(7)


class _SourceLimits(C1219Table):
    source_flags: SourceFlags = record(SourceFlags)
    nbr_uom_entries: int = u8()
    nbr_demand_ctrl_entries: int = u8()
    data_ctrl_length: int = u8()
    nbr_data_ctrl_entries: int = u8()
    nbr_constants_entries: int = u8()
    constants_selector: int = u8()
    nbr_sources: int = u8()


class DimensionSources(_SourceLimits, number=10, name="DIM_SOURCES_LIM_TBL"):
    """What the meter could do."""


class ActualSources(_SourceLimits, number=11, name="ACT_SOURCES_LIM_TBL"):
    """What it does: the dimensions of tables 12 to 16."""


class UnitOfMeasure(BitField):
    """UOM_ENTRY_BFLD."""

    OCTETS = 4

    id_code: int = bits(0, 7)
    """The physical quantity: 0 W, 1 var, 2 VA, .."""
    time_base: int = bits(8, 10)
    """0 energy, 1 instantaneous, 2 period based, 3 sub-block demand, 4 block demand, 5 net energy, .."""
    multiplier: int = bits(11, 13)
    """Decimal scale by its code, applied after all constants: 0 is 1, 1 is 100, 2 is 1000, .."""
    q1_accountability: bool = bit(14)
    q2_accountability: bool = bit(15)
    q3_accountability: bool = bit(16)
    q4_accountability: bool = bit(17)
    net_flow_accountability: bool = bit(18)
    """True: delivered less received; False: the sum of the quadrants."""
    segmentation: int = bits(19, 21)
    """0 all phases, 1 A-B, 2 B-C, 3 C-A, 4 N-ground, 5 A, 6 B, 7 C to neutral."""
    harmonic: bool = bit(22)
    id_resource: int = bits(23, 27)
    nfs: bool = bit(31)
    """True: does not follow the standard; the unit is the manufacturer's own."""


class UnitsOfMeasure(C1219Table, number=12, name="UOM_ENTRY_TBL"):
    """One entry for each source of table 16 that has one: the k-th such source has the k-th entry."""

    uom_entry: tuple[UnitOfMeasure, ...] = record(UnitOfMeasure, times=ACT_SOURCES_LIM.nbr_uom_entries)


class DemandInterval(Record):
    """Minutes that demand is averaged over: a sub-interval and how many of them (sliding demand), or one interval."""

    sub_int: int | None = u8(when=ACT_SOURCES_LIM.source_flags.sliding_demand_flag)
    int_multiplier: int | None = u8(when=ACT_SOURCES_LIM.source_flags.sliding_demand_flag)
    int_length: int | None = u16(when=absent(ACT_SOURCES_LIM.source_flags.sliding_demand_flag))

    @property
    def minutes(self) -> int:
        """The whole interval."""
        return self.int_length if self.int_length is not None else (self.sub_int or 0) * (self.int_multiplier or 1)


class DemandControl(C1219Table, number=13, name="DEMAND_CONTROL_TBL", certainty=Certainty.MEMORY):
    reset_exclusion: int | None = u8(when=ACT_SOURCES_LIM.source_flags.reset_exclude_flag)
    """Minutes after a demand reset in which another one does nothing."""
    p_fail_recogntn_tm: int | None = u8(when=ACT_SOURCES_LIM.source_flags.pf_exclude_flag)
    """Seconds without power that count as a power failure."""
    p_fail_exclusion: int | None = u8(when=ACT_SOURCES_LIM.source_flags.pf_exclude_flag)
    """Minutes after a power failure without demand."""
    cold_load_pickup: int | None = u8(when=ACT_SOURCES_LIM.source_flags.pf_exclude_flag)
    interval_value: tuple[DemandInterval, ...] = record(DemandInterval, times=ACT_SOURCES_LIM.nbr_demand_ctrl_entries)


class DataControl(C1219Table, number=14, name="DATA_CONTROL_TBL", certainty=Certainty.MEMORY):
    """Source ids in the manufacturer's own terms."""

    source_id: tuple[HexBytes, ...] = binary(
        ACT_SOURCES_LIM.data_ctrl_length, times=ACT_SOURCES_LIM.nbr_data_ctrl_entries
    )


class TransformerFlags(BitField):
    set_applied_flag: bool = bit(0)
    """True: the meter applied these ratios itself."""


class TransformerRatios(Record):
    """Ratios of the transformers in front of the meter: F of the current, P of the voltage."""

    set_flags: TransformerFlags = record(TransformerFlags)
    ratio_f1: Decimal = ni_fmat1()
    ratio_p1: Decimal = ni_fmat1()


class ElectricConstants(Record):
    """value = number * multiplier + offset."""

    multiplier: Decimal = ni_fmat1()
    offset: Decimal = ni_fmat1()
    set1_constants: TransformerRatios | None = record(
        TransformerRatios, when=ACT_SOURCES_LIM.source_flags.set1_present_flag
    )
    set2_constants: TransformerRatios | None = record(
        TransformerRatios, when=ACT_SOURCES_LIM.source_flags.set2_present_flag
    )


class Constants(C1219Table, number=15, name="CONSTANTS_TBL", certainty=Certainty.MEMORY):
    """Of electricity; the constants of gas meters are kept as they are."""

    electric: tuple[ElectricConstants, ...] | None = record(
        ElectricConstants,
        times=ACT_SOURCES_LIM.nbr_constants_entries,
        when=equals(ACT_SOURCES_LIM.constants_selector, ELECTRIC_CONSTANTS),
    )
    other: HexBytes | None = binary(when=absent(equals(ACT_SOURCES_LIM.constants_selector, ELECTRIC_CONSTANTS)))


class SourceLink(BitField):
    """Which of the tables 12 to 15 have an entry for a source, and what its numbers are."""

    uom_entry_flag: bool = bit(0)
    demand_ctrl_flag: bool = bit(1)
    data_ctrl_flag: bool = bit(2)
    constants_flag: bool = bit(3)
    pulse_engr_flag: bool = bit(4)
    """True: engineering units; False: pulses."""
    constant_to_be_applied: bool = bit(5)
    """True: the entry of table 15 is still to be applied."""


class Sources(C1219Table, number=16, name="SOURCES_TBL"):
    sources_link: tuple[SourceLink, ...] = record(SourceLink, times=ACT_SOURCES_LIM.nbr_sources)


TABLES = (DimensionSources, ActualSources, UnitsOfMeasure, DemandControl, DataControl, Constants, Sources)
