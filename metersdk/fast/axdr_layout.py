"""What the C and the Python reader of profile rows share: kinds of columns, the buffers they fill, and their statuses.

A ``Rows`` holds one arena of zeroed octets, cut into typed columns. Slot 0 of every column is the row before the first,
carried over from the piece before, so that "the previous row" always exists; row n of a piece is slot n + 1.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from enum import IntEnum
from functools import lru_cache
from typing import Any, Final, Protocol, TypeAlias

Buffer: TypeAlias = "memoryview[Any]"
"""Numbers of one type: int or float."""


def typed(octets: bytes | bytearray | memoryview | array[int], code: str) -> Buffer:
    """The octets as numbers of the ``struct`` format ``code``."""
    return memoryview(octets).cast(code)  # type: ignore[call-overload, no-any-return]


class Kind(IntEnum):
    """How a column is stored; the numbers are MSDK_AXDR_* of metersdk.h."""

    SKIP = 0
    """Not at all: its cells are checked and their types noted."""
    EMPTY = 1
    """No cell had a value of its own."""
    I8 = 2
    U8 = 3
    I16 = 4
    U16 = 5
    I32 = 6
    U32 = 7
    I64 = 8
    U64 = 9
    F32 = 10
    F64 = 11
    CLOCK = 12
    """int64 milliseconds UTC, beside them deviation (int16, minutes) and clock status (uint8)."""
    OCTETS = 13
    """Position (uint64) and length (uint32) in the octets given: strings, date-time, date, time."""
    BITS = 14
    """The same for bit-strings; length counts bits."""
    OBJECT = 15
    """The same for whole encoded values, tag included: types that no one buffer can hold."""


class Status(IntEnum):
    """Why reading stopped; ``Rows.position`` is then the first octet that belongs to no row read."""

    END = 0
    """At the end of the octets, behind a whole row."""
    MORE = 1
    """The octets end inside a row."""
    FULL = 2
    """No room for another row."""
    KIND = 3
    """The cell of column ``error_column`` has a type that its kind cannot hold."""
    SHAPE = 4
    """A structure with another number of cells."""
    OTHER = 5
    """Something that is no structure."""
    BAD = 6
    """No A-XDR, at ``error_offset``."""


# Tag numbers; metersdk.apdu.axdr names them, and the import law has it above this room.
NULL_DATA: Final = 0
DONT_CARE: Final = 255
CLOCK_SIZE: Final = 12
UNDEFINED_DEVIATION: Final = -0x8000
UNDEFINED_STATUS: Final = 0xFF
MAX_DEPTH: Final = 32

# Size of the contents by tag; -1: a length field says; -2: a container; a tag that is not listed is not used.
SIZES: Final[dict[int, int]] = {
    0: 0,
    1: -2,
    2: -2,
    3: 1,
    4: -1,
    5: 4,
    6: 4,
    9: -1,
    10: -1,
    12: -1,
    13: 1,
    15: 1,
    16: 2,
    17: 1,
    18: 2,
    19: -2,
} | {20: 8, 21: 8, 22: 1, 23: 4, 24: 8, 25: 12, 26: 5, 27: 4, 28: 1, 29: 2, 30: 4, 31: 1, 32: 2, 33: 4, 255: 0}
FORMATS: Final[dict[Kind, str]] = {
    Kind.I8: "b",
    Kind.U8: "B",
    Kind.I16: "h",
    Kind.U16: "H",
    Kind.I32: "i",
    Kind.U32: "I",
    Kind.I64: "q",
    Kind.U64: "Q",
    Kind.F32: "f",
    Kind.F64: "d",
    Kind.CLOCK: "q",
    Kind.OCTETS: "Q",
    Kind.BITS: "Q",
    Kind.OBJECT: "Q",
}
WIDTHS: Final = {"b": 1, "B": 1, "h": 2, "H": 2, "i": 4, "I": 4, "q": 8, "Q": 8, "f": 4, "d": 8}
VARIABLE: Final = frozenset((Kind.OCTETS, Kind.BITS, Kind.OBJECT))
INTEGRAL: Final = frozenset(range(Kind.I8, Kind.F32))

# cell states in a column's `valid`
MISSING: Final = 0
PRESENT: Final = 1
FILLED: Final = 2

# flags of a column
UNDEFINED_CLOCK: Final = 1
LOCAL_CLOCK: Final = 2
LOST_DELTA: Final = 4


def bit(tag: int) -> int:
    """The bit of a tag in a set of tags: bit 63 is dont-care."""
    return 1 << (63 if tag == DONT_CARE else tag)


def _tags(*tags: int) -> int:
    return sum(map(bit, tags))


NO_VALUE: Final = _tags(NULL_DATA, DONT_CARE)
DELTAS: Final = _tags(*range(28, 34))
_SIGNED: Final = {15: Kind.I8, 16: Kind.I16, 5: Kind.I32, 20: Kind.I64}
_UNSIGNED: Final = {17: Kind.U8, 18: Kind.U16, 6: Kind.U32, 21: Kind.U64}
_INTEGERS: Final = _SIGNED | _UNSIGNED
_FLOATS: Final = {23: Kind.F32, 24: Kind.F64}
# Types that share no column with another: 1 is TRUE for a boolean, and no number.
_ALONE: Final = {3: Kind.U8, 13: Kind.U8, 22: Kind.U8, 4: Kind.BITS} | dict.fromkeys(
    (9, 10, 12, 25, 26, 27), Kind.OCTETS
)
# Range of the absolute types a delta may be added to; the sum keeps that type (Green Book, delta types).
RANGES: Final[dict[int, tuple[int, int]]] = {
    tag: (-(1 << width - 1), (1 << width - 1) - 1) for tag, width in ((15, 8), (16, 16), (5, 32), (20, 64))
} | {tag: (0, (1 << width) - 1) for tag, width in ((17, 8), (18, 16), (6, 32), (21, 64))}


@lru_cache(maxsize=256)
def kind_for(tags: int, clock: bool = False) -> tuple[Kind, int]:
    """The narrowest kind that holds every type of a set of tags exactly -> (kind, set of tags it accepts)."""
    valued = {tag for tag in SIZES if tags & bit(tag) and not bit(tag) & (NO_VALUE | DELTAS)}
    if clock and valued <= {9, 25}:
        if not tags & DELTAS:
            return (Kind.CLOCK, NO_VALUE | _tags(9, 25)) if valued else (Kind.EMPTY, NO_VALUE)
    elif not valued:
        return Kind.EMPTY, NO_VALUE | DELTAS
    elif len(valued) == 1 and (alone := _ALONE.get(min(valued))):
        if not tags & DELTAS:
            return alone, NO_VALUE | _tags(*valued)
    elif valued <= _INTEGERS.keys():
        kinds = {_INTEGERS[tag] for tag in valued}
        unsigned, signed = kinds & set(_UNSIGNED.values()), kinds & set(_SIGNED.values())
        accepted = NO_VALUE | DELTAS | _tags(*valued)
        if not (unsigned and signed):
            return max(kinds), accepted
        if Kind.U64 not in kinds:
            # One step wider than the widest unsigned type, or as wide as the widest signed one.
            return max(*signed, Kind(max(unsigned) + 1)), accepted
    elif valued <= _FLOATS.keys() | (_INTEGERS.keys() - {20, 21}) and not tags & DELTAS:
        return (Kind.F32 if valued == {23} else Kind.F64), NO_VALUE | _tags(*valued)
    return Kind.OBJECT, (1 << 64) - 1


@dataclass(slots=True)
class Store:
    """The buffers of one column, and what is remembered of it from row to row."""

    kind: Kind
    accepts: int
    values: Buffer
    valid: Buffer
    deviation: Buffer
    status: Buffer
    lengths: Buffer
    offset: int
    """Where in the arena its octets begin: values, then lengths, deviation, valid, status, as far as it has them."""
    tags: int = 0
    base: int = NULL_DATA
    flags: int = 0


@dataclass(slots=True)
class Rows:
    """A table of ``capacity`` rows to fill, and how to read them.

    ``period_ms`` is added to the time before for a null clock cell; 0: such a cell has no value. ``layout`` is the tag
    of every cell inside a compact-array, empty where the rows are tagged structures.
    """

    kinds: list[tuple[Kind, int]]
    capacity: int
    period_ms: int = 0
    deviation_sign: int = 1
    local_deviation: int = UNDEFINED_DEVIATION
    null_repeats: bool = True
    layout: bytes = b""
    count: int = 0
    position: int = 0
    error_offset: int = -1
    error_column: int = -1
    arena: bytearray = field(default_factory=bytearray)
    stores: list[Store] = field(default_factory=list)

    def __post_init__(self) -> None:
        slots = self.capacity + 1
        offsets, size = [], 0
        for kind, _ in self.kinds:
            offsets.append(size)
            if kind is not Kind.SKIP:
                size += sum(part * slots for part in _parts(kind)) + 7 & ~7
        self.arena = bytearray(size)
        view = memoryview(self.arena)
        for (kind, accepts), start in zip(self.kinds, offsets, strict=True):
            at, parts = start, []
            for width in _parts(kind) if kind is not Kind.SKIP else (0, 0, 0, 0, 0):
                parts.append(view[at : at + width * slots])
                at += width * slots
            values, lengths, deviation, valid, status = parts
            self.stores.append(
                Store(
                    kind,
                    accepts,
                    typed(values, FORMATS.get(kind, "B")),
                    valid,
                    typed(deviation, "h"),
                    status,
                    typed(lengths, "I"),
                    start,
                )
            )


def _parts(kind: Kind) -> tuple[int, int, int, int, int]:
    """Octets a cell takes in values, lengths, deviation, valid and status: widest first, so that all are aligned."""
    width = WIDTHS[FORMATS[kind]] if kind in FORMATS else 0
    clock = kind is Kind.CLOCK
    return width, 4 * (kind in VARIABLE), 2 * clock, 1, 1 * clock


class Reader(Protocol):
    """The contract of ``native_axdr`` and ``pure_axdr``."""

    def read_rows(self, data: bytes, start: int, end: int, rows: Rows) -> Status:
        """Fill ``rows`` from row ``rows.count`` on with what stands in data[start:end], as far as it goes."""

    def tokens(self, data: bytes, start: int, room: int) -> Tokens:
        """Every value in data[start:], in order, containers before their elements."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """Columns of ``count`` tokens: ``tag`` and ``depth`` (uint8), ``offset`` of the contents (uint64), ``length``.

    ``length`` (uint32) is the number of elements of an array or structure, of bits of a bit-string, of octets of all
    else; a compact-array is one token whose contents begin with its type description. ``end`` is the octet behind the
    last whole token; ``status`` is END, MORE, FULL or BAD (then at ``error_offset``).
    """

    count: int
    tag: Buffer
    depth: Buffer
    offset: Buffer
    length: Buffer
    end: int
    status: Status
    error_offset: int
