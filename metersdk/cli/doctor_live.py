"""doctor --live: one session for the sake of the line, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

from rich.padding import Padding
from rich.text import Text

from metersdk.cli.output import Output, describe, pairs
from metersdk.dialog.evidence import LineCounters
from metersdk.dialog.line_check import LineCheck, check_line
from metersdk.errors import Finding, PortError
from metersdk.meter import plan_for
from metersdk.port.address import open_port
from metersdk.port.drive import Port, run
from metersdk.port.host.examination import port_of
from metersdk.port.host.ports import list_ports
from metersdk.port.host.system import System
from metersdk.port.serial_port import SerialPort
from metersdk.port.target import Address, parse_address
from metersdk.simulator.inprocess import open_simulated

FINDING = 1
# Its counters stand still unless INPCK is set, and a session does without: INPCK makes NULs of damaged octets.
_COUNTS_NOTHING = "cp210x"


def live(out: Output, target: str, idle: float) -> int:
    """Sign on, read what the meter tells of itself, and judge the line: exit code 1 with findings."""
    address = parse_address(target)
    plan = plan_for(address, "auto", None, None, None, None, 16, 1, None, None)
    try:
        port = open_port(address, openers={"sim": open_simulated})
    except PortError as error:
        if address.scheme in ("serial", "pty"):
            error.hint = f"metersdk doctor {address.path}"
        raise
    try:
        dialog = check_line(plan, counters=_counters(address, port), listen=(idle * 2 / 3, idle / 3))
        with out.waiting("listening, then one session with the meter; some minutes where much is wrong"):
            checked = run(dialog, port, out.hear)
    finally:
        port.close()
    if out.is_text:
        _show(out, str(address), checked)
    else:
        out.one(str(address), "line", _fields(checked))
    if checked.findings:
        return FINDING
    return 0 if checked.error is None else checked.error.exit_code


def _counters(address: Address, port: Port) -> Callable[[], LineCounters | None] | None:
    """What the driver counts from now on; None where it counts nothing."""
    if not isinstance(port, SerialPort):
        return None
    first = port.counters()
    if first is None or port_of(System(), address.path, list_ports()).driver == _COUNTS_NOTHING:
        return None

    def counted() -> LineCounters | None:
        now = port.counters()
        if now is None:
            return None
        told = now.since(first)
        return LineCounters(told.framing, told.parity, told.breaks, told.overrun + told.buffer_overrun)

    return counted


def _fields(checked: LineCheck) -> dict[str, object]:
    return {
        **checked.report.as_dict(),
        "identity": None if checked.identity is None else checked.identity.model_dump(mode="json"),
        "error": None if checked.error is None else describe(checked.error),
        "findings": [asdict(finding) for finding in checked.findings],
    }


def _show(out: Output, target: str, checked: LineCheck) -> None:
    out.show(Text(target, style="bold"))
    out.show(pairs((("Meter", checked.identity or "no answer"), ("Line", checked.report))))
    if not checked.findings and checked.error is not None:
        _tell(out, Finding("", checked.error.message, "", hint=checked.error.hint))
    for finding in checked.findings:
        _tell(out, finding)
    if not checked.findings and checked.error is None:
        out.say("nothing wrong was found", "green")


def _tell(out: Output, finding: Finding) -> None:
    line = Text().append(f"{finding.code or 'error'}: ", style="yellow" if finding.code else "bold red")
    out.show(line.append(finding.text))
    if finding.hint:
        out.show(Padding(Text(finding.hint, style="green"), (0, 0, 0, 4)))
