"""Decade 6: what a load profile looks like and how full it is (tables 60 to 63).

The data themselves, tables 64 to 67, are decoded as columns by ``load_profile.py``. There are up to four sets; a set
is there when table 0 has its data table, and without it leaves no octet in these tables.
"""

from __future__ import annotations

from metersdk.model.c1219.elements import record, u8, u16, u32
from metersdk.model.c1219.formats import NI_SIZES, Formats, ni_format
from metersdk.model.c1219.layout import BitField, Record, bit, bits
from metersdk.model.c1219.references import CONFIG, GIVEN, Contains, Reference
from metersdk.model.c1219.table import C1219Table

ACT_LP = Reference(61)
DATA_TABLES = (64, 65, 66, 67)
"""The tables of the data sets 1 to 4."""

_HAS_SET = tuple(Contains(CONFIG.std_tbls_used, number) for number in DATA_TABLES)


class LpFlags(BitField):
    OCTETS = 2

    lp_set1_inhibit_ovf_flag: bool = bit(0)
    lp_set2_inhibit_ovf_flag: bool = bit(1)
    lp_set3_inhibit_ovf_flag: bool = bit(2)
    lp_set4_inhibit_ovf_flag: bool = bit(3)
    blk_end_read_flag: bool = bit(4)
    blk_end_pulse_flag: bool = bit(5)
    scalar_divisor_flag_set1: bool = bit(6)
    scalar_divisor_flag_set2: bool = bit(7)
    scalar_divisor_flag_set3: bool = bit(8)
    scalar_divisor_flag_set4: bool = bit(9)
    extended_int_status_flag: bool = bit(10)
    simple_int_status_flag: bool = bit(11)
    blk_end_rd_indicator_flag: bool = bit(12)
    """True: end readings count within their block only."""


class LpFormats(BitField):
    inv_uint8_flag: bool = bit(0)
    inv_uint16_flag: bool = bit(1)
    inv_uint32_flag: bool = bit(2)
    inv_int8_flag: bool = bit(3)
    inv_int16_flag: bool = bit(4)
    inv_int32_flag: bool = bit(5)
    inv_ni_fmat1_flag: bool = bit(6)
    inv_ni_fmat2_flag: bool = bit(7)


class LpSet(Record):
    """Dimensions of one data set."""

    nbr_blks: int = u16()
    nbr_blk_ints: int = u16()
    nbr_chns: int = u8()
    max_int_time: int = u8()
    """Minutes of an interval."""


class _LpLimits(C1219Table):
    lp_memory_len: int = u32()
    lp_flags: LpFlags = record(LpFlags)
    lp_fmats: LpFormats = record(LpFormats)
    set1: LpSet | None = record(LpSet, when=_HAS_SET[0])
    set2: LpSet | None = record(LpSet, when=_HAS_SET[1])
    set3: LpSet | None = record(LpSet, when=_HAS_SET[2])
    set4: LpSet | None = record(LpSet, when=_HAS_SET[3])

    def set(self, number: int) -> LpSet | None:
        """Data set 1 to 4; None: the meter has no such set."""
        return (self.set1, self.set2, self.set3, self.set4)[number - 1] if 1 <= number <= 4 else None


class DimensionLoadProfile(_LpLimits, number=60, name="DIM_LP_TBL"):
    """What the meter could do."""


class ActualLoadProfile(_LpLimits, number=61, name="ACT_LP_TBL"):
    """What it does: the dimensions of tables 62 to 67."""


class ChannelFlags(BitField):
    end_rdg_flag: bool = bit(0)
    """The channel has an end reading."""


class ChannelSource(Record):
    """LP_SOURCE_SEL_RCD: the sources (indices into table 16) of a channel and of its end reading."""

    chnl_flag: ChannelFlags = record(ChannelFlags)
    lp_source_select: int = u8()
    end_blk_rdg_source_select: int = u8()


INTERVAL_FORMATS = {1: (1, False), 2: (2, False), 4: (4, False), 8: (1, True), 16: (2, True), 32: (4, True)}
"""INT_FMT_CDE of plain integers: octets, and whether they have a sign. 64 and 128 are NI_FMAT1 and NI_FMAT2."""


class LpControl(Record):
    """Channels of one data set, the format of its values, and value = pulses * scalar / divisor."""

    lp_sel_set: tuple[ChannelSource, ...] = record(ChannelSource, times=GIVEN.channels)
    int_fmt_cde: int = u8()
    scalars_set: tuple[int, ...] | None = u16(times=GIVEN.channels, when=GIVEN.scaled)
    divisor_set: tuple[int, ...] | None = u16(times=GIVEN.channels, when=GIVEN.scaled)

    def interval_size(self, formats: Formats) -> int:
        """Octets of one value of an interval.

        Raises:
            ValueError: the format is none of the standard.
        """
        if self.int_fmt_cde in INTERVAL_FORMATS:
            return INTERVAL_FORMATS[self.int_fmt_cde][0]
        if self.int_fmt_cde not in (64, 128):
            raise ValueError(f"INT_FMT_CDE {self.int_fmt_cde} is none of the standard")
        return NI_SIZES[ni_format(formats.ni_format1 if self.int_fmt_cde == 64 else formats.ni_format2)]


class LoadProfileControl(C1219Table, number=62, name="LP_CTRL_TBL"):
    set1: LpControl | None = record(
        LpControl,
        when=_HAS_SET[0],
        given={"channels": ACT_LP.set1.nbr_chns, "scaled": ACT_LP.lp_flags.scalar_divisor_flag_set1},
    )
    set2: LpControl | None = record(
        LpControl,
        when=_HAS_SET[1],
        given={"channels": ACT_LP.set2.nbr_chns, "scaled": ACT_LP.lp_flags.scalar_divisor_flag_set2},
    )
    set3: LpControl | None = record(
        LpControl,
        when=_HAS_SET[2],
        given={"channels": ACT_LP.set3.nbr_chns, "scaled": ACT_LP.lp_flags.scalar_divisor_flag_set3},
    )
    set4: LpControl | None = record(
        LpControl,
        when=_HAS_SET[3],
        given={"channels": ACT_LP.set4.nbr_chns, "scaled": ACT_LP.lp_flags.scalar_divisor_flag_set4},
    )

    def set(self, number: int) -> LpControl | None:
        """Data set 1 to 4; None: the meter has no such set."""
        return (self.set1, self.set2, self.set3, self.set4)[number - 1] if 1 <= number <= 4 else None


class LpSetStatus(BitField):
    order: int = bits(0, 0)
    """0: blocks ascend, the oldest first; 1: they descend."""
    overflow_flag: bool = bit(1)
    list_type: int = bits(2, 2)
    """0 first in, first out: blocks move when a new one begins; 1 circular."""
    block_inhibit_overflow_flag: bool = bit(3)
    interval_order: int = bits(4, 4)
    """0: the intervals of a block ascend; 1: they descend."""
    active_mode_flag: bool = bit(5)
    test_mode: bool = bit(6)


class LpStatus(Record):
    """How full one data set is."""

    lp_set_status_flags: LpSetStatus = record(LpSetStatus)
    nbr_valid_blocks: int = u16()
    last_block_element: int = u16()
    """Index of the newest block."""
    last_block_seq_nbr: int = u32()
    nbr_unread_blocks: int = u16()
    nbr_valid_int: int = u16()
    """Intervals in the newest block."""


class LoadProfileStatus(C1219Table, number=63, name="LP_STATUS_TBL"):
    set1: LpStatus | None = record(LpStatus, when=_HAS_SET[0])
    set2: LpStatus | None = record(LpStatus, when=_HAS_SET[1])
    set3: LpStatus | None = record(LpStatus, when=_HAS_SET[2])
    set4: LpStatus | None = record(LpStatus, when=_HAS_SET[3])

    def set(self, number: int) -> LpStatus | None:
        """Data set 1 to 4; None: the meter has no such set."""
        return (self.set1, self.set2, self.set3, self.set4)[number - 1] if 1 <= number <= 4 else None


TABLES = (DimensionLoadProfile, ActualLoadProfile, LoadProfileControl, LoadProfileStatus)
