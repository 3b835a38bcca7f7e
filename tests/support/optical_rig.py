"""A reader and a meter of IEC 62056-21 joined over a modelled line, under a virtual clock."""

from __future__ import annotations

from typing import Any

from metersdk.dialog.iec62056_21 import SignedOn, SignOn, sign_on
from metersdk.dialog.iec62056_21_meter import OpticalMeter, serve
from metersdk.dialog.iec62056_21_readout import Readout, readout
from metersdk.effects import Dialog, Receive, Send, SetLine, Sleep
from metersdk.frame.iec62056_21 import to_line
from metersdk.port.line import LineModel
from metersdk.port.virtual import VirtualPort

DATA = b"F.F(00000000)\r\n0.0.0( 20000)\r\n1.8.0(001846.0*kWh)\r\n1.6.1(27.19*kW)(1702090945)\r\n"
LINE = LineModel(baud=300)


def data() -> bytes:
    return DATA


def meter(identification: bytes = b"/ABC5METER", **options: Any) -> OpticalMeter:
    return OpticalMeter(identification, data, **options)


def port(server: OpticalMeter | Dialog[Any], model: LineModel = LINE) -> VirtualPort:
    return VirtualPort(serve(server) if isinstance(server, OpticalMeter) else server, model)


def read(settings: SignOn | None = None, total: float = 900.0, **options: Any) -> Dialog[Readout]:
    signed = yield from sign_on(settings or SignOn())
    return (yield from readout(signed, total=total, **options))


def codes(found: Readout | SignedOn) -> list[str]:
    return [finding.code for finding in found.findings]


def is_whole(home: Readout) -> bool:
    return home.text == DATA + b"!\r\n" and len(home.data_sets) == 4 and home.proved is True


def answering(identification: bytes, answers: list[bytes]) -> Dialog[None]:
    """A meter that identifies itself, then gives its answers one by one to whatever comes."""
    yield SetLine(300)
    yield from heard(b"\x8d\n")
    yield Sleep(0.2)
    yield Send(to_line(identification))
    for answer in answers:
        yield from heard(b"\n", b"\x95")
        yield Sleep(0.2)
        yield Send(answer)
    while True:
        yield Receive(3600)


def heard(*ends: bytes) -> Dialog[None]:
    octets = b""
    while not octets.endswith(ends):
        octets += yield Receive(3600)
