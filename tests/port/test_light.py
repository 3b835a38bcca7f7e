"""Light in a receiver: sun, lamps on the mains, and dazzle; and the other ways a head on a meter goes wrong."""

from __future__ import annotations

from itertools import pairwise

import pytest

from metersdk.effects import Dialog, Receive, Send, SetLine
from metersdk.port.light import Light
from metersdk.port.line import Faults, LineModel
from metersdk.port.virtual import VirtualPort

TEXT = b"1-0:1.8.0(00001234.567*kWh)\r\n" * 20


def quiet() -> Dialog[None]:
    while True:
        yield Receive(1000.0)


def speaking(data: bytes, baud: int | None = None) -> Dialog[None]:
    if baud is not None:
        yield SetLine(baud)
    yield Receive(1000.0)
    yield Send(data)


def listen(port: VirtualPort, seconds: float) -> list[tuple[float, bytes]]:
    until = port.now() + seconds
    heard = []
    while port.now() < until:
        if data := port.receive(until - port.now()):
            heard.append((port.now(), data))
    return heard


def answer(model: LineModel, data: bytes = TEXT, timeout: float = 5.0) -> bytes:
    port = VirtualPort(speaking(data), model)
    port.send(b"/?!\r\n")
    heard = b""
    while piece := port.receive(timeout):
        heard += piece
    return heard


def test_sunlight_makes_octets_on_a_line_at_rest() -> None:
    heard = listen(VirtualPort(quiet(), LineModel(baud=9600, noise=5.0, seed=1)), 100.0)
    octets = b"".join(data for _, data in heard)
    assert 420 < len(octets) < 580
    usual = sum(octet in (0x00, 0x80, 0xFF) for octet in octets)
    assert 0.7 < usual / len(octets) < 0.95


def test_sunlight_on_a_message_damages_it_and_adds_nothing() -> None:
    light = Light(LineModel(baud=300, noise=2.0, seed=3))
    before = light.take(5.0, 300)
    lit = light.shone_on(TEXT, 5.0, 10 / 300)
    end = 5.0 + len(TEXT) * 10 / 300
    assert len(lit) == len(TEXT)
    assert 20 < sum(a != b for a, b in zip(lit, TEXT, strict=True)) < 60
    assert before
    assert light.take(end - 0.001, 300) == b""
    assert light.take(end + 5.0, 300)


@pytest.mark.parametrize(("frequency", "period"), [(100.0, 0.010), (120.0, 1 / 120)])
@pytest.mark.parametrize("baud", [300, 9600])
def test_a_lamp_makes_octets_in_step_with_the_mains(frequency: float, period: float, baud: int) -> None:
    heard = listen(VirtualPort(quiet(), LineModel(baud=baud, lamp=frequency, seed=2)), 2.0)
    gaps = [b[0] - a[0] for a, b in pairwise(heard)]
    assert len(gaps) > 40
    periods = [gap / period for gap in gaps]
    assert all(abs(each - round(each)) < 1e-6 for each in periods)
    # A character at 9600 is over before the next pulse; one at 300 lasts 33 ms.
    assert round(min(periods)) == (1 if baud == 9600 else 4)
    assert baud == 300 or {data for _, data in heard} == {b"\0"}


def test_a_weak_lamp_is_seen_now_and_then() -> None:
    model = LineModel(baud=9600, lamp=100.0, lamp_share=0.1, seed=5)
    heard = b"".join(data for _, data in listen(VirtualPort(quiet(), model), 20.0))
    assert 120 < len(heard) < 280
    text = answer(LineModel(baud=300, lamp=100.0, lamp_share=0.01, seed=5), timeout=0.2)
    assert TEXT[:10] in text
    assert TEXT not in text


def test_a_lamp_only_adds_zeros_to_octets() -> None:
    light = Light(LineModel(baud=9600, lamp=100.0, seed=1))
    lit = light.shone_on(b"\xff" * 960, 1.0, 10 / 9600)
    dark = sum(8 - octet.bit_count() for octet in lit) / (8 * 960)
    assert 0.2 < dark < 0.4
    assert light.shone_on(bytes(100), 3.0, 10 / 9600) == bytes(100)


def test_a_dazzled_receiver_is_held_low() -> None:
    model = LineModel(baud=300, dazzled=((2.0, 4.0), (6.0, 7.0)))
    heard = listen(VirtualPort(quiet(), model), 10.0)
    assert {data for _, data in heard} == {b"\0"}
    assert len(heard) == 60 + 30
    assert all(2.0 <= at <= 4.0 or 6.0 <= at <= 7.0 for at, _ in heard)
    message = answer(LineModel(baud=300, dazzled=((1.0, 3.0),)))
    assert len(message) == len(TEXT)
    assert message.count(0) in (60, 61)
    assert message.startswith(TEXT[:20])
    assert message.endswith(TEXT[-200:])


def test_light_is_the_same_for_the_same_seed_and_other_for_another() -> None:
    def course(seed: int) -> list[tuple[float, bytes]]:
        model = LineModel(baud=300, noise=3.0, lamp=100.0, lamp_share=0.3, dazzled=((1.0, 1.2),), seed=seed)
        return listen(VirtualPort(quiet(), model), 5.0)

    assert course(1) == course(1) != course(2)


def test_a_misaligned_probe_flips_bits_each_for_itself() -> None:
    damaged = Faults(LineModel(bit_flip=0.01, seed=1)).answer(bytes(50_000)).data
    flips = sum(octet.bit_count() for octet in damaged)
    assert 3700 < flips < 4300
    assert any(octet.bit_count() == 2 for octet in damaged)


def test_a_fading_lamp_misses_zeros_and_then_everything() -> None:
    faults = Faults(LineModel(fade=8000, seed=1))
    assert faults.answer(TEXT * 7).data == TEXT * 7
    later = b"".join(faults.answer(TEXT).data for _ in range(4))
    assert 0 < 4 * len(TEXT) - len(later) < len(TEXT)
    # What is missed is light, a zero.
    whole = faults.answer(b"\xff" * 100).data
    assert set(whole) <= {0xFF}
    assert faults.answer(bytes(2000)).data != b""
    assert faults.answer(TEXT).data == b""


def test_another_reader_takes_parts_of_pieces() -> None:
    model = LineModel(baud=9600, steal=0.3, seed=4)
    heard = answer(model)
    assert 0.5 < len(heard) / len(TEXT) < 0.98
    assert Faults(LineModel(steal=1.0, seed=1)).left(b"x") == b""
    # The time-out is that of the caller, though pieces are gone whole.
    port = VirtualPort(speaking(b"x"), LineModel(baud=9600, steal=1.0))
    port.send(b"?")
    start = port.now()
    assert port.receive(3.0) == b""
    assert port.now() - start == pytest.approx(3.0)


@pytest.mark.parametrize("error", [-0.05, -0.02, 0.02, 0.05])
def test_a_clock_within_tolerance_is_read(error: float) -> None:
    model = LineModel(baud=300, clock_error=error)
    assert answer(model) == TEXT
    port = VirtualPort(speaking(TEXT), model)
    port.send(b"/?!\r\n")
    port.sleep(100.0)
    sent = port.log[-1]
    assert sent.end - sent.start == pytest.approx(len(TEXT) * 10 / round(300 * (1 + error)))


@pytest.mark.parametrize("error", [-0.08, -0.06, 0.06, 0.08])
def test_a_clock_beyond_it_is_misread_both_ways(error: float) -> None:
    assert answer(LineModel(baud=300, clock_error=error)) != TEXT
    heard: list[bytes] = []

    def hearing() -> Dialog[None]:
        heard.append((yield Receive(10.0)))

    port = VirtualPort(hearing(), LineModel(baud=9600, clock_error=error, coalesce=1.0))
    port.send(TEXT)
    port.sleep(2.0)
    assert heard
    assert heard[0][:100] != TEXT[:100]


@pytest.mark.parametrize(
    ("form", "odd", "high"), [("7O1", 1.0, None), ("8N1", None, 0.0), ("7N2", None, 1.0), ("7E1", 0.0, None)]
)
def test_another_format_of_the_meter(form: str, odd: float | None, high: float | None) -> None:
    heard = answer(LineModel(baud=300, form=form))
    assert bytes(octet & 0x7F for octet in heard) == TEXT
    assert odd is None or sum(octet.bit_count() & 1 for octet in heard) / len(heard) == odd
    assert high is None or sum(octet >> 7 for octet in heard) / len(heard) == high


def test_nine_bits_break_characters() -> None:
    heard = answer(LineModel(baud=300, form="7N1"))
    assert TEXT[:20] not in bytes(octet & 0x7F for octet in heard)
    assert len(heard) / len(TEXT) == pytest.approx(0.76, abs=0.1)


def test_eleven_bits_leave_text_whole() -> None:
    """The parity bit is taken for the stop bit: only the count of framing errors tells, which octets do not."""
    assert answer(LineModel(baud=300, form="8E1")) == TEXT


def test_a_changed_echo_has_its_length() -> None:
    echo = Faults(LineModel(echo="changed", seed=1)).echo(TEXT)
    assert len(echo) == len(TEXT)
    assert 0.2 < sum(a != b for a, b in zip(echo, TEXT, strict=True)) / len(TEXT) < 0.5


def test_a_probe_that_begins_late_to_send() -> None:
    port = VirtualPort(quiet(), LineModel(baud=300, sending_latency=0.016))
    port.send(b"/?!\r\n")
    assert port.log[0].start == pytest.approx(0.016)
    assert port.now() == pytest.approx(0.016 + 50 / 300)


def test_what_is_still_in_the_chip_leaves_at_the_new_speed() -> None:
    heard: list[bytes] = []

    def hearing() -> Dialog[None]:
        while True:
            heard.append((yield Receive(10.0)))

    for lies in (False, True):
        heard.clear()
        port = VirtualPort(hearing(), LineModel(baud=300, drain_lies=lies))
        port.send(b"\x06050\r\n")
        port.set_line(9600)
        port.sleep(5.0)
        assert (b"".join(heard) == b"\x06050\r\n") is not lies
