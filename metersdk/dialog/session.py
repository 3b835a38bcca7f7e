"""What the doors ask of a meter, whatever it speaks; and the session that answers over DLMS/COSEM."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Protocol, TypeVar

from metersdk.apdu import axdr
from metersdk.apdu.axdr import Data, Tag
from metersdk.apdu.keys import Secret
from metersdk.apdu.results import DataAccessResult
from metersdk.apdu.xdlms import AttributeDescriptor, Item
from metersdk.dialog import dlms
from metersdk.dialog.association import Association
from metersdk.dialog.iec62056_21_readout import Readout
from metersdk.dialog.mending import Connection
from metersdk.dialog.profile import iter_profile, read_profile
from metersdk.dialog.programming import Programming, ProgrammingSettings
from metersdk.dialog.snapshot import Tableless, take_snapshot
from metersdk.dialog.timing import Timing, limited
from metersdk.effects import Dialog, Emit, Hide, Progress
from metersdk.errors import DataAccessError, DecodeError, Finding, LocalProtocolError, MeterError, PartialResult
from metersdk.model.clock import DateTime
from metersdk.model.cosem.base import CosemObject
from metersdk.model.cosem.kinds import DATE, DATE_TIME, TIME
from metersdk.model.cosem.measurement import DataObject, DemandRegister, Register
from metersdk.model.cosem.registry import class_name, make_object, model_for
from metersdk.model.cosem.secrets import is_secret_attribute, is_secret_method, octets_in
from metersdk.model.cosem.view import ObjectView
from metersdk.model.event import Event, events_of_profile, in_order, is_event_log
from metersdk.model.identity import Identity
from metersdk.model.obis import Obis
from metersdk.model.profile import Profile
from metersdk.model.query import ProfileQuery
from metersdk.model.quirks import Quirks
from metersdk.model.reading import Reading
from metersdk.model.snapshot import Snapshot

T = TypeVar("T")
Code = str | bytes | Obis

CLOCK = Obis("0.0.1.0.0.255")
LOGICAL_DEVICE_NAME = Obis("0.0.42.0.0.255")
SERIAL_NUMBER = Obis("0.0.96.1.0.255")
CURRENT_ASSOCIATION = Obis("0.0.40.0.0.255")
LOAD_PROFILE_1 = Obis("1.0.99.1.0.255")

Readable = DataObject | Register | DemandRegister
# What a reading needs of each class: value, scaler and unit, status, capture time.
_OF_A_READING: dict[int, tuple[int, ...]] = {1: (2,), 3: (2, 3), 4: (2, 3, 4, 5), 5: (3, 4, 5, 6)}
_REGISTERS = (3, 4, 5)


class Session(Protocol):
    """One signed-on meter. Every method is a dialog, but for ``name`` and ``limited``."""

    @property
    def name(self) -> str:
        """Protocol and peer in some words."""

    def limited(self, dialog: Dialog[T]) -> Dialog[T]:
        """``dialog`` under the total time that the caller allows one call."""

    def identify(self) -> Dialog[Identity]: ...
    def objects(self) -> Dialog[ObjectView]: ...
    def clock(self) -> Dialog[DateTime]: ...
    def set_clock(self, moment: datetime) -> Dialog[None]: ...
    def get(self, class_id: int, obis: Code, attribute: int, *, raw: bool = False) -> Dialog[object]: ...
    def set(self, class_id: int, obis: Code, attribute: int, value: object) -> Dialog[None]: ...
    def action(self, class_id: int, obis: Code, method: int, parameter: Data | None = None) -> Dialog[object]: ...
    def read(self, obis: Code) -> Dialog[Reading]: ...
    def registers(self) -> Dialog[list[Reading]]: ...
    def readout(self, strict: bool = False) -> Dialog[Readout]: ...
    def iter_readout(self) -> Dialog[object]: ...
    def telegrams(self, count: int | None) -> Dialog[object]: ...
    def programming(self, wanted: ProgrammingSettings) -> Dialog[Programming]: ...
    def get_profile(self, query: ProfileQuery) -> Dialog[Profile]: ...
    def iter_profile(self, query: ProfileQuery) -> Dialog[object]: ...
    def events(self, query: ProfileQuery) -> Dialog[list[Event]]: ...
    def snapshot(self) -> Dialog[Snapshot]: ...
    def table(self, number: int, *, raw: bool = False) -> Dialog[object]: ...
    def write_table(
        self, number: int, octets: bytes, *, offset: int | None = None, write: bool = False
    ) -> Dialog[None]: ...
    def procedure(
        self, number: int | str, parameters: bytes = b"", *, manufacturer: bool = False, write: bool = False
    ) -> Dialog[bytes]: ...
    def close(self) -> Dialog[None]: ...


class DlmsSession(Tableless):
    """A meter over an open association.

    Args:
        connection: open. What only reads is asked again over a new link where the line damages too much.
        identity: what sign-on told; completed by ``identify``.
        quirks: what is special about this meter.
        timing: the caller's limits.
    """

    def __init__(self, connection: Connection, identity: Identity, quirks: Quirks, timing: Timing) -> None:
        self._connection = connection
        self._identity = identity
        self._identified = False
        self._quirks = quirks
        self._timing = timing
        self._objects: ObjectView | None = None

    @property
    def name(self) -> str:
        return str(self._identity) or "dlms"

    @property
    def _association(self) -> Association:
        return self._connection.association

    def _get(self, class_id: int, code: Obis | bytes, attribute: int) -> Dialog[bytes]:
        octets = Obis.parse(code).octets
        return self._connection.keep_asking(lambda ex: dlms.get(ex, class_id, octets, attribute))

    def limited(self, dialog: Dialog[T]) -> Dialog[T]:
        return limited(dialog, self._timing)

    def identify(self) -> Dialog[Identity]:
        """Logical device name, serial number and system title, as far as this client may read them."""
        if not self._identified:
            wanted = [_item(1, LOGICAL_DEVICE_NAME, 2), _item(1, SERIAL_NUMBER, 2)]
            name, serial = [_text(each) for each in (yield from self._get_list(wanted))]
            title = self._association.server_title
            known = self._identity.model_dump()
            told: dict[str, object] = {
                "logical_device_name": name,
                "serial_number": serial,
                "system_title": title.hex() if title else None,
                # Both begin with the FLAG id of the maker (Green Book 4.3.4; Blue Book 4.4.11.1).
                "manufacturer": _flag(name) or _flag(title.decode("latin-1") if title else None),
            }
            self._identity = Identity(**{**told, **{key: value for key, value in known.items() if value is not None}})
            self._identified = True
        return self._identity

    def _get_list(self, items: Sequence[Item]) -> Dialog[list[bytes | DataAccessResult]]:
        singly = not self._quirks.get_with_list
        return self._connection.keep_asking(lambda ex: dlms.get_list(ex, items, singly=singly))

    def objects(self) -> Dialog[ObjectView]:
        if self._objects is None:
            raw = yield from self._get(15, CURRENT_ASSOCIATION, 2)
            self._objects = ObjectView.from_data(axdr.decode_all(raw))
        return self._objects

    def clock(self) -> Dialog[DateTime]:
        stamp = DATE_TIME.decode(axdr.decode_all((yield from self._get(8, CLOCK, 2))))
        return self._signed(stamp)

    def set_clock(self, moment: datetime) -> Dialog[None]:
        stamp = self._signed(DateTime.from_datetime(moment))
        yield from dlms.set_(self._association, 8, CLOCK.octets, 2, axdr.encode(DATE_TIME.encode(stamp)))

    def _signed(self, stamp: DateTime) -> DateTime:
        """Between the deviation of the standard and that of a meter that sends the UTC offset in its place."""
        if stamp.deviation is None:
            return stamp
        return replace(stamp, deviation=stamp.deviation * self._quirks.deviation_sign)

    def get(self, class_id: int, obis: Code, attribute: int, *, raw: bool = False) -> Dialog[object]:
        octets = yield from self._get(class_id, Obis.parse(obis), attribute)
        return octets if raw else _plain(class_id, attribute, axdr.decode_all(octets))

    def set(self, class_id: int, obis: Code, attribute: int, value: object) -> Dialog[None]:
        code = Obis.parse(obis).octets
        secret = is_secret_attribute(class_id, attribute) or isinstance(value, Secret)
        if secret and isinstance(value, str | bytes | Secret):
            # Asked for its type, a careless meter would tell the password it has now.
            value = Data(Tag.OCTET_STRING, bytes(Secret(value)))
        if not isinstance(value, Data):
            now = yield from self._get(class_id, code, attribute)
            value = _like(axdr.decode_all(now), value)
        if secret:
            yield from _hide(value)
        yield from dlms.set_(self._association, class_id, code, attribute, axdr.encode(value))

    def action(self, class_id: int, obis: Code, method: int, parameter: Data | None = None) -> Dialog[object]:
        sent = None if parameter is None else axdr.encode(parameter)
        if parameter is not None and is_secret_method(class_id, method):
            yield from _hide(parameter)
        raw = yield from dlms.action(self._association, class_id, Obis.parse(obis).octets, method, sent)
        return None if raw is None else axdr.decode_all(raw).python()

    def read(self, obis: Code) -> Dialog[Reading]:
        """Most codes are registers: that is tried first, so that one reading does not cost a whole object list."""
        code = Obis.parse(obis)
        known = self._objects.find(code) if self._objects else make_object(3, 0, code)
        try:
            return (yield from self._reading(known, code))
        except DataAccessError:
            if self._objects is not None:
                raise
        view = yield from self.objects()
        return (yield from self._reading(view.find(code), code))

    def _reading(self, item: CosemObject | None, code: Obis) -> Dialog[Reading]:
        if item is None:
            raise LocalProtocolError(
                f"this association of the meter has no object {code}",
                layer="data",
                hint="see `objects` for what it has",
            )
        if not isinstance(item, Readable):
            raise LocalProtocolError(f"{code} is a {class_name(item.class_id)}, not a register", layer="data")
        yield from self._fill([item])
        return item.reading()

    def registers(self) -> Dialog[list[Reading]]:
        view = yield from self.objects()
        items = [item for number in _REGISTERS for item in view.of_class(number) if isinstance(item, Readable)]
        refused = yield from self._fill(items, strict=False)
        return [item.reading() for item in items if item.logical_name not in refused]

    def _fill(self, items: Sequence[CosemObject], *, strict: bool = True) -> Dialog[list[Obis]]:
        """Read what a reading needs of each object; the codes of those whose value was refused."""
        wanted = [(item, number) for item in items for number in _OF_A_READING[item.class_id]]
        results = yield from self._get_list(
            [_item(item.class_id, item.logical_name, number) for item, number in wanted]
        )
        refused: list[Obis] = []
        for (item, number), result in zip(wanted, results, strict=True):
            reason = _take(item, number, result, strict=strict)
            if reason is not None:
                if number == _OF_A_READING[item.class_id][0]:
                    refused.append(item.logical_name)
                yield Emit(Finding("attribute-unread", f"{item.logical_name} attribute {number}: {reason}", "data"))
        yield Emit(Progress(len(wanted), len(wanted), "attributes"))
        return refused

    def readout(self, strict: bool = False) -> Dialog[Readout]:
        """There is no data message over DLMS."""
        raise _no_readout()

    def iter_readout(self) -> Dialog[object]:
        """There is no data message over DLMS."""
        raise _no_readout()

    def programming(self, wanted: ProgrammingSettings) -> Dialog[Programming]:
        """Not over DLMS."""
        raise LocalProtocolError("programming mode is not of DLMS", hint="connect(..., protocol='iec62056-21')")

    def telegrams(self, count: int | None) -> Dialog[object]:
        """This meter is asked; what it pushes meanwhile is kept apart."""
        raise LocalProtocolError(
            "telegrams are what a meter sends by itself; this session asks",
            hint="see meter.pushes, or connect(..., protocol='push') to listen only",
        )

    def get_profile(self, query: ProfileQuery) -> Dialog[Profile]:
        return (yield from self._profile(read_profile, query))

    def iter_profile(self, query: ProfileQuery) -> Dialog[object]:
        yield from self._profile(iter_profile, query)
        return None

    def _profile(self, reader: Callable[..., Dialog[T]], query: ProfileQuery) -> Dialog[T]:
        code = query.code or (yield from self._first_load_profile())
        now = None
        if query.last is not None:
            # The meter's own clock stamps its rows: a wrong clock must not move the window off them.
            now = (yield from self.clock()).to_datetime()
        start, stop = query.window(now)
        return (
            yield from reader(
                self._association,
                code,
                start=start,
                stop=stop,
                entries=query.entries,
                columns=query.codes,
                quirks=self._quirks,
                mend=self._connection.mend,
            )
        )

    def events(self, query: ProfileQuery) -> Dialog[list[Event]]:
        """The entries of one log, or of all event logs that the meter shows, by time.

        Raises:
            LocalProtocolError: it shows none.
            DataAccessError: the log named is refused. Of several, those that are refused are findings.
            PartialResult: reading broke off; ``result`` are the events that came before.
        """
        code = query.code
        if code is not None:
            return events_of_profile((yield from self._whole(query, [])), code)
        view = yield from self.objects()
        logs = [item.logical_name for item in view.of_class(7) if is_event_log(item.logical_name)]
        if not logs:
            raise LocalProtocolError(
                "this association of the meter shows no event log", hint="try another client, or name a profile"
            )
        found: list[Event] = []
        refused: list[DataAccessError] = []
        for log in logs:
            try:
                profile = yield from self._whole(replace(query, obis=log), found)
            except DataAccessError as refusal:
                refused.append(refusal)
                yield Emit(Finding("log-unread", f"{log}: {refusal.message}", "data"))
                continue
            found += events_of_profile(profile, log)
        if len(refused) == len(logs):
            raise refused[0]
        return in_order(found)

    def _whole(self, query: ProfileQuery, before: list[Event]) -> Dialog[Profile]:
        """A log; where it breaks off, the events before and its own are the result of the error."""
        try:
            return (yield from self.get_profile(query))
        except PartialResult as partial:
            if isinstance(partial.result, Profile) and query.code is not None:
                partial.result = in_order([*before, *events_of_profile(partial.result, query.code)])
            raise

    def snapshot(self) -> Dialog[Snapshot]:
        return (yield from take_snapshot(self))

    def _first_load_profile(self) -> Dialog[Obis]:
        """1.0.99.1.0.255 if the meter lists it, else its first profile of group C = 99."""
        view = yield from self.objects()
        profiles = [item.logical_name for item in view.of_class(7)]
        if LOAD_PROFILE_1 in profiles:
            return LOAD_PROFILE_1
        loads = [code for code in profiles if code.c == 99 and code.a != 0]
        if not loads:
            raise LocalProtocolError(
                "this association of the meter shows no load profile",
                hint=f"name one of its profiles: {', '.join(map(str, profiles))}" if profiles else "try another client",
            )
        return loads[0]

    def close(self) -> Dialog[None]:
        yield from self._association.release()


def _hide(data: Data) -> Dialog[None]:
    for octets in octets_in(data):
        yield Emit(Hide(octets))


def _no_readout() -> LocalProtocolError:
    return LocalProtocolError(
        "a readout is the data message of IEC 62056-21; this session speaks DLMS",
        hint="use registers(), or connect(..., protocol='iec62056-21')",
    )


def _take(item: CosemObject, number: int, result: bytes | DataAccessResult, *, strict: bool) -> str | None:
    """Put one attribute into its object; why it could not be, unless ``strict`` raises for it."""
    if isinstance(result, bytes):
        try:
            item.update(number, axdr.decode_all(result))
        except DecodeError as error:
            if strict:
                raise
            return str(error)
        return None
    if strict and number == _OF_A_READING[item.class_id][0]:
        raise dlms.data_access_error(result, f"{item.logical_name} attribute {number}")
    return result.describe


def _item(class_id: int, code: Obis, attribute: int) -> Item:
    return AttributeDescriptor(class_id, code.octets, attribute), None


def _text(result: bytes | DataAccessResult) -> str | None:
    if not isinstance(result, bytes):
        return None
    try:
        value = axdr.decode_all(result).value
    except DecodeError:
        return None
    if isinstance(value, bytes):
        return value.decode("ascii") if value.isascii() and value.decode("ascii").isprintable() else value.hex()
    return None if value is None or isinstance(value, tuple) else str(value)


def _flag(text: str | None) -> str | None:
    return text[:3] if text and len(text) >= 3 and text[:3].isascii() and text[:3].isalpha() else None


def _plain(class_id: int, attribute: int, data: Data) -> object:
    """Times as what they are where the class says so, though they travel as octet-strings; all else plain."""
    row = model_for(class_id).table(0).get(attribute)
    if data.tag is Tag.DATE_TIME or (row is not None and row.kind in (DATE_TIME, DATE, TIME)):
        kind = DATE_TIME if row is None or row.kind not in (DATE_TIME, DATE, TIME) else row.kind
        try:
            decoded: object = kind.decode(data)
        except MeterError:
            return data.python()
        return decoded
    return data.python()


def _like(now: Data, value: object) -> Data:
    """``value`` with the type the attribute has now."""
    if isinstance(value, DateTime):
        value = value.to_octets()
    if now.tag in (Tag.ARRAY, Tag.STRUCTURE, Tag.COMPACT_ARRAY, Tag.NULL_DATA):
        raise LocalProtocolError(
            f"the attribute holds {now.tag.standard_name}: give its value as Data", hint="metersdk.Data builds any type"
        )
    wanted = type(now.value)
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
        raise LocalProtocolError(f"the attribute holds {now.tag.standard_name}; {type(value).__name__} does not fit")
    return Data(now.tag, value)
