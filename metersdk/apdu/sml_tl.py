"""The type-length fields of SML: octets <-> values (BSI TR-03109-1 annex, "SML binary encoding").

::

    TL octet   bit 7 more length follows | bits 6..4 type: 0 octets, 4 boolean, 5 integer, 6 unsigned, 7 list | length
    01         not set                     00 end of message

A length counts its own TL octets, that of a list counts elements. Integers have one to eight octets, as few as needed.
"""

from __future__ import annotations

from typing import Final, TypeAlias

from metersdk.errors import DecodeError, LocalProtocolError

Node: TypeAlias = "bytes | bool | int | tuple[Node, ...] | None"

OCTETS, BOOLEAN, INTEGER, UNSIGNED, LIST = 0, 4, 5, 6, 7
# Trees of parameters nest; what nests deeper than this is no tree of a meter.
DEPTH: Final = 16
# TL octets of one field: lengths up to 65535.
_LONGEST: Final = 4
_NAMES = {OCTETS: "octet string", BOOLEAN: "boolean", INTEGER: "integer", UNSIGNED: "unsigned", LIST: "list"}


def head(data: bytes, at: int) -> tuple[int, int, int]:
    """The TL field at ``at`` -> type, length (octets of contents, or elements), where the contents begin.

    Raises:
        DecodeError: the data end, or there is no such type or length.
    """
    try:
        octet = data[at]
        kind, length, here = octet >> 4 & 7, octet & 15, at + 1
        while octet & 0x80:
            octet = data[here]
            if octet & 0x70 or here - at >= _LONGEST:
                raise bad("a length that goes on without end", data, at)
            length = length << 4 | octet & 15
            here += 1
    except IndexError:
        raise ended(data, at) from None
    if kind == LIST:
        # An element has one octet at least.
        if length > len(data) - here:
            raise bad(f"a list of {length} elements, with {len(data) - here} octets left", data, at)
        return kind, length, here
    if kind not in _NAMES:
        raise bad(f"type {kind} does not exist", data, at)
    length -= here - at
    if length < 0:
        raise bad("a length shorter than its own field" if here - at > 1 else "an end of message amid it", data, at)
    if length > len(data) - here:
        raise bad(f"{length} octets told, {len(data) - here} are left", data, at)
    if (kind == BOOLEAN and length != 1) or (kind in (INTEGER, UNSIGNED) and not 1 <= length <= 8):
        raise bad(f"{_NAMES[kind]} of {length} octets", data, at)
    return kind, length, here


def read(data: bytes, at: int, depth: int = 0) -> tuple[Node, int]:
    """The value at ``at``, and the octet after it: bytes, bool, int, a tuple of values, or None where it is not set.

    Raises:
        DecodeError: no value, or nested deeper than ``DEPTH``.
    """
    kind, length, here = head(data, at)
    if kind == LIST:
        if depth == DEPTH:
            raise bad(f"nested deeper than {DEPTH}", data, at)
        items = []
        for _ in range(length):
            item, here = read(data, here, depth + 1)
            items.append(item)
        return tuple(items), here
    after = here + length
    if kind == OCTETS:
        # 01 alone is "not set"; an octet string of no octets has a longer TL field.
        return (None if length == 0 and after == at + 1 else data[here:after]), after
    if kind == BOOLEAN:
        return data[here] != 0, after
    return int.from_bytes(data[here:after], "big", signed=kind == INTEGER), after


def bad(why: str, data: bytes, at: int) -> DecodeError:
    return DecodeError(f"SML: {why}", layer="apdu", offset=at, data=data)


def ended(data: bytes, at: int) -> DecodeError:
    return bad("the data end amid a value", data, at)


# ---- the other way, for the simulator and for tests ------------------------------------------------------------------

NOT_SET: Final = b"\x01"
END_OF_MESSAGE: Final = b"\0"


def _tl(kind: int, length: int) -> bytes:
    """The TL field for contents of ``length`` octets, or a list of that many elements."""
    count = 1
    while length + (0 if kind == LIST else count) >= 1 << 4 * count:
        count += 1
    told = length + (0 if kind == LIST else count)
    nibbles = [told >> 4 * (count - 1 - place) & 15 for place in range(count)]
    more = [0x80] * (count - 1) + [0]
    plain = bytes(each | flag for each, flag in zip(nibbles, more, strict=True))
    return bytes((plain[0] | kind << 4,)) + plain[1:]


def octets(value: bytes | None) -> bytes:
    return NOT_SET if value is None else b"\x80\x02" if not value else _tl(OCTETS, len(value)) + value


def boolean(value: bool) -> bytes:
    return bytes((0x42, value))


def unsigned(value: int | None, size: int | None = None) -> bytes:
    """``size`` in octets; None takes as few as needed."""
    return NOT_SET if value is None else _number(UNSIGNED, value, size or max(1, (value.bit_length() + 7) // 8))


def integer(value: int | None, size: int | None = None) -> bytes:
    """The same, signed."""
    return NOT_SET if value is None else _number(INTEGER, value, size or (value + (value < 0)).bit_length() // 8 + 1)


def _number(kind: int, value: int, size: int) -> bytes:
    try:
        return _tl(kind, size) + value.to_bytes(size, "big", signed=kind == INTEGER)
    except OverflowError as error:
        raise LocalProtocolError(f"{value} does not fit {size} octets", layer="apdu") from error


def sequence(*items: bytes) -> bytes:
    return _tl(LIST, len(items)) + b"".join(items)
