"""The Python twin of csrc/load_profile.c; the contract stands in csrc/metersdk.h."""

from __future__ import annotations

import struct
from calendar import timegm
from datetime import datetime
from functools import lru_cache

from metersdk.fast.axdr_layout import FORMATS, UNDEFINED_DEVIATION, Buffer, Kind
from metersdk.fast.c1219_layout import (
    BCD,
    DST,
    NOT_VALID,
    SKIPPED,
    TEXT,
    BlockColumns,
    BlockLayout,
    Number,
    room_for,
)

_DST_ACTIVE = 0x80
_NO_STATUS = 0xFF
# Formats that struct reads as they are; integers only in two's complement. Floats are moved as bits, NaN and all.
_CODES = {
    Number.F64: "Q",
    Number.F32: "I",
    Number.FIXED: "i",
    Number.I32: "i",
    Number.I64: "q",
    Number.U8: "B",
    Number.U16: "H",
    Number.U32: "I",
    Number.I8: "b",
    Number.I16: "h",
}
_FLOATS = frozenset((Kind.F32, Kind.F64))
_UNSIGNED = frozenset((Number.F64, Number.F32, Number.U8, Number.U16, Number.U32))


def read_blocks(data: bytes, layout: BlockLayout, offsets: list[int], valid: list[int]) -> BlockColumns:
    """The first ``valid[n]`` intervals of the block at ``offsets[n]``, oldest block first; rows come oldest first.

    A block may be cut off behind the intervals asked for. Reading stops at one that is not all there, or that has not
    so many intervals: ``BlockColumns.blocks`` tells how many were read.
    """
    columns = room_for(layout, len(data), offsets, valid)
    for start, count in zip(offsets[: columns.block_room], valid, strict=False):
        _read_block(data, layout, start, count, columns)
    return columns


def _read_block(data: bytes, layout: BlockLayout, start: int, count: int, to: BlockColumns) -> None:
    stamp = _stamp(data[start : start + layout.stamp_size], layout)
    block, row = to.blocks, to.rows
    to.stamp[block], to.stamp_valid[block] = stamp or 0, stamp is not None
    _read_end(data, layout, start, to)
    if count:
        first = start + layout.header
        records = data[first : first + count * layout.record]
        _read_flags(data[first - layout.simple_size : first], records, layout, to, row)
        _write_times(stamp, layout, count, to, row)
        _read_values(data, first, count, layout, to, row)
    to.blocks, to.rows = block + 1, row + count


def _read_end(data: bytes, layout: BlockLayout, start: int, to: BlockColumns) -> None:
    order = "big" if layout.big_endian else "little"
    at = start + layout.stamp_size
    for channel in range(layout.channels):
        if layout.reading is not None:
            octets = data[at : at + layout.reading_size]
            number = _number(octets, at, layout.reading, layout)
            _store(to.readings[channel], to.blocks, [number or 0], layout.reading)
            to.readings_valid[channel][to.blocks] = number is not None
        if layout.pulses:
            pulses = data[at + layout.reading_size : at + layout.end_size]
            to.pulses[channel][to.blocks] = int.from_bytes(pulses, order)  # type: ignore[arg-type]
        at += layout.end_size


def _read_flags(simple: bytes, records: bytes, layout: BlockLayout, to: BlockColumns, row: int) -> None:
    count = len(records) // layout.record
    flags = [octet >> 4 for octet in records[:: layout.record]] if layout.extended_status else [0] * count
    if layout.simple_status:
        flags = [flag if simple[n >> 3] >> (n & 7) & 1 else flag | NOT_VALID for n, flag in enumerate(flags)]
    to.flags[row : row + count] = bytes(flags[::-1] if layout.descending else flags)


def _write_times(stamp: int | None, layout: BlockLayout, count: int, to: BlockColumns, row: int) -> None:
    flags = to.flags[row : row + count]
    local = not layout.has_deviation
    counts = layout.extended_status and (not local or layout.stamp_season)
    seasons = [flag & DST if counts else 0 for flag in flags]
    status = 0 if layout.extended_status else _NO_STATUS
    summer = UNDEFINED_DEVIATION if local else layout.deviation - layout.season_ms // 60_000
    for n, season in enumerate(seasons, row):
        to.deviation[n] = summer if season else layout.deviation
        to.clock_status[n] = _DST_ACTIVE if season else status
    if stamp is None:
        return
    last = stamp + layout.shift_ms - (layout.season_ms if layout.stamp_season and flags[-1] & DST else 0)
    time = last - layout.period_ms * (count - 1)
    for n, season in enumerate(seasons, row):
        to.time[n] = time + layout.season_ms if season and local else time
        time += layout.period_ms
    to.time_valid[row : row + count] = b"\1" * count


def _read_values(data: bytes, first: int, count: int, layout: BlockLayout, to: BlockColumns, row: int) -> None:
    value, record = layout.value, layout.record
    rows = slice(row, row + count)
    flags = to.flags[rows]
    columns = _columns(data, first, count, layout)
    for channel in range(layout.channels):
        numbers = columns[channel]
        codes = bytes(count)
        if layout.extended_status:
            # The nibbles of a record stand in order, high one first: common, channel 1, 2, 3 ...
            at, shift = first + (channel + 1) // 2, 4 if channel & 1 else 0
            codes = bytes(octet >> shift & 15 for octet in data[at : first + count * record : record])
        if layout.descending:
            numbers, codes = numbers[::-1], codes[::-1]
        to.codes[channel][rows] = codes
        known = bytearray(b"\1") * count
        unfit = {n for n, number in enumerate(numbers) if number is None} if value in BCD else set[int]()
        if SKIPPED in codes or layout.simple_status:
            unfit |= {n for n in range(count) if codes[n] == SKIPPED or flags[n] & NOT_VALID}
        for n in unfit:
            numbers[n], known[n] = 0, 0
        to.valid[channel][rows] = bytes(known)
        _store(to.values[channel], row, numbers, value)


def _store(column: Buffer, row: int, numbers: list[int], number: Number) -> None:
    size = column.itemsize
    code = _CODES[number] if number.kind in _FLOATS else FORMATS[number.kind]
    column.cast("B")[row * size : (row + len(numbers)) * size] = struct.pack(f"={len(numbers)}{code}", *numbers)


def _columns(data: bytes, first: int, count: int, layout: BlockLayout) -> list[list[int]]:
    """The numbers of each channel, in the order of the records; None for what is no number."""
    value, channels, record = layout.value, layout.channels, layout.record
    places = [first + layout.status_size + channel * value.size for channel in range(channels)]
    if value in TEXT:
        return [list(range(place, place + count * record, record)) for place in places]
    if value in _CODES and (layout.int_format in (0, 3) or value in _UNSIGNED):
        numbers = _records(layout.big_endian, layout.status_size, channels, _CODES[value], count).unpack_from(
            data, first
        )
        return [list(numbers[channel::channels]) for channel in range(channels)]
    return [
        [
            _number(data[at : at + value.size], at, value, layout)  # type: ignore[misc]
            for at in range(place, place + count * record, record)
        ]
        for place in places
    ]


@lru_cache(maxsize=32)
def _records(big_endian: bool, status: int, channels: int, code: str, count: int) -> struct.Struct:
    return struct.Struct((">" if big_endian else "<") + f"{status}x{channels}{code}" * count)


def _number(octets: bytes, at: int, number: Number, layout: BlockLayout) -> int | None:
    """One number; text stays where it is; None for BCD that is none."""
    if number in TEXT:
        return at
    if not layout.big_endian:
        octets = octets[::-1]
    if number in BCD:
        digits = octets.hex()
        return int(digits) if digits.isdecimal() else None
    if number in _UNSIGNED:
        return int.from_bytes(octets, "big")
    bits, top = int.from_bytes(octets, "big"), 1 << 8 * len(octets) - 1
    if bits < top:
        return bits
    if layout.int_format == 1:
        return -(~bits & top - 1)
    return -(bits & top - 1) if layout.int_format == 2 else bits - 2 * top


def _stamp(octets: bytes, layout: BlockLayout) -> int | None:
    """STIME_DATE in ms since 1970, in whatever time the meter keeps; None if there is none."""
    if not octets:
        return None
    if len(octets) == 4:
        count = int.from_bytes(octets, "big" if layout.big_endian else "little")
        return None if count in (0, 0xFFFFFFFF) else count * (60_000 if layout.time_format == 3 else 1000)
    if layout.time_format == 1:
        digits = octets.hex()
        if not digits.isdecimal():
            return None
        octets = bytes(int(digits[n : n + 2]) for n in range(0, 10, 2))
    year, month, day, hour, minute = octets
    if year > 99:
        return None
    try:
        moment = datetime(year + (2000 if year < 90 else 1900), month, day, hour, minute)
    except ValueError:
        return None
    return timegm(moment.timetuple()) * 1000
