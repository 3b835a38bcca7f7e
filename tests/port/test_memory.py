"""The state file of what was learned: small, replaced whole, and never a reason to fail."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from metersdk.port.memory import MemoryFile, default_path, memory_for, probe_of
from metersdk.port.target import parse_address


def test_kept_and_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "state" / "line.json"
    memory = MemoryFile(path)
    assert memory.get("probes", "head") == {}
    memory.put("probes", "head", {"switch_margin": 0.1})
    memory.put("meters", "/ABC5METER", {"9600": [1, 0]})
    assert MemoryFile(path).get("probes", "head") == {"switch_margin": 0.1}
    assert list(tmp_path.glob("state/*")) == [path]
    memory.put("probes", "head", {})
    assert MemoryFile(path).sections() == {"probes": {}, "meters": {"/ABC5METER": {"9600": [1, 0]}}}
    memory.forget()
    memory.forget()
    assert not path.exists() and memory.sections() == {}


def test_bounded_and_the_oldest_goes(tmp_path: Path) -> None:
    memory = MemoryFile(tmp_path / "line.json")
    memory.put("probes", "first", {"n": 0})
    for number in range(199):
        memory.put("probes", f"p{number}", {"n": number})
    memory.put("probes", "first", {"n": 1})
    memory.put("probes", "last", {"n": 2})
    kept = memory.sections()["probes"]
    assert len(kept) == 200 and "first" in kept and "p0" not in kept


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b'{"metersdk_memory": 1}',
        b'{"metersdk_memory": 1, "probes": 3}',
        b'{"metersdk_memory": 1, "probes": {"head": 3}}',
    ],
)
def test_an_empty_file_or_one_with_the_mark_is_replaced(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "line.json"
    path.write_bytes(content)
    memory = MemoryFile(path)
    assert memory.get("probes", "head") == {}
    memory.put("probes", "head", {"a": 1})
    assert memory.get("probes", "head") == {"a": 1}
    assert json.loads(path.read_text("utf-8")) == {"metersdk_memory": 1, "probes": {"head": {"a": 1}}}


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"[" * 100_000,
        b'"x"',
        b"My dear diary\n",
        b'{"probes": {"head": {"a": 7}}}',
        b'{"metersdk_memory": 2, "probes": {"head": {"a": 7}}}',
    ],
)
def test_a_file_of_somebody_else_counts_as_empty_and_is_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "diary.txt"
    path.write_bytes(content)
    memory = MemoryFile(path)
    memory.put("probes", "head", {"a": 1})
    memory.forget()
    assert memory.get("probes", "head") == {} and memory.sections() == {}
    assert path.read_bytes() == content and list(tmp_path.iterdir()) == [path]


def test_what_is_no_file_is_left_alone(tmp_path: Path) -> None:
    null, folder = tmp_path / "null", tmp_path / "folder"
    null.symlink_to(os.devnull)
    folder.mkdir()
    for path in (null, folder):
        MemoryFile(path).put("probes", "head", {"a": 1})
        MemoryFile(path).forget()
    assert null.is_symlink() and folder.is_dir() and len(list(tmp_path.iterdir())) == 2


def test_a_file_too_large_to_be_ours_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "thesis.json"
    path.write_bytes(b'{"metersdk_memory": 1, "probes": {}}' + b" " * (1 << 20))
    MemoryFile(path).put("probes", "head", {"a": 1})
    assert path.stat().st_size > 1 << 20 and MemoryFile(path).sections() == {}


def test_a_place_that_cannot_be_written_is_left_alone(tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("mine")
    memory = MemoryFile(in_the_way / "line.json")
    memory.put("probes", "head", {"a": 1})
    memory.forget()
    assert memory.get("probes", "head") == {} and in_the_way.read_text() == "mine"


def test_where_it_lies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("METERSDK_STATE", "")
    assert default_path() is None
    monkeypatch.setenv("METERSDK_STATE", str(tmp_path / "x.json"))
    assert default_path() == tmp_path / "x.json"
    monkeypatch.delenv("METERSDK_STATE")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr("sys.platform", "linux")
    assert default_path() == tmp_path / "metersdk" / "line.json"


@pytest.mark.parametrize(
    ("target", "wanted", "kept"),
    [
        ("/dev/ttyUSB0", None, True),
        ("rfc2217://127.0.0.1:4001", None, True),
        ("socket://127.0.0.1:4001", None, True),
        ("tcp://127.0.0.1:4059", None, False),
        ("sim://residential", None, False),
        ("pty:///dev/pts/9", None, False),
        ("/dev/ttyUSB0", False, False),
        ("sim://residential", True, True),
    ],
)
def test_what_is_remembered_by_default(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, target: str, wanted: bool | None, kept: bool
) -> None:
    monkeypatch.setenv("METERSDK_STATE", str(tmp_path / "x.json"))
    assert (memory_for(parse_address(target), wanted) is not None) == kept


def test_a_file_that_is_named_is_taken(tmp_path: Path) -> None:
    memory = memory_for(parse_address("sim://residential"), tmp_path / "mine.json")
    assert memory is not None and memory.path == tmp_path / "mine.json"


def test_a_probe_goes_by_the_name_that_stays(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    device = tmp_path / "ttyUSB7"
    device.touch()
    named = tmp_path / "usb-Probe_0001"
    os.symlink(device, named)
    monkeypatch.setattr("metersdk.port.memory._BY_ID", str(tmp_path / "none"))
    assert probe_of(parse_address(str(device))) == str(device)
    monkeypatch.setattr("metersdk.port.memory._BY_ID", str(tmp_path))
    assert probe_of(parse_address(str(device))) in ("ttyUSB7", "usb-Probe_0001")
    named.unlink()
    device.unlink()
    assert probe_of(parse_address(str(named))) == "usb-Probe_0001"
    assert probe_of(parse_address("socket://127.0.0.1:4001")) == "tcp://127.0.0.1:4001"
