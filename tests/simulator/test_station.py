"""One simulated meter on one line, under the virtual clock: sessions, hand-over and the way back to the sign-on."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from metersdk.dialog.iec62056_21 import SignOn, sign_on
from metersdk.dialog.iec62056_21_hand_over import hand_over
from metersdk.dialog.iec62056_21_readout import readout
from metersdk.dialog.link import HdlcLink, HdlcSettings
from metersdk.dialog.opening import Plan, open_session
from metersdk.dialog.wrapper_link import WrapperLink
from metersdk.effects import Dialog, Now, Sleep, State
from metersdk.errors import FrameError, NoAnswer, PortClosed
from metersdk.frame.buffer import ReceiveBuffer
from metersdk.port.drive import run
from metersdk.port.line import LineModel
from metersdk.port.virtual import VirtualPort
from metersdk.simulator.image import Image
from metersdk.simulator.station import Speech, StationSettings, optical_meter, station

ENERGY = "1.0.1.8.0.255"


def meter(speech: Speech = "optical", **settings: float) -> VirtualPort:
    device = Image.load("bench").device()
    baud = 300 if speech == "optical" else 9600 if speech == "hdlc" else None
    return VirtualPort(station(device, StationSettings(speech, **settings)), LineModel(baud=baud))  # type: ignore[arg-type]


def signed_on() -> Dialog[ReceiveBuffer]:
    buffer = ReceiveBuffer()
    signed = yield from sign_on(SignOn(), buffer)
    assert signed.mode == "E"
    yield from hand_over(signed)
    return buffer


def opened(buffer: ReceiveBuffer) -> Dialog[HdlcLink]:
    link = HdlcLink(HdlcSettings(response_timeout=0.5), buffer)
    yield from link.open((yield Now()) + 3.0)
    return link


def is_at_sign_on(port: VirtualPort) -> bool:
    """Whether the meter answers a request at 300 Bd with its identification and a readout."""
    signed = run(sign_on(SignOn(mode="C"), ReceiveBuffer()), port)
    return run(readout(signed), port).proved is True


def test_disc_leads_back_to_the_sign_on() -> None:
    port = meter()

    def session() -> Dialog[None]:
        link = yield from opened((yield from signed_on()))
        yield from link.close((yield Now()) + 3.0)

    for _ in range(2):
        run(session(), port)
    assert is_at_sign_on(port)


def test_a_second_snrm_keeps_the_link() -> None:
    port = meter()

    def session() -> Dialog[bytes]:
        buffer = yield from signed_on()
        yield from opened(buffer)
        link = yield from opened(buffer)
        # A GET without an association is refused; that it is answered at all shows the link.
        deadline = (yield Now()) + 3.0
        yield from link.send(bytes.fromhex("c001c1000100002a0000ff0200"), deadline)
        answer = yield from link.receive(deadline)
        yield from link.close((yield Now()) + 3.0)
        return answer

    assert run(session(), port)[0] == 0xD8
    assert is_at_sign_on(port)


@pytest.mark.parametrize("begin", [lambda: signed_on(), lambda: _linked()], ids=["no SNRM", "silent client"])
def test_inactivity_leads_back_to_the_sign_on(begin: Callable[[], Dialog[object]]) -> None:
    port = meter(inactivity=60.0)
    run(begin(), port)
    run(_pause(61.0), port)
    assert is_at_sign_on(port)


def _linked() -> Dialog[None]:
    yield from opened((yield from signed_on()))


def _pause(seconds: float) -> Dialog[None]:
    yield Sleep(seconds)


def test_before_inactivity_nobody_answers_a_sign_on() -> None:
    port = meter(inactivity=60.0)
    run(signed_on(), port)
    with pytest.raises(NoAnswer):
        run(sign_on(SignOn(), ReceiveBuffer()), port)


def test_hdlc_at_once_takes_session_after_session() -> None:
    port = meter("hdlc")
    plan = Plan(medium="line", protocol="dlms", baud=9600)
    for _ in range(2):
        session = run(open_session(plan), port)
        assert run(session.read(ENERGY), port).obis is not None
        run(session.close(), port)


def test_association_does_not_outlive_its_connection() -> None:
    device = Image.load("bench").device()

    def connection() -> VirtualPort:
        return VirtualPort(station(device, StationSettings("wrapper")))

    first = connection()
    session = run(open_session(Plan(medium="stream")), first)
    assert run(session.read(ENERGY), first).value is not None
    first.close()
    second = connection()
    link = WrapperLink(16, 1, ReceiveBuffer())

    def unassociated() -> Dialog[bytes]:
        deadline = (yield Now()) + 1.0
        yield from link.send(bytes.fromhex("c001c1000100002a0000ff0200"), deadline)
        return (yield from link.receive(deadline))

    assert run(unassociated(), second)[0] == 0xD8


def test_what_is_no_wrapper_ends_the_connection() -> None:
    port = meter("wrapper")
    port.send(b"GET / HTTP/1.1\r\n\r\n")
    with pytest.raises(PortClosed, match="closed the connection"):
        port.receive(1.0)
    assert isinstance(port.server_error, FrameError)


def test_optical_port_as_the_image_has_it() -> None:
    image = Image.load("bench")
    image = image.model_copy(update={"optical": image.optical.model_copy(update={"address": "77", "block_size": 20})})
    made = optical_meter(image.device(), asleep=True)
    assert (made.address, made.block_size, made.asleep) == ("77", 20, True)
    assert made.identification == rb"/MSK6\2METERSDK-B1"


def test_states_are_told() -> None:
    port = meter()
    assert is_at_sign_on(port)
    assert [event.name for event in port.server_events if isinstance(event, State)] == ["requested", "acknowledged"]
