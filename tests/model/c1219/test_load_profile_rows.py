"""Blocks of load profiles into rows: the way through the list, times, statuses, and checks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import product
from random import Random

import pytest

from metersdk.apdu.columns import concat
from metersdk.errors import DecodeError, LocalProtocolError
from metersdk.fast.c1219_layout import BlockLayout, Number
from metersdk.model.c1219.load_profile import (
    STATUS_BITS,
    Channel,
    ListState,
    LoadProfileLayout,
    Place,
    TimeBasis,
    channel_head,
    profile_code,
)
from metersdk.model.c1219.load_profile_encode import encode_block
from metersdk.model.c1219.load_profile_rows import RowReader, Rows
from metersdk.model.column import ColumnKind
from metersdk.model.obis import Obis
from metersdk.model.quantity import Unit

QUARTER = timedelta(minutes=15)
BEGIN = datetime(2026, 1, 1)


def shape(**more: object) -> BlockLayout:
    return replace(BlockLayout(2, 4, Number.U16, period_ms=900_000, time_format=2), **more)  # type: ignore[arg-type]


def layout(
    block: BlockLayout | None = None, *, blocks: int = 5, per_pulse: Fraction = Fraction(1)
) -> LoadProfileLayout:
    block = block or shape()
    channels = tuple(
        Channel(channel_head(n + 1, Obis("1.0.1.29.0.255"), Unit.WH, Fraction(1)), n, n, per_pulse)
        for n in range(block.channels)
    )
    return LoadProfileLayout(1, blocks, block, channels)


def ms(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1)) // timedelta(milliseconds=1)


def pieces(profile: LoadProfileLayout, state: ListState, table: bytes) -> list[tuple[Place, bytes]]:
    return [(place, table[place.offset : place.offset + place.size]) for place in profile.places(state)]


# --- the way through the list -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("descending", "circular", "count", "last", "elements"),
    [
        (False, True, 5, 1, [2, 3, 4, 0, 1]),
        (False, True, 3, 1, [4, 0, 1]),
        (False, True, 2, 1, [0, 1]),
        (True, True, 5, 1, [0, 4, 3, 2, 1]),
        (True, True, 2, 4, [0, 4]),
        (False, False, 3, 2, [0, 1, 2]),
        (False, False, 5, 4, [0, 1, 2, 3, 4]),
        (True, False, 3, 0, [2, 1, 0]),
        (True, False, 5, 0, [4, 3, 2, 1, 0]),
        (False, True, 0, 0, []),
        (False, True, 1, 3, [3]),
    ],
)
def test_places_from_the_oldest_to_the_newest(
    descending: bool, circular: bool, count: int, last: int, elements: list[int]
) -> None:
    profile = layout()
    state = ListState(count, last, 17, 3, descending=descending, circular=circular)
    places = profile.places(state)
    assert [place.element for place in places] == elements
    assert [place.sequence for place in places] == [*range(18 - count, 18)]
    size = profile.block.size
    assert [place.offset for place in places] == [element * size for element in elements]
    assert [place.intervals for place in places] == ([4] * (count - 1) + [3] if count else [])
    assert all(place.size == profile.block.header + place.intervals * profile.block.record for place in places)


def test_only_what_is_new() -> None:
    profile, state = layout(), ListState(5, 1, 17, 3)
    assert [place.sequence for place in profile.places(state, after=15)] == [16, 17]
    assert profile.places(state, after=17) == []
    assert [place.sequence for place in profile.places(state, after=2)] == [13, 14, 15, 16, 17]
    over = replace(state, sequence=0)
    assert [place.sequence for place in profile.places(over, after=0xFFFFFFFE)] == [0xFFFFFFFF, 0]


def test_a_newest_block_without_intervals_is_left_out() -> None:
    assert [place.element for place in layout().places(ListState(3, 2, 3, 0))] == [0, 1]


@pytest.mark.parametrize("state", [ListState(6, 0, 6, 1), ListState(1, 0, 1, 5), ListState(1, 5, 1, 1)])
def test_lies_of_table_63(state: ListState) -> None:
    with pytest.raises(DecodeError, match="table 63"):
        layout().places(state)


def test_codes_of_the_sets() -> None:
    assert [str(profile_code(n)) for n in (1, 2)] == ["1.0.99.1.0.255", "1.0.99.2.0.255"]
    assert len({profile_code(n) for n in (1, 2, 3, 4)}) == 4
    with pytest.raises(LocalProtocolError):
        profile_code(5)


# --- sixty days -------------------------------------------------------------------------------------------------------

READINGS = (Number.I32, Number.FIXED, Number.F64, Number.BCD8)
CONFIGURATIONS = [
    *product((False, True), (1, 2, 3, 4), ((True, False, True), (False, True, False), (True, True, True), (False,) * 3))
]


@pytest.mark.parametrize(("big_endian", "time_format", "options"), CONFIGURATIONS)
def test_sixty_days(big_endian: bool, time_format: int, options: tuple[bool, bool, bool]) -> None:
    """60 blocks of 96 intervals, the last with 40: 5,704 of them, in a circular list that has begun anew."""
    extended, simple, readings = options
    chance = Random(f"{big_endian}{time_format}{options}")
    block = BlockLayout(
        2,
        96,
        chance.choice((Number.U16, Number.U32, Number.I32, Number.BCD6)),
        period_ms=900_000,
        big_endian=big_endian,
        time_format=time_format,
        reading=chance.choice(READINGS) if readings else None,
        pulses=readings,
        simple_status=simple,
        extended_status=extended,
        descending=chance.random() < 0.5,
    )
    per_pulse = Fraction(1, 10_000 if block.reading is Number.FIXED else 1)
    profile = layout(block, blocks=60, per_pulse=per_pulse)
    last, descending = chance.randrange(60), chance.random() < 0.5
    state = ListState(60, last, 1000, 40, descending=descending, circular=True)
    totals, end, expected, table = [100, 2000], BEGIN, [], bytearray(profile.size)
    for place in profile.places(state):
        count = place.intervals
        values = [[chance.randrange(60000) for _ in range(count)] for _ in range(2)]
        flags = [
            chance.choice((0, 0, 2, 0x80 * simple)) if extended else 0x80 * simple * (n == 3) for n in range(count)
        ]
        codes = [[chance.choice((0, 0, 0, 2, 4, 7)) for _ in range(count)] for _ in range(2)] if extended else []
        totals = [total + sum(channel) for total, channel in zip(totals, values, strict=True)]
        times = [end + QUARTER * (n + 1) for n in range(count)]
        end = times[-1]
        shown = [Decimal(total % 10**8) * per_pulse.numerator / per_pulse.denominator for total in totals]
        octets = encode_block(block, end, values, flags=flags, codes=codes, readings=shown, pulses=totals)
        assert len(octets) == block.size
        table[place.offset : place.offset + block.size] = octets
        for n in range(count):
            invalid = bool(flags[n] & 0x80)
            row = [None if invalid or (extended and codes[c][n] == 4) else values[c][n] for c in range(2)]
            expected.append((ms(times[n]), flags[n] & 2, *row, *([codes[c][n] for c in range(2)] if extended else ())))
    found = RowReader(profile).read(pieces(profile, state, bytes(table)))
    assert (found.table.rows, found.truncated, found.findings) == (5704, False, ())
    clock, *columns = found.table.columns
    status = columns.pop(0) if extended or simple else None
    rows = zip(clock.values, *([column.item(n) for n in range(5704)] for column in columns), strict=True)
    assert [*rows] == [(row[0], *row[2:]) for row in expected]
    assert status is None or [word & 2 for word in status.values] == [row[1] for row in expected]


def test_pieces_give_what_the_whole_does() -> None:
    block = shape(reading=Number.I32, pulses=True, extended_status=True)
    profile, state, table = running(9, layout(block, blocks=9, per_pulse=Fraction(10)))
    every = pieces(profile, state, table)
    whole = RowReader(profile).read(every)
    reader = RowReader(profile)
    parts = [reader.read([piece]) for piece in every]
    joined = concat([part.table for part in parts])
    assert joined.rows == whole.table.rows == 8 * 4 + 2
    for one, other in zip(joined.columns, whole.table.columns, strict=True):
        assert one.values.tobytes() == other.values.tobytes()
    assert sum((part.findings for part in parts), ()) == whole.findings == ()


def running(
    count: int,
    profile: LoadProfileLayout,
    *,
    intervals: int = 2,
    spoil: Sequence[int] = (),
    planned: bool = False,
) -> tuple[LoadProfileLayout, ListState, bytes]:
    """A table with so many blocks whose end readings fit, but for those in ``spoil``."""
    block, end, total, table = profile.block, BEGIN, 0, bytearray()
    counted = [0] * block.channels
    for number in range(count):
        size = block.intervals if number < count - 1 else intervals
        end += QUARTER * size
        values = [[number + n + channel for n in range(size)] for channel in range(block.channels)]
        total += 10 * sum(values[0]) + (number in spoil)
        stamp = end + QUARTER * (block.intervals - size) * planned
        counted = [before + sum(channel) for before, channel in zip(counted, values, strict=True)]
        own = [total, *(10 * each for each in counted[1:])]
        table += encode_block(block, stamp, values, readings=own, pulses=counted)
    table += bytes(profile.size - len(table))
    return profile, ListState(count, count - 1, count, intervals), bytes(table)


def read(profile: LoadProfileLayout, state: ListState, table: bytes) -> Rows:
    return RowReader(profile).read(pieces(profile, state, table))


# --- checks -----------------------------------------------------------------------------------------------------------


def test_end_readings_that_are_the_sum_of_the_pulses() -> None:
    block = shape(reading=Number.I32, channels=1)
    assert read(*running(5, layout(block, per_pulse=Fraction(10)))).findings == ()


def test_an_end_reading_that_is_not() -> None:
    block = shape(reading=Number.I32, channels=1)
    profile = layout(block, per_pulse=Fraction(10))
    profile, state, table = running(5, profile)
    spoiled = bytearray(table)
    spoiled[2 * block.size + 5 : 2 * block.size + 9] = (9999).to_bytes(4, "little")
    (finding,) = read(profile, state, bytes(spoiled)).findings
    assert finding.code == "lp-end-reading"
    assert "block 3, channel 1" in finding.text


def test_less_than_a_pulse_is_no_difference() -> None:
    block = shape(reading=Number.I32, channels=1)
    assert read(*running(5, layout(block, per_pulse=Fraction(10)), spoil=(1, 3))).findings == ()


@pytest.mark.parametrize(("readings", "codes"), [((35, 70, 106), []), ((35.9, 71, 106), ["lp-end-reading"])])
def test_whole_counts_in_a_format_with_decimals(readings: tuple[float, ...], codes: list[str]) -> None:
    """INT32 / 10^4: a register that shows whole counts has cut what its intervals have."""
    block = shape(reading=Number.FIXED, channels=1, intervals=2)
    profile = layout(block, blocks=3, per_pulse=Fraction(1, 10))
    blocks = [
        encode_block(block, BEGIN + QUARTER * 2 * (n + 1), [[177, 177]], readings=[reading])
        for n, reading in enumerate(readings)
    ]
    assert [finding.code for finding in read(profile, ListState(3, 2, 3, 2), b"".join(blocks)).findings] == codes


def test_a_register_that_rolls_over() -> None:
    block = shape(reading=Number.BCD4, channels=1, intervals=2)
    profile = layout(block, blocks=3)
    blocks = [
        encode_block(block, BEGIN + QUARTER * 2 * (n + 1), [[10, 20]], readings=[reading])
        for n, reading in enumerate((9960, 9990, 20))
    ]
    assert read(profile, ListState(3, 2, 3, 2), b"".join(blocks)).findings == ()


def test_pulse_counters() -> None:
    block = shape(pulses=True, channels=1, intervals=2)
    profile, state = layout(block, blocks=3), ListState(3, 2, 3, 2)
    for counted, codes in (
        ((30, 60, 90), []),
        ((30, 30, 30), []),
        (((1 << 32) - 10, 20, 50), []),
        ((30, 61, 90), ["lp-end-pulses"]),
    ):
        blocks = [
            encode_block(block, BEGIN + QUARTER * 2 * (n + 1), [[10, 20]], pulses=[pulses])
            for n, pulses in enumerate(counted)
        ]
        assert [finding.code for finding in read(profile, state, b"".join(blocks)).findings] == codes


def test_what_is_no_energy_has_no_pulses_to_count() -> None:
    block = shape(pulses=True, channels=1, intervals=2)
    voltage = Channel(channel_head(1, Obis("1.0.32.7.0.255"), Unit.V, Fraction(1), ColumnKind.INSTANT), 0, 0)
    profile, state = replace(layout(block, blocks=3), channels=(voltage,)), ListState(3, 2, 3, 2)
    blocks = [encode_block(block, BEGIN + QUARTER * 2 * (n + 1), [[230, 231]], pulses=[231]) for n in range(3)]
    assert read(profile, state, b"".join(blocks)).findings == ()


def test_blocks_in_another_order_than_told() -> None:
    profile, state, table = running(5, layout(), intervals=4)
    (finding,) = read(profile, replace(state, last=1), table).findings
    assert finding.code == "lp-block-time"
    assert "block 4 begins" in finding.text


def test_a_block_without_a_time() -> None:
    profile, state, table = running(2, layout())
    found = read(profile, state, b"\xff" * 5 + table[5:])
    assert [finding.code for finding in found.findings] == ["lp-no-time"]
    assert [*found.table.columns[0].valid] == [0] * 4 + [1] * 2


def test_a_newest_block_with_the_time_of_its_end() -> None:
    """Some meters write the time when a block will be full: its intervals have ended before."""
    profile, state, table = running(3, layout())
    planned = running(3, layout(), planned=True)
    right, other = read(profile, state, table), read(*planned)
    assert right.findings == ()
    assert [finding.code for finding in other.findings] == ["lp-block-planned"]
    assert [*other.table.columns[0].values] == [*right.table.columns[0].values]


@pytest.mark.parametrize("descending", [False, True])
def test_a_block_that_breaks_off(descending: bool) -> None:
    profile, state, table = running(2, layout(shape(descending=descending)), intervals=4)
    every = pieces(profile, state, table)
    record = profile.block.record
    found = RowReader(profile).read([every[0], (every[1][0], every[1][1][: -record - 1])])
    assert found.truncated
    assert [finding.code for finding in found.findings] == ["truncated"]
    first = ms(BEGIN + QUARTER)
    numbers = [*range(4), *([6, 7] if descending else [4, 5])]
    assert [*found.table.columns[0].values] == [first + 900_000 * n for n in numbers]
    assert found.table.rows == 6
    nothing = RowReader(profile).read([(every[0][0], b"\1\2")])
    assert (nothing.table.rows, nothing.truncated, len(nothing.table.columns)) == (0, True, 3)


# --- statuses, times, characters --------------------------------------------------------------------------------------


def test_statuses_have_names() -> None:
    block = shape(extended_status=True, simple_status=True, intervals=4)
    profile = layout(block, blocks=1)
    flags, codes = [1, 6, 8, 0x80], [[0, 1, 2, 3], [4, 7, 9, 0]]
    octets = encode_block(block, BEGIN, [[1] * 4, [2] * 4], flags=flags, codes=codes)
    rows = read(profile, ListState(1, 0, 1, 4), octets)
    _, status, first, second, first_status, second_status = rows.table.columns
    names = dict(STATUS_BITS)
    assert [*status.values] == [
        1 << names["dst"] | 1 << names["skipped"],
        sum(1 << names[name] for name in ("power-fail", "clock-forward", "overflow", "stopped")),
        1 << names["clock-back"] | 1 << names["partial"] | 1 << names["unknown"],
        1 << names["not-valid"] | 1 << names["long"],
    ]
    assert ([*first.valid], [*second.valid]) == ([1, 1, 1, 0], [0, 1, 1, 0])
    assert ([*first_status.values], [*second_status.values]) == ([0, 1, 2, 3], [4, 7, 9, 0])
    assert [head.name for head in profile.columns[1:2]] == ["Interval status"]


@pytest.mark.parametrize(
    ("basis", "text", "first", "deviation"),
    [
        (TimeBasis(), "local time of the meter", BEGIN, -32768),
        (TimeBasis(utc=True), "UTC", BEGIN, 0),
        (TimeBasis(300), "local time, UTC-05:00", BEGIN + timedelta(hours=5), 300),
        (
            TimeBasis(-330, seasons=True),
            "local time, UTC+05:30 with daylight saving",
            BEGIN - timedelta(minutes=330),
            -330,
        ),
        (TimeBasis(300, utc=True), "UTC", BEGIN, 300),
    ],
)
def test_time_bases(basis: TimeBasis, text: str, first: datetime, deviation: int) -> None:
    profile = replace(layout(blocks=1), basis=basis)
    octets = encode_block(profile.block, BEGIN, [[1], [2]])
    rows = read(profile, ListState(1, 0, 1, 1), octets)
    assert ([*rows.table.columns[0].values], [*rows.table.columns[0].deviation]) == ([ms(first)], [deviation])
    assert str(basis) == profile.columns[0].source == text


def test_numbers_in_characters() -> None:
    block = shape(channels=1, value=Number.CHAR12, intervals=5)
    profile = layout(block, blocks=1)
    octets = bytearray(encode_block(block, BEGIN, [[Decimal("1.5"), Decimal(-2), Decimal("0.1234567"), 0, 0]]))
    octets[-24:] = b"not a number 1e17       "[:24]
    rows = read(profile, ListState(1, 0, 1, 5), bytes(octets))
    values = rows.table.columns[1]
    assert [*values.values] == [1_500_000, -2_000_000, 123_457, 0, 0]
    assert [*values.valid] == [1, 1, 1, 0, 0]
    assert [finding.code for finding in rows.findings] == ["value", "precision"]


def test_what_cannot_be_written() -> None:
    wrong: list[list[list[float]]] = [[[1]], [[1] * 5, [1] * 5], [[1], [1, 2]], [[70000], [1]], [[1.5], [1]]]
    for values in wrong:
        with pytest.raises(LocalProtocolError):
            encode_block(shape(), BEGIN, values)
    with pytest.raises(LocalProtocolError):
        encode_block(shape(), datetime(2126, 1, 1, tzinfo=UTC), [[1], [1]])
    with pytest.raises(LocalProtocolError):
        encode_block(shape(pulses=True), BEGIN, [[1], [1]], pulses=[1])
