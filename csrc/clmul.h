/* CRC-16/X.25 by carry-less multiply, for the checksum itself and for the scans that have it in line.
 *
 * As in crc16.c the polynomial is x^16 + x^12 + x^5 + 1, reflected, and `state` is the register. WITH_CLMUL is 0 where
 * the compiler or the family of processors has no such instruction; msdk_crc16_best_path tells of the one at hand.
 */
#ifndef METERSDK_CLMUL_H
#define METERSDK_CLMUL_H

#include "metersdk.h"

#include <string.h>

#if defined(__x86_64__) && defined(__GNUC__)
#define WITH_CLMUL 1
#include <immintrin.h>
#else
#define WITH_CLMUL 0
#endif

#ifdef __GNUC__
#define INLINE static inline __attribute__((always_inline))
#else
#define INLINE static inline
#endif

#if WITH_CLMUL

#define CLMUL __attribute__((target("pclmul,ssse3,sse4.1")))
#define CLMUL512 __attribute__((target("pclmul,ssse3,sse4.1,avx512f,avx512bw,avx512vbmi,vpclmulqdq")))

#define POLYNOMIAL 0x10811                         /* all 17 bits, reflected */
#define INVERSE ((int64_t)UINT64_C(0x859B040B1C581911)) /* 1 / POLYNOMIAL modulo x^64, from the low end */

/* Multiplying by these moves 128 bits of message `distance` bits further from the end: x^(distance + 63) for the first
 * eight octets and x^(distance - 1) for the second, modulo the polynomial. The odd 1 makes up for the shift by one
 * that the product of two reflected numbers comes with. */
static const uint64_t move128[2] = {UINT64_C(0xA95D000000000000), UINT64_C(0x7EEA000000000000)};
static const uint64_t move512[2] = {UINT64_C(0x9822000000000000), UINT64_C(0x7F90000000000000)};
static const uint64_t move1024[2] = {UINT64_C(0x471C000000000000), UINT64_C(0x46D8000000000000)};
static const uint64_t move1536[2] = {UINT64_C(0x6AE6000000000000), UINT64_C(0x4DC8000000000000)};
static const uint64_t move2048[2] = {UINT64_C(0xFD1E000000000000), UINT64_C(0x157E000000000000)};
/* Four blocks to the place of the last: by 384, 256, 128 and 0 bits. */
static const uint64_t to_last[8] = {
    UINT64_C(0x5159000000000000), UINT64_C(0x8F66000000000000), UINT64_C(0xAAC8000000000000),
    UINT64_C(0x20F3000000000000), UINT64_C(0xA95D000000000000), UINT64_C(0x7EEA000000000000),
    UINT64_C(0x042B000000000000), UINT64_C(0x0811000000000000),
};

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

/* Four lines of the cache, `ahead` octets behind data, where the capture may have ended long since: no one minds. */
INLINE CLMUL512 void fetch(const uint8_t *data, size_t ahead)
{
    if (ahead != 0)
        for (size_t line = 0; line < 256; line += 64)
            _mm_prefetch((const char *)((uintptr_t)data + ahead + line), _MM_HINT_T0);
}

static const uint8_t counting[64] = {
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
    16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31,
    32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47,
    48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63,
};

/* The 64 octets from `place` on of a message that begins with `zeros` octets of 0, up to 254, before what stands at
 * data; the register comes in with the first two. What lies before data is not read. */
static inline CLMUL512 __m512i head(unsigned state, const uint8_t *data, size_t zeros, size_t place)
{
    __m512i count = _mm512_add_epi8(_mm512_loadu_si512(counting), _mm512_set1_epi8((char)place));
    __m512i none = _mm512_set1_epi8((char)zeros);
    __mmask64 is_data = _mm512_cmpge_epu8_mask(count, none);
    /* Octets 0 and 1 of the register go where data begins; all others are like octet 63 of it, which is 0. */
    __m512i turn = _mm512_min_epu8(_mm512_sub_epi8(count, none), _mm512_set1_epi8(63));
    __m512i initial = _mm512_permutexvar_epi8(turn, _mm512_zextsi128_si512(_mm_cvtsi32_si128((int)state)));
    const void *from = (const void *)((uintptr_t)data + place - zeros);
    return _mm512_xor_si512(_mm512_maskz_loadu_epi8(is_data, from), initial);
}

/* At least 128 octets. Zeros before the message make it a multiple of 256: one loop, for every branch on the length of
 * a frame is guessed wrong. `ahead` octets behind what is read are fetched; 0 for none. */
INLINE CLMUL512 unsigned go_on_blocks(unsigned state, const uint8_t *data, size_t size, size_t ahead)
{
    if (size % 256 == 1) {
        /* The register would go into the last octet before the loop and the first in it. */
        state = go_on_short(state, data, 1);
        data++;
        size--;
    }
    size_t zeros = (256 - size % 256) % 256;
    __m512i a = head(state, data, zeros, 0);
    __m512i b = head(state, data, zeros, 64);
    __m512i c = head(state, data, zeros, 128);
    __m512i d = head(state, data, zeros, 192);
    size_t at = 256 - zeros;
    fetch(data, ahead);
    for (const __m512i by2048 = all4(move2048); at < size; at += 256) {
        fetch(data + at, ahead);
        a = move4(a, by2048, _mm512_loadu_si512(data + at));
        b = move4(b, by2048, _mm512_loadu_si512(data + at + 64));
        c = move4(c, by2048, _mm512_loadu_si512(data + at + 128));
        d = move4(d, by2048, _mm512_loadu_si512(data + at + 192));
    }
    d = move4(a, all4(move1536), move4(b, all4(move1024), move4(c, all4(move512), d)));
    d = move4(d, _mm512_loadu_si512(to_last), _mm512_setzero_si512());
    __m256i half = _mm256_xor_si256(_mm512_castsi512_si256(d), _mm512_extracti64x4_epi64(d, 1));
    return reduce128(_mm_xor_si128(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1)));
}

INLINE CLMUL512 unsigned go_on_clmul512(unsigned state, const uint8_t *data, size_t size, size_t ahead)
{
    return size < 128 ? go_on_clmul(state, data, size) : go_on_blocks(state, data, size, ahead);
}

#endif

/* The MSDK_CRC16_* that this processor is best at; it has those of lower numbers, too. */
int msdk_crc16_best_path(void);

/* msdk_scan_hdlc by a path that this processor has. */
size_t msdk_scan_hdlc_by(int path, const uint8_t *data, size_t size, size_t *at, uint64_t *offset, uint32_t *length,
                         uint8_t *reason, size_t room);

#endif
