"""Profiles: columns, times, gaps, rows, cuts, pieces and equality; decoded from their buffers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from metersdk.apdu import axdr
from metersdk.apdu.axdr import Data, Tag
from metersdk.errors import DecodeError, LocalProtocolError
from metersdk.model.clock import DateTime
from metersdk.model.obis import Obis
from metersdk.model.profile import (
    CaptureObject,
    ColumnKind,
    Profile,
    ProfileDecoder,
    ProfileHead,
    SortMethod,
)
from metersdk.model.quantity import Unit
from metersdk.model.quirks import Quirks

CLOCK = CaptureObject(8, "0.0.1.0.0.255", 2)
STATUS = CaptureObject(1, "0.0.96.10.1.255", 2)
ENERGY = CaptureObject(3, "1.0.1.8.0.255", 2)
POWER = CaptureObject(3, "1.0.1.7.0.255", 2)
CAPTURES = (CLOCK, STATUS, ENERGY, POWER)
SCALERS = {"1.0.1.8.0.255": (-2, Unit.WH), "1-0:1.7.0*255": (1, 27)}
START = datetime(2025, 7, 21, tzinfo=UTC)
START_MS = 1_753_056_000_000
CEST = timezone(timedelta(hours=2))


def stamp(quarter: int, zone: timezone | None = CEST) -> Data:
    moment = START + timedelta(minutes=15 * quarter)
    moment = moment.astimezone(zone) if zone else moment.replace(tzinfo=None)
    return axdr.octets(DateTime.from_datetime(moment).to_octets())


def row(quarter: int, clock: Data | None = None) -> Data:
    return axdr.structure(clock or stamp(quarter), axdr.u8(quarter % 4), axdr.u32(100 * quarter), axdr.i16(quarter - 5))


def buffer(*rows: Data) -> bytes:
    return axdr.encode(axdr.array(*rows))


RAW = buffer(*map(row, range(10)))


def profile(raw: bytes = RAW, **how: object) -> Profile:
    return Profile.from_axdr(raw, CAPTURES, **{"period": 900, "scalers": SCALERS, **how})  # type: ignore[arg-type]


def test_columns() -> None:
    p = profile()
    assert len(p) == 10
    assert [c.name for c in p.columns] == ["Clock", "Status register", "Active energy import (+A)", p.columns[3].name]
    assert [str(c.obis) for c in p.columns] == [str(c.obis) for c in CAPTURES]
    assert [c.attribute for c in p.columns] == [2, 2, 2, 2]
    assert [c.unit for c in p.columns] == [None, None, Unit.WH, Unit.W]
    assert [c.scaler for c in p.columns] == [None, None, -2, 1]
    kinds = [ColumnKind.TIME, ColumnKind.STATUS, ColumnKind.CUMULATIVE, ColumnKind.INSTANT]
    assert [c.kind for c in p.columns] == kinds
    assert [c.raw.format for c in p.columns] == ["q", "B", "I", "h"]
    assert p.column("1.0.1.8.0.255").raw.tolist() == [100 * n for n in range(10)]
    assert p.column(Obis("1.8.0"), 2).values()[:3] == [Decimal("0.00"), Decimal("1.00"), Decimal("2.00")]
    assert str(p.column("1.8.0").value(1)) == "1.00"
    assert p.column("1.7.0").values()[0] == Decimal(-50)
    assert p.column("1.7.0").plain(0) == -50
    assert p.column("1.8.0").plain(3) == 3.0
    assert all(set(c.valid) == {1} for c in p.columns)
    assert not p.truncated
    assert p.findings == ()
    with pytest.raises(LocalProtocolError, match=r"1\.0\.2\.8\.0\.255"):
        p.column("2.8.0")
    with pytest.raises(LocalProtocolError):
        p.column("1.8.0", 5)


def test_times() -> None:
    p = profile()
    assert p.times.tolist() == [START_MS + n * 900_000 for n in range(10)]
    assert p.times.format == "q"
    assert p.deviation.tolist() == [-120] * 10
    assert p.clock_status.tolist() == [0] * 10
    assert p.period == 900
    assert p.columns[0].values()[1] == datetime(2025, 7, 21, 2, 15, tzinfo=CEST)
    assert str(p.columns[0].value(1)) == "2025-07-21 02:15:00+02:00"


def test_local_times_stay_naive() -> None:
    p = profile(buffer(row(0, stamp(0, None))))
    assert p.columns[0].value(0) == datetime(2025, 7, 21)
    assert [finding.code for finding in p.findings] == ["deviation-undefined"]
    zoned = profile(buffer(row(0, stamp(0, None))), quirks=Quirks(local_deviation=-120))
    assert zoned.columns[0].value(0) == datetime(2025, 7, 21, tzinfo=CEST)


def test_quirks_reach_the_decoder() -> None:
    p = profile(buffer(row(0)), quirks=Quirks(deviation_sign=-1))
    assert p.columns[0].value(0) == datetime(2025, 7, 21, 2, tzinfo=timezone(timedelta(hours=-2)))
    raw = buffer(row(0), axdr.structure(*[axdr.null()] * 4))
    assert profile(raw).columns[2].value(1) == 0
    assert profile(raw, quirks=Quirks(null_repeats=False)).columns[2].value(1) is None


@pytest.mark.parametrize(("sort", "step"), [(SortMethod.FIFO, 900_000), (SortMethod.LIFO, -900_000)])
def test_null_clock_follows_the_order_of_the_buffer(sort: SortMethod, step: int) -> None:
    raw = buffer(row(5), *(row(n, axdr.null()) for n in (6, 7)))
    p = profile(raw, sort=sort)
    assert p.times.tolist() == [START_MS + 5 * 900_000 + n * step for n in range(3)]
    assert p.columns[0].valid.tolist() == [1, 2, 2]


def test_without_a_clock() -> None:
    p = Profile.from_axdr(buffer(*(axdr.structure(axdr.u32(n)) for n in range(3))), [ENERGY], period=900)
    assert p.column("1.8.0").raw.tolist() == [0, 1, 2]
    assert p.clock is None
    assert p.times.tolist() == p.deviation.tolist() == p.clock_status.tolist() == []
    assert p.gaps == []
    assert [tuple(r) for r in p.rows()] == [(Decimal(n),) for n in range(3)]
    with pytest.raises(LocalProtocolError):
        p.between(0, 1)


def test_a_clock_column_that_holds_something_else_is_no_time() -> None:
    p = Profile.from_axdr(buffer(axdr.structure(axdr.u32(7), axdr.u8(1))), [CLOCK, STATUS])
    assert p.clock is None
    assert p.columns[0].values() == [Decimal(7)]


def test_gaps() -> None:
    p = profile(buffer(*map(row, (0, 1, 4, 5, 9))))
    at = [START_MS + n * 900_000 for n in range(10)]
    assert p.gaps == [(at[1], at[4], 2), (at[5], at[9], 3)]
    assert profile(buffer(*map(row, (9, 5, 4, 1, 0))), sort=SortMethod.LIFO).gaps == p.gaps
    assert profile(period=0).gaps == profile().gaps == []


def test_a_clock_that_was_set_is_no_gap() -> None:
    late = START + timedelta(minutes=15, seconds=20)
    set_ = axdr.octets(DateTime.from_datetime(late).to_octets())
    assert profile(buffer(row(0), row(1, set_), row(2))).gaps == []


def test_rows_are_named() -> None:
    p = profile()
    assert p.fields[:3] == ("time", "status_register", "active_energy_import_a")
    first, *rest = p.rows()
    assert first.time == datetime(2025, 7, 21, 2, tzinfo=CEST)  # type: ignore[attr-defined]
    assert first.active_energy_import_a == 0  # type: ignore[attr-defined]
    assert len(rest) == 9
    assert p[3] == next(p[3:4].rows()) == list(p)[3]
    assert p[-1] == list(p)[9]
    with pytest.raises(IndexError):
        p[10]


def test_fields_of_columns_of_one_object_differ() -> None:
    captures = [
        CLOCK,
        ENERGY,
        CaptureObject(3, "1.8.0", 3),
        CaptureObject(4, "1.0.1.6.0.255", 5),
        CaptureObject(1, "1.2.3.4.5.6", 2),
    ]
    fields = Profile(ProfileHead.of([*captures, CaptureObject(1, "0.1.200.1.1.1", 2)])).fields
    assert fields[:3] == ("time", "active_energy_import_a", "active_energy_import_a_n2")
    assert len(set(fields)) == len(fields)
    assert all(field.isidentifier() for field in fields)


def test_cut_by_rows() -> None:
    p = profile()
    assert len(p[2:5]) == 3
    assert p[2:5].times.tolist() == p.times.tolist()[2:5]
    assert p[-2:].column("1.8.0").raw.tolist() == [800, 900]
    assert len(p[8:3]) == 0
    assert len(p[:]) == 10
    assert p[:] == p
    with pytest.raises(LocalProtocolError):
        p[::2]


def test_cut_by_time() -> None:
    p = profile()
    at = [START + timedelta(minutes=15 * n) for n in range(11)]
    assert p[at[2] : at[5]].times.tolist() == p.times.tolist()[2:5]
    assert p.between(at[2], at[5]).times.tolist() == p.times.tolist()[2:6]
    assert p.between(at[2]).times.tolist() == p.times.tolist()[2:]
    assert p.between(None, START_MS).times.tolist() == [START_MS]
    assert p.between(at[2].replace(tzinfo=None), at[5].astimezone(CEST)) == p[2:6]
    assert len(p.between(at[10])) == 0
    scattered = profile(buffer(*map(row, (5, 1, 6, 2, 7, 3))))
    assert scattered.between(at[5]).column("1.8.0").raw.tolist() == [500, 600, 700]


def test_pieces_are_the_whole() -> None:
    whole = profile()
    for cut in (1, 7, 37, 100):
        decoder = ProfileDecoder(whole.head)
        pieces = [decoder.feed(RAW[n : n + cut]) for n in range(0, len(RAW), cut)]
        assert decoder.announced == 10
        assert sum(map(len, pieces)) == decoder.rows
        pieces.append(decoder.finish())
        assert Profile.concat(pieces) == whole
    with pytest.raises(LocalProtocolError):
        Profile.concat([])
    with pytest.raises(LocalProtocolError):
        Profile.concat([whole, Profile.from_axdr(RAW, CAPTURES)])


def test_pieces_of_different_width_join() -> None:
    head = ProfileHead.of([ENERGY])
    cells = [
        [axdr.u8(1)],
        [axdr.u32(70_000), axdr.null()],
        [axdr.null()],
        [axdr.i8(-1)],
        [axdr.f32(0.5)],
        [axdr.octets(b"ab"), axdr.null()],
        [axdr.null()],
        [axdr.structure(axdr.u8(1))],
    ]
    expected = [1, 70_000, 70_000, 70_000, -1, 0.5, b"ab", b"ab", b"ab", (1,)]
    decoder = ProfileDecoder(head)
    pieces = [decoder.feed(b"\x01\x0a")]
    for piece in cells:
        pieces.append(decoder.feed(b"".join(axdr.encode(axdr.structure(cell)) for cell in piece)))
    pieces.append(decoder.finish())
    p = Profile.concat(pieces)
    assert p.columns[0].values() == expected
    assert p.columns[0].valid.tolist() == [1, 1, 2, 2, 1, 1, 1, 2, 2, 1]
    assert not p.findings
    narrow = Profile.concat(pieces[:5])
    assert narrow.columns[0].raw.format == "q"
    assert narrow.columns[0].raw.tolist() == [1, 70_000, 70_000, 70_000, -1]


def test_truncated() -> None:
    p = profile(RAW[:-3])
    assert (len(p), p.truncated) == (9, True)
    assert [finding.code for finding in p.findings] == ["truncated"]
    assert p[2:4].truncated
    assert p != profile()


@pytest.mark.parametrize(
    "raw", [RAW[:-3], RAW + b"\0", b"\x01\x0b" + RAW[2:], b"\x01\x09" + RAW[2:], b"", RAW[:60] + RAW[61:]]
)
def test_strict_raises_what_is_otherwise_reported(raw: bytes) -> None:
    assert profile(raw).findings
    with pytest.raises(DecodeError) as caught:
        profile(raw, strict=True)
    assert caught.value.layer == "apdu"
    assert caught.value.offset >= 0
    assert profile(strict=True) == profile()


def test_not_a_profile() -> None:
    with pytest.raises(DecodeError):
        profile(b"\x11\x05")
    with pytest.raises(LocalProtocolError):
        Profile.from_axdr(RAW, [])


def test_scalers_in_order_or_by_code() -> None:
    listed = profile(scalers=[None, None, (-2, 30), (1, 27)])
    assert listed == profile()
    with pytest.raises(LocalProtocolError, match="scalers"):
        profile(scalers=[None])
    # The scaler of a register does not scale its capture time or status.
    head = ProfileHead.of([CaptureObject(4, "1.8.0", a) for a in (2, 4, 5)], scalers={"1.8.0": (-1, 30)})
    assert [column.scaler for column in head.columns] == [-1, None, None]


def test_capture_times_are_moments() -> None:
    head = [CaptureObject(4, "1.0.1.6.0.255", 5)]
    p = Profile.from_axdr(buffer(*(axdr.structure(cell) for cell in (stamp(4), axdr.null(), axdr.octets(b"?")))), head)
    moment = DateTime.from_datetime(datetime(2025, 7, 21, 3, tzinfo=CEST))
    assert p.columns[0].kind is ColumnKind.TIME
    assert p.columns[0].values() == [moment, moment, b"?"]
    assert p.columns[0].valid.tolist() == [1, 2, 1]


def test_equality_looks_at_values_not_at_widths() -> None:
    head = ProfileHead.of([ENERGY])
    narrow = Profile.from_axdr(buffer(axdr.structure(axdr.u8(1))), [ENERGY])
    wide = Profile.from_axdr(buffer(axdr.structure(axdr.u32(1))), [ENERGY])
    assert narrow == wide
    assert narrow != Profile.from_axdr(buffer(axdr.structure(axdr.u8(2))), [ENERGY])
    assert narrow != Profile(head)
    assert narrow != "profile"
    nan = buffer(axdr.structure(axdr.f32(float("nan"))))
    assert Profile.from_axdr(nan, [ENERGY]) == Profile.from_axdr(nan, [ENERGY])
    with pytest.raises(TypeError):
        hash(narrow)
    assert repr(narrow) == "<Profile profile: 1 rows x 1 columns, period 0 s>"


@pytest.mark.parametrize(
    ("class_id", "obis", "attribute", "kind"),
    [
        (8, "0.0.1.0.0.255", 2, "time"),
        (4, "1.0.1.6.0.255", 5, "time"),
        (5, "1.0.1.4.0.255", 6, "time"),
        (1, "0.0.96.10.1.255", 2, "status"),
        (1, "1.0.96.5.1.255", 2, "status"),
        (1, "0.0.97.97.0.255", 2, "status"),
        (3, "1.0.1.8.0.255", 2, "cumulative"),
        (3, "1.0.1.9.0.255", 2, "cumulative"),
        (3, "1.0.1.29.0.255", 2, "interval_delta"),
        (3, "1.0.1.4.0.255", 2, "average"),
        (3, "1.0.1.5.0.255", 2, "average"),
        (3, "1.0.32.24.0.255", 2, "average"),
        (3, "1.0.32.25.0.255", 2, "average"),
        (5, "1.0.1.0.0.255", 3, "average"),
        (3, "1.0.32.7.0.255", 2, "instant"),
        (3, "8.0.1.0.0.255", 2, "cumulative"),
        (3, "7.0.3.0.0.255", 2, "cumulative"),
        (3, "7.0.43.0.0.255", 2, "instant"),
        (3, "6.0.1.0.0.255", 2, "cumulative"),
        (1, "0.0.42.0.0.255", 2, "instant"),
    ],
)
def test_kind_is_guessed_from_the_code(class_id: int, obis: str, attribute: int, kind: str) -> None:
    head = ProfileHead.of([CaptureObject(class_id, obis, attribute)])
    assert head.columns[0].kind == kind


def test_head_is_a_pydantic_model() -> None:
    head = profile().head
    assert ProfileHead.model_validate(head.model_dump()) == head
    dumped = head.model_dump(mode="json")
    assert dumped["columns"][2]["obis"] == "1.0.1.8.0.255"
    assert dumped["columns"][2]["unit"] == "Wh"
    assert head.columns[2].capture == ENERGY


def test_delta_values() -> None:
    cells = [axdr.u32(1000), Data(Tag.DELTA_UNSIGNED, 5), axdr.null(), Data(Tag.DELTA_INTEGER, -3)]
    p = Profile.from_axdr(buffer(*map(axdr.structure, cells)), [ENERGY], scalers=[(-1, 30)])
    assert p.columns[0].values() == [Decimal("100.0"), Decimal("100.5"), Decimal("100.5"), Decimal("100.2")]
    assert p.columns[0].valid.tolist() == [1, 1, 2, 1]


def test_time_that_runs_beyond_the_calendar() -> None:
    last = axdr.octets(bytes.fromhex("270f0c1f05173b3b63000000"))
    raw = buffer(axdr.structure(last), *[axdr.structure(axdr.null())] * 3)
    p = Profile.from_axdr(raw, [CLOCK], period=0xFFFF_FFFF)
    assert p.columns[0].valid.tolist() == [1, 2, 2, 2]
    assert p.columns[0].values()[1:] == [None] * 3
    assert p.to_csv().count("\n") == 5
