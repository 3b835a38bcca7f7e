"""dlms-cosem."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from contest import Task, called, serve
from dlms_cosem import a_xdr
from dlms_cosem.security import SecurityControlField, decrypt


def profile(path: str, captures: list[list[Any]], period: int) -> Task:
    def decode(buffer: bytes) -> Any:
        whole = a_xdr.EncodingConf(attributes=[a_xdr.Sequence(attribute_name="data")])
        return a_xdr.AXdrDecoder(encoding_conf=whole).decode(buffer)["data"]

    return called(decode, Path(path).read_bytes())


def as_it_came(rows: list[list[Any]]) -> dict[str, Any]:
    _, status, *registers = zip(*rows, strict=True)
    return {
        "rows": len(rows),
        "missing": sum(row.count(None) for row in rows),
        "status": sum(filter(None, status)),
        "registers": [sum(filter(None, register)) for register in registers],
    }


def gcm(path: str) -> Task:
    given = json.loads(Path(path).read_text())
    title = bytes.fromhex(given["title"])
    encryption, authentication = bytes.fromhex(given["encryption"]), bytes.fromhex(given["authentication"])
    apdus = [(counter, bytes.fromhex(body)) for counter, body in given["apdus"]]
    control = SecurityControlField(security_suite=0, authenticated=True, encrypted=True)

    def task(times: int) -> tuple[float, Any]:
        begin = time.process_time()
        for _ in range(times):
            plain = [decrypt(control, title, counter, encryption, body, authentication) for counter, body in apdus]
        return time.process_time() - begin, plain

    return task


def hexes(plain: list[bytes]) -> str:
    return b"".join(plain).hex()


if __name__ == "__main__":
    serve({"profile": (profile, as_it_came), "gcm": (gcm, hexes)})
