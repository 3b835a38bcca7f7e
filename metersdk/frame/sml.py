"""SML transport: bytes <-> SML file (BSI TR-03109-1 annex, "SML transport protocol version 1"; EDL21 optical ports).

::

    1B 1B 1B 1B 01 01 01 01 | messages, 1B 1B 1B 1B doubled | 00 * n | 1B 1B 1B 1B 1A n CRC CRC        n = 0 .. 3

The CRC is CRC-16/X.25 over everything before it, low octet first. The sender fills up to a multiple of four, but lost
octets shift what follows, so nothing here counts on it. A frame whose CRC is wrong is handed out as such: the messages
in it have check sequences of their own.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from mmap import mmap
from typing import Final, Literal, TypeAlias

from metersdk import fast
from metersdk.fast import Reason
from metersdk.frame.buffer import ReceiveBuffer

Octets: TypeAlias = bytes | bytearray | memoryview | mmap
Check: TypeAlias = Literal["x25", "kermit", ""]

ESCAPE: Final = b"\x1b" * 4
START: Final = ESCAPE + b"\x01" * 4
START_2: Final = ESCAPE + b"\x02" * 4
# 68 s of line at 9600 Bd; a telegram has 200 to 1000 octets.
FRAME_LIMIT: Final = 1 << 16

_START = re.compile(rb"\x1b{4}(?:\x01{4}|\x02{4})")
_RUN = re.compile(rb"\x1b{4,}")
_END, _TIMEOUT, _BLOCK = 0x1A, 0x03, 0x04
# The longest head of a start sequence that may still become one.
_HEAD = len(START) - 1


@dataclass(frozen=True, slots=True)
class SmlFrame:
    """One SML file as it was sent.

    Attributes:
        payload: the messages, escapes and fill octets taken off.
        version: of the transport protocol; 2 is recognised, and its files are not decoded.
        reason: ``GOOD``, ``CHECK`` the CRC is wrong, ``END`` another file began before this one ended, ``LIMIT``,
            ``TRUNCATED``.
        check: what the CRC proved to be: X.25, the Kermit form that some meters send, or neither.
        offset, length: where it was, in octets of what was scanned since the beginning.
        fill: fill octets that the end told.
        raw: the octets themselves.
    """

    payload: bytes
    version: int = 1
    reason: Reason = Reason.GOOD
    check: Check = "x25"
    offset: int = 0
    length: int = 0
    fill: int = 0
    raw: bytes = b""

    @property
    def ok(self) -> bool:
        """True if its CRC is right."""
        return self.reason is Reason.GOOD


@dataclass(frozen=True, slots=True)
class _Ended:
    """Where a frame ended, and how."""

    body: int
    after: int
    reason: Reason
    fill: int = 0


def kermit(data: bytes) -> int:
    """CRC-16/KERMIT, check 0x2189. The polynomial is that of X.25, so the two differ by what the preset makes."""
    return fast.crc16(data) ^ fast.crc16(bytes(len(data)))


def encode_frame(payload: bytes) -> bytes:
    """One SML file, version 1."""
    fill = -len(payload) % 4
    body = START + payload.replace(ESCAPE, ESCAPE * 2) + bytes(fill) + ESCAPE + bytes((_END, fill))
    return body + fast.crc16(body).to_bytes(2, "little")


def _find_end(data: bytes | bytearray, start: int, searched: int, stop: int) -> _Ended | int:
    """How the frame at ``start`` ends before ``stop``; a number, the octet to go on at, while that cannot be said."""
    at = max(start + len(START), searched)
    version = 1 if data[start + 4] == 1 else 2
    while True:
        run = _RUN.search(data, at, stop)
        if run is None:
            return max(start + len(START), stop - len(ESCAPE) + 1)
        first, after = run.span()
        if after == stop:
            return first
        # Pairs of escapes stand for escapes in the data. What is left of the run after them is an escape with its
        # code behind it, or the beginning of one in the data.
        if (after - first) % 8 < 4:
            at = after
            continue
        mark, code = after - 4, data[after]
        tail = data[after : min(after + 4, stop)]
        if code == _END:
            if len(tail) < 4:
                return first
            return _Ended(mark, after + 4, Reason.GOOD, tail[1])
        if len(tail) < 4 and tail in (START[4 : 4 + len(tail)], START_2[4 : 4 + len(tail)]):
            return first
        if _START.match(data, mark, stop):
            return _Ended(mark, mark, Reason.END)
        if version == 2 and code in (_TIMEOUT, _BLOCK):
            at = after
            continue
        return _Ended(mark, after, Reason.END)


def _frame(data: bytes | bytearray, start: int, end: _Ended, base: int) -> SmlFrame:
    raw = bytes(data[start : end.after])
    body = raw[len(START) : end.body - start]
    reason, check = end.reason, ""
    if reason is Reason.GOOD:
        check = _checked(raw)
        reason = Reason.GOOD if check else Reason.CHECK
        if end.fill < 4 and body.endswith(bytes(end.fill)):
            body = body[: len(body) - end.fill]
    payload = body.replace(ESCAPE * 2, ESCAPE)
    version = 1 if raw[4] == 1 else 2
    return SmlFrame(payload, version, reason, check, base + start, len(raw), end.fill, raw)  # type: ignore[arg-type]


def _checked(raw: bytes) -> Check:
    proved, told = raw[:-2], raw[-2:]
    if fast.crc16(proved) == int.from_bytes(told, "little"):
        return "x25"
    # Seen in both orders.
    value = kermit(proved)
    return "kermit" if value in (int.from_bytes(told, "little"), int.from_bytes(told, "big")) else ""


class SmlScanner:
    """SML files out of a buffer, as they come; what is none is dropped and counted.

    Holds the octets of one file at most, ``limit`` of them.

    Attributes:
        noise: octets that belonged to no file.
    """

    __slots__ = ("_base", "_buffer", "_limit", "_searched", "noise")

    def __init__(self, buffer: ReceiveBuffer, *, limit: int = FRAME_LIMIT) -> None:
        self.noise = 0
        self._buffer = buffer
        self._limit = limit
        # Octets dropped so far: offsets count from the first one.
        self._base = 0
        self._searched = 0

    @property
    def inside(self) -> bool:
        """A file has begun, and has not ended."""
        return self._buffer.view().startswith((START, START_2))

    def take(self, *, final: bool = False) -> SmlFrame | None:
        """The next file, whole or broken; None until more octets come.

        ``final``: nothing more comes; the file that is open is handed out as it is.
        """
        buffer = self._buffer
        data = buffer.view()
        start = _START.search(data)
        if start is None:
            self._drop(len(data) if final else max(0, len(data) - _HEAD), noise=True)
            return None
        self._drop(start.start(), noise=True)
        end = _find_end(data, 0, self._searched, len(data))
        if isinstance(end, int):
            self._searched = end
            if len(data) > self._limit:
                end = _Ended(len(data), len(data), Reason.LIMIT)
            elif final:
                end = _Ended(len(data), len(data), Reason.TRUNCATED)
            else:
                return None
        frame = _frame(data, 0, end, self._base)
        used = frame.length
        if frame.reason is Reason.CHECK:
            # An end that is none, or one that was cut: another file may begin within, or in place of fill and CRC.
            inner = _START.search(frame.raw, len(START))
            used = inner.start() if inner is not None else frame.length - 3
        self._drop(used, noise=False)
        return frame

    def _drop(self, count: int, *, noise: bool) -> None:
        if count:
            self._buffer.drop(count)
            self._base += count
            self._searched = 0
            self.noise += count if noise else 0


def frames(data: Octets) -> Iterator[SmlFrame]:
    """Every SML file of a capture, broken ones too."""
    octets = data if isinstance(data, bytes) else bytes(memoryview(data))
    at = 0
    while (found := _START.search(octets, at)) is not None:
        start = found.start()
        stop = min(start + FRAME_LIMIT, len(octets))
        end = _find_end(octets, start, 0, stop)
        if isinstance(end, int):
            reason = Reason.LIMIT if stop - start == FRAME_LIMIT else Reason.TRUNCATED
            end = _Ended(stop, stop, reason)
        frame = _frame(octets, start, end, 0)
        yield frame
        at = start + (frame.length if frame.ok else len(START))


def scan_sml(data: Octets) -> tuple[array[int], array[int], array[int]]:
    """All SML files as columns: offset, length, ``Reason``."""
    offset, length, reason = array("Q"), array("I"), array("B")
    for frame in frames(data):
        offset.append(frame.offset)
        length.append(frame.length)
        reason.append(frame.reason)
    return offset, length, reason
