"""One side of a comparison, in a process of its own: it takes orders as JSON lines, and times itself.

This file is run by every Python that takes part, so it needs the standard library only.
"""

from __future__ import annotations

import gc
import json
import resource
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

Task = Callable[[int], "tuple[float, Any]"]
"""Do the work n times -> (seconds of CPU it took, the result of the last time).

One thread works, so that on an idle machine these are seconds of the clock; on a busy one they are the fairer ones.
"""

Entry = tuple[Callable[..., Task], Callable[[Any], Any]]
"""Makes the task from its parameters, untimed; and makes JSON of its result, untimed too."""


def called(function: Callable[[Any], Any], argument: Any) -> Task:
    """The task of calling ``function(argument)``."""

    def task(times: int) -> tuple[float, Any]:
        result = None
        begin = time.process_time()
        for _ in range(times):
            result = function(argument)
        return time.process_time() - begin, result

    return task


def cpu_seconds() -> float:
    """User and system time of this process."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


class Peak:
    """Growth of the resident set over a piece of work, octets.

    Linux hands a parent's ``ru_maxrss`` on to its children, and imports leave a peak behind: where it can be, the mark
    is set back to what is resident now.
    """

    def __init__(self) -> None:
        self._linux = True
        try:
            Path("/proc/self/clear_refs").write_text("5")
        except OSError:
            self._linux = False
        self._before = self._mark()

    def growth(self) -> int:
        return self._mark() - self._before

    def _mark(self) -> int:
        if self._linux:
            for line in Path("/proc/self/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def serve(entries: dict[str, Entry]) -> None:
    """Take orders until stdin ends: ``prepare`` a task, then ``run`` it so many times, or take its ``peak``."""
    task: Task | None = None
    summary: Callable[[Any], Any] = str
    for line in sys.stdin:
        order = json.loads(line)
        answer: dict[str, Any] = {}
        try:
            # Peers may print what they like; stdout is ours.
            with redirect_stdout(sys.stderr):
                match order["do"]:
                    case "prepare":
                        make, summary = entries[order["task"]]
                        task = make(**order["parameters"])
                        # What was imported, and may be much or little, is no part of the work: the collector of cyclic
                        # garbage runs as always, but on what the work makes.
                        gc.collect()
                        gc.freeze()
                    case "run" if task:
                        answer["seconds"], result = task(order["times"])
                        answer["result"] = summary(result)
                        del result
                    case "peak" if task:
                        peak = Peak()
                        _, result = task(1)
                        answer["octets"] = peak.growth()
                        answer["result"] = summary(result)
                        del result
        except Exception as error:
            answer["error"] = f"{type(error).__name__}: {error}"
        print(json.dumps(answer), flush=True)
