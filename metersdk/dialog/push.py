"""Pushes over HDLC: whole or in segments, inside of a link or without one."""

from __future__ import annotations

from typing import Final

from metersdk.dialog.hdlc_states import Assembly
from metersdk.dialog.hdlc_station import MAX_APDU, Findings, without_llc
from metersdk.effects import Dialog, Emit, Now, Receive
from metersdk.errors import Finding, LimitExceeded, NoAnswer
from metersdk.frame.buffer import ReceiveBuffer
from metersdk.frame.hdlc import LLC_COMMAND, LLC_RESPONSE, Frame, FrameKind, resync, take_frame

# Meters on one line that push in segments at the same time.
_MAX_SENDERS: Final = 8
# Seconds of silence amid a frame, after which no more of it comes; gateways and USB adapters pause less.
_BROKEN_OFF: Final = 1.0


class PushAssembler:
    """Joins segmented pushes; every pair of addresses has its own row of segments."""

    def __init__(self, findings: Findings, max_apdu: int) -> None:
        self._findings = findings
        self._max_apdu = max_apdu
        self._rows: dict[bytes, Assembly] = {}

    def add(self, frame: Frame) -> bytes | None:
        """The APDU without LLC header, if the frame made it whole."""
        if not frame.information:
            return None
        key = frame.source + frame.destination
        if key not in self._rows and len(self._rows) == _MAX_SENDERS:
            self._rows.clear()
        row = self._rows.setdefault(key, Assembly(self._max_apdu))
        if frame.information.startswith((LLC_RESPONSE, LLC_COMMAND)):
            # A new APDU: what is missing of the last one will not come.
            row.clear()
        try:
            payload = row.add(frame.information, frame.segmented)
        except LimitExceeded:
            row.clear()
            self._findings.once("push-too-long", f"a push of more than {self._max_apdu} octets was dropped")
            return None
        return None if payload is None else without_llc(payload, self._findings)


class PushReceiver:
    """Listens to meters that push without a link: in UI frames, and in the I frames that some makers use.

    Args:
        buffer: the octets of the line.
        max_apdu: longest APDU taken, octets.
    """

    def __init__(self, buffer: ReceiveBuffer, *, max_apdu: int = MAX_APDU) -> None:
        self._notes = Findings()
        self.findings: list[Finding] = self._notes
        self._buffer = buffer
        self._told = 0
        self._assembler = PushAssembler(self._notes, max_apdu)

    def receive(self, deadline: float) -> Dialog[bytes]:
        """The next pushed APDU, whole, without LLC header, from any address to any address.

        Findings are emitted as they are made, each code once.

        Raises:
            NoAnswer: none by the deadline.
        """
        silent = False
        while True:
            while (frame := self._take(final=silent)) is not None:
                apdu = self._assembler.add(frame) if frame.kind in (FrameKind.UI, FrameKind.I) else None
                yield from self._tell()
                if apdu is not None:
                    return apdu
            now: float = yield Now()
            if now >= deadline:
                raise NoAnswer("no push in time", layer="link", retryable=True)
            # One octet is the flag that closed the last frame, or an idle line.
            begun = len(self._buffer) > 1
            data: bytes = yield Receive(min(_BROKEN_OFF, deadline - now) if begun else deadline - now)
            self._buffer.feed(data)
            silent = begun and not data

    def _take(self, *, final: bool) -> Frame | None:
        """The next frame; ``final``: what was begun will never be whole, and would hold up the pushes behind it."""
        frame = take_frame(self._buffer)
        while final and frame is None and len(self._buffer) > 1:
            resync(self._buffer)
            frame = take_frame(self._buffer)
        return frame

    def _tell(self) -> Dialog[None]:
        for finding in self.findings[self._told :]:
            self._told += 1
            yield Emit(finding)
