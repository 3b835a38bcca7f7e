"""The speed that a driver has really set."""

from __future__ import annotations

import os
import sys

if os.name == "posix":
    import fcntl
    import termios

# Linux: struct termios2 carries the true speed, also where no B constant exists for it.
_TCGETS2 = 0x802C542A
_TERMIOS2_SIZE = 44


def real_baud(fd: int) -> int | None:
    """The speed the driver says it has set; None where it cannot be asked."""
    if sys.platform == "linux":
        answer = fcntl.ioctl(fd, _TCGETS2, bytes(_TERMIOS2_SIZE))
        return int.from_bytes(answer[40:44], sys.byteorder)
    speed = termios.tcgetattr(fd)[5]
    # BSD and macOS: the constants are the speeds themselves.
    return speed if speed >= 50 else None
