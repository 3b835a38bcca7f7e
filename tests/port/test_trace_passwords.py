"""Passwords of IEC 62056-21 programming mode and of C12.18 do not come into a trace, whoever sends them."""

from __future__ import annotations

from pathlib import Path

import pytest

from metersdk.frame.c1218 import Packet
from metersdk.port.trace import Recorder, read_trace


def command(kind: bytes, data: bytes) -> bytes:
    body = kind + b"\x02" + data + b"\x03"
    check = 0
    for octet in body:
        check ^= octet
    return b"\x01" + body + bytes((check,))


def even(text: bytes) -> bytes:
    return bytes(octet | (octet.bit_count() & 1) << 7 for octet in text)


@pytest.mark.parametrize("form", [bytes, even])
@pytest.mark.parametrize("kind", [b"P1", b"P2"])
@pytest.mark.parametrize("brackets", [b"(%b)", b"%b"])
def test_the_password_its_bcc_and_its_echo(tmp_path: Path, form: type[bytes], kind: bytes, brackets: bytes) -> None:
    path = tmp_path / "trace.jsonl"
    recorder = Recorder(path, "test")
    sent = form(command(kind, brackets % b"8765432"))
    recorder.sent(0.0, sent)
    for at in range(0, len(sent), 3):
        recorder.received(0.1, sent[at : at + 3])
    recorder.received(0.2, b"\x06")
    recorder.close()
    records = list(read_trace(path))
    assert records[0].masked and len(records[0].octets) == len(sent)
    hidden = b"".join(record.data for record in records)
    for secret in (b"8765432", form(b"8765432"), b"876", form(b"876")):
        assert secret not in hidden
    assert records[0].octets[-1] == -1
    # Command, brackets and ETX are still there to be read.
    assert records[0].data[:4] == sent[:4] and records[0].data[-2:-1] == sent[-2:-1]


def test_other_commands_are_written_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    recorder = Recorder(path, "test")
    frames = [command(b"P0", b"(87654321)"), command(b"R1", b"P1(5)"), command(b"W1", b"C.1(5)"), b"\x01P1\x03\x62"]
    for frame in frames:
        recorder.sent(0.0, frame)
    recorder.close()
    assert [record.data for record in read_trace(path)] == frames


@pytest.mark.parametrize("toggle", [False, True])
@pytest.mark.parametrize("user", [b"", b"\x00\x01"])
def test_the_password_of_c1218_its_crc_and_its_echo(tmp_path: Path, toggle: bool, user: bytes) -> None:
    """Nobody named the secret; a CRC over four digits would tell them."""
    path = tmp_path / "trace.jsonl"
    recorder = Recorder(path, "test")
    packet = Packet(b"\x51" + b"4711".ljust(20, b"\0") + user, toggle).encode()
    recorder.sent(0.0, packet)
    for at in range(0, len(packet), 5):
        recorder.received(0.1, packet[at : at + 5])
    recorder.received(0.2, b"\x06" + Packet(b"\x00").encode())
    recorder.sent(0.3, b"\x06" + Packet(b"\x30\x00\x01", True).encode())
    recorder.close()
    sent, *heard, later = read_trace(path)
    assert sent.data == packet[:7] + b"*" * (len(packet) - 7)
    said = b"".join(record.data for record in heard)
    assert b"4711" not in said and packet[-2:] not in said
    assert said.endswith(b"\x06" + Packet(b"\x00").encode())
    assert not later.masked


def test_what_follows_a_secret_in_a_packet_tells_about_it(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    recorder = Recorder(path, "test", [b"secret-of-mine"])
    packet = Packet(b"\x40\x00\x2a\x00\x0e" + b"secret-of-mine" + b"\x55").encode()
    after = Packet(b"\x30\x00\x01").encode()
    recorder.sent(0.0, b"\x06" + packet + after)
    recorder.close()
    [sent] = read_trace(path)
    assert sent.data == b"\x06" + packet[:11] + b"*" * 17 + after


@pytest.mark.parametrize("octets", [b"\xee\x00\x00", b"\xee\x00\x00\x00\xff\xffsecret-of-mine", b"\x06\x15\xee"])
def test_what_only_begins_like_a_packet(tmp_path: Path, octets: bytes) -> None:
    path = tmp_path / "trace.jsonl"
    recorder = Recorder(path, "test", [b"secret-of-mine"])
    recorder.sent(0.0, octets)
    recorder.close()
    [sent] = read_trace(path)
    assert b"secret" not in sent.data and len(sent.data) == len(octets)
