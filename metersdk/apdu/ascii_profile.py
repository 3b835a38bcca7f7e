"""Profiles and log books as text (VDEW, IEC 62056-21 programming mode): ``P.01``, ``P.02`` .. ``P.211``, ``P.98``.

::

    KZ(ZST)(S)(RP)(z)(KZ1)(E1)..(KZz)(Ez) CR LF     a head: first time, status word, minutes, columns and their units
    (Mw1)..(Mwz) CR LF                              the first row; each row behind it is RP minutes later
    (Mw1)..(Mwz) CR LF
    KZ(ZST)...                                      another head wherever status, time or columns change

    ZST ::= [s]yymmddhhmm[ss]                       s: 0 normal time, 1 summer time, 2 UTC

A log book has one head for each entry, ``P.98(ZST)(S)()(z)..``, its values behind it or on the next line; z may be 0.
``AsciiProfileParser`` reads it piece by piece as it arrives. Liberties of meters are accepted, each is a ``Finding``;
``strict=True`` turns them into errors. Values stay text here, and a value that the meter does not have is None.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum
from itertools import chain

from metersdk.errors import DecodeError, Finding, LimitExceeded, MeterReportedError

# A head of 255 columns has some 6000 characters; what goes on longer without a line end is no profile.
LINE_LIMIT = 8192
CHANNEL_LIMIT = 255
FINDINGS_LIMIT = 1000

_HOUR = timedelta(hours=1)
_ZST = re.compile(r"([012])?(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)?([WS])?", re.ASCII)
_HEAD = re.compile(r"[^(]*")
# Behind this many columns a pattern of the whole row costs more than it saves.
_PATTERN_COLUMNS = 64
# Where a value would stand: `-----`, nothing, `ERROR`, `*****`.
_MISSING = re.compile(r"[-*.?\s]*|ER[A-Z]*\d*", re.ASCII | re.IGNORECASE)
_VALUE = re.compile(r"\(([^()]*)\)")
_NUMBER = re.compile(r"\s*[-+]?\d[\d.,]*(?:\*.*)?", re.ASCII)
_PROFILE = re.compile(r"(?:\d{1,3}-\d{1,3}:)?P\.\d{1,3}", re.ASCII)
# A line that is no row: the head of what follows, the end mark, or noise.
_NO_ROW = re.compile(r"^[^(\r\n]", re.MULTILINE)


class Season(IntEnum):
    """The season digit of a time stamp."""

    NORMAL = 0
    SUMMER = 1
    UTC = 2


@dataclass(frozen=True, slots=True)
class Zst:
    """A VDEW time stamp: ``local`` without zone, and the ``season`` it counts in; None where it does not say.

    ``to_the_second``: it tells the second.
    """

    local: datetime
    season: Season | None = None
    to_the_second: bool = field(default=True, compare=False)

    @classmethod
    def parse(cls, text: str) -> Zst:
        """``[s]yymmddhhmm[ss]`` (ZST10 to ZST13), or ``yymmddhhmmss`` with W or S behind it (P1).

        Raises:
            DecodeError: no such time.
        """
        found = _ZST.fullmatch(text.strip())
        if found is None:
            raise DecodeError(f"not a time stamp [s]yymmddhhmm[ss]: {text!r:.40}", layer="data")
        digit, *numbers, letter = found.groups()
        year, month, day, hour, minute, second = (int(number or 0) for number in numbers)
        try:
            local = datetime(year + (1900 if year >= 90 else 2000), month, day, hour, minute, second)
        except ValueError as error:
            raise DecodeError(f"no such time: {text!r:.40} ({error})", layer="data") from error
        season = None if digit is None else Season(int(digit))
        if letter:
            season = Season.SUMMER if letter == "S" else Season.NORMAL
        return cls(local, season, numbers[-1] is not None)

    @property
    def normal(self) -> datetime:
        """The moment on an axis where each is there once: normal time, or UTC where the meter counts so."""
        return self.local - _HOUR if self.season is Season.SUMMER else self.local

    def deviation(self, zone: int | None) -> int | None:
        """UTC less ``local``, in minutes; ``zone`` is that of normal time, None where it is not known."""
        if self.season is Season.UTC:
            return 0
        return zone if zone is None or self.season is not Season.SUMMER else zone - 60

    def encode(self, *, seconds: bool = True) -> str:
        """ZST13, or ZST11 without seconds; ZST12 and ZST10 where there is no season."""
        season = "" if self.season is None else str(int(self.season))
        return f"{season}{self.local:%y%m%d%H%M%S}" if seconds else f"{season}{self.local:%y%m%d%H%M}"


@dataclass(frozen=True, slots=True)
class Channel:
    """One column: ``code`` and ``unit`` as they stood in the head."""

    code: str
    unit: str


@dataclass(frozen=True, slots=True)
class Head:
    """What stands before rows. ``period`` in minutes, 0 where there is none; ``offset`` in the text."""

    profile: str
    stamp: Zst
    status: str
    period: int
    channels: tuple[Channel, ...]
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Rows:
    """``count`` rows under one head, column by column; the first is row ``first`` under it (from 0).

    An entry of a log book without values has no columns and counts as one row.
    """

    head: Head
    first: int
    count: int
    columns: tuple[tuple[str | None, ...], ...]


class AsciiProfileParser:
    """Reads the text of a profile piece by piece; memory is bounded by a piece and a line.

    Attributes:
        head: the last head read.
        rows: rows read under it: the next one is ``head.period * rows`` minutes behind its stamp.
        findings: liberties the text took, ``FINDINGS_LIMIT`` at most.
        truncated: known after ``finish``: the text breaks off inside a head or a row.
        total: rows read in all.
    """

    __slots__ = (
        "_begun",
        "_ending",
        "_kept",
        "_offset",
        "_open",
        "_pattern",
        "_values",
        "findings",
        "head",
        "rows",
        "strict",
        "total",
        "truncated",
    )

    def __init__(self, *, strict: bool = False) -> None:
        self.strict = strict
        self.head: Head | None = None
        self.rows = 0
        self.total = 0
        self.truncated = False
        self.findings: list[Finding] = []
        # Text behind the last line end; its offset.
        self._kept = ""
        self._offset = 0
        # The beginning of a line that ended inside a value.
        self._open = ""
        # Values of a row that goes on in the next line.
        self._values: list[str] = []
        # Address and fields of a head that goes on in the next line.
        self._begun: tuple[str, list[str]] | None = None
        # In the last line, which has no end: a head that is short breaks off there.
        self._ending = False
        self._pattern: re.Pattern[str] | None = None

    def feed(self, data: bytes) -> list[Rows]:
        """The rows that are whole with these octets.

        Raises:
            DecodeError: ``strict``, and the text breaks the grammar.
            MeterReportedError: the meter sent ``P.01(ERROR)`` instead.
            LimitExceeded: a line without end.
        """
        text = self._kept + data.decode("latin-1")
        end = text.rfind("\n") + 1
        self._kept = text[end:]
        self._check_length(self._kept)
        return self._lines(self._joined(text[:end])) if end else []

    def _check_length(self, line: str) -> None:
        if len(line) > LINE_LIMIT:
            raise LimitExceeded(
                f"a line of a profile does not end after {LINE_LIMIT} characters",
                layer="data",
                offset=self._offset,
                data=line[:64].encode("latin-1"),
            )

    def _joined(self, text: str) -> str:
        """Whole lines; one that ends inside a value goes on in the next."""
        if not self._open and text.count(")\r\n") == text.count("\n"):
            return text
        lines = []
        for line in text.removesuffix("\n").split("\n"):
            line = self._open + line
            self._open = ""
            if line.rfind("(") > line.rfind(")"):
                self._check_length(line)
                self._open = line.rstrip("\r")
                self._find("broken-line", "a line ends inside a value", self._offset)
            else:
                lines.append(line + "\n")
        return "".join(lines)

    def finish(self) -> list[Rows]:
        """The last row, which may come without a line end; nothing more comes.

        Raises:
            DecodeError: ``strict``, and the text breaks off.
        """
        rest = (self._open + self._kept).rstrip("\r ")
        self._open = self._kept = ""
        done: list[Rows] = []
        if rest and rest != "!":
            self._ending = True
            whole = rest.rfind(")") + 1
            if whole < len(rest):
                self._break_off(self._offset + whole)
            done = self._lines(rest[:whole])
        if self._values or self._begun is not None:
            self._values.clear()
            self._begun = None
            self._break_off(self._offset)
        return done

    def _break_off(self, offset: int) -> None:
        if not self.truncated:
            self.truncated = True
            self._find("truncated", "the profile breaks off inside a line", offset)

    def _lines(self, text: str) -> list[Rows]:
        done: list[Rows] = []
        at = 0
        while at < len(text):
            other = _NO_ROW.search(text, at)
            stop = other.start() if other else len(text)
            if stop > at:
                done += self._body(text[at:stop])
            if other is None:
                break
            at = text.find("\n", stop) + 1 or len(text)
            line = text[stop:at]
            for piece in _pieces(line.strip("\r\n ")):
                done += self._line(piece)
            self._offset += len(line)
        return done

    # rows -------------------------------------------------------------------------------------------------------

    def _body(self, text: str) -> Iterator[Rows]:
        """Lines that begin with a bracket."""
        width = len(self.head.channels) if self.head else 0
        if self._pattern is not None and not self._values:
            rows = self._pattern.findall(text)
            lines = text.count("\n") + (not text.endswith("\n"))
            if len(rows) == lines:
                yield self._emit(rows if width > 1 else [(value,) for value in rows])
                self._offset += len(text)
                return
        for line in text.removesuffix("\n").split("\n"):
            first, *heads = _pieces(line)
            yield from self._values_of(_VALUE.findall(first), first)
            for piece in heads:
                yield from self._line(piece.rstrip())
            self._offset += len(line) + 1

    def _values_of(self, values: list[str], line: str) -> Iterator[Rows]:
        """The values of one line: a row, a part of one, or several."""
        if not values:
            if line.strip():
                self._find("stray", f"characters outside of any value: {line[:32]!r}", self._offset)
            return
        if self._begun is not None:
            address, fields = self._begun
            self._begun = None
            if _go_on_with_columns(len(fields), values):
                self._find("head-broken", "a head goes on in the next line", self._offset)
                yield from self._head(address, [*fields, *values])
                return
            self._break_off(self._offset)
        head = self.head
        if head is None or not head.channels:
            yield from self._entries(values)
            return
        width = len(head.channels)
        if self._values:
            if len(values) == width:
                # Not the rest of the row before, which has lost a value: whose, nobody can tell.
                self._find("row-short", f"a row of {len(self._values)} values, {width} expected", self._offset)
                self._values.clear()
                yield self._emit([("",) * width])
            else:
                self._find("row-broken", "a row goes on in the next line", self._offset)
                values = self._values + values
                self._values = []
        whole = len(values) // width * width
        if whole > width:
            self._find("rows-on-line", f"{whole // width} rows on one line", self._offset)
        if whole:
            yield self._emit([tuple(values[at : at + width]) for at in range(0, whole, width)])
        self._values = values[whole:]

    def _entries(self, values: list[str]) -> Iterator[Rows]:
        """``(ZST)(S)(ZST)(S)``: entries of a log book without heads (Iskra), behind its name or not."""
        profile = self.head.profile if self.head else ""
        for stamp, status in zip(values[::2], values[1::2], strict=False):
            try:
                time = Zst.parse(stamp)
            except DecodeError:
                self._find("stray", f"values without a head: ({stamp[:16]})({status[:16]})", self._offset)
                return
            self._find("no-head", "entries without a head: time and status in turn", self._offset)
            self._begin(Head(profile, time, status, 0, (), self._offset))
            yield self._emit([()])
        if len(values) % 2:
            self._find("stray", f"a value without a head: ({values[-1][:16]})", self._offset)

    def _emit(self, rows: list[tuple[str, ...]]) -> Rows:
        assert self.head is not None
        first, self.rows = self.rows, self.rows + len(rows)
        self.total += len(rows)
        columns = tuple(zip(*rows, strict=True))
        return Rows(self.head, first, len(rows), tuple(map(_without_missing, columns)))

    # heads ------------------------------------------------------------------------------------------------------

    def _line(self, line: str) -> list[Rows]:
        """An address and its values: a head, or nothing of a profile."""
        address = _HEAD.match(line)[0].strip()  # type: ignore[index]
        values = [value.strip() for value in _VALUE.findall(line)]
        if address == "!" or not line:
            return []
        if not values:
            self._find("stray", f"characters outside of any value: {line[:32]!r}", self._offset)
            return []
        if not address:
            return list(self._values_of(values, line))
        if self._values:
            self._find("row-short", f"a row of {len(self._values)} values before a head", self._offset)
            self._values.clear()
        if self._begun is not None:
            self._begun = None
            self._break_off(self._offset)
        if _PROFILE.fullmatch(address):
            if values[0].upper().startswith("ER"):
                text = f"the meter answered {address} with the error message ({values[0]})"
                raise MeterReportedError(text, code=values[0], layer="data")
            if not any(values):
                # No row lies in the span asked for.
                return []
        elif len(values) < 4 or not _ZST.fullmatch(values[0]):
            self._find("no-profile", f"a data set that is no profile: {line[:32]!r}", self._offset)
            return []
        return self._head(address, values)

    def _head(self, address: str, values: list[str]) -> list[Rows]:
        try:
            stamp = Zst.parse(values[0])
        except DecodeError as error:
            if self.strict:
                raise
            self._find("head-time", f"a head without a time: {error.message}", self._offset)
            self.head, self._pattern = None, None
            return []
        if len(values) > 2 and _ZST.fullmatch(values[2]):
            # No period has so many digits.
            self._begin(Head(address, stamp, values[1], 0, (), self._offset))
            return list(self._entries(values))
        if stamp.season is None:
            self._find("season-unknown", f"a time stamp without its season: {values[0]}", self._offset)
        if self._ending and len(values) < 4:
            self._break_off(self._offset)
            return []
        status, period, count = (*values[1:4], "", "", "")[:3]
        if len(values) < 4:
            self._find("head-short", f"a head of {len(values)} fields", self._offset)
        width = int(count) if count.isascii() and count.isdigit() and len(count) < 4 else 0
        if count and not width and count.strip("0"):
            self._find("head-columns", f"the number of columns is {count[:16]!r}", self._offset)
        if width > CHANNEL_LIMIT:
            raise LimitExceeded(f"a profile of {width} columns", layer="data", offset=self._offset)
        named, rest = values[4 : 4 + 2 * width], values[4 + 2 * width :]
        if len(named) < 2 * width:
            # A data line has 78 characters at most (6.5), and some meters keep to it.
            self._begun = address, values
            self.head, self._pattern = None, None
            return []
        channels = tuple(Channel(*pair) for pair in zip(named[::2], named[1::2], strict=True))
        self._begin(Head(address, stamp, status, self._period(period), channels, self._offset))
        if not width:
            done = [self._emit([()])]
            return done + (list(self._entries(rest)) if rest else [])
        if rest and self.head is not None and self.head.period:
            self._find("values-behind-head", "values on the line of the head", self._offset)
        return list(self._values_of(rest, "")) if rest else []

    def _period(self, text: str) -> int:
        digits = text.partition("*")[0]
        if digits.isascii() and digits.isdigit() and len(digits) < 7:
            return int(digits)
        if text:
            self._find("head-period", f"the period of a profile is {text[:16]!r}", self._offset)
        return 0

    def _begin(self, head: Head) -> None:
        width = len(head.channels)
        if self.head is None or width != len(self.head.channels) or self._pattern is None:
            row = r"\(([^()\r\n]*)\)" * width
            fits = 0 < width <= _PATTERN_COLUMNS
            self._pattern = re.compile(rf"^{row}\r?$", re.MULTILINE) if fits else None
        self.head, self.rows = head, 0

    def _find(self, code: str, text: str, offset: int) -> None:
        if self.strict and code != "truncated":
            raise DecodeError(f"{text} ({code})", layer="data", offset=offset)
        if self.strict:
            raise DecodeError(text, layer="data", offset=offset, hint="ask for the rest from the first row missing")
        if len(self.findings) < FINDINGS_LIMIT:
            self.findings.append(Finding(code, text, "data", offset))


def _pieces(line: str) -> Iterator[str]:
    """A line cut before each address in it: some meters put several heads on one."""
    start = 0
    for found in re.finditer(r"\)(?=[0-9A-Za-z])", line):
        yield line[start : found.end()]
        start = found.end()
    yield line[start:]


def _go_on_with_columns(fields: int, values: list[str]) -> bool:
    """Whether values behind so many fields of a head are its columns: a unit is no number, and no code is missing."""
    codes, units = (values[(fields + first) % 2 :: 2] for first in (0, 1))
    return not any(map(_MISSING.fullmatch, codes)) and not any(map(_NUMBER.fullmatch, units))


def _without_missing(column: tuple[str, ...]) -> tuple[str | None, ...]:
    # One look at the whole column: most have no value missing.
    joined = "".join(column)
    if joined.replace(".", "").isdigit() and all(column):
        return column
    return tuple(None if _MISSING.fullmatch(value) else value for value in column)


def parse(text: bytes, *, strict: bool = False) -> tuple[list[Rows], AsciiProfileParser]:
    """All rows of a whole text, and the parser, which holds findings, ``truncated`` and where the rows end.

    Raises:
        DecodeError, MeterReportedError, LimitExceeded: see ``AsciiProfileParser.feed``.
    """
    parser = AsciiProfileParser(strict=strict)
    rows = list(chain(parser.feed(text), parser.finish()))
    return rows, parser


def is_missing(text: str) -> bool:
    """``-----``, nothing, ``ERROR``: the meter has no such value."""
    return _MISSING.fullmatch(text) is not None
