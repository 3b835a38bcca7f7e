"""Given up amid a profile: the meter is heard out and told good-bye, and the next session on the same line signs on."""

from __future__ import annotations

import pytest

from metersdk.dialog.hearing import Hearing
from metersdk.dialog.opening import open_session
from metersdk.meter import Meter, plan_for
from metersdk.port.drive import run
from metersdk.port.target import parse_address
from metersdk.simulator.inprocess import open_simulated


@pytest.mark.parametrize("pieces", [1, 5, 20, 100])
def test_next_session_signs_on_at_once(pieces: int, monkeypatch: pytest.MonkeyPatch) -> None:
    address = parse_address("sim://bench")
    plan = plan_for(address, "auto", None, None, None, None, 16, 1, None, None)
    port = open_simulated(address)
    meter = Meter(port, run(open_session(plan), port), Hearing())
    receive, left = port.receive, pieces

    def until_interrupted(timeout: float) -> bytes:
        nonlocal left
        left -= 1
        if left < 0:
            raise KeyboardInterrupt
        # Short waits, so that the interrupt comes while the meter is talking.
        return receive(min(timeout, 0.2))

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(port, "receive", until_interrupted)
        meter.get_profile("1.0.99.1.0.255")
    given_up = port.now()
    # Not meter.close(): the line stays, and the next session is on it.
    run(meter._session.close(), port)
    # The longest window at this speed, and the good-byes.
    assert port.now() - given_up < 16.0 + 5.0
    said = [event.data for event in port.log if event.side == "client" and event.data]
    assert said[-1] == bytes.fromhex("7ea00703215303c77e"), "DISC"
    signed_on = port.now()
    with Meter(port, run(open_session(plan), port), Hearing()) as again:
        assert again.identity.serial_number
        assert port.now() - signed_on < 6.0
