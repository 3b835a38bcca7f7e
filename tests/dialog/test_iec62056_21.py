"""Reader and meter of IEC 62056-21 joined over a modelled line, under a virtual clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from optical_rig import DATA, LINE, codes, heard, is_whole, meter, port, read

from metersdk.dialog.iec62056_21 import DISCONNECT, SignOn, recover, sign_on
from metersdk.dialog.iec62056_21_hand_over import fall_back, hand_over
from metersdk.dialog.iec62056_21_meter import HandOver, MeterFaults, WokenUp, serve
from metersdk.dialog.iec62056_21_readout import Readout, readout
from metersdk.dialog.optical import OpticalTiming
from metersdk.dialog.pushers import Pusher, PushLine
from metersdk.effects import Dialog, Emit, Receive, Send, SetLine, Sleep
from metersdk.errors import (
    ChecksumError,
    LocalProtocolError,
    MeterError,
    MeterReportedError,
    NoAnswer,
    PortClosed,
)
from metersdk.frame.buffer import ReceiveBuffer
from metersdk.frame.iec62056_21 import SIGN_OFF, block, from_line, to_line
from metersdk.port.drive import iterate, run
from metersdk.port.line import LineModel

# ---- modes A to E


@pytest.mark.parametrize(
    ("identification", "mode", "baud", "acknowledged"),
    [
        (b"/ABC;METER", "A", 300, None),
        (b"/ABCAMETER", "B", 600, None),
        (b"/ABCFMETER", "B", 19200, None),
        *(
            (f"/ABC{z}METER".encode(), "C", b, f"0{z}0")
            for z, b in enumerate((300, 600, 1200, 2400, 4800, 9600, 19200))
        ),
        (b"/ABc6METER", "C", 19200, "060"),
        (rb"/EMH5\@\201LZQJL0013F", "E", 9600, "252"),
        (rb"/EMh6\2LZQJL0013F", "E", 19200, "262"),
    ],
)
@pytest.mark.parametrize(
    "model",
    [LINE, replace(LINE, latency=0.016), replace(LINE, piece=1), replace(LINE, drain_lies=True), LineModel()],
    ids=["line", "latency 16 ms", "octet by octet", "drain lies", "tcp with parity bits"],
)
def test_modes(identification: bytes, mode: str, baud: int, acknowledged: str | None, model: LineModel) -> None:
    line = port(meter(identification), model)
    signed = run(sign_on(SignOn()), line)
    assert (signed.mode, signed.baud, signed.fell_back) == (mode, baud, False)
    select = signed.acknowledged
    assert (select and f"{select.protocol}{select.baud_character}{select.option}") == acknowledged
    assert signed.identification is not None and signed.identification.raw == identification
    if mode == "E":
        run(hand_over(signed), line)
        assert line.server_result == HandOver(baud)
    else:
        home = run(readout(signed), line)
        assert is_whole(home)
        assert home.baud == baud
        assert home.findings == ()


def test_the_exact_time_of_mode_c() -> None:
    line = port(meter(b"/ABc5METER", reaction=0.02))
    run(read(), line)
    octets = len(DATA) + 6
    # Request 5, identification 12 and acknowledgement 6 characters at 300 Bd; three reactions of 20 ms.
    expected = (5 + 12 + 6) / 30 + 3 * 0.02 + octets / 960
    assert line.now() == pytest.approx(expected, abs=0.001)
    (select,) = [e for e in line.log if e.side == "client" and from_line(e.data)[0] == b"\x06050\r\n"]
    switch = next(e for e in line.log if e.side == "client" and e.kind == "speed" and e.baud == 9600)
    assert 0 < switch.start - select.end < 0.02


@pytest.mark.parametrize("fast", [False, True])
def test_the_reader_keeps_tr_too(fast: bool) -> None:
    line = port(meter(b"/ABc5METER" if fast else b"/ABC5METER"))
    run(read(), line)
    sends = [e for e in line.log if e.kind == "send"]
    assert [e.side for e in sends] == ["client", "server", "client", "server"]
    low = 0.02 if fast else 0.2
    assert all(low - 1e-6 <= b.start - a.end <= 1.5 for a, b in pairwise(sends))


def test_all_octets_on_the_line_are_7e1() -> None:
    line = port(meter())
    run(read(), line)
    assert not any(from_line(e.data)[1] for e in line.log)


# ---- what speed


@pytest.mark.parametrize(
    ("z", "settings", "baud", "select"),
    [
        ("7", SignOn(), 300, "000"),
        ("7", SignOn(reserved_bauds=True), 38400, "070"),
        ("9", SignOn(reserved_bauds=True), 115200, "090"),
        ("6", SignOn(max_baud=9600), 300, "000"),
        ("5", SignOn(max_baud=9600), 9600, "050"),
    ],
)
def test_only_the_offered_speed_or_300_is_acknowledged(z: str, settings: SignOn, baud: int, select: str) -> None:
    line = port(meter(f"/ABC{z}METER".encode(), reserved_bauds=True))
    signed = run(sign_on(settings), line)
    assert signed.baud == baud
    assert signed.acknowledged is not None
    assert signed.acknowledged.encode() == b"\x06" + select.encode() + b"\r\n"
    assert is_whole(run(readout(signed), line))


def test_mode_b_with_a_reserved_letter_stays() -> None:
    line = port(meter(b"/ABCGMETER"))
    assert is_whole(run(read(), line))


def test_mode_c_on_request_where_hdlc_is_offered() -> None:
    line = port(meter(rb"/ABC5\2METER"))
    signed = run(sign_on(SignOn(mode="C")), line)
    assert signed.mode == "C" and signed.acknowledged is not None and signed.acknowledged.protocol == "0"
    assert is_whole(run(readout(signed), line))


def test_mode_e_that_was_not_offered_is_a_finding() -> None:
    signed = run(sign_on(SignOn(mode="E")), port(meter()))
    assert signed.mode == "E" and codes(signed) == ["hdlc-not-offered"]


@pytest.mark.parametrize("mode", ["D", "F", ""])
def test_no_mode_to_sign_on_in(mode: Any) -> None:
    with pytest.raises(LocalProtocolError):
        SignOn(mode=mode)


def test_another_speed_is_not_taken_by_the_meter() -> None:
    def wrong() -> Dialog[bytes]:
        yield Send(to_line(b"/?!\r\n"))
        yield Sleep(0.8)
        yield Send(to_line(b"\x06040\r\n"))
        text = b""
        while octets := (yield Receive(2.0)):
            text += octets
        return text

    assert b"1.8.0(001846.0*kWh)" in from_line(run(wrong(), port(meter())))[0]


# ---- the acknowledgement is lost


@pytest.mark.parametrize("z", "123456")
@pytest.mark.parametrize("latency", [0.0, 0.016])
def test_a_meter_that_goes_on_at_300_is_followed(z: str, latency: float) -> None:
    faults = MeterFaults(deaf_acknowledgements=1)
    line = port(meter(f"/ABC{z}METER".encode(), faults=faults), replace(LINE, latency=latency))
    signed = run(sign_on(SignOn()), line)
    assert signed.fell_back and signed.baud == 300
    assert codes(signed)[0] == "acknowledgement-lost"
    home = run(readout(signed), line)
    assert is_whole(home) and home.baud == 300


def test_an_acknowledgement_dropped_by_the_line() -> None:
    line = port(meter(), replace(LINE, drop_requests=frozenset({1})))
    home = run(read(), line)
    assert is_whole(home) and "acknowledgement-lost" in codes(home)


def test_mode_e_falls_back_by_hand() -> None:
    line = port(meter(rb"/ABC5\2METER", faults=MeterFaults(deaf_acknowledgements=1)))

    def dialog() -> Dialog[Readout]:
        signed = yield from sign_on(SignOn())
        yield from hand_over(signed)
        lower = yield from fall_back(signed)
        return (yield from readout(lower))

    home = run(dialog(), line)
    assert is_whole(home) and home.baud == 300


@pytest.mark.parametrize("margin", [0.205, 0.25, 0.3, 0.5, 1.0, 1.5, 2.3])
def test_a_switch_that_comes_late(margin: float) -> None:
    settings = SignOn(timing=OpticalTiming(switch_margin=(margin, 0.06)))
    line = port(meter(), LINE)
    home = run(read(settings), line)
    assert is_whole(home)
    assert codes(home)


@pytest.mark.parametrize("late", [0.005, 0.02, 0.3, 1.2, 1.299])
@pytest.mark.parametrize("frame", [0, 1])
def test_a_meter_as_late_as_it_may_be(late: float, frame: int) -> None:
    line = port(meter(), replace(LINE, late={frame: late}))
    home = run(read(), line)
    assert is_whole(home) and home.findings == ()


@pytest.mark.parametrize("late", [1.8, 2.3, 3.0])
@pytest.mark.parametrize("frame", [0, 1])
def test_a_meter_that_is_too_late_ends_typed(late: float, frame: int) -> None:
    line = port(meter(), replace(LINE, late={frame: late}))
    try:
        home = run(read(total=60), line)
    except MeterError:
        pass
    else:
        assert is_whole(home)
    assert line.now() < 120


@pytest.mark.parametrize("reaction", [1.3, 1.9, 2.005, 2.3])
def test_a_reader_that_acknowledges_late(reaction: float) -> None:
    settings = SignOn(timing=OpticalTiming(reaction_min=reaction))
    line = port(meter())
    assert is_whole(run(read(settings, total=120), line))


# ---- echo, noise, latency


@pytest.mark.parametrize(("echo", "code"), [("none", None), ("full", "echo-full"), ("partial", "echo-partial")])
@pytest.mark.parametrize("identification", [b"/ABC;METER", b"/ABC5METER", rb"/ABC5\2METER"])
@pytest.mark.parametrize("latency", [0.0, 0.016])
def test_echo(echo: Any, code: str | None, identification: bytes, latency: float) -> None:
    seen = []
    for seed in range(8):
        line = port(meter(identification), replace(LINE, echo=echo, latency=latency, seed=seed))
        signed = run(sign_on(SignOn()), line)
        seen += codes(signed)
        if signed.mode == "E":
            run(hand_over(signed), line)
            assert len(signed.line.buffer) == 0
        else:
            assert is_whole(run(readout(signed), line))
    assert code is None or code in seen


def test_only_an_echo_is_told_apart_from_silence() -> None:
    line = port(meter(address="7"), replace(LINE, echo="full"))
    with pytest.raises(NoAnswer) as caught:
        run(sign_on(SignOn("8")), line)
    assert "echo" in caught.value.hint


@pytest.mark.parametrize("seed", range(10))
def test_idle_noise(seed: int) -> None:
    line = port(meter(b"/ABc5METER"), replace(LINE, noise=0.5, seed=seed))
    home = run(read(), line)
    assert [str(s.value) for s in home.data_sets] == ["00000000", " 20000", "001846.0*kWh", "27.19*kW"]


@pytest.mark.parametrize("seed", range(10))
def test_flipped_bits_never_pass(seed: int) -> None:
    line = port(meter(), replace(LINE, flip=0.004, seed=seed))
    try:
        home = run(read(), line)
    except MeterError:
        return
    assert home.text == DATA + b"!\r\n" or not home.proved


def test_a_round_trip_of_1_s() -> None:
    settings = SignOn(timing=OpticalTiming(latency=1.0))
    line = port(meter(reply_time=5.0), LineModel(delay=0.5))
    assert is_whole(run(read(settings), line))


# ---- mode D


@pytest.mark.parametrize("baud", [2400, 9600])
def test_mode_d(baud: int) -> None:
    line = port(meter(pusher=True, push_baud=baud))
    pusher = Pusher(PushLine(bauds=(baud,)), ReceiveBuffer())
    told = run(pusher.next(60.0), line)
    assert told.protocol == "iec62056-21:D" and told.proved is None and len(told.readings) == 4
    assert pusher.readout is not None and pusher.readout.text.strip() == DATA + b"!"
    assert told.identity.identification == "/ABC5METER"


@pytest.mark.parametrize("skip", [1, 5, 12, 13, 40, 80])
def test_mode_d_joined_amid_a_telegram_after_zeros(skip: int) -> None:
    telegram = to_line(b"/ABC5METER\r\n\r\n" + DATA + b"!\r\n")

    def server() -> Dialog[None]:
        yield SetLine(2400)
        yield Send(b"\0\0\0" + telegram[skip:])
        while True:
            yield Sleep(2.0)
            yield Send(b"\0" + telegram)

    line = port(server(), replace(LINE, baud=2400))
    pusher = Pusher(PushLine(bauds=(2400,)), ReceiveBuffer())
    for _ in range(2):
        told = run(pusher.next(60.0), line)
        assert len(told.readings) == 4 and told.raw == from_line(telegram)[0]


# ---- battery, addresses, inactivity


@pytest.mark.parametrize("drain_lies", [False, True])
def test_wake_up_is_measured(drain_lies: bool) -> None:
    line = port(meter(asleep=True), replace(LINE, drain_lies=drain_lies))
    assert is_whole(run(read(SignOn(wake_up=True)), line))
    (woken,) = [e for e in line.server_events if isinstance(e, WokenUp)]
    assert woken.nuls == 66
    assert 2.1 <= woken.seconds <= 2.3
    assert woken.gap <= 0.005
    assert 1.5 <= woken.pause <= 1.7
    request = next(e for e in line.log if e.side == "client" and e.data.endswith(b"\x8d\n"))
    assert 1.5 <= request.start - line.log[2].end <= 1.7


@pytest.mark.parametrize(
    "timing",
    [OpticalTiming(wake_up=1.9), OpticalTiming(wake_up_pause=1.3)],
    ids=["too short", "pause too short"],
)
def test_a_bad_wake_up_wakes_nobody(timing: OpticalTiming) -> None:
    with pytest.raises(NoAnswer):
        run(read(SignOn(wake_up=True, timing=timing)), port(meter(asleep=True)))
    with pytest.raises(NoAnswer):
        run(read(), port(meter(asleep=True)))


@pytest.mark.parametrize(
    ("own", "asked", "answers"),
    [
        ("10203", "", True),
        ("10203", "000010203", True),
        ("0010203", "10203", True),
        ("10203", "10204", False),
        ("a1", "A1", False),
        ("1 2", "1 2", True),
    ],
)
def test_addresses(own: str, asked: str, answers: bool) -> None:
    line = port(meter(address=own))
    if answers:
        assert is_whole(run(read(SignOn(asked)), line))
    else:
        with pytest.raises(NoAnswer) as caught:
            run(read(SignOn(asked)), line)
        assert caught.value.retryable and line.now() < 10


def test_a_lost_request_is_repeated() -> None:
    line = port(meter(), replace(LINE, drop_requests=frozenset({0, 1})))
    assert is_whole(run(read(), line))
    assert [e.data for e in line.log if e.side == "client"].count(to_line(b"/?!\r\n")) == 3


def test_an_echo_of_an_address_is_no_identification() -> None:
    def server() -> Dialog[None]:
        yield SetLine(300)
        yield from heard(b"\x8d\n")
        # What came back of our own light: "?" and "!" are missing.
        yield Send(to_line(b"/012345678\r\n"))
        yield Sleep(0.2)
        yield Send(to_line(b"/ABC0METER\r\n"))
        yield from heard(b"\n")
        yield Sleep(0.2)
        yield Send(to_line(block(DATA + b"!\r\n")))

    home = run(read(SignOn(address="012345678")), port(server()))
    assert home.identification is not None and home.identification.manufacturer == "ABC"
    assert is_whole(home) and "echo-partial" in codes(home)


@pytest.mark.parametrize("echoed", [b"", b"/A523.1028252\r\n", b"/523.102825\r\n"])
def test_a_meter_that_answers_nearly_what_it_is_asked(echoed: bytes) -> None:
    def server() -> Dialog[None]:
        yield SetLine(300)
        yield from heard(b"\x8d\n")
        yield Send(to_line(echoed))
        yield Sleep(0.2)
        yield Send(to_line(b"/g523.1028252\r\n"))
        yield from heard(b"\n")
        yield SetLine(2400)
        yield Sleep(0.2)
        yield Send(to_line(block(DATA + b"!\r\n")))

    home = run(read(SignOn(start="/A523.", address="1028252", end="\r\n")), port(server()))
    assert home.identification is not None and home.identification.raw == b"/g523.1028252"
    assert is_whole(home)


def test_a_slow_identification_behind_an_echo_is_waited_for() -> None:
    address = "1" * 32

    def server() -> Dialog[None]:
        yield SetLine(300)
        yield from heard(b"\x8d\n")
        # An echo that ends early seems to go on in the answer.
        yield Send(to_line(b"/?" + b"1" * 25))
        yield Sleep(1.0)
        yield Send(to_line(b"/ABC0" + b"1" * 16 + b"\r\n"))
        yield from heard(b"\n")
        yield Sleep(0.2)
        yield Send(to_line(block(DATA + b"!\r\n")))

    line = port(server())
    assert is_whole(run(read(SignOn(address=address)), line))
    assert [e.data for e in line.log if e.side == "client"].count(to_line(b"/?%b!\r\n" % address.encode())) == 1


@pytest.mark.parametrize("drain_lies", [False, True])
def test_a_slow_meter_has_its_time_from_the_end_of_a_long_request(drain_lies: bool) -> None:
    address = "1" * 30
    line = port(meter(address=address, reaction=1.45), replace(LINE, drain_lies=drain_lies))
    assert is_whole(home := run(read(SignOn(address=address)), line)) and not home.findings
    assert [e.data for e in line.log if e.side == "client"].count(to_line(b"/?%b!\r\n" % address.encode())) == 1


def test_the_meter_ends_an_unfinished_session_after_its_inactivity_time() -> None:
    line = port(meter(block_size=40, inactivity=60.0))

    def walk_away() -> Dialog[None]:
        signed = yield from sign_on(SignOn())
        yield Sleep(1.0)
        assert signed.baud == 9600

    run(walk_away(), line)
    left = line.now()
    with pytest.raises(NoAnswer):
        run(sign_on(SignOn(retries=0)), line)
    line.sleep(60.0 + left - line.now())
    assert is_whole(run(read(), line))
    ended = next(e.start for e in line.log if e.side == "server" and e.baud == 300 and e.start > left)
    last = max(e.end for e in line.log if e.side == "server" and e.kind == "send" and e.start < left)
    assert ended - last == pytest.approx(60.0, abs=0.01)


@pytest.mark.parametrize("wait_out", [False, True])
def test_recover_a_meter_amid_a_session(wait_out: bool) -> None:
    line = port(meter(block_size=40, inactivity=110.0))

    def crash() -> Dialog[None]:
        yield from sign_on(SignOn())

    run(crash(), line)
    run(recover(SignOn(), last_baud=9600, wait_out=wait_out), line)
    assert is_whole(run(read(SignOn(retries=0)), line))
    sent = [e.data for e in line.log if e.side == "client"]
    assert to_line(SIGN_OFF) in sent and DISCONNECT in sent


# ---- mode E


@pytest.mark.parametrize("acknowledgement", ["none", "before", "after"])
@pytest.mark.parametrize("echo", ["none", "full", "partial"])
@pytest.mark.parametrize("identification", [rb"/ABC5\2METER", rb"/ABc6\2METER"])
def test_hand_over(acknowledgement: Any, echo: Any, identification: bytes) -> None:
    optical = meter(identification, echo_acknowledgement=acknowledgement)
    ua = bytes.fromhex("7ea0070321730123457e")
    buffer = ReceiveBuffer()

    def server() -> Dialog[None]:
        handed = yield from serve(optical)
        assert isinstance(handed, HandOver)
        while True:
            octets = yield Receive(3600)
            if octets:
                yield Send(ua)

    line = port(server(), replace(LINE, echo=echo))

    def dialog() -> Dialog[bytes]:
        signed = yield from sign_on(SignOn(), buffer)
        yield from hand_over(signed)
        left = bytes(buffer.view())
        yield Send(b"\x7e")
        octets = b""
        while len(octets) < len(ua) and (more := (yield Receive(2.0))):
            octets += more
        return left + octets

    answer = run(dialog(), line)
    assert answer.endswith(ua)
    assert len(answer) <= len(ua) + 1


def test_what_hdlc_sends_early_stays_in_the_buffer() -> None:
    buffer = ReceiveBuffer()

    def server() -> Dialog[None]:
        yield from serve(meter(rb"/ABc5\2METER"))
        yield Sleep(0.05)
        yield Send(b"\x7e\xa0\x80")
        yield Sleep(60)

    def dialog() -> Dialog[None]:
        signed = yield from sign_on(SignOn(), buffer)
        yield from hand_over(signed)

    run(dialog(), port(server()))
    assert bytes(buffer.view()).startswith(b"\x7e")


def test_there_is_no_readout_in_mode_e_and_no_hand_over_in_c() -> None:
    line = port(meter(rb"/ABC5\2METER"))
    with pytest.raises(LocalProtocolError):
        run(readout(run(sign_on(SignOn()), line)), line)
    line = port(meter())
    with pytest.raises(LocalProtocolError):
        run(hand_over(run(sign_on(SignOn()), line)), line)


def test_programming_mode_is_signed_off() -> None:
    line = port(meter())
    with pytest.raises(MeterReportedError):
        run(read(SignOn(option="1")), line)


@pytest.mark.parametrize("identification", [b"", b"ABC5", b"x/ABC5", b"/ABC5a!"])
def test_a_meter_needs_an_identification(identification: bytes) -> None:
    with pytest.raises(LocalProtocolError):
        run(serve(meter(identification)), port(meter()))


# ---- everything ends


def silent() -> Dialog[None]:
    while True:
        yield Receive(3600)


def dripping(octets: bytes, gap: float) -> Callable[[], Dialog[None]]:
    def server() -> Dialog[None]:
        while True:
            for octet in octets:
                yield Send(bytes((octet,)))
                yield Sleep(gap)

    return server


def endless_block(unit: bytes, head: bytes = b"\x02") -> Callable[[], Dialog[None]]:
    def server() -> Dialog[None]:
        yield from heard(b"\x8d\n")
        yield Send(to_line(b"/ABC0METER\r\n"))
        yield from heard(b"\n")
        yield Send(to_line(head))
        while True:
            yield Send(to_line(unit))
            yield Sleep(1.0)

    return server


@pytest.mark.parametrize(
    "server",
    [
        silent,
        dripping(b"\0", 0.1),
        dripping(b"/", 1.4),
        dripping(b"/ABC0 \r\n\x82", 1.4),
        dripping(to_line(b"/ABC0METER\r\n\x021.8.0(1)\r\n"), 0.01),
        dripping(b"\xff\xff(", 0.001),
        endless_block(b"1.8.0(1)\r\n"),
        endless_block(b"1"),
        endless_block(b"\0"),
        endless_block(b"\x04"),
        endless_block(b"\x02\x04\x04", b""),
        endless_block(b"\x02", b""),
    ],
)
def test_peers_without_end(server: Callable[[], Dialog[None]]) -> None:
    line = port(server())
    with pytest.raises(MeterError) as caught:
        run(read(SignOn(total=30), total=30), line)
    assert caught.value.layer
    assert line.now() < 75


def unplugged(server: Dialog[Any], octets: int, plugged: list[bool]) -> Dialog[None]:
    """The meter's octets end after so many, until it is plugged in again."""
    answer: Any = None
    while True:
        effect = server.send(answer)
        answer = None
        if isinstance(effect, Send) and not plugged:
            octets, sent = octets - len(effect.data), effect.data[: max(0, octets)]
            if sent:
                yield Send(sent)
        elif isinstance(effect, Receive) and octets <= 0 and not plugged:
            yield effect
            answer = b""
        elif isinstance(effect, Emit):
            continue
        else:
            answer = yield effect


SESSION_OCTETS = len(b"/ABC5METER\r\n") + len(DATA) + 6


@pytest.mark.parametrize("cut", range(SESSION_OCTETS))
def test_every_cut_of_a_session_ends_typed_and_the_next_one_is_clean(cut: int) -> None:
    plugged: list[bool] = []
    line = port(unplugged(serve(meter()), cut, plugged))
    with pytest.raises((NoAnswer, ChecksumError)):
        run(read(SignOn(total=30), total=30), line)
    assert line.now() <= 61
    plugged.append(True)
    assert is_whole(run(read(), line))


@pytest.mark.parametrize("cut", range(1, SESSION_OCTETS, 5))
def test_a_connection_that_closes_is_told(cut: int) -> None:
    line = port(meter(), replace(LINE, close_after=cut))
    with pytest.raises(PortClosed):
        run(read(), line)


def test_giving_up_says_good_bye() -> None:
    line = port(meter())
    signed = run(sign_on(SignOn()), line)
    with iterate(readout(signed), line) as events:
        next(events)
    assert from_line([e for e in line.log if e.side == "client"][-1].data)[0] == SIGN_OFF
    assert is_whole(run(read(), line))
