"""Simulated meters on real descriptors at real pacing: pseudo terminals and RFC 2217, all modes, and lines at fault."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

import metersdk
from metersdk.errors import MeterError, NoAnswer, PortBusy, PortClosed
from metersdk.simulator.faults import parse_faults
from metersdk.simulator.image import Image
from metersdk.simulator.server import LineSetting, Simulator
from metersdk.simulator.spec import ImageSpec

pytestmark = [
    pytest.mark.realtime,
    pytest.mark.skipif(sys.platform == "win32", reason="no pseudo terminals"),
    # pyserial's RFC 2217 client.
    pytest.mark.filterwarnings("ignore:setDaemon:DeprecationWarning", "ignore:setName:DeprecationWarning"),
]

# Two short lines: at 300 Bd a character takes 33 ms.
SHORT = ("C.1.0", "1.8.0")


def short_image() -> Image:
    image = Image.load("residential")
    lines = [line for line in image.readout if line.code in SHORT]
    lines = [line.model_copy(update={"history": 0}) if hasattr(line, "history") else line for line in lines]
    return image.model_copy(update={"readout": tuple(lines)})


class Heard:
    """The target, and what the meter said of its sessions."""

    def __init__(self) -> None:
        self.target = ""
        self.events: list[object] = []

    def listen(self, port: str, event: object) -> None:
        self.events.append(event)

    @property
    def states(self) -> list[str]:
        return [event.name for event in self.events if isinstance(event, metersdk.State)]


@contextmanager
def simulated(place: str, faults: Sequence[str] = (), image: ImageSpec | None = None) -> Iterator[Heard]:
    heard = Heard()
    with Simulator(image or short_image(), [place], faults=parse_faults(faults), listener=heard.listen) as simulator:
        heard.target = simulator.targets[0]
        yield heard


def codes(meter: metersdk.Meter) -> list[str]:
    return [data_set.address for data_set in meter.readout().data_sets]


@pytest.mark.parametrize(("mode", "baud"), [("A", 300), ("B", 9600), ("C", 4800)])
def test_readout(mode: str, baud: int) -> None:
    place = f"pty?mode={mode}" + (f"&baud={baud}" if mode != "A" else "")
    with simulated(place) as meter, metersdk.connect(meter.target) as client:
        assert codes(client) == list(SHORT)
        assert client.identity.protocol == f"iec62056-21:{mode}"
        assert client.identity.baud == baud
        assert [reading.obis.reduced for reading in client.registers()] == list(SHORT)


def test_mode_d_is_heard_not_asked() -> None:
    with simulated("pty?mode=D&push_period=0.3") as meter, metersdk.connect(meter.target) as client:
        assert codes(client) == list(SHORT)
        assert codes(client) == list(SHORT)
        assert "requested" not in meter.states


def test_mode_e_profile_and_back_to_the_sign_on() -> None:
    with simulated("pty") as meter:
        for entries in (1, 4):
            with metersdk.connect(meter.target) as client:
                profile = client.get_profile("1.0.99.1.0.255", entries=(1, entries))
                assert len(profile) == entries
                assert client.identity.protocol == "dlms:hdlc"
                assert client.identity.baud == 9600
        assert meter.states == ["requested", "acknowledged"] * 2


def test_mode_e_acknowledgement_repeated_at_the_new_speed() -> None:
    with simulated("pty?echo_ack=after&max_info=128&window=1") as meter, metersdk.connect(meter.target) as client:
        assert len(client.get_profile("1.0.99.1.0.255", entries=(1, 6))) == 6


def test_hdlc_at_once() -> None:
    with simulated("pty?speech=hdlc&baud=19200") as meter, metersdk.connect(meter.target) as client:
        assert client.identity.baud == 19200
        assert len(client.get_profile("1.0.99.1.0.255", entries=(1, 8))) == 8


def test_two_meters_at_once_over_asyncio() -> None:
    async def rows(target: str) -> int:
        async with await metersdk.aconnect(target) as client:
            total = 0
            async for piece in client.iter_profile("1.0.99.1.0.255", entries=(1, 8)):
                total += len(piece)
            return total

    async def both(targets: list[str]) -> list[int]:
        return await asyncio.gather(*(rows(target) for target in targets))

    with Simulator(short_image(), ["pty", "pty?speech=hdlc&baud=9600"]) as simulator:
        assert asyncio.run(both(simulator.targets)) == [8, 8]


def test_rfc2217_sets_what_was_asked_for() -> None:
    with simulated("rfc2217://127.0.0.1:0?mode=C") as meter:
        with metersdk.connect(meter.target) as client:
            assert codes(client) == list(SHORT)
        settings = [event for event in meter.events if isinstance(event, LineSetting)]
        assert [setting.value for setting in settings if setting.name == "baudrate"] == [300, 9600]
        assert {setting.value for setting in settings if setting.name == "bytesize"} == {8}
        assert {setting.value for setting in settings if setting.name == "parity"} == {"N"}
        assert {setting.value for setting in settings if setting.name == "stopbits"} == {1}


def test_rfc2217_with_parity_by_the_hardware() -> None:
    with simulated("rfc2217://127.0.0.1:0?mode=C") as meter, metersdk.connect(f"{meter.target}?format=7E1") as client:
        assert codes(client) == list(SHORT)
        assert LineSetting("bytesize", 7) in meter.events
        assert not client.findings


@pytest.mark.parametrize("fault", ["echo=full", "echo=partial", "noise=0.3", "late=0.3", "latency=0.016", "bad-bcc=1"])
def test_line_at_fault(fault: str) -> None:
    with simulated("pty?mode=C", [fault]) as meter, metersdk.connect(meter.target) as client:
        assert codes(client) == list(SHORT)
        assert client.identity.baud == 9600


def test_flipped_bits_are_repeated_until_right() -> None:
    with simulated("pty?mode=C", ["flip=0.01", "seed=4"]) as meter, metersdk.connect(meter.target) as client:
        readout = client.readout()
        assert readout.proved
        assert [data_set.address for data_set in readout.data_sets] == list(SHORT)


def test_slow_recoveries() -> None:
    """Each takes seconds at 300 Bd, so all are read at once."""

    async def read(target: str) -> list[str]:
        async with await metersdk.aconnect(target) as client:
            return [data_set.address for data_set in (await client.readout()).data_sets]

    async def all_of_them(*targets: str) -> list[list[str]]:
        return await asyncio.gather(*map(read, targets))

    with (
        simulated("pty?mode=C", ["lost-ack=1"]) as deaf,
        simulated("pty?mode=C", ["sleep"]) as asleep,
        simulated("pty?mode=C", ["wrong-baud"]) as mistuned,
    ):
        read_out = asyncio.run(all_of_them(deaf.target, asleep.target, mistuned.target))
        assert read_out == [list(SHORT)] * 3
        # It went on at 300 Bd by itself, and was followed.
        assert deaf.states == ["requested"]
        assert asleep.states == ["requested", "acknowledged"]
        # Signed on anew, until the speed was left at 300 Bd.
        assert mistuned.states == ["requested", "acknowledged"] * 3


def test_client_at_another_speed_hears_and_is_heard_as_noise() -> None:
    with simulated("pty?speech=hdlc&baud=9600") as meter:
        device = meter.target.partition("?")[0]
        with pytest.raises(NoAnswer):
            metersdk.connect(f"{device}?protocol=dlms&baud=4800", timing=metersdk.Timing(response=0.5, total=2.0))


def test_silent() -> None:
    with simulated("pty?speech=hdlc", ["silent"]) as meter, pytest.raises(NoAnswer):
        metersdk.connect(meter.target, timing=metersdk.Timing(response=0.3, total=1.0))


def test_busy() -> None:
    with simulated("pty", ["busy"]) as meter, pytest.raises(PortBusy):
        metersdk.connect(meter.target)


def test_unplugged_while_it_is_read() -> None:
    with simulated("pty?speech=hdlc&baud=115200", ["close-after=600"]) as meter:
        with pytest.raises(MeterError) as caught, metersdk.connect(meter.target) as client:
            client.get_profile("1.0.99.1.0.255", entries=(1, 500))
        assert isinstance(caught.value, PortClosed)
