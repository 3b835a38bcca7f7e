"""Data sets of IEC 62056-21 as readings, asked for or pushed: OBIS codes, units, times, billing history, lines of P1.

A billing value names its period, ``1.8.0*01``; ``&`` instead of ``*`` says that the period was ended by hand. When a
period ended stands beside the value (a maximum), or in a data set of its own, ``0.1.2*01(2611010000)``. Billing values
without a unit have that of the present value. P1 puts the time of a value before it, and texts in hex.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal

from metersdk.apdu.dataset import DataSet, Value
from metersdk.errors import DecodeError, Finding, LocalProtocolError
from metersdk.model.clock import DateTime
from metersdk.model.obis import Obis
from metersdk.model.quantity import Unit, scaled, unit_from_symbol
from metersdk.model.reading import Reading

BY_HAND = "reset by hand"
_PRESENT = 255
_CLOCK = Obis("0-0:1.0.0")
# Date, time of day, and both in one.
_DATE_AND_TIME = ("0.9.2", "0.9.1", "1.0.0")
# A time that stands before its value: with a season letter, or in full beside a value with a unit.
_LEADING = re.compile(r"\d{12}([SW]?)", re.ASCII)
_DASHED = re.compile(r"(\d\d)-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)", re.ASCII)
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2}){2,}", re.ASCII)
# Texts and numbers of devices: DSMR writes them as octets in hex. Leading zeros count.
_NAMES = re.compile(r"(?:\d-\d+:)?(?:96\.1\.\d|96\.13\.\d|42\.0\.0)(?:[*]255)?", re.ASCII)
_SERIALS = re.compile(r"(?:0-0:)?(?:96\.1\.[01]|C\.1(?:\.0)?|0\.0\.[01]|0\.0)(?:[*]255)?", re.ASCII)


def readings_of(data_sets: Iterable[DataSet]) -> tuple[tuple[Reading, ...], tuple[Finding, ...]]:
    """A reading for each data set that has an OBIS code and a value, a finding for each of the others."""
    readings: list[Reading] = []
    findings: list[Finding] = []
    known: list[tuple[Obis, DataSet]] = []
    for data_set in data_sets:
        try:
            known.append((_code(data_set), data_set))
        except LocalProtocolError as error:
            findings.append(Finding("no-obis", error.message, "data", data_set.offset))
    ends = {code.f: stamp for code, data_set in known if (stamp := _period_end(code, data_set)) is not None}
    units = {_present(code): each.value.unit for code, each in known if code.f == _PRESENT and each.value.unit}
    inherited = False
    for code, data_set in known:
        value, unit = data_set.value, None
        if code.f != _PRESENT and value.unit is None and value.number is not None and len(data_set.values) < 3:
            unit = units.get(_present(code))
        if unit is not None and not inherited:
            inherited = True
            text = "billing values without a unit, taken to have that of the present value"
            findings.append(Finding("unit-inherited", text, "data", data_set.offset))
        reading = _reading(code, data_set, unit)
        if code.f != _PRESENT and reading.time is None and code.f in ends and _period_end(code, data_set) is None:
            reading = reading.model_copy(update={"time": ends[code.f]})
        readings.append(reading)
    return tuple(readings), tuple(sorted(findings, key=lambda each: each.offset))


def serial_of(data_sets: Iterable[DataSet]) -> str | None:
    """The number of the meter itself: 0-0:96.1.1, C.1.0 and the like."""
    for each in data_sets:
        if each.values and _SERIALS.fullmatch(each.address) and (text := each.value.text.strip()):
            return _unhexed(text)
    return None


def stamp_of(text: str) -> DateTime | None:
    """``[s]yymmddhhmm[ss]``, with S or W behind it for summer or winter, or ``yy-mm-dd hh:mm:ss``; None if it is no
    such time."""
    dashed = _DASHED.fullmatch(text)
    try:
        return DateTime.from_zst("".join(dashed.groups()) if dashed else text)
    except DecodeError:
        return None


def is_at(data_set: DataSet, address: str) -> bool:
    """Whether it has a value, and this address, with or without medium and channel."""
    return bool(data_set.values) and (data_set.address == address or data_set.address.endswith(":" + address))


def clock_of(data_sets: Iterable[DataSet]) -> DateTime | None:
    """The meter's local time in a data message: 0.9.2 and 0.9.1, or 1.0.0; None where it tells none.

    Raises:
        DecodeError: not in a form known.
    """
    found = {address: each for each in reversed([*data_sets]) for address in _DATE_AND_TIME if is_at(each, address)}
    day, of_day, both = map(found.get, _DATE_AND_TIME)
    if day is not None and of_day is not None:
        return DateTime.from_zst(clock_text(day.value.text, of_day.value.text))
    return DateTime.from_zst(both.value.text) if both is not None else None


def clock_text(day: str, of_day: str) -> str:
    """The time stamp of a date and a time: ``260731`` ``26-07-31`` ``20260731`` or ``1260731``, and ``125703``
    ``12:57:03`` or ``1125703``.

    Raises:
        DecodeError: they are none.
    """
    date, time = ("".join(filter(str.isdecimal, text)) for text in (day, of_day))
    season = ""
    if len(date) == 7:
        season, date = date[0], date[1:]
    elif len(date) == 8:
        date = date[2:]
    if len(time) in (5, 7):
        season, time = time[0], time[1:]
    if len(date) != 6 or len(time) not in (4, 6):
        raise DecodeError(f"neither a date nor a time: {day!r:.20}, {of_day!r:.20}", layer="data")
    return season + date + time


def _code(data_set: DataSet) -> Obis:
    if not data_set.values:
        raise LocalProtocolError(f"{data_set.address!r} has no value")
    try:
        return Obis.parse(data_set.address.replace("&", "*"))
    except LocalProtocolError:
        raise LocalProtocolError(f"{data_set.address!r} is no OBIS code") from None


def _reading(code: Obis, data_set: DataSet, unit: str | None) -> Reading:
    """One data set: ``(number*unit)``; ``(number*unit)(stamp)``; ``(stamp)(number*unit)`` of DSMR 4 on;
    ``(stamp)(..)(..)(..)(code)(unit)(number)`` of DSMR 2 and 3; anything else of several values as a tuple of texts.

    ``unit`` is that of the present value, where this one has none.
    """
    values = data_set.values
    first = values[0]
    history = data_set.history
    status = BY_HAND if history is not None and history.mark == "&" else None
    stamp = stamp_of(first.text) if first.unit is None else None
    if code == _CLOCK and stamp is not None:
        return Reading(obis=code, value=stamp, status=status, raw=first.text)
    match values:
        case [_]:
            return _of(code, first, None, status, unit, is_name=_NAMES.fullmatch(data_set.address) is not None)
        case [_, second] if _leads(first, second):
            return _of(code, second, stamp, status, unit)
        case [_, second] if (reached := stamp_of(second.text)) is not None or _says_nothing(first, second):
            return _of(code, first, reached, status, unit)
        case [_, _, _, _, medium, symbol, last] if stamp is not None and "." in medium.text:
            # The meter of another medium, behind this one: code and unit come before the value.
            try:
                behind = Obis.parse(medium.text)
            except LocalProtocolError:
                pass
            else:
                return _of(behind, Value(last.text, last.number, symbol.text), stamp, status, None)
    return Reading(obis=code, value=tuple(map(str, values)), status=status, raw=first.text)


def _leads(first: Value, second: Value) -> bool:
    """Whether a first value is the time of the second, be it one that never was: ``632525252525W``."""
    if first.unit is not None:
        return False
    leading = _LEADING.fullmatch(first.text)
    return _DASHED.fullmatch(first.text) is not None or bool(leading and (leading[1] or second.unit))


def _says_nothing(first: Value, second: Value) -> bool:
    """Whether a second value adds nothing to a number: the time of a maximum that the meter does not know."""
    return first.number is not None and second.number is None and second.unit is None


def _of(
    code: Obis, value: Value, time: DateTime | None, status: str | None, unit: str | None, *, is_name: bool = False
) -> Reading:
    text = value.text
    if value.number is None or is_name:
        plain = (_unhexed(text) if is_name else text).strip()
        return Reading(obis=code, value=plain or None, time=time, status=status, raw=text)
    number, symbol = _scaled(value.number, value.unit or unit)
    return Reading(obis=code, value=number, unit=symbol, time=time, status=status, raw=text)


def _scaled(number: Decimal, symbol: str | None) -> tuple[Decimal, Unit | None]:
    """Number and unit, a prefix in the unit taken into the number: ``0012345.678*kWh`` is 12345678 Wh exactly."""
    found = unit_from_symbol(symbol) if symbol else None
    if found is None:
        return number, None
    unit, exponent = found
    return scaled(number, exponent), unit


def _unhexed(text: str) -> str:
    """Octets in hex as the text they spell; any other text as it is."""
    if not _HEX.fullmatch(text):
        return text
    octets = bytes.fromhex(text)
    plain = octets.decode("latin-1")
    return plain if octets.isascii() and plain.isprintable() else text


def _present(code: Obis) -> bytes:
    """The code without its billing period."""
    return code.octets[:5]


def _period_end(code: Obis, data_set: DataSet) -> DateTime | None:
    """``0.1.2*01``: when that billing period ended."""
    if (code.c, code.d, code.e) != (0, 1, 2) or code.f == _PRESENT:
        return None
    return stamp_of(data_set.value.text)
