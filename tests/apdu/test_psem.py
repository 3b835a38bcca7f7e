"""PSEM service units: every one there and back, the published ones octet by octet, and what is damaged."""

from __future__ import annotations

from typing import Any

import pytest

from metersdk.apdu import psem
from metersdk.apdu.keys import Secret
from metersdk.apdu.psem import (
    Authenticate,
    Authenticated,
    Done,
    Feature,
    Identification,
    Logon,
    Negotiate,
    Negotiated,
    OtherRequest,
    Plain,
    Read,
    ReadIndex,
    ReadOffset,
    Refusal,
    Request,
    Response,
    Security,
    Service,
    TableData,
    Ticket,
    TimingAgreed,
    TimingSetup,
    Wait,
    Write,
    WriteDefault,
    WriteIndex,
    WriteOffset,
    checksum8,
    decode_answer,
    decode_request,
    table_name,
)
from metersdk.apdu.psem_codes import service_of
from metersdk.errors import ChecksumError, DecodeError, LocalProtocolError

REQUESTS: list[tuple[Request, str]] = [
    (Plain(Service.IDENTIFY), "20"),
    (Plain(Service.TERMINATE), "21"),
    (Plain(Service.DISCONNECT), "22"),
    (Plain(Service.LOGOFF), "52"),
    (Plain(Service.READ_DEFAULT), "3e"),
    (Negotiate(64, 1), "60 0040 01"),
    (Negotiate(1024, 255, (6, 8, 10)), "63 0400 ff 06 08 0a"),
    (Negotiate(8192, 1, tuple(range(1, 12))), "6b 2000 01 0102030405060708090a0b"),
    (TimingSetup(30, 1, 4, 3), "71 1e 01 04 03"),
    (Logon(1, b"Admin     "), "50 0001 41646d696e2020202020"),
    (Logon(0x1234, b"helloworld", 0), "50 1234 68656c6c6f776f726c64 0000"),
    (Security(Secret(b"Password1".ljust(20))), "51 50617373776f726431" + 11 * "20"),
    (Security(Secret(bytes(20)), 2), "51" + 20 * "00" + "0002"),
    (Authenticate(2, bytes(range(8))), "53 09 02 0001020304050607"),
    (Read(23), "30 0017"),
    (ReadIndex(0, (0,), 1), "31 0000 0000 0001"),
    (ReadIndex(2053, (1, 2, 3, 4, 5, 6, 7, 8, 9), 2), "39 0805 000100020003000400050006000700080009 0002"),
    (ReadOffset(64, 0x012345, 600), "3f 0040 012345 0258"),
    (Write(7, b"\x0a\x00\x01"), "40 0007 0003 0a0001 f5"),
    (WriteIndex(4099, (5, 0), b"\xff"), "42 1003 0005 0000 0001 ff 01"),
    (WriteOffset(52, 4, b""), "4f 0034 000004 0000 00"),
    (WriteDefault(b"\x01"), "4e 0001 01 ff"),
    (Wait(112), "70 70"),
    (OtherRequest(0x25, bytes.fromhex("06082b06010401828563")), "25 06082b06010401828563"),
    (OtherRequest(0x99), "99"),
]
ANSWERS = [
    (Service.LOGOFF, Done(), "00"),
    (Service.LOGON, Done(b"\0\x3c"), "00 003c"),
    (Service.WRITE, Refusal(Response.IAR), "05"),
    (Service.READ, Refusal(Response.RSTL, b"\0\0\1\0"), "10 00000100"),
    (Service.IDENTIFY, Identification(0, 1, 0), "00 00 01 00 00"),
    (
        Service.IDENTIFY,
        Identification(2, 1, 0, (Feature(2, bytes.fromhex("010008a1a2a3a4a5a6a7a8")),), b"\x31\x32"),
        "00 02 01 00 02 01 00 08 a1a2a3a4a5a6a7a8 00 31 32",
    ),
    (Service.NEGOTIATE, Negotiated(1024, 255, 10), "00 0400 ff 0a"),
    (Service.TIMING_SETUP, TimingAgreed(TimingSetup(30, 1, 4, 3)), "00 1e 01 04 03"),
    (Service.AUTHENTICATE, Authenticated(2, bytes(8)), "00 09 02 0000000000000000"),
    (Service.READ, TableData(b"testdata"), "00 0008 7465737464617461 a6"),
    (Service.READ_DEFAULT, TableData(b""), "00 0000 00"),
]


@pytest.mark.parametrize(("request_", "octets"), REQUESTS, ids=lambda value: value if isinstance(value, str) else "")
def test_requests_there_and_back(request_: Request, octets: str) -> None:
    assert request_.encode().hex() == octets.replace(" ", "")
    assert decode_request(bytes.fromhex(octets)) == request_


@pytest.mark.parametrize(("service", "answer", "octets"), ANSWERS, ids=lambda value: "")
def test_answers_there_and_back(service: Service, answer: Any, octets: str) -> None:
    assert answer.encode().hex() == octets.replace(" ", "")
    assert decode_answer(service, bytes.fromhex(octets)) == answer


@pytest.mark.parametrize("octets", [each[1] for each in REQUESTS if not isinstance(each[0], OtherRequest)])
def test_requests_cut_anywhere_are_refused(octets: str) -> None:
    raw = bytes.fromhex(octets)
    optional = {bytes.fromhex("501234") + b"helloworld": 1, b"\x51" + bytes(20): 1}
    for end in range(len(raw)):
        if raw[:end] in optional:
            continue
        with pytest.raises(DecodeError) as caught:
            decode_request(raw[:end])
        assert caught.value.layer == "apdu"
    with pytest.raises(DecodeError):
        decode_request(raw + b"\0\0\0")


@pytest.mark.parametrize(("service", "octets"), [(each[0], each[2]) for each in ANSWERS if each[2].startswith("00")])
def test_answers_cut_anywhere_give_a_documented_error_or_less(service: Service, octets: str) -> None:
    raw = bytes.fromhex(octets)
    for end in range(len(raw)):
        try:
            # C12.18 of 1996 has no list of features, and so no end of it.
            assert decode_answer(service, raw[:end]).encode() != raw or service is Service.IDENTIFY
        except DecodeError as error:
            assert error.layer == "apdu"


def test_a_wrong_checksum_is_told() -> None:
    with pytest.raises(ChecksumError, match="is A7, not A6") as caught:
        decode_answer(Service.READ, bytes.fromhex("00 0008 7465737464617461 a7"))
    assert caught.value.offset == 11 and caught.value.retryable
    with pytest.raises(ChecksumError):
        decode_request(bytes.fromhex("40 0007 0003 0a0001 f6"))


def test_a_lying_count() -> None:
    for lie in ("00 0007 7465737464617461 a6", "00 ffff 7465737464617461 a6", "00 0009 7465737464617461 a6"):
        with pytest.raises((DecodeError, ChecksumError)):
            decode_answer(Service.READ, bytes.fromhex(lie))


def test_checksum() -> None:
    assert checksum8(b"") == 0
    assert checksum8(b"\xff" * 3) == 3
    assert checksum8(bytes(range(256))) == 0x80


def test_identification_of_c1222() -> None:
    """The answer in a published trace of a C12.22 node."""
    raw = bytes.fromhex(
        "00030100 0406082b06010401828563 0508 0606082b06010401828563 070b01000102030a040d050607 00".replace(" ", "")
    )
    found = decode_answer(Service.IDENTIFY, raw)
    assert isinstance(found, Identification) and found.encode() == raw
    assert (found.standard, found.version, found.revision, found.trailing) == (3, 1, 0, b"")
    assert str(found) == "ANSI C12.22 version 1.0"
    assert found.feature(5) == b"\x08" and found.ticket is None
    assert found.device_class == bytes.fromhex("2b06010401828563")
    assert found.device_identity == bytes.fromhex("01000102030a040d050607")


def test_what_follows_the_features_is_kept_apart() -> None:
    """NES meters send octets behind the end of the list."""
    found = decode_answer(Service.IDENTIFY, bytes.fromhex("00 00 01 00 00 4e4553"))
    assert found == Identification(0, 1, 0, (), b"NES")


@pytest.mark.parametrize("rest", ["08aabb", "02010008a1", "0702"])
def test_features_that_are_unknown_or_cut_end_the_list(rest: str) -> None:
    found = decode_answer(Service.IDENTIFY, bytes.fromhex("000201 00" + "010100" + rest))
    assert isinstance(found, Identification)
    assert found.ticket == Ticket(1, 0) and found.trailing == bytes.fromhex(rest)


def test_ticket() -> None:
    found = decode_answer(Service.IDENTIFY, bytes.fromhex("00 02 01 00 02 01ff10" + 16 * "5a" + "00"))
    assert isinstance(found, Identification)
    assert found.ticket == Ticket(1, 0xFF, 16 * b"\x5a")


@pytest.mark.parametrize(
    "bad",
    [
        Read(-1),
        Read(1 << 16),
        ReadOffset(1, 1 << 24, 1),
        ReadIndex(1, (), 1),
        ReadIndex(1, tuple(range(10)), 1),
        Logon(1, b"eleven char"),
        Security(Secret(b"short")),
        Negotiate(64, 256),
        Negotiate(64, 1, tuple(range(12))),
        Wait(256),
        Write(1, bytes(1 << 16)),
    ],
)
def test_what_cannot_be_said(bad: Request) -> None:
    with pytest.raises(LocalProtocolError):
        bad.encode()


def test_every_code_has_its_service() -> None:
    assert [service_of(code) for code in range(0x31, 0x3A)] == [Service.READ_INDEX] * 9
    assert [service_of(code) for code in range(0x41, 0x4A)] == [Service.WRITE_INDEX] * 9
    assert [service_of(code) for code in range(0x60, 0x6C)] == [Service.NEGOTIATE] * 12
    assert service_of(0x6C) is None and service_of(0x3A) is None and service_of(0x00) is None
    for service in Service:
        assert service_of(service) is service
    assert Service.READ_OFFSET.describe == "read-offset (3F)"


def test_responses() -> None:
    assert Response.IAR.describe == "inappropriate action requested (iar)" and Response.IAR.hint
    assert Response(0x55).describe == "response code 55" and not Response(0x55).hint
    assert [code for code in Response if code.retryable] == [Response.BSY, Response.DNR]
    with pytest.raises(ValueError):
        Response(256)


def test_table_names() -> None:
    assert [table_name(n) for n in (23, 2053, 4099, 6149, 8193)] == [
        "ST 23",
        "MT 5",
        "pending ST 3",
        "pending MT 5",
        "user-defined ST 1",
    ]


def test_a_password_never_shows() -> None:
    text = repr(decode_request(b"\x51" + b"secret".ljust(20)))
    assert "secret" not in text and "***" in text


def test_speeds() -> None:
    assert psem.BAUD_CODES[6] == 9600 and psem.BAUD_CODES[10] == 57600 and len(set(psem.BAUD_CODES.values())) == 14
