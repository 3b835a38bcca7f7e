"""The buffer of a profile (class 7 attribute 2) into columns, while its octets arrive.

The buffer is ``array of structure``, or ``compact-array of structure``, or an array whose elements are such
compact-arrays (Green Book, ``Data``). Meters are not trusted: rows win over the count announced, and the rows before a
damaged one are delivered. See ``RowDecoder``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from metersdk.apdu import axdr
from metersdk.apdu.axdr import Data, Tag
from metersdk.apdu.columns import NOTHING, Table, Values, concat, empty
from metersdk.errors import DecodeError, Finding, LocalProtocolError
from metersdk.fast import IMPL
from metersdk.fast.axdr_layout import (
    DELTAS,
    FILLED,
    LOCAL_CLOCK,
    LOST_DELTA,
    MISSING,
    PRESENT,
    RANGES,
    UNDEFINED_CLOCK,
    UNDEFINED_DEVIATION,
    VARIABLE,
    Kind,
    Reader,
    Rows,
    Status,
    Store,
    bit,
    kind_for,
)

# A row holds some tens of cells. One that has not ended after a mebibyte never will.
MAX_ROW: Final = 1 << 20
# Rows looked at before the buffers are chosen; a type that first comes later costs a second pass over its piece.
SURVEYED: Final = 64
# Below this an unfinished row is tried again at each feed; above, only when an eighth more has come.
EAGER: Final = 4096
# capture_period is a double-long-unsigned of seconds, or of minutes in some meters.
MAX_PERIOD_MS: Final = 0xFFFF_FFFF * 60_000
# Minutes: time zones lie between -12 and +14 hours, daylight saving may add one.
MAX_DEVIATION: Final = 900
# The longest type description that is waited for: a row has at most some hundred columns, each described by an octet or
# a few. It is gone through again with every piece that comes before it is whole.
MAX_DESCRIPTION: Final = 4096

_FLAG_FINDINGS: Final = (
    (UNDEFINED_CLOCK, "clock-undefined", "time stamps without a usable date: these rows have no time"),
    (LOCAL_CLOCK, "deviation-undefined", "time stamps without a deviation: their times are local"),
    (LOST_DELTA, "delta-without-base", "differences to a value that is not known, or beyond its type"),
)


def _reader() -> Reader:
    if IMPL == "c":
        from metersdk.fast import native_axdr

        return native_axdr
    from metersdk.fast import pure_axdr

    return pure_axdr


@dataclass(frozen=True, slots=True)
class _Carry:
    """The last row's cell of a column, for the piece that comes next."""

    kind: Kind = Kind.EMPTY
    valid: int = MISSING
    base: int = 0
    value: int | float = 0
    octets: bytes = b""
    length: int = 0
    deviation: int = 0
    status: int = 0
    data: Data | None = None


class RowDecoder:
    """Decodes a profile buffer fed in pieces cut anywhere; memory is that of one piece and one row.

    Args:
        columns: number of capture objects.
        clocks: columns that hold the clock.
        period_ms: capture period, negative for a LIFO buffer; 0 if there is none.
        deviation_sign: -1 where the meter sends the UTC offset instead of the deviation.
        local_deviation: minutes, for clock cells that carry no deviation; None leaves them local.
        null_repeats: False where null-data means "no value" and never "as above".

    ``findings``, ``truncated`` (rows are missing) and ``rows`` (decoded so far) are complete after ``finish``;
    ``error`` is the finding that ended the decoding before the octets did.
    """

    def __init__(
        self,
        columns: int,
        clocks: Sequence[int] = (),
        *,
        period_ms: int = 0,
        deviation_sign: int = 1,
        local_deviation: int | None = None,
        null_repeats: bool = True,
    ) -> None:
        if columns < 1:
            raise LocalProtocolError("a profile has at least one column", layer="data")
        if abs(period_ms) > MAX_PERIOD_MS:
            raise LocalProtocolError(f"a capture period of {period_ms} ms", layer="data")
        if abs(local_deviation or 0) > MAX_DEVIATION:
            raise LocalProtocolError(f"a deviation of {local_deviation} minutes", layer="data")
        self.findings: list[Finding] = []
        self.error: Finding | None = None
        self.truncated = False
        self.announced: int | None = None
        self.rows = 0
        self._reader = _reader()
        zone = UNDEFINED_DEVIATION if local_deviation is None else local_deviation
        self._settings = (period_ms, deviation_sign, zone, null_repeats)
        self._clocks = frozenset(clocks)
        self._tags = [0] * columns
        self._flags = [0] * columns
        self._carry = [_Carry()] * columns
        self._started = False
        self._elements = 0
        self._rest = b""
        self._at = 0  # in _rest: the first octet not yet used
        self._base = 0  # octets that stood before _rest
        self._wanted = 0  # octets _rest must have before another try
        self._compact_left = 0  # octets of a compact-array's contents still to read
        self._layout = b""  # tags of its cells
        self._torn = False  # the octets end inside a row
        self._pace = 0, 0  # rows and octets of the run before: the types of more like them are known

    def feed(self, data: bytes) -> Table:
        """Decode the rows that are whole with these octets. A buffer that is no profile at all raises DecodeError."""
        if self.error:
            return empty(len(self._tags))
        self._base += self._at
        self._rest = self._rest[self._at :] + data if self._at < len(self._rest) else bytes(data)
        self._at, self._torn = 0, False
        tables = []
        if len(self._rest) >= self._wanted:
            while self._at < len(self._rest) and not self.error:
                before = self._at, self._started
                table = self._step()
                if table and table.rows:
                    tables.append(table)
                if self._torn or before == (self._at, self._started):
                    break
            left = len(self._rest) - self._at
            self._wanted = left + left // 8 if left > EAGER else 0
            if left > MAX_ROW and not self.error:
                self._stop("limit", f"a row has not ended after {left} octets")
        return concat(tables) if tables else empty(len(self._tags))

    def finish(self) -> Table:
        """Nothing more comes: the rows that were held back, and the findings about the whole."""
        self._wanted = 0
        table = self.feed(b"")
        if not self.error:
            if not self._started or self._at < len(self._rest) or self._compact_left:
                self._stop("truncated", "the buffer ends inside a row" if self._started else "the buffer has no rows")
            elif self.announced is not None and self._elements != self.announced:
                self.truncated = self._elements < self.announced
                text = f"{self.announced} rows announced, {self._elements} present"
                self.findings.append(Finding("row-count", text, "apdu", 0))
        for flag, code, text in _FLAG_FINDINGS:
            columns = [column for column, flags in enumerate(self._flags) if flags & flag]
            self.findings.extend(Finding(code, f"column {column}: {text}", "data") for column in columns)
        return table

    def _stop(self, code: str, text: str, offset: int = -1, hint: str = "") -> None:
        """Reading ends here for good. Rows are lost, unless as many came as were announced."""
        self.truncated = self.truncated or code != "trailing-octets"
        self.error = Finding(code, text, "apdu", self._base + (self._at if offset < 0 else offset), hint)
        self.findings.append(self.error)

    def _step(self) -> Table | None:
        """Take the head, a compact-array or a run of rows from the rest; nothing if it is not all there."""
        data, at = self._rest, self._at
        if self._compact_left:
            return self._read(min(len(data), at + self._compact_left))
        if not self._started:
            self._head()
            return None
        if self.announced is not None:
            if data[at] == Tag.STRUCTURE:
                return self._read(len(data))
            if data[at] == Tag.COMPACT_ARRAY:
                self._compact()
                return None
            if self._elements < self.announced:
                self._stop("row-shape", f"an element with tag {data[at]:02X} is no row")
                return None
        self._stop("trailing-octets", f"{len(data) - at} octets behind the last row")
        return None

    def _head(self) -> None:
        data = self._rest
        if data[0] == Tag.COMPACT_ARRAY:
            self._compact()
        elif data[0] == Tag.NULL_DATA:
            self._started, self._at = True, 1
        elif data[0] != Tag.ARRAY:
            raise DecodeError(
                f"a profile buffer begins with an array or compact-array, not with tag {data[0]:02X}",
                layer="apdu",
                offset=0,
                data=data,
            )
        elif len(data) > 1 and (data[1] < 0x80 or len(data) >= 2 + (data[1] & 0x7F)):
            self.announced, self._at = axdr.decode_length(data, 1)
            self._started = True

    # compact-array ----------------------------------------------------------------------------------------------

    def _compact(self) -> None:
        """Read the description of a compact-array, if it is all there."""
        data, at, columns = self._rest, self._at, len(self._tags)
        try:
            kind, after = axdr.decode_type(data, at + 1)
            length, start = axdr.decode_length(data, after)
        except DecodeError as error:
            if len(data) - at > MAX_DESCRIPTION or not _may_go_on(data, at + 1):
                self._stop("malformed", error.message, error.offset)
            return
        cells = kind.items if kind.tag is Tag.STRUCTURE else (kind,)
        if length and len(cells) != columns:
            text = f"a compact-array of {len(cells)} columns, {columns} capture objects"
            self._stop("row-shape", text, hint="capture_objects may have changed: read them again")
            return
        if any(cell.items or cell.tag in (Tag.ARRAY, Tag.STRUCTURE) for cell in cells) and length:
            if len(data) - start < length:
                return
            # Cells that are containers themselves are rare: their rows are rewritten with tags, and read as such.
            try:
                rows, end = axdr.decode(data, at)
            except DecodeError as error:
                self._stop("malformed", error.message, error.offset)
                return
            tagged = b"".join(map(axdr.encode, rows.value)) if isinstance(rows.value, tuple) else b""
            self._base += end - at - len(tagged)
            self._rest = data[:at] + tagged + data[end:]
            self._layout, self._compact_left = b"", len(tagged)
        else:
            self._at = start
            self._layout, self._compact_left = bytes(cell.tag for cell in cells), length
        self._started = True
        self._elements += 1

    # rows -------------------------------------------------------------------------------------------------------

    def _survey(self, end: int, capacity: int) -> tuple[list[int], Rows]:
        """The types of up to ``capacity`` rows; a compact-array fixes its own, other rows go on with those before."""
        layout = self._layout if self._compact_left else b""
        rows = Rows([(Kind.SKIP, 0)] * len(self._tags), capacity, *self._settings, layout=layout)
        self._reader.read_rows(self._rest, self._at, end, rows)
        known = map(bit, layout) if layout else self._tags
        return [seen | store.tags for seen, store in zip(known, rows.stores, strict=True)], rows

    def _fill(self, tags: list[int], capacity: int, end: int) -> tuple[bytes, Rows, Status]:
        kinds = [kind_for(seen, column in self._clocks) for column, seen in enumerate(tags)]
        rows = Rows(kinds, capacity, *self._settings, layout=self._layout if self._compact_left else b"")
        # Strings of the row before go in front of the octets, so that a null can repeat them.
        front = self._place(rows)
        heap = front + self._rest if front else self._rest
        return heap, rows, self._reader.read_rows(heap, self._at + len(front), end + len(front), rows)

    def _read(self, end: int) -> Table:
        start, data = self._at, self._rest
        compact = self._compact_left > 0
        count, octets = self._pace
        if count and not compact:
            tags = list(self._tags)
        else:
            tags, seen = self._survey(end, SURVEYED)
            count, octets = seen.count, seen.position - start
        # A quarter more than rows like those seen: where nulls grow more, rows without room cost a second table.
        capacity = (end - start) * max(1, count) * 5 // (max(1, octets) * 4) + 16
        if self.announced is not None and not compact and self.announced >= self._elements:
            # One more than announced: an array may be one short of the rows present.
            capacity = min(capacity, self.announced - self._elements + 1)
        heap, rows, status = self._fill(tags, capacity, end)
        if status is Status.KIND:
            tags, seen = self._survey(end, end - start)
            heap, rows, status = self._fill(tags, max(1, seen.count), end)
        front = len(heap) - len(data)
        table = self._table(rows, tags, heap, front)
        self._at = rows.position - front
        self.rows += table.rows
        if table.rows:
            self._pace = table.rows, self._at - start
        self._torn = status is Status.MORE
        if compact:
            self._compact_left -= self._at - start
            if status is Status.MORE and self._at + self._compact_left == end:
                self._stop("malformed", "the contents of a compact-array end inside a row")
        else:
            self._elements += table.rows
        if status is Status.SHAPE and not self.error:
            text = f"a row does not have the {len(tags)} cells of the capture objects"
            self._stop("row-shape", text, hint="capture_objects may have changed: read them again")
        elif status is Status.BAD and not self.error:
            self._stop("malformed", "a cell is no A-XDR", rows.error_offset - front)
        return table

    def _place(self, rows: Rows) -> bytes:
        """Put the row before into slot 0 -> the octets of its strings."""
        front = b""
        for store, carry in zip(rows.stores, self._carry, strict=True):
            if store.kind is Kind.EMPTY or carry.valid == MISSING:
                continue
            if store.kind is not Kind.OBJECT and carry.kind is not store.kind:
                if {carry.kind, store.kind} & (VARIABLE | {Kind.CLOCK, Kind.EMPTY}):
                    continue
                try:
                    store.values[0] = carry.value
                except (ValueError, TypeError):
                    continue
            elif store.kind in VARIABLE:
                store.values[0], store.lengths[0] = len(front), carry.length
                front += carry.octets
            else:
                store.values[0] = carry.value
            if store.kind is Kind.CLOCK:
                store.deviation[0], store.status[0] = carry.deviation, carry.status
            store.valid[0], store.base = carry.valid, carry.base
        return front

    def _table(self, rows: Rows, tags: list[int], heap: bytes, front: int) -> Table:
        count = rows.count
        objects: dict[int, tuple[Data | None, ...]] = {}
        for column, store in enumerate(rows.stores):
            if store.kind is Kind.OBJECT:
                objects[column] = self._objects(store, self._carry[column].data, count, heap, front)
                count = len(objects[column])
        columns = []
        cut = slice(1, count + 1)
        for column, store in enumerate(rows.stores):
            self._tags[column] |= store.tags
            self._flags[column] |= store.flags
            if column in self._clocks and store.kind is not Kind.OBJECT and MISSING in store.valid[cut].tobytes():
                # Null-data, too, where it cannot be filled.
                self._flags[column] |= UNDEFINED_CLOCK
            typed = store.kind not in (Kind.EMPTY, Kind.OBJECT)
            clock = store.kind is Kind.CLOCK
            strings = typed and store.kind in VARIABLE
            columns.append(
                Values(
                    store.kind,
                    tags[column] | store.tags,
                    store.values[cut] if typed else NOTHING,
                    store.valid[cut],
                    store.lengths[cut] if strings else NOTHING,
                    store.deviation[cut] if clock else NOTHING,
                    store.status[cut] if clock else NOTHING,
                    heap if strings else b"",
                    objects.get(column, ())[:count],
                )
            )
        if count:
            self._carry = [_carry(values, store, count - 1) for values, store in zip(columns, rows.stores, strict=True)]
        return Table(count, tuple(columns))

    def _objects(self, store: Store, last: Data | None, count: int, heap: bytes, front: int) -> tuple[Data | None, ...]:
        """The values of a column of mixed types, up to the first that is damaged inside."""
        out: list[Data | None] = []
        for row in range(1, count + 1):
            if store.valid[row] == MISSING:
                last = None
            elif store.valid[row] == PRESENT:
                start = store.values[row]
                try:
                    value, _ = axdr.decode(heap[start : start + store.lengths[row]])
                except DecodeError as error:
                    self._stop("malformed", error.message, start + error.offset - front)
                    break
                last = _summed(last, value, store) if bit(value.tag) & DELTAS else value
            if last is None:
                store.valid[row] = MISSING
            out.append(last)
        return tuple(out)


def _may_go_on(data: bytes, offset: int) -> bool:
    """Whether the description of a compact-array that stands there is only cut off."""
    # Null-data ends any description and any length: what these do not complete, nothing does.
    padded = data + bytes(MAX_DESCRIPTION)
    try:
        _, after = axdr.decode_type(padded, offset)
        axdr.decode_length(padded, after)
    except DecodeError:
        return False
    return True


def _summed(last: Data | None, change: Data, store: Store) -> Data | None:
    if last is not None and isinstance(last.value, int) and isinstance(change.value, int):
        low, high = RANGES.get(last.tag, (0, -1))
        if low <= last.value + change.value <= high:
            return Data(last.tag, last.value + change.value)
    store.flags |= LOST_DELTA
    return None


def _carry(values: Values, store: Store, row: int) -> _Carry:
    valid = values.valid[row]
    if values.kind is Kind.EMPTY or valid == MISSING:
        return _Carry()
    valid = PRESENT if valid == FILLED else valid
    if values.kind is Kind.OBJECT:
        return _Carry(values.kind, valid, data=values.objects[row])
    data = None if values.kind is Kind.CLOCK else values.data(row)
    if values.kind in VARIABLE:
        return _Carry(values.kind, valid, octets=values.octets(row), length=values.lengths[row], data=data)
    if values.kind is Kind.CLOCK:
        return _Carry(
            values.kind, valid, 0, values.values[row], deviation=values.deviation[row], status=values.status[row]
        )
    number = Data(Tag(store.base), data.value) if store.base and data else data
    return _Carry(values.kind, valid, store.base, values.values[row], data=number)
