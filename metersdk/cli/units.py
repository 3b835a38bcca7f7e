"""From the octets of a capture or a recorded session to the units of its protocol: frames, WPDUs, messages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, TypeAlias

from metersdk.apdu import axdr
from metersdk.apdu.c1222 import Message
from metersdk.errors import DecodeError, FrameError, LimitExceeded
from metersdk.frame.c1218 import ACK, MAX_PACKET, NAK, OVERHEAD, STP, Packet
from metersdk.frame.c1222 import message_size
from metersdk.frame.hdlc import FLAG
from metersdk.frame.iec62056_21 import from_line
from metersdk.frame.wrapper import HEADER_LENGTH
from metersdk.port.trace import Record

Direction: TypeAlias = Literal["tx", "rx", ""]

_MASKED = -1
# Flag, format, two addresses, control, FCS, flag.
_SHORTEST = 9
# Tags of A-XDR that begin no APDU, or one that cannot be taken for a whole value: array, structure, strings.
_VALUES = (0x01, 0x02, 0x09, 0x0A, 0x13)
_VERSION = b"\x00\x01"
# A message of C12.22 begins with one of these, unless it names a context, as an AARQ of DLMS always does: called title
# and number, calling title, qualifier and number, user information.
_FIRST_ELEMENTS = (b"\xa2", b"\xa4", b"\xa6", b"\xa7", b"\xa8", b"\xbe")
# What C12.18 has beside packets; and what wakes a meter up.
_CONTROLS = ACK + NAK
_WAKE_UP = 0x55


class Kind(StrEnum):
    """What a unit is."""

    HDLC = "hdlc"
    WRAPPER = "wrapper"
    TEXT = "iec62056-21"
    C1218 = "c1218"
    C1222 = "c1222"
    APDU = "apdu"
    DATA = "data"
    NOISE = "noise"
    LINE = "line"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Unit:
    """One unit of a protocol.

    Attributes:
        kind: which protocol.
        octets: the unit; masked octets are asterisks, and no check sequence fits them.
        direction: ``tx`` to the meter, ``rx`` from it, empty where a capture does not say.
        time: seconds since the start, None in a capture without times.
        masked: octets were hidden when it was recorded.
        text: of ``line`` and ``note``.
    """

    kind: Kind
    octets: bytes = b""
    direction: Direction = ""
    time: float | None = None
    masked: bool = False
    text: str = ""


@dataclass(slots=True)
class _Lane:
    """One direction: octets that are not yet part of a unit, and beside each whether it was masked."""

    direction: Direction
    octets: bytearray = field(default_factory=bytearray)
    hidden: bytearray = field(default_factory=bytearray)
    time: float | None = None
    latest: float | None = None

    def add(self, octets: Iterable[int], time: float | None) -> None:
        self.latest = time
        if len(self.octets) < 2:
            # A flag that was left behind begins nothing.
            self.time = time
        for octet in octets:
            self.octets.append(0x2A if octet == _MASKED else octet)
            self.hidden.append(octet == _MASKED)

    def take(self, count: int, kind: Kind, leave: int = 0) -> Unit:
        """The first ``count`` octets; the last ``leave`` of them stay in place, too."""
        taken = Unit(kind, bytes(self.octets[:count]), self.direction, self.time, any(self.hidden[:count]))
        del self.octets[: count - leave]
        del self.hidden[: count - leave]
        self.time = self.latest
        return taken


def split(octets: bytes, kind: Kind | None = None) -> Iterator[Unit]:
    """The units of a capture that tells neither times nor directions; ``kind`` is guessed from its first octets."""
    kind = kind or guess(octets)
    if kind in (Kind.APDU, Kind.DATA):
        yield Unit(kind, octets)
        return
    lane = _Lane("")
    lane.add(octets, None)
    yield from _units(lane, kind, True)


def guess(octets: bytes) -> Kind:
    """The protocol that these octets begin with."""
    if octets[:2] == b"\x00\x01":
        return Kind.WRAPPER
    frame = octets.lstrip(b"\x7e")
    if len(frame) < len(octets) and (not frame or frame[0] & 0xF0 == 0xA0):
        return Kind.HDLC
    if _packet_size(octets.lstrip(_CONTROLS + bytes((_WAKE_UP,)))) is not None:
        return Kind.C1218
    if _is_message(octets):
        return Kind.C1222
    if octets[:1] and octets[0] in _VALUES and _is_value(octets):
        return Kind.DATA
    text = from_line(octets[:64])[0]
    # 01 also begins an InitiateRequest, whose second octet is 00 or 01; that of a command message is a letter.
    if (text[:1] and text[0] in b"/\x02\x06\x15") or (text[:1] == b"\x01" and text[1:2].isalpha()):
        return Kind.TEXT
    return Kind.APDU


def _is_message(octets: bytes) -> bool:
    """A message of C12.22. An AARQ of DLMS begins with 60, too: with protocol version or application context."""
    size = _message_size(octets)
    if not size:
        return False
    try:
        Message.decode(octets[:size])
    except DecodeError:
        head = 2 + (octets[1] & 0x7F if octets[1] & 0x80 else 0)
        return octets[head : head + 1] in _FIRST_ELEMENTS
    return True


def _message_size(octets: bytes | bytearray) -> int | None:
    """Octets of the message that begins here, 0 as long as that is not told; None if none can begin."""
    try:
        return message_size(octets) or 0
    except (FrameError, LimitExceeded):
        return None


def _is_value(octets: bytes) -> bool:
    try:
        return axdr.end_of(octets) == len(octets)
    except DecodeError:
        return False


def session(records: Iterable[Record]) -> Iterator[Unit]:
    """The units of a recorded session, in the order in which they were whole; changes of speed and remarks between."""
    lanes = {"tx": _Lane("tx"), "rx": _Lane("rx")}
    speaks: Kind | None = None
    for record in records:
        if record.direction == "line":
            yield from _rest(lanes, speaks)
            yield Unit(Kind.LINE, time=record.time, text=f"{record.baud} Bd")
            continue
        if record.direction == "note":
            yield Unit(Kind.NOTE, time=record.time, text=record.text)
            continue
        here = _spoken(record, speaks)
        if here is not speaks:
            yield from _rest(lanes, speaks)
            speaks = here
        if record.direction == "tx" and speaks is Kind.TEXT:
            # What the meter said before is a message of its own.
            yield from _rest(lanes, speaks)
        lane = lanes[record.direction]
        lane.add(record.octets, record.time)
        # A reader writes whole messages; those of a meter come in pieces.
        yield from _units(lane, speaks, record.direction == "tx" and speaks is Kind.TEXT)
    yield from _rest(lanes, speaks)


def _spoken(record: Record, before: Kind | None) -> Kind:
    """Readers decide what is spoken; a meter only where it pushes unasked."""
    if record.direction == "rx" and before is not None:
        return before
    if not record.data.strip(bytes((_WAKE_UP,))) or (before is Kind.C1218 and not record.data.strip(_CONTROLS)):
        return Kind.C1218
    begins = guess(record.data)
    return before if begins is Kind.APDU and before is not None else Kind.TEXT if begins is Kind.APDU else begins


def _rest(lanes: dict[str, _Lane], kind: Kind | None) -> Iterator[Unit]:
    for lane in lanes.values():
        if lane.octets:
            yield from _units(lane, kind or Kind.NOISE, True)


def _units(lane: _Lane, kind: Kind, last: bool) -> Iterator[Unit]:
    """The whole units at the start of a lane; with ``last`` everything in it."""
    match kind:
        case Kind.HDLC:
            yield from _frames(lane, last)
        case Kind.WRAPPER:
            yield from _wpdus(lane, last)
        case Kind.C1218:
            yield from _packets(lane, last)
        case Kind.C1222:
            yield from _messages(lane, last)
        case _ if last and lane.octets:
            yield lane.take(len(lane.octets), kind)


def _frames(lane: _Lane, last: bool) -> Iterator[Unit]:
    while lane.octets:
        start = _next_frame(lane.octets, 0)
        if start:
            yield from _noise(lane, start)
            continue
        end = 2 + ((lane.octets[1] & 7) << 8 | lane.octets[2]) if len(lane.octets) > 2 else len(lane.octets) + 1
        if end > len(lane.octets) and not last:
            return
        if _SHORTEST <= end <= len(lane.octets) and lane.octets[end - 1] == FLAG:
            # The closing flag may open the next frame, too.
            yield lane.take(end, Kind.HDLC, leave=1)
        else:
            yield from _noise(lane, _next_frame(lane.octets, 1))


def _noise(lane: _Lane, count: int) -> Iterator[Unit]:
    """Octets outside of frames; flags alone are only an idle line."""
    noise = lane.take(count, Kind.NOISE)
    if noise.octets.strip(b"\x7e"):
        yield noise


def _next_frame(octets: bytearray, at: int) -> int:
    """Where the next frame may begin: a flag that the format field of type 3 follows, or may follow yet."""
    while (at := octets.find(FLAG, at)) >= 0:
        if at + 1 == len(octets) or octets[at + 1] & 0xF0 == 0xA0:
            return at
        at += 1
    return len(octets)


def _wpdus(lane: _Lane, last: bool) -> Iterator[Unit]:
    while len(lane.octets) >= HEADER_LENGTH and lane.octets[:2] == _VERSION:
        end = HEADER_LENGTH + (lane.octets[6] << 8 | lane.octets[7])
        if end > len(lane.octets):
            break
        yield lane.take(end, Kind.WRAPPER)
    if lane.octets and (last or not _VERSION.startswith(lane.octets[:2])):
        yield lane.take(len(lane.octets), Kind.NOISE)


def _messages(lane: _Lane, last: bool) -> Iterator[Unit]:
    while lane.octets:
        size = _message_size(lane.octets)
        if size and size <= len(lane.octets):
            yield lane.take(size, Kind.C1222)
        elif size is not None and not last:
            return
        else:
            # A stream that has lost its step does not find it again; a message that is cut off may hold a password.
            yield lane.take(len(lane.octets), Kind.NOISE if size is None else Kind.C1222)


def _packet_size(octets: bytes | bytearray) -> int | None:
    """Octets of the C12.18 packet that begins here, 0 as long as that is not told; None if none can begin."""
    if octets[:1] != bytes((STP,)) or (len(octets) > 2 and octets[2] & 0x1C):
        return None
    if len(octets) < OVERHEAD - 2:
        return 0
    size = (octets[4] << 8 | octets[5]) + OVERHEAD
    return size if size <= MAX_PACKET else None


def _packets(lane: _Lane, last: bool) -> Iterator[Unit]:
    while lane.octets:
        first = lane.octets[0]
        if first in _CONTROLS:
            yield lane.take(1, Kind.C1218)
            continue
        if first == _WAKE_UP:
            yield lane.take(len(lane.octets) - len(lane.octets.lstrip(bytes((first,)))), Kind.C1218)
            continue
        size = _packet_size(lane.octets)
        if size is not None and not 0 < size <= len(lane.octets):
            if not last:
                return
            size = None
        if size is not None and (not _hides_packet(lane, size)):
            yield lane.take(size, Kind.C1218)
            continue
        yield lane.take(_next_packet(lane.octets), Kind.NOISE)


def _hides_packet(lane: _Lane, size: int) -> bool:
    """Whether the length at the front is a lie: the CRC is wrong, and a good packet begins inside."""
    if any(lane.hidden[:size]) or _is_packet(lane.octets[:size]):
        return False
    at = 0
    while (at := lane.octets.find(STP, at + 1, size)) >= 0:
        inner = _packet_size(lane.octets[at:])
        if inner and _is_packet(lane.octets[at : at + inner]):
            return True
    return False


def _is_packet(octets: bytearray) -> bool:
    try:
        Packet.decode(bytes(octets))
    except FrameError:
        return False
    return True


def _next_packet(octets: bytearray) -> int:
    """Where noise ends: before what may be the next packet."""
    at = 1
    while (at := octets.find(STP, at)) >= 0:
        if _packet_size(octets[at : at + OVERHEAD]) is not None:
            return at
        at += 1
    return len(octets)
