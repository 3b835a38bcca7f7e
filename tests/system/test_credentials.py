"""Wrong passwords and keys, tampered and replayed answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from metersdk.effects import Dialog, Send
from metersdk.errors import AssociationRefused, AuthenticationFailed, MeterError, PortError, SecurityError
from metersdk.frame.wrapper import Wpdu

MakeRig = Any
HEADER = 8


def changing(change: Callable[[int, bytes], bytes]) -> Callable[[Dialog[Any]], Dialog[Any]]:
    """Somebody on the way who changes the n-th APDU of the meter, counted from 0."""

    def dress(dialog: Dialog[Any]) -> Dialog[Any]:
        number = 0
        answer: Any = None
        error: PortError | None = None
        while True:
            try:
                effect = dialog.send(answer) if error is None else dialog.throw(error)
            except StopIteration as end:
                return end.value
            answer, error = None, None
            try:
                if isinstance(effect, Send):
                    wpdu = Wpdu.decode(effect.data)
                    yield Send(Wpdu(wpdu.source, wpdu.destination, change(number, wpdu.apdu)).encode())
                    number += 1
                else:
                    answer = yield effect
            except PortError as closed:
                error = closed

    return dress


@pytest.mark.parametrize("speech", ["hdlc", "wrapper"])
@pytest.mark.parametrize("client", [2, 3])
@pytest.mark.parametrize("password", ["00000000", "", "1234567", "123456789", "12345678" * 8])
def test_a_wrong_password(rig: MakeRig, speech: str, client: int, password: str) -> None:
    it = rig(speech=speech, client=client, password=password)
    port = it.port()
    with pytest.raises(AssociationRefused) as caught:
        it.connect(port)
    assert isinstance(caught.value, AuthenticationFailed) and not caught.value.retryable
    assert not password or password not in f"{caught.value!r} {caught.value} {caught.value.hint} {caught.value.data!r}"
    # Asked once: meters lock after a few tries.
    aarqs = [event for event in port.log if event.side == "client" and b"\x60\x85\x74\x05\x08\x02" in event.data]
    assert len(aarqs) == 1


@pytest.mark.parametrize("speech", ["hdlc", "wrapper"])
@pytest.mark.parametrize(
    "wrong",
    [{"encryption": bytes(16)}, {"authentication": bytes(16)}, {"system_title": b"XXX00000", "encryption": bytes(16)}],
    ids=["encryption key", "authentication key", "title and key"],
)
def test_a_wrong_key(rig: MakeRig, speech: str, wrong: dict[str, bytes]) -> None:
    it = rig(speech=speech, client=1)
    with pytest.raises(MeterError) as caught:
        it.but(keys=it.new_keys(**wrong)).connect()
    assert isinstance(caught.value, SecurityError | AssociationRefused)
    assert caught.value.exit_code == 6


def test_a_server_title_that_is_not_the_meters(rig: MakeRig) -> None:
    it = rig(speech="wrapper", client=1)
    with pytest.raises(SecurityError, match="title"):
        it.but(keys=it.new_keys(server_title=b"OTHER000")).connect()


@pytest.mark.parametrize("counter", [0, 5])
def test_a_counter_that_the_meter_has_seen(rig: MakeRig, counter: int) -> None:
    it = rig(speech="wrapper", client=1)
    device = it.device()
    it.but(keys=it.new_keys(invocation_counter=100)).session(it.port(device))
    with pytest.raises((SecurityError, AssociationRefused)):
        it.but(keys=it.new_keys(invocation_counter=counter)).connect(it.port(device))


@pytest.mark.parametrize("answer", range(5))
def test_every_octet_of_a_ciphered_answer_counts(rig: MakeRig, answer: int) -> None:
    """AARE, pass 4, and values: with any octet changed nothing of it is believed."""
    it = rig(speech="wrapper", client=1)
    seen: list[bytes] = []

    def listen(number: int, apdu: bytes) -> bytes:
        seen.append(apdu)
        return apdu

    expected = it.session(it.but(server=changing(listen)).port())
    for at in range(0, len(seen[answer]), 3):

        def flip(number: int, apdu: bytes, at: int = at) -> bytes:
            if number != answer or at >= len(apdu):
                return apdu
            return apdu[:at] + bytes((apdu[at] ^ 0x01,)) + apdu[at + 1 :]

        try:
            got = it.session(it.but(server=changing(flip)).port())
        except MeterError:
            continue
        # Only what ACSE sends in clear can be changed unseen, and changes no value.
        assert answer == 0 and got == expected, at


@pytest.mark.parametrize("again", [1, 2])
def test_a_replayed_answer(rig: MakeRig, again: int) -> None:
    """The answer of ``again`` is heard once more in the place of the next."""
    kept: list[bytes] = []

    def replayed(number: int, apdu: bytes) -> bytes:
        kept.append(apdu)
        return kept[again] if number == again + 1 else apdu

    with pytest.raises(SecurityError):
        read_twice(rig(speech="wrapper", client=1, server=changing(replayed)))


def read_twice(it: Any) -> None:
    meter = it.connect()
    for _ in range(2):
        meter.get(3, "1.0.1.8.0.255", 2)


def test_answers_in_clear_are_not_taken(rig: MakeRig) -> None:
    plain = bytes.fromhex("c401c100060000002a")
    for first in range(1, 4):
        it = rig(
            speech="wrapper", client=1, server=changing(lambda n, apdu, first=first: plain if n >= first else apdu)
        )
        with pytest.raises(SecurityError, match="clear"):
            read_twice(it)


def test_the_session_goes_on_after_a_refusal(rig: MakeRig) -> None:
    meter = rig(speech="wrapper", client=1).connect()
    for _ in range(3):
        with pytest.raises(MeterError):
            meter.get(3, "9.9.9.9.9.255", 2)
        assert meter.get(3, "1.0.1.8.0.255", 2) is not None
