"""The types of COSEM attributes: how a value of the model becomes ``Data`` and comes back.

Reading is lenient where meters are (any integer type for an integer, ``octet-string`` or ``date-time`` for a time),
writing is what the Blue Book says. A value of the wrong shape ends in ``DecodeError``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from metersdk.apdu.axdr import Data, Tag
from metersdk.errors import DecodeError, LocalProtocolError
from metersdk.model.clock import Date, DateTime, Time
from metersdk.model.column import CaptureObject
from metersdk.model.obis import Obis
from metersdk.model.quantity import Unit

T = TypeVar("T")
E = TypeVar("E", bound=int)
M = TypeVar("M", bound=BaseModel)

INTEGERS = frozenset(
    (
        Tag.INTEGER,
        Tag.LONG,
        Tag.DOUBLE_LONG,
        Tag.LONG64,
        Tag.UNSIGNED,
        Tag.LONG_UNSIGNED,
        Tag.DOUBLE_LONG_UNSIGNED,
        Tag.LONG64_UNSIGNED,
        Tag.ENUM,
    )
)
SEQUENCES = frozenset((Tag.ARRAY, Tag.STRUCTURE, Tag.COMPACT_ARRAY))


@dataclass(frozen=True, slots=True)
class Kind(Generic[T]):
    """One attribute type: its name in the Blue Book, and the two directions."""

    name: str
    decode: Callable[[Data], T]
    encode: Callable[[T], Data]


def mismatch(wanted: str, data: Data) -> DecodeError:
    return DecodeError(f"{wanted} expected, not {data.tag.standard_name}: {data.value!r:.60}", layer="data")


def items_of(data: Data, wanted: str, least: int = 0) -> tuple[Data, ...]:
    """The elements of an array, structure or compact-array with at least ``least`` of them."""
    if data.tag not in SEQUENCES or not isinstance(data.value, tuple) or len(data.value) < least:
        raise mismatch(f"{wanted} of {least} elements" if least else wanted, data)
    return data.value


def int_of(data: Data, wanted: str = "an integer") -> int:
    if data.tag not in INTEGERS or not isinstance(data.value, int):
        raise mismatch(wanted, data)
    return data.value


def bytes_of(data: Data, wanted: str = "an octet-string") -> bytes:
    if isinstance(data.value, bytes):
        return data.value
    if isinstance(data.value, str) and data.tag in (Tag.VISIBLE_STRING, Tag.UTF8_STRING):
        return data.value.encode("latin-1" if data.tag is Tag.VISIBLE_STRING else "utf-8")
    raise mismatch(wanted, data)


def _integer(tag: Tag) -> Kind[int]:
    return Kind(tag.standard_name, int_of, lambda value: Data(tag, value))


INTEGER = _integer(Tag.INTEGER)
LONG = _integer(Tag.LONG)
DOUBLE_LONG = _integer(Tag.DOUBLE_LONG)
UNSIGNED = _integer(Tag.UNSIGNED)
LONG_UNSIGNED = _integer(Tag.LONG_UNSIGNED)
DOUBLE_LONG_UNSIGNED = _integer(Tag.DOUBLE_LONG_UNSIGNED)


def _boolean(data: Data) -> bool:
    # Some meters send 0 and 1 in an unsigned where the class says boolean.
    return data.value if isinstance(data.value, bool) else bool(int_of(data, "a boolean"))


def _bits(data: Data) -> str:
    if data.tag is not Tag.BIT_STRING or not isinstance(data.value, str):
        raise mismatch("a bit-string", data)
    return data.value


def _text(data: Data) -> str:
    return bytes_of(data, "a string").decode("utf-8" if data.tag is Tag.UTF8_STRING else "latin-1")


BOOLEAN: Kind[bool] = Kind("boolean", _boolean, lambda value: Data(Tag.BOOLEAN, value))
OCTETS: Kind[bytes] = Kind("octet-string", bytes_of, lambda value: Data(Tag.OCTET_STRING, value))
BITS: Kind[str] = Kind("bit-string", _bits, lambda value: Data(Tag.BIT_STRING, value))
TEXT: Kind[str] = Kind("octet-string", _text, lambda value: Data(Tag.OCTET_STRING, value.encode("latin-1", "replace")))
ANY: Kind[Data] = Kind("CHOICE", lambda data: data, lambda data: data)
OBIS: Kind[Obis] = Kind(
    "octet-string",
    lambda data: Obis.from_octets(bytes_of(data, "a logical name")),
    lambda code: Data(Tag.OCTET_STRING, code.octets),
)
# The class says octet-string, and nearly all meters send 09 0C; a few the type's own tag.
DATE_TIME: Kind[DateTime] = Kind(
    "date-time",
    lambda data: DateTime.from_octets(bytes_of(data, "a date-time")),
    lambda moment: Data(Tag.OCTET_STRING, moment.to_octets()),
)
DATE: Kind[Date] = Kind(
    "date",
    lambda data: Date.from_octets(bytes_of(data, "a date")),
    lambda day: Data(Tag.OCTET_STRING, day.to_octets()),
)
TIME: Kind[Time] = Kind(
    "time",
    lambda data: Time.from_octets(bytes_of(data, "a time")),
    lambda of_day: Data(Tag.OCTET_STRING, of_day.to_octets()),
)


def _unit(data: Data) -> Unit:
    code = int_of(data, "a unit")
    if not 0 <= code <= 255:
        raise mismatch("a unit", data)
    return Unit(code)


UNIT: Kind[Unit] = Kind("enum", _unit, lambda unit: Data(Tag.ENUM, int(unit)))


def choice(numbers: type[E]) -> Kind[E | int]:
    """An enum; a number without a name stays a number, so that no meter becomes unreadable."""

    def decode(data: Data) -> E | int:
        number = int_of(data, f"an enum {numbers.__name__}")
        try:
            return numbers(number)
        except ValueError:
            return number

    return Kind("enum", decode, lambda value: Data(Tag.ENUM, int(value)))


def array_of(kind: Kind[T]) -> Kind[tuple[T, ...]]:
    """An array whose elements are all of one kind."""
    return Kind(
        f"array of {kind.name}",
        lambda data: tuple(kind.decode(item) for item in items_of(data, "an array")),
        lambda values: Data(Tag.ARRAY, tuple(kind.encode(value) for value in values)),
    )


def structure_of(model: type[M], layout: Sequence[tuple[str, Kind[Any]]]) -> Kind[M]:
    """A structure held as a pydantic model: the fields in the order of the wire. Elements beyond them are ignored."""

    def decode(data: Data) -> M:
        items = items_of(data, model.__name__, len(layout))
        try:
            return model(**{name: kind.decode(item) for (name, kind), item in zip(layout, items, strict=False)})
        except ValidationError as error:
            raise DecodeError(f"no {model.__name__}: {error.errors()[0]['msg']}", layer="data") from error

    def encode(value: M) -> Data:
        if not isinstance(value, model):
            raise LocalProtocolError(f"a {model.__name__} expected, not {value!r:.60}", layer="data")
        return Data(Tag.STRUCTURE, tuple(kind.encode(getattr(value, name)) for name, kind in layout))

    return Kind("structure", decode, encode)


def _capture_object(data: Data) -> CaptureObject:
    class_id, code, attribute, index, *_ = items_of(data, "a capture object", 4)
    return CaptureObject(int_of(class_id), OBIS.decode(code), int_of(attribute), int_of(index))


def _capture_object_data(item: CaptureObject) -> Data:
    return Data(
        Tag.STRUCTURE,
        (
            Data(Tag.LONG_UNSIGNED, item.class_id),
            Data(Tag.OCTET_STRING, Obis.parse(item.obis).octets),
            Data(Tag.INTEGER, item.attribute),
            Data(Tag.LONG_UNSIGNED, item.index),
        ),
    )


CAPTURE_OBJECT: Kind[CaptureObject] = Kind("structure", _capture_object, _capture_object_data)
