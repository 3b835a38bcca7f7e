"""The client's side of an application association: open, exchange protected APDUs, release (Green Book 9.3, 9.4).

An ``Association`` is the ``Exchange`` that the services of ``dialog/dlms.py`` work over.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from metersdk.apdu import acse, axdr, hls, xdlms
from metersdk.apdu._dlms_cosem import ApduCodec, DlmsCosemCodec
from metersdk.apdu.acse import (
    CLIENT_CONFORMANCE,
    Aare,
    Aarq,
    ApplicationContext,
    AssociationResult,
    Authentication,
    Conformance,
    DiagnosticSource,
    InitiateRequest,
    Rlrq,
    UserDiagnostic,
    describe_diagnostic,
)
from metersdk.apdu.cipher import Envelope, Keys, Secret, Security, SecurityContext, is_protected, overhead
from metersdk.apdu.initiate import DLMS_VERSION
from metersdk.apdu.results import ActionResult, describe_confirmed
from metersdk.apdu.xdlms import Invoke, MethodDescriptor
from metersdk.effects import Dialog, Effect, Emit, Now, Push, State
from metersdk.errors import (
    AssociationRefused,
    AuthenticationFailed,
    DecodeError,
    Finding,
    LimitExceeded,
    LinkError,
    LocalProtocolError,
    MeterError,
    SecurityError,
)

# DataNotification, EventNotification, InformationReport: what a meter sends unasked.
_PUSH_TAGS = frozenset((0x0F, 0xC2, 0x18))
_CIPHERED_PUSH_TAGS = frozenset((0xCA, 0xD2, 0x38, 0x58))
_GENERAL_TAGS = frozenset((0xDB, 0xDC, 0xDD))
_GENERAL_BLOCK_TRANSFER = 0xE0
# More than this in one exchange is a flood; the pushes kept are as many.
_PUSH_LIMIT = 256
_EXCEPTION, _SERVICE_ERROR = 0xD8, 0x0E
_INVOCATION_COUNTER_ERROR = 6
_AARE, _RLRE = 0x61, 0x63
# GET, SET and ACTION.
_SERVICE_RESPONSES = (0xC4, 0xC5, 0xC7)
# Class 15 Association LN, 0.0.40.0.0.255: the current association; method 1: reply_to_HLS_authentication.
_REPLY_TO_HLS = MethodDescriptor(15, bytes((0, 0, 40, 0, 0, 255)), 1)
_USES_TITLE = frozenset((Authentication.HIGH_GMAC, Authentication.HIGH_SHA256, Authentication.HIGH_ECDSA))
# IEC 62056-5-3: no APDU is shorter than a block of one octet needs.
_SMALLEST_PDU = 12
# Nobody waits longer for a meter to say good-bye.
_FAREWELL = 2.0


@dataclass(frozen=True, slots=True)
class AssociationSettings:
    """How to associate with a meter.

    Args:
        client, server: service access points; 16 is the public client, 1 the management logical device.
        authentication: mechanism; LOW and the HIGH ones but GMAC use ``password``, GMAC uses ``keys``.
        password: LLS password or HLS secret; octets or text, kept as ``Secret``.
        keys: needed for GMAC and for any ``security`` but NONE.
        security: protection of every APDU after the AARQ.
        envelope: ``"service"`` (glo-/ded- tags), ``"general"`` (general-glo/-ded-ciphering) or ``"ciphering"``
            (general-ciphering under the global key).
        dedicated: agree on a dedicated key and use it after the AARE.
        allow_plaintext: take unprotected or less protected answers on a ciphered association. Lowers security.
        conformance: what to propose; the usable services are those proposed AND answered.
        max_pdu: largest APDU the client takes, octets; 0 = no limit.
        timeout: seconds one exchange may take in all.
        challenge: CtoS, 8 to 64 octets; drawn at random unless a test gives it.
        release: send an RLRQ when leaving. On HDLC, DISC alone ends a plain association; a ciphered one always says so.
    """

    client: int = 16
    server: int = 1
    authentication: Authentication = Authentication.NONE
    password: Secret | bytes | str | None = None
    keys: Keys | None = None
    security: Security = Security.NONE
    envelope: Envelope = "service"
    dedicated: bool = False
    allow_plaintext: bool = False
    conformance: Conformance = CLIENT_CONFORMANCE
    max_pdu: int = 65535
    timeout: float = 5.0
    challenge: bytes | None = field(default=None, repr=False)
    release: bool = True

    def __post_init__(self) -> None:
        if self.password is not None:
            object.__setattr__(self, "password", Secret(self.password))
        if not 0 <= self.max_pdu <= 0xFFFF:
            raise LocalProtocolError("max_pdu does not fit 16 bits", layer="association")
        if self.challenge is not None and len(self.challenge) not in hls.CHALLENGE_SIZES:
            raise LocalProtocolError("a challenge has 8 to 64 octets", layer="association")
        ciphered = self.security != Security.NONE
        if (ciphered or self.authentication == Authentication.HIGH_GMAC) and self.keys is None:
            raise LocalProtocolError(
                "ciphering and GMAC authentication need keys",
                layer="association",
                hint="keys=Keys(encryption=..., authentication=...), or --key-file",
            )
        if self.dedicated and not ciphered:
            raise LocalProtocolError("a dedicated key needs ciphering: set security", layer="association")
        if self.dedicated and self.envelope == "ciphering":
            raise LocalProtocolError("general-ciphering has no form for the dedicated key", layer="association")
        if self.authentication == Authentication.HIGH_ECDSA:
            raise LocalProtocolError("ECDSA authentication is not served", layer="association")
        needs_password = self.authentication not in (Authentication.NONE, Authentication.HIGH_GMAC)
        if needs_password and self.password is None:
            raise LocalProtocolError(
                f"{self.authentication.name} authentication needs a password",
                layer="association",
                hint="password=..., or --password-from",
            )


class Link(Protocol):
    """What an association needs of the link below; deadlines are absolute times of ``Now``."""

    pushes: deque[bytes]
    findings: list[Finding]

    def open(self, deadline: float) -> Dialog[None]: ...
    def send(self, apdu: bytes, deadline: float) -> Dialog[None]: ...
    def receive(self, deadline: float) -> Dialog[bytes]: ...
    def settle(self) -> Dialog[bool]: ...
    def close(self, deadline: float) -> Dialog[None]: ...


class Association:
    """A client associated with a meter over ``link``.

    ``codec`` writes and reads the units of ACSE; the default leads the common path through dlms-cosem.
    """

    def __init__(self, link: Link, settings: AssociationSettings, codec: ApduCodec | None = None) -> None:
        self.link = link
        self.settings = settings
        self.codec: ApduCodec = DlmsCosemCodec() if codec is None else codec
        self.is_open = False
        self.conformance = Conformance.NONE
        self.max_pdu_client = settings.max_pdu
        self.max_pdu_server = 0
        self.server_title: bytes | None = None
        self.findings: list[Finding] = []
        self.pushes: deque[bytes] = deque(maxlen=_PUSH_LIMIT)
        self._proposed = settings.conformance
        self._told = 0
        self._told_of_link = 0
        self._invoke = 0
        self._deadline = 0.0
        self._ciphered = settings.security != Security.NONE
        self._dedicated = False
        self._context: SecurityContext | None = None
        if settings.keys is not None:
            self._context = SecurityContext(
                settings.keys,
                settings.security,
                peer_title=settings.keys.server_title,
                allow_plaintext=settings.allow_plaintext,
            )
            self._context.findings = self.findings
            if settings.authentication == Authentication.HIGH_GMAC and not settings.keys.ak:
                raise LocalProtocolError("GMAC authentication needs an authentication key", layer="association")

    # --- Exchange ---

    @property
    def overhead(self) -> int:
        """Octets that protection adds to an APDU at most; 0 on a plain association."""
        if not self._ciphered:
            return 0
        return overhead(self.settings.envelope)

    def next_invoke(self) -> Invoke:
        """Invoke ids run 1 to 15 and round again; confirmed, high priority (octet C1, C2, ..)."""
        self._invoke = self._invoke % 15 + 1
        return Invoke(self._invoke)

    def exchange(self, apdu: bytes) -> Dialog[bytes]:
        """Send one plain APDU, return the plain answer, all within ``settings.timeout``.

        Raises:
            NoAnswer: nothing whole came in time.
            SecurityError: the answer is not protected as it must be, replayed, or the meter wants another counter.
            LinkError: the link is lost, and the association with it.
            RemoteProtocolError: the answer is misshapen. The association can still be used.
        """
        if not self.is_open:
            raise LocalProtocolError(
                "there is no association", layer="association", hint="open it; once the link was lost, connect again"
            )
        wire = self._protect(apdu)
        if self.max_pdu_server and len(wire) > self.max_pdu_server:
            raise LocalProtocolError(
                f"the request has {len(wire)} octets, the meter takes {self.max_pdu_server}",
                layer="association",
                hint="the meter lacks block transfer for this service; ask for less at once",
            )
        self._deadline = (yield Now()) + self.settings.timeout
        try:
            yield from self.link.send(wire, self._deadline)
            answer = yield from self._receive()
        except LinkError:
            # An association lives on one link (Green Book 9.3): there is nothing left to release.
            self.is_open = False
            raise
        self._refuse_counter(answer)
        return answer

    def receive(self) -> Dialog[bytes]:
        """Wait for one more answer under the deadline of the last ``exchange``."""
        try:
            answer = yield from self._receive()
        except LinkError:
            self.is_open = False
            raise
        self._refuse_counter(answer)
        return answer

    def _protect(self, apdu: bytes) -> bytes:
        if not self._ciphered or self._context is None:
            return apdu
        return self._context.protect(apdu, envelope=self.settings.envelope, dedicated=self._dedicated)

    def _receive(self, acse_tag: int | None = None) -> Dialog[bytes]:
        """The next answer in clear, or the unit of ACSE with ``acse_tag``, by ``self._deadline``.

        Pushes are kept and emitted; units of ACSE that are not awaited come too late, and are dropped.
        """
        for _ in range(_PUSH_LIMIT):
            raw = yield from self.link.receive(self._deadline)
            # What came in UI frames came before, and its counter is lower.
            while self.link.pushes:
                yield from self._keep(self._open_push(self.link.pushes.popleft()))
            if not raw:
                raise DecodeError("an APDU of no octets", layer="apdu")
            if raw[0] == acse_tag:
                return raw
            if raw[0] in (_AARE, _RLRE):
                self.findings.append(Finding("late-answer", f"unit {raw[0]:02X} came too late", "association"))
                continue
            answer, push = self._open(raw)
            yield from self._tell()
            if answer is not None:
                return answer
            if push is not None:
                yield from self._keep(push)
        raise LimitExceeded(f"{_PUSH_LIMIT} pushes, and no answer", layer="association", state="waiting for an answer")

    def _keep(self, push: bytes) -> Iterator[Effect]:
        self.pushes.append(push)
        yield Emit(Push(push))

    def _open_push(self, raw: bytes) -> bytes:
        """A push in clear. It may be protected by other keys than ours: then it is kept as it came."""
        try:
            return self._decipher(raw) if is_protected(raw) else raw
        except (SecurityError, DecodeError) as error:
            self.findings.append(Finding("push-unread", f"a push stays ciphered: {error.message}", "association"))
            return raw

    def _decipher(self, raw: bytes) -> bytes:
        if self._context is None:
            raise SecurityError("a ciphered APDU came, and there are no keys", layer="association", data=raw)
        return self._context.unprotect(raw).plain

    def _open(self, raw: bytes) -> tuple[bytes | None, bytes | None]:
        """``(answer, None)`` or ``(None, push)``, in clear."""
        tag = raw[0]
        stray_block = tag == _GENERAL_BLOCK_TRANSFER and Conformance.GENERAL_BLOCK_TRANSFER not in self.conformance
        if tag in _PUSH_TAGS or stray_block:
            return None, raw
        if not is_protected(raw):
            return self._open_plaintext(raw), None
        # Answers mirror the envelope of the request, so a general one is a push where we use the service-specific.
        maybe_push = tag in _CIPHERED_PUSH_TAGS or (
            tag in _GENERAL_TAGS and (self.settings.envelope == "service" or not self._ciphered)
        )
        plain = self._open_push(raw) if maybe_push else self._decipher(raw)
        if plain is raw:
            return None, raw
        return (None, plain) if plain[:1] and plain[0] in _PUSH_TAGS else (plain, None)

    def _open_plaintext(self, raw: bytes) -> bytes:
        # Green Book 9.5: D8 has no ciphered form, and a meter that lost the keys can only answer in clear. Both units
        # are errors for whoever asked, never data.
        if not self._ciphered or raw[0] in (_EXCEPTION, _SERVICE_ERROR):
            return raw
        if self.settings.allow_plaintext:
            self.findings.append(
                Finding("plaintext-answer", "an answer came unprotected", "association", hint="allowed by the settings")
            )
            return raw
        raise SecurityError(
            "the meter answered in clear on a ciphered association",
            layer="association",
            data=raw,
            hint="somebody may be in between; if the meter is known to do so, set allow_plaintext",
        )

    def _refuse_counter(self, answer: bytes) -> None:
        if answer[:1] != bytes((_EXCEPTION,)):
            return
        unit = xdlms.decode(answer)
        if not isinstance(unit, xdlms.ExceptionResponse) or unit.service != _INVOCATION_COUNTER_ERROR:
            return
        wanted = unit.invocation_counter
        named = "" if wanted is None else f" and names {wanted}"
        above = "read 0.0.43.1.0.255 as the public client" if wanted is None else f"set it above {wanted}"
        raise SecurityError(
            f"the meter refuses our invocation counter{named}",
            layer="association",
            data=answer,
            hint=f"{above}, and keep it in a counter store",
        )

    def _tell(self) -> Iterator[Effect]:
        """Emit the findings that are new, here and on the link."""
        while self._told_of_link < len(self.link.findings):
            self._told_of_link += 1
            yield Emit(self.link.findings[self._told_of_link - 1])
        while self._told < len(self.findings):
            self._told += 1
            yield Emit(self.findings[self._told - 1])

    # --- Opening ---

    def open(self) -> Dialog[None]:
        """Open the link, associate, and authenticate both ways; each step within ``settings.timeout``.

        Raises:
            AssociationRefused: the meter said no; the hint says what to try.
            AuthenticationFailed: password or key is wrong, on either side. Do not retry: meters lock.
            SecurityError: the AARE is not protected as it must be.
            NoAnswer, RemoteProtocolError: silence, or what is no AARE.
        """
        if self.is_open:
            raise LocalProtocolError("the association is open already", layer="association")
        settings = self.settings
        self._deadline = (yield Now()) + settings.timeout
        yield from self.link.open(self._deadline)
        value = self._authentication_value()
        aarq = self._aarq(value)
        self._deadline = (yield Now()) + settings.timeout
        yield from self.link.send(self.codec.encode_aarq(aarq), self._deadline)
        raw = yield from self._receive(_AARE)
        if raw[0] != _AARE:
            self._refuse_counter(raw)
            raise _refused_without_aare(raw)
        aare = self.codec.decode_aare(raw)
        self._accept(aare, aarq)
        yield from self._tell()
        if settings.authentication.is_high:
            yield from self._authenticate(value or b"", aare)
            yield from self._tell()
        self.is_open = True
        yield Emit(
            State("associated", f"{settings.authentication.name}, {settings.security.name or settings.security}")
        )

    def _authentication_value(self) -> bytes | None:
        if self.settings.authentication.is_high:
            return self.settings.challenge or hls.new_challenge()
        if self.settings.authentication == Authentication.LOW:
            return bytes(_secret(self.settings))
        return None

    def _aarq(self, value: bytes | None) -> Aarq:
        settings, context = self.settings, self._context
        dedicated: Secret | None = None
        if settings.dedicated and settings.keys is not None and context is not None:
            given = settings.keys.dedicated
            dedicated = Secret(given) if given is not None else Secret(hls.new_challenge(len(settings.keys.ek)))
            context.use_dedicated(dedicated)
        proposed = settings.conformance
        if self._ciphered and settings.envelope != "service":
            proposed |= Conformance.GENERAL_PROTECTION
        self._proposed = proposed
        titled = self._ciphered or settings.authentication in _USES_TITLE
        return Aarq(
            user_information=self._initiate(dedicated),
            context=ApplicationContext.LN_CIPHERED if self._ciphered else ApplicationContext.LN,
            mechanism=settings.authentication or None,
            authentication_value=value,
            calling_title=settings.keys.system_title if titled and settings.keys is not None else None,
        )

    def _initiate(self, dedicated: Secret | None) -> bytes:
        """InitiateRequest, for AARQ and RLRQ; always under the global key, for it is what carries the dedicated one."""
        request = InitiateRequest(self._proposed, self.settings.max_pdu, dedicated)
        plain = self.codec.encode_initiate_request(request)
        return self._context.protect(plain) if self._ciphered and self._context is not None else plain

    def _accept(self, aare: Aare, aarq: Aarq) -> None:
        if aare.result != AssociationResult.ACCEPTED:
            raise _refused(aare)
        if aare.context != aarq.context:
            raise SecurityError(
                f"the meter accepted context {aare.context.name} where {aarq.context.name} was asked for",
                layer="association",
            )
        if aare.mechanism and aare.mechanism != self.settings.authentication:
            raise AssociationRefused(
                f"the meter wants authentication {aare.mechanism.name}",
                layer="association",
                hint="set the authentication to it",
            )
        pending = aare.source == DiagnosticSource.USER and aare.diagnostic == UserDiagnostic.AUTHENTICATION_REQUIRED
        if pending and not self.settings.authentication.is_high:
            raise AssociationRefused("the meter wants high-level authentication", layer="association")
        self._learn_title(aare.responding_title)
        if aare.user_information is None:
            raise DecodeError("the AARE has no InitiateResponse", layer="apdu")
        response = self.codec.decode_initiate_response(self._open_initiate(aare.user_information))
        if response.version != DLMS_VERSION:
            raise AssociationRefused(f"the meter speaks DLMS version {response.version}, not 6", layer="association")
        if response.conformance & ~self._proposed:
            self.findings.append(
                Finding(
                    "conformance", "the meter granted services that were not proposed", "association", hint="unused"
                )
            )
        self.conformance = response.conformance & self._proposed
        self.max_pdu_server = response.max_pdu
        if 0 < response.max_pdu < _SMALLEST_PDU:
            self.findings.append(
                Finding("max-pdu", f"the meter takes APDUs of {response.max_pdu} octets, it says", "association")
            )
            self.max_pdu_server = 0
        self._dedicated = self.settings.dedicated

    def _learn_title(self, title: bytes | None) -> None:
        self.server_title = title
        context = self._context
        if context is None:
            return
        if title is not None and context.peer_title is not None and title != context.peer_title:
            raise SecurityError(
                f"the meter has title {title.hex()}, not {context.peer_title.hex()}",
                layer="association",
                hint="another meter answers at this address, or keys.server_title is wrong",
            )
        if title is not None and len(title) == 8:
            context.peer_title = title
        self.server_title = context.peer_title

    def _open_initiate(self, raw: bytes) -> bytes:
        if not self._ciphered or self._context is None:
            return raw
        if is_protected(raw):
            return self._context.unprotect(raw).plain
        return self._open_plaintext(raw)

    def _authenticate(self, challenge: bytes, aare: Aare) -> Dialog[None]:
        """Passes 3 and 4: reply_to_HLS_authentication carries f(StoC) there and f(CtoS) back."""
        settings = self.settings
        handshake = hls.Handshake(
            settings.authentication,
            challenge,
            aare.authentication_value or b"",
            _secret(settings) if settings.password is not None else None,
            self._context,
            settings.keys.system_title if settings.keys is not None else b"",
            aare.responding_title or self.server_title or b"",
        )
        # f(StoC) by GMAC takes its counter first, the ACTION around it the next one.
        data = axdr.encode(axdr.octets(handshake.prove()))
        request = xdlms.ActionRequest(self.next_invoke(), _REPLY_TO_HLS, data)
        self._deadline = (yield Now()) + settings.timeout
        yield from self.link.send(self._protect(request.encode()), self._deadline)
        answer = xdlms.decode((yield from self.receive()))
        if not isinstance(answer, xdlms.ActionResponse) or answer.outcome.result != ActionResult.SUCCESS:
            raise AuthenticationFailed(f"the meter refused our proof: {_describe(answer)}", layer="association")
        returned = answer.outcome.returned
        if not isinstance(returned, bytes):
            raise AuthenticationFailed("the meter returned no proof of its own", layer="association")
        value = axdr.decode_all(returned).value
        if not isinstance(value, bytes) or not handshake.is_proven(value):
            raise AuthenticationFailed(
                "the meter does not know the secret: its proof is wrong",
                layer="association",
                hint="check password or keys; if they are right, this is not the meter it claims to be",
            )

    # --- Leaving ---

    def release(self, timeout: float = _FAREWELL) -> Dialog[None]:
        """Leave: RLRQ where due, then close the link. Never raises because of the peer, and takes ``timeout`` at most
        for each of the two; what went wrong becomes a finding."""
        asked = self.is_open and (self.settings.release or self._ciphered)
        self.is_open = False
        try:
            if (yield from self.link.settle()) and asked:
                yield from self._say_goodbye(timeout)
        except MeterError as error:
            self.findings.append(Finding("release", f"no good-bye from the meter: {error.message}", "association"))
        try:
            yield from self.link.close((yield Now()) + timeout)
        except MeterError as error:
            self.findings.append(Finding("release", f"the link was not closed: {error.message}", "link"))
        yield from self._tell()

    def _say_goodbye(self, timeout: float) -> Dialog[None]:
        rlrq = Rlrq(0, self._initiate(None) if self._ciphered else None)
        self._deadline = (yield Now()) + timeout
        yield from self.link.send(self.codec.encode_rlrq(rlrq), self._deadline)
        raw = yield from self._receive(_RLRE)
        if raw[0] in _SERVICE_RESPONSES:
            # The answer to a request that was given up.
            raw = yield from self._receive(_RLRE)
        if raw[0] != _RLRE:
            raise DecodeError(f"unit {raw[0]:02X} where an RLRE belongs", layer="apdu", offset=0, data=raw)
        rlre = acse.decode_rlre(raw)
        self.findings.extend(rlre.findings)
        if self._ciphered and not self._is_authentic(rlre.user_information):
            self.findings.append(
                Finding(
                    "release-not-authenticated", "the RLRE does not prove who sent it", "association", hint="harmless"
                )
            )

    def _is_authentic(self, user_information: bytes | None) -> bool:
        if user_information is None or self._context is None:
            return False
        try:
            return self._context.unprotect(user_information).security == self.settings.security
        except (SecurityError, DecodeError):
            return False


def _secret(settings: AssociationSettings) -> Secret:
    # __post_init__ saw to it that there is one where the mechanism needs it.
    return Secret(settings.password or b"")


def _describe(answer: xdlms.Apdu) -> str:
    match answer:
        case xdlms.ActionResponse():
            return answer.outcome.result.describe
        case xdlms.ExceptionResponse() | xdlms.ConfirmedServiceError():
            return answer.describe
        case _:
            return f"it answered with {type(answer).__name__}"


def _refused_without_aare(raw: bytes) -> MeterError:
    if raw[0] not in (_EXCEPTION, _SERVICE_ERROR):
        return DecodeError(f"unit {raw[0]:02X} where an AARE belongs", layer="apdu", offset=0, data=raw)
    return AssociationRefused(
        f"the meter refused the association: {_describe(xdlms.decode(raw))}", layer="association", data=raw
    )


_DIAGNOSTIC_HINTS = {
    UserDiagnostic.CONTEXT_NOT_SUPPORTED: "the meter wants ciphering where none is set, or the other way round",
    UserDiagnostic.CALLING_AP_TITLE_NOT_RECOGNIZED: "check the own system title; some meters know their clients by it",
    UserDiagnostic.MECHANISM_NOT_RECOGNIZED: "try another authentication for this client",
    UserDiagnostic.MECHANISM_REQUIRED: "this client must authenticate: set authentication and password",
    UserDiagnostic.AUTHENTICATION_REQUIRED: "this client must authenticate: set authentication and password",
}


def _refused(aare: Aare) -> AssociationRefused:
    reason = describe_diagnostic(aare.source, aare.diagnostic)
    how = "for now" if aare.result == AssociationResult.REJECTED_TRANSIENT else "for good"
    text = f"the meter refused the association {how}: {reason}{_initiate_error(aare.user_information)}"
    transient = aare.result == AssociationResult.REJECTED_TRANSIENT
    if aare.source == DiagnosticSource.USER and aare.diagnostic == UserDiagnostic.AUTHENTICATION_FAILURE:
        return AuthenticationFailed(text, layer="association")
    hint = ""
    if aare.source == DiagnosticSource.USER and aare.diagnostic in _DIAGNOSTIC_HINTS:
        hint = _DIAGNOSTIC_HINTS[UserDiagnostic(aare.diagnostic)]
    return AssociationRefused(text, layer="association", retryable=transient, hint=hint)


def _initiate_error(user_information: bytes | None) -> str:
    """What a ConfirmedServiceError in a refusal adds; an InitiateResponse, or nothing, adds nothing."""
    if user_information is None or user_information[:1] != b"\x0e" or len(user_information) != 4:
        return ""
    service, error, value = user_information[1:]
    return f" ({describe_confirmed(service, error, value)})"
