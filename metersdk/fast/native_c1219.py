"""The load profile kernel in C behind the contract of ``pure_c1219``."""

from __future__ import annotations

from metersdk._kernel import ffi, lib
from metersdk.fast.c1219_layout import LONGEST_MS, BlockColumns, BlockLayout, Number, room_for

_BOOLEANS = ("big_endian", "pulses", "simple_status", "extended_status", "descending", "stamp_season")
_NUMBERS = (
    *("period_ms", "shift_ms", "season_ms", "channels", "intervals", "deviation", "int_format", "time_format", "value"),
)


def read_blocks(data: bytes, layout: BlockLayout, offsets: list[int], valid: list[int]) -> BlockColumns:
    """The first ``valid[n]`` intervals of the block at ``offsets[n]``, oldest block first; see ``pure_c1219``."""
    columns = room_for(layout, len(data), offsets, valid)
    shape = ffi.new("msdk_lp_layout *")
    for name in (*_NUMBERS, *_BOOLEANS):
        setattr(shape, name, getattr(layout, name))
    shape.reading = lib.MSDK_LP_NONE if layout.reading is None else layout.reading
    out = ffi.new("msdk_lp_columns *")
    arena = ffi.from_buffer("uint8_t[]", columns.arena) if columns.arena else ffi.NULL
    at = [arena + offset for offset in columns.offsets]
    out.time, out.stamp = ffi.cast("int64_t *", at[0]), ffi.cast("int64_t *", at[1])
    out.values, out.readings, out.pulses = at[2], at[3], ffi.cast("uint32_t *", at[4])
    out.deviation = ffi.cast("int16_t *", at[5])
    out.time_valid, out.clock_status, out.flags, out.stamp_valid, out.valid, out.code, out.reading_valid = at[6:]
    out.value_stride, out.reading_stride = columns.value_stride, columns.reading_stride
    out.room, out.block_room = columns.room, columns.block_room
    count = columns.block_room
    lib.msdk_lp_read(data, len(data), shape, offsets[:count], valid[:count], count, out)
    columns.rows, columns.blocks = out.rows, out.blocks
    return columns


assert lib.MSDK_LP_LONGEST == LONGEST_MS
assert len(Number) == lib.MSDK_LP_NUMBERS
