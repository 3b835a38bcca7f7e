"""trace: packets of ANSI C12.18 and what is in them."""

from __future__ import annotations

from typing import Any

import pytest

from metersdk.apdu import psem
from metersdk.apdu.keys import Secret
from metersdk.cli.dissect import Dissector
from metersdk.cli.units import Kind, guess, session, split
from metersdk.frame.c1218 import ACK, NAK, Packet
from metersdk.frame.c1218 import split as packets_of
from metersdk.port.trace import Record

PASSWORD = b"very secret".ljust(20)
TABLE_1 = b"SIM " + b"SIMMODEL" + bytes((1, 0, 2, 3)) + b"1234567812345678"
# Table 0 of a meter with little-endian numbers and characters of ISO 8859-1; tables 0 and 1 are used.
TABLE_0 = bytes((2, 2, 0x88)) + b"SIM1" + bytes((2, 0, 20, 20, 1, 0, 1, 0, 0, 0, 0, 0)) + b"\x03" + b"\x00"


def told(*units: bytes) -> list[str]:
    dissector = Dissector()
    return [
        f"{layer.name}  {layer.text}".strip()
        for octets in units
        for unit in split(octets, Kind.C1218)
        for layer in dissector.take_apart(unit).layers
    ]


def table(octets: bytes) -> bytes:
    return psem.TableData(octets).encode()


def test_identify_alone(cli: Any) -> None:
    ran = cli("trace", "ee0000000001201310")
    assert ran.code == 0
    assert [line.strip() for line in ran.out.splitlines()] == ["C12.18 packet  toggle 0 1 octets", "identify (20)"]


@pytest.mark.parametrize(
    "octets", [b"\xee", b"\x06\xee\x00\x00\x00\x00\x01\x00", b"\x55\x55\xee\x00\x20", b"\x15\xee\x00"]
)
def test_packets_are_known_by_their_first_octets(octets: bytes) -> None:
    assert guess(octets) is Kind.C1218


@pytest.mark.parametrize("octets", [b"\x06", b"\xee\x00\x1c", b"\xee\x00\x00\x00\x20\x00", b"U"])
def test_what_is_none(octets: bytes) -> None:
    assert guess(octets) is not Kind.C1218


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        (psem.Plain(psem.Service.TERMINATE), "terminate (21)"),
        (psem.Negotiate(1024, 255, (6, 10)), "negotiate (60)  255 packets of 1024 octets, speed 9600 Bd, 57600 Bd"),
        (psem.TimingSetup(6, 1, 2, 3), "timing-setup (71)  traffic 6 s, character 1 s, response 2 s, 3 repeats"),
        (psem.Logon(1, b"metersdk"), "logon (50)  user 1 'metersdk'"),
        (psem.Security(Secret(PASSWORD)), "security (51)  password of 20 octets, not shown"),
        (psem.Authenticate(2, bytes(8)), "authenticate (53)  key 2, ticket 0000000000000000"),
        (psem.Read(23), "read (30)  ST 23"),
        (psem.ReadOffset(64, 12, 300), "read-offset (3F)  ST 64, 300 octets from 12 on"),
        (psem.ReadIndex(64, (1, 2), 3), "read-index (31)  ST 64, 3 elements from 1.2 on"),
        (psem.Write(2055, b"abc"), "write (40)  MT 7, 3 octets"),
        (psem.WriteOffset(52, 1, b"ab"), "write-offset (4F)  ST 52, 2 octets from 1 on"),
        (psem.WriteIndex(52, (4,), b"ab"), "write-index (41)  ST 52, 2 octets from element 4 on"),
        (psem.WriteDefault(b"ab"), "write-default (4E)  2 octets"),
        (psem.Write(42, PASSWORD), "write (40)  ST 42, 20 octets, not shown"),
        (psem.Write(7, b"\x12\x00" + PASSWORD), "write (40)  ST 7, 22 octets, not shown"),
        (psem.Wait(60), "wait (70)  60 s"),
        (psem.OtherRequest(0x27, b"\x01"), "register (27)  01"),
    ],
)  # fmt: skip
def test_requests(request_: psem.Request, text: str) -> None:
    lines = told(Packet(request_.encode()).encode())
    assert lines[1] == text
    assert "secret" not in "".join(lines) and PASSWORD.hex() not in "".join(lines).replace(" ", "")


@pytest.mark.parametrize(
    ("request_", "answer", "text"),
    [
        (
            psem.Plain(psem.Service.IDENTIFY),
            psem.Identification(0, 1, 0, (psem.Feature(4, b"\x06\x01\x00"),), b"\x01"),
            "answer ok  to identify (20): ANSI C12.18 version 1.0, feature 04 060100, then 01",
        ),
        (
            psem.Negotiate(1024, 255),
            psem.Negotiated(512, 9, 6),
            "answer ok  to negotiate (60): 9 packets of 512 octets, 9600 Bd",
        ),
        (
            psem.TimingSetup(9, 1, 2, 3),
            psem.TimingAgreed(psem.TimingSetup(9, 1, 2, 3)),
            "answer ok  to timing-setup (71): traffic 9 s, character 1 s, response 2 s, 3 repeats",
        ),
        (
            psem.Authenticate(2, bytes(8)),
            psem.Authenticated(2, bytes(8)),
            "answer ok  to authenticate (53): key 2, ticket 0000000000000000",
        ),
        (psem.Read(5), psem.Refusal(psem.Response.ONP), "answer operation not possible (onp)"),
        (psem.Write(5, b"a"), psem.Done(), "answer ok  to write (40) of ST 5"),
        (psem.Read(5), psem.TableData(b"abc"), "answer ok  to read (30) of ST 5: 3 octets"),
        (psem.Read(42), psem.TableData(PASSWORD), "answer ok  to read (30) of ST 42: 20 octets"),
    ],
)  # fmt: skip
def test_answers(request_: psem.Request, answer: psem.Answer, text: str) -> None:
    lines = told(Packet(request_.encode()).encode(), ACK + Packet(answer.encode()).encode())
    assert "ACK" in lines and text in lines
    assert PASSWORD.hex() not in "".join(lines).replace(" ", "")


def test_tables_are_read_by_those_before_them() -> None:
    lines = told(
        Packet(psem.Read(0).encode()).encode(),
        Packet(table(TABLE_0)).encode(),
        Packet(psem.Read(1).encode(), True).encode(),
        Packet(table(TABLE_1), True).encode(),
        Packet(psem.Read(60).encode()).encode(),
        Packet(table(b"octets"), True).encode(),
    )
    assert [line for line in lines if not line.startswith("C12.18")] == [
        "read (30)  ST 0",
        "answer ok  to read (30) of ST 0: 21 octets",
        "ST0 GEN_CONFIG_TBL  21 octets",
        "read (30)  ST 1",
        "answer ok  to read (30) of ST 1: 32 octets",
        "ST1 GENERAL_MFG_ID_TBL  32 octets",
        "read (30)  ST 60",
        "answer ok  to read (30) of ST 60: 6 octets",
        "octets  6",
    ]


def test_an_answer_in_packets_one_of_them_twice() -> None:
    request = Packet(psem.Read(64).encode()).encode()
    parts = [packet.encode() for packet in packets_of(table(bytes(100)), 64, False)]
    lines = told(request, ACK + parts[0], NAK, parts[0], ACK, parts[1])
    assert lines[2:] == [
        "ACK",
        "C12.18 packet  toggle 0 first of several, 1 to come 56 octets",
        "segment  56 octets, 56 so far",
        "NAK",
        "C12.18 packet  toggle 0 first of several, 1 to come 56 octets, again",
        "ACK",
        "C12.18 packet  toggle 1 of several, 0 to come 48 octets",
        "answer ok  to read (30) of ST 64: 100 octets",
        "octets  100",
    ]


def test_a_recorded_session(cli: Any) -> None:
    identify, answer = Packet(b"\x20").encode(), Packet(b"\x00\x00\x01\x00\x00").encode()
    security = bytearray(Packet(b"\x51" + PASSWORD, True).encode())
    hidden = (*security[:7], *[-1] * (len(security) - 7))
    records = [
        Record(0.0, "line", baud=9600),
        Record(0.0, "tx", (0x55,)),
        Record(0.1, "tx", tuple(identify)),
        Record(0.2, "rx", tuple(ACK + answer[:4])),
        Record(0.3, "rx", tuple(answer[4:])),
        Record(0.4, "tx", tuple(ACK)),
        Record(0.5, "tx", hidden),
        Record(0.6, "rx", tuple(ACK + Packet(b"\x00", True).encode())),
        Record(0.7, "tx", tuple(ACK)),
    ]
    dissector = Dissector()
    events = [dissector.take_apart(unit) for unit in session(records)]
    assert all(event.problem is None for event in events)
    names = [event.layers[-1].name if event.layers else event.unit.text for event in events]
    assert names == [
        "9600 Bd",
        "wake-up",
        "identify (20)",
        "ACK",
        "answer ok",
        "ACK",
        "security (51)",
        "ACK",
        "answer acknowledged (ok)",
        "ACK",
    ]
    assert [event.unit.direction for event in events][1:4] == ["tx", "tx", "rx"]
    assert events[6].layers[-1].secret


def test_noise_and_damage() -> None:
    good = Packet(b"\x20").encode()
    damaged = Packet(b"\x30\x00\x01" + bytes(20)).encode()[:-1] + b"\x00"
    # What begins like a packet of 60 octets holds a good one.
    liar = b"\xee\x00\x00\x00\x00\x34" + bytes(4) + good + bytes(41)
    units = list(split(b"\x01\x02" + good + damaged + liar + b"\xee\x00\x00", Kind.C1218))
    assert [(unit.kind, len(unit.octets)) for unit in units] == [
        (Kind.NOISE, 2),
        (Kind.C1218, 9),
        (Kind.C1218, 31),
        (Kind.NOISE, 10),
        (Kind.C1218, 9),
        (Kind.NOISE, 41),
        (Kind.NOISE, 3),
    ]
    dissector = Dissector()
    problems = [dissector.take_apart(unit).problem for unit in units]
    assert [type(problem).__name__ for problem in problems if problem] == ["ChecksumError"]


def test_the_octets_of_a_password_are_not_told_to_programs(cli: Any) -> None:
    packet = Packet(b"\x51" + PASSWORD).encode()
    ran = cli("trace", packet.hex(), "--json")
    [event] = ran.document["events"]
    assert event["hex"] is None and PASSWORD.hex() not in ran.out
    table_42 = cli(
        "trace", (Packet(psem.Read(42).encode()).encode() + Packet(table(PASSWORD)).encode()).hex(), "--json"
    )
    assert PASSWORD.hex() not in table_42.out


def test_for_programs(cli: Any) -> None:
    packets = Packet(psem.ReadOffset(64, 1, 2).encode()).encode() + Packet(table(b"ab")).encode()
    first, second = cli("trace", packets.hex(), "--json").document["events"]
    assert first["kind"] == "c1218"
    assert first["layers"][0]["toggle"] is False and first["layers"][0]["octets"] == 8
    assert first["layers"][1] | {"table": 64, "offset": 1, "count": 2} == first["layers"][1]
    assert second["layers"][-1]["data"] == b"ab".hex()
