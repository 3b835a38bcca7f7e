"""SML messages: fields, bodies, check sequences, what is tolerated and what is not."""

from __future__ import annotations

from typing import Any

import pytest

from metersdk import fast
from metersdk.apdu import sml, sml_encode, sml_tl
from metersdk.apdu.sml_types import (
    AttentionResponse,
    CloseResponse,
    File,
    GetListResponse,
    GetProcParameterResponse,
    GetProfileListResponse,
    GetProfilePackResponse,
    ListEntry,
    OpenResponse,
    OtherBody,
    Time,
    TimeKind,
)
from metersdk.errors import DecodeError, MeterError
from metersdk.frame.sml import frames

SERVER = bytes.fromhex("0a014d534b0000bc614e")
ENERGY = bytes.fromhex("0100010800ff")
POWER = bytes.fromhex("0100100700ff")
ENTRIES = (
    ListEntry(bytes.fromhex("010060320101"), None, None, None, None, b"MSK"),
    ListEntry(ENERGY, 0x1C0104, Time(TimeKind.SEC_INDEX, 1234), 30, -1, 153385557, None, False, 5),
    ListEntry(POWER, None, None, 27, 0, -42, None, True, 4),
)
OPEN = OpenResponse(None, None, b"file", SERVER, Time(TimeKind.SEC_INDEX, 1), 1)
LIST = GetListResponse(None, SERVER, None, Time(TimeKind.TIMESTAMP, 1_700_000_000), ENTRIES, b"sign", None)
CLOSE = CloseResponse(None)


def message(body: bytes, *, crc: bytes | None = None, end: bytes = b"\0") -> bytes:
    """A message of a body as it stands, tag and all."""
    proved = b"\x76" + sml_tl.octets(b"\1\2") + b"\x62\0\x62\0" + body
    return proved + (b"\x63" + fast.crc16(proved).to_bytes(2, "little") if crc is None else crc) + end


def body(tag: int, *items: bytes) -> bytes:
    return sml_tl.sequence(sml_tl.unsigned(tag, 2), sml_tl.sequence(*items))


def codes(file: File) -> list[str]:
    return [finding.code for finding in file.findings]


FILE = sml_encode.encode(OPEN, b"\0") + sml_encode.encode(LIST, b"\1") + sml_encode.encode(CLOSE, b"\2")


def test_there_and_back() -> None:
    file = sml.decode(FILE)
    assert [each.body for each in file.messages] == [OPEN, LIST, CLOSE]
    assert file.findings == () and file.lists == (LIST,)
    assert file.messages[0].offset == 0


def test_every_cut_ends_in_messages_or_a_typed_error() -> None:
    whole = len(sml.decode(FILE).messages)
    for cut in range(len(FILE)):
        try:
            assert len(sml.decode(FILE[:cut]).messages) <= whole
        except DecodeError as error:
            assert error.layer == "apdu"


@pytest.mark.parametrize("place", range(0, len(FILE), 3))
def test_a_damaged_message_costs_itself_alone(place: int) -> None:
    damaged = bytearray(FILE)
    damaged[place] ^= 0x10
    file = sml.decode(bytes(damaged))
    good = [OPEN, LIST, CLOSE]
    assert len(file.messages) >= 2 and all(each.body in good for each in file.messages)


def test_trailing_octets() -> None:
    file = sml.decode(FILE + b"\0\0\0")
    assert len(file.messages) == 3 and file.findings == ()
    assert codes(sml.decode(FILE + b"\x76\x05")) == ["sml-message-lost"]


def test_crc_whose_low_octet_is_zero_may_be_one_octet() -> None:
    for number in range(100_000):
        proved = b"\x76" + sml_tl.octets(number.to_bytes(3, "big")) + b"\x62\0\x62\0" + body(0x0201, b"\1")
        crc = fast.crc16(proved)
        if not crc & 0xFF:
            break
    file = sml.decode(proved + bytes((0x62, crc >> 8, 0)))
    assert codes(file) == ["sml-crc-short"] and file.messages[0].body == CLOSE


def test_crc_kermit_as_the_dtz541_sends_it() -> None:
    """An Open message as in a public report: the CRC is Kermit, high octet first."""
    raw = (
        bytes.fromhex("7604000001620062007265000001017601010700000a583b800b0a01484c5902000159bb0101")
        + b"\x63\x56\x5d\0"
    )
    file = sml.decode(raw)
    assert codes(file) == ["sml-crc-kermit"] and file.messages[0].check == "kermit"
    assert isinstance(opened := file.messages[0].body, OpenResponse)
    assert opened.server_id == bytes.fromhex("0a01484c5902000159bb")
    with pytest.raises(DecodeError, match="CRC"):
        sml.decode(raw, checksum="x25")


def test_checksum_not_looked_at() -> None:
    wrong = message(body(0x0201, b"\1"), crc=b"\x63\xff\xff")
    with pytest.raises(DecodeError, match="CRC"):
        sml.decode(wrong)
    assert sml.decode(wrong, checksum="none").messages[0].check == ""


def test_end_octet_missing() -> None:
    raw = message(body(0x0201, b"\1"), end=b"")
    assert codes(sml.decode(raw + raw)) == ["sml-end-missing"]
    assert len(sml.decode(raw + raw).messages) == 2


def test_time_without_its_choice() -> None:
    """Holley: `65 01 1C 1E B7` where `72 62 01 65 01 1C 1E B7` belongs."""
    entry = bytes.fromhex("77070100010800ff65001c010465011c1eb7621e52ff6500dc532801")
    raw = message(body(0x0701, b"\1", sml_tl.octets(SERVER), b"\1", b"\1", sml_tl.sequence(entry), b"\1", b"\1"))
    file = sml.decode(raw)
    assert codes(file) == ["sml-time-bare"]
    (found,) = file.lists[0].entries
    assert found.time == Time(TimeKind.SEC_INDEX, 0x011C1EB7) and found.value == 0x00DC5328


def test_local_time() -> None:
    time = Time(TimeKind.LOCAL, 1_700_000_000, 60, 60)
    file = sml.decode(sml_encode.encode(OpenResponse(None, None, b"", SERVER, time, None), b"\1"))
    assert isinstance(opened := file.messages[0].body, OpenResponse)
    assert opened.time == time and opened.file_id == b""


def test_entries_in_an_unusual_form() -> None:
    """Fields with longer TL fields than they need, a name of other than six octets, lists and booleans as values."""
    long_name = sml_tl.octets(b"\1\0\1\x08\0\xff\xff")
    entries = [
        sml_tl.sequence(long_name, b"\1", b"\1", b"\x62\x1e", b"\x52\xff", b"\x53\xff\x00", b"\1"),
        sml_tl.sequence(sml_tl.octets(ENERGY), b"\1", b"\1", b"\1", b"\1", b"\x42\x01", b"\1"),
        sml_tl.sequence(sml_tl.octets(ENERGY), b"\1", b"\1", b"\1", b"\1", b"\x72\x62\x01\x62\x02", b"\x02\x07"),
        sml_tl.sequence(sml_tl.octets(ENERGY), b"\1", b"\1", b"\1", b"\x80\x52\x53"[2:] + b"\0\x05", b"\1", b"\1"),
    ]
    raw = message(body(0x0701, b"\1", sml_tl.octets(SERVER), b"\1", b"\1", sml_tl.sequence(*entries), b"\1", b"\1"))
    first, second, third, fourth = sml.decode(raw).lists[0].entries
    assert (first.value, first.signed, first.size, len(first.obis)) == (-256, True, 2, 7)
    assert second.value is True and second.size == 0
    assert third.value == (1, 2) and third.signature == b"\x07"
    assert fourth.scaler == 5 and fourth.value is None


def test_other_bodies() -> None:
    server, path = sml_tl.octets(SERVER), sml_tl.sequence(sml_tl.octets(b"\x81\x81\xc7\x86\x11\xff"))
    header = sml_tl.sequence(sml_tl.octets(ENERGY), b"\x62\x1e", b"\x52\xff")
    row = sml_tl.sequence(b"\1", b"\x62\x02", sml_tl.sequence(sml_tl.sequence(b"\x63\x01\x02", b"\1")), b"\1")
    pack = body(
        0x0301, server, b"\1", b"\x63\x03\x84", path, sml_tl.sequence(header), sml_tl.sequence(row), b"\1", b"\1"
    )
    period = sml_tl.sequence(sml_tl.octets(ENERGY), b"\x62\x1e", b"\x52\xff", b"\x63\x01\x02", b"\1")
    one = body(0x0401, server, b"\1", b"\x63\x03\x84", path, b"\1", b"\1", sml_tl.sequence(period), b"\1", b"\1")
    leaf = sml_tl.sequence(sml_tl.octets(b"b"), sml_tl.sequence(b"\x62\x01", b"\x62\x05"), b"\1")
    tree = sml_tl.sequence(sml_tl.octets(b"a"), b"\1", sml_tl.sequence(leaf))
    parameter = body(0x0501, server, path, tree)
    attention = body(0xFF01, server, sml_tl.octets(bytes.fromhex("8181c7c7fe03")), sml_tl.octets(b"no"), b"\1")
    other = body(0x0700, b"\1", b"\1")
    file = sml.decode(b"".join(map(message, (pack, one, parameter, attention, other))))
    profile, single, parameters, refused, request = (each.body for each in file.messages)
    assert isinstance(profile, GetProfilePackResponse) and profile.period == 900
    assert profile.columns[0].scaler == -1 and profile.rows[0].values == (258,) and profile.rows[0].status == 2
    assert isinstance(single, GetProfileListResponse) and single.entries[0].value == 258
    assert isinstance(parameters, GetProcParameterResponse)
    assert parameters.tree.children[0].value == (1, 5)
    assert isinstance(refused, AttentionResponse) and (refused.text, refused.details) == ("no", None)
    assert request == OtherBody(0x0700, (None, None))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x76",
        b"\x77" * 40,
        b"\x76\x8f\x8f\x8f\x8f\x8f\x8f",
        b"\x76\x0f\x01",
        b"\xf6\x0f\x0f\x0f",
        message(body(0x0701, b"\1", b"\1", b"\1", b"\1", b"\xff\x8f\x8f\x0f", b"\1", b"\1")),
        message(body(0x0700, b"\x71" * 60 + b"\1")),
        message(body(0x0201, b"\x62\x01")),
        message(body(0x0201, b"\1"), crc=b"\x52\x01"),
        message(body(0x0201, b"\x11")),
        message(body(0x0201, b"\x42")),
        message(body(0x0201, b"\x6a" + bytes(9))),
    ],
)
def test_refused_with_a_typed_error(raw: bytes) -> None:
    with pytest.raises(DecodeError) as caught:
        sml.decode(raw)
    assert str(caught.value)


def test_a_deep_tree_is_refused() -> None:
    nested = sml_tl.sequence(sml_tl.octets(b"x"), b"\1", b"\1")
    for _ in range(20):
        nested = sml_tl.sequence(sml_tl.octets(b"x"), b"\1", sml_tl.sequence(nested))
    with pytest.raises(DecodeError, match="deeper"):
        sml.decode(message(body(0x0501, sml_tl.octets(SERVER), sml_tl.sequence(), nested)))


@pytest.mark.parametrize("value", [0, 1, -1, 127, 128, -128, -129, 255, 256, 65535, -32768, 1 << 40, -(1 << 40)])
def test_numbers(value: int) -> None:
    assert sml_tl.read(sml_tl.integer(value), 0)[0] == value
    assert sml_tl.integer(value)[0] & 15 == max(1, len(sml_tl.integer(value)) - 1) + 1
    if value >= 0:
        assert sml_tl.read(sml_tl.unsigned(value), 0)[0] == value
    with pytest.raises(MeterError):
        sml_tl.unsigned(-1, 2)


@pytest.mark.parametrize("size", [0, 1, 13, 14, 15, 16, 253, 254, 255, 4000])
def test_octet_strings(size: int) -> None:
    encoded = sml_tl.octets(bytes(size))
    assert sml_tl.read(encoded + b"\xff", 0) == (bytes(size), len(encoded))


@pytest.mark.captures("sml_negative")
def test_captures(capture: Any) -> None:
    (frame,) = frames(capture.bytes)
    file = sml.decode(frame.payload)
    assert file.findings == () and len(file.messages) == 3
    values = {entry.obis: entry for entry in file.lists[0].entries}
    entry = values[bytes.fromhex("0100010801ff")]
    assert (entry.value, entry.scaler, entry.unit) == (153385557, -1, 30)
    assert values[bytes.fromhex("8181c78203ff")].value == b"EMH"
