"""The wrapper of DLMS over TCP and UDP (IEC 62056-47): ``0001 | source | destination | length | APDU``, all u16.

The ports are SAPs (client 16 = public client, server 1 = management logical device), not those of TCP or UDP.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from metersdk.errors import FrameError, LimitExceeded, LocalProtocolError
from metersdk.frame.buffer import ReceiveBuffer

VERSION: Final = 1
HEADER_LENGTH: Final = 8
MAX_APDU: Final = 0xFFFF


@dataclass(frozen=True, slots=True)
class Wpdu:
    """One wrapper protocol data unit."""

    source: int
    destination: int
    apdu: bytes

    def encode(self) -> bytes:
        """Header and APDU.

        Raises:
            LocalProtocolError: a SAP or the length does not fit in 16 bits.
        """
        if not (0 <= self.source <= 0xFFFF and 0 <= self.destination <= 0xFFFF):
            text = f"{self.source} and {self.destination} are not both wrapper ports"
            raise LocalProtocolError(text, layer="frame")
        if len(self.apdu) > MAX_APDU:
            raise LocalProtocolError(f"an APDU of {len(self.apdu)} octets does not fit the wrapper", layer="frame")
        numbers = (VERSION, self.source, self.destination, len(self.apdu))
        return b"".join(number.to_bytes(2, "big") for number in numbers) + self.apdu

    @classmethod
    def decode(cls, datagram: bytes) -> Wpdu:
        """Read a datagram: it holds exactly one WPDU.

        Raises:
            FrameError: too short, another version, or the length is not that of the datagram.
        """
        if len(datagram) < HEADER_LENGTH:
            text = f"{len(datagram)} octets are no wrapper header"
            raise FrameError(text, layer="frame", offset=len(datagram), data=datagram)
        _check_version(datagram)
        length = int.from_bytes(datagram[6:8], "big")
        if length != len(datagram) - HEADER_LENGTH:
            text = f"the wrapper says {length} octets, the datagram holds {len(datagram) - HEADER_LENGTH}"
            # Only the header: a request may hold a password.
            raise FrameError(text, layer="frame", offset=6, data=datagram[:HEADER_LENGTH])
        return cls._of(datagram)

    @classmethod
    def _of(cls, octets: bytes) -> Wpdu:
        source, destination = int.from_bytes(octets[2:4], "big"), int.from_bytes(octets[4:6], "big")
        return cls(source, destination, octets[HEADER_LENGTH:])


def take_wpdu(buffer: ReceiveBuffer, max_apdu: int = MAX_APDU) -> Wpdu | None:
    """Take the first WPDU out of a stream, or None until it is whole.

    A stream without check sequences cannot be resynchronised: after an error the buffer is empty, and the connection
    is of no more use.

    Raises:
        FrameError: another version.
        LimitExceeded: an APDU longer than ``max_apdu``.
    """
    octets = buffer.view()
    head = bytes(octets[:HEADER_LENGTH])
    try:
        _check_version(head)
        if len(head) < HEADER_LENGTH:
            return None
        length = int.from_bytes(head[6:8], "big")
        if length > max_apdu:
            raise LimitExceeded(
                f"an APDU of {length} octets is announced; {max_apdu} is the bound", layer="frame", offset=6, data=head
            )
    except (FrameError, LimitExceeded):
        buffer.clear()
        raise
    if len(octets) < HEADER_LENGTH + length:
        return None
    return Wpdu._of(buffer.take(HEADER_LENGTH + length))


def _check_version(octets: bytes) -> None:
    expected = VERSION.to_bytes(2, "big")
    if octets[:2] != expected[: len(octets)]:
        raise FrameError(
            f"wrapper version {octets[:2].hex()} is not {expected.hex()}",
            layer="frame",
            offset=0,
            data=octets,
            hint="a peer that begins with 7E speaks HDLC: framing=hdlc",
        )
