"""PSEM over messages of C12.22: sessions under the virtual clock, over networks that lose, repeat, delay and forge."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import pytest
from psem_rig import PASSWORD, MemoryDevice, content

from metersdk.apdu import psem
from metersdk.apdu.c1222 import Control, Message, ResponseControl, SecurityMode
from metersdk.apdu.c1222_services import SessionControl, session_control
from metersdk.apdu.c1222_titles import ApTitle
from metersdk.apdu.keys import RisingCounter, Secret
from metersdk.apdu.psem import Refusal, Response
from metersdk.dialog.c1222 import C1222Settings, C1222Transport
from metersdk.dialog.c1222_meter import C1222Meter, serve_c1222
from metersdk.dialog.psem import Psem, SignOn
from metersdk.effects import Dialog, Push, Receive, Send, Sleep
from metersdk.errors import (
    AuthenticationFailed,
    DecodeError,
    Finding,
    FrameError,
    LimitExceeded,
    LocalProtocolError,
    NoAnswer,
    PsemError,
    SecurityError,
)
from metersdk.frame.buffer import ReceiveBuffer
from metersdk.frame.c1222 import take_message
from metersdk.port.drive import run
from metersdk.port.line import LineModel
from metersdk.port.virtual import VirtualPort

T = TypeVar("T")

KEY, OTHER_KEY = Secret(bytes(range(16))), Secret(bytes(16))
PASSWORD_20 = Secret(b"secret".ljust(20, b"\0"))
METER, CLIENT = ApTitle.parse(".123.8437"), ApTitle.parse(".123.4")
CLEAR, AUTHENTICATED, CIPHERED = SecurityMode
MODES = pytest.mark.parametrize("mode", list(SecurityMode), ids=lambda mode: mode.name.lower())
MEDIA = pytest.mark.parametrize("datagram", [False, True], ids=["tcp", "udp"])
TABLES = {0: content(0, 60), 1: content(1, 32), 5: content(5, 20), 64: content(64, 35_340)}


class Rig:
    """One client and one meter."""

    def __init__(
        self,
        *,
        mode: SecurityMode = CLEAR,
        datagram: bool = False,
        model: LineModel | None = None,
        meter: dict[str, Any] | None = None,
        wrapped: Callable[[Dialog[None]], Dialog[None]] = lambda served: served,
        **client: Any,
    ) -> None:
        self.device = MemoryDevice(dict(TABLES))
        fields = {"title": METER, "keys": {2: KEY}, "datagram": datagram, "security": mode, **(meter or {})}
        self.meter = C1222Meter(**fields)
        self.port = VirtualPort(wrapped(serve_c1222(self.device, self.meter)), model or LineModel(coalesce=0.0))
        self.events: list[object] = []
        self.vectors = RisingCounter(1_700_000_000)
        self.settings = C1222Settings(
            **{
                "called": METER,
                "calling": CLIENT,
                "security": mode,
                "key": KEY,
                "key_id": 2,
                "vectors": self.vectors,
                "datagram": datagram,
                **client,
            }
        )
        self.new_client()

    def new_client(self) -> None:
        self.transport = C1222Transport(self.settings)
        self.psem = Psem(self.transport)

    def run(self, dialog: Dialog[T]) -> T:
        return run(dialog, self.port, self.events.append)

    def sent(self, side: str) -> list[bytes]:
        return [event.data for event in self.port.log if event.kind == "send" and event.side == side]

    @property
    def codes(self) -> set[str]:
        return {event.code for event in self.events if isinstance(event, Finding)}

    @property
    def meter_codes(self) -> set[str]:
        return {event.code for event in self.port.server_events if isinstance(event, Finding)}


@MODES
@MEDIA
def test_a_session(mode: SecurityMode, datagram: bool) -> None:
    rig = Rig(mode=mode, datagram=datagram)
    found = rig.run(rig.psem.sign_on(SignOn(password=PASSWORD, idle=30)))
    assert str(found) == "ANSI C12.22 version 1.0" and session_control(found) == SessionControl(1, True)
    assert rig.transport.idle == 30
    assert rig.run(rig.psem.read(1)) == TABLES[1]
    with pytest.raises(PsemError) as refused:
        rig.run(rig.psem.read(64))
    assert refused.value.response == Response.RSTL
    assert rig.run(rig.psem.read(64, offset=0, count=35_340)) == TABLES[64]
    rig.run(rig.psem.close())
    assert rig.device.sessions_ended == 1 and not rig.meter_codes
    assert rig.codes <= {"c1222-size"}
    if mode is CIPHERED:
        assert not any(TABLES[1][:8] in octets for octets in (*rig.sent("client"), *rig.sent("server")))
    if mode is not CLEAR:
        assert all(Message.decode(octets).control.security is mode for octets in rig.sent("server"))


def test_a_wrong_password_is_not_tried_twice() -> None:
    rig = Rig()
    with pytest.raises(AuthenticationFailed):
        rig.run(rig.psem.sign_on(SignOn(password=Secret("wrong"))))
    with pytest.raises(LocalProtocolError):
        rig.run(rig.psem.security(PASSWORD))


def test_a_password_without_a_session_is_good_for_one_message() -> None:
    rig = Rig()
    shown = psem.Security(Secret(b"secret".ljust(20, b"\0")), 2).encode()
    both = Message.of((shown, psem.Read(5).encode()), called=METER, calling=CLIENT, calling_id=1).encode()
    alone = Message.of((psem.Read(5).encode(),), called=METER, calling=CLIENT, calling_id=2).encode()
    # One answer, as in example 8 of the standard.
    assert Message.decode(exchange(rig, both)).services == (psem.TableData(TABLES[5]).encode(),)
    assert Message.decode(exchange(rig, alone)).services == (bytes((Response.ISC,)),)


def test_a_wrong_password_without_a_session_ends_the_message() -> None:
    rig = Rig()
    shown = psem.Security(Secret(b"wrong".ljust(20, b"\0")), 2).encode()
    both = Message.of((shown, psem.Read(0).encode()), called=METER, calling=CLIENT, calling_id=1).encode()
    assert Message.decode(exchange(rig, both)).services == (bytes((Response.ERR,)),)
    alone = Message.of((psem.Security(PASSWORD_20, 2).encode(),), called=METER, calling=CLIENT, calling_id=2).encode()
    assert Message.decode(exchange(rig, alone)).services == (b"\0",)


def exchange(rig: Rig, octets: bytes) -> bytes:
    """What the meter answers to these octets; nothing after a second."""

    def dialog() -> Dialog[bytes]:
        yield Send(octets)
        data: bytes = yield Receive(1.0)
        return data

    return rig.run(dialog())


# --- a bad network ---


@MODES
def test_lost_requests_and_answers_over_udp(mode: SecurityMode) -> None:
    """What was carried out is not carried out again: one session begins, though the answer to Logon was lost."""
    model = LineModel(coalesce=0.0, drop_requests=frozenset({1}), drop_answers=frozenset({1, 3}))
    rig = Rig(mode=mode, datagram=True, model=model, response=1.0)
    rig.run(rig.psem.sign_on(SignOn(password=PASSWORD)))
    assert rig.run(rig.psem.read(5)) == TABLES[5]
    assert "c1222-repeated" in rig.codes and rig.meter_codes == {"c1222-repeated"}
    assert len(rig.device.users) == 1


@MEDIA
def test_a_write_is_never_sent_twice(datagram: bool) -> None:
    rig = Rig(datagram=datagram, model=LineModel(coalesce=0.0, drop_answers=frozenset({3})), response=1.0)
    rig.run(rig.psem.sign_on(SignOn(password=Secret("master"))))
    before = len(rig.sent("client"))
    with pytest.raises(NoAnswer) as silence:
        rig.run(rig.psem.write(5, bytes(20), allow=True))
    assert not silence.value.retryable and "read it back" in silence.value.hint
    assert len(rig.sent("client")) == before + 1 and rig.device.tables[5] == bytes(20)


def test_nobody_answers_over_udp() -> None:
    rig = Rig(datagram=True, model=LineModel(lose=1.0), response=1.0, retries=2)
    with pytest.raises(NoAnswer) as silent:
        rig.run(rig.psem.identify())
    assert rig.port.now() == pytest.approx(3.0, abs=0.1) and silent.value.retryable
    assert len(rig.sent("client")) == 3 and len(set(rig.sent("client"))) == 1


@MODES
@MEDIA
def test_late_and_repeated_answers(mode: SecurityMode, datagram: bool) -> None:
    """Each answer comes twice, the second time just before the next one."""

    def repeating(served: Dialog[None]) -> Dialog[None]:
        kept: list[bytes] = []
        effect = next(served)
        while True:
            if isinstance(effect, Send):
                for octets in (*kept, effect.data):
                    yield Send(octets)
                    # Datagrams are never joined.
                    yield Sleep(0.01)
                kept = [effect.data]
                effect = served.send(None)
            else:
                effect = served.send((yield effect))

    rig = Rig(mode=mode, datagram=datagram, wrapped=repeating)
    rig.run(rig.psem.sign_on(SignOn(password=PASSWORD)))
    for table in (0, 1, 5, 0, 1, 5):
        assert rig.run(rig.psem.read(table)) == TABLES[table]
    assert rig.codes == {"c1222-duplicate"}


def test_an_answer_to_a_request_that_was_given_up() -> None:
    rig = Rig(datagram=True, model=LineModel(coalesce=0.0, late={0: 1.5}), response=1.0, retries=0)
    with pytest.raises(NoAnswer):
        rig.run(rig.psem.identify())
    assert rig.run(rig.psem.identify()).standard == 3
    assert rig.run(rig.transport.request(psem.Read(1).encode())) == psem.TableData(TABLES[1]).encode()
    assert rig.codes == {"c1222-late"}


def test_every_cut_of_the_stream() -> None:
    whole = Rig(mode=CIPHERED)
    whole.run(whole.psem.sign_on(SignOn(password=PASSWORD)))
    total = sum(map(len, whole.sent("server")))
    for cut in range(0, total, 7):
        rig = Rig(mode=CIPHERED, model=LineModel(close_after=cut))
        with pytest.raises(Exception, match="closed the connection"):
            rig.run(rig.psem.sign_on(SignOn(password=PASSWORD)))
    rig = Rig(mode=CIPHERED, model=LineModel(piece=1, coalesce=0.0))
    rig.run(rig.psem.sign_on(SignOn(password=PASSWORD)))
    assert rig.run(rig.psem.read(5)) == TABLES[5]


# --- hostile meters ---


def answering(*answers: bytes | Callable[[Message], bytes], datagram: bool = False) -> Callable[..., Dialog[None]]:
    """A meter that answers each message with the next of these."""

    def served(_: Dialog[None]) -> Dialog[None]:
        buffer = ReceiveBuffer()
        for answer in answers:
            while True:
                buffer.feed((yield Receive(60.0)))
                octets = take_message(buffer)
                if octets is not None:
                    break
            yield Send(answer if isinstance(answer, bytes) else answer(Message.decode(octets)))
        while True:
            yield Receive(60.0)

    return served


def reply(asked: Message, *services: bytes, mode: SecurityMode = CLEAR, key: Secret = KEY, **more: Any) -> bytes:
    fields: dict[str, Any] = {
        "called": asked.calling,
        "calling": asked.called,
        "called_id": asked.calling_id,
        "calling_id": 9,
        "key_id": asked.key_id,
        "iv": 77 if asked.iv else None,
        **more,
    }
    return Message.of(services or (b"\0\3\1\0\0",), **fields).protected(mode, key).encode()


def ask(answer: bytes | Callable[[Message], bytes], **more: Any) -> tuple[Rig, Callable[[], object]]:
    rig = Rig(wrapped=answering(answer), response=1.0, **more)
    return rig, lambda: rig.run(rig.psem.identify())


def test_an_answer_without_number_is_taken_in_clear_only() -> None:
    """As published captures have it: the number of the request as that of the answer."""
    rig, identify = ask(lambda asked: reply(asked, called_id=None, calling_id=asked.calling_id))
    identify()
    assert rig.codes == {"c1222-called-id"}
    rig, identify = ask(
        lambda asked: reply(asked, called_id=None, calling_id=asked.calling_id, mode=CIPHERED), mode=CIPHERED
    )
    with pytest.raises(NoAnswer):
        identify()
    assert rig.codes == {"c1222-push"}


def test_a_message_that_comes_unasked_is_kept() -> None:
    def both(asked: Message) -> bytes:
        told = Message.of((psem.Write(7, b"\1").encode(),), calling=METER, qualifier=4, ed_class=b"MSK1").encode()
        return told + reply(asked)

    rig, identify = ask(both)
    identify()
    (push,) = [event for event in rig.events if isinstance(event, Push)]
    assert Message.decode(push.apdu).ed_class == b"MSK1" and list(rig.transport.pushes) == [push.apdu]


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (lambda asked: reply(asked), "in clear"),
        (lambda asked: reply(asked, Refusal(Response.SME).encode()), "security mechanism error"),
        (lambda asked: reply(asked, mode=CIPHERED, key=OTHER_KEY), "MAC"),
        (lambda asked: reply(asked, mode=CIPHERED, key_id=3), "key 3"),
    ],
)
@MEDIA
def test_what_does_not_prove_itself(answer: Callable[[Message], bytes], text: str, datagram: bool) -> None:
    _, identify = ask(answer, mode=CIPHERED, datagram=datagram)
    with pytest.raises(SecurityError, match=text):
        identify()


def test_an_answer_that_is_only_authenticated_is_a_finding() -> None:
    rig, identify = ask(lambda asked: reply(asked, mode=AUTHENTICATED), mode=CIPHERED)
    identify()
    assert rig.codes == {"c1222-less-protected"}


def test_a_reflected_request_is_no_answer() -> None:
    rig, identify = ask(lambda asked: asked.encode(), mode=CIPHERED)
    with pytest.raises(NoAnswer):
        identify()
    rig, identify = ask(lambda asked: reply(asked, called=asked.called, calling=asked.calling, mode=CIPHERED),
                        mode=CIPHERED)  # fmt: skip
    with pytest.raises(NoAnswer):
        identify()
    assert rig.codes == {"c1222-title"}


def test_the_vector_of_the_session_holds_where_none_is_told() -> None:
    rig = Rig(
        mode=CIPHERED,
        wrapped=answering(
            lambda asked: reply(asked, mode=CIPHERED),
            lambda asked: (
                Message.of((b"\0",), called=CLIENT, calling=METER, called_id=asked.calling_id)
                .protected(CIPHERED, KEY, key_id=2, iv=77)
                .encode()
            ),
        ),
    )
    rig.run(rig.psem.identify())
    assert rig.run(rig.transport.request(b"\x20")) == b"\0"


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"\xee\0\0", FrameError),
        (b"\x60\x84\xff\xff\xff\xff", LimitExceeded),
        (b"\x60\x83\x01\x00\x00", LimitExceeded),
        (b"\x60\x80", FrameError),
        (b"\x60\x03\xa4\x7f\x02", DecodeError),
        (b"\x60\x02\xbe\x00", DecodeError),
        (lambda asked: reply(asked, b""), DecodeError),
        (lambda asked: replace(Message.decode(reply(asked)), body=b"\x7f\0", head=b"").encode(), DecodeError),
        (lambda asked: replace(Message.decode(reply(asked)), body=b"", head=b"").encode(), DecodeError),
    ],
)
def test_what_is_no_answer(answer: Any, error: type[Exception]) -> None:
    rig, identify = ask(answer)
    with pytest.raises(error):
        identify()
    assert rig.port.now() < 2.0


def test_segments_are_told() -> None:
    def segment(asked: Message) -> bytes:
        octets = bytearray(reply(asked))
        octets[1] += 3
        return bytes(octets[:2]) + b"\xa9\x01\x05" + bytes(octets[2:])

    _, identify = ask(segment)
    with pytest.raises(DecodeError, match="segments"):
        identify()


def test_a_peer_that_drips_is_given_up_in_time() -> None:
    def dripping(_: Dialog[None]) -> Dialog[None]:
        yield Receive(60.0)
        yield Send(b"\x60\x82\xff\x00")
        while True:
            yield Receive(0.1)
            yield Send(b"\0")

    rig = Rig(wrapped=dripping, response=2.0)
    with pytest.raises(NoAnswer):
        rig.run(rig.psem.identify())
    assert rig.port.now() == pytest.approx(2.0, abs=0.2)


def test_endless_other_messages_end_in_time() -> None:
    def talking(_: Dialog[None]) -> Dialog[None]:
        asked = Message.decode((yield Receive(60.0)))
        while True:
            yield Receive(0.01)
            yield Send(reply(asked, called_id=5) + reply(asked, called_id=None))

    rig = Rig(wrapped=talking, response=2.0)
    with pytest.raises(NoAnswer):
        rig.run(rig.psem.identify())
    assert rig.codes == {"c1222-late", "c1222-push"} and len(rig.transport.pushes) <= 256


def test_a_meter_with_little_room_is_asked_for_less() -> None:
    rig = Rig(meter={"max_message": 256})
    rig.run(rig.psem.sign_on(SignOn(password=PASSWORD)))
    with pytest.raises(PsemError):
        rig.run(rig.psem.read(64))
    assert rig.codes == {"c1222-size"} and rig.transport.max_payload < 256
    assert rig.run(rig.psem.read(64, offset=0, count=1000)) == TABLES[64][:1000]
    assert max(map(len, rig.sent("server"))) <= 256


def test_a_meter_with_little_room_is_told_less_at_once() -> None:
    rig = Rig(meter={"max_message": 256})
    rig.run(rig.psem.sign_on(SignOn(password=Secret("master"))))
    with pytest.raises(PsemError) as refused:
        rig.run(rig.psem.write(64, bytes(600), offset=0, allow=True))
    assert refused.value.response == Response.RQTL and rig.device.tables[64] == TABLES[64]
    assert rig.codes == {"c1222-size"} and rig.transport.max_payload < 256
    rig.run(rig.psem.write(64, bytes(600), offset=0, allow=True))
    assert rig.device.tables[64] == bytes(600) + TABLES[64][600:]


# --- the meter's rules ---


@pytest.mark.parametrize("tag", [b"\xa5", b"\xa9"])
def test_a_segment_is_refused_and_not_carried_out(tag: bytes) -> None:
    rig = Rig()
    octets = Message.of((psem.Logon(1, b"x" * 10).encode(),), called=METER, calling=CLIENT, calling_id=1).encode()
    octets = octets[:1] + bytes((octets[1] + 5,)) + octets[2:] + tag + b"\x03\x02\x01\x05"
    assert Message.decode(exchange(rig, octets)).services == (bytes((Response.SGNP,)),)
    assert rig.device.users == []


def test_old_requests_are_not_believed() -> None:
    rig = Rig(mode=CIPHERED)
    rig.run(rig.psem.sign_on(SignOn(password=PASSWORD)))
    first, *_, last = rig.sent("client")
    assert exchange(rig, first) == b"" and rig.meter_codes == {"c1222-replay"}
    assert exchange(rig, last) == rig.sent("server")[-1]
    # Another connection of the same meter knows what was believed on this one.
    other = VirtualPort(serve_c1222(rig.device, rig.meter), LineModel(coalesce=0.0))
    rig.port = other
    assert exchange(rig, last) == b""
    rig.new_client()
    rig.run(rig.psem.sign_on(SignOn(password=PASSWORD)))


def test_an_answer_on_record_answers_no_later_session() -> None:
    """Under one key the numbers of two sessions have nothing in common: an old answer proves itself, and is late."""
    rig = Rig(mode=CIPHERED)
    first = rig.transport.next_id
    rig.run(rig.psem.identify())
    recorded = rig.sent("server")[-1]

    def replaying(_: Dialog[None]) -> Dialog[None]:
        while True:
            if (yield Receive(60.0)):
                yield Send(recorded)

    rig.port = VirtualPort(replaying(serve_c1222(rig.device, rig.meter)), LineModel(coalesce=0.0))
    rig.new_client()
    assert rig.transport.next_id != first
    with pytest.raises(NoAnswer):
        rig.run(rig.psem.identify())
    assert "c1222-late" in rig.codes


def test_the_number_of_the_first_request() -> None:
    under_key = [C1222Transport(replace(Rig(mode=CIPHERED).settings, vectors=RisingCounter(iv))) for iv in range(200)]
    assert len({transport.next_id for transport in under_key}) == 200
    assert all(0x0100_0000 <= transport.next_id <= 0x3FFF_FFFF for transport in under_key)
    assert Rig(mode=CIPHERED).transport.next_id == Rig(mode=CIPHERED).transport.next_id
    assert Rig().transport.next_id == 0x0100_0000 and Rig(first_id=7, mode=CIPHERED).transport.next_id == 7


@MODES
def test_a_meter_answers_no_answers(mode: SecurityMode) -> None:
    """Two nodes that did would keep each other busy for ever."""
    rig = Rig(mode=mode)
    rig.run(rig.psem.identify())
    answer = Message.decode(rig.sent("server")[-1])
    assert exchange(rig, replace(answer, called=METER, calling=CLIENT).encode()) == b""
    assert rig.meter_codes == {"c1222-no-message"}


def test_requests_without_a_number_are_each_carried_out() -> None:
    rig = Rig()
    octets = Message.of((psem.Read(0).encode(),), called=METER, calling=CLIENT).encode()
    assert Message.decode(exchange(rig, octets)).services == (psem.TableData(TABLES[0]).encode(),)
    rig.device.tables[0] = b"new"
    assert Message.decode(exchange(rig, octets)).services == (psem.TableData(b"new").encode(),)
    assert not rig.meter_codes


def test_what_anybody_can_send_ends_no_session() -> None:
    rig = Rig(mode=CIPHERED)
    rig.run(rig.psem.sign_on(SignOn(password=PASSWORD)))
    for number in range(100):
        title = ApTitle.parse(f".123.{1000 + number}")
        exchange(rig, Message.of((psem.Read(0).encode(),), called=METER, calling=title, calling_id=number).encode())
    assert rig.meter_codes == {"c1222-unproved"}
    assert rig.run(rig.psem.read(5)) == TABLES[5] and rig.device.sessions_ended == 0


def test_what_anybody_can_send_keeps_no_session_alive() -> None:
    rig = Rig(mode=CIPHERED, meter={"idle": 5.0})
    rig.run(rig.psem.sign_on(SignOn(password=PASSWORD)))
    for number in range(6):
        exchange(rig, Message.of((psem.Read(0).encode(),), called=METER, calling=CLIENT, calling_id=number).encode())
        rig.port.sleep(1.0)
    with pytest.raises(PsemError):
        rig.run(rig.psem.read(5))
    assert rig.device.sessions_ended == 1


def test_wait_lets_a_session_rest_once() -> None:
    rig = Rig(meter={"idle": 5.0})
    rig.run(rig.psem.sign_on(SignOn(password=PASSWORD)))
    rig.run(rig.psem.wait(60))
    rig.port.sleep(62.0)
    assert rig.run(rig.psem.read(5)) == TABLES[5]
    rig.port.sleep(6.0)
    with pytest.raises(PsemError):
        rig.run(rig.psem.read(5))


@MODES
def test_a_request_is_no_answer(mode: SecurityMode) -> None:
    _, identify = ask(lambda asked: reply(asked, psem.Read(1).encode(), mode=mode), mode=mode)
    with pytest.raises(DecodeError, match="a request"):
        identify()


@pytest.mark.parametrize("mode", [CLEAR, AUTHENTICATED])
def test_less_security_than_the_meter_wants(mode: SecurityMode) -> None:
    rig = Rig(mode=mode, meter={"security": CIPHERED})
    with pytest.raises(SecurityError, match="security mechanism") as caught:
        rig.run(rig.psem.identify())
    assert caught.value.exit_code == 6
    # A single table that wants more leaves the others to be read.
    with pytest.raises(PsemError if mode is CLEAR else SecurityError, match="security mechanism"):
        rig.run(rig.psem.read(1))


def test_keys_that_the_meter_does_not_know() -> None:
    for more in ({"key": OTHER_KEY}, {"key_id": 9}):
        rig = Rig(mode=CIPHERED, **more)
        with pytest.raises(SecurityError, match="security mechanism"):
            rig.run(rig.psem.identify())
        assert rig.meter_codes == {"c1222-unproved"}


def test_another_meter_is_called() -> None:
    rig = Rig(called=ApTitle.parse(".123.1"))
    with pytest.raises(PsemError) as refused:
        rig.run(rig.psem.identify())
    assert refused.value.response == Response.UAT


def test_response_control() -> None:
    rig = Rig()

    def sent(service: bytes, control: ResponseControl, number: int) -> bytes:
        message = Message.of((service,), calling=CLIENT, calling_id=number, control=Control(response=control))
        return exchange(rig, message.encode())

    read, absent = psem.Read(1).encode(), psem.Read(99).encode()
    assert sent(read, ResponseControl.ON_EXCEPTION, 1) == b""
    assert Message.decode(sent(absent, ResponseControl.ON_EXCEPTION, 2)).services == (bytes((Response.ONP,)),)
    assert sent(absent, ResponseControl.NEVER, 3) == b"" and sent(read, ResponseControl.NEVER, 4) == b""
    rig.run(rig.transport.notify(psem.Read(1).encode()))
    assert exchange(rig, b"") == b""


def test_a_session_left_alone_is_over() -> None:
    rig = Rig(meter={"idle": 20.0})
    rig.run(rig.psem.sign_on(SignOn(password=PASSWORD, idle=0)))
    assert rig.transport.idle == 20
    rig.port.sleep(21.0)
    with pytest.raises(PsemError) as refused:
        rig.run(rig.psem.read(5))
    assert refused.value.response == Response.ISC and rig.device.sessions_ended == 1


def test_several_services_end_with_the_first_refusal() -> None:
    rig = Rig()
    services = tuple(psem.Read(table).encode() for table in (1, 99, 0))
    answer = Message.decode(exchange(rig, Message.of(services, calling_id=1).encode()))
    assert answer.services == (psem.TableData(TABLES[1]).encode(), bytes((Response.ONP,)))


@pytest.mark.parametrize("octets", [b"\x60\x00", b"\x60\x02\xbe\x00", b"\x60\x09\xbe\x07\x28\x05\x81\x03\x80\x05\x20"])
def test_the_meter_survives_what_is_no_request(octets: bytes) -> None:
    rig = Rig()
    exchange(rig, octets)
    assert rig.run(rig.psem.identify()).standard == 3


def test_settings_that_make_no_sense() -> None:
    for wrong in (
        {"security": CIPHERED, "key": None},
        {"security": CIPHERED, "key": Secret(bytes(8))},
        {"security": CIPHERED, "vectors": None},
        {"key_id": 256},
        {"max_message": 100},
        {"first_id": -1},
    ):
        with pytest.raises(LocalProtocolError):
            Rig(**wrong)  # type: ignore[arg-type]
    rig = Rig(max_message=200)
    with pytest.raises(LocalProtocolError, match="do not fit"):
        rig.run(rig.transport.request(bytes(200)))
    assert "00010203" not in repr(rig.settings) + repr(rig.meter)
