"""What a door hears while a dialog goes on: findings and pushes are kept, everything is passed on to ``progress``.

But for secrets that are about to be sent: those are for the record of the session alone, if there is one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Iterable, Iterator
from typing import TypeAlias

from metersdk.apdu.dataset import DataSet
from metersdk.dialog.iec62056_21_readout import Withdrawn
from metersdk.effects import Hide, Progress, Push, State
from metersdk.errors import Finding
from metersdk.model.profile import Profile
from metersdk.model.telegram import Telegram

Heard: TypeAlias = Progress | State | Finding | Push
"""What ``progress`` is called with."""

# A meter that pushes all day must not fill the memory of who only reads registers: the oldest go first.
KEPT = 1000


class Hearing:
    """A listener for the drivers; ``findings`` and ``pushes`` hold the last ``KEPT`` of each.

    Attributes:
        redact: told each secret before it is sent; None where nothing is recorded.
    """

    def __init__(self, progress: Callable[[Heard], object] | None = None) -> None:
        self.findings: deque[Finding] = deque(maxlen=KEPT)
        self.pushes: deque[Push] = deque(maxlen=KEPT)
        self.redact: Callable[[bytes], object] | None = None
        self._progress = progress

    def __call__(self, event: object) -> object:
        """What ``progress`` returns: an awaitable is awaited behind the asyncio door."""
        if isinstance(event, Hide):
            if self.redact is not None:
                self.redact(event.octets)
            return None
        if isinstance(event, Finding):
            self.findings.append(event)
        elif isinstance(event, Push):
            self.pushes.append(event)
        if self._progress is not None and isinstance(event, Progress | State | Finding | Push):
            return self._progress(event)
        return None

    async def _heard(self, event: object) -> None:
        heard = self(event)
        if isinstance(heard, Awaitable):
            await heard

    def profiles(self, events: Iterable[object]) -> Iterator[Profile]:
        """The profile pieces among ``events``; the others are heard."""
        for event in events:
            if isinstance(event, Profile):
                yield event
            else:
                self(event)

    def data_sets(self, events: Iterable[object]) -> Iterator[DataSet | Withdrawn]:
        """The data sets among ``events``, and what is said of them; the others are heard."""
        for event in events:
            if isinstance(event, DataSet | Withdrawn):
                yield event
            else:
                self(event)

    async def adata_sets(self, events: AsyncIterable[object]) -> AsyncGenerator[DataSet | Withdrawn, None]:
        """The same for asyncio."""
        async for event in events:
            if isinstance(event, DataSet | Withdrawn):
                yield event
            else:
                await self._heard(event)

    def telegrams(self, events: Iterable[object]) -> Iterator[Telegram]:
        """The telegrams among ``events``; the others are heard."""
        for event in events:
            if isinstance(event, Telegram):
                yield event
            else:
                self(event)

    async def atelegrams(self, events: AsyncIterable[object]) -> AsyncGenerator[Telegram, None]:
        """The same for asyncio."""
        async for event in events:
            if isinstance(event, Telegram):
                yield event
            else:
                await self._heard(event)

    async def aprofiles(self, events: AsyncIterable[object]) -> AsyncGenerator[Profile, None]:
        """The same for asyncio."""
        async for event in events:
            if isinstance(event, Profile):
                yield event
            else:
                await self._heard(event)
