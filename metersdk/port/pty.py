"""A pseudo terminal whose slave a client opens as a serial device; the master sees the speeds the client sets."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import sys
import termios
import tty
from contextlib import suppress

from metersdk.errors import PortClosed
from metersdk.port.host.speed import real_baud
from metersdk.port.serial_port import READ_SIZE

# Local flag EXTPROC: with it, packet mode tells of every tcsetattr of the client. `termios` knows it from 3.13 on.
_EXTPROC = 0o200000
_PACKET_MODE = sys.platform == "linux"
_DATA = 0


class PtyWire:
    """The client of a pseudo terminal. ``path`` is what it opens. Baud rate and exclusive use work as on a real
    device; parity and modem lines do not exist.

    Args:
        busy: hold the device as another program would.
    """

    def __init__(self, *, busy: bool = False) -> None:
        # The slave stays open here: without it the master would fail whenever no client has it open.
        self._master, self._slave = os.openpty()
        self.path = os.ttyname(self._slave)
        self.name = f"pty {self.path}"
        self._baud: int | None = None
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        if _PACKET_MODE:
            settings = termios.tcgetattr(self._slave)
            settings[3] |= _EXTPROC
            termios.tcsetattr(self._slave, termios.TCSANOW, settings)
            fcntl.ioctl(self._master, termios.TIOCPKT, struct.pack("i", 1))
        if busy:
            fcntl.flock(self._slave, fcntl.LOCK_EX)

    def fileno(self) -> int:
        """The master."""
        return self._master

    def read(self) -> list[bytes | int]:
        """Octets and changes of speed since the last call."""
        news: list[bytes | int] = []
        while (packet := self._packet()) is not None:
            baud = real_baud(self._master)
            if baud is not None and baud != self._baud:
                self._baud = baud
                news.append(baud)
            if packet:
                news.append(packet)
        return news

    def write(self, data: bytes) -> int:
        """Octets for the client; how many found room: none for long where nobody has the device open."""
        try:
            return os.write(self._master, data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise self._gone() from error

    def close(self) -> None:
        """The device disappears, and a client that has it open finds it gone."""
        master, slave, self._master, self._slave = self._master, self._slave, -1, -1
        for descriptor in (master, slave):
            with suppress(OSError):
                os.close(descriptor)

    def _packet(self) -> bytes | None:
        """The next packet, empty if it only told of something; None if there is none."""
        try:
            packet = os.read(self._master, READ_SIZE)
        except BlockingIOError:
            return None
        except OSError as error:
            if error.errno == errno.EINTR:
                return None
            raise self._gone() from error
        if not packet:
            raise self._gone()
        if not _PACKET_MODE:
            return packet
        return packet[1:] if packet[0] == _DATA else b""

    def _gone(self) -> PortClosed:
        return PortClosed(f"{self.name} is closed", layer="port")
