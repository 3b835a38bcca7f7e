"""Load profiles of the simulated C12.19 meter, read back from its tables: the rows are those that it recorded."""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction
from itertools import product
from typing import Any

import pytest
from pydantic import ValidationError

from metersdk.model.c1219.registry import TableSet
from metersdk.model.obis import Obis
from metersdk.model.profile import Profile
from metersdk.simulator.c1219 import C1219Meter
from metersdk.simulator.c1219_spec import C1219Spec
from metersdk.simulator.device import MeterDevice
from metersdk.simulator.image import Image

NOW = datetime(2026, 7, 31, 12, 34, 56, tzinfo=UTC)
# Five days around the ends of winter and summer in the United States.
SPRING, AUTUMN = datetime(2026, 3, 10, 12, 34, tzinfo=UTC), datetime(2026, 11, 3, 12, 34, tzinfo=UTC)
TABLES = (0, 11, 12, 15, 16, 51, 52, 53, 61, 62, 63, 64)


def meter(
    now: datetime = NOW, *, set_: dict[str, Any] | None = None, profile: dict[str, Any] | None = None, **more: Any
) -> C1219Meter:
    image = Image.load("ansi")
    assert image.c1219 is not None
    words = image.c1219.model_dump()
    (one,) = words["load_profile"]["set"]
    words["load_profile"] = words["load_profile"] | {"set": [one | (set_ or {})]} | (profile or {})
    spec = C1219Spec.model_validate(words | more)
    return MeterDevice(image.model_copy(update={"c1219": spec}), lambda: now).c1219


def read(device: C1219Meter) -> Profile:
    return Profile.from_c1219(TableSet({number: device.octets(number) for number in TABLES}))


def recorded(device: C1219Meter, now: datetime) -> tuple[list[int], list[list[int]]]:
    """When each interval ended, and what each channel counted in it."""
    (profile,) = device.state.profiles.values()
    state = profile.state(int(now.timestamp()))
    blocks = [profile.block(n, int(now.timestamp())) for n in range(state.sequence - state.valid, state.sequence)]
    channels = len(blocks[0].values)
    return (
        [1000 * end for block in blocks for end in block.ends],
        [[value for block in blocks for value in block.values[channel]] for channel in range(channels)],
    )


def check(device: C1219Meter, now: datetime) -> Profile:
    profile = read(device)
    times, values = recorded(device, now)
    assert [*profile.times] == times
    assert not profile.truncated
    numbers = [column for column in profile.columns if column.head.class_id == 3]
    # An interval that is not valid has no value.
    wrong = [
        (column.obis, row)
        for column, channel in zip(numbers, values, strict=True)
        for row, count in enumerate(channel)
        if column.valid[row] and column.fraction(row) != count * column.factor * Fraction(10) ** (column.scaler or 0)
    ]
    assert wrong == []
    assert all(sum(column.valid) > 0.9 * len(profile) for column in numbers)
    return profile


CONFIGURATIONS = [
    *product(("little", "big"), (1, 2, 3, 4), ("local", "utc"), ((True, False, True), (True, True, False)))
]


@pytest.mark.parametrize(("order", "time_format", "basis", "options"), CONFIGURATIONS)
def test_sixty_days(order: str, time_format: int, basis: str, options: tuple[bool, bool, bool]) -> None:
    words = dict(zip(("extended_status", "simple_status", "end_reading"), options, strict=True))
    device = meter(byte_order=order, time_format=time_format, basis=basis, profile=words)
    profile = check(device, NOW)
    assert profile.findings == ()
    assert profile.gaps == []
    assert len(profile) > 5600


_DIRECTIONS = ("ascending", "descending")


@pytest.mark.parametrize("kind", ["circular", "shifting"])
@pytest.mark.parametrize("order", _DIRECTIONS)
@pytest.mark.parametrize("intervals", _DIRECTIONS)
def test_every_list(kind: str, order: str, intervals: str) -> None:
    device = meter(set_={"list": kind, "order": order, "interval_order": intervals, "blocks": 7, "intervals": 10})
    profile = check(device, NOW)
    assert profile.findings == ()
    assert 60 < len(profile) <= 70


@pytest.mark.parametrize("format", ["u16", "u32", "i16", "i32", "ni1", "ni2"])
@pytest.mark.parametrize("integers", ["twos", "ones", "sign"])
def test_every_format(format: str, integers: str) -> None:
    device = meter(set_={"format": format, "blocks": 5}, integer_format=integers)
    assert check(device, NOW).findings == ()


@pytest.mark.parametrize("now", [SPRING, AUTUMN])
@pytest.mark.parametrize("basis", ["local", "utc"])
@pytest.mark.parametrize("size", [96, 4])
def test_the_ends_of_winter_and_summer(now: datetime, basis: str, size: int) -> None:
    device = meter(
        now, basis=basis, set_={"blocks": 5 * 96 // size, "intervals": size}, profile={"extended_status": True}
    )
    profile = check(device, now)
    assert profile.gaps == [] and profile.findings == ()
    offsets = {profile.columns[0].moment(row).utcoffset() for row in (0, len(profile) - 1)}  # type: ignore[union-attr]
    assert len(offsets) == 2


def test_pulses_without_scalars_are_counts() -> None:
    """What a pulse is, table 62 cannot tell without them."""
    with pytest.raises(ValidationError, match="leave scalar and divisor at 1"):
        meter(set_={"scalars": False})
    device = meter(set_={"scalars": False, "channel": [{"object": "1-0:1.8.0"}], "format": "u32"})
    energy = check(device, NOW).column("1.0.1.29.0.255")
    total = sum(energy.fraction(row) or 0 for row in range(len(energy)))
    source = MeterDevice(Image.load("ansi"), lambda: NOW).source(Obis("1-0:1.8.0"))
    times = [int(NOW.timestamp()) // 900 * 900 - 900 * len(energy), int(NOW.timestamp()) // 900 * 900]
    first, last = source.values(MeterDevice(Image.load("ansi"), lambda: NOW), times)
    # Counts of 10 Wh, cut.
    assert abs(total - (last - first)) < 10
