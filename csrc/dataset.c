/* Data sets of IEC 62056-21 that are written as the standard has it. Whatever else there is, the caller reads. */
#include "metersdk.h"

#include <string.h>

#define FIRST 1   /* begins an address */
#define ADDRESS 2 /* goes on in it */
#define TEXT 4
#define UNIT 8
#define DIGIT 16
#define LETTER 32 /* a unit that stands inside a value has one of these */
#define SIGN 64   /* may stand before the digits of a number */
#define STAMP 12  /* digits of a time stamp, YYMMDDhhmmss */

#define A_DIGIT (FIRST | ADDRESS | TEXT | UNIT | DIGIT)
#define A_LETTER (FIRST | ADDRESS | TEXT | UNIT | LETTER)
#define INSIDE (TEXT | UNIT)
#define DIGITS_5 A_DIGIT, A_DIGIT, A_DIGIT, A_DIGIT, A_DIGIT
#define LETTERS_13 \
    A_LETTER, A_LETTER, A_LETTER, A_LETTER, A_LETTER, A_LETTER, A_LETTER, A_LETTER, A_LETTER, A_LETTER, A_LETTER, \
        A_LETTER, A_LETTER

static const uint8_t KIND[256] = {
    [' '] = INSIDE | SIGN, ['"'] = INSIDE, ['$'] = INSIDE, ['%'] = INSIDE | LETTER, ['&'] = ADDRESS,
    ['\''] = INSIDE, ['*'] = ADDRESS, ['+'] = INSIDE | SIGN, [','] = UNIT, ['-'] = INSIDE | ADDRESS | SIGN,
    ['.'] = INSIDE | ADDRESS, ['/'] = UNIT, ['0'] = DIGITS_5, DIGITS_5, [':'] = INSIDE | ADDRESS, [';'] = INSIDE,
    ['<'] = INSIDE, ['='] = INSIDE, ['>'] = INSIDE, ['?'] = INSIDE, ['@'] = INSIDE, ['A'] = LETTERS_13, LETTERS_13,
    ['['] = INSIDE, ['\\'] = INSIDE, [']'] = INSIDE, ['^'] = INSIDE, ['_'] = INSIDE | ADDRESS, ['`'] = INSIDE,
    ['a'] = LETTERS_13, LETTERS_13, ['{'] = INSIDE, ['|'] = INSIDE, ['}'] = INSIDE, ['~'] = INSIDE,
};

/* `123.34kWh` hides a unit, `1ESY1336001560` does not, and `170209094500W` is a time stamp with its season: all but the
 * last look alike from here. */
static int may_hide_unit(const uint8_t *text, const uint8_t *end)
{
    const uint8_t *at = text;
    while ((KIND[*at] & SIGN) != 0)
        at++;
    if ((KIND[*at] & DIGIT) == 0)
        return 0;
    if (end - text != STAMP + 1 || (end[-1] != 'W' && end[-1] != 'S'))
        return 1;
    for (at = text; at < end - 1; at++)
        if ((KIND[*at] & DIGIT) == 0)
            return 1;
    return 0;
}

/* What follows the value whose "(" is before `at`; NULL if it takes liberties or does not end. */
static const uint8_t *behind_value(const uint8_t *at, const uint8_t *end)
{
    const uint8_t *begin = at;
    unsigned kinds = 0, kind;
    while (at < end && ((kind = KIND[*at]) & TEXT) != 0) {
        kinds |= kind;
        at++;
    }
    if (at == end || at - begin > MSDK_VALUE_LIMIT)
        return NULL;
    if (*at == ')')
        return (kinds & LETTER) != 0 && may_hide_unit(begin, at) ? NULL : at + 1;
    if (*at != '*')
        return NULL;
    begin = ++at;
    while (at < end && (KIND[*at] & UNIT) != 0)
        at++;
    if (at == end || *at != ')' || at == begin || at - begin > MSDK_UNIT_LIMIT)
        return NULL;
    return at + 1;
}

/* What follows a data set whose values begin behind `at`; NULL as above. */
static const uint8_t *behind_values(const uint8_t *at, const uint8_t *end)
{
    do {
        at = behind_value(at + 1, end);
    } while (at != NULL && at < end && *at == '(');
    return at;
}

size_t msdk_data_sets(const uint8_t *data, size_t size, msdk_block_place *place, uint8_t *text, size_t *text_size,
                      uint32_t *line, uint64_t *offset, size_t room)
{
    const uint8_t *at = data, *end = data + size, *address = NULL, *behind = NULL;
    msdk_block_place here = *place, found = *place, counted = *place;
    uint8_t *out = text;
    size_t count = 0;
    while (count < room) {
        while (end - at >= 2 && at[0] == '\r' && at[1] == '\n') {
            at += 2;
            here.line++;
            here.line_start = place->offset + (uint64_t)(at - data);
        }
        const uint8_t *begin = at;
        if (at == end || (KIND[*at] & FIRST) == 0)
            break;
        while (at < end && (KIND[*at] & ADDRESS) != 0)
            at++;
        if (at == end || *at != '(' || at - begin > MSDK_ADDRESS_LIMIT)
            break;
        at = behind_values(at, end);
        if (at == NULL || place->offset + (uint64_t)(at - data) - here.line_start > MSDK_LINE_LIMIT)
            break;
        if (behind != NULL) {
            /* Another one begins, so the one before is whole. */
            size_t length = (size_t)(behind - address);
            memcpy(out, address, length);
            out += length;
            out[-1] = '\n';
            line[count] = found.line;
            offset[count] = place->offset + (uint64_t)(address - data);
            counted = found;
            count++;
        }
        address = begin;
        behind = at;
        found = here;
        found.offset = place->offset + (uint64_t)(at - data);
    }
    *place = counted;
    *text_size = (size_t)(out - text);
    return count;
}
