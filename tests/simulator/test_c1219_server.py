"""The simulated ANSI meter on real descriptors: a pseudo terminal, TCP and UDP, C12.18 and C12.22, both doors."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

import metersdk
from metersdk.errors import AuthenticationFailed
from metersdk.simulator.image import Image
from metersdk.simulator.server import Simulator

# pyserial's RFC 2217 client.
pytestmark = pytest.mark.filterwarnings("ignore:setDaemon:DeprecationWarning", "ignore:setName:DeprecationWarning")
PASSWORD = "12345678"
PLACES = ("pty", "tcp://127.0.0.1:0?speech=c1218", "tcp://127.0.0.1:0", "udp://127.0.0.1:0", "rfc2217://127.0.0.1:0")


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    image = Image.load("ansi")
    clock = image.clock.model_copy(update={"fixed": datetime(2026, 7, 31, 12, 34, 56, tzinfo=UTC)})
    with Simulator(image.model_copy(update={"clock": clock}), PLACES, pace=False) as made:
        yield made


@pytest.fixture(params=range(len(PLACES)), ids=PLACES)
def target(request: pytest.FixtureRequest, simulator: Simulator) -> str:
    return simulator.targets[request.param]


def test_blocking_door(target: str) -> None:
    with metersdk.connect(target, password=PASSWORD) as meter:
        assert meter.identity.serial_number == "26010042"
        assert meter.read("1-0:1.8.0").unit is metersdk.Unit.WH
        home = meter.get_profile(last="6h")
        assert len(home) == 24
        assert not home.findings


def test_async_door(target: str) -> None:
    async def work() -> int:
        async with metersdk.aconnect(target, password=PASSWORD) as meter:
            return len(await meter.registers())

    assert asyncio.run(work()) > 50


def test_what_a_password_opens(target: str) -> None:
    with pytest.raises(AuthenticationFailed):
        metersdk.connect(target, password="nonsense")


def test_one_meter_behind_all_places(simulator: Simulator) -> None:
    """What is set over one is seen over the others."""
    before = simulator.devices[0].c1219.octets(25)
    with metersdk.connect(simulator.targets[2], password="87654321") as meter:
        meter.procedure("remote-reset", b"\1", write=True)
    with metersdk.connect(simulator.targets[1], password=PASSWORD) as meter:
        after = meter.table(25, raw=True)
    assert before != after == simulator.devices[0].c1219.octets(25)
