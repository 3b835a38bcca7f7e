"""BER, as much of it as ACSE needs: one-octet tags, definite lengths in the short and the long form (ISO/IEC 8825-1).

``Tlv`` values carry the offset of their tag, so that an error can name the octet it was seen at.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from metersdk.errors import DecodeError, LocalProtocolError

# 0x84 gives 32-bit lengths; an APDU never exceeds 65535 octets, so longer forms are noise.
_LONGEST_LENGTH = 4


@dataclass(frozen=True, slots=True)
class Tlv:
    """One element: ``tag``, its ``content``, and where the tag stood (``offset``) and the content began (``start``)."""

    tag: int
    content: bytes
    offset: int
    start: int


def encode_length(length: int) -> bytes:
    """The length octets: short form below 128, else ``81 xx``, ``82 xx xx``, ..."""
    if length < 0x80:
        return bytes((length,))
    size = (length.bit_length() + 7) // 8
    if size > _LONGEST_LENGTH:
        raise LocalProtocolError(f"{length} octets are too long for one BER element", layer="apdu")
    return bytes((0x80 | size,)) + length.to_bytes(size, "big")


def encode(tag: int, content: bytes) -> bytes:
    """Tag, length and content."""
    return bytes((tag,)) + encode_length(len(content)) + content


def read(raw: bytes, offset: int = 0, end: int | None = None) -> Tlv:
    """The element at ``offset``; nothing at or after ``end`` is looked at.

    Raises:
        DecodeError: the element is cut off, or its tag or length has a form ACSE does not use.
    """
    limit = len(raw) if end is None else min(end, len(raw))
    if offset >= limit:
        raise DecodeError("BER element missing", layer="apdu", offset=offset, data=raw)
    tag = raw[offset]
    if tag & 0x1F == 0x1F:
        raise DecodeError(f"BER tag {tag:02X} of more than one octet", layer="apdu", offset=offset, data=raw)
    length, start = read_length(raw, offset + 1, limit)
    if length > limit - start:
        raise DecodeError(
            f"BER element {tag:02X} claims {length} octets, {limit - start} are left",
            layer="apdu",
            offset=offset,
            data=raw,
        )
    return Tlv(tag, raw[start : start + length], offset, start)


def read_length(raw: bytes, offset: int, limit: int) -> tuple[int, int]:
    """The length at ``offset`` and the offset after it."""
    if offset >= limit:
        raise DecodeError("BER length missing", layer="apdu", offset=offset, data=raw)
    first = raw[offset]
    if first < 0x80:
        return first, offset + 1
    size = first & 0x7F
    if not 1 <= size <= _LONGEST_LENGTH:
        # ISO/IEC 8825-1 8.1.3.6: 80 is the indefinite form, which DLMS never uses.
        raise DecodeError(f"BER length form {first:02X} is not used by ACSE", layer="apdu", offset=offset, data=raw)
    start = offset + 1 + size
    if start > limit:
        raise DecodeError("BER length cut off", layer="apdu", offset=offset, data=raw)
    return int.from_bytes(raw[offset + 1 : start], "big"), start


def items(raw: bytes, start: int = 0, end: int | None = None) -> Iterator[Tlv]:
    """Every element between ``start`` and ``end``, which they must fill exactly."""
    limit = len(raw) if end is None else min(end, len(raw))
    while start < limit:
        item = read(raw, start, limit)
        yield item
        start = item.start + len(item.content)


def only(raw: bytes, tag: int, start: int = 0, end: int | None = None) -> Tlv:
    """The single element between ``start`` and ``end``, which must carry ``tag`` and leave nothing over."""
    limit = len(raw) if end is None else min(end, len(raw))
    item = read(raw, start, limit)
    if item.tag != tag:
        raise DecodeError(f"BER tag {item.tag:02X} where {tag:02X} belongs", layer="apdu", offset=start, data=raw)
    after = item.start + len(item.content)
    if after != limit:
        raise DecodeError(f"{limit - after} octets after the BER element", layer="apdu", offset=after, data=raw)
    return item
