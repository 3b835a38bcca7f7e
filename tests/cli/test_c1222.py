"""Commands that read an ANSI meter over a network, with a key file."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any

import pytest

KEY = "000102030405060708090a0b0c0d0e0f"
NODE = f"""
[c1219.node]
title = ".123.8437"
security = "ciphered"

[[c1219.key]]
id = 2
key = "{KEY}"
"""
READER = ("--password-from", "env:METER_PASSWORD")


@pytest.fixture
def target(tmp_path: Path) -> str:
    """A meter that takes ciphered requests only."""
    image = tmp_path / "node.toml"
    image.write_text(resources.files("metersdk.simulator").joinpath("images/ansi.toml").read_text("utf-8") + NODE)
    return f"sim://{image}?protocol=c1222&called=.123.8437&calling=.123.4&key_id=2"


@pytest.fixture
def key_file(tmp_path: Path) -> str:
    path = tmp_path / "keys.toml"
    path.write_text(f'encryption = "{KEY}"\n')
    path.chmod(0o600)
    return str(path)


def test_a_table_under_a_key(cli: Any, target: str, key_file: str) -> None:
    for _ in range(2):
        ran = cli("table", target, 1, *READER, "--key-file", key_file)
        assert ran.code == 0 and "26010042" in ran.out
    assert KEY not in ran.out + ran.err
    ran = cli("read", target, "1.8.0", *READER, "--key-file", key_file)
    assert ran.code == 0 and "Wh" in ran.out


def test_without_the_key(cli: Any, target: str) -> None:
    ran = cli("table", target, 1, *READER)
    assert ran.code == 6 and "security mechanism" in ran.err and "--key-file" in ran.err
    assert cli("table", target, 1, *READER, "--json").error["class"] == "SecurityError"


def test_another_key(cli: Any, target: str, tmp_path: Path) -> None:
    path = tmp_path / "other.toml"
    path.write_text(f'encryption = "{"00" * 16}"\n')
    path.chmod(0o600)
    ran = cli("table", target, 1, *READER, "--key-file", str(path), "--json")
    assert ran.code == 6 and ran.error["class"] == "SecurityError"


def test_protocol_by_its_option(cli: Any) -> None:
    ran = cli("identify", "sim://ansi?speech=c1222", "--protocol", "c1222")
    assert ran.code == 0 and "c1222" in ran.out
