"""Tables of a simulated ANSI meter in 32 configurations over a bad line: 1,000 reads of each, 1,000 right.

10 % of the acknowledgements are lost, 5 % of the packets come twice, 5 % come damaged; on both sides.
"""

from __future__ import annotations

import random
from datetime import UTC, datetime
from functools import cache
from typing import Any

import pytest
from psem_rig import ChanceFaults

from metersdk.apdu.keys import Secret
from metersdk.dialog.c1218_link import C1218Link, C1218Settings
from metersdk.dialog.c1218_meter import serve_c1218
from metersdk.dialog.psem import STANDARD_BAUDS, Access, Psem, SignOn
from metersdk.errors import MeterError
from metersdk.frame.buffer import ReceiveBuffer
from metersdk.model.c1219.registry import STANDARD, TableSet
from metersdk.port.drive import run
from metersdk.port.line import LineModel
from metersdk.port.virtual import VirtualPort
from metersdk.simulator.c1219 import C1219Meter
from metersdk.simulator.c1219_spec import C1219Spec
from metersdk.simulator.device import MeterDevice
from metersdk.simulator.image import Image

NOW = datetime(2026, 7, 31, 12, 34, 56, tzinfo=UTC)
READS = 1000
LOST, REPEATED, DAMAGED = 0.1, 0.05, 0.05
# Table 8 answers table 7; tables 42 and 45 nobody may read.
UNREAD = {8, 42, 45}
WANTED = SignOn(2, "reader", Secret("12345678"), bauds=STANDARD_BAUDS)

# What may be there or not, in each of the groups of tables.
OPTIONS: dict[str, dict[str, Any]] = {
    "usual": {},
    "bare": {
        "registers": {"season": False, "date_time": False, "resets": False, "cumulative": False, "sequence": False},
        "load_profile": {"end_reading": False, "extended_status": False},
        "logs": {"event": None, "event_number": False, "date_time": False, "sequence": False},
        "ni1": "int32",
        "data_access": "offset",
    },
    "full": {
        "registers": {"continuous": True, "time_remaining": True, "occurrences": 3, "self_reads": 2},
        "load_profile": {"end_reading": True, "end_pulse": True, "simple_status": True},
        "status_octets": 6,
        "standard_version": 2,
        "ni1": "float64",
        "ni2": "bcd8",
        "integer_format": "sign",
    },
    "other": {
        "registers": {"cumulative": False, "continuous": True, "season": True},
        "load_profile": {"simple_status": True, "extended_status": False},
        "logs": {"date_time": False},
        "id_form": "bcd",
        "device_id": "26010042",
        "ni1": "char12",
        "integer_format": "ones",
        "without": (26, 33),
    },
}


def meter_of(byte_order: str, time_format: int, options: str) -> C1219Meter:
    """The built-in meter; its clock stands still, so that a table stays as it is. Short blocks, so that it is small."""
    image = Image.load("ansi")
    assert image.c1219 is not None
    spec: dict[str, Any] = image.c1219.model_dump() | {"byte_order": byte_order, "time_format": time_format}
    for name, value in OPTIONS[options].items():
        spec[name] = spec[name] | value if isinstance(value, dict) and spec[name] is not None else value
    spec["load_profile"]["set"] = [each | {"blocks": 5, "intervals": 24} for each in spec["load_profile"]["set"]]
    made = C1219Spec.model_validate(spec)
    meter = MeterDevice(image.model_copy(update={"c1219": made}), lambda: NOW).c1219
    # At one moment a table is always the same: it is made once.
    meter.octets = cache(meter.octets)  # type: ignore[method-assign]
    return meter


class Reader:
    """A client that begins a new session where one is lost, as the door does."""

    def __init__(self, meter: C1219Meter, seed: int) -> None:
        self._chance = random.Random(seed)
        dialog = serve_c1218(meter, meter.settings, faults=self._faults(), rules=meter.rules)
        self.port = VirtualPort(dialog, LineModel(baud=9600))
        self.sessions = 0
        self._begin()

    def _faults(self) -> ChanceFaults:
        return ChanceFaults(lost=LOST, repeated=REPEATED, damaged=DAMAGED, seed=self._chance.randrange(1 << 30))

    def _begin(self) -> None:
        while True:
            self.sessions += 1
            link = C1218Link(C1218Settings(), ReceiveBuffer(), faults=self._faults())
            self._psem = Psem(link)
            try:
                run(link.open(), self.port)
                run(self._psem.sign_on(WANTED), self.port)
            except MeterError:
                assert self.sessions < 20
                continue
            return

    def read(self, table: int, size: int | None, access: Access) -> bytes:
        while True:
            try:
                return run(self._psem.read(table, octets=size, access=access), self.port)
            except MeterError:
                self._begin()


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("time_format", [1, 2, 3, 4])
@pytest.mark.parametrize("byte_order", ["little", "big"])
def test_a_thousand_reads(byte_order: str, time_format: int, options: str) -> None:
    meter = meter_of(byte_order, time_format, options)
    truth = {number: meter.octets(number) for number in meter.configuration.table_numbers if number not in UNREAD}
    assert len(truth) > 40
    seed = f"{byte_order}{time_format}{options}"
    chance = random.Random(seed)
    reader = Reader(meter, chance.randrange(1 << 30))
    numbers = [*truth, *chance.choices(list(truth), k=READS - len(truth))]
    found: dict[int, bytes] = {}
    right = 0
    for number in numbers:
        # Whoever knows the size says so, as the door does for load profiles.
        size = len(truth[number]) if number >= 60 else None
        found[number] = reader.read(number, size, meter.access)
        right += found[number] == truth[number]
    assert right == len(numbers) == READS
    # Four copies of a packet in a row are lost or damaged now and then.
    assert reader.sessions <= 6
    tables = TableSet(found)
    for number in found:
        if number in STANDARD:
            table = tables.get(number)
            assert (table.findings, table.rest) == ((), b""), number
