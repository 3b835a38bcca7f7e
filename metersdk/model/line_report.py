"""How a line did: what ``meter.line`` gives."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

from metersdk.errors import Finding


@dataclass(frozen=True, slots=True)
class LineReport:
    """Figures and findings of one session. Times are seconds; what was not seen is None.

    Attributes:
        octets_sent, octets_received: on the line, parity bits and damaged ones included.
        frames_good, frames_bad: HDLC frames, wrapper messages and 62056-21 messages that came.
        retransmissions: frames sent again and messages asked for again.
        errors: what was tolerated, by the code of its finding.
        turnaround_min, turnaround_median, turnaround_max: from the last octet of a request to the first of its answer.
        baud: speed after the sign-on, None where there is no line.
        best_baud: the highest speed that stayed stable with this meter, over the sessions remembered.
        echo: what the probe returns of what it sends: ``none``, ``partial``, ``full``.
        switch_delay: from the end of the acknowledgement to the change of speed.
        repeat_time: line time that damaged and repeated frames cost.
        line_time: time that all octets took on the line, both ways.
        findings: what the line suffers from, the likeliest cause first; empty for a line in order.
    """

    octets_sent: int = 0
    octets_received: int = 0
    frames_good: int = 0
    frames_bad: int = 0
    retransmissions: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    turnaround_min: float | None = None
    turnaround_median: float | None = None
    turnaround_max: float | None = None
    baud: int | None = None
    best_baud: int | None = None
    echo: str = "none"
    switch_delay: float | None = None
    repeat_time: float = 0.0
    line_time: float = 0.0
    findings: tuple[Finding, ...] = ()

    def as_dict(self) -> dict[str, object]:
        """Plain values, for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        """``9600 Bd, 1234 octets in, 56 out, 12 frames, 1 bad, 2 repeated (0.8 s), turnaround 204 ms (201 to 210)``."""
        parts = [f"{self.baud} Bd"] if self.baud else []
        parts.append(f"{self.octets_received} octets in, {self.octets_sent} out")
        parts.append(f"{self.frames_good} frames, {self.frames_bad} bad")
        cost = f" ({self.repeat_time:.1f} s)" if self.repeat_time else ""
        parts.append(f"{self.retransmissions} repeated{cost}")
        times = self.turnaround_median, self.turnaround_min, self.turnaround_max
        if None not in times:
            median, least, most = (f"{1000 * (each or 0):.0f}" for each in times)
            parts.append(f"turnaround {median} ms ({least} to {most})")
        return ", ".join(parts)
