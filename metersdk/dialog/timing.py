"""How long the caller is ready to wait."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from metersdk.dialog.passing import passed
from metersdk.effects import Answer, Dialog, Effect, Now, Receive, Send, Sleep
from metersdk.errors import LocalProtocolError, NoAnswer

T = TypeVar("T")

# Seconds a dialog has to clean up once its time is over.
GOODBYE = 2.0


@dataclass(frozen=True, slots=True)
class Timing:
    """Limits of the caller, in seconds.

    Attributes:
        response: one answer may take that long in all, repeats included; the time its octets need on the line comes
            on top. Radios and optical heads need 1 s and more. On an HDLC link that was opened again because the line
            damages frames it is three times as long.
        total: one call may take that long in all; None: as long as the meter makes progress.
        latency: round trip to the line of a sign-on: of a gateway, a modem, a radio.
        switch_margin: from the end of the acknowledgement of a sign-on to the change of speed, at the first try; None
            is 60 ms. A meter answers after 200 ms at the earliest (IEC 62056-21 6.4), so it must be less than that.
        guard: between what the meter sent and what is sent next; 0.01 to 0.02 for heads and meters that turn slowly.
    """

    response: float = 5.0
    total: float | None = None
    latency: float = 0.0
    switch_margin: float | None = None
    guard: float = 0.0

    def __post_init__(self) -> None:
        if self.response <= 0 or (self.total is not None and self.total <= 0):
            raise LocalProtocolError("a time to wait is more than 0 seconds")
        if self.latency < 0 or self.guard < 0 or (self.switch_margin is not None and self.switch_margin < 0):
            raise LocalProtocolError("a latency, a guard and a margin are 0 seconds or more")


def limited(dialog: Dialog[T], timing: Timing) -> Dialog[T]:
    """One call as its caller wants it: within ``total``, with ``guard`` before each turn."""
    return within(paced(dialog, timing.guard), timing.total)


def paced(dialog: Dialog[T], guard: float) -> Dialog[T]:
    """``dialog``, which sends no sooner than ``guard`` seconds after it heard something."""
    heard = False

    def carry(effect: Effect) -> Dialog[Answer]:
        nonlocal heard
        if heard and isinstance(effect, Send):
            heard = False
            yield Sleep(guard)
        answer = yield effect
        heard = heard or (isinstance(effect, Receive) and bool(answer))
        return answer

    return passed(dialog, carry) if guard else dialog


def within(dialog: Dialog[T], seconds: float | None) -> Dialog[T]:
    """``dialog``, given up with ``NoAnswer`` once ``seconds`` are over; it is told so, and has ``GOODBYE`` to clean up.

    Raises:
        NoAnswer: the total time is up.
    """
    return dialog if seconds is None else _within(dialog, seconds)


def _within(dialog: Dialog[T], seconds: float) -> Dialog[T]:
    now: float = yield Now()
    deadline = now + seconds
    told = False
    try:
        effect: Effect = next(dialog)
        while True:
            if isinstance(effect, Receive | Sleep):
                now = yield Now()
                if now >= deadline:
                    late = NoAnswer(f"not done within {seconds:g} s", hint="allow more time, or read less at once")
                    if told:
                        # RuntimeError: it yields even now, in a `finally` of its own, and is left there.
                        with suppress(RuntimeError):
                            dialog.close()
                        raise late
                    told, deadline = True, now + GOODBYE
                    effect = dialog.throw(late)
                    continue
                effect = _shortened(effect, deadline - now)
            try:
                answer = yield effect
            except BaseException as error:
                effect = dialog.throw(error)
            else:
                effect = dialog.send(answer)
    except StopIteration as end:
        value: T = end.value
        return value


def _shortened(effect: Receive | Sleep, left: float) -> Effect:
    return Receive(min(effect.timeout, left)) if isinstance(effect, Receive) else Sleep(min(effect.seconds, left))
