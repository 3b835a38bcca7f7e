/* Rows of a profile into columns.
 *
 * Rows are read cell by cell. The row just read then serves as a template: as long as the structural octets of the
 * rows that follow (tags, lengths) are the same, whole runs of them are checked eight octets at a time and loaded
 * column by column. Where null-data comes and goes, it is looked for in many rows at once: from one row to the next
 * only the number of octets matters, and that hangs on which cells are null-data and on nothing else. */
#include "axdr_cells.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* The longest row that is compared as a template, in words of eight octets. */
#define TEMPLATE_WORDS 64
/* Rows checked before they are loaded: few enough that the first cache still holds them. */
#define BATCH 256

/* ---- rows ------------------------------------------------------------------------------------------------------- */

/* Read the cell at *at into slot `row`; moves *at behind it. Notes in the column where its contents lie. */
static inline int read_cell(const uint8_t *data, size_t *at, size_t end, msdk_axdr_rows *rows, size_t index,
                            clockwork *works, size_t row)
{
    msdk_axdr_column *column = &rows->columns[index];
    size_t head = *at, here = *at;
    uint8_t tag;
    if (rows->layout) {
        tag = rows->layout[index];
    } else {
        if (here >= end)
            return MSDK_AXDR_MORE;
        tag = data[here++];
    }
    int size = size_of(tag);
    if (size == UNUSED || (size == CONTAINER && rows->layout)) {
        rows->error_offset = (int64_t)head;
        return MSDK_AXDR_BAD;
    }
    size_t begin = here, octets = 0;
    uint32_t length = 0;
    if (size == CONTAINER) {
        here = head;
        int status = msdk_axdr_skip(data, &here, end, &rows->error_offset);
        if (status)
            return status;
    } else {
        if (size == VARIABLE) {
            int status = read_length(data, &here, end, &length, &rows->error_offset);
            if (status)
                return status;
            octets = tag == BIT_STRING ? length / 8 + (length % 8 != 0) : length;
        } else {
            octets = length = (uint32_t)size;
        }
        if (octets > end - here)
            return MSDK_AXDR_MORE;
        begin = here;
        here += octets;
        if (tag == BCD && (data[begin] >> 4 > 9 || (data[begin] & 15) > 9)) {
            rows->error_offset = (int64_t)begin;
            return MSDK_AXDR_BAD;
        }
    }
    column->tags |= bit(tag);
    column->tag = tag;
    column->length = length;
    column->begin = begin;
    *at = here;
    if (column->kind == MSDK_AXDR_SKIP)
        return MSDK_AXDR_END;
    if (!(column->accepts & bit(tag))) {
        rows->error_offset = (int64_t)head;
        rows->error_column = (int64_t)index;
        return MSDK_AXDR_KIND;
    }
    if (tag == NULL_DATA || tag == DONT_CARE)
        put_nothing(column, works, row, tag == NULL_DATA);
    else if (column->kind == MSDK_AXDR_OBJECT)
        put_place(column, row, head, here - head);
    else if (column->kind > MSDK_AXDR_CLOCK)
        put_place(column, row, begin, length);
    else if (column->kind == MSDK_AXDR_CLOCK) {
        if (length == CLOCK_SIZE) {
            put_clock(column, works, data + begin, row);
        } else {
            no_clock(column, row);
            column->flags |= UNDEFINED_CLOCK;
        }
    } else if (tag >= DELTA_FIRST && tag <= DELTA_LAST)
        put_delta(column, row, tag, data + begin);
    else if (tag == BCD) {
        put_bits(column, row, (uint64_t)((data[begin] >> 4) * 10 + (data[begin] & 15)));
        column->base = tag;
        column->valid[row] = PRESENT;
    } else
        put_number(column, row, tag, data + begin);
    return MSDK_AXDR_END;
}

/* null-data in a clock column: nearly every row where nulls are used at all. */
static inline void read_no_clock(msdk_axdr_column *column, size_t at, size_t row, const clockwork *works)
{
    put_nothing(column, works, row, 1);
    column->tags |= bit(NULL_DATA);
    column->tag = NULL_DATA;
    column->length = 0;
    column->begin = at + 1;
}

/* Is `tag` that of a whole number as wide as its column? */
static inline int is_plain(const msdk_axdr_column *column, uint32_t tag)
{
    static const uint8_t PLAIN[34] = {
        [5] = 4, [6] = 4, [15] = 1, [16] = 2, [17] = 1, [18] = 2, [20] = 8, [21] = 8, [22] = 1,
    };
    return column->kind >= MSDK_AXDR_I8 && column->kind <= MSDK_AXDR_U64 && tag < sizeof PLAIN &&
           PLAIN[tag] == width_of(column->kind) && (column->accepts & bit((uint8_t)tag));
}

/* A whole number of the type its column had last, or null-data, at data[at), where nine octets stand at least. Without
 * a jump between the two: where nulls come and go, guessing wrong costs more than doing both. Returns the octets of the
 * cell, 0 if it is something else. */
static inline size_t read_number(msdk_axdr_column *column, const uint8_t *data, size_t at, size_t row, int null_repeats)
{
    uint8_t tag = data[at];
    unsigned width = width_of(column->kind);
    if (((tag != NULL_DATA) & (tag != column->base)) || !is_plain(column, column->base) ||
        !(column->accepts & bit(tag)))
        return 0;
    const uint8_t *p = data + at + 1;
    uint64_t present = (uint64_t)0 - (uint64_t)(tag != NULL_DATA);
    uint64_t repeated = ~present & ((uint64_t)0 - (uint64_t)(null_repeats != 0));
    switch (width) {
    case 1: {
        uint8_t *out = column->values + row;
        *out = (uint8_t)((p[0] & present) | (out[-1] & repeated));
        break;
    }
    case 2: {
        uint16_t *out = (uint16_t *)(void *)column->values + row;
        *out = (uint16_t)((be16(p) & present) | (out[-1] & repeated));
        break;
    }
    case 4: {
        uint32_t *out = (uint32_t *)(void *)column->values + row;
        *out = (uint32_t)((be32(p) & present) | (out[-1] & repeated));
        break;
    }
    default: {
        uint64_t *out = (uint64_t *)(void *)column->values + row;
        *out = (be64(p) & present) | (out[-1] & repeated);
    }
    }
    uint64_t filled = (uint64_t)0 - (uint64_t)(column->valid[row - 1] != MISSING);
    column->valid[row] = (uint8_t)((PRESENT & present) | (FILLED & filled & repeated));
    column->tags |= bit(tag);
    column->tag = tag;
    column->length = width & (uint32_t)present;
    column->begin = at + 1;
    return 1 + column->length;
}

static inline int read_row(const uint8_t *data, size_t *at, size_t end, msdk_axdr_rows *rows, clockwork *works)
{
    size_t begin = *at;
    if (!rows->layout) {
        if (data[*at] != STRUCTURE) {
            rows->error_offset = (int64_t)*at;
            return MSDK_AXDR_OTHER;
        }
        uint32_t count;
        *at += 1;
        int status = read_length(data, at, end, &count, &rows->error_offset);
        if (status)
            return status;
        if (count != rows->column_count) {
            rows->error_offset = (int64_t)begin;
            return MSDK_AXDR_SHAPE;
        }
    }
    for (size_t index = 0; index < rows->column_count; index++) {
        msdk_axdr_column *column = &rows->columns[index];
        size_t octets = 0;
        if (!rows->layout && end - *at > 8) {
            if (column->kind == MSDK_AXDR_CLOCK && data[*at] == NULL_DATA && (column->accepts & bit(NULL_DATA))) {
                read_no_clock(column, *at, rows->count + 1, works);
                octets = 1;
            } else {
                octets = read_number(column, data, *at, rows->count + 1, works->null_repeats);
            }
        }
        *at += octets;
        if (octets)
            continue;
        int status = read_cell(data, at, end, rows, index, works, rows->count + 1);
        if (status)
            return status;
    }
    if (*at == begin) {
        rows->error_offset = (int64_t)begin;
        return MSDK_AXDR_BAD;
    }
    return MSDK_AXDR_END;
}

/* The structural octets of one row: what (row & mask) of a row of the same shape is equal to, word by word. The last
 * word ends with the row and may overlap the one before. */
typedef struct {
    size_t size, words;
    uint64_t mask[TEMPLATE_WORDS], pattern[TEMPLATE_WORDS];
} shape;

/* Make a shape of the row data[begin..end) just read. 0 if its cells cannot be loaded by columns. */
static int take_shape(const uint8_t *data, size_t begin, size_t end, const msdk_axdr_rows *rows, shape *out)
{
    uint8_t contents[8 * TEMPLATE_WORDS];
    out->size = end - begin;
    if (out->size < 8 || out->size > sizeof contents)
        return 0;
    memset(contents, 0, out->size);
    for (size_t index = 0; index < rows->column_count; index++) {
        const msdk_axdr_column *column = &rows->columns[index];
        uint8_t tag = column->tag;
        int size = size_of(tag);
        if (size == CONTAINER || tag == BCD || tag == DONT_CARE || (tag >= DELTA_FIRST && tag <= DELTA_LAST) ||
            column->kind == MSDK_AXDR_OBJECT || (column->kind == MSDK_AXDR_CLOCK && tag && column->length != CLOCK_SIZE))
            return 0;
        size_t octets = tag == BIT_STRING ? column->length / 8 + (column->length % 8 != 0) : column->length;
        memset(contents + (column->begin - begin), 0xFF, octets);
    }
    out->words = (out->size + 7) / 8;
    for (size_t n = 0; n < out->words; n++) {
        size_t from = n + 1 < out->words ? 8 * n : out->size - 8;
        out->mask[n] = ~word(contents + from);
        out->pattern[n] = word(data + begin + from) & out->mask[n];
    }
    return 1;
}

static inline int has_shape(const uint8_t *row, const shape *like)
{
    uint64_t differs = 0;
    for (size_t n = 0; n + 1 < like->words; n++)
        differs |= (word(row + 8 * n) & like->mask[n]) ^ like->pattern[n];
    size_t last = like->words - 1;
    differs |= (word(row + like->size - 8) & like->mask[last]) ^ like->pattern[last];
    return differs == 0;
}

#define LOAD(type, expression)                                                                                         \
    do {                                                                                                               \
        type *out = (type *)(void *)column->values + row;                                                              \
        for (size_t n = 0; n < count; n++, p += stride)                                                                \
            out[n] = (type)(expression);                                                                               \
    } while (0)

#define REPEAT(type)                                                                                                    \
    do {                                                                                                               \
        type *out = (type *)(void *)column->values + row;                                                              \
        for (size_t n = 1; n < count; n++)                                                                             \
            out[n] = out[0];                                                                                           \
    } while (0)

/* null-data in `count` rows. What the first becomes, all become, but for the time, which moves on. */
static void load_nothing(msdk_axdr_column *column, const clockwork *works, size_t row, size_t count)
{
    put_nothing(column, works, row, 1);
    memset(column->valid + row, column->valid[row], count);
    if (column->kind == MSDK_AXDR_EMPTY)
        return;
    if (column->kind == MSDK_AXDR_CLOCK) {
        int64_t *values = (int64_t *)(void *)column->values + row;
        uint64_t step = column->valid[row] == FILLED ? (uint64_t)works->period_ms : 0;
        for (size_t n = 1; n < count; n++) {
            values[n] = (int64_t)((uint64_t)values[n - 1] + step);
            column->deviation[row + n] = column->deviation[row];
        }
        memset(column->status + row, column->status[row], count);
        return;
    }
    switch (width_of(column->kind)) {
    case 1:
        REPEAT(uint8_t);
        break;
    case 2:
        REPEAT(uint16_t);
        break;
    case 4:
        REPEAT(uint32_t);
        break;
    default:
        REPEAT(uint64_t);
    }
    if (column->kind >= MSDK_AXDR_OCTETS)
        for (size_t n = 1; n < count; n++)
            column->lengths[row + n] = column->lengths[row];
}

/* `count` numbers of type `tag`, `stride` octets apart, into a column. */
static void load_numbers(msdk_axdr_column *column, size_t row, size_t count, const uint8_t *p, size_t stride)
{
    uint8_t tag = column->tag;
    if (tag == 6 && column->kind == MSDK_AXDR_U32)
        LOAD(uint32_t, be32(p));
    else if (tag == 5 && column->kind == MSDK_AXDR_I32)
        LOAD(int32_t, be32(p));
    else if (tag == 18 && column->kind == MSDK_AXDR_U16)
        LOAD(uint16_t, be16(p));
    else if (tag == 16 && column->kind == MSDK_AXDR_I16)
        LOAD(int16_t, be16(p));
    else if ((tag == 17 || tag == 22) && column->kind == MSDK_AXDR_U8)
        LOAD(uint8_t, p[0]);
    else if ((tag == 20 || tag == 21) && (column->kind == MSDK_AXDR_I64 || column->kind == MSDK_AXDR_U64))
        LOAD(uint64_t, be64(p));
    else
        for (size_t n = 0; n < count; n++, p += stride)
            put_number(column, row + n, tag, p);
    column->base = tag;
    memset(column->valid + row, PRESENT, count);
}

/* Load `count` rows of the shape just met, the first at data[at), into slots from `row` on. `back` is how far behind
 * `at` the row lies whose cells the columns have noted. */
static void load_rows(const uint8_t *data, size_t back, size_t stride, size_t count, msdk_axdr_rows *rows,
                      clockwork *works, size_t row)
{
    for (size_t index = 0; index < rows->column_count; index++) {
        msdk_axdr_column *column = &rows->columns[index];
        size_t begin = column->begin + back;
        const uint8_t *p = data + begin;
        if (column->kind == MSDK_AXDR_SKIP)
            continue;
        if (column->tag == NULL_DATA)
            load_nothing(column, works, row, count);
        else if (column->kind == MSDK_AXDR_CLOCK)
            for (size_t n = 0; n < count; n++)
                put_clock(column, works, p + n * stride, row + n);
        else if (column->kind > MSDK_AXDR_CLOCK)
            for (size_t n = 0; n < count; n++)
                put_place(column, row + n, begin + n * stride, column->length);
        else
            load_numbers(column, row, count, p, stride);
    }
}

/* ---- rows with nulls -------------------------------------------------------------------------------------------- */

/* Rows of so many columns, in so many octets, are looked at at once: few enough that the first cache holds them. */
#define LOOSE_COLUMNS 32
#define LOOSE_ROWS 128
#define LOOSE_OCTETS 2048
/* Bits of a word that are left when it was read at any bit of its first octet. */
#define WINDOW 57

/* A cell of a column is null-data or, as far as is now known, `tag` with so many octets behind it; with tag 0 it can
 * only be null.
 *   covered  so many columns from this one on are told by one word of marks; 0 where it is told by one from before */
typedef struct {
    uint32_t tag, octets, covered;
} habit;

/* The habits of all columns, and the octets of the longest row of theirs; 0 if such rows cannot be read. */
static size_t take_habits(const msdk_axdr_rows *rows, habit *habits)
{
    if (rows->layout || rows->column_count > LOOSE_COLUMNS)
        return 0;
    size_t longest = 2, bits = WINDOW, first = 0;
    for (size_t index = 0; index < rows->column_count; index++) {
        const msdk_axdr_column *column = &rows->columns[index];
        uint8_t tag = (uint8_t)(column->kind == MSDK_AXDR_CLOCK ? OCTET_STRING : column->base);
        if (column->kind == MSDK_AXDR_SKIP || !(column->accepts & bit(NULL_DATA)))
            return 0;
        habits[index] = (habit){0, 0, 0};
        if (column->kind == MSDK_AXDR_CLOCK && (column->accepts & bit(tag)))
            habits[index] = (habit){tag, 1 + CLOCK_SIZE, 0};
        else if (is_plain(column, tag))
            habits[index] = (habit){tag, width_of(column->kind), 0};
        size_t octets = 1 + habits[index].octets;
        longest += octets;
        bits += octets;
        if (bits > WINDOW) {
            first = index;
            bits = octets;
        }
        habits[first].covered++;
    }
    return longest;
}

/* Bit n of marks: octet n is 0; octets is a multiple of LANE. */
#ifdef __SSE2__
#define LANE 16
static void mark_zeros(const uint8_t *data, size_t octets, uint8_t *marks)
{
    for (size_t at = 0; at < octets; at += LANE) {
        __m128i zero = _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)(const void *)(data + at)), _mm_setzero_si128());
        uint16_t mark = (uint16_t)_mm_movemask_epi8(zero);
        memcpy(marks + at / 8, &mark, sizeof mark);
    }
}
#else
#define LANE 8
static void mark_zeros(const uint8_t *data, size_t octets, uint8_t *marks)
{
    const uint64_t low = UINT64_C(0x7F7F7F7F7F7F7F7F);
    for (size_t at = 0; at < octets; at += LANE) {
        uint64_t eight = le64(data + at);
        /* The upper bit of every octet that is 0; the product brings them together in the first octet from above. */
        uint64_t zero = ~(((eight & low) + low) | eight | low);
        marks[at / 8] = (uint8_t)((zero >> 7) * UINT64_C(0x0102040810204080) >> 56);
    }
}
#endif

#define LOAD_LOOSE(type, expression)                                                                                   \
    do {                                                                                                               \
        type *out = (type *)(void *)column->values + row;                                                              \
        type last = out[-1];                                                                                           \
        size_t n = 0;                                                                                                  \
        for (; n < lead; n++) {                                                                                        \
            const uint8_t *p = data + cells[n];                                                                        \
            uint64_t value = (uint64_t)0 - (uint64_t)(p[0] != NULL_DATA);                                              \
            p++;                                                                                                       \
            last = (type)(((expression) & value) | (last & ~value & kept));                                            \
            out[n] = last;                                                                                             \
            valid[n] = (uint8_t)((PRESENT & value) | (filled & ~value));                                               \
            filled |= repeated & value;                                                                                \
            met -= value;                                                                                              \
        }                                                                                                              \
        for (; n < count; n++) {                                                                                       \
            const uint8_t *p = data + cells[n];                                                                        \
            uint64_t value = (uint64_t)0 - (uint64_t)(p[0] != NULL_DATA);                                              \
            p++;                                                                                                       \
            last ^= (type)(((expression) ^ last) & value);                                                             \
            out[n] = last;                                                                                             \
            valid[n] = (uint8_t)(FILLED + value);                                                                      \
            met -= value;                                                                                              \
        }                                                                                                              \
    } while (0)

/* `count` cells of a column, null-data or as is its habit, into slots from `row` on. */
static void load_cells(msdk_axdr_column *column, const habit *known, const uint8_t *data, const uint16_t *cells,
                       size_t row, size_t count, clockwork *works)
{
    uint64_t kept = (uint64_t)0 - (uint64_t)(works->null_repeats != 0), repeated = FILLED & kept;
    uint8_t *valid = column->valid + row;
    uint64_t filled = valid[-1] != MISSING ? repeated : MISSING, met = 0;
    /* Where a value is there to be repeated, a cell is PRESENT or FILLED, which is one more. */
    size_t lead = filled ? 0 : count;
    if (column->kind == MSDK_AXDR_CLOCK || !known->octets) {
        for (size_t n = 0; n < count;) {
            size_t first = n;
            while (n < count && data[cells[n]] == NULL_DATA)
                n++;
            if (n > first)
                load_nothing(column, works, row + first, n - first);
            for (; n < count && data[cells[n]] != NULL_DATA; n++, met++)
                put_clock(column, works, data + cells[n] + 2, row + n);
        }
    } else {
        switch (known->octets) {
        case 1:
            LOAD_LOOSE(uint8_t, p[0]);
            break;
        case 2:
            LOAD_LOOSE(uint16_t, be16(p));
            break;
        case 4:
            LOAD_LOOSE(uint32_t, be32(p));
            break;
        default:
            LOAD_LOOSE(uint64_t, be64(p));
        }
    }
    if (met < count)
        column->tags |= bit(NULL_DATA);
    if (met > 0)
        column->tags |= bit((uint8_t)known->tag);
}

enum { NO_ROWS, UNEVEN_ROWS, EVEN_ROWS };

/* Read rows at rows->position whose cells are null-data or what their columns had last, as far as LOOSE_OCTETS go. Even
 * are rows most of which are as long as the one before. */
static int read_loose(const uint8_t *data, size_t end, msdk_axdr_rows *rows, clockwork *works)
{
    habit habits[LOOSE_COLUMNS];
    uint16_t cells[LOOSE_COLUMNS][LOOSE_ROWS];
    uint8_t marks[LOOSE_OCTETS / 8 + 8];
    size_t columns = rows->column_count, longest = take_habits(rows, habits);
    size_t left = end - rows->position, room = rows->capacity - rows->count;
    size_t octets = left < LOOSE_OCTETS ? left / LANE * LANE : LOOSE_OCTETS;
    size_t most = room < LOOSE_ROWS ? room : LOOSE_ROWS;
    if (!longest)
        return NO_ROWS;
    const uint8_t *piece = data + rows->position;
    unsigned head = STRUCTURE << 8 | (unsigned)columns;
    size_t at = 0, count = 0, length = 0, even = 0;
    mark_zeros(piece, octets, marks);
    memset(marks + octets / 8, 0, 8);
    for (; count < most && at + longest <= octets && be16(piece + at) == head; count++) {
        size_t cell = at + 2;
        uint32_t wrong = 0;
        for (size_t index = 0; index < columns;) {
            uint64_t zeros = le64(marks + cell / 8) >> (cell % 8);
            for (size_t stop = index + habits[index].covered; index < stop; index++) {
                /* All ones where there is a value. No jump, for it would be guessed wrong. */
                uint32_t value = (uint32_t)(zeros & 1) - 1, more = habits[index].octets & value;
                cells[index][count] = (uint16_t)cell;
                wrong |= (piece[cell] ^ habits[index].tag) & value;
                zeros = zeros >> 1 >> more;
                cell += 1 + more;
            }
        }
        if (wrong)
            break;
        even += cell - at == length;
        length = cell - at;
        at = cell;
    }
    for (size_t index = 0; index < columns; index++) {
        const uint16_t *clocks = cells[index];
        if (rows->columns[index].kind != MSDK_AXDR_CLOCK)
            continue;
        for (size_t n = 0; n < count; n++) {
            if (piece[clocks[n]] != NULL_DATA && piece[clocks[n] + 1] != CLOCK_SIZE) {
                count = n;
                at = cells[0][n] - (size_t)2;
            }
        }
    }
    for (size_t index = 0; index < columns && count > 0; index++)
        load_cells(&rows->columns[index], &habits[index], piece, cells[index], rows->count + 1, count, works);
    rows->count += count;
    rows->position += at;
    return !count ? NO_ROWS : even > count / 8 * 7 ? EVEN_ROWS : UNEVEN_ROWS;
}

/* Rows at rows->position of the shape of the one that began at data[first). Returns how many were read. */
static size_t read_like(const uint8_t *data, size_t first, size_t end, msdk_axdr_rows *rows, clockwork *works,
                        const shape *like)
{
    size_t before = rows->count;
    for (;;) {
        size_t fit = (end - rows->position) / like->size, room = rows->capacity - rows->count;
        size_t most = fit < room ? fit : room, count = 0;
        most = most < BATCH ? most : BATCH;
        const uint8_t *p = data + rows->position;
        while (count < most && has_shape(p + count * like->size, like))
            count++;
        if (count)
            load_rows(data, rows->position - first, like->size, count, rows, works, rows->count + 1);
        rows->count += count;
        rows->position += count * like->size;
        if (!count || count < most)
            return rows->count - before;
    }
}

int msdk_axdr_rows_read(const uint8_t *data, size_t start, size_t end, msdk_axdr_rows *rows)
{
    clockwork works = {
        .period_ms = rows->period_ms,
        .deviation_sign = rows->deviation_sign,
        .local_deviation = rows->local_deviation,
        .null_repeats = rows->null_repeats,
        .date = 0,
        .day = NO_DAY,
    };
    shape like;
    unsigned fruitless = 0, barren = 0;
    rows->position = start;
    rows->error_offset = rows->error_column = -1;
    for (;;) {
        if (rows->position == end)
            return MSDK_AXDR_END;
        if (rows->count == rows->capacity)
            return MSDK_AXDR_FULL;
        size_t begin = rows->position, at = begin;
        int status = read_row(data, &at, end, rows, &works);
        if (status)
            return status;
        rows->position = at;
        rows->count++;
        /* Looking for rows that are like each other only costs where none are; now and then it is tried again. */
        int again = rows->count % 64 == 0;
        if (fruitless <= 8 || again) {
            if (take_shape(data, begin, at, rows, &like) && read_like(data, begin, end, rows, &works, &like)) {
                fruitless = 0;
                continue;
            }
            fruitless++;
        }
        /* One row in between, with the time of a day's begin, is no reason to stop looking for rows of one shape. */
        if (fruitless > 2 && (barren <= 8 || again)) {
            int found;
            barren++;
            while ((found = read_loose(data, end, rows, &works)) == UNEVEN_ROWS)
                barren = 0;
            if (found == EVEN_ROWS)
                barren = fruitless = 0;
        }
    }
}
