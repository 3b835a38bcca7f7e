"""The APDUs of the xDLMS services GET, SET and ACTION (IEC 62056-5-3)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from metersdk.apdu.results import ActionResult, DataAccessResult
from metersdk.apdu.xdlms_parts import (
    AttributeDescriptor,
    Invoke,
    MethodDescriptor,
    Reader,
    Selection,
    encode_result,
    encode_selection,
    octet_string,
    read_result,
    sequence,
)

Item: TypeAlias = tuple[AttributeDescriptor, Selection | None]
"""One element of a GET or SET with list."""


@dataclass(frozen=True, slots=True)
class Service(ABC):
    """A GET, SET or ACTION APDU begins with its tag, its type and the invoke octet."""

    head: ClassVar[bytes]
    invoke: Invoke

    def encode(self) -> bytes:
        """The whole APDU."""
        return self.head + self.invoke.encode() + self.body()

    @abstractmethod
    def body(self) -> bytes:
        """What follows the invoke octet."""


def _encode_items(items: tuple[Item, ...]) -> bytes:
    return sequence(tuple(attribute.encode() + encode_selection(selection) for attribute, selection in items))


def _encode_methods(methods: tuple[MethodDescriptor, ...]) -> bytes:
    return sequence(tuple(method.encode() for method in methods))


def _encode_block(last: bool, block: int, raw: bytes) -> bytes:
    """DataBlock-SA: last-block, block-number, raw-data."""
    return bytes((last,)) + block.to_bytes(4, "big") + octet_string(raw)


# --- GET -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class GetRequest(Service):
    """Get-Request-Normal."""

    head = b"\xc0\x01"
    attribute: AttributeDescriptor
    selection: Selection | None = None

    def body(self) -> bytes:
        return self.attribute.encode() + encode_selection(self.selection)


@dataclass(frozen=True, slots=True)
class GetRequestNext(Service):
    """Get-Request-Next; ``block`` is the number of the block just received."""

    head = b"\xc0\x02"
    block: int

    def body(self) -> bytes:
        return self.block.to_bytes(4, "big")


@dataclass(frozen=True, slots=True)
class GetRequestList(Service):
    """Get-Request-With-List."""

    head = b"\xc0\x03"
    items: tuple[Item, ...]

    def body(self) -> bytes:
        return _encode_items(self.items)


@dataclass(frozen=True, slots=True)
class GetResponse(Service):
    """Get-Response-Normal: ``data``, or ``result`` where ``data`` is None."""

    head = b"\xc4\x01"
    data: bytes | None
    result: DataAccessResult = DataAccessResult.SUCCESS

    def body(self) -> bytes:
        return encode_result(self.result if self.data is None else self.data)


@dataclass(frozen=True, slots=True)
class GetResponseBlock(Service):
    """Get-Response-With-Datablock: ``raw``, or ``result`` where ``raw`` is None. Blocks count from 1."""

    head = b"\xc4\x02"
    last: bool
    block: int
    raw: bytes | None
    result: DataAccessResult = DataAccessResult.SUCCESS

    def body(self) -> bytes:
        end = bytes((1, self.result)) if self.raw is None else b"\x00" + octet_string(self.raw)
        return bytes((self.last,)) + self.block.to_bytes(4, "big") + end


@dataclass(frozen=True, slots=True)
class GetResponseList(Service):
    """Get-Response-With-List: for each item its encoded Data or its result."""

    head = b"\xc4\x03"
    results: tuple[bytes | DataAccessResult, ...]

    def body(self) -> bytes:
        return sequence(tuple(map(encode_result, self.results)))


# --- SET -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SetRequest(Service):
    """Set-Request-Normal."""

    head = b"\xc1\x01"
    attribute: AttributeDescriptor
    data: bytes
    selection: Selection | None = None

    def body(self) -> bytes:
        return self.attribute.encode() + encode_selection(self.selection) + self.data


@dataclass(frozen=True, slots=True)
class SetRequestFirstBlock(Service):
    """Set-Request-With-First-Datablock."""

    head = b"\xc1\x02"
    attribute: AttributeDescriptor
    selection: Selection | None
    last: bool
    block: int
    raw: bytes

    def body(self) -> bytes:
        return (
            self.attribute.encode() + encode_selection(self.selection) + _encode_block(self.last, self.block, self.raw)
        )


@dataclass(frozen=True, slots=True)
class SetRequestBlock(Service):
    """Set-Request-With-Datablock."""

    head = b"\xc1\x03"
    last: bool
    block: int
    raw: bytes

    def body(self) -> bytes:
        return _encode_block(self.last, self.block, self.raw)


@dataclass(frozen=True, slots=True)
class SetRequestList(Service):
    """Set-Request-With-List: one value for each item."""

    head = b"\xc1\x04"
    items: tuple[Item, ...]
    data: tuple[bytes, ...]

    def body(self) -> bytes:
        return _encode_items(self.items) + sequence(self.data)


@dataclass(frozen=True, slots=True)
class SetRequestListFirstBlock(Service):
    """Set-Request-With-List-And-First-Datablock; the joined blocks hold the list of values."""

    head = b"\xc1\x05"
    items: tuple[Item, ...]
    last: bool
    block: int
    raw: bytes

    def body(self) -> bytes:
        return _encode_items(self.items) + _encode_block(self.last, self.block, self.raw)


@dataclass(frozen=True, slots=True)
class SetResponse(Service):
    """Set-Response-Normal."""

    head = b"\xc5\x01"
    result: DataAccessResult

    def body(self) -> bytes:
        return bytes((self.result,))


@dataclass(frozen=True, slots=True)
class SetResponseBlock(Service):
    """Set-Response-Datablock: block ``block`` has come, send the next."""

    head = b"\xc5\x02"
    block: int

    def body(self) -> bytes:
        return self.block.to_bytes(4, "big")


@dataclass(frozen=True, slots=True)
class SetResponseLastBlock(Service):
    """Set-Response-Last-Datablock."""

    head = b"\xc5\x03"
    result: DataAccessResult
    block: int

    def body(self) -> bytes:
        return bytes((self.result,)) + self.block.to_bytes(4, "big")


@dataclass(frozen=True, slots=True)
class SetResponseLastBlockList(Service):
    """Set-Response-Last-Datablock-With-List."""

    head = b"\xc5\x04"
    results: tuple[DataAccessResult, ...]
    block: int

    def body(self) -> bytes:
        return octet_string(bytes(self.results)) + self.block.to_bytes(4, "big")


@dataclass(frozen=True, slots=True)
class SetResponseList(Service):
    """Set-Response-With-List."""

    head = b"\xc5\x05"
    results: tuple[DataAccessResult, ...]

    def body(self) -> bytes:
        return octet_string(bytes(self.results))


# --- ACTION ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ActionRequest(Service):
    """Action-Request-Normal; ``data`` None sends no method invocation parameters."""

    head = b"\xc3\x01"
    method: MethodDescriptor
    data: bytes | None = None

    def body(self) -> bytes:
        return self.method.encode() + (b"\x00" if self.data is None else b"\x01" + self.data)


@dataclass(frozen=True, slots=True)
class ActionRequestNext(Service):
    """Action-Request-Next-Pblock; ``block`` is the number of the block just received."""

    head = b"\xc3\x02"
    block: int

    def body(self) -> bytes:
        return self.block.to_bytes(4, "big")


@dataclass(frozen=True, slots=True)
class ActionRequestList(Service):
    """Action-Request-With-List: one Data for each method, null-data for none."""

    head = b"\xc3\x03"
    methods: tuple[MethodDescriptor, ...]
    data: tuple[bytes, ...]

    def body(self) -> bytes:
        return _encode_methods(self.methods) + sequence(self.data)


@dataclass(frozen=True, slots=True)
class ActionRequestFirstBlock(Service):
    """Action-Request-With-First-Pblock; the joined blocks hold the parameters."""

    head = b"\xc3\x04"
    method: MethodDescriptor
    last: bool
    block: int
    raw: bytes

    def body(self) -> bytes:
        return self.method.encode() + _encode_block(self.last, self.block, self.raw)


@dataclass(frozen=True, slots=True)
class ActionRequestListFirstBlock(Service):
    """Action-Request-With-List-And-First-Pblock."""

    head = b"\xc3\x05"
    methods: tuple[MethodDescriptor, ...]
    last: bool
    block: int
    raw: bytes

    def body(self) -> bytes:
        return _encode_methods(self.methods) + _encode_block(self.last, self.block, self.raw)


@dataclass(frozen=True, slots=True)
class ActionRequestBlock(Service):
    """Action-Request-With-Pblock."""

    head = b"\xc3\x06"
    last: bool
    block: int
    raw: bytes

    def body(self) -> bytes:
        return _encode_block(self.last, self.block, self.raw)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Action-Response-With-Optional-Data: the result, then the return parameters (Data, a result, or none)."""

    result: ActionResult
    returned: bytes | DataAccessResult | None = None

    def encode(self) -> bytes:
        head = bytes((self.result,))
        return head + (b"\x00" if self.returned is None else b"\x01" + encode_result(self.returned))

    @classmethod
    def read(cls, reader: Reader) -> Outcome:
        return cls(ActionResult(reader.unsigned(1)), read_result(reader) if reader.choice(0, 1) else None)


@dataclass(frozen=True, slots=True)
class ActionResponse(Service):
    """Action-Response-Normal."""

    head = b"\xc7\x01"
    outcome: Outcome

    def body(self) -> bytes:
        return self.outcome.encode()


@dataclass(frozen=True, slots=True)
class ActionResponseBlock(Service):
    """Action-Response-With-Pblock; the joined blocks hold an Outcome, or the list of them."""

    head = b"\xc7\x02"
    last: bool
    block: int
    raw: bytes

    def body(self) -> bytes:
        return _encode_block(self.last, self.block, self.raw)


@dataclass(frozen=True, slots=True)
class ActionResponseList(Service):
    """Action-Response-With-List."""

    head = b"\xc7\x03"
    outcomes: tuple[Outcome, ...]

    def body(self) -> bytes:
        return sequence(tuple(outcome.encode() for outcome in self.outcomes))


@dataclass(frozen=True, slots=True)
class ActionResponseNext(Service):
    """Action-Response-Next-Pblock: block ``block`` has come, send the next."""

    head = b"\xc7\x04"
    block: int

    def body(self) -> bytes:
        return self.block.to_bytes(4, "big")
