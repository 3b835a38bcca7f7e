"""exposure: what a meter shows, and allows, to somebody who knows no password."""

from __future__ import annotations

from dataclasses import asdict

import click
from rich.text import Text

from metersdk import exposure as report
from metersdk.cli.options import Connection, talks
from metersdk.cli.output import grid
from metersdk.errors import LocalProtocolError
from metersdk.exposure import Exposed, Exposure, Severity

FINDING = 1
_STYLES = {Severity.CRITICAL: "bold red", Severity.HIGH: "red", Severity.MEDIUM: "yellow", Severity.INFO: "dim"}
_LEVELS = [severity.name.lower() for severity in Severity]


@click.command()
@click.option("--fail-on", type=click.Choice(_LEVELS), default="high", show_default=True, help="Exit 1 from here on.")
@talks
def exposure(connection: Connection, fail_on: str) -> int:
    """What the meter shows, and allows, to a client without a password.

    Nothing is written and no password is tried: writing is judged by the rights the meter tells, reading by what it
    answers. Exit codes: 0 nothing as bad as --fail-on, 1 something is.
    """
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
            client=client,
            identity=identity,
            refused=found.refused,
            worst=found.worst.name.lower(),
        )
    return FINDING if found.items and found.worst >= Severity[fail_on.upper()] else 0


def _show(connection: Connection, found: Exposure) -> None:
    out = connection.out
    if found.refused:
        out.show(Text(f"Client {found.client} gets no association without a password: {found.refused}"))
        return
    table = grid(out.data, ("Severity", "What is open", "Where", "Known by"), [])
    for item in found.items:
        style = _STYLES.get(item.severity, "")
        table.add_row(Text(item.severity.name.lower(), style), Text(item.text), Text(item.where), Text(item.proof))
    out.show(table)
    for advice in dict.fromkeys(item.hint for item in found.items if item.hint):
        out.say(f"{advice}: {_named(found.items, advice)}")
    out.say(f"client {found.client}; nothing was written, no password was tried", "dim")


def _named(items: tuple[Exposed, ...], advice: str) -> str:
    """The kinds of finding that an advice is about."""
    return ", ".join(dict.fromkeys(item.code for item in items if item.hint == advice))
