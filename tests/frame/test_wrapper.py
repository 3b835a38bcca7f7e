from __future__ import annotations

import pytest

from metersdk.errors import FrameError, LimitExceeded, LocalProtocolError
from metersdk.frame.buffer import ReceiveBuffer
from metersdk.frame.wrapper import MAX_APDU, Wpdu, take_wpdu

# IEC 62056-47: version 1, client 16 to server 1, 13 octets of GET (vector wrapper_get).
GET = bytes.fromhex("000100100001000dc001c100080000010000ff0200")
GET_WPDU = Wpdu(16, 1, bytes.fromhex("c001c100080000010000ff0200"))


def test_vector_reads_and_writes() -> None:
    assert Wpdu.decode(GET) == GET_WPDU
    assert GET_WPDU.encode() == GET


def test_stream_octet_by_octet_then_several_at_once() -> None:
    buffer = ReceiveBuffer()
    for octet in GET[:-1]:
        buffer.feed(bytes((octet,)))
        assert take_wpdu(buffer) is None
    buffer.feed(GET[-1:] + GET + GET[:5])
    assert [take_wpdu(buffer), take_wpdu(buffer), take_wpdu(buffer)] == [GET_WPDU, GET_WPDU, None]
    assert bytes(buffer.view()) == GET[:5]


def test_empty_and_largest_apdu() -> None:
    for apdu in (b"", bytes(MAX_APDU)):
        wpdu = Wpdu(1, 0xFFFF, apdu)
        buffer = ReceiveBuffer()
        buffer.feed(wpdu.encode())
        assert take_wpdu(buffer) == wpdu
        assert Wpdu.decode(wpdu.encode()) == wpdu
    with pytest.raises(LocalProtocolError):
        Wpdu(1, 1, bytes(MAX_APDU + 1)).encode()
    with pytest.raises(LocalProtocolError):
        Wpdu(-1, 1, b"").encode()


@pytest.mark.parametrize("datagram", [b"", GET[:7], GET[:-1], GET + b"\0", b"\0\2" + GET[2:]])
def test_a_datagram_holds_exactly_one(datagram: bytes) -> None:
    with pytest.raises(FrameError) as caught:
        Wpdu.decode(datagram)
    assert caught.value.layer == "frame"
    assert caught.value.offset >= 0


@pytest.mark.parametrize("start", [b"\x7e", b"\x00\x02", b"\x01", b"HTTP/1.1 400 Bad Request"])
def test_another_version_is_an_error_at_once_and_empties_the_buffer(start: bytes) -> None:
    buffer = ReceiveBuffer()
    buffer.feed(start)
    with pytest.raises(FrameError):
        take_wpdu(buffer)
    assert len(buffer) == 0


def test_an_announced_length_beyond_the_bound_is_refused_before_it_comes() -> None:
    buffer = ReceiveBuffer()
    buffer.feed(bytes.fromhex("0001000100100401"))
    with pytest.raises(LimitExceeded):
        take_wpdu(buffer, max_apdu=1024)
