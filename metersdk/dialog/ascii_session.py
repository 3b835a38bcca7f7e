"""Profiles and events of a meter in programming mode: what a query means there, and the rows as ``Profile``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from metersdk.apdu.ascii_profile import Rows, Season, Zst
from metersdk.apdu.dataset import DataSet
from metersdk.dialog.ascii_profile import Outcome, ProfileAsker, Span, span_of
from metersdk.dialog.programming import Programming
from metersdk.effects import Dialog, Effect, Emit
from metersdk.errors import DecodeError, Finding, LocalProtocolError, MeterError, PartialResult, ServiceError
from metersdk.model.ascii_profile import AsciiProfileBuilder, profile_name, rows_between
from metersdk.model.event import LOG_BOOK, Event, events_of_text
from metersdk.model.obis import Obis
from metersdk.model.profile import Profile
from metersdk.model.query import ProfileQuery
from metersdk.model.quirks import Quirks
from metersdk.model.text import clock_text

LOAD_PROFILE = Obis("1.0.99.1.0.255")
_TIME, _DATE = "0.9.1", "0.9.2"
# Spans that a message names; all of them stand in the findings.
_NAMED = 3


def read_clock(programming: Programming) -> Dialog[Zst | None]:
    """The meter's clock from 0.9.2 and 0.9.1; None if it does not tell it."""
    for command in ("R5", "R1"):
        try:
            day = yield from programming.read(_DATE, command=command)
            of_day = yield from programming.read(_TIME, command=command)
        except ServiceError:
            continue
        try:
            return Zst.parse(clock_text(_text(day), _text(of_day)))
        except DecodeError:
            return None
    return None


def _text(data_sets: Sequence[DataSet]) -> str:
    return data_sets[0].value.text if data_sets and data_sets[0].values else ""


def read_profile(programming: Programming, query: ProfileQuery, quirks: Quirks) -> Dialog[Profile]:
    """A profile, selected by time; entries and columns are cut here.

    Raises:
        MeterReportedError: the meter refuses the profile.
        PartialResult: rows never came; ``result`` is the profile of those that did, ``truncated``, and its findings
            and the message name the spans that are missing.
    """
    builder = AsciiProfileBuilder(query.code or LOAD_PROFILE, quirks)
    asker, cut, notes = yield from _prepared(programming, query, quirks, builder, lambda: ())
    outcome = yield from asker.run(*cut.spans)
    profile = cut(builder.take(truncated=_is_partial(outcome), findings=(*notes, *_told(outcome))))
    yield from map(Emit, profile.findings)
    if _is_partial(outcome):
        raise _partial(outcome, profile)
    return profile


def iter_profile(programming: Programming, query: ProfileQuery, quirks: Quirks) -> Dialog[None]:
    """The same, emitted as ``Profile`` pieces while they arrive; the last one may be empty, and has the findings.

    A column's scaler may become smaller from one piece to the next, where the meter sends more decimals.
    """
    builder = AsciiProfileBuilder(query.code or LOAD_PROFILE, quirks)
    cuts: list[_Cut] = []

    def pieces() -> Iterator[Effect]:
        piece = cuts[0](builder.take())
        if len(piece):
            yield Emit(Profile(piece.head, piece.table))

    asker, cut, notes = yield from _prepared(programming, query, quirks, builder, pieces)
    cuts.append(cut)
    outcome = yield from asker.run(*cut.spans)
    last = cut(builder.take(truncated=_is_partial(outcome), findings=(*notes, *_told(outcome))))
    yield from map(Emit, last.findings)
    yield Emit(last)
    if _is_partial(outcome):
        raise _partial(outcome, last)


class _Sink:
    def __init__(self, builder: AsciiProfileBuilder, then: Callable[[], Iterable[Effect]]) -> None:
        self._builder = builder
        self._then = then

    def add(self, rows: Rows, first: int) -> Iterator[Effect]:
        self._builder.add(rows, first)
        yield from self._then()


def _prepared(
    programming: Programming,
    query: ProfileQuery,
    quirks: Quirks,
    builder: AsciiProfileBuilder,
    then: Callable[[], Iterable[Effect]],
) -> Dialog[tuple[ProfileAsker, _Cut, list[Finding]]]:
    name = profile_name(builder.obis)
    clock = yield from read_clock(programming)
    if clock is None and query.last is not None:
        raise DecodeError(
            "the meter does not tell its clock (0.9.1, 0.9.2)", layer="data", hint="give start= and stop="
        )
    start, stop = query.window(None if clock is None else clock.local)
    notes = []
    if query.entries is not None:
        text = "a text profile is selected by time only; all of it is read and cut here"
        notes.append(Finding("profile-selection", text, "data"))
    cut = _Cut(query, start, stop, _spans(start, stop, quirks, clock))
    asker = ProfileAsker(programming, name, quirks, _Sink(builder, then), clock=_later(clock))
    return asker, cut, notes


def _later(clock: Zst | None) -> Zst | None:
    """An end that is surely behind the last row, whatever the season."""
    return None if clock is None else replace(clock, local=clock.local + timedelta(minutes=1), season=Season.NORMAL)


def _spans(
    start: datetime | None, stop: datetime | None, quirks: Quirks, clock: Zst | None
) -> tuple[Span, Span | None]:
    """What to ask for; and what instead, if the meter turns out to count in UTC and its clock has not told."""
    utc = span_of(start, stop, quirks, in_utc=True)
    if clock is not None and clock.season is Season.UTC:
        return utc, None
    local = span_of(start, stop, quirks, clock=clock)
    return local, utc if utc != local else None


class _Cut:
    """Cuts one piece after the other to what was asked for.

    ``spans`` is what has to be asked for.
    """

    def __init__(
        self,
        query: ProfileQuery,
        start: datetime | None,
        stop: datetime | None,
        spans: tuple[Span, Span | None],
    ) -> None:
        self.spans = spans
        self._start, self._stop = start, stop
        self._columns = query.codes
        first, last = query.entries or (1, 0)
        if first < 1 or (last and last < first):
            raise LocalProtocolError(f"entries {first} to {last}: they count from 1, and 0 is the last one")
        self._entries = (first - 1, last or None)
        self._seen = 0

    def __call__(self, piece: Profile) -> Profile:
        table = rows_between(piece, self._start, self._stop)
        first, last = self._entries
        low, self._seen = self._seen, self._seen + table.rows
        table = table.part(max(first - low, 0), table.rows if last is None else max(min(last - low, table.rows), 0))
        keep = self._kept(piece)
        head = piece.head.model_copy(update={"columns": tuple(piece.head.columns[n] for n in keep)})
        table = replace(table, columns=tuple(table.columns[n] for n in keep))
        return Profile(head, table, truncated=piece.truncated, findings=piece.findings)

    def _kept(self, piece: Profile) -> list[int]:
        if self._columns is None:
            return list(range(len(piece.columns)))
        missing = [code for code in self._columns if all(column.obis != code for column in piece.columns)]
        if missing and len(piece.columns) > 2:
            raise LocalProtocolError(
                f"the profile {piece.head.obis} does not capture {', '.join(map(str, missing))}",
                layer="data",
                hint="it has " + ", ".join(str(column.obis) for column in piece.columns),
            )
        return [n for n, column in enumerate(piece.columns) if n == 0 or column.obis in self._columns]


def _is_partial(outcome: Outcome) -> bool:
    return outcome.error is not None or bool(outcome.missing)


def _told(outcome: Outcome) -> list[Finding]:
    spans = [Finding("missing-interval", f"never came: {text}", "line") for text in map(_span_text, outcome.missing)]
    return [*outcome.findings, *spans]


def _span_text(span: tuple[Zst, Zst | None]) -> str:
    first, last = span
    return f"{_stamp_text(first)} to {'the end' if last is None else _stamp_text(last)}"


def _stamp_text(stamp: Zst) -> str:
    words = {Season.SUMMER: " summer time", Season.UTC: " UTC", Season.NORMAL: " normal time", None: ""}
    return f"{stamp.local.isoformat(timespec='minutes')}{words[stamp.season]}"


def _partial(outcome: Outcome, profile: Profile) -> MeterError:
    """What the caller gets: the failure itself where no row came, else what came."""
    error = outcome.error
    if not outcome.rows and error is not None:
        return error
    spans = [_span_text(span) for span in outcome.missing]
    named = "; ".join(spans[:_NAMED]) + (f"; and {len(spans) - _NAMED} more" if len(spans) > _NAMED else "")
    reason = "" if error is None else f": {error.message}"
    partial = PartialResult(
        f"{outcome.rows} rows came, not all{reason}; missing: {named or 'the end'}",
        result=profile,
        layer="line" if error is None else error.layer,
        state="programming",
        retryable=True,
        hint="ask for the spans that are missing; " + (error.hint if error is not None and error.hint else "shade it"),
    )
    partial.__cause__ = error
    return partial


def read_events(programming: Programming, query: ProfileQuery, quirks: Quirks) -> Dialog[list[Event]]:
    """The entries of a log book, P.98 unless the query names another.

    Raises:
        MeterReportedError: the meter has no such log book.
        PartialResult: entries never came; ``result`` are those that did.
    """
    log = query.code or LOG_BOOK
    collected: list[Event] = []

    class Collect:
        def add(self, rows: Rows, first: int) -> Iterator[Effect]:
            part = Rows(rows.head, rows.first + first, rows.count - first, tuple(c[first:] for c in rows.columns))
            collected.extend(events_of_text(part, log, quirks))
            return iter(())

    clock = yield from read_clock(programming)
    if clock is None and query.last is not None:
        raise DecodeError(
            "the meter does not tell its clock (0.9.1, 0.9.2)", layer="data", hint="give start= and stop="
        )
    start, stop = query.window(None if clock is None else clock.local)
    whole = replace(quirks, profile_chunk=0, stamp="end", profile_lead=0)
    asker = ProfileAsker(programming, profile_name(log), whole, Collect(), clock=_later(clock))
    outcome = yield from asker.run(*_spans(start, stop, whole, clock))
    events = [event for event in collected if _within(event.time, start, stop)]
    yield from map(Emit, _told(outcome))
    if _is_partial(outcome):
        error = outcome.error
        if not outcome.rows and error is not None:
            raise error
        raise PartialResult(f"{len(events)} entries came, not all", result=events, layer="line", retryable=True)
    return events


def _within(time: datetime | None, start: datetime | None, stop: datetime | None) -> bool:
    return (
        time is not None and (start is None or _not_before(time, start)) and (stop is None or _not_before(stop, time))
    )


def _not_before(time: datetime, bound: datetime) -> bool:
    if time.tzinfo is not None and bound.tzinfo is not None:
        return time >= bound
    return time.replace(tzinfo=None) >= bound.replace(tzinfo=None)
