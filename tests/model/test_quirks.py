"""Every switch is one that somebody reads; those of ``connect`` reach the layer they are about."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

import metersdk
from metersdk import Keys, Quirks

KEYS = Keys(encryption="000102030405060708090A0B0C0D0E0F", authentication="D0D1D2D3D4D5D6D7D8D9DADBDCDDDEDF")
ROOM = Path(metersdk.__file__).parent


def test_every_switch_is_read_somewhere() -> None:
    code = "".join(path.read_text("utf-8") for path in ROOM.rglob("*.py") if path.name != "quirks.py")
    unread = [field.name for field in fields(Quirks) if not re.search(rf"quirks\.{field.name}\b", code)]
    assert unread == []


@pytest.mark.parametrize(
    ("quirks", "tag"),
    [
        (Quirks(), "c8"),
        (Quirks(envelope="general"), "db"),
        (Quirks(envelope="ciphering"), "dd"),
        (Quirks(dedicated_key=True), "d0"),
        (Quirks(envelope="general", dedicated_key=True), "dc"),
    ],
    ids=["glo", "general-glo", "general-ciphering", "dedicated", "general-ded"],
)
def test_envelope_of_a_ciphered_association(quirks: Quirks, tag: str, tmp_path: Path) -> None:
    record = tmp_path / "session.jsonl"
    target = "sim://residential?framing=wrapper"
    with metersdk.connect(target, client=1, keys=KEYS, vendor=quirks, trace=record) as meter:
        assert meter.get(3, "1.0.1.8.0.255", 3) == (0, 30)
    # A GET request in its wrapper: version 1, client 1, server 1, length, tag of the APDU.
    assert re.search(rf'"tx", "hex": "000100010001....{tag}', record.read_text())


def test_a_meter_held_at_300_baud() -> None:
    with metersdk.connect("sim://residential?mode=C", vendor=Quirks(max_baud=4800)) as meter:
        assert meter.identity.baud == 300
