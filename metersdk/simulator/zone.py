"""Local time of a simulated meter: a fixed deviation, and daylight saving by the rule of Europe, of the US, or none.

All times are whole seconds since 1970-01-01 UTC.
"""

from __future__ import annotations

import struct
from calendar import timegm
from datetime import date, timedelta
from functools import lru_cache
from typing import Literal

Daylight = Literal["none", "eu", "us"]

_DAY = 86400
# 2100-01-01: no simulated clock goes further, and no rule of daylight saving is known that far.
END_OF_TIME = 4_102_444_800
_DST_ACTIVE = 0x80
_LAYOUT = struct.Struct(">5sBBBBhB")


def _last_sunday(year: int, month: int) -> date:
    last = date(year, month, 31)
    return last - timedelta(days=last.isoweekday() % 7)


def _sunday(year: int, month: int, number: int) -> date:
    """The n-th Sunday of a month."""
    first = date(year, month, 1)
    return first + timedelta(days=-first.isoweekday() % 7 + 7 * (number - 1))


@lru_cache(maxsize=512)
def _summer(year: int) -> tuple[int, int]:
    """Directive 2000/84/EC: from the last Sunday of March to the last Sunday of October, 01:00 UTC."""
    begin, end = _last_sunday(year, 3), _last_sunday(year, 10)
    return timegm((*begin.timetuple()[:3], 1, 0, 0)), timegm((*end.timetuple()[:3], 1, 0, 0))


@lru_cache(maxsize=512)
def _summer_us(year: int, deviation: int) -> tuple[int, int]:
    """15 U.S.C. 260a: from the second Sunday of March to the first of November, each at 02:00 of the local time."""
    begin, end = _sunday(year, 3, 2), _sunday(year, 11, 1)
    shift = deviation * 60
    # 02:00 of daylight saving time is 01:00 of normal time.
    return timegm((*begin.timetuple()[:3], 2, 0, 0)) + shift, timegm((*end.timetuple()[:3], 1, 0, 0)) + shift


@lru_cache(maxsize=4096)
def _date_octets(day: int) -> bytes:
    there = date.fromordinal(day + date(1970, 1, 1).toordinal())
    return struct.pack(">HBBB", there.year, there.month, there.day, there.isoweekday())


class Zone:
    """Where the meter lives. ``deviation``: minutes to add to its normal local time to get UTC, -60 in Berlin."""

    def __init__(self, deviation: int = 0, daylight_saving: Daylight = "none") -> None:
        self.deviation = deviation
        self.daylight_saving = daylight_saving

    def at(self, utc: int) -> tuple[int, bool]:
        """Deviation in force at ``utc``, and whether daylight saving is."""
        if self.daylight_saving == "none" or not 0 <= utc < END_OF_TIME:
            return self.deviation, False
        year = 1970 + utc // 31_556_952
        for near in (year, year + 1):
            begin, end = _summer(near) if self.daylight_saving == "eu" else _summer_us(near, self.deviation)
            if begin <= utc < end:
                return self.deviation - 60, True
        return self.deviation, False

    def octets(self, utc: int) -> bytes:
        """The 12 octets of a COSEM date-time, hundredths 0."""
        deviation, summer = self.at(utc)
        day, second = divmod(utc - deviation * 60, _DAY)
        minute, second = divmod(second, 60)
        hour, minute = divmod(minute, 60)
        return _LAYOUT.pack(_date_octets(day), hour, minute, second, 0, deviation, _DST_ACTIVE if summer else 0)

    def utc_ms(self, local_ms: int, *, earlier: bool = True) -> int:
        """UTC of a local time, both in ms; in the hour that comes twice, the earlier or the later of the two."""
        candidates = []
        for deviation in (self.deviation - 60, self.deviation):
            utc = local_ms + deviation * 60_000
            if self.at(utc // 1000)[0] == deviation:
                candidates.append(utc)
        if not candidates:
            # The hour that does not exist: as if the clock had not been put forward.
            return local_ms + self.deviation * 60_000
        return min(candidates) if earlier else max(candidates)

    def midnight(self, day: date) -> int:
        """UTC of the local midnight that begins ``day``."""
        return self.utc_ms(timegm(day.timetuple()) * 1000) // 1000

    def local_date(self, utc: int) -> date:
        return date(1970, 1, 1) + timedelta(days=(utc - self.at(utc)[0] * 60) // _DAY)
