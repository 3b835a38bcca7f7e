"""Times and spans of time as people write them."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from typing import TypeAlias

from metersdk.errors import LocalProtocolError

Moment: TypeAlias = datetime | date | str
"""A datetime, a date (its midnight), or ISO 8601 text; without a zone it is the meter's local time."""

_SPAN = re.compile(r"\s*(\d+)\s*(min|m|h|d|w)\s*", re.ASCII)
_UNITS = {"m": timedelta(minutes=1), "min": timedelta(minutes=1), "h": timedelta(hours=1)} | {
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}


def moment(value: Moment | None) -> datetime | None:
    """Raises: LocalProtocolError: no such date or time."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError as error:
            raise LocalProtocolError(
                f"{value!r:.40} is no time", hint="write it like 2026-11-22 or 2026-11-22T15:30+01:00"
            ) from error
    if value is None or isinstance(value, datetime):
        return value
    if not isinstance(value, date):
        raise LocalProtocolError(f"{value!r:.40} is no time", hint="a datetime, a date, or text like 2026-11-22T15:30")
    return datetime(value.year, value.month, value.day)


def span(value: str | timedelta) -> timedelta:
    """Raises: LocalProtocolError: no such span."""
    if isinstance(value, str):
        found = _SPAN.fullmatch(value)
        if not found:
            raise LocalProtocolError(f"{value!r:.40} is no span of time", hint="write it like 90m, 24h, 7d or 4w")
        try:
            value = int(found[1]) * _UNITS[found[2]]
        except (OverflowError, ValueError) as error:
            raise LocalProtocolError(f"{value!r:.40} is longer than any time") from error
    if not isinstance(value, timedelta):
        raise LocalProtocolError(f"{value!r:.40} is no span of time", hint="a timedelta, or text like 90m, 24h or 7d")
    if value <= timedelta(0):
        raise LocalProtocolError("a span of time is longer than nothing")
    return value
