"""A reader and a meter in programming mode over a modelled line, under a virtual clock."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from metersdk.apdu.keys import Secret
from metersdk.dialog.iec62056_21 import SignOn
from metersdk.dialog.iec62056_21_meter import OpticalMeter, serve
from metersdk.dialog.programming import Programming, ProgrammingSettings, open_programming
from metersdk.dialog.programming_meter import ProgrammingMeter
from metersdk.errors import (
    Finding,
    MeterReportedError,
)
from metersdk.frame.iec62056_21 import from_line
from metersdk.port.drive import run
from metersdk.port.line import LineModel
from metersdk.port.virtual import VirtualPort

LINE = LineModel(baud=300)
DATA = b"F.F(00000000)\r\n1.8.0(001846.0*kWh)\r\n"
PASSWORD = Secret("12345678")
B0 = bytes.fromhex("0142300371")


class Shelf:
    """Registers in a dictionary."""

    def __init__(self) -> None:
        self.values = {"1.8.0": "001846.0*kWh", "C.1": "777", "0.9.1": "120000"}
        self.done: list[tuple[str, str, str]] = []

    def read(self, address: str, values: str, command: str) -> bytes:
        if address not in self.values:
            raise MeterReportedError("unknown", code="ERR14")
        return f"{address}({self.values[address]})".encode()

    def write(self, address: str, values: str, command: str) -> None:
        if address == "C.1":
            raise MeterReportedError("read only", code="ER02")
        self.values[address] = values
        self.done.append((command, address, values))

    def execute(self, address: str, values: str, command: str) -> bytes:
        self.done.append((command, address, values))
        return b"(started)" if values == "tell" else b""


PROFILE = [b"P.01(1260731000000)(00)(15)(1)(1.5)(kW)\r\n", b"(0.10)\r\n(0.11)\r\n", b"(0.12)\r\n", b"(0.13)\r\n"]


def profile(address: str, values: str) -> Iterator[bytes] | None:
    return iter(PROFILE) if address == "P.01" else None


def meter(shelf: Shelf | None = None, identification: bytes = b"/ABC5METER", **options: Any) -> OpticalMeter:
    options.setdefault("passwords", {1: PASSWORD})
    side = ProgrammingMeter(shelf or Shelf(), profile, **options)
    return OpticalMeter(identification, lambda: DATA, programming=side)


def port(side: OpticalMeter, model: LineModel = LINE) -> VirtualPort:
    return VirtualPort(serve(side), model)


def session(
    line: VirtualPort, heard: list[Any] | None = None, settings: SignOn | None = None, **options: Any
) -> Programming:
    options.setdefault("password", PASSWORD)
    wanted = ProgrammingSettings(**options)
    listener = (heard if heard is not None else []).append
    return run(open_programming(settings or SignOn(), programming=wanted), line, listener)


def text(line: VirtualPort, side: str) -> list[bytes]:
    return [from_line(e.data)[0] for e in line.log if e.kind == "send" and e.side == side]


def codes(heard: list[Any]) -> list[str]:
    return [each.code for each in heard if isinstance(each, Finding)]
