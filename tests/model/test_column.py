"""Columns whose values are multiplied by a ratio that is no power of ten, and statuses with names."""

from __future__ import annotations

import json
from array import array
from decimal import Decimal
from fractions import Fraction

import pytest

from metersdk.apdu.columns import Table, Values
from metersdk.fast.axdr_layout import Kind
from metersdk.model.column import Column, ColumnHead, ColumnKind, ratio_of
from metersdk.model.profile import Profile, ProfileHead
from metersdk.model.quantity import Unit, decimal_of, scaler_and_factor


def head(ratio: Fraction) -> ColumnHead:
    scaler, factor = scaler_and_factor(ratio)
    return ColumnHead(
        name="channel 1",
        obis="1.0.1.29.0.255",
        class_id=3,
        attribute=2,
        unit=Unit.WH,
        scaler=scaler,
        factor=factor,
        kind=ColumnKind.INTERVAL_DELTA,
        source="source 3",
    )


def column(ratio: Fraction, *numbers: int) -> Column:
    return Column(head(ratio), Values(Kind.I64, 0, memoryview(array("q", numbers)), memoryview(b"\1" * len(numbers))))


@pytest.mark.parametrize(
    ("ratio", "scaler", "factor"),
    [
        ("1", 0, "1"),
        ("1/1000", -3, "1"),
        ("1000000", 6, "1"),
        ("9/4", -2, "225"),
        ("1/8", -3, "125"),
        ("24/10000", -4, "24"),
        ("1200", 2, "12"),
        ("20/3", 1, "2/3"),
        ("1/30", -1, "1/3"),
        ("7/60", -2, "35/3"),
        ("0", 0, "0"),
        ("-3/2", -1, "-15"),
    ],
)
def test_a_ratio_as_scaler_and_factor(ratio: str, scaler: int, factor: str) -> None:
    assert scaler_and_factor(Fraction(ratio)) == (scaler, Fraction(factor))
    assert Fraction(10) ** scaler * Fraction(factor) == Fraction(ratio)
    assert decimal_of(Fraction(ratio)) == pytest.approx(Decimal(str(float(Fraction(ratio)))))


def test_values_are_exact_where_a_decimal_can_be() -> None:
    found = column(Fraction(9, 4000), 1, 1000, -7)
    assert found.scaler == -5 and found.factor == 225
    assert [str(value) for value in found] == ["0.00225", "2.25000", "-0.01575"]
    assert found.plain(1) == 2.25
    assert found.fraction(2) == Fraction(-63, 4000)


def test_values_of_other_ratios_have_28_digits_and_a_fraction() -> None:
    found = column(Fraction(1, 3), 1, 3)
    assert str(found.value(0)) == "0." + "3" * 28
    assert found.value(1) == 1
    assert found.plain(0) == 1 / 3
    assert found.fraction(0) == Fraction(1, 3)


def test_whole_factors_stay_whole() -> None:
    found = column(Fraction(1200), 3)
    assert found.plain(0) == 3600 and isinstance(found.plain(0), int)
    assert (found.value(0), ratio_of(found.head)) == (3600, (1200, 1))


def test_exports_are_scaled() -> None:
    found = column(Fraction(1, 6), 3, 1)
    profile = Profile(ProfileHead(columns=(found.head,)), Table(2, (found.cells,)))
    assert profile.to_csv().splitlines()[1:] == ["0.5", "0." + "1" + "6" * 26 + "7"]
    (told,) = json.loads(profile.to_json())["columns"]
    assert (told["values"], told["factor"], told["source"]) == ([0.5, 1 / 6], str(found.factor), "source 3")
    assert Fraction(told["factor"]) * Fraction(10) ** told["scaler"] == Fraction(1, 6)
    assert "bits" not in told and "names" not in told
    np = pytest.importorskip("numpy")
    assert profile.to_numpy()["channel_1"] == pytest.approx(np.array([0.5, 1 / 6]))
    pytest.importorskip("pyarrow")
    table = profile.to_arrow()
    assert table[0].to_pylist() == pytest.approx([0.5, 1 / 6])
    assert table.schema.field(0).metadata[b"source"] == b"source 3"


def test_statuses_by_name() -> None:
    bits = ColumnHead(
        name="status",
        obis="0.0.96.10.1.255",
        class_id=1,
        attribute=2,
        kind=ColumnKind.STATUS,
        bits=(("dst", 0), ("x", 9)),
    )
    codes = bits.model_copy(update={"bits": (), "codes": (("overflow", 1), ("partial", 2))})
    cells = Values(Kind.U16, 0, memoryview(array("H", (0, 513, 2))), memoryview(b"\1\1\0"))
    assert [Column(bits, cells).names(row) for row in range(3)] == [set(), {"dst", "x"}, set()]
    one = Values(Kind.U8, 0, memoryview(bytes((0, 2, 7))), memoryview(b"\1\1\1"))
    assert [Column(codes, one).names(row) for row in range(3)] == [set(), {"partial"}, set()]
    told = json.loads(Profile(ProfileHead(columns=(bits,)), Table(3, (cells,))).to_json())["columns"][0]
    assert told["names"] == [[], ["dst", "x"], []]
    assert told["bits"] == [["dst", 0], ["x", 9]]
