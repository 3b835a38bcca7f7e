"""Readings: exact, frozen, and plain in JSON."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Literal

import pytest
from pydantic import BaseModel, ValidationError

from metersdk.model.clock import DateTime
from metersdk.model.event import Event
from metersdk.model.identity import Identity
from metersdk.model.obis import Obis
from metersdk.model.profile import ProfileHead
from metersdk.model.quantity import Unit
from metersdk.model.reading import Reading, plain
from metersdk.model.snapshot import Snapshot

WHEN = DateTime.from_octets(bytes.fromhex("07E90715010C1E0000FF8880"))


def test_a_full_reading() -> None:
    reading = Reading(obis="1.8.0", value=Decimal("12345.678"), unit=30, time=WHEN, status=8, raw="0012345.678")
    assert reading.obis == Obis("1.0.1.8.0.255")
    assert reading.unit is Unit.WH
    assert reading.name == "Active energy import (+A)"
    assert str(reading) == "1.0.1.8.0.255 Active energy import (+A): 12345.678 Wh at 2025-07-21T12:30:00+02:00"
    assert json.loads(reading.model_dump_json()) == {
        "obis": "1.0.1.8.0.255",
        "value": "12345.678",
        "unit": "Wh",
        "time": "2025-07-21T12:30:00+02:00",
        "status": 8,
        "name": "Active energy import (+A)",
        "raw": "0012345.678",
        "sec_index": None,
    }
    assert reading.model_dump()["value"] == Decimal("12345.678")


def test_integers_become_exact_numbers_and_others_stay() -> None:
    assert Reading(obis="1.8.0", value=2**64).value == Decimal(2**64)
    for value in ("text", b"\x01", True, WHEN, (1, b"a"), None):
        kept = Reading(obis="1.8.0", value=value).value
        assert kept == value
        assert type(kept) is type(value)


def test_is_frozen_and_checks() -> None:
    reading = Reading(obis="1.8.0", value=1)
    with pytest.raises(ValidationError):
        reading.value = Decimal(2)  # type: ignore[misc]
    with pytest.raises(ValidationError, match="not an OBIS code"):
        Reading(obis="nonsense", value=1)
    with pytest.raises(ValidationError, match="holds no float"):
        Reading(obis="1.8.0", value=1.5)  # type: ignore[arg-type]
    with pytest.raises(ValidationError, match="keeps no object"):
        Reading(obis="1.8.0", value=1, raw=object())  # type: ignore[arg-type]


def test_a_given_name_stays() -> None:
    assert Reading(obis="1.8.0", value=1, name="Total").name == "Total"
    assert str(Reading(obis="1.0.200.0.0.255", value=None)) == "1.0.200.0.0.255: None"


def test_plain() -> None:
    assert plain([Decimal("1.50"), b"\xff", (WHEN, None)]) == ["1.50", "ff", ["2025-07-21T12:30:00+02:00", None]]


@pytest.mark.parametrize("model", [Reading, Snapshot, Event, Identity, ProfileHead])
@pytest.mark.parametrize("mode", ["validation", "serialization"])
def test_a_web_framework_can_describe_what_it_returns(
    model: type[BaseModel], mode: Literal["validation", "serialization"]
) -> None:
    schema = model.model_json_schema(mode=mode)
    assert set(model.model_fields) == set(schema["properties"])
    assert '"type": "string"' in json.dumps(schema)
