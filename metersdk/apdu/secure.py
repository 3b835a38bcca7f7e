"""Secure algorithms of IEC 62056-21 programming mode: operand of P0 and password -> what P2 carries.

The standard leaves the algorithm to the maker (6.3.3). ``register`` adds one under a name; a vendor profile and
``Meter.programming(algorithm=...)`` call it by that name, or hand over the function itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias
from zlib import crc32

from metersdk.apdu.keys import Secret
from metersdk.errors import DecodeError, LocalProtocolError

# (operand as it stands in the brackets of P0, password) -> the text in the brackets of P2
Algorithm: TypeAlias = Callable[[bytes, Secret], bytes]

_ONES = 0xFFFF_FFFF


def energomera(operand: bytes, password: Secret) -> bytes:
    """CRC-32 (polynomial 04C11DB7, reflected) of the password, begun with the operand, without the final inversion.

    The maker's description names these; how the two numbers are written as text it does not say as far as it is public.
    Eight hex digits, high octet first, are taken here, and no meter has been tried with it.

    Raises:
        DecodeError: the operand is no number of eight hex digits.
    """
    try:
        begin = int(operand.decode("ascii"), 16) if len(operand) == 8 else -1
    except ValueError:
        begin = -1
    if begin < 0:
        raise DecodeError(
            "the operand of P0 is no number of eight hex digits", layer="association", hint="another algorithm?"
        )
    # zlib inverts at both ends.
    return b"%08X" % (crc32(bytes(password), begin ^ _ONES) ^ _ONES)


_KNOWN: dict[str, Algorithm] = {"energomera": energomera}


def register(name: str, algorithm: Algorithm) -> None:
    """Make ``algorithm`` known as ``name``.

    Raises:
        LocalProtocolError: the name is taken by another one.
    """
    if _KNOWN.setdefault(name, algorithm) is not algorithm:
        raise LocalProtocolError(f"there is a secure algorithm {name!r} already")


def algorithm_for(name: str) -> Algorithm:
    """The algorithm of that name.

    Raises:
        LocalProtocolError: there is none.
    """
    if name not in _KNOWN:
        raise LocalProtocolError(
            f"{name!r} is no secure algorithm", hint=f"known: {', '.join(sorted(_KNOWN))}; others: secure.register()"
        )
    return _KNOWN[name]
