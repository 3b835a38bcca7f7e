/* Cells of a profile into columns: what the readers of axdr_rows.c share. */
#ifndef METERSDK_AXDR_CELLS_H
#define METERSDK_AXDR_CELLS_H

#include "axdr.h"

enum { MISSING = 0, PRESENT = 1, FILLED = 2 };
enum { UNDEFINED_CLOCK = 1, LOCAL_CLOCK = 2, LOST_DELTA = 4 };

#define CLOCK_SIZE 12
#define UNDEFINED_DEVIATION (-0x8000)
#define UNDEFINED_STATUS 0xFF
#define NO_DAY INT64_MIN

typedef struct {
    int64_t period_ms;
    int deviation_sign, local_deviation, null_repeats;
    /* The date met last and its day number: rows of one day follow each other. */
    uint32_t date;
    int64_t day;
} clockwork;

/* Days since 1970-01-01 of a proleptic Gregorian date; NO_DAY if there is no such date. */
static inline int64_t day_number(unsigned year, unsigned month, unsigned day)
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
static inline void put_delta(msdk_axdr_column *column, size_t row, uint8_t tag, const uint8_t *p)
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

#endif
