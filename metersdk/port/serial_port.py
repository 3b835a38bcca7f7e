"""Serial lines, blocking: a local device, or one behind an RFC 2217 server. pyserial opens and configures.

The UART runs 8N1 unless the target says otherwise (7E1 is done in software), changes speed on the open descriptor, and
is never reopened: DTR and RTS power many probes, and the last close drops them.
"""

from __future__ import annotations

import errno
import os
import select
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import serial

from metersdk.errors import MeterError, PortBusy, PortClosed, PortDenied, PortError, PortNotFound
from metersdk.port.blocking import round_trip_of
from metersdk.port.host.icounter import counters_of
from metersdk.port.host.line import LineCounters
from metersdk.port.host.ports import by_id_of, holders_of
from metersdk.port.host.speed import real_baud
from metersdk.port.target import Address

if TYPE_CHECKING:
    from serial.rfc2217 import Serial as Rfc2217Serial

POSIX = os.name == "posix"
if POSIX:
    import fcntl
    import termios

# IEC 62056-21 6.3.1: a session starts at 300 Bd.
START_BAUD = 300
# A UART samples the last of ten bits in its middle: 5 % is the limit of both ends together.
BAUD_TOLERANCE = 0.02
# Seconds beyond the line time that a driver may hold octets back before the port counts as stuck.
STUCK = 5.0
READ_SIZE = 65536
# pyserial sends every setting anew when its time-out changes: it keeps this one, and a loop does the rest.
_SLICE = 0.05

_GONE = (errno.EIO, errno.ENODEV, errno.ENXIO, errno.EBADF)


def open_serial(address: Address) -> SerialPort | PyserialPort:
    """Open a serial device, exclusively.

    Raises:
        PortNotFound, PortDenied, PortBusy: as it is; the message of PortBusy names who holds it where that can be seen.
        PortError: it is no serial device, or takes no such setting.
    """
    device = opened(address)
    return SerialPort(device, address) if POSIX else PyserialPort(device, address)


def open_rfc2217(address: Address) -> PyserialPort:
    """Open a serial line behind an RFC 2217 server; its speed and format are set there.

    Raises:
        PortError: no connection, or the server takes no such setting.
    """
    url = str(address)
    try:
        device = serial.serial_for_url(url, do_not_open=True)
        _describe(device, address)
        device.timeout = _SLICE
        device.open()
    except (serial.SerialException, OSError, ValueError) as error:
        raise PortError(
            f"{url}: {error}", layer="port", retryable=True, hint="check host and port; raw TCP is socket://host:port"
        ) from error
    return PyserialPort(device, address)


def opened(address: Address) -> serial.Serial:
    """The configured, locked device of pyserial."""
    device = serial.Serial()
    _describe(device, address)
    device.port = address.path
    device.exclusive = True
    device.timeout = None if POSIX else _SLICE
    try:
        device.open()
    except (serial.SerialException, OSError, ValueError) as error:
        raise _open_error(address.path, error) from error
    if POSIX:
        # flock keeps out programs that ask for it, TIOCEXCL all but root.
        with suppress(OSError):
            fcntl.ioctl(device.fileno(), termios.TIOCEXCL)
    # FTDI holds received octets back for 16 ms unless told; not every driver can be, a PTY never, and pyserial only
    # knows how on Linux.
    with suppress(OSError, ValueError, AttributeError, NotImplementedError):
        device.set_low_latency_mode(True)
    return device


def released(device: serial.Serial) -> None:
    """Close the device, and let others in again (a PTY keeps TIOCEXCL while its master lives)."""
    if device.is_open:
        if POSIX:
            with suppress(OSError):
                fcntl.ioctl(device.fileno(), termios.TIOCNXCL)
        with suppress(OSError):
            device.close()


def set_speed(device: serial.Serial, name: str, baud: int) -> None:
    """Change the speed of the open device, and make sure that it did.

    Raises:
        PortError: the driver refuses, or set a speed more than 2 % off.
        PortClosed: the device is gone.
    """
    try:
        device.baudrate = baud
        real = real_baud(device.fileno()) if POSIX else None
    except ValueError as error:
        raise PortError(f"{name}: the port cannot do {baud} Bd ({error})", layer="port") from error
    except (serial.SerialException, OSError) as error:
        raise lost(name, error) from error
    if real is not None and abs(real - baud) > baud * BAUD_TOLERANCE:
        raise PortError(
            f"{name}: {baud} Bd was asked for, the chip set {real} Bd",
            layer="port",
            hint="choose another speed, or a probe whose chip can do this one",
        )


def _describe(device: serial.Serial | Rfc2217Serial, address: Address) -> None:
    device.baudrate = address.baud or START_BAUD
    device.bytesize = int(address.format[0])
    device.parity = address.format[1]
    device.stopbits = int(address.format[2])
    device.dtr = address.dtr
    device.rts = address.rts


def _open_error(path: str, error: Exception) -> MeterError:
    code = getattr(error, "errno", None)
    text = str(error)
    if code in (errno.ENOENT, errno.ENODEV, errno.ENXIO) or "FileNotFoundError" in text:
        return PortNotFound(f"{path}: no such device", layer="port")
    if code in (errno.EBUSY, errno.EAGAIN, errno.EWOULDBLOCK) or "PermissionError" in text:
        # Windows opens exclusively always, and says access denied to the second one.
        who = " and ".join(map(str, holders_of(path)))
        return PortBusy(f"{path} is in use" + (f" by {who}" if who else ""), layer="port", retryable=True)
    if code in (errno.EACCES, errno.EPERM):
        hint = f"metersdk doctor {path} tells which group to join, or what rule lets it in"
        return PortDenied(f"{path}: no permission to open it", layer="port", hint=hint)
    if code in (errno.EISDIR, errno.ENOTTY, errno.EINVAL) or "(25," in text:
        hint = "list the ports: metersdk ports"
        return PortError(f"{path} is no serial device", layer="port", hint=hint)
    return PortError(f"{path}: {text}", layer="port")


def lost(name: str, error: Exception | None = None, by_id: str = "") -> MeterError:
    """The error for a device that was open and fails now; ``by_id`` is the name under which it will be back."""
    code = getattr(error, "errno", None)
    text = str(error or "")
    if error is None or code in _GONE or "returned no data" in text or "[Errno 5]" in text or "(5," in text:
        hint = "check the plug of the probe" + (f"; plugged in again it is {by_id}" if by_id else "")
        return PortClosed(f"{name}: the device is gone", layer="port", retryable=True, hint=hint)
    if "connection failed" in text or "not open" in text:
        return PortClosed(f"{name}: {text}", layer="port", retryable=True)
    return PortError(f"{name}: {text}", layer="port")


def announced_in_vain(fd: int, name: str, by_id: str = "") -> MeterError:
    """The error for octets that were announced and are not there: the device is gone, or somebody has read them."""
    if _hung_up(fd):
        return lost(name, by_id=by_id)
    return PortClosed(
        f"{name}: octets came and were gone: another program reads from it, too",
        layer="port",
        state="shared",
        retryable=True,
        hint=f"find it: metersdk doctor {name}",
    )


def line_time(address: Address, baud: int, octets: int) -> float:
    """Seconds that ``octets`` take on the line."""
    return octets * address.char_bits / baud


class SerialPort:
    """A serial device by its descriptor (POSIX)."""

    def __init__(self, device: serial.Serial, address: Address) -> None:
        self.name = str(address)
        self._device = device
        self._address = address
        self._baud = int(device.baudrate)
        self._fd: int = device.fileno()
        # Asked now: the name goes with the device.
        self._by_id = by_id_of(address.path)

    def send(self, data: bytes) -> None:
        """Write, and return when the last stop bit has left: as the driver says, but not before it can have."""
        self._check_open()
        started = time.monotonic()
        needed = line_time(self._address, self._baud, len(data))
        limit = started + needed + STUCK
        view = memoryview(data)
        try:
            while view:
                try:
                    view = view[os.write(self._fd, view) :]
                except BlockingIOError:
                    if not _ready(self._fd, limit - time.monotonic(), write=True):
                        raise PortError(f"{self.name}: the port takes no more octets", layer="port") from None
            if self._address.drain != "compute":
                termios.tcdrain(self._fd)
        except (OSError, termios.error) as error:
            raise lost(self.name, _as_oserror(error), self._by_id) from error
        if self._address.drain != "trust":
            # A PTY drains at once, and chips without a tx_empty while their FIFO is full.
            self.sleep(started + needed - time.monotonic())

    def receive(self, timeout: float) -> bytes:
        """What the driver has."""
        self._check_open()
        try:
            if not _ready(self._fd, timeout):
                return b""
            data = os.read(self._fd, READ_SIZE)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise lost(self.name, error, self._by_id) from error
        if not data:
            raise announced_in_vain(self._fd, self.name, self._by_id)
        return data

    def set_line(self, baud: int) -> None:
        """Drain, then change the speed of the open descriptor."""
        self._check_open()
        if baud == self._baud:
            return
        try:
            termios.tcdrain(self._fd)
        except termios.error as error:
            raise lost(self.name, _as_oserror(error), self._by_id) from error
        set_speed(self._device, self.name, baud)
        self._baud = baud

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        if seconds > 0:
            time.sleep(seconds)

    def now(self) -> float:
        """Monotonic seconds."""
        return time.monotonic()

    def counters(self) -> LineCounters | None:
        """What the driver has counted since the device was plugged in; None where it counts nothing."""
        return None if self._fd < 0 else counters_of(self._fd)

    def close(self) -> None:
        """Give the device back."""
        self._fd = -1
        released(self._device)

    def _check_open(self) -> None:
        if self._fd < 0:
            raise PortClosed(f"{self.name} is closed", layer="port")


class PyserialPort:
    """A line through pyserial's own calls: Windows, and RFC 2217 anywhere."""

    def __init__(self, device: serial.Serial | Rfc2217Serial, address: Address) -> None:
        self.name = str(address)
        self._device = device
        self._address = address
        self._baud = int(device.baudrate)
        # The socket of an RFC 2217 connection; pyserial has no other way to it.
        connection = getattr(device, "_socket", None)
        self.round_trip = 0.0 if connection is None else round_trip_of(connection)

    def send(self, data: bytes) -> None:
        """Write, and wait for the computed line time: neither a network nor a chip's FIFO tells more."""
        started = time.monotonic()
        try:
            self._device.write(data)
        except (serial.SerialException, OSError) as error:
            raise lost(self.name, error) from error
        if self._address.drain != "trust":
            self.sleep(started + line_time(self._address, self._baud, len(data)) - time.monotonic())

    def receive(self, timeout: float) -> bytes:
        """What has come."""
        deadline = time.monotonic() + timeout
        try:
            while True:
                data: bytes = self._device.read(max(1, self._device.in_waiting))
                if data:
                    waiting = self._device.in_waiting
                    return data + self._device.read(waiting) if waiting else data
                if time.monotonic() >= deadline:
                    return b""
        except (serial.SerialException, OSError) as error:
            raise lost(self.name, error) from error

    def set_line(self, baud: int) -> None:
        """Change the speed; nothing else of the line is touched."""
        if baud == self._baud:
            return
        try:
            self._device.baudrate = baud
        except (serial.SerialException, OSError, ValueError) as error:
            raise PortError(f"{self.name}: the line cannot do {baud} Bd ({error})", layer="port") from error
        self._baud = baud

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        if seconds > 0:
            time.sleep(seconds)

    def now(self) -> float:
        """Monotonic seconds."""
        return time.monotonic()

    def close(self) -> None:
        """Give the line back."""
        with suppress(serial.SerialException, OSError):
            self._device.close()


def _as_oserror(error: Exception) -> Exception:
    """termios.error carries its number as an argument only."""
    return OSError(*error.args) if not isinstance(error, OSError) else error


def _ready(fd: int, timeout: float, *, write: bool = False) -> bool:
    """Whether the descriptor can be read (or written) within ``timeout`` seconds; a hang-up counts as readable."""
    wait = None if timeout == float("inf") else max(0.0, timeout)
    if sys.platform == "linux":
        # select() ends at descriptor 1023; poll() of macOS does not know ttys.
        poll = select.poll()
        poll.register(fd, select.POLLOUT if write else select.POLLIN)
        return bool(poll.poll(None if wait is None else wait * 1000))
    readable, writable, _ = select.select([] if write else [fd], [fd] if write else [], [], wait)
    return bool(readable or writable)


def _hung_up(fd: int) -> bool:
    """Whether the device behind a descriptor is gone; True where the system does not tell."""
    if not hasattr(select, "poll"):
        return True
    asked = select.poll()
    asked.register(fd, 0)
    return bool(asked.poll(0))
