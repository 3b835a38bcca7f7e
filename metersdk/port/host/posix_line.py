"""An opened port on Linux and macOS, by its descriptor: what pyserial hides is what the checks look at."""

from __future__ import annotations

import errno
import fcntl
import os
import select
import struct
import sys
import termios
import time
from contextlib import suppress

from metersdk.port.host.line import LineCounters
from metersdk.port.host.speed import real_baud

# Linux, asm-generic/ioctls.h; Python has names for some of them only.
_TIOCGEXCL = 0x80045440
_TIOCGICOUNT = 0x545D
_TIOCGSERIAL, _TIOCSSERIAL = 0x541E, 0x541F
_ASYNC_LOW_LATENCY = 0x2000
# struct serial_icounter_struct: cts dsr rng dcd rx tx frame overrun parity brk buf_overrun, and nine reserved.
_COUNTERS = struct.Struct("20i")
# struct serial_struct: type, line, port, irq, flags, ...
_SERIAL_SIZE = 72
_FLAGS_OFFSET = 16
_LINUX = sys.platform == "linux"
_SPEEDS = {int(name[1:]): getattr(termios, name) for name in dir(termios) if name[:1] == "B" and name[1:].isdecimal()}


class PosixLine:
    """A device node, opened without changing or waiting for anything."""

    def __init__(self, path: str) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        self._before: list[object] | None = None
        try:
            self._found = termios.tcgetattr(self._fd)
        except termios.error as error:
            os.close(self._fd)
            raise OSError(*error.args) from error

    def is_exclusive(self) -> bool | None:
        """By TIOCGEXCL; others than root do not come so far."""
        if not _LINUX:
            return None
        with suppress(OSError):
            return bool(struct.unpack("i", fcntl.ioctl(self._fd, _TIOCGEXCL, bytes(4)))[0])
        return None

    def lock(self) -> bool:
        """By flock, as pyserial and picocom do."""
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EWOULDBLOCK, errno.EACCES):
                return False
            raise
        return True

    def configure(self) -> None:
        """Raw 8N1, with INPCK: without it cp210x counts no errors."""
        fcntl.ioctl(self._fd, termios.TIOCEXCL)
        self._before = list(self._found)
        settings = list(self._found)
        settings[0] = termios.INPCK
        settings[1] = 0
        settings[2] = termios.CS8 | termios.CREAD | termios.CLOCAL
        # EXTPROC of a simulated meter's terminal stays.
        settings[3] = self._found[3] & ~(termios.ICANON | termios.ECHO | termios.ECHONL | termios.ISIG | termios.IEXTEN)
        settings[6] = list(self._found[6])
        settings[6][termios.VMIN], settings[6][termios.VTIME] = 1, 0
        self._apply(settings)

    def set_baud(self, baud: int) -> int | None:
        """By tcsetattr, and asked back."""
        if baud not in _SPEEDS:
            raise ValueError(f"no constant for {baud} Bd")
        settings = termios.tcgetattr(self._fd)
        settings[4] = settings[5] = _SPEEDS[baud]
        self._apply(settings)
        return real_baud(self._fd)

    def counters(self) -> LineCounters | None:
        """By TIOCGICOUNT."""
        if not _LINUX:
            return None
        try:
            said = _COUNTERS.unpack(fcntl.ioctl(self._fd, _TIOCGICOUNT, bytes(_COUNTERS.size)))
        except OSError:
            return None
        return LineCounters(*said[4:11])

    def low_latency(self) -> bool | None:
        """By TIOCGSERIAL."""
        flags = self._flags()
        return None if flags is None else bool(flags & _ASYNC_LOW_LATENCY)

    def set_low_latency(self) -> bool:
        """By TIOCSSERIAL; it holds until the device is unplugged."""
        flags = self._flags()
        if flags is None:
            return False
        try:
            said = bytearray(fcntl.ioctl(self._fd, _TIOCGSERIAL, bytes(_SERIAL_SIZE)))
            struct.pack_into("i", said, _FLAGS_OFFSET, flags | _ASYNC_LOW_LATENCY)
            fcntl.ioctl(self._fd, _TIOCSSERIAL, bytes(said))
        except OSError:
            return False
        return True

    def send(self, data: bytes) -> None:
        """As much as the driver takes."""
        os.write(self._fd, data)

    def receive(self, timeout: float) -> bytes:
        """What the driver has; ENODEV once the device is gone."""
        ready, _, _ = select.select([self._fd], [], [], max(0.0, timeout))
        if not ready:
            return b""
        data = os.read(self._fd, 4096)
        if not data:
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
        return data

    def now(self) -> float:
        """Monotonic seconds."""
        return time.monotonic()

    def close(self) -> None:
        """Settings as they were, others let in."""
        if self._before is not None:
            with suppress(OSError):
                fcntl.ioctl(self._fd, termios.TIOCNXCL)
            with suppress(termios.error):
                termios.tcsetattr(self._fd, termios.TCSANOW, self._before)  # type: ignore[arg-type]
        with suppress(OSError):
            os.close(self._fd)

    def _apply(self, settings: list[object]) -> None:
        try:
            termios.tcsetattr(self._fd, termios.TCSANOW, settings)  # type: ignore[arg-type]
        except termios.error as error:
            raise OSError(*error.args) from error

    def _flags(self) -> int | None:
        if not _LINUX:
            return None
        try:
            said = fcntl.ioctl(self._fd, _TIOCGSERIAL, bytes(_SERIAL_SIZE))
        except OSError:
            return None
        return int(struct.unpack_from("i", said, _FLAGS_OFFSET)[0])
