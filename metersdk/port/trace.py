"""A session on record: what went over the port, when, in which direction; and a port that plays it back.

The file is JSON lines. The first is a header, ``{"metersdk_trace": 1, "target": .., "time": ..}``; each other one is
``{"t": seconds, "d": "tx"|"rx"|"line"|"note", ..}`` with ``hex``, ``baud`` or ``text``. Octets of secrets are written
as ``**``, in both directions: a probe with an echo hands the password back. Every line is on its way to the disk before
the session goes on, so a crash costs no more than the last one. What stands in P1 and P2 of IEC 62056-21 is masked,
known as a secret or not; and the BCC of every command in which something is masked. So is the password of Security
of C12.18 and C12.22, and what follows in a packet behind octets that are masked, its CRC among them.
"""

from __future__ import annotations

import json
import os
import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, Literal, SupportsBytes

from metersdk.errors import LocalProtocolError, MeterError, PortClosed, PortDenied, PortError, PortNotFound
from metersdk.port.drive import AsyncPort, Port

VERSION = 1
# One piece is what one read gives, 64 KiB at most: 128 KiB of hex and the frame around it.
MAX_LINE = 1 << 20
# A password cut in two by a segment border must not show: this many octets of it in a row are masked already.
SHORTEST_PART = 4

Direction = Literal["tx", "rx", "line", "note"]
# Octets, or a wrapper that gives them to bytes() alone.
Secretive = bytes | SupportsBytes
_MASK = -1
# SOH P 1 or 2 STX data set ETX BCC: without the BCC, which would tell a digit that is asked for.
_PASSWORD = re.compile(rb"\x01P[12]\x02\(?([^\x03()]+)\)?(?:\x03(.))?", re.DOTALL)
# SOH command STX data set ETX (or EOT: more follows) BCC.
_COMMAND = re.compile(rb"\x01[A-Z][0-9]\x02[^\x03\x04]*[\x03\x04](.)", re.DOTALL)
# Security of C12.18 in one packet: 20 octets, with or without a user id; and what begins any packet.
_SECURITY = re.compile(rb"\xee.[\x00-\x03\x20-\x23]\x00\x00[\x15\x17]\x51(.{20})", re.DOTALL)
# The same in a message of C12.22: an octet string in an external, then the control octet of EPSEM.
_SECURITY_C1222 = re.compile(rb"\x28[\x00-\x7f]\x81[\x00-\x7f][\x80-\xff][\x15\x17]\x51(.{20})", re.DOTALL)
_PACKET = re.compile(rb"\xee.[\x00-\x03\x20-\x23\x80-\x83\xa0-\xa3\xc0-\xc3\xe0-\xe3].(..)", re.DOTALL)
_PACKET_OVERHEAD = 8
_CONTROLS = b"\x06\x15"
_HEX = re.compile(r"(?:[0-9a-f]{2}|\*\*)*\Z", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Record:
    """One line of a trace.

    Attributes:
        time: seconds since the first record.
        direction: ``tx`` to the meter, ``rx`` from it, ``line`` a change of speed, ``note`` a remark.
        octets: of ``tx`` and ``rx``; -1 for a masked octet.
        baud: of ``line``.
        text: of ``note``.
    """

    time: float
    direction: Direction
    octets: tuple[int, ...] = ()
    baud: int = 0
    text: str = ""

    @property
    def data(self) -> bytes:
        """The octets, an asterisk for each masked one."""
        return bytes(0x2A if octet == _MASK else octet for octet in self.octets)

    @property
    def masked(self) -> bool:
        """Whether something was hidden."""
        return _MASK in self.octets


class Recorder:
    """Writes a trace.

    Args:
        path: the file, replaced if there is one; made readable for its owner only.
        target: what is being read, without secrets (``str(Address)``).
        secrets: octets never to be written; more with ``redact``.
    """

    def __init__(self, path: str | os.PathLike[str], target: str, secrets: Iterable[Secretive] = ()) -> None:
        self._path = os.fspath(path)
        self._secrets: list[bytes] = []
        self._start: float | None = None
        self._held = b""
        self._held_since = 0.0
        self._suspect = 0
        self._heard = False
        for secret in secrets:
            self.redact(secret)
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        except OSError as error:
            raise _file_error(self._path, error) from error
        # Line buffered: a line that is written is out of this process.
        self._file: IO[str] = os.fdopen(descriptor, "w", encoding="ascii", buffering=1)
        self._line({"metersdk_trace": VERSION, "target": target, "time": datetime.now(UTC).isoformat()})

    def redact(self, secret: Secretive) -> None:
        """Mask these octets from now on, also as they go over the line with even parity (7E1)."""
        secret = bytes(secret)
        for form in {secret, bytes(octet | (octet.bit_count() & 1) << 7 for octet in secret if octet < 0x80)}:
            if form and form not in self._secrets:
                self._secrets.append(form)

    def sent(self, now: float, data: bytes) -> None:
        """Octets to the meter."""
        self._let_go()
        for password in _PASSWORD.finditer(_seven_bits(data)):
            self.redact(password[1])
        hidden = self._hidden(data)
        # As many octets may come back as an echo; a readout later on may hold the digits of a poor password.
        waiting = self._suspect > 0 and not self._heard
        self._suspect = self._suspect + len(data) if hidden or waiting else 0
        self._heard = False
        self._write(now, "tx", hex=_hex(data, hidden))

    def received(self, now: float, data: bytes) -> None:
        """Octets from the meter; what may be the echo of a secret is held back until it is whole."""
        self._heard = True
        if not self._suspect:
            self._write(now, "rx", hex=data.hex())
            return
        if not self._held:
            self._held_since = now
        self._held += data
        if len(self._held) >= self._suspect:
            self._let_go()

    def line(self, now: float, baud: int) -> None:
        """The line changes its speed."""
        self._let_go()
        self._write(now, "line", baud=baud)

    def note(self, now: float, text: str) -> None:
        """A remark: an error of the port, a step of the dialog."""
        self._let_go()
        self._write(now, "note", text=text)

    def close(self) -> None:
        """End the file; a second call does nothing."""
        if not self._file.closed:
            try:
                self._let_go()
            finally:
                self._end()

    def _end(self) -> None:
        try:
            self._file.close()
        except OSError as error:
            raise _file_error(self._path, error) from error

    def _let_go(self) -> None:
        data, self._held = self._held, b""
        if data:
            self._suspect = max(0, self._suspect - len(data))
            self._write(self._held_since, "rx", hex=_hex(data, self._hidden(data)))

    def _hidden(self, data: bytes) -> set[int]:
        """Positions of secrets, and of what stands in a password command of IEC 62056-21, and its BCC."""
        hidden = _parts(data, self._secrets)
        for password in _PASSWORD.finditer(_seven_bits(data)):
            hidden.update(range(*password.span(1)), range(*password.span(2)))
        for command in _COMMAND.finditer(_bare(data)) if hidden else ():
            if not hidden.isdisjoint(range(*command.span())):
                hidden.update(range(*command.span(1)))
        for pattern in (_SECURITY, _SECURITY_C1222):
            for password in pattern.finditer(data):
                hidden.update(range(*password.span(1)))
        return _with_checks(data, hidden) if hidden else hidden

    def _write(self, now: float, direction: Direction, **content: object) -> None:
        if self._start is None:
            self._start = now
        self._line({"t": round(now - self._start, 6), "d": direction, **content})

    def _line(self, content: dict[str, object]) -> None:
        if self._file.closed:
            return
        try:
            self._file.write(json.dumps(content) + "\n")
        except OSError as error:
            raise _file_error(self._path, error) from error


def _seven_bits(data: bytes) -> bytes:
    """Without the parity bit that is made in software."""
    return _bare(data) if b"P" in data or b"\xd0" in data else b""


def _bare(data: bytes) -> bytes:
    return bytes(octet & 0x7F for octet in data)


def _parts(data: bytes, secrets: Iterable[bytes]) -> set[int]:
    """Positions that belong to a secret, or to ``SHORTEST_PART`` octets in a row of one."""
    covered: set[int] = set()
    for secret in secrets:
        size = min(SHORTEST_PART, len(secret))
        for piece in {secret[i : i + size] for i in range(len(secret) - size + 1)}:
            found = data.find(piece)
            while found >= 0:
                covered.update(range(found, found + size))
                found = data.find(piece, found + 1)
    return covered


def _with_checks(data: bytes, hidden: set[int]) -> set[int]:
    """Of packets of C12.18 that are sent one by one also what follows a secret: checksum and CRC tell about it."""
    at = len(data) - len(data.lstrip(_CONTROLS))
    while found := _PACKET.match(data, at):
        end = at + int.from_bytes(found[1], "big") + _PACKET_OVERHEAD
        inside = hidden.intersection(range(at, end))
        if inside:
            hidden = hidden.union(range(min(inside), min(end, len(data))))
        # An echo stands before the ACK.
        at = len(data) - len(data[end:].lstrip(_CONTROLS))
    return hidden


def _hex(data: bytes, hidden: set[int]) -> str:
    if not hidden:
        return data.hex()
    return "".join("**" if position in hidden else f"{octet:02x}" for position, octet in enumerate(data))


class RecordingPort:
    """A blocking port whose traffic is recorded; arguments as ``Recorder``."""

    def __init__(
        self, port: Port, path: str | os.PathLike[str], *, target: str = "", secrets: Iterable[Secretive] = ()
    ) -> None:
        self.port = port
        self.recorder = Recorder(path, target or port.name, secrets)

    @property
    def name(self) -> str:
        """The name of the port behind."""
        return self.port.name

    def send(self, data: bytes) -> None:
        """As the port behind; on record before it is on the line."""
        self.recorder.sent(self.port.now(), data)
        try:
            self.port.send(data)
        except MeterError as error:
            self.recorder.note(self.port.now(), str(error))
            raise

    def receive(self, timeout: float) -> bytes:
        """As the port behind."""
        try:
            data = self.port.receive(timeout)
        except MeterError as error:
            self.recorder.note(self.port.now(), str(error))
            raise
        if data:
            self.recorder.received(self.port.now(), data)
        return data

    def set_line(self, baud: int) -> None:
        """As the port behind."""
        self.port.set_line(baud)
        self.recorder.line(self.port.now(), baud)

    def sleep(self, seconds: float) -> None:
        """As the port behind."""
        self.port.sleep(seconds)

    def now(self) -> float:
        """As the port behind."""
        return self.port.now()

    def close(self) -> None:
        """Close the port and the record."""
        try:
            self.recorder.close()
        finally:
            self.port.close()


class AsyncRecordingPort:
    """An asyncio port whose traffic is recorded; arguments as ``Recorder``."""

    def __init__(
        self, port: AsyncPort, path: str | os.PathLike[str], *, target: str = "", secrets: Iterable[Secretive] = ()
    ) -> None:
        self.port = port
        self.recorder = Recorder(path, target or port.name, secrets)

    @property
    def name(self) -> str:
        """The name of the port behind."""
        return self.port.name

    async def send(self, data: bytes) -> None:
        """As the port behind; on record before it is on the line."""
        self.recorder.sent(self.port.now(), data)
        try:
            await self.port.send(data)
        except MeterError as error:
            self.recorder.note(self.port.now(), str(error))
            raise

    async def receive(self, timeout: float) -> bytes:
        """As the port behind."""
        try:
            data = await self.port.receive(timeout)
        except MeterError as error:
            self.recorder.note(self.port.now(), str(error))
            raise
        if data:
            self.recorder.received(self.port.now(), data)
        return data

    async def set_line(self, baud: int) -> None:
        """As the port behind."""
        await self.port.set_line(baud)
        self.recorder.line(self.port.now(), baud)

    async def sleep(self, seconds: float) -> None:
        """As the port behind."""
        await self.port.sleep(seconds)

    def now(self) -> float:
        """As the port behind."""
        return self.port.now()

    async def close(self) -> None:
        """Close the port and the record."""
        try:
            self.recorder.close()
        finally:
            await self.port.close()


def read_trace(path: str | os.PathLike[str]) -> Iterator[Record]:
    """The records of a trace, one after the other; a last line cut short by a crash is left out.

    Raises:
        PortNotFound, PortError: the file cannot be read.
        LocalProtocolError: it is no trace; the message names the line.
    """
    name = os.fspath(path)
    try:
        with open(name, encoding="ascii", errors="strict") as file:
            yield from _records(name, file)
    except UnicodeDecodeError as error:
        raise LocalProtocolError(f"{name}: not a trace", layer="port", offset=error.start) from None
    except ValueError as error:
        raise PortNotFound(f"{name!r} is no file name: {error}", layer="port") from None
    except OSError as error:
        raise _file_error(name, error) from error


def went_over_a_line(path: str | os.PathLike[str]) -> bool:
    """Whether the session on record set the speed of a line before it said anything; errors as ``read_trace``."""
    first = next((record.direction for record in read_trace(path) if record.direction != "note"), None)
    return first == "line"


def _records(name: str, file: IO[str]) -> Iterator[Record]:
    number = 0
    while line := file.readline(MAX_LINE):
        number += 1
        try:
            record = _record(json.loads(line), first=number == 1)
        except (ValueError, RecursionError) as error:
            if number > 1 and not line.endswith("\n") and len(line) < MAX_LINE:
                return
            raise LocalProtocolError(f"{name}, line {number}: not a line of a trace ({error})", layer="port") from None
        if record is not None:
            yield record


def _record(content: object, *, first: bool) -> Record | None:
    """One line as a record; None for the header. ValueError says what is wrong."""
    if not isinstance(content, dict):
        raise ValueError("no JSON object")
    if first:
        if content.get("metersdk_trace") != VERSION:
            raise ValueError(f"the header must say metersdk_trace {VERSION}")
        return None
    time, direction = content.get("t"), content.get("d")
    if type(time) not in (int, float) or not isinstance(time, int | float):
        raise ValueError("t must be a number")
    match direction:
        case "tx" | "rx":
            text = content.get("hex")
            if not isinstance(text, str) or not _HEX.match(text):
                raise ValueError("hex must be pairs of hexadecimal digits or **")
            pairs = (text[i : i + 2] for i in range(0, len(text), 2))
            return Record(time, direction, tuple(_MASK if pair == "**" else int(pair, 16) for pair in pairs))
        case "line":
            baud = content.get("baud")
            if type(baud) is not int or baud <= 0:
                raise ValueError("baud must be a positive number")
            return Record(time, "line", baud=baud)
        case "note":
            return Record(time, "note", text=str(content.get("text", "")))
    raise ValueError("d must be tx, rx, line or note")


class ReplayPort:
    """A port that answers as the recorded meter did, at once.

    What is sent is held against the recording: in ``strict`` mode the first octet that differs ends the replay; else
    the next place where the recording has what was sent is looked for, and nothing answers if there is none. Masked
    octets match any. The clock goes by the recording.
    """

    def __init__(self, path: str | os.PathLike[str], *, strict: bool = True) -> None:
        self.name = f"trace://{os.fspath(path)}"
        self._records = deque(record for record in read_trace(path) if record.octets)
        self._hides = any(record.masked for record in self._records)
        self._strict = strict
        self._ready: deque[Record] = deque()
        self._number = 0
        # What stood in the place of masked octets, for an echo of them.
        self._unmasked: deque[int] = deque()
        self._now = 0.0
        self._closed = False

    def send(self, data: bytes) -> None:
        """Compare with what was sent in the recording.

        Raises:
            LocalProtocolError: it differs, or the recording is over (``strict`` only).
        """
        self._check_open()
        while data:
            ahead = self._next_sent()
            if ahead is None:
                if self._strict:
                    raise self._mismatch("the recording is over", data, 0)
                return
            same = _common(data, ahead.octets)
            if same < min(len(data), len(ahead.octets)):
                if self._strict:
                    raise self._mismatch(f"recorded {_shown(ahead.octets)}", data, same)
                self._skip_to(data)
                return
            self._advance(ahead.time)
            self._unmasked.extend(octet for octet, was in zip(data, ahead.octets, strict=False) if was == _MASK)
            rest = ahead.octets[same:]
            self._records.popleft()
            self._number += 1
            if rest:
                self._records.appendleft(Record(ahead.time, "tx", rest))
            data = data[same:]

    def receive(self, timeout: float) -> bytes:
        """The next octets of the recording, if they came before anything more was sent."""
        self._check_open()
        if not self._ready and self._records and self._records[0].direction == "rx":
            self._ready.append(self._records.popleft())
        if not self._ready:
            if timeout == float("inf"):
                raise PortClosed(f"{self.name}: the recording has no answer here", layer="port")
            self._now += max(0.0, timeout)
            return b""
        record = self._ready.popleft()
        self._advance(record.time)
        return bytes(self._unmask() if octet == _MASK else octet for octet in record.octets)

    def set_line(self, baud: int) -> None:
        """Nothing: the recording knows what was heard."""

    def sleep(self, seconds: float) -> None:
        """The clock moves on."""
        self._now += max(0.0, seconds)

    def now(self) -> float:
        """Seconds of the recording."""
        return self._now

    def close(self) -> None:
        """Nothing more can be played."""
        self._closed = True

    def _check_open(self) -> None:
        if self._closed:
            raise PortClosed(f"{self.name} is closed", layer="port")

    def _advance(self, moment: float) -> None:
        self._now = max(self._now, moment)

    def _unmask(self) -> int:
        return self._unmasked.popleft() if self._unmasked else 0x2A

    def _next_sent(self) -> Record | None:
        """The next frame to the meter; what came before it, unread yet, stays readable."""
        while self._records and self._records[0].direction == "rx":
            self._ready.append(self._records.popleft())
        return self._records[0] if self._records else None

    def _skip_to(self, data: bytes) -> None:
        for place, record in enumerate(self._records):
            if record.direction == "tx" and len(record.octets) == len(data) == _common(data, record.octets):
                for _ in range(place + 1):
                    self._records.popleft()
                self._ready.clear()
                self._advance(record.time)
                return

    def _mismatch(self, what: str, data: bytes, offset: int) -> LocalProtocolError:
        return LocalProtocolError(
            f"{self.name}: frame {self._number} differs from the recording: {what}",
            layer="port",
            offset=offset,
            # Where the recording hides octets, what is sent may hold a secret.
            data=b"" if self._hides else data,
            hint="replay with the same arguments, or with ?strict=0",
        )


def _common(data: bytes, octets: tuple[int, ...]) -> int:
    """How many octets at the start agree; masked ones always do."""
    same = 0
    for sent, was in zip(data, octets, strict=False):
        if was not in (sent, _MASK):
            break
        same += 1
    return same


def _shown(octets: tuple[int, ...]) -> str:
    shown = "".join("**" if octet == _MASK else f"{octet:02x}" for octet in octets[:32])
    return shown + (" .." if len(octets) > 32 else "")


def _file_error(path: str, error: OSError) -> PortError:
    message = f"{path}: {error.strerror or error}"
    if isinstance(error, FileNotFoundError):
        return PortNotFound(message, layer="port", hint="check the name of the file")
    if isinstance(error, PermissionError):
        return PortDenied(message, layer="port", hint="check the permissions of the file")
    return PortError(message, layer="port")
