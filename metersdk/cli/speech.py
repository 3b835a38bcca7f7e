"""The options of every command: how it speaks."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

from metersdk.cli.output import Mode, Output

F = TypeVar("F", bound=Callable[..., Any])


def speaks(command: F) -> F:
    """A command that is given an ``Output`` as ``out``."""

    @functools.wraps(command)
    def called(**given: Any) -> object:
        mode: Mode = "jsonl" if given.pop("jsonl") else "json" if given.pop("json") else "text"
        given.pop("json", None)
        return command(out=Output(_name(click.get_current_context()), mode, given.pop("verbose")), **given)

    return with_options(called, _SPEECH)  # type: ignore[return-value]


def _name(context: click.Context) -> str:
    """The command as it is typed: ``line show``."""
    above = _name(context.parent) if context.parent is not None and context.parent.parent is not None else ""
    return f"{above} {context.info_name or ''}".strip()


_SPEECH: tuple[Callable[[F], F], ...] = (
    click.option("--json", is_flag=True, help="One JSON document."),
    click.option("--jsonl", is_flag=True, help="JSON lines, as they come."),
    click.option("-v", "--verbose", count=True, help="Tell what is being done."),
)


def ask(question: str, yes: bool) -> None:
    """Before something is changed, where a person is there to be asked.

    Raises:
        click.Abort: the person says no.
    """
    if not yes and sys.stdin.isatty() and sys.stderr.isatty():
        click.confirm(question, abort=True, err=True)


def with_options(command: Callable[..., object], options: tuple[Callable[[Any], Any], ...]) -> Callable[..., object]:
    """A command with these options, shown in this order."""
    for option in reversed(options):
        command = option(command)
    return command
