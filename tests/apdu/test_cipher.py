"""Ciphering: standard examples and foreign stacks read and written, and what a receiver must refuse."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from metersdk.apdu import acse, axdr, xdlms
from metersdk.apdu.cipher import (
    DED_TAG,
    GLO_TAG,
    CounterReplayed,
    Keys,
    RisingCounter,
    Secret,
    Security,
    SecurityContext,
    is_protected,
    overhead,
    seal,
    split,
    unseal,
    unwrap_key,
    wrap_key,
)
from metersdk.errors import DecodeError, LocalProtocolError, SecurityError

Vectors = Callable[[str], list[Any]]
EK, AK = bytes(range(16)), bytes(range(0xD0, 0xE0))
EK2, AK2 = bytes(range(32)), bytes(range(0xD0, 0xF0))
STANDARD_TITLE = bytes.fromhex("4D4D4D0000BC614E")
GET_CLOCK = bytes.fromhex("C0010000080000010000FF0200")
ALL = Security.AUTHENTICATED_ENCRYPTED
PROTECTIONS = [Security.AUTHENTICATED, Security.ENCRYPTED, ALL]


def context(
    own: bytes = b"AAAAAAAA",
    peer: bytes | None = b"BBBBBBBB",
    security: Security = ALL,
    counter: int = 0,
    ek: bytes = EK,
    ak: bytes = AK,
    suite: int = 0,
    **more: Any,
) -> SecurityContext:
    keys = Keys(
        ek, ak, system_title=own, invocation_counter=counter, suite=suite, broadcast=more.pop("broadcast", None)
    )
    return SecurityContext(keys, security, peer_title=peer, **more)


def raw_of(vectors: Vectors, name: str) -> bytes:
    raw: bytes = vectors(name)[0].raw
    if raw[0] in (0x60, 0x61, 0x62):
        decode: Any = {0x60: acse.decode_aarq, 0x61: acse.decode_aare, 0x62: acse.decode_rlrq}[raw[0]]
        inner: bytes = decode(raw).user_information
        return inner
    return raw


# name, sender's title (None: in the header), suite, what stands in it
READ = [
    ("gb_glo_get_30", STANDARD_TITLE, 0, GET_CLOCK),
    ("gb_glo_get_20", STANDARD_TITLE, 0, GET_CLOCK),
    ("gb_auth_only_tag", STANDARD_TITLE, 0, GET_CLOCK),
    (
        "gb_glo_init",
        STANDARD_TITLE,
        0,
        bytes.fromhex("01011000112233445566778899aabbccddeeff0000065f1f0400007e1f04b0"),
    ),
    ("cip_aarq", b"PYDLMS01", 0, None),
    ("cip_aare", b"GRXSRV01", 0, None),
    ("cip_action", b"PYDLMS01", 0, None),
    ("cip_actresp", b"GRXSRV01", 0, None),
    ("cip_general_glo_req", None, 0, bytes.fromhex("c001c100080000010000ff0200")),
    ("cip_general_glo_resp", None, 0, bytes.fromhex("c401c100090c07e80501030c000000ff88ff")),
    ("rlrq_cip", b"PYDLMS01", 2, None),
    ("suite2_action", b"PYDLMS01", 2, None),
    *((f"general_ciphering_{name}", None, 1, None) for name in ("C2", "S3", "C4", "S5", "C6", "S7", "C8", "S9", "C10")),
    ("general_ciphering_S11", None, 1, None),
]


@pytest.mark.parametrize(("name", "title", "suite", "plain"), READ, ids=[row[0] for row in READ])
def test_vectors_both_ways(vectors: Vectors, name: str, title: bytes | None, suite: int, plain: bytes | None) -> None:
    raw = raw_of(vectors, name)
    ek, ak = (EK2, AK2) if suite == 2 else (EK, AK)
    parts = split(raw)
    sender = title or parts.title
    security = Security(parts.control & 0x30)
    reader = context(peer=title, security=security, ek=ek, ak=ak, suite=suite)
    opened = reader.unprotect(raw)
    assert plain is None or opened.plain == plain
    assert opened.security == security and opened.envelope == parts.envelope and not opened.dedicated
    assert reader.peer_title == sender
    recipient = raw[12:20] if opened.envelope == "ciphering" else None
    writer = context(sender, recipient, security, parts.counter, ek, ak, parts.control & 0x0F)
    assert writer.protect(opened.plain, envelope=opened.envelope) == raw
    if security != Security.ENCRYPTED:
        for at in range(len(raw)):
            with pytest.raises((SecurityError, DecodeError)):
                flipped = raw[:at] + bytes((raw[at] ^ 0x80,)) + raw[at + 1 :]
                context(peer=sender, security=security, ek=ek, ak=ak, suite=suite).unprotect(flipped)
                # The fields of general-ciphering outside of the originator are not part of the AAD.
                if opened.envelope == "ciphering" and 12 <= at < 20:
                    raise DecodeError("not covered by the tag")


def test_dedicated_vectors_are_taken_apart(vectors: Vectors) -> None:
    # Their random dedicated key is not recorded: the frame is all that can be read.
    for name, counter in (("ded_request", 103), ("ded_response", 3)):
        parts = split(raw_of(vectors, name))
        assert parts.dedicated and parts.counter == counter and parts.control == 0x30
        with pytest.raises(SecurityError, match="dedicated key"):
            context().unprotect(raw_of(vectors, name))


def test_tables() -> None:
    for plain, glo, ded in (
        (0x01, 0x21, 0x41),
        (0x08, 0x28, 0x48),
        (0x0E, 0x2E, 0x4E),
        (0x16, 0x36, 0x56),
        (0x18, 0x38, 0x58),
        (0xC0, 0xC8, 0xD0),
        (0xC4, 0xCC, 0xD4),
        (0xC7, 0xCF, 0xD7),
    ):
        assert GLO_TAG[plain] == glo and DED_TAG[plain] == ded
    assert len(GLO_TAG) == len(DED_TAG) == len({*GLO_TAG.values(), *DED_TAG.values()}) // 2 == 16
    assert not any(is_protected(bytes((tag,))) for tag in (0x0F, 0xD8, 0xD9, 0xDA, 0xE0, 0x60, *GLO_TAG))


@given(
    st.sampled_from([0x10, 0x20, 0x30]),
    st.sampled_from([16, 32]),
    st.integers(0, 0xFFFFFFFF),
    st.binary(max_size=300),
)
def test_against_the_streaming_cipher(mode: int, size: int, counter: int, plain: bytes) -> None:
    ek, ak, title = bytes(range(size)), bytes(range(100, 100 + size)), b"METER001"
    sealed = seal(mode, counter, title, Secret(ek), Secret(ak), plain)
    iv = title + counter.to_bytes(4, "big")
    encryptor = Cipher(algorithms.AES(ek), modes.GCM(iv)).encryptor()
    if mode == 0x20:
        assert sealed == encryptor.update(plain)
    else:
        encryptor.authenticate_additional_data(bytes((mode,)) + ak + (plain if mode == 0x10 else b""))
        text = plain + encryptor.finalize()[:0] if mode == 0x10 else encryptor.update(plain) + encryptor.finalize()
        assert sealed == text + encryptor.tag[:12]
    assert unseal(mode, counter, title, Secret(ek), Secret(ak), sealed) == plain


@given(st.binary(min_size=1, max_size=60), st.data())
def test_no_plaintext_without_its_tag(plain: bytes, data: st.DataObject) -> None:
    mode = data.draw(st.sampled_from([0x10, 0x30]))
    sealed = bytearray(seal(mode, 7, b"METER001", Secret(EK), Secret(AK), plain))
    sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(SecurityError, match="tag"):
        unseal(mode, 7, b"METER001", Secret(EK), Secret(AK), bytes(sealed))
    for end in range(12):
        with pytest.raises(SecurityError):
            unseal(mode, 7, b"METER001", Secret(EK), Secret(AK), bytes(sealed[:end]))


@pytest.mark.parametrize("size", [0, 1, 110, 127, 128, 255, 256, 70000])
@pytest.mark.parametrize("envelope", ["service", "general", "ciphering"])
@pytest.mark.parametrize("security", PROTECTIONS)
def test_lengths_of_every_form(size: int, envelope: Any, security: Security) -> None:
    plain = b"\xc4" + bytes(size)
    wire = context(b"AAAAAAAA", b"BBBBBBBB", security).protect(plain, envelope=envelope)
    assert len(wire) - len(plain) <= overhead(envelope) + (2 if size > 0xFFFF else 0)
    opened = context(b"BBBBBBBB", b"AAAAAAAA", security).unprotect(wire)
    assert opened.plain == plain and opened.envelope == envelope
    for end in (*range(min(40, len(wire))), len(wire) - 1):
        with pytest.raises(DecodeError):
            split(wire[:end])
    with pytest.raises(DecodeError, match="1 octets after"):
        split(wire + b"\x00")


def test_apdus_without_a_ciphered_tag_go_general() -> None:
    for tag in (0x0F, 0xD9, 0xDA):
        assert context().protect(bytes((tag, 0)))[0] == 0xDB


def test_empty_title_in_the_header_means_the_known_sender() -> None:
    wire = context(b"AAAAAAAA").protect(GET_CLOCK, envelope="general")
    bare = b"\xdb\x00" + wire[10:]
    assert context(b"BBBBBBBB", b"AAAAAAAA").unprotect(bare).plain == GET_CLOCK
    with pytest.raises(SecurityError, match="title of the peer is not known"):
        context(b"BBBBBBBB", None).unprotect(bare)


def test_title_is_learned_from_a_proven_header_only() -> None:
    wire = context(b"AAAAAAAA").protect(GET_CLOCK, envelope="general")
    reader = context(b"BBBBBBBB", None)
    with pytest.raises(SecurityError):
        reader.unprotect(wire[:-1] + b"\x00")
    assert reader.peer_title is None
    reader.unprotect(wire)
    assert reader.peer_title == b"AAAAAAAA"
    foreign = context(b"CCCCCCCC").protect(GET_CLOCK, envelope="general")
    with pytest.raises(SecurityError, match="comes from title"):
        reader.unprotect(foreign)


# --- Counters -------------------------------------------------------------------------------------------------------


def test_counters_must_rise_and_move_only_after_a_good_tag() -> None:
    sender, reader = context(b"AAAAAAAA", counter=5), context(b"BBBBBBBB", b"AAAAAAAA")
    first, second, third = (sender.protect(GET_CLOCK) for _ in range(3))
    reader.unprotect(first)
    with pytest.raises(CounterReplayed) as caught:
        reader.unprotect(first)
    assert caught.value.last == 5
    with pytest.raises(SecurityError, match="tag is wrong"):
        reader.unprotect(third[:-1] + bytes((third[-1] ^ 1,)))
    reader.unprotect(second)
    reader.unprotect(third)
    with pytest.raises(CounterReplayed):
        reader.unprotect(second)


def test_first_counter_may_be_zero_once() -> None:
    sender, reader = context(b"AAAAAAAA", counter=0), context(b"BBBBBBBB", b"AAAAAAAA")
    wire = sender.protect(GET_CLOCK)
    reader.unprotect(wire)
    assert [finding.code for finding in reader.findings] == ["counter-zero"]
    with pytest.raises(CounterReplayed):
        reader.unprotect(wire)


def test_counters_are_kept_for_each_key() -> None:
    key = Secret(bytes(range(50, 66)))
    sender, reader = context(b"AAAAAAAA", counter=9), context(b"BBBBBBBB", b"AAAAAAAA")
    sender.use_dedicated(key)
    reader.use_dedicated(key)
    reader.unprotect(sender.protect(GET_CLOCK))
    other = context(b"AAAAAAAA", counter=3)
    other.use_dedicated(key)
    assert reader.unprotect(other.protect(GET_CLOCK, dedicated=True)).dedicated
    with pytest.raises(SecurityError, match="octets"):
        reader.use_dedicated(Secret(b"short"))
    with pytest.raises(LocalProtocolError, match="no dedicated key"):
        context().protect(GET_CLOCK, dedicated=True)


def test_counters_end() -> None:
    counter = RisingCounter(0xFFFFFFFF)
    assert counter.next() == 0xFFFFFFFF
    with pytest.raises(LocalProtocolError, match="used up"):
        counter.next()
    for wrong in (-1, 1 << 32):
        with pytest.raises(LocalProtocolError):
            RisingCounter(wrong)


def test_keys_hold_one_counter_for_all_who_share_them() -> None:
    keys = Keys(EK, AK, invocation_counter=3)
    one, two = (SecurityContext(keys, ALL, peer_title=b"BBBBBBBB") for _ in range(2))
    assert [split(side.protect(GET_CLOCK)).counter for side in (one, two, one)] == [3, 4, 5]


# --- Refused --------------------------------------------------------------------------------------------------------


def test_weaker_protection_is_refused() -> None:
    for weaker in (Security.AUTHENTICATED, Security.ENCRYPTED, Security.NONE):
        wire = context(b"AAAAAAAA", security=weaker).protect(GET_CLOCK)
        with pytest.raises(SecurityError, match="protects by"):
            context(b"BBBBBBBB", b"AAAAAAAA").unprotect(wire)
        opened = context(b"BBBBBBBB", b"AAAAAAAA", allow_plaintext=True).unprotect(wire)
        assert opened.plain == GET_CLOCK and opened.security == weaker


def test_compression_unknown_suites_and_unknown_keys() -> None:
    for control, match in ((0xB0, "V.44"), (0x33, "suite 3"), (0x70, "broadcast key")):
        wire = bytes((0xC8, 18, control)) + bytes(17)
        with pytest.raises(SecurityError, match=match):
            context().unprotect(wire)


def test_broadcast_key_by_its_bit() -> None:
    broadcast = bytes(range(70, 86))
    control = 0x70
    body = seal(control, 1, b"BBBBBBBB", Secret(broadcast), Secret(AK), GET_CLOCK)
    wire = bytes((0xC8, 5 + len(body), control)) + (1).to_bytes(4, "big") + body
    assert context(broadcast=broadcast).unprotect(wire).plain == GET_CLOCK


def test_suite_1_on_aes_128_data_as_real_meters_send_it() -> None:
    body = seal(0x21, 1, b"BBBBBBBB", Secret(EK), Secret(AK), GET_CLOCK)
    wire = bytes((0xC8, 5 + len(body), 0x21)) + (1).to_bytes(4, "big") + body
    assert context(security=Security.ENCRYPTED).unprotect(wire).plain == GET_CLOCK


def test_wrong_key_under_encryption_alone_shows_by_the_tag_inside() -> None:
    wire = context(b"AAAAAAAA", security=Security.ENCRYPTED).protect(GET_CLOCK)
    with pytest.raises(SecurityError, match="not what its tag says"):
        context(b"BBBBBBBB", b"AAAAAAAA", Security.ENCRYPTED, ek=bytes(16)).unprotect(wire)


def test_general_ciphering_with_other_keys_is_refused() -> None:
    head = bytes.fromhex("dd0000000000")
    content = bytes((17, 0x30)) + bytes(16)
    assert split(head + b"\x00" + content).title == b""
    assert split(head + b"\x01\x00\x01" + content).envelope == "ciphering"
    for key_info in (b"\x01\x01\x00\x10" + bytes(16), b"\x01\x02\x01\x01\x00", b"", b"\x02"):
        with pytest.raises((SecurityError, DecodeError)):
            split(head + key_info + content)


@pytest.mark.parametrize(
    "raw",
    ["", "c8", "c800", "c803300000", "db", "db07", "db074142434445464712", "dd", "dd00", "c0", "c88430000000", "df00"],
)
def test_misshapen_envelopes(raw: str) -> None:
    with pytest.raises(DecodeError):
        context().unprotect(bytes.fromhex(raw))


@given(st.binary(max_size=60))
def test_noise_is_refused_with_typed_errors(noise: bytes) -> None:
    for tag in (0xC8, 0xCC, 0xD4, 0xDB, 0xDC, 0xDD, 0x28):
        with pytest.raises((SecurityError, DecodeError)):
            context().unprotect(bytes((tag,)) + noise)


def test_keys_say_what_is_wrong_with_them() -> None:
    for wrong, match in (
        ({"encryption": bytes(15)}, "15 octets"),
        ({"encryption": "zz" * 16}, "hexadecimal"),
        ({"encryption": EK, "authentication": bytes(32)}, "32 octets"),
        ({"encryption": EK, "suite": 2}, "16 octets, not 32"),
        ({"encryption": EK, "suite": 3}, "suite 3"),
        ({"encryption": EK, "system_title": b"short"}, "8 octets"),
        ({"encryption": EK, "server_title": b"short"}, "8 octets"),
    ):
        with pytest.raises(LocalProtocolError, match=match) as caught:
            Keys(**wrong)  # type: ignore[arg-type]
        assert "zz" not in repr(caught.value)
    assert Keys(EK.hex()).ek == EK
    with pytest.raises(LocalProtocolError, match="authentication key"):
        SecurityContext(Keys(EK), Security.AUTHENTICATED)


def test_secrets_do_not_show() -> None:
    secret = Secret(b"hunter2")
    for text in (repr(secret), str(secret), f"{secret}", f"{secret!r:>30}", f"{secret:>30}", "%s" % secret):  # noqa: UP031
        assert "hunter2" not in text and "Secret(***)" in text
    assert secret == Secret("hunter2") == b"hunter2" and secret != b"hunter3" and secret != 7 and len(secret) == 7
    assert hash(secret) == hash(Secret("hunter2")) and copy.deepcopy(secret) is secret
    keys = Keys(EK, AK, master=bytes(range(40, 56)))
    for text in (repr(keys), str(keys), repr(SecurityContext(keys, ALL))):
        for part in (EK, AK, bytes(range(40, 56))):
            assert part.hex() not in text and repr(part)[2:-1] not in text


# --- GMAC, key wrap -------------------------------------------------------------------------------------------------


def test_gmac_of_the_standard(vectors: Vectors) -> None:
    challenge, title = bytes.fromhex("503677524A323146"), bytes.fromhex("4D4D4D0000000001")
    value = raw_of(vectors, "gb_fstoc")
    assert context(title, counter=1).gmac(challenge) == value
    assert context(peer=title).verify_gmac(value, challenge)
    assert not context(peer=title).verify_gmac(value, challenge[::-1])
    assert not context(peer=None).verify_gmac(value, challenge)
    for at in range(len(value)):
        assert not context(peer=title).verify_gmac(value[:at] + bytes((value[at] ^ 0x80,)) + value[at + 1 :], challenge)
        assert not context(peer=title).verify_gmac(value[:at], challenge)


def test_gmac_in_captured_actions(vectors: Vectors) -> None:
    def inside(name: str, sender: bytes, ek: bytes, ak: bytes, suite: int) -> bytes:
        plain = context(peer=sender, ek=ek, ak=ak, suite=suite).unprotect(raw_of(vectors, name)).plain
        unit = xdlms.decode(plain)
        data = unit.data if isinstance(unit, xdlms.ActionRequest) else unit.outcome.returned  # type: ignore[union-attr]
        value = axdr.decode_all(data).value  # type: ignore[arg-type]
        assert isinstance(value, bytes)
        return value

    ctos = acse.decode_aarq(vectors("cip_aarq")[0].raw).authentication_value or b""
    stoc = acse.decode_aare(vectors("cip_aare")[0].raw).authentication_value or b""
    client = inside("cip_action", b"PYDLMS01", EK, AK, 0)
    assert client == context(b"PYDLMS01", counter=101).gmac(stoc)
    server = inside("cip_actresp", b"GRXSRV01", EK, AK, 0)
    assert server == context(b"GRXSRV01", counter=2).gmac(ctos)
    assert inside("suite2_action", b"PYDLMS01", EK2, AK2, 2)[:5] == bytes.fromhex("1200000065")


def test_gmac_findings() -> None:
    peer, challenge = context(b"AAAAAAAA", counter=7), b"challenge"
    reader = context(b"BBBBBBBB", b"AAAAAAAA")
    reader.unprotect(peer.protect(GET_CLOCK))
    same = context(b"AAAAAAAA", counter=7)
    assert reader.verify_gmac(same.gmac(challenge), challenge)
    other_suite = context(b"AAAAAAAA", counter=8, suite=1)
    assert reader.verify_gmac(other_suite.gmac(challenge), challenge)
    assert [finding.code for finding in reader.findings] == ["counter-reused", "gmac-suite"]


def test_key_wrap_of_rfc_3394(vectors: Vectors) -> None:
    wrapped, key = raw_of(vectors, "rfc3394"), bytes.fromhex("00112233445566778899aabbccddeeff")
    assert wrap_key(Secret(EK), Secret(key)) == wrapped
    assert unwrap_key(Secret(EK), wrapped) == key
    assert len(wrap_key(Secret(EK2), Secret(EK2))) == 40
    for damaged in (wrapped[:-1], wrapped[:-1] + b"\x00", b"", bytes(24)):
        with pytest.raises(SecurityError, match="master key"):
            unwrap_key(Secret(EK), damaged)


def test_the_library_would_refuse_the_cut_tag_that_is_checked_here() -> None:
    sealed = seal(0x30, 1, b"METER001", Secret(EK), Secret(AK), GET_CLOCK)
    with pytest.raises(InvalidTag):
        AESGCM(EK).decrypt(b"METER001" + (1).to_bytes(4, "big"), sealed, b"\x30" + AK)
