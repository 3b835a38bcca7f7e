"""Profiles for other programs: text with the standard library alone, frames through libraries that may be missing."""

from __future__ import annotations

import csv as csv_module
import importlib
import io
import json
from collections.abc import Sequence
from datetime import UTC
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from metersdk.errors import LocalProtocolError
from metersdk.fast.axdr_layout import FILLED, MISSING, Kind
from metersdk.model.column import Column, ratio_of
from metersdk.model.reading import plain

SCHEMA_VERSION: Final = 1

_NUMPY: Final = {
    Kind.I8: "int8",
    Kind.U8: "uint8",
    Kind.I16: "int16",
    Kind.U16: "uint16",
    Kind.I32: "int32",
    Kind.U32: "uint32",
    Kind.I64: "int64",
    Kind.U64: "uint64",
    Kind.F32: "float32",
    Kind.F64: "float64",
    Kind.CLOCK: "int64",
}


def _need(module: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise LocalProtocolError(
            f"{module} is not installed", layer="data", hint=f'pip install "metersdk[{_EXTRA.get(module, module)}]"'
        ) from error


_EXTRA: Final = {"pyarrow": "arrow", "pyarrow.parquet": "arrow", "numpy": "pandas"}


def write(text: str, path: str | Path | None) -> str:
    """The text itself; written to ``path`` too if one is given."""
    if path is not None:
        Path(path).write_text(text, encoding="utf-8", newline="")
    return text


def _text(column: Column, row: int) -> object:
    value = column.value(row)
    if value is None:
        return ""
    moment = column.moment(row) if column.is_clock else None
    return moment.isoformat() if moment else plain(value)


def heading(column: Column) -> str:
    """``1.0.1.8.0.255 Active energy import (+A) [Wh]``."""
    label = "" if column.name == str(column.obis) else f" {column.name}"
    unit = f" [{column.unit.symbol}]" if column.unit is not None and column.unit.symbol else ""
    return f"{column.obis}{label}{unit}"


def csv(columns: Sequence[Column], fields: Sequence[str]) -> str:
    """Rows of text; the heading of a clock column is ``time``."""
    out = io.StringIO()
    writer = csv_module.writer(out, lineterminator="\n")
    writer.writerow(
        [field if column.tells_time else heading(column) for column, field in zip(columns, fields, strict=True)]
    )
    for row in range(len(columns[0])):
        writer.writerow([_text(column, row) for column in columns])
    return out.getvalue()


def json_text(head: dict[str, object], columns: Sequence[Column], more: dict[str, object]) -> str:
    """One object; numbers are JSON numbers, exact as their decimal text says."""
    data = []
    for column, described in zip(columns, head.pop("columns"), strict=True):  # type: ignore[call-overload]
        values = [_json(column, row) for row in range(len(column))]
        filled = [row for row, state in enumerate(column.valid) if state == FILLED]
        told = {key: value for key, value in described.items() if key not in _SELDOM or value != _SELDOM[key]}
        if column.head.bits or column.head.codes:
            told["names"] = [sorted(column.names(row)) for row in range(len(column))]
        data.append({**told, "values": values, "filled": filled})
    return json.dumps({"schema_version": SCHEMA_VERSION, **head, **more, "columns": data}, ensure_ascii=False)


# What most columns do not have is not told of them.
_SELDOM: Final[dict[str, object]] = {"factor": "1", "source": "", "bits": [], "codes": []}


def _json(column: Column, row: int) -> object:
    if column.is_clock:
        moment = column.moment(row)
        return moment.isoformat() if moment else None
    value = column.plain(row)
    if not isinstance(value, float):
        return plain(value)
    # The shortest decimal, as everywhere: 230.1 of a float32, not 230.10000610351562. JSON knows no NaN and infinity.
    return float(str(column.value(row))) if value - value == 0 else None


def numpy_arrays(columns: Sequence[Column], fields: Sequence[str]) -> dict[str, Any]:
    """Arrays by field: numbers scaled, clocks as datetime64[ms] (NaT where undefined), all else as objects."""
    np = _need("numpy")
    return {field: _numpy(np, column) for column, field in zip(columns, fields, strict=True)}


def _numpy(np: Any, column: Column) -> Any:
    missing = np.frombuffer(column.valid, "uint8") == MISSING if len(column) else np.zeros(0, bool)
    if column.tells_time:
        times = (
            np.frombuffer(column.raw, "int64").astype("datetime64[ms]")
            if len(column.raw)
            else np.zeros(len(column), "datetime64[ms]")
        )
        if missing.any():
            times[missing] = np.datetime64("NaT", "ms")
        return times
    if not column.is_number:
        values = np.empty(len(column), object)
        for row in range(len(column)):
            values[row] = column.plain(row)
        return values
    kind = _NUMPY[column.cells.kind]
    numbers = np.frombuffer(column.raw, kind) if len(column) else np.zeros(0, kind)
    numerator, denominator = ratio_of(column.head)
    if (numerator, denominator) != (1, 1):
        # Of a float32 too: the product need not fit one.
        numbers = numbers.astype("float64")
    if numerator != 1:
        numbers = numbers * float(numerator)
    if denominator != 1:
        numbers = numbers / float(denominator)
    if missing.any():
        numbers = numbers.astype("float64")
        numbers[missing] = np.nan
    return numbers


def arrow(columns: Sequence[Column], fields: Sequence[str]) -> Any:
    """A table that shares the buffers of unscaled columns."""
    pa = _need("pyarrow")
    arrays = [_arrow(pa, column) for column in columns]
    described = [
        pa.field(field, values.type, metadata=_metadata(column))
        for column, field, values in zip(columns, fields, arrays, strict=True)
    ]
    return pa.Table.from_arrays(arrays, schema=pa.schema(described))


def _metadata(column: Column) -> dict[str, str]:
    metadata = {"obis": str(column.obis), "name": column.name, "kind": str(column.kind)}
    if column.unit is not None:
        metadata["unit"] = column.unit.symbol
    if column.head.source:
        metadata["source"] = column.head.source
    return metadata


def _arrow(pa: Any, column: Column) -> Any:
    rows = len(column)
    if column.tells_time and not column.is_clock:
        return pa.nulls(rows, pa.timestamp("ms", "UTC"))
    if not (column.is_number or column.is_clock):
        return _arrow_objects(pa, column)
    compute = _need("pyarrow.compute")
    kind = pa.timestamp("ms", "UTC") if column.is_clock else pa.type_for_alias(_NUMPY[column.cells.kind])
    values = pa.Array.from_buffers(kind, rows, [None, pa.py_buffer(column.raw)])
    numerator, denominator = ratio_of(column.head)
    if not column.is_clock and (numerator, denominator) != (1, 1):
        values = values.cast("float64", safe=False)
        values = compute.multiply(values, float(numerator)) if numerator != 1 else values
        values = compute.divide(values, float(denominator)) if denominator != 1 else values
    if MISSING in column.valid.tobytes():
        states = pa.Array.from_buffers(pa.uint8(), rows, [None, pa.py_buffer(column.valid)])
        values = compute.if_else(compute.not_equal(states, MISSING), values, pa.scalar(None, values.type))
    return values


def _arrow_objects(pa: Any, column: Column) -> Any:
    values = [column.plain(row) for row in range(len(column))]
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {bytes}:
        return pa.array(values, pa.binary() if kinds else pa.null())
    # One Arrow column has one type: mixed values go as text.
    return pa.array([None if value is None else str(plain(value)) for value in values], pa.string())


def parquet(table: Any, path: str | Path) -> None:
    """Write an Arrow table."""
    _need("pyarrow.parquet").write_table(table, str(path))


def pandas_frame(columns: Sequence[Column], fields: Sequence[str]) -> Any:
    """A data frame from the arrays of ``numpy_arrays``, with times in UTC."""
    pandas = _need("pandas")
    frame = pandas.DataFrame(numpy_arrays(columns, fields))
    for column, field in zip(columns, fields, strict=True):
        if column.tells_time:
            frame[field] = frame[field].dt.tz_localize("UTC")
    return frame


def polars_frame(columns: Sequence[Column], fields: Sequence[str]) -> Any:
    """A data frame made from lists, so that polars alone is enough."""
    polars = _need("polars")
    series = []
    for column, field in zip(columns, fields, strict=True):
        values: list[object] = [column.plain(row) for row in range(len(column))]
        if column.tells_time:
            known = column.raw if column.is_clock else bytes(len(column))
            times = [None if state == MISSING else time for time, state in zip(known, column.valid, strict=True)]
            stamps = polars.Series(field, times, dtype=polars.Int64).cast(polars.Datetime("ms"))
            series.append(stamps.dt.replace_time_zone(str(UTC)))
        elif column.is_number:
            series.append(_polars_numbers(polars, column, field, values))
        elif {type(value) for value in values} <= {bytes, type(None)}:
            series.append(polars.Series(field, values))
        else:
            series.append(polars.Series(field, [None if value is None else str(plain(value)) for value in values]))
    return polars.DataFrame(series)


def _polars_numbers(polars: Any, column: Column, field: str, values: list[object]) -> Any:
    """As in the other frames: scaled numbers are floats; no type is guessed from the first rows."""
    if ratio_of(column.head) != (1, 1):
        numbers = [None if value is None else float(value) for value in values]  # type: ignore[arg-type]
        return polars.Series(field, numbers, dtype=polars.Float64)
    return polars.Series(field, values, dtype=polars.UInt64 if column.cells.kind is Kind.U64 else None)
