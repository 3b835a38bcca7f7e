"""HLS: both roles agree for every mechanism, foreign sessions are reproduced, and impostors fail."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from metersdk.apdu import acse, axdr, xdlms
from metersdk.apdu.acse import Authentication
from metersdk.apdu.cipher import Keys, Secret, Security, SecurityContext
from metersdk.apdu.hls import Handshake, new_challenge
from metersdk.errors import AuthenticationFailed, LocalProtocolError

Vectors = Callable[[str], list[Any]]
CTOS, STOC = b"client challenge", b"server challenge!"
CLIENT, SERVER = b"CLIENT01", b"SERVER01"
EK, AK = bytes(range(16)), bytes(range(0xD0, 0xE0))
MECHANISMS = [
    Authentication.HIGH,
    Authentication.HIGH_MD5,
    Authentication.HIGH_SHA1,
    Authentication.HIGH_GMAC,
    Authentication.HIGH_SHA256,
]


def sides(mechanism: Authentication, client_secret: bytes, server_secret: bytes) -> tuple[Handshake, Handshake]:
    def one(secret: bytes, own: bytes, peer: bytes, sent: bytes, got: bytes) -> Handshake:
        context = SecurityContext(
            Keys(secret, AK, system_title=own, invocation_counter=0), Security.NONE, peer_title=peer
        )
        gmac = mechanism == Authentication.HIGH_GMAC
        return Handshake(mechanism, sent, got, Secret(secret), context if gmac else None, own, peer)

    return one(client_secret, CLIENT, SERVER, CTOS, STOC), one(server_secret, SERVER, CLIENT, STOC, CTOS)


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_both_roles(mechanism: Authentication) -> None:
    client, server = sides(mechanism, EK, EK)
    f_stoc = client.prove()
    assert server.is_proven(f_stoc)
    f_ctos = server.prove()
    assert client.is_proven(f_ctos) and f_ctos != f_stoc
    # Neither takes its own value back, nor a piece, nor nothing.
    assert not client.is_proven(f_stoc) and not server.is_proven(f_ctos)
    assert not server.is_proven(f_stoc[:-1]) and not server.is_proven(b"")
    impostor, _ = sides(mechanism, bytes(16), EK)
    assert not server.is_proven(impostor.prove())


def test_digests_by_hand() -> None:
    import hashlib

    for mechanism, digest in (
        (Authentication.HIGH_MD5, hashlib.md5(STOC + b"s")),
        (Authentication.HIGH_SHA1, hashlib.sha1(STOC + b"s")),
        (Authentication.HIGH_SHA256, hashlib.sha256(b"s" + CLIENT + SERVER + STOC + CTOS)),
    ):
        client = Handshake(mechanism, CTOS, STOC, Secret(b"s"), None, CLIENT, SERVER)
        assert client.prove() == digest.digest()


def test_manufacturer_mechanism_fills_up_with_zeros() -> None:
    # AES-128-ECB of FIPS 197 appendix C.1.
    key, block = bytes(range(16)), bytes.fromhex("00112233445566778899aabbccddeeff")
    client = Handshake(Authentication.HIGH, CTOS, block, Secret(key))
    assert client.prove().hex() == "69c4e0d86a7b0430d8cdb78070b4c55a"
    assert len(Handshake(Authentication.HIGH, CTOS, block + b"1", Secret(b"short")).prove()) == 32
    with pytest.raises(LocalProtocolError, match="16 octets"):
        Handshake(Authentication.HIGH, CTOS, block, Secret(bytes(17)))


def test_captured_sha256_session(vectors: Vectors) -> None:
    aarq = acse.decode_aarq(vectors("sha256_aarq")[0].raw)
    aare = acse.decode_aare(vectors("sha256_aare")[0].raw)
    request = xdlms.decode(vectors("sha256_action")[0].raw)
    response = xdlms.decode(vectors("sha256_actresp")[0].raw)
    assert isinstance(request, xdlms.ActionRequest) and request.data is not None
    assert isinstance(response, xdlms.ActionResponse) and isinstance(response.outcome.returned, bytes)
    ctos, stoc = aarq.authentication_value or b"", aare.authentication_value or b""
    own, peer = aarq.calling_title or b"", aare.responding_title or b""
    secret = Secret(b"12345678")
    client = Handshake(Authentication.HIGH_SHA256, ctos, stoc, secret, None, own, peer)
    server = Handshake(Authentication.HIGH_SHA256, stoc, ctos, secret, None, peer, own)
    assert client.prove() == axdr.decode_all(request.data).value
    assert server.prove() == axdr.decode_all(response.outcome.returned).value


def test_what_cannot_be_proven_is_refused() -> None:
    secret = Secret(b"s")
    with pytest.raises(AuthenticationFailed, match="no challenge"):
        Handshake(Authentication.HIGH_MD5, CTOS, b"", secret)
    with pytest.raises(AuthenticationFailed, match="our own challenge"):
        Handshake(Authentication.HIGH_MD5, CTOS, CTOS, secret)
    for mechanism in (Authentication.NONE, Authentication.LOW, Authentication.HIGH_ECDSA):
        with pytest.raises(LocalProtocolError, match="not served"):
            Handshake(mechanism, CTOS, STOC, secret)
    with pytest.raises(LocalProtocolError, match="password"):
        Handshake(Authentication.HIGH_MD5, CTOS, STOC)
    with pytest.raises(LocalProtocolError, match="keys"):
        Handshake(Authentication.HIGH_GMAC, CTOS, STOC)


def test_challenges_are_fresh() -> None:
    drawn = {new_challenge() for _ in range(100)}
    assert len(drawn) == 100 and {len(challenge) for challenge in drawn} == {16}
    assert len(new_challenge(64)) == 64
