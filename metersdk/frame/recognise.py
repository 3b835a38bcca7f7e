"""Which protocol octets are of, when nobody has been asked: a line on which a meter pushes."""

from __future__ import annotations

import re
from enum import StrEnum

from metersdk import fast
from metersdk.fast import Reason
from metersdk.frame.ciphered import find_ciphered
from metersdk.frame.iec62056_21 import find_identification, from_line

# A start or an end of an SML file; all in between is binary.
_SML = re.compile(rb"\x1b{4}(?:\x01{4}|\x02{4}|\x1a[\x00-\x03])")
# A whole line that is a data set with an OBIS code: two groups at least.
_DATA_LINE = re.compile(rb"(?:\A|\n)[0-9A-F][0-9A-F:-]*\.[0-9A-F.*&]+(?:\([ -'*-~]*\))+\r?\n")
# Flag, format, two addresses of four octets, control, check sequence, LLC.
_HDLC_HEAD = 18


class Speech(StrEnum):
    """What a meter pushes by itself."""

    SML = "sml"
    TELEGRAM = "telegram"
    """Lines of IEC 62056-21: mode D, or P1."""
    HDLC = "hdlc"
    C1218 = "c1218"
    CIPHERED = "ciphered"
    """General-glo-ciphering without a frame: P1 of Luxembourg and Austria."""


def recognise(octets: bytes) -> Speech | None:
    """What these octets are; None if that cannot be said, which is also what a wrong speed looks like.

    A whole frame of HDLC or C12.18 is needed, a whole ciphered APDU, a whole line of text, or a start or end of SML:
    joining amid a telegram is enough to tell it.
    """
    if _SML.search(octets):
        return Speech.SML
    for name, scan in ((Speech.HDLC, fast.scan_hdlc), (Speech.C1218, fast.scan_c1218)):
        if Reason.GOOD in scan(octets)[2]:
            return name
    found = find_ciphered(octets)
    if found is not None and not _in_hdlc(octets, *found):
        return Speech.CIPHERED
    text = from_line(octets)[0]
    if _DATA_LINE.search(text) or find_identification(text) is not None:
        return Speech.TELEGRAM
    return None


def _in_hdlc(octets: bytes, start: int, end: int) -> bool:
    """Whether the octets from ``start`` to ``end`` stand in an HDLC frame, of which the end may still come."""
    flag = octets.rfind(0x7E, max(0, start - _HDLC_HEAD), start)
    if flag < 0 or octets[flag + 1] & 0xF0 != 0xA0:
        return False
    return flag + 1 + ((octets[flag + 1] & 7) << 8 | octets[flag + 2]) >= end
