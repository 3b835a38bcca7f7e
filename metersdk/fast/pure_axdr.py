"""The Python twin of the A-XDR kernel: rows of a profile into columns, and a tokenizer; same contract, same results."""

from __future__ import annotations

import struct
from array import array
from datetime import date
from typing import Final

from metersdk.fast.axdr_layout import (
    CLOCK_SIZE,
    DELTAS,
    DONT_CARE,
    FILLED,
    LOCAL_CLOCK,
    LOST_DELTA,
    MAX_DEPTH,
    MISSING,
    NULL_DATA,
    PRESENT,
    RANGES,
    SIZES,
    UNDEFINED_CLOCK,
    UNDEFINED_DEVIATION,
    UNDEFINED_STATUS,
    VARIABLE,
    Kind,
    Rows,
    Status,
    Store,
    Tokens,
    bit,
)

_ARRAY, _STRUCTURE, _BIT_STRING, _OCTET_STRING, _BCD, _COMPACT_ARRAY = 1, 2, 4, 9, 13, 19
_NUMBERS: Final = {
    tag: struct.Struct(code)
    for tag, code in zip(
        (3, 5, 6, 15, 16, 17, 18, 20, 21, 22, 23, 24, 28, 29, 30, 31, 32, 33),
        (">?", ">i", ">I", ">b", ">h", ">B", ">H", ">q", ">Q", ">B", ">f", ">d", ">b", ">h", ">i", ">B", ">H", ">I"),
        strict=True,
    )
}
_DATE: Final = struct.Struct(">HBB")
_EPOCH: Final = date(1970, 1, 1).toordinal()


class _Stop(Exception):
    def __init__(self, status: Status, offset: int = -1, column: int = -1) -> None:
        self.status = status
        self.offset = offset
        self.column = column


def read_rows(data: bytes, start: int, end: int, rows: Rows) -> Status:
    """Fill ``rows`` from row ``rows.count`` on with what stands in data[start:end], as far as it goes."""
    rows.position, rows.error_offset, rows.error_column = start, -1, -1
    while True:
        if rows.position == end:
            return Status.END
        if rows.count == rows.capacity:
            return Status.FULL
        try:
            rows.position = _row(data, rows.position, end, rows)
        except _Stop as stop:
            rows.error_offset, rows.error_column = stop.offset, stop.column
            return stop.status
        rows.count += 1


def _row(data: bytes, at: int, end: int, rows: Rows) -> int:
    begin = at
    if not rows.layout:
        if data[at] != _STRUCTURE:
            raise _Stop(Status.OTHER, at)
        count, at = _length(data, at + 1, end)
        if count != len(rows.stores):
            raise _Stop(Status.SHAPE, begin)
    for column, store in enumerate(rows.stores):
        if rows.layout:
            tag, head = rows.layout[column], at
        else:
            if at >= end:
                raise _Stop(Status.MORE)
            tag, head = data[at], at
            at += 1
        at = _cell(data, head, tag, at, end, rows, store, column)
    if at == begin:
        raise _Stop(Status.BAD, at)
    return at


def _cell(data: bytes, head: int, tag: int, at: int, end: int, rows: Rows, store: Store, column: int) -> int:
    """Read the cell whose contents begin at ``at`` and whose encoding begins at ``head`` -> the octet behind it."""
    size = SIZES.get(tag)
    length = 0
    if size is None:
        raise _Stop(Status.BAD, head)
    if size == -2:
        if rows.layout:
            raise _Stop(Status.BAD, head)
        begin, at = head, _skip(data, head, end)
    else:
        if size == -1:
            length, at = _length(data, at, end)
            size = (length + 7) // 8 if tag == _BIT_STRING else length
        else:
            length = size
        if size > end - at:
            raise _Stop(Status.MORE)
        begin, at = at, at + size
    if tag == _BCD and (data[begin] >> 4 > 9 or data[begin] & 15 > 9):
        raise _Stop(Status.BAD, begin)
    store.tags |= bit(tag)
    if store.kind is Kind.SKIP:
        return at
    if not store.accepts & bit(tag):
        raise _Stop(Status.KIND, head, column)
    row = rows.count + 1
    if tag in (NULL_DATA, DONT_CARE):
        _no_value(rows, store, row, repeat=tag == NULL_DATA)
    elif store.kind is Kind.OBJECT:
        store.values[row], store.lengths[row], store.valid[row] = head, at - head, PRESENT
    elif store.kind in VARIABLE:
        store.values[row], store.lengths[row], store.valid[row] = begin, length, PRESENT
    elif store.kind is Kind.CLOCK:
        _clock(data, begin, length, rows, store, row)
    elif bit(tag) & DELTAS:
        _delta(_NUMBERS[tag].unpack_from(data, begin)[0], store, row)
    else:
        store.base = tag
        store.values[row] = (
            (data[begin] >> 4) * 10 + (data[begin] & 15) if tag == _BCD else _NUMBERS[tag].unpack_from(data, begin)[0]
        )
        store.valid[row] = PRESENT
    return at


def _no_value(rows: Rows, store: Store, row: int, repeat: bool) -> None:
    before = row - 1
    clock = store.kind is Kind.CLOCK
    known = repeat and rows.null_repeats and store.kind is not Kind.EMPTY and store.valid[before] != MISSING
    if clock:
        known = known and rows.period_ms != 0
        store.deviation[row] = store.deviation[before] if known else UNDEFINED_DEVIATION
        store.status[row] = store.status[before] if known else UNDEFINED_STATUS
    if store.kind is not Kind.EMPTY:
        store.values[row] = _later(store.values[before], rows.period_ms if clock else 0) if known else 0
    if store.kind in VARIABLE:
        store.lengths[row] = store.lengths[before] if known else 0
    store.valid[row] = FILLED if known else MISSING


def _later(value: int | float, period_ms: int) -> int | float:
    """The time a period later; after 292 million years it wraps, as int64 does."""
    return (int(value) + period_ms + (1 << 63)) % (1 << 64) - (1 << 63) if period_ms else value


def _delta(change: int, store: Store, row: int) -> None:
    if store.kind is not Kind.EMPTY:
        low, high = RANGES.get(store.base, (0, -1))
        value = store.values[row - 1] + change
        known = store.valid[row - 1] != MISSING and low <= value <= high
        store.values[row] = value if known else 0
    else:
        known = False
    if not known:
        store.flags |= LOST_DELTA
    store.valid[row] = PRESENT if known else MISSING


def _clock(data: bytes, at: int, length: int, rows: Rows, store: Store, row: int) -> None:
    store.values[row], store.valid[row] = 0, MISSING
    store.deviation[row], store.status[row] = UNDEFINED_DEVIATION, UNDEFINED_STATUS
    if length != CLOCK_SIZE:
        store.flags |= UNDEFINED_CLOCK
        return
    year, month, day = _DATE.unpack_from(data, at)
    hour, minute, second, hundredths = data[at + 5 : at + 9]
    deviation = int.from_bytes(data[at + 9 : at + 11], "big", signed=True)
    second = 0 if second == 0xFF else second
    hundredths = 0 if hundredths == 0xFF else hundredths
    if deviation == UNDEFINED_DEVIATION:
        store.flags |= LOCAL_CLOCK
        deviation = rows.local_deviation
    else:
        deviation *= rows.deviation_sign
    store.deviation[row], store.status[row] = deviation, data[at + 11]
    minutes = 0 if deviation == UNDEFINED_DEVIATION else deviation
    try:
        days = date(year, month, day).toordinal() - _EPOCH
    except ValueError:
        days = -1 << 60
    # Time zones lie between -12 and +14 hours, daylight saving may add one.
    if days == -1 << 60 or hour > 23 or minute > 59 or second > 59 or hundredths > 99 or abs(minutes) > 900:
        store.flags |= UNDEFINED_CLOCK
        return
    seconds = ((days * 24 + hour) * 60 + minute + minutes) * 60 + second
    store.values[row], store.valid[row] = seconds * 1000 + hundredths * 10, PRESENT


def _length(data: bytes, at: int, end: int) -> tuple[int, int]:
    if at >= end:
        raise _Stop(Status.MORE)
    first = data[at]
    if first < 0x80:
        return first, at + 1
    size = first & 0x7F
    if not 1 <= size <= 4:
        raise _Stop(Status.BAD, at)
    if size > end - at - 1:
        raise _Stop(Status.MORE)
    return int.from_bytes(data[at + 1 : at + 1 + size], "big"), at + 1 + size


def _skip(data: bytes, at: int, end: int) -> int:
    """The octet behind the value whose tag is at ``at``."""
    pending: list[int] = []
    while True:
        _, at, elements = _token(data, at, end, len(pending))
        if elements:
            pending.append(elements)
            continue
        while pending:
            pending[-1] -= 1
            if pending[-1]:
                break
            pending.pop()
        else:
            return at


def _token(data: bytes, at: int, end: int, depth: int) -> tuple[tuple[int, int, int], int, int]:
    """One value -> ((tag, offset, length), octet where the next begins, elements to come)."""
    if at >= end:
        raise _Stop(Status.MORE)
    head, tag = at, data[at]
    size = SIZES.get(tag)
    at += 1
    if size is None:
        raise _Stop(Status.BAD, head)
    if size == -2 and depth >= MAX_DEPTH:
        raise _Stop(Status.BAD, head)
    if tag == _COMPACT_ARRAY:
        begin = at
        length, at = _length(data, _skip_type(data, at, end, depth + 1), end)
        size = length
        if size > end - at:
            raise _Stop(Status.MORE)
        return (tag, begin, at + size - begin), at + size, 0
    if size == -2:
        length, at = _length(data, at, end)
        return (tag, at, length), at, length
    length = size
    if size == -1:
        length, at = _length(data, at, end)
        size = (length + 7) // 8 if tag == _BIT_STRING else length
    if size > end - at:
        raise _Stop(Status.MORE)
    return (tag, at, length), at + size, 0


def _skip_type(data: bytes, at: int, end: int, depth: int) -> int:
    """The octet behind the type description at ``at``."""
    pending: list[int] = []
    while True:
        if at >= end:
            raise _Stop(Status.MORE)
        tag = data[at]
        if tag not in SIZES or tag == _COMPACT_ARRAY or (SIZES[tag] == -2 and depth + len(pending) >= MAX_DEPTH):
            raise _Stop(Status.BAD, at)
        at += 1
        if tag == _ARRAY:
            if end - at < 2:
                raise _Stop(Status.MORE)
            at += 2
            pending.append(1)
            continue
        if tag == _STRUCTURE:
            count, at = _length(data, at, end)
            if count:
                pending.append(count)
                continue
        while pending:
            pending[-1] -= 1
            if pending[-1]:
                break
            pending.pop()
        else:
            return at


def tokens(data: bytes, start: int, room: int) -> Tokens:
    """Every value in data[start:], in order, containers before their elements; at most ``room`` of them."""
    tag, depth, offset, length = array("B"), array("B"), array("Q"), array("I")
    pending: list[int] = []
    at, status, error = start, Status.END, -1
    while at < len(data) or pending:
        if len(tag) == room:
            status = Status.FULL
            break
        try:
            token, at, elements = _token(data, at, len(data), len(pending))
        except _Stop as stop:
            status, error = stop.status, stop.offset
            break
        tag.append(token[0])
        depth.append(len(pending))
        offset.append(token[1])
        length.append(token[2])
        if elements:
            pending.append(elements)
            continue
        while pending:
            pending[-1] -= 1
            if pending[-1]:
                break
            pending.pop()
    return Tokens(
        len(tag), memoryview(tag), memoryview(depth), memoryview(offset), memoryview(length), at, status, error
    )
