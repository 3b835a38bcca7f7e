"""Which model describes which table, what must be read before it, and all that was read of a meter."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import TypeAlias

from pydantic import ValidationError

from metersdk.errors import DecodeError, LocalProtocolError
from metersdk.model.c1219 import (
    display,
    general,
    log_tables,
    profile_tables,
    registers,
    security_tables,
    sources,
    table,
    time_tables,
)
from metersdk.model.c1219.configuration import MANUFACTURER, PENDING, Configuration
from metersdk.model.c1219.formats import Formats
from metersdk.model.c1219.layout import elements
from metersdk.model.c1219.security_tables import SECRET_TABLES
from metersdk.model.c1219.table import C1219Table, needs_of

Model: TypeAlias = type[C1219Table]

_DECADES = (general, sources, registers, display, security_tables, time_tables, profile_tables, log_tables)

STANDARD: Mapping[int, Model] = {
    model.NUMBER: model for model in (Configuration, *(model for decade in _DECADES for model in decade.TABLES))
}
"""The tables of the standard that have a description, by number. Tables 64 to 67 are the load profile's."""


def model_for(number: int, extra: Iterable[Model] = ()) -> Model | None:
    """The description of a table; ``extra`` (vendor data) goes before the standard. A pending table is like its own."""
    number %= PENDING
    return next((model for model in extra if number == model.NUMBER), STANDARD.get(number))


def needs(number: int, extra: Iterable[Model] = ()) -> tuple[int, ...]:
    """The tables to be read before this one, in the order to read them: ``needs(23)`` is ``(0, 21)``.

    Empty for table 0 and for tables without a description.
    """
    return _needs(model_for(number, extra), tuple(extra))


@cache
def _needs(model: Model | None, extra: tuple[Model, ...]) -> tuple[int, ...]:
    if model is None:
        return ()
    found = dict[int, None]()
    for number in sorted(needs_of(model)):
        found |= dict.fromkeys((*needs(number, extra), number))
    return tuple(found)


def _formats(number: int, known: Mapping[int, object]) -> Formats:
    if number % PENDING == 0:
        return Formats()
    configuration = known.get(0)
    if not isinstance(configuration, Configuration):
        raise LocalProtocolError(f"table {number} needs table 0 first", layer="data")
    return configuration.formats


def _prepared(number: int, known: Mapping[int, object], extra: Iterable[Model]) -> tuple[Model, Formats]:
    model = model_for(number, extra)
    if model is None:
        raise LocalProtocolError(
            f"table {number} has no description", layer="data", hint="take its octets, or describe it (vendor data)"
        )
    missing = [each for each in sorted(needs_of(model)) if each not in known]
    if missing:
        names = ", ".join(map(str, missing))
        raise LocalProtocolError(f"table {number} needs table {names} first", layer="data", hint="see needs()")
    return model, _formats(number, known)


def decode_table(number: int, octets: bytes, known: Mapping[int, object], extra: Iterable[Model] = ()) -> C1219Table:
    """A table from its octets; ``known`` holds those of ``needs(number)``, decoded.

    Raises:
        DecodeError: an octet is missing, or a format is reserved; names table, field and octet.
        LocalProtocolError: the table has no description, or a table it needs is missing.
    """
    model, formats = _prepared(number, known, extra)
    return table.decode(model, octets, formats, known, number)


def encode_table(
    values: C1219Table | Mapping[str, object],
    known: Mapping[int, object],
    number: int | None = None,
    extra: Iterable[Model] = (),
) -> bytes:
    """The octets of a table, given as its model, or as ``number`` and the values of its fields.

    Raises:
        LocalProtocolError: a value does not fit, or there is no such field in this configuration.
    """
    if number is None:
        if not isinstance(values, C1219Table):
            raise LocalProtocolError("say which table these are the values of", layer="data")
        number = values.NUMBER
    model, formats = _prepared(number, known, extra)
    if not isinstance(values, C1219Table):
        try:
            values = model.model_validate(values)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            raise LocalProtocolError(f"table {number}: {place}: {first['msg']}", layer="data") from None
    return table.encode(values, formats, known, number)


def places(number: int, known: Mapping[int, object], extra: Iterable[Model] = ()) -> dict[str, tuple[int, int]]:
    """Offset and size of each field of a table, for reads by offset: ``places(63, known)["set1"]`` is ``(0, 13)``.

    Raises:
        DecodeError: a format is reserved.
        LocalProtocolError: as ``decode_table``.
    """
    model, formats = _prepared(number, known, extra)
    return table.places(model, formats, known)


def size_of(number: int, known: Mapping[int, object], extra: Iterable[Model] = ()) -> int | None:
    """Octets that a table has by its description; None where it ends in what is as long as it is.

    Raises:
        DecodeError: a format is reserved.
        LocalProtocolError: as ``decode_table``.
    """
    model, _ = _prepared(number, known, extra)
    found = places(number, known, extra)
    if len(found) < len(elements(model)):
        return None
    return sum(size for _, size in found.values())


class TableSet:
    """What was read of a meter: octets by table number, decoded when they are asked for.

    ``extra`` are further descriptions, of vendor data. Passwords and keys are not kept: in tables 42 and 45 their
    octets are 0.
    """

    def __init__(self, octets: Mapping[int, bytes] | None = None, extra: Iterable[Model] = ()) -> None:
        self.extra = tuple(extra)
        self._octets: dict[int, bytes] = {}
        self._tables: dict[int, C1219Table] = {}
        for number, each in (octets or {}).items():
            self.add(number, each)

    def add(self, number: int, octets: bytes) -> None:
        """Take the octets of a table. Tables that depend on it are decoded anew, when they are asked for."""
        octets = bytes(octets)
        if number % PENDING in SECRET_TABLES:
            octets = self._without_secrets(number, octets)
        self._octets[number] = octets
        for each in [each for each in self._tables if each == number or number in needs(each, self.extra)]:
            del self._tables[each]

    def _without_secrets(self, number: int, octets: bytes) -> bytes:
        """Decoded and encoded again, which leaves zeros; all zeros where its dimensions are not known."""
        try:
            known = self.known(number)
            decoded = decode_table(number, octets, known).model_copy(update={"rest": b""})
            return encode_table(decoded, known, number).ljust(len(octets), b"\0")
        except (DecodeError, LocalProtocolError):
            return bytes(len(octets))

    def raw(self, number: int) -> bytes:
        """The octets of a table.

        Raises:
            LocalProtocolError: it was not read.
        """
        if number not in self._octets:
            raise LocalProtocolError(f"table {number} was not read", layer="data")
        return self._octets[number]

    def known(self, number: int) -> dict[int, object]:
        """The tables that ``number`` needs, decoded, as far as they were read."""
        return {each: self.get(each) for each in needs(number, self.extra) if each in self._octets}

    def get(self, number: int) -> C1219Table:
        """The table, decoded.

        Raises:
            DecodeError: it, or a table it depends on, cannot be decoded.
            LocalProtocolError: it has no description, or it or a table it needs was not read.
        """
        if number not in self._tables:
            self._tables[number] = decode_table(number, self.raw(number), self.known(number), self.extra)
        return self._tables[number]

    def find(self, number: int) -> C1219Table | None:
        """The table, decoded, or None where it cannot be: it was not read, or it is damaged."""
        try:
            return self.get(number)
        except (DecodeError, LocalProtocolError):
            return None

    def missing(self, number: int) -> tuple[int, ...]:
        """Those of ``needs(number)`` that were not read yet."""
        return tuple(each for each in needs(number, self.extra) if each not in self._octets)

    @property
    def configuration(self) -> Configuration:
        """Table 0.

        Raises:
            DecodeError: it cannot be decoded.
            LocalProtocolError: it was not read.
        """
        found = self.get(0)
        if not isinstance(found, Configuration):
            raise LocalProtocolError("table 0 is described as something else", layer="data")
        return found

    def __contains__(self, number: object) -> bool:
        return number in self._octets

    def __iter__(self) -> Iterator[int]:
        """The numbers of the tables that were read, in order; manufacturer tables from 2048 on."""
        return iter(sorted(self._octets))

    def __len__(self) -> int:
        return len(self._octets)

    def __repr__(self) -> str:
        return f"TableSet({', '.join(map(str, self))})"


def table_name(number: int) -> str:
    """``"ST23"``, ``"MT5"``: a table as people call it; pending ones have a ``P`` before it."""
    pending, number = divmod(number, PENDING)
    kind = f"MT{number - MANUFACTURER}" if number >= MANUFACTURER else f"ST{number}"
    return f"P{kind}" if pending else kind
