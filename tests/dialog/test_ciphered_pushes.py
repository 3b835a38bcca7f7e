"""Ciphered pushes: P1 of Luxembourg and Austria, found on a line, opened with a key, and never believed without."""

from __future__ import annotations

import random
from typing import Any

import pytest
from push_rig import P1, POWER, every

from metersdk.apdu import axdr, xdlms
from metersdk.apdu.cipher import seal
from metersdk.apdu.keys import Keys, Secret
from metersdk.dialog.opening import Plan, open_session
from metersdk.dialog.push_session import PushSession
from metersdk.dialog.timing import Timing
from metersdk.effects import Dialog
from metersdk.errors import Finding, MeterError, NoAnswer, SecurityError
from metersdk.frame.buffer import ReceiveBuffer
from metersdk.frame.ciphered import CIPHERED_LIMIT, CipheredScanner, find_ciphered
from metersdk.frame.hdlc import Frame, FrameKind, control_octet
from metersdk.frame.recognise import Speech, recognise
from metersdk.model.quirks import Quirks
from metersdk.model.telegram import Telegram
from metersdk.port.drive import iterate, run
from metersdk.port.line import LineModel
from metersdk.port.virtual import VirtualPort

EK, AK = bytes(range(16)), bytes.fromhex("00112233445566778899aabbccddeeff")
TITLE = b"SAG\x67\x40\x01\x02\x03"
NOTICE = xdlms.DataNotification(
    xdlms.LongInvoke(1), b"", axdr.encode(axdr.structure(axdr.octets(POWER), axdr.u32(42)))
).encode()


def ciphered(counter: int, plain: bytes = P1, *, control: int = 0x30, ek: bytes = EK, ak: bytes = AK) -> bytes:
    body = bytes((control,)) + counter.to_bytes(4, "big") + seal(control, counter, TITLE, Secret(ek), Secret(ak), plain)
    return b"\xdb\x08" + TITLE + axdr.encode_length(len(body)) + body


def plan(keys: Keys | None, protocol: str = "push", **options: Any) -> Plan:
    return Plan.of(
        {"protocol": protocol, **options},
        medium="line",
        framing=None,
        baud=options.pop("baud", None),
        hardware_parity=False,
        password=None,
        keys=keys,
        quirks=Quirks(),
        timing=Timing(),
    )


def listened(server: Dialog[None], keys: Keys | None, count: int = 3) -> tuple[list[Telegram], list[str]]:
    port, codes = VirtualPort(server, LineModel(baud=300)), list[object]()
    session = run(open_session(plan(keys)), port, codes.append)
    assert isinstance(session, PushSession)
    assert not [event for event in port.log if event.side == "client" and event.kind == "send"]
    with iterate(session.telegrams(count), port) as events:
        told = [*codes, *events]
    return (
        [each for each in told if isinstance(each, Telegram)],
        [each.code for each in told if isinstance(each, Finding)],
    )


BOTH, ALONE = Keys(encryption=EK, authentication=AK), Keys(encryption=EK)


@pytest.mark.parametrize("baud", [9600, 115200])
@pytest.mark.parametrize("control", [0x30, 0x20])
def test_p1_with_its_keys(baud: int, control: int) -> None:
    found, codes = listened(every(lambda n: ciphered(n, control=control), baud), BOTH)
    assert [telegram.protocol for telegram in found] == ["p1"] * 3
    first = found[0]
    assert str(first.readings[1]).endswith("1234 W") and first.identity.system_title == TITLE.hex()
    assert first.identity.model == "METER" and first.identity.baud == baud and first.proved is True
    assert set(codes) <= {"joined-amid"} | ({"push-tag-unchecked"} if control == 0x20 else set())


def test_without_an_authentication_key_the_crc_proves_what_nobody_signs() -> None:
    found, codes = listened(every(ciphered, 115200), ALONE)
    assert found[0].proved is True and "push-tag-unchecked" in codes


def test_a_dlms_push_inside() -> None:
    found, _ = listened(every(lambda n: ciphered(n, NOTICE), 9600), BOTH)
    assert found[0].protocol == "dlms:push" and found[0].readings[0].value == 42 and found[0].proved


def test_the_same_over_hdlc() -> None:
    def framed(number: int) -> bytes:
        information = b"\xe6\xe7\x00" + ciphered(number, NOTICE)
        return Frame(b"\x03", b"\x21", control_octet(FrameKind.UI, poll=False), information).encode()

    found, codes = listened(every(framed, 9600), BOTH)
    assert found[0].readings[0].value == 42 and "push-ciphered" not in codes
    found, codes = listened(every(framed, 9600), None)
    assert found[0].readings == () and "push-ciphered" in codes


def test_without_a_key_it_says_what_is_needed() -> None:
    with pytest.raises(SecurityError, match="ciphers what it sends at 115200 Bd") as told:
        listened(every(ciphered, 115200), None)
    assert "--key-file" in told.value.hint


@pytest.mark.parametrize(
    "keys",
    [Keys(encryption=AK, authentication=AK), Keys(encryption=EK, authentication=EK), Keys(encryption=AK)],
    ids=["encryption", "authentication", "alone"],
)
def test_a_wrong_key_is_told_soon(keys: Keys) -> None:
    with pytest.raises(SecurityError, match="open none of 3") as told:
        listened(every(ciphered, 115200), keys)
    assert "00112233" not in str(told.value) + told.value.hint + repr(keys)


def test_what_was_sent_before_is_not_taken_again() -> None:
    found, codes = listened(every(lambda n: ciphered(max(1, n - 2)), 9600), BOTH, 2)
    assert len(found) == 2 and codes.count("telegram-broken") == 2


def test_damage_costs_one_telegram() -> None:
    def damaged(number: int) -> bytes:
        octets = bytearray(ciphered(number))
        if number == 4:
            octets[60] ^= 1
        return bytes(octets[:50] if number == 6 else octets)

    found, codes = listened(every(damaged, 9600), BOTH, 6)
    assert len(found) == 6 and codes.count("telegram-broken") == 1


def test_a_clear_p1_needs_no_key() -> None:
    found, codes = listened(every(P1, 115200), BOTH)
    assert found[0].protocol == "p1" and "push-tag-unchecked" not in codes


def test_recognised() -> None:
    one = ciphered(7)
    assert recognise(b"\x00\xff" + one) is Speech.CIPHERED and recognise(one[:-1]) is None
    assert find_ciphered(b"ab" + one + one) == (2, 2 + len(one))
    assert find_ciphered(b"\xdb\x08" + bytes(500)) is None
    frame = Frame(b"\x03", b"\x21", control_octet(FrameKind.UI, poll=False), one).encode()
    assert recognise(frame) is Speech.HDLC
    assert {recognise(frame[:end]) for end in range(len(frame))} == {None}
    assert {recognise(b"\x7e\xa0\x10"[:end] + one) for end in (0, 1, 3)} == {Speech.CIPHERED}


@pytest.mark.parametrize("seed", range(10))
def test_however_the_stream_is_cut(seed: int) -> None:
    chance = random.Random(seed)
    parts = [chance.choice([ciphered(n), chance.randbytes(30), b"\xdb\x08SAG", ciphered(n)[:40]]) for n in range(12)]
    data = b"".join(parts)
    buffer = ReceiveBuffer()
    scanner, found = CipheredScanner(buffer), []
    at = 0
    while at < len(data):
        step = chance.randrange(1, 200)
        buffer.feed(data[at : at + step])
        at += step
        while (one := scanner.take()) is not None:
            found.append(one)
        assert len(buffer) <= CIPHERED_LIMIT + 200
    while (one := scanner.take(final=True)) is not None:
        found.append(one)
    assert len(buffer) == 0
    assert sum(map(len, found)) + scanner.noise == len(data)


def test_a_corpus_frame_with_its_length_as_it_was_sent() -> None:
    """Heads as real meters send them (public posts): long and short lengths, encryption alone."""
    assert find_ciphered(bytes.fromhex("db085341473500013def8201f230000001a8") + bytes(0x1F2 - 5)) is not None
    assert find_ciphered(bytes.fromhex("db085341475905e6a31381f8200001d234") + bytes(0xF8 - 5)) is not None


def test_no_telegram_in_time_is_no_security_error() -> None:
    with pytest.raises(NoAnswer):
        listened(every(b"", 9600, 1000.0), BOTH)
    assert issubclass(SecurityError, MeterError)
