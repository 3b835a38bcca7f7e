"""Local time of simulated meters: daylight saving by the European rule, and by that of the United States."""

from __future__ import annotations

from calendar import timegm
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from metersdk.simulator.zone import Daylight, Zone


@pytest.mark.parametrize(
    ("deviation", "rule", "name"),
    [(-60, "eu", "Europe/Berlin"), (360, "us", "America/Chicago"), (480, "us", "America/Los_Angeles")],
)
def test_local_time_is_that_of_the_time_zone_database(deviation: int, rule: Daylight, name: str) -> None:
    zone, there = Zone(deviation, rule), ZoneInfo(name)
    start = timegm((2024, 1, 1, 0, 0, 0))
    for utc in range(start, start + 4 * 366 * 86400, 1800):
        local = datetime.fromtimestamp(utc, there)
        minutes, summer = zone.at(utc)
        assert minutes == -local.utcoffset().total_seconds() // 60  # type: ignore[union-attr]
        assert summer == bool(local.dst())


def test_midnight_is_local() -> None:
    zone = Zone(360, "us")
    assert zone.midnight(date(2026, 7, 1)) == datetime(2026, 7, 1, 5, tzinfo=UTC).timestamp()
    assert zone.midnight(date(2026, 12, 1)) == datetime(2026, 12, 1, 6, tzinfo=UTC).timestamp()
