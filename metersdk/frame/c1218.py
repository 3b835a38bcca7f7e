"""Packets of ANSI C12.18 and C12.21: octets <-> packets::

    EE | identity | control | sequence | length(2) | data | CRC(2)

The length is that of the data, high octet first; the CRC is CRC-16/X.25 over all before it, low octet first. Control is
``MFT000DD``: M one of several packets, F the first of them, T the toggle, which is another one in each new packet, D
the data format (0 C12.18 and C12.21, 1 C12.22). The sequence counts down to 0. Every packet is answered by one octet:
ACK (06), or NAK (15) to have it again.

There is no stuffing: EE, 06 and 15 may stand anywhere inside, so a packet ends where its length says.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from metersdk.errors import ChecksumError, FrameError, LocalProtocolError
from metersdk.fast import crc16
from metersdk.frame.buffer import ReceiveBuffer

STP: Final = 0xEE
ACK: Final = b"\x06"
NAK: Final = b"\x15"
# Octets of a packet that are not data.
OVERHEAD: Final = 8
MAX_PACKET: Final = 8192

_HEADER: Final = 6
_MULTI, _FIRST, _TOGGLE = 0x80, 0x40, 0x20
_RESERVED, _FORMAT = 0x1C, 0x03
# CRC-16/X.25 over octets and their own check sequence.
_GOOD: Final = 0x0F47
_MEANT = re.compile(rb"[\xee\x06\x15]")


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet.

    Attributes:
        data: 0 to 8184 octets: a service unit, or the next part of one.
        toggle: another one than in the packet sent before.
        sequence: packets of this service unit that are still to come; 0 for the only one.
        multi: one of several packets.
        first: the first of several.
        identity: 0 on an optical port; the address of a device where several share a line (C12.21).
        data_format: 0 for C12.18 and C12.21, 1 for C12.22.
    """

    data: bytes
    toggle: bool = False
    sequence: int = 0
    multi: bool = False
    first: bool = False
    identity: int = 0
    data_format: int = 0

    @property
    def control(self) -> int:
        """The control octet."""
        return self.multi * _MULTI | self.first * _FIRST | self.toggle * _TOGGLE | self.data_format & _FORMAT

    @property
    def check(self) -> int:
        """Its CRC."""
        return crc16(self._checked())

    @property
    def is_last(self) -> bool:
        """Whether the service unit ends with it."""
        return not self.multi or self.sequence == 0

    def encode(self) -> bytes:
        """The octets from EE through the CRC.

        Raises:
            LocalProtocolError: more than 8184 octets of data, or a sequence or identity above 255.
        """
        octets = self._checked()
        return octets + crc16(octets).to_bytes(2, "little")

    def _checked(self) -> bytes:
        if len(self.data) > MAX_PACKET - OVERHEAD or not 0 <= self.sequence <= 255 or not 0 <= self.identity <= 255:
            raise LocalProtocolError(
                f"no packet of C12.18: {len(self.data)} octets, sequence {self.sequence}, identity {self.identity}",
                layer="frame",
                hint=f"{MAX_PACKET - OVERHEAD} octets of data and numbers of one octet are the bounds",
            )
        head = bytes((STP, self.identity, self.control, self.sequence))
        return b"".join((head, len(self.data).to_bytes(2, "big"), self.data))

    @classmethod
    def decode(cls, octets: bytes, *, proved: bool = True) -> Packet:
        """Read exactly one packet; ``proved=False`` leaves the CRC out of account, as for a recorded packet in which a
        password is masked.

        Raises:
            ChecksumError: the CRC is wrong.
            FrameError: anything else about it is wrong.
        """
        if len(octets) < OVERHEAD or octets[0] != STP:
            text = "no packet of C12.18: EE, identity, control, sequence, length, data, CRC"
            raise FrameError(text, layer="frame", offset=0, data=octets)
        if octets[2] & _RESERVED:
            raise FrameError("a reserved bit of the control octet is set", layer="frame", offset=2, data=octets)
        length = octets[4] << 8 | octets[5]
        if length != len(octets) - OVERHEAD:
            text = f"the length field says {length}, there are {len(octets) - OVERHEAD} octets of data"
            raise FrameError(text, layer="frame", offset=4, data=octets)
        if length > MAX_PACKET - OVERHEAD:
            raise FrameError(f"a packet has {MAX_PACKET} octets at most", layer="frame", offset=4, data=octets)
        if proved and crc16(octets) != _GOOD:
            raise ChecksumError("CRC is wrong", layer="frame", offset=len(octets) - 2, data=octets, retryable=True)
        return cls._parse(octets)

    @classmethod
    def _parse(cls, octets: bytes) -> Packet:
        """Read a packet whose length and CRC are known to be right."""
        control = octets[2]
        return cls(
            bytes(octets[_HEADER:-2]),
            bool(control & _TOGGLE),
            octets[3],
            bool(control & _MULTI),
            bool(control & _FIRST),
            octets[1],
            control & _FORMAT,
        )

    def __str__(self) -> str:
        part = f" {'first ' * self.first}of several, {self.sequence} to come" if self.multi else ""
        form = f" format {self.data_format}" if self.data_format else ""
        who = f" identity {self.identity}" if self.identity else ""
        return f"toggle {int(self.toggle)}{part}{form}{who} {len(self.data)} octets"


def split(data: bytes, packet_size: int, toggle: bool, identity: int = 0) -> tuple[Packet, ...]:
    """A service unit as packets of at most ``packet_size`` octets, the first with ``toggle``.

    Raises:
        LocalProtocolError: it needs more than 256 packets.
    """
    room = packet_size - OVERHEAD
    count = max(1, -(-len(data) // room))
    if count > 256:
        raise LocalProtocolError(f"{len(data)} octets do not fit into 256 packets of {packet_size}", layer="frame")
    if count == 1:
        return (Packet(data, toggle, identity=identity),)
    return tuple(
        Packet(data[at * room : (at + 1) * room], toggle ^ bool(at & 1), count - 1 - at, True, at == 0, identity)
        for at in range(count)
    )


class PacketReader:
    """Finds packets, ACK and NAK in what comes in, and passes over everything else.

    It waits for the rest of what may be a packet for as long as ``missing`` is not 0; ``give_up`` ends that, and the
    next call looks for a packet inside. An ACK or NAK inside a damaged packet is none: it is data.

    Attributes:
        noise: octets passed over.
        damaged: packets whose CRC was wrong, or that broke off.
        missing: octets that the packet at the front of the buffer still lacks; 0 if none has begun.
    """

    __slots__ = ("_buffer", "_shadow", "damaged", "missing", "noise")

    def __init__(self, buffer: ReceiveBuffer) -> None:
        self._buffer = buffer
        # So many octets at the front of the buffer belong to a damaged packet.
        self._shadow = 0
        self.noise = 0
        self.damaged = 0
        self.missing = 0

    def next(self, most: int = MAX_PACKET) -> Packet | bytes | None:
        """The next packet of at most ``most`` octets, ``ACK`` or ``NAK``; None if there is none yet."""
        octets = self._buffer.view()
        have = len(octets)
        at = 0
        self.missing = 0
        while (start := self._begin(octets, at, have)) < have:
            self.noise += start - at
            at = start
            if octets[at] != STP:
                meant = bytes(octets[at : at + 1])
                self._drop(at + 1)
                return meant
            size = self._size_at(octets, at, have, most)
            if size < 0:
                # EE of something else, or a header that was hit: what follows may be data.
                self.noise += 1
                at += 1
                self._shadow = max(self._shadow, have)
                continue
            if at + size > have:
                self.missing = at + size - have
                break
            raw = bytes(octets[at : at + size])
            if crc16(raw) == _GOOD:
                self._drop(at + size)
                self._shadow = 0
                return Packet._parse(raw)
            self.damaged += 1
            self.noise += 1
            self._shadow = max(self._shadow, at + size)
            at += 1
        else:
            self.noise += have - at
            at = have
        self._drop(at)
        return None

    def _begin(self, octets: bytearray, at: int, have: int) -> int:
        """Where the next packet may begin, or an ACK or NAK is; ``have`` if nowhere."""
        if at < self._shadow:
            start = octets.find(STP, at, self._shadow)
            if start >= 0:
                return start
            at = min(self._shadow, have)
        found = _MEANT.search(octets, at)
        return found.start() if found else have

    @staticmethod
    def _size_at(octets: bytearray, at: int, have: int, most: int) -> int:
        """Octets of the packet that begins at ``at``, as far as is known; -1 if none can begin there."""
        if have - at > 2 and octets[at + 2] & _RESERVED:
            return -1
        if have - at < _HEADER:
            return OVERHEAD
        size = (octets[at + 4] << 8 | octets[at + 5]) + OVERHEAD
        return size if size <= most else -1

    def give_up(self) -> None:
        """The packet that has begun will never be whole."""
        if self.missing:
            self.damaged += 1
            self.noise += 1
            self._shadow = len(self._buffer)
            self.missing = 0
            self._drop(1)

    def _drop(self, count: int) -> None:
        self._buffer.drop(count)
        self._shadow = max(0, self._shadow - count)
