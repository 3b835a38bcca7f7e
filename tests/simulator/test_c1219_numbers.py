"""Numbers of a simulated C12.19 meter: registers, intervals and the objects they are made of agree."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from metersdk.errors import LocalProtocolError
from metersdk.model.obis import Obis
from metersdk.simulator.c1219_numbers import Numbers
from metersdk.simulator.c1219_profile import POWER_FAILED, LoadProfile
from metersdk.simulator.c1219_spec import NUMBER_FORMATS, C1219Spec, ChannelSpec, ProfileSetSpec, SourceSpec
from metersdk.simulator.device import MeterDevice
from metersdk.simulator.image import Image

NOW = datetime(2026, 7, 31, 12, 34, 56, tzinfo=UTC)
IMPORT, VOLTAGE, POWER = Obis("1-0:1.8.0"), Obis("1-0:32.7.0"), Obis("1-0:1.7.0")


@pytest.fixture(scope="module")
def meter() -> MeterDevice:
    return Image.load("ansi").device(lambda: NOW)


def numbers(meter: MeterDevice, *sources: SourceSpec) -> Numbers:
    return Numbers(C1219Spec(source=sources), meter)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (SourceSpec(object=IMPORT), lambda value: value),
        (SourceSpec(object=IMPORT, constant=10), lambda value: value // 10),
        (SourceSpec(object=IMPORT, multiplier=2, decimals=3), lambda value: Decimal(value).scaleb(-3)),
        (SourceSpec(object=IMPORT, constant=Decimal("0.5")), lambda value: value * 2),
    ],
)
def test_a_register_counts_the_object_it_is_made_of(meter: MeterDevice, source: SourceSpec, expected: Any) -> None:
    at = meter.seconds()
    value = meter.source(IMPORT).values(meter, [at])[0]
    assert numbers(meter, source).registers(IMPORT, [at], "char21") == [expected(value)]


@pytest.mark.parametrize("format", NUMBER_FORMATS)
def test_a_register_that_is_full_begins_again(meter: MeterDevice, format: str) -> None:
    source = SourceSpec(object=IMPORT, multiplier=2, decimals=2)
    shown = numbers(meter, source).registers(IMPORT, [meter.seconds()], format)[0]
    whole = meter.source(IMPORT).values(meter, [meter.seconds()])[0]
    places = max(0, -int(shown.as_tuple().exponent))
    assert places == (0 if format.startswith(("int", "bcd")) else 2)
    expected = whole * 10**places // 1000
    assert (expected - int(shown.scaleb(places))) % 10000 == 0
    assert 0 <= shown <= expected


def test_the_scaler_of_the_object_counts(meter: MeterDevice) -> None:
    tenths = meter.source(VOLTAGE).values(meter, [meter.seconds()])[0]
    whole = numbers(meter, SourceSpec(object=VOLTAGE, decimals=1)).registers(VOLTAGE, [meter.seconds()], "char12")
    assert whole == [Decimal(tenths).scaleb(-1)]


@pytest.mark.parametrize("now", range(40))
@pytest.mark.parametrize(
    ("kind", "order"),
    [("circular", "ascending"), ("circular", "descending"), ("shifting", "ascending"), ("shifting", "descending")],
)
def test_places_of_the_blocks(meter: MeterDevice, now: int, kind: Any, order: Any) -> None:
    spec = ProfileSetSpec(
        blocks=5, intervals=4, minutes=15, list=kind, order=order, channel=(ChannelSpec(object=IMPORT),)
    )
    profile = LoadProfile(spec, numbers(meter, SourceSpec(object=IMPORT)), meter, ni1="int48", ni2="int32")
    at = meter.since + now * 900 + 7
    state, places = profile.state(at), profile.places(at)
    blocks = -(-now // 4)
    assert len(places) == 5
    assert state.sequence == blocks
    assert state.valid == min(blocks, 5)
    assert sorted(each for each in places if each is not None) == list(range(max(0, blocks - 5), blocks))
    assert state.intervals == (now - 4 * (blocks - 1) if blocks else 0)
    if blocks:
        assert places[state.last] == blocks - 1
        if kind == "circular":
            assert places[(blocks - 1 if order == "ascending" else 1 - blocks) % 5] == blocks - 1
        elif order == "descending":
            assert places[: state.valid] == list(range(blocks - 1, blocks - 1 - state.valid, -1))


def test_pulses_add_up_to_the_end_readings(meter: MeterDevice) -> None:
    spec = ProfileSetSpec(intervals=96, outage_every=50, channel=(ChannelSpec(object=IMPORT, divisor=10),))
    profile = LoadProfile(spec, numbers(meter, SourceSpec(object=IMPORT, constant=10)), meter, ni1="int48", ni2="int32")
    state = profile.state(meter.seconds())
    older = profile.block(state.sequence - 2, meter.seconds())
    newest = profile.block(state.sequence - 1, meter.seconds())
    assert len(older.ends) == 96
    assert len(newest.ends) == state.intervals
    assert newest.pulses[0] - older.pulses[0] == sum(newest.values[0])
    assert newest.readings[0] == newest.pulses[0] // 10
    assert newest.ends[0] == older.end + 900
    # It is summer, and in some intervals the supply failed.
    assert all(each & 1 for each in older.common)
    lost = [bool(each & POWER_FAILED) for each in older.common]
    assert lost == [codes == (2,) for codes in older.codes]
    assert any(lost)


def test_what_does_not_fit_is_an_overflow(meter: MeterDevice) -> None:
    spec = ProfileSetSpec(intervals=4, format="u8", channel=(ChannelSpec(object=IMPORT), ChannelSpec(object=POWER)))
    profile = LoadProfile(
        spec,
        numbers(meter, SourceSpec(object=IMPORT), SourceSpec(object=POWER, time_base=1)),
        meter,
        ni1="int48",
        ni2="int32",
    )
    block = profile.block(0, meter.since + 3600)
    assert block.values[1] == (255,) * 4
    assert [codes[1] for codes in block.codes] == [1] * 4


def test_what_is_cleared_is_gone(meter: MeterDevice) -> None:
    spec = ProfileSetSpec(intervals=4, channel=(ChannelSpec(object=IMPORT),))
    profile = LoadProfile(spec, numbers(meter, SourceSpec(object=IMPORT)), meter, ni1="int48", ni2="int32")
    now = meter.seconds()
    profile.clear(now)
    assert profile.state(now).valid == 0
    assert profile.places(now) == [None] * 60
    assert profile.state(now + 1800).intervals in (1, 2)


@pytest.mark.parametrize(
    "wrong",
    [
        {"registers": {"summations": ["1-0:1.8.0"]}},
        {"source": [{"object": "1-0:1.8.0"}] * 2},
        {"load_profile": {"set": [{"channel": [{"object": "1-0:1.8.0"}]}]}},
        {
            "source": [{"object": "1-0:1.8.0"}],
            "registers": {"summations": ["1-0:1.8.0"], "tiers": [{"summations": []}]},
        },
    ],
)
def test_an_image_that_does_not_fit_together(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        C1219Spec.model_validate(wrong)


def test_every_number_comes_from_an_object_of_the_image() -> None:
    with pytest.raises(LocalProtocolError, match="no object with a source"):
        Image.parse(
            """
            name = "x"
            [meter]
            manufacturer = "MSK"
            identification = "MSK5X"
            serial = "1"
            logical_device_name = "x"
            system_title = "4D534B4126010042"
            since = 2026-01-01T00:00:00Z
            [[association]]
            client = 16
            role = "public"
            [[c1219.source]]
            object = "1-0:1.8.0"
            """
        )
