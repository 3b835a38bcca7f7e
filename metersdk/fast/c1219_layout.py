"""What the C and the Python reader of C12.19 load profile blocks share: how a block is written, and the columns.

A block of tables 64 to 67: end time; for each channel its end reading and pulses; simple status; then the interval
records, each its extended status and one number for each channel.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from metersdk.errors import LocalProtocolError
from metersdk.fast.axdr_layout import FORMATS, UNDEFINED_DEVIATION, WIDTHS, Buffer, Kind, typed


class Number(IntEnum):
    """How a number is written: the NI formats of table 0 by their own numbers, behind them the integers of table 62."""

    F64 = 0
    F32 = 1
    CHAR12 = 2
    CHAR6 = 3
    FIXED = 4
    """INT32 in units of 10^-4."""
    BCD6 = 5
    BCD4 = 6
    I24 = 7
    I32 = 8
    I40 = 9
    I48 = 10
    I64 = 11
    BCD8 = 12
    CHAR21 = 13
    U8 = 14
    U16 = 15
    U32 = 16
    I8 = 17
    I16 = 18

    @property
    def size(self) -> int:
        """Octets on the wire."""
        return _SIZES[self]

    @property
    def kind(self) -> Kind:
        """The column that holds it. Text stays where it is: OCTETS, positions in the data."""
        return _KINDS[self]


_SIZES: Final = (8, 4, 12, 6, 4, 3, 2, 3, 4, 5, 6, 8, 4, 21, 1, 2, 4, 1, 2)
_KINDS: Final = (
    *(Kind.F64, Kind.F32, Kind.OCTETS, Kind.OCTETS, Kind.I32, Kind.U32, Kind.U16, Kind.I32, Kind.I32, Kind.I64),
    *(Kind.I64, Kind.I64, Kind.U32, Kind.OCTETS, Kind.U8, Kind.U16, Kind.U32, Kind.I8, Kind.I16),
)
STAMP_SIZES: Final = (0, 5, 5, 4, 4)
"""Octets of an STIME_DATE by TM_FORMAT."""
TEXT: Final = frozenset((Number.CHAR12, Number.CHAR6, Number.CHAR21))
BCD: Final = frozenset((Number.BCD4, Number.BCD6, Number.BCD8))

DST: Final = 1
"""Row flag: daylight saving was in effect. The other three of the common nibble: power failed, clock reset forward,
clock reset back."""
NOT_VALID: Final = 0x80
"""Row flag: the simple status says that the interval is not valid."""
SKIPPED: Final = 4
"""Status of a channel: the interval was skipped, so that it has no value."""
LONGEST_MS: Final = 1 << 40


@dataclass(frozen=True, slots=True)
class BlockLayout:
    """How the blocks of one load profile set are written, and what their time stamps mean.

    ``value`` is the format of the intervals, ``reading`` that of the end readings (None: none). ``shift_ms`` is added
    to a stamp; ``deviation`` is what is to be added to the local standard time to get UTC, in minutes, or undefined.
    ``season_ms`` is what daylight saving adds to local time; ``stamp_season``: it is in the stamps, where the status
    of the newest interval of the block says so. ``descending``: the first interval of a block is its newest.

    Raises:
        LocalProtocolError: a number of channels or intervals, a format or a time that cannot be.
    """

    channels: int
    intervals: int
    value: Number
    period_ms: int = 0
    big_endian: bool = False
    int_format: int = 0
    time_format: int = 0
    reading: Number | None = None
    pulses: bool = False
    simple_status: bool = False
    extended_status: bool = False
    descending: bool = False
    shift_ms: int = 0
    season_ms: int = 3_600_000
    stamp_season: bool = False
    deviation: int = UNDEFINED_DEVIATION

    def __post_init__(self) -> None:
        times = (self.period_ms, self.shift_ms, self.season_ms)
        if (
            not (0 < self.channels < 256 and 0 <= self.intervals < 65536)
            or not (0 <= self.time_format < len(STAMP_SIZES) and 0 <= self.int_format < 4)
            or max(map(abs, times)) > LONGEST_MS
            or not UNDEFINED_DEVIATION <= self.deviation - self.season_ms // 60_000 * self.has_deviation < 32768
        ):
            raise LocalProtocolError(f"no layout of load profile blocks: {self}", layer="data")

    @property
    def has_deviation(self) -> bool:
        return self.deviation != UNDEFINED_DEVIATION

    @property
    def stamp_size(self) -> int:
        return STAMP_SIZES[self.time_format]

    @property
    def reading_size(self) -> int:
        return self.reading.size if self.reading is not None else 0

    @property
    def end_size(self) -> int:
        """Octets of the end reading and pulses of one channel."""
        return self.reading_size + 4 * self.pulses

    @property
    def simple_size(self) -> int:
        return (self.intervals + 7) // 8 if self.simple_status else 0

    @property
    def header(self) -> int:
        """Octets of a block before its first interval record."""
        return self.stamp_size + self.channels * self.end_size + self.simple_size

    @property
    def status_size(self) -> int:
        """Octets of extended status in an interval record."""
        return self.channels // 2 + 1 if self.extended_status else 0

    @property
    def record(self) -> int:
        """Octets of an interval record."""
        return self.status_size + self.channels * self.value.size

    @property
    def size(self) -> int:
        """Octets of a block."""
        return self.header + self.intervals * self.record


@dataclass(slots=True)
class BlockColumns:
    """Columns of ``rows`` intervals and ``blocks`` blocks, oldest first, with room for more.

    Of each interval: ``time`` it ended (ms UTC, ms local where there is no deviation), ``deviation``, ``time_valid``,
    ``clock_status``, ``flags``; of each channel ``values``, ``valid`` (0 no value, 1 present) and ``codes``. Of each
    block: ``stamp`` in ms as it stands there, ``stamp_valid``, and of each channel ``readings``, ``readings_valid``,
    ``pulses``, where the layout has them.
    """

    layout: BlockLayout
    room: int
    block_room: int
    rows: int = 0
    blocks: int = 0
    arena: bytearray = field(init=False)
    offsets: list[int] = field(init=False)
    time: Buffer = field(init=False)
    deviation: Buffer = field(init=False)
    time_valid: Buffer = field(init=False)
    clock_status: Buffer = field(init=False)
    flags: Buffer = field(init=False)
    values: list[Buffer] = field(init=False)
    valid: list[Buffer] = field(init=False)
    codes: list[Buffer] = field(init=False)
    stamp: Buffer = field(init=False)
    stamp_valid: Buffer = field(init=False)
    readings: list[Buffer] = field(init=False)
    readings_valid: list[Buffer] = field(init=False)
    pulses: list[Buffer] = field(init=False)

    def __post_init__(self) -> None:
        layout, room, blocks = self.layout, self.room, self.block_room
        channels = layout.channels
        read, pulsed = channels * (layout.reading is not None), channels * layout.pulses
        value = FORMATS[layout.value.kind]
        reading = FORMATS[self._reading_kind]
        # The widest first, so that all are aligned.
        parts = (
            ("q", room, 1),
            ("q", blocks, 1),
            (value, self.value_stride // WIDTHS[value], channels),
            (reading, self.reading_stride // WIDTHS[reading], read),
            ("I", blocks, pulsed),
            ("h", room, 1),
            *(("B", room, 1),) * 3,
            ("B", blocks, 1),
            *(("B", room, channels),) * 2,
            ("B", blocks, read),
        )
        self.offsets, size = [], 0
        for code, count, times in parts:
            self.offsets.append(size)
            size += WIDTHS[code] * count * times
        self.arena = bytearray(size)
        view = memoryview(self.arena)
        columns = []
        for (code, count, times), start in zip(parts, self.offsets, strict=True):
            step = WIDTHS[code] * count
            columns.append([typed(view[start + n * step : start + (n + 1) * step], code) for n in range(times)])
        (self.time,), (self.stamp,), values, readings, self.pulses, (self.deviation,), *octets = columns
        self.values = [column[:room] for column in values]
        self.readings = [column[:blocks] for column in readings]
        (self.time_valid,), (self.clock_status,), (self.flags,), (self.stamp_valid,), *octets = octets
        self.valid, self.codes, self.readings_valid = octets

    @property
    def value_stride(self) -> int:
        """Octets from one channel's values to the next: a multiple of 8."""
        return WIDTHS[FORMATS[self.layout.value.kind]] * self.room + 7 & ~7

    @property
    def reading_stride(self) -> int:
        return WIDTHS[FORMATS[self._reading_kind]] * self.block_room + 7 & ~7

    @property
    def _reading_kind(self) -> Kind:
        return Kind.U8 if self.layout.reading is None else self.layout.reading.kind


def room_for(layout: BlockLayout, size: int, offsets: list[int], valid: list[int]) -> BlockColumns:
    """Columns for those of the blocks that lie inside ``size`` octets, up to the first that does not."""
    blocks = rows = 0
    for offset, count in zip(offsets, valid, strict=True):
        if not 0 <= count <= layout.intervals or not 0 <= offset <= size - layout.header - count * layout.record:
            break
        blocks, rows = blocks + 1, rows + count
    return BlockColumns(layout, rows, blocks)
