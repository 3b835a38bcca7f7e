"""High-level security: passes 3 and 4, in both roles (Green Book 9.2.7.4).

Each side proves that it knows the secret by a function of the challenge of the other side: the client sends f(StoC),
the server returns f(CtoS).
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from metersdk.apdu.acse import Authentication
from metersdk.apdu.cipher import Secret, SecurityContext
from metersdk.errors import AuthenticationFailed, LocalProtocolError

CHALLENGE_SIZE = 16
# Green Book 9.2.2.2.2.4: challenges have 8 to 64 octets.
CHALLENGE_SIZES = range(8, 65)
_BLOCK = 16


def new_challenge(size: int = CHALLENGE_SIZE) -> bytes:
    """A fresh challenge, never the secret itself nor anything made from it."""
    return secrets.token_bytes(size)


@dataclass(frozen=True, slots=True)
class Handshake:
    """Passes 3 and 4 of one association, seen from one side.

    Args:
        mechanism: HIGH, HIGH_MD5, HIGH_SHA1, HIGH_GMAC or HIGH_SHA256.
        own_challenge: sent by this side, 8 to 64 octets.
        peer_challenge: received.
        secret: HLS secret; None for GMAC.
        context: keys and titles; needed for GMAC.
        own_title, peer_title: system titles; they go into SHA-256.
    """

    mechanism: Authentication
    own_challenge: bytes
    peer_challenge: bytes
    secret: Secret | None = None
    context: SecurityContext | None = field(default=None, repr=False)
    own_title: bytes = b""
    peer_title: bytes = b""

    def __post_init__(self) -> None:
        if self.mechanism not in _SERVED:
            raise LocalProtocolError(f"authentication {self.mechanism.name} is not served", layer="association")
        if self.mechanism == Authentication.HIGH_GMAC:
            if self.context is None:
                raise LocalProtocolError("GMAC authentication needs keys", layer="association")
        elif self.secret is None:
            raise LocalProtocolError(f"{self.mechanism.name} authentication needs a password", layer="association")
        elif self.mechanism == Authentication.HIGH and len(self.secret) > _BLOCK:
            raise LocalProtocolError("the HLS secret has more than 16 octets", layer="association")
        if not self.peer_challenge:
            raise AuthenticationFailed("the peer sent no challenge", layer="association")
        if hmac.compare_digest(self.own_challenge, self.peer_challenge):
            # A peer that does not know the secret could have f(own challenge) made here and return it.
            raise AuthenticationFailed("the peer returned our own challenge as its own", layer="association")

    def prove(self) -> bytes:
        """f(challenge of the peer). For GMAC it uses up one invocation counter."""
        if self.context is not None and self.mechanism == Authentication.HIGH_GMAC:
            return self.context.gmac(self.peer_challenge)
        return self._digest(self.own_title, self.peer_title, self.peer_challenge, self.own_challenge)

    def is_proven(self, value: bytes) -> bool:
        """True if ``value`` is f(own challenge) of a peer that knows the secret. Takes constant time."""
        if self.context is not None and self.mechanism == Authentication.HIGH_GMAC:
            return self.context.verify_gmac(value, self.own_challenge)
        good = self._digest(self.peer_title, self.own_title, self.own_challenge, self.peer_challenge)
        return hmac.compare_digest(good, value)

    def _digest(self, prover: bytes, verifier: bytes, challenge: bytes, other: bytes) -> bytes:
        secret = bytes(self.secret) if self.secret is not None else b""
        match self.mechanism:
            case Authentication.HIGH_MD5:
                return hashlib.md5(challenge + secret, usedforsecurity=False).digest()
            case Authentication.HIGH_SHA1:
                return hashlib.sha1(challenge + secret, usedforsecurity=False).digest()
            case Authentication.HIGH_SHA256:
                # ST_C || ST_S || StoC || CtoS in pass 3, ST_S || ST_C || CtoS || StoC in pass 4: prover first.
                return hashlib.sha256(secret + prover + verifier + challenge + other).digest()
            case _:
                return _manufacturer(secret, challenge)


def _manufacturer(secret: bytes, challenge: bytes) -> bytes:
    """Mechanism 2 is the manufacturer's own; nearly all take AES-128-ECB, both sides filled up with zeros."""
    padded = challenge.ljust(-(-len(challenge) // _BLOCK) * _BLOCK, b"\x00")
    encryptor = Cipher(algorithms.AES(secret.ljust(_BLOCK, b"\x00")), modes.ECB()).encryptor()
    return encryptor.update(padded) + encryptor.finalize()


_SERVED = frozenset(
    (
        Authentication.HIGH,
        Authentication.HIGH_MD5,
        Authentication.HIGH_SHA1,
        Authentication.HIGH_GMAC,
        Authentication.HIGH_SHA256,
    )
)
