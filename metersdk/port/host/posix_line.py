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
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from metersdk.port.host.icounter import counters_of
from metersdk.port.host.line import LineCounters
from metersdk.port.host.speed import real_baud

# Linux, asm-generic/ioctls.h; Python has names for some of them only.
_TIOCGEXCL = 0x80045440
_TIOCGSERIAL, _TIOCSSERIAL = 0x541E, 0x541F
_ASYNC_LOW_LATENCY = 0x2000
# struct serial_struct: type, line, port, irq, flags, ...
_SERIAL_SIZE = 72
_FLAGS_OFFSET = 16
_MARK = 0xFF
# `termios` knows it from 3.13 on.
_EXTPROC = 0o200000
_LINUX = sys.platform == "linux"
_SPEEDS = {int(name[1:]): getattr(termios, name) for name in dir(termios) if name[:1] == "B" and name[1:].isdecimal()}


@contextmanager
def _as_oserror() -> Iterator[None]:
    """termios has an error of its own, with the number as an argument."""
    try:
        yield
    except termios.error as error:
        raise OSError(*error.args) from error


class Marks:
    """Takes out what PARMRK puts in: FF 00 before each damaged octet, and FF before each FF."""

    def __init__(self) -> None:
        self._left = b""

    def take_out(self, data: bytes) -> bytes:
        """The octets as they came on the line; the beginning of a mark is kept for the next call."""
        octets, place = bytearray(), 0
        data = self._left + data
        while place < len(data):
            if data[place] != _MARK:
                octets.append(data[place])
                place += 1
                continue
            length = 3 if data[place + 1 : place + 2] == b"\0" else 2
            if place + length > len(data):
                break
            octets.append(data[place + length - 1])
            place += length
        self._left = data[place:]
        return bytes(octets)


class PosixLine:
    """A device node, opened without changing or waiting for anything."""

    def __init__(self, path: str) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        self._before: list[object] | None = None
        self._marks: Marks | None = None
        try:
            with _as_oserror():
                self._found = termios.tcgetattr(self._fd)
        except OSError:
            os.close(self._fd)
            raise

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
        """Raw 8N1, with INPCK: without it cp210x counts no errors. PARMRK keeps damaged octets as they came: INPCK
        alone makes NULs of them."""
        fcntl.ioctl(self._fd, termios.TIOCEXCL)
        self._before = list(self._found)
        settings = list(self._found)
        # A terminal in EXTPROC, as that of a simulated meter, hands octets through without marks.
        self._marks = None if self._found[3] & _EXTPROC else Marks()
        settings[0] = termios.INPCK | (termios.PARMRK if self._marks else 0)
        settings[1] = 0
        settings[2] = termios.CS8 | termios.CREAD | termios.CLOCAL
        settings[3] = self._found[3] & ~(termios.ICANON | termios.ECHO | termios.ECHONL | termios.ISIG | termios.IEXTEN)
        settings[6] = list(self._found[6])
        settings[6][termios.VMIN], settings[6][termios.VTIME] = 1, 0
        self._apply(settings)
        # What came earlier came under other settings.
        with _as_oserror():
            termios.tcflush(self._fd, termios.TCIFLUSH)

    def set_baud(self, baud: int) -> int | None:
        """By tcsetattr, and asked back."""
        if baud not in _SPEEDS:
            raise ValueError(f"no constant for {baud} Bd")
        with _as_oserror():
            settings = termios.tcgetattr(self._fd)
        settings[4] = settings[5] = _SPEEDS[baud]
        self._apply(settings)
        return real_baud(self._fd)

    def counters(self) -> LineCounters | None:
        """By TIOCGICOUNT."""
        return counters_of(self._fd)

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
        return data if self._marks is None else self._marks.take_out(data)

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
        with _as_oserror():
            termios.tcsetattr(self._fd, termios.TCSANOW, settings)  # type: ignore[arg-type]

    def _flags(self) -> int | None:
        if not _LINUX:
            return None
        try:
            said = fcntl.ioctl(self._fd, _TIOCGSERIAL, bytes(_SERIAL_SIZE))
        except OSError:
            return None
        return int(struct.unpack_from("i", said, _FLAGS_OFFSET)[0])
