/* 7E1 in software, eight octets at a time: the UART runs 8N1, and bit 7 of what it hands over is the parity bit. */
#include "metersdk.h"

#include <string.h>

#define EACH(octet) ((octet) * UINT64_C(0x0101010101010101))

/* Bit 0 of every octet = parity of that octet. */
static inline uint64_t parity(uint64_t word)
{
    word ^= word >> 4 & EACH(0x0F);
    word ^= word >> 2 & EACH(0x03);
    word ^= word >> 1 & EACH(0x01);
    return word & EACH(0x01);
}

static inline uint64_t add(uint64_t word)
{
    word &= EACH(0x7F);
    return word | parity(word) << 7;
}

void msdk_parity_add(const uint8_t *data, size_t size, uint8_t *out)
{
    size_t at = 0;
    for (; size - at >= 8; at += 8) {
        uint64_t word;
        memcpy(&word, data + at, 8);
        word = add(word);
        memcpy(out + at, &word, 8);
    }
    for (; at < size; at++)
        out[at] = (uint8_t)add(data[at]);
}

size_t msdk_parity_strip(const uint8_t *data, size_t size, uint8_t *out, uint64_t *bad, size_t bad_room)
{
    size_t found = 0;
    size_t at = 0;
    while (at < size) {
        size_t step = size - at < 8 ? 1 : 8;
        uint64_t word = 0;
        if (step == 8)
            memcpy(&word, data + at, 8);
        else
            word = data[at];
        uint64_t odd = parity(word);
        if (odd != 0 && found < bad_room) {
            /* Octet by octet, which also leaves byte order out of it. */
            for (size_t i = at; i < at + step; i++) {
                if (parity(data[i]) == 0)
                    continue;
                if (found < bad_room)
                    bad[found] = i;
                found++;
            }
        } else {
            found += (size_t)(odd * EACH(0x01) >> 56);
        }
        word &= EACH(0x7F);
        if (step == 8)
            memcpy(out + at, &word, 8);
        else
            out[at] = (uint8_t)word;
        at += step;
    }
    return found;
}
