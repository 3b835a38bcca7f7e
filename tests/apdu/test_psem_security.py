"""Tickets of C12.21 and the filling of passwords."""

from __future__ import annotations

import pytest

from metersdk.apdu.keys import Secret
from metersdk.apdu.psem import Ticket
from metersdk.apdu.psem_security import (
    ALGORITHM_AES,
    ALGORITHM_DES,
    Padding,
    check_ticket,
    encrypted,
    is_proof,
    new_ticket,
    padded,
    same_password,
)
from metersdk.errors import LocalProtocolError


@pytest.mark.parametrize(
    ("algorithm", "key", "block", "cipher"),
    [
        # FIPS 81, table B1; FIPS 197, appendix C.1.
        (ALGORITHM_DES, "0123456789abcdef", "4e6f772069732074", "3fa40e8a984d4815"),
        (ALGORITHM_DES, "133457799bbcdff1", "0123456789abcdef", "85e813540f0ab405"),
        (
            ALGORITHM_AES,
            "000102030405060708090a0b0c0d0e0f",
            "00112233445566778899aabbccddeeff",
            "69c4e0d86a7b0430d8cdb78070b4c55a",
        ),
    ],
)
def test_ciphers(algorithm: int, key: str, block: str, cipher: str) -> None:
    assert encrypted(algorithm, Secret.from_hex(key), bytes.fromhex(block)).hex() == cipher


@pytest.mark.parametrize("algorithm", [ALGORITHM_DES, ALGORITHM_AES])
def test_both_prove_themselves(algorithm: int) -> None:
    ticket = new_ticket(algorithm)
    key, other = Secret(ticket.ticket[::-1]), Secret(bytes(len(ticket.ticket)))
    check_ticket(ticket, key)
    sent = encrypted(algorithm, key, ticket.ticket)
    answer = encrypted(algorithm, key, sent)
    assert is_proof(algorithm, key, ticket.ticket, sent) and is_proof(algorithm, key, sent, answer)
    assert not is_proof(algorithm, other, sent, answer)
    # A meter that knows no key and hands back what it got proves nothing.
    assert not is_proof(algorithm, key, sent, sent) and not is_proof(algorithm, key, sent, b"")
    assert new_ticket(algorithm) != ticket


@pytest.mark.parametrize(
    ("ticket", "key"),
    [
        (Ticket(1, 7, bytes(8)), bytes(8)),
        (Ticket(1, ALGORITHM_DES, b""), bytes(8)),
        (Ticket(1, ALGORITHM_DES, bytes(8)), bytes(16)),
        (Ticket(1, ALGORITHM_AES, bytes(8)), bytes(16)),
    ],
)
def test_what_does_not_fit_is_told(ticket: Ticket, key: bytes) -> None:
    with pytest.raises(LocalProtocolError):
        check_ticket(ticket, Secret(key))


@pytest.mark.parametrize(("padding", "fill"), [("nul", b"\0"), ("space", b" "), ("zero", b"0")])
def test_padding(padding: Padding, fill: bytes) -> None:
    full = padded(Secret("abc"), padding)
    assert bytes(full) == b"abc" + 17 * fill
    assert same_password(Secret("abc"), full) and not same_password(Secret("abd"), full)
    assert bytes(padded(Secret(b"x" * 20), padding)) == b"x" * 20
    with pytest.raises(LocalProtocolError) as caught:
        padded(Secret("not a password of twenty"), padding)
    assert "twenty" not in str(caught.value)
