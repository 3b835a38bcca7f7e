"""Load profiles of a simulated C12.19 meter, never stored: a block is computed from its number.

Blocks are counted from 0 since the profile was last cleared; the meter keeps the newest, in a circle or shifted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from metersdk.simulator.c1219_numbers import Meter, Numbers, largest
from metersdk.simulator.c1219_spec import ProfileSetSpec
from metersdk.simulator.sources import mix

# Extended status of an interval: bits of what holds for all channels, and codes of one channel.
DST, POWER_FAILED = 1, 2
OVERFLOW, PARTIAL = 1, 2
_MOST = {"u8": 0xFF, "u16": 0xFFFF, "u32": 0xFFFF_FFFF, "i8": 0x7F, "i16": 0x7FFF, "i32": 0x7FFF_FFFF}
_SEQUENCE = 0xFFFF_FFFF


@dataclass(frozen=True, slots=True)
class Block:
    """A block: intervals oldest first.

    Attributes:
        end: when the newest of its intervals ended, UTC seconds.
        ends: when each interval ended.
        readings: of each channel, its register at the end.
        pulses: of each channel, all pulses so far.
        values: of each channel, a number for each interval.
        common, codes: status of each interval, and of each channel in it.
    """

    end: int
    ends: tuple[int, ...]
    readings: tuple[Decimal, ...]
    pulses: tuple[int, ...]
    values: tuple[tuple[int, ...], ...]
    common: tuple[int, ...]
    codes: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class ListState:
    """What table 63 says of a set. ``last`` is the element of the newest block, ``sequence`` its number."""

    valid: int
    last: int
    sequence: int
    unread: int
    intervals: int


class LoadProfile:
    """One data set of the meter.

    ``read_until`` is the sequence number up to which blocks count as read; ``cleared`` a time before which there is
    nothing.
    """

    def __init__(self, spec: ProfileSetSpec, numbers: Numbers, meter: Meter, *, ni1: str, ni2: str) -> None:
        self.spec = spec
        self.seconds = spec.minutes * 60
        self.read_until = 0
        self._numbers, self._meter = numbers, meter
        self._ni1 = ni1
        self._most = _MOST.get(spec.format) or largest(ni1 if spec.format == "ni1" else ni2)
        self._origin = -(-meter.since // self.seconds) * self.seconds

    def clear(self, now: int) -> None:
        """Forget all intervals that ended."""
        self._origin = -(-now // self.seconds) * self.seconds
        self.read_until = 0

    def state(self, now: int) -> ListState:
        """How many blocks there are, and where the newest is."""
        taken = max((now - self._origin) // self.seconds, 0)
        blocks = -(-taken // self.spec.intervals)
        valid = min(blocks, self.spec.blocks)
        if self.spec.list == "circular":
            step = max(blocks - 1, 0)
            last = (step if self.spec.order == "ascending" else -step) % self.spec.blocks
        else:
            last = max(valid - 1, 0) if self.spec.order == "ascending" else 0
        unread = min(max(blocks - self.read_until, 0), valid)
        newest = taken - (blocks - 1) * self.spec.intervals if blocks else 0
        return ListState(valid, last, blocks & _SEQUENCE, unread, newest)

    def places(self, now: int) -> list[int | None]:
        """The number of the block in each element of the list; None where there is none yet."""
        state, room = self.state(now), self.spec.blocks
        newest, older = state.sequence - 1, 1 if self.spec.order == "descending" else -1
        found: list[int | None] = [None] * room
        for age in range(state.valid):
            found[(state.last + older * age) % room] = newest - age
        return found

    def block(self, number: int, now: int) -> Block:
        """A block that has at least one interval."""
        size = self.spec.intervals
        taken = (now - self._origin) // self.seconds
        first = number * size
        ends = tuple(self._origin + (each + 1) * self.seconds for each in range(first, min(first + size, taken)))
        channels = self.spec.channel
        values, codes = [], []
        failed = [self._failed(end) for end in ends]
        for channel in channels:
            counted, status = self._fitted(self._numbers.intervals(channel, ends, self.seconds), failed)
            values.append(counted)
            codes.append(status)
        last = ends[-1]
        return Block(
            end=last,
            ends=ends,
            readings=tuple(self._numbers.registers(each.object, [last], self._ni1)[0] for each in channels),
            pulses=tuple(self._numbers.accumulated(each, [last])[0] & _SEQUENCE for each in channels),
            values=tuple(values),
            common=tuple(
                DST * self._meter.zone.at(end)[1] | POWER_FAILED * lost for end, lost in zip(ends, failed, strict=True)
            ),
            codes=tuple(zip(*codes, strict=True)),
        )

    def _failed(self, end: int) -> bool:
        every = self.spec.outage_every
        return every > 0 and mix(end // self.seconds, every) % every == 0

    def _fitted(self, counted: Sequence[int], failed: Sequence[bool]) -> tuple[tuple[int, ...], list[int]]:
        """Numbers that the format can hold, and the status of each."""
        status = [PARTIAL if lost else 0 for lost in failed]
        status = [OVERFLOW if value > self._most else code for value, code in zip(counted, status, strict=True)]
        return tuple(min(value, self._most) for value in counted), status
