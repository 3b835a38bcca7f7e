"""Passwords of IEC 62056-21 programming mode do not come into a trace, whoever sends them."""

from __future__ import annotations

from pathlib import Path

import pytest

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
