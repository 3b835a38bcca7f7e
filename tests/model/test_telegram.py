"""Telegrams as readings: P1 lines in all their forms, SML times and names, pushes over DLMS."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from metersdk.apdu import axdr
from metersdk.apdu.dataset import DataSetParser
from metersdk.apdu.sml_types import File, GetListResponse, ListEntry, Message, OpenResponse, Time, TimeKind
from metersdk.errors import DecodeError
from metersdk.frame.telegram import telegrams
from metersdk.model.quantity import Unit
from metersdk.model.reading import Reading
from metersdk.model.telegram import device_id, from_data_sets, from_notification, from_sml, serial_of, stamp_of

ENERGY = bytes.fromhex("0100010800ff")


def lines(text: str) -> tuple[Reading, ...]:
    parser = DataSetParser()
    readings, findings = from_data_sets((*parser.feed(text.encode("latin-1")), *parser.finish()))
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
    readings, findings = from_data_sets((*parser.feed(b"99X9(1)\r\n1.8.0(2)\r\n"), *parser.finish()))
    assert len(readings) == 1 and [finding.code for finding in findings] == ["no-obis"]


def test_stamps() -> None:
    summer, winter, plain = stamp_of("200512135409S"), stamp_of("161113205757W"), stamp_of("161107190000")
    assert summer is not None and winter is not None and plain is not None
    assert summer.status and not winter.status
    assert stamp_of("632525252525W") is None and stamp_of("1234") is None


def entry(obis: bytes, value: Any, time: Time | None = None, unit: int | None = None) -> ListEntry:
    return ListEntry(obis, None, time, unit, None, value)


def values(*entries: ListEntry, server: bytes = b"\x06EMH\1\2\3", time: Time | None = None) -> File:
    body = GetListResponse(None, server, None, time, entries, None, None)
    return File((Message(b"1", 0, 0, OpenResponse(None, None, None, server, None, None)), Message(b"2", 0, 0, body)))


def test_times_of_sml() -> None:
    local = Time(TimeKind.LOCAL, 1_700_000_000, 60, 60)
    utc = Time(TimeKind.TIMESTAMP, 1_700_000_000)
    index = Time(TimeKind.SEC_INDEX, 77)
    telegram = from_sml(values(entry(ENERGY, 1, local), entry(ENERGY, 1, utc), entry(ENERGY, 1, index), time=local))
    assert str(telegram.time) == "2023-11-15T00:13:20+02:00"
    assert [str(reading.time) for reading in telegram.readings] == [
        "2023-11-15T00:13:20+02:00",
        "2023-11-14T22:13:20+00:00",
        "None",
    ]
    assert telegram.readings[2].sec_index == 77
    wrong = from_sml(values(entry(ENERGY, 1, Time(TimeKind.LOCAL, 0xFFFFFFFF, 32767, 0))))
    assert [finding.code for finding in wrong.findings] == ["sml-time"]


def test_what_is_not_a_number() -> None:
    telegram = from_sml(
        values(
            entry(bytes.fromhex("010060320101"), b"EMH"),
            entry(ENERGY, b"\1\2"),
            entry(ENERGY, True),
            entry(ENERGY, (1, b"x")),
            entry(ENERGY, None),
            entry(ENERGY + b"\0", 5),
            entry(ENERGY, 5, unit=999),
        )
    )
    assert [reading.value for reading in telegram.readings] == ["EMH", b"\1\2", True, (1, b"x"), None, Decimal(5)]
    assert [finding.code for finding in telegram.findings] == ["no-obis", "sml-unit"]
    assert telegram.identity.manufacturer == "EMH" and telegram.identity.serial_number is None


def test_a_file_without_a_list() -> None:
    with pytest.raises(DecodeError, match="OpenResponse"):
        from_sml(File((Message(b"1", 0, 0, OpenResponse(None, None, None, None, None, None)),)))


@pytest.mark.parametrize(
    ("octets", "printed"),
    [
        ("0901454d48000041f045", "1EMH0004321349"),
        ("0a01454d48000041f045", "1EMH0004321349"),
        ("06454d4801080b2a", None),
        ("0a01000000000041f045", None),
        ("", None),
    ],
)
def test_device_ids(octets: str, printed: str | None) -> None:
    found = device_id(bytes.fromhex(octets))
    assert (found[1] if found else None) == printed


def test_a_notification_without_codes_gives_none() -> None:
    assert from_notification(axdr.structure(axdr.u32(1), axdr.octets(b"123456"), axdr.array(axdr.u8(1)))) == ()
    assert from_notification(axdr.u32(1)) == ()


@pytest.mark.captures("p1_ascii")
def test_values_that_others_read_in_the_same_telegram(capture: Any) -> None:
    """Numbers asserted by the tests of the source, or read by its decoder."""
    expected = capture.meta["expected"] or {}
    found = list(telegrams(capture.bytes))
    if not found:
        return
    readings, _ = from_data_sets(parsed(found[0].body))
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
