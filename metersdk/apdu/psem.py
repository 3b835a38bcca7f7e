"""PSEM service units: what is asked and what is answered (ANSI C12.18 and C12.21; C12.22 speaks the same).

All integers are big-endian here; the content of a table follows its DATA_ORDER and stays raw octets. A table is
named by one number: 0 to 2039 of the standard, plus 2048 of the manufacturer, plus 4096 pending.

``decode_request`` gives one of ``Request``, ``decode_answer`` one of ``Answer``; every one has ``.encode()``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from metersdk.apdu.keys import Secret
from metersdk.apdu.psem_codes import BAUD_CODES as BAUD_CODES
from metersdk.apdu.psem_codes import FIRST_REQUEST, LAST_TABLE, MAX_BAUDS, MAX_INDICES, STANDARDS, service_of
from metersdk.apdu.psem_codes import MANUFACTURER as MANUFACTURER
from metersdk.apdu.psem_codes import PENDING as PENDING
from metersdk.apdu.psem_codes import Response as Response
from metersdk.apdu.psem_codes import Service as Service
from metersdk.apdu.psem_codes import table_name as table_name
from metersdk.errors import ChecksumError, DecodeError, LocalProtocolError

USER_SIZE, PASSWORD_SIZE = 10, 20
# What a read says beside the octets of the table: response code, count, checksum.
READ_OVERHEAD = 4
# The same of a write: code, table, count, checksum; and the offset of a partial one.
WRITE_OVERHEAD, OFFSET_SIZE = 6, 3
MAX_COUNT, MAX_OFFSET = 0xFFFF, 0xFF_FFFF


def checksum8(data: bytes) -> int:
    """Two's complement of the sum of the octets of a table."""
    return -sum(data) & 0xFF


# --- Requests ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Plain:
    """A request without parameters: Identify, Terminate, Disconnect, Logoff, Read default."""

    service: Service

    def encode(self) -> bytes:
        return bytes((self.service,))


@dataclass(frozen=True, slots=True)
class Negotiate:
    """Packet size in octets, packets in a row at most, and the codes of the speeds that the client can.

    No code: the speed stays as it is.
    """

    packet_size: int
    packets: int
    bauds: tuple[int, ...] = ()

    def encode(self) -> bytes:
        if len(self.bauds) > MAX_BAUDS:
            raise LocalProtocolError(f"a Negotiate names at most {MAX_BAUDS} speeds", layer="apdu")
        code = bytes((Service.NEGOTIATE + len(self.bauds),))
        return code + _u16(self.packet_size, "packet size") + _u8(self.packets, "packets") + bytes(self.bauds)


@dataclass(frozen=True, slots=True)
class TimingSetup:
    """Seconds: the session ends after ``traffic`` without a packet, a packet after ``character`` without an octet, an
    answer is late after ``response``; and the repeats of a packet (C12.21)."""

    traffic: int
    character: int
    response: int
    retries: int

    def encode(self) -> bytes:
        return bytes((Service.TIMING_SETUP,)) + self.octets

    @property
    def octets(self) -> bytes:
        """The four values alone."""
        return b"".join(_u8(value, "timing") for value in (self.traffic, self.character, self.response, self.retries))


@dataclass(frozen=True, slots=True)
class Logon:
    """Who comes in. ``user`` is padded with spaces; ``idle`` is the session's idle time-out in seconds (C12.22)."""

    user_id: int
    user: bytes
    idle: int | None = None

    def encode(self) -> bytes:
        if len(self.user) > USER_SIZE:
            raise LocalProtocolError(f"a user name has at most {USER_SIZE} characters", layer="apdu")
        idle = b"" if self.idle is None else _u16(self.idle, "idle time-out")
        return bytes((Service.LOGON,)) + _u16(self.user_id, "user id") + self.user.ljust(USER_SIZE) + idle


@dataclass(frozen=True, slots=True)
class Security:
    """The password, already padded to 20 octets; with the user id where there is no session (C12.22)."""

    password: Secret
    user_id: int | None = None

    def encode(self) -> bytes:
        if len(self.password) != PASSWORD_SIZE:
            raise LocalProtocolError(f"a password has {PASSWORD_SIZE} octets, padded", layer="apdu")
        user = b"" if self.user_id is None else _u16(self.user_id, "user id")
        return bytes((Service.SECURITY,)) + bytes(self.password) + user


@dataclass(frozen=True, slots=True)
class Authenticate:
    """The ticket of the identification, encrypted under the key ``key_id`` (C12.21)."""

    key_id: int
    value: bytes

    def encode(self) -> bytes:
        return bytes((Service.AUTHENTICATE,)) + _authentication(self.key_id, self.value)


@dataclass(frozen=True, slots=True)
class Read:
    """A whole table."""

    table: int

    def encode(self) -> bytes:
        return bytes((Service.READ,)) + _table(self.table)


@dataclass(frozen=True, slots=True)
class ReadIndex:
    """``count`` elements from the one that the indices name."""

    table: int
    index: tuple[int, ...]
    count: int

    def encode(self) -> bytes:
        return _indexed(Service.READ_INDEX, self.table, self.index) + _u16(self.count, "element count")


@dataclass(frozen=True, slots=True)
class ReadOffset:
    """``count`` octets from ``offset`` on."""

    table: int
    offset: int
    count: int

    def encode(self) -> bytes:
        code = bytes((Service.READ_OFFSET,))
        return code + _table(self.table) + _offset(self.offset) + _u16(self.count, "octet count")


@dataclass(frozen=True, slots=True)
class Write:
    """A whole table."""

    table: int
    data: bytes

    def encode(self) -> bytes:
        return bytes((Service.WRITE,)) + _table(self.table) + _counted(self.data)


@dataclass(frozen=True, slots=True)
class WriteIndex:
    """Elements from the one that the indices name."""

    table: int
    index: tuple[int, ...]
    data: bytes

    def encode(self) -> bytes:
        return _indexed(Service.WRITE_INDEX, self.table, self.index) + _counted(self.data)


@dataclass(frozen=True, slots=True)
class WriteOffset:
    """Octets from ``offset`` on."""

    table: int
    offset: int
    data: bytes

    def encode(self) -> bytes:
        return bytes((Service.WRITE_OFFSET,)) + _table(self.table) + _offset(self.offset) + _counted(self.data)


@dataclass(frozen=True, slots=True)
class WriteDefault:
    """The default table of the meter."""

    data: bytes

    def encode(self) -> bytes:
        return bytes((Service.WRITE_DEFAULT,)) + _counted(self.data)


@dataclass(frozen=True, slots=True)
class Wait:
    """The session may rest for ``seconds`` once."""

    seconds: int

    def encode(self) -> bytes:
        return bytes((Service.WAIT,)) + _u8(self.seconds, "wait")


@dataclass(frozen=True, slots=True)
class OtherRequest:
    """A request that is not of C12.18 or C12.21: Register, Resolve and the like, or a code that is not assigned."""

    code: int
    body: bytes = b""

    def encode(self) -> bytes:
        return _u8(self.code, "code") + self.body


Request: TypeAlias = (
    Plain
    | Negotiate
    | TimingSetup
    | Logon
    | Security
    | Authenticate
    | Read
    | ReadIndex
    | ReadOffset
    | Write
    | WriteIndex
    | WriteOffset
    | WriteDefault
    | Wait
    | OtherRequest
)
_PLAIN = frozenset((Service.IDENTIFY, Service.TERMINATE, Service.DISCONNECT, Service.LOGOFF, Service.READ_DEFAULT))
_OTHER = frozenset((Service.DEREGISTER, Service.RESOLVE, Service.TRACE, Service.REGISTER))


# --- Answers ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Done:
    """OK, to a service that brings nothing, or nothing that is told here: ``body`` is what follows the code."""

    body: bytes = b""

    def encode(self) -> bytes:
        return b"\0" + self.body


@dataclass(frozen=True, slots=True)
class Feature:
    """One feature of an identification: its code, and its octets as they came.

    01 authentication (type, algorithm); 02 authentication with ticket (type, algorithm, length, ticket); 04 security
    mechanism, 06 device class (each tag, length, universal identifier); 05 session control; 07 device identity
    (length, identity).
    """

    code: int
    octets: bytes


@dataclass(frozen=True, slots=True)
class Ticket:
    """What C12.21 authentication starts from; ``ticket`` is empty where the meter gives none."""

    kind: int
    algorithm: int
    ticket: bytes = b""


@dataclass(frozen=True, slots=True)
class Identification:
    """Which standard the meter follows (0 C12.18, 2 C12.21, 3 C12.22), version, revision, features.

    ``trailing`` is what came behind the end of the features, or cannot be understood: some meters send more.
    """

    standard: int
    version: int
    revision: int
    features: tuple[Feature, ...] = ()
    trailing: bytes = b""

    def encode(self) -> bytes:
        features = b"".join(bytes((feature.code,)) + feature.octets for feature in self.features)
        return bytes((0, self.standard, self.version, self.revision)) + features + b"\0" + self.trailing

    def __str__(self) -> str:
        name = STANDARDS.get(self.standard, f"standard {self.standard}")
        return f"{name} version {self.version}.{self.revision}"

    def feature(self, code: int) -> bytes | None:
        """The octets of the first feature with this code."""
        return next((feature.octets for feature in self.features if feature.code == code), None)

    @property
    def ticket(self) -> Ticket | None:
        """What the meter says about authentication; None: it cannot be authenticated to."""
        octets = self.feature(2) or self.feature(1)
        return None if octets is None else Ticket(octets[0], octets[1], octets[3:])

    @property
    def device_class(self) -> bytes | None:
        """The universal identifier, as it is encoded in BER, without tag and length."""
        octets = self.feature(6)
        return None if octets is None else octets[2:]

    @property
    def device_identity(self) -> bytes | None:
        """In C12.22 the first octet is its format."""
        octets = self.feature(7)
        return None if octets is None else octets[1:]


@dataclass(frozen=True, slots=True)
class Negotiated:
    """What both go on with; ``baud`` is a code of ``BAUD_CODES``, 0 where the speed is defined elsewhere."""

    packet_size: int
    packets: int
    baud: int = 0

    def encode(self) -> bytes:
        return b"\0" + _u16(self.packet_size, "packet size") + bytes((self.packets, self.baud))


@dataclass(frozen=True, slots=True)
class TimingAgreed:
    """The times that hold from now on."""

    timing: TimingSetup

    def encode(self) -> bytes:
        return b"\0" + self.timing.octets


@dataclass(frozen=True, slots=True)
class Authenticated:
    """The meter's own proof."""

    key_id: int
    value: bytes

    def encode(self) -> bytes:
        return b"\0" + _authentication(self.key_id, self.value)


@dataclass(frozen=True, slots=True)
class TableData:
    """Octets of a table; count and checksum were right."""

    data: bytes

    def encode(self) -> bytes:
        return b"\0" + _counted(self.data)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Any answer but OK; ``body`` is what followed, as with some codes of C12.22."""

    response: Response
    body: bytes = b""

    def encode(self) -> bytes:
        return bytes((self.response,)) + self.body


Answer: TypeAlias = Done | Identification | Negotiated | TimingAgreed | Authenticated | TableData | Refusal


# --- Decoding ---------------------------------------------------------------------------------------------------------


def decode_request(octets: bytes) -> Request:
    """One whole request.

    Raises:
        ChecksumError: the octets to write do not fit their checksum.
        DecodeError: empty, cut, or with octets behind its end.
    """
    if not octets:
        raise DecodeError("an empty request", layer="apdu")
    reader = _Reader(octets)
    code = reader.u8()
    service = service_of(code)
    if service is None or service in _OTHER:
        return OtherRequest(code, octets[1:])
    request = _request(service, code, reader)
    reader.end()
    return request


def _request(service: Service, code: int, reader: _Reader) -> Request:
    if service in _PLAIN:
        return Plain(service)
    match service:
        case Service.READ:
            return Read(reader.u16())
        case Service.READ_OFFSET:
            return ReadOffset(reader.u16(), reader.u24(), reader.u16())
        case Service.READ_INDEX:
            return ReadIndex(reader.u16(), reader.u16s(code - Service.READ_INDEX + 1), reader.u16())
        case Service.WRITE:
            return Write(reader.u16(), reader.counted())
        case Service.WRITE_OFFSET:
            return WriteOffset(reader.u16(), reader.u24(), reader.counted())
        case Service.WRITE_INDEX:
            return WriteIndex(reader.u16(), reader.u16s(code - Service.WRITE_INDEX + 1), reader.counted())
        case Service.WRITE_DEFAULT:
            return WriteDefault(reader.counted())
        case Service.LOGON:
            user_id, user = reader.u16(), reader.take(USER_SIZE)
            return Logon(user_id, user, reader.u16() if reader.left else None)
        case Service.SECURITY:
            password = Secret(reader.take(PASSWORD_SIZE))
            return Security(password, reader.u16() if reader.left else None)
        case Service.AUTHENTICATE:
            return Authenticate(*reader.authentication())
        case Service.WAIT:
            return Wait(reader.u8())
        case Service.TIMING_SETUP:
            return TimingSetup(reader.u8(), reader.u8(), reader.u8(), reader.u8())
        case _:
            return Negotiate(reader.u16(), reader.u8(), tuple(reader.take(code - Service.NEGOTIATE)))


def decode_answer(service: Service, octets: bytes) -> Answer:
    """One whole answer to a request of ``service``.

    Raises:
        ChecksumError: the table does not fit its checksum.
        DecodeError: empty, cut, with octets behind its end, or a request.
    """
    if not octets:
        raise DecodeError("an empty answer", layer="apdu")
    if octets[0] >= FIRST_REQUEST:
        raise DecodeError(f"a request ({octets[0]:02X}) where an answer belongs", layer="apdu", offset=0)
    if octets[0]:
        return Refusal(Response(octets[0]), octets[1:])
    reader = _Reader(octets, 1)
    answer = _answer(service, reader)
    reader.end()
    return answer


def _answer(service: Service, reader: _Reader) -> Answer:
    match service:
        case Service.IDENTIFY:
            return _identification(reader)
        case Service.NEGOTIATE:
            packet_size, packets = reader.u16(), reader.u8()
            # Some meters leave the speed out where none was asked for.
            return Negotiated(packet_size, packets, reader.u8() if reader.left else 0)
        case Service.TIMING_SETUP:
            return TimingAgreed(TimingSetup(reader.u8(), reader.u8(), reader.u8(), reader.u8()))
        case Service.AUTHENTICATE:
            return Authenticated(*reader.authentication())
        case Service.READ | Service.READ_INDEX | Service.READ_OFFSET | Service.READ_DEFAULT:
            return TableData(reader.counted())
        case _:
            return Done(reader.take(reader.left))


def _identification(reader: _Reader) -> Identification:
    standard, version, revision = reader.u8(), reader.u8(), reader.u8()
    features: list[Feature] = []
    # C12.18 of 1996 ends here or with the end of a list of nothing.
    while reader.left:
        size = _feature_size(reader.rest)
        if size is None:
            break
        code = reader.u8()
        if not code:
            break
        features.append(Feature(code, reader.take(size)))
    return Identification(standard, version, revision, tuple(features), reader.take(reader.left))


def _feature_size(rest: bytes) -> int | None:
    """Octets of a feature behind its code; None for one that is not known, or cut."""
    # The offset of the length within the feature, or its fixed size.
    known = {0: (0, None), 1: (2, None), 2: (3, 3), 4: (2, 2), 5: (1, None), 6: (2, 2), 7: (1, 1)}
    if rest[0] not in known:
        return None
    size, length_at = known[rest[0]]
    if length_at is not None:
        size += rest[length_at] if len(rest) > length_at else LAST_TABLE
    return size if size < len(rest) else None


class _Reader:
    """Octets taken one field after the other; every shortage is a ``DecodeError``."""

    def __init__(self, octets: bytes, at: int = 0) -> None:
        self._octets = octets
        self._at = at

    @property
    def left(self) -> int:
        return len(self._octets) - self._at

    @property
    def rest(self) -> bytes:
        return self._octets[self._at :]

    def take(self, count: int) -> bytes:
        if count > self.left:
            raise self._error(f"{count} octets were expected, {self.left} are left")
        self._at += count
        return self._octets[self._at - count : self._at]

    def u8(self) -> int:
        return self.take(1)[0]

    def u16(self) -> int:
        return int.from_bytes(self.take(2), "big")

    def u24(self) -> int:
        return int.from_bytes(self.take(3), "big")

    def u16s(self, count: int) -> tuple[int, ...]:
        return tuple(self.u16() for _ in range(count))

    def counted(self) -> bytes:
        """Count, octets, checksum."""
        data = self.take(self.u16())
        if self.u8() != checksum8(data):
            raise ChecksumError(
                f"the checksum of the table is {self._octets[self._at - 1]:02X}, not {checksum8(data):02X}",
                layer="apdu",
                offset=self._at - 1,
                data=self._octets,
                retryable=True,
                hint="read it again: the meter may have changed it while sending",
            )
        return data

    def authentication(self) -> tuple[int, bytes]:
        """Length, key number, value."""
        field = self.take(self.u8())
        if not field:
            raise self._error("an authentication without a key number")
        return field[0], field[1:]

    def end(self) -> None:
        if self.left:
            raise self._error(f"{self.left} octets behind the end")

    def _error(self, message: str) -> DecodeError:
        return DecodeError(message, layer="apdu", offset=self._at, data=self._octets)


# --- Encoding ---------------------------------------------------------------------------------------------------------


def _u8(value: int, name: str) -> bytes:
    return _unsigned(value, 1, name)


def _u16(value: int, name: str) -> bytes:
    return _unsigned(value, 2, name)


def _offset(value: int) -> bytes:
    return _unsigned(value, OFFSET_SIZE, "offset")


def _table(value: int) -> bytes:
    return _unsigned(value, 2, "table number")


def _unsigned(value: int, size: int, name: str) -> bytes:
    if not 0 <= value < 1 << 8 * size:
        raise LocalProtocolError(f"{name} {value} does not fit {size} octets", layer="apdu")
    return value.to_bytes(size, "big")


def _indexed(service: Service, table: int, index: tuple[int, ...]) -> bytes:
    if not 1 <= len(index) <= MAX_INDICES:
        raise LocalProtocolError(f"an element is named by 1 to {MAX_INDICES} indices", layer="apdu")
    indices = b"".join(_u16(value, "index") for value in index)
    return bytes((service + len(index) - 1,)) + _table(table) + indices


def _counted(data: bytes) -> bytes:
    return _u16(len(data), "octet count") + data + bytes((checksum8(data),))


def _authentication(key_id: int, value: bytes) -> bytes:
    return _u8(len(value) + 1, "length") + _u8(key_id, "key number") + value
