"""Where the numbers of a simulated meter come from: pure functions of time.

A register read now, its billing value of last month and the same register captured in row 700,000 of a profile agree,
since all three ask one source at three times. Integers only, so that every machine gets the same octets.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field

from metersdk.model.fields import ObisField
from metersdk.model.obis import Obis
from metersdk.simulator.zone import Zone

_MASK = (1 << 64) - 1
_DAY = 86400

# Energy of each local hour of the day, in parts of the day's total.
SHAPES: dict[str, tuple[int, ...]] = {
    "flat": (1,) * 24,
    "household": (3, 2, 2, 2, 2, 3, 6, 9, 7, 5, 4, 5, 7, 6, 4, 4, 5, 8, 11, 12, 10, 8, 6, 4),
    "day": (0,) * 6 + (6, 9, 7, 5, 4, 5, 7, 6, 4, 4, 5, 8, 11, 12, 10, 8) + (0, 0),
    "night": (3, 2, 2, 2, 2, 3) + (0,) * 16 + (6, 4),
    "solar": (0,) * 6 + (1, 3, 6, 9, 12, 14, 15, 14, 12, 9, 6, 3, 1) + (0,) * 5,
}
Shape = Literal["flat", "household", "day", "night", "solar"]


def mix(number: int, seed: int = 0) -> int:
    """64 well-mixed bits (the splitmix64 finalizer): the only chance in the simulator."""
    z = (number + (seed + 1) * 0x9E3779B97F4A7C15) & _MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return z ^ (z >> 31)


class World(Protocol):
    """What a source may ask for: the time the meter was put up, its zone, and the sources of other objects."""

    @property
    def since(self) -> int: ...

    @property
    def zone(self) -> Zone: ...

    def source(self, code: Obis) -> Source: ...


class _Source(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Constant(_Source):
    """Always ``value``."""

    kind: Literal["constant"] = "constant"
    value: int

    def values(self, world: World, times: Sequence[int]) -> list[int]:
        return [self.value] * len(times)


class Counter(_Source):
    """``start``, and ``step`` more every ``every`` seconds; wraps at ``modulo`` where one is given."""

    kind: Literal["counter"] = "counter"
    start: int = 0
    step: int = 1
    every: int = Field(gt=0)
    modulo: int | None = Field(default=None, gt=0)

    def values(self, world: World, times: Sequence[int]) -> list[int]:
        since, start, step, every = world.since, self.start, self.step, self.every
        counts = [start + (time - since) // every * step for time in times]
        return counts if self.modulo is None else [count % self.modulo for count in counts]


class Energy(_Source):
    """Rises by ``per_day`` in a day, hour by hour as ``shape`` says; never falls."""

    kind: Literal["energy"] = "energy"
    start: int = 0
    per_day: int = Field(ge=0)
    shape: Shape = "flat"

    def values(self, world: World, times: Sequence[int]) -> list[int]:
        weights = SHAPES[self.shape]
        before = [sum(weights[:hour]) for hour in range(24)]
        whole = sum(weights) * 3600
        shift, per_day = world.zone.deviation * 60, self.per_day
        origin = (world.since - shift) // _DAY

        def risen(time: int) -> int:
            day, second = divmod(max(time, world.since) - shift, _DAY)
            hour, second = divmod(second, 3600)
            return per_day * ((day - origin) * whole + before[hour] * 3600 + weights[hour] * second) // whole

        start = self.start - risen(world.since)
        return [start + risen(time) for time in times]


class Power(_Source):
    """The power that belongs to an :class:`Energy` of the same ``per_day`` and ``shape``, some percent up and down."""

    kind: Literal["power"] = "power"
    per_day: int = Field(ge=0)
    shape: Shape = "flat"
    seed: int = 0

    def values(self, world: World, times: Sequence[int]) -> list[int]:
        weights = SHAPES[self.shape]
        shift, total = world.zone.deviation * 60, sum(weights)
        hours = ((time - shift) // 3600 % 24 for time in times)
        return [
            self.per_day * weights[hour] * (95 + mix(time // 10, self.seed) % 11) // (total * 100)
            for time, hour in zip(times, hours, strict=True)
        ]


class Wobble(_Source):
    """``value`` give or take ``spread``, another one every ``every`` seconds."""

    kind: Literal["wobble"] = "wobble"
    value: int
    spread: int = Field(ge=0)
    every: int = Field(default=10, gt=0)
    seed: int = 0

    def values(self, world: World, times: Sequence[int]) -> list[int]:
        least, width = self.value - self.spread, 2 * self.spread + 1
        return [least + mix(time // self.every, self.seed) % width for time in times]


class Maximum(_Source):
    """Maximum demand of a local month: ``value`` and up to ``spread`` more. Reached on its first evening."""

    kind: Literal["maximum"] = "maximum"
    value: int
    spread: int = Field(ge=0)
    seed: int = 0

    def values(self, world: World, times: Sequence[int]) -> list[int]:
        return [self.value + mix(self._month(world, time), self.seed) % (self.spread + 1) for time in times]

    def captured(self, world: World, time: int) -> int:
        """When the maximum shown at ``time`` was reached."""
        month = self._month(world, time)
        first = world.zone.midnight(date(month // 12, month % 12 + 1, 1))
        return min(first + 18 * 3600 + mix(month, self.seed + 1) % 16 * 900, time - time % 900)

    def _month(self, world: World, time: int) -> int:
        day = world.zone.local_date(time)
        return day.year * 12 + day.month - 1


class Sum(_Source):
    """The sum of other objects' values."""

    kind: Literal["sum"] = "sum"
    of: tuple[ObisField, ...] = Field(min_length=1)

    def values(self, world: World, times: Sequence[int]) -> list[int]:
        return [
            sum(parts) for parts in zip(*(world.source(code).values(world, times) for code in self.of), strict=True)
        ]


class Events(_Source):
    """One of ``codes`` at each time, by chance: the event code column of a log."""

    kind: Literal["events"] = "events"
    codes: tuple[int, ...] = Field(min_length=1)
    seed: int = 0

    def values(self, world: World, times: Sequence[int]) -> list[int]:
        return [self.codes[mix(time, self.seed) % len(self.codes)] for time in times]


class Season(_Source):
    """Profile status octet: bit 3 set while daylight saving is in force."""

    kind: Literal["season"] = "season"

    def values(self, world: World, times: Sequence[int]) -> list[int]:
        return [8 if world.zone.at(time)[1] else 0 for time in times]


Source = Constant | Counter | Energy | Power | Wobble | Maximum | Sum | Events | Season
AnySource = Annotated[Source, Field(discriminator="kind")]
