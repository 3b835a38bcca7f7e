"""TCP, UDP and meters that dial in, on loopback, blocking and asyncio."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from metersdk.effects import Dialog, Receive
from metersdk.errors import NoAnswer, PortBusy, PortClosed, PortError, PortNotFound
from metersdk.port import blocking, streams
from metersdk.port.address import aopen_port, open_port, parse_address
from metersdk.port.drive import AsyncPort
from metersdk.port.streams import ThreadedPort
from metersdk.port.virtual import AsyncFromSync, VirtualPort

# Every test drives the asyncio face; these are the ways to get one.
Opener = Callable[[str], Coroutine[Any, Any, AsyncPort]]


async def blocking_port(target: str) -> AsyncPort:
    return AsyncFromSync(open_port(target))


async def threaded_port(target: str) -> AsyncPort:
    return ThreadedPort(open_port(target))


each = pytest.mark.parametrize(
    "opener", [blocking_port, threaded_port, aopen_port], ids=["blocking", "thread", "asyncio"]
)


def free_port(kind: int = socket.SOCK_STREAM) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def with_peer(opener: Opener, talk: Callable[[AsyncPort, socket.socket], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = await opener(f"tcp://127.0.0.1:{listener.getsockname()[1]}")
            peer, _ = listener.accept()
            with peer:
                peer.settimeout(10)
                try:
                    await talk(port, peer)
                finally:
                    await port.close()

    asyncio.run(main())


@each
def test_tcp_both_ways(opener: Opener) -> None:
    async def talk(port: AsyncPort, peer: socket.socket) -> None:
        await port.send(b"request")
        assert peer.recv(100) == b"request"
        assert await port.receive(0) == b""
        sent = bytes(range(256)) * 512
        peer.settimeout(None)
        sender = asyncio.get_running_loop().run_in_executor(None, peer.sendall, sent)
        heard = b""
        while len(heard) < len(sent):
            heard += await port.receive(10)
        await sender
        assert heard == sent
        await port.set_line(9600)
        await port.sleep(0)
        assert port.now() <= port.now()
        await port.close()
        await port.close()

    with_peer(opener, talk)


@each
def test_tcp_closed_by_the_peer(opener: Opener) -> None:
    async def talk(port: AsyncPort, peer: socket.socket) -> None:
        peer.sendall(b"last words")
        peer.close()
        assert await port.receive(10) == b"last words"
        with pytest.raises(PortClosed, match="closed the connection"):
            await port.receive(10)

    with_peer(opener, talk)


@each
def test_tcp_reset_by_the_peer(opener: Opener) -> None:
    async def talk(port: AsyncPort, peer: socket.socket) -> None:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()
        with pytest.raises(PortClosed):
            await port.receive(10)
        with pytest.raises(PortClosed):
            await port.send(b"x")

    with_peer(opener, talk)


@each
def test_a_closed_port_says_so(opener: Opener) -> None:
    async def talk(port: AsyncPort, peer: socket.socket) -> None:
        await port.close()
        with pytest.raises(PortClosed):
            await port.send(b"x")
        with pytest.raises(PortClosed):
            await port.receive(0)

    with_peer(opener, talk)


@each
def test_nobody_listens(opener: Opener) -> None:
    with pytest.raises(PortError, match="refused") as told:
        asyncio.run(opener(f"tcp://127.0.0.1:{free_port()}"))  # type: ignore[arg-type]
    assert told.value.hint and told.value.retryable


@each
def test_a_host_without_a_name(opener: Opener) -> None:
    # RFC 6761: never resolved, and no question leaves the machine for it.
    with pytest.raises(PortNotFound, match="cannot be resolved"):
        asyncio.run(opener("tcp://meter.invalid"))  # type: ignore[arg-type]


def test_errors_of_connecting_are_told_apart() -> None:
    assert isinstance(blocking.connection_error("t", OSError(113, "No route to host")), PortNotFound)
    assert "asleep" in blocking.connection_error("t", TimeoutError()).hint


@each
def test_udp_keeps_datagrams_apart(opener: Opener) -> None:
    async def main() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as meter:
            meter.bind(("127.0.0.1", 0))
            meter.settimeout(10)
            port = await opener(f"udp://127.0.0.1:{meter.getsockname()[1]}")
            await port.send(b"request")
            request, client = meter.recvfrom(100)
            assert request == b"request"
            for datagram in (b"one", b"", b"two" * 10_000):
                meter.sendto(datagram, client)
            assert await port.receive(10) == b"one"
            assert await port.receive(10) == b"two" * 10_000
            assert await port.receive(0) == b""
            await port.close()

    asyncio.run(main())


class Flooded(socket.socket):
    """Empty datagrams, as fast as they are read."""

    read = 0

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        self.read += 1
        assert self.read < 100, "it never looks at the time"
        return b""


@pytest.mark.parametrize("kind", [blocking.SocketPort, streams.AsyncSocketPort])
def test_a_flood_of_empty_datagrams_is_silence(kind: type[blocking.SocketPort | streams.AsyncSocketPort]) -> None:
    async def main() -> None:
        with Flooded(socket.AF_INET, socket.SOCK_DGRAM) as ours, socket.socket(type=socket.SOCK_DGRAM) as meter:
            ours.bind(("127.0.0.1", 0))
            meter.sendto(b"", ours.getsockname())
            port = kind(ours, "udp", datagram=True)
            got = port.receive(0)
            assert (got if isinstance(got, bytes) else await got) == b""

    asyncio.run(main())


@each
def test_udp_where_nobody_listens(opener: Opener) -> None:
    async def main() -> None:
        port = await opener(f"udp://127.0.0.1:{free_port(socket.SOCK_DGRAM)}")
        await port.send(b"request")
        with pytest.raises(PortError, match="nobody listens"):
            await port.receive(10)
        await port.close()

    asyncio.run(main())


@pytest.mark.parametrize("how", ["blocking", "asyncio"])
def test_a_meter_dials_in(how: str) -> None:
    address = parse_address("listen://127.0.0.1:0")
    with blocking.bound(address) as server, socket.create_connection(server.getsockname(), 10) as meter:
        if how == "blocking":
            port: AsyncPort = AsyncFromSync(blocking.accept(server, "listen", 10))
        else:
            port = asyncio.run(streams.accept(server, "listen", 10))
        assert port.name == "listen from 127.0.0.1"

        async def talk() -> None:
            meter.sendall(b"push")
            assert await port.receive(10) == b"push"
            await port.send(b"request")
            assert meter.recv(100) == b"request"
            await port.close()

        asyncio.run(talk())


@pytest.mark.parametrize("how", ["blocking", "asyncio"])
def test_no_meter_dials_in(how: str) -> None:
    with blocking.bound(parse_address("listen://127.0.0.1:0")) as server, pytest.raises(NoAnswer, match="dialled in"):
        if how == "blocking":
            blocking.accept(server, "listen", 0.001)
        else:
            asyncio.run(streams.accept(server, "listen", 0.001))


def test_a_place_to_listen_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        target = f"listen://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(PortBusy, match="another program listens"):
            open_port(target)


def test_listening_on_every_interface() -> None:
    with blocking.bound(parse_address("listen://:0")) as server:
        assert server.getsockname()[1] > 0


@pytest.mark.parametrize("how", ["poll", "select"])
def test_a_peer_that_takes_nothing(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if how == "select":
        monkeypatch.delattr(blocking.select, "poll")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = open_port(f"tcp://127.0.0.1:{listener.getsockname()[1]}")
        peer, _ = listener.accept()
        with peer:
            peer.sendall(b"response")
            assert port.receive(10) == b"response"
            assert port.receive(0) == b""
            monkeypatch.setattr(blocking, "SEND_TIMEOUT", 0.0)
            with pytest.raises(PortClosed):
                # More than the buffers of both sides hold.
                port.send(bytes(1 << 26))
        port.close()


def test_more_than_the_buffers_hold() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = open_port(f"tcp://127.0.0.1:{listener.getsockname()[1]}")
        peer, _ = listener.accept()
        sent = bytes(range(256)) * (1 << 16)
        heard = bytearray()

        def hear() -> None:
            while len(heard) < len(sent) and (data := peer.recv(1 << 16)):
                heard.extend(data)

        with peer:
            hearing = threading.Thread(target=hear)
            hearing.start()
            port.send(sent)
            hearing.join(30)
        port.close()
        assert heard == sent


@pytest.mark.parametrize("how", ["blocking", "asyncio"])
@pytest.mark.parametrize("dials_in", [False, True])
def test_a_peer_that_is_gone_at_once(how: str, dials_in: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """macOS refuses options for a connection that was reset already: a typed error, and no socket stays open."""
    made: list[socket.socket] = []
    whole = socket.socket.setsockopt

    def setsockopt(sock: socket.socket, level: int, option: int, value: int) -> None:
        if (level, option) == (socket.IPPROTO_TCP, socket.TCP_NODELAY):
            made.append(sock)
            raise OSError(22, "Invalid argument")
        whole(sock, level, option, value)

    async def connect(listener: socket.socket) -> object:
        port = listener.getsockname()[1]
        if not dials_in:
            target = f"tcp://127.0.0.1:{port}"
            return open_port(target) if how == "blocking" else await aopen_port(target)
        with socket.create_connection(("127.0.0.1", port)):
            return blocking.accept(listener, "x", 5) if how == "blocking" else await streams.accept(listener, "x", 5)

    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            monkeypatch.setattr(socket.socket, "setsockopt", setsockopt)
            with pytest.raises(PortError, match="Invalid argument"):
                await connect(listener)

    asyncio.run(main())
    assert [sock.fileno() for sock in made] == [-1]


def test_what_a_thread_opens_for_nobody_is_closed_again() -> None:
    port = VirtualPort(nothing())
    begun, may_go, gone = threading.Event(), threading.Event(), threading.Event()

    def opener() -> VirtualPort:
        begun.set()
        may_go.wait(10)
        return port

    def close() -> None:
        VirtualPort.close(port)
        gone.set()

    port.close = close  # type: ignore[method-assign]

    async def main() -> None:
        task = asyncio.ensure_future(streams._in_thread(opener))
        await asyncio.to_thread(begun.wait, 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        may_go.set()
        assert await asyncio.to_thread(gone.wait, 10)

    asyncio.run(main())


def nothing() -> Dialog[None]:
    yield Receive(1.0)
