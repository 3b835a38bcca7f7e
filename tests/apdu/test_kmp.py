"""KMP commands and registers: vectors of the maker's description as public programs quote it."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metersdk.apdu import kmp
from metersdk.errors import DecodeError, LocalProtocolError


@pytest.mark.parametrize(
    ("octets", "value"),
    [
        ("04 C2 00003039", "-123.45"),
        ("04 03 05397FB1", "87654321000"),
        ("01 03 FF", "255000"),
        ("04 11 012AF024", "1959120400000000000000000"),
        ("04 43 000000FB", "0.251"),
        ("02 42 18C8", "63.44"),
    ],
)
def test_values(octets: str, value: str) -> None:
    (found,) = kmp.registers_in(bytes.fromhex("10 003C 03" + octets))
    assert found.value == Decimal(value) and (found.number, found.unit, found.symbol) == (60, 3, "MWh")


def test_several_registers_and_none() -> None:
    answer = bytes.fromhex("10") + kmp.encode_register(86, 37, 6344, -2, size=2) + kmp.encode_register(80, 22, -42, -1)
    assert [(each.number, str(each.value), each.symbol) for each in kmp.registers_in(answer)] == [
        (86, "63.44", "°C"),
        (80, "-4.2", "kW"),
    ]
    assert kmp.registers_in(b"\x10") == ()


@pytest.mark.parametrize(
    ("unit", "octets", "value"),
    [
        (47, "00 01 14 99", "070809"),
        (48, "00 03 FC 0A", "261130"),
        (54, "41 42 00 00", "AB"),
        (63, "01 02 03 04", b"\x01\x02\x03\x04"),
        (51, "00 00 00 07", Decimal(7)),
    ],
)
def test_other_forms(unit: int, octets: str, value: object) -> None:
    raw = bytes.fromhex(octets)
    (found,) = kmp.registers_in(bytes((0x10, 0, 1, unit, len(raw), 0)) + raw)
    assert found.value == value


def test_units_stand_where_the_maker_counts_them() -> None:
    assert [kmp.UNITS[n][0] for n in (1, 3, 8, 12, 16, 17, 22, 26, 32, 36)] == [
        *("Wh", "MWh", "GJ", "Gcal", "Gvarh", "VAh", "kW", "kvar", "GVA", "kA")
    ]
    assert kmp.UNITS[41] == ("m³/h", -3) and kmp.UNITS[57] == ("GJ", 1)


def test_type_and_serial_number() -> None:
    assert kmp.type_in(bytes.fromhex("01 0004 0601")) == (4, "F1")
    assert kmp.type_in(bytes.fromhex("01 0004 0000")) == (4, "")
    assert kmp.serial_in(bytes.fromhex("02 01234567")) == "19088743"


def test_a_command_for_registers() -> None:
    assert kmp.get_registers([54, 61]).hex() == "10020036003d"
    for numbers in ([], range(9), [65536], [-1]):
        with pytest.raises(LocalProtocolError):
            kmp.get_registers(list(numbers))


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "02 01234567",
        "10 00",
        "10 0080 16 04 11",
        "10 0080 16 04 11 012AF0",
        "10 0080 16 00 11",
        "10 0080 16 01 11 01 02",
    ],
)
def test_a_damaged_answer(answer: str) -> None:
    with pytest.raises(DecodeError):
        kmp.registers_in(bytes.fromhex(answer))


@pytest.mark.parametrize("read", [kmp.type_in, kmp.serial_in, kmp.registers_in])
@given(octets=st.binary(max_size=40))
def test_any_octets_end_in_values_or_an_error(read: object, octets: bytes) -> None:
    try:
        read(octets)  # type: ignore[operator]
    except DecodeError as error:
        assert error.layer == "apdu"
