"""Two calls on one meter, and an iteration that is left: nobody takes the answer of somebody else."""

from __future__ import annotations

import asyncio
from threading import Thread

import pytest

import metersdk
from metersdk.aio import AsyncMeter
from metersdk.errors import LocalProtocolError, MeterError, PortClosed
from metersdk.model.quirks import Quirks

TARGETS = ["sim://residential", "sim://residential?framing=wrapper", "sim://residential?mode=C"]


@pytest.mark.parametrize("target", TARGETS)
def test_a_second_thread_is_told(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[BaseException] = []

    def other() -> None:
        for call in (lambda: meter.clock, meter.registers, lambda: next(meter.iter_profile())):
            try:
                call()
            except MeterError as error:
                told.append(error)

    with metersdk.connect(target, vendor=Quirks(local_deviation=-60)) as meter:
        port = meter._port
        whole = port.receive

        def receive(timeout: float) -> bytes:
            if not told:
                thread = Thread(target=other)
                thread.start()
                thread.join()
            return whole(timeout)

        monkeypatch.setattr(port, "receive", receive)
        assert len(meter.get_profile(last="3h")) == 12
    assert [str(error) for error in told] == ["another call to this meter is under way"] * 3
    assert isinstance(told[0], LocalProtocolError) and "connect" in told[0].hint


class Gate:
    """Holds the next answer of the meter back until it is opened."""

    def __init__(self, meter: AsyncMeter) -> None:
        self.waiting, self.open = asyncio.Event(), asyncio.Event()
        whole = meter._port.receive

        async def receive(timeout: float) -> bytes:
            self.waiting.set()
            await self.open.wait()
            return await whole(timeout)

        meter._port.receive = receive  # type: ignore[method-assign]


@pytest.mark.parametrize("target", TARGETS)
def test_a_second_task_is_told_and_the_first_goes_on(target: str) -> None:
    async def course() -> int:
        async with metersdk.aconnect(target, vendor=Quirks(local_deviation=-60)) as meter:
            gate = Gate(meter)
            first = asyncio.create_task(meter.get_profile(last="3h"))
            await gate.waiting.wait()
            for second in (meter.clock, meter.registers(), anext(aiter(meter.iter_profile()))):
                with pytest.raises(LocalProtocolError, match="another call to this meter is under way") as caught:
                    await second
                assert "asyncio.Lock" in caught.value.hint
            gate.open.set()
            return len(await first)

    assert asyncio.run(course()) == 12


@pytest.mark.parametrize("target", TARGETS)
def test_closing_ends_a_call_that_is_under_way(target: str) -> None:
    async def course() -> None:
        async with metersdk.aconnect(target) as meter:
            gate = Gate(meter)
            call = asyncio.create_task(meter.registers())
            await gate.waiting.wait()
        gate.open.set()
        with pytest.raises(PortClosed):
            await call

    asyncio.run(course())


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("rounds", [1, 3])
def test_an_iteration_that_is_left_is_ended_before_the_next_call(target: str, rounds: int) -> None:
    under_way = 0

    async def course() -> int:
        async with metersdk.aconnect(target, vendor=Quirks(local_deviation=-60)) as meter:
            whole = meter._port.receive

            async def receive(timeout: float) -> bytes:
                nonlocal under_way
                assert under_way == 0, "two wait for one answer"
                under_way += 1
                try:
                    # Whoever else is ready comes first, as on a real line.
                    for _ in range(5):
                        await asyncio.sleep(0)
                    return await whole(timeout)
                finally:
                    under_way -= 1

            meter._port.receive = receive  # type: ignore[method-assign]
            for _ in range(rounds):
                async for piece in meter.iter_profile(entries=(1, 2000)):
                    if len(piece):
                        break
                assert (await meter.read("1.8.0")).value
            profile = await meter.get_profile(last="3h")
            async for _ in meter.iter_profile(entries=(1, 2000)):
                break
            assert not [finding for finding in meter.findings if finding.code == "release"]
        assert len(asyncio.all_tasks()) == 1
        return len(profile)

    assert asyncio.run(course()) == 12
