"""The group of commands, and the one place where errors become a line and an exit code."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from difflib import get_close_matches
from importlib import import_module
from typing import TYPE_CHECKING, Any, TextIO

import click

from metersdk.cli.stopping import Stop
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
USAGE, CANNOT_OPEN = 2, 3
_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}


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

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if not ctx.resilient_parsing and name not in _COMMANDS and name[:1].isalnum():
            near = get_close_matches(name, _COMMANDS, 1)
            ctx.fail(f"No such command {name!r}.{f' Did you mean {near[0]!r}?' if near else ''}")
        return super().resolve_command(ctx, args)

    def main(  # type: ignore[override]
        self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any
    ) -> None:
        if "_METERSDK_COMPLETE" in os.environ:
            super().main(args, prog_name or "metersdk", **extra)
        words = list(sys.argv[1:] if args is None else args)
        sys.exit(self._run(words, prog_name or "metersdk"))

    def _run(self, words: list[str], prog_name: str) -> int:
        mode: Mode = "jsonl" if "--jsonl" in words else "json" if "--json" in words else "text"
        with Stop() as stop:
            try:
                return self._carry_out(words, prog_name, mode, stop)
            except BrokenPipeError:
                # Who reads has enough. What is still buffered goes nowhere, or Python complains about it at the end.
                stop.ends()
                _silence(sys.stdout)
                _silence(sys.stderr)
                return 0
            except KeyboardInterrupt:
                # Once more, while the first was being told.
                return stop.exit_code

    def _carry_out(self, words: list[str], prog_name: str, mode: Mode, stop: Stop) -> int:
        try:
            with self.make_context(prog_name, words) as context:
                code = self.invoke(context)
            sys.stdout.flush()
            stop.ends()
            return code if isinstance(code, int) else 0
        except click.exceptions.Exit as end:
            stop.ends()
            return end.exit_code
        except BrokenPipeError:
            raise
        except (Exception, KeyboardInterrupt) as error:
            stop.ends()
            code = _exit_code(error, stop)
            try:
                _tell(error, mode, stop)
                sys.stdout.flush()
            except OSError:
                # Nobody is there to be told: the disk is full, or the terminal is gone.
                _silence(sys.stdout)
                _silence(sys.stderr)
            return code


def _is_stop(error: BaseException, stop: Stop) -> bool:
    """Whether somebody wanted it: an exception amid an import or a C function can have become another one."""
    return stop.number > 0 or isinstance(error, (KeyboardInterrupt, click.Abort))


def _exit_code(error: BaseException, stop: Stop) -> int:
    if _is_stop(error, stop):
        return stop.exit_code
    match error:
        case MeterError():
            return error.exit_code
        case click.ClickException():
            return USAGE
        case OSError():
            return CANNOT_OPEN
    # A defect of ours, with its traceback.
    raise error


def _tell(error: BaseException, mode: Mode, stop: Stop) -> None:
    if _is_stop(error, stop):
        _end(mode, stop.words, "", "Interrupted", stop.exit_code)
    elif isinstance(error, MeterError):
        from metersdk.cli.output import describe, report

        where = f" [{error.layer}]" if error.layer else ""
        report(error.message + where, error.hint, describe(error), mode)
    elif isinstance(error, OSError):
        name = f"{error.filename}: " if error.filename else ""
        hint = "make room there, or write to another place" if error.errno in _FULL else ""
        _end(mode, f"{name}{error.strerror or error}", hint, type(error).__name__, CANNOT_OPEN)
    elif isinstance(error, click.ClickException):
        if mode == "text":
            error.show()
        else:
            _end(mode, error.format_message(), "", "UsageError", USAGE)


def _end(mode: Mode, message: str, hint: str, kind: str, code: int) -> None:
    from metersdk.cli.output import report

    details: dict[str, object] = {"class": kind, "message": message, "layer": "", "state": "", "offset": -1}
    report(message, hint, {**details, "retryable": False, "hint": hint, "exit_code": code, "causes": []}, mode)


def _silence(stream: TextIO) -> None:
    """What is still buffered, and what comes yet, goes nowhere."""
    with suppress(OSError, ValueError):
        hole = os.open(os.devnull, os.O_WRONLY)
        os.dup2(hole, stream.fileno())
        os.close(hole)


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
    _close_gaps()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that knows no arrows gets question marks, not an error.
            stream.reconfigure(errors="replace")
    return app._run(list(args), "metersdk")


def _close_gaps() -> None:
    """A stream that was closed before the start (``>&-``) leads nowhere: no port may get its number, and its text."""
    sys.stdin = sys.stdin or open(os.devnull, encoding="utf-8")  # noqa: SIM115
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
