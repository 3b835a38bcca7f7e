"""What stands in the TOML file of a simulated meter, checked before a meter is made of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, InstanceOf, model_validator

from metersdk.apdu.acse import Authentication
from metersdk.apdu.cipher import Security
from metersdk.apdu.keys import Secret
from metersdk.model.fields import ObisField
from metersdk.model.quantity import Unit
from metersdk.simulator.c1219_spec import C1219Spec
from metersdk.simulator.load_profile_text import TextProfileSpec
from metersdk.simulator.programming import ProgrammingSpec
from metersdk.simulator.readout import Line
from metersdk.simulator.sources import AnySource, Sum
from metersdk.simulator.zone import Daylight

Role = Literal["public", "reader", "management"]
ROLES: dict[str, int] = {"public": 0, "reader": 1, "management": 2}
TypeName = Literal["u8", "u16", "u32", "u64", "i8", "i16", "i32", "i64", "enum", "octets", "visible", "utf8", "boolean"]


def _unit(value: object) -> object:
    if isinstance(value, str):
        for unit in Unit:
            if value in (unit.symbol, unit.name):
                return unit
        raise ValueError(f"no unit is called {value!r}")
    return Unit(value) if isinstance(value, int) else value


def _moment(value: object) -> object:
    if isinstance(value, datetime) and value.tzinfo is None:
        raise ValueError("give the time with its zone: 2026-01-01T00:00:00Z")
    return value


def _enum_by_name(kind: type[Any]) -> Callable[[object], object]:
    def look(value: object) -> object:
        name = value.upper().replace("-", "_") if isinstance(value, str) else ""
        if name in kind.__members__:
            return kind[name]
        raise ValueError(f"one of {', '.join(kind.__members__).lower().replace('_', '-')} expected")

    return look


UnitName = Annotated[InstanceOf[Unit], BeforeValidator(_unit)]
Moment = Annotated[datetime, BeforeValidator(_moment)]
Password = Annotated[
    InstanceOf[Secret], BeforeValidator(lambda value: Secret(value) if isinstance(value, str) else value)
]
Key = Annotated[
    InstanceOf[Secret], BeforeValidator(lambda value: Secret.from_hex(value) if isinstance(value, str) else value)
]
Octets = Annotated[bytes, BeforeValidator(lambda value: bytes.fromhex(value) if isinstance(value, str) else value)]


class _Spec(BaseModel):
    # hide_input_in_errors: what stands where a key should stand may be one.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class MeterSpec(_Spec):
    """Who the meter is. ``identification`` is the 62056-21 line without ``/`` and CR LF: ``MSK5\\2METERSDK-R1``."""

    manufacturer: str = Field(pattern="^[A-Za-z]{3}$")
    identification: str = Field(pattern=r"^[A-Za-z]{3}[^/!\s][^/!]{0,24}$")
    serial: str = Field(max_length=32)
    logical_device_name: str = Field(max_length=16)
    system_title: Octets = Field(min_length=8, max_length=8)
    firmware: str = "1.0"
    since: Moment
    """When the meter was put up: nothing moves, and no row was captured, before."""


class ClockSpec(_Spec):
    """``deviation``: minutes to add to normal local time to get UTC. ``fixed``: the clock stands there."""

    obis: ObisField = Field(default="0.0.1.0.0.255", validate_default=True)
    deviation: int = Field(default=0, ge=-720, le=840)
    daylight_saving: Daylight = "none"
    fixed: Moment | None = None


class OpticalSpec(_Spec):
    """The optical port of IEC 62056-21, times in seconds. ``pusher``: mode D, it speaks by itself."""

    address: str = Field(default="", pattern="^[0-9A-Za-z ]{0,32}$")
    pusher: bool = False
    push_period: float = Field(default=10.0, gt=0)
    push_baud: int = Field(default=2400, gt=0)
    initial_baud: int = Field(default=300, gt=0)
    reaction: float | None = Field(default=None, ge=0)
    inactivity: float = Field(default=90.0, gt=0)
    asleep: bool = False
    echo_acknowledgement: Literal["none", "before", "after"] = "none"
    block_size: int | None = Field(default=None, gt=0)
    reserved_bauds: bool = False


class ClientSpec(_Spec):
    """One association: who may come in, and what he may do."""

    client: int = Field(ge=1, le=127)
    role: Role
    authentication: Annotated[InstanceOf[Authentication], BeforeValidator(_enum_by_name(Authentication))] = (
        Authentication.NONE
    )
    security: Annotated[InstanceOf[Security], BeforeValidator(_enum_by_name(Security))] = Security.NONE
    password: Password | None = None
    encryption_key: Key | None = None
    authentication_key: Key | None = None
    suite: int = Field(default=0, ge=0, le=2)
    max_pdu: int = Field(default=1024, ge=0, le=0xFFFF)

    @model_validator(mode="after")
    def _complete(self) -> ClientSpec:
        with_keys = self.security != Security.NONE or self.authentication is Authentication.HIGH_GMAC
        if with_keys and not (self.encryption_key and self.authentication_key):
            raise ValueError(f"client {self.client} needs encryption_key and authentication_key")
        if self.authentication not in (Authentication.NONE, Authentication.HIGH_GMAC) and not self.password:
            raise ValueError(f"client {self.client} needs a password")
        return self


class ProfileSpec(_Spec):
    """How the rows of a profile come about (``Schedule``). ``capture``: ``"class obis attribute [index]"``."""

    capture: tuple[str, ...] = Field(min_length=1)
    schedule: Literal["interval", "daily", "monthly", "irregular"] = "interval"
    period: int = Field(default=900, gt=0)
    entries: int = Field(default=10_000, gt=0, le=10_000_000)
    sort: Literal["fifo", "lifo"] = "fifo"
    encoding: Literal["plain", "null", "compact"] = "plain"
    seed: int = 0
    gap_every: int = Field(default=0, ge=0)
    gap_length: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _leaves_rows(self) -> ProfileSpec:
        if self.gap_every and self.gap_length >= self.gap_every:
            raise ValueError("gap_length must be less than gap_every")
        return self


class ObjectSpec(_Spec):
    """One COSEM object.

    A moving value has ``source`` and an integer ``type``; a still one ``value`` and ``type``; other classes give their
    attributes by the names of the class table. ``read``, ``write``, ``invoke`` name the least role for it.
    """

    class_: int = Field(alias="class", ge=0, le=0xFFFF)
    obis: ObisField
    version: int | None = Field(default=None, ge=0, le=255)
    read: Role = "public"
    write: Role = "management"
    invoke: Role = "management"
    writable: tuple[int, ...] = ()
    type: TypeName = "u32"
    value: bool | int | str | None = None
    source: AnySource | None = None
    scaler: int = Field(default=0, ge=-128, le=127)
    unit: UnitName | None = None
    attributes: dict[str, Any] = {}
    profile: ProfileSpec | None = None

    @property
    def roles(self) -> tuple[int, int, int]:
        return ROLES[self.read], ROLES[self.write], ROLES[self.invoke]


class ImageSpec(_Spec):
    """A simulated meter, as written down."""

    name: str
    meter: MeterSpec
    clock: ClockSpec = ClockSpec()
    optical: OpticalSpec = OpticalSpec()
    programming: ProgrammingSpec | None = None
    text_profiles: TextProfileSpec = TextProfileSpec()
    c1219: C1219Spec | None = None
    association: tuple[ClientSpec, ...] = Field(min_length=1)
    object: tuple[ObjectSpec, ...] = ()
    readout: tuple[Line, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> ImageSpec:
        names = [(item.class_, item.obis) for item in self.object]
        if len(set(names)) < len(names):
            raise ValueError("an object stands twice in the image")
        moving = {item.obis: item.source for item in self.object if item.source is not None}
        for source in moving.values():
            for part in source.of if isinstance(source, Sum) else ():
                if part not in moving or isinstance(moving[part], Sum):
                    raise ValueError(f"{part} cannot be summed: it is no object with a source of another kind")
        for each in self.c1219.objects if self.c1219 else ():
            if each not in moving:
                raise ValueError(f"c1219: {each} is no object with a source")
        for line in self.readout:
            if line.kind == "register" and line.object not in moving:
                raise ValueError(f"readout line {line.code}: {line.object} is no object with a source")
        return self
