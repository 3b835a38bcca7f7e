"""Columns of a profile: typed buffers with a state for every cell, sliced without copying and joined exactly."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from metersdk.apdu.axdr import Data, Tag
from metersdk.fast.axdr_layout import (
    DELTAS,
    FORMATS,
    INTEGRAL,
    MISSING,
    NO_VALUE,
    UNDEFINED_DEVIATION,
    VARIABLE,
    WIDTHS,
    Buffer,
    Kind,
    bit,
    kind_for,
    typed,
)

_NUMBERS: Final = INTEGRAL | {Kind.F32, Kind.F64}
_TAG_OF: Final = {
    Kind.I8: Tag.INTEGER,
    Kind.U8: Tag.UNSIGNED,
    Kind.I16: Tag.LONG,
    Kind.U16: Tag.LONG_UNSIGNED,
    Kind.I32: Tag.DOUBLE_LONG,
    Kind.U32: Tag.DOUBLE_LONG_UNSIGNED,
    Kind.I64: Tag.LONG64,
    Kind.U64: Tag.LONG64_UNSIGNED,
    Kind.F32: Tag.FLOAT32,
    Kind.F64: Tag.FLOAT64,
}
NOTHING: Final[Buffer] = memoryview(b"")


@lru_cache(maxsize=256)
def _only(tags: int) -> Tag | None:
    """The one tag of a value in a set of tags; None where there are none or several."""
    found = [tag for tag in Tag if tags & bit(tag) and not bit(tag) & (NO_VALUE | DELTAS)]
    return found[0] if len(found) == 1 else None


@dataclass(frozen=True, slots=True)
class Values:
    """One column of ``len(valid)`` cells.

    ``values``: typed by ``kind``; milliseconds UTC for a clock; for strings the positions in ``heap``, with ``lengths``
    beside them (bits for a bit-string); ``objects`` instead where no one buffer can hold the types.
    ``valid``: 0 null without a value, 1 present, 2 null, filled from the row before. ``tags``: set of A-XDR tags seen.
    ``deviation`` (int16, minutes, -32768 undefined) and ``status`` (uint8) of a clock, empty for others.
    """

    kind: Kind
    tags: int
    values: Buffer
    valid: Buffer
    lengths: Buffer = NOTHING
    deviation: Buffer = NOTHING
    status: Buffer = NOTHING
    heap: bytes = b""
    objects: tuple[Data | None, ...] = ()

    def __reduce__(self) -> tuple[object, ...]:
        # A memoryview cannot be pickled.
        buffers = (self.values, self.valid, self.lengths, self.deviation, self.status)
        packed = tuple((buffer.tobytes(), buffer.format) for buffer in buffers)
        return _unpacked, (self.kind, self.tags, packed, self.heap, self.objects)

    def octets(self, row: int) -> bytes:
        """The octets of one string cell."""
        start, length = self.values[row], self.lengths[row]
        return self.heap[start : start + ((length + 7) // 8 if self.kind is Kind.BITS else length)]

    def item(self, row: int) -> int | float | bytes | str | Data | None:
        """One cell, unscaled; None without a value."""
        if self.valid[row] == MISSING:
            return None
        if self.kind is Kind.OBJECT:
            return self.objects[row]
        if self.kind is Kind.BITS:
            return "".join(f"{octet:08b}" for octet in self.octets(row))[: self.lengths[row]]
        if self.kind is Kind.OCTETS:
            octets = self.octets(row)
            if self.tags & bit(Tag.VISIBLE_STRING):
                return octets.decode("latin-1")
            return octets.decode(errors="replace") if self.tags & bit(Tag.UTF8_STRING) else octets
        value: int | float = self.values[row]
        return bool(value) if self.tags & bit(Tag.BOOLEAN) else value

    def part(self, start: int, stop: int) -> Values:
        """The cells start..stop, sharing the buffers."""
        cut = slice(start, stop)
        return Values(
            self.kind,
            self.tags,
            self.values[cut],
            self.valid[cut],
            self.lengths[cut],
            self.deviation[cut],
            self.status[cut],
            self.heap,
            self.objects[cut],
        )

    def data(self, row: int) -> Data | None:
        """One cell as ``Data``; the type is the one on the wire where the column has one only."""
        value = self.item(row)
        if value is None or isinstance(value, Data):
            return value
        tag = _only(self.tags)
        if tag is not None and self.kind is not Kind.CLOCK:
            return Data(tag, value)
        return Data(_TAG_OF.get(self.kind, Tag.LONG64), value)


def _unpacked(
    kind: Kind, tags: int, packed: Iterable[tuple[bytes, str]], heap: bytes, objects: tuple[Data | None, ...]
) -> Values:
    values, valid, lengths, deviation, status = (typed(octets, code) for octets, code in packed)
    return Values(kind, tags, values, valid, lengths, deviation, status, heap, objects)


@dataclass(frozen=True, slots=True)
class Table:
    """``rows`` rows in columns."""

    rows: int
    columns: tuple[Values, ...]

    def part(self, start: int, stop: int) -> Table:
        """The rows start..stop, sharing the buffers."""
        return Table(len(range(self.rows)[start:stop]), tuple(column.part(start, stop) for column in self.columns))


def empty(columns: int) -> Table:
    """A table without rows."""
    return Table(0, (Values(Kind.EMPTY, 0, NOTHING, NOTHING),) * columns)


def concat(tables: Sequence[Table]) -> Table:
    """The rows of all tables, which have the same number of columns; types are widened, or end as objects."""
    if len(tables) == 1:
        return tables[0]
    columns = zip(*(table.columns for table in tables), strict=True)
    return Table(sum(table.rows for table in tables), tuple(map(_joined, columns)))


def _join(parts: Iterable[Buffer], code: str) -> Buffer:
    return typed(b"".join(parts), code)


def _joined(parts: tuple[Values, ...]) -> Values:
    tags = 0
    for part in parts:
        tags |= part.tags
    valid = _join((part.valid for part in parts), "B")
    kinds: set[Kind] = {part.kind for part in parts if part.kind is not Kind.EMPTY}
    if not kinds:
        return Values(Kind.EMPTY, tags, NOTHING, valid)
    kind: Kind = kinds.pop() if len(kinds) == 1 else _common(kinds, tags)
    if kind is Kind.OBJECT:
        objects = [part.data(row) for part in parts for row in range(len(part.valid))]
        return Values(kind, tags, NOTHING, valid, objects=tuple(objects))
    code = FORMATS[kind]
    values, lengths, heap = [], [], b""
    for part in parts:
        if part.kind is Kind.EMPTY:
            values.append(typed(bytes(WIDTHS[code] * len(part.valid)), code))
            lengths.append(typed(bytes(4 * len(part.valid) * (kind in VARIABLE)), "I"))
        elif kind in VARIABLE:
            values.append(_cast((at + len(heap) for at in part.values), code, len(part.values)))
            lengths.append(part.lengths)
            heap += part.heap
        else:
            values.append(part.values if part.kind is kind else _cast(part.values, code, len(part.values)))
    if kind is Kind.CLOCK:
        unset = [len(part.valid) * (part.kind is Kind.EMPTY) for part in parts]
        deviation = [
            memoryview(array("h", [UNDEFINED_DEVIATION]) * n) if n else part.deviation
            for n, part in zip(unset, parts, strict=True)
        ]
        status = [memoryview(b"\xff" * n) if n else part.status for n, part in zip(unset, parts, strict=True)]
        return Values(
            kind, tags, _join(values, code), valid, deviation=_join(deviation, "h"), status=_join(status, "B")
        )
    return Values(kind, tags, _join(values, code), valid, _join(lengths, "I") if lengths else NOTHING, heap=heap)


def _common(kinds: set[Kind], tags: int) -> Kind:
    kind, _ = kind_for(tags)
    return kind if kinds <= _NUMBERS and kind in _NUMBERS else Kind.OBJECT


def _cast(numbers: Iterable[int | float], code: str, count: int) -> Buffer:
    view = typed(bytearray(WIDTHS[code] * count), code)
    for row, number in enumerate(numbers):
        view[row] = number
    return view
