"""ANSI C12.18 under fuzz: the service units, our client against a hostile meter, our meter against a hostile client."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from fuzz_mutation import Target, captures
from fuzz_sessions import Choices, HostilePort, hostile
from psem_rig import KEY, PASSWORD, MemoryDevice, PsemRig, content

from metersdk.apdu import psem
from metersdk.apdu.psem import Service, TableData, TimingSetup, checksum8, decode_answer, decode_request
from metersdk.dialog.c1218_link import C1218Link, C1218Settings
from metersdk.dialog.psem import STANDARD_BAUDS, Psem, PsemTiming, SignOn
from metersdk.dialog.psem_meter import PsemRules
from metersdk.dialog.timing import GOODBYE, within
from metersdk.effects import Dialog
from metersdk.errors import LocalProtocolError, MeterError, RemoteProtocolError
from metersdk.fast import crc16
from metersdk.frame.buffer import ReceiveBuffer
from metersdk.frame.c1218 import STP
from metersdk.port.drive import Port, run

T = TypeVar("T")

# Limit of each call, virtual seconds; what is on the line already may hold it up.
LIMIT, STRAY = 60.0, 10.0
# Longer than the traffic time-out, and than any Wait: then the meter must be as new.
FORGOTTEN = 300.0
TABLES = {0: b"zero", 1: b"one", 5: content(5, 20), 23: content(23, 40), 64: content(64, 700)}
WANTED = SignOn(2, "reader", PASSWORD, bauds=STANDARD_BAUDS, timing=TimingSetup(6, 1, 2, 3), packet_size=128, packets=4)
_SERVICES = tuple(Service)


# --- Service units ----------------------------------------------------------------------------------------------------


def units(data: bytes) -> None:
    """All of it may be a request; or the first octet says to whom the others are the answer. What is taken encodes to
    the same."""
    for decode in (decode_request, _answer):
        try:
            unit = decode(data)
        except RemoteProtocolError as error:
            assert str(error)
            continue
        again = unit.encode()
        assert decode(again if decode is decode_request else data[:1] + again) == unit
        optional = isinstance(unit, psem.Negotiated | psem.Identification)
        assert optional or again == (data if decode is decode_request else data[1:])
        if isinstance(unit, psem.Identification):
            assert unit.ticket is None or isinstance(unit.ticket.ticket, bytes)
            assert isinstance(unit.device_class, bytes | None) and isinstance(unit.device_identity, bytes | None)


def _answer(data: bytes) -> psem.Answer:
    return decode_answer(_SERVICES[data[0] % len(_SERVICES)] if data else Service.READ, data[1:])


def mend_checksum(data: bytes) -> bytes:
    """The checksum right again, where these are the octets of a table."""
    for start in (5, 8, 4):
        count = int.from_bytes(data[start - 2 : start], "big")
        if len(data) == start + count + 1:
            return data[:-1] + bytes((checksum8(data[start:-1]),))
    return data


def _seeds() -> list[bytes]:
    requests = [octets[6:-2] for octets in captures("c1218")]
    requests += [bytes.fromhex(each) for each in ("20", "630400ff06080a", "711e010403", "3f00400123450258", "7070")]
    requests += [
        bytes.fromhex(each) for each in ("40000700030a0001f5", "42100300050000" + "0001ff01", "530902" + 16 * "a")
    ]
    codes = {service: number for number, service in enumerate(_SERVICES)}
    answers = [
        (Service.READ, TableData(b"octets of a table").encode()),
        (Service.IDENTIFY, bytes.fromhex("00020100" + "02010008a1a2a3a4a5a6a7a8" + "00")),
        (
            Service.IDENTIFY,
            bytes.fromhex("00030100" + "0406082b06010401828563" + "0508" + "070b01000102030a040d050607" + "00"),
        ),
        (Service.NEGOTIATE, bytes.fromhex("000400ff0a")),
        (Service.TIMING_SETUP, bytes.fromhex("001e010403")),
        (Service.AUTHENTICATE, bytes.fromhex("000902" + 16 * "b")),
        (Service.LOGON, b"\x05"),
    ]
    return requests + [bytes((codes[service],)) + octets for service, octets in answers]


# --- Sessions ---------------------------------------------------------------------------------------------------------


def in_packet(data: bytes, choices: Choices) -> bytes:
    """A packet whose CRC is right: another service unit in it, or another head; or another octet for ACK and NAK."""
    if len(data) < 8 or data[0] != STP:
        return bytes((choices.next(),))
    body = data[6:-2]
    at = choices.next() * len(body) // 256
    match choices.next() % 8:
        case 0 if body:
            body = body[:at] + bytes((choices.next(),)) + body[at + 1 :]
        case 1:
            body = body[:at]
        case 2:
            body = body[:at] + bytes((choices.next(),)) * choices.next() + body[at:]
        case 3:
            body = bytes((choices.next() % 0x13,))
        case 4 if len(body) > 3:
            # Another table of the same length, and its checksum.
            body = mend_checksum(body[:at] + bytes((choices.next(),)) + body[at + 1 :])
        case 5:
            seeds = _seeds()
            body = seeds[choices.next() % len(seeds)][choices.next() & 1 :]
        case _:
            where = 1 + choices.next() % 3
            data = data[:where] + bytes((choices.next(),)) + data[where + 1 :]
    checked = data[:4] + len(body).to_bytes(2, "big") + body
    return checked + crc16(checked).to_bytes(2, "little")


def _rig(wrapped: Callable[[Dialog[None]], Dialog[None]] = lambda served: served) -> PsemRig:
    device = MemoryDevice(dict(TABLES), algorithm=0)
    return PsemRig(device, rules=PsemRules(128, 4, timing=TimingSetup(6, 1, 2, 3)), wrapped=wrapped)


def visit(port: Port) -> bool:
    """Sign on, read and write a bit of everything, leave; whether it went without an error."""
    link = C1218Link(C1218Settings(), ReceiveBuffer())
    client = Psem(link, PsemTiming(busy=10.0))
    good = True

    def call(dialog: Dialog[object], *, wrong: type[Exception] | tuple[()] = ()) -> object:
        nonlocal good
        start = port.now()
        try:
            return run(within(dialog, LIMIT), port)
        except wrong:
            # What the meter said of itself does not let this be asked.
            good = False
        except MeterError as error:
            assert str(error) and not isinstance(error, LocalProtocolError), error
            good = False
        finally:
            assert port.now() - start <= LIMIT + GOODBYE + STRAY
        return None

    call(link.open())
    call(client.sign_on(WANTED), wrong=LocalProtocolError)
    for number in (0, 23):
        found = call(client.read(number, octets=len(TABLES[number])))
        assert found is None or (isinstance(found, bytes) and len(found) == len(TABLES[number]))
    call(client.read(64, octets=700))
    call(client.read(5, index=(3,), count=2, octets=2))
    call(client.write(23, TABLES[23], allow=True), wrong=LocalProtocolError)
    call(client.wait(1))
    call(client.authenticate(KEY, 1), wrong=LocalProtocolError)
    call(client.close())
    return good


def against_meter(data: bytes) -> None:
    """Our client; the meter is hostile."""
    it = _rig(lambda served: hostile(served, Choices(data), in_packet))  # type: ignore[arg-type, return-value]
    visit(it.port)


def against_client(data: bytes) -> None:
    """Our meter; the client is hostile. The next client must find the meter as if nothing had been."""
    it = _rig()
    visit(HostilePort(it.port, Choices(data), in_packet))
    it.port.sleep(FORGOTTEN)
    while it.port.receive(0.0):
        # Whoever opens a port drops what came before.
        pass
    assert it.port.server_error is None, it.port.server_error
    it.device.tables.update(TABLES)
    it.port.set_line(9600)
    assert visit(it.port), "the meter does not serve the next client"


TARGETS = (
    Target("psem", units, _seeds, (), tuple(bytes((service,)) for service in Service), mend=mend_checksum),
    Target("meter-psem", against_meter, lambda: [b"\0"], (), decisions=True),
    Target("client-psem", against_client, lambda: [b"\0"], (), decisions=True),
)
