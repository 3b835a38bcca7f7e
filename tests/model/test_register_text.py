"""Readings of a readout: OBIS codes, billing periods and when they ended, units that are inherited."""

from __future__ import annotations

from decimal import Decimal

from metersdk.apdu.dataset import parse
from metersdk.errors import Finding
from metersdk.model.obis import Obis
from metersdk.model.quantity import Unit
from metersdk.model.reading import Reading
from metersdk.model.register_text import BY_HAND, readings_of

BLOCK = b"""F.F(00000000)\r
0.1.0(12)\r
0.1.2(2611010000)\r
0.1.2*12(2611010000)\r
0.1.2*11(2610010000)\r
1.6.1(0.50262*kW)(2611120730)\r
1.6.1*12(0.39912*kW)(2610130900)\r
1.8.0(01281.6601*kWh)\r
1.8.0*12(01200.0000)\r
1.8.0*11(01100.0000*kWh)\r
1.8.0&10(01000.0000*kWh)\r
1.8.1.11(00100.0*kWh)\r
L.n(x)\r
!\r
"""


def read(block: bytes) -> tuple[list[Reading], list[Finding]]:
    found = list(readings_of(parse(block)[0]))
    return [each for each in found if isinstance(each, Reading)], [each for each in found if isinstance(each, Finding)]


def one(readings: list[Reading], code: str) -> Reading:
    return next(reading for reading in readings if reading.obis == Obis.parse(code))


def test_billing_periods() -> None:
    readings, _ = read(BLOCK)
    present, last, before = (one(readings, code) for code in ("1.8.0", "1.8.0*12", "1.8.0*11"))
    assert (present.value, present.unit, present.time) == (Decimal("1281660.1"), Unit.WH, None)
    assert (last.value, last.unit, str(last.time)) == (Decimal("1200000.0"), Unit.WH, "2026-11-01T00:00:*")
    assert str(before.time) == "2026-10-01T00:00:*" and before.name.endswith("billing period 11")
    assert str(one(readings, "1.8.1*11").time) == "2026-10-01T00:00:*"
    assert last.raw == "01200.0000"


def test_a_maximum_has_its_own_time() -> None:
    readings, _ = read(BLOCK)
    assert str(one(readings, "1.6.1").time) == "2026-11-12T07:30:*"
    assert str(one(readings, "1.6.1*12").time) == "2026-10-13T09:00:*"


def test_a_period_ended_by_hand() -> None:
    readings, _ = read(BLOCK)
    assert [reading.obis.f for reading in readings if reading.status == BY_HAND] == [10]


def test_what_is_told() -> None:
    _, findings = read(BLOCK)
    assert [finding.code for finding in findings] == ["unit-inherited", "no-obis"]
    # The present value itself has no unit: nothing to inherit.
    readings, findings = read(b"1.8.0(1)\r\n1.8.0*01(2)\r\n!\r\n")
    assert [reading.unit for reading in readings] == [None, None] and findings == []
