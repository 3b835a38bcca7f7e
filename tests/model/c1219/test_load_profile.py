"""``Profile.from_c1219``: whole load profiles from the tables of a meter."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from metersdk.errors import DecodeError, LocalProtocolError
from metersdk.fast.c1219_layout import Number
from metersdk.model.c1219.configuration import Configuration
from metersdk.model.c1219.load_profile import LoadProfileLayout, TimeBasis
from metersdk.model.c1219.load_profile_decoder import LoadProfileDecoder
from metersdk.model.c1219.load_profile_encode import encode_block
from metersdk.model.c1219.load_profile_tables import basis_of, layout_of, state_of
from metersdk.model.c1219.registry import TableSet, encode_table
from metersdk.model.column import ColumnKind
from metersdk.model.profile import Profile
from metersdk.model.quantity import Unit
from metersdk.model.quirks import Quirks

QUARTER = timedelta(minutes=15)
BEGIN = datetime(2026, 3, 1)
IMPORT = {"q1_accountability": 1, "q4_accountability": 1, "net_flow_accountability": 1}
STATUS = {"nbr_valid_blocks": 3, "last_block_element": 1, "last_block_seq_nbr": 9, "nbr_valid_int": 2}


def meter(
    *,
    sets: Mapping[int, Mapping[str, Any]] | None = None,
    flags: Mapping[str, Any] | None = None,
    sources: bool = True,
    others: Mapping[int, Mapping[str, Any]] | None = None,
    blocks: bool = True,
    **formats: Any,
) -> TableSet:
    """A meter with the sets given: ``channels``, ``code``, ``factors`` and ``status`` of each, 5 blocks of 4."""
    sets = sets or {1: {}}
    others = others or {}
    std = {0, 11, 12, 15, 16, 51, 52, 53, 61, 62, 63, *(63 + number for number in sets)}
    tables = TableSet({0: Configuration.build(**({"std_tables": std} | formats)).encode()})

    def add(number: int, values: Mapping[str, Any]) -> None:
        tables.add(number, encode_table(dict(values), tables.known(number), number))

    limits, control, status = {}, {}, {}
    scaled = {f"scalar_divisor_flag_set{number}": "factors" in given for number, given in sets.items()}
    for number, given in sets.items():
        channels = given.get("channels", (0, 1))
        limits[f"set{number}"] = {"nbr_blks": 5, "nbr_blk_ints": 4, "nbr_chns": len(channels), "max_int_time": 15}
        selected = tuple(
            {"chnl_flag": {"end_rdg_flag": 1}, "lp_source_select": n, "end_blk_rdg_source_select": n} for n in channels
        )
        control[f"set{number}"] = {"lp_sel_set": selected, "int_fmt_cde": given.get("code", 2)}
        if "factors" in given:
            control[f"set{number}"] |= dict(zip(("scalars_set", "divisor_set"), given["factors"], strict=True))
        status[f"set{number}"] = STATUS | {"lp_set_status_flags": {"list_type": 1} | given.get("status", {})}
    add(61, {"lp_memory_len": 1, "lp_flags": scaled | dict(flags or {})} | limits)
    add(62, control)
    add(63, status)
    if sources:
        add(11, {"nbr_uom_entries": 2, "nbr_constants_entries": 1, "constants_selector": 2, "nbr_sources": 3})
        add(12, {"uom_entry": (IMPORT | {"multiplier": 2}, {"id_code": 8, "time_base": 1, "segmentation": 5})})
        add(15, {"electric": ({"multiplier": 12, "offset": 0},)})
        links: tuple[dict[str, int], ...] = (
            {"uom_entry_flag": 1, "constants_flag": 1, "constant_to_be_applied": 1},
            {"uom_entry_flag": 1},
            {},
        )
        add(16, {"sources_link": links})
    for number, values in others.items():
        add(number, values)
    for number in sets if blocks else ():
        tables.add(63 + number, table_of(layout_of(tables, number), tables))
    return tables


def table_of(layout: LoadProfileLayout, tables: TableSet) -> bytes:
    """Three blocks from ``BEGIN`` on: channel c of block n counts 100 n + 10 c, and one more each interval."""
    state = state_of(tables, layout.set_number)
    block, table, end = layout.ordered(state).block, bytearray(layout.size), BEGIN
    totals = [Fraction(0)] * block.channels
    for n, place in enumerate(layout.places(state)):
        values = [[100 * n + 10 * c + k for k in range(place.intervals)] for c in range(block.channels)]
        totals = [
            total + sum(channel) * each.per_pulse
            for total, channel, each in zip(totals, values, layout.channels, strict=True)
        ]
        end += QUARTER * place.intervals
        shown = [int(total) for total in totals]
        octets = encode_block(block, end, values, readings=shown, pulses=[0] * block.channels)
        table[place.offset : place.offset + block.size] = octets
    return bytes(table)


def test_a_profile_of_an_ansi_meter() -> None:
    tables = meter(flags={"extended_int_status_flag": 1, "blk_end_read_flag": 1})
    profile = Profile.from_c1219(tables)
    assert (len(profile), profile.period, str(profile.head.obis)) == (10, 900, "1.0.99.1.0.255")
    assert [finding.code for finding in profile.findings] == ["zone-unknown"]
    time, status, energy, voltage, *codes = profile.columns
    assert [time.moment(0), time.moment(9)] == [BEGIN + QUARTER, BEGIN + 10 * QUARTER]
    assert time.head.source == "local time of the meter, with daylight saving"
    assert (str(energy.obis), energy.unit, energy.kind) == ("1.0.1.29.0.255", Unit.WH, ColumnKind.INTERVAL_DELTA)
    assert (str(voltage.obis), voltage.unit, voltage.kind) == ("1.0.32.7.0.255", Unit.V, ColumnKind.INSTANT)
    # 12 from table 15, kWh from table 12
    assert energy.scaler == 3 and energy.factor == 12
    assert [*energy][:2] == [Decimal(0), Decimal(12000)]
    assert energy.value(9) == 201 * 12000
    assert voltage.value(0) == 10
    assert (status.kind, [column.kind for column in codes]) == (ColumnKind.STATUS, [ColumnKind.STATUS] * 2)
    assert profile.gaps == [] and not profile.truncated


def test_factors_of_table_62_that_are_no_decimals() -> None:
    profile = Profile.from_c1219(meter(sets={1: {"channels": (0,), "factors": ((1,), (7,))}}))
    column = profile.columns[1]
    assert column.fraction(1) == Fraction(12000, 7)
    assert str(column.value(1)) == "1714.285714285714285714285714"
    assert column.value(7) == 103 * Decimal(12000) / 7
    told = json.loads(profile.to_json())["columns"][1]
    assert Fraction(told["factor"]) * 10 ** told["scaler"] == Fraction(12000, 7)
    assert told["source"] == "source 0: 1-0:1.8.0*255 in Wh"


@pytest.mark.parametrize("factors", [((0,), (1,)), ((1,), (0,))])
def test_factors_that_make_no_sense(factors: tuple[tuple[int], tuple[int]]) -> None:
    profile = Profile.from_c1219(meter(sets={1: {"channels": (0,), "factors": factors}}))
    assert "lp-factor" in {finding.code for finding in profile.findings}
    assert profile.columns[1].value(1) == 1


def test_a_channel_that_nothing_is_known_of() -> None:
    for tables, channel in ((meter(sets={1: {"channels": (2,)}}), 2), (meter(sources=False), 0)):
        profile = Profile.from_c1219(tables)
        column = profile.columns[1]
        assert column.unit is None and column.scaler == 0 and column.factor == 1
        assert column.obis.c >= 128
        assert column.head.source.startswith(f"source {channel}: no entry")
        assert "lp-channel" in {finding.code for finding in profile.findings}
        assert column.value(1) == 1


def test_all_four_sets() -> None:
    given: dict[int, dict[str, Any]] = {
        1: {"code": 1},
        2: {"code": 4, "channels": (0, 1, 0)},
        3: {"code": 16, "channels": (1,), "factors": ((3,), (1,))},
        4: {"code": 64, "channels": (0, 0, 0, 0, 0)},
    }
    tables = meter(sets=given, flags={"extended_int_status_flag": 1}, ni_format1=11)
    assert [layout_of(tables, n).block.value for n in given] == [Number.U8, Number.U32, Number.I16, Number.I64]
    for number, each in given.items():
        profile = Profile.from_c1219(tables, number)
        channels = len(each.get("channels", (0, 1)))
        assert (len(profile), len(profile.columns)) == (10, 2 + 2 * channels)
        assert [*profile.columns[2].raw] == [0, 1, 2, 3, 100, 101, 102, 103, 200, 201]
    with pytest.raises(LocalProtocolError, match="no load profile set 5"):
        Profile.from_c1219(tables, 5)
    with pytest.raises(LocalProtocolError, match="no load profile set 2"):
        Profile.from_c1219(meter(), 2)


@pytest.mark.parametrize("order", ["little", "big"])
@pytest.mark.parametrize("tm_format", [1, 2, 3, 4])
@pytest.mark.parametrize(
    "flags",
    [
        {},
        {"extended_int_status_flag": 1, "blk_end_read_flag": 1},
        {"simple_int_status_flag": 1, "blk_end_pulse_flag": 0},
        {"extended_int_status_flag": 1, "simple_int_status_flag": 1, "blk_end_read_flag": 1},
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_every_configuration_gives_the_same_rows(
    order: str, tm_format: int, flags: dict[str, int], turned: bool
) -> None:
    status = {"order": int(turned), "interval_order": int(turned)}
    tables = meter(sets={1: {"status": status, "code": 32}}, flags=flags, order=order, tm_format=tm_format)
    profile = Profile.from_c1219(tables, quirks=Quirks(local_deviation=0))
    assert [*profile.times] == [int((BEGIN.replace(tzinfo=UTC) + n * QUARTER).timestamp()) * 1000 for n in range(1, 11)]
    energy = profile.column("1.0.1.29.0.255")
    assert [*energy.raw] == [0, 1, 2, 3, 100, 101, 102, 103, 200, 201]
    assert energy.valid.tobytes() == b"\1" * 10
    assert profile.findings == ()
    layout = layout_of(tables, quirks=Quirks(local_deviation=0))
    octets, state = tables.raw(64), state_of(tables)
    decoder = LoadProfileDecoder(layout.ordered(state))
    blocks = ((place, octets[place.offset :][: place.size]) for place in layout.places(state))
    parts = list(decoder.iter(blocks, 1))
    assert ([len(part) for part in parts], decoder.rows) == ([4, 4, 2], 10)
    assert Profile.concat(parts) == profile


@pytest.mark.parametrize("ni_format", range(14))
@pytest.mark.parametrize("int_format", [0, 1, 2])
def test_every_number_format(ni_format: int, int_format: int) -> None:
    tables = meter(sets={1: {"code": 128, "channels": (1,)}}, ni_format2=ni_format, int_format=int_format)
    profile = Profile.from_c1219(tables)
    assert [*profile.columns[1]] == [0, 1, 2, 3, 100, 101, 102, 103, 200, 201]


# --- what times count by ----------------------------------------------------------------------------------------------

CLOCK: dict[str, Any] = {"clock_calendar": BEGIN}
APPLIED: dict[int, dict[str, Any]] = {
    52: CLOCK | {"time_date_qual": {"tm_zn_applied_flag": 1, "dst_applied_flag": 1, "dst_supported_flag": 1}}
}
ZONE: dict[int, dict[str, Any]] = {51: {"time_func_flag2": {"cap_dst_auto_flag": 1, "cap_tm_zn_offset_flag": 1}}}
EASTERN = ZONE | {53: {"dst_time_amt": 60, "time_zone_offset": -300}}


@pytest.mark.parametrize(
    ("tm_format", "others", "quirks", "basis", "findings"),
    [
        (2, {}, Quirks(), TimeBasis(None, seasons=True), ["zone-unknown"]),
        (2, {}, Quirks(local_deviation=-60), TimeBasis(-60, seasons=True), []),
        (4, {}, Quirks(), TimeBasis(None, utc=True), ["lp-time-basis"]),
        (3, {}, Quirks(local_deviation=300), TimeBasis(300, seasons=True), []),
        (2, EASTERN | APPLIED, Quirks(), TimeBasis(300, seasons=True), []),
        (4, EASTERN | APPLIED, Quirks(), TimeBasis(300, seasons=True), []),
        (4, EASTERN | {52: CLOCK | {"time_date_qual": {"gmt_flag": 1}}}, Quirks(), TimeBasis(300, utc=True), []),
        (2, EASTERN | {52: CLOCK | {"time_date_qual": {"gmt_flag": 1}}}, Quirks(), TimeBasis(300, utc=True), []),
        (4, EASTERN | {52: CLOCK}, Quirks(), TimeBasis(300, utc=True), []),
        (2, EASTERN | {52: CLOCK | {"time_date_qual": {"tm_zn_applied_flag": 1}}}, Quirks(), TimeBasis(300), []),
        (
            2,
            ZONE | APPLIED | {53: {"time_zone_offset": 30000}},
            Quirks(),
            TimeBasis(None, seasons=True),
            ["zone-unknown"],
        ),
        (2, EASTERN | APPLIED | {53: {"dst_time_amt": 0, "time_zone_offset": -300}}, Quirks(), TimeBasis(300), []),
        (2, EASTERN | APPLIED, Quirks(local_deviation=360), TimeBasis(360, seasons=True), []),
        (0, {}, Quirks(), TimeBasis(None, seasons=True), []),
    ],
)
def test_time_bases(
    tm_format: int, others: dict[int, dict[str, Any]], quirks: Quirks, basis: TimeBasis, findings: list[str]
) -> None:
    tables = meter(others=others, tm_format=tm_format, blocks=tm_format > 0)
    found = basis_of(tables, quirks)
    assert [finding.code for finding in found.findings] == findings
    assert (found.deviation, found.utc, found.seasons) == (basis.deviation, basis.utc, basis.seasons)


def test_summer_in_local_stamps() -> None:
    """Clocks go an hour ahead between two intervals: there is no gap, and UTC goes on evenly."""
    tables = meter(
        flags={"extended_int_status_flag": 1}, others=EASTERN | APPLIED, blocks=False, sets={1: {"channels": (0,)}}
    )
    layout, state = layout_of(tables), state_of(tables)
    table, first = bytearray(layout.size), datetime(2026, 3, 8, 0, 45)
    for n, place in enumerate(layout.places(state)):
        last = first + QUARTER * (4 * n + place.intervals)
        # Summer begins at 2 o'clock; the interval that ends then still belongs to winter.
        summer = [4 * n + k >= 5 for k in range(place.intervals)]
        stamp = last + timedelta(hours=1) * summer[-1]
        octets = encode_block(layout.block, stamp, [[1] * place.intervals], flags=[int(each) for each in summer])
        table[place.offset : place.offset + len(octets)] = octets
    tables.add(64, bytes(table))
    profile = Profile.from_c1219(tables)
    times = [profile.columns[0].moment(row) for row in range(10)]
    start = (first + QUARTER).replace(tzinfo=timezone(timedelta(hours=-5)))
    assert times == [start + n * QUARTER for n in range(10)]
    assert [str(time)[11:] for time in times[3:7]] == [
        "01:45:00-05:00",
        "02:00:00-05:00",
        "03:15:00-04:00",
        "03:30:00-04:00",
    ]
    assert profile.columns[1].names(4) == frozenset()
    assert profile.columns[1].names(5) == {"dst"}
    assert profile.gaps == [] and profile.findings == ()


# --- damage -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("formats", "code"),
    [({"tm_format": 5}, 2), ({"int_format": 3}, 16), ({"ni_format1": 14}, 64), ({"ni_format2": 15}, 128), ({}, 3)],
)
def test_formats_that_are_reserved(formats: dict[str, Any], code: int) -> None:
    tables = meter(sets={1: {"code": code}}, blocks=False, sources=False, **formats)
    with pytest.raises(DecodeError, match="tables 0, 61 and 62"):
        layout_of(tables)


def test_dimensions_that_are_nothing() -> None:
    for octets in (b"\0\0\4\0\2\x0f", b"\5\0\0\0\2\x0f", b"\5\0\4\0\0\x0f"):
        tables = meter(blocks=False)
        tables.add(61, tables.raw(61)[:7] + octets)
        if octets[4] == 0:
            tables.add(62, b"\2")
        with pytest.raises(DecodeError, match="table"):
            layout_of(tables)


def test_tables_that_are_missing_or_short() -> None:
    tables = meter()
    for missing in (0, 61, 62, 63, 64):
        partial = TableSet({number: tables.raw(number) for number in tables if number != missing})
        with pytest.raises(LocalProtocolError, match=f"{missing}"):
            Profile.from_c1219(partial)
    block = layout_of(tables).block
    tables.add(64, tables.raw(64)[: block.size + 2 * block.record])
    profile = Profile.from_c1219(tables)
    assert profile.truncated
    assert "truncated" in {finding.code for finding in profile.findings}
    assert len(profile) < 10
