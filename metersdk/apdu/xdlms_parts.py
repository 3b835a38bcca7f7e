"""What the xDLMS APDUs are made of: invoke ids, descriptors, selections, and the bounded reader of an APDU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

from metersdk.apdu import axdr
from metersdk.apdu.results import DataAccessResult
from metersdk.errors import DecodeError, LocalProtocolError


class Reader:
    """Reads one APDU from left to right; everything that is not there ends in DecodeError with its offset."""

    __slots__ = ("at", "raw")

    def __init__(self, raw: bytes, at: int = 0) -> None:
        self.raw = raw
        self.at = at

    def fail(self, message: str, at: int = -1, hint: str = "") -> NoReturn:
        raise DecodeError(message, layer="apdu", offset=self.at if at < 0 else at, data=self.raw, hint=hint)

    @property
    def remaining(self) -> int:
        return len(self.raw) - self.at

    def take(self, count: int) -> bytes:
        if count > self.remaining:
            self.fail(f"APDU ends early: {count} octets wanted, {self.remaining} left")
        self.at += count
        return self.raw[self.at - count : self.at]

    def unsigned(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def boolean(self) -> bool:
        return self.unsigned(1) != 0

    def choice(self, *allowed: int) -> int:
        value = self.unsigned(1)
        if value not in allowed:
            self.fail(f"choice {value} where {' or '.join(map(str, allowed))} may stand", self.at - 1)
        return value

    def octets(self) -> bytes:
        """An octet-string: length, contents."""
        length, self.at = axdr.decode_length(self.raw, self.at)
        return self.take(length)

    def count(self) -> int:
        """The count of a SEQUENCE OF, whose elements have one octet at least each."""
        start = self.at
        count, self.at = axdr.decode_length(self.raw, start)
        if count > self.remaining:
            self.fail(f"{count} elements announced, {self.remaining} octets left", start)
        return count

    def data(self) -> bytes:
        """One encoded Data, still encoded."""
        start = self.at
        self.at = axdr.end_of(self.raw, start)
        return self.raw[start : self.at]

    def data_list(self) -> tuple[bytes, ...]:
        return tuple(self.data() for _ in range(self.count()))

    def date_time(self) -> bytes:
        """An OCTET STRING that holds a date-time or nothing."""
        start = self.at
        value = self.octets()
        if len(value) not in (0, 12):
            self.fail(f"date-time of {len(value)} octets instead of 12 or none", start)
        return value

    def finish(self) -> None:
        if self.remaining:
            self.fail(f"{self.remaining} octets after the end of the APDU")


def octet_string(value: bytes) -> bytes:
    """Length and contents, without a tag."""
    return axdr.encode_length(len(value)) + value


def sequence(items: tuple[bytes, ...]) -> bytes:
    """SEQUENCE OF: count, then the encoded elements."""
    return axdr.encode_length(len(items)) + b"".join(items)


@dataclass(frozen=True, slots=True)
class Invoke:
    """Invoke-Id-And-Priority: bits 0..3 id, 4..5 reserved, 6 service-class (1 confirmed), 7 priority (1 high)."""

    id: int = 1
    confirmed: bool = True
    high_priority: bool = True
    reserved: int = 0

    def encode(self) -> bytes:
        return bytes(
            ((self.id & 0x0F) | (self.reserved & 3) << 4 | self.confirmed << 6 | self.high_priority << 7,),
        )

    @classmethod
    def decode(cls, octet: int) -> Invoke:
        return cls(octet & 0x0F, bool(octet & 0x40), bool(octet & 0x80), octet >> 4 & 3)


@dataclass(frozen=True, slots=True)
class LongInvoke:
    """Long-Invoke-Id-And-Priority, 32 bits: 0..23 id, 28 self-descriptive, 29 break on error, 30 class, 31 priority."""

    id: int
    confirmed: bool = False
    high_priority: bool = False
    break_on_error: bool = False
    self_descriptive: bool = False
    reserved: int = 0

    def encode(self) -> bytes:
        flags = self.self_descriptive | self.break_on_error << 1 | self.confirmed << 2 | self.high_priority << 3
        return (flags << 28 | (self.reserved & 0x0F) << 24 | self.id & 0xFFFFFF).to_bytes(4, "big")

    @classmethod
    def decode(cls, value: int) -> LongInvoke:
        return cls(
            value & 0xFFFFFF,
            bool(value >> 30 & 1),
            bool(value >> 31 & 1),
            bool(value >> 29 & 1),
            bool(value >> 28 & 1),
            value >> 24 & 0x0F,
        )


@dataclass(frozen=True, slots=True)
class AttributeDescriptor:
    """Cosem-Attribute-Descriptor: class id, logical name (6 octets), attribute id (Integer8)."""

    class_id: int
    obis: bytes
    attribute: int

    def encode(self) -> bytes:
        return descriptor(self.class_id, self.obis, self.attribute)

    @classmethod
    def read(cls, reader: Reader) -> AttributeDescriptor:
        return cls(reader.unsigned(2), reader.take(6), signed8(reader.unsigned(1)))


@dataclass(frozen=True, slots=True)
class MethodDescriptor:
    """Cosem-Method-Descriptor: class id, logical name (6 octets), method id (Integer8)."""

    class_id: int
    obis: bytes
    method: int

    def encode(self) -> bytes:
        return descriptor(self.class_id, self.obis, self.method)

    @classmethod
    def read(cls, reader: Reader) -> MethodDescriptor:
        return cls(reader.unsigned(2), reader.take(6), signed8(reader.unsigned(1)))


def descriptor(class_id: int, obis: bytes, member: int) -> bytes:
    if not isinstance(class_id, int) or not 0 <= class_id <= 0xFFFF:
        raise LocalProtocolError(f"{class_id!r:.40} is no class", layer="apdu", hint="0 to 65535; 3 is Register")
    if not isinstance(member, int) or not -0x80 <= member <= 0x7F:
        raise LocalProtocolError(f"{member!r:.40} is no attribute or method", layer="apdu", hint="-128 to 127")
    return class_id.to_bytes(2, "big") + obis + (member & 0xFF).to_bytes(1, "big")


def signed8(octet: int) -> int:
    return octet - 0x100 if octet & 0x80 else octet


@dataclass(frozen=True, slots=True)
class Selection:
    """Selective-Access-Descriptor: the selector and its parameters, an encoded Data."""

    selector: int
    parameters: bytes

    def encode(self) -> bytes:
        return bytes((self.selector,)) + self.parameters

    @classmethod
    def read(cls, reader: Reader) -> Selection:
        return cls(reader.unsigned(1), reader.data())


def encode_selection(selection: Selection | None) -> bytes:
    return b"\x00" if selection is None else b"\x01" + selection.encode()


def read_selection(reader: Reader) -> Selection | None:
    return Selection.read(reader) if reader.choice(0, 1) else None


def encode_result(result: bytes | DataAccessResult) -> bytes:
    """Get-Data-Result: ``00`` Data, or ``01`` and a Data-Access-Result."""
    if isinstance(result, bytes):
        return b"\x00" + result
    return bytes((1, result))


def read_result(reader: Reader) -> bytes | DataAccessResult:
    return DataAccessResult(reader.unsigned(1)) if reader.choice(0, 1) else reader.data()
