"""Time and event bound control (Blue Book part 2, 4.5): the clock."""

from __future__ import annotations

from datetime import datetime
from enum import IntEnum
from typing import ClassVar

from metersdk.model.clock import ClockStatus
from metersdk.model.cosem.base import Attribute, CosemObject, Method
from metersdk.model.cosem.kinds import BOOLEAN, DATE_TIME, INTEGER, LONG, UNSIGNED, choice
from metersdk.model.fields import DateTimeField


class ClockBase(IntEnum):
    """Where the clock takes its pace from."""

    NOT_DEFINED = 0
    CRYSTAL = 1
    MAINS_50_HZ = 2
    MAINS_60_HZ = 3
    GPS = 4
    RADIO = 5


class Clock(CosemObject):
    """Clock (class 8). ``time_zone``: minutes to add to the normal local time to get UTC, -60 in Berlin."""

    CLASS_NAME: ClassVar[str] = "Clock"
    ATTRIBUTES: ClassVar[tuple[Attribute, ...]] = (
        Attribute(2, "time", DATE_TIME),
        Attribute(3, "time_zone", LONG),
        Attribute(4, "status", UNSIGNED),
        Attribute(5, "daylight_savings_begin", DATE_TIME),
        Attribute(6, "daylight_savings_end", DATE_TIME),
        Attribute(7, "daylight_savings_deviation", INTEGER),
        Attribute(8, "daylight_savings_enabled", BOOLEAN),
        Attribute(9, "clock_base", choice(ClockBase)),
    )
    METHODS: ClassVar[tuple[Method, ...]] = (
        Method(1, "adjust_to_quarter"),
        Method(2, "adjust_to_measuring_period"),
        Method(3, "adjust_to_minute"),
        Method(4, "adjust_to_preset_time"),
        Method(5, "preset_adjusting_time"),
        Method(6, "shift_time"),
    )

    class_id: int = 8
    time: DateTimeField | None = None
    time_zone: int | None = None
    status: int | None = None
    daylight_savings_begin: DateTimeField | None = None
    daylight_savings_end: DateTimeField | None = None
    daylight_savings_deviation: int | None = None
    daylight_savings_enabled: bool | None = None
    clock_base: ClockBase | int | None = None

    @property
    def clock_status(self) -> ClockStatus | None:
        """The status octet as flags; ``None`` where it was not read or says "not specified"."""
        return None if self.status in (None, 0xFF) else ClockStatus(self.status)

    def datetime(self) -> datetime | None:
        """The time as Python knows it. Raises DecodeError where fields it needs are undefined."""
        return None if self.time is None else self.time.to_datetime()
