/* XOR of all octets, eight words at a time: wide enough for the compiler to use the widest registers it may. */
#include "metersdk.h"

#include <string.h>

#if defined(__x86_64__) && defined(__GNUC__)
#define WITH_AVX2 1
#define INLINE static inline __attribute__((always_inline))
#else
#define WITH_AVX2 0
#define INLINE static inline
#endif

#define LANES 16

INLINE uint8_t xor_all(const uint8_t *data, size_t size)
{
    uint64_t lane[LANES] = {0};
    while (size >= sizeof lane) {
        uint64_t word[LANES];
        memcpy(word, data, sizeof word);
        for (size_t i = 0; i < LANES; i++)
            lane[i] ^= word[i];
        data += sizeof lane;
        size -= sizeof lane;
    }
    for (size_t i = 1; i < LANES; i++)
        lane[0] ^= lane[i];
    while (size >= 8) {
        uint64_t word;
        memcpy(&word, data, 8);
        lane[0] ^= word;
        data += 8;
        size -= 8;
    }
    uint64_t sum = lane[0];
    sum ^= sum >> 32;
    sum ^= sum >> 16;
    sum ^= sum >> 8;
    while (size > 0) {
        sum ^= *data++;
        size--;
    }
    return (uint8_t)sum;
}

#if WITH_AVX2
static __attribute__((target("avx2"))) uint8_t xor_all_avx2(const uint8_t *data, size_t size)
{
    return xor_all(data, size);
}
#endif

uint8_t msdk_bcc(const uint8_t *data, size_t size)
{
#if WITH_AVX2
    if (size >= 256 && __builtin_cpu_supports("avx2"))
        return xor_all_avx2(data, size);
#endif
    return xor_all(data, size);
}
