"""What the contestants are given, always the same; and the true answers, known from how it was made."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from metersdk.apdu.cipher import seal
from metersdk.apdu.keys import Secret
from metersdk.apdu.sml_encode import encode
from metersdk.apdu.sml_types import CloseResponse, GetListResponse, ListEntry, OpenResponse, Time, TimeKind
from metersdk.fast import crc16
from metersdk.fast.c1219_layout import BlockLayout, Number
from metersdk.frame.sml import encode_frame
from metersdk.model.c1219.load_profile_encode import encode_block

PERIOD = 900
CAPTURES = [
    [8, "0.0.1.0.0.255", 2],
    [1, "0.0.96.10.1.255", 2],
    [3, "1.0.1.8.0.255", 2],
    [3, "1.0.2.8.0.255", 2],
    [3, "1.0.3.8.0.255", 2],
    [3, "1.0.4.8.0.255", 2],
]
PROFILE = "1.0.99.1.0.255"
_REGISTERS = 4
_ROWS_A_DAY = 86400 // PERIOD
# 2026-01-01T00:00Z in milliseconds.
_BEGIN = 1767225600000


@dataclass(frozen=True, slots=True)
class Given:
    """A file for the contestants, and what they must find in it."""

    path: Path
    answer: Any


def noise(folder: Path, size: int) -> Given:
    """Octets without meaning; the answers are the CRCs of the sizes asked for."""
    path = folder / "noise.bin"
    path.write_bytes(random.Random(1).randbytes(size))
    return Given(path, None)


def hdlc_frame(information: bytes) -> bytes:
    """A UI frame from server 1 to client 16: both flags, HCS, FCS. Unnumbered, so that no reader misses a number."""
    length = 9 + len(information)
    head = bytes((0xA0 | length >> 8, length & 0xFF, 0x21, 0x03, 0x13))
    body = head + crc16(head).to_bytes(2, "little") + information
    return b"\x7e" + body + crc16(body).to_bytes(2, "little") + b"\x7e"


def dump(folder: Path, size: int) -> Given:
    """A capture of a line: 128 to 2030 octets of information, 1 % of the frames damaged, noise in 20 % of the gaps,
    half of the other frames share their flag with the one before."""
    source = random.Random(2)
    octets, starts = bytearray(), list[int]()
    while len(octets) < size:
        frame = bytearray(hdlc_frame(source.randbytes(source.randint(128, 2030))))
        damaged = source.random() < 0.01
        if damaged:
            frame[source.randrange(9, len(frame) - 1)] ^= 1 << source.randrange(8)
        gap = source.random()
        if gap < 0.2:
            octets += source.randbytes(source.randint(1, 64))
        elif gap < 0.6 and octets:
            del octets[-1]
        if not damaged:
            starts.append(len(octets))
        octets += frame
    path = folder / "dump.bin"
    path.write_bytes(octets)
    return Given(path, starts)


def found(starts: list[int], size: int, octets: bytes) -> dict[str, int]:
    """The answer for the first ``size`` octets of a dump."""
    ends = (start + 2 + ((octets[start + 1] & 7) << 8 | octets[start + 2]) for start in starts)
    whole = [start for start, end in zip(starts, ends, strict=True) if end <= size]
    return {"frames": len(whole), "offsets": sum(whole)}


def _clock(row: int) -> bytes:
    day, slot = divmod(row, _ROWS_A_DAY)
    # Years of 12 months of 28 days: a date that never goes wrong; ``_time`` undoes it.
    year, rest = divmod(day, 336)
    month, date = divmod(rest, 28)
    minutes = slot * PERIOD // 60
    head = (2026 + year).to_bytes(2, "big") + bytes((month + 1, date + 1, 0xFF, minutes // 60, minutes % 60, 0))
    return head + bytes((0, 0, 0, 0))


def _time(row: int) -> int:
    stamp = _clock(row)
    moment = datetime(int.from_bytes(stamp[:2], "big"), stamp[2], stamp[3], stamp[5], stamp[6], tzinfo=UTC)
    return int(moment.timestamp()) * 1000


def profile(folder: Path, rows: int, *, compressed: bool) -> Given:
    """A profile buffer of ``rows`` rows of clock, status (u8) and four registers (u32), 38 octets a row.

    Compressed, null-data stands for what can be told from the row before: the clock but for the first row of a day, a
    status that has not changed, a register that has not moved.
    """
    source = random.Random(3)
    registers, status = [1000 * number for number in range(1, _REGISTERS + 1)], -1
    out = bytearray(b"\x01\x84" + rows.to_bytes(4, "big"))
    sums, statuses, times = [0] * _REGISTERS, 0, 0
    for row in range(rows):
        out += b"\x02\x06"
        whole = not compressed or row % _ROWS_A_DAY == 0
        out += b"\x09\x0c" + _clock(row) if whole else b"\x00"
        times += _time(row)
        now = row // 1000 % 256 if compressed else row & 0xFF
        out += b"\x11" + bytes((now,)) if now != status or not compressed else b"\x00"
        status = now
        statuses += now
        for number in range(_REGISTERS):
            moved = not compressed or row == 0 or source.random() < 0.6
            registers[number] += moved * (number + 1)
            out += b"\x06" + registers[number].to_bytes(4, "big") if moved else b"\x00"
            sums[number] += registers[number]
    path = folder / ("profile-null.bin" if compressed else "profile.bin")
    path.write_bytes(out)
    return Given(path, {"rows": rows, "missing": 0, "times": times, "status": statuses, "registers": sums})


def sml_files(folder: Path, count: int) -> Given:
    """SML files as a household meter pushes them: maker, server id, and 14 values with unit and scaler."""
    source, server = random.Random(5), bytes.fromhex("0a014d534b0000bc614e")
    files, total = [], 0
    # Energies in 0.1 Wh, powers in 0.01 W (feed-in is negative), voltages in 0.1 V, currents in 0.01 A.
    kinds = [(1, 8, 30, -1, 8)] * 3 + [(2, 8, 30, -1, 8)] + [(16, 7, 27, -2, 4)] * 4 + [(32, 7, 35, -1, 2)] * 3
    kinds += [(31, 7, 33, -2, 2)] * 3
    for number in range(count):
        index = Time(TimeKind.SEC_INDEX, 1_000_000 + number)
        entries = [
            ListEntry(bytes.fromhex("010060320101"), None, None, None, None, b"MSK"),
            ListEntry(bytes.fromhex("0100000009ff"), None, None, None, None, server),
        ]
        for place, (quantity, processing, unit, scaler, size) in enumerate(kinds):
            signed = processing == 7 and quantity == 16
            value = source.randint(-500_000, 900_000) if signed else source.randrange(1 << min(30, 8 * size - 1))
            obis = bytes((1, 0, quantity, processing, place, 255))
            entries.append(ListEntry(obis, None, None, unit, scaler, value, None, signed, size))
            total += value * (10 if scaler == -1 else 1)
        name = number.to_bytes(4, "big")
        opened = encode(OpenResponse(None, None, name, server, index, 1), name + b"\1")
        values = encode(GetListResponse(None, server, None, index, tuple(entries), None, None), name + b"\2")
        files.append(encode_frame(opened + values + encode(CloseResponse(None), name + b"\3")))
    path = folder / "sml.json"
    path.write_text(json.dumps([file.hex() for file in files]), encoding="utf-8")
    return Given(path, {"files": count, "values": count * len(kinds), "sum": total})


def readout(folder: Path, periods: int) -> Given:
    """The data block of a readout: energies by tariff, maxima with their times, now and at the end of each of so many
    billing periods."""
    source = random.Random(6)
    lines = ["F.F(00000000)", "0.0.0(54861236)", "0.9.1(194536)", "0.9.2(261122)", "C.5.0(L1-L2-L3)", "0.2.0(V01.69)"]
    values, united, total = len(lines), 0, 0
    for period in range(periods + 1):
        stored = f"*{period:02d}" if period else ""
        for quantity in range(1, 9):
            for tariff in range(5):
                amount = source.randrange(10**8)
                unit = "kWh" if quantity < 3 else "kvarh"
                lines.append(f"{quantity}.8.{tariff}{stored}({amount // 1000:06d}.{amount % 1000:03d}*{unit})")
                total += amount
        for quantity in (1, 2):
            for tariff in range(5):
                amount, day, hour = source.randrange(10**5), source.randrange(1, 29), source.randrange(24)
                when = f"26{period % 12 + 1:02d}{day:02d}{hour:02d}15"
                lines.append(f"{quantity}.6.{tariff}{stored}({amount // 1000:03d}.{amount % 1000:03d}*kW)({when})")
                total += amount
        values, united = values + 60, united + 50
    path = folder / "readout.txt"
    path.write_bytes("".join(line + "\r\n" for line in lines).encode("ascii"))
    return Given(path, {"values": values, "united": united, "sum": total})


BLOCKS = {
    "channels": 2,
    "intervals": 96,
    "value": int(Number.U16),
    "reading": int(Number.I32),
    "period_ms": 1000 * PERIOD,
    "time_format": 4,
    "extended_status": True,
}
"""Layout of the blocks below: a day each, two channels, end readings, extended status."""


def blocks(folder: Path, days: int) -> Given:
    """Table 64 of an ANSI meter: so many blocks of a day, the last with 40 intervals."""
    source, layout = random.Random(7), BlockLayout(**{**BLOCKS, "value": Number.U16, "reading": Number.I32})
    out, sums, times, codes, rows = bytearray(), [0, 0], 0, 0, 0
    for day in range(days):
        count = layout.intervals if day < days - 1 else 40
        values = [[source.randrange(60_000) for _ in range(count)] for _ in range(layout.channels)]
        status = [[source.choice((0, 0, 0, 2)) for _ in range(count)] for _ in range(layout.channels)]
        ends = [_BEGIN + 1000 * PERIOD * (rows + n + 1) for n in range(count)]
        rows += count
        times += sum(ends)
        sums = [total + sum(channel) for total, channel in zip(sums, values, strict=True)]
        codes += sum(map(sum, status))
        end = datetime.fromtimestamp(ends[-1] / 1000, UTC)
        shown = [total % (1 << 31) for total in sums]
        out += encode_block(
            layout, end, values, codes=status, flags=[source.choice((0, 2)) for _ in ends], readings=shown
        )
    path = folder / "blocks.bin"
    path.write_bytes(out)
    return Given(path, {"rows": rows, "times": times, "values": sums, "codes": codes})


def read_answer(rows: int) -> dict[str, Any]:
    """What the meter of pydlms has in its load profile; it runs on through the calendar."""
    times = rows * _BEGIN + PERIOD * 1000 * (rows * (rows - 1) // 2)
    registers = [rows * 1000 * number + rows * (rows - 1) // 2 for number in range(1, _REGISTERS + 1)]
    status = sum(row & 0xFF for row in range(rows))
    return {"rows": rows, "missing": 0, "times": times, "status": status, "registers": registers}


def apdus(folder: Path, size: int, count: int) -> Given:
    """Bodies (cipher and tag) of ``count`` APDUs of ``size`` octets of plaintext under one key, authenticated and
    encrypted."""
    source = random.Random(4)
    title = b"MTR\x00\x00\x00\x00\x01"
    encryption, authentication = source.randbytes(16), source.randbytes(16)
    plain = [source.randbytes(size) for _ in range(count)]
    bodies = [
        (counter, seal(0x30, counter, title, Secret(encryption), Secret(authentication), text).hex())
        for counter, text in enumerate(plain, 1)
    ]
    path = folder / "apdus.json"
    given = {"control": 0x30, "title": title.hex(), "apdus": bodies}
    path.write_text(
        json.dumps({**given, "encryption": encryption.hex(), "authentication": authentication.hex()}), encoding="utf-8"
    )
    return Given(path, b"".join(plain).hex())
