"""A meter whose tables are not what they should be: typed errors, in bounded time, and never another exception."""

from __future__ import annotations

import random
from typing import Any

import pytest
from c1219_rig import C1219Rig

from metersdk.dialog.timing import Timing
from metersdk.errors import MeterError
from metersdk.port.line import LineModel

# Bits that are turned, octets lost, octets more, or another table's content.
KINDS = ("bits", "short", "long", "random", "swapped", "empty")
STEPS = (
    lambda meter: meter.identity,
    lambda meter: meter.clock,
    lambda meter: meter.registers(),
    lambda meter: meter.get_profile(),
    lambda meter: meter.get_profile(last="3h"),
    lambda meter: meter.get_profile(entries=(3, 9)),
    lambda meter: list(meter.iter_profile(start="2026-02-03")),
    lambda meter: meter.events(),
    lambda meter: meter.snapshot(),
    lambda meter: meter.procedure(11),
)


def hostile(device: Any, chance: random.Random, share: float) -> None:
    """From now on a share of its tables is spoiled, in another way each time."""
    meter = device.c1219
    read = meter.read

    def spoiled(table: int, level: int) -> bytes:
        octets = bytearray(read(table, level))
        if chance.random() >= share:
            return bytes(octets)
        match chance.choice(KINDS):
            case "bits":
                for _ in range(chance.randint(1, 4)):
                    if octets:
                        octets[chance.randrange(len(octets))] ^= 1 << chance.randrange(8)
            case "short":
                del octets[chance.randrange(len(octets) + 1) :]
            case "long":
                octets += chance.randbytes(chance.randint(1, 40))
            case "random":
                octets = bytearray(chance.randbytes(len(octets)))
            case "swapped":
                octets = bytearray(read(chance.choice((0, 1, 61, 62, 63, 64, 52, 74)), level))
            case "empty":
                octets.clear()
        return bytes(octets)

    meter.read = spoiled


@pytest.mark.parametrize("share", [0.1, 0.5])
@pytest.mark.parametrize("seed", range(25))
def test_spoiled_tables(seed: int, share: float) -> None:
    chance = random.Random(f"{seed} {share}")
    rig = C1219Rig(timing=Timing(total=120.0), model=LineModel(baud=9600))
    device = rig.device()
    port = rig.port(device)
    meter = rig.connect(port)
    hostile(device, chance, share)
    for step in chance.sample(STEPS, len(STEPS)):
        began = port.now()
        try:
            step(meter)
        except MeterError as error:
            assert error.message and error.layer
        assert port.now() - began <= 125.0
    meter.close()


@pytest.mark.parametrize("field", range(13))
def test_table_63_with_every_field_at_its_bounds(field: int) -> None:
    """Counts and elements beyond all dimensions; profiles are read, or refused, in a few requests."""
    for value in (0x00, 0x7F, 0xFF):
        rig = C1219Rig()
        device = rig.device()
        port = rig.port(device)
        meter = rig.connect(port)
        whole = device.c1219.read

        def read(table: int, level: int, whole: Any = whole, value: int = value) -> bytes:
            octets = bytearray(whole(table, level))
            if table == 63:
                octets[field] = value
            return bytes(octets)

        device.c1219.read = read
        sent = len(port.log)
        try:
            profile = meter.get_profile()
        except MeterError as error:
            assert error.layer
        else:
            assert len(profile) <= 48
        assert len(port.log) - sent < 300
