"""What ``progress`` is told, behind both doors."""

from __future__ import annotations

import asyncio

import pytest

import metersdk
from metersdk import Finding, Progress, Push, State

EVENTS = (Progress, State, Finding, Push)


def test_it_hears_these_four_and_nothing_else() -> None:
    heard: list[Progress | State | Finding | Push] = []

    def hear(event: Progress | State | Finding | Push) -> None:
        heard.append(event)

    with metersdk.connect("sim://residential", protocol="iec62056-21", progress=hear) as meter:
        with meter.programming(password="12345678") as p:
            assert p.read_blocks("P.01", ";")
        list(meter.iter_profile(last="1d"))
        list(meter.iter_readout())
    assert {type(event) for event in heard} <= set(EVENTS) and len(heard) > 5


@pytest.mark.parametrize("piecewise", [False, True])
def test_a_coroutine_is_awaited(piecewise: bool) -> None:
    called, awaited = [], []

    async def hear(event: object) -> None:
        called.append(event)
        await asyncio.sleep(0)
        awaited.append(event)

    async def course() -> None:
        async with metersdk.aconnect("sim://residential?framing=wrapper", progress=hear) as meter:
            before = len(awaited)
            if piecewise:
                assert [piece async for piece in meter.iter_profile(last="1d")]
            else:
                await meter.get_profile(last="1d")
            assert len(awaited) > before

    asyncio.run(course())
    assert awaited == called
