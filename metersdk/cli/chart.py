"""A small bar chart for a terminal, of eighths of a character; the course of a profile's column."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise

from rich.console import Group
from rich.text import Text

from metersdk.model.column import ColumnKind
from metersdk.model.profile import Column, Profile

_HEIGHT = 6
_WIDEST = 96
# What stands beside the bars: the scale, and some room.
_MARGIN = 7
_EIGHTHS = " ▁▂▃▄▅▆▇█"
_PLAIN = "    ####"


def thinned(numbers: Sequence[float], width: int) -> tuple[list[float], int]:
    """At most ``width`` numbers, each the mean of as many as the second value says."""
    every = max(1, -(-len(numbers) // max(1, width)))
    groups = [numbers[start : start + every] for start in range(0, len(numbers), every)]
    return [sum(group) / len(group) for group in groups], every


def bars(numbers: Sequence[float], height: int, top: float, *, blocks: bool = True) -> Iterator[str]:
    """The lines of a chart from its top; ``top`` is the number that fills it."""
    glyphs = _EIGHTHS if blocks else _PLAIN + "#"
    levels = [round(max(0.0, number) / top * height * 8) if top > 0 else 0 for number in numbers]
    for row in reversed(range(height)):
        yield "".join(glyphs[min(8, max(0, level - row * 8))] for level in levels)


def hours(labels: Sequence[str], every: int) -> str:
    """An axis: each label where its number stands, those that would touch left out."""
    line: list[str] = []
    for place, label in enumerate(labels):
        at = place * every
        if (label and len(line) < at) or not line:
            line.extend(" " * (at - len(line)))
            line.extend(label)
    return "".join(line)


def course(home: Profile, column: Column, title: str, style: str, width: int, *, rising: bool = True) -> Group | None:
    """A column over time; of a ``rising`` counter, or of what each interval has of it, the mean power of each interval.

    None where rows are too few.
    """
    clock = home.clock
    if len(home) < 3 or clock is None or not home.period:
        return None
    cells = [float(value) if isinstance(value, Decimal) else None for value in column]
    numbers = [cell or 0.0 for cell in cells]
    if rising and column.kind is ColumnKind.INTERVAL_DELTA:
        numbers = [number * 3600 / home.period for number in numbers]
    elif rising:
        known = ((b, a) if b is not None and a is not None else (0.0, 0.0) for b, a in pairwise(cells))
        numbers = [(after - before) * 3600 / home.period for before, after in known]
    shown, every = thinned(numbers, min(_WIDEST, width - _MARGIN))
    top = max(*shown, 1.0)
    labels = [_hour(clock.moment(place * every), every * home.period) for place in range(len(shown))]
    lines = [Text(title, style="bold")]
    for row, line in enumerate(bars(shown, _HEIGHT, top, blocks=unicode_there())):
        mark = f"{top:6.0f} " if row == 0 else f"{top / 2:6.0f} " if row == _HEIGHT // 2 else " " * _MARGIN
        lines.append(Text().append(mark, style="dim").append(line, style=style))
    lines.append(Text(" " * _MARGIN + hours(labels, 1), style="dim"))
    return Group(*lines)


def unicode_there() -> bool:
    """Whether the terminal can show eighths of a character."""
    return (sys.stdout.encoding or "ascii").lower().startswith("utf")


def _hour(start: datetime | None, seconds: int) -> str:
    """``21:00`` where this bar is the one of a third full hour."""
    if start is None:
        return ""
    hour = (start - timedelta(microseconds=1) + timedelta(hours=1)).replace(minute=0, second=0, microsecond=0)
    return f"{hour:%H:%M}" if hour - start < timedelta(seconds=seconds) and not hour.hour % 3 else ""
