"""The table of a run, for a terminal and for docs/performance.md."""

from __future__ import annotations

from typing import Any

Result = dict[str, Any]
_PREFIXES = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


def figure(value: float, unit: str) -> str:
    """Three digits with a prefix: ``21.4 GB/s``."""
    for size, prefix in _PREFIXES:
        if value >= size:
            value, unit = value / size, prefix + unit if unit.startswith("B") else f"{prefix} {unit}"
            break
    return f"{number(value)} {unit}"


def number(value: float) -> str:
    """Three digits, but no digit in front of the point is ever lost."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def cells(row: dict[str, Any]) -> list[str]:
    note = f" ({row['note']})" if row["note"] else ""
    return [
        row["title"],
        figure(row["ours"], row["unit"]),
        row["peer"] + note,
        figure(row["theirs"], row["unit"]),
        f"{number(row['ratio'])}x ({number(row['least'])} to {number(row['most'])})",
        f">= {row['target']:g}x" if row["target"] else "-",
        row["verdict"] or "-",
    ]


HEADINGS = ["workload", "metersdk", "peer", "of the peer", "ratio (least to most)", "target", ""]


def head(result: Result) -> list[str]:
    machine, versions = result["machine"], result["versions"]
    return [
        f"{result['command']}, {result['date']}, {result['rounds']} interleaved rounds, {result['seconds']} s",
        f"Python {result['python']}, " + ", ".join(f"{name} {version}" for name, version in versions.items()),
        f"{machine['cpu']}, {machine['cores']} cores, load {machine['load']} at the start",
        f"kernel: {machine['kernel']}, CRC by {machine['crc']}",
    ]


def plain(result: Result) -> str:
    table = [HEADINGS, *(cells(row) for row in result["rows"])]
    widths = [max(len(row[column]) for row in table) for column in range(len(HEADINGS))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]
    lines.insert(1, "-" * max(map(len, lines)))
    return "\n".join([*head(result), "", *lines, *_missing(result)])


def markdown(result: Result) -> str:
    table = [HEADINGS, ["---"] * len(HEADINGS), *(cells(row) for row in result["rows"])]
    lines = ["| " + " | ".join(row) + " |" for row in table]
    return "\n".join(["```text", *head(result), "```", "", *lines, *_missing(result)])


def _missing(result: Result) -> list[str]:
    return ["", *(f"left out: {text}" for text in result["missing"])] if result["missing"] else []
