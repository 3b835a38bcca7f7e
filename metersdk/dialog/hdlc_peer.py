"""Which frames on a line are those of the meter that a client talks to: addresses, and the client's own echo."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from metersdk.dialog.hdlc_station import Findings
from metersdk.frame.hdlc import Frame, FrameKind
from metersdk.frame.hdlc_address import ALL_STATION, CALLING, Address


class Peer:
    """The meter of one client.

    Args:
        client, server: addresses of both.
        notes: where oddities are noted.

    Attributes:
        server: the address the meter answers with; differs from the given one after calling a reserved address.
        there, here: the address octets of the meter, and of the client.
    """

    def __init__(self, client: Address, server: Address, notes: Findings) -> None:
        self.server = server
        self.there = server.encode()
        self.here = client.encode()
        self._notes = notes
        self._sent: deque[Frame] = deque()
        self._echoes = False

    def sent(self, frames: Iterable[Frame]) -> None:
        """These frames went out; they may come back."""
        self._sent = deque(frames)

    def sends(self, frame: Frame, *, connecting: bool = False) -> bool:
        """Whether ``frame`` comes from the meter; while ``connecting`` its address may be learned from it."""
        if frame.destination == self.here != self.there == frame.source:
            return True
        if self._is_echo(frame):
            self._notes.once("hdlc-echo", "own frames come back: an optical head or a two-wire line")
            return False
        if frame.destination == self.here:
            if frame.source == self.there or (connecting and self._learn(frame)):
                return True
        elif frame.source == self.there and frame.kind is FrameKind.UI:
            # Pushes go to a client address of their own.
            return True
        self._notes.once("hdlc-address", f"a frame for another station was ignored: {frame}")
        return False

    def _is_echo(self, frame: Frame) -> bool:
        if self.here != self.there:
            return frame.source == self.here and frame.destination == self.there
        # Both ends have the same octets as address: only what no server sends tells an echo, and then the order.
        self._echoes = self._echoes or frame.kind in (FrameKind.SNRM, FrameKind.DISC)
        if self._echoes and self._sent and frame == self._sent[0]:
            self._sent.popleft()
            return True
        return False

    def _learn(self, frame: Frame) -> bool:
        """UA or DM of a meter that was called by a reserved address, or that uses another length of its address."""
        if frame.kind not in (FrameKind.UA, FrameKind.DM):
            return False
        source = frame.source_address
        same = (source.upper, source.lower or 0) == (self.server.upper, self.server.lower or 0)
        if not same and not self.server.is_reserved(CALLING) and not self.server.is_reserved(ALL_STATION):
            return False
        self._notes.once("hdlc-server-address", f"the meter called as {self.server} answers as {source}")
        self.server = source
        self.there = frame.source
        return True
