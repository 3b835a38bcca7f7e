"""An opened port as the checks see it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Protocol


@dataclass(frozen=True, slots=True)
class LineCounters:
    """What a driver has counted since the device was plugged in."""

    received: int = 0
    sent: int = 0
    framing: int = 0
    overrun: int = 0
    parity: int = 0
    breaks: int = 0
    buffer_overrun: int = 0

    def since(self, earlier: LineCounters) -> LineCounters:
        """The difference."""
        return LineCounters(*(getattr(self, each.name) - getattr(earlier, each.name) for each in fields(self)))

    @property
    def errors(self) -> int:
        """Octets that were not what was sent, and those that were lost."""
        return self.framing + self.overrun + self.parity + self.breaks + self.buffer_overrun


class Line(Protocol):
    """A serial device of this computer, opened for checks. Errors are OSError, as the system gives them."""

    def is_exclusive(self) -> bool | None:
        """Whether somebody keeps others out (TIOCEXCL); None where the system does not tell."""

    def lock(self) -> bool:
        """Take the lock that other programs ask for (flock); False if another has it."""

    def configure(self) -> None:
        """Raw, eight bits, no parity, errors counted, and TIOCEXCL."""

    def set_baud(self, baud: int) -> int | None:
        """Change the speed; what the driver says it has set, None where it cannot be asked. ValueError: no such."""

    def counters(self) -> LineCounters | None:
        """None where the driver has none."""

    def low_latency(self) -> bool | None:
        """Whether the driver is told to hand out octets at once; None where it cannot be told."""

    def set_low_latency(self) -> bool:
        """Tell it; False where it does not take it."""

    def send(self, data: bytes) -> None:
        """Write."""

    def receive(self, timeout: float) -> bytes:
        """What has come, empty after ``timeout`` seconds."""

    def now(self) -> float:
        """Monotonic seconds."""

    def close(self) -> None:
        """Leave the device as it was."""
