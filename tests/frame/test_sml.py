"""SML files: whole, octet by octet, with what may lie around and inside them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from metersdk import fast
from metersdk.fast import Reason
from metersdk.frame.buffer import ReceiveBuffer
from metersdk.frame.sml import (
    ESCAPE,
    FRAME_LIMIT,
    START,
    START_2,
    SmlFrame,
    SmlScanner,
    encode_frame,
    frames,
    kermit,
)
from metersdk.frame.table import scan

PAYLOAD = bytes.fromhex("7605000000016200620072630201710163") + b"\x12\x34\x00"


def taken(parts: Iterable[bytes], *, final: bool = False) -> tuple[list[SmlFrame], int]:
    buffer = ReceiveBuffer()
    scanner = SmlScanner(buffer)
    found = []
    for part in parts:
        buffer.feed(part)
        while (frame := scanner.take()) is not None:
            found.append(frame)
    while final and (frame := scanner.take(final=True)) is not None:
        found.append(frame)
    return found, scanner.noise


def octets(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


def test_check_values() -> None:
    assert kermit(b"123456789") == 0x2189
    assert fast.crc16(b"123456789") == 0x906E


@pytest.mark.parametrize("size", range(9))
def test_any_fill(size: int) -> None:
    (frame,), noise = taken([encode_frame(bytes(range(1, size + 1)))])
    assert frame.ok and frame.payload == bytes(range(1, size + 1)) and frame.fill == -size % 4 and noise == 0


@pytest.mark.parametrize("count", range(25))
@pytest.mark.parametrize("after", [b"", b"\x1a\x00\x00\x00", b"\x01\x01\x01\x01", b"\x76"])
def test_escapes_inside(count: int, after: bytes) -> None:
    """Any run of escapes in the data, whatever follows it, and however it lies to a multiple of four."""
    for before in (b"", b"\x76", b"\x76\x05", b"\x76\x05\x01"):
        payload = before + b"\x1b" * count + after
        frame = encode_frame(payload)
        whole, _ = taken([frame + b"\x55"])
        bytewise, _ = taken(octets(frame + b"\x55"))
        assert whole == bytewise
        assert [each.ok for each in whole] == [True]
        assert whole[0].payload == payload


def test_octet_by_octet_with_noise_around() -> None:
    stream = b"\x00\xff\x1b\x1b" + encode_frame(PAYLOAD) + b"\x1b\x01noise" + encode_frame(PAYLOAD) + b"\x00\x00"
    whole, noise = taken([stream])
    assert taken(octets(stream)) == (whole, noise)
    assert [frame.ok for frame in whole] == [True, True]
    assert [frame.offset for frame in whole] == [4, 4 + len(encode_frame(PAYLOAD)) + 7]
    assert noise == 4 + 7


def test_joined_amid_a_file() -> None:
    frame = encode_frame(PAYLOAD)
    for cut in range(1, len(frame)):
        found, _ = taken([frame[cut:] + frame])
        assert [each.ok for each in found] == [True], cut


def test_a_file_that_breaks_off_costs_itself_alone() -> None:
    frame = encode_frame(PAYLOAD)
    for cut in range(8, len(frame)):
        found, _ = taken([frame[:cut] + frame])
        assert found[-1].ok and found[-1].payload == PAYLOAD, cut
        assert all(each.reason in (Reason.END, Reason.CHECK) for each in found[:-1])


def test_wrong_crc() -> None:
    frame = bytearray(encode_frame(PAYLOAD))
    frame[10] ^= 4
    (found,), _ = taken([bytes(frame)])
    assert (found.ok, found.reason, found.check) == (False, Reason.CHECK, "")
    assert found.payload[2] == PAYLOAD[2] ^ 4


@pytest.mark.parametrize("order", ["little", "big"])
def test_crc_kermit(order: Any) -> None:
    frame = encode_frame(PAYLOAD)
    frame = frame[:-2] + kermit(frame[:-2]).to_bytes(2, order)
    (found,), _ = taken([frame])
    assert (found.ok, found.check) == (True, "kermit")


def test_version_2_is_recognised() -> None:
    body = START_2 + ESCAPE + b"\x03\x00\x00\x10" + PAYLOAD + ESCAPE + b"\x1a\x00"
    (found,), _ = taken([body + fast.crc16(body).to_bytes(2, "little")])
    assert found.version == 2 and found.ok


def test_a_file_without_end_is_bounded() -> None:
    stream = START + bytes(FRAME_LIMIT + 2000) + encode_frame(PAYLOAD)
    found, _ = taken(stream[at : at + 1000] for at in range(0, len(stream), 1000))
    assert found[0].reason is Reason.LIMIT
    assert found[-1].ok


def test_silence_ends_it() -> None:
    frame = encode_frame(PAYLOAD)
    (found,), _ = taken([frame[:-3]], final=True)
    assert found.reason is Reason.TRUNCATED and found.payload.startswith(PAYLOAD)


def test_scan_as_columns() -> None:
    good = encode_frame(PAYLOAD)
    bad = good[:-1] + bytes((good[-1] ^ 1,))
    capture = b"\x00" + good + bad + START + b"\x76"
    table = scan(capture, "sml")
    assert list(table.reason) == [Reason.GOOD, Reason.CHECK, Reason.TRUNCATED]
    assert table.frame(0) == good and table.frame(1) == bad
    assert table.good == 1
    assert scan(bytearray(capture), "sml").reason == table.reason


@pytest.mark.captures("sml_negative")
def test_captures(capture: Any) -> None:
    (frame,) = frames(capture.bytes)
    assert frame.ok and frame.check == "x25" and frame.version == 1
    assert taken(octets(capture.bytes)) == ([frame], 0)


class Counted(bytes):
    """Octets that count how many of them were copied."""

    copied = 0

    def __getitem__(self, key: Any) -> Any:
        found = bytes.__getitem__(self, key)
        if isinstance(key, slice):
            Counted.copied += len(found)
        return found


@pytest.mark.parametrize("filling", ["a file", "starts", "a damaged file", "escapes"])
def test_the_work_for_a_capture_grows_with_it_and_no_faster(filling: str) -> None:
    one = encode_frame(bytes(range(200)))
    octets = {
        "a file": one,
        "starts": START,
        "a damaged file": one[:50] + b"x" + one[51:],
        "escapes": START + b"\x1b" * 8 + b"\x00",
    }[filling]
    for times in (50, 800):
        Counted.copied = 0
        capture = Counted(octets * times)
        assert len(list(frames(capture))) == times
        assert Counted.copied <= 2 * len(capture) + 100
