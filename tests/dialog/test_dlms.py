"""The client's services against the application server in memory, and against servers that mean no good."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from metersdk.apdu import axdr, xdlms
from metersdk.apdu.initiate import CLIENT_CONFORMANCE, Conformance
from metersdk.apdu.results import ActionResult, DataAccessResult
from metersdk.apdu.xdlms import AttributeDescriptor, Invoke, Outcome, Selection
from metersdk.dialog import dlms
from metersdk.effects import Emit, Progress
from metersdk.errors import (
    ActionError,
    ConfirmedServiceError,
    DataAccessError,
    DecodeError,
    ExceptionResponse,
    LimitExceeded,
    LocalProtocolError,
    MeterError,
    NoAnswer,
)

MakeRig = Callable[..., Any]

LDN = bytes.fromhex("00002a0000ff")
REGISTER = bytes.fromhex("0100010800ff")
PROFILE = bytes.fromhex("0100630100ff")
LONG = axdr.encode(axdr.octets(bytes(range(256)) * 20))
SHORT = axdr.encode(axdr.u32(100))
SIZES = pytest.mark.parametrize("max_pdu", [0, 64, 65, 127, 128, 300, 1200, 65535])


def item(obis: bytes, attribute: int = 2, class_id: int = 1) -> tuple[AttributeDescriptor, None]:
    return AttributeDescriptor(class_id, obis, attribute), None


# --- every service, with many sizes of APDU --------------------------------------------------------------------------


@SIZES
@pytest.mark.parametrize("size", [0, 1, 40, 53, 54, 55, 56, 57, 58, 114, 117, 118, 119, 120, 121, 5000])
def test_get_of_any_length(rig: MakeRig, max_pdu: int, size: int) -> None:
    it = rig(max_pdu)
    value = axdr.encode(axdr.octets(bytes(size)))
    it.device.values[1, LDN, 2] = value
    assert it.run(dlms.get(it.ex, 1, LDN, 2)) == value
    assert it.device.clients == {16}
    assert it.events[-1] == Progress(len(value), None, "octets")
    numbers = [apdu[3:7] for apdu in it.ex.sent[1:]]
    assert numbers == [number.to_bytes(4, "big") for number in range(1, len(it.ex.sent))]


def test_get_gives_blocks_to_a_callback_and_its_effects_to_the_driver(rig: MakeRig) -> None:
    it = rig(64)
    it.device.values[1, LDN, 2] = LONG
    seen: list[bytes] = []

    def on_block(raw: bytes) -> list[Emit]:
        seen.append(raw)
        return [Emit(len(seen))]

    assert it.run(dlms.get(it.ex, 1, LDN, 2, on_block=on_block)) == LONG
    assert b"".join(seen) == LONG
    assert it.events == list(range(1, len(seen) + 1))
    assert it.run(dlms.stream(it.ex, 1, LDN, 2, None, lambda raw: None)) == len(LONG)


@SIZES
@pytest.mark.parametrize("conformance", [CLIENT_CONFORMANCE, CLIENT_CONFORMANCE & ~Conformance.MULTIPLE_REFERENCES])
def test_get_list(rig: MakeRig, max_pdu: int, conformance: Conformance) -> None:
    it = rig(max_pdu, conformance)
    items = [item(REGISTER[:4] + bytes((n, 255))) for n in range(30)]
    expected: list[bytes | DataAccessResult] = []
    for number, (attribute, _) in enumerate(items):
        if number % 7 == 3:
            expected.append(DataAccessResult.OBJECT_UNDEFINED)
            continue
        value = LONG if number == 11 else SHORT
        it.device.values[1, attribute.obis, 2] = value
        expected.append(value)
    assert it.run(dlms.get_list(it.ex, items)) == expected
    kinds = {apdu[1] for apdu in it.ex.sent}
    assert (3 in kinds) == (Conformance.MULTIPLE_REFERENCES in conformance)
    assert it.run(dlms.get_list(it.ex, [])) == []


def test_a_refused_list_is_read_one_by_one(rig: MakeRig) -> None:
    it = rig()
    it.device.values[1, LDN, 2] = SHORT
    serve = it.server.handle
    # Exceptions, a result for the whole, and what a widespread server makes of it: a result without its choice.
    for refusal in ("d80102", "0e050501", "c401{i}0102", "c403{i}0203", "c403{i}0100 00", "c501{i}00"):
        it.against(
            lambda apdu, no=refusal: bytes.fromhex(no.replace("{i}", f"{apdu[2]:02x}")) if apdu[1] == 3 else serve(apdu)
        )
        assert it.run(dlms.get_list(it.ex, [item(LDN), item(REGISTER)])) == [SHORT, DataAccessResult.OBJECT_UNDEFINED]
    assert it.findings == ["get-with-list-refused"] * 6


def test_after_a_refusal_the_other_lists_are_not_tried(rig: MakeRig) -> None:
    it = rig(64)
    it.device.values[1, LDN, 2] = SHORT
    serve = it.server.handle
    it.against(lambda apdu: b"\xd8\x01\x02" if apdu[1] == 3 else serve(apdu))
    assert it.run(dlms.get_list(it.ex, [item(LDN)] * 20)) == [SHORT] * 20
    assert sum(apdu[1] == 3 for apdu in it.ex.sent) == 1


@SIZES
@pytest.mark.parametrize("size", [0, 30, 40, 41, 42, 43, 44, 60, 107, 108, 109, 110, 5000])
def test_set_of_any_length(rig: MakeRig, max_pdu: int, size: int) -> None:
    it = rig(max_pdu)
    value = axdr.encode(axdr.octets(bytes(size)))
    it.run(dlms.set_(it.ex, 1, LDN, 2, value, Selection(9, SHORT)))
    assert it.device.values[1, LDN, 2] == value
    assert it.device.selections == [(9, SHORT)]


@SIZES
@pytest.mark.parametrize("conformance", [CLIENT_CONFORMANCE, CLIENT_CONFORMANCE & ~Conformance.MULTIPLE_REFERENCES])
def test_set_list(rig: MakeRig, max_pdu: int, conformance: Conformance) -> None:
    it = rig(max_pdu, conformance)
    items = [item(LDN), item(LDN, 1), item(REGISTER)]
    results = it.run(dlms.set_list(it.ex, items, [SHORT, SHORT, LONG]))
    assert results == [DataAccessResult.SUCCESS, DataAccessResult.READ_WRITE_DENIED, DataAccessResult.SUCCESS]
    assert it.device.values == {(1, LDN, 2): SHORT, (1, REGISTER, 2): LONG}


@pytest.mark.parametrize("max_pdu", [19, 48, 64, 129, 140, 260, 300])
def test_a_list_too_long_for_its_first_block_is_written_one_by_one(rig: MakeRig, max_pdu: int) -> None:
    """The descriptors of a list, 10 octets each, all stand in one APDU."""
    it = rig(max_pdu)
    codes = [bytes((1, 0, number, 8, 0, 255)) for number in range(30)]
    results = it.run(dlms.set_list(it.ex, [item(code) for code in codes], [LONG] * 30))
    assert results == [DataAccessResult.SUCCESS] * 30
    assert all(it.device.values[1, code, 2] == LONG for code in codes)


@pytest.mark.parametrize("size", range(19, 300))
def test_blocks_fill_the_apdu(rig: MakeRig, size: int) -> None:
    it = rig(size)
    value = axdr.encode(axdr.octets(bytes(1000)))
    it.run(dlms.set_(it.ex, 1, LDN, 2, value))
    assert it.device.values[1, LDN, 2] == value
    assert size - 2 <= max(map(len, it.ex.sent)) <= size


@pytest.mark.parametrize("overhead", [0, 60])
def test_an_apdu_too_small_for_any_block(rig: MakeRig, overhead: int) -> None:
    it = rig(18)
    it.ex.overhead = overhead
    with pytest.raises(LocalProtocolError, match="no block fits into 18 octets"):
        it.run(dlms.set_(it.ex, 1, LDN, 2, LONG))


@SIZES
@pytest.mark.parametrize("value", [None, SHORT, LONG], ids=["none", "short", "long"])
def test_action_both_ways_of_any_length(rig: MakeRig, max_pdu: int, value: bytes | None) -> None:
    it = rig(max_pdu)
    assert it.run(dlms.action(it.ex, 9, LDN, 1, value)) == value
    assert it.run(dlms.action(it.ex, 9, LDN, 2, value)) is None
    with pytest.raises(ActionError) as caught:
        it.run(dlms.action(it.ex, 9, LDN, 7, value))
    assert caught.value.result == 4
    assert "object-undefined (4)" in str(caught.value)


def test_too_long_without_block_transfer_is_not_sent(rig: MakeRig) -> None:
    blocks = Conformance.BLOCK_TRANSFER_SET | Conformance.BLOCK_TRANSFER_ACTION
    it = rig(64, CLIENT_CONFORMANCE & ~blocks)
    with pytest.raises(LocalProtocolError):
        it.run(dlms.set_(it.ex, 1, LDN, 2, LONG))
    with pytest.raises(LocalProtocolError):
        it.run(dlms.action(it.ex, 1, LDN, 1, LONG))
    with pytest.raises(LocalProtocolError):
        it.run(dlms.set_list(it.ex, [item(LDN)], []))
    assert it.ex.sent == []
    it.ex.max_pdu_server = 12
    it.ex.conformance = CLIENT_CONFORMANCE
    with pytest.raises(LocalProtocolError):
        it.run(dlms.set_(it.ex, 1, LDN, 2, LONG))


def test_protection_leaves_less_room(rig: MakeRig) -> None:
    it = rig(100)
    it.ex.overhead = 30
    it.run(dlms.set_(it.ex, 1, LDN, 2, LONG))
    assert max(map(len, it.ex.sent)) == 70


# --- refusals leave the association usable ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "error", "text"),
    [
        ("c401{i}0104", DataAccessError, "object-undefined (4)"),
        ("c401{i}014d", DataAccessError, "unassigned-77"),
        ("c402{i}0100000001010f", DataAccessError, "long-get-aborted (15)"),
        ("d80102", ExceptionResponse, "service-not-supported"),
        ("d8010600000100", ExceptionResponse, "invocation counter 256"),
        ("0e010602", ConfirmedServiceError, "incompatible-conformance"),
        ("c501{i}00", DecodeError, "SetResponse"),
        ("c701{i}0000", DecodeError, "ActionResponse"),
        ("c403{i}0100 00", DecodeError, "GetResponseList"),
        ("c401{i}00", DecodeError, ""),
        ("c401{i}000600", DecodeError, ""),
        ("c401{i}00060000000100", DecodeError, ""),
        ("c401{i}02", DecodeError, ""),
        ("c4", DecodeError, ""),
        ("", DecodeError, ""),
        ("0f0000000100020211011102", DecodeError, "DataNotification"),
        ("d8", DecodeError, ""),
    ],
)
def test_bad_answer_to_get_is_typed_and_the_association_lives_on(
    rig: MakeRig, answer: str, error: type[MeterError], text: str
) -> None:
    it = rig()
    it.device.values[1, LDN, 2] = SHORT
    serve = it.server.handle
    it.against(lambda apdu: bytes.fromhex(answer.replace("{i}", f"{apdu[2]:02x}")))
    with pytest.raises(error) as caught:
        it.run(dlms.get(it.ex, 1, LDN, 2))
    assert text in str(caught.value)
    assert caught.value.layer == "apdu"
    it.against(serve)
    assert it.run(dlms.get(it.ex, 1, LDN, 2)) == SHORT


def test_a_refusal_says_what_to_try(rig: MakeRig) -> None:
    it = rig()
    with pytest.raises(DataAccessError) as caught:
        it.run(dlms.get(it.ex, 3, REGISTER, 2))
    assert caught.value.result == 4
    assert caught.value.message == "class 3 1.0.1.8.0.255 attribute 2: object-undefined (4)"
    assert "object list" in caught.value.hint
    with pytest.raises(ExceptionResponse) as refused:
        it.run(dlms.get(it.scripted(bytes.fromhex("d8010600000100")).ex, 1, LDN, 2))
    assert (refused.value.state_error, refused.value.service_error, refused.value.invocation_counter) == (1, 6, 256)
    with pytest.raises(ConfirmedServiceError) as confirmed:
        it.run(dlms.get(it.scripted(bytes.fromhex("0e050501")).ex, 1, LDN, 2))
    assert (confirmed.value.service, confirmed.value.error, confirmed.value.value) == (5, 5, 1)


def test_return_value_replaced_by_an_error(rig: MakeRig) -> None:
    it = rig().against(lambda apdu: b"\xc7\x01" + apdu[2:3] + bytes.fromhex("000101fa"))
    with pytest.raises(DataAccessError) as caught:
        it.run(dlms.action(it.ex, 15, LDN, 1, SHORT))
    assert caught.value.result == 250
    it.against(lambda apdu: b"\xc7\x01" + apdu[2:3] + bytes.fromhex("00010100"))
    assert it.run(dlms.action(it.ex, 15, LDN, 1, SHORT)) is None


@pytest.mark.parametrize(
    "outcome",
    [Outcome(ActionResult.SUCCESS, LONG), Outcome(ActionResult.OBJECT_UNAVAILABLE, None)],
    ids=["ok", "fault"],
)
def test_action_answer_in_blocks_that_hold_the_result_too(rig: MakeRig, outcome: Outcome) -> None:
    contents = outcome.encode()
    pieces = [contents[at : at + 1000] for at in range(0, len(contents), 1000)]

    def serve(apdu: bytes) -> bytes:
        number = int.from_bytes(apdu[3:7], "big") if apdu[1] == 2 else 0
        last = number + 1 == len(pieces)
        return xdlms.ActionResponseBlock(Invoke.decode(apdu[2]), last, number + 1, pieces[number]).encode()

    it = rig().against(serve)
    if outcome.result:
        with pytest.raises(ActionError):
            it.run(dlms.action(it.ex, 9, LDN, 1))
    else:
        assert it.run(dlms.action(it.ex, 9, LDN, 1)) == LONG


# --- hostile servers -------------------------------------------------------------------------------------------------


def blocks(*numbers: int, raw: bytes = b"\x09", last: int = 0) -> Callable[[bytes], bytes]:
    """A server that sends these block numbers, whatever it is asked; the last number again and again, counted on."""
    sent = 0

    def serve(apdu: bytes) -> bytes:
        nonlocal sent
        sent += 1
        number = numbers[sent - 1] if sent <= len(numbers) else numbers[-1] + sent - len(numbers)
        kind = xdlms.ActionResponseBlock if apdu[0] == 0xC3 else xdlms.GetResponseBlock
        return kind(Invoke.decode(apdu[2]), number == last, number, raw).encode()

    return serve


READS = pytest.mark.parametrize(
    "read",
    [lambda ex: dlms.get(ex, 1, LDN, 2), lambda ex: dlms.action(ex, 1, LDN, 2)],
    ids=["get", "action"],
)


@READS
def test_empty_blocks_without_end(rig: MakeRig, read: Callable[[Any], Any]) -> None:
    it = rig().against(blocks(1, raw=b""))
    with pytest.raises(LimitExceeded):
        it.run(read(it.ex))
    assert len(it.ex.sent) == 1


@READS
@pytest.mark.parametrize("numbers", [(0,), (2,), (1, 1), (1, 3), (1, 2, 2), (1, 2, 4), (1, 2, 1), (0xFFFFFFFF,)])
def test_block_numbers_out_of_step(rig: MakeRig, read: Callable[[Any], Any], numbers: tuple[int, ...]) -> None:
    it = rig().against(blocks(*numbers))
    with pytest.raises(DecodeError) as caught:
        it.run(read(it.ex))
    assert f"block {numbers[-1]}" in caught.value.message
    assert len(it.ex.sent) == len(numbers)


def test_blocks_without_end_stop_at_the_limit(rig: MakeRig) -> None:
    it = rig().against(blocks(1, raw=bytes(1000)))
    with pytest.raises(LimitExceeded) as caught:
        it.run(dlms.get(it.ex, 1, LDN, 2, limit=10_000))
    assert len(it.ex.sent) == 11
    assert "10000" in caught.value.message


def test_an_empty_last_block_is_allowed(rig: MakeRig) -> None:
    def serve(apdu: bytes) -> bytes:
        first = apdu[1] == 1
        return xdlms.GetResponseBlock(
            Invoke.decode(apdu[2]), not first, 1 if first else 2, SHORT if first else b""
        ).encode()

    it = rig().against(serve)
    assert it.run(dlms.get(it.ex, 1, LDN, 2)) == SHORT


def test_blocks_that_join_to_no_value(rig: MakeRig) -> None:
    for raw in (b"\x09\x05\x01", b"\x11\x01\x00", b"\x63"):
        with pytest.raises(DecodeError):
            it = rig().against(blocks(1, raw=raw, last=1))
            it.run(dlms.get(it.ex, 1, LDN, 2))


@pytest.mark.parametrize("answer", ["c401{i}000600000064", "c403{i}00", "c502{i}00000001", "c702{i}0000000002 0109"])
def test_another_answer_amid_blocks(rig: MakeRig, answer: str) -> None:
    first = blocks(1)
    it = rig().against(
        lambda apdu: first(apdu) if apdu[1] == 1 else bytes.fromhex(answer.replace("{i}", f"{apdu[2]:02x}"))
    )
    with pytest.raises(DecodeError):
        it.run(dlms.get(it.ex, 1, LDN, 2))


def test_abort_amid_blocks(rig: MakeRig) -> None:
    first = blocks(1)
    it = rig().against(lambda apdu: first(apdu) if apdu[1] == 1 else b"\xc4\x01" + apdu[2:3] + b"\x01\x0f")
    with pytest.raises(DataAccessError) as caught:
        it.run(dlms.get(it.ex, 1, LDN, 2))
    assert caught.value.result == DataAccessResult.LONG_GET_ABORTED


def test_late_answers_are_dropped_and_the_right_one_awaited(rig: MakeRig) -> None:
    it = rig()
    late = xdlms.GetResponse(Invoke(9), axdr.encode(axdr.u8(9))).encode()
    right = xdlms.GetResponse(Invoke(1, confirmed=False, high_priority=False), SHORT).encode()
    it.scripted(late).ex.queued = [late, late, right]
    assert it.run(dlms.get(it.ex, 1, LDN, 2)) == SHORT
    assert it.findings == ["late-answer"] * 3


def test_late_answers_without_end(rig: MakeRig) -> None:
    it = rig()
    late = xdlms.GetResponse(Invoke(9), SHORT).encode()
    it.scripted(late).ex.queued = [late] * 1000
    with pytest.raises(LimitExceeded):
        it.run(dlms.get(it.ex, 1, LDN, 2))
    it.ex.queued = []
    with pytest.raises(NoAnswer):
        it.run(dlms.get(it.ex, 1, LDN, 2))


@pytest.mark.parametrize(
    "answer",
    ["c502{i}00000007", "c502{i}00000000", "c503{i}0000000001", "c501{i}00", "c504{i}010000000001", "c704{i}00000001"],
)
def test_set_acknowledged_wrongly(rig: MakeRig, answer: str) -> None:
    it = rig(64).against(lambda apdu: bytes.fromhex(answer.replace("{i}", f"{apdu[2]:02x}")))
    with pytest.raises(DecodeError):
        it.run(dlms.set_(it.ex, 1, LDN, 2, LONG))
    assert len(it.ex.sent) == 1


@pytest.mark.parametrize("answer", ["c501{i}11", "c503{i}1100000001"])
def test_set_refused_at_its_first_block(rig: MakeRig, answer: str) -> None:
    it = rig(64).against(lambda apdu: bytes.fromhex(answer.replace("{i}", f"{apdu[2]:02x}")))
    with pytest.raises(DataAccessError) as caught:
        it.run(dlms.set_(it.ex, 1, LDN, 2, LONG))
    assert caught.value.result == DataAccessResult.LONG_SET_ABORTED
    assert len(it.ex.sent) == 1


@pytest.mark.parametrize("answer", ["c704{i}00000002", "c701{i}0000", "c502{i}00000001", "c703{i}010000"])
def test_action_acknowledged_wrongly(rig: MakeRig, answer: str) -> None:
    it = rig(64).against(lambda apdu: bytes.fromhex(answer.replace("{i}", f"{apdu[2]:02x}")))
    with pytest.raises(DecodeError):
        it.run(dlms.action(it.ex, 1, LDN, 1, LONG))
    assert len(it.ex.sent) == 1


@pytest.mark.parametrize("answer", ["c403{i}0100 00", "c403{i}0300000000 00 00", "c503{i}0000000001"])
def test_list_answered_wrongly(rig: MakeRig, answer: str) -> None:
    it = rig().against(lambda apdu: bytes.fromhex(answer.replace("{i}", f"{apdu[2]:02x}")))
    with pytest.raises(DecodeError):
        it.run(dlms.get_list(it.ex, [item(LDN), item(REGISTER)]))


def test_list_in_blocks_of_rubbish(rig: MakeRig) -> None:
    it = rig().against(blocks(1, raw=bytes.fromhex("84ffffffff00"), last=1))
    with pytest.raises(DecodeError):
        it.run(dlms.get_list(it.ex, [item(LDN), item(REGISTER)]))
    it.against(lambda apdu: b"\xc5\x05" + apdu[2:3] + b"\x03\x00\x00\x00")
    with pytest.raises(DecodeError):
        it.run(dlms.set_list(it.ex, [item(LDN), item(REGISTER)], [SHORT, SHORT]))
    it.against(lambda apdu: b"\xc5\x01" + apdu[2:3] + b"\x03")
    with pytest.raises(DataAccessError):
        it.run(dlms.set_list(it.ex, [item(LDN), item(REGISTER)], [SHORT, SHORT]))
    it.against(lambda apdu: b"\xc5\x01" + apdu[2:3] + b"\x00")
    with pytest.raises(DecodeError):
        it.run(dlms.set_list(it.ex, [item(LDN), item(REGISTER)], [SHORT, SHORT]))
