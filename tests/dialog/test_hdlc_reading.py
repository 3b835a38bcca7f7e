"""The short cuts through an answer: whatever the meter does, they lead where the long way leads."""

from __future__ import annotations

from dataclasses import astuple
from typing import Any

import pytest

from link_rig import ANSWER, SERIAL, TCP, UA, ask, client, codes, meter, pattern, reply, said, script, session
from metersdk.dialog.hdlc_transfer import PrimaryTransfer
from metersdk.dialog.link import HdlcLink, HdlcSettings
from metersdk.effects import Dialog, Now
from metersdk.errors import MeterError
from metersdk.frame.hdlc import Frame, FrameKind
from metersdk.port.drive import run
from metersdk.port.line import LineModel
from metersdk.port.virtual import VirtualPort

WHOLE = reply(FrameKind.I, receive=1, info=ANSWER)
BEGIN = reply(FrameKind.I, receive=1, info=ANSWER[:5], more=True)
END = reply(FrameKind.I, receive=1, send=1, info=ANSWER[5:])
RR = reply(FrameKind.RR, receive=1)
PUSH = Frame(b"\x21", b"\x03", 0x13, b"\xe6\xe7\x00\x0fpush")
DAMAGED = WHOLE.encode()[:-4] + b"\x00" + WHOLE.encode()[-3:]

# What the meter says in its first turn, in its second, ..
ANSWERS: dict[str, list[bytes]] = {
    "whole": [said(WHOLE)],
    "in two turns": [said(BEGIN), said(END)],
    "in one turn": [said(reply(FrameKind.I, final=False, receive=1, info=ANSWER[:5], more=True), END)],
    "not acknowledged": [said(reply(FrameKind.I, info=ANSWER)), said(WHOLE)],
    "acknowledged too much": [said(reply(FrameKind.I, receive=2, info=ANSWER)), said(WHOLE)],
    "out of order": [said(END), said(BEGIN), said(END)],
    "later": [said(RR), said(RR), said(WHOLE)],
    "busy": [said(reply(FrameKind.RNR, receive=1)), said(RR), said(WHOLE)],
    "rejected": [said(reply(FrameKind.REJ)), said(WHOLE)],
    "silence": [b"", said(WHOLE)],
    "silence in the middle": [said(BEGIN), b"", said(END)],
    "not final": [said(reply(FrameKind.I, final=False, receive=1, info=ANSWER)), said(RR)],
    "empty": [said(reply(FrameKind.I, receive=1, more=True)), said(reply(FrameKind.I, receive=1, send=1, info=ANSWER))],
    "too long": [said(reply(FrameKind.I, receive=1, info=ANSWER + bytes(300)))],
    "damaged": [DAMAGED, said(WHOLE)],
    "damaged in the middle": [said(BEGIN), DAMAGED, said(END)],
    "behind noise": [b"\x00\xff" + said(WHOLE)],
    "behind flags": [b"\x7e\x7e" + said(WHOLE)],
    "a flag alone": [b"\x7e", said(WHOLE)],
    "twice": [said(WHOLE, WHOLE)],
    "behind a push": [said(PUSH, WHOLE)],
    "cut off": [said(WHOLE)[:-4], said(WHOLE)],
    "for another": [said(Frame(b"\x23", b"\x03", 0x30, ANSWER)), said(WHOLE)],
    "refused": [said(reply(FrameKind.DM))],
    "lost count": [said(reply(FrameKind.RR, receive=5))] * 4,
    "nothing more": [said(BEGIN)],
}
LINES = {"tcp": TCP, "serial": SERIAL, "echo": LineModel(baud=9600, echo="full")}


def told(link: HdlcLink, port: VirtualPort, log: list[Frame], dialog: Dialog[Any]) -> dict[str, object]:
    """What came of ``dialog``, and all that can be seen of the link."""
    try:
        outcome: object = run(dialog, port)
    except MeterError as error:
        outcome = str(error)
    return {
        "outcome": outcome,
        "sent": [str(frame) for frame in log],
        "time": round(port.now(), 6),
        "pushes": list(link.pushes),
        "codes": codes(link),
        "mode": link.mode,
        "spoiled": link.spoiled,
        "frames": astuple(link._buffer.counts),
        "line": [(event.kind, event.data) for event in port.log],
    }


def read(answer: list[bytes], line: LineModel) -> dict[str, object]:
    log: list[Frame] = []
    link = client(HdlcSettings(response_timeout=1.0))
    return told(link, VirtualPort(script(said(UA), *answer, log=log), line), log, ask(link, timeout=6.0))


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("answer", ANSWERS)
def test_every_answer_is_taken_as_on_the_long_way(answer: str, line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    short = read(ANSWERS[answer], LINES[line])
    monkeypatch.setattr(PrimaryTransfer, "is_by_the_book", False)
    assert short == read(ANSWERS[answer], LINES[line])


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("window", [1, 2, 7])
@pytest.mark.parametrize(
    "line",
    [{}, {"baud": 9600}, {"flip": 2e-5}, {"lose": 5e-5, "baud": 9600}, {"noise": 1.0, "baud": 4800, "echo": "full"}],
    ids=["clean", "serial", "flips", "losses", "noise"],
)
def test_whole_sessions_are_the_same(
    line: dict[str, Any], window: int, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = [pattern(n)[:n] for n in (3000, 40, 300, 3, 61, 2000, 9)]
    settings = HdlcSettings(max_info_tx=64, max_info_rx=64, window_tx=window, window_rx=window, response_timeout=1.0)

    def held() -> dict[str, object]:
        link, port = client(settings), VirtualPort(meter(), LineModel(turnaround=0.02, seed=seed, **line))
        return told(link, port, [], session(link, requests, timeout=60.0))

    short = held()
    assert short["outcome"] == [request[::-1] for request in requests]
    monkeypatch.setattr(PrimaryTransfer, "is_by_the_book", False)
    assert short == held()


def test_the_clock_is_asked_once_for_an_answer() -> None:
    """A read of a hundred frames over a network: what is short about the short cuts."""
    asked = 0

    def counted(dialog: Dialog[bytes]) -> Dialog[bytes]:
        nonlocal asked
        answer = None
        while True:
            try:
                effect = dialog.send(answer)
            except StopIteration as end:
                return bytes(end.value)
            asked += isinstance(effect, Now)
            answer = yield effect

    def dialog(link: HdlcLink) -> Dialog[bytes]:
        yield from link.open(10.0)
        yield from link.send(bytes(3), 10.0)
        return (yield from counted(link.receive(10.0)))

    settings = HdlcSettings(max_info_rx=128, window_rx=1)
    port = VirtualPort(meter(answer=lambda apdu: bytes(12_800)), TCP)
    assert run(dialog(client(settings)), port) == bytes(12_800)
    assert sum(event.kind == "send" for event in port.log) > 100
    # When receiving begins, and when the meter has answered.
    assert asked == 2
