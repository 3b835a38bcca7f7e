"""A meter that speaks KMP: answers questions about its registers, one after the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from metersdk.apdu import kmp
from metersdk.effects import Dialog, Receive, Send, SetLine, Sleep
from metersdk.errors import FrameError
from metersdk.frame.buffer import ReceiveBuffer
from metersdk.frame.kmp import ANSWER, FRAME_LIMIT, REQUEST, KmpFrame, find_kmp


def _heat() -> dict[int, bytes]:
    made = (
        kmp.encode_register(60, 3, 12345, -3),
        kmp.encode_register(68, 40, 98765, -2),
        kmp.encode_register(80, 22, 42, -1, size=2),
        kmp.encode_register(74, 41, 117, size=2),
        kmp.encode_register(86, 37, 6344, -2, size=2),
        kmp.encode_register(87, 37, 3120, -2, size=2),
        kmp.encode_register(89, 38, 3224, -2, size=2),
        kmp.encode_register(97, 43, 777),
        kmp.encode_register(1004, 46, 23456),
        kmp.encode_register(1003, 48, 261122),
        kmp.encode_register(1002, 47, 70809),
    )
    return {int.from_bytes(each[:2], "big"): each for each in made}


@dataclass(slots=True)
class KmpMeter:
    """Its registers as they are sent, by number; ``reaction`` in seconds."""

    registers: Mapping[int, bytes] = field(default_factory=_heat)
    serial: int = 0x01234567
    type: bytes = bytes.fromhex("00040601")
    baud: int = 1200
    reaction: float = 0.1

    def answer(self, payload: bytes) -> bytes | None:
        """CID and data of the answer; None for a command it does not know."""
        command, data = payload[0], payload[1:]
        if command == kmp.GET_TYPE:
            return payload[:1] + self.type
        if command == kmp.GET_SERIAL:
            return payload[:1] + self.serial.to_bytes(4, "big")
        if command == kmp.GET_REGISTER and data and len(data) == 1 + 2 * data[0]:
            numbers = [int.from_bytes(data[at : at + 2], "big") for at in range(1, len(data), 2)]
            return payload[:1] + b"".join(self.registers.get(number, b"") for number in numbers)
        return None


def serve_kmp(meter: KmpMeter) -> Dialog[None]:
    """Be the meter until the port closes."""
    buffer = ReceiveBuffer()
    yield SetLine(meter.baud)
    while True:
        buffer.feed((yield Receive(3600.0)))
        octets = bytes(buffer.view())
        if len(octets) > FRAME_LIMIT:
            buffer.drop(len(octets) - FRAME_LIMIT)
        found = find_kmp(octets, REQUEST)
        if found is None:
            continue
        buffer.drop(found[1])
        try:
            answer = meter.answer(KmpFrame.decode(octets[found[0] : found[1]]).payload)
        except FrameError:
            # A damaged question gets no answer.
            continue
        if answer is not None:
            yield Sleep(meter.reaction)
            yield Send(KmpFrame(answer, start=ANSWER).encode())
