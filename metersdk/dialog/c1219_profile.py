"""Reading a load profile of ANSI C12.19: the blocks that are wanted, each proved to be the one it was taken for.

Blocks bear no numbers; which block stands where is what table 63 says, and that changes while blocks are read: a new
block begins, an interval is added to the newest, a list that is full shifts by one. So table 63 is read again behind
every few kilobytes. What it does not confirm is read anew; what it does is handed out, and not read a second time, also
where the line broke off in between.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from metersdk.dialog.c1219_blocks import BlockSource
from metersdk.dialog.c1219_connection import C1219Connection
from metersdk.dialog.c1219_search import BlockSearch, Wanted
from metersdk.dialog.c1219_tables import TableReader
from metersdk.dialog.profile import Cut, EntryCut, SpanCut, broken_off
from metersdk.dialog.psem import Access
from metersdk.dialog.seam import Take
from metersdk.effects import Dialog, Effect, Emit, Progress
from metersdk.errors import Finding, LocalProtocolError, MeterError, RemoteProtocolError, SecurityError
from metersdk.model.c1219.load_profile import SETS, ListState, LoadProfileLayout, Place, profile_code
from metersdk.model.c1219.load_profile_decoder import LoadProfileDecoder
from metersdk.model.c1219.load_profile_tables import TABLES_NEEDED, layout_of, state_of
from metersdk.model.c1219.load_profile_times import BlockTimes
from metersdk.model.obis import Obis
from metersdk.model.profile import Profile, ProfileHead
from metersdk.model.quirks import Quirks

FIRST_DATA: Final = 64
_LIMITS: Final = (61, 62)
STATUS: Final = 63
# Octets of blocks between two looks at table 63.
_CHUNK: Final = 24 << 10
# Rounds in a row that prove nothing.
_ROUNDS: Final = 4
_NUMBERS: Final = 1 << 32


def set_of(code: Obis) -> int:
    """The data set that an OBIS code names: 1-0:99.1.0 to 1-0:99.4.0, or the code that its profile is given.

    Raises:
        LocalProtocolError: none.
    """
    for number in SETS:
        if code in (profile_code(number), Obis.from_octets(bytes((1, 0, 99, number, 0, 255)))):
            return number
    known = ", ".join(map(_name, SETS))
    raise LocalProtocolError(f"{code} is no load profile of an ANSI meter", layer="data", hint=f"known: {known}")


def _name(set_number: int) -> str:
    """``1-0:99.1.0``: as it is asked for."""
    return profile_code(set_number).idis.removesuffix("*255")


class ProfileReader:
    """Reads the load profiles of one meter.

    Args:
        connection: the sessions with it.
        tables: its tables; what describes a profile is read once.
        quirks: ``local_deviation`` is used.
    """

    def __init__(self, connection: C1219Connection, tables: TableReader, quirks: Quirks) -> None:
        self._tables = tables
        self._quirks = quirks
        self._source = BlockSource(connection)
        self._times: dict[int, BlockTimes] = {}

    def read(self, set_number: int | None, wanted: Wanted) -> Dialog[Profile]:
        """A profile. ``set_number`` None: the first that the meter has.

        Raises:
            LocalProtocolError: the meter has no such set, or no such column.
            PsemError: it refuses its tables.
            PartialResult: reading broke off; ``result`` is the profile of the rows that were proved before.
        """
        pieces: list[Profile] = []

        def keep(piece: Profile) -> Iterable[Effect]:
            pieces.append(piece)
            return ()

        try:
            yield from self._read(set_number, wanted, keep)
        except SecurityError:
            raise
        except MeterError as error:
            if not any(pieces):
                raise
            pieces.append(Profile(pieces[0].head, truncated=True))
            raise broken_off(Profile.concat(pieces), error) from error
        return Profile.concat(pieces)

    def emit(self, set_number: int | None, wanted: Wanted) -> Dialog[None]:
        """The same, emitted as ``Profile`` pieces. Where it breaks off, the last is ``truncated``, and the error itself
        is raised behind it."""
        heads: list[ProfileHead] = []

        def hand_out(piece: Profile) -> Iterable[Effect]:
            heads.append(piece.head)
            return (Emit(piece),)

        try:
            yield from self._read(set_number, wanted, hand_out)
        except MeterError:
            if heads:
                yield Emit(Profile(heads[0], truncated=True))
            raise

    def _read(self, set_number: int | None, wanted: Wanted, take: Take) -> Dialog[None]:
        layout, state = yield from self._described(set_number)
        tables, access = self._tables.tables, Access(int(self._tables.tables.configuration.data_access))
        search = BlockSearch(self._source, layout, self._times_of(layout), access)
        chosen = yield from search.blocks(layout.places(state), wanted)
        sink = _Sink(layout, wanted, take, skipped=chosen.skipped)
        yield from map(Emit, layout.findings)
        left, stuck = list(chosen.places), 0
        total = sum(place.intervals - place.skip for place in left)
        while left:
            chunk = _chunk(left, access, alone=stuck > 1)
            octets = yield from self._source.read(layout, chunk, access)
            before, state = state, (yield from self._state(layout))
            if self._tables.tables is not tables:
                raise RemoteProtocolError(
                    "the meter, or its configuration, became another one while its profile was read",
                    layer="data",
                    hint="read it again",
                )
            lost = bool(search.heads) and not sink.rows and _has_moved(before, state)
            proved = [(place, octets[place]) for place in chunk if _is_proved(layout, place, before, state)]
            stuck = 0 if proved and not lost else stuck + 1
            if stuck > _ROUNDS:
                raise RemoteProtocolError(
                    f"the blocks of table {layout.table} move faster than they can be read",
                    layer="data",
                    retryable=True,
                    hint="a higher speed; or ask for the newest rows only",
                )
            if lost:
                # The headers that told where to begin may be those of other blocks.
                search.forget()
                left = list((yield from search.blocks(layout.places(state), wanted)).places)
                continue
            if proved:
                self._times_of(layout).learn(proved)
                yield from sink.put(proved)
                yield Emit(Progress(sink.rows, max(total, sink.rows), "rows"))
            settled = {place.sequence for place, _ in proved}
            pending = [place.sequence for place in left if place.sequence not in settled]
            there = {place.sequence: place for place in layout.places(state)}
            left = [there[sequence] for sequence in pending if sequence in there]
            if len(left) < len(pending):
                yield from sink.lose(len(pending) - len(left))
        yield from sink.finish()

    # --- what describes a profile ------------------------------------------------------------------------------------

    def _described(self, set_number: int | None) -> Dialog[tuple[LoadProfileLayout, ListState]]:
        configuration = yield from self._tables.configuration()
        present = [number for number in SETS if configuration.has_table(FIRST_DATA - 1 + number)]
        number = set_number or (present[0] if present else 1)
        if number not in present:
            have = ", ".join(map(_name, present))
            raise LocalProtocolError(
                f"this meter has no load profile {_name(number)} (table {FIRST_DATA - 1 + number})",
                layer="data",
                hint=f"it has {have}" if have else "it records none",
            )
        yield from self._tables.need(_LIMITS)
        yield from self._tables.wish(TABLES_NEEDED)
        yield from self._tables.raw(STATUS)
        state = state_of(self._tables.tables, number)
        return layout_of(self._tables.tables, number, quirks=self._quirks).ordered(state), state

    def _state(self, layout: LoadProfileLayout) -> Dialog[ListState]:
        yield from self._tables.raw(STATUS)
        return state_of(self._tables.tables, layout.set_number)

    def _times_of(self, layout: LoadProfileLayout) -> BlockTimes:
        known = self._times.get(layout.set_number)
        if known is None or known.layout != layout:
            known = self._times[layout.set_number] = BlockTimes(layout)
        return known


def _chunk(left: Sequence[Place], access: Access, *, alone: bool) -> Sequence[Place]:
    """The blocks to read next: some kilobytes of them; all, where only the whole table can be had."""
    if alone:
        return left[:1]
    if not access:
        return left
    size = 0
    for n, place in enumerate(left):
        size += place.size
        if n and size > _CHUNK:
            return left[:n]
    return left


def _has_moved(before: ListState, now: ListState) -> bool:
    return (before.sequence, before.descending, before.circular) != (now.sequence, now.descending, now.circular)


def _is_proved(layout: LoadProfileLayout, place: Place, before: ListState, now: ListState) -> bool:
    """Whether a block that was read between two looks at table 63 is the one that it was taken for."""
    moved = (now.sequence - before.sequence) % _NUMBERS
    if (before.descending, before.circular) != (now.descending, now.circular):
        return False
    if place.sequence == before.sequence and not moved:
        # The newest: its end time is that of its last interval.
        return now.intervals == before.intervals
    if not moved:
        return True
    # In a circle every block stays where it is until it is overwritten; the newest has grown meanwhile.
    age = (now.sequence - place.sequence) % _NUMBERS
    return before.circular and place.sequence != before.sequence and age < layout.blocks


class _Sink:
    """Decodes proved blocks and hands out what is wanted of their rows."""

    def __init__(self, layout: LoadProfileLayout, wanted: Wanted, take: Take, *, skipped: int) -> None:
        self.rows = 0
        self._decoder = LoadProfileDecoder(layout)
        self._keep = _columns(layout, wanted.columns)
        self._take = take
        self._cut: Cut | None = None
        if wanted.entries is not None:
            first, last = wanted.entries
            self._cut = EntryCut(first, last)
            self._cut.seen = skipped
        elif wanted.start is not None or wanted.stop is not None:
            self._cut = SpanCut(0, wanted.start, wanted.stop)
        columns = tuple(layout.columns[n] for n in self._keep)
        self._head = self._decoder.head.model_copy(update={"columns": columns})
        self._notes = list(layout.findings)

    def put(self, blocks: Sequence[tuple[Place, bytes]]) -> Iterator[Effect]:
        if isinstance(self._cut, EntryCut):
            self._cut.seen += sum(place.skip for place, _ in blocks)
        piece = self._decoder.feed(blocks)
        self.rows = self._decoder.rows
        yield from map(Emit, piece.findings)
        cut = self._cut(piece) if self._cut is not None else piece
        table = replace(cut.table, columns=tuple(cut.table.columns[n] for n in self._keep))
        notes, self._notes = (*self._notes, *piece.findings), []
        yield from self._take(Profile(self._head, table, truncated=piece.truncated, findings=notes))

    def lose(self, count: int) -> Iterator[Effect]:
        """Blocks that the meter overwrote before they were read."""
        found = Finding(
            "lp-overwritten",
            f"{count} blocks were overwritten by newer ones before they were read",
            "data",
            hint="they were the oldest; read more often",
        )
        self._notes.append(found)
        yield Emit(found)

    def finish(self) -> Iterator[Effect]:
        """The last piece: there is one, and what is still to be said with it."""
        if self._notes or not self.rows:
            yield from self._take(Profile(self._head, findings=self._notes))


def _columns(layout: LoadProfileLayout, wanted: Sequence[Obis] | None) -> tuple[int, ...]:
    """The columns to hand out, by number; the clock comes with any."""
    if wanted is None:
        return tuple(range(len(layout.columns)))
    missing = set(wanted) - {column.obis for column in layout.columns}
    if missing:
        raise LocalProtocolError(
            f"the profile {layout.obis} does not record {', '.join(sorted(map(str, missing)))}",
            layer="data",
            hint="it has " + ", ".join(str(column.obis) for column in layout.columns),
        )
    return tuple(n for n, column in enumerate(layout.columns) if not n or column.obis in wanted)
