"""The line counters of a driver (Linux, TIOCGICOUNT)."""

from __future__ import annotations

import struct
import sys

from metersdk.port.host.line import LineCounters

if sys.platform == "linux":
    import fcntl

_TIOCGICOUNT = 0x545D
# struct serial_icounter_struct: cts dsr rng dcd rx tx frame overrun parity brk buf_overrun, and nine reserved.
_COUNTERS = struct.Struct("20i")


def counters_of(descriptor: int) -> LineCounters | None:
    """What the driver has counted; None where it counts nothing, as a pseudo terminal, or is not asked so."""
    if sys.platform != "linux":
        return None
    try:
        said = _COUNTERS.unpack(fcntl.ioctl(descriptor, _TIOCGICOUNT, bytes(_COUNTERS.size)))
    except OSError:
        return None
    return LineCounters(*said[4:11])
