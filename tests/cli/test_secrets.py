"""Passwords and keys come from where they are kept, and are never shown."""

from __future__ import annotations

import json
import sys
import types
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from metersdk.cli.secrets import KeyFile
from metersdk.model.obis import Obis

SIM = "sim://residential"
PASSWORD = "12345678"
EK = "000102030405060708090A0B0C0D0E0F"


def test_from_a_file(cli: Any, tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_text(f"{PASSWORD}\n")
    assert cli("identify", SIM, "--client", 2, "--password-from", f"file:{path}").code == 0
    assert cli("identify", SIM, "--client", 2, "--password-from", f"file:{path}.none").code == 3


def test_from_stdin(cli: Any) -> None:
    assert cli("identify", SIM, "--client", 2, "--password-from", "-", stdin=f"{PASSWORD}\n").code == 0


def test_from_a_keyring(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    held = types.ModuleType("keyring")
    held.get_password = lambda service, name: PASSWORD if (service, name) == ("metersdk", "house") else None  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "keyring", held)
    assert cli("identify", SIM, "--client", 2, "--password-from", "keyring:house").code == 0
    assert cli("identify", SIM, "--client", 2, "--password-from", "keyring:garden").code == 2
    monkeypatch.setitem(sys.modules, "keyring", None)
    ran = cli("identify", SIM, "--client", 2, "--password-from", "keyring:house")
    assert ran.code == 2 and "pip install keyring" in ran.err


@pytest.mark.parametrize("source", ["hunter2", "env:", "file:", "hunter2:x", ""])
def test_a_password_on_the_command_line_is_not_repeated(cli: Any, source: str) -> None:
    ran = cli("identify", SIM, "--password-from", source)
    assert ran.code == 2 and "hunter2" not in ran.err and "env:NAME" in ran.err


def test_an_environment_variable_that_is_not_set(cli: Any) -> None:
    ran = cli("identify", SIM, "--password-from", "env:NO_SUCH_VARIABLE")
    assert ran.code == 2 and "NO_SUCH_VARIABLE is not set" in ran.err


def test_a_password_is_in_no_target(cli: Any) -> None:
    ran = cli("identify", f"{SIM}?password=hunter2")
    assert ran.code == 2 and "hunter2" not in ran.err


def test_a_recorded_password_is_masked(cli: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = tmp_path / "s.jsonl"
    monkeypatch.setenv("METER_PASSWORD", "correct horse")
    ran = cli("identify", SIM, "--client", 2, "--password-from", "env:METER_PASSWORD", "--trace", session)
    assert ran.code == 6 and b"correct horse".hex() not in session.read_text() and "**" in session.read_text()


@pytest.mark.parametrize(
    ("words", "target"),
    [
        (("set", SIM, "15", "0.0.40.0.0.255", "7", "-"), "68756e7465723232"),
        (("set", SIM, "1", "0.0.96.1.0.255", "2", "-", "--type", "octets"), "68756e7465723232"),
        (("programming", SIM, "write", "0.9.9", "-", "--write"), "hunter22"),
    ],
)
def test_a_password_that_is_written_is_masked(cli: Any, tmp_path: Path, words: tuple[str, ...], target: str) -> None:
    session = tmp_path / "s.jsonl"
    ran = cli(*words, "-y", "--client", 2, "--password-from", "env:METER_PASSWORD", "--trace", session, stdin=target)
    assert ran.code in (0, 7) and "hunter22" not in ran.out + ran.err
    assert b"hunter22".hex() not in session.read_text() and session.read_text().count("*" * 16) >= 2


def test_keys_and_the_counter_that_is_kept(cli: Any, key_file: str, tmp_path: Path) -> None:
    first = cli("read", SIM, "1.8.0", "--key-file", key_file, "-v")
    assert first.code == 0, first.err
    kept = tmp_path / "state" / "metersdk" / "counters.json"
    assert f"invocation counter: kept in {kept}" in first.err
    # The first use of a key asks the meter, as its public client.
    assert first.err.count("associated") == 2
    [(name, before)] = json.loads(kept.read_text()).items()
    assert name.startswith("4d53444b00000001/") and EK.lower() not in name
    second = cli("read", SIM, "1.8.0", "--key-file", key_file, "-v")
    assert second.code == 0 and second.err.count("associated") == 1
    assert json.loads(kept.read_text())[name] > before
    assert EK.lower() not in (first.err + second.err).lower()


def test_a_counter_told_in_the_key_file(cli: Any, key_file: str, tmp_path: Path) -> None:
    with open(key_file, "a") as file:
        file.write(f'invocation_counter = 5000\ncounter_file = "{tmp_path}/own.json"\n')
    ran = cli("identify", SIM, "--key-file", key_file, "-v")
    assert ran.code == 0 and ran.err.count("associated") == 1
    assert next(iter(json.loads((tmp_path / "own.json").read_text()).values())) > 5000


@pytest.mark.parametrize(("code", "why"), [("0.0.43.1.9.255", "object-undefined"), ("0.0.42.0.0.255", "no number")])
def test_a_counter_that_the_meter_does_not_tell(
    cli: Any, key_file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, why: str
) -> None:
    monkeypatch.setattr("metersdk.cli.options.INVOCATION_COUNTER", Obis(code))
    ran = cli("identify", SIM, "--key-file", key_file)
    assert ran.code == 2 and "does not tell its invocation counter" in ran.err and why in ran.err
    assert "write invocation_counter = ... into the key file" in " ".join(ran.err.split())
    # Nothing was begun at 0.
    assert not (tmp_path / "state" / "metersdk" / "counters.json").exists()
    with open(key_file, "a") as file:
        file.write("invocation_counter = 5000\n")
    assert cli("identify", SIM, "--key-file", key_file).code == 0


def test_a_key_kept_in_the_environment(cli: Any, key_file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text = Path(key_file).read_text().replace(EK, "env:METER_EK")
    Path(key_file).write_text(text)
    monkeypatch.setenv("METER_EK", EK)
    assert cli("identify", SIM, "--key-file", key_file).code == 0
    monkeypatch.delenv("METER_EK")
    assert cli("identify", SIM, "--key-file", key_file).code == 2


def test_a_key_file_that_others_may_read_is_warned_of(cli: Any, key_file: str) -> None:
    assert "warning" not in cli("identify", SIM, "--key-file", key_file).err
    Path(key_file).chmod(0o644)
    assert "may be read by others" in cli("identify", SIM, "--key-file", key_file).err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("encryption = ", "is no TOML"),
        ("", "holds no encryption key"),
        ('encryption = "5EC3E7"', "not 16"),
        ('encryption = "5ECRE7XYZ"', "not written in hexadecimal"),
        ("encryption = 5", "written as hex in quotes"),
        (f'encryption = "{EK}"\npasswort = "5ECRE7"', "passwort is no name known"),
        (f'encryption = "{EK}"\nsystem_title = "5ECRE7"', "system_title is written in hex"),
        (f'encryption = "{EK}"\ninvocation_counter = "5ECRE7"', "is a whole number"),
        (f'encryption = "{EK}"\ninvocation_counter = -1', "does not fit"),
    ],
)
def test_misshapen_key_files(cli: Any, tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "keys.toml"
    path.write_text(text)
    path.chmod(0o600)
    ran = cli("identify", SIM, "--key-file", path)
    assert ran.code == 2 and message in ran.err and "5ECRE7" not in ran.err


# --- a ticket key of C12.21 -------------------------------------------------------------------------------------------

TICKET = "00112233445566778899AABBCCDDEEFF"


@pytest.fixture
def ansi(tmp_path: Path) -> str:
    """An ANSI meter that knows key 2, as a target."""
    text = resources.files("metersdk.simulator").joinpath("images", "ansi.toml").read_text("utf-8")
    path = tmp_path / "keyed.toml"
    path.write_text(f'{text}\n[[c1219.key]]\nid = 2\nkey = "{TICKET}"\nlevel = 1\n')
    return f"sim://{path}?key_id=2"


def ticket_file(folder: Path, text: str) -> Path:
    path = folder / "ticket.toml"
    path.write_text(text)
    path.chmod(0o600)
    return path


def test_a_ticket_key(cli: Any, ansi: str, tmp_path: Path) -> None:
    session = tmp_path / "s.jsonl"
    keyed = ("--protocol", "c1218", "--key-file", ticket_file(tmp_path, f'ticket = "{TICKET}"\n'))
    ran = cli("read", ansi, "1.8.0", *keyed, "--trace", session, "-v")
    assert ran.code == 0 and "invocation counter" not in ran.err, ran.err
    assert TICKET.lower() not in (ran.out + ran.err + session.read_text()).lower()
    # Without it the registers are not told.
    assert cli("read", ansi, "1.8.0", "--protocol", "c1218").code != 0
    both = cli("read", ansi, "1.8.0", *keyed, "--password-from", "env:METER_PASSWORD")
    assert both.code == 0, both.err


@pytest.mark.parametrize(
    ("text", "protocol", "code", "message"),
    [
        (f'ticket = "{TICKET[::-1]}"', "c1218", 6, "refused the proof of key 2"),
        (f'ticket = "{TICKET[:16]}"', "c1218", 2, "wants a key and a ticket of 16 octets"),
        (f'ticket = "{TICKET[:14]}"', "c1218", 2, "the ticket key has 7 octets, not 8 or 16"),
        ('ticket = "5ECRE7"', "c1218", 2, "ticket is not written in hexadecimal"),
        (f'encryption = "{EK}"', "c1218", 2, "holds no ticket key"),
        (f'ticket = "{TICKET}"', "auto", 2, "of no use to protocol auto"),
        (f'ticket = "{TICKET}"\nsuite = 0', "dlms", 2, "of no use to protocol dlms"),
        (f'authentication = "{EK}"\nticket = "{TICKET}"', "dlms", 2, "holds no encryption key"),
    ],
)
def test_ticket_keys_that_fail(
    cli: Any, ansi: str, tmp_path: Path, text: str, protocol: str, code: int, message: str
) -> None:
    ran = cli("identify", ansi, "--protocol", protocol, "--key-file", ticket_file(tmp_path, text))
    assert ran.code == code and message in " ".join(ran.err.split()), ran.err
    assert TICKET[:14].lower() not in ran.err.lower() and "5ECRE7" not in ran.err


def test_a_ticket_key_beside_others(cli: Any, ansi: str, tmp_path: Path) -> None:
    path = ticket_file(tmp_path, f'encryption = "{EK}"\nticket = "{TICKET}"\n')
    assert cli("read", ansi, "1.8.0", "--protocol", "c1218", "--key-file", path).code == 0
    file = KeyFile(str(path))
    assert file.keys.ek == bytes.fromhex(EK) and file.ticket.secret == bytes.fromhex(TICKET) and not file.is_ticket


def test_a_ticket_key_deciphers_nothing(cli: Any, tmp_path: Path) -> None:
    ran = cli("trace", "00", "--key-file", ticket_file(tmp_path, f'ticket = "{TICKET}"'))
    assert ran.code == 2 and "holds no encryption key" in ran.err
