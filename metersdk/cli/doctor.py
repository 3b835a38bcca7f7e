"""doctor: everything that can be wrong with a port, and what mends it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

import click
from rich.table import Table
from rich.text import Text

from metersdk.cli.output import Output
from metersdk.errors import LocalProtocolError, PortBusy, PortError
from metersdk.port.host import linux_checks, mending
from metersdk.port.host.check import Check, Verdict
from metersdk.port.host.examination import BUSY, CANNOT_OPEN, examine, survey
from metersdk.port.host.line_checks import Trial
from metersdk.port.host.ports import await_return, by_id_of, is_there
from metersdk.port.host.system import System
from metersdk.port.target import parse_address

FINDING = 1
_STYLES = {Verdict.OK: "green", Verdict.WARNING: "yellow", Verdict.FAILURE: "bold red"}
_WORDS = {Verdict.OK: "ok", Verdict.WARNING: "warning", Verdict.FAILURE: "FAILURE"}


@dataclass(slots=True)
class Patient:
    """One port and its checks; no device for what concerns the computer."""

    device: str
    checks: list[Check] = field(default_factory=list)

    @property
    def findings(self) -> list[Check]:
        """What is not as it should be."""
        return [check for check in self.checks if check.is_finding]


@dataclass(frozen=True, slots=True)
class Mended:
    """What ``--fix`` could do, what it did, and what an administrator has to run then."""

    planned: tuple[str, ...] = ()
    done: tuple[str, ...] = ()
    install: str = ""


def doctor(
    out: Output,
    device: str | None,
    idle: float,
    paper: bool,
    no_send: bool,
    wait: float | None,
    live: bool,
    fix: bool,
    yes: bool,
    rules: str,
) -> int:
    system = System()
    if live:
        return _live(out, device, idle)
    if device is None:
        patients = [
            Patient("", _without_port(system)),
            *(Patient(port.device, found) for port, found in survey(system)),
        ]
        for patient in patients:
            _tell(out, patient)
    else:
        name = _local(device)
        if paper and not yes:
            click.prompt("Lay the probe on white paper, and press Enter", default="", show_default=False, err=True)
        patients = [_examined(out, system, name, Trial(idle, not no_send, paper), wait)]
    mended = _mend(out, system, patients, yes, rules) if fix else Mended()
    _finish(out, device, patients, mended)
    return _exit_code(patients, device is not None)


def _live(out: Output, target: str | None, idle: float) -> int:
    if target is None:
        raise LocalProtocolError("--live needs a target to run a session with", hint="name a port: metersdk ports")
    # The protocols are loaded for this only.
    from metersdk.cli.doctor_live import live

    return live(out, target, idle)


def _local(device: str) -> str:
    address = parse_address(device)
    if address.scheme not in ("serial", "pty"):
        hint = "for what is behind a network, see `metersdk identify -v TARGET`"
        raise LocalProtocolError(f"{address} is no port of this computer", hint=hint)
    return address.path


def _without_port(system: System) -> list[Check]:
    """What is plugged in and has no port."""
    found = linux_checks.absent(system) if system.platform.startswith("linux") else ()
    return [check for check in found if check.is_finding]


def _examined(out: Output, system: System, device: str, trial: Trial, wait: float | None) -> Patient:
    """All checks of one device, shown as they come; again, after a probe that went in between is back."""
    by_id = by_id_of(device, system) or device
    if wait is not None:
        _await(out, system, device, wait)
    patient = _checked(out, system, device, trial)
    if wait is not None and any(check.name == "open" and check.is_finding for check in patient.checks):
        _await(out, system, by_id, wait)
        patient = _checked(out, system, by_id, trial)
    return patient


def _await(out: Output, system: System, device: str, wait: float) -> None:
    if not is_there(device, system):
        out.say(f"waiting {wait:g} s for {device} to be plugged in", "dim")
    await_return(device, wait, system)


def _checked(out: Output, system: System, device: str, trial: Trial) -> Patient:
    patient = Patient(device)
    for check in examine(system, device, trial):
        patient.checks.append(check)
        if out.mode == "jsonl":
            out.record("check", device=device, **asdict(check))
        elif out.is_text and out.verbose:
            out.say(f"{check.name}: {check.text}", "dim")
    if out.is_text:
        _show(out, patient)
    return patient


def _tell(out: Output, patient: Patient) -> None:
    if out.mode == "jsonl":
        for check in patient.checks:
            out.record("check", device=patient.device, **asdict(check))
    elif out.is_text and patient.checks:
        _show(out, patient, brief=not out.verbose)


# for people ---------------------------------------------------------------------------------------------------------


def _show(out: Output, patient: Patient, brief: bool = False) -> None:
    """Findings and what is well, what could not be told, what mends the findings. ``brief``: one of many ports."""
    if patient.device:
        out.show(Text(patient.device, style="bold"))
    well = [check.name for check in patient.checks if check.verdict is Verdict.OK]
    rows = _table(3)
    for check in patient.checks:
        if check.is_finding or (check.verdict is Verdict.OK and not brief):
            verdict = Text(_WORDS[check.verdict], style=_STYLES[check.verdict])
            rows.add_row(verdict, Text(check.name, style="cyan"), Text(check.text))
    if rows.row_count:
        out.show(rows)
    rows = _table(2)
    if brief and well:
        rows.add_row(Text("ok", style="green"), Text(", ".join(well)))
    for reason, names in {} if brief else _untold(patient).items():
        rows.add_row(Text("not told", style="dim"), Text(f"{', '.join(names)}: {reason}", style="dim"))
    if rows.row_count:
        out.show(rows)
    if patient.findings:
        out.show(Text(""))
        _show_mends(out, patient.findings)
    out.show(Text(""))


def _table(columns: int) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, min_width=len("not told"))
    for _ in range(columns - 2):
        table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    return table


def _untold(patient: Patient) -> dict[str, list[str]]:
    """What could not be told, by reason."""
    reasons: dict[str, list[str]] = {}
    for check in patient.checks:
        if check.verdict is Verdict.NOT_APPLICABLE:
            reasons.setdefault(check.text, []).append(check.name)
    return reasons


def _show_mends(out: Output, findings: Sequence[Check]) -> None:
    """What to do; commands and rules in one piece each, to be copied."""
    for check in findings:
        mend = check.mend
        if mend is None:
            continue
        out.show(Text().append(f"{check.name}: ", style="bold").append(mend.text))
        for line in filter(None, (mend.command, mend.rule)):
            out.data.print(Text(f"    {line}", style="green"), soft_wrap=True)


# mending ------------------------------------------------------------------------------------------------------------


def _mend(out: Output, system: System, patients: Sequence[Patient], yes: bool, rules: str) -> Mended:
    """Show what can be done, and do it once that is confirmed."""
    plan = mending.plan(system, [(patient.device, check) for patient in patients for check in patient.checks], rules)
    planned = tuple(step.text for step in plan.steps)
    if not planned:
        out.say("nothing here that --fix could do", "dim")
    for text in planned if out.is_text else ():
        out.say(f"would {text}")
    if not planned or not (yes or (out.is_text and click.confirm("Do that?", err=True))):
        return Mended(planned)
    done = tuple(mending.carry_out(system, step) for step in plan.steps)
    if out.is_text:
        for said in done:
            out.say(said)
        if plan.command:
            out.say("to put the rules to work, then plug the probe in again:")
            out.notes.print(Text(f"    {plan.command}", style="green"), soft_wrap=True)
    return Mended(planned, done, plan.command)


# the end ------------------------------------------------------------------------------------------------------------


def _finish(out: Output, device: str | None, patients: Sequence[Patient], mended: Mended) -> None:
    checks = [check for patient in patients for check in patient.checks]
    counted = {verdict.value: sum(check.verdict is verdict for check in checks) for verdict in Verdict}
    if out.mode == "json":
        rows = [{"device": patient.device, **asdict(check)} for patient in patients for check in patient.checks]
        out.document(device=device, checks=rows, counted=counted, **asdict(mended))
    elif out.mode == "jsonl":
        out.record("end", device=device, counted=counted, **asdict(mended))
    else:
        found = counted[Verdict.WARNING] + counted[Verdict.FAILURE]
        if not checks:
            out.say("no serial port; if a probe is plugged in, look at its cable, and at `dmesg`", "yellow")
            return
        said = f"{found} of {len(checks)} checks want attention" if found else "nothing wrong was found"
        out.say(said, "yellow" if found else "green")
        if any(check.mend and check.mend.rule for check in checks if check.is_finding) and not mended.planned:
            out.say("--fix writes the udev rules to a file, and does what needs no administrator", "dim")


def _exit_code(patients: Sequence[Patient], named: bool) -> int:
    """3 and 9 only where one port was asked for."""
    failed = {check.name for patient in patients for check in patient.checks if check.verdict is Verdict.FAILURE}
    if named and failed.intersection(CANNOT_OPEN):
        return PortError.exit_code
    if named and failed.intersection(BUSY):
        return PortBusy.exit_code
    nothing = not any(patient.checks for patient in patients)
    return FINDING if nothing or any(patient.findings for patient in patients) else 0
