"""listen: telegrams of a meter that speaks by itself."""

from __future__ import annotations

from typing import Any

SML = "sim://residential?speech=sml"


def test_for_people(cli: Any) -> None:
    ran = cli("listen", SML, "--count", "2")
    assert ran.code == 0
    lines = ran.out.splitlines()
    assert [line.split()[0] for line in lines if line.startswith("telegram")] == ["telegram", "telegram"]
    assert any(line.startswith("1.0.1.8.0.255") and line.endswith("Wh") for line in lines)
    assert "1MSK0012345678" in ran.err


def test_one_document(cli: Any) -> None:
    ran = cli("listen", "sim://residential?speech=p1", "--json")
    (telegram,) = ran.document["telegrams"]
    assert (telegram["protocol"], telegram["baud"], telegram["proved"]) == ("p1", 115200, True)
    assert telegram["time"] and telegram["sec_index"] is None
    assert {"obis", "value", "unit", "time", "status", "raw", "sec_index", "name"} == set(telegram["readings"][0])


def test_lines_as_they_come(cli: Any) -> None:
    ran = cli("listen", "sim://residential?mode=D", "--jsonl", "--count", "3")
    assert [line["type"] for line in ran.lines] == ["telegram"] * 3
    assert ran.lines[0]["protocol"] == "iec62056-21:D"


def test_nobody_speaks(cli: Any) -> None:
    ran = cli("listen", "sim://residential", "--count", "1", "--json")
    assert ran.code == 4
    assert ran.error["class"] == "NoAnswer" and ran.error["hint"]


def test_scan_finds_what_was_heard(cli: Any, tmp_path: Any) -> None:
    from metersdk.simulator.image import Image
    from metersdk.simulator.pusher import sml_file

    path = tmp_path / "heard.bin"
    path.write_bytes(b"\0\xff" + sml_file(Image.load("residential").device(), 1))
    assert cli("scan", path, "--kind", "sml").code == 0
