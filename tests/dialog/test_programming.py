"""Programming mode, both sides joined over a modelled line under a virtual clock."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from metersdk.apdu.keys import Secret
from metersdk.apdu.secure import algorithm_for, energomera, register
from metersdk.dialog.iec62056_21 import SignedOn, SignOn, sign_on
from metersdk.dialog.iec62056_21_meter import MeterFaults, OpticalMeter, serve
from metersdk.dialog.programming import Block, Programming, ProgrammingSettings, open_programming
from metersdk.dialog.programming_meter import CommandFaults, ProgrammingMeter
from metersdk.effects import Dialog, State
from metersdk.errors import (
    AuthenticationFailed,
    DecodeError,
    Finding,
    LocalProtocolError,
    MeterError,
    MeterReportedError,
    NoAnswer,
)
from metersdk.frame.iec62056_21 import Command, block, from_line, to_line
from metersdk.model.quirks import Quirks
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


def test_a_session() -> None:
    line = port(meter(shelf := Shelf()))
    heard: list[Any] = []
    p = session(line, heard, write=True)
    (found,) = run(p.read("1.8.0"), line, heard.append)
    assert (found.address, str(found.value)) == ("1.8.0", "001846.0*kWh")
    run(p.write("0.9.1", "123456"), line)
    assert run(p.execute("RESET"), line) == ()
    (told,) = run(p.execute("RESET", "tell"), line)
    assert told.value.text == "started"
    run(p.close(), line)
    run(p.close(), line)
    assert shelf.done == [("W1", "0.9.1", "123456"), ("E2", "RESET", ""), ("E2", "RESET", "tell")]
    assert codes(heard) == []
    assert text(line, "client") == [
        b"/?!\r\n",
        b"\x06051\r\n",
        Command("P", "1", b"(12345678)").encode(),
        Command("R", "1", b"1.8.0()").encode(),
        Command("W", "1", b"0.9.1(123456)").encode(),
        Command("E", "2", b"RESET()").encode(),
        Command("E", "2", b"RESET(tell)").encode(),
        B0,
    ]
    assert text(line, "server")[1:4] == [
        Command("P", "0", b"(00000000)").encode(),
        b"\x06",
        block(b"1.8.0(001846.0*kWh)"),
    ]


def test_several_values_get_brackets_each() -> None:
    line = port(meter(shelf := Shelf()))
    p = session(line, write=True)
    run(p.write("0.9.2", ["0171021", "00000000"], "W5"), line)
    assert text(line, "client")[-1] == Command("W", "5", b"0.9.2(0171021)(00000000)").encode()
    assert shelf.done == [("W5", "0.9.2", "0171021)(00000000")]


# ---- wire vectors


def test_vectors() -> None:
    assert Command("B", "0").encode().hex() == "0142300371"
    assert to_line(Command("B", "0").encode()).hex() == "8142300371"
    assert Command("B", "0").encode(add=True).hex() == "0142300375"
    # P1 with the password of many meters, and a register: BCC by hand.
    assert Command("P", "1", b"(00000000)").encode().hex() == "015031022830303030303030302903" + "61"
    assert Command("R", "1", b"1.8.0()").encode().hex() == "01523102" + b"1.8.0()".hex() + "03" + "5a"


@pytest.mark.parametrize("piece", [None, 1])
def test_a_session_octet_by_octet_and_whole(piece: int | None) -> None:
    line = port(meter(), replace(LINE, piece=piece, latency=0.016 if piece else 0.0))
    heard: list[Any] = []
    p = session(line, heard)
    assert run(p.read("C.1"), line, heard.append)[0].value.text == "777"
    assert codes(heard) == []


# ---- password


@pytest.mark.parametrize("wrong", ["B0", "NAK", "ERROR"])
def test_a_wrong_password_is_sent_once(wrong: str) -> None:
    line = port(meter(wrong=wrong))
    with pytest.raises(AuthenticationFailed, match="refused the password") as refused:
        session(line, password="wrong-one")
    sent = [each for each in text(line, "client") if each.startswith(b"\x01P1")]
    assert len(sent) == 1
    assert "wrong-one" not in f"{refused.value!r} {refused.value} {refused.value.__dict__}"
    assert (B0 in text(line, "client")) == (wrong != "B0")
    assert run(open_programming(SignOn(), programming=ProgrammingSettings(PASSWORD)), line)


def test_a_refused_password_is_never_sent_again() -> None:
    line = port(meter())
    settings = ProgrammingSettings("wrong")
    opening = open_programming(SignOn(), programming=settings)
    with pytest.raises(AuthenticationFailed):
        run(opening, line)
    shelf = Shelf()
    line = port(meter(shelf))
    p = session(line)
    p._line = None
    p._refused = AuthenticationFailed("refused")
    before = len(line.log)
    with pytest.raises(AuthenticationFailed):
        run(p.read("C.1"), line)
    assert len(line.log) == before


def test_p2_goes_through_the_algorithm() -> None:
    side = meter(passwords={2: Secret("777777")}, operand=b"1234ABCD")
    line = port(side)
    p = session(line, password="777777", level=2, algorithm="energomera")
    assert run(p.read("C.1"), line)
    expected = energomera(b"1234ABCD", Secret("777777"))
    assert Command("P", "2", b"(" + expected + b")").encode() in text(line, "client")
    line = port(side)
    quirks = Quirks(password_level=2, secure_algorithm="energomera")
    assert session(line, settings=SignOn(quirks=quirks), password="777777")
    line = port(side)
    with pytest.raises(AuthenticationFailed):
        session(line, password="777777")


def test_p2_without_an_algorithm_says_so_and_signs_off() -> None:
    line = port(meter())
    with pytest.raises(LocalProtocolError, match="secure algorithm"):
        session(line, level=2)
    assert text(line, "client")[-1] == B0


def test_energomera() -> None:
    # The CRC-32 of zip begins with ones and ends inverted; begun with ones, ours is its inverse.
    assert energomera(b"FFFFFFFF", Secret("123456789")) == b"%08X" % (0xCBF43926 ^ 0xFFFFFFFF)
    assert energomera(b"00000000", Secret("")) == b"00000000"
    for operand in (b"", b"1234567", b"123456789", b"ABCDEFGH", b"\xff" * 8):
        with pytest.raises(DecodeError, match="eight hex digits"):
            energomera(operand, Secret("777777"))


def test_algorithms_by_name() -> None:
    def mine(operand: bytes, password: Secret) -> bytes:
        return operand[::-1] + bytes(password)

    register("test-mine", mine)
    register("test-mine", mine)
    assert algorithm_for("test-mine") is mine
    with pytest.raises(LocalProtocolError, match="already"):
        register("test-mine", energomera)
    with pytest.raises(LocalProtocolError, match="no secure algorithm"):
        algorithm_for("nobody")
    side = meter(passwords={2: PASSWORD}, algorithm=mine)
    assert session(port(side), level=2, algorithm=mine)


def test_an_algorithm_that_fails_keeps_the_password_to_itself() -> None:
    def broken(operand: bytes, password: Secret) -> bytes:
        raise ValueError(bytes(password).decode())

    line = port(meter())
    with pytest.raises(LocalProtocolError, match="ValueError") as failed:
        session(line, level=2, algorithm=broken)
    assert "12345678" not in str(failed.value) and failed.value.__cause__ is None
    assert text(line, "client")[-1] == B0


def test_settings_show_no_password() -> None:
    assert "12345678" not in repr(ProgrammingSettings("12345678"))
    with pytest.raises(LocalProtocolError, match="no password level"):
        ProgrammingSettings(level=3)  # type: ignore[arg-type]
    with pytest.raises(LocalProtocolError, match="cannot|can carry"):
        session(port(meter()), password="(12)")


def test_without_a_password() -> None:
    line = port(meter())
    p = session(line, password=None, write=True)
    assert run(p.read("C.1"), line)
    with pytest.raises(MeterReportedError) as refused:
        run(p.write("0.9.1", "0"), line)
    assert refused.value.code == "ER01"
    assert not any(each.startswith(b"\x01P") for each in text(line, "client"))
    line = port(meter(reads="password"))
    p = session(line, password=None)
    with pytest.raises(MeterReportedError):
        run(p.read("C.1"), line)


# ---- how it begins


@pytest.mark.parametrize("latency", [0.0, 0.016])
@pytest.mark.parametrize("greeting", ["ack", "operand", "none"])
def test_greetings(greeting: str, latency: float) -> None:
    line = port(meter(greeting=greeting), replace(LINE, latency=latency))
    quirks = Quirks(password_operand=greeting != "none")
    heard: list[Any] = []
    p = session(line, heard, SignOn(quirks=quirks))
    assert run(p.read("C.1"), line)
    assert codes(heard) == (["no-operand"] if greeting == "ack" else [])


@pytest.mark.parametrize("echo", ["full", "partial"])
@pytest.mark.parametrize("greeting", ["ack", "operand"])
@pytest.mark.parametrize("identification", [b"/ABC5METER", b"/ABC0METER"])
def test_a_probe_that_returns_our_light(echo: Any, greeting: str, identification: bytes) -> None:
    for seed in range(5):
        line = port(meter(identification=identification, greeting=greeting), replace(LINE, echo=echo, seed=seed))
        p = session(line, write=True)
        assert run(p.read("1.8.0"), line)[0].value.text == "001846.0"
        assert run(p.read_blocks("P.01", ";"), line) == b"".join(PROFILE)
        run(p.write("0.9.1", "5"), line)


def test_a_meter_without_programming_mode() -> None:
    line = VirtualPort(serve(OpticalMeter(b"/ABC5METER", lambda: DATA)), LINE)
    with pytest.raises(MeterReportedError, match="does not let") as refused:
        session(line)
    assert refused.value.code == "B0"


@pytest.mark.parametrize("identification", [b"/ABC;METER", b"/ABCCMETER"])
def test_a_meter_of_another_mode(identification: bytes) -> None:
    line = port(meter(identification=identification))
    with pytest.raises(MeterReportedError, match="no programming mode"):
        session(line)


def test_mode_e_is_asked_for_mode_c() -> None:
    line = port(meter(identification=rb"/ABC5\2METER"))
    assert run(session(line).read("C.1"), line)
    assert b"\x06051\r\n" in text(line, "client")


def test_from_a_meter_that_has_signed_on() -> None:
    line = port(meter())

    def signed(option: str) -> Dialog[SignedOn]:
        return sign_on(SignOn(option=option))

    p = run(open_programming(run(signed("1"), line), programming=ProgrammingSettings(PASSWORD)), line)
    assert run(p.read("C.1"), line)
    assert len([each for each in text(line, "client") if each == b"/?!\r\n"]) == 1
    run(p.close(), line)
    line = port(meter())
    p = run(open_programming(run(signed("0"), line), programming=ProgrammingSettings(PASSWORD)), line)
    assert run(p.read("C.1"), line)


def test_a_missed_acknowledgement_is_called_again() -> None:
    line = port(replace(meter(), faults=MeterFaults(deaf_acknowledgements=1)))
    p = session(line)
    assert run(p.read("C.1"), line)


# ---- what is not sent


def test_writing_is_not_allowed_unless_asked_for() -> None:
    line = port(meter(shelf := Shelf()))
    p = session(line)
    before = len(line.log)
    for order in (p.write("0.9.1", "0"), p.execute("RESET")):
        with pytest.raises(LocalProtocolError, match="not allowed"):
            run(order, line)
    assert len(line.log) == before and shelf.done == []
    assert run(p.read("C.1"), line)


@pytest.mark.parametrize(
    ("address", "value"),
    [("1.8(", ""), ("a b", ""), ("1/2", ""), ("1!", ""), ("\x02", ""), ("1.8.0", "a(b"), ("1.8.0", "\x03"), ("é", "")],
)
def test_characters_that_no_data_set_carries(address: str, value: str) -> None:
    line = port(meter())
    p = session(line, write=True)
    before = len(line.log)
    for order in (p.read(address, value), p.write(address, value), p.execute(address, value)):
        with pytest.raises(LocalProtocolError, match="can carry"):
            run(order, line)
    for command in ("R", "R0", "RA", "W1", "r1", "R11", "R²"):
        with pytest.raises(LocalProtocolError, match="no such command"):
            run(p.read("1.8.0", command=command), line)
    assert len(line.log) == before


# ---- answers that refuse


def test_error_replies_keep_the_session() -> None:
    line = port(meter())
    p = session(line, write=True)
    for order in (p.read("X"), p.read_blocks("X"), p.write("C.1", "0")):
        with pytest.raises(MeterReportedError) as refused:
            run(order, line)
        assert refused.value.code in ("ERR14", "ER02")
    assert run(p.read("C.1"), line)
    assert text(line, "client").count(b"/?!\r\n") == 1


# ---- partial blocks


def test_partial_blocks() -> None:
    line = port(meter())
    p = session(line)
    heard: list[Any] = []
    assert run(p.read_blocks("P.01", "0;1", "R6"), line, heard.append) == b"".join(PROFILE)
    blocks = [each for each in heard if isinstance(each, Block)]
    assert [each.text for each in blocks] == PROFILE
    assert [each.number for each in blocks] == [0, 1, 2, 3]
    assert [each.offset for each in blocks] == [sum(map(len, PROFILE[:n])) for n in range(4)]
    assert [each.last for each in blocks] == [False, False, False, True]
    assert text(line, "client").count(b"\x06") == 3


def test_read_takes_partial_blocks_too() -> None:
    line = port(meter(block_size=5))
    assert run(session(line).read("1.8.0", command="R3"), line)[0].value.text == "001846.0"
    assert text(line, "client").count(b"\x06") == 3


def test_partial_writes() -> None:
    line = port(meter(shelf := Shelf()))
    p = session(line, write=True)
    run(p.write("0.9.1", "x" * 300, "W3"), line)
    assert shelf.values["0.9.1"] == "x" * 300
    commands = [each for each in text(line, "client") if each.startswith(b"\x01W3")]
    assert [each[-2] for each in commands] == [4, 4, 3]


# ---- damage


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("fault", ["bad_bcc", "refused"])
def test_damaged_messages_are_repeated_three_times(fault: str, count: int) -> None:
    line = port(meter(shelf := Shelf(), faults=CommandFaults(1, **{fault: count})))
    p = session(line, write=True)
    assert run(p.read("C.1"), line)
    assert run(p.read("C.1"), line)
    sessions = text(line, "client").count(b"/?!\r\n")
    assert sessions == 1
    naks = text(line, "client").count(b"\x15")
    assert naks == (count if fault == "bad_bcc" else 0)
    line = port(meter(shelf, faults=CommandFaults(1, **{fault: count})))
    p = session(line, write=True)
    run(p.write("0.9.1", "7"), line)
    assert shelf.done == [("W1", "0.9.1", "7")] * len(shelf.done)


def test_nak_without_end() -> None:
    line = port(meter(faults=CommandFaults(1, refused=100)))
    with pytest.raises(MeterReportedError) as refused:
        run(session(line).read("C.1"), line)
    assert refused.value.code == "NAK"
    assert len([each for each in text(line, "client") if each.startswith(b"\x01R1")]) == 4


def test_bad_bcc_without_end_is_another_session_and_then_an_error() -> None:
    line = port(meter(faults=CommandFaults(1, bad_bcc=6)))
    p = session(line)
    assert run(p.read("C.1"), line)
    assert text(line, "client").count(b"/?!\r\n") == 2
    assert text(line, "client").count(B0) == 1
    line = port(meter(faults=CommandFaults(1, bad_bcc=100)))
    p = session(line)
    with pytest.raises(MeterError):
        run(p.read("C.1"), line)


def test_a_write_whose_answer_is_lost_is_not_repeated() -> None:
    line = port(meter(shelf := Shelf(), faults=CommandFaults(1, swallowed=1)))
    p = session(line, write=True)
    with pytest.raises(NoAnswer, match="not known"):
        run(p.write("0.9.1", "7"), line)
    assert shelf.done == [("W1", "0.9.1", "7")]
    assert text(line, "client")[-1] == B0
    assert run(p.read("0.9.1"), line)[0].value.text == "7"


@pytest.mark.parametrize("fault", ["deaf", "swallowed", "cut"])
def test_silence_and_broken_answers(fault: str) -> None:
    line = port(meter(faults=CommandFaults(1, **{fault: 1})))
    p = session(line)
    heard: list[Any] = []
    assert run(p.read("C.1"), line, heard.append)[0].value.text == "777"
    assert set(codes(heard)) == {"answer-broken-off" if fault == "cut" else "no-answer"}
    assert text(line, "client").count(b"/?!\r\n") == 1


def test_an_answer_that_breaks_off_twice_is_another_session() -> None:
    line = port(meter(faults=CommandFaults(1, cut=2)))
    p = session(line)
    heard: list[Any] = []
    assert run(p.read("C.1"), line, heard.append)[0].value.text == "777"
    sent = text(line, "client")
    assert sent.count(b"/?!\r\n") == 2 and sent.count(B0) == 1 and sent.count(b"\x15") == 1
    assert any(isinstance(each, State) and "another session" in each.text for each in heard)
