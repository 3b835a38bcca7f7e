"""Rows of a text profile (``apdu.ascii_profile``) -> ``Profile``: typed columns, times in UTC, gaps.

The first value under a head has the time of the head, and each row is ``RP`` minutes of real time behind the one
before. The season digit of the head tells summer from normal time, so that no hour is missing or there twice; how far
normal time is from UTC stands in ``Quirks.local_deviation``. Without it times stay local.
"""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from metersdk.apdu.ascii_profile import Channel, Head, Rows, Season, Zst
from metersdk.apdu.axdr import Tag
from metersdk.apdu.columns import Table, Values, concat
from metersdk.errors import Finding, LocalProtocolError
from metersdk.fast.axdr_layout import UNDEFINED_DEVIATION, Kind, bit
from metersdk.model.clock import ClockStatus
from metersdk.model.column import CaptureObject, ColumnHead
from metersdk.model.obis import Obis
from metersdk.model.profile import Profile, ProfileHead
from metersdk.model.quantity import Unit, unit_from_symbol
from metersdk.model.quirks import Quirks

CLOCK = CaptureObject(8, "0.0.1.0.0.255", 2)
_EPOCH = datetime(1970, 1, 1)
_MILLISECOND = timedelta(milliseconds=1)
_MINUTE = 60_000
_NUMBER = re.compile(r"\s*([+-]?\d+)(?:[.,](\d*))?\s*(?:\*.*)?", re.ASCII)
# An int64 has 18 digits for sure.
_DIGITS = 18
_DECIMALS = 9
# Status word, VDEW: the clock had lost its time; its low octet is the same with most makers.
_CLOCK_INVALID = 0x02


@dataclass(slots=True)
class _Numbers:
    """One column: ``values`` in units of 10^-decimals."""

    code: Obis
    unit: Unit | None
    exponent: int
    decimals: int = 0
    values: array[int] = field(default_factory=lambda: array("q"))
    valid: bytearray = field(default_factory=bytearray)

    def fill(self, rows: int) -> None:
        """Rows of heads that do not have this column."""
        missing = rows - len(self.valid)
        if missing > 0:
            self.values.frombytes(bytes(8 * missing))
            self.valid += bytes(missing)

    def add(self, numbers: list[int], decimals: int, valid: bytes) -> bool:
        """False: 64 bits do not hold all digits, so the last ones are gone."""
        if decimals > self.decimals:
            room = _DIGITS - _digits(self.values)
            more = max(min(decimals - self.decimals, room), 0)
            if more:
                self.values = array("q", [value * 10**more for value in self.values])
                self.decimals += more
        shift = self.decimals - decimals
        exact = shift >= 0 and (shift == 0 or _digits(numbers) + shift <= _DIGITS)
        if shift > 0 and exact:
            numbers = [value * 10**shift for value in numbers]
        elif shift > 0:
            valid = bytes(_digits((value,)) + shift <= _DIGITS and ok for value, ok in zip(numbers, valid, strict=True))
            numbers = [value * 10**shift if ok else 0 for value, ok in zip(numbers, valid, strict=True)]
        elif shift < 0:
            numbers = [value // 10**-shift for value in numbers]
        self.values.extend(numbers)
        self.valid += valid
        return exact

    def head(self) -> ColumnHead:
        return ColumnHead.of(CaptureObject(3, self.code, 2), self.exponent - self.decimals, self.unit)

    def take(self) -> Values:
        values = Values(Kind.I64, bit(Tag.LONG64), memoryview(self.values), memoryview(bytes(self.valid)))
        self.values, self.valid = array("q"), bytearray()
        return values


class AsciiProfileBuilder:
    """Collects rows, and gives them as a profile.

    Args:
        obis: the profile's own code, 1.0.99.1.0.255 for P.01.
        quirks: ``local_deviation`` and ``stamp`` are used.

    Attributes:
        period: seconds, of the last head that has one.
        last: the last row: its place on the meter's normal time, in milliseconds, to compare and to go on from.
        findings: what was tolerated.
    """

    def __init__(self, obis: Obis | str, quirks: Quirks) -> None:
        self.obis = Obis.parse(obis)
        self.period = 0
        self.last: int | None = None
        self.findings: list[Finding] = []
        self._quirks = quirks
        self._columns: dict[tuple[str, str, int], _Numbers] = {}
        self._period = 0
        self._told: set[str] = set()
        self._begin()

    def _begin(self) -> None:
        self._times = array("q")
        self._deviation = array("h")
        self._clock_status = bytearray()
        self._status = array("Q")
        self._status_valid = bytearray()

    def __len__(self) -> int:
        """Rows since the last ``take``."""
        return len(self._times)

    def place(self, stamp: Zst) -> int:
        """Milliseconds on an axis where every moment is there once (``Zst.normal``)."""
        return (stamp.normal - _EPOCH) // _MILLISECOND

    def add(self, rows: Rows, first: int = 0) -> None:
        """Take rows, from number ``first`` of them on."""
        head, count = rows.head, rows.count - first
        if not head.channels or count <= 0:
            return
        step = head.period * _MINUTE
        if head.period:
            if self._period and self._period != head.period:
                self._find("period-changed", f"the period changes from {self._period} to {head.period} minutes")
            self._period, self.period = head.period, head.period * 60
        before = len(self._times)
        local, deviation, status = self._moment(head)
        start = local + (rows.first + first) * step + (step if self._quirks.stamp == "start" else 0)
        self._times.extend(range(start, start + count * step, step) if step else [start] * count)
        self._deviation.extend([deviation] * count)
        self._clock_status += bytes((status,)) * count
        word = status_word(head.status)
        if word is None and head.status:
            self._find("status-word", f"the status word {head.status[:16]!r} is no hexadecimal number")
        self._status.extend([word or 0] * count)
        self._status_valid += bytes((word is not None,)) * count
        seen: Counter[Channel] = Counter()
        for channel, texts in zip(head.channels, rows.columns, strict=True):
            # Some meters have the same column twice.
            column = self._column(channel.code, channel.unit, seen[channel])
            seen[channel] += 1
            column.fill(before)
            if not column.add(*self._numbers(texts[first:], channel.code)):
                self._find("precision", f"{channel.code}: values of more digits than {_DIGITS}")
        self.last = self.place(head.stamp) + (rows.first + rows.count - 1) * step

    def _column(self, code: str, unit: str, number: int) -> _Numbers:
        known = self._columns.get((code, unit, number))
        if known is None:
            found = unit_from_symbol(unit) or unit_from_symbol(re.sub("va?r", "var", unit, flags=re.IGNORECASE))
            if unit and found is None:
                self._find("unit-unknown", f"{code}: the unit {unit[:16]!r} is not known")
            symbol, exponent = found or (None, 0)
            known = self._columns[code, unit, number] = _Numbers(self._obis(code), symbol, exponent)
            known.fill(0)
        return known

    def _obis(self, code: str) -> Obis:
        try:
            return Obis.parse(code)
        except LocalProtocolError:
            self._find("no-obis", f"the column {code[:16]!r} is no OBIS code")
            # Manufacturer-specific: C = 128 to 199.
            return Obis.from_octets(bytes((0, 0, 128, 0, len(self._columns) % 256, 255)))

    def _moment(self, head: Head) -> tuple[int, int, int]:
        """Milliseconds UTC (local, where the zone is not known), deviation, and clock status of a head."""
        deviation = head.stamp.deviation(self._quirks.local_deviation)
        local = (head.stamp.local - _EPOCH) // _MILLISECOND
        status = ClockStatus.DST_ACTIVE if head.stamp.season is Season.SUMMER else ClockStatus(0)
        word = status_word(head.status)
        if word is not None and word & _CLOCK_INVALID:
            status |= ClockStatus.INVALID
        if deviation is None:
            hint = "give Quirks(local_deviation=-60), or a file for --vendor that says so, for CET"
            self._find("zone-unknown", "times are the meter's local ones", hint)
            return local, UNDEFINED_DEVIATION, status
        return local + deviation * _MINUTE, deviation, status

    def _numbers(self, texts: Sequence[str | None], code: str) -> tuple[list[int], int, bytes]:
        """The column's numbers, decimals, and which of them there are."""
        if None not in texts:
            every: Sequence[str] = texts  # type: ignore[assignment]
            joined = "".join(every)
            digits = joined.replace(".", "")
            if digits.isascii() and digits.isdigit():
                short = max(map(len, every)) <= _DIGITS
                if short and len(digits) == len(joined) and all(every):
                    return list(map(int, every)), 0, b"\1" * len(every)
                dotted = short and joined.count(".") == len(every) and all("." in text for text in every)
                places = {len(text) - text.find(".") - 1 for text in every} if dotted else {_DIGITS}
                if len(places) == 1 and max(places) <= _DECIMALS:
                    return [int(text.replace(".", "")) for text in every], max(places), b"\1" * len(every)
        return self._one_by_one(texts, code)

    def _one_by_one(self, texts: Sequence[str | None], code: str) -> tuple[list[int], int, bytes]:
        parts = [None if text is None else _NUMBER.fullmatch(text) for text in texts]
        decimals = min(max((len(part[2] or "") for part in parts if part), default=0), _DECIMALS)
        numbers, valid = [], bytearray()
        for text, part in zip(texts, parts, strict=True):
            fits = part is not None and len(part[1]) + decimals <= _DIGITS
            if text is not None and not fits:
                self._find("value", f"{code}: the value {text[:32]!r} is no number, or too large")
            if part is not None and len(part[2] or "") > decimals:
                self._find("precision", f"{code}: a value of more than {_DECIMALS} decimals is cut")
            numbers.append(int(part[1] + (part[2] or "")[:decimals].ljust(decimals, "0")) if part and fits else 0)
            valid.append(fits)
        return numbers, decimals, bytes(valid)

    def _find(self, code: str, text: str, hint: str = "") -> None:
        if text not in self._told and len(self.findings) < 100:
            self._told.add(text)
            self.findings.append(Finding(code, text, "data", hint=hint))

    def take(self, *, truncated: bool = False, findings: Iterable[Finding] = ()) -> Profile:
        """The rows collected since the last call. The columns stay; a later head may have added some."""
        rows = len(self._times)
        for column in self._columns.values():
            column.fill(rows)
        heads = [
            ColumnHead.of(CLOCK),
            ColumnHead.of(CaptureObject(1, status_code(self.obis), 2)),
            *(column.head() for column in self._columns.values()),
        ]
        head = ProfileHead(columns=tuple(heads), period=self.period, obis=self.obis)
        clock = Values(
            Kind.CLOCK,
            bit(Tag.OCTET_STRING),
            memoryview(self._times),
            memoryview(b"\1" * rows),
            deviation=memoryview(self._deviation),
            status=memoryview(bytes(self._clock_status)),
        )
        status = Values(
            Kind.U64, bit(Tag.LONG64_UNSIGNED), memoryview(self._status), memoryview(bytes(self._status_valid))
        )
        table = Table(rows, (clock, status, *(column.take() for column in self._columns.values())))
        self._begin()
        return Profile(head, table, truncated=truncated, findings=(*self.findings, *findings))


def rows_between(profile: Profile, start: datetime | None, stop: datetime | None) -> Table:
    """The rows from ``start`` to ``stop``, both included. Local times are compared where either side is local."""
    clock, table = profile.columns[0], profile.table
    if start is None and stop is None:
        return table
    runs: list[list[int]] = []
    for row, (time, deviation) in enumerate(zip(clock.raw, clock.cells.deviation, strict=True)):
        if start is not None and time < _comparable(start, deviation):
            continue
        if stop is not None and time > _comparable(stop, deviation):
            continue
        if runs and runs[-1][1] == row:
            runs[-1][1] = row + 1
        else:
            runs.append([row, row + 1])
    parts = [table.part(first, behind) for first, behind in runs]
    return concat(parts) if parts else table.part(0, 0)


def _comparable(bound: datetime, deviation: int) -> int:
    """A bound in the milliseconds of a row with this deviation."""
    local = (bound.replace(tzinfo=None) - _EPOCH) // _MILLISECOND
    offset = bound.utcoffset()
    if deviation == UNDEFINED_DEVIATION:
        return local
    return local + deviation * _MINUTE if offset is None else local - offset // _MILLISECOND


def _digits(numbers: Iterable[int]) -> int:
    return len(str(max(map(abs, numbers), default=0)))


def status_word(text: str) -> int | None:
    """``00`` or ``00008020``: 8 or 32 bits in hexadecimal digits; None if it is none."""
    return int(text, 16) if re.fullmatch(r"[0-9A-Fa-f]{1,16}", text, re.ASCII) else None


def status_code(profile: Obis) -> Obis:
    """The code of a profile's status: 0.0.96.10.1.255 for 1.0.99.1.0.255, and alike."""
    number = profile.d if 0 < profile.d < 10 else 0
    return Obis.from_octets(bytes((0, 0, 96, 10, number, 255)))


def profile_name(code: Obis) -> str:
    """``P.01`` for 1.0.99.1.0.255, ``P.98`` for 1.0.99.98.0.255.

    Raises:
        LocalProtocolError: no profile that has a number.
    """
    if code.c != 99:
        raise LocalProtocolError(f"{code} is no profile", hint="P.01, or 1.0.99.1.0.255; P.98 is the log book")
    return f"P.{code.d:02d}"
