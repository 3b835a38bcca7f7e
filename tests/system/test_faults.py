"""Damaged lines: the right result or a typed error, and never a wrong value."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from metersdk.dialog.timing import Timing
from metersdk.errors import MeterError
from metersdk.port.line import LineModel

MakeRig = Any
SEEDS = range(20)
OPTICAL = LineModel(baud=300, turnaround=0.02, latency=0.001)
LINE = LineModel(baud=9600, turnaround=0.02)
KINDS: dict[str, dict[str, Any]] = {
    "mode C": {"speech": "optical", "model": OPTICAL, "identification": "/MSK5SMALL"},
    "mode E": {"speech": "optical", "model": OPTICAL},
    "HDLC": {"speech": "hdlc", "model": LINE},
    "HDLC, small frames": {"speech": "hdlc", "model": LINE, "options": {"max_info": 32, "window": 3}},
    "HDLC, ciphered": {"speech": "hdlc", "model": LINE, "client": 1},
}
FAULTS: dict[str, dict[str, Any]] = {
    "flips": {"flip": 0.001},
    "many flips": {"flip": 0.02},
    "losses": {"lose": 0.001},
    "many losses": {"lose": 0.02},
    "noise": {"noise": 0.3},
    "much noise": {"noise": 10.0},
    "full echo": {"echo": "full"},
    "partial echo": {"echo": "partial"},
    "echo and flips": {"echo": "full", "flip": 0.002},
    "all of it": {"echo": "partial", "flip": 0.002, "lose": 0.001, "noise": 0.5},
    "octet by octet, with losses": {"piece": 1, "lose": 0.002},
}
# At these some sessions must come through, or nothing was tested.
MILD = {"flips", "losses", "noise", "full echo", "octet by octet, with losses"}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("kind", KINDS)
def test_sessions_over_a_bad_line(rig: MakeRig, kind: str, fault: str) -> None:
    it = rig(timing=Timing(response=8.0, total=120.0), **KINDS[kind])
    expected = it.session(it.port())
    right = 0
    for seed in SEEDS:
        port = it.but(model=replace(it.model, seed=seed, **FAULTS[fault])).port()
        try:
            meter = it.connect(port)
            got = it.read_all(meter)
            fell_back = kind == "mode E" and "iec62056-21" in meter.identity.protocol
            meter.close()
        except MeterError as error:
            assert str(error)
            continue
        assert fell_back or got[1:] == expected[1:], seed
        right += 1
    assert right >= (len(SEEDS) // 2 if fault in MILD else 0), right


@pytest.mark.parametrize("drop", range(1, 12))
@pytest.mark.parametrize("side", ["drop_requests", "drop_answers"])
@pytest.mark.parametrize("kind", ["HDLC", "HDLC, small frames", "HDLC, ciphered"])
def test_any_one_frame_lost_over_hdlc_is_repaired(rig: MakeRig, kind: str, side: str, drop: int) -> None:
    it = rig(timing=Timing(response=8.0), **KINDS[kind])
    expected = it.session(it.port())
    port = it.but(model=replace(it.model, **{side: frozenset({drop})})).port()
    assert it.session(port) == expected


@pytest.mark.parametrize("late", [0.5, 1.5, 2.5, 3.5])
@pytest.mark.parametrize("frame", range(1, 9))
def test_any_one_frame_late_over_hdlc(rig: MakeRig, frame: int, late: float) -> None:
    """Later than the client's patience: it asks again, and must not take the late copy for the next answer."""
    it = rig(timing=Timing(response=8.0), **KINDS["HDLC"])
    expected = it.session(it.port())
    assert it.session(it.but(model=replace(it.model, late={frame: late})).port()) == expected
