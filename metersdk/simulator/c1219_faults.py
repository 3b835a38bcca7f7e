"""What a simulated C12.18 meter does wrong: packets, acknowledgements and answers that are not what they should be."""

from __future__ import annotations

import random
from dataclasses import dataclass

from metersdk.apdu.psem import Plain, Request, Response, Service
from metersdk.dialog.c1218_link import LinkFaults
from metersdk.errors import FrameError
from metersdk.frame.c1218 import OVERHEAD, Packet

# Packets of an answer that never ends: more than any answer has.
_ENDLESS = 1200
_NOT_SESSION = (Service.IDENTIFY, Service.TERMINATE, Service.DISCONNECT, Service.LOGOFF)


@dataclass(frozen=True, slots=True)
class C1218Faults:
    """Amounts below 1 are shares of all, left to chance; from 1 on the first so many.

    Attributes:
        bad_crc: packets that are sent with a wrong CRC.
        lost_ack: acknowledgements of the meter that do not leave it.
        repeat: answers that are sent twice, as by a meter that heard no ACK.
        stuck_toggle: packets after which the toggle stays as it was.
        busy, not_ready: reads and writes that are answered so in the place of their answer.
        lying_count: answers that count more octets of a table than they have.
        lying_tables: how many times table 0 tells dimensions that cannot be.
        endless: answers that become packets without end.
        seed: of what is left to chance.
    """

    bad_crc: float = 0
    lost_ack: float = 0
    repeat: float = 0
    stuck_toggle: float = 0
    busy: float = 0
    not_ready: float = 0
    lying_count: float = 0
    lying_tables: float = 0
    endless: float = 0
    seed: int = 0


class _Chance:
    """Whether a fault happens this time."""

    def __init__(self, amount: float, seed: str) -> None:
        self._left = int(amount) if amount >= 1 else 0
        self._share = amount if amount < 1 else 0.0
        self._random = random.Random(seed)

    def __call__(self) -> bool:
        if self._left:
            self._left -= 1
            return True
        return self._share > 0 and self._random.random() < self._share


class FaultyMeter(LinkFaults):
    """Carries the faults out: on the packets of one meter, and in the place of its answers."""

    def __init__(self, faults: C1218Faults) -> None:
        names = [name for name in C1218Faults.__dataclass_fields__ if name != "seed"]
        self._happens = {name: _Chance(getattr(faults, name), f"{faults.seed}:{name}") for name in names}
        self._general = False

    # --- LinkFaults ---

    def packet(self, octets: bytes) -> tuple[bytes, ...]:
        """What goes on the line in the place of a packet."""
        octets = self._lied(octets)
        if self._happens["endless"]():
            return _endless(octets)
        if self._happens["bad_crc"]():
            return (octets[:-1] + bytes((octets[-1] ^ 0x5A,)),)
        return (octets, octets) if self._happens["repeat"]() else (octets,)

    def acknowledgement(self, octet: bytes) -> bytes:
        """What goes on the line in the place of an ACK or NAK."""
        return b"" if self._happens["lost_ack"]() else octet

    def toggles(self) -> bool:
        """Whether the toggle becomes another one for the next packet."""
        return not self._happens["stuck_toggle"]()

    # --- in the place of answers ---

    def intercept(self, request: Request) -> Response | None:
        """A response in the place of the answer, None: the answer."""
        self._general = getattr(request, "table", None) == 0
        if isinstance(request, Plain) and request.service in _NOT_SESSION:
            return None
        if not hasattr(request, "table"):
            return None
        if self._happens["busy"]():
            return Response.BSY
        return Response.DNR if self._happens["not_ready"]() else None

    def _lied(self, octets: bytes) -> bytes:
        """The packet with another count, or other dimensions in table 0, and a CRC that is right."""
        try:
            packet = Packet.decode(octets)
        except FrameError:
            return octets
        data = packet.data
        if len(data) < 5 or data[0] or packet.multi:
            return octets
        if self._happens["lying_count"]():
            data = b"\0\xff\xf0" + data[3:]
        elif self._general and len(data) > 23 and self._happens["lying_tables"]():
            # Sets of 255 octets each, which do not follow. The checksum of the table fits.
            table = data[3:16] + b"\xff" * 5 + data[21:-1]
            data = data[:3] + table + bytes((-sum(table) & 0xFF,))
        else:
            return octets
        fields = {name: getattr(packet, name) for name in ("toggle", "sequence", "multi", "first", "identity")}
        return Packet(data, **fields).encode()


def _endless(octets: bytes) -> tuple[bytes, ...]:
    """Packets that count down and never come to 0."""
    data = octets[6 : len(octets) - OVERHEAD + 6]
    toggle = bool(octets[2] & 0x20)
    return tuple(
        Packet(
            data, toggle=toggle ^ bool(number & 1), sequence=255 - number % 255, multi=True, first=number == 0
        ).encode()
        for number in range(_ENDLESS)
    )
