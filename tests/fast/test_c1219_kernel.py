"""Load profile blocks of C12.19: the C reader and its Python twin give the same columns, and the right ones."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metersdk import fast
from metersdk.errors import LocalProtocolError
from metersdk.fast import pure_c1219
from metersdk.fast.axdr_layout import Kind
from metersdk.fast.c1219_layout import BlockColumns, BlockLayout, Number

try:
    from metersdk.fast import native_c1219
except ImportError:
    native_c1219 = None  # type: ignore[assignment]

Reader = Callable[[bytes, BlockLayout, list[int], list[int]], BlockColumns]
READERS = [
    pytest.param(pure_c1219.read_blocks, id="python"),
    pytest.param(
        getattr(native_c1219, "read_blocks", None),
        id="c",
        marks=pytest.mark.skipif(native_c1219 is None, reason="the C kernel is not built"),
    ),
]
# 2026-01-31T00:15Z in ms.
STAMP = 1769818500000
QUARTER = 900_000


@pytest.fixture(params=READERS)
def read(request: pytest.FixtureRequest) -> Reader:
    reader: Reader = request.param
    return reader


def test_the_kernel_in_use() -> None:
    assert fast.read_blocks.__module__.endswith("native_c1219" if fast.IMPL == "c" else "pure_c1219")


def layout(**more: object) -> BlockLayout:
    return replace(BlockLayout(1, 4, Number.U16, period_ms=QUARTER, time_format=4), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("big_endian", [False, True])
def test_a_block_with_everything(read: Reader, big_endian: bool) -> None:
    shape = layout(
        channels=3, big_endian=big_endian, reading=Number.I48, pulses=True, simple_status=True, extended_status=True
    )
    order, mark = ("big", ">") if big_endian else ("little", "<")
    head = (STAMP // 1000).to_bytes(4, order)  # type: ignore[arg-type]
    for channel in range(3):
        head += (-5 - channel).to_bytes(6, order, signed=True) + struct.pack(f"{mark}I", 70 + channel)  # type: ignore[arg-type]
    head += b"\x0b"  # the third interval is not valid
    # common and channel 1, then channels 2 and 3
    records = [bytes.fromhex("1024"), bytes.fromhex("0000"), bytes.fromhex("2341"), bytes.fromhex("8f56")]
    block = head + b"".join(status + struct.pack(f"{mark}3H", n, 256 + n, 65535) for n, status in enumerate(records))
    assert len(block) == shape.size == shape.header + 4 * shape.record
    found = read(b"??" + block + block, shape, [2, 2 + len(block)], [4, 2])
    assert (found.rows, found.blocks) == (6, 2)
    assert [*found.time] == [*range(STAMP - 3 * QUARTER, STAMP + 1, QUARTER), STAMP - QUARTER, STAMP]
    assert [*found.time_valid] == [1] * 6
    assert [*found.deviation] == [-32768] * 6
    assert [*found.flags] == [1, 0, 0x82, 8, 1, 0]
    assert [[*codes][:4] for codes in found.codes] == [[0, 0, 3, 15], [2, 0, 4, 5], [4, 0, 1, 6]]
    assert [[*valid][:4] for valid in found.valid] == [[1, 1, 0, 1], [1, 1, 0, 1], [0, 1, 0, 1]]
    assert [[*values][:4] for values in found.values] == [[0, 1, 0, 3], [256, 257, 0, 259], [0, 65535, 0, 65535]]
    assert [*found.stamp] == [STAMP] * 2
    assert [[*reading] for reading in found.readings] == [[-5, -5], [-6, -6], [-7, -7]]
    assert [[*pulses] for pulses in found.pulses] == [[70] * 2, [71] * 2, [72] * 2]


NUMBERS = [
    (Number.U8, 0, "ff", 255),
    (Number.I8, 0, "ff", -1),
    (Number.I8, 1, "fe", -1),
    (Number.I8, 2, "81", -1),
    (Number.I8, 2, "80", 0),
    (Number.U16, 1, "8000", 32768),
    (Number.I16, 0, "8000", -32768),
    (Number.I16, 1, "8000", -32767),
    (Number.U32, 2, "80000001", 2147483649),
    (Number.I32, 0, "80000001", -2147483647),
    (Number.I32, 2, "80000001", -1),
    (Number.FIXED, 0, "fffffffe", -2),
    (Number.I24, 0, "800000", -8388608),
    (Number.I24, 1, "fffffe", -1),
    (Number.I40, 0, "8000000000", -549755813888),
    (Number.I48, 2, "800000000007", -7),
    (Number.I64, 0, "8000000000000000", -(1 << 63)),
    (Number.I64, 1, "8000000000000000", 1 - (1 << 63)),
    (Number.I64, 0, "7fffffffffffffff", (1 << 63) - 1),
    (Number.BCD4, 0, "1234", 1234),
    (Number.BCD6, 0, "999999", 999999),
    (Number.BCD8, 0, "87654321", 87654321),
    (Number.BCD4, 0, "12a4", None),
    (Number.F32, 0, "c0200000", -2.5),
    (Number.F64, 0, "4004000000000000", 2.5),
    (Number.CHAR6, 0, "313233343536", 4),
]


@pytest.mark.parametrize(("number", "int_format", "octets", "value"), NUMBERS)
@pytest.mark.parametrize("big_endian", [False, True])
def test_numbers(
    read: Reader, number: Number, int_format: int, octets: str, value: float | None, big_endian: bool
) -> None:
    shape = layout(value=number, intervals=1, big_endian=big_endian, int_format=int_format, reading=number)
    cell = bytes.fromhex(octets)
    assert len(cell) == number.size
    cell = cell if big_endian else cell[::-1]
    found = read(bytes(4) + cell + cell, shape, [0], [1])
    at = number.size if number is Number.CHAR6 else 0
    assert found.values[0][0] == (value or 0) + at
    assert found.readings[0][0] == (value or 0)
    assert found.valid[0][0] == found.readings_valid[0][0] == (value is not None)


STAMPS = [
    (0, "", None),
    (1, "2601310015", STAMP),
    (1, "9912312359", 946684740000),
    (1, "2a01310015", None),
    (2, "1a011f000f", STAMP),
    (2, "180c1f173b", 1735689540000),
    (2, "00021d0000", 951782400000),
    (2, "19021d0000", None),
    (2, "18021e0000", None),
    (2, "1a000a0000", None),
    (2, "1a0d010000", None),
    (2, "1a01000000", None),
    (2, "1a01011800", None),
    (2, "1a0101003c", None),
    (2, "64010a0000", None),
    (3, "01c2168f", STAMP),
    (3, "00000000", None),
    (4, "697d4984", STAMP),
    (4, "ffffffff", None),
]


@pytest.mark.parametrize(("time_format", "octets", "moment"), STAMPS)
def test_time_stamps(read: Reader, time_format: int, octets: str, moment: int | None) -> None:
    shape = layout(intervals=2, time_format=time_format, big_endian=True)
    found = read(bytes.fromhex(octets) + bytes(4), shape, [0], [2])
    assert [*found.stamp] == [moment or 0]
    assert [*found.stamp_valid] == [moment is not None]
    assert [*found.time] == ([0, 0] if moment is None else [moment - QUARTER, moment])
    assert [*found.time_valid] == [moment is not None] * 2
    assert [*found.clock_status] == [0xFF, 0xFF]


def seasonal(flags: bytes, **more: object) -> tuple[BlockLayout, bytes]:
    shape = layout(value=Number.U8, intervals=len(flags), extended_status=True, big_endian=True, **more)
    return shape, (STAMP // 1000).to_bytes(4, "big") + b"".join(bytes((flag << 4, 7)) for flag in flags)


def test_summer_ends_in_local_time(read: Reader) -> None:
    shape, block = seasonal(b"\1\1\0\0", stamp_season=True)
    found = read(block, shape, [0], [4])
    hour = 3_600_000
    assert [*found.time] == [STAMP - 3 * QUARTER + hour, STAMP - 2 * QUARTER + hour, STAMP - QUARTER, STAMP]
    assert [*found.deviation] == [-32768] * 4
    assert [*found.clock_status] == [0x80, 0x80, 0, 0]


def test_summer_in_a_known_zone(read: Reader) -> None:
    shape, block = seasonal(b"\0\0\1\1", stamp_season=True, deviation=300, shift_ms=300 * 60_000)
    found = read(block, shape, [0], [4])
    last = STAMP + 4 * 3_600_000
    assert [*found.time] == [last - 3 * QUARTER, last - 2 * QUARTER, last - QUARTER, last]
    assert [*found.deviation] == [300, 300, 240, 240]
    assert [*found.clock_status] == [0, 0, 0x80, 0x80]


def test_a_meter_that_stays_on_standard_time(read: Reader) -> None:
    shape, block = seasonal(b"\0\1")
    found = read(block, shape, [0], [2])
    assert ([*found.time], [*found.clock_status], [*found.flags]) == ([STAMP - QUARTER, STAMP], [0, 0], [0, 1])


def test_the_newest_interval_first(read: Reader) -> None:
    shape = layout(channels=2, descending=True, simple_status=True, big_endian=True)
    block = (STAMP // 1000).to_bytes(4, "big") + b"\x05" + struct.pack(">8H", *range(8))
    found = read(block, shape, [0], [3])
    assert [*found.time] == [STAMP - 2 * QUARTER, STAMP - QUARTER, STAMP]
    assert [*map(list, found.values)] == [[4, 0, 0], [5, 0, 1]]
    assert [*found.valid[0]] == [1, 0, 1]


def test_what_is_not_all_there_is_not_read(read: Reader) -> None:
    shape = layout()
    block = bytes(shape.size)
    for offsets, valid, blocks in (
        ([0, 1], [4, 4], 1),
        ([0, 1], [4, 3], 2),
        ([9], [4], 0),
        ([0], [5], 0),
        ([1 << 40], [0], 0),
        ([0, 99, 0], [1, 1, 1], 1),
        ([], [], 0),
    ):
        found = read(block, shape, offsets, valid)
        assert (found.blocks, found.rows) == (blocks, sum(valid[:blocks]))
    assert read(b"", shape, [0], [0]).blocks == 0
    # A block may be cut off behind the intervals asked for.
    assert read(block[: shape.header + shape.record], shape, [0], [1]).rows == 1


@pytest.mark.parametrize(
    "wrong",
    [
        *({"channels": 0}, {"channels": 256}, {"intervals": -1}, {"intervals": 65536}, {"time_format": 5}),
        *({"int_format": 4}, {"period_ms": 1 << 41}, {"shift_ms": -(1 << 41)}, {"deviation": -32760}),
    ],
)
def test_layouts_that_are_none(wrong: dict[str, int]) -> None:
    with pytest.raises(LocalProtocolError):
        layout(**wrong)


LAYOUTS = st.builds(
    BlockLayout,
    st.one_of(st.integers(1, 5), st.just(255)),
    st.integers(0, 20),
    st.sampled_from(Number),
    period_ms=st.integers(0, 86_400_000),
    big_endian=st.booleans(),
    int_format=st.integers(0, 3),
    time_format=st.integers(0, 4),
    reading=st.none() | st.sampled_from(Number),
    pulses=st.booleans(),
    simple_status=st.booleans(),
    extended_status=st.booleans(),
    descending=st.booleans(),
    shift_ms=st.integers(-(10**8), 10**8),
    season_ms=st.sampled_from((0, 3_600_000, 1_800_000)),
    stamp_season=st.booleans(),
    deviation=st.sampled_from((-32768, 0, 300, -60)),
)


@pytest.mark.skipif(native_c1219 is None, reason="the C kernel is not built")
@settings(max_examples=400)
@given(LAYOUTS, st.data())
def test_the_twins_agree(shape: BlockLayout, data: st.DataObject) -> None:
    blocks = data.draw(st.integers(0, 4))
    seed = data.draw(st.binary(min_size=1, max_size=300))
    size = blocks * shape.size + data.draw(st.integers(0, 9))
    octets = (seed * (size // len(seed) + 1))[:size]
    offsets = data.draw(st.lists(st.integers(0, size), max_size=4))
    valid = [data.draw(st.integers(0, shape.intervals + (n == 3))) for n in range(len(offsets))]
    one = native_c1219.read_blocks(octets, shape, offsets, valid)
    other = pure_c1219.read_blocks(octets, shape, offsets, valid)
    assert (one.rows, one.blocks) == (other.rows, other.blocks)
    assert one.arena == other.arena


@pytest.mark.skipif(native_c1219 is None, reason="the C kernel is not built")
def test_the_numbers_are_the_same() -> None:
    from metersdk._kernel import lib

    for number in Number:
        assert getattr(lib, f"MSDK_LP_{number.name}") == number
    assert {number.kind for number in Number} <= {Kind.OCTETS, *range(Kind.I8, Kind.CLOCK)}
