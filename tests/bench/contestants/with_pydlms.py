"""pydlms, called from a process of its own."""

from __future__ import annotations

from typing import Any

from contest import Task, cpu_seconds, serve
from pydlms import DlmsClient


def read(port: int, framing: str, obis: str) -> Task:
    def task(times: int) -> tuple[float, Any]:
        seconds = 0.0
        for _ in range(times):
            client = DlmsClient.tcp("127.0.0.1", port, hdlc=framing == "hdlc", client_sap=16, server_logical=1)
            client.connect()
            begin = cpu_seconds()
            result = client.read_profile(obis)
            seconds += cpu_seconds() - begin
            client.close()
        return seconds, result.rows

    return task


def as_it_came(rows: list[list[Any]]) -> dict[str, Any]:
    _, status, *registers = zip(*rows, strict=True)
    return {"rows": len(rows), "status": sum(status), "registers": [sum(register) for register in registers]}


if __name__ == "__main__":
    serve({"read": (read, as_it_came)})
