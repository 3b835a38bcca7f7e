"""exposure: what a meter shows, and allows, to somebody who knows no password."""

from __future__ import annotations

from dataclasses import asdict

from rich.text import Text

from metersdk import exposure as report
from metersdk.cli.options import Connection
from metersdk.cli.output import grid
from metersdk.errors import LocalProtocolError
from metersdk.exposure import Exposed, Exposure, Severity

FINDING = 1
_STYLES = {Severity.CRITICAL: "bold red", Severity.HIGH: "red", Severity.MEDIUM: "yellow", Severity.INFO: "dim"}
LEVELS = [severity.name.lower() for severity in Severity]


def exposure(connection: Connection, fail_on: str) -> int:
    if connection.password_from or connection.key_file or connection.authentication or connection.security:
        raise LocalProtocolError("what is open without a password is looked for", hint="leave password and keys out")
    client = connection.client or report.PUBLIC_CLIENT
    found = report.examined(connection.open(), client)
    out = connection.out
    if out.is_text:
        _show(connection, found)
    else:
        identity = None if found.identity is None else found.identity.model_dump(mode="json")
        rows = ({**asdict(item), "severity": item.severity.name.lower()} for item in found.items)
        out.records(
            "exposed",
            "exposed",
            rows,
            target=connection.name,
            client=found.client,
            identity=identity,
            refused=found.refused,
            worst=found.worst.name.lower(),
        )
    return FINDING if found.items and found.worst >= Severity[fail_on.upper()] else 0


def _show(connection: Connection, found: Exposure) -> None:
    out = connection.out
    if found.refused:
        out.show(Text(f"Without a password {_who(found)} gets no association: {found.refused}"))
        return
    rows = [
        (Text(item.severity.name.lower(), _STYLES.get(item.severity, "")), item.text, item.where, item.proof)
        for item in found.items
    ]
    out.show(grid(out.data, ("Severity", "What is open", "Where", "Known by"), rows))
    for advice in dict.fromkeys(item.hint for item in found.items if item.hint):
        out.say(f"{advice}: {_named(found.items, advice)}")
    out.say(f"seen by {_who(found)}; nothing was written, no password was tried", "dim")


def _who(found: Exposure) -> str:
    return "anybody" if found.client is None else f"client {found.client}"


def _named(items: tuple[Exposed, ...], advice: str) -> str:
    """The kinds of finding that an advice is about."""
    return ", ".join(dict.fromkeys(item.code for item in items if item.hint == advice))
