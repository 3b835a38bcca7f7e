"""How table 0 says that numbers, texts and times are written: the final elements of ANSI C12.19.

Every table of a meter follows the choices of its table 0: the order of octets, the set of characters, the format of
non-integers (``NI_FMAT1``, ``NI_FMAT2``), of signed integers and of times. A choice that the standard reserves
is an error only where an element of that kind is met.

Numbers are exact: :class:`decimal.Decimal`, and a float is the shortest decimal that names it. An element that holds no
number (blank characters, nibbles above 9) is NaN.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from enum import IntEnum, StrEnum
from math import isinf
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import BeforeValidator, InstanceOf, PlainSerializer

from metersdk.model.clock import DateTime
from metersdk.model.quantity import scaled

Order: TypeAlias = Literal["little", "big"]


class NiFormat(IntEnum):
    """NI_FORMAT1, NI_FORMAT2: how ``NI_FMAT1`` and ``NI_FMAT2`` are written."""

    FLOAT64 = 0
    FLOAT32 = 1
    FLOAT_CHAR12 = 2
    FLOAT_CHAR6 = 3
    INT32_4 = 4
    """INT32 with four decimals: 1 is 0.0001."""
    FIXED_BCD6 = 5
    FIXED_BCD4 = 6
    INT24 = 7
    INT32 = 8
    INT40 = 9
    INT48 = 10
    INT64 = 11
    FIXED_BCD8 = 12
    FLOAT_CHAR21 = 13


class TmFormat(IntEnum):
    """TM_FORMAT: how times are written."""

    NONE = 0
    BCD = 1
    UINT8 = 2
    MINUTES = 3
    """UINT32 minutes since 1970, seconds in an octet of their own."""
    SECONDS = 4
    """UINT32 seconds since 1970."""


class IntFormat(IntEnum):
    """INT_FORMAT: how negative integers are written."""

    TWOS_COMPLEMENT = 0
    ONES_COMPLEMENT = 1
    SIGN_MAGNITUDE = 2


@dataclass(frozen=True, slots=True)
class Formats:
    """The choices of table 0 that elements depend on, as the numbers that stand there."""

    order: Order = "little"
    char_format: int = 1
    id_form: int = 0
    int_format: int = 0
    tm_format: int = 2
    ni_format1: int = 8
    ni_format2: int = 8


# --- integers ---------------------------------------------------------------------------------------------------------


def signed(octets: bytes, formats: Formats) -> int:
    """A signed integer by INT_FORMAT.

    Raises:
        ValueError: INT_FORMAT 3 is reserved.
    """
    raw, top = int.from_bytes(octets, formats.order), 1 << 8 * len(octets) - 1
    if formats.int_format > IntFormat.SIGN_MAGNITUDE:
        raise ValueError(f"INT_FORMAT {formats.int_format} is reserved")
    if raw < top:
        return raw
    if formats.int_format == IntFormat.SIGN_MAGNITUDE:
        return top - raw
    return raw - 2 * top + formats.int_format


def signed_octets(value: int, size: int, formats: Formats) -> bytes:
    """The octets of a signed integer.

    Raises:
        ValueError: it does not fit, or INT_FORMAT 3 is reserved.
    """
    top = 1 << 8 * size - 1
    lowest = -top if formats.int_format == IntFormat.TWOS_COMPLEMENT else 1 - top
    if formats.int_format > IntFormat.SIGN_MAGNITUDE:
        raise ValueError(f"INT_FORMAT {formats.int_format} is reserved")
    if not lowest <= value < top:
        raise ValueError(f"{value} does not fit into {size} octets")
    if value < 0:
        value = top - value if formats.int_format == IntFormat.SIGN_MAGNITUDE else value + 2 * top - formats.int_format
    return value.to_bytes(size, formats.order)


# --- non-integers -----------------------------------------------------------------------------------------------------

NI_SIZES: Final = {
    NiFormat.FLOAT64: 8,
    NiFormat.FLOAT32: 4,
    NiFormat.FLOAT_CHAR12: 12,
    NiFormat.FLOAT_CHAR6: 6,
    NiFormat.INT32_4: 4,
    NiFormat.FIXED_BCD6: 3,
    NiFormat.FIXED_BCD4: 2,
    NiFormat.INT24: 3,
    NiFormat.INT32: 4,
    NiFormat.INT40: 5,
    NiFormat.INT48: 6,
    NiFormat.INT64: 8,
    NiFormat.FIXED_BCD8: 4,
    NiFormat.FLOAT_CHAR21: 21,
}
"""Octets of each format."""

_FLOATS: Final = {
    (NiFormat.FLOAT64, "little"): struct.Struct("<d"),
    (NiFormat.FLOAT64, "big"): struct.Struct(">d"),
    (NiFormat.FLOAT32, "little"): struct.Struct("<f"),
    (NiFormat.FLOAT32, "big"): struct.Struct(">f"),
}
_CHARACTERS: Final = frozenset((NiFormat.FLOAT_CHAR12, NiFormat.FLOAT_CHAR6, NiFormat.FLOAT_CHAR21))
_BCD: Final = frozenset((NiFormat.FIXED_BCD6, NiFormat.FIXED_BCD4, NiFormat.FIXED_BCD8))
_NAN: Final = Decimal("NaN")
# Twenty-one characters can spell a number with a billion digits, which nobody wants written out; a FLOAT64 has 309.
_MOST_DIGITS: Final = 400


def ni_format(number: int) -> NiFormat:
    """Raises: ValueError: the format is reserved."""
    try:
        return NiFormat(number)
    except ValueError:
        raise ValueError(f"NI_FORMAT {number} is reserved") from None


def non_integer(octets: bytes, number: int, formats: Formats) -> Decimal:
    """An ``NI_FMAT1`` or ``NI_FMAT2`` of format ``number``; NaN where its octets are no number.

    Raises:
        ValueError: the format is reserved.
    """
    kind = ni_format(number)
    if (kind, formats.order) in _FLOATS:
        value: float = _FLOATS[kind, formats.order].unpack(octets)[0]
        return Decimal(repr(value)) if kind is NiFormat.FLOAT64 else scaled(value, 0)
    if kind in _CHARACTERS:
        return number_of(octets)
    if kind in _BCD:
        # One element of several octets: its order is that of all others.
        digits = octets.hex() if formats.order == "big" else octets[::-1].hex()
        return Decimal(digits) if digits.isdecimal() else _NAN
    return scaled(signed(octets, formats), -4 if kind is NiFormat.INT32_4 else 0)


def number_of(octets: bytes) -> Decimal:
    """A number written in characters, ``b"  12.50"``; NaN where it is none."""
    text = octets.decode("latin-1").strip(" \0")
    try:
        value = Decimal(text) if text.isascii() and "_" not in text else _NAN
    except InvalidOperation:
        return _NAN
    return _NAN if value.is_finite() and abs(value.adjusted()) > _MOST_DIGITS else value


def characters_of(value: Decimal, size: int) -> bytes:
    """A number in so many characters, to the right; NaN is blank.

    Raises:
        ValueError: it does not fit.
    """
    short = value.is_finite() and abs(value.adjusted()) <= size
    text = "" if value.is_nan() else format(value, "f") if short else str(value)
    if len(text) > size:
        text = str(value)
    if len(text) > size:
        raise ValueError(f"{value} does not fit into {size} characters")
    return text.rjust(size).encode("ascii")


def non_integer_octets(value: Decimal | int | float, number: int, formats: Formats) -> bytes:
    """The octets of an ``NI_FMAT1`` or ``NI_FMAT2``.

    Raises:
        ValueError: the value does not fit the format, or the format is reserved.
    """
    kind, value = ni_format(number), scaled(value, 0)
    size = NI_SIZES[kind]
    if (kind, formats.order) in _FLOATS:
        try:
            real = float(value)
            if isinf(real) and value.is_finite():
                raise OverflowError
            return _FLOATS[kind, formats.order].pack(real)
        except OverflowError:
            raise ValueError(f"{value} does not fit a {kind.name}") from None
    if kind in _CHARACTERS:
        return characters_of(value, size)
    if kind in _BCD:
        if value.is_nan():
            return b"\xff" * size
        octets = bytes.fromhex(f"{_whole(value, kind):0{2 * size}d}") if 0 <= value < 10 ** (2 * size) else b""
        if not octets:
            raise ValueError(f"{value} does not fit a {kind.name}")
        return octets if formats.order == "big" else octets[::-1]
    return signed_octets(_whole(value * 10**4 if kind is NiFormat.INT32_4 else value, kind), size, formats)


def _whole(value: Decimal, kind: NiFormat) -> int:
    if not value.is_finite() or value.adjusted() > _MOST_DIGITS or value != int(value):
        raise ValueError(f"{value} does not fit a {kind.name}")
    return int(value)


# --- times ------------------------------------------------------------------------------------------------------------

_EPOCH: Final = datetime(1970, 1, 1)
_MINUTE, _SECOND = timedelta(minutes=1), timedelta(seconds=1)


class Basis(StrEnum):
    """What a time of a table counts by, as far as table 0 tells; tables 52 to 55 tell more."""

    LOCAL = "local"
    """Year to second as the meter's clock shows them (TM_FORMAT 1, 2)."""
    UTC = "utc"
    """Counted from 1970 UTC (TM_FORMAT 3, 4). So says the standard; many meters count local time."""


@dataclass(frozen=True, slots=True)
class Moment:
    """STIME_DATE or LTIME_DATE: what the meter's clock showed, without a zone.

    ``stamp`` is None where the octets are no time, as those of a register that never had one; ``raw`` keeps them then.
    """

    stamp: datetime | None
    basis: Basis = Basis.LOCAL
    raw: bytes = b""

    def to_datetime(self, basis: Basis | None = None) -> datetime | None:
        """Aware where the time counts UTC by ``basis`` (its own, if left out), else naive; None: no time."""
        utc = (basis or self.basis) is Basis.UTC
        return self.stamp.replace(tzinfo=UTC) if utc and self.stamp else self.stamp

    def to_clock(self, basis: Basis | None = None) -> DateTime | None:
        """The same as a COSEM date-time, as readings have it: deviation 0 for UTC, undefined for local time."""
        moment = self.to_datetime(basis)
        return None if moment is None else DateTime.from_datetime(moment)

    def __str__(self) -> str:
        if self.stamp is None:
            return f"no time ({self.raw.hex()})" if self.raw else "no time"
        return self.stamp.isoformat(sep=" ") + (" UTC" if self.basis is Basis.UTC else "")


def _moment(value: object) -> object:
    if isinstance(value, datetime):
        return Moment(value.astimezone(UTC).replace(tzinfo=None), Basis.UTC) if value.tzinfo else Moment(value)
    # What model_dump() makes of a moment.
    return Moment(**value) if isinstance(value, dict) and "stamp" in value else value


MomentField = Annotated[
    InstanceOf[Moment], BeforeValidator(_moment), PlainSerializer(str, return_type=str, when_used="json")
]
"""A moment in a model: taken as a :class:`datetime.datetime`, too; a text in JSON."""


@dataclass(frozen=True, slots=True)
class TimeKind:
    """How one kind of time is written in one TM_FORMAT."""

    size: int
    decode: Callable[[bytes, Order], object]
    encode: Callable[[object, Order], bytes]


def _fields(octets: bytes, bcd: bool) -> list[int]:
    """Octets as two-digit numbers; in BCD a nibble above 9 makes 100 and more, which is in no time."""
    if not bcd:
        return list(octets)
    return [octet if octet > 0x99 else 10 * (octet >> 4) + (octet & 15) if octet & 15 < 10 else 100 for octet in octets]


def _packed(numbers: tuple[int, ...], bcd: bool) -> bytes:
    return bytes(number // 10 << 4 | number % 10 for number in numbers) if bcd else bytes(numbers)


def year_of(two_digits: int) -> int:
    """The year of two digits: 90 to 99 are 1990 to 1999.

    Raises:
        ValueError: more than two digits.
    """
    if two_digits > 99:
        raise ValueError(f"a year has two digits, not {two_digits}")
    return two_digits + (1900 if two_digits >= 90 else 2000)


def _by_fields(size: int, bcd: bool) -> TimeKind:
    """STIME_DATE (5 octets) and LTIME_DATE (6) in fields: year, month, day, hour, minute, second."""

    def decode(octets: bytes, order: Order) -> Moment:
        try:
            year, *others = _fields(octets, bcd)
            return Moment(datetime(year_of(year), *others))  # type: ignore[arg-type]
        except ValueError:
            return Moment(None, raw=octets)

    def encode(moment: object, order: Order) -> bytes:
        stamp = moment.stamp if isinstance(moment, Moment) else None
        if stamp is None:
            return _kept(moment, size)
        if not 1990 <= stamp.year <= 2089:
            raise ValueError(f"the year {stamp.year} does not fit two digits")
        return _packed((stamp.year % 100, *stamp.timetuple()[1:size]), bcd)

    return TimeKind(size, decode, encode)


def _by_count(size: int, unit: timedelta) -> TimeKind:
    """The same counted from 1970: a UINT32 of minutes or seconds, and with minutes the seconds in a fifth octet."""

    def decode(octets: bytes, order: Order) -> Moment:
        try:
            stamp = _EPOCH + int.from_bytes(octets[:4], order) * unit
            if size == 5:
                stamp = stamp.replace(second=octets[4])
            return Moment(stamp, Basis.UTC)
        except (ValueError, OverflowError):
            return Moment(None, Basis.UTC, octets)

    def encode(moment: object, order: Order) -> bytes:
        stamp = moment.stamp if isinstance(moment, Moment) else None
        if stamp is None:
            return _kept(moment, size)
        count = (stamp - _EPOCH) // unit
        if not 0 <= count < 1 << 32:
            raise ValueError(f"{stamp} does not fit a UINT32")
        return count.to_bytes(4, order) + (bytes((stamp.second,)) if size == 5 else b"")

    return TimeKind(size, decode, encode)


def _kept(moment: object, size: int) -> bytes:
    raw = moment.raw if isinstance(moment, Moment) else b""
    if moment is not None and not isinstance(moment, Moment):
        raise ValueError(f"not a time: {moment!r:.40}")
    if raw and len(raw) != size:
        raise ValueError(f"this time has {size} octets, not {len(raw)}")
    return raw or bytes(size)


def _of_day(bcd: bool) -> TimeKind:
    """TIME in fields: hour, minute, second."""

    def decode(octets: bytes, order: Order) -> timedelta | None:
        hours, minutes, seconds = numbers = _fields(octets, bcd)
        return timedelta(hours=hours, minutes=minutes, seconds=seconds) if max(numbers) < 100 else None

    def encode(value: object, order: Order) -> bytes:
        minutes, seconds = divmod(_seconds(value), 60)
        if minutes >= 100 * 60:
            raise ValueError(f"{value} does not fit two digits of hours")
        return _packed((*divmod(minutes, 60), seconds), bcd)

    return TimeKind(3, decode, encode)


def _counted_of_day() -> TimeKind:
    """TIME as a UINT32 of seconds."""

    def decode(octets: bytes, order: Order) -> timedelta:
        return timedelta(seconds=int.from_bytes(octets, order))

    def encode(value: object, order: Order) -> bytes:
        return _seconds(value).to_bytes(4, order)

    return TimeKind(4, decode, encode)


def _seconds(value: object) -> int:
    if not isinstance(value, timedelta | None):
        raise ValueError(f"not a time: {value!r:.40}")
    seconds = 0 if value is None else value // _SECOND
    if not 0 <= seconds < 1 << 32:
        raise ValueError(f"{value} does not fit a UINT32 of seconds")
    return seconds


def _day_by_fields(bcd: bool) -> TimeKind:
    """DATE in fields: year, month, day."""

    def decode(octets: bytes, order: Order) -> date | None:
        try:
            year, month, day = _fields(octets, bcd)
            return date(year_of(year), month, day)
        except ValueError:
            return None

    def encode(value: object, order: Order) -> bytes:
        if not isinstance(value, date):
            return bytes(3)
        if not 1990 <= value.year <= 2089:
            raise ValueError(f"the year {value.year} does not fit two digits")
        return _packed((value.year % 100, value.month, value.day), bcd)

    return TimeKind(3, decode, encode)


def _day_by_count() -> TimeKind:
    """DATE as a UINT16 of days since 1970."""

    def decode(octets: bytes, order: Order) -> date:
        return date(1970, 1, 1) + timedelta(days=int.from_bytes(octets, order))

    def encode(value: object, order: Order) -> bytes:
        days = (value - date(1970, 1, 1)).days if isinstance(value, date) else 0
        if not 0 <= days < 1 << 16:
            raise ValueError(f"{value} does not fit a UINT16 of days")
        return days.to_bytes(2, order)

    return TimeKind(2, decode, encode)


NOTHING: Final = TimeKind(0, lambda octets, order: None, lambda value, order: b"")
"""TM_FORMAT 0: the meter has no clock, and its tables no room for times."""

STIME: Final = (NOTHING, _by_fields(5, True), _by_fields(5, False), _by_count(4, _MINUTE), _by_count(4, _SECOND))
"""STIME_DATE, by TM_FORMAT."""
LTIME: Final = (NOTHING, _by_fields(6, True), _by_fields(6, False), _by_count(5, _MINUTE), _by_count(4, _SECOND))
"""LTIME_DATE, by TM_FORMAT."""
TIME: Final = (NOTHING, _of_day(True), _of_day(False), _counted_of_day(), _counted_of_day())
"""TIME, by TM_FORMAT."""
DATE: Final = (NOTHING, _day_by_fields(True), _day_by_fields(False), _day_by_count(), _day_by_count())
"""DATE, by TM_FORMAT; counted in days from memory."""


def time_kind(kinds: tuple[TimeKind, ...], formats: Formats) -> TimeKind:
    """Raises: ValueError: the TM_FORMAT is reserved."""
    if formats.tm_format >= len(kinds):
        raise ValueError(f"TM_FORMAT {formats.tm_format} is reserved")
    return kinds[formats.tm_format]
