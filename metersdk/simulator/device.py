"""A meter in software: the objects of an image behind the ``Device`` protocol of ``dialog.serving``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from pydantic import ValidationError

from metersdk.apdu import axdr
from metersdk.apdu.acse import ApplicationContext
from metersdk.apdu.axdr import Data, Tag
from metersdk.apdu.cipher import Security
from metersdk.apdu.keys import Keys
from metersdk.apdu.results import ActionResult, DataAccessResult
from metersdk.dialog.programming_meter import BlockProvider
from metersdk.dialog.server_association import AccessRules
from metersdk.errors import DataAccessError, DecodeError, LocalProtocolError
from metersdk.model.column import CaptureObject
from metersdk.model.cosem.access import AssociationLN, AssociationStatus, Partners, Sap, SapAssignment, XdlmsContext
from metersdk.model.cosem.base import Access, CosemObject
from metersdk.model.cosem.kinds import ANY
from metersdk.model.cosem.measurement import DataObject, ProfileGeneric, ScalerUnit
from metersdk.model.cosem.registry import make_object
from metersdk.model.cosem.timing import Clock
from metersdk.model.cosem.view import encode_object_list
from metersdk.model.obis import Obis
from metersdk.model.profile import SortMethod
from metersdk.model.quantity import Unit
from metersdk.simulator.generated import Column, GeneratedProfile, Schedule
from metersdk.simulator.load_profile_text import TextProfiles
from metersdk.simulator.objects import (
    ClockItem,
    ComputedItem,
    DisconnectItem,
    Item,
    ProfileItem,
    RegisterItem,
    refuse_action,
)
from metersdk.simulator.readout import data_block
from metersdk.simulator.selection import refuse
from metersdk.simulator.sources import Source
from metersdk.simulator.spec import ROLES, ClientSpec, ImageSpec, ObjectSpec, ProfileSpec
from metersdk.simulator.zone import Zone

if TYPE_CHECKING:
    from metersdk.simulator.c1219 import C1219Meter

SERVER_SAP = 1
_ASSOCIATION = Obis("0.0.40.0.0.255")
_SECRET = 7
_DLMS_UA = bytes((0x60, 0x85, 0x74, 0x05, 0x08))
_TAGS = {
    "u8": Tag.UNSIGNED,
    "u16": Tag.LONG_UNSIGNED,
    "u32": Tag.DOUBLE_LONG_UNSIGNED,
    "u64": Tag.LONG64_UNSIGNED,
    "i8": Tag.INTEGER,
    "i16": Tag.LONG,
    "i32": Tag.DOUBLE_LONG,
    "i64": Tag.LONG64,
    "enum": Tag.ENUM,
    "octets": Tag.OCTET_STRING,
    "visible": Tag.VISIBLE_STRING,
    "utf8": Tag.UTF8_STRING,
    "boolean": Tag.BOOLEAN,
}


class MeterDevice:
    """The meter of an image; implements ``dialog.serving.Device``.

    ``accepted_counters`` are the invocation counters taken from clients, by title and key: give them to every
    ``ServerAssociation`` of this meter. 0.0.43.1.0.255 shows the highest.

    Raises:
        LocalProtocolError: an object of the image does not fit its class.
    """

    def __init__(self, image: ImageSpec, now: Callable[[], datetime]) -> None:
        self.image = image
        self.system_title = image.meter.system_title
        self.identification = f"/{image.meter.identification}\r\n".encode("ascii", "replace")
        self.zone = Zone(image.clock.deviation, image.clock.daylight_saving)
        self.since = int(image.meter.since.timestamp())
        self.accepted_counters: dict[tuple[bytes, str], int] = {}
        # Answers R5, R6 and P. in programming mode, before the registers of the readout do.
        self.block_provider: BlockProvider | None = TextProfiles(self, image.text_profiles)
        self.associations: Mapping[int, AccessRules] = {
            client.client: self._rules(client) for client in image.association
        }
        self._roles = {client.client: ROLES[client.role] for client in image.association}
        self._true_time = now
        self._shift = timedelta()
        self._sources: dict[Obis, Source] = {spec.obis: spec.source for spec in image.object if spec.source is not None}
        self._scales = {spec.obis: (spec.scaler, spec.unit) for spec in image.object}
        self._items: dict[tuple[int, bytes], Item] = {}
        written = {(spec.class_, spec.obis.octets) for spec in image.object}
        for item in self._own_items():
            # What the image writes down comes first, but the clock, which has a section of its own there.
            if isinstance(item, ClockItem) or (item.model.class_id, item.model.logical_name.octets) not in written:
                self._add(item)
        for spec in image.object:
            if spec.profile is None:
                self._add(self._item(spec))
        # Last, for their columns are the objects above.
        for spec in image.object:
            if spec.profile is not None:
                self._add(self._profile(spec, spec.profile))
        self._clients = {client: self._association(client) for client in self.associations}

    # --- Device ---

    def get(
        self, client: int, class_id: int, obis: bytes, attribute: int, selection: tuple[int, bytes] | None = None
    ) -> bytes:
        """Encoded Data of an attribute. Raises: DataAccessError."""
        item = self._find(client, class_id, obis)
        if Access.READ not in self._attribute_access(client, item).get(attribute, Access.NONE):
            raise refuse(DataAccessResult.READ_WRITE_DENIED, f"attribute {attribute} cannot be read")
        return item.read(attribute, selection)

    def set(
        self, client: int, class_id: int, obis: bytes, attribute: int, selection: tuple[int, bytes] | None, data: bytes
    ) -> None:
        """Write an attribute. Raises: DataAccessError."""
        item = self._find(client, class_id, obis)
        if Access.WRITE not in self._attribute_access(client, item).get(attribute, Access.NONE):
            raise refuse(DataAccessResult.READ_WRITE_DENIED, f"attribute {attribute} cannot be written")
        if selection is not None:
            raise refuse(DataAccessResult.SCOPE_OF_ACCESS_VIOLATED, "nothing is written by selection")
        item.write(attribute, data)

    def action(self, client: int, class_id: int, obis: bytes, method: int, data: bytes | None) -> bytes | None:
        """Invoke a method -> its encoded return value. Raises: ActionError."""
        try:
            item = self._find(client, class_id, obis)
        except DataAccessError as error:
            raise refuse_action(ActionResult(error.result), error.message.partition(":")[0]) from None
        if method not in self._method_access(client, item):
            raise refuse_action(ActionResult.READ_WRITE_DENIED, f"method {method} is not open to this client")
        try:
            parameters = None if data is None else axdr.decode_all(data)
        except DecodeError as error:
            raise refuse_action(ActionResult.TYPE_UNMATCHED, "the parameters cannot be decoded") from error
        returned = item.invoke(method, parameters)
        return None if returned is None else axdr.encode(returned)

    def readout(self) -> bytes:
        """The lines of the IEC 62056-21 data block, each with CR LF, without ``!``."""
        scalers = {spec.obis.octets: spec.scaler for spec in self.image.object}
        return data_block(self, self.image.readout, scalers)

    @property
    def is_ansi(self) -> bool:
        """Whether it speaks ANSI C12 where nobody says what it shall speak."""
        return self.image.c1219 is not None

    @cached_property
    def c1219(self) -> C1219Meter:
        """The tables of ANSI C12.19 that the image has.

        Raises:
            LocalProtocolError: it has none, or they do not fit together.
        """
        # Only meters that are asked so need the descriptions of all tables.
        from metersdk.simulator.c1219 import C1219Meter

        if self.image.c1219 is None:
            raise LocalProtocolError(f"the image {self.image.name} has no tables of ANSI C12.19", layer="port")
        return C1219Meter(self.image.c1219, self, self.image.meter.serial)

    # --- the meter as its objects see it ---

    def now(self) -> datetime:
        """The meter's time: the true one, moved by whoever set the clock."""
        return self._true_time() + self._shift

    def seconds(self) -> int:
        """The meter's time in whole seconds since 1970-01-01 UTC."""
        return int(self.now().timestamp())

    def set_clock(self, moment: datetime) -> None:
        self._shift = moment - self._true_time()

    def source(self, code: Obis) -> Source:
        return self._sources[code]

    def rows_of(self, code: Obis) -> GeneratedProfile | None:
        """The rows of a profile, None if there is none of this code."""
        item = self._items.get((7, code.octets))
        return item.rows if isinstance(item, ProfileItem) else None

    def scale_of(self, code: Obis) -> tuple[int, Unit | None]:
        """Scaler and unit of a register, as the image has them."""
        return self._scales.get(code, (0, None))

    # --- rights ---

    def _find(self, client: int, class_id: int, obis: bytes) -> Item:
        role = self._roles.get(client)
        if role is None:
            raise refuse(DataAccessResult.OBJECT_UNAVAILABLE, f"client {client} is unknown")
        item = self._clients[client] if obis == _ASSOCIATION.octets else self._items.get((class_id, obis))
        # What a client may not see does not exist for it.
        if item is not None and item.roles[0] <= role and item.model.class_id == class_id:
            return item
        visible = any(code == obis and other.roles[0] <= role for (_, code), other in self._items.items())
        if visible or (item is not None and item.roles[0] <= role):
            raise refuse(DataAccessResult.OBJECT_CLASS_INCONSISTENT, f"the object is not of class {class_id}")
        raise refuse(DataAccessResult.OBJECT_UNDEFINED, "there is no such object")

    def _attribute_access(self, client: int, item: Item) -> dict[int, Access]:
        role = self._roles[client]
        writes = role >= item.roles[1]
        access = {
            number: Access.READ | Access.WRITE if writes and number in item.writable else Access.READ
            for number in item.model.attributes
        }
        if item.model.class_id == AssociationLN.model_fields["class_id"].default:
            access[_SECRET] = Access.NONE
        return access

    def _method_access(self, client: int, item: Item) -> dict[int, Access]:
        if self._roles[client] < item.roles[2]:
            return {}
        known = item.model.methods(item.model.version)
        return {number: Access.INVOKE for number in known if number in item.METHODS}

    def _object_list(self, client: int) -> Data:
        role = self._roles[client]
        shown = []
        for item in (self._clients[client], *self._items.values()):
            if item.roles[0] > role:
                continue
            entry = CosemObject(
                class_id=item.model.class_id, version=item.model.version, logical_name=item.model.logical_name
            )
            entry.attribute_access = self._attribute_access(client, item)
            entry.method_access = self._method_access(client, item)
            if isinstance(item, ProfileItem):
                entry.selectors = {2: (1, 2)}
            shown.append(entry)
        return encode_object_list(shown, self._clients[client].model.version)

    # --- making the objects ---

    def _add(self, item: Item) -> None:
        self._items.setdefault((item.model.class_id, item.model.logical_name.octets), item)

    def _rules(self, spec: ClientSpec) -> AccessRules:
        keys = None
        if spec.encryption_key is not None:
            keys = Keys(
                encryption=spec.encryption_key,
                authentication=spec.authentication_key,
                system_title=self.system_title,
                invocation_counter=1,
                suite=spec.suite,
            )
        return AccessRules(
            authentication=spec.authentication,
            secret=spec.password,
            keys=keys,
            security=spec.security,
            max_pdu=spec.max_pdu,
        )

    def _own_items(self) -> list[Item]:
        """The objects every meter has; those of the image replace them."""
        who, clock = self.image.meter, self.image.clock
        summer = clock.daylight_saving != "none"

        def text(code: str, value: str) -> Item:
            return Item(self, DataObject(logical_name=Obis(code), value=axdr.octets(value.encode())))

        sap = Sap(sap=SERVER_SAP, logical_device_name=who.logical_device_name)
        clock_model = Clock(
            logical_name=clock.obis,
            time_zone=clock.deviation,
            daylight_savings_deviation=60 if summer else 0,
            daylight_savings_enabled=summer,
            clock_base=1,
        )
        counter = DataObject(logical_name=Obis("0.0.43.1.0.255"))
        return [
            ClockItem(self, clock_model),
            Item(self, SapAssignment(logical_name=Obis("0.0.41.0.0.255"), sap_assignment_list=(sap,))),
            text("0.0.42.0.0.255", who.logical_device_name),
            text("0.0.96.1.0.255", who.serial),
            text("1.0.0.2.0.255", who.firmware),
            ComputedItem(self, counter, {2: lambda: axdr.u32(max(self.accepted_counters.values(), default=0))}),
        ]

    def _item(self, spec: ObjectSpec) -> Item:
        model = self._model(spec, spec.attributes)
        if spec.source is not None:
            return RegisterItem(self, model, _TAGS[spec.type], spec.source, spec.roles)
        kind = DisconnectItem if spec.class_ == 70 else Item
        return kind(self, model, spec.roles, frozenset(spec.writable))

    def _model(self, spec: ObjectSpec, attributes: dict[str, object]) -> CosemObject:
        plain = make_object(spec.class_, 0, spec.obis)
        version = plain.__class__.model_fields["version"].default if spec.version is None else spec.version
        try:
            # The class model of another version may be CosemObject itself, which knows no attributes.
            model = make_object(spec.class_, version, spec.obis)
            fields = dict(attributes)
            if "scaler_unit" in type(model).model_fields:
                fields.setdefault("scaler_unit", ScalerUnit(scaler=spec.scaler, unit=spec.unit or Unit.COUNT))
            if spec.value is not None:
                still = spec.value.encode() if spec.type == "octets" and isinstance(spec.value, str) else spec.value
                fields.setdefault("value", Data(_TAGS[spec.type], still))
            for name, value in fields.items():
                row = model.attributes[model.attribute_number(name)]
                setattr(model, name, axdr.u8(value) if row.kind is ANY and isinstance(value, int) else value)
            for number in model.attributes:
                axdr.encode(model.encode(number))
        except ValidationError as error:
            first = error.errors(include_input=False)[0]
            raise LocalProtocolError(
                f"{spec.obis} {'.'.join(map(str, first['loc']))}: {first['msg']}", layer="data"
            ) from None
        return model

    def _profile(self, spec: ObjectSpec, rows: ProfileSpec) -> Item:
        captures = tuple(self._capture(text) for text in rows.capture)
        schedule = Schedule(rows.schedule, self, rows.period, rows.seed, rows.gap_every, rows.gap_length)
        columns = tuple(self._column(capture) for capture in captures)
        generated = GeneratedProfile(self, schedule, columns, rows.entries, rows.sort == "lifo", rows.encoding)
        attributes: dict[str, object] = {
            "capture_objects": captures,
            "capture_period": rows.period if rows.schedule == "interval" else 86400 * (rows.schedule == "daily"),
            "sort_method": SortMethod.LIFO if generated.lifo else SortMethod.FIFO,
            "sort_object": next((column.capture for column in columns if column.is_clock), captures[0]),
            "profile_entries": rows.entries,
        }
        model = self._model(spec, attributes)
        if not isinstance(model, ProfileGeneric):
            raise LocalProtocolError(f"{spec.obis}: only class 7 has a profile", layer="data")
        return ProfileItem(self, model, generated, spec.roles)

    def _capture(self, text: str) -> CaptureObject:
        try:
            class_id, code, attribute, *index = text.split()
            return CaptureObject(int(class_id), Obis(code), int(attribute), int(index[0]) if index else 0)
        except ValueError as error:
            raise LocalProtocolError(
                f"not a capture object: {text!r}", layer="data", hint='write "class obis attribute [index]"'
            ) from error

    def _column(self, capture: CaptureObject) -> Column:
        item = self._items.get((capture.class_id, Obis.parse(capture.obis).octets))
        if item is None:
            raise LocalProtocolError(f"captured, and no object of the image: {capture.obis}", layer="data")
        if isinstance(item, ClockItem) and capture.attribute == 2:
            return Column(capture)
        value = 3 if capture.class_id == 5 else 2
        if isinstance(item, RegisterItem) and capture.attribute == value:
            return Column(capture, item.tag, item.source)
        return Column(capture, fixed=axdr.encode(item.current(capture.attribute)))

    def _association(self, client: int) -> Item:
        rules = self.associations[client]
        ciphered = rules.security is not Security.NONE
        context = ApplicationContext.LN_CIPHERED if ciphered else ApplicationContext.LN
        model = AssociationLN(
            logical_name=_ASSOCIATION,
            associated_partners_id=Partners(client_sap=client, server_sap=SERVER_SAP),
            application_context_name=_DLMS_UA + bytes((1, context)),
            xdlms_context_info=XdlmsContext(
                conformance=f"{int(rules.conformance):024b}",
                max_receive_pdu_size=rules.max_pdu,
                max_send_pdu_size=rules.max_pdu,
                dlms_version_number=6,
            ),
            authentication_mechanism_name=_DLMS_UA + bytes((2, rules.authentication)),
            association_status=AssociationStatus.ASSOCIATED,
            security_setup_reference=Obis("0.0.43.0.0.255"),
        )
        return ComputedItem(self, model, {2: lambda: self._object_list(client)}, roles=(0, 2, 2))
