"""Simulated meters on real descriptors: pseudo terminals, TCP, UDP, RFC 2217; many at once, in one thread of their own.

::

    with Simulator("residential", ["pty", "tcp://127.0.0.1:0"]) as simulator:
        meter = metersdk.connect(simulator.targets[0])
"""

from __future__ import annotations

import asyncio
import atexit
import socket
import threading
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from metersdk.effects import Dialog, Receive
from metersdk.errors import LocalProtocolError, MeterError
from metersdk.port import serving
from metersdk.port.drive import AsyncPort, arun
from metersdk.port.paced import LinePort, Wire
from metersdk.port.streams import AsyncSocketPort
from metersdk.simulator.device import MeterDevice
from metersdk.simulator.faults import Faults
from metersdk.simulator.image import Image
from metersdk.simulator.listening import Listening, parse_listening
from metersdk.simulator.station import StationSettings, station

# A session starts here, whatever comes later.
_START = {"optical": 300, "c1218": 9600}
# Seconds of silence after which a client of a UDP port is forgotten, and its association with it.
_FORGOTTEN = 300.0
_UDP_CLIENTS = 10_000
# Seconds before a meter that dials in calls again.
_REDIAL = 0.5
# Seconds before the next client is taken when one could not be.
_BREATH = 0.05


@dataclass(frozen=True, slots=True)
class LineSetting:
    """A setting that an RFC 2217 client asked for: ``baudrate bytesize parity stopbits dtr rts xonxoff rtscts``."""

    name: str
    value: object


class Simulator:
    """Meters that listen until they are closed. Listens as soon as it is made; a context manager.

    Args:
        images: a meter, by the name or file of its image or as an ``Image``; or several of them.
        listen: where each of them listens. ``pty`` is a serial device, ``tcp://127.0.0.1:0?framing=wrapper|hdlc``,
            ``udp://127.0.0.1:0``, ``rfc2217://127.0.0.1:0``; port 0 takes a free one. ``dial://127.0.0.1:4059`` calls a
            client that listens there, until it does. Keys: ``speech=optical|hdlc|c1218|c1222``,
            ``mode=A..E``, ``identification``, ``baud``, ``address``, ``sleep=1``, ``echo_ack=before|after``,
            ``block_size``, ``push_period``, ``reaction``, ``inactivity``, ``max_info``, ``window``, ``physical``.
        faults: what is wrong with the meters and the lines to them.
        pace: whether octets take their time on pseudo terminals and RFC 2217 lines, ten bits a character at the speed
            that is set, and garble where both ends differ.
        count: how many meters of each image, told apart by serial number and system title. With a port other than 0
            they take the ports that follow.
        listener: called in the simulator's thread with the name of the port and what happens there: ``State`` events
            of the meter, ``LineSetting``, and the ``MeterError`` that ended a connection.

    Attributes:
        targets: what ``metersdk.connect`` takes to reach each of them: first all of the first meter.
        devices: the meters.

    Raises:
        LocalProtocolError: no such image, place or key.
        PortError: the address cannot be listened at.
    """

    def __init__(
        self,
        images: Image | str | Sequence[Image | str],
        listen: Sequence[str] = ("pty",),
        *,
        faults: Faults | None = None,
        pace: bool = True,
        count: int = 1,
        listener: Callable[[str, object], object] | None = None,
    ) -> None:
        chosen = [images] if isinstance(images, (Image, str)) else list(images)
        loaded = [image if isinstance(image, Image) else Image.load(image) for image in chosen]
        places = [parse_listening(text) for text in listen]
        if not loaded or not places or count < 1:
            raise LocalProtocolError("nothing to simulate", hint="give an image and a place to listen at")
        self.targets: list[str] = []
        self.devices: list[MeterDevice] = []
        self._faults = faults or Faults()
        self._pace = pace
        self._listener = listener
        self._openings: list[Callable[[], Coroutine[object, object, None]]] = []
        self._closers: list[Callable[[], None]] = []
        self._defect: BaseException | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopped = asyncio.Event()
        self._over = threading.Event()
        try:
            for image in loaded:
                for number in range(count):
                    device = numbered(image, number).device()
                    self.devices.append(device)
                    for place in places:
                        self._open(device, place, number)
        except BaseException:
            self._release()
            raise
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name="metersdk-simulator", daemon=True)
        # A daemon thread that still runs when the interpreter goes away makes a noise.
        atexit.register(self.close)
        self._thread.start()

    def wait(self, timeout: float | None = None) -> bool:
        """Until the simulator is closed, by another thread or a signal; False after ``timeout`` seconds."""
        return self._over.wait(timeout)

    def close(self) -> None:
        """Hang up on all clients, and stop listening. A second call does nothing.

        Raises:
            Exception: a defect that ended a meter meanwhile; the others went on.
        """
        atexit.unregister(self.close)
        # The loop is closed by then, or about to be: a second call.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._stopped.set)
        if threading.current_thread() is self._thread:
            return
        self._thread.join()
        defect, self._defect = self._defect, None
        if defect is not None:
            raise defect

    def __enter__(self) -> Simulator:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Simulator {' '.join(self.targets)}>"

    # --- opening, in the thread of the caller ---

    def _open(self, device: MeterDevice, place: Listening, number: int) -> None:
        settings = place.settings(device)
        if settings.optical is not None:
            settings = replace(settings, optical=self._faults.optical(settings.optical))
        settings = replace(settings, c1218=self._faults.c1218)
        port = place.port + number if place.port else 0
        if place.kind == "pty":
            # Not on Windows: imported where it is wanted.
            from metersdk.port.pty import PtyWire

            pty = PtyWire(busy=self._faults.busy)
            self._closers.append(pty.close)
            self.targets.append(place.target(settings, pty.path, 0))
            self._openings.append(lambda: self._meter(device, settings, self._line(pty, settings)))
            return
        if place.kind == "dial":
            target = place.target(settings, "", place.port)
            self.targets.append(target)
            self._openings.append(lambda: self._dial(device, settings, place, target))
            return
        bind = serving.datagrams if place.kind == "udp" else serving.listening
        sock = bind(place.host, port)
        self._closers.append(sock.close)
        target = place.target(settings, "", sock.getsockname()[1])
        self.targets.append(target)
        if place.kind == "udp":
            self._openings.append(lambda: self._datagrams(device, settings, sock, target))
        else:
            self._openings.append(lambda: self._connections(device, settings, sock, target, place.kind))

    def _release(self) -> None:
        for close in self._closers:
            close()

    # --- serving, in a thread of its own ---

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve_all())
        finally:
            self._release()
            self._loop.close()
            self._over.set()

    async def _serve_all(self) -> None:
        for opening in self._openings:
            self._start(opening())
        await self._stopped.wait()
        while self._tasks:
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(self._tasks)

    def _start(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._defect = self._defect or task.exception()

    async def _meter(self, device: MeterDevice, settings: StationSettings, port: AsyncPort) -> None:
        """One meter on one port or connection, until it closes."""
        dialog: Dialog[None] = _deaf() if self._faults.silent else station(device, settings)
        try:
            await arun(dialog, port, lambda event: self._tell(port.name, event))
        except MeterError as error:
            self._tell(port.name, error)
        finally:
            await port.close()

    async def _connections(
        self, device: MeterDevice, settings: StationSettings, server: socket.socket, target: str, kind: str
    ) -> None:
        while True:
            try:
                sock, name = await serving.accepted(server, target)
            except MeterError as error:
                # Out of descriptors, or a client that left the queue: the others shall be served.
                self._tell(target, error)
                await asyncio.sleep(_BREATH)
                continue
            if self._faults.busy:
                sock.close()
                continue
            try:
                port = self._rfc2217(settings, sock, name) if kind == "rfc2217" else self._stream(sock, name)
            except MeterError as error:
                # Gone before its options could be told to it.
                sock.close()
                self._tell(name, error)
                continue
            self._start(self._meter(device, settings, port))

    async def _dial(self, device: MeterDevice, settings: StationSettings, place: Listening, target: str) -> None:
        """Call the client, again and again: it listens when it likes."""
        while True:
            try:
                sock = await serving.dialled(place.host, place.port, target)
            except MeterError as error:
                self._tell(target, error)
            else:
                await self._meter(device, settings, self._stream(sock, target))
            await asyncio.sleep(_REDIAL)

    async def _datagrams(
        self, device: MeterDevice, settings: StationSettings, sock: socket.socket, target: str
    ) -> None:
        clients: dict[tuple[object, ...], serving.DatagramPort] = {}
        while True:
            data, peer = await serving.received(sock)
            if peer not in clients:
                if len(clients) >= _UDP_CLIENTS:
                    continue
                name = f"{target} from {peer[0]}:{peer[1]}"
                clients[peer] = serving.DatagramPort(sock, peer, name, self._faults.line, _FORGOTTEN)
                task = self._start(self._meter(device, settings, clients[peer]))
                task.add_done_callback(partial(_forget, clients, peer))
            clients[peer].put(data)

    def _stream(self, sock: socket.socket, name: str) -> AsyncPort:
        if self._faults.on_the_way:
            return LinePort(serving.SocketWire(sock, name), self._faults.line)
        return AsyncSocketPort(sock, name)

    def _rfc2217(self, settings: StationSettings, sock: socket.socket, name: str) -> AsyncPort:
        return self._line(serving.Rfc2217Wire(sock, name, partial(self._heard, name)), settings)

    def _line(self, wire: Wire, settings: StationSettings) -> LinePort:
        start = _START.get(settings.speech, settings.baud)
        model = replace(self._faults.line, baud=start if self._pace else None)
        return LinePort(wire, model, self._faults.tuned)

    def _heard(self, name: str, setting: str, value: object) -> None:
        self._tell(name, LineSetting(setting, value))

    def _tell(self, name: str, event: object) -> None:
        if self._listener is not None:
            self._listener(name, event)


def _forget(
    clients: dict[tuple[object, ...], serving.DatagramPort], peer: tuple[object, ...], task: asyncio.Task[None]
) -> None:
    del clients[peer]


def _deaf() -> Dialog[None]:
    """A meter that never answers."""
    while True:
        yield Receive(_FORGOTTEN)


def numbered(image: Image, number: int) -> Image:
    """The n-th meter of an image: serial number, logical device name and system title count on from the image's."""
    if not number:
        return image
    who = image.meter
    serial = _counted(who.serial, number)
    title = who.system_title[:-4] + ((int.from_bytes(who.system_title[-4:]) + number) & 0xFFFFFFFF).to_bytes(4)
    meter = who.model_copy(
        update={
            "serial": serial,
            "logical_device_name": _counted(who.logical_device_name, number),
            "system_title": title,
        }
    )
    lines = tuple(
        line.model_copy(update={"value": serial}) if getattr(line, "value", None) == who.serial else line
        for line in image.readout
    )
    return image.model_copy(update={"meter": meter, "readout": lines})


def _counted(text: str, number: int) -> str:
    """The digits at the end of ``text``, counted on without growing longer."""
    head = text.rstrip("0123456789")
    width = len(text) - len(head)
    return head + f"{(int(text[len(head) :] or 0) + number) % 10**width:0{width}d}" if width else text
