"""DLMS over UDP: an answer of any length comes home in datagrams that no path has to cut."""

from __future__ import annotations

import metersdk
from metersdk.simulator.server import Simulator


def test_a_long_profile_over_udp() -> None:
    with Simulator("residential", ["udp://127.0.0.1:0"]) as simulator, metersdk.connect(simulator.targets[0]) as meter:
        lengths: list[int] = []
        whole = meter._port.receive

        def receive(timeout: float) -> bytes:
            lengths.append(len(data := whole(timeout)))
            return data

        meter._port.receive = receive  # type: ignore[method-assign]
        # 2880 rows in one answer would be more than a datagram holds.
        assert len(meter.get_profile(entries=(1, 2880))) == 2880
        assert 1000 < max(lengths) <= 1232 and sum(lengths) > 20_000
