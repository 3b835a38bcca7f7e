/* Blocks of the load profile of ANSI C12.19 (tables 64 to 67) into columns.
 *
 * A block: end time; for each channel its end reading and pulses; simple status; then the interval records, each its
 * extended status and one number for each channel. A column is filled in one loop over the records of a block. */
#include "metersdk.h"

#include <string.h>

#define DST_ACTIVE 0x80
#define NO_STATUS 0xFF
#define NO_TIME INT64_MIN

static const uint8_t SIZES[MSDK_LP_NUMBERS] = {8, 4, 12, 6, 4, 3, 2, 3, 4, 5, 6, 8, 4, 21, 1, 2, 4, 1, 2};
static const uint8_t WIDTHS[MSDK_LP_NUMBERS] = {8, 4, 8, 8, 4, 4, 2, 4, 4, 8, 8, 8, 4, 8, 1, 2, 4, 1, 2};
static const uint8_t STAMPS[5] = {0, 5, 5, 4, 4};

/* The parts of a block, in octets. */
typedef struct {
    size_t stamp, reading, end, simple, header, status, value, record;
} shape;

/* ---- numbers ---------------------------------------------------------------------------------------------------- */

static inline uint64_t unsigned_of(const uint8_t *p, unsigned size, int big)
{
    uint64_t value = 0;
    for (unsigned n = 0; n < size; n++)
        value = value << 8 | p[big ? n : size - 1 - n];
    return value;
}

static inline int64_t signed_of(uint64_t bits, unsigned size, unsigned int_format)
{
    uint64_t top = UINT64_C(1) << (8 * size - 1), magnitude = top - 1;
    if ((bits & top) == 0)
        return (int64_t)bits;
    if (int_format == 1)
        return -(int64_t)(~bits & magnitude);
    if (int_format == 2)
        return -(int64_t)(bits & magnitude);
    return -(int64_t)(magnitude - (bits & magnitude)) - 1;
}

static inline void put(uint8_t *values, unsigned width, size_t row, uint64_t value)
{
    switch (width) {
    case 1:
        values[row] = (uint8_t)value;
        break;
    case 2:
        ((uint16_t *)(void *)values)[row] = (uint16_t)value;
        break;
    case 4:
        ((uint32_t *)(void *)values)[row] = (uint32_t)value;
        break;
    default:
        ((uint64_t *)(void *)values)[row] = value;
    }
}

/* Digits of packed BCD; 0 and *valid = 0 where one is none. */
static inline uint64_t bcd_of(uint64_t bits, unsigned size, uint8_t *valid)
{
    uint64_t value = 0;
    for (unsigned n = 2 * size; n-- > 0;) {
        unsigned digit = (unsigned)(bits >> 4 * n) & 15;
        if (digit > 9) {
            *valid = 0;
            return 0;
        }
        value = value * 10 + digit;
    }
    return value;
}

#define EACH(type, expression) \
    do { \
        type *out = (type *)(void *)values + row; \
        for (size_t n = 0; n < count; n++) { \
            const uint8_t *p = first + step * (ptrdiff_t)n; \
            out[n] = (type)(expression); \
        } \
    } while (0)

#define WIDE(type, size) \
    do { \
        if (big) \
            EACH(type, unsigned_of(p, size, 1)); \
        else \
            EACH(type, unsigned_of(p, size, 0)); \
    } while (0)

/* `count` numbers, `step` octets apart, to values[row..]; valid[row..] is 1 and set to 0 where there is no number. */
static void fill(const uint8_t *data, const uint8_t *first, ptrdiff_t step, size_t count, unsigned format, int big,
                 unsigned int_format, uint8_t *values, uint8_t *valid, size_t row)
{
    unsigned size = SIZES[format], width = WIDTHS[format];
    memset(valid + row, 1, count);
    switch (format) {
    case MSDK_LP_U8:
        EACH(uint8_t, *p);
        return;
    case MSDK_LP_U16:
        WIDE(uint16_t, 2);
        return;
    case MSDK_LP_F32:
    case MSDK_LP_U32:
        WIDE(uint32_t, 4);
        return;
    case MSDK_LP_F64:
        WIDE(uint64_t, 8);
        return;
    case MSDK_LP_CHAR12:
    case MSDK_LP_CHAR6:
    case MSDK_LP_CHAR21:
        EACH(uint64_t, p - data);
        return;
    case MSDK_LP_BCD6:
    case MSDK_LP_BCD4:
    case MSDK_LP_BCD8:
        for (size_t n = 0; n < count; n++) {
            uint64_t bits = unsigned_of(first + step * (ptrdiff_t)n, size, big);
            put(values, width, row + n, bcd_of(bits, size, valid + row + n));
        }
        return;
    default:
        break;
    }
    if (int_format == 0 && size == width) {
        if (size == 1)
            EACH(uint8_t, *p);
        else if (size == 2)
            WIDE(uint16_t, 2);
        else if (size == 4)
            WIDE(uint32_t, 4);
        else
            WIDE(uint64_t, 8);
        return;
    }
    for (size_t n = 0; n < count; n++) {
        uint64_t bits = unsigned_of(first + step * (ptrdiff_t)n, size, big);
        put(values, width, row + n, (uint64_t)signed_of(bits, size, int_format));
    }
}

/* ---- time ------------------------------------------------------------------------------------------------------- */

/* Days since 1970-01-01; NO_TIME if there is no such date. */
static int64_t day_number(unsigned year, unsigned month, unsigned day)
{
    static const uint8_t LENGTHS[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (month < 1 || month > 12 || day < 1)
        return NO_TIME;
    /* 1990 to 2089 has no century that is no leap year. */
    if (day > LENGTHS[month - 1] + (unsigned)(month == 2 && year % 4 == 0))
        return NO_TIME;
    unsigned y = month <= 2 ? year - 1 : year, m = month <= 2 ? month + 9 : month - 3;
    int64_t days = (int64_t)y * 365 + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1;
    return days - 719468;
}

/* STIME_DATE in ms since 1970, in whatever time the meter keeps; NO_TIME if there is none. */
static int64_t stamp_of(const uint8_t *p, unsigned time_format, int big)
{
    if (time_format == 0)
        return NO_TIME;
    if (time_format >= 3) {
        uint32_t count = (uint32_t)unsigned_of(p, 4, big);
        if (count == 0 || count == UINT32_MAX)
            return NO_TIME;
        return (int64_t)count * (time_format == 3 ? 60000 : 1000);
    }
    unsigned field[5];
    for (unsigned n = 0; n < 5; n++) {
        if (time_format == 1 && ((p[n] & 15) > 9 || p[n] >> 4 > 9))
            return NO_TIME;
        field[n] = time_format == 1 ? (p[n] >> 4) * 10u + (p[n] & 15u) : p[n];
    }
    if (field[0] > 99 || field[3] > 23 || field[4] > 59)
        return NO_TIME;
    int64_t day = day_number(field[0] < 90 ? 2000 + field[0] : 1900 + field[0], field[1], field[2]);
    return day == NO_TIME ? NO_TIME : (day * 1440 + field[3] * 60 + field[4]) * 60000;
}

/* Times of the rows row..row + count), whose flags are known. */
static void fill_times(const msdk_lp_layout *layout, int64_t stamp, size_t count, msdk_lp_columns *to, size_t row)
{
    int local = layout->deviation == MSDK_LP_NO_DEVIATION;
    int season_counts = layout->extended_status && (!local || layout->stamp_season);
    uint8_t status = layout->extended_status ? 0 : NO_STATUS;
    int16_t summer = local ? layout->deviation : (int16_t)(layout->deviation - layout->season_ms / 60000);
    memset(to->time_valid + row, stamp != NO_TIME, count);
    int64_t time = 0;
    if (stamp != NO_TIME && count > 0) {
        time = stamp + layout->shift_ms - layout->period_ms * (int64_t)(count - 1);
        if (layout->stamp_season && (to->flags[row + count - 1] & MSDK_LP_DST) != 0)
            time -= layout->season_ms;
    }
    for (size_t n = row; n < row + count; n++) {
        int dst = season_counts && (to->flags[n] & MSDK_LP_DST) != 0;
        to->time[n] = stamp == NO_TIME ? 0 : dst && local ? time + layout->season_ms : time;
        to->deviation[n] = dst ? summer : layout->deviation;
        to->clock_status[n] = dst ? DST_ACTIVE : status;
        time += layout->period_ms;
    }
}

/* ---- blocks ----------------------------------------------------------------------------------------------------- */

static int sane(int64_t ms)
{
    return ms >= -MSDK_LP_LONGEST && ms <= MSDK_LP_LONGEST;
}

static int measure(const msdk_lp_layout *layout, shape *to)
{
    if (!sane(layout->period_ms) || !sane(layout->shift_ms) || !sane(layout->season_ms) ||
        layout->channels < 1 || layout->channels > 255 || layout->intervals > 65535 || layout->time_format > 4 ||
        layout->value >= MSDK_LP_NUMBERS ||
        (layout->reading >= MSDK_LP_NUMBERS && layout->reading != MSDK_LP_NONE))
        return 0;
    to->stamp = STAMPS[layout->time_format];
    to->reading = layout->reading == MSDK_LP_NONE ? 0 : SIZES[layout->reading];
    to->end = to->reading + (layout->pulses ? 4 : 0);
    to->simple = layout->simple_status ? (layout->intervals + 7) / 8 : 0;
    to->header = to->stamp + layout->channels * to->end + to->simple;
    to->status = layout->extended_status ? layout->channels / 2 + 1 : 0;
    to->value = SIZES[layout->value];
    to->record = to->status + layout->channels * to->value;
    return 1;
}

/* Flags of the rows from the status octets of their records and the simple status, oldest first. */
static void fill_flags(const msdk_lp_layout *layout, const shape *is, const uint8_t *block, const uint8_t *first,
                       ptrdiff_t step, size_t count, msdk_lp_columns *to, size_t row)
{
    uint8_t *flags = to->flags + row;
    if (is->status == 0)
        memset(flags, 0, count);
    else
        for (size_t n = 0; n < count; n++)
            flags[n] = first[step * (ptrdiff_t)n] >> 4;
    if (is->simple == 0)
        return;
    const uint8_t *simple = block + is->header - is->simple;
    for (size_t n = 0; n < count; n++) {
        size_t place = layout->descending ? count - 1 - n : n;
        if ((simple[place / 8] >> place % 8 & 1) == 0)
            flags[n] |= MSDK_LP_NOT_VALID;
    }
}

/* Status of a channel, and no value where it or the simple status says so. The status nibbles of a record stand in
 * order, high one first: common, channel 1, 2, 3 ... */
static void fill_codes(const shape *is, const uint8_t *first, ptrdiff_t step, size_t count, uint32_t channel,
                       unsigned width, msdk_lp_columns *to, size_t row)
{
    uint8_t *values = to->values + channel * to->value_stride;
    uint8_t *valid = to->valid + channel * to->room + row, *code = to->code + channel * to->room + row;
    const uint8_t *flags = to->flags + row;
    memset(code, 0, count);
    if (is->status > 0) {
        unsigned shift = (channel & 1) != 0 ? 4 : 0;
        const uint8_t *at = first + (channel + 1) / 2;
        for (size_t n = 0; n < count; n++)
            code[n] = at[step * (ptrdiff_t)n] >> shift & 15;
    }
    if (is->status == 0 && is->simple == 0)
        return;
    for (size_t n = 0; n < count; n++) {
        if (code[n] == MSDK_LP_SKIPPED || (flags[n] & MSDK_LP_NOT_VALID) != 0) {
            valid[n] = 0;
            put(values, width, row + n, 0);
        }
    }
}

static void read_end(const uint8_t *data, const uint8_t *block, const msdk_lp_layout *layout, const shape *is,
                     msdk_lp_columns *to)
{
    const uint8_t *p = block + is->stamp;
    for (uint32_t channel = 0; channel < layout->channels && is->end > 0; channel++, p += is->end) {
        if (is->reading > 0)
            fill(data, p, 0, 1, layout->reading, layout->big_endian, layout->int_format,
                 to->readings + channel * to->reading_stride, to->reading_valid + channel * to->block_room,
                 to->blocks);
        if (layout->pulses)
            to->pulses[channel * to->block_room + to->blocks] =
                (uint32_t)unsigned_of(p + is->reading, 4, layout->big_endian);
    }
}

static void read_block(const uint8_t *data, const uint8_t *block, const msdk_lp_layout *layout, const shape *is,
                       size_t count, msdk_lp_columns *to)
{
    int64_t stamp = stamp_of(block, layout->time_format, layout->big_endian);
    to->stamp[to->blocks] = stamp == NO_TIME ? 0 : stamp;
    to->stamp_valid[to->blocks] = stamp != NO_TIME;
    read_end(data, block, layout, is, to);
    if (count > 0) {
        size_t row = to->rows;
        const uint8_t *oldest = block + is->header + (layout->descending ? (count - 1) * is->record : 0);
        ptrdiff_t step = layout->descending ? -(ptrdiff_t)is->record : (ptrdiff_t)is->record;
        fill_flags(layout, is, block, oldest, step, count, to, row);
        fill_times(layout, stamp, count, to, row);
        for (uint32_t channel = 0; channel < layout->channels; channel++) {
            fill(data, oldest + is->status + channel * is->value, step, count, layout->value, layout->big_endian,
                 layout->int_format, to->values + channel * to->value_stride, to->valid + channel * to->room, row);
            fill_codes(is, oldest, step, count, channel, WIDTHS[layout->value], to, row);
        }
    }
    to->rows += count;
    to->blocks++;
}

size_t msdk_lp_read(const uint8_t *data, size_t size, const msdk_lp_layout *layout, const uint64_t *offset,
                    const uint32_t *valid, size_t count, msdk_lp_columns *columns)
{
    shape is;
    columns->rows = columns->blocks = 0;
    if (!measure(layout, &is))
        return 0;
    for (size_t n = 0; n < count && n < columns->block_room; n++) {
        if (valid[n] > layout->intervals || valid[n] > columns->room - columns->rows || offset[n] > size ||
            is.header + valid[n] * is.record > size - (size_t)offset[n])
            break;
        read_block(data, data + offset[n], layout, &is, valid[n], columns);
    }
    return columns->blocks;
}
