"""``make bench``: metersdk beside its peers, as ratios of one interleaved run.

Every side works in a process of its own and times itself by the CPU time it uses, user and system. In every round all
sides of a workload take their turn, one after the other; a ratio is taken round by round, and the table shows the
median with the least and the greatest. Answers are checked against what is known from how the data was made.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from report import markdown, plain
from sides import OURS, ROOT, NotInstalled, Process, Pythons, SideError
from workloads import FULL, NAMES, QUICK, SMOKE, Entry, Sizes, Stage, Workload


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison. ``ours`` and ``theirs`` are medians in ``unit``; more is better, but for octets of memory."""

    workload: str
    title: str
    unit: str
    ours: float
    peer: str
    note: str
    theirs: float
    ratio: float
    least: float
    most: float
    target: float | None

    @property
    def verdict(self) -> str:
        return "" if self.target is None else "ok" if self.ratio >= self.target else "short"


class WrongAnswer(Exception):
    """A side did its work, and it is not right."""


def check(entry: Entry, result: Any) -> None:
    """Compare what a side answered with the truth, as far as this side is asked for it."""
    wanted = entry.answer
    got = {key: result.get(key) for key in wanted} if isinstance(wanted, dict) else result
    if got != wanted:
        raise WrongAnswer(f"{entry.side.name}, {entry.task}: {str(got)[:200]} instead of {str(wanted)[:200]}")


def start(stack: ExitStack, stage: Stage, entry: Entry) -> Process:
    python = stage.pythons.python(entry.side)
    process = stack.enter_context(Process(python, entry.side, stage.folder / "sides.log"))
    process.ask(do="prepare", task=entry.task, parameters=entry.parameters)
    return process


def figures(stage: Stage, workload: Workload) -> tuple[dict[int, list[float]], list[Entry], list[str]]:
    """Figures of every side, round by round, by its number: 0 is ours. A peer that cannot run is told and left out."""
    measure = peaks if workload.measure == "memory" else rates
    missing: list[str] = []
    entries = [workload.ours]
    for entry in workload.peers:
        try:
            stage.pythons.python(entry.side)
            entries.append(entry)
        except NotInstalled as error:
            missing.append(f"{workload.name}: {error}")
    return measure(stage, entries), entries, missing


def rates(stage: Stage, entries: Sequence[Entry]) -> dict[int, list[float]]:
    sizes = stage.sizes
    out: dict[int, list[float]] = {number: [] for number in range(len(entries))}
    with ExitStack() as stack:
        sides = [start(stack, stage, entry) for entry in entries]
        times = []
        for entry, side in zip(entries, sides, strict=True):
            # The first time warms up, and tells how often the work fits into a round.
            once = side.ask(do="run", times=1)
            check(entry, once["result"])
            if once["seconds"] < sizes.span / 20:
                once = {"seconds": side.ask(do="run", times=5)["seconds"] / 5}
            times.append(max(1, round(sizes.span / max(once["seconds"], 1e-8))))
        for _ in range(sizes.rounds):
            for number, (entry, side) in enumerate(zip(entries, sides, strict=True)):
                done = side.ask(do="run", times=times[number])
                check(entry, done["result"])
                out[number].append(entry.work * times[number] / max(done["seconds"], 1e-9))
    return out


def peaks(stage: Stage, entries: Sequence[Entry]) -> dict[int, list[float]]:
    """Every time in a fresh process: what an allocator keeps from before would hide the growth."""
    out: dict[int, list[float]] = {number: [] for number in range(len(entries))}
    for _ in range(min(2, stage.sizes.rounds)):
        for number, entry in enumerate(entries):
            with ExitStack() as stack:
                done = start(stack, stage, entry).ask(do="peak")
                check(entry, done["result"])
                out[number].append(max(1.0, done["octets"]))
    return out


def compare(stage: Stage, workload: Workload) -> tuple[list[Row], list[str]]:
    measured, entries, missing = figures(stage, workload)
    ours = measured[0]
    rows = []
    for number, entry in enumerate(entries[1:], 1):
        pairs = list(zip(ours, measured[number], strict=True))
        ratios = [b / a for a, b in pairs] if workload.measure == "memory" else [a / b for a, b in pairs]
        rows.append(
            Row(
                workload.name,
                workload.title,
                workload.unit,
                median(ours),
                entry.side.name,
                entry.note,
                median(measured[number]),
                median(ratios),
                min(ratios),
                max(ratios),
                entry.target,
            )
        )
    return rows, missing


def machine() -> dict[str, str]:
    """What it ran on: processor, cores, how busy they were, and which ways of the kernel were taken."""
    from metersdk import fast

    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = [line.partition(":") for line in info.read_text().splitlines()]
        named = {key.strip(): value.strip() for key, _, value in lines}
        where = [named.get(key, "?") for key in ("cpu family", "model")]
        model = f"{named.get('model name', model)} (family {where[0]}, model {where[1]})"
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "?"
    return {"cpu": model, "cores": str(os.cpu_count()), "load": load, "kernel": fast.IMPL, "crc": crc_path(fast.IMPL)}


def crc_path(impl: str) -> str:
    """The widest way of the CRC that this processor has, which is the one taken for long input."""
    if impl != "c":
        return "Python"
    from metersdk._kernel import ffi, lib

    out = ffi.new("uint16_t *")
    names = {
        "VPCLMULQDQ, 512 bit": lib.MSDK_CRC16_CLMUL512,
        "PCLMULQDQ, 128 bit": lib.MSDK_CRC16_CLMUL,
        "table": lib.MSDK_CRC16_TABLE,
    }
    return next(name for name, path in names.items() if lib.msdk_crc16_path(path, b"123456789", 9, out) == 0)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="smaller sizes, three rounds")
    parser.add_argument("--smoke", action="store_true", help="tiny sizes: are the answers right? No figure means much")
    parser.add_argument("--only", action="append", choices=NAMES, help="this workload alone; may be repeated")
    parser.add_argument("--rounds", type=int, help="rounds of every workload")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--markdown", action="store_true", help="print the table for docs/performance.md")
    parser.add_argument("--peers", type=Path, default=ROOT / ".peers", help="where peers have their environments")
    parser.add_argument("--no-install", action="store_true", help="compare with the peers that are there")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "bench", help="folder for data and bench.json")
    chosen = parser.parse_args(arguments)

    sizes: Sizes = SMOKE if chosen.smoke else QUICK if chosen.quick else FULL
    if chosen.rounds:
        sizes = replace(sizes, rounds=chosen.rounds)
    chosen.out.mkdir(parents=True, exist_ok=True)
    pythons = Pythons(chosen.peers, install=not chosen.no_install)
    pythons.python(OURS)
    stage = Stage(chosen.out, sizes, pythons)
    rows: list[Row] = []
    missing: list[str] = []
    begin, where = datetime.now(UTC), machine()
    try:
        for name in chosen.only or NAMES:
            print(f"== {name}", file=sys.stderr, flush=True)
            try:
                told, left_out = compare(stage, stage.workload(name))
            except NotInstalled as error:
                told, left_out = [], [f"{name}: {error}"]
            rows += told
            missing += left_out
    except (SideError, WrongAnswer) as wrong:
        print(f"{type(wrong).__name__}: {wrong}", file=sys.stderr)
        return 1
    finally:
        stage.close()
    switches = [f"--{name}" for name in ("quick", "smoke") if getattr(chosen, name)]
    switches += [f"--only {name}" for name in chosen.only or ()]
    result = {
        "command": " ".join(["make bench", *([f'BENCH_ARGS="{" ".join(switches)}"'] if switches else [])]),
        "date": begin.strftime("%Y-%m-%d"),
        "seconds": round((datetime.now(UTC) - begin).total_seconds()),
        "rounds": sizes.rounds,
        "python": platform.python_version(),
        "versions": pythons.versions,
        "machine": where,
        "missing": missing,
        "rows": [{**asdict(row), "verdict": "" if chosen.smoke else row.verdict} for row in rows],
    }
    target = chosen.out.with_suffix(".json") if chosen.out.name == "bench" else chosen.out / "bench.json"
    target.write_text(json.dumps(result, indent=1), encoding="utf-8")
    print(json.dumps(result) if chosen.json else markdown(result) if chosen.markdown else plain(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
