"""What a check of a port says, and what mends it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How a check ended; ``NOT_APPLICABLE`` where it could not be made, and its text says why."""

    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"
    NOT_APPLICABLE = "not-applicable"


class Action(StrEnum):
    """What ``doctor --fix`` can do itself, if the user's rights allow."""

    LOW_LATENCY = "low-latency"
    WRITE = "write"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True)
class Mend:
    """What puts a check right.

    Attributes:
        text: what to do, in words.
        command: what to run, for a shell.
        rule: a line for a file of udev rules, which makes it last.
        action: what this program can do itself, with ``path`` and ``value``.
    """

    text: str
    command: str = ""
    rule: str = ""
    action: Action | None = None
    path: str = ""
    value: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """One check of one port: its name (stable, for programs), verdict, what was seen, and what mends it."""

    name: str
    verdict: Verdict
    text: str
    mend: Mend | None = None

    @property
    def is_finding(self) -> bool:
        """A warning or a failure."""
        return self.verdict in (Verdict.WARNING, Verdict.FAILURE)


def ok(name: str, text: str, mend: Mend | None = None) -> Check:
    """All is well."""
    return Check(name, Verdict.OK, text, mend)


def warning(name: str, text: str, mend: Mend | None = None) -> Check:
    """It works, and may not."""
    return Check(name, Verdict.WARNING, text, mend)


def failure(name: str, text: str, mend: Mend | None = None) -> Check:
    """It cannot work."""
    return Check(name, Verdict.FAILURE, text, mend)


def skipped(name: str, why: str) -> Check:
    """It could not be told."""
    return Check(name, Verdict.NOT_APPLICABLE, why)
