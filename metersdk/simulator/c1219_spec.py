"""The tables of a simulated meter of ANSI C12.19, as its image writes them down: section ``[c1219]``.

The numbers come from the objects of the same image, so that a register over DLMS, a register of table 23 and an
interval of table 64 agree.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, InstanceOf, model_validator

from metersdk.apdu.keys import Secret
from metersdk.model.fields import ObisField
from metersdk.model.obis import Obis

# NI_FORMAT codes of table 0.
NUMBER_FORMATS = {
    "float64": 0,
    "float32": 1,
    "char12": 2,
    "char6": 3,
    "fixed32": 4,
    "bcd6": 5,
    "bcd4": 6,
    "int24": 7,
    "int32": 8,
    "int40": 9,
    "int48": 10,
    "int64": 11,
    "bcd8": 12,
    "char21": 13,
}
# INV_INT_FMT codes of table 62.
INTERVAL_FORMATS = {"u8": 1, "u16": 2, "u32": 4, "i8": 8, "i16": 16, "i32": 32, "ni1": 64, "ni2": 128}
# Factors of table 12, bits 11 to 13.
MULTIPLIERS = tuple(map(Decimal, ("1", "1E2", "1E3", "1E6", "1E9", "1E-2", "1E-3", "1E-6")))
ENERGY = 0

NumberFormat = Literal[
    "float64", "float32", "char12", "char6", "fixed32", "bcd6", "bcd4",
    "int24", "int32", "int40", "int48", "int64", "bcd8", "char21",
]  # fmt: skip
IntervalFormat = Literal["u8", "u16", "u32", "i8", "i16", "i32", "ni1", "ni2"]
# Who may do something: anybody who has logged on, or whoever gave a password of this level.
Level = Annotated[int, Field(ge=0, le=8)]
Password = Annotated[
    InstanceOf[Secret], BeforeValidator(lambda value: Secret(value) if isinstance(value, str) else value)
]
Key = Annotated[
    InstanceOf[Secret], BeforeValidator(lambda value: Secret.from_hex(value) if isinstance(value, str) else value)
]
Octets = Annotated[bytes, BeforeValidator(lambda value: bytes.fromhex(value) if isinstance(value, str) else value)]


class _Spec(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class SourceSpec(_Spec):
    """One source of table 16, made of a moving object of the image.

    A count of the register is ``constant * 10^multiplier`` of the unit, kept with ``decimals`` places.

    Attributes:
        object: where its numbers come from.
        quantity: identification of the unit, table 12 bits 0 to 7: 0 W, 1 var, 2 VA, 8 V, 12 A.
        time_base: 0 energy, 1 instantaneous, 4 block demand.
        multiplier: code of the factor, bits 11 to 13.
        quadrants: 1 to 4.
        segmentation: 0 all phases, 5 A, 6 B, 7 C to neutral.
        constant: of table 15; None: there is none, and the source has no entry there.
        control: of table 14, in hex; empty: the source has no entry there.
        engineering: the register is in engineering units: whatever the constant is, it has been applied.
        subinterval: minutes of a block demand; None: the source has no entry in table 13.
    """

    object: ObisField
    quantity: int = Field(default=0, ge=0, le=255)
    time_base: int = Field(default=ENERGY, ge=0, le=7)
    multiplier: int = Field(default=0, ge=0, le=7)
    quadrants: tuple[Annotated[int, Field(ge=1, le=4)], ...] = ()
    segmentation: int = Field(default=0, ge=0, le=7)
    net: bool = False
    constant: Decimal | None = Field(default=None, gt=0)
    decimals: int = Field(default=0, ge=0, le=6)
    engineering: bool = False
    subinterval: int | None = Field(default=None, gt=0, le=255)
    control: str = Field(default="", pattern="^([0-9A-Fa-f]{2}){0,32}$")


class TierSpec(_Spec):
    """One tariff: other objects for the registers of the same places."""

    summations: tuple[ObisField, ...] = ()
    demands: tuple[ObisField, ...] = ()
    coincidents: tuple[ObisField, ...] = ()


class RegistersSpec(_Spec):
    """Tables 20 to 28. Objects are named that are sources.

    Attributes:
        coincidents: each belongs to the demand of the same place, the first where there are fewer demands.
        occurrences: how many of the greatest demands are kept.
        self_reads: entries of table 26, one a month.
        present: what table 28 shows.
    """

    summations: tuple[ObisField, ...] = ()
    demands: tuple[ObisField, ...] = ()
    coincidents: tuple[ObisField, ...] = ()
    tiers: tuple[TierSpec, ...] = ()
    occurrences: int = Field(default=1, ge=1, le=16)
    date_time: bool = True
    season: bool = False
    resets: bool = True
    cumulative: bool = True
    continuous: bool = False
    time_remaining: bool = False
    self_reads: int = Field(default=3, ge=0, le=255)
    sequence: bool = True
    present: tuple[ObisField, ...] = ()
    present_demands: tuple[ObisField, ...] = ()


class ChannelSpec(_Spec):
    """A channel of a load profile: a pulse is ``scalar / divisor`` counts of its source."""

    object: ObisField
    scalar: int = Field(default=1, ge=1, le=0xFFFF)
    divisor: int = Field(default=1, ge=1, le=0xFFFF)


class ProfileSetSpec(_Spec):
    """One data set, tables 64 to 67. A shifting list moves all its blocks when a new one begins."""

    set: int = Field(default=1, ge=1, le=4)
    minutes: int = Field(default=15, gt=0, le=255)
    blocks: int = Field(default=60, gt=0, le=0xFFFF)
    intervals: int = Field(default=96, gt=0, le=0xFFFF)
    format: IntervalFormat = "u16"
    scalars: bool = True
    list: Literal["circular", "shifting"] = "circular"
    order: Literal["ascending", "descending"] = "ascending"
    interval_order: Literal["ascending", "descending"] = "ascending"
    channel: tuple[ChannelSpec, ...] = Field(min_length=1, max_length=32)
    outage_every: int = Field(default=0, ge=0)
    """In one interval of so many, the supply fails for a part of it."""

    @model_validator(mode="after")
    def _told(self) -> ProfileSetSpec:
        if not self.scalars and any(each.scalar != each.divisor for each in self.channel):
            raise ValueError("without scalars, table 62 cannot tell what a pulse is: leave scalar and divisor at 1")
        return self


class ProfilesSpec(_Spec):
    """Tables 60 to 67; what is said here holds for all sets."""

    end_reading: bool = True
    end_pulse: bool = False
    extended_status: bool = True
    simple_status: bool = False
    set: tuple[ProfileSetSpec, ...] = Field(min_length=1, max_length=4)

    @model_validator(mode="after")
    def _once(self) -> ProfilesSpec:
        if len({each.set for each in self.set}) < len(self.set):
            raise ValueError("a set stands twice")
        return self


class LogSpec(_Spec):
    """A log, table 74 or 76: ``codes`` one after the other, one in each ``period`` of seconds."""

    entries: int = Field(default=20, gt=0, le=10_000)
    codes: tuple[Annotated[int, Field(ge=0, le=0x7FF)], ...] = (1, 2, 3, 4, 1, 2, 10)
    period: int = Field(default=200_000, gt=0)
    data: int = Field(default=2, ge=0, le=32)
    seed: int = 0


class LogsSpec(_Spec):
    """Tables 70 to 76."""

    history: LogSpec = LogSpec()
    event: LogSpec | None = LogSpec(seed=1)
    event_number: bool = True
    date_time: bool = True
    sequence: bool = True


class PasswordSpec(_Spec):
    """A password of the Security service, and the level that it opens."""

    password: Password
    level: Level = 1


class KeySpec(_Spec):
    """A key of the Authenticate service (C12.21): 8 octets for DES, 16 for AES."""

    id: int = Field(ge=0, le=255)
    key: Key
    level: Level = 1


class LinkSpec(_Spec):
    """The optical port, and what the meter agrees to in Negotiate and Timing set-up.

    ``trailing`` are octets behind the end of its identification, as some meters send.
    """

    standard: int = Field(default=0, ge=0, le=255)
    version: int = Field(default=1, ge=0, le=255)
    revision: int = Field(default=0, ge=0, le=255)
    trailing: Octets = b""
    baud: int = Field(default=9600, gt=0)
    retries: int = Field(default=3, ge=0, le=10)
    negotiates: bool = True
    packet_size: int = Field(default=1024, ge=64, le=8192)
    packets: int = Field(default=255, ge=1, le=255)
    bauds: tuple[int, ...] = (9600, 14400, 19200, 28800, 57600)
    traffic_timeout: float = Field(default=6.0, gt=0)
    timing_setup: bool = False
    identity: int = Field(default=0, ge=0, le=255)


class NodeSpec(_Spec):
    """The meter as a node of C12.22: its ApTitle, and what a request must at least have."""

    title: str = Field(default="", pattern=r"^(\.?\d+(\.\d+)*)?$")
    security: Literal["clear", "authenticated", "ciphered"] = "clear"
    max_message: int = Field(default=8192, ge=128, le=65535)


class ManufacturerTable(_Spec):
    """A table of the maker's own; octets in hex, or moving numbers as little-endian u32.

    ``number`` counts from 0: MT 0 is table 2048.
    """

    number: int = Field(ge=0, le=2039)
    octets: str = Field(default="", pattern="^([0-9A-Fa-f]{2} ?)*$")
    objects: tuple[ObisField, ...] = ()


class C1219Spec(_Spec):
    """A meter of ANSI C12.19.

    Attributes:
        status_octets: of the maker's own in table 3.
        data_access: what it lets be read in parts; ``full``: nothing.
        basis: what its clock shows.
        without: tables that it does not have although it could.
        public: tables that are read before any password.
        writable: tables that may be written.
        write_level: for that, and for procedures that change something.
        secret_level: for reading tables 42 and 45; None: nobody can.
        visited: days ago when somebody last marked all lists as read; None: never.
        slow: procedures that table 8 says are accepted so many times, before it says that they are done.
    """

    manufacturer: str = Field(default="MSDK", max_length=4)
    model: str = Field(default="ANSI-1", max_length=8)
    device_id: str = Field(default="", max_length=20)
    status_octets: int = Field(default=0, ge=0, le=32)
    owner: str = Field(default="metersdk", max_length=20)
    hardware: tuple[int, int] = (1, 0)
    firmware: tuple[int, int] = (2, 4)
    standard_version: int = Field(default=1, ge=1, le=2)
    byte_order: Literal["little", "big"] = "little"
    time_format: Literal[1, 2, 3, 4] = 2
    integer_format: Literal["twos", "ones", "sign"] = "twos"
    id_form: Literal["char", "bcd"] = "char"
    ni1: NumberFormat = "int48"
    ni2: NumberFormat = "int32"
    data_access: Literal["full", "offset", "index", "both"] = "both"
    basis: Literal["local", "utc"] = "local"
    without: tuple[int, ...] = ()
    public: tuple[int, ...] = (0, 1, 5)
    read_level: Level = 1
    write_level: Level = 2
    secret_level: Level | None = None
    writable: tuple[int, ...] = (5, 6)
    visited: int | None = Field(default=None, ge=0)
    slow: dict[int, Annotated[int, Field(ge=0)]] = {}
    password: tuple[PasswordSpec, ...] = ()
    key: tuple[KeySpec, ...] = ()
    link: LinkSpec = LinkSpec()
    node: NodeSpec = NodeSpec()
    source: tuple[SourceSpec, ...] = ()
    registers: RegistersSpec | None = None
    load_profile: ProfilesSpec | None = None
    logs: LogsSpec | None = None
    display: tuple[ObisField, ...] = ()
    table: tuple[ManufacturerTable, ...] = ()

    @model_validator(mode="after")
    def _known(self) -> C1219Spec:
        known = {each.object for each in self.source}
        if len(known) < len(self.source):
            raise ValueError("a source stands twice")
        named = [*self.display]
        if self.registers is not None:
            registers = self.registers
            named += [*registers.summations, *registers.demands, *registers.coincidents]
            named += [*registers.present, *registers.present_demands]
            for tier in registers.tiers:
                for there, whole in (
                    (tier.summations, registers.summations),
                    (tier.demands, registers.demands),
                    (tier.coincidents, registers.coincidents),
                ):
                    if len(there) != len(whole):
                        raise ValueError("a tier has as many registers as the total")
        for profile in self.load_profile.set if self.load_profile else ():
            named += [channel.object for channel in profile.channel]
        for code in named:
            if code not in known:
                raise ValueError(f"{code} is no source")
        return self

    @property
    def objects(self) -> set[Obis]:
        """All objects that numbers are taken from."""
        tiers = self.registers.tiers if self.registers else ()
        instead = {code for tier in tiers for code in (*tier.summations, *tier.demands, *tier.coincidents)}
        return {each.object for each in self.source} | instead | {code for each in self.table for code in each.objects}

    def source_of(self, code: Obis) -> int:
        """Number of a source, from 0: its place in table 16."""
        return next(number for number, each in enumerate(self.source) if each.object == code)
