"""Field types shared by the pydantic models: taken in many spellings, held as one type, plain text in JSON."""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated

from pydantic import BeforeValidator, InstanceOf, PlainSerializer, WithJsonSchema

from metersdk.errors import MeterError
from metersdk.model.clock import DateTime
from metersdk.model.obis import Obis
from metersdk.model.quantity import Unit


def _obis(value: object) -> object:
    try:
        return Obis.parse(value) if isinstance(value, (str, bytes, Obis)) else value
    except MeterError as error:
        # pydantic reports ValueError together with the name of the field.
        raise ValueError(str(error)) from error


# InstanceOf alone has no JSON schema, and without one no web framework can describe what it returns.
_TEXT = WithJsonSchema({"type": "string"})

ObisField = Annotated[
    InstanceOf[Obis], BeforeValidator(_obis), PlainSerializer(str, return_type=str, when_used="json"), _TEXT
]
DateTimeField = Annotated[InstanceOf[DateTime], PlainSerializer(str, return_type=str, when_used="json"), _TEXT]
HexBytes = Annotated[bytes, PlainSerializer(lambda octets: octets.hex(), return_type=str, when_used="json")]
UnitField = Annotated[
    InstanceOf[Unit],
    BeforeValidator(lambda value: Unit(value) if isinstance(value, int) else value),
    PlainSerializer(lambda unit: unit.symbol, return_type=str, when_used="json"),
    _TEXT,
]
FractionField = Annotated[
    InstanceOf[Fraction],
    BeforeValidator(lambda value: Fraction(value) if isinstance(value, (int, str)) else value),
    PlainSerializer(str, return_type=str, when_used="json"),
    _TEXT,
]
"""An exact ratio; ``"12/7"`` in JSON."""
