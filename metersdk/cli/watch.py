"""watch: what goes over a line while nobody here speaks; a probe that was left attached, another reader."""

from __future__ import annotations

import sys
from collections import deque
from datetime import datetime, timedelta

from rich.text import Text

from metersdk.cli.output import Output
from metersdk.dialog.overhearing import WATCHED_BAUDS, Burst, overhear
from metersdk.port.address import open_port
from metersdk.port.drive import iterate
from metersdk.port.target import parse_address
from metersdk.port.trace import RecordingPort
from metersdk.simulator.inprocess import open_simulated

FINDING = 1
# Bursts of a document; who listens for days takes --jsonl.
_KEPT = 1000


def watch(out: Output, target: str, seconds: float | None, count: int | None, trace: str | None) -> int:
    address = parse_address(target)
    bauds = () if not address.is_line else (address.baud,) if address.baud else WATCHED_BAUDS
    port = open_port(address, openers={"sim": open_simulated})
    told: deque[dict[str, object]] = deque(maxlen=_KEPT)
    seen = 0
    try:
        if trace is not None:
            port = RecordingPort(port, trace, target=str(address))
        try:
            # Whoever reads this may press Ctrl-C at once.
            out.say("listening; Ctrl-C ends it", "dim")
            with iterate(overhear(bauds, total=seconds, count=count), port) as events:
                for event in events:
                    if isinstance(event, Burst):
                        seen += 1
                        content = _content(event, port.now())
                        told.append(content)
                        _tell(out, event, content)
        except KeyboardInterrupt:
            # The way to end it.
            pass
    finally:
        port.close()
    if out.mode == "json":
        out.document(target=str(address), seen=seen, bursts=list(told))
    elif out.mode == "jsonl":
        out.record("end", seen=seen)
    else:
        out.say(f"{seen} bursts of traffic" if seen else "no traffic", "yellow" if seen else "green")
    return FINDING if seen else 0


def _content(burst: Burst, now: float) -> dict[str, object]:
    begun = datetime.now().astimezone() - timedelta(seconds=now - burst.begun)
    return {
        "time": begun.isoformat(timespec="milliseconds"),
        "seconds": round(burst.seconds, 3),
        "octets": burst.octets,
        "baud": burst.baud,
        "looks": str(burst.look.kind),
        "text": burst.look.text,
        "head": burst.head.hex(),
    }


def _tell(out: Output, burst: Burst, content: dict[str, object]) -> None:
    if out.mode == "jsonl":
        out.record("burst", **content)
    elif out.is_text:
        at = f" at {burst.baud} Bd" if burst.baud else ""
        head = f"  ({burst.head.hex(' ')}{' ..' if burst.octets > len(burst.head) else ''})" if burst.head else ""
        line = Text(f"{content['time']}", style="cyan").append(f"  {burst.octets} octets{at}: ", style="default")
        out.show(line.append(burst.look.text, style="yellow").append(head, style="dim"))
    # A log must show it when it comes.
    sys.stdout.flush()
