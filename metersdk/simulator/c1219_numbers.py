"""Numbers of a simulated C12.19 meter: what its registers, demands and intervals count at any time.

An object of the image counts in its own unit and scaler. A register counts in ``constant * 10^multiplier`` of the unit;
a pulse of a load profile is ``scalar / divisor`` counts of the register. All of it is exact: fractions, then integers.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Protocol

from metersdk.model.obis import Obis
from metersdk.model.quantity import Unit
from metersdk.simulator.c1219_spec import ENERGY, MULTIPLIERS, C1219Spec, ChannelSpec, SourceSpec
from metersdk.simulator.sources import World

# Digits of the whole number that a register shows in each format, and of those the ones it can have behind the point.
_ROOM: dict[str, tuple[int, int]] = {
    "float64": (15, 6),
    "float32": (7, 6),
    "char12": (10, 6),
    "char6": (5, 3),
    "bcd6": (6, 0),
    "bcd4": (4, 0),
    "int24": (6, 0),
    "int32": (9, 0),
    "int40": (11, 0),
    "int48": (14, 0),
    "int64": (18, 0),
    "bcd8": (8, 0),
    "char21": (19, 6),
}
# INT32 with four decimals, whether they are needed or not.
_FIXED, _FIXED_ROOM, _FIXED_PLACES = "fixed32", 5, 4


def largest(format: str) -> int:
    """The largest whole number that a register of this number format shows; then it begins again at 0."""
    return int(10 ** (_FIXED_ROOM if format == _FIXED else _ROOM[format][0])) - 1


def _room(format: str, wanted: int) -> tuple[int, int]:
    """Digits in all, and places behind the point where ``wanted`` of them are asked for."""
    if format == _FIXED:
        return _FIXED_ROOM + min(wanted, _FIXED_PLACES), min(wanted, _FIXED_PLACES)
    digits, most = _ROOM[format]
    return digits, min(wanted, most)


class Meter(World, Protocol):
    """What the numbers come from."""

    def scale_of(self, code: Obis) -> tuple[int, Unit | None]: ...


class Numbers:
    """The numbers of the sources of ``spec``, from the objects of ``meter``."""

    def __init__(self, spec: C1219Spec, meter: Meter) -> None:
        self._sources = {each.object: each for each in spec.source}
        self._meter = meter

    def registers(self, code: Obis, times: Sequence[int], format: str, instead: Obis | None = None) -> list[Decimal]:
        """What the register of a source shows at ``times``; ``instead``: another object, as the tariffs have."""
        spec = self._sources[code]
        digits, places = _room(format, spec.decimals)
        whole = 10**digits
        values = self._scaled(spec, times, Fraction(1, 10**places), instead)
        return [Decimal(value % whole).scaleb(-places) for value in values]

    def shown(self, code: Obis, value: Decimal, format: str) -> Decimal:
        """A number of a source as a register of another format shows it: with its places, and what is too much gone."""
        digits, places = _room(format, self._sources[code].decimals)
        return Decimal(int(value.scaleb(places)) % 10**digits).scaleb(-places)

    def accumulated(self, channel: ChannelSpec, times: Sequence[int]) -> list[int]:
        """Pulses since the beginning, of energies; of other sources what they are."""
        spec = self._sources[channel.object]
        return self._scaled(spec, times, Fraction(channel.scalar, channel.divisor))

    def intervals(self, channel: ChannelSpec, ends: Sequence[int], seconds: int) -> list[int]:
        """One number for each interval that ends at ``ends``: the pulses in it, or what the source is at its end."""
        last = self.accumulated(channel, ends)
        if self._sources[channel.object].time_base != ENERGY:
            return last
        first = self.accumulated(channel, [end - seconds for end in ends])
        return [after - before for before, after in zip(first, last, strict=True)]

    def _scaled(self, spec: SourceSpec, times: Sequence[int], step: Fraction, instead: Obis | None = None) -> list[int]:
        code = instead or spec.object
        scaler, _ = self._meter.scale_of(code)
        # In engineering units the constant is applied already.
        constant = Fraction(1 if spec.engineering else spec.constant or 1)
        factor = Fraction(10) ** scaler / (constant * Fraction(MULTIPLIERS[spec.multiplier]) * step)
        over, under = factor.numerator, factor.denominator
        return [value * over // under for value in self._meter.source(code).values(self._meter, times)]
