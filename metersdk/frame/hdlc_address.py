"""HDLC addresses (IEC 62056-46 6.4.2): octets of seven bits, bit 0 set on the last one only."""

from __future__ import annotations

from dataclasses import dataclass

from metersdk.errors import FrameError, LocalProtocolError

# Reserved addresses, one-octet half and two-octet half (IEC 62056-46 6.4.2.3).
CALLING = (0x7E, 0x3FFE)
ALL_STATION = (0x7F, 0x3FFF)

_ONE_OCTET = 0x80
_TWO_OCTETS = 0x4000


@dataclass(frozen=True, slots=True)
class Address:
    """A station: ``upper`` (logical device, or client SAP) and ``lower`` (physical device; None in the one-octet form).

    ``size`` is the number of octets on the wire, 1, 2 or 4: the same numbers legally exist as two or as four octets,
    and a meter answers only the form it uses.
    """

    upper: int
    lower: int | None = None
    size: int = 1

    @classmethod
    def of(cls, upper: int, lower: int | None = None, size: int | None = None) -> Address:
        """The address with its shortest form, or with the form of ``size`` octets.

        Raises:
            LocalProtocolError: the numbers do not fit the form.
        """
        if size is None:
            shortest = 1 if lower is None else 2
            size = 4 if max(upper, lower or 0) >= _ONE_OCTET else shortest
        top = {1: _ONE_OCTET, 2: _ONE_OCTET, 4: _TWO_OCTETS}.get(size)
        if top is None:
            raise LocalProtocolError(f"an HDLC address has 1, 2 or 4 octets, not {size}", layer="frame")
        if size == 1 and lower is not None:
            raise LocalProtocolError("a one-octet HDLC address has no lower part", layer="frame")
        if not 0 <= upper < top or not 0 <= (lower or 0) < top:
            told = f"{upper}" if lower is None else f"{upper}/{lower}"
            raise LocalProtocolError(
                f"{told} does not fit an HDLC address of {size} octets",
                layer="frame",
                hint=f"a client is 1 to 127; the parts of this address are 0 to {top - 1}",
            )
        return cls(upper, (lower or 0) if size > 1 else None, size)

    def encode(self) -> bytes:
        """The octets on the wire."""
        upper, lower = self.upper, self.lower or 0
        if self.size == 1:
            return bytes((upper << 1 | 1,))
        if self.size == 2:
            return bytes((upper << 1, lower << 1 | 1))
        return bytes((upper >> 6 & 0xFE, upper << 1 & 0xFE, lower >> 6 & 0xFE, (lower << 1 & 0xFE) | 1))

    @classmethod
    def decode(cls, octets: bytes) -> Address:
        """Read an address from exactly its octets.

        Raises:
            FrameError: not 1, 2 or 4 octets, or bit 0 not set on the last one only.
        """
        size = len(octets)
        if size not in (1, 2, 4) or not octets[-1] & 1 or any(octet & 1 for octet in octets[:-1]):
            raise FrameError("not an HDLC address", layer="frame", offset=0, data=octets)
        if size == 1:
            return cls(octets[0] >> 1)
        if size == 2:
            return cls(octets[0] >> 1, octets[1] >> 1, 2)
        return cls((octets[0] & 0xFE) << 6 | octets[1] >> 1, (octets[2] & 0xFE) << 6 | octets[3] >> 1, 4)

    def is_reserved(self, station: tuple[int, int]) -> bool:
        """Whether the part that names the device is ``CALLING`` or ``ALL_STATION``, in this address's form."""
        number = station[1] if self.size == 4 else station[0]
        return number in (self.upper, self.lower)

    def __str__(self) -> str:
        return f"{self.upper}" if self.lower is None else f"{self.upper}/{self.lower}"
