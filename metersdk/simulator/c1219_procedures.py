"""Procedures of a simulated C12.19 meter: table 7 starts one, table 8 tells what became of it.

Numbers, parameters and list codes of procedures 4 and 5 are from memory of the standard.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Protocol

from metersdk.model.c1219.formats import LTIME, Formats, Moment, time_kind

_HEAD = 3
# List codes of procedures 4 and 5.
EVENT_LOG, SELF_READS, PROFILE_SETS, HISTORY_LOG, ALL_LISTS = 1, 2, (3, 4, 5, 6), 7, 255


class Procedure(IntEnum):
    """Standard procedures."""

    COLD_START = 0
    WARM_START = 1
    SAVE_CONFIGURATION = 2
    CLEAR_DATA = 3
    RESET_LIST_POINTERS = 4
    UPDATE_LAST_READ = 5
    CHANGE_MODE = 6
    CLEAR_STANDARD_STATUS = 7
    CLEAR_MANUFACTURER_STATUS = 8
    REMOTE_RESET = 9
    SET_CLOCK = 10
    EXECUTE_DIAGNOSTICS = 11
    START_LOAD_PROFILE = 16
    STOP_LOAD_PROFILE = 17


# What whoever may read may do.
FREE = frozenset((Procedure.UPDATE_LAST_READ, Procedure.EXECUTE_DIAGNOSTICS))


class Result(IntEnum):
    """Result codes of table 8."""

    COMPLETED = 0
    ACCEPTED = 1
    INVALID_PARAMETER = 2
    CONFLICT = 3
    TIMING = 4
    NOT_AUTHORISED = 5
    UNKNOWN = 6


class Refused(Exception):
    """A procedure that is not carried out."""

    def __init__(self, result: Result) -> None:
        super().__init__(result.name)
        self.result = result


class Meter(Protocol):
    """What procedures do to a meter."""

    def shown(self) -> datetime:
        """What its clock shows."""

    def show(self, moment: datetime) -> None:
        """Set the clock."""

    def demand_reset(self) -> None: ...

    def self_read(self) -> None: ...

    def clear_data(self) -> None: ...

    def mark_read(self, code: int, entries: int | None) -> bool:
        """Entries of a list count as read, all of them where no number is given; False: there is no such list."""

    def change_mode(self, mode: int) -> None: ...

    def record(self, running: bool) -> None:
        """Stop load profiles, or let them go on."""


@dataclass(slots=True)
class _Started:
    """A procedure: its head as it came, what came of it, and how often that is kept back."""

    head: bytes
    result: Result
    data: bytes = b""
    looks: int = 0


class ProcedureDesk:
    """Takes table 7, gives table 8. ``slow``: how often a procedure is only accepted when table 8 is read."""

    def __init__(self, meter: Meter, formats: Formats, offered: frozenset[int], slow: Mapping[int, int]) -> None:
        self._meter, self._formats = meter, formats
        self._offered, self._slow = offered, slow
        self._last: _Started | None = None

    def initiate(self, octets: bytes, *, allowed: bool) -> None:
        """Carry out what is written to table 7; ``allowed``: also what changes something.

        Raises:
            ValueError: no procedure stands there.
        """
        if len(octets) < _HEAD:
            raise ValueError("table 7 has at least 3 octets")
        field = int.from_bytes(octets[:2], self._formats.order)
        number, selector = field & 0xFFF, field >> 12
        result, data = Result.COMPLETED, b""
        try:
            if number not in self._offered:
                raise Refused(Result.UNKNOWN)
            if not allowed and number not in FREE:
                raise Refused(Result.NOT_AUTHORISED)
            data = self._carry_out(number, octets[_HEAD:])
        except Refused as refusal:
            result = refusal.result
        # Selector 1: told only if it failed; 2: never.
        if selector == 2 or (selector == 1 and result is Result.COMPLETED):
            return
        looks = self._slow.get(number, 0) if result is Result.COMPLETED else 0
        self._last = _Started(octets[:_HEAD], result, data, looks)

    def response(self) -> bytes | None:
        """Table 8; None where no procedure was told of yet."""
        last = self._last
        if last is None:
            return None
        if last.looks:
            last.looks -= 1
            return last.head + bytes((Result.ACCEPTED,))
        return last.head + bytes((last.result,)) + last.data

    def _carry_out(self, number: int, given: bytes) -> bytes:
        meter = self._meter
        match number:
            case Procedure.SET_CLOCK:
                return self._set_clock(given)
            case Procedure.REMOTE_RESET:
                flags = _octet(given)
                if flags & 1:
                    meter.demand_reset()
                if flags & 2:
                    meter.self_read()
                # What was done, bit by bit.
                return bytes((flags & 3,))
            case Procedure.CLEAR_DATA:
                meter.clear_data()
            case Procedure.RESET_LIST_POINTERS:
                if not meter.mark_read(_octet(given), None):
                    raise Refused(Result.INVALID_PARAMETER)
            case Procedure.UPDATE_LAST_READ:
                if len(given) != 3 or not meter.mark_read(given[0], int.from_bytes(given[1:], self._formats.order)):
                    raise Refused(Result.INVALID_PARAMETER)
            case Procedure.CHANGE_MODE:
                meter.change_mode(_octet(given))
            case Procedure.START_LOAD_PROFILE | Procedure.STOP_LOAD_PROFILE:
                meter.record(number == Procedure.START_LOAD_PROFILE)
        return b""

    def _set_clock(self, given: bytes) -> bytes:
        """SET_MASK, LTIME_DATE, TIME_DATE_QUAL -> the time before and after."""
        kind = time_kind(LTIME, self._formats)
        if len(given) != kind.size + 2:
            raise Refused(Result.INVALID_PARAMETER)
        before = self._meter.shown()
        moment = kind.decode(given[1:-1], self._formats.order)
        stamp = moment.stamp if isinstance(moment, Moment) else None
        if stamp is None or given[0] > 7:
            raise Refused(Result.INVALID_PARAMETER)
        # Bit 0: the time of day is set, bit 1: the date.
        day = stamp if given[0] & 2 else before
        hour = stamp if given[0] & 1 else before
        after = datetime.combine(day.date(), hour.time())
        self._meter.show(after)
        return b"".join(kind.encode(Moment(each), self._formats.order) for each in (before, after))


def _octet(given: bytes) -> int:
    if len(given) != 1:
        raise Refused(Result.INVALID_PARAMETER)
    return given[0]
