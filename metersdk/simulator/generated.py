"""Profiles of any length that are never stored: row i is computed from i.

The rows of a schedule are numbered from 0, the oldest; a profile shows a window of them (Blue Book part 2, class 7).
Whole columns are computed at once and packed with one ``struct``, so that 10,000 rows cost milliseconds.
"""

from __future__ import annotations

import struct
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import pairwise, repeat
from typing import Literal

from metersdk.apdu.axdr import Data, Tag, encode_length
from metersdk.apdu.results import DataAccessResult
from metersdk.model.column import CaptureObject
from metersdk.model.cosem.kinds import INTEGERS
from metersdk.simulator.selection import ByEntry, ByRange, bound_ms, refuse
from metersdk.simulator.sources import Season, Source, World, mix

# Profile status bit 7: the supply failed in this interval.
POWER_DOWN = 0x80
CLOCK = 8

_DATE_TIME_HEAD = bytes((Tag.OCTET_STRING, 12))
_CODES: dict[Tag, tuple[str, int, int]] = {
    Tag.UNSIGNED: ("B", 0, 8),
    Tag.ENUM: ("B", 0, 8),
    Tag.LONG_UNSIGNED: ("H", 0, 16),
    Tag.DOUBLE_LONG_UNSIGNED: ("I", 0, 32),
    Tag.LONG64_UNSIGNED: ("Q", 0, 64),
    Tag.INTEGER: ("b", -(1 << 7), 8),
    Tag.LONG: ("h", -(1 << 15), 16),
    Tag.DOUBLE_LONG: ("i", -(1 << 31), 32),
    Tag.LONG64: ("q", -(1 << 63), 64),
}


def fit(tag: Tag, values: list[int]) -> list[int]:
    """Values as an integer type shows them: a register that overflows begins again."""
    _, least, bits = _CODES[tag]
    if not values or (min(values) >= least and max(values) < least + (1 << bits)):
        return values
    return [(value - least) % (1 << bits) + least for value in values]


@dataclass(frozen=True, slots=True)
class Schedule:
    """When rows are captured. Times rise with the row number; a row number is found from a time without a search.

    ``interval``: every ``period`` seconds, where ``gap_length`` of each ``gap_every`` rows are missing (supply failed).
    ``daily``, ``monthly``: at local midnight. ``irregular``: by chance, once in each ``period``.
    """

    kind: Literal["interval", "daily", "monthly", "irregular"]
    world: World
    period: int
    seed: int = 0
    gap_every: int = 0
    gap_length: int = 0

    @property
    def _origin(self) -> int:
        """Time of slot 0 of an interval schedule: the first full period since the meter was put up."""
        return -(-self.world.since // self.period) * self.period

    @property
    def _first_day(self) -> date:
        there = self.world.zone.local_date(self.world.since)
        if self.kind == "daily":
            return there if self.world.zone.midnight(there) >= self.world.since else there + timedelta(days=1)
        return there.replace(day=1)

    def time(self, row: int) -> int:
        """Capture time of a row."""
        match self.kind:
            case "interval":
                if self.gap_every:
                    kept = self.gap_every - self.gap_length
                    row = row // kept * self.gap_every + row % kept
                return self._origin + row * self.period
            case "irregular":
                return self.world.since + row * self.period + mix(row, self.seed) % self.period
            case "daily":
                return self.world.zone.midnight(self._first_day + timedelta(days=row))
            case "monthly":
                month = self._first_day.year * 12 + self._first_day.month + row
                return self.world.zone.midnight(date(month // 12, month % 12 + 1, 1))

    def count(self, until: int) -> int:
        """How many rows were captured at or before ``until``."""
        if until < self.world.since:
            return 0
        match self.kind:
            case "interval":
                slots = max((until - self._origin) // self.period + 1, 0)
                if not self.gap_every:
                    return slots
                kept = self.gap_every - self.gap_length
                return slots // self.gap_every * kept + min(slots % self.gap_every, kept)
            case "irregular":
                row = (until - self.world.since) // self.period
                return row + (self.time(row) <= until)
            case "daily":
                return max((self.world.zone.local_date(until) - self._first_day).days + 1, 0)
            case "monthly":
                day, first = self.world.zone.local_date(until), self._first_day
                return max((day.year - first.year) * 12 + day.month - first.month, 0)

    def after_gap(self, time: int) -> bool:
        """True for the first row after rows that are missing."""
        if not self.gap_every or self.kind != "interval":
            return False
        slot = (time - self._origin) // self.period
        return slot > 0 and slot % self.gap_every == 0


@dataclass(frozen=True, slots=True)
class Column:
    """One captured attribute: the clock, a number from a source, or ``fixed`` octets that never change."""

    capture: CaptureObject
    tag: Tag = Tag.NULL_DATA
    source: Source | None = None
    fixed: bytes = b""

    @property
    def is_clock(self) -> bool:
        return self.capture.class_id == CLOCK and self.capture.attribute == 2


@dataclass(slots=True)
class GeneratedProfile:
    """The rows of one profile at any moment, and their encodings.

    ``encoding``: ``plain``; ``null``: null-data where a cell follows from the one above (Blue Book, class 7, buffer);
    ``compact``: one compact-array.
    """

    world: World
    schedule: Schedule
    columns: tuple[Column, ...]
    entries: int
    lifo: bool = False
    encoding: Literal["plain", "null", "compact"] = "plain"
    reset_at: int | None = None
    captured: list[int] = field(default_factory=list)
    """Times of rows that were captured by hand."""

    def capture(self, now: int) -> None:
        insort(self.captured, now)
        del self.captured[: -self.entries]

    def reset(self, now: int) -> None:
        self.reset_at = now
        self.captured.clear()

    def in_use(self, now: int) -> int:
        """Number of rows there are."""
        first, stop = self._window(now)
        return min(stop - first + len(self.captured), self.entries)

    def times(self, now: int) -> Sequence[int]:
        """Capture times of all rows, oldest first."""
        first, stop = self._window(now)
        times = [self.schedule.time(row) for row in range(first, stop)]
        return sorted(times + self.captured)[-self.entries :] if self.captured else times

    def select(self, selection: ByRange | ByEntry | None, now: int) -> bytes:
        """The buffer, or what ``selection`` leaves of it, as encoded Data.

        Raises:
            DataAccessError: the selection names a column that is not captured, or a bound of another type.
        """
        columns = self.columns
        if selection is None:
            times = self.times(now)
        elif isinstance(selection, ByEntry):
            times, columns = self._by_entry(selection, now)
        else:
            times = self._by_range(selection, now)
            if selection.columns:
                columns = tuple(self._column(capture) for capture in selection.columns)
        if self.lifo:
            times = times[::-1]
        return self._encode(times, columns)

    def _window(self, now: int) -> tuple[int, int]:
        stop = self.schedule.count(now)
        first = 0 if self.reset_at is None else self.schedule.count(self.reset_at)
        return max(first, stop - self.entries), stop

    def _by_entry(self, wanted: ByEntry, now: int) -> tuple[Sequence[int], tuple[Column, ...]]:
        used = self.in_use(now)
        last = min(wanted.last or used, used)
        first = max(wanted.first, 1)
        last_column = min(wanted.last_column or len(self.columns), len(self.columns))
        columns = self.columns[max(wanted.first_column, 1) - 1 : last_column]
        if first > last or not columns:
            return (), self.columns
        if self.lifo:
            # Entry 1 is the newest; times run from the oldest.
            first, last = used - last + 1, used - first + 1
        if self.captured:
            return self.times(now)[first - 1 : last], columns
        start = self._window(now)[0]
        return [self.schedule.time(row) for row in range(start + first - 1, start + last)], columns

    def _by_range(self, wanted: ByRange, now: int) -> Sequence[int]:
        restricting = self._column(wanted.restricting)
        if not restricting.is_clock:
            return self._by_value(restricting, wanted, now)
        start = bound_ms(wanted.start, self.world.zone, earlier=True)
        stop = bound_ms(wanted.stop, self.world.zone, earlier=False)
        # No row is later than now, whatever year the bounds name.
        first_second, last_second = min(-(-start // 1000), now + 1), min(stop // 1000, now)
        if self.captured:
            times = self.times(now)
            return times[bisect_left(times, first_second) : bisect_right(times, last_second)]
        first, end = self._window(now)
        first = max(first, self.schedule.count(first_second - 1))
        end = min(end, self.schedule.count(last_second))
        return [self.schedule.time(row) for row in range(first, end)]

    def _by_value(self, column: Column, wanted: ByRange, now: int) -> Sequence[int]:
        least, most = wanted.start.value, wanted.stop.value
        bounds = wanted.start.tag in INTEGERS and wanted.stop.tag in INTEGERS
        if column.source is None or not bounds or not isinstance(least, int) or not isinstance(most, int):
            raise refuse(DataAccessResult.TYPE_UNMATCHED, "the range cannot be compared with the restricting object")
        times = self.times(now)
        pairs = zip(times, self._numbers(column, times), strict=True)
        return [time for time, value in pairs if least <= value <= most]

    def _column(self, capture: CaptureObject) -> Column:
        for column in self.columns:
            if column.capture == capture:
                return column
        raise refuse(DataAccessResult.OTHER_REASON, "the selection names a column that is not captured")

    def _numbers(self, column: Column, times: Sequence[int]) -> list[int]:
        if column.source is None:
            return []
        values = column.source.values(self.world, times)
        if isinstance(column.source, Season):
            values = [
                value | POWER_DOWN if self.schedule.after_gap(time) else value
                for value, time in zip(values, times, strict=True)
            ]
        return fit(column.tag, values)

    def _encode(self, times: Sequence[int], columns: tuple[Column, ...]) -> bytes:
        if not times:
            return bytes((Tag.ARRAY, 0))
        if self.encoding == "null":
            return self._encode_null(times, columns)
        if self.encoding == "compact" and not any(column.fixed[:1] in (b"\1", b"\2", b"\x13") for column in columns):
            return self._encode_compact(times, columns)
        head = bytes((Tag.STRUCTURE,)) + encode_length(len(columns))
        rows = self._packed(head, times, columns, tagged=True)
        return bytes((Tag.ARRAY,)) + encode_length(len(times)) + b"".join(rows)

    def _packed(
        self, head: bytes, times: Sequence[int], columns: tuple[Column, ...], *, tagged: bool
    ) -> Iterable[bytes]:
        layout = f">{len(head)}s"
        # The one column that ends: the repeats below do not.
        cells: list[Iterable[object]] = [repeat(head, len(times))]
        for column in columns:
            if column.is_clock:
                before = _DATE_TIME_HEAD if tagged else _DATE_TIME_HEAD[1:]
                layout += f"{len(before)}s12s"
                cells += [repeat(before), map(self.world.zone.octets, times)]
            elif column.source is not None:
                if tagged:
                    layout += "B"
                    cells.append(repeat(int(column.tag)))
                layout += _CODES[column.tag][0]
                cells.append(self._numbers(column, times))
            else:
                octets = column.fixed if tagged else column.fixed[1:]
                layout += f"{len(octets)}s"
                cells.append(repeat(octets))
        return map(struct.Struct(layout).pack, *cells)

    def _encode_compact(self, times: Sequence[int], columns: tuple[Column, ...]) -> bytes:
        # TypeDescription: structure [2] of the columns' tags; the contents follow without tags (Green Book 9.5).
        tags = [
            Tag.OCTET_STRING if column.is_clock else column.tag if column.source is not None else column.fixed[0]
            for column in columns
        ]
        contents = b"".join(self._packed(b"", times, columns, tagged=False))
        described = bytes((Tag.STRUCTURE,)) + encode_length(len(tags)) + bytes(tags)
        return bytes((Tag.COMPACT_ARRAY,)) + described + encode_length(len(contents)) + contents

    def _encode_null(self, times: Sequence[int], columns: tuple[Column, ...]) -> bytes:
        step = -self.schedule.period if self.lifo else self.schedule.period
        stacked = [self._null_cells(column, times, step) for column in columns]
        head = bytes((Tag.STRUCTURE,)) + encode_length(len(columns))
        rows = (head + b"".join(row) for row in zip(*stacked, strict=True))
        return bytes((Tag.ARRAY,)) + encode_length(len(times)) + b"".join(rows)

    def _null_cells(self, column: Column, times: Sequence[int], step: int) -> list[bytes]:
        null = bytes((Tag.NULL_DATA,))
        if column.is_clock:
            full = [_DATE_TIME_HEAD + self.world.zone.octets(time) for time in times]
            # "Only if recoverable": previous time and one period, under the same deviation and status.
            follows = [
                self.schedule.kind == "interval" and after - before == step and old[-3:] == new[-3:]
                for (before, after), (old, new) in zip(pairwise(times), pairwise(full), strict=True)
            ]
        elif column.source is not None:
            pack, tag = struct.Struct(">" + _CODES[column.tag][0]).pack, bytes((column.tag,))
            full = [tag + pack(value) for value in self._numbers(column, times)]
            follows = [old == new for old, new in pairwise(full)]
        else:
            full = [column.fixed] * len(times)
            follows = [True] * (len(times) - 1)
        return full[:1] + [null if recoverable else cell for cell, recoverable in zip(full[1:], follows, strict=True)]


def number(tag: Tag, value: int) -> Data:
    """A number of a source as ``Data`` of its register's type."""
    return Data(tag, fit(tag, [value])[0])
