"""The Python twin of the C kernel: same names, same contract, no compiler needed.

The contracts stand in csrc/metersdk.h. All octets go in as ``bytes`` or any other buffer; anything but ``bytes`` is
copied once. Scans give three columns of equal length: offset (``array("Q")``), length (``array("I")``) and reason
(``array("B")`` of ``Reason`` codes).
"""

from __future__ import annotations

import binascii
import re
from array import array
from collections.abc import Callable
from enum import IntEnum
from itertools import compress
from mmap import mmap
from typing import TypeAlias

Octets: TypeAlias = bytes | bytearray | memoryview | mmap
Columns: TypeAlias = "tuple[array[int], array[int], array[int]]"


class Reason(IntEnum):
    """What a scan says about a frame it found."""

    GOOD = 0
    """All check sequences are right."""
    HEADER = 1
    """HDLC: the addresses do not end, or leave no room for control and check sequence."""
    HCS = 2
    """HDLC: header check sequence wrong."""
    CHECK = 3
    """FCS, BCC or CRC wrong."""
    END = 4
    """No closing flag where the length field puts it; no ETX or EOT before the next SOH or STX."""
    TRUNCATED = 5
    """The capture ends first; the length is what is there."""
    LIMIT = 6
    """IEC 62056-21: no end within ``IEC_LIMIT`` octets; the length is that limit."""


GOOD, HEADER, HCS, CHECK, END, TRUNCATED, LIMIT = map(int, Reason)
NOISE = -1

# 18 minutes of line at 9600 Bd: no block is longer, a lost ETX is likelier.
IEC_LIMIT = 1 << 20
# C12.18 packets of 8192 octets with 8 of overhead.
C1218_MAX_DATA = 8184

_PARITY = bytes(value.bit_count() & 1 for value in range(256))
_ADD_PARITY = bytes(value & 0x7F | _PARITY[value & 0x7F] << 7 for value in range(256))
_STRIP_PARITY = bytes(value & 0x7F for value in range(256))
_REVERSED = bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))


def _bytes(data: Octets) -> bytes:
    return data if isinstance(data, bytes) else bytes(memoryview(data))


def bcc(data: Octets) -> int:
    """XOR of all octets: the block check character of IEC 62056-21."""
    octets = _bytes(data)
    value = int.from_bytes(octets, "little")
    size = len(octets)
    # Fold the number in half until one octet is left.
    while size > 1:
        half = (size + 1) // 2
        value = (value >> 8 * half) ^ (value & ((1 << 8 * half) - 1))
        size = half
    return value


def crc16(data: Octets) -> int:
    """CRC-16/X.25 (ISO/IEC 13239 FCS-16, check 0x906E); on the wire low octet first."""
    # binascii has the same polynomial, not reflected: mirror the octets on the way in and the result on the way out.
    octets = _bytes(data)
    crc = binascii.crc_hqx(octets.translate(_REVERSED), 0xFFFF) ^ 0xFFFF
    return _REVERSED[crc & 0xFF] << 8 | _REVERSED[crc >> 8]


def parity_add(data: Octets) -> bytes:
    """7E1: the low seven bits of every octet, bit 7 set where that makes the parity even."""
    return _bytes(data).translate(_ADD_PARITY)


def parity_strip(data: Octets) -> tuple[bytes, array[int]]:
    """7E1: every octet without bit 7, and the positions (``array("Q")``) of those whose parity is odd."""
    octets = _bytes(data)
    odd = octets.translate(_PARITY)
    bad = array("Q", compress(range(len(odd)), odd) if 1 in odd else ())
    return octets.translate(_STRIP_PARITY), bad


def _crc_right(data: bytes, start: int, stop: int) -> bool:
    """Is ``data[start:stop]`` followed by its CRC-16, low octet first?"""
    return crc16(data[start:stop]) == data[stop] | data[stop + 1] << 8


# ---- HDLC ------------------------------------------------------------------------------------------------------------

_HDLC_SHORTEST = 7  # format 2, addresses 1 + 1, control 1, FCS 2


def _hdlc_header(data: bytes, body: int, room: int) -> int:
    """Octets from the format field through the control field, ``room`` at most; 0 if the addresses do not end."""
    at = 2
    for _ in range(2):
        for _ in range(4):
            if at == room:
                return 0
            at += 1
            if data[body + at - 1] & 1:
                break
        else:
            return 0
    return at + 1 if at < room else 0


def _judge_hdlc(data: bytes, start: int) -> tuple[int, int]:
    """Reason and length of the candidate whose opening flag is at ``start``."""
    body = start + 1
    remaining = len(data) - body
    if remaining < _HDLC_SHORTEST or data[body] & 0xF0 != 0xA0:
        return NOISE, 0
    # The length field counts from the format field through the FCS: 1010 S LLLLLLLLLLL.
    size = (data[body] & 0x07) << 8 | data[body + 1]
    if size < _HDLC_SHORTEST:
        return NOISE, 0
    whole = size < remaining
    header = _hdlc_header(data, body, min(size, remaining))
    # An HCS stands only where an information field follows; without one there is the FCS alone.
    has_hcs = header != 0 and header + 4 <= size
    if whole and data[body + size] == 0x7E:
        if not has_hcs and header + 2 != size:
            return HEADER, size + 2
        if has_hcs and not _crc_right(data, body, body + header):
            return HCS, size + 2
        return (GOOD if _crc_right(data, body, body + size - 2) else CHECK), size + 2
    if not has_hcs or header + 2 > remaining or not _crc_right(data, body, body + header):
        return NOISE, 0
    return (END, size + 2) if whole else (TRUNCATED, remaining + 1)


def scan_hdlc(data: Octets) -> Columns:
    """All HDLC frames type 3 (IEC 62056-46 6.4): opening through closing flag, which may be the next one's opening."""
    # The closing flag may open the next frame: go on with it.
    return _scan(_bytes(data), b"\x7e", _judge_hdlc, shared=1)


# ---- ANSI C12.18 -----------------------------------------------------------------------------------------------------

_C1218_HEADER = 6  # start, identity, control, sequence, length 2
_C1218_RESERVED = 0x1C  # of the control octet


def _judge_c1218(data: bytes, start: int) -> tuple[int, int]:
    """Reason and length of the candidate whose 0xEE is at ``start``."""
    remaining = len(data) - start
    if remaining < _C1218_HEADER or data[start + 2] & _C1218_RESERVED:
        return NOISE, 0
    size = data[start + 4] << 8 | data[start + 5]
    if size > C1218_MAX_DATA:
        return NOISE, 0
    size += _C1218_HEADER
    if size + 2 > remaining:
        return TRUNCATED, remaining
    return (GOOD if _crc_right(data, start, start + size) else CHECK), size + 2


def scan_c1218(data: Octets) -> Columns:
    """All ANSI C12.18 packets: 0xEE through the CRC."""
    return _scan(_bytes(data), b"\xee", _judge_c1218, shared=0)


def _scan(data: bytes, first: bytes, judge: Callable[[bytes, int], tuple[int, int]], shared: int) -> Columns:
    """Judge every octet ``first``; go on behind a good frame less ``shared`` octets, and inside a broken one."""
    offsets, lengths, reasons = array("Q"), array("I"), array("B")
    here = data.find(first)
    while here >= 0:
        reason, length = judge(data, here)
        if reason != NOISE:
            offsets.append(here)
            lengths.append(length)
            reasons.append(reason)
        here = data.find(first, here + length - shared if reason == GOOD else here + 1)
    return offsets, lengths, reasons


# ---- IEC 62056-21 ----------------------------------------------------------------------------------------------------

_SOH, _STX, _ETX = 1, 2, 3
# With and without a parity bit: SOH STX ETX EOT, and the two that begin a block.
_CONTROL = re.compile(rb"[\x01-\x04\x81-\x84]")
_START = re.compile(rb"[\x01\x02\x81\x82]")


def _find_control(data: bytes, start: int, stop: int) -> int:
    found = _CONTROL.search(data, start, stop)
    return found.start() if found else stop


def _judge_iec(data: bytes, start: int) -> tuple[int, int, int, int]:
    """Reason, offset and length of the block whose SOH or STX is at ``start``, and where to go on."""
    stop = min(len(data), start + IEC_LIMIT)
    end = _find_control(data, start + 1, stop)
    # SOH, two letters of command, STX, data set: that STX belongs to the block.
    command = end == start + 3 and end < stop and data[start] & 0x7F == _SOH and data[end] & 0x7F == _STX
    if command:
        end = _find_control(data, end + 1, stop)
    if end == stop:
        return (LIMIT if stop < len(data) else TRUNCATED), start, stop - start, stop
    if data[end] & 0x7F < _ETX:
        return END, start, end - start, end
    if end + 1 == len(data):
        return TRUNCATED, start, end + 1 - start, end + 1
    # The BCC counts from behind the first SOH or STX through ETX or EOT.
    wrong = (bcc(data[start + 1 : end + 1]) ^ data[end + 1]) & 0x7F
    if wrong == 0:
        return GOOD, start, end + 2 - start, end + 2
    if command and wrong == bcc(data[start + 1 : start + 4]) & 0x7F:
        return GOOD, start + 3, end - 1 - start, end + 2  # the SOH was noise before a good block
    return CHECK, start, end + 2 - start, end + 1  # what stands for the BCC may begin the next block


def scan_iec(data: Octets) -> Columns:
    """All IEC 62056-21 blocks: SOH or STX through the BCC behind ETX or EOT. Parity bits are ignored everywhere."""
    octets = _bytes(data)
    offsets, lengths, reasons = array("Q"), array("I"), array("B")
    found = _START.search(octets)
    while found:
        reason, offset, length, here = _judge_iec(octets, found.start())
        offsets.append(offset)
        lengths.append(length)
        reasons.append(reason)
        found = _START.search(octets, here)
    return offsets, lengths, reasons
