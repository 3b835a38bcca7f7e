"""The caller's total time: told once, then ended, whatever a dialog does about it."""

from __future__ import annotations

import pytest

from metersdk.dialog.timing import GOODBYE, within
from metersdk.effects import Dialog, Receive, Send, Sleep
from metersdk.errors import NoAnswer
from metersdk.port.drive import run
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
