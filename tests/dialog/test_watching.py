"""Watching a line: the dialog goes on as it would, and whatever came can be judged."""

from __future__ import annotations

import random

import pytest
from matrix_rig import Case, mode_c, silent

from metersdk.dialog.diagnosis import diagnose
from metersdk.dialog.evidence import Evidence, LineCounters, Piece, Record, Turn
from metersdk.dialog.watching import LineWatch
from metersdk.effects import Dialog, Emit, Now, Receive, Send, SetLine, Sleep, State
from metersdk.errors import Cancel, NoAnswer
from metersdk.port.drive import run
from metersdk.port.line import LineModel
from metersdk.port.virtual import VirtualPort


def talk() -> Dialog[bytes]:
    yield SetLine(2400)
    yield Send(b"/?!\r\n")
    yield Emit(State("said", "it"))
    yield Sleep(0.5)
    return (yield Receive(2.0))


def answering() -> Dialog[None]:
    yield SetLine(2400)
    yield Receive(100.0)
    yield Send(b"/ABC5METER\r\n")
    yield Receive(100.0)


def test_a_watched_dialog_goes_on_as_it_would() -> None:
    plain, watched = (VirtualPort(answering(), LineModel(baud=300)) for _ in range(2))
    watch, heard = LineWatch(), []
    assert run(watch.over(talk()), watched, heard.append) == run(talk(), plain)
    assert watched.now() == plain.now() and heard == [State("said", "it")]
    turn = watch.record.turns[0]
    assert (turn.sent, turn.baud, turn.heard()[:4]) == (b"/?!\r\n", 2400, b"/ABC")
    report = watch.report()
    assert report.octets_sent == 5 and report.octets_received > 0 and report.baud == 2400
    assert "ABC" not in repr(watch.record.turns)


def test_cancel_reaches_a_watched_dialog_once() -> None:
    said = []

    def polite() -> Dialog[None]:
        try:
            yield Receive(100.0)
        except Cancel:
            said.append("good-bye")
            yield Send(b"B0")

    dialog = LineWatch().over(polite())
    next(dialog)
    effects = [dialog.throw(Cancel())]
    with pytest.raises(StopIteration):
        while True:
            effects.append(dialog.send(0.0))
    assert said == ["good-bye"] and Send(b"B0") in effects


def test_an_error_of_the_line_gets_its_cause() -> None:
    checked = Case(silent()).check(0)
    assert isinstance(checked.error, NoAnswer)
    assert checked.error.findings[0].code == "silent" and checked.error.hint == checked.error.findings[0].hint


def test_report_of_a_damaged_session() -> None:
    checked = Case(mode_c(), LineModel(flip=0.01, seed=3)).check(3)
    report = checked.report
    assert report.turnaround_median is not None and 0.19 < report.turnaround_median < 0.25
    assert report.switch_delay == pytest.approx(0.06)
    assert report.retransmissions == report.frames_bad
    assert (report.repeat_time > 0) == (report.frames_bad > 0)
    assert set(report.as_dict()) >= {"octets_sent", "best_baud", "findings"}


def test_the_record_stays_small() -> None:
    record = Record()
    record.speed(9600, 0.0)
    for number in range(3000):
        record.sent(b"x" * 50, float(number), number + 0.1)
        record.heard(b"y" * 2000, number + 0.5)
    assert record.heard_octets == 6_000_000
    assert sum(turn.octets for turn in record.turns) < 1 << 20
    record.sent(b"x", 4000.0, 4000.1)
    for number in range(3000):
        record.heard(b"y" * 2000, 4001.0 + number)
    assert sum(turn.octets for turn in record.turns) < 1 << 20


def test_whatever_came_can_be_judged() -> None:
    """No octets, times or speeds make the diagnosis itself fail: it runs while another error is on its way."""
    chance = random.Random(5)
    sendings = (b"", bytes(66), b"\xaf?!\x8d\n", b"\x06050\x8d\n", b"\x95", b"\x06", b"\x7e\xa0\x07", b"\x81R1\x02")
    for _ in range(1500):
        turns, at = [], 0.0
        for _ in range(chance.randrange(6)):
            turn = Turn(chance.choice(sendings), at, at + 0.2, chance.choice((300, 2400, 9600)))
            for _ in range(chance.choice((0, 1, 3, 30))):
                at += chance.choice((0.0, 0.001, 1 / 120, 0.01, 1 / 30, 1.0))
                pool = chance.choice((b"\0", b"\0\x80\xff", b"1-0:(.)*\r\n\x02\x03", bytes(range(256))))
                octets = bytes(chance.choice(pool) for _ in range(chance.choice((1, 1, 5, 40))))
                turn.pieces.append(Piece(at, octets, chance.choice((300, 9600))))
            if chance.random() < 0.4:
                turn.switches.append((at, chance.choice((300, 9600))))
            turn.over = at
            at += 0.1
            turns.append(turn)
        error = chance.choice((None, NoAnswer("nothing")))
        found = diagnose(Evidence(tuple(turns), error, chance.choice((None, LineCounters(3, 1, 2, 0)))))
        assert len({each.code for each in found}) == len(found) and all(each.hint for each in found)


def test_nothing_is_said_of_a_line_without_speed() -> None:
    watch = LineWatch(timed=False)
    assert run(watch.over(talk()), VirtualPort(answering(), LineModel(baud=300)))
    assert watch.report().findings == () and watch.report().octets_sent == 5


def test_time_is_asked_for_where_the_dialog_does_not() -> None:
    dialog = LineWatch().over(talk())
    assert isinstance(next(dialog), SetLine)
    assert isinstance(dialog.send(None), Now)
