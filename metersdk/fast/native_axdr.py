"""The A-XDR kernel in C behind the contract of ``axdr_layout.Reader``."""

from __future__ import annotations

from metersdk._kernel import ffi, lib
from metersdk.fast.axdr_layout import MAX_DEPTH, Kind, Rows, Status, Tokens, typed


def read_rows(data: bytes, start: int, end: int, rows: Rows) -> Status:
    """Fill ``rows`` from row ``rows.count`` on with what stands in data[start:end], as far as it goes."""
    columns = ffi.new("msdk_axdr_column[]", len(rows.stores))
    arena = ffi.from_buffer("uint8_t[]", rows.arena) if rows.arena else ffi.NULL
    slots = rows.capacity + 1
    for column, store in zip(columns, rows.stores, strict=True):
        column.kind, column.accepts = int(store.kind), store.accepts
        column.tags, column.base, column.flags = store.tags, store.base, store.flags
        if store.kind is Kind.SKIP:
            continue
        at = arena + store.offset
        column.values = at
        at += store.values.nbytes
        column.lengths = ffi.cast("uint32_t *", at)
        at += store.lengths.nbytes
        column.deviation = ffi.cast("int16_t *", at)
        at += store.deviation.nbytes
        column.valid = at
        column.status = at + slots
    table = ffi.new("msdk_axdr_rows *")
    table.columns, table.column_count = columns, len(rows.stores)
    layout = ffi.from_buffer("uint8_t[]", rows.layout)
    table.layout = layout if rows.layout else ffi.NULL
    table.capacity, table.count = rows.capacity, rows.count
    table.period_ms, table.deviation_sign = rows.period_ms, rows.deviation_sign
    table.local_deviation, table.null_repeats = rows.local_deviation, rows.null_repeats
    status = Status(lib.msdk_axdr_rows_read(data, start, end, table))
    rows.count, rows.position = table.count, table.position
    rows.error_offset = table.error_offset if status not in (Status.END, Status.MORE, Status.FULL) else -1
    rows.error_column = table.error_column if status is Status.KIND else -1
    for column, store in zip(columns, rows.stores, strict=True):
        store.tags, store.base, store.flags = column.tags, column.base, column.flags
    return status


def tokens(data: bytes, start: int, room: int) -> Tokens:
    """Every value in data[start:], in order, containers before their elements; at most ``room`` of them."""
    room = min(room, len(data) - start)
    arena = bytearray(14 * room)
    offset, length = memoryview(arena)[: 8 * room], memoryview(arena)[8 * room : 12 * room]
    tag, depth = memoryview(arena)[12 * room : 13 * room], memoryview(arena)[13 * room :]
    out = ffi.from_buffer("uint8_t[]", arena)
    at, error = ffi.new("size_t *", start), ffi.new("size_t *")
    count = ffi.new("size_t *")
    status = Status(
        lib.msdk_axdr_tokens(
            data,
            len(data),
            at,
            room,
            out + 12 * room,
            out + 13 * room,
            ffi.cast("uint64_t *", out),
            ffi.cast("uint32_t *", out + 8 * room),
            count,
            error,
        )
    )
    used = int(count[0])
    return Tokens(
        used,
        tag[:used],
        depth[:used],
        typed(offset, "Q")[:used],
        typed(length, "I")[:used],
        int(at[0]),
        status,
        int(error[0]) if status is Status.BAD else -1,
    )


assert lib.MSDK_AXDR_DEPTH == MAX_DEPTH
