"""An ANSI meter over a network: what a caller writes, and the same session as over an optical port."""

from __future__ import annotations

import asyncio
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

import metersdk
from metersdk.apdu.c1222 import SecurityMode
from metersdk.apdu.cipher import Keys, Security
from metersdk.dialog.c1222_opening import c1222_settings
from metersdk.dialog.timing import Timing
from metersdk.errors import AuthenticationFailed, LocalProtocolError, SecurityError
from metersdk.meter import plan_for
from metersdk.model.quirks import Quirks
from metersdk.port.address import parse_address
from metersdk.port.counters import UtcVectors
from metersdk.port.trace import read_trace
from metersdk.simulator.image import Image
from metersdk.simulator.server import Simulator

KEY = "000102030405060708090a0b0c0d0e0f"
PASSWORD = "12345678"
# The image as a node that takes ciphered requests only.
NODE = f"""
[c1219.node]
title = ".123.8437"
security = "ciphered"

[[c1219.key]]
id = 2
key = "{KEY}"
"""
TITLES = "called=.123.8437&calling=.123.4&key_id=2"


def settings(told: dict[str, object], **more: Any) -> Any:
    fields = {"keys": None, "security": Security.NONE, "datagram": False, "timing": Timing(), **more}
    return c1222_settings(told, **fields)


def plan(target: str, **more: Any) -> Any:
    names = ("password", "authentication", "keys", "security", "vendor", "timing")
    fields: dict[str, Any] = dict.fromkeys(names)
    return plan_for(parse_address(target), client=16, server=1, **{"protocol": "c1222", **fields, **more})


def test_what_a_caller_writes() -> None:
    keys = Keys(KEY, invocation_counter=7)
    made = settings(
        {"called": ".123.8437", "calling": "1.3.6.1", "key_id": "2", "max_message": "900"},
        keys=keys,
        security=Security.AUTHENTICATED,
        timing=Timing(response=3.0, latency=1.0),
    )
    assert (str(made.called), str(made.calling), made.key_id, made.limit) == (".123.8437", "1.3.6.1", 2, 900)
    assert (made.security, made.response, made.vectors) == (SecurityMode.AUTHENTICATED, 4.0, keys.counter)
    assert settings({}, keys=keys).security is SecurityMode.CLEAR and settings({}).limit == 8192
    assert settings({}, datagram=True).limit == 1232


@pytest.mark.parametrize(
    ("told", "more"),
    [
        ({"called": "x"}, {}),
        ({"key_id": "x"}, {}),
        ({"key_id": 256}, {}),
        ({"max_message": "9" * 40}, {}),
        ({}, {"security": Security.AUTHENTICATED}),
        ({}, {"security": Security.ENCRYPTED, "keys": Keys(KEY + KEY, suite=2, invocation_counter=1)}),
    ],
)
def test_what_makes_no_sense(told: dict[str, object], more: dict[str, Any]) -> None:
    with pytest.raises(LocalProtocolError):
        settings(told, **more)


def test_the_plan() -> None:
    assert plan("tcp://192.0.2.1?protocol=c1222").protocol == "c1222"
    assert parse_address("tcp://192.0.2.1?protocol=c1222").port == parse_address("udp://h?protocol=c1222").port == 1153
    assert parse_address("tcp://192.0.2.1").port == 4059
    with_keys = plan("tcp://192.0.2.1:1153", keys=Keys(KEY))
    assert with_keys.c1222.security is SecurityMode.CIPHERED and isinstance(with_keys.c1222.vectors, UtcVectors)
    assert plan("udp://192.0.2.1:1153", keys=Keys(KEY), security="authenticated").c1222.datagram
    assert plan("tcp://192.0.2.1", keys=Keys(KEY, invocation_counter=5)).c1222.vectors.next() == 5
    assert plan("tcp://192.0.2.1", keys=Keys(KEY), protocol="dlms").c1222.key is None


@pytest.mark.parametrize(
    ("target", "protocol", "more"),
    [
        ("tcp://192.0.2.1:1153", "c1222", {}),
        ("udp://192.0.2.1:1153?called=.1.2", "c1222", {}),
        ("listen://:1153", "c1222", {}),
        ("tcp://192.0.2.1:1153?protocol=auto", "c1222", {}),
        ("tcp://192.0.2.1:4059", "auto", {}),
        ("tcp://192.0.2.1", "auto", {}),
        ("rfc2217://192.0.2.1:1153", "auto", {}),
        ("socket://192.0.2.1:1153", "auto", {}),
        ("tcp://192.0.2.1:1153?framing=wrapper", "auto", {}),
        ("tcp://192.0.2.1:1153?protocol=dlms", "dlms", {}),
        ("tcp://192.0.2.1:1153", "dlms", {"protocol": "dlms"}),
        ("tcp://192.0.2.1:1153?protocol=auto", "c1222", {"protocol": "dlms"}),
        ("socket://192.0.2.1:1153", "c1218", {"vendor": Quirks(protocol="c1218")}),
        ("tcp://192.0.2.1:1153", "kmp", {"vendor": Quirks(protocol="kmp")}),
    ],
)
def test_what_is_spoken_by_the_port(target: str, protocol: str, more: dict[str, Any]) -> None:
    assert plan(target, **{"protocol": "auto", **more}).protocol == protocol


def test_keys_by_the_port() -> None:
    made = plan("tcp://192.0.2.1:1153", protocol="auto", keys=Keys(KEY))
    assert made.c1222.security is SecurityMode.CIPHERED and isinstance(made.c1222.vectors, UtcVectors)
    assert plan("udp://192.0.2.1:1153", protocol="auto").c1222.datagram


def test_in_this_process() -> None:
    with metersdk.connect("sim://ansi?protocol=c1222", password=PASSWORD) as meter:
        assert meter.identity.protocol == "c1222" and meter.identity.identification == "ANSI C12.22 version 1.0"
        over_network = {reading.obis for reading in meter.registers()}
        profile = meter.get_profile()
    with metersdk.connect("sim://ansi", password=PASSWORD, protocol="c1218") as meter:
        assert over_network == {reading.obis for reading in meter.registers()}
        assert [column.head for column in profile.columns] == [column.head for column in meter.get_profile().columns]
    with pytest.raises(AuthenticationFailed):
        metersdk.connect("sim://ansi?speech=c1222&protocol=c1222", password="wrong")


def ciphered() -> Image:
    built_in = resources.files("metersdk.simulator").joinpath("images/ansi.toml").read_text("utf-8")
    return Image.parse(built_in + NODE)


@pytest.mark.realtime
@pytest.mark.parametrize("place", ["tcp://127.0.0.1:0", "udp://127.0.0.1:0"])
def test_over_sockets(place: str) -> None:
    with Simulator("ansi", [place]) as simulator:
        (target,) = simulator.targets
        assert target.endswith("?protocol=c1222")
        with metersdk.connect(target, password=PASSWORD) as meter:
            assert meter.identity.serial_number and meter.registers()
            assert len(meter.get_profile()) > 5000
        assert {finding.code for finding in meter.findings} <= {"c1222-size"}


@pytest.mark.realtime
@pytest.mark.parametrize("place", ["tcp://127.0.0.1:0", "udp://127.0.0.1:0"])
def test_ciphered_over_sockets(place: str, tmp_path: Path) -> None:
    with Simulator(ciphered(), [place]) as simulator:
        target = f"{simulator.targets[0]}&{TITLES}"
        recording = tmp_path / "session.jsonl"
        for _ in range(2):
            with metersdk.connect(target, password=PASSWORD, keys=Keys(KEY), trace=recording) as meter:
                serial = meter.identity.serial_number
                assert serial and meter.table(1, raw=True)
        assert PASSWORD not in recording.read_text("utf-8") and PASSWORD.encode().hex() not in recording.read_text()
        sent = [record.octets for record in read_trace(recording) if record.direction in ("tx", "rx")]
        assert sent and not any(serial.encode() in bytes(octets) for octets in sent)
        quick = metersdk.Timing(response=0.2)
        with pytest.raises(SecurityError, match="security mechanism error"):
            metersdk.connect(target, password=PASSWORD, keys=Keys(KEY[::-1]), timing=quick)
        with pytest.raises(SecurityError, match="identify: security mechanism error"):
            metersdk.connect(target, password=PASSWORD, timing=quick)


def test_the_vectors_of_the_simulated_meter_are_its_clock() -> None:
    device = ciphered().device()
    assert device.c1219.node.vectors.next() == device.seconds()


@pytest.mark.realtime
def test_asyncio_over_tcp() -> None:
    async def read(target: str) -> str | None:
        async with await metersdk.aconnect(target, password=PASSWORD, keys=Keys(KEY)) as meter:
            return (await meter.identity).serial_number

    with Simulator(ciphered(), ["tcp://127.0.0.1:0"]) as simulator:
        assert asyncio.run(read(f"{simulator.targets[0]}&{TITLES}"))
