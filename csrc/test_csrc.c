/* Self-test of the kernel, without Python: make -C csrc selftest | sanitize | valgrind
 *
 * Every input lies in a block of exactly its size, against a page that may not be touched where the system has such
 * pages, so that one octet read or written beyond the bounds ends the run here, under ASan and under valgrind alike. */
#define _DEFAULT_SOURCE
#include "clmul.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__unix__) || defined(__APPLE__)
#define WITH_GUARD 1
#include <sys/mman.h>
#include <unistd.h>
#else
#define WITH_GUARD 0
#endif

#define CHECK(condition) \
    do { \
        checks++; \
        if (!(condition)) { \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
            exit(1); \
        } \
    } while (0)

#define LONGEST 300000
#define LONGEST_GUARDED (MSDK_IEC_LIMIT + 100)

static size_t checks;
static uint8_t *guarded_end;   /* the octets before it may be used; the page from here on may not */
static uint8_t *guarded_start; /* the octets from here on may be used; the page before may not */
static uint8_t noise[LONGEST];

static uint32_t random_state = 1;

static uint32_t dice(uint32_t sides)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return random_state % sides;
}

static void set_up(void)
{
    for (size_t i = 0; i < LONGEST; i++)
        noise[i] = (uint8_t)dice(256);
#if WITH_GUARD
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t usable = (LONGEST_GUARDED / page + 1) * page;
    uint8_t *memory = mmap(NULL, usable + 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(memory != MAP_FAILED);
    CHECK(mprotect(memory, page, PROT_NONE) == 0);
    CHECK(mprotect(memory + page + usable, page, PROT_NONE) == 0);
    guarded_start = memory + page;
    guarded_end = guarded_start + usable;
#endif
}

/* A copy of data that ends where memory ends. */
static const uint8_t *at_guard(const uint8_t *data, size_t size)
{
    if (guarded_end == NULL)
        return data;
    if (size > 0)
        memcpy(guarded_end - size, data, size);
    return guarded_end - size;
}

/* A copy of data that begins where memory begins. */
static const uint8_t *behind_guard(const uint8_t *data, size_t size)
{
    if (guarded_start == NULL)
        return data;
    if (size > 0)
        memcpy(guarded_start, data, size);
    return guarded_start;
}

static uint8_t *exact_copy(const uint8_t *data, size_t size)
{
    uint8_t *copy = calloc(size > 0 ? size : 1, 1);
    CHECK(copy != NULL);
    if (size > 0)
        memcpy(copy, data, size);
    return copy;
}

/* ---- checksums -------------------------------------------------------------------------------------------------- */

/* The definition, bit by bit. */
static unsigned bitwise(unsigned state, const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        state ^= data[i];
        for (int bit = 0; bit < 8; bit++)
            state = (state & 1) != 0 ? state >> 1 ^ 0x8408 : state >> 1;
    }
    return state;
}

static void check_crc(const uint8_t *data, size_t size, unsigned expected)
{
    CHECK(msdk_crc16(data, size) == expected);
    for (int path = 0; path < MSDK_CRC16_PATHS; path++) {
        uint16_t crc;
        if (msdk_crc16_path(path, data, size, &crc) == 0)
            CHECK(crc == expected);
    }
}

static void test_crc(void)
{
    CHECK(msdk_crc16((const uint8_t *)"123456789", 9) == 0x906E);
    CHECK(msdk_crc16(NULL, 0) == 0);
    for (size_t offset = 0; offset < 6; offset++) {
        unsigned state = 0xFFFF;
        for (size_t size = 0; size <= 3000; size++) {
            const uint8_t *data = noise + offset;
            data = offset < 4 ? data : offset < 5 ? at_guard(data, size) : behind_guard(data, size);
            check_crc(data, size, state ^ 0xFFFF);
            state = bitwise(state, noise + offset + size, 1);
        }
    }
    /* Around the multiples of 32767, where long buffers are folded. */
    for (size_t stretches = 3; stretches <= 9; stretches++) {
        for (size_t size = stretches * 32767 - 2; size <= stretches * 32767 + 2; size++) {
            const uint8_t *data = at_guard(noise, size);
            check_crc(data, size, bitwise(0xFFFF, data, size) ^ 0xFFFF);
        }
    }
    uint16_t untouched = 0x1234;
    CHECK(msdk_crc16_path(-1, noise, 1, &untouched) == -1 && untouched == 0x1234);
    CHECK(msdk_crc16_path(MSDK_CRC16_PATHS, noise, 1, &untouched) == -1 && untouched == 0x1234);
}

static void test_bcc(void)
{
    uint8_t expected = 0;
    CHECK(msdk_bcc(NULL, 0) == 0);
    for (size_t size = 0; size <= 3000; size++) {
        CHECK(msdk_bcc(noise, size) == expected);
        expected ^= noise[size];
    }
    CHECK(msdk_bcc(at_guard(noise, 3001), 3001) == expected);
}

/* ---- parity ----------------------------------------------------------------------------------------------------- */

static int is_odd(uint8_t octet)
{
    int ones = 0;
    for (; octet != 0; octet &= (uint8_t)(octet - 1))
        ones++;
    return ones & 1;
}

static void test_parity(void)
{
    for (size_t size = 0; size <= 600; size++) {
        uint8_t *data = exact_copy(noise + size, size);
        uint8_t *out = exact_copy(noise, size);
        msdk_parity_add(data, size, out);
        for (size_t i = 0; i < size; i++)
            CHECK((out[i] & 0x7F) == (data[i] & 0x7F) && !is_odd(out[i]));
        CHECK(msdk_parity_strip(out, size, out, NULL, 0) == 0);
        for (size_t i = 0; i < size; i++)
            CHECK(out[i] == (data[i] & 0x7F));

        size_t odd = 0;
        for (size_t i = 0; i < size; i++)
            odd += (size_t)is_odd(data[i]);
        uint64_t *bad = malloc(sizeof *bad * (odd / 2 + 1));
        CHECK(bad != NULL);
        CHECK(msdk_parity_strip(data, size, out, bad, odd / 2) == odd);
        size_t row = 0;
        for (size_t i = 0; i < size && row < odd / 2; i++)
            if (is_odd(data[i]))
                CHECK(bad[row++] == i);
        CHECK(row == odd / 2);
        free(bad);
        free(out);
        free(data);
    }
}

/* ---- scans ------------------------------------------------------------------------------------------------------ */

typedef size_t scan_function(const uint8_t *, size_t, size_t *, uint64_t *, uint32_t *, uint8_t *, size_t);

#define ROWS 8192

struct table {
    size_t rows;
    uint64_t offset[ROWS];
    uint32_t length[ROWS];
    uint8_t reason[ROWS];
};

static void collect(scan_function *scan, const uint8_t *data, size_t size, size_t room, struct table *out)
{
    uint64_t *offset = malloc(room * sizeof *offset);
    uint32_t *length = malloc(room * sizeof *length);
    uint8_t *reason = malloc(room);
    CHECK(offset != NULL && length != NULL && reason != NULL);
    out->rows = 0;
    for (size_t at = 0; at < size;) {
        size_t rows = scan(data, size, &at, offset, length, reason, room);
        CHECK(at <= size && rows <= room && (rows == room || at == size) && out->rows + rows <= ROWS);
        for (size_t i = 0; i < rows; i++) {
            CHECK(offset[i] < size && length[i] > 0 && length[i] <= size - offset[i] && reason[i] <= MSDK_LIMIT);
            out->offset[out->rows] = offset[i];
            out->length[out->rows] = length[i];
            out->reason[out->rows++] = reason[i];
        }
    }
    free(offset);
    free(length);
    free(reason);
}

static void same(const struct table *one, const struct table *other)
{
    CHECK(one->rows == other->rows);
    CHECK(memcmp(one->offset, other->offset, one->rows * sizeof one->offset[0]) == 0);
    CHECK(memcmp(one->length, other->length, one->rows * sizeof one->length[0]) == 0);
    CHECK(memcmp(one->reason, other->reason, one->rows) == 0);
}

static struct table all, few, one;

static int scan_path;

static size_t scan_hdlc_by_path(const uint8_t *data, size_t size, size_t *at, uint64_t *offset, uint32_t *length,
                                uint8_t *reason, size_t room)
{
    return msdk_scan_hdlc_by(scan_path, data, size, at, offset, length, reason, room);
}

/* Any room gives the same rows, wherever the capture lies, and so does every path of the checksum. */
static void scan_every_way(scan_function *scan, const uint8_t *data, size_t size)
{
    uint8_t *copy = exact_copy(data, size);
    collect(scan, copy, size, ROWS, &all);
    collect(scan, at_guard(data, size), size, 7, &few);
    collect(scan, copy, size, 1, &one);
    same(&all, &few);
    same(&all, &one);
    collect(scan, behind_guard(data, size), size, ROWS, &few);
    same(&all, &few);
    for (scan_path = 0; scan == msdk_scan_hdlc && scan_path <= msdk_crc16_best_path(); scan_path++) {
        collect(scan_hdlc_by_path, copy, size, ROWS, &few);
        same(&all, &few);
    }
    free(copy);
}

static void expect(scan_function *scan, const void *data, size_t size, size_t row, uint64_t offset, uint32_t length,
                   uint8_t reason)
{
    scan_every_way(scan, data, size);
    CHECK(row < all.rows);
    CHECK(all.offset[row] == offset && all.length[row] == length && all.reason[row] == reason);
}

static size_t put_crc(uint8_t *data, size_t size)
{
    unsigned crc = bitwise(0xFFFF, data, size) ^ 0xFFFF;
    data[size] = crc & 0xFF;
    data[size + 1] = (uint8_t)(crc >> 8);
    return size + 2;
}

/* An I frame from flag to flag with `octets` of information. */
static size_t put_hdlc(uint8_t *out, size_t octets)
{
    size_t size = 2 + 1 + 1 + 1 + 2 + octets + 2;
    uint8_t *body = out + 1;
    const uint8_t header[] = {(uint8_t)(0xA0 | size >> 8), (uint8_t)size, 0x03, 0x21, 0x10};
    out[0] = 0x7E;
    memcpy(body, header, sizeof header);
    put_crc(body, sizeof header);
    memcpy(body + 7, noise + dice(1000), octets);
    put_crc(body, size - 2);
    out[size + 1] = 0x7E;
    return size + 2;
}

static size_t put_c1218(uint8_t *out, size_t octets)
{
    const uint8_t header[] = {0xEE, 0, 0x20, 0, (uint8_t)(octets >> 8), (uint8_t)octets};
    memcpy(out, header, sizeof header);
    memcpy(out + 6, noise + dice(1000), octets);
    return put_crc(out, 6 + octets);
}

static size_t put_iec(uint8_t *out, size_t octets)
{
    out[0] = 2;
    for (size_t i = 1; i <= octets; i++)
        out[i] = (uint8_t)(0x20 + dice(0x5F));
    out[octets + 1] = 3;
    out[octets + 2] = msdk_bcc(out + 1, octets + 1);
    return octets + 3;
}

static void test_known_frames(void)
{
    static const uint8_t snrm[] = {0x7E, 0xA0, 0x07, 0x03, 0x21, 0x93, 0x0F, 0x01, 0x7E};
    expect(msdk_scan_hdlc, snrm, sizeof snrm, 0, 0, 9, MSDK_GOOD);
    expect(msdk_scan_iec, "\1P0\2(1234)\3\x64", 12, 0, 0, 12, MSDK_GOOD);
    expect(msdk_scan_iec, "\1P0\2(1234)\3\x65", 12, 0, 0, 12, MSDK_CHECK);
    expect(msdk_scan_iec, "\1??\2(1234)\3\x06", 12, 0, 3, 9, MSDK_GOOD); /* SOH was noise */
    expect(msdk_scan_iec, "\1B0\3q", 5, 0, 0, 5, MSDK_GOOD);
    expect(msdk_scan_iec, "\x81\x42\x30\3\x71", 5, 0, 0, 5, MSDK_GOOD);
    expect(msdk_scan_iec, "\2ab\2ab\3\0", 8, 0, 0, 3, MSDK_END);
    expect(msdk_scan_iec, "\2ab\2ab\3\0", 8, 1, 3, 5, MSDK_GOOD);
    expect(msdk_scan_iec, "\2ab\3", 4, 0, 0, 4, MSDK_TRUNCATED);

    uint8_t frame[64];
    size_t size = put_hdlc(frame, 20);
    expect(msdk_scan_hdlc, frame, size, 0, 0, (uint32_t)size, MSDK_GOOD);
    expect(msdk_scan_hdlc, frame, size - 1, 0, 0, (uint32_t)size - 1, MSDK_TRUNCATED);
    frame[size - 1] = 0;
    expect(msdk_scan_hdlc, frame, size, 0, 0, (uint32_t)size, MSDK_END);
    frame[size - 1] = 0x7E;
    frame[12] ^= 1;
    expect(msdk_scan_hdlc, frame, size, 0, 0, (uint32_t)size, MSDK_CHECK);
    frame[6] ^= 1;
    expect(msdk_scan_hdlc, frame, size, 0, 0, (uint32_t)size, MSDK_HCS);
    size = put_c1218(frame, 20);
    expect(msdk_scan_c1218, frame, size, 0, 0, 28, MSDK_GOOD);
    expect(msdk_scan_c1218, frame, size - 1, 0, 0, 27, MSDK_TRUNCATED);
    frame[9] ^= 1;
    expect(msdk_scan_c1218, frame, size, 0, 0, 28, MSDK_CHECK);
}

static void test_iec_limit(void)
{
    size_t size = LONGEST_GUARDED;
    uint8_t *data = malloc(size);
    CHECK(data != NULL);
    memset(data, 'x', size);
    data[0] = 2;
    expect(msdk_scan_iec, data, MSDK_IEC_LIMIT, 0, 0, MSDK_IEC_LIMIT, MSDK_TRUNCATED);
    expect(msdk_scan_iec, data, size, 0, 0, MSDK_IEC_LIMIT, MSDK_LIMIT);
    free(data);
}

/* Frames, noise, cuts and flipped bits; what was left whole must be found. */
static void test_captures(scan_function *scan, size_t (*put)(uint8_t *, size_t))
{
    static uint8_t data[40000];
    static size_t whole[2000];
    for (int round = 0; round < 300; round++) {
        size_t size = 0;
        size_t expected = 0;
        uint32_t frames = dice(20);
        for (uint32_t i = 0; i < frames; i++) {
            size_t start = size;
            size += put(data + size, dice(dice(10) == 0 ? 1500 : 40));
            uint32_t fate = dice(6);
            if (fate == 0)
                data[start + dice((uint32_t)(size - start))] ^= (uint8_t)(1u << dice(8));
            else if (fate == 1)
                size -= dice((uint32_t)(size - start));
            else
                whole[expected++] = start;
            if (fate == 2 && scan != msdk_scan_iec) /* noise may look like a block: its BCC has seven bits */
                for (uint32_t more = dice(30); more > 0; more--)
                    data[size++] = (uint8_t)(dice(3) == 0 ? 0x7E : dice(256));
        }
        scan_every_way(scan, data, size);
        size_t row = 0;
        for (size_t i = 0; i < expected; i++) {
            while (row < all.rows && !(all.offset[row] == whole[i] && all.reason[row] == MSDK_GOOD))
                row++;
            CHECK(row < all.rows || scan == msdk_scan_iec);
        }
    }
    for (size_t size = 0; size < 400; size++) {
        scan_every_way(scan, noise + size, size);
        memset(data, scan == msdk_scan_hdlc ? 0x7E : scan == msdk_scan_iec ? 2 : 0xEE, size);
        scan_every_way(scan, data, size);
    }
    size_t beyond = 5;
    CHECK(scan(data, 3, &beyond, all.offset, all.length, all.reason, ROWS) == 0 && beyond == 3);
    beyond = 0;
    CHECK(scan(NULL, 0, &beyond, NULL, NULL, NULL, 0) == 0 && beyond == 0);
}

/* Rows of a clock, two numbers and a string, the second half of them with nulls: every value, and every cut. */
static void test_axdr(void)
{
    enum { COLUMNS = 4, COUNT = 40, SLOTS = COUNT + 1 };
    static uint8_t data[COUNT * 32];
    size_t size = 0, row_ends[SLOTS] = {0};
    for (unsigned n = 0; n < COUNT; n++) {
        const uint8_t full[] = {2, 4, 9, 12, 7, 0xEA, 1, 1, 0xFF, (uint8_t)(n / 4), (uint8_t)(n % 4 * 15), 0, 0, 0xFF,
                                0xC4, 0, 6, 0, 0, 1, (uint8_t)n, 17, (uint8_t)(n + 7), 9, 2, 'a', (uint8_t)n};
        const uint8_t nulls[] = {2, 4, 0, 6, 0, 0, 1, (uint8_t)n, 0, 0};
        memcpy(data + size, n < COUNT / 2 ? full : nulls, n < COUNT / 2 ? sizeof full : sizeof nulls);
        size += n < COUNT / 2 ? sizeof full : sizeof nulls;
        row_ends[n + 1] = size;
    }
    static int64_t times[SLOTS];
    static uint32_t numbers[SLOTS], lengths[SLOTS];
    static uint64_t places[SLOTS];
    static int16_t deviation[SLOTS];
    static uint8_t bytes[SLOTS], valid[COLUMNS][SLOTS], status[SLOTS];
    const uint64_t nothing = UINT64_C(1) << 63 | 1;
    for (size_t cut = 0; cut <= size; cut++) {
        msdk_axdr_column columns[COLUMNS] = {
            {.kind = MSDK_AXDR_CLOCK, .accepts = nothing | 1 << 9, .values = (uint8_t *)times, .valid = valid[0],
             .deviation = deviation, .status = status},
            {.kind = MSDK_AXDR_U32, .accepts = nothing | 1 << 6, .values = (uint8_t *)numbers, .valid = valid[1]},
            {.kind = MSDK_AXDR_U8, .accepts = nothing | 1 << 17, .values = bytes, .valid = valid[2]},
            {.kind = MSDK_AXDR_OCTETS, .accepts = nothing | 1 << 9, .values = (uint8_t *)places, .valid = valid[3],
             .lengths = lengths},
        };
        msdk_axdr_rows rows = {.columns = columns, .column_count = COLUMNS, .capacity = COUNT, .period_ms = 900000,
                               .deviation_sign = 1, .local_deviation = -0x8000, .null_repeats = 1};
        const uint8_t *octets = at_guard(data, cut);
        int got = msdk_axdr_rows_read(octets, 0, cut, &rows);
        size_t whole = 0;
        while (whole < COUNT && row_ends[whole + 1] <= cut)
            whole++;
        CHECK(rows.count == whole && rows.position == row_ends[whole]);
        CHECK(got == (row_ends[whole] == cut ? MSDK_AXDR_END : MSDK_AXDR_MORE) && rows.error_offset == -1);
        for (size_t n = 0; n < whole; n++) {
            size_t slot = n + 1, last = n < COUNT / 2 ? n : COUNT / 2 - 1;
            CHECK(times[slot] == INT64_C(1767225600000) + (int64_t)n * 900000 - 3600000);
            CHECK(numbers[slot] == 256 + n && valid[1][slot] == 1);
            CHECK(bytes[slot] == last + 7 && valid[2][slot] == (n < COUNT / 2 ? 1 : 2));
            CHECK(lengths[slot] == 2 && octets[places[slot] + 1] == last);
            CHECK(deviation[slot] == -60 && status[slot] == 0);
        }
        static uint8_t tag[COUNT * 32], depth[COUNT * 32];
        static uint64_t offset[COUNT * 32];
        static uint32_t length[COUNT * 32];
        size_t at = 0, count, error;
        got = msdk_axdr_tokens(octets, cut, &at, sizeof tag, tag, depth, offset, length, &count, &error);
        CHECK(at <= cut && count <= cut && (got == MSDK_AXDR_END ? at == cut : got == MSDK_AXDR_MORE));
    }
}

/* Rows of many columns in which nulls come and go: read in one go as row by row, wherever they are cut. */
static void test_nulls(void)
{
    enum { COLUMNS = 14, COUNT = 200, SLOTS = COUNT + 1 };
    static const size_t WIDTHS[16] = {0, 0, 1, 1, 2, 2, 4, 4, 8, 8, 4, 8, 8, 8, 8, 8};
    static const struct { uint32_t kind; uint8_t tag, width; } sorts[] = {
        {MSDK_AXDR_CLOCK, 9, 13}, {MSDK_AXDR_U8, 17, 1}, {MSDK_AXDR_U16, 18, 2}, {MSDK_AXDR_U32, 6, 4},
        {MSDK_AXDR_U64, 21, 8}, {MSDK_AXDR_I32, 5, 4}, {MSDK_AXDR_EMPTY, 0, 0}, {MSDK_AXDR_F32, 23, 4},
    };
    static uint64_t values[2][COLUMNS][SLOTS];
    static int16_t deviation[2][COLUMNS][SLOTS];
    static uint8_t valid[2][COLUMNS][SLOTS], status[2][COLUMNS][SLOTS], data[COUNT * (2 + COLUMNS * 14)];
    for (int round = 0; round < 400; round++) {
        msdk_axdr_column columns[2][COLUMNS];
        memset(columns, 0, sizeof columns);
        uint32_t sort[COLUMNS], size = 0, nulls = dice(11), odd = dice(3);
        for (size_t n = 0; n < COLUMNS; n++)
            sort[n] = dice(sizeof sorts / sizeof sorts[0]);
        for (uint32_t row = 0; row < COUNT; row++) {
            data[size++] = 2;
            data[size++] = COLUMNS;
            for (size_t n = 0; n < COLUMNS; n++) {
                if (dice(10) < nulls || sorts[sort[n]].width == 0) {
                    data[size++] = 0;
                } else if (odd == 0 && dice(300) == 0) {
                    /* A string of one octet, which is no clock, or a delta-integer. */
                    data[size++] = sorts[sort[n]].tag == 9 ? 9 : 28;
                    data[size++] = 1;
                    if (sorts[sort[n]].tag == 9)
                        data[size++] = (uint8_t)dice(256);
                } else {
                    data[size++] = sorts[sort[n]].tag;
                    for (size_t left = sorts[sort[n]].width; left > 0; left--)
                        data[size++] = (uint8_t)(left == 13 ? 12 : dice(2) == 0 ? 0 : dice(256));
                }
            }
        }
        if (odd == 1)
            data[dice(size)] ^= (uint8_t)(1U << dice(8));
        size_t cut = dice(2) == 0 ? size : dice(size);
        const uint8_t *octets = at_guard(data, cut);
        msdk_axdr_rows rows[2];
        int got[2];
        for (int go = 0; go < 2; go++) {
            memset(values[go], 0, sizeof values[go]);
            memset(valid[go], 0, sizeof valid[go]);
            for (size_t n = 0; n < COLUMNS; n++)
                columns[go][n] = (msdk_axdr_column){
                    .kind = sorts[sort[n]].kind,
                    .accepts = UINT64_C(1) << 63 | 1 | UINT64_C(1) << 28 | UINT64_C(1) << sorts[sort[n]].tag,
                    .values = (uint8_t *)values[go][n],
                    .valid = valid[go][n],
                    .deviation = deviation[go][n],
                    .status = status[go][n],
                };
            rows[go] = (msdk_axdr_rows){.columns = columns[go], .column_count = COLUMNS, .capacity = COUNT,
                                        .period_ms = 900000, .deviation_sign = 1, .local_deviation = -0x8000,
                                        .null_repeats = round % 4 != 0};
        }
        got[0] = msdk_axdr_rows_read(octets, 0, cut, &rows[0]);
        size_t at = 0;
        do {
            rows[1].capacity = rows[1].count + 1;
            got[1] = msdk_axdr_rows_read(octets, at, cut, &rows[1]);
            at = rows[1].position;
        } while (got[1] == MSDK_AXDR_FULL && rows[1].count < COUNT);
        CHECK(got[0] == got[1] && rows[0].count == rows[1].count && rows[0].position == rows[1].position);
        CHECK(rows[0].error_offset == rows[1].error_offset && rows[0].error_column == rows[1].error_column);
        for (size_t n = 0; n < COLUMNS; n++) {
            const msdk_axdr_column *one_go = &columns[0][n], *by_row = &columns[1][n];
            CHECK(one_go->tags == by_row->tags && one_go->base == by_row->base && one_go->flags == by_row->flags);
            CHECK(memcmp(valid[0][n], valid[1][n], rows[0].count + 1) == 0);
            CHECK(memcmp(values[0][n], values[1][n], WIDTHS[one_go->kind] * (rows[0].count + 1)) == 0);
            for (size_t slot = 1; one_go->kind == MSDK_AXDR_CLOCK && slot <= rows[0].count; slot++)
                CHECK(deviation[0][n][slot] == deviation[1][n][slot] && status[0][n][slot] == status[1][n][slot]);
        }
    }
}

static void test_data_sets(void)
{
    static const char block[] = "1.8.0*01(0012.3*kWh)6.6(1)(2611221530)\r\nF.F()\r\n0.9.1(170209094500W)\r\n9(12kWh)";
    static const char found[] = "1.8.0*01(0012.3*kWh\n6.6(1)(2611221530\nF.F(\n";
    for (size_t cut = 0; cut < sizeof block; cut++) {
        const uint8_t *octets = at_guard((const uint8_t *)block, cut);
        uint8_t *text = exact_copy(octets, cut);
        uint32_t line[3];
        uint64_t offset[3];
        size_t written;
        msdk_block_place place = {.offset = 100, .line_start = 90, .line = 7};
        /* Behind the last bracket the second set looks whole once, before the second of its values begins. */
        size_t whole = (size_t)(cut == 26 || cut >= 38) + (cut >= 45) + (cut >= 67);
        CHECK(msdk_data_sets(octets, cut, &place, text, &written, line, offset, 3) == whole);
        static const size_t sizes[] = {0, 20, 38, 43}, ends[] = {100, 120, 138, 145};
        CHECK(written == sizes[whole] && memcmp(text, found, written) == 0);
        CHECK(place.offset == ends[whole] && place.line == (whole == 3 ? 8 : 7));
        CHECK(place.line_start == (whole == 3 ? 140 : 90));
        CHECK(whole < 2 || (offset[1] == 120 && line[1] == 7));
        CHECK(whole < 3 || (offset[2] == 140 && line[2] == 8));
        free(text);
    }
}

/* Two blocks of three intervals and two channels, at every cut, each at the guard; and room for less than all. */
static void test_load_profile(void)
{
    enum { CHANNELS = 2, INTERVALS = 3, COUNT = 2, RECORD = 2 + CHANNELS * 3, HEADER = 4 + CHANNELS * (6 + 4) + 1 };
    enum { SIZE = HEADER + INTERVALS * RECORD, ROWS_OF = COUNT * INTERVALS };
    static uint8_t data[COUNT * SIZE];
    const int64_t stamp = 1769818500000;
    for (size_t n = 0; n < COUNT; n++) {
        uint8_t *p = data + n * SIZE;
        const uint8_t head[] = {0x84, 0x49, 0x7D, 0x69, 0xFB, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 7, 0, 0, 0};
        memcpy(p, head, sizeof head);
        memcpy(p + sizeof head, head + 4, 10);
        p[HEADER - 1] = 0x06; /* the first interval is not valid */
        for (size_t interval = 0; interval < INTERVALS; interval++) {
            /* DST; channel 2 of the last interval was skipped. */
            const uint8_t record[RECORD] = {0x12, interval == 2 ? 0x40 : 0x30, (uint8_t)interval, 0, 0x80,
                                            (uint8_t)n, 1, 0};
            memcpy(p + HEADER + interval * RECORD, record, RECORD);
        }
    }
    msdk_lp_layout layout = {
        .period_ms = 900000, .shift_ms = 18000000, .season_ms = 3600000, .channels = CHANNELS,
        .intervals = INTERVALS, .deviation = 300, .time_format = 4, .value = MSDK_LP_I24, .reading = MSDK_LP_I48,
        .pulses = 1, .simple_status = 1, .extended_status = 1, .stamp_season = 1,
    };
    const uint64_t offset[] = {0, SIZE};
    const uint32_t valid[] = {INTERVALS, INTERVALS};
    static int64_t time[ROWS_OF], stamps[COUNT], readings[CHANNELS * COUNT];
    static int32_t values[CHANNELS * ROWS_OF];
    static uint32_t pulses[CHANNELS * COUNT];
    static int16_t deviation[ROWS_OF];
    static uint8_t time_valid[ROWS_OF], status[ROWS_OF], flags[ROWS_OF], known[CHANNELS * ROWS_OF],
        code[CHANNELS * ROWS_OF], stamp_valid[COUNT], reading_valid[CHANNELS * COUNT];
    for (size_t cut = 0; cut <= sizeof data; cut++) {
        for (size_t room = 0; room <= ROWS_OF; room++) {
            msdk_lp_columns to = {
                .time = time, .deviation = deviation, .time_valid = time_valid, .clock_status = status,
                .flags = flags, .values = (uint8_t *)values, .valid = known, .code = code, .stamp = stamps,
                .stamp_valid = stamp_valid, .readings = (uint8_t *)readings, .reading_valid = reading_valid,
                .pulses = pulses, .value_stride = sizeof values[0] * ROWS_OF, .reading_stride = 8 * COUNT,
                .room = room, .block_room = COUNT,
            };
            size_t blocks = (size_t)(cut >= SIZE) + (size_t)(cut >= COUNT * SIZE), fit = room / INTERVALS;
            blocks = fit < blocks ? fit : blocks;
            const uint8_t *octets = at_guard(data, cut);
            CHECK(msdk_lp_read(octets, cut, &layout, offset, valid, COUNT, &to) == blocks && to.blocks == blocks);
            CHECK(to.rows == blocks * INTERVALS);
            for (size_t row = 0; row < to.rows; row++) {
                size_t n = row / INTERVALS, interval = row % INTERVALS, cell = room + row, slot = ROWS_OF + row;
                CHECK(stamps[n] == stamp && stamp_valid[n] == 1 && readings[n] == -5 && pulses[n] == 7);
                CHECK(time[row] == stamp + 14400000 - 900000 * (int64_t)(2 - interval) && time_valid[row] == 1);
                CHECK(deviation[row] == 240 && status[row] == 0x80);
                CHECK(flags[row] == (interval == 0 ? 0x81 : 1) && code[row] == 2);
                CHECK(known[row] == (interval != 0) && values[row] == (interval == 0 ? 0 : (int)interval - 0x800000));
                CHECK(code[cell] == (interval == 2 ? 4 : 3) && known[cell] == (interval == 1));
                CHECK(values[slot] == (interval == 1 ? 256 + (int)n : 0));
            }
        }
    }
    layout.channels = 0;
    msdk_lp_columns none = {.room = ROWS_OF, .block_room = COUNT};
    CHECK(msdk_lp_read(data, sizeof data, &layout, offset, valid, COUNT, &none) == 0);
}

int main(void)
{
    set_up();
    test_load_profile();
    test_data_sets();
    test_axdr();
    test_nulls();
    test_crc();
    test_bcc();
    test_parity();
    test_captures(msdk_scan_hdlc, put_hdlc);
    test_captures(msdk_scan_iec, put_iec);
    test_captures(msdk_scan_c1218, put_c1218);
    test_known_frames();
    guarded_end = NULL;
    test_iec_limit();
    printf("kernel: %zu checks passed\n", checks);
    return 0;
}
