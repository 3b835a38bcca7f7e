"""Whole sessions with an ANSI meter under the virtual clock: the door, its dialogs, a modelled line, a simulator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from metersdk.apdu.keys import Keys, TicketKey
from metersdk.dialog.c1218_meter import serve_c1218
from metersdk.dialog.hearing import Hearing
from metersdk.dialog.opening import Plan, open_session
from metersdk.dialog.timing import Timing
from metersdk.effects import Dialog
from metersdk.meter import Meter
from metersdk.model.quirks import Quirks
from metersdk.port.drive import Port, run
from metersdk.port.line import LineModel
from metersdk.port.virtual import VirtualPort
from metersdk.simulator.c1219_faults import C1218Faults, FaultyMeter
from metersdk.simulator.image import Image

READER, MASTER = "12345678", "87654321"

# Two channels; the clock stands still, unless a test moves it.
IMAGE = """
name = "small-ansi"
[meter]
manufacturer = "MSK"
identification = 'MSK5SMALL'
serial = "42"
logical_device_name = "MSK0000000000042"
system_title = "4D534B4100000042"
since = 2025-06-01T00:00:00Z
[clock]
fixed = 2026-02-03T07:37:00Z
deviation = 360
[[association]]
client = 16
role = "public"
[[object]]
class = 3
obis = "1-0:1.8.0"
unit = "Wh"
source = { kind = "energy", start = 18_204_220, per_day = 21_000, shape = "day" }
[[object]]
class = 3
obis = "1-0:2.8.0"
unit = "Wh"
source = { kind = "energy", start = 1_044_180, per_day = 9200, shape = "solar" }
[c1219]
ni1 = "int32"
model = "SMALL"
device_id = "UTILITY-42"
[[c1219.password]]
password = "12345678"
level = 1
[[c1219.password]]
password = "87654321"
level = 2
[[c1219.source]]
object = "1-0:1.8.0"
quadrants = [1, 4]
constant = 10
[[c1219.source]]
object = "1-0:2.8.0"
quadrants = [2, 3]
constant = 10
[c1219.registers]
summations = ["1-0:1.8.0", "1-0:2.8.0"]
present = ["1-0:1.8.0"]
[c1219.load_profile]
[[c1219.load_profile.set]]
minutes = 15
blocks = BLOCKS
intervals = INTERVALS
[[c1219.load_profile.set.channel]]
object = "1-0:1.8.0"
divisor = 10
[[c1219.load_profile.set.channel]]
object = "1-0:2.8.0"
divisor = 10
[c1219.logs]
"""


@cache
def image(blocks: int, intervals: int, changes: tuple[tuple[str, str], ...]) -> Image:
    text = IMAGE.replace("BLOCKS", str(blocks)).replace("INTERVALS", str(intervals))
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return Image.parse(text)


@dataclass
class C1219Rig:
    """A meter, the line to it, and how it is to be reached. ``changes``: (old, new) in the text of its image."""

    blocks: int = 6
    intervals: int = 8
    changes: tuple[tuple[str, str], ...] = ()
    model: LineModel = field(default_factory=lambda: LineModel(baud=9600))
    baud: int | None = None
    password: str | None = READER
    keys: Keys | TicketKey | None = None
    protocol: str = "c1218"
    options: dict[str, object] = field(default_factory=dict)
    timing: Timing = field(default_factory=Timing)
    faults: C1218Faults | None = None
    server: Callable[[Dialog[Any]], Dialog[Any]] | None = None

    @property
    def plan(self) -> Plan:
        return Plan.of(
            {"protocol": self.protocol, **self.options},
            medium="line",
            framing=None,
            baud=self.baud,
            hardware_parity=False,
            password=self.password,
            keys=self.keys,
            quirks=Quirks(),
            timing=self.timing,
        )

    def but(self, **more: Any) -> C1219Rig:
        return replace(self, **more)

    def device(self) -> Any:
        return image(self.blocks, self.intervals, self.changes).device()

    def port(self, device: Any = None) -> VirtualPort:
        meter = (device or self.device()).c1219
        faulty = None if self.faults is None else FaultyMeter(self.faults)
        intercept = None if faulty is None else faulty.intercept
        dialog: Dialog[Any] = serve_c1218(meter, meter.settings, None, faulty, rules=meter.rules, intercept=intercept)
        return VirtualPort(self.server(dialog) if self.server else dialog, self.model)

    def connect(self, port: Port | None = None, progress: Callable[[object], object] | None = None) -> Meter:
        line = port or self.port()
        hearing = Hearing(progress)
        return Meter(line, run(open_session(self.plan), line, hearing), hearing)


def wire(meter: Meter) -> int:
    """Octets that went over the line so far, either way."""
    port = meter._port
    assert isinstance(port, VirtualPort)
    return sum(len(event.data) for event in port.log)


class Between:
    """A port that does something before the n-th thing that is sent for which ``wanted`` holds."""

    def __init__(self, port: VirtualPort, wanted: Callable[[bytes], bool], action: Callable[[int], object]) -> None:
        self.port = port
        self.name = port.name
        self.now, self.set_line, self.sleep = port.now, port.set_line, port.sleep
        self.receive, self.close = port.receive, port.close
        self.count = 0
        self._wanted = wanted
        self._action = action

    def send(self, data: bytes) -> None:
        if self._wanted(data):
            self.count += 1
            self._action(self.count)
        self.port.send(data)


def is_read_of(table: int, *, by_offset: bool | None = None) -> Callable[[bytes], bool]:
    """Whether a packet asks for this table, whole or by offset."""

    def wanted(data: bytes) -> bool:
        payload = data[6:-2]
        codes = {None: (0x30, 0x3F), True: (0x3F,), False: (0x30,)}[by_offset]
        return len(payload) >= 3 and payload[0] in codes and payload[1:3] == table.to_bytes(2, "big")

    return wanted
