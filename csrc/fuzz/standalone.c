/* A driver for the fuzz targets where there is no libFuzzer:
 *   target FILE..        runs each file
 *   target -runs=N       runs N random inputs
 *   target -seconds=N    runs random inputs for N seconds
 * Random inputs are made of octets that mean something to the kernel, and of mutations of the input before. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LONGEST 5000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t random_state = UINT64_C(88172645463325252);

static uint32_t dice(uint32_t sides)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 32) % sides;
}

static uint8_t octet(void)
{
    static const uint8_t telling[] = {0x7E, 0xA0, 0xA1, 0xA7, 0xEE, 0x00, 0x01, 0x02, 0x03, 0x04, 0x81, 0x82, 0x84,
                                      0x09, 0x10, 0x20, 0x80, 0xFF, 0x06, 0x0A, 0x0C, 0x11, 0x12, 0x13, 0x19};
    return dice(3) == 0 ? (uint8_t)dice(256) : telling[dice(sizeof telling)];
}

static size_t next_input(uint8_t *data, size_t size)
{
    if (size == 0 || dice(4) == 0) {
        size = dice(dice(8) == 0 ? LONGEST : 200);
        for (size_t i = 0; i < size; i++)
            data[i] = octet();
        return size;
    }
    for (uint32_t more = 1 + dice(4); more > 0; more--) {
        uint32_t from = dice((uint32_t)size);
        uint32_t to = dice((uint32_t)size);
        uint32_t span = (uint32_t)size - (from > to ? from : to);
        switch (dice(3)) {
        case 0:
            data[from] = octet();
            break;
        case 1:
            data[from] ^= (uint8_t)(1u << dice(8));
            break;
        default:
            memmove(data + to, data + from, span);
        }
    }
    return size;
}

static int run_file(const char *name)
{
    static uint8_t content[1 << 20];
    FILE *file = fopen(name, "rb");
    if (file == NULL) {
        perror(name);
        return 1;
    }
    size_t size = fread(content, 1, sizeof content, file);
    fclose(file);
    uint8_t *exact = malloc(size > 0 ? size : 1);
    if (exact == NULL)
        return 1;
    memcpy(exact, content, size);
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
    return 0;
}

int main(int count, char **arguments)
{
    static uint8_t data[LONGEST];
    unsigned long runs = 10000;
    time_t stop = 0;
    for (int i = 1; i < count; i++) {
        if (strncmp(arguments[i], "-runs=", 6) == 0)
            runs = strtoul(arguments[i] + 6, NULL, 10);
        else if (strncmp(arguments[i], "-seconds=", 9) == 0)
            stop = time(NULL) + (time_t)strtoul(arguments[i] + 9, NULL, 10);
        else if (run_file(arguments[i]) != 0)
            return 1;
    }
    if (count > 1 && arguments[count - 1][0] != '-')
        return 0;
    size_t size = 0;
    unsigned long done = 0;
    while (stop != 0 ? time(NULL) < stop : done < runs) {
        size = next_input(data, size);
        uint8_t *exact = malloc(size > 0 ? size : 1);
        if (exact == NULL)
            return 1;
        memcpy(exact, data, size);
        LLVMFuzzerTestOneInput(exact, size);
        free(exact);
        done++;
    }
    printf("%s: %lu inputs\n", arguments[0], done);
    return 0;
}
