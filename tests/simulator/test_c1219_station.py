"""The simulated ANSI meter on a line: sessions of C12.18, negotiated limits, and everything it can do wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeVar

import pytest

from metersdk.apdu.keys import Secret
from metersdk.apdu.psem import Response
from metersdk.dialog.c1218_link import C1218Link, C1218Settings
from metersdk.dialog.psem import Psem, SignOn
from metersdk.effects import Dialog
from metersdk.errors import LocalProtocolError, MeterError, PsemError
from metersdk.frame.buffer import ReceiveBuffer
from metersdk.model.c1219.registry import TableSet
from metersdk.port.address import parse_address
from metersdk.port.drive import run
from metersdk.port.line import LineModel
from metersdk.port.virtual import VirtualPort
from metersdk.simulator.c1219_faults import C1218Faults
from metersdk.simulator.c1219_spec import C1219Spec
from metersdk.simulator.device import MeterDevice
from metersdk.simulator.image import Image
from metersdk.simulator.inprocess import open_simulated
from metersdk.simulator.station import StationSettings, station

T = TypeVar("T")

NOW = datetime(2026, 7, 31, 12, 34, 56, tzinfo=UTC)
READER = SignOn(password=Secret("12345678"), packet_size=1024, packets=255, bauds=(9600, 19200, 57600))


def line(faults: C1218Faults | None = None, model: LineModel | None = None, **changes: Any) -> VirtualPort:
    """A line to the built-in ANSI meter, other words in its section ``c1219``."""
    image = Image.load("ansi")
    assert image.c1219 is not None
    spec = C1219Spec.model_validate(image.c1219.model_dump() | changes)
    device = MeterDevice(image.model_copy(update={"c1219": spec}), lambda: NOW)
    settings = StationSettings(speech="c1218", c1218=faults)
    return VirtualPort(station(device, settings), replace(model or LineModel(), baud=9600))


def session(port: VirtualPort, work: Callable[[Psem], Dialog[T]], sign_on: SignOn = READER) -> T:
    """Sign on, work, say good-bye."""
    psem = Psem(C1218Link(C1218Settings(), ReceiveBuffer()))

    def dialog() -> Dialog[T]:
        yield from psem.sign_on(sign_on)
        result = yield from work(psem)
        yield from psem.close()
        return result

    return run(dialog(), port)


def read_all(numbers: tuple[int, ...]) -> Callable[[Psem], Dialog[dict[int, bytes]]]:
    def work(psem: Psem) -> Dialog[dict[int, bytes]]:
        found = {}
        for number in numbers:
            found[number] = yield from psem.read(number)
        return found

    return work


SOME = (0, 1, 3, 5, 11, 12, 15, 16, 21, 22, 23, 28, 52, 61, 62, 63, 71, 74)
FOUND = Image.load("ansi").device(lambda: NOW).c1219


def expected(numbers: tuple[int, ...] = SOME) -> dict[int, bytes]:
    return {number: FOUND.octets(number) for number in numbers}


def test_a_session_over_a_virtual_line() -> None:
    assert session(line(), read_all(SOME)) == expected()


def test_the_address_sim_ansi() -> None:
    for target in ("sim://ansi", "sim://ansi?speech=c1218", "sim://ansi?baud=19200"):
        address = parse_address(target)
        link = C1218Link(C1218Settings(baud=address.baud or 9600), ReceiveBuffer())

        def dialog(link: C1218Link = link) -> Dialog[bytes]:
            yield from link.open()
            psem = Psem(link)
            yield from psem.sign_on(SignOn(negotiate=False))
            return (yield from psem.read(1))

        assert run(dialog(), open_simulated(address))[:4] == b"MSDK"
    with pytest.raises(LocalProtocolError, match="no tables of ANSI"):
        open_simulated(parse_address("sim://bench?speech=c1218"))


def test_what_is_negotiated_is_what_both_can() -> None:
    port = line(link={"packet_size": 256, "packets": 8, "bauds": [9600, 19200]})

    def work(psem: Psem) -> Dialog[tuple[int, bytes]]:
        return psem.max_read, (yield from psem.read(64, offset=0, count=1500))

    most, octets = session(port, work)
    assert most == (256 - 8) * 8 - 4
    assert octets == FOUND.octets(64)[:1500]
    assert session(line(link={"negotiates": False}), read_all((1,))) == expected((1,))


def test_a_meter_that_is_read_in_whole_tables_only() -> None:
    port = line(data_access="full")

    def work(psem: Psem) -> Dialog[bytes]:
        with pytest.raises(PsemError) as caught:
            yield from psem.read(64, offset=0, count=10)
        assert caught.value.response == Response.IAR
        return (yield from psem.read(64))

    assert session(port, work) == FOUND.octets(64)


def test_a_meter_that_is_read_by_index() -> None:
    def work(psem: Psem) -> Dialog[bytes]:
        return (yield from psem.read(64, index=(0, 3), count=2))

    size = len(FOUND.octets(64)) // 60
    assert session(line(data_access="index"), work) == FOUND.octets(64)[3 * size : 5 * size]


def test_octets_behind_the_identification_are_no_obstacle() -> None:
    assert session(line(link={"trailing": "01020304"}), read_all((5,))) == expected((5,))


# --- faults -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "faults",
    [
        C1218Faults(bad_crc=3),
        C1218Faults(bad_crc=0.1),
        C1218Faults(lost_ack=0.1),
        C1218Faults(repeat=0.2),
        C1218Faults(repeat=5),
        C1218Faults(stuck_toggle=2),
        C1218Faults(busy=3),
        C1218Faults(not_ready=3),
        C1218Faults(lying_count=1),
        C1218Faults(bad_crc=0.05, lost_ack=0.05, repeat=0.05, busy=0.05, seed=4),
    ],
    ids=str,
)
def test_faults_that_a_reader_makes_up_for(faults: C1218Faults) -> None:
    found: dict[int, bytes] = {}
    port = line(faults)

    def work(psem: Psem) -> Dialog[None]:
        for number in SOME:
            found[number] = yield from psem.read(number)

    try:
        session(port, work)
    except MeterError:
        # A stuck toggle may cost the session; what was read is right all the same.
        assert faults.stuck_toggle
    assert found == {number: octets for number, octets in expected().items() if number in found}
    assert len(found) == len(SOME) or faults.stuck_toggle


@pytest.mark.parametrize(
    "faults",
    [C1218Faults(endless=50), C1218Faults(bad_crc=500), C1218Faults(busy=500), C1218Faults(lying_count=500)],
    ids=str,
)
def test_faults_that_end_in_an_error(faults: C1218Faults) -> None:
    port = line(faults)
    with pytest.raises(MeterError):
        session(port, read_all(SOME))
    assert port.now() < 300


def test_table_0_with_dimensions_that_cannot_be() -> None:
    octets = session(line(C1218Faults(lying_tables=1)), read_all((0,)))[0]
    assert octets != FOUND.octets(0)
    assert len(octets) == len(FOUND.octets(0))
    with pytest.raises(MeterError):
        TableSet({0: octets}).get(0)


@pytest.mark.parametrize(
    "model", [LineModel(noise=2, seed=1), LineModel(flip=0.001, seed=2), LineModel(lose=0.0005, seed=3)], ids=str
)
def test_a_bad_line(model: LineModel) -> None:
    slow = replace(READER, packet_size=128, packets=64, bauds=(9600,))
    assert session(line(model=model), read_all(SOME), slow) == expected()
