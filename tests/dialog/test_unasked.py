"""Traffic with no session of ours: found before the first request and between two calls, and nothing else is."""

from __future__ import annotations

from typing import Any

import pytest

import metersdk
from metersdk.dialog.evidence import Piece, Turn
from metersdk.dialog.unasked import LISTEN, unasked_in
from metersdk.dialog.watching import LineWatch
from metersdk.effects import Dialog, Receive, Send, SetLine, Sleep
from metersdk.errors import Finding, NoAnswer
from metersdk.frame.hdlc import Frame, FrameKind, control_octet
from metersdk.frame.iec62056_21 import SIGN_OFF, block, to_line
from metersdk.port.drive import run
from metersdk.port.line import LineModel
from metersdk.port.virtual import VirtualPort

REQUEST, ANSWER = to_line(b"/?!\r\n"), to_line(b"/ABC5METER\r\n")
OTHERS = to_line(b"/?12345678!\r\n")


def meter(*, first: bytes = b"", later: bytes = b"", pause: float = 0.2) -> Dialog[None]:
    """Answers each request; ``first`` comes by itself at once, ``later`` some time after each answer."""
    yield SetLine(300)
    if first:
        yield Send(first)
    while True:
        request = b""
        while not request.endswith(b"\n"):
            request += yield Receive(1000.0)
        yield Sleep(pause)
        yield Send(ANSWER)
        if later:
            yield Sleep(2.0)
            yield Send(later)


def call(*, clear: float = 0.0) -> Dialog[bytes]:
    yield SetLine(300)
    while clear and (yield Receive(clear)):
        pass
    yield Send(REQUEST)
    heard = b""
    while data := (yield Receive(1.0)):
        heard += data
    return heard


def calls(server: Dialog[None], count: int = 2, *, clear: float = 0.0, **faults: Any) -> tuple[list[bytes], list[str]]:
    port, watch = VirtualPort(server, LineModel(baud=300, **faults)), LineWatch(unasked=True)
    answers, events = [], list[object]()
    for _ in range(count):
        answers.append(run(watch.over(call(clear=clear)), port, events.append))
        port.sleep(10.0)
    assert all(isinstance(event, Finding) and event.code == "traffic" and event.hint for event in events)
    return answers, [event.text for event in events if isinstance(event, Finding)]


@pytest.mark.parametrize("echo", ["none", "full", "partial", "changed"])
def test_a_line_of_ours_alone(echo: str) -> None:
    answers, told = calls(meter(), 3, echo=echo)
    assert told == [] and all(answer.endswith(ANSWER) for answer in answers)


@pytest.mark.parametrize("clear", [0.0, 0.5])
def test_what_comes_before_the_first_request_is_no_answer(clear: float) -> None:
    answers, told = calls(meter(first=OTHERS if clear else OTHERS[:2]), 1, clear=clear)
    assert len(told) == 1 and "before the first request" in told[0]
    # Three characters at most are heard in a tenth of a second: that somebody speaks, not what.
    assert ("sign-on of a reader" in told[0]) == (clear > 0)
    assert answers[0].endswith(ANSWER)


def test_a_moment_is_all_it_costs() -> None:
    ports = [VirtualPort(meter(), LineModel(baud=300)) for _ in range(2)]
    run(call(), ports[0])
    run(LineWatch(unasked=True).over(call()), ports[1])
    assert ports[1].now() - ports[0].now() == pytest.approx(LISTEN)


def test_what_comes_between_two_calls_is_told_and_handed_on() -> None:
    answers, told = calls(meter(later=OTHERS))
    # The identification of an answer has no end of its own: what follows it may be its data.
    assert told == [] and answers[1] == OTHERS + ANSWER


def spoken(sent: bytes, *heard: bytes) -> Turn:
    turn = Turn(sent, 0.0, 0.1, 300)
    turn.pieces = [Piece(1.0 + at, octets, 300) for at, octets in enumerate(heard)]
    return turn


def frame(source: bytes, destination: bytes, kind: FrameKind = FrameKind.UI) -> bytes:
    return Frame(destination, source, control_octet(kind, poll=True), b"\xe6\xe7\x00\x0f").encode()


MESSAGE = to_line(block(b"1.8.0(1)\r\n!\r\n"))
SUMMED = to_line(block(b"1.8.0(1)\r\n!\r\n")[:-1] + bytes((sum(block(b"1.8.0(1)\r\n!\r\n")[1:-1]) & 0x7F,)))
OURS, FOREIGN = frame(b"\x03", b"\x21"), frame(b"\x05", b"\x41")
CASES = {
    "nothing was said": (spoken(b""), OTHERS, b""),
    "signed off": (spoken(to_line(SIGN_OFF)), OTHERS, OTHERS),
    "signed off, with its echo": (spoken(to_line(SIGN_OFF)), to_line(SIGN_OFF) + OTHERS, OTHERS),
    "the echo was heard": (spoken(to_line(SIGN_OFF), to_line(SIGN_OFF)), OTHERS, OTHERS),
    "a whole message": (spoken(to_line(b"\x06050\r\n"), MESSAGE), OTHERS, OTHERS),
    "a whole message with a sum": (spoken(to_line(b"\x06050\r\n"), SUMMED), OTHERS, OTHERS),
    "a damaged message": (spoken(to_line(b"\x06050\r\n"), MESSAGE[:5] + b"\x03\x03" + MESSAGE[7:]), OTHERS, b""),
    "half a message": (spoken(to_line(b"\x06050\r\n"), MESSAGE[:5]), MESSAGE[5:], b""),
    "no answer yet": (spoken(to_line(b"\x01R1\x021.8.0()\x03Z")), MESSAGE, b""),
    "our meter pushes": (spoken(frame(b"\x21", b"\x03")), OURS * 2, b""),
    "half a push": (spoken(frame(b"\x21", b"\x03")), OURS[:9], b""),
    "another meter": (spoken(frame(b"\x21", b"\x03")), FOREIGN, FOREIGN),
    "both": (spoken(frame(b"\x21", b"\x03")), OURS + FOREIGN, OURS + FOREIGN),
    "text on HDLC": (spoken(frame(b"\x21", b"\x03"), OURS), OTHERS, OTHERS),
    "text on HDLC, not answered": (spoken(frame(b"\x21", b"\x03"), b"\x80\xf8"), OTHERS, b""),
    "another protocol, answered": (spoken(b"\xee\x00\x00", b"\x06"), OTHERS, OTHERS),
    "another protocol, not answered": (spoken(b"\xee\x00\x00"), b"\x06", b""),
}


@pytest.mark.parametrize("case", CASES)
def test_what_nobody_asked_for(case: str) -> None:
    turn, octets, unasked = CASES[case]
    assert unasked_in(octets, turn) == unasked


def test_between_two_calls_of_a_session_that_was_signed_off() -> None:
    def server() -> Dialog[None]:
        yield SetLine(300)
        yield Receive(1000.0)
        yield Sleep(1.0)
        yield Send(OTHERS)
        yield from meter()

    def good_bye() -> Dialog[None]:
        yield Send(to_line(SIGN_OFF))

    port, watch, events = VirtualPort(server(), LineModel(baud=300)), LineWatch(unasked=True), list[object]()
    run(watch.over(good_bye()), port, events.append)
    port.sleep(10.0)
    heard = run(watch.over(call()), port, events.append)
    assert [event.text.partition(": ")[2] for event in events if isinstance(event, Finding)] == [
        "the sign-on of a reader (IEC 62056-21), device 12345678"
    ]
    # They are not lost: they may be a push, which the dialog knows better.
    assert heard == OTHERS + ANSWER
    assert watch.tolerated == {"traffic": 1}


def test_the_answer_to_a_call_that_was_given_up_is_not_unasked() -> None:
    def giving_up() -> Dialog[bytes]:
        yield Send(to_line(SIGN_OFF))
        raise NoAnswer("too slow")

    port, watch, events = VirtualPort(meter(), LineModel(baud=300)), LineWatch(unasked=True), list[object]()
    with pytest.raises(NoAnswer):
        run(watch.over(giving_up()), port, events.append)
    port.sleep(10.0)
    assert run(watch.over(call()), port, events.append) == ANSWER
    assert events == []


def test_an_answer_that_a_later_call_takes_and_then_goes_on_is_not_unasked() -> None:
    # The data message of a sign-on, before programming mode.
    with metersdk.connect("sim://classic") as meter:
        with meter.programming() as session:
            assert session.read("1.8.0")
        assert [finding.code for finding in meter.findings] == []


@pytest.mark.parametrize(
    "target",
    [
        "sim://residential",
        "sim://residential?mode=C",
        "sim://residential?mode=D",
        "sim://residential?speech=sml&protocol=push",
    ],
)
def test_no_alarm_of_a_session_in_order(target: str) -> None:
    with metersdk.connect(target) as meter:
        for _ in range(2):
            assert meter.registers()
    assert [finding for finding in meter.findings if finding.code == "traffic"] == []
    assert "traffic" not in meter.line.errors
