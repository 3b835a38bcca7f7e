"""Simulated meters behind sockets: both doors, all framings, many clients at once, and what a server has to survive."""

from __future__ import annotations

import asyncio
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

import metersdk
from metersdk.errors import LocalProtocolError, MeterError, NoAnswer, PortBusy, PortClosed, PortError
from metersdk.simulator.faults import parse_faults
from metersdk.simulator.image import Image
from metersdk.simulator.server import Simulator, numbered

PLACES = ("tcp://127.0.0.1:0", "tcp://127.0.0.1:0?framing=hdlc", "udp://127.0.0.1:0")
PROFILE = "1.0.99.1.0.255"
ENERGY = "1.0.1.8.0.255"
ROOT = Path(__file__).resolve().parents[2]
QUICK = metersdk.Timing(response=0.3, total=3.0)


def keys(number: int = 0) -> metersdk.Keys:
    """The published test keys of the built-in images; every client has a title of its own."""
    return metersdk.Keys(
        encryption=bytes(range(16)),
        authentication=bytes(range(0xD0, 0xE0)),
        system_title=b"TST" + number.to_bytes(5),
    )


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator("residential", PLACES) as made:
        yield made


@pytest.fixture(params=range(len(PLACES)), ids=PLACES)
def target(request: pytest.FixtureRequest, simulator: Simulator) -> str:
    return simulator.targets[request.param]


def test_targets_say_what_connect_needs(simulator: Simulator) -> None:
    wrapper, hdlc, datagram = simulator.targets
    assert wrapper.startswith("tcp://127.0.0.1:") and wrapper.endswith("?framing=wrapper")
    assert hdlc.startswith("tcp://127.0.0.1:") and hdlc.endswith("?framing=hdlc")
    assert datagram.startswith("udp://127.0.0.1:") and "?" not in datagram


def test_blocking_door(target: str) -> None:
    with metersdk.connect(target) as meter:
        assert meter.identity.serial_number == "12345678"
        assert meter.read(ENERGY).unit is metersdk.Unit.WH
        whole = meter.get_profile(PROFILE, entries=(1, 50))
        pieces = list(meter.iter_profile(PROFILE, entries=(1, 50)))
        assert len(whole) == sum(map(len, pieces)) == 50


def test_asyncio_door(target: str) -> None:
    async def read() -> int:
        async with await metersdk.aconnect(target) as meter:
            assert (await meter.identity).serial_number == "12345678"
            pieces: AsyncIterator[metersdk.Profile] = meter.iter_profile(PROFILE, entries=(1, 50))
            return sum([len(piece) async for piece in pieces])

    assert asyncio.run(read()) == 50


def test_ciphered(target: str) -> None:
    with metersdk.connect(target, client=1, keys=keys(1)) as meter:
        meter.set(1, "0.0.96.13.0.255", 2, b"hello")
        assert meter.get(1, "0.0.96.13.0.255", 2) == b"hello"


def test_twenty_clients_at_once(target: str) -> None:
    async def read() -> int:
        async with await metersdk.aconnect(target) as meter:
            return len(await meter.get_profile(PROFILE, entries=(1, 20)))

    async def all_of_them() -> list[int]:
        return await asyncio.gather(*(read() for _ in range(20)))

    assert asyncio.run(all_of_them()) == [20] * 20


def test_ciphered_clients_at_once(simulator: Simulator) -> None:
    async def read(number: int) -> object:
        async with await metersdk.aconnect(simulator.targets[number % 3], client=1, keys=keys(number)) as meter:
            return (await meter.read(ENERGY)).unit

    async def all_of_them() -> list[object]:
        return await asyncio.gather(*(read(number) for number in range(10, 22)))

    assert asyncio.run(all_of_them()) == [metersdk.Unit.WH] * 12


def test_a_client_that_vanishes_leaves_no_association_behind(simulator: Simulator) -> None:
    host, _, port = simulator.targets[0].removeprefix("tcp://").partition("?")[0].partition(":")
    for _ in range(3):
        with socket.create_connection((host, int(port)), 5) as rude:
            # The first half of a wrapper header.
            rude.sendall(bytes((0, 1, 0, 16)))
    with metersdk.connect(simulator.targets[0]) as meter:
        assert meter.identity.serial_number == "12345678"


def test_garbage_ends_its_own_connection_only(simulator: Simulator) -> None:
    where = simulator.targets[0].removeprefix("tcp://").partition("?")[0].partition(":")
    with metersdk.connect(simulator.targets[0]) as meter:
        with socket.create_connection((where[0], int(where[2])), 5) as rude:
            rude.sendall(b"GET / HTTP/1.1\r\n\r\n")
            rude.settimeout(5)
            # A reset, where octets were left unread.
            with suppress(ConnectionResetError):
                assert rude.recv(100) == b""
        assert meter.identity.serial_number == "12345678"


def test_rfc2217_clients_that_are_gone_at_once() -> None:
    with Simulator("bench", ["rfc2217://127.0.0.1:0"]) as simulator:
        where = simulator.targets[0].removeprefix("rfc2217://").partition(":")
        for _ in range(50):
            rude = socket.create_connection((where[0], int(where[2])), 5)
            # A reset instead of an orderly end.
            rude.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            rude.close()
        with socket.create_connection((where[0], int(where[2])), 5) as polite:
            polite.settimeout(5)
            assert polite.recv(1) == b"\xff"


def test_several_meters_of_one_image_and_several_images() -> None:
    with Simulator(["residential", "bench"], ["tcp://127.0.0.1:0"], count=2) as simulator:
        seen = []
        for target in simulator.targets:
            with metersdk.connect(target) as meter:
                seen.append(meter.identity.serial_number)
        assert seen == ["12345678", "12345679", "00010000", "00010001"]
        assert len({device.system_title for device in simulator.devices}) == 4


def test_numbered_meters_differ_in_their_readout_too() -> None:
    image = Image.load("residential")
    assert numbered(image, 0) is image
    other = numbered(image, 5)
    assert other.meter.serial == "12345683"
    assert other.meter.logical_device_name == "MSK0000012345683"
    assert b"C.1.0(12345683)" in other.device().readout()
    assert numbered(image, 90_000_000).meter.serial == "02345678"


def test_listener_hears_of_sessions() -> None:
    heard: list[object] = []
    with Simulator("bench", ["tcp://127.0.0.1:0"], listener=lambda port, event: heard.append(event)) as simulator:
        with metersdk.connect(simulator.targets[0]) as meter:
            assert len(meter.get_profile(entries=(1, 3))) == 3
        simulator.wait(0.0)
    assert not [event for event in heard if not isinstance(event, (PortClosed, metersdk.State))]


@pytest.mark.parametrize("framing", ["wrapper", "hdlc"])
@pytest.mark.parametrize("faults", [[], ["delay=0.001"]], ids=["plain", "delayed"])
def test_meter_dials_in(framing: str, faults: list[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    with Simulator("bench", [f"dial://127.0.0.1:{port}?framing={framing}"], faults=parse_faults(faults)) as simulator:
        assert simulator.targets == [f"listen://127.0.0.1:{port}?framing={framing}"]
        for _ in range(2):
            with metersdk.connect(simulator.targets[0] + "&timeout=20") as meter:
                assert len(meter.get_profile(entries=(1, 5))) == 5


def test_a_defect_is_told_at_the_end() -> None:
    def defect(port: str, event: object) -> None:
        raise ZeroDivisionError

    simulator = Simulator("bench", ["tcp://127.0.0.1:0"], listener=defect)
    metersdk.connect(simulator.targets[0]).close()
    # Its listener hears of the end of the connection, and fails.
    with metersdk.connect(simulator.targets[0]) as meter:
        meter.read(ENERGY)
    with pytest.raises(ZeroDivisionError):
        simulator.close()
    simulator.close()


def test_closed_by_its_own_listener() -> None:
    made: list[Simulator] = []
    made.append(Simulator("bench", ["tcp://127.0.0.1:0"], listener=lambda port, event: made[0].close()))
    metersdk.connect(made[0].targets[0]).close()
    assert made[0].wait(10)


def test_wait_ends_with_close() -> None:
    simulator = Simulator("bench", ["tcp://127.0.0.1:0"])
    assert not simulator.wait(0.0)
    closer = threading.Thread(target=simulator.close)
    closer.start()
    assert simulator.wait(10)
    closer.join()
    simulator.close()
    with pytest.raises(PortError):
        metersdk.connect(simulator.targets[0])


def test_close_hangs_up_on_clients() -> None:
    simulator = Simulator("bench", ["tcp://127.0.0.1:0"])
    meter = metersdk.connect(simulator.targets[0])
    simulator.close()
    with pytest.raises(PortClosed):
        meter.read(ENERGY)
    meter.close()


def test_a_taken_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortBusy):
            Simulator("bench", ["udp://127.0.0.1:0", f"tcp://127.0.0.1:{port}"])


@pytest.mark.parametrize(("images", "places", "count"), [([], ["pty"], 1), ("bench", [], 1), ("bench", ["pty"], 0)])
def test_nothing_to_simulate(images: list[str], places: list[str], count: int) -> None:
    with pytest.raises(LocalProtocolError):
        Simulator(images, places, count=count)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("fault", ["late=0.05", "delay=0.01", "piece=1", "lose=0"])
def test_slow_networks_change_nothing(place: str, fault: str) -> None:
    simulator = Simulator("bench", [place], faults=parse_faults([fault]))
    with simulator, metersdk.connect(simulator.targets[0]) as meter:
        assert len(meter.get_profile(entries=(1, 5))) == 5


@pytest.mark.parametrize("fault", ["flip=0.002", "lose=0.001", "drop-answer=3,5", "drop-request=4", "noise=20"])
def test_hdlc_repairs_a_bad_line(fault: str) -> None:
    timing = metersdk.Timing(response=2.0, total=30.0)
    place = "tcp://127.0.0.1:0?framing=hdlc&max_info=128"
    simulator = Simulator("bench", [place], faults=parse_faults([fault]))
    with simulator, metersdk.connect(simulator.targets[0], timing=timing) as meter:
        assert len(meter.get_profile(entries=(1, 40))) == 40


def test_hangs_up_after_so_many_octets() -> None:
    simulator = Simulator("bench", ["tcp://127.0.0.1:0"], faults=parse_faults(["close-after=300"]))
    with simulator, pytest.raises(PortClosed), metersdk.connect(simulator.targets[0]) as meter:
        meter.get_profile()


def test_busy_meter_hangs_up_at_once() -> None:
    with Simulator("bench", ["tcp://127.0.0.1:0"], faults=parse_faults(["busy"])) as simulator:
        with pytest.raises(MeterError) as caught:
            metersdk.connect(simulator.targets[0])
        assert isinstance(caught.value, PortClosed)


@pytest.mark.parametrize("place", PLACES)
def test_silent_meter(place: str) -> None:
    with Simulator("bench", [place], faults=parse_faults(["silent"])) as simulator, pytest.raises(NoAnswer):
        metersdk.connect(simulator.targets[0], timing=QUICK)


def test_forgotten_simulator_makes_no_noise_at_exit() -> None:
    code = (
        "import metersdk\n"
        "from metersdk.simulator.server import Simulator\n"
        "kept = Simulator('bench', ['tcp://127.0.0.1:0', 'udp://127.0.0.1:0'])\n"
        "meter = metersdk.connect(kept.targets[0])\n"
        "print(meter.identity.serial_number)\n"
        "meter.close()\n"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-W", "error", "-X", "dev", "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
    )
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "00010000", "")


def test_head_behind_a_raw_socket_is_signed_on_to() -> None:
    """The speed of such a box cannot be changed: sign-on, change of speed and HDLC all go through as they are."""
    with Simulator("residential", ["tcp://127.0.0.1:0?framing=optical"], pace=False) as simulator:
        (target,) = simulator.targets
        where = target.removeprefix("tcp://").partition("?")[0]
        with metersdk.connect(f"socket://{where}") as meter:
            assert (meter.identity.protocol, meter.identity.serial_number) == ("dlms:hdlc", "12345678")
            assert len(meter.get_profile(last="1d")) == 96
        with metersdk.connect(f"{target}&protocol=iec62056-21") as meter:
            assert meter.read("1.8.0").obis == metersdk.Obis("1.0.1.8.0.255")
