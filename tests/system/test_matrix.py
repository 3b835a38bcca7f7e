"""The troubleshooting matrix: every cause is provoked on the simulated line over and over, and told for what it is."""

from __future__ import annotations

import contextlib
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from matrix_rig import ROWS, Case, Row, clean, mistuned, mode_c

from metersdk import fast
from metersdk.dialog.causes import HINTS, Cause
from metersdk.dialog.diagnosis import diagnose
from metersdk.dialog.evidence import Evidence, Piece, Turn
from metersdk.dialog.opening import open_session
from metersdk.dialog.timing import Timing
from metersdk.dialog.watching import LineWatch
from metersdk.errors import MeterError, PortBusy, PortClosed
from metersdk.frame.iec62056_21 import to_line
from metersdk.port.drive import run
from metersdk.port.line import LineModel
from metersdk.port.virtual import VirtualPort

# Causes are told in Python: with its twin of the kernel a sample is enough.
SHARE = 1 if fast.IMPL == "c" else 5
SEEDS = 100 // SHARE
WANTED = 95 // SHARE
CLEAN_SESSIONS = 1000 // SHARE
# Told by the error of the port, which nothing on the line provokes.
OF_THE_PORT = {Cause.PORT_BUSY}
# Not provoked: a message without an end is more often one of the other causes.
OF_OTHERS = {Cause.BROKEN_OFF}


def named(row: Row) -> str:
    return f"{row[0]}: {row[1]}"


@pytest.mark.parametrize("row", ROWS, ids=named)
def test_cause_is_told(row: Row) -> None:
    cause, _, make = row
    verdicts = Counter(
        checked.findings[0].code if checked.findings else "nothing"
        for checked in (make(seed).check(seed) for seed in range(SEEDS))
    )
    assert verdicts[cause] >= WANTED, verdicts


def test_the_table_has_all_causes() -> None:
    assert {Cause(row[0]) for row in ROWS} == set(Cause) - OF_THE_PORT - OF_OTHERS
    assert len(set(Cause)) >= 20
    assert set(HINTS) == set(Cause) and all(HINTS.values())


@pytest.mark.parametrize("part", range(4))
def test_no_false_alarm(part: int) -> None:
    alarms = {}
    for seed in range(part, CLEAN_SESSIONS, 4):
        checked = clean(seed).check(seed)
        if checked.findings or checked.error is not None:
            alarms[seed] = checked.findings, checked.error
    assert not alarms


def test_port_errors() -> None:
    busy = diagnose(Evidence((), PortBusy("COM3: pid 812 (ModemManager) has it open")))
    assert [each.code for each in busy] == ["port-busy"] and "ModemManager" in busy[0].text
    shared = diagnose(Evidence((), PortClosed("another program reads from it, too", state="shared")))
    assert [each.code for each in shared] == ["two-readers"]
    gone = PortClosed("the device went away")
    assert [each.code for each in diagnose(Evidence((), gone))] == ["unplugged"]
    # A network has no plug of a probe; the error says by itself that the peer closed the connection.
    assert not diagnose(Evidence((), gone, line=False))


def test_the_error_carries_cause_and_hint() -> None:
    cause, _, make = next(row for row in ROWS if row[0] == "silent")
    error = make(0).check(0).error
    assert error is not None
    assert error.findings[0].code == cause
    assert error.hint == error.findings[0].hint == HINTS[Cause.SILENT]


def test_octets_of_a_turn_stay_out_of_sight() -> None:
    checked = clean(1).check(1)
    assert "MSK" not in repr(checked.report) and checked.report.octets_received > 20


def test_the_page_of_the_line_has_every_cause() -> None:
    page = (Path(__file__).parents[2] / "docs" / "howto" / "line.md").read_text("utf-8")
    assert [cause for cause in Cause if f"| {cause} |" not in page] == []


@pytest.mark.parametrize("factor", [0.5, 0.25])
def test_the_tail_of_a_message_at_another_speed_is_no_light(factor: float) -> None:
    """``auto`` gives a meter at a wrong speed up amid its message, and hears the rest at 300 Bd and at 9600; a computer
    under load sees that with pauses."""
    lines = b"".join(
        b"1-0:%d.8.%d*%02d(%06d.%02d*kWh)\r\n" % (k % 10, k, k, k * 1234567 % 999999, k) for k in range(60)
    )
    verdicts: Counter[str] = Counter()
    for seed in range(20 // SHARE):
        chance = random.Random(seed)
        case = Case(mistuned(mode_c(lines=lines), factor), LineModel(piece=1), protocol="auto", timing=Timing())
        port = VirtualPort(case.server, replace(case.model, baud=300, seed=seed))
        watch = LineWatch()
        with contextlib.suppress(MeterError):
            run(watch.over(open_session(case.plan)), port)
        turns = []
        for turn in watch.record.turns:
            late, pieces = 0.0, []
            for piece in turn.pieces:
                late = chance.choice((0.0, late, late, 0.07, 0.2))
                at = max(piece.at + late, pieces[-1].at if pieces else 0.0)
                pieces.append(replace(piece, at=at))
            turns.append(replace(turn, pieces=pieces))
        found = diagnose(Evidence(tuple(turns)))
        verdicts[found[0].code if found else "nothing"] += 1
    assert verdicts["baud-slower"] >= 17 // SHARE, verdicts


def test_the_data_of_a_meter_that_was_not_acknowledged_are_no_push() -> None:
    """Its identification was damaged: it goes on at 300 Bd by itself, amid the wake-up call of the next request."""
    damaged, data = to_line(b".MSK-METER\r\n"), to_line(b"/MSK5METER\r\n\r\n1.8.0(000123*kWh)\r\n1.8.1(000120*kWh)\r\n")
    request = Turn(to_line(b"/?!\r\n"), 0.0, 0.2, 300, [Piece(1.0, damaged, 300)], over=2.4)
    call = Turn(bytes(66), 2.4, 4.6, 300, [Piece(6.2, data, 300)], over=6.2)
    assert "mode-d" not in [each.code for each in diagnose(Evidence((request, call)))]
    unasked = Turn(b"", 0.0, 0.0, 300, [Piece(1.0, data, 300)], over=2.0)
    assert "mode-d" in [each.code for each in diagnose(Evidence((unasked,)))]


@pytest.mark.parametrize("flips", [0.015, 0.03])
def test_a_probe_that_sees_badly_is_no_meter_asleep(flips: float) -> None:
    """Requests are damaged like the answers: that some were not heard, and one behind a wake-up call was, is chance."""
    told = [Case(mode_c(), LineModel(bit_flip=flips)).check(seed) for seed in range(50)]
    codes = Counter(checked.findings[0].code for checked in told if checked.findings)
    # Of some, nothing was heard at all: they are told as silent.
    assert codes[Cause.ASLEEP] == 0 and codes[Cause.MISALIGNED] >= 38


def test_a_meter_asleep_behind_a_probe_that_sees_not_too_well() -> None:
    told = [Case(mode_c(asleep=True), LineModel(bit_flip=0.0005)).check(seed) for seed in range(SEEDS // 2)]
    codes = Counter(checked.findings[0].code for checked in told if checked.identity is not None and checked.findings)
    assert codes[Cause.ASLEEP] >= 0.95 * codes.total() > 0
