"""Which rows and columns of which profile a caller wants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from metersdk.errors import LocalProtocolError
from metersdk.model.obis import Obis
from metersdk.model.span import Moment, moment, span


@dataclass(frozen=True, slots=True)
class ProfileQuery:
    """A profile, and the part of it that is wanted: at most one of start and stop, last, and entries.

    The fields are the arguments of ``Meter.get_profile``.

    Raises:
        LocalProtocolError: two of them are given, or one makes no sense.
    """

    obis: str | bytes | Obis | None = None
    start: Moment | None = None
    stop: Moment | None = None
    last: str | timedelta | None = None
    entries: tuple[int, int] | None = None
    columns: Sequence[str] | None = None

    def __post_init__(self) -> None:
        given = (self.start is not None or self.stop is not None) + (self.last is not None) + (self.entries is not None)
        if given > 1:
            raise LocalProtocolError("give start and stop, or last, or entries")
        if isinstance(self.columns, (str, bytes)):
            raise LocalProtocolError("columns is a list of OBIS codes", hint=f"columns=[{self.columns!r:.40}]")
        if self.entries is not None:
            self._check_entries()

    def _check_entries(self) -> None:
        match self.entries:
            case (int() as first, int() as last) if last == 0 or first <= last:
                return
        raise LocalProtocolError(
            f"entries={self.entries!r:.40}: no first and last entry",
            hint="entries=(1, 96); 0 as the second is the last one",
        )

    @property
    def code(self) -> Obis | None:
        """The profile named, if one is."""
        return None if self.obis is None else Obis.parse(self.obis)

    @property
    def codes(self) -> list[Obis] | None:
        """The columns named, if any are."""
        return None if self.columns is None else [Obis.parse(column) for column in self.columns]

    def window(self, now: datetime | None) -> tuple[datetime | None, datetime | None]:
        """The first and last moment wanted; ``now`` is the meter's own time, needed where ``last`` is given.

        Raises:
            LocalProtocolError: no such time or span, or one that begins before year 1.
        """
        if self.last is not None and now is not None:
            try:
                return now - span(self.last), None
            except OverflowError as error:
                raise LocalProtocolError(f"nothing was metered {self.last} ago") from error
        first, end = moment(self.start), moment(self.stop)
        # Local and zoned times cannot be compared here: only the meter knows its zone.
        if first and end and (first.tzinfo is None) == (end.tzinfo is None) and first > end:
            raise LocalProtocolError(f"start {first} is later than stop {end}")
        return first, end
