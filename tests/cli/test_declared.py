"""What can be typed is declared apart from what it does: help loads neither the stack nor pydantic nor rich."""

from __future__ import annotations

import inspect
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any, get_args

import click
import pytest

from metersdk.cli import declared
from metersdk.cli.app import _COMMANDS, _FUNCTIONS, app
from metersdk.dialog import names, opening
from metersdk.port.host.udev import FILE_NAME

HEAVY = (
    "pydantic",
    "rich",
    "serial",
    "cryptography",
    "metersdk.meter",
    "metersdk.dialog.opening",
    "metersdk.simulator",
)
CODE = """
import sys
from metersdk.cli.app import run
code = run(sys.argv[1:])
sys.stderr.write(" ".join(sys.modules))
raise SystemExit(code)
"""


def commands() -> dict[str, click.Command]:
    context = click.Context(app)
    return {name: command for name in _COMMANDS if (command := app.get_command(context, name)) is not None}


@pytest.mark.parametrize(
    ("words", "code"),
    [(["--help"], 0), (["read", "--help"], 0), (["table", "--help"], 0), (["watch", "--help"], 0), (["read"], 2)],
)
def test_help_and_usage_errors_load_next_to_nothing(words: list[str], code: int, tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-P", "-c", CODE, *words], capture_output=True, text=True, cwd=tmp_path, timeout=60
    )
    assert ran.returncode == code
    loaded = ran.stderr.split()
    assert [module for module in loaded if module.startswith(HEAVY)] == []
    assert len([module for module in loaded if module.startswith("metersdk")]) <= 10


@pytest.mark.parametrize("name", _COMMANDS)
def test_every_command_has_a_function_that_takes_what_is_declared(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[tuple[str, str, dict[str, Any]]] = []
    monkeypatch.setattr(f"metersdk.cli.{_COMMANDS[name]}.carry_out", lambda *told: called.append(told))
    every = commands()[name]
    for command in every.commands.values() if isinstance(every, click.Group) else (every,):
        called.clear()
        words = [_word(each) for each in command.params if isinstance(each, click.Argument) and each.required]
        words += ["--kind", "sml"] if name == "scan" else []
        with command.make_context(command.name, words, parent=click.Context(app)) as context:
            command.invoke(context)
        ((module, function, given),) = called
        found = inspect.signature(getattr(import_module(f"metersdk.cli.{module}"), function))
        found.bind(**given)
        assert command.help and len(command.help) > 10


def _word(argument: click.Argument) -> str:
    return {"what": "read", "class_id": "3", "obis": "1.8.0", "codes": "1.8.0"}.get(argument.name or "", "1")


def test_the_names_are_those_of_the_doors() -> None:
    for name in ("ProtocolName", "AuthenticationName", "SecurityName"):
        assert get_args(getattr(names, name)) == get_args(getattr(opening, name))
    rules = next(each for each in commands()["doctor"].params if each.name == "rules")
    assert rules.default == FILE_NAME
    assert set(_FUNCTIONS) <= set(_COMMANDS)


def test_names_that_a_module_knows() -> None:
    kind = declared.ChoiceOf("metersdk.cli.demo_tours", "TOURS")
    assert "mode-e" in kind.choices and kind.convert("sml", None, None) == "sml"
    with pytest.raises(click.BadParameter):
        kind.convert("x", None, None)


def test_help_of_simulate_names_images_and_faults(cli: Any) -> None:
    told = cli("simulate", "--help").out
    assert "residential" in told and "lost-ack" in told
