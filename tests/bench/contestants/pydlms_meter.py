"""A meter of pydlms on two loopback ports, with a load profile of so many rows; prints the ports as JSON."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta

from pydlms.cosem.data import DlmsData
from pydlms.cosem.time import CosemDateTime
from pydlms.obis import ObisCode
from pydlms.simulator import example_meter, serve

OBIS = ObisCode.parse("1.0.99.1.0.255")
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def capture(class_id: int, obis: str) -> DlmsData:
    name = DlmsData.octet_string(ObisCode.parse(obis).to_bytes())
    return DlmsData.structure([DlmsData.uint16(class_id), name, DlmsData.int8(2), DlmsData.uint16(0)])


def row(number: int) -> DlmsData:
    time = CosemDateTime.from_datetime(BEGIN + timedelta(minutes=15 * number)).to_bytes()
    registers = [DlmsData.uint32(1000 * register + number) for register in (1, 2, 3, 4)]
    return DlmsData.structure([DlmsData.octet_string(time), DlmsData.uint8(number & 0xFF), *registers])


def meter(rows: int, captures: list[list[int | str]]) -> object:
    made = example_meter(max_pdu=1024)
    profile = made.objects[(7, OBIS)]
    profile[2] = DlmsData.array([row(number) for number in range(rows)])
    profile[3] = DlmsData.array([capture(int(class_id), str(obis)) for class_id, obis, _ in captures])
    profile[7] = profile[8] = DlmsData.uint32(rows)
    return made


if __name__ == "__main__":
    order = json.loads(sys.stdin.readline())
    ports = {
        framing: serve(meter(order["rows"], order["captures"]), "127.0.0.1", 0, framing == "hdlc").server_address[1]
        for framing in ("wrapper", "hdlc")
    }
    print(json.dumps(ports), flush=True)
    # Until the other side closes the pipe.
    sys.stdin.read()
