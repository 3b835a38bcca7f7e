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

/* XOR of all octets: the block check character of IEC 62056-21 (ISO 1155). 0 for size 0. Cannot fail. */
uint8_t msdk_bcc(const uint8_t *data, size_t size);

/* cdef end */

#ifdef __cplusplus
}
#endif

#endif
