"""A meter that is closed, interrupted or lost: the next call says so, and leaving is quiet and polite."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Literal

import pytest

import metersdk
from metersdk.errors import DataAccessError, LinkError, LocalProtocolError, MeterError, NoAnswer, PortClosed, PortError
from metersdk.frame.hdlc import Frame, FrameKind, control_octet
from metersdk.meter import Meter
from metersdk.port.trace import RecordingPort
from metersdk.port.virtual import VirtualPort

TARGETS = [
    "sim://residential",
    "sim://residential?framing=hdlc&protocol=dlms",
    "sim://residential?framing=wrapper",
    "sim://residential?protocol=iec62056-21",
]
DISC = control_octet(FrameKind.DISC, poll=True)


class GivenUp(BaseException):
    """As KeyboardInterrupt, which would end the test run if it got out."""


def line_of(meter: Meter) -> VirtualPort:
    assert isinstance(meter._port, VirtualPort)
    return meter._port


def interrupted(port: VirtualPort, monkeypatch: pytest.MonkeyPatch, error: BaseException, after: int = 1) -> None:
    """The ``after``-th receive from now on raises ``error``, once."""
    whole, calls = port.receive, iter(range(1, 1000))

    def receive(timeout: float) -> bytes:
        if next(calls) == after:
            raise error
        return whole(timeout)

    monkeypatch.setattr(port, "receive", receive)


def sent(port: VirtualPort, since: float) -> list[bytes]:
    return [event.data for event in port.log if event.side == "client" and event.data and event.start >= since]


@pytest.mark.parametrize("target", TARGETS)
def test_a_closed_meter_says_so(target: str) -> None:
    meter = metersdk.connect(target)
    assert meter.identity.protocol
    meter.close()
    log = len(line_of(meter).log)
    calls: list[Callable[[], object]] = [
        lambda: meter.identity,
        lambda: meter.clock,
        lambda: meter.read("1.8.0"),
        lambda: meter.registers(),
    ]
    for call in calls:
        with pytest.raises(LocalProtocolError, match="this meter was closed") as caught:
            call()
        assert caught.value.hint == "connect again"
    meter.close()
    with meter:
        pass
    assert len(line_of(meter).log) == log


def test_a_closed_async_meter_says_so() -> None:
    async def course() -> None:
        meter = await metersdk.aconnect("sim://residential")
        await meter.close()
        await meter.close()
        with pytest.raises(LocalProtocolError, match="this meter was closed"):
            await meter.clock
        with pytest.raises(LocalProtocolError, match="this meter was closed"):
            async for _ in meter.iter_profile():
                pass
        async with meter:
            pass

    asyncio.run(course())


@pytest.mark.parametrize("target", TARGETS)
def test_closing_is_quiet_when_the_line_is_gone(target: str) -> None:
    meter = metersdk.connect(target)
    line_of(meter).close()
    with pytest.raises(PortClosed), meter:
        meter.registers()
    meter.close()


@pytest.mark.parametrize("after", [1, 2, 3, 5, 8, 9, 13])
def test_leaving_after_an_interrupt_still_says_disc(after: int, monkeypatch: pytest.MonkeyPatch) -> None:
    meter = metersdk.connect("sim://residential")
    port = line_of(meter)
    with pytest.raises(GivenUp), meter:
        interrupted(port, monkeypatch, GivenUp(), after)
        meter.get_profile(last="1d")
    assert Frame(b"\x03", b"\x21", DISC).encode() in sent(port, 0.0)
    assert not [finding for finding in meter.findings if finding.code == "release"]


@pytest.mark.parametrize("target", TARGETS[:3])
@pytest.mark.parametrize("after", [1, 2, 3])
def test_a_meter_goes_on_after_an_interrupt(target: str, after: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with metersdk.connect(target) as meter:
        whole = meter.get_profile(entries=(1, 30))
        interrupted(line_of(meter), monkeypatch, GivenUp(), after)
        with pytest.raises(GivenUp):
            meter.get_profile(entries=(1, 40))
        assert list(meter.get_profile(entries=(1, 30)).rows()) == list(whole.rows())


def test_after_a_lost_link_the_next_call_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    meter = metersdk.connect("sim://residential")
    port = line_of(meter)
    dropped = Frame(b"\x21", b"\x03", control_octet(FrameKind.DM, poll=True)).encode()
    with monkeypatch.context() as patch, pytest.raises(LinkError) as caught:
        patch.setattr(port, "receive", lambda timeout: dropped)
        meter.read("1.0.1.8.0.255")
    assert "connect again" in caught.value.hint
    lost_at = port.now()
    for _ in range(2):
        with pytest.raises(LocalProtocolError) as again:
            meter.read("1.0.1.8.0.255")
        assert "connect again" in again.value.hint
    meter.close()
    # Nothing more was said on a link that both ends hold for gone.
    assert sent(port, lost_at + 1e-6) == []
    assert not [finding for finding in meter.findings if finding.code == "release"]


def test_an_error_in_the_block_is_not_hidden_by_the_end_of_the_trace(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    def traced() -> Meter:
        meter = metersdk.connect("sim://residential", trace=f"{tmp_path}/trace")
        assert isinstance(meter._port, RecordingPort)
        recorder = meter._port.recorder

        def close() -> None:
            type(recorder).close(recorder)
            raise PortError("no space left")

        monkeypatch.setattr(recorder, "close", close)
        return meter

    with pytest.raises(ZeroDivisionError), traced():
        _ = 1 // 0
    with pytest.raises(MeterError, match="no space left"), traced():
        pass


def requests(meter: Meter) -> list[bytes]:
    """The first octets of each APDU that was sent, over the wrapper."""
    return [data[8:10] for data in sent(line_of(meter), 0.0)]


@pytest.mark.parametrize("with_list", [True, False])
def test_a_meter_that_answers_lists_wrongly_is_never_asked_one(with_list: bool) -> None:
    target = "sim://residential?framing=wrapper"
    with metersdk.connect(target, vendor=metersdk.Quirks(get_with_list=with_list)) as meter:
        assert meter.identity.serial_number and len(meter.registers()) > 5
        meter.get_profile(entries=(1, 2))
        assert (b"\xc0\x03" in requests(meter)) == with_list


@pytest.mark.parametrize("sign", [1, -1])
def test_the_clock_is_set_in_the_sense_of_the_meter(sign: Literal[1, -1]) -> None:
    moment = datetime(2026, 7, 1, 12, 0, tzinfo=timezone(timedelta(hours=2)))
    target = "sim://residential?framing=wrapper"
    with metersdk.connect(target, vendor=metersdk.Quirks(deviation_sign=sign)) as meter:
        with pytest.raises(DataAccessError):
            # The public client may not; what it asked for is what counts.
            meter.set_clock(moment)
        written = sent(line_of(meter), 0.0)[-1]
        assert written[-3:-1] == (-120 * sign).to_bytes(2, "big", signed=True)


@pytest.mark.parametrize("sign", [1, -1])
def test_the_clock_is_read_in_the_sense_of_the_meter(sign: Literal[1, -1]) -> None:
    target = "sim://residential?framing=wrapper"
    with metersdk.connect(target, vendor=metersdk.Quirks(deviation_sign=sign)) as meter:
        octets = meter.get(8, "0.0.1.0.0.255", 2, raw=True)
        assert isinstance(octets, bytes)
        deviation = int.from_bytes(octets[11:13], "big", signed=True)
        assert deviation and meter.clock.deviation == sign * deviation


@pytest.mark.parametrize("lost", [1, 2, 3])
def test_a_request_that_was_given_up_is_not_carried_out_later(lost: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither lost nor late: who was told that the meter did not answer has moved on."""
    with metersdk.connect("sim://residential?framing=hdlc&protocol=dlms") as meter:
        port = line_of(meter)
        with monkeypatch.context() as patch:
            patch.setattr(port, "send", lambda data: None)
            with pytest.raises(NoAnswer):
                for _ in range(lost):
                    with contextlib.suppress(NoAnswer):
                        meter.action(3, "1.0.1.8.0.255", 1)
                meter.action(3, "1.0.1.8.0.255", 1)
        before = port.now()
        assert meter.read("1.0.1.8.0.255").value
        assert meter.read("1.0.1.8.0.255").value
        assert not [data for data in sent(port, before) if b"\xe6\xe6\x00\xc3" in data]


def test_disc_is_repeated_when_it_is_lost() -> None:
    def nobody_hears(data: bytes) -> None:
        said.append(data)

    meter = metersdk.connect("sim://residential?framing=hdlc&protocol=dlms&client=16")
    port, said = line_of(meter), list[bytes]()
    port.send = nobody_hears  # type: ignore[method-assign]
    begun = port.now()
    meter.close()
    assert said.count(Frame(b"\x03", b"\x21", DISC).encode()) == 3
    assert port.now() - begun <= 4.1
