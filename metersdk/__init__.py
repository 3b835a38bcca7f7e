"""metersdk reads energy and water meters: IEC 62056-21, HDLC and DLMS/COSEM, over optical port, serial, TCP and UDP.

``connect(target)`` (``aconnect`` for asyncio) signs on and gives a ``Meter``; ``Meter.get_profile()`` gives the same
typed columns whatever the meter speaks. All errors are ``MeterError``; their tree is in ``metersdk.errors``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from metersdk import errors

if TYPE_CHECKING:
    from metersdk.aio import AsyncMeter, aconnect
    from metersdk.apdu.axdr import Data, Tag
    from metersdk.apdu.keys import Counter, Keys, Secret, TicketKey
    from metersdk.dialog.timing import Timing
    from metersdk.effects import Progress, Push, State
    from metersdk.errors import Finding, MeterError
    from metersdk.frame.table import FrameTable, scan
    from metersdk.meter import Meter, connect
    from metersdk.model.clock import ClockStatus, DateTime
    from metersdk.model.column import Column
    from metersdk.model.event import Event
    from metersdk.model.identity import Identity
    from metersdk.model.obis import Obis
    from metersdk.model.profile import CaptureObject, Profile
    from metersdk.model.quantity import Unit
    from metersdk.model.quirks import Quirks
    from metersdk.model.reading import Reading
    from metersdk.model.snapshot import Snapshot
    from metersdk.model.telegram import Telegram
    from metersdk.port.counters import CounterFile

__version__ = "0.1.0"

# Loaded when first asked for: `import metersdk` costs next to nothing, and a program that only scans dumps never
# loads pydantic.
_HOMES = {
    "metersdk.aio": ("AsyncMeter", "aconnect"),
    "metersdk.apdu.axdr": ("Data", "Tag"),
    "metersdk.apdu.keys": ("Counter", "Keys", "Secret", "TicketKey"),
    "metersdk.dialog.timing": ("Timing",),
    "metersdk.effects": ("Progress", "Push", "State"),
    "metersdk.errors": ("Finding", "MeterError"),
    "metersdk.frame.table": ("FrameTable", "scan"),
    "metersdk.meter": ("Meter", "connect"),
    "metersdk.model.clock": ("ClockStatus", "DateTime"),
    "metersdk.model.column": ("Column",),
    "metersdk.model.event": ("Event",),
    "metersdk.model.identity": ("Identity",),
    "metersdk.model.obis": ("Obis",),
    "metersdk.model.profile": ("CaptureObject", "Profile"),
    "metersdk.model.quantity": ("Unit",),
    "metersdk.model.quirks": ("Quirks",),
    "metersdk.model.reading": ("Reading",),
    "metersdk.model.snapshot": ("Snapshot",),
    "metersdk.model.telegram": ("Telegram",),
    "metersdk.port.counters": ("CounterFile",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "AsyncMeter",
    "CaptureObject",
    "ClockStatus",
    "Column",
    "Counter",
    "CounterFile",
    "Data",
    "DateTime",
    "Event",
    "Finding",
    "FrameTable",
    "Identity",
    "Keys",
    "Meter",
    "MeterError",
    "Obis",
    "Profile",
    "Progress",
    "Push",
    "Quirks",
    "Reading",
    "Secret",
    "Snapshot",
    "State",
    "Tag",
    "Telegram",
    "TicketKey",
    "Timing",
    "Unit",
    "aconnect",
    "connect",
    "errors",
    "scan",
]


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'metersdk' has no attribute {name!r}")
    value: object = getattr(import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
