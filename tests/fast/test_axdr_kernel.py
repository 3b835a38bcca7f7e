"""The A-XDR kernel and its Python twin give the same columns, whatever the rows: clean, compressed, damaged, cut."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metersdk.fast import pure_axdr
from metersdk.fast.axdr_layout import DELTAS, DONT_CARE, NO_VALUE, NULL_DATA, Kind, Reader, Rows, Status, bit, kind_for

native_axdr: Reader = pytest.importorskip("metersdk.fast.native_axdr", reason="the C kernel is not built here")

NUMBERS = {"u8": 17, "u16": 18, "u32": 6, "u64": 21, "i8": 15, "i16": 16, "i32": 5, "i64": 20}
SIZES = {17: 1, 18: 2, 6: 4, 21: 8, 15: 1, 16: 2, 5: 4, 20: 8, 3: 1, 22: 1}
FLOATS = {"f32": (23, b"\x42", 3), "f64": (24, b"\x40", 7)}
EDGES = {"delta32": 6, "delta-unsigned64": 21, "delta64": 20}
SORTS = [*NUMBERS, *FLOATS, *EDGES, "clock", "boolean", "enum", "bcd", "octets", "bits", "mixed", "wider", "null"]
MIXED = [b"\x11\x05", b"\x09\x02ab", b"\x02\x02\x11\x01\x11\x02", b"\x01\x00", b"\x13\x11\x02\x01\x02", b"\xff"]
ODD_TAGS = (0, 2, 4, 5, 6, 7, 9, 13, 17, 18, 20, 23, 24, 25, 28, 255)


def clock(dice: Random) -> bytes:
    month = dice.choice((1, 2, 3, 12, 13, 0xFF)) if dice.random() < 0.2 else 1
    time = (dice.randrange(26), dice.choice((0, 15, 45)), 0, dice.choice((0, 0xFF)))
    deviation = dice.choice((b"\x80\x00", b"\xff\x88", b"\x00\x00", b"\x7f\xff"))
    stamp = bytes((7, 0xEA, month, dice.randrange(1, 32), 0xFF, *time)) + deviation + dice.choice((b"\x00", b"\xff"))
    return (b"\x09\x0c" if dice.random() < 0.9 else b"\x19") + stamp


def cell(dice: Random, sort: str) -> bytes:
    if sort == "null" or dice.random() < 0.2:
        return b"\x00"
    if sort == "clock":
        return clock(dice)
    if sort in NUMBERS:
        tag = NUMBERS[sort]
        return bytes((tag,)) + dice.randbytes(SIZES[tag])
    if sort in FLOATS:
        tag, first, rest = FLOATS[sort]
        return bytes((tag,)) + first + dice.randbytes(rest)
    if sort in EDGES:
        tag = EDGES[sort]
        if dice.random() < 0.4:
            # Values next to the ends of the type, which a delta may leave.
            low = b"\x80" if tag == 20 else b"\x00"
            high = b"\x7f" if tag == 20 else b"\xff"
            near = dice.choice((low + bytes(SIZES[tag] - 2) + b"\x05", high + b"\xff" * (SIZES[tag] - 2) + b"\xf0"))
            return bytes((tag,)) + near
        change = dice.randrange(28, 34)
        return bytes((change,)) + dice.randbytes((1, 2, 4)[(change - 28) % 3])
    if sort == "octets":
        size = dice.choice((0, 3, 3, 3, 5, 200))
        return b"\x09" + (b"\x81" if size > 127 else b"") + bytes((size,)) + dice.randbytes(size)
    if sort == "bits":
        size = dice.choice((0, 3, 9, 9))
        return bytes((4, size)) + dice.randbytes((size + 7) // 8)
    if sort == "wider":
        tag = dice.choice((17, 6, 16))
        return bytes((tag,)) + dice.randbytes(SIZES[tag])
    if sort == "mixed":
        return dice.choice(MIXED)
    return {"boolean": b"\x03\xff", "enum": b"\x16\x07", "bcd": b"\x0d" + dice.choice((b"\x12", b"\x99"))}[sort]


def buffer(dice: Random, sorts: list[str]) -> bytes:
    """Rows of these columns; in half of the buffers most rows have the shape of the row before."""
    steady = dice.random() < 0.5
    like = [cell(dice, sort) for sort in sorts]
    rows = []
    for _ in range(dice.randrange(40)):
        if not steady or dice.random() < 0.1:
            like = [cell(dice, sort) for sort in sorts]
        row = []
        for sort, shape in zip(sorts, like, strict=True):
            tries = (cell(dice, sort) for _ in range(20))
            row.append(next((one for one in tries if len(one) == len(shape) and one[:1] == shape[:1]), shape))
        rows.append(bytes((2, len(sorts))) + b"".join(row if steady else like))
    return b"".join(rows)


def damaged(dice: Random, data: bytes) -> bytes:
    octets = bytearray(data)
    for _ in range(dice.randrange(1, 4) if octets else 0):
        octets[dice.randrange(len(octets))] = dice.choice((0, 1, 2, 9, 0x80, 0x84, 0xFF, dice.randrange(256)))
    return bytes(octets[: dice.randrange(len(octets) + 1)] if dice.random() < 0.3 else octets)


def outcome(
    reader: Reader, data: bytes, kinds: list[tuple[Kind, int]], room: int, options: dict[str, object]
) -> object:
    rows = Rows(kinds, room, **options)  # type: ignore[arg-type]
    status = reader.read_rows(data, 0, len(data), rows)
    used = rows.count + 1
    columns = []
    for store in rows.stores:
        values = [] if store.kind in (Kind.SKIP, Kind.EMPTY) else store.values[:used].tolist()
        # Not a number equals nothing, itself included; the text of it does.
        told = list(map(repr, values))
        side = [list(part[:used]) for part in (store.valid, store.lengths, store.deviation, store.status)]
        columns.append((store.tags, store.base, store.flags, told, side))
    return status, rows.count, rows.position, rows.error_offset, rows.error_column, columns


@settings(max_examples=300, deadline=None)
@given(st.randoms(use_true_random=False), st.lists(st.sampled_from(SORTS), min_size=1, max_size=6))
def test_rows(dice: Random, sorts: list[str]) -> None:
    data = buffer(dice, sorts)
    if dice.random() < 0.4:
        data = damaged(dice, data)
    options: dict[str, object] = {
        "period_ms": dice.choice((0, 900_000, -900_000)),
        "deviation_sign": dice.choice((1, -1)),
        "local_deviation": dice.choice((-0x8000, -60)),
        "null_repeats": dice.random() < 0.8,
        "layout": bytes(dice.choice(ODD_TAGS) for _ in sorts) if dice.random() < 0.15 else b"",
    }
    room = dice.choice((3, 20, 100))
    survey = [(Kind.SKIP, 0)] * len(sorts)
    seen = outcome(pure_axdr, data, survey, room, options)
    assert outcome(native_axdr, data, survey, room, options) == seen
    kinds = [kind_for(column[0], sort == "clock") for column, sort in zip(seen[-1], sorts, strict=True)]
    if dice.random() < 0.2:
        nothing = bit(NULL_DATA) | bit(DONT_CARE)
        others = [
            (Kind.U8, nothing | bit(17)),
            (Kind.OBJECT, (1 << 64) - 1),
            (Kind.CLOCK, nothing | bit(9) | bit(25)),
            (Kind.EMPTY, nothing | DELTAS),
        ]
        kinds = [dice.choice([kind, *others]) for kind in kinds]
    assert outcome(native_axdr, data, kinds, room, options) == outcome(pure_axdr, data, kinds, room, options)


@pytest.mark.parametrize("seed", range(80))
def test_nulls_that_come_and_go(seed: int) -> None:
    """Many rows of numbers and clocks: cells that are null, or what their column had last, or now and then another."""
    dice = Random(seed)
    columns = dice.choice((1, 3, 6, 6, 14, 32, 33))
    tags = dice.sample([17, 18, 6, 21, 15, 16, 5, 20, 22], 3)
    sorts = [dice.choice([9, 0, *tags]) for _ in range(columns)]
    nulls, odd = dice.random(), dice.choice((0, 0.003))
    rows = bytearray()
    for _ in range(dice.randrange(400)):
        rows += bytes((2, columns))
        for tag in sorts:
            if dice.random() < odd:
                rows += dice.choice((b"\x1c\x05", b"\x11\x07", b"\x09\x05" + dice.randbytes(5), b"\xff"))
            elif not tag or dice.random() < nulls:
                rows += b"\x00"
            elif tag == 9:
                rows += clock(dice) if odd else b"\x09\x0c\x07\xea\x01\x01\xff" + dice.randbytes(1) + bytes(6)
            else:
                rows += bytes((tag,)) + dice.choice((bytes, dice.randbytes))(SIZES[tag])
    data = damaged(dice, bytes(rows)) if dice.random() < 0.3 else bytes(rows)
    kinds = [kind_for(NO_VALUE | bit(tag) if tag else NO_VALUE, clock=tag == 9) for tag in sorts]
    options: dict[str, object] = {
        "period_ms": dice.choice((0, 900_000)),
        "null_repeats": dice.random() < 0.8,
    }
    room = dice.choice((3, 100, 500))
    assert outcome(native_axdr, data, kinds, room, options) == outcome(pure_axdr, data, kinds, room, options)


@settings(max_examples=200, deadline=None)
@given(st.randoms(use_true_random=False), st.lists(st.sampled_from(SORTS), min_size=1, max_size=6), st.integers(1, 9))
def test_tokens(dice: Random, sorts: list[str], room: int) -> None:
    data = buffer(dice, sorts)
    data = damaged(dice, data) if dice.random() < 0.5 else data
    for size in (room, len(data) + 1):
        ours, twin = native_axdr.tokens(data, 0, size), pure_axdr.tokens(data, 0, size)
        for name in ("count", "end", "status", "error_offset"):
            assert getattr(ours, name) == getattr(twin, name), name
        for name in ("tag", "depth", "offset", "length"):
            assert list(getattr(ours, name)) == list(getattr(twin, name)), name


@pytest.mark.parametrize("reader", [native_axdr, pure_axdr], ids=["c", "python"])
def test_long_run_of_one_shape_with_an_odd_row_inside(reader: Reader) -> None:
    plain = b"".join(b"\x02\x02\x06" + n.to_bytes(4, "big") + b"\x09\x02" + n.to_bytes(2, "big") for n in range(1000))
    odd = b"\x02\x02\x00\x09\x03abc"
    data = plain[: 11 * 700] + odd + plain[11 * 700 :]
    rows = Rows([kind_for(bit(0) | bit(6)), kind_for(bit(9))], 2000)
    assert reader.read_rows(data, 0, len(data), rows) is Status.END
    numbers, texts = rows.stores
    assert rows.count == 1001
    assert list(numbers.values[1:1002]) == [*range(700), 699, *range(700, 1000)]
    assert list(numbers.valid[1:1002]) == [1] * 700 + [2] + [1] * 300
    for row in (1, 700, 701, 1001):
        at, size = texts.values[row], texts.lengths[row]
        assert data[at : at + size] == (b"abc" if row == 701 else (row - 1 - (row > 701)).to_bytes(2, "big"))


@pytest.mark.parametrize("reader", [native_axdr, pure_axdr], ids=["c", "python"])
def test_nesting_has_a_bottom(reader: Reader) -> None:
    deep = b"\x02\x01" * 100_000 + b"\x00"
    rows = Rows([(Kind.OBJECT, (1 << 64) - 1)], 10)
    assert reader.read_rows(deep, 0, len(deep), rows) is Status.BAD
    assert reader.tokens(deep, 0, len(deep)).status is Status.BAD


@pytest.mark.parametrize("reader", [native_axdr, pure_axdr], ids=["c", "python"])
def test_times_wrap_as_int64_does(reader: Reader) -> None:
    data = b"\x02\x01\x19" + bytes.fromhex("07e901010c00000000000000") + b"\x02\x01\x00" * 4
    rows = Rows([kind_for(bit(25), True)], 10, period_ms=1 << 62)
    assert reader.read_rows(data, 0, len(data), rows) is Status.END
    first, *others = rows.stores[0].values[1:6]
    assert others == [(first + n * (1 << 62) + (1 << 63)) % (1 << 64) - (1 << 63) for n in range(1, 5)]
