"""The Python twin of the C kernel: same names, same contract, no compiler needed."""

from __future__ import annotations


def bcc(data: bytes) -> int:
    """XOR of all octets: the block check character of IEC 62056-21."""
    value = 0
    for octet in data:
        value ^= octet
    return value
