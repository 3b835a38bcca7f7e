"""profile: a load profile to the screen, a pipe or a file."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import cycle
from pathlib import Path

import click
from rich.console import Group
from rich.text import Text

from metersdk.cli import chart
from metersdk.cli.options import Connection
from metersdk.cli.output import Output, grid
from metersdk.cli.reading import text_of, time_of
from metersdk.errors import Finding, LocalProtocolError, MeterError, PartialResult, PortNotFound, SecurityError
from metersdk.meter import Meter
from metersdk.model.column import Column
from metersdk.model.obis import Obis
from metersdk.model.profile import Profile
from metersdk.model.reading import plain
from metersdk.model.span import moment, span

PARTIAL = 8
# More rows than this on a screen are looked at in a file.
_ON_SCREEN = 200
# A chart where there is no screen.
_CHART_WIDTH = 100
# Counters of energy, and the power that drives them.
_POWER = {"Wh": "W", "varh": "var", "VAh": "VA"}
_ENTRIES = re.compile(r"(\d+)(?:-(\d*))?", re.ASCII)
_WRITERS: dict[str, Callable[[Profile, Path], object]] = {
    ".csv": lambda profile, path: profile.to_csv(path),
    ".json": lambda profile, path: profile.to_json(path),
    ".parquet": lambda profile, path: profile.to_parquet(path),
}


def profile(
    connection: Connection,
    obis: Obis | None,
    last: str | None,
    start: str | None,
    stop: str | None,
    entries: str | None,
    columns: str | None,
    as_chart: bool,
    file: str | None,
) -> int:
    out = connection.out
    chosen = {
        "obis": obis,
        "start": moment(start),
        "stop": moment(stop),
        "last": None if last is None else span(last),
        "entries": _entries(entries),
        "columns": None if columns is None else [str(Obis(code)) for code in columns.split(",")],
    }
    if sum((start is not None or stop is not None, last is not None, entries is not None)) > 1:
        raise click.UsageError("give --from and --to, or --last, or --entries")
    broken: PartialResult | None = None
    with _file(file) as part:
        try:
            with connection.open() as meter:
                if out.mode == "jsonl" and part is None:
                    return _stream(meter, chosen, out)
                home = meter.get_profile(**chosen)  # type: ignore[arg-type]
        except PartialResult as error:
            if not isinstance(error.result, Profile):
                raise
            home, broken = error.result, error
        if part is not None:
            _WRITERS[_suffix(str(file))](home, part)
    _tell(home, out, broken is not None)
    if file is not None:
        _written(home, file, connection)
    elif out.mode == "json":
        out.document(target=connection.name, profile=json.loads(home.to_json()))
    elif as_chart:
        _draw(home, out)
    elif out.data.is_terminal:
        _show(home, out)
    else:
        sys.stdout.write(home.to_csv())
    if broken is not None:
        raise broken
    return PARTIAL if home.truncated else 0


def _entries(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    found = _ENTRIES.fullmatch(text)
    if found is None or int(found[1]) < 1 or (found[2] and int(found[2]) < int(found[1])):
        raise click.UsageError(f"--entries {text}: write it like 1-96, or 97- to the end")
    return int(found[1]), int(found[1]) if found[2] is None else int(found[2] or 0)


def _suffix(file: str) -> str:
    return Path(file).suffix.lower()


@contextmanager
def _file(file: str | None) -> Iterator[Path | None]:
    """A file beside ``file``, put in its place only when all is well; opened now, not after minutes of reading."""
    if file is None:
        yield None
        return
    if _suffix(file) not in _WRITERS:
        raise click.UsageError(f"--out {file}: the name ends in {', '.join(_WRITERS)}")
    if _suffix(file) == ".parquet" and find_spec("pyarrow") is None:
        raise LocalProtocolError("pyarrow is not installed", layer="data", hint='pip install "metersdk[arrow]"')
    part = Path(f"{file}.part")
    if not part.parent.is_dir():
        raise PortNotFound(f"--out {file}: there is no folder {part.parent}", hint="make it first")
    part.touch()
    try:
        yield part
        os.replace(part, file)
    finally:
        part.unlink(missing_ok=True)


def _tell(home: Profile, out: Output, broken: bool) -> None:
    """What is not as it should be about these rows."""
    for finding in home.findings:
        out.finding(finding)
    gaps = home.gaps
    missing = sum(count for _, _, count in gaps)
    if missing:
        text = f"{_counted(missing, 'interval')} missing in {len(gaps)} gap{'s' * (len(gaps) != 1)}"
        out.finding(Finding("profile-gaps", text, "data"))
    if home.truncated and not broken:
        out.warn("rows are missing at the end")


def _counted(count: int, what: str) -> str:
    return f"1 {what} is" if count == 1 else f"{count} {what}s are"


def _written(home: Profile, file: str, connection: Connection) -> None:
    out = connection.out
    if out.is_text:
        out.say(f"{len(home)} rows of {len(home.columns)} columns written to {file}")
    else:
        content = {"file": file, "rows": len(home), "columns": len(home.columns), "truncated": home.truncated}
        out.one(connection.name, "written", {**content, "gaps": len(home.gaps)})


def _stream(meter: Meter, chosen: Mapping[str, object], out: Output) -> int:
    """A line for each row, while the rows arrive."""
    rows, truncated = 0, False
    try:
        for piece in meter.iter_profile(**chosen):  # type: ignore[arg-type]
            for row in range(len(piece)):
                cells = zip(piece.fields, piece.columns, strict=True)
                out.record("row", **{field: _cell(column, row) for field, column in cells})
            rows, truncated = rows + len(piece), truncated or piece.truncated
            for finding in piece.findings:
                out.finding(finding)
    except MeterError as error:
        if not rows or isinstance(error, SecurityError):
            raise
        out.record("end", rows=rows, truncated=True)
        message = f"reading broke off after {rows} rows: {error.message}"
        raise PartialResult(message, layer=error.layer, retryable=error.retryable, hint=error.hint) from error
    out.record("end", rows=rows, truncated=truncated)
    return PARTIAL if truncated else 0


def _cell(column: Column, row: int) -> object:
    stamp = column.moment(row) if column.is_clock else None
    return stamp.isoformat() if stamp is not None else plain(column.value(row))


def table(home: Profile, out: Output, rows: range) -> object:
    """Some rows for people."""
    heads = [_head(column) for column in home.columns]
    numbers = [place for place, column in enumerate(home.columns) if column.is_number]
    cells = ([_text(column, row) for column in home.columns] for row in rows)
    return grid(out.data, heads, cells, right=numbers)


def _head(column: Column) -> str:
    if column.tells_time:
        return "Time"
    unit = f"\n{column.unit.symbol}" if column.unit is not None and column.unit.symbol else ""
    return f"{column.name}{unit}"


def _text(column: Column, row: int) -> str:
    stamp = column.moment(row) if column.is_clock else None
    if stamp is not None:
        return time_of(stamp)
    value = column.value(row)
    if column.head.bits or column.head.codes:
        # What has no name is a number all the same.
        return ", ".join(sorted(column.names(row))) or (text_of(value) if value else "")
    return text_of(value)


def _draw(home: Profile, out: Output) -> None:
    """A chart for each column with a unit; nothing of those that tell times, states and codes."""
    width = out.data.width if out.data.is_terminal else _CHART_WIDTH
    styles = cycle(("cyan", "green", "magenta", "yellow"))
    drawn = 0
    for column in home.columns:
        unit = column.unit.symbol if column.unit is not None else ""
        if not column.is_number or not unit:
            continue
        power = _POWER.get(unit)
        title = f"{column.name}, {power or unit}" + (", mean of each interval" if power else "")
        bars = chart.course(home, column, title, next(styles), width, rising=power is not None)
        if bars is not None:
            out.show(Group(bars, Text("")))
            drawn += 1
    if not drawn:
        out.say("nothing to draw: less than three rows, or no column with a unit", "yellow")
    _summary(home, out)


def _summary(home: Profile, out: Output) -> None:
    every = f", every {home.period} s" if home.period else ""
    out.say(f"{home.head.obis}: {len(home)} rows{every}", "dim")


def _show(home: Profile, out: Output) -> None:
    last = min(len(home), _ON_SCREEN)
    out.data.print(table(home, out, range(last)))
    _summary(home, out)
    if last < len(home):
        out.say(f"only the first {last} are shown; --out profile.csv writes all", "yellow")
