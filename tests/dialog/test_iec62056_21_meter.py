"""The meter's side by itself: what a reader may do to it, and random peers on either side."""

from __future__ import annotations

import random

import pytest

from metersdk.dialog.iec62056_21 import SignOn, sign_on
from metersdk.dialog.iec62056_21_hand_over import hand_over
from metersdk.dialog.iec62056_21_meter import HandOver, MeterFaults, OpticalMeter, serve
from metersdk.dialog.iec62056_21_readout import Readout, readout
from metersdk.effects import Dialog, Receive, Send, SetLine, Sleep, State
from metersdk.errors import MeterError
from metersdk.frame.iec62056_21 import SIGN_OFF, block, from_line, to_line
from metersdk.port.drive import run
from metersdk.port.line import LineModel
from metersdk.port.virtual import VirtualPort

DATA = b"F.F(00000000)\r\n1.8.0(001846.0*kWh)\r\n"
MESSAGE = block(DATA + b"!\r\n")
LINE = LineModel(baud=300)


def data() -> bytes:
    return DATA


def talk(*steps: bytes | float | int) -> Dialog[list[bytes]]:
    """Send octets as 7E1, sleep for floats, change speed for ints; what came after each message."""
    answers = []
    for step in steps:
        if isinstance(step, bytes):
            yield Send(to_line(step))
            text = b""
            while octets := (yield Receive(1.4)):
                text += octets
            answers.append(from_line(text)[0])
        elif isinstance(step, int):
            yield SetLine(step)
        else:
            yield Sleep(step)
    return answers


def answers(meter: OpticalMeter, *steps: bytes | float | int) -> list[bytes]:
    return run(talk(*steps), VirtualPort(serve(meter), LINE))


def test_it_repeats_for_nak_and_returns_for_sign_off() -> None:
    meter = OpticalMeter(b"/ABC0METER", data)
    assert answers(meter, b"/?!\r\n", b"\x06000\r\n", b"\x15", b"\x15", SIGN_OFF, b"/?!\r\n") == [
        b"/ABC0METER\r\n",
        *[MESSAGE] * 3,
        b"",
        b"/ABC0METER\r\n",
    ]


def test_a_new_request_is_heard_after_the_data() -> None:
    meter = OpticalMeter(b"/ABC0METER", data)
    assert answers(meter, b"/?!\r\n", b"\x06000\r\n", b"/?!\r\n")[2] == b"/ABC0METER\r\n"


def test_it_does_not_repeat_for_ever() -> None:
    got = answers(OpticalMeter(b"/ABC0METER", data), b"/?!\r\n", b"\x06000\r\n", *[b"\x15"] * 12)
    assert got.count(MESSAGE) == 10


@pytest.mark.parametrize("select", [b"\x06040\r\n", b"\x06252\r\n", b"\x06056\r\n", b"\x060\x000\r\n"])
def test_it_stays_at_300_for_what_it_does_not_know(select: bytes) -> None:
    assert answers(OpticalMeter(b"/ABC5METER", data), b"/?!\r\n", select)[1] == MESSAGE


def test_it_goes_on_without_acknowledgement() -> None:
    meter = OpticalMeter(b"/ABC5METER", data, reply_time=1.6)
    port = VirtualPort(serve(meter), LINE)
    run(talk(b"/?!\r\n"), port)
    run(talk(2.5), port)
    sent = [e for e in port.log if e.side == "server" and e.kind == "send"]
    assert sent[1].start - sent[0].end == pytest.approx(1.6)
    assert from_line(sent[1].data)[0] == MESSAGE


def test_partial_blocks_wait_for_their_acknowledgement() -> None:
    meter = OpticalMeter(b"/ABC0METER", data, block_size=20)
    text = DATA + b"!\r\n"
    first, second, third = (block(text[at : at + 20], partial=at < 20) for at in (0, 20, 40))
    got = answers(meter, b"/?!\r\n", b"\x06000\r\n", b"\x15", b"\x06")
    assert len(text) == 39 and third == block(b"")
    assert got[1:] == [first, first, second]


def test_sessions_are_counted() -> None:
    port = VirtualPort(serve(OpticalMeter(b"/ABC0METER", data), sessions=2), LINE)

    def read() -> Dialog[Readout]:
        return (yield from readout((yield from sign_on(SignOn()))))

    for _ in range(2):
        assert run(read(), port).proved
    with pytest.raises(MeterError):
        run(read(), port)
    assert [e.name for e in port.server_events if isinstance(e, State)].count("requested") == 2


def test_faults_are_made_so_often_and_no_more() -> None:
    meter = OpticalMeter(b"/ABC0METER", data, faults=MeterFaults(bad_bcc=1, good_blocks=1))
    got = answers(meter, b"/?!\r\n", b"\x06000\r\n", b"\x15", b"\x15")
    assert [answer == MESSAGE for answer in got[1:]] == [True, False, True]


ALPHABET = [
    b"/?!\r\n",
    b"/ABC5METER\r\n",
    b"\x06050\r\n",
    b"\x06252\r\n",
    SIGN_OFF,
    MESSAGE,
    b"\x15",
    b"\x06",
    b"\x02",
    b"\x03",
    b"\x04",
]


def scrap(chance: random.Random) -> bytes:
    parts = []
    for _ in range(chance.randrange(1, 5)):
        piece = chance.choice(ALPHABET)
        if chance.random() < 0.3:
            piece = piece[: chance.randrange(len(piece) + 1)]
        if chance.random() < 0.2:
            piece = chance.randbytes(chance.randrange(1, 30))
        parts.append(piece)
    return to_line(b"".join(parts)) if chance.random() < 0.8 else b"".join(parts)


@pytest.mark.parametrize("seed", range(60))
def test_random_meters(seed: int) -> None:
    chance = random.Random(seed)

    def meter() -> Dialog[None]:
        while True:
            yield Receive(chance.choice((0.1, 1.0, 3.0)))
            yield Send(scrap(chance))
            yield SetLine(chance.choice((300, 300, 9600)))

    port = VirtualPort(meter(), LINE if seed % 2 else LineModel())

    def read() -> Dialog[object]:
        signed = yield from sign_on(SignOn(total=30))
        if signed.mode == "E":
            yield from hand_over(signed)
            return None
        return (yield from readout(signed, total=30))

    try:
        run(read(), port)
    except MeterError as error:
        assert error.layer
    assert port.now() < 120


@pytest.mark.parametrize("seed", range(30))
def test_random_readers(seed: int) -> None:
    chance = random.Random(seed)
    meter = OpticalMeter(rb"/ABC5\2METER" if seed % 3 else b"/ABC5METER", data, asleep=seed % 7 == 0, block_size=10)
    port = VirtualPort(serve(meter), LINE)
    for _ in range(40):
        port.send(scrap(chance))
        port.receive(chance.choice((0.01, 0.5, 2.5)))
        port.set_line(chance.choice((300, 9600)))
        if port.server_result is not None:
            assert port.server_result == HandOver(9600)
            return
    port.set_line(300)
    port.sleep(200.0)
    assert port.server_error is None


def test_the_ladder_same_speed_another_moment_then_300() -> None:
    """A meter whose data are unreadable at the speed it offers: never another speed than that or 300 is asked for."""
    selects: list[bytes] = []

    def meter() -> Dialog[None]:
        text = b""
        while True:
            yield SetLine(300)
            text = from_line((yield Receive(3600)))[0] if not text else text + from_line((yield Receive(3600)))[0]
            if text.endswith(b"!\r\n"):
                yield Sleep(0.2)
                yield Send(to_line(b"/ABC5METER\r\n"))
            elif text.endswith(b"\r\n"):
                selects.append(text[-6:])
                yield Sleep(0.2)
                if selects[-1] == b"\x06000\r\n":
                    yield Send(to_line(MESSAGE))
                else:
                    yield SetLine(19200)
                    yield Send(to_line(MESSAGE))

    port = VirtualPort(meter(), LINE)
    signed = run(sign_on(SignOn()), port)
    assert selects == [b"\x06050\r\n", b"\x06050\r\n", b"\x06000\r\n"]
    assert (signed.baud, signed.fell_back) == (300, False)
    assert [f.code for f in signed.findings] == ["no-data-at-speed"] * 2
    assert run(readout(signed), port).proved
    moments = []
    for select in (e for e in port.log if e.side == "client" and e.data == to_line(b"\x06050\r\n")):
        switch = next(e for e in port.log if e.kind == "speed" and e.side == "client" and e.start >= select.end)
        moments.append(round(switch.start - select.end, 3))
    assert moments == [0.06, 0.15]
