"""The application server: what it answers to requests that are wrong, too early, too late, or not negotiated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from metersdk.apdu import axdr, xdlms
from metersdk.apdu.initiate import CLIENT_CONFORMANCE, Conformance
from metersdk.dialog import serving
from metersdk.dialog.serving import ApplicationServer, Device
from metersdk.errors import MeterError

MakeRig = Callable[..., Any]

LDN = bytes.fromhex("00002a0000ff")
TARGET = "000100002a0000ff02"
SHORT = axdr.encode(axdr.u32(100))
LONG = axdr.encode(axdr.octets(bytes(200)))


def served(rig: MakeRig, max_pdu: int = 0, conformance: Conformance = CLIENT_CONFORMANCE) -> Any:
    it = rig(max_pdu, conformance)
    it.device.values[1, LDN, 2] = LONG
    it.device.values[9, LDN, 2] = LONG
    return it


def ask(it: Any, request: str) -> str | None:
    answer = it.server.handle(bytes.fromhex(request))
    return None if answer is None else answer.hex()


def test_a_table_is_a_device(rig: MakeRig) -> None:
    device: Device = rig().device
    assert device.system_title and device.identification and device.readout()


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        (f"c001c1{TARGET}00", "c401c100" + LONG.hex()),
        (f"c00181{TARGET}00", "c4018100" + LONG.hex()),  # unconfirmed GET: a real client sends it and waits
        ("c001c1000100002a0000ff0500", "c401c10104"),
        ("c002c100000001", "c402c101000000010110"),
        ("c103c1010000000200", "c503c11200000002"),
        ("c306c1010000000200", "c701c11000"),
        ("c302c100000001", "c701c11000"),
        (f"c101c1{TARGET}001105", "c501c100"),
        ("c101c1000100002a0000ff01001105", "c501c103"),
        (f"c301c1{TARGET}00", "c701c10000"),
        ("c301c1000100002a0000ff01011105", "c701c10001001105"),
        ("c301c1000100002a0000ff0900", "c701c10400"),
        ("c303c102000100002a0000ff01000100002a0000ff02021105 00", "c703c102000100110500 00"),
        (f"c001c1{TARGET}", "d80103"),
        (f"c101c1{TARGET}00", "d80103"),
        ("c009c1", "d80103"),
        ("c401c10000", "d80102"),
        ("0501020028", "d80102"),
        ("d94000000100010100030100010800ff020100", "d80102"),
        ("e0410001000004c001c100", "d80102"),
        ("c8", "d80102"),
        ("63", "d80102"),
        ("", "d80102"),
    ],
)
def test_answers(rig: MakeRig, request_: str, answer: str) -> None:
    assert ask(served(rig), request_) == answer.replace(" ", "")


@pytest.mark.parametrize("request_", [f"c10181{TARGET}001105", f"c30181{TARGET}00"])
def test_unconfirmed_services_are_done_in_silence(rig: MakeRig, request_: str) -> None:
    assert ask(served(rig), request_) is None


@pytest.mark.parametrize(
    ("missing", "request_", "answer"),
    [
        (Conformance.GET, f"c001c1{TARGET}00", "d80102"),
        (Conformance.SET, f"c101c1{TARGET}001105", "d80102"),
        (Conformance.ACTION, f"c301c1{TARGET}00", "d80102"),
        (Conformance.MULTIPLE_REFERENCES, f"c003c101{TARGET}00", "d80102"),
        (Conformance.BLOCK_TRANSFER_SET, f"c102c1{TARGET}0001000000010105", "d80102"),
        (Conformance.BLOCK_TRANSFER_ACTION, f"c304c1{TARGET}01000000010100", "d80102"),
        (Conformance.BLOCK_TRANSFER_GET, f"c001c1{TARGET}00", "c401c101fa"),
        (Conformance.BLOCK_TRANSFER_ACTION, "c301c1000900002a0000ff0300", "c701c1000101fa"),
        (Conformance.SELECTIVE_ACCESS, f"c001c1{TARGET}010200", "c401c1010d"),
        (Conformance.SELECTIVE_ACCESS, f"c101c1{TARGET}0102001105", "c501c10d"),
    ],
)
def test_what_was_not_negotiated(rig: MakeRig, missing: Conformance, request_: str, answer: str) -> None:
    assert ask(served(rig, 64, CLIENT_CONFORMANCE & ~missing), request_) == answer


def test_long_answer_in_blocks_and_its_end(rig: MakeRig) -> None:
    it = served(rig, 64)
    first = ask(it, f"c001c1{TARGET}00")
    assert first is not None and first.startswith("c402c1000000000100" + "36") and len(first) == 2 * 64
    assert (ask(it, "c002c100000001") or "").startswith("c402c10000000002")
    assert (ask(it, "c002c100000002") or "").startswith("c402c10000000003")
    assert (ask(it, "c002c100000003") or "").startswith("c402c10100000004")
    assert ask(it, "c002c100000004") == "c402c101000000040110"


@pytest.mark.parametrize("number", [0, 2, 0xFFFFFFFF])
def test_wrong_block_number_ends_the_long_answer(rig: MakeRig, number: int) -> None:
    it = served(rig, 64)
    ask(it, f"c001c1{TARGET}00")
    assert ask(it, f"c002c1{number:08x}") == f"c402c101{number:08x}0113"
    assert ask(it, "c002c100000001") == "c402c101000000010110"
    ask(it, "c301c1000900002a0000ff0300")
    assert ask(it, f"c302c1{number:08x}") == "c701c10f00"
    assert ask(it, "c302c100000001") == "c701c11000"


def test_a_new_request_ends_the_old_one(rig: MakeRig) -> None:
    it = served(rig, 64)
    ask(it, f"c001c1{TARGET}00")
    ask(it, "c001c1000100002a0000ff0500")
    assert ask(it, "c002c100000001") == "c402c101000000010110"


def test_next_of_another_service_gets_nothing(rig: MakeRig) -> None:
    it = served(rig, 64)
    ask(it, f"c001c1{TARGET}00")
    assert ask(it, "c302c100000001") == "c701c11000"
    ask(it, "c301c1000900002a0000ff0300")
    assert ask(it, "c002c100000001") == "c402c101000000010110"
    ask(it, f"c102c1{TARGET}0000000000010109")
    assert ask(it, "c306c1010000000200") == "c701c11000"


def test_long_set(rig: MakeRig) -> None:
    it = served(rig)
    assert ask(it, f"c102c1{TARGET}0000000000010209 03".replace(" ", "")) == "c502c100000001"
    assert ask(it, "c103c10100000002 03 010203".replace(" ", "")) == "c503c10000000002"
    assert it.device.values[1, LDN, 2] == bytes.fromhex("0903010203")


@pytest.mark.parametrize(
    ("second", "answer"),
    [
        ("c103c1010000000303010203", "c503c11300000003"),  # a block left out
        ("c103c1000000000200", "c503c11100000002"),  # an empty one in the middle
        ("c103c10100000002020102", "c503c10c00000002"),  # too little
        ("c103c1010000000204 01020304", "c503c10c00000002"),  # too much
    ],
)
def test_long_set_gone_wrong(rig: MakeRig, second: str, answer: str) -> None:
    it = served(rig)
    ask(it, f"c102c1{TARGET}000000000001020903")
    assert ask(it, second) == answer
    assert it.device.values[1, LDN, 2] == LONG
    assert ask(it, "c103c1010000000303010203") == "c503c11200000003"


def test_long_set_list(rig: MakeRig) -> None:
    it = served(rig)
    head = f"c105c102{TARGET}00000100002a0000ff0100"
    assert ask(it, head + "0000000001020211") == "c502c100000001"
    assert ask(it, "c103c1010000000203051106") == "c504c102000300000002"
    assert it.device.values[1, LDN, 2] == bytes.fromhex("1105")
    for last, result in (("c103c101000000020105", "0c0c"), ("c103c101000000030105", "1313")):
        ask(it, head + "0000000001020211")
        assert ask(it, last) == f"c504c102{result}000000" + last[14:16]


def test_long_action(rig: MakeRig) -> None:
    it = served(rig)
    head = "c304c1000900002a0000ff01"
    assert ask(it, head + "00000000010111") == "c704c100000001"
    assert ask(it, "c306c101000000020105") == "c701c10001001105"
    for last, answer in (("c306c101000000030105", "c701c10f00"), ("c306c10100000002020506", "c701c10c00")):
        ask(it, head + "00000000010111")
        assert ask(it, last) == answer
    head = "c305c101000900002a0000ff01"
    for last, answer in (("c306c1010000000203011105", "c703c10100 01001105"), ("c306c10100000002020111", "c701c10c00")):
        ask(it, head + "000000000100")
        assert ask(it, last) == answer.replace(" ", "")


def test_long_request_is_bounded(rig: MakeRig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "MAX_LONG_REQUEST", 1000)
    it = served(rig)
    ask(it, f"c102c1{TARGET}000000000001020903")
    answers = [ask(it, f"c103c100{number:08x}64" + "00" * 100) for number in range(2, 13)]
    assert answers[-2:] == ["c503c1110000000b", "c503c1120000000c"]


def test_any_error_of_the_device_becomes_a_result(rig: MakeRig) -> None:
    class Broken:
        def __getattr__(self, name: str) -> Any:
            def fail(*arguments: object) -> Any:
                raise MeterError("out of paper")

            return fail

    broken: Any = Broken()
    server = ApplicationServer(broken, 1)
    for request, answer in (
        (f"c001c1{TARGET}00", "c401c101fa"),
        (f"c101c1{TARGET}001105", "c501c1fa"),
        (f"c301c1{TARGET}00", "c701c1fa00"),
    ):
        assert server.handle(bytes.fromhex(request)) == bytes.fromhex(answer)
    it = rig()
    assert ask(it, f"c102c1{TARGET}000100000001020201") == "c503c10c00000001"


def test_room_left_for_protection(rig: MakeRig) -> None:
    it = served(rig)
    for limit, overhead in ((64, 0), (64, 30), (12, 0), (5, 4)):
        server = ApplicationServer(it.device, 1, limit, CLIENT_CONFORMANCE, overhead=overhead)
        answer = xdlms.decode(server.handle(bytes.fromhex(f"c001c1{TARGET}00")) or b"")
        assert isinstance(answer, xdlms.GetResponseBlock) and answer.raw
        assert len(answer.encode()) <= max(limit - overhead, 11)


def test_every_vector_gets_an_answer_or_silence(rig: MakeRig, vectors: Callable[[str], list[Any]]) -> None:
    it = served(rig, 64)
    for topic in ("xDLMS", "SN", "GBT", "security", "ACSE"):
        for vector in vectors(topic):
            for raw in (vector.raw, vector.raw[:-1], vector.raw + b"\x00"):
                answer = it.server.handle(raw)
                assert answer is None or len(answer) <= 64
                assert answer is None or xdlms.decode(answer)
