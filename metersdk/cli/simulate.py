"""simulate: meters in software, on real descriptors, until told to stop."""

from __future__ import annotations

import json
import signal
import sys

from rich.text import Text

from metersdk.cli.output import SCHEMA_VERSION, Output, program
from metersdk.cli.stopping import Stopped
from metersdk.effects import State
from metersdk.errors import LocalProtocolError, MeterError
from metersdk.simulator.faults import FAULT_HELP, parse_faults
from metersdk.simulator.image import BUILT_IN
from metersdk.simulator.server import Simulator

EPILOG = f"Images: {', '.join(BUILT_IN)}\n\n\b\nFaults, NAME or NAME=VALUE:\n" + "\n".join(
    f"  {name:<13} {text}" for name, text in FAULT_HELP.items()
)


def simulate(
    out: Output,
    images: tuple[str, ...],
    listen: tuple[str, ...],
    framing: str | None,
    faults: tuple[str, ...],
    count: int,
    no_pace: bool,
    seconds: float | None,
) -> None:
    places = [_framed(place, framing) for place in listen]
    wrong = parse_faults(faults)

    def heard(name: str, event: object) -> None:
        if isinstance(event, (State, MeterError)) and out.verbose:
            text = f"{event.name}: {event.text}" if isinstance(event, State) else f"ended: {event}"
            out.say(f"{name}  {text}", "dim")

    try:
        with Simulator(list(images), places, faults=wrong, pace=not no_pace, count=count, listener=heard) as simulator:
            _ready(out, simulator)
            simulator.wait(seconds)
    except Stopped as end:
        # A service manager stops what it started: that is no failure.
        if end.number != signal.SIGTERM:
            raise


def _framed(place: str, framing: str | None) -> str:
    if framing is None or not place.startswith("tcp"):
        return place
    if "framing=" in place or "speech=" in place:
        raise LocalProtocolError(f"{place} and --framing say different things", hint="leave --framing out")
    return f"{place}{'&' if '?' in place else '?'}framing={framing}"


def _ready(out: Output, simulator: Simulator) -> None:
    if out.is_text:
        for target in simulator.targets:
            sys.stdout.write(f"{target}\n")
        line = Text("listening", style="green").append("; Ctrl-C ends it. Try: ", style="default")
        out.notes.print(line.append(f"{program()} identify '{simulator.targets[0]}'", style="bold"), soft_wrap=True)
    else:
        ready = {"schema_version": SCHEMA_VERSION, "ready": True, "targets": simulator.targets}
        sys.stdout.write(json.dumps(ready) + "\n")
    sys.stdout.flush()
