"""Frames of KMP: the vectors of the maker's description as public programs quote it, and one from a water meter."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metersdk.errors import ChecksumError, FrameError
from metersdk.frame.kmp import ANSWER, METER, REQUEST, KmpFrame, find_kmp

# name, frame, start, payload
VECTORS = [
    ("GetType", "80 3F 01 05 8A 0D", REQUEST, "01"),
    ("GetType, answer", "40 3F 01 00 04 1B F9 01 26 99 0D", ANSWER, "01 00 04 06 01"),
    ("GetSerialNo", "80 3F 02 35 E9 0D", REQUEST, "02"),
    ("GetSerialNo, answer", "40 3F 02 01 23 45 67 E9 56 0D", ANSWER, "02 01 23 45 67"),
    ("GetRegister 128", "80 3F 10 01 00 1B 7F D4 08 0D", REQUEST, "10 01 00 80"),
    (
        "GetRegister 128, answer",
        "40 3F 10 00 1B 7F 16 04 11 01 2A F0 24 63 03 0D",
        ANSWER,
        "10 00 80 16 04 11 01 2A F0 24",
    ),
    ("flowIQ 2200, volume", "80 3F 10 01 00 44 4D C0 0D", REQUEST, "10 01 00 44"),
]


@pytest.mark.parametrize(("frame", "start", "payload"), [v[1:] for v in VECTORS], ids=[v[0] for v in VECTORS])
def test_vectors(frame: str, start: int, payload: str) -> None:
    octets = bytes.fromhex(frame)
    meant = KmpFrame(bytes.fromhex(payload), METER, start)
    assert meant.encode() == octets
    assert KmpFrame.decode(octets) == meant
    # Behind an echo of the question and noise, byte by byte, and with what comes after it.
    other = KmpFrame(b"\x01", METER, REQUEST ^ ANSWER ^ start).encode()
    stream = other + b"\x00\xff" + octets
    for cut in range(len(stream)):
        assert find_kmp(stream[:cut], start) is None
    assert find_kmp(stream + b"\x40\x80", start) == (len(other) + 2, len(stream))


def test_a_frame_that_broke_off_is_stepped_over() -> None:
    whole = KmpFrame(b"\x01", start=ANSWER).encode()
    assert find_kmp(whole[:3] + whole, ANSWER) == (3, 3 + len(whole))


@pytest.mark.parametrize(
    ("octets", "error"),
    [
        ("", FrameError),
        ("40 3F 0D", FrameError),
        ("80 3F 01 05 8B 0D", ChecksumError),
        ("80 3F 01 05 8A 0A", FrameError),
        ("81 3F 01 05 8A 0D", FrameError),
        ("80 3F 1B 01 05 8A 0D", FrameError),
        ("80 3F 01 05 8A 1B 0D", FrameError),
        ("80 1B F2 1B F2 1B F2 0D", FrameError),
    ],
)
def test_what_is_no_frame(octets: str, error: type[FrameError]) -> None:
    with pytest.raises(error):
        KmpFrame.decode(bytes.fromhex(octets))


@given(st.binary(min_size=1, max_size=60), st.integers(0, 255), st.sampled_from((REQUEST, ANSWER)))
def test_any_payload_comes_back(payload: bytes, address: int, start: int) -> None:
    frame = KmpFrame(payload, address, start)
    octets = frame.encode()
    assert not {0x40, 0x80, 0x0D, 0x06} & set(octets[1:-1])
    assert KmpFrame.decode(octets) == frame


@given(st.binary(max_size=80))
def test_any_octets_end_in_a_frame_or_an_error(octets: bytes) -> None:
    try:
        KmpFrame.decode(octets)
    except FrameError as error:
        assert error.layer == "frame"
