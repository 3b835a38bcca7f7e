"""What the sources of a meter are, and how their numbers become values: the walk through tables 12, 13, 15 and 16.

A source is a place in table 16. Its bits say which of the other tables have an entry for it, and the k-th source with
a bit has the k-th entry. Then::

    value = (number * multiplier + offset) * 10 ** exponent

with multiplier and offset of table 15, where they are still to be applied, and the exponent of table 12. Ratios of
transformers (table 15) are told, and not applied: whether a bill is of the primary side is not the meter's business.

OBIS codes are equivalents by the Blue Book. A quantity that has none, or that is the maker's own (NFS), has
the manufacturer-specific group C of 128 and more, one for each source. Its number in table 12 is kept always. Codes of
quantities, except power, voltage and current, are from memory of the standard.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import IntEnum, StrEnum
from fractions import Fraction
from typing import Final, TypeVar

from metersdk.errors import Finding
from metersdk.model.c1219.registry import TableSet
from metersdk.model.c1219.sources import (
    ActualSources,
    Constants,
    DemandControl,
    ElectricConstants,
    SourceLink,
    Sources,
    TransformerRatios,
    UnitOfMeasure,
    UnitsOfMeasure,
)
from metersdk.model.column import ColumnKind
from metersdk.model.obis import Obis
from metersdk.model.quantity import Unit, decimal_of, scaled, scaler_and_factor

NO_SOURCE: Final = 255
"""A selector of tables 22, 27 and 62 that selects nothing."""

TABLES: Final = (11, 12, 13, 15, 16)
"""What the walk looks at, as far as it was read."""


class TimeBase(IntEnum):
    """TIME_BASE of table 12."""

    ENERGY = 0
    """Bulk quantity: a dial reading."""
    INSTANT = 1
    PERIOD = 2
    """Over a period of the fundamental frequency."""
    SUB_BLOCK_DEMAND = 3
    BLOCK_DEMAND = 4
    NET_ENERGY = 5
    """Bulk quantity between two times, as in the intervals of a load profile."""
    THERMAL_DEMAND = 6
    EVENTS = 7


_BULK: Final = (TimeBase.ENERGY, TimeBase.NET_ENERGY)
_MOMENTARY: Final = (TimeBase.INSTANT, TimeBase.PERIOD)
_DEMAND: Final = (TimeBase.SUB_BLOCK_DEMAND, TimeBase.BLOCK_DEMAND, TimeBase.THERMAL_DEMAND)

EXPONENTS: Final = (0, 2, 3, 6, 9, -2, -3, -6)
"""MULTIPLIER of table 12 as a power of ten."""


class Use(StrEnum):
    """What a number of a source is used for: group D of its code, and whether it is a power or an energy."""

    REGISTER = "register"
    """As it is: a dial reading of energy, the present value of what has no dial."""
    INTERVAL = "interval"
    """An interval of a load profile."""
    PRESENT_DEMAND = "present demand"
    MAXIMUM = "maximum"
    MINIMUM = "minimum"
    CUMULATIVE_DEMAND = "cumulative demand"
    CONTINUOUS_DEMAND = "continuous cumulative demand"
    """Cumulative demand and the present maximum together; D is the maker's own, 128."""
    COINCIDENT = "coincident"
    """The value at the moment of another source's maximum; D is the maker's own, 129."""


_GROUP_D: Final = {
    Use.PRESENT_DEMAND: 4,
    Use.MAXIMUM: 6,
    Use.MINIMUM: 3,
    Use.CUMULATIVE_DEMAND: 2,
    Use.CONTINUOUS_DEMAND: 128,
    Use.COINCIDENT: 129,
}

# ID_CODE -> unit of a power (or of what has no energy) and of its integral over hours.
_UNITS: Final[dict[int, tuple[Unit | None, Unit | None]]] = {
    0: (Unit.W, Unit.WH),
    1: (Unit.VAR, Unit.VARH),
    2: (Unit.VA, Unit.VAH),
    3: (Unit.VA, Unit.VAH),
    8: (Unit.V, None),
    10: (None, Unit.V2H),
    12: (Unit.A, Unit.AH),
    14: (None, Unit.A2H),
    24: (Unit.COUNT, None),
    25: (Unit.COUNT, None),
    33: (Unit.HZ, None),
}
_APPARENT: Final = {"14": 9, "23": 10}
# Group C of powers, all phases, by ID_CODE and quadrants.
_DIRECTED: Final = {
    0: {"14": 1, "23": 2, "1234": 15, "1": 17, "2": 18, "3": 19, "4": 20},
    1: {"12": 3, "34": 4, "1": 5, "2": 6, "3": 7, "4": 8},
    2: _APPARENT,
    3: _APPARENT,
}
# Delivered less received.
_NET: Final = {(0, "1234"): 16}
# Group C of what has no direction, all phases.
_UNDIRECTED: Final = {8: 12, 12: 11, 24: 13, 25: 13, 33: 14, 10: 89, 14: 88}
# SEGMENTATION: what one phase adds to group C. Phase to phase (1 to 3) has no code.
_PHASES: Final = {0: 0, 5: 20, 6: 40, 7: 60}
_NEUTRAL: Final = {12: 91, 8: 92}
_OWN_CODES: Final = 72
# Of a meter without transformers, and of one whose table was never written.
_NO_RATIO: Final = (Decimal(1), Decimal(0))

_Entry = TypeVar("_Entry")


@dataclass(frozen=True, slots=True)
class SourceQuantity:
    """What one source measures.

    Attributes:
        index: its place in table 16.
        unit: of the value; None where it is not known.
        uom: its entry of table 12; None: it has none, or the table was not read.
        multiplier, offset, exponent: see the head of this module.
        ratios: of the transformers in front of the meter that it did not apply itself.
        interval_minutes: how long demand is averaged (table 13).
        findings: what was taken for granted.
    """

    index: int
    unit: Unit | None = None
    uom: UnitOfMeasure | None = None
    multiplier: Decimal = Decimal(1)
    offset: Decimal = Decimal(0)
    exponent: int = 0
    pulses: bool = False
    ratios: tuple[TransformerRatios, ...] = ()
    interval_minutes: int | None = None
    findings: tuple[Finding, ...] = field(default=(), compare=False)

    @property
    def raw_code(self) -> int | None:
        """The entry of table 12 as one number."""
        return None if self.uom is None else uom_number(self.uom)

    @property
    def factor(self) -> Fraction:
        """What a number is multiplied with, offset apart."""
        return Fraction(self.multiplier) * Fraction(10) ** self.exponent

    def value(self, number: Decimal | int) -> Decimal | None:
        """The value that a number stands for, exact; None for one that is none."""
        number = Decimal(number)
        if not number.is_finite():
            return None
        sign, digits, exponent = number.as_tuple()
        scaler, factor = scaler_and_factor(self.factor)
        if not self.offset and factor.denominator == 1 and isinstance(exponent, int):
            # Trailing zeros tell the resolution, so they stay.
            whole = int("".join(map(str, digits))) * (-1 if sign else 1)
            return scaled(whole * factor.numerator, exponent + scaler)
        return decimal_of(
            (Fraction(number) * Fraction(self.multiplier) + Fraction(self.offset)) * Fraction(10) ** self.exponent
        )

    def used_as(self, use: Use) -> SourceQuantity:
        """The same source; a register of demand counts power, whatever table 12 says of its integral."""
        power = use not in (Use.REGISTER, Use.INTERVAL)
        if power and self.uom is not None and self.uom.time_base in _BULK and self.uom.id_code in _UNITS:
            return replace(self, unit=_UNITS[self.uom.id_code][0])
        return self

    def kind(self, use: Use = Use.REGISTER) -> ColumnKind:
        """What the numbers say about their time."""
        base = None if self.uom is None else self.uom.time_base
        if base in _MOMENTARY and use in (Use.REGISTER, Use.INTERVAL):
            return ColumnKind.INSTANT
        if use is Use.INTERVAL:
            return ColumnKind.AVERAGE if base in _DEMAND else ColumnKind.INTERVAL_DELTA
        if use is Use.REGISTER:
            return ColumnKind.AVERAGE if base in _DEMAND else ColumnKind.CUMULATIVE
        if use in (Use.CUMULATIVE_DEMAND, Use.CONTINUOUS_DEMAND):
            return ColumnKind.CUMULATIVE
        return ColumnKind.INSTANT if use is Use.COINCIDENT else ColumnKind.AVERAGE

    def obis(self, use: Use = Use.REGISTER, *, tier: int = 0, period: int = 255, channel: int = 0) -> Obis:
        """The equivalent code: tier 1 and up in group E, billing period in F."""
        return Obis(bytes((1, channel, self.group_c, self._group_d(use), tier, period)))

    @property
    def group_c(self) -> int:
        """Group C: what is measured, and in which phase; 128 and more where there is no code."""
        found = None if self.uom is None else _group_c(self.uom)
        return 128 + self.index % _OWN_CODES if found is None else found

    @property
    def has_code(self) -> bool:
        """The Blue Book has a code for this quantity."""
        return self.group_c < 128

    def _group_d(self, use: Use) -> int:
        base = TimeBase.ENERGY if self.uom is None else self.uom.time_base
        if use in _GROUP_D:
            return _GROUP_D[use]
        if base in _MOMENTARY:
            return 7
        if base in _DEMAND:
            # Current average, or the last one of an interval that has ended.
            return 5 if use is Use.INTERVAL else 4
        if use is Use.INTERVAL:
            return 29
        return 9 if base == TimeBase.NET_ENERGY else 8

    def __str__(self) -> str:
        """``source 5: 1-0:1.8.0*255 in Wh`` with the number of table 12 where the unit is not known."""
        unit = f" in {self.unit.symbol}" if self.unit is not None and self.unit.symbol else ""
        if not self.has_code:
            code = "no entry in table 12" if self.raw_code is None else f"unit of measure {self.raw_code:#010x}"
            return f"source {self.index}: {code}{unit}"
        return f"source {self.index}: {self.obis().idis}{unit}"


def uom_number(uom: UnitOfMeasure) -> int:
    """An entry of table 12 as one number, bit 0 the lowest."""
    quadrants = (uom.q1_accountability, uom.q2_accountability, uom.q3_accountability, uom.q4_accountability)
    word = uom.filler | uom.id_code | uom.time_base << 8 | uom.multiplier << 11 | uom.net_flow_accountability << 18
    word |= sum(flag << 14 + n for n, flag in enumerate(quadrants))
    return word | uom.segmentation << 19 | uom.harmonic << 22 | uom.id_resource << 23 | uom.nfs << 31


def unit_of(uom: UnitOfMeasure) -> Unit | None:
    """The unit of an entry; None for one that is not known, or the maker's own."""
    if uom.nfs or uom.id_code not in _UNITS:
        return None
    return _UNITS[uom.id_code][uom.time_base in _BULK]


def _group_c(uom: UnitOfMeasure) -> int | None:
    flags = (uom.q1_accountability, uom.q2_accountability, uom.q3_accountability, uom.q4_accountability)
    quadrants = "".join(str(n) for n, flag in enumerate(flags, 1) if flag)
    if uom.nfs or uom.harmonic or uom.id_resource or uom.time_base == TimeBase.EVENTS:
        return None
    if uom.segmentation == 4:
        return _NEUTRAL.get(uom.id_code)
    if uom.id_code in _UNDIRECTED:
        summed = uom.time_base in _BULK
        # V2h and A2h exist as energies only, all others as values of a moment only; Ah as both.
        fits = summed if uom.id_code in (10, 14) else not summed or uom.id_code == 12
        base = _UNDIRECTED[uom.id_code] if fits else None
    else:
        base = _DIRECTED.get(uom.id_code, {}).get(quadrants)
        if uom.net_flow_accountability:
            base = _NET.get((uom.id_code, quadrants), base)
    phase = _PHASES.get(uom.segmentation)
    if base is None or phase is None:
        return None
    # V2h and A2h have no codes of phases.
    return base + phase if base <= 20 else base if not phase else None


# --- the walk ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SourceWalk:
    """The sources of a meter; ``walk[n]`` is what the source with index n measures."""

    uom: tuple[UnitOfMeasure, ...] | None
    demand: DemandControl | None
    constants: tuple[ElectricConstants, ...] | None
    links: tuple[SourceLink, ...] | None
    count: int

    @classmethod
    def of(cls, tables: TableSet) -> SourceWalk:
        """From ``TABLES``, as far as they were read. A table that is damaged counts as one that is not there."""
        limits, uom, demand, constants, links = (tables.find(number) for number in TABLES)
        count = limits.nbr_sources if isinstance(limits, ActualSources) else 0
        return cls(
            uom.uom_entry if isinstance(uom, UnitsOfMeasure) else None,
            demand if isinstance(demand, DemandControl) else None,
            constants.electric if isinstance(constants, Constants) else None,
            links.sources_link if isinstance(links, Sources) else None,
            count,
        )

    def __getitem__(self, index: int) -> SourceQuantity:
        """Any index gives a quantity; of a source that the tables do not know nothing is known."""
        return self._by_links(index, self.links) if self.links is not None else self._by_order(index)

    def __len__(self) -> int:
        return self.count

    def _by_links(self, index: int, links: tuple[SourceLink, ...]) -> SourceQuantity:
        if not 0 <= index < len(links):
            text = f"source {index} is selected, and table 16 has {len(links)}"
            return SourceQuantity(index, findings=(Finding("c1219-source", text, "data"),))
        link, before = links[index], links[:index]
        uom = _entry(self.uom, link.uom_entry_flag, sum(each.uom_entry_flag for each in before))
        constants = _entry(self.constants, link.constants_flag, sum(each.constants_flag for each in before))
        intervals = None if self.demand is None else self.demand.interval_value
        interval = _entry(intervals, link.demand_ctrl_flag, sum(each.demand_ctrl_flag for each in before))
        findings = []
        if link.uom_entry_flag and uom is None:
            findings.append(_missing(index, 12))
        if link.constant_to_be_applied and link.constants_flag and constants is None:
            findings.append(_missing(index, 15))
        quantity = _measured(index, uom)
        if constants is not None and link.constant_to_be_applied:
            quantity = _scaled(quantity, constants, findings)
        return replace(
            quantity,
            pulses=not link.pulse_engr_flag,
            interval_minutes=None if interval is None else interval.minutes,
            findings=tuple(findings),
        )

    def _by_order(self, index: int) -> SourceQuantity:
        """Without table 16 the entries of table 12 are one for each source, or nobody can tell whose they are."""
        uom = self.uom[index] if self.uom is not None and len(self.uom) == self.count and index < self.count else None
        quantity = _measured(index, uom)
        if not self.constants:
            return quantity
        text = f"source {index}: without table 16 nobody can tell whether table 15 is to be applied; it was not"
        return replace(quantity, findings=(Finding("c1219-scale", text, "data"),))


def _entry(entries: tuple[_Entry, ...] | None, has_one: bool, place: int) -> _Entry | None:
    return entries[place] if entries is not None and has_one and place < len(entries) else None


def _missing(index: int, table: int) -> Finding:
    return Finding(
        "c1219-source",
        f"source {index} has an entry in table {table}, which is not there or too short",
        "data",
        hint=f"read table {table}; until then the numbers are those of the meter",
    )


def _measured(index: int, uom: UnitOfMeasure | None) -> SourceQuantity:
    if uom is None:
        return SourceQuantity(index)
    return SourceQuantity(index, unit_of(uom), uom, exponent=EXPONENTS[uom.multiplier])


def _scaled(quantity: SourceQuantity, constants: ElectricConstants, findings: list[Finding]) -> SourceQuantity:
    if not (constants.multiplier.is_finite() and constants.offset.is_finite()):
        text = f"source {quantity.index}: its constants in table 15 are no numbers; the meter's own were kept"
        findings.append(Finding("c1219-scale", text, "data"))
        return quantity
    sets = (constants.set1_constants, constants.set2_constants)
    ratios = tuple(each for each in sets if each is not None and not each.set_flags.set_applied_flag)
    if any(ratio not in _NO_RATIO for each in ratios for ratio in (each.ratio_f1, each.ratio_p1)):
        pairs = ", ".join(f"{each.ratio_f1} and {each.ratio_p1}" for each in ratios)
        text = f"source {quantity.index}: the ratios of its transformers, {pairs}, were not applied"
        findings.append(Finding("c1219-ratios", text, "data", hint="multiply with them for the primary side"))
    return replace(quantity, multiplier=constants.multiplier, offset=constants.offset, ratios=ratios)
