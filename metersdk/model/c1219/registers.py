"""Decade 2: the registers (tables 20 to 28). ``readings.py`` makes a list of readings of them."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from metersdk.model.c1219.elements import BitSet, bit_set, ni_fmat1, ni_fmat2, record, stime, time_of_day, u8, u16
from metersdk.model.c1219.formats import MomentField
from metersdk.model.c1219.layout import BitField, Record, bit, bits
from metersdk.model.c1219.references import Reference
from metersdk.model.c1219.table import C1219Table, Certainty

ACT_REGS = Reference(21)


class RegisterFunctions1(BitField):
    season_info_field_flag: bool = bit(0)
    date_time_field_flag: bool = bit(1)
    demand_reset_ctr_flag: bool = bit(2)
    demand_reset_lock_flag: bool = bit(3)
    cum_demand_flag: bool = bit(4)
    cont_cum_demand_flag: bool = bit(5)
    time_remaining_flag: bool = bit(6)


class RegisterFunctions2(BitField):
    self_read_inhibit_overflow_flag: bool = bit(0)
    self_read_seq_nbr_flag: bool = bit(1)
    daily_self_read_flag: bool = bit(2)
    weekly_self_read_flag: bool = bit(3)
    self_read_demand_reset: int = bits(4, 5)


class _RegisterLimits(C1219Table):
    reg_func1_flags: RegisterFunctions1 = record(RegisterFunctions1)
    reg_func2_flags: RegisterFunctions2 = record(RegisterFunctions2)
    nbr_self_reads: int = u8()
    nbr_summations: int = u8()
    nbr_demands: int = u8()
    nbr_coin_values: int = u8()
    nbr_occur: int = u8()
    nbr_tiers: int = u8()
    nbr_present_demands: int = u8()
    nbr_present_values: int = u8()


class DimensionRegisters(_RegisterLimits, number=20, name="DIM_REGS_TBL"):
    """What the meter could do."""


class ActualRegisters(_RegisterLimits, number=21, name="ACT_REGS_TBL"):
    """What it does: the dimensions of tables 22 to 28."""


class DataSelection(C1219Table, number=22, name="DATA_SELECTION_TBL"):
    """Which sources (indices into table 16) the registers of tables 23 to 26 are of; 255 is none."""

    summation_select: tuple[int, ...] = u8(times=ACT_REGS.nbr_summations)
    demand_select: tuple[int, ...] = u8(times=ACT_REGS.nbr_demands)
    min_or_max_flags: BitSet = bit_set((ACT_REGS.nbr_demands + 7) // 8)
    """The demands that are maxima; the others are minima."""
    coincident_select: tuple[int, ...] = u8(times=ACT_REGS.nbr_coin_values)
    coin_demand_assoc: tuple[int, ...] = u8(times=ACT_REGS.nbr_coin_values)
    """The demand (index into ``demand_select``) that a coincident value was taken with."""


class Demands(Record):
    """One demand register, its highest (or lowest) values first."""

    event_time: tuple[MomentField, ...] | None = stime(
        times=ACT_REGS.nbr_occur, when=ACT_REGS.reg_func1_flags.date_time_field_flag
    )
    cum_demand: Decimal | None = ni_fmat1(when=ACT_REGS.reg_func1_flags.cum_demand_flag)
    cont_cum_demand: Decimal | None = ni_fmat1(when=ACT_REGS.reg_func1_flags.cont_cum_demand_flag)
    demand: tuple[Decimal, ...] = ni_fmat2(times=ACT_REGS.nbr_occur)


class Coincidents(Record):
    """What one source showed at the moments of a demand."""

    coincident_values: tuple[Decimal, ...] = ni_fmat2(times=ACT_REGS.nbr_occur)


class DataBlock(Record):
    """The registers of one tier, or of all."""

    summations: tuple[Decimal, ...] = ni_fmat1(times=ACT_REGS.nbr_summations)
    demands: tuple[Demands, ...] = record(Demands, times=ACT_REGS.nbr_demands)
    coincidents: tuple[Coincidents, ...] = record(Coincidents, times=ACT_REGS.nbr_coin_values)


class RegisterData(Record):
    """REGISTER_DATA_RCD: the totals, then each tier."""

    nbr_demand_resets: int | None = u8(when=ACT_REGS.reg_func1_flags.demand_reset_ctr_flag)
    tot_data_block: DataBlock = record(DataBlock)
    tier_data_block: tuple[DataBlock, ...] = record(DataBlock, times=ACT_REGS.nbr_tiers)


class CurrentRegisters(RegisterData, C1219Table, number=23, name="CURRENT_REG_DATA_TBL"):
    """The registers since the last demand reset, season or self-read: those that are billed."""


class _PreviousRegisters(C1219Table):
    end_date_time: MomentField | None = stime(when=ACT_REGS.reg_func1_flags.date_time_field_flag)
    season: int | None = u8(when=ACT_REGS.reg_func1_flags.season_info_field_flag)
    register_data: RegisterData = record(RegisterData)


class PreviousSeason(_PreviousRegisters, number=24, name="PREV_SEASON_DATA_TBL", certainty=Certainty.MEMORY):
    """The registers as they were at the end of the last season."""


class PreviousDemandReset(_PreviousRegisters, number=25, name="PREV_DEMAND_RESET_DATA_TBL", certainty=Certainty.MEMORY):
    """The registers as they were at the last demand reset."""


class ListStatus(BitField):
    """State of a list: entries ascend or descend, overflowed, are first-in-first-out or a ring."""

    order: int = bits(0, 0)
    """0 ascending (the oldest first), 1 descending."""
    overflow_flag: bool = bit(1)
    list_type: int = bits(2, 2)
    """0 first in, first out; 1 circular."""
    inhibit_overflow_flag: bool = bit(3)


class SelfRead(Record):
    self_read_seq_nbr: int | None = u16(when=ACT_REGS.reg_func2_flags.self_read_seq_nbr_flag)
    end_date_time: MomentField | None = stime(when=ACT_REGS.reg_func1_flags.date_time_field_flag)
    season: int | None = u8(when=ACT_REGS.reg_func1_flags.season_info_field_flag)
    register_data: RegisterData = record(RegisterData)


class SelfReads(C1219Table, number=26, name="SELF_READ_DATA_TBL", certainty=Certainty.MEMORY):
    """The registers as the meter kept them by itself, day by day, week by week, or with each demand reset."""

    list_status: ListStatus = record(ListStatus)
    nbr_valid_entries: int = u8()
    last_entry_element: int = u8()
    last_entry_seq_nbr: int = u16()
    nbr_unread_entries: int = u8()
    self_reads_entries: tuple[SelfRead, ...] = record(SelfRead, times=ACT_REGS.nbr_self_reads)


class PresentSelection(C1219Table, number=27, name="PRESENT_REGISTER_SELECT_TBL"):
    """Which sources the values of table 28 are of; 255 is none."""

    present_demand_select: tuple[int, ...] = u8(times=ACT_REGS.nbr_present_demands)
    present_value_select: tuple[int, ...] = u8(times=ACT_REGS.nbr_present_values)


class PresentDemand(Record):
    time_remaining: timedelta | None = time_of_day(when=ACT_REGS.reg_func1_flags.time_remaining_flag)
    demand_value: Decimal = ni_fmat2()


class PresentRegisters(C1219Table, number=28, name="PRESENT_REGISTER_DATA_TBL"):
    """What is measured at this moment."""

    present_demand: tuple[PresentDemand, ...] = record(PresentDemand, times=ACT_REGS.nbr_present_demands)
    present_value: tuple[Decimal, ...] = ni_fmat1(times=ACT_REGS.nbr_present_values)


TABLES = (
    DimensionRegisters,
    ActualRegisters,
    DataSelection,
    CurrentRegisters,
    PreviousSeason,
    PreviousDemandReset,
    SelfReads,
    PresentSelection,
    PresentRegisters,
)
