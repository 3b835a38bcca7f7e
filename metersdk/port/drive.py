"""The two loops that carry a dialog's effects out on a port: one blocking, one asyncio. Nothing else differs.

``run`` and ``arun`` carry a dialog to its end; ``iterate`` and ``aiterate`` hand out what it emits on the way.

- A port that fails raises a ``MeterError``: it is thrown into the dialog at the ``yield``.
- Whoever gives up (KeyboardInterrupt, CancelledError, closing of the iterator, a listener that raises) has ``Cancel``
  thrown into the dialog once. It may go on yielding effects for ``GOODBYE`` seconds of port time, to say DISC, B0 or
  Logoff; then the original exception goes on. ``generator.close()`` cannot do this: a generator may not yield while it
  is being closed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Generic, Protocol, TypeVar, cast

from metersdk.effects import Answer, Dialog, Effect, Emit, Now, Receive, Send, SetLine, Sleep
from metersdk.errors import Cancel, LocalProtocolError, MeterError

T = TypeVar("T")

# Seconds of port time a cancelled dialog has for its good-bye: DISC and UA at 300 Bd take 0.7 s.
GOODBYE = 2.0
# Effects it may yield meanwhile: under a virtual clock time need not pass at all.
GOODBYE_EFFECTS = 1000


class Port(Protocol):
    """Octets to and from one peer, blocking. Every method may raise a ``PortError``."""

    @property
    def name(self) -> str:
        """What errors and traces call this port; never holds a secret."""

    def send(self, data: bytes) -> None:
        """Return once the last stop bit has left, as well as the port can know."""

    def receive(self, timeout: float) -> bytes:
        """What has come, at least one octet; ``b""`` if nothing came for ``timeout`` seconds."""

    def set_line(self, baud: int) -> None:
        """Change the speed of the open line; nothing happens where there is no line."""

    def sleep(self, seconds: float) -> None:
        """Let time pass."""

    def now(self) -> float:
        """Seconds on a monotonic clock of arbitrary start."""

    def close(self) -> None:
        """Let go of the port; a second call does nothing."""


class AsyncPort(Protocol):
    """The same for asyncio."""

    @property
    def name(self) -> str:
        """What errors and traces call this port; never holds a secret."""

    async def send(self, data: bytes) -> None:
        """Return once the last stop bit has left, as well as the port can know."""

    async def receive(self, timeout: float) -> bytes:
        """What has come, at least one octet; ``b""`` if nothing came for ``timeout`` seconds."""

    async def set_line(self, baud: int) -> None:
        """Change the speed of the open line; nothing happens where there is no line."""

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""

    def now(self) -> float:
        """Seconds on a monotonic clock of arbitrary start."""

    async def close(self) -> None:
        """Let go of the port; a second call does nothing."""


Listener = Callable[[object], object]


class _Course(Generic[T]):
    """What both drivers know of a dialog under way, and of its end."""

    __slots__ = ("_dialog", "_ended", "_now", "_result")

    def __init__(self, dialog: Dialog[T], now: Callable[[], float]) -> None:
        self._dialog = dialog
        self._now = now
        self._ended = False
        self._result: T | None = None

    @property
    def result(self) -> T:
        """What the dialog returned; None if it was given up.

        Raises:
            LocalProtocolError: it is still under way.
        """
        if not self._ended:
            raise LocalProtocolError("the dialog has no result yet", hint="take all its events first")
        return cast(T, self._result)

    def _proceed(self) -> Effect:
        """The first effect, or the one after an Emit: None is the answer to both.

        Raises:
            StopIteration: the dialog is over.
        """
        if self._ended:
            raise StopIteration(self._result)
        return next(self._dialog)

    def _finish(self, end: StopIteration) -> None:
        self._ended = True
        self._result = end.value

    def _farewells(self) -> Iterator[_Farewell]:
        """The effects a cancelled dialog still wants carried out, shortened to the time left for its good-bye."""
        if self._ended:
            return
        self._ended = True
        deadline = self._now() + GOODBYE
        try:
            effect = self._dialog.throw(Cancel())
            for _ in range(GOODBYE_EFFECTS):
                left = deadline - self._now()
                if left <= 0:
                    break
                farewell = _Farewell(_shortened(effect, left))
                yield farewell
                effect = self._dialog.throw(farewell.error) if farewell.error else self._dialog.send(farewell.answer)
        except (StopIteration, Cancel, MeterError):
            pass
        finally:
            # RuntimeError: it yields even now, in a `finally` of its own, and is left there.
            with suppress(RuntimeError, Cancel, MeterError):
                self._dialog.close()


class _Farewell:
    """One effect of a good-bye, and what came of it."""

    __slots__ = ("answer", "effect", "error")

    def __init__(self, effect: Effect) -> None:
        self.effect = effect
        self.answer: Answer = None
        self.error: MeterError | None = None


def _shortened(effect: Effect, left: float) -> Effect:
    if type(effect) is Receive and effect.timeout > left:
        return Receive(left)
    if type(effect) is Sleep and effect.seconds > left:
        return Sleep(left)
    return effect


def _no_effect(effect: object) -> LocalProtocolError:
    return LocalProtocolError(f"the dialog yielded {type(effect).__name__}, which is no effect", layer="port")


class Events(_Course[T], Iterator[object]):
    """The events of a dialog, carried out on a blocking port while they are asked for.

    ``result`` holds what the dialog returned once all events are taken (also the value of the StopIteration).
    ``close()``, or leaving a ``with`` block, gives the dialog up politely.
    """

    __slots__ = ("_port",)

    def __init__(self, dialog: Dialog[T], port: Port) -> None:
        super().__init__(dialog, port.now)
        self._port = port

    def __iter__(self) -> Events[T]:
        return self

    def __next__(self) -> object:
        dialog, port = self._dialog, self._port
        proceed, receive, send, now = dialog.send, port.receive, port.send, port.now
        try:
            effect = self._proceed()
            while True:
                answer: Answer = None
                kind = type(effect)
                try:
                    if kind is Receive:
                        answer = receive(effect.timeout)  # type: ignore[union-attr]
                    elif kind is Send:
                        send(effect.data)  # type: ignore[union-attr]
                    elif kind is Now:
                        answer = now()
                    elif kind is Emit:
                        return effect.event  # type: ignore[union-attr]
                    elif kind is Sleep:
                        port.sleep(effect.seconds)  # type: ignore[union-attr]
                    elif kind is SetLine:
                        port.set_line(effect.baud)  # type: ignore[union-attr]
                    else:
                        raise _no_effect(effect)
                except MeterError as error:
                    effect = dialog.throw(error)
                    continue
                effect = proceed(answer)
        except StopIteration as end:
            self._finish(end)
            raise StopIteration(end.value) from None
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Give the dialog up: ``Cancel`` once, and its good-bye carried out. Nothing once it is over."""
        port = self._port
        for farewell in self._farewells():
            effect = farewell.effect
            try:
                match effect:
                    case Receive():
                        farewell.answer = port.receive(effect.timeout)
                    case Send():
                        port.send(effect.data)
                    case Now():
                        farewell.answer = port.now()
                    case Sleep():
                        port.sleep(effect.seconds)
                    case SetLine():
                        port.set_line(effect.baud)
            except MeterError as error:
                farewell.error = error

    def __enter__(self) -> Events[T]:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __del__(self) -> None:
        # A `break` out of the for loop drops the iterator: the meter still hears good-bye.
        self.close()


class AsyncEvents(_Course[T], AsyncIterator[object]):
    """The events of a dialog, carried out on an asyncio port while they are asked for.

    ``result`` holds what the dialog returned once all events are taken. Leaving an ``async with`` block, or
    ``aclose()``, gives the dialog up politely; dropping the iterator cannot, for nobody would await the good-bye.
    """

    __slots__ = ("_port",)

    def __init__(self, dialog: Dialog[T], port: AsyncPort) -> None:
        super().__init__(dialog, port.now)
        self._port = port

    def __aiter__(self) -> AsyncEvents[T]:
        return self

    async def __anext__(self) -> object:
        dialog, port = self._dialog, self._port
        proceed, receive, send, now = dialog.send, port.receive, port.send, port.now
        try:
            effect = self._proceed()
            while True:
                answer: Answer = None
                kind = type(effect)
                try:
                    if kind is Receive:
                        answer = await receive(effect.timeout)  # type: ignore[union-attr]
                    elif kind is Send:
                        await send(effect.data)  # type: ignore[union-attr]
                    elif kind is Now:
                        answer = now()
                    elif kind is Emit:
                        return effect.event  # type: ignore[union-attr]
                    elif kind is Sleep:
                        await port.sleep(effect.seconds)  # type: ignore[union-attr]
                    elif kind is SetLine:
                        await port.set_line(effect.baud)  # type: ignore[union-attr]
                    else:
                        raise _no_effect(effect)
                except MeterError as error:
                    effect = dialog.throw(error)
                    continue
                effect = proceed(answer)
        except StopIteration as end:
            self._finish(end)
            raise StopAsyncIteration from None
        except BaseException:
            await self.aclose()
            raise

    async def aclose(self) -> None:
        """Give the dialog up: ``Cancel`` once, and its good-bye carried out. Nothing once it is over."""
        port = self._port
        for farewell in self._farewells():
            effect = farewell.effect
            try:
                match effect:
                    case Receive():
                        farewell.answer = await port.receive(effect.timeout)
                    case Send():
                        await port.send(effect.data)
                    case Now():
                        farewell.answer = port.now()
                    case Sleep():
                        await port.sleep(effect.seconds)
                    case SetLine():
                        await port.set_line(effect.baud)
            except MeterError as error:
                farewell.error = error

    async def __aenter__(self) -> AsyncEvents[T]:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()

    def __del__(self) -> None:
        with suppress(RuntimeError, Cancel, MeterError):
            self._dialog.close()


def iterate(dialog: Dialog[T], port: Port) -> Events[T]:
    """Carry ``dialog`` out while its events are iterated over; ``.result`` is what it returned."""
    return Events(dialog, port)


def aiterate(dialog: Dialog[T], port: AsyncPort) -> AsyncEvents[T]:
    """Carry ``dialog`` out while its events are iterated over with ``async for``; ``.result`` is what it returned."""
    return AsyncEvents(dialog, port)


def run(dialog: Dialog[T], port: Port, listener: Listener | None = None) -> T:
    """Carry ``dialog`` out to its end and return its result; ``listener`` is called with every event it emits.

    Raises:
        MeterError: whatever the dialog raises. A listener's own exception goes on after the good-bye.
    """
    with Events(dialog, port) as events:
        for event in events:
            if listener is not None:
                listener(event)
        return events.result


async def arun(dialog: Dialog[T], port: AsyncPort, listener: Listener | None = None) -> T:
    """Carry ``dialog`` out to its end and return its result; ``listener`` is called with every event it emits.

    A listener that returns an awaitable has it awaited.

    Raises:
        MeterError: whatever the dialog raises. A listener's own exception goes on after the good-bye.
    """
    async with AsyncEvents(dialog, port) as events:
        async for event in events:
            if listener is not None:
                heard = listener(event)
                if isinstance(heard, Awaitable):
                    await heard
        return events.result
