"""Telegrams of mode D and P1: whole, octet by octet, damaged, and what else may be on such a line."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from metersdk.apdu.sml_encode import encode
from metersdk.apdu.sml_types import CloseResponse
from metersdk.frame import telegram as telegram_module
from metersdk.frame.buffer import ReceiveBuffer
from metersdk.frame.iec62056_21 import to_line
from metersdk.frame.recognise import Speech, recognise
from metersdk.frame.sml import encode_frame
from metersdk.frame.telegram import (
    TELEGRAM_LIMIT,
    TelegramScanner,
    TextTelegram,
    crc16_arc,
    encode_telegram,
    telegrams,
)

LINES = b"0-0:96.1.1(31323334)\r\n1-0:1.8.1(000123.456*kWh)\r\n1-0:1.7.0(01.234*kW)\r\n"
P1 = encode_telegram(b"/MSK5METER", LINES, crc=True)
MODE_D = to_line(encode_telegram(b"/MSK3METER", b"1.8.0(000123.456*kWh)\r\nC.1.0(12345678)\r\n", crc=False))


def taken(parts: Iterable[bytes], *, final: bool = False) -> tuple[list[TextTelegram], int]:
    buffer = ReceiveBuffer()
    scanner = TelegramScanner(buffer)
    found = []
    for part in parts:
        buffer.feed(part)
        while (one := scanner.take()) is not None:
            found.append(one)
    while final and (one := scanner.take(final=True)) is not None:
        found.append(one)
    return found, scanner.noise


def octets(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


def test_check_value() -> None:
    assert crc16_arc(b"123456789") == 0xBB3D


@pytest.mark.parametrize(
    ("raw", "proved", "form", "is_p1"), [(P1, True, "8N1", True), (MODE_D, None, "7E1", False)], ids=["p1", "mode-d"]
)
def test_whole_and_octet_by_octet(raw: bytes, proved: bool | None, form: str, is_p1: bool) -> None:
    stream = b"\0\xff!\r\n" + raw + raw + b"junk\r\n" + raw
    whole, noise = taken([stream])
    assert taken(octets(stream)) == (whole, noise)
    assert [(one.proved, one.format, one.damaged, one.is_p1) for one in whole] == [(proved, form, 0, is_p1)] * 3
    assert [one.offset for one in whole] == [5, 5 + len(raw), 11 + 2 * len(raw)]
    assert noise == 11
    assert whole[0].identification.manufacturer == "MSK"


def test_letters_beyond_seven_bits_are_no_damage() -> None:
    lines = LINES + "0-0:96.13.0(G\xe5 till k\xe4llaren)\r\n".encode("latin-1")
    (found,), _ = taken([encode_telegram(b"/MSK5METER", lines, crc=True)])
    assert (found.proved, found.format, found.damaged) == (True, "8N1", 0)
    assert found.body.endswith(lines)


def test_joined_amid_a_telegram() -> None:
    for cut in range(1, len(P1)):
        found, _ = taken([P1[cut:] + P1])
        assert [one.proved for one in found] == [True], cut


def test_a_telegram_that_breaks_off_costs_itself_alone() -> None:
    for cut in range(len(P1) - 1):
        found, _ = taken([P1[:cut] + P1])
        assert found[-1].raw == P1 and len(found) <= 2, cut


@pytest.mark.parametrize("place", range(0, len(P1) - 8, 5))
def test_a_wrong_octet_is_seen(place: int) -> None:
    damaged = bytearray(P1)
    damaged[place] ^= 1
    found, _ = taken([bytes(damaged)])
    assert all(one.proved is False for one in found)


def test_wrong_parity_is_counted() -> None:
    damaged = bytearray(MODE_D)
    damaged[30] ^= 0x80
    (found,), _ = taken([bytes(damaged)])
    assert found.damaged == 1


def test_last_line_without_its_end() -> None:
    assert taken([P1[:-2]])[0] == []
    (found,), _ = taken([P1[:-2] + b"\0"], final=True)
    assert found.proved is True


def test_text_without_end_is_bounded() -> None:
    stream = b"/MSK5METER\r\n\r\n" + b"1.8.0(1)\r\n" * (TELEGRAM_LIMIT // 5) + b"!\r\n" + P1
    buffer = ReceiveBuffer(TELEGRAM_LIMIT + 1000)
    scanner = TelegramScanner(buffer)
    found = []
    for at in range(0, len(stream), 500):
        buffer.feed(stream[at : at + 500])
        while (one := scanner.take()) is not None:
            found.append(one)
    assert [one.raw for one in found] == [P1]


def test_recognised() -> None:
    assert recognise(P1) is recognise(MODE_D) is Speech.TELEGRAM
    assert recognise(P1[40:80]) is Speech.TELEGRAM
    sml = encode_frame(encode(CloseResponse(None), b"\1"))
    assert recognise(sml) is recognise(sml[12:]) is Speech.SML
    assert recognise(bytes.fromhex("7ea0070321930f017e")) is Speech.HDLC
    assert recognise(bytes.fromhex("ee0000000001201310")) is Speech.C1218
    assert recognise(b"") is recognise(bytes(100)) is recognise(b"/?!\r\n") is recognise(b"\x1b\x1b\x1b\x1b") is None


@pytest.mark.captures("p1_ascii")
def test_captures(capture: Any) -> None:
    """What the corpus says of the CRC, we say, too."""
    found = list(telegrams(capture.bytes))
    if capture.name == "ams_sagemcom_gh264-1":
        # No line that begins with "!": it was not captured to its end.
        assert found == []
        return
    (one,) = found
    told = capture.meta["integrity"].get("dsmr_crc")
    assert one.proved is (told["ok"] if told else None)
    assert recognise(capture.bytes) is Speech.TELEGRAM


@pytest.mark.parametrize("filling", [P1, b"!\r\n", b"(1)!x\r\n", b"/MSK5METER\r\n", b"noise\n" * 8])
def test_the_work_for_a_capture_grows_with_it_and_no_faster(monkeypatch: pytest.MonkeyPatch, filling: bytes) -> None:
    looked_at = [0]
    real_line, real_find = telegram_module.from_line, telegram_module.find_identification

    def line(octets: bytes) -> object:
        looked_at[0] += len(octets)
        return real_line(octets)

    def find(text: bytes, at: int = 0) -> object:
        found = real_find(text, at)
        looked_at[0] += (len(text) if found is None else found[2]) - at
        return found

    monkeypatch.setattr(telegram_module, "from_line", line)
    monkeypatch.setattr(telegram_module, "find_identification", find)
    for times in (50, 800):
        looked_at[0] = 0
        capture = filling * times
        assert len(list(telegrams(capture))) == (times if filling == P1 else 0)
        assert looked_at[0] <= 5 * len(capture)
