"""Tables on terminals of any width."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from metersdk.cli.output import grid

HEADS = ("OBIS", "Name", "Value", "Unit", "Time")
ROWS = [
    ("1.0.1.8.0.255", "Active energy import (+A)", "21649641", "Wh", ""),
    ("1.0.1.6.0.255", "Active demand import (+A), maximum", "4816", "W", "2026-11-01 20:15:00+01:00"),
]


def shown(width: int, heads: tuple[str, ...], rows: list[tuple[str, ...]], terminal: bool = True) -> list[str]:
    file = io.StringIO()
    out = Console(file=file, width=width, force_terminal=terminal, no_color=True, color_system=None)
    out.print(grid(out, heads, rows, right=(2,)))
    return [line.rstrip() for line in file.getvalue().splitlines()]


def test_a_row_for_each_where_there_is_room() -> None:
    lines = shown(100, HEADS, ROWS)
    assert "OBIS" in lines[1] and len(lines) == 6
    assert shown(10_000, HEADS, ROWS, terminal=False)[2].endswith("2026-11-01 20:15:00+01:00")


@pytest.mark.parametrize("width", [40, 55])
def test_fields_below_each_other_where_words_would_be_broken(width: int) -> None:
    lines = shown(width, HEADS, ROWS)
    assert lines[:5] == ["OBIS   1.0.1.8.0.255", "Name   Active energy import (+A)", "Value  21649641", "Unit   Wh", ""]
    assert all(len(line) <= width for line in lines)


@pytest.mark.parametrize("width", [40, 80, 120])
def test_a_sentence_in_the_first_column_takes_no_room_from_the_others(width: int) -> None:
    fact = "Wants 100 ms of silence before a request, and drops a session after 1.5 to 3 s without one."
    words = " ".join(shown(width, ("Known", "How sure", "Source"), [(fact, "several reports", "an issue")])).split()
    assert {"Wants", "one.", "several", "reports", "issue"} <= set(words)


def test_without_rows() -> None:
    assert shown(80, ("One", "Two", "Three"), [])[1].split() == ["One", "Two", "Three"]
