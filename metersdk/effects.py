"""The words a dialog may say to the outside, and the only thing that dialogs and ports share.

A dialog is a generator: it yields effects and is sent their answers. ``port/drive.py`` holds the two loops (blocking
and asyncio) that carry effects out; ``port/virtual.py`` carries them out under a virtual clock.

======================  ======================================================================================
effect                  answer
======================  ======================================================================================
``Send(data)``          None, once the last stop bit has left, as well as the port can know
``Receive(timeout)``    what has come, at least one octet; ``b""`` if nothing came for ``timeout`` seconds
``SetLine(baud, ..)``   None; the open line changes its speed, it is never reopened
``Sleep(seconds)``      None
``Now()``               seconds on the port's monotonic clock, a float
``Emit(event)``         None; hands out what is finished while the dialog goes on
======================  ======================================================================================

A port that fails raises a ``PortError`` at the ``yield``.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar


@dataclass(frozen=True, slots=True)
class Send:
    """Put octets on the line."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Receive:
    """Wait for octets, ``timeout`` seconds at most."""

    timeout: float


@dataclass(frozen=True, slots=True)
class SetLine:
    """Change the open line to ``baud``. 8N1 unless the target asked for a hardware format: 7E1 is done in software."""

    baud: int


@dataclass(frozen=True, slots=True)
class Sleep:
    """Let time pass."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Now:
    """Ask for the time in seconds (monotonic, arbitrary start)."""


@dataclass(frozen=True, slots=True)
class Emit:
    """Hand an event to whoever listens: Progress, State, Push, Finding, or a piece of a result."""

    event: object


@dataclass(frozen=True, slots=True)
class Progress:
    """``done`` of ``total`` (None: no end is known) in ``unit``: ``"octets" "rows" "objects" "attributes"``."""

    done: int
    total: int | None
    unit: str


@dataclass(frozen=True, slots=True)
class State:
    """A step worth showing: ``"sign-on" "speed" "hand-over" "associated"`` and the like; ``text`` says it in words."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Push:
    """An unasked APDU (DataNotification, EventNotification, InformationReport) that came in between; kept, not lost."""

    apdu: bytes


@dataclass(frozen=True, slots=True)
class Hide:
    """These octets are a secret that is about to be sent: whoever keeps a record masks them, from now on."""

    octets: bytes = field(repr=False)


Effect: TypeAlias = Send | Receive | SetLine | Sleep | Now | Emit
Answer: TypeAlias = Any
T = TypeVar("T")
Dialog: TypeAlias = Generator[Effect, Answer, T]
