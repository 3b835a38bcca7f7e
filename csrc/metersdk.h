/* metersdk kernel: checksums, parity and frame scans over whole buffers.
 *
 * Every function is stateless and re-entrant, allocates nothing, and touches nothing but the buffers it is given.
 * Sizes are in octets unless a contract says otherwise. `data` may be NULL only if its size is 0. Input and output
 * buffers do not overlap. What lies between the two cdef markers is read by csrc/build_ffi.py as it stands.
 */
#ifndef METERSDK_H
#define METERSDK_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* cdef begin */

/* ---- checksums -------------------------------------------------------------------------------------------------- */

/* XOR of all octets: the block check character of IEC 62056-21 (ISO 1155). 0 for size 0. Cannot fail. */
uint8_t msdk_bcc(const uint8_t *data, size_t size);

/* CRC-16/X.25 (ISO/IEC 13239 FCS-16): check value 0x906E, on the wire low octet first. 0 for size 0. Cannot fail. */
uint16_t msdk_crc16(const uint8_t *data, size_t size);

/* For tests: the same by one named path, whatever msdk_crc16 would choose on this machine. Returns 0 and writes *crc,
 * or returns -1 and writes nothing if this build or this processor does not have the path. */
#define MSDK_CRC16_TABLE 0    /* portable, 16 octets a step */
#define MSDK_CRC16_CLMUL 1    /* x86-64 PCLMULQDQ */
#define MSDK_CRC16_CLMUL512 2 /* x86-64 AVX-512F and VPCLMULQDQ */
#define MSDK_CRC16_PATHS 3
int msdk_crc16_path(int path, const uint8_t *data, size_t size, uint16_t *crc);

/* ---- 7E1 in software -------------------------------------------------------------------------------------------- */

/* out[0..size) = the low seven bits of data[0..size) with bit 7 set where that makes the parity even. out may be data
 * itself. Cannot fail. */
void msdk_parity_add(const uint8_t *data, size_t size, uint8_t *out);

/* out[0..size) = data[0..size) without bit 7. The positions of octets whose parity is odd go to bad[0..bad_room),
 * ascending; those that find no room are counted only. out may be data itself; bad may be NULL if bad_room is 0.
 * Returns how many octets are odd, which may be more than bad_room: then call again with room for all. */
size_t msdk_parity_strip(const uint8_t *data, size_t size, uint8_t *out, uint64_t *bad, size_t bad_room);

/* ---- scans ------------------------------------------------------------------------------------------------------
 * Find every frame in a capture. All three share one contract.
 *   data, size          the whole capture
 *   at                  in: octet to begin at, 0 the first time; out: octet to go on at, `size` when all is done
 *   offset length reason columns of `room` rows each; row n is data[offset[n] .. offset[n] + length[n]), which always
 *                       lies inside data
 * Returns the rows written. If *at < size the columns were full: take the rows and call again with the same *at.
 * *at > size is taken as size. Time is bounded: a candidate costs the octets of one frame at most, and nothing is
 * remembered between calls but *at. After a broken frame the search goes on inside it. */
#define MSDK_GOOD 0      /* all check sequences are right */
#define MSDK_HEADER 1    /* HDLC: the addresses do not end, or leave no room for control and check sequence */
#define MSDK_HCS 2       /* HDLC: header check sequence wrong */
#define MSDK_CHECK 3     /* FCS, BCC or CRC wrong */
#define MSDK_END 4       /* no closing flag where the length field puts it; no ETX/EOT before the next SOH/STX */
#define MSDK_TRUNCATED 5 /* the capture ends first; length is what is there */
#define MSDK_LIMIT 6     /* IEC 62056-21: no end within MSDK_IEC_LIMIT octets; length is that limit */

/* HDLC frame type 3 (IEC 62056-46 6.4): opening flag up to closing flag, both counted; one flag may close a frame and
 * open the next. A candidate whose HCS is wrong and which no flag closes is taken for noise and not reported. */
size_t msdk_scan_hdlc(const uint8_t *data, size_t size, size_t *at, uint64_t *offset, uint32_t *length,
                      uint8_t *reason, size_t room);

/* IEC 62056-21 blocks: SOH or STX up to the BCC behind ETX or EOT. Octets may still carry their parity bit: it is
 * ignored everywhere, the BCC included. */
#define MSDK_IEC_LIMIT 1048576 /* 18 minutes of line at 9600 Bd: no block is longer, a lost ETX is likelier */
size_t msdk_scan_iec(const uint8_t *data, size_t size, size_t *at, uint64_t *offset, uint32_t *length,
                     uint8_t *reason, size_t room);

/* ANSI C12.18 packets: 0xEE up to the CRC. A header with reserved control bits or with more data than the largest
 * packet holds is noise. */
#define MSDK_C1218_MAX_DATA 8184 /* packets of 8192 octets with 8 of overhead */
size_t msdk_scan_c1218(const uint8_t *data, size_t size, size_t *at, uint64_t *offset, uint32_t *length,
                       uint8_t *reason, size_t room);


/* cdef end */

#ifdef __cplusplus
}
#endif

#endif
