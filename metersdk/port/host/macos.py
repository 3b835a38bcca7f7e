"""Ports and checks of macOS. There is no sysfs: pyserial lists the ports, lsof tells who has one open."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from metersdk.port.host.check import Check, Mend, failure, ok, skipped, warning
from metersdk.port.host.port_info import Holder, PortInfo
from metersdk.port.host.system import ComPort, System
from metersdk.port.host.usb_checks import identified

# What the names of ports tell of the driver that made them.
_DRIVERS = (
    ("SLAB_USBtoUART", "Silicon Labs (not of Apple)"),
    ("wchusbserial", "WCH (not of Apple)"),
    ("PL2303", "Prolific (not of Apple)"),
    ("usbserial", "AppleUSBSLCOM, AppleUSBFTDI or the like"),
    ("usbmodem", "AppleUSBACM"),
)


def ports(system: System) -> list[PortInfo]:
    """The ports for calling out, /dev/cu.*."""
    found = [each for each in system.com_ports() if each.device.startswith("/dev/cu.")]
    held = holders(system, [each.device for each in found])
    return [port_of(each, held.get(each.device, ())) for each in sorted(found, key=lambda each: each.device)]


def port_of(port: ComPort, held: tuple[Holder, ...] = ()) -> PortInfo:
    """A port as pyserial describes it. Its name holds the serial number or the socket, so it stays."""
    product = "" if port.description in ("n/a", None) else port.description
    return PortInfo(
        port.device,
        port.device if port.vid is not None else "",
        driver_of(port.device),
        port.vid,
        port.pid,
        port.serial_number or "",
        product,
        holders=held,
    )


def driver_of(device: str) -> str:
    """The driver, as far as its name for the port tells it."""
    return next((driver for part, driver in _DRIVERS if part in device), "")


def holders(system: System, devices: Iterable[str]) -> dict[str, tuple[Holder, ...]]:
    """Which processes have these devices open, by either of their names."""
    names = {name: device for device in devices for name in (device, device.replace("/dev/cu.", "/dev/tty."))}
    return read_lsof(system.run(["lsof", "-F", "pcn", "--", *names]) or "", names) if names else {}


def read_lsof(text: str, names: dict[str, str]) -> dict[str, tuple[Holder, ...]]:
    """The output of ``lsof -F pcn``: a line for each field, its first letter tells which."""
    found: dict[str, list[Holder]] = {}
    pid, command = 0, "?"
    for line in text.splitlines():
        match line[:1]:
            case "p" if line[1:].isdecimal():
                pid, command = int(line[1:]), "?"
            case "c":
                command = line[1:]
            case "n" if line[1:] in names:
                each = found.setdefault(names[line[1:]], [])
                if Holder(pid, command) not in each:
                    each.append(Holder(pid, command))
    return {device: tuple(each) for device, each in found.items()}


def passive(system: System, given: str, port: PortInfo, others: Iterable[PortInfo] = ()) -> Iterator[Check]:
    """All checks of a port that need not open it; arguments as on Linux."""
    node = system.node(given)
    if node is None:
        known = [each.device for each in others if each.usb_id]
        there = f"there is {known[0]}" if len(known) == 1 else "see `metersdk ports`" if known else "no probe is there"
        yield failure("node", f"{given} does not exist; {there}", Mend("plug the probe in, or check the name"))
        return
    if not node.is_character:
        yield failure("node", f"{given} is no device", Mend("name a serial port", command="metersdk ports"))
        return
    if given.startswith("/dev/tty."):
        mend = Mend(f"use {given.replace('/dev/tty.', '/dev/cu.')}")
        yield warning("node", f"{given} waits for a carrier when it is opened, and probes have none", mend)
    else:
        yield ok("node", f"{given} exists")
    yield ok("driver", port.driver) if port.driver else skipped("driver", "the name of the port does not tell it")
    yield from identified(port, "none: the name of the port is that of the socket")
    if system.may_open(given):
        yield ok("permission", "this user may open it")
    else:
        yield failure("permission", f"this user may not open it, mode {node.mode:04o}", Mend("ask for access to it"))
    yield in_use(system, port)
    yield skipped("lock-file", "programs on macOS lock by TIOCEXCL")
    yield skipped("modem-manager", "Linux only")
    yield skipped("brltty", "Linux only")
    yield skipped("console", "macOS has no console on a serial port")
    yield skipped("latency-timer", "macOS does not tell it; the driver of FTDI keeps it in its Info.plist")
    yield skipped("autosuspend", "macOS does not tell it")


def in_use(system: System, port: PortInfo) -> Check:
    """Nobody else has it open, as far as lsof may see."""
    if not port.holders and system.user().uid != 0:
        return skipped("in-use", "no process of this user has it open; those of others cannot be seen without sudo")
    if not port.holders:
        return ok("in-use", "no process has it open")
    pids = " ".join(str(holder.pid) for holder in port.holders)
    who = ", ".join(map(str, port.holders))
    return failure("in-use", f"open in {who}", Mend("close that program, or end it", command=f"kill {pids}"))
