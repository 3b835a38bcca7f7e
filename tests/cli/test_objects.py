"""objects, get, set, action, and the values that are written."""

from __future__ import annotations

from typing import Any

import pytest

from metersdk.apdu import axdr
from metersdk.apdu.axdr import Data, Tag
from metersdk.cli import values
from metersdk.errors import LocalProtocolError

SIM = "sim://residential"
READER = ["--client", "2", "--password-from", "env:METER_PASSWORD"]
MANAGER = ["--client", "3", "--authentication", "high-md5", "--password-from", "env:METER_PASSWORD"]
MESSAGE = (1, "0.0.96.13.0.255", 2)


def test_objects(cli: Any) -> None:
    ran = cli("objects", SIM)
    assert ran.code == 0 and "35 objects" in ran.err
    assert ran.out.splitlines()[2].split()[:4] == ["0.0.1.0.0.255", "8", "v0", "Clock"]
    found = cli("objects", SIM, "--class", 7, "--json").document["objects"]
    assert [each["obis"] for each in found] == ["1.0.99.1.0.255", "1.0.99.2.0.255", "1.0.98.1.0.255", "0.0.99.98.0.255"]
    assert found[0]["class_name"] == "Profile generic"
    assert found[0]["attributes"]["2"] == {"name": "buffer", "access": ["read"]}
    lines = cli("objects", SIM, "--jsonl").lines
    assert len(lines) == 35 and {line["type"] for line in lines} == {"object"}


def test_get(cli: Any) -> None:
    assert cli("get", SIM, 3, "1.8.0", 3).out == "structure (integer 0, enum 30)\n"
    assert cli("get", SIM, 3, "1.8.0", 3, "--raw").out == "02020f00161e\n"
    for words in (("get", SIM, 3, "1.8.0", 3), ("readout", SIM), ("programming", SIM, "read", "C.1.0")):
        ran = cli(*words, "--raw", "--json")
        assert (ran.code, ran.out) == (2, "") and "--raw" in ran.error["message"]
    attribute = cli("get", SIM, 3, "1.8.0", 3, "--json").document["attribute"]
    assert attribute == {
        "class_id": 3,
        "obis": "1.0.1.8.0.255",
        "attribute": 3,
        "name": "scaler_unit",
        "type": "structure",
        "value": [0, 30],
        "raw": "02020f00161e",
    }


def test_get_of_a_time(cli: Any) -> None:
    ran = cli("get", "sim://bench?framing=wrapper", 8, "0.0.1.0.0.255", 2)
    assert ran.out.split() == ["octet-string", "07ea040f03032d00000000" + "00", "2026-04-15T03:45:00+00:00"]
    attribute = cli("get", "sim://bench?framing=wrapper", 8, "0.0.1.0.0.255", 2, "--json").document["attribute"]
    assert attribute["time"] == "2026-04-15T03:45:00+00:00"


def test_set_and_read_back(cli: Any, tcp: str) -> None:
    ran = cli("set", tcp, *MESSAGE, "68656c6c6f", *READER)
    assert ran.code == 0 and ran.out == "" and 'octet-string 68656c6c6f  "hello"' in ran.err
    assert '"hello"' in cli("get", tcp, *MESSAGE, *READER).out
    written = cli("set", tcp, *MESSAGE, "bye", "--type", "text", "--json", *READER).document["written"]
    assert written == {"class_id": 1, "obis": MESSAGE[1], "attribute": 2, "type": "octet-string", "value": b"bye".hex()}
    assert '"bye"' in cli("get", tcp, *MESSAGE, *READER).out


def test_set_of_what_shall_not_be_seen(cli: Any, tcp: str) -> None:
    ran = cli("set", tcp, *MESSAGE, "-", "--type", "text", *READER, stdin="topsecret\n")
    assert ran.code == 0 and "topsecret" not in ran.out + ran.err and b"topsecret".hex() not in ran.out + ran.err
    assert "topsecret" in cli("get", tcp, *MESSAGE, *READER).out
    ran = cli("set", tcp, *MESSAGE, "-", "--type", "u8", *READER, stdin="topsecret\n")
    assert ran.code == 2 and "topsecret" not in ran.err


def test_set_that_is_refused_or_misfits(cli: Any) -> None:
    assert cli("set", SIM, *MESSAGE, "00", "--type", "octets").code == 7
    assert cli("set", SIM, *MESSAGE, "zz", *READER).code == 2
    assert cli("set", SIM, *MESSAGE, "300", "--type", "u8", *READER).code == 2
    assert cli("set", SIM, 3, "1.8.0", 3, "5").code == 2


def test_action(cli: Any, tcp: str) -> None:
    supply = (70, "0.0.96.3.10.255")
    assert cli("get", tcp, *supply, 2, *MANAGER).out == "boolean True\n"
    ran = cli("action", tcp, *supply, 1, "--data", "i8:0", *MANAGER)
    assert ran.code == 0 and "done" in ran.err
    assert cli("get", tcp, *supply, 2, *MANAGER).out == "boolean False\n"
    done = cli("action", tcp, *supply, 2, "--data", "0f00", "--json", *MANAGER).document["done"]
    assert done == {"class_id": 70, "obis": supply[1], "method": 2, "result": None}
    assert cli("get", tcp, *supply, 2, *MANAGER).out == "boolean True\n"


@pytest.mark.parametrize("parameter", ["u8:x", "colour:red", "zz", "1107ff"])
def test_action_with_a_misshapen_parameter(cli: Any, parameter: str) -> None:
    ran = cli("action", SIM, 70, "0.0.96.3.10.255", 1, "--data", parameter)
    assert ran.code == 2 and ran.out == ""


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("200", "u8", axdr.u8(200)),
        ("-3", "i8", axdr.i8(-3)),
        ("0x10", "u16", axdr.u16(16)),
        ("on", "boolean", axdr.boolean(True)),
        ("2.5", "f32", axdr.f32(2.5)),
        ("0xCAFE", "octets", axdr.octets(b"\xca\xfe")),
        ("hi", "visible", axdr.visible("hi")),
        ("1010", "bits", axdr.bits("1010")),
        ("", "null", axdr.null()),
        ("2026-11-22T15:30+01:00", "time-octets", axdr.octets(bytes.fromhex("07ea0b16070f1e0000ffc400"))),
        ("0202110516ff", "axdr", axdr.structure(axdr.u8(5), axdr.enum(255))),
    ],
)
def test_values_as_people_write_them(text: str, kind: str, value: Data) -> None:
    assert values.parse(text, kind) == value


@pytest.mark.parametrize(
    ("text", "kind"),
    [("256", "u8"), ("x", "u8"), ("maybe", "boolean"), ("0g", "octets"), ("12", "bits"), ("1", "axdr"), ("", "axdr")],
)
def test_values_that_are_none(text: str, kind: str) -> None:
    with pytest.raises(LocalProtocolError):
        values.parse(text, kind)


def test_a_value_takes_the_type_of_what_is_there() -> None:
    assert values.parse_like("7", axdr.u32(1)) == axdr.u32(7)
    with pytest.raises(LocalProtocolError, match="say the type"):
        values.parse_like("7", axdr.array())


def test_a_tree_is_cut_and_short_parts_take_one_line() -> None:
    rows = axdr.array(*(axdr.structure(axdr.u8(n), Data(Tag.OCTET_STRING, bytes(60))) for n in range(5)))
    lines = list(values.tree(rows, 2))
    assert lines[0] == (0, "array of 5") and lines[1] == (1, "structure of 2") and lines[-1] == (1, "... 3 more")
    assert list(values.tree(axdr.structure(axdr.u8(1), axdr.null()), 2)) == [(0, "structure (unsigned 1, null-data)")]
    assert values.show(axdr.octets(bytes.fromhex("0100010800ff"))) == "octet-string 0100010800ff  1.0.1.8.0.255"
