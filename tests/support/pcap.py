"""Packets of Ethernet and IP in pcap files: read what captures hold, write what dissectors shall read."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_MAGIC = {b"\xd4\xc3\xb2\xa1": "<", b"\xa1\xb2\xc3\xd4": ">"}
_ETHERNET, _IPV4, _TCP, _UDP = 1, 0x0800, 6, 17


@dataclass(frozen=True, slots=True)
class Payload:
    """What one packet carries between two ports; ``datagram`` tells UDP from TCP."""

    source: int
    destination: int
    octets: bytes
    datagram: bool = False


def payloads(content: bytes) -> Iterator[Payload]:
    """The payloads of a capture of Ethernet and IPv4, empty ones left out; nothing is put together or put in order."""
    order = _MAGIC[content[:4]]
    assert struct.unpack_from(order + "I", content, 20)[0] == _ETHERNET
    at = 24
    while at < len(content):
        size = struct.unpack_from(order + "I", content, at + 8)[0]
        frame, at = content[at + 16 : at + 16 + size], at + 16 + size
        packet = frame[14:]
        if frame[12:14] != _IPV4.to_bytes(2) or packet[9] not in (_TCP, _UDP):
            continue
        segment = packet[(packet[0] & 15) * 4 : int.from_bytes(packet[2:4])]
        octets = segment[8 if packet[9] == _UDP else (segment[12] >> 4) * 4 :]
        if octets:
            source, destination = struct.unpack_from(">HH", segment)
            yield Payload(source, destination, octets, packet[9] == _UDP)


def pcap(packets: Iterable[Payload], server_port: int) -> bytes:
    """A capture with these packets; the side with ``server_port`` is 192.0.2.1, the other 192.0.2.2."""
    parts = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 0xFFFF, _ETHERNET)]
    sent = {True: 1, False: 1}
    for number, one in enumerate(packets):
        server = one.source == server_port
        if one.datagram:
            head = struct.pack(">HHHH", one.source, one.destination, 8 + len(one.octets), 0)
        else:
            numbers = (one.source, one.destination, sent[server], sent[not server], 0x50, 0x18, 0xFFFF, 0, 0)
            head = struct.pack(">HHIIBBHHH", *numbers)
            sent[server] += len(one.octets)
        total = 20 + len(head) + len(one.octets)
        ends = (b"\xc0\0\2\1", b"\xc0\0\2\2")
        packet = struct.pack(">BBHHHBBH", 0x45, 0, total, number & 0xFFFF, 0, 64, _UDP if one.datagram else _TCP, 0)
        packet += b"".join(ends if server else ends[::-1]) + head + one.octets
        frame = bytes(12) + _IPV4.to_bytes(2) + packet
        parts.append(struct.pack("<IIII", number, 0, len(frame), len(frame)) + frame)
    return b"".join(parts)
