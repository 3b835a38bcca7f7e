"""What a meter pushes, as readings: SML and DLMS; for mode D and P1 see ``text``."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from functools import lru_cache

from metersdk.apdu.axdr import Data, Tag
from metersdk.apdu.sml_types import File, GetListResponse, ListEntry, OpenResponse, Time, TimeKind
from metersdk.errors import DecodeError, Finding, MeterError
from metersdk.model.clock import ClockStatus, DateTime
from metersdk.model.identity import Identity
from metersdk.model.obis import Obis, name
from metersdk.model.quantity import Unit, scaled
from metersdk.model.quirks import Quirks
from metersdk.model.reading import Reading

# DIN 43863-5: length, medium, FLAG id, block, number. The length counts itself or not.
_DEVICE_ID_LENGTHS = (9, 10)
_MANUFACTURER = (bytes.fromhex("8181c78203ff"), bytes.fromhex("010060320101"))
# Powers, in all and by phase.
_POWERS = frozenset(bytes((1, 0, c, 7, 0, 255)) for c in (16, 36, 56, 76))
# Serial numbers of DZG DVS74, which send powers up to 655.35 W without the leading zero octet (the maker's word in a
# public report).
_DVS74 = (range(42_000_000, 49_000_000), range(55_000_000, 59_000_000))


@dataclass(frozen=True, slots=True)
class Telegram:
    """One telegram that a meter pushed.

    Attributes:
        protocol: ``"sml"``, ``"iec62056-21:D"``, ``"p1"`` or ``"dlms:push"``.
        readings: its values, in the order of the telegram.
        identity: who the meter says it is.
        time: when it was sent, by the meter's clock; None where it has none.
        sec_index: the same of an SML meter without a clock: seconds it has run.
        proved: a check sequence proves it; None where the protocol has none.
        findings: what was tolerated.
        raw: its octets.
    """

    protocol: str
    readings: tuple[Reading, ...]
    identity: Identity
    time: DateTime | None = None
    sec_index: int | None = None
    proved: bool | None = None
    findings: tuple[Finding, ...] = ()
    raw: bytes = field(default=b"", repr=False)


# ---- SML -------------------------------------------------------------------------------------------------------------


def device_id(server_id: bytes) -> tuple[str, str, int] | None:
    """A DIN 43863-5 id as ``(FLAG id, serial number as it is printed, its number)``; None if it is none.

    ``0A 01 "EMH" 00 00 41 F0 45`` is ``("EMH", "1EMH0004321349", 4321349)``.
    """
    if len(server_id) != 10 or server_id[0] not in _DEVICE_ID_LENGTHS or server_id[1] > 15:
        return None
    flag = server_id[2:5]
    if not (flag.isalpha() and flag.isascii() and flag.isupper()):
        return None
    number = int.from_bytes(server_id[6:], "big")
    maker = flag.decode("ascii")
    return maker, f"{server_id[1]:X}{maker}{server_id[5]:02X}{number:08d}", number


def from_sml(file: File, quirks: Quirks | None = None, *, proved: bool = True, raw: bytes = b"") -> Telegram:
    """The readings of all lists of a file.

    Raises:
        DecodeError: it holds no list.
    """
    lists = file.lists
    if not lists:
        kinds = ", ".join(type(each.body).__name__ for each in file.messages)
        raise DecodeError(f"an SML file without a list of values: {kinds}", layer="apdu")
    reader = _SmlReader(quirks or Quirks(), [*file.findings])
    readings = [reading for one in lists for reading in reader.readings(one)]
    opened = next((each.body for each in file.messages if isinstance(each.body, OpenResponse)), None)
    time = lists[0].sensor_time or lists[0].gateway_time or (opened.time if opened else None)
    stamp, index = reader.moment(time)
    return Telegram("sml", tuple(readings), _sml_identity(lists[0]), stamp, index, proved, tuple(reader.findings), raw)


def _sml_identity(one: GetListResponse) -> Identity:
    known = device_id(one.server_id)
    flag = known[0] if known else None
    if flag is None:
        said = next((entry.value for entry in one.entries if entry.obis in _MANUFACTURER), None)
        if isinstance(said, bytes) and len(said) == 3 and said.isalpha() and said.isascii():
            flag = said.decode("ascii")
    return Identity(
        manufacturer=flag,
        serial_number=known[1] if known else None,
        server_id=one.server_id.hex() or None,
        protocols=("sml",),
        protocol="sml",
    )


class _SmlReader:
    def __init__(self, quirks: Quirks, findings: list[Finding]) -> None:
        self.findings = findings
        self._quirks = quirks
        self._scalers = {Obis(code).octets: scaler for code, scaler in quirks.sml_scalers}
        self._units = {Obis(code).octets: unit for code, unit in quirks.sml_units}

    def readings(self, one: GetListResponse) -> list[Reading]:
        unsigned = self._reads_unsigned(one.server_id)
        found = []
        for entry in one.entries:
            if len(entry.obis) != 6:
                self._note("no-obis", f"an object name of {len(entry.obis)} octets: {entry.obis.hex()}")
                continue
            found.append(self._reading(entry, unsigned))
        return found

    def _reads_unsigned(self, server_id: bytes) -> bool:
        if self._quirks.sml_unsigned != "auto":
            return self._quirks.sml_unsigned == "always"
        known = device_id(server_id)
        return known is not None and known[0] == "DZG" and any(known[2] in numbers for numbers in _DVS74)

    def _reading(self, entry: ListEntry, unsigned: bool) -> Reading:
        value, scaler, unit = entry.value, entry.scaler, entry.unit
        if (told := self._scalers.get(entry.obis, scaler)) != scaler:
            self._note("sml-scaler", f"{Obis(entry.obis)}: scaler {scaler} was sent, {told} is taken")
            scaler = told
        if (told := self._units.get(entry.obis, unit)) != unit:
            self._note("sml-unit", f"{Obis(entry.obis)}: unit {unit} was sent, {told} is taken")
            unit = told
        held: Decimal | bytes | str | bool | tuple[object, ...] | None
        if isinstance(value, int) and not isinstance(value, bool):
            if unsigned and value < 0 and entry.size < 4 and entry.obis in _POWERS:
                value += 1 << 8 * entry.size
                text = f"{Obis(entry.obis)}: sent as {entry.value!r}, which was meant to be unsigned: {value}"
                hint = "Quirks(sml_unsigned='never'), or a file for --vendor that says so, if it is a feed-in"
                self._note("sml-unsigned", text, hint)
            held = scaled(value, scaler or 0) if -100 <= (scaler or 0) <= 100 else Decimal(value)
        elif isinstance(value, bytes):
            held = _text_or_octets(value)
        else:
            held = value
        if unit is not None and not 0 <= unit <= 255:
            self._note("sml-unit", f"{Obis(entry.obis)}: {unit} is no unit")
            unit = None
        time, index = self.moment(entry.time)
        code, known = _code(entry.obis)
        return Reading(
            obis=code,
            value=held,
            unit=None if unit is None else Unit(unit),
            time=time,
            sec_index=index,
            status=entry.status,
            name=known,
            raw=entry.value if isinstance(entry.value, (int, bytes)) else None,
        )

    def moment(self, time: Time | None) -> tuple[DateTime | None, int | None]:
        if time is None:
            return None, None
        if time.kind is TimeKind.SEC_INDEX:
            return None, time.seconds
        try:
            moment = datetime.fromtimestamp(time.seconds, UTC)
            if time.kind is TimeKind.LOCAL:
                moment = moment.astimezone(timezone(timedelta(minutes=time.local_offset + time.season_offset)))
        except (ValueError, OverflowError, OSError):
            self._note("sml-time", f"{time.seconds} s with offsets {time.local_offset}, {time.season_offset}: no time")
            return None, None
        status = ClockStatus.DST_ACTIVE if time.season_offset else ClockStatus(0)
        return DateTime.from_datetime(moment, status), None

    def _note(self, code: str, text: str, hint: str = "") -> None:
        self.findings.append(Finding(code, text, "data", -1, hint))


@lru_cache(maxsize=1024)
def _code(octets: bytes) -> tuple[Obis, str]:
    """A code and its English name: a meter sends the same ones every second."""
    code = Obis(octets)
    return code, name(code)


def _text_or_octets(value: bytes) -> str | bytes:
    return (
        value.decode("ascii") if len(value) > 1 and value.isascii() and value.decode("ascii").isprintable() else value
    )


# ---- DLMS pushes -----------------------------------------------------------------------------------------------------


def from_notification(data: Data) -> tuple[Reading, ...]:
    """Values that stand behind their OBIS code, with ``{scaler, unit}`` behind them or not, at any depth.

    Pushes without codes, which only their maker can read, give none.
    """
    found: list[Reading] = []
    rows = [data]
    while rows:
        row = rows.pop()
        if isinstance(row.value, tuple):
            items = row.value
            at = 0
            while at < len(items):
                code, used = _pair(items, at)
                if code is not None:
                    found.append(code)
                at += used
            rows += [item for item in reversed(items) if isinstance(item.value, tuple)]
    return tuple(found)


def _pair(items: tuple[Data, ...], at: int) -> tuple[Reading | None, int]:
    said = items[at]
    if said.tag is not Tag.OCTET_STRING or not isinstance(said.value, bytes) or len(said.value) != 6:
        return None, 1
    if said.value[5] != 255 or at + 1 >= len(items) or isinstance(items[at + 1].value, tuple):
        return None, 1
    held, scaler, unit, used = items[at + 1], 0, None, 2
    if at + 2 < len(items) and (told := _scaler_unit(items[at + 2])) is not None:
        scaler, unit, used = *told, 3
    value = held.value
    if held.tag is Tag.DATE_TIME or (isinstance(value, bytes) and len(value) == 12):
        try:
            return Reading(obis=Obis(said.value), value=DateTime.from_octets(bytes(value))), used  # type: ignore[arg-type]
        except MeterError:
            pass
    if isinstance(value, bytes):
        return Reading(obis=Obis(said.value), value=_text_or_octets(value), raw=value), used
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return Reading(obis=Obis(said.value), value=scaled(value, scaler), unit=unit, raw=value), used
    return Reading(obis=Obis(said.value), value=value if isinstance(value, (str, bool)) else None), used


def _scaler_unit(data: Data) -> tuple[int, Unit] | None:
    match data.value:
        case (Data(tag=Tag.INTEGER, value=int(scaler)), Data(tag=Tag.ENUM, value=int(unit))) if abs(scaler) < 100:
            return scaler, Unit(unit)
    return None
