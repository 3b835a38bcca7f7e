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


/* ---- data sets of IEC 62056-21 ---------------------------------------------------------------------------------- */

/* Where a reader of a data block stands. offset: in the block, of data[0]; line: number of the line, from 0;
 * line_start: offset in the block of its first octet. */
typedef struct {
    uint64_t offset;
    uint64_t line_start;
    uint32_t line;
} msdk_block_place;

/* The data sets at the head of data that take no liberties, up to the first that does:
 *   (CR LF)* address ("(" text ["*" unit] ")")+
 *   address    1 to 16 of 0-9 A-Z a-z . : * & _ -, the first a letter or digit
 *   text       up to 128 printable ASCII characters but ( ) / ! & # * and the comma. Without a unit behind it, one
 *              that begins with a digit (behind spaces and signs) has no letter or %, unless it is 12 digits and W or S
 *   unit       1 to 16 printable ASCII characters but ( ) ! & # *
 * and the set ends within the first 78 octets of its line. The last one that was found is not counted: more of its
 * values may follow.
 *   place      in and out; left behind the last counted data set
 *   text       room for `size`: each as it stood, with LF for its last bracket
 *   text_size  octets written there
 *   line offset  columns of `room` rows: line of the address, and its offset in the block
 * Returns how many there are; where that is `room`, call again behind them. */
#define MSDK_ADDRESS_LIMIT 16
#define MSDK_VALUE_LIMIT 128
#define MSDK_UNIT_LIMIT 16
#define MSDK_LINE_LIMIT 78
size_t msdk_data_sets(const uint8_t *data, size_t size, msdk_block_place *place, uint8_t *text, size_t *text_size,
                      uint32_t *line, uint64_t *offset, size_t room);

/* ---- load profile of ANSI C12.19 --------------------------------------------------------------------------------- */

/* How a number is written: the NI formats of table 0 by their own numbers, behind them the integers of table 62. */
#define MSDK_LP_F64 0
#define MSDK_LP_F32 1
#define MSDK_LP_CHAR12 2
#define MSDK_LP_CHAR6 3
#define MSDK_LP_FIXED 4 /* INT32 in units of 10^-4 */
#define MSDK_LP_BCD6 5
#define MSDK_LP_BCD4 6
#define MSDK_LP_I24 7
#define MSDK_LP_I32 8
#define MSDK_LP_I40 9
#define MSDK_LP_I48 10
#define MSDK_LP_I64 11
#define MSDK_LP_BCD8 12
#define MSDK_LP_CHAR21 13
#define MSDK_LP_U8 14
#define MSDK_LP_U16 15
#define MSDK_LP_U32 16
#define MSDK_LP_I8 17
#define MSDK_LP_I16 18
#define MSDK_LP_NUMBERS 19
#define MSDK_LP_NONE 255 /* no end readings */

/* Bits of the row flags: those of the common nibble of the extended status, and what the simple status says. */
#define MSDK_LP_DST 1
#define MSDK_LP_NOT_VALID 0x80
/* Status of a channel: the interval was skipped, so that it has no value. */
#define MSDK_LP_SKIPPED 4
#define MSDK_LP_NO_DEVIATION -32768
#define MSDK_LP_LONGEST 1099511627776 /* period, shift and season in ms, either way: 34 years */

/* What a block of tables 64 to 67 looks like, and what its time stamps mean.
 *   shift_ms   added to a stamp; deviation   minutes to add to the local standard time to get UTC, or NO_DEVIATION
 *   season_ms  what daylight saving adds to local time; stamp_season   it is in the stamps, where the status of the
 *              newest interval says so
 *   channels 1 to 255, intervals 0 to 65535; value, reading   MSDK_LP_*; time_format 0 to 4 (TM_FORMAT);
 *   int_format 0 two's complement, 1 ones' complement, 2 sign and magnitude; the others are 0 or 1
 *   descending the first interval of a block is its newest */
typedef struct {
    int64_t period_ms;
    int64_t shift_ms;
    int64_t season_ms;
    uint32_t channels;
    uint32_t intervals;
    int16_t deviation;
    uint8_t big_endian;
    uint8_t int_format;
    uint8_t time_format;
    uint8_t value;
    uint8_t reading;
    uint8_t pulses;
    uint8_t simple_status;
    uint8_t extended_status;
    uint8_t descending;
    uint8_t stamp_season;
} msdk_lp_layout;

/* Columns to fill, of `room` rows or `block_room` blocks.
 *   time deviation time_valid clock_status   when an interval ended: ms UTC, or ms local where there is no deviation
 *   flags      see above
 *   values     of channel c at values + c * value_stride octets, aligned: as wide as the format is, rounded up to a C
 *              integer, BCD unsigned; for CHAR the uint64 offsets in data
 *   valid code (channels columns of `room` each) 0 no value, 1 present; status of the channel
 *   stamp stamp_valid   the stamp of a block in ms, as it stands there
 *   readings reading_valid pulses   of the end of a block, by channels as above
 *   rows blocks   out: how many are filled */
typedef struct {
    int64_t *time;
    int16_t *deviation;
    uint8_t *time_valid;
    uint8_t *clock_status;
    uint8_t *flags;
    uint8_t *values;
    uint8_t *valid;
    uint8_t *code;
    int64_t *stamp;
    uint8_t *stamp_valid;
    uint8_t *readings;
    uint8_t *reading_valid;
    uint32_t *pulses;
    size_t value_stride;
    size_t reading_stride;
    size_t room;
    size_t block_room;
    size_t rows;
    size_t blocks;
} msdk_lp_columns;

/* Read the first valid[n] intervals of the block at data[offset[n]), for n in 0..count), oldest block first; rows come
 * oldest first. A block may be cut off behind the intervals asked for. Stops at one that is not all there, that has not
 * so many intervals, or for which there is no room. Returns the blocks read; 0 also for a layout that is none. */
size_t msdk_lp_read(const uint8_t *data, size_t size, const msdk_lp_layout *layout, const uint64_t *offset,
                    const uint32_t *valid, size_t count, msdk_lp_columns *columns);

/* ---- A-XDR ------------------------------------------------------------------------------------------------------ */

/* Containers inside each other that are read; what nests deeper is refused as MSDK_AXDR_BAD. */
#define MSDK_AXDR_DEPTH 32

/* Kinds of columns: the C type of a value; metersdk.fast.axdr_layout.Kind. */
#define MSDK_AXDR_SKIP 0    /* checked, not stored */
#define MSDK_AXDR_EMPTY 1   /* no values, only `valid` */
#define MSDK_AXDR_I8 2
#define MSDK_AXDR_U8 3
#define MSDK_AXDR_I16 4
#define MSDK_AXDR_U16 5
#define MSDK_AXDR_I32 6
#define MSDK_AXDR_U32 7
#define MSDK_AXDR_I64 8
#define MSDK_AXDR_U64 9
#define MSDK_AXDR_F32 10
#define MSDK_AXDR_F64 11
#define MSDK_AXDR_CLOCK 12  /* int64 milliseconds UTC, with deviation and status */
#define MSDK_AXDR_OCTETS 13 /* uint64 offset of the contents in data, with lengths in octets */
#define MSDK_AXDR_BITS 14   /* the same, lengths in bits */
#define MSDK_AXDR_OBJECT 15 /* the same for whole encoded values */

/* Why reading stopped; metersdk.fast.axdr_layout.Status. */
#define MSDK_AXDR_END 0
#define MSDK_AXDR_MORE 1  /* the octets end inside a row or value */
#define MSDK_AXDR_FULL 2  /* no room */
#define MSDK_AXDR_KIND 3  /* a cell's type is not in `accepts` of its column */
#define MSDK_AXDR_SHAPE 4 /* a structure with another number of cells */
#define MSDK_AXDR_OTHER 5 /* no structure */
#define MSDK_AXDR_BAD 6   /* no A-XDR */

/* One column. Slot 0 of its buffers is the row before the first, row n is slot n + 1; all have capacity + 1 slots.
 *   accepts    set of tags it can hold, bit n for tag n, bit 63 for dont-care
 *   values     of the type of `kind`, aligned for it; none for SKIP and EMPTY
 *   lengths    for OCTETS, BITS and OBJECT
 *   deviation, status   for CLOCK
 *   valid      0 no value, 1 value present, 2 filled for null-data; none for SKIP
 *   tags       in and out: the set of tags met
 *   base       in and out: tag of the last absolute value, for deltas
 *   flags      in and out: 1 undefined clock, 2 clock without deviation, 4 delta without base or out of range
 *   begin length tag    scratch */
typedef struct {
    uint64_t accepts;
    uint64_t tags;
    uint8_t *values;
    uint32_t *lengths;
    int16_t *deviation;
    uint8_t *valid;
    uint8_t *status;
    size_t begin;
    uint32_t length;
    uint32_t kind;
    uint32_t base;
    uint32_t flags;
    uint8_t tag;
} msdk_axdr_column;

/* A table to fill.
 *   layout     tags of the cells of a compact-array's rows, column_count of them; NULL: rows are tagged structures
 *   count      in and out: rows filled
 *   position   out: the first octet that belongs to no row filled
 *   error_offset, error_column   out: where a KIND, SHAPE, OTHER or BAD was met; else -1 */
typedef struct {
    msdk_axdr_column *columns;
    size_t column_count;
    const uint8_t *layout;
    size_t capacity;
    size_t count;
    size_t position;
    int64_t error_offset;
    int64_t error_column;
    int64_t period_ms;
    int deviation_sign;
    int local_deviation;
    int null_repeats;
} msdk_axdr_rows;

/* Read the rows in data[start..end) into rows, as far as they go. Returns one of the above; never MSDK_AXDR_END with
 * octets left. A row that is not whole leaves marks in its slot, but is not counted. start <= end. */
int msdk_axdr_rows_read(const uint8_t *data, size_t start, size_t end, msdk_axdr_rows *rows);

/* Every value in data[*at..size), in order, containers before their elements, into columns of `room` rows: its tag, how
 * many containers are open around it, where its contents begin, and its length (elements, bits, octets). A compact-array
 * is one value whose contents begin with its type description. *at moves behind the last whole value, *count is the
 * values written, *error where a BAD was met. Returns END, MORE, FULL or BAD. */
int msdk_axdr_tokens(const uint8_t *data, size_t size, size_t *at, size_t room, uint8_t *tag, uint8_t *depth,
                     uint64_t *offset, uint32_t *length, size_t *count, size_t *error);

/* cdef end */

#ifdef __cplusplus
}
#endif

#endif
