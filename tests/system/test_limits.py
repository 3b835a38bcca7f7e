"""A time-out is a total: peers that say something for ever, and never what was asked, are left in time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from metersdk.apdu import axdr, xdlms
from metersdk.apdu.acse import Aare, ApplicationContext
from metersdk.apdu.initiate import CLIENT_CONFORMANCE, InitiateResponse
from metersdk.dialog.server_link import WrapperServerLink
from metersdk.dialog.timing import GOODBYE, Timing
from metersdk.effects import Dialog, Receive, Send, SetLine, Sleep
from metersdk.errors import LimitExceeded, MeterError, NoAnswer
from metersdk.frame.buffer import ReceiveBuffer
from metersdk.frame.hdlc import LLC_RESPONSE, Frame, FrameKind, control_octet, take_frame
from metersdk.frame.iec62056_21 import to_line
from metersdk.frame.wrapper import Wpdu
from metersdk.port.line import LineModel

MakeRig = Any
Server = Dialog[None]
RESPONSE = 4.0
# Half-way answers: SNRM is answered, or the association is open; RLRQ and DISC have 2 s each.
FAREWELL = 4.0
FRAME = 2047 * 10 / 9600

AARE = Aare(0, 1, 0, InitiateResponse(CLIENT_CONFORMANCE, 1024).encode(), ApplicationContext.LN).encode()
NOTIFICATION = xdlms.DataNotification(xdlms.LongInvoke(1), b"", axdr.encode(axdr.u32(7))).encode()


def wait() -> Dialog[bytes]:
    """For as long as it takes."""
    return (yield Receive(float("inf")))


# --- meters that never come to the point ------------------------------------------------------------------------------


def silent() -> Server:
    while True:
        yield from wait()


def dripping(octets: Callable[[], Iterator[int]]) -> Callable[[], Server]:
    """One octet a second, whatever is said."""

    def serve() -> Server:
        yield from wait()
        for octet in octets():
            yield Sleep(1.0)
            yield Send(bytes((octet,)))

    return serve


def flood(octets: bytes, pause: float = 0.0) -> Callable[[], Server]:
    """The same again and again."""

    def serve() -> Server:
        yield from wait()
        while True:
            yield Send(octets)
            yield Sleep(pause)

    return serve


def for_ever(*values: int) -> Callable[[], Iterator[int]]:
    def octets() -> Iterator[int]:
        while True:
            yield from values

    return octets


def over_wrapper(handle: Callable[[bytes], list[bytes]]) -> Callable[[], Server]:
    """Answers every APDU with as many as ``handle`` gives."""

    def serve() -> Server:
        link = WrapperServerLink(ReceiveBuffer())
        while (request := (yield from link.receive())) is not None:
            for answer in handle(request[2]):
                yield from link.send(answer)

    return serve


def in_hdlc(answer: Callable[[Frame, int], list[Frame]], after_aarq: bool = False) -> Callable[[], Server]:
    """UA, the AARE if wanted, then to each poll what ``answer`` gives for the number of the poll."""

    def serve() -> Server:
        yield SetLine(9600)
        buffer, polls = ReceiveBuffer(), 0
        while True:
            buffer.feed((yield from wait()))
            while (frame := take_frame(buffer)) is not None:
                if frame.kind is FrameKind.SNRM or frame.kind is FrameKind.DISC:
                    polls = 0
                    yield Send(reply(frame, control_octet(FrameKind.UA, poll=True)).encode())
                elif frame.final and after_aarq and not polls:
                    polls = 1
                    yield Send(information(frame, 0, LLC_RESPONSE + AARE).encode())
                elif frame.final:
                    polls += 1
                    yield Send(b"".join(each.encode() for each in answer(frame, polls - 1)))

    return serve


def reply(frame: Frame, control: int, payload: bytes = b"", segmented: bool = False) -> Frame:
    return Frame(frame.source, frame.destination, control, payload, segmented)


def information(frame: Frame, number: int, payload: bytes, segmented: bool = False) -> Frame:
    received = (frame.send_number + 1) % 8 if frame.kind is FrameKind.I else frame.receive_number and 1
    control = control_octet(FrameKind.I, poll=True, receive=received, send=number % 8)
    return reply(frame, control, payload, segmented)


def rnr(frame: Frame, number: int) -> list[Frame]:
    return [reply(frame, control_octet(FrameKind.RNR, poll=True, receive=0))]


def receive_ready(frame: Frame, number: int) -> list[Frame]:
    return [reply(frame, control_octet(FrameKind.RR, poll=True, receive=1))]


def empty_segments(frame: Frame, number: int) -> list[Frame]:
    return [information(frame, number, b"", segmented=True)]


def endless_segments(frame: Frame, number: int) -> list[Frame]:
    return [information(frame, number, (LLC_RESPONSE if not number else b"") + bytes(100), segmented=True)]


def pushes(frame: Frame, number: int) -> list[Frame]:
    ui = control_octet(FrameKind.UI, poll=False)
    return [reply(frame, ui, LLC_RESPONSE + NOTIFICATION) for _ in range(3)]


def same_again(frame: Frame, number: int) -> list[Frame]:
    return [information(frame, 0, LLC_RESPONSE + b"\xd8\x01\x01")]


def get_blocks(raw: bytes) -> Callable[[bytes], list[bytes]]:
    def handle(apdu: bytes) -> list[bytes]:
        if apdu[0] == 0x60:
            return [AARE]
        if apdu[0] == 0x62:
            return [bytes.fromhex("6303800100")]
        request = xdlms.decode(apdu)
        assert isinstance(request, xdlms.GetRequest | xdlms.GetRequestNext)
        block = request.block + 1 if isinstance(request, xdlms.GetRequestNext) else 1
        return [xdlms.GetResponseBlock(request.invoke, False, block, raw).encode()]

    return handle


def pushing(apdu: bytes) -> list[bytes]:
    return [NOTIFICATION] * 1000


OVER_STREAM: dict[str, Callable[[], Server]] = {
    "silence": silent,
    "dripping a WPDU": dripping(lambda: iter(b"\x00\x01\x00\x01\x00\x10\x40\x00" + bytes(16384))),
    "dripping zeros": dripping(for_ever(0)),
    "WPDUs of others": flood(Wpdu(5, 6, b"\xc4\x01\xc1\x00\x00").encode(), 0.1),
    "empty WPDUs": flood(Wpdu(1, 16, b"").encode(), 0.1),
    "pushes": over_wrapper(pushing),
    "garbage": flood(bytes(range(256)), 0.1),
}
OVER_LINE: dict[str, Callable[[], Server]] = {
    "silence": silent,
    "dripping flags": dripping(for_ever(0x7E)),
    "dripping zeros": dripping(for_ever(0)),
    "dripping a frame": dripping(for_ever(*bytes.fromhex("7ea7fe210373"))),
    "flags": flood(b"\x7e" * 64),
    "garbage": flood(bytes(range(256))),
    "frames of others": flood(Frame(b"\x41", b"\x03", 0x73).encode()),
    "RNR": in_hdlc(rnr),
    "RNR after the AARE": in_hdlc(rnr, after_aarq=True),
    "RR": in_hdlc(receive_ready),
    "empty segments": in_hdlc(empty_segments),
    "pushes": in_hdlc(pushes),
    "pushes after the AARE": in_hdlc(pushes, after_aarq=True),
    "the same frame again": in_hdlc(same_again, after_aarq=True),
    "dumb after UA": in_hdlc(lambda frame, number: []),
}
AT_300 = {
    "silence": silent,
    "zeros": flood(bytes(30)),
    "ones": flood(b"\xff" * 30),
    "slashes": flood(to_line(b"/")),
    "identifications": flood(to_line(b"/MSK5SMALL\r\n")),
    "identifications without end": flood(to_line(b"/MSK5SMALL")),
    "garbage": flood(bytes(range(256))),
    "dripping zeros": dripping(for_ever(0)),
    "dripping slashes": dripping(for_ever(*to_line(b"/MSK"))),
    "data without end": flood(to_line(b"1.8.0(0001*kWh)\r\n")),
    "STX without end": flood(to_line(b"\x02" + b"1.8.0(0001*kWh)\r\n" * 3)),
}


def read(it: Any, server: Callable[[], Server]) -> tuple[MeterError, list[float]]:
    """What comes of opening and reading, and the seconds each call took."""
    port = it.but(server=lambda dialog: server()).port()
    calls: list[float] = []

    def timed(call: Callable[[], Any]) -> Any:
        start = port.now()
        try:
            return call()
        finally:
            calls.append(port.now() - start)

    with pytest.raises(MeterError) as caught:
        meter = timed(lambda: it.connect(port))
        try:
            timed(lambda: meter.get(1, "0.0.42.0.0.255", 2))
        finally:
            timed(meter.close)
    return caught.value, calls


@pytest.mark.parametrize("name", OVER_STREAM)
def test_over_a_stream(rig: MakeRig, name: str) -> None:
    it = rig(speech="wrapper", model=LineModel(delay=0.01), timing=Timing(response=RESPONSE))
    error, calls = read(it, OVER_STREAM[name])
    assert max(calls) <= RESPONSE + FAREWELL, (name, error)


@pytest.mark.parametrize("name", OVER_LINE)
def test_over_hdlc(rig: MakeRig, name: str) -> None:
    it = rig(model=LineModel(baud=9600), timing=Timing(response=RESPONSE))
    error, calls = read(it, OVER_LINE[name])
    # Link and association are two answers.
    assert max(calls) <= 2 * (RESPONSE + FRAME) + FAREWELL, (name, error)


@pytest.mark.parametrize("total", [3.0, 10.0])
@pytest.mark.parametrize("name", OVER_LINE)
def test_over_hdlc_in_all(rig: MakeRig, name: str, total: float) -> None:
    it = rig(model=LineModel(baud=9600), timing=Timing(response=60.0, total=total))
    _, calls = read(it, OVER_LINE[name])
    assert max(calls) <= total + GOODBYE + FAREWELL


@pytest.mark.parametrize("name", AT_300)
@pytest.mark.parametrize("protocol", ["auto", "iec62056-21"])
def test_at_the_sign_on(rig: MakeRig, name: str, protocol: str) -> None:
    line = LineModel(baud=300)
    for total in (15.0, 60.0):
        it = rig(speech="optical", protocol=protocol, model=line, timing=Timing(response=RESPONSE, total=total))
        port = it.but(server=lambda dialog: AT_300[name]()).port()
        start = port.now()
        with pytest.raises(MeterError):
            # Where data come without end, it is the reading of them that must end.
            it.connect(port).readout()
        assert port.now() - start <= 2 * (total + GOODBYE) + FAREWELL, name


@pytest.mark.parametrize("name", AT_300)
def test_at_the_sign_on_without_a_limit(rig: MakeRig, name: str) -> None:
    """The sign-on has a total of its own, 60 s, and a readout 900 s."""
    it = rig(speech="optical", protocol="iec62056-21", model=LineModel(baud=300), timing=Timing(response=RESPONSE))
    port = it.but(server=lambda dialog: AT_300[name]()).port()
    with pytest.raises(MeterError):
        it.connect(port).readout()
    assert port.now() <= 60 + 900 + 30, name


@pytest.mark.parametrize("speech", ["wrapper"])
def test_blocks_without_octets(rig: MakeRig, speech: str) -> None:
    it = rig(speech=speech, timing=Timing(response=RESPONSE))
    error, calls = read(it, over_wrapper(get_blocks(b"")))
    assert isinstance(error, LimitExceeded) and max(calls) <= RESPONSE + FAREWELL


def test_blocks_without_end(rig: MakeRig) -> None:
    """As long as octets come there is progress: what ends it is the bound on the octets, or the total time."""
    it = rig(speech="wrapper", model=LineModel(delay=0.05), timing=Timing(response=RESPONSE, total=20.0))
    error, calls = read(it, over_wrapper(get_blocks(bytes(1000))))
    assert isinstance(error, NoAnswer) and max(calls) <= 20.0 + GOODBYE + FAREWELL


def test_segments_without_end(rig: MakeRig) -> None:
    it = rig(model=LineModel(), timing=Timing(response=RESPONSE))
    error, _ = read(it, in_hdlc(endless_segments, after_aarq=False))
    assert isinstance(error, LimitExceeded)


def test_what_is_said_of_a_busy_meter(rig: MakeRig) -> None:
    error, _ = read(rig(model=LineModel(baud=9600), timing=Timing(response=RESPONSE)), OVER_LINE["RNR"])
    assert isinstance(error, NoAnswer) and "busy" in error.message
