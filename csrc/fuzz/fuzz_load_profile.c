/* Any octets: the reader of load profile blocks stays within its buffers, and reads what lies inside. The first octets
 * choose the layout and the places of the blocks, the rest is read. */
#include "metersdk.h"

#include <stdlib.h>
#include <string.h>

#define REQUIRE(condition) \
    do { \
        if (!(condition)) \
            abort(); \
    } while (0)

#define BLOCKS 4
#define CHOICES (16 + 4 * BLOCKS)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void *block(size_t size)
{
    void *made = calloc(size > 0 ? size : 1, 1);
    REQUIRE(made != NULL);
    return made;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < CHOICES)
        return 0;
    msdk_lp_layout layout = {
        .channels = data[0] == 0xFF ? 255u : data[0] % 6u,
        .intervals = data[1] % 100u + (data[2] == 0xFF ? 65500u : 0u),
        .period_ms = (int64_t)data[2] * 60000,
        .shift_ms = ((int64_t)data[3] - 128) * 900000,
        .season_ms = (data[4] & 1) != 0 ? 3600000 : data[4] == 2 ? INT64_MAX : 0,
        .deviation = (int16_t)((data[5] & 1) != 0 ? MSDK_LP_NO_DEVIATION : data[5] * 8 - 1000),
        .big_endian = data[6] & 1,
        .int_format = data[7] & 3,
        .time_format = data[8] % 6,
        .value = data[9] % (MSDK_LP_NUMBERS + 1),
        .reading = data[10] % 32 < MSDK_LP_NUMBERS ? data[10] % 32 : MSDK_LP_NONE,
        .pulses = data[11] & 1,
        .simple_status = data[12] & 1,
        .extended_status = data[13] & 1,
        .descending = data[14] & 1,
        .stamp_season = data[15] & 1,
    };
    uint64_t offset[BLOCKS];
    uint32_t valid[BLOCKS];
    size_t rows = 0;
    for (size_t n = 0; n < BLOCKS; n++) {
        const uint8_t *choice = data + 16 + 4 * n;
        offset[n] = choice[3] == 0xFF ? UINT64_MAX - choice[0] : (uint64_t)choice[0] << 8 | choice[1];
        valid[n] = choice[2] + (choice[3] == 0xFE ? 65400u : 0);
        rows += valid[n];
    }
    size_t room = data[3] % 4 == 0 ? rows / 2 : rows, channels = layout.channels;
    /* A block of exactly this size: one octet beyond it is an error that sanitizers see. */
    size_t rest = size - CHOICES;
    uint8_t *exact = block(rest);
    if (rest > 0)
        memcpy(exact, data + CHOICES, rest);
    msdk_lp_columns columns = {
        .time = block(room * sizeof(int64_t)),
        .deviation = block(room * sizeof(int16_t)),
        .time_valid = block(room),
        .clock_status = block(room),
        .flags = block(room),
        .values = block(channels * room * 8),
        .valid = block(channels * room),
        .code = block(channels * room),
        .stamp = block(BLOCKS * sizeof(int64_t)),
        .stamp_valid = block(BLOCKS),
        .readings = block(channels * BLOCKS * 8),
        .reading_valid = block(channels * BLOCKS),
        .pulses = block(channels * BLOCKS * sizeof(uint32_t)),
        .value_stride = room * 8,
        .reading_stride = BLOCKS * 8,
        .room = room,
        .block_room = BLOCKS,
    };
    size_t count = msdk_lp_read(exact, rest, &layout, offset, valid, BLOCKS, &columns);
    REQUIRE(count == columns.blocks && count <= BLOCKS && columns.rows <= room);
    size_t expected = 0;
    for (size_t n = 0; n < count; n++) {
        REQUIRE(offset[n] <= rest && valid[n] <= layout.intervals);
        expected += valid[n];
    }
    REQUIRE(columns.rows == expected);
    for (size_t row = 0; row < columns.rows; row++) {
        REQUIRE(columns.time_valid[row] < 2 && (columns.time_valid[row] || columns.time[row] == 0));
        REQUIRE((columns.flags[row] & 0x70) == 0);
        for (size_t channel = 0; channel < channels; channel++) {
            size_t cell = channel * room + row;
            REQUIRE(columns.valid[cell] < 2 && columns.code[cell] < 16);
            REQUIRE(columns.code[cell] != MSDK_LP_SKIPPED || !columns.valid[cell]);
        }
    }
    free(columns.time), free(columns.deviation), free(columns.time_valid), free(columns.clock_status);
    free(columns.flags), free(columns.values), free(columns.valid), free(columns.code), free(columns.stamp);
    free(columns.stamp_valid), free(columns.readings), free(columns.reading_valid), free(columns.pulses);
    free(exact);
    return 0;
}
