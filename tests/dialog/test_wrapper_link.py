"""Wrapper links of both roles under the virtual clock, and pushes without a link."""

from __future__ import annotations

import pytest

from link_rig import (
    TCP,
    codes,
    pattern,
    script,
    session,
)
from metersdk.dialog.push import PushReceiver
from metersdk.dialog.server_link import WrapperServerLink
from metersdk.dialog.wrapper_link import WrapperLink
from metersdk.effects import Dialog, Receive, Send, Sleep
from metersdk.errors import FrameError, LimitExceeded, LocalProtocolError, MeterError, NoAnswer
from metersdk.frame.buffer import ReceiveBuffer
from metersdk.frame.wrapper import Wpdu
from metersdk.port.drive import run
from metersdk.port.line import LineModel
from metersdk.port.virtual import VirtualPort

# --- wrapper ----------------------------------------------------------------------------------------------------------


def wrapper_meter(
    *, datagram: bool = False, servers: frozenset[int] | None = None, inactivity: float = 0
) -> Dialog[str]:
    link = WrapperServerLink(ReceiveBuffer(), datagram=datagram, servers=servers, inactivity_timeout=inactivity)
    while True:
        request = yield from link.receive()
        if request is None:
            return "inactive"
        yield from link.push(b"push", 99)
        yield from link.send(b"%d>%d " % request[:2] + request[2])


@pytest.mark.parametrize("line", [TCP, LineModel(baud=9600, coalesce=0.0), LineModel(delay=0.3)])
def test_wrapper_session(line: LineModel) -> None:
    link = WrapperLink(16, 1, ReceiveBuffer())
    requests = [b"get", pattern(60_000)[:60_000], b""]
    port = VirtualPort(wrapper_meter(), line)
    assert run(session(link, requests, timeout=100), port) == [b"16>1 " + request for request in requests]
    # The push went to a port of its own.
    assert codes(link) == {"wrapper-port"}


def test_wrapper_datagrams() -> None:
    link = WrapperLink(16, 1, ReceiveBuffer(), datagram=True)
    request = Wpdu(16, 1, b"x").encode()

    def peer() -> Dialog[None]:
        yield Receive(10.0)
        for datagram in (b"\x00", request + b"\x00", Wpdu(2, 16, b"foreign").encode(), Wpdu(1, 16, b"yes").encode()):
            yield Send(datagram)
            yield Sleep(0.01)

    assert run(session(link, [b"q"]), VirtualPort(peer(), TCP)) == [b"yes"]
    assert codes(link) == {"wrapper-datagram", "wrapper-port"}


def test_wrapper_server_ignores_what_is_not_for_it_and_ends_after_inactivity() -> None:
    def dialog() -> Dialog[bytes]:
        yield Send(b"\x00")
        yield Sleep(0.1)
        yield Send(Wpdu(16, 7, b"for another").encode())
        yield Sleep(0.1)
        yield Send(Wpdu(16, 1, b"q").encode())
        yield Sleep(0.1)
        answer: bytes = yield Receive(1.0)
        yield Sleep(61.0)
        return answer

    port = VirtualPort(wrapper_meter(datagram=True, servers=frozenset({1}), inactivity=60.0), TCP)
    assert run(dialog(), port) == Wpdu(1, 99, b"push").encode() + Wpdu(1, 16, b"16>1 q").encode()
    assert port.server_result == "inactive"
    with pytest.raises(LocalProtocolError):
        run(WrapperServerLink(ReceiveBuffer()).send(b"a"), VirtualPort(script(), TCP))


@pytest.mark.parametrize(
    ("octets", "error"),
    [
        (b"HTTP/1.1 400", FrameError),
        (bytes.fromhex("0001000100100401"), LimitExceeded),
        (bytes.fromhex("0001000100100400") + bytes(100), NoAnswer),
        (b"", NoAnswer),
    ],
)
def test_wrapper_that_lies_or_is_silent_ends_with_a_typed_error(octets: bytes, error: type[MeterError]) -> None:
    def peer() -> Dialog[None]:
        yield Receive(10.0)
        yield Send(octets)

    link = WrapperLink(16, 1, ReceiveBuffer(), max_apdu=1024)
    port = VirtualPort(peer(), TCP)
    with pytest.raises(error):
        run(session(link, [b"q"], timeout=5.0), port)
    assert port.now() <= 5


# --- pushes without a link --------------------------------------------------------------------------------------------


@pytest.mark.captures("hdlc_push")
def test_pushes_of_real_meters(capture) -> None:  # type: ignore[no-untyped-def]
    integrity = capture.meta["integrity"]
    octets = capture.bytes

    def peer() -> Dialog[None]:
        yield Send(octets)

    def listen() -> Dialog[list[bytes]]:
        receiver = PushReceiver(ReceiveBuffer())
        got = []
        try:
            while True:
                got.append((yield from receiver.receive(30.0)))
        except NoAnswer:
            return got

    got = run(listen(), VirtualPort(peer(), LineModel(baud=2400)))
    assert all(apdu[0] in (0x0F, 0xE0, 0xDB) for apdu in got)
    if integrity.get("gbt_blocks"):
        assert len(got) == integrity["gbt_blocks"]
    elif integrity["hdlc_ok"] and "err" not in integrity["apdus"][0]:
        assert len(got) == len(integrity["apdus"])
    else:
        assert got == []
