"""Ports and checks of macOS and Windows, from what those systems answer."""

from __future__ import annotations

import errno
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import serial

from host_rig import FakeLine, FakeSystem, by_name
from metersdk.port.host import windows_line, windows_registry
from metersdk.port.host.check import Check, Verdict
from metersdk.port.host.examination import examine, passive, port_of
from metersdk.port.host.macos import read_lsof
from metersdk.port.host.port_info import Holder, PortInfo
from metersdk.port.host.ports import await_return, is_there, list_ports
from metersdk.port.host.system import Node, User
from metersdk.port.host.windows_line import WindowsLine

OK, WARNING, FAILURE, SKIPPED = Verdict.OK, Verdict.WARNING, Verdict.FAILURE, Verdict.NOT_APPLICABLE
CU = "/dev/cu.usbserial-A50285BI"
TTY = "/dev/tty.usbserial-A50285BI"
# lsof -F pcn, one process with the port open twice.
LSOF = f"p642\ncscreen\nf5\nn{TTY}\nf6\nn{TTY}\np700\ncpython3.12\nf3\nn{CU}\nn/dev/null\n"


def listed(device: str, **more: Any) -> SimpleNamespace:
    """A port as serial.tools.list_ports describes it."""
    told = {"description": "n/a", "hwid": "n/a", "vid": None, "pid": None, "serial_number": None, "manufacturer": None}
    return SimpleNamespace(device=device, **{**told, **more})


FTDI = {"vid": 0x0403, "pid": 0x6001, "serial_number": "A50285BI"}


def checks_of(system: FakeSystem, given: str) -> dict[str, Check]:
    known = list_ports(system)
    return by_name(passive(system, given, port_of(system, given, known), known))


# macOS --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def mac(tmp_path: Path) -> FakeSystem:
    system = FakeSystem(tmp_path, "darwin")
    system.listed = [
        listed("/dev/tty.usbserial-A50285BI"),
        listed(CU, description="FT232R USB UART", **FTDI),
        listed("/dev/cu.Bluetooth-Incoming-Port"),
    ]
    for path in (CU, TTY):
        system.file(path)
        system.nodes[path] = Node(0o666, 0, 0)
    return system


def test_ports_of_macos(mac: FakeSystem) -> None:
    mac.answers[f"lsof -F pcn -- /dev/cu.Bluetooth-Incoming-Port /dev/tty.Bluetooth-Incoming-Port {CU} {TTY}"] = ""
    bluetooth, probe = list_ports(mac)
    assert (bluetooth.device, bluetooth.by_id, bluetooth.driver) == ("/dev/cu.Bluetooth-Incoming-Port", "", "")
    assert (probe.device, probe.by_id, probe.usb_id, probe.product) == (CU, CU, "0403:6001", "FT232R USB UART")
    mac.listed = []
    assert list_ports(mac) == []


def test_what_lsof_says() -> None:
    assert read_lsof(LSOF, {CU: CU, TTY: CU}) == {CU: (Holder(642, "screen"), Holder(700, "python3.12"))}
    assert read_lsof("lsof: status error\nnonsense\np\n", {CU: CU}) == {}


def test_a_good_port_of_macos(mac: FakeSystem) -> None:
    checks = checks_of(mac, CU)
    assert checks["node"].verdict is checks["permission"].verdict is OK
    assert checks["usb-id"].text == "0403:6001, FTDI FT232R (FT232R USB UART)"
    assert {name for name, check in checks.items() if check.verdict is SKIPPED} == {
        *("in-use", "lock-file", "modem-manager", "brltty", "console", "latency-timer", "autosuspend")
    }
    mac.me = User(0, 0, frozenset((0,)))
    assert checks_of(mac, CU)["in-use"].text == "no process has it open"


def test_a_bad_port_of_macos(mac: FakeSystem) -> None:
    assert checks_of(mac, "/dev/cu.gone")["node"].text == f"/dev/cu.gone does not exist; there is {CU}"
    waiting = checks_of(mac, TTY)["node"]
    assert waiting.verdict is WARNING and waiting.mend is not None and waiting.mend.text == f"use {CU}"
    mac.answers[f"lsof -F pcn -- {CU} {TTY}"] = LSOF
    mac.listed = [listed(CU, **FTDI)]
    taken = checks_of(mac, CU)["in-use"]
    assert taken.verdict is FAILURE and taken.text == "open in pid 642 (screen), pid 700 (python3.12)"
    mac.allowed = False
    assert checks_of(mac, CU)["permission"].verdict is FAILURE
    mac.nodes[CU] = Node(0o644, 0, 0, is_character=False)
    assert checks_of(mac, CU)["node"].text.endswith("is no device")


def test_an_examination_on_macos(mac: FakeSystem) -> None:
    mac.line = OSError(errno.EBUSY, "Resource busy")
    busy = by_name(examine(mac, CU))
    assert busy["exclusive"].verdict is FAILURE and busy["idle"].verdict is SKIPPED
    mac.line = FakeLine(exclusive=None, counts=False, flag=None)
    good = by_name(examine(mac, CU))
    assert good["counters"].verdict is good["low-latency"].verdict is SKIPPED and good["idle"].verdict is OK
    assert mac.line.closed


# Windows ------------------------------------------------------------------------------------------------------------

ENUM = r"SYSTEM\CurrentControlSet\Enum"
FTDI_KEY = rf"{ENUM}\FTDIBUS\VID_0403+PID_6001+A50285BIA\0000"
SILABS_KEY = rf"{ENUM}\USB\VID_10C4&PID_EA60\0001"


@pytest.fixture
def windows(tmp_path: Path) -> FakeSystem:
    system = FakeSystem(tmp_path, "win32")
    system.listed = [
        listed("COM10", description="Silicon Labs CP210x USB to UART Bridge (COM10)", vid=0x10C4, pid=0xEA60),
        listed("COM3", description="USB Serial Port (COM3)", **FTDI),
        listed("COM1", description="Communications Port (COM1)"),
    ]
    system.values = {
        FTDI_KEY: {"Service": "FTSER2K"},
        rf"{FTDI_KEY}\Device Parameters": {"PortName": "COM3", "LatencyTimer": 16},
        SILABS_KEY: {"Service": "silabser"},
        rf"{SILABS_KEY}\Device Parameters": {"PortName": "COM10"},
        rf"{ENUM}\USB\ROOT_HUB30\4": {},
    }
    return system


def test_ports_of_windows(windows: FakeSystem) -> None:
    first, third, tenth = list_ports(windows)
    assert (first.device, first.driver, first.latency_ms) == ("COM1", "", None)
    assert third == PortInfo("COM3", "COM3", "FTSER2K", 0x0403, 0x6001, "A50285BI", "USB Serial Port", 16, usb=FTDI_KEY)
    assert (tenth.device, tenth.driver, tenth.latency_ms) == ("COM10", "silabser", None)


def test_the_latency_timer_of_windows(windows: FakeSystem) -> None:
    slow = checks_of(windows, "com3")["latency-timer"]
    assert slow.verdict is WARNING and slow.mend is not None and "Device Manager, COM3" in slow.mend.text
    parameters = windows.values[rf"{FTDI_KEY}\Device Parameters"]
    parameters["LatencyTimer"] = 1
    assert checks_of(windows, "COM3")["latency-timer"].text == "1 ms"
    # What is not said is what the driver takes by itself.
    del parameters["LatencyTimer"]
    assert checks_of(windows, r"\\.\COM3")["latency-timer"].text.startswith("16 ms")
    assert checks_of(windows, "COM10")["latency-timer"].verdict is SKIPPED


def test_a_port_of_windows_that_is_not_there(windows: FakeSystem) -> None:
    assert checks_of(windows, "COM4")["node"].text == "COM4 does not exist; there is COM1, COM3, COM10"
    assert is_there("com3", windows) and not is_there("COM4", windows)
    windows.listed, plugged = [], windows.listed
    windows.plugs = [(2.0, lambda: setattr(windows, "listed", plugged))]
    assert await_return("COM3", 5, windows) == "COM3" and 2 <= windows.time < 2.5


def test_an_examination_on_windows(windows: FakeSystem) -> None:
    windows.line = FakeLine(flag=None)
    checks = by_name(examine(windows, "COM3"))
    assert checks["idle"].verdict is OK and checks["permission"].verdict is SKIPPED
    windows.line = OSError(errno.EBUSY, "PermissionError(13, 'Access is denied.', None, 5)")
    assert by_name(examine(windows, "COM3"))["exclusive"].verdict is FAILURE


class Device:
    """pyserial's Serial on Windows, as much of it as is used."""

    _port_handle = 7

    def __init__(self) -> None:
        self.baudrate = 300
        self.pieces = [b"ab"]
        self.written = b""
        self.closed = False

    @property
    def in_waiting(self) -> int:
        return len(self.pieces[0]) if self.pieces else 0

    def read(self, size: int) -> bytes:
        return self.pieces.pop(0)[:size]

    def write(self, data: bytes) -> None:
        self.written += data

    def close(self) -> None:
        self.closed = True


class Win32:
    """The calls of serial.win32, with flags that each call takes away."""

    def __init__(self, flags: list[int]) -> None:
        self.flags = flags

    class DCB:
        BaudRate = 0

    class COMSTAT:
        pass

    def GetCommState(self, handle: int, state: Any) -> None:
        assert handle == 7
        state.BaudRate = 9600

    def ClearCommError(self, handle: int, flags: Any, state: Any) -> None:
        flags.value = self.flags.pop(0) if self.flags else 0


def test_errors_that_windows_tells_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows_line.ctypes, "byref", lambda it: it)
    device = Device()
    line = WindowsLine("COM3", device, Win32([0x08, 0x04 | 0x10, 0x02 | 0x01]))
    assert line.receive(1) == b"ab" and line.receive(0) == b""
    counted = line.counters()
    assert counted is not None
    assert (counted.framing, counted.parity, counted.breaks, counted.overrun, counted.buffer_overrun) == (1, 1, 1, 1, 1)
    assert line.set_baud(9600) == 9600 == device.baudrate
    assert (line.is_exclusive(), line.lock(), line.low_latency(), line.set_low_latency()) == (False, True, None, False)
    line.configure()
    line.send(b"x")
    line.close()
    assert device.written == b"x" and device.closed and line.now() > 0


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("could not open port 'COM3': FileNotFoundError(2, 'x', None, 2)", errno.ENOENT),
        ("could not open port 'COM3': PermissionError(13, 'Access is denied.', None, 5)", errno.EBUSY),
        ("Cannot configure port, something went wrong. Original message: OSError(22, 'x')", errno.EINVAL),
        ("could not open port 'COM3': OSError(121, 'x')", errno.EIO),
    ],
)
def test_errors_that_windows_tells_by_text(monkeypatch: pytest.MonkeyPatch, text: str, code: int) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise serial.SerialException(text)

    monkeypatch.setattr(serial, "Serial", refuse)
    with pytest.raises(OSError) as caught:
        WindowsLine("COM3", win32=Win32([]))
    assert caught.value.errno == code


@pytest.mark.skipif("sys.platform == 'win32'")
def test_no_registry_elsewhere() -> None:
    assert windows_registry.values_of("SYSTEM") is None and windows_registry.keys_of("SYSTEM") == []
