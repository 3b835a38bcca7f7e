"""Final elements of C12.19: integers, non-integers and times in every format, octet by octet."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metersdk.model.c1219.formats import (
    DATE,
    LTIME,
    NI_SIZES,
    STIME,
    TIME,
    Basis,
    Formats,
    IntFormat,
    Moment,
    NiFormat,
    non_integer,
    non_integer_octets,
    signed,
    signed_octets,
    time_kind,
)

LITTLE, BIG = Formats(), Formats(order="big")


@pytest.mark.parametrize(
    ("int_format", "octets"),
    [
        (IntFormat.TWOS_COMPLEMENT, "fffffe"),
        (IntFormat.ONES_COMPLEMENT, "fffffd"),
        (IntFormat.SIGN_MAGNITUDE, "800002"),
    ],
)
def test_negative_integers(int_format: IntFormat, octets: str) -> None:
    big = Formats(order="big", int_format=int_format)
    assert signed(bytes.fromhex(octets), big) == -2
    assert signed_octets(-2, 3, big) == bytes.fromhex(octets)
    little = Formats(int_format=int_format)
    assert signed(bytes.fromhex(octets)[::-1], little) == -2
    assert signed_octets(-2, 3, little) == bytes.fromhex(octets)[::-1]


def test_the_lowest_number_of_each_integer_format() -> None:
    assert signed(b"\x80", LITTLE) == -128
    assert signed(b"\x80", Formats(int_format=1)) == -127
    assert signed(b"\xff", Formats(int_format=2)) == -127
    # Zero has two spellings there.
    assert signed(b"\xff", Formats(int_format=1)) == signed(b"\x80", Formats(int_format=2)) == 0
    for int_format, lowest in ((0, -128), (1, -127), (2, -127)):
        formats = Formats(int_format=int_format)
        assert signed(signed_octets(lowest, 1, formats), formats) == lowest
        for value in (lowest - 1, 128):
            with pytest.raises(ValueError, match="does not fit"):
                signed_octets(value, 1, formats)


def test_a_reserved_integer_format_is_said_to_be_one() -> None:
    with pytest.raises(ValueError, match="INT_FORMAT 3 is reserved"):
        signed(b"\0", Formats(int_format=3))
    with pytest.raises(ValueError, match="INT_FORMAT 3 is reserved"):
        signed_octets(0, 1, Formats(int_format=3))


NUMBERS = [
    (NiFormat.FLOAT64, "40934a0000000000", "1234.5"),
    (NiFormat.FLOAT32, "449a5000", "1234.5"),
    (NiFormat.FLOAT32, "4366199a", "230.1"),
    (NiFormat.FLOAT_CHAR12, b"     1234.50".hex(), "1234.50"),
    (NiFormat.FLOAT_CHAR6, b"-12.50".hex(), "-12.50"),
    (NiFormat.INT32_4, "00bc5ea8", "1234.5000"),
    (NiFormat.INT32_4, "ffffffff", "-0.0001"),
    (NiFormat.FIXED_BCD6, "123456", "123456"),
    (NiFormat.FIXED_BCD4, "1234", "1234"),
    (NiFormat.INT24, "fffb2e", "-1234"),
    (NiFormat.INT32, "000004d2", "1234"),
    (NiFormat.INT40, "fffffffb2e", "-1234"),
    (NiFormat.INT48, "0000000004d2", "1234"),
    (NiFormat.INT64, "fffffffffffffb2e", "-1234"),
    (NiFormat.FIXED_BCD8, "00123456", "123456"),
    (NiFormat.FLOAT_CHAR21, b"              1234.50".hex(), "1234.50"),
]


@pytest.mark.parametrize(("ni_format", "octets", "value"), NUMBERS)
def test_non_integers_both_ways_round(ni_format: NiFormat, octets: str, value: str) -> None:
    raw = bytes.fromhex(octets)
    # Characters are written in reading order, whatever DATA_ORDER says.
    turned = raw if "CHAR" in ni_format.name else raw[::-1]
    assert len(raw) == NI_SIZES[ni_format]
    for formats, wire in ((BIG, raw), (LITTLE, turned)):
        decoded = non_integer(wire, ni_format, formats)
        assert str(decoded) == value
        assert non_integer_octets(decoded, ni_format, formats) == wire


@given(st.sampled_from(NiFormat), st.sampled_from(["little", "big"]), st.sampled_from(IntFormat), st.data())
def test_any_octets_are_a_number_that_is_written_as_it_was(
    ni_format: NiFormat, order: str, int_format: IntFormat, data: st.DataObject
) -> None:
    formats = Formats(order=order, int_format=int_format)  # type: ignore[arg-type]
    size = NI_SIZES[ni_format]
    value = non_integer(data.draw(st.binary(min_size=size, max_size=size)), ni_format, formats)
    octets = non_integer_octets(value, ni_format, formats)
    assert len(octets) == size
    again = non_integer(octets, ni_format, formats)
    assert again == value or (again.is_nan() and value.is_nan())


@pytest.mark.parametrize(
    ("ni_format", "octets"),
    [
        (NiFormat.FIXED_BCD6, b"\xff\xff\xff"),
        (NiFormat.FIXED_BCD4, b"\x1a\x00"),
        (NiFormat.FLOAT_CHAR6, b"      "),
        (NiFormat.FLOAT_CHAR6, b"\0\0\0\0\0\0"),
        (NiFormat.FLOAT_CHAR6, b"1_0_0_"),
        (NiFormat.FLOAT_CHAR12, b"1E9999999999"),
        (NiFormat.FLOAT32, b"\x7f\xc0\0\0"),
    ],
)
def test_what_is_no_number_is_nan(ni_format: NiFormat, octets: bytes) -> None:
    assert non_integer(octets, ni_format, BIG).is_nan()


@pytest.mark.parametrize(
    ("ni_format", "value"),
    [
        (NiFormat.INT24, "8388608"),
        (NiFormat.INT32, "0.5"),
        (NiFormat.INT32_4, "0.00001"),
        (NiFormat.INT64, "1E999999999"),
        (NiFormat.INT32, "NaN"),
        (NiFormat.INT32, "Infinity"),
        (NiFormat.FIXED_BCD4, "10000"),
        (NiFormat.FIXED_BCD4, "-1"),
        (NiFormat.FIXED_BCD4, "1.5"),
        (NiFormat.FLOAT_CHAR6, "1234567"),
        (NiFormat.FLOAT32, "1E39"),
        (NiFormat.FLOAT64, "1E400"),
    ],
)
def test_numbers_that_do_not_fit_are_refused(ni_format: NiFormat, value: str) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        non_integer_octets(Decimal(value), ni_format, BIG)


def test_a_number_in_characters_is_written_short_where_it_is_long() -> None:
    assert non_integer_octets(Decimal("1E+20"), NiFormat.FLOAT_CHAR6, LITTLE) == b" 1E+20"
    assert non_integer_octets(Decimal("1E+999999999"), NiFormat.FLOAT_CHAR12, LITTLE) == b"1E+999999999"
    assert non_integer_octets(Decimal("NaN"), NiFormat.FLOAT_CHAR6, LITTLE) == b"      "


@pytest.mark.parametrize("reserved", [14, 15])
def test_reserved_formats(reserved: int) -> None:
    with pytest.raises(ValueError, match=f"NI_FORMAT {reserved} is reserved"):
        non_integer(b"", reserved, LITTLE)
    with pytest.raises(ValueError, match="TM_FORMAT 5 is reserved"):
        time_kind(STIME, Formats(tm_format=5))


MOMENT = datetime(2026, 11, 22, 21, 45, 30)
# Minutes and seconds since 1970: 29,923,065 and 1,795,383,930.
TIMES = [
    (1, "2611222145", "261122214530"),
    (2, "1a0b16152d", "1a0b16152d1e"),
    (3, "01c896f9", "01c896f91e"),
    (4, "6b03627a", "6b03627a"),
]


@pytest.mark.parametrize(("tm_format", "short", "long"), TIMES)
@pytest.mark.parametrize("order", ["little", "big"])
def test_dates_with_times(tm_format: int, short: str, long: str, order: str) -> None:
    for kinds, wire, stamp in (
        (STIME, short, MOMENT if tm_format == 4 else MOMENT.replace(second=0)),
        (LTIME, long, MOMENT),
    ):
        octets = bytes.fromhex(wire)
        if tm_format > 2 and order == "little":
            octets = octets[3::-1] + octets[4:]
        kind = time_kind(kinds, Formats(tm_format=tm_format))
        moment = kind.decode(octets, order)  # type: ignore[arg-type]
        assert isinstance(moment, Moment)
        assert kind.size == len(octets)
        assert (moment.stamp, moment.basis) == (stamp, Basis.UTC if tm_format > 2 else Basis.LOCAL)
        assert kind.encode(moment, order) == octets  # type: ignore[arg-type]


def test_a_moment_tells_what_it_counts_by() -> None:
    utc, local = Moment(MOMENT, Basis.UTC), Moment(MOMENT)
    assert utc.to_datetime() == MOMENT.replace(tzinfo=UTC)
    assert local.to_datetime() == MOMENT
    # A meter that counts local time from 1970.
    assert utc.to_datetime(Basis.LOCAL) == MOMENT
    assert str(utc) == "2026-11-22 21:45:30 UTC" and str(local) == "2026-11-22 21:45:30"
    clock = utc.to_clock()
    assert clock is not None and clock.deviation == 0
    assert Moment(None).to_clock() is None


@pytest.mark.parametrize(
    ("tm_format", "octets"),
    [(1, "0000000000"), (1, "1a01010000"), (2, "0000000000"), (2, "ffffffffff"), (2, "1a0d010000"), (3, "ffffffff")],
)
def test_what_is_no_time_is_kept_as_it_is(tm_format: int, octets: str) -> None:
    kind, raw = time_kind(STIME, Formats(tm_format=tm_format)), bytes.fromhex(octets)
    moment = kind.decode(raw, "little")
    assert isinstance(moment, Moment)
    assert moment.stamp is None and moment.raw == raw and octets in str(moment)
    assert kind.encode(moment, "little") == raw
    assert kind.encode(None, "little") == bytes(kind.size)


def test_years_have_two_digits() -> None:
    kind = time_kind(STIME, Formats(tm_format=2))
    moment = kind.decode(bytes.fromhex("5a01010000"), "little")
    assert isinstance(moment, Moment) and moment.stamp == datetime(1990, 1, 1)
    with pytest.raises(ValueError, match="year"):
        kind.encode(Moment(datetime(1980, 1, 1)), "little")
    with pytest.raises(ValueError, match="UINT32"):
        time_kind(STIME, Formats(tm_format=4)).encode(Moment(datetime(2107, 1, 1)), "little")


@pytest.mark.parametrize(
    ("tm_format", "time", "day"),
    [(1, "214530", "261122"), (2, "152d1e", "1a0b16"), (3, "000131fa", "512b"), (4, "000131fa", "512b")],
)
def test_times_of_day_and_dates(tm_format: int, time: str, day: str) -> None:
    formats = Formats(tm_format=tm_format)
    of_day, octets = time_kind(TIME, formats), bytes.fromhex(time)
    assert of_day.decode(octets, "big") == timedelta(hours=21, minutes=45, seconds=30)
    assert of_day.encode(timedelta(hours=21, minutes=45, seconds=30), "big") == octets
    on_day, octets = time_kind(DATE, formats), bytes.fromhex(day)
    assert on_day.decode(octets, "big") == date(2026, 11, 22)
    assert on_day.encode(date(2026, 11, 22), "big") == octets


def test_meters_without_a_clock_have_no_room_for_times() -> None:
    for kinds in (STIME, LTIME, TIME, DATE):
        kind = time_kind(kinds, Formats(tm_format=0))
        assert (kind.size, kind.decode(b"", "little"), kind.encode(None, "little")) == (0, None, b"")
