"""AARQ, AARE, RLRQ, RLRE and the Initiate units: every vector read and written, every truncation a DecodeError."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metersdk.apdu import acse, ber
from metersdk.apdu.acse import (
    Aare,
    Aarq,
    ApplicationContext,
    Authentication,
    Conformance,
    DiagnosticSource,
    InitiateRequest,
    InitiateResponse,
    Rlre,
    Rlrq,
    UserDiagnostic,
)
from metersdk.apdu.cipher import Secret
from metersdk.apdu.initiate import decode_initiate_request, decode_initiate_response
from metersdk.errors import DecodeError

Vectors = Callable[[str], list[Any]]

DECODERS: dict[int, Callable[[bytes], Any]] = {
    0x01: decode_initiate_request,
    0x08: decode_initiate_response,
    0x60: acse.decode_aarq,
    0x61: acse.decode_aare,
    0x62: acse.decode_rlrq,
    0x63: acse.decode_rlre,
}
TOPICS = ("ACSE", "Initiate", "security", "HLS SHA-256", "HLS ECDSA")


@pytest.fixture(scope="module")
def units(vectors: Vectors) -> dict[str, bytes]:
    found = {vector.name: vector.raw for topic in TOPICS for vector in vectors(topic) if vector.raw[0] in DECODERS}
    assert len(found) >= 22
    return found


def test_every_vector_reads_and_writes(units: dict[str, bytes]) -> None:
    for name, raw in units.items():
        assert DECODERS[raw[0]](raw).encode() == raw, name


def test_every_truncation_and_every_tail_is_a_decode_error(units: dict[str, bytes]) -> None:
    for name, raw in units.items():
        if raw[0] == 0x63:
            continue
        for damaged in (*(raw[:end] for end in range(len(raw))), raw + b"\x00"):
            with pytest.raises(DecodeError):
                DECODERS[raw[0]](damaged)
                pytest.fail(f"{name}: {damaged.hex()} was taken")


def test_long_lengths_are_read_like_short_ones(units: dict[str, bytes]) -> None:
    for raw in units.values():
        if raw[0] in (0x60, 0x61):
            long_form = raw[:1] + b"\x81" + raw[1:]
            assert DECODERS[raw[0]](long_form) == DECODERS[raw[0]](raw)


def only(vectors: Vectors, name: str) -> bytes:
    raw: bytes = vectors(name)[0].raw
    return raw


def test_aarq_with_password(vectors: Vectors) -> None:
    aarq = acse.decode_aarq(only(vectors, "aarq_lls"))
    assert aarq.context == ApplicationContext.LN and aarq.mechanism == Authentication.LOW
    assert aarq.authentication_value == b"12345678"
    request = decode_initiate_request(aarq.user_information)
    assert request == InitiateRequest(Conformance(0x007E1F), 1200)
    assert b"12345678" not in repr(aarq).encode()


def test_aare_of_short_names(vectors: Vectors) -> None:
    aare = acse.decode_aare(only(vectors, "aare_ok_sn"))
    response = decode_initiate_response(aare.user_information or b"")
    assert aare.context == ApplicationContext.SN and response.vaa == 0xFA00
    assert response.conformance == (
        Conformance.READ
        | Conformance.WRITE
        | Conformance.UNCONFIRMED_WRITE
        | Conformance.MULTIPLE_REFERENCES
        | Conformance.INFORMATION_REPORT
        | Conformance.PARAMETERIZED_ACCESS
    )


def test_rejected_aare(vectors: Vectors) -> None:
    aare = acse.decode_aare(only(vectors, "aare_rej"))
    assert (aare.result, aare.source, aare.diagnostic) == (1, DiagnosticSource.USER, 13)
    assert aare.user_information == bytes.fromhex("0e010602")
    assert acse.describe_diagnostic(1, 13) == "authentication failure"
    assert acse.describe_diagnostic(2, 2) == "no common acse version"
    assert acse.describe_diagnostic(1, 99) == "diagnostic 99"


def test_every_field_both_ways() -> None:
    aarq = Aarq(
        user_information=InitiateRequest().encode(),
        context=ApplicationContext.LN_CIPHERED,
        mechanism=Authentication.HIGH_ECDSA,
        authentication_value=bytes(range(64)),
        calling_title=b"MSDK0001",
        calling_certificate=bytes(300),
        calling_user=200,
        called_title=b"METER001",
        called_qualifier=b"q",
        called_ap_invocation=1,
        called_ae_invocation=-2,
        calling_ap_invocation=70000,
        implementation=b"impl",
    )
    assert acse.decode_aarq(aarq.encode()) == aarq
    tags = [item.tag for item in ber.items(ber.only(aarq.encode(), 0x60).content)]
    assert tags == [0xA1, 0xA2, 0xA3, 0xA4, 0xA5, 0xA6, 0xA7, 0xA8, 0xA9, 0x8A, 0x8B, 0xAC, 0xBD, 0xBE]
    aare = Aare(
        result=0,
        source=DiagnosticSource.USER,
        diagnostic=UserDiagnostic.AUTHENTICATION_REQUIRED,
        user_information=InitiateResponse(Conformance.GET, 0).encode(),
        context=ApplicationContext.SN_CIPHERED,
        mechanism=Authentication.HIGH_MD5,
        authentication_value=bytes(64),
        responding_title=b"METER001",
        responding_certificate=bytes(200),
        responding_ap_invocation=3,
        responding_ae_invocation=4,
        implementation=b"",
    )
    assert acse.decode_aare(aare.encode()) == aare


def test_unknown_fields_are_passed_over_and_double_ones_refused(vectors: Vectors) -> None:
    raw = only(vectors, "aarq_ln")
    more = ber.encode(0x60, b"\x80\x02\x07\x80" + raw[2:] + b"\x9e\x01\x00")
    assert acse.decode_aarq(more) == acse.decode_aarq(raw)
    with pytest.raises(DecodeError, match="A1 twice"):
        acse.decode_aarq(ber.encode(0x60, raw[2:13] + raw[2:]))


@pytest.mark.parametrize(
    ("raw", "match"),
    [
        ("610ba109060760857405080101", "no result"),
        ("611aa109060760857405080101a203020100a305a103020100be020400ff", "claims|octets"),
        ("6117a109060760857405080101a203020100a305a303020100", "source A3"),
        ("6117a109060760857405080105a203020100a305a103020100", "foreign application context"),
        ("6117a109060760857405090101a203020100a305a103020100", "foreign application context"),
        ("6116a109060760857405080101a2020200a305a103020100", "INTEGER of 0"),
        ("600fa109060760857405080101be02040a", "claims"),
        ("600ca109060760857405080101", "claims"),
        ("600ba109060760857405080101", "no user-information"),
        ("6000", "no user-information"),
        ("620380020000", "octets"),
        ("6205be03020100", "04 belongs"),
    ],
)
def test_misshapen_units(raw: str, match: str) -> None:
    octets = bytes.fromhex(raw)
    with pytest.raises(DecodeError, match=match):
        DECODERS[octets[0]](octets)


def test_rlre_is_taken_whatever_its_length_says() -> None:
    assert acse.decode_rlre(b"\x63\x00") == Rlre(None) and acse.decode_rlrq(b"\x62\x00") == Rlrq(None)
    # A real meter: length 11, 15 octets follow.
    whole = Rlre(0, bytes.fromhex("0800065f1f040000501f01f40007"))
    raw = whole.encode()
    for length in (0x00, 0x11, len(raw) - 1, 0x7F, 0xFF):
        rlre = acse.decode_rlre(raw[:1] + bytes((length,)) + raw[2:])
        assert rlre == whole
        assert [finding.code for finding in rlre.findings] == ["rlre-length"]
    rubbish = acse.decode_rlre(b"\x63\x05\x80")
    assert rubbish == Rlre(None) and rubbish.findings
    for nothing in (b"", b"\x63", b"\x61\x00"):
        with pytest.raises(DecodeError):
            acse.decode_rlre(nothing)


def test_initiate_forms(vectors: Vectors) -> None:
    request = decode_initiate_request(only(vectors, "init_ded"))
    assert request.dedicated_key == bytes(range(16))
    assert "00010203" not in repr(request) and "\\x01\\x02" not in repr(request)
    assert decode_initiate_request(only(vectors, "init_noresp")).response_allowed is False
    assert decode_initiate_request(only(vectors, "init_qos")).quality_of_service is not None
    for quality in (-128, -1, 0, 127):
        both = InitiateRequest(quality_of_service=quality, dedicated_key=Secret(bytes(200)), max_pdu=0)
        assert decode_initiate_request(both.encode()) == both
        answer = InitiateResponse(Conformance.GET, 65535, 7, quality)
        assert decode_initiate_response(answer.encode()) == answer


def test_conformance_of_the_first_years_is_read() -> None:
    assert decode_initiate_response(bytes.fromhex("0800065f040000501f01f40007")).conformance == Conformance(0x501F)


def test_conformance_bits_stand_where_the_standard_counts_them() -> None:
    # Bit n of the standard is mask 0x800000 >> n.
    for bit, flag in ((1, "GENERAL_PROTECTION"), (9, "PRIORITY_MANAGEMENT"), (19, "GET"), (20, "SET"), (23, "ACTION")):
        assert Conformance[flag] == 0x800000 >> bit
    assert Conformance(0x007E1F).to_octets() == bytes.fromhex("5f1f0400007e1f")
    # Only what the client can serve is proposed: neither general block transfer nor access.
    unserved = Conformance.GENERAL_BLOCK_TRANSFER | Conformance.ACCESS | Conformance.DELTA_VALUE_ENCODING
    assert not acse.CLIENT_CONFORMANCE & unserved


def test_errors_about_secrets_carry_no_octets(vectors: Vectors) -> None:
    for name in ("aarq_lls", "init_ded"):
        raw = only(vectors, name)
        for end in range(1, len(raw)):
            with pytest.raises(DecodeError) as caught:
                DECODERS[raw[0]](raw[:end])
            assert caught.value.data == b"" and caught.value.__context__ is None


@settings(max_examples=300)
@given(st.data())
def test_mutations_end_in_a_value_or_a_decode_error(data: st.DataObject) -> None:
    seeds = (
        Aarq(InitiateRequest().encode(), mechanism=Authentication.LOW, authentication_value=b"12345678").encode(),
        bytes.fromhex("6129a109060760857405080101a203020100a305a103020100be10040e0800065f1f040000501f01f40007"),
        bytes.fromhex("6303800100"),
        InitiateRequest(dedicated_key=Secret(bytes(16))).encode(),
        bytes.fromhex("0800065f1f040000501f01f40007"),
    )
    raw = bytearray(data.draw(st.sampled_from(seeds)))
    decode = DECODERS[raw[0]]
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        decode(bytes(raw))
    except DecodeError as error:
        assert -1 <= error.offset <= len(raw)


@pytest.mark.parametrize("number", [-0x80000000, -129, -128, -38, -1, 0, 1, 30, 127, 128, 255, 256, 0x7FFFFFFF])
def test_any_integer_that_is_read_can_be_written(number: int) -> None:
    for unit in (
        acse.Rlrq(number),
        acse.Rlre(number),
        acse.Aare(number, acse.DiagnosticSource.USER, number, responding_ap_invocation=number),
    ):
        raw = unit.encode()
        assert DECODERS[raw[0]](raw) == unit
