"""The data sets of an IEC 62056-21 data block as readings: OBIS codes, units, billing history and its times.

A billing value names its period, ``1.8.0*01``; ``&`` instead of ``*`` says that the period was ended by hand. When a
period ended stands beside the value (a maximum), or in a data set of its own, ``0.1.2*01(2611010000)``. Billing values
without a unit have that of the present value.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

from metersdk.apdu.dataset import DataSet, Value
from metersdk.errors import DecodeError, Finding, LocalProtocolError
from metersdk.model.clock import DateTime
from metersdk.model.obis import Obis
from metersdk.model.quantity import Unit, scaled, unit_from_symbol
from metersdk.model.reading import Reading

BY_HAND = "reset by hand"
_PRESENT = 255


def readings_of(data_sets: Sequence[DataSet]) -> Iterator[Reading | Finding]:
    """A reading for each data set that has an OBIS code, a finding for each of the others."""
    known = [_parsed(data_set) for data_set in data_sets]
    ends = {code.f: stamp for code, data_set in known if code and (stamp := _period_end(code, data_set))}
    units = {
        _present(code): data_set.value
        for code, data_set in known
        if code and code.f == _PRESENT and data_set.values and data_set.value.unit
    }
    inherited = False
    for code, data_set in known:
        if code is None:
            text = f"{data_set.address!r} is no OBIS code" if data_set.values else f"{data_set.address!r} has no value"
            yield Finding("no-obis", text, "data", data_set.offset)
            continue
        reading = reading_of(data_set, code)
        if code.f != _PRESENT and reading.time is None and code.f in ends and _period_end(code, data_set) is None:
            reading = reading.model_copy(update={"time": ends[code.f]})
        like = units.get(_present(code))
        value = data_set.value
        if code.f != _PRESENT and value.unit is None and value.number is not None and like is not None:
            if not inherited:
                inherited = True
                text = "billing values without a unit, taken to have that of the present value"
                yield Finding("unit-inherited", text, "data", data_set.offset)
            number, unit = _scaled(Value(value.text, value.number, like.unit))
            reading = reading.model_copy(update={"value": number, "unit": unit})
        yield reading


def reading_of(data_set: DataSet, code: Obis) -> Reading:
    """One data set, which has a value; a second one in brackets is the time of the first (cumulative maximum)."""
    value, *more = data_set.values
    number, unit = _scaled(value)
    history = data_set.history
    return Reading(
        obis=code,
        value=number if number is not None else value.text,
        unit=unit,
        time=next((stamp for each in more if (stamp := _moment(each.text)) is not None), None),
        status=BY_HAND if history is not None and history.mark == "&" else None,
        raw=value.text,
    )


def _parsed(data_set: DataSet) -> tuple[Obis | None, DataSet]:
    if not data_set.values:
        return None, data_set
    try:
        return Obis.parse(data_set.address.replace("&", "*")), data_set
    except LocalProtocolError:
        return None, data_set


def _present(code: Obis) -> bytes:
    """The code without its billing period."""
    return code.octets[:5]


def _period_end(code: Obis, data_set: DataSet) -> DateTime | None:
    """``0.1.2*01``: when that billing period ended."""
    if (code.c, code.d, code.e) != (0, 1, 2) or code.f == _PRESENT:
        return None
    return _moment(data_set.value.text)


def _scaled(value: Value) -> tuple[Decimal | None, Unit | None]:
    """Number and unit, a prefix in the unit taken into the number: ``0012345.678*kWh`` is 12345678 Wh exactly."""
    if value.number is None or not value.unit:
        return value.number, None
    found = unit_from_symbol(value.unit)
    if found is None:
        return value.number, None
    unit, exponent = found
    return scaled(value.number, exponent), unit


def _moment(text: str) -> DateTime | None:
    try:
        return DateTime.from_zst(text)
    except DecodeError:
        return None
