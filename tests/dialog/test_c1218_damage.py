"""The C12.18 link on bad lines and against broken and hostile peers; what it costs on a good one."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from c1218_rig import (
    IDENTIFICATION,
    IDENTIFY,
    ISSS,
    OK,
    SHORT,
    Chance,
    Meter,
    PlainMeter,
    Rig,
    carry_out,
    content,
    read,
    write,
)

from metersdk.dialog.c1218_link import C1218Link, C1218Settings, LinkFaults
from metersdk.effects import Dialog, Receive, Send, Sleep
from metersdk.errors import ChecksumError, LimitExceeded, LinkError, MeterError, NoAnswer
from metersdk.frame.buffer import ReceiveBuffer
from metersdk.frame.c1218 import ACK, NAK, Packet
from metersdk.port.line import LineModel

BIG = C1218Settings(packet_size=64, packets=255, response_timeout=0.5, character_timeout=0.2, traffic_timeout=1.5)

# --- a hostile or broken peer -----------------------------------------------------------------------------------------


def endless(make: Callable[[int], bytes], pause: float = 0.0) -> Dialog[None]:
    """Sends for ever, whatever it hears."""
    count = 0
    while True:
        yield Send(make(count))
        if pause:
            yield Sleep(pause)
        count += 1


def answering(make: Callable[[int], bytes]) -> Dialog[None]:
    """Answers whatever it hears, at once, for ever."""
    count = 0
    while True:
        if (yield Receive(1000.0)):
            yield Send(make(count))
            count += 1


def first(count: int) -> bytes:
    """The ACK to the request, before the first packet of its answer."""
    return ACK if count == 0 else b""


NOISE = random.Random(7).randbytes(4096)


@pytest.mark.parametrize(
    ("peer", "error"),
    [
        (lambda: endless(lambda k: NOISE[k % 4000 : k % 4000 + 16]), MeterError),
        (lambda: endless(lambda k: b"\x00" * 16), NoAnswer),
        (lambda: endless(lambda k: b"\xee" * 16), MeterError),
        (lambda: endless(lambda k: b"\xee\x00\x00\x00\x00\x30"), MeterError),
        (lambda: endless(lambda k: ACK), NoAnswer),
        (lambda: endless(lambda k: NAK), LinkError),
        (lambda: endless(lambda k: Packet(b"\x00again").encode()), MeterError),
        # One octet at a time of a packet that never ends.
        (lambda: endless(lambda k: (ACK + b"\xee\x00\x00\x00\x1f\xf8" + bytes(9000))[k : k + 1], 0.15), NoAnswer),
        (lambda: answering(lambda k: NAK), LinkError),
        (lambda: answering(lambda k: ACK), NoAnswer),
        (lambda: answering(lambda k: ACK + Packet(b"\x00" * 9).encode()[:-1] + b"\x00"), ChecksumError),
        (lambda: answering(lambda k: first(k) + Packet(b"x", bool(k % 2), 255, True, True).encode()), LimitExceeded),
        (lambda: answering(lambda k: first(k) + Packet(b"x", bool(k % 2), 9, True, k == 0).encode()), LimitExceeded),
        (lambda: answering(lambda k: first(k) + Packet(b"", bool(k % 2), 9, True, k == 0).encode()), LimitExceeded),
    ],
)  # fmt: skip
def test_a_hostile_peer_ends_in_an_error_in_bounded_time(
    peer: Callable[[], Dialog[None]], error: type[MeterError]
) -> None:
    rig = Rig(peer(), C1218Settings(response_timeout=0.5, character_timeout=0.2, packet_size=1024))
    with pytest.raises(error):
        rig.ask(read(1))
    assert rig.port.now() < 60
    assert len(rig.link._buffer) <= 1024 + 64


def test_an_answer_larger_than_a_service_unit_can_be() -> None:
    size = 8184
    peer = answering(lambda k: first(k) + Packet(bytes(size), bool(k % 2), 200 - k, True, k == 0).encode())
    rig = Rig(peer, C1218Settings(packet_size=8192, packets=255))
    with pytest.raises(LimitExceeded):
        rig.ask(read(1))


def test_a_meter_says_nothing_to_other_protocols() -> None:
    """A sign-on of IEC 62056-21, and SNRM, whose 2030 octets are written 07 EE."""
    rig = Rig(Meter().serve())
    since = len(rig.port.log)
    rig.port.send(b"/?!\r\n")
    assert rig.port.receive(1.0) == b""
    rig.port.send(bytes.fromhex("7ea0210321930f01818014050207ee060207ee070400000007080400000007533b7e"))
    assert rig.port.receive(1.0) == b""
    assert rig.wire("server", since) == b""
    assert rig.ask(IDENTIFY) == IDENTIFICATION


def test_a_meter_outlives_noise_and_damage() -> None:
    meter = Meter()
    rig = Rig(meter.serve(), model=LineModel(baud=9600))
    for start in range(0, 3000, 100):
        rig.port.send(NOISE[start : start + 100])
        rig.port.sleep(0.4)
    rig.port.sleep(3.0)
    rig.port.receive(0.0)
    assert rig.ask(IDENTIFY) == IDENTIFICATION


# --- chance: a thousand reads, a thousand right -----------------------------------------------------------------------

FAULTS = {
    "lost ACKs": {"lose_ack": 0.1},
    "changed ACKs": {"change_ack": 0.1},
    "repeated at once": {"twice": 0.3},
    "damaged": {"corrupt": 0.05},
    "torn": {"lose_octet": 0.05},
    "all of it": {"lose_ack": 0.1, "corrupt": 0.05, "twice": 0.1, "lose_octet": 0.02},
}
METERS: dict[str, Callable[[Chance], Dialog[None]]] = {
    "ours": lambda faults: Meter().serve(SHORT, faults),
    "ours, packets": lambda faults: Meter(size=300).serve(BIG, faults),
    "waits": lambda faults: PlainMeter().run(faults),
    "deaf": lambda faults: PlainMeter(queues=False).run(faults),
    "repeats at once": lambda faults: PlainMeter(repeats=1).run(faults),
}


def begin_anew(rig: Rig) -> None:
    for _ in range(3):
        rig.port.sleep(2.0)
        rig.run(rig.link.reset())
        with suppress(NoAnswer, ChecksumError):
            assert rig.ask(IDENTIFY) == IDENTIFICATION
            return
    raise AssertionError("no session")


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("make", METERS)
def test_a_hundred_reads_a_hundred_right(make: str, fault: str) -> None:
    """Ten thousand in all with both meters and all faults; the client has the same faults as the meter."""
    rig = Rig(METERS[make](Chance(1, **FAULTS[fault])), BIG)
    rig.link._faults = Chance(2, **FAULTS[fault])
    assert rig.ask(IDENTIFY) == IDENTIFICATION
    size = 300 if make == "ours, packets" else 40
    again = 0
    for table in range(100):
        while True:
            try:
                answer = rig.ask(read(table))
                if answer != ISSS:
                    break
            except MeterError:
                pass
            # Four copies of one packet in a row are lost: a session begins anew, as it does above the link.
            again += 1
            begin_anew(rig)
        assert answer[3:-1] == content(table, size), table
    assert again <= 2


@pytest.mark.parametrize("echo", ["none", "full"])
@pytest.mark.parametrize("make", METERS)
def test_no_answer_is_taken_for_another_on_a_bad_line(make: str, echo: str) -> None:
    line = LineModel(baud=9600, noise=3, flip=3e-4, lose=3e-4, turnaround=0.02, latency=0.016, seed=5, echo=echo)  # type: ignore[arg-type]
    rig = Rig(METERS[make](Chance(1)), BIG, line)
    size = 300 if make == "ours, packets" else 40
    right = 0
    for table in range(60):
        request = read(table) if table % 5 else write(table, b"set")
        try:
            answer = rig.ask(request)
        except MeterError:
            answer = ISSS
        if answer == ISSS:
            begin_anew(rig)
            continue
        right += 1
        assert answer == OK if table % 5 == 0 else answer[3:-1] == content(table, size)
    assert right >= 57


def test_what_is_written_is_written_once() -> None:
    """A write is carried out once, or it ends in an error; and it is never carried out twice."""
    for seed in range(6):
        meter = Meter()
        rig = Rig(meter.serve(SHORT, Chance(seed, **FAULTS["all of it"])))
        rig.link._faults = Chance(seed + 50, **FAULTS["all of it"])
        rig.ask(IDENTIFY)
        for table in range(60):
            try:
                answer = rig.ask(write(table, b"set"))
            except MeterError:
                answer = ISSS
            assert meter.asked.count(write(table, b"set")) <= 1
            if answer == ISSS:
                begin_anew(rig)
            else:
                assert answer == OK
                assert meter.asked.count(write(table, b"set")) == 1


# --- cut anywhere -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", ["client", "server"])
@pytest.mark.parametrize("make", ["ours, packets", "waits", "deaf"])
def test_a_session_cut_at_any_octet_does_not_spoil_the_next(make: str, side: str) -> None:
    """The client falls silent behind any octet that it, or the meter, has sent; another one begins at once."""

    class Cut(LinkFaults):
        def __init__(self, left: int) -> None:
            self.left = left

        def packet(self, octets: bytes) -> tuple[bytes, ...]:
            piece = octets[: max(0, self.left)]
            self.left -= len(octets)
            return (piece,) if piece else ()

        def acknowledgement(self, octet: bytes) -> bytes:
            self.left -= 1
            return octet if self.left >= 0 else b""

    size = 300 if make == "ours, packets" else 40
    step = 7 if make == "ours, packets" else 3
    for at in range(0, 400 if make == "ours, packets" else 120, step):
        rig = Rig(METERS[make](Chance(0)), BIG)
        rig.link._faults = cut = Cut(at if side == "client" else 1 << 30)
        steps = rig.link.request(IDENTIFY), rig.link.request(read(3)), rig.link.request(write(4, bytes(30)))
        heard = 0
        effect: object = None
        for step_ in steps:
            answer: object = None
            while cut.left > 0 and (side == "client" or heard < at):
                try:
                    effect = step_.send(answer)
                except StopIteration:
                    break
                answer = carry_out(rig, effect)
                heard += len(answer) if isinstance(answer, bytes) else 0
            else:
                break
        other = C1218Link(BIG, ReceiveBuffer())
        rig.run(other.open())
        for attempt in range(4):
            try:
                assert rig.run(other.request(IDENTIFY)) == IDENTIFICATION
                break
            except NoAnswer:
                assert attempt < 3
                rig.run(other.reset())
        for table in (5, 6):
            assert rig.run(other.request(read(table)))[3:-1] == content(table, size), at


# --- what it costs ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("baud", [9600, 19200, 57600])
def test_a_load_profile_costs_three_hundredths_more_than_its_octets(baud: int) -> None:
    size = 35_340
    rig = Rig(Meter(size=size, negotiated=(1024, 255, baud)).serve(C1218Settings()), C1218Settings())
    rig.ask(IDENTIFY)
    rig.ask(b"\x61\x04\x00\xff\x06")
    rig.run(rig.link.adopt(1024, 255, baud))
    since = len(rig.port.log)
    begun = rig.port.now()
    assert rig.ask(read(64))[3:-1] == content(64, size)
    wire = len(rig.wire(since=since))
    # 35 packets of 8 octets more, 35 ACKs, the request of 11 octets and its ACK, and 4 octets around the table.
    assert wire == size + 4 + 35 * 9 + 11 + 1
    assert wire <= 1.03 * size
    assert rig.port.now() - begun == pytest.approx(wire * 10 / baud, rel=1e-3)


def test_the_cost_of_an_exchange_is_eight_octets_a_packet_and_an_acknowledgement() -> None:
    rig = Rig(Meter(size=40).serve())
    rig.ask(read(1))
    assert len(rig.wire()) == (8 + 3 + 1) + (8 + 44 + 1)


SIZES = [(64, 1), (64, 255), (128, 255), (512, 255), (1024, 255), (4096, 255)]
_ROW = re.compile(r"^\| (\d+) x (\d+)[^|]*\| (\d+) \| (\d+) \| ([\d.]+) % \| (\d+) \|$", re.MULTILINE)


def rows_of_the_page() -> list[tuple[int, ...]]:
    page = Path(__file__).parents[2] / "docs" / "c1218.md"
    found = _ROW.findall(page.read_text("utf-8"))
    return [(*map(int, row[:4]), round(float(row[4]) * 10), int(row[5])) for row in found]


def test_the_page_has_all_sizes() -> None:
    assert [row[:2] for row in rows_of_the_page()] == SIZES


@pytest.mark.parametrize("row", rows_of_the_page(), ids=str)
def test_what_packets_cost_as_the_page_has_it(row: tuple[int, ...]) -> None:
    """A table of 35,340 octets, by offset where one answer does not hold it."""
    packet_size, packets, reads, octets, tenths, one_way = row
    left = size = 35_340
    settings = C1218Settings(baud=57600, packet_size=packet_size, packets=packets)
    device = Meter(size=0)
    rig = Rig(device.serve(settings), settings)
    asked = 0
    while left:
        # By offset a request has five octets more; the meter answers to the length alone.
        device.size = min(left, rig.link.max_payload - 4)
        whole = device.size == size
        rig.ask(read(64) + (b"" if whole else bytes(5)))
        left -= device.size
        asked += 1
    wire = rig.wire()
    assert (asked, len(wire), round(1000 * (len(wire) / size - 1))) == (reads, octets, tenths)
    server = [event.data for event in rig.port.log if event.kind == "send" and event.side == "server"]
    assert sum(data[:1] == b"\xee" for data in server) == one_way


def test_findings_come_once_for_each_code() -> None:
    faults = FAULTS["all of it"]
    rig = Rig(Meter().serve(SHORT, Chance(3, **faults)))
    for table in range(80):
        try:
            rig.ask(read(table))
        except MeterError:
            rig.run(rig.link.reset())
    assert rig.link.tally.duplicates > 1 and rig.link.tally.damaged > 1
    assert len(rig.codes) == len(set(rig.codes))
    assert {"c1218-duplicate", "c1218-damaged"} <= set(rig.codes)
