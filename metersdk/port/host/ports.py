"""The serial ports of this computer, and the return of one that was unplugged."""

from __future__ import annotations

import os

from metersdk.errors import PortDenied, PortNotFound
from metersdk.port.host.port_info import BY_ID, Holder, PortInfo
from metersdk.port.host.system import System

# Seconds between two looks for a missing device.
_LOOK = 0.2
# The kernel makes a node for root only; udev gives it to its group some time after.
_SETTLE = 3.0


def list_ports(system: System | None = None) -> list[PortInfo]:
    """The serial ports of this computer, by name."""
    system = system or System()
    match system.platform:
        case "darwin":
            from metersdk.port.host.macos import ports
        case "win32":
            from metersdk.port.host.windows import ports
        case _:
            from metersdk.port.host.linux import ports
    return ports(system)


def by_id_of(device: str, system: System | None = None) -> str:
    """The name below /dev/serial/by-id of a device, empty if it has none; a name of that kind is returned as it is."""
    system = system or System()
    if os.path.dirname(device) == BY_ID:
        return device
    real = system.resolve(device)
    for name in system.names(BY_ID) or ():
        if system.resolve(f"{BY_ID}/{name}") == real:
            return f"{BY_ID}/{name}"
    return ""


def holders_of(device: str, system: System | None = None) -> tuple[Holder, ...]:
    """Who has a device open, as far as this user may see; Windows does not tell."""
    system = system or System()
    if system.platform == "win32":
        return ()
    real = system.resolve(device)
    if system.platform == "darwin":
        from metersdk.port.host.macos import holders
    else:
        from metersdk.port.host.linux import holders
    return holders(system, [real]).get(real, ())


def hidden_processes(system: System | None = None) -> int:
    """Processes whose open files this user may not see; 0 where the system does not tell."""
    system = system or System()
    if not system.platform.startswith("linux"):
        return 0
    from metersdk.port.host.linux import hidden_processes

    return hidden_processes(system)


def is_there(device: str, system: System | None = None) -> bool:
    """Whether a port of this name is plugged in."""
    system = system or System()
    if system.platform == "win32":
        name = device.removeprefix("\\\\.\\").upper()
        return any(port.device.upper() == name for port in system.com_ports())
    return system.exists(device)


def await_return(by_id: str, timeout: float, system: System | None = None) -> str:
    """Wait until a device is plugged in (again), and may be opened.

    Args:
        by_id: its name; one below /dev/serial/by-id, as the number of ttyUSB0 may be another afterwards.
        timeout: seconds to wait for it.

    Returns:
        The device behind the name.

    Raises:
        PortNotFound: it did not come.
        PortDenied: it came, and this user may not open it.
    """
    system = system or System()
    deadline = system.now() + timeout
    while not is_there(by_id, system):
        left = deadline - system.now()
        if left <= 0:
            raise PortNotFound(f"{by_id} was not plugged in within {timeout:g} s", layer="port", retryable=True)
        system.sleep(min(_LOOK, left))
    if system.platform == "win32":
        return by_id
    settled = system.now() + _SETTLE
    while not system.may_open(by_id):
        if system.now() >= settled:
            raise PortDenied(f"{by_id} is back, and this user may not open it", layer="port")
        system.sleep(_LOOK)
    return system.resolve(by_id)
