"""A-XDR: the ``Data`` of DLMS/COSEM, decoded to a typed tree and encoded again (IEC 61334-6; Green Book 9.5, ``Data``).

Every value begins with one tag octet. A count or length is one octet up to 127, or ``81 xx``, ``82 xxxx``, ``83 ..``,
``84 ..``; forms longer than needed occur on the wire and are accepted. All bad input ends in ``DecodeError`` with layer
``"apdu"`` and the offset of the octet that is wrong, in time and memory bounded by the octets given:

- nesting is limited to ``MAX_DEPTH``, and the stack is a list, not Python's;
- a count is compared with the octets that remain before anything is made (each element has at least its tag);
- types of no size inside a compact-array cannot multiply (``VALUES_PER_OCTET``).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NoReturn, TypeAlias

from metersdk.errors import DecodeError, LocalProtocolError

# The deepest attribute of the Blue Book, object_list of an association, nests five containers; pushes add one or two.
# 32 leaves room for makers' own and keeps repr, == and hash of a tree far from Python's recursion limit.
MAX_DEPTH: Final = 32

# null-data and dont-care are free inside a compact-array, whose type description may repeat them 65535 times for each
# octet of contents. Real descriptions hold a handful of columns, hardly any of them null.
VALUES_PER_OCTET: Final = 16


class Tag(IntEnum):
    """The tag octets of ``Data``."""

    NULL_DATA = 0
    ARRAY = 1
    STRUCTURE = 2
    BOOLEAN = 3
    BIT_STRING = 4
    DOUBLE_LONG = 5
    DOUBLE_LONG_UNSIGNED = 6
    OCTET_STRING = 9
    VISIBLE_STRING = 10
    UTF8_STRING = 12
    BCD = 13
    INTEGER = 15
    LONG = 16
    UNSIGNED = 17
    LONG_UNSIGNED = 18
    COMPACT_ARRAY = 19
    LONG64 = 20
    LONG64_UNSIGNED = 21
    ENUM = 22
    FLOAT32 = 23
    FLOAT64 = 24
    DATE_TIME = 25
    DATE = 26
    TIME = 27
    DELTA_INTEGER = 28
    DELTA_LONG = 29
    DELTA_DOUBLE_LONG = 30
    DELTA_UNSIGNED = 31
    DELTA_LONG_UNSIGNED = 32
    DELTA_DOUBLE_LONG_UNSIGNED = 33
    DONT_CARE = 255

    @property
    def standard_name(self) -> str:
        """The name the standard uses, ``"double-long-unsigned"``."""
        return self.name.lower().replace("_", "-")


Plain: TypeAlias = "bool | int | float | bytes | str | list[Plain] | tuple[Plain, ...] | None"


@dataclass(frozen=True, slots=True)
class Data:
    """One value with its type.

    ``value``: None for null-data and dont-care; bool; int for all integers, enum, bcd (0..99) and delta types; float;
    str for visible-string and utf8-string; str of ``0`` and ``1`` for bit-string; bytes for octet-string, date-time
    (12 octets), date (5) and time (4); a tuple of ``Data`` for array, structure and compact-array.
    """

    tag: Tag
    value: bool | int | float | bytes | str | tuple[Data, ...] | None = None

    def python(self) -> Plain:
        """The plain value: array and compact-array as list, structure as tuple, others their ``value``."""
        if not isinstance(self.value, tuple):
            return self.value
        items = [item.python() for item in self.value]
        return tuple(items) if self.tag is Tag.STRUCTURE else items


_NUMBERS: Final[dict[int, struct.Struct]] = {
    Tag.DOUBLE_LONG: struct.Struct(">i"),
    Tag.DOUBLE_LONG_UNSIGNED: struct.Struct(">I"),
    Tag.INTEGER: struct.Struct(">b"),
    Tag.LONG: struct.Struct(">h"),
    Tag.UNSIGNED: struct.Struct(">B"),
    Tag.LONG_UNSIGNED: struct.Struct(">H"),
    Tag.LONG64: struct.Struct(">q"),
    Tag.LONG64_UNSIGNED: struct.Struct(">Q"),
    Tag.ENUM: struct.Struct(">B"),
    Tag.FLOAT32: struct.Struct(">f"),
    Tag.FLOAT64: struct.Struct(">d"),
    Tag.DELTA_INTEGER: struct.Struct(">b"),
    Tag.DELTA_LONG: struct.Struct(">h"),
    Tag.DELTA_DOUBLE_LONG: struct.Struct(">i"),
    Tag.DELTA_UNSIGNED: struct.Struct(">B"),
    Tag.DELTA_LONG_UNSIGNED: struct.Struct(">H"),
    Tag.DELTA_DOUBLE_LONG_UNSIGNED: struct.Struct(">I"),
}
_FIXED: Final[dict[int, int]] = {
    Tag.NULL_DATA: 0,
    Tag.DONT_CARE: 0,
    Tag.BOOLEAN: 1,
    Tag.BCD: 1,
    Tag.DATE_TIME: 12,
    Tag.DATE: 5,
    Tag.TIME: 4,
} | {tag: number.size for tag, number in _NUMBERS.items()}
_STRINGS: Final = frozenset((Tag.OCTET_STRING, Tag.VISIBLE_STRING, Tag.UTF8_STRING, Tag.BIT_STRING))
_CONTAINERS: Final = frozenset((Tag.ARRAY, Tag.STRUCTURE, Tag.COMPACT_ARRAY))
_TAGS: Final[dict[int, Tag]] = {int(tag): tag for tag in Tag}


def _bad(message: str, raw: bytes, offset: int, hint: str = "") -> NoReturn:
    raise DecodeError(message, layer="apdu", offset=offset, data=raw, hint=hint)


def encode_length(count: int) -> bytes:
    """The shortest form of a count or length, 0..0xFFFFFFFF."""
    if 0 <= count < 0x80:
        return bytes((count,))
    if not 0 <= count <= 0xFFFF_FFFF:
        raise LocalProtocolError(f"a length of {count} cannot be encoded", layer="apdu")
    size = (count.bit_length() + 7) // 8
    return bytes((0x80 | size,)) + count.to_bytes(size, "big")


def decode_length(raw: bytes, offset: int) -> tuple[int, int]:
    """A count or length in any form of up to four octets, minimal or not -> (number, offset behind it)."""
    if offset >= len(raw):
        _bad("the length is missing", raw, offset)
    first = raw[offset]
    if first < 0x80:
        return first, offset + 1
    size = first & 0x7F
    if not 1 <= size <= 4:
        _bad(f"a length field of {size} octets", raw, offset)
    end = offset + 1 + size
    if end > len(raw):
        _bad("the length is cut off", raw, offset)
    return int.from_bytes(raw[offset + 1 : end], "big"), end


def decode(raw: bytes, offset: int = 0) -> tuple[Data, int]:
    """One value at ``offset`` -> (value, offset behind it). Raises DecodeError."""
    open_: list[tuple[Tag, int, list[Data]]] = []
    while True:
        tag, body = _tag(raw, offset)
        if tag in _CONTAINERS and len(open_) >= MAX_DEPTH:
            _bad(f"nested deeper than {MAX_DEPTH}", raw, offset)
        if tag is Tag.COMPACT_ARRAY:
            value, offset = _compact_array(raw, body, len(open_) + 1)
        elif tag in _CONTAINERS:
            count, offset = _count(raw, body)
            if count:
                open_.append((tag, count, []))
                continue
            value = Data(tag, ())
        else:
            value, offset = _leaf(raw, tag, body)
        while open_:
            tag, count, items = open_[-1]
            items.append(value)
            if len(items) < count:
                break
            value = Data(tag, tuple(items))
            open_.pop()
        else:
            return value, offset


def decode_all(raw: bytes) -> Data:
    """The one value that fills ``raw``. Raises DecodeError, also for octets left over."""
    value, end = decode(raw)
    if end != len(raw):
        _bad(f"{len(raw) - end} octets left over behind the value", raw, end)
    return value


def end_of(raw: bytes, offset: int = 0) -> int:
    """The offset behind the value at ``offset``, without building it. Raises DecodeError.

    The contents of strings and compact-arrays are skipped unseen.
    """
    pending: list[int] = []
    while True:
        tag, body = _tag(raw, offset)
        if tag in _CONTAINERS and len(pending) >= MAX_DEPTH:
            _bad(f"nested deeper than {MAX_DEPTH}", raw, offset)
        if tag is Tag.COMPACT_ARRAY:
            _, body = _describe(raw, body, len(pending) + 1)
            length, start = decode_length(raw, body)
            offset = _within(raw, start, length)
        elif tag in _CONTAINERS:
            count, offset = _count(raw, body)
            if count:
                pending.append(count)
                continue
        else:
            start, offset = _extent(raw, tag, body)
        while pending:
            pending[-1] -= 1
            if pending[-1]:
                break
            pending.pop()
        else:
            return offset


def _tag(raw: bytes, offset: int) -> tuple[Tag, int]:
    if offset >= len(raw):
        _bad("the value is missing", raw, offset)
    tag = _TAGS.get(raw[offset])
    if tag is None:
        _bad(f"no type has the tag {raw[offset]:02X}", raw, offset)
    return tag, offset + 1


def _within(raw: bytes, start: int, length: int) -> int:
    if length > len(raw) - start:
        _bad(f"{length} octets announced, {len(raw) - start} present", raw, start)
    return start + length


def _count(raw: bytes, offset: int) -> tuple[int, int]:
    count, start = decode_length(raw, offset)
    if count > len(raw) - start:
        _bad(f"{count} elements announced, {len(raw) - start} octets present", raw, offset)
    return count, start


def _extent(raw: bytes, tag: Tag, offset: int) -> tuple[int, int]:
    """Start and end of the contents of a value that is no container."""
    if tag in _STRINGS:
        length, offset = decode_length(raw, offset)
        if tag is Tag.BIT_STRING:
            length = (length + 7) // 8
    else:
        length = _FIXED[tag]
    return offset, _within(raw, offset, length)


def _leaf(raw: bytes, tag: Tag, offset: int) -> tuple[Data, int]:
    start, end = _extent(raw, tag, offset)
    if number := _NUMBERS.get(tag):
        return Data(tag, number.unpack_from(raw, start)[0]), end
    octets = bytes(raw[start:end])
    match tag:
        case Tag.NULL_DATA | Tag.DONT_CARE:
            return Data(tag), end
        case Tag.BOOLEAN:
            return Data(tag, octets != b"\0"), end
        case Tag.BCD:
            if octets[0] >> 4 > 9 or octets[0] & 15 > 9:
                _bad(f"{octets[0]:02X} is no bcd", raw, start)
            return Data(tag, (octets[0] >> 4) * 10 + (octets[0] & 15)), end
        case Tag.BIT_STRING:
            bits, _ = decode_length(raw, offset)
            return Data(tag, "".join(f"{octet:08b}" for octet in octets)[:bits]), end
        case Tag.VISIBLE_STRING:
            # ASCII by the standard; Latin-1 keeps every octet a meter may send all the same.
            return Data(tag, octets.decode("latin-1")), end
        case Tag.UTF8_STRING:
            try:
                return Data(tag, octets.decode()), end
            except UnicodeDecodeError as error:
                _bad("the utf8-string is not UTF-8", raw, start + error.start)
        case _:
            return Data(tag, octets), end


# compact-array ----------------------------------------------------------------------------------------------------
# Green Book, TypeDescription: one tag; array [1] SEQUENCE { number-of-elements Unsigned16, type-description };
# structure [2] SEQUENCE OF TypeDescription. The contents follow without tags; strings keep their own length.


@dataclass(frozen=True, slots=True)
class TypeDescription:
    """The type of the elements of a compact-array; ``count`` is the number of elements of an array, -1 where the
    contents say it."""

    tag: Tag
    count: int = 0
    items: tuple[TypeDescription, ...] = ()


def decode_type(raw: bytes, offset: int = 0) -> tuple[TypeDescription, int]:
    """A type description at ``offset`` -> (description, offset behind it). Raises DecodeError."""
    return _describe(raw, offset, 0)


def _describe(raw: bytes, offset: int, depth: int, counted: bool = True) -> tuple[TypeDescription, int]:
    open_: list[tuple[Tag, int, int, list[TypeDescription]]] = []
    while True:
        tag, body = _tag(raw, offset)
        if tag in _CONTAINERS and depth + len(open_) >= MAX_DEPTH:
            _bad(f"nested deeper than {MAX_DEPTH}", raw, offset)
        if tag is Tag.COMPACT_ARRAY:
            _bad("a compact-array inside a type description", raw, offset)
        if tag is Tag.ARRAY:
            offset = _within(raw, body, 2) if counted else body
            open_.append((tag, int.from_bytes(raw[body:offset], "big") if counted else -1, 1, []))
            continue
        offset = body
        if tag is Tag.STRUCTURE:
            count, offset = _count(raw, body)
            if count:
                open_.append((tag, 0, count, []))
                continue
        kind = TypeDescription(tag)
        while open_:
            tag, count, wanted, items = open_[-1]
            items.append(kind)
            if len(items) < wanted:
                break
            kind = TypeDescription(tag, count, tuple(items))
            open_.pop()
        else:
            return kind, offset


def _compact_array(raw: bytes, offset: int, depth: int) -> tuple[Data, int]:
    kind, offset = _describe(raw, offset, depth)
    length, start = decode_length(raw, offset)
    end = _within(raw, start, length)
    contents = _Contents(raw[:end], VALUES_PER_OCTET * length)
    items: list[Data] = []
    offset = start
    while offset < end:
        value, after = contents.element(kind, offset)
        if after == offset:
            _bad("elements of no size in a compact-array that has contents", raw, offset)
        items.append(value)
        offset = after
    return Data(Tag.COMPACT_ARRAY, tuple(items)), end


def decode_compact_data(buffer: bytes, template: bytes, *, counted_arrays: bool = False) -> Data:
    """A compact_buffer by its template_description (class 62 attributes 2 and 5), which must use it up.

    A template is a type description whose arrays have no count: the buffer says it. ``counted_arrays`` is for the
    meters that write the count into the template, as a compact-array does. Raises DecodeError.
    """
    kind, end = _describe(template, 0, 0, counted_arrays)
    if end != len(template):
        _bad(f"{len(template) - end} octets left over behind the template", template, end)
    value, end = _Contents(buffer, VALUES_PER_OCTET * (len(buffer) + len(template))).element(kind, 0)
    if end != len(buffer):
        _bad(f"{len(buffer) - end} octets left over behind the values of the template", buffer, end)
    return value


class _Contents:
    """Reads untagged elements; recursion is bounded, because the description was held to ``MAX_DEPTH``."""

    def __init__(self, raw: bytes, budget: int) -> None:
        self.raw = raw
        self.budget = budget

    def element(self, kind: TypeDescription, offset: int) -> tuple[Data, int]:
        self.budget -= 1
        if self.budget < 0:
            _bad("more values than the octets of this compact-array can hold", self.raw, offset)
        if kind.tag not in _CONTAINERS:
            return _leaf(self.raw, kind.tag, offset)
        items: list[Data] = []
        count = kind.count if kind.tag is Tag.ARRAY else 1
        if count < 0:
            count, offset = _count(self.raw, offset)
        for item in kind.items * count:
            value, offset = self.element(item, offset)
            items.append(value)
        return Data(kind.tag, tuple(items)), offset


# encoding ---------------------------------------------------------------------------------------------------------


def encode(data: Data) -> bytes:
    """The octets of a value, with the shortest lengths. Raises LocalProtocolError when the value does not fit its tag.

    A compact-array takes its type description from its first element, which all others must share; without elements
    it is described as null-data.
    """
    out = bytearray()
    todo: list[tuple[Data, int]] = [(data, 0)]
    while todo:
        data, depth = todo.pop()
        out.append(data.tag)
        if data.tag is Tag.COMPACT_ARRAY:
            items = _items(data, depth)
            kind = _type_of(items[0], depth + 1) if items else TypeDescription(Tag.NULL_DATA)
            contents = b"".join(_untagged(item, kind) for item in items)
            out += _encode_type(kind) + encode_length(len(contents)) + contents
        elif data.tag in _CONTAINERS:
            items = _items(data, depth)
            out += encode_length(len(items))
            todo.extend((item, depth + 1) for item in reversed(items))
        else:
            out += _encode_leaf(data)
    return bytes(out)


def _misfit(data: Data) -> LocalProtocolError:
    return LocalProtocolError(f"{data.value!r:.60} is no {data.tag.standard_name}", layer="apdu")


def _items(data: Data, depth: int) -> tuple[Data, ...]:
    if not isinstance(data.value, tuple):
        raise _misfit(data)
    if depth >= MAX_DEPTH:
        raise LocalProtocolError(f"nested deeper than {MAX_DEPTH}", layer="apdu")
    return data.value


def _encode_leaf(data: Data) -> bytes:
    tag, value = data.tag, data.value
    if (number := _NUMBERS.get(tag)) is not None:
        try:
            return number.pack(value)
        except (struct.error, OverflowError):
            raise _misfit(data) from None
    match tag, value:
        case ((Tag.NULL_DATA | Tag.DONT_CARE), None):
            return b""
        case Tag.BOOLEAN, bool():
            return b"\1" if value else b"\0"
        case Tag.BCD, int() if 0 <= value <= 99:
            return bytes((value // 10 << 4 | value % 10,))
        case Tag.BIT_STRING, str() if not value.strip("01"):
            size = (len(value) + 7) // 8
            return encode_length(len(value)) + int(value.ljust(size * 8, "0") or "0", 2).to_bytes(size, "big")
        case Tag.VISIBLE_STRING, str() if all(ord(letter) < 256 for letter in value):
            return encode_length(len(value)) + value.encode("latin-1")
        case Tag.UTF8_STRING, str():
            try:
                octets = value.encode()
            except UnicodeEncodeError:
                raise _misfit(data) from None
            return encode_length(len(octets)) + octets
        case Tag.OCTET_STRING, bytes():
            return encode_length(len(value)) + value
        case ((Tag.DATE_TIME | Tag.DATE | Tag.TIME), bytes()) if len(value) == _FIXED[tag]:
            return value
    raise _misfit(data)


def _type_of(data: Data, depth: int) -> TypeDescription:
    if data.tag not in _CONTAINERS:
        return TypeDescription(data.tag)
    items = _items(data, depth)
    if data.tag is Tag.COMPACT_ARRAY:
        raise LocalProtocolError("a compact-array cannot be an element of a compact-array", layer="apdu")
    if data.tag is Tag.STRUCTURE:
        return TypeDescription(Tag.STRUCTURE, 0, tuple(_type_of(item, depth + 1) for item in items))
    kind = _type_of(items[0], depth + 1) if items else TypeDescription(Tag.NULL_DATA)
    return TypeDescription(Tag.ARRAY, len(items), (kind,))


def _encode_type(kind: TypeDescription) -> bytes:
    head = bytes((kind.tag,))
    if kind.tag is Tag.ARRAY:
        if kind.count > 0xFFFF:
            raise LocalProtocolError("an array of more than 65535 elements inside a compact-array", layer="apdu")
        head += kind.count.to_bytes(2, "big")
    elif kind.tag is Tag.STRUCTURE:
        head += encode_length(len(kind.items))
    return head + b"".join(_encode_type(item) for item in kind.items)


def _untagged(data: Data, kind: TypeDescription) -> bytes:
    if data.tag is not kind.tag:
        raise LocalProtocolError(
            f"a {data.tag.standard_name} in a compact-array of {kind.tag.standard_name}", layer="apdu"
        )
    if data.tag not in _CONTAINERS:
        return _encode_leaf(data)
    wanted = kind.items * (kind.count if kind.tag is Tag.ARRAY else 1)
    items = data.value if isinstance(data.value, tuple) else ()
    if len(items) != len(wanted):
        raise LocalProtocolError("the elements of a compact-array differ in shape", layer="apdu")
    return b"".join(_untagged(item, kind_) for item, kind_ in zip(items, wanted, strict=True))


# short constructors -----------------------------------------------------------------------------------------------


def _integer(tag: Tag) -> Callable[[int], Data]:
    def make(value: int) -> Data:
        return Data(tag, value)

    make.__doc__ = f"A {tag.standard_name}."
    return make


i8 = _integer(Tag.INTEGER)
i16 = _integer(Tag.LONG)
i32 = _integer(Tag.DOUBLE_LONG)
i64 = _integer(Tag.LONG64)
u8 = _integer(Tag.UNSIGNED)
u16 = _integer(Tag.LONG_UNSIGNED)
u32 = _integer(Tag.DOUBLE_LONG_UNSIGNED)
u64 = _integer(Tag.LONG64_UNSIGNED)
enum = _integer(Tag.ENUM)


def null() -> Data:
    """A null-data."""
    return Data(Tag.NULL_DATA)


def boolean(value: bool) -> Data:
    """A boolean."""
    return Data(Tag.BOOLEAN, value)


def f32(value: float) -> Data:
    """A float32."""
    return Data(Tag.FLOAT32, value)


def f64(value: float) -> Data:
    """A float64."""
    return Data(Tag.FLOAT64, value)


def octets(value: bytes) -> Data:
    """An octet-string."""
    return Data(Tag.OCTET_STRING, bytes(value))


def visible(value: str) -> Data:
    """A visible-string."""
    return Data(Tag.VISIBLE_STRING, value)


def utf8(value: str) -> Data:
    """A utf8-string."""
    return Data(Tag.UTF8_STRING, value)


def bits(value: str) -> Data:
    """A bit-string from ``0`` and ``1``, first bit first."""
    return Data(Tag.BIT_STRING, value)


def date_time(value: bytes) -> Data:
    """A date-time (tag 25) from its 12 octets; most attributes want them as ``octets`` instead."""
    return Data(Tag.DATE_TIME, bytes(value))


def array(*items: Data) -> Data:
    """An array."""
    return Data(Tag.ARRAY, items)


def structure(*items: Data) -> Data:
    """A structure."""
    return Data(Tag.STRUCTURE, items)


def compact_array(*items: Data) -> Data:
    """A compact-array; all items must have the type of the first."""
    return Data(Tag.COMPACT_ARRAY, items)
