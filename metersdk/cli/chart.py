"""A small bar chart for a terminal, of eighths of a character."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

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
