"""A question to the person at the terminal."""

from __future__ import annotations

import sys

import click


def ask(question: str, yes: bool) -> None:
    """Before something is changed, where a person is there to be asked.

    Raises:
        click.Abort: the person says no.
    """
    if not yes and sys.stdin.isatty() and sys.stderr.isatty():
        click.confirm(question, abort=True, err=True)
