/* Any octets: the reader of rows stays within its buffers, gets ahead, and says where it stopped; tokens follow each
 * other. The first octets choose the columns, the rest is read. */
#include "metersdk.h"

#include <stdlib.h>
#include <string.h>

#define REQUIRE(condition) \
    do { \
        if (!(condition)) \
            abort(); \
    } while (0)

#define MOST_COLUMNS 7
#define ROWS 24

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void *block(size_t size)
{
    void *made = calloc(size > 0 ? size : 1, 1);
    REQUIRE(made != NULL);
    return made;
}

static unsigned width_of(uint32_t kind)
{
    static const unsigned WIDTHS[16] = {0, 0, 1, 1, 2, 2, 4, 4, 8, 8, 4, 8, 8, 8, 8, 8};
    return WIDTHS[kind];
}

static void read_rows(const uint8_t *data, size_t size)
{
    if (size < 2 + 2 * MOST_COLUMNS)
        return;
    size_t columns = 1 + data[0] % MOST_COLUMNS, slots = ROWS + 1;
    const uint8_t *choice = data + 2;
    msdk_axdr_rows rows = {
        .column_count = columns,
        .capacity = ROWS,
        .period_ms = (data[1] & 1) != 0 ? 900000 : 0,
        .deviation_sign = (data[1] & 2) != 0 ? -1 : 1,
        .local_deviation = (data[1] & 4) != 0 ? -60 : -0x8000,
        .null_repeats = (data[1] & 8) != 0,
    };
    rows.columns = block(columns * sizeof *rows.columns);
    uint8_t *layout = block(columns);
    for (size_t n = 0; n < columns; n++) {
        msdk_axdr_column *column = &rows.columns[n];
        column->kind = choice[2 * n] & 15;
        layout[n] = choice[2 * n + 1] % 34;
        /* Every kind is given what the Python side would give it at most: integers and deltas, floats, strings, all. */
        uint64_t nothing = (uint64_t)1 << 63 | 1, integers = 0x3F0778060u | UINT64_C(0x3F0000000);
        if (column->kind >= MSDK_AXDR_OBJECT)
            column->accepts = ~UINT64_C(0);
        else if (column->kind >= MSDK_AXDR_CLOCK)
            column->accepts = nothing | 1 << 9 | 1 << 25 | (column->kind > MSDK_AXDR_CLOCK ? 1 << 4 | 1 << 10 : 0);
        else if (column->kind >= MSDK_AXDR_F32)
            column->accepts = nothing | 1 << 23 | 1 << 24;
        else if (column->kind > MSDK_AXDR_EMPTY)
            column->accepts = nothing | integers | 1 << 3 | 1 << 13;
        else
            column->accepts = nothing | UINT64_C(0x3F0000000);
        column->values = block(slots * width_of(column->kind));
        column->lengths = block(slots * sizeof *column->lengths);
        column->deviation = block(slots * sizeof *column->deviation);
        column->valid = block(slots);
        column->status = block(slots);
    }
    rows.layout = (data[1] & 16) != 0 ? layout : NULL;
    size_t at = 2 + 2 * MOST_COLUMNS;
    int status;
    do {
        size_t before = at;
        rows.count = 0;
        status = msdk_axdr_rows_read(data, at, size, &rows);
        REQUIRE(rows.count <= ROWS && rows.position >= before && rows.position <= size);
        REQUIRE((rows.position > before) == (rows.count > 0));
        REQUIRE(status != MSDK_AXDR_END || rows.position == size);
        REQUIRE(status != MSDK_AXDR_FULL || rows.count == ROWS);
        /* The cell of a compact-array that has no tag of its own may stand where the octets end. */
        REQUIRE(status < MSDK_AXDR_KIND ||
                (rows.error_offset >= (int64_t)rows.position && rows.error_offset <= (int64_t)size));
        REQUIRE(status != MSDK_AXDR_KIND || (rows.error_column >= 0 && rows.error_column < (int64_t)columns));
        for (size_t n = 0; n < columns; n++)
            for (size_t row = 1; row <= rows.count; row++)
                REQUIRE(rows.columns[n].kind < MSDK_AXDR_OCTETS || rows.columns[n].valid[row] != 1 ||
                        ((uint64_t *)(void *)rows.columns[n].values)[row] <= size);
        at = rows.position;
    } while (status == MSDK_AXDR_FULL);
    for (size_t n = 0; n < columns; n++) {
        free(rows.columns[n].values);
        free(rows.columns[n].lengths);
        free(rows.columns[n].deviation);
        free(rows.columns[n].valid);
        free(rows.columns[n].status);
    }
    free(layout);
    free(rows.columns);
}

static void read_tokens(const uint8_t *data, size_t size)
{
    size_t room = 1 + size / 2, at = 0, count, error;
    uint8_t *tag = block(room), *depth = block(room);
    uint64_t *offset = block(room * sizeof *offset);
    uint32_t *length = block(room * sizeof *length);
    int status = msdk_axdr_tokens(data, size, &at, room, tag, depth, offset, length, &count, &error);
    REQUIRE(count <= room && at <= size && (at > 0) == (count > 0));
    REQUIRE(status == MSDK_AXDR_END || status == MSDK_AXDR_MORE || status == MSDK_AXDR_FULL || status == MSDK_AXDR_BAD);
    REQUIRE(status != MSDK_AXDR_BAD || (error >= at && error < size));
    for (size_t n = 0; n < count; n++) {
        REQUIRE(depth[n] <= MSDK_AXDR_DEPTH && offset[n] <= size);
        REQUIRE(n == 0 || offset[n] > offset[n - 1] || length[n - 1] == 0);
    }
    free(length);
    free(offset);
    free(depth);
    free(tag);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* A block of exactly this size: one octet beyond it is an error that sanitizers see. */
    uint8_t *exact = block(size);
    if (size > 0)
        memcpy(exact, data, size);
    read_tokens(exact, size);
    read_rows(exact, size);
    free(exact);
    return 0;
}
