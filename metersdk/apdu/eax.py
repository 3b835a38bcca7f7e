"""EAX, and EAX' of ANSI C12.22: authenticated encryption under AES.

``eax_encrypt`` and ``eax_decrypt`` are EAX as Bellare, Rogaway and Wagner published it (FSE 2004).

EAX' is the variant of ANSI C12.22-2008 (the committee's paper "EAX' Cipher Mode", May 2011). It has no nonce: the
*cleartext*, which is the message's addressing and its key id and initialisation vector in canonical form, is header
and nonce at once, and its MAC starts the counter. It doubles with the least significant octet first, and a MAC is the
last four octets of the block.

Minematsu, Lucks, Morita and Iwata, "Attacks and Security Proofs of EAX-Prime" (FSE 2013, IACR ePrint 2012/018), forge
messages and tell ciphertexts from noise wherever the cleartext is one block or shorter; with a cleartext of more than
one block EAX' is proved secure. A cleartext of ``MIN_CLEARTEXT - 1`` octets or fewer is therefore refused here, on both
sides. A MAC of four octets is what the standard has: one forgery in 2^32 tries is accepted by anybody.
"""

from __future__ import annotations

from hmac import compare_digest
from typing import Final, Literal

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from metersdk.apdu.keys import Secret
from metersdk.errors import LocalProtocolError, SecurityError

BLOCK: Final = 16
# Octets of the MAC of a C12.22 message.
MAC_SIZE: Final = 4
# More than one block, the bound of the proof.
MIN_CLEARTEXT: Final = BLOCK + 1
_KEY_SIZES = (16, 24, 32)
_ZERO = bytes(BLOCK)
# EAX' clears these bits of the counter, so that no carry leaves its last two halves of a word.
_COUNTER_MASK: Final = (1 << 128) - 1 ^ (1 << 31 | 1 << 15)


def eax_encrypt(key: Secret, nonce: bytes, header: bytes, text: bytes, *, tag_size: int = BLOCK) -> tuple[bytes, bytes]:
    """Ciphertext and tag of plain EAX.

    Raises:
        LocalProtocolError: no AES key, or no tag size.
    """
    block = _Omac(key, "big")
    start = block.mac(0, nonce)
    cipher = _counter(key, start, text)
    return cipher, _xor(_xor(start, block.mac(1, header)), block.mac(2, cipher))[: _tag_size(tag_size)]


def eax_decrypt(key: Secret, nonce: bytes, header: bytes, cipher: bytes, tag: bytes) -> bytes:
    """The plaintext, once the tag is proved.

    Raises:
        SecurityError: the tag is wrong.
        LocalProtocolError: no AES key, or no tag size.
    """
    block = _Omac(key, "big")
    start = block.mac(0, nonce)
    good = _xor(_xor(start, block.mac(1, header)), block.mac(2, cipher))
    if not compare_digest(good[: _tag_size(len(tag))], tag):
        raise SecurityError("the EAX tag is wrong", layer="apdu")
    return _counter(key, start, cipher)


def eax_prime_encrypt(key: Secret, cleartext: bytes, text: bytes = b"") -> tuple[bytes, bytes]:
    """Ciphertext and MAC of EAX'; without ``text`` the cleartext alone is authenticated.

    Raises:
        LocalProtocolError: no AES key, or a cleartext too short to be safe.
    """
    if len(cleartext) < MIN_CLEARTEXT:
        raise LocalProtocolError(_too_short(cleartext), layer="apdu", hint=_BOUND)
    omac = _Omac(key, "little")
    start = omac.mac_from(omac.d, cleartext)
    cipher = _counter(key, _masked(start), text)
    return cipher, _prime_mac(omac, start, cipher)


def eax_prime_decrypt(key: Secret, cleartext: bytes, cipher: bytes, mac: bytes) -> bytes:
    """The plaintext, once the MAC is proved.

    Raises:
        SecurityError: the MAC is wrong, or the cleartext is short enough to be forged.
        LocalProtocolError: no AES key.
    """
    if len(cleartext) < MIN_CLEARTEXT:
        raise SecurityError(_too_short(cleartext), layer="apdu", hint=_BOUND)
    omac = _Omac(key, "little")
    start = omac.mac_from(omac.d, cleartext)
    if not compare_digest(_prime_mac(omac, start, cipher), mac):
        raise SecurityError("the MAC of the message is wrong", layer="apdu", hint="check key and key id")
    return _counter(key, _masked(start), cipher)


_BOUND = f"EAX' is proved for cleartexts of {MIN_CLEARTEXT} octets or more, and forged below"


def _too_short(cleartext: bytes) -> str:
    return f"EAX' over a cleartext of {len(cleartext)} octets is not safe"


def _prime_mac(omac: _Omac, start: bytes, cipher: bytes) -> bytes:
    return (_xor(start, omac.mac_from(omac.q, cipher)) if cipher else start)[-MAC_SIZE:]


def _masked(start: bytes) -> bytes:
    return (int.from_bytes(start, "big") & _COUNTER_MASK).to_bytes(BLOCK, "big")


class _Omac:
    """CMAC under one key, begun from any block: what is encrypted first is that block and the first of the data."""

    def __init__(self, key: Secret, order: Literal["big", "little"]) -> None:
        self._aes = _aes(key)
        zero = Cipher(self._aes, modes.ECB()).encryptor().update(_ZERO)
        self.d = _doubled(zero, order)
        self.q = _doubled(self.d, order)

    def mac(self, tweak: int, data: bytes) -> bytes:
        """OMAC^t: CMAC of the number as one block, and the data behind it."""
        return self.mac_from(_ZERO, tweak.to_bytes(BLOCK, "big") + data)

    def mac_from(self, start: bytes, data: bytes) -> bytes:
        whole = -(-len(data) // BLOCK) * BLOCK or BLOCK
        if len(data) == whole:
            last = _xor(data[-BLOCK:], self.d)
        else:
            last = _xor((data[whole - BLOCK :] + b"\x80").ljust(BLOCK, b"\0"), self.q)
        chain = Cipher(self._aes, modes.CBC(start)).encryptor()
        return chain.update(data[: whole - BLOCK] + last)[-BLOCK:]


def _counter(key: Secret, start: bytes, text: bytes) -> bytes:
    return Cipher(_aes(key), modes.CTR(start)).encryptor().update(text) if text else b""


def _aes(key: Secret) -> algorithms.AES:
    if len(key) not in _KEY_SIZES:
        raise LocalProtocolError(f"an AES key has 16, 24 or 32 octets, not {len(key)}", layer="apdu")
    return algorithms.AES(bytes(key))


def _tag_size(size: int) -> int:
    if not 1 <= size <= BLOCK:
        raise LocalProtocolError(f"a tag has 1 to {BLOCK} octets, not {size}", layer="apdu")
    return size


def _doubled(block: bytes, order: Literal["big", "little"]) -> bytes:
    """Times x in GF(2^128)."""
    double = int.from_bytes(block, order) << 1
    if double >> 128:
        double ^= 1 << 128 | 0x87
    return double.to_bytes(BLOCK, order)


def _xor(one: bytes, other: bytes) -> bytes:
    return (int.from_bytes(one, "big") ^ int.from_bytes(other, "big")).to_bytes(BLOCK, "big")
