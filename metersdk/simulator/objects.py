"""The COSEM objects of a simulated meter: what each answers to reading, writing and methods.

Values and types come from the class tables of ``metersdk.model.cosem``; only what moves is code here.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

from metersdk.apdu import axdr
from metersdk.apdu.axdr import Data, Tag
from metersdk.apdu.results import ActionResult, DataAccessResult
from metersdk.errors import ActionError, DecodeError, LocalProtocolError
from metersdk.model.clock import DateTime
from metersdk.model.cosem.base import CosemObject
from metersdk.model.cosem.kinds import DATE_TIME, int_of
from metersdk.model.cosem.measurement import DemandRegister, ExtendedRegister, ProfileGeneric
from metersdk.model.cosem.setup import DisconnectControl
from metersdk.model.cosem.timing import Clock
from metersdk.simulator import sources
from metersdk.simulator.generated import GeneratedProfile, number
from metersdk.simulator.selection import parse, refuse
from metersdk.simulator.sources import Maximum, Source
from metersdk.simulator.zone import END_OF_TIME


class Meter(sources.World, Protocol):
    """What an object may ask of the meter it is part of."""

    def now(self) -> datetime: ...

    def seconds(self) -> int: ...

    def set_clock(self, moment: datetime) -> None: ...


def refuse_action(result: ActionResult, why: str) -> ActionError:
    return ActionError(f"{why}: {result.describe}", result=int(result), layer="data")


def decoded(data: bytes) -> Data:
    """Raises: DataAccessError: the octets are not one value."""
    try:
        return axdr.decode_all(data)
    except DecodeError as error:
        raise refuse(DataAccessResult.TYPE_UNMATCHED, "the value cannot be decoded") from error


class Item:
    """An object whose values lie still until somebody writes them.

    ``roles`` are the least roles for reading, for writing and for methods; ``writable`` the attributes open to writing.
    """

    METHODS: frozenset[int] = frozenset()

    def __init__(
        self,
        meter: Meter,
        model: CosemObject,
        roles: tuple[int, int, int] = (0, 2, 2),
        writable: frozenset[int] = frozenset(),
    ) -> None:
        self.meter = meter
        self.model = model
        self.roles = roles
        self.writable = writable

    def read(self, attribute: int, selection: tuple[int, bytes] | None) -> bytes:
        """Encoded Data. Raises: DataAccessError."""
        if selection is not None:
            raise refuse(DataAccessResult.SCOPE_OF_ACCESS_VIOLATED, "this attribute takes no selection")
        try:
            return axdr.encode(self.current(attribute))
        except LocalProtocolError as error:
            raise refuse(DataAccessResult.READ_WRITE_DENIED, "there is no such attribute") from error

    def current(self, attribute: int) -> Data:
        """The value of an attribute now."""
        return self.model.encode(attribute)

    def write(self, attribute: int, data: bytes) -> None:
        """Raises: DataAccessError: another type than the attribute has."""
        value, old = decoded(data), self.current(attribute)
        if old.tag not in (Tag.NULL_DATA, value.tag):
            raise refuse(DataAccessResult.TYPE_UNMATCHED, f"the attribute is a {old.tag.standard_name}")
        try:
            self.model.update(attribute, value)
        except DecodeError as error:
            raise refuse(DataAccessResult.TYPE_UNMATCHED, "the attribute does not take this value") from error

    def invoke(self, method: int, data: Data | None) -> Data | None:
        """Raises: ActionError."""
        raise refuse_action(ActionResult.OBJECT_UNAVAILABLE, "there is no such method")


class RegisterItem(Item):
    """Data, register, extended register or demand register whose value moves."""

    METHODS = frozenset((1,))

    def __init__(
        self,
        meter: Meter,
        model: CosemObject,
        tag: Tag,
        source: Source,
        roles: tuple[int, int, int] = (0, 2, 2),
    ) -> None:
        super().__init__(meter, model, roles)
        self.tag = tag
        self.source = source
        self.taken_off = 0

    def value(self, time: int) -> int:
        return self.source.values(self.meter, [time])[0] - self.taken_off

    def current(self, attribute: int) -> Data:
        now = self.meter.seconds()
        if isinstance(self.model, DemandRegister):
            period = self.model.period or 900
            last = now - now % period
            if attribute in (2, 3):
                return number(self.tag, self.value(now if attribute == 2 else last))
            if attribute in (6, 7):
                return axdr.octets(self.meter.zone.octets(last))
        elif attribute == 2:
            return number(self.tag, self.value(now))
        elif isinstance(self.model, ExtendedRegister) and attribute == 5:
            captured = self.source.captured(self.meter, now) if isinstance(self.source, Maximum) else now
            return axdr.octets(self.meter.zone.octets(captured))
        return super().current(attribute)

    def invoke(self, method: int, data: Data | None) -> Data | None:
        if method != 1:
            return super().invoke(method, data)
        self.taken_off += self.value(self.meter.seconds())
        return None


class ProfileItem(Item):
    """Profile generic over generated rows."""

    METHODS = frozenset((1, 2))

    def __init__(
        self, meter: Meter, model: ProfileGeneric, rows: GeneratedProfile, roles: tuple[int, int, int] = (0, 2, 2)
    ) -> None:
        super().__init__(meter, model, roles)
        self.rows = rows

    def read(self, attribute: int, selection: tuple[int, bytes] | None) -> bytes:
        if attribute != 2:
            return super().read(attribute, selection)
        wanted = None if selection is None else parse(*selection)
        return self.rows.select(wanted, self.meter.seconds())

    def current(self, attribute: int) -> Data:
        if attribute == 7:
            return axdr.u32(self.rows.in_use(self.meter.seconds()))
        return super().current(attribute)

    def invoke(self, method: int, data: Data | None) -> Data | None:
        if method == 1:
            self.rows.reset(self.meter.seconds())
        elif method == 2:
            self.rows.capture(self.meter.seconds())
        else:
            return super().invoke(method, data)
        return None


class ClockItem(Item):
    """The clock; setting it moves all that follows the meter's time."""

    METHODS = frozenset((1, 3, 6))

    def __init__(self, meter: Meter, model: Clock, roles: tuple[int, int, int] = (0, 1, 2)) -> None:
        super().__init__(meter, model, roles, writable=frozenset((2,)))

    def current(self, attribute: int) -> Data:
        now = self.meter.now()
        octets = bytearray(self.meter.zone.octets(int(now.timestamp())))
        if attribute == 2:
            octets[8] = now.microsecond // 10_000
            return axdr.octets(bytes(octets))
        if attribute == 4:
            return axdr.u8(octets[11])
        return super().current(attribute)

    def write(self, attribute: int, data: bytes) -> None:
        try:
            utc_ms = self._utc_ms(DATE_TIME.decode(decoded(data)))
        except DecodeError as error:
            raise refuse(DataAccessResult.TYPE_UNMATCHED, "the clock takes a whole date-time only") from error
        if not 0 <= utc_ms < END_OF_TIME * 1000:
            raise refuse(DataAccessResult.OTHER_REASON, "the clock does not go that far")
        self.meter.set_clock(datetime.fromtimestamp(utc_ms / 1000, UTC))

    def _utc_ms(self, moment: DateTime) -> int:
        if moment.deviation is not None:
            return moment.utc_ms()
        return self.meter.zone.utc_ms(moment.utc_ms(deviation=0))

    def invoke(self, method: int, data: Data | None) -> Data | None:
        now = self.meter.now()
        if method in (1, 3):
            # "Sets the clock to the nearest value": quarter of an hour, minute.
            step = 900 if method == 1 else 60
            nearest = (self.meter.seconds() + step // 2) // step * step
            self.meter.set_clock(datetime.fromtimestamp(nearest, UTC))
            return None
        if method != 6:
            return super().invoke(method, data)
        try:
            shift = int_of(data or axdr.null())
        except DecodeError as error:
            raise refuse_action(ActionResult.TYPE_UNMATCHED, "shift_time takes a number of seconds") from error
        if not -900 <= shift <= 900:
            raise refuse_action(ActionResult.OTHER_REASON, "shift_time takes -900 to 900 seconds")
        self.meter.set_clock(now + timedelta(seconds=shift))
        return None


class DisconnectItem(Item):
    """Disconnect control: methods 1 and 2 take the supply away and give it back."""

    METHODS = frozenset((1, 2))

    def invoke(self, method: int, data: Data | None) -> Data | None:
        if not isinstance(self.model, DisconnectControl) or method not in self.METHODS:
            return super().invoke(method, data)
        self.model.output_state = method == 2
        self.model.control_state = int(self.model.output_state)
        return None


class ComputedItem(Item):
    """An object of which some attributes are computed at every reading; ``computed`` maps attribute to function."""

    def __init__(
        self,
        meter: Meter,
        model: CosemObject,
        computed: dict[int, Callable[[], Data]],
        roles: tuple[int, int, int] = (0, 2, 2),
    ) -> None:
        super().__init__(meter, model, roles)
        self.computed = computed

    def current(self, attribute: int) -> Data:
        return self.computed[attribute]() if attribute in self.computed else super().current(attribute)
