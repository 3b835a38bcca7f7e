"""The information transfer of an HDLC station in normal response mode: numbers, windows, segments, turns.

Nothing here waits or reads: a station takes frames in, and asks what to send. ``Transfer`` is what both roles have;
``PrimaryTransfer`` adds what a client has to remember of a meter that does not go by the book.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from metersdk.dialog.hdlc_states import (
    FLOWS,
    MODULUS,
    TURNS,
    Assembly,
    Flow,
    ReceiveWindow,
    SendWindow,
    Turn,
    TurnEvent,
    follow,
)
from metersdk.dialog.hdlc_station import CONNECT_AGAIN, Findings, without_llc
from metersdk.effects import Send
from metersdk.errors import LinkError
from metersdk.frame.hdlc import Frame, FrameKind, control_octet
from metersdk.frame.hdlc_parameters import Parameters

# Responses in a row whose N(R) names no frame of ours, before the link is called out of step.
_MAX_OUT_OF_STEP: Final = 3
# Answers in a row that left a short cut: on a slow line a frame never comes in one piece.
_MAX_DETOURS: Final = 3


class Transfer:
    """One station's side of an information transfer. A new one begins with every UA, for all numbers are 0 then.

    Args:
        destination, source: address octets of the frames that this station sends.
        parameters: what was agreed on, seen from this side.
        max_apdu: longest APDU taken, octets.

    Attributes:
        turn: whose it is.
        flow: whether the peer takes I frames.
        out: V(S), and what is on its way to the peer.
        into: V(R).
        assembly: the APDU that is coming in, in segments.
        ready: what came whole, oldest first.
    """

    def __init__(self, destination: bytes, source: bytes, parameters: Parameters, max_apdu: int) -> None:
        self._destination = destination
        self._source = source
        self.turn = Turn.COMMAND
        self.flow = Flow.READY
        self.out = SendWindow(parameters.max_info_tx, parameters.window_tx)
        self.into = ReceiveWindow(parameters.window_rx)
        self.assembly = Assembly(max_apdu)
        self.ready: deque[bytes] = deque()

    def pass_turn(self, event: TurnEvent) -> None:
        """Move the turn as the table says."""
        self.turn = follow(TURNS, self.turn, event)

    def frame(
        self,
        kind: FrameKind,
        *,
        final: bool = True,
        send: int = 0,
        information: bytes = b"",
        segmented: bool = False,
    ) -> Frame:
        """A frame of this station, with the present V(R) as N(R) where it has one; ``final`` is the P/F bit."""
        control = control_octet(kind, poll=final, receive=self.into.expected, send=send)
        return Frame(self._destination, self._source, control, information, segmented)

    def window(self) -> list[Frame]:
        """The I frames to send now: from the first that is not acknowledged (go back N); the last has P/F=1."""
        self.out.rewind()
        window = self.out.take_window()
        last = len(window) - 1
        return [
            self.frame(FrameKind.I, final=index == last, send=number, information=piece, segmented=segmented)
            for index, (number, piece, segmented) in enumerate(window)
        ]


class PrimaryTransfer(Transfer):
    """The client's side.

    Args:
        notes: where oddities are noted.

    Attributes:
        progress: grows with every frame that the meter acknowledges, and every one that brings octets.
        silent: the meter did not end its turn; it is asked what it has got.
        gap: a frame came out of order, so that one is missing.
        gaps: turns of the meter in a row with a gap and no progress.
        idle: final responses in a row that brought nothing.
        surprises: answers in a row that did not begin by the book.
        detours: answers in a row that did not go on by it.
        left: what came last, and was left in the buffer by a short cut.
        on_line: seconds that the octets of the last request took on the line.
    """

    def __init__(
        self, destination: bytes, source: bytes, parameters: Parameters, max_apdu: int, notes: Findings
    ) -> None:
        super().__init__(destination, source, parameters, max_apdu)
        self.most_information = parameters.max_info_rx
        self.progress = 0
        self.silent = False
        self.gap = False
        self.gaps = 0
        self.idle = 0
        self.surprises = 0
        self.detours = 0
        self.left = b""
        self.on_line = 0.0
        self._notes = notes
        self._out_of_step = 0
        self._steps: dict[int, list[tuple[Send, bytes]]] = {}

    @property
    def asks(self) -> FrameKind:
        """What the next command is: I, or where no I frame is due RR or REJ.

        After silence the meter is asked what it has got, never sent the same again blindly. After a gap RR asks for
        what is missing; to a meter that does not see that by N(R), REJ says it.
        """
        if self.gaps > 1:
            return FrameKind.REJ
        if self.silent or self.flow is Flow.BUSY or not self.out.outstanding:
            return FrameKind.RR
        return FrameKind.I

    def acknowledge(self, frame: Frame) -> bool:
        """Follow flow and N(R) of an I or S frame; False if that named no frame of ours.

        Raises:
            LinkError: several in a row did; the link is of no more use.
        """
        self.flow = follow(FLOWS, self.flow, frame.kind)
        taken = self.out.acknowledge(frame.receive_number)
        if taken is not None:
            self.progress += taken
            self._out_of_step = 0
            return True
        # A late copy of an old response looks like this, too; a meter that goes on like this has lost count.
        self._out_of_step += 1
        if self._out_of_step >= _MAX_OUT_OF_STEP:
            text = f"the meter acknowledges frames that were never sent: {frame}"
            raise LinkError(text, layer="link", state="NRM", retryable=True, hint=CONNECT_AGAIN)
        return False

    def take(self, frame: Frame) -> bool:
        """Take the information of an I frame; False if it is out of order.

        Raises:
            LimitExceeded: an APDU without end; the link is of no more use.
        """
        if frame.send_number != self.into.expected:
            self.gap = True
            return False
        if len(frame.information) > self.most_information:
            text = f"{len(frame.information)} octets in a frame, agreed on {self.most_information}"
            self._notes.once("hdlc-information-length", text)
        self.take_next(frame.information, frame.segmented)
        return True

    def take_next(self, information: bytes, segmented: bool) -> None:
        """Take the information of the I frame that is next in order.

        Raises:
            LimitExceeded: as ``take``.
        """
        self.into.advance()
        if information:
            self.progress += 1
        payload = self.assembly.add(information, segmented)
        if payload is not None:
            self.ready.append(without_llc(payload, self._notes))

    # --- the short cuts ----------------------------------------------------------------------------------------------

    @property
    def is_by_the_book(self) -> bool:
        """Whether nothing is due but an answer to the whole request, or the rest of a long one that has begun."""
        if self.silent or self.gaps or self.idle or self._out_of_step or self.flow is not Flow.READY:
            return False
        if self.turn is Turn.RESPONSE:
            return not self.out.unsent and self.surprises < _MAX_DETOURS
        return self.assembly.pending and not self.out.outstanding and self.detours < _MAX_DETOURS

    @property
    def answer(self) -> bytes:
        """Header of the I frame that is next in order and acknowledges all."""
        return self._answer(self.into.expected)

    @property
    def steps(self) -> list[tuple[Send, bytes]]:
        """For each V(R), with the present V(S): RR, and the header of the I frame that it asks for; made once."""
        number = self.out.next_number
        if number not in self._steps:
            controls = [control_octet(FrameKind.RR, poll=True, receive=receive) for receive in range(MODULUS)]
            polls = [Send(Frame(self._destination, self._source, control).encode()) for control in controls]
            self._steps[number] = list(zip(polls, map(self._answer, range(MODULUS)), strict=True))
        return self._steps[number]

    def _answer(self, number: int) -> bytes:
        control = control_octet(FrameKind.I, poll=True, receive=self.out.next_number, send=number)
        return Frame(self._source, self._destination, control).header

    def acknowledge_all(self) -> None:
        """Take N(R) of a frame that acknowledges all that was sent."""
        self.progress += self.out.acknowledge(self.out.next_number) or 0
