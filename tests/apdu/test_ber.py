"""BER: lengths in every form, and nothing but DecodeError for the rest."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metersdk.apdu import ber
from metersdk.errors import DecodeError, LocalProtocolError


@pytest.mark.parametrize(
    ("length", "octets"),
    [
        (0, "00"),
        (127, "7f"),
        (128, "8180"),
        (255, "81ff"),
        (256, "820100"),
        (65535, "82ffff"),
        (65536, "83010000"),
        (0xFFFFFFFF, "84ffffffff"),
    ],
)
def test_length_both_ways(length: int, octets: str) -> None:
    raw = bytes.fromhex(octets)
    assert ber.encode_length(length) == raw
    assert ber.read_length(b"\x04" + raw, 1, 1 + len(raw)) == (length, 1 + len(raw))


def test_length_beyond_all_reason() -> None:
    with pytest.raises(LocalProtocolError):
        ber.encode_length(1 << 32)


@given(st.integers(0, 0xFF).filter(lambda tag: tag & 0x1F != 0x1F), st.binary(max_size=400))
def test_element_both_ways(tag: int, content: bytes) -> None:
    raw = ber.encode(tag, content)
    assert ber.only(raw, tag).content == content
    # With octets behind it, and behind something else.
    item = ber.read(b"\xff\xff" + raw + b"\x00", 2)
    assert (item.tag, item.content, item.offset) == (tag, content, 2)
    for end in range(len(raw)):
        with pytest.raises(DecodeError):
            ber.read(raw[:end])


def test_non_minimal_lengths_are_read() -> None:
    assert ber.only(bytes.fromhex("048103aabbcc"), 4).content == bytes.fromhex("aabbcc")
    assert ber.only(bytes.fromhex("04820003aabbcc"), 4).content == bytes.fromhex("aabbcc")


@pytest.mark.parametrize(
    ("raw", "offset"),
    [
        ("", 0),
        ("04", 1),
        ("0481", 1),
        ("048201", 1),
        ("0480aa0000", 1),
        ("0485010000000000", 1),
        ("04ff", 1),
        ("0403aabb", 0),
        ("0484ffffffff00", 0),
        ("5f1f00", 0),
        ("0501aa", 0),
        ("0401aabb", 3),
    ],
)
def test_misshapen_elements_say_where(raw: str, offset: int) -> None:
    with pytest.raises(DecodeError) as caught:
        ber.only(bytes.fromhex(raw), 4)
    assert caught.value.offset == offset and caught.value.layer == "apdu"


def test_items_fill_their_space() -> None:
    raw = bytes.fromhex("8001aa 8102bbcc 8200")
    assert [(item.tag, item.content.hex(), item.offset) for item in ber.items(raw)] == [
        (0x80, "aa", 0),
        (0x81, "bbcc", 3),
        (0x82, "", 7),
    ]
    with pytest.raises(DecodeError):
        list(ber.items(raw, 0, 6))


@given(st.binary(max_size=60))
def test_noise_ends_in_decode_error(raw: bytes) -> None:
    try:
        for item in ber.items(raw):
            assert item.start + len(item.content) <= len(raw)
    except DecodeError as error:
        assert 0 <= error.offset <= len(raw)
