"""Messages of C12.22: both ways, under EAX', and what is no message."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metersdk.apdu import ber
from metersdk.apdu.c1222 import (
    NOTIFICATION,
    Control,
    Message,
    ResponseControl,
    SecurityMode,
    decode_services,
    encode_services,
)
from metersdk.apdu.c1222_titles import NETWORK, ApTitle
from metersdk.apdu.keys import Secret
from metersdk.errors import DecodeError, LocalProtocolError, MeterError, SecurityError

KEY = Secret.from_hex("01020304050607080102030405060708")
# ANSI C12.22-2008, example 8: a read without a session under a password, ciphered, and its answer.
QUESTION = bytes.fromhex(
    "604FA20580037BC175A60480027B04A803020103AC0FA20DA00BA109800102810448F3D061"
    "BE2A282881268841D10CDA76206811B36F781489A11997773E117CB07AA3AA40374A7107C50DA7F799C5D4E8"
)
ANSWER = bytes.fromhex(
    "6048A20480027B04A403020103A60580037BC175A803020103AC0FA20DA00BA109800102810448F3D060"
    "BE1E281C811A884BAEE4349631AB5E56A0E6E0E90DFAD558591EE4EA334CB268"
)


def title(text: str) -> ApTitle:
    return ApTitle.parse(text)


def example(**more: Any) -> Message:
    fields: dict[str, Any] = {
        "called": title(".123.8437"),
        "calling": title(".123.4"),
        "calling_id": 3,
        "key_id": 2,
        "iv": 0x48F3D061,
    }
    return Message.of([bytes.fromhex("3F00010000100010")], **{**fields, **more})


def test_example_8_of_the_standard() -> None:
    question, answer = Message.decode(QUESTION), Message.decode(ANSWER)
    assert question.encode() == QUESTION and answer.encode() == ANSWER
    assert (str(question.called), str(question.calling), question.calling_id) == (".123.8437", ".123.4", 3)
    assert (question.key_id, question.iv, question.control.security) == (2, 1223938145, SecurityMode.CIPHERED)
    assert (answer.called_id, answer.iv) == (3, 1223938144)
    with pytest.raises(SecurityError, match="ciphered"):
        _ = question.services
    security, read = question.opened(KEY).services
    assert security == b"\x51PASSWORD".ljust(21) + b"\0\2"
    assert read == bytes.fromhex("3F00010000100010")
    assert answer.opened(KEY).services == (b"\0\0\x10MANUFACTURER SN \x92",)


def test_example_8_is_made_here_as_well() -> None:
    plain = Message.decode(QUESTION).opened(KEY)
    assert plain.protected(SecurityMode.CIPHERED, KEY).encode() == QUESTION
    made = example()
    whole = Message.of([b"\x51PASSWORD".ljust(21) + b"\0\2", *made.services], calling=made.calling, called=made.called,
                       calling_id=3, key_id=2, iv=0x48F3D061)  # fmt: skip
    assert whole.protected(SecurityMode.CIPHERED, KEY).encode() == QUESTION


def test_titles_in_the_cleartext_are_absolute() -> None:
    relative = example().protected(SecurityMode.AUTHENTICATED, KEY)
    absolute = replace(relative, called=title("2.16.124.113620.1.22.0.123.8437"))
    assert absolute.opened(KEY).services == relative.opened(KEY).services
    elsewhere = title("1.3.6.1.4.1.33507")
    with pytest.raises(SecurityError):
        relative.opened(KEY, elsewhere)
    assert example().protected(SecurityMode.CIPHERED, KEY, elsewhere).opened(KEY, elsewhere).services


@pytest.mark.parametrize("mode", [SecurityMode.AUTHENTICATED, SecurityMode.CIPHERED])
@pytest.mark.parametrize(
    "more",
    [
        {},
        {"called_id": 0xFFFF_FFFF},
        {"qualifier": NOTIFICATION},
        {"mechanism": title("2.16.124.113620.1.22.1")},
        {"context": title("2.16.124.113620.1.22")},
        {"called": None, "calling": None},
        {"ed_class": b"ABCD"},
        {"control": Control(response=ResponseControl.NEVER, proxy=True, recovery=True)},
    ],
    ids=lambda more: "-".join(more) or "plain",
)
def test_every_element_is_proved(mode: SecurityMode, more: dict[str, Any]) -> None:
    plain = example(**more)
    sealed = plain.protected(mode, KEY)
    back = Message.decode(sealed.encode())
    assert back.encode() == sealed.encode()
    opened = back.opened(KEY)
    assert opened.services == plain.services and opened.ed_class == plain.ed_class
    assert opened.encode() == plain.encode()
    for changed in (
        {"called": title(".123.8438")},
        {"called_id": 4},
        {"calling_id": 4},
        {"calling": title(".123.5")},
        {"qualifier": 1},
        {"iv": 0x48F3D062},
        {"control": replace(back.control, recovery=not back.control.recovery)},
        {"mac": bytes(4)},
    ):
        with pytest.raises(SecurityError):
            replace(back, head=b"", **changed).opened(KEY)
    with pytest.raises(SecurityError):
        back.opened(Secret(bytes(16)))


def test_the_vector_of_a_session_stands_in_where_a_message_has_none() -> None:
    sealed = example(key_id=None, iv=None).protected(SecurityMode.CIPHERED, KEY, key_id=7, iv=99)
    back = Message.decode(sealed.encode())
    assert back.iv is None and b"\xac" not in sealed.encode()[:20]
    assert back.opened(KEY, key_id=7, iv=99).services
    with pytest.raises(SecurityError):
        back.opened(KEY, key_id=7, iv=98)


def test_numbers_keep_the_octets_that_were_proved() -> None:
    wide = replace(example(), numbers=((0xA8, b"\0\0\3"),)).protected(SecurityMode.CIPHERED, KEY)
    back = Message.decode(wide.encode())
    assert (back.calling_id, back.numbers) == (3, ((0xA8, b"\0\0\3"),))
    assert back.opened(KEY).services


def test_other_authentication_values_and_unknown_elements_are_kept() -> None:
    old = ber.encode(0xA2, ber.encode(0xA0, ber.encode(0xA0, ber.encode(0x81, b"\1\2\3"))))
    message = replace(example(key_id=None, iv=None), authentication=old)
    raw = message.encode()
    assert Message.decode(raw).authentication == old and Message.decode(raw).encode() == raw
    head = ber.read(raw)
    extended = ber.encode(0x60, ber.encode(0x8A, b"\7\x80") + head.content)
    assert Message.decode(extended).unknown == (0x8A,)


def test_a_segment_is_seen() -> None:
    raw = ber.encode(0x60, ber.encode(0xA8, ber.encode(2, b"\1")) + ber.encode(0xA9, b"\2\1\5") + example()._head()
                     + example().control.encode() + example().body)  # fmt: skip
    assert Message.decode(raw).segment == b"\2\1\5"


def test_services() -> None:
    assert decode_services(encode_services([b"\x20", bytes(300)])) == (b"\x20", bytes(300))
    assert decode_services(b"\1\x20\0\0\0") == (b"\x20",)
    assert decode_services(b"") == ()
    for wrong in (b"\2\x20", b"\1\x20\0\1", b"\x81", b"\x85\0\0\0\0\1\x20"):
        with pytest.raises(DecodeError):
            decode_services(wrong)


@pytest.mark.parametrize(
    ("text", "octets"),
    [
        ("1.3.6.1.4.1.33507.1919.12345678.0", "060F2B060104018285638E7F85F1C24E00"),
        ("2.16.124.113620.1.22.0", "0608607C86F754011600"),
        (".123.8437", "80037BC175"),
        ("2.999.3", "0603883703"),
        ("0.39", "060127"),
    ],
)
def test_titles(text: str, octets: str) -> None:
    assert ApTitle.parse(text).encode().hex().upper() == octets
    assert str(ApTitle.decode(bytes.fromhex(octets))) == text


def test_a_title_within_the_network() -> None:
    assert str(title(".123.4").within(NETWORK)) == "2.16.124.113620.1.22.0.123.4"
    assert title("1.3.6").within(NETWORK) == title("1.3.6")


@pytest.mark.parametrize(
    "text", ["", ".", "1", "3.1", "1.40", "1..2", "1.2.", "a", "1.-2", "." + "9" * 40, "1.2" * 200]
)
def test_what_is_no_title(text: str) -> None:
    with pytest.raises(LocalProtocolError):
        ApTitle.parse(text)


@pytest.mark.parametrize(
    "octets", ["0600", "0602", "060181", "06028001", "0501", "0401AA", "0681", "80 16" + "FF" * 22]
)
def test_octets_that_are_no_title(octets: str) -> None:
    with pytest.raises(DecodeError):
        ApTitle.decode(bytes.fromhex(octets))


def test_no_error_shows_a_password() -> None:
    plain = Message.decode(QUESTION).opened(KEY).encode()
    for size in range(len(plain)):
        with pytest.raises(DecodeError) as caught:
            Message.decode(plain[:size])
        assert b"PASSWORD" not in caught.value.data and "PASSWORD" not in str(caught.value)
    for at in range(len(plain)):
        for value in (0, 0x7F, 0x80, 0xFF):
            damaged = plain[:at] + bytes((value,)) + plain[at + 1 :]
            try:
                _ = Message.decode(damaged).services
            except MeterError as error:
                assert b"PASSWORD" not in error.data


@pytest.mark.parametrize(
    "octets",
    [
        "",
        "60",
        "6000",
        "610BBE0728058103800120",
        "6009BE0728058103800120" + "00",
        "6012BE0728058103800120BE0728058103800120",
        "6009BE07280581038C0120",
        "6009BE0728058103830120",
        "6009BE0728058103840120",
        "6006BE042802 8100",
        "6080BE0728058103800120",
        "6085010000000009BE",
    ],
)
def test_what_is_no_message(octets: str) -> None:
    with pytest.raises(DecodeError):
        Message.decode(bytes.fromhex(octets))


@given(st.binary(max_size=80))
def test_noise_ends_in_typed_errors(noise: bytes) -> None:
    for octets in (noise, ber.encode(0x60, noise), ber.encode(0x60, ber.encode(0xBE, noise)), QUESTION[:40] + noise):
        try:
            _ = Message.decode(octets).opened(KEY).services
        except (DecodeError, SecurityError):
            pass


@pytest.mark.captures("c1222_payload")
def test_captures_round_trip(capture: Any) -> None:
    for octets in re.findall(r"^[TR]X ([0-9a-f]+)$", capture.bytes.decode("ascii"), re.M):
        message = Message.decode(bytes.fromhex(octets))
        assert message.encode().hex() == octets
        assert encode_services(message.services) == message.body
