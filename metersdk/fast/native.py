"""The C kernel behind the contract of ``fast``: one call for a whole buffer.

``bytes`` and buffers that cannot change are read where they lie; of any other buffer a copy is read, because the call
gives up the GIL and somebody could write to it meanwhile.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from typing import Any

from metersdk._kernel import ffi, lib
from metersdk.fast.pure import Columns, Octets, Reason

__all__ = ["Reason", "bcc", "crc16", "parity_add", "parity_strip", "scan_c1218", "scan_hdlc", "scan_iec"]

# Rows a scan has room for at first, and how many times as many in the next round at most.
_FIRST = 1 << 10
_MOST = 64

_bcc: Callable[[object, int], int] = lib.msdk_bcc
_crc16: Callable[[object, int], int] = lib.msdk_crc16


def _stable(data: Octets) -> Any:
    """``data`` as something that C may read and nobody writes to."""
    if isinstance(data, bytes):
        return data
    view = memoryview(data)
    return ffi.from_buffer("uint8_t[]", view) if view.readonly and view.c_contiguous else bytes(view)


def bcc(data: Octets) -> int:
    """XOR of all octets: the block check character of IEC 62056-21."""
    octets = data if type(data) is bytes else _stable(data)
    return _bcc(octets, len(octets))


def crc16(data: Octets) -> int:
    """CRC-16/X.25 (ISO/IEC 13239 FCS-16, check 0x906E); on the wire low octet first."""
    octets = data if type(data) is bytes else _stable(data)
    return _crc16(octets, len(octets))


def parity_add(data: Octets) -> bytes:
    """7E1: the low seven bits of every octet, bit 7 set where that makes the parity even."""
    octets = _stable(data)
    out = bytearray(len(octets))
    lib.msdk_parity_add(octets, len(octets), ffi.from_buffer(out))
    return bytes(out)


def parity_strip(data: Octets) -> tuple[bytes, array[int]]:
    """7E1: every octet without bit 7, and the positions (``array("Q")``) of those whose parity is odd."""
    octets = _stable(data)
    size = len(octets)
    out = bytearray(size)
    target = ffi.from_buffer(out)
    bad = array("Q")
    found = lib.msdk_parity_strip(octets, size, target, ffi.NULL, 0)
    if found:
        bad.frombytes(bytes(8 * found))
        lib.msdk_parity_strip(octets, size, target, ffi.from_buffer("uint64_t[]", bad), found)
    return bytes(out), bad


def _scan(function: Callable[..., int], data: Octets) -> Columns:
    octets = _stable(data)
    size = len(octets)
    # A whole block has three octets at least; should torn ones be more than that, another round has room for them.
    room = min(_FIRST, size // 3 + 1)
    columns = array("Q", (0,)) * room, array("I", (0,)) * room, array("B", (0,)) * room
    at = ffi.new("size_t *")
    rows = 0
    while at[0] < size:
        if rows == room:
            # As many more as the octets so far lead to expect: fresh memory costs an eighth of the scan.
            times = min(2 + rows * (size - at[0]) // at[0] * 17 // 16 // room, _MOST)
            for column in columns:
                column *= times  # in place
            room *= times
        rows += _fill(function, octets, at, columns, rows)
    for column in columns:
        del column[rows:]
    return columns


def _fill(function: Callable[..., int], octets: Any, at: Any, columns: Columns, rows: int) -> int:
    """Scan on from ``at`` into the columns behind ``rows``, which cannot grow before this returns."""
    offset, length, reason = map(ffi.from_buffer, ("uint64_t[]", "uint32_t[]", "uint8_t[]"), columns)
    return function(octets, len(octets), at, offset + rows, length + rows, reason + rows, len(columns[0]) - rows)


def scan_hdlc(data: Octets) -> Columns:
    """All HDLC frames type 3 (IEC 62056-46 6.4): opening through closing flag, which may be the next one's opening."""
    return _scan(lib.msdk_scan_hdlc, data)


def scan_iec(data: Octets) -> Columns:
    """All IEC 62056-21 blocks: SOH or STX through the BCC behind ETX or EOT. Parity bits are ignored everywhere."""
    return _scan(lib.msdk_scan_iec, data)


def scan_c1218(data: Octets) -> Columns:
    """All ANSI C12.18 packets: 0xEE through the CRC."""
    return _scan(lib.msdk_scan_c1218, data)
