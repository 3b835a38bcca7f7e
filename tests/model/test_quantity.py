"""Units by their COSEM numbers, and scaling without loss."""

from __future__ import annotations

import pickle
import struct
from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metersdk.model.quantity import Unit, scaled, unit_of

ASSIGNED = {*range(1, 58), *range(60, 68), *range(70, 73), *range(128, 175), 254, 255}


def test_all_codes_of_the_blue_book() -> None:
    assert {int(unit) for unit in Unit} == ASSIGNED


@pytest.mark.parametrize(
    ("code", "unit", "symbol"),
    [
        (27, Unit.W, "W"),
        (30, Unit.WH, "Wh"),
        (32, Unit.VARH, "varh"),
        (33, Unit.A, "A"),
        (35, Unit.V, "V"),
        (44, Unit.HZ, "Hz"),
        (13, Unit.CUBIC_METRE, "m³"),
        (46, Unit.PER_VARH, "1/varh"),
        (47, Unit.PER_VAH, "1/VAh"),
        (57, Unit.AH, "Ah"),
        (67, Unit.ATMOSPHERE, "atm"),
        (72, Unit.DB, "dB"),
        (142, Unit.PSI, "psi"),
        (174, Unit.BTU_PER_DAY, "Btu/d"),
        (255, Unit.COUNT, ""),
    ],
)
def test_symbols(code: int, unit: Unit, symbol: str) -> None:
    assert unit_of(code) is unit
    assert unit.symbol == symbol


def test_as_text_a_unit_is_its_symbol() -> None:
    assert f"{Decimal('1.5')} {Unit.WH}" == "1.5 Wh" and str(Unit.CUBIC_METRE) == "m³" and str(Unit(200)) == "unit 200"
    assert f"{Unit.V:>3}|{Unit.WH:d}|{Unit.WH:02X}" == "  V|30|1E" and Unit.WH == 30


@pytest.mark.parametrize("code", sorted(set(range(256)) - ASSIGNED))
def test_an_unassigned_number_is_kept(code: int) -> None:
    unit = unit_of(code)
    assert int(unit) == code
    assert unit is Unit(code)
    assert unit.symbol == f"unit {code}"
    assert pickle.loads(pickle.dumps(unit)) is unit
    assert unit not in list(Unit)


@pytest.mark.parametrize("code", [-1, 256, "Wh"])
def test_what_no_octet_can_be_is_no_unit(code: object) -> None:
    with pytest.raises(ValueError, match="is not a valid Unit"):
        Unit(code)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("raw", "scaler", "text"),
    [
        (12345, -1, "1234.5"),
        (1200, -2, "12.00"),
        (0, -3, "0.000"),
        (-5, -3, "-0.005"),
        (12, 3, "12000"),
        (2**64 - 1, -3, "18446744073709551.615"),
        (230.1, 0, "230.1"),
        (struct.unpack(">f", struct.pack(">f", 230.1))[0], 0, "230.1"),
        (0.1 + 0.2, 0, "0.30000000000000004"),
        (1e300, 0, "1E+300"),
        (Decimal("1.50"), -1, "0.150"),
        (float("inf"), 1, "Infinity"),
    ],
)
def test_scaled(raw: int | float | Decimal, scaler: int, text: str) -> None:
    assert str(scaled(raw, scaler)) == text


@given(st.integers(-(2**63), 2**64 - 1), st.integers(-128, 127))
def test_scaling_is_exact_whatever_the_context(raw: int, scaler: int) -> None:
    with localcontext() as context:
        context.prec = 3
        value = scaled(raw, scaler)
    with localcontext() as context:
        context.prec = 400
        assert value == Decimal(raw) * Decimal(10) ** scaler
