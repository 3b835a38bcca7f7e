"""A model of the line: how fast it is, what it loses, and what a UART makes of octets sent at another speed.

``LineModel`` is the description, ``Faults`` its stateful execution on octets: used by the virtual port, and in front
of real descriptors by a simulated meter. ``garbled`` is an ideal 8N1 receiver listening at the wrong speed or format.
What has its place in time lies elsewhere: octets under way in ``way``, noise and blinding in ``light``.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import log1p
from types import MappingProxyType
from typing import Literal, get_args

from metersdk.errors import LocalProtocolError

# One start bit, eight bits, one stop bit; 7E1 has the same ten.
CHAR_BITS = 10

Echo = Literal["none", "full", "partial", "changed"]
Span = tuple[float, float]
_NONE: frozenset[int] = frozenset()
# A battery holds its voltage, and then does not.
_FADING_FROM = 0.5
_AMOUNTS = ("turnaround", "client_turnaround", "latency", "sending_latency", "delay", "coalesce", "noise", "lamp")


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
        sending_latency: seconds by which the probe begins late to send what it was given.
        echo: what the client's own receiver sees of what it sends; a partial echo lacks octets here and there, a
            changed one has other octets in some places.
        noise: octets a second that sunlight makes in the client's receiver (Poisson); one that falls on an octet of
            the meter takes its place.
        lamp: pulses a second of a lamp on alternating current: 100 or 120.
        lamp_share: the share of these pulses that are strong enough to be seen.
        dazzled: spans (from, until), in seconds of the line's clock, of light so strong that the client's receiver is
            held low: NUL after NUL, whatever the meter sends.
        flip: probability, for each octet either way, that one of its bits arrives inverted.
        bit_flip: probability, for each bit of an octet either way, that it arrives inverted (a misaligned probe).
        lose: probability, for each octet either way, that it does not arrive; 1 is a dead line.
        fade: octets after which the meter's lamp has faded (a low battery). From half of them on, more and more of its
            light pulses, the zeros, are missed: first single bits, then whole octets.
        steal: probability, for each piece that reaches the client, that another program reads a part of it away.
        clock_error: by how much the meter's clock is fast, both ways: 0.03 for 3 %, negative for slow. An ideal UART
            reads a sender that is less than 5.2 % off.
        form: character format the meter really sends its text in (``"7O1"``, ``"8N1"``, ``"7N2"``); empty for what its
            dialog makes, 7E1 as a rule.
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
    sending_latency: float = 0.0
    delay: float = 0.0
    coalesce: float = 0.016
    piece: int | None = None
    echo: Echo = "none"
    noise: float = 0.0
    lamp: float = 0.0
    lamp_share: float = 1.0
    dazzled: tuple[Span, ...] = ()
    flip: float = 0.0
    bit_flip: float = 0.0
    lose: float = 0.0
    fade: int | None = None
    steal: float = 0.0
    clock_error: float = 0.0
    form: str = ""
    drop_requests: frozenset[int] = _NONE
    drop_answers: frozenset[int] = _NONE
    late: float | Mapping[int, float] = field(default_factory=lambda: MappingProxyType({}))
    close_after: int | None = None
    drain_lies: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        for name in _AMOUNTS:
            if not 0 <= getattr(self, name) < float("inf"):
                raise LocalProtocolError(f"line model: {name} must be a finite number, 0 or more")
        for name in ("lamp_share", "flip", "bit_flip", "lose", "steal"):
            if not 0 <= getattr(self, name) <= 1:
                raise LocalProtocolError(f"line model: {name} must be a probability, 0 to 1")
        for name in ("baud", "piece", "fade"):
            if getattr(self, name) is not None and getattr(self, name) <= 0:
                raise LocalProtocolError(f"line model: {name} must be positive or None")
        if not -0.5 <= self.clock_error <= 1:
            raise LocalProtocolError("line model: clock_error must lie between -0.5 and 1")
        if self.echo not in get_args(Echo):
            raise LocalProtocolError(f"line model: echo must be one of: {', '.join(get_args(Echo))}")
        if self.form:
            _format(self.form)

    def meter_baud(self, baud: int) -> int:
        """The speed the meter really takes where its dialog says ``baud``."""
        return round(baud * (1 + self.clock_error))


@dataclass(frozen=True, slots=True)
class Passage:
    """What becomes of one frame: the octets that arrive, how much later, and whether the peer closes after them."""

    data: bytes
    late: float = 0.0
    closes: bool = False


class Faults:
    """The faults of a ``LineModel`` carried out on octets, the same for every run with the same seed.

    It keeps no time and does no I/O: ``request`` and ``answer`` say what arrives of a frame, ``echo`` what the
    client's receiver sees of its own, ``left`` what another reader of the client's port leaves of a piece.
    """

    # An echo that lacks about one octet in four is no longer a prefix of anything.
    _ECHO_LOSS = 0.25
    # One bit in twenty: about a third of the octets.
    _ECHO_CHANGE = 0.05

    def __init__(self, model: LineModel) -> None:
        self._model = model
        # One source of chance for each purpose: more noise must not move the flips.
        self._requests, self._answers, self._echo = (random.Random(f"{model.seed}:{i}") for i in range(3))
        self._fade, self._thief = (random.Random(f"{model.seed}:{name}") for name in ("fade", "thief"))
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
        first = self._octets
        self._octets += len(data)
        if self._model.form:
            data = _in_form(data, self._model.form)
        if self._model.fade is not None:
            data = self._faded(data, first / self._model.fade, 1 / self._model.fade)
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
            case "changed":
                return _inverted(data, self._ECHO_CHANGE, self._echo)
        return b""

    def left(self, piece: bytes) -> bytes:
        """What the client gets of a piece that its port has, after another program has read from it, too."""
        if not self._model.steal or self._thief.random() >= self._model.steal:
            return piece
        start, end = sorted(self._thief.randrange(len(piece) + 1) for _ in range(2))
        return piece[:start] + piece[max(end, start + 1) :]

    def _damaged(self, data: bytes, chance: random.Random) -> bytes:
        if self._model.flip:
            flipped = bytearray(data)
            for position in _hits(len(data), self._model.flip, chance):
                flipped[position] ^= 1 << chance.randrange(8)
            data = bytes(flipped)
        if self._model.bit_flip:
            data = _inverted(data, self._model.bit_flip, chance)
        return _thinned(data, self._model.lose, chance) if self._model.lose else data

    def _faded(self, data: bytes, age: float, step: float) -> bytes:
        """A zero is a light pulse: what is too weak is a one, and without its start bit an octet is none."""
        if age + len(data) * step <= _FADING_FROM:
            return data
        seen = bytearray()
        for octet in data:
            age += step
            missed = min(1.0, max(0.0, (age - _FADING_FROM) / (1 - _FADING_FROM))) ** 3
            if self._fade.random() < missed:
                continue
            seen.append(octet | sum(1 << k for k in range(8) if self._fade.random() < missed))
        return bytes(seen)


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


def _inverted(data: bytes, probability: float, chance: random.Random) -> bytes:
    """Each bit for itself."""
    changed = bytearray(data)
    for position in _hits(8 * len(data), probability, chance):
        changed[position >> 3] ^= 1 << (position & 7)
    return bytes(changed)


def _in_form(data: bytes, form: str) -> bytes:
    """Text as a receiver of 8N1 sees it that leaves the meter in ``form``."""
    return garbled(bytes(octet & 0x7F for octet in data), 1, 1, form).data


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
    width, parity, stops = _format(form)
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


def _format(form: str) -> tuple[int, str, int]:
    """Data bits, parity, stop bits."""
    if len(form) != 3 or form[0] not in "78" or form[1] not in "NEOM" or form[2] not in "12":
        raise LocalProtocolError(f"{form!r} is no character format", hint="write it like 8N1 or 7E1")
    return int(form[0]), form[1], int(form[2])


def in_tune(sender: int, receiver: int) -> bool:
    """Whether an ideal UART at ``receiver`` baud reads ``sender``: the middle of its stop bit, 9.5 bits from the start,
    must lie in the sender's."""
    return 18 * receiver <= 19 * sender < 20 * receiver
