"""scan: every frame of a capture, proved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from metersdk.frame.hdlc import Frame
from metersdk.frame.iec62056_21 import block

GOOD = Frame(b"\x03", b"\x21", 0x93).encode()
BAD = GOOD[:-2] + b"\x00" + GOOD[-1:]


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    path = tmp_path / "capture.bin"
    path.write_bytes(b"\x00" + GOOD + BAD + GOOD)
    return path


def test_for_people(cli: Any, capture: Path) -> None:
    ran = cli("scan", capture, "--kind", "hdlc")
    assert ran.code == 1
    told = dict(line.split() for line in ran.out.splitlines()[:4])
    assert told == {"Octets": "28", "Frames": "3", "Good": "2", "Bad": "1"}
    assert ran.out.splitlines()[-1].split() == ["10", "9", "check"]
    assert len(cli("scan", capture, "--kind", "hdlc", "--all").out.splitlines()) == 4 + 1 + 3


def test_for_programs(cli: Any, capture: Path) -> None:
    document = cli("scan", capture, "--kind", "hdlc", "--json").document
    assert (document["frames"], document["good"], document["octets"]) == (3, 2, 28)
    assert document["reasons"] == {"good": 2, "check": 1}
    assert document["rows"][1] == {"offset": 10, "length": 9, "ok": False, "reason": "check"}
    *frames, end = cli("scan", capture, "--kind", "hdlc", "--jsonl").lines
    assert [frame["ok"] for frame in frames] == [True, False, True] and end["type"] == "end"


def test_good_captures(cli: Any, tmp_path: Path) -> None:
    path = tmp_path / "readout.hex"
    path.write_text(block(b"1.8.0(1*kWh)\r\n!\r\n").hex(" "))
    assert cli("scan", path, "--kind", "iec62056-21", "--hex").code == 0
    assert cli("scan", "-", "--kind", "hdlc", stdin=GOOD).code == 0


def test_captures_without_frames(cli: Any, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.touch()
    assert cli("scan", empty, "--kind", "hdlc").code == 1
    ran = cli("scan", "-", "--kind", "c1218", stdin=b"hello")
    assert ran.code == 1 and "no frame of c1218" in ran.err and "metersdk trace" in ran.err


def test_a_recorded_session_is_for_trace(cli: Any, tmp_path: Path) -> None:
    path = tmp_path / "session.jsonl"
    assert cli("table", "sim://ansi?protocol=c1218", 1, "--trace", path).code == 0
    ran = cli("scan", path, "--kind", "c1218")
    assert ran.code == 2 and f"metersdk trace {path}" in ran.err
    assert cli("trace", path).code == 0


def test_used_wrongly(cli: Any, tmp_path: Path, capture: Path) -> None:
    assert cli("scan", tmp_path / "none", "--kind", "hdlc").code == 3
    assert cli("scan", capture).code == 2
    assert cli("scan", capture, "--kind", "hdlc", "--hex").code == 2
