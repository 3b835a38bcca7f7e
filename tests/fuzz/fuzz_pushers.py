"""Meters that speak by themselves under fuzz: SML files and messages, telegrams of mode D and P1, whole sessions."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import cache

from fuzz_mutation import Target, captures
from fuzz_parsers import REMOTE, pieces

from metersdk import fast
from metersdk.apdu import sml
from metersdk.apdu.dataset import parse
from metersdk.apdu.sml_encode import encode
from metersdk.apdu.sml_types import CloseResponse, GetListResponse, OpenResponse
from metersdk.dialog.opening import Plan, open_session
from metersdk.dialog.pushers import Pusher, PushLine
from metersdk.dialog.timing import Timing
from metersdk.effects import Dialog, Send, SetLine, Sleep
from metersdk.errors import MeterError
from metersdk.frame.buffer import ReceiveBuffer
from metersdk.frame.recognise import recognise
from metersdk.frame.sml import SmlFrame, SmlScanner, encode_frame, frames
from metersdk.frame.table import scan
from metersdk.frame.telegram import TelegramScanner, TextTelegram, crc16_arc, telegrams
from metersdk.model.quirks import Quirks
from metersdk.model.telegram import from_sml
from metersdk.model.text import readings_of
from metersdk.port.drive import run
from metersdk.port.line import LineModel
from metersdk.port.virtual import VirtualPort
from metersdk.simulator.image import Image
from metersdk.simulator.pusher import p1_telegram, sml_file

_SML = ("1b1b1b1b", "1b1b1b1b01010101", "1b1b1b1b1a00", "1b1b1b1b02020202", "76", "7707", "726201", "01", "00")
_MORE = ("ff8f0f", "63000000", "8202", "59", "5580000000")
_WORDS = tuple(map(bytes.fromhex, (*_SML, *_MORE)))
_LINES = (b"/MSK5X\r\n\r\n", b"!", b"!1234\r\n", b"\r\n", b"1-0:1.8.0(1*kWh)\r\n", b"(", b"\0", b"\xaf")
# Virtual seconds that a session may listen.
_PATIENCE = 15.0


def sml_frames(data: bytes) -> None:
    """A stream gives the same good files however it is cut, and the scan of a capture finds them, too."""
    whole, cut = _taken([data]), _taken(pieces(data))
    good = [frame for frame in whole if frame.ok]
    assert good == [frame for frame in cut if frame.ok]
    found = [frame.raw for frame in frames(data) if frame.ok]
    assert [frame.raw for frame in good if frame.raw in found] == [frame.raw for frame in good]
    assert scan(data, "sml").good == len(found)
    for frame in good:
        # A foreign sender may fill and escape otherwise: what we make of it reads as the same.
        (again,) = _taken([encode_frame(frame.payload)])
        assert again.ok and again.payload == frame.payload


def _taken(parts: Sequence[bytes] | object) -> list[SmlFrame]:
    buffer = ReceiveBuffer()
    scanner = SmlScanner(buffer)
    found = []
    for part in parts:  # type: ignore[attr-defined]
        buffer.feed(part)
        while (frame := scanner.take()) is not None:
            found.append(frame)
    while (frame := scanner.take(final=True)) is not None:
        found.append(frame)
    return found


def mend_frame(data: bytes) -> bytes:
    """The CRC of a file right again."""
    end = data.rfind(b"\x1b\x1b\x1b\x1b\x1a")
    body = data[: end + 6]
    return body + fast.crc16(body).to_bytes(2, "little") if end >= 0 and len(body) == end + 6 else data


def sml_messages(data: bytes) -> None:
    for checksum in ("none", "auto"):
        with suppress(*REMOTE):
            file = sml.decode(data, checksum=checksum)  # type: ignore[arg-type]
            assert file.messages
            for message in file.messages:
                body = message.body
                if isinstance(body, OpenResponse | CloseResponse | GetListResponse):
                    _again(body)
            with suppress(*REMOTE):
                str(from_sml(file, Quirks(sml_unsigned="always")))


def _again(body: OpenResponse | CloseResponse | GetListResponse) -> None:
    """What we would send of it reads the same, where it can be sent."""
    with suppress(MeterError):
        raw = encode(body, b"\1")
        (message,) = sml.decode(raw).messages
        assert type(message.body) is type(body)


def mend_messages(data: bytes) -> bytes:
    """The CRC of the first message right again: its place is found by decoding without a look at it."""
    for at in range(len(data) - 3, max(0, len(data) - 12), -1):
        if data[at] == 0x63:
            return data[: at + 1] + fast.crc16(data[:at]).to_bytes(2, "little") + data[at + 3 :]
    return data


def text(data: bytes) -> None:
    """Telegrams are the same however the stream is cut; what is proved has a right CRC."""
    assert _texts([data]) == _texts(pieces(data))
    for found in telegrams(data):
        if found.proved:
            stop = found.raw.rindex(b"!") + 1
            assert crc16_arc(found.raw[:stop]) == found.crc
        found.is_p1  # noqa: B018
    recognise(data)
    for found in telegrams(data):
        readings_of(parse(found.body)[0])


def _texts(parts: Sequence[bytes] | object) -> list[TextTelegram]:
    buffer = ReceiveBuffer()
    scanner = TelegramScanner(buffer)
    found = []
    for part in parts:  # type: ignore[attr-defined]
        buffer.feed(part)
        while (one := scanner.take()) is not None:
            found.append(one)
    return found


def mend_text(data: bytes) -> bytes:
    start, end = data.rfind(b"/"), data.rfind(b"!")
    if 0 <= start < end:
        return data[: end + 1] + f"{crc16_arc(data[start : end + 1]):04X}\r\n".encode("ascii")
    return data


def session(data: bytes) -> None:
    """A line on which these octets are pushed, again and again: it is read or given up, in bounded time and memory."""
    size = max(32, len(data) // 8)
    parts = [data[at : at + size] for at in range(0, len(data), size)]
    port = VirtualPort(_pushing(parts), LineModel(baud=300))
    way = sum(data) % 4
    if way == 0:
        buffer = ReceiveBuffer(1 << 12)
        with suppress(MeterError):
            run(Pusher(PushLine((9600,)), buffer).next(_PATIENCE), port)
        assert len(buffer) <= buffer.limit
        return
    with suppress(MeterError):
        opened = run(open_session(_plan("auto" if way == 1 else "push")), port)
        run(opened.limited(opened.registers()), port)
        for _ in range(2):
            run(opened.limited(opened.telegrams(1)), port)
    assert port.now() < 5 * _PATIENCE, port.now()


def _pushing(parts: Sequence[bytes]) -> Dialog[None]:
    yield SetLine(9600)
    while True:
        for part in parts:
            yield Sleep(0.3)
            yield Send(part)
        yield Sleep(0.3)


def _plan(protocol: str) -> Plan:
    return Plan.of(
        {"protocol": protocol},
        medium="line",
        framing=None,
        baud=None,
        hardware_parity=False,
        password=None,
        keys=None,
        quirks=Quirks(),
        timing=Timing(response=2.0, total=_PATIENCE),
    )


@cache
def files() -> tuple[bytes, ...]:
    device = Image.load("residential").device()
    return (*captures("sml_negative"), sml_file(device, 1), sml_file(device, 2) + b"\0\x1b\x1b" + sml_file(device, 3))


@cache
def payloads() -> tuple[bytes, ...]:
    return tuple(frame.payload for file in files() for frame in frames(file))


@cache
def texts() -> tuple[bytes, ...]:
    return (*captures("p1_ascii"), p1_telegram(Image.load("residential").device()))


@cache
def streams() -> tuple[bytes, ...]:
    return (*files(), *texts(), *captures("hdlc_push", "c1218"))


TARGETS = (
    Target("sml-frame", sml_frames, files, REMOTE, _WORDS, mend_frame),
    Target("sml", sml_messages, payloads, REMOTE, _WORDS, mend_messages),
    Target("p1", text, texts, REMOTE, _LINES, mend_text),
    Target("pusher", session, streams, (), (*_WORDS, *_LINES, b"\x7e\xa0", b"\xee")),
)
