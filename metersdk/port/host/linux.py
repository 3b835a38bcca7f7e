"""The serial ports of Linux, from /sys, /dev and /proc."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from metersdk.port.host.port_info import BY_ID, Holder, PortInfo
from metersdk.port.host.system import Node, System

TTYS = "/sys/class/tty"
USB_DEVICES = "/sys/bus/usb/devices"
# Linux 6.5 puts a device of its own between a UART and its tty.
_PORT_DRIVERS = ("port", "ctrl")
# A UART that is not there has type 0, PORT_UNKNOWN.
_NO_UART = "0"
_INTERPRETERS = ("python", "perl", "ruby", "node", "java", "bash", "sh")


def ports(system: System) -> list[PortInfo]:
    """Every tty with hardware behind it."""
    names = [name for name in system.names(TTYS) or () if _is_port(system, name)]
    stable = by_ids(system)
    devices = [f"/dev/{name}" for name in names]
    held = holders(system, devices)
    return [
        describe(system, device, stable.get(device, ""), held[device]) for device in sorted(devices, key=_by_number)
    ]


def by_ids(system: System) -> dict[str, str]:
    """Device to its name below /dev/serial/by-id."""
    names = system.names(BY_ID) or ()
    return {system.resolve(f"{BY_ID}/{name}"): f"{BY_ID}/{name}" for name in names}


def describe(system: System, device: str, by_id: str = "", held: tuple[Holder, ...] = ()) -> PortInfo:
    """What /sys says of one device."""
    tty = f"{TTYS}/{os.path.basename(device)}"
    if not system.exists(f"{tty}/device"):
        return PortInfo(device, by_id, holders=held)
    folder = system.resolve(f"{tty}/device")
    usb = usb_folder(system, folder)
    latency = _text(system, f"{folder}/latency_timer")
    return PortInfo(
        device,
        by_id,
        driver_of(system, folder),
        _hex(system, f"{usb}/idVendor") if usb else None,
        _hex(system, f"{usb}/idProduct") if usb else None,
        _text(system, f"{usb}/serial") if usb else "",
        " ".join(filter(None, (_text(system, f"{usb}/manufacturer"), _text(system, f"{usb}/product")))) if usb else "",
        int(latency) if latency.isdecimal() else None,
        held,
        usb,
    )


def driver_of(system: System, folder: str) -> str:
    """The driver of a device, or of the one that carries it."""
    for above in _upwards(folder):
        driver = os.path.basename(system.link(f"{above}/driver") or "")
        if driver and driver not in _PORT_DRIVERS:
            return driver
    return ""


def usb_folder(system: System, folder: str) -> str:
    """The USB device that carries a device, empty if none does."""
    return next((above for above in _upwards(folder) if system.exists(f"{above}/idVendor")), "")


def holders(system: System, devices: Iterable[str]) -> dict[str, tuple[Holder, ...]]:
    """Which processes have these devices open: those of this user, and for root all."""
    found: dict[str, list[Holder]] = {device: [] for device in devices}
    for pid in processes(system):
        for device in found.keys() & opened_by(system, pid):
            found[device].append(Holder(pid, command_of(system, pid)))
    return {device: tuple(each) for device, each in found.items()}


def opened_by(system: System, pid: int) -> set[str | None]:
    """What a process has open; nothing where this user may not see it."""
    folder = f"/proc/{pid}/fd"
    return {system.link(f"{folder}/{descriptor}") for descriptor in system.names(folder) or ()}


def is_other_end(system: System, pid: int) -> bool:
    """Whether a process is the far end of pseudo terminals, as a simulated meter is: it is no rival on them."""
    return not opened_by(system, pid).isdisjoint(("/dev/ptmx", "/dev/pts/ptmx"))


def lockers(system: System, node: Node) -> tuple[Holder, ...]:
    """Which processes have locked a device by flock: /proc/locks tells it of all users' processes."""
    major, minor = node.filesystem
    place = f"{major:02x}:{minor:02x}:{node.inode}"
    rows = (line.split() for line in (system.read("/proc/locks") or "").splitlines())
    pids = {int(row[4]) for row in rows if len(row) > 5 and row[1] == "FLOCK" and row[5] == place}
    return tuple(Holder(pid, command_of(system, pid)) for pid in sorted(pids - {system.pid}))


def hidden_processes(system: System) -> int:
    """Processes whose open files this user may not see."""
    return sum(system.names(f"/proc/{pid}/fd") is None for pid in processes(system))


def processes(system: System) -> Iterator[int]:
    """All process numbers."""
    return (int(name) for name in system.names("/proc") or () if name.isdecimal())


def command_of(system: System, pid: int) -> str:
    """The name of a process, and of the script that it runs; never its other arguments, which may hold secrets."""
    words = (system.read(f"/proc/{pid}/cmdline") or "").split("\0")
    name = os.path.basename(words[0].split(" ")[0])
    if not name:
        return _text(system, f"/proc/{pid}/comm") or "?"
    if name.rstrip("0123456789.") in _INTERPRETERS:
        script = words[1] if len(words) > 1 and not words[1].startswith("-") else ""
        return f"{name} {os.path.basename(script)}".strip()
    return name


def running(system: System, name: str) -> int | None:
    """The number of a process of this name."""
    return next((pid for pid in processes(system) if _text(system, f"/proc/{pid}/comm") == name), None)


def _is_port(system: System, name: str) -> bool:
    tty = f"{TTYS}/{name}"
    return system.exists(f"{tty}/device") and _text(system, f"{tty}/type") != _NO_UART


def _upwards(folder: str) -> Iterator[str]:
    while folder.startswith("/sys/devices/") and folder != "/sys/devices":
        yield folder
        folder = os.path.dirname(folder)


def _text(system: System, path: str) -> str:
    return (system.read(path) or "").strip()


def _hex(system: System, path: str) -> int | None:
    try:
        return int(_text(system, path), 16)
    except ValueError:
        return None


def _by_number(device: str) -> tuple[str, int]:
    """ttyUSB10 after ttyUSB9."""
    name = device.rstrip("0123456789")
    return name, int(device[len(name) :] or -1)
