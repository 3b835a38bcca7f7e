"""Profiles and log books of a simulated meter as text, as programming mode gives them: P.01, P.02, P.98 and others.

The rows are those of the profiles in the image: 1-0:99.n.0 as P.0n, 0-0:99.98.0 as the log book P.98. A new head stands
wherever the season, the status or the spacing of rows changes. Nothing is stored: lines are made as they are sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice
from typing import Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field

from metersdk.apdu.ascii_profile import Season, Zst
from metersdk.errors import DecodeError, MeterReportedError
from metersdk.model.obis import Obis
from metersdk.model.quantity import Unit, unit_from_symbol
from metersdk.simulator.generated import Column, GeneratedProfile
from metersdk.simulator.objects import Meter

_NAME = re.compile(r"P\.(\d{1,3})", re.ASCII)
_LOG = 98
# Rows whose values are computed at once.
_STACK = 96
_DAYLIGHT_SAVING, _POWER_DOWN = 0x08, 0x80
# Event codes of the log, as bits of a VDEW status word.
_BITS = {1: 0x80, 2: 0x40, 5: 0x20, 7: 0x01, 8: 0x01}
_CLOCK_SET = 5
_PREFIXED = {Unit.WH: "kWh", Unit.VARH: "kvarh", Unit.W: "kW", Unit.VAR: "kvar"}


class TextProfileSpec(BaseModel):
    """How a meter writes its profiles, in the TOML of an image.

    Attributes:
        status_bits: 8 (two digits) or 32 (eight digits).
        codes: ``1.8.0``, or ``1-0:1.8.0``. With the latter the log book has event codes, else status words.
        stamp: of an interval's end, or its start.
        season: stamps with the season of local time, or in UTC.
        heeds_season: whether the season digit of a request counts; most meters do not look at it.
        shift: minutes by which an answer begins later than it was asked for.
        missing_every: each so-many-th value is ``-----``.
        cut_rows: an answer breaks off in the middle of the row behind so many.
        block: octets of one partial block, 0: all in one message.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    status_bits: Literal[8, 32] = 8
    codes: Literal["reduced", "full"] = "reduced"
    stamp: Literal["end", "start"] = "end"
    season: Literal["local", "utc"] = "local"
    heeds_season: bool = False
    shift: int = Field(default=0, ge=0)
    missing_every: int = Field(default=0, ge=0)
    cut_rows: int = Field(default=0, ge=0)
    block: int = Field(default=256, ge=0)


EMH = TextProfileSpec(status_bits=32)
METCOM = TextProfileSpec(codes="full", block=0)


class Device(Meter, Protocol):
    """What the text of a profile is made from."""

    def rows_of(self, code: Obis) -> GeneratedProfile | None: ...
    def scale_of(self, code: Obis) -> tuple[int, Unit | None]: ...


class TextProfiles:
    """Gives the text of ``P.nn(from;to)`` block by block; a ``BlockProvider``."""

    def __init__(self, device: Device, spec: TextProfileSpec) -> None:
        self._device = device
        self._spec = spec

    def __call__(self, address: str, values: str) -> Iterator[bytes] | None:
        """The blocks; None if this is no profile.

        Raises:
            MeterReportedError: no such profile, or no such times.
        """
        found = _NAME.fullmatch(address)
        if found is None:
            return None
        number = int(found[1])
        rows = self._device.rows_of(Obis("0.0.99.98.0.255") if number == _LOG else Obis(f"1.0.99.{number}.0.255"))
        if rows is None:
            raise MeterReportedError(f"there is no {address}", code="ERROR", layer="data")
        times = self._times(rows, values)
        lines = self._log(times, rows) if number == _LOG else self._lines(address, times, rows)
        return self._blocks(lines if times else iter((f"{address}()\r\n",)))

    def _blocks(self, lines: Iterator[str]) -> Iterator[bytes]:
        size = self._spec.block
        if not size:
            yield "".join(lines).encode("ascii")
            return
        text = ""
        for line in lines:
            text += line
            while len(text) > size:
                yield text[:size].encode("ascii")
                text = text[size:]
        yield text.encode("ascii")

    # which rows -------------------------------------------------------------------------------------------------

    def _times(self, rows: GeneratedProfile, values: str) -> list[int]:
        first, _, last = values.partition(";")
        now = self._device.seconds()
        step = rows.schedule.period if rows.schedule.kind == "interval" else 0
        late = step if self._spec.stamp == "start" else 0
        low = None if not first.strip() else self._bound(first, earlier=True) + self._spec.shift * 60 + late
        high = None if not last.strip() else self._bound(last, earlier=False) + late
        times = rows.times(now)
        return [time for time in times if (low is None or time >= low) and (high is None or time <= high)]

    def _bound(self, text: str, *, earlier: bool) -> int:
        try:
            stamp = Zst.parse(text)
        except DecodeError as error:
            raise MeterReportedError(error.message, code="ERROR", layer="data") from None
        seconds = int(stamp.local.replace(tzinfo=UTC).timestamp())
        zone = self._device.zone
        if self._spec.season == "utc" or (self._spec.heeds_season and stamp.season is Season.UTC):
            return seconds
        if self._spec.heeds_season and stamp.season is not None:
            return seconds + (zone.deviation - 60 * (stamp.season is Season.SUMMER)) * 60
        return zone.utc_ms(seconds * 1000, earlier=earlier) // 1000

    # how they look ----------------------------------------------------------------------------------------------

    def _stamp(self, time: int) -> str:
        if self._spec.season == "utc":
            return Zst(datetime.fromtimestamp(time, UTC).replace(tzinfo=None), Season.UTC).encode()
        deviation, summer = self._device.zone.at(time)
        local = datetime.fromtimestamp(time - deviation * 60, UTC).replace(tzinfo=None)
        return Zst(local, Season.SUMMER if summer else Season.NORMAL).encode()

    def _status(self, word: int) -> str:
        return f"{word:0{self._spec.status_bits // 4}X}"

    def _lines(self, address: str, times: Sequence[int], rows: GeneratedProfile) -> Iterator[str]:
        spec, schedule = self._spec, rows.schedule
        shown = [c for c in rows.columns if c.source is not None and c.capture.class_id in (3, 4, 5)]
        period = schedule.period if schedule.kind == "interval" else 86400 if schedule.kind == "daily" else 0
        before: tuple[int, int] | None = None
        written = 0
        pending = iter(times)
        while stack := list(islice(pending, _STACK)):
            columns = [self._texts(column, stack) for column in shown]
            for at, time in enumerate(stack):
                stamp = time - period if spec.stamp == "start" else time
                summer = self._device.zone.at(stamp)[1]
                word = _DAYLIGHT_SAVING * summer | _POWER_DOWN * schedule.after_gap(time)
                if before is None or time != before[0] + period or word != before[1] or not period:
                    yield self._head(address, self._stamp(stamp), word, period, shown)
                before = (time, word)
                cells = []
                for number, column in enumerate(columns, time // max(period, 1) * len(columns)):
                    missing = spec.missing_every and number % spec.missing_every == 0
                    cells.append("-----" if missing else column[at])
                row = "".join(f"({cell})" for cell in cells)
                if spec.cut_rows and written == spec.cut_rows:
                    yield row[: len(row) // 2]
                    return
                written += 1
                yield f"{row}\r\n"

    def _head(self, address: str, stamp: str, word: int, period: int, columns: Sequence[Column]) -> str:
        named = "".join(f"({self._code(c.capture.obis)})({self._unit(c.capture.obis)})" for c in columns)
        minutes = str(period // 60) if period else ""
        return f"{address}({stamp})({self._status(word)})({minutes})({len(columns)}){named}\r\n"

    def _code(self, code: Obis) -> str:
        return code.idis.removesuffix("*255") if self._spec.codes == "full" else code.reduced

    def _unit(self, code: Obis) -> str:
        unit = self._device.scale_of(code)[1]
        return "" if unit is None else _PREFIXED.get(unit, unit.symbol)

    def _texts(self, column: Column, times: Sequence[int]) -> list[str]:
        code = column.capture.obis
        scaler, _ = self._device.scale_of(code)
        _, exponent = unit_from_symbol(self._unit(code)) or (None, 0)
        decimals = max(exponent - scaler, 0)
        values = column.source.values(self._device, times) if column.source is not None else []
        return [f"{Decimal(value).scaleb(scaler - exponent):.{decimals}f}" for value in values]

    def _log(self, times: Sequence[int], rows: GeneratedProfile) -> Iterator[str]:
        codes = next((column for column in rows.columns if column.source is not None), None)
        events = codes.source.values(self._device, times) if codes is not None and codes.source is not None else []
        for time, code in zip(times, events, strict=True):
            head = f"P.98({self._stamp(time)})"
            if self._spec.codes == "full":
                yield f"{head}({self._status(0)})()(2)(0-0:C.11.0)()(0-0:C.11.10)()({code})(0)\r\n"
            elif code == _CLOCK_SET:
                stamp = self._stamp(time)
                new = f"({stamp[0]}{stamp[7:]})({stamp[:7]})"
                yield f"{head}({self._status(_BITS[code])})()(2)(0.9.1)()(0.9.2)(){new}\r\n"
            else:
                yield f"{head}({self._status(_BITS.get(code, 0))})()(0)\r\n"
