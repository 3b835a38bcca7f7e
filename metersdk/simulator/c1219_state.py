"""What the tables of a simulated C12.19 meter are made of: image, clock, numbers, and what was done to it."""

from __future__ import annotations

from calendar import timegm
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from metersdk.model.c1219.formats import Basis, Moment
from metersdk.simulator.c1219_numbers import Meter, Numbers
from metersdk.simulator.c1219_profile import LoadProfile
from metersdk.simulator.c1219_spec import C1219Spec

_EPOCH = datetime(1970, 1, 1)
# Months in which summer's tariff holds.
_SUMMER = range(6, 10)


@dataclass(slots=True)
class State:
    """Of one meter.

    Attributes:
        resets, self_reads: by hand, UTC seconds; more come by themselves at the beginning of each month.
        read: entries of each list that were marked as read, by its table.
        cleared: when all data were cleared.
        mode: of table 3.
        recording: whether load profiles go on.
    """

    spec: C1219Spec
    meter: Meter
    numbers: Numbers
    serial: str = ""
    resets: list[int] = field(default_factory=list)
    self_reads: list[int] = field(default_factory=list)
    read: dict[int, int] = field(default_factory=dict)
    cleared: int | None = None
    mode: int = 1
    recording: bool = True
    profiles: dict[int, LoadProfile] = field(init=False)

    def __post_init__(self) -> None:
        sets = self.spec.load_profile.set if self.spec.load_profile else ()
        self.profiles = {
            each.set: LoadProfile(each, self.numbers, self.meter, ni1=self.spec.ni1, ni2=self.spec.ni2)
            for each in sorted(sets, key=lambda each: each.set)
        }

    @property
    def since(self) -> int:
        """What lies before is forgotten, or never was."""
        return self.meter.since if self.cleared is None else self.cleared

    def identifier(self, text: str) -> str:
        """An identifier as ID_FORM has it: BCD has room for digits only."""
        return "".join(filter(str.isdigit, text)) if self.spec.id_form == "bcd" else text

    # --- the clock ---

    def shown(self, utc: int) -> datetime:
        """What the meter's clock shows."""
        if self.spec.basis == "utc":
            return _EPOCH + timedelta(seconds=utc)
        return _EPOCH + timedelta(seconds=utc - self.meter.zone.at(utc)[0] * 60)

    def moment(self, utc: int) -> Moment:
        """The same as it is written into tables."""
        counted = self.spec.time_format in (3, 4)
        return Moment(self.shown(utc), Basis.UTC if counted else Basis.LOCAL)

    def meant(self, shown: datetime) -> datetime:
        """The time that the clock is set to when it shall show this."""
        seconds = timegm(shown.timetuple())
        if self.spec.basis == "local":
            seconds = self.meter.zone.utc_ms(seconds * 1000) // 1000
        return datetime.fromtimestamp(seconds, UTC)

    def qualifier(self, utc: int) -> dict[str, object]:
        """TIME_DATE_QUAL_BFLD of a clock that shows ``utc``."""
        local = self.spec.basis == "local"
        supported = self.meter.zone.daylight_saving != "none"
        return {
            "day_of_week": self.shown(utc).isoweekday() % 7,
            "dst_flag": self.meter.zone.at(utc)[1],
            "gmt_flag": not local,
            "tm_zn_applied_flag": local,
            "dst_applied_flag": local and supported,
            "dst_supported_flag": supported,
        }

    def season(self, utc: int) -> int:
        """0 in winter, 1 in summer."""
        return int(self.meter.zone.local_date(utc).month in _SUMMER)

    def season_ended(self, utc: int) -> int | None:
        """When the season before this one ended."""
        day = self.meter.zone.local_date(utc)
        starts = [date(year, month, 1) for year in (day.year - 1, day.year) for month in (_SUMMER.start, _SUMMER.stop)]
        last = max(self.meter.zone.midnight(each) for each in starts if each <= day)
        return last if last > self.since else None

    def tier(self, utc: int) -> int:
        """Tariff in force: 0 by day, 1 by night where there are two."""
        tiers = len(self.spec.registers.tiers) if self.spec.registers else 0
        hour = (utc - self.meter.zone.at(utc)[0] * 60) // 3600 % 24
        return int(tiers > 1 and not 6 <= hour < 22)

    # --- lists ---

    def reset_times(self, utc: int) -> list[int]:
        """All demand resets until then, oldest first."""
        return sorted([*self._months(utc), *(each for each in self.resets if self.since < each <= utc)])

    def self_read_times(self, utc: int) -> list[int]:
        """All self reads until then, oldest first."""
        return sorted([*self._months(utc), *(each for each in self.self_reads if self.since < each <= utc)])

    def unread(self, table: int, count: int, valid: int) -> int:
        """Entries of a list that were not marked as read."""
        return min(max(count - self.read.get(table, 0), 0), valid)

    def _months(self, utc: int) -> list[int]:
        zone, found = self.meter.zone, list[int]()
        day = zone.local_date(self.since).replace(day=1)
        while True:
            day = (day + timedelta(days=32)).replace(day=1)
            begin = zone.midnight(day)
            if begin > utc:
                return found
            found.append(begin)
