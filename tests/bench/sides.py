"""The sides of a comparison: where each one's Python is, and its process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metersdk import __version__

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
# Seconds an order may take; the slowest peer needs some ten.
PATIENCE = 300


class SideError(Exception):
    """A side that failed at its task."""


class NotInstalled(Exception):
    """A peer that cannot be had here."""


@dataclass(frozen=True, slots=True)
class Side:
    """A contestant. ``venv`` names the environment of one that must not share ours: for its licence, the GPL, or
    for what it needs."""

    name: str
    script: str
    package: str
    version: str = ""
    venv: str = ""

    @property
    def requirement(self) -> str:
        return f"{self.package}=={self.version}" if self.version else self.package


OURS = Side("metersdk", "ours.py", "metersdk")
TWIN = Side("its Python twin", "ours.py", "metersdk")
FASTCRC = Side("fastcrc", "with_fastcrc.py", "fastcrc")
FIND_AND_FASTCRC = Side("find + fastcrc", "with_fastcrc.py", "fastcrc")
CRCMOD = Side("crcmod", "with_crcmod.py", "crcmod")
DLMS_COSEM = Side("dlms-cosem", "with_dlms_cosem.py", "dlms-cosem")
GURUX = Side("Gurux", "with_gurux.py", "gurux-dlms", "1.0.203", "gurux")
PYDLMS = Side("pydlms", "with_pydlms.py", "pydlms-client[all]", "0.1.0", "pydlms")
PYSML = Side("pysml", "with_pysml.py", "pysml", "0.1.9", "pysml")
PWITAB = Side("iec62056-21", "with_iec62056_21.py", "iec62056-21", "0.0.2", "iec62056-21")
SIDES = (OURS, FASTCRC, CRCMOD, DLMS_COSEM, GURUX, PYDLMS, PYSML, PWITAB)


def clean() -> dict[str, str]:
    """A peer must find its own packages, never those of this environment."""
    return {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}


class Pythons:
    """The interpreter of every side: ours, or that of its own environment, made and filled when first asked for."""

    def __init__(self, peers: Path, *, install: bool = True) -> None:
        self._peers = peers
        self._install = install
        self._versions: dict[str, str] = {}

    def python(self, side: Side) -> str:
        """Path of the interpreter that has the side's package.

        Raises:
            NotInstalled: it cannot be had here.
        """
        if side is OURS:
            self._versions[side.package] = __version__
        python = sys.executable
        if side.venv:
            python = str(self._peers / side.venv / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python"))
        if side.package not in self._versions:
            version = _version(python, side)
            if side.venv and self._install and version != side.version:
                self._fill(python, side)
                version = _version(python, side)
            if not version or side.version not in ("", version):
                raise NotInstalled(f"{side.requirement} is not installed")
            self._versions[side.package] = version
        return python

    def _fill(self, python: str, side: Side) -> None:
        """Make the environment as the interoperability tests make theirs, which they share."""
        folder = self._peers / side.venv
        print(f"== installing {side.requirement} in {folder.name} (once)", file=sys.stderr)
        pip = [python, "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input", "install", side.requirement]
        try:
            if not Path(python).exists():
                subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, env=clean())
            subprocess.run(pip, check=True, env=clean(), timeout=PATIENCE)
        except (OSError, subprocess.SubprocessError) as error:
            raise NotInstalled(f"{side.requirement} cannot be installed: {error}") from error
        (folder / "ready.txt").write_text(f"{side.requirement}\n{sys.version}\n", encoding="utf-8")

    @property
    def versions(self) -> dict[str, str]:
        """Versions of the packages asked for so far."""
        return dict(self._versions)


def _environment(side: Side) -> dict[str, str] | None:
    return clean() if side.venv else None


def _version(python: str, side: Side) -> str:
    code = f"from importlib.metadata import version; print(version({side.package.partition('[')[0]!r}))"
    try:
        ended = subprocess.run(
            [python, "-c", code], capture_output=True, text=True, check=False, env=_environment(side)
        )
    except OSError:
        return ""
    return ended.stdout.strip() if ended.returncode == 0 else ""


class Process:
    """A side at work in a process of its own."""

    def __init__(self, python: str, side: Side, log: Path) -> None:
        self.side = side
        self._log = log.open("a", encoding="utf-8")
        self._process = subprocess.Popen(
            [python, str(HERE / "contestants" / side.script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env=_environment(side),
        )

    def ask(self, **order: Any) -> dict[str, Any]:
        """Carry out one order.

        Raises:
            SideError: it failed there.
        """
        answer = self._ask(order)
        if "error" in answer:
            raise SideError(f"{self.side.name}: {answer['error']}")
        return answer

    def _ask(self, order: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise SideError(f"{self.side.name}: its process ended")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._log.close()

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Meter:
    """The meter of pydlms: its process, and the port of each framing."""

    def __init__(self, python: str, rows: int, captures: list[list[Any]], log: Path) -> None:
        self._log = log.open("a", encoding="utf-8")
        self._process = subprocess.Popen(
            [python, str(HERE / "contestants" / "pydlms_meter.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env=clean(),
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps({"rows": rows, "captures": captures}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            self.close()
            raise SideError("the meter of pydlms did not start")
        self.ports: dict[str, int] = json.loads(line)

    def close(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        # It serves in threads that wait for clients: there is nothing to lose.
        self._process.terminate()
        self._process.wait()
        self._process.stdout.close()
        self._log.close()

    def __enter__(self) -> Meter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
