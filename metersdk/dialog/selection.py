"""Selective access to a profile buffer (Blue Book part 2, class 7, attribute buffer): by range and by entry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Literal, Protocol, SupportsBytes, TypeAlias

from metersdk.apdu import axdr
from metersdk.apdu.axdr import Data
from metersdk.apdu.xdlms import Selection
from metersdk.errors import LocalProtocolError
from metersdk.model.clock import DateTime

RANGE = 1
ENTRY = 2

Bound: TypeAlias = datetime | DateTime | Data
"""End of a range: a time, or for a profile that is not sorted by time the Data to compare with."""


class Captured(Protocol):
    """A capture object: class id, logical name, attribute, data index (0 = the whole attribute)."""

    @property
    def class_id(self) -> int: ...
    @property
    def obis(self) -> SupportsBytes: ...
    @property
    def attribute(self) -> int: ...
    @property
    def index(self) -> int: ...


def by_range(
    restricting: Captured,
    start: Bound,
    stop: Bound,
    columns: Sequence[Captured] = (),
    *,
    bounds: Literal["octet-string", "date-time"] = "octet-string",
    deviation: Literal["concrete", "undefined", "utc"] = "concrete",
    deviation_sign: Literal[1, -1] = 1,
) -> Selection:
    """Entries whose ``restricting`` column lies from ``start`` to ``stop``, both included.

    Args:
        columns: those to return; none = all.
        bounds: type of the times, ``09 0C`` or tag 19: some meters take one of them only.
        deviation: ``"concrete"`` sends the zone of the time given, 8000 where it has none; ``"undefined"`` always 8000,
            the time being the meter's local time; ``"utc"`` converts to UTC and sends 0.
        deviation_sign: -1 for meters that send their UTC offset where the standard wants its opposite.
    """
    encoded = [_bound(bound, bounds, deviation, deviation_sign) for bound in (start, stop)]
    return Selection(
        RANGE,
        axdr.encode(
            axdr.structure(_capture_object(restricting), *encoded, axdr.array(*map(_capture_object, columns))),
        ),
    )


def by_entry(first: int, last: int, first_column: int = 1, last_column: int = 0) -> Selection:
    """Entries ``first`` to ``last``, counted from 1, both included; 0 as ``last`` means to the end.

    Raises:
        LocalProtocolError: a number that is out of range.
    """
    for name, value, lowest, highest in (
        ("first entry", first, 1, 0xFFFFFFFF),
        ("last entry", last, 0, 0xFFFFFFFF),
        ("first column", first_column, 1, 0xFFFF),
        ("last column", last_column, 0, 0xFFFF),
    ):
        if not lowest <= value <= highest:
            raise LocalProtocolError(f"{name} {value} is not within {lowest} to {highest}", layer="apdu")
    return Selection(
        ENTRY,
        axdr.encode(axdr.structure(axdr.u32(first), axdr.u32(last), axdr.u16(first_column), axdr.u16(last_column))),
    )


def _capture_object(captured: Captured) -> Data:
    return axdr.structure(
        axdr.u16(captured.class_id),
        axdr.octets(bytes(captured.obis)),
        axdr.i8(captured.attribute),
        axdr.u16(captured.index),
    )


def _bound(
    bound: Bound,
    bounds: Literal["octet-string", "date-time"],
    deviation: Literal["concrete", "undefined", "utc"],
    sign: int,
) -> Data:
    if isinstance(bound, Data):
        return bound
    if isinstance(bound, datetime):
        if deviation == "utc" and bound.tzinfo is not None:
            bound = bound.astimezone(UTC)
        bound = DateTime.from_datetime(bound)
        if deviation == "undefined":
            bound = replace(bound, deviation=None)
        elif bound.deviation is not None:
            bound = replace(bound, deviation=bound.deviation * sign)
    octets = bound.to_octets()
    return axdr.date_time(octets) if bounds == "date-time" else axdr.octets(octets)
