"""iec62056-21 of pwitab, called from a process of its own."""

from __future__ import annotations

from pathlib import Path

from contest import Task, called, serve
from iec62056_21.messages import DataBlock

Triple = tuple[str | None, str, str | None]


def readout(path: str) -> Task:
    return called(DataBlock.from_bytes, Path(path).read_bytes())


def all_values(block: DataBlock) -> list[Triple]:
    """A value without an address is a data set of its own here."""
    return [(each.address, each.value, each.unit) for line in block.data_lines for each in line.data_sets]


def taken(path: str) -> Task:
    return called(lambda block: all_values(DataBlock.from_bytes(block)), Path(path).read_bytes())


def registers(every: list[Triple]) -> dict[str, int]:
    amounts = [int(text.replace(".", "")) for _, text, unit in every if unit is not None]
    return {"values": len(every), "united": len(amounts), "sum": sum(amounts)}


if __name__ == "__main__":
    serve({"readout": (readout, lambda block: registers(all_values(block))), "taken": (taken, registers)})
