"""dlms-cosem against our own codec: equal wherever both serve, and unseen wherever it does not."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metersdk.apdu import _dlms_cosem as package
from metersdk.apdu import acse
from metersdk.apdu._dlms_cosem import DlmsCosemCodec, OwnCodec
from metersdk.apdu.acse import (
    Aare,
    Aarq,
    ApplicationContext,
    Authentication,
    Conformance,
    InitiateRequest,
    InitiateResponse,
    Rlrq,
)
from metersdk.apdu.cipher import Keys, Secret, Security, SecurityContext
from metersdk.apdu.initiate import decode_initiate_request, decode_initiate_response
from metersdk.errors import DecodeError

Vectors = Callable[[str], list[Any]]
BOTH, OWN = DlmsCosemCodec(), OwnCodec()

services = st.integers(0, (1 << 23) - 1).map(lambda bits: Conformance(bits) & package._ALL_OF_ITS)
requests = st.builds(
    InitiateRequest, services, st.integers(0, 0xFFFF), st.none() | st.binary(min_size=16, max_size=16).map(Secret)
)
titles = st.none() | st.binary(min_size=8, max_size=8)
user_information = requests.map(InitiateRequest.encode) | requests.map(
    lambda request: SecurityContext(
        Keys(bytes(16), bytes(16), invocation_counter=0), Security.AUTHENTICATED_ENCRYPTED
    ).protect(request.encode())
)
mechanisms = st.none() | st.sampled_from(list(Authentication)[1:])
aarqs = st.builds(
    Aarq,
    user_information,
    st.sampled_from([ApplicationContext.LN, ApplicationContext.LN_CIPHERED]),
    mechanisms,
    st.binary(min_size=1, max_size=16),
    titles,
).map(
    lambda aarq: aarq if aarq.mechanism else Aarq(aarq.user_information, aarq.context, calling_title=aarq.calling_title)
)
aares = st.builds(
    Aare,
    result=st.integers(0, 2),
    source=st.just(1),
    diagnostic=st.integers(0, 14),
    user_information=st.none() | st.binary(min_size=1, max_size=50),
    context=st.sampled_from([ApplicationContext.LN, ApplicationContext.LN_CIPHERED]),
    mechanism=mechanisms,
    authentication_value=st.binary(min_size=8, max_size=16),
    responding_title=titles,
).map(lambda aare: aare if aare.mechanism else acse.decode_aare(aare.encode()))


@given(aarqs)
def test_aarq_is_written_alike(aarq: Aarq) -> None:
    size = len(aarq.user_information) + len(aarq.authentication_value or b"") + len(aarq.calling_title or b"")
    if size <= package._ROOM:
        assert package.encode_aarq(aarq) == aarq.encode()
    assert BOTH.encode_aarq(aarq) == aarq.encode()


@given(requests)
def test_initiate_request_is_written_alike(request: InitiateRequest) -> None:
    assert package.encode_initiate_request(request) == request.encode() == BOTH.encode_initiate_request(request)


@given(st.sampled_from([0, 1, 30, None]), st.none() | user_information)
def test_rlrq_is_written_alike(reason: int | None, content: bytes | None) -> None:
    rlrq = Rlrq(reason, content)
    assert package.encode_rlrq(rlrq) == rlrq.encode() == BOTH.encode_rlrq(rlrq)


@given(aares)
def test_aare_is_read_alike(aare: Aare) -> None:
    raw = aare.encode()
    if len(raw) <= 0x7F:
        assert package.decode_aare(raw) == aare
    assert BOTH.decode_aare(raw) == aare


@given(services, st.integers(0, 0xFFFF))
def test_initiate_response_is_read_alike(conformance: Conformance, max_pdu: int) -> None:
    response = InitiateResponse(conformance, max_pdu)
    assert package.initiate_response(response.encode()) == response == BOTH.decode_initiate_response(response.encode())


def test_vectors_take_the_path_of_the_package(vectors: Vectors) -> None:
    served = 0
    for topic in ("ACSE", "Initiate", "security", "HLS SHA-256", "HLS ECDSA"):
        for vector in vectors(topic):
            raw = vector.raw
            if vector.name in ("aare_ok_sn", "init_qos", "init_noresp") or vector.name.startswith("rlre"):
                continue
            served += 1
            match raw[0]:
                case 0x01:
                    assert package.encode_initiate_request(decode_initiate_request(raw)) == raw
                case 0x08:
                    assert package.initiate_response(raw) == decode_initiate_response(raw)
                case 0x60:
                    assert package.encode_aarq(acse.decode_aarq(raw)) == raw
                case 0x61:
                    assert package.decode_aare(raw) == acse.decode_aare(raw)
                case 0x62:
                    assert package.encode_rlrq(acse.decode_rlrq(raw)) == raw
                case _:
                    served -= 1
    assert served == 17


# --- What it lacks or gets wrong ------------------------------------------------------------------------------------

UNSERVED_AARQ = [
    Aarq(
        InitiateRequest().encode(),
        mechanism=Authentication.HIGH_MD5,
        authentication_value=bytes(64),
        calling_title=bytes(8),
    ),
    Aarq(InitiateRequest().encode(), ApplicationContext.SN),
    Aarq(InitiateRequest().encode(), calling_certificate=bytes(300)),
    Aarq(InitiateRequest().encode(), calling_user=1),
    Aarq(InitiateRequest(quality_of_service=3).encode()),
    Aarq(InitiateRequest(response_allowed=False).encode()),
    Aarq(InitiateRequest(Conformance.READ | Conformance.GET).encode()),
    Aarq(b"\x41\x00"),
    Aarq(b"\x21\x01\x30"),
]


@pytest.mark.parametrize("aarq", UNSERVED_AARQ, ids=range(len(UNSERVED_AARQ)))
def test_aarq_it_cannot_write_is_written_by_ours(aarq: Aarq) -> None:
    with pytest.raises(DecodeError):
        package.encode_aarq(aarq)
    assert BOTH.encode_aarq(aarq) == aarq.encode()
    assert acse.decode_aarq(BOTH.encode_aarq(aarq)) == aarq


def test_long_lengths_short_names_and_empty_releases_are_ours() -> None:
    short = bytes.fromhex("6129a109060760857405080101a203020100a305a103020100be10040e0800065f1f040000501f01f40007")
    long = short[:1] + b"\x81" + short[1:]
    inner = bytes.fromhex("612ba109060760857405080101a203020100a305a103020100be8111040e0800065f1f040000501f01f40007")
    inner = inner[:1] + bytes((len(inner) - 2,)) + inner[2:]
    inner = inner.replace(bytes.fromhex("be8111"), bytes.fromhex("be8110"))
    for raw in (long, inner, short.replace(b"\x08\x01\x01", b"\x08\x01\x02")):
        with pytest.raises(DecodeError):
            package.decode_aare(raw)
        assert BOTH.decode_aare(raw) == OWN.decode_aare(raw)
    assert BOTH.encode_rlrq(Rlrq(None)) == b"\x62\x00"


@pytest.mark.parametrize(
    "raw", ["08000" + "65f2f040000501f01f40007", "0800065f1f040000501f01f4fa00", "080103065f1f040000501f01f40007"]
)
def test_initiate_response_forms_it_misreads_never_reach_it(raw: str, capsys: pytest.CaptureFixture[str]) -> None:
    octets = bytes.fromhex(raw)
    with pytest.raises(DecodeError):
        package.initiate_response(octets)
    try:
        assert BOTH.decode_initiate_response(octets) == OWN.decode_initiate_response(octets)
    except DecodeError as error:
        assert "conformance block" in error.message
    # It prints a tag it does not know.
    assert capsys.readouterr().out == ""


@settings(max_examples=300)
@given(aares, st.data())
def test_damaged_aares_give_the_same_value_or_the_same_error(aare: Aare, data: st.DataObject) -> None:
    raw = bytearray(aare.encode())
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(raw[: data.draw(st.integers(1, len(raw)))])
    for octets in (bytes(raw), cut):
        outcomes = []
        for codec in (OWN, BOTH):
            try:
                outcomes.append(repr(codec.decode_aare(octets)))
            except DecodeError as error:
                outcomes.append(f"{error} {error.offset}")
        assert outcomes[0] == outcomes[1]


def test_its_errors_quote_no_password() -> None:
    aarq = Aarq(b"\x21\x01\x30", mechanism=Authentication.LOW, authentication_value=b"hunter2")
    with pytest.raises(DecodeError) as caught:
        package.encode_aarq(aarq)
    assert caught.value.data == b"" and caught.value.__context__ is None


def test_it_is_loaded_at_the_first_use_only() -> None:
    code = (
        "import sys, metersdk.apdu._dlms_cosem as p, metersdk.dialog.association;"
        "assert not any(m.startswith('dlms_cosem') for m in sys.modules);"
        "from metersdk.apdu.acse import InitiateRequest;"
        "p.OwnCodec().encode_initiate_request(InitiateRequest());"
        "assert not any(m.startswith('dlms_cosem') for m in sys.modules);"
        "p.DlmsCosemCodec().encode_initiate_request(InitiateRequest());"
        "assert 'dlms_cosem.protocol.xdlms' in sys.modules and 'serial' not in sys.modules"
    )
    subprocess.run([sys.executable, "-P", "-c", code], check=True, env={"PYTHONPATH": ":".join(sys.path)})


def test_conformance_bits_without_a_name_are_kept() -> None:
    raw = bytes.fromhex("0800065f1f040080501f01f40007")
    assert BOTH.decode_initiate_response(raw) == OWN.decode_initiate_response(raw)
    assert int(BOTH.decode_initiate_response(raw).conformance) == 0x80501F
