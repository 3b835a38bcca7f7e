"""metersdk vendors, and --vendor of the commands that read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]
# A meter behind a sign-on at 300 Bd, under a virtual clock.
SIM = "sim://residential"

GOOD = """title = "Ours"
[[match]]
manufacturer = "MSK"
model = "METERSDK"
[[facts]]
what = "Stays at 300 Bd."
sure = "one report"
source = "a technician"
switches = { max_baud = 300 }
[[vectors]]
kind = "identification"
line = '/MSK5\\2METERSDK-R1'
mode = "E"
"""
BAD = (
    GOOD
    + """[[vectors]]
kind = "identification"
line = "/LUGCUH50"
[[vectors]]
kind = "identification"
line = '/MSK5\\2METERSDK-R1'
baud = 300
[[vectors]]
kind = "sign-on"
mode = "C"
baud = 300
steps = [{ baud = 300 }, { send = "/#!\\r\\n" }]
[[vectors]]
kind = "sign-on"
mode = "C"
baud = 9600
steps = [
    { baud = 300 }, { send = "/?!\\r\\n" }, { receive = "/MSK5METERSDK\\r\\n" }, { send = "\\u0006000\\r\\n" },
    { receive = "\\u00021.8.0(1)\\r\\n" },
]
[[vectors]]
kind = "sign-on"
mode = "C"
baud = 300
steps = [
    { baud = 300 }, { send = "/?!\\r\\n" }, { receive = "/MSK5METERSDK\\r\\n" }, { send = "\\u0006000\\r\\n" },
    { receive = "\\u00021.8.0(1)\\r\\n" }, { baud = 600 },
]
[[vectors]]
kind = "block"
octets = "02 46 2E 46 28 30 29 0D 0A 21 0D 0A 03 00"
[[vectors]]
kind = "block"
octets = "01 42 30 03 75"
[[vectors]]
kind = "data"
line = "1.8.0(1*kWh)"
sets = { "1.8.0" = ["2*kWh"] }
"""
)


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("METERSDK_VENDORS", str(tmp_path / "own"))
    (tmp_path / "own").mkdir()
    return tmp_path / "own"


def test_all_families(cli: Run) -> None:
    ran = cli("vendors")
    assert ran.code == 0 and "LUG UH50" in ran.out and "request_start, wake_up" in ran.out
    families = {each["name"]: each for each in cli("vendors", "--json").document["families"]}
    assert families["ytl-drs"]["switches"] == {"initial_baud": 9600, "baud_characters": {":": 9600}}
    assert families["itron-ultralite"]["supported"] is False
    assert {line["name"] for line in cli("vendors", "--jsonl").lines} == set(families)


def test_one_family(cli: Run) -> None:
    ran = cli("vendors", "landis-gyr-uh50")
    assert "wake_up_octets  40 (several reports)" in ran.out and "uh50reader" in ran.out
    found = cli("vendors", "landis-gyr-uh50", "--json").document["family"]
    assert found["match"] == [{"manufacturer": "LUG", "model": "UH50"}] and found["origin"] == "built in"
    ran = cli("vendors", "nobody")
    assert ran.code == 2 and "landis-gyr-uh50" in ran.err


def test_check_of_a_good_file(cli: Run, tmp_path: Path) -> None:
    file = tmp_path / "ours.toml"
    file.write_text(GOOD)
    ran = cli("vendors", "--check", str(file))
    assert ran.code == 0 and ran.out.split() == ["Family", "ours", "Vectors", "1", "Good", "1"]
    file.write_text(GOOD.split("[[vectors]]")[0])
    ran = cli("vendors", "--check", str(file))
    assert ran.code == 1 and "no identification vector for the match MSK" in ran.err and "no vectors" in ran.err


def test_check_of_a_bad_file_names_every_vector_that_fails(cli: Run, tmp_path: Path) -> None:
    file = tmp_path / "ours.toml"
    file.write_text(BAD)
    ran = cli("vendors", "--check", str(file), "--json")
    assert ran.code == 1
    failures = {each["vector"]: each["why"] for each in ran.document["check"]["failures"]}
    assert set(failures) == set(range(2, 10))
    assert "leads to landis-gyr-uh50" in failures[2]
    assert "9600 Bd, not 300" in failures[3]
    assert failures[4].startswith("sign-on: step 2: send = '/?!\\r\\n' was done")
    assert "mode C at 300 Bd, not C at 9600" in failures[5]
    assert "done before step 6" in failures[6]
    assert "BCC" in failures[7] and "computed 71" in failures[8]
    assert "1*kWh" in failures[9]
    assert cli("vendors", "--check", str(file)).err.count("vector ") == 8


def test_check_of_what_is_no_family(cli: Run, tmp_path: Path) -> None:
    assert cli("vendors", "--check", str(tmp_path / "nowhere.toml")).code == 2
    (tmp_path / "odd.toml").write_text('title = "x"\ncolour = 1\n')
    ran = cli("vendors", "--check", str(tmp_path / "odd.toml"))
    assert ran.code == 2 and "colour" in ran.err and "known: title" in ran.err


def test_a_family_on_the_command_line(cli: Run, folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "ours.toml"
    file.write_text(GOOD)
    found = cli("identify", f"{SIM}?mode=C", "--vendor", str(file), "--json").document["identity"]
    assert (found["family"], found["baud"]) == ("ours", 300)
    (folder / "ours.toml").write_text(GOOD)
    assert "ours" in cli("identify", f"{SIM}?mode=C").out
    assert cli("identify", f"{SIM}?mode=C", "--vendor", "iskra-mt171", "--json").document["identity"]["baud"] == 9600
    assert cli("identify", SIM, "--vendor", "nobody").code == 2
