"""Load profiles of ANSI C12.19: how the blocks of a set are written, and where they are in tables 64 to 67.

A set is a list of blocks; a block is an end time, end readings, and interval records. Table 61 tells how many of each,
table 62 what the channels are, table 63 where the newest block is. ``load_profile_tables.layout_of`` gathers that;
``LoadProfileLayout.places`` walks the list from the oldest block to the newest.

From memory of the standard, to be checked against it and against meters: what the simple status and the pulse counter
of a block say, that status nibbles stand high one first and octets of BCD in DATA_ORDER, that a partly filled block has
the time of its last interval (the time of its end is recognised), and which of its end readings count in the block.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Final

from metersdk.errors import DecodeError, Finding, LocalProtocolError
from metersdk.fast.axdr_layout import UNDEFINED_DEVIATION
from metersdk.fast.c1219_layout import TEXT, BlockLayout, Number
from metersdk.model.column import CaptureObject, ColumnHead, ColumnKind
from metersdk.model.obis import Obis
from metersdk.model.quantity import Unit, scaler_and_factor

SETS: Final = (1, 2, 3, 4)
CLOCK: Final = CaptureObject(8, "0.0.1.0.0.255", 2)
INTERVAL_FORMATS: Final[Mapping[int, Number]] = {
    1: Number.U8,
    2: Number.U16,
    4: Number.U32,
    8: Number.I8,
    16: Number.I16,
    32: Number.I32,
}
"""INT_FMT_CDE of table 62; 64 and 128 are the NI formats of table 0."""

STATUS_BITS: Final = (
    *(("dst", 0), ("power-fail", 1), ("clock-forward", 2), ("clock-back", 3), ("not-valid", 7)),
    *(("overflow", 8), ("partial", 9), ("long", 10), ("skipped", 11), ("test", 12), ("config-changed", 13)),
    *(("stopped", 14), ("unknown", 15)),
)
"""Bits of the status column. 0 to 3 are those of the common nibble of the extended status, 7 is what the simple status
says, 8 to 15: at least one channel has the status code 1, 2 .. 7, or more."""

CHANNEL_CODES: Final = (
    *(("overflow", 1), ("partial", 2), ("long", 3), ("skipped", 4), ("test", 5), ("config-changed", 6)),
    ("stopped", 7),
)
"""Status codes of a channel in its interval; 0: nothing to say."""

STATUS_OF_CODE: Final = bytes([0, *(1 << min(code, 8) - 1 for code in range(1, 16)), *bytes(240)])
"""Status code -> octet of the bits 8 to 15 above."""

_CODES_OF_SETS: Final = {1: "1.0.99.1.0.255", 2: "1.0.99.2.0.255", 3: "1.0.99.1.3.255", 4: "1.0.99.1.4.255"}


def profile_code(set_number: int) -> Obis:
    """The OBIS code that a set goes by: 1.0.99.1.0.255 and 1.0.99.2.0.255, 1.0.99.1.3.255 and 1.0.99.1.4.255."""
    if set_number not in SETS:
        raise LocalProtocolError(f"there are the load profile sets 1 to 4, not {set_number}", layer="data")
    return Obis(_CODES_OF_SETS[set_number])


def decimals_of(number: Number) -> int:
    """Decimals of the integers that a column of this format holds."""
    if number is Number.FIXED or number is Number.CHAR6:
        return 4
    return 6 if number in TEXT else 0


@dataclass(frozen=True, slots=True)
class TimeBasis:
    """What the time stamps of a meter mean.

    ``deviation``: minutes to add to its local standard time to get UTC; None: not known, so that times stay local.
    ``utc``: stamps count UTC. ``seasons``: stamps are local and have daylight saving in them. ``season`` is its amount
    in minutes. ``findings`` say what was taken for granted.
    """

    deviation: int | None = None
    utc: bool = False
    seasons: bool = False
    season: int = 60
    findings: tuple[Finding, ...] = ()

    def apply(self, block: BlockLayout) -> BlockLayout:
        """The layout of blocks with these stamps."""
        known = self.deviation
        if self.utc:
            known = known or 0
        return replace(
            block,
            deviation=UNDEFINED_DEVIATION if known is None else known,
            shift_ms=0 if self.utc or known is None else known * 60_000,
            season_ms=self.season * 60_000,
            stamp_season=self.seasons and not self.utc,
        )

    @property
    def is_doubtful(self) -> bool:
        """The zone is known, and whether a time has daylight saving in it is not told by the time."""
        return not self.utc and self.deviation is not None and self.seasons

    def __str__(self) -> str:
        if self.utc:
            return "UTC"
        if self.deviation is None:
            return "local time of the meter" + (", with daylight saving" if self.seasons else "")
        hours, minutes = divmod(abs(self.deviation), 60)
        zone = f"UTC{'-' if self.deviation > 0 else '+'}{hours:02d}:{minutes:02d}"
        return f"local time, {zone}" + (" with daylight saving" if self.seasons else "")


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel: its column, and how its numbers and end readings belong together.

    ``source`` and ``end_source`` are places in table 16. ``per_pulse``: counts of the register that one pulse of an
    interval stands for (scalar / divisor of table 62). ``end_reading``: it has one that counts the same.
    """

    head: ColumnHead
    source: int
    end_source: int
    per_pulse: Fraction = Fraction(1)
    end_reading: bool = True


@dataclass(frozen=True, slots=True)
class ListState:
    """What table 63 says of a set: how its blocks are ordered, and where the newest is.

    ``descending``: element N is newer than N + 1. ``intervals_descending``: the same within a block. ``last`` is the
    element of the newest block, ``sequence`` its number, ``intervals`` how many it has so far.
    """

    blocks: int
    last: int
    sequence: int
    intervals: int
    unread: int = 0
    descending: bool = False
    circular: bool = False
    intervals_descending: bool = False
    overflow: bool = False
    inhibited: bool = False
    active: bool = True
    test: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """Where a block is: element of the list, offset in its table, octets worth reading, valid intervals, number.

    ``skip``: so many intervals, the oldest, are not wanted: their octets need not be read, whatever stands there.
    ``head``: its header, where that has been read before.
    """

    element: int
    offset: int
    size: int
    intervals: int
    sequence: int
    skip: int = 0
    head: bytes = b""


@dataclass(frozen=True, slots=True)
class LoadProfileLayout:
    """One load profile set of a meter: how its blocks are written, and what its columns are.

    Attributes:
        set_number: 1 to 4.
        blocks: blocks that the list has room for.
        block: how one is written.
        channels: what they record.
        basis: what the times mean.
        findings: what was tolerated in the tables, or taken for granted.
        readings_in_block: end readings count within their block only.
    """

    set_number: int
    blocks: int
    block: BlockLayout
    channels: tuple[Channel, ...]
    basis: TimeBasis = TimeBasis()
    findings: tuple[Finding, ...] = ()
    readings_in_block: bool = False
    columns: tuple[ColumnHead, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "block", self.basis.apply(self.block))
        object.__setattr__(self, "columns", self._columns())

    @property
    def table(self) -> int:
        """The table that holds the blocks: 64 to 67."""
        return 63 + self.set_number

    @property
    def size(self) -> int:
        """Octets of that table."""
        return self.blocks * self.block.size

    @property
    def obis(self) -> Obis:
        return profile_code(self.set_number)

    @property
    def period(self) -> int:
        """Length of an interval in seconds."""
        return self.block.period_ms // 1000

    @property
    def reading_unit(self) -> Fraction:
        """The least step of an end reading."""
        number = self.block.reading
        return Fraction(1, 10 ** decimals_of(number)) if number is not None else Fraction(1)

    def ordered(self, state: ListState) -> LoadProfileLayout:
        """This layout for blocks whose intervals are in the order that table 63 tells."""
        if self.block.descending == state.intervals_descending:
            return self
        return replace(self, block=replace(self.block, descending=state.intervals_descending))

    def places(self, state: ListState, *, after: int | None = None) -> list[Place]:
        """The blocks there are, the oldest first.

        The newest is LAST_BLOCK_ELEMENT; from there on older blocks have smaller numbers, in a descending list greater
        ones, and a circular list goes on at its other end. A block worth no octets (no interval yet) is left out.

        Args:
            state: what table 63 says.
            after: only blocks with a greater sequence number. The newest one of an earlier read may have had room for
                more, so ask from the one before it.

        Raises:
            DecodeError: table 63 tells more blocks or intervals than table 61 has room for.
        """
        if state.blocks > self.blocks or state.intervals > self.block.intervals:
            raise DecodeError(
                f"table 63 tells {state.blocks} blocks, the newest with {state.intervals} intervals, and table 61 has "
                f"room for {self.blocks} of {self.block.intervals}",
                layer="data",
                hint="read tables 61 and 63 again; the profile may have been reconfigured meanwhile",
            )
        if state.blocks and state.last >= self.blocks:
            raise DecodeError(f"table 63 names element {state.last} of {self.blocks} as the newest", layer="data")
        count = state.blocks if after is None else min(state.blocks, (state.sequence - after) & 0xFFFFFFFF)
        return [place for age in reversed(range(count)) if (place := self._place(state, age)).intervals]

    def _place(self, state: ListState, age: int) -> Place:
        """The block that is so many blocks older than the newest."""
        element = (state.last + (age if state.descending else -age)) % self.blocks
        intervals = self.block.intervals if age else state.intervals
        return Place(
            element,
            element * self.block.size,
            self.block.header + intervals * self.block.record,
            intervals,
            (state.sequence - age) & 0xFFFFFFFF,
        )

    def _columns(self) -> tuple[ColumnHead, ...]:
        block, number = self.block, self.set_number
        heads = [ColumnHead.of(CLOCK)]
        heads[0] = heads[0].model_copy(update={"source": str(self.basis)})
        if block.extended_status or block.simple_status:
            heads.append(_status_head("Interval status", f"0.0.96.10.{number}.255", bits=STATUS_BITS))
        heads += [channel.head for channel in self.channels]
        if block.extended_status:
            heads += [
                _status_head(f"Status of channel {n}", f"0.{n}.96.10.{number}.255", codes=CHANNEL_CODES)
                for n in range(1, block.channels + 1)
            ]
        return tuple(heads)


def _status_head(
    name: str, obis: str, *, bits: tuple[tuple[str, int], ...] = (), codes: tuple[tuple[str, int], ...] = ()
) -> ColumnHead:
    kind = ColumnKind.STATUS
    return ColumnHead(name=name, obis=Obis(obis), class_id=1, attribute=2, kind=kind, bits=bits, codes=codes)


def channel_head(
    number: int,
    obis: Obis,
    unit: Unit | None,
    ratio: Fraction,
    kind: ColumnKind = ColumnKind.INTERVAL_DELTA,
    *,
    decimals: int = 0,
    source: str = "",
) -> ColumnHead:
    """The column of channel ``number``: ``ratio`` units to a count, which has so many decimals."""
    scaler, factor = scaler_and_factor(ratio / 10**decimals)
    head = ColumnHead.of(CaptureObject(3, obis, 2), scaler, unit)
    name = head.name if head.name != str(obis) else f"Channel {number}"
    return head.model_copy(update={"name": name, "factor": factor, "kind": kind, "source": source})
