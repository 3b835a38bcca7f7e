"""Families of ANSI meters: their switches reach the line, and tables of their own become registers."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

import pytest

import metersdk
from metersdk import Quirks
from metersdk.dialog.c1219_settings import C1219Settings
from metersdk.errors import LocalProtocolError
from metersdk.model.obis import Obis

PASSWORD = "12345678"
FAMILY = '''
title = "Our ANSI meters"
speaks = "c1218"
[[facts]]
what = "Manufacturer table 5 holds two counters."
sure = "one report"
source = "tried on one meter in our yard"
[facts.switches]
protocol = "c1218"
c1219_layouts = """
[[table]]
number = 2053
name = "Counters"
fields = [
  { name = "import", type = "u32", unit = "Wh", obis = "1-0:1.8.9" },
  { name = "export", type = "u32", unit = "Wh", obis = "1-0:2.8.9" },
]
"""
[[vectors]]
kind = "c12-table"
number = 2053
octets = "01 00 00 00 02 00 00 00"
registers = { "1-0:1.8.9" = "1 Wh", "1-0:2.8.9" = "2 Wh" }
'''


def sent(record: Path) -> bytes:
    lines = [json.loads(line) for line in record.read_text("utf-8").splitlines()]
    return b"".join(bytes.fromhex(line["hex"].replace("**", "00")) for line in lines if line.get("d") == "tx")


def test_a_family_of_ansi_meters_needs_no_other_word(tmp_path: Path) -> None:
    record = tmp_path / "session.jsonl"
    with metersdk.connect("sim://ansi", vendor="elster-a3", password=PASSWORD, trace=record) as meter:
        assert meter.identity.protocol == "c1218"
        assert meter.identity.family == "elster-a3"
        assert meter.read("1-0:1.8.0").value > 0
    # Woken up, then Identify.
    assert sent(record).startswith(b"\x55\xee\x00")


def test_tables_of_a_maker_become_registers(tmp_path: Path) -> None:
    own, image = tmp_path / "our-ansi.toml", tmp_path / "ours.toml"
    own.write_text(FAMILY, "utf-8")
    built_in = resources.files("metersdk.simulator").joinpath("images/ansi.toml").read_text("utf-8")
    image.write_text(
        built_in.replace("[clock]", "[clock]\nfixed = 2026-08-01T00:00:00Z")
        + '\n[[c1219.table]]\nnumber = 5\nobjects = ["1-0:1.8.0", "1-0:2.8.0"]\n',
        "utf-8",
    )
    with metersdk.connect(f"sim://{image}", vendor=own, password=PASSWORD) as meter:
        found = {reading.obis: reading for reading in meter.registers()}
        assert meter.table(2053).NAME == "Counters"
        raw = meter.table(2053, raw=True)
    one, other = found[Obis("1-0:1.8.9")], found[Obis("1-0:2.8.9")]
    assert raw == int(one.value).to_bytes(4, "little") + int(other.value).to_bytes(4, "little")
    # The register of table 23 counts in 10 Wh.
    assert found[Obis("1-0:1.8.0")].value == one.value // 10 * 10


@pytest.mark.parametrize("layouts", ["nobody", "[[table]]\nnumber = 0", "[[table"])
def test_descriptions_that_are_none(layouts: str) -> None:
    with pytest.raises(LocalProtocolError):
        metersdk.connect("sim://ansi", vendor=Quirks(protocol="c1218", c1219_layouts=layouts))


def test_what_the_caller_says_goes_before_the_family() -> None:
    told, default = C1219Settings(user="me", user_id=7), C1219Settings()
    family = Quirks(psem_user="them", psem_user_id=3, psem_padding="space")
    named, unnamed, plain = told.sign_on(family), default.sign_on(family), default.sign_on(Quirks())
    assert (named.user, named.user_id, named.padding) == ("me", 7, "space")
    assert (unnamed.user, unnamed.user_id) == ("them", 3)
    assert (plain.user, plain.user_id, plain.padding) == ("metersdk", 1, "nul")


def test_a_meter_without_negotiate(tmp_path: Path) -> None:
    record = tmp_path / "session.jsonl"
    quirks = Quirks(protocol="c1218", psem_negotiate=False, psem_user="ANSI", psem_user_id=2)
    with metersdk.connect("sim://ansi", vendor=quirks, password=PASSWORD, trace=record) as meter:
        assert meter.identity.baud == 9600
        assert len(meter.table(23, raw=True)) > 64
    assert b"\x50\x00\x02ANSI      " in sent(record)
    with metersdk.connect("sim://ansi", vendor=Quirks(protocol="c1218", psem_packet_size=128), trace=record) as meter:
        assert meter.identity.baud == 57600
    assert b"\x6a\x00\x80\xff" in sent(record) or b"\x00\x80\xff" in sent(record)
