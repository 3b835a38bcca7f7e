"""xDLMS APDUs beside GET, SET and ACTION: errors, notifications, block transfer, ACCESS, general-ciphering.

They are described in IEC 62056-5-3; ``READERS`` maps each tag to its reader.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

from metersdk.apdu.results import describe_confirmed, describe_exception
from metersdk.apdu.xdlms_parts import (
    AttributeDescriptor,
    LongInvoke,
    MethodDescriptor,
    Reader,
    Selection,
    octet_string,
    sequence,
)
from metersdk.errors import Finding

INVOCATION_COUNTER_ERROR = 6


@dataclass(frozen=True, slots=True)
class ExceptionResponse:
    """``D8 state service``; service 6 (invocation-counter-error) may be followed by a counter of four octets."""

    state: int
    service: int
    invocation_counter: int | None = None

    def encode(self) -> bytes:
        counter = b"" if self.invocation_counter is None else self.invocation_counter.to_bytes(4, "big")
        return bytes((0xD8, self.state, self.service)) + counter

    @classmethod
    def read(cls, reader: Reader) -> ExceptionResponse:
        state, service = reader.unsigned(1), reader.unsigned(1)
        counted = service == INVOCATION_COUNTER_ERROR and reader.remaining > 0
        return cls(state, service, reader.unsigned(4) if counted else None)

    @property
    def describe(self) -> str:
        return describe_exception(self.state, self.service, self.invocation_counter)


@dataclass(frozen=True, slots=True)
class ConfirmedServiceError:
    """``0E service error value``."""

    service: int
    error: int
    value: int

    def encode(self) -> bytes:
        return bytes((0x0E, self.service, self.error, self.value))

    @classmethod
    def read(cls, reader: Reader) -> ConfirmedServiceError:
        return cls(reader.unsigned(1), reader.unsigned(1), reader.unsigned(1))

    @property
    def describe(self) -> str:
        return describe_confirmed(self.service, self.error, self.value)


@dataclass(frozen=True, slots=True)
class DataNotification:
    """``0F``: long invoke id, date-time (12 octets or none), data.

    The date-time is an OCTET STRING without a type tag. Some meters put the tag 09 before it, one stack 01; what stood
    there is kept in ``date_time_mark`` and named by ``finding``.
    """

    long_invoke: LongInvoke
    date_time: bytes
    data: bytes
    date_time_mark: bytes = b""

    def encode(self) -> bytes:
        return b"\x0f" + self.long_invoke.encode() + self.date_time_mark + octet_string(self.date_time) + self.data

    @classmethod
    def read(cls, reader: Reader) -> DataNotification:
        invoke, mark = LongInvoke.decode(reader.unsigned(4)), b""
        if reader.raw[reader.at : reader.at + 2] in (b"\x09\x0c", b"\x01\x0c"):
            mark = reader.take(1)
        date_time = reader.date_time()
        return cls(invoke, date_time, reader.data(), mark)

    @property
    def finding(self) -> Finding | None:
        """What was tolerated, if anything."""
        if not self.date_time_mark:
            return None
        return Finding(
            "notification-date-time-tag",
            f"DataNotification carries {self.date_time_mark.hex().upper()} before its date-time",
            "apdu",
            5,
        )


@dataclass(frozen=True, slots=True)
class EventNotification:
    """``C2``: time (12 octets, or None for absent), attribute, its value."""

    time: bytes | None
    attribute: AttributeDescriptor
    data: bytes

    def encode(self) -> bytes:
        time = b"\x00" if self.time is None else b"\x01" + octet_string(self.time)
        return b"\xc2" + time + self.attribute.encode() + self.data

    @classmethod
    def read(cls, reader: Reader) -> EventNotification:
        time = reader.date_time() if reader.choice(0, 1) else None
        return cls(time, AttributeDescriptor.read(reader), reader.data())


@dataclass(frozen=True, slots=True)
class GeneralBlockTransfer:
    """``E0``: one block. The joined data of all blocks are one complete APDU of any kind; blocks count from 1.

    ``window``: how many blocks the sender of this one can take in a row. ``streaming``: more blocks follow without
    waiting. ``acknowledged``: the last block received in order, 0 for none.
    """

    last: bool
    streaming: bool
    window: int
    block: int
    acknowledged: int
    data: bytes

    def encode(self) -> bytes:
        control = self.last << 7 | self.streaming << 6 | self.window & 0x3F
        numbers = self.block.to_bytes(2, "big") + self.acknowledged.to_bytes(2, "big")
        return bytes((0xE0, control)) + numbers + octet_string(self.data)

    @classmethod
    def read(cls, reader: Reader) -> GeneralBlockTransfer:
        control = reader.unsigned(1)
        return cls(
            bool(control & 0x80),
            bool(control & 0x40),
            control & 0x3F,
            reader.unsigned(2),
            reader.unsigned(2),
            reader.octets(),
        )


@dataclass(frozen=True, slots=True)
class GeneralCiphering:
    """``DD``: five header octet-strings, key information (encoded, None for absent), ciphered content."""

    transaction_id: bytes
    originator: bytes
    recipient: bytes
    date_time: bytes
    other_information: bytes
    key_information: bytes | None
    content: bytes

    def encode(self) -> bytes:
        header = (self.transaction_id, self.originator, self.recipient, self.date_time, self.other_information)
        key = b"\x00" if self.key_information is None else b"\x01" + self.key_information
        return b"\xdd" + b"".join(map(octet_string, header)) + key + octet_string(self.content)

    @classmethod
    def read(cls, reader: Reader) -> GeneralCiphering:
        transaction, originator, recipient, date_time, other = (reader.octets() for _ in range(5))
        key = _read_key_information(reader) if reader.choice(0, 1) else None
        return cls(transaction, originator, recipient, date_time, other, key, reader.octets())


def _read_key_information(reader: Reader) -> bytes:
    """Key-Info CHOICE: 0 identified-key, 1 wrapped-key, 2 agreed-key."""
    start = reader.at
    match reader.choice(0, 1, 2):
        case 0:
            reader.take(1)
        case 1:
            reader.take(1)
            reader.octets()
        case _:
            reader.octets()
            reader.octets()
    return reader.raw[start : reader.at]


class AccessKind(IntEnum):
    """Access-Request-Specification, and with 1 to 3 the kind of an access result."""

    GET = 1
    SET = 2
    ACTION = 3
    GET_WITH_SELECTION = 4
    SET_WITH_SELECTION = 5


@dataclass(frozen=True, slots=True)
class AccessSpecification:
    """One thing an ACCESS asks for."""

    kind: AccessKind
    target: AttributeDescriptor | MethodDescriptor
    selection: Selection | None = None

    def encode(self) -> bytes:
        selection = b"" if self.selection is None else self.selection.encode()
        return bytes((self.kind,)) + self.target.encode() + selection

    @classmethod
    def read(cls, reader: Reader) -> AccessSpecification:
        kind = AccessKind(reader.choice(*AccessKind))
        if kind is AccessKind.ACTION:
            return cls(kind, MethodDescriptor.read(reader))
        attribute = AttributeDescriptor.read(reader)
        selected = kind in (AccessKind.GET_WITH_SELECTION, AccessKind.SET_WITH_SELECTION)
        return cls(kind, attribute, Selection.read(reader) if selected else None)


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """``D9``: one Data for each specification, null-data for a GET."""

    long_invoke: LongInvoke
    date_time: bytes
    specifications: tuple[AccessSpecification, ...]
    data: tuple[bytes, ...]

    def encode(self) -> bytes:
        head = b"\xd9" + self.long_invoke.encode() + octet_string(self.date_time)
        return head + sequence(tuple(spec.encode() for spec in self.specifications)) + sequence(self.data)

    @classmethod
    def read(cls, reader: Reader) -> AccessRequest:
        invoke, date_time = LongInvoke.decode(reader.unsigned(4)), reader.date_time()
        specifications, start = _read_specifications(reader), reader.at
        data = reader.data_list()
        if len(data) != len(specifications):
            reader.fail(f"{len(specifications)} specifications and {len(data)} data", start)
        return cls(invoke, date_time, specifications, data)


@dataclass(frozen=True, slots=True)
class AccessResponse:
    """``DA``: the specifications if the server repeats them, the data, and for each (kind, result octet)."""

    long_invoke: LongInvoke
    date_time: bytes
    specifications: tuple[AccessSpecification, ...] | None
    data: tuple[bytes, ...]
    results: tuple[tuple[AccessKind, int], ...]

    def encode(self) -> bytes:
        head = b"\xda" + self.long_invoke.encode() + octet_string(self.date_time)
        specs = self.specifications
        repeated = b"\x00" if specs is None else b"\x01" + sequence(tuple(spec.encode() for spec in specs))
        return head + repeated + sequence(self.data) + sequence(tuple(bytes(result) for result in self.results))

    @classmethod
    def read(cls, reader: Reader) -> AccessResponse:
        invoke, date_time = LongInvoke.decode(reader.unsigned(4)), reader.date_time()
        specifications = _read_specifications(reader) if reader.choice(0, 1) else None
        data = reader.data_list()
        results = tuple((AccessKind(reader.choice(1, 2, 3)), reader.unsigned(1)) for _ in range(reader.count()))
        return cls(invoke, date_time, specifications, data, results)


def _read_specifications(reader: Reader) -> tuple[AccessSpecification, ...]:
    return tuple(AccessSpecification.read(reader) for _ in range(reader.count()))


Other = (
    ConfirmedServiceError
    | DataNotification
    | EventNotification
    | ExceptionResponse
    | AccessRequest
    | AccessResponse
    | GeneralCiphering
    | GeneralBlockTransfer
)

READERS: dict[int, Callable[[Reader], Other]] = {
    0x0E: ConfirmedServiceError.read,
    0x0F: DataNotification.read,
    0xC2: EventNotification.read,
    0xD8: ExceptionResponse.read,
    0xD9: AccessRequest.read,
    0xDA: AccessResponse.read,
    0xDD: GeneralCiphering.read,
    0xE0: GeneralBlockTransfer.read,
}
