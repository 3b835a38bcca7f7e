"""Selective access to a profile buffer, as the server sees it (Blue Book part 2, class 7: selectors 1 and 2)."""

from __future__ import annotations

from dataclasses import dataclass

from metersdk.apdu import axdr
from metersdk.apdu.axdr import Data, Tag
from metersdk.apdu.results import DataAccessResult
from metersdk.errors import DataAccessError, DecodeError
from metersdk.model.clock import DateTime
from metersdk.model.column import CaptureObject
from metersdk.model.cosem.kinds import CAPTURE_OBJECT, int_of, items_of
from metersdk.simulator.zone import Zone

RANGE = 1
ENTRY = 2


def refuse(result: DataAccessResult, why: str) -> DataAccessError:
    return DataAccessError(f"{why}: {result.describe}", result=int(result), layer="data")


@dataclass(frozen=True, slots=True)
class ByRange:
    """Rows whose ``restricting`` object lies from ``start`` to ``stop``, both inclusive; no columns: all of them."""

    restricting: CaptureObject
    start: Data
    stop: Data
    columns: tuple[CaptureObject, ...]


@dataclass(frozen=True, slots=True)
class ByEntry:
    """Rows and columns by their numbers from 1, inclusive; a last one of 0 stands for the end."""

    first: int
    last: int
    first_column: int
    last_column: int


def parse(selector: int, parameters: bytes) -> ByRange | ByEntry:
    """Raises: DataAccessError: unknown selector, or parameters of another type."""
    try:
        data = axdr.decode_all(parameters)
        if selector == RANGE:
            restricting, start, stop, columns = items_of(data, "a range descriptor", 4)[:4]
            selected = tuple(CAPTURE_OBJECT.decode(each) for each in items_of(columns, "selected values"))
            return ByRange(CAPTURE_OBJECT.decode(restricting), start, stop, selected)
        if selector == ENTRY:
            numbers = [int_of(number) for number in items_of(data, "an entry descriptor", 4)[:4]]
            return ByEntry(*numbers)
    except DecodeError as error:
        raise refuse(DataAccessResult.TYPE_UNMATCHED, "the selection cannot be read") from error
    raise refuse(DataAccessResult.SCOPE_OF_ACCESS_VIOLATED, f"there is no selector {selector}")


def bound_ms(bound: Data, zone: Zone, *, earlier: bool) -> int:
    """A range bound in ms UTC. Octet-string and date-time alike; without a deviation it is the meter's local time.

    ``earlier`` decides for the local hour that comes twice, so that a range includes both.

    Raises:
        DataAccessError: no date-time, or with fields undefined.
    """
    if not isinstance(bound.value, bytes) or bound.tag not in (Tag.OCTET_STRING, Tag.DATE_TIME):
        raise refuse(DataAccessResult.TYPE_UNMATCHED, "the bound of the range is no date-time")
    try:
        moment = DateTime.from_octets(bound.value)
        if moment.deviation is not None:
            return moment.utc_ms()
        return zone.utc_ms(moment.utc_ms(deviation=0), earlier=earlier)
    except DecodeError as error:
        raise refuse(DataAccessResult.OTHER_REASON, "the bound of the range is not a point in time") from error
