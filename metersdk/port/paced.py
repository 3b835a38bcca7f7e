"""The meter's end of a real descriptor, with the line in between: octets take their time, and garble at wrong speeds.

``LinePort`` carries a server dialog in asyncio. What the client writes and the speed it has set come from a ``Wire``;
between them and the dialog lies the same model of a line as in ``VirtualPort``, in real time. Octets go over in pieces
of 16 ms, as a USB chip hands them on, so 9600 Bd costs no more than 300.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

from metersdk.errors import PortClosed
from metersdk.port.light import Light
from metersdk.port.line import Faults, LineModel
from metersdk.port.way import EPSILON, INFINITE, Way

# Seconds the handling of an event may lag behind its time and still count as that time: what the scheduler of a busy
# computer makes. Beyond it the meter itself was slow.
_LAG = 0.25
# Seconds between two tries to hand on what found no room, and after which it is lost: nobody reads it.
_RETRY = 0.002
_UNREAD = 1.0


class Wire(Protocol):
    """A client at the other end of a descriptor: its octets, and the speed of its UART where it has one."""

    name: str

    def fileno(self) -> int:
        """What to wait for."""

    def read(self) -> list[bytes | int]:
        """What happened since, in order: octets, or the speed the client has set. Never waits.

        Raises:
            PortClosed: the client is gone for good.
        """

    def write(self, data: bytes) -> int:
        """Octets for the client; how many of them found room.

        Raises:
            PortClosed: the client is gone for good.
        """

    def close(self) -> None:
        """Let go of the descriptor."""


class LinePort:
    """An ``AsyncPort`` for the meter's side.

    Its clock is that of the line: ``now()`` is the moment an event was due, not the later one it was handled at. So
    the reactions of the meter are exact, and the delays of this computer do not add up.

    Args:
        wire: the client's end.
        model: what lies in between; ``baud=None`` for no line at all.
        tuned: which speed the meter's UART really takes when it is told one.
    """

    def __init__(self, wire: Wire, model: LineModel, tuned: Callable[[int], int] = int) -> None:
        self.name = wire.name
        self.model = model
        self._wire = wire
        self._tuned = tuned
        self._faults = Faults(model)
        self._to_meter = Way(model, model.delay)
        self._to_client = Way(model, model.delay + model.latency)
        self._echo = Way(model, model.latency)
        if model.baud is not None:
            self._to_client.sender = self._to_meter.receiver = model.meter_baud(model.baud)
        self._clock = time.monotonic()
        self._light = Light(model, self._clock)
        self._left = b""
        self._left_until = INFINITE
        self._closed = False

    async def send(self, data: bytes) -> None:
        """Until the last stop bit has left.

        Raises:
            PortClosed: the client is gone, or the model says that the meter hangs up here.
        """
        self._resume()
        passage = self._faults.answer(data)
        ready = max(self._clock, self._to_meter.received_at + self.model.turnaround) + passage.late
        start = max(ready, self._to_client.free_at)
        seen = self._light.shone_on(passage.data, start, self._to_client.char)
        end = self._to_client.put(start, data, seen)
        await self._pump(end, listening=False)
        if passage.closes:
            await self._pump(end + self.model.delay + self.model.latency, listening=False)
            await self.close()
            raise PortClosed(f"{self.name}: the meter hung up", layer="port")

    async def receive(self, timeout: float) -> bytes:
        """What has come from the client."""
        self._resume()
        return await self._pump(self._clock + max(0.0, timeout), listening=True)

    async def set_line(self, baud: int) -> None:
        """The meter's UART changes speed."""
        self._resume()
        self._take_in(time.monotonic())
        real = self.model.meter_baud(self._tuned(baud))
        self._to_client.set_sender(self._clock, real)
        self._to_meter.set_receiver(self._clock, real)

    async def sleep(self, seconds: float) -> None:
        """Let time pass; octets go on travelling meanwhile."""
        self._resume()
        await self._pump(self._clock + max(0.0, seconds), listening=False)

    def now(self) -> float:
        """Monotonic seconds, by the clock of the line."""
        return self._clock

    async def close(self) -> None:
        """Let go of the client."""
        if not self._closed:
            self._closed = True
            self._wire.close()

    def _resume(self) -> None:
        if self._closed:
            raise PortClosed(f"{self.name} is closed", layer="port")
        wall = time.monotonic()
        if wall - self._clock > _LAG:
            self._clock = wall

    async def _pump(self, deadline: float, *, listening: bool) -> bytes:
        """Carry octets both ways until ``deadline``, or until there are some for a meter that listens."""
        while True:
            wall = time.monotonic()
            self._take_in(wall)
            self._hand_out(wall)
            heard = self._to_meter.next_time() if listening else INFINITE
            if heard <= min(wall, deadline) + EPSILON:
                data = self._to_meter.take(max(heard, self._clock))
                self._clock = max(self._clock, self._to_meter.received_at)
                return data
            if deadline <= wall:
                self._clock = max(self._clock, deadline)
                return b""
            due = min(self._to_client.next_time(), self._echo.next_time(), deadline, heard)
            due = min(due, self._light.next_time())
            if self._left:
                due = min(due, wall + _RETRY)
            await _readable(self._wire.fileno(), due - wall)

    def _take_in(self, wall: float) -> None:
        """What the client did: octets start on their way now, and a new speed holds for all that is not through."""
        for news in self._wire.read():
            if isinstance(news, int):
                self._to_meter.set_sender(wall, news)
                self._echo.set_receiver(wall, news)
                self._echo.set_sender(wall, news)
                self._to_client.set_receiver(wall, news)
            else:
                start = wall + self.model.sending_latency
                self._to_meter.put(start, news, self._faults.request(news).data)
                self._echo.put(start, news, self._faults.echo(news))

    def _hand_out(self, wall: float) -> None:
        """What the client's receiver has got by now, in the order of its sources: echo, answer, light."""
        data = self._echo.take(wall) + self._to_client.take(wall)
        data += self._light.take(wall, self._to_client.receiver)
        data = self._left + self._faults.left(data)
        if not data:
            return
        taken = self._wire.write(data)
        if taken or not self._left:
            self._left_until = wall + _UNREAD
        # A line does not wait for a receiver that reads too slowly. Without one, there is time.
        waits = self.model.baud is None and wall < self._left_until
        self._left = data[taken:] if waits else b""


async def _readable(fd: int, timeout: float) -> None:
    """Wait for the descriptor, ``timeout`` seconds at most."""
    loop = asyncio.get_running_loop()
    waiter: asyncio.Future[None] = loop.create_future()
    loop.add_reader(fd, _settle, waiter)
    timer = None if timeout == INFINITE else loop.call_later(max(0.0, timeout), _settle, waiter)
    try:
        await waiter
    finally:
        loop.remove_reader(fd)
        if timer is not None:
            timer.cancel()


def _settle(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
