"""Tables of one ANSI meter, read as they are needed: what describes others is read once and kept, values never are.

What is kept belongs to one meter with one configuration. In a new session tables 0 and 1 are read again; if they are
others than before, all that was kept is forgotten.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TypeVar

from metersdk.apdu.psem import Response
from metersdk.dialog.c1219_connection import C1219Connection
from metersdk.dialog.psem import Access, Psem
from metersdk.effects import Dialog, Emit
from metersdk.errors import DecodeError, Finding, LimitExceeded, LocalProtocolError, MeterError, PsemError
from metersdk.model.c1219.configuration import PENDING, Configuration, listed
from metersdk.model.c1219.registry import Model, TableSet, model_for
from metersdk.model.c1219.security_tables import SECRET_TABLES, ActualSecurity
from metersdk.model.c1219.table import C1219Table

T = TypeVar("T", bound=C1219Table)

GENERAL, IDENTIFICATION = 0, 1
_ACT_SECURITY, _SECURITY = 41, 42
# Tables whose content changes by itself, or by what is read; all others of the standard are the meter's set-up.
_CHANGING: Final = frozenset((3, 4, 7, 8, 23, 25, 26, 28, 32, *range(42, 46), 52, 55, 56, *range(63, 68), 74, 76))
_SET_UP: Final = frozenset(range(80)) - _CHANGING
# A table that is too long for one answer, or cannot be had as it was asked for.
_NOT_SO: Final = (Response.ONP, Response.IAR, Response.RSTL, Response.SGNP)
# The same for writing: a table that has other octets than those that were given.
_WRONG_PLACE: Final = (Response.ERR, Response.ONP, Response.IAR)
# Octets of table 0 that tell how long it is.
_HEAD: Final = 19
# Octets of a table whose length nobody tells: it ends with the first octet that cannot be read.
_LONGEST: Final = 1 << 18


class TableReader:
    """Reads and keeps the tables of one meter.

    Args:
        connection: sessions with it.
        extra: tables that its maker describes.

    Attributes:
        tables: what is known by now.
    """

    def __init__(self, connection: C1219Connection, extra: Iterable[Model] = ()) -> None:
        self.tables = TableSet(extra=extra)
        self._connection = connection
        self._session = 0
        self._mark: bytes | None = None
        self._refused: set[int] = set()

    def configuration(self) -> Dialog[Configuration]:
        """Table 0, read once in each session.

        Raises:
            PsemError: refused.
            DecodeError: it makes no sense.
        """
        if self._session != self._connection.sessions:
            yield from self._check()
        return self.tables.configuration

    def _check(self) -> Dialog[None]:
        """In a new session: whether it is still the same meter, with the same configuration."""
        general = yield from self._connection.keep_asking(_table_0)
        mark = general + ((yield from self._whole(IDENTIFICATION, general)) or b"")
        if mark != self._mark:
            if self._mark is not None:
                text = "the meter, or its configuration, is another one than before: its tables are read again"
                yield Emit(Finding("c1219-configuration", text, "data"))
            self.tables = TableSet(extra=self.tables.extra)
            self._refused.clear()
            self._mark = mark
        self.tables.add(GENERAL, general)
        self._session = self._connection.sessions

    def forget(self, number: int | None) -> None:
        """This table, or all of them, may have changed: what was kept is read again."""
        if number is None or number in (GENERAL, IDENTIFICATION):
            self._session = 0
            self._mark = None
        else:
            self.drop((number,))

    def drop(self, numbers: Iterable[int]) -> None:
        """What was read of these tables is old."""
        old = frozenset(numbers)
        if not old.isdisjoint(self.tables):
            self.tables = TableSet(
                {each: self.tables.raw(each) for each in self.tables if each not in old}, self.tables.extra
            )

    def _whole(self, number: int, general: bytes) -> Dialog[bytes | None]:
        if not Configuration.decode(general).has_table(number):
            return None
        try:
            octets = yield from self._connection.keep_asking(lambda psem: _in_parts(psem, number, None))
        except PsemError:
            return None
        return octets

    def raw(self, number: int) -> Dialog[bytes]:
        """The octets of a table, as they are now.

        Raises:
            LocalProtocolError: table 0 does not list it, or it holds passwords or keys.
            PsemError: refused.
        """
        if number % PENDING in SECRET_TABLES:
            raise LocalProtocolError(
                f"table {number} holds passwords or keys", hint="without raw=True (--raw) its structure is shown"
            )
        configuration = yield from self._listing(number)
        if number == GENERAL:
            return self.tables.raw(GENERAL)
        access = Access(int(configuration.data_access))
        octets = yield from self._connection.keep_asking(lambda psem: _in_parts(psem, number, access))
        self.tables.add(number, octets)
        return octets

    def _listing(self, number: int) -> Dialog[Configuration]:
        """Table 0, which lists this table.

        Raises:
            LocalProtocolError: it does not.
        """
        configuration = yield from self.configuration()
        if not configuration.has_table(number):
            raise LocalProtocolError(
                f"this meter has no table {number}", layer="data", hint=f"it has {listed(configuration.table_numbers)}"
            )
        return configuration

    def _structure(self, number: int) -> Dialog[None]:
        """A table of passwords or keys without them: they stay in the meter, and so out of every record of the line.

        Of table 42 the octet behind each password is read, of table 45 nothing: in it there is nothing else.

        Raises:
            LocalProtocolError: table 0 does not list it, or the meter lets no parts of tables be read.
            PsemError: refused.
        """
        configuration = yield from self._listing(number)
        limits = yield from self.typed(_ACT_SECURITY, ActualSecurity)
        if limits is None:
            raise LocalProtocolError(f"table {number}: the meter has no table 41, which says what is in it")
        if number % PENDING != _SECURITY:
            self.tables.add(number, bytes(limits.nbr_keys * limits.key_len))
            return
        if limits.nbr_passwords and not Access(int(configuration.data_access)) & Access.OFFSET:
            raise LocalProtocolError(
                f"table {number} is not read: the meter gives it with its passwords, or not at all",
                hint="DATA_ACCESS of table 0 allows no reads by offset",
            )
        found = bytearray()
        for _ in range(limits.nbr_passwords):
            at = len(found) + limits.password_len
            found += bytes(limits.password_len)
            found += yield from self._connection.keep_asking(
                lambda psem, at=at: psem.read(number, offset=at, count=1)  # type: ignore[misc]
            )
        self.tables.add(number, bytes(found))

    def get(self, number: int) -> Dialog[C1219Table | None]:
        """A table, decoded; what it needs is read first. None where nothing is known of its fields.

        The set-up of a meter is read once; what changes is read each time.

        Raises:
            LocalProtocolError: table 0 does not list it.
            PsemError: it, or a table that it needs, is refused.
            DecodeError: its octets do not fit its description.
        """
        yield from self.configuration()
        if number % PENDING in SECRET_TABLES:
            yield from self._structure(number)
        elif number not in _SET_UP or number not in self.tables:
            yield from self.raw(number)
        if model_for(number, self.tables.extra) is None:
            return None
        yield from self.need(self.tables.missing(number))
        return self.tables.get(number)

    def need(self, numbers: Iterable[int]) -> Dialog[None]:
        """Read those of these tables that the meter has and that are not known yet."""
        configuration = yield from self.configuration()
        for number in numbers:
            if configuration.has_table(number) and number not in self.tables:
                yield from self.raw(number)

    def wish(self, numbers: Iterable[int]) -> Dialog[None]:
        """As ``need``, but what is refused is only a finding, once."""
        for number in [each for each in numbers if each not in self._refused]:
            try:
                yield from self.need((number,))
            except PsemError as refusal:
                self._refused.add(number)
                yield Emit(Finding("c1219-unread", f"table {number}: {refusal.message}", "data", hint=refusal.hint))

    def typed(self, number: int, kind: type[T]) -> Dialog[T | None]:
        """A table as the model ``kind``; None where the meter does not have it.

        Raises:
            PsemError, DecodeError: as ``get``.
        """
        configuration = yield from self.configuration()
        if not configuration.has_table(number):
            return None
        found = yield from self.get(number)
        return found if isinstance(found, kind) else None


def why_not_written(
    tables: TableReader, refusal: PsemError, number: int, count: int, offset: int | None
) -> Dialog[str]:
    """The hint for a meter that refused to have ``count`` octets written to a table."""
    configuration = yield from tables.configuration()
    if not configuration.may_write(number):
        return "table 0 does not list it among the tables that can be written"
    if refusal.response not in _WRONG_PLACE:
        return refusal.hint
    try:
        size = len((yield from tables.raw(number)))
    except MeterError:
        return "so many octets as the table has are written at once, or fewer from one of them on: offset= (--offset)"
    if offset is None and count != size:
        return f"the table has {size} octets: give them all, or say from which on with offset= (--offset)"
    if offset is not None and offset + count > size:
        return f"the table has {size} octets, and these would go beyond"
    return "the meter takes no such values there, or no parts of this table: see DATA_ACCESS of table 0"


def _table_0(psem: Psem) -> Dialog[bytes]:
    """Table 0; in parts where an answer is too short for it."""
    if psem.max_read > 4 * _HEAD:
        return (yield from _in_parts(psem, GENERAL, None))
    head = yield from psem.read(GENERAL, offset=0, count=_HEAD)
    std, mfg, std_proc, mfg_proc = head[13:17]
    size = 2 * (std + mfg) + std_proc + mfg_proc
    return head + (yield from psem.read(GENERAL, offset=_HEAD, count=size)) if size else head


def _in_parts(psem: Psem, number: int, access: Access | None) -> Dialog[bytes]:
    """A table of unknown length: whole, else by offset until there is nothing more.

    Raises:
        PsemError: refused either way.
    """
    try:
        return (yield from psem.read(number))
    except PsemError as refusal:
        if refusal.response not in _NOT_SO or (access is not None and not access & Access.OFFSET):
            raise
        found = yield from _until_the_end(psem, number)
        if not found:
            raise
        return found


def _until_the_end(psem: Psem, number: int) -> Dialog[bytes]:
    found = bytearray()
    count = psem.max_read
    while count:
        try:
            found += yield from psem.read(number, offset=len(found), count=count)
        except (PsemError, DecodeError) as error:
            if isinstance(error, PsemError) and error.response not in _NOT_SO:
                raise
            # Behind the end: the last octets are found by halves.
            count //= 2
        if len(found) > _LONGEST:
            raise LimitExceeded(f"table {number} has more than {_LONGEST} octets", layer="data")
    return bytes(found)
