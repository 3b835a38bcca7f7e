"""What a primary and a secondary HDLC station have in common: frames in, and notes of what was odd."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from metersdk.effects import Dialog, Now, Receive
from metersdk.errors import Finding, LocalProtocolError
from metersdk.frame.buffer import ReceiveBuffer
from metersdk.frame.hdlc import FLAG, LLC_COMMAND, LLC_RESPONSE, Frame, Tally, resync, take_frame
from metersdk.frame.hdlc_parameters import INFORMATION_RANGE, WINDOW_RANGE

# Nobody speaks into a line that is not silent: octets that prove to be no frame may be a damaged one, still coming in.
_QUIET: Final = 0.25
# On a line that damages frames, so much silence after octets says that no more of them come.
BROKEN_OFF: Final = 0.4
_FLAGS: Final = bytes((FLAG,))
# Largest APDU: max-pdu is 16 bits wide, and limits the APDU as it travels.
MAX_APDU: Final = 0xFFFF
# What to do once a link is gone.
CONNECT_AGAIN: Final = "connect again: the link is gone, and the association with it"
# Pushes kept for a caller who does not fetch them; then the oldest goes, with a finding.
MAX_PUSHES: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What a station offers in SNRM or UA, and how long it waits within a frame.

    Args:
        max_info_tx, max_info_rx: octets of information in one frame, 32..2030.
        window_tx, window_rx: I frames before an acknowledgement, 1..7.
        inter_octet_timeout: seconds after which a frame that stopped in its middle is given up. The standard's 25 ms
            (20..6000) is too short for USB adapters and gateways.
    """

    max_info_tx: int = 2030
    max_info_rx: int = 2030
    window_tx: int = 7
    window_rx: int = 7
    inter_octet_timeout: float = 1.0

    def __post_init__(self) -> None:
        if self.max_info_tx not in INFORMATION_RANGE or self.max_info_rx not in INFORMATION_RANGE:
            raise LocalProtocolError("max_info_tx and max_info_rx are 32 to 2030 octets", layer="link")
        if self.window_tx not in WINDOW_RANGE or self.window_rx not in WINDOW_RANGE:
            raise LocalProtocolError("window_tx and window_rx are 1 to 7 frames", layer="link")
        if self.inter_octet_timeout <= 0:
            raise LocalProtocolError("inter_octet_timeout is a positive number of seconds", layer="link")


class Findings(list[Finding]):
    """Findings of one link, each code once: a noisy line must not fill the memory."""

    def once(self, code: str, text: str, *, layer: str = "link", hint: str = "") -> None:
        """Note it, unless the code was noted before."""
        if not any(finding.code == code for finding in self):
            self.append(Finding(code, text, layer, -1, hint))

    def add_all(self, findings: Iterable[Finding]) -> None:
        """Note the first of each code."""
        for finding in findings:
            if not any(known.code == finding.code for known in self):
                self.append(finding)


def without_llc(payload: bytes, findings: Findings) -> bytes:
    """The APDU of a meter's payload. Pushes in general blocks carry the LLC header in the first frame only."""
    if payload.startswith(LLC_RESPONSE):
        return payload[len(LLC_RESPONSE) :]
    if payload.startswith(LLC_COMMAND):
        findings.once("hdlc-llc", "the meter sends the LLC header of a client (E6 E6 00)")
        return payload[len(LLC_COMMAND) :]
    findings.once("hdlc-llc", "an APDU came without LLC header")
    return payload


class Station(ABC):
    """Reads frames addressed to it.

    Attributes:
        findings: what was tolerated.
        tally: octets and frames passed over.
    """

    def __init__(self, buffer: ReceiveBuffer, inter_octet_timeout: float) -> None:
        self._notes = Findings()
        self.findings: list[Finding] = self._notes
        self.tally = Tally()
        self._buffer = buffer
        self._octets = buffer.view()
        self._counts = buffer.counts
        self._bad = 0
        self._inter_octet_timeout = inter_octet_timeout

    @property
    def damage(self) -> int:
        """How much has come that was no frame: octets, and frames that did not pass their checks."""
        return self.tally.damage

    @abstractmethod
    def _is_mine(self, frame: Frame) -> bool:
        """Whether the frame is addressed to this station, by its peer."""

    @property
    def is_receiving(self) -> bool:
        """Whether there is more in the buffer than a flag, which closes the last frame or is an idle line."""
        return len(self._octets) > 1

    def _take(self) -> Frame | None:
        """The next frame for this station that is already in the buffer."""
        if not self.is_receiving:
            return None
        tally = self.tally
        while (frame := take_frame(self._buffer, tally)) is not None:
            if self._is_mine(frame):
                self._counts.good += 1
                break
        if tally.bad:
            self._counts.bad += tally.bad - self._bad
            self._bad = tally.bad
            hint = "align the probe, shade it from light, or try a lower speed"
            self._notes.once("hdlc-checksum", "frames with a wrong HCS or FCS were dropped", layer="frame", hint=hint)
        return frame

    def _next_frame(
        self, until: float, deadline: float, time: float | None = None, data: bytes = b""
    ) -> Dialog[Frame | None]:
        """The next frame for this station; None at ``until``, or as soon as a frame broke off in its middle.

        While a frame is coming in, ``until`` waits for it, but no longer than the inter-octet time-out after its last
        octet; while anything but flags is coming in, for a moment of silence; and never beyond ``deadline``. On a line
        that damages frames, silence after octets ends the waiting. ``time`` is what ``Now()`` would answer at this
        moment, where that is known, and ``data`` what came last and lies in the buffer.
        """
        while (frame := self._take()) is None:
            now: float = (yield Now()) if time is None else time
            time = None
            damaged = self.damage > 0
            if data.strip(_FLAGS):
                until = min(now + BROKEN_OFF if damaged else max(until, now + _QUIET), deadline)
            begun = self.is_receiving
            within = min(self._inter_octet_timeout, BROKEN_OFF) if damaged else self._inter_octet_timeout
            patience = min(within, deadline - now) if begun else until - now
            if patience <= 0:
                return None
            data = yield Receive(patience)
            if data:
                self._buffer.feed(data)
            elif begun:
                return self._salvage()
        return frame

    def _salvage(self) -> Frame | None:
        """The line fell silent: what was begun will never be whole, but a good frame may lie within."""
        self._counts.bad += self.is_receiving
        while self.is_receiving:
            resync(self._buffer)
            if (frame := self._take()) is not None:
                return frame
        return None
