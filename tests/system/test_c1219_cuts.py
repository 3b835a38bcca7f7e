"""Sessions with an ANSI meter cut at every octet, either way: a typed error in time, and the next session, with the
same meter in whatever state it was left, begins cleanly and reads all."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, Literal

import pytest
from c1219_rig import MASTER, C1219Rig

from metersdk.dialog.timing import GOODBYE, Timing
from metersdk.errors import MeterError, NoAnswer, PartialResult, PortClosed
from metersdk.meter import Meter
from metersdk.port.line import LineModel
from metersdk.port.virtual import VirtualPort

Way = Literal["to the meter", "from the meter"]
TIMING = Timing(response=4.0, total=60.0)
# Longer than the traffic time-out.
FORGOTTEN = 10.0


def profile(meter: Meter) -> object:
    return list(meter.get_profile(entries=(3, 7)).rows())


def clock_set(meter: Meter) -> object:
    meter.set_clock(meter.clock.to_datetime())
    return str(meter.clock)


def registers(meter: Meter) -> object:
    return [str(reading) for reading in meter.registers()]


USES: dict[str, Callable[[Meter], object]] = {"profile": profile, "clock": clock_set, "registers": registers}
# A profile at every octet; what differs in the others lies between.
STEPS = {"profile": 1, "clock": 4, "registers": 4}
TINY = {"blocks": 3, "intervals": 4, "password": MASTER, "timing": TIMING, "model": LineModel(baud=9600)}


class Cut:
    """A port that goes away after so many octets one way, or falls silent; the line behind it stays."""

    def __init__(self, port: VirtualPort, way: Way, octets: int, *, silent: bool) -> None:
        self.port = port
        self.name = port.name
        self.now, self.set_line, self.sleep = port.now, port.set_line, port.sleep
        self._way, self._left, self._silent = way, octets, silent
        self._gone = False

    def send(self, data: bytes) -> None:
        if self._way == "to the meter":
            data, self._left = data[: max(0, self._left)], self._left - len(data)
            if data and not self._gone:
                self.port.send(data)
            self._judge()
        elif self._gone:
            self._judge()
        else:
            self.port.send(data)

    def receive(self, timeout: float) -> bytes:
        if self._gone:
            self._judge()
            self.port.receive(0.0)
            self.port.sleep(timeout)
            return b""
        data = self.port.receive(timeout)
        if self._way == "from the meter":
            data, self._left = data[: max(0, self._left)], self._left - len(data)
            if not data:
                self._judge()
        return data

    def close(self) -> None:
        self._gone = True

    def _judge(self) -> None:
        if self._left < 0:
            self._gone = True
        if self._gone and not self._silent:
            raise PortClosed("the cable is out", layer="port")


def visit(rig: C1219Rig, use: Callable[[Meter], object], port: Any) -> object:
    meter = rig.connect(port)
    try:
        return use(meter)
    finally:
        meter.close()


def octets_of(port: VirtualPort, side: str) -> int:
    return sum(len(event.data) for event in port.log if event.kind == "send" and event.side == side)


@pytest.mark.parametrize("way", ["to the meter", "from the meter"])
@pytest.mark.parametrize("use", USES)
def test_cut_at_every_octet(use: str, way: Way) -> None:
    rig = C1219Rig(**TINY)
    whole = rig.port()
    expected = visit(rig, USES[use], whole)
    octets = octets_of(whole, "client" if way == "to the meter" else "server")
    broken, cuts = 0, range(0, octets, STEPS[use])
    for cut in cuts:
        device = rig.device()
        line = rig.port(device)
        try:
            assert visit(rig, USES[use], Cut(line, way, cut, silent=False)) == expected
        except (PortClosed, PartialResult) as error:
            assert isinstance(error.__cause__ if isinstance(error, PartialResult) else error, PortClosed)
            broken += 1
        assert line.now() <= 3 * (60.0 + GOODBYE), cut
        line.sleep(FORGOTTEN)
        while line.receive(0.0):
            pass
        line.set_line(9600)
        assert visit(rig, USES[use], line) == expected, cut
        assert line.server_error is None, cut
    # All but those of the good-bye.
    assert broken >= len(cuts) - 40 // STEPS[use]


@pytest.mark.parametrize("way", ["to the meter", "from the meter"])
def test_silence_at_any_octet_is_noticed_in_time(way: Way) -> None:
    rig = C1219Rig(**{**TINY, "timing": Timing(response=4.0)})
    whole = rig.port()
    visit(rig, profile, whole)
    octets = octets_of(whole, "client" if way == "to the meter" else "server")
    for cut in range(0, octets, 7):
        line = rig.port()
        try:
            visit(rig, profile, Cut(line, way, cut, silent=True))
        except (NoAnswer, PartialResult) as error:
            assert isinstance(error.__cause__ if isinstance(error, PartialResult) else error, NoAnswer)
        # The repeats of one packet, a pause of 7 s, the same again for a new session; then good-bye.
        assert line.now() < 75.0, (cut, line.now())


@pytest.mark.parametrize("way", ["to the meter", "from the meter"])
def test_the_next_session_follows_at_once(way: Way) -> None:
    """The meter is still amid the session before, at its speed and with its toggle."""
    rig = C1219Rig(**TINY)
    whole = rig.port()
    expected = visit(rig, profile, whole)
    for cut in range(0, octets_of(whole, "client" if way == "to the meter" else "server"), 5):
        line = rig.port(rig.device())
        with suppress(MeterError):
            visit(rig, profile, Cut(line, way, cut, silent=False))
        line.sleep(0.2)
        while line.receive(0.0):
            pass
        assert visit(rig, profile, line) == expected, cut
