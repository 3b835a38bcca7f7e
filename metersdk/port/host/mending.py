"""What ``doctor --fix`` does: by the user's own rights, and for the rest a file of udev rules."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from metersdk.port.host.check import Action, Check, Mend
from metersdk.port.host.system import System
from metersdk.port.host.udev import FILE_NAME, file_of, install_command

__all__ = ["FILE_NAME", "Plan", "Step", "carry_out", "plan"]


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to be done; ``text`` says which, in the infinitive."""

    text: str
    device: str = ""
    mend: Mend | None = None
    file: str = ""
    content: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be done, and what an administrator has to run afterwards."""

    steps: tuple[Step, ...]
    command: str = ""


def plan(system: System, found: Iterable[tuple[str, Check]], rules: str = FILE_NAME) -> Plan:
    """What can be done about these findings (device and check).

    Args:
        rules: the file for the udev rules; it is put in its place by an administrator.
    """
    steps: list[Step] = []
    lines: list[str] = []
    for device, check in found:
        mend = check.mend
        if mend is None or not check.is_finding:
            continue
        if mend.rule and mend.rule not in lines:
            lines.append(mend.rule)
        match mend.action:
            case Action.LOW_LATENCY:
                steps.append(Step(f"tell the driver of {device} to hand out octets at once", device, mend))
            case Action.WRITE if system.may_write(mend.path):
                steps.append(Step(f"write {mend.value!r} to {mend.path}", device, mend))
            case Action.REMOVE if system.may_write(mend.path.rpartition("/")[0]):
                steps.append(Step(f"remove {mend.path}", device, mend))
    if lines:
        text = f"write {len(lines)} udev rule{'s' if len(lines) > 1 else ''} to {rules}"
        steps.append(Step(text, file=rules, content=file_of(tuple(lines))))
    return Plan(tuple(steps), install_command(rules) if lines else "")


def carry_out(system: System, step: Step) -> str:
    """Do it, and say what became of it."""
    try:
        if step.file:
            Path(step.file).write_text(step.content, encoding="utf-8")
            return f"written: {step.file}"
        return _mended(system, step.device, step.mend) if step.mend else ""
    except OSError as error:
        return f"could not {step.text}: {error.strerror or error}"


def _mended(system: System, device: str, mend: Mend) -> str:
    match mend.action:
        case Action.REMOVE:
            system.remove(mend.path)
            return f"removed: {mend.path}"
        case Action.WRITE:
            system.write(mend.path, mend.value)
            return f"written: {mend.value} to {mend.path}"
    line = system.open_line(device)
    try:
        if line.set_low_latency():
            return f"the driver of {device} hands out octets at once, until the probe is unplugged"
    finally:
        line.close()
    if mend.path and system.may_write(mend.path):
        system.write(mend.path, mend.value)
        return f"written: {mend.value} to {mend.path}"
    return f"the driver of {device} does not take the flag; the udev rule does it"
