"""The blocking door: ``connect`` and ``Meter``. Every method is one line, here and in ``aio.py``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from os import PathLike
from typing import Literal, TypeVar

from metersdk.apdu.axdr import Data
from metersdk.apdu.dataset import DataSet
from metersdk.apdu.keys import Keys, Secret, TicketKey
from metersdk.apdu.secure import Algorithm
from metersdk.dialog import programming
from metersdk.dialog.adapting import Adaptation
from metersdk.dialog.hearing import Hearing
from metersdk.dialog.iec62056_21_readout import Readout, Withdrawn
from metersdk.dialog.opening import AuthenticationName, Plan, ProtocolName, SecurityName, open_session
from metersdk.dialog.programming import ProgrammingSettings
from metersdk.dialog.programming_commands import Values
from metersdk.dialog.session import Session
from metersdk.dialog.timing import Timing
from metersdk.dialog.watching import LineWatch
from metersdk.effects import Dialog, Progress, Push, State
from metersdk.errors import Finding, LocalProtocolError, MeterError
from metersdk.model.clock import DateTime
from metersdk.model.cosem.view import ObjectView
from metersdk.model.event import Event
from metersdk.model.identity import Identity
from metersdk.model.line_report import LineReport
from metersdk.model.obis import Obis
from metersdk.model.profile import Profile
from metersdk.model.query import ProfileQuery
from metersdk.model.quirks import Quirks
from metersdk.model.reading import Reading
from metersdk.model.snapshot import Snapshot
from metersdk.model.span import Moment
from metersdk.model.telegram import Telegram
from metersdk.port.address import open_port
from metersdk.port.counters import UtcVectors
from metersdk.port.drive import Port, iterate, run
from metersdk.port.memory import memory_for, probe_of
from metersdk.port.target import Address, parse_address
from metersdk.port.trace import RecordingPort, went_over_a_line
from metersdk.port.turn import Turn
from metersdk.vendor.book import choose, load

T = TypeVar("T")


class Meter:
    """One meter, connected. Made by ``connect``; a context manager; for one thread at a time.

    Every method raises a ``MeterError`` (see ``metersdk.errors``) when it fails; the meter stays usable after a
    ``ServiceError``. A call while another is under way is a ``LocalProtocolError``, and does not disturb that one.
    ``findings`` holds what was tolerated, ``pushes`` the APDUs that came unasked.
    """

    def __init__(self, port: Port, session: Session, hearing: Hearing, watch: LineWatch | None = None) -> None:
        self._port = port
        self._session = session
        self._hearing = hearing
        self._watch = watch or LineWatch()
        self._turn = Turn(f"one Meter is for one thread at a time: wait, or connect({port.name!r}) again")
        self._closed = False
        self.findings = hearing.findings
        self.pushes = hearing.pushes

    def _run(self, dialog: Dialog[T]) -> T:
        with self._turn:
            return run(self._limited(dialog), self._port, self._hearing)

    def _pieces(self, dialog: Dialog[object]) -> Iterator[Profile]:
        with iterate(self._limited(dialog), self._port) as events:
            yield from self._hearing.profiles(self._turn.each(events))

    def _telegrams(self, dialog: Dialog[object]) -> Iterator[Telegram]:
        with iterate(self._limited(dialog), self._port) as events:
            yield from self._hearing.telegrams(self._turn.each(events))

    def _data_sets(self, dialog: Dialog[object]) -> Iterator[DataSet | Withdrawn]:
        with iterate(self._limited(dialog), self._port) as events:
            yield from self._hearing.data_sets(self._turn.each(events))

    def _limited(self, dialog: Dialog[T]) -> Dialog[T]:
        if self._closed:
            raise meter_closed(self._port.name)
        return self._watch.over(self._session.limited(dialog))

    @property
    def identity(self) -> Identity:
        """Manufacturer, model, serial number, protocols offered, negotiated speed."""
        return self._run(self._session.identify())

    @property
    def line(self) -> LineReport:
        """How the line did so far: octets, frames, errors, turnaround, speeds, and what it suffers from."""
        return self._watch.report()

    @property
    def objects(self) -> ObjectView:
        """The association view: typed objects by OBIS code. Read once and kept."""
        return self._run(self._session.objects())

    @property
    def clock(self) -> DateTime:
        """The meter's clock, with deviation and status."""
        return self._run(self._session.clock())

    def set_clock(self, moment: datetime | None = None) -> None:
        """Set the meter's clock; without ``moment`` to the time of this computer, in its zone."""
        self._run(self._session.set_clock(moment or datetime.now().astimezone()))

    def get(self, class_id: int, obis: str | bytes | Obis, attribute: int, *, raw: bool = False) -> object:
        """One attribute as a plain Python value (date-times as ``DateTime``); ``raw=True`` gives its A-XDR octets."""
        return self._run(self._session.get(class_id, obis, attribute, raw=raw))

    def set(self, class_id: int, obis: str | bytes | Obis, attribute: int, value: object | Data) -> None:
        """Write one attribute. A plain value takes the type the attribute has now; ``Data`` is sent as it is.

        A ``Secret``, and a plain value of an attribute that is a password, goes as an octet-string, and what it was
        before is not asked for. A trace shows neither.
        """
        self._run(self._session.set(class_id, obis, attribute, value))

    def action(self, class_id: int, obis: str | bytes | Obis, method: int, parameter: Data | None = None) -> object:
        """Invoke a method; its return value as a plain Python value, None if it has none."""
        return self._run(self._session.action(class_id, obis, method, parameter))

    def read(self, obis: str | bytes | Obis) -> Reading:
        """One register: value, unit, time and status."""
        return self._run(self._session.read(obis))

    def registers(self) -> list[Reading]:
        """All registers of the meter, read with as few requests as it allows.

        Over modes A to C they are those of the last data message, which is kept; ``readout()`` asks for the next one.
        """
        return self._run(self._session.registers())

    def readout(self, *, strict: bool = False) -> Readout:
        """The data message of IEC 62056-21 modes A to D as it was sent, parsed.

        ``strict=True`` raises a ``DecodeError`` where it takes a liberty with the grammar; else that is a finding.
        """
        return self._run(self._session.readout(strict))

    def iter_readout(self) -> Iterator[DataSet | Withdrawn]:
        """The data sets of the data message while they arrive; memory stays bounded, whatever its size.

        They are proved once the iterator ends. A block that came damaged is asked for again: a ``Withdrawn`` says from
        which offset on the data sets before it do not count.
        """
        return self._data_sets(self._session.iter_readout())

    def telegrams(self, count: int | None = None) -> Iterator[Telegram]:
        """What a meter sends by itself (SML, mode D, P1, DLMS pushes), as it comes: ``count`` of them, or no end."""
        return self._telegrams(self._session.telegrams(count))

    def programming(
        self,
        *,
        password: str | bytes | Secret | None = None,
        level: Literal[1, 2] | None = None,
        algorithm: str | Algorithm | None = None,
        write: bool = False,
    ) -> Programming:
        """Programming mode of IEC 62056-21, entered with a ``with`` block; B0 is sent on leaving it, whatever happens.

        ``password`` goes as P1 (``level=1``) or through ``algorithm`` as P2 (``level=2``); left out, level and
        algorithm are those of the meter's family, and without a password only what the meter shows everybody is
        read. ``write=True`` allows ``write`` and ``execute``. See ``Programming``.
        """
        return Programming(self, ProgrammingSettings(password, level, algorithm, write))

    def get_profile(
        self,
        obis: str | bytes | Obis | None = None,
        *,
        start: Moment | None = None,
        stop: Moment | None = None,
        last: str | timedelta | None = None,
        entries: tuple[int, int] | None = None,
        columns: list[str] | None = None,
    ) -> Profile:
        """A profile as typed columns: whole, from ``start`` to ``stop``, the ``last`` ``"7d"``, or by ``entries``.

        ``obis=None`` takes the first load profile the meter has. ``start`` and ``stop`` are inclusive; without a zone
        they are the meter's local time. ``last`` counts back from the meter's own clock: ``"90m" "24h" "7d" "4w"``.
        ``entries=(1, 96)`` counts from 1, inclusive; 0 as the second is the last one. ``columns`` are OBIS codes.
        """
        return self._run(self._session.get_profile(ProfileQuery(obis, start, stop, last, entries, columns)))

    def iter_profile(
        self,
        obis: str | bytes | Obis | None = None,
        *,
        start: Moment | None = None,
        stop: Moment | None = None,
        last: str | timedelta | None = None,
        entries: tuple[int, int] | None = None,
        columns: list[str] | None = None,
    ) -> Iterator[Profile]:
        """The same piece by piece while it arrives; memory stays bounded by one piece."""
        return self._pieces(self._session.iter_profile(ProfileQuery(obis, start, stop, last, entries, columns)))

    def events(
        self,
        log: str | bytes | Obis | None = None,
        *,
        start: Moment | None = None,
        stop: Moment | None = None,
        last: str | timedelta | None = None,
    ) -> list[Event]:
        """The entries of the meter's logs by time: event logs over DLMS, the log book P.98 over IEC 62056-21.

        ``log=None`` takes all event logs (0.b.99.98.e.255) that the meter shows, or P.98. The span of time is that of
        ``get_profile``.
        """
        return self._run(self._session.events(ProfileQuery(log, start, stop, last)))

    def snapshot(self) -> Snapshot:
        """All that one visit tells: identity, clock, registers, findings, and over ANSI C12 the tables it may read.

        The tables come raw and decoded, but for load profile data (64 to 67). Passwords and keys (tables 42, 44 and 45)
        are never asked for.
        """
        return self._run(self._session.snapshot())

    def table(self, number: int, *, raw: bool = False) -> object:
        """One table of ANSI C12.19 as a typed object, or, with ``raw=True`` and where it is not known, its octets.

        Tables of the manufacturer are numbered from 2048, pending ones from 4096. What a table needs to be decoded,
        and was not read yet, is read first. Passwords and keys within it are not shown.
        """
        return self._run(self._session.table(number, raw=raw))

    def write_table(self, number: int, octets: bytes, *, offset: int | None = None, write: bool = False) -> None:
        """Write a table of ANSI C12.19, whole or from ``offset`` on. Only with ``write=True``; never sent twice."""
        self._run(self._session.write_table(number, octets, offset=offset, write=write))

    def procedure(
        self, number: int | str, parameters: bytes = b"", *, manufacturer: bool = False, write: bool = False
    ) -> bytes:
        """Have an ANSI C12.19 meter carry out a procedure (tables 7 and 8); the data of its answer.

        ``number`` may be its name (``"set-date-time"``). What changes nothing is carried out at once, everything else,
        and the manufacturer's own, only with ``write=True``. What restarts the meter, clears data or changes its mode
        must besides be named, not numbered. None is ever sent twice.
        """
        return self._run(self._session.procedure(number, parameters, manufacturer=manufacturer, write=write))

    def close(self) -> None:
        """Release the association, disconnect the link, let go of the port; a second call does nothing.

        Never raises because of the meter or the line. A call that is under way elsewhere ends with an error.
        """
        if self._closed:
            return
        self._closed = True
        try:
            if not self._turn.taken:
                run(self._watch.over(self._session.close()), self._port, self._hearing)
        finally:
            self._watch.remember()
            self._port.close()

    def __enter__(self) -> Meter:
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        try:
            self.close()
        except MeterError:
            # A trace that cannot be written to its end: what went wrong before is what counts.
            if error is None:
                raise

    def __repr__(self) -> str:
        return f"<Meter {self._port.name}: {self._session.name}>"


class Programming:
    """A meter in programming mode. Made by ``Meter.programming`` and by ``AsyncMeter.programming``.

    After a ``ServiceError`` it goes on. Any other error ends it with B0; the next call signs on again, unless it was
    the password that failed.
    """

    def __init__(self, meter: Meter, wanted: ProgrammingSettings) -> None:
        self._meter = meter
        self._wanted = wanted
        self._opened: programming.Programming | None = None

    @property
    def _commands(self) -> programming.Programming:
        if self._opened is None:
            raise LocalProtocolError("programming mode is not entered", hint="with meter.programming(...) as p")
        return self._opened

    def read(self, address: str, data: str | Sequence[str] = "", *, command: str = "R1") -> tuple[DataSet, ...]:
        """Read a register: ``R1 address(data)``. Several values of ``data`` get brackets each.

        Raises: MeterReportedError: the meter refused; ``code`` is what it said.
        """
        return self._meter._run(self._commands.read(address, data, command))

    def read_group(self, addresses: Sequence[str]) -> tuple[DataSet, ...]:
        """Several registers, with as few requests as the meter's family allows."""
        return self._meter._run(self._commands.read_group(addresses))

    def read_blocks(self, address: str, data: str | Sequence[str] = "", *, command: str = "R5") -> bytes:
        """The text of an answer in partial blocks, nothing put between them.

        Raises: PartialResult: it broke off; ``result`` is the text that was proved.
        """
        return self._meter._run(self._commands.read_blocks(address, data, command))

    def write(self, address: str, value: Values, *, command: str = "W1") -> None:
        """Write a register: ``W1 address(value)``. Only with ``write=True``; sent again only if the meter says NAK.

        A trace shows no value that is given as a ``Secret``: a new password.
        """
        self._meter._run(self._commands.write(address, value, command))

    def execute(self, address: str, data: Values = "", *, command: str = "E2") -> tuple[DataSet, ...]:
        """Have the meter do something: ``E2 address(data)``. Only with ``write=True``; what it answers, if anything."""
        return self._meter._run(self._commands.execute(address, data, command))

    def close(self) -> None:
        """Sign off (B0); a second call does nothing. Never raises because of the meter or the line."""
        opened, self._opened = self._opened, None
        if opened is not None and not self._meter._closed:
            self._meter._run(opened.close())

    def __enter__(self) -> Programming:
        self._opened = self._meter._run(self._meter._session.programming(self._wanted))
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        self.close()


def connect(
    target: str,
    *,
    protocol: ProtocolName = "auto",
    password: str | bytes | Secret | None = None,
    authentication: AuthenticationName | None = None,
    keys: Keys | TicketKey | None = None,
    security: SecurityName | None = None,
    client: int = 16,
    server: int = 1,
    user: str | None = None,
    user_id: int | None = None,
    vendor: str | PathLike[str] | Quirks | None = None,
    timing: Timing | None = None,
    trace: str | PathLike[str] | None = None,
    progress: Callable[[Progress | State | Finding | Push], object] | None = None,
    memory: bool | str | PathLike[str] | None = None,
) -> Meter:
    """Open ``target``, sign on, associate; the meter is ready to be read.

    Args:
        target: a device (``/dev/ttyUSB0``, ``COM3``) or a URL: ``serial:// tcp://host:port udp:// rfc2217:// pty://
            sim://NAME trace://FILE listen://:4059``. Its query keys (docs/targets.md) win over the arguments here.
        protocol: ``auto`` signs on at 300 Bd on a line (IEC 62056-21) and hands over to DLMS where the meter offers
            mode E; on TCP and UDP it is ``dlms``, but on port 1153. ``sml`` and ``push`` send nothing and listen to a
            meter that speaks by itself: SML, or whatever it is; so does ``auto`` where octets come that are no answer.
            ``c1218`` is an ANSI meter on an optical port; ``auto`` finds it where nobody answers the sign-on and HDLC.
            ``c1222`` is an ANSI meter on a network: ApTitles and the number of the key stand in the target; ``auto`` is
            that on port 1153, which belongs to it, unless the target says how the connection is framed.
        password: for ``low`` and the ``high`` mechanisms but GMAC, and for the service Security of ANSI C12.
        authentication: left out: ``low`` with a password, ``high-gmac`` with keys, else ``none``.
        keys: encryption and authentication key, system title, invocation counter. C12.22 takes the encryption key,
            ``c1218`` a ``TicketKey``, with a password or without.
        security: left out: ``authenticated-encrypted`` with keys, else ``none``.
        client, server: service access points; 16 is the public client, 1 the management logical device.
        user, user_id: who logs on to an ANSI meter; it writes that down in its logs. At most 10 characters; 1.
        vendor: the meter's family by name (``metersdk vendors`` lists them), the path of a TOML file for it, or
            ``Quirks`` of your own. Left out: the family is found by the identification or table 1 of the meter;
            ``Quirks()`` keeps to the standard.
        timing: how long to wait.
        trace: a file to record the session to; passwords are masked.
        memory: what this line taught earlier sessions, and teaches the next: the moment to change the speed with this
            probe, the speeds and the length of HDLC frames that hold with this meter. A file, True for the default one,
            False for none. Left out: the default one for serial devices and heads behind a network. What is set here,
            in ``timing`` or in the target wins.
        progress: called with ``Progress``, ``State``, ``Finding`` and ``Push`` events while the meter is read; what an
            ``async def`` returns is awaited by ``aconnect``.

    Raises:
        PortError: the target could not be opened.
        NoAnswer: nobody answered; a dead line is given up after 28 s if ``timing`` is left as it is.
        AssociationRefused: the meter did not want this client.
    """
    address = parse_address(target)
    plan = plan_for(
        address, protocol, password, authentication, keys, security, client, server, vendor, timing, user, user_id
    )
    plan, watch = watched(address, plan, memory)
    hearing = Hearing(progress)
    port = open_port(address, openers={"sim": _simulated})
    reached = plan.reached_in(round_trip_of(port))
    try:
        if trace is not None:
            port = RecordingPort(port, trace, target=str(address), secrets=plan.secrets)
            hearing.redact = port.recorder.redact
        session = run(watch.over(open_session(reached)), port, hearing)
        watch.tell(hearing)
        return Meter(port, session, hearing, watch)
    except BaseException:
        watch.remember()
        port.close()
        raise


def watched(address: Address, plan: Plan, memory: bool | str | PathLike[str] | None) -> tuple[Plan, LineWatch]:
    """The plan with what is remembered of this line, and who watches it."""
    store = memory_for(address, memory) if plan.medium == "line" else None
    adaptation = None if store is None else Adaptation(store, probe_of(address), str(store.path))
    if adaptation is not None:
        plan = adaptation.plan(plan)
    timed = plan.medium == "line"
    return plan, LineWatch(timed=timed, parity=plan.sign_on.parity, adaptation=adaptation, unasked=True)


def round_trip_of(port: object) -> float:
    """Seconds to a remote line and back, as its port has measured; 0 for a line of this computer."""
    return float(getattr(port, "round_trip", 0.0))


def meter_closed(name: str) -> LocalProtocolError:
    """The error for a call after ``close``."""
    return LocalProtocolError(f"this meter was closed ({name})", hint="connect again")


def plan_for(
    address: Address,
    protocol: ProtocolName,
    password: str | bytes | Secret | None,
    authentication: AuthenticationName | None,
    keys: Keys | TicketKey | None,
    security: SecurityName | None,
    client: int,
    server: int,
    vendor: str | PathLike[str] | Quirks | None,
    timing: Timing | None,
    user: str | None = None,
    user_id: int | None = None,
) -> Plan:
    """What ``connect`` was told, and what the target's own keys say, as one plan.

    Raises:
        LocalProtocolError: a value that makes no sense, or a mechanism without its password or keys.
    """
    if keys is not None and not isinstance(keys, Keys | TicketKey):
        raise LocalProtocolError("keys are no Keys", hint="keys=metersdk.Keys(encryption=..., authentication=...)")
    if timing is not None and not isinstance(timing, Timing):
        raise LocalProtocolError("timing is no Timing", hint="timing=metersdk.Timing(response=8.0), in seconds")
    is_line = address.is_line or (
        # A replay goes the way the recorded session went, unless the target says what the connection carried.
        address.scheme == "trace" and address.framing is None and went_over_a_line(address.path)
    )
    quirks = choose(vendor) or Quirks()
    spoken = address.options.get("protocol", protocol)
    if spoken == quirks.protocol == "auto" and address.is_c1222:
        spoken = "c1222"
    # Vendor data of the user that are not well formed are told now, not amid a sign-on.
    signs_on = is_line or spoken in ("iec62056-21", "c1218", "c1222")
    book = load() if vendor is None and signs_on else None
    if isinstance(keys, Keys) and keys.counter is None and spoken == "c1222":
        # No meter of C12.22 is asked for the last one it saw: they are the time.
        keys = replace(keys, invocation_counter=UtcVectors())
    return Plan.of(
        {
            "authentication": authentication,
            "security": security,
            "client": client,
            "server": server,
            "user": user,
            "user_id": user_id,
            **address.options,
            "protocol": spoken,
        },
        medium="line" if is_line else "datagram" if address.is_datagram else "stream",
        framing=None if address.framing == "optical" else address.framing,
        baud=address.baud,
        hardware_parity=address.format != "8N1",
        password=password,
        keys=keys,
        quirks=quirks,
        timing=timing or Timing(),
        families=None if book is None else book.quirks,
        ansi_families=None if book is None else book.ansi_quirks,
    )


def _simulated(address: Address) -> Port:
    from metersdk.simulator.inprocess import open_simulated

    return open_simulated(address)
