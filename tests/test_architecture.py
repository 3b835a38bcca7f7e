"""The import law of docs/architecture.md, held against every file's syntax tree: lazy and TYPE_CHECKING imports too."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "metersdk"
FILES = sorted(SOURCE.rglob("*.py"))

# room -> rooms of ours it may import
LAW: dict[str, set[str]] = {
    "errors": set(),
    "effects": set(),
    "fast": {"errors"},
    "frame": {"errors", "fast"},
    "apdu": {"errors", "fast"},
    "model": {"errors", "apdu", "fast"},
    "vendor": {"errors", "model"},
    "dialog": {"errors", "effects", "frame", "apdu", "model"},
    "port": {"errors", "effects"},
    # The doors import the simulator for sim:// targets only, when one is opened.
    "meter": {"errors", "effects", "dialog", "model", "port", "vendor", "apdu", "simulator"},
    "aio": {"errors", "effects", "dialog", "model", "port", "vendor", "apdu", "simulator", "meter"},
    "simulator": {"errors", "effects", "dialog", "model", "port", "vendor", "frame", "apdu"},
    "cli": {
        "exposure",
        "errors",
        "effects",
        "meter",
        "aio",
        "model",
        "simulator",
        "frame",
        "apdu",
        "port",
        "dialog",
        "vendor",
    },
    "exposure": {"errors", "meter", "model"},
    "__main__": {"cli"},
    "__init__": {"errors", "model", "meter", "aio", "frame", "apdu", "port", "effects", "dialog"},
}
# room -> modules of the standard library and of others that it may not touch
BANNED: dict[str, set[str]] = {
    "errors": {"*"},
    "effects": {"*"},
    "fast": {"asyncio", "socket", "threading", "time", "serial", "pydantic", "dlms_cosem", "cryptography"},
    "frame": {"asyncio", "socket", "threading", "time", "os", "serial", "pydantic", "dlms_cosem", "cryptography"},
    "apdu": {"asyncio", "socket", "threading", "time", "os", "serial", "pydantic"},
    "model": {"asyncio", "socket", "threading", "time", "serial", "cryptography"},
    "dialog": {
        "asyncio",
        "socket",
        "threading",
        "time",
        "os",
        "logging",
        "serial",
        "pydantic",
        "cryptography",
        "select",
    },
    "port": {"pydantic", "cryptography", "dlms_cosem"},
    "meter": {"asyncio", "socket", "threading", "serial"},
}
HARMLESS = {"__future__", "collections", "dataclasses", "typing"}
LINES_STOP = 800


def room(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                package = list(path.relative_to(ROOT).parts[:-1])
                base = ".".join(package[: len(package) - node.level + 1])
                base = f"{base}.{node.module}" if node.module else base
            else:
                base = node.module or ""
            if base == "metersdk":
                yield from ((f"metersdk.{alias.name}", node.lineno) for alias in node.names)
            else:
                yield base, node.lineno


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_import_law(path: Path) -> None:
    here = room(path)
    assert here in LAW, f"no such room in the plan: {here}"
    breaches = []
    for name, line in imports(path):
        top, *rest = name.split(".")
        if top == "metersdk":
            there = rest[0] if rest else "__init__"
            if there not in LAW[here] | {here} and not (here == "fast" and there == "_kernel"):
                breaches.append(f"{path.name}:{line}: {here} may not import {there}")
        else:
            banned = BANNED.get(here, set())
            if top in banned or ("*" in banned and top not in HARMLESS):
                breaches.append(f"{path.name}:{line}: {here} may not import {top}")
    assert not breaches, "\n".join(breaches)


def test_no_circles() -> None:
    names = {
        ".".join(p.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): {
            name for name, _ in imports(p) if name.startswith("metersdk")
        }
        for p in FILES
    }
    edges: dict[str, set[str]] = {}
    for module, targets in names.items():
        edges[module] = set()
        for target in targets:
            while target and target not in names:
                target = target.rpartition(".")[0]
            if target and target not in (module, "metersdk"):
                edges[module].add(target)
    state: dict[str, int] = {}

    def visit(module: str, trail: list[str]) -> None:
        assert state.get(module) != 1, "circle: " + " -> ".join([*trail, module])
        if module not in state:
            state[module] = 1
            for target in sorted(edges[module]):
                visit(target, [*trail, module])
            state[module] = 2

    for module in sorted(edges):
        visit(module, [])


def test_inner_init_files_are_empty() -> None:
    inner = [p for p in FILES if p.name == "__init__.py" and p.parent not in (SOURCE, SOURCE / "fast", SOURCE / "cli")]
    assert [p for p in inner if p.read_text().strip()] == []


@pytest.mark.parametrize("path", [*FILES, *sorted((ROOT / "csrc").glob("*.[ch]"))], ids=lambda p: p.name)
def test_file_length(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= LINES_STOP, f"{path.name} has {lines} lines: split it"


def test_dlms_cosem_has_one_importer() -> None:
    importers = {p.name for p in FILES for name, _ in imports(p) if name.split(".")[0] == "dlms_cosem"}
    assert importers == {"_dlms_cosem.py"}


def test_dlms_cosem_is_the_mit_release() -> None:
    package = importlib.metadata.distribution("dlms-cosem")
    assert int(package.version.split(".")[0]) < 22
    licences = [f for f in package.files or [] if f.name == "LICENSE" and "dist-info" in str(f)]
    assert licences and all(f.read_text().startswith("MIT License") for f in licences)


def test_import_loads_no_heavy_library() -> None:
    code = (
        "import sys, metersdk; loaded = {m.split('.')[0] for m in sys.modules};"
        "heavy = {'dlms_cosem', 'asyncio', 'serial', 'numpy', 'pyarrow', 'pandas', 'polars', 'rich', 'click'};"
        "print(sorted(loaded & heavy))"
    )
    out = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True, cwd="/")
    assert out.stdout.strip() == "[]"


def test_the_tables_of_c1219_are_loaded_for_those_who_read_them() -> None:
    """They take longer to load than all the rest: who reads DLMS does not wait for them."""
    code = (
        "import sys, metersdk.meter, metersdk.aio;"
        "print([m for m in sys.modules if m.startswith('metersdk.model.c1219')])"
    )
    out = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True, cwd="/")
    assert out.stdout.strip() == "[]"


def test_setup_py_is_short() -> None:
    assert len((ROOT / "setup.py").read_text().splitlines()) <= 40


def test_core_dependencies_are_the_agreed_ones() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    block = text.split("dependencies = [", 1)[1].split("]", 1)[0]
    assert re.findall(r'"([a-z-]+)', block) == ["pyserial", "cffi", "pydantic", "dlms-cosem", "cryptography"]
