"""A meter of ANSI C12.19 behind the doors: its tables, and what identity, registers, profiles and events make of them.

The session knows nothing of what carries the services: packets of C12.18, or messages of C12.22.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final, NoReturn, TypeVar

from metersdk.dialog.c1219_clock import clock_parameters, read_basis, read_clock
from metersdk.dialog.c1219_connection import C1219Connection
from metersdk.dialog.c1219_events import clock_of, read_events
from metersdk.dialog.c1219_procedures import SET_DATE_TIME, ProcedureDesk, Rule, allowed
from metersdk.dialog.c1219_profile import ProfileReader, set_of
from metersdk.dialog.c1219_search import Wanted
from metersdk.dialog.c1219_tables import TableReader, why_not_written
from metersdk.dialog.psem import Access
from metersdk.dialog.session import Code
from metersdk.dialog.snapshot import noted, tried
from metersdk.dialog.timing import Timing, limited
from metersdk.dialog.unserved import Unserved
from metersdk.effects import Dialog, Emit, Hide, Progress
from metersdk.errors import DecodeError, Finding, LocalProtocolError, PsemError
from metersdk.model.c1219.configuration import MANUFACTURER, PENDING
from metersdk.model.c1219.general import DeviceIdentification, ManufacturerIdentification
from metersdk.model.c1219.readings import TABLES as READING_TABLES
from metersdk.model.c1219.readings import readings
from metersdk.model.c1219.vendor_tables import layouts_said
from metersdk.model.clock import DateTime
from metersdk.model.event import Event
from metersdk.model.identity import Identity
from metersdk.model.obis import Obis
from metersdk.model.profile import Profile
from metersdk.model.query import ProfileQuery
from metersdk.model.quirks import Quirks
from metersdk.model.reading import Reading
from metersdk.model.snapshot import Snapshot, TableContent

T = TypeVar("T")

# Registers of now, and of before: at the last reset, season and self-reads.
_CURRENT: Final = (23, 28)
_FORMER: Final = (24, 25, 26)
# Passwords, access rights that name keys, keys.
SECRET: Final = frozenset((42, 44, 45))
# Tables that a snapshot leaves out: what starts procedures and tells of them, and load profile data.
_LEFT_OUT: Final = SECRET | {7, 8, 64, 65, 66, 67}


class C1219Session(Unserved):
    """One meter, logged on to.

    Args:
        connection: open.
        timing: the caller's limits.
        quirks: what is special about this meter.
    """

    def __init__(self, connection: C1219Connection, timing: Timing, quirks: Quirks) -> None:
        self._connection = connection
        self._timing = timing
        self._quirks = quirks
        self._tables = TableReader(connection, layouts_said(quirks.c1219_layouts))
        self._profiles = ProfileReader(connection, self._tables, quirks)
        self._desk = ProcedureDesk(connection)
        self._known: Identity | None = None

    @property
    def name(self) -> str:
        return str(self._known or self._connection.identity)

    def limited(self, dialog: Dialog[T]) -> Dialog[T]:
        return limited(dialog, self._timing)

    def close(self) -> Dialog[None]:
        yield from self._connection.close()

    # --- who and when ------------------------------------------------------------------------------------------------

    def identify(self) -> Dialog[Identity]:
        """Manufacturer, model, serial number and versions from table 1, the utility's own name for it from table 5."""
        if self._known is None:
            yield from self._tables.wish((1, 5))
            made, named = self._tables.tables.find(1), self._tables.tables.find(5)
            told: dict[str, object] = {}
            if isinstance(made, ManufacturerIdentification):
                told = {
                    "manufacturer": made.manufacturer.strip() or None,
                    "model": made.ed_model.strip() or None,
                    "serial_number": made.mfg_serial_number.strip() or None,
                    "hardware": f"{made.hw_version_number}.{made.hw_revision_number}",
                    "firmware": f"{made.fw_version_number}.{made.fw_revision_number}",
                }
            if isinstance(named, DeviceIdentification):
                told["device_id"] = named.identification.strip() or None
            self._known = self._connection.identity.model_copy(update=told)
        return self._known

    def clock(self) -> Dialog[DateTime]:
        """Table 52, or 55.

        Raises:
            LocalProtocolError: the meter has no clock.
        """
        return (yield from read_clock(self._tables, self._quirks))

    def set_clock(self, moment: datetime) -> Dialog[None]:
        """Procedure 10.

        Raises:
            ActionError: the meter refuses it.
        """
        configuration = yield from self._tables.configuration()
        parameters = yield from clock_parameters(self._tables, configuration, self._quirks, moment)
        yield from self._desk.carry_out(SET_DATE_TIME, parameters, configuration.order)

    # --- what it measures --------------------------------------------------------------------------------------------

    def registers(self) -> Dialog[list[Reading]]:
        """The registers of tables 23 to 28, scaled by tables 12, 15 and 16.

        Raises:
            LocalProtocolError: the meter has none.
            PsemError: it refuses them all.
        """
        return (yield from self._readings(_CURRENT + _FORMER))

    def read(self, obis: Code) -> Dialog[Reading]:
        """A register of now; where there is none, one of before."""
        code = Obis.parse(obis)
        for numbers in (_CURRENT, _FORMER):
            try:
                found = yield from self._readings(numbers)
            except LocalProtocolError:
                continue
            for reading in found:
                if reading.obis == code:
                    return reading
        raise LocalProtocolError(
            f"this meter has no register {code.idis.removesuffix('*255')}",
            layer="data",
            hint="registers() has them all (metersdk registers)",
        )

    def _readings(self, numbers: tuple[int, ...]) -> Dialog[list[Reading]]:
        configuration = yield from self._tables.configuration()
        own = (model.NUMBER for model in self._tables.tables.extra)
        present = [number for number in dict.fromkeys((*numbers, *own)) if configuration.has_table(number)]
        if not present:
            raise LocalProtocolError("this meter has no registers (tables 23 to 28)", layer="data")
        self._tables.drop((*_CURRENT, *_FORMER, *present))
        refused: dict[int, PsemError] = {}
        for number in present:
            try:
                yield from self._tables.raw(number)
            except PsemError as refusal:
                refused[number] = refusal
        if len(refused) == len(present):
            raise refused[present[0]]
        for number, error in refused.items():
            yield Emit(Finding("c1219-unread", f"table {number}: {error.message}", "data", hint=error.hint))
        yield from self._tables.wish(number for number in READING_TABLES if number not in _CURRENT + _FORMER)
        basis = yield from read_basis(self._tables, self._quirks)
        taken: list[Finding] = []
        found = readings(self._tables.tables, clock=lambda moment: clock_of(moment, basis), findings=taken)
        yield from map(Emit, taken)
        return found

    def get_profile(self, query: ProfileQuery) -> Dialog[Profile]:
        set_number, wanted = yield from self._wanted(query)
        return (yield from self._profiles.read(set_number, wanted))

    def iter_profile(self, query: ProfileQuery) -> Dialog[object]:
        set_number, wanted = yield from self._wanted(query)
        yield from self._profiles.emit(set_number, wanted)
        return None

    def _wanted(self, query: ProfileQuery) -> Dialog[tuple[int | None, Wanted]]:
        set_number = None if query.code is None else set_of(query.code)
        now = None
        if query.last is not None:
            # The meter's own clock stamps its intervals: a wrong clock must not move the window off them.
            now = (yield from self.clock()).to_datetime()
        start, stop = query.window(now)
        return set_number, Wanted(start, stop, query.entries, query.codes)

    def events(self, query: ProfileQuery) -> Dialog[list[Event]]:
        """The event log (0-0:99.98.0) and the history log (0-0:99.98.1)."""
        now = None
        if query.last is not None:
            now = (yield from self.clock()).to_datetime()
        start, stop = query.window(now)
        return (yield from read_events(self._tables, self._quirks, query.code, start, stop))

    # --- tables ------------------------------------------------------------------------------------------------------

    def table(self, number: int, *, raw: bool = False) -> Dialog[object]:
        _check_number(number)
        if not raw:
            found = yield from self._tables.get(number)
            if found is not None:
                yield from map(Emit, found.findings)
                return found
        return (yield from self._tables.raw(number))

    def write_table(
        self, number: int, octets: bytes, *, offset: int | None = None, write: bool = False
    ) -> Dialog[None]:
        _check_number(number)
        if not write:
            raise LocalProtocolError(f"table {number} would be changed", hint="say write=True (--write)")
        if number % PENDING in (7, 8):
            raise LocalProtocolError(f"table {number} is for procedures", hint="use procedure()")
        configuration = yield from self._tables.configuration()
        if not configuration.has_table(number):
            raise LocalProtocolError(f"this meter has no table {number}", layer="data")
        if number % PENDING in SECRET and octets:
            # New passwords and keys stay out of a record.
            yield Emit(Hide(octets))
        access = Access(int(configuration.data_access))
        try:
            yield from self._connection.ask_once(
                lambda psem: psem.write(number, octets, allow=True, offset=offset, access=access)
            )
        except PsemError as refusal:
            refusal.hint = yield from why_not_written(self._tables, refusal, number, len(octets), offset)
            raise
        self._tables.forget(number)
        if number in (0, 1, 5):
            self._known = None

    def procedure(
        self, number: int | str, parameters: bytes = b"", *, manufacturer: bool = False, write: bool = False
    ) -> Dialog[bytes]:
        wanted = allowed(number, manufacturer=manufacturer, write=write)
        configuration = yield from self._tables.configuration()
        if not configuration.has_procedure(wanted.number, manufacturer=manufacturer):
            raise LocalProtocolError(f"this meter does not list {wanted} in table 0", layer="data")
        answer = yield from self._desk.carry_out(wanted, parameters, configuration.order)
        if wanted.rule is not Rule.FREE:
            # It may have changed the set-up.
            self._tables.forget(None)
        return answer

    def snapshot(self) -> Dialog[Snapshot]:
        """As of any meter, and the tables of the standard that this user may read, raw and decoded; never secrets."""
        findings: list[Finding] = []
        return (yield from noted(self._taken(findings), findings))

    def _taken(self, findings: list[Finding]) -> Dialog[Snapshot]:
        identity = yield from self.identify()
        clock = yield from tried(self.clock, "the clock")
        readings = yield from tried(self.registers, "the registers")
        configuration = yield from self._tables.configuration()
        numbers = sorted(configuration.std_tbls_used - _LEFT_OUT)
        tables: list[TableContent] = []
        for done, number in enumerate(numbers, 1):
            content = yield from tried(lambda number=number: self._content(number), f"table {number}")  # type: ignore[misc]
            if content is not None:
                tables.append(content)
            yield Emit(Progress(done, len(numbers), "objects"))
        return Snapshot(
            identity=identity,
            clock=clock,
            readings=tuple(readings or ()),
            findings=tuple(findings),
            tables=tuple(tables),
        )

    def _content(self, number: int) -> Dialog[TableContent]:
        try:
            decoded = yield from self._tables.get(number)
        except DecodeError as error:
            yield Emit(Finding("snapshot-unread", error.message, "data", error.offset, error.hint))
            decoded = None
        return TableContent(number=number, octets=self._tables.tables.raw(number).hex(), decoded=decoded)

    def _refuse(self, what: str) -> NoReturn:
        raise LocalProtocolError(
            f"{what}: an ANSI meter has tables and procedures, nothing else",
            hint="use registers(), table(), snapshot() (metersdk registers, table, snapshot)",
        )


def _check_number(number: int) -> None:
    if not 0 <= number <= 0xFFFF:
        raise LocalProtocolError(
            f"table {number}: 0 to 65535", hint=f"plus {MANUFACTURER} the manufacturer's own, plus {PENDING} pending"
        )
