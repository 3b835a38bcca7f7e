"""Whole sessions under the virtual clock: the door, its dialogs, a modelled line, and a simulated meter at its end.

Tests of the system and the fuzzed sessions share it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import pairwise
from typing import Any

from metersdk.apdu.keys import Keys, Secret
from metersdk.dialog.hearing import Hearing
from metersdk.dialog.opening import Plan, open_session
from metersdk.dialog.timing import Timing
from metersdk.effects import Dialog
from metersdk.meter import Meter
from metersdk.model.quirks import Quirks
from metersdk.port.drive import run
from metersdk.port.line import LineModel
from metersdk.port.virtual import VirtualPort
from metersdk.simulator.device import MeterDevice
from metersdk.simulator.image import Image
from metersdk.simulator.station import Speech, StationSettings, optical_meter, station

EK, AK = bytes(range(16)), bytes(range(0xD0, 0xE0))
PASSWORD = "12345678"

# A meter of a few rows, so that a session cut at every octet stays short.
SMALL = """
name = "small"
[meter]
manufacturer = "MSK"
identification = 'MSK5\\\\2SMALL'
serial = "1"
logical_device_name = "MSK0000000000001"
system_title = "4D534B5300000001"
since = 2026-01-01T00:00:00Z
[clock]
fixed = 2026-01-01T01:00:00Z
[programming]
password = "12345678"
operand = "0F1E2D3C"
writable = ["C.90", "0.9.1"]
executable = ["RESET"]
block_size = 8
[[association]]
client = 16
role = "management"
max_pdu = 128
[[association]]
client = 2
role = "reader"
authentication = "low"
password = "12345678"
[[association]]
client = 3
role = "reader"
authentication = "high-md5"
password = "12345678"
[[association]]
client = 1
role = "management"
authentication = "high-gmac"
security = "authenticated-encrypted"
encryption_key = "000102030405060708090A0B0C0D0E0F"
authentication_key = "D0D1D2D3D4D5D6D7D8D9DADBDCDDDEDF"
[[object]]
class = 3
obis = "1.0.1.8.0.255"
unit = "Wh"
source = { kind = "counter", start = 1000, every = 900 }
[[object]]
class = 7
obis = "1.0.99.1.0.255"
[object.profile]
entries = 4
period = 900
capture = ["8 0.0.1.0.0.255 2", "3 1.0.1.8.0.255 2"]
[[readout]]
kind = "text"
code = "C.1.0"
value = "1"
[[readout]]
kind = "register"
code = "1.8.0"
object = "1.0.1.8.0.255"
""".replace("\\\\", "\\")


@cache
def image(name: str) -> Image:
    return Image.parse(SMALL) if name == "small" else Image.load(name)


def keys(**more: Any) -> Keys:
    return Keys(
        **{"encryption": EK, "authentication": AK, "system_title": b"MSK00000", "invocation_counter": 1, **more}
    )


@dataclass
class Rig:
    """A meter, the line to it, and how it is to be reached.

    ``client``: 16 without authentication, 2 with the password, 3 with HLS-MD5, 1 with GMAC and ciphering.
    ``image``: a name, or ``"small"`` for a meter of a few rows.
    """

    speech: Speech = "hdlc"
    client: int = 16
    model: LineModel = field(default_factory=LineModel)
    image: str = "small"
    baud: int = 9600
    identification: str | None = None
    protocol: str | None = None
    timing: Timing = field(default_factory=Timing)
    options: dict[str, object] = field(default_factory=dict)
    password: str | Secret | None = PASSWORD
    keys: Keys | None = None
    optical: dict[str, Any] = field(default_factory=dict)
    server: Callable[[Dialog[Any]], Dialog[Any]] | None = None

    @property
    def plan(self) -> Plan:
        named = {2: "low", 3: "high-md5", 1: "high-gmac"}.get(self.client, "none")
        protocol = self.protocol or ("dlms" if self.speech == "hdlc" else "auto")
        return Plan.of(
            {"client": self.client, "authentication": named, "protocol": protocol, **self.options},
            medium="line" if self.speech in ("optical", "hdlc") else "stream",
            framing="wrapper" if self.speech == "wrapper" else "hdlc",
            baud=self.baud,
            hardware_parity=False,
            password=self.password if self.client in (2, 3) else None,
            keys=(self.keys or keys()) if self.client == 1 else None,
            quirks=Quirks(),
            timing=self.timing,
        )

    def device(self) -> MeterDevice:
        return image(self.image).device()

    def port(self, device: MeterDevice | None = None) -> VirtualPort:
        made = device or self.device()
        optical = None
        if self.speech == "optical":
            more = dict(self.optical)
            if self.identification is not None:
                more["identification"] = self.identification.encode()
            optical = optical_meter(made, **more)
        dialog: Dialog[Any] = station(made, StationSettings(self.speech, self.baud, optical))
        if self.server is not None:
            dialog = self.server(dialog)
        return VirtualPort(dialog, self.model)

    def connect(self, port: VirtualPort | None = None) -> Meter:
        line = port or self.port()
        hearing = Hearing()
        return Meter(line, run(open_session(self.plan), line, hearing), hearing)

    def but(self, **more: Any) -> Rig:
        return replace(self, **more)

    def new_keys(self, **more: Any) -> Keys:
        """The keys of client 1, some of them replaced."""
        return keys(**more)

    def line(self, meter: Meter) -> VirtualPort:
        port = meter._port
        assert isinstance(port, VirtualPort)
        return port

    def pauses(self, port: VirtualPort) -> list[tuple[str, float]]:
        """(side that speaks, seconds it let pass since the other side's last octet)."""
        sends = [event for event in port.log if event.kind == "send"]
        return [(b.side, b.start - a.end) for a, b in pairwise(sends) if a.side != b.side]

    def read_all(self, meter: Meter) -> list[object]:
        """All that a session of this kind gives, in a form to compare."""
        if "iec62056-21" in meter.identity.protocol:
            return [str(meter.identity), [str(each) for each in meter.readout().data_sets]]
        profile = meter.get_profile("1.0.99.1.0.255")
        return [str(meter.identity), str(meter.read("1.0.1.8.0.255")), list(profile.rows()), profile.truncated]

    def session(self, port: VirtualPort) -> list[object]:
        """Open, read all, leave."""
        meter = self.connect(port)
        try:
            return self.read_all(meter)
        finally:
            meter.close()
