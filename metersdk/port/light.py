"""What light makes in a client's receiver: octets where nothing was sent, and damage to those of the meter.

On an optical port light is a zero. So a pulse is a start bit on a line at rest, and clears bits of an octet that is
passing; strong light holds the line low altogether.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator
from math import ceil

from metersdk.port.line import CHAR_BITS, LineModel

_NEVER = float("inf")
_EPSILON = 1e-9
# The part of a lamp's period in which it is bright enough.
_DUTY = 0.3
# Bits of a character before the middle of its stop bit, where the receiver looks for the next edge.
_TO_STOP = CHAR_BITS - 0.5
# Speed of a receiver on a line that has none (a socket to a box with a head).
_ANY_BAUD = 9600
# Spreads the numbers of pulses over the seeds of their chances.
_SPREAD = 0x9E3779B97F4A7C15


class Light:
    """Sunlight, lamps and dazzle of a ``LineModel`` over one client's receiver, the same for every run of one seed.

    Args:
        model: what shines.
        start: when the line's clock begins; spans of dazzle are counted from there.
    """

    def __init__(self, model: LineModel, start: float = 0.0) -> None:
        self._model = model
        self._start = start
        self._chance = random.Random(f"{model.seed}:3")
        self._phase = self._chance.random() / model.lamp if model.lamp else 0.0
        self._sparks: deque[tuple[float, int]] = deque()
        self._last_spark = start
        self._pulse_at = start + self._phase if model.lamp else _NEVER
        self._dazzled = [(start + begin, start + end) for begin, end in model.dazzled]
        self._nul_at = min((begin for begin, _ in self._dazzled), default=_NEVER)
        self._passing: deque[tuple[float, float]] = deque()

    def next_time(self) -> float:
        """When light makes the next octet, if none of the meter is passing then; infinite in the dark."""
        if self._model.noise and not self._sparks:
            self._spark_until(_NEVER)
        return min(self._sparks[0][0] if self._sparks else _NEVER, self._pulse_at, self._nul_at)

    def take(self, moment: float, baud: int | None) -> bytes:
        """The octets that a receiver at ``baud`` sees up to ``moment``."""
        seen = bytearray()
        while (at := self.next_time()) <= moment + _EPSILON:
            octet = self._at(at, baud or _ANY_BAUD)
            if octet is not None and not self._is_passing(at):
                seen.append(octet)
        return bytes(seen)

    def shone_on(self, data: bytes, start: float, char: float) -> bytes:
        """What light leaves of octets that pass from ``start`` on, one each ``char`` seconds."""
        if not char or not data or self.next_time() == _NEVER:
            return data
        lit = bytearray(data)
        end = start + len(data) * char
        self._passing.append((start, end))
        if self._model.noise:
            self._spark_until(end)
            for at, octet in self._sparks:
                if start <= at < end:
                    lit[int((at - start) / char)] = octet
        bit = char / CHAR_BITS
        for begin, until in self._lamp_light(start, end):
            for number in range(max(0, int((begin - start) / char)), min(len(lit), int((until - start) / char) + 1)):
                first = start + number * char + 1.5 * bit
                lit[number] &= ~sum(1 << k for k in range(8) if begin <= first + k * bit < until) & 0xFF
        for begin, until in self._dazzled:
            for number in range(max(0, int((begin - start) / char)), min(len(lit), ceil((until - start) / char))):
                lit[number] = 0
        return bytes(lit)

    def _at(self, moment: float, baud: int) -> int | None:
        """The octet of the next event, which is passed over; None for what is none after all."""
        if self._nul_at == moment:
            after = moment + CHAR_BITS / baud
            starts = [max(begin, after) for begin, end in self._dazzled if end > after + _EPSILON]
            self._nul_at = min(starts, default=_NEVER)
            return 0
        if self._pulse_at != moment:
            return self._sparks.popleft()[1]
        period = 1 / self._model.lamp
        number = round((moment - self._start - self._phase) / period)
        octet, periods = None, 1
        if self._is_strong(number):
            # The stop bit may fall into a pulse, too: the receiver waits for the next edge in any case.
            octet, periods = self._octet_of(number, baud), ceil(_TO_STOP / baud / period)
        self._pulse_at = self._start + self._phase + (number + periods) * period
        return octet

    def _octet_of(self, number: int, baud: int) -> int:
        """What is sampled from the edge of pulse ``number`` on: zeros where this pulse or a later one shines."""
        octet = 0
        for k in range(8):
            pulses = (k + 1.5) / baud * self._model.lamp
            shines = pulses % 1 < _DUTY and self._is_strong(number + int(pulses))
            octet |= (not shines) << k
        return octet

    def _is_strong(self, number: int) -> bool:
        share = self._model.lamp_share
        return share >= 1 or random.Random(self._model.seed * _SPREAD + number).random() < share

    def _lamp_light(self, start: float, end: float) -> Iterator[tuple[float, float]]:
        if not self._model.lamp:
            return
        period = 1 / self._model.lamp
        base = self._start + self._phase
        number = max(0, int((start - base) / period) - 1)
        while (at := base + number * period) < end:
            if self._is_strong(number):
                yield at, at + _DUTY * period
            number += 1

    def _spark_until(self, end: float) -> None:
        """Draw the octets of sunlight up to ``end``, or one where it is infinite."""
        while self._last_spark < end:
            self._last_spark += self._chance.expovariate(self._model.noise)
            # Mostly the 00, 80 and FF of a receiver kept low or pulsed.
            octet = self._chance.choice((0x00, 0x00, 0x80, 0xFF, self._chance.randrange(256)))
            self._sparks.append((self._last_spark, octet))
            if end == _NEVER:
                return

    def _is_passing(self, moment: float) -> bool:
        while self._passing and self._passing[0][1] <= moment:
            self._passing.popleft()
        return any(start <= moment < end for start, end in self._passing)
