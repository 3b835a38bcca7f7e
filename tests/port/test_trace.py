"""Recording masks secrets however they are cut; replay answers as recorded, and says where a client differs."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import pytest

from metersdk.effects import Dialog, Receive, Send, SetLine, Sleep
from metersdk.errors import LocalProtocolError, PortClosed, PortError, PortNotFound
from metersdk.port.address import aopen_port, open_port
from metersdk.port.drive import arun, run
from metersdk.port.line import LineModel
from metersdk.port.trace import AsyncRecordingPort, Recorder, RecordingPort, ReplayPort, read_trace
from metersdk.port.virtual import AsyncFromSync, VirtualPort

SECRET = b"S3cretPW"


def meter() -> Dialog[None]:
    yield Receive(60)
    yield Send(b"/ABC5\\2METER\r\n")
    yield SetLine(9600)
    yield Receive(60)
    yield Send(b"\x06")


def client(password: bytes = SECRET) -> Dialog[bytes]:
    yield SetLine(300)
    yield Send(b"/?!\r\n")
    heard = yield Receive(2)
    yield SetLine(9600)
    yield Send(b"\x01P1\x02(" + password + b")\x03a")
    return heard + (yield Receive(2))


def recorded(path: Path, model: LineModel | None = None) -> bytes:
    port = RecordingPort(VirtualPort(meter(), model), path, target="sim://meter", secrets=[SECRET])
    result = run(client(), port)
    port.close()
    port.close()
    return result


def test_a_session_is_recorded_and_replayed(tmp_path: Path) -> None:
    path = tmp_path / "session.jsonl"
    result = recorded(path)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines[0]["metersdk_trace"] == 1
    assert lines[0]["target"] == "sim://meter"
    records = list(read_trace(path))
    assert [record.direction for record in records] == ["line", "tx", "rx", "line", "tx", "rx"]
    assert records[1].data == b"/?!\r\n" and records[0].baud == 300
    assert records[4].masked and records[4].data == b"\x01P1\x02(********)\x03*"
    assert run(client(), ReplayPort(path)) == result
    # Masked octets match any.
    assert run(client(b"anything"), open_port(f"trace://{path}")) == result


def test_recording_and_replaying_with_asyncio(tmp_path: Path) -> None:
    async def main() -> tuple[bytes, bytes]:
        path = tmp_path / "session.jsonl"
        port = AsyncRecordingPort(AsyncFromSync(VirtualPort(meter())), path, secrets=[SECRET])
        first = await arun(client(), port)
        await port.close()
        return first, await arun(client(), await aopen_port(f"trace://{path}"))

    first, second = asyncio.run(main())
    assert first == second


def parity(data: bytes) -> bytes:
    return bytes(octet | (octet.bit_count() & 1) << 7 for octet in data)


@pytest.mark.parametrize("form", [SECRET, parity(SECRET)], ids=["8N1", "7E1"])
@pytest.mark.parametrize("step", [1, 3, 5, 64])
def test_no_secret_in_the_file_however_it_is_cut(tmp_path: Path, form: bytes, step: int) -> None:
    path = tmp_path / "trace"
    recorder = Recorder(path, "t", [SECRET])
    stream = b"Secre" + form + b"S3c" + form + form[:5]
    recorder.sent(0.0, stream)
    recorder.sent(0.1, b"head" + form[:5])
    recorder.sent(0.2, form[5:] + b"tail")
    for start in range(0, len(stream), step):
        recorder.received(1.0 + start, stream[start : start + step])
    recorder.close()
    text = path.read_text()
    records = list(read_trace(path))
    for direction in ("tx", "rx"):
        heard = b"".join(record.data for record in records if record.direction == direction)
        assert all(form[i : i + 4] not in heard for i in range(len(form) - 4))
        assert heard.startswith(b"Secre********S3c********")
    assert form.hex() not in text
    # What was received is all there.
    assert sum(len(record.octets) for record in records if record.direction == "rx") == len(stream)


def test_an_echoed_password_is_masked_and_replayed(tmp_path: Path) -> None:
    path = tmp_path / "echo.jsonl"
    model = LineModel(baud=9600, echo="full", piece=1)

    def talk() -> Dialog[bytes]:
        yield Send(b"(" + SECRET + b")")
        heard = b""
        while len(heard) < 10:
            heard += yield Receive(1)
        return heard

    def deaf() -> Dialog[None]:
        yield Sleep(60)

    port = RecordingPort(VirtualPort(deaf(), model), path, secrets=[SECRET])
    assert run(talk(), port) == b"(" + SECRET + b")"
    port.close()
    assert SECRET.hex() not in path.read_text()
    assert run(talk(), ReplayPort(path)) == b"(" + SECRET + b")"


def test_a_readout_is_not_masked_for_a_poor_password(tmp_path: Path) -> None:
    path = tmp_path / "trace"
    recorder = Recorder(path, "t", [b"00000000"])
    recorder.sent(0.0, b"P1(00000000)")
    recorder.received(0.1, b"\x06")
    recorder.sent(0.2, b"R1")
    recorder.received(0.3, b"1.8.0(00000000.000*kWh)")
    recorder.close()
    assert [record.masked for record in read_trace(path)] == [True, False, False, False]


def test_errors_of_the_port_are_noted(tmp_path: Path) -> None:
    path = tmp_path / "closed.jsonl"
    port = RecordingPort(VirtualPort(meter(), LineModel(close_after=0)), path)
    with pytest.raises(PortClosed):
        run(client(), port)
    port.close()
    assert "closed the connection" in list(read_trace(path))[-1].text


def test_the_file_is_for_its_owner_and_written_line_by_line(tmp_path: Path) -> None:
    path = tmp_path / "trace"
    recorder = Recorder(path, "t")
    recorder.sent(0.0, b"x")
    # Not closed yet: as after a crash.
    assert [record.data for record in read_trace(path)] == [b"x"]
    assert path.stat().st_mode & 0o077 == 0
    recorder.close()


def test_a_line_cut_by_a_crash_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "cut"
    recorded(path)
    whole = list(read_trace(path))
    path.write_text(path.read_text()[:-9])
    assert list(read_trace(path)) == whole[:-1]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "no json\n",
        "[" * 100_000 + "\n",
        '{"metersdk_trace": 2}\n',
        '{"metersdk_trace": 1}\n{"t": "0", "d": "tx", "hex": ""}\n',
        '{"metersdk_trace": 1}\n{"t": true, "d": "tx", "hex": ""}\n',
        '{"metersdk_trace": 1}\n{"t": 0, "d": "tx", "hex": "a"}\n',
        '{"metersdk_trace": 1}\n{"t": 0, "d": "rx", "hex": "*a"}\n',
        '{"metersdk_trace": 1}\n{"t": 0, "d": "up", "hex": "00"}\n',
        '{"metersdk_trace": 1}\n{"t": 0, "d": "line", "baud": "300"}\n',
        '{"metersdk_trace": 1}\n7\n',
        "\u00e9\n",
    ],
)
def test_what_is_no_trace_is_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bad"
    path.write_text(text, encoding="utf-8")
    if text:
        with pytest.raises(LocalProtocolError):
            list(read_trace(path))
    else:
        assert list(read_trace(path)) == []


def test_a_name_that_no_file_can_have() -> None:
    with pytest.raises(PortNotFound):
        list(read_trace("a\0b"))


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(PortNotFound):
        ReplayPort(tmp_path / "none")
    with pytest.raises(PortNotFound):
        Recorder(tmp_path / "no" / "folder", "t")


def test_a_client_that_differs_is_told_where(tmp_path: Path) -> None:
    path = tmp_path / "session"
    recorded(path)
    port = ReplayPort(path)
    port.send(b"/?!")
    port.send(b"\r\n")
    assert port.receive(2) == b"/ABC5\\2METER\r\n"
    with pytest.raises(LocalProtocolError, match="differs from the recording") as told:
        port.send(b"\x01P2\x02(")
    assert told.value.offset == 2
    # What a client sends in a session with secrets is not shown.
    assert told.value.data == b""
    port = ReplayPort(path)
    run(client(), port)
    with pytest.raises(LocalProtocolError, match="recording is over"):
        port.send(b"more")
    port.close()
    with pytest.raises(PortClosed):
        port.receive(1)


def test_a_tolerant_replay_goes_on_where_it_can(tmp_path: Path) -> None:
    path = tmp_path / "session"
    recorded(path)
    port = ReplayPort(path, strict=False)
    port.send(b"/#!\r\n")
    assert port.receive(1) == b""
    port.send(b"/?!\r\n")
    assert port.receive(2) == b"/ABC5\\2METER\r\n"
    port.send(b"nobody ever sent this")
    assert port.receive(1.5) == b""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_is_a_typed_error_and_the_port_is_let_go(tmp_path: Path) -> None:
    behind = VirtualPort(meter())
    port = RecordingPort(behind, tmp_path / "trace")
    with open("/dev/full", "wb") as full:
        os.dup2(full.fileno(), port.recorder._file.fileno())
    with pytest.raises(PortError, match="No space left"):
        port.send(b"/?!\r\n")
    with pytest.raises(PortError, match="No space left"):
        port.close()
    with pytest.raises(PortClosed):
        behind.receive(0.0)
    port.close()
