"""fastcrc: alone, and as the core of the shortest scan that Python can do well."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from contest import Task, called, serve
from fastcrc import crc16

# CRC-16/X.25 is called IBM-SDLC there. Over octets and their own check sequence it comes to this.
_RESIDUE = 0x0F47


def crc(path: str, size: int) -> Task:
    return called(crc16.ibm_sdlc, Path(path).read_bytes()[:size])


def scan(dump: bytes) -> list[int]:
    """Offsets of all good frames: find a flag, jump by the length field, prove the FCS."""
    find, check, size, offsets = dump.find, crc16.ibm_sdlc, len(dump), []
    at = find(b"\x7e")
    while 0 <= at < size - 2:
        first = dump[at + 1]
        if first & 0xF0 == 0xA0:
            end = at + 1 + ((first & 7) << 8 | dump[at + 2])
            if end < size and dump[end] == 0x7E and check(dump[at + 1 : end]) == _RESIDUE:
                offsets.append(at)
                at = end
                continue
        at = find(b"\x7e", at + 1)
    return offsets


def scanned(path: str, size: int) -> Task:
    return called(scan, Path(path).read_bytes()[:size])


def good(offsets: list[int]) -> dict[str, Any]:
    return {"frames": len(offsets), "offsets": sum(offsets)}


if __name__ == "__main__":
    serve({"crc": (crc, int), "scan": (scanned, good)})
