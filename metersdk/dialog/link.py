"""The client's side of the data link: HDLC as primary station.

It gives upper layers the same dialogs ``open send receive close`` as the wrapper does (``wrapper_link``), the queue
``pushes`` and the list ``findings``.
Deadlines are absolute ``Now()`` times. Only octets that are new and proved move a deadline on.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import count
from typing import Final

from metersdk.dialog.hdlc_states import (
    FLOWS,
    MODES,
    TURNS,
    Assembly,
    Flow,
    LinkEvent,
    Mode,
    ReceiveWindow,
    SendWindow,
    Turn,
    TurnEvent,
    follow,
)
from metersdk.dialog.hdlc_station import BROKEN_OFF, MAX_APDU, MAX_PUSHES, Proposal, Station, without_llc
from metersdk.dialog.push import PushAssembler
from metersdk.effects import Dialog, Now, Receive, Send
from metersdk.errors import (
    LimitExceeded,
    LinkError,
    LocalProtocolError,
    NoAnswer,
    RemoteProtocolError,
)
from metersdk.frame.buffer import ReceiveBuffer
from metersdk.frame.hdlc import (
    LLC_COMMAND,
    Frame,
    FrameKind,
    control_octet,
    describe_reject,
    expected,
)
from metersdk.frame.hdlc_address import ALL_STATION, CALLING, Address
from metersdk.frame.hdlc_parameters import DEFAULT_INFORMATION, Parameters

# A window of 7 frames of 2030 octets takes 15 s at 9600 Bd; between its frames there is no pause as long as this.
_LONGEST_WINDOW: Final = 16.0
_WINDOW_GAP: Final = 0.3
# DISC is sent this often at most: a meter that does not answer it drops the link by its inactivity time-out.
_DISC_TRIES: Final = 3
# Responses in a row whose N(R) names no frame of ours, before the link is called out of step.
_MAX_OUT_OF_STEP: Final = 3
# Long answers in a row that left the short cut at once: on a slow line a frame never comes in one piece.
_MAX_DETOURS: Final = 3
# After a response that brings nothing the line is listened to before the next command: first so many seconds, twice as
# many for each further one. It may be the late copy of an old response, with the true one behind it: a command for
# each copy would call for one more copy each, for ever. And a meter that is busy is not pestered.
_FIRST_PAUSE: Final = 0.25
_LONGEST_PAUSE: Final = 1.0
# On a line that damages frames, a meter that is silent for so many times its slowest answer has not heard the command;
# never less than the first figure, and the second one until it has answered at all.
_SILENT_FOR: Final = 3.0
_LEAST_SILENCE: Final = 0.5
_FIRST_SILENCE: Final = 1.0
# Damaged frames in a row before the caller of a link is told that it is hopeless.
_HOPELESS: Final = 4
_CONNECT_AGAIN: Final = "connect again: the link is gone, and the association with it"


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


class _Limit:
    """A deadline, and the time given with it, which is given anew for every progress."""

    __slots__ = ("at", "span")

    def __init__(self, at: float, now: float) -> None:
        self.at = at
        self.span = max(0.0, at - now)

    def push(self, now: float) -> None:
        self.at = max(self.at, now + self.span)


class HdlcLink(Station):
    """The primary station of an HDLC link.

    Args:
        settings: addresses, proposals, times.
        buffer: the octets of the line; an earlier protocol may have left some.
        max_apdu: longest APDU taken, octets.

    Attributes:
        mode: ``Mode.CONNECTED`` between ``open`` and ``close``.
        parameters: what was agreed on, seen from this side; None before ``open``.
        server: the address the meter answers with; differs from the settings after calling a reserved address.
        pushes: APDUs of UI frames, oldest first.
        spoiled: turns in which something came damaged, and commands that did not arrive.
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
        self.server = Address.of(settings.server, settings.physical, settings.address_size)
        self._server = self.server.encode()
        self._client = Address.of(settings.client, None, 1).encode()
        self._assembler = PushAssembler(self._notes, max_apdu)
        self._echo: deque[Frame] = deque()
        self._echoes = False
        self._slowest = 0.0
        self.spoiled = 0
        self._heard = 0
        self._bad_before = 0
        self.shortest: int | None = None
        self._reset()

    def _reset(self) -> None:
        """All numbers are 0 after UA."""
        self._turn = Turn.COMMAND
        self._flow = Flow.READY
        self._out = SendWindow()
        self._in = ReceiveWindow()
        self._assembly = Assembly(self.max_apdu)
        self._ready: deque[bytes] = deque()
        self._silent = False
        self._gap = False
        self._gaps = 0
        self._idle = 0
        self._out_of_step = 0
        self._progress = 0
        self._on_line = 0.0
        self._detours = 0
        self._steps: dict[tuple[int, int], tuple[Send, bytes]] = {}

    # --- dialogs -----------------------------------------------------------------------------------------------------

    def open(self, deadline: float) -> Dialog[None]:
        """SNRM until UA.

        Raises:
            NoAnswer: no UA by the deadline.
            LinkError: the meter refused with DM or FRMR.
        """
        self._reset()
        self.mode = follow(MODES, self.mode, LinkEvent.SNRM)
        settings = self.settings
        proposal = Parameters(settings.max_info_tx, settings.max_info_rx, settings.window_tx, settings.window_rx)
        information = proposal.encode() if settings.negotiate and proposal != Parameters() else b""
        for tries in count():
            yield from self._transmit([self._frame(FrameKind.SNRM, information=information)])
            now: float = yield Now()
            until = min(now + self._patience, deadline)
            while (frame := (yield from self._next_frame(until, deadline))) is not None:
                if frame.kind is FrameKind.UA:
                    self.spoiled += tries
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
        self._on_line = 0.0
        now: float = yield Now()
        limit = _Limit(deadline, now)
        if self._turn is Turn.COMMAND:
            self._discard_stale()
        if self._out.outstanding:
            now = yield from self._take_back(limit, now)
        self._out.load(LLC_COMMAND + apdu)
        while self._out.unsent:
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
        now: float = yield Now()
        limit = _Limit(deadline + self._on_line, now)
        while not self._ready:
            if self._is_by_the_book and now < limit.at:
                now = yield from self._read_on(limit, now)
            else:
                now = yield from self._advance(limit, now)
        return self._ready.popleft()

    def settle(self) -> Dialog[bool]:
        """A request may have been given up: hear the meter out, and tell whether it can take another one.

        What is said while it talks is lost on a half-duplex line. The rest of a longer answer is not polled for: then,
        and when it is silent, DISC is all there is left to say.
        """
        now: float = yield Now()
        end = now + _LONGEST_WINDOW
        heard = self._turn is Turn.COMMAND
        self.shortest = None
        try:
            while self._turn is Turn.RESPONSE and now < end:
                frame = yield from self._next_frame(min(now + _WINDOW_GAP, end), end, now)
                now = yield Now()
                if frame is None:
                    break
                if self._take_in(frame) and frame.final:
                    heard = True
                    self._turn = follow(TURNS, self._turn, TurnEvent.FINAL)
        except RemoteProtocolError:
            return False
        if not heard:
            self._turn = follow(TURNS, self._turn, TurnEvent.SILENCE)
        return heard and not self._assembly.pending

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
                yield from self._transmit([self._frame(FrameKind.DISC)])
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
            self.mode = follow(MODES, self.mode, LinkEvent.TIME_OUT)

    def _take_back(self, limit: _Limit, now: float) -> Dialog[float]:
        """A request that was given up must not be carried out later: the meter is asked what it has of it, and the rest
        is forgotten. Takes and returns the time as ``_advance``."""
        asked = False
        while self._out.outstanding and (not asked or self._turn is Turn.RESPONSE or self._silent):
            if self._turn is Turn.COMMAND:
                self._silent = asked = True
            now = yield from self._advance(limit, now)
        self._out.take_back()
        return now

    @property
    def damage(self) -> int:
        """How much is known to have come damaged, or not at all."""
        return super().damage + self.spoiled

    @property
    def _patience(self) -> float:
        """Seconds of silence after which the meter is polled again."""
        if not self.damage:
            return self.settings.response_timeout
        least = max(_LEAST_SILENCE, _SILENT_FOR * self._slowest) if self._slowest else _FIRST_SILENCE
        return min(self.settings.response_timeout, least)

    # --- one step ----------------------------------------------------------------------------------------------------

    def _advance(self, limit: _Limit, now: float) -> Dialog[float]:
        """One step of the exchange: listen while the meter has the turn; else send what is due, and pass the turn.

        Takes the time it begins at, and returns the time it ends at.
        """
        if self._turn is Turn.RESPONSE:
            return (yield from self._collect(limit, now))
        if now >= limit.at:
            raise self._no_answer()
        if self._silent or self._gaps > 1 or self._flow is Flow.BUSY or not self._out.outstanding:
            # After silence the meter is asked what it has got, never sent the same again blindly. After a gap RR asks
            # for what is missing; to a meter that does not see that by N(R), REJ says it.
            kind = FrameKind.REJ if self._gaps > 1 else FrameKind.RR
            self._counts.repeats += self._silent or self._gaps > 1
            self._silent = False
            yield from self._transmit([self._frame(kind)])
            after: float = yield Now()
        else:
            self._out.rewind()
            known = self._out.furthest
            window = self._out.take_window()
            last = len(window) - 1
            yield from self._transmit(
                [
                    self._frame(FrameKind.I, poll=index == last, send=number, information=piece, segmented=segmented)
                    for index, (number, piece, segmented) in enumerate(window)
                ]
            )
            after = yield Now()
            if self._out.furthest <= known:
                self._counts.repeats += last + 1
            if self._out.furthest > known:
                # Slow is the line here, not the meter. What is sent again is on the meter's account.
                self._on_line += after - now
                limit.at += after - now
        return after

    def _collect(self, limit: _Limit, now: float) -> Dialog[float]:
        """Take in what the meter says until it gives the turn back (F=1), or falls silent."""
        asked = now
        before, damage = self._progress, super().damage
        self._gap = False
        final = False
        until = now + self._patience
        while True:
            frame = yield from self._next_frame(min(until, limit.at), limit.at, now)
            now = yield Now()
            if frame is None:
                if now < limit.at or (super().damage == damage and not self.is_receiving):
                    break
                # The turn stays with the meter, which is still speaking: nobody speaks into that. It is no meter that
                # fell silent, either, but one that is not understood.
                self.spoiled += 2
                raise self._no_answer()
            if not self._take_in(frame):
                continue
            if asked:
                self._slowest, asked = max(self._slowest, now - asked), 0.0
            until = now + (BROKEN_OFF if self.damage else self.settings.response_timeout)
            final = frame.final
            if self._progress != before:
                limit.push(now)
                self._idle = 0
            if final:
                if self._progress != before or frame.kind is FrameKind.REJ:
                    break
                until = now + min(_FIRST_PAUSE * 2 ** min(self._idle, 8), _LONGEST_PAUSE)
                self._idle += 1
        self.spoiled += super().damage > damage
        self._turn = follow(TURNS, self._turn, TurnEvent.FINAL if final else TurnEvent.SILENCE)
        self._silent = not final
        self._gaps = self._gaps + 1 if self._gap and self._progress == before else 0
        return now

    def _take(self) -> Frame | None:
        frame = super()._take()
        if frame is None and self.shortest is not None and self._turn is Turn.RESPONSE:
            self._give_up_if_hopeless(self.shortest)
        return frame

    def _no_answer(self) -> NoAnswer:
        text = "the meter is busy (RNR)" if self._flow is Flow.BUSY else "no answer in time"
        return NoAnswer(text, layer="link", state=str(self.mode), retryable=True)

    def _give_up_if_hopeless(self, shortest: int) -> None:
        """A link most of whose frames are damaged may go on for ever; a new one with shorter frames does not."""
        bad = self.tally.bad_fcs + self.tally.bad_hcs
        in_a_row = bad - self._bad_before
        if self.parameters is None or self.parameters.max_info_rx <= shortest:
            return
        if in_a_row >= _HOPELESS or (bad > self._heard and bad >= 2 * _HOPELESS):
            self.shortest = None
            text = f"of {bad + self._heard} frames {bad} were damaged"
            raise LinkError(text, layer="link", state="NRM", retryable=True, hint=_CONNECT_AGAIN)

    def _take_in(self, frame: Frame) -> bool:
        """Act on one frame; whether it belongs to the exchange, so that its F bit counts."""
        kind = frame.kind
        self._heard += 1
        if kind in (FrameKind.DM, FrameKind.FRMR):
            self._refused(frame)
        if kind is FrameKind.UI:
            self._take_push(frame)
            return False
        if kind not in FLOWS[self._flow]:
            # A second UA (of a repeated SNRM) is expected; nothing else is.
            if kind is not FrameKind.UA:
                self._notes.once("hdlc-unexpected", f"{kind} from the meter was ignored")
            return False
        self.mode = follow(MODES, self.mode, LinkEvent.EXCHANGE)
        self._flow = follow(FLOWS, self._flow, kind)
        self._acknowledge(frame)
        if kind is FrameKind.I:
            self._take_information(frame)
        return True

    def _acknowledge(self, frame: Frame) -> None:
        taken = self._out.acknowledge(frame.receive_number)
        if taken is not None:
            # Asked what it has got, the meter names a frame that was sent: it has not heard it.
            self.spoiled += self._out.furthest > 0 and frame.kind is FrameKind.RR
            self._progress += taken
            self._out_of_step = 0
            return
        # A late copy of an old response looks like this, too; a meter that goes on like this has lost count.
        self._out_of_step += 1
        if self._out_of_step >= _MAX_OUT_OF_STEP:
            self._lost()
            text = f"the meter acknowledges frames that were never sent: {frame}"
            raise LinkError(text, layer="link", state="NRM", retryable=True, hint=_CONNECT_AGAIN)

    def _take_information(self, frame: Frame) -> None:
        if not self._in.accept(frame.send_number):
            self._gap = True
            return
        information = frame.information
        if self.parameters is not None and len(information) > self.parameters.max_info_rx:
            text = f"{len(information)} octets in a frame, agreed on {self.parameters.max_info_rx}"
            self._notes.once("hdlc-information-length", text)
        self._assemble(information, frame.segmented)

    def _assemble(self, information: bytes, segmented: bool) -> None:
        self._progress += bool(information)
        self._bad_before = self.tally.bad_fcs + self.tally.bad_hcs
        try:
            payload = self._assembly.add(information, segmented)
        except LimitExceeded:
            self._lost()
            raise
        if payload is not None:
            self._ready.append(without_llc(payload, self._notes))

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

    # --- the short cut -----------------------------------------------------------------------------------------------

    @property
    def _is_by_the_book(self) -> bool:
        """Whether a long answer has begun, its last part brought progress, and nothing but its rest is due."""
        return (
            self._turn is Turn.COMMAND
            and self._assembly.pending
            and not (self._silent or self._gaps or self._idle or self._out.outstanding or self.damage)
            and self._flow is Flow.READY
            and self._client != self._server
            and not self.is_receiving
            and self._detours < _MAX_DETOURS
        )

    def _read_on(self, limit: _Limit, now: float) -> Dialog[float]:
        """The rest of a long answer as long as it comes by the book: RR, and the next I frame, alone and final.

        With 128 octets a frame, a profile is thousands of these steps. Each would go the same way through ``_advance``:
        what is not by the book is left in the buffer for it, and it is the meter's turn then. After progress the time
        to wait does not depend on the clock, so that is read at the end only. Time in and out as in ``_advance``.
        """
        timeout = self.settings.response_timeout
        wait, wait_on = Receive(min(timeout, limit.at - now)), Receive(min(timeout, limit.span))
        most = DEFAULT_INFORMATION if self.parameters is None else self.parameters.max_info_rx
        while not self._ready:
            poll, head = self._next_step()
            yield poll
            self._turn = follow(TURNS, self._turn, TurnEvent.POLL)
            heard: bytes = yield wait
            found = expected(heard, head, most)
            if found is None:
                self._buffer.feed(heard)
                break
            self._turn = follow(TURNS, self._turn, TurnEvent.FINAL)
            self._heard += 1
            self._counts.good += 1
            self._in.accept(self._in.expected)
            self._assemble(*found)
            wait, self._detours, self._out_of_step = wait_on, 0, 0
        else:
            return now
        self._detours += 1
        now = yield Now()
        if wait is wait_on:
            limit.push(now if heard else now - wait.timeout)
        if not heard:
            self._turn = follow(TURNS, self._turn, TurnEvent.SILENCE)
            self._silent = True
        return now

    def _next_step(self) -> tuple[Send, bytes]:
        """RR with the present N(R), and the header of the I frame that it asks for."""
        numbers = self._out.next_number, self._in.expected
        if numbers not in self._steps:
            control = control_octet(FrameKind.I, poll=True, receive=numbers[0], send=numbers[1])
            answer = Frame(self._client, self._server, control)
            self._steps[numbers] = Send(self._frame(FrameKind.RR).encode()), answer.header
        return self._steps[numbers]

    # --- frames ------------------------------------------------------------------------------------------------------

    def _frame(
        self,
        kind: FrameKind,
        *,
        poll: bool = True,
        send: int = 0,
        information: bytes = b"",
        segmented: bool = False,
    ) -> Frame:
        control = control_octet(kind, poll=poll, receive=self._in.expected, send=send)
        return Frame(self._server, self._client, control, information, segmented)

    def _transmit(self, frames: list[Frame]) -> Dialog[None]:
        """Send commands, the last of which polls."""
        yield Send(b"".join(frame.encode() for frame in frames))
        self._echo = deque(frames)
        if self.mode is Mode.CONNECTED:
            self._turn = follow(TURNS, self._turn, TurnEvent.POLL)

    def _is_mine(self, frame: Frame) -> bool:
        if frame.destination == self._client != self._server == frame.source:
            return True
        if self._is_echo(frame):
            self._notes.once("hdlc-echo", "own frames come back: an optical head or a two-wire line")
            return False
        if frame.destination == self._client:
            if frame.source == self._server or (self.mode is Mode.CONNECTING and self._learn(frame)):
                return True
        elif frame.source == self._server and frame.kind is FrameKind.UI:
            # Pushes go to a client address of their own.
            return True
        self._notes.once("hdlc-address", f"a frame for another station was ignored: {frame}")
        return False

    def _is_echo(self, frame: Frame) -> bool:
        if self._client != self._server:
            return frame.source == self._client and frame.destination == self._server
        # Both ends have the same octets as address: only what no server sends tells an echo, and then the order.
        self._echoes = self._echoes or frame.kind in (FrameKind.SNRM, FrameKind.DISC)
        if self._echoes and self._echo and frame == self._echo[0]:
            self._echo.popleft()
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
        self._server = frame.source
        return True

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
        self._out = SendWindow(self.parameters.max_info_tx, self.parameters.window_tx)
        self._in = ReceiveWindow(self.parameters.window_rx)

    def _refused(self, frame: Frame) -> None:
        state = str(self.mode)
        connecting = self.mode is Mode.CONNECTING
        event = LinkEvent.DM if frame.kind is FrameKind.DM else LinkEvent.FRMR
        self.mode = follow(MODES, self.mode, event)
        if event is LinkEvent.FRMR:
            text = f"FRMR: {describe_reject(frame.information)}"
            hint = "set negotiate=False" if connecting else _CONNECT_AGAIN
        elif connecting:
            text, hint = "DM: the meter refuses a link", "another client may be connected; wait two minutes"
        else:
            text, hint = "DM: the meter has dropped the link", _CONNECT_AGAIN
        raise LinkError(text, layer="link", state=state, data=frame.encode(), retryable=True, hint=hint)

    def _lost(self) -> None:
        self.mode = follow(MODES, self.mode, LinkEvent.TIME_OUT)

    def _require_connected(self) -> None:
        if self.mode is not Mode.CONNECTED:
            text = "the link is not open, or was lost"
            raise LocalProtocolError(text, layer="link", state=str(self.mode), hint=_CONNECT_AGAIN)
