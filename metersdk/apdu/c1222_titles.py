"""ApTitles of ANSI C12.22: object identifiers, absolute or relative to the network (C12.22 5.2.3, ISO/IEC 8825-1)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from metersdk.apdu import ber
from metersdk.errors import DecodeError, LocalProtocolError

ABSOLUTE: Final = 0x06
RELATIVE: Final = 0x80
# Longest content that is read or written; the titles in use have some 20 octets.
MAX_OCTETS: Final = 127
# ITU-T X.667 makes arcs of 128 bits out of UUIDs; no other is nearly as large.
_LARGEST = (1 << 128) - 1
_WRITTEN = re.compile(r"\.?[0-9]{1,39}(\.[0-9]{1,39}){0,126}")


@dataclass(frozen=True, slots=True)
class ApTitle:
    """An object identifier: ``1.3.6.1.4.1.33507``, or with a dot before it, ``.123.4``, one below the network's."""

    arcs: tuple[int, ...]
    relative: bool = False

    @classmethod
    def parse(cls, text: str | ApTitle) -> ApTitle:
        """From text as ``str()`` gives it.

        Raises:
            LocalProtocolError: it is no object identifier.
        """
        if isinstance(text, ApTitle):
            return text
        if not _WRITTEN.fullmatch(text):
            raise LocalProtocolError(
                f"{text!r:.60} is no ApTitle", layer="apdu", hint="such as 1.3.6.1.4.1.33507.1919, or relative: .123.4"
            )
        title = cls(tuple(map(int, text.removeprefix(".").split("."))), text.startswith("."))
        title.encode()
        return title

    def __str__(self) -> str:
        return "." * self.relative + ".".join(map(str, self.arcs))

    def encode(self) -> bytes:
        """Tag, length and content.

        Raises:
            LocalProtocolError: an absolute one begins with 0, 1 or 2, and has arcs below 40 behind 0 and 1.
        """
        arcs = self.arcs
        if not self.relative:
            if len(arcs) < 2 or arcs[0] > 2 or (arcs[0] < 2 and arcs[1] > 39):
                raise LocalProtocolError(f"{self!s:.60} is no absolute object identifier", layer="apdu")
            arcs = (arcs[0] * 40 + arcs[1], *arcs[2:])
        content = b"".join(map(_arc, arcs))
        if not content or len(content) > MAX_OCTETS:
            raise LocalProtocolError(f"an ApTitle of {len(content)} octets", layer="apdu")
        return bytes((RELATIVE if self.relative else ABSOLUTE, len(content))) + content

    @classmethod
    def decode(cls, raw: bytes, start: int = 0, end: int | None = None) -> ApTitle:
        """From tag, length and content, which fill ``raw`` from ``start`` to ``end``.

        Raises:
            DecodeError: they are not an object identifier.
        """
        title, after = cls.read(raw, start, end)
        if after != (len(raw) if end is None else end):
            raise DecodeError("octets behind an ApTitle", layer="apdu", offset=after, data=raw)
        return title

    @classmethod
    def read(cls, raw: bytes, start: int = 0, end: int | None = None) -> tuple[ApTitle, int]:
        """The ApTitle at ``start``, and the offset behind it.

        Raises:
            DecodeError: there is none.
        """
        item = ber.read(raw, start, end)
        if item.tag not in (ABSOLUTE, RELATIVE):
            raise DecodeError(f"tag {item.tag:02X} where an ApTitle belongs", layer="apdu", offset=start, data=raw)
        if not item.content or len(item.content) > MAX_OCTETS:
            raise DecodeError(f"an ApTitle of {len(item.content)} octets", layer="apdu", offset=start, data=raw)
        relative = item.tag == RELATIVE
        return cls(_arcs(item, raw, relative), relative), item.start + len(item.content)

    def within(self, base: ApTitle) -> ApTitle:
        """The absolute identifier that this one is below ``base``."""
        return ApTitle(base.arcs + self.arcs) if self.relative else self


# What relative ApTitles are below: {joint-iso-itu-t(2) country(16) ca(124) 113620 1 22} is C12.22, 0 its network.
NETWORK: Final = ApTitle((2, 16, 124, 113620, 1, 22, 0))


def _arc(value: int) -> bytes:
    if not 0 <= value <= _LARGEST:
        raise LocalProtocolError("an arc of an ApTitle is too large", layer="apdu")
    octets = [value & 0x7F]
    while value := value >> 7:
        octets.append(0x80 | value & 0x7F)
    return bytes(reversed(octets))


def _arcs(item: ber.Tlv, raw: bytes, relative: bool) -> tuple[int, ...]:
    arcs: list[int] = []
    value, begun = 0, False
    for at, octet in enumerate(item.content, item.start):
        if not begun and octet == 0x80:
            raise DecodeError("an arc of an ApTitle begins with 80", layer="apdu", offset=at, data=raw)
        value, begun = value << 7 | octet & 0x7F, bool(octet & 0x80)
        if value > _LARGEST:
            raise DecodeError("an arc of an ApTitle is too large", layer="apdu", offset=at, data=raw)
        if not begun:
            arcs.append(value)
            value = 0
    if begun:
        raise DecodeError("the last arc of an ApTitle is cut off", layer="apdu", offset=item.start, data=raw)
    if relative:
        return tuple(arcs)
    first = min(arcs[0] // 40, 2)
    return (first, arcs[0] - 40 * first, *arcs[1:])
