"""The language that tables are described in, and what makes decoder and encoder of a description.

A table of ANSI C12.19 is a frozen pydantic model; each field says what it is and, by one of the functions below, how it
stands on the wire. One description serves the decoder, the encoder and the simulator::

    ACT_REGS = TableReference(21)

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

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from types import SimpleNamespace
from typing import Annotated, Any, ClassVar, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, InstanceOf, PlainSerializer

from metersdk.apdu.keys import Secret
from metersdk.model.c1219 import formats as f
from metersdk.model.c1219.formats import Formats, TimeKind

BitSet = Annotated[frozenset[int], PlainSerializer(sorted, return_type=list[int], when_used="json")]
"""A SET of the standard: the numbers of the bits that are 1, bit 0 the lowest of the first octet."""

SecretField = Annotated[
    InstanceOf[Secret] | None,
    BeforeValidator(lambda value: Secret(value) if isinstance(value, (bytes, str)) else value),
    PlainSerializer(lambda value: None if value is None else "***", return_type=str | None),
]
"""A password or key: None when it was read, for it is never kept; it may be given to be written."""


class Trouble(Exception):
    """A field that cannot be read or written: ``path`` from the table to it, ``offset`` of its first octet."""

    def __init__(self, text: str, offset: int = -1) -> None:
        super().__init__(text)
        self.path: list[str] = []
        self.offset = offset

    def __str__(self) -> str:
        path = "".join(part if part.startswith("[") else f".{part}" for part in reversed(self.path)).lstrip(".")
        return f"{path}: {self.args[0]}" if path else str(self.args[0])


# --- references to other tables ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Scope:
    """What a description is bound to: formats, the tables it refers to, and what the table gave to its record."""

    formats: Formats
    known: Mapping[int, object] = field(default_factory=dict)
    given: object = None


class Expression:
    """A number, or a condition, that is known once the tables it refers to are."""

    tables: frozenset[int] = frozenset()

    def value(self, scope: Scope) -> int:
        raise TypeError("an expression has a value")

    def __add__(self, other: int) -> Expression:
        return Computed(self, lambda value: value + other, f"{self} + {other}")

    def __floordiv__(self, other: int) -> Expression:
        return Computed(self, lambda value: value // other, f"({self}) / {other}")


@dataclass(frozen=True)
class Path(Expression):
    """A field of a table: ``ACT_REGS.reg_func1_flags.cum_demand_flag``. A path into a record that is absent is 0."""

    table: int
    names: tuple[str, ...] = ()

    @property
    def tables(self) -> frozenset[int]:  # type: ignore[override]
        return frozenset() if self.table < 0 else frozenset((self.table,))

    def __getattr__(self, name: str) -> Path:
        if name.startswith("_"):
            raise AttributeError(name)
        return Path(self.table, (*self.names, name))

    def look_up(self, scope: Scope) -> Any:
        found: Any = scope.given if self.table < 0 else scope.known[self.table]
        for name in self.names:
            found = getattr(found, name, None)
        return found

    def value(self, scope: Scope) -> int:
        return int(self.look_up(scope) or 0)

    def __str__(self) -> str:
        return ".".join((f"T{self.table}" if self.table >= 0 else "given", *self.names))


def TableReference(number: int) -> Path:
    """The table with this number, to be referred to."""
    return Path(number)


CONFIG = TableReference(0)
"""GEN_CONFIG_TBL."""

GIVEN = Path(-1)
"""What a table gives to its record: ``record(Part, given={"size": ACT.size_set1})`` is ``GIVEN.size`` there."""


@dataclass(frozen=True)
class Computed(Expression):
    """An expression of another one."""

    of: Expression
    how: Callable[[int], int]
    text: str

    @property
    def tables(self) -> frozenset[int]:  # type: ignore[override]
        return self.of.tables

    def value(self, scope: Scope) -> int:
        return self.how(self.of.value(scope))

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Contains(Expression):
    """Whether a SET contains a number."""

    of: Path
    number: int

    @property
    def tables(self) -> frozenset[int]:  # type: ignore[override]
        return self.of.tables

    def value(self, scope: Scope) -> int:
        return self.number in (self.of.look_up(scope) or ())

    def __str__(self) -> str:
        return f"{self.number} in {self.of}"


def equals(expression: Expression, number: int) -> Expression:
    return Computed(expression, lambda value: value == number, f"{expression} = {number}")


def at_least(expression: Expression, number: int) -> Expression:
    return Computed(expression, lambda value: value >= number, f"{expression} >= {number}")


def absent(expression: Expression) -> Expression:
    return Computed(expression, lambda value: not value, f"not {expression}")


# --- binding ----------------------------------------------------------------------------------------------------------


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


def _simple(size: int, decode: Callable[[bytes], object], encode: Callable[[Any], bytes]) -> Codec:
    return Codec(size, lambda reader: decode(reader.take(size)), encode)


Times: TypeAlias = Expression | int | None
When: TypeAlias = Expression | None


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


# --- records ----------------------------------------------------------------------------------------------------------


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


def _bit_field(model: type[BitField], formats: Formats) -> Codec:
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

    return _simple(size, decode, encode)


def _record(model: type[Record], scope: Scope) -> Codec:
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


# --- the elements -----------------------------------------------------------------------------------------------------


def _field(
    name: str,
    make: Callable[[Scope], Codec],
    default: object,
    times: Times,
    when: When,
    open: bool = False,
    **more: Any,
) -> Any:
    element = Element(name, make, times, when, open, **more)
    if when is not None or open:
        default = None
    elif times is not None:
        default = ()
    if default is ...:
        return Field(json_schema_extra=element)
    return Field(default=default, json_schema_extra=element)


def _unsigned(size: int) -> Callable[[Scope], Codec]:
    def make(scope: Scope) -> Codec:
        order = scope.formats.order

        def encode(value: int) -> bytes:
            if not 0 <= value < 1 << 8 * size:
                raise ValueError(f"{value} does not fit into {size} octets")
            return value.to_bytes(size, order)

        return _simple(size, lambda octets: int.from_bytes(octets, order), encode)

    return make


def u8(*, times: Times = None, when: When = None, open: bool = False) -> Any:
    """UINT8."""
    return _field("UINT8", _unsigned(1), 0, times, when, open)


def u16(*, times: Times = None, when: When = None, open: bool = False) -> Any:
    """UINT16."""
    return _field("UINT16", _unsigned(2), 0, times, when, open)


def u32(*, times: Times = None, when: When = None, open: bool = False) -> Any:
    """UINT32."""
    return _field("UINT32", _unsigned(4), 0, times, when, open)


def unsigned(size: int, *, times: Times = None, when: When = None, open: bool = False) -> Any:
    """UINTn of so many octets."""
    return _field(f"UINT{8 * size}", _unsigned(size), 0, times, when, open)


def signed(size: int, *, times: Times = None, when: When = None, open: bool = False) -> Any:
    """INTn of so many octets, by INT_FORMAT."""

    def make(scope: Scope) -> Codec:
        f.signed(bytes(size), scope.formats)
        return _simple(
            size,
            lambda octets: f.signed(octets, scope.formats),
            lambda value: f.signed_octets(value, size, scope.formats),
        )

    return _field(f"INT{8 * size}", make, 0, times, when, open)


def _non_integer(which: Callable[[Formats], int]) -> Callable[[Scope], Codec]:
    def make(scope: Scope) -> Codec:
        number, formats = which(scope.formats), scope.formats
        size = f.NI_SIZES[f.ni_format(number)]
        f.non_integer(bytes(size), number, formats)

        def decode(reader: Reader) -> object:
            value = f.non_integer(reader.take(size), number, formats)
            if value.is_nan():
                reader.no_numbers.append(reader.at - size)
            return value

        return Codec(size, decode, lambda value: f.non_integer_octets(value, number, formats))

    return make


def ni_fmat1(*, times: Times = None, when: When = None) -> Any:
    """NI_FMAT1: a number in the format that NI_FORMAT1 of table 0 names."""
    return _field("NI_FMAT1", _non_integer(lambda formats: formats.ni_format1), 0, times, when)


def ni_fmat2(*, times: Times = None, when: When = None) -> Any:
    """NI_FMAT2: a number in the format that NI_FORMAT2 of table 0 names."""
    return _field("NI_FMAT2", _non_integer(lambda formats: formats.ni_format2), 0, times, when)


def float32(*, times: Times = None, when: When = None) -> Any:
    """FLOAT32, whatever table 0 says of non-integers."""
    return _field("FLOAT32", _non_integer(lambda formats: f.NiFormat.FLOAT32), 0, times, when)


def float_char(size: int, *, when: When = None) -> Any:
    """FLOAT_CHARn: a number in characters."""

    def make(scope: Scope) -> Codec:
        return _simple(size, f.number_of, lambda value: f.characters_of(value, size))

    return _field(f"FLOAT_CHAR{size}", make, 0, None, when)


_CODINGS = {1: "ascii", 2: "latin-1", 3: "utf-8"}


def _text(size: int) -> Callable[[Scope], Codec]:
    def make(scope: Scope) -> Codec:
        coding = _CODINGS.get(scope.formats.char_format, "latin-1")

        def decode(octets: bytes) -> str:
            try:
                return octets.decode(coding).rstrip(" \0")
            except UnicodeDecodeError:
                # Eight bits where seven were promised: every octet is a character of Latin-1.
                return octets.decode("latin-1").rstrip(" \0")

        def encode(value: str) -> bytes:
            octets = value.encode("latin-1" if coding == "ascii" else coding)
            if len(octets) > size:
                raise ValueError(f"{len(octets)} characters do not fit into {size}")
            return octets.ljust(size)

        return _simple(size, decode, encode)

    return make


def text(size: int, *, times: Times = None, when: When = None) -> Any:
    """STRING(n): so many octets, by CHAR_FORMAT; blanks at its end are left out."""
    return _field(f"STRING({size})", _text(size), "", times, when)


def ident(characters: int, bcd: int) -> Any:
    """STRING(n) or BCD(n) by ID_FORM; digits are kept with their zeros, as text."""

    def make(scope: Scope) -> Codec:
        if not scope.formats.id_form:
            return _text(characters)(scope)

        def encode(value: str) -> bytes:
            return bytes.fromhex(value.rjust(2 * bcd, "0"))

        # BCD(n) is an array of octets, so DATA_ORDER does not turn it.
        return _simple(bcd, lambda octets: octets.hex().upper(), lambda value: _fitting(encode(value), bcd))

    return _field(f"STRING({characters}) or BCD({bcd})", make, "", None, None)


def _fitting(octets: bytes, size: int) -> bytes:
    if len(octets) != size:
        raise ValueError(f"{len(octets)} octets do not fit into {size}")
    return octets


def _sized(name: str, size: Times, times: Times, when: When, open: bool, default: object, codec: Any) -> Any:
    """A field of ``size`` octets; None: all that are left."""
    uses = (size,) if isinstance(size, Expression) else ()

    def make(scope: Scope) -> Codec:
        made: Codec = codec(size.value(scope) if isinstance(size, Expression) else size)
        return made

    label = f"{name}({'rest' if size is None else size})"
    return _field(label, make, default, times, when, open, uses=uses)


def binary(size: Times = None, *, times: Times = None, when: When = None, open: bool = False) -> Any:
    """BINARY(n); without a size all octets that are left."""

    def codec(octets: int | None) -> Codec:
        if octets is None:
            return Codec(None, lambda reader: reader.take(reader.left()), bytes)
        return _simple(octets, bytes, lambda value: _fitting(bytes(value), octets))

    return _sized("BINARY", size, times, when, open, b"", codec)


def bit_set(size: Times, *, when: When = None, open: bool = False) -> Any:
    """SET(n) of n octets: the numbers of its bits that are 1."""

    def codec(octets: int) -> Codec:
        def decode(raw: bytes) -> frozenset[int]:
            return frozenset(8 * at + n for at, octet in enumerate(raw) if octet for n in range(8) if octet >> n & 1)

        def encode(numbers: frozenset[int]) -> bytes:
            if numbers and not 0 <= min(numbers) <= max(numbers) < 8 * octets:
                raise ValueError(f"a set of {octets} octets has the numbers 0 to {8 * octets - 1}")
            raw = bytearray(octets)
            for number in numbers:
                raw[number // 8] |= 1 << number % 8
            return bytes(raw)

        return _simple(octets, decode, encode)

    return _sized("SET", size, None, when, open, frozenset(), codec)


def hidden(size: Times, *, times: Times = None) -> Any:
    """BINARY(n) that is a password or a key: passed over, never kept."""

    def codec(octets: int) -> Codec:
        return _simple(octets, lambda raw: None, lambda value: _fitting(bytes(value), octets))

    return _sized("secret", size, times, None, False, None, codec)


def _time(name: str, kinds: tuple[TimeKind, ...], times: Times, when: When) -> Any:
    def make(scope: Scope) -> Codec:
        kind, order = f.time_kind(kinds, scope.formats), scope.formats.order
        return _simple(kind.size, lambda octets: kind.decode(octets, order), lambda value: kind.encode(value, order))

    return _field(name, make, None, times, when)


def stime(*, times: Times = None, when: When = None) -> Any:
    """STIME_DATE: date and time to the minute (to the second with TM_FORMAT 4)."""
    return _time("STIME_DATE", f.STIME, times, when)


def ltime(*, times: Times = None, when: When = None) -> Any:
    """LTIME_DATE: date and time to the second."""
    return _time("LTIME_DATE", f.LTIME, times, when)


def time_of_day(*, times: Times = None, when: When = None) -> Any:
    """TIME: hours, minutes and seconds."""
    return _time("TIME", f.TIME, times, when)


def date_only(*, times: Times = None, when: When = None) -> Any:
    """DATE: year, month and day."""
    return _time("DATE", f.DATE, times, when)


def record(
    model: type[Record],
    *,
    times: Times = None,
    when: When = None,
    open: bool = False,
    given: Mapping[str, Expression] | None = None,
) -> Any:
    """A record or bit field; ``given`` are the values that it may refer to as ``GIVEN``."""

    def make(scope: Scope) -> Codec:
        if issubclass(model, BitField):
            return _bit_field(model, scope.formats)
        if given is not None:
            values = SimpleNamespace(**{name: expression.value(scope) for name, expression in given.items()})
            scope = Scope(scope.formats, scope.known, values)
        return _record(model, scope)

    default = model() if issubclass(model, BitField) else ...
    uses = () if given is None else tuple(given.values())
    return _field(model.__name__, make, default, times, when, open, uses=uses, record=model)
