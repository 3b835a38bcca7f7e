"""The command programming, against a simulated meter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

SIM = "sim://residential"
SECRET = ["--password-from", "env:METER_PASSWORD"]


def test_read(cli: Any) -> None:
    ran = cli("programming", SIM, "read", "1.8.0", "C.1.0", *SECRET)
    assert ran.code == 0
    assert "1.8.0" in ran.out and "kWh" in ran.out and "12345678" in ran.out
    found = cli("programming", SIM, "read", "1.8.0(2)", "--json", *SECRET).document
    assert [one["address"] for one in found["data_sets"]] == ["1.8.0", "1.8.0*01"]
    assert found["data_sets"][0]["values"][0]["unit"] == "kWh"


def test_raw(cli: Any) -> None:
    ran = cli("programming", SIM, "read", "C.1.0", "--command", "R5", "--raw")
    assert (ran.code, ran.out) == (0, "C.1.0(12345678)\n")


def test_what_is_refused_is_told_beside_the_rest(cli: Any) -> None:
    ran = cli("programming", SIM, "read", "1.8.0", "NO.1", "--json")
    assert ran.code == 8
    assert [one["address"] for one in ran.document["refused"]] == ["NO.1"]
    lines = cli("programming", SIM, "read", "1.8.0", "NO.1", "--jsonl").lines
    assert [line["type"] for line in lines] == ["data_set", "refused"]
    assert cli("programming", SIM, "read", "NO.1").code == 7
    assert cli("programming", SIM, "read", "NO.1", "NO.2").code == 7


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["write", "C.90", "x"], 2),
        (["execute", "RESET"], 2),
        (["write", "C.90", "--write"], 2),
        (["write", "C.90", "x", "--write", "--raw"], 2),
        (["read", "P.01(;"], 2),
        (["read", "1.8.0", "--command", "W1"], 2),
        (["read", "1.8.0", "--level", "2", "--algorithm", "nobody", *SECRET], 2),
        (["read", "1.8.0", "--level", "2", "--algorithm", "energomera", *SECRET], 0),
        (["write", "C.90", "x", "--write", *SECRET], 0),
        (["write", "C.90", "x", "--write"], 7),
        (["write", "1.8.0", "1", "--write", *SECRET], 7),
        (["execute", "RESET", "--write", *SECRET], 0),
    ],
)
def test_exit_codes(cli: Any, words: list[str], code: int) -> None:
    assert cli("programming", SIM, *words).code == code


def test_a_wrong_password(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METER_PASSWORD", "secret99")
    ran = cli("programming", SIM, "read", "1.8.0", "--json", *SECRET)
    assert (ran.code, ran.error["class"]) == (6, "AuthenticationFailed")
    assert "secret99" not in ran.out + ran.err


def test_a_value_from_stdin_does_not_show(cli: Any) -> None:
    ran = cli("programming", SIM, "write", "C.90", "-", "--write", "--json", *SECRET, stdin="hidden77\n")
    assert ran.code == 0
    assert ran.document["written"] == {"address": "C.90", "answer": []}


def test_a_trace_holds_no_password(cli: Any, tmp_path: Path) -> None:
    path = tmp_path / "session.jsonl"
    assert cli("programming", SIM, "read", "1.8.0", "--trace", path, *SECRET).code == 0
    text = path.read_text()
    assert "**" in text
    command = b"\x01P1\x02(12345678)"
    for form in (command, bytes(octet | (octet.bit_count() & 1) << 7 for octet in command)):
        assert form.hex() not in text
    assert cli("programming", f"trace://{path}", "read", "1.8.0", *SECRET).code == 0
