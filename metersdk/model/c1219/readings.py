"""The registers of a meter as a list of readings: tables 23 to 28, each value in its unit and with its OBIS equivalent.

====================  ============================================================================================
group E               0 for the totals, 1 and up for the tiers
group F               255 now; 101 at the last demand reset (table 25); 128, the maker's own range, at the end of the
                      last season (table 24); the number of a self-read modulo 100 (table 26)
group B               128 and up for the second and further occurrence of a maximum
====================  ============================================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Final, TypeAlias, TypeVar

from metersdk.errors import DecodeError, Finding, LocalProtocolError
from metersdk.model.c1219.configuration import MANUFACTURER
from metersdk.model.c1219.formats import Moment
from metersdk.model.c1219.quantities import NO_SOURCE, SourceQuantity, SourceWalk, Use
from metersdk.model.c1219.registers import (
    CurrentRegisters,
    DataBlock,
    DataSelection,
    Demands,
    PresentRegisters,
    PresentSelection,
    PreviousDemandReset,
    PreviousSeason,
    RegisterData,
    SelfRead,
    SelfReads,
)
from metersdk.model.c1219.registry import TableSet
from metersdk.model.c1219.table import C1219Table
from metersdk.model.c1219.vendor_tables import VendorTable
from metersdk.model.clock import DateTime
from metersdk.model.obis import Obis, name
from metersdk.model.reading import Reading

TABLES: Final = (11, 12, 15, 16, 21, 22, 23, 24, 25, 26, 27, 28)
"""All that is looked at, in the order to read it; what is not there is left out."""

NOW, LAST_RESET, LAST_SEASON = 255, 101, 128
_RESETS: Final = Obis("1.0.0.1.0.255")
_PERIODS: Final = {NOW: "", LAST_RESET: ", at the last demand reset", LAST_SEASON: ", at the end of the last season"}
_OTHER_OCCURRENCES: Final = 127
# Group D of a quantity as it is, for the names of what has none of its own.
_INSTANT: Final = 7

Clock: TypeAlias = Callable[[Moment], DateTime | None]
_Item = TypeVar("_Item")


def readings(
    tables: TableSet,
    *,
    history: bool = True,
    clock: Clock = Moment.to_clock,
    findings: list[Finding] | None = None,
) -> list[Reading]:
    """All registers that were read; none twice: what table 23 has is not taken from table 28 again.

    Args:
        tables: what was read of ``TABLES``, and tables of vendor data.
        history: the registers of before, too (tables 24 to 26).
        clock: makes a reading's time of a moment of the meter; ``Moment.to_clock`` takes what table 0 says.
        findings: what was taken for granted of the sources is added to it.
    """
    book = _Book(tables, clock)
    found: dict[Obis, Reading] = {}
    for reading in book.all(history):
        found.setdefault(reading.obis, reading)
    if findings is not None:
        findings += dict.fromkeys(book.findings)
    return list(found.values())


class _Book:
    def __init__(self, tables: TableSet, clock: Clock) -> None:
        self._tables = tables
        self._clock = clock
        self._walk = SourceWalk.of(tables)
        self.findings: list[Finding] = []
        selection = self._find(22)
        self._selection = selection if isinstance(selection, DataSelection) else None

    def all(self, history: bool) -> Iterator[Reading]:
        own = {model.NUMBER for model in self._tables.extra}
        for number in [each for each in self._tables if each in own]:
            table = self._find(number)
            if isinstance(table, VendorTable) and self._fits(table, number):
                yield from table.readings()
        current = self._find(23)
        if isinstance(current, CurrentRegisters):
            yield from self._registers(current, NOW, None)
        yield from self._present()
        if history:
            yield from self._before()

    def _find(self, number: int) -> C1219Table | None:
        """A table that was read; what was tolerated in it, or why it is of no use, is a finding."""
        if number not in self._tables:
            return None
        try:
            table = self._tables.get(number)
        except (DecodeError, LocalProtocolError) as error:
            text = error.message if error.message.startswith("table") else f"table {number}: {error.message}"
            self.findings.append(Finding("c1219-unread", text, "data", error.offset, error.hint))
            return None
        self.findings += table.findings
        return table

    def _fits(self, table: VendorTable, number: int) -> bool:
        """A table of the standard that is longer than a maker is said to fill it is one that he fills otherwise."""
        if number >= MANUFACTURER or not table.rest:
            return True
        text = f"table {number} is {len(table.rest)} octets longer than vendor data say: no register is taken from it"
        hint = "it may be another maker's meter: vendor= (--vendor) for his data, ansi-c1218 for the standard"
        self.findings.append(Finding("c1219-vendor", text, "data", hint=hint))
        return False

    def _before(self) -> Iterator[Reading]:
        for number, period in ((25, LAST_RESET), (24, LAST_SEASON)):
            table = self._find(number)
            if isinstance(table, (PreviousDemandReset, PreviousSeason)):
                yield from self._registers(table.register_data, period, table.end_date_time)
        reads = self._find(26)
        if isinstance(reads, SelfReads):
            for number, entry in self_reads(reads):
                yield from self._registers(entry.register_data, number % 100, entry.end_date_time)

    def _registers(self, data: RegisterData, period: int, end: Moment | None) -> Iterator[Reading]:
        if data.nbr_demand_resets is not None:
            count = Decimal(data.nbr_demand_resets)
            code = Obis(_RESETS.octets[:5] + bytes((period,)))
            text = name(_RESETS) + _of_period(period)
            yield Reading(obis=code, value=count, time=self._time(end), raw=data.nbr_demand_resets, name=text)
        for tier, block in enumerate((data.tot_data_block, *data.tier_data_block)):
            yield from self._block(block, tier, period, end)

    def _block(self, block: DataBlock, tier: int, period: int, end: Moment | None) -> Iterator[Reading]:
        chosen = self._selection
        for _, source, number in self._of(chosen.summation_select if chosen else None, block.summations):
            yield self._reading(source, Use.REGISTER, number, end, tier, period)
        for place, source, demand in self._of(chosen.demand_select if chosen else None, block.demands):
            use = Use.MAXIMUM if chosen is None or place in chosen.min_or_max_flags else Use.MINIMUM
            yield from self._demand(source, use, demand, tier, period)
        for _, source, values in self._of(chosen.coincident_select if chosen else None, block.coincidents):
            for occurrence, number in enumerate(values.coincident_values):
                yield self._reading(source, Use.COINCIDENT, number, None, tier, period, _channel(occurrence))

    def _demand(self, source: SourceQuantity, use: Use, demand: Demands, tier: int, period: int) -> Iterator[Reading]:
        times = demand.event_time or ()
        for occurrence, number in enumerate(demand.demand):
            time = times[occurrence] if occurrence < len(times) else None
            yield self._reading(source, use, number, time, tier, period, _channel(occurrence))
        if demand.cum_demand is not None:
            yield self._reading(source, Use.CUMULATIVE_DEMAND, demand.cum_demand, None, tier, period)
        if demand.cont_cum_demand is not None:
            yield self._reading(source, Use.CONTINUOUS_DEMAND, demand.cont_cum_demand, None, tier, period)

    def _present(self) -> Iterator[Reading]:
        present, chosen = self._find(28), self._find(27)
        if not isinstance(present, PresentRegisters):
            return
        demands = values = None
        if isinstance(chosen, PresentSelection):
            demands, values = chosen.present_demand_select, chosen.present_value_select
        for _, source, demand in self._of(demands, present.present_demand):
            yield self._reading(source, Use.PRESENT_DEMAND, demand.demand_value, None)
        for _, source, number in self._of(values, present.present_value):
            yield self._reading(source, Use.REGISTER, number, None)

    def _of(
        self, selected: tuple[int, ...] | None, items: tuple[_Item, ...]
    ) -> Iterator[tuple[int, SourceQuantity, _Item]]:
        """Place, source and item; without a selection nothing is known of the sources but their order."""
        for place, item in enumerate(items):
            if selected is None:
                yield place, SourceQuantity(place), item
            elif place < len(selected) and selected[place] != NO_SOURCE:
                yield place, self._walk[selected[place]], item

    def _reading(
        self,
        source: SourceQuantity,
        use: Use,
        number: Decimal,
        time: Moment | None,
        tier: int = 0,
        period: int = NOW,
        channel: int = 0,
    ) -> Reading:
        self.findings += source.findings
        source = source.used_as(use)
        code = source.obis(use, tier=tier, period=period, channel=channel)
        return Reading(
            obis=code,
            value=source.value(number),
            unit=source.unit,
            time=self._time(time),
            name=_name(source, use, code),
            raw=str(number),
        )

    def _time(self, moment: Moment | None) -> DateTime | None:
        return None if moment is None else self._clock(moment)


def _name(source: SourceQuantity, use: Use, code: Obis) -> str:
    """The English name of the code, with the maker's own groups B, D and F in words."""
    _, channel, c, d, e, period = code.octets
    text = name(bytes((1, 0, c, d, e, NOW)))
    if not text:
        quantity = name(bytes((1, 0, c, _INSTANT, 0, NOW))) if source.has_code else str(source)
        text = f"{quantity}, {use}" + (f", tariff {e}" if e else "")
    occurrence = f", occurrence {channel - _OTHER_OCCURRENCES + 1}" if channel else ""
    return text + occurrence + _of_period(period)


def _of_period(period: int) -> str:
    return _PERIODS.get(period, f", self-read {period}")


def _channel(occurrence: int) -> int:
    """Group B: 0 for the first occurrence of a demand, the maker's own range for the others."""
    return 0 if not occurrence else min(_OTHER_OCCURRENCES + occurrence, 199)


def self_reads(table: SelfReads) -> Iterator[tuple[int, SelfRead]]:
    """The entries of table 26 with their sequence numbers, the newest first.

    The newest is at ``last_entry_element``; the others stand before it, or behind it where the list descends, in a
    ring.
    """
    entries, step = table.self_reads_entries, 1 if table.list_status.order else -1
    for back in range(min(table.nbr_valid_entries, len(entries))):
        entry = entries[(table.last_entry_element + step * back) % len(entries)]
        number = entry.self_read_seq_nbr
        yield (table.last_entry_seq_nbr - back) & 0xFFFF if number is None else number, entry
