"""Families on the simulated line: a meter that behaves like them is read by its name, and not without."""

from __future__ import annotations

import pytest

from metersdk.dialog.iec62056_21_meter import OpticalMeter, serve
from metersdk.dialog.opening import Plan, open_session
from metersdk.dialog.session import Session
from metersdk.dialog.timing import Timing
from metersdk.errors import NoAnswer
from metersdk.model.quirks import Quirks
from metersdk.port.drive import run
from metersdk.port.line import LineModel
from metersdk.port.virtual import VirtualPort
from metersdk.vendor.book import choose

SHORT, FULL = b"6.8(0017.745*MWh)\r\n", b"6.8(0017.745*MWh)6.26(00398.29*m3)\r\n9.4(114.9*C&083.9*C)\r\n"


def opened(meter: OpticalMeter, vendor: str | None, **options: object) -> tuple[Session, VirtualPort]:
    line = VirtualPort(serve(meter), LineModel(baud=meter.initial_baud))
    plan = Plan.of(
        {"protocol": "iec62056-21", **options},
        medium="line",
        framing=None,
        baud=None,
        hardware_parity=False,
        password=None,
        keys=None,
        quirks=choose(vendor) or Quirks(),
        timing=Timing(total=30.0),
    )
    return run(open_session(plan), line), line


def read(session: Session, line: VirtualPort) -> bytes:
    return run(session.readout(), line).text


def test_a_heat_meter_is_woken_and_gives_its_full_set() -> None:
    """UH50: 40 NULs are 1.3 s, less than annex B asks for; /#! instead of /?!."""
    asleep = OpticalMeter(b"/LUGCUH50", lambda: SHORT, asleep=True, wake_up=1.3, lists={"/#": lambda: FULL})
    session, line = opened(asleep, "landis-gyr-uh50")
    assert read(session, line) == FULL + b"!\r\n"
    identity = run(session.identify(), line)
    assert (identity.protocol, identity.baud, identity.family) == ("iec62056-21:B", 2400, "landis-gyr-uh50")
    # Who does not know the family wakes it with the last request, and is given the short set.
    assert read(*opened(asleep, None)) == SHORT + b"!\r\n"
    awake = OpticalMeter(b"/LUGCUH50", lambda: SHORT, lists={"/#": lambda: FULL})
    assert read(*opened(awake, None)) == SHORT + b"!\r\n"


def test_a_meter_at_9600_with_a_speed_character_of_its_own() -> None:
    """YTL: the colon means 9600 Bd, at which it signs on, too."""
    meter = OpticalMeter(b"/YTL:0015", lambda: SHORT, initial_baud=9600, bauds=((":", 9600),))
    session, line = opened(meter, "ytl-drs")
    assert read(session, line) == SHORT + b"!\r\n"
    assert run(session.identify(), line).protocol == "iec62056-21:C"
    with pytest.raises(NoAnswer):
        opened(meter, None)


def test_a_meter_at_9600_without_parity() -> None:
    meter = OpticalMeter(b"/LOG5LK13BE", lambda: SHORT, initial_baud=9600, parity="hardware")
    assert read(*opened(meter, "logarex")) == SHORT + b"!\r\n"


def test_a_meter_that_stays_at_300() -> None:
    session, line = opened(OpticalMeter(b"/LGZ5ZMF100AC", lambda: SHORT), "landis-gyr-e350")
    assert read(session, line) == SHORT + b"!\r\n"
    assert {event.baud for event in line.log if event.kind == "speed" and event.side == "client"} <= {300}


def test_a_list_by_its_number() -> None:
    meter = OpticalMeter(rb"/EMH4\@01LZQJL", lambda: SHORT, lists={"/2": lambda: FULL})
    assert read(*opened(meter, "emh-lzqj", list="2")) == FULL + b"!\r\n"
    assert read(*opened(meter, "emh-lzqj")) == SHORT + b"!\r\n"
