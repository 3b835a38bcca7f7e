"""A session of C12.18 that is cut off at any octet, either way; the next one begins cleanly, at once or later."""

from __future__ import annotations

import pytest
from psem_rig import PASSWORD, MemoryDevice, PsemRig, content

from metersdk.dialog.psem import STANDARD_BAUDS, SignOn
from metersdk.dialog.psem_meter import PsemRules
from metersdk.errors import PortClosed
from metersdk.port.drive import Port, run
from metersdk.port.virtual import VirtualPort

TABLES = {1: b"one", 23: content(23, 40), 64: content(64, 150)}
WANTED = SignOn(2, "reader", PASSWORD, packet_size=64, packets=4)
FAST = SignOn(2, "reader", PASSWORD, packet_size=64, packets=4, bauds=STANDARD_BAUDS, recover=True)


class CutPort:
    """``port``, through which so many octets go, and then none."""

    def __init__(self, port: VirtualPort, octets: int) -> None:
        self.name = port.name
        self.now, self.set_line, self.sleep = port.now, port.set_line, port.sleep
        self._port = port
        self.left = octets

    def _spend(self, data: bytes) -> bytes:
        passed = data[: self.left]
        self.left -= len(passed)
        return passed

    def send(self, data: bytes) -> None:
        if passed := self._spend(data):
            self._port.send(passed)
        if len(passed) < len(data):
            raise PortClosed("cut")

    def receive(self, timeout: float) -> bytes:
        data = self._port.receive(timeout)
        passed = self._spend(data)
        if len(passed) < len(data):
            raise PortClosed("cut")
        return passed

    def close(self) -> None:
        """The port behind it goes on."""


def session(it: PsemRig, wanted: SignOn, port: Port) -> None:
    it.new_client()
    run(it.psem.sign_on(wanted), port)
    assert run(it.psem.read(23, octets=40), port) == TABLES[23]
    assert run(it.psem.read(64, octets=150), port) == TABLES[64]
    run(it.psem.write(1, b"one", allow=True), port)
    run(it.psem.logoff(), port)
    run(it.psem.terminate(), port)


def rig() -> PsemRig:
    return PsemRig(MemoryDevice(dict(TABLES)), rules=PsemRules(64, 4))


def octets_of(wanted: SignOn) -> int:
    it = rig()
    whole = CutPort(it.port, 1 << 20)
    session(it, wanted, whole)
    return (1 << 20) - whole.left


@pytest.mark.parametrize("wanted", [WANTED, FAST], ids=["one speed", "another speed"])
@pytest.mark.parametrize(("pause", "step"), [(0.0, 1), (0.5, 7), (7.0, 7)])
def test_the_next_session_begins_cleanly(wanted: SignOn, pause: float, step: int) -> None:
    total = octets_of(wanted)
    assert total > 400
    for cut in range(0, total, step):
        it = rig()
        with pytest.raises(PortClosed):
            session(it, wanted, CutPort(it.port, cut))
        it.port.sleep(pause)
        it.port.set_line(9600)
        start = it.port.now()
        session(it, wanted, it.port)
        # A meter that waits for the end of what was cut off, or at another speed, does so for its traffic time-out.
        assert it.port.now() - start < 30, cut
        assert it.port.server_error is None
