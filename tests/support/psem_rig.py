"""A device of plain tables, and a client that reads it through services, link and a modelled line."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from metersdk.apdu.keys import Secret
from metersdk.apdu.psem import Feature, Identification, Response
from metersdk.apdu.psem_security import ALGORITHM_AES, ALGORITHM_DES, new_ticket, same_password
from metersdk.dialog.c1218_link import C1218Link, C1218Settings, LinkFaults
from metersdk.dialog.c1218_meter import serve_c1218
from metersdk.dialog.psem import Access, Psem, PsemTiming
from metersdk.dialog.psem_meter import Intercept, PsemRefusal, PsemRules
from metersdk.effects import Dialog
from metersdk.errors import Finding
from metersdk.frame.buffer import ReceiveBuffer
from metersdk.port.drive import run
from metersdk.port.line import LineModel
from metersdk.port.virtual import VirtualPort

T = TypeVar("T")

PASSWORD = Secret("secret")
KEY = Secret(bytes(range(8)))
KEYS = {ALGORITHM_DES: KEY, ALGORITHM_AES: Secret(bytes(range(16)))}
# Tables that everybody may read, and tables that want level 2 to be written.
OPEN, PROTECTED = (0, 1), (5,)


def content(table: int, size: int) -> bytes:
    """Octets that only this table has."""
    return random.Random(table).randbytes(size)


@dataclass
class MemoryDevice:
    """Tables by number."""

    tables: dict[int, bytes]
    access: Access = Access.BOTH
    algorithm: int | None = None
    levels: dict[str, int] = field(default_factory=lambda: {"secret": 1, "master": 2})
    users: list[tuple[int, bytes]] = field(default_factory=list)
    sessions_ended: int = 0
    refusals: list[Response] = field(default_factory=list)

    def identification(self) -> Identification:
        if self.algorithm is None:
            return Identification(0, 1, 0)
        ticket = new_ticket(self.algorithm)
        octets = bytes((ticket.kind, ticket.algorithm, len(ticket.ticket))) + ticket.ticket
        return Identification(2, 1, 0, (Feature(2, octets),))

    def logon(self, user_id: int, user: bytes) -> None:
        if user_id == 0xFFFF:
            raise PsemRefusal(Response.DLK)
        self.users.append((user_id, user))

    def security(self, password: Secret) -> int:
        for known, level in self.levels.items():
            if same_password(Secret(known), password):
                return level
        raise PsemRefusal(Response.ERR)

    def key(self, key_id: int) -> tuple[Secret, int] | None:
        return (KEYS[self.algorithm or ALGORITHM_DES], 1) if key_id == 1 else None

    def read(self, table: int, level: int) -> bytes:
        if self.refusals:
            raise PsemRefusal(self.refusals.pop(0))
        if table not in self.tables:
            raise PsemRefusal(Response.ONP)
        if not level and table not in OPEN:
            raise PsemRefusal(Response.ISC)
        return self.tables[table]

    def read_elements(self, table: int, index: tuple[int, ...], count: int, level: int) -> bytes:
        """Elements of one octet each."""
        data = self.read(table, level)
        if len(index) > 1 or index[0] + count > len(data):
            raise PsemRefusal(Response.IAR)
        return data[index[0] : index[0] + count]

    def read_default(self, level: int) -> bytes:
        return self.read(1, level)

    def write(self, table: int, offset: int | None, data: bytes, level: int) -> None:
        if table in PROTECTED and level < 2:
            raise PsemRefusal(Response.ISC)
        old = self.read(table, level)
        start = offset or 0
        if start + len(data) > len(old) or (offset is None and len(data) != len(old)):
            raise PsemRefusal(Response.IAR)
        self.tables[table] = old[:start] + data + old[start + len(data) :]

    def write_elements(self, table: int, index: tuple[int, ...], data: bytes, level: int) -> None:
        self.write(table, index[0], data, level)

    def ended(self) -> None:
        self.sessions_ended += 1


class PsemRig:
    """One client and one meter, under the virtual clock."""

    def __init__(
        self,
        device: MemoryDevice,
        *,
        model: LineModel | None = None,
        settings: C1218Settings | None = None,
        faults: LinkFaults | None = None,
        rules: PsemRules | None = None,
        intercept: Intercept | None = None,
        reaction: float = 0.0,
        timing: PsemTiming | None = None,
        wrapped: Callable[[Dialog[None]], Dialog[None]] = lambda served: served,
    ) -> None:
        self.device = device
        self.settings = settings or C1218Settings()
        meter = serve_c1218(device, faults=faults, rules=rules, intercept=intercept, reaction=reaction)
        self.port = VirtualPort(wrapped(meter), model or LineModel(baud=9600))
        self.events: list[object] = []
        self.new_client(timing)

    def new_client(self, timing: PsemTiming | None = None) -> None:
        """Somebody else, who knows nothing of the session before."""
        self.link = C1218Link(self.settings, ReceiveBuffer())
        self.psem = Psem(self.link, timing)
        self.run(self.link.open())

    def run(self, dialog: Dialog[T]) -> T:
        return run(dialog, self.port, self.events.append)

    @property
    def codes(self) -> list[str]:
        return [event.code for event in self.events if isinstance(event, Finding)]

    @property
    def wire_octets(self) -> int:
        return sum(len(event.data) for event in self.port.log)


class ChanceFaults(LinkFaults):
    """Lost acknowledgements, repeated packets and damaged ones, each with its probability."""

    def __init__(self, *, lost: float = 0.0, repeated: float = 0.0, damaged: float = 0.0, seed: int = 0) -> None:
        self._lost, self._repeated, self._damaged = lost, repeated, damaged
        self._chance = random.Random(seed)

    def packet(self, octets: bytes) -> tuple[bytes, ...]:
        if self._chance.random() < self._damaged:
            at = self._chance.randrange(len(octets))
            octets = octets[:at] + bytes((octets[at] ^ 1 << self._chance.randrange(8),)) + octets[at + 1 :]
        return (octets, octets) if self._chance.random() < self._repeated else (octets,)

    def acknowledgement(self, octet: bytes) -> bytes:
        return b"" if self._chance.random() < self._lost else octet
