"""The C kernel behind the contract of ``fast``: one call for a whole buffer."""

from __future__ import annotations

from metersdk._kernel import lib


def bcc(data: bytes) -> int:
    """XOR of all octets: the block check character of IEC 62056-21."""
    return int(lib.msdk_bcc(data, len(data)))
