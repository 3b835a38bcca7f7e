"""What a meter says in programming mode, whole, octet by octet, amid noise, and damaged."""

from __future__ import annotations

import pytest

from metersdk.errors import LimitExceeded
from metersdk.frame.iec62056_21 import SIGN_OFF, Command, block, block_check
from metersdk.frame.iec62056_21_answer import Answer, AnswerScanner

XOR, ADD = frozenset({"xor"}), frozenset({"add"})

VECTORS = [
    (b"\x06", Answer("ack")),
    (b"\x15", Answer("nak")),
    (block(b"1.8.0(5)"), Answer("data", b"1.8.0(5)", fits=XOR)),
    (block(b"1.8.0(5)", partial=True), Answer("data", b"1.8.0(5)", partial=True, fits=XOR)),
    (block(b"1.8.0(5)", add=True), Answer("data", b"1.8.0(5)", fits=ADD)),
    (Command("P", "0", b"(12345678)").encode(), Answer("command", b"(12345678)", "P0", fits=XOR)),
    (Command("P", "0").encode(), Answer("command", None, "P0", fits=XOR)),
    (SIGN_OFF, Answer("command", None, "B0", fits=XOR)),
    (Command("B", "0").encode(add=True), Answer("command", None, "B0", fits=ADD)),
    (block(b""), Answer("data", b"", fits=frozenset({"xor", "add"}))),
]


def scan(pieces: list[bytes]) -> tuple[Answer | None, int]:
    scanner, used = AnswerScanner(), 0
    for piece in pieces:
        if scanner.answer is None:
            used += scanner.feed(piece)
    return scanner.answer, used


@pytest.mark.parametrize(("octets", "answer"), VECTORS)
def test_whole_in_pieces_and_with_others_behind(octets: bytes, answer: Answer) -> None:
    assert scan([octets]) == (answer, len(octets))
    assert scan([octets[at : at + 1] for at in range(len(octets))]) == (answer, len(octets))
    assert scan([octets + b"\x7e\xa0 rest"]) == (answer, len(octets))
    noise = b"\xff~0q\0\0"
    assert scan([noise + octets]) == (answer, len(noise) + len(octets))


@pytest.mark.parametrize("octets", [octets for octets, _ in VECTORS if len(octets) > 1])
def test_every_cut_is_no_answer(octets: bytes) -> None:
    for cut in range(len(octets)):
        scanner = AnswerScanner()
        assert scanner.feed(octets[:cut]) == cut
        assert scanner.answer is None
        assert scanner.started == (cut > 0)
        assert scanner.noise == b""


@pytest.mark.parametrize("at", range(1, 10))
def test_a_flipped_bit_is_not_proved(at: int) -> None:
    octets = bytearray(block(b"1.8.0(5)"))
    octets[at] ^= 0x20
    answer, _ = scan([bytes(octets)])
    assert answer is None or "xor" not in answer.fits


def test_a_beginning_that_was_lost_and_a_command_that_is_none() -> None:
    assert scan([b"0(5)\x03\x11"])[0] == Answer("broken")
    assert scan([b"\x01P\x03\x11"])[0] == Answer("broken")
    assert scan([b"\x01P0x\x03\x11"])[0] == Answer("broken")


def test_nuls_are_left_out_and_told() -> None:
    answer, _ = scan([b"\x021.8\0.0(5)\x03" + bytes((block_check(b"1.8.0(5)\x03"),))])
    assert answer == Answer("data", b"1.8.0(5)", fits=XOR, nuls=True)


def test_noise_without_end_and_a_message_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    scanner = AnswerScanner()
    for _ in range(100):
        assert scanner.feed(b"x" * 100) == 100
    assert len(scanner.noise) <= 512
    monkeypatch.setattr("metersdk.frame.iec62056_21_answer.MESSAGE_LIMIT", 1000)
    scanner = AnswerScanner()
    with pytest.raises(LimitExceeded):
        for _ in range(100):
            scanner.feed(b"\x02" + b"x" * 100)


def test_a_password_does_not_show() -> None:
    assert "12345678" not in repr(Answer("command", b"(12345678)", "P1"))
    assert repr(Answer("data", b"(5)")) == "Answer(data, b'(5)')"
