"""Ports and checks of Windows: pyserial lists the ports, the registry holds what drivers were told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from metersdk.port.host.check import Check, Mend, failure, ok, skipped, warning
from metersdk.port.host.port_info import PortInfo
from metersdk.port.host.system import System
from metersdk.port.host.usb_checks import identified

_ENUM = r"SYSTEM\CurrentControlSet\Enum"
# FTDI has a bus of its own; the others are plain USB devices.
_BUSES = ("FTDIBUS", "USB")
# What the driver of FTDI takes where the registry says nothing.
_FTDI_LATENCY = 16


def ports(system: System) -> list[PortInfo]:
    """All COM ports, by number."""
    keys = dict(settings(system))
    found = []
    for port in system.com_ports():
        key = keys.get(port.device.upper(), "")
        driver = str((system.registry(key) or {}).get("Service", "")) if key else ""
        product = port.description.removesuffix(f" ({port.device})") if port.description != "n/a" else ""
        found.append(
            PortInfo(
                port.device,
                port.device,
                driver,
                port.vid,
                port.pid,
                port.serial_number or "",
                product,
                latency_of(system, key),
                usb=key,
            )
        )
    return sorted(found, key=lambda port: (len(port.device), port.device))


def settings(system: System) -> Iterator[tuple[str, str]]:
    """Port name and registry key of each device that is or was a port."""
    for bus in _BUSES:
        for device in system.registry_keys(rf"{_ENUM}\{bus}"):
            for instance in system.registry_keys(rf"{_ENUM}\{bus}\{device}"):
                key = rf"{_ENUM}\{bus}\{device}\{instance}"
                name = (system.registry(rf"{key}\Device Parameters") or {}).get("PortName")
                if isinstance(name, str):
                    yield name.upper(), key


def latency_of(system: System, key: str) -> int | None:
    """The latency timer of an FTDI chip, None for others."""
    if "\\FTDIBUS\\" not in key:
        return None
    value = (system.registry(rf"{key}\Device Parameters") or {}).get("LatencyTimer", _FTDI_LATENCY)
    return value if isinstance(value, int) else _FTDI_LATENCY


def passive(system: System, given: str, port: PortInfo, others: Iterable[PortInfo] = ()) -> Iterator[Check]:
    """All checks of a port that need not open it; arguments as on Linux."""
    known = list(others)
    if all(each.device.upper() != port.device.upper() for each in known):
        names = [each.device for each in known]
        there = f"there is {', '.join(names)}" if names else "no port is there"
        yield failure("node", f"{given} does not exist; {there}", Mend("plug the probe in, or install its driver"))
        return
    yield ok("node", f"{given} exists")
    yield ok("driver", port.driver) if port.driver else skipped("driver", "the registry does not tell it")
    yield from identified(port, "none: its COM number belongs to the socket")
    yield skipped("permission", "on Windows every user may open a serial port")
    yield skipped("in-use", "Windows does not tell who has a port open; whether it is shows when it is opened")
    yield skipped("lock-file", "a port is always opened exclusively on Windows")
    yield skipped("modem-manager", "Linux only")
    yield skipped("brltty", "Linux only")
    yield skipped("console", "Windows has no console on a serial port")
    yield _latency(port)
    yield skipped("autosuspend", "see Device Manager, the USB hub, Power Management")


def _latency(port: PortInfo) -> Check:
    if port.latency_ms is None:
        return skipped("latency-timer", "none; FTDI chips have one")
    if port.latency_ms <= 1:
        return ok("latency-timer", f"{port.latency_ms} ms")
    return warning(
        "latency-timer",
        f"{port.latency_ms} ms: the chip keeps the end of each answer so long (HDLC suffers, readouts do not)",
        Mend(f"set Latency Timer to 1: Device Manager, {port.device}, Port Settings, Advanced"),
    )
