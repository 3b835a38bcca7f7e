"""Reading profiles from a server in memory: selected by the meter, or cut here where it refuses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from metersdk.apdu import axdr
from metersdk.apdu.axdr import Data
from metersdk.apdu.initiate import CLIENT_CONFORMANCE, Conformance
from metersdk.apdu.xdlms import Selection
from metersdk.dialog.profile import iter_profile, read_profile
from metersdk.dialog.selection import by_entry, by_range
from metersdk.effects import Progress
from metersdk.errors import (
    DataAccessError,
    DecodeError,
    ExceptionResponse,
    LocalProtocolError,
    PartialResult,
    SecurityError,
)
from metersdk.model.clock import DateTime
from metersdk.model.column import CaptureObject
from metersdk.model.obis import Obis
from metersdk.model.profile import Profile, SortMethod
from metersdk.model.quantity import Unit
from metersdk.model.quirks import Quirks

MakeRig = Callable[..., Any]

CLOCK = CaptureObject(8, "0.0.1.0.0.255", 2)
STATUS = CaptureObject(1, "0.0.96.10.1.255", 2)
IMPORT = CaptureObject(3, "1.0.1.8.0.255", 2)
EXPORT = CaptureObject(3, "1.0.2.8.0.255", 2)
DEMAND = CaptureObject(5, "1.0.1.4.0.255", 3)
CAPTURES = (CLOCK, STATUS, IMPORT, EXPORT, DEMAND)
PROFILE = Obis("1.0.99.1.0.255")
CEST = timezone(timedelta(hours=2))
BEGIN = datetime(2025, 7, 1, tzinfo=CEST)
ROWS = 200
NO_SELECTION = CLIENT_CONFORMANCE & ~Conformance.SELECTIVE_ACCESS


def stamp(row: int, zone: timezone | None = CEST) -> datetime:
    return (BEGIN + timedelta(minutes=15 * row)).replace(tzinfo=zone)


def capture_object(capture: CaptureObject) -> Data:
    return axdr.structure(
        axdr.u16(capture.class_id),
        axdr.octets(capture.obis.octets),
        axdr.i8(capture.attribute),
        axdr.u16(capture.index),
    )


def cells(row: int) -> list[Data]:
    time = DateTime.from_datetime(stamp(row)).to_octets()
    return [axdr.octets(time), axdr.u8(0), axdr.u32(1000 + row), axdr.u32(row), axdr.u16(7)]


def buffer(rows: range, columns: range | list[int] = range(5)) -> bytes:
    return axdr.encode(axdr.array(*(axdr.structure(*(cells(row)[n] for n in columns)) for row in rows)))


def select(key: tuple[int, bytes, int], selection: tuple[int, bytes]) -> bytes:
    """The meter's own selection, for bounds with a deviation or without."""
    parameters: Any = axdr.decode_all(selection[1]).python()
    if selection[0] == 2:
        first, last, left, right = parameters
        return buffer(range(ROWS)[first - 1 : last or None], range(5)[left - 1 : right or None])
    _, low, high, columns = parameters
    moments = [DateTime.from_octets(bound).to_datetime() for bound in (low, high)]
    inside = [
        row
        for row in range(ROWS)
        if all(
            (stamp(row, CEST if bound.tzinfo else None) - bound) * side >= timedelta()
            for bound, side in zip(moments, (1, -1), strict=True)
        )
    ]
    wanted = [[c.obis.octets for c in CAPTURES].index(column[1]) for column in columns] or range(5)
    return buffer(range(inside[0], inside[-1] + 1) if inside else range(0), wanted)


@pytest.fixture
def meter(rig: MakeRig) -> Callable[..., Any]:
    def make(max_pdu: int = 200, conformance: Conformance = CLIENT_CONFORMANCE) -> Any:
        it = rig(max_pdu, conformance)
        code, values = PROFILE.octets, it.device.values
        values[7, code, 2] = buffer(range(ROWS))
        values[7, code, 3] = axdr.encode(axdr.array(*map(capture_object, CAPTURES)))
        values[7, code, 4] = axdr.encode(axdr.u32(900))
        values[7, code, 5] = axdr.encode(axdr.enum(1))
        values[7, code, 6] = axdr.encode(capture_object(CLOCK))
        values[7, code, 7] = values[7, code, 8] = axdr.encode(axdr.u32(ROWS))
        scaler = axdr.encode(axdr.structure(axdr.i8(-1), axdr.enum(30)))
        values[3, IMPORT.obis.octets, 3] = values[3, EXPORT.obis.octets, 3] = scaler
        values[5, DEMAND.obis.octets, 4] = axdr.encode(axdr.structure(axdr.i8(0), axdr.enum(27)))
        it.device.answer = select
        return it

    return make


def rows_of(profile: Profile) -> list[int]:
    return [int(value) for value in profile.column("1.0.2.8.0.255").raw]


# --- whole -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("max_pdu", [0, 64, 128, 1000, 65535])
@pytest.mark.parametrize(
    "conformance", [CLIENT_CONFORMANCE, NO_SELECTION, CLIENT_CONFORMANCE & ~Conformance.MULTIPLE_REFERENCES]
)
def test_whole_profile(meter: MakeRig, max_pdu: int, conformance: Conformance) -> None:
    it = meter(max_pdu, conformance)
    profile = it.run(read_profile(it.ex, PROFILE))
    assert rows_of(profile) == list(range(ROWS))
    assert (profile.period, profile.head.sort, profile.head.obis) == (900, SortMethod.FIFO, PROFILE)
    energy, demand = profile.column(IMPORT.obis), profile.column(DEMAND.obis)
    assert (energy.unit, energy.scaler, demand.unit, demand.scaler) == (Unit.WH, -1, Unit.W, 0)
    assert energy.value(5) == Decimal("100.5")
    assert profile.times[0] == int(BEGIN.timestamp() * 1000)
    assert not profile.truncated and not profile.findings and not it.findings
    assert profile == Profile.from_axdr(
        it.device.values[7, PROFILE.octets, 2],
        CAPTURES,
        period=900,
        obis=PROFILE,
        scalers={IMPORT.obis: (-1, 30), EXPORT.obis: (-1, 30), DEMAND.obis: (0, 27)},
    )


def test_rows_are_handed_out_while_blocks_arrive(meter: MakeRig) -> None:
    it = meter(200)
    assert it.run(iter_profile(it.ex, str(PROFILE))) is None
    pieces = [event for event in it.events if isinstance(event, Profile)]
    assert len(pieces) > 20
    assert rows_of(Profile.concat(pieces)) == list(range(ROWS))
    progress = [event for event in it.events if isinstance(event, Progress) and event.unit == "rows"]
    assert progress[-1] == Progress(ROWS, ROWS, "rows")
    assert [event.done for event in progress] == sorted(event.done for event in progress)


def test_a_list_that_is_answered_wrongly_can_be_avoided(meter: MakeRig) -> None:
    it = meter()
    assert len(it.run(read_profile(it.ex, PROFILE, quirks=Quirks(get_with_list=False)))) == ROWS
    assert all(apdu[1] != 3 for apdu in it.ex.sent)


def test_empty_profile_keeps_its_columns(meter: MakeRig) -> None:
    it = meter()
    it.device.values[7, PROFILE.octets, 2] = b"\x01\x00"
    profile = it.run(read_profile(it.ex, PROFILE))
    assert len(profile) == 0
    assert [column.obis for column in profile.columns] == [capture.obis for capture in CAPTURES]


def test_attributes_that_may_be_missing(meter: MakeRig) -> None:
    it = meter()
    for attribute in (4, 5, 6, 7, 8):
        del it.device.values[7, PROFILE.octets, attribute]
    del it.device.values[3, IMPORT.obis.octets, 3]
    it.device.values[3, EXPORT.obis.octets, 3] = b"\x00"
    profile = it.run(read_profile(it.ex, PROFILE))
    assert len(profile) == ROWS and profile.period == 0
    assert profile.column(IMPORT.obis).scaler is None
    assert it.findings == ["scaler-unknown"] * 2


@pytest.mark.parametrize("sort", [2, 77])
def test_sort_method(meter: MakeRig, sort: int) -> None:
    it = meter()
    it.device.values[7, PROFILE.octets, 5] = axdr.encode(axdr.enum(sort))
    expected = SortMethod.LIFO if sort == 2 else SortMethod.FIFO
    assert it.run(read_profile(it.ex, PROFILE)).head.sort == expected


@pytest.mark.parametrize("period", [axdr.i8(-5), axdr.u64(2**64 - 1), axdr.octets(b"900"), axdr.null()])
def test_a_period_that_is_none(meter: MakeRig, period: Data) -> None:
    it = meter()
    it.device.values[7, PROFILE.octets, 4] = axdr.encode(period)
    profile = it.run(read_profile(it.ex, PROFILE))
    assert (profile.period, rows_of(profile)) == (0, list(range(ROWS)))


def test_period_in_minutes(meter: MakeRig) -> None:
    it = meter()
    it.device.values[7, PROFILE.octets, 4] = axdr.encode(axdr.u32(15))
    assert it.run(read_profile(it.ex, PROFILE, quirks=Quirks(capture_period_unit="min"))).period == 900


@pytest.mark.parametrize("objects", [b"\x01\x00", b"\x11\x01", b"\x01\x01\x02\x01\x00"])
def test_capture_objects_that_are_none(meter: MakeRig, objects: bytes) -> None:
    it = meter()
    it.device.values[7, PROFILE.octets, 3] = objects
    with pytest.raises(DecodeError):
        it.run(read_profile(it.ex, PROFILE))


def test_no_such_profile(meter: MakeRig) -> None:
    it = meter()
    with pytest.raises(DataAccessError):
        it.run(read_profile(it.ex, "1.0.99.2.0.255"))


def test_damage_is_reported_beside_the_rows_before_it(meter: MakeRig) -> None:
    it = meter()
    whole = it.device.values[7, PROFILE.octets, 2]
    it.device.values[7, PROFILE.octets, 2] = whole[:1000]
    profile = it.run(read_profile(it.ex, PROFILE))
    assert profile.truncated and profile.findings
    assert 0 < len(profile) < ROWS and rows_of(profile) == list(range(len(profile)))


def test_data_index_is_kept(meter: MakeRig) -> None:
    it = meter()
    captures = (CLOCK, STATUS, CaptureObject(3, IMPORT.obis, 2, 3), EXPORT, DEMAND)
    it.device.values[7, PROFILE.octets, 3] = axdr.encode(axdr.array(*map(capture_object, captures)))
    assert it.run(read_profile(it.ex, PROFILE)).columns[2].head.capture == captures[2]


# --- a part of it ----------------------------------------------------------------------------------------------------

SPANS = pytest.mark.parametrize(
    ("start", "stop", "expected"),
    [
        (stamp(10), stamp(20), range(10, 21)),
        (stamp(10).astimezone(UTC), stamp(20).astimezone(UTC), range(10, 21)),
        (stamp(10, None), stamp(20, None), range(10, 21)),
        (stamp(190), None, range(190, ROWS)),
        (None, stamp(3), range(4)),
        (stamp(20), stamp(10), range(0)),
        (stamp(ROWS), None, range(0)),
    ],
)


@SPANS
@pytest.mark.parametrize("columns", [None, [EXPORT.obis], ["1.0.2.8.0.255", "0.0.96.10.1.255"]])
@pytest.mark.parametrize("refused", ["", "columns", "range", "not offered"])
def test_time_span(
    meter: MakeRig,
    start: datetime | None,
    stop: datetime | None,
    expected: range,
    columns: list[Any] | None,
    refused: str,
) -> None:
    it = meter(200, NO_SELECTION if refused == "not offered" else CLIENT_CONFORMANCE)
    if refused == "range":
        it.device.refuse_selector = {1: 12}
    if refused == "columns":

        def picky(key: tuple[int, bytes, int], selection: tuple[int, bytes]) -> bytes:
            if not selection[1].endswith(b"\x01\x00"):
                raise DataAccessError("no columns", result=250)
            return select(key, selection)

        it.device.answer = picky
    profile = it.run(read_profile(it.ex, PROFILE, start=start, stop=stop, columns=columns))
    assert rows_of(profile) == list(expected)
    wanted = {CLOCK.obis, *map(Obis.parse, columns)} if columns else {capture.obis for capture in CAPTURES}
    assert {column.obis for column in profile.columns} == wanted
    noted = refused in ("range", "not offered") or (refused == "columns" and columns is not None)
    assert [finding.code for finding in profile.findings] == ["profile-selection"] * noted
    assert it.findings == ["profile-selection"] * noted


ENTRIES = pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ((1, 10), range(10)),
        ((191, 0), range(190, ROWS)),
        ((5, 5), range(4, 5)),
        ((150, 900), range(149, ROWS)),
        ((201, 300), range(0)),
        ((9, 3), range(0)),
    ],
)


@ENTRIES
@pytest.mark.parametrize("columns", [None, [EXPORT.obis], [STATUS.obis, EXPORT.obis]])
@pytest.mark.parametrize("refused", [False, True])
def test_entries(
    meter: MakeRig, entries: tuple[int, int], expected: range, columns: list[Obis] | None, refused: bool
) -> None:
    it = meter()
    if refused:
        it.device.refuse_selector = {2: 13}
    profile = it.run(read_profile(it.ex, PROFILE, entries=entries, columns=columns))
    assert rows_of(profile) == list(expected)
    assert len(profile.columns) == (5 if columns is None else len(columns) + 1)
    assert len(profile.findings) == refused


@pytest.mark.parametrize("refused", [False, True])
def test_columns_alone(meter: MakeRig, refused: bool) -> None:
    it = meter()
    if refused:
        it.device.refuse_selector = {2: 9}
    profile = it.run(read_profile(it.ex, PROFILE, columns=[IMPORT.obis]))
    assert [column.obis for column in profile.columns] == [CLOCK.obis, IMPORT.obis]
    assert len(profile) == ROWS and profile.column(IMPORT.obis).unit is Unit.WH
    assert len(profile.findings) == refused


@pytest.mark.parametrize("max_pdu", [19, 40, 63, 64, 128, 135, 136])
@pytest.mark.parametrize("columns", [None, [EXPORT.obis, STATUS.obis, IMPORT.obis]])
def test_selections_longer_than_the_meter_takes_are_not_sent(
    meter: MakeRig, max_pdu: int, columns: list[Obis] | None
) -> None:
    """GET has blocks for the answer only: a column costs 18 octets of the request."""
    it = meter(max_pdu)
    profile = it.run(read_profile(it.ex, PROFILE, start=stamp(10), stop=stamp(20), columns=columns))
    assert rows_of(profile) == list(range(10, 21))
    noted = max_pdu < (136 if columns else 64)
    assert [finding.code for finding in profile.findings] == ["profile-selection"] * noted


@pytest.mark.parametrize("max_pdu", [128, 0])
@pytest.mark.parametrize("asked", [{"start": stamp(10), "stop": stamp(20)}, {"entries": (11, 21)}])
def test_a_meter_that_sends_all_columns_whatever_was_selected(
    meter: MakeRig, max_pdu: int, asked: dict[str, Any]
) -> None:
    it = meter(max_pdu)
    it.device.answer = lambda key, selection: buffer(range(10, 21))
    profile = it.run(read_profile(it.ex, PROFILE, columns=[EXPORT.obis], **asked))
    assert [column.obis for column in profile.columns] == [CLOCK.obis, EXPORT.obis]
    assert rows_of(profile) == list(range(10, 21)) and not profile.truncated
    assert it.findings == [finding.code for finding in profile.findings] == ["profile-selection"]
    it.events.clear()
    it.run(iter_profile(it.ex, PROFILE, columns=[EXPORT.obis], **asked))
    pieces = [event for event in it.events if isinstance(event, Profile)]
    assert rows_of(Profile.concat(pieces)) == list(range(10, 21))


def test_refused_by_an_exception_response(meter: MakeRig) -> None:
    it = meter()
    serve = it.server.handle
    it.against(lambda apdu: b"\xd8\x01\x02" if apdu[:2] == b"\xc0\x01" and apdu[12:13] == b"\x01" else serve(apdu))
    assert rows_of(it.run(read_profile(it.ex, PROFILE, start=stamp(10), stop=stamp(20)))) == list(range(10, 21))
    it.against(lambda apdu: b"\xd8\x01\x02")
    with pytest.raises(ExceptionResponse):
        it.run(read_profile(it.ex, PROFILE, start=stamp(10)))


@pytest.mark.parametrize("result", [2, 4])
def test_a_buffer_that_cannot_be_read_at_all(meter: MakeRig, result: int) -> None:
    it = meter()
    del it.device.values[7, PROFILE.octets, 2]
    it.device.refuse_selector = {1: result}
    with pytest.raises(DataAccessError):
        it.run(read_profile(it.ex, PROFILE, start=stamp(10)))


def test_refused_amid_blocks_is_an_error_with_the_rows_before(meter: MakeRig) -> None:
    it = meter()
    serve = it.server.handle
    it.against(lambda apdu: b"\xc4\x01" + apdu[2:3] + b"\x01\x0f" if apdu[3:] == b"\x00\x00\x00\x03" else serve(apdu))
    with pytest.raises(PartialResult) as caught:
        it.run(read_profile(it.ex, PROFILE, start=stamp(10)))
    assert isinstance(caught.value.__cause__, DataAccessError) and caught.value.__cause__.result == 15
    home = caught.value.result
    assert isinstance(home, Profile) and home.truncated and not home.findings
    assert rows_of(home) == list(range(10, 10 + len(home))) and 0 < len(home) < ROWS - 10
    assert stamp(9 + len(home)).isoformat() in caught.value.hint


def test_damage_amid_blocks_that_may_be_an_attack_keeps_nothing(meter: MakeRig) -> None:
    it = meter()
    serve = it.server.handle

    def forged(apdu: bytes) -> bytes:
        if apdu[3:] == b"\x00\x00\x00\x03":
            raise SecurityError("the authentication tag is wrong")
        answer: bytes = serve(apdu)
        return answer

    it.against(forged)
    with pytest.raises(SecurityError):
        it.run(read_profile(it.ex, PROFILE, start=stamp(10)))


def test_wrong_questions_are_not_asked(meter: MakeRig) -> None:
    it = meter()
    with pytest.raises(LocalProtocolError):
        it.run(read_profile(it.ex, PROFILE, start=stamp(1), entries=(1, 2)))
    with pytest.raises(LocalProtocolError) as caught:
        it.run(read_profile(it.ex, PROFILE, columns=["1.0.9.9.9.255"]))
    assert "1.0.9.9.9.255" in caught.value.message and "1.0.1.8.0.255" in caught.value.hint
    with pytest.raises(LocalProtocolError):
        it.run(read_profile(it.ex, PROFILE, entries=(0, 2)))
    it.device.values[7, PROFILE.octets, 3] = axdr.encode(axdr.array(*map(capture_object, CAPTURES[1:])))
    it.device.values[7, PROFILE.octets, 6] = axdr.encode(capture_object(IMPORT))
    with pytest.raises(LocalProtocolError):
        it.run(read_profile(it.ex, PROFILE, start=stamp(1)))


def test_a_clock_that_sorts_without_being_captured(meter: MakeRig) -> None:
    it = meter()
    it.device.values[7, PROFILE.octets, 3] = axdr.encode(axdr.array(*map(capture_object, CAPTURES[1:])))
    it.device.answer = lambda key, selection: buffer(range(10, 21), range(1, 5))
    assert rows_of(it.run(read_profile(it.ex, PROFILE, start=stamp(10), stop=stamp(20)))) == list(range(10, 21))
    it.device.refuse_selector = {1: 13}
    with pytest.raises(DataAccessError):
        it.run(read_profile(it.ex, PROFILE, start=stamp(10)))


# --- the selections themselves ---------------------------------------------------------------------------------------


def test_selections_are_those_of_the_vectors(vectors: Callable[[str], list[Any]]) -> None:
    head = len("c001c100070100630100ff0201") // 2
    low, high = (DateTime.from_octets(bytes.fromhex(f"07e901{day}04000000ff800000")) for day in ("01", "02"))
    low, high = replace(low, weekday=4), replace(high, weekday=5)
    for name, bounds in (("get_range", "octet-string"), ("get_range_dt", "date-time")):
        selection = by_range(CLOCK, low, high, bounds=bounds)  # type: ignore[arg-type]
        assert selection.encode() == vectors(name)[0].raw[head:]
    assert by_entry(1, 10).encode() == vectors("get_entry")[0].raw[head:]


@pytest.mark.parametrize(
    ("deviation", "sign", "expected"),
    [("concrete", 1, "ff88"), ("concrete", -1, "0078"), ("undefined", 1, "8000"), ("utc", 1, "0000")],
)
def test_deviation_of_the_bounds(deviation: Any, sign: Any, expected: str) -> None:
    def bounds(moment: datetime) -> bytes:
        selection = by_range(CLOCK, moment, moment, deviation=deviation, deviation_sign=sign)
        parameters: Any = axdr.decode_all(selection.parameters).python()
        return bytes(parameters[1])

    aware, naive = bounds(BEGIN), bounds(BEGIN.replace(tzinfo=None))
    assert aware[9:11].hex() == expected
    assert naive[9:11].hex() == "8000"
    assert aware[5] == (22 if deviation == "utc" else 0)


def test_a_range_may_compare_other_data_and_choose_columns() -> None:
    selection = by_range(IMPORT, axdr.u32(5), axdr.u32(9), [CLOCK, IMPORT])
    assert isinstance(selection, Selection)
    parameters: Any = axdr.decode_all(selection.parameters).python()
    assert parameters[1:3] == (5, 9)
    assert [column[0] for column in parameters[3]] == [8, 3]


@pytest.mark.parametrize("numbers", [(0, 1), (-1, 0), (1, 1 << 32), (1, 0, 0), (1, 0, 1, 65536)])
def test_entry_numbers_out_of_range(numbers: tuple[int, ...]) -> None:
    with pytest.raises(LocalProtocolError):
        by_entry(*numbers)
