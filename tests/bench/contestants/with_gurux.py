"""Gurux for Python, called from a process of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from contest import Task, called, serve
from gurux_dlms import GXByteBuffer, GXDLMSClient, GXReplyData
from gurux_dlms.enums import Authentication, InterfaceType, ObjectType
from gurux_dlms.GXDLMS import GXDLMS
from gurux_dlms.objects import GXDLMSProfileGeneric


def client() -> GXDLMSClient:
    return GXDLMSClient(True, 16, 1, Authentication.NONE, None, InterfaceType.HDLC)


def scan(dump: bytes) -> int:
    """Number of good frames. The library reads one frame; going on behind it, or behind damage, is done here."""
    buffer, settings, found = GXByteBuffer(dump), client().settings, 0
    last = len(dump) - 9
    while buffer.position <= last:
        begin = buffer.position
        reply = GXReplyData()
        try:
            GXDLMS.getHdlcData(False, settings, buffer, reply, None)
        except Exception:
            buffer.position = min(max(buffer.position, begin + 1), last + 1)
            continue
        if reply.complete:
            found += 1
            # The closing flag may open the next frame.
            buffer.position = min(reply.packetLength + 2, last + 1)
        else:
            buffer.position = min(max(buffer.position, begin) + 1, last + 1)
    return found


def scanned(path: str, size: int) -> Task:
    return called(scan, Path(path).read_bytes()[:size])


def generic(captures: list[list[Any]], period: int) -> GXDLMSProfileGeneric:
    target = GXDLMSProfileGeneric("1.0.99.1.0.255")
    target.capturePeriod = period
    for class_id, obis, attribute in captures:
        item = GXDLMSClient.createObject(ObjectType(class_id))
        item.logicalName = obis
        target.addCaptureObject(item, attribute, 0)
    return target


def profile(path: str, captures: list[list[Any]], period: int) -> Task:
    """``getData``, the values left as they came."""
    return called(lambda raw: GXDLMSClient.getValue(GXByteBuffer(raw), False), Path(path).read_bytes())


def profile_filled(path: str, captures: list[list[Any]], period: int) -> Task:
    """``getData`` and ``updateValue``, which gives the rows of the profile their types."""

    def decode(raw: bytes) -> Any:
        reader, target = client(), generic(captures, period)
        reader.updateValue(target, 2, GXDLMSClient.getValue(GXByteBuffer(raw), False))
        return target.buffer

    return called(decode, Path(path).read_bytes())


def as_it_came(rows: list[list[Any]]) -> dict[str, Any]:
    _, status, *registers = zip(*rows, strict=True)
    return {
        "rows": len(rows),
        "missing": sum(list(row).count(None) for row in rows),
        "status": sum(filter(None, status)),
        "registers": [sum(filter(None, register)) for register in registers],
    }


if __name__ == "__main__":
    serve(
        {
            "scan": (scanned, lambda frames: {"frames": frames}),
            "profile": (profile, as_it_came),
            "profile_filled": (profile_filled, as_it_came),
        }
    )
