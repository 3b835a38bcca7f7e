"""The data link of ANSI C12.18 (and C12.21), both ends: one request, one answer, each acknowledged packet by packet.

What the link can know, and what it cannot
-------------------------------------------
A packet bears no number that says which request it answers. There is the toggle, another one in each new packet of one
sender, and the CRC. The rules that follow keep an answer from being taken for that to another request:

* A packet with the toggle *and* the CRC of the last one taken is that one again: our ACK was lost. It is acknowledged
  and dropped, wherever it comes, also where the ACK to a request of ours is awaited. Nothing overtakes on a serial
  line, so no older packet than that can come.
* Before a request is sent, what came since the last answer is acknowledged and dropped.
* A new packet where the ACK to a request is awaited is the answer, and stands for the ACK, if it is certain that no
  other answer is owed.
* It is not certain at the start of a session, after a request that was given up, and after one that was made anew while
  its first answer may still come. Then the line has to be silent for ``response_timeout`` before the next request (not
  at the start of a session, and shortly before Logoff, Terminate and Disconnect), and an answer counts only behind a
  real ACK. Two exceptions: for heads that swallow every ACK, a request that changes nothing was made anew, and
  the same answer came to both, in two packets with different toggles; and behind an Identify that was made anew, what
  is surely no identification answers the next request.
* Silence after the ACK: the last packet is sent again as it was. If the meter had taken it, it drops it; so no request
  is carried out twice. Silence again: the request is made anew, if it is one that changes nothing (Identify, Read,
  Wait). Any other ends in an error with ``retryable`` false: whether it was carried out is not known.
* Silence or noise at a new speed: the ACK to the answer that changed it may have been lost, and the meter still waits
  for it at the old one. It is said there once more, and the packet is sent again at the new speed.
* The toggle of the last packet with another CRC, or a sequence that does not count down by 1: a packet between was
  lost although the meter saw an ACK. What follows is acknowledged and dropped up to its end; then as above.

What remains: a meter that answers a request made anew twice, the second time later than ``response_timeout`` after the
first; a meter that forgets its toggle within a session, and then carries out a request it had put by; and a meter that
acknowledges the first request of a session, and then repeats an answer of an earlier session which reads as one to
Identify. What cannot be an answer to Identify is dropped: a whole answer to Read, and what is shorter than 3 octets (of
a refusal, as a meter says it that is still in a session: unless it stays alone).

Every waiting is bounded: by ``retries`` for each packet, by 256 packets for each answer, by the time the longest packet
takes for each packet begun.
"""

from __future__ import annotations

from dataclasses import replace
from enum import Enum
from math import inf
from typing import Final

from metersdk.apdu.psem import READ_OVERHEAD, Service, TimingSetup
from metersdk.dialog.c1218_station import (
    MOST_PACKETS,
    C1218Settings,
    Kind,
    LinkFaults,
    Mark,
    Sent,
    Station,
    Tally,
)
from metersdk.effects import Dialog, Now, Receive, Send, Sleep
from metersdk.errors import ChecksumError, LimitExceeded, LinkError, LocalProtocolError, NoAnswer
from metersdk.frame.buffer import ReceiveBuffer
from metersdk.frame.c1218 import ACK, NAK, Packet, split

__all__ = ["C1218Link", "C1218Settings", "LinkFaults", "Tally"]

# Services that change nothing, and those after which nothing is asked.
_HARMLESS = frozenset((Service.IDENTIFY, Service.WAIT, *range(Service.READ, Service.READ_OFFSET + 1)))
_WRITES = frozenset(bytes((code,)) for code in range(Service.WRITE, Service.WRITE_OFFSET + 1))
_FAREWELL = frozenset((Service.TERMINATE, Service.DISCONNECT, Service.LOGOFF))
_UNKNOWN: Final = "whether the meter carried it out is not known: read it back before trying again"
# A request is made anew so often.
_ROUNDS: Final = 3
# Octets of the longest service unit: a Write of a whole table with its head, or the answer to a Read.
_MAX_UNIT: Final = 0xFFFF + 16
_SHORT_QUIET: Final = 0.3
_SHORTEST_IDENTIFICATION: Final = 5
_WAKE_UP: Final = b"\x55"
_WAKE_UP_PAUSE: Final = 0.05


def _identifies(answer: bytes) -> bool:
    """Whether this may be an answer to Identify: a whole answer to Read is none (count, octets, checksum), nor is one
    of less than 3 octets. ``00 00 01 00 00`` is both; nothing else is."""
    count = int.from_bytes(answer[1:3], "big")
    table = count > 1 and len(answer) == count + READ_OVERHEAD and sum(answer[3:]) & 0xFF == 0
    return len(answer) >= 3 and not table


def _is_no_identification(answer: bytes) -> bool:
    """Whether this is surely no answer to Identify: those of 5 octets end with 00, the end of the features."""
    return not _identifies(answer) or (len(answer) == _SHORTEST_IDENTIFICATION and answer[-1] != 0)


class _Trust(Enum):
    """What is known about answers that may still come."""

    FRESH = "a session of which nothing is known begins"
    CERTAIN = "none is owed"
    UNCERTAIN = "one may still come"


class C1218Link(Station):
    """One end of a C12.18 link. ``request`` is the client's whole exchange; a meter has ``receive`` and ``send``.

    Args:
        settings: speed, sizes and times.
        buffer: the octets of the line; an earlier protocol may have left some.
        server: the meter's end.
        faults: what a simulated station does wrong.
    """

    def __init__(
        self,
        settings: C1218Settings,
        buffer: ReceiveBuffer,
        *,
        server: bool = False,
        faults: LinkFaults | None = None,
    ) -> None:
        super().__init__(settings, buffer, server=server, faults=faults)
        self._defaults = settings
        self._trust = _Trust.FRESH
        self._unasked: bytes | None = None
        self._strict = True
        self._harmless = False
        self._repeated_answers = 0
        # The last request was Identify, and was answered; so was the one before: no other answers are owed.
        self._identified = self._only_identity_owed = False

    # --- for both ----------------------------------------------------------------------------------------------------

    def open(self) -> Dialog[None]:
        """Begin: default speed and sizes, toggles unknown; wake the meter up if the settings say so."""
        yield from self.reset()
        if self.settings.wake_up and not self._server:
            yield Send(_WAKE_UP)
            yield Sleep(_WAKE_UP_PAUSE)

    def reset(self) -> Dialog[None]:
        """Back to the base state: sizes, times and speed of the settings, toggles unknown."""
        self._forget()
        self._trust = _Trust.FRESH
        self._unasked = None
        self._identified = self._only_identity_owed = False
        self.settings = self._defaults
        yield from self.adopt(self.settings.packet_size, self.settings.packets, self.settings.baud)

    def adopt(self, packet_size: int, packets: int, baud: int | None = None) -> Dialog[None]:
        """Go on with what Negotiate agreed on; the line changes its speed if it is another one."""
        C1218Settings(packet_size=packet_size, packets=packets)
        self.packet_size = packet_size
        self.packets = packets
        baud = baud or self.baud
        if baud != self.baud and not self._server:
            self.other_baud = self.baud
        yield from self._set_line(baud)

    def keep_times(self, agreed: TimingSetup) -> None:
        """Wait, and send again, as Timing set-up agreed on, until ``reset``. No time is 0 seconds."""
        self.settings = replace(
            self.settings,
            traffic_timeout=float(max(1, agreed.traffic)),
            character_timeout=float(max(1, agreed.character)),
            response_timeout=float(max(1, agreed.response)),
            retries=agreed.retries,
        )

    def send(self, payload: bytes, deadline: float = inf) -> Dialog[None]:
        """Send one service unit; every packet is acknowledged when it returns. A client that begins a new request
        meanwhile has given this answer up: the rest is not sent.

        Raises:
            LocalProtocolError: longer than ``max_payload``.
            NoAnswer, LinkError: a packet was not acknowledged, or refused.
        """
        for packet in self._packets_of(payload):
            if (yield from self._deliver(packet, deadline)) is Sent.ANSWERED:
                return

    def receive(self, deadline: float) -> Dialog[bytes]:
        """Take one service unit, all its packets joined. What has begun by the deadline may end later.

        Raises:
            NoAnswer: none has begun by the deadline.
            ChecksumError: every copy of a packet was damaged.
            LimitExceeded: packets without end.
        """
        while True:
            unit = yield from self._collect(deadline)
            if isinstance(unit, bytes):
                return unit
            now: float = yield Now()
            if unit is Mark.SILENT and now >= deadline:
                raise NoAnswer("nothing came", layer="link", state="c1218", retryable=True)

    def _packets_of(self, payload: bytes) -> tuple[Packet, ...]:
        if len(payload) > self.max_payload:
            raise LocalProtocolError(
                f"{len(payload)} octets do not fit into {self.packets} packets of {self.packet_size}",
                layer="link",
                hint="negotiate more or larger packets, or ask for less at once",
            )
        return split(payload, self.packet_size, self._toggle, self.settings.identity)

    # --- the client's exchange ---------------------------------------------------------------------------------------

    def request(self, payload: bytes, timeout: float | None = None) -> Dialog[bytes]:
        """Send a request and take its answer, whole.

        Args:
            payload: the service unit.
            timeout: seconds until the answer begins; never less than ``response_timeout``. Each packet of it has that
                time for itself.

        Raises:
            LocalProtocolError: longer than ``max_payload``; nothing was sent.
            NoAnswer: the meter does not acknowledge, or does not answer.
            LinkError: the meter refuses packets, or stays out of step.
            ChecksumError: every copy of a packet was damaged.
            LimitExceeded: packets without end.
        """
        self._packets_of(payload)
        trust, self._trust = self._trust, _Trust.UNCERTAIN
        self._only_identity_owed, self._identified = self._identified, False
        self._unasked = None
        self._repeated_answers = 0
        self._harmless = bool(payload) and payload[0] in _HARMLESS
        yield from self._settle(payload[:1], trust)
        self._strict = trust is not _Trust.CERTAIN
        patience = max(timeout or 0.0, self.settings.response_timeout) + self.settings.latency
        try:
            answer = yield from self._rounds(payload, patience, poll=trust is not _Trust.FRESH)
            self._identified = payload[:1] == bytes((Service.IDENTIFY,))
            return answer
        except (NoAnswer, LinkError, ChecksumError) as error:
            if not self._harmless:
                error.retryable = False
                error.hint = _UNKNOWN if payload[:1] in _WRITES else error.hint
            raise

    def _rounds(self, payload: bytes, patience: float, *, poll: bool) -> Dialog[bytes]:
        """The request, made anew where that changes nothing, until there is an answer."""
        silences = 0
        answer: bytes | Mark | Kind = Mark.SILENT
        for again in range(_ROUNDS if self._harmless else 1):
            if again:
                self.tally.repeated_requests += 1
                yield from self._note("c1218-asked-again", "requests were made anew: their answers were lost")
            answer = yield from self._ask(payload, patience, poll=poll)
            if isinstance(answer, bytes):
                # Every copy may still be answered, but that of which the answer was not believed at first.
                self._trust = _Trust.UNCERTAIN if silences > self._repeated_answers else _Trust.CERTAIN
                return answer
            silences += answer is Mark.SILENT
        if answer is Mark.SILENT:
            text = "the meter acknowledges the request, and does not answer"
            raise NoAnswer(text, layer="link", state="c1218", retryable=True)
        text = "the toggle or the sequence of the answer is out of step"
        raise LinkError(text, layer="link", state="c1218", retryable=True)

    def _ask(self, payload: bytes, patience: float, *, poll: bool) -> Dialog[bytes | Mark | Kind]:
        """One round: the request, and its answer; ``SILENT`` or ``OUT_OF_STEP`` if there is none."""
        packets = self._packets_of(payload)
        for packet in packets:
            yield from self._deliver(packet)
        answer = yield from self._answer(payload, packets[-1], patience)
        if answer is Mark.SILENT and poll:
            # As it was: if the meter has taken it, it acknowledges it and does nothing more.
            yield from self._repeated()
            yield from self._deliver(packets[-1])
            answer = yield from self._answer(payload, packets[-1], self._response)
        return answer

    def _answer(self, payload: bytes, last: Packet, patience: float) -> Dialog[bytes | Mark | Kind]:
        """The answer, after what cannot be one to Identify."""
        now: float = yield Now()
        answer = yield from self._collect(now + patience, last)
        if payload[:1] != bytes((Service.IDENTIFY,)):
            return answer
        refusal: bytes | None = None
        for _ in range(self.settings.retries + 1):
            if not isinstance(answer, bytes) or _identifies(answer):
                break
            if answer[:1] == b"\x00":
                yield from self._left_over()
            else:
                # It may be one of this Identify, too: then nothing follows it.
                refusal = answer
            now = yield Now()
            answer = yield from self._collect(now + (_SHORT_QUIET if refusal else patience), last)
            if refusal is not None and answer is Mark.SILENT:
                return refusal
        return answer

    def _settle(self, service: bytes, trust: _Trust) -> Dialog[None]:
        """Acknowledge and drop what came since the last answer, and what may still come of given up ones.

        Raises:
            LimitExceeded: it has no end.
        """
        farewell = bool(service) and service[0] in _FAREWELL
        quiet = 0.0
        if trust is _Trust.UNCERTAIN:
            quiet = _SHORT_QUIET if farewell else self._response
        if data := (yield Receive(0.0)):
            self._heard = True
            self._buffer.feed(data)
        if self._pending is not None:
            # Whoever asked for it was interrupted before it was acknowledged.
            left, self._pending = self._pending, None
            yield from self._take_left_over(left)
        if not quiet and not len(self._buffer):
            return
        now: float = yield Now()
        until = now + quiet
        damaged = 0
        for _ in range(2 * MOST_PACKETS):
            unit = yield from self._hear(until)
            if unit is Mark.SILENT:
                return
            if isinstance(unit, Packet):
                # Of a long answer that was given up the next packet is not waited for where there is no time to.
                if self._kind(unit) is Kind.DUPLICATE:
                    yield from self._take_again()
                elif not farewell or unit.is_last:
                    yield from self._take_left_over(unit)
            else:
                damaged += 1
                if damaged > self.settings.retries + 1:
                    # What is no packet may be one that was hit, and comes again. So often it is light, without end.
                    continue
            now = yield Now()
            until = now + quiet
        raise LimitExceeded("the meter sends without end, and was not asked", layer="link", state="c1218")

    def _take_left_over(self, packet: Packet) -> Dialog[None]:
        yield from self._take(packet)
        yield from self._left_over()

    def _left_over(self) -> Dialog[None]:
        self.tally.left_over += 1
        yield from self._note(
            "c1218-left-over", "answers to an earlier request, or of an earlier session, were dropped"
        )

    def _interrupted(self, ours: Packet, theirs: Packet) -> Dialog[bool]:
        if self._server or (not self._strict and ours.is_last):
            self._pending = theirs
            return True
        same = theirs.data == self._unasked and self._kind(theirs) is Kind.NEW and self._last is not None
        if same and ours.is_last and not theirs.multi and _identifies(theirs.data):
            # The meter says the same to each copy of this request, and its ACK does not come through.
            self._repeated_answers += 1
            self._pending = theirs
            return True
        if self._only_identity_owed and ours.is_last and not theirs.multi and _is_no_identification(theirs.data):
            self._pending = theirs
            return True
        self._unasked = None if theirs.multi else theirs.data
        self._enough = self._harmless
        yield from self._take_left_over(theirs)
        return False

    # --- service units -----------------------------------------------------------------------------------------------

    def _collect(self, until: float, ours: Packet | None = None) -> Dialog[bytes | Mark | Kind]:
        """One service unit; ``SILENT`` if none has come whole, ``OUT_OF_STEP`` if parts of it are missing.

        ``ours`` is what the peer may still refuse with a NAK that comes late.
        """
        parts: list[bytes] = []
        size = expected = again = 0
        lost = False
        while size <= _MAX_UNIT and len(parts) <= MOST_PACKETS and again <= 2 * MOST_PACKETS:
            unit: Packet | bytes | Mark
            if self._pending is not None:
                unit, self._pending = self._pending, None
            else:
                unit = yield from self._hear(until)
            if unit is Mark.SILENT:
                return Mark.SILENT
            if not isinstance(unit, Packet) or self._kind(unit) is Kind.DUPLICATE:
                if unit != ACK:
                    again += 1
                    yield from self._once_more(unit, ours, again)
                    if again <= self.settings.retries + 1:
                        now: float = yield Now()
                        until = max(until, now + self._response)
                continue
            kind = self._kind(unit)
            again = 0
            yield from self._take(unit)
            begins = not unit.multi or unit.first
            if self._server and begins:
                # A client that begins anew has its reasons; its request stands for itself.
                parts, size, lost = [], 0, False
            elif kind is Kind.OUT_OF_STEP or begins == bool(parts) or (parts and unit.sequence != expected):
                lost = True
            parts.append(unit.data)
            size += len(unit.data)
            expected = unit.sequence - 1
            if unit.is_last and not lost:
                return b"".join(parts)
            if unit.is_last:
                yield from self._note("c1218-out-of-step", "answers were incomplete: the toggle or the sequence jumped")
                return Kind.OUT_OF_STEP
            # The peer misses our ACK no sooner than after its own response time-out.
            now = yield Now()
            until = now + 2 * self._response
        raise LimitExceeded("packets without end", layer="link", state="c1218", hint="is this a meter of C12.18?")

    def _once_more(self, unit: Packet | bytes | Mark, ours: Packet | None, again: int) -> Dialog[None]:
        """What to do about ``unit``, which brings nothing new, for the ``again``-th time in a row.

        Raises:
            ChecksumError: an answer was damaged too often.
        """
        within = again <= self.settings.retries + 1
        if isinstance(unit, Packet):
            yield from self._take_again()
        elif unit is Mark.DAMAGED:
            if not within and not self._server:
                raise ChecksumError("every copy of a packet was damaged", layer="link", state="c1218", retryable=True)
            yield from self._put_control(NAK)
        elif ours is not None and within:
            # The ACK before was none: noise, or one to an earlier packet. As it was, so that it is not taken twice.
            yield from self._repeated()
            yield from self._put_packet(ours.encode())
