"""Entries of event logs and log books, whatever the meter speaks.

Over DLMS/COSEM a log is a profile with a clock and an event code (0.b.99.98.e.255, Blue Book part 2); over IEC 62056-21
it is the log book P.98, whose entries carry a status word, and sometimes an event code and values.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

from pydantic import BaseModel, ConfigDict

from metersdk.apdu.ascii_profile import Channel, Head, Rows
from metersdk.apdu.axdr import Data
from metersdk.apdu.dataset import number
from metersdk.errors import LocalProtocolError
from metersdk.fast.axdr_layout import Kind
from metersdk.model.ascii_profile import status_word
from metersdk.model.clock import DateTime
from metersdk.model.column import Column, ColumnKind
from metersdk.model.fields import ObisField
from metersdk.model.obis import Obis
from metersdk.model.profile import Profile
from metersdk.model.quirks import Quirks
from metersdk.model.reading import Reading, plain

LOG_BOOK = Obis("1.0.99.98.0.255")

# Bits of a VDEW status word; in words of 32 bits the low octet is the same, and the others are the maker's.
STATUS_BITS = (
    "fatal error",
    "clock had lost its time",
    "value disturbed",
    "daylight saving",
    "billing reset",
    "clock set",
    "power up",
    "power down",
)

# Codes of the standard event log and the fraud detection log of IDIS and DSMR meters. Other makers have others.
EVENT_CODES = {
    1: "power down",
    2: "power up",
    3: "daylight saving enabled or disabled",
    4: "clock adjusted, old time",
    5: "clock adjusted, new time",
    6: "clock invalid",
    7: "replace battery",
    8: "battery voltage low",
    9: "tariff table activated",
    10: "error register cleared",
    11: "alarm register cleared",
    12: "program memory error",
    13: "RAM error",
    14: "non-volatile memory error",
    15: "watchdog error",
    16: "measurement system error",
    17: "firmware ready for activation",
    18: "firmware activated",
    40: "terminal cover removed",
    41: "terminal cover closed",
    42: "strong DC field detected",
    43: "no strong DC field any more",
    44: "meter cover removed",
    45: "meter cover closed",
    46: "wrong password several times",
    255: "event log cleared",
}


class Event(BaseModel):
    """One entry of a log.

    Attributes:
        time: aware, or naive (the meter's local time) where the meter does not tell its zone.
        log: code of the log it stood in.
        code: event code; over IEC 62056-21 without one, the status word. None where there is neither.
        text: what it means, as far as known: the codes are those of IDIS meters, the bits those of VDEW.
        status: the status word as the meter sent it, ``""`` without one.
        values: what was stored with it: an old time, a new one, a register.
        basis: what the time counts by, where the meter tells that apart from the entry, as an ANSI meter does:
            ``"UTC"``, ``"local time, UTC-06:00 with daylight saving"``; ``""`` else.
    """

    model_config = ConfigDict(frozen=True)

    time: datetime | None
    log: ObisField
    code: int | None = None
    text: str = ""
    status: str = ""
    values: tuple[Reading, ...] = ()
    basis: str = ""

    def __str__(self) -> str:
        """``2026-01-05T12:00:00+01:00 1 power down``"""
        when = self.time.isoformat() if self.time is not None else "no time"
        stored = "; ".join(f"{value.obis} {plain(value.value)}" for value in self.values)
        parts = (when, "" if self.code is None else str(self.code), self.text, f"[{stored}]" if stored else "")
        return " ".join(part for part in parts if part)


def describe_status(word: int, quirks: Quirks | None = None) -> str:
    """The bits of a VDEW status word in words, the highest first: ``"power down, clock set"``.

    ``quirks.status_bits`` names those that are the maker's own.
    """
    known = dict(enumerate(STATUS_BITS)) | {bit: name for name, bit in (quirks.status_bits if quirks else ())}
    return ", ".join(known.get(bit, f"bit {bit}") for bit in reversed(range(64)) if word >> bit & 1)


def events_of_text(rows: Rows, log: Obis, quirks: Quirks) -> Iterator[Event]:
    """The entries of a text log book; ``quirks.local_deviation`` and ``status_bits`` are used."""
    head = rows.head
    time, word = _time(head, quirks), status_word(head.status)
    for row in range(rows.count):
        texts = [column[row] for column in rows.columns]
        values = [_reading(channel, text) for channel, text in zip(head.channels, texts, strict=False)]
        code = next((value.value for value in values if value is not None and _is_code(value.obis)), None)
        known = int(code) if isinstance(code, Decimal) else None
        meant = [] if known is None else [EVENT_CODES.get(known, "")]
        if word:
            meant.append(describe_status(word, quirks))
        yield Event(
            time=time,
            log=log,
            code=word if known is None else known,
            text=", ".join(filter(None, meant)),
            status=head.status,
            values=tuple(value for value in values if value is not None and not _is_code(value.obis)),
        )


def _time(head: Head, quirks: Quirks) -> datetime:
    deviation = head.stamp.deviation(quirks.local_deviation)
    if deviation is None:
        return head.stamp.local
    return head.stamp.local.replace(tzinfo=timezone(timedelta(minutes=-deviation)))


def _is_code(code: Obis) -> bool:
    """0.b.96.11.e, event code; some meters write C = 91."""
    return code.c in (91, 96) and code.d == 11 and code.e < 10


def _reading(channel: Channel, text: str | None) -> Reading | None:
    try:
        code = Obis.parse(channel.code)
    except LocalProtocolError:
        return None
    # A time or a date is no number, whatever its digits.
    amount = None if text is None or (code.c, code.d) == (0, 9) else number(text)
    return Reading(obis=code, value=text if amount is None else amount, raw=text)


def is_event_log(code: Obis) -> bool:
    """0.b.99.98.e.255 (Blue Book part 2, event log objects)."""
    return (code.a, code.c, code.d) == (0, 99, 98)


def in_order(events: list[Event]) -> list[Event]:
    """By time, those without one last; local times among others count as UTC."""
    latest = datetime.max.replace(tzinfo=UTC)

    def key(event: Event) -> datetime:
        time = event.time
        return latest if time is None else time if time.tzinfo else time.replace(tzinfo=UTC)

    return sorted(events, key=key)


def events_of_profile(profile: Profile, log: Obis) -> list[Event]:
    """The rows of an event log that was read as a profile: clock, event code, and what else was captured."""
    columns = profile.columns
    clock = profile.clock
    numbers = [column for column in columns if column.is_integer and not column.tells_time]
    code = next(
        filter(_tells_code, columns), next((column for column in numbers[:1] if column.head.class_id == 1), None)
    )
    taken = [column.head for column in (code, clock) if column is not None]
    others = [column for column in columns if column.head not in taken]
    events = []
    for row in range(len(profile)):
        number = None if code is None else _integer(code, row)
        events.append(
            Event(
                time=None if clock is None else clock.moment(row),
                log=log,
                code=number,
                text="" if number is None else EVENT_CODES.get(number, ""),
                status="".join(_status(column, row) for column in others if column.kind is ColumnKind.STATUS),
                values=tuple(_cell(column, row) for column in others if column.kind is not ColumnKind.STATUS),
            )
        )
    return events


def _tells_code(column: Column) -> bool:
    """Also where its rows are of several types, an unsigned here and an enum there."""
    return _is_code(column.obis) and (column.is_integer or column.cells.kind is Kind.OBJECT)


def _integer(column: Column, row: int) -> int | None:
    item = column.cells.item(row)
    value = item.value if isinstance(item, Data) else item
    return value if isinstance(value, int) else None


def _status(column: Column, row: int) -> str:
    value = column.plain(row)
    return f"{value:02X}" if isinstance(value, int) else "" if value is None else str(value)


def _cell(column: Column, row: int) -> Reading:
    value = column.value(row)
    if isinstance(value, datetime):
        value = DateTime.from_datetime(value)
    if isinstance(value, list):
        value = tuple(value)
    return Reading(obis=column.obis, value=value, unit=column.unit)
