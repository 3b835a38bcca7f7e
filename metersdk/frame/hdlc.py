"""HDLC frames of type 3 (IEC 62056-46 6.4)::

    7E | format(2) | destination | source | control | [HCS(2) information] | FCS(2) | 7E

The format field is ``1010 S LLL LLLLLLLL``: S = segmentation, L = octets from the format field through the FCS. There
is no octet stuffing: ``7E`` may stand anywhere inside, so a frame ends where L says, never where a flag is found.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final

from metersdk.errors import ChecksumError, FrameError, LocalProtocolError
from metersdk.fast import crc16
from metersdk.frame.buffer import ReceiveBuffer
from metersdk.frame.hdlc_address import Address

FLAG: Final = 0x7E
MAX_LENGTH: Final = 0x7FF
# LLC header (IEC 62056-46 5.3.2), first in the information field of every I or UI frame that begins an APDU.
LLC_COMMAND: Final = b"\xe6\xe6\x00"
LLC_RESPONSE: Final = b"\xe6\xe7\x00"

_FLAG_OCTET = b"\x7e"
_TYPE_3 = 0xA0
_SEGMENTED = 0x08
_POLL_FINAL = 0x10
# Format, two one-octet addresses, control, FCS.
_MIN_LENGTH = 7
# CRC-16/X.25 over octets and their own check sequence.
_GOOD = 0x0F47


class FrameKind(StrEnum):
    """What the control field says (modulo 8). ``UNKNOWN`` has no meaning in HDLC."""

    I = "I"  # noqa: E741 - the name of the standard
    RR = "RR"
    RNR = "RNR"
    REJ = "REJ"
    SREJ = "SREJ"
    SNRM = "SNRM"
    SNRME = "SNRME"
    DISC = "DISC"
    UA = "UA"
    DM = "DM"
    FRMR = "FRMR"
    UI = "UI"
    TEST = "TEST"
    XID = "XID"
    UNKNOWN = "UNKNOWN"


_SUPERVISORY = {0x01: FrameKind.RR, 0x05: FrameKind.RNR, 0x09: FrameKind.REJ, 0x0D: FrameKind.SREJ}
_UNNUMBERED = {
    0x83: FrameKind.SNRM,
    0xCF: FrameKind.SNRME,
    0x43: FrameKind.DISC,
    0x63: FrameKind.UA,
    0x0F: FrameKind.DM,
    0x87: FrameKind.FRMR,
    0x03: FrameKind.UI,
    0xE3: FrameKind.TEST,
    0xAF: FrameKind.XID,
}
_CODES = {kind: code for table in (_SUPERVISORY, _UNNUMBERED) for code, kind in table.items()} | {FrameKind.I: 0x00}


def _kind_of(control: int) -> FrameKind:
    if not control & 1:
        return FrameKind.I
    if control & 2:
        return _UNNUMBERED.get(control & ~_POLL_FINAL, FrameKind.UNKNOWN)
    return _SUPERVISORY[control & 0x0F]


_KINDS = tuple(_kind_of(control) for control in range(0x100))


def control_octet(kind: FrameKind, *, poll: bool, receive: int = 0, send: int = 0) -> int:
    """The control field of ``kind`` with the P/F bit ``poll``, N(R) ``receive`` (I, S) and N(S) ``send`` (I)."""
    control = _CODES[kind] | _POLL_FINAL * poll
    if kind is FrameKind.I:
        return control | receive << 5 | send << 1
    return control | receive << 5 if _CODES[kind] in _SUPERVISORY else control


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame. ``destination`` and ``source`` are the address octets as they stand on the wire."""

    destination: bytes
    source: bytes
    control: int
    information: bytes = b""
    segmented: bool = False

    @property
    def kind(self) -> FrameKind:
        """What the control field says."""
        return _KINDS[self.control]

    @property
    def final(self) -> bool:
        """The P/F bit: poll in a command, final in a response."""
        return bool(self.control & _POLL_FINAL)

    @property
    def send_number(self) -> int:
        """N(S) of an I frame."""
        return self.control >> 1 & 7

    @property
    def receive_number(self) -> int:
        """N(R) of an I or S frame: the next N(S) expected; it acknowledges all before."""
        return self.control >> 5

    @property
    def destination_address(self) -> Address:
        """Destination as numbers."""
        return Address.decode(self.destination)

    @property
    def source_address(self) -> Address:
        """Source as numbers."""
        return Address.decode(self.source)

    @property
    def header(self) -> bytes:
        """What stands between the format field and the HCS or, without information, the FCS."""
        return self.destination + self.source + bytes((self.control,))

    def encode(self) -> bytes:
        """The frame with both flags.

        Raises:
            LocalProtocolError: longer than the 2047 octets that the length field can say.
        """
        header = self.header
        length = 2 + len(header) + (len(self.information) + 2 if self.information else 0) + 2
        if length > MAX_LENGTH:
            raise LocalProtocolError(f"an HDLC frame has at most {MAX_LENGTH} octets, not {length}", layer="frame")
        octets = bytes((_TYPE_3 | _SEGMENTED * self.segmented | length >> 8, length & 0xFF)) + header
        if self.information:
            octets += crc16(octets).to_bytes(2, "little") + self.information
        return b"".join((_FLAG_OCTET, octets, crc16(octets).to_bytes(2, "little"), _FLAG_OCTET))

    @classmethod
    def decode(cls, octets: bytes, *, proved: bool = True) -> Frame:
        """Read exactly one frame with both flags; ``proved=False`` leaves the check sequences out of account, as for
        a recorded frame in which a password is masked.

        Raises:
            ChecksumError: FCS or HCS is wrong.
            FrameError: anything else about it is wrong.
        """
        if len(octets) < _MIN_LENGTH + 2 or octets[0] != FLAG or octets[-1] != FLAG:
            raise FrameError("not an HDLC frame between two flags", layer="frame", offset=0, data=octets)
        if octets[1] & 0xF0 != _TYPE_3:
            raise FrameError("not an HDLC frame of type 3", layer="frame", offset=1, data=octets)
        length = (octets[1] & 0x07) << 8 | octets[2]
        if length != len(octets) - 2:
            text = f"the length field says {length}, there are {len(octets) - 2} octets"
            raise FrameError(text, layer="frame", offset=1, data=octets)
        return cls._parse(bytes(octets[1:-1]), proved)

    @classmethod
    def _parse(cls, octets: bytes, proved: bool = True) -> Frame:
        """Read a frame without its flags, whose length and type are known to be right."""
        if proved and crc16(octets) != _GOOD:
            raise ChecksumError("FCS is wrong", layer="frame", offset=len(octets) - 2, data=octets, retryable=True)
        length = len(octets)
        source = _address_end(octets, 2, length)
        control = _address_end(octets, source, length) if source > 0 else 0
        rest = length - control - 1
        if control <= 0 or rest < 2 or rest == 3:
            raise FrameError("no valid HDLC header", layer="frame", offset=2, data=octets)
        if rest == 2:
            information = b""
        elif not proved or crc16(octets[: control + 3]) == _GOOD:
            information = octets[control + 3 : -2]
        else:
            raise ChecksumError("HCS is wrong", layer="frame", offset=control + 1, data=octets, retryable=True)
        segmented = bool(octets[0] & _SEGMENTED)
        return cls(octets[2:source], octets[source:control], octets[control], information, segmented)

    def __str__(self) -> str:
        kind = self.kind
        numbers = f" N(R)={self.receive_number}" if kind is FrameKind.I or _CODES.get(kind) in _SUPERVISORY else ""
        if kind is FrameKind.I:
            numbers = f" N(S)={self.send_number}" + numbers
        marks = " P/F" * self.final + " S" * self.segmented
        return f"{kind}{numbers}{marks} {self.source.hex()}>{self.destination.hex()} {len(self.information)} octets"


@dataclass(slots=True)
class Tally:
    """What ``take_frame`` passed over: octets outside of frames, and candidates with a wrong HCS or FCS."""

    noise: int = 0
    bad_hcs: int = 0
    bad_fcs: int = 0

    @property
    def bad(self) -> int:
        """Frames that did not pass their checks."""
        return self.bad_hcs + self.bad_fcs

    @property
    def damage(self) -> int:
        """All of it."""
        return self.noise + self.bad_hcs + self.bad_fcs


def take_frame(buffer: ReceiveBuffer, tally: Tally | None = None) -> Frame | None:
    """Take the first whole and good frame out of the buffer, or None if there is none yet.

    Noise, idle flags and damaged frames before it are dropped. What stays behind is at most one candidate that may
    still become a frame: its header check is made as soon as the header is there, so noise that looks like a long frame
    does not hold up what follows. If the line then falls silent, ``resync`` gives the candidate up.
    """
    octets = buffer.view()
    have = len(octets)
    tally = tally or Tally()
    at = 0
    while (flag := octets.find(FLAG, at)) >= 0:
        if flag > at:
            tally.noise += flag - at
            at = flag
        if have - at < 2:
            break
        first = octets[at + 1]
        if first == FLAG:
            # The idle line, or the end of the last frame before the start of the next.
            at += 1
            continue
        if first & 0xF0 != _TYPE_3:
            at += 1
            tally.noise += 1
            continue
        if have - at < 3:
            break
        length = (first & 0x07) << 8 | octets[at + 2]
        end = at + 1 + length
        if length < _MIN_LENGTH:
            at += 1
            continue
        if end < have:
            if octets[end] == FLAG:
                try:
                    frame = Frame._parse(bytes(octets[at + 1 : end]))
                except ChecksumError:
                    tally.bad_fcs += 1
                except FrameError:
                    tally.noise += 1
                else:
                    # The closing flag stays: it may open the next frame too.
                    buffer.drop(end)
                    return frame
            at += 1
        elif _may_grow(octets, at + 1, have, length):
            break
        else:
            tally.bad_hcs += 1
            at += 1
    if flag < 0:
        tally.noise += have - at
        at = have
    buffer.drop(at)
    return None


def expected(octets: bytes, header: bytes, most: int) -> tuple[bytes, bool] | None:
    """The information field of ``octets``, and whether it is a segment, if they are exactly one good frame with the
    ``header`` of that frame and 1 to ``most`` octets of information. None: ``take_frame`` tells what they are.

    It reads the same frames as ``take_frame`` at a fraction of the cost.
    """
    behind = len(header) + 5
    length, segmented = _announced(octets[:behind])
    if (
        length != len(octets)
        or not 0 < length - behind - 3 <= most
        or not octets.startswith(header, 3)
        or octets[-1] != FLAG
        or crc16(octets[1:-1]) != _GOOD
    ):
        return None
    return octets[behind:-3], segmented


# The numbers in a control field go round, eight times eight, and segments have one length: the same heads come again.
@lru_cache(maxsize=128)
def _announced(head: bytes) -> tuple[int, bool]:
    """Octets of the frame that begins with ``head``, flags included, and whether it is a segment; (0, False) if what
    ends with the HCS is no head of a good frame."""
    if len(head) < _MIN_LENGTH or head[0] != FLAG or head[1] & 0xF0 != _TYPE_3 or crc16(head[1:]) != _GOOD:
        return 0, False
    return ((head[1] & 0x07) << 8 | head[2]) + 2, bool(head[1] & _SEGMENTED)


def is_incomplete(buffer: ReceiveBuffer) -> bool:
    """Whether ``take_frame`` left the beginning of a frame behind; a lone flag is only an idle line."""
    return len(buffer) > 1


def resync(buffer: ReceiveBuffer) -> None:
    """Give up the candidate that ``take_frame`` left behind; the next call looks for a frame inside it."""
    buffer.drop(1)


def _address_end(octets: bytes | bytearray, at: int, have: int) -> int:
    """Offset behind the address of 1, 2 or 4 octets at ``at``; 0 if it is none, -1 if its end is not there yet."""
    if at < have and octets[at] & 1:
        return at + 1
    for size in (1, 2, 3, 4):
        if at + size > have:
            return -1
        if octets[at + size - 1] & 1:
            return at + size if size != 3 else 0
    return 0


def _may_grow(octets: bytearray, start: int, have: int, length: int) -> bool:
    """Whether the octets from the format field at ``start`` may still become a frame of ``length``."""
    source = _address_end(octets, start + 2, have)
    if source <= 0:
        return source < 0
    control = _address_end(octets, source, have)
    if control <= 0:
        return control < 0
    rest = length - (control + 1 - start)
    if rest < 2 or rest == 3:
        return False
    if rest == 2 or control + 3 > have:
        return True
    return crc16(bytes(octets[start : control + 3])) == _GOOD


class Reject(StrEnum):
    """Why a frame was rejected: the last octet of the FRMR information field (ISO/IEC 13239 5.5.3.4.2)."""

    CONTROL = "control field not defined or not implemented (W)"
    NO_INFORMATION_ALLOWED = "information field not permitted (X)"
    TOO_LONG = "information field too long (Y)"
    RECEIVE_NUMBER = "invalid N(R) (Z)"


_REJECT_BITS = {Reject.CONTROL: 1, Reject.NO_INFORMATION_ALLOWED: 2, Reject.TOO_LONG: 4, Reject.RECEIVE_NUMBER: 8}


def encode_reject(rejected: int, reason: Reject, *, send: int, receive: int, response: bool) -> bytes:
    """Information of FRMR: the rejected control field, V(S), V(R), whether a response was rejected, and why."""
    return bytes((rejected, send << 1 | response << 4 | receive << 5, _REJECT_BITS[reason]))


def describe_reject(information: bytes) -> str:
    """FRMR information in words; never an error."""
    if len(information) < 3:
        return "no reason given"
    reasons = [reason.value for reason, bit in _REJECT_BITS.items() if information[2] & bit] or ["no reason given"]
    numbers = f"V(S)={information[1] >> 1 & 7} V(R)={information[1] >> 5}"
    return f"{_KINDS[information[0]]} ({information[0]:02X}) rejected: {', '.join(reasons)}; {numbers}"
