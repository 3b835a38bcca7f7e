"""Services that C12.22 adds to PSEM, both ways."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metersdk.apdu import psem
from metersdk.apdu.c1222_services import (
    Answer,
    ConnectionType,
    Deregister,
    LoggedOn,
    NodeType,
    Register,
    Registered,
    Request,
    Resolve,
    Resolved,
    SessionControl,
    Trace,
    Traced,
    decode_answer,
    decode_request,
    device_class,
    security_mechanism,
    session_control,
    size_allowed,
)
from metersdk.apdu.c1222_titles import ApTitle
from metersdk.apdu.keys import Secret
from metersdk.apdu.psem import Refusal, Response, Service
from metersdk.errors import DecodeError, LocalProtocolError

NODE, SERIAL = ApTitle.parse("1.3.6.1.4.1.33507"), ApTitle.parse(".1.2")
REGISTER = Register(
    NodeType.END_DEVICE | NodeType.HOST | NodeType.DOMAIN_PATTERN,
    ConnectionType.ACCEPT_CONNECTIONS | ConnectionType.PLAYBACK_REJECTION,
    bytes.fromhex("01828563"),
    NODE,
    SERIAL,
    b"fizzbuzz",
    0x010203,
    b"beef",
)
REQUESTS: tuple[tuple[Request, str], ...] = (
    (
        REGISTER,
        "27A48401828563 06082B06010401828563 80020102 0866697A7A62757A7A 010203 0462656566",
    ),
    (
        Register(NodeType.END_DEVICE, ConnectionType(0), bytes(4), None, None),
        "272000000000000600060000000000",
    ),
    (Deregister(NODE), "2406082B06010401828563"),
    (Resolve(NODE), "2506082B06010401828563"),
    (Trace((NODE, SERIAL)), "2606082B0601040182856380020102"),
    (Trace(()), "26"),
    (psem.Logon(2, b"user".ljust(10), 60), "50000275736572202020202020003C"),
    (psem.Security(Secret(bytes(20)), 2), "51" + 20 * "00" + "0002"),
    (psem.Plain(Service.DISCONNECT), "22"),
    (psem.OtherRequest(0x28, b"\1"), "2801"),
)
ANSWERS: tuple[tuple[Service, Answer, str], ...] = (
    (
        Service.REGISTER,
        Registered(NODE, 3600, 86400, ConnectionType.BROADCAST | ConnectionType.CONNECTIONS),
        "0006082B060104018285630E1001518041",
    ),
    (Service.RESOLVE, Resolved(b"localaddress"), "000C6C6F63616C61646472657373"),
    (Service.TRACE, Traced((NODE,)), "0006082B06010401828563"),
    (Service.TRACE, Traced((SERIAL,), Response.NETR), "0E80020102"),
    (Service.LOGON, LoggedOn(60), "00003C"),
    (Service.LOGON, psem.Done(), "00"),
    (Service.DEREGISTER, psem.Done(), "00"),
    (Service.REGISTER, Refusal(Response.UAT), "0C"),
    (Service.READ, Refusal(Response.RSTL, bytes.fromhex("00000400")), "1000000400"),
)


@pytest.mark.parametrize(("request_", "octets"), REQUESTS)
def test_requests(request_: Request, octets: str) -> None:
    raw = bytes.fromhex(octets)
    assert request_.encode() == raw and decode_request(raw) == request_


@pytest.mark.parametrize(("service", "answer", "octets"), ANSWERS)
def test_answers(service: Service, answer: Answer, octets: str) -> None:
    raw = bytes.fromhex(octets)
    assert answer.encode() == raw and decode_answer(service, raw) == answer


def test_sizes_that_are_allowed() -> None:
    assert size_allowed(Refusal(Response.RSTL, bytes.fromhex("0000040000"))) == 1024
    assert size_allowed(Refusal(Response.RQTL, b"\0")) is None and size_allowed(Refusal(Response.ERR, bytes(4))) is None


def test_features_of_an_identification() -> None:
    """The answer of the published capture of the Identification service."""
    raw = "000301000406082B0601040182856305080606082B06010401828563070B01000102030A040D05060700"
    found = psem.decode_answer(Service.IDENTIFY, bytes.fromhex(raw))
    assert isinstance(found, psem.Identification)
    assert session_control(found) == SessionControl(8, False)
    assert security_mechanism(found) == device_class(found) == NODE
    assert found.device_identity == bytes.fromhex("01000102030A040D050607")
    bare = psem.Identification(3, 1, 0)
    assert session_control(bare) is None and security_mechanism(bare) is None and device_class(bare) is None


def test_what_does_not_fit() -> None:
    with pytest.raises(LocalProtocolError):
        Register(NodeType(0), ConnectionType(0), b"", None, None).encode()
    with pytest.raises(LocalProtocolError):
        Resolved(bytes(256)).encode()
    for wrong in ("2506", "25", "2706", "2406082B0601040182856300", "26FF00", "27200000000000060006000000", ""):
        with pytest.raises(DecodeError):
            decode_request(bytes.fromhex(wrong))
    with pytest.raises(DecodeError) as caught:
        decode_request(b"\x51PASSWORD")
    assert caught.value.data == b""
    for service, wrong in ((Service.RESOLVE, "000541"), (Service.REGISTER, "00"), (Service.LOGON, "0001")):
        with pytest.raises(DecodeError):
            decode_answer(service, bytes.fromhex(wrong))


@given(st.sampled_from(Service), st.binary(max_size=40))
def test_noise_ends_in_typed_errors(service: Service, noise: bytes) -> None:
    for decode in (decode_request, lambda octets: decode_answer(service, octets)):
        try:
            decode(noise)
        except DecodeError:
            pass
        try:
            decode(bytes((service,)) + noise)
        except DecodeError:
            pass
