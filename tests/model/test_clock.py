"""COSEM date-time, date and time (Blue Book part 2, 4.1.6.1)."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metersdk.errors import DecodeError, LocalProtocolError
from metersdk.model.clock import ClockStatus, Date, DateTime, Time

CEST = "07E90715010C1E0000FF8880"


@given(st.binary(min_size=12, max_size=12))
def test_any_twelve_octets_come_back(octets: bytes) -> None:
    moment = DateTime.from_octets(octets)
    assert moment.to_octets() == octets
    assert str(moment)


@given(st.binary(min_size=5, max_size=5), st.binary(min_size=4, max_size=4))
def test_any_date_and_time_come_back(day: bytes, of_day: bytes) -> None:
    assert Date.from_octets(day).to_octets() == day
    assert Time.from_octets(of_day).to_octets() == of_day


@given(st.binary(min_size=12, max_size=12))
def test_conversion_works_or_fails_with_a_typed_error(octets: bytes) -> None:
    moment = DateTime.from_octets(octets)
    for sign in (1, -1):
        try:
            there = moment.to_datetime(deviation_sign=sign)
        except DecodeError:
            continue
        assert (there.tzinfo is None) == (moment.deviation is None)
        assert moment.utc_ms(deviation=0, deviation_sign=sign) is not None


def test_summer_time_of_a_vector() -> None:
    moment = DateTime.from_octets(bytes.fromhex(CEST))
    assert moment.deviation == -120
    assert moment.status is ClockStatus.DST_ACTIVE
    assert str(moment) == "2025-07-21T12:30:00+02:00"
    there = moment.to_datetime()
    assert there == datetime(2025, 7, 21, 12, 30, tzinfo=timezone(timedelta(hours=2)))
    assert moment.utc_ms() == int(there.timestamp() * 1000)


def test_reversed_deviation() -> None:
    """A captured clock carries 0078 in winter: the sign is the other way round."""
    moment = DateTime.from_octets(bytes.fromhex("07D20C04030A060BFF007800"))
    assert moment.to_datetime().utcoffset() == timedelta(hours=-2)
    assert moment.to_datetime(deviation_sign=-1).utcoffset() == timedelta(hours=2)
    assert moment.utc_ms() - moment.utc_ms(deviation_sign=-1) == 4 * 3600 * 1000


def test_without_deviation_the_time_is_naive() -> None:
    moment = DateTime.from_octets(bytes.fromhex("07E90715010C1E00008000FF"))
    assert moment.deviation is None
    assert moment.status is None
    assert moment.to_datetime() == datetime(2025, 7, 21, 12, 30)
    with pytest.raises(DecodeError) as caught:
        moment.utc_ms()
    assert "zone" in caught.value.hint
    assert moment.utc_ms(deviation=-120) == DateTime.from_octets(bytes.fromhex(CEST)).utc_ms()
    assert str(moment) == "2025-07-21T12:30:00"


def test_deviation_zero_is_utc_and_known() -> None:
    moment = DateTime.from_octets(bytes.fromhex("07E90715010C1E0000000000"))
    assert moment.to_datetime() == datetime(2025, 7, 21, 12, 30, tzinfo=UTC)
    assert str(moment).endswith("+00:00")


def test_everything_undefined() -> None:
    octets = bytes.fromhex("FFFFFFFFFFFFFFFFFF8000FF")
    moment = DateTime.from_octets(octets)
    assert moment == DateTime()
    assert str(moment) == "*-*-*T*:*:*"
    assert DateTime().to_octets() == octets
    with pytest.raises(DecodeError):
        moment.to_datetime()


def test_daylight_saving_rule_of_a_clock_object() -> None:
    """Last Sunday of March, 02:00, every year: FFFF 03 FE 07 02 00 00 00."""
    moment = DateTime.from_octets(bytes.fromhex("FFFF03FE070200000000003C00")[:12])
    assert (moment.year, moment.month, moment.day, moment.weekday) == (None, 3, 0xFE, 7)
    with pytest.raises(DecodeError):
        moment.to_datetime()
    assert str(Date(None, 0xFE, 0xFE, None)) == "*-DST-BEGIN-LAST"


@pytest.mark.parametrize(
    ("month", "day", "there"),
    [(2, 0xFE, date(2024, 2, 29)), (2, 0xFD, date(2024, 2, 28)), (12, 0xFE, date(2024, 12, 31))],
)
def test_days_from_the_end_of_the_month(month: int, day: int, there: date) -> None:
    assert Date(2024, month, day).to_date() == there


@pytest.mark.parametrize(
    "bad", [Date(2024, 13, 1), Date(2024, 2, 30), Date(0, 1, 1), Date(2024, 0xFD, 1), Date(2024, 0, 0xFE)]
)
def test_no_such_date(bad: Date) -> None:
    with pytest.raises(DecodeError):
        bad.to_date()


@pytest.mark.parametrize("bad", [Time(24, 0, 0, 0), Time(1, 60), Time(1, 1, 60), Time(1, 1, 1, 100), Time(None, 1)])
def test_no_such_time(bad: Time) -> None:
    with pytest.raises(DecodeError):
        bad.to_time()


def test_undefined_seconds_count_as_zero() -> None:
    assert Time(12, 30).to_time() == time(12, 30)
    assert str(Time(12, 30, 1, 50)) == "12:30:01.50"


def test_from_datetime() -> None:
    there = datetime(2025, 7, 21, 12, 30, tzinfo=ZoneInfo("Europe/Berlin"))
    assert DateTime.from_datetime(there).to_octets() == bytes.fromhex(CEST)
    naive = DateTime.from_datetime(datetime(2025, 1, 1))
    assert naive.deviation is None
    assert DateTime.from_datetime(there.replace(microsecond=250_000), ClockStatus.DOUBTFUL).hundredths == 25
    with pytest.raises(LocalProtocolError):
        DateTime.from_datetime(datetime(1890, 1, 1, tzinfo=timezone(timedelta(seconds=3206))))


@given(st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30)), st.integers(-720, 840))
def test_datetime_there_and_back(naive: datetime, minutes: int) -> None:
    there = naive.replace(microsecond=naive.microsecond // 10_000 * 10_000, tzinfo=timezone(timedelta(minutes=minutes)))
    back = DateTime.from_octets(DateTime.from_datetime(there).to_octets()).to_datetime()
    assert back == there
    assert back.utcoffset() == there.utcoffset()


@pytest.mark.parametrize("size", [0, 3, 11, 13])
def test_wrong_sizes(size: int) -> None:
    for kind in (DateTime, Date, Time):
        with pytest.raises(DecodeError):
            kind.from_octets(bytes(size))


@pytest.mark.parametrize(
    "bad", [DateTime(year=70000), DateTime(month=256), DateTime(deviation=40000), DateTime(hour=-1)]
)
def test_a_field_that_does_not_fit(bad: DateTime) -> None:
    with pytest.raises(LocalProtocolError):
        bad.to_octets()


@pytest.mark.parametrize(
    ("text", "iso", "status"),
    [
        ("0260131125703", "2026-01-31T12:57:03", ClockStatus(0)),
        ("1260731125703", "2026-07-31T12:57:03", ClockStatus.DST_ACTIVE),
        ("2260731105703", "2026-07-31T10:57:03+00:00", ClockStatus(0)),
        ("02601311257", "2026-01-31T12:57:*", ClockStatus(0)),
        ("2601311257", "2026-01-31T12:57:*", None),
        ("9912312359", "1999-12-31T23:59:*", None),
    ],
)
def test_vdew_stamps(text: str, iso: str, status: ClockStatus | None) -> None:
    stamp = DateTime.from_zst(text)
    assert str(stamp) == iso
    assert stamp.status == status


@pytest.mark.parametrize("text", ["", "3260131125703", "260231", "2602311257", "260131125x", "0260131125763"])
def test_no_vdew_stamp(text: str) -> None:
    with pytest.raises(DecodeError):
        DateTime.from_zst(text)
