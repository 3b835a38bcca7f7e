"""Gurux's client reads our simulated meter: every mechanism it has, both framings, the object list, 1,000 rows."""

from __future__ import annotations

import re
from ast import literal_eval
from collections.abc import Callable

import pytest

from metersdk.simulator.server import Simulator

pytestmark = pytest.mark.interop

Serve = Callable[..., Simulator]
Run = Callable[..., str]

PROFILE = "1.0.99.1.0.255"
FRAMINGS = ("hdlc", "wrapper")
# Mechanism of the client -> the client of `peers.toml` that wants it.
CLIENTS = {
    "NONE": 16,
    "LOW": 2,
    "HIGH": 7,
    "HIGH_MD5": 3,
    "HIGH_SHA1": 4,
    "HIGH_GMAC": 5,
    "HIGH_SHA256": 6,
}
# What depends on the framing is read over both.
CASES = [
    *(("hdlc", mechanism) for mechanism in ("NONE", "LOW", "HIGH", "HIGH_SHA1", "HIGH_GMAC", "ciphered")),
    *(("wrapper", mechanism) for mechanism in ("NONE", "LOW", "HIGH_MD5", "HIGH_SHA256", "ciphered")),
]
OBJECTS = {
    (15, 1, "0.0.40.0.0.255"),
    (8, 0, "0.0.1.0.0.255"),
    (17, 0, "0.0.41.0.0.255"),
    (1, 0, "0.0.42.0.0.255"),
    (1, 0, "1.0.0.2.0.255"),
    (1, 0, "0.0.43.1.0.255"),
    (1, 0, "0.0.96.1.0.255"),
    (1, 0, "0.0.96.10.1.255"),
    (3, 0, "1.0.1.8.0.255"),
    (3, 0, "1.0.2.8.0.255"),
    (3, 0, "1.0.3.8.0.255"),
    (3, 0, "1.0.4.8.0.255"),
    (7, 1, PROFILE),
}
COLUMNS = [(8, "0.0.1.0.0.255", 2), (1, "0.0.96.10.1.255", 2), *((3, f"1.0.{n}.8.0.255", 2) for n in range(1, 5))]


def row(index: int, time: str) -> list[str]:
    return [time, str(index & 255), *(str(base + index) for base in (1000, 2000, 3000, 4000))]


def assert_read(said: str, rows: int, last_time: str) -> None:
    """What the client printed of the clock, the columns and the first and the last row."""
    assert said.rstrip().endswith("OK") and "close:" not in said
    assert re.search(r"^clock 01/11/26 09:45:00$", said, re.MULTILINE)
    columns = re.search(r"^cols (.*)$", said, re.MULTILINE)
    assert columns and literal_eval(columns[1]) == COLUMNS
    assert "entries in use 1000" in said
    assert f"profile rows {rows} " in said
    shown = re.search(r"^first (.*) last (.*)$", said, re.MULTILINE)
    assert shown and literal_eval(shown[1]) == row(0, "01/01/26 00:00:00")
    assert literal_eval(shown[2]) == row(rows - 1, last_time)


@pytest.mark.parametrize(("framing", "mechanism"), CASES)
def test_everything_is_read(our_meter: Serve, run_gurux_client: Run, framing: str, mechanism: str) -> None:
    target = our_meter(f"tcp://127.0.0.1:0?framing={framing}").targets[0]
    who = (
        ("--auth", "HIGH_GMAC", "--client", "1", "--sec")
        if mechanism == "ciphered"
        else ("--auth", mechanism, "--client", str(CLIENTS[mechanism]))
    )
    said = run_gurux_client(target, *who, "--list", "--profile", PROFILE)
    assert_read(said, 1000, "01/11/26 09:45:00")
    assert f"association view {len(OBJECTS)} objects" in said
    listed = re.findall(r"^   (\d+) \w* (\d+) ([\d.]+) 0$", said, re.MULTILINE)
    assert {(int(number), int(version), code) for number, version, code in listed} == OBJECTS


@pytest.mark.parametrize("framing", FRAMINGS)
def test_rows_by_entry(our_meter: Serve, run_gurux_client: Run, framing: str) -> None:
    target = our_meter(f"tcp://127.0.0.1:0?framing={framing}").targets[0]
    said = run_gurux_client(target, "--auth", "LOW", "--client", "2", "--profile", PROFILE, "--entries", "96")
    assert_read(said, 96, "01/01/26 23:45:00")


@pytest.mark.parametrize(
    ("listen", "args"),
    [
        ("framing=hdlc", ("--frame", "1024")),
        ("framing=hdlc&max_info=64", ()),
        ("framing=hdlc&max_info=512&window=1", ("--frame", "512")),
        ("framing=hdlc", ("--pdu", "256")),
        ("framing=wrapper", ("--pdu", "256")),
    ],
)
def test_sizes_that_both_sides_agree_on(
    our_meter: Serve, run_gurux_client: Run, listen: str, args: tuple[str, ...]
) -> None:
    said = run_gurux_client(our_meter(f"tcp://127.0.0.1:0?{listen}").targets[0], "--profile", PROFILE, *args)
    assert_read(said, 1000, "01/11/26 09:45:00")


@pytest.mark.parametrize(("framing", "mechanism"), [("hdlc", "LOW"), ("wrapper", "HIGH_MD5")])
def test_a_wrong_password_is_refused(our_meter: Serve, run_gurux_client: Run, framing: str, mechanism: str) -> None:
    target = our_meter(f"tcp://127.0.0.1:0?framing={framing}").targets[0]
    who = ("--auth", mechanism, "--client", str(CLIENTS[mechanism]))
    said = run_gurux_client(target, *who, "--password", "wrong", fails=True)
    assert "Exception" in said and "clock" not in said
    # Somebody who knows it is still served.
    assert "OK" in run_gurux_client(target, *who)
