"""The family of an ANSI meter: told by table 1 between Logon and Security; a family that is named stays."""

from __future__ import annotations

from dataclasses import replace

import pytest
from c1219_rig import READER, C1219Rig

from metersdk.dialog.c1219_family import FamilyOf
from metersdk.dialog.hearing import Hearing
from metersdk.dialog.opening import open_session
from metersdk.effects import State
from metersdk.errors import AuthenticationFailed, Finding
from metersdk.meter import Meter
from metersdk.model.quirks import Quirks
from metersdk.port.drive import run
from metersdk.port.virtual import VirtualPort
from metersdk.vendor.book import load

ELSTER = (('model = "SMALL"', 'model = "A3RL"\nmanufacturer = "ELST"'),)
# The password in the service Security, filled up to 20 octets.
NUL, ZERO = (READER.encode().ljust(20, fill) for fill in (b"\0", b"0"))


def connect(rig: C1219Rig, families: FamilyOf | None) -> tuple[Meter, VirtualPort, list[object]]:
    events: list[object] = []
    line, hearing = rig.port(), Hearing(events.append)
    plan = replace(rig.plan, c1219=replace(rig.plan.c1219, families=families))
    return Meter(line, run(open_session(plan), line, hearing), hearing), line, events


def sent(line: VirtualPort) -> bytes:
    return b"".join(event.data for event in line.log if event.side == "client")


def findings(events: list[object]) -> list[str]:
    return [event.code for event in events if isinstance(event, Finding)]


def test_table_1_tells_what_fills_the_password_up() -> None:
    meter, line, events = connect(C1219Rig(changes=ELSTER), load().ansi_quirks)
    assert meter.identity.family == "elster-a3"
    assert (meter.identity.manufacturer, meter.identity.model) == ("ELST", "A3RL")
    assert ZERO in sent(line) and NUL not in sent(line)
    assert [event.name for event in events if isinstance(event, State)].count("family") == 1
    found = next(event for event in events if isinstance(event, Finding))
    assert found.code == "c12-family" and "elster-a3" in found.text and "ELST A3RL (match: unverified)" in found.text
    # That it is woken up comes too late by then.
    assert "vendor='elster-a3'" in found.hint
    # Another session knows it from the start.
    line.sleep(8.0)
    assert meter.table(23, raw=True)
    assert findings(events) == ["c12-family"] and sent(line).count(ZERO) == 2 and b"\x55\xee" in sent(line)


@pytest.mark.parametrize("known", [False, True])
def test_without_a_family_the_standard_holds(known: bool) -> None:
    changes = () if known else ELSTER
    meter, line, events = connect(C1219Rig(changes=changes), load().ansi_quirks if known else None)
    assert meter.identity.family is None and NUL in sent(line) and findings(events) == []


@pytest.mark.parametrize(("changes", "told"), [((), True), (ELSTER, False)])
def test_a_refused_password_may_be_filled_up_wrongly(changes: tuple[tuple[str, str], ...], told: bool) -> None:
    with pytest.raises(AuthenticationFailed) as caught:
        connect(C1219Rig(changes=changes, password="00000000"), load().ansi_quirks)
    assert ("--vendor" in caught.value.hint) is told and "many meters lock" in caught.value.hint


def test_without_a_password_too() -> None:
    meter, line, _ = connect(C1219Rig(changes=ELSTER, password=None), load().ansi_quirks)
    assert meter.identity.family == "elster-a3" and b"\x51" + READER.encode() not in sent(line)


def test_tables_of_the_family_are_decoded_its_way() -> None:
    layouts = '[[table]]\nnumber = 5\nname = "Ours"\nfields = [{ name = "ours", type = "text", count = 20 }]'
    quirks = Quirks(family="ours", c1219_layouts=layouts)
    meter, _, events = connect(C1219Rig(), lambda manufacturer, model: (quirks, f"{manufacturer}-{model}"))
    assert meter.table(5).NAME == "Ours"  # type: ignore[attr-defined]
    found = next(event for event in events if isinstance(event, Finding))
    assert "MSDK SMALL (match: MSDK-SMALL)" in found.text and "ansi-c1218 keeps" in found.hint


def test_a_table_that_only_the_password_opens_tells_it_late() -> None:
    """The padding is the default one then; the tables are the family's nevertheless."""
    rig = C1219Rig(changes=(*ELSTER, ("[c1219]", "[c1219]\npublic = [0]")))
    meter, line, events = connect(rig, load().ansi_quirks)
    assert meter.identity.family == "elster-a3" and findings(events) == ["c12-family"]
    assert NUL in sent(line) and ZERO not in sent(line)


def test_table_1_that_nobody_may_read_says_nothing() -> None:
    rig = C1219Rig(changes=(*ELSTER, ("[c1219]", "[c1219]\npublic = [0]")), password=None)
    meter, _, events = connect(rig, load().ansi_quirks)
    assert meter.identity.family is None and "c12-family" not in findings(events)
