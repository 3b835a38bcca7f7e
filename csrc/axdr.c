/* A-XDR values one after the other: a tokenizer, and skipping. An explicit stack, no recursion. */
#include "axdr.h"

/* Elements still to come, one count for each open container. */
typedef struct {
    uint32_t left[MSDK_AXDR_DEPTH];
    unsigned depth;
} nesting;

/* One element is done, and every container that ends with it. 1: nothing is open any more. */
static inline int close_elements(nesting *open)
{
    while (open->depth) {
        if (--open->left[open->depth - 1])
            return 0;
        open->depth--;
    }
    return 1;
}

/* Move *at behind the type description there. `depth` containers are open around it. */
static int skip_type(const uint8_t *data, size_t *at, size_t end, unsigned depth, int64_t *error)
{
    nesting open = {.depth = 0};
    for (;;) {
        if (*at >= end)
            return MSDK_AXDR_MORE;
        uint8_t tag = data[*at];
        int size = size_of(tag);
        if (size == UNUSED || tag == COMPACT_ARRAY || (size == CONTAINER && depth + open.depth >= MSDK_AXDR_DEPTH)) {
            *error = (int64_t)*at;
            return MSDK_AXDR_BAD;
        }
        *at += 1;
        if (tag == ARRAY) {
            if (end - *at < 2)
                return MSDK_AXDR_MORE;
            *at += 2;
            open.left[open.depth++] = 1;
            continue;
        }
        if (tag == STRUCTURE) {
            uint32_t count;
            int status = read_length(data, at, end, &count, error);
            if (status)
                return status;
            if (count) {
                open.left[open.depth++] = count;
                continue;
            }
        }
        if (close_elements(&open))
            return MSDK_AXDR_END;
    }
}

typedef struct {
    size_t offset;
    size_t length;
    uint32_t elements;
    uint8_t tag;
} token;

/* One value at *at, a container without its elements: moves *at behind it. */
static int read_token(const uint8_t *data, size_t *at, size_t end, unsigned depth, token *out, int64_t *error)
{
    size_t here = *at;
    if (here >= end)
        return MSDK_AXDR_MORE;
    uint8_t tag = data[here];
    int size = size_of(tag);
    if (size == UNUSED || (size == CONTAINER && depth >= MSDK_AXDR_DEPTH)) {
        *error = (int64_t)here;
        return MSDK_AXDR_BAD;
    }
    here++;
    out->tag = tag;
    out->elements = 0;
    uint32_t length = size > 0 ? (uint32_t)size : 0;
    size_t octets = length;
    if (tag == COMPACT_ARRAY) {
        size_t begin = here;
        int status = skip_type(data, &here, end, depth + 1, error);
        if (!status)
            status = read_length(data, &here, end, &length, error);
        if (status)
            return status;
        if (length > end - here)
            return MSDK_AXDR_MORE;
        out->offset = begin;
        out->length = here + length - begin;
        *at = here + length;
        return MSDK_AXDR_END;
    }
    if (size < 0) {
        int status = read_length(data, &here, end, &length, error);
        if (status)
            return status;
        octets = tag == BIT_STRING ? length / 8 + (length % 8 != 0) : length;
        if (size == CONTAINER) {
            out->elements = length;
            octets = 0;
        }
    }
    if (octets > end - here)
        return MSDK_AXDR_MORE;
    out->offset = here;
    out->length = length;
    *at = here + octets;
    return MSDK_AXDR_END;
}

int msdk_axdr_tokens(const uint8_t *data, size_t size, size_t *at, size_t room, uint8_t *tag, uint8_t *depth,
                     uint64_t *offset, uint32_t *length, size_t *count, size_t *error)
{
    nesting open = {.depth = 0};
    size_t n = 0;
    int status = MSDK_AXDR_END;
    *error = 0;
    while (*at < size || open.depth) {
        if (n == room) {
            status = MSDK_AXDR_FULL;
            break;
        }
        token one;
        int64_t bad = 0;
        size_t next = *at;
        status = read_token(data, &next, size, open.depth, &one, &bad);
        if (status) {
            *error = (size_t)bad;
            break;
        }
        *at = next;
        tag[n] = one.tag;
        depth[n] = (uint8_t)open.depth;
        offset[n] = one.offset;
        length[n] = (uint32_t)one.length;
        n++;
        if (one.elements)
            open.left[open.depth++] = one.elements;
        else
            close_elements(&open);
    }
    *count = n;
    return status;
}

int msdk_axdr_skip(const uint8_t *data, size_t *at, size_t end, int64_t *error)
{
    nesting open = {.depth = 0};
    for (;;) {
        token one;
        int status = read_token(data, at, end, open.depth, &one, error);
        if (status)
            return status;
        if (one.elements)
            open.left[open.depth++] = one.elements;
        else if (close_elements(&open))
            return MSDK_AXDR_END;
    }
}
