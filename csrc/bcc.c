#include "metersdk.h"

uint8_t msdk_bcc(const uint8_t *data, size_t size)
{
    uint8_t sum = 0;
    for (size_t i = 0; i < size; i++)
        sum ^= data[i];
    return sum;
}
