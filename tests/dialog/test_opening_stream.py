"""IEC 62056-21 through a box that carries octets over TCP: no speed to set, the same sign-on."""

from __future__ import annotations

from metersdk.dialog.opening import Plan, open_session
from metersdk.dialog.readout import ReadoutSession
from metersdk.dialog.timing import Timing
from metersdk.model.quirks import Quirks
from metersdk.port.drive import run
from metersdk.port.line import LineModel
from metersdk.port.virtual import VirtualPort
from metersdk.simulator.image import Image
from metersdk.simulator.station import StationSettings, station


def test_sign_on_over_a_stream_when_asked_for_by_name() -> None:
    plan = Plan.of(
        {"protocol": "iec62056-21", "mode": "C"},
        medium="stream",
        framing=None,
        baud=None,
        hardware_parity=False,
        password=None,
        keys=None,
        quirks=Quirks(),
        timing=Timing(),
    )
    port = VirtualPort(station(Image.load("residential").device(), StationSettings()), LineModel(baud=None))
    session = run(open_session(plan), port)
    assert isinstance(session, ReadoutSession)
    assert len(run(session.registers(), port)) > 50
