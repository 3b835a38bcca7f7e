"""Frames of a whole capture as columns."""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import Any

import pytest

from metersdk import fast
from metersdk.errors import LocalProtocolError
from metersdk.fast import Reason
from metersdk.frame.table import FrameRecord, FrameTable, scan

SNRM = bytes.fromhex("7ea0070321930f017e")
DAMAGED = bytes.fromhex("7ea0070321930f007e")
IDENTIFY = bytes.fromhex("ee0000000001201310")
FAREWELL = b"\x01B0\x03q"


def test_columns_are_typed_buffers() -> None:
    table = scan(SNRM + DAMAGED + b"noise" + SNRM, "hdlc")
    assert (len(table), table.good) == (3, 2)
    assert [memoryview(column).format for column in (table.offset, table.length, table.ok, table.reason)] == [
        "Q",
        "I",
        "B",
        "B",
    ]
    assert list(table.offset) == [0, 9, 23]
    assert list(table.length) == [9, 9, 9]
    assert list(table.ok) == [1, 0, 1]
    assert list(table.reason) == [Reason.GOOD, Reason.CHECK, Reason.GOOD]


def test_rows_and_their_octets() -> None:
    table = scan(SNRM + DAMAGED, "hdlc")
    good, broken = table
    assert good == FrameRecord(0, 9, Reason.GOOD) and good.ok
    assert broken == FrameRecord(9, 9, Reason.CHECK) and not broken.ok
    assert (table.frame(0), table.frame(1), table.frame(-2)) == (SNRM, DAMAGED, SNRM)
    with pytest.raises(IndexError):
        table.frame(2)


@pytest.mark.parametrize(("kind", "frame"), [("hdlc", SNRM), ("iec62056-21", FAREWELL), ("c1218", IDENTIFY)])
def test_every_kind(kind: str, frame: bytes) -> None:
    table = scan(b"\r\n" + frame + b"\x00" + frame[:-1], kind)
    assert table.kind == kind and table.good == 1
    assert table.frame(0) == frame


def packet(data: bytes, control: int = 0) -> bytes:
    head = bytes((0xEE, 0, control, 0)) + len(data).to_bytes(2, "big") + data
    return head + fast.crc16(head).to_bytes(2, "little")


@pytest.mark.parametrize(
    "garbage",
    [
        *(b"\x06\x15\xee", b"\xee\xee\xee", bytes.fromhex("ee0000001ff8"), bytes.fromhex("ee0000000001")),
        *(bytes.fromhex("ee00000000"), bytes.fromhex("ee00ff000001"), IDENTIFY[:-1] + b"\x00", IDENTIFY[:-1]),
    ],
)
def test_a_good_c1218_packet_behind_garbage(garbage: bytes) -> None:
    """A header that lies hides nothing: the search goes on inside what it claims."""
    first, second = packet(b"\x30\x00\x17", 0x20), packet(b"\x00" + b"\xee" * 40, 0xC0)
    table = scan(garbage + first + b"\x06" + second + b"\x06", "c1218")
    good = [(record.offset, record.length) for record in table if record.ok]
    assert good == [(len(garbage), len(first)), (len(garbage) + len(first) + 1, len(second))]
    assert all(record.offset < len(garbage) for record in table if not record.ok)


def test_the_longest_c1218_packet() -> None:
    assert scan(packet(bytes(8184)), "c1218").good == 1
    assert len(scan(packet(bytes(8185)), "c1218")) == 0


@pytest.mark.parametrize("kind", ["hdlc", "iec62056-21", "c1218"])
def test_nothing_found(kind: str) -> None:
    for empty in (scan(b"", kind), scan(b"plain text", kind)):
        assert (len(empty), empty.good, list(empty), len(empty.ok)) == (0, 0, [], 0)


def test_a_kind_that_does_not_exist() -> None:
    with pytest.raises(LocalProtocolError, match="cannot scan for 'modbus'") as caught:
        scan(SNRM, "modbus")
    assert caught.value.hint == "one of: hdlc, iec62056-21, c1218, sml"


def test_a_capture_that_can_change_is_copied() -> None:
    capture = bytearray(SNRM)
    tables = [scan(capture, "hdlc"), scan(memoryview(capture), "hdlc")]
    capture[:] = bytes(9)
    assert [table.frame(0) for table in tables] == [SNRM, SNRM]


def test_a_capture_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "capture").write_bytes(SNRM * 3)
    with open(tmp_path / "capture", "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as capture:
        table = scan(capture, "hdlc")
        assert (len(table), table.capture) == (3, capture)
        assert table.frame(2) == SNRM
    # Nothing holds on to the file: leaving the block has closed it.
    assert capture.closed and table.good == 3


def test_words_and_wide_views_are_read_as_octets() -> None:
    wide = memoryview(SNRM + b"\x00" * 7).cast("I")
    table = scan(wide, "hdlc")
    assert table.frame(0) == SNRM


def test_the_capture_stays_out_of_the_repr() -> None:
    assert "7e" not in repr(scan(SNRM, "hdlc")) and "capture" not in repr(scan(SNRM, "hdlc"))
    assert isinstance(scan(SNRM, "hdlc"), FrameTable)


@pytest.mark.captures("hdlc_link", "hdlc_push", "hdlc_push_ciphered", "hdlc_session", "c1218")
def test_real_captures(capture: Any) -> None:
    # The index was made by another reader, frame by frame.
    seen = capture.meta["integrity"]
    kind = "c1218" if capture.meta["group"] == "c1218" else "hdlc"
    table = scan(capture.bytes, kind)
    assert table.good == seen["crc_ok_le" if kind == "c1218" else "hdlc_ok"]
    for record in table:
        assert record.offset + record.length <= len(capture.bytes)
        if kind == "hdlc" and record.ok:
            assert fast.crc16(capture.bytes[record.offset + 1 : record.offset + record.length - 1]) == 0x0F47
