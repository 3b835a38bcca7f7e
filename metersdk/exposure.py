"""What a meter shows, and allows, to somebody who knows no password: a report with severities.

Nothing is written, no method is invoked, and no password is tried, not even a maker's default one: what the meter says
of its own access rights is taken for writing, and what it answers is taken for reading.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

from metersdk.errors import (
    AssociationRefused,
    DecodeError,
    Finding,
    LocalProtocolError,
    MeterError,
    PartialResult,
    SecurityError,
    ServiceError,
)
from metersdk.meter import Meter, connect
from metersdk.model.c1219.configuration import MANUFACTURER, Configuration, listed
from metersdk.model.c1219.load_profile import profile_code
from metersdk.model.cosem.base import Access, CosemObject
from metersdk.model.cosem.registry import class_name, model_for
from metersdk.model.cosem.view import ObjectView
from metersdk.model.identity import Identity
from metersdk.model.obis import Obis

PUBLIC_CLIENT: Final = 16
_GUARDED: Final = Access.AUTHENTICATED_REQUEST | Access.ENCRYPTED_REQUEST | Access.SIGNED_REQUEST
_REGISTERS: Final = (3, 4, 5)
# IEC 62056-21 gives the clock these codes; every meter has one of them.
_CLOCK_CODES: Final = ("0.9.1", "0.9.2", "1.0.0")


# Tables of an ANSI meter that are not asked for: procedures, load profiles (a row is enough), passwords, rights, keys.
_PROFILE_TABLES: Final = frozenset((64, 65, 66, 67))
_NOT_ASKED: Final = frozenset((7, 8, 42, 44, 45)) | _PROFILE_TABLES
_REGISTER_TABLES: Final = frozenset((23, 24, 25, 26, 28))
_PROFILE_SETUP: Final = frozenset((61, 62, 63))
_CLOCKS: Final = frozenset((52, 55))
_LOGS: Final = {74: "history log", 76: "event log"}
# Tables of the standard that are told of by themselves.
_TOLD: Final = frozenset((0, 1, 5, *_LOGS)) | _REGISTER_TABLES | _CLOCKS
_TABLE_ADVICE: Final = "ask the operator to let only passwords of some level read it (table 44)"


class Severity(IntEnum):
    """How bad it is that somebody without a password can do this."""

    INFO = 0
    """Needed to talk to the meter at all, or harmless."""
    LOW = 1
    """Tells meters apart, or tells how this one is set up."""
    MEDIUM = 2
    """Tells how its customer lives: consumption, profiles, logs."""
    HIGH = 3
    """Changes what the meter records, or whom it talks to."""
    CRITICAL = 4
    """Cuts the supply, changes the firmware, or gives the keys away."""


@dataclass(frozen=True, slots=True)
class Exposed:
    """One thing that is open.

    Attributes:
        code: stable and machine-readable (``"write-control"``).
        text: what it is, in one sentence.
        where: object and member (``"0.0.96.3.10.255 method 1"``), or the 62056-21 address.
        proof: ``"read"`` where the meter gave it, ``"rights"`` where it only says that it would.
        hint: what to ask of the operator or maker.
    """

    severity: Severity
    code: str
    text: str
    where: str
    proof: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Exposure:
    """What one client without a password reaches.

    ``client`` is whose rights they are, None where the protocol knows no clients. ``refused`` says why there was no
    association, empty if there was one; ``findings`` is what the protocol tolerated.
    """

    client: int | None
    identity: Identity | None
    items: tuple[Exposed, ...]
    refused: str = ""
    findings: tuple[Finding, ...] = ()

    @property
    def worst(self) -> Severity:
        """The highest severity; INFO where nothing is open."""
        return max((item.severity for item in self.items), default=Severity.INFO)


# What writing to an object, or invoking one of its methods, does; 0 stands for any member of the class.
_WRITES: Final[dict[tuple[int, int], tuple[Severity, str]]] = {
    (1, 0): (Severity.HIGH, "writes a value of the meter's configuration"),
    (7, 0): (Severity.HIGH, "changes what a profile records"),
    (8, 0): (Severity.HIGH, "sets the clock, and with it the time of every value"),
    (9, 0): (Severity.CRITICAL, "changes what the meter's scripts do"),
    (15, 0): (Severity.CRITICAL, "changes who may do what"),
    (15, 7): (Severity.CRITICAL, "sets the password"),
    (18, 0): (Severity.CRITICAL, "prepares new firmware"),
    (19, 0): (Severity.HIGH, "changes the optical port, and its passwords"),
    (20, 0): (Severity.HIGH, "changes the tariffs"),
    (22, 0): (Severity.HIGH, "makes scripts run when the meter should not"),
    (29, 0): (Severity.HIGH, "makes the meter call somebody else"),
    (40, 0): (Severity.HIGH, "sends the meter's data somewhere else"),
    (64, 0): (Severity.CRITICAL, "changes keys or the security policy"),
    (70, 0): (Severity.CRITICAL, "changes how the supply is cut and restored"),
    (71, 0): (Severity.CRITICAL, "changes when the supply is cut"),
    (115, 0): (Severity.CRITICAL, "enters prepayment tokens"),
}
_METHODS: Final[dict[tuple[int, int], tuple[Severity, str]]] = {
    (3, 1): (Severity.HIGH, "sets a register back"),
    (4, 1): (Severity.HIGH, "sets a register back"),
    (5, 1): (Severity.HIGH, "sets a register back"),
    (7, 1): (Severity.HIGH, "erases a profile"),
    (7, 2): (Severity.MEDIUM, "records a row out of turn"),
    (8, 0): (Severity.HIGH, "moves the clock"),
    (9, 1): (Severity.CRITICAL, "runs a script"),
    # reply_to_HLS_authentication is there for those who have no association yet.
    (15, 1): (Severity.INFO, "takes the proof of high-level authentication"),
    (15, 0): (Severity.CRITICAL, "changes who may do what"),
    (18, 0): (Severity.CRITICAL, "transfers and activates firmware"),
    (40, 1): (Severity.HIGH, "makes the meter send its data"),
    (64, 0): (Severity.CRITICAL, "changes keys or the security policy"),
    (70, 1): (Severity.CRITICAL, "cuts the supply"),
    (70, 2): (Severity.CRITICAL, "restores the supply"),
    (115, 0): (Severity.CRITICAL, "enters prepayment tokens"),
}
_ANY_WRITE: Final = (Severity.HIGH, "writes")
_ANY_METHOD: Final = (Severity.HIGH, "invokes a method")
# Objects whose reading tells more than the state of the meter.
_READS: Final[dict[tuple[int, int], tuple[Severity, str]]] = {
    (15, 7): (Severity.CRITICAL, "gives the password away"),
    (27, 0): (Severity.LOW, "tells how its modem is set up"),
    (28, 0): (Severity.LOW, "tells when its modem answers"),
    (29, 0): (Severity.MEDIUM, "tells whom its modem calls"),
    (40, 0): (Severity.LOW, "tells where the meter sends its data"),
    (41, 0): (Severity.LOW, "tells how it is reached by network"),
    (42, 0): (Severity.LOW, "tells its network address"),
    (44, 0): (Severity.MEDIUM, "tells its PPP credentials, in many meters"),
    (45, 0): (Severity.LOW, "tells its access point"),
    (46, 0): (Severity.MEDIUM, "tells its mail account"),
    (48, 0): (Severity.LOW, "tells its network address"),
}
_ADVICE: Final = "ask the operator to take this right from the public client"


def examine(target: str, *, client: int = PUBLIC_CLIENT, **options: Any) -> Exposure:
    """What a client without a password reaches at ``target``.

    Args:
        target, options: as ``connect`` takes them; passwords and keys have no place here.
        client: whose rights; 16 is the public client.

    Raises:
        LocalProtocolError: a password, keys or an authentication was given.
        PortError, NoAnswer, RemoteProtocolError: the meter cannot be reached, or speaks no protocol known.
    """
    given = [name for name in ("password", "keys", "authentication", "security") if options.get(name) is not None]
    if given:
        raise LocalProtocolError(f"{given[0]}: what is open without one is looked for", hint="leave it out")
    return examined(_connected(target, client, options), client)


def examined(opening: AbstractContextManager[Meter], client: int) -> Exposure:
    """As ``examine``, of a meter that ``opening`` connects without a password."""
    try:
        with opening as meter:
            identity = meter.identity
            spoken = identity.protocol.partition(":")[0]
            look = {"dlms": _over_dlms, "c1218": _over_tables, "c1222": _over_tables}.get(spoken, _over_text)
            items = tuple(sorted(look(meter), key=lambda item: -item.severity))
            whose = client if spoken == "dlms" else None
            return Exposure(whose, identity, items, "", tuple(meter.findings))
    except (AssociationRefused, SecurityError) as refusal:
        return Exposure(client, None, (), refusal.message)


@contextmanager
def _connected(target: str, client: int, options: dict[str, Any]) -> Iterator[Meter]:
    with connect(target, client=client, **options) as meter:
        yield meter


# --- DLMS/COSEM ------------------------------------------------------------------------------------------------------


def _over_dlms(meter: Meter) -> Iterator[Exposed]:
    view = _answered(lambda: meter.objects)
    if view is None:
        yield Exposed(Severity.INFO, "objects-hidden", "the list of objects is refused", "association view", "read")
        return
    text = f"the list of its {len(view.all)} objects, with the rights on them"
    yield Exposed(Severity.LOW, "objects", text, "association view", "read", "a smaller list for the public client")
    for item in view.all:
        yield from _rights(item)
    yield from _readable(meter, view)


def _rights(item: CosemObject) -> Iterator[Exposed]:
    """What the meter says this client may write and invoke."""
    for number, access in sorted(item.attribute_access.items()):
        if Access.WRITE in access and not access & _GUARDED:
            severity, what = _of(_WRITES, item.class_id, number, _ANY_WRITE)
            where = f"{item.logical_name} attribute {number} ({_member(item, number)})"
            yield Exposed(severity, f"write-{_word(item)}", f"{_object(item)}: {what}", where, "rights", _ADVICE)
        found = _READS.get((item.class_id, number)) or _READS.get((item.class_id, 0))
        if found and number > 1 and Access.READ in access and not access & _GUARDED:
            where = f"{item.logical_name} attribute {number} ({_member(item, number)})"
            yield Exposed(found[0], f"read-{_word(item)}", f"{_object(item)}: {found[1]}", where, "rights", _ADVICE)
    for number, access in sorted(item.method_access.items()):
        if Access.INVOKE in access and not access & _GUARDED:
            severity, what = _of(_METHODS, item.class_id, number, _ANY_METHOD)
            where = f"{item.logical_name} method {number}"
            yield Exposed(
                severity, f"invoke-{_word(item)}", f"{_object(item)}: {what}", where, "rights", _ADVICE * bool(severity)
            )


def _readable(meter: Meter, view: ObjectView) -> Iterator[Exposed]:
    """What is really given away when it is asked for."""
    if meter.identity.serial_number or meter.identity.logical_device_name:
        name = meter.identity.serial_number or meter.identity.logical_device_name
        yield Exposed(Severity.LOW, "identity", f"who the meter is: {name}", "0.0.96.1.0.255, 0.0.42.0.0.255", "read")
    if _answered(lambda: meter.clock) is not None:
        yield Exposed(Severity.INFO, "clock", "the time of the meter", "0.0.1.0.0.255", "read")
    if any(view.of_class(number) for number in _REGISTERS):
        readings = _answered(meter.registers) or []
        if readings:
            codes = ", ".join(str(reading.obis) for reading in readings[:3]) + (", .." if len(readings) > 3 else "")
            text = f"{len(readings)} registers with their values"
            yield Exposed(Severity.MEDIUM, "registers", text, codes, "read", _ADVICE)
    for profile in view.of_class(7):
        yield from _profile(meter, profile.logical_name)


def _profile(meter: Meter, code: Obis) -> Iterator[Exposed]:
    """One row is proof enough."""
    rows = _answered(lambda: meter.get_profile(code, entries=(1, 1)))
    if rows is not None and len(rows):
        columns = f"{len(rows.columns)} columns"
        kind = "log" if code.c == 99 and code.d == 98 else "profile"
        text = f"{kind} {code}: what was recorded, and when ({columns})"
        yield Exposed(Severity.MEDIUM, f"read-{kind}", text, f"{code} attribute 2 (buffer)", "read", _ADVICE)


def _of(
    table: dict[tuple[int, int], tuple[Severity, str]], class_id: int, number: int, default: tuple[Severity, str]
) -> tuple[Severity, str]:
    return table.get((class_id, number)) or table.get((class_id, 0)) or default


def _object(item: CosemObject) -> str:
    return item.name or class_name(item.class_id)


def _word(item: CosemObject) -> str:
    return class_name(item.class_id).lower().replace(" ", "-")


def _member(item: CosemObject, number: int) -> str:
    row = model_for(item.class_id, item.version).table(item.version).get(number)
    return row.name if row is not None else "unknown"


# --- IEC 62056-21 ----------------------------------------------------------------------------------------------------


def _over_text(meter: Meter) -> Iterator[Exposed]:
    home = _answered(meter.readout)
    if home is not None and home.data_sets:
        text = f"the readout: {len(home.data_sets)} data sets, whoever holds a probe to the meter"
        yield Exposed(Severity.MEDIUM, "readout", text, "readout", "read", "some families can shorten their readout")
    try:
        with meter.programming() as mode:
            for code in _CLOCK_CODES:
                if _answered(lambda code=code: mode.read(code)):  # type: ignore[misc]
                    hint = "ask the operator to set a password"
                    text = "programming mode gives values without a password"
                    yield Exposed(Severity.MEDIUM, "programming", text, f"R1 {code}", "read", hint)
                    break
    except MeterError as closed:
        text = f"programming mode is closed without a password: {closed.message}"
        yield Exposed(Severity.INFO, "programming-closed", text, "programming mode", "read")


# --- ANSI C12.19 -----------------------------------------------------------------------------------------------------


def _over_tables(meter: Meter) -> Iterator[Exposed]:
    """What is given to somebody who logs on without Security: each table is asked for, but those that start procedures
    or hold passwords, access rights or keys. Nothing is written."""
    identity = meter.identity
    if identity.serial_number or identity.device_id:
        name = identity.serial_number or identity.device_id
        yield Exposed(Severity.LOW, "identity", f"who the meter is: {name}", "tables 1, 5", "read")
    configuration = _answered(lambda: meter.table(0))
    if not isinstance(configuration, Configuration):
        yield Exposed(Severity.INFO, "tables-hidden", "table 0 is refused", "table 0", "read")
        return
    numbers = configuration.table_numbers
    procedures = len(configuration.std_proc_used) + len(configuration.mfg_proc_used)
    text = f"the list of its {len(numbers)} tables and {procedures} procedures"
    yield Exposed(Severity.LOW, "tables", text, "table 0", "read")
    asked = [number for number in numbers if number not in _NOT_ASKED]
    given = {number for number in asked if _answered(lambda number=number: meter.table(number, raw=True)) is not None}  # type: ignore[misc]
    yield from _of_tables(meter, configuration, given)
    yield from _profiles_given(meter, configuration, given)
    refused = [number for number in asked if number not in given]
    if refused:
        text = f"{len(refused)} of {len(asked)} tables that were asked for are refused"
        yield Exposed(Severity.INFO, "tables-refused", text, _tables(refused), "read")
    yield from _writable_tables(configuration, procedures)


def _of_tables(meter: Meter, configuration: Configuration, given: set[int]) -> Iterator[Exposed]:
    """What the tables that were given tell."""
    registers = given & _REGISTER_TABLES
    if registers:
        # Of tables that are refused nothing is asked again.
        whole = registers == _REGISTER_TABLES & set(configuration.table_numbers)
        readings = _answered(meter.registers) if whole else None
        text = f"{len(readings)} registers with their values" if readings else "registers with their values"
        yield Exposed(Severity.MEDIUM, "registers", text, _tables(registers), "read", _TABLE_ADVICE)
    for number, what in _LOGS.items():
        if number in given:
            text = f"{what}: what happened, when, and by whom"
            yield Exposed(Severity.MEDIUM, "read-log", text, f"table {number}", "read", _TABLE_ADVICE)
    if given & _CLOCKS:
        yield Exposed(Severity.INFO, "clock", "the time of the meter", f"table {min(given & _CLOCKS)}", "read")
    for code, what, chosen in (
        ("set-up", "how it is set up", {each for each in given if each < MANUFACTURER} - _TOLD),
        ("maker-tables", "what only its maker can read", {each for each in given if each >= MANUFACTURER}),
    ):
        if chosen:
            text = f"{what}: {len(chosen)} tables"
            yield Exposed(Severity.LOW, code, text, _tables(chosen), "read")


def _profiles_given(meter: Meter, configuration: Configuration, given: set[int]) -> Iterator[Exposed]:
    """One row is proof enough."""
    for number in sorted(_PROFILE_TABLES & configuration.std_tbls_used) if given >= _PROFILE_SETUP else ():
        rows = _answered(lambda number=number: meter.get_profile(profile_code(number - 63), entries=(1, 1)))  # type: ignore[misc]
        if rows is not None and len(rows):
            text = f"profile {rows.head.obis}: what was recorded, and when ({len(rows.columns)} columns)"
            yield Exposed(Severity.MEDIUM, "read-profile", text, f"table {number}", "read", _TABLE_ADVICE)


def _writable_tables(configuration: Configuration, procedures: int) -> Iterator[Exposed]:
    """What could be written at all; without writing it cannot be known who may."""
    writable = [number for number in configuration.table_numbers if configuration.may_write(number)]
    if writable:
        text = f"what can be written, and {procedures} procedures; the meter does not tell for whom without writing"
        hint = "ask the operator which of them want no password (table 44)"
        yield Exposed(Severity.INFO, "write-unknown", text, _tables(writable), "rights", hint)


def _tables(numbers: Collection[int]) -> str:
    return f"{'table' if len(numbers) == 1 else 'tables'} {listed(numbers)}"


def _answered(ask: Callable[[], Any]) -> Any:
    """What the meter gave; None where it refused, does not have it, or gave what cannot be read."""
    try:
        return ask()
    except PartialResult as part:
        return part.result
    except (ServiceError, LocalProtocolError, DecodeError):
        return None
