"""PSEM, the meter's side: states, rules and responses over a device that holds tables.

``PsemServer`` takes one request and gives one answer; what changes after the answer has been acknowledged (packets,
speed, times, the end of the session) stands beside it, for whoever serves the link (``metersdk.dialog.c1218_meter``).

From memory of the standard, to be checked against it: Wait in state id as well as in a session, Identify once more in
state id, and ``IAR`` for octets behind the end of a table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from metersdk.apdu import psem
from metersdk.apdu.keys import Secret
from metersdk.apdu.psem import (
    READ_OVERHEAD,
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
    decode_request,
)
from metersdk.apdu.psem_codes import BAUD_CODES, CODES_OF_BAUDS, service_of
from metersdk.apdu.psem_security import BLOCK_SIZE, encrypted, is_proof
from metersdk.dialog.psem_services import Access
from metersdk.errors import ChecksumError, DecodeError, PsemError

_OK, _ERR, _SNS, _ISC, _ONP, _IAR, _ISSS = (
    Response.OK,
    Response.ERR,
    Response.SNS,
    Response.ISC,
    Response.ONP,
    Response.IAR,
    Response.ISSS,
)


class PsemRefusal(PsemError):
    """Raised by a device: the request is answered with this response code, and with ``body`` behind it."""

    def __init__(self, response: Response, body: bytes = b"") -> None:
        super().__init__(response.describe, response=int(response), layer="apdu", data=body)
        self.body = body


class TableDevice(Protocol):
    """A meter that holds tables; each method may raise ``PsemRefusal``.

    ``level`` is what the password or key of the session is good for, 0 without one; its meaning is the device's own.
    """

    @property
    def access(self) -> Access:
        """How parts of tables can be read: DATA_ACCESS of table 0."""

    def identification(self) -> Identification:
        """Asked for at each Identify: a ticket in it is a new one each time."""

    def logon(self, user_id: int, user: bytes) -> None:
        """A session begins; ``user`` has 10 octets."""

    def security(self, password: Secret) -> int:
        """The level that the password, 20 octets, is good for. ``ERR`` refuses it."""

    def key(self, key_id: int) -> tuple[Secret, int] | None:
        """A key of C12.21 authentication, and its level."""

    def read(self, table: int, level: int) -> bytes:
        """A whole table: ``ONP`` if there is none, ``ISC`` if the level does not do, ``BSY``, ``DNR``, ``DLK``."""

    def read_elements(self, table: int, index: tuple[int, ...], count: int, level: int) -> bytes:
        """Elements of a table; ``IAR`` for indices that name none. Asked only if ``access`` has it."""

    def read_default(self, level: int) -> bytes:
        """The default table; ``SNS`` or ``ONP`` if there is none."""

    def write(self, table: int, offset: int | None, data: bytes, level: int) -> None:
        """A whole table (``offset`` None), or octets of it; ``IAR`` if they do not fit, ``ISC``, ``ONP``."""

    def write_elements(self, table: int, index: tuple[int, ...], data: bytes, level: int) -> None:
        """Elements of a table. Asked only if ``access`` has it."""

    def ended(self) -> None:
        """The session is over, in whatever way."""


class Stage(Enum):
    """States of C12.18."""

    BASE = "base"
    ID = "id"
    SESSION = "session"


@dataclass(frozen=True, slots=True)
class PsemRules:
    """What a meter agrees to.

    Attributes:
        packet_size, packets: of Negotiate, at most.
        bauds: speeds it can.
        timing: times it agrees to at most (C12.21); None: it does not know Timing set-up.
        negotiates: False: it does not know Negotiate.
        disconnects: it knows Disconnect (C12.22).
        sessionless: tables are read without Identify and Logon, and Logon grants an idle time-out (C12.22).
        too_large: what a table is refused with that does not fit one answer; C12.22 says ``RSTL``.
    """

    packet_size: int = 1024
    packets: int = 255
    bauds: tuple[int, ...] = (300, 600, 1200, 2400, 4800, 9600, 14400, 19200, 28800, 57600)
    timing: TimingSetup | None = None
    negotiates: bool = True
    disconnects: bool = False
    sessionless: bool = False
    too_large: Response = Response.ONP


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, and what holds once it has been acknowledged.

    Attributes:
        answer: octets to send.
        negotiated: packets to go on with, and the code of the speed; None: as before.
        timing: times to go on with.
        wait: seconds the session may rest once.
        base: back to the base state, with the defaults.
    """

    answer: bytes
    negotiated: Negotiated | None = None
    timing: TimingSetup | None = None
    wait: float = 0.0
    base: bool = False


Intercept = Callable[[Request], Response | None]


@dataclass
class PsemServer:
    """The state machine of one port.

    Args:
        device: what is read and written.
        rules: what is agreed to.
        baud: present speed, which Negotiate may change.
        intercept: asked first; a response in the place of the answer, for faults: ``BSY`` so many times.
    """

    device: TableDevice
    rules: PsemRules = field(default_factory=PsemRules)
    baud: int = 9600
    intercept: Intercept | None = None
    stage: Stage = field(default=Stage.BASE, init=False)
    level: int = field(default=0, init=False)
    _identification: Identification | None = field(default=None, init=False)

    def handle(self, octets: bytes, room: int) -> Reply:
        """The answer to one request; ``room`` is the longest that the link carries."""
        try:
            request = decode_request(octets)
            service = service_of(octets[0])
            if service is None or not self._is_known(service):
                return Reply(Refusal(_SNS).encode())
            if (early := self.intercept(request) if self.intercept is not None else None) is not None:
                return Reply(Refusal(early).encode())
            if not self._is_in_place(service):
                return Reply(Refusal(_ISSS).encode())
            reply = self._carry_out(request, room)
        except PsemRefusal as refusal:
            return Reply(Refusal(Response(refusal.response), refusal.body).encode())
        except (ChecksumError, DecodeError):
            return Reply(Refusal(_ERR).encode())
        if len(reply.answer) > room:
            return Reply(Refusal(self.rules.too_large, self._limit(room)).encode())
        return reply

    def reset(self) -> None:
        """Back to the base state: the session timed out, or the line was cut."""
        if self.stage is Stage.SESSION:
            self.device.ended()
        self.stage, self.level = Stage.BASE, 0

    def _limit(self, room: int) -> bytes:
        """What RSTL tells: octets of an answer at most."""
        return room.to_bytes(4, "big") if self.rules.too_large == Response.RSTL else b""

    # --- What is served, and when -------------------------------------------------------------------------------------

    def _is_known(self, service: Service) -> bool:
        match service:
            case Service.NEGOTIATE:
                return self.rules.negotiates
            case Service.TIMING_SETUP:
                return self.rules.timing is not None
            case Service.DISCONNECT:
                return self.rules.disconnects
            case Service.REGISTER | Service.DEREGISTER | Service.RESOLVE | Service.TRACE:
                return False
        return True

    def _is_in_place(self, service: Service) -> bool:
        if self.rules.sessionless:
            return True
        match service:
            case Service.IDENTIFY:
                # Once more in state id: the answer to the first one was lost.
                return self.stage is not Stage.SESSION
            case Service.TERMINATE | Service.DISCONNECT:
                return True
            case Service.NEGOTIATE | Service.TIMING_SETUP | Service.LOGON:
                return self.stage is Stage.ID
            case Service.WAIT:
                return self.stage is not Stage.BASE
        return self.stage is Stage.SESSION

    # --- Services -----------------------------------------------------------------------------------------------------

    def _carry_out(self, request: Request, room: int) -> Reply:
        match request:
            case Plain(Service.TERMINATE | Service.DISCONNECT):
                self.reset()
                return Reply(Done().encode(), base=True)
            case psem.Negotiate():
                agreed = self._agree(request)
                return Reply(agreed.encode(), negotiated=agreed)
            case TimingSetup():
                timing = self._agree_on_times(request)
                return Reply(TimingAgreed(timing).encode(), timing=timing)
            case psem.Wait(seconds):
                return Reply(Done().encode(), wait=float(seconds))
        return Reply(self._answer(request, room).encode())

    def _answer(self, request: Request, room: int) -> Answer:
        device = self.device
        match request:
            case Plain(Service.IDENTIFY):
                self._identification = device.identification()
                if self.stage is Stage.BASE:
                    self.stage = Stage.ID
                return self._identification
            case Plain(Service.LOGOFF):
                device.ended()
                self.stage, self.level = Stage.ID, 0
                return Done()
            case psem.Logon(user_id, user, idle):
                device.logon(user_id, user)
                self.stage, self.level = Stage.SESSION, 0
                return Done(b"" if idle is None else idle.to_bytes(2, "big"))
            case psem.Security(password):
                self.level = device.security(password)
                return Done()
            case psem.Authenticate(key_id, value):
                return self._authenticate(key_id, value)
            case Plain():
                return TableData(device.read_default(self.level))
            case psem.Read(table):
                return self._table(device.read(table, self.level), room)
            case psem.ReadOffset(table, offset, count):
                self._check_access(Access.OFFSET)
                return self._table(_slice(device.read(table, self.level), offset, count), room)
            case psem.ReadIndex(table, index, count):
                self._check_access(Access.INDEX)
                return self._table(device.read_elements(table, index, count, self.level), room)
            case psem.Write(table, data):
                device.write(table, None, data, self.level)
            case psem.WriteOffset(table, offset, data):
                self._check_access(Access.OFFSET)
                device.write(table, offset, data, self.level)
            case psem.WriteIndex(table, index, data):
                self._check_access(Access.INDEX)
                device.write_elements(table, index, data, self.level)
            case _:
                return Refusal(_SNS)
        return Done()

    def _table(self, data: bytes, room: int) -> Answer:
        """Refused here, before more octets are counted than a count can say."""
        if len(data) > min(psem.MAX_COUNT, room - READ_OVERHEAD):
            return Refusal(self.rules.too_large, self._limit(room))
        return TableData(data)

    def _check_access(self, wanted: Access) -> None:
        if not self.device.access & wanted:
            raise PsemRefusal(_IAR)

    def _agree(self, wanted: psem.Negotiate) -> Negotiated:
        """The longest packets, most of them, and the highest speed that both can; the present one if there is none."""
        shared = [code for code in wanted.bauds if BAUD_CODES.get(code) in self.rules.bauds]
        best = max(shared, key=lambda code: BAUD_CODES[code], default=CODES_OF_BAUDS.get(self.baud, 0))
        self.baud = BAUD_CODES.get(best, self.baud)
        size = min(max(wanted.packet_size, 64), self.rules.packet_size)
        return Negotiated(size, min(max(wanted.packets, 1), self.rules.packets), best)

    def _agree_on_times(self, wanted: TimingSetup) -> TimingSetup:
        most = self.rules.timing
        assert most is not None
        return TimingSetup(
            max(1, min(wanted.traffic, most.traffic)),
            max(1, min(wanted.character, most.character)),
            max(1, min(wanted.response, most.response)),
            min(wanted.retries, most.retries),
        )

    def _authenticate(self, key_id: int, value: bytes) -> Answer:
        """A ticket is good for one try: whoever guesses has to identify anew."""
        ticket = self._identification.ticket if self._identification is not None else None
        self._identification = None
        known = self.device.key(key_id)
        if ticket is None or known is None or BLOCK_SIZE.get(ticket.algorithm) != len(known[0]):
            raise PsemRefusal(_ERR)
        key, level = known
        if not is_proof(ticket.algorithm, key, ticket.ticket, value):
            raise PsemRefusal(_ERR)
        self.level = level
        return Authenticated(key_id, encrypted(ticket.algorithm, key, value))


def _slice(data: bytes, offset: int, count: int) -> bytes:
    if offset + count > len(data):
        raise PsemRefusal(_IAR)
    return data[offset : offset + count]
