"""Tables that a maker described, or somebody found out: vendor data, read from TOML.

::

    [[table]]
    number = 2048                  # manufacturer table 0; or a table of the standard that the maker fills anew
    name = "Tamper counters"
    fields = [
      { name = "openings", type = "u16", count = 3, unit = "", obis = "0-0:96.20.0" },
      { name = "temperature", type = "i16", scaler = -1, unit = "°C" },
      { name = "voltage", type = "NI_FMAT1", unit = "V", obis = "1-0:32.7.0" },
      { name = "what_is_left", type = "binary" },
    ]

A description becomes a model like those of the standard, with the same decoder and encoder; ``TableSet(extra=...)``
takes it. Fields hold the numbers of the meter; ``readings()`` gives the values.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from functools import cache
from importlib import resources
from typing import Annotated, Any, ClassVar, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, create_model, model_validator

from metersdk.errors import LocalProtocolError
from metersdk.model.c1219 import elements
from metersdk.model.c1219.configuration import PENDING
from metersdk.model.c1219.formats import Moment, MomentField
from metersdk.model.c1219.table import C1219Table, Certainty
from metersdk.model.fields import HexBytes, ObisField, UnitField
from metersdk.model.quantity import scaled, unit_from_symbol
from metersdk.model.reading import Reading

_NUMBERS: Final[Mapping[str, Callable[..., Any]]] = {
    **{f"u{8 * size}": lambda size=size, **more: elements.unsigned(size, **more) for size in (1, 2, 3, 4, 5, 6, 8)},
    **{f"i{8 * size}": lambda size=size, **more: elements.signed(size, **more) for size in (1, 2, 3, 4, 5, 6, 8)},
}
_NON_INTEGERS: Final[Mapping[str, Callable[..., Any]]] = {
    "NI_FMAT1": elements.ni_fmat1,
    "NI_FMAT2": elements.ni_fmat2,
    "f32": elements.float32,
}
_TIMES: Final[Mapping[str, Callable[..., Any]]] = {"STIME_DATE": elements.stime, "LTIME_DATE": elements.ltime}
_OCTETS: Final = ("text", "binary")
TYPES: Final = (*_NUMBERS, *_NON_INTEGERS, *_TIMES, *_OCTETS)
"""What a field may be."""


def _unit(value: object) -> object:
    """A symbol with its prefix: the prefix goes into the scaler, so it is taken by ``FieldRow``."""
    if not isinstance(value, str):
        return value
    if not value:
        return None
    found = unit_from_symbol(value)
    if found is None or found[1]:
        raise ValueError(f"{value!r} is no unit without a prefix; use scaler for prefixes")
    return found[0]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FieldRow(_Part):
    """One field: ``count`` numbers of a ``type``, or so many octets of text or binary (without one: all that is left).

    The value of a number is ``number * 10 ** scaler`` in ``unit``; fields with an OBIS code are readings.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,47}$")
    type: str
    count: int | None = Field(default=None, ge=1, le=4096)
    scaler: int = Field(default=0, ge=-20, le=20)
    unit: Annotated[UnitField | None, BeforeValidator(_unit)] = None
    obis: ObisField | None = None

    @model_validator(mode="after")
    def _fits(self) -> FieldRow:
        if self.type not in TYPES:
            raise ValueError(f"{self.type!r} is no type; there are {', '.join(TYPES)}")
        if self.type == "text" and self.count is None:
            raise ValueError("a text has a count of octets")
        if self.name in C1219Table.model_fields or hasattr(VendorTable, self.name):
            raise ValueError(f"{self.name!r} means something else")
        return self

    def field(self) -> tuple[Any, Any]:
        """Type and default of the field of a model."""
        if self.type == "text":
            return str, elements.text(self.count or 0)
        if self.type == "binary":
            return HexBytes, elements.binary(self.count)
        for kinds, kind in ((_NUMBERS, int), (_NON_INTEGERS, Decimal), (_TIMES, MomentField | None)):
            if self.type in kinds:
                one = self.count is None
                return (kind if one else tuple[kind, ...]), kinds[self.type](times=self.count)  # type: ignore[valid-type]
        raise LocalProtocolError(f"{self.type!r} is no type", layer="data")


class TableRow(_Part):
    """One table: a number from 2048 on is a manufacturer table."""

    number: int = Field(ge=1, lt=PENDING)
    name: str = Field(min_length=1, max_length=80)
    fields: tuple[FieldRow, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _in_order(self) -> TableRow:
        names = [row.name for row in self.fields]
        if len(set(names)) < len(names):
            raise ValueError("two fields have the same name")
        if any(row.type == "binary" and row.count is None for row in self.fields[:-1]):
            raise ValueError("only the last field takes all that is left")
        return self


class _Layouts(_Part):
    table: tuple[TableRow, ...] = Field(min_length=1)


class VendorTable(C1219Table):
    """A table described by vendor data."""

    ROWS: ClassVar[tuple[FieldRow, ...]] = ()

    def readings(self) -> Iterator[Reading]:
        """The fields that have an OBIS code; of several numbers each counts group E up by one."""
        for row in self.ROWS:
            if row.obis is None:
                continue
            values = getattr(self, row.name)
            for place, value in enumerate(values if isinstance(values, tuple) else (values,)):
                a, b, c, d, e, f = row.obis.octets
                code = bytes((a, b, c, d, (e + place) & 0xFF, f))
                yield Reading(obis=code, value=_value(value, row.scaler), unit=row.unit, raw=_raw(value))


def _value(value: object, scaler: int) -> object:
    if isinstance(value, (int, Decimal)):
        return scaled(value, scaler) if Decimal(value).is_finite() else None
    return value.to_clock() if isinstance(value, Moment) else value


def _raw(value: object) -> int | str | bytes | None:
    return value if isinstance(value, (int, str, bytes)) or value is None else str(value)


def layouts_of(text: str, name: str = "vendor data") -> tuple[type[VendorTable], ...]:
    """The descriptions in a TOML text; ``name`` is told in errors.

    Raises:
        LocalProtocolError: it is no TOML, or no description of tables; names the key.
    """
    try:
        rows = _Layouts.model_validate(tomllib.loads(text)).table
    except tomllib.TOMLDecodeError as error:
        raise LocalProtocolError(f"{name}: {error}", layer="data") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise LocalProtocolError(f"{name}: {place}: {first['msg']}", layer="data") from None
    return tuple(map(_model, rows))


def _model(row: TableRow) -> type[VendorTable]:
    fields: dict[str, Any] = {field.name: field.field() for field in row.fields}
    model = create_model(f"Table{row.number}", __base__=VendorTable, **fields)
    model.NUMBER, model.NAME, model.CERTAINTY, model.ROWS = row.number, row.name, Certainty.VENDOR, row.fields
    return model


@cache
def layouts_named(name: str) -> tuple[type[VendorTable], ...]:
    """The descriptions that come with metersdk: ``"nes"``.

    Raises:
        LocalProtocolError: there are none of this name.
    """
    folder = resources.files("metersdk.model.c1219") / "layouts"
    names = sorted(each.name.removesuffix(".toml") for each in folder.iterdir() if each.name.endswith(".toml"))
    if name not in names:
        raise LocalProtocolError(f"no tables of {name!r:.40} come with metersdk", hint=f"there are {', '.join(names)}")
    return layouts_of((folder / f"{name}.toml").read_text("utf-8"), name)


@cache
def layouts_said(said: str) -> tuple[type[VendorTable], ...]:
    """What ``Quirks.c1219_layouts`` says: nothing, the name of descriptions that come with metersdk, or their TOML.

    Raises:
        LocalProtocolError: there are none of this name, or the TOML is none.
    """
    if not said:
        return ()
    return layouts_of(said) if "[[" in said else layouts_named(said)
