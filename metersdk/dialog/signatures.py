"""What octets are that were heard with an 8N1 receiver: which format, which speed, which protocol, or light.

Pure functions of the octets. The statistics are those of an ideal UART (the model of ``port/line.py``): from eight
octets on a wrong format has odds of 1 in 256.
"""

from __future__ import annotations

from enum import StrEnum

from metersdk.frame.iec62056_21 import from_line, high_octets
from metersdk.frame.recognise import Speech, recognise

JUDGED_OCTETS = 8


class Sign(StrEnum):
    """What a stretch of octets is."""

    NONE = "none"
    TEXT_7E1 = "7E1"
    TEXT_7O1 = "7O1"
    TEXT_8N1 = "8N1"
    TEXT_7N2 = "7N2"
    TEXT_7N1 = "7N1"
    SLOWER_2 = "2 times slower"
    SLOWER_4 = "4 times slower"
    SLOWER_8 = "8 times slower"
    SLOWER_16 = "16 times slower or more"
    SML = "SML"
    HDLC = "HDLC"
    C1218 = "ANSI C12.18"
    UNKNOWN = "unknown"


SLOWER = {Sign.SLOWER_2: 2, Sign.SLOWER_4: 4, Sign.SLOWER_8: 8, Sign.SLOWER_16: 16}
FORMATS = (Sign.TEXT_7O1, Sign.TEXT_8N1, Sign.TEXT_7N2, Sign.TEXT_7N1)

_PROTOCOLS: dict[Speech | None, Sign] = {Speech.SML: Sign.SML, Speech.HDLC: Sign.HDLC, Speech.C1218: Sign.C1218}
_READABLE = bytes(sorted({*range(0x20, 0x7F), *b"\r\n\x01\x02\x03\x04\x06\x15"}))
# What an ideal receiver makes of a slower sender: octets that hold whole runs of its bits.
_SET_2 = frozenset(a | b | c | d for a in (0, 0x06) for b in (0, 0x18) for c in (0, 0x60) for d in (0, 0x80))
_SET_4 = frozenset(b"\x00\x80\x78\xf8")
_SET_8 = frozenset(b"\x00\x80")
_SET_16 = frozenset(b"\x00")
# From 8 times on a receiver whose clock is a little off sees an edge anywhere.
_SET_8_REAL = frozenset(b"\x00\x80\xc0\xe0\xf0\xf8\xfc\xfe\xff")
# The first character of an answer, "/" or STX, as a 7N1 sender makes an 8N1 receiver read it: its stop bit is bit 7.
_FIRST_7N1 = (0xAF, 0x82)


def readable(octets: bytes) -> float:
    """The share of octets that are characters of a message once bit 7 is taken off."""
    text = from_line(octets)[0]
    return 1 - len(text.translate(None, _READABLE)) / len(text) if text else 0.0


def sign_of(octets: bytes) -> Sign:
    """What ``octets``, heard at one speed, are. Up to a quarter of them may be damaged."""
    if not octets:
        return Sign.NONE
    protocol = protocol_of(octets)
    if protocol is not Sign.NONE:
        return protocol
    size = len(octets)
    if size < 3:
        return Sign.UNKNOWN
    slower = _slower(octets)
    if slower is not None:
        return slower
    if size < JUDGED_OCTETS:
        return Sign.UNKNOWN
    return format_of(octets)


def format_of(octets: bytes) -> Sign:
    """The character format of text, by its parity and bit 7; ``UNKNOWN`` where none explains it."""
    size = len(octets)
    odd, high = len(from_line(octets)[1]) / size, high_octets(octets) / size
    if readable(octets) >= 0.85:
        # Before 7E1: of its characters every other one has bit 7 set.
        if high <= 0.03 and odd >= 0.08:
            return Sign.TEXT_8N1
        if odd <= 0.25:
            return Sign.TEXT_7E1
        if odd >= 0.9:
            return Sign.TEXT_7O1
        if high >= 0.97:
            return Sign.TEXT_7N2
    if octets[0] in _FIRST_7N1 and 0.5 <= high <= 0.95:
        return Sign.TEXT_7N1
    return Sign.TEXT_7E1 if odd <= 0.2 and readable(octets) >= 0.6 else Sign.UNKNOWN


def protocol_of(octets: bytes) -> Sign:
    """SML, HDLC or C12.18 where a start sequence or a check sequence proves it."""
    return _PROTOCOLS.get(recognise(octets), Sign.NONE)


def _slower(octets: bytes) -> Sign | None:
    """How much slower the sender is; None if it is not."""
    seen = set(octets)
    if 0 not in seen and not seen <= _SET_2:
        return None
    size = len(octets)
    if seen <= {0}:
        return Sign.SLOWER_16
    if seen <= _SET_8:
        return Sign.SLOWER_8
    if size >= 4 and seen <= _SET_4:
        return Sign.SLOWER_4
    if size >= 3 and seen <= _SET_8_REAL and octets.count(0) * 3 >= size:
        return Sign.SLOWER_16
    if size >= 6 and seen <= _SET_2:
        return Sign.SLOWER_2
    # One octet in ten may have been hit: by the change of speed, by light.
    kinds = (Sign.SLOWER_16, _SET_16), (Sign.SLOWER_8, _SET_8), (Sign.SLOWER_4, _SET_4), (Sign.SLOWER_2, _SET_2)
    for sign, known in kinds:
        if size >= 20 and sum(octets.count(octet) for octet in known) * 10 >= size * 9:
            return sign
    return None
