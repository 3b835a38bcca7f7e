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
