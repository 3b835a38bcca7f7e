"""Data sets as readings: billing periods and when they ended, units that are inherited, lines of P1."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import pytest

from metersdk.apdu.dataset import DataSetParser, parse
from metersdk.errors import DecodeError, Finding
from metersdk.frame.telegram import telegrams
from metersdk.model.obis import Obis
from metersdk.model.quantity import Unit
from metersdk.model.reading import Reading
from metersdk.model.text import BY_HAND, clock_text, readings_of, serial_of, stamp_of

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


def read(block: bytes) -> tuple[tuple[Reading, ...], tuple[Finding, ...]]:
    return readings_of(parse(block)[0])


def one(readings: Iterable[Reading], code: str) -> Reading:
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
    assert [reading.unit for reading in readings] == [None, None] and findings == ()


def lines(text: str) -> tuple[Reading, ...]:
    parser = DataSetParser()
    readings, findings = readings_of((*parser.feed(text.encode("latin-1")), *parser.finish()))
    assert findings == ()
    return readings


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("1-0:1.8.1(001581.123*kWh)", "1.0.1.8.1.255 Active energy import (+A), tariff 1: 1581123 Wh"),
        ("0-1:24.2.1(161129200000W)(00981.443*m3)", "at 2016-11-29T20:00:00"),
        ("1-0:1.6.0(200509134558S)(02.589*kW)", "2589 W at 2020-05-09T13:45:58"),
        ("7-0:23.1.0*255(01238.740*m3)(19-01-01 00:00:00)", "1238.740 m³ at 2019-01-01T00:00:00"),
        ("0-1:24.3.0(161107190000)(00)(60)(1)(0-1:24.2.1)(m3)\r\n(00001.001)", "0.1.24.2.1.255"),
        ("0-1:24.2.3(632525252525W)(00000.000)", ": 0.000"),
        ("0-0:96.1.1(4B384547303034303436333935353037)", "K8EG004046395507"),
        ("0-0:96.1.1(3960221976967177082151037881335713)", "3960221976967177082151037881335713"),
        ("0-0:96.13.0()", ": None"),
        ("1-0:99.97.0(1)(0-0:96.7.19)(000104180320W)(0000237126*s)", "0000237126*s"),
    ],
)
def test_lines_of_p1(line: str, shown: str) -> None:
    (reading,) = lines(line + "\r\n")
    assert shown in str(reading)


def test_a_line_without_a_code_is_told() -> None:
    parser = DataSetParser()
    readings, findings = readings_of((*parser.feed(b"99X9(1)\r\n1.8.0(2)\r\n"), *parser.finish()))
    assert len(readings) == 1 and [finding.code for finding in findings] == ["no-obis"]


def test_stamps() -> None:
    summer, winter, plain = stamp_of("200512135409S"), stamp_of("161113205757W"), stamp_of("161107190000")
    assert summer is not None and winter is not None and plain is not None
    assert summer.status and not winter.status
    assert stamp_of("632525252525W") is None and stamp_of("1234") is None


@pytest.mark.captures("p1_ascii")
def test_values_that_others_read_in_the_same_telegram(capture: Any) -> None:
    """Numbers asserted by the tests of the source, or read by its decoder."""
    expected = capture.meta["expected"] or {}
    found = list(telegrams(capture.bytes))
    if not found:
        return
    readings, _ = readings_of(parsed(found[0].body))
    numbers = {reading.value for reading in readings if isinstance(reading.value, Decimal)}
    texts = {str(reading.value) for reading in readings} | {str(reading.raw) for reading in readings}
    for key, value in expected.items():
        if key == "cosem_values" or key.startswith("meter_"):
            continue
        if "13_MONTHS[" in key:
            # A history of maxima: kept as the texts of its line.
            assert any(isinstance(each.value, tuple) and f"0{value[9:-2]}*kW" in each.value for each in readings)
            continue
        if key == "active_import_W" and value:
            assert Decimal(value) in numbers
        elif isinstance(value, str) and value.startswith("Decimal("):
            number = Decimal(value[9:-2])
            assert number in numbers or number * 1000 in numbers, key
        elif isinstance(value, str) and value.startswith("'"):
            assert value.strip("'") in texts or value.strip("'").lstrip("0") in {text.lstrip("0") for text in texts}, (
                key
            )
    assert serial_of(parsed(found[0].body)) is None or readings


def parsed(body: bytes) -> Any:
    parser = DataSetParser()
    return (*parser.feed(body), *parser.finish())


def test_units_of_p1() -> None:
    power, volume = lines("1-0:1.7.0(01.234*kW)\r\n0-1:24.2.1(200512134558S)(00112.384*m3)\r\n")
    assert (power.value, power.unit) == (Decimal("1234"), Unit.W)
    assert (volume.value, volume.unit) == (Decimal("112.384"), Unit.CUBIC_METRE)


@pytest.mark.parametrize(
    ("line", "value", "time"),
    [
        ("1.6.1(0.502*kW)(2611120730)", Decimal("502"), "2026-11-12T07:30:*"),
        ("1.6.1(0.502*kW)(12611120730)", Decimal("502"), "2026-11-12T07:30:*"),
        ("1.6.1(0.502*kW)(-----)", Decimal("502"), "None"),
        ("1.6.1(0.502*kW)()", Decimal("502"), "None"),
        # The first is a number, though its digits would be a time.
        ("9.9.9(0611221530)(2611221530)", Decimal("611221530"), "2026-11-22T15:30:*"),
        ("9.9.9(061122153000)(2611221530)", Decimal("61122153000"), "2026-11-22T15:30:*"),
        ("24.2.1(061122153000)(00112.384*m3)", Decimal("112.384"), "2006-11-22T15:30:00"),
        # Two values that are none of these are both kept.
        ("9.4(114.9*C&083.9*C)", ("114.9*C", "083.9*C"), "None"),
        ("6.6(1)(2)(3)", ("1", "2", "3"), "None"),
        ("0-0:1.0.0(200512135409S)", "2020-05-12T13:54:09", "None"),
        ("C.90(  )", None, "None"),
    ],
)
def test_several_values(line: str, value: object, time: str) -> None:
    (reading,) = lines(line + "\r\n")
    assert (reading.value if not isinstance(value, str) else str(reading.value)) == value
    assert str(reading.time) == time


def test_a_readout_and_a_telegram_are_read_alike() -> None:
    """What mode D pushes is what mode C answers."""
    whole, _ = read(BLOCK)
    parser = DataSetParser()
    assert readings_of((*parser.feed(BLOCK), *parser.finish()))[0] == whole


@pytest.mark.parametrize(
    ("day", "of_day", "stamp"),
    [
        ("260731", "125703", "260731125703"),
        ("26-07-31", "12:57:03", "260731125703"),
        ("20260731", "1257", "2607311257"),
        ("1260731", "125703", "1260731125703"),
        ("260731", "1125703", "1260731125703"),
        ("1260731", "11257", "12607311257"),
    ],
)
def test_forms_of_a_clock(day: str, of_day: str, stamp: str) -> None:
    assert clock_text(day, of_day) == stamp
    for wrong in ("", "x", "1", "123456789"):
        with pytest.raises(DecodeError):
            clock_text(day, wrong)
        with pytest.raises(DecodeError):
            clock_text(wrong, of_day)
