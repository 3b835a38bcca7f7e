"""The data block of a simulated meter: the lines an IEC 62056-21 readout sends between STX and ``!``."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from metersdk.model.clock import DateTime
from metersdk.model.fields import ObisField
from metersdk.simulator.objects import Meter
from metersdk.simulator.sources import Maximum


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    code: str
    """Address as it is sent: ``1.8.0``, ``F.F``; 16 characters at most."""


class TextLine(_Line):
    """A text that does not change: ``C.1.0(12345678)``."""

    kind: Literal["text"] = "text"
    value: str = ""


class ClockLine(_Line):
    """``0.9.1(125703)`` hhmmss, ``0.9.2(260131)`` yymmdd, or both with the season digit: ``1.0.0(1260731125703)``."""

    kind: Literal["time", "date", "stamp"]


class RegisterLine(_Line):
    """``1.8.0(0012345.678*kWh)``: a register in ``digits`` and ``decimals``; its last ``history`` months from ``*01``.

    ``power`` shifts the point from the register's own unit: 3 for a register in Wh shown in kWh.
    """

    kind: Literal["register"] = "register"
    object: ObisField
    digits: int = Field(default=7, ge=1, le=20)
    decimals: int = Field(default=3, ge=0, le=12)
    unit: str = ""
    power: int = 3
    history: int = Field(default=0, ge=0, le=99)


Line = Annotated[TextLine | ClockLine | RegisterLine, Field(discriminator="kind")]


def data_block(meter: Meter, lines: tuple[Line, ...], scalers: dict[bytes, int]) -> bytes:
    """All lines, each with its CR LF. ``scalers`` by octets of the register's code."""
    text: list[str] = []
    for line in lines:
        match line:
            case TextLine():
                text.append(f"{line.code}({line.value})")
            case ClockLine():
                text.append(f"{line.code}({_clock(meter, line.kind)})")
            case RegisterLine():
                text += _register(meter, line, scalers.get(line.object.octets, 0))
    return "".join(line + "\r\n" for line in text).encode("ascii", "replace")


def _clock(meter: Meter, kind: str) -> str:
    there = DateTime.from_octets(meter.zone.octets(meter.seconds())).to_datetime()
    if kind == "stamp":
        return f"{int(meter.zone.at(meter.seconds())[1])}{there:%y%m%d%H%M%S}"
    return f"{there:%H%M%S}" if kind == "time" else f"{there:%y%m%d}"


def _register(meter: Meter, line: RegisterLine, scaler: int) -> list[str]:
    now = meter.seconds()
    today = meter.zone.local_date(now)
    month = today.year * 12 + today.month - 1
    lines = []
    for period in range(line.history + 1):
        ended = month - period + 1
        # A billing value is the register's at the midnight that ended its month.
        time = now if period == 0 else meter.zone.midnight(date(ended // 12, ended % 12 + 1, 1))
        if period and time <= meter.since:
            break
        source = meter.source(line.object)
        # The maximum of a month that is over is the one shown just before its end.
        shown = time - 1 if period and isinstance(source, Maximum) else time
        value = Decimal(source.values(meter, [shown])[0]).scaleb(scaler - line.power)
        width = line.digits + (line.decimals + 1 if line.decimals else 0)
        unit = f"*{line.unit}" if line.unit else ""
        suffix = f"*{period:02d}" if period else ""
        text = f"{line.code}{suffix}({value:0{width}.{line.decimals}f}{unit})"
        if isinstance(source, Maximum):
            reached = DateTime.from_octets(meter.zone.octets(source.captured(meter, shown))).to_datetime()
            text += f"({reached:%y%m%d%H%M})"
        lines.append(text)
    return lines
