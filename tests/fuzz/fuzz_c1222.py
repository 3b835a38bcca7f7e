"""ANSI C12.22 under fuzz: messages, our client against a hostile meter, our meter against a hostile client."""

from __future__ import annotations

import re
from dataclasses import replace

from fuzz_mutation import Target, captures
from fuzz_sessions import Choices, HostilePort, hostile
from psem_rig import PASSWORD, MemoryDevice, content

from metersdk.apdu import psem
from metersdk.apdu.c1222 import Control, Message, SecurityMode, encode_services
from metersdk.apdu.c1222_services import decode_answer, decode_request
from metersdk.apdu.c1222_titles import ApTitle
from metersdk.apdu.keys import RisingCounter, Secret
from metersdk.apdu.psem import Service
from metersdk.dialog.c1222 import C1222Settings, C1222Transport
from metersdk.dialog.c1222_meter import C1222Meter, serve_c1222
from metersdk.dialog.psem import Psem, PsemTiming, SignOn
from metersdk.dialog.timing import GOODBYE, within
from metersdk.effects import Dialog
from metersdk.errors import (
    ChecksumError,
    DecodeError,
    LocalProtocolError,
    MeterError,
    RemoteProtocolError,
    SecurityError,
)
from metersdk.frame.buffer import ReceiveBuffer
from metersdk.frame.c1222 import message_size
from metersdk.port.drive import Port, run
from metersdk.port.line import LineModel
from metersdk.port.virtual import VirtualPort

# Limit of each call, virtual seconds, and what a delayed send may add to it.
LIMIT, STRAY = 60.0, 10.0
FORGOTTEN = 300.0
TABLES = {0: content(0, 60), 1: content(1, 32), 5: content(5, 20), 23: content(23, 40), 64: content(64, 3000)}
KEY, METER, CLIENT = Secret(bytes(range(16))), ApTitle.parse(".123.8437"), ApTitle.parse("1.3.6.1.4.1.33507.4")
_SERVICES = tuple(Service)
_BUFFER_LIMIT = 1 << 16


# --- Messages ---------------------------------------------------------------------------------------------------------


def messages(data: bytes) -> None:
    """All of it may be a message, or a service of one. What is taken encodes to the same, where its form is ours."""
    try:
        size = message_size(data)
        assert size is None or size <= 0xFFFF
    except RemoteProtocolError as error:
        assert str(error)
    for decode in (decode_request, _answer):
        try:
            decode(data).encode()
        except (ChecksumError, DecodeError) as error:
            assert str(error)
        except LocalProtocolError as error:
            # A pattern is told by a flag; an empty one is as good as none.
            assert "does not fit" in str(error)
    try:
        message = Message.decode(data)
    except DecodeError as error:
        assert str(error) and len(error.data) <= 6
        return
    assert replace(Message.decode(message.encode()), head=b"") == replace(message, unknown=(), segment=b"", head=b"")
    try:
        plain = message.opened(KEY)
        services = plain.services
    except (DecodeError, SecurityError) as error:
        assert str(error) and not error.data
        return
    assert len(encode_services(services)) <= len(plain.body)
    # With a number and a vector no cleartext is too short.
    again = replace(plain, numbers=(), calling_id=1, key_id=1, iv=1, authentication=b"")
    again = again.protected(SecurityMode.CIPHERED, KEY)
    assert again.opened(KEY).services == services


def _answer(data: bytes) -> object:
    return decode_answer(_SERVICES[data[0] % len(_SERVICES)] if data else Service.READ, data[1:])


def mend(data: bytes) -> bytes:
    """The length of the message right again, where it is a short one."""
    return b"\x60" + bytes((len(data) - 2,)) + data[2:] if 2 < len(data) < 130 else data


def _seeds() -> list[bytes]:
    found = [
        bytes.fromhex(octets)
        for text in captures("c1222_payload")
        for octets in re.findall(r"X ([0-9a-f]+)", text.decode("ascii"))
    ]
    fields = {"called": METER, "calling": CLIENT, "calling_id": 7, "key_id": 1, "iv": 1_700_000_000}
    for mode in SecurityMode:
        plain = Message.of((b"\x20", psem.Read(23).encode()), ed_class=b"MSK1", qualifier=4, **fields)
        found.append(plain.protected(mode, KEY).encode())
    services = ("2720000000000006000802010300000000", "2406022A03", "2680020102", "500002202020202020202020 20003C")
    return found + [bytes.fromhex(each) for each in services]


# --- Sessions ---------------------------------------------------------------------------------------------------------


def in_message(data: bytes, choices: Choices) -> bytes:
    """A message that is well formed, and not what it should be; its MAC is right only if the key is known."""
    try:
        message = Message.decode(data)
    except DecodeError:
        return bytes((choices.next(),)) * (choices.next() + 1)
    mode, choice = message.control.security, choices.next()
    body = message.body
    at = choices.next() * len(body) // 256
    match choice % 10:
        case 0 if body:
            body = body[:at] + bytes((choices.next(),)) + body[at + 1 :]
        case 1:
            body = body[:at]
        case 2:
            body = body[:at] + bytes((choices.next(),)) * choices.next() + body[at:]
        case 3:
            body = encode_services((bytes((choices.next() % 0x13,)),))
        case 4:
            message = replace(message, called_id=choices.next())
        case 5:
            message = replace(message, called=message.calling, calling=message.called)
        case 6:
            message = replace(message, control=Control(), mac=b"")
        case 7:
            message = replace(message, key_id=choices.next(), iv=choices.next() << 16)
        case 8:
            return mend(data[: choices.next()])
        case _:
            message = replace(message, mac=bytes(len(message.mac)))
    octets = replace(message, body=body, head=b"").encode()
    return octets if mode is SecurityMode.CLEAR or choices.next() & 1 else octets[:-1] + bytes((choices.next(),))


class _Rig:
    """What is spoken is the choice of the first octet."""

    def __init__(self, choices: Choices, *, spoilt: bool) -> None:
        first = choices.next()
        self.mode, self.datagram = SecurityMode(first % 3), bool(first & 4)
        self.device = MemoryDevice(dict(TABLES))
        self.vectors = RisingCounter(1_700_000_000)
        meter = C1222Meter(title=METER, keys={1: KEY}, security=self.mode, datagram=self.datagram)
        served: Dialog[None] = serve_c1222(self.device, meter, ReceiveBuffer(_BUFFER_LIMIT))
        if spoilt:
            served = hostile(served, choices, in_message)  # type: ignore[arg-type, assignment]
        self.port = VirtualPort(served, LineModel(coalesce=0.0))

    def client(self) -> Psem:
        settings = C1222Settings(
            called=METER,
            calling=CLIENT,
            security=self.mode,
            key=KEY,
            key_id=1,
            vectors=self.vectors,
            datagram=self.datagram,
            response=2.0,
        )
        return Psem(C1222Transport(settings, ReceiveBuffer(_BUFFER_LIMIT)), PsemTiming(busy=5.0))

    def visit(self, port: Port) -> bool:
        """Sign on, read and write, leave; whether it went without an error. What is proved is never wrong."""
        client, good = self.client(), True

        def call(dialog: Dialog[object]) -> object:
            nonlocal good
            start = port.now()
            try:
                return run(within(dialog, LIMIT), port)
            except MeterError as error:
                assert str(error) and b"secret" not in error.data
                good = False
            finally:
                assert port.now() - start <= LIMIT + GOODBYE + STRAY
            return None

        call(client.sign_on(SignOn(2, "reader", PASSWORD, idle=60)))
        for number, octets in TABLES.items():
            found = call(client.read(number, offset=0, count=len(octets)))
            assert found in (None, octets) or self.mode is SecurityMode.CLEAR
        call(client.write(23, TABLES[23], allow=True))
        call(client.wait(1))
        call(client.close())
        return good


def against_meter(data: bytes) -> None:
    """Our client; the meter is hostile."""
    it = _Rig(Choices(data), spoilt=True)
    it.visit(it.port)


def against_client(data: bytes) -> None:
    """Our meter; the client is hostile. Over UDP the next client must find the meter as if nothing had been."""
    choices = Choices(data)
    it = _Rig(choices, spoilt=False)
    it.visit(HostilePort(it.port, choices, in_message))
    assert it.port.server_error is None or isinstance(it.port.server_error, RemoteProtocolError)
    if it.mode is not SecurityMode.CLEAR:
        assert it.device.tables == TABLES
    if not it.datagram:
        # What the hostile client left of a message stands at the front of the next one: such a connection is closed.
        return
    it.port.sleep(FORGOTTEN)
    while it.port.receive(0.0):
        pass
    assert it.port.server_error is None, it.port.server_error
    it.device.tables.update(TABLES)
    assert it.visit(it.port), "the meter does not serve the next client"


TARGETS = (
    Target("c1222", messages, _seeds, (), tuple(map(bytes, ((0xA2,), (0xBE, 0x28), (0x81,), (0xAC,)))), mend=mend),
    Target("meter-c1222", against_meter, lambda: [b"\0"], (), decisions=True),
    Target("client-c1222", against_client, lambda: [b"\0"], (), decisions=True),
)
