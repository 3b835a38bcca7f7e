"""What a meter says unasked is kept, and does not stand in the way of what was asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from metersdk.apdu import axdr, xdlms
from metersdk.effects import Dialog, Send
from metersdk.errors import PortError
from metersdk.frame.hdlc import LLC_RESPONSE, Frame, FrameKind, control_octet
from metersdk.frame.wrapper import Wpdu
from metersdk.port.line import LineModel

MakeRig = Any


def notification(number: int) -> bytes:
    return xdlms.DataNotification(xdlms.LongInvoke(number), b"", axdr.encode(axdr.u32(number))).encode()


EVENT = bytes.fromhex("c2000003010001080002060000002a")


def interrupting(unasked: Callable[[int], bytes]) -> Callable[[Dialog[Any]], Dialog[Any]]:
    """A meter that says ``unasked(n)`` in front of the n-th thing it says."""

    def dress(dialog: Dialog[Any]) -> Dialog[Any]:
        said = 0
        answer: Any = None
        error: PortError | None = None
        while True:
            try:
                effect = dialog.send(answer) if error is None else dialog.throw(error)
            except StopIteration as end:
                return end.value
            answer, error = None, None
            try:
                if isinstance(effect, Send):
                    yield Send(unasked(said) + effect.data)
                    said += 1
                else:
                    answer = yield effect
            except PortError as closed:
                error = closed

    return dress


def in_wrapper(number: int) -> bytes:
    return Wpdu(1, 16, notification(number)).encode()


def in_ui(number: int) -> bytes:
    control = control_octet(FrameKind.UI, poll=False)
    return Frame(b"\x21", b"\x03", control, LLC_RESPONSE + notification(number)).encode()


def in_two_ui(number: int) -> bytes:
    """In two segments, and to another client address than ours."""
    control, whole = control_octet(FrameKind.UI, poll=False), LLC_RESPONSE + notification(number)
    first, second = Frame(b"\xcf", b"\x03", control, whole[:7], True), Frame(b"\xcf", b"\x03", control, whole[7:])
    return first.encode() + second.encode()


@pytest.mark.parametrize(
    ("speech", "unasked"),
    [("wrapper", in_wrapper), ("hdlc", in_ui), ("hdlc", in_two_ui)],
    ids=["wrapper", "UI", "UI in segments"],
)
@pytest.mark.parametrize("piece", [None, 1])
def test_pushes_before_every_answer(
    rig: MakeRig, speech: str, unasked: Callable[[int], bytes], piece: int | None
) -> None:
    """Before the AARE, between the blocks of a GET, before the RLRE."""
    it = rig(speech=speech, options={"max_info": 64}, model=LineModel(baud=9600, piece=piece))
    expected = it.session(it.port())
    port = it.but(server=interrupting(unasked)).port()
    meter = it.connect(port)
    assert it.read_all(meter) == expected
    meter.close()
    kept = [push.apdu for push in meter.pushes]
    said = sum(event.side == "server" for event in port.log)
    # The UA and what comes with the good-bye may be left to the link.
    assert said - 3 <= len(kept) <= said
    assert kept == [notification(number) for number in range(said) if notification(number) in kept]


def test_between_the_blocks_of_a_get(rig: MakeRig) -> None:
    it = rig(speech="wrapper", image="bench", server=interrupting(in_wrapper))
    meter = it.connect()
    before = len(meter.pushes)
    assert len(meter.get_profile("1.0.99.1.0.255", entries=(1, 5000))) == 5000
    assert len(meter.pushes) - before >= 4


def test_an_event_notification_is_a_push(rig: MakeRig) -> None:
    it = rig(speech="wrapper", server=interrupting(lambda number: Wpdu(1, 16, EVENT).encode()))
    meter = it.connect()
    meter.read("1.0.1.8.0.255")
    assert {push.apdu for push in meter.pushes} == {EVENT}


def test_in_a_ciphered_association(rig: MakeRig) -> None:
    """A push in clear is no answer in clear: it is kept, and no downgrade."""
    it = rig(speech="wrapper", client=1, server=interrupting(lambda number: Wpdu(1, 1, notification(number)).encode()))
    meter = it.connect()
    assert str(meter.read("1.0.1.8.0.255"))
    assert len(meter.pushes) >= 3


def test_progress_hears_pushes_at_once(rig: MakeRig) -> None:
    it = rig(speech="wrapper", server=interrupting(in_wrapper))
    meter = it.connect()
    heard: list[object] = []
    meter._hearing._progress = heard.append
    meter.get(1, "0.0.42.0.0.255", 2)
    assert [type(event).__name__ for event in heard].count("Push") == 1
