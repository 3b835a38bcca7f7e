"""Ports for asyncio: ``loop.add_reader`` on the descriptor that pyserial or a socket opened.

Where a loop has no readers for it (Windows) or the library blocks inside (RFC 2217), a thread does the blocking port.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import serial

from metersdk.errors import PortClosed, PortError
from metersdk.port import blocking
from metersdk.port.drive import AsyncPort, Port
from metersdk.port.host.ports import by_id_of
from metersdk.port.serial_port import (
    POSIX,
    READ_SIZE,
    STUCK,
    announced_in_vain,
    line_time,
    lost,
    open_rfc2217,
    open_serial,
    opened,
    released,
    set_speed,
)
from metersdk.port.target import Address

R = TypeVar("R")

# A blocking receive in a thread cannot be cancelled: it comes back this often to see whether anybody still waits.
_THREAD_SLICE = 0.2
# A driver that has octets left is asked again after this long.
_DRAIN_STEP = 0.002


async def open_async(address: Address) -> AsyncPort:
    """Open a line, a socket, or wait for a meter to dial in; errors as the blocking ports raise them."""
    if address.scheme == "rfc2217":
        return await _in_thread(lambda: open_rfc2217(address))
    if address.scheme == "esphome":
        from metersdk.port.remote import open_esphome

        return await _in_thread(lambda: open_esphome(address))
    if not POSIX:
        if address.scheme in ("serial", "pty"):
            return await _in_thread(lambda: open_serial(address))
        return await _in_thread(lambda: blocking.open_socket(address))
    if address.scheme in ("serial", "pty"):
        return AsyncSerialPort(opened(address), address)
    if address.scheme == "listen":
        with blocking.bound(address) as server:
            return await accept(server, str(address), address.timeout)
    return await _connected(address)


async def accept(server: socket.socket, name: str, timeout: float | None = None) -> AsyncSocketPort:
    """The next meter that dials in at a listening socket, which stays open for more.

    Raises:
        NoAnswer: none came within ``timeout`` seconds; None waits without end.
    """
    server.setblocking(False)
    while True:
        if not await _ready(server.fileno(), timeout):
            raise blocking.nobody_came(name)
        try:
            sock, peer = server.accept()
            blocking.prompt(sock)
        except BlockingIOError:
            continue
        except OSError as error:
            raise blocking.connection_error(name, error) from error
        return AsyncSocketPort(sock, f"{name} from {peer[0]}")


async def _connected(address: Address) -> AsyncSocketPort:
    """TCP: the first address of the host that takes the connection. UDP: the first one."""
    loop = asyncio.get_running_loop()
    kind = socket.SOCK_DGRAM if address.is_datagram else socket.SOCK_STREAM
    failure: OSError | None = None
    try:
        async with asyncio.timeout(address.timeout or blocking.CONNECT_TIMEOUT):
            for family, kind_, protocol, _, where in await loop.getaddrinfo(address.host, address.port, type=kind):
                sock = socket.socket(family, kind_, protocol)
                try:
                    sock.setblocking(False)
                    await loop.sock_connect(sock, where)
                    if not address.is_datagram:
                        blocking.prompt(sock)
                except OSError as error:
                    failure = error
                    sock.close()
                except BaseException:
                    sock.close()
                    raise
                else:
                    return AsyncSocketPort(sock, str(address), datagram=address.is_datagram)
    except OSError as error:
        # TimeoutError is one, and so is a name that cannot be resolved.
        raise blocking.connection_error(str(address), error) from error
    raise blocking.connection_error(str(address), failure or OSError("no address")) from failure


async def _ready(fd: int, timeout: float | None, *, write: bool = False) -> bool:
    """Whether the descriptor can be read (or written) within ``timeout`` seconds. Reads nothing, so loses nothing."""
    loop = asyncio.get_running_loop()
    waiter: asyncio.Future[bool] = loop.create_future()
    add, remove = (loop.add_writer, loop.remove_writer) if write else (loop.add_reader, loop.remove_reader)
    add(fd, _settle, waiter, True)
    endless = timeout is None or timeout == float("inf")
    timer = None if endless else loop.call_later(max(0.0, timeout or 0.0), _settle, waiter, False)
    try:
        return await waiter
    finally:
        remove(fd)
        if timer is not None:
            timer.cancel()


def _settle(waiter: asyncio.Future[bool], ready: bool) -> None:
    if not waiter.done():
        waiter.set_result(ready)


class AsyncSerialPort:
    """A serial device by its descriptor, in the running loop (POSIX)."""

    def __init__(self, device: serial.Serial, address: Address) -> None:
        self.name = str(address)
        self._device = device
        self._address = address
        self._baud = int(device.baudrate)
        self._fd: int = device.fileno()
        # Asked now: the name goes with the device.
        self._by_id = by_id_of(address.path)

    async def send(self, data: bytes) -> None:
        """Write, and return when the last stop bit has left; the loop goes on meanwhile."""
        self._check_open()
        started = time.monotonic()
        needed = line_time(self._address, self._baud, len(data))
        limit = started + needed + STUCK
        view = memoryview(data)
        try:
            while view:
                try:
                    view = view[os.write(self._fd, view) :]
                except BlockingIOError:
                    if not await _ready(self._fd, limit - time.monotonic(), write=True):
                        raise PortError(f"{self.name}: the port takes no more octets", layer="port") from None
            if self._address.drain != "trust":
                await self.sleep(started + needed - time.monotonic())
            # tcdrain would block the loop: the driver is asked how much is left instead.
            while self._address.drain != "compute" and self._device.out_waiting:
                if time.monotonic() > limit:
                    raise PortError(f"{self.name}: the port does not get rid of its octets", layer="port")
                await asyncio.sleep(_DRAIN_STEP)
        except OSError as error:
            raise lost(self.name, error, self._by_id) from error

    async def receive(self, timeout: float) -> bytes:
        """What the driver has."""
        self._check_open()
        try:
            if not await _ready(self._fd, timeout):
                return b""
            data = os.read(self._fd, READ_SIZE)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise lost(self.name, error, self._by_id) from error
        if not data:
            raise announced_in_vain(self._fd, self.name, self._by_id)
        return data

    async def set_line(self, baud: int) -> None:
        """Change the speed of the open descriptor; ``send`` has drained it."""
        self._check_open()
        if baud != self._baud:
            set_speed(self._device, self.name, baud)
            self._baud = baud

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""
        await asyncio.sleep(max(0.0, seconds))

    def now(self) -> float:
        """Monotonic seconds."""
        return time.monotonic()

    async def close(self) -> None:
        """Give the device back."""
        self._fd = -1
        released(self._device)

    def _check_open(self) -> None:
        if self._fd < 0:
            raise PortClosed(f"{self.name} is closed", layer="port")


class AsyncSocketPort:
    """A connected TCP or UDP socket in the running loop; ``set_line`` does nothing."""

    def __init__(self, sock: socket.socket, name: str, *, datagram: bool = False) -> None:
        self.name = name
        self._socket = sock
        self._datagram = datagram
        self.round_trip = 0.0 if datagram else blocking.round_trip_of(sock)
        sock.setblocking(False)

    async def send(self, data: bytes) -> None:
        """Handed to the network, which is all that can be known."""
        self._check_open()
        try:
            async with asyncio.timeout(blocking.SEND_TIMEOUT):
                await asyncio.get_running_loop().sock_sendall(self._socket, data)
        except ConnectionRefusedError:
            raise blocking.nobody_listens(self.name) from None
        except OSError as error:
            raise blocking.connection_lost(self.name, error) from error

    async def receive(self, timeout: float) -> bytes:
        """What has come; one datagram at a time."""
        self._check_open()
        deadline = time.monotonic() + timeout
        while True:
            try:
                data = self._socket.recv(blocking.RECEIVE_SIZE)
            except BlockingIOError:
                if not await _ready(self._socket.fileno(), deadline - time.monotonic()):
                    return b""
                continue
            except ConnectionRefusedError:
                raise blocking.nobody_listens(self.name) from None
            except OSError as error:
                raise blocking.connection_lost(self.name, error) from error
            if data:
                return data
            if not self._datagram:
                raise blocking.connection_lost(self.name)
            # An empty datagram is legal, and says nothing; a flood of them holds up neither us nor the loop.
            if time.monotonic() >= deadline:
                return b""
            await asyncio.sleep(0)

    async def set_line(self, baud: int) -> None:
        """Nothing: a socket has no speed."""

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""
        await asyncio.sleep(max(0.0, seconds))

    def now(self) -> float:
        """Monotonic seconds."""
        return time.monotonic()

    async def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def _check_open(self) -> None:
        if self._socket.fileno() < 0:
            raise PortClosed(f"{self.name} is closed", layer="port")


def _let_go(opening: Future[Port]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()


async def _in_thread(opener: Callable[[], Port]) -> ThreadedPort:
    executor = ThreadPoolExecutor(1, thread_name_prefix="metersdk-port")
    opening = executor.submit(opener)
    try:
        return ThreadedPort(await asyncio.wrap_future(opening), executor)
    except BaseException:
        # Given up: the thread cannot be stopped, but what it opens after all is closed again.
        opening.add_done_callback(_let_go)
        executor.shutdown(wait=False)
        raise


class ThreadedPort:
    """A blocking port in a thread of its own. What it received for a caller that gave up goes to the next one."""

    def __init__(self, port: Port, executor: ThreadPoolExecutor | None = None) -> None:
        self.name = port.name
        self.round_trip: float = getattr(port, "round_trip", 0.0)
        self._port = port
        self._executor = executor or ThreadPoolExecutor(1, thread_name_prefix="metersdk-port")
        self._reading: asyncio.Future[bytes] | None = None
        self._closed = False

    async def send(self, data: bytes) -> None:
        """As the port behind."""
        await self._call(lambda: self._port.send(data))

    async def receive(self, timeout: float) -> bytes:
        """As the port behind."""
        deadline = time.monotonic() + timeout
        while True:
            if self._reading is None:
                share = min(_THREAD_SLICE, max(0.0, deadline - time.monotonic()))
                self._reading = self._call(lambda share=share: self._port.receive(share))  # type: ignore[misc]
            try:
                data = await asyncio.shield(self._reading)
            except asyncio.CancelledError:
                raise
            except BaseException:
                self._reading = None
                raise
            self._reading = None
            if data or time.monotonic() >= deadline:
                return data

    async def set_line(self, baud: int) -> None:
        """As the port behind."""
        await self._call(lambda: self._port.set_line(baud))

    async def sleep(self, seconds: float) -> None:
        """Let time pass; the thread is not needed for it."""
        await asyncio.sleep(max(0.0, seconds))

    def now(self) -> float:
        """As the port behind."""
        return self._port.now()

    async def close(self) -> None:
        """As the port behind, and the thread ends."""
        if self._reading is not None:
            await asyncio.wait([self._reading])
            if not self._reading.cancelled():
                # Its error, if any, is nobody's any more.
                self._reading.exception()
            self._reading = None
        if not self._closed:
            closing = self._call(self._port.close)
            self._closed = True
            await closing
            self._executor.shutdown(wait=False)

    def _call(self, work: Callable[[], R]) -> asyncio.Future[R]:
        if self._closed:
            raise PortClosed(f"{self.name} is closed", layer="port")
        return asyncio.get_running_loop().run_in_executor(self._executor, work)
