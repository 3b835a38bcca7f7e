"""PSEM, the client's side: each service of C12.18 and C12.21 by itself, over any transport.

``metersdk.dialog.psem`` puts them together to sessions. A transport carries one request to the meter and brings one
whole answer: packets with acknowledgements (``metersdk.dialog.c1218_link``) or messages of C12.22. What is asked again
here, and how often, is bounded: a busy meter for ``PsemTiming.busy`` seconds, a damaged table ``REPEATS`` times. A
refused password or key is never tried again.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import IntFlag
from typing import Protocol, TypeVar, runtime_checkable

from metersdk.apdu import psem
from metersdk.apdu.keys import Secret
from metersdk.apdu.psem import (
    OFFSET_SIZE,
    READ_OVERHEAD,
    WRITE_OVERHEAD,
    Answer,
    Authenticated,
    Done,
    Identification,
    Negotiated,
    Plain,
    Refusal,
    Request,
    Response,
    Service,
    TableData,
    TimingAgreed,
    TimingSetup,
    decode_answer,
    table_name,
)
from metersdk.apdu.psem_codes import BAUD_CODES, CODES_OF_BAUDS, STANDARD_BAUD_CODES, service_of
from metersdk.apdu.psem_security import PADDINGS, Padding, check_ticket, encrypted, is_proof, padded
from metersdk.effects import Dialog, Emit, Hide, Now, Progress, Sleep
from metersdk.errors import (
    AuthenticationFailed,
    ChecksumError,
    DecodeError,
    Finding,
    LocalProtocolError,
    PsemError,
    RemoteProtocolError,
    SecurityError,
)

A = TypeVar("A", bound=Answer)

STANDARD_BAUDS = tuple(BAUD_CODES[code] for code in sorted(STANDARD_BAUD_CODES))
# A table that came damaged, or with another length than was asked for, is asked for again so often.
REPEATS = 2
# The first pause before a busy meter is asked again; each following one is twice as long.
_FIRST_PAUSE = 0.2
# Octets of the smallest packet that carries anything worth asking for.
_LEAST_PACKET = 16
# Octets one whole table may have; tables of C12.19 are addressed by 24 bits.
TABLE_LIMIT = 1 << 24
_PROCEDURE_INITIATE = 7
_KEPT_FINDINGS = 1000
# What a refused password or key does not look like: the service was not carried out at all.
_NOT_JUDGED = (Response.SNS, Response.BSY, Response.DNR, Response.RNO, Response.ISSS)


class Access(IntFlag):
    """How parts of a table can be read: DATA_ACCESS of table 0."""

    FULL = 0
    OFFSET = 1
    INDEX = 2
    BOTH = 3


class Transport(Protocol):
    """Carries requests and answers."""

    @property
    def max_payload(self) -> int:
        """Octets of one request or answer at most."""

    def request(self, payload: bytes, timeout: float | None = None) -> Dialog[bytes]:
        """Send one request; its answer, whole. ``timeout`` in seconds where it may take longer than usual.

        Raises:
            NoAnswer, RemoteProtocolError: after all repeats.
        """


@runtime_checkable
class Link(Transport, Protocol):
    """A transport whose packets and speed can be negotiated; ``baud`` is the present speed."""

    @property
    def baud(self) -> int: ...

    def adopt(self, packet_size: int, packets: int, baud: int | None = None) -> Dialog[None]:
        """Go on with these; None: at the same speed."""

    def keep_times(self, agreed: TimingSetup) -> None:
        """Wait, and send again, as agreed on."""

    def reset(self) -> Dialog[None]:
        """Go back to the default packets, times and speed, and to a session of which nothing is known."""


@dataclass(frozen=True, slots=True)
class PsemTiming:
    """Seconds.

    Attributes:
        busy: a busy meter, or one whose data are not ready, is asked again for so long.
        traffic: without a packet for so long the meter ends the session (C12.18: 6 s).
        recovery: silence after which a meter has surely forgotten a session; more than ``traffic``.
        procedure: a procedure may take so long before its request is answered.
    """

    busy: float = 30.0
    traffic: float = 6.0
    recovery: float = 7.0
    procedure: float = 20.0


class PsemServices:
    """The services of one meter, each by itself.

    Attributes:
        state: ``base``, ``id`` or ``session``, as far as this side knows.
        identification: of the last Identify.
        findings: what was tolerated, the last of it; each is emitted, too.
    """

    def __init__(self, transport: Transport, timing: PsemTiming | None = None) -> None:
        self.state = "base"
        self.identification: Identification | None = None
        self.findings: deque[Finding] = deque(maxlen=_KEPT_FINDINGS)
        self._transport = transport
        self._timing = timing or PsemTiming()
        self._refused = False

    @property
    def max_read(self) -> int:
        """Octets of a table that one answer brings at most."""
        return max(1, min(psem.MAX_COUNT, self._transport.max_payload - READ_OVERHEAD))

    # --- The session --------------------------------------------------------------------------------------------------

    def identify(self) -> Dialog[Identification]:
        """Which standard the meter follows, and its features; ends state ``base``.

        Octets behind the features are a finding, no error: some meters send more.
        """
        found = yield from self._ask(Plain(Service.IDENTIFY), Identification)
        self.state, self.identification = "id", found
        if found.trailing:
            text = f"{len(found.trailing)} octets behind the features of the identification"
            yield from self._note("psem-trailing", text)
        return found

    def negotiate(self, packet_size: int = 1024, packets: int = 255, bauds: tuple[int, ...] = ()) -> Dialog[Negotiated]:
        """Agree on longer packets, more of them in a row, and one of the speeds ``bauds``, and go on with them.

        The line changes its speed once the answer has been acknowledged; code 0 leaves it as it is. An answer beyond
        what was offered is cut down to it.

        Raises:
            PsemError: refused; nothing has changed.
            RemoteProtocolError: the answer makes no sense: packets of no use, or a speed that was not offered.
        """
        link = self._transport
        if not isinstance(link, Link):
            raise LocalProtocolError("over this transport nothing is negotiated")
        codes = tuple(_code_of(baud) for baud in bauds)
        answer = yield from self._ask(psem.Negotiate(packet_size, packets, codes), Negotiated)
        if (
            answer.packet_size < _LEAST_PACKET
            or not answer.packets
            or (codes and answer.baud not in (0, *codes) and BAUD_CODES.get(answer.baud) != link.baud)
        ):
            raise RemoteProtocolError(
                f"Negotiate was answered with {answer.packets} packets of {answer.packet_size} octets, "
                f"baud code {answer.baud:02X}",
                layer="apdu",
                state=self.state,
                hint="connect without Negotiate, or offer fewer speeds",
            )
        agreed = Negotiated(min(packet_size, answer.packet_size), min(packets, answer.packets), answer.baud)
        yield from link.adopt(agreed.packet_size, agreed.packets, BAUD_CODES.get(answer.baud) if codes else None)
        return agreed

    def timing_setup(self, wanted: TimingSetup) -> Dialog[TimingSetup]:
        """Agree on times and repeats (C12.21); what the meter answers holds until the session ends. This side never
        waits longer, nor repeats more often, than it wanted to.

        Raises:
            PsemError: refused.
        """
        agreed = yield from self._ask(wanted, TimingAgreed)
        if isinstance(self._transport, Link):
            pairs = zip(agreed.timing.octets, wanted.octets, strict=True)
            self._transport.keep_times(TimingSetup(*(min(pair) for pair in pairs)))
        return agreed.timing

    def logon(self, user_id: int, user: str, idle: int | None = None) -> Dialog[bytes]:
        """Begin a session -> what the meter says beside OK (C12.22: the idle time-out it grants)."""
        name = _ascii(user)
        answer = yield from self._ask(psem.Logon(user_id, name.ljust(psem.USER_SIZE), idle), Done)
        self.state = "session"
        return answer.body

    def security(self, password: Secret, padding: Padding = "nul", user_id: int | None = None) -> Dialog[None]:
        """Show the password; a trace does not.

        Raises:
            AuthenticationFailed: refused. It is not tried again in this session, nor is another one.
        """
        self._check_not_refused()
        full = padded(password, padding)
        secret = bytes(password).rstrip(PADDINGS[padding])
        if secret:
            yield Emit(Hide(secret))
        yield from self._proving(psem.Security(full, user_id), Done, "the meter refused the password")

    def authenticate(self, key: Secret, key_id: int = 0) -> Dialog[None]:
        """Show that both know the key, by the ticket of the identification (C12.21).

        Raises:
            LocalProtocolError: the meter gave no ticket, or the key does not fit its cipher.
            AuthenticationFailed: the meter refused the proof. It is not tried again in this session.
            SecurityError: the meter's own proof is wrong: it does not know the key.
        """
        self._check_not_refused()
        ticket = self.identification.ticket if self.identification is not None else None
        if ticket is None:
            raise LocalProtocolError(
                "this meter offers no authentication: there is no ticket in its identification",
                layer="association",
                state=self.state,
                hint="leave the key out, and log on with a password",
            )
        check_ticket(ticket, key)
        proof = encrypted(ticket.algorithm, key, ticket.ticket)
        request = psem.Authenticate(key_id, proof)
        answer = yield from self._proving(request, Authenticated, f"the meter refused the proof of key {key_id}")
        if answer.key_id != key_id or not is_proof(ticket.algorithm, key, proof, answer.value):
            raise SecurityError("the meter does not know the key", layer="association", state=self.state)

    def wait(self, seconds: float) -> Dialog[None]:
        """Tell the meter that nothing will come for so long (255 s at most), before long work on this side."""
        whole = min(255, -int(-seconds // 1))
        yield from self._ask(psem.Wait(max(1, whole)), Done)

    def logoff(self) -> Dialog[None]:
        """End the session; the meter stays in state ``id``."""
        yield from self._ask(Plain(Service.LOGOFF), Done)
        self.state = "id"

    def terminate(self) -> Dialog[None]:
        """Back to state ``base``: defaults hold on both sides once the answer is acknowledged."""
        yield from self._leave(Service.TERMINATE)

    def disconnect(self) -> Dialog[None]:
        """As ``terminate``, for a node of C12.22 on a local port."""
        yield from self._leave(Service.DISCONNECT)

    # --- Tables -------------------------------------------------------------------------------------------------------

    def read(
        self,
        table: int,
        *,
        offset: int | None = None,
        count: int | None = None,
        index: tuple[int, ...] | None = None,
        octets: int | None = None,
        access: Access | None = None,
    ) -> Dialog[bytes]:
        """Octets of a table: whole, from an offset on, or some elements.

        Args:
            table: its number; plus 2048 of the manufacturer, plus 4096 pending.
            offset: first octet; ``count`` octets are read, in parts that fit one answer.
            count: octets from ``offset`` on, or elements from ``index`` on.
            index: indices of the first element, outermost first.
            octets: how many are expected, where that is known: an answer of another length is no answer. A whole table
                longer than one answer is read in parts, if ``access`` lets it be.
            access: DATA_ACCESS of table 0; None: not known, nothing is ruled out.

        Raises:
            PsemError: refused; not retryable except for busy.
            DecodeError: the answer has another length than asked for, repeats included.
            ChecksumError: the checksum is wrong, repeats included.
        """
        if index is not None:
            if offset is not None:
                raise LocalProtocolError("a part of a table is named by an offset or by indices, not by both")
            return (yield from self._part(psem.ReadIndex(table, index, 1 if count is None else count), octets))
        if offset is not None:
            size = octets if count is None else count
            if size is None:
                raise LocalProtocolError("a read by offset needs the number of octets")
            return (yield from self._range(table, offset, size))
        if octets is not None and octets > self.max_read and (access is None or access & Access.OFFSET):
            return (yield from self._range(table, 0, octets))
        return (yield from self._part(psem.Read(table), octets))

    def read_default(self) -> Dialog[bytes]:
        """The table that the meter gives unasked."""
        return (yield from self._part(Plain(Service.READ_DEFAULT), None))

    def write(
        self,
        table: int,
        data: bytes,
        *,
        allow: bool = False,
        offset: int | None = None,
        index: tuple[int, ...] | None = None,
        access: Access | None = None,
    ) -> Dialog[None]:
        """Write a table or a part of it; data longer than one request go in parts, if ``access`` lets them.

        Args:
            allow: False refuses: writing is for those who say so.

        Raises:
            LocalProtocolError: not allowed, or too long; nothing was sent.
            PsemError: refused. What parts went before it are written.
        """
        if not allow:
            raise LocalProtocolError(f"{table_name(table)} would be written", hint="say write=True")
        timeout = self._timing.procedure if table == _PROCEDURE_INITIATE else None
        room = self._transport.max_payload - WRITE_OVERHEAD
        if index is not None:
            yield from self._ask(psem.WriteIndex(table, index, data), Done, timeout)
        elif offset is None and len(data) <= room:
            yield from self._ask(psem.Write(table, data), Done, timeout)
        elif offset is None and access is not None and not access & Access.OFFSET:
            raise LocalProtocolError(f"{len(data)} octets are too many for one request, and the meter takes no parts")
        else:
            yield from self._write_range(table, offset or 0, data, room - OFFSET_SIZE)

    def _write_range(self, table: int, offset: int, data: bytes, room: int) -> Dialog[None]:
        done = 0
        while True:
            part = data[done : done + max(1, room)]
            yield from self._ask(psem.WriteOffset(table, offset + done, part), Done)
            done += len(part)
            if done >= len(data):
                return
            yield Emit(Progress(done, len(data), "octets"))

    def _range(self, table: int, offset: int, size: int) -> Dialog[bytes]:
        """``size`` octets from ``offset`` on, in as few answers as they fit into."""
        if not 0 < size <= TABLE_LIMIT or offset < 0:
            raise LocalProtocolError(f"{size} octets from offset {offset} on cannot be read")
        found = bytearray()
        while len(found) < size:
            count = min(self.max_read, size - len(found))
            found += yield from self._part(psem.ReadOffset(table, offset + len(found), count), count)
            yield Emit(Progress(len(found), size, "octets"))
        return bytes(found)

    def _part(self, request: Request, octets: int | None) -> Dialog[bytes]:
        """One answer with octets of a table, proved by its checksum and its length."""
        attempt = 0
        while True:
            try:
                data = (yield from self._ask(request, TableData)).data
                if octets is None or len(data) == octets:
                    return data
                raise DecodeError(
                    f"{_subject(request)}: {len(data)} octets came, {octets} were asked for",
                    layer="apdu",
                    state=self.state,
                    data=data,
                    hint="the configuration of the meter may have changed: read table 0 again",
                )
            except (ChecksumError, DecodeError) as error:
                # A frame that was proved by its CRC: either a table that changed meanwhile, or the answer to another
                # request. Both are over when it is asked for again.
                attempt += 1
                if attempt > REPEATS:
                    raise
                code = "psem-checksum" if isinstance(error, ChecksumError) else "psem-length"
                yield from self._note(code, f"asked again, {attempt} of {REPEATS}: {error.message}")

    # --- One request --------------------------------------------------------------------------------------------------

    def _ask(self, request: Request, kind: type[A], timeout: float | None = None) -> Dialog[A]:
        """The answer of this kind; what passes by itself is waited for.

        Raises:
            SecurityError: the meter wants another protection, or another key, where no single table is meant.
            PsemError: any other response but OK.
        """
        answer = yield from self._patient(request, timeout)
        if isinstance(answer, Refusal) and answer.response == Response.RNO and (yield from self._renewed(request)):
            answer = yield from self._patient(request, timeout)
        if isinstance(answer, Refusal):
            raise self._error(request, answer)
        assert isinstance(answer, kind)
        return answer

    def _patient(self, request: Request, timeout: float | None = None) -> Dialog[Answer]:
        """The answer, once the meter is no longer busy; the pauses grow, and stay well below its traffic time-out."""
        answer = yield from self._once(request, timeout)
        if not (isinstance(answer, Refusal) and answer.response.retryable):
            return answer
        yield from self._note("psem-busy", f"{_subject(request)}: {answer.response.describe}; asked again")
        now: float = yield Now()
        deadline, pause = now + self._timing.busy, _FIRST_PAUSE
        while isinstance(answer, Refusal) and answer.response.retryable:
            now = yield Now()
            if now + pause > deadline:
                break
            yield Sleep(pause)
            pause = min(2 * pause, self._timing.traffic / 3)
            answer = yield from self._once(request, timeout)
        return answer

    def _once(self, request: Request, timeout: float | None = None) -> Dialog[Answer]:
        payload = request.encode()
        if len(payload) > self._transport.max_payload:
            raise LocalProtocolError(
                f"{_subject(request)} has {len(payload)} octets; {self._transport.max_payload} fit one request",
                hint="write in parts, or negotiate longer packets",
            )
        octets = yield from self._transport.request(payload, timeout)
        service = service_of(payload[0])
        assert service is not None
        try:
            return decode_answer(service, octets)
        except (ChecksumError, DecodeError) as error:
            error.state = error.state or self.state
            raise

    def _proving(self, request: Request, kind: type[A], refusal: str) -> Dialog[A]:
        """As ``_ask``, for what proves who we are: a refusal is for good."""
        try:
            return (yield from self._ask(request, kind))
        except PsemError as error:
            if error.response in _NOT_JUDGED:
                raise
            self._refused = True
            text = f"{refusal}: {Response(error.response).describe}"
            raise AuthenticationFailed(text, layer="association", state=self.state) from error

    def _check_not_refused(self) -> None:
        if self._refused:
            raise LocalProtocolError(
                "a password or key was refused in this session; none is tried again",
                layer="association",
                hint="close the session, and open another one with the right password",
            )

    def _error(self, request: Request, refusal: Refusal) -> PsemError | SecurityError:
        response = refusal.response
        if response == Response.SME and getattr(request, "table", None) is None:
            text = f"{_subject(request)}: {response.describe}"
            return SecurityError(text, layer="association", state=self.state, hint=response.hint)
        return PsemError(
            f"{_subject(request)}: {response.describe}",
            response=int(response),
            layer="apdu",
            offset=0,
            data=refusal.encode(),
            state=self.state,
            retryable=response.retryable,
            hint=response.hint,
        )

    def _renewed(self, request: Request) -> Dialog[bool]:
        """The meter has given up the session (rno) -> whether it stands again, so that ``request`` can be repeated."""
        yield from ()
        return False

    def _leave(self, service: Service) -> Dialog[None]:
        yield from self._ask(Plain(service), Done)
        yield from self._reset()

    def _reset(self) -> Dialog[None]:
        self.state = "base"
        if isinstance(self._transport, Link):
            yield from self._transport.reset()

    def _note(self, code: str, text: str, hint: str = "") -> Dialog[None]:
        finding = Finding(code, text, "apdu", hint=hint)
        self.findings.append(finding)
        yield Emit(finding)


def _subject(request: Request) -> str:
    """``"read-offset ST 64"``."""
    service = service_of(request.encode()[0])
    name = service.name.lower().replace("_", "-") if service is not None else "request"
    table = getattr(request, "table", None)
    return name if table is None else f"{name} {table_name(table)}"


def _code_of(baud: int) -> int:
    code = CODES_OF_BAUDS.get(baud)
    if code is None:
        raise LocalProtocolError(f"{baud} Bd has no code", hint=f"known: {', '.join(map(str, sorted(CODES_OF_BAUDS)))}")
    return code


def _ascii(user: str) -> bytes:
    try:
        return user.encode("ascii")
    except UnicodeEncodeError:
        raise LocalProtocolError("a user name is written in ASCII", layer="association") from None
