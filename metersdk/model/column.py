"""One column of a profile: what it is, a typed buffer of what the meter sent, and its scaled values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import Final, TypeAlias

from pydantic import BaseModel, ConfigDict

from metersdk.apdu.axdr import Data, Plain
from metersdk.apdu.columns import Values
from metersdk.fast.axdr_layout import INTEGRAL, MISSING, UNDEFINED_DEVIATION, Buffer, Kind
from metersdk.model.clock import DateTime
from metersdk.model.fields import FractionField, ObisField, UnitField
from metersdk.model.obis import Obis, name
from metersdk.model.quantity import Unit, decimal_of, scaled

Cell: TypeAlias = "Decimal | bool | bytes | str | datetime | DateTime | list[Plain] | tuple[Plain, ...] | None"
"""A scaled value. A clock gives a datetime: aware, or naive where the meter's deviation is undefined."""

PlainCell: TypeAlias = (
    "int | float | Decimal | bool | bytes | str | datetime | DateTime | list[Plain] | tuple[Plain, ...] | None"
)
"""The same with int and float for numbers: fast, and inexact as floats are."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NUMBERS: Final = frozenset(range(Kind.I8, Kind.CLOCK))
# Attributes that hold a capture time: extended register, and the two of a demand register (Blue Book, classes 4, 5).
_CAPTURE_TIMES: Final = frozenset(((4, 5), (5, 6), (5, 7)))


class ColumnKind(StrEnum):
    """What the numbers of a column say about their interval; see ``kind_of``."""

    INTERVAL_DELTA = "interval_delta"
    """The quantity of the interval alone."""
    CUMULATIVE = "cumulative"
    """A counter reading at the end of the interval."""
    AVERAGE = "average"
    """The mean over the interval, as demand is."""
    INSTANT = "instant"
    """The value at the moment of capture."""
    STATUS = "status"
    TIME = "time"


@dataclass(frozen=True, slots=True)
class CaptureObject:
    """One entry of capture_objects (class 7 attribute 3): attribute ``attribute`` of an object.

    ``index`` 0 is the whole attribute, n its n-th element. ``obis`` may be given in any spelling.
    """

    class_id: int
    obis: Obis
    attribute: int
    index: int

    def __init__(self, class_id: int, obis: Obis | str | bytes, attribute: int, index: int = 0) -> None:
        object.__setattr__(self, "class_id", class_id)
        object.__setattr__(self, "obis", Obis.parse(obis))
        object.__setattr__(self, "attribute", attribute)
        object.__setattr__(self, "index", index)


def kind_of(capture: CaptureObject) -> ColumnKind:
    """A good guess from class and OBIS code (Blue Book part 1, value groups C and D).

    - class 8, and the capture_time of classes 4 and 5: time;
    - abstract codes C = 96 with D = 5 or 10, and C = 97: status;
    - electricity: D = 8, 9: cumulative; 29, 30: interval_delta; 4, 5, 14, 15, 24..28 and demand registers: average;
      7 and all else: instant;
    - heat, gas and water: C = 1 (gas also 2, 3) with D 0 to 3: cumulative.
    """
    obis = capture.obis
    if (capture.class_id == 8 and capture.attribute == 2) or (capture.class_id, capture.attribute) in _CAPTURE_TIMES:
        return ColumnKind.TIME
    if (obis.c == 96 and obis.d in (5, 10)) or obis.c == 97:
        return ColumnKind.STATUS
    if obis.a == 1:
        if obis.d in (8, 9):
            return ColumnKind.CUMULATIVE
        if obis.d in (29, 30):
            return ColumnKind.INTERVAL_DELTA
        if obis.d in (4, 5, 14, 15, 24, 25, 26, 27, 28) or capture.class_id == 5:
            return ColumnKind.AVERAGE
    elif (obis.a in (4, 5, 6, 8, 9) and obis.c == 1) or (obis.a == 7 and obis.c in (1, 2, 3)):
        return ColumnKind.CUMULATIVE if obis.d <= 3 else ColumnKind.INSTANT
    return ColumnKind.INSTANT


class ColumnHead(BaseModel):
    """What a column is: a value is ``raw * factor * 10**scaler``, in ``unit``.

    ``scaler`` is None where none is known: values are then as the meter sent them. ``factor`` is 1 with DLMS; ANSI
    meters multiply by ratios that need not be powers of ten. ``source`` is what the meter itself calls the column.
    ``bits`` are the names of the bits of a status, ``codes`` the names of its numbers, where it has a code.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    obis: ObisField
    class_id: int
    attribute: int
    index: int = 0
    unit: UnitField | None = None
    scaler: int | None = None
    kind: ColumnKind
    factor: FractionField = Fraction(1)
    source: str = ""
    bits: tuple[tuple[str, int], ...] = ()
    codes: tuple[tuple[str, int], ...] = ()

    @classmethod
    def of(cls, capture: CaptureObject, scaler: int | None = None, unit: Unit | None = None) -> ColumnHead:
        """The head of the column that captures this."""
        return cls(
            name=name(capture.obis) or str(capture.obis),
            obis=capture.obis,
            class_id=capture.class_id,
            attribute=capture.attribute,
            index=capture.index,
            unit=unit,
            scaler=scaler,
            kind=kind_of(capture),
        )

    @property
    def capture(self) -> CaptureObject:
        return CaptureObject(self.class_id, self.obis, self.attribute, self.index)


def ratio_of(head: ColumnHead) -> tuple[int, int]:
    """``factor * 10**scaler`` as numerator and denominator; of a power of ten one of them is 1."""
    power: int = 10 ** abs(head.scaler or 0)
    up, down = (power, 1) if (head.scaler or 0) > 0 else (1, power)
    return head.factor.numerator * up, head.factor.denominator * down


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """One column of a profile, ``len(column)`` cells.

    ``raw`` is a typed buffer (int8..uint64, float32, float64; int64 milliseconds UTC for a clock), empty for strings
    and mixed types. ``valid`` holds a state for every cell: 0 null without a value, 1 present, 2 null on the wire and
    filled from the row above. Where ``valid`` is 0, ``raw`` is 0.
    """

    head: ColumnHead
    cells: Values

    @property
    def name(self) -> str:
        return self.head.name

    @property
    def obis(self) -> Obis:
        return self.head.obis

    @property
    def attribute(self) -> int:
        return self.head.attribute

    @property
    def unit(self) -> Unit | None:
        return self.head.unit

    @property
    def scaler(self) -> int | None:
        return self.head.scaler

    @property
    def factor(self) -> Fraction:
        return self.head.factor

    @property
    def kind(self) -> ColumnKind:
        return self.head.kind

    @property
    def valid(self) -> Buffer:
        return self.cells.valid

    @property
    def raw(self) -> Buffer:
        return self.cells.values if self.is_number or self.is_clock else self.cells.values[:0]

    @property
    def is_number(self) -> bool:
        """``raw`` holds the numbers of this column."""
        return self.cells.kind in _NUMBERS

    @property
    def is_integer(self) -> bool:
        """``raw`` holds integers."""
        return self.cells.kind in INTEGRAL

    @property
    def is_clock(self) -> bool:
        """``raw`` holds milliseconds UTC."""
        return self.cells.kind is Kind.CLOCK

    @property
    def tells_time(self) -> bool:
        """The column of the profile's clock, also where it has no cell with a time."""
        return self.is_clock or (self.cells.kind is Kind.EMPTY and (self.head.class_id, self.attribute) == (8, 2))

    def __len__(self) -> int:
        return len(self.cells.valid)

    def __iter__(self) -> Iterator[Cell]:
        return map(self.value, range(len(self)))

    def value(self, row: int) -> Cell:
        """One cell, scaled: Decimal for numbers, exact."""
        value = self.plain(row, exact=True)
        return scaled(value, 0) if isinstance(value, (int, float)) and not isinstance(value, bool) else value

    def values(self) -> list[Cell]:
        """All cells, scaled: Decimal for numbers, exact; None without a value."""
        return list(self)

    def plain(self, row: int, exact: bool = False) -> PlainCell:
        """One cell, scaled: int, or float where a scaler makes it one (Decimal if ``exact``)."""
        item = self.cells.item(row)
        if item is None:
            return None
        if self.is_clock:
            return self.moment(row)
        if isinstance(item, Data):
            plain = item.python()
            return self._scaled(plain, exact) if isinstance(plain, (int, float)) else plain
        if isinstance(item, bytes) and self.kind is ColumnKind.TIME:
            return DateTime.from_octets(item) if len(item) == 12 else item
        return self._scaled(item, exact) if isinstance(item, (int, float)) else item

    def fraction(self, row: int) -> Fraction | None:
        """The number of one cell, scaled, exact: also where no decimal is. None without a number."""
        item = self.cells.item(row)
        if not self.is_number or not isinstance(item, (int, float)) or item - item != 0:
            return None
        return Fraction(item) * self.factor * Fraction(10) ** (self.scaler or 0)

    def names(self, row: int) -> frozenset[str]:
        """What the status of one cell says, by the names of ``head.bits`` or ``head.codes``."""
        item = self.cells.item(row)
        if not isinstance(item, int):
            return frozenset()
        named = {name for name, bit in self.head.bits if item >> bit & 1}
        return frozenset(named | {name for name, code in self.head.codes if item == code})

    def _scaled(self, raw: int | float, exact: bool) -> int | float | Decimal:
        scaler = self.scaler
        if isinstance(raw, bool):
            return raw
        if self.factor != 1:
            return self._by_factor(raw, exact)
        if not scaler:
            return raw
        if exact:
            return scaled(raw, scaler)
        # Division by a power of ten rounds once; multiplication by its inverse would round twice.
        power: int = 10 ** abs(scaler)
        return raw * power if scaler > 0 else raw / power

    def _by_factor(self, raw: int | float, exact: bool) -> int | float | Decimal:
        numerator, denominator = ratio_of(self.head)
        if exact and isinstance(raw, int) and self.factor.denominator == 1:
            return scaled(raw * self.factor.numerator, self.scaler or 0)
        if exact and raw - raw == 0:
            return decimal_of(Fraction(scaled(raw, 0)) * Fraction(numerator, denominator))
        # Of an integer this is rounded once.
        return raw * numerator / denominator if denominator > 1 else raw * numerator

    def moment(self, row: int) -> datetime | None:
        """A clock cell: aware in the meter's own offset, naive where its deviation is undefined."""
        if self.cells.valid[row] == MISSING:
            return None
        deviation = self.cells.deviation[row]
        try:
            utc = _EPOCH + timedelta(milliseconds=self.cells.values[row])
            if deviation == UNDEFINED_DEVIATION:
                return utc.replace(tzinfo=None)
            return utc.astimezone(timezone(timedelta(minutes=-deviation)))
        except OverflowError:
            # Behind 9999-12-31, where null cells can run on to.
            return None
