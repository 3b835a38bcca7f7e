"""trace: messages of ANSI C12.22 and what is in them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

import metersdk
from metersdk.apdu.c1222 import NOTIFICATION, Control, Message, ResponseControl, SecurityMode
from metersdk.apdu.c1222_services import ConnectionType, NodeType, Register, Registered, Resolve, Resolved, Trace
from metersdk.apdu.c1222_titles import ApTitle
from metersdk.apdu.cipher import Keys
from metersdk.apdu.keys import Secret
from metersdk.apdu.psem import Read, ReadOffset, Security, TableData
from metersdk.cli.dissect import Dissector
from metersdk.cli.units import Kind, guess, split

IDENTIFY = b"\x20"
KEY = "01020304050607080102030405060708"
METER, CLIENT = ApTitle.parse(".123.8437"), ApTitle.parse(".123.4")
# ANSI C12.22-2008, example 8.
QUESTION = (
    "604FA20580037BC175A60480027B04A803020103AC0FA20DA00BA109800102810448F3D061"
    "BE2A282881268841D10CDA76206811B36F781489A11997773E117CB07AA3AA40374A7107C50DA7F799C5D4E8"
)
ANSWER = (
    "6048A20480027B04A403020103A60580037BC175A803020103AC0FA20DA00BA109800102810448F3D060"
    "BE1E281C811A884BAEE4349631AB5E56A0E6E0E90DFAD558591EE4EA334CB268"
)
AARQ = (
    "6036a1090607608574050801018a0207808b0760857405080201ac0a80083132333435363738be10040e01000000065f1f040000301dffff"
)


def told(*messages: bytes, keys: Keys | None = None) -> list[str]:
    dissector = Dissector(keys)
    lines = []
    for octets in messages:
        for unit in split(octets):
            event = dissector.take_apart(unit)
            assert unit.kind is Kind.C1222
            lines += [f"{layer.name}  {layer.text}".strip() for layer in event.layers]
            lines += [f"!! {event.problem.message}"] if event.problem else []
    return lines


def message(service: bytes, **more: Any) -> bytes:
    fields: dict[str, Any] = {"called": METER, "calling": CLIENT, "calling_id": 3, **more}
    return Message.of((service,), **fields).encode()


def test_example_8_with_its_key(cli: Any, tmp_path: Path) -> None:
    keys = tmp_path / "keys.toml"
    keys.write_text(f'encryption = "{KEY}"\n')
    keys.chmod(0o600)
    ran = cli("trace", QUESTION + ANSWER, "--key-file", str(keys))
    assert ran.code == 0 and "PASSWORD" not in ran.out
    lines = [line.strip() for line in ran.out.splitlines()]
    assert "ACSE  .123.4 → .123.8437, number 3" in lines and "ACSE  .123.8437 → .123.4, number 3, answers 3" in lines
    assert "ciphered  key 2, vector 1223938145, MAC 99c5d4e8" in lines
    assert "read-offset (3F)  ST 1, 16 octets from 16 on" in lines
    assert any(line.startswith("answer ok  to read-offset (3F) of ST 1: 16 octets") for line in lines)
    assert "4d 41 4e 55 46 41 43 54 55 52 45 52 20 53 4e 20" in lines
    document = cli("trace", QUESTION, "--key-file", str(keys), "--json").out
    assert "PASSWORD" not in document and b"PASSWORD".hex() not in document and KEY not in document


def test_without_a_key_it_stays_closed(cli: Any) -> None:
    ran = cli("trace", QUESTION)
    assert ran.code == 0
    assert ran.out.splitlines()[-1].strip() == "closed  33 octets; --key-file opens them"


def test_a_wrong_key(tmp_path: Path) -> None:
    lines = told(bytes.fromhex(QUESTION), keys=Keys(bytes(16)))
    assert lines[-1] == "!! the MAC of the message is wrong"


def test_messages_are_told_from_an_association_of_dlms() -> None:
    assert guess(bytes.fromhex(QUESTION)) is Kind.C1222 and guess(bytes.fromhex(AARQ)) is Kind.APDU
    assert guess(bytes.fromhex(QUESTION)[:-1]) is Kind.C1222 and guess(b"\x60\x80") is Kind.APDU
    assert guess(bytes.fromhex(AARQ)[:-1]) is Kind.APDU


@pytest.mark.captures("c1222_payload")
def test_captures(capture: Any) -> None:
    lines = told(*map(bytes.fromhex, re.findall(r"X ([0-9a-f]+)", capture.bytes.decode("ascii"))))
    if "rw" in capture.name:
        # Its table was made up with a checksum of zero.
        assert lines.pop().startswith("!! the checksum of the table is 00")
    assert len(lines) >= 5 and not any("password1234" in line or line.startswith("!!") for line in lines)
    assert ("security (51)  password of 20 octets, not shown" in lines) == ("security" in capture.name)


def test_services_of_the_network() -> None:
    register = Register(NodeType.END_DEVICE, ConnectionType(0x81), b"MSK1", None, METER, b"\xc0\0\2\1", 3600)
    lines = told(
        message(register.encode()),
        message(Registered(METER, 60, 3600, ConnectionType.BROADCAST).encode()),
        message(Resolve(METER).encode()),
        message(Resolved(b"\xc0\0\2\1").encode()),
        message(Trace((METER, CLIENT)).encode()),
        message(b"\x0c"),
    )
    found = [line for line in lines if not line.startswith(("C12.22 message", "ACSE"))]
    assert found == [
        "register (27)  wants an ApTitle at b'\\xc0\\x00\\x02\\x01', end-device, 3600 s",
        "answer to register (27)  .123.8437, 3600 s, broadcast",
        "resolve (25)  .123.8437",
        "answer to resolve (25)  c0 00 02 01",
        "trace (26)  .123.8437 → .123.4",
        "answer to trace (26)",
    ]


def answered(*services: bytes, number: int | None, to: ApTitle = CLIENT) -> bytes:
    return Message.of(services, called=to, calling=METER, called_id=number, calling_id=9).encode()


def test_answers_are_read_by_the_request_that_they_name() -> None:
    """Those of two clients in one capture, late ones, and several in one message."""
    other = ApTitle.parse(".123.5")
    one, two = TableData(b"one").encode(), TableData(b"twotwo").encode()
    security = Security(Secret(b"PASSWORD".ljust(20, b"\0")), 2).encode()
    lines = told(
        message(Read(1).encode(), calling_id=3),
        message(IDENTIFY, calling_id=4),
        message(Resolve(METER).encode(), calling=other, calling_id=3),
        Message.of((security, ReadOffset(2, 0, 6).encode()), called=METER, calling=other, calling_id=4).encode(),
        answered(b"\0\3\1\0\0", number=4),
        answered(Resolved(b"\xc0\0\2\1").encode(), number=3, to=other),
        answered(one, number=3),
        answered(b"\0", two, number=4, to=other),
        answered(two, number=4, to=other),
    )
    assert [line for line in lines if line.startswith(("answer", "!!"))] == [
        "answer ok  to identify (20): ANSI C12.22 version 1.0",
        "answer to resolve (25)  c0 00 02 01",
        "answer ok  to read (30) of ST 1: 3 octets",
        "answer ok  to security (51)",
        "answer ok  to read-offset (3F) of ST 2: 6 octets",
        "answer ok  to read-offset (3F) of ST 2: 6 octets",
    ]


def test_what_else_a_message_says() -> None:
    control = Control(response=ResponseControl.NEVER, proxy=True, recovery=True)
    (unit,) = split(message(b"\x20", qualifier=NOTIFICATION, ed_class=b"MSK1", control=control))
    details = [text for layer in Dissector().take_apart(unit).layers for _, text in layer.details]
    expected = ["notification", "no answer wanted", "recovery session", "sent through a proxy", "ED class b'MSK1'"]
    assert details == expected


def test_authenticated_messages_are_read_without_a_key_and_not_believed() -> None:
    plain = Message.of((b"\x20",), called=METER, calling=CLIENT, calling_id=3, key_id=2, iv=7)
    sealed = plain.protected(SecurityMode.AUTHENTICATED, Secret.from_hex(KEY))
    lines = told(sealed.encode())
    assert lines[-2].endswith("not checked: --key-file does") and lines[-1] == "identify (20)"
    assert told(sealed.encode(), keys=Keys(KEY))[-1] == "identify (20)"
    assert told(sealed.encode(), keys=Keys(bytes(16)))[-1].startswith("!!")


SECRET = b"\x51PASSWORD".ljust(21)


@pytest.mark.parametrize("cut", range(1, len(SECRET)))
def test_no_dump_shows_a_password_that_is_cut(cli: Any, cut: int) -> None:
    for octets in (message(SECRET[:cut]), message(SECRET + bytes(cut)), message(SECRET)[:-cut]):
        for words in ((octets.hex(),), (octets.hex(), "--json"), (octets.hex(), "--as", "c1222", "--json")):
            out = cli("trace", *words).out
            assert "PAS" not in out and b"PAS".hex() not in out and b"PAS".hex(" ") not in out


def test_a_recorded_session(cli: Any, tmp_path: Path) -> None:
    recording = tmp_path / "session.jsonl"
    with metersdk.connect("sim://ansi?protocol=c1222", password="12345678", trace=recording) as meter:
        meter.table(1)
    ran = cli("trace", str(recording))
    assert ran.code == 0 and "12345678" not in ran.out
    # Nor how long the password is: what it is filled up with is masked, too.
    assert "15" + "51" + 20 * "**" in recording.read_text()
    names = [line.split("  ") for line in ran.out.splitlines()]
    text = ran.out
    assert names and "identify (20)" in text and "logon (50)" in text and "read (30)  ST 1" in text
    assert "security (51)" in text and "terminate (21)" in text and "noise" not in text
    events = json.loads(cli("trace", str(recording), "--json").out)["events"]
    assert {event["kind"] for event in events} <= {"c1222", "note", "line"}
