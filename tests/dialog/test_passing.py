"""An observer between a dialog and its driver: everything goes through, either way."""

from __future__ import annotations

import pytest

from metersdk.dialog.passing import passed
from metersdk.effects import Answer, Dialog, Effect, Now, Receive, Send, Sleep
from metersdk.errors import NoAnswer, PortClosed


def carry(effect: Effect) -> Dialog[Answer]:
    if isinstance(effect, Send):
        yield Sleep(0.5)
    return (yield effect)


def asking() -> Dialog[object]:
    try:
        yield Send(b"x")
        return (yield Receive(1.0))
    except PortClosed:
        now = yield Now()
        return "closed", now
    finally:
        closed.append(True)


closed: list[bool] = []


def test_effects_and_answers() -> None:
    dialog = passed(asking(), carry)
    assert next(dialog) == Sleep(0.5)
    assert dialog.send(None) == Send(b"x")
    assert dialog.send(None) == Receive(1.0)
    with pytest.raises(StopIteration) as end:
        dialog.send(b"abc")
    assert end.value.value == b"abc"


def test_what_is_thrown_in_reaches_the_dialog() -> None:
    dialog = passed(asking(), carry)
    next(dialog)
    assert dialog.throw(PortClosed("unplugged")) == Now()
    with pytest.raises(StopIteration) as end:
        dialog.send(7.0)
    assert end.value.value == ("closed", 7.0)
    dialog = passed(asking(), carry)
    next(dialog)
    with pytest.raises(NoAnswer):
        dialog.throw(NoAnswer("silence"))


def test_closing_closes_the_dialog() -> None:
    dialog = passed(asking(), carry)
    next(dialog)
    closed.clear()
    dialog.close()
    assert closed == [True]


def test_kinds_that_are_told_of_go_through_as_they_are() -> None:
    seen: list[object] = []
    dialog = passed(asking(), carry, {Send: lambda *told: seen.append(told), Receive: lambda *told: seen.append(told)})
    assert next(dialog) == Send(b"x")
    assert dialog.send(None) == Receive(1.0)
    with pytest.raises(StopIteration):
        dialog.send(b"abc")
    assert seen == [(Send(b"x"), None), (Receive(1.0), b"abc")]
    dialog = passed(asking(), carry, {Send: lambda *told: seen.append(told)})
    next(dialog)
    # What fails has no answer to be told of.
    assert dialog.throw(PortClosed("unplugged")) == Now()
    assert len(seen) == 2
