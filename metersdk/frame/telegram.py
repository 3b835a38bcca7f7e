"""Mode D and P1: bytes <-> telegrams that a meter pushes (IEC 62056-21 6.4.5; DSMR P1 companion standard).

::

    /XXXZ identification CR LF CR LF data lines ! CR LF             mode D, 2400 Bd 7E1, often 9600; P1 to DSMR 3
    /XXXZ identification CR LF CR LF data lines ! CRC CR LF         P1 from DSMR 4 on, 115200 Bd 8N1

The CRC is CRC-16/ARC over ``/`` to ``!``, both counted, in four hexadecimal digits. Nothing else proves a telegram, but
the parity of 7E1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from metersdk.frame.buffer import ReceiveBuffer
from metersdk.frame.iec62056_21 import Identification, find_identification, from_line, high_octets, line_format

# 2.8 s at 115200 Bd, 34 s at 9600: a P1 telegram has 400 to 4000 characters, with texts for the household.
TELEGRAM_LIMIT: Final = 1 << 15

# "!" at the head of a line or behind a data set, what follows it on its line, and the end of that; of octets as they
# come, whose bit 7 may be the parity: one that is wrong ends a line all the same.
_END = re.compile(rb"(?:\A|(?<=[\n\x8a)\xa9]))[!\xa1]([^\r\n!/\x8d\x8a\xa1\xaf]{0,24})(?:[\r\x8d]?[\n\x8a])")
_END_AT_LAST = re.compile(rb"(?:\A|(?<=[\n\x8a)\xa9]))[!\xa1]([^\r\n!/\x8d\x8a\xa1\xaf]{0,24})\Z")
# The longest end, and what stands before it.
_END_LENGTH: Final = 28
_FILL: Final = b"\0\r\n \x80\x8d\x8a\xa0"
_CRC = re.compile(rb"[ \x00]*([0-9A-Fa-f]{4})[ \x00]*")


@dataclass(frozen=True, slots=True)
class TextTelegram:
    """One telegram.

    Attributes:
        identification: its first line.
        body: the data lines, from behind the identification to ``!``.
        crc: what followed ``!``; None where nothing did.
        proved: the CRC is right; None where there is none.
        format: ``7E1`` or ``8N1``, as far as the octets tell.
        damaged: octets of wrong parity, where there is parity.
        raw: the whole of it as text, 7-bit.
        offset: where it began, in octets of what was scanned since the beginning.
    """

    identification: Identification
    body: bytes
    crc: int | None
    proved: bool | None
    format: str
    damaged: int
    raw: bytes
    offset: int = 0

    @property
    def is_p1(self) -> bool:
        """It has the CRC of DSMR 4, or the version object of one before."""
        return self.crc is not None or b"\n1-3:0.2.8(" in self.body or b"\n0-0:96.1.1(" in self.body


def crc16_arc(data: bytes) -> int:
    """CRC-16/ARC, check 0xBB3D."""
    crc = 0
    for octet in data:
        crc = crc >> 8 ^ _ARC[(crc ^ octet) & 0xFF]
    return crc


def _arc_row(value: int) -> int:
    for _ in range(8):
        value = value >> 1 ^ (0xA001 if value & 1 else 0)
    return value


_ARC = tuple(map(_arc_row, range(256)))


def encode_telegram(identification: bytes, lines: bytes, *, crc: bool) -> bytes:
    """One telegram as text; ``identification`` with its ``/``, ``lines`` each with CR LF."""
    text = identification + b"\r\n\r\n" + lines + b"!"
    return text + (f"{crc16_arc(text):04X}".encode("ascii") if crc else b"") + b"\r\n"


class TelegramScanner:
    """Telegrams out of a buffer, as they come; what is none is dropped and counted.

    The octets may carry parity bits. Holds one telegram at most, ``limit`` octets.

    Attributes:
        noise: octets that belonged to no whole telegram.
    """

    __slots__ = ("_base", "_buffer", "_limit", "_seen", "noise")

    def __init__(self, buffer: ReceiveBuffer, *, limit: int = TELEGRAM_LIMIT) -> None:
        self.noise = 0
        self._buffer = buffer
        self._limit = limit
        self._base = 0
        # Octets in which there is no end.
        self._seen = 0

    def take(self, *, final: bool = False) -> TextTelegram | None:
        """The next whole telegram; None until more octets come.

        ``final``: nothing more comes, so that the end of the last line may be missing.
        """
        while True:
            octets = self._buffer.view()
            end = _END.search(octets, self._seen)
            if end is None and final:
                end = _END_AT_LAST.search(octets.rstrip(_FILL))
            if end is None:
                self._seen = max(0, len(octets) - _END_LENGTH)
                self._bound()
                return None
            stop = end.end()
            found = _telegram(bytes(octets[:stop]), end.start(), end[1], self._base)
            # A match holds on to its octets, which could not be dropped.
            del end
            self.noise += stop - (len(found.raw) if found is not None else 0)
            self._drop(stop)
            if found is not None:
                return found

    def identification(self) -> Identification | None:
        """The first line of the telegram that is coming in."""
        found = find_identification(from_line(bytes(self._buffer.view()))[0])
        return None if found is None else found[0]

    def _bound(self) -> None:
        excess = len(self._buffer) - self._limit
        if excess > 0:
            self.noise += excess
            seen = self._seen
            self._drop(excess)
            self._seen = max(0, seen - excess)

    def _drop(self, count: int) -> None:
        self._buffer.drop(count)
        self._base += count
        self._seen = 0


def _telegram(octets: bytes, stop: int, tail: bytes, base: int) -> TextTelegram | None:
    """The last telegram that begins in ``octets``, which end with it: one before it broke off. Its ``!`` is at
    ``stop``, and ``tail`` is what follows on its line."""
    text = from_line(octets)[0]
    found, at = None, 0
    while (next_one := find_identification(text, at)) is not None and next_one[2] <= stop:
        found, at = next_one, next_one[2]
    if found is None:
        return None
    identification, start, body = found
    octets = octets[start:]
    odd, high = from_line(octets)[1], high_octets(octets)
    form = line_format(len(octets), len(odd), high)
    told = _CRC.fullmatch(from_line(tail)[0])
    crc = None if told is None else int(told[1], 16)
    proved = None if crc is None else crc16_arc(text[start : stop + 1]) == crc
    if proved is False and high and crc16_arc(octets[: stop + 1 - start]) == crc:
        # 8N1, and a text with letters beyond those of 7 bits.
        text, proved = text[:start] + octets, True
    # With a CRC that is right there was no parity to be wrong.
    damaged = len(odd) if form == "7E1" and high and not proved else 0
    return TextTelegram(
        identification,
        text[body:stop],
        crc,
        proved,
        "7E1" if form == "7E1" and high else "8N1",
        damaged,
        text[start:],
        base + start,
    )


def telegrams(capture: bytes) -> Iterator[TextTelegram]:
    """Every whole telegram of a capture."""
    buffer = ReceiveBuffer(max(len(capture), 1))
    buffer.feed(capture)
    scanner = TelegramScanner(buffer, limit=max(len(capture), 1))
    while (found := scanner.take() or scanner.take(final=True)) is not None:
        yield found
