"""metersdk."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from contest import Task, called, cpu_seconds, serve

from metersdk import connect
from metersdk.apdu import sml
from metersdk.apdu.cipher import unseal
from metersdk.apdu.dataset import DataSet, parse
from metersdk.apdu.keys import Secret
from metersdk.fast import crc16, pure_c1219, read_blocks
from metersdk.fast.c1219_layout import BlockColumns, BlockLayout, Number
from metersdk.frame.sml import frames
from metersdk.frame.table import FrameTable, scan
from metersdk.model.profile import CaptureObject, Profile
from metersdk.model.telegram import Telegram, from_sml

Triple = tuple[str, str, str | None]


def crc(path: str, size: int) -> Task:
    return called(crc16, Path(path).read_bytes()[:size])


def scanned(path: str, size: int) -> Task:
    return called(lambda dump: scan(dump, "hdlc"), Path(path).read_bytes()[:size])


def good(table: FrameTable) -> dict[str, Any]:
    offsets = [offset for offset, ok in zip(table.offset, table.ok, strict=True) if ok]
    return {"frames": len(offsets), "offsets": sum(offsets)}


def profile(path: str, captures: list[list[Any]], period: int) -> Task:
    objects = [CaptureObject(class_id, obis, attribute) for class_id, obis, attribute in captures]
    return called(lambda buffer: Profile.from_axdr(buffer, objects, period=period), Path(path).read_bytes())


def filled(read: Profile) -> dict[str, Any]:
    _, status, *registers = read.columns
    return {
        "rows": len(read),
        "missing": sum(column.valid.tobytes().count(0) for column in read.columns),
        "times": sum(read.times),
        "status": sum(status.raw),
        "registers": [sum(register.raw) for register in registers],
    }


def blocks(path: str, layout: dict[str, Any], last: int, twin: bool = False) -> Task:
    shape = BlockLayout(**{**layout, "value": Number(layout["value"]), "reading": Number(layout["reading"])})
    octets = Path(path).read_bytes()
    offsets = list(range(0, len(octets), shape.size))
    valid = [shape.intervals] * (len(offsets) - 1) + [last]
    reader = pure_c1219.read_blocks if twin else read_blocks
    return called(lambda data: reader(data, shape, offsets, valid), octets)


def intervals(found: BlockColumns) -> dict[str, Any]:
    return {
        "rows": found.rows,
        "times": sum(found.time),
        "values": [sum(channel) for channel in found.values],
        "codes": sum(sum(channel) for channel in found.codes),
    }


def gcm(path: str) -> Task:
    given = json.loads(Path(path).read_text())
    title = bytes.fromhex(given["title"])
    encryption, authentication = Secret.from_hex(given["encryption"]), Secret.from_hex(given["authentication"])
    apdus = [(counter, bytes.fromhex(body)) for counter, body in given["apdus"]]
    control = given["control"]

    def task(times: int) -> tuple[float, Any]:
        begin = time.process_time()
        for _ in range(times):
            plain = [unseal(control, counter, title, encryption, authentication, body) for counter, body in apdus]
        return time.process_time() - begin, plain

    return task


def read(port: int, framing: str, obis: str) -> Task:
    def task(times: int) -> tuple[float, Any]:
        seconds = 0.0
        for _ in range(times):
            with connect(f"tcp://127.0.0.1:{port}?framing={framing}") as meter:
                begin = cpu_seconds()
                result = meter.get_profile(obis)
                seconds += cpu_seconds() - begin
        return seconds, result

    return task


def pushed(files: list[bytes]) -> list[Telegram]:
    return [from_sml(sml.decode(frame.payload)) for file in files for frame in frames(file) if frame.ok]


def telegrams(path: str) -> Task:
    return called(pushed, [bytes.fromhex(file) for file in json.loads(Path(path).read_text())])


def values(found: list[Telegram]) -> dict[str, int]:
    numbers = [reading.value for one in found for reading in one.readings if reading.unit is not None]
    return {"files": len(found), "values": len(numbers), "sum": sum(round(number * 100) for number in numbers)}


def readout(path: str) -> Task:
    return called(parse, Path(path).read_bytes())


def all_values(sets: tuple[DataSet, ...]) -> list[Triple]:
    return [(each.address, value.text, value.unit) for each in sets for value in each.values]


def taken(path: str) -> Task:
    return called(lambda block: all_values(parse(block)[0]), Path(path).read_bytes())


def registers(every: list[Triple]) -> dict[str, int]:
    amounts = [int(text.replace(".", "")) for _, text, unit in every if unit is not None]
    return {"values": len(every), "united": len(amounts), "sum": sum(amounts)}


def hexes(plain: list[bytes]) -> str:
    return b"".join(plain).hex()


if __name__ == "__main__":
    serve(
        {
            "crc": (crc, int),
            "scan": (scanned, good),
            "profile": (profile, filled),
            "blocks": (blocks, intervals),
            "gcm": (gcm, hexes),
            "sml": (telegrams, values),
            "readout": (readout, lambda found: registers(all_values(found[0]))),
            "taken": (taken, registers),
            "read": (read, filled),
        }
    )
