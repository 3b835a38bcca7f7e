"""The package dlms-cosem (21.3.2, MIT) behind a seam: octets in, our own frozen dataclasses out.

This is the only file that imports it, and only when a client first associates. It carries the common path: an AARQ,
RLRQ or InitiateRequest of a logical-name client, and the AARE and InitiateResponse that answer it, all in BER short
form. What it does not know, or gets wrong, is given to the codec of ``acse`` and ``initiate``, which yields the same
octets and values where both serve. docs/decisions/0001-dlms-cosem.md says which is which and why.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Protocol, TypeVar

from metersdk.apdu import acse, ber
from metersdk.apdu.acse import Aare, Aarq, ApplicationContext, Authentication, DiagnosticSource, Rlrq
from metersdk.apdu.initiate import (
    Conformance,
    InitiateRequest,
    InitiateResponse,
    decode_initiate_request,
    decode_initiate_response,
)
from metersdk.errors import DecodeError


class ApduCodec(Protocol):
    """What an association needs to have written and read. Octets and our own dataclasses, nothing else."""

    def encode_aarq(self, aarq: Aarq) -> bytes: ...
    def decode_aare(self, raw: bytes) -> Aare: ...
    def encode_rlrq(self, rlrq: Rlrq) -> bytes: ...
    def encode_initiate_request(self, request: InitiateRequest) -> bytes: ...
    def decode_initiate_response(self, raw: bytes) -> InitiateResponse: ...


class OwnCodec:
    """The codec of ``acse`` and ``initiate``: every form, long lengths, short names, typed errors with offsets."""

    def encode_aarq(self, aarq: Aarq) -> bytes:
        return aarq.encode()

    def decode_aare(self, raw: bytes) -> Aare:
        return acse.decode_aare(raw)

    def encode_rlrq(self, rlrq: Rlrq) -> bytes:
        return rlrq.encode()

    def encode_initiate_request(self, request: InitiateRequest) -> bytes:
        return request.encode()

    def decode_initiate_response(self, raw: bytes) -> InitiateResponse:
        return decode_initiate_response(raw)


# All it has been seen to raise on odd input, and OverflowError for a length above 255.
_ITS_ERRORS = (
    ValueError,
    KeyError,
    IndexError,
    AssertionError,
    TypeError,
    NotImplementedError,
    OverflowError,
    AttributeError,
)
# Its lengths are single octets. The fixed octets of an AARQ with all fields it serves are 38: 38 + 80 < 128.
_ROOM = 80
# Tag, length, security control, counter.
_SMALLEST_CIPHERED = 7
_AARE_TAGS = frozenset((0xA1, 0xA2, 0xA3, 0xA4, 0x88, 0x89, 0xAA, 0xBE))
# Fields with one element inside, and its tag: object identifier, integer, octet string, charstring.
_AARE_INNER = {0xA1: 0x06, 0xA2: 0x02, 0xA4: 0x04, 0xAA: 0x80, 0xBE: 0x04}
# version 6, no quality of service, VAA of logical names: it reads all other forms wrongly, or prints to stdout.
_INITIATE_RESPONSE = re.compile(rb"\x08\x00\x06\x5F\x1F\x04\x00.{5}\x00\x07", re.DOTALL)
# It knows the conformance bits of logical-name services only, and drops the rest without a word.
_ITS_CONFORMANCE = {
    Conformance.GENERAL_PROTECTION: "general_protection",
    Conformance.GENERAL_BLOCK_TRANSFER: "general_block_transfer",
    Conformance.DELTA_VALUE_ENCODING: "delta_value_encoding",
    Conformance.ATTRIBUTE0_SET: "attribute_0_supported_with_set",
    Conformance.PRIORITY_MANAGEMENT: "priority_management_supported",
    Conformance.ATTRIBUTE0_GET: "attribute_0_supported_with_get",
    Conformance.BLOCK_TRANSFER_GET: "block_transfer_with_get_or_read",
    Conformance.BLOCK_TRANSFER_SET: "block_transfer_with_set_or_write",
    Conformance.BLOCK_TRANSFER_ACTION: "block_transfer_with_action",
    Conformance.MULTIPLE_REFERENCES: "multiple_references",
    Conformance.DATA_NOTIFICATION: "data_notification",
    Conformance.ACCESS: "access",
    Conformance.GET: "get",
    Conformance.SET: "set",
    Conformance.SELECTIVE_ACCESS: "selective_access",
    Conformance.EVENT_NOTIFICATION: "event_notification",
    Conformance.ACTION: "action",
}
_ALL_OF_ITS = Conformance(sum(_ITS_CONFORMANCE))

R = TypeVar("R")


class _Unit(Protocol):
    """A unit of the package, as far as it is used here."""

    def to_bytes(self) -> bytes: ...


class DlmsCosemCodec:
    """dlms-cosem where it serves, ``OwnCodec`` elsewhere."""

    def __init__(self) -> None:
        self._own = OwnCodec()

    def encode_aarq(self, aarq: Aarq) -> bytes:
        return _first(lambda: encode_aarq(aarq), lambda: self._own.encode_aarq(aarq))

    def decode_aare(self, raw: bytes) -> Aare:
        return _first(lambda: decode_aare(raw), lambda: self._own.decode_aare(raw))

    def encode_rlrq(self, rlrq: Rlrq) -> bytes:
        return _first(lambda: encode_rlrq(rlrq), lambda: self._own.encode_rlrq(rlrq))

    def encode_initiate_request(self, request: InitiateRequest) -> bytes:
        return _first(lambda: encode_initiate_request(request), lambda: self._own.encode_initiate_request(request))

    def decode_initiate_response(self, raw: bytes) -> InitiateResponse:
        return _first(lambda: initiate_response(raw), lambda: self._own.decode_initiate_response(raw))


def _first(theirs: Callable[[], R], own: Callable[[], R]) -> R:
    """``theirs``, or ``own`` where the package does not serve; then ``own`` also words the errors."""
    try:
        return theirs()
    except DecodeError:
        pass
    # Called outside of the handler: the first error, which may quote a password, must not live on as __context__.
    return own()


def _guarded(call: Callable[[], R]) -> R:
    """``call``, with the exceptions of the package turned into ``DecodeError``. No octets: they may be a password."""
    try:
        return call()
    except _ITS_ERRORS:
        pass
    raise _not_served()


def _not_served() -> DecodeError:
    return DecodeError("dlms-cosem does not serve this form", layer="apdu")


def encode_aarq(aarq: Aarq) -> bytes:
    """An AARQ by dlms-cosem.

    Raises:
        DecodeError: it does not serve this form.
    """
    from dlms_cosem import enumerations
    from dlms_cosem.protocol.acse import ApplicationAssociationRequest

    unserved = (
        aarq.calling_certificate,
        aarq.calling_user,
        aarq.called_title,
        aarq.called_qualifier,
        aarq.called_ap_invocation,
        aarq.called_ae_invocation,
        aarq.calling_ap_invocation,
        aarq.implementation,
    )
    size = len(aarq.user_information) + len(aarq.authentication_value or b"") + len(aarq.calling_title or b"")
    if (
        aarq.context in (ApplicationContext.SN, ApplicationContext.SN_CIPHERED)
        or size > _ROOM
        or any(field is not None for field in unserved)
    ):
        raise _not_served()
    mechanism = enumerations.AuthenticationMechanism(aarq.mechanism) if aarq.mechanism else None
    content = _user_information(aarq.user_information)
    value = aarq.authentication_value if mechanism else None

    def call() -> bytes:
        unit = ApplicationAssociationRequest(
            user_information=content,
            system_title=aarq.calling_title,
            authentication=mechanism,
            ciphered=aarq.context.is_ciphered,
            authentication_value=value,
        )
        return bytes(unit.to_bytes())

    return _guarded(call)


def encode_rlrq(rlrq: Rlrq) -> bytes:
    """An RLRQ by dlms-cosem; ``DecodeError`` if it does not serve this form."""
    from dlms_cosem import enumerations
    from dlms_cosem.protocol.acse import ReleaseRequest

    if len(rlrq.user_information or b"") > _ROOM:
        raise _not_served()
    content = None if rlrq.user_information is None else _user_information(rlrq.user_information)

    def call() -> bytes:
        reason = None if rlrq.reason is None else enumerations.ReleaseRequestReason(rlrq.reason)
        return bytes(ReleaseRequest(reason=reason, user_information=content).to_bytes())

    return _guarded(call)


def encode_initiate_request(request: InitiateRequest) -> bytes:
    """A plain InitiateRequest by dlms-cosem; ``DecodeError`` if it does not serve this form."""
    unit = _initiate_request(request)
    return _guarded(lambda: bytes(unit.to_bytes()))


def _initiate_request(request: InitiateRequest) -> _Unit:
    from dlms_cosem.protocol.xdlms import Conformance as ItsConformance
    from dlms_cosem.protocol.xdlms import InitiateRequest as ItsInitiateRequest

    # It always writes response-allowed and quality of service as absent, and version 6.
    default = InitiateRequest(request.conformance, request.max_pdu, request.dedicated_key)
    if request != default or request.conformance & ~_ALL_OF_ITS or len(request.dedicated_key or b"") > _ROOM:
        raise _not_served()
    flags = {name: bool(request.conformance & bit) for bit, name in _ITS_CONFORMANCE.items()}
    unit: _Unit = ItsInitiateRequest(
        proposed_conformance=ItsConformance(**flags),
        client_max_receive_pdu_size=request.max_pdu,
        dedicated_key=None if request.dedicated_key is None else bytes(request.dedicated_key),
    )
    return unit


def _user_information(raw: bytes) -> _Unit:
    from dlms_cosem.protocol.acse import UserInformation
    from dlms_cosem.protocol.xdlms import GlobalCipherInitiateRequest

    if raw[:1] == b"\x01":
        content = _initiate_request(decode_initiate_request(raw))
    elif raw[:1] == b"\x21" and len(raw) >= _SMALLEST_CIPHERED:
        # Its length is checked there; a counter that is cut off is not, and would be filled up with zeros.
        content = _guarded(lambda: GlobalCipherInitiateRequest.from_bytes(raw))
    else:
        raise _not_served()
    unit: _Unit = UserInformation(content=content)
    return unit


def decode_aare(raw: bytes) -> Aare:
    """An AARE by dlms-cosem; ``DecodeError`` if it does not serve this form.

    The frame of it is proven first: dlms-cosem takes fields that are cut off, and skips inner tags unread.
    """
    from dlms_cosem.protocol.acse import ApplicationAssociationResponse

    if len(raw) > 0x7F:
        raise _not_served()
    outer = ber.only(raw, 0x61)
    fields = {item.tag: item for item in ber.items(raw, outer.start)}
    inner = [_only(raw, tag, fields[outer_tag]) for outer_tag, tag in _AARE_INNER.items() if outer_tag in fields]
    if 0xA3 in fields:
        # The diagnostic: a choice of its source, with the number inside.
        inner.append(_only(raw, 0xA2 if fields[0xA3].content[:1] == b"\xa2" else 0xA1, fields[0xA3]))
        inner.append(_only(raw, 0x02, inner[-1]))
    count = sum(1 for _ in ber.items(raw, outer.start))
    if count != len(fields) or not fields.keys() <= _AARE_TAGS or (0x88 in fields) != (0x89 in fields):
        raise _not_served()
    if outer.start != 2 or any(item.start - item.offset != 2 for item in (*fields.values(), *inner)):
        raise _not_served()
    user_information = _only(raw, 0x04, fields[0xBE]).content if 0xBE in fields else None
    if user_information is not None:
        # It would read the content too; ours is read after deciphering, so it gets a well-formed stand-in.
        raw = raw[: fields[0xBE].offset] + raw[fields[0xBE].start + len(fields[0xBE].content) :]
        raw = raw[:1] + bytes((len(raw) - 2,)) + raw[2:]
    unit = _guarded(lambda: ApplicationAssociationResponse.from_bytes(raw))
    source = (
        DiagnosticSource.USER if "User" in type(unit.result_source_diagnostics).__name__ else DiagnosticSource.PROVIDER
    )
    return Aare(
        result=int(unit.result),
        source=source,
        diagnostic=int(unit.result_source_diagnostics),
        user_information=user_information,
        context=ApplicationContext.LN_CIPHERED if unit.ciphered else ApplicationContext.LN,
        mechanism=None if unit.authentication is None else Authentication(int(unit.authentication)),
        authentication_value=unit.authentication_value,
        responding_title=unit.system_title,
    )


def _only(raw: bytes, tag: int, outer: ber.Tlv) -> ber.Tlv:
    """The one element inside of ``outer``, which fills it."""
    return ber.only(raw, tag, outer.start, outer.start + len(outer.content))


def initiate_response(raw: bytes) -> InitiateResponse:
    """A plain InitiateResponse by dlms-cosem; ``DecodeError`` if it does not serve this form."""
    from dlms_cosem.protocol.xdlms import InitiateResponse as ItsInitiateResponse

    # As plain numbers: the complement of a Flag leaves out the bits that have no name, and those would be lost too.
    if not _INITIATE_RESPONSE.fullmatch(raw) or int.from_bytes(raw[7:10], "big") & ~int(_ALL_OF_ITS):
        raise _not_served()
    unit = _guarded(lambda: ItsInitiateResponse.from_bytes(raw))
    flags = (bit for bit, name in _ITS_CONFORMANCE.items() if getattr(unit.negotiated_conformance, name))
    return InitiateResponse(Conformance(sum(flags)), unit.server_max_receive_pdu_size)
