"""The words of a description: what a field is and, with ``times`` and ``when``, how often and on which condition."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, InstanceOf, PlainSerializer

from metersdk.apdu.keys import Secret
from metersdk.model.c1219 import formats as f
from metersdk.model.c1219.formats import Formats, TimeKind
from metersdk.model.c1219.layout import BitField, Codec, Element, Reader, Record, bit_field, of_size, packed_record
from metersdk.model.c1219.references import Expression, Scope, Times, When

BitSet = Annotated[frozenset[int], PlainSerializer(sorted, return_type=list[int], when_used="json")]
"""A SET of the standard: the numbers of the bits that are 1, bit 0 the lowest of the first octet."""

SecretField = Annotated[
    InstanceOf[Secret] | None,
    BeforeValidator(lambda value: Secret(value) if isinstance(value, (bytes, str)) else value),
    PlainSerializer(lambda value: None if value is None else "***", return_type=str | None),
]
"""A password or key: None when it was read, for it is never kept; it may be given to be written."""


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

        return of_size(size, lambda octets: int.from_bytes(octets, order), encode)

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
        return of_size(
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
        return of_size(size, f.number_of, lambda value: f.characters_of(value, size))

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

        return of_size(size, decode, encode)

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
        return of_size(bcd, lambda octets: octets.hex().upper(), lambda value: _fitting(encode(value), bcd))

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
        return of_size(octets, bytes, lambda value: _fitting(bytes(value), octets))

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

        return of_size(octets, decode, encode)

    return _sized("SET", size, None, when, open, frozenset(), codec)


def hidden(size: Times, *, times: Times = None) -> Any:
    """BINARY(n) that is a password or a key: passed over, never kept."""

    def codec(octets: int) -> Codec:
        return of_size(octets, lambda raw: None, lambda value: _fitting(bytes(value), octets))

    return _sized("secret", size, times, None, False, None, codec)


def _time(name: str, kinds: tuple[TimeKind, ...], times: Times, when: When) -> Any:
    def make(scope: Scope) -> Codec:
        kind, order = f.time_kind(kinds, scope.formats), scope.formats.order
        return of_size(kind.size, lambda octets: kind.decode(octets, order), lambda value: kind.encode(value, order))

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
            return bit_field(model, scope.formats)
        if given is not None:
            values = SimpleNamespace(**{name: expression.value(scope) for name, expression in given.items()})
            scope = Scope(scope.formats, scope.known, values)
        return packed_record(model, scope)

    default = model() if issubclass(model, BitField) else ...
    uses = () if given is None else tuple(given.values())
    return _field(model.__name__, make, default, times, when, open, uses=uses, record=model)
