"""A meter that speaks by itself, over a modelled line: found, read, and found again after damage."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from push_rig import C1218, MODE_D, P1, POWER, SERVER, every, notification, sml

import metersdk
from metersdk.apdu import axdr
from metersdk.dialog.opening import Plan, open_session
from metersdk.dialog.push_session import PushSession
from metersdk.dialog.pushers import Ear, Pusher, PushLine
from metersdk.dialog.timing import Timing
from metersdk.effects import Dialog, Push, Receive, Send, SetLine, Sleep, State
from metersdk.errors import Finding, FrameError, LocalProtocolError, MeterError, NoAnswer
from metersdk.frame.buffer import ReceiveBuffer
from metersdk.frame.hdlc import Frame, FrameKind, control_octet
from metersdk.frame.recognise import Speech
from metersdk.frame.sml import START_2
from metersdk.frame.telegram import encode_telegram
from metersdk.model.quirks import Quirks
from metersdk.model.reading import plain
from metersdk.model.telegram import Telegram
from metersdk.port.drive import iterate, run
from metersdk.port.line import LineModel
from metersdk.port.virtual import VirtualPort
from metersdk.simulator.image import Image
from metersdk.simulator.pusher import p1_telegram, sml_file


def line(telegram: bytes | Callable[[int], bytes], baud: int, period: float = 1.0, **faults: Any) -> VirtualPort:
    return VirtualPort(every(telegram, baud, period), LineModel(baud=300, **faults))


def plan(protocol: str = "push", *, baud: int | None = None, quirks: Quirks | None = None, **options: Any) -> Plan:
    return Plan.of(
        {"protocol": protocol, **options},
        medium="line",
        framing=None,
        baud=baud,
        hardware_parity=False,
        password=None,
        keys=None,
        quirks=quirks or Quirks(),
        timing=Timing(),
    )


def opened(port: VirtualPort, how: Plan | None = None) -> tuple[PushSession, list[object]]:
    events: list[object] = []
    session = run(open_session(how or plan()), port, events.append)
    assert isinstance(session, PushSession)
    return session, events


def telegrams(port: VirtualPort, session: PushSession, count: int) -> tuple[list[Telegram], list[str]]:
    with iterate(session.telegrams(count), port) as events:
        told = list(events)
    found = [each for each in told if isinstance(each, Telegram)]
    return found, [each.code for each in told if isinstance(each, Finding)]


SPOKEN = [
    (sml(), 9600, "sml"),
    (sml(), 115200, "sml"),
    (MODE_D, 2400, "iec62056-21:D"),
    (MODE_D, 9600, "iec62056-21:D"),
    (MODE_D, 300, "iec62056-21:D"),
    (P1, 115200, "p1"),
    (encode_telegram(b"/MSK5METER", b"0-0:96.1.1(31)\r\n1-0:1.7.0(1*kW)\r\n", crc=False), 9600, "p1"),
    (notification(axdr.structure(axdr.octets(POWER), axdr.u32(42))), 2400, "dlms:push"),
]


@pytest.mark.parametrize(("telegram", "baud", "protocol"), SPOKEN)
def test_found_by_listening(telegram: bytes, baud: int, protocol: str) -> None:
    port = line(telegram, baud)
    session, events = opened(port)
    assert run(session.identify(), port).protocol == protocol
    assert run(session.identify(), port).baud == baud
    assert [event.name for event in events if isinstance(event, State)] == ["pushed"]
    assert run(session.registers(), port)
    assert not [event for event in port.log if event.side == "client" and event.kind == "send"]
    found, _ = telegrams(port, session, 3)
    assert len(found) == 3
    assert port.now() < 40 * (1 + len(telegram) * 10 / baud)


@pytest.mark.parametrize(("telegram", "baud", "protocol"), SPOKEN[:7:2])
def test_joined_at_any_octet(telegram: bytes, baud: int, protocol: str) -> None:
    """The first telegram has begun before we listen: it is lost, and nothing else is."""
    for cut in range(0, len(telegram), max(1, len(telegram) // 12)):
        port = line(lambda number, cut=cut: telegram[cut:] if number == 1 else telegram, baud)  # type: ignore[misc]
        session, _ = opened(port, plan(baud=baud))
        assert run(session.identify(), port).protocol == protocol, cut
        assert port.now() <= 2.2 + 2 * len(telegram) * 10 / baud + 0.5, cut


def test_noise_between_telegrams_costs_nothing_but_the_noise() -> None:
    port = line(lambda number: b"\0\xff\x1b" * (number % 3) + sml(number) + b"\x55\xaa", 9600)
    session, _ = opened(port)
    found, codes = telegrams(port, session, 10)
    values = [int(each.readings[0].raw) for each in found]  # type: ignore[arg-type]
    assert values == list(range(values[0], values[0] + 10))
    assert set(codes) <= {"noise", "joined-amid"}


def test_a_damaged_telegram_costs_itself_alone() -> None:
    def damaged(number: int) -> bytes:
        telegram = bytearray(P1)
        if number % 3 == 0:
            telegram[40] ^= 1
        return bytes(telegram)

    port = line(damaged, 115200)
    session, _ = opened(port, plan(baud=115200))
    found, codes = telegrams(port, session, 6)
    assert len(found) == 6 and all(each.proved for each in found)
    assert codes.count("telegram-broken") >= 2


def test_wrong_parity_costs_the_telegram() -> None:
    damaged = bytearray(MODE_D)
    damaged[30] ^= 0x01
    port = line(lambda number: bytes(damaged) if number == 2 else MODE_D, 9600)
    session, _ = opened(port)
    _, codes = telegrams(port, session, 3)
    assert codes == ["telegram-broken"]


def test_a_good_message_of_a_damaged_file_is_taken() -> None:
    whole = sml(7)
    cut = whole[:-6]
    port = line(lambda number: cut if number % 2 else whole, 9600)
    session, _ = opened(port)
    found, codes = telegrams(port, session, 4)
    assert [each.readings[0].raw for each in found] == [7] * 4
    assert "sml-file-damaged" in codes


def test_version_2_is_named() -> None:
    port = line(START_2 + sml()[8:], 9600)
    events: list[object] = []
    with pytest.raises(NoAnswer):
        run(open_session(plan(baud=9600)), port, events.append)
    assert any(isinstance(event, Finding) and "version 2" in event.text for event in events)


def test_c1218_is_named() -> None:
    with pytest.raises(FrameError, match=r"C12\.18") as caught:
        opened(line(C1218, 9600))
    assert "c1218" in caught.value.hint


def test_pushes_over_hdlc_are_kept_as_they_came() -> None:
    clock = axdr.octets(bytes.fromhex("07ea011f06 0c0000ff8000ff".replace(" ", "")))
    rows = axdr.array(
        axdr.structure(axdr.octets(POWER), axdr.u32(1234), axdr.structure(axdr.i8(-1), axdr.enum(27))),
        axdr.structure(axdr.octets(bytes.fromhex("0000010000ff")), clock),
        axdr.structure(axdr.octets(bytes.fromhex("0000600101ff")), axdr.octets(b"12345678")),
    )
    port = line(notification(rows), 2400)
    session, events = opened(port)
    power, time, number = run(session.registers(), port)
    assert (str(power.value), power.unit) == ("123.4", metersdk.Unit.W)
    assert str(time.value) == "2026-01-31T12:00:00" and number.value == "12345678"
    assert any(isinstance(event, Push) for event in events)


def test_a_ciphered_push_is_told() -> None:
    apdu = bytes.fromhex("db084d534b30303030311e300000000100112233445566778899aabbccddeeff001122334455")
    frame = Frame(b"\x03", b"\x21", control_octet(FrameKind.UI, poll=False), b"\xe6\xe7\x00" + apdu).encode()
    port = line(frame, 9600)
    session, events = opened(port)
    assert [event.code for event in events if isinstance(event, Finding)] == ["push-ciphered"]
    assert run(session.registers(), port) == []


def test_silence_ends_in_time() -> None:
    port = VirtualPort(iter_nothing(), LineModel(baud=300))
    with pytest.raises(NoAnswer, match="nothing is pushed"):
        run(open_session(plan()), port)
    assert port.now() <= 60.0


def test_garbage_ends_in_time() -> None:
    port = line(lambda number: bytes((number * 37 + at * 91) % 251 for at in range(300)), 9600, 0.5)
    with pytest.raises(NoAnswer, match="no protocol that is known"):
        run(open_session(plan()), port)
    assert port.now() <= 61.0


def test_a_meter_that_falls_silent() -> None:
    def twice() -> Dialog[None]:
        yield SetLine(9600)
        for _ in range(2):
            yield Sleep(1.0)
            yield Send(sml())
        yield Receive(10_000.0)

    port = VirtualPort(twice(), LineModel(baud=300))
    session, _ = opened(port)
    with pytest.raises(NoAnswer, match="in time"):
        telegrams(port, session, 5)


def iter_nothing() -> Dialog[None]:
    while True:
        yield Receive(1000.0)


# ---- auto


@pytest.mark.parametrize(("telegram", "baud", "protocol"), SPOKEN[:1] + SPOKEN[2:4])
def test_auto_listens_where_octets_come_unasked(telegram: bytes, baud: int, protocol: str) -> None:
    port = line(telegram, baud)
    session, events = opened(port, plan("auto"))
    assert run(session.identify(), port).protocol == protocol
    steps = [event.name for event in events if isinstance(event, State)]
    assert steps == ["sign-on"] * 3 + ["overheard", "pushed"]
    assert port.now() < 20.0


def test_auto_finds_p1_at_its_high_speed() -> None:
    with metersdk.connect("sim://residential?speech=p1") as meter:
        assert (meter.identity.protocol, meter.identity.baud) == ("p1", 115200)


def test_auto_signs_on_first() -> None:
    device = Image.load("residential").device()
    assert sml_file(device, 1) and p1_telegram(device)
    with metersdk.connect("sim://residential") as meter:
        assert meter.identity.protocol == "dlms:hdlc"
        with pytest.raises(LocalProtocolError, match="by itself"):
            meter.telegrams(1)


def test_an_echo_is_nobody_who_speaks() -> None:
    def asked() -> Dialog[None]:
        yield Send(b"/?!\r\n")
        yield Receive(1.0)
        yield Receive(1.0)

    ear = Ear()
    dialog = ear.over(asked())
    next(dialog)
    dialog.send(None)
    dialog.send(b"/?!")
    with pytest.raises(StopIteration):
        dialog.send(b"\r\n\0")
    assert ear.heard == 1 and not ear.busy


# ---- what the session says


def test_the_session_refuses_to_ask() -> None:
    with metersdk.connect("sim://residential?speech=sml", protocol="sml") as meter:
        assert meter.identity.manufacturer == "MSK" and meter.identity.serial_number == "1MSK0012345678"
        assert meter.identity.server_id == SERVER.hex()
        assert meter.read("1-0:1.8.0").unit is metersdk.Unit.WH
        asked: tuple[Callable[[], object], ...] = (
            lambda: meter.objects,
            lambda: meter.get(3, "1.8.0", 2),
            lambda: meter.get_profile(),
            lambda: meter.set_clock(),
            lambda: meter.readout(),
            lambda: meter.read("1-0:99.99.99"),
        )
        for ask in asked:
            with pytest.raises(LocalProtocolError) as caught:
                ask()
            assert caught.value.hint
        with pytest.raises(MeterError, match="no time"):
            meter.clock  # noqa: B018


def test_a_readout_of_mode_d() -> None:
    with metersdk.connect("sim://residential?mode=D") as meter:
        home = meter.readout()
        assert home.identification is not None and home.identification.manufacturer == "MSK"
        assert home.data_sets and home.proved is None
        assert meter.registers()


def test_p1_has_a_clock() -> None:
    with metersdk.connect("sim://residential?speech=p1", protocol="push") as meter:
        assert meter.clock.year is not None and meter.identity.serial_number == "12345678"
        assert [each.proved for each in meter.telegrams(2)] == [True, True]


async def ahead(count: int) -> list[Telegram]:
    async with await metersdk.aconnect("sim://residential?speech=sml", protocol="push") as meter:
        return [telegram async for telegram in meter.telegrams(count)]


def test_the_same_over_asyncio() -> None:
    import asyncio

    assert [each.protocol for each in asyncio.run(ahead(2))] == ["sml", "sml"]


# ---- what is special about a meter


def read_power(telegram: bytes, quirks: Quirks | None = None) -> tuple[str, list[str]]:
    port = line(telegram, 9600)
    events: list[object] = []
    session = run(open_session(plan(quirks=quirks)), port, events.append)
    (reading,) = run(session.registers(), port)
    unit = reading.unit.symbol if reading.unit else ""
    return f"{plain(reading.value)} {unit}", [event.code for event in events if isinstance(event, Finding)]


def test_dzg_power_without_its_leading_zero() -> None:
    """53 8B 28 stands for 356.24 W; a maker's word in public: DVS74 of some serial numbers alone."""
    server = bytes.fromhex("0a01445a4700") + (42_123_456).to_bytes(4, "big")
    telegram = sml(-0x10000 + 0x8B28, 2, server, -2)
    assert read_power(telegram) == ("356.24 W", ["sml-unsigned"])
    assert read_power(telegram, Quirks(sml_unsigned="never")) == ("-299.12 W", [])
    other = bytes.fromhex("0a01445a4700") + (40_051_234).to_bytes(4, "big")
    assert read_power(sml(-10550, 2, other, -2)) == ("-105.50 W", [])
    assert read_power(sml(-10550, 2, SERVER, -2), Quirks(sml_unsigned="always")) == ("549.86 W", ["sml-unsigned"])


def test_wrong_scaler_and_unit() -> None:
    quirks = Quirks(sml_scalers=(("1-0:16.7.0", -2),), sml_units=(("1-0:16.7.0", 27),))
    assert read_power(sml(12345, 4, SERVER, None, None)) == ("12345 ", [])
    assert read_power(sml(12345, 4, SERVER, None, None), quirks) == ("123.45 W", ["sml-scaler", "sml-unit"])


def test_checksum_by_family() -> None:
    damaged = bytearray(sml())
    at = damaged.index(b"\x00\x76") - 1
    damaged[at] ^= 1
    body = bytes(damaged[:-2])
    from metersdk import fast

    wrong = body + fast.crc16(body).to_bytes(2, "little")
    assert read_power(wrong, Quirks(sml_checksum="none"))[0] == "4.2 W"


# ---- the pusher itself


def test_only_what_is_wanted() -> None:
    def both(number: int) -> bytes:
        return sml() if number % 2 else P1

    port = line(both, 9600)
    pusher = Pusher(PushLine((9600,), Speech.TELEGRAM), ReceiveBuffer())
    assert run(pusher.next(30.0), port).protocol == "p1"


def test_memory_is_bounded() -> None:
    """An endless stream of what looks like the beginning of a telegram."""
    buffer = ReceiveBuffer(1 << 16)
    port = line(b"/MSK5METER\r\n\r\n1-0:1.8.0(1*kWh)\r\n" * 40, 115200, 0.01)
    with pytest.raises(NoAnswer):
        run(Pusher(PushLine((115200,)), buffer).next(20.0), port)
    assert len(buffer) <= buffer.limit


@pytest.mark.captures("p1_ascii", "sml_negative")
def test_captures_as_telegrams(capture: Any) -> None:
    """Every capture that is whole, pushed over a line."""
    port = line(capture.bytes, 9600, 3.0)
    good = capture.meta["integrity"].get("dsmr_crc") in (None, {}) or capture.meta["integrity"]["dsmr_crc"]["ok"]
    if not good or capture.name == "ams_sagemcom_gh264-1":
        with pytest.raises(NoAnswer):
            run(open_session(plan(baud=9600)), port)
        return
    session, _ = opened(port, plan(baud=9600))
    assert len(run(session.registers(), port)) >= 4
