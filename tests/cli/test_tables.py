"""table, procedure and snapshot on the command line, and what others say of an ANSI meter."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

SIM = "sim://ansi"
READER = ("--password-from", "env:METER_PASSWORD")
MASTER = ("--password-from", "env:METER_MASTER")


@pytest.fixture(autouse=True)
def master(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METER_MASTER", "87654321")


def test_a_table_for_people_and_for_programs(cli: Any) -> None:
    ran = cli("table", SIM, 1)
    assert ran.code == 0 and "mfg_serial_number" in ran.out and "26010042" in ran.out
    assert "findings" not in ran.out and "GENERAL_MFG_ID_TBL" in ran.err and "memory" not in ran.err
    document = cli("table", SIM, 1, "--json").document
    assert document["table"]["number"] == 1 and document["table"]["octets"] is None
    assert document["table"]["decoded"]["mfg_serial_number"] == "26010042"
    raw = cli("table", SIM, 1, "--raw")
    assert bytes.fromhex(raw.out.strip())[:4] == b"MSDK"
    assert cli("table", SIM, 1, "--raw", "--json").code == 2


def test_nested_tables_are_flat_for_people(cli: Any) -> None:
    ran = cli("table", SIM, 63, *READER)
    assert ran.code == 0 and "set1.nbr_valid_blocks" in ran.out and "filler" not in ran.out
    ran = cli("table", SIM, 53, *READER)
    assert "TIME_OFFSET_TBL, decoded from memory of the standard" in ran.err


def test_octets_where_nothing_is_known_of_the_fields(cli: Any) -> None:
    ran = cli("table", SIM, 64, *READER)
    assert ran.code == 0 and len(bytes.fromhex(ran.out.strip())) > 30_000 and "not decoded" in ran.err
    table = cli("table", SIM, 64, *READER, "--json").document["table"]
    assert table["decoded"] is None and len(table["octets"]) > 60_000


def test_what_wants_a_password_says_so_once(cli: Any) -> None:
    ran = cli("registers", SIM)
    assert ran.code == 7 and ran.err.count("\n") == 2 and "(isc)" in ran.err
    assert "hint: give a password (password=, --password-from)" in ran.err
    ran = cli("events", SIM)
    assert ran.code == 7 and ran.err.count("\n") == 2


def test_what_is_not_shown_of_a_table_is_said(cli: Any, tmp_path: Path) -> None:
    text = resources.files("metersdk.simulator").joinpath("images/ansi.toml").read_text("utf-8")
    key = '[[c1219.key]]\nid = 1\nkey = "00112233445566778899AABBCCDDEEFF"\n'
    image = tmp_path / "secret.toml"
    image.write_text(text.replace("[c1219]\n", "[c1219]\nsecret_level = 2\n", 1) + key)
    passwords = cli("table", f"sim://{image}?protocol=c1218", 42, *MASTER)
    assert passwords.code == 0 and "security_entries[1].access_permissions.group_perm_1_flag  True" in passwords.out
    keys = cli("table", f"sim://{image}?protocol=c1218", 45, *MASTER)
    assert (keys.code, keys.out.strip()) == (0, "") and "passwords and keys of table 45 are not read" in keys.err


def test_a_table_that_is_not_there_tells_which_are(cli: Any) -> None:
    ran = cli("table", SIM, 999)
    assert ran.code == 2 and "it has 0 to 8, 10 to 16, 20 to 28, 30 to 33, 40 to 44, 50 to 56" in ran.err


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("table", SIM, 23), 7),
        (("table", SIM, 99), 2),
        (("table", SIM, 70000), 2),
        (("table", SIM, 5, "--set", "00"), 2),
        (("table", SIM, 5, "--set", "xyz", "--write"), 2),
        (("table", SIM, 5, "--offset", 1), 2),
        (("table", SIM, 5, *READER, "--set", "00", "--write"), 7),
        (("table", "sim://residential", 1), 2),
        (("procedure", SIM, "cold-start"), 2),
        (("procedure", SIM, 3, "--write", *MASTER), 2),
        (("procedure", SIM, "remote-reset", "--write", "--data", "01", *READER), 7),
        (("procedure", SIM, "format", "--write"), 2),
        (("procedure", SIM, 10, "--data", "0x"), 2),
        (("table", SIM, 1, "--password-from", "env:WRONG"), 6),
        (("snapshot", SIM, "--out", "/no/such/folder/x.json"), 3),
        (("identify", f"{SIM}?user=MUCH-TOO-LONG"), 2),
        (("identify", SIM, "--user", "MUCH-TOO-LONG"), 2),
        (("identify", SIM, "--user-id", 70000), 2),
    ],
)
def test_ends(cli: Any, monkeypatch: pytest.MonkeyPatch, words: tuple[object, ...], code: int) -> None:
    monkeypatch.setenv("WRONG", "0000")
    ran = cli(*words)
    assert ran.code == code, ran.err
    assert "Traceback" not in ran.err and ran.out == ""


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ((5, "--set", "0102"), "the table has 20 octets: give them all"),
        ((5, "--set", "0102", "--offset", 19), "the table has 20 octets, and these would go beyond"),
        ((1, "--set", "0102"), "table 0 does not list it among the tables that can be written"),
    ],
)
def test_a_refused_write_says_how_to_write(cli: Any, words: tuple[object, ...], hint: str) -> None:
    ran = cli("table", SIM, *words, "--write", *MASTER)
    assert ran.code == 7 and hint in ran.err


def test_a_profile_table_names_the_command_that_decodes_it(cli: Any) -> None:
    ran = cli("table", SIM, 64, *READER)
    assert ran.code == 0 and "metersdk profile" in ran.err


def test_a_procedure(cli: Any) -> None:
    ran = cli("procedure", SIM, "remote-reset", "--data", "01", "--write", *MASTER)
    assert ran.code == 0 and ran.out.strip() == "01"
    document = cli("procedure", SIM, "execute-diagnostics", *MASTER, "--json").document
    assert document["done"] == {"procedure": "execute-diagnostics", "manufacturer": False, "answer": ""}


def test_a_snapshot(cli: Any, tmp_path: Any) -> None:
    ran = cli("snapshot", SIM, *READER)
    assert ran.code == 0 and "GENERAL" not in ran.err and "Decoded as" in ran.out and "26010042" in ran.out
    shot = cli("snapshot", SIM, *READER, "--json").document["snapshot"]
    assert shot["identity"]["protocol"] == "c1218" and len(shot["tables"]) > 30
    path = tmp_path / "meter.json"
    ran = cli("snapshot", SIM, *READER, "--out", path)
    assert ran.code == 0 and ran.out == "" and json.loads(path.read_text())["identity"]["serial_number"] == "26010042"
    assert cli("snapshot", "sim://residential", "--json").document["snapshot"]["tables"] == []


def test_the_other_commands_read_it_too(cli: Any) -> None:
    identity = cli("identify", SIM, "--json").document["identity"]
    assert identity["protocol"] == "c1218" and identity["firmware"] == "2.4"
    assert "Device id" in cli("identify", SIM, "--protocol", "c1218").out
    readings = cli("registers", SIM, *READER, "--json").document["readings"]
    assert {"1.0.1.8.0.255", "1.0.2.8.0.255"}.issubset(reading["obis"] for reading in readings)
    profile = cli("profile", SIM, *READER, "--last", "1d", "--json").document["profile"]
    assert profile["truncated"] is False and len(profile["columns"][0]["values"]) >= 95
    events = cli("events", SIM, *READER, "--json").document["events"]
    assert events and {event["log"] for event in events} == {"0.0.99.98.0.255", "0.0.99.98.1.255"}
    clock = cli("clock", SIM, *MASTER, "--set", "now", "--max-drift", 5, "--json")
    assert clock.code == 0 and clock.document["clock"]["set"] is True


def test_what_everybody_sees_of_it(cli: Any) -> None:
    document = cli("exposure", SIM, "--json").document
    assert document["identity"]["protocol"] == "c1218"
    found = {each["code"]: each for each in document["exposed"]}
    assert found["identity"]["severity"] == "low" and "tables" in found
