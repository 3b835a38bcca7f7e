/* Finding and proving every frame of a capture. A scan looks for the next octet that may begin a frame, judges the
 * candidate there, and goes on behind it (good) or inside it (broken). Bounds are always `remaining`: the octets from
 * the candidate's first to the end of the capture. */
#include "clmul.h"

#include <string.h>

#define NOISE 0xFF /* no frame begins here; never reported */

struct columns {
    uint64_t *offset;
    uint32_t *length;
    uint8_t *reason;
    size_t rows;
};

static void append(struct columns *out, size_t offset, size_t length, uint8_t reason)
{
    out->offset[out->rows] = offset;
    out->length[out->rows] = (uint32_t)length;
    out->reason[out->rows] = reason;
    out->rows++;
}

/* Are data[0..size) followed by their CRC? All check sequences here are CRC-16/X.25 and travel low octet first. */
typedef int crc_check(const uint8_t *data, size_t size);

static int crc_right(const uint8_t *data, size_t size)
{
    unsigned crc = msdk_crc16(data, size);
    return data[size] == (crc & 0xFF) && data[size + 1] == crc >> 8;
}

/* ---- HDLC ------------------------------------------------------------------------------------------------------- */

#define FLAG 0x7E
#define HDLC_SHORTEST 7 /* format 2, addresses 1 + 1, control 1, FCS 2 */

/* Octets of the address at `address`, which ends with the first octet whose bit 0 is set; 0 if that is not one of the
 * first four, or not within `room`. */
static inline size_t hdlc_address(const uint8_t *address, size_t room)
{
    if (room >= 4) {
        /* No branch on the length: both forms are common, and the processor would guess wrong half the time. The last
         * octet and all behind it are marked and counted, in one word. */
        uint32_t marks = (uint32_t)address[0] | (uint32_t)address[1] << 8 | (uint32_t)address[2] << 16 |
                         (uint32_t)address[3] << 24;
        marks &= UINT32_C(0x01010101);
        marks |= marks << 8;
        marks |= marks << 16;
        uint32_t count = marks * UINT32_C(0x01010101) >> 24;
        return (size_t)((count != 0) * (5 - count));
    }
    for (size_t octets = 1; octets <= room; octets++)
        if ((address[octets - 1] & 1) != 0)
            return octets;
    return 0;
}

/* Octets from the format field through the control field, `room` at most and at least two; 0 if the addresses do not
 * end in time. */
static inline size_t hdlc_header(const uint8_t *body, size_t room)
{
    size_t destination = hdlc_address(body + 2, room - 2);
    size_t source = hdlc_address(body + 2 + destination, room - 2 - destination);
    if (destination == 0 || source == 0 || 2 + destination + source == room)
        return 0;
    return 2 + destination + source + 1;
}

/* *length: in, the octets that remain, at least one; out, those of the candidate. */
INLINE uint8_t judge_hdlc(const uint8_t *frame, size_t *length, crc_check *right)
{
    const uint8_t *body = frame + 1;
    size_t remaining = *length - 1;
    if (remaining < HDLC_SHORTEST || (body[0] & 0xF0) != 0xA0)
        return NOISE;
    /* The length field counts from the format field through the FCS: 1010 S LLLLLLLLLLL. */
    size_t size = (size_t)(body[0] & 0x07) << 8 | body[1];
    if (size < HDLC_SHORTEST)
        return NOISE;
    int whole = size < remaining;
    size_t header = hdlc_header(body, size < remaining ? size : remaining);
    /* An HCS stands only where an information field follows; without one there is the FCS alone. */
    int has_hcs = header != 0 && header + 4 <= size;
    *length = size + 2;
    if (whole && body[size] == FLAG) {
        if (!has_hcs && header + 2 != size)
            return MSDK_HEADER;
        if (has_hcs && !right(body, header))
            return MSDK_HCS;
        return right(body, size - 2) ? MSDK_GOOD : MSDK_CHECK;
    }
    if (!has_hcs || header + 2 > remaining || !right(body, header))
        return NOISE;
    if (whole)
        return MSDK_END;
    *length = remaining + 1;
    return MSDK_TRUNCATED;
}

INLINE size_t scan_hdlc(const uint8_t *data, size_t size, size_t *at, struct columns out, size_t room,
                        crc_check *right)
{
    size_t here = *at;
    while (here < size && out.rows < room) {
        if (data[here] != FLAG) {
            const uint8_t *flag = memchr(data + here, FLAG, size - here);
            if (flag == NULL) {
                here = size;
                break;
            }
            here = (size_t)(flag - data);
        }
        size_t octets = size - here;
        uint8_t verdict = judge_hdlc(data + here, &octets, right);
        if (verdict != NOISE)
            append(&out, here, octets, verdict);
        if (verdict != MSDK_GOOD) {
            here++;
            continue;
        }
        /* The closing flag may open the next frame: go on with it, or with a second flag behind it. Without a jump
         * between the two, for it would be guessed wrong half the time. */
        here += octets - 1;
        size_t more = here + 1 < size;
        here += more & (data[here + more] == FLAG);
    }
    *at = here < size ? here : size;
    return out.rows;
}

static size_t scan_hdlc_table(const uint8_t *data, size_t size, size_t *at, struct columns out, size_t room)
{
    return scan_hdlc(data, size, at, out, room, crc_right);
}

#if WITH_CLMUL

/* Octets and their CRC leave the same in the register, whatever they are. */
#define RESIDUE 0xF0B8
/* Found by trial. The processor reads ahead by itself, but no further than to the end of a page. */
#define FETCH_AHEAD 6144

INLINE CLMUL int crc_right_clmul(const uint8_t *data, size_t size)
{
    return go_on_clmul(0xFFFF, data, size + 2) == RESIDUE;
}

static CLMUL size_t scan_hdlc_clmul(const uint8_t *data, size_t size, size_t *at, struct columns out, size_t room)
{
    return scan_hdlc(data, size, at, out, room, crc_right_clmul);
}

INLINE CLMUL512 int crc_right_clmul512(const uint8_t *data, size_t size)
{
    return go_on_clmul512(0xFFFF, data, size + 2, FETCH_AHEAD) == RESIDUE;
}

static CLMUL512 size_t scan_hdlc_clmul512(const uint8_t *data, size_t size, size_t *at, struct columns out, size_t room)
{
    return scan_hdlc(data, size, at, out, room, crc_right_clmul512);
}

#endif

size_t msdk_scan_hdlc_by(int path, const uint8_t *data, size_t size, size_t *at, uint64_t *offset, uint32_t *length,
                         uint8_t *reason, size_t room)
{
    struct columns out = {offset, length, reason, 0};
    switch (path) {
#if WITH_CLMUL
    case MSDK_CRC16_CLMUL512:
        return scan_hdlc_clmul512(data, size, at, out, room);
    case MSDK_CRC16_CLMUL:
        return scan_hdlc_clmul(data, size, at, out, room);
#endif
    default:
        return scan_hdlc_table(data, size, at, out, room);
    }
}

size_t msdk_scan_hdlc(const uint8_t *data, size_t size, size_t *at, uint64_t *offset, uint32_t *length,
                      uint8_t *reason, size_t room)
{
    return msdk_scan_hdlc_by(msdk_crc16_best_path(), data, size, at, offset, length, reason, room);
}

/* ---- IEC 62056-21 ----------------------------------------------------------------------------------------------- */

#define SOH 1
#define STX 2
#define ETX 3
#define EOT 4

/* Index of the first octet whose low seven bits are SOH, STX, ETX or EOT; size if there is none. */
static size_t find_control(const uint8_t *data, size_t size)
{
    size_t at = 0;
    while (at < size) {
        if (size - at >= 8) {
            uint64_t word;
            memcpy(&word, data + at, 8);
            /* Octets 0 to 7 with any parity bit have 0 in bits 3 to 6: is any octet of the word like that? */
            word &= UINT64_C(0x7878787878787878);
            if (((word - UINT64_C(0x0101010101010101)) & ~word & UINT64_C(0x8080808080808080)) == 0) {
                at += 8;
                continue;
            }
        }
        for (size_t stop = size - at < 8 ? size : at + 8; at < stop; at++) {
            uint8_t octet = data[at] & 0x7F;
            if (octet >= SOH && octet <= EOT)
                return at;
        }
    }
    return size;
}

/* *length: in, the octets that remain, the first being SOH or STX; out, those of the candidate. *skip: octets before
 * the block proper, not 0 where an SOH turned out to be noise before a good block; *next: octets to go on behind. */
static uint8_t judge_iec(const uint8_t *block, size_t *length, size_t *skip, size_t *next)
{
    size_t remaining = *length;
    size_t bound = remaining < MSDK_IEC_LIMIT ? remaining : MSDK_IEC_LIMIT;
    size_t end = 1 + find_control(block + 1, bound - 1);
    int command = 0;
    /* SOH, two letters of command, STX, data set: that STX belongs to the block. */
    if (end == 3 && end < bound && (block[0] & 0x7F) == SOH && (block[end] & 0x7F) == STX) {
        command = 1;
        end = 4 + find_control(block + 4, bound - 4);
    }
    *skip = 0;
    if (end == bound) {
        *length = *next = bound;
        return bound < remaining ? MSDK_LIMIT : MSDK_TRUNCATED;
    }
    if ((block[end] & 0x7F) < ETX) {
        *length = *next = end;
        return MSDK_END;
    }
    if (end + 1 == remaining) {
        *length = *next = remaining;
        return MSDK_TRUNCATED;
    }
    *length = *next = end + 2;
    /* The BCC counts from behind the first SOH or STX through ETX or EOT. */
    uint8_t wrong = (msdk_bcc(block + 1, end) ^ block[end + 1]) & 0x7F;
    if (wrong == 0)
        return MSDK_GOOD;
    if (command && wrong == (msdk_bcc(block + 1, 3) & 0x7F)) {
        *skip = 3;
        *length -= 3;
        return MSDK_GOOD;
    }
    *next = end + 1; /* what stands for the BCC may begin the next block */
    return MSDK_CHECK;
}

size_t msdk_scan_iec(const uint8_t *data, size_t size, size_t *at, uint64_t *offset, uint32_t *length,
                     uint8_t *reason, size_t room)
{
    struct columns out = {offset, length, reason, 0};
    size_t here = *at;
    while (here < size && out.rows < room) {
        here += find_control(data + here, size - here);
        if (here == size)
            break;
        if ((data[here] & 0x7F) > STX) {
            here++;
            continue;
        }
        size_t octets = size - here;
        size_t skip;
        size_t next;
        uint8_t verdict = judge_iec(data + here, &octets, &skip, &next);
        append(&out, here + skip, octets, verdict);
        here += next;
    }
    *at = here < size ? here : size;
    return out.rows;
}

/* ---- ANSI C12.18 ------------------------------------------------------------------------------------------------ */

#define START_OF_PACKET 0xEE
#define C1218_HEADER 6 /* start, identity, control, sequence, length 2 */
#define C1218_RESERVED 0x1C /* of the control octet */

/* *length: in, the octets that remain; out, those of the candidate. */
static uint8_t judge_c1218(const uint8_t *packet, size_t *length)
{
    size_t remaining = *length;
    if (remaining < C1218_HEADER || (packet[2] & C1218_RESERVED) != 0)
        return NOISE;
    size_t data = (size_t)packet[4] << 8 | packet[5];
    if (data > MSDK_C1218_MAX_DATA)
        return NOISE;
    if (data + C1218_HEADER + 2 > remaining)
        return MSDK_TRUNCATED;
    *length = data + C1218_HEADER + 2;
    return crc_right(packet, data + C1218_HEADER) ? MSDK_GOOD : MSDK_CHECK;
}

size_t msdk_scan_c1218(const uint8_t *data, size_t size, size_t *at, uint64_t *offset, uint32_t *length,
                       uint8_t *reason, size_t room)
{
    struct columns out = {offset, length, reason, 0};
    size_t here = *at;
    while (here < size && out.rows < room) {
        const uint8_t *start = memchr(data + here, START_OF_PACKET, size - here);
        if (start == NULL) {
            here = size;
            break;
        }
        here = (size_t)(start - data);
        size_t octets = size - here;
        uint8_t verdict = judge_c1218(data + here, &octets);
        if (verdict != NOISE)
            append(&out, here, octets, verdict);
        here += verdict == MSDK_GOOD ? octets : 1;
    }
    *at = here < size ? here : size;
    return out.rows;
}
