"""The link of ANSI C12.18 under fuzz: packets out of any octets; both ends over a line that damages what is on it.

The line forges nothing: it drops, doubles, delays, cuts and flips, and makes noise. So whatever the link takes for an
answer must be the answer to what was asked.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace

from c1218_rig import IDENTIFICATION, IDENTIFY, ISSS, OK, TERMINATE, Meter, Rig, content, read, write
from fuzz_mutation import Target, captures
from fuzz_sessions import Choices

from metersdk.apdu.psem import Service, TableData, decode_answer
from metersdk.cli.dissect import Dissector
from metersdk.cli.trace import Kind
from metersdk.cli.units import split
from metersdk.dialog.c1218_link import C1218Settings
from metersdk.effects import Dialog, Effect, Send, Sleep
from metersdk.errors import DecodeError, FrameError, MeterError
from metersdk.fast import crc16
from metersdk.frame.buffer import ReceiveBuffer
from metersdk.frame.c1218 import ACK, NAK, STP, Packet, PacketReader
from metersdk.frame.c1218 import split as packets_of
from metersdk.port.drive import Port, run

SETTINGS = C1218Settings(packet_size=64, packets=16, traffic_timeout=6.0)
FORGOTTEN = 60.0
SIZE = 100
# Each call in virtual seconds: three rounds of two times four tries, each of them heard out.
LIMIT = 240.0
_TABLES = (3, 40, 3, 17, 64)


# --- packets ----------------------------------------------------------------------------------------------------------


def packets(data: bytes) -> None:
    """One packet, a stream of them whole and in pieces, and what `trace` makes of them."""
    try:
        packet = Packet.decode(data)
    except FrameError as error:
        assert str(error)
    else:
        # The identity and all bits are kept: a packet has one form.
        assert packet.encode() == data and str(packet)
    whole, cut = _found((data,)), _found(_pieces(data))
    assert whole == cut
    dissector = Dissector()
    units = list(split(data, Kind.C1218))
    assert b"".join(unit.octets for unit in units) == data
    for unit in (*units, *(replace(unit, masked=True) for unit in units)):
        dissector.take_apart(unit)


def _pieces(data: bytes) -> Generator[bytes, None, None]:
    at, size = 0, 1
    while at < len(data):
        yield data[at : at + size]
        at, size = at + size, size * 3 % 17 + 1


def _found(parts: tuple[bytes, ...] | Generator[bytes, None, None]) -> list[Packet]:
    buffer = ReceiveBuffer()
    reader = PacketReader(buffer)
    found: list[Packet] = []
    for part in parts:
        buffer.feed(part)
        _take(reader, found)
    while reader.missing:
        reader.give_up()
        _take(reader, found)
    assert len(buffer) == 0
    return found


def _take(reader: PacketReader, found: list[Packet]) -> None:
    while (unit := reader.next()) is not None:
        if isinstance(unit, Packet):
            found.append(unit)


def mend(data: bytes) -> bytes:
    """The length and the CRC of the first packet right again."""
    at = data.find(STP)
    if at < 0 or len(data) - at < 8:
        return data
    body = data[at + 6 : -2][:8184]
    checked = data[at : at + 2] + bytes((data[at + 2] & 0xE3, data[at + 3])) + len(body).to_bytes(2, "big") + body
    return data[:at] + checked + crc16(checked).to_bytes(2, "little")


def seeds() -> list[bytes]:
    answer = b"".join(packet.encode() + ACK for packet in packets_of(TableData(bytes(range(150))).encode(), 64, True))
    return [*captures("c1218"), Packet(IDENTIFY).encode() + ACK + Packet(IDENTIFICATION).encode(), NAK + answer]


# --- sessions ---------------------------------------------------------------------------------------------------------


def bad_line(dialog: Dialog[None], choices: Choices) -> Dialog[None]:
    """``dialog``, and what becomes of its octets on the line."""
    answer: object = None
    while True:
        try:
            effect: Effect = dialog.send(answer)
        except StopIteration:
            return
        if not isinstance(effect, Send):
            answer = yield effect
            continue
        answer = None
        yield from _passage(effect.data, choices)


def _passage(data: bytes, choices: Choices) -> Generator[Effect, object, None]:
    choice = choices.next()
    match choice % 8 if choice else -1:
        case 0:
            return
        case 1:
            data += data
        case 2:
            yield Sleep(choices.next() / 200)
        case 3:
            data = data[: choices.next() % (len(data) + 1)]
        case 4:
            data = bytes((choices.next(),)) * (choices.next() % 32 + 1) + data
        case 5:
            at = choices.next() * len(data) // 256
            data = data[:at] + bytes((data[at] ^ 1 << choices.next() % 8,)) + data[at + 1 :]
        case 6:
            at = choices.next() * len(data) // 256
            data = data[:at] + data[at + 1 :]
        case 7:
            data += bytes((choices.next(),))
    if data:
        yield Send(data)


class BadPort:
    """The client's end of the same: what it sends is damaged."""

    name = "bad"

    def __init__(self, port: Port, choices: Choices) -> None:
        self.port = port
        self._choices = choices
        self.receive, self.set_line, self.sleep, self.now = port.receive, port.set_line, port.sleep, port.now

    def send(self, data: bytes) -> None:
        for effect in _passage(data, self._choices):
            if isinstance(effect, Send):
                self.port.send(effect.data)
            elif isinstance(effect, Sleep):
                self.port.sleep(effect.seconds)

    def close(self) -> None:
        """The port goes on: another client may come."""


def visit(rig: Rig) -> bool:
    """A session of reads and writes; whether it went without an error. No answer is taken for another."""
    good = _asked(rig, IDENTIFY) == IDENTIFICATION
    for table in _TABLES:
        good = _read(rig, table) and good
        answer = _asked(rig, write(table, bytes(table)))
        assert answer in (None, OK, ISSS), answer
        good = answer == OK and good
    return _asked(rig, TERMINATE) == OK and good


def _read(rig: Rig, table: int) -> bool:
    answer = _asked(rig, read(table))
    if answer in (None, ISSS):
        return False
    assert answer is not None
    try:
        told = decode_answer(Service.READ, answer)
    except (DecodeError, FrameError):
        # One damaged packet in 65536 has a right CRC; the checksum of the table knows better.
        return False
    assert told == TableData(content(table, SIZE)), f"table {table}: {answer.hex()}"
    return True


def _asked(rig: Rig, request: bytes) -> bytes | None:
    start = rig.port.now()
    try:
        return run(rig.link.request(request), rig.port, rig.events.append)
    except MeterError as error:
        assert str(error)
        return None
    finally:
        assert rig.port.now() - start <= LIMIT


def against_meter(data: bytes) -> None:
    """What the meter says is damaged."""
    visit(Rig(bad_line(Meter(size=SIZE).serve(SETTINGS), Choices(data)), SETTINGS))


def against_client(data: bytes) -> None:
    """What the client says is damaged; nothing is written twice, and the next client finds the meter as new."""
    meter = Meter(size=SIZE)
    rig = Rig(meter.serve(SETTINGS), SETTINGS)
    virtual = rig.port
    rig.port = BadPort(virtual, Choices(data))  # type: ignore[assignment]
    visit(rig)
    for table in set(_TABLES):
        assert meter.asked.count(write(table, bytes(table))) <= _TABLES.count(table)
    virtual.sleep(FORGOTTEN)
    while virtual.receive(0.0):
        pass
    assert virtual.server_error is None, virtual.server_error
    other = Rig(meter.serve(SETTINGS), SETTINGS, start=False)
    other.port = virtual
    other.run(other.link.open())
    assert visit(other), "the meter does not serve the next client"


TARGETS = (
    Target("c1218", packets, seeds, (), (b"\xee", ACK, NAK, b"\xee\x00\xe0\x01\x00\x04"), mend),
    Target("meter-c1218", against_meter, lambda: [b"\0"], (), decisions=True),
    Target("client-c1218", against_client, lambda: [b"\0"], (), decisions=True),
)
