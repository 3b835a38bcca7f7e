"""COSEM interface objects: what all of them share, and the tables that describe each class.

A class is declared once, as a pydantic model with two class-level tables (``ATTRIBUTES``, ``METHODS``); decoding,
encoding, the object list and the simulator all read those tables. Objects of a class without a model of its own are
plain :class:`CosemObject`: nothing is lost, their attributes stay ``Data`` in ``others``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Flag
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, InstanceOf, PlainSerializer, ValidationError

from metersdk.apdu.axdr import Data, Tag
from metersdk.errors import DecodeError, LocalProtocolError
from metersdk.model.cosem.kinds import OBIS, Kind
from metersdk.model.fields import ObisField
from metersdk.model.obis import Obis
from metersdk.model.obis import name as name_of
from metersdk.model.reading import plain

DataField = Annotated[
    InstanceOf[Data], PlainSerializer(lambda data: plain(data.python()), return_type=Any, when_used="json")
]


class Access(Flag):
    """Rights of the current association on an attribute or method: the bit map of association version 3.

    The enumerations of versions 0 to 2 are translated: "authenticated read" is ``READ | AUTHENTICATED_REQUEST``.
    """

    NONE = 0
    READ = 0x01
    INVOKE = 0x01
    WRITE = 0x02
    AUTHENTICATED_REQUEST = 0x04
    ENCRYPTED_REQUEST = 0x08
    SIGNED_REQUEST = 0x10
    AUTHENTICATED_RESPONSE = 0x20
    ENCRYPTED_RESPONSE = 0x40
    SIGNED_RESPONSE = 0x80


@dataclass(frozen=True, slots=True)
class Attribute:
    """One row of a class description: an attribute by number, for the versions ``since`` to ``until`` inclusive."""

    number: int
    name: str
    kind: Kind[Any]
    since: int = 0
    until: int = 255


@dataclass(frozen=True, slots=True)
class Method:
    """One row of a class description: a method by number."""

    number: int
    name: str
    since: int = 0
    until: int = 255


LOGICAL_NAME = Attribute(1, "logical_name", OBIS)


class CosemObject(BaseModel):
    """An interface object: class, version, logical name, the rights on it, and the attribute values read so far.

    An attribute not read yet, and one the meter left empty (null-data), is ``None``. Attributes that the class table
    does not know are kept in ``others`` by number.
    """

    model_config = ConfigDict(validate_assignment=True, arbitrary_types_allowed=True)

    CLASS_NAME: ClassVar[str] = ""
    ATTRIBUTES: ClassVar[tuple[Attribute, ...]] = ()
    METHODS: ClassVar[tuple[Method, ...]] = ()

    class_id: int = Field(ge=0, le=0xFFFF)
    version: int = Field(default=0, ge=0, le=0xFF)
    logical_name: ObisField
    attribute_access: dict[int, Access] = {}
    """Rights by attribute number, from the object list; empty where it was not read."""
    method_access: dict[int, Access] = {}
    selectors: dict[int, tuple[int, ...]] = {}
    """Selective access offered, by attribute number."""
    others: dict[int, DataField] = {}

    @property
    def name(self) -> str:
        """English name of the logical name, ``""`` where unknown."""
        return name_of(self.logical_name)

    @classmethod
    def table(cls, version: int) -> Mapping[int, Attribute]:
        """The attributes of this class in ``version``, by number."""
        rows = (LOGICAL_NAME, *cls.ATTRIBUTES)
        return {row.number: row for row in rows if row.since <= version <= row.until}

    @classmethod
    def methods(cls, version: int) -> Mapping[int, Method]:
        """The methods of this class in ``version``, by number."""
        return {row.number: row for row in cls.METHODS if row.since <= version <= row.until}

    @property
    def attributes(self) -> Mapping[int, Attribute]:
        """The attributes of this object's class and version, by number."""
        return self.table(self.version)

    def attribute_number(self, name: str) -> int:
        """The number of the attribute called ``name``.

        Raises:
            LocalProtocolError: the class has no such attribute in this version.
        """
        for row in self.attributes.values():
            if row.name == name:
                return row.number
        raise LocalProtocolError(f"class {self.class_id} version {self.version} has no {name!r}", layer="data")

    def update(self, attribute: int, data: Data) -> None:
        """Take the value of ``attribute`` as the meter sent it.

        Raises:
            DecodeError: the value does not have the type of the attribute.
        """
        row = self.attributes.get(attribute)
        if row is None:
            self.others[attribute] = data
            return
        if row is LOGICAL_NAME:
            code: Obis = row.kind.decode(data)
            if code != self.logical_name:
                raise DecodeError(f"the object calls itself {code}, not {self.logical_name}", layer="data")
            return
        value = None if data.tag is Tag.NULL_DATA else row.kind.decode(data)
        try:
            setattr(self, row.name, value)
        except ValidationError as error:
            text = f"{row.name} of {self.logical_name}: {error.errors()[0]['msg']}"
            raise DecodeError(text, layer="data") from error

    def encode(self, attribute: int) -> Data:
        """The value of ``attribute`` as ``Data``; null-data where there is none.

        Raises:
            LocalProtocolError: neither the class nor ``others`` has such an attribute, or its value does not fit.
        """
        row = self.attributes.get(attribute)
        if row is None:
            if attribute not in self.others:
                raise LocalProtocolError(
                    f"class {self.class_id} version {self.version} has no attribute {attribute}", layer="data"
                )
            return self.others[attribute]
        value = getattr(self, row.name)
        return Data(Tag.NULL_DATA) if value is None else row.kind.encode(value)

    def __str__(self) -> str:
        label = self.name or self.CLASS_NAME
        return f"{self.logical_name} class {self.class_id} version {self.version}{' ' if label else ''}{label}"
