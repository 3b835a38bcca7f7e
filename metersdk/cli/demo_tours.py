"""The tours of ``demo``, one for each kind of meter; each reads it as its user would, and leaves what it found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from metersdk.cli.demo_show import Show, power_chart, registers, rows, size, who
from metersdk.meter import Meter, connect
from metersdk.model.profile import Profile

_IMPORT, _EXPORT = "1.0.1.8.0.255", "1.0.2.8.0.255"
_IMPORTED, _EXPORTED = "1.0.1.29.0.255", "1.0.2.29.0.255"
_READER, _PASSWORD = 2, "12345678"
_NOW = 255
_TELEGRAMS = 3


@dataclass(frozen=True, slots=True)
class Tour:
    """A meter, and what is done with it.

    Attributes:
        title: what kind of meter it is.
        image, listen: for the simulator.
        read: reads it at this target, records the session, and returns the load profile if it has one.
    """

    title: str
    image: str
    read: Callable[[Show, str, Path], Profile | None]
    listen: str = "pty"


def _mode_e(show: Show, target: str, session: Path) -> Profile:
    show.head(f"connect({target!r})")
    with connect(target, trace=session, progress=show.hear) as meter:
        show.head("Who is there, and what time does it have")
        show.during("Identity", lambda: meter.identity, who)
        show.during("Clock", lambda: meter.clock, str)
        show.head("Registers")
        show.during("Object list", lambda: meter.objects, lambda found: f"{len(found)} objects")
        _all_registers(meter, show)
        home = _last_day(meter, show)
        if show.out.is_text:
            power_chart(home, _IMPORT, "Import, W", "cyan", show)
            power_chart(home, _EXPORT, "Export, W", "green", show)
        show.head("Good-bye")
    show.step("Released and disconnected")
    # The same meter again, by an association with a password: more rights, and what they are good for.
    show.head(f"connect({target!r}, client={_READER}, password=...)")
    with connect(target, client=_READER, password=_PASSWORD, progress=show.hear) as meter:
        show.during("Supply, behind the password", lambda: meter.get(70, "0.0.96.3.10.255", 2), _supply)
    show.step("Released and disconnected")
    return home


def _classic(show: Show, target: str, session: Path) -> Profile:
    show.head(f"connect({target!r})")
    with connect(target, trace=session, progress=show.hear) as meter:
        show.head("The readout: all registers in one message")
        show.during("Identity", lambda: meter.identity, who)
        _all_registers(meter, show)
        show.during("Clock", lambda: meter.clock, str)
        home = _last_day(meter, show)
        if show.out.is_text:
            power_chart(home, _IMPORT, "Import, W", "cyan", show)
        show.head("Log book P.98")
        show.during("Events", lambda: list(meter.events()), lambda found: f"{len(found)}, the last: {found[-1]}")
        show.head("Good-bye")
    show.step("Signed off")
    return home


def _battery(show: Show, target: str, session: Path) -> None:
    show.head(f"connect({target!r})")
    with connect(target, trace=session, progress=show.hear) as meter:
        show.step("Woken up", "NULs for 2.2 s and a pause; each reading costs the battery")
        show.during("Identity", lambda: meter.identity, who)
        _all_registers(meter, show)


def _sml(show: Show, target: str, session: Path) -> None:
    show.head(f"connect({target!r})")
    with connect(target, trace=session, progress=show.hear) as meter:
        show.during("Identity", lambda: meter.identity, str)
        for number, telegram in enumerate(meter.telegrams(_TELEGRAMS), 1):
            found = telegram.readings
            show.step(f"Telegram {number}", f"{len(found)} readings, {telegram.protocol}")
        show.show(registers(list(found), show.out))


def _ansi(show: Show, target: str, session: Path) -> Profile:
    show.head(f"connect({target!r}, password=...)")
    show.names["associated"] = "Logged on"
    with connect(target, password=_PASSWORD, trace=session, progress=show.hear) as meter:
        show.head("Who is there, and what time does it have")
        show.during("Identity: tables 1 and 5", lambda: meter.identity, who)
        show.during("Clock: table 52", lambda: meter.clock, str)
        show.head("Registers: tables 23 to 28, scaled by tables 12, 15 and 16")
        readings = show.during("All registers", meter.registers, lambda found: f"{len(found)} readings")
        current = [reading for reading in readings if reading.obis.octets[5] == _NOW]
        show.show(registers(current, show.out))
        home = _last_day(meter, show)
        if show.out.is_text:
            power_chart(home, _IMPORTED, "Import, W", "cyan", show)
            power_chart(home, _EXPORTED, "Export, W", "green", show)
        show.head("Logs: tables 74 and 76")
        show.during("Events", lambda: list(meter.events()), lambda found: f"{len(found)}, the last: {found[-1]}")
        show.head("Good-bye")
    show.step("Logged off")
    return home


def _all_registers(meter: Meter, show: Show) -> None:
    readings = show.during("All registers", meter.registers, lambda found: f"{len(found)} readings")
    show.show(registers(readings, show.out))


def _last_day(meter: Meter, show: Show) -> Profile:
    show.head("Load profile, the last day")
    home = show.during("Profile", lambda: meter.get_profile(last="1d"), size)
    rows(home, show)
    return home


def _supply(state: object) -> str:
    return "connected" if state else "disconnected"


TOURS = {
    "mode-e": Tour("A household meter on a pseudo terminal", "residential", _mode_e),
    "classic": Tour("A meter of mode C on a pseudo terminal", "classic", _classic),
    "battery": Tour("A water meter that sleeps, on a pseudo terminal", "battery", _battery),
    "sml": Tour("A meter that speaks by itself, SML, on a pseudo terminal", "residential", _sml, "pty?speech=sml"),
    "ansi": Tour("An ANSI C12.18 meter on a pseudo terminal", "ansi", _ansi),
}
