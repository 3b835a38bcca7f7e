"""Sessions of meters without DLMS: an iteration that is left, and modes that have no programming mode."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import metersdk
from metersdk.errors import LocalProtocolError
from metersdk.meter import Meter
from metersdk.model.quirks import Quirks

CET = Quirks(local_deviation=-60)
MODE_C = "sim://residential?mode=C"


@pytest.mark.parametrize("pieces", [1, 3])
def test_an_iteration_that_is_left_ends_programming_mode(pieces: int) -> None:
    with metersdk.connect(MODE_C, vendor=CET) as meter:
        for _ in range(2):
            for number, _piece in enumerate(meter.iter_profile(last="3d"), 1):
                if number == pieces:
                    break
        assert len(meter.get_profile(last="3h")) == 12


@pytest.mark.parametrize("mode", ["A", "B"])
def test_a_mode_without_programming_is_told_before_anything_is_sent(mode: str) -> None:
    calls: list[Callable[[Meter], object]] = [
        lambda meter: meter.get_profile(last="1d"),
        lambda meter: list(meter.iter_profile(last="1d")),
        lambda meter: meter.events(last="1d"),
        lambda meter: meter.programming().__enter__(),
    ]
    with metersdk.connect(f"sim://residential?mode={mode}") as meter:
        registers = meter.registers()
        before = meter.line.octets_sent
        for call in calls:
            with pytest.raises(LocalProtocolError, match=f"mode {mode}, which has no programming mode") as caught:
                call(meter)
            assert "?mode=C" in caught.value.hint
        assert meter.line.octets_sent == before
        assert len(meter.readout().data_sets) >= len(registers)


@pytest.mark.parametrize("speech", ["mode=D", "speech=p1"])
def test_a_meter_that_pushes_its_time_has_a_clock(speech: str) -> None:
    with metersdk.connect(f"sim://residential?{speech}", protocol="push") as meter:
        (telegram,) = meter.telegrams(1)
        assert telegram.time is not None and telegram.time == meter.clock
        assert telegram.time.year and telegram.time.minute is not None
        assert meter.snapshot().clock == meter.clock


def test_a_meter_that_pushes_no_time_says_what_else_there_is() -> None:
    with metersdk.connect("sim://residential?speech=sml", protocol="push") as meter:
        with pytest.raises(LocalProtocolError, match="tell no time") as caught:
            _ = meter.clock
        assert "sec_index" in caught.value.hint
