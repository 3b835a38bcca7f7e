"""Profiles, events and readouts of a mode C meter: in process, over a pseudo terminal, on the command line."""

from __future__ import annotations

import asyncio
import json
import tracemalloc
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import metersdk
from metersdk.apdu.dataset import DataSet
from metersdk.cli.app import run
from metersdk.dialog.hearing import Hearing
from metersdk.dialog.iec62056_21_meter import OpticalMeter, serve
from metersdk.dialog.iec62056_21_readout import Withdrawn
from metersdk.dialog.opening import Plan, open_session
from metersdk.dialog.timing import Timing
from metersdk.errors import DecodeError, LocalProtocolError
from metersdk.meter import Meter
from metersdk.model.quirks import Quirks
from metersdk.port import drive
from metersdk.port.line import LineModel
from metersdk.port.virtual import VirtualPort
from metersdk.simulator.image import Image
from metersdk.simulator.server import Simulator

CET = Quirks(local_deviation=-60)
MODE_C = "sim://residential?mode=C"


def meter_of(readout: bytes, identification: bytes = b"/ABC5METER", **line: Any) -> Meter:
    side = OpticalMeter(identification, lambda: readout)
    port = VirtualPort(serve(side), LineModel(baud=300, **line))
    plan = Plan.of(
        {"protocol": "iec62056-21"},
        medium="line",
        framing=None,
        baud=None,
        hardware_parity=False,
        password=None,
        keys=None,
        quirks=CET,
        timing=Timing(),
    )
    hearing = Hearing(None)
    return Meter(port, drive.run(open_session(plan), port, hearing), hearing)


@pytest.mark.parametrize("zone", [None, UTC])
@pytest.mark.parametrize("start", [datetime.min, datetime(1926, 11, 1)])
def test_bounds_that_two_digits_of_a_year_cannot_name(start: datetime, zone: Any) -> None:
    """1926 is not asked for as 2026, nor 9999 as 1999."""
    with metersdk.connect("sim://classic", vendor=CET) as meter:
        everything = meter.get_profile(start=start.replace(tzinfo=zone), stop=datetime.max.replace(tzinfo=zone))
        assert len(everything) == len(meter.get_profile()) > 0


def test_a_profile_whatever_the_meter_speaks() -> None:
    query: dict[str, Any] = {"start": "2026-10-25T00:15:00+02:00", "stop": "2026-10-26T00:00:00+01:00"}
    with metersdk.connect(MODE_C, vendor=CET) as text, metersdk.connect("sim://residential") as dlms:
        ours, theirs = text.get_profile(**query), dlms.get_profile(**query)
    assert len(ours) == 100 and list(ours.times) == list(theirs.times)
    assert ours.head.obis == theirs.head.obis and ours.period == theirs.period
    assert list(ours.deviation) == list(theirs.deviation) and list(ours.clock_status) == list(theirs.clock_status)
    for code in ("1.0.1.8.0.255", "1.0.2.8.0.255"):
        assert list(ours.column(code)) == list(theirs.column(code))
        assert ours.column(code).unit == theirs.column(code).unit


def test_registers_before_and_after() -> None:
    with metersdk.connect(MODE_C, vendor=CET) as meter:
        before = meter.read("C.1.0")
        assert len(meter.get_profile(last="3h")) == 12
        assert meter.read("C.1.0") == before and meter.readout().proved
        assert [len(piece) > 0 for piece in meter.iter_profile(last="1d")][:-1]


def test_events_whatever_the_meter_speaks() -> None:
    # With a zone: thirty days before by a clock without a season are an hour more or less across a change of season.
    start = datetime.now(UTC) - timedelta(days=30)
    with metersdk.connect(MODE_C, vendor=CET) as text, metersdk.connect("sim://residential") as dlms:
        words, codes = text.events(start=start), dlms.events(start=start)
    assert [event.time for event in words] == [event.time for event in codes] and words
    assert {event.text for event in codes} >= {"power down", "power up"}
    assert codes[0].log == metersdk.Obis("0.0.99.98.0.255") and codes[0].values == ()
    with metersdk.connect("sim://residential") as dlms:
        assert dlms.events("0.0.99.98.0.255", start=start) == codes


def test_the_other_door() -> None:
    async def both() -> tuple[int, int, int]:
        async with metersdk.aconnect(MODE_C, vendor=CET) as meter:
            profile = await meter.get_profile(last="6h")
            events = await meter.events(last="30d")
            sets = [item async for item in meter.iter_readout()]
        return len(profile), len(events), len(sets)

    rows, events, sets = asyncio.run(both())
    assert rows == 24 and events > 3 and sets > 10


def test_without_a_log_book() -> None:
    with metersdk.connect("sim://bench?framing=wrapper") as meter, pytest.raises(LocalProtocolError):
        meter.events()


def test_strict_readouts() -> None:
    with meter_of(b"1.8.0(001234.5*kWh)\r\n") as meter:
        assert meter.readout(strict=True).data_sets[0].address == "1.8.0"
    with meter_of(b"1.8.0(001234,5*kWh)\r\n") as meter:
        with pytest.raises(DecodeError, match="decimal-comma"):
            meter.readout(strict=True)
        assert [finding.code for finding in meter.readout().findings] == ["decimal-comma"]


def test_a_readout_that_streams() -> None:
    lines = b"".join(b"1.8.%d(%08d*kWh)\r\n" % (number % 64, number) for number in range(6_000))
    meter = meter_of(lines, b"/ABC6METER", piece=256)
    tracemalloc.start()
    try:
        count = sum(isinstance(item, DataSet) for item in meter.iter_readout())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # 6,000 data sets that are kept take 3 MB and more; the simulated meter alone holds its lines.
    assert count == 6_000 and peak < 2_000_000


def test_a_streamed_readout_takes_back_what_was_damaged() -> None:
    lines = b"".join(b"1.8.%d(%08d*kWh)\r\n" % (number, number) for number in range(60))
    for seed in range(20):
        items = list(meter_of(lines, flip=0.001, seed=seed).iter_readout())
        if any(isinstance(item, Withdrawn) for item in items):
            break
    kept: list[DataSet] = []
    for item in items:
        if isinstance(item, Withdrawn):
            kept = [each for each in kept if each.offset < item.offset]
        else:
            kept.append(item)
    assert any(isinstance(item, Withdrawn) for item in items) and len(kept) == 60


def test_over_a_pseudo_terminal() -> None:
    image = Image.load("residential")
    fixed = image.clock.model_copy(update={"fixed": datetime(2026, 11, 22, 12, tzinfo=UTC)})
    short = image.model_copy(update={"clock": fixed, "readout": image.readout[:4]})
    with (
        Simulator(short, ["pty?mode=C"]) as simulator,
        metersdk.connect(simulator.targets[0], protocol="iec62056-21", vendor=CET) as meter,
    ):
        profile = meter.get_profile(last="2h")
        assert len(profile) == 9 and profile.gaps == []


@pytest.mark.parametrize("target", [MODE_C, "sim://residential"])
def test_on_the_command_line(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["events", target, "--last", "30d"]) == 0
    assert "power" in capsys.readouterr().out
    assert run(["events", target, "--last", "30d", "--csv"]) == 0
    table = capsys.readouterr().out.splitlines()
    assert table[0] == "time,log,code,text,status,values" and len(table) > 3
    assert run(["events", target, "--last", "30d", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["command"] == "events" and len(document["events"]) == len(table) - 1
    assert set(document["events"][0]) == {"time", "log", "code", "text", "status", "values", "basis"}
    assert run(["profile", target, "--last", "3h"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 13


def test_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["events", MODE_C, "--csv", "--json"]) == 2
    assert run(["events", MODE_C, "--last", "soon"]) == 2
    assert run(["events", MODE_C, "--log", "P.97"]) == 7
    assert run(["readout", MODE_C, "--strict"]) == 0
    assert "1.8.0" in capsys.readouterr().out
