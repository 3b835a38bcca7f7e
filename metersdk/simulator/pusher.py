"""A meter that speaks by itself: SML files or P1 telegrams, of the registers of its image, every so many seconds.

Mode D is the optical port's own (``OpticalMeter.pusher``).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from metersdk.apdu.sml_encode import encode
from metersdk.apdu.sml_types import CloseResponse, GetListResponse, ListEntry, OpenResponse, Time, TimeKind
from metersdk.effects import Dialog, Send, SetLine, Sleep
from metersdk.frame.sml import encode_frame
from metersdk.frame.telegram import encode_telegram
from metersdk.model.clock import ClockStatus, DateTime
from metersdk.model.obis import Obis
from metersdk.model.quantity import Unit, scaled
from metersdk.simulator.device import MeterDevice
from metersdk.simulator.spec import ObjectSpec

PushSpeech = Literal["sml", "p1"]
BAUD: dict[PushSpeech, int] = {"sml": 9600, "p1": 115200}

_MANUFACTURER, _DEVICE_ID = bytes.fromhex("010060320101"), bytes.fromhex("0100000009ff")
_IMPORT, _EXPORT, _NET = Obis("1-0:1.7.0"), Obis("1-0:2.7.0"), Obis("1-0:16.7.0")
# Quantities of electricity that such meters push: energies, powers, voltages, currents, frequency.
_REGISTERS = 3
_PROCESSING = (7, 8)
# Unit, digits and decimals of P1 (DSMR 5.0.2, 6.12): F9(3,3) kWh, F5(3,3) kW, F4(1,1) V, F3(0,0) A.
_P1_FORMS = {
    Unit.WH: ("kWh", 10, 3, 3),
    Unit.VARH: ("kvarh", 10, 3, 3),
    Unit.W: ("kW", 6, 3, 3),
    Unit.VAR: ("kvar", 6, 3, 3),
    Unit.V: ("V", 5, 1, 0),
    Unit.A: ("A", 3, 0, 0),
}


def push(device: MeterDevice, speech: PushSpeech, *, baud: int | None = None, period: float = 1.0) -> Dialog[None]:
    """Send a telegram every ``period`` seconds, until the port closes."""
    yield SetLine(baud or BAUD[speech])
    number = 0
    while True:
        yield Sleep(period)
        number += 1
        yield Send(sml_file(device, number) if speech == "sml" else p1_telegram(device))


def _values(device: MeterDevice) -> list[tuple[ObjectSpec, int]]:
    now = device.seconds()
    return [
        (spec, int(spec.source.values(device, [now])[0]))
        for spec in device.image.object
        if spec.class_ == _REGISTERS and spec.source is not None and spec.obis.a == 1 and spec.obis.d in _PROCESSING
    ]


def server_id(device: MeterDevice) -> bytes:
    """DIN 43863-5: length, medium 1, FLAG id, block, number."""
    digits = "".join(filter(str.isdigit, device.image.meter.serial))[-8:] or "0"
    maker = device.image.meter.manufacturer.upper().encode("ascii")
    return b"\x0a\x01" + maker + b"\0" + int(digits).to_bytes(4, "big")


def sml_file(device: MeterDevice, number: int) -> bytes:
    """Open, GetList, Close, as household meters send them: the time is the seconds of operation."""
    server = server_id(device)
    index = Time(TimeKind.SEC_INDEX, max(0, device.seconds() - device.since) & 0xFFFFFFFF)
    maker = device.image.meter.manufacturer.upper().encode("ascii")
    entries = [
        ListEntry(_MANUFACTURER, None, None, None, None, maker),
        ListEntry(_DEVICE_ID, None, None, None, None, server),
    ]
    powers: dict[Obis, int] = {}
    for spec, value in _values(device):
        unit = None if spec.unit is None else int(spec.unit)
        # Energies are unsigned, and have eight octets in most meters.
        size = 8 if spec.obis.d == 8 else 4
        entries.append(ListEntry(spec.obis.octets, None, None, unit, spec.scaler, value, None, size == 4, size))
        if spec.obis in (_IMPORT, _EXPORT) and not spec.scaler:
            powers[spec.obis] = value
    if len(powers) == 2:
        net = powers[_IMPORT] - powers[_EXPORT]
        entries.append(ListEntry(_NET.octets, None, None, int(Unit.W), 0, net, None, True, 4))
    name = number.to_bytes(4, "big")
    opened = OpenResponse(None, None, name, server, index, 1)
    values = GetListResponse(None, server, b"\x01\x00\x62\x0a\xff\xff", index, tuple(entries), None, None)
    closed = CloseResponse(None)
    return encode_frame(encode(opened, name + b"\1") + encode(values, name + b"\2") + encode(closed, name + b"\3"))


def p1_telegram(device: MeterDevice) -> bytes:
    """A telegram of DSMR 5."""
    local = DateTime.from_octets(device.zone.octets(device.seconds()))
    summer = local.status is not None and ClockStatus.DST_ACTIVE in local.status
    serial = device.image.meter.serial.encode("ascii", "replace").hex().upper()
    lines = [
        "1-3:0.2.8(50)",
        f"0-0:1.0.0({local.to_datetime():%y%m%d%H%M%S}{'S' if summer else 'W'})",
        f"0-0:96.1.1({serial})",
    ]
    for spec, value in _values(device):
        form = _P1_FORMS.get(spec.unit) if spec.unit is not None else None
        if form is not None:
            unit, width, decimals, power = form
            shown = scaled(value, spec.scaler - power)
            code = spec.obis.idis.removesuffix("*255")
            lines.append(f"{code}({_fixed(shown, width, decimals)}*{unit})")
    text = "".join(line + "\r\n" for line in lines).encode("ascii")
    return encode_telegram(device.identification.rstrip(b"\r\n"), text, crc=True)


def _fixed(number: Decimal, width: int, decimals: int) -> str:
    return f"{number:0{width}.{decimals}f}"
