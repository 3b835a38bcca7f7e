"""line: what earlier sessions taught, shown and forgotten."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click
import pytest

from metersdk.port.memory import MemoryFile

PROBE = "rfc2217://127.0.0.1:4001"
MODEL = "/ABC5METER"


@pytest.fixture
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MemoryFile:
    path = tmp_path / "line.json"
    monkeypatch.setenv("METERSDK_STATE", str(path))
    kept = MemoryFile(path)
    kept.put("probes", PROBE, {"switch_margin": 0.1, "switch_margin_fast": 0.02})
    kept.put("probes", "usb-Probe_0002", {"switch_margin": 0.05})
    kept.put("meters", f"{MODEL} {PROBE}", {"9600": [3, 1], "rest": 4, "serial": "12345678"})
    kept.put("meters", f"{MODEL} 4711", {"information": 128, "clean": 1, "9600": [3, 0]})
    return kept


def names(memory: MemoryFile) -> list[str]:
    return [name for entries in memory.sections().values() for name in entries]


def test_shown_for_people(cli: Any, memory: MemoryFile) -> None:
    ran = cli("line", "show")
    assert ran.code == 0 and str(memory.path) in ran.err
    rows = ran.out.splitlines()[1:]
    assert len(rows) == 4
    assert rows[0].split() == ["probe", PROBE, *_margins(100, 20)]
    assert rows[2].endswith(
        "9600 Bd: 3 good sessions, the last 1 bad; 300 Bd for 4 more sessions; serial number 12345678"
    )
    assert rows[3].endswith("HDLC frames of 128 octets; 9600 Bd: 3 good sessions")


def _margins(normal: int, fast: int) -> list[str]:
    text = "speed changed {} ms after the acknowledgement"
    return f"{text.format(normal)}; {text.format(fast)} (fast meters)".split()


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ((), [PROBE, "usb-Probe_0002", f"{MODEL} {PROBE}", f"{MODEL} 4711"]),
        ((PROBE,), [PROBE, f"{MODEL} {PROBE}"]),
        ((f"{PROBE}?address=4711",), [PROBE, f"{MODEL} 4711"]),
        (("/dev/serial/by-id/usb-Probe_0002",), ["usb-Probe_0002"]),
        (("/dev/ttyS99",), []),
    ],
)
def test_shown_and_forgotten_for_programs(
    cli: Any, memory: MemoryFile, words: tuple[str, ...], shown: list[str]
) -> None:
    ran = cli("line", "show", *words, "--json")
    assert (ran.code, ran.document["command"], ran.document["file"]) == (0, "line show", str(memory.path))
    assert [entry["name"] for entry in ran.document["entries"]] == shown
    before = names(memory)
    ran = cli("line", "forget", *words, "--json")
    assert ran.code == 0 and [entry["name"] for entry in ran.document["forgotten"]] == shown
    assert names(memory) == [name for name in before if name not in shown]


def test_nothing_to_show(cli: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("METERSDK_STATE", str(tmp_path / "none.json"))
    assert "nothing is remembered" in cli("line", "show").err
    assert "nothing was remembered" in cli("line", "forget").err
    monkeypatch.setenv("METERSDK_STATE", "")
    assert cli("line", "show", "--json").document["file"] is None
    assert cli("line", "forget", "-y").code == 0


def test_lines_as_they_come(cli: Any, memory: MemoryFile) -> None:
    assert [line["type"] for line in cli("line", "show", "--jsonl").lines] == ["entry"] * 4


@pytest.mark.parametrize(("answer", "kept"), [(True, 0), (False, 4)])
def test_a_person_is_asked(
    cli: Any, memory: MemoryFile, monkeypatch: pytest.MonkeyPatch, answer: bool, kept: int
) -> None:
    asked: list[str] = []

    def ask(question: str, yes: bool) -> None:
        asked.append(question)
        if not (answer or yes):
            raise click.Abort

    monkeypatch.setattr("metersdk.cli.line.ask", ask)
    assert cli("line", "forget").code == (0 if answer else 130)
    assert len(names(memory)) == kept and PROBE in asked[0]


def test_the_file_of_somebody_else_is_left_alone(cli: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "diary.txt"
    path.write_text("My dear diary\n")
    monkeypatch.setenv("METERSDK_STATE", str(path))
    ran = cli("line", "forget", "-y", "--json")
    assert ran.code == 3 and "not written by metersdk" in ran.error["message"]
    assert path.read_text() == "My dear diary\n"


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_file_that_cannot_be_written(cli: Any, memory: MemoryFile) -> None:
    memory.path.parent.chmod(0o500)
    try:
        assert cli("line", "forget", PROBE, "-y").code == 3
    finally:
        memory.path.parent.chmod(0o700)
