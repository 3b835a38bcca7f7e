"""Where a message of ANSI C12.22 ends: ``60 | length | elements``, one to a datagram, one behind the other in a stream.

RFC 6142 puts nothing around them: the BER length of the message is all there is.
"""

from __future__ import annotations

from typing import Final

from metersdk.errors import FrameError, LimitExceeded
from metersdk.frame.buffer import ReceiveBuffer

START: Final = 0x60
# IANA: c1222-acse, TCP and UDP.
C1222_PORT: Final = 1153
# What a message may measure with its head, unless the caller has another bound. UDP carries no more.
MAX_MESSAGE: Final = 0xFFFF
# 60 and the longest length that is read: 84 and four octets.
_LONGEST_HEAD: Final = 6


def message_size(octets: bytes | bytearray, limit: int = MAX_MESSAGE) -> int | None:
    """How long the message is that begins here, head and all; None until that can be told.

    Raises:
        FrameError: no message of C12.22 begins here.
        LimitExceeded: it would be longer than ``limit``.
    """
    if not octets:
        return None
    shown = bytes(octets[:_LONGEST_HEAD])
    if octets[0] != START:
        raise FrameError(
            f"octet {octets[0]:02X} begins no message of C12.22",
            layer="frame",
            offset=0,
            data=shown,
            hint="a peer that begins with EE speaks C12.18 or C12.21",
        )
    if len(octets) < 2:
        return None
    first = octets[1]
    if first < 0x80:
        return _within(2 + first, limit, shown)
    count = first & 0x7F
    if not 1 <= count <= _LONGEST_HEAD - 2:
        raise FrameError(f"{first:02X} is no length of a message", layer="frame", offset=1, data=shown)
    if len(octets) < 2 + count:
        return None
    return _within(2 + count + int.from_bytes(octets[2 : 2 + count], "big"), limit, shown)


def _within(size: int, limit: int, shown: bytes) -> int:
    if size > limit:
        raise LimitExceeded(
            f"a message of {size} octets is announced; {limit} is the bound", layer="frame", offset=1, data=shown
        )
    return size


def take_message(buffer: ReceiveBuffer, limit: int = MAX_MESSAGE) -> bytes | None:
    """Take the first message out of a stream, or None until it is whole.

    A stream without check sequences cannot be resynchronised: after an error the buffer is empty, and the connection is
    of no more use.

    Raises:
        FrameError: the stream holds no message.
        LimitExceeded: a message longer than ``limit`` is announced.
    """
    octets = buffer.view()
    try:
        size = message_size(octets, limit)
    except (FrameError, LimitExceeded):
        buffer.clear()
        raise
    return buffer.take(size) if size is not None and len(octets) >= size else None
