"""Faults and places to listen at, as they are written on a command line."""

from __future__ import annotations

import pytest

from metersdk.errors import LocalProtocolError
from metersdk.port.line import LineModel
from metersdk.simulator.c1219_faults import C1218Faults
from metersdk.simulator.faults import FAULT_HELP, Faults, parse_faults
from metersdk.simulator.image import Image
from metersdk.simulator.listening import parse_listening


def test_all_faults() -> None:
    faults = parse_faults(
        [
            *("echo=full", "noise=5", "flip=0.001", "lose=0.002", "drop-answer=1,4", "drop-request=3", "late=2:0.5"),
            *("latency=0.016", "delay=0.3", "piece=1", "close-after=1000", "seed=7"),
            *("lost-ack=1", "bad-bcc=2", "wrong-baud=1200", "sleep", "silent", "busy"),
            *("bad-crc=0.05", "repeat=0.1", "stuck-toggle", "busy-answers=3", "not-ready=2"),
            *("lying-count=1", "lying-tables", "endless=2"),
        ]
    )
    assert faults == Faults(
        line=LineModel(
            echo="full",
            noise=5.0,
            flip=0.001,
            lose=0.002,
            # Counted from 1 by people, from 0 by the model.
            drop_answers=frozenset({0, 3}),
            drop_requests=frozenset({2}),
            late={1: 0.5},
            latency=0.016,
            delay=0.3,
            piece=1,
            close_after=1000,
            seed=7,
        ),
        lost_ack=1,
        bad_bcc=2,
        wrong_baud=1200,
        sleep=True,
        silent=True,
        busy=True,
        c1218=C1218Faults(
            bad_crc=0.05,
            lost_ack=1,
            repeat=0.1,
            stuck_toggle=1,
            busy=3,
            not_ready=2,
            lying_count=1,
            lying_tables=1,
            endless=2,
            seed=7,
        ),
    )


def test_no_faults() -> None:
    assert parse_faults([]) == Faults()
    assert not Faults().on_the_way
    assert not parse_faults(["seed=3", "busy"]).on_the_way
    assert parse_faults(["late=0.5"]).on_the_way


def test_faults_without_a_value_take_the_usual_one() -> None:
    faults = parse_faults(["echo", "lost-ack", "bad-bcc", "wrong-baud"])
    assert (faults.line.echo, faults.lost_ack, faults.bad_bcc) == ("full", 1, 1)
    assert faults.tuned(9600) == 4800
    assert faults.tuned(300) == 300
    assert parse_faults(["wrong-baud=1200"]).tuned(9600) == 1200


@pytest.mark.parametrize(
    "text",
    [
        *("nois=5", "noise", "noise=much", "noise=-1", "noise=nan", "noise=inf", "flip=2", "drop-answer=0"),
        *("drop-answer=", "late=1:", "late=x:1", "piece=0", "close-after=-1", "echo=loud", "sleep=2", "bad-bcc=1e3"),
        *("", "=", "seed=99999999999"),
    ],
)
def test_what_is_no_fault_is_said_with_a_hint(text: str) -> None:
    with pytest.raises(LocalProtocolError) as caught:
        parse_faults([text])
    assert caught.value.hint


def test_a_fault_given_twice() -> None:
    with pytest.raises(LocalProtocolError, match="noise is given twice"):
        parse_faults(["noise=1", "noise=2"])


def test_every_fault_has_its_help() -> None:
    for name in FAULT_HELP:
        with pytest.raises(LocalProtocolError) as caught:
            parse_faults([f"{name}=?"])
        assert name in caught.value.hint


@pytest.mark.parametrize(
    ("text", "kind", "host", "port", "speech"),
    [
        ("pty", "pty", "", 0, "optical"),
        ("pty?speech=hdlc&baud=2400", "pty", "", 0, "hdlc"),
        ("tcp://127.0.0.1:0", "tcp", "127.0.0.1", 0, "wrapper"),
        ("tcp://127.0.0.1:4061?framing=hdlc", "tcp", "127.0.0.1", 4061, "hdlc"),
        ("tcp://127.0.0.1", "tcp", "127.0.0.1", 4059, "wrapper"),
        ("tcp://[::1]:0", "tcp", "::1", 0, "wrapper"),
        ("udp://127.0.0.1:0", "udp", "127.0.0.1", 0, "datagram"),
        ("rfc2217://127.0.0.1:0", "rfc2217", "127.0.0.1", 0, "optical"),
        ("dial://127.0.0.1:4059?framing=hdlc", "dial", "127.0.0.1", 4059, "hdlc"),
        ("tcp://127.0.0.1:10", "tcp", "127.0.0.1", 10, "wrapper"),
    ],
)
def test_places(text: str, kind: str, host: str, port: int, speech: str) -> None:
    place = parse_listening(text)
    assert (place.kind, place.host, place.port) == (kind, host, port)
    assert place.settings(Image.load("residential").device()).speech == speech


@pytest.mark.parametrize(
    ("text", "speech", "target"),
    [
        ("pty", "c1218", "/dev/x?protocol=c1218"),
        ("pty?baud=19200", "c1218", "/dev/x?protocol=c1218&baud=19200"),
        ("rfc2217://127.0.0.1:0", "c1218", "rfc2217://127.0.0.1:7?protocol=c1218"),
        ("tcp://127.0.0.1:0", "c1222", "tcp://127.0.0.1:7?protocol=c1222"),
        ("tcp://127.0.0.1:0?speech=c1218", "c1218", "tcp://127.0.0.1:7?protocol=c1218"),
        ("udp://127.0.0.1:0", "c1222", "udp://127.0.0.1:7?protocol=c1222"),
        ("dial://127.0.0.1:4059", "c1222", "listen://127.0.0.1:7?protocol=c1222"),
        ("tcp://127.0.0.1:0?framing=hdlc", "hdlc", "tcp://127.0.0.1:7?framing=hdlc"),
    ],
)
def test_places_of_an_ansi_meter(text: str, speech: str, target: str) -> None:
    place = parse_listening(text)
    settings = place.settings(Image.load("ansi").device())
    assert settings.speech == speech
    assert settings.datagram is text.startswith("udp")
    assert place.target(settings, "/dev/x", 7) == target


def test_a_meter_that_has_no_ansi_tables() -> None:
    with pytest.raises(LocalProtocolError, match="no tables of ANSI"):
        parse_listening("pty?speech=c1218").settings(Image.load("bench").device())


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "serial",
            "/dev/ttyUSB0",
            "sim://x",
            "tcp://:0",
            "tcp://host:x",
            "rfc2217://127.0.0.1",
            "listen://:1",
            "dial://h:0",
        ),
        *("pty?speech=wrapper", "udp://127.0.0.1:0?framing=hdlc", "pty?mode=F", "pty?baud=0", "pty?sleep=maybe"),
        *("pty?colour=red", "pty?reaction=soon", "pty?reaction=-1", "pty?window=9", "pty?max_info=1"),
    ],
)
def test_no_place_to_listen_at(text: str) -> None:
    with pytest.raises(LocalProtocolError):
        parse_listening(text)


@pytest.mark.parametrize(
    ("query", "identification"),
    [
        ("", rb"/MSK5\2METERSDK-R1"),
        ("?mode=A", b"/MSKZMETERSDK-R1"),
        ("?mode=B", b"/MSKEMETERSDK-R1"),
        ("?mode=B&baud=600", b"/MSKAMETERSDK-R1"),
        ("?mode=C", b"/MSK5METERSDK-R1"),
        ("?mode=C&baud=19200", b"/MSK6METERSDK-R1"),
        ("?mode=D", b"/MSK3METERSDK-R1"),
        ("?mode=E&baud=300", rb"/MSK0\2METERSDK-R1"),
        ("?baud=2400", rb"/MSK3\2METERSDK-R1"),
        ("?identification=ABc5WATER", b"/ABc5WATER"),
        ("?identification=ABc5WATER&mode=A", b"/ABcZWATER"),
    ],
)
def test_identification_follows_the_mode(query: str, identification: bytes) -> None:
    settings = parse_listening(f"pty{query}").settings(Image.load("residential").device())
    assert settings.optical is not None
    assert settings.optical.identification == identification
    assert settings.optical.pusher == ("mode=D" in query)


@pytest.mark.parametrize("query", ["?mode=C&baud=1234", "?identification=A", "?mode=B&baud=38400"])
def test_no_such_identification(query: str) -> None:
    with pytest.raises(LocalProtocolError):
        parse_listening(f"pty{query}").settings(Image.load("residential").device())


def test_optical_port_of_the_image_and_what_the_place_replaces() -> None:
    image = Image.load("residential")
    image = image.model_copy(update={"optical": image.optical.model_copy(update={"address": "42", "block_size": 64})})
    settings = parse_listening("pty?block_size=128&sleep=1&echo_ack=after&inactivity=70").settings(image.device())
    meter = settings.optical
    assert meter is not None
    assert (meter.address, meter.block_size, meter.asleep) == ("42", 128, True)
    assert (meter.echo_acknowledgement, meter.inactivity, settings.inactivity) == ("after", 70.0, 70.0)


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        ("lamp", "lamp", 100.0),
        ("lamp=120", "lamp", 120.0),
        ("lamp-share=0.2", "lamp_share", 0.2),
        ("dazzled=0-2,5-9.5", "dazzled", ((0.0, 2.0), (5.0, 9.5))),
        ("bit-flip=0.001", "bit_flip", 0.001),
        ("fade=2000", "fade", 2000),
        ("steal=0.2", "steal", 0.2),
        ("clock=-0.03", "clock_error", -0.03),
        ("format=7O1", "form", "7O1"),
        ("echo=changed", "echo", "changed"),
        ("sending-latency=0.016", "sending_latency", 0.016),
    ],
)
def test_what_lies_in_the_sun(text: str, field: str, value: object) -> None:
    faults = parse_faults([text])
    assert getattr(faults.line, field) == value
    assert faults.on_the_way


@pytest.mark.parametrize("text", ["lamp=-1", "dazzled=3", "steal=2", "clock=5", "format=9X9", "fade=0"])
def test_values_that_make_no_sense(text: str) -> None:
    with pytest.raises(LocalProtocolError):
        parse_faults([text])
