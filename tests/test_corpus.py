"""Every capture of the corpus is decoded, or named in docs/captures.md with the reason why not.

The tests of each room hold details; this one sees to it that no capture is forgotten.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from c1222_rows import rows as monitored
from pcap import payloads

import metersdk
from metersdk.apdu import acse, axdr, psem, sml, xdlms
from metersdk.apdu.cipher import Keys, Secret, Security, SecurityContext, is_protected, split, unwrap_key
from metersdk.apdu.dataset import DataSetParser
from metersdk.apdu.initiate import decode_initiate_request, decode_initiate_response
from metersdk.dialog import iec62056_21_readout
from metersdk.errors import DecodeError, MeterError
from metersdk.frame.buffer import ReceiveBuffer
from metersdk.frame.c1218 import Packet
from metersdk.frame.c1222 import C1222_PORT, message_size
from metersdk.frame.hdlc import LLC_COMMAND, LLC_RESPONSE, Frame, FrameKind, is_incomplete, resync, take_frame
from metersdk.frame.iec62056_21 import Command, find_identification
from metersdk.frame.sml import frames as sml_frames
from metersdk.frame.telegram import telegrams
from metersdk.frame.wrapper import Wpdu, take_wpdu
from metersdk.model.telegram import from_sml
from metersdk.model.text import readings_of

DOC = Path(__file__).resolve().parent.parent / "docs" / "captures.md"
UNITS: dict[int, Callable[[bytes], Any]] = {
    0x01: decode_initiate_request,
    0x08: decode_initiate_response,
    0x60: acse.decode_aarq,
    0x61: acse.decode_aare,
    0x62: acse.decode_rlrq,
    0x63: acse.decode_rlre,
}
_FROM_CLIENT = frozenset((0x21, 0xC8, 0xC9, 0xCB))


class Decoder:
    """Decodes APDUs to the last value; with the keys of a capture also what is ciphered."""

    def __init__(self, keys: dict[str, str]) -> None:
        given = {name: bytes.fromhex(value) for name, value in keys.items()}
        self._blocks = b""
        self._contexts: dict[bool, SecurityContext] = {}
        if "EK" in given:
            own = Keys(given["EK"], given.get("AK", given["EK"]))
            for from_client, name in ((True, "client_ST"), (False, "server_ST")):
                title = given.get(name, given.get("ST"))
                self._contexts[from_client] = SecurityContext(own, Security.NONE, peer_title=title)

    def unit(self, raw: bytes) -> object:
        """Raises: MeterError: somewhere in it."""
        if raw[0] in UNITS:
            unit = UNITS[raw[0]](raw)
            inner = getattr(unit, "user_information", None)
            if inner and inner[0] != 0x0E:
                self.unit(inner)
            return unit
        if is_protected(raw):
            parts = split(raw)
            if not self._contexts:
                return parts
            return self.unit(self._contexts[raw[0] in _FROM_CLIENT].unprotect(raw).plain)
        apdu = xdlms.decode(raw)
        assert apdu.encode() == raw
        if isinstance(apdu, xdlms.GeneralBlockTransfer):
            self._blocks = (self._blocks if apdu.block > 1 else b"") + apdu.data
            if not apdu.last:
                return apdu
            whole, self._blocks = self._blocks, b""
            return self.unit(whole)
        data = getattr(apdu, "data", None)
        if isinstance(data, bytes) and data:
            axdr.decode_all(data)
        return apdu


def frames(octets: bytes) -> list[Frame]:
    buffer, found = ReceiveBuffer(), []
    buffer.feed(octets)
    while True:
        frame = take_frame(buffer)
        if frame is not None:
            found.append(frame)
        elif is_incomplete(buffer):
            resync(buffer)
        else:
            return found


def hdlc(capture: Any) -> None:
    """Each frame good, each APDU whole, each value read."""
    found = frames(capture.bytes)
    if not found:
        raise DecodeError("no good frame")
    assert len(found) == capture.meta["integrity"]["hdlc_ok"]
    decoder, rows = Decoder(capture.meta["keys"]), dict[bytes, bytes]()
    for frame in found:
        if frame.kind not in (FrameKind.I, FrameKind.UI) or not frame.information:
            continue
        way = frame.source + frame.destination
        rows[way] = rows.get(way, b"") + frame.information
        if not frame.segmented:
            payload = rows.pop(way)
            decoder.unit(payload.removeprefix(LLC_RESPONSE).removeprefix(LLC_COMMAND))
    if rows:
        raise DecodeError("the last segment is missing")


def wrapper(capture: Any) -> None:
    Decoder(capture.meta["keys"]).unit(Wpdu.decode(capture.bytes).apdu)


def session(capture: Any) -> None:
    """All WPDUs of both directions, in order; octets that are none end a direction, as the index says."""
    decoder, count = Decoder(capture.meta["keys"]), 0
    buffers: dict[str, ReceiveBuffer] = {}
    for way, octets in re.findall(r"^(\S+) ([0-9a-f]+)$", capture.bytes.decode("ascii"), re.M):
        buffer = buffers.setdefault(way, ReceiveBuffer())
        buffer.feed(bytes.fromhex(octets))
        while (wpdu := take_wpdu(buffer)) is not None:
            decoder.unit(wpdu.apdu)
            count += 1
    assert count == capture.meta["integrity"]["wpdus"]


def pcap(capture: Any) -> None:
    """The same sessions as packets of Ethernet."""
    decoder, count = Decoder(capture.meta["keys"]), 0
    for packet in payloads(capture.bytes):
        buffer = ReceiveBuffer()
        if packet.octets[:2] == b"\0\1":
            buffer.feed(packet.octets)
        while (wpdu := take_wpdu(buffer)) is not None:
            decoder.unit(wpdu.apdu)
            count += 1
    assert count > 250


def network(capture: Any) -> None:
    """C12.22: what another decoder logged of each message, service for service."""
    lines = re.findall(r"^([TR])X ([0-9a-f]+)$", capture.bytes.decode("ascii"), re.M)
    messages = [(bytes.fromhex(octets), way == "T") for way, octets in lines]
    assert monitored(messages) == set(capture.meta["expected"]["zeek_baseline"])


def network_pcap(capture: Any) -> None:
    """The same as packets: one message in each that carries anything."""
    packets = [(one.octets, one.destination == C1222_PORT) for one in payloads(capture.bytes)]
    assert [message_size(octets) for octets, _ in packets] == [len(octets) for octets, _ in packets]
    assert monitored(packets) == set(capture.meta["expected"]["zeek_baseline"])


def apdu(capture: Any) -> None:
    raw = capture.bytes.removeprefix(LLC_RESPONSE)
    unit = Decoder(capture.meta["keys"]).unit(raw)
    expected = (capture.meta["expected"] or {}).get("plain")
    if expected is not None and not isinstance(unit, acse.InitiateRequest):
        assert unit.encode() == bytes.fromhex(expected)  # type: ignore[attr-defined]


def value(capture: Any) -> None:
    if "initiate" in capture.name:
        apdu(capture)
        return
    raw = capture.bytes
    decoded, end = axdr.decode(raw)
    if end < len(raw) and capture.meta["valid"] is None:
        raise DecodeError("octets behind the value", layer="apdu", offset=end)
    assert axdr.encode(decoded) == raw[:end]
    if end == len(raw):
        return
    # The array counts one row too few. A tree of values ends there; read as a profile the row is found.
    row = axdr.decode(raw, end)[0].value
    assert isinstance(row, tuple) and isinstance(decoded.value, tuple)
    captures = [metersdk.CaptureObject(8, "0.0.1.0.0.255", 2)]
    captures += [metersdk.CaptureObject(3, f"1.0.{number}.8.0.255", 2) for number in range(1, len(row))]
    assert len(metersdk.Profile.from_axdr(raw, captures)) == len(decoded.value) + 1


def published(capture: Any) -> None:
    """Examples of the Green Book and of RFC 3394."""
    keys = {name: bytes.fromhex(text) for name, text in capture.meta["keys"].items()}
    if "KEK" in keys:
        assert unwrap_key(Secret(keys["KEK"]), capture.bytes) == bytes.fromhex(capture.meta["expected"]["unwrapped"])
    elif "challenge" in keys:
        context = SecurityContext(Keys(keys["EK"], keys["AK"]), Security.NONE, peer_title=keys["ST"])
        assert context.verify_gmac(capture.bytes, keys["challenge"])
    else:
        apdu(capture)


def identification(capture: Any) -> None:
    found = find_identification(capture.bytes)
    if found is None:
        raise DecodeError("no identification")


def readout(capture: Any) -> None:
    if not any(each.data_sets for each in iec62056_21_readout.decode(capture.bytes)):
        raise DecodeError("no data sets")


def telegram(capture: Any) -> None:
    """Mode D and P1: whole, its CRC right where it has one, and values in it."""
    found = list(telegrams(capture.bytes))
    if not found:
        raise DecodeError("no whole telegram")
    for one in found:
        if one.proved is False:
            raise DecodeError("the CRC is wrong")
        parser = DataSetParser()
        readings, findings = readings_of((*parser.feed(one.body), *parser.finish()))
        assert len(readings) >= 4 and not findings


def sml_file(capture: Any) -> None:
    """Both check sequences right, each message read, and the value that its source asserts."""
    for frame in sml_frames(capture.bytes):
        assert frame.ok and frame.check == "x25"
        file = sml.decode(frame.payload)
        assert len(file.messages) == 3 and not file.findings
        values = {reading.obis.idis: reading.value for reading in from_sml(file).readings}
        for code, number in capture.meta["expected"].items():
            # The source gives kWh.
            assert values[code] == Decimal(str(number)) * 1000


def programming(capture: Any) -> None:
    for line in capture.bytes.decode("ascii").splitlines():
        octets = bytes.fromhex(line.split()[1])
        if octets[0] == 1:
            Command.decode(octets)
        elif octets[0] == 2:
            assert iec62056_21_readout.decode(octets)[0].proved


def packet(capture: Any) -> None:
    table = metersdk.scan(capture.bytes, "c1218")
    assert table.good == capture.meta["integrity"]["packets"]
    data = Packet.decode(capture.bytes).data
    unit = psem.decode_request(data) if data[0] else psem.decode_answer(psem.Service.LOGON, data)
    assert not isinstance(unit, psem.OtherRequest) and Packet(unit.encode()).encode() == capture.bytes


DECODERS: dict[str, Callable[[Any], None]] = {
    "hdlc_link": hdlc,
    "hdlc_push": hdlc,
    "hdlc_push_ciphered": hdlc,
    "hdlc_session": hdlc,
    "wrapper": wrapper,
    "wrapper_session": session,
    "dlms_pcap": pcap,
    "acse": apdu,
    "xdlms_service": apdu,
    "apdu_push": apdu,
    "apdu_push_ciphered": apdu,
    "ciphered_apdu": apdu,
    "green_book": published,
    "get_exchange": value,
    "axdr_or_initiate": value,
    "iec21_ident": identification,
    "iec21_readout": readout,
    "iec21_session": programming,
    "p1_ascii": telegram,
    "sml_negative": sml_file,
    "c1218": packet,
    "c1222_payload": network,
    "c1222_pcap": network_pcap,
}


def rows(heading: str) -> set[str]:
    """The first column of the table under this heading of the page."""
    section = DOC.read_text("utf-8").partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return set(re.findall(r"^\| `([^`]+)`", section, re.M))


def everything(corpus: Any, groups: Any) -> Iterator[Any]:
    for group in groups:
        yield from corpus.cases(group)


def test_no_group_is_forgotten(corpus: Any) -> None:
    groups = {meta["group"] for meta in corpus._index}
    assert DECODERS.keys() <= groups
    assert groups - DECODERS.keys() == rows("Kinds of captures")


def test_what_is_not_decoded_is_named_with_the_reason(corpus: Any) -> None:
    refused = set()
    for capture in everything(corpus, DECODERS):
        try:
            DECODERS[capture.meta["group"]](capture)
        except MeterError as error:
            assert str(error)
            refused.add(capture.name)
    assert refused == rows("Single captures")


def test_none_of_the_others_does_harm(corpus: Any) -> None:
    """Whatever it is, it is no HDLC, no readout and no APDU, and says so in a documented error."""
    for capture in everything(corpus, rows("Kinds of captures")):
        frames(capture.bytes)
        for attempt in (iec62056_21_readout.decode, Decoder({}).unit, axdr.decode_all):
            try:
                attempt(capture.bytes)
            except MeterError as error:
                assert str(error)


@pytest.mark.captures("hdlc_push")
def test_values_of_pushes(capture: Any) -> None:
    """Numbers that another decoder read in the same push stand in ours, too."""
    expected = capture.meta["expected"] or {}
    wanted = expected.get("active_import_W")
    if not wanted or not frames(capture.bytes):
        return
    numbers: set[object] = set()
    decoder = Decoder(capture.meta["keys"])
    for frame in frames(capture.bytes):
        unit = decoder.unit(frame.information.removeprefix(LLC_RESPONSE)) if not frame.segmented else None
        if isinstance(unit, xdlms.DataNotification):
            collect(axdr.decode_all(unit.data), numbers)
    assert not numbers or any(wanted * 10**shift in numbers for shift in range(-1, 4))


def collect(data: axdr.Data, numbers: set[object]) -> None:
    if isinstance(data.value, tuple):
        for item in data.value:
            collect(item, numbers)
    else:
        numbers.add(data.value)
