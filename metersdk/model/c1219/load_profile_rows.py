"""Blocks of a load profile -> rows in columns, and what the blocks say about themselves: checks that cost nothing.

- The end time of a block must be that of the block before and its own intervals; gaps are for ``Profile.gaps``.
- What the end reading of a channel gained over a block must be the sum of its pulses, and so must the pulse counter.
- The newest block is only partly filled: some meters give it the time of its last interval, some that of its end.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from fractions import Fraction
from typing import Final

from metersdk.apdu.columns import Table, Values, concat, empty
from metersdk.errors import Finding
from metersdk.fast import read_blocks
from metersdk.fast.axdr_layout import INTEGRAL, UNDEFINED_DEVIATION, Kind
from metersdk.fast.c1219_layout import TEXT, BlockColumns, BlockLayout
from metersdk.model.c1219.load_profile import STATUS_OF_CODE, LoadProfileLayout, Place, decimals_of
from metersdk.model.column import ColumnKind

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# Where a channel had one of these, what its interval counted and what its register did differ for good reason.
_UNSOUND: Final = frozenset((1, 4, 5, 6, 7))
_LIMIT: Final = 1 << 63
_EXACT: Final = Context(prec=60, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation])
_MOST_FINDINGS: Final = 100


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows that some blocks gave, oldest first, and what was tolerated in them."""

    table: Table
    truncated: bool = False
    findings: tuple[Finding, ...] = ()


class RowReader:
    """Reads the blocks of one set, oldest first, in as many pieces as they come in.

    What it remembers from piece to piece is the block before: memory is bounded by a piece.
    """

    def __init__(self, layout: LoadProfileLayout) -> None:
        self.layout = layout
        self._checks = _Checks(layout)

    def read(self, blocks: Iterable[tuple[Place, bytes]]) -> Rows:
        """The rows of these blocks, each with its octets, from the first of its header on.

        A block may end behind the last valid interval. If it ends before, the rows that are whole are kept, and the
        rows behind them are missing: ``truncated``.
        """
        pieces = list(blocks)
        shape = self.layout.block
        data, offsets, valid, at = b"".join(octets for _, octets in pieces), list[int](), list[int](), 0
        findings: list[Finding] = []
        broken: list[Place] = []
        for place, octets in pieces:
            there = max(len(octets) - shape.header, -1) // shape.record
            if there < place.intervals:
                broken.append(place)
            offsets.append(at)
            valid.append(min(place.intervals, there))
            at += len(octets)
        if broken:
            text = f"{len(broken)} of {len(pieces)} blocks are not all there, from block {broken[0].sequence} on"
            findings.append(Finding("truncated", text, "data", len(data)))
        tables = []
        for run in self._runs(pieces, valid):
            columns = read_blocks(data, shape, [offsets[n] for n in run], [valid[n] for n in run])
            if len(run) == 1:
                columns = self._set_right(data, columns, pieces[run[0]][0], offsets[run[0]], findings)
            findings += self._checks.look([pieces[n][0] for n in run], columns)
            tables.append(self._table(data, columns, pieces[run[0]][0].skip, findings))
        rows = [table for table in tables if table.rows]
        table = concat(rows) if rows else empty(len(self.layout.columns))
        return Rows(table, bool(broken), tuple(findings[:_MOST_FINDINGS]))

    def _runs(self, pieces: Sequence[tuple[Place, bytes]], valid: list[int]) -> list[list[int]]:
        """Whole blocks together, one that is partly filled or wanted alone, one without a whole header not at all."""
        full = self.layout.block.intervals
        runs: list[list[int]] = []
        is_whole = False
        for n, (count, (place, _)) in enumerate(zip(valid, pieces, strict=True)):
            if count < 0:
                continue
            was_whole, is_whole = is_whole, count == full and not place.skip
            if not (is_whole and was_whole):
                runs.append([])
            runs[-1].append(n)
        return runs

    def _set_right(
        self, data: bytes, columns: BlockColumns, place: Place, offset: int, findings: list[Finding]
    ) -> BlockColumns:
        """A block that is read in part, with the times of its intervals set right."""
        shape = self.layout.block
        lost, later = place.intervals - columns.rows, 0
        if self._is_planned(columns, place):
            text = f"block {place.sequence} has the time at which it will be full, with {place.intervals} intervals"
            findings.append(Finding("lp-block-planned", text, "data"))
            later = (shape.intervals - place.intervals) * shape.period_ms
        if not shape.descending:
            # The newest of its intervals are those that broke off.
            later += lost * shape.period_ms
        if not later:
            return columns
        return read_blocks(data, replace(shape, shift_ms=shape.shift_ms - later), [offset], [columns.rows])

    def _is_planned(self, columns: BlockColumns, place: Place) -> bool:
        """Whether the stamp is not that of the last interval, but of the end of the block once it is full."""
        shape, before = self.layout.block, self._checks.stamp
        if place.intervals == shape.intervals or before is None or not columns.blocks or not columns.stamp_valid[0]:
            return False
        step = columns.stamp[0] - before
        seasons = (0, shape.season_ms, -shape.season_ms) if shape.stamp_season else (0,)
        return step - place.intervals * shape.period_ms not in seasons and (
            step - shape.intervals * shape.period_ms in seasons
        )

    def _table(self, data: bytes, found: BlockColumns, skip: int, findings: list[Finding]) -> Table:
        """The rows but the first ``skip``."""
        kept, shape = slice(skip, found.rows), self.layout.block
        rows = max(found.rows - skip, 0)
        columns = [
            Values(
                Kind.CLOCK,
                0,
                found.time[kept],
                found.time_valid[kept],
                deviation=found.deviation[kept],
                status=found.clock_status[kept],
            )
        ]
        if shape.extended_status or shape.simple_status:
            columns.append(Values(Kind.U16, 0, _status(found)[kept], memoryview(b"\1" * rows)))
        for values, valid in zip(found.values, found.valid, strict=True):
            if shape.value in TEXT:
                columns.append(_numbers_of(data, shape, values[kept], valid[kept], findings))
            else:
                columns.append(Values(shape.value.kind, 0, values[kept], valid[kept]))
        if shape.extended_status:
            columns += [Values(Kind.U8, 0, codes[kept], memoryview(b"\1" * rows)) for codes in found.codes]
        return Table(rows, tuple(columns))


def _status(found: BlockColumns) -> memoryview:
    """The flags of a row in the low octet; in the high one a bit for each status that one of its channels has."""
    rows = found.rows
    union = 0
    for codes in found.codes:
        union |= int.from_bytes(codes[:rows].tobytes().translate(STATUS_OF_CODE), "big")
    octets = bytearray(2 * rows)
    low = 0 if sys.byteorder == "little" else 1
    octets[low::2] = found.flags[:rows].tobytes()
    octets[1 - low :: 2] = union.to_bytes(rows, "big")
    return memoryview(octets).cast("H")


def _numbers_of(
    data: bytes, shape: BlockLayout, places: Iterable[int], valid: memoryview, findings: list[Finding]
) -> Values:
    """Numbers written in characters, as integers with as many decimals as the format is given."""
    numbers, known = array("q"), bytearray()
    decimals, size = decimals_of(shape.value), shape.value.size
    wrong = cut = 0
    for at, there in zip(places, valid, strict=True):
        number = _number_of(data[at : at + size]) if there else None
        scaled = None if number is None else number.scaleb(decimals, _EXACT).to_integral_value(context=_EXACT)
        fits = scaled is not None and abs(scaled) < _LIMIT
        cut += number is not None and scaled is not None and scaled.scaleb(-decimals, _EXACT) != number
        wrong += bool(there) and not fits
        numbers.append(int(scaled) if fits and scaled is not None else 0)
        known.append(fits)
    if wrong:
        findings.append(Finding("value", f"{wrong} intervals are no number, or too large", "data"))
    if cut:
        findings.append(
            Finding("precision", f"{cut} intervals have more than {decimals} decimals, and are cut", "data")
        )
    return Values(Kind.I64, 0, memoryview(numbers), memoryview(known))


def _number_of(octets: bytes) -> Decimal | None:
    text = octets.decode("latin-1").strip(" \0")
    try:
        number = Decimal(text) if text.isascii() and "_" not in text else None
    except InvalidOperation:
        return None
    return number if number is not None and number.is_finite() and abs(number.adjusted()) < 30 else None


class _Checks:
    """What is remembered of the block before, and compared with the next."""

    def __init__(self, layout: LoadProfileLayout) -> None:
        self.layout = layout
        self.stamp: int | None = None
        """Of the block before, as it stands there."""
        self._end: tuple[int, int] | None = None
        """Time and deviation of the last row before."""
        self._place: Place | None = None
        self._readings: list[Fraction | None] = []
        self._pulses: list[int] = []
        self._told: set[tuple[str, int]] = set()

    def look(self, places: Sequence[Place], found: BlockColumns) -> list[Finding]:
        """Findings of these blocks, one of each kind for each channel."""
        findings: list[Finding] = []
        row = 0
        for n in range(found.blocks):
            place = places[n]
            rows = range(row, min(row + place.intervals, found.rows))
            row = rows.stop
            findings += self._time(place, found, rows[place.skip :])
            follows = self._place is not None and (place.sequence - self._place.sequence) & 0xFFFFFFFF == 1
            whole = len(rows) == self.layout.block.intervals and not place.skip
            findings += self._ends(n, place, found, rows, follows and whole)
            self._place = place
            self.stamp = found.stamp[n] if found.stamp_valid[n] else None
        return findings

    def _time(self, place: Place, found: BlockColumns, rows: range) -> list[Finding]:
        if not rows:
            return []
        first, last = rows[0], rows[-1]
        if not found.time_valid[last]:
            return self._once("lp-no-time", -1, f"block {place.sequence} has no end time: its intervals have none")
        before, self._end = self._end, (found.time[last], found.deviation[last])
        if before is None or found.time[first] > before[0]:
            return []
        block = self.layout.block
        season = "; summer may have ended" if block.deviation == UNDEFINED_DEVIATION and not block.stamp_season else ""
        text = f"block {place.sequence} begins at {_text(found.time[first])}, before the end of the block before it"
        hint = "the order of blocks that table 63 tells may be wrong, or the clock was set back" + season
        return self._once("lp-block-time", -1, text, hint)

    def _ends(self, n: int, place: Place, found: BlockColumns, rows: range, comparable: bool) -> list[Finding]:
        """Compare what readings and pulses gained with the intervals, where the block before is known."""
        layout, findings = self.layout, list[Finding]()
        readings = [_fraction(found, channel, n) for channel in range(len(found.readings))]
        pulses = [column[n] for column in found.pulses]
        for channel in range(layout.block.channels) if comparable and (readings or pulses) else ():
            codes = found.codes[channel][rows.start : rows.stop].tobytes()
            valid = found.valid[channel][rows.start : rows.stop].tobytes()
            if 0 in valid or not _UNSOUND.isdisjoint(codes) or layout.block.value in TEXT:
                continue
            numbers = found.values[channel][rows.start : rows.stop]
            # Sums of floats are exact as fractions alone.
            integral = layout.block.value.kind in INTEGRAL
            total = Fraction(sum(numbers)) if integral else sum(map(Fraction, numbers), Fraction(0))
            counted = pulses and layout.channels[channel].head.kind is ColumnKind.INTERVAL_DELTA
            if counted and not self._pulsed(channel, pulses[channel], total):
                text = f"its pulse counter tells {pulses[channel]}, its intervals {total}"
                findings += self._once("lp-end-pulses", channel, f"{self._name(place, channel)}: {text}")
            before = self._readings[channel] if readings and self._readings else None
            before = Fraction(0) if layout.readings_in_block else before
            now = readings[channel] if readings else None
            if before is None or now is None or not layout.channels[channel].end_reading:
                continue
            wanted, step = total * layout.channels[channel].per_pulse, layout.channels[channel].per_pulse
            # Whole counts in a format with decimals: the register has none.
            unit = Fraction(1) if now.denominator == before.denominator == 1 else layout.reading_unit
            if not _gained(now - before, wanted, max(abs(step), unit)):
                text = f"its end reading gained {_number(now - before)}, its intervals make {_number(wanted)}"
                hint = "one of them counts something else, or was set anew; the multipliers of table 62 may be wrong"
                findings += self._once("lp-end-reading", channel, f"{self._name(place, channel)}: {text}", hint)
        self._readings, self._pulses = readings, pulses
        return findings

    def _pulsed(self, channel: int, pulses: int, total: Fraction) -> bool:
        """A counter of all pulses, or of those of the block."""
        gained = (pulses - self._pulses[channel]) & 0xFFFFFFFF if self._pulses else total
        return total in (pulses, gained)

    def _name(self, place: Place, channel: int) -> str:
        return f"block {place.sequence}, channel {channel + 1}"

    def _once(self, code: str, channel: int, text: str, hint: str = "") -> list[Finding]:
        if (code, channel) in self._told:
            return []
        self._told.add((code, channel))
        return [Finding(code, text, "data", hint=hint)]


def _fraction(found: BlockColumns, channel: int, block: int) -> Fraction | None:
    """The end reading of a channel in units of its register; None where there is none, and of characters."""
    number, value = found.layout.reading, found.readings[channel][block]
    if number is None or number in TEXT or not found.readings_valid[channel][block] or value - value != 0:
        return None
    return Fraction(value) * Fraction(1, 10 ** decimals_of(number))


def _gained(gain: Fraction, wanted: Fraction, tolerance: Fraction) -> bool:
    """Whether both are the same but for what was not a whole pulse; a register may have rolled over, all nines to 0."""
    if abs(gain - wanted) <= tolerance:
        return True
    return gain < 0 and any(abs(gain + 10**digits - wanted) <= tolerance for digits in range(3, 16))


def _number(value: Fraction) -> str:
    return str(value.numerator) if value.denominator == 1 else f"{float(value):g}"


def _text(ms: int) -> str:
    try:
        return (_EPOCH + timedelta(milliseconds=ms)).strftime("%Y-%m-%d %H:%M")
    except OverflowError:
        return f"{ms} ms"
