"""What is read before what, hostile dimensions, and the set of all tables that were read."""

from __future__ import annotations

import tracemalloc
from decimal import Decimal
from typing import Any, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metersdk.errors import DecodeError, LocalProtocolError
from metersdk.model.c1219.configuration import PENDING, Configuration
from metersdk.model.c1219.formats import IntFormat, NiFormat
from metersdk.model.c1219.layout import BitField, Record, elements
from metersdk.model.c1219.references import Computed, Contains, Expression, Reference
from metersdk.model.c1219.registers import ActualRegisters
from metersdk.model.c1219.registry import (
    STANDARD,
    TableSet,
    decode_table,
    encode_table,
    model_for,
    needs,
    places,
    size_of,
    table_name,
)
from metersdk.model.c1219.table import C1219Table

ALL = {*STANDARD, 64, 66}


def test_what_must_be_read_first() -> None:
    assert needs(0) == needs(2048) == needs(64) == ()
    assert needs(1) == (0,)
    assert needs(23) == needs(26) == needs(PENDING + 23) == (0, 21)
    assert needs(12) == needs(16) == (0, 11)
    assert (needs(53), needs(62), needs(74), needs(33), needs(42)) == ((0, 51), (0, 61), (0, 71), (0, 31), (0, 41))


def test_all_tables_of_the_plan_are_described() -> None:
    decades = [range(9), range(10, 17), range(20, 29), range(30, 34), range(40, 46), range(50, 57), range(60, 64)]
    wanted = {number for decade in (*decades, range(70, 77)) for number in decade}
    assert wanted <= set(STANDARD)
    assert all(number == model.NUMBER and model.NAME for number, model in STANDARD.items())


def _paths(expression: Expression) -> Reference:
    while isinstance(expression, (Computed, Contains)):
        expression = expression.of
    assert isinstance(expression, Reference)
    return expression


def _leads_somewhere(path: Reference) -> bool:
    model: Any = model_for(path.table)
    for name in path.names:
        if name not in model.model_fields:
            return False
        annotation = get_type_hints(model)[name]
        options = [each for each in getattr(annotation, "__args__", (annotation,)) if each is not type(None)]
        model = options[0]
    return True


@pytest.mark.parametrize("model", STANDARD.values(), ids=lambda model: model.NAME)
def test_references_lead_to_fields(model: type[C1219Table]) -> None:
    found = [_paths(expression) for _, element in elements(model) for expression in element.expressions]
    assert [str(path) for path in found if path.table >= 0 and not _leads_somewhere(path)] == []


def _records(model: type[Record]) -> list[type[Record]]:
    inner = [element.record for _, element in elements(model) if element.record is not None]
    return [model, *(deeper for record in inner for deeper in _records(record))]


def test_bits_of_a_bit_field_do_not_overlap_and_fit() -> None:
    fields = {record for model in STANDARD.values() for record in _records(model) if issubclass(record, BitField)}
    assert len(fields) > 30
    for field in fields:
        seen = 0
        for info in field.model_fields.values():
            place: Any = info.json_schema_extra
            if place is not None:
                mask = (1 << place.high + 1) - (1 << place.low)
                assert not seen & mask, field
                seen |= mask
        assert seen < 1 << 8 * field.OCTETS, field


CONFIGURATIONS = st.builds(
    Configuration.build,
    order=st.sampled_from(["little", "big"]),
    char_format=st.sampled_from([1, 2]),
    tm_format=st.integers(0, 4),
    id_form=st.integers(0, 1),
    int_format=st.sampled_from(IntFormat),
    ni_format1=st.sampled_from(NiFormat),
    ni_format2=st.sampled_from(NiFormat),
    nameplate_type=st.integers(0, 2),
    std_version_no=st.integers(0, 2),
    dim_mfg_status_used=st.integers(0, 3),
    nbr_pending=st.integers(0, 2),
    std_tables=st.sets(st.sampled_from([64, 65, 66, 67])),
)
LIMITS = {needed for number in STANDARD for needed in needs(number)} - {0}


def small(chance: st.DataObject, model: type[Record]) -> dict[str, object]:
    """Values for a table of limits: any flags, and dimensions that leave the tables small."""
    values: dict[str, object] = {}
    for name, info in model.model_fields.items():
        place: Any = info.json_schema_extra
        if place is None:
            continue
        record = getattr(place, "record", None)
        if issubclass(model, BitField):
            values[name] = chance.draw(st.booleans() if info.annotation is bool else st.integers(0, 1))
        elif record is None:
            if place.when is None and place.times is None:
                values[name] = chance.draw(st.integers(0, 2))
        elif issubclass(record, BitField) or place.when is None:
            values[name] = small(chance, record)
    return values


@settings(max_examples=60, deadline=None)
@given(CONFIGURATIONS, st.data())
def test_tables_in_any_configuration_are_written_as_they_were_read(
    configuration: Configuration, data: st.DataObject
) -> None:
    known: dict[int, object] = {0: configuration}
    for number in sorted(LIMITS):
        octets = encode_table(small(data, STANDARD[number]), known, number)
        known[number] = decode_table(number, octets, known)
        assert encode_table(known[number], known) == octets  # type: ignore[arg-type]
    for number in sorted(set(STANDARD) - {0}):
        size = size_of(number, known)
        length = sum(each for _, each in places(number, known).values()) + 3 * (size is None)
        octets = data.draw(st.binary(min_size=length, max_size=length))
        table = decode_table(number, octets, known)
        written = encode_table(table, known)
        assert len(written) == len(octets) and table.rest == b""
        # Some values have several spellings; the second time it must be the same to the octet.
        assert encode_table(decode_table(number, written, known), known) == written
        # One more octet is kept, one less is missed.
        longer = decode_table(number, octets + b"!", known)
        if size is not None:
            assert longer.rest == b"!" and longer.findings[-1].code == "c1219-table-long"
            assert encode_table(longer, known) == written + b"!"
        if size and not any(element.open for _, element in elements(STANDARD[number])):
            with pytest.raises(DecodeError, match=f"^table {number}: ") as caught:
                decode_table(number, octets[:-1], known)
            assert 0 <= caught.value.offset < size


def hostile(table_21: str = "ff" * 10, **choices: object) -> dict[int, object]:
    found: dict[int, object] = {0: Configuration.build(std_tables=ALL, **choices)}  # type: ignore[arg-type]
    found[21] = decode_table(21, bytes.fromhex(table_21), found)
    found[11] = decode_table(11, b"\xff" * 6 + b"\x02\xff", found)
    found[61] = decode_table(61, b"\xff" * 19, found)
    found[71] = decode_table(71, b"\xff" * 12, found)
    found[31] = decode_table(31, b"\xff" * 10, found)
    found[41] = decode_table(41, b"\xff" * 6, found)
    found[51] = decode_table(51, b"\xff" * 9, found)
    return found


@pytest.mark.parametrize(
    "number", [12, 13, 14, 15, 16, 22, 23, 24, 25, 26, 27, 28, 32, 33, 42, 44, 45, 54, 62, 72, 74, 76]
)
def test_impossible_dimensions_end_in_an_error_before_anything_is_built(number: int) -> None:
    known = hostile()
    size = size_of(number, known)
    assert size is not None and size > 60
    tracemalloc.start()
    with pytest.raises(DecodeError, match=rf"^table {number}: .* octets, and \d+ are there"):
        decode_table(number, bytes(60), known)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20


def test_dimensions_of_nothing_build_nothing() -> None:
    # 255 tiers of 255 demands of 255 times, in a meter without a clock: no octet, no object.
    known = hostile("02" + "00" + "ff" + "00" + "ff" + "00" + "00" + "ff" + "00" + "00", tm_format=0)
    table = decode_table(23, b"", known)
    assert isinstance(known[21], ActualRegisters) and known[21].nbr_tiers == 255
    assert table.tier_data_block == ()  # type: ignore[attr-defined]
    assert size_of(23, known) == 0


@pytest.mark.parametrize(
    ("choice", "number", "text"),
    [
        ({"ni_format1": 15}, 23, "tot_data_block.summations: NI_FORMAT 15 is reserved"),
        ({"ni_format2": 14}, 28, "present_demand.demand_value: NI_FORMAT 14 is reserved"),
        ({"tm_format": 7}, 52, "clock_calendar: TM_FORMAT 7 is reserved"),
        ({"int_format": 3}, 53, "time_zone_offset: INT_FORMAT 3 is reserved"),
    ],
)
def test_reserved_formats_are_an_error_where_they_are_met(choice: dict[str, int], number: int, text: str) -> None:
    known = hostile("00000001000000000001", **choice)
    with pytest.raises(DecodeError, match=text):
        decode_table(number, bytes(400), known)
    # Others are read all the same.
    decode_table(1, bytes(32), known)


def test_values_that_are_no_numbers_are_a_finding() -> None:
    known: dict[int, object] = {0: Configuration.build(ni_format1=NiFormat.FIXED_BCD4)}
    known[21] = ActualRegisters(nbr_summations=3)
    table = decode_table(23, bytes.fromhex("1234ffff1a00"), known)
    assert table.tot_data_block.summations[0] == Decimal(3412)  # type: ignore[attr-defined]
    (finding,) = table.findings
    assert (finding.code, finding.offset) == ("c1219-number", 2) and "and 1 more" in finding.text


def test_a_table_that_cannot_be_decoded_yet_says_what_is_missing() -> None:
    with pytest.raises(LocalProtocolError, match="table 23 needs table 0, 21 first"):
        decode_table(23, b"", {})
    with pytest.raises(LocalProtocolError, match="table 99 has no description"):
        decode_table(99, b"", {})


def test_what_does_not_fit_is_not_written() -> None:
    known: dict[int, object] = {0: Configuration.build()}
    known[21] = ActualRegisters(nbr_summations=1)
    for values, text in (
        ({"tot_data_block": {"summations": [1, 2]}}, r"tot_data_block\.summations: 1 times NI_FMAT1, not 2"),
        ({"tot_data_block": {"summations": [1 << 31]}}, r"tot_data_block\.summations\[0\]: .* does not fit"),
        ({"tot_data_block": {"summations": [1]}, "nbr_demand_resets": 3}, "nbr_demand_resets: there is no such field"),
        ({"tot_data_block": {"summations": ["x"]}}, "tot_data_block.summations.0"),
        ({"tot_data_block": {"summations": [1]}, "what": 1}, "what"),
    ):
        with pytest.raises(LocalProtocolError, match=f"^table 23: {text}"):
            encode_table(values, known, 23)
    with pytest.raises(LocalProtocolError, match="say which table"):
        encode_table({}, known)


def test_places_are_for_reads_by_offset() -> None:
    known: dict[int, object] = {0: Configuration.build(std_tables={64, 65})}
    assert places(63, known) == {"set1": (0, 13), "set2": (13, 13), "set3": (26, 0), "set4": (26, 0)}
    assert places(7, known) == {"proc": (0, 2), "seq_nbr": (2, 1)} and size_of(7, known) is None
    assert size_of(0, known) == len(known[0].encode())  # type: ignore[attr-defined]


def test_a_set_of_tables_decodes_what_is_asked_for() -> None:
    configuration = Configuration.build(std_tables={0, 1, 21, 23, 42})
    tables = TableSet({0: configuration.encode(), 23: bytes(4)})
    assert list(tables) == [0, 23] and 23 in tables and 21 not in tables and len(tables) == 2
    assert tables.missing(23) == (21,) and tables.configuration == configuration
    with pytest.raises(LocalProtocolError, match="table 23 needs table 21 first"):
        tables.get(23)
    assert tables.find(23) is None
    tables.add(21, encode_table(ActualRegisters(nbr_summations=1), {0: configuration}))
    assert tables.get(23).tot_data_block.summations == (0,)  # type: ignore[attr-defined]
    assert tables.get(23) is tables.get(23)
    # A new table 21 makes another table of the same octets.
    tables.add(21, encode_table(ActualRegisters(), {0: configuration}))
    assert tables.get(23).rest == bytes(4)
    with pytest.raises(LocalProtocolError, match="table 1 was not read"):
        tables.raw(1)
    assert repr(tables) == "TableSet(0, 21, 23)"


def test_a_set_of_tables_keeps_no_password() -> None:
    tables = TableSet({0: Configuration.build().encode()})
    tables.add(42, b"password\x03")
    assert tables.raw(42) == bytes(9)
    tables.add(41, bytes.fromhex("010800000000"))
    tables.add(42, b"password\x03more")
    assert tables.raw(42) == bytes(8) + b"\x03" + bytes(4)
    assert b"password" not in b"".join(map(tables.raw, tables))


def test_names_that_people_use() -> None:
    assert [table_name(number) for number in (23, 2053, 4101, 6149)] == ["ST23", "MT5", "PST5", "PMT5"]
