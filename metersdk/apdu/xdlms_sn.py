"""The xDLMS services of short-name referencing: Read, Write, UnconfirmedWrite, InformationReport (IEC 62056-5-3).

An object is a base name; attribute n lies at base + 8 * (n - 1). Decoding and encoding only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from metersdk.apdu.results import DataAccessResult
from metersdk.apdu.xdlms_parts import Reader, Selection, encode_result, octet_string, sequence


@dataclass(frozen=True, slots=True)
class VariableName:
    """``02 name``."""

    name: int

    def encode(self) -> bytes:
        return b"\x02" + self.name.to_bytes(2, "big")


@dataclass(frozen=True, slots=True)
class ParameterizedAccess:
    """``04 name selector Data``."""

    name: int
    selection: Selection

    def encode(self) -> bytes:
        return b"\x04" + self.name.to_bytes(2, "big") + self.selection.encode()


@dataclass(frozen=True, slots=True)
class BlockNumberAccess:
    """``05 block``: the next block of a long read."""

    block: int

    def encode(self) -> bytes:
        return b"\x05" + self.block.to_bytes(2, "big")


@dataclass(frozen=True, slots=True)
class ReadDataBlockAccess:
    """``06 last block raw``: a read request that itself comes in blocks."""

    last: bool
    block: int
    raw: bytes

    def encode(self) -> bytes:
        return bytes((6, self.last)) + self.block.to_bytes(2, "big") + octet_string(self.raw)


@dataclass(frozen=True, slots=True)
class WriteDataBlockAccess:
    """``07 last block``: the data of the write are a block."""

    last: bool
    block: int

    def encode(self) -> bytes:
        return bytes((7, self.last)) + self.block.to_bytes(2, "big")


Variable: TypeAlias = (
    VariableName | ParameterizedAccess | BlockNumberAccess | ReadDataBlockAccess | WriteDataBlockAccess
)


def _read_variable(reader: Reader) -> Variable:
    match reader.choice(2, 4, 5, 6, 7):
        case 2:
            return VariableName(reader.unsigned(2))
        case 4:
            return ParameterizedAccess(reader.unsigned(2), Selection.read(reader))
        case 5:
            return BlockNumberAccess(reader.unsigned(2))
        case 6:
            return ReadDataBlockAccess(reader.boolean(), reader.unsigned(2), reader.octets())
        case _:
            return WriteDataBlockAccess(reader.boolean(), reader.unsigned(2))


def _read_variables(reader: Reader) -> tuple[Variable, ...]:
    return tuple(_read_variable(reader) for _ in range(reader.count()))


def _encode_variables(variables: tuple[Variable, ...]) -> bytes:
    return sequence(tuple(variable.encode() for variable in variables))


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """``05``."""

    variables: tuple[Variable, ...]

    def encode(self) -> bytes:
        return b"\x05" + _encode_variables(self.variables)

    @classmethod
    def read(cls, reader: Reader) -> ReadRequest:
        return cls(_read_variables(reader))


@dataclass(frozen=True, slots=True)
class DataBlock:
    """``02 last block raw`` in a ReadResponse."""

    last: bool
    block: int
    raw: bytes

    def encode(self) -> bytes:
        return bytes((2, self.last)) + self.block.to_bytes(2, "big") + octet_string(self.raw)


@dataclass(frozen=True, slots=True)
class BlockNumber:
    """The block number that acknowledges a block of a long request."""

    block: int


@dataclass(frozen=True, slots=True)
class ReadResponse:
    """``0C``: for each variable its encoded Data, a result, a block, or a block number."""

    results: tuple[bytes | DataAccessResult | DataBlock | BlockNumber, ...]

    def encode(self) -> bytes:
        return b"\x0c" + sequence(tuple(map(_encode_read_result, self.results)))

    @classmethod
    def read(cls, reader: Reader) -> ReadResponse:
        return cls(tuple(_read_read_result(reader) for _ in range(reader.count())))


def _encode_read_result(result: bytes | DataAccessResult | DataBlock | BlockNumber) -> bytes:
    match result:
        case DataBlock():
            return result.encode()
        case BlockNumber(block):
            return b"\x03" + block.to_bytes(2, "big")
        case _:
            return encode_result(result)


def _read_read_result(reader: Reader) -> bytes | DataAccessResult | DataBlock | BlockNumber:
    match reader.choice(0, 1, 2, 3):
        case 0:
            return reader.data()
        case 1:
            return DataAccessResult(reader.unsigned(1))
        case 2:
            return DataBlock(reader.boolean(), reader.unsigned(2), reader.octets())
        case _:
            return BlockNumber(reader.unsigned(2))


@dataclass(frozen=True, slots=True)
class WriteRequest:
    """``06``, or ``16`` (UnconfirmedWrite) where ``confirmed`` is False: one Data for each variable."""

    variables: tuple[Variable, ...]
    data: tuple[bytes, ...]
    confirmed: bool = True

    def encode(self) -> bytes:
        return (b"\x06" if self.confirmed else b"\x16") + _encode_variables(self.variables) + sequence(self.data)

    @classmethod
    def read(cls, reader: Reader) -> WriteRequest:
        confirmed = reader.raw[reader.at - 1] == 0x06
        return cls(*_read_pairs(reader), confirmed)


def _read_pairs(reader: Reader) -> tuple[tuple[Variable, ...], tuple[bytes, ...]]:
    variables, start = _read_variables(reader), reader.at
    data = reader.data_list()
    if len(variables) != len(data):
        reader.fail(f"{len(variables)} variables and {len(data)} values", start)
    return variables, data


@dataclass(frozen=True, slots=True)
class WriteResponse:
    """``0D``: for each variable its result, or a block number."""

    results: tuple[DataAccessResult | BlockNumber, ...]

    def encode(self) -> bytes:
        return b"\x0d" + sequence(tuple(map(_encode_write_result, self.results)))

    @classmethod
    def read(cls, reader: Reader) -> WriteResponse:
        return cls(tuple(_read_write_result(reader) for _ in range(reader.count())))


def _encode_write_result(result: DataAccessResult | BlockNumber) -> bytes:
    if isinstance(result, BlockNumber):
        return b"\x02" + result.block.to_bytes(2, "big")
    return b"\x00" if result is DataAccessResult.SUCCESS else bytes((1, result))


def _read_write_result(reader: Reader) -> DataAccessResult | BlockNumber:
    match reader.choice(0, 1, 2):
        case 0:
            return DataAccessResult.SUCCESS
        case 1:
            return DataAccessResult(reader.unsigned(1))
        case _:
            return BlockNumber(reader.unsigned(2))


@dataclass(frozen=True, slots=True)
class InformationReport:
    """``18``: current time (GeneralizedTime as text octets, None for absent), variables and their values."""

    time: bytes | None
    variables: tuple[Variable, ...]
    data: tuple[bytes, ...]

    def encode(self) -> bytes:
        time = b"\x00" if self.time is None else b"\x01" + octet_string(self.time)
        return b"\x18" + time + _encode_variables(self.variables) + sequence(self.data)

    @classmethod
    def read(cls, reader: Reader) -> InformationReport:
        time = reader.octets() if reader.choice(0, 1) else None
        return cls(time, *_read_pairs(reader))


ShortName = ReadRequest | ReadResponse | WriteRequest | WriteResponse | InformationReport

READERS: dict[int, Callable[[Reader], ShortName]] = {
    0x05: ReadRequest.read,
    0x06: WriteRequest.read,
    0x0C: ReadResponse.read,
    0x0D: WriteResponse.read,
    0x16: WriteRequest.read,
    0x18: InformationReport.read,
}
