"""The simulated meter: objects, rights, profiles with selective access, clock, readout."""

from __future__ import annotations

import itertools
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from metersdk.apdu import axdr
from metersdk.apdu.acse import Authentication
from metersdk.apdu.axdr import Data, array, date_time, i8, i16, null, octets, structure, u8, u16, u32
from metersdk.apdu.cipher import Security
from metersdk.apdu.results import DataAccessResult
from metersdk.dialog.serving import ApplicationServer, Device
from metersdk.errors import ActionError, DataAccessError, LocalProtocolError
from metersdk.model.clock import ClockStatus, DateTime
from metersdk.model.cosem.base import Access
from metersdk.model.cosem.view import ObjectView
from metersdk.model.obis import Obis
from metersdk.simulator.device import MeterDevice
from metersdk.simulator.image import BUILT_IN, Image
from metersdk.simulator.sources import SHAPES
from metersdk.simulator.zone import Zone

START = datetime(2026, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 7, 31, 12, 34, 56, tzinfo=UTC)
LOAD_PROFILE = Obis("1.0.99.1.0.255").octets
CLOCK = Obis("0.0.1.0.0.255").octets
CLOCK_CAPTURE = structure(u16(8), octets(CLOCK), i8(2), u16(0))
STATUS_CAPTURE = structure(u16(1), octets(Obis("0.0.96.10.1.255").octets), i8(2), u16(0))
ENERGY_CAPTURE = structure(u16(3), octets(Obis("1.0.1.8.0.255").octets), i8(2), u16(0))


UNKNOWN_CAPTURE = structure(u16(3), octets(bytes(6)), i8(2), u16(0))
AT_0 = octets(DateTime.from_datetime(START).to_octets())
NEVER = DateTime().to_octets()


@pytest.fixture(scope="module")
def bench() -> MeterDevice:
    return Image.load("bench").device()


@pytest.fixture
def home() -> MeterDevice:
    return Image.load("residential").device(lambda: NOW)


def cosem_time(index: int) -> bytes:
    return DateTime.from_datetime(START + timedelta(minutes=15 * index)).to_octets()


def bench_row(index: int) -> tuple[object, ...]:
    return (cosem_time(index), index & 255, 1000 + index, 2000 + index, 3000 + index, 4000 + index)


def rows(
    device: Device, selection: tuple[int, Data] | None = None, client: int = 16, obis: bytes = LOAD_PROFILE
) -> list:  # type: ignore[type-arg]
    wanted = None if selection is None else (selection[0], axdr.encode(selection[1]))
    value = axdr.decode_all(device.get(client, 7, obis, 2, wanted)).python()
    assert isinstance(value, list)
    return value


def value(device: Device, class_id: int, code: str, attribute: int = 2, client: int = 16) -> Data:
    return axdr.decode_all(device.get(client, class_id, Obis(code).octets, attribute, None))


def by_range(start: Data, stop: Data, *columns: Data, restricting: Data = CLOCK_CAPTURE) -> tuple[int, Data]:
    return 1, structure(restricting, start, stop, array(*columns))


def by_entry(first: int, last: int, first_column: int = 1, last_column: int = 0) -> tuple[int, Data]:
    return 2, structure(u32(first), u32(last), u16(first_column), u16(last_column))


# --- bench: the rows of the benchmark, exactly ---


def test_bench_rows(bench: MeterDevice) -> None:
    assert rows(bench) == [bench_row(index) for index in range(10_000)]
    assert value(bench, 7, "1.0.99.1.0.255", 7) == u32(10_000)
    assert value(bench, 7, "1.0.99.1.0.255", 4) == u32(900)
    raw = bench.get(16, 7, LOAD_PROFILE, 2, None)
    assert len(raw) == 1 + 3 + 10_000 * 38
    assert raw[:42].hex() == "018227100206090c07ea01010400000000000000110006000003e806000007d00600000bb80600000fa0"


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        (1, 1, [0]),
        (1, 10, list(range(10))),
        (9999, 0, [9998, 9999]),
        (9999, 20_000, [9998, 9999]),
        (10_000, 10_000, [9999]),
        (10_001, 0, []),
        (5, 4, []),
        (0, 2, [0, 1]),
        (0xFFFFFFFF, 0xFFFFFFFF, []),
    ],
)
def test_entries(bench: MeterDevice, first: int, last: int, expected: list[int]) -> None:
    assert rows(bench, by_entry(first, last)) == [bench_row(index) for index in expected]


def test_entry_columns(bench: MeterDevice) -> None:
    assert rows(bench, by_entry(3, 3, 2, 3)) == [(2, 1002)]
    assert rows(bench, by_entry(3, 3, 3, 3)) == [(1002,)]
    assert rows(bench, by_entry(3, 3, 5, 99)) == [(3002, 4002)]
    assert rows(bench, by_entry(3, 3, 7, 0)) == []
    assert bench.get(16, 7, LOAD_PROFILE, 2, (2, axdr.encode(by_entry(7, 6)[1]))) == b"\x01\x00"


@pytest.mark.parametrize("form", [octets, date_time])
def test_range_is_inclusive_at_both_ends(bench: MeterDevice, form: type) -> None:
    selection = by_range(form(cosem_time(96)), form(cosem_time(99)))  # type: ignore[call-arg]
    assert rows(bench, selection) == [bench_row(index) for index in range(96, 100)]


def test_range_between_the_rows_and_outside(bench: MeterDevice) -> None:
    def bound(moment: datetime) -> Data:
        return octets(DateTime.from_datetime(moment).to_octets())

    second = timedelta(seconds=1)
    just_after, just_before = bound(START + second), bound(START + timedelta(minutes=45) - second)
    assert rows(bench, by_range(just_after, just_before)) == [bench_row(1), bench_row(2)]
    assert rows(bench, by_range(bound(START), bound(START))) == [bench_row(0)]
    assert rows(bench, by_range(bound(START + second), bound(START))) == []
    assert rows(bench, by_range(octets(cosem_time(5)), octets(cosem_time(4)))) == []
    assert rows(bench, by_range(bound(datetime(1, 1, 1, tzinfo=UTC)), bound(START))) == [bench_row(0)]
    assert rows(bench, by_range(octets(cosem_time(9999)), bound(datetime(9999, 12, 31, tzinfo=UTC)))) == [
        bench_row(9999)
    ]
    assert (
        rows(bench, by_range(bound(datetime(9999, 1, 1, tzinfo=UTC)), bound(datetime(9999, 12, 31, tzinfo=UTC)))) == []
    )


def test_range_columns_in_the_order_asked(bench: MeterDevice) -> None:
    bounds = octets(cosem_time(7)), octets(cosem_time(7))
    assert rows(bench, by_range(*bounds, ENERGY_CAPTURE, CLOCK_CAPTURE)) == [(1007, cosem_time(7))]
    assert rows(bench, by_range(*bounds, STATUS_CAPTURE)) == [(7,)]


def test_range_of_a_value(bench: MeterDevice) -> None:
    assert rows(bench, by_range(u32(1003), u32(1004), restricting=ENERGY_CAPTURE)) == [bench_row(3), bench_row(4)]


def test_range_honours_the_deviation(home: MeterDevice) -> None:
    expected = [
        row[0]
        for row in rows(
            home, by_range(octets(_local("07EA0715030C0000", "FF88")), octets(_local("07EA0715030C1E00", "FF88")))
        )
    ]
    assert len(expected) == 3
    utc = by_range(octets(_local("07EA0715030A0000", "0000")), octets(_local("07EA0715030A1E00", "0000")))
    undefined = by_range(octets(_local("07EA0715030C0000", "8000")), octets(_local("07EA0715030C1E00", "8000")))
    assert [row[0] for row in rows(home, utc)] == [row[0] for row in rows(home, undefined)] == expected


def _local(head: str, deviation: str) -> bytes:
    return bytes.fromhex(head + "00" + deviation + "00")


def test_local_bounds_include_both_hours_when_the_clock_goes_back() -> None:
    home = Image.load("residential").device(lambda: datetime(2025, 11, 1, tzinfo=UTC))
    selection = by_range(octets(_local("07E90A1A07020000", "8000")), octets(_local("07E90A1A07023B00", "8000")))
    stamps = [DateTime.from_octets(row[0]) for row in rows(home, selection)]
    assert len(stamps) == 8
    assert [stamp.deviation for stamp in stamps] == [-120] * 4 + [-60] * 4
    assert [stamp.status for stamp in stamps] == [ClockStatus.DST_ACTIVE] * 4 + [ClockStatus(0)] * 4
    assert {late.utc_ms() - early.utc_ms() for early, late in itertools.pairwise(stamps)} == {900_000}


@pytest.mark.parametrize(
    ("selection", "result"),
    [
        ((3, structure()), DataAccessResult.SCOPE_OF_ACCESS_VIOLATED),
        ((1, structure()), DataAccessResult.TYPE_UNMATCHED),
        ((1, u8(1)), DataAccessResult.TYPE_UNMATCHED),
        ((2, structure(octets(b""), u32(1), u16(1), u16(0))), DataAccessResult.TYPE_UNMATCHED),
        (by_range(null(), null()), DataAccessResult.TYPE_UNMATCHED),
        (by_range(octets(b"short"), octets(b"short")), DataAccessResult.OTHER_REASON),
        (by_range(octets(NEVER), AT_0), DataAccessResult.OTHER_REASON),
        (by_range(AT_0, AT_0, restricting=UNKNOWN_CAPTURE), DataAccessResult.OTHER_REASON),
        (by_range(AT_0, AT_0, restricting=ENERGY_CAPTURE), DataAccessResult.TYPE_UNMATCHED),
        (by_range(AT_0, AT_0, UNKNOWN_CAPTURE), DataAccessResult.OTHER_REASON),
    ],
)  # fmt: skip
def test_a_bad_selection_is_refused(bench: MeterDevice, selection: tuple[int, Data], result: DataAccessResult) -> None:
    with pytest.raises(DataAccessError) as caught:
        rows(bench, selection)
    assert caught.value.result == result


def test_octets_that_are_no_data_are_refused(bench: MeterDevice) -> None:
    for parameters in (b"", b"\x02", b"\x02\x04\x01", bytes(40)):
        with pytest.raises(DataAccessError) as caught:
            bench.get(16, 7, LOAD_PROFILE, 2, (1, parameters))
        assert caught.value.result == DataAccessResult.TYPE_UNMATCHED


def test_served_over_apdus(bench: MeterDevice) -> None:
    server = ApplicationServer(bench, 16)
    answer = server.handle(bytes.fromhex("C001C100070100630100FF0201020204060000000106000000011200011200 00"))
    assert answer is not None
    assert answer.hex() == "c401c10001010206090c07ea01010400000000000000110006000003e806000007d00600000bb80600000fa0"
    assert server.handle(bytes.fromhex("C001C100030100FF0800FF0200")) == bytes.fromhex("C401C10104")


# --- profiles of other kinds ---

PROFILE = """
name = "test"
[meter]
manufacturer = "MSK"
identification = 'MSK5TEST'
serial = "1"
logical_device_name = "MSK1"
system_title = "4D534B0000000001"
since = 2026-03-20T00:00:00Z
[clock]
fixed = 2026-04-15T03:45:00Z
deviation = -60
daylight_saving = "eu"
[[association]]
client = 16
role = "management"
[[object]]
class = 3
obis = "1.8.0"
scaler = -3
unit = "Wh"
source = { kind = "energy", start = 5, per_day = 24, shape = "flat" }
[[object]]
class = 1
obis = "0.0.96.10.1.255"
type = "u8"
source = { kind = "season" }
[[object]]
class = 1
obis = "0.0.42.0.1.255"
type = "visible"
value = "x"
[[object]]
class = 7
obis = "1.0.99.1.0.255"
[object.profile]
capture = ["8 0.0.1.0.0.255 2", "1 0.0.96.10.1.255 2", "3 1.0.1.8.0.255 2", "1 0.0.42.0.1.255 2", "3 1.0.1.8.0.255 3"]
"""


def made(more: str = "", text: str = PROFILE) -> MeterDevice:
    return Image.parse(text + more).device()


def fill(compressed: list[tuple[object, ...]], step: int = 900) -> list[tuple[object, ...]]:
    """Rows with the null-data cells filled as the Blue Book says."""
    full = [compressed[0]]
    for row in compressed[1:]:
        before = full[-1]
        assert isinstance(before[0], bytes)
        stamp = DateTime.from_octets(before[0])
        follows = DateTime.from_datetime(stamp.to_datetime() + timedelta(seconds=step), stamp.status).to_octets()
        full.append(
            (
                follows if row[0] is None else row[0],
                *(b if r is None else r for r, b in zip(row[1:], before[1:], strict=True)),
            )
        )
    return full


@pytest.mark.parametrize(("sort", "step"), [("fifo", 900), ("lifo", -900)])
def test_null_data_stands_only_for_what_can_be_recovered(sort: str, step: int) -> None:
    gaps = f"gap_every = 50\ngap_length = 3\nsort = '{sort}'\n"
    plain, compressed = rows(made(gaps)), rows(made(gaps + 'encoding = "null"\n'))
    assert None in compressed[1]
    assert None not in compressed[0]
    assert fill(compressed, step) == plain
    assert (plain == sorted(plain)) == (sort == "fifo")


def test_compact_array_holds_the_same_rows() -> None:
    capture = 'capture = ["8 0.0.1.0.0.255 2", "1 0.0.96.10.1.255 2", "3 1.0.1.8.0.255 2", "1 0.0.42.0.1.255 2"]\n'
    text = PROFILE[: PROFILE.index("capture")] + capture
    packed = made('encoding = "compact"\n', text)
    raw = packed.get(16, 7, LOAD_PROFILE, 2, None)
    assert raw[:7].hex() == "1302040911060a"
    assert rows(packed) == rows(made("", text))
    assert rows(packed, by_entry(1, 0, 1, 2)) == rows(made("", text), by_entry(1, 0, 1, 2))
    # A column that is a structure has no place in a compact-array of ours: plain rows then.
    assert made('encoding = "compact"\n').get(16, 7, LOAD_PROFILE, 2, None)[0] == axdr.Tag.ARRAY


def test_gaps_are_rows_that_never_were() -> None:
    device = made("gap_every = 96\ngap_length = 4\n")
    found = rows(device)
    times = [DateTime.from_octets(row[0]).utc_ms() // 1000 for row in found]
    steps = [late - early for early, late in itertools.pairwise(times)]
    assert set(steps) == {900, 4500}
    after = {row[1] & 0x80 for row, step in zip(found[1:], steps, strict=True) if step == 4500}
    assert after == {0x80}
    assert {row[1] & 0x80 for row, step in zip(found[1:], steps, strict=True) if step == 900} == {0}
    assert {row[1] & 8 for row in found} == {0, 8}
    assert len(found) == value(device, 7, "1.0.99.1.0.255", 7).value
    assert [DateTime.from_octets(row[0]).utc_ms() // 1000 for row in rows(device, by_entry(90, 95))] == times[89:95]
    selection = by_range(octets(found[85][0]), octets(found[99][0]))
    assert rows(device, selection) == found[85:100]


def test_lifo_counts_from_the_newest() -> None:
    oldest_first, newest_first = made(), made('sort = "lifo"\n')
    assert value(newest_first, 7, "1.0.99.1.0.255", 5).value == 2
    backwards = rows(oldest_first)[::-1]
    assert rows(newest_first) == backwards
    assert rows(newest_first, by_entry(1, 2)) == backwards[:2]
    assert rows(newest_first, by_entry(2000, 0)) == backwards[1999:]


def test_a_million_rows_are_never_made_to_read_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    text = PROFILE.replace("2026-03-20T00:00:00Z", "1990-01-01T00:00:00Z")
    device = made("entries = 1_100_000\n", text)
    used = value(device, 7, "1.0.99.1.0.255", 7).value
    assert used == 1_100_000
    seen: list[int] = []
    original = Zone.octets
    monkeypatch.setattr(Zone, "octets", lambda zone, utc: seen.append(utc) or original(zone, utc))
    last = rows(device, by_entry(used, 0))
    assert DateTime.from_octets(last[0][0]).to_datetime() == datetime(2026, 4, 15, 3, 45, tzinfo=UTC)
    assert rows(device, by_range(octets(last[0][0]), octets(last[0][0]))) == last
    assert len(seen) == 2


def test_reset_and_capture() -> None:
    device = made()
    device.set(
        16,
        8,
        CLOCK,
        2,
        None,
        axdr.encode(octets(DateTime.from_datetime(datetime(2026, 4, 1, 0, 7, tzinfo=UTC)).to_octets())),
    )
    device.action(16, 7, LOAD_PROFILE, 1, axdr.encode(i8(0)))
    assert rows(device) == []
    assert device.get(16, 7, LOAD_PROFILE, 2, None) == b"\x01\x00"
    device.action(16, 7, LOAD_PROFILE, 2, axdr.encode(i8(0)))
    assert [str(DateTime.from_octets(row[0])) for row in rows(device)] == ["2026-04-01T02:07:00+02:00"]
    device.set_clock(datetime(2026, 4, 1, 0, 31, tzinfo=UTC))
    assert [DateTime.from_octets(row[0]).minute for row in rows(device)] == [7, 15, 30]
    assert value(device, 7, "1.0.99.1.0.255", 7) == u32(3)
    assert [DateTime.from_octets(row[0]).minute for row in rows(device, by_entry(2, 3))] == [15, 30]
    only = by_range(octets(rows(device)[0][0]), octets(rows(device)[1][0]))
    assert len(rows(device, only)) == 2


def test_entries_bound_the_profile() -> None:
    device = made("entries = 10\n")
    assert value(device, 7, "1.0.99.1.0.255", 7) == u32(10)
    assert rows(device) == rows(made())[-10:]


def test_daily_monthly_and_irregular() -> None:
    home = Image.load("residential").device(lambda: NOW)
    daily = [DateTime.from_octets(row[0]) for row in rows(home, obis=Obis("1.0.99.2.0.255").octets)]
    assert len(daily) == 400
    assert {(stamp.hour, stamp.minute) for stamp in daily} == {(0, 0)}
    assert {stamp.deviation for stamp in daily} == {-60, -120}
    monthly = rows(home, obis=Obis("1.0.98.1.0.255").octets)
    assert [DateTime.from_octets(row[0]).day for row in monthly] == [1] * 24
    events = [DateTime.from_octets(row[0]).utc_ms() for row in rows(home, obis=Obis("0.0.99.98.0.255").octets)]
    assert len(events) == 200
    assert events == sorted(events)
    assert len(set(events)) == 200


def test_before_it_was_put_up_a_meter_has_no_rows() -> None:
    device = Image.load("residential").device(lambda: datetime(2020, 1, 1, tzinfo=UTC))
    for code in ("1.0.99.1.0.255", "1.0.99.2.0.255", "1.0.98.1.0.255", "0.0.99.98.0.255"):
        assert rows(device, obis=Obis(code).octets) == []
    assert value(device, 3, "1.8.1").value == 8_215_320


# --- registers, clock, rights ---


def test_registers_move_and_agree_with_the_profile(home: MeterDevice) -> None:
    total = value(home, 3, "1.8.0").value
    assert total == value(home, 3, "1.8.1").value + value(home, 3, "1.8.2").value  # type: ignore[operator]
    last = rows(home)[-1]
    assert 0 <= total - last[2] < 1000  # type: ignore[operator]
    later = Image.load("residential").device(lambda: NOW + timedelta(days=1))
    assert value(later, 3, "1.8.0").value == total + 9300  # type: ignore[operator]
    energies = [row[2] for row in rows(home)]
    assert energies == sorted(energies)


def test_every_day_of_a_shape_gives_the_same() -> None:
    assert all(len(weights) == 24 for weights in SHAPES.values())
    day, household, night = SHAPES["day"], SHAPES["household"], SHAPES["night"]
    assert tuple(a + b for a, b in zip(day, night, strict=True)) == household


def test_reset_of_a_register(home: MeterDevice) -> None:
    home.action(1, 3, Obis("1.8.1").octets, 1, axdr.encode(i8(0)))
    assert value(home, 3, "1.8.1") == u32(0)
    with pytest.raises(ActionError) as caught:
        home.action(1, 3, Obis("1.8.1").octets, 2, None)
    assert caught.value.result == DataAccessResult.READ_WRITE_DENIED


def test_the_clock_is_read_set_and_shifted(home: MeterDevice) -> None:
    assert str(DateTime.from_octets(home.get(16, 8, CLOCK, 2)[2:])) == "2026-07-31T14:34:56+02:00"
    assert value(home, 8, "0.0.1.0.0.255", 4) == u8(0x80)
    winter = DateTime.from_datetime(datetime(2026, 12, 1, 10, 0, tzinfo=UTC))
    home.set(1, 8, CLOCK, 2, None, axdr.encode(octets(winter.to_octets())))
    assert str(DateTime.from_octets(home.get(16, 8, CLOCK, 2)[2:])) == "2026-12-01T11:00:00+01:00"
    local = DateTime.from_datetime(datetime(2026, 12, 1, 12, 8, 10))
    home.set(1, 8, CLOCK, 2, None, axdr.encode(octets(local.to_octets())))
    assert home.now() == datetime(2026, 12, 1, 11, 8, 10, tzinfo=UTC)
    home.action(1, 8, CLOCK, 6, axdr.encode(i16(-5)))
    assert home.now() == datetime(2026, 12, 1, 11, 8, 5, tzinfo=UTC)
    home.action(1, 8, CLOCK, 3, axdr.encode(i8(0)))
    assert home.now() == datetime(2026, 12, 1, 11, 8, tzinfo=UTC)
    home.action(1, 8, CLOCK, 1, axdr.encode(i8(0)))
    assert home.now() == datetime(2026, 12, 1, 11, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("data", "result"),
    [
        (axdr.encode(octets(NEVER)), DataAccessResult.TYPE_UNMATCHED),
        (axdr.encode(u32(1)), DataAccessResult.TYPE_UNMATCHED),
        (b"\x09\x0c\x00", DataAccessResult.TYPE_UNMATCHED),
        (axdr.encode(octets(bytes.fromhex("270F0C1F050C1E0000000000"))), DataAccessResult.OTHER_REASON),
        (axdr.encode(octets(bytes.fromhex("00010101050C1E0000000000"))), DataAccessResult.OTHER_REASON),
    ],
)
def test_a_clock_that_cannot_be_set(home: MeterDevice, data: bytes, result: DataAccessResult) -> None:
    with pytest.raises(DataAccessError) as caught:
        home.set(1, 8, CLOCK, 2, None, data)
    assert caught.value.result == result
    assert home.now() == NOW


@pytest.mark.parametrize("parameters", [i16(1000), octets(b""), None])
def test_a_shift_that_is_none(home: MeterDevice, parameters: Data | None) -> None:
    with pytest.raises(ActionError):
        home.action(1, 8, CLOCK, 6, None if parameters is None else axdr.encode(parameters))


def test_each_client_sees_what_it_may() -> None:
    home = Image.load("residential").device(lambda: NOW)
    views = {
        client: ObjectView.from_data(value(home, 15, "0.0.40.0.0.255", client=client)) for client in home.associations
    }
    assert "0.0.43.0.0.255" in views[1]
    assert "0.0.43.0.0.255" not in views[2]
    assert "0.0.22.0.0.255" in views[2]
    assert "0.0.22.0.0.255" not in views[16]
    assert views[1]["0.0.1.0.0.255"].attribute_access[2] == Access.READ | Access.WRITE
    assert views[16]["0.0.1.0.0.255"].attribute_access[2] == Access.READ
    assert views[1]["1.0.99.1.0.255"].selectors == {2: (1, 2)}
    assert views[1]["1.0.99.1.0.255"].method_access == {1: Access.INVOKE, 2: Access.INVOKE}
    assert views[16]["1.0.99.1.0.255"].method_access == {}
    for client, view in views.items():
        for item in view.all:
            for number, access in item.attribute_access.items():
                if Access.READ in access and (item.class_id, number) != (7, 2):
                    item.update(
                        number, axdr.decode_all(home.get(client, item.class_id, item.logical_name.octets, number))
                    )


@pytest.mark.parametrize(
    ("client", "class_id", "code", "attribute", "result"),
    [
        (16, 3, "1.0.9.9.9.255", 2, DataAccessResult.OBJECT_UNDEFINED),
        (16, 4, "1.8.0", 2, DataAccessResult.OBJECT_CLASS_INCONSISTENT),
        (16, 3, "0.0.40.0.0.255", 2, DataAccessResult.OBJECT_CLASS_INCONSISTENT),
        (16, 3, "1.8.0", 4, DataAccessResult.READ_WRITE_DENIED),
        (16, 3, "1.8.0", 0, DataAccessResult.READ_WRITE_DENIED),
        (16, 3, "1.8.0", -1, DataAccessResult.READ_WRITE_DENIED),
        (16, 64, "0.0.43.0.0.255", 2, DataAccessResult.OBJECT_UNDEFINED),
        (1, 15, "0.0.40.0.0.255", 7, DataAccessResult.READ_WRITE_DENIED),
        (99, 3, "1.8.0", 2, DataAccessResult.OBJECT_UNAVAILABLE),
    ],
)
def test_reading_is_refused(
    home: MeterDevice, client: int, class_id: int, code: str, attribute: int, result: DataAccessResult
) -> None:
    with pytest.raises(DataAccessError) as caught:
        home.get(client, class_id, Obis(code).octets, attribute)
    assert caught.value.result == result


def test_writing(home: MeterDevice) -> None:
    message = Obis("0-0:96.13.0").octets
    home.set(2, 1, message, 2, None, axdr.encode(octets(b"hello")))
    assert value(home, 1, "0-0:96.13.0", client=2) == octets(b"hello")
    for client, data, result in (
        (16, octets(b""), DataAccessResult.OBJECT_UNDEFINED),
        (2, u8(1), DataAccessResult.TYPE_UNMATCHED),
    ):
        with pytest.raises(DataAccessError) as caught:
            home.set(client, 1, message, 2, None, axdr.encode(data))
        assert caught.value.result == result
    with pytest.raises(DataAccessError) as caught:
        home.set(1, 3, Obis("1.8.0").octets, 2, None, axdr.encode(u32(1)))
    assert caught.value.result == DataAccessResult.READ_WRITE_DENIED
    with pytest.raises(ActionError) as refused:
        home.action(16, 8, CLOCK, 6, axdr.encode(i16(1)))
    assert refused.value.result == DataAccessResult.READ_WRITE_DENIED
    with pytest.raises(ActionError) as unknown:
        home.action(1, 8, bytes(6), 6, None)
    assert unknown.value.result == DataAccessResult.OBJECT_UNDEFINED


def test_disconnector(home: MeterDevice) -> None:
    code = Obis("0-0:96.3.10").octets
    home.action(1, 70, code, 1, axdr.encode(i8(0)))
    assert value(home, 70, "0-0:96.3.10", client=1).value is False
    home.action(1, 70, code, 2, axdr.encode(i8(0)))
    assert value(home, 70, "0-0:96.3.10", 3, client=1).value == 1


def test_association_and_counter(home: MeterDevice) -> None:
    partners = value(home, 15, "0.0.40.0.0.255", 3, client=1).python()
    assert partners == (1, 1)
    assert value(home, 15, "0.0.40.0.0.255", 4, client=1).python() == (2, 16, 756, 5, 8, 1, 3)
    assert value(home, 15, "0.0.40.0.0.255", 6, client=2).python() == (2, 16, 756, 5, 8, 2, 1)
    assert value(home, 1, "0.0.43.1.0.255") == u32(0)
    home.accepted_counters[(b"MSDK\0\0\0\1", "glo")] = 77
    assert value(home, 1, "0.0.43.1.0.255") == u32(77)
    rules = home.associations[1]
    assert (rules.authentication, rules.security) == (Authentication.HIGH_GMAC, Security.AUTHENTICATED_ENCRYPTED)
    assert "12345678" not in repr(home.associations)
    assert "0001020304" not in repr(home.associations).lower()


# --- readout ---


def test_identification_and_readout(home: MeterDevice) -> None:
    assert home.identification == b"/MSK5\\2METERSDK-R1\r\n"
    block = home.readout()
    assert block.endswith(b"\r\n")
    lines = dict(re.fullmatch(r"([^()]{1,16})(\(.*\))", line).groups() for line in block.decode().splitlines())  # type: ignore[union-attr]
    assert lines["F.F"] == "(00000000)"
    assert lines["0.9.1"] == "(143456)"
    assert lines["0.9.2"] == "(260731)"
    assert lines["C.1.0"] == "(12345678)"
    assert lines["1.8.0"] == f"({Decimal(value(home, 3, '1.8.0').value) / 1000:011.3f}*kWh)"  # type: ignore[arg-type]
    assert re.fullmatch(r"\(\d{3}\.\d{3}\*kW\)\(2607\d{6}\)", lines["1.6.0"])
    assert re.fullmatch(r"\(\d{3}\.\d\*V\)", lines["32.7.0"])
    # Billing values are those of the billing profile.
    monthly = rows(home, obis=Obis("1.0.98.1.0.255").octets)
    for period in range(1, 13):
        assert lines[f"1.8.0*{period:02d}"] == f"({Decimal(monthly[-period][1]) / 1000:011.3f}*kWh)"
    assert all(len(line) <= 78 for line in block.splitlines())


# --- images ---


@pytest.mark.parametrize("name", BUILT_IN)
def test_built_in_images(name: str, tmp_path: Path) -> None:
    image = Image.load(name)
    assert image.name == name
    device: Device = image.device()
    assert len(device.system_title) == 8
    assert "12345678" not in repr(image.association)
    copy = tmp_path / "meter.toml"
    copy.write_text(PROFILE, encoding="utf-8")
    assert Image.load(copy).name == "test"


def test_two_devices_of_an_image_share_nothing() -> None:
    image = Image.load("residential")
    one, two = image.device(lambda: NOW), image.device(lambda: NOW)
    one.set_clock(NOW + timedelta(days=1))
    one.action(1, 3, Obis("1.8.1").octets, 1, None)
    assert two.now() == NOW
    assert value(two, 3, "1.8.1") != u32(0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("nonsense", "no TOML"),
        ("", "Field required"),
        (PROFILE + 'nonsense = 1\n', "Extra inputs"),
        (PROFILE.replace("2026-03-20T00:00:00Z", "2026-03-20T00:00:00"), "zone"),
        (PROFILE.replace('"management"', '"king"'), "management"),
        (PROFILE.replace('unit = "Wh"', 'unit = "furlong"'), "furlong"),
        (PROFILE.replace('obis = "1.8.0"', 'obis = "1.8.300"'), "at most 255"),
        (PROFILE + "gap_every = 3\ngap_length = 3\n", "gap_length"),
        (PROFILE.replace("8 0.0.1.0.0.255 2", "nonsense"), "capture object"),
        (PROFILE.replace("8 0.0.1.0.0.255 2", "3 2.8.0 2"), "no object of the image"),
        (PROFILE.replace('value = "x"', 'attributes = { nonsense = 1 }'), "has no 'nonsense'"),
        (PROFILE.replace("class = 7", "class = 3"), "capture_objects"),
        (PROFILE.replace('role = "management"', 'role = "management"\nauthentication = "low"'), "password"),
        (PROFILE.replace('role = "management"', 'role = "management"\nsecurity = "encrypted"'), "encryption_key"),
        (PROFILE + '[[object]]\nclass = 3\nobis = "2.8.0"\nsource = { kind = "sum", of = ["2.8.0"] }\n', "summed"),
        (PROFILE + '[[object]]\nclass = 3\nobis = "1.8.0"\n', "twice"),
        (PROFILE + '[[readout]]\nkind = "register"\ncode = "2.8.0"\nobject = "2.8.0"\n', "readout"),
    ],
)  # fmt: skip
def test_a_bad_image_is_a_typed_error(change: str, message: str) -> None:
    with pytest.raises(LocalProtocolError, match=message):
        made("", change)


def test_what_the_image_writes_down_replaces_what_every_meter_has() -> None:
    text = """
    name = "own"
    [meter]
    manufacturer = "MSK"
    identification = "MSK5OWN"
    serial = "1"
    logical_device_name = "MSK1"
    system_title = "4D534B5231345678"
    since = 2026-01-01T00:00:00Z
    [[association]]
    client = 16
    role = "management"
    [[object]]
    class = 1
    obis = "0.0.96.1.0.255"
    type = "visible"
    value = "its own"
    writable = [2]
    """
    device = Image.parse(text).device(lambda: NOW)
    assert value(device, 1, "0.0.96.1.0.255") == axdr.visible("its own")
    device.set(16, 1, Obis("0.0.96.1.0.255").octets, 2, None, axdr.encode(axdr.visible("written")))
    assert value(device, 1, "0.0.96.1.0.255") == axdr.visible("written")
    # It stands in the object list once, and the clock still runs.
    view = ObjectView.from_data(value(device, 15, "0.0.40.0.0.255"))
    assert sum(item.logical_name == Obis("0.0.96.1.0.255") for item in view.all) == 1
    assert value(device, 8, "0.0.1.0.0.255") == axdr.octets(DateTime.from_datetime(NOW).to_octets())


def test_a_key_is_never_shown() -> None:
    text = PROFILE.replace(
        'role = "management"', 'role = "management"\nencryption_key = "00112233445566778899AABBCCDDEEXX"'
    )
    with pytest.raises(LocalProtocolError) as caught:
        made("", text)
    assert "0011" not in str(caught.value) + repr(caught.value.__cause__) + repr(caught.value.__context__)


def test_no_such_image(tmp_path: Path) -> None:
    with pytest.raises(LocalProtocolError) as caught:
        Image.load("nonsense")
    assert "residential" in caught.value.hint
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(LocalProtocolError):
        Image.load(tmp_path / "binary.toml")
