"""What an ANSI load profile costs on the wire, counted to the octet under the virtual clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from c1219_rig import C1219Rig, wire

from metersdk.port.line import LineModel

SPEEDS = [9600, 19200, 57600]
# 60 days, 2 channels, 15 minutes: blocks of 5 + 2 x 4 + 96 x (2 + 2 x 2) octets.
BLOCK, HEADER, RECORD = 589, 13, 6
# 22 intervals into the second day after the first visit.
LATER = datetime(2026, 2, 4, 5, 37, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
# Packets, ACKs and services around the octets of a table: a whole read of table 63 with its 13, a read by offset.
LOOK, PART = 11 + 1 + 13 + 12 + 1, 16 + 1 + 12 + 1


@pytest.mark.parametrize("speed", SPEEDS)
def test_sixty_days_cost_three_in_a_hundred_and_two_new_blocks_900_octets(speed: int) -> None:
    rig = C1219Rig(blocks=60, intervals=96, options={"max_baud": speed}, model=LineModel(baud=9600, turnaround=0.03))
    device = rig.device()
    port = rig.port(device)
    meter = rig.connect(port)
    assert meter.identity.baud == speed

    # With all that describes it: tables 0, 1, 11, 12, 15, 16, 51 to 53, 61 to 63 are read for the first time.
    rig = C1219Rig(blocks=60, intervals=96, options={"max_baud": speed})
    meter = rig.connect(port := rig.port(device))
    before, began = wire(meter), port.now()
    profile = meter.get_profile()
    cost, seconds = wire(meter) - before, port.now() - began
    octets = 60 * HEADER + len(profile) * RECORD
    assert len(profile) == 59 * 96 + 30 and octets == 60 * BLOCK - 66 * RECORD
    assert cost <= 1.03 * octets, cost / octets
    assert seconds <= 1.03 * octets * 10 / speed + 1.0
    assert profile.gaps == [] and profile.findings == ()

    # A day later: the newest block is full, and another one has begun.
    device.set_clock(LATER)
    last = profile.times[len(profile) - 1]
    before = wire(meter)
    fresh = meter.get_profile(start=datetime.fromtimestamp(last / 1000, UTC))
    assert wire(meter) - before <= 900
    assert fresh.times[0] == last and len(fresh) == 1 + 66 + 22
    assert fresh.gaps == []
    assert fresh[0] == profile[len(profile) - 1]
    meter.close()


def test_a_block_that_was_read_is_not_read_again_for_its_time() -> None:
    rig = C1219Rig(blocks=60, intervals=96)
    meter = rig.connect()
    meter.get_profile()
    before = wire(meter)
    assert len(meter.get_profile(entries=(5694, 5694))) == 1
    one = wire(meter) - before
    # Table 63 twice, and the newest block with its 30 intervals.
    assert one == 2 * LOOK + (PART + HEADER) + (PART + RECORD)


@pytest.mark.parametrize("filled", [1, 12, 30, 61, 95, 96])
@pytest.mark.parametrize("more", [0, 23])
def test_a_day_more_costs_at_most_900_octets_whatever_the_fill(filled: int, more: int) -> None:
    """The rows of a day, and of six hours more, in two blocks or three: what was there before is not read again."""
    rig = C1219Rig(blocks=60, intervals=96)
    device = rig.device()
    # 30 intervals of the newest block are there at 07:30.
    seen = datetime(2026, 2, 3, 7, 37, tzinfo=UTC) + (filled - 30) * QUARTER
    device.set_clock(seen)
    meter = rig.connect(rig.port(device))
    profile = meter.get_profile()
    assert len(profile) == 59 * 96 + filled

    device.set_clock(seen + (96 + more) * QUARTER)
    last = profile.clock.moment(len(profile) - 1)  # type: ignore[union-attr]
    before = wire(meter)
    fresh = meter.get_profile(start=last)
    cost = wire(meter) - before
    assert cost <= 900
    # Table 63 twice, a header alone, and the rows from the last known on, with the headers between them.
    headers = 2 if filled + more <= 96 else 3
    assert cost == 2 * LOOK + 2 * PART + headers * HEADER + (1 + 96 + more) * RECORD
    assert len(fresh) == 1 + 96 + more and fresh.gaps == []
    assert fresh[0] == profile[len(profile) - 1]
    whole = rig.connect(rig.port(device)).get_profile(start=last)
    assert list(fresh.rows()) == list(whole.rows())


@pytest.mark.parametrize("span", ["6h", "1d", "7d", "30d"])
def test_only_the_blocks_of_the_span_are_read(span: str) -> None:
    """A few headers tell where it begins."""
    rig = C1219Rig(blocks=60, intervals=96)
    meter = rig.connect()
    meter.get_profile(entries=(1, 1))
    before = wire(meter)
    profile = meter.get_profile(last=span)
    rows = len(profile)
    blocks = -(-rows // 96) + 1
    assert wire(meter) - before <= blocks * BLOCK * 1.02 + 400, (rows, wire(meter) - before)
