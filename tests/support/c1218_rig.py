"""A meter of C12.18 at link level: it answers a read of table n with octets that only table n has."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from metersdk.dialog.c1218_link import C1218Link, C1218Settings, LinkFaults
from metersdk.effects import Dialog, Now, Receive, Send, Sleep
from metersdk.errors import MeterError
from metersdk.frame.buffer import ReceiveBuffer
from metersdk.frame.c1218 import ACK, NAK, Packet, PacketReader
from metersdk.port.drive import run
from metersdk.port.line import LineModel
from metersdk.port.virtual import VirtualPort

T = TypeVar("T")

IDENTIFY, IDENTIFICATION = b"\x20", b"\x00\x00\x01\x00\x00"
TERMINATE, OK, ISSS = b"\x21", b"\x00", b"\x0a"
SHORT = C1218Settings(response_timeout=0.5, character_timeout=0.2, traffic_timeout=1.5)


def read(table: int) -> bytes:
    return b"\x30" + table.to_bytes(2, "big")


def content(table: int, size: int = 40) -> bytes:
    """What table ``table`` holds; neighbours in number have nothing in common, nor have one table's sizes."""
    return bytes((table * 37 + at * (table % 7 + 1)) & 0xFF for at in range(size - 2)) + table.to_bytes(2, "big")


def write(table: int, data: bytes) -> bytes:
    return b"\x40" + table.to_bytes(2, "big") + len(data).to_bytes(2, "big") + data


@dataclass
class Meter:
    """The meter's answers, and what it was asked, each request as often as it was carried out."""

    size: int = 40
    slow: Callable[[int], float] = lambda number: 0.0
    negotiated: tuple[int, int, int | None] = (64, 1, None)
    asked: list[bytes] = field(default_factory=list)
    link: C1218Link | None = None

    def serve(self, settings: C1218Settings = SHORT, faults: LinkFaults | None = None) -> Dialog[None]:
        """Begins in a session; after one that broke off, only Identify is served."""
        self.link = link = C1218Link(settings, ReceiveBuffer(), server=True, faults=faults)
        yield from link.open()
        session = True
        while True:
            now: float = yield Now()
            try:
                request = yield from link.receive(now + settings.traffic_timeout)
                session = session or request == IDENTIFY
                if session:
                    self.asked.append(request)
                    if seconds := self.slow(len(self.asked)):
                        yield Sleep(seconds)
                yield from link.send(self.answer(request) if session else ISSS)
            except MeterError:
                session = False
                yield from link.reset()
                continue
            if request[0] & 0xF0 == 0x60:
                yield from link.adopt(*self.negotiated)
            elif request == TERMINATE:
                session = False
                yield from link.reset()

    def answer(self, request: bytes) -> bytes:
        if request == IDENTIFY:
            return IDENTIFICATION
        if request[0] & 0xF0 == 0x60:
            return b"\x00" + self.negotiated[0].to_bytes(2, "big") + bytes((self.negotiated[1], 6))
        if request[0] == 0x30:
            data = content(int.from_bytes(request[1:3], "big"), self.size)
            return b"\x00" + len(data).to_bytes(2, "big") + data + bytes((-sum(data) & 0xFF,))
        return OK


class Rig:
    """A client and a peer under the virtual clock."""

    def __init__(
        self, peer: Dialog[None], settings: C1218Settings = SHORT, model: LineModel | None = None, start: bool = True
    ) -> None:
        self.port = VirtualPort(peer, model or LineModel(baud=settings.baud))
        self.link = C1218Link(settings, ReceiveBuffer())
        self.events: list[object] = []
        if start:
            self.run(self.link.open())

    def run(self, dialog: Dialog[T]) -> T:
        return run(dialog, self.port, self.events.append)

    def ask(self, payload: bytes, timeout: float | None = None) -> bytes:
        return self.run(self.link.request(payload, timeout))

    @property
    def codes(self) -> list[str]:
        return [getattr(event, "code", "") for event in self.events]

    def wire(self, side: str | None = None, since: int = 0) -> bytes:
        return b"".join(
            event.data for event in self.port.log[since:] if event.kind == "send" and side in (None, event.side)
        )


def carry_out(rig: Rig, effect: object) -> object:
    match effect:
        case Send(data):
            return rig.port.send(data)
        case Receive(seconds):
            return rig.port.receive(seconds)
        case Sleep(seconds):
            return rig.port.sleep(seconds)
        case Now():
            return rig.port.now()
    return None


def scripted(*steps: bytes | float | tuple[bytes, float]) -> Dialog[None]:
    """A peer that does as it is told: octets are sent, a number is waited, ``(octets, seconds)`` is awaited so long."""
    for step in steps:
        if isinstance(step, bytes):
            yield Send(step)
        elif isinstance(step, tuple):
            yield from _await(*step)
        else:
            yield Sleep(step)
    while True:
        yield Receive(1000.0)


def _await(octets: bytes, seconds: float) -> Dialog[None]:
    heard = b""
    now: float = yield Now()
    end = now + seconds
    while octets not in heard:
        now = yield Now()
        assert now < end, f"{octets.hex()} did not come, but {heard.hex()}"
        heard += yield Receive(end - now)


@dataclass
class Chance(LinkFaults):
    """Faults by chance: shares of packets damaged, packets sent twice, acknowledgements lost or damaged."""

    seed: int
    corrupt: float = 0.0
    twice: float = 0.0
    lose_ack: float = 0.0
    change_ack: float = 0.0
    lose_octet: float = 0.0

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)

    def packet(self, octets: bytes) -> tuple[bytes, ...]:
        if self.chance.random() < self.corrupt:
            at = self.chance.randrange(len(octets))
            octets = octets[:at] + bytes((octets[at] ^ 1 << self.chance.randrange(8),)) + octets[at + 1 :]
        if self.chance.random() < self.lose_octet:
            at = self.chance.randrange(len(octets))
            octets = octets[:at] + octets[at + 1 :]
        return (octets, octets) if self.chance.random() < self.twice else (octets,)

    def acknowledgement(self, octet: bytes) -> bytes:
        if self.chance.random() < self.lose_ack:
            return b""
        if self.chance.random() < self.change_ack:
            return bytes((self.chance.randrange(256),))
        return octet


@dataclass
class PlainMeter(Meter):
    """A meter of another make: one packet each way, it knows duplicates, and is deaf to all but ACK and NAK where it
    awaits an ACK.

    ``queues``: what came meanwhile is read afterwards; else it is lost. ``repeats``: so many times the answer is sent
    again at once. ``strict``: a request with the last toggle is dropped, whatever it asks. As the standard wants it, a
    session ends where an answer is not acknowledged, and then only Identify is served.
    """

    queues: bool = True
    repeats: int = 0
    strict: bool = False
    give_up: int = 3

    def run(self, faults: LinkFaults, ack_timeout: float = 0.5, traffic: float = 1.5) -> Dialog[None]:
        buffer = ReceiveBuffer()
        reader = PacketReader(buffer)
        last: Packet | None = None
        toggle = session = False
        while True:
            unit = reader.next(64)
            if unit is None:
                data = yield Receive(0.2 if reader.missing else traffic)
                if not data and reader.missing:
                    reader.give_up()
                elif not data:
                    last, toggle, session = None, False, False
                buffer.feed(data)
                continue
            if not isinstance(unit, Packet):
                continue
            yield from _say(faults.acknowledgement(ACK))
            if last is not None and unit.toggle == last.toggle and (self.strict or unit.check == last.check):
                continue
            last = unit
            self.asked.append(unit.data)
            if seconds := self.slow(len(self.asked)):
                yield Sleep(seconds)
            session = session or unit.data == IDENTIFY
            packet = Packet(self.answer(unit.data) if session else ISSS, toggle).encode()
            toggle = not toggle
            for _ in range(self.give_up + 1):
                for _ in range(self.repeats + 1):
                    for piece in faults.packet(packet):
                        yield Send(piece)
                if (yield from self._acknowledged(buffer, ack_timeout)):
                    break
            else:
                last, toggle, session = None, False, False

    def _acknowledged(self, buffer: ReceiveBuffer, seconds: float) -> Dialog[bool]:
        now: float = yield Now()
        end = now + seconds
        kept = b""
        try:
            while (now := (yield Now())) < end:
                data = yield Receive(end - now)
                for at, octet in enumerate(data):
                    if octet in ACK + NAK:
                        kept += data[at + 1 :]
                        return octet == ACK[0]
                    kept += data[at : at + 1]
            return False
        finally:
            if self.queues:
                buffer.feed(kept)


def _say(octets: bytes) -> Dialog[None]:
    if octets:
        yield Send(octets)
