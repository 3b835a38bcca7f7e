/* CRC-16/X.25 by three paths: tables (portable), carry-less multiply on 128 bits, and on 512 bits.
 *
 * The polynomial is x^16 + x^12 + x^5 + 1, reflected: bit 0 of the first octet is the highest power. `state` is the
 * register after the octets so far, 0xFFFF at first; it is XORed into the next two octets, and then those octets count
 * as if the register had been 0. The result is its complement.
 */
#include "metersdk.h"

#include <string.h>

#if defined(__x86_64__) && defined(__GNUC__)
#define WITH_CLMUL 1
#include <cpuid.h>
#include <immintrin.h>
#else
#define WITH_CLMUL 0
#endif

#ifdef __GNUC__
#define INLINE static inline __attribute__((always_inline))
#define NOINLINE static __attribute__((noinline))
#else
#define INLINE static inline
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

/* ---- carry-less multiply ---------------------------------------------------------------------------------------- */

#if WITH_CLMUL

#define CLMUL __attribute__((target("pclmul,ssse3,sse4.1")))
#define CLMUL512 __attribute__((target("pclmul,ssse3,sse4.1,avx512f,avx512bw,avx512vbmi,vpclmulqdq")))

#define POLYNOMIAL 0x10811                         /* all 17 bits, reflected */
#define INVERSE ((int64_t)UINT64_C(0x859B040B1C581911)) /* 1 / POLYNOMIAL modulo x^64, from the low end */

/* Multiplying by these moves 128 bits of message `distance` bits further from the end: x^(distance + 63) for the first
 * eight octets and x^(distance - 1) for the second, modulo the polynomial. The odd 1 makes up for the shift by one
 * that the product of two reflected numbers comes with. */
static const uint64_t move128[2] = {UINT64_C(0xA95D000000000000), UINT64_C(0x7EEA000000000000)};
static const uint64_t move256[2] = {UINT64_C(0xAAC8000000000000), UINT64_C(0x20F3000000000000)};
static const uint64_t move384[2] = {UINT64_C(0x5159000000000000), UINT64_C(0x8F66000000000000)};
static const uint64_t move512[2] = {UINT64_C(0x9822000000000000), UINT64_C(0x7F90000000000000)};
static const uint64_t move1024[2] = {UINT64_C(0x471C000000000000), UINT64_C(0x46D8000000000000)};
static const uint64_t move1536[2] = {UINT64_C(0x6AE6000000000000), UINT64_C(0x4DC8000000000000)};
static const uint64_t move2048[2] = {UINT64_C(0xFD1E000000000000), UINT64_C(0x157E000000000000)};

/* As a shuffle mask: from slide + r it moves the first r octets to the end and clears what is before them; from
 * slide + 16 + r it drops the first r octets and clears the end. */
#define CLEAR 0x80
static const uint8_t slide[48] = {
    CLEAR, CLEAR, CLEAR, CLEAR, CLEAR, CLEAR, CLEAR, CLEAR, CLEAR, CLEAR, CLEAR, CLEAR, CLEAR, CLEAR, CLEAR, CLEAR,
    0,     1,     2,     3,     4,     5,     6,     7,     8,     9,     10,    11,    12,    13,    14,    15,
    CLEAR, CLEAR, CLEAR, CLEAR, CLEAR, CLEAR, CLEAR, CLEAR, CLEAR, CLEAR, CLEAR, CLEAR, CLEAR, CLEAR, CLEAR, CLEAR,
};

static inline CLMUL __m128i load(const void *data)
{
    return _mm_loadu_si128((const __m128i *)data);
}

static inline CLMUL __m128i move(__m128i block, __m128i by)
{
    return _mm_xor_si128(_mm_clmulepi64_si128(block, by, 0x00), _mm_clmulepi64_si128(block, by, 0x11));
}

/* The register after 64 bits of message on a register of 0. q * POLYNOMIAL equals `message` in the low 64 bits, so
 * adding it clears them, and what it adds above them is the remainder: an exact division from the low end. */
static inline CLMUL uint64_t reduce64(uint64_t message)
{
    __m128i q = _mm_clmulepi64_si128(_mm_cvtsi64_si128((int64_t)message), _mm_cvtsi64_si128(INVERSE), 0x00);
    return (uint64_t)_mm_extract_epi64(_mm_clmulepi64_si128(q, _mm_cvtsi64_si128(POLYNOMIAL), 0x00), 1);
}

static inline CLMUL unsigned reduce128(__m128i message)
{
    uint64_t state = reduce64((uint64_t)_mm_cvtsi128_si64(message));
    return (unsigned)reduce64((uint64_t)_mm_extract_epi64(message, 1) ^ state);
}

static inline uint64_t load64(const uint8_t *data)
{
    uint64_t word;
    memcpy(&word, data, 8);
    return word;
}

static inline uint32_t load32(const uint8_t *data)
{
    uint32_t word;
    memcpy(&word, data, 4);
    return word;
}

/* Fewer than 16 octets: the header of a frame. Octets are put at the high end of a word, behind a prefix of zeros,
 * which changes nothing on a register of 0. */
static CLMUL unsigned go_on_short(unsigned state, const uint8_t *data, size_t size)
{
    uint64_t rest = 0;
    if (size >= 8) {
        state = (unsigned)reduce64(load64(data) ^ state);
        if (size > 8)
            rest = load64(data + size - 8) >> (128 - 8 * size); /* the last octets but the first eight */
        size -= 8;
    } else if (size >= 4) {
        rest = load32(data) | (uint64_t)load32(data + size - 4) << (8 * size - 32);
    } else if (size > 0) {
        rest = data[0] | (uint64_t)data[size >> 1] << (8 * (size >> 1)) | (uint64_t)data[size - 1] << (8 * size - 8);
    }
    if (size == 0)
        return state;
    /* With one octet left, half of the register lies beyond it and comes out as it is. */
    return (unsigned)reduce64((rest ^ state) << (64 - 8 * size)) ^ (size == 1 ? state >> 8 : 0);
}

/* All of data, at least 16 octets, as 128 bits with the same remainder. */
static inline CLMUL __m128i gather(unsigned state, const uint8_t *data, size_t size)
{
    const __m128i initial = _mm_cvtsi32_si128((int)state);
    const __m128i by128 = load(move128);
    size_t odd = size & 15;
    __m128i sum = _mm_xor_si128(load(data), initial);
    if (odd != 0) {
        sum = move(_mm_shuffle_epi8(sum, load(slide + odd)), by128);
        data += odd;
        size -= odd;
        sum = _mm_xor_si128(sum, _mm_shuffle_epi8(initial, load(slide + 16 + odd)));
        sum = _mm_xor_si128(sum, load(data));
    }
    data += 16;
    size -= 16;
    if (size >= 112) {
        const __m128i by512 = load(move512);
        __m128i a = sum;
        __m128i b = load(data);
        __m128i c = load(data + 16);
        __m128i d = load(data + 32);
        data += 48;
        size -= 48;
        for (; size >= 64; data += 64, size -= 64) {
            a = _mm_xor_si128(move(a, by512), load(data));
            b = _mm_xor_si128(move(b, by512), load(data + 16));
            c = _mm_xor_si128(move(c, by512), load(data + 32));
            d = _mm_xor_si128(move(d, by512), load(data + 48));
        }
        b = _mm_xor_si128(move(a, by128), b);
        c = _mm_xor_si128(move(b, by128), c);
        sum = _mm_xor_si128(move(c, by128), d);
    }
    for (; size > 0; data += 16, size -= 16)
        sum = _mm_xor_si128(move(sum, by128), load(data));
    return sum;
}

static CLMUL unsigned go_on_clmul(unsigned state, const uint8_t *data, size_t size)
{
    return size < 16 ? go_on_short(state, data, size) : reduce128(gather(state, data, size));
}

static inline CLMUL512 __m512i move4(__m512i blocks, __m512i by, __m512i next)
{
    /* 0x96: three-way XOR */
    return _mm512_ternarylogic_epi64(_mm512_clmulepi64_epi128(blocks, by, 0x00),
                                     _mm512_clmulepi64_epi128(blocks, by, 0x11), next, 0x96);
}

static inline CLMUL512 __m512i all4(const uint64_t by[2])
{
    return _mm512_broadcast_i32x4(load(by));
}

static const uint8_t counting[64] = {
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
    16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31,
    32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47,
    48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63,
};

/* At least 128 octets. */
static inline CLMUL512 unsigned go_on_blocks(unsigned state, const uint8_t *data, size_t size)
{
    const __m512i by512 = all4(move512);
    const __m512i initial = _mm512_zextsi128_si512(_mm_cvtsi32_si128((int)state));
    size_t odd = size & 63;
    __m512i sum;
    if (odd == 0) {
        sum = _mm512_xor_si512(_mm512_loadu_si512(data), initial);
    } else {
        /* What does not fill 64 octets goes first, at the end of a block of zeros. The rotation that brings it there
         * takes what an odd of 1 leaves over of the register to the head of the next block. */
        const __m512i turn = _mm512_add_epi8(_mm512_loadu_si512(counting), _mm512_set1_epi8((char)odd));
        const __mmask64 tail = ~UINT64_C(0) << (64 - odd);
        __m512i first = _mm512_xor_si512(_mm512_maskz_loadu_epi8(~UINT64_C(0) >> (64 - odd), data), initial);
        first = _mm512_permutexvar_epi8(turn, first);
        sum = _mm512_xor_si512(_mm512_loadu_si512(data + odd), _mm512_maskz_mov_epi8(~tail, first));
        sum = move4(_mm512_maskz_mov_epi8(tail, first), by512, sum);
    }
    odd = odd == 0 ? 64 : odd + 64;
    data += odd;
    size -= odd;
    if (size >= 448) {
        const __m512i by2048 = all4(move2048);
        __m512i a = sum;
        __m512i b = _mm512_loadu_si512(data);
        __m512i c = _mm512_loadu_si512(data + 64);
        __m512i d = _mm512_loadu_si512(data + 128);
        data += 192;
        size -= 192;
        for (; size >= 256; data += 256, size -= 256) {
            a = move4(a, by2048, _mm512_loadu_si512(data));
            b = move4(b, by2048, _mm512_loadu_si512(data + 64));
            c = move4(c, by2048, _mm512_loadu_si512(data + 128));
            d = move4(d, by2048, _mm512_loadu_si512(data + 192));
        }
        sum = move4(a, all4(move1536), move4(b, all4(move1024), move4(c, by512, d)));
    }
    for (; size > 0; data += 64, size -= 64)
        sum = move4(sum, by512, _mm512_loadu_si512(data));
    __m128i last = _mm512_extracti32x4_epi32(sum, 3);
    last = _mm_xor_si128(last, move(_mm512_castsi512_si128(sum), load(move384)));
    last = _mm_xor_si128(last, move(_mm512_extracti32x4_epi32(sum, 1), load(move256)));
    last = _mm_xor_si128(last, move(_mm512_extracti32x4_epi32(sum, 2), load(move128)));
    return reduce128(last);
}

static CLMUL512 unsigned go_on_clmul512(unsigned state, const uint8_t *data, size_t size)
{
    return size < 128 ? go_on_clmul(state, data, size) : go_on_blocks(state, data, size);
}

/* ---- choice ----------------------------------------------------------------------------------------------------- */

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
static int best_path(void)
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

static int best_path(void)
{
    return MSDK_CRC16_TABLE;
}

#endif

static unsigned go_on(int path, unsigned state, const uint8_t *data, size_t size)
{
    switch (path) {
#if WITH_CLMUL
    case MSDK_CRC16_CLMUL512:
        return go_on_clmul512(state, data, size);
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
    return crc16_by(best_path(), data, size);
}

int msdk_crc16_path(int path, const uint8_t *data, size_t size, uint16_t *crc)
{
    if (path < 0 || path > best_path())
        return -1;
    *crc = crc16_by(path, data, size);
    return 0;
}
