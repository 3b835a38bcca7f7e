"""What both ends of a C12.18 link have in common: packets out until they are acknowledged, packets in once each."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import Enum
from math import inf
from typing import Final

from metersdk.effects import Dialog, Emit, Now, Receive, Send, SetLine, Sleep
from metersdk.errors import Finding, LinkError, LocalProtocolError, NoAnswer
from metersdk.frame.buffer import ReceiveBuffer
from metersdk.frame.c1218 import ACK, MAX_PACKET, NAK, OVERHEAD, Packet, PacketReader

DEFAULT_PACKET: Final = 64
DEFAULT_PACKETS: Final = 1
DEFAULT_BAUD: Final = 9600
_CHARACTER_BITS: Final = 10
# Nobody speaks into a line that is not silent: after so many seconds a damaged packet is over.
_GAP: Final = 0.1
# A probe may still have the last ACK in its own buffer when the driver takes it for sent: seconds until the speed is
# changed. The meter says nothing before it hears the next request.
_BEFORE_SWITCH: Final = 0.05
# A service unit has 255 packets at most; whoever sends more has no end.
MOST_PACKETS: Final = 256
_SILENT: Final = (
    "align the probe; one of IEC shape looks the wrong way on an ANSI port, turn it by 180 degrees; one that takes its "
    "power from RTS may want DTR off (?dtr=0)"
)
_HINT: Final = "align the probe, shade it from light, or try a lower speed"


@dataclass(frozen=True, slots=True)
class C1218Settings:
    """One end of the link, and how long it waits (seconds).

    Args:
        baud: speed the session begins with.
        identity: 0 on an optical port; the address of the device where several share a line (C12.21).
        packet_size: octets of a packet at most until Negotiate, 64 by the standard.
        packets: packets of one service unit at most until Negotiate, 1 by the standard.
        character_timeout: silence after which a packet that has begun is given up.
        response_timeout: silence after which a packet is sent again, or an answer is missed.
        traffic_timeout: silence after which a meter ends the session.
        retries: times a packet is sent again, and a damaged one is asked for again.
        turnaround: pause before anything is sent after something was heard; some heads need 0.06.
        wake_up: send 55 and wait 50 ms before the first packet.
        latency: round trip to the line, of a gateway or a modem.
    """

    baud: int = DEFAULT_BAUD
    identity: int = 0
    packet_size: int = DEFAULT_PACKET
    packets: int = DEFAULT_PACKETS
    character_timeout: float = 0.5
    response_timeout: float = 2.0
    traffic_timeout: float = 6.0
    retries: int = 3
    turnaround: float = 0.0
    wake_up: bool = False
    latency: float = 0.0

    def __post_init__(self) -> None:
        if not OVERHEAD < self.packet_size <= MAX_PACKET or not 1 <= self.packets <= 255 or self.baud <= 0:
            raise LocalProtocolError(
                f"a packet has {OVERHEAD + 1} to {MAX_PACKET} octets, a service unit 1 to 255 packets", layer="link"
            )
        if min(self.character_timeout, self.response_timeout, self.traffic_timeout) <= 0:
            raise LocalProtocolError("a time to wait is more than 0 seconds", layer="link")
        if min(self.turnaround, self.latency, self.retries) < 0 or not 0 <= self.identity <= 255:
            raise LocalProtocolError("turnaround, latency, retries and identity are 0 or more", layer="link")


class LinkFaults:
    """What a simulated station does wrong; this one does nothing wrong. Override what shall go wrong."""

    def packet(self, octets: bytes) -> tuple[bytes, ...]:
        """What goes on the line in place of a packet: itself, damaged, twice, or nothing."""
        return (octets,)

    def acknowledgement(self, octet: bytes) -> bytes:
        """What goes on the line in place of an ACK or NAK."""
        return octet

    def toggles(self) -> bool:
        """Whether the toggle becomes another one for the next packet."""
        return True


@dataclass(slots=True)
class Tally:
    """Packets of one link.

    Attributes:
        sent, received: packets that are new.
        repeats: packets of ours that were sent again.
        duplicates: packets that came again.
        damaged: packets that came damaged.
        left_over: answers to requests that were given up, or of an earlier session.
        repeated_requests: requests that were made anew.
    """

    sent: int = 0
    received: int = 0
    repeats: int = 0
    duplicates: int = 0
    damaged: int = 0
    left_over: int = 0
    repeated_requests: int = 0


class Mark(Enum):
    """What is not a packet, in the place of one."""

    SILENT = "silent"
    """Nothing came in time."""
    DAMAGED = "damaged"
    """Something came that was no packet, and the line is silent now."""


class Kind(Enum):
    """A packet, compared with the last one that was taken."""

    NEW = "new"
    DUPLICATE = "duplicate"
    """Same toggle, same CRC."""
    OUT_OF_STEP = "out of step"
    """Same toggle, another CRC: a packet in between was lost although the peer saw an ACK."""


class Sent(Enum):
    """What became of a packet of ours."""

    ACKNOWLEDGED = "acknowledged"
    ANSWERED = "answered"
    """A new packet came in place of the ACK, and stands for it; it is in ``_pending``."""


class Station(ABC):
    """Sends and takes packets at the speed and size agreed on.

    Attributes:
        settings: as given.
        tally: what became of the packets.
        packet_size, packets, baud: what is agreed on.
        other_baud: speed at which the peer may still be, if the last ACK at it was lost; None once it is heard at the
            present one.
    """

    def __init__(
        self, settings: C1218Settings, buffer: ReceiveBuffer, *, server: bool, faults: LinkFaults | None
    ) -> None:
        self.settings = settings
        self.tally = Tally()
        self.packet_size = settings.packet_size
        self.packets = settings.packets
        self.baud = settings.baud
        self.other_baud: int | None = None
        self._buffer = buffer
        self._reader = PacketReader(buffer)
        self._server = server
        self._faults = faults
        self._told: set[str] = set()
        self._line_baud: int | None = None
        self._heard = False
        # What may come back of what we sent: the packet; and, once one did, the ACK or NAK.
        self._echo = self._echo_control = b""
        self._echoes = False
        # What came in place of an ACK says that our packet has probably arrived.
        self._enough = False
        self._forget()

    def _forget(self) -> None:
        """Toggles are unknown, nothing was taken yet."""
        self._toggle = False
        self._last: tuple[bool, int] | None = None
        self._pending: Packet | None = None

    @property
    def max_payload(self) -> int:
        """Octets of the longest service unit that the packets agreed on can carry."""
        return (self.packet_size - OVERHEAD) * self.packets

    # --- times -------------------------------------------------------------------------------------------------------

    @property
    def _response(self) -> float:
        return self.settings.response_timeout + self.settings.latency

    @property
    def _packet_time(self) -> float:
        """Seconds the longest packet may take, twice what its octets need."""
        return 2 * self._line_time(self.packet_size) + self.settings.character_timeout + self.settings.latency

    def _line_time(self, octets: int) -> float:
        return octets * _CHARACTER_BITS / self.baud

    # --- line --------------------------------------------------------------------------------------------------------

    def _set_line(self, baud: int) -> Dialog[None]:
        self.baud = baud
        if baud != self._line_baud:
            if self._line_baud is not None and not self._server:
                yield Sleep(_BEFORE_SWITCH)
            self._line_baud = baud
            yield SetLine(baud)

    def _put(self, octets: bytes) -> Dialog[None]:
        if self._heard and self.settings.turnaround:
            yield Sleep(self.settings.turnaround)
        self._heard = False
        yield Send(octets)

    def _put_packet(self, octets: bytes) -> Dialog[None]:
        self._echo = octets
        for piece in self._faults.packet(octets) if self._faults else (octets,):
            yield from self._put(piece)

    def _put_control(self, octet: bytes) -> Dialog[None]:
        octet = self._faults.acknowledgement(octet) if self._faults else octet
        if octet:
            self._echo_control = octet if self._echoes else b""
            yield from self._put(octet)

    def _note(self, code: str, text: str, hint: str = "") -> Dialog[None]:
        """Tell it, each code once: a noisy line must not fill the memory."""
        if code not in self._told:
            self._told.add(code)
            yield Emit(Finding(code, text, "link", -1, hint))

    # --- in ----------------------------------------------------------------------------------------------------------

    def _hear(self, until: float) -> Dialog[Packet | bytes | Mark]:
        """The next packet, ACK or NAK. A packet that has begun by ``until`` is heard to its end; what never ends is
        left once the longest packet could have come."""
        hard = until + self._packet_time
        reader = self._reader
        damage, noise = reader.damaged, reader.noise
        silent = False
        while True:
            unit = reader.next(self.packet_size)
            if isinstance(unit, Packet):
                self._buffer.counts.good += 1
                self._echo_control = b""
                if not self._is_echo(unit):
                    return unit
                self._echoes = True
                yield from self._note("c1218-echo", "the line returns what is sent on it")
                continue
            if unit is not None:
                if unit != self._echo_control:
                    return unit
                self._echo_control = b""
                continue
            now: float = yield Now()
            begun = reader.missing > 0
            spoiled = reader.damaged > damage or (reader.noise - noise >= OVERHEAD and not self._server)
            if silent:
                patience = 0.0
            elif begun:
                patience = min(self.settings.character_timeout + self.settings.latency, hard - now)
            elif spoiled:
                patience = min(_GAP + self.settings.latency, until + _GAP - now)
            else:
                patience = until - now
            data = (yield Receive(patience)) if patience > 0 else b""
            if data:
                self._heard = True
                self._buffer.feed(data)
            elif begun:
                # The line is silent: nothing of what is here will grow.
                silent = True
                reader.give_up()
            elif spoiled:
                return (yield from self._damaged())
            else:
                return Mark.SILENT

    def _is_echo(self, packet: Packet) -> bool:
        """Whether it is our own last packet, as often as it was sent: no answer is the same as its request."""
        return packet.check == int.from_bytes(self._echo[-2:], "little") and packet.encode() == self._echo

    def _damaged(self) -> Dialog[Mark]:
        self.tally.damaged += 1
        self._buffer.counts.bad += 1
        yield from self._note("c1218-damaged", "packets came damaged and were asked for again", _HINT)
        return Mark.DAMAGED

    def _kind(self, packet: Packet) -> Kind:
        if self._last is None or packet.toggle != self._last[0]:
            return Kind.NEW
        return Kind.DUPLICATE if packet.check == self._last[1] else Kind.OUT_OF_STEP

    def _take(self, packet: Packet) -> Dialog[None]:
        """Acknowledge it, and know it from now on."""
        self._last = packet.toggle, packet.check
        self.tally.received += 1
        yield from self._put_control(ACK)

    def _take_again(self) -> Dialog[None]:
        """Acknowledge a duplicate: our ACK to it was lost."""
        self.tally.duplicates += 1
        yield from self._note("c1218-duplicate", "packets came again, because an acknowledgement was lost", _HINT)
        yield from self._put_control(ACK)

    # --- out ---------------------------------------------------------------------------------------------------------

    def _deliver(self, packet: Packet, deadline: float = inf) -> Dialog[Sent]:
        """Send a packet until it is acknowledged.

        Raises:
            NoAnswer: it was not acknowledged.
            LinkError: the last copy was refused with NAK, as all before it or not.
        """
        octets = packet.encode()
        refused = self._enough = False
        for attempt in range(self.settings.retries + 1):
            now: float = yield Now()
            if attempt and now >= deadline:
                break
            if attempt:
                yield from self._look_back()
                yield from self._repeated()
            # A peer that has missed the change of speed has so many copies of its answer, and is to waste none.
            is_first_there = not attempt and self.other_baud is not None
            patience = self._response / 2 if is_first_there else self._response
            sent, refused = yield from self._try(packet, octets, patience, deadline)
            if sent is None and self._enough:
                sent = Sent.ACKNOWLEDGED
            if sent is not None:
                self.other_baud = None
                if self._faults is None or self._faults.toggles():
                    self._toggle = not packet.toggle
                return sent
        if refused:
            raise LinkError("a packet was refused", layer="link", state="c1218", retryable=True, hint=_HINT)
        raise NoAnswer("a packet was not acknowledged", layer="link", state="c1218", retryable=True, hint=_SILENT)

    def _repeated(self) -> Dialog[None]:
        self.tally.repeats += 1
        self._buffer.counts.repeats += 1
        yield from self._note("c1218-repeated", "packets were sent again: they were not acknowledged", _HINT)

    def _look_back(self) -> Dialog[None]:
        """Acknowledge the last answer once more, at the other speed.

        The speed changes on our side once our ACK has left, on the peer's once it has come. If it was lost, the peer
        waits for it at the old speed and hears nothing of what is said at the new one. If it was not, this ACK is
        noise at a speed that nobody hears.
        """
        if self.other_baud is not None:
            yield from self._swap_speeds()
            yield from self._put_control(ACK)
            yield from self._swap_speeds()

    def _swap_speeds(self) -> Dialog[None]:
        """Whoever is interrupted between two of them is still right about where the peer may be."""
        here, self.other_baud = self.other_baud, self.baud
        yield from self._set_line(here or self.baud)

    def _try(self, packet: Packet, octets: bytes, patience: float, deadline: float) -> Dialog[tuple[Sent | None, bool]]:
        """Send it once: what became of it, None if it is to be sent again; and whether it was refused."""
        self.tally.sent += 1
        begun: float = yield Now()
        yield from self._put_packet(octets)
        now: float = yield Now()
        # Some drivers say that octets have left while they are still in the chip.
        until = min(max(now, begun + self._line_time(len(octets))) + patience, deadline)
        again = 0
        for _ in range(MOST_PACKETS):
            unit = yield from self._hear(until)
            if unit is Mark.SILENT:
                break
            if unit == ACK:
                return Sent.ACKNOWLEDGED, False
            if unit == NAK:
                return None, True
            if not isinstance(unit, Packet):
                if self.other_baud is not None:
                    # It may be the last answer, which the peer repeats at the old speed.
                    break
                again += 1
                if again <= self.settings.retries + 1:
                    yield from self._put_control(NAK)
            elif self._kind(unit) is Kind.DUPLICATE:
                again += 1
                yield from self._take_again()
            elif (yield from self._interrupted(packet, unit)):
                return Sent.ANSWERED, False
            if again <= self.settings.retries + 1:
                # What the peer said took its time, and it needs as much again to hear us.
                now = yield Now()
                until = max(until, min(now + self._response, deadline))
        return None, False

    @abstractmethod
    def _interrupted(self, ours: Packet, theirs: Packet) -> Dialog[bool]:
        """``theirs``, which is new, came where the ACK to ``ours`` was awaited: whether it stands for the ACK; it is
        in ``_pending`` then."""
