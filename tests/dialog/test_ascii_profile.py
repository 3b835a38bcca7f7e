"""Text profiles of a simulated meter, read over a modelled line under the virtual clock: clean, damaged, cut."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
from programming_rig import Shelf

from metersdk.apdu.ascii_profile import Season, Zst
from metersdk.dialog.ascii_profile import span_of
from metersdk.dialog.ascii_session import iter_profile, read_clock, read_events, read_profile
from metersdk.dialog.iec62056_21 import SignOn
from metersdk.dialog.iec62056_21_meter import OpticalMeter, serve
from metersdk.dialog.programming import Programming, ProgrammingSettings, open_programming
from metersdk.dialog.programming_meter import CommandFaults, ProgrammingMeter
from metersdk.effects import Dialog
from metersdk.errors import Finding, LocalProtocolError, MeterReportedError, PartialResult
from metersdk.model.event import Event
from metersdk.model.profile import Profile
from metersdk.model.query import ProfileQuery
from metersdk.model.quirks import Quirks
from metersdk.port.drive import run
from metersdk.port.line import LineModel
from metersdk.port.virtual import VirtualPort
from metersdk.simulator.device import MeterDevice
from metersdk.simulator.image import Image
from metersdk.simulator.load_profile_text import METCOM, TextProfileSpec
from metersdk.simulator.programming import programming_side
from metersdk.simulator.station import StationSettings, optical_meter, station

NOW = datetime(2026, 11, 22, 12, 3, 4, tzinfo=UTC)
CET = Quirks(local_deviation=-60)
IMAGE = Image.load("residential")


def device(now: datetime = NOW, **text: Any) -> MeterDevice:
    spec = TextProfileSpec(**text)
    image = IMAGE.model_copy(update={"text_profiles": spec})
    return image.device(lambda: now)


class Bench:
    """One meter, one line, and what was heard."""

    def __init__(self, meter: MeterDevice, faults: CommandFaults = CommandFaults(), **line: Any) -> None:  # noqa: B008
        side = programming_side(meter, IMAGE.programming, faults=faults)
        optical = optical_meter(meter, programming=side)
        self.port = VirtualPort(station(meter, StationSettings(optical=optical)), LineModel(baud=300, **line))
        self.heard: list[object] = []

    def read(self, make: Callable[[Programming], Dialog[Any]], quirks: Quirks = CET) -> Any:
        def dialog() -> Dialog[Any]:
            settings = SignOn(mode="C", hdlc=False, retries=20, total=600.0, quirks=quirks)
            opened = yield from open_programming(settings, None, ProgrammingSettings())
            try:
                return (yield from make(opened))
            finally:
                yield from opened.close()

        return run(dialog(), self.port, self.heard.append)

    def profile(self, quirks: Quirks = CET, **query: Any) -> Profile:
        result: Profile = self.read(lambda opened: read_profile(opened, ProfileQuery(**query), quirks), quirks)
        return result

    def codes(self) -> set[str]:
        return {each.code for each in self.heard if isinstance(each, Finding)}


def starts(profile: Profile) -> list[str]:
    return [f"{time:%m-%d %H:%M%z}" for time in profile.columns[0]]


def steps(profile: Profile) -> set[int]:
    return {(after - before) // 60_000 for before, after in pairwise(profile.times)}


# --- what is asked for ------------------------------------------------------------------------------------------------


def test_a_span() -> None:
    profile = Bench(device()).profile(start="2026-11-18T00:15", stop="2026-11-18T12:00")
    assert starts(profile)[0] == "11-18 00:15+0100" and starts(profile)[-1] == "11-18 12:00+0100"
    assert len(profile) == 48 and steps(profile) == {15} and profile.gaps == [] and profile.findings == ()
    assert [column.obis.reduced for column in profile.columns] == ["0-0:1.0.0", "C.10.1", "1.8.0", "2.8.0"]
    assert profile.columns[2].unit is not None and profile.columns[2].unit.symbol == "Wh"


def test_the_same_as_over_dlms() -> None:
    meter = device()
    profile = Bench(meter).profile(start="2026-11-18T00:15", stop="2026-11-18T01:00")
    rows = meter.rows_of(profile.head.obis)
    assert rows is not None
    times = [time for time in rows.times(meter.seconds()) if profile.times[0] <= time * 1000 <= profile.times[-1]]
    assert [time * 1000 for time in times] == list(profile.times)
    for column in profile.columns[2:]:
        source = meter.source(column.obis)
        assert [int(value) for value in column] == source.values(meter, times)


def test_last_counts_from_the_clock_of_the_meter() -> None:
    profile = Bench(device()).profile(last="6h")
    assert starts(profile)[-1] == "11-22 13:00+0100" and len(profile) == 24


def test_whole_and_columns_and_entries() -> None:
    bench = Bench(device(), piece=None)
    profile = bench.profile(obis="P.02", entries=(2, 4), columns=["1.8.2"])
    whole = Bench(device()).profile(obis="P.02")
    assert len(whole) > 300 and whole.findings == ()
    assert list(profile.times) == list(whole.times[1:4])
    assert [column.obis.reduced for column in profile.columns] == ["0-0:1.0.0", "1.8.2"]
    assert [finding.code for finding in profile.findings] == ["profile-selection"]
    with pytest.raises(LocalProtocolError):
        bench.profile(obis="P.02", last="3d", columns=["1.8.9"])


def test_aware_bounds() -> None:
    start = datetime(2026, 9, 1, 10, 0, tzinfo=UTC)
    profile = Bench(device()).profile(start=start, stop=start + timedelta(hours=1))
    assert starts(profile) == [f"09-01 {time}+0200" for time in ("12:00", "12:15", "12:30", "12:45", "13:00")]


def test_pieces() -> None:
    bench = Bench(device())
    make = partial(iter_profile, query=ProfileQuery(last="2d"), quirks=CET)
    bench.read(make)
    pieces = [each for each in bench.heard if isinstance(each, Profile)]
    assert len(pieces) > 10 and max(map(len, pieces)) < 20
    assert Profile.concat(pieces) == Bench(device()).profile(last="2d")


# --- time -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("heeds", [False, True])
@pytest.mark.parametrize("chunk", [1440, 45, 0])
@pytest.mark.parametrize(
    ("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-07-01", 24), ("2026-01-10", 24)]
)
def test_a_day_has_all_its_hours(day: str, hours: int, chunk: int, heeds: bool) -> None:
    quirks = Quirks(local_deviation=-60, profile_chunk=chunk)
    end = (datetime.fromisoformat(day) + timedelta(days=1)).isoformat()
    now = datetime.fromisoformat(f"{day}T10:00Z") + timedelta(days=3)
    profile = Bench(device(now, heeds_season=heeds)).profile(quirks, start=f"{day}T00:15", stop=end)
    assert len(profile) == hours * 4 and steps(profile) == {15} and profile.gaps == []
    assert len(set(profile.times)) == len(profile)


def test_without_a_zone() -> None:
    profile = Bench(device()).profile(Quirks(), start="2026-10-25T01:00", stop="2026-10-25T04:00")
    assert [time[6:] for time in starts(profile)][3:13:4] == ["01:45", "02:45", "02:45"]
    assert len(profile) == 17 and profile.gaps == []
    assert [finding.code for finding in profile.findings] == ["zone-unknown"]


def test_utc_stamps_and_stamps_of_starts() -> None:
    usual = Bench(device()).profile(start="2026-10-25T00:15", stop="2026-10-26")
    utc = Bench(device(season="utc")).profile(
        Quirks(local_deviation=0), start="2026-10-24T22:15", stop="2026-10-25T23:00"
    )
    assert list(utc.times) == list(usual.times)
    early = Bench(device(stamp="start")).profile(
        Quirks(local_deviation=-60, stamp="start"), start="2026-10-25T00:15", stop="2026-10-26"
    )
    assert list(early.times) == list(usual.times)


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("zone", [1, -5])
def test_a_meter_that_counts_in_utc_whatever_it_is_asked_in(
    told: bool, zone: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not told:
        # Its clock does not say so; its first row does.
        monkeypatch.setattr("metersdk.dialog.ascii_session.read_clock", lambda _: no_clock())
    here = timezone(timedelta(hours=zone))
    start, stop = datetime(2026, 11, 18, 0, 15, tzinfo=here), datetime(2026, 11, 18, 6, 0, tzinfo=here)
    meter = Bench(device(season="utc"))
    profile = meter.profile(Quirks(local_deviation=-60 * zone), start=start, stop=stop)
    assert len(profile) == 24 and profile.gaps == []
    first, last = profile.times[0], profile.times[-1]
    assert (first, last) == (start.timestamp() * 1000, stop.timestamp() * 1000)


def no_clock() -> Dialog[Zst | None]:
    yield from ()
    return None


def test_the_end_of_a_span_south_of_the_equator() -> None:
    # Summer there in January: a meter that ignores the season digit takes the bound for its own time.
    sydney = Quirks(local_deviation=-600)
    noon = datetime(2026, 1, 12, 12, 0, tzinfo=timezone(timedelta(hours=11)))
    stop = span_of(None, noon, sydney).stop
    assert stop is not None and stop.encode(seconds=False) == "12601121200"
    summer = Zst(datetime(2026, 1, 20, 9, 0), Season.SUMMER)
    for clock, start in ((None, "02601121100"), (summer, "02601121100")):
        found = span_of(noon, None, sydney, clock=clock).start
        assert found is not None and found.encode(seconds=False) == start
    local = noon.replace(tzinfo=None)
    found = span_of(local, None, sydney, clock=summer).start
    assert found is not None and found.encode(seconds=False) == "12601121200"


def test_a_meter_that_answers_from_too_late_on() -> None:
    usual = Bench(device()).profile(start="2026-11-18T06:00", stop="2026-11-18T12:00")
    for quirks in (CET, Quirks(local_deviation=-60, profile_lead=120)):
        late = Bench(device(shift=120)).profile(quirks, start="2026-11-18T06:00", stop="2026-11-18T12:00")
        assert list(late.times) == list(usual.times)


def test_dialects_and_missing_values() -> None:
    query = {"start": "2026-11-18T00:15", "stop": "2026-11-18T06:00"}
    usual = Bench(device()).profile(**query)
    for text in ({"status_bits": 32}, METCOM.model_dump(), {"block": 0}, {"block": 17}):
        assert Bench(device(**text)).profile(**query) == usual
    holes = Bench(device(missing_every=5)).profile(**query)
    assert list(holes.columns[2]).count(None) + list(holes.columns[3]).count(None) == 10
    assert list(holes.times) == list(usual.times)


def test_the_gap_of_a_power_failure_is_a_gap_not_a_loss() -> None:
    profile = Bench(device()).profile(start="2026-11-19T20:00", stop="2026-11-21T06:00")
    assert [missing for *_, missing in profile.gaps] == [3]
    assert not profile.truncated and 0x80 in profile.columns[1].raw


# --- damage -----------------------------------------------------------------------------------------------------------


def test_a_truncated_answer_is_resumed() -> None:
    usual = Bench(device()).profile(last="2d")
    cut = Bench(device(cut_rows=7)).profile(last="2d")
    assert cut == Profile(usual.head, usual.table)
    assert {"truncated", "extra-line-time"} <= {finding.code for finding in cut.findings}


@pytest.mark.parametrize("kind", ["bad_bcc", "cut", "swallowed", "deaf"])
def test_faults_of_the_meter(kind: str) -> None:
    usual = Bench(device()).profile(last="1d")
    bench = Bench(device(), CommandFaults(good_commands=2, **{kind: 12}))
    assert Profile(usual.head, bench.profile(last="1d").table) == usual


@pytest.mark.parametrize(
    "line",
    [{"flip": 0.01, "seed": 1}, {"flip": 0.01, "seed": 2}, {"lose": 0.005, "seed": 1}, {"lose": 0.005, "seed": 2}],
)
@pytest.mark.parametrize("block", [0, 256])
def test_damaged_lines_give_the_same_rows_or_say_which_are_missing(line: dict[str, Any], block: int) -> None:
    usual = Bench(device()).profile(last="2d")
    bench = Bench(device(block=block), **line)
    try:
        profile = bench.profile(last="2d")
        assert list(profile.times) == list(usual.times)
    except PartialResult as partial_result:
        profile = partial_result.result  # type: ignore[assignment]
        assert profile.truncated and "missing" in partial_result.message
    known = dict(zip(usual.times, zip(*usual.columns[1:], strict=True), strict=True))
    for time, cells in zip(profile.times, zip(*profile.columns[1:], strict=True), strict=True):
        assert known[time] == cells
    assert "extra-line-time" in bench.codes()


@pytest.mark.parametrize("line", [{"flip": 0.01, "seed": 1}, {"lose": 0.005, "seed": 2}])
def test_thirty_days_come_home_complete(line: dict[str, Any]) -> None:
    usual = Bench(device()).profile(last="30d")
    profile = Bench(device(), **line).profile(last="30d")
    assert len(profile) == 2881 and Profile(usual.head, profile.table) == usual
    assert "extra-line-time" in {finding.code for finding in profile.findings}


def test_a_line_that_dies_names_what_is_missing() -> None:
    usual = Bench(device()).profile(last="3d")
    bench = Bench(device(), fade=9000)
    with pytest.raises(PartialResult) as caught:
        bench.profile(last="3d")
    profile = caught.value.result
    assert isinstance(profile, Profile) and profile.truncated and 0 < len(profile) < len(usual)
    assert list(profile.times) == list(usual.times[: len(profile)])
    first = usual.columns[0].moment(len(profile))
    spans = [finding.text for finding in profile.findings if finding.code == "missing-interval"]
    assert first is not None and spans == [f"never came: {first:%Y-%m-%dT%H:%M} normal time to the end"]
    assert spans[0].removeprefix("never came: ") in caught.value.message


def test_pieces_of_a_line_that_dies() -> None:
    bench = Bench(device(), fade=9000)
    with pytest.raises(PartialResult):
        bench.read(partial(iter_profile, query=ProfileQuery(last="3d"), quirks=CET))
    pieces = [each for each in bench.heard if isinstance(each, Profile)]
    assert pieces[-1].truncated and sum(map(len, pieces)) > 50


def test_refusals() -> None:
    with pytest.raises(MeterReportedError) as caught:
        Bench(device()).profile(obis="P.07")
    assert caught.value.code == "ERROR"
    with pytest.raises(LocalProtocolError):
        Bench(device()).profile(obis="1.8.0")


# --- the clock and the log book ---------------------------------------------------------------------------------------


def test_the_clock() -> None:
    clock = Bench(device()).read(read_clock)
    assert clock.local.replace(second=0) == datetime(2026, 11, 22, 13, 3)


def events(bench: Bench, **query: Any) -> list[Event]:
    found: list[Event] = bench.read(partial(read_events, query=ProfileQuery(**query), quirks=CET))
    return found


def test_events_with_status_words_and_with_codes() -> None:
    words = events(Bench(device()), start="2026-11-01")
    codes = events(Bench(device(codes="full")), start="2026-11-01")
    assert len(words) == len(codes) > 5
    assert [event.time for event in words] == [event.time for event in codes]
    assert {event.text for event in words} >= {"power down", "power up"}
    assert {(event.code, event.text) for event in codes} >= {(1, "power down"), (2, "power up")}
    assert all(event.time and event.time.utcoffset() == timedelta(hours=1) for event in words)


@pytest.mark.parametrize("line", [{}, {"flip": 0.01, "seed": 5}, {"lose": 0.003, "seed": 5}])
def test_all_events(line: dict[str, Any]) -> None:
    usual = events(Bench(device()))
    assert len(usual) == 200
    assert events(Bench(device(), **line)) == usual


def test_a_clock_that_was_set_brings_the_new_time() -> None:
    found = [event for event in events(Bench(device())) if event.text == "clock set"]
    assert found and all(len(event.values) == 2 and event.values[0].obis.reduced == "0.9.1" for event in found)


def test_a_season_that_nobody_expected_is_looked_behind() -> None:
    # Summer in November, as in Sydney: asked for 12:00 normal time, such a meter begins at 13:00 of its own.
    asked: list[str] = []

    def blocks(address: str, values: str) -> Iterator[bytes] | None:
        if address != "P.01":
            return None
        asked.append(values)
        bound = Zst.parse(values.partition(";")[0]).normal
        first = max(bound, datetime(2026, 11, 20, 10, 0))
        shown = Zst(first + timedelta(hours=1), Season.SUMMER).encode()
        rows = "".join(f"({hour:02d})\r\n" for hour in range(first.hour, 15))
        return iter([f"P.01({shown})(08)(60)(1)(1.5)(kW)\r\n{rows}".encode()])

    side = ProgrammingMeter(Shelf(), blocks)
    line = VirtualPort(serve(OpticalMeter(b"/ABC5METER", lambda: b"", programming=side)), LineModel(baud=300))
    sydney = Quirks(local_deviation=-600, profile_chunk=0)
    opened = run(open_programming(SignOn(), None, ProgrammingSettings()), line)
    query = ProfileQuery(start="2026-11-20T12:00", stop="2026-11-20T15:00")
    profile = run(read_profile(opened, query, sydney), line)
    assert [f"{time:%H:%M}" for time in profile.columns[0]] == ["12:00", "13:00", "14:00", "15:00"]
    assert [values[:11] for values in asked] == ["02611201200", "12611200900"]
