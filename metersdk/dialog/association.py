"""The client's side of an application association: open, exchange protected APDUs, release."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from metersdk.apdu.acse import CLIENT_CONFORMANCE, Authentication, Conformance
from metersdk.apdu.cipher import Keys, Secret, Security


@dataclass(frozen=True, slots=True)
class AssociationSettings:
    """How to associate with a meter.

    Args:
        client, server: service access points; 16 is the public client, 1 the management logical device.
        authentication: mechanism; LOW and the HIGH ones but GMAC use ``password``, GMAC uses ``keys``.
        password: LLS password or HLS secret; octets or text, kept as ``Secret``.
        keys: needed for GMAC and for any ``security`` but NONE.
        security: protection of every APDU after the AARQ.
        envelope: ``"service"`` (glo-/ded- tags) or ``"general"`` (general-glo/-ded-ciphering).
        dedicated: agree on a dedicated key and use it after the AARE.
        allow_plaintext: take unprotected or less protected answers on a ciphered association. Lowers security.
        conformance: what to propose; the usable services are those proposed AND answered.
        max_pdu: largest APDU the client takes, octets; 0 = no limit.
        timeout: seconds one exchange may take in all.
        challenge: CtoS, 8 to 64 octets; drawn at random unless a test gives it.
    """

    client: int = 16
    server: int = 1
    authentication: Authentication = Authentication.NONE
    password: Secret | bytes | str | None = None
    keys: Keys | None = None
    security: Security = Security.NONE
    envelope: Literal["service", "general"] = "service"
    dedicated: bool = False
    allow_plaintext: bool = False
    conformance: Conformance = CLIENT_CONFORMANCE
    max_pdu: int = 65535
    timeout: float = 5.0
    challenge: bytes | None = field(default=None, repr=False)
