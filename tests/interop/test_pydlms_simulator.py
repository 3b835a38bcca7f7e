"""Our client reads a meter built on pydlms: mechanisms, envelopes, windows, lost frames, pushes, counters, SET."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

import metersdk
from metersdk import Keys, Profile, Timing, Unit
from metersdk.apdu import xdlms
from metersdk.errors import ActionError, AssociationRefused, AuthenticationFailed, DataAccessError, SecurityError

pytestmark = pytest.mark.interop

Target = Callable[..., str]
Check = Callable[..., None]
Open = Callable[..., Any]

EK, AK = bytes(range(16)), bytes(range(0xD0, 0xE0))
SECRET = "12345678"
ROWS = ("--rows", "1000")
FRAMINGS = {"hdlc": ("--hdlc",), "wrapper": ()}
# What the secured client of the meter wants, and what `connect` takes for it.
MECHANISMS: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "low": (("--auth", "LLS"), {"password": SECRET}),
    "high-md5": (("--auth", "HLS_MD5"), {"password": SECRET, "authentication": "high-md5"}),
    "high-sha1": (("--auth", "HLS_SHA1"), {"password": SECRET, "authentication": "high-sha1"}),
    "high-sha256": (("--auth", "HLS_SHA256"), {"password": SECRET, "authentication": "high-sha256"}),
    "high-gmac": (("--auth", "HLS_GMAC"), {"authentication": "high-gmac"}),
}
CIPHERED = ("--ciphered", "--auth", "HLS_GMAC")
REGISTERS = {
    "1.0.1.8.0.255": ("12345678", Unit.WH),
    "1.0.2.8.0.255": ("4321", Unit.WH),
    "1.0.1.7.0.255": ("1520", Unit.W),
    "1.0.32.7.0.255": ("230.1", Unit.V),
    "1.0.31.7.0.255": ("5.23", Unit.A),
}
# A dropped frame costs the time after which we ask again.
PATIENT = Timing(response=2.0)
T0 = datetime(2026, 1, 1, tzinfo=UTC)
STEP = timedelta(minutes=15)


@pytest.fixture(scope="module")
def keys() -> Keys:
    """One set of keys for all sessions: its counter goes on rising, as the meters demand."""
    return Keys(encryption=EK, authentication=AK, invocation_counter=1)


@pytest.mark.parametrize("framing", FRAMINGS)
def test_the_public_client(pydlms_meter: Target, framing: str) -> None:
    with metersdk.connect(pydlms_meter(*FRAMINGS[framing])) as meter:
        assert meter.identity.logical_device_name == "PYD1000000000001"
        assert meter.identity.serial_number == "PYD0000000001"
        assert str(meter.clock) == "2024-05-01T12:00:00+02:00"
        # All at once, by GET with list.
        assert {str(each.obis): (str(each.value), each.unit) for each in meter.registers()} == REGISTERS
        assert not [finding for finding in meter.findings if finding.code.startswith("get-with-list")]
        assert set(REGISTERS) <= {str(code) for code in meter.objects}

        profile = meter.get_profile()
        start = int(datetime(2024, 5, 1, tzinfo=UTC).timestamp() * 1000)
        assert list(profile.times) == [start + 900_000 * i for i in range(96)]
        assert list(profile.column("1.0.1.8.0.255").raw) == [1000 + 7 * i for i in range(96)]
        assert profile.period == 900


@pytest.mark.parametrize(
    ("framing", "mechanism"),
    [
        *(("hdlc", mechanism) for mechanism in ("low", "high-md5", "high-sha256", "high-gmac")),
        *(("wrapper", mechanism) for mechanism in ("low", "high-sha1", "high-sha256", "high-gmac")),
    ],
)
def test_mechanisms(pydlms_meter: Target, framing: str, mechanism: str, keys: Keys, assert_rows: Check) -> None:
    args, told = MECHANISMS[mechanism]
    if mechanism in ("high-gmac", "high-sha256"):
        # Both need the titles of the two sides.
        told = told | {"keys": keys, "security": "none"}
    target = pydlms_meter(*FRAMINGS[framing], *args, *ROWS)
    with metersdk.connect(target, client=1, **told) as meter:
        assert meter.read("1.0.1.8.0.255").value == 12345678
        assert_rows(meter.get_profile(), 0, 999)
        assert_rows(meter.get_profile(entries=(301, 396)), 300, 395)
        assert_rows(meter.get_profile(start=T0 + 700 * STEP, stop=T0 + 795 * STEP), 700, 795)


@pytest.mark.parametrize("framing", FRAMINGS)
def test_ciphered(pydlms_meter: Target, framing: str, keys: Keys, assert_rows: Check) -> None:
    target = pydlms_meter(*FRAMINGS[framing], *CIPHERED, *ROWS)
    with metersdk.connect(target, client=1, keys=keys) as meter:
        assert str(meter.read("1.0.32.7.0.255").value) == "230.1"
        assert {str(each.obis): (str(each.value), each.unit) for each in meter.registers()} == REGISTERS
        assert_rows(meter.get_profile(), 0, 999)
        assert_rows(Profile.concat(meter.iter_profile(entries=(1, 500))), 0, 499)
        with pytest.raises(DataAccessError) as undefined:
            meter.get(3, "1.0.9.8.0.255", 2)
        assert undefined.value.result == 4
        assert meter.get(3, "1.0.1.8.0.255", 2) == 12345678


@pytest.mark.parametrize(
    "more",
    [
        {"dedicated": True},
        {"envelope": "general"},
        {"envelope": "general", "dedicated": True},
        {"envelope": "ciphering"},
    ],
    ids=["dedicated", "general-glo", "general-ded", "general-ciphering"],
)
@pytest.mark.parametrize("framing", FRAMINGS)
def test_envelopes(
    pydlms_meter: Target, open_meter: Open, framing: str, more: dict[str, Any], keys: Keys, assert_rows: Check
) -> None:
    target = pydlms_meter(*FRAMINGS[framing], *CIPHERED, *ROWS)
    meter = open_meter(target, client=1, keys=keys, association=more)
    assert meter.get(3, "1.0.1.8.0.255", 2) == 12345678
    assert_rows(meter.get_profile(entries=(1, 200)), 0, 199)
    meter.close()


@pytest.mark.parametrize("suite", [1, 2])
def test_later_security_suites(
    pydlms_meter: Target, tmp_path_factory: pytest.TempPathFactory, suite: int, assert_rows: Check
) -> None:
    size = 32 if suite == 2 else 16
    own = Keys(
        encryption=bytes(range(size)),
        authentication=bytes(range(0xD0, 0xD0 + size)),
        invocation_counter=1,
        suite=suite,
    )
    folder = str(tmp_path_factory.mktemp("peer-keys"))
    target = pydlms_meter("--hdlc", *CIPHERED, *ROWS, "--suite", str(suite), "--keys", folder)
    with metersdk.connect(target, client=1, keys=own) as meter:
        assert meter.get(3, "1.0.1.8.0.255", 2) == 12345678
        assert_rows(meter.get_profile(entries=(1, 100)), 0, 99)


@pytest.mark.parametrize(
    ("framing", "mechanism"), [("hdlc", "low"), ("wrapper", "low"), ("hdlc", "high-md5"), ("wrapper", "high-sha1")]
)
def test_a_wrong_password(pydlms_meter: Target, framing: str, mechanism: str) -> None:
    args, told = MECHANISMS[mechanism]
    target = pydlms_meter(*FRAMINGS[framing], *args, *ROWS)
    with pytest.raises(AuthenticationFailed) as refused:
        metersdk.connect(target, client=1, **told | {"password": "87654321"})
    assert refused.value.exit_code == 6
    assert "87654321" not in repr(refused.value) + str(refused.value)
    with metersdk.connect(target, client=1, **told) as meter:
        assert meter.get(3, "1.0.1.8.0.255", 2) == 12345678


def test_a_wrong_mechanism_and_an_unknown_client_are_refused(pydlms_meter: Target, keys: Keys) -> None:
    target = pydlms_meter("--auth", "LLS", *ROWS)
    for told in ({"client": 1}, {"client": 77}, {"client": 1, "keys": keys}):
        with pytest.raises(AssociationRefused) as refused:
            metersdk.connect(target, **told)
        assert refused.value.exit_code == 6
        assert refused.value.hint


def test_over_a_pseudo_terminal(pydlms_meter: Target, assert_rows: Check) -> None:
    target = pydlms_meter("--pty", "--auth", "LLS", "--rows", "200")
    for told in ({}, {"client": 1, "password": SECRET}):
        with metersdk.connect(target, **told) as meter:
            assert meter.identity.protocol == "dlms:hdlc"
            assert meter.read("1.0.1.8.0.255").value == 12345678
            assert_rows(meter.get_profile(), 0, 199)


@pytest.mark.parametrize(
    "args",
    [
        ("--window", "1"),
        ("--window", "7"),
        ("--window", "3", "--max-info", "64"),
        ("--window", "7", "--max-info", "1024", "--max-pdu", "2048"),
        ("--window", "7", "--drop-i", "6"),
        ("--window", "7", "--drop-i", "5,7,9"),
        ("--window", "7", "--reject-i", "6"),
        ("--window", "1", "--drop-i", "4"),
    ],
    ids=" ".join,
)
def test_long_values_are_set_and_read_over_windows(pydlms_meter: Target, args: tuple[str, ...]) -> None:
    """3,000 octets in SET blocks, each in several segments; lost and rejected frames are sent again."""
    target = pydlms_meter("--hdlc", *args)
    text = "".join(chr(0x41 + i % 26) for i in range(3000))
    with metersdk.connect(target, timing=PATIENT) as meter:
        meter.set(1, "0.0.96.1.0.255", 2, text)
        assert meter.get(1, "0.0.96.1.0.255", 2) == text
        meter.set(1, "0.0.96.1.0.255", 2, "PYD0000000001")
        assert meter.get(1, "0.0.96.1.0.255", 2) == "PYD0000000001"


@pytest.mark.parametrize("envelope", ["plain", "ciphered"])
def test_long_values_over_the_wrapper(pydlms_meter: Target, keys: Keys, envelope: str) -> None:
    target = pydlms_meter(*CIPHERED, "--max-pdu", "500")
    told: dict[str, Any] = {"client": 1, "keys": keys} if envelope == "ciphered" else {}
    with metersdk.connect(target, **told) as meter:
        meter.set(1, "0.0.96.1.0.255", 2, "X" * 3000)
        assert meter.get(1, "0.0.96.1.0.255", 2) == "X" * 3000


def test_a_server_with_general_block_transfer_is_read_by_get_blocks(pydlms_meter: Target, assert_rows: Check) -> None:
    with metersdk.connect(pydlms_meter(*ROWS, "--gbt-window", "5", "--max-pdu", "400")) as meter:
        assert_rows(meter.get_profile(), 0, 999)


@pytest.mark.parametrize("when", ["--push", "--push-early"])
@pytest.mark.parametrize("framing", FRAMINGS)
def test_pushes_in_between_are_kept_and_never_an_answer(
    pydlms_meter: Target, framing: str, when: str, assert_rows: Check
) -> None:
    args = ("--push",) if when == "--push" else ("--push", "--push-early")
    heard: list[object] = []
    target = pydlms_meter(*FRAMINGS[framing], *args, "--rows", "200")
    with metersdk.connect(target, progress=heard.append) as meter:
        asked = len(meter.pushes)
        assert bool(asked) is (when == "--push-early")
        assert meter.get(3, "1.0.1.8.0.255", 2) == 12345678
        assert len(meter.pushes) == asked + 1
        assert_rows(meter.get_profile(), 0, 199)
        pushes = list(meter.pushes)
        assert len(pushes) > asked + 2
    for push in pushes:
        unit = xdlms.decode(push.apdu)
        assert isinstance(unit, xdlms.DataNotification)
        assert unit.data == bytes.fromhex("0202 0906 0100010800FF 06 0000002A")
    assert [event for event in heard if isinstance(event, metersdk.Push)][: len(pushes)] == pushes


def test_a_stale_counter_is_named(pydlms_meter: Target) -> None:
    target = pydlms_meter(*CIPHERED, "--ic", "5000", fresh=True)
    stale = Keys(encryption=EK, authentication=AK, invocation_counter=10)
    with pytest.raises(SecurityError, match="5000") as refused:
        metersdk.connect(target, client=1, keys=stale)
    assert refused.value.exit_code == 6
    assert "5000" in refused.value.hint
    fresh = Keys(encryption=EK, authentication=AK, invocation_counter=5001)
    with metersdk.connect(target, client=1, keys=fresh) as meter:
        assert meter.get(3, "1.0.1.8.0.255", 2) == 12345678
    # The public client is told the highest counter the meter has seen.
    with metersdk.connect(target) as public:
        assert public.get(1, "0.0.43.1.0.255", 2) >= 5001


def test_a_wrong_key_is_refused(pydlms_meter: Target) -> None:
    target = pydlms_meter(*CIPHERED, fresh=True)
    wrong = Keys(encryption=bytes(16), authentication=AK, invocation_counter=1)
    with pytest.raises(AssociationRefused) as refused:
        metersdk.connect(target, client=1, keys=wrong)
    assert refused.value.exit_code == 6


@pytest.mark.parametrize("kind", ["plain", "ciphered"])
@pytest.mark.parametrize("framing", FRAMINGS)
def test_the_asyncio_door(pydlms_meter: Target, framing: str, kind: str, keys: Keys, assert_rows: Check) -> None:
    target = pydlms_meter(*FRAMINGS[framing], *CIPHERED, *ROWS)
    told: dict[str, Any] = {"client": 1, "keys": keys} if kind == "ciphered" else {}

    async def read() -> tuple[Profile, list[Any], object]:
        async with metersdk.aconnect(target, **told) as meter:
            await meter.set(1, "0.0.96.1.0.255", 2, "Y" * 1500)
            return await meter.get_profile(), await meter.registers(), await meter.get(1, "0.0.96.1.0.255", 2)

    profile, registers, text = asyncio.run(read())
    assert_rows(profile, 0, 999)
    assert {str(each.obis): (str(each.value), each.unit) for each in registers} == REGISTERS
    assert text == "Y" * 1500


def test_asyncio_over_a_pseudo_terminal(pydlms_meter: Target, assert_rows: Check) -> None:
    async def read(target: str) -> Profile:
        async with metersdk.aconnect(target) as meter:
            return await meter.get_profile()

    assert_rows(asyncio.run(read(pydlms_meter("--pty", "--auth", "LLS", "--rows", "200"))), 0, 199)


@pytest.mark.parametrize("framing", FRAMINGS)
def test_a_counter_that_nobody_kept_is_asked_for(pydlms_meter: Target, framing: str) -> None:
    """The public client reads it first; then the same keys go on rising by themselves."""
    target = pydlms_meter(*FRAMINGS[framing], *CIPHERED, "--ic", "5000", fresh=True)
    for _ in range(2):
        unknown = Keys(encryption=EK, authentication=AK, invocation_counter=None)
        with metersdk.connect(target, client=1, keys=unknown) as meter:
            assert meter.get(3, "1.0.1.8.0.255", 2) == 12345678


@pytest.mark.parametrize("kind", ["plain", "ciphered"])
def test_methods_and_the_clock(pydlms_meter: Target, kind: str) -> None:
    target = pydlms_meter("--hdlc", *CIPHERED, fresh=True)
    own = Keys(encryption=EK, authentication=AK, invocation_counter=1)
    told: dict[str, Any] = {"client": 1, "keys": own} if kind == "ciphered" else {}
    with metersdk.connect(target, **told) as meter:
        # remote_disconnect (class 70 method 1) opens the output.
        assert meter.get(70, "0.0.96.3.10.255", 2) is True
        assert meter.action(70, "0.0.96.3.10.255", 1, metersdk.Data(metersdk.Tag.INTEGER, 0)) is None
        assert meter.get(70, "0.0.96.3.10.255", 2) is False
        with pytest.raises(ActionError) as unknown:
            meter.action(70, "0.0.96.3.11.255", 1, metersdk.Data(metersdk.Tag.INTEGER, 0))
        assert unknown.value.exit_code == 7

        moment = datetime(2026, 7, 31, 12, 34, 56, tzinfo=timezone(timedelta(hours=2)))
        meter.set_clock(moment)
        assert meter.clock.to_datetime() == moment
        assert meter.clock.deviation == -120


@pytest.mark.parametrize("framing", FRAMINGS)
def test_columns_are_selected_by_the_meter(pydlms_meter: Target, framing: str, assert_rows: Check) -> None:
    with metersdk.connect(pydlms_meter(*FRAMINGS[framing], "--auth", "LLS", *ROWS)) as meter:
        by_range = meter.get_profile(start=T0 + 10 * STEP, stop=T0 + 29 * STEP, columns=["1.0.3.8.0.255"])
        by_entry = meter.get_profile(entries=(11, 30), columns=["1.0.3.8.0.255"])
        assert by_range == by_entry
        assert not by_range.findings
        assert [str(column.obis) for column in by_range.columns] == ["0.0.1.0.0.255", "1.0.3.8.0.255"]
        assert list(by_range.columns[1].raw) == [3000 + i for i in range(10, 30)]
        assert list(by_range.times) == [int((T0 + i * STEP).timestamp() * 1000) for i in range(10, 30)]
        for entries, first, last in (((1, 1), 0, 0), ((1000, 0), 999, 999), ((999, 5000), 998, 999), ((2000, 0), 1, 0)):
            assert_rows(meter.get_profile(entries=entries), first, last)
