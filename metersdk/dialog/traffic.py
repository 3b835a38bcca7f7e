"""What octets on a line are that nobody here asked for: whose traffic it is, in words and by a stable name."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from metersdk.dialog.signatures import FORMATS, JUDGED_OCTETS, SLOWER, Sign, readable, sign_of
from metersdk.frame.iec62056_21 import (
    BAUD_C,
    SOH,
    STX,
    OptionSelect,
    find_identification,
    find_option_select,
    find_request,
    from_line,
)
from metersdk.frame.recognise import Speech, recognise

# Octets that are looked at; a burst is told by its beginning.
LOOKED_AT = 4096
_SPEEDS = "0123456789"


class Traffic(StrEnum):
    """What traffic looks like. The names are stable."""

    SIGN_ON = "sign-on"
    """A reader calls a meter: the request of IEC 62056-21."""
    SESSION = "iec62056-21"
    """Some other message of a session of IEC 62056-21."""
    TELEGRAM = "telegram"
    """Mode D or P1: a meter that speaks by itself."""
    SML = "sml"
    HDLC = "hdlc"
    C1218 = "c1218"
    CIPHERED = "ciphered"
    TEXT = "text"
    """Characters, in no message that is known."""
    OTHER_SPEED = "other-speed"
    NOISE = "noise"
    """Light, or another speed."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a burst of traffic looks like: its kind, in words, and the speed it agrees on, if it does."""

    kind: Traffic
    text: str
    agreed: int | None = None

    @property
    def may_hold_password(self) -> bool:
        """Whether its octets are better not shown: another reader may be sending a password."""
        return self.kind in (Traffic.SESSION, Traffic.HDLC, Traffic.C1218, Traffic.TEXT)


_SPOKEN = {
    Speech.SML: Look(Traffic.SML, "SML: a meter that speaks by itself"),
    Speech.HDLC: Look(Traffic.HDLC, "HDLC frames: another reader, or a meter that pushes"),
    Speech.C1218: Look(Traffic.C1218, "packets of ANSI C12.18: another reader"),
    Speech.CIPHERED: Look(Traffic.CIPHERED, "ciphered telegrams of DLMS: a meter that speaks by itself"),
}
_TELEGRAM = Look(Traffic.TELEGRAM, "a telegram of IEC 62056-21 (mode D or P1): a meter that speaks by itself")


def look_at(octets: bytes) -> Look:
    """What these octets, heard at one speed by an 8N1 receiver, look like."""
    octets = octets[:LOOKED_AT]
    speech = recognise(octets)
    if speech in _SPOKEN:
        return _SPOKEN[speech]
    text = from_line(octets)[0]
    session = _session(text)
    if session is not None:
        return session
    if speech is Speech.TELEGRAM:
        return _TELEGRAM
    sign = sign_of(octets)
    if sign in SLOWER:
        return Look(Traffic.OTHER_SPEED, f"a sender {sign}")
    if len(octets) >= JUDGED_OCTETS and sign in (*FORMATS, Sign.TEXT_7E1):
        return Look(Traffic.TEXT, f"characters ({sign}) in no message that is known")
    return Look(Traffic.NOISE, "noise: light, or another speed")


def agreed_speed(octets: bytes) -> int | None:
    """The speed that the last option select message asks for; None where there is none."""
    select = _select(from_line(octets)[0])
    return None if select is None else BAUD_C.get(select.baud_character)


def _session(text: bytes) -> Look | None:
    """The messages of a session of IEC 62056-21 in ``text``; None where there is none that proves it."""
    agreed = None
    if (select := _select(text)) is not None:
        agreed = BAUD_C.get(select.baud_character)
    if (request := find_request(text)) is not None and request[0].start[1:] in "?#123456789":
        address = f", device {request[0].address}" if request[0].address else ""
        return Look(Traffic.SIGN_ON, f"the sign-on of a reader (IEC 62056-21){address}", agreed)
    found = find_identification(text)
    if found is not None and (select is not None or not text[found[2] :].strip(b"\0\r\n")):
        return Look(Traffic.SESSION, f"a meter identifies itself to a reader: {found[0].manufacturer}", agreed)
    if select is not None:
        return Look(Traffic.SESSION, "a reader acknowledges an identification (IEC 62056-21)", agreed)
    if any(octet in text for octet in (SOH, STX)) and len(text) >= JUDGED_OCTETS and readable(text) > 0.85:
        return Look(Traffic.SESSION, "messages between a reader and a meter (IEC 62056-21)")
    return None


def _select(text: bytes) -> OptionSelect | None:
    """The last option select message, if it is one in full: ``ACK V Z Y CR LF``."""
    last, at = None, 0
    while (found := find_option_select(text[at:])) is not None:
        select, end = found
        if select.protocol.isdigit() and select.option.isdigit() and select.baud_character in _SPEEDS:
            last = select
        at += end
    return last
