"""crcmod, with its C extension where pip could build it."""

from __future__ import annotations

from pathlib import Path

from contest import Task, called, serve
from crcmod.predefined import mkPredefinedCrcFun


def crc(path: str, size: int) -> Task:
    return called(mkPredefinedCrcFun("x-25"), Path(path).read_bytes()[:size])


if __name__ == "__main__":
    serve({"crc": (crc, int)})
