"""The C kernel and its Python twin give the same answer to everything, and the right one where somebody else knows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metersdk.fast import Reason, pure

_kernel = pytest.importorskip("metersdk._kernel", reason="the C kernel is not built")
native = pytest.importorskip("metersdk.fast.native")

SCANS = ["scan_hdlc", "scan_iec", "scan_c1218"]
PATHS = {"table": 0, "clmul": 1, "clmul512": 2}
# Octets that mean something to one of the scans, and a few that do not.
TELLING = bytes.fromhex("7ea0a1a7ee00010203048182840920c0ff0607087f4142")


def bitwise(state: int, octet: int) -> int:
    state ^= octet
    for _ in range(8):
        state = state >> 1 ^ 0x8408 if state & 1 else state >> 1
    return state


def noise(size: int) -> bytes:
    value, out = 1, bytearray()
    for _ in range(size):
        value = value * 1103515245 + 12345 & 0x7FFFFFFF
        out.append(value >> 16 & 0xFF)
    return bytes(out)


def c_path(path: str, data: bytes) -> int:
    crc = _kernel.ffi.new("uint16_t *")
    if _kernel.lib.msdk_crc16_path(PATHS[path], data, len(data), crc) != 0:
        pytest.skip(f"this machine has no {path}")
    return int(crc[0])


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("offset", [0, 1, 3, 8])
def test_crc16_every_length_by_every_path(path: str, offset: int) -> None:
    data = memoryview(noise(3016))
    state = 0xFFFF
    for size in range(3001):
        assert c_path(path, bytes(data[offset : offset + size])) == state ^ 0xFFFF
        state = bitwise(state, data[offset + size])


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("stretches", [4, 5, 9])
def test_crc16_around_the_period(path: str, stretches: int) -> None:
    data = noise(stretches * 32767 + 1)
    for size in (len(data) - 2, len(data) - 1, len(data)):
        assert c_path(path, data[:size]) == pure.crc16(data[:size])


def test_crc16_path_that_does_not_exist() -> None:
    crc = _kernel.ffi.new("uint16_t *", 0x1234)
    assert _kernel.lib.msdk_crc16_path(_kernel.lib.MSDK_CRC16_PATHS, b"x", 1, crc) == -1
    assert crc[0] == 0x1234


@given(st.binary(max_size=5000))
def test_crc16_against_fastcrc(data: bytes) -> None:
    fastcrc = pytest.importorskip("fastcrc")
    assert native.crc16(data) == pure.crc16(data) == fastcrc.crc16.ibm_sdlc(data)


@given(st.binary(max_size=3000))
def test_bcc_and_parity(data: bytes) -> None:
    value = 0
    for octet in data:
        value ^= octet
    assert native.bcc(data) == pure.bcc(data) == value
    assert native.parity_add(data) == pure.parity_add(data)
    text, bad = native.parity_strip(data)
    assert (text, bad) == pure.parity_strip(data)
    assert list(bad) == [i for i, octet in enumerate(data) if octet.bit_count() & 1]


@pytest.mark.parametrize("name", SCANS)
@given(data=st.one_of(st.binary(max_size=600), st.lists(st.sampled_from(TELLING), max_size=600).map(bytes)))
def test_scans_of_anything(name: str, data: bytes) -> None:
    assert getattr(native, name)(data) == getattr(pure, name)(data)


def with_crc(body: bytes) -> bytes:
    return body + pure.crc16(body).to_bytes(2, "little")


def hdlc(information: bytes, addresses: bytes) -> bytes:
    size = 7 + len(addresses) + len(information)
    header = (0xA000 | size).to_bytes(2, "big") + addresses + b"\x10"
    return b"\x7e" + with_crc(with_crc(header) + information) + b"\x7e"


def iec(text: bytes, command: bytes) -> bytes:
    body = command[1:] + b"\x02" + text + b"\x03" if command else text + b"\x03"
    return (command[:1] or b"\x02") + body + bytes([pure.bcc(body)])


def c1218(data: bytes, control: int) -> bytes:
    return with_crc(bytes([0xEE, 0, control, 0]) + len(data).to_bytes(2, "big") + data)


content = st.one_of(st.binary(min_size=1, max_size=60), st.lists(st.sampled_from(TELLING), min_size=1).map(bytes))
FRAMES = {
    "scan_hdlc": st.builds(hdlc, content, st.sampled_from([b"\x03\x21", b"\x02\x23\x21", b"\x00\x02\x04\x07\x21"])),
    "scan_iec": st.builds(iec, st.text("0123(.)*\r\n").map(str.encode), st.sampled_from([b"", b"\x01P1", b"\x01R1"])),
    "scan_c1218": st.builds(c1218, content, st.sampled_from([0x00, 0x20, 0xC0])),
}


@st.composite
def captures(draw: st.DrawFn, name: str) -> tuple[bytes, list[tuple[int, int]]]:
    """Frames with gaps of noise, some flipped, cut or lying about their length; and the places of the whole ones."""
    capture, whole = bytearray(), []
    for _ in range(draw(st.integers(1, 6))):
        frame = bytearray(draw(FRAMES[name]))
        fate = draw(st.sampled_from(["whole", "whole", "flip", "cut", "lie"]))
        if fate == "flip":
            frame[draw(st.integers(0, len(frame) - 1))] ^= 1 << draw(st.integers(0, 7))
        elif fate == "cut":
            del frame[draw(st.integers(1, len(frame))) :]
        elif fate == "lie":
            frame[min(2 if name == "scan_hdlc" else 5, len(frame) - 1)] = draw(st.integers(0, 255))
        else:
            whole.append((len(capture), len(frame)))
        capture += frame
        capture += draw(st.lists(st.sampled_from(TELLING), max_size=4).map(bytes))
    return bytes(capture), whole


@pytest.mark.parametrize("name", SCANS)
@settings(max_examples=150)
@given(data=st.data())
def test_scans_of_damaged_captures(name: str, data: st.DataObject) -> None:
    capture, whole = data.draw(captures(name))
    offsets, lengths, reasons = columns = getattr(native, name)(capture)
    assert columns == getattr(pure, name)(capture)
    good = {
        (offset, length)
        for offset, length, reason in zip(offsets, lengths, reasons, strict=True)
        if reason == Reason.GOOD
    }
    # With 16 bits and more to prove a frame, nothing else can hide it. The 7 bits of a BCC can be right by accident.
    if name != "scan_iec":
        assert good.issuperset(whole)


def test_the_codes_are_the_same() -> None:
    for reason in Reason:
        assert getattr(_kernel.lib, f"MSDK_{reason.name}") == reason
    assert _kernel.lib.MSDK_IEC_LIMIT == pure.IEC_LIMIT
    assert _kernel.lib.MSDK_C1218_MAX_DATA == pure.C1218_MAX_DATA


def test_every_function_of_the_header_is_there() -> None:
    header = Path(__file__).parent.parent / "csrc" / "metersdk.h"
    names = re.findall(r"\b(msdk_\w+)\(", re.sub(r"/\*.*?\*/", "", header.read_text(encoding="utf-8"), flags=re.S))
    assert "msdk_scan_hdlc" in names
    assert all(hasattr(_kernel.lib, name) for name in names)
