"""A Linux computer made of files in a folder, and a port that plays a script under its own clock."""

from __future__ import annotations

import errno
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from metersdk.port.host.check import Check
from metersdk.port.host.line import Line, LineCounters
from metersdk.port.host.system import Node, System, User

TTYUSB = (188, 0)
ME = User(1000, 1000, frozenset((1000, 20)))


class FakeSystem(System):
    """Files are those below ``root``; users, nodes, commands and the registry are what a test says."""

    def __init__(self, root: Path, platform: str = "linux") -> None:
        super().__init__(str(root), platform)
        self.pid = 4242
        self.me = ME
        self.nodes: dict[str, Node] = {}
        self.allowed = True
        self.writable: set[str] = set()
        self.listed: list[Any] = []
        self.answers: dict[str, str] = {}
        self.values: dict[str, dict[str, object]] = {}
        self.line: Line | OSError | None = None
        self.time = 0.0
        self.plugs: list[tuple[float, Any]] = []
        self.denied: set[str] = set()

    def node(self, path: str) -> Node | None:
        return self.nodes.get(self.resolve(path))

    def names(self, path: str) -> list[str] | None:
        return None if path in self.denied else super().names(path)

    def may_open(self, path: str) -> bool:
        return self.allowed

    def may_write(self, path: str) -> bool:
        return path in self.writable

    def user(self) -> User:
        return self.me

    def run(self, command: Iterable[str], timeout: float = 5.0) -> str | None:
        return self.answers.get(" ".join(command))

    def registry(self, key: str) -> dict[str, object] | None:
        return self.values.get(key)

    def registry_keys(self, key: str) -> list[str]:
        below = {name[len(key) + 1 :].split("\\")[0] for name in self.values if name.startswith(key + "\\")}
        return sorted(below)

    def com_ports(self) -> list[Any]:
        return self.listed

    def open_line(self, path: str) -> Line:
        if self.line is None:
            raise OSError(errno.ENOENT, "No such file or directory")
        if isinstance(self.line, OSError):
            raise self.line
        return self.line

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds
        while self.plugs and self.plugs[0][0] <= self.time:
            self.plugs.pop(0)[1]()

    # the tree ---------------------------------------------------------------------------------------------------

    def file(self, path: str, text: str = "") -> None:
        place = Path(self.root + path)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)

    def symlink(self, path: str, target: str) -> None:
        """``target`` as it is written: relative, as in /sys, or absolute, as in /proc."""
        place = Path(self.root + path)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(target)

    def folder(self, path: str) -> None:
        Path(self.root + path).mkdir(parents=True, exist_ok=True)

    def process(self, pid: int, command: str, *arguments: str, opened: str = "", hidden: bool = False) -> None:
        self.file(f"/proc/{pid}/comm", f"{command[:15]}\n")
        self.file(f"/proc/{pid}/cmdline", "\0".join((f"/usr/bin/{command}", *arguments)) + "\0")
        self.folder(f"/proc/{pid}/fd")
        if hidden:
            self.denied.add(f"/proc/{pid}/fd")
        if opened:
            self.symlink(f"/proc/{pid}/fd/3", opened)

    def probe(
        self,
        number: int = 0,
        *,
        ids: tuple[str, str] = ("0403", "6001"),
        driver: str = "ftdi_sio",
        serial: str = "A1",
        latency: int | None = 16,
    ) -> str:
        """Plug in a probe; its device. As /sys shows one: usb device, interface, usb-serial port, tty."""
        name = f"ttyUSB{number}"
        place = f"devices/pci0000:00/0000:00:14.0/usb1/1-{number + 1}"
        usb = f"/sys/{place}"
        port = f"{usb}/1-{number + 1}:1.0/{name}"
        for key, value in (("idVendor", ids[0]), ("idProduct", ids[1]), ("product", "USB Probe"), ("serial", serial)):
            if value:
                self.file(f"{usb}/{key}", f"{value}\n")
        self.file(f"{usb}/power/control", "on\n")
        self.folder(f"{port}/tty/{name}")
        self.symlink(
            f"/sys/bus/usb/devices/1-{number + 1}", f"../../../devices/pci0000:00/0000:00:14.0/usb1/1-{number + 1}"
        )
        self.symlink(f"{port}/driver", f"../../../../../../../bus/usb-serial/drivers/{driver}")
        self.symlink(f"{usb}/1-{number + 1}:1.0/driver", f"../../../../../../bus/usb/drivers/{driver}")
        self.symlink(f"{port}/tty/{name}/device", f"../../../{name}")
        self.symlink(f"/sys/class/tty/{name}", f"../..{port.removeprefix('/sys')}/tty/{name}")
        if latency is not None:
            self.file(f"{port}/latency_timer", f"{latency}\n")
        self.file(f"/dev/{name}")
        self.nodes[f"/dev/{name}"] = Node(0o660, 0, 20, (188, number), True, (0, 5), 500 + number)
        if serial:
            self.symlink(f"/dev/serial/by-id/usb-FTDI_USB_Probe_{serial}-if00-port0", f"../../{name}")
        return f"/dev/{name}"

    def unplug(self, number: int = 0, serial: str = "A1") -> None:
        """The node and its links go."""
        Path(f"{self.root}/dev/ttyUSB{number}").unlink()
        Path(f"{self.root}/dev/serial/by-id/usb-FTDI_USB_Probe_{serial}-if00-port0").unlink()
        Path(f"{self.root}/sys/class/tty/ttyUSB{number}").unlink()
        del self.nodes[f"/dev/ttyUSB{number}"]

    def set_node(self, device: str, **changes: Any) -> None:
        self.nodes[device] = replace(self.nodes[device], **changes)


@dataclass
class FakeLine:
    """An opened port: what comes (seconds after it was opened, octets), and what a probe sends back."""

    script: list[tuple[float, bytes]] = field(default_factory=list)
    echo: Any = None
    exclusive: bool | None = False
    free: bool = True
    flag: bool | None = False
    takes_flag: bool = True
    real: dict[int, int | None] = field(default_factory=dict)
    counts: bool = True
    rising: LineCounters = field(default_factory=LineCounters)
    gone: bool = False
    closed: bool = False
    sent: bytes = b""
    time: float = 0.0
    baud: int = 0
    _waiting: deque[bytes] = field(default_factory=deque)
    _asked: int = 0

    def is_exclusive(self) -> bool | None:
        return self.exclusive

    def lock(self) -> bool:
        return self.free

    def configure(self) -> None:
        self.baud = 300

    def set_baud(self, baud: int) -> int | None:
        self.baud = baud
        real = self.real.get(baud, baud)
        if real == 0:
            raise ValueError("no such speed")
        return real

    def counters(self) -> LineCounters | None:
        self._asked += 1
        return None if not self.counts else LineCounters() if self._asked == 1 else self.rising

    def low_latency(self) -> bool | None:
        return self.flag

    def set_low_latency(self) -> bool:
        if self.takes_flag:
            self.flag = True
        return self.takes_flag

    def send(self, data: bytes) -> None:
        self.sent += data
        if self.echo is not None:
            self._waiting.append(self.echo(data))

    def receive(self, timeout: float) -> bytes:
        if self.gone:
            raise OSError(errno.EIO, "Input/output error")
        if self._waiting:
            return self._waiting.popleft()
        if self.script and self.script[0][0] <= self.time + timeout:
            self.time, piece = self.script.pop(0)
            return piece
        self.time += timeout
        return b""

    def now(self) -> float:
        return self.time

    def close(self) -> None:
        self.closed = True


def by_name(checks: Iterable[Check]) -> dict[str, Check]:
    """Checks by their names, of which each comes once."""
    found: dict[str, Check] = {}
    for check in checks:
        assert check.name not in found, check.name
        found[check.name] = check
    return found
