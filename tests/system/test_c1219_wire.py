"""What an ANSI load profile costs on the wire, counted to the octet under the virtual clock."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from c1219_rig import C1219Rig, wire

from metersdk.port.line import LineModel

SPEEDS = [9600, 19200, 57600]
# 60 days, 2 channels, 15 minutes: blocks of 5 + 2 x 4 + 96 x (2 + 2 x 2) octets.
BLOCK, HEADER, RECORD = 589, 13, 6
# 22 intervals into the second day after the first visit.
LATER = datetime(2026, 2, 4, 5, 37, tzinfo=UTC)


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
    assert one == 2 * (11 + 1 + 13 + 12 + 1) + 17 + HEADER + 30 * RECORD + 13


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
