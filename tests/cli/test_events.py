"""events: what came is shown, and what is missing is an error like that of a profile."""

from __future__ import annotations

from typing import Any

import pytest

from metersdk.errors import PartialResult
from metersdk.meter import Meter
from metersdk.model.event import LOG_BOOK, Event


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    def events(self: Meter, log: object, **chosen: object) -> list[Event]:
        found = [Event(time=None, log=LOG_BOOK, code=7, text="", status="", values=())]
        raise PartialResult("one log of two was refused", layer="apdu", result=found, hint="another client")

    monkeypatch.setattr(Meter, "events", events)


@pytest.mark.parametrize("mode", ["--json", "--jsonl"])
def test_a_part_for_programs(cli: Any, broken: None, mode: str) -> None:
    ran = cli("events", "sim://bench?framing=wrapper", mode)
    assert ran.code == 8
    entries = ran.document["events"] if mode == "--json" else ran.lines
    assert [entry["code"] for entry in entries] == [7]
    assert ran.error["class"] == "PartialResult" and ran.error["exit_code"] == 8
    assert ran.error["message"] == "one log of two was refused" and ran.error["hint"] == "another client"


@pytest.mark.parametrize("words", [(), ("--csv",)])
def test_a_part_for_people(cli: Any, broken: None, words: tuple[str, ...]) -> None:
    ran = cli("events", "sim://bench?framing=wrapper", *words)
    assert ran.code == 8 and "7" in ran.out
    assert ran.err.splitlines()[-2:] == ["error: one log of two was refused [apdu]", "hint: another client"]
