/* XOR of all octets: plain loops, which compilers turn into the widest registers they may use. */
#include "metersdk.h"

#if defined(__x86_64__) && defined(__GNUC__)
#define WITH_AVX2 1
#define INLINE static inline __attribute__((always_inline))
#else
#define WITH_AVX2 0
#define INLINE static inline
#endif

INLINE uint8_t xor_all(const uint8_t *data, size_t size)
{
    uint8_t sum = 0;
    for (size_t i = 0; i < size; i++)
        sum ^= data[i];
    return sum;
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
