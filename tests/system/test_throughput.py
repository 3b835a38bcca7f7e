"""What the line allows is what is read: the client lets no time pass, and says nothing that need not be said."""

from __future__ import annotations

from typing import Any

import pytest

from metersdk.port.line import LineModel

MakeRig = Any
ROWS = 10_000


@pytest.mark.parametrize("baud", [9600, 19200])
def test_a_long_profile_takes_what_its_octets_take(rig: MakeRig, baud: int) -> None:
    """10,000 rows, the meter answers after 20 ms, frames of 2030 octets in windows of 7."""
    line = LineModel(baud=baud, turnaround=0.02, client_turnaround=0.003)
    it = rig(speech="hdlc", image="bench", baud=baud, model=line)
    meter = it.connect()
    port = it.line(meter)
    start, said = port.now(), len(port.log)
    profile = meter.get_profile("1.0.99.1.0.255")
    taken = port.now() - start
    octets = len(profile) * 38 + 4
    assert len(profile) == ROWS and not profile.truncated
    assert list(profile.column("1.0.1.8.0.255").raw[:3]) == [1000, 1001, 1002]
    # Payload alone, ten bits an octet, against everything: the questions of the head, frames, headers, turnarounds.
    assert octets * 10 / baud / taken >= 0.98
    # Nobody waits for anything but the other's last octet.
    exchanged = it.pauses(port)[said:] or it.pauses(port)
    for side, pause in exchanged:
        assert pause == pytest.approx(0.003 if side == "client" else 0.02, abs=1e-9)


def test_late_octets_are_waited_for_and_no_longer(rig: MakeRig) -> None:
    """A probe that hands octets on 16 ms late costs exactly that, once for each turn."""
    times = []
    for latency in (0.0, 0.016):
        line = LineModel(baud=19200, turnaround=0.02, latency=latency)
        it = rig(speech="hdlc", image="bench", baud=19200, model=line)
        meter = it.connect()
        port = it.line(meter)
        start = port.now()
        meter.get_profile("1.0.99.1.0.255", entries=(1, 1000))
        turns = sum(event.side == "client" and event.start >= start for event in port.log)
        times.append((port.now() - start, turns))
    (prompt, turns), (late, also) = times
    assert turns == also
    assert late - prompt == pytest.approx(turns * 0.016, abs=0.001)


@pytest.mark.parametrize("client", [16, 1])
@pytest.mark.parametrize("speech", ["hdlc", "wrapper", "optical"])
def test_every_session_speaks_at_once(rig: MakeRig, speech: str, client: int) -> None:
    """From the hand-over on; the sign-on has its own times, which bind the reader, too (tr)."""
    line = LineModel(baud=300 if speech == "optical" else 9600, turnaround=0.05)
    it = rig(speech=speech, client=client, model=line)
    meter = it.connect()
    port = it.line(meter)
    meter.get_profile("1.0.99.1.0.255")
    start = port.now()
    before = sum(event.kind == "send" and event.end <= start for event in port.log)
    meter.registers()
    meter.get_profile("1.0.99.1.0.255")
    meter.close()
    pauses = [pause for side, pause in it.pauses(port)[before - 1 :] if side == "client"]
    assert len(pauses) >= 4 and max(pauses) < 1e-9
