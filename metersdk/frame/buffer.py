"""The octets that have come and are not yet taken.

One buffer serves all protocols of one line: what IEC 62056-21 mode E leaves behind, HDLC finds.
"""

from __future__ import annotations

from dataclasses import dataclass

from metersdk.errors import LimitExceeded

# The longest unit that must lie here whole before it can be proved is a 62056-21 data block (the BCC comes last). A
# load profile of a year in readout form stays below 1 MiB; a peer that sends more without an end is not a meter.
DEFAULT_LIMIT = 1 << 20


@dataclass(slots=True)
class FrameCounts:
    """Frames of one line: good and bad ones that came, and those sent or asked for again."""

    good: int = 0
    bad: int = 0
    repeats: int = 0


class ReceiveBuffer:
    """A bounded first-in first-out store of octets.

    Args:
        limit: octets it holds at most; ``feed`` raises ``LimitExceeded`` beyond it.

    Attributes:
        counts: what became of the octets, kept by the protocols that take them.
    """

    __slots__ = ("_octets", "counts", "limit")

    def __init__(self, limit: int = DEFAULT_LIMIT) -> None:
        self._octets = bytearray()
        self.counts = FrameCounts()
        self.limit = limit

    def __len__(self) -> int:
        return len(self._octets)

    def __repr__(self) -> str:
        return f"ReceiveBuffer({len(self._octets)} of {self.limit} octets)"

    def feed(self, data: bytes) -> None:
        """Append octets.

        Raises:
            LimitExceeded: nothing of ``data`` was stored.
        """
        if len(self._octets) + len(data) > self.limit:
            raise LimitExceeded(
                f"{len(self._octets) + len(data)} octets came without one complete unit; {self.limit} is the bound",
                layer="line",
                data=bytes(self._octets[:64]),
                hint="check speed and protocol: this does not look like what was asked for",
            )
        self._octets += data

    def view(self) -> bytearray:
        """The octets themselves, not a copy: read only, and only until the next call that changes the buffer."""
        return self._octets

    def find(self, octets: bytes | int, start: int = 0) -> int:
        """Offset of the first occurrence at or after ``start``, or -1."""
        return self._octets.find(octets, start)

    def take(self, count: int) -> bytes:
        """Remove and return the first ``count`` octets (fewer if fewer are there)."""
        taken = bytes(self._octets[:count])
        del self._octets[:count]
        return taken

    def drop(self, count: int) -> None:
        """Remove the first ``count`` octets."""
        del self._octets[:count]

    def clear(self) -> None:
        """Remove everything."""
        self._octets.clear()
