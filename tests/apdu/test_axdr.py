"""A-XDR: every vector read, written, cut at each octet and followed by others; hostile counts and depths."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metersdk.apdu import axdr
from metersdk.apdu.axdr import Data, Tag
from metersdk.errors import DecodeError, LocalProtocolError

VECTORS = [
    v
    for v in json.loads((Path(__file__).parents[1] / "vectors" / "dlms.json").read_text())
    if v["topic"] == "A-XDR data" or v["name"] == "date_time_push_seen"
]
MEANT = {
    "axdr_null": Data(Tag.NULL_DATA),
    "axdr_array2": axdr.array(axdr.u8(1), axdr.u8(2)),
    "axdr_struct": axdr.structure(axdr.i8(15), axdr.enum(0)),
    "axdr_bool_true": axdr.boolean(True),
    "axdr_bool_ff": axdr.boolean(True),
    "axdr_bitstring6": axdr.bits("101101"),
    "axdr_bitstring0": axdr.bits(""),
    "axdr_dl": axdr.i32(-1),
    "axdr_dlu": axdr.u32(4294967295),
    "axdr_octet": axdr.octets(bytes.fromhex("0100010800ff")),
    "axdr_octet200": axdr.octets(bytes(200)),
    "axdr_octet300": axdr.octets(bytes(300)),
    "axdr_octet_nonmin": axdr.octets(b"\1\2\3"),
    "axdr_visible": axdr.visible("123"),
    "axdr_utf8": axdr.utf8("é"),
    "axdr_bcd": Data(Tag.BCD, 12),
    "axdr_int8": axdr.i8(-1),
    "axdr_int16": axdr.i16(-1),
    "axdr_uint8": axdr.u8(255),
    "axdr_uint16": axdr.u16(65535),
    "axdr_i64": axdr.i64(-1),
    "axdr_u64": axdr.u64(2**64 - 1),
    "axdr_enum": axdr.enum(30),
    "axdr_f32": axdr.f32(42.0),
    "axdr_f64": axdr.f64(42.0),
    "axdr_datetime_cest": axdr.date_time(bytes.fromhex("07e90715070c1e0000ff8880")),
    "axdr_date": Data(Tag.DATE, bytes.fromhex("07e9071501")),
    "axdr_time": Data(Tag.TIME, bytes.fromhex("0c1e00ff")),
    "axdr_delta8": Data(Tag.DELTA_INTEGER, -1),
    "axdr_delta16": Data(Tag.DELTA_LONG, -1),
    "axdr_delta32": Data(Tag.DELTA_DOUBLE_LONG, -1),
    "axdr_deltau8": Data(Tag.DELTA_UNSIGNED, 255),
    "axdr_deltau16": Data(Tag.DELTA_LONG_UNSIGNED, 65535),
    "axdr_deltau32": Data(Tag.DELTA_DOUBLE_LONG_UNSIGNED, 2**32 - 1),
    "axdr_dontcare": Data(Tag.DONT_CARE),
    "axdr_dt_octet": axdr.octets(bytes.fromhex("07e90715010c1e0000ff8880")),
    "axdr_dt_unspec": axdr.octets(bytes.fromhex("ffffffffffffffffff8000ff")),
    "axdr_ca_u16": axdr.compact_array(axdr.u16(1), axdr.u16(2), axdr.u16(3)),
    "axdr_ca_struct": axdr.compact_array(
        axdr.structure(axdr.u32(1), axdr.u8(2)), axdr.structure(axdr.u32(3), axdr.u8(4))
    ),
    "axdr_ca_array": axdr.compact_array(axdr.array(axdr.u8(1), axdr.u8(2)), axdr.array(axdr.u8(3), axdr.u8(4))),
    "axdr_ca_octets": axdr.compact_array(axdr.octets(b"\xaa\xbb"), axdr.octets(b"\xcc\xdd")),
    "axdr_ca_null": axdr.compact_array(),
    "date_time_push_seen": axdr.octets(bytes.fromhex("07e80501030c000000ff88ff")),
}


def test_every_vector_has_a_meaning_here() -> None:
    assert {v["name"] for v in VECTORS} == set(MEANT)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: v["name"])
class TestVectors:
    def test_decode(self, vector: dict[str, object]) -> None:
        raw = bytes.fromhex(str(vector["hex"]))
        assert axdr.decode(raw) == (MEANT[str(vector["name"])], len(raw))
        assert axdr.decode_all(raw) == MEANT[str(vector["name"])]
        assert axdr.end_of(raw) == len(raw)

    def test_encode(self, vector: dict[str, object]) -> None:
        raw = bytes.fromhex(str(vector["hex"]))
        encoded = axdr.encode(MEANT[str(vector["name"])])
        if any("re-encode identical" in check for check in list(vector["checked_with"])):  # type: ignore[call-overload]
            assert encoded == raw
        assert axdr.decode_all(encoded) == MEANT[str(vector["name"])]

    def test_cut_at_each_octet(self, vector: dict[str, object]) -> None:
        raw = bytes.fromhex(str(vector["hex"]))
        for end in range(len(raw)):
            for read in (axdr.decode, axdr.end_of, axdr.decode_all):
                with pytest.raises(DecodeError) as caught:
                    read(raw[:end])
                assert caught.value.layer == "apdu"
                assert 0 <= caught.value.offset <= end

    def test_other_octets_before_and_behind(self, vector: dict[str, object]) -> None:
        raw = bytes.fromhex(str(vector["hex"]))
        assert axdr.decode(b"\xee\xee" + raw + b"\xee", 2) == (MEANT[str(vector["name"])], len(raw) + 2)
        assert axdr.end_of(b"\xee\xee" + raw + b"\xee", 2) == len(raw) + 2
        with pytest.raises(DecodeError) as caught:
            axdr.decode_all(raw + b"\xee")
        assert caught.value.offset == len(raw)


@pytest.mark.parametrize(
    ("raw", "offset"),
    [
        ("0184ffffffff", 1),  # 4 billion elements, none there
        ("0284ffffffff00", 1),
        ("0984ffffffff", 6),
        ("0484ffffffff", 6),
        ("07", 0),
        ("0b00", 0),
        ("22", 0),
        ("0980", 1),  # indefinite form is BER's, not A-XDR's
        ("098500000000", 1),
        ("0d1f", 1),
        ("0da1", 1),
        ("0c02c328", 2),
        ("13130000", 1),
        ("13000100", 3),  # null-data has no size: contents can never be used up
        ("1302000100", 4),
        ("1301000000" + "0100", 6),
        ("1301ffff01ffff0001aa", 9),  # 4 billion nulls for one octet
        ("1301ffff01ffff01ffff0001aa", 12),
        ("131203000102", 5),  # one and a half long-unsigned
    ],
)
def test_hostile_input(raw: str, offset: int) -> None:
    with pytest.raises(DecodeError) as caught:
        axdr.decode(bytes.fromhex(raw))
    assert caught.value.offset == offset


def test_compact_array_of_many_nulls_is_bounded() -> None:
    kind = b"\x02\x82\x40\x00" + b"\x11" + bytes(0x3FFF)
    with pytest.raises(DecodeError, match="more values"):
        axdr.decode(b"\x13" + kind + b"\x82\x40\x00" + bytes(0x4000))


@pytest.mark.parametrize("opening", ["0101", "0201", "130101"])
def test_depth_is_limited(opening: str) -> None:
    raw = bytes.fromhex(opening) * 100_000
    for read in (axdr.decode, axdr.end_of):
        with pytest.raises(DecodeError):
            read(raw)
    at_the_limit = b"\1\1" * axdr.MAX_DEPTH + b"\x11\x05"
    assert axdr.encode(axdr.decode_all(at_the_limit)) == at_the_limit
    with pytest.raises(DecodeError, match="deeper"):
        axdr.decode(b"\1\1" + at_the_limit)
    with pytest.raises(LocalProtocolError, match="deeper"):
        axdr.encode(axdr.array(axdr.decode_all(at_the_limit)))


@pytest.mark.parametrize(
    ("number", "raw"),
    [
        (0, "00"),
        (127, "7f"),
        (128, "8180"),
        (255, "81ff"),
        (256, "820100"),
        (65536, "83010000"),
        (2**32 - 1, "84ffffffff"),
    ],
)
def test_length(number: int, raw: str) -> None:
    assert axdr.encode_length(number) == bytes.fromhex(raw)
    assert axdr.decode_length(bytes.fromhex("aa" + raw + "bb"), 1) == (number, 1 + len(raw) // 2)


@pytest.mark.parametrize("number", [-1, 2**32])
def test_length_out_of_range(number: int) -> None:
    with pytest.raises(LocalProtocolError):
        axdr.encode_length(number)


@pytest.mark.parametrize(
    "data",
    [
        axdr.u8(256),
        axdr.u8(-1),
        axdr.i64(2**63),
        Data(Tag.UNSIGNED, "1"),
        Data(Tag.NULL_DATA, 1),
        Data(Tag.BCD, 100),
        axdr.bits("012"),
        axdr.visible("€"),
        axdr.utf8("\ud800"),
        axdr.date_time(b"short"),
        Data(Tag.ARRAY, 1),
        Data(Tag.COMPACT_ARRAY, None),
        axdr.f32(1e300),
        axdr.compact_array(axdr.u8(1), axdr.u16(1)),
        axdr.compact_array(axdr.structure(axdr.u8(1)), axdr.structure()),
        axdr.compact_array(axdr.compact_array()),
    ],
    ids=repr,
)
def test_values_that_do_not_fit(data: Data) -> None:
    with pytest.raises(LocalProtocolError):
        axdr.encode(data)


def test_python_values() -> None:
    tree = axdr.array(axdr.structure(axdr.u8(1), axdr.null()), axdr.compact_array(axdr.u16(7)))
    assert tree.python() == [(1, None), [7]]


def test_type_description_keeps_the_count_of_an_array() -> None:
    kind, end = axdr.decode_type(bytes.fromhex("020211010003 06"))
    assert end == 7
    assert [item.tag for item in kind.items] == [Tag.UNSIGNED, Tag.ARRAY]
    assert kind.items[1].count == 3
    assert kind.items[1].items[0].tag is Tag.DOUBLE_LONG_UNSIGNED


def integers(tag: Tag, size: int, signed: bool) -> st.SearchStrategy[Data]:
    low, high = (-(1 << 8 * size - 1), (1 << 8 * size - 1) - 1) if signed else (0, (1 << 8 * size) - 1)
    return st.builds(Data, st.just(tag), st.integers(low, high))


LEAVES = st.one_of(
    st.just(axdr.null()),
    st.just(Data(Tag.DONT_CARE)),
    st.booleans().map(axdr.boolean),
    st.text("01", max_size=70).map(axdr.bits),
    st.binary(max_size=300).map(axdr.octets),
    st.text(st.characters(max_codepoint=255), max_size=20).map(axdr.visible),
    st.text(max_size=20).map(axdr.utf8),
    st.floats(allow_nan=False, width=32).map(axdr.f32),
    st.floats(allow_nan=False).map(axdr.f64),
    st.binary(min_size=12, max_size=12).map(axdr.date_time),
    st.builds(Data, st.just(Tag.DATE), st.binary(min_size=5, max_size=5)),
    st.builds(Data, st.just(Tag.TIME), st.binary(min_size=4, max_size=4)),
    st.builds(Data, st.just(Tag.BCD), st.integers(0, 99)),
    integers(Tag.INTEGER, 1, True),
    integers(Tag.LONG, 2, True),
    integers(Tag.DOUBLE_LONG, 4, True),
    integers(Tag.LONG64, 8, True),
    integers(Tag.UNSIGNED, 1, False),
    integers(Tag.LONG_UNSIGNED, 2, False),
    integers(Tag.DOUBLE_LONG_UNSIGNED, 4, False),
    integers(Tag.LONG64_UNSIGNED, 8, False),
    integers(Tag.ENUM, 1, False),
    integers(Tag.DELTA_LONG, 2, True),
    integers(Tag.DELTA_DOUBLE_LONG_UNSIGNED, 4, False),
)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=5).map(lambda items: axdr.array(*items)),
        st.lists(inner, max_size=5).map(lambda items: axdr.structure(*items)),
        integers(Tag.LONG_UNSIGNED, 2, False).map(lambda item: axdr.compact_array(item, item)),
    ),
    max_leaves=25,
)


@given(TREES)
@settings(max_examples=200, deadline=None)
def test_round_trip(tree: Data) -> None:
    raw = axdr.encode(tree)
    assert axdr.decode_all(raw) == tree
    assert axdr.end_of(raw) == len(raw)


@given(st.binary(max_size=200))
@settings(max_examples=500, deadline=None)
def test_any_octets_end_in_a_value_or_a_typed_error(raw: bytes) -> None:
    try:
        value, end = axdr.decode(raw)
    except DecodeError as error:
        assert error.layer == "apdu"
        assert 0 <= error.offset <= len(raw)
    else:
        assert axdr.end_of(raw) == end
        assert axdr.encode(value)


# name -> (template, what the buffer means)
COMPACT_DATA = {
    "compact_data_simple": ("0203110612", axdr.structure(axdr.u8(1), axdr.u32(100), axdr.u16(234))),
    "compact_data_array": ("0202110112", axdr.structure(axdr.u8(1), axdr.array(axdr.u16(5), axdr.u16(6)))),
}


@pytest.mark.parametrize("name", COMPACT_DATA)
def test_compact_data(name: str) -> None:
    vectors = json.loads((Path(__file__).parents[1] / "vectors" / "dlms.json").read_text())
    buffer = next(bytes.fromhex(vector["hex"]) for vector in vectors if vector["name"] == name)
    template, meant = bytes.fromhex(COMPACT_DATA[name][0]), COMPACT_DATA[name][1]
    assert axdr.decode_compact_data(buffer, template) == meant
    for end in range(len(buffer)):
        with pytest.raises(DecodeError):
            axdr.decode_compact_data(buffer[:end], template)
    for end in range(len(template)):
        with pytest.raises(DecodeError):
            axdr.decode_compact_data(buffer, template[:end])
    with pytest.raises(DecodeError, match="left over"):
        axdr.decode_compact_data(buffer + b"\0", template)
    with pytest.raises(DecodeError, match="left over"):
        axdr.decode_compact_data(buffer, template + b"\0")


def test_compact_data_whose_template_counts() -> None:
    value = axdr.decode_compact_data(bytes.fromhex("0100050006"), bytes.fromhex("02021101000212"), counted_arrays=True)
    assert value == COMPACT_DATA["compact_data_array"][1]


def test_compact_data_of_many_nulls_is_bounded() -> None:
    with pytest.raises(DecodeError):
        axdr.decode_compact_data(b"\xff", bytes.fromhex("01ffff01ffff00"), counted_arrays=True)
    with pytest.raises(DecodeError):
        axdr.decode_compact_data(bytes.fromhex("84ffffffff"), bytes.fromhex("0100"))
