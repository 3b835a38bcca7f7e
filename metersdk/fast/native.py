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

# Rows a scan fetches with one call: 52 KiB of columns, which stay in the processor's cache.
_ROOM = 1 << 12

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
    columns = array("Q"), array("I"), array("B")
    # A whole block has three octets at least; should torn ones be more than that, another round fetches them.
    room = min(_ROOM, size // 3 + 1)
    memory = ffi.new("uint64_t[]", room), ffi.new("uint32_t[]", room), ffi.new("uint8_t[]", room)
    at = ffi.new("size_t *")
    while at[0] < size:
        rows = function(octets, size, at, *memory, room)
        for column, chunk in zip(columns, memory, strict=True):
            column.frombytes(ffi.buffer(chunk, rows * column.itemsize))
    return columns


def scan_hdlc(data: Octets) -> Columns:
    """All HDLC frames type 3 (IEC 62056-46 6.4): opening through closing flag, which may be the next one's opening."""
    return _scan(lib.msdk_scan_hdlc, data)


def scan_iec(data: Octets) -> Columns:
    """All IEC 62056-21 blocks: SOH or STX through the BCC behind ETX or EOT. Parity bits are ignored everywhere."""
    return _scan(lib.msdk_scan_iec, data)


def scan_c1218(data: Octets) -> Columns:
    """All ANSI C12.18 packets: 0xEE through the CRC."""
    return _scan(lib.msdk_scan_c1218, data)
