"""The client's side of the data link: HDLC as primary station (IEC 62056-46, Green Book 8).

It gives upper layers the same dialogs ``open send receive close`` as the wrapper does (``wrapper_link``), the queue
``pushes`` and the list ``findings``.
Deadlines are absolute ``Now()`` times. Only octets that are new and proved move a deadline on.

Its parts: ``hdlc_station`` finds frames, ``hdlc_peer`` tells whose they are, ``hdlc_states`` what they change.
``hdlc_transfer`` keeps numbers and segments, ``hdlc_condition`` what the line does to frames; ``hdlc_reading`` is the
short cut through a long answer.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import count
from typing import Final

from metersdk.dialog.hdlc_condition import Condition
from metersdk.dialog.hdlc_peer import Peer
from metersdk.dialog.hdlc_reading import Limit, hear_answer, read_on
from metersdk.dialog.hdlc_states import FLOWS, MODES, Flow, LinkEvent, Mode, Turn, TurnEvent, follow
from metersdk.dialog.hdlc_station import BROKEN_OFF, CONNECT_AGAIN, MAX_APDU, MAX_PUSHES, Proposal, Station
from metersdk.dialog.hdlc_transfer import PrimaryTransfer
from metersdk.dialog.push import PushAssembler
from metersdk.effects import Dialog, Now, Send
from metersdk.errors import LimitExceeded, LinkError, LocalProtocolError, NoAnswer, RemoteProtocolError
from metersdk.frame.buffer import ReceiveBuffer
from metersdk.frame.hdlc import LLC_COMMAND, Frame, FrameKind, describe_reject
from metersdk.frame.hdlc_address import Address
from metersdk.frame.hdlc_parameters import Parameters

# A window of 7 frames of 2030 octets takes 15 s at 9600 Bd; between its frames there is no pause as long as this.
_LONGEST_WINDOW: Final = 16.0
_WINDOW_GAP: Final = 0.3
# DISC is sent this often at most: a meter that does not answer it drops the link by its inactivity time-out.
_DISC_TRIES: Final = 3
# After a response that brings nothing the line is listened to before the next command: first so many seconds, twice as
# many for each further one. It may be the late copy of an old response, with the true one behind it: a command for
# each copy would call for one more copy each, for ever. And a meter that is busy is not pestered.
_FIRST_PAUSE: Final = 0.25
_LONGEST_PAUSE: Final = 1.0


@dataclass(frozen=True, slots=True)
class HdlcSettings(Proposal):
    """Whom to call over HDLC, and what to propose.

    Args:
        client: client SAP, 0..127.
        server: upper address, the logical device.
        physical: lower address, the physical device; None where the one-octet form is used.
        address_size: 1, 2 or 4 octets; None takes the shortest that fits. A meter answers only the one it uses.
        negotiate: put the proposal into SNRM. Some old meters take an SNRM without information only.
        response_timeout: seconds of silence after which the meter is polled again. Radios and optical heads need 1 s.
    """

    client: int = 16
    server: int = 1
    physical: int | None = None
    address_size: int | None = None
    negotiate: bool = True
    response_timeout: float = 3.0


class HdlcLink(Station):
    """The primary station of an HDLC link.

    Args:
        settings: addresses, proposals, times.
        buffer: the octets of the line; an earlier protocol may have left some.
        max_apdu: longest APDU taken, octets.

    Attributes:
        mode: ``Mode.CONNECTED`` between ``open`` and ``close``.
        parameters: what was agreed on, seen from this side; None before ``open``.
        pushes: APDUs of UI frames, oldest first.
        shortest: octets of information in a frame down to which the caller would rather have a new link than wait on
            one that damages most frames; None for never.
    """

    def __init__(self, settings: HdlcSettings, buffer: ReceiveBuffer, *, max_apdu: int = MAX_APDU) -> None:
        super().__init__(buffer, settings.inter_octet_timeout)
        self.settings = settings
        self.max_apdu = max_apdu
        self.mode = Mode.DISCONNECTED
        self.parameters: Parameters | None = None
        self.pushes: deque[bytes] = deque(maxlen=MAX_PUSHES)
        self.shortest: int | None = None
        client = Address.of(settings.client, None, 1)
        server = Address.of(settings.server, settings.physical, settings.address_size)
        self._peer = Peer(client, server, self._notes)
        self._condition = Condition(self.tally, settings.response_timeout)
        self._assembler = PushAssembler(self._notes, max_apdu)
        self._transfer = self._begun(Parameters())

    @property
    def server(self) -> Address:
        """The address the meter answers with; differs from the settings after calling a reserved address."""
        return self._peer.server

    @property
    def spoiled(self) -> int:
        """Turns in which something came damaged, and commands that did not arrive."""
        return self._condition.spoiled

    @property
    def damage(self) -> int:
        """How much is known to have come damaged, or not at all."""
        return self._condition.damage

    # --- dialogs -----------------------------------------------------------------------------------------------------

    def open(self, deadline: float) -> Dialog[None]:
        """SNRM until UA.

        Raises:
            NoAnswer: no UA by the deadline.
            LinkError: the meter refused with DM or FRMR.
        """
        transfer = self._transfer = self._begun(Parameters())
        self.mode = follow(MODES, self.mode, LinkEvent.SNRM)
        settings = self.settings
        proposal = Parameters(settings.max_info_tx, settings.max_info_rx, settings.window_tx, settings.window_rx)
        information = proposal.encode() if settings.negotiate and proposal != Parameters() else b""
        for tries in count():
            yield from self._transmit([transfer.frame(FrameKind.SNRM, information=information)])
            now: float = yield Now()
            until = min(now + self._condition.patience, deadline)
            while (frame := (yield from self._next_frame(until, deadline))) is not None:
                if frame.kind is FrameKind.UA:
                    self._condition.spoiled += tries
                    self._agree(frame.information)
                    self.mode = follow(MODES, self.mode, LinkEvent.UA)
                    return
                if frame.kind in (FrameKind.DM, FrameKind.FRMR):
                    self._refused(frame)
                # Anything else is left over from a link that the meter had not forgotten.
            now = yield Now()
            if now >= deadline:
                self.mode = follow(MODES, self.mode, LinkEvent.TIME_OUT)
                raise NoAnswer(f"no UA from server {self.server}", layer="link", state="connecting", retryable=True)

    def send(self, apdu: bytes, deadline: float) -> Dialog[None]:
        """Send an APDU, in segments and windows as agreed. Returns when its last window has left, acknowledged or not.

        The time these octets take on the line is given in addition, here and to the ``receive`` that follows.

        Raises:
            LocalProtocolError: the link is not open.
            NoAnswer, LinkError: as ``receive``.
        """
        self._require_connected()
        transfer = self._transfer
        transfer.on_line = 0.0
        now: float = yield Now()
        limit = Limit(deadline, now)
        if transfer.turn is Turn.COMMAND:
            self._discard_stale()
        if transfer.out.outstanding:
            now = yield from self._take_back(limit, now)
        transfer.out.load(LLC_COMMAND + apdu)
        while transfer.out.unsent:
            now = yield from self._advance(limit, now)

    def receive(self, deadline: float) -> Dialog[bytes]:
        """Receive one whole APDU, without LLC header.

        The time given is given anew for every frame that brings new octets.

        Raises:
            LocalProtocolError: the link is not open.
            NoAnswer: no whole APDU in time.
            LinkError: DM, FRMR, or numbers out of step.
            LimitExceeded: more than ``max_apdu`` octets, or a row of frames without octets.
        """
        self._require_connected()
        transfer = self._transfer
        now: float = yield Now()
        limit = Limit(deadline + transfer.on_line, now)
        while not transfer.ready:
            if now >= limit.at or not self._is_by_the_book:
                now = yield from self._advance(limit, now)
                continue
            short_cut = hear_answer if transfer.turn is Turn.RESPONSE else read_on
            try:
                now = yield from short_cut(transfer, self._condition, self._buffer, limit, now)
            except LimitExceeded:
                self._lost()
                raise
        return transfer.ready.popleft()

    def settle(self) -> Dialog[bool]:
        """A request may have been given up: hear the meter out, and tell whether it can take another one.

        What is said while it talks is lost on a half-duplex line. The rest of a longer answer is not polled for: then,
        and when it is silent, DISC is all there is left to say.
        """
        transfer = self._transfer
        now: float = yield Now()
        end = now + _LONGEST_WINDOW
        heard = transfer.turn is Turn.COMMAND
        self.shortest = None
        try:
            while transfer.turn is Turn.RESPONSE and now < end:
                frame = yield from self._next_frame(min(now + _WINDOW_GAP, end), end, now)
                now = yield Now()
                if frame is None:
                    break
                if self._take_in(frame) and frame.final:
                    heard = True
                    transfer.pass_turn(TurnEvent.FINAL)
        except RemoteProtocolError:
            return False
        if not heard:
            transfer.pass_turn(TurnEvent.SILENCE)
        return heard and not transfer.assembly.pending

    def close(self, deadline: float) -> Dialog[None]:
        """DISC until UA or DM, a few times at most. Silence and rubbish are no errors here."""
        if self.mode is Mode.DISCONNECTED:
            return
        begun: float = yield Now()
        yield from self.settle()
        deadline += (yield Now()) - begun
        self.mode = follow(MODES, self.mode, LinkEvent.DISC)
        try:
            for tries in range(_DISC_TRIES, 0, -1):
                yield from self._transmit([self._transfer.frame(FrameKind.DISC)])
                now: float = yield Now()
                until = now + min(self.settings.response_timeout, (deadline - now) / tries)
                while (frame := (yield from self._next_frame(until, deadline))) is not None:
                    if frame.kind in (FrameKind.UA, FrameKind.DM):
                        return
                now = yield Now()
                if now >= deadline:
                    return
        except RemoteProtocolError:
            return
        finally:
            self._lost()

    # --- one step ----------------------------------------------------------------------------------------------------

    @property
    def _is_by_the_book(self) -> bool:
        """Whether the short cut may be taken."""
        return (
            self._transfer.is_by_the_book
            and not (self.damage or self.is_receiving)
            and self._peer.here != self._peer.there
        )

    def _advance(self, limit: Limit, now: float) -> Dialog[float]:
        """One step of the exchange: listen while the meter has the turn; else send what is due, and pass the turn.

        Takes the time it begins at, and returns the time it ends at.
        """
        transfer = self._transfer
        if transfer.turn is Turn.RESPONSE:
            return (yield from self._collect(limit, now))
        if now >= limit.at:
            raise self._no_answer()
        kind, known = transfer.asks, transfer.out.furthest
        again = kind is FrameKind.I or transfer.silent or transfer.gaps > 1
        frames = transfer.window() if kind is FrameKind.I else [transfer.frame(kind)]
        transfer.silent = False
        yield from self._transmit(frames)
        after: float = yield Now()
        self._condition.asked = after
        if transfer.out.furthest > known:
            # Slow is the line here, not the meter. What is sent again is on the meter's account.
            transfer.on_line += after - now
            limit.at += after - now
        elif again:
            self._counts.repeats += len(frames)
        return after

    def _collect(self, limit: Limit, now: float) -> Dialog[float]:
        """Take in what the meter says until it gives the turn back (F=1), or falls silent."""
        transfer, condition = self._transfer, self._condition
        before, damage = transfer.progress, self.tally.damage
        transfer.gap = False
        final = False
        # A short cut that was left has waited already.
        left, transfer.left = transfer.left, b""
        until = (condition.asked if left and condition.asked is not None else now) + condition.patience
        while True:
            frame = yield from self._next_frame(min(until, limit.at), limit.at, now, left)
            now, left = (yield Now()), b""
            if frame is None:
                if now < limit.at or (self.tally.damage == damage and not self.is_receiving):
                    break
                # The turn stays with the meter, which is still speaking: nobody speaks into that. It is no meter that
                # fell silent, either, but one that is not understood.
                condition.spoiled += 2
                raise self._no_answer()
            if not self._take_in(frame):
                continue
            condition.answered(now)
            until = now + (BROKEN_OFF if self.damage else self.settings.response_timeout)
            final = frame.final
            if transfer.progress != before:
                limit.push(now)
                transfer.idle = 0
            if final:
                if transfer.progress != before or frame.kind is FrameKind.REJ:
                    break
                until = now + min(_FIRST_PAUSE * 2 ** min(transfer.idle, 8), _LONGEST_PAUSE)
                transfer.idle += 1
        condition.spoiled += self.tally.damage > damage
        transfer.pass_turn(TurnEvent.FINAL if final else TurnEvent.SILENCE)
        transfer.silent = not final
        transfer.gaps = transfer.gaps + 1 if transfer.gap and transfer.progress == before else 0
        return now

    def _take_back(self, limit: Limit, now: float) -> Dialog[float]:
        """A request that was given up must not be carried out later: the meter is asked what it has of it, and the rest
        is forgotten. Takes and returns the time as ``_advance``."""
        transfer = self._transfer
        asked = False
        while transfer.out.outstanding and (not asked or transfer.turn is Turn.RESPONSE or transfer.silent):
            if transfer.turn is Turn.COMMAND:
                transfer.silent = asked = True
            now = yield from self._advance(limit, now)
        transfer.out.take_back()
        return now

    def _no_answer(self) -> NoAnswer:
        text = "the meter is busy (RNR)" if self._transfer.flow is Flow.BUSY else "no answer in time"
        return NoAnswer(text, layer="link", state=str(self.mode), retryable=True)

    # --- frames ------------------------------------------------------------------------------------------------------

    def _transmit(self, frames: list[Frame]) -> Dialog[None]:
        """Send commands, the last of which polls."""
        yield Send(b"".join(frame.encode() for frame in frames))
        self._peer.sent(frames)
        if self.mode is Mode.CONNECTED:
            self._transfer.pass_turn(TurnEvent.POLL)

    def _is_mine(self, frame: Frame) -> bool:
        return self._peer.sends(frame, connecting=self.mode is Mode.CONNECTING)

    def _take(self) -> Frame | None:
        frame = super()._take()
        if frame is None and self._may_be_shorter and self._transfer.turn is Turn.RESPONSE:
            hopeless = self._condition.hopeless()
            if hopeless is not None:
                self.shortest = None
                raise hopeless
        return frame

    def _take_in(self, frame: Frame) -> bool:
        """Act on one frame; whether it belongs to the exchange, so that its F bit counts."""
        kind, transfer = frame.kind, self._transfer
        self._condition.heard += 1
        if kind in (FrameKind.DM, FrameKind.FRMR):
            self._refused(frame)
        if kind is FrameKind.UI:
            self._take_push(frame)
            return False
        if kind not in FLOWS[transfer.flow]:
            # A second UA (of a repeated SNRM) is expected; nothing else is.
            if kind is not FrameKind.UA:
                self._notes.once("hdlc-unexpected", f"{kind} from the meter was ignored")
            return False
        self.mode = follow(MODES, self.mode, LinkEvent.EXCHANGE)
        try:
            if transfer.acknowledge(frame) and kind is FrameKind.RR and transfer.out.furthest:
                # Asked what it has got, the meter names a frame that was sent: it has not heard it.
                self._condition.spoiled += 1
            if kind is FrameKind.I and transfer.take(frame):
                self._condition.progress()
        except (LinkError, LimitExceeded):
            self._lost()
            raise
        return True

    def _take_push(self, frame: Frame) -> None:
        apdu = self._assembler.add(frame)
        if apdu is not None:
            if len(self.pushes) == MAX_PUSHES:
                self._notes.once("push-lost", f"more than {MAX_PUSHES} pushes waited; the oldest were dropped")
            self.pushes.append(apdu)

    def _discard_stale(self) -> None:
        """Before a command: what still lies in the buffer answers no question; only pushes are kept."""
        while (frame := self._take()) is not None:
            if frame.kind is FrameKind.UI:
                self._take_push(frame)

    # --- the life of a link ------------------------------------------------------------------------------------------

    def _begun(self, parameters: Parameters) -> PrimaryTransfer:
        """All numbers are 0."""
        return PrimaryTransfer(self._peer.there, self._peer.here, parameters, self.max_apdu, self._notes)

    def _agree(self, information: bytes) -> None:
        """Read UA crosswise: what the meter receives is what may be sent to it (IEC 62056-46 6.4.4.4.3.2)."""
        offered, findings = Parameters.decode(information)
        self._notes.add_all(findings)
        settings = self.settings
        self.parameters = Parameters(
            max_info_tx=min(settings.max_info_tx, offered.max_info_rx),
            max_info_rx=offered.max_info_tx,
            window_tx=min(settings.window_tx, offered.window_rx),
            window_rx=offered.window_tx,
        )
        self._transfer = self._begun(self.parameters)

    @property
    def _may_be_shorter(self) -> bool:
        """Whether the caller would rather have a new link, and one with shorter frames can be had."""
        return self.shortest is not None and self.parameters is not None and self.parameters.max_info_rx > self.shortest

    def _refused(self, frame: Frame) -> None:
        state = str(self.mode)
        connecting = self.mode is Mode.CONNECTING
        event = LinkEvent.DM if frame.kind is FrameKind.DM else LinkEvent.FRMR
        self.mode = follow(MODES, self.mode, event)
        if event is LinkEvent.FRMR:
            text = f"FRMR: {describe_reject(frame.information)}"
            hint = "set negotiate=False" if connecting else CONNECT_AGAIN
        elif connecting:
            text, hint = "DM: the meter refuses a link", "another client may be connected; wait two minutes"
        else:
            text, hint = "DM: the meter has dropped the link", CONNECT_AGAIN
        raise LinkError(text, layer="link", state=state, data=frame.encode(), retryable=True, hint=hint)

    def _lost(self) -> None:
        self.mode = follow(MODES, self.mode, LinkEvent.TIME_OUT)

    def _require_connected(self) -> None:
        if self.mode is not Mode.CONNECTED:
            text = "the link is not open, or was lost"
            raise LocalProtocolError(text, layer="link", state=str(self.mode), hint=CONNECT_AGAIN)
