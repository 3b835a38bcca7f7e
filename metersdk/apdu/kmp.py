"""KMP commands and what they bring: type, serial number, registers with their units.

A register is ``number (2) unit (1) length (1) SiEx (1) value (length)``; bit 7 of SiEx is the sign of the value, bit 6
that of the exponent, the rest the exponent of ten. A meter leaves out of its answer the registers it does not have.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from metersdk.errors import DecodeError, LocalProtocolError

GET_TYPE, GET_SERIAL, GET_REGISTER = 0x01, 0x02, 0x10
REGISTERS_AT_ONCE = 8

# What the unit octet means: a symbol that readouts use, and the power of ten before it.
_PREFIXED = ("Wh", "J", "cal", "varh", "VAh", "W", "var", "VA")
UNITS: dict[int, tuple[str, int]] = {
    **dict(enumerate(((prefix + symbol, 0) for symbol in _PREFIXED for prefix in ("", "k", "M", "G")), 1)),
    33: ("V", 0),
    34: ("A", 0),
    35: ("kV", 0),
    36: ("kA", 0),
    37: ("°C", 0),
    38: ("K", 0),
    39: ("m³", -3),
    40: ("m³", 0),
    41: ("m³/h", -3),
    42: ("m³/h", 0),
    43: ("m³·°C", 0),
    44: ("kg", 3),
    45: ("t/h", 0),
    46: ("h", 0),
    52: ("bar", 0),
    55: ("m³", 1),
    56: ("kg", 4),
    57: ("GJ", 1),
    58: ("min", 0),
    60: ("s", 0),
    61: ("s", -3),
    62: ("d", 0),
}
# Times and dates are digits: hhmmss, yymmdd, yyyymmdd, mmdd.
DIGITS = {47: 6, 48: 6, 49: 8, 50: 4}
TEXT = 54
# Forms of time and date that are not public.
UNKNOWN = (53, 63, 64)


@dataclass(frozen=True, slots=True)
class KmpRegister:
    """One register as it came; ``value`` is exact, digits of a date or time, text, or octets of an unknown form.

    ``symbol`` is that of ``UNITS``, ``exponent`` the power of ten to take into the value.
    """

    number: int
    unit: int
    value: Decimal | str | bytes
    symbol: str = ""
    exponent: int = 0


def get_registers(numbers: Sequence[int]) -> bytes:
    """The command for one to eight registers.

    Raises:
        LocalProtocolError: none, more than eight, or no number of a register.
    """
    if not 0 < len(numbers) <= REGISTERS_AT_ONCE or not all(0 <= number <= 0xFFFF for number in numbers):
        raise LocalProtocolError(f"KMP reads 1 to {REGISTERS_AT_ONCE} registers at once, 0 to 65535")
    return bytes((GET_REGISTER, len(numbers))) + b"".join(number.to_bytes(2, "big") for number in numbers)


def registers_in(payload: bytes) -> tuple[KmpRegister, ...]:
    """The registers of an answer.

    Raises:
        DecodeError: not an answer to ``get_registers``, or one that ends amid a register.
    """
    data = _data_of(payload, GET_REGISTER)
    found = []
    at = 0
    while at < len(data):
        head = data[at : at + 5]
        end = at + 5 + (head[3] if len(head) == 5 else 0)
        if len(head) < 5 or end > len(data) or end == at + 5:
            raise DecodeError("an answer that ends amid a register", layer="apdu", data=payload, offset=at + 1)
        number, unit, scale = int.from_bytes(head[:2], "big"), head[2], head[4]
        symbol, exponent = UNITS.get(unit, ("", 0))
        found.append(KmpRegister(number, unit, _value(unit, scale, data[at + 5 : end]), symbol, exponent))
        at = end
    return tuple(found)


def encode_register(number: int, unit: int, mantissa: int, exponent: int = 0, *, size: int = 4) -> bytes:
    """One register of an answer, as a meter sends it."""
    scale = (0x80 if mantissa < 0 else 0) | (0x40 if exponent < 0 else 0) | abs(exponent)
    return number.to_bytes(2, "big") + bytes((unit, size, scale)) + abs(mantissa).to_bytes(size, "big")


def type_in(payload: bytes) -> tuple[int, str]:
    """Number of the meter's type, and the revision of its software, ``"F1"`` or empty.

    Raises:
        DecodeError: not an answer to the command.
    """
    data = _data_of(payload, GET_TYPE)
    if len(data) != 4:
        raise DecodeError("a type of four octets was expected", layer="apdu", data=payload)
    letter, number = data[2], data[3]
    return int.from_bytes(data[:2], "big"), f"{chr(0x40 + letter)}{number}" if 1 <= letter <= 26 else ""


def serial_in(payload: bytes) -> str:
    """The serial number.

    Raises:
        DecodeError: not an answer to the command.
    """
    data = _data_of(payload, GET_SERIAL)
    if len(data) != 4:
        raise DecodeError("a serial number of four octets was expected", layer="apdu", data=payload)
    return str(int.from_bytes(data, "big"))


def _data_of(payload: bytes, command: int) -> bytes:
    if payload[:1] != bytes((command,)):
        raise DecodeError(f"an answer to command {command:02X} was expected", layer="apdu", data=payload)
    return payload[1:]


def _value(unit: int, scale: int, octets: bytes) -> Decimal | str | bytes:
    if unit == TEXT:
        return octets.decode("latin-1").rstrip("\0 ")
    if unit in UNKNOWN:
        return octets
    number = int.from_bytes(octets, "big")
    if unit in DIGITS:
        return f"{number:0{DIGITS[unit]}d}"
    exponent = -(scale & 0x3F) if scale & 0x40 else scale & 0x3F
    return Decimal((scale >> 7, tuple(map(int, str(number))), exponent))
