"""events: the entries of the meter's logs."""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence

import click

from metersdk.cli.options import Connection
from metersdk.cli.output import grid
from metersdk.cli.reading import text_of, time_of
from metersdk.errors import PartialResult
from metersdk.model.event import Event
from metersdk.model.obis import Obis
from metersdk.model.span import moment, span

_HEADS = ("time", "log", "code", "text", "status", "values")


def events(
    connection: Connection, log: Obis | None, last: str | None, start: str | None, stop: str | None, as_csv: bool
) -> None:
    out = connection.out
    if as_csv:
        out.refuse_json("--csv")
    # Checked before the port is opened.
    moment(start), moment(stop)
    if last is not None:
        span(last)
        if start is not None or stop is not None:
            raise click.UsageError("give --from and --to, or --last")
    partial: PartialResult | None = None
    with connection.open() as meter:
        try:
            found = meter.events(log, start=start, stop=stop, last=last)
        except PartialResult as error:
            if not isinstance(error.result, list):
                raise
            found, partial = error.result, error
    if as_csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(_HEADS)
        writer.writerows(map(_cells, found))
    elif out.is_text:
        if found:
            rows = [[time_of(each.time), *_cells(each)[2:]] for each in found]
            out.show(grid(out.data, ("Time", "Code", "Meaning", "Status", "Values"), rows, right=(1,)))
        bases = ", ".join(dict.fromkeys(each.basis for each in found if each.basis and each.time is not None))
        out.say(f"{len(found)} events" + (f"; their times: {bases}" if bases else ""), "dim")
    else:
        out.records("event", "events", (each.model_dump(mode="json") for each in found), target=connection.name)
    if partial is not None:
        # As a profile that broke off: what came is out, and what is missing is the error.
        raise partial


def _cells(event: Event) -> Sequence[str]:
    return (
        "" if event.time is None else event.time.isoformat(),
        str(event.log),
        "" if event.code is None else str(event.code),
        event.text,
        event.status,
        "; ".join(f"{value.obis.reduced}={text_of(value.value)}" for value in event.values),
    )
