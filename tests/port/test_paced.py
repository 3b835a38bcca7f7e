"""The meter's end of a real descriptor: octets take their time, and the clock is that of the line."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Callable, Coroutine, Iterator
from typing import TypeVar

import pytest
import serial

from metersdk.errors import PortClosed
from metersdk.port.line import LineModel, garbled
from metersdk.port.paced import LinePort
from metersdk.port.serving import DatagramPort, Rfc2217Wire, SocketWire, accepted, datagrams, listening, received

R = TypeVar("R")
TEXT = b"/?12345678!\r\n"


class Told:
    """A wire whose client does what the test says, over a socket pair that makes it readable."""

    def __init__(self) -> None:
        self.name = "told"
        self.heard = b""
        self.closed = False
        self.room: int | None = None
        self._ours, self._theirs = socket.socketpair()
        self._news: list[bytes | int] = []

    def tell(self, *news: bytes | int) -> None:
        self._news += news
        self._theirs.send(b".")

    def fileno(self) -> int:
        return self._ours.fileno()

    def read(self) -> list[bytes | int]:
        if self._news:
            self._ours.recv(100)
        news, self._news = self._news, []
        return news

    def write(self, data: bytes) -> int:
        taken = data[: self.room]
        self.heard += taken
        return len(taken)

    def close(self) -> None:
        self.closed = True
        self._ours.close()
        self._theirs.close()


@pytest.fixture
def wire() -> Iterator[Told]:
    made = Told()
    yield made
    made.close()


def carried(work: Callable[[], Coroutine[object, object, R]]) -> R:
    return asyncio.run(work())


async def all_of(port: LinePort, count: int) -> bytes:
    data = b""
    while len(data) < count and (piece := await port.receive(1.0)):
        data += piece
    return data


def test_octets_of_the_client_take_their_time(wire: Told) -> None:
    async def work() -> tuple[bytes, float]:
        port = LinePort(wire, LineModel(baud=2400))
        begun = port.now()
        wire.tell(TEXT)
        return await all_of(port, len(TEXT)), port.now() - begun

    data, took = carried(work)
    assert data == TEXT
    assert took >= len(TEXT) * 10 / 2400


def test_the_clock_of_the_line_is_exact(wire: Told) -> None:
    async def work() -> list[float]:
        port = LinePort(wire, LineModel(baud=9600))
        wire.tell(b"?")
        await port.receive(1.0)
        moments = [port.now()]
        await port.sleep(0.02)
        moments.append(port.now())
        await port.send(TEXT)
        moments.append(port.now())
        assert await port.receive(0.01) == b""
        moments.append(port.now())
        return moments

    heard, reacted, sent, silent = carried(work)
    assert reacted - heard == pytest.approx(0.02)
    assert sent - reacted == pytest.approx(len(TEXT) * 10 / 9600)
    assert silent - sent == pytest.approx(0.01)
    assert wire.heard == TEXT


@pytest.mark.parametrize("client", [4800, 19200])
def test_both_directions_garble_at_different_speeds(wire: Told, client: int) -> None:
    async def work() -> bytes:
        port = LinePort(wire, LineModel(baud=9600))
        wire.tell(client, TEXT)
        heard = b""
        while piece := await port.receive(0.1):
            heard += piece
        await port.send(TEXT)
        await port.sleep(0.01)
        return heard

    assert TEXT not in carried(work)
    assert TEXT not in wire.heard
    # Over four characters at least it is what the ideal UART makes of them.
    assert wire.heard[:1] == garbled(TEXT, 9600, client).data[:1]


def test_both_change_speed_and_understand_each_other(wire: Told) -> None:
    async def work() -> bytes:
        port = LinePort(wire, LineModel(baud=1200))
        await port.set_line(9600)
        wire.tell(9600, TEXT)
        heard = await all_of(port, len(TEXT))
        await port.send(TEXT)
        return heard

    assert carried(work) == TEXT
    assert wire.heard == TEXT


def test_mistuned_meter(wire: Told) -> None:
    async def work() -> None:
        port = LinePort(wire, LineModel(baud=9600), tuned=lambda baud: baud // 2)
        await port.set_line(19200)
        await port.send(TEXT)

    carried(work)
    assert wire.heard == TEXT


def test_echo_and_lost_answers(wire: Told) -> None:
    async def work() -> None:
        port = LinePort(wire, LineModel(baud=9600, echo="full", drop_answers=frozenset({0})))
        wire.tell(TEXT)
        await all_of(port, len(TEXT))
        await port.send(b"first")
        await port.send(b"second")

    carried(work)
    assert wire.heard == TEXT + b"second"


def test_hangs_up_and_stays_closed(wire: Told) -> None:
    async def work() -> None:
        port = LinePort(wire, LineModel(close_after=3))
        with pytest.raises(PortClosed, match="hung up"):
            await port.send(b"12345")
        with pytest.raises(PortClosed):
            await port.receive(1.0)
        await port.close()

    carried(work)
    assert wire.heard == b"123"
    assert wire.closed


def test_no_line_no_waiting(wire: Told) -> None:
    async def work() -> bytes:
        port = LinePort(wire, LineModel())
        wire.tell(9600, TEXT)
        heard = await port.receive(1.0)
        await port.set_line(300)
        await port.send(TEXT)
        return heard

    assert carried(work) == wire.heard == TEXT


def test_without_a_line_a_slow_reader_gets_all(wire: Told) -> None:
    async def work() -> None:
        port = LinePort(wire, LineModel())
        wire.room = 5
        await port.send(TEXT)
        await port.receive(0.05)

    carried(work)
    assert wire.heard == TEXT


def test_a_line_does_not_wait_for_a_slow_reader(wire: Told) -> None:
    async def work() -> None:
        port = LinePort(wire, LineModel(baud=115200))
        wire.room = 5
        await port.send(TEXT)
        await port.receive(0.05)

    carried(work)
    assert wire.heard == TEXT[:5]


@pytest.mark.skipif(sys.platform != "linux", reason="packet mode of a Linux pseudo terminal")
def test_pty_tells_speeds_in_order() -> None:
    from metersdk.port.pty import PtyWire

    wire = PtyWire()
    client = serial.Serial(wire.path, 300, exclusive=True)
    assert [news for news in wire.read() if isinstance(news, int)][-1:] == [300]
    client.write(b"one")
    assert wire.read() == [b"one"]
    client.baudrate = 9600
    client.write(b"two")
    assert wire.read() == [9600, b"two"]
    wire.write(b"back")
    assert client.read(4) == b"back"
    assert 0 < wire.write(b"x" * 100_000) < 100_000
    client.close()
    wire.close()
    wire.close()
    with pytest.raises(PortClosed):
        wire.read()
    with pytest.raises(PortClosed):
        wire.write(b"x")
    assert not os.path.exists(wire.path)


def test_rfc2217_that_is_none() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        wire = Rfc2217Wire(ours, "rfc2217", lambda name, value: None)
        theirs.send(b"\xff\xf0")
        with pytest.raises(PortClosed, match="does not speak RFC 2217"):
            wire.read()
        wire.close()


def test_rfc2217_settings_between_octets() -> None:
    heard: list[tuple[str, object]] = []
    ours, theirs = socket.socketpair()
    with theirs:
        wire = Rfc2217Wire(ours, "rfc2217", lambda name, value: heard.append((name, value)))
        theirs.send(b"one\xff\xfa\x2c\x01\x00\x00\x25\x80\xff\xf0two\xff\xff")
        assert wire.read() == [300, b"one", 9600, b"two\xff"]
        assert heard == [("baudrate", 9600)]
        # 7E1: parity is made and taken off by the server.
        theirs.send(b"\xff\xfa\x2c\x02\x07\xff\xf0\xff\xfa\x2c\x03\x03\xff\xf0/1")
        assert wire.read() == [b"\xaf\xb1"]
        wire.write(b"\xaf\xb1")
        assert theirs.recv(1000).endswith(b"/1")
        wire.close()


def test_socket_wire_ends_with_its_client() -> None:
    ours, theirs = socket.socketpair()
    wire = SocketWire(ours, "tcp")
    assert wire.read() == []
    theirs.send(b"octets")
    assert wire.read() == [b"octets"]
    theirs.close()
    with pytest.raises(PortClosed):
        wire.read()
    wire.close()


def test_listening_and_datagrams() -> None:
    async def work() -> None:
        with listening("127.0.0.1", 0) as server, socket.create_connection(server.getsockname()) as client:
            sock, name = await accepted(server, "meter")
            with sock:
                assert name == f"meter from 127.0.0.1:{client.getsockname()[1]}"
        with datagrams("127.0.0.1", 0) as ours, datagrams("127.0.0.1", 0) as theirs:
            theirs.sendto(b"asked", ours.getsockname())
            data, peer = await received(ours)
            port = DatagramPort(ours, peer, "udp", LineModel(drop_answers=frozenset({0})), 0.05)
            port.put(data)
            assert await port.receive(1.0) == b"asked"
            assert await port.receive(0.0) == b""
            await port.send(b"lost")
            await port.send(b"answered")
            assert await received(theirs) == (b"answered", ours.getsockname())
            with pytest.raises(PortClosed):
                await port.receive(1.0)

    carried(work)
