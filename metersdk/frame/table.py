"""Every frame of a capture as columns: where it is, how long it is, and whether its check sequences are right."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from mmap import mmap
from typing import TypeAlias, TypeGuard

from metersdk import fast
from metersdk.errors import LocalProtocolError
from metersdk.fast import Reason
from metersdk.frame.sml import scan_sml

Capture: TypeAlias = bytes | bytearray | memoryview | mmap

_SCANS: Mapping[str, Callable[[Capture], tuple[array[int], array[int], array[int]]]] = {
    "hdlc": fast.scan_hdlc,
    "iec62056-21": fast.scan_iec,
    "c1218": fast.scan_c1218,
    "sml": scan_sml,
}


@dataclass(frozen=True, slots=True)
class FrameRecord:
    """One row of a ``FrameTable``: octets ``offset`` to ``offset + length`` of the capture, and the verdict on them."""

    offset: int
    length: int
    reason: Reason

    @property
    def ok(self) -> bool:
        """True if all check sequences of the frame are right."""
        return self.reason is Reason.GOOD


@dataclass(frozen=True, slots=True)
class FrameTable:
    """The frames of one capture, in order of their offset.

    Columns are typed buffers of equal length, as ``memoryview``, NumPy and Arrow read them without a copy:

    ``offset``  unsigned 64 bit, octets from the start of the capture
    ``length``  unsigned 32 bit, octets; flags, start characters and check sequences are counted
    ``ok``      unsigned 8 bit, 1 where all check sequences are right
    ``reason``  unsigned 8 bit, ``Reason`` code: 0 for good, else what is wrong

    Frames that share a flag both count it. Broken frames have their row too, and what is found inside them has its own.
    """

    kind: str
    offset: array[int]
    length: array[int]
    reason: array[int]
    ok: array[int] = field(init=False)
    capture: bytes | memoryview | mmap = field(repr=False)

    def __post_init__(self) -> None:
        flags = self.reason.tobytes().translate(_IS_GOOD)
        object.__setattr__(self, "ok", array("B", flags))

    def __len__(self) -> int:
        return len(self.offset)

    def __iter__(self) -> Iterator[FrameRecord]:
        for offset, length, reason in zip(self.offset, self.length, self.reason, strict=True):
            yield FrameRecord(offset, length, Reason(reason))

    @property
    def good(self) -> int:
        """Number of frames whose check sequences are all right."""
        return self.ok.count(1)

    def frame(self, index: int) -> bytes:
        """The octets of row ``index``; negative numbers count from the end. IndexError beyond the table."""
        offset = self.offset[index]
        return bytes(self.capture[offset : offset + self.length[index]])


_IS_GOOD = bytes(code == Reason.GOOD for code in range(256))


def scan(data: Capture, kind: str) -> FrameTable:
    """Find and prove every frame of a capture.

    Args:
        data: the capture, at any size. ``bytes``, a read-only ``mmap`` and other read-only buffers are read where they
            lie and must stay as they are while the table is in use; a buffer that can be written to is copied.
        kind: ``"hdlc"`` (flag to flag), ``"iec62056-21"`` (SOH/STX to BCC, with or without parity bits), ``"c1218"``
            (0xEE to CRC) or ``"sml"`` (escape and start to CRC).

    Raises:
        LocalProtocolError: there is no such kind.
    """
    if kind not in _SCANS:
        raise LocalProtocolError(f"cannot scan for {kind!r}", layer="frame", hint=f"one of: {', '.join(_SCANS)}")
    capture = data if _settled(data) else bytes(memoryview(data))
    return FrameTable(kind, *_SCANS[kind](capture), capture)


def _settled(data: Capture) -> TypeGuard[bytes | memoryview | mmap]:
    """Nobody can write to it, and it is a plain run of octets."""
    with memoryview(data) as view:
        return view.readonly and view.c_contiguous and view.format == "B"
