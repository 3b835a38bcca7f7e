"""Thirty days of a load profile over lines that damage or lose octets: all of it comes home, proved, or what is missing
is named. What the damage costs in line time is said in the test report (``record_property``)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from metersdk import fast
from metersdk.errors import Finding, MeterError, PartialResult
from metersdk.model.profile import Profile
from metersdk.port.line import LineModel

MakeRig = Any
Record = Callable[[str, object], None]
DAMAGED, LOST = {"flip": 0.01}, {"lose": 0.005}
PROFILE = "1.0.99.1.0.255"
NOW = datetime(2026, 11, 1, tzinfo=UTC)
# A meter with rows every 15 minutes; frames as long as they may be.
LINE: dict[str, Any] = {"speech": "hdlc", "model": LineModel(baud=9600, turnaround=0.02), "image": "residential"}
MODE_E: dict[str, Any] = {"speech": "optical", "model": LineModel(baud=300), "image": "residential"}
KINDS = {
    "HDLC": LINE,
    "HDLC, ciphered": {**LINE, "client": 1},
    "mode E": MODE_E,
}


def read(it: Any) -> tuple[Profile, float, set[str]]:
    """The profile, the seconds on the line, and what was found."""
    port = it.port(it.device())
    meter = it.connect(port)
    begun = port.now()
    profile = meter.get_profile(PROFILE, start=NOW - timedelta(days=30), stop=NOW)
    taken = port.now() - begun
    codes = {finding.code for finding in meter.findings if isinstance(finding, Finding)}
    meter.close()
    return profile, taken, codes


@pytest.mark.parametrize("damage", [DAMAGED, LOST], ids=["1 % damaged", "0.5 % lost"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_profile_over_dlms(rig: MakeRig, kind: str, damage: dict[str, float], record_property: Record) -> None:
    it = rig(**KINDS[kind])
    whole, clean, _ = read(it)
    assert len(whole) == 2881 - 3 and not whole.truncated
    home = 0
    # Each takes seconds: the Python twin of the kernel is tried with two.
    seeds = 2 if fast.IMPL != "c" else 3 if it.client == 1 else 6
    for seed in range(seeds):
        keys = it.new_keys(invocation_counter=1 + 100_000 * (seed + 1))
        try:
            got, taken, codes = read(it.but(model=replace(it.model, seed=seed, **damage), keys=keys))
        except PartialResult as error:
            # Not all: what came is right, and the hint says from where to ask on.
            part = error.result
            assert isinstance(part, Profile) and part.truncated and "ask for the rest from" in error.hint
            assert list(part.rows()) == list(whole[: len(part)].rows())
            continue
        except MeterError as error:
            # At the sign-on, or before a row came.
            assert (error.layer and error.retryable) or error.hint, error
            continue
        assert got == whole, seed
        assert "line-damaged" in codes
        home += 1
        record_property(f"seconds of seed {seed}, {clean:.0f} without damage", round(taken))
        assert taken < 15 * clean
    assert home >= seeds - 1, home


@pytest.mark.parametrize("flip", [0.0002, 0.001, 0.003])
def test_frames_become_as_short_as_the_line_asks_for(rig: MakeRig, flip: float) -> None:
    it = rig(**LINE)
    whole, clean, _ = read(it)
    got, taken, codes = read(it.but(model=replace(it.model, flip=flip, seed=1)))
    assert got == whole
    assert taken < 6 * clean
    assert "line-damaged" in codes or flip < 0.001


@pytest.mark.parametrize("damage", [DAMAGED, LOST], ids=["1 % damaged", "0.5 % lost"])
def test_a_profile_as_text(rig: MakeRig, damage: dict[str, float], tmp_path: Path, record_property: Record) -> None:
    """P.01 in programming mode, a row each hour. The rows that never came are named, from when to when."""
    image = tmp_path / "hourly.toml"
    classic = resources.files("metersdk.simulator").joinpath("images/classic.toml").read_text("utf-8")
    image.write_text(classic.replace("period = 900\n", "period = 3600\n"), "utf-8")
    it = rig(speech="optical", model=LineModel(baud=300), image=str(image))
    whole, clean, _ = read(it)
    # The clocks go back in that month: one hour comes twice.
    rows = set(whole.rows())
    assert len(rows) == 722
    model = replace(it.model, seed=1, **damage)
    try:
        got, taken, codes = read(it.but(model=model))
    except PartialResult as error:
        assert isinstance(error.result, Profile)
        assert "missing: 2026-10-" in error.message
        got = error.result
        gone = rows - set(got.rows())
        assert len(gone) < 60
        named = sum(missing for _, _, missing in got.gaps)
        assert len(gone) - 2 <= named <= len(gone)
        codes = {finding.code for finding in got.findings}
    else:
        record_property(f"seconds, {clean:.0f} without damage", round(taken))
    assert set(got.rows()) <= rows
    assert "extra-line-time" in codes
