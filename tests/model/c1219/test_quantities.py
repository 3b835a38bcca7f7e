"""From numbers to values: the walk through tables 12, 13, 15 and 16, OBIS equivalents, exact arithmetic."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metersdk.model.c1219.configuration import Configuration
from metersdk.model.c1219.formats import NiFormat
from metersdk.model.c1219.quantities import EXPONENTS, SourceQuantity, SourceWalk, TimeBase, Use, uom_number
from metersdk.model.c1219.registry import TableSet, encode_table
from metersdk.model.c1219.sources import UnitOfMeasure
from metersdk.model.column import ColumnKind
from metersdk.model.quantity import Unit


def uom(
    id_code: int = 0, time_base: int = 0, quadrants: str = "", multiplier: int = 0, **more: object
) -> UnitOfMeasure:
    flags = {f"q{n}_accountability": str(n) in quadrants for n in (1, 2, 3, 4)}
    return UnitOfMeasure.model_validate(
        {"id_code": id_code, "time_base": time_base, "multiplier": multiplier, **flags, **more}
    )


def walk_of(
    uoms: list[UnitOfMeasure],
    links: str | None = None,
    constants: list[dict[str, object]] | None = None,
    demands: list[int] | None = None,
    sources: int | None = None,
    **flags: object,
) -> SourceWalk:
    """A meter with these sources: ``links`` is their table 16 in hex, None: it has none."""
    count = sources if sources is not None else len(bytes.fromhex(links or "")) or len(uoms)
    tables = TableSet({0: Configuration.build(ni_format1=NiFormat.FLOAT64).encode()})
    limits = {
        "source_flags": flags,
        "nbr_uom_entries": len(uoms),
        "nbr_demand_ctrl_entries": len(demands or ()),
        "nbr_constants_entries": len(constants or ()),
        "constants_selector": 2,
        "nbr_sources": count,
    }
    tables.add(11, encode_table(limits, tables.known(23), 11))
    tables.add(12, encode_table({"uom_entry": uoms}, tables.known(12), 12))
    if constants is not None:
        tables.add(15, encode_table({"electric": constants}, tables.known(15), 15))
    if demands is not None:
        values = {"interval_value": [{"int_length": minutes} for minutes in demands]}
        tables.add(13, encode_table(values, tables.known(13), 13))
    if links is not None:
        tables.add(16, bytes.fromhex(links))
    return SourceWalk.of(tables)


def test_the_kth_source_with_a_bit_has_the_kth_entry() -> None:
    # Sources 0, 2 and 3 have a unit; 1 and 3 a constant, that of 3 is applied already; 0 and 3 a demand interval.
    walk = walk_of(
        [uom(0, 0, "14"), uom(1, 0, "12"), uom(0, 4, "14")],
        "13" + "38" + "11" + "1b",
        constants=[{"multiplier": 40, "offset": 2}, {"multiplier": 7, "offset": 0}],
        demands=[15, 30],
    )
    assert len(walk) == 4
    energy, nameless, reactive, demand = (walk[n] for n in range(4))
    assert (energy.unit, energy.interval_minutes, energy.multiplier) == (Unit.WH, 15, 1)
    assert (nameless.unit, nameless.raw_code, nameless.multiplier, nameless.offset) == (None, None, 40, 2)
    assert (reactive.unit, str(reactive.obis())) == (Unit.VARH, "1.0.3.8.0.255")
    assert (demand.unit, demand.interval_minutes, demand.multiplier) == (Unit.W, 30, 1)
    assert not energy.pulses and walk_of([uom()], "01")[0].pulses
    assert all(not each.findings for each in (energy, nameless, reactive, demand))


@pytest.mark.parametrize(
    ("entry", "use", "code", "unit", "kind"),
    [
        (uom(0, 0, "14"), Use.REGISTER, "1-0:1.8.0", Unit.WH, ColumnKind.CUMULATIVE),
        (uom(0, 0, "14"), Use.INTERVAL, "1-0:1.29.0", Unit.WH, ColumnKind.INTERVAL_DELTA),
        (uom(0, 5, "14"), Use.INTERVAL, "1-0:1.29.0", Unit.WH, ColumnKind.INTERVAL_DELTA),
        (uom(0, 0, "23"), Use.REGISTER, "1-0:2.8.0", Unit.WH, ColumnKind.CUMULATIVE),
        (uom(0, 0, "23"), Use.INTERVAL, "1-0:2.29.0", Unit.WH, ColumnKind.INTERVAL_DELTA),
        (uom(0, 0, "1234"), Use.REGISTER, "1-0:15.8.0", Unit.WH, ColumnKind.CUMULATIVE),
        (uom(0, 0, "1234", net_flow_accountability=True), Use.REGISTER, "1-0:16.8.0", Unit.WH, ColumnKind.CUMULATIVE),
        (uom(1, 0, "12"), Use.REGISTER, "1-0:3.8.0", Unit.VARH, ColumnKind.CUMULATIVE),
        (uom(1, 0, "34"), Use.INTERVAL, "1-0:4.29.0", Unit.VARH, ColumnKind.INTERVAL_DELTA),
        (uom(1, 0, "3"), Use.REGISTER, "1-0:7.8.0", Unit.VARH, ColumnKind.CUMULATIVE),
        (uom(2, 0, "14"), Use.REGISTER, "1-0:9.8.0", Unit.VAH, ColumnKind.CUMULATIVE),
        (uom(0, 4, "14"), Use.MAXIMUM, "1-0:1.6.0", Unit.W, ColumnKind.AVERAGE),
        (uom(0, 0, "14"), Use.MAXIMUM, "1-0:1.6.0", Unit.W, ColumnKind.AVERAGE),
        (uom(0, 3, "23"), Use.MINIMUM, "1-0:2.3.0", Unit.W, ColumnKind.AVERAGE),
        (uom(0, 4, "14"), Use.CUMULATIVE_DEMAND, "1-0:1.2.0", Unit.W, ColumnKind.CUMULATIVE),
        (uom(0, 4, "14"), Use.CONTINUOUS_DEMAND, "1-0:1.128.0", Unit.W, ColumnKind.CUMULATIVE),
        (uom(0, 4, "14"), Use.PRESENT_DEMAND, "1-0:1.4.0", Unit.W, ColumnKind.AVERAGE),
        (uom(0, 4, "14"), Use.INTERVAL, "1-0:1.5.0", Unit.W, ColumnKind.AVERAGE),
        (uom(0, 1, "14"), Use.REGISTER, "1-0:1.7.0", Unit.W, ColumnKind.INSTANT),
        (uom(8, 1, segmentation=5), Use.REGISTER, "1-0:32.7.0", Unit.V, ColumnKind.INSTANT),
        (uom(8, 2, segmentation=6), Use.INTERVAL, "1-0:52.7.0", Unit.V, ColumnKind.INSTANT),
        (uom(8, 2, segmentation=7), Use.REGISTER, "1-0:72.7.0", Unit.V, ColumnKind.INSTANT),
        (uom(12, 1, segmentation=5), Use.REGISTER, "1-0:31.7.0", Unit.A, ColumnKind.INSTANT),
        (uom(12, 1, segmentation=6), Use.REGISTER, "1-0:51.7.0", Unit.A, ColumnKind.INSTANT),
        (uom(12, 1, segmentation=7), Use.REGISTER, "1-0:71.7.0", Unit.A, ColumnKind.INSTANT),
        (uom(12, 1, segmentation=4), Use.REGISTER, "1-0:91.7.0", Unit.A, ColumnKind.INSTANT),
        (uom(0, 1, "14", segmentation=6), Use.REGISTER, "1-0:41.7.0", Unit.W, ColumnKind.INSTANT),
        (uom(33, 1), Use.REGISTER, "1-0:14.7.0", Unit.HZ, ColumnKind.INSTANT),
    ],
)
def test_obis_equivalents(entry: UnitOfMeasure, use: Use, code: str, unit: Unit, kind: ColumnKind) -> None:
    quantity = walk_of([entry], "11")[0].used_as(use)
    assert quantity.obis(use).idis == f"{code}*255"
    assert (quantity.unit, quantity.kind(use), quantity.has_code) == (unit, kind, True)


def test_tiers_and_billing_periods_go_into_the_code() -> None:
    quantity = walk_of([uom(0, 0, "14")], "11")[0]
    assert quantity.obis(tier=2, period=101, channel=128).idis == "1-128:1.8.2*101"


@pytest.mark.parametrize(
    "entry",
    [
        uom(0, 0, "14", nfs=True),
        uom(0, 0, "14", harmonic=True),
        uom(0, 0, ""),
        uom(0, 0, "13"),
        uom(8, 1, segmentation=1),
        uom(8, 0),
        uom(200, 1),
        uom(0, TimeBase.EVENTS, "14"),
    ],
)
def test_what_has_no_code_keeps_its_number(entry: UnitOfMeasure) -> None:
    quantity = walk_of([uom(0, 0, "14"), entry], "1111")[1]
    assert not quantity.has_code and quantity.obis().c == 129
    assert quantity.raw_code == uom_number(entry)
    assert f"{quantity.raw_code:#010x}" in str(quantity)
    assert quantity.unit is None or not entry.nfs


@given(st.integers(0, (1 << 32) - 1))
def test_any_entry_of_table_12_has_a_code_and_keeps_its_number(word: int) -> None:
    tables = TableSet({0: Configuration.build().encode(), 11: bytes.fromhex("0001000000000201")})
    tables.add(12, word.to_bytes(4, "little"))
    tables.add(16, b"\x11")
    quantity = SourceWalk.of(tables)[0]
    assert quantity.raw_code == word
    for use in Use:
        assert quantity.used_as(use).obis(use).a == 1 and quantity.kind(use)
    assert quantity.value(3) == 3 * Decimal(10) ** EXPONENTS[word >> 11 & 7] and str(quantity)


def test_values_are_exact_and_keep_their_resolution() -> None:
    quantity = walk_of([uom(0, 0, "14", multiplier=2)], "11")[0]
    assert str(quantity.value(Decimal("12.50"))) == "12500"
    milli = walk_of([uom(8, 1, multiplier=6, segmentation=5)], "11")[0]
    assert str(milli.value(230100)) == "230.100"
    assert str(milli.value(-5)) == "-0.005"
    assert milli.value(Decimal("NaN")) is None
    scaled = walk_of([uom(0, 0, "14")], "39", constants=[{"multiplier": "0.45", "offset": "1.5"}])[0]
    assert scaled.value(10) == 6 and scaled.factor == Fraction(9, 20)
    exponent = walk_of([uom(0, 0, "14", multiplier=2)], "39", constants=[{"multiplier": "0.45", "offset": "1.5"}])[0]
    assert exponent.value(10) == 6000


@given(
    st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**15), max_value=10**15),
    st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**6), max_value=10**6),
    st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-(10**6), max_value=10**6),
    st.sampled_from(EXPONENTS),
)
def test_the_formula_holds(number: Decimal, multiplier: Decimal, offset: Decimal, exponent: int) -> None:
    quantity = SourceQuantity(0, multiplier=multiplier, offset=offset, exponent=exponent)
    value = quantity.value(number)
    assert value is not None
    wanted = (Fraction(number) * Fraction(multiplier) + Fraction(offset)) * Fraction(10) ** exponent
    assert abs(Fraction(value) - wanted) <= abs(wanted) * Fraction(1, 10**27)


def test_ratios_of_transformers_are_told_and_not_applied() -> None:
    ratios = {"set_flags": {}, "ratio_f1": 40, "ratio_p1": 1}
    constants = [{"multiplier": 2, "offset": 0, "set1_constants": ratios}]
    quantity = walk_of([uom(0, 0, "14")], "39", constants, set1_present_flag=True)[0]
    assert quantity.value(3) == 6 and quantity.ratios[0].ratio_f1 == 40
    assert [finding.code for finding in quantity.findings] == ["c1219-ratios"]
    ratios["set_flags"] = {"set_applied_flag": True}
    applied = walk_of([uom(0, 0, "14")], "39", constants, set1_present_flag=True)[0]
    assert applied.ratios == applied.findings == ()


def test_what_is_missing_is_a_finding() -> None:
    walk = walk_of([], "3b", sources=1)
    assert [finding.code for finding in walk[0].findings] == ["c1219-source", "c1219-source"]
    assert [finding.code for finding in walk[7].findings] == ["c1219-source"]
    assert walk[0].value(5) == 5 and walk[7].obis().c == 135
    broken = walk_of([uom()], "39", constants=[{"multiplier": "NaN", "offset": 0}])[0]
    assert broken.value(5) == 5 and [finding.code for finding in broken.findings] == ["c1219-scale"]


def test_without_table_16_entries_count_as_one_for_each_source() -> None:
    walk = walk_of([uom(0, 0, "14"), uom(1, 0, "12")], None)
    assert [walk[n].unit for n in range(3)] == [Unit.WH, Unit.VARH, None]
    # Of two entries for three sources nobody knows whose they are.
    assert walk_of([uom(0, 0, "14"), uom()], None, sources=3)[0].unit is None
    constants = [{"multiplier": 2, "offset": 0}]
    unclear = walk_of([uom(0, 0, "14")], None, constants)[0]
    assert unclear.value(5) == 5 and [finding.code for finding in unclear.findings] == ["c1219-scale"]


def test_a_meter_without_these_tables_has_sources_all_the_same() -> None:
    walk = SourceWalk.of(TableSet())
    assert len(walk) == 0 and walk[3] == SourceQuantity(3) and str(walk[3]) == "source 3: no entry in table 12"
