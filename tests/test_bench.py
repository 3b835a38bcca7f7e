"""The benchmark runs, and every side that is installed answers right; what it measures here means nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BENCH = ROOT / "tests" / "bench" / "run.py"
# Others need the environments of their peers, which `make bench` makes.
ALONE = (
    "crc-128",
    "crc-1k",
    "crc-1m",
    "scan",
    "profile",
    "profile-null",
    "memory",
    "memory-null",
    "gcm",
    "load-profile",
    "sml",
    "readout",
    "readout-values",
)


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(BENCH), "--smoke", "--no-install", "--out", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def test_every_workload_gives_right_answers(tmp_path: Path) -> None:
    # A wrong answer of any side ends the run with 1.
    ended = run(tmp_path, "--json", "--peers", str(tmp_path), *(word for name in ALONE for word in ("--only", name)))
    assert ended.returncode == 0, ended.stderr
    result = json.loads(ended.stdout)
    compared = {(row["workload"], row["peer"]) for row in result["rows"]}
    assert {name for name, peer in compared if peer == "dlms-cosem"} >= {"profile", "profile-null", "memory", "gcm"}
    if find_spec("fastcrc"):
        assert {("crc-1m", "fastcrc"), ("scan", "find + fastcrc")} <= compared
    assert any("gurux-dlms==1.0.203 is not installed" in text for text in result["missing"])
    assert all(row["ratio"] > 0 for row in result["rows"])
    assert json.loads((tmp_path / "bench.json").read_text(encoding="utf-8")) == result


@pytest.mark.interop
@pytest.mark.parametrize("name", ["read-wrapper", "read-hdlc"])
def test_both_clients_read_the_same_meter(tmp_path: Path, name: str) -> None:
    ended = run(tmp_path, "--json", "--only", name)
    assert ended.returncode == 0, ended.stderr
    result = json.loads(ended.stdout)
    if result["missing"]:
        pytest.skip(result["missing"][0])
    assert [(row["workload"], row["peer"]) for row in result["rows"]] == [(name, "pydlms")]


def test_tables(tmp_path: Path) -> None:
    ended = run(tmp_path, "--only", "gcm")
    assert ended.returncode == 0, ended.stderr
    first, *_, last = ended.stdout.splitlines()
    assert first.startswith('make bench BENCH_ARGS="--smoke --only gcm"')
    assert last.startswith("AES-128-GCM, 128 B APDU deciphered") and "dlms-cosem" in last
    ended = run(tmp_path, "--only", "gcm", "--markdown")
    assert "| AES-128-GCM, 128 B APDU deciphered |" in ended.stdout
