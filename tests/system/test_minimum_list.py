"""The least that must be tried on an optical port, and the tests that hold it. What had no test of its own is here."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from metersdk.meter import connect
from metersdk.port.line import LineModel
from metersdk.simulator.server import Simulator

MakeRig = Any
TESTS = Path(__file__).resolve().parents[1]
SIGN_ON, READOUT = "dialog/test_iec62056_21.py", "dialog/test_iec62056_21_readout.py"
SERIAL, PROGRAMMING = "port/test_serial_port.py", "dialog/test_programming.py"
TEXT, REALTIME, CUTS = "dialog/test_ascii_profile.py", "simulator/test_realtime.py", "system/test_every_cut.py"
HERE = "system/test_minimum_list.py"

# what -> the tests: file and function
LIST: dict[str, list[tuple[str, str]]] = {
    "modes A to E, 7E1 in software": [(SIGN_ON, "test_modes"), (SIGN_ON, "test_all_octets_on_the_line_are_7e1")],
    "modes A to E, 7E1 by the hardware, RFC 2217": [(HERE, "test_modes_over_rfc2217_by_the_hardware")],
    "Z in the table and out of it": [
        (SIGN_ON, "test_only_the_offered_speed_or_300_is_acknowledged"),
        (SIGN_ON, "test_mode_b_with_a_reserved_letter_stays"),
    ],
    "acknowledgement missing: the meter goes on at 300 Bd": [
        (SIGN_ON, "test_a_meter_that_goes_on_at_300_is_followed"),
        (SIGN_ON, "test_an_acknowledgement_dropped_by_the_line"),
    ],
    "late by 5 ms to 2.3 s": [
        (HERE, "test_late_by_so_much"),
        (SIGN_ON, "test_a_switch_that_comes_late"),
        (SIGN_ON, "test_a_meter_as_late_as_it_may_be"),
        (SIGN_ON, "test_a_meter_that_is_too_late_ends_typed"),
        (SIGN_ON, "test_a_reader_that_acknowledges_late"),
    ],
    "echo: none, whole, with gaps, with wrong octets": [(SIGN_ON, "test_echo"), (HERE, "test_every_echo")],
    "BCC wrong: NAK, repeat, three times, then an error": [
        (READOUT, "test_a_damaged_block_is_asked_for_again"),
        (READOUT, "test_a_block_that_stays_damaged"),
    ],
    "partial blocks (EOT) with a bad one amid": [
        (READOUT, "test_partial_blocks_with_a_bad_one_amid"),
        (PROGRAMMING, "test_partial_blocks"),
    ],
    "refusal by B0": [
        (PROGRAMMING, "test_a_wrong_password_is_sent_once"),
        (PROGRAMMING, "test_a_password_refused_later_on_is_never_sent_again"),
    ],
    "P0 absent": [(PROGRAMMING, "test_greetings"), (PROGRAMMING, "test_without_a_password")],
    "ERRnn": [(READOUT, "test_what_the_meter_reports"), (PROGRAMMING, "test_error_replies_keep_the_session")],
    "mode D joined amid a telegram, behind zeros": [(SIGN_ON, "test_mode_d_joined_amid_a_telegram_after_zeros")],
    "wake-up: NULs counted, gap and pause measured": [
        (SIGN_ON, "test_wake_up_is_measured"),
        (SIGN_ON, "test_a_bad_wake_up_wakes_nobody"),
        (HERE, "test_a_meter_on_battery"),
    ],
    "inactivity of 60 s": [(SIGN_ON, "test_the_meter_ends_an_unfinished_session_after_its_inactivity_time")],
    "P.01 with two heads": [("apdu/test_ascii_profile.py", "test_two_heads")],
    "P.01 over both changes of the clock": [(TEXT, "test_a_day_has_all_its_hours")],
    "P.01 with a truncated row": [
        (TEXT, "test_a_truncated_answer_is_resumed"),
        ("apdu/test_ascii_profile.py", "test_cut_anywhere_gives_whole_rows_and_says_so"),
    ],
    "identification of ten characters with \\@ and \\2": [(HERE, "test_two_sequences_in_the_identification")],
    "noise on a line at rest": [
        (SIGN_ON, "test_idle_noise"),
        ("port/test_light.py", "test_sunlight_makes_octets_on_a_line_at_rest"),
    ],
    "unplugged in the acknowledgement": [
        (CUTS, "test_cut_at_every_octet"),
        (SERIAL, "test_unplugged_while_reading_and_writing"),
    ],
    "a busy port": [(SERIAL, "test_a_busy_port_names_its_holder"), (SERIAL, "test_a_port_held_by_another_process")],
    "latency of 16 ms": [(HERE, "test_a_head_of_16_ms"), (REALTIME, "test_line_at_fault")],
    "TCP with parity bits": [("dialog/test_opening_stream.py", "test_sign_on_over_a_stream_when_asked_for_by_name")],
    "BCC by addition": [(READOUT, "test_a_sum_for_a_bcc"), (PROGRAMMING, "test_energomera")],
}
MODES = {"A": "/MSK;SMALL", "B": "/MSKESMALL", "C": "/MSK5SMALL", "E": "/MSK5\\2SMALL"}


@cache
def functions(path: str) -> set[str]:
    tree = ast.parse((TESTS / path).read_text("utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize("what", LIST)
def test_is_in_the_suite(what: str) -> None:
    for path, name in LIST[what]:
        assert name in functions(path), f"{path}::{name}"


def optical(rig: MakeRig, mode: str, **more: Any) -> Any:
    return rig(speech="optical", identification=MODES[mode], model=LineModel(baud=300, **more))


@pytest.mark.parametrize("mode", MODES)
def test_a_head_of_16_ms(rig: MakeRig, mode: str) -> None:
    """Both ways, and octets in pieces."""
    it = optical(rig, mode, latency=0.016, sending_latency=0.016)
    meter = it.connect()
    assert it.read_all(meter)[1:] == it.session(optical(rig, mode).port())[1:]
    assert meter.identity.protocol == ("dlms:hdlc" if mode == "E" else f"iec62056-21:{mode}")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("echo", ["full", "partial", "changed"])
def test_every_echo(rig: MakeRig, mode: str, echo: str) -> None:
    it = optical(rig, mode, echo=echo)
    assert it.session(it.port())[1:] == it.session(optical(rig, mode).port())[1:]


@pytest.mark.parametrize("mode", ["C", "E"])
@pytest.mark.parametrize("late", [0.005, 0.05, 0.2, 0.5, 1.0, 1.3])
def test_late_by_so_much(rig: MakeRig, mode: str, late: float) -> None:
    """The data of the meter come so much later than the shortest reaction; beyond tt it is silence, tried elsewhere."""
    it = optical(rig, mode, late={1: late})
    assert it.session(it.port())[1:] == it.session(optical(rig, mode).port())[1:]


def test_two_sequences_in_the_identification(rig: MakeRig) -> None:
    it = rig(speech="optical", identification="/MSK5\\@\\2ABCDEFGHIJ", model=LineModel(baud=300))
    meter = it.connect()
    assert meter.identity.model == "ABCDEFGHIJ"
    assert meter.identity.protocol == "dlms:hdlc"
    assert it.read_all(meter)


def test_a_meter_on_battery(rig: MakeRig) -> None:
    it = rig(speech="optical", image="battery", model=LineModel(baud=300), options={"wake_up": 1})
    meter = it.connect()
    assert [str(reading.unit) for reading in meter.registers() if reading.unit]
    nuls = next(event for event in it.line(meter).log if event.kind == "send")
    assert set(nuls.data) == {0}
    assert 2.1 <= nuls.end - nuls.start <= 2.3


@pytest.mark.realtime
@pytest.mark.filterwarnings("ignore:setDaemon:DeprecationWarning", "ignore:setName:DeprecationWarning")
@pytest.mark.parametrize("mode", "ABCDE")
def test_modes_over_rfc2217_by_the_hardware(mode: str) -> None:
    """The data message of each mode; where E is offered, mode C is asked for."""
    with Simulator("battery", [f"rfc2217://127.0.0.1:0?mode={mode}&sleep=0&push_period=0.5"], pace=False) as simulator:
        target = simulator.targets[0]
        with connect(f"{target}{'&' if '?' in target else '?'}format=7E1", protocol="iec62056-21") as meter:
            assert [data_set.address for data_set in meter.readout().data_sets][:2] == ["F.F", "C.1.0"]
            assert not [finding for finding in meter.findings if finding.code == "parity"]
