"""Overhearing a line on which nobody here speaks: every burst of traffic, when, how much, and what it looks like.

Nothing is ever sent. The speed is changed for octets that make no sense at it, and goes with a session of IEC 62056-21
that agrees on another one; silence brings it back.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from metersdk.dialog.traffic import LOOKED_AT, Look, Traffic, agreed_speed, look_at
from metersdk.effects import Dialog, Emit, Now, Receive, SetLine
from metersdk.frame.iec62056_21 import INITIAL_BAUD, looks_slower

# A sign-on begins at 300 Bd; then as pushers and direct HDLC have it, the likeliest first.
WATCHED_BAUDS: Final = (INITIAL_BAUD, 9600, 2400, 115200, 19200, 4800)
# A pause this long ends a burst, in seconds: a reader and a meter that answer one another are one burst.
_GAP: Final = 0.5
# A burst that does not end is told after so many seconds, and goes on as another one.
_LONGEST: Final = 10.0
# Seconds of silence after which a session that agreed on another speed is over.
_OVER: Final = 3.0
# Fewer octets may be light, and tell nothing of the speed.
_STRAY: Final = 8
_SHOWN: Final = 16


@dataclass(frozen=True, slots=True)
class Burst:
    """Octets that came without a pause between them.

    Attributes:
        begun: when, in seconds of the port's clock.
        seconds: from the first piece to the last.
        octets: how many.
        baud: speed of the receiver, None where there is no line.
        look: what they look like.
        head: the first of them; empty where a password may be among them.
    """

    begun: float
    seconds: float
    octets: int
    baud: int | None
    look: Look
    head: bytes = field(repr=False)


def overhear(bauds: tuple[int, ...], *, total: float | None = None, count: int | None = None) -> Dialog[int]:
    """Emit a ``Burst`` for each burst of traffic; how many there were. Memory stays bounded.

    Args:
        bauds: speeds to listen at, the likeliest first; none where there is no line.
        total: seconds to listen; None without end.
        count: so many bursts; None without end.
    """
    ear = _Ear(bauds)
    begun: float = yield Now()
    deadline = float("inf") if total is None else begun + total
    told = 0
    yield from ear.tune(0)
    while count is None or told < count:
        burst = yield from ear.burst(deadline)
        if burst is None:
            break
        told += 1
        yield Emit(burst)
        yield from ear.retune(burst)
    return told


class _Ear:
    def __init__(self, bauds: tuple[int, ...]) -> None:
        self._bauds = bauds
        self._turn = 0
        # The speed a session has agreed on; None: that of the turn.
        self._followed: int | None = None
        self._octets = b""
        # Octets that made no sense at this speed.
        self._strange = 0

    @property
    def baud(self) -> int | None:
        return self._followed or (self._bauds[self._turn] if self._bauds else None)

    def tune(self, turn: int) -> Dialog[None]:
        """Listen at another speed."""
        self._turn, self._followed, self._strange = turn, None, 0
        if self._bauds:
            yield SetLine(self._bauds[turn])

    def burst(self, deadline: float) -> Dialog[Burst | None]:
        """The next burst; None where none has begun by ``deadline``."""
        now: float = yield Now()
        data = b""
        while not data:
            if now >= deadline:
                return None
            data = yield Receive(min(_OVER, deadline - now) if self._followed else deadline - now)
            now = yield Now()
            if not data and self._followed:
                yield from self.tune(self._turn)
        begun = last = now
        octets, head = len(data), data[:LOOKED_AT]
        while now - begun < _LONGEST and now < deadline:
            agreed = agreed_speed(head) if len(self._bauds) > 1 and octets <= LOOKED_AT else None
            if agreed is not None and agreed != self.baud:
                # What comes next comes at that speed.
                break
            data = yield Receive(min(_GAP, deadline - now))
            now = yield Now()
            if not data:
                break
            last = now
            octets += len(data)
            head += data[: LOOKED_AT - len(head)]
        look = look_at(head)
        self._octets = head
        return Burst(begun, last - begun, octets, self.baud, look, b"" if look.may_hold_password else head[:_SHOWN])

    def retune(self, burst: Burst) -> Dialog[None]:
        """Follow the speed that the burst agreed on, or look for one at which such octets make sense."""
        if len(self._bauds) < 2:
            return
        agreed = burst.look.agreed
        if agreed is not None and agreed != self.baud:
            self._followed = agreed
            yield SetLine(agreed)
        elif burst.look.kind not in (Traffic.OTHER_SPEED, Traffic.NOISE):
            self._strange = 0
        else:
            # A telegram of 115200 Bd leaves an octet or two at 300.
            self._strange += burst.octets
            if self._strange >= _STRAY:
                yield from self.tune(self._next())

    def _next(self) -> int:
        """The next speed; a slower one at once where the octets say so."""
        if self._followed:
            return self._turn
        turns = [(self._turn + step) % len(self._bauds) for step in range(1, len(self._bauds))]
        here = self._bauds[self._turn]
        slower = (turn for turn in turns if self._bauds[turn] < here)
        return next((turn for turn in slower if looks_slower(self._octets, here / self._bauds[turn])), turns[0])
