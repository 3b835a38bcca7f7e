"""Sessions cut at every octet, either way: a typed error in time, and on the same line, with the same meter in whatever
state it was left, the next session begins cleanly and reads all.

Longer sessions, and meters that fall silent instead, are cut in ``test_cuts``; descriptors that go away under a real
session in ``tests/simulator/test_realtime*.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Literal

import pytest

from metersdk.dialog.hearing import Hearing
from metersdk.dialog.opening import open_session
from metersdk.dialog.timing import GOODBYE, Timing
from metersdk.errors import MeterError, PortClosed
from metersdk.meter import Meter
from metersdk.port.drive import Port, run
from metersdk.port.line import LineModel
from metersdk.port.virtual import VirtualPort
from metersdk.simulator.device import MeterDevice

MakeRig = Any
Way = Literal["to the meter", "from the meter"]
OPTICAL: dict[str, Any] = {"speech": "optical", "model": LineModel(baud=300)}
PUSHER = {"pusher": True}
TEXT = {**OPTICAL, "identification": "/MSK5SMALL", "protocol": "iec62056-21"}
PROFILE = "1.0.99.1.0.255"
TIMING = Timing(response=4.0, total=60.0)
# Longer than any inactivity time-out.
FORGOTTEN = 200.0
ENDLESS = 1 << 30


def readout(meter: Meter) -> object:
    return [str(each) for each in meter.readout().data_sets]


def register(meter: Meter) -> object:
    return str(meter.read("1.0.1.8.0.255"))


def profile(meter: Meter) -> object:
    return list(meter.get_profile(PROFILE).rows())


def programming(meter: Meter) -> object:
    with meter.programming(password="12345678", write=True) as inside:
        inside.write("C.90", "7")
        return str(inside.read("C.1.0"))


def telegrams(meter: Meter) -> object:
    return [str(each.readings) for each in meter.telegrams(2)]


@dataclass(frozen=True)
class Kind:
    rig: dict[str, Any]
    use: Callable[[Meter], object]


KINDS: dict[str, Kind] = {
    "mode A": Kind({**OPTICAL, "identification": "/MSK;SMALL"}, readout),
    "mode B": Kind({**OPTICAL, "identification": "/MSKESMALL"}, readout),
    "mode C": Kind({**OPTICAL, "identification": "/MSK5SMALL"}, readout),
    "mode D": Kind(
        {
            **OPTICAL,
            "identification": "/MSK5SMALL",
            "baud": 2400,
            "options": {"mode": "D"},
            "optical": {"pusher": True},
        },
        readout,
    ),
    "mode E": Kind(OPTICAL, register),
    "HDLC": Kind({"speech": "hdlc", "model": LineModel(baud=9600)}, register),
    "HDLC, password": Kind({"speech": "hdlc", "model": LineModel(baud=9600), "client": 2}, register),
    "wrapper": Kind({"speech": "wrapper"}, register),
    "programming": Kind(TEXT, programming),
    "profile as text": Kind(TEXT, profile),
    "SML": Kind({"speech": "sml", "model": LineModel(baud=9600), "protocol": "sml"}, telegrams),
}


class Cut:
    """A port that goes away after so many octets one way; the line behind it stays."""

    def __init__(self, port: VirtualPort, way: Way, octets: int) -> None:
        self.port = port
        self.name = port.name
        self.now, self.set_line, self.sleep = port.now, port.set_line, port.sleep
        self._way = way
        self._left = octets
        self._gone = False

    def send(self, data: bytes) -> None:
        self._check()
        if self._way == "from the meter":
            self.port.send(data)
            return
        said, self._left = data[: self._left], self._left - len(data)
        if said:
            self.port.send(said)
        if self._left < 0:
            self._go()

    def receive(self, timeout: float) -> bytes:
        self._check()
        data = self.port.receive(timeout)
        if self._way == "from the meter":
            heard, self._left = data[: max(0, self._left)], self._left - len(data)
            if self._left < 0 and not heard:
                self._go()
            return heard
        return data

    def close(self) -> None:
        self._gone = True

    def _check(self) -> None:
        if self._gone:
            raise PortClosed("the cable is out", layer="port")

    def _go(self) -> None:
        self._gone = True
        self._check()


def visit(it: Any, kind: Kind, port: Port) -> object:
    hearing = Hearing()
    meter = Meter(port, run(open_session(it.plan), port, hearing), hearing)
    try:
        return kind.use(meter)
    finally:
        meter.close()


def again(it: Any, device: MeterDevice, port: VirtualPort, pause: float) -> VirtualPort:
    """The same line after a while; whoever opens a port drops what came before. A connection is another one."""
    if it.speech == "wrapper":
        connection: VirtualPort = it.port(device)
        return connection
    port.sleep(pause)
    while it.speech == "optical" and port.receive(0.0):
        pass
    return port


@pytest.mark.parametrize("way", ["to the meter", "from the meter"])
@pytest.mark.parametrize("name", KINDS)
def test_cut_at_every_octet(rig: MakeRig, name: str, way: Way) -> None:
    kind = KINDS[name]
    it = rig(timing=TIMING, **kind.rig)
    device = it.device()
    whole = it.port(device)
    expected = visit(it, kind, whole)
    side = "client" if way == "to the meter" else "server"
    octets = sum(len(event.data) for event in whole.log if event.kind == "send" and event.side == side)
    assert bool(octets) is (way == "from the meter" or name not in ("mode D", "SML"))
    for cut in range(octets):
        device = it.device()
        line = it.port(device)
        began = line.now()
        try:
            visit(it, kind, Cut(line, way, cut))
        except PortClosed as error:
            assert error.exit_code == 4
        except MeterError as error:
            # What came before the cable was out may be all there is of an answer.
            assert isinstance(error.__cause__ or error, MeterError), cut
        assert line.now() - began <= 3 * (60.0 + GOODBYE), cut
        # Who speaks by itself forgets nothing.
        line = again(it, device, line, 0.3 if name in ("mode D", "SML") else FORGOTTEN)
        assert visit(it, kind, line) == expected, cut
        assert line.server_error is None, cut


@pytest.mark.parametrize("name", [name for name in KINDS if name not in ("mode D", "SML", "wrapper")])
def test_the_next_session_follows_at_once(rig: MakeRig, name: str) -> None:
    """The meter is still amid the session before, and may be deaf to 300 Bd: it is told that this is over. Where that
    is not heard, or the meter goes on in mode C, the session after it finds the meter as new."""
    kind = KINDS[name]
    it = rig(timing=replace(TIMING, total=180.0), **kind.rig)
    whole = it.port()
    expected = visit(it, kind, whole)
    octets = sum(len(event.data) for event in whole.log if event.kind == "send" and event.side == "server")
    late = cuts = 0
    for cut in range(0, octets, max(1, octets // 24)):
        device = it.device()
        line = it.port(device)
        with suppress(MeterError):
            visit(it, kind, Cut(line, "from the meter", cut))
        cuts += 1
        line = again(it, device, line, 0.5)
        try:
            got = visit(it, kind, Cut(line, "to the meter", ENDLESS))
        except MeterError:
            got = None
        if got != expected:
            late += 1
            assert visit(it, kind, again(it, device, line, FORGOTTEN)) == expected, cut
    assert late <= cuts // 3, (late, cuts)
