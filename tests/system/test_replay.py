"""A session on record gives the same results when it is played back; no secret is in the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import metersdk
from metersdk.errors import LocalProtocolError, MeterError
from metersdk.port.trace import read_trace

TARGETS = {
    "optical": ("sim://residential", {}),
    "optical, password": ("sim://residential", {"client": 2, "password": "12345678"}),
    "readout": ("sim://residential", {"protocol": "iec62056-21"}),
    "wrapper": ("sim://residential?framing=wrapper", {}),
    "wrapper, password": ("sim://residential?framing=wrapper", {"client": 2, "password": "12345678"}),
    "hdlc": ("sim://bench?framing=hdlc", {}),
}


def read(target: str, **more: Any) -> list[object]:
    with metersdk.connect(target, **more) as meter:
        found: list[object] = [str(meter.identity)]
        if "iec62056-21" in meter.identity.protocol:
            return [*found, [str(each) for each in meter.readout().data_sets], [str(r) for r in meter.registers()]]
        found.append([str(reading) for reading in meter.registers()])
        found.append(list(meter.get_profile("1.0.99.1.0.255", entries=(1, 20)).rows()))
        with pytest.raises(MeterError) as refused:
            meter.get(3, "9.9.9.9.9.255", 2)
        return [*found, str(refused.value), list(meter.findings)]


def replayed(target: str, file: Path) -> str:
    """A connection does not say what it carried: the target of the replay does, where it was not a line."""
    framing = target.partition("?")[2]
    return f"trace://{file}" + (f"?{framing}" if framing else "")


@pytest.mark.parametrize("name", TARGETS)
def test_a_session_is_replayed(name: str, tmp_path: Path) -> None:
    target, options = TARGETS[name]
    file = tmp_path / "session.trace"
    recorded = read(target, trace=file, **options)
    assert read(replayed(target, file), **options) == recorded
    # This meter has the same digits as its serial number, and says them itself.
    sent = [record for record in read_trace(file) if record.direction == "tx"]
    assert not any(b"12345678" in record.data for record in sent)
    assert any(record.masked for record in sent) is ("password" in name)


def test_other_questions_than_those_on_record(tmp_path: Path) -> None:
    file = tmp_path / "session.trace"
    read("sim://bench?framing=hdlc", trace=file)
    with metersdk.connect(f"trace://{file}?framing=hdlc") as meter, pytest.raises(LocalProtocolError, match="differs"):
        meter.clock  # noqa: B018


def test_a_fresh_challenge_is_not_on_record(tmp_path: Path) -> None:
    """HLS proves that both sides know the secret now: no recording can."""
    keys = metersdk.Keys(encryption=bytes(range(16)), authentication=bytes(range(0xD0, 0xE0)), invocation_counter=1)
    file = tmp_path / "session.trace"
    options: dict[str, Any] = {"client": 1, "keys": keys}
    with metersdk.connect("sim://residential?framing=wrapper", trace=file, **options) as meter:
        assert meter.registers()
    text = file.read_text("ascii")
    for secret in (bytes(range(16)), bytes(range(0xD0, 0xE0))):
        assert secret.hex() not in text
    for strict in ("", "&strict=0"):
        with pytest.raises(MeterError):
            metersdk.connect(f"trace://{file}?framing=wrapper{strict}", timing=metersdk.Timing(0.5), **options)
