"""The meters that speak by themselves: what they send, and on real descriptors."""

from __future__ import annotations

import sys

import pytest

import metersdk
from metersdk.apdu import sml
from metersdk.errors import LocalProtocolError
from metersdk.frame.sml import frames
from metersdk.frame.telegram import telegrams
from metersdk.model.telegram import device_id, from_sml
from metersdk.simulator.image import Image
from metersdk.simulator.listening import parse_listening
from metersdk.simulator.pusher import p1_telegram, server_id, sml_file
from metersdk.simulator.server import Simulator


def test_an_sml_file_of_the_image() -> None:
    device = Image.load("residential").device()
    (frame,) = frames(sml_file(device, 1))
    file = sml.decode(frame.payload)
    assert frame.ok and file.findings == () and len(file.messages) == 3
    telegram = from_sml(file)
    assert device_id(server_id(device)) == ("MSK", "1MSK0012345678", 12345678)
    assert telegram.sec_index and telegram.sec_index > 60_000_000
    by_code = {str(reading.obis): reading for reading in telegram.readings}
    net = by_code["1.0.16.7.0.255"].value
    assert net == by_code["1.0.1.7.0.255"].value - by_code["1.0.2.7.0.255"].value  # type: ignore[operator]


def test_a_p1_telegram_of_the_image() -> None:
    raw = p1_telegram(Image.load("residential").device())
    (found,) = telegrams(raw)
    assert found.proved is True and found.is_p1 and found.raw == raw
    assert b"1-0:1.8.0(0" in raw and b"*kWh)\r\n" in raw


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo terminals")
@pytest.mark.parametrize(("speech", "baud"), [("sml", 9600), ("p1", 115200)])
def test_on_a_pseudo_terminal(speech: str, baud: int) -> None:
    with Simulator("residential", [f"pty?speech={speech}&push_period=0.2"]) as simulator:
        target = simulator.targets[0]
        assert target.endswith(f"?protocol=push&baud={baud}")
        with metersdk.connect(target) as meter:
            assert meter.identity.protocol == speech
            assert [telegram.proved for telegram in meter.telegrams(3)] == [True] * 3
        # Joined again, wherever the meter stands.
        with metersdk.connect(target) as meter:
            assert meter.registers()


def test_over_a_socket() -> None:
    with Simulator("residential", ["tcp://127.0.0.1:0?speech=sml&push_period=0.1"]) as simulator:
        (target,) = simulator.targets
        assert target.endswith("?protocol=push")
        with metersdk.connect(target) as meter:
            assert meter.identity.baud is None
            assert len(list(meter.telegrams(2))) == 2


def test_what_is_no_pusher() -> None:
    with pytest.raises(LocalProtocolError, match="speech=morse"):
        metersdk.connect("sim://residential?speech=morse")
    with pytest.raises(LocalProtocolError, match="unknown"):
        parse_listening("udp://127.0.0.1:0?speech=sml")
