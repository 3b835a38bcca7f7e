"""Reading that broke off and goes on: the rows that come twice are dropped, and nothing is joined that does not fit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Literal

from metersdk.effects import Effect
from metersdk.model.column import Cell
from metersdk.model.profile import Profile

Take = Callable[[Profile], Iterable[Effect]]


class Seam:
    """Hands pieces of a profile on; after ``open`` only what lies behind the last row it has handed on.

    The rest of a profile is asked for with its last row once more, and is joined where that row comes again, every
    cell of it the same: new rows that the meter has stored meanwhile, and hours that a clock counts twice, do no harm.

    Attributes:
        rows: handed on so far.
        is_open: the last row has not come again yet.
    """

    def __init__(self, take: Take) -> None:
        self.rows = 0
        self.is_open = False
        self._take = take
        self._last: Profile | None = None
        self._told = 0
        self._order = 0

    @property
    def moment(self) -> datetime | None:
        """The time of the last row handed on."""
        if self._last is None or (clock := self._last.clock) is None:
            return None
        return clock.moment(len(self._last) - 1)

    @property
    def fresh(self) -> bool:
        """Whether rows have come since this was asked last."""
        told, self._told = self._told, self.rows
        return self.rows > told

    def open(self, *, order: Literal[-1, 0, 1]) -> None:
        """Reading begins again.

        Args:
            order: 1 for rows by time, from the last one on: a first row later than that fits, too. -1 for rows that go
                back in time; 0 for any other rows.
        """
        self.is_open = self._last is not None
        self._order = order

    def take(self, piece: Profile) -> Iterator[Effect]:
        """The next piece."""
        if self.is_open and len(piece):
            piece = self._behind(piece)
        if len(piece):
            self.rows += len(piece)
            self._last = piece[len(piece) - 1 :]
        yield from self._take(piece)

    def _behind(self, piece: Profile) -> Profile:
        assert self._last is not None
        last = self._last[0]
        row = next((number for number, cells in enumerate(piece.rows()) if _are_same(cells, last)), None)
        if row is None and not self._is_beyond(piece):
            # What comes behind a piece that was dropped joins on where the row itself comes again, and only there.
            self._order = 0
            return piece[len(piece) :]
        self.is_open = False
        return piece if row is None else piece[row + 1 :]

    def _is_beyond(self, piece: Profile) -> bool:
        """A meter that leaves the first moment of a range out: the next row follows at once."""
        first, last = None if piece.clock is None else piece.clock.moment(0), self.moment
        if first is None or last is None or (first.tzinfo is None) != (last.tzinfo is None):
            return False
        return (first - last).total_seconds() * self._order > 0


def _are_same(cells: tuple[Cell, ...], others: tuple[Cell, ...]) -> bool:
    """Cell by cell; NaN, which equals nothing, is the same as NaN."""
    return all(a == b or (a != a and b != b) for a, b in zip(cells, others, strict=True))
