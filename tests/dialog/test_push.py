"""Pushes over HDLC without a link: what is odd is told at once, and a frame that broke off holds up nobody."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from metersdk.dialog.push import PushReceiver
from metersdk.dialog.push_session import PushSession
from metersdk.dialog.pushers import Pusher, PushLine
from metersdk.dialog.timing import Timing
from metersdk.effects import Dialog, Send, Sleep
from metersdk.errors import Finding, NoAnswer
from metersdk.frame.buffer import ReceiveBuffer
from metersdk.frame.hdlc import Frame, FrameKind, control_octet
from metersdk.port.drive import run
from metersdk.port.line import LineModel
from metersdk.port.virtual import VirtualPort

LLC = b"\xe6\xe7\x00"
APDU = bytes.fromhex("0f00000001000203110111021103")


def push(apdu: bytes, *, segmented: bool = False, llc: bytes = LLC) -> bytes:
    return Frame(b"\x03", b"\x21", control_octet(FrameKind.UI, poll=False), llc + apdu, segmented=segmented).encode()


def speaking(*pieces: bytes | float) -> VirtualPort:
    def peer() -> Dialog[None]:
        for piece in pieces:
            yield Send(piece) if isinstance(piece, bytes) else Sleep(piece)
        yield Sleep(1000)

    return VirtualPort(peer(), LineModel(baud=9600))


def codes(events: Sequence[object]) -> list[str]:
    return [event.code for event in events if isinstance(event, Finding)]


def test_a_push_that_is_too_long_is_told() -> None:
    events: list[object] = []
    long = push(bytes(60), segmented=True)
    port = speaking(
        long, push(bytes(60), segmented=True, llc=b""), 0.5, long, push(bytes(60), llc=b""), 0.5, push(APDU)
    )
    receiver = PushReceiver(ReceiveBuffer(), max_apdu=100)
    assert run(receiver.receive(30.0), port, events.append) == APDU
    assert codes(events) == ["push-too-long"] == codes(receiver.findings)


def test_it_is_told_though_no_other_push_follows() -> None:
    events: list[object] = []
    receiver = PushReceiver(ReceiveBuffer(), max_apdu=10)
    with pytest.raises(NoAnswer):
        run(receiver.receive(5.0), speaking(push(APDU)), events.append)
    assert codes(events) == ["push-too-long"]


def test_a_session_tells_what_the_receiver_tolerates() -> None:
    events: list[object] = []
    port = speaking(push(APDU), 1.0, push(APDU, llc=b"\xe6\xe6\x00"))
    pusher = Pusher(PushLine(), ReceiveBuffer())

    def both() -> Dialog[None]:
        session = PushSession(pusher, (yield from pusher.next(30.0)), Timing(), 30.0)
        yield from session.telegrams(2)

    run(both(), port, events.append)
    assert codes(events) == ["hdlc-llc"]


@pytest.mark.parametrize("keep", [2, 3, 9, 11, 60])
def test_a_frame_that_broke_off_holds_up_nobody(keep: int) -> None:
    port = speaking(push(bytes(1500))[:keep], 3.0, push(APDU), 0.3, push(APDU + b"\x00"))
    receiver = PushReceiver(ReceiveBuffer())
    assert run(receiver.receive(30.0), port) == APDU
    # Not before the next octets after it, and not once 1500 of them have come.
    assert 3.0 < port.now() < 3.3
    assert run(receiver.receive(30.0), port) == APDU + b"\x00"


def test_a_good_frame_within_one_that_broke_off_is_taken_once_the_line_is_silent() -> None:
    port = speaking(push(bytes(1500))[:40], push(APDU))
    assert run(PushReceiver(ReceiveBuffer()).receive(30.0), port) == APDU
    assert 1.0 < port.now() < 1.3


def test_a_pause_within_a_frame_costs_nothing() -> None:
    whole = push(APDU)
    assert run(PushReceiver(ReceiveBuffer()).receive(30.0), speaking(whole[:9], 0.7, whole[9:])) == APDU
