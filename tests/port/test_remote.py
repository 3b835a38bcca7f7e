"""Remote probes: a serial proxy of an ESPHome device, through the real client of its API; and the round trip."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

import pytest

import metersdk
from metersdk.errors import LocalProtocolError, PortError
from metersdk.port.address import open_port
from metersdk.port.target import parse_address
from metersdk.simulator.server import Simulator

pytest.importorskip("serialx", reason='needs pip install "metersdk[serialx]"')
pytest.importorskip("aioesphomeapi", reason='needs pip install "metersdk[serialx]"')

from esphome_bridge import EsphomeBridge


@pytest.fixture
def bridge() -> Iterator[EsphomeBridge]:
    with (
        Simulator("residential", ["pty?mode=E"]) as simulator,
        EsphomeBridge(simulator.targets[0].partition("?")[0]) as device,
    ):
        yield device


def target(bridge: EsphomeBridge, keys: str = "") -> str:
    return f"esphome://127.0.0.1:{bridge.port}/{bridge.name}{keys}"


def test_a_meter_behind_an_esphome_device(bridge: EsphomeBridge) -> None:
    with metersdk.connect(target(bridge)) as meter:
        assert meter.identity.protocol == "dlms:hdlc" and meter.identity.baud == 9600
        assert meter.identity.serial_number == "12345678"
        assert len(meter.get_profile(entries=(1, 3))) == 3
    # 7E1 is done in software, and only the speed changes (bits, parity: 8N1).
    assert bridge.settings[0] == (300, 8, 0) and (9600, 8, 0) in bridge.settings


def test_the_same_with_asyncio(bridge: EsphomeBridge) -> None:
    async def read() -> str | None:
        async with metersdk.aconnect(target(bridge)) as meter:
            return (await meter.identity).serial_number

    assert asyncio.run(read()) == "12345678"


def test_the_port_knows_its_round_trip() -> None:
    with (
        Simulator("residential", ["pty"]) as simulator,
        EsphomeBridge(simulator.targets[0].partition("?")[0], delay=0.1) as device,
    ):
        port = open_port(target(device, "?baud=300"))
        try:
            assert 0.2 <= port.round_trip < 2  # type: ignore[attr-defined]
        finally:
            port.close()


def test_a_socket_knows_its_round_trip() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = open_port(f"tcp://127.0.0.1:{server.getsockname()[1]}")
        try:
            assert 0 <= port.round_trip < 1  # type: ignore[attr-defined]
        finally:
            port.close()


def test_no_such_proxy(bridge: EsphomeBridge) -> None:
    with pytest.raises(PortError, match="other_head") as caught:
        open_port(f"esphome://127.0.0.1:{bridge.port}/other_head")
    assert "serial_proxy" in caught.value.hint


def test_nobody_there() -> None:
    with pytest.raises(PortError):
        open_port("esphome://127.0.0.1:1/optical_head?timeout=2")


def test_the_key_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ESPHOME_KEY", raising=False)
    with pytest.raises(LocalProtocolError, match="no ESPHOME_KEY"):
        open_port("esphome://127.0.0.1/optical_head?key_from=ESPHOME_KEY")
    with pytest.raises(LocalProtocolError, match="names an environment variable"):
        parse_address("esphome://127.0.0.1/optical_head?key_from=c2VjcmV0IGtleQ==")
