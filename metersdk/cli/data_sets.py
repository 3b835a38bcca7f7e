"""Data sets of IEC 62056-21 for programs: the same object wherever one is shown."""

from __future__ import annotations

from metersdk.apdu.dataset import DataSet


def fields(data_set: DataSet, asked: str = "") -> dict[str, object]:
    """``address values line``; ``asked`` is the address of an answer that tells none."""
    return {
        "address": data_set.address or asked,
        "values": [{"text": value.text, "unit": value.unit} for value in data_set.values],
        "line": data_set.line,
    }
