"""exposure: the report, and its exit codes."""

from __future__ import annotations

from typing import Any

SIM = "sim://residential"


def test_exposure(cli: Any) -> None:
    ran = cli("exposure", SIM)
    assert ran.code == 0
    assert "medium" in ran.out and "18 registers with their values" in ran.out
    assert "no password was tried" in ran.err


def test_exit_code_by_severity(cli: Any) -> None:
    assert cli("exposure", SIM, "--fail-on", "medium").code == 1


def test_json(cli: Any) -> None:
    document = cli("exposure", SIM, "--json").document
    assert document["worst"] == "medium" and document["client"] == 16 and document["refused"] == ""
    assert {"severity", "code", "text", "where", "proof", "hint"} == set(document["exposed"][0])


def test_an_ansi_meter_knows_no_clients(cli: Any) -> None:
    ran = cli("exposure", "sim://ansi")
    assert ran.code == 0 and "client" not in ran.err and "seen by anybody" in ran.err
    assert cli("exposure", "sim://ansi", "--json").document["client"] is None


def test_a_password_is_a_mistake(cli: Any) -> None:
    ran = cli("exposure", SIM, "--password-from", "env:METER_PASSWORD")
    assert ran.code == 2 and "without a password" in ran.err
