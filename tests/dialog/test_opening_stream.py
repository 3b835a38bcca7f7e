"""IEC 62056-21 through a box that carries octets over TCP: no speed to set, the same sign-on."""

from __future__ import annotations

import pytest

from metersdk.dialog.opening import Plan, open_session
from metersdk.dialog.readout import ReadoutSession
from metersdk.dialog.timing import Timing
from metersdk.errors import LocalProtocolError
from metersdk.model.quirks import Quirks
from metersdk.port.drive import run
from metersdk.port.line import LineModel
from metersdk.port.virtual import VirtualPort
from metersdk.simulator.image import Image
from metersdk.simulator.station import StationSettings, station


def plan_with(timing: Timing) -> Plan:
    return Plan.of(
        {"protocol": "iec62056-21", "mode": "C"},
        medium="stream",
        framing=None,
        baud=None,
        hardware_parity=False,
        password=None,
        keys=None,
        quirks=Quirks(),
        timing=timing,
    )


def test_latency_and_margin_of_the_caller_reach_the_sign_on() -> None:
    optical = plan_with(Timing(latency=0.5, switch_margin=0.1)).sign_on.timing
    assert optical.latency == 0.5
    assert optical.margins(fast=False)[0] == optical.margins(fast=True)[0] == 0.1
    with pytest.raises(LocalProtocolError):
        Timing(latency=-1)


def test_sign_on_over_a_stream_when_asked_for_by_name() -> None:
    port = VirtualPort(station(Image.load("residential").device(), StationSettings()), LineModel(baud=None))
    session = run(open_session(plan_with(Timing())), port)
    assert isinstance(session, ReadoutSession)
    assert len(run(session.registers(), port)) > 50
