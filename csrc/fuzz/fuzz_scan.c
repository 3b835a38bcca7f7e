/* Any octets, each scan: rows stay in bounds, rooms agree, good rows are good by the definition of their checksums.
 * Then the check sequences of broken frames are put right, so that what lies behind them is reached too. */
#include "clmul.h"

#include <stdlib.h>
#include <string.h>

#define ROWS 64
#define REQUIRE(condition) \
    do { \
        if (!(condition)) \
            abort(); \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef size_t scan_function(const uint8_t *, size_t, size_t *, uint64_t *, uint32_t *, uint8_t *, size_t);

static unsigned bitwise(const uint8_t *data, size_t size)
{
    unsigned state = 0xFFFF;
    for (size_t i = 0; i < size; i++) {
        state ^= data[i];
        for (int bit = 0; bit < 8; bit++)
            state = (state & 1) != 0 ? state >> 1 ^ 0x8408 : state >> 1;
    }
    return state ^ 0xFFFF;
}

static int crc_right(const uint8_t *data, size_t size)
{
    unsigned crc = bitwise(data, size);
    return data[size] == (crc & 0xFF) && data[size + 1] == crc >> 8;
}

static void put_crc(uint8_t *data, size_t size)
{
    unsigned crc = bitwise(data, size);
    data[size] = crc & 0xFF;
    data[size + 1] = (uint8_t)(crc >> 8);
}

static void judge(scan_function *scan, const uint8_t *frame, size_t length)
{
    if (scan == msdk_scan_hdlc) {
        REQUIRE(length >= 9 && frame[0] == 0x7E && frame[length - 1] == 0x7E);
        REQUIRE((size_t)((frame[1] & 7) << 8 | frame[2]) == length - 2);
        REQUIRE(crc_right(frame + 1, length - 4));
    } else if (scan == msdk_scan_iec) {
        uint8_t sum = 0;
        for (size_t i = 1; i < length; i++)
            sum ^= frame[i];
        REQUIRE(length >= 3 && (sum & 0x7F) == 0);
    } else {
        REQUIRE(length >= 8 && frame[0] == 0xEE && crc_right(frame, length - 2));
    }
}

/* The candidate again, with right check sequences. */
static void repair(scan_function *scan, uint8_t *frame, size_t length, uint8_t reason)
{
    if (scan == msdk_scan_iec) {
        if (reason == MSDK_CHECK)
            frame[length - 1] = msdk_bcc(frame + 1, length - 2);
    } else if (scan == msdk_scan_c1218) {
        if (reason == MSDK_CHECK)
            put_crc(frame, length - 2);
    } else if (reason == MSDK_HCS || reason == MSDK_CHECK) {
        /* Rows may overlap, and the repair of one before may have changed the addresses of this one. */
        size_t at = 3;
        for (int address = 0; address < 2; address++)
            while (at < length && (frame[at++] & 1) == 0)
                continue;
        if (reason == MSDK_HCS && at + 3 <= length)
            put_crc(frame + 1, at);
        put_crc(frame + 1, length - 4);
    }
}

static void run(scan_function *scan, uint8_t *data, size_t size, int mend)
{
    uint64_t offset[ROWS], offset1;
    uint32_t length[ROWS], length1;
    uint8_t reason[ROWS], reason1;
    size_t at = 0;
    size_t at1 = 0;
    size_t end_of_good = 0;
    while (at < size) {
        size_t rows = scan(data, size, &at, offset, length, reason, ROWS);
        REQUIRE(rows <= ROWS && at <= size && (rows == ROWS || at == size));
        for (size_t i = 0; i < rows; i++) {
            REQUIRE(reason[i] <= MSDK_LIMIT && length[i] > 0);
            REQUIRE(offset[i] < size && length[i] <= size - offset[i] && offset[i] >= end_of_good);
            REQUIRE(scan(data, size, &at1, &offset1, &length1, &reason1, 1) == 1);
            REQUIRE(offset1 == offset[i] && length1 == length[i] && reason1 == reason[i]);
            if (reason[i] == MSDK_GOOD) {
                judge(scan, data + offset[i], length[i]);
                end_of_good = (size_t)offset[i] + length[i] - (scan == msdk_scan_hdlc ? 1 : 0);
            }
        }
        if (mend) {
            for (size_t i = 0; i < rows; i++)
                repair(scan, data + offset[i], length[i], reason[i]);
            run(scan, data, size, 0);
            return;
        }
    }
}

static size_t by_path(int path, const uint8_t *data, size_t size, uint64_t *offset, uint32_t *length, uint8_t *reason)
{
    size_t at = 0;
    memset(offset, 0, ROWS * sizeof *offset);
    memset(length, 0, ROWS * sizeof *length);
    memset(reason, 0, ROWS * sizeof *reason);
    size_t rows = msdk_scan_hdlc_by(path, data, size, &at, offset, length, reason, ROWS);
    return rows + ROWS * at;
}

static void compare_paths(const uint8_t *data, size_t size)
{
    uint64_t offset[2][ROWS];
    uint32_t length[2][ROWS];
    uint8_t reason[2][ROWS];
    size_t expected = by_path(0, data, size, offset[0], length[0], reason[0]);
    for (int path = 1; path <= msdk_crc16_best_path(); path++) {
        REQUIRE(by_path(path, data, size, offset[1], length[1], reason[1]) == expected);
        REQUIRE(memcmp(offset[0], offset[1], sizeof offset[0]) == 0);
        REQUIRE(memcmp(length[0], length[1], sizeof length[0]) == 0);
        REQUIRE(memcmp(reason[0], reason[1], sizeof reason[0]) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static scan_function *const scans[] = {msdk_scan_hdlc, msdk_scan_iec, msdk_scan_c1218};
    for (size_t i = 0; i < sizeof scans / sizeof scans[0]; i++) {
        uint8_t *copy = malloc(size > 0 ? size : 1);
        REQUIRE(copy != NULL);
        if (size > 0)
            memcpy(copy, data, size);
        run(scans[i], copy, size, 0);
        run(scans[i], copy, size, 1);
        if (i == 0)
            compare_paths(copy, size);
        free(copy);
    }
    return 0;
}
