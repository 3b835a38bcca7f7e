"""What a meter shows to somebody without a password, and that nothing else was tried."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import pytest

from metersdk.errors import DecodeError, LocalProtocolError, PortError
from metersdk.exposure import Severity, examine
from metersdk.meter import Meter
from metersdk.port.trace import read_trace


def image(tmp_path: Path, *changes: tuple[str, str]) -> str:
    """The target of a residential meter with changes to its image."""
    text = resources.files("metersdk.simulator").joinpath("images/residential.toml").read_text("utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    path = tmp_path / "meter.toml"
    path.write_text(text, "utf-8")
    return f"sim://{path}"


def ansi(tmp_path: Path, section: str) -> str:
    """The target of an ANSI meter with more in the section of its tables."""
    text = resources.files("metersdk.simulator").joinpath("images/ansi.toml").read_text("utf-8")
    path = tmp_path / "ansi.toml"
    path.write_text(text.replace("[c1219]", f"[c1219]\n{section}", 1), "utf-8")
    return f"sim://{path}?protocol=c1218"


def test_an_ansi_meter_set_up_well(tmp_path: Path) -> None:
    """What is refused is told once, and not as findings."""
    record = tmp_path / "session.jsonl"
    found = examine("sim://ansi?protocol=c1218", trace=record)
    severities = {item.code: item.severity for item in found.items}
    assert severities == {
        **dict.fromkeys(("identity", "tables"), Severity.LOW),
        **dict.fromkeys(("tables-refused", "write-unknown"), Severity.INFO),
    }
    assert found.findings == () and found.client is None
    refused = next(item for item in found.items if item.code == "tables-refused")
    assert refused.text.startswith("45 of 48") and "23" not in refused.where and "20 to 28" in refused.where
    sent = b"".join(bytes(each.octets) for each in read_trace(record) if each.direction == "tx")
    # No Security, no write, no procedure; no table with passwords, access rights or keys.
    assert not any(bytes((service,)) + b"\0" in sent for service in (0x51, 0x40, 0x4F))
    assert not any(b"\x30\x00" + bytes((table,)) in sent for table in (7, 8, 42, 44, 45))


def test_an_ansi_meter_that_shows_everybody_everything(tmp_path: Path) -> None:
    found = examine(ansi(tmp_path, "read_level = 0"))
    assert found.worst is Severity.MEDIUM
    assert [item.code for item in found.items] == [
        *("registers", "read-log", "read-log", "read-profile"),
        *("identity", "tables", "set-up", "clock", "write-unknown"),
    ]
    writing = found.items[-1]
    assert writing.where == "tables 5 to 7" and writing.proof == "rights" and "table 44" in writing.hint


def test_an_ansi_meter_that_shows_some_of_its_registers(tmp_path: Path) -> None:
    found = examine(ansi(tmp_path, "public = [0, 28, 64]"))
    assert (found.items[0].code, found.items[0].where) == ("registers", "table 28")
    assert "identity" not in {item.code for item in found.items}


PUBLIC = 'client = 16\nrole = "public"'


def test_a_meter_set_up_well_shows_consumption_and_allows_nothing() -> None:
    found = examine("sim://residential")
    assert found.refused == "" and found.identity is not None and found.worst is Severity.MEDIUM
    assert {item.code for item in found.items} == {
        *("registers", "read-profile", "read-log", "objects", "identity", "clock"),
    }
    assert [item.severity for item in found.items] == sorted((item.severity for item in found.items), reverse=True)
    assert {item.proof for item in found.items} == {"read"}


def test_a_meter_that_lets_everybody_manage_it(tmp_path: Path) -> None:
    found = examine(image(tmp_path, (PUBLIC, 'client = 16\nrole = "management"')))
    assert found.worst is Severity.CRITICAL
    worst = [(item.text, item.where) for item in found.items if item.severity is Severity.CRITICAL]
    assert ("Disconnect control: cuts the supply", "0.0.96.3.10.255 method 1") in worst
    codes = {item.code: item.severity for item in found.items}
    assert codes["write-clock"] is codes["invoke-profile-generic"].HIGH
    assert all(item.proof == "rights" for item in found.items if item.code.startswith(("write", "invoke")))


def test_nothing_but_reading_is_asked_for(tmp_path: Path) -> None:
    trace = tmp_path / "session.jsonl"
    target = image(tmp_path, (PUBLIC, 'client = 16\nrole = "management"'))
    examine(target + "?framing=wrapper", trace=trace)
    sent = {record.data[8] for record in read_trace(trace) if record.direction == "tx" and len(record.data) > 8}
    # AARQ, RLRQ and GET; no SET (C1), no ACTION (C3).
    assert sent == {0x60, 0x62, 0xC0}


def test_what_cannot_be_read_does_not_cost_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    def get_profile(self: Meter, *args: object, **chosen: object) -> None:
        raise DecodeError("a row has one value too many", layer="data")

    monkeypatch.setattr(Meter, "get_profile", get_profile)
    codes = {item.code for item in examine("sim://residential").items}
    assert codes == {"registers", "objects", "identity", "clock"}


def test_a_meter_that_wants_a_password_is_closed(tmp_path: Path) -> None:
    found = examine(image(tmp_path, (PUBLIC, PUBLIC + '\nauthentication = "low"\npassword = "12345678"')))
    assert found.items == () and found.identity is None and found.worst is Severity.INFO
    assert "mechanism required" in found.refused


def test_programming_mode_and_readout() -> None:
    found = examine("sim://residential", protocol="iec62056-21")
    codes = {item.code: item for item in found.items}
    assert codes["readout"].severity is Severity.MEDIUM and "data sets" in codes["readout"].text
    assert codes["programming"].where.startswith("R1 0.9.1")


def test_passwords_have_no_place_here() -> None:
    with pytest.raises(LocalProtocolError, match="without one"):
        examine("sim://residential", password="12345678")


def test_a_meter_that_cannot_be_reached_is_an_error() -> None:
    with pytest.raises(PortError):
        examine("/dev/no-such-probe")
