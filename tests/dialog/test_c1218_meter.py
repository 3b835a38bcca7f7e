"""Whole client against whole meter of C12.18, under the virtual clock."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from psem_rig import KEYS, PASSWORD, ChanceFaults, MemoryDevice, PsemRig, content

from metersdk.apdu.keys import Secret
from metersdk.apdu.psem import Identification, Read, ReadOffset, Request, Response, TimingSetup
from metersdk.dialog.c1218_link import C1218Link, C1218Settings, LinkFaults
from metersdk.dialog.psem import STANDARD_BAUDS, Psem, PsemTiming, SignOn
from metersdk.dialog.psem_meter import PsemRules
from metersdk.effects import Dialog, Emit, Hide, Receive, SetLine, State
from metersdk.errors import AuthenticationFailed, MeterError, NoAnswer, PsemError
from metersdk.frame.buffer import ReceiveBuffer
from metersdk.frame.c1218 import Packet

TABLES = {0: b"zero", 1: b"one", 5: content(5, 20), 23: content(23, 40), 64: content(64, 3000)}
FULL = SignOn(2, "reader", PASSWORD, bauds=STANDARD_BAUDS)


def rig(**more: Any) -> PsemRig:
    return PsemRig(MemoryDevice(dict(TABLES)), **more)


def test_a_session() -> None:
    it = rig()
    found = it.run(it.psem.sign_on(FULL))
    assert found == Identification(0, 1, 0)
    assert (it.link.baud, it.link.packet_size, it.link.packets) == (57600, 1024, 255)
    for number, octets in TABLES.items():
        assert it.run(it.psem.read(number, octets=len(octets))) == octets
    it.run(it.psem.write(23, b"\xff", offset=39, allow=True))
    assert it.run(it.psem.read(23, offset=30, count=10)) == TABLES[23][30:39] + b"\xff"
    assert it.run(it.psem.read(5, index=(3,), count=2)) == TABLES[5][3:5]
    assert it.run(it.psem.read_default()) == b"one"
    it.run(it.psem.close())
    assert (it.link.baud, it.link.packet_size, it.psem.state) == (9600, 64, "base")
    assert it.codes == [] and it.device.sessions_ended == 1
    # The next session begins at the defaults, on both sides.
    it.run(it.psem.sign_on(FULL))
    assert it.run(it.psem.read(23, octets=40))[39:] == b"\xff"


@pytest.mark.parametrize("rules", [PsemRules(64, 1), PsemRules(128, 3), PsemRules(negotiates=False)], ids=str)
def test_a_long_table_over_short_packets(rules: PsemRules) -> None:
    it = rig(rules=rules)
    it.run(it.psem.sign_on(FULL))
    assert it.run(it.psem.read(64, octets=3000)) == TABLES[64]
    with pytest.raises(PsemError) as caught:
        it.run(it.psem.read(64))
    assert caught.value.response == Response.ONP and caught.value.hint


@pytest.mark.parametrize("bauds", [(), (300,), (1200, 2400), (9600,), (9600, 19200), STANDARD_BAUDS])
def test_the_best_speed_both_can(bauds: tuple[int, ...]) -> None:
    it = rig(rules=PsemRules(bauds=(1200, 9600, 19200)))
    it.run(it.psem.sign_on(replace(FULL, bauds=bauds)))
    assert it.link.baud == max({*bauds} & {1200, 9600, 19200}, default=9600)
    assert it.run(it.psem.read(64, octets=3000)) == TABLES[64]


def test_the_line_changes_speed_once_the_answer_is_acknowledged() -> None:
    it = rig()
    it.run(it.psem.sign_on(FULL))
    changes = [number for number, event in enumerate(it.port.log) if event.kind == "speed" and event.baud == 57600]
    assert len(changes) == 2
    before = [event for event in it.port.log[: changes[0]] if event.kind == "send"]
    assert before[-1].side == "client" and before[-1].data == b"\x06"


def test_a_meter_that_agrees_to_a_speed_it_cannot() -> None:
    """Its clock, or the probe, does not make it: garbage after Negotiate, and the defaults after that."""

    def mistuned(served: Dialog[None]) -> Dialog[None]:
        answer: Any = None
        while True:
            effect = served.send(answer)
            answer = yield SetLine(38400) if effect == SetLine(57600) else effect

    it = rig(wrapped=mistuned)
    it.run(it.psem.sign_on(FULL))
    assert it.link.baud == 9600 and "psem-defaults" in it.codes
    assert it.run(it.psem.read(64, octets=3000)) == TABLES[64]


class LoseControls(LinkFaults):
    """Loses the ACKs and NAKs with these numbers; the second one of a sign-on is the ACK to Negotiate."""

    def __init__(self, *lost: int) -> None:
        self._lost, self._said = lost, 0

    def acknowledgement(self, octet: bytes) -> bytes:
        self._said += 1
        return b"" if self._said in self._lost else octet


@pytest.mark.parametrize("lost, seconds", [((), 0.3), ((2,), 1.5), ((2, 3), 3.7), ((2, 3, 4), 6.0)])
@pytest.mark.parametrize("baud", [1200, 19200, 57600])
def test_a_lost_ack_behind_negotiate_costs_a_second(baud: int, lost: tuple[int, ...], seconds: float) -> None:
    """The meter stays at the old speed, and repeats its answer there: the client says ACK again."""
    it = rig()
    it.link = C1218Link(it.settings, ReceiveBuffer(), faults=LoseControls(*lost))
    it.psem = Psem(it.link)
    it.run(it.link.open())
    it.run(it.psem.sign_on(replace(FULL, bauds=(baud,))))
    assert it.link.baud == baud and it.link.packet_size == 1024
    # Three requests and their answers, at the speed itself.
    assert it.port.now() < seconds + 1200 / baud
    assert "psem-defaults" not in it.codes and it.link.other_baud is None
    assert it.run(it.psem.read(64)) == TABLES[64]
    assert it.device.users == [(2, b"reader    ")]


def test_a_hundred_sign_ons_with_lost_acks_keep_the_speed() -> None:
    """One ACK in ten is lost on either side, one packet in twenty comes twice, one damaged."""
    seconds, slow, failed = [], 0, 0
    for seed in range(100):
        it = rig(faults=ChanceFaults(lost=0.1, repeated=0.05, damaged=0.05, seed=seed))
        faults = ChanceFaults(lost=0.1, repeated=0.05, damaged=0.05, seed=1000 + seed)
        it.link = C1218Link(it.settings, ReceiveBuffer(), faults=faults)
        it.psem = Psem(it.link)
        it.run(it.link.open())
        try:
            it.run(it.psem.sign_on(FULL))
        except NoAnswer:
            # What changes something is not asked twice.
            failed += 1
            continue
        seconds.append(it.port.now())
        slow += it.link.baud == 9600
        assert it.run(it.psem.read(1)) == b"one"
    assert slow <= 2 and failed <= 2 and sum(seconds) / len(seconds) < 1.5


def test_a_request_that_is_lost_at_the_new_speed_is_no_lost_ack() -> None:
    """The meter is at the new speed, and its ACK to Logon is lost: an ACK at the old speed harms nobody."""
    it = rig(faults=LoseControls(3))
    it.run(it.psem.sign_on(FULL))
    assert it.link.baud == 57600 and it.device.users == [(2, b"reader    ")]
    assert it.run(it.psem.read(64)) == TABLES[64]
    assert it.port.now() < 3.0


def test_a_peer_that_hears_nothing_at_the_new_speed_is_given_up_in_time() -> None:
    def deaf(served: Dialog[None]) -> Dialog[None]:
        answer: Any = None
        changed = False
        while True:
            effect = served.send(answer)
            changed = changed or effect == SetLine(57600)
            if changed:
                yield from silent()
            answer = yield effect

    def silent() -> Dialog[None]:
        while True:
            yield Receive(1000.0)

    it = rig(wrapped=deaf)
    with pytest.raises(NoAnswer):
        it.run(it.psem.sign_on(FULL))
    # Four times for Logon, the first of them half as long; the pause; the same for Identify.
    assert it.port.now() < 2 * (3.5 * 2.0 + 3 * 0.2) + 7.0 + 0.5


def test_the_session_ends_without_a_packet_for_the_traffic_time_out() -> None:
    it = rig()
    it.run(it.psem.sign_on(FULL))
    it.port.sleep(5.9)
    assert it.run(it.psem.read(1)) == b"one"
    it.port.sleep(6.1)
    with pytest.raises(NoAnswer):
        # The meter is back at 9600 Bd.
        it.run(it.psem.read(1))
    assert any(isinstance(event, State) and event.name == "timed-out" for event in it.port.server_events)
    it.new_client()
    it.run(it.psem.sign_on(FULL))
    assert it.run(it.psem.read(1)) == b"one"


def test_wait_lets_the_session_rest_once() -> None:
    it = rig()
    it.run(it.psem.sign_on(FULL))
    it.run(it.psem.wait(60))
    it.port.sleep(62.0)
    assert it.run(it.psem.read(1)) == b"one"
    it.port.sleep(62.0)
    with pytest.raises(MeterError):
        it.run(it.psem.read(1))


def test_timing_setup_holds() -> None:
    it = rig(rules=PsemRules(timing=TimingSetup(60, 1, 4, 3)))
    it.run(it.psem.sign_on(replace(FULL, timing=TimingSetup(30, 1, 4, 3))))
    it.port.sleep(29.0)
    assert it.run(it.psem.read(1)) == b"one"
    assert it.codes == []


def test_a_meter_that_keeps_its_times() -> None:
    it = rig()
    it.run(it.psem.sign_on(replace(FULL, timing=TimingSetup(30, 1, 4, 3))))
    assert it.codes == ["psem-timing"]


def test_somebody_left_without_a_word() -> None:
    it = rig(rules=PsemRules(bauds=(9600,)))
    it.run(it.psem.sign_on(FULL))
    it.new_client()
    it.run(it.psem.sign_on(FULL))
    assert it.codes == ["psem-old-session"]
    assert it.run(it.psem.read(64, octets=3000)) == TABLES[64]


def test_somebody_left_at_another_speed() -> None:
    it = rig()
    it.run(it.psem.sign_on(FULL))
    it.new_client()
    it.run(it.psem.sign_on(FULL))
    assert it.run(it.psem.read(64, octets=3000)) == TABLES[64]


@pytest.mark.parametrize("times", [1, 5])
def test_busy_meters(times: int) -> None:
    left = [Response.BSY, Response.DNR] * times

    def intercept(request: Request) -> Response | None:
        return left.pop() if left and isinstance(request, Read | ReadOffset) else None

    it = rig(intercept=intercept)
    it.run(it.psem.sign_on(FULL))
    assert it.run(it.psem.read(23)) == TABLES[23]
    assert it.codes == ["psem-busy"] and not left


def test_a_meter_that_stays_busy() -> None:
    it = rig(intercept=lambda request: Response.BSY if isinstance(request, Read) else None, timing=PsemTiming(busy=60))
    it.run(it.psem.sign_on(FULL))
    start = it.port.now()
    with pytest.raises(PsemError) as caught:
        it.run(it.psem.read(23))
    assert caught.value.retryable and 50 < it.port.now() - start < 65
    # It was asked often enough that the session stands.
    assert it.run(it.psem.read(23, offset=0, count=40)) == TABLES[23]


def test_a_wrong_password_is_told_and_not_tried_again() -> None:
    it = rig()
    with pytest.raises(AuthenticationFailed):
        it.run(it.psem.sign_on(replace(FULL, password=Secret("guess"))))
    it.run(it.psem.close())
    it.run(it.psem.sign_on(replace(FULL, password=None)))
    assert it.run(it.psem.read(1)) == b"one"
    with pytest.raises(PsemError) as caught:
        it.run(it.psem.read(23))
    assert caught.value.response == Response.ISC


@pytest.mark.parametrize("algorithm", [0x00, 0xFF])
def test_authentication_by_a_key(algorithm: int) -> None:
    it = rig()
    it.device.algorithm = algorithm
    it.run(it.psem.sign_on(SignOn(key=KEYS[algorithm], key_id=1)))
    assert it.run(it.psem.read(23)) == TABLES[23]
    wire = b"".join(event.data for event in it.port.log)
    assert bytes(KEYS[algorithm]) not in wire


def test_a_slow_meter() -> None:
    it = rig(reaction=1.5)
    it.run(it.psem.sign_on(FULL))
    assert it.run(it.psem.read(64, octets=3000)) == TABLES[64]


@pytest.mark.captures("c1218")
def test_published_frames(capture: Any) -> None:
    """What our client says is what was published, octet by octet: each as the first of a session."""
    it = rig()
    calls = {
        "c1218_termineter_ident": lambda psem: psem.identify(),
        "c1218_termineter_logon_admin": lambda psem: psem.logon(1, "Admin"),
        "c1218_termineter_security_password1": lambda psem: psem.security(Secret("Password1"), "space"),
    }
    if capture.name not in calls:
        assert Packet.decode(capture.bytes).data == b"\0"
        return
    it.device.levels["Password1"] = 1
    first = len(it.port.log)
    try:
        it.run(calls[capture.name](it.psem))
    except PsemError as error:
        assert error.response == Response.ISSS
    assert it.port.log[first].data == capture.bytes


def test_a_session_with_a_meter_of_nes() -> None:
    """Octets behind the identification, a password filled with NUL, registers low octet first."""
    forward, reverse = 33821691, 1739085
    device = MemoryDevice({23: forward.to_bytes(4, "little") + reverse.to_bytes(4, "little")})
    device.identification = lambda: Identification(0, 1, 0, (), b"\x05NES")  # type: ignore[method-assign]
    it = PsemRig(device)
    it.run(it.psem.sign_on(SignOn(2, "", PASSWORD)))
    data = it.run(it.psem.read(23, octets=8))
    assert [int.from_bytes(data[at : at + 4], "little") for at in (0, 4)] == [forward, reverse]
    assert it.codes == ["psem-trailing"]
    sent = [event.data for event in it.port.log if event.side == "client" and event.data[6:7] == b"\x51"]
    assert sent[0][6:27] == b"\x51secret" + bytes(14)


def test_the_password_is_announced_before_it_is_sent() -> None:
    it = rig()
    dialog = it.psem.security(Secret("secret"), "space")
    effect = next(dialog)
    assert isinstance(effect, Emit) and effect.event == Hide(b"secret") and "secret" not in repr(effect)


@pytest.mark.parametrize("seed", range(3))
def test_a_thousand_reads_over_a_bad_line(seed: int) -> None:
    """10 % of the acknowledgements lost, 5 % of the packets repeated and 5 % damaged, on both sides."""
    tables = {number: content(number, 4 + number * 7 % 230) for number in range(100)}
    device = MemoryDevice(tables)
    it = PsemRig(device, faults=ChanceFaults(lost=0.1, repeated=0.05, damaged=0.05, seed=seed))
    it.link = C1218Link(
        C1218Settings(), ReceiveBuffer(), faults=ChanceFaults(lost=0.1, repeated=0.05, damaged=0.05, seed=100 + seed)
    )
    it.psem = Psem(it.link)
    it.run(it.link.open())
    it.run(it.psem.sign_on(FULL))
    right = wrong = again = 0
    for number in [n * 37 % 100 for n in range(1000)]:
        for _ in range(5):
            try:
                octets = it.run(it.psem.read(number))
            except MeterError:
                # A session that was lost is begun anew, as the door does it.
                again += 1
                it.new_client()
                it.run(it.psem.sign_on(FULL))
                continue
            right, wrong = right + (octets == tables[number]), wrong + (octets != tables[number])
            break
    assert (right, wrong) == (1000, 0) and again <= 3
