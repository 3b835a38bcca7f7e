"""The HDLC data link as transition tables (IEC 62056-46 6.4.4), for both roles.

Two rules hold here. Everything that decides the state of a link is in this file. And nothing in this file knows which
role it plays: a primary that sent SNRM and a secondary that got it are both ``CONNECTING`` until the UA has passed.

``MODES``, ``TURNS`` and ``FLOWS`` map state -> event -> next state; an event that is missing is not allowed there.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from enum import StrEnum
from typing import Final, TypeVar

from metersdk.errors import LimitExceeded, LinkError
from metersdk.frame.hdlc import FrameKind
from metersdk.frame.hdlc_parameters import DEFAULT_INFORMATION, DEFAULT_WINDOW

MODULUS: Final = 8
# Frames without octets in one APDU: none is legal, a few are forgiven, an endless row is not waited for.
MAX_EMPTY_FRAMES: Final = 8


class Mode(StrEnum):
    """Whether there is a link: normal disconnected mode, normal response mode, and the two ways between."""

    DISCONNECTED = "NDM"
    CONNECTING = "connecting"
    CONNECTED = "NRM"
    DISCONNECTING = "disconnecting"


class LinkEvent(StrEnum):
    """What moves the mode. ``EXCHANGE`` is any I, RR, RNR or REJ; ``TIME_OUT`` the end of the time for the state."""

    SNRM = "SNRM"
    UA = "UA"
    DM = "DM"
    DISC = "DISC"
    FRMR = "FRMR"
    EXCHANGE = "I, RR, RNR, REJ"
    TIME_OUT = "time-out"


MODES: Final[Mapping[Mode, Mapping[LinkEvent, Mode]]] = {
    Mode.DISCONNECTED: {
        LinkEvent.SNRM: Mode.CONNECTING,
        LinkEvent.DISC: Mode.DISCONNECTING,
        LinkEvent.DM: Mode.DISCONNECTED,
    },
    Mode.CONNECTING: {
        LinkEvent.UA: Mode.CONNECTED,
        LinkEvent.SNRM: Mode.CONNECTING,
        LinkEvent.DISC: Mode.DISCONNECTING,
        LinkEvent.DM: Mode.DISCONNECTED,
        LinkEvent.FRMR: Mode.DISCONNECTED,
        LinkEvent.TIME_OUT: Mode.DISCONNECTED,
    },
    Mode.CONNECTED: {
        LinkEvent.EXCHANGE: Mode.CONNECTED,
        # A second UA answers a repeated SNRM.
        LinkEvent.UA: Mode.CONNECTED,
        LinkEvent.SNRM: Mode.CONNECTING,
        LinkEvent.DISC: Mode.DISCONNECTING,
        LinkEvent.DM: Mode.DISCONNECTED,
        LinkEvent.FRMR: Mode.DISCONNECTED,
        LinkEvent.TIME_OUT: Mode.DISCONNECTED,
    },
    Mode.DISCONNECTING: {
        LinkEvent.UA: Mode.DISCONNECTED,
        LinkEvent.DM: Mode.DISCONNECTED,
        LinkEvent.DISC: Mode.DISCONNECTING,
        LinkEvent.TIME_OUT: Mode.DISCONNECTED,
    },
}


class Turn(StrEnum):
    """Who may talk: the sender of commands (primary) or of responses (secondary)."""

    COMMAND = "command"
    RESPONSE = "response"


class TurnEvent(StrEnum):
    """What moves the turn: a frame with or without the P/F bit, or a silence that lets the primary take it back."""

    FRAME = "P/F=0"
    POLL = "P=1"
    FINAL = "F=1"
    SILENCE = "silence"


TURNS: Final[Mapping[Turn, Mapping[TurnEvent, Turn]]] = {
    Turn.COMMAND: {TurnEvent.FRAME: Turn.COMMAND, TurnEvent.POLL: Turn.RESPONSE},
    Turn.RESPONSE: {TurnEvent.FRAME: Turn.RESPONSE, TurnEvent.FINAL: Turn.COMMAND, TurnEvent.SILENCE: Turn.COMMAND},
}


class Flow(StrEnum):
    """Whether the peer can take I frames."""

    READY = "ready"
    BUSY = "busy"


FLOWS: Final[Mapping[Flow, Mapping[FrameKind, Flow]]] = {
    Flow.READY: {
        FrameKind.I: Flow.READY,
        FrameKind.RR: Flow.READY,
        FrameKind.REJ: Flow.READY,
        FrameKind.RNR: Flow.BUSY,
    },
    # An I frame says nothing about readiness (ISO/IEC 13239 5.5.3.2): only RR and REJ end the busy condition.
    Flow.BUSY: {
        FrameKind.I: Flow.BUSY,
        FrameKind.RR: Flow.READY,
        FrameKind.REJ: Flow.READY,
        FrameKind.RNR: Flow.BUSY,
    },
}

S = TypeVar("S", bound=StrEnum)
E = TypeVar("E", bound=StrEnum)


def follow(table: Mapping[S, Mapping[E, S]], state: S, event: E) -> S:
    """The state after ``event``.

    Raises:
        LinkError: the table does not allow it.
    """
    try:
        return table[state][event]
    except KeyError:
        raise LinkError(f"{event} is not allowed in this state", layer="link", state=str(state)) from None


class SendWindow:
    """What is on its way out: the pieces of APDUs, numbered modulo 8, kept until acknowledged, sent again from N(R).

    Args:
        information: octets in the information field of one frame at most.
        frames: I frames that may be unacknowledged.

    Attributes:
        furthest: pieces that have been sent at least once and are not acknowledged.
    """

    __slots__ = ("_begun", "_first", "_pieces", "_sent", "frames", "furthest", "information")

    def __init__(self, information: int = DEFAULT_INFORMATION, frames: int = DEFAULT_WINDOW) -> None:
        self.information = information
        self.frames = frames
        self._pieces: deque[tuple[bytes, bool]] = deque()
        self._first = 0
        self._sent = 0
        self._begun = False
        self.furthest = 0

    @property
    def outstanding(self) -> bool:
        """Whether anything is not yet acknowledged, sent or not."""
        return bool(self._pieces)

    @property
    def unsent(self) -> bool:
        """Whether anything waits for its first, or its next, sending."""
        return self._sent < len(self._pieces)

    @property
    def next_number(self) -> int:
        """V(S): N(S) of the next I frame."""
        return (self._first + self._sent) % MODULUS

    def load(self, payload: bytes) -> None:
        """Queue an APDU with its LLC header, cut into pieces; all but the last are segments."""
        size = self.information
        for start in range(0, len(payload), size):
            self._pieces.append((payload[start : start + size], start + size < len(payload)))

    def acknowledge(self, receive_number: int) -> int | None:
        """N(R) came: everything before it has arrived. How many frames that is, or None if it names none of ours."""
        if receive_number == self._first:
            return 0
        count = (receive_number - self._first) % MODULUS
        if count > self.furthest:
            return None
        for _ in range(count):
            self._begun = self._pieces.popleft()[1]
        self._first = receive_number
        self._sent = max(0, self._sent - count)
        self.furthest -= count
        return count

    def take_back(self) -> None:
        """Forget the APDUs of which the other station has nothing; the rest of one it has begun to take must follow."""
        kept = 0
        if self._begun:
            kept = next(index for index, (_, more) in enumerate(self._pieces, 1) if not more)
        while len(self._pieces) > kept:
            self._pieces.pop()
        self._sent = 0
        self.furthest = min(self.furthest, kept)

    def rewind(self) -> None:
        """Go back N: the next window begins with the first frame that is not acknowledged."""
        self._sent = 0

    def take_window(self) -> list[tuple[int, bytes, bool]]:
        """N(S), information and segmentation bit of the frames to send now."""
        end = min(self.frames, len(self._pieces))
        window = [
            ((self._first + index) % MODULUS, self._pieces[index][0], self._pieces[index][1])
            for index in range(self._sent, end)
        ]
        self._sent = max(self._sent, end)
        self.furthest = max(self.furthest, self._sent)
        return window


class ReceiveWindow:
    """V(R): which N(S) is expected next, and what the other ones mean."""

    __slots__ = ("expected", "frames")

    def __init__(self, frames: int = DEFAULT_WINDOW) -> None:
        self.expected = 0
        self.frames = frames

    def accept(self, send_number: int) -> bool:
        """Whether the frame is the next one in order; V(R) then moves on."""
        if send_number != self.expected:
            return False
        self.advance()
        return True

    def advance(self) -> None:
        """The frame that was expected has come."""
        self.expected = (self.expected + 1) % MODULUS

    def is_repeated(self, send_number: int) -> bool:
        """Whether a frame out of order may be one that was taken before, sent again for want of an acknowledgement."""
        return (send_number - self.expected) % MODULUS >= MODULUS - self.frames


class Assembly:
    """The segments of one APDU.

    Args:
        limit: octets of the APDU at most, LLC header not counted.
    """

    __slots__ = ("_empty", "_most", "_pieces", "_size", "limit")

    # The LLC header travels in the first segment.
    _LLC = 3

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._most = limit + self._LLC
        self.clear()

    def clear(self) -> None:
        """Forget what has come."""
        self._pieces: list[bytes] = []
        self._size = 0
        self._empty = 0

    @property
    def pending(self) -> bool:
        """Whether an APDU has begun and is not whole."""
        return bool(self._pieces)

    def add(self, information: bytes, segmented: bool) -> bytes | None:
        """Take the next information field; the whole payload when it was the last one.

        Raises:
            LimitExceeded: longer than the limit, or a row of empty fields.
        """
        size = len(information)
        self._size += size
        if not size:
            self._empty += 1
            if self._empty > MAX_EMPTY_FRAMES:
                raise LimitExceeded(f"{self._empty} I frames without octets in one APDU", layer="link")
        elif self._size > self._most:
            text = f"an APDU of more than {self.limit} octets"
            raise LimitExceeded(text, layer="link", data=self._pieces[0] if self._pieces else information)
        self._pieces.append(information)
        if segmented or not self._size:
            return None
        payload = b"".join(self._pieces)
        self.clear()
        return payload
