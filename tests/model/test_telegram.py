"""Telegrams as readings: SML times and names, pushes over DLMS."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from metersdk.apdu import axdr
from metersdk.apdu.sml_types import File, GetListResponse, ListEntry, Message, OpenResponse, Time, TimeKind
from metersdk.errors import DecodeError
from metersdk.model.telegram import device_id, from_notification, from_sml

ENERGY = bytes.fromhex("0100010800ff")


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
