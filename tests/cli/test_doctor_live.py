"""doctor --live: one session under a virtual clock, and what it tells of the line."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from metersdk.cli import doctor_live
from metersdk.cli.output import describe, report
from metersdk.errors import Finding, NoAnswer, PortBusy
from metersdk.port.host.line import LineCounters
from metersdk.port.line import LineModel
from metersdk.port.serial_port import SerialPort
from metersdk.port.target import parse_address
from metersdk.port.virtual import VirtualPort
from metersdk.simulator.faults import Faults
from metersdk.simulator.image import Image
from metersdk.simulator.station import StationSettings, optical_meter, station

Meter = Callable[..., None]


@pytest.fixture
def meter(monkeypatch: pytest.MonkeyPatch) -> Meter:
    """Puts a meter with faults behind ``sim://residential``."""

    def put(faults: Faults | None = None, **line: Any) -> None:
        def opened(address: object) -> VirtualPort:
            device = Image.load("residential").device()
            optical = (faults or Faults()).optical(optical_meter(device))
            settings = replace(StationSettings(speech="optical"), optical=optical)
            return VirtualPort(station(device, settings), LineModel(baud=300, **line), name="sim://residential")

        monkeypatch.setattr(doctor_live, "open_simulated", opened)

    return put


def test_a_line_in_order(cli: Any) -> None:
    ran = cli("doctor", "--live", "sim://residential")
    assert (ran.code, ran.err) == (0, "nothing wrong was found\n")
    target, who, line = ran.out.splitlines()
    assert target == "sim://residential" and who.startswith("Meter  MSK METERSDK-R1, serial number 12345678")
    assert line.startswith("Line   9600 Bd, ")


def test_a_meter_that_sleeps(cli: Any, meter: Meter) -> None:
    meter(Faults(sleep=True))
    ran = cli("doctor", "--live", "sim://residential")
    assert ran.code == 1 and "\nasleep: " in ran.out and "wake_up=1" in ran.out.splitlines()[-1]


def test_a_dead_line_for_programs(cli: Any, meter: Meter) -> None:
    meter(lose=1.0)
    ran = cli("doctor", "--live", "sim://residential", "--json")
    line = ran.document["line"]
    assert ran.code == 1 and line["identity"] is None and line["octets_received"] == 0
    assert [finding["code"] for finding in line["findings"]] == ["silent"]
    assert line["findings"][0]["hint"] and line["error"]["class"] == "NoAnswer"


def test_what_is_no_target(cli: Any) -> None:
    ran = cli("doctor", "--live")
    assert ran.code == 2 and "--live needs a target" in ran.err


def test_a_port_that_cannot_be_opened(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PortBusy("/dev/ttyUSB0 is in use by pid 812 (picocom)")

    monkeypatch.setattr(doctor_live, "open_port", refuse)
    ran = cli("doctor", "--live", "/dev/ttyUSB0")
    assert ran.code == 9 and ran.err.endswith("hint: metersdk doctor /dev/ttyUSB0\n")


def test_counters_of_the_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    address = parse_address("/dev/ttyUSB0")
    port = SerialPort.__new__(SerialPort)
    told = [LineCounters(framing=3), LineCounters(framing=5, overrun=1, buffer_overrun=2), None]
    monkeypatch.setattr(SerialPort, "counters", lambda self: told.pop(0))
    monkeypatch.setattr(doctor_live, "list_ports", list)
    driver = SimpleNamespace(driver="ftdi_sio")
    monkeypatch.setattr(doctor_live, "port_of", lambda *_: driver)
    counted = doctor_live._counters(address, port)
    assert counted is not None
    assert counted() == doctor_live.LineCounters(framing=2, overrun=3)
    assert counted() is None
    told[:] = [LineCounters()]
    driver.driver = "cp210x"
    assert doctor_live._counters(address, port) is None
    told[:] = [None]
    assert doctor_live._counters(address, port) is None


@pytest.mark.skipif(os.name != "posix", reason="pseudo terminals are POSIX")
def test_a_pseudo_terminal_counts_nothing() -> None:
    from metersdk.port.address import open_port
    from metersdk.port.pty import PtyWire

    wire = PtyWire()
    port = open_port(wire.path)
    try:
        assert isinstance(port, SerialPort) and port.counters() is None
        assert doctor_live._counters(parse_address(wire.path), port) is None
    finally:
        port.close()
        wire.close()
    assert port.counters() is None


def test_what_the_line_suffers_from_is_told_with_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    error = NoAnswer("no answer", layer="line", hint="listen")
    error.findings = (Finding("sml", "an SML transport message at 9600 Bd", "line", hint="listen"),)
    report(error.message, error.hint, describe(error), "text")
    assert capsys.readouterr().err.splitlines() == [
        "error: no answer",
        "sml: an SML transport message at 9600 Bd",
        "hint: listen",
    ]
    report(error.message, error.hint, describe(error), "json")
    told = json.loads(capsys.readouterr().err)["error"]
    assert [cause["code"] for cause in told["causes"]] == ["sml"]
