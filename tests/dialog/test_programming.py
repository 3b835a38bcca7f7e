"""Programming mode, both sides joined over a modelled line under a virtual clock."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from programming_rig import B0, DATA, LINE, PASSWORD, PROFILE, Shelf, codes, meter, port, session, text

from metersdk.apdu.keys import Secret
from metersdk.apdu.secure import algorithm_for, energomera, register
from metersdk.dialog.iec62056_21 import SignedOn, SignOn, sign_on
from metersdk.dialog.iec62056_21_meter import MeterFaults, OpticalMeter, serve
from metersdk.dialog.programming import Block, ProgrammingSettings, open_programming
from metersdk.dialog.programming_meter import CommandFaults
from metersdk.effects import Dialog, Receive, Send, SetLine, Sleep
from metersdk.errors import (
    AuthenticationFailed,
    ChecksumError,
    DecodeError,
    LocalProtocolError,
    MeterReportedError,
    NoAnswer,
)
from metersdk.frame.iec62056_21 import Command, block, to_line
from metersdk.model.quirks import Quirks
from metersdk.port.drive import run
from metersdk.port.line import LineModel
from metersdk.port.virtual import VirtualPort


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


def test_a_password_refused_later_on_is_never_sent_again() -> None:
    passwords = {1: PASSWORD}
    line = port(meter(passwords=passwords))
    p = session(line)
    run(p.close(), line)
    passwords[1] = Secret("changed")
    with pytest.raises(AuthenticationFailed):
        run(p.read("C.1"), line)
    before = len(line.log)
    for _ in range(3):
        with pytest.raises(AuthenticationFailed):
            run(p.read("C.1"), line)
    assert len(line.log) == before


def test_a_password_is_sent_again_after_nak_if_it_was_taken_before_or_on_request() -> None:
    """A bit of the password command is hit on its way, so that the meter says NAK."""

    def hit(line: VirtualPort, frame: int) -> None:
        sent, send = [0], line.send

        def damaging(data: bytes) -> None:
            sent[0] += 1
            send(data[:-1] + bytes((data[-1] ^ 0x03,)) if sent[0] == frame else data)

        line.send = damaging  # type: ignore[method-assign]

    line = port(meter())
    hit(line, 3)
    with pytest.raises(AuthenticationFailed, match="NAK"):
        session(line)
    line = port(meter())
    hit(line, 3)
    assert session(line, repeat_password=True)
    line = port(meter())
    p = session(line)
    run(p.close(), line)
    hit(line, 3)
    assert run(p.read("C.1"), line)
    assert len([each for each in text(line, "client") if each.startswith(b"\x01P1")]) == 3


@pytest.mark.parametrize("fault", ["bad_bcc", "cut", "dropped"])
def test_a_refusal_that_is_lost_is_nothing_to_repeat(fault: str) -> None:
    faults = CommandFaults() if fault == "dropped" else CommandFaults(0, **{fault: 100})
    # Identification, ACK, and then the answer to the password.
    model = replace(LINE, drop_answers=frozenset({2} if fault == "dropped" else ()))
    line = port(meter(greeting="ack", faults=faults), model)
    with pytest.raises((NoAnswer, ChecksumError)) as lost:
        session(line, password="wrong")
    assert not lost.value.retryable
    assert len([each for each in text(line, "client") if each.startswith(b"\x01P1")]) == 1


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


def test_an_algorithm_that_fails_is_named_with_its_place_and_no_secret() -> None:
    def mine(operand: bytes, password: bytes) -> bytes:
        raise ValueError(f"no good: {bytes(password)!r}")

    line = port(meter(passwords={2: Secret("777777")}, operand=b"1234ABCD"))
    with pytest.raises(LocalProtocolError, match=r"ValueError \(.*mine, line \d+ of .*test_programming") as told:
        session(line, password="777777", level=2, algorithm=mine)
    assert "777777" not in str(told.value) and "bytes(password)" in told.value.hint
    assert B0 in text(line, "client")


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
    with pytest.raises(LocalProtocolError, match="can carry"):
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
        assert (refused.value.code, refused.value.number) in (("ERR14", 14), ("ER02", 2))
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


# ---- without a session


def sessionless(**options: Any) -> OpticalMeter:
    side = meter(passwords={}, sessionless=True, group="GRPNM", add=True, **options)
    return replace(side, initial_baud=9600, address="123456789")


CE = Quirks(sessionless=True, group_command="GRPNM", request_limit=160, initial_baud=9600, block_check="add")


def test_commands_without_a_session() -> None:
    line = port(sessionless(), LineModel(baud=9600))
    settings = SignOn(address="123456789").opened_for(CE)
    p = run(open_programming(settings), line)
    assert text(line, "client") == []
    assert run(p.read("C.1"), line)[0].value.text == "777"
    found = run(p.read_group(["C.1", "1.8.0"]), line)
    assert [each.address for each in found] == ["C.1", "1.8.0"]
    run(p.close(), line)
    prefix = b"/?123456789!"
    assert text(line, "client") == [
        prefix + Command("R", "1", b"C.1()").encode(add=True),
        prefix + Command("R", "1", b"GRPNM(C.1()1.8.0())").encode(add=True),
    ]
    with pytest.raises(LocalProtocolError, match="no password"):
        run(open_programming(settings, programming=ProgrammingSettings("x")), line)
    with pytest.raises(LocalProtocolError, match="not allowed"):
        run(p.write("C.1", "1"), line)


def test_a_damaged_answer_without_a_session_is_asked_for_again() -> None:
    line = port(sessionless(faults=CommandFaults(0, bad_bcc=1)), LineModel(baud=9600))
    p = run(open_programming(SignOn(address="123456789").opened_for(CE)), line)
    assert run(p.read("C.1"), line)[0].value.text == "777"
    assert b"\x15" not in text(line, "client")
    assert len(text(line, "client")) == 2


def test_groups_keep_to_the_length_of_a_request() -> None:
    shelf = Shelf()
    names = [f"REG{number:02d}" for number in range(40)]
    shelf.values |= {name: str(number) for number, name in enumerate(names)}
    side = meter(shelf, passwords={}, sessionless=True, group="GRPNM", add=True)
    line = port(replace(side, initial_baud=9600), LineModel(baud=9600))
    p = run(open_programming(SignOn().opened_for(CE)), line)
    assert [each.value.text for each in run(p.read_group(names), line)] == [str(number) for number in range(40)]
    sent = text(line, "client")
    assert 1 < len(sent) <= 3 and max(map(len, sent)) <= 160
    with pytest.raises(LocalProtocolError, match="takes 160"):
        run(p.read("1.8.0", "9" * 150), line)
    plain = port(meter(shelf))
    assert len(run(session(plain).read_group(names[:3]), plain)) == 3


def test_reading_without_a_session_comes_from_nobody_else() -> None:
    line = port(sessionless(), LineModel(baud=9600))
    p = run(open_programming(SignOn(address="42").opened_for(CE)), line)
    with pytest.raises(NoAnswer):
        run(p.read("C.1"), line)


def test_a_line_without_parity_is_told_from_a_damaged_one() -> None:
    class Terse(Shelf):
        def read(self, address: str, values: str, command: str) -> bytes:
            return b"(1)"

    # A gateway that does 7E1 itself hands on octets without it: six of them tell nothing, the session does.
    line = port(meter(Terse()), replace(LINE, form="8N1"))
    opened = session(line)
    for _ in range(3):
        (found,) = run(opened.read("1.8.0"), line)
        assert found.value.text == "1"
    run(opened.close(), line)
    assert b"\x15" not in text(line, "client")


def test_a_long_command_leaves_before_the_time_for_its_answer_begins() -> None:
    # 138 characters take 4.6 s at 300 Bd, and this port does not wait for them.
    line = port(meter(shelf := Shelf(), b"/ABC0METER"), replace(LINE, drain_lies=True))
    opened = session(line, write=True, response=2.0)
    run(opened.write("1.8.0", "1" * 125), line)
    assert shelf.values["1.8.0"] == "1" * 125


@pytest.mark.parametrize("silence", [50.0, 75.0, 200.0])
def test_a_call_after_a_long_silence_signs_on_again(silence: float) -> None:
    # The meter of this test waits 90 s, others 60.
    line = port(meter(shelf := Shelf()))
    opened = session(line, write=True)
    run(opened.read("1.8.0"), line)
    line.sleep(silence)
    begun = line.now()
    run(opened.write("1.8.0", "5"), line)
    assert shelf.done == [("W1", "1.8.0", "5")]
    assert text(line, "client").count(b"/?!\r\n") == (1 if silence < 60 else 2)
    assert line.now() - begun < 4.0


@pytest.mark.parametrize(
    ("answer", "values", "told"),
    [(b"1.8.0(12,5 kWh)", ["12,5*kWh"], ["unit-in-value", "decimal-comma"]), (b"12345", [], ["stray"])],
)
def test_liberties_of_an_answer_are_told(answer: bytes, values: list[str], told: list[str]) -> None:
    class Free(Shelf):
        def read(self, address: str, values: str, command: str) -> bytes:
            return answer

    line = port(meter(Free()))
    heard: list[Any] = []
    opened = session(line, heard)
    found = run(opened.read("1.8.0"), line, heard.append)
    assert [str(each.value) for each in found] == values and codes(heard) == told


def test_a_second_answer_to_the_question_before_is_dropped() -> None:
    def slow() -> Dialog[None]:
        yield SetLine(300)
        yield from heard_to(b"\n")
        yield Sleep(0.2)
        yield Send(to_line(b"/ABC0METER\r\n"))
        yield from heard_to(b"\n")
        yield Sleep(0.2)
        yield Send(b"\x06")
        # It answers after 6 s, once for each time it was asked; and the next question lies there by then.
        yield from heard_to(b"\x03", b"\x5a")
        yield Sleep(6.0)
        for name in (b"1.8.0(1)", b"1.8.0(1)", b"C.1(7)"):
            yield Send(to_line(block(name)))
            yield Sleep(1.0)

    line = VirtualPort(slow(), LINE)
    heard: list[Any] = []
    opened = session(line, heard, password=None)
    (first,) = run(opened.read("1.8.0"), line, heard.append)
    (second,) = run(opened.read("C.1"), line, heard.append)
    assert (first.address, second.address, second.value.text) == ("1.8.0", "C.1", "7")
    assert codes(heard) == ["no-operand", "no-answer", "answer-late"]


def heard_to(*ends: bytes) -> Dialog[None]:
    octets = b""
    while not octets.endswith(ends):
        octets += yield Receive(3600)


@pytest.mark.parametrize("latency", [0.0, 0.005, 0.016, 0.03])
@pytest.mark.parametrize("identification", [b"/ABC5METER", b"/ABc5METER"])
def test_the_echo_of_a_nak_is_no_nak_of_the_meter(identification: bytes, latency: float) -> None:
    # A fast meter, and a head that hands on what it hears late.
    side = meter(identification=identification, faults=CommandFaults(good_commands=2, bad_bcc=1))
    line = port(side, replace(LINE, echo="full", latency=latency))
    heard: list[Any] = []
    opened = session(line, heard)
    for _ in range(3):
        (found,) = run(opened.read("1.8.0"), line, heard.append)
        assert str(found.value) == "001846.0*kWh"
    assert "nak" not in codes(heard) and codes(heard).count("block-repeated") == 1
