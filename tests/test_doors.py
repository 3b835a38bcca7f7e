"""The two doors are one: same names, same signatures, same words; and the public names are the agreed ones."""

from __future__ import annotations

import inspect
import re

import pytest

import metersdk
from metersdk import aio, meter

PUBLIC = {
    *("AsyncMeter", "CaptureObject", "ClockStatus", "Column", "Counter", "CounterFile", "Data", "DateTime", "Event"),
    *("Finding", "FrameTable", "Identity", "Keys", "Meter", "MeterError", "Obis", "Profile", "Progress", "Push"),
    *("Quirks", "Reading", "Secret", "Snapshot", "State", "Tag", "Telegram", "TicketKey", "Timing", "Unit", "aconnect"),
    *("connect", "errors", "scan"),
}


def members(door: type) -> dict[str, object]:
    return {
        name: member
        for name, member in vars(door).items()
        if not name.startswith("_") and (inspect.isfunction(member) or isinstance(member, property))
    }


MEMBERS = members(meter.Meter)


def test_same_names_in_the_same_order() -> None:
    assert list(MEMBERS) == list(members(aio.AsyncMeter))
    assert list(members(meter.Programming)) == list(members(aio.AsyncProgramming))


def awaited(annotation: str) -> str:
    return re.sub(r"\bAsync(?=[A-Z])", "", re.sub(r"^Awaitable\[(.*)\]$", r"\1", annotation))


@pytest.mark.parametrize(
    ("one", "other", "name"),
    [
        *((meter.Meter, aio.AsyncMeter, name) for name in MEMBERS),
        *((meter.Programming, aio.AsyncProgramming, name) for name in members(meter.Programming)),
    ],
)
def test_same_signature_and_words(one: type, other: type, name: str) -> None:
    blocking, waiting = members(one)[name], members(other)[name]
    if isinstance(blocking, property):
        assert isinstance(waiting, property)
        blocking, waiting = blocking.fget, waiting.fget
    ours, theirs = inspect.signature(blocking), inspect.signature(waiting)  # type: ignore[arg-type]
    assert ours.parameters == theirs.parameters
    assert ours.return_annotation == awaited(theirs.return_annotation)
    assert blocking.__doc__ == waiting.__doc__ and blocking.__doc__  # type: ignore[union-attr]


def test_connect_and_aconnect_take_the_same() -> None:
    assert inspect.signature(meter.connect).parameters == inspect.signature(aio.aconnect).parameters
    assert meter.connect.__doc__ == aio.aconnect.__doc__


def test_every_method_is_one_line() -> None:
    for door in (meter.Meter, aio.AsyncMeter, meter.Programming, aio.AsyncProgramming):
        for name, member in members(door).items():
            if name != "close":
                function = member.fget if isinstance(member, property) else member
                lines = inspect.getsource(function).split('"""')[-1].strip().splitlines()  # type: ignore[arg-type]
                assert len(lines) == 1, f"{door.__name__}.{name} does more than hand on"


def test_public_names() -> None:
    assert set(metersdk.__all__) == PUBLIC
    for name in PUBLIC:
        assert getattr(metersdk, name) is not None
    assert not PUBLIC - set(dir(metersdk))


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'conect'"):
        _ = metersdk.conect  # type: ignore[attr-defined]
