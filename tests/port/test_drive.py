"""The two drivers: the same dialog, the same answers, and the same good-bye."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from metersdk.effects import Dialog, Emit, Now, Receive, Send, SetLine, Sleep
from metersdk.errors import Cancel, LocalProtocolError, NoAnswer, PortClosed, PortError
from metersdk.port.drive import GOODBYE, Listener, Port, aiterate, arun, iterate, run
from metersdk.port.virtual import AsyncFromSync


class Script:
    """A port that notes what is asked of it; ``answers`` are given one by one, an exception among them is raised."""

    name = "script"

    def __init__(self, *answers: bytes | BaseException) -> None:
        self.answers = list(answers)
        self.calls: list[tuple[object, ...]] = []
        self.clock = 0.0

    def send(self, data: bytes) -> None:
        self.calls.append(("send", data))

    def receive(self, timeout: float) -> bytes:
        self.calls.append(("receive", timeout))
        if not self.answers:
            self.clock += timeout
            return b""
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def set_line(self, baud: int) -> None:
        self.calls.append(("line", baud))

    def sleep(self, seconds: float) -> None:
        self.calls.append(("sleep", seconds))
        self.clock += seconds

    def now(self) -> float:
        return self.clock

    def close(self) -> None:
        self.calls.append(("close",))


Runner = Callable[..., Any]


def arun_here(dialog: Dialog[Any], port: Port, listener: Listener | None = None) -> Any:
    return asyncio.run(arun(dialog, AsyncFromSync(port), listener))


both = pytest.mark.parametrize("carry", [run, arun_here], ids=["blocking", "asyncio"])


def talk(goodbye: bytes = b"B0") -> Dialog[str]:
    try:
        yield SetLine(300)
        yield Send(b"/?!")
        yield Emit("asked")
        data = yield Receive(2.0)
        yield Sleep(0.25)
        now = yield Now()
        yield Emit(data)
        return f"{data!r} at {now}"
    except Cancel:
        yield Send(goodbye)
        raise


@both
def test_every_effect_is_carried_out_and_answered(carry: Runner) -> None:
    port, heard = Script(b"ok"), []
    assert carry(talk(), port, heard.append) == "b'ok' at 0.25"
    assert heard == ["asked", b"ok"]
    assert port.calls == [("line", 300), ("send", b"/?!"), ("receive", 2.0), ("sleep", 0.25)]


@both
def test_a_dialog_without_effects_has_its_result(carry: Runner) -> None:
    def silent() -> Dialog[int]:
        return 7
        yield Now()

    assert carry(silent(), Script()) == 7


@both
def test_a_port_error_is_thrown_in_at_the_yield(carry: Runner) -> None:
    def careful() -> Dialog[str]:
        try:
            yield Receive(1)
        except PortError as error:
            yield Send(b"again")
            return error.message
        return "nothing happened"

    port = Script(PortClosed("unplugged"))
    assert carry(careful(), port) == "unplugged"
    assert port.calls[-1] == ("send", b"again")


@both
def test_what_the_dialog_raises_goes_on(carry: Runner) -> None:
    def fruitless() -> Dialog[None]:
        yield Receive(1)
        raise NoAnswer("silence")

    with pytest.raises(NoAnswer, match="silence"):
        carry(fruitless(), Script())


@both
def test_something_that_is_no_effect_is_told(carry: Runner) -> None:
    def wrong() -> Dialog[None]:
        yield "hello"  # type: ignore[misc]

    with pytest.raises(LocalProtocolError, match="str, which is no effect"):
        carry(wrong(), Script())


@pytest.mark.parametrize("reason", [KeyboardInterrupt, asyncio.CancelledError, ZeroDivisionError])
@both
def test_giving_up_says_goodbye_and_goes_on(carry: Runner, reason: type[BaseException]) -> None:
    port = Script(reason())
    with pytest.raises(reason):
        carry(talk(), port)
    assert port.calls[-1] == ("send", b"B0")


def test_a_cancelled_task_says_goodbye() -> None:
    async def main() -> Script:
        port = Script()
        waiting = asyncio.Event()

        class Silent(AsyncFromSync):
            async def receive(self, timeout: float) -> bytes:
                waiting.set()
                await asyncio.get_running_loop().create_future()
                return b""

        task = asyncio.create_task(arun(talk(), Silent(port)))
        await waiting.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return port

    assert asyncio.run(main()).calls[-1] == ("send", b"B0")


@both
def test_a_listener_that_raises_ends_the_dialog_politely(carry: Runner) -> None:
    def full(event: object) -> None:
        raise OSError("disk full")

    port = Script(b"ok")
    with pytest.raises(OSError, match="disk full"):
        carry(talk(), port, full)
    assert port.calls[-1] == ("send", b"B0")


def test_an_awaitable_listener_is_awaited() -> None:
    heard: list[object] = []

    async def listener(event: object) -> None:
        await asyncio.sleep(0)
        heard.append(event)

    asyncio.run(arun(talk(), AsyncFromSync(Script(b"ok")), listener))
    assert heard == ["asked", b"ok"]


@both
def test_a_goodbye_without_end_is_cut_off(carry: Runner) -> None:
    def clinging() -> Dialog[None]:
        while True:
            try:
                yield Receive(60.0)
            except Cancel:
                pass

    port = Script(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        carry(clinging(), port)
    assert port.clock == pytest.approx(GOODBYE)
    assert port.calls[1] == ("receive", GOODBYE)


@both
def test_a_goodbye_that_spins_is_cut_off(carry: Runner) -> None:
    def spinning() -> Dialog[None]:
        try:
            yield Receive(1)
        finally:
            while True:
                yield Now()

    with pytest.raises(KeyboardInterrupt):
        carry(spinning(), Script(KeyboardInterrupt()))


@both
def test_a_port_that_fails_in_the_goodbye_does_not_hide_the_reason(carry: Runner) -> None:
    def polite() -> Dialog[None]:
        try:
            yield Receive(1)
        except Cancel:
            yield Receive(0.5)

    with pytest.raises(KeyboardInterrupt):
        carry(polite(), Script(KeyboardInterrupt(), PortClosed("unplugged")))


def test_iterating_hands_out_events_and_keeps_the_result() -> None:
    events = iterate(talk(), Script(b"ok"))
    with pytest.raises(LocalProtocolError, match="no result yet"):
        _ = events.result
    assert list(events) == ["asked", b"ok"]
    assert events.result == "b'ok' at 0.25"
    with pytest.raises(StopIteration) as end:
        next(events)
    assert end.value.value == events.result


def test_iterating_asks_no_further_than_it_is_asked() -> None:
    port = Script(b"ok")
    events = iterate(talk(), port)
    assert next(events) == "asked"
    assert ("receive", 2.0) not in port.calls
    events.close()


@pytest.mark.parametrize("way", ["close", "with", "dropped"])
def test_leaving_an_iterator_says_goodbye_once(way: str) -> None:
    port = Script(b"ok")
    events = iterate(talk(), port)
    next(events)
    match way:
        case "close":
            events.close()
            events.close()
        case "with":
            with events:
                pass
        case "dropped":
            del events
    assert port.calls.count(("send", b"B0")) == 1


def test_iterating_with_asyncio() -> None:
    async def main() -> None:
        async with aiterate(talk(), AsyncFromSync(Script(b"ok"))) as events:
            assert [event async for event in events] == ["asked", b"ok"]
        assert events.result == "b'ok' at 0.25"
        port = Script(b"ok")
        async with aiterate(talk(), AsyncFromSync(port)) as events:
            async for _ in events:
                break
        assert port.calls[-1] == ("send", b"B0")

    asyncio.run(main())
