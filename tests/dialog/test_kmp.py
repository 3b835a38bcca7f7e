"""A meter that speaks KMP, read over a modelled line at 1200 Bd."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

import metersdk
from metersdk.apdu import kmp
from metersdk.dialog.kmp import KmpSession, code_of, number_of, open_kmp
from metersdk.dialog.opening import Plan, open_session
from metersdk.dialog.timing import Timing
from metersdk.effects import Dialog, Receive, Send, SetLine, Sleep
from metersdk.errors import ChecksumError, DecodeError, Finding, LocalProtocolError, NoAnswer
from metersdk.frame.buffer import ReceiveBuffer
from metersdk.frame.kmp import ANSWER, KmpFrame
from metersdk.model.obis import Obis
from metersdk.model.quantity import Unit
from metersdk.model.quirks import Quirks
from metersdk.port.drive import run
from metersdk.port.line import LineModel
from metersdk.port.virtual import VirtualPort
from metersdk.simulator.kmp import KmpMeter, serve_kmp
from metersdk.vendor.book import choose

LINE = LineModel(baud=1200)


def port(meter: KmpMeter | None = None, model: LineModel = LINE) -> VirtualPort:
    return VirtualPort(serve_kmp(meter or KmpMeter()), model)


def opened(line: VirtualPort, heard: list[Any] | None = None) -> KmpSession:
    return run(
        open_kmp(1200, Timing(response=2.0), None, ReceiveBuffer()), line, (heard if heard is not None else []).append
    )


def test_a_session() -> None:
    line = port()
    session = opened(line)
    identity = run(session.identify(), line)
    assert (identity.manufacturer, identity.serial_number, identity.model) == (
        "KAM",
        "19088743",
        "type 0004, software F1",
    )
    assert str(run(session.clock(), line)) == "2026-11-22T07:08:09"
    found = {str(each.obis): each for each in run(session.registers(), line)}
    energy = found["6.0.1.0.0.255"]
    assert (energy.value, energy.unit, energy.name) == (Decimal("12345000"), Unit.WH, "Heat energy E1")
    assert (found["6.0.9.0.0.255"].value, found["6.0.9.0.0.255"].unit) == (Decimal("0.117"), Unit.CUBIC_METRE_PER_HOUR)
    assert str(found["6.0.10.0.0.255"].value) == "63.44"
    other = found["6.0.240.0.97.255"]
    assert (other.unit, other.name) == (Unit.OTHER, "Energy E8, m³ x T1 [m³·°C]")
    assert found["6.0.240.3.235.255"].value == "261122"
    # What the meter does not have is not there: it leaves it out of its answers.
    assert len(found) == len(KmpMeter().registers)
    run(session.close(), line)


def test_one_register_by_its_code_or_number() -> None:
    line = port()
    session = opened(line)
    assert run(session.read("6-0:2.0.0"), line).value == Decimal("987.65")
    assert run(session.read("6-0:240.3.236"), line).value == Decimal(23456)
    with pytest.raises(LocalProtocolError, match="no register 61"):
        run(session.read(code_of(61)), line)
    with pytest.raises(LocalProtocolError, match="no register has the code"):
        run(session.read("1-0:1.8.0"), line)
    assert number_of(code_of(0x1234)) == 0x1234 and code_of(60) == Obis("6.0.1.0.0.255")


def answering(*answers: bytes) -> VirtualPort:
    """A meter that gives these octets, one after the other, whatever it is asked."""
    left = list(answers)

    def side() -> Dialog[None]:
        yield SetLine(1200)
        while True:
            while not (yield Receive(3600.0)).endswith(b"\x0d"):
                pass
            yield Sleep(0.3)
            if left:
                yield Send(left.pop(0))

    return VirtualPort(side(), LINE)


SERIAL = KmpFrame(bytes.fromhex("0201234567"), start=ANSWER).encode()
DAMAGED = SERIAL[:4] + b"\x22" + SERIAL[5:]


def test_a_damaged_answer_is_asked_for_again() -> None:
    heard: list[Any] = []
    session = opened(answering(DAMAGED, b"", SERIAL), heard)
    assert "19088743" in session.name
    assert [each.code for each in heard if isinstance(each, Finding)] == ["kmp-repeated"] * 2


def test_an_answer_to_another_question_is_let_pass() -> None:
    late = KmpFrame(bytes.fromhex("0100040601"), start=ANSWER).encode()
    assert "19088743" in opened(answering(late + SERIAL)).name


def test_damage_and_silence_end() -> None:
    line = answering(*[DAMAGED] * 9)
    with pytest.raises(ChecksumError):
        opened(line)
    line = answering()
    with pytest.raises(NoAnswer, match="does not answer"):
        opened(line)
    assert 8.0 <= line.now() <= 9.0


def test_a_dripping_meter_ends_in_time() -> None:
    def drip() -> Dialog[None]:
        yield SetLine(1200)
        while True:
            yield Sleep(0.5)
            yield Send(b"\x40")

    line = VirtualPort(drip(), LINE)
    with pytest.raises(NoAnswer):
        opened(line)
    assert line.now() < 60


def test_a_clock_that_is_none() -> None:
    registers = {1003: kmp.encode_register(1003, 48, 991399), 1002: kmp.encode_register(1002, 47, 1)}
    line = port(KmpMeter(registers))
    session = opened(line)
    with pytest.raises(DecodeError):
        run(session.clock(), line)
    line = port(KmpMeter({}))
    session = opened(line)
    with pytest.raises(DecodeError, match="no date and time"):
        run(session.clock(), line)


def test_what_kmp_does_not_have() -> None:
    line = port()
    session = opened(line)
    for what in (session.objects, session.readout):
        with pytest.raises(LocalProtocolError, match="registers only"):
            run(what(), line)


def plan(**options: object) -> Plan:
    return Plan.of(
        options,
        medium="line",
        framing=None,
        baud=None,
        hardware_parity=False,
        password=None,
        keys=None,
        quirks=choose("kamstrup-kmp") if not options else Quirks(),  # type: ignore[arg-type]
        timing=Timing(),
    )


@pytest.mark.parametrize(("options", "family"), [({}, "kamstrup-kmp"), ({"protocol": "kmp"}, None)])
def test_by_the_name_of_the_family_or_of_the_protocol(options: dict[str, str], family: str | None) -> None:
    line = port()
    session = run(open_session(plan(**options)), line)
    said = run(session.identify(), line)
    assert (said.protocol, said.baud, said.family) == ("kmp", 1200, family)


SIM = "sim://residential?speech=kmp"


def test_behind_the_doors() -> None:
    with metersdk.connect(SIM, vendor="kamstrup-kmp") as meter:
        assert (meter.identity.protocol, meter.identity.family) == ("kmp", "kamstrup-kmp")
        assert meter.read("6-0:1.0.0").value == Decimal("12345000")
        assert not meter.findings
    with metersdk.connect(f"{SIM}&protocol=kmp&baud=2400") as meter:
        assert meter.identity.baud == 2400 and len(meter.registers()) == 11


def test_behind_the_doors_of_asyncio() -> None:
    async def values() -> list[object]:
        async with await metersdk.aconnect(SIM, protocol="kmp") as meter:
            return [(await meter.read("6-0:10.0.0")).value, str(await meter.clock)]

    assert asyncio.run(values()) == [Decimal("63.44"), "2026-11-22T07:08:09"]
