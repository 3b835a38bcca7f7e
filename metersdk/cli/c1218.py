"""Packets of ANSI C12.18 in words: packets, PSEM services, tables."""

from __future__ import annotations

from collections.abc import Iterator

from metersdk.apdu import psem
from metersdk.apdu.psem import BAUD_CODES, PENDING, Answer, Request, Response, Service, table_name
from metersdk.apdu.psem_codes import FIRST_REQUEST, service_of
from metersdk.cli.layer import Layer
from metersdk.cli.units import Unit
from metersdk.errors import DecodeError
from metersdk.frame.c1218 import ACK, NAK, Packet
from metersdk.model.c1219.registry import TableSet
from metersdk.model.c1219.security_tables import SECRET_TABLES
from metersdk.model.c1219.text import lines_of

_CONTROLS = {ACK: "ACK", NAK: "NAK"}
# Responses are small numbers, requests begin here.
_OCTETS_IN_LINE = 32
# Initiating it and its answer; log-in, which has a password among its parameters, is procedure 18.
_PROCEDURES, _LOGIN = 7, 18
_LONGEST = 1 << 17


class Conversation:
    """Takes packets apart in their order: what comes in several packets is joined, duplicates are left out, answers
    are read by what was asked, and tables by the tables they need, as far as these were read before.

    Args:
        limit: lines of a table shown at most, None for all.

    Attributes:
        asked: the last request; the next answer is read as one to it.
    """

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self._parts: dict[str, bytes] = {}
        self._last: dict[str, tuple[bool, int]] = {}
        self.asked: Request | None = None
        self._tables = TableSet()

    def layers(self, unit: Unit) -> Iterator[Layer]:
        """All layers of one unit: a packet, an ACK or a NAK.

        Raises:
            FrameError, DecodeError: it is none, or what it carries cannot be read.
        """
        if not unit.octets.strip(b"\x55"):
            yield Layer("frame", "wake-up", f"{len(unit.octets)} octets")
            return
        if unit.octets in _CONTROLS:
            yield Layer("frame", _CONTROLS[unit.octets])
            return
        packet = Packet.decode(unit.octets, proved=not unit.masked)
        lane = unit.direction
        mark = packet.toggle, packet.check
        again = self._last.get(lane) == mark and not unit.masked
        self._last[lane] = mark
        content: dict[str, object] = {
            "identity": packet.identity,
            "toggle": packet.toggle,
            "sequence": packet.sequence,
            "multi": packet.multi,
            "first": packet.first,
            "octets": len(packet.data),
            "duplicate": again,
        }
        yield Layer("frame", "C12.18 packet", f"{packet}{', again' * again}", content=content)
        if again:
            return
        joined = (b"" if packet.first or not packet.multi else self._parts.pop(lane, b"")) + packet.data
        if packet.is_last:
            self._parts.pop(lane, None)
            yield from self.service(joined, unit.masked)
        else:
            self._parts[lane] = joined[:_LONGEST]
            yield Layer("frame", "segment", f"{len(packet.data)} octets, {len(joined)} so far")

    def service(self, octets: bytes, masked: bool = False) -> Iterator[Layer]:
        """The layers of one whole service unit of PSEM, a request or an answer.

        Raises:
            DecodeError: it cannot be read.
        """
        if not octets:
            raise DecodeError("a service unit without octets", layer="apdu")
        if octets[0] >= FIRST_REQUEST:
            yield from self._request(octets, masked)
        else:
            yield from self._answer(octets)

    # requests ---------------------------------------------------------------------------------------------------

    def _request(self, octets: bytes, masked: bool) -> Iterator[Layer]:
        service = service_of(octets[0])
        name = service.describe if service is not None else f"service {octets[0]:02X}"
        if masked:
            self.asked = None
            yield Layer("apdu", name, "the rest is not shown", content={"code": octets[0]}, secret=True)
            return
        self.asked = request = psem.decode_request(octets)
        secret = _is_secret(request)
        content = {"code": octets[0], **({} if secret else _content(request))}
        yield Layer("apdu", name, _request_text(request, secret), content=content, secret=secret)
        if not secret and isinstance(request, psem.Write | psem.WriteOffset | psem.WriteIndex | psem.WriteDefault):
            yield self._raw(request.data)

    # answers ----------------------------------------------------------------------------------------------------

    def _answer(self, octets: bytes) -> Iterator[Layer]:
        response = Response(octets[0])
        asked, service = self.asked, self._service_asked()
        if service is None or response is not Response.OK:
            rest = f", {len(octets) - 1} octets more" if len(octets) > 1 else ""
            yield Layer("apdu", f"answer {response.describe}", rest, content={"response": octets[0]})
            return
        answer = psem.decode_answer(service, octets)
        secret = _is_secret(asked)
        content = {"response": 0, **({} if secret else _content(answer))}
        about = f"{service.describe}{_about(asked)}"
        yield Layer("apdu", "answer ok", f"to {about}{_answer_text(answer)}", content=content, secret=secret)
        if isinstance(answer, psem.TableData) and not secret:
            yield from self._table(asked, answer.data)

    def _service_asked(self) -> Service | None:
        request = self.asked
        return None if request is None else service_of(request.encode()[0])

    def _table(self, asked: Request | None, octets: bytes) -> Iterator[Layer]:
        """What is in a table: its fields, if it is known and was read whole; else its octets."""
        if isinstance(asked, psem.Read):
            self._tables.add(asked.table, octets)
            found = self._tables.find(asked.table)
            if found is not None:
                name, *lines = lines_of(found, asked.table)
                details = tuple((1, line.strip()) for line in lines)
                yield Layer("data", name, f"{len(octets)} octets", self._cut(details), found.model_dump(mode="json"))
                return
        yield self._raw(octets)

    def _raw(self, octets: bytes) -> Layer:
        starts = range(0, len(octets), _OCTETS_IN_LINE)
        lines = tuple((1, octets[at : at + _OCTETS_IN_LINE].hex(" ")) for at in starts)
        return Layer("data", "octets", f"{len(octets)}", self._cut(lines), {"data": octets.hex()})

    def _cut(self, lines: tuple[tuple[int, str], ...]) -> tuple[tuple[int, str], ...]:
        if self._limit is None or len(lines) <= self._limit:
            return lines
        return (*lines[: self._limit], (1, f"... {len(lines) - self._limit} more"))


def _is_secret(request: Request | None) -> bool:
    """Whether it carries or asks for a password or a key."""
    match request:
        case psem.Security():
            return True
        case psem.Write(table=table, data=data) | psem.WriteOffset(table=table, data=data):
            # The byte order of the number is that of table 0, which may not be known.
            login = table % PENDING == _PROCEDURES and _LOGIN in data[:2]
            return login or table % PENDING in SECRET_TABLES
        case psem.WriteIndex(table=table) | psem.Read(table=table) | psem.ReadIndex(table=table):
            return table % PENDING in SECRET_TABLES
        case psem.ReadOffset(table=table):
            return table % PENDING in SECRET_TABLES
    return False


def _about(request: Request | None) -> str:
    table = getattr(request, "table", None)
    return f" of {table_name(table)}" if isinstance(table, int) else ""


def _request_text(request: Request, secret: bool) -> str:
    told = _about(request).removeprefix(" of ")
    match request:
        case psem.Negotiate(packet_size=size, packets=packets, bauds=bauds):
            speeds = ", ".join(_speed(code) for code in bauds) or "as it is"
            told = f"{packets} packets of {size} octets, speed {speeds}"
        case psem.TimingSetup():
            told = _timing(request)
        case psem.Logon(user_id=user_id, user=user):
            told = f"user {user_id} {user.rstrip(b' ').decode('latin-1')!r}"
        case psem.Security():
            told = "password of 20 octets, not shown"
        case psem.Authenticate(key_id=key_id, value=value):
            told = f"key {key_id}, ticket {value.hex()}"
        case psem.ReadOffset(offset=offset, count=count):
            told += f", {count} octets from {offset} on"
        case psem.ReadIndex(index=index, count=count):
            told += f", {count} elements from {'.'.join(map(str, index))} on"
        case psem.WriteOffset(offset=offset, data=data):
            told += f", {len(data)} octets from {offset} on"
        case psem.WriteIndex(index=index, data=data):
            told += f", {len(data)} octets from element {'.'.join(map(str, index))} on"
        case psem.Write(data=data) | psem.WriteDefault(data=data):
            told = f"{told}, {len(data)} octets".removeprefix(", ")
        case psem.Wait(seconds=seconds):
            told = f"{seconds} s"
        case psem.OtherRequest(body=body):
            told = body.hex(" ")
    return f"{told}, not shown" if secret and not isinstance(request, psem.Security) else told


def _answer_text(answer: Answer) -> str:
    match answer:
        case psem.Identification():
            features = "".join(f", feature {each.code:02X} {each.octets.hex()}" for each in answer.features)
            trailing = f", then {answer.trailing.hex()}" if answer.trailing else ""
            return f": {answer}{features}{trailing}"
        case psem.Negotiated(packet_size=size, packets=packets, baud=baud):
            return f": {packets} packets of {size} octets, {_speed(baud) if baud else 'speed as it is'}"
        case psem.TimingAgreed(timing=timing):
            return f": {_timing(timing)}"
        case psem.Authenticated(key_id=key_id, value=value):
            return f": key {key_id}, ticket {value.hex()}"
        case psem.TableData(data=data):
            return f": {len(data)} octets"
        case psem.Done(body=body) if body:
            return f": {body.hex()}"
    return ""


def _speed(code: int) -> str:
    return f"{BAUD_CODES[code]} Bd" if code in BAUD_CODES else f"speed code {code:02X}"


def _timing(timing: psem.TimingSetup) -> str:
    times = f"traffic {timing.traffic} s, character {timing.character} s, response {timing.response} s"
    return f"{times}, {timing.retries} repeats"


def _content(told: Request | Answer) -> dict[str, object]:
    """The fields of a request or an answer for programs; octets in hexadecimal."""
    names = (name for name in told.__slots__ if name not in ("password", "service"))
    return {name: _plain(getattr(told, name)) for name in names}


def _plain(value: object) -> object:
    match value:
        case bytes():
            return value.hex()
        case tuple():
            return [_plain(each) for each in value]
        case psem.Feature(code=code, octets=octets):
            return {"code": code, "octets": octets.hex()}
        case psem.TimingSetup():
            return _content(value)
    return value
