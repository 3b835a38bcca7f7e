"""Octets of load profile blocks, by offset, by index or in a whole table, as the meter lets them be had."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from metersdk.apdu.psem import Response
from metersdk.dialog.c1219_connection import C1219Connection
from metersdk.dialog.psem import Access, Psem
from metersdk.effects import Dialog, Emit
from metersdk.errors import Finding, LocalProtocolError, PsemError
from metersdk.model.c1219.load_profile import LoadProfileLayout, Place

# Octets in one answer at most: what is lost where the line breaks off.
ANSWER: Final = 12 << 10
_REFUSED: Final = (Response.SNS, Response.ONP, Response.IAR, Response.ERR)


class BlockSource:
    """The blocks of one meter; what is asked for is asked for again where the line breaks off, and nothing else is."""

    def __init__(self, connection: C1219Connection) -> None:
        self._connection = connection
        self._no_offset = False

    def read(self, layout: LoadProfileLayout, places: Sequence[Place], access: Access) -> Dialog[dict[Place, bytes]]:
        """The octets of these blocks, each as many as its place says; of intervals that are not wanted, any.

        Raises:
            PsemError: the meter refuses the table.
            LocalProtocolError: it gives whole tables only, and this one fits no answer.
        """
        if self.has_offset(access):
            try:
                return (yield from self._by_offset(layout, places))
            except PsemError as refusal:
                if refusal.response not in _REFUSED:
                    raise
                self._no_offset = True
                text = f"table {layout.table} by offset: {refusal.message}; it is read in another way"
                yield Emit(Finding("lp-no-offset", text, "data"))
        if access & Access.INDEX:
            return (yield from self._by_index(layout, places))
        return (yield from self._whole(layout, places))

    def has_offset(self, access: Access) -> bool:
        """Whether parts of blocks can be had."""
        return bool(access & Access.OFFSET) and not self._no_offset

    def _by_offset(self, layout: LoadProfileLayout, places: Sequence[Place]) -> Dialog[dict[Place, bytes]]:
        spans = [span for place in places for span in _spans(layout, place)]
        octets: dict[tuple[int, int], bytes] = {}
        for run in _runs(spans):
            first, behind = run[0][0], run[-1][1]
            there = yield from self._span(layout.table, first, behind - first)
            octets |= {(low, high): there[low - first : high - first] for low, high in run}
        found: dict[Place, bytes] = {}
        for place in places:
            block = bytearray(place.head.ljust(place.size, b"\0"))
            for low, high in _spans(layout, place):
                block[low - place.offset : high - place.offset] = octets[low, high]
            found[place] = bytes(block)
        return found

    def _span(self, table: int, offset: int, size: int) -> Dialog[bytes]:
        """Octets in a row; a part that has come is not asked for again."""
        found = bytearray()

        def part(psem: Psem) -> Dialog[bytes]:
            return psem.read(table, offset=offset + len(found), count=min(psem.max_read, ANSWER, size - len(found)))

        while len(found) < size:
            found += yield from self._connection.keep_asking(part)
        return bytes(found)

    def _by_index(self, layout: LoadProfileLayout, places: Sequence[Place]) -> Dialog[dict[Place, bytes]]:
        """Element 0 of the table is the list, its elements are the blocks (from memory of the standard)."""
        found: dict[Place, bytes] = {}
        size = layout.block.size
        for place in places:
            index = (0, place.element)
            octets = yield from self._connection.keep_asking(
                lambda psem, index=index: psem.read(layout.table, index=index, octets=size)  # type: ignore[misc]
            )
            found[place] = octets[: place.size]
        return found

    def _whole(self, layout: LoadProfileLayout, places: Sequence[Place]) -> Dialog[dict[Place, bytes]]:
        room = self._connection.psem.max_read
        if layout.size > room:
            raise LocalProtocolError(
                f"the meter gives table {layout.table} only whole, {layout.size} octets, and {room} fit one answer",
                layer="data",
                hint="offer longer packets: ?packet_size=2048&packets=255",
            )
        octets = yield from self._connection.keep_asking(lambda psem: psem.read(layout.table, octets=layout.size))
        return {place: octets[place.offset :][: place.size] for place in places}


def _spans(layout: LoadProfileLayout, place: Place) -> list[tuple[int, int]]:
    """The parts of a block that are to be read, each with its first offset and the one behind it."""
    block, first, behind = layout.block, place.offset + len(place.head), place.offset + place.size
    if not place.skip:
        parts = [(first, behind)]
    elif block.descending:
        parts = [(first, behind - place.skip * block.record)]
    else:
        header = place.offset + block.header
        parts = [(first, header), (header + place.skip * block.record, behind)]
    return [(low, high) for low, high in parts if low < high]


def _runs(spans: Sequence[tuple[int, int]]) -> list[list[tuple[int, int]]]:
    """Parts without a gap between them, in the order of their octets."""
    runs: list[list[tuple[int, int]]] = []
    for span in sorted(spans):
        if not runs or runs[-1][-1][1] != span[0]:
            runs.append([])
        runs[-1].append(span)
    return runs
