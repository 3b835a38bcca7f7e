"""The C12.18 link, both ends, under the virtual clock."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from c1218_rig import (
    IDENTIFICATION,
    IDENTIFY,
    OK,
    SHORT,
    TERMINATE,
    Meter,
    Rig,
    carry_out,
    content,
    read,
    scripted,
    write,
)

from metersdk.apdu.psem import TimingSetup
from metersdk.dialog.c1218_link import C1218Link, C1218Settings, LinkFaults
from metersdk.effects import Dialog, Receive, Send, SetLine, Sleep
from metersdk.errors import (
    Cancel,
    LinkError,
    LocalProtocolError,
    NoAnswer,
)
from metersdk.frame.buffer import ReceiveBuffer
from metersdk.frame.c1218 import ACK, NAK, Packet, PacketReader, split
from metersdk.port.line import LineModel

BIG = C1218Settings(packet_size=64, packets=255, response_timeout=0.5, character_timeout=0.2, traffic_timeout=1.5)


def packets_in(octets: bytes) -> list[Packet | bytes]:
    buffer = ReceiveBuffer()
    buffer.feed(octets)
    reader = PacketReader(buffer)
    found: list[Packet | bytes] = []
    while (unit := reader.next()) is not None:
        found.append(unit)
    return found


# --- the rules, octet by octet ----------------------------------------------------------------------------------------


def test_the_first_exchange_as_it_is_on_the_line() -> None:
    rig = Rig(Meter().serve())
    assert rig.ask(IDENTIFY) == IDENTIFICATION
    assert rig.wire("client") == bytes.fromhex("ee0000000001201310") + ACK
    assert rig.wire("server") == ACK + Packet(IDENTIFICATION).encode()
    assert rig.codes == []


def test_the_toggle_is_another_one_in_each_new_packet_of_one_sender() -> None:
    rig = Rig(Meter().serve())
    for table in range(4):
        rig.ask(read(table))
    for side in ("client", "server"):
        toggles = [unit.toggle for unit in packets_in(rig.wire(side)) if isinstance(unit, Packet)]
        assert toggles == [False, True, False, True]


def test_a_long_answer_comes_in_packets_that_count_down_each_acknowledged() -> None:
    rig = Rig(Meter(size=200).serve(BIG), BIG)
    answer = rig.ask(read(9))
    assert answer[3:-1] == content(9, 200)
    sent = [unit for unit in packets_in(rig.wire("server")) if isinstance(unit, Packet)]
    assert [packet.sequence for packet in sent] == [3, 2, 1, 0]
    assert [packet.toggle for packet in sent] == [False, True, False, True]
    assert [packet.first for packet in sent] == [True, False, False, False]
    assert rig.wire("client") == Packet(read(9)).encode() + ACK * 4
    # The next one goes on where this one ended.
    rig.ask(read(10))
    assert packets_in(rig.wire("server"))[6].toggle is False  # type: ignore[union-attr]


def test_a_long_request_goes_out_in_packets_and_the_next_toggle_follows_the_last() -> None:
    meter = Meter()
    rig = Rig(meter.serve(BIG), BIG)
    assert rig.ask(write(7, bytes(130))) == OK
    assert rig.ask(read(1))[3:-1] == content(1)
    assert meter.asked[0] == write(7, bytes(130))
    sent = [unit for unit in packets_in(rig.wire("client")) if isinstance(unit, Packet)]
    assert [packet.sequence for packet in sent] == [2, 1, 0, 0]
    assert [packet.toggle for packet in sent] == [False, True, False, True]


def test_what_does_not_fit_is_not_sent() -> None:
    rig = Rig(Meter().serve())
    assert rig.link.max_payload == 56
    with pytest.raises(LocalProtocolError):
        rig.ask(bytes(57))
    assert rig.wire() == b""


def test_a_packet_is_refused_and_sent_again_as_it_was() -> None:
    packet = Packet(read(1)).encode()
    answer = Packet(OK + b"one").encode()
    rig = Rig(scripted((packet, 1.0), NAK, (packet, 1.0), ACK + answer, (ACK, 1.0)))
    assert rig.ask(read(1)) == OK + b"one"
    assert rig.wire("client") == packet * 2 + ACK
    assert rig.codes == ["c1218-repeated"]


def test_a_damaged_answer_is_refused_and_asked_for_again_at_once() -> None:
    packet, answer = Packet(read(1)).encode(), Packet(OK + ACK * 9 + b"\xee" + NAK * 9).encode()
    damaged = answer[:9] + b"\xff" + answer[10:]
    rig = Rig(scripted((packet, 1.0), ACK + damaged, (NAK, 0.3), answer, (ACK, 1.0)))
    assert rig.ask(read(1)) == OK + ACK * 9 + b"\xee" + NAK * 9
    assert rig.wire("client") == packet + NAK + ACK
    assert rig.link.tally.damaged == 1
    assert rig.codes == ["c1218-damaged"]


@pytest.mark.parametrize("lost", [0, 1, 3, 6, 20, -1])
def test_an_answer_that_lacks_an_octet_is_asked_for_again(lost: int) -> None:
    packet, answer = Packet(read(1)).encode(), Packet(OK + bytes(range(30))).encode()
    torn = answer[:lost] + answer[lost:][1:] if lost >= 0 else answer[:-1]
    rig = Rig(scripted((packet, 1.0), ACK + torn, (NAK, 0.5), answer, (ACK, 1.0)))
    assert rig.ask(read(1)) == OK + bytes(range(30))


def test_the_answer_stands_for_its_lost_acknowledgement() -> None:
    rig = Rig(
        scripted(
            (Packet(IDENTIFY).encode(), 1.0),
            ACK + Packet(IDENTIFICATION).encode(),
            (ACK + Packet(read(1), True).encode(), 1.0),
            Packet(OK + b"one", True).encode(),
            (ACK, 1.0),
        )
    )
    rig.ask(IDENTIFY)
    assert rig.ask(read(1)) == OK + b"one"
    assert rig.codes == []


@pytest.mark.parametrize("acknowledged", [True, False])
def test_the_old_answer_repeated_while_an_acknowledgement_is_awaited_is_taken_once(acknowledged: bool) -> None:
    old = Packet(OK + b"one").encode()
    second = Packet(read(2), True).encode()
    rig = Rig(
        scripted(
            (Packet(read(1)).encode(), 1.0),
            ACK + old,
            (ACK + second, 1.0),
            old,
            (ACK, 1.0),
            ACK * acknowledged + Packet(OK + b"two", True).encode(),
            (ACK, 1.0),
        )
    )
    assert rig.ask(read(1)) == OK + b"one"
    assert rig.ask(read(2)) == OK + b"two"
    assert rig.link.tally.duplicates == 1
    assert rig.codes == ["c1218-duplicate"]


def test_the_old_answer_repeated_behind_the_acknowledgement_is_taken_once() -> None:
    old = Packet(OK + b"one").encode()
    second = Packet(read(2), True).encode()
    rig = Rig(
        scripted(
            (Packet(read(1)).encode(), 1.0),
            ACK + old,
            (ACK + second, 1.0),
            ACK + old,
            (ACK, 1.0),
            Packet(OK + b"two", True).encode(),
            (ACK, 1.0),
        )
    )
    assert rig.ask(read(1)) == OK + b"one"
    assert rig.ask(read(2)) == OK + b"two"


def test_the_old_answer_repeated_before_the_next_request_is_acknowledged_and_dropped() -> None:
    old = Packet(OK + b"one").encode()
    rig = Rig(
        scripted(
            (Packet(read(1)).encode(), 1.0),
            ACK + old,
            (ACK, 1.0),
            1.0,
            old,
            (ACK + Packet(read(2), True).encode(), 2.0),
            ACK + Packet(OK + b"two", True).encode(),
            (ACK, 1.0),
        )
    )
    assert rig.ask(read(1)) == OK + b"one"
    rig.port.sleep(1.5)
    assert rig.ask(read(2)) == OK + b"two"


NEGOTIATE, AGREED = b"\x61\x04\x00\xff\x06", b"\x00\x04\x00\xff\x06"
# The ACK of the meter is lost, so Identify is made anew; an answer to it is still owed when Negotiate is sent.
ANEW = (
    (Packet(IDENTIFY).encode(), 1.0),
    Packet(IDENTIFICATION).encode(),
    (ACK + Packet(IDENTIFY, True).encode(), 3.0),
    ACK + Packet(IDENTIFICATION, True).encode(),
    (ACK + Packet(NEGOTIATE).encode(), 3.0),
)


def test_behind_an_identify_made_anew_what_is_no_identification_is_the_answer() -> None:
    """Its ACK is lost: an answer of Identify alone is owed, and this is none. Dropped, it would leave both at odds."""
    rig = Rig(scripted(*ANEW, Packet(AGREED).encode(), (ACK, 1.0)))
    assert rig.ask(IDENTIFY) == IDENTIFICATION
    assert rig.link.tally.repeated_requests == 1
    assert rig.ask(NEGOTIATE) == AGREED
    assert rig.link.tally.repeats == 0


def test_behind_an_identify_made_anew_an_identification_is_no_answer() -> None:
    """The first Identify is answered once more, in place of the ACK to the next request."""
    again = (Packet(IDENTIFICATION).encode(), (ACK, 1.0))
    rig = Rig(scripted(*ANEW, *again, ACK + Packet(AGREED, True).encode(), (ACK, 1.0)))
    assert rig.ask(IDENTIFY) == IDENTIFICATION
    assert rig.ask(NEGOTIATE) == AGREED
    assert rig.link.tally.left_over == 2


def test_light_that_never_ends_is_no_answer_that_is_owed() -> None:
    """What was given up may still be answered, so that silence is waited for: for packets, and not for ever."""

    def lit() -> Dialog[None]:
        # The first request is not acknowledged.
        yield Sleep(SHORT.response_timeout * (SHORT.retries + 1) + 0.2)
        while (yield Receive(0.0)):
            pass
        reader = PacketReader(buffer := ReceiveBuffer())
        while True:
            if data := (yield Receive(0.05)):
                buffer.feed(data)
                units = list(iter(reader.next, None))
                if asked := [unit for unit in units if isinstance(unit, Packet)]:
                    yield Send(ACK + Packet(OK + b"two", asked[-1].toggle).encode())
                    yield Sleep(1.0)
            yield Send(b"\xff" * 20)
            yield Sleep(0.2)

    rig = Rig(lit())
    with pytest.raises(NoAnswer):
        rig.ask(read(1))
    begun = rig.port.now()
    assert rig.ask(read(2)) == OK + b"two"
    assert rig.port.now() - begun < 8.0


def test_times_agreed_on_hold_until_the_session_ends() -> None:
    rig = Rig(scripted())
    rig.link.keep_times(TimingSetup(0, 0, 1, 1))
    settings = rig.link.settings
    assert (settings.traffic_timeout, settings.character_timeout, settings.response_timeout) == (1.0, 1.0, 1.0)
    with pytest.raises(NoAnswer):
        rig.ask(read(1))
    assert rig.port.now() == pytest.approx(2.0, abs=0.1)
    rig.run(rig.link.reset())
    assert rig.link.settings == SHORT


def test_an_equal_answer_with_another_toggle_is_an_answer() -> None:
    rig = Rig(Meter().serve())
    assert rig.ask(write(3, b"a")) == OK
    assert rig.ask(write(3, b"b")) == OK
    assert rig.ask(write(3, b"b")) == OK
    assert rig.link.tally.duplicates == 0


def test_an_answer_out_of_step_is_dropped_and_the_request_made_anew() -> None:
    first, second, again = (Packet(read(t), bool(k % 2)).encode() for k, t in enumerate((1, 2, 2)))
    rig = Rig(
        scripted(
            (first, 1.0),
            ACK + Packet(OK + b"one").encode(),
            (ACK + second, 1.0),
            # A packet between was lost: this one has the toggle of the last.
            ACK + Packet(OK + b"two").encode(),
            (ACK + again, 1.0),
            ACK + Packet(OK + b"two", True).encode(),
            (ACK, 1.0),
        )
    )
    assert rig.ask(read(1)) == OK + b"one"
    assert rig.ask(read(2)) == OK + b"two"
    assert rig.codes == ["c1218-out-of-step", "c1218-asked-again"]


def test_a_write_out_of_step_is_not_made_anew() -> None:
    rig = Rig(
        scripted(
            (Packet(read(1)).encode(), 1.0),
            ACK + Packet(OK + b"one").encode(),
            (ACK + Packet(write(2, b"x"), True).encode(), 1.0),
            ACK + Packet(OK).encode(),
            (ACK, 1.0),
        )
    )
    rig.ask(read(1))
    with pytest.raises(LinkError, match="out of step") as caught:
        rig.ask(write(2, b"x"))
    assert not caught.value.retryable
    assert "read it back" in caught.value.hint


def test_a_meter_that_never_toggles_ends_in_an_error() -> None:
    class Stuck(LinkFaults):
        def toggles(self) -> bool:
            return False

    rig = Rig(Meter().serve(SHORT, Stuck()))
    assert rig.ask(read(1))[3:-1] == content(1)
    with pytest.raises((LinkError, NoAnswer)):
        rig.ask(read(2))


@pytest.mark.parametrize(
    "wrong",
    [
        # The second of three is missing, the sequence jumps, the first comes twice, one stands alone between.
        lambda p: [p[0], p[2]],
        lambda p: [p[0], Packet(p[1].data, True, 0, True)],
        lambda p: [p[0], Packet(p[0].data, True, 2, True, True), p[2]],
        lambda p: [p[0], Packet(b"alone", True)],
        lambda p: [p[1], p[2]],
        lambda p: [p[2]],
    ],
)
def test_parts_of_an_answer_that_do_not_follow_each_other_are_not_joined(
    wrong: Callable[[tuple[Packet, ...]], list[Packet]],
) -> None:
    parts = split(OK + bytes(150), 64, False)
    steps: list[bytes | float | tuple[bytes, float]] = [(Packet(read(1)).encode(), 1.0), ACK]
    sent = wrong(parts)
    for packet in sent:
        steps += [packet.encode(), (ACK, 1.0)]
    toggle = not sent[-1].toggle
    steps += [(Packet(read(1), True).encode(), 3.0), ACK]
    for packet in split(OK + b"good", 64, toggle):
        steps += [packet.encode(), (ACK, 1.0)]
    rig = Rig(scripted(*steps), BIG)
    assert rig.ask(read(1)) == OK + b"good"


# --- silence ----------------------------------------------------------------------------------------------------------


def test_a_meter_that_is_not_there() -> None:
    rig = Rig(scripted())
    with pytest.raises(NoAnswer) as caught:
        rig.ask(IDENTIFY)
    assert caught.value.state == "c1218"
    assert rig.wire("client") == Packet(IDENTIFY).encode() * 4
    assert rig.port.now() == pytest.approx(4 * (0.5 + 9 * 10 / 9600))


def test_a_false_acknowledgement_is_made_up_for_by_the_same_packet() -> None:
    packet = Packet(write(7, b"x"), True).encode()
    rig = Rig(
        scripted(
            (Packet(IDENTIFY).encode(), 1.0),
            ACK + Packet(IDENTIFICATION).encode(),
            (ACK + packet, 1.0),
            ACK,
            (packet, 1.0),
            ACK + Packet(OK, True).encode(),
            (ACK, 1.0),
        )
    )
    rig.ask(IDENTIFY)
    assert rig.ask(write(7, b"x")) == OK


def test_a_slow_meter_is_asked_once_and_its_answer_is_not_taken_for_the_next() -> None:
    meter = Meter(slow=lambda number: 0.8 if number == 2 else 0.0)
    rig = Rig(meter.serve())
    rig.ask(IDENTIFY)
    assert rig.ask(write(7, b"slow")) == OK
    assert rig.ask(read(5))[3:-1] == content(5)
    assert meter.asked == [IDENTIFY, write(7, b"slow"), read(5)]


def test_the_time_of_a_slow_service_is_given_with_it() -> None:
    meter = Meter(slow=lambda number: 5.0 if number == 2 else 0.0)
    rig = Rig(meter.serve())
    rig.ask(IDENTIFY)
    assert rig.ask(write(7, b"slow"), timeout=6.0) == OK
    assert rig.codes == []


def test_a_write_without_an_answer_is_carried_out_once_at_most() -> None:
    class Mute(LinkFaults):
        """The second answer never comes, and the meter believes that it did."""

    meter = Meter(slow=lambda number: 100.0 if number == 2 else 0.0)
    rig = Rig(meter.serve())
    rig.ask(IDENTIFY)
    with pytest.raises(NoAnswer) as caught:
        rig.ask(write(7, b"x"))
    assert not caught.value.retryable or meter.asked.count(write(7, b"x")) == 1
    assert meter.asked.count(write(7, b"x")) == 1


def test_a_request_that_was_given_up_does_not_spoil_the_next() -> None:
    meter = Meter(slow=lambda number: 2.6 if number == 2 else 0.0)
    rig = Rig(meter.serve())
    rig.ask(IDENTIFY)
    with pytest.raises(NoAnswer):
        rig.ask(write(7, b"x"))
    assert rig.ask(read(5))[3:-1] == content(5)


def test_an_answer_whose_reader_was_interrupted_is_not_taken_for_the_next() -> None:
    """Interrupted at each effect of the request: whatever had come is dropped."""
    for steps in range(40):
        meter = Meter()

        class Mute(LinkFaults):
            def acknowledgement(self, octet: bytes) -> bytes:
                return b""

        rig = Rig(meter.serve(SHORT, Mute()))
        rig.ask(IDENTIFY)
        dialog = rig.link.request(read(1))
        answer: object = None
        try:
            for _ in range(steps):
                answer = carry_out(rig, dialog.send(answer))
            dialog.send(answer)
        except StopIteration:
            return
        with pytest.raises(Cancel):
            dialog.throw(Cancel())
        try:
            assert rig.ask(read(2))[3:-1] == content(2), steps
        except NoAnswer:
            # No ACK ever comes through: then nothing is certain any more, and nothing is said.
            assert rig.link.tally.left_over > 0
    raise AssertionError("the request has no end")


@pytest.mark.parametrize("request_", [write(7, b"x"), b"\x51" + bytes(20)])
def test_what_changes_something_and_is_not_acknowledged_may_have_been_carried_out(request_: bytes) -> None:
    rig = Rig(scripted())
    with pytest.raises(NoAnswer) as caught:
        rig.ask(request_)
    assert not caught.value.retryable
    assert ("read it back" in caught.value.hint) is (request_[0] == 0x40)


# --- sessions ---------------------------------------------------------------------------------------------------------


def test_an_answer_of_an_old_session_is_not_taken_for_an_identification() -> None:
    old = Packet(OK + b"\x00\x05table" + b"\x00", True).encode()
    identify = Packet(IDENTIFY).encode()
    rig = Rig(
        scripted(
            (identify, 1.0),
            old,
            (ACK, 1.0),
            # The old session wants nothing more; the request comes again, with the other toggle.
            (Packet(IDENTIFY, True).encode(), 2.0),
            ACK + Packet(IDENTIFICATION).encode(),
            (ACK, 1.0),
        )
    )
    assert rig.ask(IDENTIFY) == IDENTIFICATION
    assert rig.link.tally.left_over == 1
    assert "c1218-left-over" in rig.codes


def test_what_answered_an_identify_that_failed_is_no_answer_to_the_next_request() -> None:
    """The meter says the same twice, with both toggles, and its ACK to Identify never comes."""
    said = [Packet(IDENTIFICATION, toggle).encode() for toggle in (True, False)]
    rig = Rig(
        scripted(
            (Packet(IDENTIFY).encode(), 1.0),
            said[0],
            (ACK, 1.0),
            # All copies of the second Identify are lost; what the first one called for comes once more.
            *[(Packet(IDENTIFY, True).encode(), 2.0)] * 4,
            (Packet(read(5), True).encode(), 9.0),
            said[1],
            (ACK, 1.0),
            (Packet(read(5), True).encode(), 9.0),
            ACK + Packet(OK + b"five", True).encode(),
            (ACK, 1.0),
        )
    )
    with pytest.raises(NoAnswer):
        rig.ask(IDENTIFY)
    assert rig.ask(read(5)) == OK + b"five"


def test_ok_alone_is_no_identification() -> None:
    rig = Rig(
        scripted(
            (Packet(IDENTIFY).encode(), 1.0),
            ACK + Packet(OK, True).encode(),
            (ACK, 1.0),
            Packet(IDENTIFICATION).encode(),
            (ACK, 1.0),
        )
    )
    assert rig.ask(IDENTIFY) == IDENTIFICATION


@pytest.mark.parametrize("followed", [True, False])
def test_a_refused_identify_is_believed_if_nothing_follows(followed: bool) -> None:
    isss = b"\x0a"
    rig = Rig(
        scripted(
            (Packet(IDENTIFY).encode(), 1.0),
            ACK + Packet(isss, True).encode(),
            (ACK, 1.0),
            Packet(IDENTIFICATION).encode() * followed,
        )
    )
    assert rig.ask(IDENTIFY) == (IDENTIFICATION if followed else isss)


def test_a_meter_whose_acknowledgements_never_come_through() -> None:
    class NoAck(LinkFaults):
        def acknowledgement(self, octet: bytes) -> bytes:
            return b""

    meter = Meter()
    rig = Rig(meter.serve(SHORT, NoAck()))
    assert rig.ask(IDENTIFY) == IDENTIFICATION
    for table in range(5):
        assert rig.ask(read(table))[3:-1] == content(table)


def test_the_speed_and_the_sizes_of_negotiate() -> None:
    meter = Meter(size=2000, negotiated=(1024, 4, 57600))
    rig = Rig(meter.serve())
    rig.ask(IDENTIFY)
    assert rig.ask(b"\x61\x04\x00\x04\x0a")[0] == 0
    rig.run(rig.link.adopt(1024, 4, 57600))
    assert rig.link.max_payload == 4064
    assert rig.ask(read(3))[3:-1] == content(3, 2000)
    assert rig.ask(TERMINATE) == OK
    rig.run(rig.link.reset())
    assert rig.link.max_payload == 56 and rig.link.baud == 9600
    assert rig.ask(IDENTIFY) == IDENTIFICATION
    assert rig.codes == []


def test_the_line_changes_its_speed_only_where_it_is_another() -> None:
    link = C1218Link(C1218Settings(), ReceiveBuffer())
    assert list(link.open()) == [SetLine(9600)]
    assert list(link.adopt(128, 2, 9600)) == []
    assert list(link.adopt(128, 2)) == []
    # The last ACK is on its way out of the probe.
    assert list(link.adopt(128, 2, 19200)) == [Sleep(0.05), SetLine(19200)]
    assert list(link.reset()) == [Sleep(0.05), SetLine(9600)]
    with pytest.raises(LocalProtocolError):
        list(link.adopt(8, 1))


def test_the_meter_is_woken_up() -> None:
    settings = C1218Settings(wake_up=True)
    rig = Rig(Meter().serve(), settings)
    assert rig.ask(IDENTIFY) == IDENTIFICATION
    first, second = [event for event in rig.port.log if event.side == "client" and event.kind == "send"][:2]
    assert first.data == b"\x55"
    assert second.start - first.end >= 0.05


def test_a_turnaround_is_kept_before_everything_that_is_sent() -> None:
    rig = Rig(Meter(size=100).serve(BIG), C1218Settings(packets=255, turnaround=0.06))
    rig.ask(read(1))
    rig.ask(read(2))
    heard = 0.0
    for event in rig.port.log:
        if event.kind != "send":
            continue
        if event.side == "server":
            heard = event.end
        elif heard:
            assert event.start - heard >= 0.06 - 1e-9


def test_a_probe_that_returns_what_is_sent() -> None:
    rig = Rig(Meter(size=200).serve(BIG), BIG, LineModel(baud=9600, echo="full"))
    assert rig.ask(IDENTIFY) == IDENTIFICATION
    for table in range(6):
        assert rig.ask(read(table))[3:-1] == content(table, 200)
    assert rig.link.tally.repeats == 0
    assert rig.codes == ["c1218-echo"]


def test_settings_that_cannot_be() -> None:
    for wrong in (
        {"packet_size": 8},
        {"packets": 0},
        {"packet_size": 8193},
        {"retries": -1},
        {"response_timeout": 0.0},
    ):
        with pytest.raises(LocalProtocolError):
            C1218Settings(**wrong)  # type: ignore[arg-type]
