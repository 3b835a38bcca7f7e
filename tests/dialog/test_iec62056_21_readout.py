"""The readout of IEC 62056-21: damaged blocks, parity, what proves the data, what it may take."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from optical_rig import DATA, LINE, answering, codes, is_whole, meter, port, read

from metersdk.apdu.dataset import DataSet
from metersdk.dialog.iec62056_21 import SignOn
from metersdk.dialog.iec62056_21_meter import MeterFaults, OpticalMeter, serve
from metersdk.dialog.iec62056_21_readout import Withdrawn
from metersdk.effects import Dialog, Progress, Receive, Send
from metersdk.errors import (
    ChecksumError,
    LimitExceeded,
    MeterReportedError,
)
from metersdk.frame.iec62056_21 import SIGN_OFF, block, from_line, to_line
from metersdk.port.drive import iterate, run
from metersdk.port.line import LineModel
from metersdk.port.virtual import VirtualPort


@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_damaged_block_is_asked_for_again(times: int) -> None:
    line = port(meter(faults=MeterFaults(bad_bcc=times)))
    events = iterate(read(), line)
    emitted = list(events)
    home = events.result
    assert is_whole(home) and codes(home) == ["block-repeated"] * times
    assert [e.data for e in line.log if e.side == "client"].count(b"\x95") == times
    # What was emitted, less what was withdrawn, is what came home.
    sets: list[DataSet] = []
    for event in emitted:
        if isinstance(event, Withdrawn):
            sets = [s for s in sets if s.offset < event.offset]
        elif isinstance(event, DataSet):
            sets.append(event)
    assert tuple(sets) == home.data_sets
    assert [e for e in emitted if isinstance(e, Progress)][-1].done >= len(DATA)


def test_a_block_that_stays_damaged() -> None:
    line = port(meter(faults=MeterFaults(bad_bcc=4)))
    with pytest.raises(ChecksumError):
        run(read(), line)
        assert from_line([event for event in line.log if event.side == "client"][-1].data)[0] == SIGN_OFF
    assert is_whole(run(read(), line))


@pytest.mark.parametrize("size", [1, 10, 30, 64])
def test_partial_blocks_with_a_bad_one_amid(size: int) -> None:
    line = port(meter(block_size=size, faults=MeterFaults(bad_bcc=1, good_blocks=1)))
    home = run(read(), line)
    assert is_whole(home) and codes(home) == ["block-repeated"]


def test_the_reader_keeps_tr_between_blocks() -> None:
    line = port(meter(block_size=40))
    assert is_whole(run(read(), line))
    sends = [e for e in line.log if e.kind == "send"]
    assert [e.data for e in sends].count(b"\x06") == 2
    assert all(0.2 - 1e-6 <= b.start - a.end <= 1.5 for a, b in pairwise(sends))


@pytest.mark.parametrize("lost", [2, 3])
def test_a_block_whose_acknowledgement_was_lost_is_taken_once(lost: int) -> None:
    line = port(meter(block_size=40), replace(LINE, drop_requests=frozenset({lost})))
    home = run(read(), line)
    assert is_whole(home) and codes(home) == ["block-repeated", "block-duplicate"]


def test_blocks_of_the_same_text_are_as_many_as_were_sent() -> None:
    lines = b"1.8.0(1)\r\n" * 3
    line = port(OpticalMeter(b"/ABC5METER", lambda: lines, block_size=10), replace(LINE, drop_requests=frozenset({3})))
    home = run(read(), line)
    assert home.text == lines + b"!\r\n" and codes(home) == ["block-repeated", "block-duplicate"]


def test_parity_errors_are_found_and_placed() -> None:
    message = to_line(block(DATA + b"!\r\n"))
    one, two = bytearray(message), bytearray(message)
    one[10] ^= 0x80
    # Two bits of one column: the BCC cannot see them, the parity does.
    two[10] ^= 0x01
    two[20] ^= 0x01

    def server(answers: list[bytes]) -> Dialog[None]:
        yield from answering(b"/ABC0METER\r\n", answers)

    home = run(read(), port(server([bytes(one)])))
    assert is_whole(home) and [(f.code, f.offset) for f in home.findings] == [("parity", 12 + 10)]
    home = run(read(), port(server([bytes(two), message])))
    assert is_whole(home) and [(f.code, f.offset) for f in home.findings[:2]] == [("parity", 22), ("parity", 32)]
    assert codes(home)[2] == "block-repeated"


def test_a_line_without_parity_is_told() -> None:
    home = run(read(), port(answering(b"/ABC0METER\r\n", [block(DATA + b"!\r\n")])))
    assert is_whole(home) and codes(home) == ["line-format"]


def test_parity_left_to_the_port() -> None:
    line = port(meter(parity="hardware"))
    assert is_whole(run(read(SignOn(parity="hardware")), line))
    assert all(e.data.isascii() for e in line.log)


def test_octets_that_another_reader_took_are_no_readout() -> None:
    # "5" is gone from the identification, which makes it mode A; of the block, its end. Parity is right all over.
    bare = to_line(b"\x02" + DATA.replace(b"1", b"") + b"!\r\n")
    home = run(read(), port(answering(b"/ABCMETER\r\n", [bare, block(DATA + b"!\r\n")])))
    assert is_whole(home) and "block-repeated" in codes(home)


def test_a_meter_without_bcc_is_believed_when_it_says_the_same_twice() -> None:
    bare = to_line(b"\x02" + DATA + b"!\r\n")
    home = run(read(), port(answering(b"/ABC0METER\r\n", [bare, bare])))
    assert home.text == DATA + b"!\r\n" and home.proved is None
    assert codes(home) == ["block-repeated", "etx-missing"]
    other = to_line(b"\x02" + DATA[3:] + b"!\r\n")
    with pytest.raises(ChecksumError):
        run(read(), port(answering(b"/ABC0METER\r\n", [bare, other, bare, other])))


@pytest.mark.parametrize(
    ("message", "code"),
    [(block(b"(ER01)"), "ER01"), (block(b"(ERROR)"), "ERROR"), (SIGN_OFF, "B0")],
)
def test_what_the_meter_reports(message: bytes, code: str) -> None:
    with pytest.raises(MeterReportedError) as caught:
        run(read(), port(answering(b"/ABC0METER\r\n", [to_line(message)] * 9)))
    assert caught.value.code == code


def test_a_sum_for_a_bcc() -> None:
    text = DATA + b"!\r\n\x03"
    message = to_line(b"\x02" + text + bytes((sum(text) & 0x7F,)))
    home = run(read(SignOn(checksum="add")), port(answering(b"/ABC0METER\r\n", [message])))
    assert is_whole(home)


def test_memory_stays_bounded_without_keeping() -> None:
    lines = b"1.8.0(001846.0*kWh)\r\n" * 20_000
    line = VirtualPort(serve(OpticalMeter(b"/ABC6METER", lambda: lines)), LineModel())
    sets = 0

    def count(event: object) -> None:
        nonlocal sets
        sets += isinstance(event, DataSet)

    home = run(read(keep=False), line, count)
    assert sets == 20_000 and home.data_sets == () and home.text == b"" and home.proved


def test_a_readout_larger_than_any_meter_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("metersdk.dialog.iec62056_21_readout.TEXT_LIMIT", 100)
    line = port(meter(block_size=20), LINE)
    run(read(), line)
    line = VirtualPort(serve(OpticalMeter(b"/ABC5METER", lambda: DATA * 2)), LINE)
    with pytest.raises(LimitExceeded):
        run(read(), line)


def test_where_no_bcc_proves_the_data_every_parity_bit_counts() -> None:
    """Mode A without STX and BCC: a damaged octet is seen by its parity alone, and the data are asked for again."""
    text = to_line(b"1.8.0(001846.0*kWh)\r\n!\r\n")
    damaged = text[:8] + bytes((text[8] ^ 0x04,)) + text[9:]

    def sends(*answers: bytes) -> Dialog[None]:
        for number, answer in enumerate((to_line(b"/ABC;METER\r\n"), *answers)):
            # Mode A: the data follow the identification unasked; then a NAK is waited for.
            if number != 1:
                yield Receive(float("inf"))
            while (yield Receive(0.3)):
                pass
            yield Send(answer)
        yield Receive(float("inf"))

    home = run(read(), port(sends(damaged, text)))
    assert [data_set.value.text for data_set in home.data_sets] == ["001846.0"] and "block-repeated" in codes(home)
    # Each time another octet: the same damage twice would be no damage.
    others = [text[:at] + bytes((text[at] ^ 0x04,)) + text[at + 1 :] for at in range(8, 12)]
    with pytest.raises(ChecksumError):
        run(read(), port(sends(*others)))
