"""One direction of a line in the course of time: what its transmitter has sent, and when which octet is heard.

``Way`` knows no clock: times are handed in, virtual ones by ``VirtualPort`` and real ones by ``LinePort``.
"""

from __future__ import annotations

from collections import deque

from metersdk.port.line import CHAR_BITS, LineModel, garbled, in_tune

INFINITE = float("inf")
# Times are sums of character times: two sums of the same thing differ by less than this.
EPSILON = 1e-9
# Characters of a receiver at the wrong speed that are worked out at once, before it may change its mind.
_HEARD_CHARACTERS = 4


class Burst:
    """Octets leaving a transmitter without a gap from ``start`` on, one each ``char`` seconds."""

    __slots__ = ("baud", "char", "data", "start", "taken")

    def __init__(self, start: float, data: bytes, baud: int | None) -> None:
        self.start = start
        self.data = data
        self.baud = baud
        self.char = CHAR_BITS / baud if baud else 0.0
        self.taken = 0

    @property
    def end(self) -> float:
        return self.start + len(self.data) * self.char

    def gone_by(self, moment: float) -> int:
        """How many octets had left whole at ``moment``."""
        if moment + EPSILON >= self.end:
            return len(self.data)
        return max(0, int((moment - self.start + EPSILON) / self.char)) if self.char else 0


class Way:
    """One direction of the line: a transmitter at one speed, a receiver at another, and what is under way.

    A burst is kept whole and cut by arithmetic; only a change of speed, or a piece that is due, touches its octets.
    """

    def __init__(self, model: LineModel, latency: float) -> None:
        self._model = model
        self._latency = latency
        self._bursts: deque[Burst] = deque()
        self._ready: deque[tuple[float, bytes]] = deque()
        self.sender = self.receiver = model.baud
        self.free_at = 0.0
        self.received_at = -INFINITE

    @property
    def char(self) -> float:
        """Seconds an octet takes to leave the transmitter; 0 where there is no line."""
        return CHAR_BITS / self.sender if self.sender else 0.0

    def put(self, start: float, data: bytes, arriving: bytes) -> float:
        """Send ``data`` from ``start`` on, of which ``arriving`` arrives; the time its last stop bit has left."""
        burst = Burst(max(start, self.free_at), arriving, self.sender)
        self.free_at = burst.start + len(data) * burst.char
        if arriving:
            self._bursts.append(burst)
        return self.free_at

    def set_sender(self, moment: float, baud: int) -> None:
        """The transmitter changes speed: what is still in its FIFO leaves at the new one."""
        if self.sender is None or baud == self.sender:
            return
        self.sender = baud
        late: list[Burst] = []
        while self._bursts and self._bursts[-1].end > moment + EPSILON:
            late.append(self._bursts.pop())
        for burst in reversed(late):
            gone = burst.gone_by(moment)
            if gone:
                kept = Burst(burst.start, burst.data[:gone], burst.baud)
                kept.taken = burst.taken
                self._bursts.append(kept)
            rest = Burst(max(moment, burst.start), burst.data[gone:], baud)
            self._bursts.append(rest)
            self.free_at = rest.end

    def set_receiver(self, moment: float, baud: int) -> None:
        """The receiver changes speed: what came before was heard at the old one, what comes is heard at the new."""
        if self.receiver is None or baud == self.receiver:
            return
        while self._bursts and self._bursts[0].start < moment:
            burst = self._bursts[0]
            gone = burst.gone_by(moment)
            if gone == len(burst.data):
                self._settle(self._bursts.popleft())
                continue
            head = Burst(burst.start, burst.data[:gone], burst.baud)
            head.taken = burst.taken
            self._settle(head)
            rest = Burst(burst.start + gone * burst.char, burst.data[gone:], burst.baud)
            self._bursts[0] = rest
            break
        self.receiver = baud

    def next_time(self) -> float:
        """When the next piece is delivered; infinite if none is under way."""
        self._hear()
        if self._ready:
            return self._ready[0][0]
        if not self._bursts:
            return INFINITE
        burst = self._bursts[0]
        return burst.start + self._piece_end(burst) * burst.char + self._latency

    def take(self, moment: float) -> bytes:
        """Everything delivered up to ``moment``."""
        pieces: list[bytes] = []
        while self.next_time() <= moment + EPSILON:
            if self._ready:
                self.received_at, data = self._ready.popleft()
                pieces.append(data)
                continue
            burst = self._bursts[0]
            end = self._piece_end(burst)
            pieces.append(burst.data[burst.taken : end])
            burst.taken = end
            self.received_at = burst.start + end * burst.char + self._latency
            if end == len(burst.data):
                self._bursts.popleft()
            if self._model.piece is not None:
                break
        return b"".join(pieces)

    def _piece_end(self, burst: Burst) -> int:
        size = int(self._model.coalesce / burst.char + EPSILON) if burst.char else len(burst.data)
        if self._model.piece is not None:
            size = min(size, self._model.piece)
        return min(len(burst.data), burst.taken + max(1, size))

    def _hear(self) -> None:
        """What comes first at another speed than the receiver's becomes what its UART makes of it.

        Only a few characters at a time: the receiver may find out, and change its speed amid the burst.
        """
        while not self._ready and self._bursts and self._misheard(burst := self._bursts[0]):
            assert burst.baud is not None and self.receiver is not None
            self._bursts.popleft()
            end = burst.taken + max(1, _HEARD_CHARACTERS * burst.baud // self.receiver)
            if end < len(burst.data):
                self._bursts.appendleft(Burst(burst.start + end * burst.char, burst.data[end:], burst.baud))
                burst.data = burst.data[:end]
            self._settle(burst)

    def _misheard(self, burst: Burst) -> bool:
        return burst.baud is not None and self.receiver is not None and not in_tune(burst.baud, self.receiver)

    def _settle(self, burst: Burst) -> None:
        """Heard for good at the present speed of the receiver; octets come evenly over the time of the burst."""
        data, char = burst.data[burst.taken :], burst.char
        start = burst.start + burst.taken * char
        if self._misheard(burst):
            assert burst.baud is not None and self.receiver is not None
            duration = len(data) * char
            data = garbled(data, burst.baud, self.receiver).data
            char = duration / len(data) if data else 0.0
        if data:
            heard = Burst(start, data, burst.baud)
            heard.char = char
            while heard.taken < len(data):
                end = self._piece_end(heard)
                self._ready.append((start + end * char + self._latency, data[heard.taken : end]))
                heard.taken = end
