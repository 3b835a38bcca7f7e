"""Our client reads a meter built on Gurux's Python stack: framings, mechanisms, profiles, refusals."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

import metersdk
from metersdk import Keys, Profile, Unit
from metersdk.errors import AssociationRefused, AuthenticationFailed, DataAccessError

pytestmark = pytest.mark.interop

EK, AK = bytes(range(16)), bytes(range(0xD0, 0xE0))
FRAMINGS = ("hdlc", "wrapper")
MECHANISMS = ("none", "low", "high", "gmac", "gmac-plain")
REGISTERS = {"1.0.1.8.0.255": 12345678, "1.0.2.8.0.255": 0, "1.0.3.8.0.255": 0, "1.0.4.8.0.255": 0}
OBJECTS = {
    (15, "0.0.40.0.0.255"),
    (64, "0.0.43.0.0.255"),
    (1, "0.0.42.0.0.255"),
    (1, "0.0.43.1.0.255"),
    (8, "0.0.1.0.0.255"),
    (1, "0.0.96.10.1.255"),
    (7, "1.0.99.1.0.255"),
    *((3, code) for code in REGISTERS),
}
T0 = datetime(2026, 1, 1, tzinfo=UTC)
STEP = timedelta(minutes=15)

Check = Callable[..., None]


def access(mechanism: str) -> dict[str, Any]:
    """What ``connect`` takes for a mechanism."""
    match mechanism:
        case "low":
            return {"password": "Gurux"}
        case "high":
            return {"password": "Gurux", "authentication": "high"}
        case "gmac":
            return {"keys": Keys(encryption=EK, authentication=AK, invocation_counter=1)}
        case "gmac-plain":
            return {"keys": Keys(encryption=EK, authentication=AK, invocation_counter=1), "security": "none"}
    return {}


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("framing", FRAMINGS)
def test_associate_read_and_leave(
    gurux_server: dict[str, str], framing: str, mechanism: str, assert_rows: Check
) -> None:
    before = datetime.now(UTC)
    with metersdk.connect(gurux_server[framing], **access(mechanism)) as meter:
        # The peer sends hundredths, and so drops up to 10 ms.
        now = meter.clock.to_datetime()
        assert before - timedelta(milliseconds=10) <= now <= datetime.now(UTC)

        assert {(item.class_id, str(item.logical_name)) for item in meter.objects.all} == OBJECTS

        reading = meter.read("1.0.1.8.0.255")
        assert (reading.value, reading.unit) == (REGISTERS["1.0.1.8.0.255"], Unit.WH)
        assert {str(each.obis): each.value for each in meter.registers()} == REGISTERS
        assert meter.get(3, "1.0.1.8.0.255", 2) == 12345678
        assert meter.get(1, "0.0.42.0.0.255", 2) == b"GRX0000000000001"
        assert meter.identity.logical_device_name == "GRX0000000000001"

        profile = meter.get_profile()
        assert_rows(profile, 0, 999)
        assert profile.period == 900
        assert not profile.gaps
        assert [str(column.obis) for column in profile.columns] == ["0.0.1.0.0.255", "0.0.96.10.1.255", *REGISTERS]
        assert {column.unit for column in profile.columns[2:]} == {Unit.WH}


@pytest.mark.parametrize("framing", FRAMINGS)
def test_a_thousand_rows_come_in_pieces_too(gurux_server: dict[str, str], framing: str, assert_rows: Check) -> None:
    with metersdk.connect(gurux_server[framing], **access("gmac")) as meter:
        pieces = list(meter.iter_profile("1.0.99.1.0.255"))
        assert len(pieces) > 10
        whole = Profile.concat(pieces)
        assert_rows(whole, 0, 999)
        assert whole == meter.get_profile("1.0.99.1.0.255")


@pytest.mark.parametrize(
    ("entries", "first", "last"),
    [
        ((1, 1), 0, 0),
        ((1, 96), 0, 95),
        ((500, 519), 499, 518),
        ((1000, 1000), 999, 999),
        ((901, 0), 900, 999),
        ((990, 2000), 989, 999),
        ((1001, 1100), 1000, 999),
    ],
)
@pytest.mark.parametrize("framing", FRAMINGS)
def test_rows_by_entry(
    gurux_server: dict[str, str],
    framing: str,
    entries: tuple[int, int],
    first: int,
    last: int,
    assert_rows: Check,
) -> None:
    with metersdk.connect(gurux_server[framing], **access("low")) as meter:
        assert_rows(meter.get_profile(entries=entries), first, last)


@pytest.mark.parametrize(
    ("start", "stop", "first", "last"),
    [
        (0, 95, 0, 95),
        (400, 400, 400, 400),
        (990, 5000, 990, 999),
        (2000, 3000, 2000, 1999),
        (None, 9, 0, 9),
        (995, None, 995, 999),
    ],
)
@pytest.mark.parametrize("framing", FRAMINGS)
def test_rows_by_range(
    gurux_server: dict[str, str],
    framing: str,
    start: int | None,
    stop: int | None,
    first: int,
    last: int,
    assert_rows: Check,
) -> None:
    with metersdk.connect(gurux_server[framing], **access("low")) as meter:
        profile = meter.get_profile(
            start=None if start is None else T0 + start * STEP, stop=None if stop is None else T0 + stop * STEP
        )
        assert_rows(profile, first, last)


def test_bounds_in_another_zone_are_the_same_rows(gurux_server: dict[str, str], assert_rows: Check) -> None:
    zone = timezone(timedelta(hours=5, minutes=30))
    with metersdk.connect(gurux_server["wrapper"]) as meter:
        profile = meter.get_profile(start=(T0 + 40 * STEP).astimezone(zone), stop=(T0 + 59 * STEP).astimezone(zone))
        assert_rows(profile, 40, 59)


@pytest.mark.parametrize("framing", FRAMINGS)
def test_some_columns(gurux_server: dict[str, str], framing: str) -> None:
    with metersdk.connect(gurux_server[framing], **access("high")) as meter:
        profile = meter.get_profile(columns=["1.0.2.8.0.255", "1.0.4.8.0.255"], entries=(11, 30))
        assert [str(column.obis) for column in profile.columns] == [
            "0.0.1.0.0.255",
            "1.0.2.8.0.255",
            "1.0.4.8.0.255",
        ]
        assert list(profile.times) == [int((T0 + i * STEP).timestamp() * 1000) for i in range(10, 30)]
        assert list(profile.columns[1].raw) == [2000 + i for i in range(10, 30)]
        assert list(profile.columns[2].raw) == [4000 + i for i in range(10, 30)]
        assert not profile.findings


@pytest.mark.parametrize("framing", FRAMINGS)
def test_a_wrong_password_is_refused_and_not_repeated(gurux_server: dict[str, str], framing: str) -> None:
    with pytest.raises(AuthenticationFailed) as refused:
        metersdk.connect(gurux_server[framing], password="wrong")
    assert refused.value.exit_code == 6
    with pytest.raises(AssociationRefused) as refused_high:
        metersdk.connect(gurux_server[framing], password="wrong", authentication="high")
    assert refused_high.value.exit_code == 6
    # The meter takes the next client at once: the failed one has left.
    with metersdk.connect(gurux_server[framing], password="Gurux") as meter:
        assert meter.get(3, "1.0.1.8.0.255", 2) == 12345678


@pytest.mark.parametrize("framing", FRAMINGS)
def test_a_wrong_key_is_refused(gurux_server: dict[str, str], framing: str) -> None:
    wrong = Keys(encryption=EK, authentication=bytes(16), invocation_counter=1)
    with pytest.raises(AssociationRefused) as refused:
        metersdk.connect(gurux_server[framing], keys=wrong, security="none")
    assert refused.value.exit_code == 6
    assert AK.hex() not in str(refused.value)


@pytest.mark.parametrize("mechanism", ["none", "gmac"])
@pytest.mark.parametrize("framing", FRAMINGS)
def test_what_is_not_there_is_an_error_and_the_association_goes_on(
    gurux_server: dict[str, str], framing: str, mechanism: str
) -> None:
    with metersdk.connect(gurux_server[framing], **access(mechanism)) as meter:
        with pytest.raises(DataAccessError) as undefined:
            meter.get(3, "1.0.9.8.0.255", 2)
        assert (undefined.value.result, undefined.value.exit_code) == (4, 7)
        with pytest.raises(DataAccessError) as unavailable:
            meter.get(3, "1.0.1.8.0.255", 77)
        assert unavailable.value.result == 11
        assert meter.read("1.0.1.8.0.255").value == 12345678


@pytest.mark.parametrize("mechanism", ["low", "gmac"])
@pytest.mark.parametrize("framing", FRAMINGS)
def test_the_asyncio_door_reads_the_same(
    gurux_server: dict[str, str], framing: str, mechanism: str, assert_rows: Check
) -> None:
    async def read() -> tuple[Profile, Profile, object]:
        async with metersdk.aconnect(gurux_server[framing], **access(mechanism)) as meter:
            whole = await meter.get_profile()
            pieces = [piece async for piece in meter.iter_profile(entries=(101, 400))]
            return whole, Profile.concat(pieces), (await meter.read("1.0.1.8.0.255")).value

    whole, part, value = asyncio.run(read())
    assert_rows(whole, 0, 999)
    assert_rows(part, 100, 399)
    assert value == 12345678
