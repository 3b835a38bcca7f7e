"""Client link against server link, and against scripted peers, under the virtual clock."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from link_rig import (
    ANSWER,
    SERIAL,
    TCP,
    UA,
    T,
    ask,
    client,
    codes,
    echo,
    kinds,
    meter,
    pattern,
    reply,
    said,
    script,
    session,
)
from metersdk.dialog.hdlc_states import Mode
from metersdk.dialog.link import HdlcLink, HdlcSettings
from metersdk.dialog.server_link import HdlcServerLink, HdlcServerSettings
from metersdk.effects import Dialog, Now, Receive, Send, Sleep
from metersdk.errors import LimitExceeded, LinkError, LocalProtocolError, NoAnswer
from metersdk.frame.buffer import ReceiveBuffer
from metersdk.frame.hdlc import Frame, FrameKind, control_octet, take_frame
from metersdk.frame.hdlc_address import ALL_STATION, CALLING
from metersdk.frame.hdlc_parameters import Parameters
from metersdk.port.drive import run
from metersdk.port.line import LineModel
from metersdk.port.virtual import VirtualPort

# --- two machines -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("window", range(1, 8))
@pytest.mark.parametrize("size", [32, 128, 2030])
def test_long_apdus_both_ways(window: int, size: int) -> None:
    requests = [pattern(n)[:n] for n in (20_000, 1, 29, 30, 20_000)]
    link = client(HdlcSettings(max_info_tx=size, max_info_rx=size, window_tx=window, window_rx=window))
    port = VirtualPort(meter(), TCP)
    assert run(session(link, requests), port) == [request[::-1] for request in requests]
    assert link.parameters == Parameters(size, size, window, window)
    assert link.findings == []
    assert link.mode is Mode.DISCONNECTED
    assert port.now() == 0


@pytest.mark.parametrize(("tx", "rx"), [((7, 32), (1, 2030)), ((1, 2030), (7, 32)), ((3, 100), (5, 77))])
def test_each_direction_has_its_own_window_and_size(tx: tuple[int, int], rx: tuple[int, int]) -> None:
    settings = HdlcSettings(window_tx=tx[0], max_info_tx=tx[1], window_rx=rx[0], max_info_rx=rx[1])
    link = client(settings)
    request = pattern(9000)[:9000]
    assert run(session(link, [request]), VirtualPort(meter(), TCP)) == [request[::-1]]
    assert link.parameters == Parameters(tx[1], rx[1], tx[0], rx[0])


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("window", [1, 2, 3, 5, 7])
@pytest.mark.parametrize(
    "faults",
    [{"flip": 2e-4}, {"lose": 2e-4}, {"noise": 5.0}, {"flip": 1e-4, "lose": 1e-4, "noise": 2.0, "echo": "full"}],
    ids=["flips", "losses", "noise", "all, with echo"],
)
def test_nothing_is_lost_or_doubled_on_a_bad_line(faults: dict[str, float], window: int, seed: int) -> None:
    requests = [pattern(n)[:n] for n in (5000, 40, 300, 3, 20_000)]
    log: list[object] = []
    settings = HdlcSettings(max_info_tx=256, max_info_rx=200, window_tx=window, window_rx=window, response_timeout=1.0)
    port = VirtualPort(meter(log=log), LineModel(baud=19200, turnaround=0.02, seed=seed, **faults))  # type: ignore[arg-type]
    assert run(session(client(settings), requests, timeout=60.0), port) == [request[::-1] for request in requests]
    assert [entry for entry in log if entry is not None] == [(16, 1, request) for request in requests]


def doubling(dialog: Dialog[T], every: int) -> Dialog[T]:
    """The same dialog, but each ``every``-th transmission goes out twice."""
    sent = 0
    answer = None
    while True:
        try:
            effect = dialog.send(answer)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        if isinstance(effect, Send):
            sent += 1
            if sent % every == 0:
                yield effect
        answer = yield effect


@pytest.mark.parametrize("every", [1, 2, 3])
@pytest.mark.parametrize("window", [1, 3, 7])
@pytest.mark.parametrize("who", ["client", "server", "both"])
def test_doubled_transmissions_are_taken_once(who: str, window: int, every: int) -> None:
    requests = [pattern(n)[:n] for n in (700, 3, 29, 2000, 500)]
    log: list[object] = []
    settings = HdlcSettings(max_info_tx=64, max_info_rx=64, window_tx=window, window_rx=window)
    server = meter(log=log) if who == "client" else doubling(meter(log=log), every)
    talk = session(client(settings), requests, timeout=60.0)
    talk = talk if who == "server" else doubling(talk, every)
    assert run(talk, VirtualPort(server, LineModel(baud=9600))) == [request[::-1] for request in requests]
    assert [entry for entry in log if entry is not None] == [(16, 1, request) for request in requests]


@pytest.mark.parametrize("lost", [{0}, {1}, {2}, {0, 1}, {2, 3}, {3, 5, 7}])
@pytest.mark.parametrize("side", ["drop_requests", "drop_answers"])
def test_lost_windows_are_asked_for_again(side: str, lost: set[int]) -> None:
    requests = [pattern(900)[:900], pattern(900)[9:500]]
    settings = HdlcSettings(max_info_tx=64, max_info_rx=64, window_tx=3, window_rx=4)
    port = VirtualPort(meter(), LineModel(baud=9600, **{side: frozenset(lost)}))  # type: ignore[arg-type]
    assert run(session(client(settings), requests, timeout=20.0), port) == [request[::-1] for request in requests]


def test_a_late_response_does_not_confuse_what_follows() -> None:
    requests = [bytes((number,)) * 50 for number in range(1, 9)]
    log: list[object] = []
    port = VirtualPort(meter(log=log), LineModel(baud=9600, turnaround=0.02, late={2: 4.0, 4: 3.5, 6: 7.0}))
    assert run(session(client(), requests, timeout=30.0), port) == [request[::-1] for request in requests]
    assert [entry for entry in log if entry is not None] == [(16, 1, request) for request in requests]


def test_ten_thousand_rows_use_98_percent_of_the_line() -> None:
    """380,005 octets in blocks of 65,535 over 2030/7 at 19200 Bd with 20 ms of turnaround each way (exact figure)."""
    payload = 380_005
    sizes = []
    while payload > sum(sizes) - 12 * len(sizes):
        sizes.append(min(65_535, payload - sum(sizes) + 12 * len(sizes) + 12))
    requests = [size.to_bytes(37 if not index else 10, "big") for index, size in enumerate(sizes)]
    port = VirtualPort(meter(answer=lambda apdu: bytes(int.from_bytes(apdu, "big"))), SERIAL)
    responses = run(session(client(), requests), port)
    assert [len(response) for response in responses] == sizes
    assert sum(sizes) - 12 * len(sizes) == payload
    assert payload * 10 / 19200 / port.now() >= 0.98
    # No pause of the client's own: the line is busy, or in one of the two turnarounds.
    turns = sum(1 for event in port.log if event.kind == "send")
    assert port.now() <= sum(port.line_time.values()) + turns * 0.02 + 1e-6


def test_the_next_request_leaves_at_once_after_the_final_frame() -> None:
    port = VirtualPort(meter(), LineModel(baud=9600))
    run(session(client(), [b"12345"] * 5), port)
    assert port.now() == pytest.approx(sum(port.line_time.values()), abs=1e-6)


def test_optical_head_echo_is_dropped() -> None:
    link = client(HdlcSettings(max_info_tx=32, max_info_rx=32))
    request = pattern(500)[:500]
    assert (
        run(session(link, [request] * 3), VirtualPort(meter(), LineModel(baud=9600, echo="full")))
        == [request[::-1]] * 3
    )
    assert codes(link) == {"hdlc-echo"}


def test_echo_is_told_by_what_it_says_where_both_addresses_have_the_same_octets() -> None:
    link = client(HdlcSettings(client=1, server=1, max_info_tx=32, window_tx=1))
    request = pattern(200)[:200]

    def scripted() -> Dialog[None]:
        # A server that hears itself would hear commands from itself; ours has the echo on the client's side only.
        yield from meter()

    port = VirtualPort(scripted(), LineModel(baud=9600, echo="full"))
    assert run(session(link, [request] * 2), port) == [request[::-1]] * 2
    assert "hdlc-echo" in codes(link)


@pytest.mark.parametrize("size", [None, 1, 2, 4])
def test_the_meter_answers_with_the_length_of_address_it_was_called_with(size: int | None) -> None:
    physical = None if size in (None, 1) else 17
    settings = HdlcSettings(server=1, physical=physical, address_size=size)
    assert run(session(client(settings), [b"abc"]), VirtualPort(meter(), TCP)) == [b"cba"]


def test_one_client_after_the_other_and_who_asked() -> None:
    log: list[object] = []
    port = VirtualPort(meter(HdlcServerSettings(servers=frozenset({1, 5})), log=log), TCP)

    def both() -> Dialog[None]:
        yield from session(client(), [b"a"])
        yield from session(client(HdlcSettings(client=2, server=5)), [b"b"])

    run(both(), port)
    assert log == [(16, 1, b"a"), None, (2, 5, b"b"), None]


def test_no_answer_of_the_application_gives_the_turn_back() -> None:
    port = VirtualPort(meter(answer=lambda apdu: None), TCP)

    def dialog() -> Dialog[None]:
        link = client()
        yield from link.open((yield Now()) + 5)
        yield from link.send(b"unconfirmed", (yield Now()) + 5)
        with pytest.raises(NoAnswer, match="in time"):
            yield from link.receive((yield Now()) + 5)

    run(dialog(), port)
    assert port.now() == pytest.approx(5)
    # Polling a meter that has nothing to say slows down.
    assert len(port.log) < 40


def test_several_apdus_of_the_server_are_polled_for() -> None:
    def pushing() -> Dialog[None]:
        link = HdlcServerLink(HdlcServerSettings(window_tx=2, max_info_tx=64), ReceiveBuffer())
        while True:
            if (yield from link.receive()) is not None:
                for number in range(5):
                    yield from link.send(bytes((number,)) * 100)

    def dialog() -> Dialog[list[bytes]]:
        link = client()
        yield from link.open((yield Now()) + 5)
        yield from link.send(b"go", (yield Now()) + 5)
        got = []
        for _ in range(5):
            got.append((yield from link.receive((yield Now()) + 5)))
        return got

    assert run(dialog(), VirtualPort(pushing(), TCP)) == [bytes((number,)) * 100 for number in range(5)]


def test_ui_pushes_are_kept_beside_the_answers() -> None:
    def pushing() -> Dialog[None]:
        link = HdlcServerLink(HdlcServerSettings(max_info_tx=64), ReceiveBuffer())
        while True:
            request = yield from link.receive()
            if request is not None:
                yield from link.push(b"P" * 200, 16)
                yield from link.push(b"Q" * 20, 103)
                yield from link.send(echo(request[2]))

    link = client()
    assert run(session(link, [b"ab", b"cd"]), VirtualPort(pushing(), TCP)) == [b"ba", b"dc"]
    assert list(link.pushes) == [b"P" * 200, b"Q" * 20] * 2


def test_inactivity_ends_the_link() -> None:
    log: list[object] = []

    def dialog() -> Dialog[None]:
        link = client()
        yield from link.open((yield Now()) + 5)
        yield from link.send(b"a", (yield Now()) + 5)
        assert (yield from link.receive((yield Now()) + 5)) == b"a"
        yield Sleep(119.9)
        yield from link.send(b"b", (yield Now()) + 5)
        yield from link.receive((yield Now()) + 5)
        yield Sleep(120.1)
        yield from link.send(b"c", (yield Now()) + 5)
        with pytest.raises(LinkError, match="DM"):
            yield from link.receive((yield Now()) + 5)
        assert link.mode is Mode.DISCONNECTED
        with pytest.raises(LocalProtocolError):
            yield from link.send(b"d", (yield Now()) + 5)
        # And a new link is possible.
        assert (yield from session(link, [b"xy"])) == [b"yx"]

    run(dialog(), VirtualPort(meter(log=log), TCP))
    assert log == [(16, 1, b"a"), (16, 1, b"b"), None, (16, 1, b"xy"), None]


# --- negotiation ------------------------------------------------------------------------------------------------------


def answering(ua: bytes, log: list[Frame]) -> Dialog[None]:
    """A meter that answers SNRM with ``ua``, and the first whole request with ``done``; it logs what comes."""
    buffer = ReceiveBuffer()
    received = 0
    while True:
        while (frame := take_frame(buffer)) is None:
            buffer.feed((yield Receive(1000.0)))
        log.append(frame)
        if frame.kind is FrameKind.SNRM:
            received = 0
            yield Send(Frame(frame.source, frame.destination, 0x73, ua).encode())
        elif frame.kind is FrameKind.I:
            received += 1
            if frame.final and frame.segmented:
                control = control_octet(FrameKind.RR, poll=True, receive=received % 8)
                yield Send(Frame(frame.source, frame.destination, control).encode())
            elif frame.final:
                control = control_octet(FrameKind.I, poll=True, receive=received % 8)
                yield Send(Frame(frame.source, frame.destination, control, b"\xe6\xe7\x00done").encode())
        elif frame.kind is FrameKind.DISC:
            yield Send(Frame(frame.source, frame.destination, 0x73).encode())


@pytest.mark.parametrize(
    ("ua", "lengths"),
    [
        # UA 05=128 06=32: a client segments an AARQ of 34 octets (with LLC); 05=32 06=128 does not.
        ("818006 050180 060120", [32, 2]),
        ("818006 050120 060180", [34]),
        ("", [34]),
        ("818000", [34]),
        ("81800C 0502 0080 0602 0020 0701 01 0801 03", None),
    ],
)
def test_ua_is_read_crosswise_and_obeyed(ua: str, lengths: list[int] | None) -> None:
    log: list[Frame] = []
    link = client()
    information = bytes.fromhex(ua)
    assert run(session(link, [bytes(31)]), VirtualPort(answering(information, log), TCP)) == [b"done"]
    if lengths:
        assert [len(frame.information) for frame in log if frame.kind is FrameKind.I] == lengths
    assert link.parameters is not None
    offered = Parameters.decode(information)[0]
    assert link.parameters == Parameters(offered.max_info_rx, offered.max_info_tx, offered.window_rx, offered.window_tx)


@pytest.mark.parametrize("ua", ["818003 060100", "818003 060110", "818004 06021000", "818003 080108", "FF"])
def test_an_absurd_ua_means_the_defaults(ua: str) -> None:
    log: list[Frame] = []
    link = client()
    run(session(link, [bytes(300)]), VirtualPort(answering(bytes.fromhex(ua), log), TCP))
    assert [len(frame.information) for frame in log if frame.kind is FrameKind.I] == [128, 128, 47]
    assert codes(link) == {"hdlc-parameters"}


def test_windows_of_the_client_poll_with_their_last_frame_only() -> None:
    log: list[Frame] = []
    ua = Parameters(128, 64, 1, 3).encode()
    run(session(client(), [bytes(64 * 5 - 3)]), VirtualPort(answering(ua, log), TCP))
    sent = [(frame.final, frame.segmented, frame.send_number) for frame in log if frame.kind is FrameKind.I]
    assert sent == [
        (False, True, 0),
        (False, True, 1),
        (True, True, 2),
        (False, True, 3),
        (True, False, 4),
    ]


@pytest.mark.parametrize(
    ("proposal", "own", "ua"),
    [
        # Both servers run for the facts page: SNRM 05=64 06=512 -> UA 05=128 06=64; 05=512 06=64 -> UA 05=64.
        (Parameters(64, 512), 128, (128, 64)),
        (Parameters(512, 64), 128, (64, 128)),
        (Parameters(256, 256), 128, (128, 128)),
        (None, 2030, (128, 128)),
        (Parameters(2030, 2030, 7, 7), 2030, (2030, 2030)),
    ],
)
def test_the_server_answers_the_smaller_of_proposal_and_own(
    proposal: Parameters | None, own: int, ua: tuple[int, int]
) -> None:
    def dialog() -> Dialog[Parameters]:
        yield Send(Frame(b"\x03", b"\x21", 0x93, proposal.encode() if proposal else b"").encode())
        answer = Frame.decode((yield Receive(1.0)))
        assert (answer.kind, answer.destination, answer.source) == (FrameKind.UA, b"\x21", b"\x03")
        return Parameters.decode(answer.information)[0]

    settings = HdlcServerSettings(max_info_tx=own, max_info_rx=own)
    agreed = run(dialog(), VirtualPort(meter(settings), TCP))
    assert (agreed.max_info_tx, agreed.max_info_rx) == ua
    assert agreed.window_tx == (proposal.window_rx if proposal else 1)


def test_snrm_without_parameters() -> None:
    log: list[Frame] = []
    run(session(client(HdlcSettings(negotiate=False)), [b"a"]), VirtualPort(answering(b"", log), TCP))
    assert log[0].encode() == bytes.fromhex("7ea0070321930f017e")


def test_snrm_proposes_what_the_settings_say() -> None:
    log: list[Frame] = []
    settings = HdlcSettings(max_info_tx=256, max_info_rx=256, window_tx=1, window_rx=1)
    run(session(client(settings), [b"a"]), VirtualPort(answering(b"", log), TCP))
    assert log[0].encode() == bytes.fromhex("7ea0200321937dd98180140502010006020100070400000001080400000001696d7e")


@pytest.mark.parametrize(
    "settings",
    [{"max_info_tx": 31}, {"max_info_rx": 2031}, {"window_tx": 0}, {"window_rx": 8}, {"inter_octet_timeout": 0}],
)
def test_settings_out_of_range_are_the_callers_fault(settings: dict[str, int]) -> None:
    with pytest.raises(LocalProtocolError):
        HdlcSettings(**settings)  # type: ignore[arg-type]


# --- scripted meters --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "noise",
    [
        b"\x7e" * 40,
        b"\x00\xff\x80",
        b"\x7e\xa7\xff\x03",
        Frame(b"\x23", b"\x03", 0x30, ANSWER).encode(),
        Frame(b"\x21", b"\x05", 0x30, ANSWER).encode(),
        Frame(b"\x03", b"\x21", 0x10, b"\xe6\xe6\x00question").encode(),
        UA.encode(),
        reply(FrameKind.SNRM).encode(),
    ],
    ids=["flags", "light", "false header", "for another client", "of another meter", "echo", "second UA", "nonsense"],
)
def test_what_is_not_the_answer_is_passed_over(noise: bytes) -> None:
    link = client()
    answer = reply(FrameKind.I, receive=1, info=ANSWER)
    assert run(ask(link), VirtualPort(script(noise + UA.encode(), noise + answer.encode()), TCP)) == b"answer"


def test_silence_within_a_long_answer_is_polled_and_the_time_given_anew_for_what_had_come() -> None:
    log: list[Frame] = []
    parts = [
        reply(FrameKind.I, receive=1, send=n % 8, info=b"\xe6\xe7\x00" if not n else b"part", more=True).encode()
        for n in range(12)
    ]
    port = VirtualPort(script(UA.encode(), *parts[:5], b"", *parts[5:], log=log), TCP)
    with pytest.raises(NoAnswer):
        run(ask(client(HdlcSettings(response_timeout=2)), timeout=5.0), port)
    # Silent for 2 s, polled, and on; then silent to the end: 5 s after the last part.
    assert kinds(log)[:14] == ["SNRM", "I", *["RR"] * 12]
    assert [frame.receive_number for frame in log[2:16]] == [1, 2, 3, 4, 5, 5, 6, 7, 0, 1, 2, 3, 4, 4]
    assert port.now() == pytest.approx(7.0)


def test_what_comes_instead_of_the_next_part_is_heeded() -> None:
    parts = [
        reply(FrameKind.I, receive=1, send=n, info=info, more=n < 5).encode()
        for n, info in enumerate((b"\xe6\xe7\x00a", b"n", b"s", b"w", b"e", b"r"))
    ]
    push = Frame(b"\x21", b"\x03", 0x13, b"\xe6\xe7\x00\x0fpush").encode()
    damaged = parts[3][:-4] + b"\x00" + parts[3][-3:]
    answers = [parts[0], parts[1], push + parts[2], damaged, parts[2], parts[3], b"\xff" + parts[4], parts[5]]
    link = client()
    assert run(ask(link), VirtualPort(script(UA.encode(), *answers), TCP)) == b"answer"
    assert list(link.pushes) == [b"\x0fpush"]


def test_after_silence_the_meter_is_polled_and_not_sent_the_same_again() -> None:
    log: list[Frame] = []
    answer = reply(FrameKind.I, receive=1, info=ANSWER).encode()
    assert run(ask(client()), VirtualPort(script(UA.encode(), b"", answer, log=log), TCP)) == b"answer"
    assert kinds(log) == ["SNRM", "I", "RR"]


def test_what_the_poll_shows_as_lost_is_sent_again() -> None:
    log: list[Frame] = []
    answer = reply(FrameKind.I, receive=1, info=ANSWER).encode()
    peer = script(UA.encode(), b"", reply(FrameKind.RR).encode(), answer, log=log)
    assert run(ask(client()), VirtualPort(peer, TCP)) == b"answer"
    assert kinds(log) == ["SNRM", "I", "RR", "I"]
    assert log[1] == log[3]


def test_rej_is_followed_by_sending_again() -> None:
    log: list[Frame] = []
    answer = reply(FrameKind.I, receive=1, info=ANSWER).encode()
    peer = script(UA.encode(), reply(FrameKind.REJ).encode(), answer, log=log)
    assert run(ask(client()), VirtualPort(peer, TCP)) == b"answer"
    assert kinds(log) == ["SNRM", "I", "I"]


def test_rnr_is_waited_for() -> None:
    log: list[Frame] = []
    busy = reply(FrameKind.RNR, receive=1).encode()
    answer = reply(FrameKind.I, receive=1, info=ANSWER).encode()
    peer = script(UA.encode(), busy, busy, busy, busy, answer, log=log)
    port = VirtualPort(peer, TCP)
    assert run(ask(client()), port) == b"answer"
    assert kinds(log) == ["SNRM", "I", "RR", "RR", "RR", "RR"]
    assert 1 < port.now() < 4


def test_a_repeated_frame_is_dropped_and_acknowledged_again() -> None:
    log: list[Frame] = []
    first = reply(FrameKind.I, receive=1, send=0, info=b"\xe6\xe7\x00ans", more=True).encode()
    last = reply(FrameKind.I, receive=1, send=1, info=b"wer").encode()
    assert run(ask(client()), VirtualPort(script(UA.encode(), first, first, last, log=log), TCP)) == b"answer"
    assert [frame.receive_number for frame in log[2:]] == [1, 1]


def test_a_gap_is_asked_for_by_rr_and_then_by_rej() -> None:
    log: list[Frame] = []
    frames = [
        reply(FrameKind.I, receive=1, send=n, info=info, more=n < 2, final=n == 2)
        for n, info in enumerate((b"\xe6\xe7\x00an", b"sw", b"er"))
    ]
    gap = said(frames[0], frames[2])
    peer = script(UA.encode(), gap, gap, gap, said(frames[1], frames[2]), log=log)
    assert run(ask(client()), VirtualPort(peer, TCP)) == b"answer"
    assert [(str(frame.kind), frame.receive_number) for frame in log[2:]] == [("RR", 1), ("RR", 1), ("REJ", 1)]


def test_a_broken_frame_is_asked_for_after_the_inter_octet_timeout() -> None:
    answer = reply(FrameKind.I, receive=1, info=ANSWER).encode()
    port = VirtualPort(script(UA.encode(), answer[:12], answer), TCP)
    settings = HdlcSettings(inter_octet_timeout=0.5, response_timeout=5)
    assert run(ask(client(settings)), port) == b"answer"
    assert port.now() == pytest.approx(0.5)


def test_the_time_of_our_own_octets_is_not_the_meters() -> None:
    """A request of 2000 octets takes 67 s at 300 Bd; the meter still has its 10 s to answer."""
    link = client(HdlcSettings(response_timeout=8.0))

    def dialog() -> Dialog[bytes]:
        yield from link.open((yield Now()) + 10)
        deadline = (yield Now()) + 10
        yield from link.send(bytes(5000), deadline)
        return (yield from link.receive(deadline))

    ua = reply(FrameKind.UA, info=Parameters(2030, 2030, 7, 7).encode()).encode()
    peer = script(ua, reply(FrameKind.I, receive=3, info=ANSWER).encode())
    assert run(dialog(), VirtualPort(peer, LineModel(baud=300, turnaround=5.0))) == b"answer"


def test_a_damaged_window_is_not_spoken_into() -> None:
    """The header of a frame of 68 s is damaged: it proves to be none at once, and yet the line is not free."""
    window = said(
        reply(FrameKind.I, receive=1, send=0, info=b"\xe6\xe7\x00" + bytes(2000), more=True, final=False),
        reply(FrameKind.I, receive=1, send=1, info=b"end"),
    )
    damaged = b"\x7e\xa0" + window[2:]
    log: list[Frame] = []
    port = VirtualPort(script(UA.encode(), damaged, window, log=log), LineModel(baud=300))
    assert run(ask(client(), timeout=300.0), port) == bytes(2000) + b"end"
    assert kinds(log) == ["SNRM", "I", "RR"]
    sent = [event for event in port.log if event.kind == "send"]
    assert all(before.end <= after.start for before, after in itertools.pairwise(sent))


def test_a_slow_frame_is_not_interrupted() -> None:
    """A frame of 2030 octets takes 68 s at 300 Bd; the response time-out is 3 s."""
    link = client()
    line = LineModel(baud=300, turnaround=0.2)
    assert run(session(link, [pattern(2000)[:2000]], timeout=200.0), VirtualPort(meter(), line)) == [
        pattern(2000)[:2000][::-1]
    ]
    assert link.tally.bad_fcs == 0


@pytest.mark.parametrize(
    ("refusal", "text"),
    [
        (reply(FrameKind.DM), "DM"),
        (reply(FrameKind.FRMR, info=bytes.fromhex("100004")), r"I \(10\) rejected: information field too long \(Y\)"),
    ],
)
def test_dm_and_frmr_end_the_link_with_their_reason(refusal: Frame, text: str) -> None:
    for steps in ((refusal.encode(),), (UA.encode(), refusal.encode())):
        link = client()
        with pytest.raises(LinkError, match=text) as caught:
            run(ask(link), VirtualPort(script(*steps), TCP))
        assert caught.value.hint
        assert link.mode is Mode.DISCONNECTED


def test_acknowledgement_of_what_was_never_sent_ends_the_link() -> None:
    peer = script(UA.encode(), forever=reply(FrameKind.RR, receive=5).encode())
    with pytest.raises(LinkError, match="never sent"):
        run(ask(client()), VirtualPort(peer, TCP))


@pytest.mark.parametrize(("lower", "size"), [(CALLING[1], 4), (ALL_STATION[1], 4), (CALLING[0], 2)])
def test_the_address_of_a_meter_called_by_a_reserved_one_is_learned(lower: int, size: int) -> None:
    mine = b"\x02\x23"
    log: list[Frame] = []
    peer = script(Frame(b"\x21", mine, 0x73).encode(), Frame(b"\x21", mine, 0x30, ANSWER).encode(), log=log)
    link = client(HdlcSettings(physical=lower, address_size=size))
    assert run(ask(link), VirtualPort(peer, TCP)) == b"answer"
    assert (link.server.upper, link.server.lower, link.server.size) == (1, 17, 2)
    assert log[1].destination == mine
    assert codes(link) == {"hdlc-server-address"}


def test_a_point_to_point_meter_answers_the_calling_address() -> None:
    settings = HdlcServerSettings(physical=17, answers_calling=True)
    link = client(HdlcSettings(physical=CALLING[1]))
    assert run(session(link, [b"ab"]), VirtualPort(meter(settings), TCP)) == [b"ba"]


@pytest.mark.parametrize("llc", [b"", b"\xe6\xe6\x00"])
def test_a_missing_or_wrong_llc_header_is_tolerated(llc: bytes) -> None:
    link = client()
    answer = reply(FrameKind.I, receive=1, info=llc + b"answer").encode()
    assert run(ask(link), VirtualPort(script(UA.encode(), answer), TCP)) == b"answer"
    assert codes(link) == {"hdlc-llc"}


def test_close_is_quiet_whatever_the_meter_does() -> None:
    for peer in (
        script(UA.encode()),
        script(UA.encode(), forever=b"\x7e" * 9),
        script(UA.encode(), reply(FrameKind.DM).encode()),
    ):
        link = client(HdlcSettings(response_timeout=1.0))
        port = VirtualPort(peer, TCP)

        def dialog(link: HdlcLink = link) -> Dialog[None]:
            yield from link.open((yield Now()) + 5)
            yield from link.close((yield Now()) + 2)
            yield from link.close((yield Now()) + 2)

        run(dialog(), port)
        assert port.now() <= 2
        assert link.mode is Mode.DISCONNECTED


def test_octets_left_by_an_earlier_protocol_are_read() -> None:
    buffer = ReceiveBuffer()
    buffer.feed(b"rest of 62056-21\x06" + UA.encode())
    link = HdlcLink(HdlcSettings(), buffer)
    run(link.open(1.0), VirtualPort(script(), TCP))
    assert link.mode is Mode.CONNECTED


# --- hostile meters ---------------------------------------------------------------------------------------------------


def dripping(octets: bytes, pause: float) -> Dialog[None]:
    while True:
        for octet in octets:
            yield Send(bytes((octet,)))
            yield Sleep(pause)


EMPTY = [reply(FrameKind.I, receive=1, send=n, more=True) for n in range(8)]


def endless(frames: list[Frame]) -> Dialog[None]:
    """UA, then the frames in turn, one for each command."""
    yield from script(UA.encode(), *itertools.islice(itertools.cycle(frame.encode() for frame in frames), 5000))


HOSTILE: dict[str, Callable[[], Dialog[None]]] = {
    "silent at SNRM": lambda: script(),
    "silent after UA": lambda: script(UA.encode()),
    "dripping a frame": lambda: dripping(UA.encode()[:-1] + b"\x00", 1.0),
    "dripping fast": lambda: dripping(reply(FrameKind.I, receive=1, info=bytes(1900)).encode()[:-9] + b"\x00", 0.5),
    "flags for ever": lambda: dripping(b"\x7e", 0.01),
    "false headers for ever": lambda: dripping(b"\x7e\xa7\xff\x03\x21", 0.1),
    "RNR for ever": lambda: script(UA.encode(), forever=reply(FrameKind.RNR, receive=1).encode()),
    "RR for ever": lambda: script(UA.encode(), forever=reply(FrameKind.RR, receive=1).encode()),
    "RR that never acknowledges": lambda: script(UA.encode(), forever=reply(FrameKind.RR).encode()),
    "other addresses for ever": lambda: script(UA.encode(), forever=Frame(b"\x23", b"\x03", 0x30, ANSWER).encode()),
    "UA for ever": lambda: script(forever=UA.encode()),
    "the same frame for ever": lambda: script(
        UA.encode(), forever=reply(FrameKind.I, receive=1, info=ANSWER[:4], more=True).encode()
    ),
    "never final": lambda: script(UA.encode(), forever=reply(FrameKind.RR, receive=1, final=False).encode()),
    "bad FCS for ever": lambda: script(UA.encode(), forever=reply(FrameKind.RR).encode()[:-2] + b"\x00\x7e"),
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("line", [TCP, LineModel(baud=2400)], ids=["tcp", "serial"])
def test_every_wait_ends_by_the_deadline(name: str, line: LineModel) -> None:
    port = VirtualPort(HOSTILE[name](), line)
    with pytest.raises(NoAnswer):
        run(ask(client(), timeout=15.0), port)
    # open, send and receive have 15 s each; what is being sent when the time is up is sent to its end.
    assert port.now() < 32


def test_endless_empty_segments_exceed_a_limit() -> None:
    with pytest.raises(LimitExceeded):
        run(ask(client()), VirtualPort(endless(EMPTY), TCP))


def test_an_apdu_beyond_the_bound_exceeds_a_limit() -> None:
    frames = [reply(FrameKind.I, receive=1, send=n, info=bytes(120), more=True) for n in range(8)]
    link = HdlcLink(HdlcSettings(), ReceiveBuffer(), max_apdu=2000)
    with pytest.raises(LimitExceeded):
        run(ask(link), VirtualPort(endless(frames), TCP))
    assert link.mode is Mode.DISCONNECTED


def test_one_octet_in_each_frame_is_progress_up_to_the_bound() -> None:
    frames = [reply(FrameKind.I, receive=1, send=n, info=b"x", more=True) for n in range(8)]
    link = HdlcLink(HdlcSettings(), ReceiveBuffer(), max_apdu=100)
    with pytest.raises(LimitExceeded):
        run(ask(link), VirtualPort(endless(frames), LineModel(baud=300, turnaround=1.0)))
