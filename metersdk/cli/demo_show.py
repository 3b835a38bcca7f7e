"""What the tours of ``demo`` show: steps with their times, registers, the course of a day."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from rich.padding import Padding
from rich.rule import Rule
from rich.text import Text

from metersdk.cli import chart
from metersdk.cli.output import Output, grid
from metersdk.cli.profile import table
from metersdk.effects import State
from metersdk.model.identity import Identity
from metersdk.model.profile import Profile
from metersdk.model.reading import Reading

T = TypeVar("T")

_ROWS_SHOWN = 8
# Where tables and charts begin: below the text of a step.
_INDENT = 13
_NAMES = {
    "sign-on": "Request at 300 Bd",
    "identified": "The meter identifies itself",
    "speed": "Speed negotiated",
    "negotiated": "Packets and speed agreed",
    "hand-over": "Handed over to HDLC",
    "associated": "DLMS association",
    "programming": "Programming mode",
}


class Show:
    """Tells each step with the time it took; ``names`` are those of the steps of ``connect``."""

    def __init__(self, out: Output) -> None:
        self.out = out
        self.names = dict(_NAMES)
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
            mark = Text(" ✓ " if chart.unicode_there() else " - ", style="green").append(
                f"{took:6.2f} s  ", style="dim"
            )
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
        if isinstance(event, State) and event.name in self.names:
            self.step(self.names[event.name], event.text)

    def show(self, thing: object) -> None:
        """A table or a chart, a little to the right."""
        if self.out.is_text:
            self.out.show(Padding(thing, (0, 0, 0, _INDENT), expand=False))  # type: ignore[arg-type]


def who(identity: Identity) -> str:
    """Maker, model and number, as far as they are known."""
    maker = " ".join(filter(None, (identity.manufacturer, identity.model)))
    return f"{maker}, serial number {identity.serial_number}"


def size(home: Profile) -> str:
    """How much of a profile has come."""
    return f"{len(home)} rows of {len(home.columns)} columns, every {home.period // 60} minutes"


def rows(home: Profile, show: Show) -> None:
    """The last rows of a profile."""
    last = range(max(0, len(home) - _ROWS_SHOWN), len(home))
    show.show(table(home, show.out, last))
    if show.out.is_text:
        show.out.show(Text(f"             the last {len(last)} of {len(home)} rows", style="dim"))


def registers(readings: list[Reading], out: Output) -> object:
    """A table of readings."""
    rows = [
        [reading.obis.reduced, reading.name, str(reading.value), reading.unit.symbol if reading.unit else ""]
        for reading in readings
    ]
    return grid(out.data, ("OBIS", "Name", "Value", "Unit"), rows, right=(2,))


def power_chart(home: Profile, code: str, title: str, style: str, show: Show) -> None:
    """Mean power of each interval, from the rise of a counter."""
    width = show.out.data.width if show.out.data.is_terminal else 120
    drawn = chart.course(home, home.column(code), title, style, width - _INDENT)
    if drawn is not None:
        show.out.data.print()
        show.show(drawn)
