"""Ciphered pushes that nothing frames: bytes <-> general-glo-ciphering APDUs (P1 in Luxembourg and Austria).

::

    DB 08 system title | length | security control, invocation counter, ciphertext, tag       8N1, 115200 Bd as a rule

There is no flag and no check sequence: the head is recognised, its length tells the end, and the tag within proves it.
What is inside is a whole P1 telegram, or a DLMS push.
"""

from __future__ import annotations

import re
from typing import Final

from metersdk.frame.buffer import ReceiveBuffer

# A P1 telegram has 400 to 4000 characters.
CIPHERED_LIMIT: Final = 1 << 13
# A title begins with the three letters of a FLAG id; security control says that it is encrypted, in suite 0, 1 or 2.
_HEAD = re.compile(
    rb"\xdb\x08[A-Z]{3}.{5}(?:\x81([\x80-\xff])|\x82([\x01-\x1f].)|([\x06-\x7f]))(?=[\x20-\x22\x30-\x32])", re.DOTALL
)
_HEAD_LENGTH: Final = 14


def find_ciphered(octets: bytes | bytearray) -> tuple[int, int] | None:
    """Where the first whole APDU begins and ends; None where there is none."""
    at = 0
    while (head := _HEAD.search(octets, at)) is not None:
        end = _end(head)
        if end <= len(octets):
            return head.start(), end
        at = head.start() + 1
    return None


def _end(head: re.Match[bytes]) -> int:
    return head.end() + int.from_bytes(head[1] or head[2] or head[3], "big")


class CipheredScanner:
    """Ciphered APDUs out of a buffer, as they come; what is none is dropped and counted.

    Attributes:
        noise: octets that belonged to no APDU.
    """

    __slots__ = ("_buffer", "noise")

    def __init__(self, buffer: ReceiveBuffer) -> None:
        self.noise = 0
        self._buffer = buffer

    def take(self, *, final: bool = False) -> bytes | None:
        """The next whole APDU; None until more octets come.

        ``final``: nothing more comes; what is begun will never be whole.
        """
        buffer = self._buffer
        octets = buffer.view()
        head = _HEAD.search(octets)
        if head is None:
            self._drop(len(octets) if final else max(0, len(octets) - _HEAD_LENGTH))
            return None
        start, end = head.start(), _end(head)
        # A match holds on to its octets, which could not be dropped.
        del head
        if end > len(octets) and final:
            whole = find_ciphered(octets)
            if whole is None:
                self._drop(len(octets))
                return None
            start, end = whole
        self._drop(start)
        return buffer.take(end - start) if end - start <= len(buffer) else None

    def _drop(self, count: int) -> None:
        self._buffer.drop(count)
        self.noise += count
