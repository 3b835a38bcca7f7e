/* CRC-16/X.25 by three paths: tables (portable), carry-less multiply on 128 bits, and on 512 bits.
 *
 * The polynomial is x^16 + x^12 + x^5 + 1, reflected: bit 0 of the first octet is the highest power. `state` is the
 * register after the octets so far, 0xFFFF at first; it is XORed into the next two octets, and then those octets count
 * as if the register had been 0. The result is its complement.
 */
#include "clmul.h"

#include <string.h>

#if WITH_CLMUL
#include <cpuid.h>
#endif

#ifdef __GNUC__
#define NOINLINE static __attribute__((noinline))
#else
#define NOINLINE static
#endif

/* ---- tables ----------------------------------------------------------------------------------------------------- */

/* A CRC is linear, so 256 entries follow from the eight for 1, 2, 4 .. 128. step[k][v] is the register that octet v
 * leaves behind when k more octets of zero follow it. */
#define BIT(v, bit, value) ((v) >> (bit) & 1 ? (value) : 0)
#define ENTRY(v, a, b, c, d, e, f, g, h) \
    (BIT(v, 0, a) ^ BIT(v, 1, b) ^ BIT(v, 2, c) ^ BIT(v, 3, d) ^ BIT(v, 4, e) ^ BIT(v, 5, f) ^ BIT(v, 6, g) ^ \
     BIT(v, 7, h))
#define FOUR(v, ...) \
    ENTRY(v, __VA_ARGS__), ENTRY(v + 1, __VA_ARGS__), ENTRY(v + 2, __VA_ARGS__), ENTRY(v + 3, __VA_ARGS__)
#define QUADS(v, ...) \
    FOUR(v, __VA_ARGS__), FOUR(v + 4, __VA_ARGS__), FOUR(v + 8, __VA_ARGS__), FOUR(v + 12, __VA_ARGS__)
#define QUARTER(v, ...) \
    QUADS(v, __VA_ARGS__), QUADS(v + 16, __VA_ARGS__), QUADS(v + 32, __VA_ARGS__), QUADS(v + 48, __VA_ARGS__)
#define TABLE(...) \
    {QUARTER(0, __VA_ARGS__), QUARTER(64, __VA_ARGS__), QUARTER(128, __VA_ARGS__), QUARTER(192, __VA_ARGS__)}

static const uint16_t step[16][256] = {
    TABLE(0x1189, 0x2312, 0x4624, 0x8C48, 0x1081, 0x2102, 0x4204, 0x8408),
    TABLE(0x19D8, 0x33B0, 0x6760, 0xCEC0, 0x9591, 0x2333, 0x4666, 0x8CCC),
    TABLE(0x5ADC, 0xB5B8, 0x6361, 0xC6C2, 0x8595, 0x033B, 0x0676, 0x0CEC),
    TABLE(0x1CBB, 0x3976, 0x72EC, 0xE5D8, 0xC3A1, 0x8F53, 0x16B7, 0x2D6E),
    TABLE(0x0B44, 0x1688, 0x2D10, 0x5A20, 0xB440, 0x6091, 0xC122, 0x8A55),
    TABLE(0x042B, 0x0856, 0x10AC, 0x2158, 0x42B0, 0x8560, 0x02D1, 0x05A2),
    TABLE(0x9FD5, 0x37BB, 0x6F76, 0xDEEC, 0xB5C9, 0x6383, 0xC706, 0x861D),
    TABLE(0x81BF, 0x0B6F, 0x16DE, 0x2DBC, 0x5B78, 0xB6F0, 0x65F1, 0xCBE2),
    TABLE(0x4DFD, 0x9BFA, 0x3FE5, 0x7FCA, 0xFF94, 0xF739, 0xE663, 0xC4D7),
    TABLE(0x2C27, 0x584E, 0xB09C, 0x6929, 0xD252, 0xACB5, 0x517B, 0xA2F6),
    TABLE(0x5591, 0xAB22, 0x5E55, 0xBCAA, 0x7145, 0xE28A, 0xCD05, 0x921B),
    TABLE(0x8555, 0x02BB, 0x0576, 0x0AEC, 0x15D8, 0x2BB0, 0x5760, 0xAEC0),
    TABLE(0x05AD, 0x0B5A, 0x16B4, 0x2D68, 0x5AD0, 0xB5A0, 0x6351, 0xC6A2),
    TABLE(0x7EEA, 0xFDD4, 0xF3B9, 0xEF63, 0xD6D7, 0xA5BF, 0x436F, 0x86DE),
    TABLE(0x482A, 0x9054, 0x28B9, 0x5172, 0xA2E4, 0x4DD9, 0x9BB2, 0x3F75),
    TABLE(0x8E10, 0x1431, 0x2862, 0x50C4, 0xA188, 0x4B01, 0x9602, 0x2415),
};

static unsigned go_on_table(unsigned state, const uint8_t *data, size_t size)
{
    while (size >= 16) {
        unsigned next = (unsigned)step[15][data[0] ^ (state & 0xFF)] ^ step[14][data[1] ^ (state >> 8)];
        for (size_t i = 2; i < 16; i++)
            next ^= step[15 - i][data[i]];
        state = next;
        data += 16;
        size -= 16;
    }
    while (size > 0) {
        state = state >> 8 ^ step[0][(state ^ *data++) & 0xFF];
        size--;
    }
    return state;
}

/* ---- choice ----------------------------------------------------------------------------------------------------- */

#if WITH_CLMUL

static int ask_processor(void)
{
    unsigned a = 0;
    unsigned b = 0;
    unsigned c = 0;
    unsigned d = 0;
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("pclmul") || !__builtin_cpu_supports("sse4.1") || !__builtin_cpu_supports("ssse3"))
        return MSDK_CRC16_TABLE;
    /* cpu_supports("avx512..") also asks whether the system saves the registers; VPCLMULQDQ is leaf 7, ECX bit 10. */
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vbmi") && __get_cpuid_count(7, 0, &a, &b, &c, &d) && (c >> 10 & 1) != 0)
        return MSDK_CRC16_CLMUL512;
    return MSDK_CRC16_CLMUL;
}

/* Threads that come here at once all write the same answer. CPUID is slow on virtual machines: asked once. */
int msdk_crc16_best_path(void)
{
    static int known = -1;
    int path = __atomic_load_n(&known, __ATOMIC_RELAXED);
    if (path < 0) {
        path = ask_processor();
        __atomic_store_n(&known, path, __ATOMIC_RELAXED);
    }
    return path;
}

#else

int msdk_crc16_best_path(void)
{
    return MSDK_CRC16_TABLE;
}

#endif

#if WITH_CLMUL
static CLMUL512 unsigned go_on_wide(unsigned state, const uint8_t *data, size_t size)
{
    return go_on_clmul512(state, data, size, 0);
}
#endif

static unsigned go_on(int path, unsigned state, const uint8_t *data, size_t size)
{
    switch (path) {
#if WITH_CLMUL
    case MSDK_CRC16_CLMUL512:
        return go_on_wide(state, data, size);
    case MSDK_CRC16_CLMUL:
        return go_on_clmul(state, data, size);
#endif
    default:
        return go_on_table(state, data, size);
    }
}

/* ---- long buffers ----------------------------------------------------------------------------------------------- */

/* The polynomial is x + 1 times a primitive one of degree 15, so x^32767 = 1: moving an octet by 32767 octets changes
 * nothing. The stretches of a long buffer are first XORed into one, at the speed of memory. */
#define PERIOD 32767
#define LONG ((size_t)4 * PERIOD)

INLINE void fold(uint8_t *restrict sum, const uint8_t *restrict data, size_t stretches)
{
    memcpy(sum, data, PERIOD);
    data += PERIOD;
    stretches--;
    for (; stretches >= 4; stretches -= 4, data += LONG)
        for (size_t i = 0; i < PERIOD; i++)
            sum[i] ^= data[i] ^ data[i + PERIOD] ^ data[i + 2 * PERIOD] ^ data[i + 3 * PERIOD];
    for (; stretches > 0; stretches--, data += PERIOD)
        for (size_t i = 0; i < PERIOD; i++)
            sum[i] ^= data[i];
}

static void fold_plain(uint8_t *sum, const uint8_t *data, size_t stretches)
{
    fold(sum, data, stretches);
}

#if WITH_CLMUL
static CLMUL512 void fold_wide(uint8_t *sum, const uint8_t *data, size_t stretches)
{
    fold(sum, data, stretches);
}
#endif

/* Kept out of its caller, whose frames are short and need no 32 KiB of stack. */
NOINLINE unsigned go_on_long(int path, unsigned state, const uint8_t *data, size_t size)
{
    uint8_t sum[PERIOD];
    size_t stretches = size / PERIOD;
#if WITH_CLMUL
    if (path == MSDK_CRC16_CLMUL512)
        fold_wide(sum, data, stretches);
    else
#endif
        fold_plain(sum, data, stretches);
    state = go_on(path, state, sum, PERIOD);
    return go_on(path, state, data + stretches * PERIOD, size % PERIOD);
}

static uint16_t crc16_by(int path, const uint8_t *data, size_t size)
{
    unsigned state = size < LONG ? go_on(path, 0xFFFF, data, size) : go_on_long(path, 0xFFFF, data, size);
    return (uint16_t)(state ^ 0xFFFF);
}

uint16_t msdk_crc16(const uint8_t *data, size_t size)
{
    return crc16_by(msdk_crc16_best_path(), data, size);
}

int msdk_crc16_path(int path, const uint8_t *data, size_t size, uint16_t *crc)
{
    if (path < 0 || path > msdk_crc16_best_path())
        return -1;
    *crc = crc16_by(path, data, size);
    return 0;
}
