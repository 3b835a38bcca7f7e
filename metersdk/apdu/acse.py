"""ACSE: AARQ, AARE, RLRQ, RLRE, the association control units (Green Book 9.3.2, 11.2).

Every unit is a frozen dataclass with ``encode()``; ``decode_aarq`` and its sisters read one from octets. What an AARQ
or an InitiateRequest holds may be a password or a key: errors about those two carry no octets.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

from metersdk.apdu import ber
from metersdk.apdu.initiate import CLIENT_CONFORMANCE as CLIENT_CONFORMANCE
from metersdk.apdu.initiate import Conformance as Conformance
from metersdk.apdu.initiate import InitiateRequest as InitiateRequest
from metersdk.apdu.initiate import InitiateResponse as InitiateResponse
from metersdk.apdu.initiate import quietly
from metersdk.errors import DecodeError, Finding

_OBJECT_IDENTIFIER = bytes.fromhex("60857405 08")
_CONTEXT_ARC, _MECHANISM_ARC = 1, 2
_AUTHENTICATION_UNIT = bytes.fromhex("0780")


class Authentication(IntEnum):
    """Authentication mechanism, the last arc of 2.16.756.5.8.2."""

    NONE = 0
    LOW = 1
    HIGH = 2
    HIGH_MD5 = 3
    HIGH_SHA1 = 4
    HIGH_GMAC = 5
    HIGH_SHA256 = 6
    HIGH_ECDSA = 7

    @property
    def is_high(self) -> bool:
        """True where passes 3 and 4 follow the AARE."""
        return self >= Authentication.HIGH


class ApplicationContext(IntEnum):
    """Application context, the last arc of 2.16.756.5.8.1."""

    LN = 1
    SN = 2
    LN_CIPHERED = 3
    SN_CIPHERED = 4

    @property
    def is_ciphered(self) -> bool:
        """True where xDLMS APDUs are protected."""
        return self >= ApplicationContext.LN_CIPHERED


class AssociationResult(IntEnum):
    """Result of the AARE."""

    ACCEPTED = 0
    REJECTED_PERMANENT = 1
    REJECTED_TRANSIENT = 2


class DiagnosticSource(IntEnum):
    """Who gives the diagnostic of an AARE."""

    USER = 1
    PROVIDER = 2


class UserDiagnostic(IntEnum):
    """acse-service-user diagnostics."""

    NULL = 0
    NO_REASON_GIVEN = 1
    CONTEXT_NOT_SUPPORTED = 2
    CALLING_AP_TITLE_NOT_RECOGNIZED = 3
    CALLING_AP_INVOCATION_ID_NOT_RECOGNIZED = 4
    CALLING_AE_QUALIFIER_NOT_RECOGNIZED = 5
    CALLING_AE_INVOCATION_ID_NOT_RECOGNIZED = 6
    CALLED_AP_TITLE_NOT_RECOGNIZED = 7
    CALLED_AP_INVOCATION_ID_NOT_RECOGNIZED = 8
    CALLED_AE_QUALIFIER_NOT_RECOGNIZED = 9
    CALLED_AE_INVOCATION_ID_NOT_RECOGNIZED = 10
    MECHANISM_NOT_RECOGNIZED = 11
    MECHANISM_REQUIRED = 12
    AUTHENTICATION_FAILURE = 13
    AUTHENTICATION_REQUIRED = 14


class ProviderDiagnostic(IntEnum):
    """acse-service-provider diagnostics."""

    NULL = 0
    NO_REASON_GIVEN = 1
    NO_COMMON_ACSE_VERSION = 2


def describe_diagnostic(source: int, diagnostic: int) -> str:
    """The diagnostic in words; an unknown number is kept."""
    table: type[IntEnum] = UserDiagnostic if source == DiagnosticSource.USER else ProviderDiagnostic
    try:
        return table(diagnostic).name.lower().replace("_", " ")
    except ValueError:
        return f"diagnostic {diagnostic}"


@dataclass(frozen=True, slots=True)
class Aarq:
    """A-Associate request. ``user_information`` is the InitiateRequest, plain or ciphered.

    ``authentication_value`` is the LLS password or the challenge CtoS; it is in no repr.
    """

    user_information: bytes = field(repr=False)
    context: ApplicationContext = ApplicationContext.LN
    mechanism: Authentication | None = None
    authentication_value: bytes | None = field(default=None, repr=False)
    calling_title: bytes | None = None
    calling_certificate: bytes | None = None
    calling_user: int | None = None
    called_title: bytes | None = None
    called_qualifier: bytes | None = None
    called_ap_invocation: int | None = None
    called_ae_invocation: int | None = None
    calling_ap_invocation: int | None = None
    implementation: bytes | None = None

    def encode(self) -> bytes:
        """The whole APDU, tag 60; the fields stand in the order of their tags."""
        return ber.encode(
            0x60,
            b"".join(
                (
                    _encode_context(self.context),
                    _encode_octets(0xA2, self.called_title),
                    _encode_octets(0xA3, self.called_qualifier),
                    _encode_integer(0xA4, self.called_ap_invocation),
                    _encode_integer(0xA5, self.called_ae_invocation),
                    _encode_octets(0xA6, self.calling_title),
                    _encode_octets(0xA7, self.calling_certificate),
                    _encode_integer(0xA8, self.calling_ap_invocation),
                    _encode_integer(0xA9, self.calling_user),
                    _encode_authentication(0x8A, self.mechanism, self.authentication_value),
                    b"" if self.implementation is None else ber.encode(0xBD, self.implementation),
                    _encode_octets(0xBE, self.user_information),
                )
            ),
        )


@dataclass(frozen=True, slots=True)
class Aare:
    """A-Associate response. ``user_information`` is an InitiateResponse or ConfirmedServiceError, plain or ciphered;
    a meter that refuses may leave it out."""

    result: int
    source: int
    diagnostic: int
    user_information: bytes | None = None
    context: ApplicationContext = ApplicationContext.LN
    mechanism: Authentication | None = None
    authentication_value: bytes | None = None
    responding_title: bytes | None = None
    responding_certificate: bytes | None = None
    responding_ap_invocation: int | None = None
    responding_ae_invocation: int | None = None
    implementation: bytes | None = None

    def encode(self) -> bytes:
        """The whole APDU, tag 61."""
        diagnostic = ber.encode(0xA0 | self.source, ber.encode(0x02, _integer(self.diagnostic)))
        return ber.encode(
            0x61,
            b"".join(
                (
                    _encode_context(self.context),
                    _encode_integer(0xA2, self.result),
                    ber.encode(0xA3, diagnostic),
                    _encode_octets(0xA4, self.responding_title),
                    _encode_octets(0xA5, self.responding_certificate),
                    _encode_integer(0xA6, self.responding_ap_invocation),
                    _encode_integer(0xA7, self.responding_ae_invocation),
                    _encode_authentication(0x88, self.mechanism, self.authentication_value),
                    b"" if self.implementation is None else ber.encode(0xBD, self.implementation),
                    _encode_octets(0xBE, self.user_information),
                )
            ),
        )


@dataclass(frozen=True, slots=True)
class Rlrq:
    """Release request: reason 0 normal, 1 urgent, 30 user defined; user-information = InitiateRequest."""

    reason: int | None = 0
    user_information: bytes | None = None

    def encode(self) -> bytes:
        """The whole APDU, tag 62."""
        return ber.encode(0x62, _encode_release(self.reason, self.user_information))


@dataclass(frozen=True, slots=True)
class Rlre:
    """Release response: reason 0 normal, 1 not finished, 30 user defined.

    ``findings`` says what was wrong with it and was tolerated: the association is over either way.
    """

    reason: int | None = 0
    user_information: bytes | None = None
    findings: tuple[Finding, ...] = field(default=(), compare=False)

    def encode(self) -> bytes:
        """The whole APDU, tag 63."""
        return ber.encode(0x63, _encode_release(self.reason, self.user_information))


def _encode_context(context: ApplicationContext) -> bytes:
    return ber.encode(0xA1, ber.encode(0x06, _OBJECT_IDENTIFIER + bytes((_CONTEXT_ARC, context))))


def _encode_octets(tag: int, value: bytes | None) -> bytes:
    return b"" if value is None else ber.encode(tag, ber.encode(0x04, value))


def _encode_integer(tag: int, value: int | None) -> bytes:
    return b"" if value is None else ber.encode(tag, ber.encode(0x02, _integer(value)))


def _integer(value: int) -> bytes:
    """The contents of an INTEGER, signed, as short as may be."""
    size = (value if value >= 0 else ~value).bit_length() // 8 + 1
    return value.to_bytes(size, "big", signed=True)


def _encode_authentication(first_tag: int, mechanism: Authentication | None, value: bytes | None) -> bytes:
    """Requirements, mechanism name and value; absent altogether where only the kernel is used."""
    if not mechanism:
        return b""
    head = ber.encode(first_tag, _AUTHENTICATION_UNIT)
    # The mechanism name is IMPLICIT: no tag 06 inside.
    head += ber.encode(first_tag + 1, _OBJECT_IDENTIFIER + bytes((_MECHANISM_ARC, mechanism)))
    # AARQ: [12], AARE: [10]; both EXPLICIT, with the choice charstring [0].
    value_tag = 0xAC if first_tag == 0x8A else 0xAA
    return head if value is None else head + ber.encode(value_tag, ber.encode(0x80, value))


def _encode_release(reason: int | None, user_information: bytes | None) -> bytes:
    head = b"" if reason is None else ber.encode(0x80, _integer(reason))
    return head + _encode_octets(0xBE, user_information)


class _Fields:
    """The fields of one ACSE unit by tag; a field that stands twice is refused, an unknown one is passed over."""

    def __init__(self, raw: bytes, tag: int, name: str) -> None:
        self.raw, self.name = raw, name
        outer = ber.only(raw, tag)
        self.found: dict[int, ber.Tlv] = {}
        for item in ber.items(raw, outer.start):
            if item.tag in self.found:
                raise self.error(f"has field {item.tag:02X} twice", item.offset)
            self.found[item.tag] = item

    def error(self, what: str, offset: int) -> DecodeError:
        return DecodeError(f"{self.name} {what}", layer="apdu", offset=offset, data=self.raw)

    def plain(self, tag: int) -> bytes | None:
        item = self.found.get(tag)
        return None if item is None else item.content

    def inner(self, tag: int, inner_tag: int) -> ber.Tlv | None:
        item = self.found.get(tag)
        return None if item is None else ber.only(self.raw, inner_tag, item.start, item.start + len(item.content))

    def octets(self, tag: int) -> bytes | None:
        item = self.inner(tag, 0x04)
        return None if item is None else item.content

    def integer(self, tag: int) -> int | None:
        item = self.inner(tag, 0x02)
        return None if item is None else self.number(item)

    def number(self, item: ber.Tlv) -> int:
        if not 1 <= len(item.content) <= 4:
            raise self.error(f"has an INTEGER of {len(item.content)} octets", item.offset)
        return int.from_bytes(item.content, "big", signed=True)

    def context(self) -> ApplicationContext:
        item = self.inner(0xA1, 0x06)
        if item is None:
            raise self.error("has no application context name", 0)
        if item.content[:-1] != _OBJECT_IDENTIFIER + bytes((_CONTEXT_ARC,)) or not 1 <= item.content[-1] <= 4:
            raise self.error("has a foreign application context name", item.offset)
        return ApplicationContext(item.content[-1])

    def mechanism(self, tag: int) -> Authentication | None:
        item = self.found.get(tag)
        if item is None:
            return None
        if item.content[:-1] != _OBJECT_IDENTIFIER + bytes((_MECHANISM_ARC,)) or item.content[-1] > 7:
            raise self.error("has a foreign authentication mechanism name", item.offset)
        return Authentication(item.content[-1])

    def authentication_value(self, tag: int) -> bytes | None:
        item = self.inner(tag, 0x80)
        return None if item is None else item.content


def decode_aarq(raw: bytes) -> Aarq:
    """An AARQ. Its octets may hold a password and never go into an error."""
    return quietly(lambda: _decode_aarq(raw))


def _decode_aarq(raw: bytes) -> Aarq:
    fields = _Fields(raw, 0x60, "AARQ")
    user_information = fields.octets(0xBE)
    if user_information is None:
        raise fields.error("has no user-information", 0)
    return Aarq(
        user_information=user_information,
        context=fields.context(),
        mechanism=fields.mechanism(0x8B),
        authentication_value=fields.authentication_value(0xAC),
        calling_title=fields.octets(0xA6),
        calling_certificate=fields.octets(0xA7),
        calling_user=fields.integer(0xA9),
        called_title=fields.octets(0xA2),
        called_qualifier=fields.octets(0xA3),
        called_ap_invocation=fields.integer(0xA4),
        called_ae_invocation=fields.integer(0xA5),
        calling_ap_invocation=fields.integer(0xA8),
        implementation=fields.plain(0xBD),
    )


def decode_aare(raw: bytes) -> Aare:
    """An AARE, accepted or not."""
    fields = _Fields(raw, 0x61, "AARE")
    result = fields.integer(0xA2)
    outer = fields.found.get(0xA3)
    if result is None or outer is None:
        raise fields.error("has no result or no diagnostic", 0)
    chosen = ber.read(raw, outer.start, outer.start + len(outer.content))
    if chosen.tag not in (0xA1, 0xA2):
        raise fields.error(f"has a diagnostic from source {chosen.tag:02X}", chosen.offset)
    diagnostic = fields.number(ber.only(raw, 0x02, chosen.start, chosen.start + len(chosen.content)))
    return Aare(
        result=result,
        source=DiagnosticSource(chosen.tag & 0x0F),
        diagnostic=diagnostic,
        user_information=fields.octets(0xBE),
        context=fields.context(),
        mechanism=fields.mechanism(0x89),
        authentication_value=fields.authentication_value(0xAA),
        responding_title=fields.octets(0xA4),
        responding_certificate=fields.octets(0xA5),
        responding_ap_invocation=fields.integer(0xA6),
        responding_ae_invocation=fields.integer(0xA7),
        implementation=fields.plain(0xBD),
    )


def decode_rlrq(raw: bytes) -> Rlrq:
    """An RLRQ; ``62 00`` has no reason."""
    fields = _Fields(raw, 0x62, "RLRQ")
    return Rlrq(_reason(fields), fields.octets(0xBE))


def decode_rlre(raw: bytes) -> Rlre:
    """An RLRE; ``63 00`` has no reason. Meters exist whose RLRE has a wrong length: that is a finding, not an error.

    Raises:
        DecodeError: the tag is not 63, or nothing at all follows it.
    """
    if raw[:1] != b"\x63" or len(raw) < 2:
        raise DecodeError("this is no RLRE", layer="apdu", offset=0, data=raw)
    try:
        fields = _Fields(raw, 0x63, "RLRE")
        return Rlre(_reason(fields), fields.octets(0xBE))
    except DecodeError as error:
        finding = Finding(
            "rlre-length", f"the RLRE is misshapen: {error.message}", "apdu", error.offset, "harmless: it is over"
        )
    try:
        # The length octet counts wrong; the fields behind it are often whole.
        fields = _Fields(ber.encode(0x63, raw[2:]), 0x63, "RLRE")
        return Rlre(_reason(fields), fields.octets(0xBE), (finding,))
    except DecodeError:
        return Rlre(None, None, (finding,))


def _reason(fields: _Fields) -> int | None:
    item = fields.found.get(0x80)
    return None if item is None else fields.number(item)
