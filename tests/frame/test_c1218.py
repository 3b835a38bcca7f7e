"""Packets of C12.18, alone and out of a stream."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metersdk.errors import ChecksumError, FrameError, LocalProtocolError
from metersdk.frame.buffer import ReceiveBuffer
from metersdk.frame.c1218 import ACK, MAX_PACKET, NAK, OVERHEAD, Packet, PacketReader, split

# Identify as it is published, and the answer of a meter of C12.18-1996.
IDENTIFY = bytes.fromhex("ee0000000001201310")
LAYOUT = Packet(b"\x30\x00\x01", toggle=True, sequence=2, multi=True, first=True, identity=7, data_format=1)

packets = st.builds(
    Packet,
    st.binary(max_size=60),
    st.booleans(),
    st.integers(0, 255),
    st.booleans(),
    st.booleans(),
    st.integers(0, 255),
    st.integers(0, 3),
)


def read(octets: bytes, most: int = MAX_PACKET) -> tuple[list[Packet | bytes], PacketReader]:
    """All that is found in ``octets`` once the line is silent, and the reader."""
    buffer = ReceiveBuffer()
    buffer.feed(octets)
    reader = PacketReader(buffer)
    found: list[Packet | bytes] = []
    while True:
        while (unit := reader.next(most)) is not None:
            found.append(unit)
        if not reader.missing:
            break
        reader.give_up()
    assert len(buffer) == 0
    return found, reader


def test_the_published_identify() -> None:
    packet = Packet.decode(IDENTIFY)
    assert packet == Packet(b"\x20")
    assert packet.encode() == IDENTIFY
    assert packet.check == 0x1013
    assert packet.is_last


def test_every_field_has_its_place() -> None:
    octets = LAYOUT.encode()
    assert octets[:9] == bytes.fromhex("ee 07 e1 02 0003 300001")
    assert Packet.decode(octets) == LAYOUT
    assert not LAYOUT.is_last
    assert str(LAYOUT) == "toggle 1 first of several, 2 to come format 1 identity 7 3 octets"


@given(packets)
def test_a_packet_comes_back_as_it_was(packet: Packet) -> None:
    octets = packet.encode()
    assert Packet.decode(octets) == packet
    assert len(octets) == len(packet.data) + OVERHEAD


@pytest.mark.parametrize(
    ("octets", "error", "offset"),
    [
        (b"", FrameError, 0),
        (IDENTIFY[1:], FrameError, 0),
        (IDENTIFY[:-2], FrameError, 0),
        (IDENTIFY + b"\x00", FrameError, 4),
        (IDENTIFY[:2] + b"\x04" + IDENTIFY[3:], FrameError, 2),
        (IDENTIFY[:-1] + b"\x11", ChecksumError, 7),
        (b"\xee\x00\x00\x00" + (MAX_PACKET).to_bytes(2, "big") + bytes(MAX_PACKET + 2), FrameError, 4),
    ],
)
def test_what_is_no_packet(octets: bytes, error: type[FrameError], offset: int) -> None:
    with pytest.raises(error) as caught:
        Packet.decode(octets)
    assert type(caught.value) is error
    assert caught.value.offset == offset


def test_a_masked_packet_can_be_read_all_the_same() -> None:
    octets = bytearray(Packet(b"\x51" + b"secret".ljust(20)).encode())
    octets[7:27] = b"*" * 20
    with pytest.raises(ChecksumError):
        Packet.decode(bytes(octets))
    assert Packet.decode(bytes(octets), proved=False).data == b"\x51" + b"*" * 20


@pytest.mark.parametrize("packet", [Packet(bytes(MAX_PACKET - 7)), Packet(b"", sequence=256), Packet(b"", identity=-1)])
def test_what_cannot_be_sent(packet: Packet) -> None:
    with pytest.raises(LocalProtocolError):
        packet.encode()


@given(st.binary(max_size=700), st.integers(9, 80), st.booleans())
def test_packets_of_one_service_unit(data: bytes, size: int, toggle: bool) -> None:
    if -(-len(data) // (size - OVERHEAD)) > 256:
        with pytest.raises(LocalProtocolError):
            split(data, size, toggle)
        return
    parts = split(data, size, toggle)
    assert b"".join(part.data for part in parts) == data
    assert max(len(part.encode()) for part in parts) <= size
    assert [part.sequence for part in parts] == list(range(len(parts) - 1, -1, -1))
    assert [part.toggle for part in parts] == [toggle ^ bool(at % 2) for at in range(len(parts))]
    assert [part.first for part in parts] == [len(parts) > 1] + [False] * (len(parts) - 1)
    assert all(part.multi == (len(parts) > 1) for part in parts)


def test_packets_acknowledgements_and_noise_in_their_order() -> None:
    packet = Packet(bytes(range(256)), toggle=True)
    found, reader = read(b"\x00\x55" + ACK + packet.encode() + b"\xff" + NAK + IDENTIFY + b"\x11")
    assert found == [ACK, packet, NAK, Packet(b"\x20")]
    assert (reader.noise, reader.damaged) == (4, 0)


@given(st.lists(packets, max_size=4), st.lists(st.binary(max_size=30), min_size=5, max_size=5))
def test_every_packet_is_found_behind_noise(sent: list[Packet], noise: list[bytes]) -> None:
    octets = noise[0] + b"".join(packet.encode() + after for packet, after in zip(sent, noise[1:], strict=False))
    found, _ = read(octets)
    there = [unit for unit in found if isinstance(unit, Packet)]
    # Noise may by chance be a packet, too, that holds one of ours: it would need a right CRC.
    assert there == sent


@given(packets, st.data())
def test_a_packet_comes_in_pieces(packet: Packet, data: st.DataObject) -> None:
    octets = packet.encode()
    buffer = ReceiveBuffer()
    reader = PacketReader(buffer)
    cut = data.draw(st.integers(1, len(octets) - 1))
    buffer.feed(octets[:cut])
    assert reader.next() is None
    assert 0 < reader.missing <= len(octets) - cut
    buffer.feed(octets[cut:])
    assert reader.next() == packet
    assert reader.missing == 0 and len(buffer) == 0


def test_what_stands_in_a_damaged_packet_is_no_acknowledgement() -> None:
    octets = bytearray(Packet(ACK * 9 + NAK * 9).encode())
    octets[7] ^= 0x40
    found, reader = read(bytes(octets) + NAK + IDENTIFY)
    assert found == [NAK, Packet(b"\x20")]
    assert reader.damaged == 1


def test_a_torn_packet_hides_no_packet_behind_it() -> None:
    found, reader = read(Packet(ACK * 20).encode()[:-3] + IDENTIFY)
    assert found == [Packet(b"\x20")]
    assert reader.damaged == 1


def test_a_length_beyond_what_was_agreed_on_is_not_waited_for() -> None:
    liar = bytes.fromhex("ee00000001f8")
    buffer = ReceiveBuffer()
    reader = PacketReader(buffer)
    buffer.feed(liar)
    assert reader.next(512) is None and reader.missing == 0x1F8 + 2
    reader = PacketReader(buffer)
    assert reader.next(511) is None and reader.missing == 0
    assert reader.damaged == 0 and len(buffer) == 0


def test_a_lying_length_within_the_bound_is_given_up_when_the_line_is_silent() -> None:
    found, reader = read(bytes.fromhex("ee0000000030") + IDENTIFY + ACK)
    assert found == [Packet(b"\x20"), ACK]
    assert reader.damaged == 1
