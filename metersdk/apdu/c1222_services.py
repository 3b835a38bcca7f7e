"""Services of PSEM that C12.22 adds: Register, Deregister, Resolve, Trace; and what it adds to the others.

Codes and fields are those of ANSI C12.22-2008 5.3.2.4, as published analysers of the protocol name them
(docs/supported.md says what was not seen on a meter). ``decode_request`` and ``decode_answer`` take every service:
those of C12.18 and C12.21 come as in ``metersdk.apdu.psem``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag
from typing import Final, TypeAlias

from metersdk.apdu import psem
from metersdk.apdu.c1222_titles import ABSOLUTE, ApTitle
from metersdk.apdu.psem import Done, Identification, OtherRequest, Refusal, Response, Service
from metersdk.errors import DecodeError, LocalProtocolError

DEVICE_CLASS_SIZE: Final = 4
# Numbers of the features of an identification.
SECURITY_MECHANISM, SESSION_CONTROL, DEVICE_CLASS, DEVICE_IDENTITY = 4, 5, 6, 7
_SESSIONLESS = 0x80


class NodeType(IntFlag):
    """What a node is to the network."""

    RELAY = 0x01
    MASTER_RELAY = 0x02
    HOST = 0x04
    NOTIFICATION_HOST = 0x08
    AUTHENTICATION_HOST = 0x10
    END_DEVICE = 0x20
    DOMAIN_PATTERN = 0x80


class ConnectionType(IntFlag):
    """How a node can be reached; in the answer to Register bit 0 says that messages may go directly."""

    BROADCAST = 0x01
    ACCEPTANCE_WINDOW = 0x02
    PLAYBACK_REJECTION = 0x04
    CONNECTIONLESS = 0x10
    ACCEPT_CONNECTIONLESS = 0x20
    CONNECTIONS = 0x40
    ACCEPT_CONNECTIONS = 0x80


@dataclass(frozen=True, slots=True)
class Register:
    """A node asks to be known to the network.

    ``title`` None: the master relay shall give it one. ``period`` in seconds, 24 bits, 0 leaves it to the relay;
    ``pattern`` is the domain pattern.
    """

    node: NodeType
    connection: ConnectionType
    device_class: bytes
    title: ApTitle | None
    serial: ApTitle | None
    address: bytes = b""
    period: int = 0
    pattern: bytes = b""

    def encode(self) -> bytes:
        if len(self.device_class) != DEVICE_CLASS_SIZE:
            raise LocalProtocolError(f"a device class has {DEVICE_CLASS_SIZE} octets", layer="apdu")
        node = self.node | NodeType.DOMAIN_PATTERN if self.pattern else self.node & ~NodeType.DOMAIN_PATTERN
        return b"".join(
            (
                bytes((Service.REGISTER, node, self.connection)),
                self.device_class,
                _title_or_none(self.title),
                _title_or_none(self.serial),
                _short(self.address),
                _unsigned(self.period, 3),
                _short(self.pattern) if self.pattern else b"",
            )
        )


@dataclass(frozen=True, slots=True)
class Deregister:
    """A node leaves the network."""

    title: ApTitle

    def encode(self) -> bytes:
        return bytes((Service.DEREGISTER,)) + self.title.encode()


@dataclass(frozen=True, slots=True)
class Resolve:
    """Which native address does this node have?"""

    title: ApTitle

    def encode(self) -> bytes:
        return bytes((Service.RESOLVE,)) + self.title.encode()


@dataclass(frozen=True, slots=True)
class Trace:
    """Which way does a message go? Each relay adds its ApTitle."""

    titles: tuple[ApTitle, ...]

    def encode(self) -> bytes:
        return bytes((Service.TRACE,)) + b"".join(title.encode() for title in self.titles)


@dataclass(frozen=True, slots=True)
class Registered:
    """The ApTitle given; seconds to wait (``delay``) before a lost registration is renewed, and that it holds."""

    title: ApTitle | None
    delay: int
    period: int
    info: ConnectionType

    def encode(self) -> bytes:
        times = _unsigned(self.delay, 2) + _unsigned(self.period, 3)
        return b"\0" + _title_or_none(self.title) + times + bytes((self.info,))


@dataclass(frozen=True, slots=True)
class Resolved:
    """The native address: over IP its octets, and those of the port if it is not 1153 (RFC 6142)."""

    address: bytes

    def encode(self) -> bytes:
        return b"\0" + _short(self.address)


@dataclass(frozen=True, slots=True)
class Traced:
    """The nodes on the way; ``response`` tells how it ended."""

    titles: tuple[ApTitle, ...]
    response: Response = Response.OK

    def encode(self) -> bytes:
        return bytes((self.response,)) + b"".join(title.encode() for title in self.titles)


@dataclass(frozen=True, slots=True)
class LoggedOn:
    """``idle``: seconds without a word after which the meter ends the session."""

    idle: int

    def encode(self) -> bytes:
        return b"\0" + _unsigned(self.idle, 2)


Request: TypeAlias = psem.Request | Register | Deregister | Resolve | Trace
Answer: TypeAlias = psem.Answer | Registered | Resolved | Traced | LoggedOn


def decode_request(octets: bytes) -> Request:
    """One whole request.

    Raises:
        ChecksumError: the octets to write do not fit their checksum.
        DecodeError: empty, cut, or with octets behind its end; without its octets, for they may be a password.
    """
    try:
        request = psem.decode_request(octets)
    except DecodeError as error:
        raise DecodeError(error.message, layer="apdu", offset=error.offset) from None
    if not isinstance(request, OtherRequest):
        return request
    reader = _Reader(octets, 1)
    match request.code:
        case Service.REGISTER:
            found: Request = _register(reader)
        case Service.DEREGISTER:
            found = Deregister(reader.title())
        case Service.RESOLVE:
            found = Resolve(reader.title())
        case Service.TRACE:
            found = Trace(reader.titles())
        case _:
            return request
    reader.end()
    return found


def decode_answer(service: Service, octets: bytes) -> Answer:
    """One whole answer to a request of ``service``; errors as in ``psem.decode_answer``."""
    answer = psem.decode_answer(service, octets)
    reader = _Reader(octets, 1)
    found: Answer = answer
    match service, answer:
        case Service.REGISTER, Done():
            found = Registered(reader.title_or_none(), reader.u(2), reader.u(3), ConnectionType(reader.u(1)))
        case Service.RESOLVE, Done():
            found = Resolved(reader.take(reader.u(1)))
        case Service.TRACE, Done() | Refusal():
            found = Traced(reader.titles(), Response(octets[0]))
        case Service.LOGON, Done(body=body) if body:
            found = LoggedOn(reader.u(2))
        case _:
            return answer
    reader.end()
    return found


def size_allowed(refusal: Refusal) -> int | None:
    """The octets that a request or a response may have at most, as *request* or *response too large* says them."""
    if refusal.response in (Response.RQTL, Response.RSTL) and len(refusal.body) >= 4:
        return int.from_bytes(refusal.body[:4], "big")
    return None


# --- Features of an identification ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SessionControl:
    """How many sessions the node keeps at once, and whether tables can be read without one."""

    sessions: int
    sessionless: bool


def session_control(identification: Identification) -> SessionControl | None:
    """Feature 05; None if it is not told."""
    octets = identification.feature(SESSION_CONTROL)
    return SessionControl(octets[0] & ~_SESSIONLESS, bool(octets[0] & _SESSIONLESS)) if octets else None


def security_mechanism(identification: Identification) -> ApTitle | None:
    """Feature 04, an object identifier; None if it is not told.

    Raises:
        DecodeError: it is none.
    """
    octets = identification.feature(SECURITY_MECHANISM)
    return ApTitle.decode(octets) if octets else None


def device_class(identification: Identification) -> ApTitle | None:
    """Feature 06, an object identifier; errors as ``security_mechanism``."""
    octets = identification.feature(DEVICE_CLASS)
    return ApTitle.decode(octets) if octets else None


# --- Octets -----------------------------------------------------------------------------------------------------------


def _register(reader: _Reader) -> Register:
    node, connection = NodeType(reader.u(1)), ConnectionType(reader.u(1))
    kind, title, serial = reader.take(DEVICE_CLASS_SIZE), reader.title_or_none(), reader.title_or_none()
    address, period = reader.take(reader.u(1)), reader.u(3)
    pattern = reader.take(reader.u(1)) if node & NodeType.DOMAIN_PATTERN else b""
    return Register(node, connection, kind, title, serial, address, period, pattern)


class _Reader:
    """Octets taken one field after the other; every shortage is a ``DecodeError``."""

    def __init__(self, octets: bytes, at: int) -> None:
        self._octets = octets
        self._at = at

    def take(self, count: int) -> bytes:
        left = len(self._octets) - self._at
        if count > left:
            raise self._error(f"{count} octets were expected, {left} are left")
        self._at += count
        return self._octets[self._at - count : self._at]

    def u(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def title(self) -> ApTitle:
        title, self._at = ApTitle.read(self._octets, self._at)
        return title

    def title_or_none(self) -> ApTitle | None:
        if self._octets[self._at + 1 : self._at + 2] == b"\0":
            self._at += 2
            return None
        return self.title()

    def titles(self) -> tuple[ApTitle, ...]:
        titles: list[ApTitle] = []
        while self._at < len(self._octets):
            titles.append(self.title())
        return tuple(titles)

    def end(self) -> None:
        if self._at < len(self._octets):
            raise self._error(f"{len(self._octets) - self._at} octets behind the end")

    def _error(self, message: str) -> DecodeError:
        return DecodeError(message, layer="apdu", offset=self._at, data=self._octets)


def _title_or_none(title: ApTitle | None) -> bytes:
    return bytes((ABSOLUTE, 0)) if title is None else title.encode()


def _short(octets: bytes) -> bytes:
    return _unsigned(len(octets), 1) + octets


def _unsigned(value: int, size: int) -> bytes:
    if not 0 <= value < 1 << 8 * size:
        raise LocalProtocolError(f"{value} does not fit {size} octets", layer="apdu")
    return value.to_bytes(size, "big")
