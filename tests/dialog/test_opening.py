"""Reaching a meter that a crashed reader left amid a session, and giving up in time where there is none."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from metersdk.dialog.hearing import Hearing
from metersdk.dialog.opening import Plan, open_session
from metersdk.dialog.readout import ReadoutSession
from metersdk.dialog.session import DlmsSession, Session
from metersdk.dialog.timing import Timing
from metersdk.effects import Dialog, Receive, Send, State
from metersdk.errors import Finding, LinkError, LocalProtocolError, NoAnswer, PortClosed
from metersdk.frame.hdlc import Frame, FrameKind, control_octet
from metersdk.frame.iec62056_21 import SIGN_OFF, to_line
from metersdk.model.quirks import Quirks
from metersdk.port.drive import run
from metersdk.port.line import LineModel
from metersdk.port.virtual import VirtualPort
from metersdk.simulator.image import Image
from metersdk.simulator.station import StationSettings, optical_meter, station

DISC = Frame(b"\x03", b"\x21", control_octet(FrameKind.DISC, poll=True)).encode()


def plan(protocol: str = "auto", *, medium: str = "line", baud: int = 9600, **options: object) -> Plan:
    return Plan.of(
        {"protocol": protocol, **options},
        medium=medium,  # type: ignore[arg-type]
        framing=None,
        baud=baud,
        hardware_parity=False,
        password=None,
        keys=None,
        quirks=Quirks(),
        timing=Timing(),
    )


def meter_at(identification: bytes = rb"/MSK5\2R1", **optical: object) -> VirtualPort:
    device = Image.load("residential").device()
    settings = StationSettings(optical=optical_meter(device, identification=identification, **optical))
    return VirtualPort(station(device, settings), LineModel(baud=300))


class Killed(BaseException):
    pass


def crash(
    port: VirtualPort, dialog: Dialog[object], when: Callable[[VirtualPort], bool], *, politely: bool = False
) -> None:
    """Drop a dialog as soon as ``when`` holds: its process was killed, and says nothing; ``politely``: interrupted."""
    receive, send = port.receive, port.send

    def dead(data: bytes) -> None:
        raise PortClosed("nothing can be said any more")

    def killed(timeout: float) -> bytes:
        if not when(port):
            return receive(timeout)
        port.receive = receive  # type: ignore[method-assign]
        if not politely:
            port.send = dead  # type: ignore[method-assign]
        raise Killed

    port.receive = killed  # type: ignore[method-assign]
    with pytest.raises(Killed):
        run(dialog, port)
    port.send = send  # type: ignore[method-assign]


def connect(port: VirtualPort, how: Plan) -> tuple[Session, list[str]]:
    steps: list[str] = []
    hearing = Hearing(lambda event: steps.append(event.name) if isinstance(event, State) else None)
    return run(open_session(how), port, hearing), steps


def sent(port: VirtualPort, since: float = 0.0) -> list[bytes]:
    return [event.data for event in port.log if event.side == "client" and event.data and event.start >= since]


def blocks(port: VirtualPort) -> int:
    return sum(event.side == "server" and event.baud != 300 and bool(event.data) for event in port.log)


@pytest.mark.parametrize("protocol", ["auto", "iec62056-21"])
def test_a_meter_left_amid_its_data_blocks(protocol: str) -> None:
    port = meter_at(b"/MSK5R1", block_size=100, inactivity=110.0)

    def reader() -> Dialog[object]:
        session = yield from open_session(plan("iec62056-21"))
        return (yield from session.readout())

    crash(port, reader(), lambda port: blocks(port) == 2)
    begun = port.now()
    session, steps = connect(port, plan(protocol))
    assert isinstance(session, ReadoutSession)
    assert steps.count("recover") == 1
    assert steps[steps.index("recover") + 1 :].count("sign-on") == 1
    assert port.now() - begun < 28.0
    assert to_line(SIGN_OFF) in sent(port, begun)
    assert len(run(session.registers(), port)) > 50


@pytest.mark.parametrize("linked", [False, True])
@pytest.mark.parametrize(("protocol", "kind"), [("auto", DlmsSession), ("iec62056-21", ReadoutSession)])
def test_a_meter_left_in_hdlc_after_mode_e(protocol: str, kind: type, linked: bool) -> None:
    port = meter_at()
    crash(
        port,
        open_session(plan()),
        lambda port: blocks(port) == int(linked) and any(f[:1] == b"\x7e" for f in sent(port)),
    )
    begun = port.now()
    session, steps = connect(port, plan(protocol))
    assert isinstance(session, kind)
    assert port.now() - begun < 20.0
    # HDLC at the speed it waits at reaches it at once; for its data message it must be sent back to 300 Bd.
    assert ("recover" in steps) == (protocol != "auto")
    assert (DISC in sent(port, begun)) == (protocol != "auto")
    assert len(run(session.registers(), port)) > 5


def test_the_speed_of_the_target_is_the_one_a_meter_is_called_back_from() -> None:
    port = meter_at(rb"/MSK4\2R1")
    crash(port, open_session(plan()), lambda port: blocks(port) == 1)
    session, steps = connect(port, plan("iec62056-21", baud=4800))
    assert isinstance(session, ReadoutSession) and "recover" in steps


def test_disc_goes_to_the_addresses_of_the_plan() -> None:
    port = silent_line()
    with pytest.raises(NoAnswer):
        connect(port, plan("iec62056-21", client=1, server=1, physical=17))
    assert Frame(b"\x02\x23", b"\x03", control_octet(FrameKind.DISC, poll=True)).encode() in sent(port)


def silent_line(noise: float = 0.0) -> VirtualPort:
    def nobody() -> Dialog[None]:
        while True:
            yield Receive(3600.0)

    return VirtualPort(nobody(), LineModel(baud=300, noise=noise))


@pytest.mark.parametrize(("protocol", "limit"), [("auto", 28.0), ("iec62056-21", 17.0)])
def test_a_dead_line_is_given_up_in_time_with_the_first_error(protocol: str, limit: float) -> None:
    port = silent_line()
    with pytest.raises(NoAnswer, match="does not identify itself") as caught:
        connect(port, plan(protocol))
    assert caught.value.state == "sign-on"
    assert port.now() <= limit
    assert sent(port)[-1] == to_line(b"/?!\r\n")


def test_what_was_tried_in_vain_on_a_dead_line_is_no_finding() -> None:
    told: list[object] = []
    with pytest.raises(NoAnswer):
        run(open_session(plan("auto")), silent_line(), told.append)
    assert "direct-c1218" in [each.name for each in told if isinstance(each, State)]
    assert [each for each in told if isinstance(each, Finding)] == []


def test_a_noisy_line_is_given_up_in_time() -> None:
    port = silent_line(noise=20.0)
    with pytest.raises(NoAnswer, match="does not identify itself"):
        connect(port, plan())
    assert port.now() <= 46.0


def test_nothing_is_tried_once_the_line_is_gone_or_the_meter_refuses() -> None:
    def hangs_up() -> Dialog[None]:
        yield Receive(60.0)
        raise PortClosed("unplugged")

    steps: list[object] = []
    with pytest.raises(PortClosed):
        run(open_session(plan()), VirtualPort(hangs_up(), LineModel(baud=300)), steps.append)
    assert [step.name for step in steps if isinstance(step, State)] == ["sign-on"]

    def refuses() -> Dialog[None]:
        while True:
            heard = yield Receive(60.0)
            if heard[:1] == b"\x7e":
                yield Send(Frame(b"\x21", b"\x03", control_octet(FrameKind.DM, poll=True)).encode())

    steps.clear()
    port = VirtualPort(refuses(), LineModel(baud=9600))
    with pytest.raises(LinkError, match="refuses"):
        run(open_session(plan()), port, steps.append)
    assert "recover" not in [step.name for step in steps if isinstance(step, State)]


@pytest.mark.parametrize(
    ("identification", "begun", "good_bye"),
    [(b"/MSK5R1", to_line(b"\x06050\r\n"), to_line(SIGN_OFF)), (rb"/MSK5\2R1", b"\x7e", DISC)],
)
def test_an_interrupted_opening_ends_what_it_began(identification: bytes, begun: bytes, good_bye: bytes) -> None:
    port = meter_at(identification)
    crash(port, open_session(plan()), lambda port: any(f.startswith(begun) for f in sent(port)), politely=True)
    assert sent(port)[-1] == good_bye


def test_a_line_far_away_is_waited_for() -> None:
    # tr may be 1.5 s (6.4), and the way there and back takes 1.2 s: more than the 2.2 s a near meter is waited for.
    device = Image.load("residential").device()
    optical = optical_meter(device, identification=b"/MSK5R1", reaction=1.4)

    def requests(plan: Plan) -> int:
        port = VirtualPort(station(device, StationSettings(optical=optical)), LineModel(baud=300, delay=0.6))
        told: list[object] = []
        run(open_session(plan), port, told.append)
        return sum(isinstance(event, State) and event.name == "sign-on" for event in told)

    assert requests(plan("iec62056-21").reached_in(1.2)) == 1
    assert requests(plan("iec62056-21")) > 1


def test_the_round_trip_counts_on_lines_and_where_nothing_was_said() -> None:
    near, far = plan("iec62056-21"), plan("iec62056-21").reached_in(0.5)
    assert near.reached_in(0.001) == near
    assert (far.timing.latency, far.sign_on.timing.latency) == (1.0, 1.0)
    assert far.association.timeout == near.association.timeout + 1.0
    assert far.hdlc.response_timeout == near.hdlc.response_timeout + 1.0
    assert far.reached_in(2.0) == far
    connection = plan("dlms", medium="stream")
    assert connection.reached_in(2.0) == connection


@pytest.mark.parametrize("text", ["9" * 5000, "-1", "\u0663", "1.0", ""])
def test_what_is_no_number_is_told(text: str) -> None:
    with pytest.raises(LocalProtocolError, match="a whole number is needed"):
        plan(wake_up=text)
