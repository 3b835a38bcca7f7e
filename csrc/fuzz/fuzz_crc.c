/* Any octets: all CRC paths agree with the definition, BCC with the plain loop, parity comes off as it went on. */
#include "metersdk.h"

#include <stdlib.h>
#include <string.h>

#define REQUIRE(condition) \
    do { \
        if (!(condition)) \
            abort(); \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned state = 0xFFFF;
    uint8_t sum = 0;
    for (size_t i = 0; i < size; i++) {
        sum ^= data[i];
        state ^= data[i];
        for (int bit = 0; bit < 8; bit++)
            state = (state & 1) != 0 ? state >> 1 ^ 0x8408 : state >> 1;
    }
    REQUIRE(msdk_bcc(data, size) == sum);
    REQUIRE(msdk_crc16(data, size) == (state ^ 0xFFFF));
    for (int path = 0; path < MSDK_CRC16_PATHS; path++) {
        uint16_t crc;
        REQUIRE(msdk_crc16_path(path, data, size, &crc) != 0 || crc == (state ^ 0xFFFF));
    }

    uint8_t *out = malloc(size > 0 ? size : 1);
    uint64_t *bad = malloc(size > 0 ? size * sizeof *bad : 1);
    REQUIRE(out != NULL && bad != NULL);
    size_t odd = msdk_parity_strip(data, size, out, bad, size);
    REQUIRE(odd <= size);
    size_t row = 0;
    msdk_parity_add(out, size, out);
    for (size_t i = 0; i < size; i++) {
        int is_bad = row < odd && bad[row] == i;
        REQUIRE(out[i] == (is_bad ? data[i] ^ 0x80 : data[i]));
        row += (size_t)is_bad;
    }
    REQUIRE(row == odd);
    free(bad);
    free(out);
    return 0;
}
