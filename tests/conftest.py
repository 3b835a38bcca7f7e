"""Fixtures shared by all tests: the vectors, the corpus of real captures, and which kernel is under test."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# How fast an example is depends on the machine and on what was loaded before: never a reason to fail.
settings.register_profile("metersdk", deadline=None)
settings.load_profile("metersdk")

ROOT = Path(__file__).resolve().parent.parent
CORPUS = Path(os.environ.get("METERSDK_CORPUS", ROOT.parent / "shared" / "corpus"))


@dataclass(frozen=True)
class Vector:
    name: str
    topic: str
    raw: bytes
    meaning: str


@dataclass(frozen=True)
class Case:
    """One capture: ``bytes`` are its octets (hex files decoded; text and pcap files as they are)."""

    name: str
    path: Path
    meta: dict[str, Any]

    @property
    def bytes(self) -> bytes:
        content = self.path.read_bytes()
        return bytes.fromhex(content.decode("ascii")) if self.path.suffix == ".hex" else content


class Corpus:
    """The captures, read in place: their licences differ, so they are never copied into the project."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._index: list[dict[str, Any]] = json.loads((root / "index.json").read_text(encoding="utf-8"))

    def cases(self, group: str) -> list[Case]:
        return [Case(meta["name"], self.root / meta["file"], meta) for meta in self._index if meta["group"] == group]

    def case(self, group: str, name: str) -> Case:
        return next(case for case in self.cases(group) if case.name == name)


def load_vectors(select: str) -> list[Vector]:
    """The vectors whose topic or name is ``select``."""
    entries = json.loads((ROOT / "tests" / "vectors" / "dlms.json").read_text(encoding="utf-8"))
    return [
        Vector(entry["name"], entry["topic"], bytes.fromhex(entry["hex"]), entry["meaning"])
        for entry in entries
        if select in (entry["topic"], entry["name"])
    ]


@pytest.fixture(scope="session")
def vectors() -> Callable[[str], list[Vector]]:
    """``vectors("GBT")`` or ``vectors("get_normal")``."""
    return load_vectors


@pytest.fixture(scope="session")
def corpus() -> Corpus:
    """The captures; the test is skipped where they are missing."""
    if not (CORPUS / "index.json").exists():
        pytest.skip(f"no corpus of captures at {CORPUS}; set METERSDK_CORPUS")
    return Corpus(CORPUS)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """``vector`` and ``capture`` run a test once for each entry named by the markers ``vectors`` and ``captures``."""
    marker = metafunc.definition.get_closest_marker("vectors")
    if marker is not None and "vector" in metafunc.fixturenames:
        without = marker.kwargs.get("without", ())
        found = [one for select in marker.args for one in load_vectors(select) if one.name not in without]
        metafunc.parametrize("vector", found, ids=[one.name for one in found])
    marker = metafunc.definition.get_closest_marker("captures")
    if marker is not None and "capture" in metafunc.fixturenames:
        _parametrize_captures(metafunc, marker)


def _parametrize_captures(metafunc: pytest.Metafunc, marker: pytest.Mark) -> None:
    if not (CORPUS / "index.json").exists():
        skip = pytest.mark.skip(reason=f"no corpus of captures at {CORPUS}; set METERSDK_CORPUS")
        metafunc.parametrize("capture", [pytest.param(None, marks=skip)])
        return
    corpus = Corpus(CORPUS)
    cases = [case for group in marker.args for case in corpus.cases(group)]
    metafunc.parametrize("capture", cases, ids=[case.name for case in cases])


def pytest_configure(config: pytest.Config) -> None:
    # Nothing learned in a test may reach the next one, or the user's own file.
    os.environ["METERSDK_STATE"] = ""
    config.addinivalue_line("markers", "vectors(*topics_or_names, without=()): once for each of these vectors")
    config.addinivalue_line("markers", "captures(*groups): once for each capture of these groups of the corpus")


def pytest_report_header() -> str:
    from metersdk import fast

    return f"metersdk kernel: {getattr(fast, 'IMPL', 'none')}"
