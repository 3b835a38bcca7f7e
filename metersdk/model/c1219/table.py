"""A table of ANSI C12.19: what all of them share, how one is decoded, and how it is encoded again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from functools import cache
from types import SimpleNamespace
from typing import Any, ClassVar, TypeVar

from metersdk.errors import DecodeError, Finding, LocalProtocolError
from metersdk.model.c1219.formats import Formats
from metersdk.model.c1219.layout import Codec, Element, Reader, Record, Trouble, elements, encode_field
from metersdk.model.c1219.references import Scope
from metersdk.model.fields import HexBytes

TableModel = TypeVar("TableModel", bound="C1219Table")


class Certainty(StrEnum):
    """What the description of a table rests on."""

    SOURCE = "source"
    """Read in published sources that read such meters."""
    MEMORY = "memory"
    """From memory of the standard; to be checked against it."""
    VENDOR = "vendor"
    """Vendor data: a maker's own table."""


class C1219Table(Record):
    """One table, decoded. ``rest`` are octets behind what the description knows, ``findings`` what was tolerated."""

    NUMBER: ClassVar[int] = -1
    NAME: ClassVar[str] = ""
    """Name of the standard, ``"CURRENT_REG_DATA_TBL"``."""
    CERTAINTY: ClassVar[Certainty] = Certainty.MEMORY

    rest: HexBytes = b""
    findings: tuple[Finding, ...] = ()

    def __init_subclass__(
        cls, number: int | None = None, name: str = "", certainty: Certainty = Certainty.SOURCE, **more: Any
    ) -> None:
        super().__init_subclass__(**more)
        if number is not None:
            cls.NUMBER, cls.NAME, cls.CERTAINTY = number, name, certainty
        if certainty is Certainty.MEMORY:
            cls.__doc__ = f"{cls.__doc__ or name}\n\n    From memory of the standard; to be checked against it.\n    "


@cache
def needs_of(model: type[C1219Table]) -> frozenset[int]:
    """The tables that a description refers to directly, table 0 for its formats included."""
    used = frozenset((0,)).union(*(element.tables for _, element in elements(model)))
    return used - {model.NUMBER}


def _bound(
    model: type[C1219Table], formats: Formats, known: Mapping[int, object], values: Mapping[str, object]
) -> Iterator[tuple[str, Element, Codec | None]]:
    """Each field, bound when its turn comes: ``values`` are those of the fields before it, for it may refer to them."""
    own = SimpleNamespace()
    scope = Scope(formats, {**known, model.NUMBER: own})
    for name, element in elements(model):
        own.__dict__.update(values)
        try:
            yield name, element, element.bind(scope)
        except Trouble as trouble:
            trouble.path.append(name)
            raise


def decode(
    model: type[TableModel], octets: bytes, formats: Formats, known: Mapping[int, object], number: int | None = None
) -> TableModel:
    """A table from its octets; ``known`` holds the tables that its description refers to.

    Raises:
        DecodeError: an octet is missing, or a format is reserved; names table, field and octet.
    """
    octets, number = bytes(octets), model.NUMBER if number is None else number
    reader, values = Reader(octets), dict[str, Any]()
    findings: list[Finding] = []
    try:
        for name, element, codec in _bound(model, formats, known, values):
            if codec is not None and element.open and reader.left() < (codec.size or 0):
                findings.append(_short(number, name, reader))
                codec = None
            try:
                values[name] = None if codec is None else codec.decode(reader)
            except Trouble as trouble:
                trouble.path.append(name)
                raise
    except Trouble as trouble:
        at = reader.at if trouble.offset < 0 else trouble.offset
        raise DecodeError(
            f"table {number}: {trouble}",
            layer="data",
            offset=at,
            data=octets,
            hint="tables 0 and those that give its dimensions may be of another meter, or wrong; read them again",
        ) from None
    if reader.no_numbers:
        more = f", and {len(reader.no_numbers) - 1} more" if len(reader.no_numbers) > 1 else ""
        text = f"table {number}: the value at octet {reader.no_numbers[0]}{more} is no number"
        findings.append(Finding("c1219-number", text, "data", reader.no_numbers[0]))
    if reader.left():
        text = f"table {number} is {reader.left()} octets longer than its description"
        findings.append(Finding("c1219-table-long", text, "data", reader.at, "they are kept in .rest"))
    rest = reader.take(reader.left())
    return model.model_construct(None, **values, rest=rest, findings=tuple(findings))  # type: ignore[return-value]


def _short(number: int, name: str, reader: Reader) -> Finding:
    return Finding(
        "c1219-table-short",
        f"table {number} ends before {name}",
        "data",
        reader.at,
        "a meter of an older edition of the standard; the field is None",
    )


def encode(table: C1219Table, formats: Formats, known: Mapping[int, object], number: int | None = None) -> bytes:
    """The octets of a table, ``rest`` included.

    Raises:
        LocalProtocolError: a value does not fit its field, or this configuration has no such field.
    """
    number = table.NUMBER if number is None else number
    values = dict(table)
    octets = bytearray()
    try:
        for name, element, codec in _bound(type(table), formats, known, values):
            if not (element.open and values[name] is None):
                octets += encode_field(codec, values[name], name)
    except Trouble as trouble:
        raise LocalProtocolError(f"table {number}: {trouble}", layer="data") from None
    return bytes(octets) + table.rest


def places(
    model: type[C1219Table], formats: Formats, known: Mapping[int, object], number: int | None = None
) -> dict[str, tuple[int, int]]:
    """Offset and size of each field of a table, for reads by offset; fields behind one without an end are left out.

    Raises:
        DecodeError: a format is reserved.
    """
    found: dict[str, tuple[int, int]] = {}
    number, at = model.NUMBER if number is None else number, 0
    own = known.get(model.NUMBER)
    try:
        for name, _, codec in _bound(model, formats, known, dict(own) if isinstance(own, C1219Table) else {}):
            size = 0 if codec is None else codec.size
            if size is None:
                break
            found[name] = (at, size)
            at += size
    except Trouble as trouble:
        raise DecodeError(f"table {number}: {trouble}", layer="data") from None
    return found
