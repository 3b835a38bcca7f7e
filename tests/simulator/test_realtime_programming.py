"""Programming mode on a pseudo terminal, at the speed of a real line."""

from __future__ import annotations

import asyncio
import sys

import pytest

import metersdk
from metersdk.errors import AuthenticationFailed, MeterReportedError, PortError
from metersdk.simulator.image import Image
from metersdk.simulator.server import Simulator

pytestmark = [
    pytest.mark.realtime,
    pytest.mark.skipif(sys.platform == "win32", reason="no pseudo terminals"),
]


def short_image() -> Image:
    image = Image.load("residential")
    return image.model_copy(
        update={"readout": tuple(line for line in image.readout if line.code in ("C.1.0", "0.9.1"))}
    )


def test_programming_mode_on_a_pseudo_terminal() -> None:
    heard: list[object] = []
    with (
        Simulator(short_image(), ["pty?mode=C"], listener=lambda port, event: heard.append(event)) as simulator,
        metersdk.connect(simulator.targets[0]) as meter,
    ):
        with meter.programming(password="12345678", write=True) as p:
            assert p.read("C.1.0")[0].value.text == "12345678"
            p.write("C.90", "hello")
            assert p.read_blocks("C.90") == b"C.90(hello)"
            with pytest.raises(MeterReportedError):
                p.read("NO.1")
        with pytest.raises(AuthenticationFailed), meter.programming(password="wrong-one"):
            pass
    states = [event for event in heard if isinstance(event, metersdk.State)]
    assert metersdk.State("ended", "B0") in states
    assert [event.text for event in states if event.name == "password"] == ["taken", "refused"]


def test_programming_mode_from_asyncio() -> None:
    async def session(target: str) -> str:
        async with metersdk.aconnect(target) as meter, meter.programming(password="12345678") as p:
            (found,) = await p.read("C.1.0")
            return found.value.text

    with Simulator(short_image(), ["pty?mode=C"]) as simulator:
        assert asyncio.run(session(simulator.targets[0])) == "12345678"


def test_a_meter_that_is_unplugged_amid_programming_mode() -> None:
    simulator = Simulator(short_image(), ["pty?mode=C"])
    with simulator, metersdk.connect(simulator.targets[0]) as meter, meter.programming(password="12345678") as p:
        assert p.read("C.1.0")
        simulator.close()
        with pytest.raises(PortError):
            p.read("C.1.0")
        # The next call would sign on again, and finds no port either.
        with pytest.raises(PortError):
            p.read("C.1.0")
