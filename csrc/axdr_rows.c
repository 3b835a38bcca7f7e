/* Rows of a profile into columns.
 *
 * Rows are read cell by cell. The row just read then serves as a template: as long as the structural octets of the
 * rows that follow (tags, lengths) are the same, whole runs of them are checked eight octets at a time and loaded
 * column by column. */
#include "axdr.h"

enum { MISSING = 0, PRESENT = 1, FILLED = 2 };
enum { UNDEFINED_CLOCK = 1, LOCAL_CLOCK = 2, LOST_DELTA = 4 };

#define CLOCK_SIZE 12
#define UNDEFINED_DEVIATION (-0x8000)
#define UNDEFINED_STATUS 0xFF
#define NO_DAY INT64_MIN
/* The longest row that is compared as a template, in words of eight octets. */
#define TEMPLATE_WORDS 64
/* Rows checked before they are loaded: few enough that the first cache still holds them. */
#define BATCH 256

/* ---- cells ------------------------------------------------------------------------------------------------------ */

typedef struct {
    int64_t period_ms;
    int deviation_sign, local_deviation, null_repeats;
    /* The date met last and its day number: rows of one day follow each other. */
    uint32_t date;
    int64_t day;
} clockwork;

/* Days since 1970-01-01 of a proleptic Gregorian date; NO_DAY if there is no such date. */
static int64_t day_number(unsigned year, unsigned month, unsigned day)
{
    static const uint8_t LENGTHS[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (year < 1 || year > 9999 || month < 1 || month > 12 || day < 1)
        return NO_DAY;
    int leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    if (day > LENGTHS[month - 1] + (unsigned)(month == 2 && leap))
        return NO_DAY;
    /* Years that begin in March have their leap day at the end. */
    unsigned y = month <= 2 ? year - 1 : year, m = month <= 2 ? month + 9 : month - 3;
    int64_t days = (int64_t)y * 365 + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1;
    return days - 719468;
}

static inline void put_clock(msdk_axdr_column *column, clockwork *works, const uint8_t *p, size_t row)
{
    int64_t *values = (int64_t *)(void *)column->values;
    uint32_t date = be32(p);
    if (date != works->date) {
        works->date = date;
        works->day = day_number(be16(p), p[2], p[3]);
    }
    unsigned hour = p[5], minute = p[6], second = p[7], hundredths = p[8];
    int deviation = (int16_t)be16(p + 9);
    second = second == 0xFF ? 0 : second;
    hundredths = hundredths == 0xFF ? 0 : hundredths;
    if (deviation == UNDEFINED_DEVIATION) {
        column->flags |= LOCAL_CLOCK;
        deviation = works->local_deviation;
    } else {
        deviation *= works->deviation_sign;
    }
    int minutes = deviation == UNDEFINED_DEVIATION ? 0 : deviation;
    column->deviation[row] = (int16_t)deviation;
    column->status[row] = p[11];
    /* Time zones lie between -12 and +14 hours, daylight saving may add one. */
    if (works->day == NO_DAY || hour > 23 || minute > 59 || second > 59 || hundredths > 99 || minutes > 900 ||
        minutes < -900) {
        column->flags |= UNDEFINED_CLOCK;
        values[row] = 0;
        column->valid[row] = MISSING;
        return;
    }
    int64_t seconds = ((works->day * 24 + hour) * 60 + minute + minutes) * 60 + second;
    values[row] = seconds * 1000 + hundredths * 10;
    column->valid[row] = PRESENT;
}

static inline void no_clock(msdk_axdr_column *column, size_t row)
{
    ((int64_t *)(void *)column->values)[row] = 0;
    column->valid[row] = MISSING;
    column->deviation[row] = UNDEFINED_DEVIATION;
    column->status[row] = UNDEFINED_STATUS;
}

static inline unsigned width_of(uint32_t kind)
{
    static const uint8_t WIDTHS[16] = {0, 0, 1, 1, 2, 2, 4, 4, 8, 8, 4, 8, 8, 8, 8, 8};
    return WIDTHS[kind & 15];
}

/* Values of `from`, or zero, as those of `row`. */
static inline void copy_value(msdk_axdr_column *column, size_t row, int known)
{
    unsigned width = width_of(column->kind);
    uint8_t *to = column->values + row * width;
    if (known)
        memcpy(to, to - width, width);
    else
        memset(to, 0, width);
}

/* null-data or dont-care. What null-data stands for: the time before plus the period, the value of the row before. */
static inline void put_nothing(msdk_axdr_column *column, const clockwork *works, size_t row, int repeat)
{
    size_t before = row - 1;
    int known = repeat && works->null_repeats && column->kind != MSDK_AXDR_EMPTY && column->valid[before] != MISSING;
    if (column->kind == MSDK_AXDR_EMPTY) {
        column->valid[row] = MISSING;
        return;
    }
    if (column->kind == MSDK_AXDR_CLOCK) {
        if (!known || !works->period_ms) {
            no_clock(column, row);
            return;
        }
        int64_t *values = (int64_t *)(void *)column->values;
        column->deviation[row] = column->deviation[before];
        column->status[row] = column->status[before];
        values[row] = (int64_t)((uint64_t)values[before] + (uint64_t)works->period_ms);
        column->valid[row] = FILLED;
        return;
    }
    copy_value(column, row, known);
    if (column->kind >= MSDK_AXDR_OCTETS)
        column->lengths[row] = known ? column->lengths[before] : 0;
    column->valid[row] = known ? FILLED : MISSING;
}

static inline void put_bits(msdk_axdr_column *column, size_t row, uint64_t value)
{
    switch (width_of(column->kind)) {
    case 1:
        column->values[row] = (uint8_t)value;
        break;
    case 2:
        ((uint16_t *)(void *)column->values)[row] = (uint16_t)value;
        break;
    case 4:
        ((uint32_t *)(void *)column->values)[row] = (uint32_t)value;
        break;
    default:
        ((uint64_t *)(void *)column->values)[row] = value;
    }
}

/* A number of type `tag`, sign-extended to 64 bits; the bits of a float. */
static inline uint64_t number(uint8_t tag, const uint8_t *p)
{
    switch (tag) {
    case BOOLEAN:
        return p[0] != 0;
    case 15: /* integer */
    case 28: /* delta-integer */
        return (uint64_t)(int64_t)(int8_t)p[0];
    case 16: /* long */
    case 29: /* delta-long */
        return (uint64_t)(int64_t)(int16_t)be16(p);
    case 5:  /* double-long */
    case 30: /* delta-double-long */
        return (uint64_t)(int64_t)(int32_t)be32(p);
    case 18: /* long-unsigned */
    case 32: /* delta-long-unsigned */
        return be16(p);
    case 6:  /* double-long-unsigned */
    case 23: /* float32 */
    case 33: /* delta-double-long-unsigned */
        return be32(p);
    case 20: /* long64 */
    case 21: /* long64-unsigned */
    case 24: /* float64 */
        return be64(p);
    default: /* unsigned, enum, delta-unsigned */
        return p[0];
    }
}

static inline double as_double(uint8_t tag, const uint8_t *p)
{
    if (tag == 23) {
        uint32_t raw = be32(p);
        float value;
        memcpy(&value, &raw, sizeof value);
        return (double)value;
    }
    if (tag == 24) {
        uint64_t raw = be64(p);
        double value;
        memcpy(&value, &raw, sizeof value);
        return value;
    }
    return (double)(int64_t)number(tag, p);
}

static inline void put_number(msdk_axdr_column *column, size_t row, uint8_t tag, const uint8_t *p)
{
    if (column->kind == MSDK_AXDR_F64) {
        double value = as_double(tag, p);
        memcpy(column->values + 8 * row, &value, 8);
    } else {
        put_bits(column, row, number(tag, p));
    }
    column->base = tag;
    column->valid[row] = PRESENT;
}

/* The value of an integral column before, as 64 bits. */
static inline uint64_t held(const msdk_axdr_column *column, size_t row)
{
    switch (column->kind) {
    case MSDK_AXDR_I8:
        return (uint64_t)(int64_t)((const int8_t *)column->values)[row];
    case MSDK_AXDR_U8:
        return column->values[row];
    case MSDK_AXDR_I16:
        return (uint64_t)(int64_t)((const int16_t *)(const void *)column->values)[row];
    case MSDK_AXDR_U16:
        return ((const uint16_t *)(const void *)column->values)[row];
    case MSDK_AXDR_I32:
        return (uint64_t)(int64_t)((const int32_t *)(const void *)column->values)[row];
    case MSDK_AXDR_U32:
        return ((const uint32_t *)(const void *)column->values)[row];
    default:
        return ((const uint64_t *)(const void *)column->values)[row];
    }
}

/* The sum keeps the type of the last absolute value (`base`); what leaves its range, or has no base, is lost. */
static void put_delta(msdk_axdr_column *column, size_t row, uint8_t tag, const uint8_t *p)
{
    int known = column->kind != MSDK_AXDR_EMPTY && column->valid[row - 1] != MISSING;
    uint64_t sum = 0;
    if (known) {
        uint64_t before = held(column, row - 1);
        int64_t change = (int64_t)number(tag, p);
        sum = before + (uint64_t)change;
        int64_t value = (int64_t)sum;
        /* Only sums of 64 bits can wrap: all other values and changes are far from the ends. */
        int overflow = change < 0 ? value > (int64_t)before : value < (int64_t)before;
        switch (column->base) {
        case 15:
            known = value >= INT8_MIN && value <= INT8_MAX;
            break;
        case 16:
            known = value >= INT16_MIN && value <= INT16_MAX;
            break;
        case 5:
            known = value >= INT32_MIN && value <= INT32_MAX;
            break;
        case 20:
            known = !overflow;
            break;
        case 17:
            known = value >= 0 && value <= UINT8_MAX;
            break;
        case 18:
            known = value >= 0 && value <= UINT16_MAX;
            break;
        case 6:
            known = value >= 0 && value <= UINT32_MAX;
            break;
        case 21:
            known = change < 0 ? before >= (uint64_t)-change : sum >= before;
            break;
        default:
            known = 0;
        }
    }
    if (!known)
        column->flags |= LOST_DELTA;
    if (column->kind != MSDK_AXDR_EMPTY)
        put_bits(column, row, known ? sum : 0);
    column->valid[row] = known ? PRESENT : MISSING;
}

static inline void put_place(msdk_axdr_column *column, size_t row, size_t offset, size_t length)
{
    ((uint64_t *)(void *)column->values)[row] = offset;
    column->lengths[row] = (uint32_t)length;
    column->valid[row] = PRESENT;
}

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

/* A whole number of the type its column had last, or null-data, at data[at), where nine octets stand at least. Without
 * a jump between the two: where nulls come and go, guessing wrong costs more than doing both. Returns the octets of the
 * cell, 0 if it is something else. */
static inline size_t read_number(msdk_axdr_column *column, const uint8_t *data, size_t at, size_t row, int null_repeats)
{
    static const uint8_t PLAIN[34] = {
        [5] = 4, [6] = 4, [15] = 1, [16] = 2, [17] = 1, [18] = 2, [20] = 8, [21] = 8, [22] = 1,
    };
    uint8_t tag = data[at];
    unsigned width = width_of(column->kind);
    if (((tag != NULL_DATA) & (tag != column->base)) || column->kind < MSDK_AXDR_I8 || column->kind > MSDK_AXDR_U64 ||
        column->base >= sizeof PLAIN || PLAIN[column->base] != width || !(column->accepts & bit(tag)))
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
    unsigned fruitless = 0;
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
        /* Where shapes change with every row, looking for runs only costs. */
        if (fruitless > 8 && rows->count % 64)
            continue;
        if (!take_shape(data, begin, at, rows, &like))
            continue;
        fruitless++;
        size_t first = begin;
        for (;;) {
            size_t fit = (end - rows->position) / like.size, room = rows->capacity - rows->count;
            size_t most = fit < room ? fit : room, count = 0;
            most = most < BATCH ? most : BATCH;
            const uint8_t *p = data + rows->position;
            while (count < most && has_shape(p + count * like.size, &like))
                count++;
            if (!count)
                break;
            load_rows(data, rows->position - first, like.size, count, rows, &works, rows->count + 1);
            rows->count += count;
            rows->position += count * like.size;
            fruitless = 0;
            if (count < most)
                break;
        }
    }
}
