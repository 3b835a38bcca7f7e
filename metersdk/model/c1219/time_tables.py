"""Decade 5: clock, time zone, calendar and tiers (tables 50 to 56)."""

from __future__ import annotations

from datetime import date, timedelta

from metersdk.model.c1219.elements import date_only, ltime, record, signed, time_of_day, u8, u16
from metersdk.model.c1219.formats import MomentField
from metersdk.model.c1219.layout import BitField, Record, bit, bits
from metersdk.model.c1219.references import Reference, absent
from metersdk.model.c1219.table import C1219Table, Certainty

ACT_TIME_TOU = Reference(51)


class TimeFunctions1(BitField):
    tou_self_read_flag: bool = bit(0)
    season_self_read_flag: bool = bit(1)
    season_demand_reset_flag: bool = bit(2)
    season_chng_armed_flag: bool = bit(3)
    sort_dates_flag: bool = bit(4)
    anchor_date_flag: bool = bit(5)


class TimeFunctions2(BitField):
    cap_dst_auto_flag: bool = bit(0)
    separate_weekdays_flag: bool = bit(1)
    separate_sum_demands_flag: bool = bit(2)
    sort_tier_switches_flag: bool = bit(3)
    cap_tm_zn_offset_flag: bool = bit(4)


class CalendarFunctions(BitField):
    nbr_seasons: int = bits(0, 3)
    nbr_special_sched: int = bits(4, 7)


class _TimeLimits(C1219Table):
    time_func_flag1: TimeFunctions1 = record(TimeFunctions1)
    time_func_flag2: TimeFunctions2 = record(TimeFunctions2)
    calendar: CalendarFunctions = record(CalendarFunctions)
    nbr_non_recurr_dates: int = u8()
    nbr_recurr_dates: int = u8()
    nbr_tier_switches: int = u16()
    calendar_tbl_size: int = u16()


class DimensionTime(_TimeLimits, number=50, name="DIM_TIME_TOU_TBL"):
    """What the meter could do."""


class ActualTime(_TimeLimits, number=51, name="ACT_TIME_TOU_TBL"):
    """What it does: the dimensions of tables 53 to 56."""


class TimeQualifier(BitField):
    """TIME_DATE_QUAL_BFLD: what the time beside it counts by."""

    day_of_week: int = bits(0, 2)
    """0 Sunday to 6 Saturday, 7 unknown."""
    dst_flag: bool = bit(3)
    """Daylight saving is in force."""
    gmt_flag: bool = bit(4)
    """The time is Greenwich mean time."""
    tm_zn_applied_flag: bool = bit(5)
    """The offset of the time zone is in the time."""
    dst_applied_flag: bool = bit(6)
    """Daylight saving is in the time."""
    dst_supported_flag: bool = bit(7)


class Clock(C1219Table, number=52, name="CLOCK_TBL"):
    clock_calendar: MomentField | None = ltime()
    time_date_qual: TimeQualifier = record(TimeQualifier)


class TimeOffset(C1219Table, number=53, name="TIME_OFFSET_TBL", certainty=Certainty.MEMORY):
    dst_time_eff: timedelta | None = time_of_day(when=ACT_TIME_TOU.time_func_flag2.cap_dst_auto_flag)
    """Time of day at which daylight saving begins."""
    dst_time_amt: int | None = u8(when=ACT_TIME_TOU.time_func_flag2.cap_dst_auto_flag)
    """Minutes that it adds."""
    time_zone_offset: int | None = signed(2, when=ACT_TIME_TOU.time_func_flag2.cap_tm_zn_offset_flag)
    """Minutes to add to GMT to get the standard time of the zone."""


class CalendarAction(BitField):
    calendar_ctrl: int = bits(0, 4)
    """What happens: 1 daylight saving on, 2 off, 3 and on a season or a special schedule."""
    demand_reset_flag: bool = bit(5)
    self_read_flag: bool = bit(6)


class NonRecurringDate(Record):
    non_recurr_date: date | None = date_only()
    calendar_action: CalendarAction = record(CalendarAction)


class RecurringDay(BitField):
    """RDATE: a day of each year by month, day or weekday."""

    OCTETS = 2

    month: int = bits(0, 3)
    offset: int = bits(4, 7)
    weekday: int = bits(8, 10)
    day: int = bits(11, 15)


class RecurringDate(Record):
    recurr_date: RecurringDay = record(RecurringDay)
    calendar_action: CalendarAction = record(CalendarAction)


class TierSwitch(BitField):
    """TIER_SWITCH_BFLD: at which time of day which tier begins."""

    OCTETS = 2

    new_tier: int = bits(0, 2)
    summation_switch_flag: bool = bit(3)
    demands_switch_flag: bool = bit(4)
    switch_min: int = bits(5, 10)
    switch_hour: int = bits(11, 15)


class TierSwitchEntry(Record):
    tier_switch: TierSwitch = record(TierSwitch)
    day_sch_num: int = u8()


class DailySchedules(Record):
    """The numbers of the schedules of one season, by day."""

    saturday_schedule: int = u8()
    sunday_schedule: int = u8()
    weekday_schedule: int | None = u8(when=absent(ACT_TIME_TOU.time_func_flag2.separate_weekdays_flag))
    weekday_schedules: tuple[int, ...] | None = u8(times=5, when=ACT_TIME_TOU.time_func_flag2.separate_weekdays_flag)
    """Monday to Friday."""
    special_schedule: tuple[int, ...] = u8(times=ACT_TIME_TOU.calendar.nbr_special_sched)


class Calendar(C1219Table, number=54, name="CALENDAR_TBL", certainty=Certainty.MEMORY):
    anchor_date: date | None = date_only(when=ACT_TIME_TOU.time_func_flag1.anchor_date_flag)
    non_recurr_dates: tuple[NonRecurringDate, ...] = record(NonRecurringDate, times=ACT_TIME_TOU.nbr_non_recurr_dates)
    recurr_dates: tuple[RecurringDate, ...] = record(RecurringDate, times=ACT_TIME_TOU.nbr_recurr_dates)
    tier_switches: tuple[TierSwitchEntry, ...] = record(TierSwitchEntry, times=ACT_TIME_TOU.nbr_tier_switches)
    daily_schedule_id_matrix: tuple[DailySchedules, ...] = record(
        DailySchedules, times=ACT_TIME_TOU.calendar.nbr_seasons
    )


class ClockStatus(BitField):
    """Tier, season and schedule in force. With separate tiers for demands the first is that of summations."""

    OCTETS = 2

    curr_tier: int = bits(0, 2)
    curr_demand_tier: int = bits(3, 5)
    """Only with SEPARATE_SUM_DEMANDS_FLAG of table 51."""
    tier_drive: int = bits(6, 7)
    special_schd_active: int = bits(8, 11)
    season: int = bits(12, 15)


class ClockState(C1219Table, number=55, name="CLOCK_STATE_TBL"):
    clock_calendar: MomentField | None = ltime()
    time_date_qual: TimeQualifier = record(TimeQualifier)
    status: ClockStatus = record(ClockStatus)


class TimeRemaining(C1219Table, number=56, name="TIME_REMAIN_TBL"):
    """Minutes until the tier changes, and days until the next self-read."""

    tier_time_remain: int | None = u16(when=absent(ACT_TIME_TOU.time_func_flag2.separate_sum_demands_flag))
    summ_tier_time_remain: int | None = u16(when=ACT_TIME_TOU.time_func_flag2.separate_sum_demands_flag)
    demand_tier_time_remain: int | None = u16(when=ACT_TIME_TOU.time_func_flag2.separate_sum_demands_flag)
    self_read_days_remain: int = u8()


TABLES = (DimensionTime, ActualTime, Clock, TimeOffset, Calendar, ClockState, TimeRemaining)
