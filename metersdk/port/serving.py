"""Sockets of a server: a TCP connection as a ``Wire``, the clients of a UDP port, and a line behind RFC 2217."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections import deque
from collections.abc import Callable
from types import SimpleNamespace

from metersdk.errors import PortClosed
from metersdk.port import blocking
from metersdk.port.line import Faults, LineModel

# Connections that wait to be taken: a fleet of readers starts at once.
_BACKLOG = 1024
# What PortManager raises for a subnegotiation that is none.
_MALFORMED = (TypeError, ValueError, KeyError, IndexError, struct.error)
# Datagrams of one client that wait to be served.
_QUEUE = 256
# Seconds of rest after a datagram socket that failed.
_BREATH = 0.01


def listening(host: str, port: int) -> socket.socket:
    """A TCP socket that listens; ``port`` 0 takes a free one.

    Raises:
        PortError: the address is not ours, or taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        server = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise blocking.connection_error(f"{host}:{port}", error) from error
    server.setblocking(False)
    return server


def datagrams(host: str, port: int) -> socket.socket:
    """A bound UDP socket; ``port`` 0 takes a free one.

    Raises:
        PortError: the address is not ours, or taken.
    """
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        raise blocking.connection_error(f"{host}:{port}", error) from error
    sock.setblocking(False)
    return sock


class SocketWire:
    """One TCP connection whose client has no UART that we know of."""

    def __init__(self, sock: socket.socket, name: str) -> None:
        self.name = name
        self._socket = sock
        sock.setblocking(False)

    def fileno(self) -> int:
        """The socket."""
        return self._socket.fileno()

    def read(self) -> list[bytes | int]:
        """Octets since the last call."""
        data = self.take()
        return [data] if data else []

    def take(self) -> bytes:
        """What has come, empty if nothing has."""
        try:
            data = self._socket.recv(blocking.RECEIVE_SIZE)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise blocking.connection_lost(self.name, error) from error
        if not data:
            raise blocking.connection_lost(self.name)
        return data

    def write(self, data: bytes) -> int:
        """To the network; how many octets it took."""
        try:
            return self._socket.send(data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise blocking.connection_lost(self.name, error) from error

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()


class Rfc2217Wire:
    """One RFC 2217 client. The line settings it asks for are taken, told to ``heard``, and answered as set.

    Args:
        heard: called with the name and value of each setting: ``baudrate bytesize parity stopbits dtr rts ...``.
    """

    def __init__(self, sock: socket.socket, name: str, heard: Callable[[str, object], None]) -> None:
        from serial.rfc2217 import PortManager

        self.name = name
        self._wire = SocketWire(sock, name)
        self._line = _Settings(heard)
        self._manager = PortManager(self._line, self._wire)  # type: ignore[arg-type]
        self._baud: int | None = None

    def fileno(self) -> int:
        """The socket."""
        return self._wire.fileno()

    def read(self) -> list[bytes | int]:
        """Octets and changes of speed since the last call."""
        news: list[bytes | int] = []
        octets = bytearray()
        try:
            for octet in self._manager.filter(self._wire.take()):
                self._note_speed(news, octets)
                octets += octet
        except _MALFORMED as error:
            raise PortClosed(f"{self.name}: the client does not speak RFC 2217", layer="port") from error
        self._note_speed(news, octets)
        if octets:
            news.append(self._line.to_line(bytes(octets)))
        return news

    def write(self, data: bytes) -> int:
        """Octets from the line to the client, as its UART would hand them on: all of them, or the client is lost."""
        escaped = b"".join(self._manager.escape(self._line.from_line(data)))
        if self._wire.write(escaped) < len(escaped):
            raise PortClosed(f"{self.name}: the client does not read", layer="port")
        return len(data)

    def close(self) -> None:
        """Close the connection."""
        self._wire.close()

    def _note_speed(self, news: list[bytes | int], octets: bytearray) -> None:
        baud = self._line.baudrate
        if baud == self._baud:
            return
        if octets:
            news.append(self._line.to_line(bytes(octets)))
            octets.clear()
        self._baud = baud
        news.append(baud)


class _Settings(SimpleNamespace):
    """What PortManager takes for a serial port: settings and modem lines, each change of which is told."""

    baudrate: int
    bytesize: int
    parity: str

    def __init__(self, heard: Callable[[str, object], None]) -> None:
        object.__setattr__(self, "_heard", None)
        super().__init__(baudrate=300, bytesize=8, parity="N", stopbits=1, xonxoff=False, rtscts=False)
        super().__init__(dtr=True, rts=True, break_condition=False, cts=True, dsr=True, ri=False, cd=True)
        object.__setattr__(self, "_heard", heard)

    def __setattr__(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)
        if self._heard is not None:
            self._heard(name, value)

    def reset_input_buffer(self) -> None:
        """Nothing is kept here."""

    def reset_output_buffer(self) -> None:
        """Nothing is kept here."""

    def to_line(self, data: bytes) -> bytes:
        """Characters of 7 bits and parity as the eight bits they are on the line."""
        if self.bytesize == 8:
            return data
        odd = self.parity == "O"
        return bytes(octet | ((octet.bit_count() & 1) ^ odd) << 7 for octet in data.translate(_SEVEN))

    def from_line(self, data: bytes) -> bytes:
        """The reverse; a parity error is not told, as by most servers."""
        return data if self.bytesize == 8 else data.translate(_SEVEN)


_SEVEN = bytes(octet & 0x7F for octet in range(256))


class DatagramPort:
    """An ``AsyncPort`` for one client of a UDP port: one datagram for each ``receive``.

    Args:
        idle: seconds without a datagram after which the client counts as gone.
    """

    def __init__(self, sock: socket.socket, peer: tuple[object, ...], name: str, model: LineModel, idle: float) -> None:
        self.name = name
        self._socket = sock
        self._peer = peer
        self._model = model
        self._idle = idle
        self._faults = Faults(model)
        self._waiting: deque[bytes] = deque()
        self._news = asyncio.Event()

    def put(self, data: bytes) -> None:
        """A datagram has come; a client that sends faster than it is served loses some."""
        data = self._faults.request(data).data
        if data and len(self._waiting) < _QUEUE:
            self._waiting.append(data)
            self._news.set()

    async def send(self, data: bytes) -> None:
        """One datagram; the network may lose it."""
        passage = self._faults.answer(data)
        pause = passage.late + self._model.turnaround + self._model.latency + 2 * self._model.delay
        if pause:
            await asyncio.sleep(pause)
        if passage.data:
            try:
                self._socket.sendto(passage.data, self._peer)
            except BlockingIOError:
                return
            except OSError as error:
                raise blocking.connection_lost(self.name, error) from error

    async def receive(self, timeout: float) -> bytes:
        """The next datagram.

        Raises:
            PortClosed: the client has not been heard of for ``idle`` seconds.
        """
        if not self._waiting:
            self._news.clear()
            try:
                async with asyncio.timeout(min(timeout, self._idle)):
                    await self._news.wait()
            except TimeoutError:
                if timeout < self._idle:
                    return b""
                raise PortClosed(f"{self.name}: nothing more came", layer="port") from None
        return self._waiting.popleft()

    async def set_line(self, baud: int) -> None:
        """Nothing: there is no line."""

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""
        await asyncio.sleep(max(0.0, seconds))

    def now(self) -> float:
        """Monotonic seconds."""
        return time.monotonic()

    async def close(self) -> None:
        """Nothing: the socket belongs to all clients."""


async def accepted(server: socket.socket, name: str) -> tuple[socket.socket, str]:
    """The next client of a listening socket, and the name of its connection.

    Raises:
        PortError: it could not be taken, as when descriptors run out; the next one may be.
    """
    try:
        sock, peer = await asyncio.get_running_loop().sock_accept(server)
        blocking.prompt(sock)
    except OSError as error:
        raise blocking.connection_error(name, error) from error
    return sock, f"{name} from {peer[0]}:{peer[1]}"


async def dialled(host: str, port: int, name: str) -> socket.socket:
    """A connection to a client that listens.

    Raises:
        PortError: nobody does.
    """
    loop = asyncio.get_running_loop()
    try:
        family, kind, protocol, _, where = (await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM))[0]
        sock = socket.socket(family, kind, protocol)
        sock.setblocking(False)
        try:
            async with asyncio.timeout(blocking.CONNECT_TIMEOUT):
                await loop.sock_connect(sock, where)
            blocking.prompt(sock)
        except BaseException:
            sock.close()
            raise
    except OSError as error:
        raise blocking.connection_error(name, error) from error
    return sock


async def received(sock: socket.socket) -> tuple[bytes, tuple[object, ...]]:
    """The next datagram, and who sent it."""
    while True:
        try:
            return await asyncio.get_running_loop().sock_recvfrom(sock, blocking.RECEIVE_SIZE)
        except OSError:
            # ICMP of a client that has gone: not about the next datagram. What stays must not hold up the loop.
            await asyncio.sleep(_BREATH)
