"""A decoded table for people: one line for each field, names as in the standard."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import BaseModel

from metersdk.model.c1219.layout import BitField
from metersdk.model.c1219.registry import table_name
from metersdk.model.c1219.table import C1219Table

_MOST = 1000


def lines_of(table: C1219Table, number: int | None = None) -> Iterator[str]:
    """``ST23 CURRENT_REG_DATA_TBL``, then ``tot_data_block.summations[0]  33821691`` for each field that is there.

    Octets are in hex, sets in order, flags that are off left out. After a thousand lines the rest is counted.
    """
    yield f"{table_name(table.NUMBER if number is None else number)} {table.NAME}"
    left_out = 0
    for place, (path, value) in enumerate(_fields(table, "")):
        if place < _MOST:
            yield f"  {path}  {value}"
        else:
            left_out += 1
    if left_out:
        yield f"  and {left_out} more"
    for finding in table.findings:
        yield f"  finding {finding.code}: {finding.text}"


def _fields(model: BaseModel, path: str) -> Iterator[tuple[str, str]]:
    names = [name for name in type(model).model_fields if name not in ("rest", "findings", "filler")]
    for name in names:
        yield from _value(getattr(model, name), f"{path}{name}")
    if isinstance(model, C1219Table) and model.rest:
        yield "rest", model.rest.hex()


def _value(value: object, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, BitField):
        yield path, _bits(value)
    elif isinstance(value, BaseModel):
        yield from _fields(value, f"{path}.")
    elif isinstance(value, tuple):
        for place, item in enumerate(value):
            yield from _value(item, f"{path}[{place}]")
    elif isinstance(value, frozenset):
        yield path, " ".join(map(str, sorted(value))) or "none"
    elif isinstance(value, bytes):
        yield path, value.hex() or "-"
    elif value is not None:
        yield path, str(value) or "-"


def _bits(field: BitField) -> str:
    """``dst_flag, day_of_week 3``: flags that are on, numbers that are not 0, and bits without a name."""
    values = {name: getattr(field, name) for name in type(field).model_fields}
    others = values.pop("filler")
    parts = [name if value is True else f"{name} {value}" for name, value in values.items() if value]
    if others:
        parts.append(f"others {others:#x}")
    return ", ".join(parts) or "0"
