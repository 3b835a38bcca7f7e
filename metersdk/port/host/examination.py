"""All checks of one port, in order, on any system."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from metersdk.port.host import line_checks
from metersdk.port.host.check import Check, Verdict
from metersdk.port.host.line import Line
from metersdk.port.host.line_checks import Trial
from metersdk.port.host.port_info import PortInfo
from metersdk.port.host.ports import by_id_of, holders_of, list_ports
from metersdk.port.host.system import System

# Failures that mean that the port cannot be had at all, and that somebody else has it.
CANNOT_OPEN = ("node", "permission", "open")
BUSY = ("in-use", "lock-file", "exclusive", "lock")


def examine(system: System, given: str, trial: Trial | None = None) -> Iterator[Check]:
    """Every check of one port, each as soon as it is made. The port is opened, if nobody else has it.

    Args:
        given: the device, by any of its names.
        trial: what may be done to it.
    """
    known = list_ports(system)
    port = port_of(system, given, known)
    failed = set()
    for check in passive(system, given, port, known):
        if check.verdict is Verdict.FAILURE:
            failed.add(check.name)
        yield check
    if failed.intersection(CANNOT_OPEN):
        yield from line_checks.unopened("the port cannot be opened")
        return
    try:
        line = system.open_line(port.device)
    except OSError as error:
        failed_to_open = line_checks.open_failed(port.device, error)
        yield failed_to_open
        yield from line_checks.unopened("the port could not be opened", (failed_to_open.name,))
        return
    made = set()
    try:
        for check in _opened(line, failed, trial or Trial()):
            made.add(check.name)
            yield check
    except OSError as error:
        yield line_checks.open_failed(port.device, error)
        yield from line_checks.unopened("the device went away", made)
    finally:
        line.close()


def _opened(line: Line, failed: set[str], trial: Trial) -> Iterator[Check]:
    """The checks of an opened port; ``failed`` names those that failed before."""
    for check in line_checks.locks(line):
        if check.verdict is Verdict.FAILURE:
            failed.add(check.name)
        yield check
    if failed.intersection(BUSY):
        yield from line_checks.unheard("in use: listening would take octets from the other program")
    elif "console" in failed:
        yield from line_checks.unheard("the console is on it: what is sent would reach the kernel or a login")
    else:
        yield from line_checks.signals(line, trial)


def survey(system: System) -> Iterator[tuple[PortInfo, list[Check]]]:
    """Every port of this computer, and what can be told without opening it."""
    known = list_ports(system)
    for port in known:
        yield port, [*passive(system, port.device, port, known)]


def passive(system: System, given: str, port: PortInfo, others: Iterable[PortInfo]) -> Iterator[Check]:
    """The checks that need not open a port."""
    match system.platform:
        case "darwin":
            from metersdk.port.host import macos

            return macos.passive(system, given, port, others)
        case "win32":
            from metersdk.port.host import windows

            return windows.passive(system, given, port, others)
    from metersdk.port.host import linux_checks

    return linux_checks.passive(system, given, port, others)


def port_of(system: System, given: str, known: Iterable[PortInfo]) -> PortInfo:
    """What is known of a device; one that is in no list (a pseudo terminal) is looked at by itself."""
    if system.platform == "win32":
        name = given.removeprefix("\\\\.\\").upper()
        return next((port for port in known if port.device.upper() == name), PortInfo(given))
    device = system.resolve(given)
    if system.platform == "darwin":
        device = device.replace("/dev/tty.", "/dev/cu.")
    for port in known:
        if port.device == device:
            return port
    held = holders_of(device, system)
    if system.platform == "darwin":
        return PortInfo(device, holders=held)
    from metersdk.port.host import linux

    return linux.describe(system, device, by_id_of(device, system), held)
