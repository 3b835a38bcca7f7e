"""Text profiles as columns: time in both seasons, stamps of starts and ends, units, missing values, changing heads."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from itertools import pairwise

import pytest

from metersdk.apdu.ascii_profile import Rows, parse
from metersdk.errors import LocalProtocolError
from metersdk.model.ascii_profile import AsciiProfileBuilder, profile_name, status_code, status_word
from metersdk.model.clock import ClockStatus
from metersdk.model.column import ColumnKind
from metersdk.model.obis import Obis
from metersdk.model.profile import Profile
from metersdk.model.quantity import Unit
from metersdk.model.quirks import Quirks

CET = Quirks(local_deviation=-60)


def build(text: str, quirks: Quirks = CET) -> Profile:
    builder = AsciiProfileBuilder("P.01", quirks)
    for rows in parse(text.encode(), strict=True)[0]:
        builder.add(rows)
    return builder.take()


def head(stamp: str, status: str = "00", period: int = 15, columns: str = "(1)(1.5)(kW)") -> str:
    return f"P.01({stamp})({status})({period}){columns}\r\n"


def test_columns_units_and_scalers() -> None:
    profile = build(
        head("0260105001500", "08", 15, "(3)(1-1:1.5.0)(kW)(2.8)(kWh)(5.29)(kVArh)") + "(0.17)(12)(-0.5)\r\n"
    )
    assert profile.head.obis == Obis("1.0.99.1.0.255") and profile.period == 900
    clock, status, power, energy, delta = profile.columns
    assert clock.is_clock and status.obis == Obis("0.0.96.10.1.255") and list(status) == [Decimal(8)]
    assert (power.obis, power.unit, power.scaler, power.kind) == (Obis("1-1:1.5.0"), Unit.W, 1, ColumnKind.AVERAGE)
    assert (energy.unit, energy.scaler, energy.kind) == (Unit.WH, 3, ColumnKind.CUMULATIVE)
    assert (delta.unit, delta.kind) == (Unit.VARH, ColumnKind.INTERVAL_DELTA)
    assert [list(column) for column in (power, energy, delta)] == [[Decimal(170)], [Decimal(12000)], [Decimal(-500)]]
    assert power.raw.format == "q" and list(power.raw) == [17]


def test_the_first_row_has_the_time_of_the_head() -> None:
    profile = build(head("0260105001500") + "(1)\r\n(2)\r\n(3)\r\n")
    assert [str(time) for time in profile.columns[0]] == [
        "2026-01-05 00:15:00+01:00",
        "2026-01-05 00:30:00+01:00",
        "2026-01-05 00:45:00+01:00",
    ]
    assert list(profile.deviation) == [-60] * 3 and list(profile.clock_status) == [0] * 3


def test_stamps_of_starts_become_ends() -> None:
    profile = build(head("0260105000000") + "(1)\r\n", Quirks(local_deviation=-60, stamp="start"))
    assert str(profile.columns[0].moment(0)) == "2026-01-05 00:15:00+01:00"


def test_spring_has_no_gap() -> None:
    # 2026-03-29 02:00 CET is 03:00 CEST: the row of 02:00 still counts in normal time.
    profile = build(head("0260329014500") + "(1)\r\n(2)\r\n" + head("1260329031500") + "(3)\r\n(4)\r\n")
    times = list(profile.columns[0])
    assert [time.astimezone(UTC).strftime("%H:%M") for time in times] == ["00:45", "01:00", "01:15", "01:30"]
    assert [time.utcoffset() for time in times] == [timedelta(hours=1)] * 2 + [timedelta(hours=2)] * 2
    assert profile.gaps == []
    assert list(profile.clock_status) == [0, 0, 0x80, 0x80]


def test_autumn_has_no_row_twice() -> None:
    profile = build(head("1261025024500") + "(1)\r\n(2)\r\n" + head("0261025021500") + "(3)\r\n(4)\r\n")
    assert [b - a for a, b in pairwise(profile.times)] == [900_000] * 3
    assert [f"{time:%H:%M}" for time in profile.columns[0]] == ["02:45", "03:00", "02:15", "02:30"]
    assert profile.gaps == []


@pytest.mark.parametrize(("summer", "normal"), [("1261025024500", "0261025021500"), ("1260329031500", "0260329014500")])
def test_without_a_zone_times_are_local_and_gaps_are_still_right(summer: str, normal: str) -> None:
    first, second = (summer, normal) if summer.startswith("12610") else (normal, summer)
    profile = build(head(first) + "(1)\r\n(2)\r\n" + head(second) + "(3)\r\n(4)\r\n", Quirks())
    assert {time.tzinfo for time in profile.columns[0]} == {None}
    assert f"{profile.columns[0].moment(0):%y%m%d%H%M%S}" == first[1:]
    assert profile.gaps == []
    assert [finding.code for finding in profile.findings] == ["zone-unknown"]


def test_a_row_that_goes_on_over_the_change_without_a_new_head() -> None:
    profile = build(head("0260329014500") + "(1)\r\n" * 8)
    assert [b - a for a, b in pairwise(profile.times)] == [900_000] * 7


def test_utc_stamps_need_no_zone() -> None:
    profile = build(head("2260701000000") + "(1)\r\n", Quirks())
    assert profile.columns[0].moment(0) == datetime(2026, 7, 1, tzinfo=UTC) and list(profile.deviation) == [0]


def test_real_gaps_are_named() -> None:
    profile = build(head("0260105001500") + "(1)\r\n" + head("0260105010000", "80") + "(2)\r\n")
    begin = datetime(2026, 1, 5, 0, 15, tzinfo=timezone(timedelta(hours=1)))
    ms = int(begin.timestamp() * 1000)
    assert profile.gaps == [(ms, ms + 45 * 60_000, 2)]


def test_missing_values_are_no_values() -> None:
    profile = build(
        head("0260105001500", columns="(2)(1.5)(kW)(2.5)(kW)") + "(-----)(0.1)\r\n(0.25)()\r\n(ERROR)(7)\r\n"
    )
    assert [list(column) for column in profile.columns[2:]] == [
        [None, Decimal(250), None],
        [Decimal(100), None, Decimal(7000)],
    ]
    assert list(profile.columns[2].valid) == [0, 1, 0] and list(profile.columns[2].raw) == [0, 25, 0]


def test_heads_with_other_columns_and_more_decimals() -> None:
    text = (
        head("0260105001500")
        + "(0.1)\r\n"
        + head("0260105003000", columns="(2)(1.5)(kW)(2.5)(kW)")
        + "(0.22)(0.9)\r\n"
        + head("0260105004500", period=30)
        + "(3)\r\n(4)\r\n"
    )
    profile = build(text)
    assert [list(column) for column in profile.columns[2:]] == [
        [Decimal(100), Decimal(220), Decimal(3000), Decimal(4000)],
        [None, Decimal(900), None, None],
    ]
    assert [finding.code for finding in profile.findings] == ["period-changed"]
    assert profile.times[3] - profile.times[2] == 30 * 60_000


def test_the_clock_status_follows_season_and_status_word() -> None:
    profile = build(head("1260705001500", "00000002") + "(1)\r\n" + head("1260705003000", "0A") + "(1)\r\n")
    assert list(profile.clock_status) == [int(ClockStatus.DST_ACTIVE | ClockStatus.INVALID)] * 2
    assert list(profile.columns[1].raw) == [2, 10]


@pytest.mark.parametrize("value", ["123456789012345678", "1234567890123456789", "0.1234567890123456789", "9" * 40])
def test_numbers_of_many_digits(value: str) -> None:
    profile = build(head("0260105001500", columns="(1)(1.8)()") + f"(0.125)\r\n({value})\r\n(1)\r\n")
    first, second, third = profile.columns[2]
    assert (first, third) == (Decimal("0.125"), Decimal(1))
    # Sixteen digits with three decimals: more do not fit, and no value is better than a wrong one.
    assert second is None or abs(second - Decimal(value)) < Decimal("1e-9")
    assert [finding.code for finding in profile.findings] in (["value"], ["precision"])


def test_what_is_no_number_is_no_value() -> None:
    profile = build(head("0260105001500") + "(1.2.3)\r\n(123)\r\n(abc)\r\n(1,5)\r\n(2.5*kW)\r\n")
    assert list(profile.columns[2]) == [None, Decimal(123_000), None, Decimal(1500), Decimal(2500)]
    assert [finding.code for finding in profile.findings] == ["value", "value"]


def test_pieces_join() -> None:
    builder = AsciiProfileBuilder("P.01", CET)
    text = head("0260105001500") + "(0.1)\r\n" * 10
    pieces = []
    for rows in parse(text.encode())[0]:
        part = Rows(rows.head, rows.first, 4, tuple(column[:4] for column in rows.columns))
        builder.add(part)
        pieces.append(builder.take())
        builder.add(rows, first=4)
        pieces.append(builder.take())
    assert [len(piece) for piece in pieces] == [4, 6]
    assert Profile.concat(pieces) == build(text)


def test_names_of_profiles_and_status() -> None:
    assert [profile_name(Obis.parse(code)) for code in ("P.01", "P.98", "P.200", "1.0.99.2.0.255")] == [
        "P.01",
        "P.98",
        "P.200",
        "P.02",
    ]
    with pytest.raises(LocalProtocolError):
        profile_name(Obis("1.0.1.8.0.255"))
    assert status_code(Obis("P.02")) == Obis("0.0.96.10.2.255")
    assert (status_word("00008020"), status_word("08"), status_word("x"), status_word("")) == (0x8020, 8, None, None)
