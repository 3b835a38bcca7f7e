"""Ctrl-C, SIGTERM and SIGHUP: each ends a command in the same way, so that the meter hears good-bye whichever it was.

Loaded before all else of the command line: nothing here may take time.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from types import FrameType

# By name: Windows has no SIGHUP, and others no SIGBREAK, which is Ctrl-Break.
_ENDINGS = {
    "SIGINT": (130, "interrupted"),
    "SIGTERM": (143, "told to stop (SIGTERM)"),
    "SIGHUP": (129, "the terminal is gone (SIGHUP)"),
    "SIGBREAK": (130, "interrupted"),
}
_ENDING = {getattr(signal, name): ending for name, ending in _ENDINGS.items() if hasattr(signal, name)}
CODES = {code for code, _ in _ENDINGS.values()}
# Seconds in which a second Ctrl-C is the same one: keys bounce, and people press it until something happens.
_SAME = 1.0


class Stopped(KeyboardInterrupt):
    """A signal: everything that Ctrl-C ends is ended by it."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


class Stop:
    """While it is entered, the first of these signals raises ``Stopped``; a SIGINT a second later does so again.

    Only somebody at the keyboard may cut the good-bye short. The others often come twice: to a process and to its
    group, from a terminal and from its shell. What is ignored, as under ``nohup``, stays ignored.
    """

    def __init__(self) -> None:
        self.number = 0
        self._since = 0.0
        self._over = False
        self._before: dict[int, object] = {}

    @property
    def exit_code(self) -> int:
        """As shells tell a signal: 128 and its number."""
        return _ENDING[self.number or signal.SIGINT][0]

    @property
    def words(self) -> str:
        """What ended the command."""
        return _ENDING[self.number or signal.SIGINT][1]

    def ends(self) -> None:
        """From now on nothing is raised: the end is being told."""
        self._over = True

    def __enter__(self) -> Stop:
        # Elsewhere than in the main thread no signal comes, and none can be asked for.
        with suppress(ValueError):
            for number in _ENDING:
                if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler, _leave):
                    self._before[number] = signal.signal(number, self._hear)
        return self

    def __exit__(self, *exc: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _hear(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self._over or (self.number and (number != signal.SIGINT or now - self._since < _SAME)):
            return
        if not self.number:
            self.number, self._since = number, now
        raise Stopped(number)


def leave_at_once() -> None:
    """While the program is being loaded nothing is open, and an exception amid an import can become any other."""
    _set(_leave)


def stay() -> None:
    """The command has ended, and its exit code shall be told: what comes now comes too late."""
    _set(signal.SIG_IGN)


def _set(handler: object) -> None:
    with suppress(ValueError):
        for number in _ENDING:
            if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler, _leave):
                signal.signal(number, handler)  # type: ignore[arg-type]


def _leave(number: int, frame: FrameType | None) -> None:
    os._exit(_ENDING[number][0])
