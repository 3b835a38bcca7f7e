"""A client and a meter over a modelled line: every octet has its exact time, and nothing waits."""

from __future__ import annotations

import pytest

from metersdk.effects import Dialog, Emit, Now, Receive, Send, SetLine, Sleep
from metersdk.errors import DecodeError, LimitExceeded, LocalProtocolError, PortClosed
from metersdk.port.drive import run
from metersdk.port.line import LineModel
from metersdk.port.virtual import VirtualPort


def collect(size: int, timeout: float = 10.0) -> Dialog[bytes]:
    data = b""
    while len(data) < size:
        piece = yield Receive(timeout)
        if not piece:
            return data
        data += piece
    return data


def answering(answer: bytes, request: int = 5) -> Dialog[str]:
    data = yield from collect(request, 60)
    yield Emit(data)
    yield Send(answer)
    return "served"


def ask(request: bytes, size: int, timeout: float = 2.0) -> Dialog[tuple[bytes, float]]:
    yield Send(request)
    data = yield from collect(size, timeout)
    return data, (yield Now())


def test_without_a_line_nothing_takes_time() -> None:
    port = VirtualPort(answering(b"hello"))
    assert run(ask(b"/?!\r\n", 5), port) == (b"hello", 0.0)
    assert port.server_events == [b"/?!\r\n"]
    assert port.server_result == "served"


def test_octets_take_ten_bits_each_and_the_turnaround_its_time() -> None:
    port = VirtualPort(answering(b"x" * 12), LineModel(baud=300, turnaround=0.2, client_turnaround=0.02))
    data, at = run(ask(b"/?!\r\n", 12), port)
    assert len(data) == 12
    assert at == pytest.approx(50 / 300 + 0.2 + 120 / 300)
    assert port.line_time == pytest.approx({"client": 50 / 300, "server": 120 / 300})
    request, answer = port.log
    assert (request.side, request.start, request.end) == ("client", 0.0, pytest.approx(50 / 300))
    assert answer.start - request.end == pytest.approx(0.2)
    port.send(b"y")
    assert port.log[-1].start == pytest.approx(answer.end + 0.02)


@pytest.mark.parametrize(
    ("model", "pieces"),
    [
        (LineModel(baud=9600, piece=1), [1] * 40),
        (LineModel(baud=9600), [15, 15, 10]),
        (LineModel(baud=300), [1] * 40),
        (LineModel(baud=9600, coalesce=1.0), [40]),
        (LineModel(baud=9600, coalesce=1.0, piece=32), [32, 8]),
        (LineModel(), [40]),
        (LineModel(piece=16), [16, 16, 8]),
    ],
)
def test_delivery_in_pieces(model: LineModel, pieces: list[int]) -> None:
    port = VirtualPort(answering(b"x" * 40), model)
    port.send(b"/?!\r\n")
    assert [len(port.receive(5)) for _ in pieces] == pieces
    assert port.receive(0) == b""


def test_latency_of_the_probe_and_travel_both_ways() -> None:
    port = VirtualPort(answering(b"x"), LineModel(latency=0.016, delay=0.3))
    assert run(ask(b"/?!\r\n", 1), port)[1] == pytest.approx(0.616)


def test_time_outs_are_exact_and_cost_nothing() -> None:
    port = VirtualPort(answering(b"x"))
    assert port.receive(59.5) == b""
    assert port.now() == 59.5
    port.sleep(0.25)
    assert port.now() == 59.75
    # The server gave up at 60 s, and said so.
    assert port.receive(1) == b"x"
    assert port.now() == 60.0


def test_a_large_answer_is_handled_by_arithmetic() -> None:
    size = 400_000
    port = VirtualPort(answering(bytes(size)), LineModel(baud=9600))
    data, at = run(ask(b"/?!\r\n", size), port)
    assert len(data) == size
    assert at == pytest.approx((size + 5) * 10 / 9600)


def switching(delay: float, answer: bytes = b"\x02" + b"readout " * 20 + b"\x03q") -> Dialog[None]:
    """A mode C meter: ACK at 300 Bd, and after ``delay`` its block at 9600."""
    yield from collect(6, 60)
    yield SetLine(9600)
    yield Sleep(delay)
    yield Send(answer)


def acknowledging(margin: float) -> Dialog[bytes]:
    yield Send(b"\x06050\r\n")
    yield Sleep(margin)
    yield SetLine(9600)
    return (yield from collect(162, 1.5))


def test_switching_in_time() -> None:
    port = VirtualPort(switching(0.2), LineModel(baud=300))
    assert run(acknowledging(0.1), port).endswith(b"readout \x03q")
    speeds = [(event.side, event.baud, round(event.start, 6)) for event in port.log if event.kind == "speed"]
    assert speeds == [("client", 9600, 0.3), ("server", 9600, 0.2)] or speeds == [
        ("server", 9600, 0.2),
        ("client", 9600, 0.3),
    ]


def test_a_late_switch_loses_the_beginning_and_nothing_else() -> None:
    port = VirtualPort(switching(0.02), LineModel(baud=300))
    heard = run(acknowledging(0.1), port)
    assert b"\x02" not in heard[:1]
    assert heard.endswith(b"readout readout readout \x03q")
    assert heard.count(b"readout") < 20


def test_an_early_switch_garbles_what_is_still_in_the_chip() -> None:
    port = VirtualPort(answering(b"", request=6), LineModel(baud=300, drain_lies=True))
    port.send(b"\x06050\r\n")
    assert port.now() == 0.0
    port.sleep(0.1)
    port.set_line(9600)
    port.sleep(120)
    (heard,) = port.server_events
    assert isinstance(heard, bytes)
    assert heard.startswith(b"\x0605")
    assert heard != b"\x06050\r\n"


def test_a_meter_that_stays_at_300_reads_as_zeros_until_the_client_falls_back() -> None:
    text = b"0.9.1(123456)" * 8

    def stubborn() -> Dialog[None]:
        yield from collect(6, 60)
        yield Sleep(2.0)
        yield Send(text)

    port = VirtualPort(stubborn(), LineModel(baud=300))
    port.send(b"\x06050\r\n")
    port.set_line(9600)
    garbage = b"".join(port.receive(3) for _ in range(6))
    assert set(garbage) == {0}
    port.set_line(300)
    rest = run(collect(len(text), 1.0), port).lstrip(b"\x00")
    assert len(rest) > 80
    assert text.endswith(rest)


@pytest.mark.parametrize("echo", ["full", "partial"])
def test_echo_comes_before_the_answer(echo: str) -> None:
    model = LineModel(baud=300, turnaround=0.2, echo=echo)  # type: ignore[arg-type]
    port = VirtualPort(answering(b"answer"), model)
    port.send(b"/?!\r\n")
    heard = run(collect(100, 1.0), port)
    assert heard.endswith(b"answer")
    own = heard.removesuffix(b"answer")
    assert own == b"/?!\r\n" if echo == "full" else len(own) < 5


def test_noise_makes_octets_on_an_idle_line() -> None:
    port = VirtualPort(answering(b""), LineModel(baud=300, noise=10.0, seed=1))
    times = []
    while port.now() < 50:
        if port.receive(5):
            times.append(port.now())
    assert 400 < len(times) < 600
    assert times == sorted(times)


def test_a_dropped_request_and_a_dropped_answer() -> None:
    port = VirtualPort(answering(b"x"), LineModel(baud=300, drop_requests=frozenset({0})))
    assert run(ask(b"/?!\r\n", 1), port)[0] == b""
    assert run(ask(b"/?!\r\n", 1), port)[0] == b"x"
    assert [event.lost for event in port.log] == [True, False, False]
    port = VirtualPort(answering(b"x"), LineModel(baud=300, drop_answers=frozenset({0})))
    assert run(ask(b"/?!\r\n", 1), port)[0] == b""
    assert port.server_result == "served"


def test_a_late_answer() -> None:
    port = VirtualPort(answering(b"x"), LineModel(late={0: 1.25}))
    assert run(ask(b"/?!\r\n", 1), port)[1] == pytest.approx(1.25)


def test_the_peer_closes_after_some_octets() -> None:
    port = VirtualPort(answering(b"x" * 40), LineModel(baud=9600, close_after=20))
    port.send(b"/?!\r\n")
    heard = port.receive(1) + port.receive(1)
    assert len(heard) == 20
    with pytest.raises(PortClosed):
        port.receive(1)


def test_closing_is_told_to_the_meter() -> None:
    seen = []

    def meter() -> Dialog[None]:
        try:
            yield Receive(60)
        except PortClosed as error:
            seen.append(error)
            yield Send(b"too late")

    port = VirtualPort(meter())
    port.sleep(1)
    port.close()
    port.close()
    assert len(seen) == 1
    with pytest.raises(PortClosed):
        port.send(b"x")
    VirtualPort(meter()).close()


def test_a_meter_that_fails_closes_the_connection() -> None:
    def failing() -> Dialog[None]:
        yield Receive(1)
        raise DecodeError("cannot read this")

    port = VirtualPort(failing())
    with pytest.raises(PortClosed) as closed:
        port.receive(5)
    assert isinstance(closed.value.__cause__, DecodeError)
    assert isinstance(port.server_error, DecodeError)


def test_a_defect_of_the_meter_is_raised() -> None:
    def broken() -> Dialog[None]:
        yield Receive(1)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        VirtualPort(broken()).receive(5)


def test_a_meter_that_spins_is_found_out() -> None:
    def spinning() -> Dialog[None]:
        while True:
            yield Now()

    with pytest.raises(LimitExceeded, match="spins"):
        VirtualPort(spinning()).receive(1)


def test_waiting_for_each_other_without_end() -> None:
    def waiting() -> Dialog[None]:
        yield Receive(float("inf"))

    with pytest.raises(LocalProtocolError, match="without end"):
        VirtualPort(waiting()).receive(float("inf"))


def test_a_pushing_meter_is_heard_before_anything_is_asked() -> None:
    def pushing() -> Dialog[None]:
        while True:
            yield Send(b"/EBZ5DD3\r\n")
            yield Sleep(1.0)

    port = VirtualPort(pushing(), LineModel(baud=9600, coalesce=0.1))
    assert [port.receive(5) for _ in range(3)] == [b"/EBZ5DD3\r\n"] * 3
    assert port.now() == pytest.approx(2.0 + 3 * 100 / 9600)
