"""The language that tables are described in, and what makes decoder and encoder of a description.

A table of ANSI C12.19 is a frozen pydantic model; each field says what it is and, by a function of ``elements.py``, how
it stands on the wire. One description serves the decoder, the encoder and the simulator::

    ACT_REGS = Reference(21)

    class Demands(Record):
        event_time: tuple[MomentField, ...] | None = stime(
            times=ACT_REGS.nbr_occur, when=ACT_REGS.reg_func1_flags.date_time_field_flag
        )
        cum_demand: Decimal | None = ni_fmat1(when=ACT_REGS.reg_func1_flags.cum_demand_flag)
        demand: tuple[Decimal, ...] = ni_fmat2(times=ACT_REGS.nbr_occur)

``times`` is the dimension of an array, ``when`` the condition of ``IF .. THEN``: a field of another table, or what can
be computed from it. A field that its condition takes away is None. Names of fields are those of the standard.

Descriptions are bound to a meter before they are used: references are looked up and sizes computed. So nothing is built
for a dimension that the octets at hand do not have room for. What takes no octets is not there: an array of nothing is
empty whatever its dimension.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from metersdk.model.c1219.formats import Formats
from metersdk.model.c1219.references import Expression, Scope, Times, When


class Trouble(Exception):
    """A field that cannot be read or written: ``path`` from the table to it, ``offset`` of its first octet."""

    def __init__(self, text: str, offset: int = -1) -> None:
        super().__init__(text)
        self.path: list[str] = []
        self.offset = offset

    def __str__(self) -> str:
        path = "".join(part if part.startswith("[") else f".{part}" for part in reversed(self.path)).lstrip(".")
        return f"{path}: {self.args[0]}" if path else str(self.args[0])


class Reader:
    """The octets of a table, from the first to the last; counts the numbers in it that are none."""

    def __init__(self, octets: bytes) -> None:
        self.octets = octets
        self.at = 0
        self.no_numbers: list[int] = []

    def left(self) -> int:
        return len(self.octets) - self.at

    def need(self, size: int, what: str = "") -> None:
        if size > self.left():
            text = f"{what or 'the field'} takes {size} octets, and {self.left()} are there"
            raise Trouble(text, self.at)

    def take(self, size: int) -> bytes:
        self.need(size)
        self.at += size
        return self.octets[self.at - size : self.at]


@dataclass(frozen=True, slots=True)
class Codec:
    """An element bound to a meter. ``size`` None: it takes all that is left."""

    size: int | None
    decode: Callable[[Reader], object]
    encode: Callable[[Any], bytes]


def of_size(size: int, decode: Callable[[bytes], object], encode: Callable[[Any], bytes]) -> Codec:
    """The codec of an element of so many octets."""
    return Codec(size, lambda reader: decode(reader.take(size)), encode)


@dataclass(frozen=True, eq=False)
class Element:
    """How a field stands on the wire: what it is, how often, and when.

    Called by pydantic to put its name into the JSON schema of the model.
    """

    name: str
    make: Callable[[Scope], Codec]
    times: Times = None
    when: When = None
    open: bool = False
    """The table may end before this field, as older meters' tables do."""
    uses: tuple[Expression, ...] = ()
    record: type[Record] | None = None

    def __call__(self, schema: dict[str, Any]) -> None:
        schema["c1219"] = str(self)

    def __str__(self) -> str:
        text = f"ARRAY[{self.times}] OF {self.name}" if self.times is not None else self.name
        return f"IF {self.when} THEN {text}" if self.when is not None else text

    @property
    def expressions(self) -> Iterator[Expression]:
        """All that this field refers to, also within its record."""
        yield from self.uses
        for each in (self.times, self.when):
            if isinstance(each, Expression):
                yield each
        if self.record is not None:
            for _, element in elements(self.record):
                yield from element.expressions

    @property
    def tables(self) -> frozenset[int]:
        return frozenset().union(*(expression.tables for expression in self.expressions))

    def bind(self, scope: Scope) -> Codec | None:
        """The codec for a meter; None where the condition takes the field away."""
        if self.when is not None and not self.when.value(scope):
            return None
        try:
            codec = self.make(scope)
        except ValueError as error:
            raise Trouble(str(error)) from None
        if self.times is None:
            return codec
        return _array(codec, self.times if isinstance(self.times, int) else max(0, self.times.value(scope)), self.name)


def _array(item: Codec, count: int, name: str) -> Codec:
    size = item.size
    if size is None:
        raise Trouble(f"an array of {name}, which has no end")
    if not size:
        return Codec(0, lambda reader: (), lambda values: b"")

    def decode(reader: Reader) -> tuple[object, ...]:
        reader.need(count * size, f"{count} times {name}")
        values = []
        for number in range(count):
            try:
                values.append(item.decode(reader))
            except Trouble as trouble:
                trouble.path.append(f"[{number}]")
                raise
        return tuple(values)

    def encode(values: tuple[object, ...]) -> bytes:
        if len(values) != count:
            raise Trouble(f"{count} times {name}, not {len(values)}")
        octets = bytearray()
        for number, value in enumerate(values):
            octets += _encoded(item, value, f"[{number}]")
        return bytes(octets)

    return Codec(count * size, decode, encode)


def _encoded(codec: Codec, value: object, name: str) -> bytes:
    if value is None and codec.size is not None:
        return bytes(codec.size)
    try:
        return codec.encode(value)
    except ValueError as error:
        trouble = Trouble(str(error))
    except Trouble as raised:
        trouble = raised
    trouble.path.append(name)
    raise trouble


class Record(BaseModel):
    """PACKED RECORD: its fields one after the other."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=True)


class BitField(Record):
    """BIT FIELD OF UINTn: its fields are bits of one integer; bits without a name are kept in ``filler``."""

    OCTETS: ClassVar[int] = 1

    filler: int = Field(default=0, ge=0, repr=False)


@dataclass(frozen=True, slots=True)
class _Bits:
    """Where bits stand in their bit field; told to pydantic in the same way as :class:`Element`."""

    low: int
    high: int

    def __call__(self, schema: dict[str, Any]) -> None:
        schema["c1219"] = f"bits {self.low}..{self.high}"


def bits(low: int, high: int) -> Any:
    """UINT(low..high) of a bit field, bit 0 the lowest."""
    return Field(default=0, ge=0, lt=1 << high - low + 1, json_schema_extra=_Bits(low, high))


def bit(number: int) -> Any:
    """BOOL(number) of a bit field."""
    return Field(default=False, json_schema_extra=_Bits(number, number))


@cache
def elements(model: type[BaseModel]) -> tuple[tuple[str, Element], ...]:
    """The fields of a record, or table, that stand on the wire."""
    extras = ((name, info.json_schema_extra) for name, info in model.model_fields.items())
    return tuple((name, extra) for name, extra in extras if isinstance(extra, Element))


@cache
def _bits_of(model: type[BitField]) -> tuple[tuple[str, _Bits, bool], ...]:
    extras = ((name, info.json_schema_extra, info.annotation is bool) for name, info in model.model_fields.items())
    return tuple((name, extra, flag) for name, extra, flag in extras if isinstance(extra, _Bits))


def bit_field(model: type[BitField], formats: Formats) -> Codec:
    """The codec of a bit field."""
    fields = [
        (name, place.low, (1 << place.high - place.low + 1) - 1, bool if flag else int)
        for name, place, flag in _bits_of(model)
    ]
    named = sum(mask << low for _, low, mask, _ in fields)
    size, order = model.OCTETS, formats.order

    def decode(octets: bytes) -> BitField:
        word = int.from_bytes(octets, order)
        values: dict[str, Any] = {name: kind(word >> low & mask) for name, low, mask, kind in fields}
        return model.model_construct(None, **values, filler=word & ~named)

    def encode(value: BitField) -> bytes:
        word = value.filler & ~named
        for name, low, mask, _ in fields:
            word |= (int(getattr(value, name)) & mask) << low
        if word >> 8 * size:
            raise ValueError(f"{word:#x} does not fit into {size} octets")
        return word.to_bytes(size, order)

    return of_size(size, decode, encode)


def packed_record(model: type[Record], scope: Scope) -> Codec:
    """The codec of a record."""
    bound = []
    for name, element in elements(model):
        try:
            bound.append((name, element.bind(scope)))
        except Trouble as trouble:
            trouble.path.append(name)
            raise
    sizes = [0 if codec is None else codec.size for _, codec in bound]
    size = None if None in sizes else sum(filter(None, sizes))

    def decode(reader: Reader) -> Record:
        values: dict[str, Any] = {}
        for name, codec in bound:
            try:
                values[name] = None if codec is None else codec.decode(reader)
            except Trouble as trouble:
                trouble.path.append(name)
                raise
        return model.model_construct(None, **values)

    def encode(value: Record) -> bytes:
        return b"".join(encode_field(codec, getattr(value, name), name) for name, codec in bound)

    return Codec(size, decode, encode)


def encode_field(codec: Codec | None, value: object, name: str) -> bytes:
    """The octets of one field of a record or table; zeros for one that was left out."""
    if codec is not None:
        return _encoded(codec, value, name)
    if value is not None:
        trouble = Trouble("there is no such field in this configuration")
        trouble.path.append(name)
        raise trouble
    return b""
