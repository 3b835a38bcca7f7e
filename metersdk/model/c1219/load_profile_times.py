"""When the blocks of a load profile ended, as far as they were read: where to begin to look for a span of time."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

from metersdk.fast import read_blocks
from metersdk.fast.axdr_layout import UNDEFINED_DEVIATION
from metersdk.model.c1219.load_profile import LoadProfileLayout, Place

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS: Final = timedelta(milliseconds=1)


class BlockTimes:
    """End times of blocks by their numbers: ms UTC, or ms of the meter's local time where its zone is not known.

    A full block never changes. The end of one that is being filled is its end at least.
    """

    def __init__(self, layout: LoadProfileLayout) -> None:
        self.layout = layout
        self._full: dict[int, int] = {}
        self._least: dict[int, int] = {}

    @property
    def span(self) -> int:
        """Length of a full block in ms."""
        return self.layout.block.period_ms * self.layout.block.intervals

    def learn(self, blocks: Iterable[tuple[Place, bytes]]) -> None:
        """Take the times of blocks, of which the header is there at least."""
        for place, octets in blocks:
            end = self.end_in(octets)
            if end is not None:
                times = self._full if place.intervals == self.layout.block.intervals else self._least
                times[place.sequence] = end
                if times is self._full:
                    self._least.pop(place.sequence, None)

    def end_in(self, octets: bytes) -> int | None:
        """The time that the header of a block tells; None: it tells none."""
        shape = self.layout.block
        found = read_blocks(octets[: shape.header], shape, [0], [0])
        return found.stamp[0] + shape.shift_ms if found.blocks and found.stamp_valid[0] else None

    def forget(self, sequences: Iterable[int]) -> None:
        """What was learned of these blocks may be wrong."""
        for sequence in sequences:
            self._full.pop(sequence, None)
            self._least.pop(sequence, None)

    def keep(self, places: Iterable[Place]) -> None:
        """Forget blocks that the meter no longer has."""
        there = {place.sequence for place in places}
        for times in (self._full, self._least):
            for sequence in times.keys() - there:
                del times[sequence]

    def end(self, sequence: int) -> int | None:
        """When this full block ended; None: not known."""
        return self._full.get(sequence)

    def ends_by(self, sequence: int) -> int | None:
        """The earliest moment at which this block may end; None: not known."""
        return self._full.get(sequence, self._least.get(sequence))

    def bound(self, moment: datetime, side: int) -> int:
        """``moment`` as these times count, on the safe side: earlier (-1) or later (1) where summer is in doubt.

        A time without a zone is the meter's local time; where the zone of the meter is not known, so is every time.
        """
        shape = self.layout.block
        known = shape.deviation != UNDEFINED_DEVIATION
        zoned = moment.tzinfo is not None and known
        ms = (moment if zoned else moment.replace(tzinfo=UTC)) - _EPOCH
        local = 0 if zoned or not known else shape.deviation * 60_000
        # The hour of summer is in these stamps, or in what the caller reads off the meter's clock.
        doubtful = shape.stamp_season or not (zoned or (not known and moment.tzinfo is None))
        return ms // _MS + local + side * shape.season_ms * doubtful
