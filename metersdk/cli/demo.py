"""demo: a simulated meter on a pseudo terminal, at real speed, read through the real serial stack."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

import click
from rich.console import Group
from rich.padding import Padding
from rich.rule import Rule
from rich.text import Text

from metersdk.cli import chart
from metersdk.cli.output import Output, grid, pairs, program
from metersdk.cli.profile import table
from metersdk.cli.speech import speaks
from metersdk.effects import State
from metersdk.meter import Meter, connect
from metersdk.model.identity import Identity
from metersdk.model.profile import Profile
from metersdk.model.reading import Reading
from metersdk.simulator.server import Simulator

T = TypeVar("T")

_IMPORT, _EXPORT = "1.0.1.8.0.255", "1.0.2.8.0.255"
_READER, _PASSWORD = 2, "12345678"
_ROWS_SHOWN = 8
_HEIGHT = 6
_NAMES = {
    "sign-on": "Request at 300 Bd",
    "identified": "The meter identifies itself",
    "speed": "Speed negotiated",
    "hand-over": "Handed over to HDLC",
    "associated": "DLMS association",
}


class Show:
    """Tells each step with the time it took."""

    def __init__(self, out: Output) -> None:
        self.out = out
        self.steps: list[dict[str, object]] = []
        self._began = self._last = time.monotonic()

    @property
    def total(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._began

    def head(self, text: str) -> None:
        """A title."""
        if self.out.is_text:
            self.out.data.print()
            rule = Rule(Text(text, style="bold"), align="left", style="cyan")
            self.out.data.print(rule if self.out.data.is_terminal else Text(f"== {text}"))

    def step(self, name: str, text: str = "") -> None:
        """Something is done."""
        now = time.monotonic()
        took, self._last = now - self._last, now
        self.steps.append({"step": name, "text": text, "seconds": round(took, 3)})
        if self.out.is_text:
            mark = Text(" ✓ " if _unicode() else " - ", style="green").append(f"{took:6.2f} s  ", style="dim")
            self.out.data.print(mark.append(f"{name:<28}", style="default").append(text, style="bold"), soft_wrap=True)

    def during(self, name: str, work: Callable[[], T], told: Callable[[T], str]) -> T:
        """Do something that takes a while, and tell it; a spinner turns where there is a screen."""
        if self.out.is_text and self.out.data.is_terminal:
            with self.out.data.status(Text(name, style="dim")):
                result = work()
        else:
            result = work()
        self.step(name, told(result))
        return result

    def hear(self, event: object) -> None:
        """The steps of ``connect`` as they happen."""
        if isinstance(event, State) and event.name in _NAMES:
            self.step(_NAMES[event.name], event.text)

    def show(self, thing: object) -> None:
        """A table or a chart, a little to the right."""
        if self.out.is_text:
            self.out.show(Padding(thing, (0, 0, 0, 13), expand=False))  # type: ignore[arg-type]


@click.command()
@click.option("--out", "folder", type=click.Path(file_okay=False), default="demo-out", show_default=True, metavar="DIR")
@click.option("--speed", type=click.Choice(("real", "fast")), default="real", help="fast: octets take no time.")
@speaks
def demo(out: Output, folder: str, speed: str) -> None:
    """A tour: a simulated meter, read at real speed.

    A household meter on a pseudo terminal is signed on at 300 Bd and read through the serial stack, in ten seconds.
    Leaves profile.csv and the recorded session.jsonl in DIR.
    """
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    show = Show(out)
    with Simulator("residential", ["pty"], pace=speed == "real") as simulator:
        target = simulator.targets[0]
        show.head("A household meter on a pseudo terminal")
        show.step("Simulated meter", f"{target}, octets at {'their real speed' if speed == 'real' else 'full speed'}")
        show.head(f"connect({target!r})")
        session = place / "session.jsonl"
        with connect(target, trace=session, progress=show.hear) as meter:
            home = _tour(meter, show)
            show.head("Good-bye")
        show.step("Released and disconnected")
        show.head(f"connect({target!r}, client={_READER}, password=...)")
        _second(target, show)
    csv = place / "profile.csv"
    home.to_csv(csv)
    if not out.is_text:
        files = {"profile": str(csv), "session": str(session)}
        out.one(
            target, "demo", {"steps": show.steps, "rows": len(home), "files": files, "seconds": round(show.total, 2)}
        )
        return
    show.head(f"All done in {show.total:.1f} s")
    out.show(
        pairs(
            (
                (" Load profile", f"{csv}"),
                (" Recorded session", f"{session}"),
                (" Look at it", f"{program()} trace {session}"),
                (" Play with it", f"{program()} simulate --listen pty --listen tcp://127.0.0.1:4059"),
            )
        )
    )


def _tour(meter: Meter, show: Show) -> Profile:
    show.head("Who is there, and what time does it have")
    show.during("Identity", lambda: meter.identity, _who)
    show.during("Clock", lambda: meter.clock, str)
    show.head("Registers")
    show.during("Object list", lambda: meter.objects, lambda found: f"{len(found)} objects")
    readings = show.during("All registers", meter.registers, lambda found: f"{len(found)} readings")
    show.show(_registers(readings, show.out))
    show.head("Load profile, the last day")
    home = show.during("Profile", lambda: meter.get_profile(last="1d"), _size)
    last = range(max(0, len(home) - _ROWS_SHOWN), len(home))
    show.show(table(home, show.out, last))
    if show.out.is_text:
        show.out.show(Text(f"             the last {len(last)} of {len(home)} rows", style="dim"))
        _chart(home, _IMPORT, "Import, W", "cyan", show)
        _chart(home, _EXPORT, "Export, W", "green", show)
    return home


def _who(identity: Identity) -> str:
    return f"{identity.manufacturer} {identity.model}, serial number {identity.serial_number}"


def _size(home: Profile) -> str:
    return f"{len(home)} rows of {len(home.columns)} columns, every {home.period // 60} minutes"


def _second(target: str, show: Show) -> None:
    """The same meter again, by an association with a password: more rights, and what they are good for."""
    with connect(target, client=_READER, password=_PASSWORD, progress=show.hear) as meter:
        show.during("Supply, behind the password", lambda: meter.get(70, "0.0.96.3.10.255", 2), _supply)
    show.step("Released and disconnected")


def _supply(state: object) -> str:
    return "connected" if state else "disconnected"


def _registers(readings: list[Reading], out: Output) -> object:
    rows = [
        [reading.obis.reduced, reading.name, str(reading.value), reading.unit.symbol if reading.unit else ""]
        for reading in readings
    ]
    return grid(out.data, ("OBIS", "Name", "Value", "Unit"), rows, right=(2,))


def _chart(home: Profile, code: str, title: str, style: str, show: Show) -> None:
    """Mean power of each interval, from the rise of a counter."""
    readings = [float(value) for value in home.column(code) if isinstance(value, Decimal)]
    clock = home.clock
    if len(readings) < 3 or clock is None or not home.period:
        return
    power = [(after - before) * 3600 / home.period for before, after in pairwise(readings)]
    width = show.out.data.width if show.out.data.is_terminal else 120
    shown, every = chart.thinned(power, min(96, width - 24))
    top = max(*shown, 1.0)
    labels = [_hour(clock.moment(place * every), every * home.period) for place in range(len(shown))]
    lines = [Text(f"{title}", style="bold")]
    for row, line in enumerate(chart.bars(shown, _HEIGHT, top, blocks=_unicode())):
        mark = f"{top:6.0f} " if row == 0 else f"{top / 2:6.0f} " if row == _HEIGHT // 2 else " " * 7
        lines.append(Text(mark, style="dim").append(line, style=style))
    lines.append(Text(" " * 7 + chart.hours(labels, 1), style="dim"))
    show.out.data.print()
    show.show(Group(*lines))


def _hour(start: datetime | None, seconds: int) -> str:
    """``21:00`` where this bar is the one of a third full hour."""
    if start is None:
        return ""
    hour = (start - timedelta(microseconds=1) + timedelta(hours=1)).replace(minute=0, second=0, microsecond=0)
    return f"{hour:%H:%M}" if hour - start < timedelta(seconds=seconds) and not hour.hour % 3 else ""


def _unicode() -> bool:
    return (sys.stdout.encoding or "ascii").lower().startswith("utf")
