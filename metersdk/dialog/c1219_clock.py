"""The clock of an ANSI meter: table 52 or 55 as a date-time with its zone, and what procedure 10 sets it with.

SET_MASK and the order of the parameters of procedure 10 are from memory of the standard, to be checked against it.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

from metersdk.dialog.c1219_tables import TableReader
from metersdk.effects import Dialog
from metersdk.errors import DecodeError, LocalProtocolError
from metersdk.model.c1219.configuration import Configuration
from metersdk.model.c1219.formats import LTIME, Moment, time_kind
from metersdk.model.c1219.load_profile import TimeBasis
from metersdk.model.c1219.load_profile_tables import basis_of
from metersdk.model.c1219.time_tables import Clock, ClockState
from metersdk.model.clock import ClockStatus, DateTime
from metersdk.model.quirks import Quirks

CLOCKS: Final = (52, 55)
_TIME_TABLES: Final = (51, 53)
# SET_MASK: the time of day and the date are set, the qualifiers stay.
_SET_TIME_AND_DATE: Final = 0b011


def read_basis(tables: TableReader, quirks: Quirks) -> Dialog[TimeBasis]:
    """What the times of the meter count by; what tells it is read once."""
    yield from tables.wish((*_TIME_TABLES, CLOCKS[0]))
    return basis_of(tables.tables, quirks)


def read_clock(tables: TableReader, quirks: Quirks) -> Dialog[DateTime]:
    """The meter's clock, as it shows it; its deviation is undefined where the meter does not tell its zone.

    Raises:
        LocalProtocolError: it has no clock.
        DecodeError: what it shows is no time.
    """
    table = yield from _clock_table(tables)
    basis = yield from read_basis(tables, quirks)
    moment = table.clock_calendar
    if moment is None or moment.stamp is None:
        raise DecodeError(f"table {table.NUMBER}: the clock shows {moment or 'nothing'}", layer="data")
    summer = table.time_date_qual.dst_flag
    zone = _zone(basis, summer=summer)
    stamp = DateTime.from_datetime(moment.stamp if zone is None else moment.stamp.replace(tzinfo=zone))
    status = ClockStatus.DST_ACTIVE if summer and not basis.utc else ClockStatus(0)
    return replace(stamp, status=status)


def clock_parameters(
    tables: TableReader, configuration: Configuration, quirks: Quirks, moment: datetime
) -> Dialog[bytes]:
    """What procedure 10 takes: SET_MASK, LTIME_DATE, TIME_DATE_QUAL.

    A moment with a zone is told in the meter's own; where that is not known, and without a zone, as it is.

    Raises:
        LocalProtocolError: the meter has no clock, or its format does not reach so far.
    """
    table = yield from _clock_table(tables)
    basis = yield from read_basis(tables, quirks)
    zone = _zone(basis, summer=table.time_date_qual.dst_flag)
    if moment.tzinfo is not None and zone is not None:
        moment = moment.astimezone(zone)
    stamp = moment.replace(tzinfo=None, microsecond=0)
    try:
        octets = time_kind(LTIME, configuration.formats).encode(Moment(stamp), configuration.order)
    except ValueError as error:
        raise LocalProtocolError(f"{moment} cannot be told to this meter: {error}", layer="data") from error
    # Behind the time, which is the same in both tables.
    qualifier = tables.tables.raw(table.NUMBER)[len(octets) :][:1]
    return bytes((_SET_TIME_AND_DATE,)) + octets + qualifier


def _clock_table(tables: TableReader) -> Dialog[Clock | ClockState]:
    configuration = yield from tables.configuration()
    for number in CLOCKS:
        if configuration.tm_format and configuration.has_table(number):
            table = yield from tables.get(number)
            if isinstance(table, Clock | ClockState):
                return table
    raise LocalProtocolError(
        "this meter has no clock (tables 52 and 55)", layer="data", hint="the computer's time is the only one there is"
    )


def _zone(basis: TimeBasis, *, summer: bool) -> timezone | None:
    """The zone that the clock shows at this moment; None: not known."""
    if basis.utc:
        return UTC
    if basis.deviation is None:
        return None
    return timezone(timedelta(minutes=-basis.deviation + (basis.season if basis.seasons and summer else 0)))
