"""TCP and UDP, blocking; and the meter that dials in."""

from __future__ import annotations

import errno
import select
import socket
import sys
import time
from collections.abc import Callable

from metersdk.errors import MeterError, NoAnswer, PortBusy, PortClosed, PortDenied, PortError, PortNotFound
from metersdk.port.target import Address

# Seconds to wait for a connection where the target does not say.
CONNECT_TIMEOUT = 10.0
# Seconds a peer may leave a full send buffer standing: requests are small, only a dead peer does so.
SEND_TIMEOUT = 10.0
RECEIVE_SIZE = 65536
# Milliseconds that poll takes: 24 days.
_LONGEST_POLL = 0x7FFF_FFFF

# struct tcp_info of Linux: tcpi_rtt, microseconds, smoothed.
_TCP_INFO, _TCP_INFO_SIZE, _RTT = 11, 104, slice(68, 72)

_UNREACHABLE = (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN, errno.EADDRNOTAVAIL)


def connection_error(name: str, error: OSError) -> MeterError:
    """The error for a connection that did not come about, or a socket that could not be bound."""
    if isinstance(error, socket.gaierror):
        return PortNotFound(
            f"{name}: the host name cannot be resolved ({error.strerror})",
            layer="port",
            hint="check the spelling, or use the address",
        )
    if isinstance(error, TimeoutError):
        return PortError(
            f"{name}: no connection within the time",
            layer="port",
            retryable=True,
            hint="check address and firewall; a meter with a modem may be asleep",
        )
    if isinstance(error, ConnectionRefusedError):
        return PortError(
            f"{name}: connection refused",
            layer="port",
            retryable=True,
            hint="check the port; a meter that allows one session refuses a second one",
        )
    if error.errno in _UNREACHABLE:
        return PortNotFound(
            f"{name}: host unreachable ({error.strerror})", layer="port", hint="check address and route"
        )
    if error.errno == errno.EADDRINUSE:
        return PortBusy(f"{name}: another program listens there", layer="port", hint="close it, or choose another port")
    if error.errno in (errno.EACCES, errno.EPERM):
        return PortDenied(f"{name}: {error.strerror}", layer="port", hint="ports below 1024 need privileges")
    return PortError(f"{name}: {error.strerror or error}", layer="port")


def connection_lost(name: str, error: OSError | None = None) -> PortClosed:
    """The error for a connection that was there and is no more."""
    reason = f" ({error.strerror})" if error is not None and error.strerror else ""
    return PortClosed(
        f"{name}: the peer closed the connection{reason}",
        layer="port",
        retryable=True,
        hint="a meter that allows one session only closes a second one; so does one that is spoken to in another way"
        " than its own (?framing=hdlc, ?framing=wrapper)",
    )


def nobody_listens(name: str) -> PortError:
    """UDP: the host answered with ICMP port unreachable."""
    return PortError(f"{name}: nobody listens on this port", layer="port", retryable=True, hint="check the port")


def nobody_came(name: str) -> NoAnswer:
    """``listen``: no meter dialled in."""
    return NoAnswer(f"{name}: no meter dialled in", layer="port", retryable=True, hint="check where the meter calls")


def bound(address: Address) -> socket.socket:
    """A socket that listens where ``address`` says; every interface, IPv4 and IPv6, if it names no host."""
    try:
        if not address.host and socket.has_dualstack_ipv6():
            return socket.create_server(
                ("", address.port), family=socket.AF_INET6, dualstack_ipv6=True, reuse_port=False, backlog=1
            )
        family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        return socket.create_server((address.host, address.port), family=family, backlog=1)
    except OSError as error:
        raise connection_error(str(address), error) from error


def prompt(sock: socket.socket) -> None:
    """Requests are small and answered one by one: Nagle would hold them back.

    Raises:
        OSError: the peer is gone again already (macOS); the socket is closed.
    """
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError:
        sock.close()
        raise


def round_trip_of(sock: socket.socket) -> float:
    """Seconds to the peer of a TCP connection and back, as the kernel has measured; 0 where it does not tell."""
    if sys.platform != "linux":
        return 0.0
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, _TCP_INFO_SIZE)
    except OSError:
        return 0.0
    return int.from_bytes(info[_RTT], sys.byteorder) / 1e6


def open_socket(address: Address) -> SocketPort:
    """Open a ``tcp``, ``udp`` or ``listen`` target.

    Raises:
        PortError: host unknown, unreachable, refused, or no connection in time.
        NoAnswer: no meter dialled in within the time the target gives.
    """
    if address.scheme == "listen":
        with bound(address) as server:
            return accept(server, str(address), address.timeout)
    timeout = address.timeout or CONNECT_TIMEOUT
    try:
        if address.is_datagram:
            return SocketPort(_datagram(address), str(address), datagram=True)
        sock = socket.create_connection((address.host, address.port), timeout)
        prompt(sock)
    except OSError as error:
        raise connection_error(str(address), error) from error
    return SocketPort(sock, str(address))


def accept(server: socket.socket, name: str, timeout: float | None = None) -> SocketPort:
    """The next meter that dials in at a listening socket, which stays open for more.

    Raises:
        NoAnswer: none came within ``timeout`` seconds; None waits without end.
    """
    server.settimeout(timeout)
    try:
        sock, peer = server.accept()
        prompt(sock)
    except TimeoutError:
        raise nobody_came(name) from None
    except OSError as error:
        raise connection_error(name, error) from error
    return SocketPort(sock, f"{name} from {peer[0]}")


def _datagram(address: Address) -> socket.socket:
    family, kind, protocol, _, where = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_DGRAM)[0]
    sock = socket.socket(family, kind, protocol)
    try:
        # Connected: only the meter's datagrams come in, and ICMP errors are told.
        sock.connect(where)
    except OSError:
        sock.close()
        raise
    return sock


def _waiting(sock: socket.socket, *, to_write: bool = False) -> Callable[[float], bool]:
    """A function that waits so many seconds at most until the socket can be read, or written; False if it cannot."""
    if hasattr(select, "poll"):
        poll = select.poll()
        poll.register(sock, select.POLLOUT if to_write else select.POLLIN)
        ask = poll.poll

        def wait(seconds: float) -> bool:
            if 0 <= seconds < _LONGEST_POLL / 1000:
                return bool(ask(seconds * 1000))
            return bool(ask(0 if seconds < 0 else None if seconds == float("inf") else _LONGEST_POLL))

        return wait

    def wait_by_select(seconds: float) -> bool:
        limit = None if seconds == float("inf") else max(0.0, seconds)
        return any(select.select(*(([], [sock]) if to_write else ([sock], [])), [], limit))

    return wait_by_select


class SocketPort:
    """A connected TCP or UDP socket; ``set_line`` does nothing, for the line behind it, if any, cannot be reached."""

    def __init__(self, sock: socket.socket, name: str, *, datagram: bool = False) -> None:
        self.name = name
        self._socket = sock
        self._datagram = datagram
        self.round_trip = 0.0 if datagram else round_trip_of(sock)
        self._closed = False
        # A socket with a time-out of its own costs three system calls where one does: HDLC sends many small frames.
        sock.setblocking(False)
        self._readable = _waiting(sock)

    def send(self, data: bytes) -> None:
        """Handed to the network, which is all that can be known."""
        self._check_open()
        try:
            sent = self._send(data)
            if sent < len(data):
                self._send_rest(data[sent:])
        except ConnectionRefusedError:
            raise nobody_listens(self.name) from None
        except OSError as error:
            raise connection_lost(self.name, error) from error

    def _send(self, data: bytes) -> int:
        try:
            return self._socket.send(data)
        except BlockingIOError:
            return 0

    def _send_rest(self, data: bytes) -> None:
        writable = _waiting(self._socket, to_write=True)
        deadline = time.monotonic() + SEND_TIMEOUT
        while data:
            if not writable(deadline - time.monotonic()):
                raise TimeoutError(errno.ETIMEDOUT, "it takes no more octets")
            data = data[self._send(data) :]

    def receive(self, timeout: float) -> bytes:
        """What has come; one datagram at a time."""
        self._check_open()
        deadline = time.monotonic() + timeout
        try:
            while self._readable(timeout):
                try:
                    data = self._socket.recv(RECEIVE_SIZE)
                except BlockingIOError:
                    pass
                else:
                    if data:
                        return data
                    if not self._datagram:
                        raise connection_lost(self.name)
                # An empty datagram is legal, and says nothing; one with a wrong checksum only wakes us.
                timeout = deadline - time.monotonic()
                if timeout <= 0:
                    break
            return b""
        except ConnectionRefusedError:
            raise nobody_listens(self.name) from None
        except OSError as error:
            raise connection_lost(self.name, error) from error

    def set_line(self, baud: int) -> None:
        """Nothing: a socket has no speed."""

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        time.sleep(max(0.0, seconds))

    def now(self) -> float:
        """Monotonic seconds."""
        return time.monotonic()

    def close(self) -> None:
        """Close the connection."""
        self._closed = True
        self._socket.close()

    def _check_open(self) -> None:
        if self._closed:
            raise PortClosed(f"{self.name} is closed", layer="port")
