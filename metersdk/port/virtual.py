"""A port with a meter behind it, in one thread, under a virtual clock: nothing waits, every octet has its exact time.

``VirtualPort(server, model)`` joins a server dialog to whoever holds the port. The client's calls move the clock, and
the server is carried along in the order of time. A 60 s inactivity test takes microseconds, and the time on the line
is a figure to assert on.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from metersdk.effects import Answer, Dialog, Effect, Emit, Now, Receive, Send, SetLine, Sleep
from metersdk.errors import Cancel, LimitExceeded, LocalProtocolError, MeterError, PortClosed
from metersdk.port.drive import Port
from metersdk.port.light import Light
from metersdk.port.line import CHAR_BITS, Faults, LineModel
from metersdk.port.way import EPSILON, INFINITE, Way

# Effects a server dialog may yield at one instant: more is a dialog that spins, and would never let time pass.
SPIN_LIMIT = 100_000

Side = Literal["client", "server"]


@dataclass(frozen=True, slots=True)
class LineEvent:
    """One thing that happened on the line: octets sent (as they were sent, before any fault), or a change of speed.

    ``start`` and ``end`` are virtual seconds: first start bit, last stop bit. ``lost`` tells a dropped frame.
    """

    start: float
    end: float
    side: Side
    kind: Literal["send", "speed", "close"]
    data: bytes = b""
    baud: int | None = None
    lost: bool = False


class VirtualPort:
    """A blocking port whose peer is a dialog: ``server`` is carried along while the client sends, waits and sleeps.

    Args:
        server: the meter's side; started with the first call, at time 0.
        model: the line in between.
        name: what errors call this port.

    Attributes:
        log: everything that went over the line, in the order of its making.
        server_events: what the server emitted.
        server_result: what the server returned, None while it runs.
        server_error: the ``MeterError`` that ended it; the client then finds the connection closed.

    A server that returned leaves a silent line behind. An exception of the server that is no ``MeterError`` is a defect
    of the server, and is raised from the client's call.
    """

    def __init__(self, server: Dialog[object], model: LineModel | None = None, name: str = "virtual") -> None:
        self.name = name
        self.model = model = model or LineModel()
        self.log: list[LineEvent] = []
        self.server_events: list[object] = []
        self.server_result: object = None
        self.server_error: MeterError | None = None
        self._server = server
        self._faults = Faults(model)
        self._to_meter = Way(model, model.delay)
        self._to_client = Way(model, model.delay + model.latency)
        self._echo = Way(model, model.latency)
        if model.baud is not None:
            self._to_client.sender = self._to_meter.receiver = model.meter_baud(model.baud)
        self._octet_time = {"client": 0.0, "server": 0.0}
        self._now = 0.0
        self._light = Light(model)
        self._closes_at = INFINITE
        self._closed = False
        self._started = False
        self._server_at = 0.0
        self._wake = 0.0
        self._listening = False
        self._spins = 0

    @property
    def line_time(self) -> dict[str, float]:
        """Seconds each side has held the line: its octets times ten bits, ``{"client": s, "server": s}``."""
        return dict(self._octet_time)

    def now(self) -> float:
        """Virtual seconds since the port was made."""
        return self._now

    def send(self, data: bytes) -> None:
        """Octets on the line from now on; the clock moves to their last stop bit (not at all if draining lies)."""
        self._check_open()
        self._advance(self._now)
        ready = self._now + self.model.sending_latency
        start = max(ready, self._to_client.received_at + self.model.client_turnaround, self._to_meter.free_at)
        passage = self._faults.request(data)
        end = self._to_meter.put(start, data, passage.data)
        self._echo.put(start, data, self._faults.echo(data))
        self._note("client", start, end, data, self._to_meter.sender, lost=bool(data) and not passage.data)
        if not self.model.drain_lies:
            self._now = end

    def receive(self, timeout: float) -> bytes:
        """What is delivered next, within ``timeout`` seconds of virtual time.

        Raises:
            PortClosed: the meter closed the connection, or its dialog ended with an error.
            LocalProtocolError: waiting without end for a meter that is waiting, too.
        """
        self._check_open()
        deadline = self._now + max(0.0, timeout)
        while True:
            due = max(self._now, min(self._to_client.next_time(), self._echo.next_time(), self._light.next_time()))
            step = self._server_due()
            first = min(due, step, self._closes_at)
            if first > deadline + EPSILON or first == INFINITE:
                if deadline == INFINITE:
                    raise LocalProtocolError("both sides wait for each other without end", layer="port")
                self._now = deadline
                return b""
            if due == first:
                self._now = due
                if data := self._collect():
                    return data
                continue
            if step == first:
                self._step(step)
                continue
            self._now = max(self._now, self._closes_at)
            raise PortClosed(f"{self.name}: the peer closed the connection", layer="port") from self.server_error

    def set_line(self, baud: int) -> None:
        """The client's UART changes speed at once: octets still in its FIFO leave at the new one."""
        self._check_open()
        self._advance(self._now)
        self._to_meter.set_sender(self._now, baud)
        self._echo.set_receiver(self._now, baud)
        self._echo.set_sender(self._now, baud)
        self._to_client.set_receiver(self._now, baud)
        self.log.append(LineEvent(self._now, self._now, "client", "speed", baud=baud))

    def sleep(self, seconds: float) -> None:
        """The clock moves on, and the server with it."""
        self._check_open()
        self._now += max(0.0, seconds)
        self._advance(self._now)

    def close(self) -> None:
        """The server finds the connection closed, and is left."""
        if self._closed:
            return
        self._closed = True
        self.log.append(LineEvent(self._now, self._now, "client", "close"))
        with suppress(StopIteration, Cancel, MeterError, RuntimeError):
            if self._started:
                self._server.throw(PortClosed(f"{self.name}: the client closed the connection", layer="port"))
            self._server.close()

    def _check_open(self) -> None:
        if self._closed:
            raise PortClosed(f"{self.name} is closed", layer="port")

    def _collect(self) -> bytes:
        """All that the client's receiver has by now, in the order of its sources: echo, answer, light."""
        data = self._echo.take(self._now) + self._to_client.take(self._now)
        return self._faults.left(data + self._light.take(self._now, self._to_client.receiver))

    def _note(self, side: Side, start: float, end: float, data: bytes, baud: int | None, *, lost: bool) -> None:
        self._octet_time[side] += len(data) * CHAR_BITS / baud if baud else 0.0
        self.log.append(LineEvent(start, end, side, "send", data, baud, lost))

    def _advance(self, until: float) -> None:
        while (step := self._server_due()) <= until:
            self._step(step)

    def _server_due(self) -> float:
        """When the server goes on: its time-out or the end of its waiting, or octets for it before that."""
        if self._listening:
            return min(self._wake, max(self._server_at, self._to_meter.next_time()))
        return self._wake

    def _step(self, moment: float) -> None:
        """Let the server go on at ``moment``, until it waits again."""
        if moment > self._server_at:
            self._server_at = moment
            self._spins = 0
        answer: Answer = self._to_meter.take(moment) if self._listening else None
        self._listening = False
        resume: Callable[[Answer], Effect] = self._server.send
        while True:
            self._spins += 1
            if self._spins > SPIN_LIMIT:
                self._wake = INFINITE
                raise LimitExceeded(f"{self.name}: the server spins at {self._server_at} s", layer="port")
            self._started = True
            try:
                effect = resume(answer)
            except StopIteration as end:
                self._wake = INFINITE
                self.server_result = end.value
                return
            except MeterError as error:
                self._wake = INFINITE
                self.server_error = error
                self._closes_at = self._server_at
                return
            except BaseException:
                self._wake = INFINITE
                raise
            answer = None
            match effect:
                case Receive(timeout):
                    answer = self._to_meter.take(self._server_at)
                    if not answer and timeout > 0:
                        self._listening = True
                        self._wake = self._server_at + timeout
                        return
                case Send(data):
                    self._wake = self._answer(data)
                    if self._wake > self._server_at:
                        return
                case Sleep(seconds):
                    if seconds > 0:
                        self._wake = self._server_at + seconds
                        return
                case Now():
                    answer = self._server_at
                case SetLine(baud):
                    real = self.model.meter_baud(baud)
                    self._to_client.set_sender(self._server_at, real)
                    self._to_meter.set_receiver(self._server_at, real)
                    self.log.append(LineEvent(self._server_at, self._server_at, "server", "speed", baud=baud))
                case Emit(event):
                    self.server_events.append(event)

    def _answer(self, data: bytes) -> float:
        passage = self._faults.answer(data)
        ready = max(self._server_at, self._to_meter.received_at + self.model.turnaround) + passage.late
        start = max(ready, self._to_client.free_at)
        end = self._to_client.put(start, data, self._light.shone_on(passage.data, start, self._to_client.char))
        self._note("server", start, end, data, self._to_client.sender, lost=bool(data) and not passage.data)
        if passage.closes:
            self._closes_at = end + self.model.delay + self.model.latency
        return end


class AsyncFromSync:
    """An asyncio face for a port that never really waits, as the virtual and the replaying one."""

    def __init__(self, port: Port) -> None:
        self.port = port

    @property
    def name(self) -> str:
        """The name of the port behind."""
        return self.port.name

    async def send(self, data: bytes) -> None:
        """As the port behind."""
        self.port.send(data)

    async def receive(self, timeout: float) -> bytes:
        """As the port behind."""
        return self.port.receive(timeout)

    async def set_line(self, baud: int) -> None:
        """As the port behind."""
        self.port.set_line(baud)

    async def sleep(self, seconds: float) -> None:
        """As the port behind."""
        self.port.sleep(seconds)

    def now(self) -> float:
        """As the port behind."""
        return self.port.now()

    async def close(self) -> None:
        """As the port behind."""
        self.port.close()
