"""pysml, called from a process of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from contest import Task, called, serve
from sml import SmlBase


def parsed(files: list[bytes]) -> list[Any]:
    """As its own reader does: one frame at a time, its CRC and those of its messages checked."""
    return [SmlBase.parse_frame(file)[1] for file in files]


def telegrams(path: str) -> Task:
    return called(parsed, [bytes.fromhex(file) for file in json.loads(Path(path).read_text())])


def values(frames: list[Any]) -> dict[str, int]:
    entries = [entry for frame in frames for message in frame for entry in message["messageBody"].get("valList", ())]
    numbers = [entry["value"] for entry in entries if "unit" in entry]
    return {"files": len(frames), "values": len(numbers), "sum": sum(round(number * 100) for number in numbers)}


if __name__ == "__main__":
    serve({"sml": (telegrams, values)})
