"""Profiles without rows, and floats, in every export; spans of time out of reach."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from metersdk.apdu import axdr
from metersdk.errors import LocalProtocolError
from metersdk.model.clock import DateTime
from metersdk.model.column import CaptureObject
from metersdk.model.profile import Profile, ProfileHead, SortMethod
from metersdk.model.query import ProfileQuery
from metersdk.model.span import span

CLOCK = CaptureObject(8, "0.0.1.0.0.255", 2)
VOLTAGE = CaptureObject(3, "1.0.32.7.0.255", 2)


@pytest.fixture
def nothing() -> Profile:
    return Profile.from_axdr(b"\x01\x00", [CLOCK, VOLTAGE])


@pytest.fixture
def timeless() -> Profile:
    """A row whose clock is null, the first of a reply."""
    return Profile.from_axdr(axdr.encode(axdr.array(axdr.structure(axdr.null(), axdr.u16(1)))), [CLOCK, VOLTAGE])


def test_the_clock_keeps_its_heading_without_rows(nothing: Profile) -> None:
    assert nothing.to_csv() == 'time,"1.0.32.7.0.255 Voltage, L1"\n'


def test_the_clock_keeps_its_type_without_times(nothing: Profile, timeless: Profile) -> None:
    numpy = pytest.importorskip("numpy")
    pyarrow = pytest.importorskip("pyarrow")
    for profile in (nothing, timeless):
        rows = len(profile)
        times = profile.to_numpy()["time"]
        assert times.dtype == "datetime64[ms]" and len(times) == rows and numpy.isnat(times).all()
        column = profile.to_arrow().column("time")
        assert column.type == pyarrow.timestamp("ms", "UTC") and column.to_pylist() == [None] * rows


def test_the_clock_keeps_its_type_in_frames(nothing: Profile, timeless: Profile) -> None:
    pytest.importorskip("pandas")
    polars = pytest.importorskip("polars")
    for profile in (nothing, timeless):
        assert str(profile.to_pandas()["time"].dtype) == "datetime64[ms, UTC]"
        assert profile.to_polars()["time"].dtype == polars.Datetime("ms", "UTC")


def test_a_float32_is_the_same_number_in_csv_and_json() -> None:
    buffer = axdr.encode(axdr.array(*(axdr.structure(axdr.f32(x)) for x in (230.1, float("nan")))))
    for scalers, text in (({}, "230.1"), ({"1.0.32.7.0.255": (-1, 35)}, "23.01")):
        profile = Profile.from_axdr(buffer, [VOLTAGE], scalers=scalers)
        assert profile.to_csv().splitlines()[1] == text
        assert json.loads(profile.to_json(), parse_float=str)["columns"][0]["values"] == [text, None]


def test_a_scaled_float32_is_no_float32_in_frames() -> None:
    numpy = pytest.importorskip("numpy")
    buffer = axdr.encode(axdr.array(*(axdr.structure(axdr.f32(x)) for x in (3e38, 1.5))))
    profile = Profile.from_axdr(buffer, [VOLTAGE], scalers={"1.0.32.7.0.255": (3, 35)})
    (values,) = profile.to_numpy().values()
    assert (
        values.dtype == "float64"
        and numpy.isfinite(values).all()
        and values.tolist() == [profile.columns[0].plain(n) for n in (0, 1)]
    )


def test_a_span_out_of_reach_is_told() -> None:
    with pytest.raises(LocalProtocolError, match="longer than any time"):
        span("99999999999999d")
    with pytest.raises(LocalProtocolError, match="was metered"):
        ProfileQuery(last=timedelta(days=999_999_999)).window(datetime(2026, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize("numbers", [(1, 2**64 - 1), (2**63, 1), (0, 5)])
@pytest.mark.parametrize("scaler", [None, 0, -3, 127])
def test_numbers_of_any_size_go_into_polars(numbers: tuple[int, int], scaler: int | None) -> None:
    pytest.importorskip("polars")
    buffer = axdr.encode(axdr.array(*(axdr.structure(axdr.u64(number)) for number in numbers)))
    scalers = {} if scaler is None else {"1.0.32.7.0.255": (scaler, 35)}
    profile = Profile.from_axdr(buffer, [VOLTAGE], scalers=scalers)
    (values,) = profile.to_polars().to_dict(as_series=False).values()
    expected = [float(str(value)) for value in profile.columns[0]]
    assert values == (list(numbers) if not scaler else pytest.approx(expected, rel=1e-15))


def test_the_status_of_the_clock_is_not_the_time() -> None:
    head = ProfileHead.of([CaptureObject(8, "0.0.1.0.0.255", 4), CLOCK])
    assert Profile(head).fields[1] == "time"


@pytest.mark.parametrize(("period", "rows", "told"), [(900, 2, False), (0, 2, True), (900, 1, True)])
def test_rows_that_have_no_time_are_told(period: int, rows: int, told: bool) -> None:
    """A null clock cell is the time before and a period: without a period, or a row before, it has no time."""
    stamp = axdr.octets(DateTime.from_datetime(datetime(2026, 1, 5, tzinfo=UTC)).to_octets())
    cells = [stamp, axdr.null()][-rows:]
    buffer = axdr.encode(axdr.array(*(axdr.structure(cell, axdr.u16(1)) for cell in cells)))
    profile = Profile.from_axdr(buffer, [CLOCK, VOLTAGE], period=period)
    assert (profile.columns[0].moment(rows - 1) is None) == told
    assert [finding.code for finding in profile.findings] == ["clock-undefined"] * told


@pytest.mark.parametrize("sort", SortMethod)
def test_rows_sorted_by_value_do_not_follow_each_other_in_time(sort: SortMethod) -> None:
    begin = datetime(2026, 1, 5, tzinfo=UTC)
    stamp = axdr.octets(DateTime.from_datetime(begin).to_octets())
    buffer = axdr.encode(axdr.array(*(axdr.structure(cell, axdr.u16(1)) for cell in (stamp, axdr.null()))))
    profile = Profile.from_axdr(buffer, [CLOCK, VOLTAGE], period=900, sort=sort)
    minutes = {SortMethod.FIFO: 15, SortMethod.LIFO: -15}.get(sort)
    assert profile.columns[0].moment(1) == (None if minutes is None else begin + timedelta(minutes=minutes))
