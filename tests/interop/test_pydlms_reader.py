"""pydlms's reader reads our simulated meter: mechanisms, envelopes, windows, SET in blocks, GET with list, a PTY."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from metersdk.simulator.server import Simulator

pytestmark = pytest.mark.interop

Serve = Callable[..., Simulator]
Run = Callable[..., dict[str, Any]]

PROFILE = ("--profile", "1.0.99.1.0.255")
CIPHERED = ("--client", "1", "--auth", "HLS_GMAC", "--ciphered")
# Mechanism of the reader -> the client of `peers.toml` that wants it.
CLIENTS = {"NONE": 16, "LLS": 2, "HLS_MD5": 3, "HLS_SHA1": 4, "HLS_GMAC": 5, "HLS_SHA256": 6}
FIRST = [bytes.fromhex("07EA 01 01 04 00 00 00 00 0000 00"), 0, 1000, 2000, 3000, 4000]
LAST = [bytes.fromhex("07EA 01 0B 07 09 2D 00 00 0000 00"), 231, 1999, 2999, 3999, 4999]


def assert_read(told: dict[str, Any]) -> None:
    """What the reader states of clock, register, name, object list and rows."""
    assert told["ok"] is True
    assert told["clock"] == "2026-01-11 09:45:00.00 +00:00"
    assert told["reg"] == "1999 Wh"
    assert told["ldn"] == "b'MSK0000000001000'"
    if "objects" in told:
        assert told["objects"] == 13
    if "profile" in told:
        assert told["profile"]["rows"] == 1000
        assert told["profile"]["first"] == str(FIRST)
        assert told["profile"]["last"] == str(LAST)


@pytest.mark.parametrize(
    ("framing", "mechanism"),
    [
        *(("hdlc", mechanism) for mechanism in ("NONE", "LLS", "HLS_MD5", "HLS_GMAC")),
        *(("wrapper", mechanism) for mechanism in ("NONE", "LLS", "HLS_SHA1", "HLS_SHA256")),
    ],
)
def test_mechanisms(our_meter: Serve, run_pydlms_reader: Run, framing: str, mechanism: str) -> None:
    target = our_meter(f"tcp://127.0.0.1:0?framing={framing}").targets[0]
    who = ("--client", str(CLIENTS[mechanism]), "--auth", mechanism, "--secret", "Gurux")
    told = run_pydlms_reader(target, *who, "--list", *PROFILE)
    assert_read(told)
    assert told["release"] == "plain"


@pytest.mark.parametrize(
    ("framing", "more"),
    [
        ("hdlc", ()),
        ("wrapper", ()),
        ("hdlc", ("--ded",)),
        ("wrapper", ("--prot", "general-glo")),
        ("hdlc", ("--prot", "general-glo", "--ded")),
        ("wrapper", ("--prot", "general-ciphering")),
    ],
    ids=["hdlc-glo", "wrapper-glo", "ded", "general-glo", "general-ded", "general-ciphering"],
)
def test_envelopes(our_meter: Serve, run_pydlms_reader: Run, framing: str, more: tuple[str, ...]) -> None:
    meter = our_meter(f"tcp://127.0.0.1:0?framing={framing}")
    told = run_pydlms_reader(meter.targets[0], *CIPHERED, *more, "--list", "--set", *PROFILE)
    assert_read(told)
    # The RLRE proves who sent it.
    assert told["release"] == "verified"
    assert (told["set"], told["many"]) == (3000, ["1999", "4"])


@pytest.mark.parametrize(
    ("listen", "args"),
    [
        ("framing=hdlc", ("--window", "3")),
        ("framing=hdlc", ("--window", "7", "--info", "512")),
        ("framing=hdlc&window=1", ("--window", "7")),
        ("framing=hdlc&max_info=64", ("--window", "3", "--info", "1024")),
        ("framing=hdlc", ("--window", "3", "--pdu", "300")),
    ],
)
def test_long_values_are_written_and_read(
    our_meter: Serve, run_pydlms_reader: Run, listen: str, args: tuple[str, ...]
) -> None:
    """3,000 octets by SET in blocks, back by GET in blocks; two values by one GET with list, one of them refused."""
    meter = our_meter(f"tcp://127.0.0.1:0?{listen}")
    told = run_pydlms_reader(meter.targets[0], *args, "--set", *PROFILE)
    assert_read(told)
    assert (told["set"], told["many"]) == (3000, ["1999", "4"])
    stored = meter.devices[0].get(16, 1, bytes((0, 0, 96, 1, 0, 255)), 2)
    assert stored == bytes.fromhex("0A 82 0BB8") + b"X" * 3000


def test_over_a_pseudo_terminal(our_meter: Serve, run_pydlms_reader: Run) -> None:
    target = our_meter("pty?speech=hdlc").targets[0]
    told = run_pydlms_reader(target, "--client", "2", "--auth", "LLS", "--secret", "Gurux", "--list", *PROFILE)
    assert_read(told)


def test_general_block_transfer_is_refused_politely(our_meter: Serve, run_pydlms_reader: Run) -> None:
    """We do not grant the proposed service: the reader falls back to the blocks of GET."""
    target = our_meter("tcp://127.0.0.1:0?framing=wrapper").targets[0]
    assert_read(run_pydlms_reader(target, "--gbt", "5", "--pdu", "400", *PROFILE))


def test_a_counter_must_rise(our_meter: Serve, run_pydlms_reader: Run) -> None:
    target = our_meter("tcp://127.0.0.1:0?framing=wrapper").targets[0]
    assert_read(run_pydlms_reader(target, *CIPHERED, "--ic", "5000"))
    stale = run_pydlms_reader(target, *CIPHERED, "--ic", "10", fails=True)
    assert "clock" not in stale
    assert "InvocationCounterError" in stale["error"]
    # GMAC took one counter, and each APDU another: the meter names the last of them.
    assert re.search(r"expects IC > 500\d\b", stale["error"])
    # The same counters by another client title are fresh.
    assert_read(run_pydlms_reader(target, *CIPHERED, "--ic", "10", "--title", "PYDLMS02"))


@pytest.mark.parametrize(
    ("framing", "who", "reason"),
    [
        ("hdlc", ("--client", "2", "--auth", "LLS", "--secret", "wrong"), "AUTHENTICATION_FAILURE"),
        ("wrapper", ("--client", "3", "--auth", "HLS_MD5", "--secret", "wrong"), "pass 3 rejected"),
        ("hdlc", ("--client", "5", "--auth", "HLS_GMAC", "--ak", "00" * 16), "pass 3 rejected"),
        ("wrapper", (*CIPHERED, "--ek", "00" * 16), "AUTHENTICATION_FAILURE"),
        ("wrapper", ("--client", "77"), "association rejected"),
    ],
    ids=["password", "secret", "authentication key", "encryption key", "client"],
)
def test_who_does_not_know_the_secret_is_refused(
    our_meter: Serve, run_pydlms_reader: Run, framing: str, who: tuple[str, ...], reason: str
) -> None:
    told = run_pydlms_reader(our_meter(f"tcp://127.0.0.1:0?framing={framing}").targets[0], *who, fails=True)
    assert "clock" not in told
    assert reason in told["error"]
