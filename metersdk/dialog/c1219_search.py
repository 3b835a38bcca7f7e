"""Where to begin and to end in the list of load profile blocks: which blocks are wanted, and which intervals of the
first of them.

Blocks say when they ended in their headers; few of them are read, and what is known by now is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from metersdk.dialog.c1219_blocks import BlockSource
from metersdk.dialog.psem import Access
from metersdk.effects import Dialog
from metersdk.model.c1219.load_profile import LoadProfileLayout, Place
from metersdk.model.c1219.load_profile_times import BlockTimes
from metersdk.model.obis import Obis

# Another request costs some 30 octets, and the meter's time to answer: intervals are left out where they are more.
_WORTH: Final = 64


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a caller wants of a profile; the fields are those of ``ProfileQuery``, times read."""

    start: datetime | None = None
    stop: datetime | None = None
    entries: tuple[int, int] | None = None
    columns: Sequence[Obis] | None = None


@dataclass(frozen=True, slots=True)
class Chosen:
    """The blocks that are wanted, the oldest first, and how many intervals there are in those before them."""

    places: Sequence[Place]
    skipped: int


class BlockSearch:
    """Looks for the blocks of one list that are wanted.

    Args:
        source: where their octets come from.
        layout: of the list.
        times: what is known of their times; it learns.
        access: what the meter lets be read.

    Attributes:
        heads: headers that were read to find them, by the number of the block: they are what they were taken for only
            where the list has not moved since table 63 was read.
    """

    def __init__(self, source: BlockSource, layout: LoadProfileLayout, times: BlockTimes, access: Access) -> None:
        self.heads: dict[int, bytes] = {}
        self._source = source
        self._layout = layout
        self._times = times
        self._access = access

    def forget(self) -> None:
        """The list has moved meanwhile: what these headers told may be of other blocks."""
        self._times.forget(self.heads)
        self.heads.clear()

    def blocks(self, places: Sequence[Place], wanted: Wanted) -> Dialog[Chosen]:
        """Of all blocks there are, those that are wanted; the first may begin behind its oldest intervals."""
        low, high = yield from self._range(places, wanted)
        skipped = sum(place.intervals for place in places[:low])
        chosen = list(places[low:high])
        if chosen and self._in_parts:
            if wanted.entries is not None:
                chosen[0] = self._from(chosen[0], wanted.entries[0] - 1 - skipped)
            elif wanted.start is not None:
                chosen[0] = yield from self._since(chosen[0], self._times.bound(wanted.start, -1))
        return Chosen(chosen, skipped)

    @property
    def _in_parts(self) -> bool:
        return self._source.has_offset(self._access)

    def _range(self, places: Sequence[Place], wanted: Wanted) -> Dialog[tuple[int, int]]:
        """The first block that is wanted, and the first behind the last."""
        if wanted.entries is not None:
            return _range_of_entries(places, *wanted.entries)
        low, high = 0, len(places)
        if not places:
            return low, high
        self._times.keep(places)
        if wanted.start is not None:
            low = yield from self._first_from(places, self._times.bound(wanted.start, -1))
        if wanted.stop is not None:
            high = 1 + (yield from self._first_from(places, self._times.bound(wanted.stop, 1)))
        return low, max(low, high)

    def _first_from(self, places: Sequence[Place], bound: int) -> Dialog[int]:
        """The first block that ends at ``bound`` or later, the newest if none does. Only headers are read, and few."""
        times = self._times
        low, high = 0, len(places) - 1
        for n, place in enumerate(places):
            end, least = times.end(place.sequence), times.ends_by(place.sequence)
            if end is not None and end < bound:
                low = n + 1
            elif least is not None and least >= bound:
                high = min(high, n)
        middle = high - 1
        while low < high:
            end = times.end(places[middle].sequence)
            if end is None and self._in_parts:
                yield from self._head(places[middle])
                end = times.end(places[middle].sequence)
            if end is None:
                # Blocks without a time: all of them are looked at.
                return low
            # Blocks follow each other without a gap, as a rule.
            step = -(-(bound - end) // times.span) if times.span else 0
            if end < bound:
                low = middle + 1
                middle = min(max(middle + step, low), high - 1)
            else:
                high = middle
                middle = max(min(middle + step - 1, high - 1), low)
        return low

    def _since(self, place: Place, bound: int) -> Dialog[Place]:
        """A block from the interval on that ends at ``bound`` or later.

        The times of all of its intervals follow from its header, which changes with each new one: it is read now.
        """
        block = self._layout.block
        if place.intervals * block.record <= _WORTH or not block.period_ms:
            return place
        if place.sequence not in self.heads:
            yield from self._head(place)
        head = self.heads[place.sequence]
        end = self._times.end_in(head)
        place = replace(place, head=head)
        # The newest may have the time at which it will be full: its intervals are older then, and more are read.
        return place if end is None else self._from(place, place.intervals - 1 - (end - bound) // block.period_ms)

    def _from(self, place: Place, first: int) -> Place:
        """A block without its intervals before ``first``, where that saves anything."""
        skip = min(max(first, 0), place.intervals)
        return replace(place, skip=skip) if skip * self._layout.block.record > _WORTH else place

    def _head(self, place: Place) -> Dialog[None]:
        header = replace(place, size=self._layout.block.header)
        octets = (yield from self._source.read(self._layout, (header,), self._access))[header]
        self.heads[place.sequence] = octets
        self._times.learn([(place, octets)])


def _range_of_entries(places: Sequence[Place], first: int, last: int) -> tuple[int, int]:
    """Blocks that hold the entries ``first`` to ``last``, counted from 1; last 0 = to the end."""
    low = high = seen = 0
    for n, place in enumerate(places):
        if seen + place.intervals < first:
            low = n + 1
        if not last or seen < last:
            high = n + 1
        seen += place.intervals
    return low, max(low, high)
