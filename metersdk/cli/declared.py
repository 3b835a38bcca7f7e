"""What commands are declared with. Nothing here loads more than click: help and usage errors must not wait for a stack.

A command is declared in ``commands`` or ``tools``, and carried out by the function of the same name in a module of its
own, which is loaded when it is called.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar, get_args

import click

from metersdk.dialog.names import AuthenticationName, ProtocolName, SecurityName

if TYPE_CHECKING:
    from metersdk.model.obis import Obis

F = TypeVar("F", bound=Callable[..., Any])
Options = tuple[Callable[[Any], Any], ...]


def carry_out(module: str, name: str, given: dict[str, Any]) -> Any:
    """Call the function behind a command."""
    return getattr(import_module(f"metersdk.cli.{module}"), name)(**given)


class ObisType(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.2 only
    """An OBIS code in any spelling."""

    name = "obis"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Obis:
        from metersdk.errors import LocalProtocolError
        from metersdk.model.obis import Obis

        try:
            return Obis.parse(value)  # type: ignore[arg-type]
        except LocalProtocolError as error:
            self.fail(f"{error.message}: {error.hint}" if error.hint else error.message, param, ctx)


class ChoiceOf(click.Choice):  # type: ignore[type-arg]
    """One of the names that a module knows, which is loaded when they are needed."""

    def __init__(self, module: str, names: str) -> None:
        self.case_sensitive = True
        self._of = module, names

    @property
    def choices(self) -> Sequence[str]:  # type: ignore[override]
        module, names = self._of
        return tuple(map(str, getattr(import_module(module), names)))


OBIS = ObisType()

_SPEECH: Options = (
    click.option("--json", is_flag=True, help="One JSON document."),
    click.option("--jsonl", is_flag=True, help="JSON lines, as they come."),
    click.option("-v", "--verbose", count=True, help="Tell what is being done."),
)
_PROTOCOL = click.Choice(get_args(ProtocolName))
_CONNECTION: Options = (
    click.argument("target"),
    click.option(
        "--protocol",
        type=_PROTOCOL,
        default="auto",
        help="auto: sign on where there is a line; C12.22 on port 1153, else DLMS.",
    ),
    click.option("--client", type=click.IntRange(1, 0xFFFF), help="Client address. [16, with a password or keys 1]"),
    click.option("--server", type=click.IntRange(0, 0xFFFF), default=1, show_default=True, help="Server address."),
    click.option("--authentication", type=click.Choice(get_args(AuthenticationName)), help="[by what is given]"),
    click.option("--security", type=click.Choice(get_args(SecurityName)), help="[authenticated-encrypted with keys]"),
    click.option("--password-from", metavar="SOURCE", help="env:NAME, file:PATH, keyring:NAME, or - to be asked."),
    click.option("--key-file", metavar="FILE", help="TOML file with keys and titles."),
    click.option("--user", metavar="NAME", help="Who logs on to an ANSI meter, at most 10 characters. [metersdk]"),
    click.option("--user-id", type=click.IntRange(0, 0xFFFF), help="The same as a number. [1]"),
    click.option("--vendor", metavar="NAME", help="Family of the meter, or a .toml file. [by its identification]"),
    click.option("--timeout", type=click.FloatRange(0, min_open=True), metavar="S", help="Seconds for one answer. [5]"),
    click.option("--total", type=click.FloatRange(0, min_open=True), metavar="S", help="Seconds for each step in all."),
    click.option(
        "--switch-margin",
        type=click.FloatRange(0),
        metavar="S",
        help="Seconds from the acknowledgement of a sign-on to the change of speed. [0.06, or as learned]",
    ),
    click.option("--trace", metavar="FILE", help="Record the session; passwords are masked."),
    click.option("--wait-for-port", type=click.FloatRange(0), metavar="S", help="Seconds until a probe is plugged in."),
    click.option("--memory/--no-memory", default=None, help="Use and keep what this line has taught. [on probes]"),
)


def speaks(command: F) -> F:
    """A command that is given an ``Output`` as ``out``."""

    @functools.wraps(command)
    def called(**given: Any) -> object:
        from metersdk.cli.output import Mode, Output

        mode: Mode = "jsonl" if given.pop("jsonl") else "json" if given.pop("json") else "text"
        given.pop("json", None)
        return command(out=Output(_name(click.get_current_context()), mode, given.pop("verbose")), **given)

    return with_options(called, _SPEECH)  # type: ignore[return-value]


def talks(command: F) -> F:
    """A command about one target; it is given a ``Connection``."""

    @functools.wraps(command)
    def called(**given: Any) -> object:
        from metersdk.cli.options import Connection

        fields = Connection.__dataclass_fields__
        return command(connection=Connection(**{name: given.pop(name) for name in fields}), **given)

    return with_options(speaks(called), _CONNECTION)  # type: ignore[return-value]


def with_options(command: Callable[..., object], options: Options) -> Callable[..., object]:
    """A command with these options, shown in this order."""
    for option in reversed(options):
        command = option(command)
    return command


def _name(context: click.Context) -> str:
    """The command as it is typed: ``line show``."""
    above = _name(context.parent) if context.parent is not None and context.parent.parent is not None else ""
    return f"{above} {context.info_name or ''}".strip()
