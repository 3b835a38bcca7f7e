"""Tables 20 to 28 of a simulated C12.19 meter: its registers now, at the last reset, and as they were kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from metersdk.model.c1219.formats import Moment
from metersdk.model.obis import Obis
from metersdk.simulator.c1219_spec import RegistersSpec, TierSpec
from metersdk.simulator.c1219_state import State
from metersdk.simulator.sources import Maximum

Fields = dict[str, Any]
Builders = Mapping[int, Callable[[int], Fields]]
SELF_READS = 26
_DAY = 86400


def register_tables(state: State) -> Builders:
    """What stands in each table at a time; none where the image has no registers."""
    if state.spec.registers is None:
        return {}
    made = Registers(state, state.spec.registers)
    tables: dict[int, Callable[[int], Fields]] = {
        20: made.limits,
        21: made.limits,
        22: made.selection,
        23: made.data,
        25: made.previous_reset,
        27: made.present_selection,
        28: made.present,
    }
    if made.spec.season:
        tables[24] = made.previous_season
    if made.spec.self_reads:
        tables[SELF_READS] = made.self_reads
    return tables


class Registers:
    """Builds the tables from the numbers of the meter."""

    def __init__(self, state: State, spec: RegistersSpec) -> None:
        self._state = state
        self.spec = spec

    def limits(self, now: int) -> Fields:
        """Tables 20 and 21."""
        spec = self.spec
        return {
            "reg_func1_flags": {
                "season_info_field_flag": spec.season,
                "date_time_field_flag": spec.date_time,
                "demand_reset_ctr_flag": spec.resets,
                "cum_demand_flag": spec.cumulative,
                "cont_cum_demand_flag": spec.continuous,
                "time_remaining_flag": spec.time_remaining,
            },
            "reg_func2_flags": {"self_read_seq_nbr_flag": spec.sequence, "self_read_demand_reset": 1},
            "nbr_self_reads": spec.self_reads,
            "nbr_summations": len(spec.summations),
            "nbr_demands": len(spec.demands),
            "nbr_coin_values": len(spec.coincidents),
            "nbr_occur": spec.occurrences,
            "nbr_tiers": len(spec.tiers),
            "nbr_present_demands": len(spec.present_demands),
            "nbr_present_values": len(spec.present),
        }

    def selection(self, now: int) -> Fields:
        """Table 22."""
        spec, place = self.spec, self._state.spec.source_of
        last = max(len(spec.demands) - 1, 0)
        return {
            "summation_select": tuple(map(place, spec.summations)),
            "demand_select": tuple(map(place, spec.demands)),
            "min_or_max_flags": frozenset(range(len(spec.demands))),
            "coincident_select": tuple(map(place, spec.coincidents)),
            "coin_demand_assoc": tuple(min(number, last) for number in range(len(spec.coincidents))),
        }

    def data(self, at: int) -> Fields:
        """Table 23, and the REGISTER_DATA_RCD of others, as it was at a time."""
        tiers = tuple(self._block(at, tier) for tier in self.spec.tiers)
        resets = len(self._state.reset_times(at)) & 0xFF
        return {
            "nbr_demand_resets": resets if self.spec.resets else None,
            "tot_data_block": self._block(at, None),
            "tier_data_block": tiers,
        }

    def previous_reset(self, now: int) -> Fields:
        """Table 25."""
        resets = self._state.reset_times(now)
        return self._ended(resets[-1] if resets else None)

    def previous_season(self, now: int) -> Fields:
        """Table 24."""
        return self._ended(self._state.season_ended(now))

    def self_reads(self, now: int) -> Fields:
        """Table 26: a list in which entries move when a new one comes."""
        times = self._state.self_read_times(now)
        room = self.spec.self_reads
        kept = times[-room:]
        first = len(times) - len(kept)
        entries: list[Fields | None] = []
        for number, time in enumerate(kept, first + 1):
            entry = self._ended(time)
            entry["self_read_seq_nbr"] = number & 0xFFFF if self.spec.sequence else None
            entries.append(entry)
        return {
            "list_status": {"overflow_flag": len(times) - self._state.read.get(SELF_READS, 0) > room},
            "nbr_valid_entries": len(kept),
            "last_entry_element": max(len(kept) - 1, 0),
            "last_entry_seq_nbr": len(times) & 0xFFFF,
            "nbr_unread_entries": self._state.unread(SELF_READS, len(times), len(kept)),
            "self_reads_entries": (*entries, *(self._nothing() for _ in range(room - len(kept)))),
        }

    def present_selection(self, now: int) -> Fields:
        """Table 27."""
        place = self._state.spec.source_of
        return {
            "present_demand_select": tuple(map(place, self.spec.present_demands)),
            "present_value_select": tuple(map(place, self.spec.present)),
        }

    def present(self, now: int) -> Fields:
        """Table 28."""
        left = timedelta(seconds=900 - now % 900) if self.spec.time_remaining else None
        return {
            "present_demand": tuple(
                {"time_remaining": left, "demand_value": self._number(code, now, self._state.spec.ni2)}
                for code in self.spec.present_demands
            ),
            "present_value": tuple(self._number(code, now, self._state.spec.ni1) for code in self.spec.present),
        }

    # --- parts ---

    def _number(self, code: Obis, at: int, format: str, instead: Obis | None = None) -> Decimal:
        return self._state.numbers.registers(code, [at], format, instead)[0]

    def _ended(self, end: int | None) -> Fields:
        """The registers at the end of something; zeros where nothing ended yet."""
        if end is None:
            return self._nothing()
        return {
            "end_date_time": self._state.moment(end) if self.spec.date_time else None,
            "season": self._state.season(end - 1) if self.spec.season else None,
            "register_data": self.data(end - 1),
        }

    def _nothing(self) -> Fields:
        return {
            "season": 0 if self.spec.season else None,
            "register_data": {
                "nbr_demand_resets": 0 if self.spec.resets else None,
                "tot_data_block": self._empty_block(),
                "tier_data_block": tuple(self._empty_block() for _ in self.spec.tiers),
            },
        }

    def _empty_block(self) -> Fields:
        spec, zero = self.spec, Decimal(0)
        demand = {
            "event_time": (Moment(None),) * spec.occurrences if spec.date_time else None,
            "cum_demand": zero if spec.cumulative else None,
            "cont_cum_demand": zero if spec.continuous else None,
            "demand": (zero,) * spec.occurrences,
        }
        return {
            "summations": (zero,) * len(spec.summations),
            "demands": (demand,) * len(spec.demands),
            "coincidents": ({"coincident_values": (zero,) * spec.occurrences},) * len(spec.coincidents),
        }

    def _block(self, at: int, tier: TierSpec | None) -> Fields:
        spec = self.spec
        summations = tier.summations if tier else spec.summations
        demands = tier.demands if tier else spec.demands
        coincidents = tier.coincidents if tier else spec.coincidents
        return {
            "summations": tuple(
                self._number(code, at, self._state.spec.ni1, instead)
                for code, instead in zip(spec.summations, summations, strict=True)
            ),
            "demands": tuple(
                self._demand(code, at, instead) for code, instead in zip(spec.demands, demands, strict=True)
            ),
            "coincidents": tuple(
                {"coincident_values": (self._number(code, at, self._state.spec.ni2, instead),) * spec.occurrences}
                for code, instead in zip(spec.coincidents, coincidents, strict=True)
            ),
        }

    def _demand(self, code: Obis, at: int, instead: Obis) -> Fields:
        spec, state = self.spec, self._state
        resets = state.reset_times(at)
        reached = self._reached(instead, at)
        since = resets[-1] if resets else state.since
        value = self._number(code, at, state.spec.ni2, instead) if reached >= since else Decimal(0)
        # The demand that each reset found.
        cumulative = sum((self._number(code, each - 1, state.spec.ni2, instead) for each in resets), Decimal(0))
        shown = state.numbers.shown
        times = tuple(
            state.moment(reached - number * _DAY) if value and reached - number * _DAY >= since else Moment(None)
            for number in range(spec.occurrences)
        )
        return {
            "event_time": times if spec.date_time else None,
            "cum_demand": shown(code, cumulative, state.spec.ni1) if spec.cumulative else None,
            "cont_cum_demand": shown(code, cumulative + value, state.spec.ni1) if spec.continuous else None,
            # Each further one was a little less.
            "demand": tuple(max(value - number, Decimal(0)) for number in range(spec.occurrences)),
        }

    def _reached(self, code: Obis, at: int) -> int:
        source = self._state.meter.source(code)
        return source.captured(self._state.meter, at) if isinstance(source, Maximum) else at
