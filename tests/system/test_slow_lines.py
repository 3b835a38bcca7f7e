"""Slow lines, and lost acknowledgements: the time an answer needs on the line is not charged to the meter."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from metersdk.dialog.timing import Timing
from metersdk.errors import NoAnswer
from metersdk.port.line import LineModel

MakeRig = Any


@pytest.mark.parametrize("baud", [300, 600, 1200, 2400])
@pytest.mark.parametrize("client", [16, 1])
@pytest.mark.parametrize("window", [1, 7])
def test_hdlc_with_long_frames(rig: MakeRig, baud: int, client: int, window: int) -> None:
    """A frame of 2030 octets takes 68 s at 300 Bd; each answer may take 3 s."""
    line = LineModel(baud=baud, turnaround=0.2)
    it = rig(
        image="bench", baud=baud, client=client, model=line, timing=Timing(response=3.0), options={"window": window}
    )
    meter = it.connect()
    profile = meter.get_profile("1.0.99.1.0.255", entries=(1, 200))
    assert len(profile) == 200
    port = it.line(meter)
    longest = max(len(event.data) for event in port.log if event.side == "server")
    assert longest > 2030
    assert all(pause <= 1e-9 for side, pause in it.pauses(port) if side == "client")
    # Nothing was asked for twice.
    payload = 200 * 38
    assert sum(len(event.data) for event in port.log if event.side == "server") < payload * 1.1 + 2000


@pytest.mark.parametrize("baud", [300, 1200])
def test_a_long_request_on_a_slow_line(rig: MakeRig, baud: int) -> None:
    """Our own octets take their time, too, and that is not charged to the meter."""
    it = rig(baud=baud, model=LineModel(baud=baud, turnaround=0.2), timing=Timing(response=3.0))
    meter = it.connect()
    assert len(meter.registers()) == 1
    assert len(meter.objects) > 3


@pytest.mark.parametrize("baud", [300, 1200])
def test_silence_on_a_slow_line_is_no_slower_than_a_frame(rig: MakeRig, baud: int) -> None:
    line = LineModel(baud=baud, drop_answers=frozenset(range(2, 999)))
    it = rig(baud=baud, model=line, timing=Timing(response=3.0))
    meter = it.connect()
    port = it.line(meter)
    start = port.now()
    with pytest.raises(NoAnswer):
        meter.read("1.0.1.8.0.255")
    assert port.now() - start <= 3.0 + 2047 * 10 / baud + 3.0


@pytest.mark.parametrize("image", ["small", "residential"])
@pytest.mark.parametrize("client", [16, 1])
def test_a_lost_acknowledgement_of_mode_e_is_made_up_for(rig: MakeRig, client: int, image: str) -> None:
    """The meter did not hear the ACK: it waits 2.2 s at most, then sends its readout at 300 Bd (6.4.2).

    The readout is heard out, and the meter is signed on to once more.
    """
    line = LineModel(baud=300, drop_requests=frozenset({1}))
    it = rig(speech="optical", image=image, model=line, client=client)
    meter = it.connect()
    assert (meter.identity.protocol, meter.identity.baud) == ("dlms:hdlc", 9600)
    whole = it.but(
        model=replace(line, drop_requests=frozenset()), keys=it.new_keys(invocation_counter=100_000)
    ).connect()
    assert meter.read("1.0.1.8.0.255").unit == whole.read("1.0.1.8.0.255").unit
    meter.close()


def test_a_lost_acknowledgement_of_mode_c(rig: MakeRig) -> None:
    line = LineModel(baud=300, drop_requests=frozenset({1}))
    it = rig(speech="optical", identification="/MSK5SMALL", model=line)
    meter = it.connect()
    whole = it.but(model=replace(line, drop_requests=frozenset())).connect()
    assert [str(each) for each in meter.readout().data_sets] == [str(each) for each in whole.readout().data_sets]


@pytest.mark.parametrize("identification", ["/MSK5SMALL", r"/MSK5\2SMALL", "/MSKESMALL", "/MSK;SMALL"])
def test_a_lost_sign_on_is_sent_again(rig: MakeRig, identification: str) -> None:
    line = LineModel(baud=300, drop_requests=frozenset({0}))
    meter = rig(speech="optical", identification=identification, model=line).connect()
    assert meter.registers()


def test_hdlc_at_once_where_nobody_answers_the_sign_on(rig: MakeRig) -> None:
    """RS-485 meters speak HDLC at once: tried after the sign-on was not answered."""
    it = rig(speech="hdlc", protocol="auto", model=LineModel(baud=300))
    assert it.connect().identity.protocol == "dlms:hdlc"
