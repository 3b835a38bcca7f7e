"""Reading a profile generic (Blue Book part 2, class 7): its head, then its buffer row by row as the blocks arrive.

The meter is asked to select what is wanted, by range, by entry, and by columns. Where it cannot, or refuses, more is
read and cut here, and a finding says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Protocol

from metersdk.apdu import axdr
from metersdk.apdu.columns import concat
from metersdk.apdu.initiate import Conformance
from metersdk.apdu.results import DataAccessResult
from metersdk.apdu.xdlms import AttributeDescriptor, GetRequest, Invoke, Item, Selection
from metersdk.dialog import dlms
from metersdk.dialog.seam import Seam, Take
from metersdk.dialog.selection import by_entry, by_range
from metersdk.effects import Dialog, Effect, Emit, Progress
from metersdk.errors import (
    DataAccessError,
    DecodeError,
    ExceptionResponse,
    Finding,
    LocalProtocolError,
    MeterError,
    PartialResult,
    SecurityError,
)
from metersdk.model.column import CaptureObject
from metersdk.model.cosem.kinds import CAPTURE_OBJECT, array_of
from metersdk.model.obis import Obis
from metersdk.model.profile import Profile, ProfileDecoder, ProfileHead, SortMethod
from metersdk.model.quantity import Unit
from metersdk.model.quirks import Quirks

CLASS = 7
_BUFFER, _CAPTURE_OBJECTS, _CAPTURE_PERIOD, _SORT_METHOD, _SORT_OBJECT, _IN_USE = range(2, 8)
_QUIRKS = Quirks()
# Blocks of a whole profile are decoded when they are one part in so many of what was decoded before.
_PATIENCE = 16
# Values of registers, and where their scaler and unit stand (Blue Book, classes 3, 4 and 5).
_SCALER_UNIT = {(3, 2): 3, (4, 2): 3, (5, 2): 4, (5, 3): 4}
# The ends of an open range: every meter can represent them, and no row lies beyond.
_BEGINNING, _END = datetime(2000, 1, 1), datetime(2099, 12, 31, 23, 59, 59)

# Entries asked for once more where reading goes on: as many new rows may have been stored meanwhile.
_OVERLAP = 4

Scaler = tuple[int, Unit]
Span = tuple[datetime | None, datetime | None]
# After this error, and with fresh rows before it or not: the exchange to go on with, if there is one.
Mend = Callable[[MeterError, bool], Dialog[dlms.Exchange | None]]


@dataclass(frozen=True, slots=True)
class _Generic:
    """What the attributes of a profile generic say about its buffer."""

    obis: Obis
    captures: tuple[CaptureObject, ...]
    period: int
    sort: SortMethod
    sort_object: CaptureObject | None
    in_use: int | None
    scalers: tuple[Scaler | None, ...] = ()

    def head(self, columns: Sequence[int]) -> ProfileHead:
        return ProfileHead.of(
            [self.captures[n] for n in columns],
            period=self.period,
            sort=self.sort,
            obis=self.obis,
            scalers=[self.scalers[n] for n in columns],
        )

    @property
    def clock(self) -> int | None:
        """The column with the time stamps."""
        return next((n for n, capture in enumerate(self.captures) if _is_clock(capture)), None)

    @property
    def time_object(self) -> CaptureObject | None:
        """What a range of time restricts: the clock column, or a clock that sorts the buffer without being captured."""
        if self.clock is not None:
            return self.captures[self.clock]
        return self.sort_object if self.sort_object is not None and _is_clock(self.sort_object) else None


def _is_clock(capture: CaptureObject) -> bool:
    return (capture.class_id, capture.attribute) == (8, 2)


class Cut(Protocol):
    """Cuts one piece of a profile after the other."""

    def __call__(self, piece: Profile) -> Profile: ...


@dataclass(frozen=True, slots=True)
class _Plan:
    """One way to ask: what the meter selects, the columns it then sends, the rows left to cut here."""

    selection: Selection | None
    columns: tuple[int, ...]
    cut: Callable[[], Cut] | None
    tolerated: str = ""


def read_profile(
    ex: dlms.Exchange,
    obis: Obis | str | bytes,
    *,
    start: datetime | None = None,
    stop: datetime | None = None,
    entries: tuple[int, int] | None = None,
    columns: Sequence[Obis | str] | None = None,
    quirks: Quirks = _QUIRKS,
    mend: Mend | None = None,
) -> Dialog[Profile]:
    """Read a profile.

    Args:
        start, stop: time span, both ends included; naive times are the meter's local time.
        entries: first and last entry, counted from 1 in the order of the buffer; last 0 = to the end.
        columns: objects wanted, in the order of the profile; its clock comes with them. None: all.
        quirks: what is special about this meter.
        mend: gives an exchange to go on with after an error, or None; reading goes on behind the last row.

    Raises:
        LocalProtocolError: span and entries together, or a column that the profile does not capture.
        DataAccessError: the meter refuses the capture objects or the buffer.
        DecodeError: capture objects that are none. Damage within the buffer is reported by the profile instead.
        PartialResult: reading broke off; ``result`` is the profile of the rows that came before, ``truncated``, and
            ``__cause__`` says why. Not for a SecurityError, nor where no row had come.
    """
    pieces: list[Profile] = []

    def keep(piece: Profile) -> Iterable[Effect]:
        pieces.append(piece)
        return ()

    try:
        yield from _read(ex, obis, start, stop, entries, columns, quirks, keep, mend, patient=True)
    except SecurityError:
        raise
    except MeterError as error:
        if not any(pieces):
            raise
        raise broken_off(Profile.concat(pieces), error) from error
    return Profile.concat(pieces)


def broken_off(home: Profile, error: MeterError) -> PartialResult:
    clock = home.clock
    last = None if clock is None else next(filter(None, map(clock.moment, reversed(range(len(home))))), None)
    return PartialResult(
        f"reading broke off after {len(home)} rows: {error.message}",
        result=home,
        layer=error.layer,
        state=error.state,
        retryable=error.retryable,
        hint=error.hint if last is None else f"ask for the rest from {last.isoformat()}",
    )


def iter_profile(
    ex: dlms.Exchange,
    obis: Obis | str | bytes,
    *,
    start: datetime | None = None,
    stop: datetime | None = None,
    entries: tuple[int, int] | None = None,
    columns: Sequence[Obis | str] | None = None,
    quirks: Quirks = _QUIRKS,
    mend: Mend | None = None,
) -> Dialog[None]:
    """Like ``read_profile``, and emits the rows as ``Profile`` pieces while they arrive; the last may be empty.

    Where reading breaks off, the last piece is ``truncated``, and the error itself is raised behind it.
    """
    yield from _read(ex, obis, start, stop, entries, columns, quirks, lambda piece: (Emit(piece),), mend)


def _read(
    ex: dlms.Exchange,
    obis: Obis | str | bytes,
    start: datetime | None,
    stop: datetime | None,
    entries: tuple[int, int] | None,
    columns: Sequence[Obis | str] | None,
    quirks: Quirks,
    take: Take,
    mend: Mend | None,
    *,
    patient: bool = False,
) -> Dialog[None]:
    if entries is not None and (start is not None or stop is not None):
        raise LocalProtocolError("give a time span or entries, not both", layer="data")
    while True:
        try:
            generic = yield from _read_generic(ex, Obis.parse(obis), quirks)
            break
        except MeterError as error:
            now = None if mend is None else (yield from mend(error, False))
            if now is None:
                raise
            ex = now
    wanted = _wanted(generic, columns)
    seam = Seam(take)
    plans = _fitting(ex, generic, _plans(ex, generic, wanted, start, stop, entries, quirks))
    at = 0
    while at < len(plans):
        reader = _Reader(generic, plans[at], wanted, quirks, seam.take, patient)
        try:
            yield from dlms.stream(ex, CLASS, generic.obis.octets, _BUFFER, plans[at].selection, reader.feed)
        except (DataAccessError, ExceptionResponse) as refusal:
            if at == len(plans) - 1 or reader.fed or not _is_about_selection(refusal):
                yield from _left_off(reader, seam)
                raise
            at += 1
            continue
        except MeterError as error:
            yield from reader.pause()
            now = None if mend is None else (yield from mend(error, seam.fresh))
            if now is None:
                yield from _left_off(reader, seam)
                raise
            ex = now
            rest, again = _rest(ex, generic, seam, (start, stop), entries)
            resumed = _fitting(ex, generic, _plans(ex, generic, wanted, *rest, again, quirks))
            plans = [replace(plan, tolerated="") for plan in resumed]
            seam.open(order=0 if rest == (start, stop) else -1 if generic.sort is SortMethod.LIFO else 1)
            at = 0
            continue
        if at < len(plans) - 1 and (yield from reader.has_other_columns()):
            at += 1
            continue
        yield from reader.finish()
        if seam.is_open:
            yield from reader.leave_off()
            raise DecodeError(f"the rest of the profile does not join on to row {seam.rows}", layer="data")
        return


def _left_off(reader: _Reader, seam: Seam) -> Iterator[Effect]:
    """Nothing more comes, for an error is under way: hand out what is there, and raise nothing instead of it."""
    if reader.fed:
        yield from reader.break_off()
    elif seam.rows:
        yield from reader.leave_off()


def _rest(
    ex: dlms.Exchange, generic: _Generic, seam: Seam, span: Span, entries: tuple[int, int] | None
) -> tuple[Span, tuple[int, int] | None]:
    """The span or the entries behind the last row, that row included, as far as this meter can be asked for them."""
    if Conformance.SELECTIVE_ACCESS not in ex.conformance or not seam.rows:
        return span, entries
    moment = seam.moment
    if entries is None and generic.time_object is not None and moment is not None:
        match generic.sort:
            case SortMethod.FIFO:
                return (moment, span[1]), None
            case SortMethod.LIFO:
                return (span[0], moment), None
    if span == (None, None):
        first, last = entries or (1, 0)
        return span, (max(first, first + seam.rows - _OVERLAP), last)
    return span, entries


def _is_about_selection(refusal: DataAccessError | ExceptionResponse) -> bool:
    """Whether the meter may answer the same question with less selection. Meters name nearly any reason for it."""
    if isinstance(refusal, DataAccessError):
        return refusal.result != DataAccessResult.TEMPORARY_FAILURE
    return refusal.invocation_counter is None


class _Reader:
    """Decodes the blocks of a buffer and hands out its pieces, cut to what is wanted.

    If ``patient``, blocks are kept until they are a good part of what was read before: decoding many at once costs
    little more than decoding one, and nobody waits for the rows.
    """

    def __init__(
        self,
        generic: _Generic,
        plan: _Plan,
        wanted: tuple[int, ...],
        quirks: Quirks,
        take: Take,
        patient: bool,
    ) -> None:
        self.fed = False
        self._decoder = ProfileDecoder(generic.head(plan.columns), quirks=quirks)
        self._head = generic.head(wanted)
        self._keep = [plan.columns.index(n) for n in wanted]
        self._selects = len(plan.columns) < len(generic.captures)
        self._cut = plan.cut() if plan.cut else None
        self._total = generic.in_use if plan.selection is None else None
        self._take = take
        self._patient = patient
        self._kept: list[bytes] = []
        self._waiting = 0
        self._octets = 0
        self._notes = [Finding("profile-selection", plan.tolerated, "data")] if plan.tolerated else []

    def feed(self, raw: bytes) -> Iterator[Effect]:
        if not self.fed:
            self.fed = True
            yield from map(Emit, self._notes)
        self._kept.append(raw)
        self._waiting += len(raw)
        if not self._patient or self._waiting * _PATIENCE >= self._octets:
            yield from self._decode()

    def _decode(self) -> Iterator[Effect]:
        raw = b"".join(self._kept)
        self._kept.clear()
        self._octets += self._waiting
        self._waiting = 0
        piece = self._decoder.feed(raw)
        if len(piece):
            cut = self._fitted(piece)
            if len(cut):
                yield from self._take(cut)
            total = self._decoder.announced
            yield Emit(Progress(self._decoder.rows, self._total if total is None else total, "rows"))

    def finish(self, *, broken: bool = False) -> Iterator[Effect]:
        if self._kept:
            yield from self._decode()
        last = self._decoder.finish()
        cut = self._fitted(last)
        # Of a buffer that broke off it is no news that its end is missing.
        found = (each for each in last.findings if not (broken and each.code in ("truncated", "row-count")))
        findings = (*self._notes, *found)
        yield from self._take(Profile(self._head, cut.table, truncated=broken or last.truncated, findings=findings))

    def pause(self) -> Iterator[Effect]:
        """Hand out the whole rows that are there."""
        if self._kept:
            with suppress(DecodeError):
                yield from self._decode()

    def has_other_columns(self) -> Dialog[bool]:
        """Whether columns were selected, and rows of another shape came: some meters send all of them all the same."""
        if not self._selects:
            return False
        yield from self._decode()
        return self._decoder.is_misshapen

    def break_off(self) -> Iterator[Effect]:
        """Hand out what is there, as a profile that lacks its end."""
        with suppress(DecodeError):
            yield from self.finish(broken=True)

    def leave_off(self) -> Iterator[Effect]:
        """Say that rows are missing where nothing else is left to say."""
        yield from self._take(Profile(self._head, truncated=True))

    def _fitted(self, piece: Profile) -> Profile:
        cut = self._cut(piece) if self._cut is not None else piece
        if len(self._keep) == len(piece.columns):
            return cut
        return Profile(self._head, replace(cut.table, columns=tuple(cut.table.columns[n] for n in self._keep)))


# --- how to ask ------------------------------------------------------------------------------------------------------


def _wanted(generic: _Generic, columns: Sequence[Obis | str] | None) -> tuple[int, ...]:
    """The columns to return, by number, in the order of the profile."""
    everything = tuple(range(len(generic.captures)))
    if columns is None:
        return everything
    asked = {Obis.parse(column) for column in columns}
    missing = asked - {capture.obis for capture in generic.captures}
    if missing:
        raise LocalProtocolError(
            f"the profile {generic.obis} does not capture {', '.join(sorted(map(str, missing)))}",
            layer="data",
            hint="it has " + ", ".join(str(capture.obis) for capture in generic.captures),
        )
    return tuple(n for n in everything if generic.captures[n].obis in asked or n == generic.clock)


def _fitting(ex: dlms.Exchange, generic: _Generic, plans: Iterable[_Plan]) -> list[_Plan]:
    """Those only that are no longer than the meter takes, if there are any: there are no blocks for a GET request."""
    every = list(plans)
    buffer = AttributeDescriptor(CLASS, generic.obis.octets, _BUFFER)
    return [plan for plan in every if dlms.fits(ex, GetRequest(Invoke(), buffer, plan.selection))] or every


def _plans(
    ex: dlms.Exchange,
    generic: _Generic,
    wanted: tuple[int, ...],
    start: datetime | None,
    stop: datetime | None,
    entries: tuple[int, int] | None,
    quirks: Quirks,
) -> Iterator[_Plan]:
    """Ways to ask, the most selective first, the whole buffer last."""
    everything = tuple(range(len(generic.captures)))
    selective = Conformance.SELECTIVE_ACCESS in ex.conformance
    if start is not None or stop is not None:
        clock, restricting = generic.clock, generic.time_object
        if restricting is None or (clock is None and not selective):
            raise LocalProtocolError(
                f"the profile {generic.obis} has no clock column to select a time span by", layer="data"
            )
        if selective:
            low, high = _bounds(start, stop, quirks)

            def ranged(columns: Sequence[CaptureObject]) -> Selection:
                return by_range(
                    restricting,
                    low,
                    high,
                    columns,
                    bounds=quirks.range_bounds,
                    deviation=quirks.range_deviation,
                    deviation_sign=quirks.deviation_sign,
                )

            tolerated = ""
            if wanted != everything and quirks.range_columns:
                yield _Plan(ranged([generic.captures[n] for n in wanted]), wanted, None)
                tolerated = "the meter does not select columns by range; they are cut here"
            yield _Plan(ranged(()), everything, None, tolerated)
        if clock is not None:
            yield _Plan(
                None,
                everything,
                lambda: SpanCut(clock, start, stop),
                "the meter does not select by range; the whole buffer is read and cut here",
            )
        return
    if entries is not None or wanted != everything:
        first, last = entries or (1, 0)
        by_entry(first, last)
        if selective:
            tolerated = ""
            if wanted != everything:
                columns = tuple(range(wanted[0], wanted[-1] + 1)) if wanted else everything
                yield _Plan(by_entry(first, last, columns[0] + 1, columns[-1] + 1), columns, None)
                tolerated = "the meter does not select columns by entry; they are cut here"
            if entries is not None:
                yield _Plan(by_entry(first, last), everything, None, tolerated)
        what = "entry" if entries is not None else "columns"
        yield _Plan(
            None,
            everything,
            (lambda: EntryCut(first, last)) if entries is not None else None,
            f"the meter does not select by {what}; the whole buffer is read and cut here",
        )
        return
    yield _Plan(None, everything, None)


def _bounds(start: datetime | None, stop: datetime | None, quirks: Quirks) -> tuple[datetime, datetime]:
    zone = (start or stop or _BEGINNING).tzinfo
    low, high = start or _BEGINNING.replace(tzinfo=zone), stop or _END.replace(tzinfo=zone)
    if quirks.range_deviation == "undefined" and quirks.local_deviation is not None:
        local = timezone(timedelta(minutes=-quirks.local_deviation))
        low, high = (bound.astimezone(local) if bound.tzinfo else bound for bound in (low, high))
    return low, high


class EntryCut:
    """Keeps entries ``first`` to ``last``, counted from 1; last 0 = to the end."""

    def __init__(self, first: int, last: int) -> None:
        self.first = first - 1
        self.last = last or None
        self.seen = 0

    def __call__(self, piece: Profile) -> Profile:
        low, self.seen = self.seen, self.seen + len(piece)
        start = max(self.first - low, 0)
        stop = len(piece) if self.last is None else max(min(self.last - low, len(piece)), 0)
        return piece[start : max(stop, start)]


class SpanCut:
    """Keeps the rows from ``start`` to ``stop``, both included.

    A naive bound is compared with the local time of the row; so is any bound where the row does not say how far its
    local time is from UTC. Rows without a time are left out.
    """

    def __init__(self, clock: int, start: datetime | None, stop: datetime | None) -> None:
        self.clock = clock
        self.start = start
        self.stop = stop

    def __call__(self, piece: Profile) -> Profile:
        column, runs = piece.columns[self.clock], list[list[int]]()
        for row in range(len(piece)):
            if not self.holds(column.moment(row) if column.is_clock else None):
                continue
            if runs and runs[-1][1] == row:
                runs[-1][1] = row + 1
            else:
                runs.append([row, row + 1])
        parts = [piece.table.part(first, behind) for first, behind in runs]
        return Profile(piece.head, concat(parts) if parts else piece.table.part(0, 0))

    def holds(self, time: datetime | None) -> bool:
        """Whether a row of this time is kept."""
        if time is None:
            return False
        after = self.start is None or _difference(time, self.start) >= timedelta()
        return after and (self.stop is None or _difference(time, self.stop) <= timedelta())


def _difference(time: datetime, bound: datetime) -> timedelta:
    if time.tzinfo is not None and bound.tzinfo is not None:
        return time - bound
    return time.replace(tzinfo=None) - bound.replace(tzinfo=None)


# --- the head --------------------------------------------------------------------------------------------------------


def _read_generic(ex: dlms.Exchange, obis: Obis, quirks: Quirks) -> Dialog[_Generic]:
    """Read what is needed to make sense of the buffer. All but the capture objects may be missing."""
    numbers = (_CAPTURE_OBJECTS, _CAPTURE_PERIOD, _SORT_METHOD, _SORT_OBJECT, _IN_USE)
    singly = not quirks.get_with_list
    results = yield from dlms.get_list(ex, [_item(CLASS, obis, number) for number in numbers], singly=singly)
    captured, period, sort, sort_object, in_use = results
    if not isinstance(captured, bytes):
        raise dlms.data_access_error(captured, f"capture objects of the profile {obis}")
    captures = array_of(CAPTURE_OBJECT).decode(axdr.decode_all(captured))
    if not captures:
        raise DecodeError(f"the profile {obis} captures nothing", layer="data", hint="it must be set up first")
    generic = _Generic(
        obis,
        captures,
        _period(_number(period)) * (60 if quirks.capture_period_unit == "min" else 1),
        _sort(_number(sort)),
        _capture_object(sort_object),
        _number(in_use),
    )
    scalers = yield from _read_scalers(ex, captures, singly)
    return replace(generic, scalers=scalers)


def _read_scalers(
    ex: dlms.Exchange, captures: Sequence[CaptureObject], singly: bool
) -> Dialog[tuple[Scaler | None, ...]]:
    """Scaler and unit of every captured register value; what the meter does not tell stays unknown."""
    places = [
        (capture.class_id, capture.obis, _SCALER_UNIT.get((capture.class_id, capture.attribute)))
        for capture in captures
    ]
    asked = list(dict.fromkeys((class_id, obis, number) for class_id, obis, number in places if number))
    results = yield from dlms.get_list(ex, [_item(*place) for place in asked], singly=singly)
    known: dict[tuple[int, Obis, int | None], Scaler] = {}
    for place, result in zip(asked, results, strict=True):
        scaler = _scaler(result)
        if scaler is not None:
            known[place] = scaler
            continue
        reason = "no scaler and unit" if isinstance(result, bytes) else result.describe
        yield Emit(Finding("scaler-unknown", f"{place[1]}: {reason}; its values are as the meter sent them", "data"))
    return tuple(known.get(place) for place in places)


def _item(class_id: int, obis: Obis, attribute: int) -> Item:
    return AttributeDescriptor(class_id, obis.octets, attribute), None


def _decoded(result: bytes | DataAccessResult) -> axdr.Data | None:
    if not isinstance(result, bytes):
        return None
    try:
        return axdr.decode_all(result)
    except DecodeError:
        return None


def _number(result: bytes | DataAccessResult) -> int | None:
    data = _decoded(result)
    return data.value if data is not None and isinstance(data.value, int) else None


def _period(number: int | None) -> int:
    """A double-long-unsigned; anything else is no period to reckon with."""
    return number if number is not None and 0 <= number <= 0xFFFF_FFFF else 0


def _sort(number: int | None) -> SortMethod:
    return SortMethod(number) if number in set(SortMethod) else SortMethod.FIFO


def _capture_object(result: bytes | DataAccessResult) -> CaptureObject | None:
    data = _decoded(result)
    try:
        return None if data is None else CAPTURE_OBJECT.decode(data)
    except DecodeError:
        return None


def _scaler(result: bytes | DataAccessResult) -> Scaler | None:
    data = _decoded(result)
    match None if data is None else data.python():
        case (int(scaler), int(unit)) if -128 <= scaler <= 127 and 0 <= unit <= 255:
            return scaler, Unit(unit)
    return None
