"""The caller's total time: told once, then ended, whatever a dialog does about it."""

from __future__ import annotations

import pytest

from metersdk.dialog.timing import GOODBYE, Timing, limited, paced, within
from metersdk.effects import Dialog, Receive, Send, Sleep
from metersdk.errors import LocalProtocolError, NoAnswer, PortClosed
from metersdk.port.drive import run
from metersdk.port.line import LineModel
from metersdk.port.virtual import VirtualPort


def deaf() -> Dialog[None]:
    while True:
        yield Receive(3600.0)


def test_time_is_up_in_the_middle_of_a_wait() -> None:
    def waiting() -> Dialog[None]:
        try:
            yield Receive(100.0)
            yield Receive(100.0)
        finally:
            yield Send(b"bye")

    port = VirtualPort(deaf())
    with pytest.raises(NoAnswer, match="not done within 5 s"):
        run(within(waiting(), 5.0), port)
    assert port.now() == 5.0
    assert [event.data for event in port.log] == [b"bye"]


def test_a_dialog_that_does_not_listen_is_left() -> None:
    def stubborn() -> Dialog[None]:
        while True:
            try:
                yield Sleep(1.0)
            except NoAnswer:
                continue

    def clinging() -> Dialog[None]:
        try:
            yield from stubborn()
        finally:
            yield Sleep(1000.0)

    for dialog in (stubborn(), clinging()):
        port = VirtualPort(deaf())
        with pytest.raises(NoAnswer, match="not done within 5 s"):
            run(within(dialog, 5.0), port)
        assert port.now() == 5.0 + GOODBYE


def test_without_a_limit_and_within_it_the_result_comes_through() -> None:
    def quick() -> Dialog[int]:
        yield Sleep(1.0)
        return 7

    assert run(within(quick(), None), VirtualPort(deaf())) == 7
    assert run(within(quick(), 2.0), VirtualPort(deaf())) == 7


def test_a_guard_before_each_turn() -> None:
    """No sooner than the guard after the meter was heard; nothing waits where nothing was heard."""

    def asks() -> Dialog[list[bytes]]:
        heard = []
        for question in (b"a", b"b"):
            yield Send(question)
            yield Send(question)
            heard.append((yield Receive(1.0)))
            heard.append((yield Receive(1.0)))
        return heard

    def answers() -> Dialog[None]:
        while True:
            data = yield Receive(60.0)
            if data:
                yield Send(data)

    def sent(guard: float) -> list[float]:
        line = VirtualPort(answers(), LineModel(baud=9600))
        run(limited(asks(), Timing(guard=guard)), line)
        return [each.start for each in line.log if each.kind == "send" and each.side == "client"]

    plain, guarded = sent(0.0), sent(0.02)
    assert guarded[:2] == plain[:2]
    assert [round(later - sooner, 6) for later, sooner in zip(guarded[2:], plain[2:], strict=True)] == [0.02, 0.02]


def test_a_guarded_dialog_is_told_of_errors() -> None:
    def asks() -> Dialog[str]:
        try:
            yield Receive(1.0)
            yield Send(b"a")
        except PortClosed:
            return "told"
        return "not told"

    dialog = paced(asks(), 0.02)
    assert next(dialog) == Receive(1.0)
    assert dialog.send(b"x") == Sleep(0.02)
    with pytest.raises(StopIteration) as end:
        dialog.throw(PortClosed("gone"))
    assert end.value.value == "told"


def test_a_guard_is_no_less_than_nothing() -> None:
    with pytest.raises(LocalProtocolError, match="guard"):
        Timing(guard=-0.1)
