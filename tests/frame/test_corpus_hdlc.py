"""Frames of real meters: as many good ones as the index says, none lost, none invented."""

from __future__ import annotations

from typing import Any

import pytest

from metersdk.errors import FrameError
from metersdk.frame.buffer import ReceiveBuffer
from metersdk.frame.hdlc import Frame, is_incomplete, resync, take_frame
from metersdk.frame.wrapper import HEADER_LENGTH, Wpdu, take_wpdu


def frames_of(octets: bytes, step: int) -> list[Frame]:
    buffer = ReceiveBuffer()
    frames = []
    for at in range(0, len(octets), step):
        buffer.feed(octets[at : at + step])
        while (frame := take_frame(buffer)) is not None:
            frames.append(frame)
    while is_incomplete(buffer):
        resync(buffer)
        while (frame := take_frame(buffer)) is not None:
            frames.append(frame)
    return frames


@pytest.mark.captures("hdlc_link", "hdlc_push", "hdlc_push_ciphered", "hdlc_session")
def test_hdlc_capture(capture: Any) -> None:
    octets = capture.bytes
    integrity = capture.meta["integrity"]
    frames = frames_of(octets, len(octets))
    assert frames_of(octets, 1) == frames
    assert len(frames) == integrity["hdlc_ok"]
    if integrity["hdlc_ok"] == integrity["hdlc_frames"] > 0:
        # What we write is what the meter sent, but for flags shared or doubled, and noise around.
        at = 0
        for frame in frames:
            at = octets.index(frame.encode()[1:], at) + len(frame.encode()) - 2
            assert frame.destination_address.encode() == frame.destination
            assert frame.source_address.encode() == frame.source
    if "segmented" in integrity:
        assert any(frame.segmented for frame in frames) is integrity["segmented"]


def test_address_of_a_capture_with_a_wrong_fcs(corpus: Any) -> None:
    case = corpus.case("hdlc_link", "jdlms_frame_5")
    with pytest.raises(FrameError):
        Frame.decode(case.bytes)
    assert Frame(case.bytes[3:7], b"\x21", 0x93).destination_address.lower == case.meta["expected"]["dst_physical"]


@pytest.mark.captures("wrapper")
def test_wrapper_datagram(capture: Any) -> None:
    octets = capture.bytes
    wpdu = Wpdu.decode(octets)
    assert wpdu.encode() == octets
    assert len(wpdu.apdu) == len(octets) - HEADER_LENGTH


def directions(text: str) -> dict[str, bytes]:
    """The octets of each direction of a conversation, in order."""
    streams: dict[str, bytes] = {}
    for line in text.splitlines():
        way, _, octets = line.partition(" ")
        streams[way] = streams.get(way, b"") + bytes.fromhex(octets)
    return streams


@pytest.mark.captures("wrapper_session")
def test_wrapper_session(capture: Any) -> None:
    integrity = capture.meta["integrity"]
    found: dict[str, int] = {}
    broken = 0
    for octets in directions(capture.bytes.decode("ascii")).values():
        buffer = ReceiveBuffer()
        buffer.feed(octets)
        ports = set()
        try:
            while (wpdu := take_wpdu(buffer)) is not None:
                tag = f"{wpdu.apdu[0]:02x}"
                found[tag] = found.get(tag, 0) + 1
                ports.add((wpdu.source, wpdu.destination))
        except FrameError:
            broken += 1
        broken += len(buffer) > 0
        assert len(ports) <= 1
    assert (broken > 0) is (integrity["leftover"] > 0)
    assert found == integrity["apdu_tags"]
    assert sum(found.values()) == integrity["wpdus"]
