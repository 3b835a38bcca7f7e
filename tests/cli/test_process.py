"""The console script as a process of its own: pipes, signals, simulate, demo."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import metersdk
from metersdk.cli import chart

pytestmark = pytest.mark.usefixtures("heard_signals")

SIM = "sim://residential"
COMMAND = [sys.executable, "-P", "-W", "error", "-m", "metersdk"]


def run(folder: Path, *words: str, **more: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *words], capture_output=True, text=True, cwd=folder, timeout=60, **more)


@contextmanager
def started(folder: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "cwd": folder}
    with subprocess.Popen([*COMMAND, *words], **options) as process:  # type: ignore[call-overload]
        try:
            yield process
        finally:
            process.kill()


def test_a_module_that_runs(tmp_path: Path) -> None:
    ran = run(tmp_path, "read", SIM, "1.8.0")
    assert (ran.returncode, ran.stderr) == (0, "") and ran.stdout.splitlines()[1].startswith("1.0.1.8.0.255")
    ran = run(tmp_path, "read", SIM, "zz")
    assert ran.returncode == 2 and "Traceback" not in ran.stderr


def test_a_reader_that_has_enough(tmp_path: Path) -> None:
    with started(tmp_path, "profile", "sim://bench?framing=wrapper") as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline().startswith("time,")
        process.stdout.close()
        assert process.stderr.read() == "" and process.wait(60) == 0


def test_without_its_libraries(tmp_path: Path) -> None:
    code = "import sys; sys.modules['click'] = None; from metersdk.cli import main; raise SystemExit(main())"
    ran = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert ran.returncode == 2 and ran.stdout == ""
    assert ran.stderr == 'click is not installed; the command line needs it: pip install "metersdk[cli]"\n'


def test_simulate_until_told_to_stop(tmp_path: Path) -> None:
    places = ("--listen", "tcp://127.0.0.1:0", "--listen", "pty", "--framing", "hdlc", "--count", "2")
    with started(tmp_path, "simulate", *places, "--no-pace", "--json") as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        assert ready["schema_version"] == 1 and ready["ready"] is True and len(ready["targets"]) == 4
        assert ready["targets"][0].endswith("framing=hdlc") and ready["targets"][1].startswith("/dev/")
        with metersdk.connect(ready["targets"][0]) as meter:
            assert meter.identity.serial_number == "12345678"
        with metersdk.connect(ready["targets"][2]) as meter:
            assert meter.identity.serial_number == "12345679"
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_simulate_ended_by_a_service_manager(tmp_path: Path) -> None:
    with started(tmp_path, "simulate", "--listen", "udp://127.0.0.1:0") as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("udp://127.0.0.1:")
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


def test_simulate_used_wrongly(cli: Any) -> None:
    assert cli("simulate", "--image", "no-such-image").code == 2
    assert cli("simulate", "--listen", "smoke://here").code == 2
    ran = cli("simulate", "--fault", "colour=red")
    assert ran.code == 2 and "bad-bcc" in ran.err
    both = ("--listen", "tcp://127.0.0.1:0?framing=hdlc", "--framing", "wrapper")
    assert cli("simulate", *both).code == 2
    assert cli("simulate", "--listen", "tcp://192.0.2.1:4059").code == 3


def test_simulate_for_a_while(cli: Any) -> None:
    ran = cli("simulate", "--listen", "tcp://127.0.0.1:0", "--for", 0)
    assert ran.code == 0 and ran.out.startswith("tcp://127.0.0.1:") and "metersdk identify" in ran.err


@pytest.mark.realtime
def test_demo(tmp_path: Path) -> None:
    ran = run(tmp_path, "demo", "--out", "tour", "--speed", "fast", env={**os.environ, "PYTHONIOENCODING": "utf-8"})
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "\x1b" not in ran.stdout and "█" in ran.stdout
    for told in ("mode E at 9600 Bd", "MSK METERSDK-R1, serial number 12345678", "18 readings", "Import, W", "LOW"):
        assert told in ran.stdout
    rows = (tmp_path / "tour" / "profile.csv").read_text().splitlines()
    assert rows[0].startswith("time,") and 90 <= len(rows) - 1 <= 98
    session = run(tmp_path, "trace", "tour/session.jsonl")
    assert session.returncode == 0 and "association request (AARQ)" in session.stdout


@pytest.mark.realtime
def test_demo_for_programs_and_without_unicode(tmp_path: Path) -> None:
    ran = run(tmp_path, "demo", "--speed", "fast", "--json")
    document = json.loads(ran.stdout)
    assert ran.returncode == 0 and document["demo"]["files"]["profile"].endswith("profile.csv")
    assert all(step["seconds"] >= 0 for step in document["demo"]["steps"])
    ran = run(tmp_path, "trace", "demo-out/session.jsonl", env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert ran.returncode == 0 and ran.stdout.isascii() and "-->" in ran.stdout


@pytest.mark.realtime
@pytest.mark.parametrize(
    ("meter", "told"),
    [
        ("classic", ("MSK METERSDK-C1, serial number 20041973", "Import, W", "Log book P.98")),
        ("battery", ("Woken up", "MSK METERSDK-W1, serial number 70003511", "Cold water volume")),
        ("sml", ("Telegram 3", "sml at 9600 Bd", "Active power net")),
        ("ansi", ("MSDK ANSI-A1, serial number 26010042", "Logged on", "Import, W", "Logs: tables 74 and 76")),
    ],
)
def test_demo_of_other_meters(tmp_path: Path, meter: str, told: tuple[str, ...]) -> None:
    env = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    ran = run(tmp_path, "demo", "--meter", meter, "--out", "tour", "--speed", "fast", env=env)
    assert (ran.returncode, ran.stderr) == (0, "")
    for words in told:
        assert words in ran.stdout
    assert (tmp_path / "tour" / "profile.csv").exists() is (meter in ("classic", "ansi"))
    assert (tmp_path / "tour" / "session.jsonl").exists()


def lines(numbers: Sequence[float], top: float) -> list[str]:
    return list(chart.bars(numbers, 2, top))


def test_bars() -> None:
    assert lines([0, 4, 8, 12, 16], 16) == ["   ▄█", " ▄███"]
    assert lines([-5, 99], 16) == [" █", " █"] and lines([0, 0], 0) == ["  ", "  "]
    assert list(chart.bars([16, 2], 1, 16, blocks=False)) == ["# "]
    assert chart.thinned([1, 2, 3, 4, 5], 3) == ([1.5, 3.5, 5.0], 2)
    assert chart.hours(["", "00:00", "", "", "", "", "", "03:00"], 1) == " 00:00 03:00"
