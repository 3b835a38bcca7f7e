"""Passwords and tickets of PSEM: padding (C12.18), and the authentication of C12.21, in both roles.

The meter's identification carries a ticket. The client sends it encrypted; the meter decrypts and compares, and sends
back what it received, encrypted once more: so both have shown that they know the key, and the key went over the line
in neither direction.

The ticket is one block of the cipher: 8 octets under DES, 16 under AES-128. There is neither chaining nor a MAC in it.
DES with its 56 bits can be searched: such a key proves nothing to whoever recorded one session.
"""

from __future__ import annotations

import hmac
import secrets
from typing import Literal, TypeAlias

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from metersdk.apdu.keys import Secret
from metersdk.apdu.psem import PASSWORD_SIZE, Ticket
from metersdk.errors import LocalProtocolError

Padding: TypeAlias = Literal["nul", "space", "zero"]
PADDINGS: dict[Padding, bytes] = {"nul": b"\0", "space": b" ", "zero": b"0"}

ALGORITHM_DES, ALGORITHM_AES = 0x00, 0xFF
# Octets of key and ticket.
BLOCK_SIZE = {ALGORITHM_DES: 8, ALGORITHM_AES: 16}
_NAMES = {ALGORITHM_DES: "DES", ALGORITHM_AES: "AES"}
# Bit 0 of the kind: the ticket is to be authenticated with.
KIND_SESSION = 0x01


def padded(password: Secret, padding: Padding) -> Secret:
    """The password in the 20 octets that it has on the line; makers fill them with NUL, space or the digit 0.

    Raises:
        LocalProtocolError: it is longer.
    """
    if len(password) > PASSWORD_SIZE:
        raise LocalProtocolError(
            f"the password has {len(password)} octets; a meter of ANSI C12 takes {PASSWORD_SIZE}", layer="association"
        )
    return Secret(bytes(password).ljust(PASSWORD_SIZE, PADDINGS[padding]))


def same_password(known: Secret, given: Secret) -> bool:
    """Whether they are equal but for what fills them up, as a meter compares them that does not mind the filling."""
    fill = b"".join(PADDINGS.values())
    return hmac.compare_digest(bytes(known).rstrip(fill), bytes(given).rstrip(fill))


def new_ticket(algorithm: int) -> Ticket:
    """A fresh ticket for an identification."""
    return Ticket(KIND_SESSION, algorithm, secrets.token_bytes(BLOCK_SIZE[algorithm]))


def check_ticket(ticket: Ticket, key: Secret) -> None:
    """See to it that the meter's ticket and the key are for a cipher that is known here.

    Raises:
        LocalProtocolError: the algorithm is not known, or key or ticket have another length than its block.
    """
    size = BLOCK_SIZE.get(ticket.algorithm)
    if size is None:
        raise LocalProtocolError(
            f"the meter wants authentication algorithm {ticket.algorithm:02X}, which is not known",
            layer="association",
            hint="00 is DES, FF is AES; log on with a password instead",
        )
    if len(key) != size or len(ticket.ticket) != size:
        raise LocalProtocolError(
            f"authentication algorithm {ticket.algorithm:02X} wants a key and a ticket of {size} octets; they have "
            f"{len(key)} and {len(ticket.ticket)}",
            layer="association",
            hint=f"the meter says {_NAMES[ticket.algorithm]}: give its key of {size} octets",
        )


def encrypted(algorithm: int, key: Secret, block: bytes) -> bytes:
    """One block under DES or AES-128: what the client makes of the ticket, and the meter of what it got.

    The meter is genuine if it answers ``encrypted(algorithm, key, sent)``.
    """
    octets = bytes(key)
    # Three equal keys make DES of triple DES: decrypting in the middle undoes the first step.
    cipher = TripleDES(octets * 3) if algorithm == ALGORITHM_DES else algorithms.AES(octets)
    encryptor = Cipher(cipher, modes.ECB()).encryptor()
    return encryptor.update(block) + encryptor.finalize()


def is_proof(algorithm: int, key: Secret, sent: bytes, answered: bytes) -> bool:
    """Whether ``answered`` is ``sent`` encrypted under the key; in constant time."""
    return hmac.compare_digest(encrypted(algorithm, key, sent), answered)
