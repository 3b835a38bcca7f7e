"""Load profiles of ANSI meters: what is read, what is proved, and what becomes of blocks that move meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from c1219_rig import Between, C1219Rig, is_read_of, wire

from metersdk.dialog.psem import Access
from metersdk.errors import Finding, LocalProtocolError, PartialResult, PortClosed, PsemError, RemoteProtocolError
from metersdk.meter import Meter
from metersdk.model.profile import Profile
from metersdk.port.virtual import VirtualPort

NOW = datetime(2026, 2, 3, 7, 37, tzinfo=UTC)
INTERVAL = timedelta(minutes=15)
# (old, new) in the image, for every way a list may be kept.
LISTS = {
    "circular": (),
    "shifting": (("minutes = 15", 'minutes = 15\nlist = "shifting"'),),
    "newest first": (("minutes = 15", 'minutes = 15\nlist = "shifting"\norder = "descending"'),),
    "intervals newest first": (("minutes = 15", 'minutes = 15\ninterval_order = "descending"'),),
}
OUT_OF_REACH = 60


def truth(rig: C1219Rig, at: datetime = NOW) -> dict[int, tuple[object, ...]]:
    """Rows of a meter whose clock stands still, by their time."""
    device = rig.device()
    device.set_clock(at)
    profile = rig.connect(rig.port(device)).get_profile()
    return dict(zip(profile.times, profile.rows(), strict=True))


def changed(access: str, *more: tuple[str, str]) -> tuple[tuple[str, str], ...]:
    return (('model = "SMALL"', f'model = "SMALL"\ndata_access = "{access}"'), *more)


@pytest.mark.parametrize("access", ["offset", "both", "index", "full"])
@pytest.mark.parametrize("kept", LISTS)
def test_a_whole_profile_by_every_access(access: str, kept: str) -> None:
    rig = C1219Rig(changes=changed(access, *LISTS[kept]))
    profile = rig.connect().get_profile()
    # 2026-02-03 07:37 UTC: 5 full blocks, and a part of one.
    assert len(profile) > 5 * 8 and profile.gaps == [] and profile.findings == ()
    assert profile.times[len(profile) - 1] == int(datetime(2026, 2, 3, 7, 30, tzinfo=UTC).timestamp()) * 1000
    assert list(profile.times) == sorted(profile.times)
    assert [str(column.obis) for column in profile.columns][2:4] == ["1.0.1.29.0.255", "1.0.2.29.0.255"]
    assert list(profile.rows()) == list(C1219Rig().connect().get_profile().rows())


@pytest.mark.parametrize("kept", LISTS)
@pytest.mark.parametrize("packet", [64, 128, 1024])
def test_blocks_longer_than_an_answer(kept: str, packet: int) -> None:
    """Without Negotiate an answer has 52 octets of a table."""
    rig = C1219Rig(changes=LISTS[kept], options={"packet_size": packet, "packets": 1})
    assert list(rig.connect().get_profile().rows()) == list(C1219Rig().connect().get_profile().rows())


def test_a_meter_that_gives_whole_tables_only_needs_long_answers() -> None:
    rig = C1219Rig(changes=changed("full"), options={"packets": 1, "packet_size": 128})
    with pytest.raises(LocalProtocolError, match="only whole") as caught:
        rig.connect().get_profile()
    assert "packet_size" in caught.value.hint


@pytest.mark.parametrize("access", ["offset", "index", "full"])
def test_queries(access: str) -> None:
    rig = C1219Rig(blocks=20, changes=changed(access))
    meter = rig.connect()
    whole = meter.get_profile()
    times = [whole.clock.moment(row) for row in range(len(whole))]  # type: ignore[union-attr]
    rows = list(whole.rows())
    size = len(rows)

    def same(profile: Profile, first: int, behind: int) -> None:
        assert list(profile.rows()) == rows[first:behind], (first, behind)

    for first, behind in ((0, 1), (3, 20), (8, 16), (size - 1, size), (size - 9, size), (7, 9), (0, size)):
        same(meter.get_profile(entries=(first + 1, behind)), first, behind)
        same(meter.get_profile(start=times[first], stop=times[behind - 1]), first, behind)
        same(meter.get_profile(start=times[first]), first, size)
        same(meter.get_profile(stop=times[behind - 1]), 0, behind)
        local = [times[first].replace(tzinfo=None), times[behind - 1].replace(tzinfo=None)]
        same(meter.get_profile(start=local[0], stop=local[1]), first, behind)
    same(meter.get_profile(entries=(size - 2, 0)), size - 3, size)
    same(meter.get_profile(entries=(size + 1, 0)), size, size)
    same(meter.get_profile(last="2h"), size - 8, size)
    same(meter.get_profile(start="2030-01-01"), size, size)
    same(meter.get_profile(stop="2020-01-01"), 0, 0)
    some = meter.get_profile(columns=["1-0:2.29.0"], last="1h")
    assert [str(column.obis) for column in some.columns] == ["0.0.1.0.0.255", "1.0.2.29.0.255"]
    assert [row[1] for row in some.rows()] == [row[3] for row in rows[-4:]]
    with pytest.raises(LocalProtocolError, match=r"does not record 1\.0\.3\.29\.0\.255"):
        meter.get_profile(columns=["3.29.0"])
    pieces = list(meter.iter_profile(last="2h"))
    same(Profile.concat(pieces), size - 8, size)


@pytest.mark.parametrize("kept", LISTS)
@pytest.mark.parametrize("access", ["offset", "both", "index"])
def test_a_span_may_begin_anywhere_in_a_block(kept: str, access: str) -> None:
    """Intervals before it are not read, where that saves a request's worth; those that are have the same values."""
    rig = C1219Rig(blocks=3, intervals=40, changes=changed(access, *LISTS[kept]))
    meter = rig.connect()
    whole = meter.get_profile()
    rows, size = list(whole.rows()), len(whole)
    assert size > 80
    for first in (0, 1, 10, 11, 12, 39, 40, 41, 79, size - 2, size - 1):
        moment = whole.clock.moment(first)  # type: ignore[union-attr]
        assert moment is not None
        for start in (moment, moment.replace(tzinfo=None), moment - timedelta(seconds=1)):
            assert list(meter.get_profile(start=start).rows()) == rows[first:], first
        assert list(rig.connect().get_profile(start=moment).rows()) == rows[first:], first
        assert list(meter.get_profile(entries=(first + 1, 0)).rows()) == rows[first:]
        assert list(meter.get_profile(entries=(first + 1, first + 1)).rows()) == rows[first : first + 1]
    assert list(meter.get_profile(start=datetime(2030, 1, 1, tzinfo=UTC)).rows()) == []
    before = wire(meter)
    assert len(meter.get_profile(start=whole.clock.moment(size - 1))) == 1  # type: ignore[union-attr]
    assert access == "index" or wire(meter) - before < 200


@pytest.mark.parametrize("kept", LISTS)
@pytest.mark.parametrize("step", [1, 40, 41, 81])
@pytest.mark.parametrize("before", [1, 2, 3])
@pytest.mark.parametrize("known", [False, True])
def test_a_span_of_blocks_that_move(kept: str, step: int, before: int, known: bool) -> None:
    """A header that was read to find the first interval may be that of another block by then."""
    rig = C1219Rig(blocks=6, intervals=40, changes=LISTS[kept])
    truths = truth(rig) | truth(rig, NOW + step * INTERVAL)
    start, stop = NOW - timedelta(hours=30), NOW - timedelta(hours=17)
    wanted = [time for time in truths if start.timestamp() <= time / 1000 <= stop.timestamp()]
    assert len(wanted) == 52
    steps: dict[int, timedelta] = {}
    meter, port, _ = moving(rig, is_read_of(64), steps)
    if known:
        meter.get_profile()
    steps[port.count + before] = step * INTERVAL
    profile = meter.get_profile(start=start, stop=stop)
    assert list(profile.times) == wanted
    assert list(profile.rows()) == [truths[time] for time in wanted]


def test_the_profile_is_named_by_its_set() -> None:
    meter = C1219Rig().connect()
    for code in (None, "1-0:99.1.0"):
        assert len(meter.get_profile(code)) > 40
    for code in ("1-0:99.2.0", "1-0:99.3.0", "1-0:99.4.0"):
        with pytest.raises(LocalProtocolError, match="has no load profile 1-0:99") as caught:
            meter.get_profile(code)
        assert caught.value.hint == "it has 1-0:99.1.0"
    with pytest.raises(LocalProtocolError, match="is no load profile"):
        meter.get_profile("1.0.99.98.0.255")


def moving(rig: C1219Rig, when: Callable[[bytes], bool], steps: dict[int, timedelta]) -> tuple[Meter, Between, Any]:
    """A meter whose clock goes on by a step before the n-th packet of a kind."""
    device = rig.device()
    clock = [NOW]

    def action(count: int) -> None:
        clock[0] += steps.get(count, timedelta())
        device.set_clock(clock[0])

    device.set_clock(NOW)
    port = Between(rig.port(device), when, action)
    return rig.connect(port), port, clock


@pytest.mark.parametrize("kept", LISTS)
@pytest.mark.parametrize("step", [1, 2, 8, 9, 20, 47, OUT_OF_REACH])
@pytest.mark.parametrize("before", [1, 2, 3])
def test_blocks_that_move_while_they_are_read(kept: str, step: int, before: int) -> None:
    """Whenever the clock jumps, every row is one that the meter had, at its own time; none is missing in between."""
    rig = C1219Rig(changes=LISTS[kept], options={"packets": 4, "packet_size": 64})
    meter, _, clock = moving(rig, is_read_of(64), {before: step * INTERVAL})
    known = truth(rig) | truth(rig, clock[0] + step * INTERVAL)
    profile = meter.get_profile()
    got = dict(zip(profile.times, profile.rows(), strict=True))
    assert all(known[time] == row for time, row in got.items())
    lost = [finding for finding in profile.findings if finding.code == "lp-overwritten"]
    assert lost or len(profile) > 40
    assert profile.gaps == []
    # The last row before the jump is there, unless the meter had overwritten it by then.
    assert step >= 47 or int(datetime(2026, 2, 3, 7, 30, tzinfo=UTC).timestamp()) * 1000 in got


@pytest.mark.parametrize("kept", LISTS)
def test_an_interval_more_each_time_is_no_end_without_it(kept: str) -> None:
    """Every look at table 63 sees another interval: the full blocks come, and so does the newest, or an error."""
    rig = C1219Rig(changes=LISTS[kept])
    meter, port, _ = moving(rig, is_read_of(64), dict.fromkeys(range(1, 100), INTERVAL))
    try:
        profile = meter.get_profile()
    except PartialResult as error:
        assert isinstance(error.__cause__, RemoteProtocolError)
        profile = error.result  # type: ignore[assignment]
        assert profile.truncated
    except RemoteProtocolError as error:
        assert "faster" in error.message and kept == "shifting"
        return
    assert port.count < 20 and len(profile) >= 30 and profile.gaps == []


def test_what_is_proved_is_not_read_again_after_a_break() -> None:
    """The meter falls silent for a while amid the blocks: a new session goes on where the old one broke off."""
    rig = C1219Rig(blocks=60, intervals=96)
    device = rig.device()
    line = rig.port(device)
    whole = rig.connect(line).get_profile()
    cost = sum(len(event.data) for event in line.log)

    deaf = C1219Rig(blocks=60, intervals=96)
    device = deaf.device()
    port = deaf.port(device)
    silent = Silence(port, octets=20_000, seconds=9.0)
    events: list[object] = []
    meter = deaf.connect(silent, events.append)
    profile = meter.get_profile()
    assert list(profile.rows()) == list(whole.rows())
    assert [event.code for event in events if isinstance(event, Finding)].count("c12-session-renewed") == 1
    again = sum(len(event.data) for event in port.log)
    # One answer of 12 KiB, the sign-on, and the repeats of the link while nobody heard.
    assert again - cost < 12 * 1024 + 1500
    meter.close()


class Silence:
    """A line that carries nothing for some seconds, once so many octets have come from the meter."""

    def __init__(self, port: VirtualPort, octets: int, seconds: float) -> None:
        self.port = port
        self.name = port.name
        self.now, self.set_line, self.sleep, self.close = port.now, port.set_line, port.sleep, port.close
        self._left = octets
        self._seconds = seconds
        self._until = 0.0

    def send(self, data: bytes) -> None:
        if self.port.now() < self._until:
            self.port.sleep(len(data) / 960)
        else:
            self.port.send(data)

    def receive(self, timeout: float) -> bytes:
        data = self.port.receive(timeout)
        if self._left > 0:
            self._left -= len(data)
            if self._left <= 0:
                self._until = self.port.now() + self._seconds
        return b"" if self.port.now() < self._until else data


def test_a_profile_that_breaks_off_keeps_what_was_proved() -> None:
    rig = C1219Rig(blocks=60, intervals=96)
    whole = list(rig.connect().get_profile().rows())

    def hang_up(count: int) -> None:
        if count == 4:
            raise PortClosed("unplugged", layer="port")

    port = Between(rig.port(), is_read_of(64), hang_up)
    with pytest.raises(PartialResult, match="broke off after") as caught:
        rig.connect(port).get_profile()
    home = caught.value.result
    assert isinstance(home, Profile) and home.truncated and isinstance(caught.value.__cause__, PortClosed)
    assert 0 < len(home) < len(whole) and list(home.rows()) == whole[: len(home)]
    assert "ask for the rest from 20" in caught.value.hint

    port = Between(rig.port(), is_read_of(64), hang_up)
    pieces: list[Profile] = []
    with pytest.raises(PortClosed):
        pieces.extend(rig.connect(port).iter_profile())
    rows = [row for piece in pieces for row in piece.rows()]
    assert pieces[-1].truncated is True or not pieces
    assert rows == whole[: len(rows)]


def test_another_meter_under_the_probe_is_noticed() -> None:
    rig = C1219Rig(blocks=60, intervals=96)
    device, other = rig.device(), rig.but(changes=(('serial = "42"', 'serial = "43"'),)).device()
    line = rig.port(device)

    def swap(count: int) -> None:
        if count == 3:
            device.c1219.__dict__.update(other.c1219.__dict__)
            # It knows nothing of the session.
            line.sleep(7.0)

    with pytest.raises(PartialResult) as caught:
        rig.connect(Between(line, is_read_of(64), swap)).get_profile()
    assert isinstance(caught.value.__cause__, RemoteProtocolError) and "another one" in caught.value.message


def test_refused_parts_are_read_in_another_way() -> None:
    """Table 0 offers offsets, and the meter refuses them."""
    rig = C1219Rig(changes=changed("both"))
    device = rig.device()
    meter = device.c1219

    class ByIndexOnly(type(meter)):  # type: ignore[misc]
        access = Access.INDEX

    meter.__class__ = ByIndexOnly
    events: list[object] = []
    profile = rig.connect(rig.port(device), events.append).get_profile()
    assert len(profile) > 40
    assert "lp-no-offset" in [event.code for event in events if isinstance(event, Finding)]


def test_a_set_that_may_not_be_read_is_refused_by_its_name() -> None:
    rig = C1219Rig(password=None)
    with pytest.raises(PsemError, match="insufficient security clearance"):
        rig.connect().get_profile()


def test_a_date_is_midnight_of_the_meter() -> None:
    meter = C1219Rig(blocks=20).connect()
    profile = meter.get_profile(start=date(2026, 2, 3))
    first = profile.clock.moment(0)  # type: ignore[union-attr]
    assert first is not None and (first.hour, first.minute, first.utcoffset()) == (0, 0, timedelta(hours=-6))


def test_the_tables_that_describe_it_are_read_once() -> None:
    rig = C1219Rig()
    meter = rig.connect()
    before = wire(meter)
    meter.get_profile()
    first, before = wire(meter) - before, wire(meter)
    meter.get_profile()
    assert wire(meter) - before < first - 300
