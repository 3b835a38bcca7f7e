"""One value with all that belongs to it, whatever protocol brought it."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, TypeAlias

from pydantic import BaseModel, ConfigDict, PlainSerializer, PlainValidator, WithJsonSchema, model_validator

from metersdk.errors import LocalProtocolError
from metersdk.model.clock import Date, DateTime, Time
from metersdk.model.fields import DateTimeField, ObisField, UnitField
from metersdk.model.obis import Obis, name

Value: TypeAlias = Decimal | str | bytes | bool | DateTime | Date | Time | tuple[object, ...] | None
Raw: TypeAlias = int | float | str | bytes | bool | None


def plain(value: object) -> object:
    """``value`` as JSON knows it: numbers exact as text, octets in hex, times in ISO 8601, tuples as lists."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, (tuple, list)):
        return [plain(item) for item in value]
    return str(value)


def _value(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool):
        return Decimal(value)
    if value is None or isinstance(value, (Decimal, str, bytes, bool, DateTime, Date, Time, tuple)):
        return value
    raise ValueError(f"a reading holds no {type(value).__name__}")


def _raw(raw: object) -> object:
    if raw is None or isinstance(raw, (int, float, str, bytes)):
        return raw
    raise ValueError(f"a reading keeps no {type(raw).__name__}")


# Numbers as text, exact; octets in hex; times in ISO 8601; tuples as arrays.
_ANYTHING = WithJsonSchema({"type": ["string", "number", "boolean", "array", "null"]})
ValueField: TypeAlias = Annotated[Value, PlainValidator(_value), PlainSerializer(plain, when_used="json"), _ANYTHING]
RawField: TypeAlias = Annotated[Raw, PlainValidator(_raw), PlainSerializer(plain, when_used="json"), _ANYTHING]


class Reading(BaseModel):
    """One reading: a value, scaled and with its unit, and what the meter said about it.

    ``value`` is ``Decimal`` for numbers (exact, with the meter's resolution), else text, octets, a time or a tuple;
    ``raw`` is what stood on the wire before scaling, leading zeros included. ``time`` is the capture time of extended
    and demand registers and of billing values; ``sec_index`` that of an SML meter without a clock, in seconds that it
    has run. ``name`` is filled from the OBIS code. For JSON: ``model_dump(mode="json")``, which is for others: a number
    comes back as text. ``pickle`` keeps all.
    """

    model_config = ConfigDict(frozen=True)

    obis: ObisField
    value: ValueField
    unit: UnitField | None = None
    time: DateTimeField | None = None
    status: RawField = None
    name: str = ""
    raw: RawField = None
    sec_index: int | None = None

    @model_validator(mode="before")
    @classmethod
    def _named(cls, fields: object) -> object:
        if isinstance(fields, dict) and not fields.get("name") and isinstance(fields.get("obis"), (str, bytes, Obis)):
            try:
                return fields | {"name": name(fields["obis"])}
            except LocalProtocolError:
                # The check of the field itself reports it.
                return fields
        return fields

    def __str__(self) -> str:
        """``1.0.1.8.0.255 Active energy import (+A): 12345.678 kWh`` without what is unknown."""
        value = plain(self.value)
        symbol = f" {self.unit.symbol}" if self.unit is not None and self.unit.symbol else ""
        when = f" at {self.time}" if self.time is not None else ""
        return f"{self.obis}{' ' if self.name else ''}{self.name}: {value}{symbol}{when}"
