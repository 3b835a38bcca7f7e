"""COSEM date-time, date and time: 12, 5 and 4 octets whose every field may be undefined (Blue Book part 2, 4.1.6.1).

Nothing is lost or guessed: an undefined field is ``None``, a wildcard keeps its number, and
``X.from_octets(raw).to_octets() == raw`` holds for every input. Turning a value into a :class:`datetime.datetime` is a
step of its own, and fails with a typed error where a field it needs is undefined.
"""

from __future__ import annotations

import struct
from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from enum import IntFlag

from metersdk.apdu.ascii_profile import Season, Zst
from metersdk.errors import DecodeError, LocalProtocolError

DST_END = 0xFD
"""Month wildcard: the month in which daylight saving ends."""
DST_BEGIN = 0xFE
"""Month wildcard: the month in which daylight saving begins."""
SECOND_LAST_DAY = 0xFD
"""Day wildcard: the second last day of the month."""
LAST_DAY = 0xFE
"""Day wildcard: the last day of the month."""

_UNDEFINED = 0xFF
_UNDEFINED_YEAR = 0xFFFF
_UNDEFINED_DEVIATION = -0x8000
_LAYOUT = struct.Struct(">HBBBBBBBhB")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_MONTH_WORDS = {DST_END: "DST-END", DST_BEGIN: "DST-BEGIN"}
_DAY_WORDS = {SECOND_LAST_DAY: "LAST-1", LAST_DAY: "LAST"}


class ClockStatus(IntFlag):
    """Clock status octet; the three reserved bits are kept. FF, "not specified", is ``None`` in a :class:`DateTime`."""

    INVALID = 0x01
    """The clock could not be restored after a power failure."""
    DOUBTFUL = 0x02
    """The clock was restored, but its value cannot be guaranteed."""
    DIFFERENT_BASE = 0x04
    """The clock base differs from the one in attribute clock_base."""
    INVALID_STATUS = 0x08
    """A bit of this status is itself invalid."""
    DST_ACTIVE = 0x80
    """Daylight saving is in force, and the deviation includes it."""


@dataclass(frozen=True, slots=True)
class Date:
    """COSEM date, 5 octets. ``weekday`` 1 Monday to 7 Sunday; ``None`` is undefined; wildcards as above."""

    year: int | None = None
    month: int | None = None
    day: int | None = None
    weekday: int | None = None

    @classmethod
    def from_octets(cls, octets: bytes) -> Date:
        """Raises: DecodeError: not 5 octets."""
        _need(octets, 5, "date")
        year, (month, day, weekday) = octets[0] << 8 | octets[1], octets[2:]
        return cls(None if year == _UNDEFINED_YEAR else year, _opt(month), _opt(day), _opt(weekday))

    def to_octets(self) -> bytes:
        """Raises: LocalProtocolError: a field does not fit its octet."""
        year = _UNDEFINED_YEAR if self.year is None else self.year
        return _packed(">HBBB", year, *map(_octet, (self.month, self.day, self.weekday)))

    @classmethod
    def from_date(cls, day: date) -> Date:
        return cls(day.year, day.month, day.day, day.isoweekday())

    def to_date(self) -> date:
        """The calendar date; day FE and FD are counted from the end of the month.

        Raises:
            DecodeError: year, month or day is undefined, a DST wildcard, or no such day.
        """
        if self.year is None or self.month is None or self.day is None:
            raise DecodeError(f"a field of the date is undefined: {self}", layer="data", data=self.to_octets())
        try:
            day = self.day
            if day >= SECOND_LAST_DAY:
                day += monthrange(self.year, self.month)[1] - LAST_DAY
            return date(self.year, self.month, day)
        except (ValueError, IndexError, OverflowError) as error:
            raise DecodeError(f"no such date: {self} ({error})", layer="data") from error

    def __str__(self) -> str:
        year = "*" if self.year is None else f"{self.year:04d}"
        return f"{year}-{_text(self.month, _MONTH_WORDS)}-{_text(self.day, _DAY_WORDS)}"


@dataclass(frozen=True, slots=True)
class Time:
    """COSEM time, 4 octets; ``None`` is undefined."""

    hour: int | None = None
    minute: int | None = None
    second: int | None = None
    hundredths: int | None = None

    @classmethod
    def from_octets(cls, octets: bytes) -> Time:
        """Raises: DecodeError: not 4 octets."""
        _need(octets, 4, "time")
        return cls(*map(_opt, octets))

    def to_octets(self) -> bytes:
        """Raises: LocalProtocolError: a field does not fit its octet."""
        return _packed(">BBBB", *map(_octet, (self.hour, self.minute, self.second, self.hundredths)))

    @classmethod
    def from_time(cls, of_day: time) -> Time:
        return cls(of_day.hour, of_day.minute, of_day.second, of_day.microsecond // 10_000)

    def to_time(self) -> time:
        """The time of day; undefined seconds and hundredths count as 0.

        Raises:
            DecodeError: hour or minute is undefined, or no such time.
        """
        if self.hour is None or self.minute is None:
            raise DecodeError(f"a field of the time is undefined: {self}", layer="data", data=self.to_octets())
        try:
            return time(self.hour, self.minute, self.second or 0, (self.hundredths or 0) * 10_000)
        except ValueError as error:
            raise DecodeError(f"no such time: {self} ({error})", layer="data") from error

    def __str__(self) -> str:
        text = f"{_text(self.hour)}:{_text(self.minute)}:{_text(self.second)}"
        return f"{text}.{self.hundredths:02d}" if self.hundredths else text


@dataclass(frozen=True, slots=True)
class DateTime:
    """COSEM date-time, 12 octets; ``None`` is undefined.

    ``deviation`` is minutes to ADD to the local time to get UTC, daylight saving included: -120 in CEST. ``None`` (8000
    on the wire) means local time of unknown zone, 0 means UTC. Some meters send the opposite sign; the conversions take
    ``deviation_sign=-1`` for those (:attr:`metersdk.model.quirks.Quirks.deviation_sign`).
    """

    year: int | None = None
    month: int | None = None
    day: int | None = None
    weekday: int | None = None
    hour: int | None = None
    minute: int | None = None
    second: int | None = None
    hundredths: int | None = None
    deviation: int | None = None
    status: ClockStatus | None = None

    @classmethod
    def from_octets(cls, octets: bytes) -> DateTime:
        """Raises: DecodeError: not 12 octets."""
        _need(octets, 12, "date-time")
        year, month, day, weekday, hour, minute, second, hundredths, deviation, status = _LAYOUT.unpack(octets)
        return cls(
            None if year == _UNDEFINED_YEAR else year,
            _opt(month),
            _opt(day),
            _opt(weekday),
            _opt(hour),
            _opt(minute),
            _opt(second),
            _opt(hundredths),
            None if deviation == _UNDEFINED_DEVIATION else deviation,
            None if status == _UNDEFINED else ClockStatus(status),
        )

    def to_octets(self) -> bytes:
        """Raises: LocalProtocolError: a field does not fit its octets."""
        deviation = _UNDEFINED_DEVIATION if self.deviation is None else self.deviation
        status = _UNDEFINED if self.status is None else int(self.status)
        return self.date.to_octets() + self.time.to_octets() + _packed(">hB", deviation, status)

    @property
    def date(self) -> Date:
        return Date(self.year, self.month, self.day, self.weekday)

    @property
    def time(self) -> Time:
        return Time(self.hour, self.minute, self.second, self.hundredths)

    @classmethod
    def from_datetime(cls, moment: datetime, status: ClockStatus | None = None) -> DateTime:
        """An aware datetime gives its deviation, a naive one leaves it undefined.

        ``status`` left out: 0, with ``DST_ACTIVE`` where the zone says so.

        Raises:
            LocalProtocolError: no datetime, or its UTC offset is not a whole number of minutes.
        """
        if not isinstance(moment, datetime):
            raise LocalProtocolError(f"{moment!r:.40} is no datetime", layer="data")
        offset = moment.utcoffset()
        if offset is not None and offset % timedelta(minutes=1):
            raise LocalProtocolError(f"a deviation counts whole minutes, not {offset}", layer="data")
        if status is None:
            status = ClockStatus.DST_ACTIVE if moment.dst() else ClockStatus(0)
        return cls(
            moment.year,
            moment.month,
            moment.day,
            moment.isoweekday(),
            moment.hour,
            moment.minute,
            moment.second,
            moment.microsecond // 10_000,
            None if offset is None else -(offset // timedelta(minutes=1)),
            status,
        )

    def to_datetime(self, *, deviation_sign: int = 1) -> datetime:
        """Aware where the deviation is known, naive where it is not; undefined seconds and hundredths count as 0.

        Raises:
            DecodeError: a field that is needed is undefined, or there is no such date, time or offset.
        """
        naive = datetime.combine(self.date.to_date(), self.time.to_time())
        if self.deviation is None:
            return naive
        offset = timedelta(minutes=-self.deviation * deviation_sign)
        if abs(offset) >= timedelta(days=1):
            raise DecodeError(f"a deviation of {self.deviation} minutes is more than a day", layer="data")
        return naive.replace(tzinfo=timezone(offset))

    def utc_ms(self, *, deviation: int | None = None, deviation_sign: int = 1) -> int:
        """Milliseconds since 1970-01-01 UTC. ``deviation`` (minutes) is taken where the value has none of its own.

        Raises:
            DecodeError: no deviation is known, or a field that is needed is undefined.
        """
        moment = self.to_datetime(deviation_sign=deviation_sign)
        if moment.tzinfo is None:
            if deviation is None:
                raise DecodeError(
                    f"local time without a deviation: {self}", layer="data", hint="give the zone of the meter"
                )
            moment = moment.replace(tzinfo=UTC)
            return (moment - _EPOCH) // _MILLISECOND + deviation * deviation_sign * 60_000
        return (moment - _EPOCH) // _MILLISECOND

    @classmethod
    def from_zst(cls, text: str) -> DateTime:
        """A VDEW time stamp of IEC 62056-21: ``[s]yymmddhhmm[ss]``, s = 0 normal, 1 summer, 2 UTC; or W or S behind it.

        Local stamps have no deviation; summer sets ``DST_ACTIVE``. Years 90..99 are 1990..1999.

        Raises:
            DecodeError: not such a stamp.
        """
        stamp = Zst.parse(text)
        local, season = stamp.local, stamp.season
        status = None if season is None else ClockStatus.DST_ACTIVE if season is Season.SUMMER else ClockStatus(0)
        return cls(
            local.year,
            local.month,
            local.day,
            None,
            local.hour,
            local.minute,
            local.second if stamp.to_the_second else None,
            None,
            stamp.deviation(None),
            status,
        )

    def __str__(self) -> str:
        """ISO 8601 where all is defined; ``*`` for an undefined field, no offset without deviation."""
        text = f"{self.date}T{self.time}"
        if self.deviation is None:
            return text
        hours, minutes = divmod(abs(self.deviation), 60)
        return f"{text}{'-' if self.deviation > 0 else '+'}{hours:02d}:{minutes:02d}"


def _opt(octet: int) -> int | None:
    return None if octet == _UNDEFINED else octet


def _octet(field: int | None) -> int:
    return _UNDEFINED if field is None else field


def _need(octets: bytes, size: int, what: str) -> None:
    if len(octets) != size:
        raise DecodeError(f"a {what} has {size} octets, not {len(octets)}", layer="data", data=bytes(octets))


def _packed(layout: str, *numbers: int) -> bytes:
    try:
        return struct.pack(layout, *numbers)
    except struct.error as error:
        raise LocalProtocolError(f"a field of a date or time does not fit: {numbers}", layer="data") from error


def _text(field: int | None, words: dict[int, str] | None = None) -> str:
    return "*" if field is None else (words or {}).get(field) or f"{field:02d}"
