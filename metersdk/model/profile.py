"""Profiles: the rows of a load profile, billing profile or event log as columns (Blue Book, class 7).

``Profile`` is a pydantic head with typed buffers beside it; rows are made only when asked for. The same class holds
what came by DLMS/COSEM, IEC 62056-21 or ANSI C12.19.
"""

from __future__ import annotations

import keyword
import re
from collections import namedtuple
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from enum import IntEnum
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias, overload

from pydantic import BaseModel, ConfigDict

from metersdk.apdu.columns import Table, concat, empty
from metersdk.apdu.profile_buffer import RowDecoder
from metersdk.errors import DecodeError, Finding, LocalProtocolError
from metersdk.fast.axdr_layout import MISSING, UNDEFINED_DEVIATION, Buffer, Kind
from metersdk.model import profile_export as export
from metersdk.model.clock import ClockStatus
from metersdk.model.column import CaptureObject, Cell, Column, ColumnHead, ColumnKind
from metersdk.model.fields import ObisField
from metersdk.model.obis import Obis
from metersdk.model.quantity import Unit
from metersdk.model.quirks import Quirks

if TYPE_CHECKING:
    import numpy
    import pandas
    import polars
    import pyarrow

    from metersdk.model.c1219.registry import TableSet

Scalers: TypeAlias = "Mapping[str, tuple[int, Unit | int]] | Sequence[tuple[int, Unit | int] | None]"
"""(scaler, unit) by OBIS code, or for each column in order."""

__all__ = [
    "CaptureObject",
    "Column",
    "ColumnHead",
    "ColumnKind",
    "Profile",
    "ProfileDecoder",
    "ProfileHead",
    "SortMethod",
]

_QUIRKS: Final = Quirks()
_HOUR: Final = 3_600_000
_NO_STATUS: Final = 0xFF
_DST: Final = int(ClockStatus.DST_ACTIVE)
_NO_TIMES: Final[Buffer] = memoryview(b"").cast("q")


class SortMethod(IntEnum):
    """Order of the rows (class 7 attribute 5)."""

    FIFO = 1
    LIFO = 2
    LARGEST = 3
    SMALLEST = 4
    NEAREST_TO_ZERO = 5
    FARTHEST_FROM_ZERO = 6


_DIRECTION: Final = {SortMethod.FIFO: 1, SortMethod.LIFO: -1}


class ProfileHead(BaseModel):
    """What the columns of a profile are, and how its rows were captured. ``period`` is in seconds, 0 not periodic."""

    model_config = ConfigDict(frozen=True)

    columns: tuple[ColumnHead, ...]
    period: int = 0
    sort: SortMethod = SortMethod.FIFO
    obis: ObisField | None = None

    @classmethod
    def of(
        cls,
        captures: Iterable[CaptureObject],
        *,
        period: int = 0,
        sort: SortMethod | int = SortMethod.FIFO,
        obis: Obis | str | bytes | None = None,
        scalers: Scalers | None = None,
    ) -> ProfileHead:
        """The head for these capture objects; ``scalers`` by OBIS code or in the order of the columns."""
        captures = tuple(captures)
        known: list[tuple[int, Unit | int] | None]
        if isinstance(scalers, Mapping):
            by_obis = {Obis.parse(code): pair for code, pair in scalers.items()}
            # A scaler belongs to the value of a register, not to its status or capture time.
            known = [by_obis.get(c.obis) if c.attribute in (2, 3) and c.class_id != 8 else None for c in captures]
        else:
            known = list(scalers) if scalers is not None else [None] * len(captures)
        if len(known) != len(captures):
            raise LocalProtocolError(f"{len(known)} scalers for {len(captures)} columns", layer="data")
        columns = tuple(
            ColumnHead.of(capture, pair[0], Unit(pair[1])) if pair else ColumnHead.of(capture)
            for capture, pair in zip(captures, known, strict=True)
        )
        return cls(columns=columns, period=period, sort=SortMethod(sort), obis=obis)


class Profile:
    """Rows of a profile in columns.

    ``len(p)`` rows; ``p.columns``; ``p.column("1.0.1.8.0.255")``; ``p.times``, ``p.deviation``, ``p.clock_status`` of
    its clock; ``p.gaps``; ``p.rows()``. ``p[10:20]`` are rows, ``p[start:stop]`` with datetimes the rows of a time
    span, and ``p.between(start, stop)`` the same with both ends. Parts share the buffers. ``truncated`` says that rows
    are missing at the end, ``findings`` what was tolerated.
    """

    __slots__ = ("findings", "head", "table", "truncated")

    def __init__(
        self,
        head: ProfileHead,
        table: Table | None = None,
        *,
        truncated: bool = False,
        findings: Sequence[Finding] = (),
    ) -> None:
        self.head = head
        self.table = table if table is not None else empty(len(head.columns))
        self.truncated = truncated
        self.findings = tuple(findings)

    @classmethod
    def from_axdr(
        cls,
        buffer: bytes,
        captures: Iterable[CaptureObject],
        *,
        period: int = 0,
        sort: SortMethod | int = SortMethod.FIFO,
        obis: Obis | str | bytes | None = None,
        scalers: Scalers | None = None,
        quirks: Quirks = _QUIRKS,
        strict: bool = False,
    ) -> Profile:
        """Decode a stored profile buffer (class 7 attribute 2), an encoded ``Data``.

        Args:
            buffer: array of structure, or compact-array of structure.
            captures: the capture objects, one for each cell of a row.
            period: capture period in seconds; null clock cells are filled with it.
            sort: sort method; in a LIFO buffer time runs backwards.
            scalers: (scaler, unit) by OBIS code, or for each column.
            quirks: ``deviation_sign``, ``local_deviation`` and ``null_repeats`` are used.
            strict: raise where rows would be missing or octets left over.

        Raises:
            DecodeError: the buffer is no array; or, if ``strict``, anything about it is damaged.
        """
        head = ProfileHead.of(captures, period=period, sort=sort, obis=obis, scalers=scalers)
        decoder = ProfileDecoder(head, quirks=quirks, strict=strict)
        first = decoder.feed(buffer)
        last = decoder.finish()
        table = first.table if not len(last) else concat([t for t in (first.table, last.table) if t.rows])
        return cls(head, table, truncated=last.truncated, findings=last.findings)

    @classmethod
    def from_c1219(cls, tables: TableSet, set_number: int = 1, *, quirks: Quirks = _QUIRKS) -> Profile:
        """Decode a load profile of ANSI C12.19 from its tables, as they were read.

        Args:
            tables: 0, 61, 62, 63 and the whole data table, 63 + ``set_number``; 11, 12, 15, 16 for units and factors,
                51, 52, 53 for what the times count by.
            set_number: 1 to 4.
            quirks: ``local_deviation`` is used where the tables do not tell the zone.

        Raises:
            LocalProtocolError: a table is missing, or the meter has no such set.
            DecodeError: a table cannot be decoded, or the tables contradict each other.
        """
        # The descriptions of all tables take time to load: only whoever has such a meter waits for it.
        from metersdk.model.c1219.load_profile_rows import RowReader
        from metersdk.model.c1219.load_profile_tables import layout_of, state_of

        state = state_of(tables, set_number)
        layout = layout_of(tables, set_number, quirks=quirks).ordered(state)
        octets = tables.raw(layout.table)
        blocks = ((place, octets[place.offset : place.offset + place.size]) for place in layout.places(state))
        rows = RowReader(layout).read(blocks)
        head = ProfileHead(columns=layout.columns, period=layout.period, obis=layout.obis)
        findings = (*layout.findings, *rows.findings)
        return cls(head, rows.table, truncated=rows.truncated, findings=findings)

    @classmethod
    def concat(cls, pieces: Iterable[Profile]) -> Profile:
        """One profile from pieces with the same head, in the order given.

        Raises:
            LocalProtocolError: no pieces, or of different profiles.
        """
        pieces = list(pieces)
        if not pieces:
            raise LocalProtocolError("no pieces to join", layer="data")
        head = pieces[0].head
        if any(piece.head != head for piece in pieces):
            raise LocalProtocolError("pieces of different profiles cannot be joined", layer="data")
        tables = [piece.table for piece in pieces if piece.table.rows]
        return cls(
            head,
            concat(tables) if tables else None,
            truncated=any(piece.truncated for piece in pieces),
            findings=[finding for piece in pieces for finding in piece.findings],
        )

    # columns ----------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return self.table.rows

    @property
    def columns(self) -> tuple[Column, ...]:
        return tuple(map(Column, self.head.columns, self.table.columns))

    def column(self, obis: Obis | str | bytes, attribute: int | None = None) -> Column:
        """The first column of this object (and attribute).

        Raises:
            LocalProtocolError: the profile does not capture it.
        """
        wanted = Obis.parse(obis)
        for column in self.columns:
            if column.obis == wanted and attribute in (None, column.attribute):
                return column
        raise LocalProtocolError(
            f"the profile does not capture {wanted}",
            layer="data",
            hint="it has " + ", ".join(str(column.obis) for column in self.head.columns),
        )

    @property
    def period(self) -> int:
        """Capture period in seconds, 0 if not periodic."""
        return self.head.period

    @property
    def clock(self) -> Column | None:
        """The column with the time stamps, if there is one."""
        return next((column for column in self.columns if column.is_clock), None)

    @property
    def times(self) -> Buffer:
        """int64 milliseconds UTC of every row; 0 where ``p.clock.valid`` is 0. Empty without a clock column.

        Stamps without a deviation count as UTC.
        """
        clock = self.clock
        return clock.cells.values if clock else _NO_TIMES

    @property
    def deviation(self) -> Buffer:
        """int16 minutes of every row, to add to local time to get UTC; -32768 undefined. Empty without a clock."""
        clock = self.clock
        return clock.cells.deviation if clock else _NO_TIMES

    @property
    def clock_status(self) -> Buffer:
        """uint8 clock status of every row, 255 not specified. Empty without a clock column."""
        clock = self.clock
        return clock.cells.status if clock else _NO_TIMES

    @property
    def gaps(self) -> list[tuple[int, int, int]]:
        """(time of the last row before, time of the first row behind, intervals missing between), times in ms UTC."""
        clock, step = self.clock, self.period * 1000
        if clock is None or step <= 0:
            return []
        cells = zip(clock.cells.values, clock.valid, clock.cells.deviation, clock.cells.status, strict=True)
        # Local times without a deviation go on an hour later when summer begins; nothing is missing there.
        places = sorted(
            (
                time - _HOUR if deviation == UNDEFINED_DEVIATION and status != _NO_STATUS and status & _DST else time,
                time,
            )
            for time, state, deviation, status in cells
            if state != MISSING
        )
        return [
            (before, behind, missing)
            for (early, before), (late, behind) in pairwise(places)
            if (missing := (2 * (late - early) + step) // (2 * step) - 1) > 0
        ]

    # rows -------------------------------------------------------------------------------------------------------

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of a row's fields: ``time`` for the clock, else from the column's name."""
        names: list[str] = []
        for head, values in zip(self.head.columns, self.table.columns, strict=True):
            word = re.sub(r"\W+", "_", head.name, flags=re.ASCII).strip("_").lower() or "column"
            word = "time" if values.kind is Kind.CLOCK or (head.class_id, head.attribute) == (8, 2) else word
            word = f"c_{word}" if not word[0].isalpha() or keyword.iskeyword(word) else word
            count = sum(re.fullmatch(rf"{re.escape(word)}(_n\d+)?", seen) is not None for seen in names)
            names.append(f"{word}_n{count + 1}" if count else word)
        return tuple(names)

    def rows(self) -> Iterator[tuple[Cell, ...]]:
        """Named tuples of scaled values, made as they are asked for. Fields: see ``fields``."""
        make = _row_type(self.fields)
        return (make(*cells) for cells in zip(*self.columns, strict=True))

    def __iter__(self) -> Iterator[tuple[Cell, ...]]:
        return self.rows()

    @overload
    def __getitem__(self, rows: int) -> tuple[Cell, ...]: ...
    @overload
    def __getitem__(self, rows: slice) -> Profile: ...
    def __getitem__(self, rows: int | slice) -> Profile | tuple[Cell, ...]:
        if not isinstance(rows, slice):
            row = range(len(self))[rows]
            return next(self[row : row + 1].rows())
        start, stop, step = rows.start, rows.stop, rows.step
        if step not in (None, 1):
            raise LocalProtocolError("a profile is cut into consecutive rows only", layer="data")
        if isinstance(start, datetime) or isinstance(stop, datetime):
            return self._span(None if start is None else _ms(start), None if stop is None else _ms(stop) - 1)
        return self._with(self.table.part(start, stop))

    def between(self, start: datetime | int | None = None, stop: datetime | int | None = None) -> Profile:
        """The rows from ``start`` to ``stop``, both included: datetimes (naive: UTC) or milliseconds UTC.

        Rows without a time are left out.
        """
        return self._span(None if start is None else _ms(start), None if stop is None else _ms(stop))

    def _span(self, low: int | None, high: int | None) -> Profile:
        clock = self.clock
        if clock is None:
            raise LocalProtocolError("the profile has no clock column to cut it by", layer="data")
        runs: list[list[int]] = []
        for row, (time, state) in enumerate(zip(clock.cells.values, clock.valid, strict=True)):
            if state != MISSING and (low is None or time >= low) and (high is None or time <= high):
                if runs and runs[-1][1] == row:
                    runs[-1][1] = row + 1
                else:
                    runs.append([row, row + 1])
        parts = [self.table.part(start, stop) for start, stop in runs]
        return self._with(concat(parts) if parts else self.table.part(0, 0))

    def _with(self, table: Table) -> Profile:
        return Profile(self.head, table, truncated=self.truncated, findings=self.findings)

    def __eq__(self, other: object) -> bool:
        """The same head and the same cells; how wide a buffer is does not matter."""
        if not isinstance(other, Profile):
            return NotImplemented
        if self.head != other.head or len(self) != len(other) or self.truncated != other.truncated:
            return False
        return all(a.valid == b.valid and _same(a, b) for a, b in zip(self.columns, other.columns, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        name = self.head.obis or "profile"
        cut = ", truncated" if self.truncated else ""
        return f"<Profile {name}: {len(self)} rows x {len(self.head.columns)} columns, period {self.period} s{cut}>"

    # export: needs nothing unless said --------------------------------------------------------------------------

    def to_csv(self, path: str | Path | None = None) -> str:
        """CSV with a heading; written to ``path`` too if one is given. Times are ISO 8601 in the meter's offset."""
        return export.write(export.csv(self.columns, self.fields), path)

    def to_json(self, path: str | Path | None = None) -> str:
        """JSON: the head, and for each column its values (null without a value) and the rows that were filled."""
        head = self.head.model_dump(mode="json")
        more = {"truncated": self.truncated, "findings": [finding.text for finding in self.findings]}
        return export.write(export.json_text(head, self.columns, more), path)

    def to_numpy(self) -> dict[str, numpy.ndarray]:
        """Arrays by field name. Unscaled numbers share the profile's buffers; missing values make them float (NaN)."""
        return export.numpy_arrays(self.columns, self.fields)

    def to_arrow(self) -> pyarrow.Table:
        """A table whose fields carry obis, unit and kind as metadata; scaled numbers are float64. Needs pyarrow."""
        return export.arrow(self.columns, self.fields)

    def to_parquet(self, path: str | Path) -> None:
        """A Parquet file of ``to_arrow``. Needs pyarrow."""
        export.parquet(self.to_arrow(), path)

    def to_pandas(self) -> pandas.DataFrame:
        """A data frame; times are datetime64 UTC. Needs pandas."""
        frame: pandas.DataFrame = export.pandas_frame(self.columns, self.fields)
        return frame

    def to_polars(self) -> polars.DataFrame:
        """A data frame; times are Datetime("ms", "UTC"). Needs polars."""
        frame: polars.DataFrame = export.polars_frame(self.columns, self.fields)
        return frame

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """The Arrow PyCapsule interface, through pyarrow."""
        return self.to_arrow().__arrow_c_stream__(requested_schema)


class ProfileDecoder:
    """Decodes a profile buffer while its GET blocks arrive; memory is bounded by a block and a row.

    Args:
        head: ``ProfileHead.of(capture_objects, period=...)``.
        quirks: ``deviation_sign``, ``local_deviation`` and ``null_repeats`` are used.
        strict: raise DecodeError at the first damage instead of reporting it.
    """

    def __init__(self, head: ProfileHead, *, quirks: Quirks = _QUIRKS, strict: bool = False) -> None:
        clocks = [n for n, column in enumerate(head.columns) if column.class_id == 8 and column.attribute == 2]
        self.head = head
        self.strict = strict
        self._rows = RowDecoder(
            len(head.columns),
            clocks,
            # Rows that are sorted by their values do not follow each other in time.
            period_ms=head.period * _DIRECTION.get(head.sort, 0) * 1000,
            deviation_sign=quirks.deviation_sign,
            local_deviation=quirks.local_deviation,
            null_repeats=quirks.null_repeats,
        )

    @property
    def rows(self) -> int:
        """Rows decoded so far."""
        return self._rows.rows

    @property
    def announced(self) -> int | None:
        """Rows the meter announced, None where it does not say or the head has not arrived; not to be trusted."""
        return self._rows.announced

    @property
    def is_misshapen(self) -> bool:
        """True if the first row is not one of these capture objects."""
        return not self._rows.rows and self._rows.error is not None and self._rows.error.code == "row-shape"

    def feed(self, data: bytes) -> Profile:
        """The rows that are whole with these octets, as a profile of their own; often without any."""
        table = self._rows.feed(data)
        self._check(self._rows.error)
        return Profile(self.head, table)

    def finish(self) -> Profile:
        """The last rows; its ``truncated`` and ``findings`` are those of the whole."""
        table = self._rows.finish()
        self._check(self._rows.error or next((f for f in self._rows.findings if f.code == "row-count"), None))
        return Profile(self.head, table, truncated=self._rows.truncated, findings=self._rows.findings)

    def _check(self, found: Finding | None) -> None:
        if self.strict and found:
            raise DecodeError(found.text, layer=found.layer, offset=found.offset, hint=found.hint)


@lru_cache(maxsize=64)
def _row_type(fields: tuple[str, ...]) -> Callable[..., tuple[Cell, ...]]:
    """One class for all rows with these fields; its rows can be pickled, though no module has it."""
    row = namedtuple("Row", fields)  # type: ignore[misc]

    def reduced(cells: tuple[Cell, ...]) -> tuple[object, ...]:
        return _row, (fields, tuple(cells))

    row.__reduce__ = reduced  # type: ignore[method-assign, assignment]
    return row


def _row(fields: tuple[str, ...], cells: tuple[Cell, ...]) -> tuple[Cell, ...]:
    return _row_type(fields)(*cells)


def _ms(moment: datetime | int) -> int:
    if isinstance(moment, int):
        return moment
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return int((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1000)


def _same(a: Column, b: Column) -> bool:
    if a.cells.kind is b.cells.kind and (a.is_number or a.is_clock):
        # Cells without a value are zero, so whole buffers can be compared, NaN included.
        parts = (
            (a.cells.values, b.cells.values),
            (a.cells.deviation, b.cells.deviation),
            (a.cells.status, b.cells.status),
        )
        return all(x.tobytes() == y.tobytes() for x, y in parts)
    return all(a.cells.item(row) == b.cells.item(row) for row in range(len(a)))
