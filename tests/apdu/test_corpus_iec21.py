"""Captures of real meters: identifications, readouts of modes A to D, a programming session, P1 telegrams."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import pytest

from metersdk.dialog.iec62056_21_readout import Readout, decode
from metersdk.frame.iec62056_21 import Command, find_identification, find_request, parse_identification

# What the index does not say, read off the captures by hand: data sets, complete, proved by a BCC.
READOUTS: dict[str, list[tuple[int, bool, bool | None]]] = {
    "dsmrp_esy5q3da1004_v304": [(8, True, None)],
    "dsmrp_esy5q3db1024_v304": [(9, True, None)],
    "smobis_HttpRequestJsonEfrError_4": [],
    "smobis_SerialRequestResponseD0End_8": [(51, True, False)],
    "smobis_SerialRequestResponseD0ModeOverwrite_13": [(21, True, None)],
    "vz_ace3000_noise": [(4, True, False)],
    "vz_hager_ehz_two": [(1, True, None), (2, True, None)],
    "vz_zmd120_echo": [(8, True, None)],
    "zmd310_industrial_head": [(19, False, None)],
}


def by_address(readout: Readout) -> dict[str, Any]:
    return {data_set.address: data_set.value for data_set in readout.data_sets}


@pytest.mark.captures("iec21_ident")
def test_identification(capture: Any) -> None:
    found = find_identification(capture.bytes)
    assert found is not None
    identification, start, end = found
    assert capture.bytes[start:end] == identification.encode()
    assert end == len(capture.bytes)
    assert identification.findings == ()
    expected = capture.meta["expected"] or {}
    assert identification.manufacturer == expected.get("manufacturer", identification.manufacturer)
    # Z 0 with a reserved sequence \3: the index names the mode that user had configured.
    if (mode := expected.get("mode")) == "E":
        assert identification.options == ("3",) and identification.mode == "C"
    elif mode is None and "2" in identification.options:
        assert identification.mode == "E"
    if start:
        assert find_request(capture.bytes) is not None


@pytest.mark.captures("iec21_readout")
def test_readout(capture: Any) -> None:
    readouts = decode(capture.bytes)
    assert [(len(r.data_sets), r.complete, r.proved) for r in readouts] == READOUTS[capture.name]
    expected = capture.meta["expected"] or {}
    if "values" in expected and isinstance(expected["values"], int):
        assert len(readouts[0].data_sets) == expected["values"]
    for key, wanted in expected.items():
        if re.match(r"[0-9A-Z]+\.", key):
            assert by_address(readouts[0])[key].number == Decimal(str(wanted))
    for address, wanted in expected.get("telegram2", {}).items():
        assert by_address(readouts[1])[address].number == Decimal(str(wanted))
    if isinstance(expected.get("values"), dict) and readouts:
        # The source decoder writes reduced addresses in full: 6-0:6.8 for 6.8.
        found = by_address(readouts[0])
        for address, wanted in expected["values"].items():
            reduced = address.partition(":")[2].removesuffix(".0") if "97.97" not in address else "F.F"
            value = found.get(reduced) or found[address.partition(":")[2]]
            assert value.text == wanted or value.number == Decimal(wanted)


@pytest.mark.captures("iec21_readout")
def test_readout_octet_by_octet_keeps_values(capture: Any) -> None:
    for readout in decode(capture.bytes):
        for data_set in readout.data_sets:
            first = decode(b"\r\n" + data_set.encode() + b"\r\n!\r\n")
            assert [str(v) for v in first[0].data_sets[0].values] == [str(v) for v in data_set.values]


def test_history_of_an_industrial_meter(corpus: Any) -> None:
    (readout,) = decode(corpus.case("iec21_readout", "zmd310_industrial_head").bytes)
    stored = [data_set for data_set in readout.data_sets if data_set.history]
    assert [s.history.number for s in stored if s.history] == [18, 17, 16, 18, 17]
    maximum = by_address(readout)["1-1:1.6.1"]
    assert (maximum.number, maximum.unit) == (Decimal("27.19"), "kW")


@pytest.mark.captures("iec21_session")
def test_session(capture: Any) -> None:
    lines = [line.split() for line in capture.bytes.decode("ascii").splitlines()]
    octets = [(side, bytes.fromhex(text)) for side, text in lines]
    assert parse_identification(octets[1][1].strip()) is not None
    commands = [Command.decode(frame) for side, frame in octets if frame[0] == 1]
    assert [c.command + c.type for c in commands] == ["P0", "P1", "R5", "R5", "B0"]
    assert [c.encode() for c in commands] == [frame for _, frame in octets if frame[0] == 1]
    answers = [decode(frame)[0] for _, frame in octets if frame[0] == 2]
    assert [(a.proved, a.data_sets[0].address, a.data_sets[0].value.text) for a in answers] == [
        (True, "0.9.2", "130103"),
        (True, "0.9.1", "101415"),
    ]


@pytest.mark.captures("p1_ascii")
def test_p1_telegram_is_a_readout(capture: Any) -> None:
    readouts = [readout for readout in decode(capture.bytes) if readout.data_sets]
    assert len(readouts) == 1
    readout = readouts[0]
    crc = (capture.meta["integrity"] or {}).get("dsmr_crc")
    if crc:
        assert readout.tail[:4].upper() == crc["want"].upper()
    assert readout.identification is not None
    # Every pair of brackets in the text is a value somewhere.
    count = sum(value.lead == "(" for data_set in readout.data_sets for value in data_set.values)
    assert count == readout.text.partition(b"!")[0].count(b")")
