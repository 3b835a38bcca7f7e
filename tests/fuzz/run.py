"""Fuzz the parsers and the sessions: mutated octets in; a result or a documented error out, in bounded time and memory.

    python tests/fuzz/run.py --list
    python tests/fuzz/run.py --minutes 10 --target hdlc --seed 1
    python tests/fuzz/run.py --replay build/fuzz/hdlc-1-4711.bin --target hdlc

Without ``--target`` all of them share the time. The same target, seed and number make the same input. What is found is
kept under ``build/fuzz/`` with the traceback beside it; the exit code is 1 then.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
import traceback
import tracemalloc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

# What the tests share lies beside this folder; pytest finds it by its own configuration.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from fuzz_c1218 import TARGETS as C1218
from fuzz_c1219 import TARGETS as C1219
from fuzz_c1222 import TARGETS as C1222
from fuzz_mutation import ROOT, Target, mutated
from fuzz_parsers import TARGETS as PARSERS
from fuzz_programming import TARGETS as PROGRAMMING
from fuzz_psem import TARGETS as PSEM
from fuzz_pushers import TARGETS as PUSHERS
from fuzz_sessions import TARGETS as SESSIONS

from metersdk.errors import KEPT_BYTES, MeterError

TARGETS: dict[str, Target] = {
    target.name: target for target in (*PARSERS, *PUSHERS, *SESSIONS, *PROGRAMMING, *C1218, *PSEM, *C1219, *C1222)
}
KEPT = ROOT / "build" / "fuzz"
# CPU seconds of one case. The slowest sound input takes a tenth of it.
SLOW = 2.0
# Seconds after which a case is called endless.
ENDLESS = 20
# Octets a case may hold at its peak: some, and so many for each octet of input (a tree of values is expensive).
MEMORY, MEMORY_PER_OCTET = 32 << 20, 4096
# Watching memory makes a case several times slower: one in so many is watched.
WATCHED = 64


class Endless(BaseException):
    """The case did not end. No Exception, so that nobody catches it on the way."""


@dataclass
class Tally:
    """What became of the cases of one target."""

    cases: int = 0
    refused: int = 0
    seconds: float = 0.0
    found: int = 0


def check(target: Target, data: bytes, *, watch: bool = False) -> bool:
    """Run one input; whether it was taken without an error.

    Raises:
        AssertionError: too slow, too much memory, an error that is not documented, or misshapen.
        Exception: whatever else the target let through.
    """
    if watch:
        tracemalloc.start()
    start = time.process_time()
    try:
        with _deadline():
            target.run(data)
        taken = True
    except target.allowed as error:
        assert isinstance(error, MeterError) and str(error) and len(error.data) <= KEPT_BYTES
        taken = False
    finally:
        used = time.process_time() - start
        peak = tracemalloc.get_traced_memory()[1] if watch else 0
        tracemalloc.stop()
    assert watch or used < SLOW, f"{used:.1f} s for {len(data)} octets"
    assert peak < MEMORY + MEMORY_PER_OCTET * len(data), f"{peak} octets of memory for {len(data)} of input"
    return taken


@contextmanager
def _deadline() -> Iterator[None]:
    if not hasattr(signal, "setitimer"):
        yield
        return

    def ring(number: int, frame: FrameType | None) -> None:
        raise Endless(f"not done after {ENDLESS} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, ENDLESS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def fuzz(
    target: Target, seed: int, *, seconds: float = float("inf"), cases: int | None = None, first: int = 0, most: int = 5
) -> Tally:
    """Run a target for so many CPU seconds or cases; findings are kept in files, ``most`` of them."""
    seeds = list(target.seeds()) or [bytes(64)]
    tally = Tally()
    start = time.process_time()
    while tally.found < most and (cases is None or tally.cases < cases) and tally.seconds < seconds:
        number = first + tally.cases
        # The seeds themselves come first, as they are.
        data = seeds[number] if number < len(seeds) and not target.decisions else mutated(target, seeds, seed, number)
        tally.cases += 1
        try:
            tally.refused += not check(target, data, watch=number % WATCHED == 0)
        except (Exception, Endless) as error:
            tally.found += 1
            keep(target, f"{target.name}-{seed}-{number}", data, error)
        tally.seconds = time.process_time() - start
    return tally


def keep(target: Target, name: str, data: bytes, error: BaseException) -> None:
    """The input and its traceback in files."""
    KEPT.mkdir(parents=True, exist_ok=True)
    (KEPT / f"{name}.bin").write_bytes(data)
    (KEPT / f"{name}.txt").write_text("".join(traceback.format_exception(error)), "utf-8")
    print(f"{target.name}: {type(error).__name__}: {str(error)[:200]}\n  kept: {KEPT / name}.bin", file=sys.stderr)


def replay(target: Target, path: Path) -> int:
    """Run a kept input again, its error unhandled."""
    taken = check(target, path.read_bytes(), watch=True)
    print(f"{target.name}: {path.name} is {'taken' if taken else 'refused with a documented error'}")
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=1.0, help="CPU time, shared by the targets (default 1)")
    parser.add_argument("--cases", type=int, help="so many inputs for each target, instead of a time")
    parser.add_argument("--target", action="append", choices=sorted(TARGETS), help="may be given several times")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="run this input once")
    parser.add_argument("--list", action="store_true", help="name the targets")
    given = parser.parse_args(arguments)
    if given.list:
        print("\n".join(sorted(TARGETS)))
        return 0
    chosen = [TARGETS[name] for name in given.target or TARGETS]
    if given.replay is not None:
        if len(chosen) != 1:
            parser.error("--replay needs one --target")
        return replay(chosen[0], given.replay)
    seconds = float("inf") if given.cases is not None else given.minutes * 60 / len(chosen)
    found = 0
    for target in chosen:
        tally = fuzz(target, given.seed, seconds=seconds, cases=given.cases, first=given.first)
        found += tally.found
        print(
            f"{target.name}: {tally.cases} cases in {tally.seconds:.0f} s of CPU, "
            f"{tally.refused} refused, {tally.found} findings",
            flush=True,
        )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
