"""No counter is ever given twice: not by two processes, not after a kill."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from metersdk.errors import LocalProtocolError, PortError
from metersdk.port.counters import LAST_COUNTER, CounterFile, UtcVectors

TITLE = bytes.fromhex("4d534b0000000001")


def test_values_rise_over_blocks_and_restarts(tmp_path: Path) -> None:
    path = tmp_path / "counters.json"
    counter = CounterFile(path, block=4).counter(TITLE, "ek", start=100)
    assert [counter.next() for _ in range(10)] == list(range(100, 110))
    # Two of the third block were left, and are given up.
    assert CounterFile(path, block=4).counter(TITLE, "ek").next() == 112


def test_each_title_and_key_has_its_own(tmp_path: Path) -> None:
    store = CounterFile(tmp_path / "c")
    assert store.counter(TITLE, 0).next() == 0
    assert store.counter(TITLE, 1).next() == 0
    assert store.counter(bytes(8), 0).next() == 0
    assert store.counter(TITLE, 0).next() == store.block


def test_the_meter_may_have_seen_more(tmp_path: Path) -> None:
    store = CounterFile(tmp_path / "c")
    store.advance(TITLE, 0, 5000)
    assert store.counter(TITLE, 0).next() == 5000
    store.advance(TITLE, 0, 10)
    assert store.counter(TITLE, 0).next() == 5000 + store.block


def test_the_values_are_on_disk_before_they_are_given(tmp_path: Path) -> None:
    path = tmp_path / "c"
    first = CounterFile(path, block=8).counter(TITLE).next()
    assert json.loads(path.read_text()) == {f"{TITLE.hex()}/0": first + 8}


def test_the_end_of_32_bits(tmp_path: Path) -> None:
    store = CounterFile(tmp_path / "c")
    counter = store.counter(TITLE, start=LAST_COUNTER - 1)
    assert [counter.next(), counter.next()] == [LAST_COUNTER - 1, LAST_COUNTER]
    for _ in range(2):
        with pytest.raises(LocalProtocolError, match="used up"):
            counter.next()
    with pytest.raises(LocalProtocolError):
        store.counter(TITLE, start=LAST_COUNTER + 1)
    with pytest.raises(LocalProtocolError):
        CounterFile(tmp_path / "c", block=0)


@pytest.mark.parametrize(
    "text", ["", "[]", '{"a": "1"}', '{"a": -1}', '{"a": 1.5}', '{"a": true}', "[" * 100_000, "\x00"]
)
def test_a_damaged_file_is_not_started_anew(tmp_path: Path, text: str) -> None:
    path = tmp_path / "c"
    path.write_text(text)
    with pytest.raises(PortError, match="no counter file"):
        CounterFile(path).counter(TITLE).next()
    assert path.read_text() == text


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PortError) as told:
        CounterFile(tmp_path / "none" / "c").counter(TITLE).next()
    assert told.value.hint


GIVE = """
import sys
from metersdk.port.counters import CounterFile
counter = CounterFile(sys.argv[1], block=3).counter(bytes(8))
while True:
    print(counter.next(), flush=True)
"""


def test_two_processes_killed_at_work_never_give_one_value_twice(tmp_path: Path) -> None:
    root = str(Path(__file__).resolve().parents[2])
    command = [sys.executable, "-P", "-c", GIVE, str(tmp_path / "c")]
    given: list[int] = []
    for _ in range(2):
        pair = [
            subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": root})
            for _ in range(2)
        ]
        for process in pair:
            assert process.stdout is not None
            given += [int(process.stdout.readline()) for _ in range(20)]
        for process in pair:
            process.send_signal(signal.SIGKILL)
            rest = process.communicate()[0].splitlines(keepends=True)
            given += [int(line) for line in rest if line.endswith("\n")]
    assert len(given) == len(set(given)) >= 80


def test_vectors_are_the_time_and_rise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(UtcVectors, "_last", 0)
    monkeypatch.setattr("time.time", lambda: 1_800_000_000.9)
    assert [UtcVectors().next() for _ in range(3)] == [1_800_000_000, 1_800_000_001, 1_800_000_002]
    monkeypatch.setattr("time.time", lambda: 1_700_000_000.0)
    assert UtcVectors().next() == 1_800_000_003
    monkeypatch.setattr("time.time", lambda: 2.0**32)
    with pytest.raises(LocalProtocolError, match="2106"):
        UtcVectors().next()
