"""The meter's side of the data link: HDLC as secondary station, and the wrapper over TCP or UDP.

Both answer ``receive`` with ``(client SAP, server SAP, APDU)``, or None when the link has ended and the association
with it. The response goes out by ``send``; a ``receive`` without one gives the turn back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

from metersdk.dialog.hdlc_states import FLOWS, MODES, TURNS, Flow, LinkEvent, Mode, Turn, TurnEvent, follow
from metersdk.dialog.hdlc_station import MAX_APDU, Findings, Proposal, Station
from metersdk.dialog.hdlc_transfer import Transfer
from metersdk.effects import Dialog, Now, Receive, Send
from metersdk.errors import Finding, FrameError, LimitExceeded, LocalProtocolError
from metersdk.frame.buffer import ReceiveBuffer
from metersdk.frame.hdlc import LLC_COMMAND, LLC_RESPONSE, Frame, FrameKind, Reject, control_octet, encode_reject
from metersdk.frame.hdlc_address import ALL_STATION, CALLING, Address
from metersdk.frame.hdlc_parameters import Parameters
from metersdk.frame.wrapper import Wpdu, take_wpdu

Request: TypeAlias = tuple[int, int, bytes]

# A meter without a link waits for ever; it only has to wake up now and then.
_FOREVER: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class HdlcServerSettings(Proposal):
    """Who the meter is on the line, and what it agrees to.

    Args:
        servers: upper addresses (logical devices) that are there.
        physical: lower address; None answers to any that is not reserved.
        address_size: the one length of address it listens to; None listens to all, and answers in that of the call.
        inactivity_timeout: seconds without a good frame after which the link is dropped; 0 never.
        answers_calling: whether it answers to the reserved address CALLING: alone on an optical head.
    """

    servers: frozenset[int] = frozenset({1})
    physical: int | None = None
    address_size: int | None = None
    inactivity_timeout: float = 120.0
    answers_calling: bool = False


class HdlcServerLink(Station):
    """The secondary station of an HDLC link: one client at a time, the latest SNRM wins.

    Attributes:
        mode: ``Mode.CONNECTED`` while there is a link.
        parameters: what was agreed on, seen from this side.
    """

    def __init__(self, settings: HdlcServerSettings, buffer: ReceiveBuffer, *, max_apdu: int = MAX_APDU) -> None:
        super().__init__(buffer, settings.inter_octet_timeout)
        self.settings = settings
        self.max_apdu = max_apdu
        self.mode = Mode.DISCONNECTED
        self.parameters = Parameters()
        self._client = b""
        self._server = b""
        self._reset(self.parameters)

    def _reset(self, parameters: Parameters) -> None:
        self.parameters = parameters
        self._transfer = Transfer(self._client, self._server, parameters, self.max_apdu)
        self._gap = False

    # --- dialogs -----------------------------------------------------------------------------------------------------

    def receive(self) -> Dialog[Request | None]:
        """The next request, as (client SAP, upper server address, APDU without LLC header).

        None when the link has ended: DISC, a new SNRM, FRMR or inactivity. Call it again for the next link.
        """
        if self._transfer.turn is Turn.RESPONSE and not self._transfer.ready:
            yield from self._respond()
        now: float = yield Now()
        until = now + self._patience()
        while not self._transfer.ready:
            frame = yield from self._next_frame(until, float("inf"))
            now = yield Now()
            if frame is not None:
                ended = yield from self._take_in(frame)
                now = yield Now()
                until = now + self._patience()
                if ended:
                    return None
            elif now >= until:
                until = now + self._patience()
                if self.mode is Mode.CONNECTED and self.settings.inactivity_timeout:
                    self._end(LinkEvent.TIME_OUT)
                    return None
        client, server = Address.decode(self._client).upper, Address.decode(self._server).upper
        return client, server, self._transfer.ready.popleft()

    def send(self, apdu: bytes) -> Dialog[None]:
        """Queue a response, and send its first window if it is this side's turn; ``receive`` sends the others.

        Raises:
            LocalProtocolError: there is no link.
        """
        if self.mode is not Mode.CONNECTED:
            raise LocalProtocolError("the link has ended", layer="link", state=str(self.mode))
        self._transfer.out.load(LLC_RESPONSE + apdu)
        if self._transfer.turn is Turn.RESPONSE:
            yield from self._respond()

    def push(self, apdu: bytes, client: int, server: int = 1) -> Dialog[None]:
        """Send an APDU in UI frames to a client SAP. It needs no link, and is never acknowledged."""
        payload = LLC_RESPONSE + apdu
        size = self.parameters.max_info_tx
        source = Address.of(server, self.settings.physical, self.settings.address_size).encode()
        destination = Address.of(client, None, 1).encode()
        for start in range(0, len(payload), size):
            more = start + size < len(payload)
            control = control_octet(FrameKind.UI, poll=not more)
            yield Send(Frame(destination, source, control, payload[start : start + size], more).encode())

    # --- commands ----------------------------------------------------------------------------------------------------

    def _take_in(self, frame: Frame) -> Dialog[bool]:
        """Act on one command; whether a link has ended by it."""
        kind = frame.kind
        known = self.mode is Mode.CONNECTED and (frame.source, frame.destination) == (self._client, self._server)
        if kind is FrameKind.SNRM:
            ended = yield from self._connect(frame)
        elif kind is FrameKind.DISC:
            ended = yield from self._disconnect(frame, known)
        elif kind in (FrameKind.UI, FrameKind.UA, FrameKind.DM, FrameKind.FRMR):
            # UI asks for nothing; the others are responses.
            ended = False
        elif not known:
            ended = False
            if frame.final:
                yield from self._answer(frame, FrameKind.DM)
        elif kind not in FLOWS[self._transfer.flow]:
            ended = yield from self._reject(frame, Reject.CONTROL)
        else:
            ended = yield from self._exchange(frame)
        return ended

    def _connect(self, frame: Frame) -> Dialog[bool]:
        ended = self.mode is Mode.CONNECTED
        self.mode = follow(MODES, self.mode, LinkEvent.SNRM)
        proposed, findings = Parameters.decode(frame.information)
        self._notes.add_all(findings)
        settings = self.settings
        # Crosswise: what the client receives is what may be sent to it (IEC 62056-46 6.4.4.4.3.2).
        agreed = Parameters(
            max_info_tx=min(settings.max_info_tx, proposed.max_info_rx),
            max_info_rx=min(settings.max_info_rx, proposed.max_info_tx),
            window_tx=min(settings.window_tx, proposed.window_rx),
            window_rx=min(settings.window_rx, proposed.window_tx),
        )
        self._client, self._server = frame.source, frame.destination
        self._reset(agreed)
        yield from self._answer(frame, FrameKind.UA, agreed.encode())
        self.mode = follow(MODES, self.mode, LinkEvent.UA)
        return ended

    def _disconnect(self, frame: Frame, known: bool) -> Dialog[bool]:
        if not known:
            yield from self._answer(frame, FrameKind.DM)
            return False
        self.mode = follow(MODES, self.mode, LinkEvent.DISC)
        yield from self._answer(frame, FrameKind.UA)
        self._end(LinkEvent.UA)
        return True

    def _exchange(self, frame: Frame) -> Dialog[bool]:
        """I, RR, RNR, REJ of the client in the link."""
        kind, transfer = frame.kind, self._transfer
        if transfer.out.acknowledge(frame.receive_number) is None:
            return (yield from self._reject(frame, Reject.RECEIVE_NUMBER))
        self.mode = follow(MODES, self.mode, LinkEvent.EXCHANGE)
        transfer.flow = follow(FLOWS, transfer.flow, kind)
        if kind is FrameKind.I:
            if len(frame.information) > self.parameters.max_info_rx:
                return (yield from self._reject(frame, Reject.TOO_LONG))
            if transfer.into.accept(frame.send_number):
                self._gap = False
                try:
                    payload = transfer.assembly.add(frame.information, frame.segmented)
                except LimitExceeded:
                    return (yield from self._reject(frame, Reject.TOO_LONG))
                if payload is not None:
                    transfer.ready.append(payload.removeprefix(LLC_COMMAND))
            elif not transfer.into.is_repeated(frame.send_number):
                self._gap = True
        event = TurnEvent.POLL if frame.final else TurnEvent.FRAME
        # A poll while the turn is ours: the client gave up waiting, and asks again.
        transfer.turn = follow(TURNS, Turn.COMMAND, event)
        if transfer.turn is Turn.RESPONSE and not transfer.ready:
            yield from self._respond()
        return False

    # --- responses ---------------------------------------------------------------------------------------------------

    def _respond(self) -> Dialog[None]:
        """Use the turn: REJ for a gap, else a window of what is not acknowledged, else RR. The last frame has F=1."""
        transfer = self._transfer
        if self._gap:
            self._gap = False
            frames = [transfer.frame(FrameKind.REJ)]
        elif transfer.flow is Flow.READY and transfer.out.outstanding:
            frames = transfer.window()
        else:
            frames = [transfer.frame(FrameKind.RR)]
        transfer.pass_turn(TurnEvent.FINAL)
        yield Send(b"".join(frame.encode() for frame in frames))

    def _answer(self, frame: Frame, kind: FrameKind, information: bytes = b"") -> Dialog[None]:
        """An unnumbered response to the sender of ``frame``."""
        yield Send(Frame(frame.source, frame.destination, control_octet(kind, poll=True), information).encode())

    def _reject(self, frame: Frame, reason: Reject) -> Dialog[bool]:
        """FRMR: the link is of no more use, the client has to set up a new one."""
        send, receive = self._transfer.out.next_number, self._transfer.into.expected
        information = encode_reject(frame.control, reason, send=send, receive=receive, response=False)
        self._end(LinkEvent.FRMR)
        yield from self._answer(frame, FrameKind.FRMR, information)
        return True

    def _end(self, event: LinkEvent) -> None:
        self.mode = follow(MODES, self.mode, event)
        self._reset(Parameters())

    def _patience(self) -> float:
        if self.mode is Mode.CONNECTED and self.settings.inactivity_timeout:
            return self.settings.inactivity_timeout
        return _FOREVER

    def _is_mine(self, frame: Frame) -> bool:
        settings = self.settings
        called = frame.destination_address
        if len(frame.source) != 1 or settings.address_size not in (None, called.size):
            return False
        if called.is_reserved(ALL_STATION):
            # A station never answers to a call for all (IEC 62056-46 6.4.2.3).
            return False
        calling = settings.answers_calling and called.is_reserved(CALLING)
        if calling and called.size == 1:
            return True
        if called.upper not in settings.servers:
            return False
        if called.is_reserved(CALLING):
            return calling
        return called.lower is None or settings.physical in (None, called.lower)


class WrapperServerLink:
    """The server's end of the wrapper: one TCP connection, or a UDP port with ``datagram=True``.

    Args:
        buffer: the octets of the connection.
        servers: server SAPs that are there; requests to others are not answered. None takes all.
        datagram: every ``Receive`` answers with exactly one datagram.
        inactivity_timeout: seconds without a request after which ``receive`` answers None; 0 never.
        max_apdu: longest APDU taken, octets.
    """

    def __init__(
        self,
        buffer: ReceiveBuffer,
        *,
        servers: frozenset[int] | None = None,
        datagram: bool = False,
        inactivity_timeout: float = 0.0,
        max_apdu: int = MAX_APDU,
    ) -> None:
        self.servers = servers
        self.max_apdu = max_apdu
        self.inactivity_timeout = inactivity_timeout
        self._notes = Findings()
        self.findings: list[Finding] = self._notes
        self._buffer = buffer
        self._datagram = datagram
        self._last: Wpdu | None = None

    def receive(self) -> Dialog[Request | None]:
        """The next request, as (client SAP, server SAP, APDU); None after ``inactivity_timeout``.

        Raises:
            FrameError: the stream holds no WPDU; close the connection. A datagram that holds none is only a finding.
            LimitExceeded: more than ``max_apdu`` octets are announced.
            PortClosed: from the port, when the client closed the connection.
        """
        now: float = yield Now()
        until = now + (self.inactivity_timeout or _FOREVER)
        while True:
            while (wpdu := None if self._datagram else take_wpdu(self._buffer, self.max_apdu)) is not None:
                if self._is_mine(wpdu):
                    return self._request(wpdu)
            now = yield Now()
            if now >= until and self.inactivity_timeout:
                return None
            data: bytes = yield Receive(max(until - now, 0.0) if self.inactivity_timeout else _FOREVER)
            if not self._datagram:
                self._buffer.feed(data)
            elif data:
                try:
                    datagram = Wpdu.decode(data)
                except FrameError as error:
                    self._notes.once("wrapper-datagram", f"a datagram was ignored: {error.message}", layer="frame")
                    continue
                if self._is_mine(datagram):
                    return self._request(datagram)

    def send(self, apdu: bytes) -> Dialog[None]:
        """Answer the last request.

        Raises:
            LocalProtocolError: there was none.
        """
        if self._last is None:
            raise LocalProtocolError("there is no request to answer", layer="link")
        yield Send(Wpdu(self._last.destination, self._last.source, apdu).encode())

    def push(self, apdu: bytes, client: int, server: int = 1) -> Dialog[None]:
        """Send an APDU that nobody asked for."""
        yield Send(Wpdu(server, client, apdu).encode())

    def _request(self, wpdu: Wpdu) -> Request:
        self._last = wpdu
        return wpdu.source, wpdu.destination, wpdu.apdu

    def _is_mine(self, wpdu: Wpdu) -> bool:
        if self.servers is None or wpdu.destination in self.servers:
            return True
        self._notes.once("wrapper-port", f"a request for server {wpdu.destination} was ignored", layer="frame")
        return False
