"""One line, one call: who may use the port now, and what becomes of an iteration that was left."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from threading import Lock
from typing import TypeVar

from metersdk.errors import LocalProtocolError

T = TypeVar("T")


class Turn:
    """One call at a time: two on one line would take each other's answers. ``hint`` is what to do instead."""

    __slots__ = ("_hint", "_lock")

    def __init__(self, hint: str) -> None:
        self._hint = hint
        self._lock = Lock()

    @property
    def taken(self) -> bool:
        """Whether a call is under way."""
        return self._lock.locked()

    def __enter__(self) -> None:
        if not self._lock.acquire(blocking=False):
            raise LocalProtocolError("another call to this meter is under way", hint=self._hint)

    def __exit__(self, *exc: object) -> None:
        self._lock.release()

    def each(self, events: Iterator[object]) -> Iterator[object]:
        """``events``, each waited for in a turn of its own: between two of them others may ask the meter."""
        while True:
            with self:
                try:
                    event = next(events)
                except StopIteration:
                    return
            yield event


class InTurn(AsyncIterator[object]):
    """``events``, each waited for in a turn of its own: between two of them others may ask the meter."""

    __slots__ = ("_events", "_turn")

    def __init__(self, events: AsyncIterator[object], turn: Turn) -> None:
        self._events = events
        self._turn = turn

    async def __anext__(self) -> object:
        with self._turn:
            return await anext(self._events)


class Iteration(AsyncIterator[T]):
    """What an iteration hands out.

    ``break`` drops an asynchronous iterator unclosed, and asyncio would close a generator in a task of its own, some
    time amid the next call. So it goes to ``left`` instead, which the next call ends first.
    """

    __slots__ = ("_left", "_source")

    def __init__(self, source: AsyncGenerator[T, None], left: list[AsyncGenerator[object, None]]) -> None:
        self._source = source
        self._left = left

    async def __anext__(self) -> T:
        return await anext(self._source)

    async def aclose(self) -> None:
        """End it now, politely."""
        await self._source.aclose()

    def __del__(self) -> None:
        self._left.append(self._source)
