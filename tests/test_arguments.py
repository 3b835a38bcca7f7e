"""What was called wrong is told so, with what to write instead, and nothing is sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import metersdk
from metersdk import Meter
from metersdk.errors import LocalProtocolError

TARGET = "sim://residential?framing=wrapper"

CALLS: list[tuple[Callable[[Any], object], str, str]] = [
    (lambda m: m.get_profile(columns="1.0.1.8.0.255"), "columns is a list", "columns=['1.0.1.8.0.255']"),
    (lambda m: m.get_profile(entries=(5, 1)), "no first and last entry", "(1, 96)"),
    (lambda m: m.get_profile(entries=5), "no first and last entry", "(1, 96)"),
    (lambda m: m.get_profile(last=7), "7 is no span of time", "7d"),
    (lambda m: m.get_profile(last="7"), "'7' is no span of time", "7d"),
    (lambda m: m.get_profile(start=20261122), "20261122 is no time", "2026-11-22"),
    (lambda m: list(m.iter_profile(columns="1.8.0")), "columns is a list", "columns=['1.8.0']"),
    (lambda m: m.events(last=7), "7 is no span of time", "7d"),
    (lambda m: m.set_clock("2026-11-22"), "is no datetime", ""),
    (lambda m: m.get("Register", "1.8.0", 2), "'Register' is no class", "Register"),
    (lambda m: m.get(99999, "1.8.0", 2), "99999 is no class", "65535"),
    # 258 in one octet would be attribute 2.
    (lambda m: m.get(3, "1.8.0", 258), "258 is no attribute", "127"),
    (lambda m: m.action(3, "1.8.0", 257), "257 is no attribute or method", "127"),
]


@pytest.mark.parametrize(("call", "said", "hint"), CALLS)
def test_calls(call: Callable[[Meter], object], said: str, hint: str) -> None:
    with metersdk.connect(TARGET) as meter:
        assert meter.read("1.8.0")
        with pytest.raises(LocalProtocolError) as caught:
            call(meter)
        assert said in str(caught.value) and hint in caught.value.hint
        assert meter.read("1.8.0")


@pytest.mark.parametrize(
    ("arguments", "said", "hint"),
    [
        ({"keys": "000102030405060708090A0B0C0D0E0F"}, "keys are no Keys", "metersdk.Keys("),
        ({"timing": 5}, "timing is no Timing", "metersdk.Timing("),
        # bytes(12345678) would be that many zeros.
        ({"password": 12345678}, "a password or key is text or octets, no int", ""),
        ({"authentication": "low"}, "needs a password", "password="),
        ({"authentication": "high-gmac"}, "need keys", "keys="),
    ],
)
def test_connect(arguments: dict[str, Any], said: str, hint: str) -> None:
    with pytest.raises(LocalProtocolError) as caught:
        metersdk.connect(TARGET, **arguments)
    assert said in str(caught.value) and hint in caught.value.hint
    assert "0001020304" not in str(caught.value) + caught.value.hint


def test_a_client_that_no_hdlc_address_holds() -> None:
    with pytest.raises(LocalProtocolError, match=r"^70000 does not fit an HDLC address") as caught:
        metersdk.connect("sim://residential?framing=hdlc", client=70000)
    assert "1 to 127" in caught.value.hint
