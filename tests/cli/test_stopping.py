"""Ctrl-C, SIGTERM, SIGHUP, and streams that are closed or full: how a command ends when somebody else ends it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from metersdk.cli import stopping
from metersdk.cli.output import Output
from metersdk.cli.stopping import Stop, Stopped
from metersdk.effects import State

pytestmark = pytest.mark.usefixtures("heard_signals")

SIM = "sim://residential"
posix = pytest.mark.skipif(os.name != "posix", reason="signals and descriptors of POSIX")
ENDS = [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)]


@pytest.fixture
def once_associated(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Signals that this process gets, one after the other, as soon as a session stands."""
    numbers: list[int] = []
    hear = Output.hear

    def heard(self: Output, event: object) -> None:
        if isinstance(event, State) and event.name == "associated":
            for number in numbers:
                signal.raise_signal(number)
        hear(self, event)

    monkeypatch.setattr(Output, "hear", heard)
    kept = {number: signal.getsignal(number) for number in stopping._ENDING}
    yield numbers
    assert {number: signal.getsignal(number) for number in kept} == kept


@posix
@pytest.mark.parametrize(("name", "code"), ENDS)
@pytest.mark.parametrize("times", [1, 2])
def test_the_meter_hears_good_bye(
    cli: Any, tmp_path: Path, once_associated: list[int], name: str, code: int, times: int
) -> None:
    once_associated += [getattr(signal, name)] * times
    ran = cli("registers", SIM, "--trace", tmp_path / "session.jsonl", "--json")
    assert (ran.code, ran.out) == (code, "")
    assert (ran.error["class"], ran.error["exit_code"]) == ("Interrupted", code)
    shown = cli("trace", tmp_path / "session.jsonl")
    assert shown.code == 0 and "DISC" in shown.out.rpartition("AARQ")[2]


@posix
def test_what_is_ignored_stays_ignored(cli: Any, once_associated: list[int]) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        once_associated.append(signal.SIGHUP)
        assert cli("registers", SIM).code == 0
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        once_associated.clear()
        signal.signal(signal.SIGHUP, before)


def test_an_exception_that_became_another_one(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def amid_an_import(*args: object, **more: object) -> None:
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt as stopped:
            raise RuntimeError("Error calling __set_name__") from stopped

    monkeypatch.setattr("metersdk.cli.options.connect", amid_an_import)
    ran = cli("identify", SIM)
    assert (ran.code, ran.err) == (130, "error: interrupted\n")


def test_only_who_is_impatient_cuts_it_short(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("metersdk.cli.stopping.time.monotonic", lambda: now)
    with Stop() as stop:
        with pytest.raises(Stopped):
            signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
        now = 101.5
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(Stopped):
            signal.raise_signal(signal.SIGINT)
        assert stop.exit_code == 143
        stop.ends()
        signal.raise_signal(signal.SIGINT)


def test_while_it_is_loaded_and_when_it_is_over(tmp_path: Path) -> None:
    before = "from metersdk.cli.stopping import *; import signal; leave_at_once(); signal.raise_signal(signal.SIGINT)"
    ran = subprocess.run([sys.executable, "-P", "-c", before], capture_output=True, text=True, cwd=tmp_path)
    assert (ran.returncode, ran.stderr) == (130, "")
    after = "import signal, sys; from metersdk.cli import main; sys.argv = ['metersdk', '--version']; code = main(); "
    after += "signal.raise_signal(signal.SIGINT); sys.exit(code)"
    ran = subprocess.run([sys.executable, "-P", "-c", after], capture_output=True, text=True, cwd=tmp_path)
    assert (ran.returncode, ran.stderr) == (0, "") and "version" in ran.stdout


@posix
@pytest.mark.parametrize(("words", "code"), [(("identify", SIM), 0), (("identify", "/dev/no-such-probe"), 3)])
@pytest.mark.parametrize("closed", [(1,), (2,), (0, 1, 2)])
def test_streams_that_are_closed(tmp_path: Path, words: tuple[str, ...], code: int, closed: tuple[int, ...]) -> None:
    def close() -> None:
        for descriptor in closed:
            os.close(descriptor)

    command = [sys.executable, "-P", "-W", "error", "-m", "metersdk", *words]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, preexec_fn=close)
    assert ran.returncode == code and "Traceback" not in ran.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is always full")
@pytest.mark.parametrize("mode", ["-v", "--json"])
def test_a_disk_that_is_full(tmp_path: Path, mode: str) -> None:
    command = [sys.executable, "-P", "-W", "error", "-m", "metersdk", "identify", SIM, mode]
    with open("/dev/full", "w") as full:
        ran = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
        assert ran.returncode == 3 and "No space left" in ran.stderr and "make room" in ran.stderr
        assert "Traceback" not in ran.stderr and "Exception" not in ran.stderr
        command[command.index(SIM)] = "/dev/no-such-probe"
        ran = subprocess.run(command, stdout=subprocess.PIPE, stderr=full, text=True, cwd=tmp_path)
        assert (ran.returncode, ran.stdout) == (3, "")
