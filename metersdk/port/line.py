"""A model of the line: how fast it is, what it loses, and what a UART makes of octets sent at another speed.

``LineModel`` is the description, ``Faults`` its stateful execution on octets: used by the virtual port, and in front
of real descriptors by a simulated meter. ``garbled`` is an ideal 8N1 receiver listening at the wrong speed or format.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import log1p
from types import MappingProxyType
from typing import Literal

from metersdk.errors import LocalProtocolError

# One start bit, eight bits, one stop bit; 7E1 has the same ten.
CHAR_BITS = 10

Echo = Literal["none", "full", "partial"]
_NONE: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class LineModel:
    """What lies between a client and a meter. Frames are counted from 0, one for each ``Send`` of one side.

    Attributes:
        baud: speed both ends start with; octets take their time on the line, and garble when the ends differ. None:
            no line in between (TCP), octets arrive at once.
        turnaround: seconds from the last octet of a request to the first of the answer, at least.
        client_turnaround: the same for the client.
        latency: seconds by which the client's probe hands octets on late (16 ms for an FTDI chip as delivered).
        delay: seconds a piece travels, each way (half a TCP round trip).
        coalesce: octets that come within this many seconds are delivered together; never more than ``piece``.
        piece: octets delivered together at most; 1 delivers byte by byte, None as ``coalesce`` has it.
        echo: what the client's own receiver sees of what it sends; a partial echo lacks octets here and there.
        noise: octets a second that light makes in the client's receiver (Poisson).
        flip: probability, for each octet either way, that one of its bits arrives inverted.
        lose: probability, for each octet either way, that it does not arrive.
        drop_requests: frames of the client that do not arrive at all.
        drop_answers: frames of the meter that do not arrive at all (a lost ACK).
        late: seconds by which every frame of the meter comes later, or only the n-th.
        close_after: octets from the meter after which it closes the connection.
        drain_lies: ``send`` returns while the octets are still in the chip (ch341, pl2303).
        seed: of everything that is left to chance.
    """

    baud: int | None = None
    turnaround: float = 0.0
    client_turnaround: float = 0.0
    latency: float = 0.0
    delay: float = 0.0
    coalesce: float = 0.016
    piece: int | None = None
    echo: Echo = "none"
    noise: float = 0.0
    flip: float = 0.0
    lose: float = 0.0
    drop_requests: frozenset[int] = _NONE
    drop_answers: frozenset[int] = _NONE
    late: float | Mapping[int, float] = field(default_factory=lambda: MappingProxyType({}))
    close_after: int | None = None
    drain_lies: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("turnaround", "client_turnaround", "latency", "delay", "coalesce", "noise"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise LocalProtocolError(f"line model: {name} must be a number of seconds, 0 or more")
        for name in ("flip", "lose"):
            if not 0 <= getattr(self, name) <= 1:
                raise LocalProtocolError(f"line model: {name} must be a probability, 0 to 1")
        if (self.baud is not None and self.baud <= 0) or (self.piece is not None and self.piece <= 0):
            raise LocalProtocolError("line model: baud and piece must be positive or None")
        if self.echo not in ("none", "full", "partial"):
            raise LocalProtocolError("line model: echo must be none, full or partial")


@dataclass(frozen=True, slots=True)
class Passage:
    """What becomes of one frame: the octets that arrive, how much later, and whether the peer closes after them."""

    data: bytes
    late: float = 0.0
    closes: bool = False


class Faults:
    """The faults of a ``LineModel`` carried out on octets, the same for every run with the same seed.

    It keeps no time and does no I/O: ``request`` and ``answer`` say what arrives of a frame, ``echo`` what the
    client's receiver sees of its own, ``noise_gap`` when light makes the next octet.
    """

    # An echo that lacks about one octet in four is no longer a prefix of anything.
    _ECHO_LOSS = 0.25

    def __init__(self, model: LineModel) -> None:
        self._model = model
        # One source of chance for each purpose: more noise must not move the flips.
        self._requests, self._answers, self._echo, self._noise = (random.Random(f"{model.seed}:{i}") for i in range(4))
        self.requests = 0
        self.answers = 0
        self._octets = 0

    def request(self, data: bytes) -> Passage:
        """What the meter gets of the client's next frame."""
        number, self.requests = self.requests, self.requests + 1
        if number in self._model.drop_requests:
            return Passage(b"")
        return Passage(self._damaged(data, self._requests))

    def answer(self, data: bytes) -> Passage:
        """What the client gets of the meter's next frame."""
        number, self.answers = self.answers, self.answers + 1
        late = self._model.late
        late = late if isinstance(late, (int, float)) else late.get(number, 0.0)
        closes = False
        if self._model.close_after is not None:
            left = self._model.close_after - self._octets
            closes = len(data) >= left
            data = data[: max(0, left)]
        self._octets += len(data)
        if number in self._model.drop_answers:
            return Passage(b"", late, closes)
        return Passage(self._damaged(data, self._answers), late, closes)

    def echo(self, data: bytes) -> bytes:
        """What the client's own receiver sees of a frame it sends."""
        match self._model.echo:
            case "full":
                return data
            case "partial":
                return _thinned(data, self._ECHO_LOSS, self._echo)
        return b""

    def noise_gap(self) -> float:
        """Seconds until the next octet of noise; infinite on a dark line."""
        return self._noise.expovariate(self._model.noise) if self._model.noise else float("inf")

    def noise_octet(self) -> bytes:
        """One octet made by light: mostly the 00, 80 and FF of a receiver kept low or pulsed."""
        return self._noise.choice((b"\x00", b"\x00", b"\x80", b"\xff", self._noise.randbytes(1)))

    def _damaged(self, data: bytes, chance: random.Random) -> bytes:
        if self._model.flip:
            flipped = bytearray(data)
            for position in _hits(len(data), self._model.flip, chance):
                flipped[position] ^= 1 << chance.randrange(8)
            data = bytes(flipped)
        return _thinned(data, self._model.lose, chance) if self._model.lose else data


def _hits(length: int, probability: float, chance: random.Random) -> list[int]:
    """Positions below ``length`` that are hit, drawn by their gaps: the cost is that of the hits, not of the octets."""
    if probability >= 1:
        return list(range(length))
    hits: list[int] = []
    position = -1
    scale = log1p(-probability)
    if not scale:
        return hits
    while True:
        position += 1 + int(min(log1p(-chance.random()) / scale, length))
        if position >= length:
            return hits
        hits.append(position)


def _thinned(data: bytes, probability: float, chance: random.Random) -> bytes:
    kept, start = bytearray(), 0
    for position in _hits(len(data), probability, chance):
        kept += data[start:position]
        start = position + 1
    return bytes(kept + data[start:])


@dataclass(frozen=True, slots=True)
class Garble:
    """What an 8N1 receiver made of it: octets, and how many of them had a framing error (stop bit low)."""

    data: bytes
    framing_errors: int


def garbled(data: bytes, sender: int, receiver: int, form: str = "8N1") -> Garble:
    """What an ideal 8N1 UART at ``receiver`` baud sees of ``data`` sent at ``sender`` baud in ``form`` (``"7E1"``).

    The receiver waits for a falling edge, samples each bit in its middle, and drops a start bit that is high by then;
    a character whose stop bit is low counts as a framing error, and is delivered as every tty does.
    """
    bits = _waveform(data, form)
    total = len(bits)
    edges = [i for i in range(total) if not bits[i] and (i == 0 or bits[i - 1])]
    # Middle of receiver bit k, in whole sender bits from the falling edge (edges lie on sender bit borders).
    middle = [sender * (2 * k + 1) // (2 * receiver) for k in range(CHAR_BITS)]
    seen = bytearray()
    errors = 0
    found = 0
    while found < len(edges):
        edge = edges[found]
        sampled = [bits[edge + m] if edge + m < total else 1 for m in middle]
        if sampled[0]:
            # Too short for a start bit: the sender is faster than half a bit of ours.
            found = bisect_right(edges, edge + middle[0])
            continue
        seen.append(sum(bit << k for k, bit in enumerate(sampled[1:9])))
        errors += not sampled[9]
        found = bisect_right(edges, edge + middle[9])
    return Garble(bytes(seen), errors)


def _waveform(data: bytes, form: str) -> bytearray:
    """The line, one item for a bit: start low, data with the low bit first, parity, stop bits high."""
    if len(form) != 3 or form[0] not in "78" or form[1] not in "NEOM" or form[2] not in "12":
        raise LocalProtocolError(f"{form!r} is no character format", hint="write it like 8N1 or 7E1")
    width, parity, stops = int(form[0]), form[1], int(form[2])
    bits = bytearray()
    for octet in data:
        value = octet & ((1 << width) - 1)
        bits.append(0)
        bits += bytes((value >> k) & 1 for k in range(width))
        if parity == "M":
            bits.append(1)
        elif parity != "N":
            bits.append((value.bit_count() & 1) ^ (parity == "O"))
        bits += b"\x01" * stops
    return bits
