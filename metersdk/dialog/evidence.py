"""What was sent and heard on a line, in turns: what a diagnosis and a line report are made of.

A ``Turn`` is one sending and all that was heard until the next one. ``Record`` keeps the first turns of a session,
where it was signed on to, and the last ones; what lies between is only counted, so that a session of any
length stays small. Octets never show in a repr: a password may be among them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from metersdk.errors import MeterError

CHARACTER_BITS = 10
# With the parity bit and without.
_ACKS, _NAKS = (b"\x06", b"\x86"), (b"\x15", b"\x95")
# Turns and octets kept of the beginning, and of the end, of a session.
_HEAD_TURNS, _HEAD_OCTETS = 32, 32 << 10
_TAIL_TURNS, _TAIL_OCTETS = 64, 128 << 10


@dataclass(frozen=True, slots=True)
class Piece:
    """Octets that came together, when, and at which speed of the receiver."""

    at: float
    octets: bytes = field(repr=False)
    baud: int


@dataclass(slots=True)
class Turn:
    """One sending, and what was heard until the next. The first turn of a session may have sent nothing.

    Attributes:
        sent: octets as they went out, parity bits included.
        begun, ended: when they were handed to the port, and when it had sent them; seconds.
        baud: speed they were sent at.
        pieces: what was heard, in order.
        switches: changes of speed since, ``(moment, baud)``.
        over: the last moment known of this turn.
    """

    sent: bytes = field(repr=False)
    begun: float
    ended: float
    baud: int
    pieces: list[Piece] = field(default_factory=list)
    switches: list[tuple[float, int]] = field(default_factory=list)
    over: float = 0.0
    octets: int = 0

    def heard(self, baud: int | None = None) -> bytes:
        """All that was heard, or what was heard at one speed."""
        return b"".join(piece.octets for piece in self.pieces if baud is None or piece.baud == baud)

    @property
    def line_end(self) -> float:
        """When the last stop bit of the sending left at the earliest, whatever the port said."""
        return self.begun + len(self.sent) * CHARACTER_BITS / self.baud


@dataclass(frozen=True, slots=True)
class LineCounters:
    """What the driver counted during a session (TIOCGICOUNT, ClearCommError)."""

    framing: int = 0
    parity: int = 0
    breaks: int = 0
    overrun: int = 0


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that is known of a session when something is to be said about it.

    Attributes:
        turns: what was sent and heard.
        error: what the session failed with, None if it did not fail.
        counters: what the driver counted, None where it counts nothing.
        parity: ``software`` where bit 7 of what was heard is the parity bit of the line; ``hardware`` where it is lost.
        line: there is a line, with a probe at its end; False for a connection over a network.
    """

    turns: tuple[Turn, ...]
    error: MeterError | None = None
    counters: LineCounters | None = None
    parity: str = "software"
    line: bool = True


class Record:
    """Takes down what goes over a line; bounded."""

    def __init__(self) -> None:
        self.baud = 0
        self.sent_octets = self.heard_octets = 0
        self.sent_seconds = self.heard_seconds = 0.0
        # Messages of IEC 62056-21: those taken and followed by another, those asked for again, and what these cost.
        self.acknowledged = self.refused = 0
        self.refused_seconds = 0.0
        self._head: list[Turn] = []
        self._head_octets = 0
        self._tail: deque[Turn] = deque()
        self._tail_octets = 0
        self._turn = Turn(b"", 0.0, 0.0, 0)
        self._begun = False

    @property
    def turns(self) -> tuple[Turn, ...]:
        """The first and the last turns, as far as their speed is known."""
        return tuple(turn for turn in (*self._head, *self._tail) if turn.baud and (turn.sent or turn.pieces))

    @property
    def last(self) -> Turn:
        """The turn that is still open."""
        return self._turn

    def __iter__(self) -> Iterator[Turn]:
        return iter(self.turns)

    def sent(self, octets: bytes, begun: float, ended: float) -> None:
        """Octets went out between two moments."""
        self.sent_octets += len(octets)
        if self.baud:
            self.sent_seconds += len(octets) * CHARACTER_BITS / self.baud
        if octets in _ACKS:
            self.acknowledged += 1
        elif octets in _NAKS and self.baud:
            self.refused += 1
            self.refused_seconds += (self._turn.octets + 1) * CHARACTER_BITS / self.baud
        self._next(Turn(octets, begun, ended, self.baud, [], [], ended, len(octets)))

    def heard(self, octets: bytes, at: float) -> None:
        """Octets came in."""
        size = len(octets)
        self.heard_octets += size
        if self.baud:
            self.heard_seconds += size * CHARACTER_BITS / self.baud
        if not self._begun:
            self._next(Turn(b"", at, at, self.baud))
        turn = self._turn
        turn.pieces.append(Piece(at, octets, self.baud))
        turn.over = at
        turn.octets += size
        if self._tail:
            self._tail_octets += size
            if self._tail_octets > _TAIL_OCTETS:
                self._forget()

    def speed(self, baud: int, at: float) -> None:
        """The receiver and the sender run at another speed from now on."""
        if self._begun and baud != self.baud:
            self._turn.switches.append((at, baud))
        self.baud = baud

    def waited(self, until: float) -> None:
        """Nothing came until now."""
        self._turn.over = until

    def _next(self, turn: Turn) -> None:
        self._begun = True
        if self._turn.over < turn.begun:
            self._turn.over = turn.begun
        self._turn = turn
        if not self._tail and len(self._head) < _HEAD_TURNS and self._head_octets < _HEAD_OCTETS:
            self._head_octets += self._head[-1].octets if self._head else 0
            self._head.append(turn)
            return
        self._tail.append(turn)
        self._tail_octets += turn.octets
        if len(self._tail) > _TAIL_TURNS or self._tail_octets > _TAIL_OCTETS:
            self._forget()

    def _forget(self) -> None:
        """Drop the oldest of the tail until it is within its bounds."""
        tail = self._tail
        while len(tail) > 1 and (len(tail) > _TAIL_TURNS or self._tail_octets > _TAIL_OCTETS):
            self._tail_octets -= tail.popleft().octets
        if self._tail_octets > 2 * _TAIL_OCTETS:
            # One endless answer: its beginning goes.
            pieces = tail[0].pieces
            half = len(pieces) // 2
            gone = sum(len(piece.octets) for piece in pieces[:half])
            del pieces[:half]
            tail[0].octets -= gone
            self._tail_octets -= gone
