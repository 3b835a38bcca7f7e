"""The client's side of the data link where it is the wrapper, over TCP or UDP (IEC 62056-47).

It gives upper layers the same dialogs ``open send receive close`` as HDLC does (``link``), the queue ``pushes`` and the
list ``findings``. Deadlines are absolute ``Now()`` times.
"""

from __future__ import annotations

from collections import deque

from metersdk.dialog.hdlc_station import MAX_APDU, MAX_PUSHES, Findings
from metersdk.effects import Dialog, Now, Receive, Send
from metersdk.errors import Finding, FrameError, NoAnswer
from metersdk.frame.buffer import ReceiveBuffer
from metersdk.frame.wrapper import HEADER_LENGTH, Wpdu, take_wpdu

# What to look at where nobody answers, or in words that are no WPDU.
_SILENT = "check the address and ?client= and ?server=, and that the meter is awake"
_SILENT_STREAM = f"{_SILENT}; over TCP some meters speak HDLC: ?framing=hdlc"


class WrapperLink:
    """The wrapper over TCP, or over UDP with ``datagram=True``.

    Args:
        client, server: wrapper ports, the SAPs of both sides.
        buffer: the octets of the connection (TCP).
        datagram: every ``Receive`` answers with exactly one datagram.
        max_apdu: longest APDU taken, octets.
    """

    def __init__(
        self,
        client: int,
        server: int,
        buffer: ReceiveBuffer,
        *,
        datagram: bool = False,
        max_apdu: int = MAX_APDU,
    ) -> None:
        self.client = client
        self.server = server
        self.max_apdu = max_apdu
        self.pushes: deque[bytes] = deque(maxlen=MAX_PUSHES)
        self._notes = Findings()
        self.findings: list[Finding] = self._notes
        self._buffer = buffer
        self._datagram = datagram

    def open(self, deadline: float) -> Dialog[None]:
        """Nothing: the connection is the link."""
        yield from ()

    def send(self, apdu: bytes, deadline: float) -> Dialog[None]:
        """Send one WPDU."""
        yield Send(Wpdu(self.client, self.server, apdu).encode())

    def receive(self, deadline: float) -> Dialog[bytes]:
        """Receive the APDU of the next WPDU between these two ports; others are passed over with a finding.

        Raises:
            NoAnswer: none by the deadline.
            FrameError: the stream holds no WPDU; close the connection. A datagram that holds none is only a finding.
            LimitExceeded: more than ``max_apdu`` octets are announced.
        """
        while True:
            while (wpdu := None if self._datagram else take_wpdu(self._buffer, self.max_apdu)) is not None:
                if self._is_mine(wpdu):
                    self._buffer.counts.good += 1
                    return wpdu.apdu
            now: float = yield Now()
            if now >= deadline:
                text = f"no whole WPDU from server {self.server}"
                octets = bytes(self._buffer.view()[:HEADER_LENGTH])
                hint = _SILENT if self._datagram else _SILENT_STREAM
                raise NoAnswer(text, layer="link", data=octets, hint=hint, retryable=True)
            data: bytes = yield Receive(deadline - now)
            if not self._datagram:
                self._buffer.feed(data)
            elif data:
                datagram = self._read_datagram(data)
                if datagram is not None and self._is_mine(datagram):
                    return datagram.apdu

    def settle(self) -> Dialog[bool]:
        """Nothing to wait for: both sides may speak at any time."""
        yield from ()
        return True

    def close(self, deadline: float) -> Dialog[None]:
        """Nothing: closing the connection closes the link."""
        yield from ()

    def _read_datagram(self, data: bytes) -> Wpdu | None:
        try:
            return Wpdu.decode(data)
        except FrameError as error:
            # Anybody may send to a UDP port.
            self._notes.once("wrapper-datagram", f"a datagram was ignored: {error.message}", layer="frame")
            return None

    def _is_mine(self, wpdu: Wpdu) -> bool:
        if (wpdu.source, wpdu.destination) == (self.server, self.client):
            return True
        text = f"a WPDU from {wpdu.source} to {wpdu.destination} was ignored"
        self._notes.once("wrapper-port", text, layer="frame")
        return False
