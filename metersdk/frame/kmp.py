"""KMP, the protocol of Kamstrup's heat, cooling and water meters: octets <-> frames.

::

    80 (to the meter) | 40 (from it)   address   CID   data   CRC-16   0D

CRC-16 with the polynomial 1021, begun with 0, high octet first, over address, CID and data. 06, 0D, 1B, 40 and 80
inside are sent as 1B and their complement, so that 40, 80 and 0D stand at the ends of frames only. The maker gives its
description to utilities alone; public are the technical descriptions of its meters (MULTICAL 302, 402, 62) and what
programs say that read them. The vectors of the tests are theirs.
"""

from __future__ import annotations

from binascii import crc_hqx
from dataclasses import dataclass

from metersdk.errors import ChecksumError, FrameError

REQUEST, ANSWER, STOP, STUFFING = 0x80, 0x40, 0x0D, 0x1B
METER = 0x3F
# Eight registers of 64 octets each, stuffed, are less.
FRAME_LIMIT = 1200

_STUFFED = bytes((0x06, STOP, STUFFING, ANSWER, REQUEST))
_STUFF = {octet: bytes((STUFFING, octet ^ 0xFF)) for octet in _STUFFED}


@dataclass(frozen=True, slots=True)
class KmpFrame:
    """One frame: command and data behind an address; ``start`` tells who sent it."""

    payload: bytes
    address: int = METER
    start: int = REQUEST

    def encode(self) -> bytes:
        body = bytes((self.address,)) + self.payload
        body += crc_hqx(body, 0).to_bytes(2, "big")
        return bytes((self.start,)) + b"".join(_STUFF.get(o) or bytes((o,)) for o in body) + bytes((STOP,))

    @classmethod
    def decode(cls, octets: bytes) -> KmpFrame:
        """The frame in ``octets``, from its first to its last.

        Raises:
            FrameError: no frame, or stuffing that means nothing.
            ChecksumError: the CRC is wrong.
        """
        if len(octets) < 6 or octets[0] not in (REQUEST, ANSWER) or octets[-1] != STOP:
            raise FrameError("no KMP frame: 80 or 40, address, CID, CRC, 0D", layer="frame", data=octets[:8])
        body = bytearray()
        inside = iter(enumerate(octets[1:-1], 1))
        for at, octet in inside:
            if octet == STUFFING:
                at, octet = next(inside, (at, 0))
                octet ^= 0xFF
                if octet not in _STUFFED:
                    raise FrameError("a stuffed octet that is none", layer="frame", data=octets, offset=at)
            body.append(octet)
        if len(body) < 4:
            raise FrameError("a KMP frame without a command", layer="frame", data=octets)
        if crc_hqx(bytes(body), 0):
            raise ChecksumError("CRC of a KMP frame is wrong", layer="frame", data=octets, offset=len(octets) - 3)
        return cls(bytes(body[1:-2]), body[0], octets[0])


def find_kmp(octets: bytes, start: int) -> tuple[int, int] | None:
    """The first whole frame that begins with ``start``: its first octet and the one behind it.

    An echo of our own begins with another octet, and is stepped over like noise.
    """
    stop = octets.find(STOP, octets.find(start) + 1) if start in octets else -1
    if stop < 0:
        return None
    # What broke off before another start is lost.
    return octets.rfind(start, 0, stop), stop + 1
