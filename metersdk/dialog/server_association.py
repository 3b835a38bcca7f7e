"""The meter's side of an application association: AARQ in, AARE out; authentication, and ciphering around the services.

No generator: one APDU in, one APDU or nothing out. ``ServerAssociation`` serves one client over one connection.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from metersdk.apdu import acse, axdr, hls, xdlms
from metersdk.apdu.acse import (
    Aare,
    Aarq,
    ApplicationContext,
    AssociationResult,
    Authentication,
    Conformance,
    DiagnosticSource,
    InitiateRequest,
    InitiateResponse,
    Rlre,
    UserDiagnostic,
)
from metersdk.apdu.cipher import (
    CounterReplayed,
    Envelope,
    Keys,
    Opened,
    Secret,
    Security,
    SecurityContext,
    is_protected,
    overhead,
)
from metersdk.apdu.initiate import DLMS_VERSION, decode_initiate_request
from metersdk.apdu.results import ActionResult
from metersdk.apdu.xdlms import Outcome
from metersdk.dialog.serving import SERVER_CONFORMANCE, ApplicationServer, Device
from metersdk.errors import AuthenticationFailed, DecodeError, Finding, LocalProtocolError, SecurityError

Handler = Callable[[bytes], bytes | None]
# (largest APDU the client takes, negotiated services, octets that protection adds) -> the services of this association.
Application = Callable[[int, Conformance, int], Handler]

_AARQ, _RLRQ = 0x60, 0x62
_REPLY_TO_HLS = (15, bytes((0, 0, 40, 0, 0, 255)), 1)
_USES_TITLE = frozenset((Authentication.HIGH_GMAC, Authentication.HIGH_SHA256))
_SMALLEST_PDU = 12
# state-error 1 service-not-allowed; service-error 1 operation-not-possible, 5 deciphering-error, 6 counter-error.
_NOT_ALLOWED = xdlms.ExceptionResponse(1, 1).encode()
_DECIPHERING_ERROR = xdlms.ExceptionResponse(1, 5).encode()
# initiateError: version-too-low, incompatible-conformance, pdu-size-too-short.
_VERSION_TOO_LOW, _INCOMPATIBLE_CONFORMANCE, _PDU_TOO_SHORT = 1, 2, 3


@dataclass(frozen=True, slots=True)
class AccessRules:
    """What one client of a meter must prove, and what it may then use.

    Args:
        authentication: the mechanism this client must use.
        secret: LLS password or HLS secret; octets or text, kept as ``Secret``.
        keys: keys of this client; the counter in them is the meter's own.
        security: the least protection its requests must have; NONE lets it choose.
        conformance: services offered to it.
        max_pdu: largest APDU the meter takes from it, octets; 0 = no limit.
        challenge: StoC; drawn at random unless a test gives it.
    """

    authentication: Authentication = Authentication.NONE
    secret: Secret | bytes | str | None = None
    keys: Keys | None = None
    security: Security = Security.NONE
    conformance: Conformance = SERVER_CONFORMANCE
    max_pdu: int = 1024
    challenge: bytes | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.secret is not None:
            object.__setattr__(self, "secret", Secret(self.secret))
        if (self.security or self.authentication == Authentication.HIGH_GMAC) and self.keys is None:
            raise LocalProtocolError("ciphering and GMAC authentication need keys", layer="association")
        if self.authentication == Authentication.HIGH_ECDSA:
            raise LocalProtocolError("ECDSA authentication is not served", layer="association")
        if self.authentication not in (Authentication.NONE, Authentication.HIGH_GMAC) and self.secret is None:
            raise LocalProtocolError(f"{self.authentication.name} authentication needs a secret", layer="association")


class _Rejected(Exception):
    """The AARQ is not accepted: the diagnostic, and what the ConfirmedServiceError says, if there is one."""

    def __init__(self, diagnostic: UserDiagnostic, initiate_error: int | None = None) -> None:
        super().__init__(diagnostic.name)
        self.diagnostic = diagnostic
        self.initiate_error = initiate_error


class ServerAssociation:
    """One client of a meter, over one connection.

    Args:
        device: the meter.
        client_sap: who calls.
        rules: what is asked of this client; None refuses it.
        application: makes the handler of plain APDUs of a new association; the services of ``device`` by default.
        accepted: counters taken from clients, kept by the meter over all its associations.
    """

    def __init__(
        self,
        device: Device,
        client_sap: int,
        rules: AccessRules | None,
        application: Application | None = None,
        accepted: dict[tuple[bytes, str], int] | None = None,
    ) -> None:
        self.device = device
        self.client = client_sap
        self.rules = rules
        self.findings: list[Finding] = []
        self._application = self._serve if application is None else application
        self._accepted: dict[tuple[bytes, str], int] = {} if accepted is None else accepted
        self._context: SecurityContext | None = None
        self._ciphered = False
        self._handler: Handler | None = None
        self._handshake: hls.Handshake | None = None
        # How the last request was protected: answers and pushes mirror it.
        self._mirror: Opened | None = None
        self._granted: InitiateResponse | None = None

    def _serve(self, max_pdu: int, conformance: Conformance, added: int) -> Handler:
        return ApplicationServer(self.device, self.client, max_pdu, conformance, overhead=added).handle

    @property
    def is_open(self) -> bool:
        """True once the client is associated, and authenticated where it must be."""
        return self._handler is not None and self._handshake is None

    def drop(self) -> None:
        """Forget the association: the link was closed, or the client left."""
        self._handler = self._handshake = self._context = self._mirror = self._granted = None
        self._ciphered = False

    def push(self, apdu: bytes) -> bytes:
        """``apdu`` as it travels unasked: protected like the last answer on a ciphered association, else plain."""
        return self._protect(apdu) if self.is_open else apdu

    def handle(self, apdu: bytes) -> bytes | None:
        """One APDU of the client -> the answer, None where none is due."""
        if not apdu:
            return None
        if apdu[0] == _AARQ:
            return self._associate(apdu)
        if apdu[0] == _RLRQ:
            return self._release(apdu)
        if self._handler is None:
            return _NOT_ALLOWED
        plain = apdu
        if self._ciphered and self._context is not None:
            if not is_protected(apdu):
                return _NOT_ALLOWED
            try:
                self._mirror = self._context.unprotect(apdu)
            except CounterReplayed as error:
                return xdlms.ExceptionResponse(1, 6, error.last).encode()
            except (SecurityError, DecodeError):
                return _DECIPHERING_ERROR
            plain = self._mirror.plain
        elif is_protected(apdu):
            return _NOT_ALLOWED
        answer = self._authenticate(plain) if self._handshake is not None else self._handler(plain)
        return None if answer is None else self._protect(answer)

    def _protect(self, plain: bytes) -> bytes:
        mirror = self._mirror
        if not self._ciphered or self._context is None or mirror is None:
            return plain
        # Green Book 9.5: D8 has no service-specific ciphered form; it goes in clear unless the request was general.
        if plain[0] == 0xD8 and mirror.envelope == "service":
            return plain
        return self._context.protect(
            plain, envelope=mirror.envelope, dedicated=mirror.dedicated, security=mirror.security
        )

    # --- AARQ ---

    def _associate(self, apdu: bytes) -> bytes:
        self.drop()
        try:
            aarq = acse.decode_aarq(apdu)
        except DecodeError:
            return _refusal(ApplicationContext.LN, _Rejected(UserDiagnostic.NO_REASON_GIVEN))
        try:
            return self._accept(aarq)
        except CounterReplayed as error:
            self.drop()
            return xdlms.ExceptionResponse(1, 6, error.last).encode()
        except _Rejected as rejected:
            refused = rejected
        except (SecurityError, AuthenticationFailed):
            refused = _Rejected(UserDiagnostic.AUTHENTICATION_FAILURE)
        except DecodeError:
            refused = _Rejected(UserDiagnostic.NO_REASON_GIVEN)
        self.drop()
        return _refusal(aarq.context, refused)

    def _accept(self, aarq: Aarq) -> bytes:
        rules = self.rules
        if rules is None:
            raise _Rejected(UserDiagnostic.NO_REASON_GIVEN)
        self._check_context(aarq, rules)
        self._check_password(aarq, rules)
        request = self._initiate(aarq, rules)
        granted = self._grant(request, rules)
        challenge = None
        titled = self._ciphered or rules.authentication in _USES_TITLE
        if rules.authentication.is_high:
            challenge = rules.challenge or hls.new_challenge()
            self._handshake = hls.Handshake(
                rules.authentication,
                challenge,
                aarq.authentication_value or b"",
                Secret(rules.secret) if rules.secret is not None else None,
                self._context,
                self.device.system_title,
                aarq.calling_title or b"",
            )
        envelope: Envelope = "ciphering" if Conformance.GENERAL_PROTECTION in granted.conformance else "service"
        added = overhead(envelope) if self._ciphered else 0
        self._handler = self._application(request.max_pdu, granted.conformance, added)
        pending = challenge is not None
        return Aare(
            result=AssociationResult.ACCEPTED,
            source=DiagnosticSource.USER,
            diagnostic=UserDiagnostic.AUTHENTICATION_REQUIRED if pending else UserDiagnostic.NULL,
            user_information=self._protect(granted.encode()),
            context=aarq.context,
            mechanism=rules.authentication if pending else None,
            authentication_value=challenge,
            responding_title=self.device.system_title if titled else None,
        ).encode()

    def _check_context(self, aarq: Aarq, rules: AccessRules) -> None:
        self._ciphered = aarq.context == ApplicationContext.LN_CIPHERED
        wanted = aarq.context == ApplicationContext.LN or (self._ciphered and rules.keys is not None)
        if not wanted or (rules.security and not self._ciphered):
            raise _Rejected(UserDiagnostic.CONTEXT_NOT_SUPPORTED)
        if not self._ciphered and rules.authentication != Authentication.HIGH_GMAC:
            return
        if aarq.calling_title is None or len(aarq.calling_title) != 8:
            raise _Rejected(UserDiagnostic.CALLING_AP_TITLE_NOT_RECOGNIZED)
        if rules.keys is not None:
            self._context = SecurityContext(
                replace(rules.keys, system_title=self.device.system_title),
                rules.security,
                peer_title=aarq.calling_title,
                accepted=self._accepted,
            )
            self._context.findings = self.findings

    @staticmethod
    def _check_password(aarq: Aarq, rules: AccessRules) -> None:
        mechanism = aarq.mechanism or Authentication.NONE
        if mechanism != rules.authentication:
            missing = mechanism == Authentication.NONE
            raise _Rejected(UserDiagnostic.MECHANISM_REQUIRED if missing else UserDiagnostic.MECHANISM_NOT_RECOGNIZED)
        if mechanism == Authentication.LOW and Secret(aarq.authentication_value or b"") != rules.secret:
            raise _Rejected(UserDiagnostic.AUTHENTICATION_FAILURE)

    def _initiate(self, aarq: Aarq, rules: AccessRules) -> InitiateRequest:
        raw = aarq.user_information
        if self._ciphered and self._context is not None:
            if is_protected(raw):
                self._mirror = self._context.unprotect(raw)
                raw = self._mirror.plain
            elif rules.security:
                raise _Rejected(UserDiagnostic.AUTHENTICATION_FAILURE)
        request = decode_initiate_request(raw)
        if request.dedicated_key is not None:
            # The dedicated key lives in a ciphered InitiateRequest only.
            if self._context is None or self._mirror is None:
                raise _Rejected(UserDiagnostic.NO_REASON_GIVEN)
            self._context.use_dedicated(request.dedicated_key)
        return request

    def _grant(self, request: InitiateRequest, rules: AccessRules) -> InitiateResponse:
        if request.version < DLMS_VERSION:
            raise _Rejected(UserDiagnostic.NO_REASON_GIVEN, _VERSION_TOO_LOW)
        if 0 < request.max_pdu < _SMALLEST_PDU:
            raise _Rejected(UserDiagnostic.NO_REASON_GIVEN, _PDU_TOO_SHORT)
        offered = rules.conformance | (Conformance.GENERAL_PROTECTION if self._ciphered else Conformance.NONE)
        conformance = request.conformance & offered
        if not conformance & ~Conformance.GENERAL_PROTECTION:
            raise _Rejected(UserDiagnostic.NO_REASON_GIVEN, _INCOMPATIBLE_CONFORMANCE)
        self._granted = InitiateResponse(conformance, rules.max_pdu)
        return self._granted

    # --- Passes 3 and 4 ---

    def _authenticate(self, plain: bytes) -> bytes:
        """Only reply_to_HLS_authentication is served while the association is pending."""
        handshake = self._handshake
        try:
            request = xdlms.decode(plain)
        except DecodeError:
            return _NOT_ALLOWED
        if handshake is None or not isinstance(request, xdlms.ActionRequest):
            return _NOT_ALLOWED
        method = request.method
        if (method.class_id, method.obis, method.method) != _REPLY_TO_HLS:
            return _NOT_ALLOWED
        if not handshake.is_proven(_octet_string(request.data)):
            answer = self._deny(request)
            self._handler = self._handshake = None
            return answer
        self._handshake = None
        proof = axdr.encode(axdr.octets(handshake.prove()))
        return xdlms.ActionResponse(request.invoke, Outcome(ActionResult.SUCCESS, proof)).encode()

    @staticmethod
    def _deny(request: xdlms.ActionRequest) -> bytes:
        return xdlms.ActionResponse(request.invoke, Outcome(ActionResult.READ_WRITE_DENIED)).encode()

    # --- RLRQ ---

    def _release(self, apdu: bytes) -> bytes:
        reason_normal, reason_not_finished = 0, 1
        try:
            rlrq = acse.decode_rlrq(apdu)
        except DecodeError:
            return Rlre(reason_not_finished).encode()
        user_information = None
        if self._ciphered and self._context is not None and self._granted is not None:
            try:
                self._mirror = self._context.unprotect(rlrq.user_information or b"")
            except (SecurityError, DecodeError):
                # Anybody can send an RLRQ: one that proves nothing must not end a ciphered association.
                return Rlre(reason_not_finished).encode()
            user_information = self._protect(self._granted.encode())
        self.drop()
        return Rlre(reason_normal, user_information).encode()


def _octet_string(data: bytes | None) -> bytes:
    if data is None:
        return b""
    try:
        value = axdr.decode_all(data).value
    except DecodeError:
        return b""
    return value if isinstance(value, bytes) else b""


def _refusal(context: ApplicationContext, rejected: _Rejected) -> bytes:
    error = rejected.initiate_error
    return Aare(
        result=AssociationResult.REJECTED_PERMANENT,
        source=DiagnosticSource.USER,
        diagnostic=rejected.diagnostic,
        # ConfirmedServiceError: initiateError [1], initiate [6], value.
        user_information=None if error is None else xdlms.ConfirmedServiceError(1, 6, error).encode(),
        context=context,
    ).encode()
