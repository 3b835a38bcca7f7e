"""watch: traffic on a line with no session of ours."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from metersdk.cli.output import Output

SML = "sim://residential?speech=sml"


def test_for_people(cli: Any) -> None:
    ran = cli("watch", SML, "--count", "3")
    assert ran.code == 1
    lines = ran.out.splitlines()
    assert len(lines) == 3 and "544 octets at 9600 Bd: SML" in lines[2]
    assert "nothing" not in ran.out and "3 bursts" in ran.err


def test_one_document(cli: Any) -> None:
    ran = cli("watch", "sim://residential?mode=D", "--for", "60", "--json")
    assert ran.code == 1
    document = ran.document
    assert (document["command"], document["seen"]) == ("watch", len(document["bursts"]))
    last = document["bursts"][-1]
    assert set(last) == {"time", "seconds", "octets", "baud", "looks", "text", "head"}
    assert (last["looks"], last["baud"]) == ("telegram", 2400)


def test_lines_as_they_come(cli: Any) -> None:
    ran = cli("watch", SML, "--for", "20", "--jsonl")
    assert {line["type"] for line in ran.lines[:-1]} == {"burst"}
    assert ran.lines[-1] == {"schema_version": 1, "type": "end", "seen": len(ran.lines) - 1}


@pytest.mark.parametrize("mode", [(), ("--json",), ("--jsonl",)])
def test_a_silent_line(cli: Any, mode: tuple[str, ...]) -> None:
    ran = cli("watch", "sim://residential", "--for", "1000", *mode)
    assert ran.code == 0
    if mode == ("--json",):
        assert ran.document["bursts"] == [] and ran.document["seen"] == 0


def test_nothing_is_sent_and_all_is_recorded(cli: Any, tmp_path: Path) -> None:
    trace = tmp_path / "heard.trace"
    assert cli("watch", SML, "--count", "4", "--trace", trace).code == 1
    shown = cli("trace", trace, "--json").document["events"]
    assert not [event for event in shown if event["direction"] == "sent"]
    # What was recorded can be watched again.
    assert cli("watch", f"trace://{trace}", "--count", "1").code == 1


def test_a_port_that_is_not_there(cli: Any) -> None:
    ran = cli("watch", "/dev/no-such-probe", "--json")
    assert ran.code == 3 and ran.error["class"] == "PortNotFound"


def test_told_to_stop_as_soon_as_it_says_how(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(self: Output, text: str, style: str = "") -> None:
        if text.startswith("listening"):
            raise KeyboardInterrupt

    monkeypatch.setattr(Output, "say", interrupted)
    ran = cli("watch", "sim://residential", "--jsonl")
    assert ran.code == 0 and [line["type"] for line in ran.lines] == ["end"]


@pytest.mark.skipif(os.name != "posix", reason="pseudo terminals and signals of POSIX")
@pytest.mark.usefixtures("heard_signals")
@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM", "SIGHUP"])
@pytest.mark.parametrize("spoken", [True, False])
def test_until_told_to_stop(tmp_path: Path, number: str, spoken: bool) -> None:
    import pty
    import tty

    master, slave = pty.openpty()
    tty.setraw(slave)
    words = [sys.executable, "-P", "-W", "error", "-m", "metersdk", "watch", os.ttyname(slave), "--jsonl"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "cwd": tmp_path}
    with subprocess.Popen(words, **pipes) as process:  # type: ignore[call-overload]
        try:
            assert process.stderr.readline()
            if spoken:
                # Until it listens: opening a device clears what waits in it.
                deadline = time.monotonic() + 30
                while not os.write(master, b"\xaf\x3f\x21\x8d\x0a") or not _read(process, 0.9):
                    assert time.monotonic() < deadline
            process.send_signal(getattr(signal, number))
            out, err = process.communicate(timeout=60)
        finally:
            process.kill()
            os.close(master)
            os.close(slave)
    assert process.returncode == (1 if spoken else 0) and err == ""
    assert json.loads(out.splitlines()[-1])["type"] == "end"


def _read(process: subprocess.Popen[str], seconds: float) -> bool:
    """Whether a burst was told."""
    import select

    assert process.stdout is not None
    if not select.select([process.stdout], [], [], seconds)[0]:
        return False
    told = json.loads(process.stdout.readline())
    assert (told["type"], told["looks"]) == ("burst", "sign-on")
    return True
