"""Overhearing a line: every burst, what it looks like, at which speed; and nothing is ever sent."""

from __future__ import annotations

import random

import pytest
from push_rig import C1218, MODE_D, P1, every, notification, sml

from metersdk.apdu import axdr
from metersdk.dialog.overhearing import WATCHED_BAUDS, Burst, overhear
from metersdk.dialog.traffic import LOOKED_AT, Traffic, agreed_speed, look_at
from metersdk.effects import Dialog, Receive, Send, SetLine, Sleep
from metersdk.frame.iec62056_21 import block, to_line
from metersdk.port.drive import iterate
from metersdk.port.line import LineModel
from metersdk.port.virtual import VirtualPort

HDLC = notification(axdr.u8(1))
SESSION = block(b"1.8.0(000123.456*kWh)\r\n" * 10 + b"!\r\n")

LOOKS = {
    "a request": (to_line(b"/?00123!\r\n"), Traffic.SIGN_ON, "device 00123"),
    "a call of everybody, in noise": (b"\xff\0" + to_line(b"/?!\r\n"), Traffic.SIGN_ON, "sign-on"),
    "a whole sign-on": (to_line(b"/?!\r\n/ABC5METER\r\n\x06050\r\n"), Traffic.SIGN_ON, "sign-on"),
    "an identification": (to_line(b"/ABC5METER\r\n"), Traffic.SESSION, "ABC"),
    "an acknowledgement": (to_line(b"\x06050\r\n"), Traffic.SESSION, "acknowledges"),
    "a command": (to_line(b"\x01P1\x02(12345678)\x03\x61"), Traffic.SESSION, "messages"),
    "a data block": (to_line(SESSION), Traffic.SESSION, "messages"),
    "mode D": (MODE_D, Traffic.TELEGRAM, "telegram"),
    "P1": (P1, Traffic.TELEGRAM, "telegram"),
    "P1, joined amid": (P1[20:], Traffic.TELEGRAM, "telegram"),
    "SML": (sml(), Traffic.SML, "SML"),
    "HDLC": (HDLC, Traffic.HDLC, "HDLC"),
    "C12.18": (C1218, Traffic.C1218, "C12.18"),
    "a slower sender": (b"\0\x80" * 40, Traffic.OTHER_SPEED, "slower"),
    "text": (b"hello world, this is no meter\r\n", Traffic.TEXT, "8N1"),
    "an octet": (b"\xff", Traffic.NOISE, "noise"),
    "noise": (random.Random(1).randbytes(200), Traffic.NOISE, "noise"),
    "nothing": (b"", Traffic.NOISE, "noise"),
}


@pytest.mark.parametrize("case", LOOKS)
def test_what_traffic_looks_like(case: str) -> None:
    octets, kind, words = LOOKS[case]
    look = look_at(octets)
    assert look.kind is kind and words in look.text


def test_only_the_beginning_is_looked_at() -> None:
    assert look_at(to_line(b"/?!\r\n") + b"x" * 10 * LOOKED_AT).kind is Traffic.SIGN_ON


@pytest.mark.parametrize("seed", range(20))
def test_any_octets_look_like_something(seed: int) -> None:
    chance = random.Random(seed)
    letters = b"/?!\r\n\x01\x02\x03\x06050ABC()*.\x7e\xee\x1b" if seed % 2 else bytes(range(256))
    for _ in range(200):
        octets = bytes(chance.choices(letters, k=chance.randrange(300)))
        assert look_at(octets).text
        assert agreed_speed(octets) in (None, 300, 600, 1200, 2400, 4800, 9600, 19200)


def bursts(server: Dialog[None], **limits: float) -> tuple[list[Burst], VirtualPort]:
    port = VirtualPort(server, LineModel(baud=300))
    with iterate(overhear(WATCHED_BAUDS, **limits), port) as events:  # type: ignore[arg-type]
        found = [event for event in events if isinstance(event, Burst)]
    assert events.result == len(found)
    assert not [event for event in port.log if event.side == "client" and event.kind == "send"]
    return found, port


@pytest.mark.parametrize(
    ("telegram", "baud", "kind"),
    [
        (sml(), 9600, Traffic.SML),
        (sml(), 115200, Traffic.SML),
        (MODE_D, 2400, Traffic.TELEGRAM),
        (P1, 115200, Traffic.TELEGRAM),
        (HDLC, 9600, Traffic.HDLC),
        (C1218 * 3, 9600, Traffic.C1218),
        (to_line(b"/?!\r\n"), 300, Traffic.SIGN_ON),
    ],
)
def test_the_speed_is_found(telegram: bytes, baud: int, kind: Traffic) -> None:
    found, _ = bursts(every(telegram, baud, 2.0), total=120.0)
    assert found[-1].look.kind is kind and found[-1].baud == baud and found[-1].octets == len(telegram)
    # Once it is found it is kept.
    first = next(at for at, burst in enumerate(found) if burst.look.kind is kind)
    assert {burst.look.kind for burst in found[first:]} == {kind} and first < 30


def test_a_session_of_another_reader_is_followed() -> None:
    def session() -> Dialog[None]:
        for _ in range(2):
            yield Sleep(5.0)
            yield SetLine(300)
            yield Send(to_line(b"/?!\r\n"))
            yield Sleep(0.2)
            yield Send(to_line(b"/ABC5METER\r\n"))
            yield Sleep(0.2)
            yield Send(to_line(b"\x06050\r\n"))
            yield Sleep(0.3)
            yield SetLine(9600)
            yield Send(to_line(SESSION))
            yield Sleep(1.0)
        yield Receive(1000.0)

    found, _ = bursts(session(), total=60.0)
    assert [(str(burst.look.kind), burst.baud) for burst in found] == [("sign-on", 300), ("iec62056-21", 9600)] * 2
    assert found[1].octets == len(SESSION) and found[0].begun == pytest.approx(5.0, abs=0.4)


def test_a_password_of_another_reader_is_not_shown() -> None:
    password = to_line(b"\x01P1\x02(S3cret78)\x03\x61")
    found, _ = bursts(every(password, 300, 2.0), count=2)
    assert [burst.head for burst in found] == [b"", b""]
    assert "S3cret" not in repr(found)


def test_a_line_that_is_never_silent_is_told_in_pieces() -> None:
    found, port = bursts(every(bytes(range(256)) * 40, 9600, 0.0), count=3)
    assert len(found) == 3 and port.now() < 60


def test_silence() -> None:
    found, port = bursts(every(b"", 9600, 1000.0), total=500.0)
    assert found == [] and port.now() == pytest.approx(500.0)


def test_where_there_is_no_line_nothing_is_tuned() -> None:
    port = VirtualPort(every(sml(), 9600))
    with iterate(overhear((), count=1), port) as events:
        (burst,) = [event for event in events if isinstance(event, Burst)]
    assert burst.baud is None and burst.look.kind is Traffic.SML
    assert [event for event in port.log if event.side == "client"] == []
