"""Programming mode on lines that damage, lose and cut what they carry; and how it is left."""

from __future__ import annotations

from dataclasses import replace
from itertools import repeat
from typing import Any

import pytest
from programming_rig import B0, LINE, PROFILE, Shelf, codes, meter, port, session, text

from metersdk.dialog.iec62056_21 import SignOn
from metersdk.dialog.iec62056_21_meter import serve
from metersdk.dialog.optical import OpticalLine
from metersdk.dialog.programming import Block
from metersdk.dialog.programming_line import ProgrammingLine, Silence
from metersdk.dialog.programming_meter import CommandFaults, ProgrammingMeter
from metersdk.effects import Dialog, Receive, Send, Sleep, State
from metersdk.errors import (
    AuthenticationFailed,
    ChecksumError,
    LimitExceeded,
    MeterError,
    MeterReportedError,
    NoAnswer,
    PartialResult,
    PortClosed,
)
from metersdk.frame.buffer import ReceiveBuffer
from metersdk.frame.iec62056_21 import Command, block, to_line
from metersdk.model.quirks import Quirks
from metersdk.port.drive import iterate, run
from metersdk.port.virtual import VirtualPort

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


def test_more_repeats_on_request() -> None:
    line = port(meter(faults=CommandFaults(1, bad_bcc=8)))
    assert run(session(line, repeats=8).read("C.1"), line)
    assert text(line, "client").count(b"/?!\r\n") == 1


def test_nak_without_end() -> None:
    line = port(meter(faults=CommandFaults(1, refused=100)))
    with pytest.raises(MeterReportedError) as refused:
        run(session(line).read("C.1"), line)
    assert (refused.value.code, refused.value.number) == ("NAK", None)
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


# ---- BCC by sum


@pytest.mark.parametrize("greeting", ["operand", "ack"])
def test_a_sum_for_a_bcc_is_found_out(greeting: str) -> None:
    line = port(meter(shelf := Shelf(), add=True, greeting=greeting, passwords={}))
    heard: list[Any] = []
    p = session(line, heard, password=None, write=True)
    if greeting == "ack":
        # Nothing has told yet, and the meter takes our XOR for damage.
        with pytest.raises(MeterReportedError) as refused:
            run(p.read("C.1"), line)
        assert refused.value.code == "NAK" and "block_check" in refused.value.hint
        return
    assert run(p.read("C.1"), line, heard.append)[0].value.text == "777"
    assert codes(heard) == ["block-repeated", "block-check-add"]
    run(p.write("0.9.1", "5"), line)
    assert shelf.done == [("W1", "0.9.1", "5")]
    run(p.close(), line)
    assert text(line, "client")[-1].hex() == "0142300375"
    assert text(line, "client").count(b"\x15") == 1


def test_a_sum_that_is_known() -> None:
    line = port(meter(add=True))
    heard: list[Any] = []
    p = session(line, heard, SignOn(checksum="add"))
    assert run(p.read("C.1"), line)
    assert codes(heard) == [] and b"\x15" not in text(line, "client")


def test_xor_by_name_forbids_the_sum() -> None:
    line = port(meter(add=True))
    with pytest.raises(ChecksumError):
        session(line, settings=SignOn(checksum="xor"))


def test_damage_that_fits_the_sum_by_chance_is_no_proof() -> None:
    """Two different damaged blocks that both fit the sum: neither is believed."""

    def hostile() -> Dialog[None]:
        lying = [b"(1)", b"(2)", b"(3)", b"(4)", b"(5)"]
        yield Sleep(0.2)
        for each in lying:
            yield Send(to_line(block(each, add=True)))
            while not (yield Receive(100.0)):
                pass

    line = VirtualPort(hostile(), LINE)
    talk = ProgrammingLine(OpticalLine(ReceiveBuffer(), SignOn().timing), "auto", 5.0, 0.2)
    with pytest.raises(ChecksumError):
        run(talk.hear(None, 1000.0, Silence.NAK), line)
    assert not talk.add


# ---- blocks that get lost


@pytest.mark.parametrize("answer", range(2, 7))
def test_a_block_that_does_not_arrive(answer: int) -> None:
    line = port(meter(), replace(LINE, drop_answers=frozenset({answer})))
    if answer == 2:
        with pytest.raises(NoAnswer):
            session(line)
        return
    p = session(line)
    assert run(p.read_blocks("P.01", ";"), line) == b"".join(PROFILE)


@pytest.mark.parametrize("request_number", range(4, 7))
def test_an_acknowledgement_that_does_not_arrive(request_number: int) -> None:
    line = port(meter(), replace(LINE, drop_requests=frozenset({request_number})))
    p = session(line)
    heard: list[Any] = []
    assert run(p.read_blocks("P.01", ";"), line, heard.append) == b"".join(PROFILE)
    assert codes(heard) == ["no-answer", "block-duplicate"]


def test_what_came_is_kept_when_it_breaks_off() -> None:
    line = port(meter(faults=CommandFaults(0)), replace(LINE, drop_answers=frozenset(range(5, 40))))
    p = session(line)
    heard: list[Any] = []
    with pytest.raises(PartialResult, match="2 blocks") as broken:
        run(p.read_blocks("P.01", ";"), line, heard.append)
    assert broken.value.result == b"".join(PROFILE[:2])
    assert isinstance(broken.value.__cause__, NoAnswer)
    assert [each.text for each in heard if isinstance(each, Block)] == PROFILE[:2]
    assert text(line, "client")[-1] == B0


def test_blocks_that_are_the_same_by_nature_are_kept() -> None:
    same = [b"(0.00)\r\n"] * 5
    side = replace(meter(), programming=ProgrammingMeter(Shelf(), lambda address, values: iter(same)))
    line = port(side)
    assert run(session(line, password=None).read_blocks("P.01"), line) == b"".join(same)


@pytest.mark.parametrize("seed", range(20))
def test_a_profile_over_a_line_that_damages(seed: int) -> None:
    line = port(meter(), replace(LINE, flip=0.01, seed=seed))
    try:
        p = session(line)
        got = run(p.read_blocks("P.01", ";"), line)
    except PartialResult as broken:
        got = broken.result  # type: ignore[assignment]
        assert b"".join(PROFILE).startswith(got)
    except MeterError:
        return
    else:
        assert got == b"".join(PROFILE)


def test_empty_blocks_without_end() -> None:
    side = replace(meter(), programming=ProgrammingMeter(Shelf(), lambda address, values: repeat(b"")))
    line = port(side)
    p = session(line, password=None)
    with pytest.raises(LimitExceeded, match="without data"):
        run(p.read_blocks("P.01"), line)
    assert B0 in text(line, "client")


def test_a_text_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("metersdk.dialog.programming.TEXT_LIMIT", 500)
    side = replace(meter(), programming=ProgrammingMeter(Shelf(), lambda address, values: repeat(b"(0.1)" * 20)))
    line = port(side)
    with pytest.raises(PartialResult) as broken:
        run(session(line, password=None).read_blocks("P.01"), line)
    assert isinstance(broken.value.__cause__, LimitExceeded)


# ---- leaving


def test_cancel_says_b0() -> None:
    line = port(meter())
    p = session(line)
    with iterate(p.read_blocks("P.01", ";"), line) as events:
        for event in events:
            if isinstance(event, Block):
                break
    assert text(line, "client")[-1] == B0
    line.sleep(1.0)
    assert any(isinstance(each, State) and each == State("ended", "B0") for each in line.server_events)
    assert run(p.read("C.1"), line)


def test_b1_for_a_meter_on_battery() -> None:
    line = port(meter())
    p = session(line, settings=SignOn(quirks=Quirks(sign_off="B1")))
    run(p.close(), line)
    assert text(line, "client")[-1] == Command("B", "1").encode()


def test_inactivity_ends_the_session_and_the_next_call_signs_on_again() -> None:
    line = port(meter(inactivity=3.0))
    p = session(line)
    line.sleep(5.0)
    heard: list[Any] = []
    assert run(p.read("C.1"), line, heard.append)[0].value.text == "777"
    assert text(line, "client").count(b"/?!\r\n") == 2


def test_total_time() -> None:
    line = port(meter(), replace(LINE, drop_answers=frozenset(range(3, 99))))
    p = session(line, total=4.0)
    begun = line.now()
    with pytest.raises(NoAnswer, match="in time"):
        run(p.read("C.1"), line)
    assert line.now() - begun < 8.0
    assert text(line, "client")[-1] == B0


# ---- every cut


def whole(line: VirtualPort) -> bytes:
    p = session(line, write=True)
    try:
        run(p.read("C.1"), line)
        got = run(p.read_blocks("P.01", ";"), line)
        run(p.write("0.9.1", "5"), line)
    finally:
        run(p.close(), line)
    return got


def octets_of(line: VirtualPort) -> int:
    return sum(len(each.data) for each in line.log if each.side == "server" and each.kind == "send")


def measured() -> int:
    line = port(meter())
    whole(line)
    return octets_of(line)


SESSION_OCTETS = measured()


def silenced(server: Dialog[Any], cut: int, plugged: list[bool]) -> Dialog[Any]:
    """``server`` whose light does not arrive from its ``cut``-th octet on, until it is plugged in again."""
    sent = 0
    answer: Any = None
    try:
        while True:
            effect = server.send(answer)
            answer = None
            if isinstance(effect, Send) and not plugged[0]:
                allowed = effect.data[: max(0, cut - sent)]
                sent += len(effect.data)
                yield Send(allowed)
                yield Sleep((len(effect.data) - len(allowed)) / 960)
                continue
            answer = yield effect
    except StopIteration:
        return None


@pytest.mark.parametrize("cut", range(SESSION_OCTETS))
def test_every_cut_ends_typed_and_the_next_session_is_clean(cut: int) -> None:
    plugged = [False]
    line = VirtualPort(silenced(serve(meter(inactivity=20.0)), cut, plugged), LINE)
    try:
        # The last octets are the ACK of the write, and nothing follows it.
        whole(line)
    except MeterError as error:
        assert not isinstance(error, AuthenticationFailed)
    begun = line.now()
    plugged[0] = True
    line.sleep(30.0)
    while line.receive(0.0):
        pass
    assert whole(line) == b"".join(PROFILE)
    assert line.now() - begun < 60.0


@pytest.mark.parametrize("cut", range(1, SESSION_OCTETS, 5))
def test_a_connection_that_closes_is_told(cut: int) -> None:
    line = port(meter(), replace(LINE, close_after=cut))
    with pytest.raises((PortClosed, PartialResult)) as told:
        whole(line)
    if isinstance(told.value, PartialResult):
        assert isinstance(told.value.__cause__, PortClosed)
