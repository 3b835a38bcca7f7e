"""Units and scalers: what a register's number means (Blue Book part 2, class 3, attribute scaler_unit).

``value = raw * 10**scaler`` in ``unit``; exact, in :class:`decimal.Decimal`, never through a float.
"""

from __future__ import annotations

import struct
from decimal import Context, Decimal
from enum import IntEnum
from fractions import Fraction


class Unit(IntEnum):
    """Physical units by their COSEM number; as text the symbol: ``str(Unit.WH)`` is ``"Wh"``, ``int(Unit.WH)`` 30.

    A number without a name is kept: ``Unit(200)`` is ``Unit.UNIT_200``.
    """

    symbol: str
    """What is written after a value: ``"Wh"``; ``""`` for a count, ``"unit 200"`` for a number without a name."""

    def __new__(cls, code: int, symbol: str = "") -> Unit:
        unit = int.__new__(cls, code)
        unit._value_ = code
        unit.symbol = symbol
        return unit

    def __str__(self) -> str:
        return self.symbol

    def __format__(self, spec: str) -> str:
        # As text unless a number is asked for: f"{unit}" is "Wh", f"{unit:d}" is "30".
        return format(self._value_ if spec[-1:] in tuple("bdoxX") else self.symbol, spec)

    YEAR = 1, "a"
    MONTH = 2, "mo"
    WEEK = 3, "wk"
    DAY = 4, "d"
    HOUR = 5, "h"
    MINUTE = 6, "min"
    SECOND = 7, "s"
    DEGREE = 8, "°"
    CELSIUS = 9, "°C"
    CURRENCY = 10, "cur"
    METRE = 11, "m"
    METRE_PER_SECOND = 12, "m/s"
    CUBIC_METRE = 13, "m³"
    CUBIC_METRE_CORRECTED = 14, "m³"
    CUBIC_METRE_PER_HOUR = 15, "m³/h"
    CUBIC_METRE_PER_HOUR_CORRECTED = 16, "m³/h"
    CUBIC_METRE_PER_DAY = 17, "m³/d"
    CUBIC_METRE_PER_DAY_CORRECTED = 18, "m³/d"
    LITRE = 19, "l"
    KILOGRAM = 20, "kg"
    NEWTON = 21, "N"
    NEWTON_METRE = 22, "Nm"
    PASCAL = 23, "Pa"
    BAR = 24, "bar"
    JOULE = 25, "J"
    JOULE_PER_HOUR = 26, "J/h"
    W = 27, "W"
    VA = 28, "VA"
    VAR = 29, "var"
    WH = 30, "Wh"
    VAH = 31, "VAh"
    VARH = 32, "varh"
    A = 33, "A"
    COULOMB = 34, "C"
    V = 35, "V"
    V_PER_METRE = 36, "V/m"
    FARAD = 37, "F"
    OHM = 38, "Ω"
    OHM_METRE = 39, "Ωm²/m"
    WEBER = 40, "Wb"
    TESLA = 41, "T"
    A_PER_METRE = 42, "A/m"
    HENRY = 43, "H"
    HZ = 44, "Hz"
    PER_WH = 45, "1/Wh"
    PER_VARH = 46, "1/varh"
    PER_VAH = 47, "1/VAh"
    V2H = 48, "V²h"
    A2H = 49, "A²h"
    KILOGRAM_PER_SECOND = 50, "kg/s"
    SIEMENS = 51, "S"
    KELVIN = 52, "K"
    PER_V2H = 53, "1/V²h"
    PER_A2H = 54, "1/A²h"
    PER_CUBIC_METRE = 55, "1/m³"
    PERCENT = 56, "%"
    AH = 57, "Ah"
    WH_PER_CUBIC_METRE = 60, "Wh/m³"
    JOULE_PER_CUBIC_METRE = 61, "J/m³"
    MOLE_PERCENT = 62, "mol%"
    GRAM_PER_CUBIC_METRE = 63, "g/m³"
    PASCAL_SECOND = 64, "Pa·s"
    JOULE_PER_KILOGRAM = 65, "J/kg"
    GRAM_PER_SQUARE_CENTIMETRE = 66, "g/cm²"
    ATMOSPHERE = 67, "atm"
    DBM = 70, "dBm"
    DB_MICROVOLT = 71, "dBµV"
    DB = 72, "dB"
    INCH = 128, "in"
    FOOT = 129, "ft"
    POUND = 130, "lb"
    FAHRENHEIT = 131, "°F"
    RANKINE = 132, "°R"
    SQUARE_INCH = 133, "in²"
    SQUARE_FOOT = 134, "ft²"
    ACRE = 135, "acre"
    CUBIC_INCH = 136, "in³"
    CUBIC_FOOT = 137, "ft³"
    ACRE_FOOT = 138, "acre·ft"
    GALLON_IMPERIAL = 139, "gal(imp)"
    GALLON_US = 140, "gal(US)"
    POUND_FORCE = 141, "lbf"
    PSI = 142, "psi"
    POUND_PER_CUBIC_FOOT = 143, "lb/ft³"
    POUND_PER_FOOT_SECOND = 144, "lb/(ft·s)"
    SQUARE_FOOT_PER_SECOND = 145, "ft²/s"
    BTU = 146, "Btu"
    THERM_EC = 147, "thm(EC)"
    THERM_US = 148, "thm(US)"
    BTU_PER_POUND = 149, "Btu/lb"
    BTU_PER_CUBIC_FOOT = 150, "Btu/ft³"
    CUBIC_FOOT_CONSTANT = 151, "ft³"
    FOOT_PER_SECOND = 152, "ft/s"
    CUBIC_FOOT_PER_SECOND = 153, "ft³/s"
    CUBIC_FOOT_PER_MINUTE = 154, "ft³/min"
    CUBIC_FOOT_PER_HOUR = 155, "ft³/h"
    CUBIC_FOOT_PER_DAY = 156, "ft³/d"
    ACRE_FOOT_PER_SECOND = 157, "acre·ft/s"
    ACRE_FOOT_PER_MINUTE = 158, "acre·ft/min"
    ACRE_FOOT_PER_HOUR = 159, "acre·ft/h"
    ACRE_FOOT_PER_DAY = 160, "acre·ft/d"
    GALLON_IMPERIAL_CONSTANT = 161, "gal(imp)"
    GALLON_IMPERIAL_PER_SECOND = 162, "gal(imp)/s"
    GALLON_IMPERIAL_PER_MINUTE = 163, "gal(imp)/min"
    GALLON_IMPERIAL_PER_HOUR = 164, "gal(imp)/h"
    GALLON_IMPERIAL_PER_DAY = 165, "gal(imp)/d"
    GALLON_US_CONSTANT = 166, "gal(US)"
    GALLON_US_PER_SECOND = 167, "gal(US)/s"
    GALLON_US_PER_MINUTE = 168, "gal(US)/min"
    GALLON_US_PER_HOUR = 169, "gal(US)/h"
    GALLON_US_PER_DAY = 170, "gal(US)/d"
    BTU_PER_SECOND = 171, "Btu/s"
    BTU_PER_MINUTE = 172, "Btu/min"
    BTU_PER_HOUR = 173, "Btu/h"
    BTU_PER_DAY = 174, "Btu/d"
    OTHER = 254, "other"
    COUNT = 255, ""

    @classmethod
    def _missing_(cls, value: object) -> Unit | None:
        # 58, 59, 68, 69, 73..127 and more are unassigned: a meter that uses one is kept readable.
        if not isinstance(value, int) or not 0 <= value <= 255:
            return None
        unknown = int.__new__(cls, value)
        unknown._name_ = f"UNIT_{value}"
        unknown._value_ = value
        unknown.symbol = f"unit {value}"
        return cls._value2member_map_.setdefault(value, unknown)  # type: ignore[return-value]


def unit_of(code: int) -> Unit:
    """The unit with this COSEM number, 0..255; an unassigned number gives a member that keeps it."""
    return Unit(code)


def scaled(raw: int | float | Decimal, scaler: int) -> Decimal:
    """``raw * 10**scaler``, exact whatever the decimal context says: ``scaled(12345, -1) == Decimal("1234.5")``.

    The trailing zeros of a negative scaler stay, since they tell the resolution: ``scaled(1200, -2)`` is ``12.00``. A
    float counts as the shortest decimal that names it.
    """
    if isinstance(raw, int):
        if scaler >= 0:
            return Decimal(raw * 10**scaler)
        digits = Decimal(raw).as_tuple()
        return Decimal((digits.sign, digits.digits, scaler))
    number = Decimal(_shortest(raw)) if isinstance(raw, float) else raw
    sign, digits_, exponent = number.as_tuple()
    return Decimal((sign, digits_, exponent + scaler)) if isinstance(exponent, int) else number


_ROUNDED = Context(prec=28)


def scaler_and_factor(ratio: Fraction) -> tuple[int, Fraction]:
    """A ratio as ``factor * 10**scaler``: factor 1 for a power of ten, else an integer without trailing zeros or, where
    no decimal is the ratio, a fraction. ``1/1000`` is (-3, 1), ``9/4`` is (-2, 225), ``20/3`` is (1, 2/3).
    """
    numerator, denominator = ratio.numerator, ratio.denominator
    scaler = 0
    while denominator % 10 == 0:
        denominator, scaler = denominator // 10, scaler - 1
    for prime, other in ((2, 5), (5, 2)):
        while denominator % prime == 0:
            numerator, denominator, scaler = numerator * other, denominator // prime, scaler - 1
    while numerator and numerator % 10 == 0:
        numerator, scaler = numerator // 10, scaler + 1
    return scaler, Fraction(numerator, denominator)


def decimal_of(ratio: Fraction) -> Decimal:
    """Exact where a decimal can be, else to 28 digits."""
    scaler, factor = scaler_and_factor(ratio)
    if factor.denominator == 1:
        return scaled(factor.numerator, scaler)
    return _ROUNDED.divide(Decimal(ratio.numerator), Decimal(ratio.denominator))


def _shortest(value: float) -> str:
    """The shortest decimal of a float, taking a number that fits float32 as one: 230.1, not 230.10000610351562."""
    try:
        single = struct.pack(">f", value)
    except OverflowError:
        return repr(value)
    if value == value and struct.unpack(">f", single)[0] == value:
        for digits in range(6, 10):
            text = f"{value:.{digits}g}"
            if struct.pack(">f", float(text)) == single:
                return text
    return repr(value)


_PREFIXES = {"": 0, "k": 3, "M": 6, "G": 9, "m": -3}
# A prefix belongs to these alone: "mo" is a month and "m³" no milli-anything.
_PREFIXED = (Unit.W, Unit.VA, Unit.VAR, Unit.WH, Unit.VAH, Unit.VARH, Unit.A, Unit.V, Unit.JOULE)
_SPELLINGS = {"varh": "VArh", "var": "VAr", "m³": "m3", "m³/h": "m3/h", "°C": "C", "°": "Deg"}
_BY_TEXT: dict[str, tuple[Unit, int]] = {}
for _unit in Unit:
    for _text in (_unit.symbol, _SPELLINGS.get(_unit.symbol, "")):
        if _text:
            _BY_TEXT.setdefault(_text, (_unit, 0))
for _unit in _PREFIXED:
    for _prefix, _exponent in _PREFIXES.items():
        for _text in (_unit.symbol, _SPELLINGS.get(_unit.symbol, _unit.symbol)):
            _BY_TEXT[_prefix + _text] = (_unit, _exponent)
# "C" is a temperature in every heat meter seen, never a charge.
_BY_TEXT["C"] = (Unit.CELSIUS, 0)


def unit_from_symbol(text: str) -> tuple[Unit, int] | None:
    """The unit that a readout names, and the power of ten of its prefix: ``"kWh"`` is ``(Unit.WH, 3)``."""
    return _BY_TEXT.get(text.strip())
