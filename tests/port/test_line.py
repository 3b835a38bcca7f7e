"""The ideal UART at the wrong speed or format, and faults that come the same in every run."""

from __future__ import annotations

import pytest

from metersdk.errors import LocalProtocolError
from metersdk.port.light import Light
from metersdk.port.line import Faults, LineModel, garbled

# A readout as meters give it; the printable text that the signatures of a wrong line were measured on is alike.
READOUT = b"".join(
    b"1-0:%d.8.%d(%08d.%03d*kWh)\r\n" % (medium, tariff, 7919 * medium * (tariff + 1), 37 * tariff)
    for medium in (1, 2, 5, 6)
    for tariff in range(4)
)
EVEN = [octet for octet in range(256) if octet.bit_count() % 2 == 0]


def odd_share(data: bytes) -> float:
    return sum(octet.bit_count() & 1 for octet in data) / len(data)


def high_share(data: bytes) -> float:
    return sum(octet >> 7 for octet in data) / len(data)


def test_the_right_speed_and_format_change_nothing() -> None:
    every = bytes(range(256))
    for baud in (300, 9600, 115200):
        assert garbled(every, baud, baud).data == every
    assert garbled(every, 300, 300).framing_errors == 0
    # 2 % off is what a UART must stand.
    assert garbled(every, 9600, 9408).data == every
    assert garbled(every, 9600, 9792).data == every


@pytest.mark.parametrize(
    ("form", "odd", "high"),
    [("7E1", 0.0, None), ("7O1", 1.0, None), ("8N1", None, 0.0), ("7N2", None, 1.0), ("7M1", None, 1.0)],
)
def test_formats_of_ten_bits_are_told_by_their_parity(form: str, odd: float | None, high: float | None) -> None:
    heard = garbled(READOUT, 300, 300, form)
    assert len(heard.data) == len(READOUT)
    assert heard.framing_errors == 0
    if odd is not None:
        assert odd_share(heard.data) == odd
    else:
        assert 0.3 < odd_share(heard.data) < 0.7
    if high is not None:
        assert high_share(heard.data) == high
    else:
        assert 0.3 < high_share(heard.data) < 0.7


def test_known_octets_of_7e1() -> None:
    assert garbled(b"/?!\r\n", 300, 300, "7E1").data == bytes.fromhex("af3f218d0a")
    assert garbled(b"\x06050\r\n", 300, 300, "7E1").data == bytes.fromhex("063035308d0a")


@pytest.mark.parametrize(
    ("sender", "receiver", "ratio", "errors", "seen"),
    [
        (300, 9600, 2.8, 1.00, {0x00}),
        (1200, 9600, 2.8, 0.56, {0x00, 0x80}),
        (2400, 9600, 2.2, 0.47, {0x80, 0x00, 0x78, 0xF8}),
        (4800, 9600, 1.5, 0.53, None),
    ],
)
def test_a_slower_sender(sender: int, receiver: int, ratio: float, errors: float, seen: set[int] | None) -> None:
    heard = garbled(READOUT, sender, receiver, "7E1")
    assert len(heard.data) / len(READOUT) == pytest.approx(ratio, abs=0.3)
    assert heard.framing_errors / len(heard.data) == pytest.approx(errors, abs=0.12)
    if seen is not None:
        assert set(heard.data) == seen


@pytest.mark.parametrize(("sender", "ratio"), [(600, 0.44), (9600, 0.03)])
def test_a_faster_sender_gives_fewer_octets(sender: int, ratio: float) -> None:
    heard = garbled(READOUT, sender, 300, "7E1")
    assert len(heard.data) / len(READOUT) == pytest.approx(ratio, abs=0.1)


def test_eleven_bits_break_the_frame() -> None:
    heard = garbled(READOUT, 300, 300, "8E1")
    assert heard.framing_errors / len(heard.data) == pytest.approx(0.56, abs=0.15)


@pytest.mark.parametrize("form", ["", "7E", "9N1", "7X1", "8N3", "8N1 "])
def test_no_such_format(form: str) -> None:
    with pytest.raises(LocalProtocolError):
        garbled(b"x", 300, 300, form)


@pytest.mark.parametrize(
    "wrong",
    [
        {"flip": 1.5},
        {"lose": -0.1},
        {"baud": 0},
        {"piece": 0},
        {"latency": -1.0},
        {"noise": float("nan")},
        {"echo": "x"},
    ],
)
def test_a_model_that_makes_no_sense(wrong: dict[str, object]) -> None:
    with pytest.raises(LocalProtocolError):
        LineModel(**wrong)  # type: ignore[arg-type]


def test_no_faults_change_nothing() -> None:
    faults = Faults(LineModel())
    assert faults.request(READOUT).data == READOUT
    assert faults.answer(READOUT).data == READOUT
    assert faults.echo(READOUT) == b""
    assert faults.left(READOUT) == READOUT
    light = Light(LineModel())
    assert light.next_time() == float("inf")
    assert light.shone_on(READOUT, 0.0, 0.001) == READOUT


def test_flips_and_losses_are_as_many_as_asked_and_the_same_each_time() -> None:
    data = bytes(100_000)
    model = LineModel(flip=0.01, seed=3)
    once, again = Faults(model).answer(data).data, Faults(model).answer(data).data
    assert once == again != data
    flipped = [octet for octet in once if octet]
    assert 800 < len(flipped) < 1200
    assert all(octet.bit_count() == 1 for octet in flipped)
    assert Faults(LineModel(flip=0.01, seed=4)).answer(data).data != once
    assert 98_800 < len(Faults(LineModel(lose=0.01)).request(data).data) < 99_200
    assert Faults(LineModel(lose=1)).request(data).data == b""
    assert Faults(LineModel(flip=1e-300)).request(data).data == data


def test_dropped_late_and_cut_frames() -> None:
    faults = Faults(LineModel(drop_requests=frozenset({1}), drop_answers=frozenset({0}), late={1: 0.5}, close_after=7))
    assert [faults.request(b"abc").data for _ in range(3)] == [b"abc", b"", b"abc"]
    first, second, third = (faults.answer(b"abc") for _ in range(3))
    assert (first.data, first.closes) == (b"", False)
    assert (second.data, second.late, second.closes) == (b"abc", 0.5, False)
    assert (third.data, third.closes) == (b"a", True)


def test_echo() -> None:
    assert Faults(LineModel(echo="full")).echo(READOUT) == READOUT
    partial = Faults(LineModel(echo="partial")).echo(READOUT)
    assert 0.6 < len(partial) / len(READOUT) < 0.9
