"""One session teaches the next: the moment of the switch, the speeds that hold, the length of frames."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from c1219_rig import C1219Rig
from matrix_rig import Case, mistuned, mode_c

from metersdk.dialog.adapting import METERS, PROBES, Adaptation
from metersdk.dialog.hearing import Hearing
from metersdk.dialog.iec62056_21_readout import Readout
from metersdk.dialog.opening import open_session
from metersdk.dialog.timing import Timing
from metersdk.dialog.watching import LineWatch
from metersdk.effects import Dialog
from metersdk.errors import Finding, MeterError
from metersdk.frame.buffer import FrameCounts
from metersdk.meter import Meter
from metersdk.port.drive import run
from metersdk.port.line import LineModel
from metersdk.port.virtual import VirtualPort
from session_rig import Rig

METER = "/MSK5SMALL probe"


class Notes:
    """A store in memory."""

    def __init__(self, **sections: dict[str, dict[str, object]]) -> None:
        self.sections: dict[str, dict[str, dict[str, object]]] = {PROBES: {}, METERS: {}, **sections}

    def get(self, section: str, key: str) -> dict[str, object]:
        return dict(self.sections[section].get(key, {}))

    def put(self, section: str, key: str, values: Mapping[str, object]) -> None:
        self.sections[section][key] = dict(values)


def session(case: Case, store: Notes, seed: int = 0) -> tuple[LineWatch, Adaptation, Readout | None]:
    adaptation = Adaptation(store, "probe")
    plan = adaptation.plan(case.plan)
    watch = LineWatch(adaptation=adaptation)
    port = VirtualPort(case.server, replace(case.model, baud=300, seed=seed))

    def both() -> Dialog[Readout]:
        opened = yield from open_session(plan)
        try:
            return (yield from opened.readout())
        finally:
            yield from opened.close()

    home = None
    try:
        home = run(watch.over(both()), port)
    except MeterError:
        pass
    watch.remember()
    return watch, adaptation, home


def test_a_clean_session_teaches_the_speed_only() -> None:
    store = Notes()
    watch, adaptation, home = session(Case(mode_c()), store)
    assert home is not None and store.sections == {PROBES: {}, METERS: {METER: {"9600": [1, 0]}}}
    assert adaptation.best_baud == watch.report().best_baud == 9600 and not adaptation.told


def test_a_slow_probe_is_given_more_time() -> None:
    store, verdicts = Notes(), []
    for seed in range(3):
        slow = LineModel(drain_lies=True, sending_latency=0.13, echo="full")
        watch, _, home = session(Case(mode_c(), slow), store, seed)
        verdicts.append([finding.code for finding in watch.findings()])
        assert home is not None
    assert verdicts == [["switch-early"], [], []]
    assert watch.report().baud == 9600 and watch.report().switch_delay == pytest.approx(0.15)
    assert store.get(PROBES, "probe") == {"switch_margin": 0.15}


def test_a_slower_probe_is_given_more_time_step_by_step() -> None:
    store = Notes()
    for _ in range(8):
        slow = LineModel(drain_lies=True, sending_latency=0.165)
        watch, _, _ = session(Case(mode_c(reaction=0.4), slow, timing=Timing(total=40.0)), store)
        if not watch.findings():
            break
    assert watch.findings() == () and 0.16 < store.get(PROBES, "probe")["switch_margin"] <= 0.18


def test_a_margin_that_is_too_long_is_shortened() -> None:
    store = Notes(probes={"probe": {"switch_margin": 0.18}})
    fast = b"/MSK5QUICK"
    for _ in range(6):
        watch, _, home = session(Case(mode_c(fast, reaction=0.05)), store)
        if not watch.findings():
            break
    assert home is not None and watch.findings() == ()
    assert store.get(PROBES, "probe")["switch_margin"] < 0.05


def test_what_the_caller_sets_wins() -> None:
    store = Notes(probes={"probe": {"switch_margin": 0.15}})
    watch, adaptation, _ = session(Case(mode_c(), timing=Timing(total=20.0, switch_margin=0.1)), store)
    assert watch.report().switch_delay == pytest.approx(0.1) and not adaptation.told


@pytest.mark.parametrize(
    "junk",
    [
        {"switch_margin": "soon"},
        {"switch_margin": 99},
        {"switch_margin": [1]},
        {"c1218_baud": 19200.0, "c1218_rest": 3},
    ],
)
def test_junk_that_is_remembered_changes_nothing(junk: dict[str, object]) -> None:
    meter = {"9600": "x", "rest": "y", "information": -4, "x": 3, "2400": [1], "²": [1, 0], "9" * 5000: [1, 0]}
    store = Notes(probes={"probe": junk}, meters={METER: meter})
    watch, _, home = session(Case(mode_c()), store)
    assert home is not None and watch.report().baud == 9600
    assert watch.report().switch_delay == pytest.approx(0.06)


def test_a_speed_that_does_not_hold_is_left_and_tried_again() -> None:
    store, speeds, told = Notes(), [], []
    for number in range(9):
        # The meter's table of speeds is wrong for the first sessions; then somebody mends it.
        server: Any = mistuned(mode_c(), 0.5) if number < 4 else mode_c()
        watch, adaptation, _ = session(Case(server), store)
        speeds.append([baud for turn in watch.record.turns for _, baud in turn.switches if baud > 300])
        told.append([state.text for state in adaptation.told])
    # Only the speed that the meter offers, or 300 Bd, is ever used.
    assert {speed for each in speeds for speed in each} == {9600}
    at_rest = [not each for each in speeds]
    assert at_rest == [False, False, True, True, True, True, False, False, False]
    assert all(bool(each) == rest for each, rest in zip(told, at_rest, strict=True))
    findings = [event for event in adaptation.told if isinstance(event, Finding)]
    assert adaptation.best_baud == 9600 and not findings


def test_a_lower_speed_is_a_finding_that_says_how_to_forget() -> None:
    store = Notes(meters={METER: {"rest": 3}})
    adaptation = Adaptation(store, "probe", "state.json")
    port = VirtualPort(mode_c(), LineModel(baud=300))
    opened = run(open_session(adaptation.plan(Case(mode_c()).plan)), port)
    (found,) = adaptation.told
    assert isinstance(found, Finding) and found.code == "remembered-speed"
    assert "state.json" in found.hint and "memory=False" in found.hint
    run(opened.close(), port)


def test_a_damaged_identification_is_no_key() -> None:
    store = Notes()
    home = 0
    for seed in range(40):
        # A session that is known to suffer must not bring the next one to rest.
        store.sections[METERS].pop(METER, None)
        _, _, read = session(Case(mode_c(), LineModel(flip=0.02)), store, seed)
        home += read is not None
    assert home >= 5
    assert set(store.sections[METERS]) <= {METER}
    session(Case(mode_c()), store)
    assert set(store.sections[METERS]) == {METER}


def test_another_address_or_serial_number_is_another_meter() -> None:
    store = Notes(meters={METER: {"9600": [0, 1], "serial": "111"}})
    told = b"0.0.0(222)\r\n1-0:1.8.0(000123*kWh)\r\n"
    session(Case(mode_c(lines=told)), store)
    assert store.sections[METERS] == {METER: {"9600": [1, 0], "serial": "222"}}
    session(Case(mode_c(lines=told, address="77"), options={"mode": "C", "address": "77"}), store)
    assert store.sections[METERS]["/MSK5SMALL 77"] == {"9600": [1, 0], "serial": "222"}


def test_frames_get_shorter_where_they_are_damaged_and_longer_again() -> None:
    store = Notes()
    case = Case(mode_c())
    lengths = []
    for counts in (FrameCounts(20, 5), FrameCounts(30, 6), *[FrameCounts(40, 0)] * 6):
        adaptation = Adaptation(store, "probe")
        watch, _, _ = session(case, Notes())
        adaptation.learn(watch.evidence(), counts, ())
        lengths.append(store.get(METERS, METER).get("information"))
        case = Case(mode_c())
    assert lengths == [128, 64, 64, 64, 128, 128, 128, 512]


def test_remembered_frames_are_proposed() -> None:
    store = Notes(meters={r"/MSK5\2SMALL probe": {"information": 64}})
    rig = Rig(speech="optical", model=LineModel(baud=300))
    adaptation = Adaptation(store, "probe")
    watch = LineWatch(adaptation=adaptation)
    port = rig.port()
    opened = run(watch.over(open_session(adaptation.plan(rig.plan))), port)
    link = opened._connection.association.link  # type: ignore[attr-defined]
    assert link.parameters.max_info_rx <= 64
    assert [state.text for state in adaptation.told] == ["HDLC frames of 64 octets"]
    run(opened.close(), port)


def ansi(store: Notes, *, carries: int, **options: object) -> tuple[Adaptation, int | None, float]:
    """One session with an ANSI meter behind a head that carries no more than so many Bd: its speed, and its time."""
    adaptation = Adaptation(store, "probe")
    rig = C1219Rig(options=options)
    port = rig.port()
    set_line = port.set_line
    port.set_line = lambda baud: set_line(min(baud, carries))  # type: ignore[method-assign]
    watch = LineWatch(adaptation=adaptation)

    hearing = Hearing()
    meter = Meter(port, run(watch.over(open_session(adaptation.plan(rig.plan))), port, hearing), hearing, watch)
    baud = meter.identity.baud
    assert meter.line.findings == ()
    meter.close()
    return adaptation, baud, port.now()


def test_a_head_that_is_too_slow_for_an_ansi_meter_is_remembered() -> None:
    store = Notes()
    speeds = []
    for _ in range(6):
        adaptation, baud, seconds = ansi(store, carries=19200)
        speeds.append((baud, seconds < 5.0))
    # One speed less each time, until one holds.
    assert speeds == [(9600, False), (9600, False), (19200, True), (19200, True), (19200, True), (19200, True)]
    assert [each.text for each in adaptation.told] == ["ANSI C12.18 at 19200 Bd at most, for 17 more sessions"]
    # What the caller sets himself is tried.
    _, baud, _ = ansi(store, carries=57600, max_baud=57600)
    assert baud == 57600
    for _ in range(20):
        _, baud, _ = ansi(store, carries=57600)
    assert baud == 57600


def test_a_good_head_is_not_written_down() -> None:
    store = Notes()
    ansi(store, carries=57600)
    assert store.sections[PROBES] == {}
