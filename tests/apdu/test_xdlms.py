"""Every xDLMS vector is read and written, cut at every octet, and lengthened."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metersdk.apdu import xdlms, xdlms_sn
from metersdk.apdu.results import ActionResult, DataAccessResult, describe_confirmed, describe_exception
from metersdk.apdu.xdlms import AttributeDescriptor, Invoke, LongInvoke, MethodDescriptor, Outcome, Selection
from metersdk.errors import DecodeError

Vectors = Callable[[str], list[Any]]

REGISTER = AttributeDescriptor(3, bytes.fromhex("0100010800ff"), 2)
CLOCK = AttributeDescriptor(8, bytes.fromhex("0000010000ff"), 2)
SCRIPT = MethodDescriptor(9, bytes.fromhex("00000a0064ff"), 1)
# Heads of blocks without their contents, and one vector that holds two blocks.
BARE = ("gbt_push_first", "gbt_push_second", "gbt_push_last", "gbt_live_S_4300030003")
HLS = ("sha256_action", "sha256_actresp", "ecdsa_action", "ecdsa_actresp")
GENERAL_CIPHERING = tuple(
    f"general_ciphering_{name}" for name in ("C2", "S3", "C4", "S5", "C6", "S7", "C8", "S9", "C10", "S11")
)
each = pytest.mark.vectors("xDLMS", "SN", "GBT", *HLS, *GENERAL_CIPHERING, without=BARE)


@each
def test_vector_is_read_and_written_again(vector: Any) -> None:
    apdu = xdlms.decode(vector.raw)
    assert apdu.encode() == vector.raw
    assert xdlms.decode(apdu.encode()) == apdu


@each
def test_vector_cut_at_any_octet_is_an_error_with_a_place(vector: Any) -> None:
    for end in range(len(vector.raw)):
        if vector.name == "exc_ic" and end == 3:
            continue  # an invocation-counter-error without its counter is a whole APDU
        with pytest.raises(DecodeError) as caught:
            xdlms.decode(vector.raw[:end])
        assert caught.value.layer == "apdu"
        assert 0 <= caught.value.offset <= end


@each
def test_vector_with_an_octet_more_is_an_error(vector: Any) -> None:
    with pytest.raises(DecodeError) as caught:
        xdlms.decode(vector.raw + b"\x00")
    assert caught.value.offset >= 0


@each
def test_any_flipped_octet_is_read_or_a_decode_error(vector: Any) -> None:
    for at in range(min(len(vector.raw), 80)):
        for bits in (0x01, 0x80, 0xFF):
            bent = bytearray(vector.raw)
            bent[at] ^= bits
            try:
                xdlms.decode(bytes(bent)).encode()
            except DecodeError:
                pass


@given(
    st.sampled_from([0x05, 0x06, 0x0C, 0x0D, 0x0E, 0x0F, 0x16, 0x18, 0xC0, 0xC1, 0xC2, 0xC3, 0xC4, 0xC5, 0xC7])
    | st.sampled_from([0xD8, 0xD9, 0xDA, 0xDD, 0xE0])
    | st.integers(0, 255),
    st.lists(st.sampled_from([0, 1, 2, 3, 4, 5, 6, 7, 9, 0x0C, 0x10, 0x11, 0x7F, 0x80, 0x82, 0x84, 0xFF]), max_size=40),
)
def test_any_octets_are_an_apdu_or_a_decode_error(tag: int, rest: list[int]) -> None:
    raw = bytes((tag, *rest))
    try:
        apdu = xdlms.decode(raw)
    except DecodeError as error:
        assert error.layer == "apdu" and 0 <= error.offset <= len(raw)
    else:
        assert xdlms.decode(apdu.encode()) == apdu


def test_vectors_cover_every_apdu(vectors: Vectors) -> None:
    found = [one for topic in ("xDLMS", "SN", "GBT") for one in vectors(topic) if one.name not in BARE]
    seen = {type(xdlms.decode(vector.raw)).__name__ for vector in (*found, *vectors("general_ciphering_C2"))}
    parts = {"AccessKind", "AccessSpecification", "ActionResult", "Apdu", "AttributeDescriptor", "DataAccessResult"}
    parts |= {"Invoke", "Item", "LongInvoke", "MethodDescriptor", "Outcome", "Selection", "Service", "decode"}
    assert seen == set(xdlms.__all__) - parts


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("get_normal", xdlms.GetRequest(Invoke(), REGISTER)),
        ("get_next", xdlms.GetRequestNext(Invoke(), 1)),
        ("get_list", xdlms.GetRequestList(Invoke(), ((REGISTER, None), (CLOCK, None)))),
        ("getr_data", xdlms.GetResponse(Invoke(), bytes.fromhex("0600000064"))),
        ("getr_err", xdlms.GetResponse(Invoke(), None, DataAccessResult.OBJECT_UNDEFINED)),
        ("getr_block", xdlms.GetResponseBlock(Invoke(), False, 1, bytes.fromhex("01020600"))),
        ("getr_block_err", xdlms.GetResponseBlock(Invoke(), True, 2, None, DataAccessResult.LONG_GET_ABORTED)),
        (
            "getr_list",
            xdlms.GetResponseList(Invoke(), (bytes.fromhex("0600000064"), DataAccessResult.READ_WRITE_DENIED)),
        ),
        ("set_normal", xdlms.SetRequest(Invoke(), CLOCK, bytes.fromhex("090c07e90715010c1e0000ff8880"))),
        ("set_block", xdlms.SetRequestBlock(Invoke(), True, 2, bytes.fromhex("0304"))),
        (
            "setr_last_list",
            xdlms.SetResponseLastBlockList(Invoke(), (DataAccessResult.SUCCESS, DataAccessResult.READ_WRITE_DENIED), 2),
        ),
        ("act_list", xdlms.ActionRequestList(Invoke(), (SCRIPT,), (bytes.fromhex("120001"),))),
        ("act_list_first", xdlms.ActionRequestListFirstBlock(Invoke(), (SCRIPT,), False, 1, b"\x01\x12")),
        ("actr", xdlms.ActionResponse(Invoke(), Outcome(ActionResult.SUCCESS))),
        (
            "actr_dar",
            xdlms.ActionResponse(Invoke(), Outcome(ActionResult.SUCCESS, DataAccessResult.OTHER_REASON)),
        ),
        ("gbt_first", xdlms.GeneralBlockTransfer(False, True, 1, 1, 0, bytes.fromhex("c001c100"))),
        ("exc_ic", xdlms.ExceptionResponse(1, 6, 256)),
        ("dn", xdlms.DataNotification(LongInvoke(1), b"", bytes.fromhex("020211011102"))),
        ("en", xdlms.EventNotification(None, REGISTER, bytes.fromhex("0600000064"))),
        ("sn_readr", xdlms.ReadResponse((b"\x11\x01", DataAccessResult.READ_WRITE_DENIED))),
        ("sn_uwrite", xdlms.WriteRequest((xdlms_sn.VariableName(0x28),), (b"\x11\x01",), confirmed=False)),
    ],
)
def test_vector_means(vectors: Vectors, name: str, expected: xdlms.Apdu) -> None:
    assert xdlms.decode(vectors(name)[0].raw) == expected


def test_two_blocks_in_one_segment_are_two_apdus(vectors: Vectors) -> None:
    """The vector is one TCP segment: the second block stands behind the head of its own WPDU."""
    raw = vectors("gbt_live_S_4300030003")[0].raw
    with pytest.raises(DecodeError) as caught:
        xdlms.decode(raw)
    end = caught.value.offset
    first, second = xdlms.decode(raw[:end]), xdlms.decode(raw[end + 8 :])
    assert isinstance(first, xdlms.GeneralBlockTransfer) and isinstance(second, xdlms.GeneralBlockTransfer)
    assert (first.block, first.last, second.block, second.last) == (3, False, 4, True)


def test_selection_keeps_its_parameters_encoded(vectors: Vectors) -> None:
    request = xdlms.decode(vectors("get_entry")[0].raw)
    assert isinstance(request, xdlms.GetRequest)
    assert request.selection == Selection(2, bytes.fromhex("02040600000001060000000a120001120000"))


@pytest.mark.parametrize("octet", range(256))
def test_invoke_octet_survives(octet: int) -> None:
    assert Invoke.decode(octet).encode() == bytes((octet,))


def test_invoke_bits() -> None:
    assert Invoke().encode() == b"\xc1"
    assert Invoke.decode(0x81) == Invoke(1, confirmed=False, high_priority=True)


@pytest.mark.parametrize("value", [0, 1, 0x40000000, 0xC0000001, 0xFFFFFFFF, 0x30ABCDEF])
def test_long_invoke_survives(value: int) -> None:
    assert LongInvoke.decode(value).encode() == value.to_bytes(4, "big")


def test_negative_attribute_is_an_integer8() -> None:
    request = xdlms.GetRequest(Invoke(), AttributeDescriptor(1, bytes(6), -1))
    assert request.encode()[11] == 0xFF
    assert xdlms.decode(request.encode()) == request


def test_unassigned_results_keep_their_number() -> None:
    answer = xdlms.decode(bytes.fromhex("c401c1014d"))
    assert isinstance(answer, xdlms.GetResponse)
    assert answer.result == 0x4D
    assert answer.result.describe == "unassigned-77 (77)"
    assert answer.encode().hex() == "c401c1014d"
    with pytest.raises(ValueError):
        DataAccessResult(256)


def test_results_have_names_and_hints() -> None:
    assert DataAccessResult.OBJECT_UNDEFINED.describe == "object-undefined (4)"
    assert "object list" in DataAccessResult.OBJECT_UNDEFINED.hint
    assert ActionResult.LONG_ACTION_ABORTED.hint == ""
    assert describe_exception(1, 6, 256) == "service-not-allowed, invocation-counter-error, invocation counter 256"
    assert describe_exception(9, 9) == "state 9, service 9"
    assert describe_confirmed(1, 6, 1) == "initiate: initiate, dlms-version-too-low"


@pytest.mark.parametrize("mark", ["09", "01"])
def test_notification_with_a_type_tag_before_its_date_time(mark: str) -> None:
    raw = bytes.fromhex(f"0f40000000{mark}0c07e3020401173416ff80000002 0106000016dc".replace(" ", ""))
    apdu = xdlms.decode(raw)
    assert isinstance(apdu, xdlms.DataNotification)
    assert apdu.date_time == bytes.fromhex("07e3020401173416ff800000")
    assert apdu.data == bytes.fromhex("020106000016dc")
    assert apdu.finding is not None and apdu.finding.code == "notification-date-time-tag"
    assert apdu.encode() == raw
    assert xdlms.DataNotification(LongInvoke(1), b"", b"\x00").finding is None


@pytest.mark.parametrize(
    ("raw", "offset"),
    [
        ("c003c184ffffffff", 3),  # four billion attributes
        ("c403c17f00", 3),
        ("c1 04 c1 01 00030100010800ff0200 02 1101 1102", 14),  # one attribute, two values
        ("c3 03 c1 01 00090000 0a0064ff01 00", 13),
        ("c402c1 02 00000001 03 00", 8),  # choice 3
        ("c404c1", 1),
        ("c009c1", 1),
        ("0f00000001 05 0102030405 00", 5),  # date-time of five octets
        ("d940000001 00 01 06 00030100010800ff02 01 00", 7),
        ("ff", 0),
        ("", 0),
        ("c401c100 0907 0102", 6),
    ],
)
def test_malformed_is_an_error_with_its_place(raw: str, offset: int) -> None:
    with pytest.raises(DecodeError) as caught:
        xdlms.decode(bytes.fromhex(raw))
    assert caught.value.offset == offset


@pytest.mark.parametrize("tag", [0x21, 0x28, 0xC8, 0xCC, 0xCF, 0xD0, 0xD7, 0xDB, 0xDC])
def test_ciphered_apdu_asks_for_keys(tag: int) -> None:
    with pytest.raises(DecodeError) as caught:
        xdlms.decode(bytes((tag, 0)))
    assert "keys" in caught.value.hint


def test_apdus_are_values() -> None:
    request = xdlms.GetRequest(Invoke(), REGISTER)
    assert hash(request) == hash(xdlms.GetRequest(Invoke(), REGISTER))
    assert [field.name for field in fields(request)] == ["invoke", "attribute", "selection"]
    with pytest.raises(AttributeError):
        request.attribute = CLOCK  # type: ignore[misc]
