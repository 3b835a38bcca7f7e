"""Serial ports over pseudo terminals and RFC 2217 on loopback, blocking and asyncio."""

from __future__ import annotations

import asyncio
import os
import select
import socket
import subprocess
import sys
import termios
import threading
import tty
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
import serial
import serial.rfc2217

from metersdk.effects import Dialog, Receive, Send, SetLine
from metersdk.errors import PortBusy, PortClosed, PortError, PortNotFound
from metersdk.port import serial_port, streams
from metersdk.port.address import aopen_port, open_port, parse_address
from metersdk.port.drive import AsyncPort, arun, run
from metersdk.port.host.speed import real_baud
from metersdk.port.virtual import AsyncFromSync

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="pseudo terminals are POSIX"),
    # pyserial 3.5 starts its RFC 2217 reader in the manner of Python 2.
    pytest.mark.filterwarnings("ignore:setDaemon:DeprecationWarning", "ignore:setName:DeprecationWarning"),
]

# Line time at this speed is below a millisecond, and pseudo terminals take any.
FAST = 115200


class Terminal:
    """A pseudo terminal; ``path`` is for the port under test, ``master`` for the meter's end."""

    def __init__(self) -> None:
        self.master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.path = os.ttyname(self._slave)

    def heard(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            assert select.select([self.master], [], [], 10)[0], f"only {data!r} came"
            data += os.read(self.master, size - len(data))
        return data

    def unplug(self) -> None:
        """Hang up, as when the probe is pulled."""
        for descriptor in (self.master, self._slave):
            if descriptor >= 0:
                os.close(descriptor)
        self.master = self._slave = -1


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    terminal = Terminal()
    yield terminal
    terminal.unplug()


async def blocking_port(target: str) -> AsyncPort:
    return AsyncFromSync(open_port(target))


def speed_of(terminal: Terminal) -> int:
    return termios.tcgetattr(terminal.master)[5]


def asking() -> Dialog[bytes]:
    yield SetLine(FAST)
    yield Send(b"/?!\r\n")
    return (yield Receive(10))


def test_octets_go_both_ways(terminal: Terminal) -> None:
    port = open_port(f"{terminal.path}?baud={FAST}")
    os.write(terminal.master, b"/ABC5\\2METER\r\n")
    assert run(asking(), port) == b"/ABC5\\2METER\r\n"
    assert terminal.heard(5) == b"/?!\r\n"
    assert port.receive(0) == b""
    port.close()
    port.close()
    with pytest.raises(PortClosed):
        port.send(b"x")
    with pytest.raises(PortClosed):
        port.receive(0)


def test_octets_go_both_ways_with_asyncio(terminal: Terminal) -> None:
    async def main() -> None:
        port = await aopen_port(f"pty://{terminal.path}?baud={FAST}")
        os.write(terminal.master, bytes(range(256)))
        heard = b""
        while len(heard) < 256:
            heard += await port.receive(10)
        assert heard == bytes(range(256))
        os.write(terminal.master, b"hello")
        assert await arun(asking(), port) == b"hello"
        assert terminal.heard(5) == b"/?!\r\n"
        assert await port.receive(0) == b""
        await port.close()
        await port.close()
        with pytest.raises(PortClosed):
            await port.receive(0)

    asyncio.run(main())


def test_a_cancelled_receive_loses_nothing(terminal: Terminal) -> None:
    async def main() -> None:
        port = await aopen_port(f"{terminal.path}?baud={FAST}")
        task = asyncio.create_task(port.receive(60))
        await asyncio.sleep(0)
        task.cancel()
        os.write(terminal.master, b"late")
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await port.receive(10) == b"late"
        await port.close()

    asyncio.run(main())


def test_the_open_line_changes_its_speed(terminal: Terminal) -> None:
    port = open_port(terminal.path)
    assert speed_of(terminal) == termios.B300
    os.write(terminal.master, b"kept")
    port.set_line(9600)
    assert speed_of(terminal) == termios.B9600
    # Nothing was flushed by the switch, and the port is the same.
    assert port.receive(10) == b"kept"
    port.set_line(9600)
    port.close()


def test_the_open_line_changes_its_speed_with_asyncio(terminal: Terminal) -> None:
    async def main() -> None:
        port = await aopen_port(terminal.path)
        await port.set_line(19200)
        assert speed_of(terminal) == termios.B19200
        await port.close()

    asyncio.run(main())


def test_send_takes_the_line_time_where_draining_does_not(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(serial_port.SerialPort, "sleep", lambda self, seconds: slept.append(seconds))
    for drain in ("auto", "compute", "trust"):
        port = open_port(f"{terminal.path}?drain={drain}")
        port.send(b"\x06050\r\n")
        port.close()
    assert len(slept) == 2
    # Six characters at 300 Bd are 0.2 s, less what the calls themselves took.
    assert all(0 < seconds <= 0.2 for seconds in slept)


def test_a_speed_that_was_not_set_is_refused(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    port = open_port(terminal.path)
    monkeypatch.setattr(serial_port, "real_baud", lambda fd: 9300)
    with pytest.raises(PortError, match="9600 Bd was asked for, the chip set 9300 Bd"):
        port.set_line(9600)
    monkeypatch.setattr(serial_port, "real_baud", lambda fd: 4808)
    port.set_line(4800)
    port.close()


@pytest.mark.skipif(sys.platform != "linux", reason="termios2 is Linux")
def test_the_real_speed_is_read_back(terminal: Terminal) -> None:
    port = open_port(terminal.path)
    for baud in (300, 9600, 1234):
        port.set_line(baud)
        descriptor = os.open(terminal.path, os.O_RDWR | os.O_NOCTTY)
        assert real_baud(descriptor) == baud
        os.close(descriptor)
    port.close()


def test_a_busy_port_names_its_holder(terminal: Terminal) -> None:
    port = open_port(terminal.path)
    with pytest.raises(PortBusy) as busy:
        open_port(terminal.path)
    if sys.platform == "linux":
        assert f"pid {os.getpid()} " in str(busy.value)
    assert busy.value.exit_code == 9
    assert "ModemManager" in busy.value.hint
    port.close()
    open_port(terminal.path).close()


def test_a_port_held_by_another_process(terminal: Terminal) -> None:
    code = (
        "import fcntl, os, sys; fd = os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY);"
        "fcntl.flock(fd, fcntl.LOCK_EX); print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-P", "-c", code, terminal.path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(PortBusy):
            asyncio.run(aopen_port(terminal.path))
        holder.communicate()
    open_port(terminal.path).close()


def test_unplugged_while_reading_and_writing(terminal: Terminal) -> None:
    port = open_port(f"{terminal.path}?baud={FAST}")
    terminal.unplug()
    with pytest.raises(PortClosed):
        port.receive(10)
    with pytest.raises(PortClosed):
        port.send(b"x")
    with pytest.raises(PortClosed):
        port.set_line(9600)
    port.close()


STABLE = "/dev/serial/by-id/usb-FTDI_A1-if00-port0"


def test_the_name_under_which_a_probe_will_be_back(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serial_port, "by_id_of", lambda device: STABLE)
    port = open_port(terminal.path)
    terminal.unplug()
    with pytest.raises(PortClosed) as gone:
        port.receive(10)
    assert gone.value.hint.endswith(f"plugged in again it is {STABLE}")
    port.close()


def test_the_same_name_with_asyncio(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "by_id_of", lambda device: STABLE)

    async def main() -> None:
        port = await aopen_port(terminal.path)
        terminal.unplug()
        with pytest.raises(PortClosed) as gone:
            await port.receive(60)
        assert gone.value.hint.endswith(f"plugged in again it is {STABLE}")
        await port.close()

    asyncio.run(main())


def test_unplugged_while_waiting_with_asyncio(terminal: Terminal) -> None:
    async def main() -> None:
        port = await aopen_port(f"{terminal.path}?baud={FAST}")
        waiting = asyncio.create_task(port.receive(60))
        await asyncio.sleep(0)
        terminal.unplug()
        with pytest.raises(PortClosed):
            await waiting
        with pytest.raises(PortClosed):
            await port.send(b"x")
        await port.close()

    asyncio.run(main())


def test_what_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(PortNotFound) as missing:
        open_port("/dev/ttyUSB-none")
    assert missing.value.hint
    file = tmp_path / "file"
    file.write_text("")
    for path in (file, tmp_path, Path("/dev/null")):
        with pytest.raises(PortError, match="no serial device"):
            open_port(str(path))


def test_a_driver_that_cannot_be_told_to_hurry_is_no_error(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """pyserial knows low latency on Linux only; elsewhere it says so with an exception of its own choice."""

    def set_low_latency_mode(device: serial.Serial, wanted: bool) -> None:
        raise NotImplementedError("Low latency not supported on this platform")

    monkeypatch.setattr(serial.Serial, "set_low_latency_mode", set_low_latency_mode)
    port = open_port(terminal.path)
    port.close()


class FakeLine:
    """The far end of an RFC 2217 server: keeps what is set and written, and answers each ``/?!``."""

    def __init__(self) -> None:
        self.baudrate, self.bytesize, self.parity, self.stopbits = 1, 5, "N", 1
        self.dtr = self.rts = self.rtscts = self.xonxoff = self.break_condition = False
        self.cts = self.dsr = self.ri = self.cd = True
        self.written = b""
        self.lines: list[tuple[int, int, str, float]] = []

    def setting(self) -> tuple[int, int, str, float]:
        return self.baudrate, self.bytesize, self.parity, self.stopbits

    def reset_input_buffer(self) -> None: ...

    def reset_output_buffer(self) -> None: ...


class Rfc2217Server:
    """One client, served by pyserial's own PortManager in a thread."""

    def __init__(self) -> None:
        self.line = FakeLine()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.target = f"rfc2217://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        connection, _ = self._listener.accept()
        with connection:
            self._lock = threading.Lock()
            self._connection = connection
            manager = serial.rfc2217.PortManager(self.line, self)
            while data := connection.recv(1024):
                for octet in manager.filter(data):
                    self.line.written += octet
                    if self.line.written.endswith(b"/?!\r\n"):
                        self.line.lines.append(self.line.setting())
                        self.write(b"".join(manager.escape(b"/ABC5\xffMETER\r\n")))

    def write(self, data: bytes) -> None:
        with self._lock:
            self._connection.sendall(data)

    def close(self) -> None:
        self._thread.join(10)
        self._listener.close()
        assert not self._thread.is_alive()


@pytest.fixture
def rfc2217() -> Iterator[Rfc2217Server]:
    server = Rfc2217Server()
    yield server
    server.close()


def whole() -> Dialog[bytes]:
    yield SetLine(9600)
    yield Send(b"/?!\r\n")
    heard = b""
    while not heard.endswith(b"\n"):
        piece = yield Receive(10)
        assert piece
        heard += piece
    return heard


def test_rfc2217_sets_the_line_that_was_asked_for(rfc2217: Rfc2217Server) -> None:
    port = open_port(f"{rfc2217.target}?format=7E1")
    assert rfc2217.line.setting() == (300, 7, "E", 1)
    assert rfc2217.line.dtr and rfc2217.line.rts
    assert run(whole(), port) == b"/ABC5\xffMETER\r\n"
    assert rfc2217.line.lines == [(9600, 7, "E", 1)]
    assert rfc2217.line.dtr and rfc2217.line.rts
    assert port.receive(0) == b""
    port.close()
    with pytest.raises(PortClosed):
        port.receive(0)


def test_a_line_that_shall_be_off_is_off(rfc2217: Rfc2217Server) -> None:
    """A probe that takes its power from RTS, and does not want DTR."""
    port = open_port(f"{rfc2217.target}?dtr=0")
    assert not rfc2217.line.dtr
    assert rfc2217.line.rts
    port.close()


def test_rfc2217_with_asyncio_runs_in_a_thread(rfc2217: Rfc2217Server) -> None:
    async def main() -> None:
        port = await aopen_port(rfc2217.target)
        assert isinstance(port, streams.ThreadedPort)
        assert rfc2217.line.setting() == (300, 8, "N", 1)
        assert await arun(whole(), port) == b"/ABC5\xffMETER\r\n"
        task = asyncio.create_task(port.receive(60))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        rfc2217.write(b"kept")
        heard = b""
        while len(heard) < 4:
            heard += await port.receive(10)
        assert heard == b"kept"
        await port.close()
        await port.close()

    asyncio.run(main())


def test_rfc2217_where_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        target = f"rfc2217://127.0.0.1:{gone.getsockname()[1]}"
    with pytest.raises(PortError) as told:
        open_port(target)
    assert told.value.hint
    with pytest.raises(PortError):
        asyncio.run(aopen_port(target))


def test_errors_of_pyserial_are_told_apart() -> None:
    gone = serial.SerialException("device reports readiness to read but returned no data (device disconnected ...)")
    assert isinstance(serial_port.lost("p", gone), PortClosed)
    assert isinstance(serial_port.lost("p", OSError(19, "No such device")), PortClosed)
    assert not isinstance(serial_port.lost("p", OSError(22, "Invalid argument")), PortClosed)
    assert parse_address("COM3").path == "COM3"


@pytest.mark.parametrize("opener", [blocking_port, aopen_port], ids=["blocking", "asyncio"])
def test_octets_that_somebody_else_has_read(
    terminal: Terminal, opener: Callable[[str], Coroutine[Any, Any, AsyncPort]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Announced, and gone when they are read: the device itself is still there."""

    async def main() -> None:
        port = await opener(terminal.path)
        os.write(terminal.master, b"x")
        with monkeypatch.context() as patched:
            patched.setattr(serial_port.os, "read", lambda fd, size: b"")
            with pytest.raises(PortClosed, match="another program") as told:
                await port.receive(5.0)
        assert told.value.state == "shared" and "doctor" in told.value.hint
        assert await port.receive(5.0) == b"x"
        await port.close()

    asyncio.run(main())
