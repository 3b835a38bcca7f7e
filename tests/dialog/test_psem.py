"""The client's services over a transport that answers by a script."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import pytest

from metersdk.apdu.keys import Secret
from metersdk.apdu.psem import Feature, Identification, Service, TableData, TimingSetup, checksum8
from metersdk.apdu.psem_security import encrypted
from metersdk.dialog.psem import Access, Psem, SignOn
from metersdk.effects import Dialog, Effect, Emit, Hide, Now, Progress, SetLine, Sleep
from metersdk.errors import (
    AuthenticationFailed,
    ChecksumError,
    DecodeError,
    LinkError,
    LocalProtocolError,
    MeterError,
    NoAnswer,
    PsemError,
    RemoteProtocolError,
    SecurityError,
)

T = TypeVar("T")
Script = Sequence[str | bytes | MeterError] | Callable[[bytes], bytes]


class Scripted:
    """A transport that hands out what it is given, and keeps what it was asked."""

    def __init__(self, script: Script, max_payload: int = 56) -> None:
        self.script = script if callable(script) else list(script)
        self.max_payload = max_payload
        self.asked: list[str] = []
        self.timeouts: list[float | None] = []

    def request(self, payload: bytes, timeout: float | None = None) -> Dialog[bytes]:
        yield Now()
        self.asked.append(payload.hex())
        self.timeouts.append(timeout)
        if callable(self.script):
            return self.script(payload)
        answer = self.script.pop(0)
        if isinstance(answer, MeterError):
            raise answer
        return bytes.fromhex(answer) if isinstance(answer, str) else answer


class ScriptedLink(Scripted):
    """The same, with packets and speed to negotiate."""

    baud = 9600

    def adopt(self, packet_size: int, packets: int, baud: int | None = None) -> Dialog[None]:
        self.max_payload = (packet_size - 8) * packets
        if baud is not None and baud != self.baud:
            self.baud = baud
            yield SetLine(baud)

    def keep_times(self, agreed: TimingSetup) -> None:
        self.times = agreed

    def reset(self) -> Dialog[None]:
        self.max_payload = 56
        yield SetLine(9600)


def play(dialog: Dialog[T]) -> tuple[T, list[Effect], float]:
    """Result, effects, and the time that passed."""
    effects: list[Effect] = []
    now, answer = 0.0, None
    while True:
        try:
            effect = dialog.send(answer)
        except StopIteration as end:
            value: T = end.value
            return value, effects, now
        answer = now if isinstance(effect, Now) else None
        if isinstance(effect, Sleep):
            now += effect.seconds
        if not isinstance(effect, Now):
            effects.append(effect)


def result(dialog: Dialog[T]) -> T:
    return play(dialog)[0]


def table(data: bytes) -> bytes:
    return TableData(data).encode()


def test_read_whole() -> None:
    transport = Scripted([table(b"hello")])
    assert result(Psem(transport).read(23)) == b"hello"
    assert transport.asked == ["300017"]


def test_read_by_index_and_default() -> None:
    transport = Scripted([table(b"ab"), table(b"c")])
    psem = Psem(transport)
    assert result(psem.read(64, index=(0, 1), count=2, octets=2)) == b"ab"
    assert result(psem.read_default()) == b"c"
    assert transport.asked == ["3200400000" + "0001" + "0002", "3e"]


def test_a_range_comes_in_parts_that_fit() -> None:
    content = bytes(range(200))

    def serve(request: bytes) -> bytes:
        assert request[0] == Service.READ_OFFSET
        offset, count = int.from_bytes(request[3:6], "big"), int.from_bytes(request[6:8], "big")
        assert count <= 52
        return table(content[offset : offset + count])

    transport = Scripted(serve)
    found, effects, _ = play(Psem(transport).read(64, offset=10, count=150))
    assert found == content[10:160]
    told = [each.event for each in effects if isinstance(each, Emit) and isinstance(each.event, Progress)]
    assert told == [Progress(n, 150, "octets") for n in (52, 104, 150)]


@pytest.mark.parametrize(("access", "asked"), [(Access.BOTH, 2), (Access.OFFSET, 2), (None, 2), (Access.FULL, 1)])
def test_a_table_longer_than_one_answer(access: Access | None, asked: int) -> None:
    content = bytes(60)

    def serve(request: bytes) -> bytes:
        if request[0] == Service.READ:
            return table(content)
        offset, count = int.from_bytes(request[3:6], "big"), int.from_bytes(request[6:8], "big")
        return table(content[offset : offset + count])

    transport = Scripted(serve)
    assert result(Psem(transport).read(64, octets=60, access=access)) == content
    assert len(transport.asked) == asked


def test_a_wrong_length_is_asked_for_again_and_never_taken() -> None:
    transport = Scripted([table(b"abc"), table(b"abcd")])
    psem = Psem(transport)
    assert result(psem.read(1, octets=4)) == b"abcd"
    assert [finding.code for finding in psem.findings] == ["psem-length"]
    with pytest.raises(DecodeError, match="3 octets came, 4 were asked for"):
        result(Psem(Scripted([table(b"abc")] * 3)).read(1, octets=4))


def test_a_wrong_checksum_is_asked_for_again_and_never_taken() -> None:
    bad = table(b"abc")[:-1] + b"\0"
    psem = Psem(Scripted([bad, table(b"abc")]))
    assert result(psem.read(1)) == b"abc"
    assert [finding.code for finding in psem.findings] == ["psem-checksum"]
    with pytest.raises(ChecksumError) as caught:
        result(Psem(Scripted([bad] * 3)).read(1))
    assert caught.value.state == "base" and caught.value.hint


@pytest.mark.parametrize("answer", ["", "00", "0000", "000005", "00ffff00", "000003616263dd", "0000036162 63da 00"])
def test_hostile_answers_end_in_documented_errors(answer: str) -> None:
    with pytest.raises(RemoteProtocolError):
        result(Psem(Scripted([answer] * 3)).read(1))


@pytest.mark.parametrize("code", [code for code in range(1, 0x20) if code not in (6, 7)])
def test_every_refusal_is_told_at_once(code: int) -> None:
    transport = Scripted([f"{code:02x}"])
    with pytest.raises(PsemError) as caught:
        result(Psem(transport).read(2053))
    assert caught.value.response == code and caught.value.layer == "apdu" and not caught.value.retryable
    assert "read MT 5" in str(caught.value) and "state base" in str(caught.value)
    assert len(transport.asked) == 1


@pytest.mark.parametrize("code", ["06", "07"])
def test_busy_is_waited_for(code: str) -> None:
    psem = Psem(Scripted([code] * 4 + [table(b"x")]))
    found, _, waited = play(psem.read(1))
    assert found == b"x" and waited == pytest.approx(0.2 + 0.4 + 0.8 + 1.6)
    assert [finding.code for finding in psem.findings] == ["psem-busy"]


def test_a_meter_that_stays_busy_is_given_up() -> None:
    waited = 0.0
    psem = Psem(Scripted(lambda _: b"\x06"))
    dialog = psem.read(1)
    answer: object = None
    with pytest.raises(PsemError) as caught:
        while True:
            effect = dialog.send(answer)
            answer = waited if isinstance(effect, Now) else None
            if isinstance(effect, Sleep):
                assert effect.seconds <= 2
                waited += effect.seconds
    assert caught.value.retryable and 25 < waited <= 30


def test_writing_is_for_those_who_say_so() -> None:
    transport = Scripted(["00", "00", "00"])
    psem = Psem(transport)
    with pytest.raises(LocalProtocolError, match="ST 7"):
        result(psem.write(7, b"\0"))
    assert transport.asked == []
    result(psem.write(7, b"\x0a\x00\x01", allow=True))
    result(psem.write(52, b"\xff", allow=True, offset=4))
    result(psem.write(4099, b"\xff", allow=True, index=(5,)))
    assert transport.asked == [
        "400007" + "0003" + "0a0001f5",
        "4f0034" + "000004" + "0001ff01",
        "4110030005" + "0001ff01",
    ]
    assert transport.timeouts == [20.0, None, None]


def test_long_data_are_written_in_parts() -> None:
    data = bytes(range(120))
    got = bytearray(120)

    def serve(request: bytes) -> bytes:
        assert request[0] == Service.WRITE_OFFSET and len(request) <= 56
        offset, count = int.from_bytes(request[3:6], "big"), int.from_bytes(request[6:8], "big")
        got[offset : offset + count] = request[8 : 8 + count]
        assert request[8 + count] == checksum8(request[8 : 8 + count])
        return b"\0"

    result(Psem(Scripted(serve)).write(2060, data, allow=True))
    assert got == data
    with pytest.raises(LocalProtocolError):
        result(Psem(Scripted(serve)).write(2060, data, allow=True, access=Access.FULL))


def test_a_request_that_does_not_fit_is_not_sent() -> None:
    transport = Scripted([])
    with pytest.raises(LocalProtocolError):
        result(Psem(transport).write(3, bytes(60), allow=True, index=(1,)))
    assert transport.asked == []


def test_sign_on_and_good_bye() -> None:
    link = ScriptedLink(["0000010000", "00" + "0200" + "80" + "08", "00", "00", "00", "00"])
    psem = Psem(link)
    found, effects, _ = play(psem.sign_on(SignOn(7, "reader", Secret("pw"), bauds=(9600, 19200, 57600))))
    assert found == Identification(0, 1, 0)
    assert psem.state == "session" and link.baud == 19200 and link.max_payload == 504 * 128
    assert link.asked == [
        "20",
        "630400ff06080a",
        "500007" + b"reader    ".hex(),
        "51" + b"pw".hex() + 18 * "00",
    ]
    hidden = [each.event for each in effects if isinstance(each, Emit) and isinstance(each.event, Hide)]
    assert [each.octets for each in hidden] == [b"pw"]
    result(psem.close())
    assert link.asked[4:] == ["52", "21"] and psem.state == "base" and link.max_payload == 56


def test_speeds_that_are_refused_are_left_out() -> None:
    link = ScriptedLink(["0000010000", "02", "0004000106", "00"])
    psem = Psem(link)
    result(psem.sign_on(SignOn(bauds=(9600, 115200))))
    assert link.asked[1:3] == ["620400ff060c", "600400ff"]
    assert [finding.code for finding in psem.findings] == ["psem-not-negotiated"]
    assert link.max_payload == 1016


def test_a_meter_without_negotiate() -> None:
    link = ScriptedLink(["0000010000", "02", "00"])
    psem = Psem(link)
    result(psem.sign_on(SignOn()))
    assert psem.state == "session" and link.max_payload == 56


@pytest.mark.parametrize("answer", [NoAnswer("late"), "0000080106", "000400000600", "0004", "000400ff0b"])
def test_negotiate_that_fails_begins_again_with_the_defaults(answer: str | MeterError) -> None:
    link = ScriptedLink(["0000010000", answer, "0000010000", "00"])
    psem = Psem(link)
    _, effects, waited = play(psem.sign_on(SignOn(bauds=(19200,))))
    assert waited == 7.0 and SetLine(9600) in effects
    assert [finding.code for finding in psem.findings] == ["psem-defaults"]
    assert link.asked[2:] == ["20", "5000016d6574657273646b2020"] and link.max_payload == 56


def test_no_session_after_the_change_of_speed() -> None:
    link = ScriptedLink(["0000010000", "0004000108", NoAnswer("wrong speed"), "0000010000", "00", table(b"x")])
    psem = Psem(link)
    result(psem.sign_on(SignOn(bauds=(19200,))))
    assert [finding.code for finding in psem.findings] == ["psem-defaults"]
    assert result(psem.read(1)) == b"x"


def test_a_meter_may_not_answer_with_more_than_was_offered() -> None:
    link = ScriptedLink(["002000ff06"])
    agreed = result(Psem(link).negotiate(128, 2))
    assert link.max_payload == 240 and agreed.packet_size == 128


def test_a_refused_password_is_never_tried_again() -> None:
    link = ScriptedLink(["0000010000", "0004000106", "00", "01", "00", "00"])
    psem = Psem(link)
    with pytest.raises(AuthenticationFailed) as caught:
        result(psem.sign_on(SignOn(password=Secret("wrong"))))
    assert "wrong" not in str(caught.value) and caught.value.state == "session"
    for again in (psem.security(Secret("other")), psem.authenticate(Secret(bytes(8)))):
        with pytest.raises(LocalProtocolError, match="refused in this session"):
            result(again)
    result(psem.close())
    assert link.asked[4:] == ["52", "21"]


@pytest.mark.parametrize("answer", ["02", "0a", "09"])
def test_a_password_nobody_judged_may_be_tried_again(answer: str) -> None:
    psem = Psem(Scripted([answer, "00"]))
    with pytest.raises(PsemError):
        result(psem.security(Secret("right")))
    result(psem.security(Secret("right"), "space"))


def identification(algorithm: int, ticket: bytes) -> str:
    feature = Feature(2, bytes((1, algorithm, len(ticket))) + ticket)
    return Identification(2, 1, 0, (feature,)).encode().hex()


@pytest.mark.parametrize(("algorithm", "size"), [(0x00, 8), (0xFF, 16)])
def test_authenticate(algorithm: int, size: int) -> None:
    key, ticket = Secret(bytes(range(size))), bytes(range(0xA0, 0xA0 + size))
    proof = encrypted(algorithm, key, ticket)
    answer = bytes((0, size + 1, 2)) + encrypted(algorithm, key, proof)
    transport = Scripted([identification(algorithm, ticket), "00", answer])
    psem = Psem(transport)
    result(psem.sign_on(SignOn(key=key, key_id=2)))
    assert transport.asked[-1] == f"53{size + 1:02x}02" + proof.hex()
    for forged in (answer[:-1], answer[:3] + proof, answer[:2] + b"\x03" + answer[3:]):
        with pytest.raises((SecurityError, RemoteProtocolError)):
            psem = Psem(Scripted([identification(algorithm, ticket), forged]))
            result(psem.identify())
            result(psem.authenticate(key, 2))


def test_authenticate_needs_a_ticket() -> None:
    psem = Psem(Scripted(["0000010000"]))
    result(psem.identify())
    with pytest.raises(LocalProtocolError, match="offers no authentication"):
        result(psem.authenticate(Secret(bytes(8))))


def test_a_session_the_meter_gave_up_is_begun_again() -> None:
    link = ScriptedLink(
        ["0000010000", "0004000106", "00", "00", "09", "0000010000", "0004000106", "00", "00", table(b"x")]
    )
    psem = Psem(link)
    result(psem.sign_on(SignOn(password=Secret("pw"))))
    assert result(psem.read(1)) == b"x"
    assert link.asked[4:] == ["300001", *link.asked[:4], "300001"]
    assert [finding.code for finding in psem.findings] == ["psem-renegotiated"]


def test_a_meter_that_always_wants_a_new_session_is_given_up() -> None:
    def serve(request: bytes) -> bytes:
        return {0x20: b"\0\0\1\0\0", 0x30: b"\x09"}.get(
            request[0], b"\0\4\0\1\6" if request[0] & 0xF0 == 0x60 else b"\0"
        )

    link = ScriptedLink(serve)
    psem = Psem(link)
    result(psem.sign_on(SignOn()))
    for _ in range(5):
        with pytest.raises(PsemError):
            result(psem.read(1))
    assert link.asked.count("20") == 4


def test_identification_with_more_behind_it() -> None:
    psem = Psem(Scripted(["0000010000" + "4e4553"]))
    assert result(psem.identify()).trailing == b"NES"
    assert [finding.code for finding in psem.findings] == ["psem-trailing"]


def test_timing_setup_and_wait() -> None:
    transport = Scripted(["00" + "1e010403", "00", "00"])
    psem = Psem(transport)
    assert result(psem.timing_setup(TimingSetup(60, 1, 4, 3))) == TimingSetup(30, 1, 4, 3)
    result(psem.wait(2.2))
    result(psem.wait(1e9))
    assert transport.asked == ["713c010403", "7003", "70ff"]


def test_this_side_waits_no_longer_than_it_wanted_to() -> None:
    link = ScriptedLink(["00" + "1eff02ff"])
    assert result(Psem(link).timing_setup(TimingSetup(60, 1, 4, 3))) == TimingSetup(30, 255, 2, 255)
    assert link.times == TimingSetup(30, 1, 2, 3)


def test_a_speed_that_is_defined_elsewhere_stays() -> None:
    """Code 0 in the answer: the meter takes the packets, and its speed is fixed."""
    link = ScriptedLink(["0000010000", "000400ff00", "00"])
    psem = Psem(link)
    _, effects, _ = play(psem.sign_on(SignOn(bauds=(9600, 57600))))
    assert link.baud == 9600 and link.max_payload == 1016 * 255
    assert not psem.findings and not any(isinstance(effect, SetLine) for effect in effects)


def test_a_meter_that_went_back_to_its_base_state_amid_negotiate() -> None:
    link = ScriptedLink(["0000010000", "0a", "0000010000", "000400ff08", "00"])
    psem = Psem(link)
    result(psem.sign_on(SignOn(bauds=(9600, 19200))))
    assert link.baud == 19200 and [finding.code for finding in psem.findings] == ["psem-renegotiated"]
    link = ScriptedLink(["0000010000", "0a", "0000010000", "0a"])
    with pytest.raises(PsemError):
        result(Psem(link).sign_on(SignOn(bauds=(9600, 19200))))


def test_good_bye_survives_everything() -> None:
    link = ScriptedLink([NoAnswer("gone")])
    psem = Psem(link)
    psem.state = "session"
    result(psem.close())
    assert psem.state == "base"
    assert result(Psem(Scripted([])).close()) is None


def test_a_session_is_ended_though_the_answer_to_logoff_is_lost() -> None:
    """As after Ctrl-C amid a long answer: the next session would find the meter at another speed."""
    link = ScriptedLink([LinkError("out of step"), "00"])
    psem = Psem(link)
    psem.state = "session"
    result(psem.close())
    assert link.asked == ["52", "21"] and psem.state == "base"


@pytest.mark.parametrize(
    "wrong",
    [
        lambda psem: psem.read(1, offset=1),
        lambda psem: psem.read(1, offset=1, index=(1,)),
        lambda psem: psem.read(1, offset=-1, count=1),
        lambda psem: psem.read(1, offset=0, count=0),
        lambda psem: psem.logon(1, "Zähler"),
        lambda psem: psem.negotiate(),
    ],
)
def test_called_wrong(wrong: Callable[[Psem], Dialog[object]]) -> None:
    transport = Scripted([])
    with pytest.raises(LocalProtocolError):
        result(wrong(Psem(transport)))
    assert transport.asked == []


def test_unknown_speed() -> None:
    with pytest.raises(LocalProtocolError, match="has no code"):
        result(Psem(ScriptedLink([])).negotiate(bauds=(1234,)))


def test_a_meter_that_is_given_time_to_forget() -> None:
    link = ScriptedLink([NoAnswer("amid another session"), "0000010000", "00"])
    psem = Psem(link)
    _, effects, waited = play(psem.sign_on(SignOn(negotiate=False, recover=True)))
    assert waited == 7.0 and SetLine(9600) in effects and psem.state == "session"
    assert [finding.code for finding in psem.findings] == ["psem-no-identification"]
    with pytest.raises(NoAnswer):
        result(Psem(ScriptedLink([NoAnswer("nobody")])).sign_on(SignOn()))


@pytest.mark.parametrize("goodbye", ["00", "01", NoAnswer("late")])
def test_a_meter_amid_somebody_elses_session(goodbye: str | MeterError) -> None:
    link = ScriptedLink(["0a", goodbye, "0000010000", "00"])
    psem = Psem(link)
    result(psem.sign_on(SignOn(negotiate=False)))
    assert link.asked[:3] == ["20", "21", "20"] and psem.state == "session"
    assert [finding.code for finding in psem.findings] == ["psem-old-session"]
