/* A-XDR inside the kernel: tags, sizes and lengths (IEC 62056-5-3, Data; Green Book 9.5). */
#ifndef METERSDK_AXDR_H
#define METERSDK_AXDR_H

#include "metersdk.h"

#include <string.h>

enum { VARIABLE = -1, CONTAINER = -2, UNUSED = -3 };
enum { NULL_DATA = 0, ARRAY = 1, STRUCTURE = 2, BOOLEAN = 3, BIT_STRING = 4, OCTET_STRING = 9, BCD = 13 };
enum { COMPACT_ARRAY = 19, DATE_TIME = 25, DELTA_FIRST = 28, DELTA_LAST = 33, DONT_CARE = 255 };

/* Octets of the contents by tag. */
static const int8_t SIZES[34] = {
    0,      CONTAINER, CONTAINER, 1,      VARIABLE, 4,      4,        UNUSED, UNUSED, VARIABLE, VARIABLE, UNUSED,
    VARIABLE, 1,       UNUSED,    1,      2,        1,      2,        CONTAINER, 8,   8,        1,        4,
    8,      12,        5,         4,      1,        2,      4,        1,      2,      4,
};

static inline int size_of(uint8_t tag)
{
    return tag < sizeof SIZES ? SIZES[tag] : tag == DONT_CARE ? 0 : UNUSED;
}

static inline uint64_t bit(uint8_t tag)
{
    return (uint64_t)1 << (tag == DONT_CARE ? 63 : tag);
}

static inline uint16_t be16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline uint64_t be64(const uint8_t *p)
{
    return (uint64_t)be32(p) << 32 | be32(p + 4);
}

static inline uint64_t le64(const uint8_t *p)
{
    return (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 | (uint64_t)p[3] << 24 | (uint64_t)p[4] << 32 |
           (uint64_t)p[5] << 40 | (uint64_t)p[6] << 48 | (uint64_t)p[7] << 56;
}

static inline uint64_t word(const uint8_t *p)
{
    uint64_t value;
    memcpy(&value, p, sizeof value);
    return value;
}

/* A length at data[*at): moves *at behind it. END, MORE, or BAD with *error. */
static inline int read_length(const uint8_t *data, size_t *at, size_t end, uint32_t *length, int64_t *error)
{
    if (*at >= end)
        return MSDK_AXDR_MORE;
    uint8_t first = data[*at];
    if (first < 0x80) {
        *length = first;
        *at += 1;
        return MSDK_AXDR_END;
    }
    unsigned size = first & 0x7F;
    if (size < 1 || size > 4) {
        *error = (int64_t)*at;
        return MSDK_AXDR_BAD;
    }
    if (size > end - *at - 1)
        return MSDK_AXDR_MORE;
    uint32_t value = 0;
    for (unsigned n = 1; n <= size; n++)
        value = value << 8 | data[*at + n];
    *length = value;
    *at += 1 + size;
    return MSDK_AXDR_END;
}

/* Move *at behind the whole value there; containers deeper than MSDK_AXDR_DEPTH are BAD. */
int msdk_axdr_skip(const uint8_t *data, size_t *at, size_t end, int64_t *error);

#endif
