"""Each fuzz target for a short while; ``make fuzz`` goes on for as long as it is told."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

# The targets are modules beside this file, found in the same way when they are run as a script.
sys.path.insert(0, str(Path(__file__).resolve().parent))

import run
from fuzz_mutation import Target, mutated

SESSIONS = {name for name, target in run.TARGETS.items() if target.decisions}


@pytest.mark.parametrize("name", run.TARGETS)
def test_target(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "KEPT", tmp_path)
    tally = run.fuzz(run.TARGETS[name], seed=20, cases=40 if name in SESSIONS else 300)
    assert tally.found == 0, "".join(path.read_text("utf-8") for path in tmp_path.glob("*.txt"))


@pytest.mark.parametrize("name", ["axdr", "meter-hdlc"])
def test_the_same_number_makes_the_same_input(name: str) -> None:
    target = run.TARGETS[name]
    seeds = list(target.seeds())
    inputs = [mutated(target, seeds, 1, number) for number in range(50)]
    assert inputs == [mutated(target, seeds, 1, number) for number in range(50)]
    assert inputs != [mutated(target, seeds, 2, number) for number in range(50)]
    assert len(set(inputs)) > 30


@pytest.mark.parametrize(
    ("fault", "what"),
    [
        (lambda data: data[1000], "IndexError"),
        (lambda data: bytes(400 << 20) and None, "octets of memory"),
        (lambda data: sum(range(10**7)), "s for"),
    ],
    ids=["undocumented error", "memory", "time"],
)
def test_what_is_found_is_kept_and_can_be_replayed(
    fault: object, what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run, "KEPT", tmp_path)
    monkeypatch.setattr(run, "SLOW", 0.02)
    bad = Target("bad", fault, lambda: [b"seed"], ())  # type: ignore[arg-type]
    tally = run.fuzz(bad, seed=1, cases=3, first=64 if "memory" in what else 65, most=1)
    assert tally.found == 1
    (kept,) = tmp_path.glob("*.bin")
    assert what in kept.with_suffix(".txt").read_text("utf-8")
    assert "kept" in capsys.readouterr().err
    if what == "IndexError":
        with pytest.raises(IndexError):
            run.replay(bad, kept)
