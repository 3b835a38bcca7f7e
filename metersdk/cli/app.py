"""The group of commands, and the one place where errors become a line and an exit code."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from metersdk.errors import MeterError

if TYPE_CHECKING:
    from metersdk.cli.output import Mode

# Where each is declared; what it does is loaded when it is called.
_COMMANDS = {
    "ports": "tools",
    "doctor": "tools",
    "identify": "commands",
    "readout": "commands",
    "read": "commands",
    "registers": "commands",
    "listen": "commands",
    "watch": "tools",
    "clock": "commands",
    "profile": "commands",
    "events": "commands",
    "objects": "commands",
    "get": "commands",
    "set": "commands",
    "action": "commands",
    "programming": "commands",
    "table": "commands",
    "procedure": "commands",
    "snapshot": "commands",
    "line": "tools",
    "vendors": "tools",
    "exposure": "commands",
    "scan": "tools",
    "trace": "tools",
    "simulate": "tools",
    "demo": "tools",
}
_FUNCTIONS = {"set": "set_"}
USAGE, CANNOT_OPEN, INTERRUPTED = 2, 3, 130


class App(click.Group):
    """Commands by name, loaded lazily; every end has its exit code (docs/cli.md), and no MeterError a traceback."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module = import_module(f"metersdk.cli.{_COMMANDS[cmd_name]}")
        found = getattr(module, _FUNCTIONS.get(cmd_name, cmd_name))
        assert isinstance(found, click.Command)
        return found

    def main(  # type: ignore[override]
        self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any
    ) -> None:
        if "_METERSDK_COMPLETE" in os.environ:
            super().main(args, prog_name or "metersdk", **extra)
        words = list(sys.argv[1:] if args is None else args)
        sys.exit(self._run(words, prog_name or "metersdk"))

    def _run(self, words: list[str], prog_name: str) -> int:
        mode: Mode = "jsonl" if "--jsonl" in words else "json" if "--json" in words else "text"
        try:
            code = self._carry_out(words, prog_name, mode)
            sys.stdout.flush()
        except BrokenPipeError:
            # Who reads has enough. What is still buffered goes nowhere, or Python complains about it at the end.
            _silence_stdout()
            return 0
        return code

    def _carry_out(self, words: list[str], prog_name: str, mode: Mode) -> int:
        try:
            with self.make_context(prog_name, words) as context:
                code = self.invoke(context)
                return code if isinstance(code, int) else 0
        except click.exceptions.Exit as end:
            return end.exit_code
        except (KeyboardInterrupt, click.Abort):
            _end(mode, "interrupted", "", "Interrupted", INTERRUPTED)
            return INTERRUPTED
        except click.ClickException as error:
            if mode == "text":
                error.show()
            else:
                _end(mode, error.format_message(), "", "UsageError", USAGE)
            return USAGE
        except MeterError as error:
            from metersdk.cli.output import describe, report

            where = f" [{error.layer}]" if error.layer else ""
            report(error.message + where, error.hint, describe(error), mode)
            return error.exit_code
        except BrokenPipeError:
            raise
        except OSError as error:
            name = f"{error.filename}: " if error.filename else ""
            _end(mode, f"{name}{error.strerror or error}", "", type(error).__name__, CANNOT_OPEN)
            return CANNOT_OPEN


def _end(mode: Mode, message: str, hint: str, kind: str, code: int) -> None:
    from metersdk.cli.output import report

    details: dict[str, object] = {"class": kind, "message": message, "layer": "", "state": "", "offset": -1}
    report(message, hint, {**details, "retryable": False, "hint": hint, "exit_code": code, "causes": []}, mode)


def _silence_stdout() -> None:
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, io.UnsupportedOperation):
        return


def _version(ctx: click.Context, param: click.Parameter, wanted: bool) -> None:
    """``--version``: the metadata of packages are looked for when they are asked for."""
    if wanted and not ctx.resilient_parsing:
        click.echo(f"metersdk, version {_installed()}")
        ctx.exit()


def _installed() -> str:
    from importlib import metadata

    try:
        return metadata.version("metersdk")
    except metadata.PackageNotFoundError:
        return "(not installed)"


@click.group(cls=App, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option(
    "-V",
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_version,
    help="Show the version and exit.",
)
def app() -> None:
    """Read energy and water meters over the optical port, a serial line, TCP or UDP.

    A TARGET is a device (/dev/ttyUSB0, COM3) or a URL: tcp://host:4059, udp://..., rfc2217://..., serial://...,
    listen://:4059, sim://residential, trace://FILE. Its query keys: docs/targets.md.

    Exit codes: 0 ok, 1 finding, 2 usage, 3 cannot open, 4 no answer, 5 data damaged, 6 association, password or key
    refused, 7 the meter refused, 8 partial, 9 busy, 130 interrupted.
    """


def run(args: Sequence[str]) -> int:
    """Run one command line; its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that knows no arrows gets question marks, not an error.
            stream.reconfigure(errors="replace")
    return app._run(list(args), "metersdk")
