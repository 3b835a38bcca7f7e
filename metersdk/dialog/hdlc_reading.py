"""The short cuts of a client of HDLC through an answer that comes by the book.

Each of its frames would go the same way through the link (``_advance`` of ``link``), at several times the cost.
"""

from __future__ import annotations

from metersdk.dialog.hdlc_condition import Condition
from metersdk.dialog.hdlc_states import TURNS, TurnEvent, follow
from metersdk.dialog.hdlc_transfer import PrimaryTransfer
from metersdk.effects import Dialog, Now, Receive
from metersdk.frame.buffer import ReceiveBuffer
from metersdk.frame.hdlc import expected


class Limit:
    """A deadline, and the time given with it, which is given anew for every progress."""

    __slots__ = ("at", "span")

    def __init__(self, at: float, now: float) -> None:
        self.at = at
        self.span = max(0.0, at - now)

    def push(self, now: float) -> None:
        """Something new came."""
        self.at = max(self.at, now + self.span)


def hear_answer(
    transfer: PrimaryTransfer, condition: Condition, buffer: ReceiveBuffer, limit: Limit, now: float
) -> Dialog[float]:
    """The first frame of an answer, if it comes by the book: an I frame, alone and final, that acknowledges all.

    What is not by the book is left in the buffer for the link, and it is the meter's turn then. Takes the time it
    begins at, and returns the time it ends at.

    Raises:
        LimitExceeded: as ``PrimaryTransfer.take``.
    """
    heard: bytes = yield Receive(min(condition.patience, limit.at - now))
    found = expected(heard, transfer.answer, transfer.most_information)
    if found is None:
        transfer.surprises += 1
        _leave(transfer, buffer, heard)
        now = yield Now()
        return now
    transfer.pass_turn(TurnEvent.FINAL)
    transfer.surprises = 0
    condition.heard += 1
    buffer.counts.good += 1
    transfer.acknowledge_all()
    transfer.take_next(*found)
    now = yield Now()
    condition.answered(now)
    limit.push(now)
    return now


def read_on(
    transfer: PrimaryTransfer, condition: Condition, buffer: ReceiveBuffer, limit: Limit, now: float
) -> Dialog[float]:
    """The rest of a long answer as long as it comes by the book: RR, and the next I frame, alone and final.

    With 128 octets a frame, a profile is thousands of these steps. After progress the time to wait does not depend on
    the clock, so that is read at the end only. All else as in ``hear_answer``.
    """
    timeout = condition.patience
    wait, wait_on = Receive(min(timeout, limit.at - now)), Receive(min(timeout, limit.span))
    asked = follow(TURNS, transfer.turn, TurnEvent.POLL)
    answered = follow(TURNS, asked, TurnEvent.FINAL)
    steps, into, counts, most = transfer.steps, transfer.into, buffer.counts, transfer.most_information
    while not transfer.ready:
        poll, head = steps[into.expected]
        yield poll
        transfer.turn = asked
        heard: bytes = yield wait
        found = expected(heard, head, most)
        if found is None:
            break
        transfer.turn = answered
        transfer.detours = 0
        condition.heard += 1
        counts.good += 1
        transfer.take_next(*found)
        wait = wait_on
    else:
        return now
    transfer.detours += 1
    _leave(transfer, buffer, heard)
    now = yield Now()
    if wait is wait_on:
        limit.push(now if heard else now - wait.timeout)
    return now


def _leave(transfer: PrimaryTransfer, buffer: ReceiveBuffer, heard: bytes) -> None:
    """What was heard is left to the link; silence gives the turn back."""
    transfer.left = heard
    if heard:
        buffer.feed(heard)
    else:
        transfer.pass_turn(TurnEvent.SILENCE)
        transfer.silent = True
