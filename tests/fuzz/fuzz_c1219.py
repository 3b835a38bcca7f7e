"""Fuzz target of C12.19 load profiles: the tables of a meter in, a profile or a documented error out.

An input is a row of tables: number (octet), length (two octets), octets.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from fuzz_c1219_tables import TARGETS as TABLES
from fuzz_mutation import Target

from metersdk import fast
from metersdk.errors import RemoteProtocolError
from metersdk.fast import pure_c1219
from metersdk.fast.c1219_layout import TEXT
from metersdk.model.c1219.configuration import Configuration
from metersdk.model.c1219.load_profile import LoadProfileLayout
from metersdk.model.c1219.load_profile_decoder import LoadProfileDecoder
from metersdk.model.c1219.load_profile_encode import encode_block
from metersdk.model.c1219.load_profile_tables import layout_of, state_of
from metersdk.model.c1219.registry import TableSet, encode_table
from metersdk.model.profile import Profile

NEEDED = (0, 61, 62, 63, 64)
_BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def tables_of(data: bytes) -> TableSet:
    tables, at = TableSet(), 0
    while at + 3 <= len(data):
        size = int.from_bytes(data[at + 1 : at + 3], "big")
        tables.add(data[at], data[at + 3 : at + 3 + size])
        at += 3 + size
    return tables


def load_profile(data: bytes) -> None:
    """C and Python read the same, in pieces too; what is read can be asked for everything."""
    tables = tables_of(data)
    if any(number not in tables for number in NEEDED) or 64 not in tables.configuration.std_tbls_used:
        return
    state = state_of(tables)
    layout = layout_of(tables).ordered(state)
    octets, places = tables.raw(64), layout.places(state)
    given = [place.offset for place in places], [place.intervals for place in places]
    one, other = (read(octets, layout.block, *given) for read in (fast.read_blocks, pure_c1219.read_blocks))
    assert (one.rows, one.blocks, one.arena) == (other.rows, other.blocks, other.arena)
    profile = Profile.from_c1219(tables)
    assert len(profile) <= sum(place.intervals for place in places)
    assert profile.truncated == any(place.offset + place.size > len(octets) for place in places)
    profile.gaps  # noqa: B018
    for column in profile.columns:
        for row in range(0, len(profile), 97):
            column.value(row), column.plain(row), column.names(row), column.fraction(row)
    blocks = [(place, octets[place.offset : place.offset + place.size]) for place in places]
    parts = list(LoadProfileDecoder(layout).iter(blocks, 3))
    assert sum(map(len, parts)) == len(profile)
    if len(parts) < 100 and parts and layout.block.value not in TEXT:
        joined = Profile.concat(parts)
        assert Profile(profile.head, joined.table, truncated=profile.truncated) == profile


def pack(tables: TableSet) -> bytes:
    return b"".join(
        bytes((number,)) + len(tables.raw(number)).to_bytes(2, "big") + tables.raw(number) for number in tables
    )


def meter(tm_format: int, order: str, code: int, *, simple: bool, extended: bool, ends: bool, turn: bool) -> TableSet:
    """A meter with three blocks of four intervals, the newest with two."""
    std = {*NEEDED, 11, 12, 15, 16, 51, 52, 53}
    config = Configuration.build(order=order, tm_format=tm_format, ni_format1=9, ni_format2=6, std_tables=std)  # type: ignore[arg-type]
    tables = TableSet({0: config.encode()})

    def add(number: int, **values: object) -> None:
        tables.add(number, encode_table(values, tables.known(number), number))

    flags = {"blk_end_read_flag": ends, "blk_end_pulse_flag": ends, "scalar_divisor_flag_set1": ends}
    flags |= {"extended_int_status_flag": extended, "simple_int_status_flag": simple}
    size = {"nbr_blks": 4, "nbr_blk_ints": 4, "nbr_chns": 2, "max_int_time": 15}
    add(61, lp_memory_len=1000, lp_flags=flags, set1=size)
    channels = tuple({"lp_source_select": n, "end_blk_rdg_source_select": n} for n in range(2))
    factors = {"scalars_set": (1, 5), "divisor_set": (1, 3)} if ends else {}
    add(62, set1={"lp_sel_set": channels, "int_fmt_cde": code} | factors)
    order_flags = {"order": turn, "list_type": 1, "interval_order": turn}
    counts = {"nbr_valid_blocks": 3, "last_block_element": 1, "last_block_seq_nbr": 77, "nbr_valid_int": 2}
    add(63, set1={"lp_set_status_flags": order_flags} | counts)
    add(11, nbr_uom_entries=2, nbr_constants_entries=1, constants_selector=2, nbr_sources=2)
    add(12, uom_entry=({"q1_accountability": 1, "q4_accountability": 1}, {"id_code": 1}))
    add(15, electric=({"multiplier": 12, "offset": 0},))
    add(
        16,
        sources_link=({"uom_entry_flag": 1, "constants_flag": 1, "constant_to_be_applied": 1}, {"uom_entry_flag": 1}),
    )
    add(51, time_func_flag2={"cap_dst_auto_flag": 1, "cap_tm_zn_offset_flag": 1})
    add(52, clock_calendar=datetime(2026, 1, 1), time_date_qual={"dst_applied_flag": 1, "tm_zn_applied_flag": 1})
    add(53, dst_time_amt=60, time_zone_offset=-300)
    tables.add(64, bytes(_blocks(layout_of(tables), tables)))
    return tables


def _blocks(layout: LoadProfileLayout, tables: TableSet) -> bytearray:
    block, table, end = layout.block, bytearray(layout.size), _BEGIN
    for place in layout.places(state_of(tables)):
        count = place.intervals
        end += timedelta(minutes=15 * count)
        values = [[place.sequence + n for n in range(count)] for _ in range(2)]
        codes = [[n % 3 for n in range(count)]] * 2 if block.extended_status else []
        octets = encode_block(block, end, values, codes=codes, readings=[5, 6], pulses=[7, 8])
        table[place.offset : place.offset + block.size] = octets
    return table


def seeds() -> list[bytes]:
    found = []
    for number, (tm_format, code) in enumerate(((1, 2), (2, 4), (3, 16), (4, 64), (0, 128), (4, 1))):
        options = {"simple": number % 2 == 0, "extended": number % 3 == 0, "ends": number % 4 < 2, "turn": number > 2}
        found.append(pack(meter(tm_format, ("little", "big")[number % 2], code, **options)))
    return found


_WORDS = (bytes((61, 0, 19)), bytes((62, 0, 15)), bytes((63, 0, 13)), b"\xff\xff", b"\x00\x00", b"\x80", b"\x40\x00")
TARGETS = (Target("c1219-load-profile", load_profile, seeds, (RemoteProtocolError,), _WORDS), *TABLES)
