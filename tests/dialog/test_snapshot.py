"""A snapshot of any meter, and what a meter without tables of ANSI C12.19 says when it is asked for one."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from metersdk import connect
from metersdk.errors import LocalProtocolError
from metersdk.meter import Meter
from metersdk.model.snapshot import Snapshot

TARGETS = {
    "dlms:hdlc": "sim://residential",
    "iec62056-21:C": "sim://residential?protocol=iec62056-21",
    "kmp": "sim://residential?speech=kmp&protocol=kmp",
    "sml": "sim://residential?speech=sml&protocol=sml",
}


@pytest.mark.parametrize("protocol", TARGETS)
def test_a_snapshot_of_every_protocol(protocol: str) -> None:
    with connect(TARGETS[protocol]) as meter:
        shot = meter.snapshot()
    assert shot.identity.protocol == protocol and len(shot.readings) > 2
    assert (shot.clock is None) == any(finding.code == "snapshot-unread" for finding in shot.findings)
    assert shot.tables == ()
    document = shot.model_dump(mode="json")
    assert document["identity"]["protocol"] == protocol
    assert json.loads(json.dumps(document)) == document


@pytest.mark.parametrize("protocol", TARGETS)
@pytest.mark.parametrize(
    "call",
    [
        lambda meter: meter.table(1),
        lambda meter: meter.write_table(1, b"", write=True),
        lambda meter: meter.procedure(10, write=True),
    ],
)
def test_tables_are_refused_where_there_are_none(protocol: str, call: Callable[[Meter], object]) -> None:
    with connect(TARGETS[protocol]) as meter, pytest.raises(LocalProtocolError, match=r"C12\.19") as caught:
        call(meter)
    assert "c1218" in caught.value.hint


def test_what_the_meter_refuses_is_a_finding() -> None:
    with connect("sim://residential?speech=sml&protocol=sml") as meter:
        shot = meter.snapshot()
        assert isinstance(shot, Snapshot)
        assert [finding.text for finding in shot.findings if finding.code == "snapshot-unread"]
        assert set(shot.findings) <= set(meter.findings)
