"""Parameters and measurement data (Blue Book part 2, 4.3): data, registers, profile."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field, InstanceOf, PlainSerializer

from metersdk.apdu.axdr import Data, Tag
from metersdk.model.clock import DateTime
from metersdk.model.column import CaptureObject
from metersdk.model.cosem.base import Attribute, CosemObject, DataField, Method
from metersdk.model.cosem.kinds import (
    ANY,
    CAPTURE_OBJECT,
    DATE_TIME,
    DOUBLE_LONG_UNSIGNED,
    INTEGER,
    INTEGERS,
    LONG_UNSIGNED,
    UNIT,
    array_of,
    choice,
    structure_of,
)
from metersdk.model.fields import DateTimeField, UnitField
from metersdk.model.profile import SortMethod
from metersdk.model.quantity import Unit, scaled
from metersdk.model.reading import Raw, Reading, Value

CaptureField = Annotated[
    InstanceOf[CaptureObject],
    PlainSerializer(
        lambda item: {
            "class_id": item.class_id,
            "obis": str(item.obis),
            "attribute": item.attribute,
            "index": item.index,
        },
        return_type=dict[str, int | str],
        when_used="json",
    ),
]


class ScalerUnit(BaseModel):
    """``value = raw * 10**scaler`` in ``unit``."""

    model_config = ConfigDict(frozen=True)

    scaler: int = Field(default=0, ge=-128, le=127)
    unit: UnitField = Unit.COUNT


SCALER_UNIT = structure_of(ScalerUnit, (("scaler", INTEGER), ("unit", UNIT)))


def value_of(data: Data | None, scaler: int | None = None) -> Value:
    """``data`` as a value of a :class:`Reading`: numbers exact, and scaled where a ``scaler`` is given."""
    if data is None:
        return None
    value = data.value
    if isinstance(value, tuple):
        return tuple(value_of(item) for item in value)
    if isinstance(value, bytes) and data.tag is Tag.DATE_TIME:
        return DateTime.from_octets(value)
    if data.tag in INTEGERS or isinstance(value, float):
        return scaled(value, scaler or 0)  # type: ignore[arg-type]
    return Decimal(value) if isinstance(value, int) and not isinstance(value, bool) else value


def raw_of(data: Data | None) -> Raw:
    return None if data is None or isinstance(data.value, tuple) else data.value


class DataObject(CosemObject):
    """Data (class 1): one value of any type."""

    CLASS_NAME: ClassVar[str] = "Data"
    ATTRIBUTES: ClassVar[tuple[Attribute, ...]] = (Attribute(2, "value", ANY),)

    class_id: int = 1
    value: DataField | None = None

    def reading(self) -> Reading:
        """The value; an octet-string of printable ASCII alone (names, serial numbers) as text, ``raw`` as it came."""
        value = value_of(self.value)
        if isinstance(value, bytes) and value and all(0x20 <= octet < 0x7F for octet in value):
            value = value.decode("ascii")
        return Reading(obis=self.logical_name, value=value, raw=raw_of(self.value))


class Register(CosemObject):
    """Register (class 3): a value with scaler and unit. ``value`` is as on the wire, ``reading()`` is scaled."""

    CLASS_NAME: ClassVar[str] = "Register"
    ATTRIBUTES: ClassVar[tuple[Attribute, ...]] = (
        Attribute(2, "value", ANY),
        Attribute(3, "scaler_unit", SCALER_UNIT),
    )
    METHODS: ClassVar[tuple[Method, ...]] = (Method(1, "reset"),)

    class_id: int = 3
    value: DataField | None = None
    scaler_unit: ScalerUnit | None = None

    def reading(self) -> Reading:
        """The value, scaled; unscaled and without unit where ``scaler_unit`` was not read."""
        scale = self.scaler_unit
        return Reading(
            obis=self.logical_name,
            value=value_of(self.value, scale.scaler if scale else 0),
            unit=scale.unit if scale else None,
            raw=raw_of(self.value),
        )


class ExtendedRegister(Register):
    """Extended register (class 4): a register with status and capture time."""

    CLASS_NAME: ClassVar[str] = "Extended register"
    ATTRIBUTES: ClassVar[tuple[Attribute, ...]] = (
        *Register.ATTRIBUTES,
        Attribute(4, "status", ANY),
        Attribute(5, "capture_time", DATE_TIME),
    )

    class_id: int = 4
    status: DataField | None = None
    capture_time: DateTimeField | None = None

    def reading(self) -> Reading:
        return super().reading().model_copy(update={"time": self.capture_time, "status": raw_of(self.status)})


class DemandRegister(CosemObject):
    """Demand register (class 5): current and last average over a number of periods."""

    CLASS_NAME: ClassVar[str] = "Demand register"
    ATTRIBUTES: ClassVar[tuple[Attribute, ...]] = (
        Attribute(2, "current_average_value", ANY),
        Attribute(3, "last_average_value", ANY),
        Attribute(4, "scaler_unit", SCALER_UNIT),
        Attribute(5, "status", ANY),
        Attribute(6, "capture_time", DATE_TIME),
        Attribute(7, "start_time_current", DATE_TIME),
        Attribute(8, "period", DOUBLE_LONG_UNSIGNED),
        Attribute(9, "number_of_periods", LONG_UNSIGNED),
    )
    METHODS: ClassVar[tuple[Method, ...]] = (Method(1, "reset"), Method(2, "next_period"))

    class_id: int = 5
    current_average_value: DataField | None = None
    last_average_value: DataField | None = None
    scaler_unit: ScalerUnit | None = None
    status: DataField | None = None
    capture_time: DateTimeField | None = None
    start_time_current: DateTimeField | None = None
    period: int | None = None
    number_of_periods: int | None = None

    def reading(self) -> Reading:
        """The last average, with the time it was captured."""
        scale = self.scaler_unit
        return Reading(
            obis=self.logical_name,
            value=value_of(self.last_average_value, scale.scaler if scale else 0),
            unit=scale.unit if scale else None,
            time=self.capture_time,
            status=raw_of(self.status),
            raw=raw_of(self.last_average_value),
        )


class ProfileGeneric(CosemObject):
    """Profile generic (class 7): rows of captured attributes. ``buffer`` is one value; rows are read as ``Profile``."""

    CLASS_NAME: ClassVar[str] = "Profile generic"
    ATTRIBUTES: ClassVar[tuple[Attribute, ...]] = (
        Attribute(2, "buffer", ANY),
        Attribute(3, "capture_objects", array_of(CAPTURE_OBJECT)),
        Attribute(4, "capture_period", DOUBLE_LONG_UNSIGNED),
        Attribute(5, "sort_method", choice(SortMethod)),
        Attribute(6, "sort_object", CAPTURE_OBJECT),
        Attribute(7, "entries_in_use", DOUBLE_LONG_UNSIGNED),
        Attribute(8, "profile_entries", DOUBLE_LONG_UNSIGNED),
    )
    METHODS: ClassVar[tuple[Method, ...]] = (
        Method(1, "reset"),
        Method(2, "capture"),
        Method(3, "get_buffer_by_range", until=0),
        Method(4, "get_buffer_by_index", until=0),
    )

    class_id: int = 7
    version: int = 1
    buffer: DataField | None = None
    capture_objects: tuple[CaptureField, ...] | None = None
    capture_period: int | None = None
    """Seconds; 0: captured by events or by hand."""
    sort_method: SortMethod | int | None = None
    sort_object: CaptureField | None = None
    entries_in_use: int | None = None
    profile_entries: int | None = None
