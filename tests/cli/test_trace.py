"""trace: layer by layer, from vectors, recorded sessions and damaged captures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from metersdk.apdu import axdr, cipher, xdlms
from metersdk.apdu.cipher import Keys
from metersdk.cli.dissect import Dissector
from metersdk.cli.units import Kind, Unit, guess, session, split
from metersdk.frame.hdlc import LLC_COMMAND, LLC_RESPONSE, Frame
from metersdk.frame.iec62056_21 import block, to_line
from metersdk.frame.wrapper import Wpdu
from metersdk.port.trace import Record

SIM = "sim://residential"
GET = "c001c100030100010800ff0200"
LOW = "6036a1090607608574050801018a0207808b0760857405080201ac0a80083132333435363738be10040e01000000065f1f040000301dffff"


def names(ran: Any) -> list[str]:
    return [line.strip().split("  ")[0] for line in ran.out.splitlines()]


def test_one_apdu(cli: Any) -> None:
    ran = cli("trace", GET)
    assert ran.code == 0
    assert ran.out.strip() == "get-request  1.0.1.8.0.255 attribute 2 (value) of Register, Active energy import (+A)"
    assert cli("trace", "c0 01 c1", "00 03 01 00 01 08 00 ff 02 00").out == ran.out
    assert cli("trace", stdin=GET).out == cli("trace", "-", stdin=bytes.fromhex(GET)).out == ran.out


def test_one_apdu_for_programs(cli: Any) -> None:
    [event] = cli("trace", GET, "--json").document["events"]
    assert (event["kind"], event["direction"], event["hex"], event["error"]) == ("apdu", None, GET, None)
    [layer] = event["layers"]
    assert layer["layer"] == "apdu" and layer["name"] == "get-request"
    assert layer["attribute"] == {"class_id": 3, "obis": "1.0.1.8.0.255", "attribute": 2}
    assert layer["invoke"] == {"id": 1, "confirmed": True, "high_priority": True, "reserved": 0}


def test_values(cli: Any) -> None:
    rows = axdr.encode(axdr.array(*(axdr.u32(n) for n in range(100))))
    ran = cli("trace", rows.hex(), "--as", "data")
    assert ran.out.splitlines()[0].strip() == "array of 100  502 octets" and "... 92 more" in ran.out
    assert len(cli("trace", rows.hex(), "--as", "data", "--all").out.splitlines()) == 101


def test_a_password_is_not_shown(cli: Any) -> None:
    for words in ((LOW,), (LOW, "--json")):
        ran = cli("trace", *words)
        assert ran.code == 0 and "12345678" not in ran.out and "3132333435363738" not in ran.out
    assert "password of 8 octets, not shown" in cli("trace", LOW).out
    secret = xdlms.SetRequest(
        xdlms.Invoke(),
        xdlms.AttributeDescriptor(15, bytes((0, 0, 40, 0, 0, 255)), 7),
        axdr.encode(axdr.octets(b"hunter22")),
    )
    assert "hunter22" not in cli("trace", secret.encode().hex()).out
    assert "hunter22" not in cli("trace", "0150310231323334353637380368", "--as", "iec62056-21").out


ASSOCIATION, PORT = bytes((0, 0, 40, 0, 0, 255)), bytes((0, 0, 20, 0, 0, 255))
SECRET = xdlms.AttributeDescriptor(15, ASSOCIATION, 7)
CHANGE = xdlms.MethodDescriptor(15, ASSOCIATION, 2)
NEW = axdr.encode(axdr.octets(b"hunter22"))


@pytest.mark.parametrize(
    "apdus",
    [
        [xdlms.SetRequest(xdlms.Invoke(), xdlms.AttributeDescriptor(19, PORT, 8), NEW)],
        [xdlms.SetRequestList(xdlms.Invoke(), ((SECRET, None),), (NEW,))],
        [
            xdlms.SetRequestFirstBlock(xdlms.Invoke(), SECRET, None, False, 1, NEW),
            xdlms.SetRequestBlock(xdlms.Invoke(), True, 2, NEW),
        ],
        [xdlms.ActionRequest(xdlms.Invoke(), CHANGE, NEW)],
        [xdlms.ActionRequestList(xdlms.Invoke(), (CHANGE,), (NEW,))],
        [xdlms.GetRequest(xdlms.Invoke(), SECRET), xdlms.GetResponse(xdlms.Invoke(), NEW)],
    ],
)
def test_what_is_set_as_a_password_is_not_shown(cli: Any, apdus: list[xdlms.Service]) -> None:
    octets = b"".join(Wpdu(16, 1, apdu.encode()).encode() for apdu in apdus)
    for words in ((), ("--json",)):
        ran = cli("trace", octets.hex(), *words)
        assert ran.code == 0 and "hunter22" not in ran.out and b"hunter22".hex() not in ran.out.lower()
        assert ran.out.count("-request") >= 1


def test_wrapper_and_refusal(cli: Any) -> None:
    wpdu = Wpdu(1, 16, bytes.fromhex("c401c10104")).encode()
    ran = cli("trace", (Wpdu(16, 1, bytes.fromhex(GET)).encode() + wpdu).hex())
    assert names(ran) == ["wrapper", "get-request", "wrapper", "get-response", "result object-undefined (4)"]
    assert "16 → 1, 13 octets" in ran.out


def test_hdlc_segments_are_joined() -> None:
    data = axdr.encode(axdr.octets(bytes(100)))
    apdu = LLC_RESPONSE + xdlms.GetResponse(xdlms.Invoke(), data).encode()
    first = Frame(b"\x21", b"\x03", 0x30, apdu[:60], segmented=True).encode()
    second = Frame(b"\x21", b"\x03", 0x32, apdu[60:]).encode()
    taker = Dissector()
    events = [taker.take_apart(unit) for unit in split(first + second[1:])]
    assert [layer.name for layer in events[0].layers] == ["HDLC I", "segment"]
    assert [layer.name for layer in events[1].layers] == ["HDLC I", "get-response"]
    assert events[1].layers[1].details[0][1].startswith("octet-string 000000")


def test_blocks_are_joined() -> None:
    data = axdr.encode(axdr.array(*(axdr.u16(n) for n in range(50))))
    taker = Dissector()
    blocks = [data[:70], data[70:]]
    events = [
        taker.take_apart(Unit(Kind.APDU, xdlms.GetResponseBlock(xdlms.Invoke(), n == 2, n, raw).encode(), "rx"))
        for n, raw in enumerate(blocks, 1)
    ]
    assert [layer.name for layer in events[0].layers] == ["get-response-block"]
    assert [layer.name for layer in events[1].layers] == ["get-response-block", "array of 50"]


def test_parameters_and_refused_frames(cli: Any) -> None:
    snrm = Frame(b"\x03", b"\x21", 0x93, bytes.fromhex("818012050180060180070400000001080400000001"))
    frmr = Frame(b"\x21", b"\x03", 0x97, bytes.fromhex("10 20 04"))
    ran = cli("trace", (snrm.encode() + frmr.encode()).hex())
    assert "max_info_tx 128, max_info_rx 128, window_tx 1, window_rx 1" in ran.out
    assert "information field too long (Y)" in ran.out


def test_damage_is_told_and_what_follows_is_read(cli: Any) -> None:
    good = Frame(b"\x03", b"\x21", 0x10, LLC_COMMAND + bytes.fromhex(GET)).encode()
    bad = good[:12] + b"\x00" + good[13:]
    ran = cli("trace", (b"\xff\xff" + bad + good + b"\x7e\xa0").hex(), "--as", "hdlc")
    assert ran.code == 1
    assert [line.strip().split("  ")[0].split(",")[0] for line in ran.out.splitlines()] == [
        "noise",
        "FCS is wrong",
        "HDLC I",
        "get-request",
        "noise",
    ]


@pytest.mark.parametrize("octets", ["ff", "c001", "60", "db08", "c4", "7ea0", "0001", "02", "2f", "0f00000001", "e0"])
def test_rubbish_ends_in_a_finding(cli: Any, octets: str) -> None:
    for kind in ("hdlc", "wrapper", "iec62056-21", "apdu", "data"):
        ran = cli("trace", octets, "--as", kind)
        assert ran.code in (0, 1) and ran.err == ""


def test_every_vector_is_taken_apart_or_refused() -> None:
    path = Path(__file__).resolve().parent.parent / "vectors" / "dlms.json"
    for entry in json.loads(path.read_text()):
        octets = bytes.fromhex(entry["hex"])
        taker = Dissector(Keys(bytes(16), bytes(16)))
        for unit in (*split(octets), *split(octets[:-1]), *split(octets, Kind.APDU), *split(octets, Kind.DATA)):
            taker.take_apart(unit)


def test_ciphered(cli: Any, key_file: str, tmp_path: Path) -> None:
    recorded = tmp_path / "session.jsonl"
    assert cli("read", SIM, "1.8.0", "--key-file", key_file, "--trace", recorded).code == 0
    closed = cli("trace", recorded)
    assert closed.code == 0 and "closed" in closed.out and "double-long-unsigned" not in closed.out
    opened = cli("trace", recorded, "--key-file", key_file)
    assert opened.code == 0 and "double-long-unsigned" in opened.out and "closed" not in opened.out
    assert "authentication high-gmac" in opened.out and "reply_to_HLS_authentication" in opened.out
    wrong = tmp_path / "wrong.toml"
    wrong.write_text('encryption = "{0}"\nauthentication = "{0}"\n'.format("00" * 16))
    ran = cli("trace", recorded, "--key-file", wrong)
    assert ran.code == 1 and "the authentication tag is wrong" in ran.out


def test_encryption_alone_is_proved_by_what_comes_out() -> None:
    client, meter = b"MSDK\0\0\0\1", b"MSKR1234"
    keys = Keys(bytes(range(16)), system_title=client, server_title=meter)
    for title, tag, plain, direction in (
        (client, 0xC8, GET, "tx"),
        (meter, 0xCC, "c401c1000601020304", ""),
    ):
        body = cipher.seal(0x20, 7, title, keys.ek, keys.ak, bytes.fromhex(plain))
        apdu = bytes((tag, len(body) + 5, 0x20, 0, 0, 0, 7)) + body
        event = Dissector(keys).take_apart(Unit(Kind.APDU, apdu, direction))  # type: ignore[arg-type]
        assert event.problem is None and [layer.kind for layer in event.layers] == ["ciphering", "apdu"]


def test_a_readout_session(cli: Any, tmp_path: Path) -> None:
    recorded = tmp_path / "session.jsonl"
    assert cli("readout", SIM, "--trace", recorded).code == 0
    ran = cli("trace", recorded)
    assert ran.code == 0
    told = [line for line in ran.out.splitlines() if "▶" in line or "◀" in line or "···" in line]
    assert ["sign-on request" in told[1], "identification" in told[2], "acknowledgement" in told[3]] == [True] * 3
    assert "BCC right" in ran.out and "1.8.0(00" in ran.out
    events = cli("trace", recorded, "--jsonl").lines
    assert [event["kind"] for event in events] == [
        "line",
        "iec62056-21",
        "iec62056-21",
        "iec62056-21",
        "line",
        "iec62056-21",
    ]
    times = [event["time"] for event in events]
    assert times == sorted(times)


def test_a_masked_session_is_read_all_the_same(cli: Any, tmp_path: Path) -> None:
    recorded = tmp_path / "session.jsonl"
    words = ("identify", SIM, "--client", 2, "--password-from", "env:METER_PASSWORD", "--trace", recorded)
    assert cli(*words).code == 0
    ran = cli("trace", recorded)
    assert ran.code == 0 and "password of 8 octets, not shown" in ran.out


def test_messages_with_parity_bits_and_a_wrong_bcc(cli: Any) -> None:
    right = block(b"1.8.0(1*kWh)\r\n!\r\n")
    assert cli("trace", to_line(right).hex()).code == 0
    ran = cli("trace", (right[:-1] + bytes((right[-1] ^ 1,))).hex())
    assert ran.code == 1 and "BCC WRONG" in ran.out and "BCC is wrong" in ran.out


def test_records_are_told_apart_by_direction() -> None:
    records = [
        Record(0.0, "line", baud=300),
        Record(0.1, "tx", tuple(to_line(b"/?!\r\n"))),
        Record(0.5, "rx", tuple(to_line(b"/MSK5\\2X"))),
        Record(0.6, "rx", tuple(to_line(b"\r\n"))),
        Record(0.9, "tx", tuple(to_line(b"\x06252\r\n"))),
        Record(1.0, "note", text="the end"),
    ]
    units = list(session(records))
    assert [(unit.kind, unit.direction, unit.time) for unit in units] == [
        (Kind.LINE, "", 0.0),
        (Kind.TEXT, "tx", 0.1),
        (Kind.TEXT, "rx", 0.5),
        (Kind.TEXT, "tx", 0.9),
        (Kind.NOTE, "", 1.0),
    ]


@pytest.mark.parametrize(
    ("octets", "kind"),
    [
        ("0001001000010002c001", Kind.WRAPPER),
        ("7ea0080323939a747e", Kind.HDLC),
        ("7e7ea008", Kind.HDLC),
        (to_line(b"/?!\r\n").hex(), Kind.TEXT),
        ("06", Kind.TEXT),
        (GET, Kind.APDU),
        ("", Kind.APDU),
        ("01000000065f1f0400005e1dffff", Kind.APDU),
        ("0202110516ff", Kind.DATA),
        ("0100", Kind.DATA),
        ("0f0000000100", Kind.APDU),
    ],
)
def test_guesses(octets: str, kind: Kind) -> None:
    assert guess(bytes.fromhex(octets)) is kind


def test_used_wrongly(cli: Any, tmp_path: Path) -> None:
    assert cli("trace", "no-such-file").code == 2
    assert cli("trace", stdin="").code == 2
    broken = tmp_path / "broken.jsonl"
    broken.write_text('{"metersdk_trace": 1}\n{"t": 1, "d": "sideways"}\n{"t": 1, "d": "tx", "hex": "00"}\n')
    assert cli("trace", broken).code == 2


def test_a_data_set_is_the_same_object_as_in_a_readout(cli: Any, tmp_path: Path) -> None:
    trace = tmp_path / "session.jsonl"
    sets = cli("readout", "sim://residential", "--trace", trace, "--json").document["data_sets"]
    layers = [layer for event in cli("trace", trace, "--json").document["events"] for layer in event["layers"]]
    assert [layer["data_sets"] for layer in layers if layer["name"] == "data block"] == [sets]
    assert set(sets[0]) == {"address", "values", "line"} and set(sets[0]["values"][0]) == {"text", "unit"}
