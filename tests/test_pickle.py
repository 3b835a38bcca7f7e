"""What a meter gave, and what went wrong, goes to another process and comes back whole."""

from __future__ import annotations

import copy
import inspect
import pickle
from collections.abc import Callable

import pytest

import metersdk
from metersdk import errors

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.MeterError)]
WAYS: list[Callable[[object], object]] = [lambda value: pickle.loads(pickle.dumps(value)), copy.deepcopy]


@pytest.fixture(params=WAYS, ids=["pickle", "deepcopy"])
def again(request: pytest.FixtureRequest) -> Callable[[object], object]:
    way: Callable[[object], object] = request.param
    return way


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_errors(kind: type[errors.MeterError], again: Callable[[object], object]) -> None:
    needed = {
        name: 3 if name != "code" else "ERR14"
        for name, each in inspect.signature(kind).parameters.items()
        if name in ("result", "state_error", "service_error", "service", "error", "value", "code", "response")
    }
    error = kind("it broke", layer="apdu", offset=2, data=b"\1\2\3", state="open", retryable=True, hint="try", **needed)
    error.findings = (errors.Finding("parity", "an odd octet", "line"),)
    back = again(error)
    assert type(back) is kind and vars(back) == vars(error) and back.args == error.args and str(back) == str(error)


@pytest.mark.parametrize(
    ("target", "password"),
    [("sim://residential", None), ("sim://residential?mode=C", None), ("sim://ansi?protocol=c1218", "12345678")],
)
def test_results(target: str, password: str | None, again: Callable[[object], object]) -> None:
    with metersdk.connect(target, password=password) as meter:
        profile = meter.get_profile(last="6h")
        results = [profile, profile[3:9], profile[0], *profile.columns, meter.identity, meter.registers(), meter.clock]
        results += [meter.events(), meter.snapshot(), meter.line, list(meter.findings)]
    for result in results:
        back = again(result)
        assert type(back) is type(result)
        if isinstance(result, metersdk.Column):
            assert isinstance(back, metersdk.Column) and back.values() == result.values() and back.head == result.head
        else:
            assert back == result
    assert profile[2:9].columns[1].raw.format == profile.columns[1].raw.format
    assert type(profile[0]) is type(profile[1])


def test_strings_and_mixed_cells(again: Callable[[object], object]) -> None:
    captures = [metersdk.CaptureObject(1, "0.0.96.1.0.255", 2), metersdk.CaptureObject(1, "0.0.96.10.1.255", 2)]
    buffer = bytes.fromhex("0103 0202 0903616263 1101 0202 090164 0a0178 0202 00 1105")
    profile = metersdk.Profile.from_axdr(buffer, captures)
    assert list(profile.rows())[1][0] == b"d"
    assert again(profile) == profile and list(again(profile)) == list(profile)  # type: ignore[call-overload]
