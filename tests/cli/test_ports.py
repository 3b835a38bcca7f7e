"""ports: what is plugged in, on a fake tree."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from host_rig import FakeSystem
from metersdk.port.host import ports


@pytest.fixture
def computer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSystem:
    system = FakeSystem(tmp_path / "root")
    monkeypatch.setattr(ports, "System", lambda: system)
    return system


def test_for_people(cli: Any, computer: FakeSystem) -> None:
    computer.process(812, "picocom", opened=computer.probe())
    computer.probe(1, ids=("10c4", "ea60"), driver="cp210x", serial="", latency=None)
    ran = cli("ports")
    assert (ran.code, ran.err) == (0, "")
    heads, first, second, names, stable = ran.out.splitlines()
    assert heads.split() == ["Device", "Driver", "USB", "Chip", "Serial", "Latency", "Open", "in"]
    assert first.split() == [
        "/dev/ttyUSB0",
        "ftdi_sio",
        "0403:6001",
        "FTDI",
        "FT232R",
        "A1",
        "16",
        "ms",
        "pid",
        "812",
        "(picocom)",
    ]
    assert " ".join(second.split()) == "/dev/ttyUSB1 cp210x 10c4:ea60 Silicon Labs CP210x - - -"
    assert names.split() == ["Device", "Name", "that", "stays"]
    assert stable.split() == ["/dev/ttyUSB0", "/dev/serial/by-id/usb-FTDI_USB_Probe_A1-if00-port0"]


def test_for_programs(cli: Any, computer: FakeSystem) -> None:
    computer.process(812, "picocom", opened=computer.probe())
    (port,) = cli("ports", "--json").document["ports"]
    assert port == {
        "device": "/dev/ttyUSB0",
        "by_id": "/dev/serial/by-id/usb-FTDI_USB_Probe_A1-if00-port0",
        "driver": "ftdi_sio",
        "vid": 0x0403,
        "pid": 0x6001,
        "usb_id": "0403:6001",
        "chip": "FTDI FT232R",
        "serial_number": "A1",
        "product": "USB Probe",
        "latency_ms": 16,
        "holders": [{"pid": 812, "command": "picocom"}],
    }
    (line,) = cli("ports", "--jsonl").lines
    assert line["type"] == "port" and line["device"] == "/dev/ttyUSB0"


def test_what_other_users_do_is_not_seen_and_that_is_said(cli: Any, computer: FakeSystem) -> None:
    computer.process(812, "picocom", opened=computer.probe(), hidden=True)
    ran = cli("ports")
    assert ran.code == 0 and ran.err.startswith("not seen: what other users have open")
    assert cli("ports", "--json").document["hidden_processes"] == 1


def test_no_port(cli: Any, computer: FakeSystem) -> None:
    ran = cli("ports")
    assert (ran.code, ran.out) == (1, "") and "metersdk doctor" in ran.err
    assert cli("ports", "--json").document["ports"] == []


def test_it_is_there_at_once() -> None:
    code = (
        "import sys, metersdk.cli.app as a, metersdk.cli.ports, metersdk.cli.doctor; a.app.get_command(None, 'ports');"
        "heavy = {'pydantic', 'serial', 'asyncio', 'cryptography', 'metersdk.dialog.opening', 'metersdk.meter'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert ran.stdout.strip() == "[]"
