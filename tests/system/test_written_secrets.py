"""A password that is written is masked in the trace: over DLMS and in programming mode, blocking and asyncio."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

import metersdk
from metersdk.apdu import axdr
from metersdk.errors import MeterError
from metersdk.port.trace import read_trace

NEW = b"hunter22"
ASSOCIATION, PORT = "0.0.40.0.0.255", "0.0.20.0.0.255"
TARGET = "sim://residential?framing=wrapper"
OPTICAL = "sim://residential?protocol=iec62056-21"

SETS: list[tuple[int, str, int, object]] = [
    (15, ASSOCIATION, 7, NEW),
    (15, ASSOCIATION, 7, NEW.decode()),
    (15, ASSOCIATION, 7, axdr.octets(NEW)),
    (15, ASSOCIATION, 7, axdr.visible(NEW.decode())),
    (15, ASSOCIATION, 7, axdr.structure(axdr.u8(1), axdr.octets(NEW))),
    *((19, PORT, number, NEW) for number in (7, 8, 9)),
    (1, "0.0.96.1.0.255", 2, metersdk.Secret(NEW)),
]


def shows(path: Path) -> tuple[bool, bool]:
    """Whether the new password stands in the trace, and whether something is masked."""
    records = list(read_trace(path))
    heard = b"".join(bytes(octet & 0x7F for octet in record.data) for record in records)
    return any(NEW[at : at + 4] in heard for at in range(len(NEW) - 3)), any(record.masked for record in records)


@pytest.mark.parametrize(("class_id", "code", "number", "value"), SETS)
@pytest.mark.parametrize("framing", ["wrapper", "hdlc&protocol=dlms"])
def test_set(tmp_path: Path, framing: str, class_id: int, code: str, number: int, value: object) -> None:
    path, heard = tmp_path / "t", list[object]()
    target = f"sim://residential?framing={framing}"
    with metersdk.connect(target, trace=path, client=2, password="12345678", progress=heard.append) as meter:
        before = sum(record.direction == "tx" for record in read_trace(path))
        try:
            meter.set(class_id, code, number, value)
        except MeterError as refused:
            assert NEW.decode() not in f"{refused!r} {refused} {refused.data!r}"
        after = [record for record in read_trace(path) if record.direction == "tx"][before:]
    assert shows(path) == (False, True)
    # What is sent first is the new one: nobody asked for the old.
    assert after[0].masked
    assert NEW.decode() not in repr(heard)


def test_set_with_asyncio_and_change_of_the_hls_secret(tmp_path: Path) -> None:
    async def main() -> None:
        async with metersdk.aconnect(TARGET, trace=tmp_path / "t", client=2, password="12345678") as meter:
            with pytest.raises(MeterError):
                await meter.action(15, ASSOCIATION, 2, axdr.octets(NEW))

    asyncio.run(main())
    assert shows(tmp_path / "t") == (False, True)
    meter = metersdk.connect(TARGET, trace=tmp_path / "u", client=2, password="12345678")
    with meter, pytest.raises(MeterError):
        meter.action(15, ASSOCIATION, 2, axdr.octets(NEW))
    assert shows(tmp_path / "u") == (False, True)


def test_what_is_no_secret_is_on_record(tmp_path: Path) -> None:
    with metersdk.connect(TARGET, trace=tmp_path / "t") as meter, pytest.raises(MeterError):
        meter.set(1, "0.0.96.1.0.255", 2, axdr.octets(NEW))
    assert shows(tmp_path / "t") == (True, False)


@pytest.mark.parametrize("command", ["W1", "W3"])
@pytest.mark.parametrize("secret", [True, False])
def test_programming_mode(tmp_path: Path, command: str, secret: bool) -> None:
    path = tmp_path / "t"
    value: Any = metersdk.Secret(NEW) if secret else NEW.decode()
    with metersdk.connect(OPTICAL, trace=path) as meter, meter.programming(password="12345678", write=True) as inside:
        for values in (value, ["1", value]):
            with pytest.raises(MeterError):
                inside.write("0.9.9", values, command=command)
        with pytest.raises(MeterError):
            inside.execute("0.9.9", value)
    assert shows(path)[0] is not secret
    if secret:
        # The check character would tell a digit.
        masked = [record for record in read_trace(path) if record.direction == "tx" and record.masked]
        assert len(masked) == 4 and all(record.octets[-1] == -1 for record in masked)


def test_programming_mode_with_asyncio(tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            metersdk.aconnect(OPTICAL, trace=tmp_path / "t") as meter,
            meter.programming(password="12345678", write=True) as inside,
        ):
            with pytest.raises(MeterError):
                await inside.write("0.9.9", metersdk.Secret(NEW))

    asyncio.run(main())
    assert shows(tmp_path / "t") == (False, True)


def test_values_with_a_letter_that_no_data_set_can_carry_are_not_repeated() -> None:
    with (
        metersdk.connect(OPTICAL) as meter,
        meter.programming(password="12345678", write=True) as inside,
        pytest.raises(MeterError) as caught,
    ):
        inside.write("0.9.9", metersdk.Secret("hunter(2"))
    assert "hunter" not in f"{caught.value!r} {caught.value}"
