"""Reading text profiles and log books in programming mode: ``R5 P.01(from;to)``, part by part, until all is there.

A profile is asked for in parts of ``Quirks.profile_chunk`` minutes. Only what a BCC has proved counts. Where an answer
breaks off, or does not come, the rest is asked for from the first row that is missing, in smaller parts, in another
session if need be; the parts grow again where the line allows it. What never came is named: from when to when.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol, TypeVar

from metersdk.apdu.ascii_profile import AsciiProfileParser, Rows, Season, Zst
from metersdk.dialog.programming import Block, Programming
from metersdk.effects import Dialog, Effect, Emit, Now, Progress
from metersdk.errors import (
    Finding,
    MeterError,
    MeterReportedError,
    NoAnswer,
    PartialResult,
    RemoteProtocolError,
)
from metersdk.model.quirks import Quirks

T = TypeVar("T")
Shape = tuple[object, ...]

_EPOCH = datetime(1970, 1, 1)
_MINUTE = timedelta(minutes=1)
_HOUR = timedelta(hours=1)
# Failures in a row at the smallest part, before it is left out; parts left out in a row, before it is enough.
_TRIES, _SKIPS = 40, 3
# A meter that does not even identify itself counts so many times: its line may be dead.
_SILENCE = 4
# After a failure a part is so many times smaller; after so many successes in a row, twice as large.
_SHRINK, _GROW_AFTER = 4, 3
# The smallest part of a log book, which has no period; of a profile it is one row.
_LOG_PART = timedelta(hours=1)
# Rows that begin later than asked: a season or a zone taken otherwise, or a meter that shifts the answer.
_LOOK_BACK = timedelta(hours=3)
# What the two digits of the year in a time stamp may mean.
_YEARS = range(1990, 2090)
_FINDINGS_LIMIT = 100
# Refusals in a row, amid a profile, before one is believed.
_REFUSALS = 2
_DOUBTS_LIMIT = 1000
# Findings of the parser that damage can make; of a meter that always writes so they are believed once they come again.
_ODD = frozenset(
    ("broken-line", "head-broken", "head-time", "no-profile", "row-broken", "row-short", "rows-on-line", "stray")
)
# Findings of programming mode that tell of a line that damages what it carries.
_DAMAGE = frozenset(("block-repeated", "answer-broken-off", "nak", "no-answer", "parity"))


class Sink(Protocol):
    """Takes the rows in the order of time."""

    def add(self, rows: Rows, first: int) -> Iterator[Effect]: ...


@dataclass(frozen=True, slots=True)
class Span:
    """From when to when, as the meter's own time stamps; None is open."""

    start: Zst | None = None
    stop: Zst | None = None


@dataclass(slots=True)
class Outcome:
    """How a reading went.

    ``missing``: spans of rows that never came, first and last stamp. ``error``: why it was given up, if it was.
    ``extra``: seconds of line time spent on what had to be asked again, of ``seconds`` in all.
    """

    rows: int = 0
    asked: int = 0
    missing: list[tuple[Zst, Zst | None]] = field(default_factory=list)
    error: MeterError | None = None
    extra: float = 0.0
    seconds: float = 0.0
    findings: list[Finding] = field(default_factory=list)


def stamp_at(moment: datetime, season: Season | None) -> Zst:
    """The time stamp of a moment of normal time, in this season (``Zst.normal``)."""
    return Zst(moment + _HOUR if season is Season.SUMMER else moment, season)


def span_of(
    start: datetime | None, stop: datetime | None, quirks: Quirks, *, clock: Zst | None = None, in_utc: bool = False
) -> Span:
    """The bounds of a request. Meters ignore its season digit, or heed it: both then send what is asked for, or more.

    From November to February it is normal time, from April to September summer, unless the ``clock`` says otherwise;
    where it may be either, both are thought of. ``in_utc``: the meter counts so.
    """
    # Two digits of a year stand for 1990 to 2089: a year beyond would be asked for as another one, and bounds nothing.
    start = None if start is not None and start.year <= _YEARS[0] else start
    stop = None if stop is not None and stop.year >= _YEARS[-1] else stop
    if in_utc:
        early, late = _utc_bound(start), _utc_bound(stop)
    else:
        early, late = _first_bound(start, quirks, clock), _last_bound(stop, quirks)
    lead = timedelta(minutes=quirks.profile_lead) + (_HOUR if quirks.stamp == "start" else timedelta())
    return Span(None if early is None else Zst(early.local - lead, early.season), late)


def _first_bound(moment: datetime | None, quirks: Quirks, clock: Zst | None) -> Zst | None:
    """The earlier one of what a moment may mean."""
    if moment is None:
        return None
    season = _usual_season(moment.month)
    usual = None if clock is None else _usual_season(clock.local.month)
    if clock is not None and usual is not None and clock.season not in (usual, None):
        # South of the equator, or where there is no summer time.
        season = None
    normal = _normal(moment, quirks)
    if normal is not None:
        return stamp_at(normal, Season.NORMAL if season is None else season)
    return Zst(moment.replace(tzinfo=None), Season.SUMMER if season is None else season)


def _last_bound(moment: datetime | None, quirks: Quirks) -> Zst | None:
    """The later one; at most an hour more comes, and is cut."""
    if moment is None:
        return None
    normal = _normal(moment, quirks)
    if normal is not None:
        return stamp_at(normal, Season.SUMMER)
    return Zst(moment.replace(tzinfo=None), Season.NORMAL)


def _usual_season(month: int) -> Season | None:
    return {3: None, 10: None}.get(month, Season.SUMMER if 3 < month < 10 else Season.NORMAL)


def _normal(moment: datetime, quirks: Quirks) -> datetime | None:
    """A moment in normal time; None where it is local, or nobody knows how far the meter is from UTC."""
    if moment.tzinfo is None or quirks.local_deviation is None:
        return None
    return moment.astimezone(UTC).replace(tzinfo=None) - quirks.local_deviation * _MINUTE


def _utc_bound(moment: datetime | None) -> Zst | None:
    if moment is None:
        return None
    return Zst(moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None), Season.UTC)


class _Doubt(RemoteProtocolError):
    """An answer that may be damaged though its BCC is right."""


class _CountsInUtc(_Doubt):
    """The first rows have stamps of UTC, and were asked for by local time."""


class ProfileAsker:
    """One reading of ``name`` (``P.01``).

    Args:
        programming: a meter in programming mode; it signs on again by itself after a session that broke.
        sink: takes the rows.
        clock: the meter's time, for reading in parts where the end is open; None: read whole.
    """

    def __init__(
        self, programming: Programming, name: str, quirks: Quirks, sink: Sink, *, clock: Zst | None = None
    ) -> None:
        self.outcome = Outcome()
        self._programming = programming
        self._name = name
        self._quirks = quirks
        self._sink = sink
        self._clock = clock
        self._period = timedelta()
        # The last row handed on.
        self._last: datetime | None = None
        self._season: Season | None = None
        # Log books have several entries with one time stamp: those at the last one.
        self._at_last: list[Rows] = []
        self._skipping = False
        self._expected: datetime | None = None
        self._held: list[Rows] | None = None
        # The line damages what it carries: then a right BCC is not enough where an answer looks odd.
        self._bad_line = False
        self._doubted: Counter[tuple[object, ...]] = Counter()
        self._shape: Shape = ()
        self._varies = False
        self._refusals = 0
        # The season of the first bound.
        self._asked_in: Season | None = None
        # What to ask for instead of a meter that counts in UTC, as long as no row has come.
        self._utc: Span | None = None
        # When the last new row came; and the same at the first of the failures behind it.
        self._seen = 0.0
        self._lost: float | None = None

    def run(self, span: Span, utc: Span | None = None) -> Dialog[Outcome]:
        """Ask until all is there, or no more comes.

        Args:
            span: from when to when.
            utc: the same for a meter whose stamps are of UTC, where its clock has not told.

        Raises:
            MeterReportedError: the meter refuses the profile, and sent no row.
            PortError, AuthenticationFailed, Cancel: as they come.
        """
        began: float = yield Now()
        out = self.outcome
        end = span.stop or self._clock
        position, part = span.start, timedelta(minutes=self._quirks.profile_chunk) or None
        self._expected = None if position is None else position.normal
        self._utc = utc
        self._asked_in = None if position is None else position.season
        failures = skips = successes = 0
        while True:
            stop = self._stop(position, end, part)
            last_part = stop is None or (end is not None and stop.normal >= end.normal)
            rows = out.rows
            asked: float = yield Now()
            self._seen = asked
            error = yield from self._ask(position, span.stop if last_part else stop)
            came = out.rows > rows
            empty = error is None and last_part and not out.rows
            if self._utc is not None and (empty or isinstance(error, _CountsInUtc)):
                span, self._utc = self._utc, None
                end, position = span.stop or self._clock, span.start
                self._expected = None if position is None else position.normal
                continue
            if error is None:
                failures = skips = 0
                successes += 1
                if last_part:
                    break
                position = self._behind(stop)
                if part is not None and successes >= _GROW_AFTER:
                    part, successes = min(part * 2, timedelta(minutes=self._quirks.profile_chunk) or part * 2), 0
                continue
            self._lost = self._seen if self._lost is None else self._lost
            self._bad_line = True
            if error.state == "sign-on":
                yield from self._programming.recover()
            successes = 0
            failures = 0 if came else failures + (_SILENCE if error.state == "sign-on" else 1)
            skips = 0 if came else skips
            behind = self._behind(None)
            if behind is not None and (position is None or behind.normal > position.normal):
                position = behind
            # Before a row has come nobody knows how much a part holds: nothing is left out.
            tries = _TRIES if self._period else _TRIES * _SKIPS
            if position is None or end is None:
                if failures > tries or position is None:
                    out.error = error
                    break
                continue
            whole = end.normal - position.normal
            smallest = self._period or _LOG_PART
            part = max(min(part or whole, whole) // _SHRINK, smallest)
            if failures <= tries or part > smallest:
                continue
            skips += 1
            if skips >= _SKIPS or not self._period or position.normal + part > end.normal:
                out.missing.append((self._row_from(position), span.stop))
                out.error = error
                break
            behind = stamp_at(position.normal + part, position.season)
            first = self._row_from(position)
            out.missing.append((first, stamp_at(max(behind.normal - smallest, first.normal), position.season)))
            position, self._expected, failures = behind, behind.normal, 0
        out.missing = _joined(out.missing, self._period)
        finished: float = yield Now()
        if self._lost is not None:
            out.extra += finished - self._lost
        out.seconds = finished - began
        if out.extra:
            text = f"{out.extra:.1f} s of {out.seconds:.1f} s of line time went into what had to be asked again"
            self._find(Finding("extra-line-time", text, "line", hint="align the probe; a lower speed may be faster"))
        return out

    def _row_from(self, position: Zst) -> Zst:
        """The first row at or behind it, as far as the capture period is known."""
        step = self._period or _MINUTE
        return stamp_at(position.normal + (_EPOCH - position.normal) % step, position.season)

    def _stop(self, position: Zst | None, end: Zst | None, part: timedelta | None) -> Zst | None:
        """The end of the next part, on a boundary of the capture period."""
        if position is None or end is None or part is None:
            return end if part is None or position is not None else None
        step = self._period or 15 * _MINUTE
        raw = position.normal + part
        aligned = raw - (raw - _EPOCH) % step
        return end if aligned >= end.normal else stamp_at(max(aligned, position.normal + _MINUTE), position.season)

    def _behind(self, stop: Zst | None) -> Zst | None:
        """Where to go on: behind the last row, or behind a part without rows."""
        if self._last is None:
            return stop
        following = self._last + self._period
        if stop is not None and stop.normal > following:
            return stop
        return stamp_at(following, self._season)

    def _ask(self, start: Zst | None, stop: Zst | None, *, again: bool = False) -> Dialog[MeterError | None]:
        """One request and its rows; what broke it, or None if the answer is whole."""
        out = self.outcome
        out.asked += 1
        parser = AsciiProfileParser()
        self._skipping = self._last is not None
        bounds = ";".join("" if bound is None else _minute(bound) for bound in (self._early(start), stop))
        error: MeterError | None = None
        read = self._programming.read_blocks(self._name, bounds, self._quirks.profile_command)
        try:
            yield from _watched(read, lambda event: self._heard(event, parser))
            self._refusals = 0
        except MeterReportedError as refusal:
            if refusal.layer != "data":
                # Not this request was refused: an identification was damaged so that it names another mode.
                error = refusal
            elif not out.rows and not out.missing:
                raise
            elif self._refusals < _REFUSALS:
                self._refusals += 1
                error = refusal
            else:
                self._find(Finding("profile-refused", f"{self._name}({bounds}): {refusal.message}", "data"))
        except (NoAnswer, RemoteProtocolError, PartialResult) as failure:
            error = failure
        try:
            yield from self._rows(parser.finish(), parser)
        except _Doubt as doubt:
            error = doubt
        if not isinstance(error, _Doubt):
            for finding in parser.findings:
                self._find(finding)
        if error is None and parser.truncated:
            error = RemoteProtocolError("the answer breaks off inside a row", layer="data", retryable=True)
        held, self._held = self._held, None
        if held is not None:
            try:
                yield from self._look_back(held, again)
            except _Doubt as doubt:
                return doubt
        return error

    def _early(self, start: Zst | None) -> Zst | None:
        """A position reckoned from a head of summer may lie behind the change: meters take it for normal time."""
        if start is None or self._last is None or start.season is not Season.SUMMER or 3 < start.local.month < 10:
            return start
        return Zst(start.local - _HOUR, start.season)

    def _look_back(self, held: list[Rows], again: bool) -> Dialog[None]:
        """Rows that begin behind the one expected: ask for what lies between once, then take them."""
        expected, first = self._expected, held[0]
        self._expected = None
        if expected is not None and not again:
            season = first.head.stamp.season
            start = stamp_at(expected - _LOOK_BACK, season)
            failed = yield from self._ask(start, stamp_at(self._place_of(first, 0), season), again=True)
            if failed is not None and not isinstance(failed, _Doubt):
                self._find(Finding("gap-unproved", f"whether rows were stored there: {failed.message}", "data"))
        self._skipping = self._last is not None
        for rows in held:
            yield from self._take(rows)

    def _place_of(self, rows: Rows, row: int) -> datetime:
        return rows.head.stamp.normal + (rows.first + row) * rows.head.period * _MINUTE

    def _heard(self, event: object, parser: AsciiProfileParser) -> Dialog[None]:
        if isinstance(event, Block):
            yield from self._rows(parser.feed(event.text), parser)
        elif isinstance(event, Finding) and event.code in _DAMAGE:
            self._bad_line = True

    def _rows(self, parts: list[Rows], parser: AsciiProfileParser) -> Dialog[None]:
        odd = tuple(finding.text for finding in parser.findings if finding.code in _ODD)
        if odd:
            self._doubt((self._last if self._bad_line else None, odd))
        if parts and not self.outcome.rows and self._utc is not None and parts[0].head.stamp.season is Season.UTC:
            raise _CountsInUtc("the meter counts in UTC, and was asked in local time", layer="data", retryable=True)
        for rows in parts:
            if self._held is not None:
                self._held.append(rows)
                continue
            expected = self._expected
            if expected is not None and rows.head.period:
                step = rows.head.period * _MINUTE
                if not self.outcome.rows and (self._asked_in, rows.head.stamp.season) == (Season.NORMAL, Season.SUMMER):
                    # South of the equator: a meter that heeds the season begins an hour late.
                    expected = self._expected = expected - _HOUR
                    self._asked_in = None
                behind = next((row for row in range(rows.count) if not self._is_old(self._place_of(rows, row))), None)
                if behind is not None and self._place_of(rows, behind) >= expected + step:
                    self._held = [rows]
                    continue
            yield from self._take(rows)
        if parts:
            yield Emit(Progress(self.outcome.rows, None, "rows"))

    def _is_old(self, moment: datetime) -> bool:
        return self._skipping and self._last is not None and moment <= self._last

    def _take(self, rows: Rows) -> Dialog[None]:
        """Hand on what is new: the first rows of an answer may have come before."""
        first = 0
        if rows.head.period:
            self._period = rows.head.period * _MINUTE
            while first < rows.count and self._is_old(self._place_of(rows, first)):
                first += 1
        elif self._skipping and self._last is not None:
            moment = self._place_of(rows, 0)
            if moment < self._last or (moment == self._last and _same_entry(rows, self._at_last)):
                return
        if first == rows.count:
            return
        if rows.head.period:
            sure = self._sure(rows, first)
            if sure < rows.count:
                if sure > first:
                    yield from self._take(Rows(rows.head, rows.first, sure, tuple(c[:sure] for c in rows.columns)))
                cells = tuple(column[sure] for column in rows.columns)
                self._doubt((self._place_of(rows, sure), rows.head.status, rows.head.channels, cells))
        self._shape = _merged(_shape(rows, rows.count - 1), self._shape)
        self._skipping = False
        last = self._place_of(rows, rows.count - 1)
        self._at_last = [*self._at_last, rows] if last == self._last else [rows]
        self._last, self._season = last, rows.head.stamp.season
        self._expected = last + self._period if self._period else None
        self.outcome.rows += rows.count - first
        early = self._place_of(rows, first)
        self.outcome.missing = [each for each in self.outcome.missing if not early <= each[0].normal <= last]
        yield from self._sink.add(rows, first)
        self._seen = yield Now()
        if self._lost is not None:
            self.outcome.extra += self._seen - self._lost
            self._lost = None

    def _sure(self, rows: Rows, first: int) -> int:
        """The number of the first row, from ``first`` on, that looks odd and has not come often enough."""
        expected = self._last + self._period if self._last is not None else None
        shape = self._shape or _commonest([_shape(rows, row) for row in range(first, rows.count)])
        for row in range(first, rows.count):
            moment = self._place_of(rows, row)
            cells = tuple(column[row] for column in rows.columns)
            odd = not _alike(_shape(rows, row), shape) and (self._bad_line or not self._varies)
            odd = odd or (self._bad_line and not self._shape)
            jumps = self._bad_line and expected is not None and moment != expected
            if odd or jumps:
                if not self._is_sure((moment, rows.head.status, rows.head.channels, cells)):
                    return row
                # It came twice alike: this meter's values have more digits at one time than at another.
                self._varies = True
            shape, expected = _merged(_shape(rows, row), shape), moment + self._period
        return rows.count

    def _is_sure(self, what: tuple[object, ...]) -> bool:
        return self._doubted[what] >= (2 if self._bad_line else 1)

    def _doubt(self, what: tuple[object, ...]) -> None:
        """Octets that are lost in twos can leave the BCC right: what looks odd must come twice alike, on a bad line
        three times.

        Raises:
            _Doubt: it has not come often enough.
        """
        if len(self._doubted) >= _DOUBTS_LIMIT:
            self._doubted.clear()
        if not self._is_sure(what):
            self._doubted[what] += 1
            raise _Doubt("an answer with a right BCC looks damaged; asked for again", layer="data", retryable=True)

    def _find(self, finding: Finding) -> None:
        known = self.outcome.findings
        if len(known) < _FINDINGS_LIMIT and all(
            (each.code, each.text) != (finding.code, finding.text) for each in known
        ):
            self.outcome.findings.append(finding)


def _joined(spans: list[tuple[Zst, Zst | None]], step: timedelta) -> list[tuple[Zst, Zst | None]]:
    """Spans of which one follows the other as one."""
    joined: list[tuple[Zst, Zst | None]] = []
    for first, last in spans:
        before = joined[-1][1] if joined else None
        if before is not None and before.normal + step == first.normal:
            joined[-1] = (joined[-1][0], last)
        else:
            joined.append((first, last))
    return joined


def _same_entry(rows: Rows, others: list[Rows]) -> bool:
    return any(rows.head.status == other.head.status and rows.columns == other.columns for other in others)


def _minute(stamp: Zst) -> str:
    """ZST11; a season is always told, for some meters count the digits."""
    return Zst(stamp.local, stamp.season if stamp.season is not None else Season.NORMAL).encode(seconds=False)


def _shape(rows: Rows, row: int) -> Shape:
    """What rows of one profile have in common: period, columns, and the number of digits of each value."""
    widths = tuple(None if (text := column[row]) is None else len(text) for column in rows.columns)
    return (rows.head.period, len(rows.head.status), rows.head.channels, *widths)


def _commonest(shapes: list[Shape]) -> Shape:
    return Counter(shapes).most_common(1)[0][0]


def _alike(one: Shape, other: Shape) -> bool:
    """A value that is missing looks like any."""
    return one[:3] == other[:3] and all(a is None or b is None or a == b for a, b in zip(one, other, strict=True))


def _merged(one: Shape, before: Shape) -> Shape:
    if one[:3] != before[:3]:
        return one
    return tuple(b if a is None else a for a, b in zip(one, before, strict=True))


def _watched(dialog: Dialog[T], take: Callable[[object], Dialog[None]]) -> Dialog[T]:
    """``dialog``, what it emits taken; blocks are not passed on. An answer that cannot be taken is heard to its end."""
    refused: MeterError | None = None
    try:
        effect: Effect = next(dialog)
        while True:
            if isinstance(effect, Emit) and isinstance(effect.event, Block | Finding):
                if isinstance(effect.event, Finding):
                    yield effect
                try:
                    if refused is None:
                        yield from take(effect.event)
                except MeterError as error:
                    refused = error
                effect = dialog.send(None)
                continue
            try:
                answer = yield effect
            except BaseException as error:
                effect = dialog.throw(error)
            else:
                effect = dialog.send(answer)
    except StopIteration as end:
        if refused is not None:
            raise refused from None
        value: T = end.value
        return value
