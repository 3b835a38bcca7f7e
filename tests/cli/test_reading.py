"""identify, readout, read, registers, clock."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from metersdk.cli.reading import time_of
from metersdk.model.clock import DateTime

SIM = "sim://residential"
MANAGER = ["--client", "3", "--authentication", "high-md5", "--password-from", "env:METER_PASSWORD"]


def test_identify_for_people(cli: Any) -> None:
    ran = cli("identify", SIM)
    assert ran.code == 0 and ran.err == ""
    told = dict(line.split("  ", 1) for line in ran.out.splitlines())
    assert {name: text.strip() for name, text in told.items()} == {
        "Manufacturer": "MSK",
        "Model": "METERSDK-R1",
        "Serial number": "12345678",
        "Logical device name": "MSK0000012345678",
        "Identification": r"/MSK5\2METERSDK-R1",
        "Protocols offered": "iec62056-21:C, iec62056-21:E, dlms:hdlc",
        "Spoken": "dlms:hdlc",
        "Speed": "9600 Bd",
    }


def test_identify_for_programs(cli: Any) -> None:
    document = cli("identify", SIM, "--json").document
    assert (document["command"], document["target"], document["findings"]) == ("identify", SIM, [])
    assert document["identity"]["serial_number"] == "12345678" and document["identity"]["baud"] == 9600
    [line] = cli("identify", SIM, "--jsonl").lines
    assert line["type"] == "identity" and line["manufacturer"] == "MSK"


def test_the_line_report_is_part_of_the_document(cli: Any) -> None:
    document = cli("identify", SIM, "--line-report", "--json").document
    assert document["identity"]["serial_number"] and document["line"]
    identity, line = cli("identify", SIM, "--line-report", "--jsonl").lines
    assert (identity["type"], line["type"]) == ("identity", "line")


def test_what_is_done_is_told_on_stderr_only_if_asked(cli: Any) -> None:
    ran = cli("identify", SIM, "-v")
    assert [line.split(":")[0].strip() for line in ran.err.splitlines()] == [
        "sign-on",
        "identified",
        "speed",
        "hand-over",
        "associated",
    ]
    assert "sign-on" not in ran.out


def test_registers(cli: Any) -> None:
    ran = cli("registers", SIM)
    heads, *rows = ran.out.splitlines()
    assert heads.split() == ["OBIS", "Name", "Value", "Unit", "Time"]
    assert len(rows) == 18 and "18 registers" in ran.err
    assert rows[0].startswith("1.0.1.8.0.255   Active energy import (+A)") and rows[0].endswith(" Wh")
    assert not any(line.endswith(" ") for line in ran.out.splitlines())
    readings = cli("registers", SIM, "--json").document["readings"]
    assert readings[8]["obis"] == "1.0.32.7.0.255" and readings[8]["unit"] == "V"
    # Exact, so as text.
    assert isinstance(readings[0]["value"], str) and isinstance(readings[0]["raw"], int)


def test_read_gives_what_was_asked_for_in_its_order(cli: Any) -> None:
    lines = cli("read", SIM, "32.7.0", "1-0:1.8.0*255", "--jsonl").lines
    assert [(line["type"], line["obis"]) for line in lines] == [
        ("reading", "1.0.32.7.0.255"),
        ("reading", "1.0.1.8.0.255"),
    ]


def test_read_gives_the_others_where_one_is_refused(cli: Any) -> None:
    ran = cli("read", SIM, "1.8.0", "1.0.99.1.0.255", "32.7.0")
    assert ran.code == 8
    assert [line.split()[0] for line in ran.out.splitlines()[1:]] == ["1.0.1.8.0.255", "1.0.32.7.0.255"]
    assert "refused: 1.0.99.1.0.255" in ran.err
    document = cli("read", SIM, "1.8.0", "9.9.9", "--json").document
    assert [each["obis"] for each in document["readings"]] == ["1.0.1.8.0.255"]
    [refused] = document["refused"]
    assert refused["obis"] == "1.0.9.9.9.255" and refused["error"]["class"] == "LocalProtocolError"


def test_read_of_one_that_is_refused_is_its_error(cli: Any) -> None:
    ran = cli("read", SIM, "1.0.99.1.0.255")
    assert ran.code == 2 and ran.out == "" and ran.err.startswith("error: 1.0.99.1.0.255 is a Profile generic")


def test_readout_as_it_was_sent_and_parsed(cli: Any) -> None:
    raw = cli("readout", SIM, "--raw")
    assert raw.code == 0 and raw.out.startswith("F.F(00000000)\n") and raw.out.rstrip().endswith("!")
    rows = cli("readout", SIM).out.splitlines()
    assert rows[0].split() == ["Address", "Values"] and rows[1].split() == ["F.F", "(00000000)"]
    document = cli("readout", SIM, "--json").document
    assert document["identification"] == r"/MSK5\2METERSDK-R1" and document["proved"] is True
    assert document["data_sets"][3] == {
        "address": "C.1.0",
        "values": [{"text": "12345678", "unit": None}],
        "line": 3,
    }


def test_registers_over_the_readout(cli: Any) -> None:
    readings = cli("registers", SIM, "--protocol", "iec62056-21", "--json").document["readings"]
    by_code = {reading["obis"]: reading for reading in readings}
    assert by_code["1.0.32.7.0.255"]["unit"] == "V" and by_code["0.0.96.1.0.255"]["value"] == "12345678"


def test_clock(cli: Any) -> None:
    ran = cli("clock", "sim://bench?framing=wrapper")
    assert ran.code == 0 and ran.out.splitlines()[0].split() == ["Meter", "2026-04-15T03:45:00+00:00"]
    clock = cli("clock", "sim://bench?framing=wrapper", "--json").document["clock"]
    assert (clock["clock"], clock["utc"]) == ("2026-04-15T03:45:00+00:00", "2026-04-15T03:45:00+00:00")
    assert clock["set"] is False and isinstance(clock["drift_seconds"], float)


def test_a_clock_that_is_off_is_a_finding(cli: Any) -> None:
    ran = cli("clock", SIM, "--set", "2020-01-01T12:00+01:00", "--max-drift", 60, *MANAGER)
    assert ran.code == 1 and "2020-01-01T12:00:00+01:00" in ran.out and "off by more than 60 s" in ran.err
    assert cli("clock", SIM, "--set", "now", "--max-drift", 60, *MANAGER).code == 0


@pytest.mark.parametrize("words", [("--set", "yesterday"), ("--max-drift", "-1")])
def test_clock_used_wrongly(cli: Any, words: tuple[str, str]) -> None:
    assert cli("clock", SIM, *words).code == 2


def test_a_session_can_be_recorded_and_replayed(cli: Any, tmp_path: Any) -> None:
    session = tmp_path / "session.jsonl"
    first = cli("read", SIM, "1.8.0", "--trace", session, "--json").document
    second = cli("read", f"trace://{session}", "1.8.0", "--json")
    assert second.code == 0, second.err
    assert second.document["readings"] == first["readings"]


@pytest.mark.parametrize(
    ("time", "shown"),
    [
        (None, ""),
        (datetime(2026, 11, 1, 20, 15, tzinfo=UTC), "2026-11-01 20:15+00:00"),
        (datetime(2026, 11, 1, 20, 15, 9), "2026-11-01 20:15:09"),
        (DateTime(2026, 11, 1, None, 20, 15), "2026-11-01 20:15"),
        (DateTime(2026, 11, 1, None, 20, 15, deviation=-60), "2026-11-01 20:15+01:00"),
        (DateTime(2026, 11, 1, None, 20, 15, 9), "2026-11-01 20:15:09"),
    ],
)
def test_times_for_people(time: datetime | DateTime | None, shown: str) -> None:
    assert time_of(time) == shown
