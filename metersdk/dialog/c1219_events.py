"""Event log and history log of an ANSI meter (tables 71 to 76) as events, whatever order the meter keeps them in.

The names of the codes are from memory of the standard (its list of history and event log codes), to be checked
against it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta, timezone
from typing import Final

from metersdk.dialog.c1219_clock import read_basis
from metersdk.dialog.c1219_tables import TableReader
from metersdk.dialog.profile import SpanCut
from metersdk.effects import Dialog, Emit
from metersdk.errors import DecodeError, Finding, LocalProtocolError, PsemError
from metersdk.model.c1219.formats import Basis, Moment
from metersdk.model.c1219.load_profile import TimeBasis
from metersdk.model.c1219.log_tables import EventEntry, EventLog, HistoryEntry, HistoryLog
from metersdk.model.clock import DateTime
from metersdk.model.event import Event, in_order
from metersdk.model.obis import Obis
from metersdk.model.quirks import Quirks

EVENT_LOG: Final = Obis("0.0.99.98.0.255")
HISTORY_LOG: Final = Obis("0.0.99.98.1.255")
LOGS: Final = {EVENT_LOG: 76, HISTORY_LOG: 74}
_MANUFACTURER: Final = 2048

EVENT_NAMES: Final = (
    "no event",
    "power down",
    "power up",
    "clock set, old time",
    "clock set, new time",
    "clock set, old time in the argument",
    "clock set, new time in the argument",
    "accessed for reading",
    "accessed for writing",
    "procedure invoked",
    "table written",
    "programmed",
    "communication ended",
    "communication broke off",
    "list pointers reset",
    "list pointers updated",
    "history log cleared",
    "history log pointers updated",
    "event log cleared",
    "event log pointers updated",
    "demand reset",
    "self-read",
    "daylight saving on",
    "daylight saving off",
    "season changed",
    "rate changed",
    "special schedule activated",
    "tier switched",
    "pending table activated",
    "pending table cleared",
    "metering mode started",
    "metering mode stopped",
    "test mode started",
    "test mode stopped",
    "meter shop mode started",
    "meter shop mode stopped",
    "reprogrammed",
    "configuration error",
    "self-check error",
    "RAM failure",
    "ROM failure",
    "non-volatile memory failure",
    "clock error",
    "measurement error",
    "low battery",
    "low loss of potential",
    "demand overload",
    "power failure",
    "tamper attempt",
    "reverse rotation",
)
"""Standard event codes from 0 on."""


def read_events(
    tables: TableReader, quirks: Quirks, log: Obis | None, start: datetime | None, stop: datetime | None
) -> Dialog[list[Event]]:
    """The entries of one log, or of both, by time.

    Raises:
        LocalProtocolError: the meter has no such log.
        PsemError: it refuses the log that was named, or both.
        DecodeError: table 71 and the log do not fit each other.
    """
    if log is not None and log not in LOGS:
        known = ", ".join(code.idis.removesuffix("*255") for code in LOGS)
        raise LocalProtocolError(f"{log} is no log of an ANSI meter", layer="data", hint=f"known: {known}")
    configuration = yield from tables.configuration()
    codes = [code for code, number in LOGS.items() if log in (None, code) and configuration.has_table(number)]
    if not codes:
        wanted = " or ".join(f"table {LOGS[code]}" for code in ([log] if log else LOGS))
        raise LocalProtocolError(f"this meter keeps no log ({wanted})", layer="data")
    logs: list[tuple[Obis, EventLog | HistoryLog]] = []
    refused: list[tuple[Obis, PsemError]] = []
    for code in codes:
        try:
            logs.append((code, (yield from _log(tables, code))))
        except PsemError as refusal:
            refused.append((code, refusal))
    if not logs:
        raise refused[0][1]
    for code, error in refused:
        yield Emit(Finding("log-unread", f"{code}: {error.message}", "data", hint=error.hint))
    basis = yield from read_basis(tables, quirks)
    found: list[Event] = []
    for code, log_table in logs:
        found += yield from _entries(log_table, code, basis)
    yield from map(Emit, basis.findings)
    if basis.is_doubtful and any(event.time for event in found):
        text = f"times of the logs are {basis}, and an entry does not say whether summer time was in force"
        yield Emit(
            Finding("summer-unknown", text, "data", hint="they are given without a zone, as the meter keeps them")
        )
    if start is not None or stop is not None:
        cut = SpanCut(0, start, stop)
        found = [event for event in found if cut.holds(event.time)]
    return in_order(found)


def _log(tables: TableReader, code: Obis) -> Dialog[EventLog | HistoryLog]:
    table = yield from tables.get(LOGS[code])
    if isinstance(table, EventLog | HistoryLog):
        return table
    raise DecodeError(f"table {LOGS[code]} is described as something else", layer="data")


def _entries(table: EventLog | HistoryLog, code: Obis, basis: TimeBasis) -> Dialog[list[Event]]:
    if isinstance(table, EventLog):
        flags, entries = table.event_flags, [_event(each, code, basis) for each in table.entries]
    else:
        flags, entries = table.hist_flags, [_history(each, code, basis) for each in table.entries]
    valid, last = table.nbr_valid_entries, table.last_entry_element
    if valid > len(entries) or (valid and last >= len(entries)):
        raise DecodeError(
            f"table {LOGS[code]} tells {valid} entries, the last at {last}; it has room for {len(entries)}",
            layer="data",
            hint="read table 71 again: the meter may have been reconfigured",
        )
    if flags.overflow_flag:
        text = f"the log {code} overflowed: entries were lost before they were read"
        yield Emit(Finding("log-overflow", text, "data"))
    return list(_oldest_first(entries, valid, last, descending=bool(flags.order)))


def _oldest_first(entries: Sequence[Event], valid: int, last: int, *, descending: bool) -> Iterator[Event]:
    """From LAST_ENTRY_ELEMENT on older entries have smaller numbers, in a descending list greater ones; a list goes on
    at its other end."""
    for age in reversed(range(valid)):
        yield entries[(last + (age if descending else -age)) % len(entries)]


def _event(entry: EventEntry, log: Obis, basis: TimeBasis) -> Event:
    number = entry.event_code.number
    return _made(log, entry.event_time, number, entry.user_id, entry.event_argument, basis)


def _history(entry: HistoryEntry, log: Obis, basis: TimeBasis) -> Event:
    number = entry.history_code.number
    return _made(log, entry.history_time, number, entry.user_id, entry.history_argument, basis)


def _made(log: Obis, moment: Moment | None, number: int, user: int, argument: bytes, basis: TimeBasis) -> Event:
    return Event(
        time=time_of(moment, basis),
        log=log,
        code=number,
        text=event_name(number) + (f", user {user}" if user else ""),
        status=argument.hex() if any(argument) else "",
        basis=str(basis),
    )


def event_name(number: int) -> str:
    """What a code means; from 2048 on it is the manufacturer's own."""
    if number >= _MANUFACTURER:
        return f"manufacturer's event {number - _MANUFACTURER}"
    return EVENT_NAMES[number] if number < len(EVENT_NAMES) else f"event {number}"


def time_of(moment: Moment | None, basis: TimeBasis) -> datetime | None:
    """A time of a table: aware where its zone is known and summer is not in doubt."""
    if moment is None or moment.stamp is None:
        return None
    if basis.utc:
        return moment.to_datetime(Basis.UTC)
    if basis.deviation is None or basis.is_doubtful:
        return moment.stamp
    return moment.stamp.replace(tzinfo=timezone(timedelta(minutes=-basis.deviation)))


def clock_of(moment: Moment, basis: TimeBasis) -> DateTime | None:
    """The same as a COSEM date-time; its deviation is undefined where the zone is not known."""
    time = time_of(moment, basis)
    return None if time is None else DateTime.from_datetime(time)
