/* Any octets: the reader of data sets stays within its buffers, and what it counts is what stands there, on lines that
 * are counted right; read on from where it left off, no room is too small. */
#include "metersdk.h"

#include <stdlib.h>
#include <string.h>

#define REQUIRE(condition) \
    do { \
        if (!(condition)) \
            abort(); \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void *block(size_t size)
{
    void *made = calloc(size > 0 ? size : 1, 1);
    REQUIRE(made != NULL);
    return made;
}

/* Reads all with a room of so many, and returns how many sets there were. */
static size_t read_all(const uint8_t *data, size_t size, size_t room)
{
    uint8_t *text = block(size);
    uint32_t *line = block(room * sizeof *line);
    uint64_t *offset = block(room * sizeof *offset);
    msdk_block_place place = {0, 0, 0};
    size_t count, all = 0, ends = 0, at = 0;
    do {
        size_t before = (size_t)place.offset, written;
        count = msdk_data_sets(data + before, size - before, &place, text, &written, line, offset, room);
        REQUIRE(count <= room && place.offset <= size && (count > 0) == (place.offset > before));
        size_t from = 0;
        for (size_t n = 0; n < count; n++) {
            REQUIRE(offset[n] >= at && offset[n] < place.offset);
            for (; at < offset[n]; at++)
                ends += data[at] == '\n';
            REQUIRE(line[n] == ends);
            const uint8_t *end = memchr(text + from, '\n', written - from);
            REQUIRE(end != NULL);
            size_t length = (size_t)(end - (text + from));
            REQUIRE(offset[n] + length < place.offset && data[offset[n] + length] == ')');
            REQUIRE(memcmp(data + offset[n], text + from, length) == 0);
            from += length + 1;
        }
        REQUIRE(from == written && (count == 0 || place.line == line[count - 1]));
        all += count;
    } while (count == room);
    free(offset);
    free(line);
    free(text);
    return all;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* Octets that mean something to it, so that random ones come far. */
    static const char LETTERS[] = "10.:*&-_AZkWh%()()\r\n/!#, +";
    size_t found = read_all(data, size, size + 1);
    REQUIRE(found == read_all(data, size, 1) && found == read_all(data, size, 3));
    uint8_t *likely = block(size);
    for (size_t n = 0; n < size; n++)
        likely[n] = (uint8_t)LETTERS[data[n] % (sizeof LETTERS - 1)];
    found = read_all(likely, size, size + 1);
    REQUIRE(found == read_all(likely, size, 1) && found == read_all(likely, size, 2));
    free(likely);
    return 0;
}
