"""Registers of tables 23 to 28 as readings, and tables of vendor data."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import pytest

from metersdk.errors import DecodeError, Finding, LocalProtocolError
from metersdk.model.c1219.configuration import MANUFACTURER, Configuration
from metersdk.model.c1219.formats import Moment
from metersdk.model.c1219.readings import readings, self_reads
from metersdk.model.c1219.registers import SelfReads
from metersdk.model.c1219.registry import TableSet, decode_table, encode_table, needs, size_of
from metersdk.model.c1219.table import Certainty
from metersdk.model.c1219.vendor_tables import VendorTable, layouts_named, layouts_of
from metersdk.model.clock import DateTime
from metersdk.model.quantity import Unit
from metersdk.model.reading import Reading


def block(start: int) -> dict[str, object]:
    times = [datetime(2026, 11, day, 12, 30) for day in (1, 2)]
    sums = {"cum_demand": start + 2, "cont_cum_demand": start + 3}
    demand = {"event_time": times, **sums, "demand": [start + 4, start + 5]}
    return {
        "summations": [start, start + 1],
        "demands": [demand],
        "coincidents": [{"coincident_values": [start + 6, start + 7]}],
    }


def registers(start: int) -> dict[str, object]:
    return {"nbr_demand_resets": 9, "tot_data_block": block(start), "tier_data_block": [block(start + 10)]}


SOURCES = [
    {"id_code": 0, "multiplier": 2, "q1_accountability": True, "q4_accountability": True},
    {"id_code": 0, "q2_accountability": True, "q3_accountability": True},
    {"id_code": 0, "time_base": 4, "q1_accountability": True, "q4_accountability": True},
    {"id_code": 8, "time_base": 1, "multiplier": 6, "segmentation": 5},
    {"id_code": 24, "time_base": 4},
]
LIMITS = {
    "reg_func1_flags": {
        "season_info_field_flag": True,
        "date_time_field_flag": True,
        "demand_reset_ctr_flag": True,
        "cum_demand_flag": True,
        "cont_cum_demand_flag": True,
    },
    "nbr_self_reads": 3,
    "nbr_summations": 2,
    "nbr_demands": 1,
    "nbr_coin_values": 1,
    "nbr_occur": 2,
    "nbr_tiers": 1,
    "nbr_present_demands": 1,
    "nbr_present_values": 3,
}
ENDED = {"end_date_time": datetime(2026, 10, 31, 23, 59), "season": 1}
META: dict[int, dict[str, object]] = {
    11: {"nbr_uom_entries": 5, "nbr_sources": 5},
    12: {"uom_entry": SOURCES},
    16: {"sources_link": [{"uom_entry_flag": True, "pulse_engr_flag": True}] * 5},
    21: LIMITS,
    22: {
        "summation_select": [0, 1],
        "demand_select": [2],
        "min_or_max_flags": {0},
        "coincident_select": [4],
        "coin_demand_assoc": [0],
    },
    27: {"present_demand_select": [2], "present_value_select": [0, 3, 255]},
}
VALUES: dict[int, dict[str, object]] = {
    23: registers(100),
    24: {**ENDED, "register_data": registers(300)},
    25: {**ENDED, "register_data": registers(200)},
    26: {
        "nbr_valid_entries": 2,
        "last_entry_element": 1,
        "last_entry_seq_nbr": 107,
        "self_reads_entries": [{**ENDED, "register_data": registers(400 + 100 * n)} for n in range(3)],
    },
    28: {"present_demand": [{"demand_value": 7}], "present_value": [1, 230100, 5]},
}


def meter(*, without: tuple[int, ...] = (), **choices: object) -> TableSet:
    tables = TableSet({0: Configuration.build(**choices).encode()})  # type: ignore[arg-type]
    for number, values in sorted({**META, **VALUES}.items()):
        if number not in without:
            tables.add(number, encode_table(values, tables.known(number), number))
    return tables


def by_code(found: list[Reading]) -> dict[str, Reading]:
    assert len({reading.obis for reading in found}) == len(found)
    return {reading.obis.idis: reading for reading in found}


@pytest.mark.parametrize("order", ["little", "big"])
@pytest.mark.parametrize("tm_format", [1, 2, 3, 4])
def test_registers_with_unit_code_and_time(order: str, tm_format: int) -> None:
    found = by_code(readings(meter(order=order, tm_format=tm_format)))
    first = found["1-0:1.8.0*255"]
    assert (first.value, first.unit, first.raw, first.time) == (Decimal(100_000), Unit.WH, "100", None)
    assert first.name == "Active energy import (+A)"
    assert found["1-0:2.8.0*255"].value == 101 and found["1-0:1.8.1*255"].value == 110_000
    maximum = found["1-0:1.6.0*255"]
    assert (maximum.value, maximum.unit) == (104, Unit.W)
    assert maximum.time is not None and maximum.time.to_datetime().replace(tzinfo=None) == datetime(2026, 11, 1, 12, 30)
    assert maximum.time.deviation == (0 if tm_format > 2 else None)
    # The second highest, cumulative, continuous cumulative, and what the power factor was then.
    assert found["1-128:1.6.0*255"].value == 105
    assert (found["1-0:1.2.0*255"].value, found["1-0:1.128.0*255"].value) == (102, 103)
    assert found["1-0:13.129.0*255"].value == 106
    assert found["1-0:1.128.1*255"].name == "Active power import (+A), continuous cumulative demand, tariff 1"
    assert found["1-128:1.6.0*255"].name.endswith(", maximum, occurrence 2")
    assert found["1-0:0.1.0*255"].value == 9
    # Table 28: what table 23 has is not told twice, and 255 selects nothing.
    assert found["1-0:1.4.0*255"].value == 7
    assert str(found["1-0:32.7.0*255"].value) == "230.100" and found["1-0:32.7.0*255"].unit is Unit.V


def test_registers_of_before() -> None:
    found = by_code(readings(meter()))
    reset, season = found["1-0:1.8.0*101"], found["1-0:1.8.0*128"]
    assert (reset.value, season.value) == (200_000, 300_000)
    assert reset.time == season.time == DateTime.from_datetime(datetime(2026, 10, 31, 23, 59))
    # The newest self-read has number 107, and the one before it 106; the third entry is not valid.
    assert reset.name == "Active energy import (+A), at the last demand reset"
    assert found["1-0:1.8.1*7"].name == "Active energy import (+A), tariff 1, self-read 7"
    assert found["1-0:0.1.0*128"].name == "Number of billing periods, at the end of the last season"
    assert (found["1-0:1.8.0*7"].value, found["1-0:1.8.0*6"].value) == (500_000, 400_000)
    assert "1-0:1.8.0*5" not in found
    assert not any(reading.obis.f != 255 for reading in readings(meter(), history=False))


def test_times_are_made_by_the_clock_that_is_given() -> None:
    def utc(moment: Moment) -> DateTime | None:
        return None if moment.stamp is None else DateTime.from_datetime(moment.stamp.replace(year=2000))

    found = by_code(readings(meter(), clock=utc))
    time = found["1-0:1.6.0*255"].time
    assert time is not None and time.year == 2000


def test_registers_of_a_meter_whose_sources_are_not_known() -> None:
    found = readings(meter(without=(11, 12, 16)), history=False)
    values = {reading.obis.idis: reading.value for reading in found}
    assert values["1-0:128.8.0*255"] == 100 and values["1-0:129.8.0*255"] == 101
    assert "source 0: no entry in table 12" in found[1].name
    findings: list[Finding] = []
    readings(meter(without=(12,)), findings=findings)
    assert {finding.code for finding in findings} == {"c1219-source"} and len(findings) == len(set(findings)) == 5
    # Without table 22 not even which source it is.
    nameless = readings(meter(without=(11, 12, 16, 22)), history=False)
    assert {reading.value for reading in nameless} >= {100, 101, 104}
    assert readings(TableSet()) == []


def test_a_minimum_is_one() -> None:
    tables = meter()
    tables.add(22, encode_table({**META[22], "min_or_max_flags": set()}, tables.known(22), 22))
    assert by_code(readings(tables))["1-0:1.3.0*255"].value == 104


@pytest.mark.parametrize(
    ("order", "last", "entries"), [(0, 1, [1, 0, 2]), (0, 0, [0, 2, 1]), (1, 0, [0, 1, 2]), (1, 2, [2, 0, 1])]
)
def test_self_reads_come_newest_first(order: int, last: int, entries: list[int]) -> None:
    values = {**VALUES[26], "list_status": {"order": order}, "nbr_valid_entries": 3, "last_entry_element": last}
    table = SelfReads.model_validate({**values, "last_entry_seq_nbr": 1})
    found = list(self_reads(table))
    assert [number for number, _ in found] == [1, 0, 65535]
    sums = [entry.register_data.tot_data_block.summations[0] for _, entry in found]
    assert sums == [400 + 100 * place for place in entries]
    none = table.model_copy(update={"self_reads_entries": (), "nbr_valid_entries": 255})
    assert list(self_reads(none)) == []


# --- vendor data ------------------------------------------------------------------------------------------------------

# The registers of a NES meter, from a published read-out: forward and reverse energy, then ten present values.
NES_23 = (33_821_691).to_bytes(4, "little") + (1_739_085).to_bytes(4, "little")
NES_28 = b"".join(number.to_bytes(4, "little") for number in (0, 231, 12, 0, 1100, 200, 50, 230_100, 229_900, 231_000))


def test_nes_tables() -> None:
    nes = layouts_named("nes")
    tables = TableSet({0: Configuration.build().encode(), 23: NES_23, 28: NES_28}, nes)
    assert needs(23, nes) == (0,) and needs(23) == (0, 21)
    found = by_code(readings(tables))
    assert (found["1-0:1.8.0*255"].value, found["1-0:1.8.0*255"].unit) == (33_821_691, Unit.WH)
    assert found["1-0:2.8.0*255"].value == 1_739_085
    assert (found["1-0:2.7.0*255"].value, found["1-0:2.7.0*255"].unit) == (231, Unit.W)
    assert str(found["1-0:32.7.0*255"].value) == "230.100" and str(found["1-0:31.7.0*255"].value) == "1.100"
    assert len(found) == 12
    for number, octets in ((23, NES_23), (28, NES_28)):
        table = tables.get(number)
        assert isinstance(table, VendorTable) and table.CERTAINTY is Certainty.VENDOR
        assert encode_table(table, tables.known(number), extra=nes) == octets
        assert size_of(number, tables.known(number), nes) == len(octets)
    with pytest.raises(DecodeError, match=r"^table 28: voltage_l3: the field takes 4 octets, and 3 are there"):
        decode_table(28, NES_28[:-1], tables.known(28), nes)
    with pytest.raises(LocalProtocolError, match="no tables of 'abc'"):
        layouts_named("abc")


EVERY_TYPE = """
[[table]]
number = 2053
name = "All there is"
fields = [
  { name = "numbers", type = "u16", count = 2, scaler = -1, unit = "V", obis = "1-0:32.7.1" },
  { name = "degrees", type = "i16", scaler = -1, unit = "°C", obis = "0-0:96.9.0" },
  { name = "energy", type = "NI_FMAT1", unit = "Wh" },
  { name = "real", type = "f32", obis = "1-0:14.7.0" },
  { name = "start", type = "STIME_DATE" },
  { name = "label", type = "text", count = 4, obis = "0-0:96.1.0" },
  { name = "others", type = "binary" },
]
"""


def test_vendor_data_of_another_meter_give_no_register() -> None:
    """A table of the standard that is longer than its maker fills it; a maker's own table may be longer."""
    general = Configuration.build().encode()
    longer = TableSet({0: general, 23: bytes(12)}, layouts_named("nes"))
    told: list[Finding] = []
    assert readings(longer, findings=told) == []
    assert [finding.code for finding in told] == ["c1219-table-long", "c1219-vendor"]
    assert "4 octets longer" in told[1].text and "vendor=" in told[1].hint
    told.clear()
    assert len(readings(TableSet({0: general, 23: bytes(8)}, layouts_named("nes")), findings=told)) == 2 and not told
    own = layouts_of(
        """[[table]]
number = 2050
name = "Ours"
fields = [{ name = "ours", type = "u16", obis = "0-0:96.1.0" }]"""
    )
    assert len(readings(TableSet({0: general, 2050: bytes(12)}, own), findings=told)) == 1
    assert [finding.code for finding in told] == ["c1219-table-long"]


def test_a_table_that_cannot_be_decoded_is_no_silent_loss() -> None:
    told: list[Finding] = []
    assert readings(TableSet({0: Configuration.build().encode(), 23: bytes(12)}), findings=told) == []
    assert [finding.code for finding in told] == ["c1219-unread"] and told[0].text.startswith("table ")


def test_all_types_of_vendor_data() -> None:
    extra = layouts_of(EVERY_TYPE)
    known = {0: Configuration.build(order="big", int_format=2)}
    octets = bytes.fromhex("0901" + "0902" + "80fb" + "00000007" + "42480000" + "1a0b160c00") + b"abc " + b"\1\2\3"
    table = decode_table(MANUFACTURER + 5, octets, known, extra)
    assert isinstance(table, VendorTable) and encode_table(table, known, extra=extra) == octets
    found = by_code(list(table.readings()))
    assert (found["1-0:32.7.1*255"].value, found["1-0:32.7.2*255"].value) == (Decimal("230.5"), Decimal("230.6"))
    degrees = found["0-0:96.9.0*255"]
    assert (degrees.value, degrees.unit) == (Decimal("-25.1"), Unit.CELSIUS)
    assert found["0-0:96.1.0*255"].value == "abc" and found["1-0:14.7.0*255"].value == 50
    assert size_of(2053, known, extra) is None
    with pytest.raises(LocalProtocolError, match="table 2053 has no description"):
        decode_table(2053, octets, known)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (("number = 2053", "number = 0"), "table.0.number"),
        (("number = 2053", "number = 4096"), "table.0.number"),
        (('"u16"', '"u17"'), "'u17' is no type"),
        (('"label"', '"rest"'), "'rest' means something else"),
        (('"label"', '"readings"'), "'readings' means something else"),
        (('"label"', '"Label"'), "table.0.fields.5.name"),
        (('"label"', '"degrees"'), "two fields have the same name"),
        ((", count = 4", ""), "a text has a count"),
        (('"label", type = "text", count = 4', '"label", type = "binary"'), "only the last field"),
        (('"Wh"', '"kWh"'), "no unit without a prefix"),
        (('"Wh"', '"parsec"'), "no unit"),
        (("scaler", "scalar"), "scalar"),
        (("[[table]]", "[[tables]]"), "table"),
        (("number", "= number"), "line 3"),
        (('"1-0:14.7.0"', '"1-0"'), "obis"),
    ],
)
def test_vendor_data_that_make_no_sense_are_refused(change: tuple[str, str], text: str) -> None:
    with pytest.raises(LocalProtocolError, match=r"^mine: ") as caught:
        layouts_of(EVERY_TYPE.replace(*change, 1), "mine")
    assert text in str(caught.value)
