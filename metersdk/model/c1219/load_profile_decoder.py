"""Blocks of a load profile -> ``Profile``, while they are read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from metersdk.model.c1219.load_profile import LoadProfileLayout, Place
from metersdk.model.c1219.load_profile_rows import RowReader, Rows
from metersdk.model.profile import Profile, ProfileHead


class LoadProfileDecoder:
    """Decodes the blocks of one set while they arrive, oldest first; what it keeps of them is the end of the last.

    Args:
        layout: ``LoadProfileLayout.of(tables, set_number)``, ordered by table 63.
    """

    def __init__(self, layout: LoadProfileLayout) -> None:
        self.layout = layout
        self.head = ProfileHead(columns=layout.columns, period=layout.period, obis=layout.obis)
        self.rows = 0
        """Rows decoded so far."""
        self._reader = RowReader(layout)

    def feed(self, blocks: Iterable[tuple[Place, bytes]]) -> Profile:
        """The rows of these blocks, each with its octets from its header on, as a profile of their own.

        Its findings are those of these blocks; those of the layout are ``layout.findings``.
        """
        return self._profile(self._reader.read(blocks))

    def iter(self, blocks: Iterable[tuple[Place, bytes]], size: int = 32) -> Iterator[Profile]:
        """The same in profiles of at most so many blocks: memory is bounded by them."""
        source = iter(blocks)
        while some := list(islice(source, size)):
            yield self.feed(some)

    def _profile(self, rows: Rows) -> Profile:
        self.rows += rows.table.rows
        return Profile(self.head, rows.table, truncated=rows.truncated, findings=rows.findings)
