"""Lines behind an ESPHome device, through the optional package serialx."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack, suppress
from types import ModuleType
from typing import TYPE_CHECKING

from metersdk.errors import LocalProtocolError, MeterError, PortBusy, PortClosed, PortError
from metersdk.port.serial_port import READ_SIZE, START_BAUD, line_time
from metersdk.port.target import Address

if TYPE_CHECKING:
    from serialx import BaseSerial

# Where the port does not say: a device of ESPHome answers at once, or not at all.
_CONNECT_TIMEOUT = 10.0
# Requests of which the quickest tells the round trip.
_PROBES = 3


def open_esphome(address: Address) -> SerialxPort:
    """Open a serial proxy of an ESPHome device; its speed and format are set there.

    Raises:
        LocalProtocolError: serialx is not installed, or the variable that shall hold the key is empty.
        PortBusy: another client has the port.
        PortError: no connection, the key is wrong, or there is no such port.
    """
    serialx = _serialx()
    key = None
    if address.key_from is not None:
        key = os.environ.get(address.key_from)
        if not key:
            hint = f"put the encryption key of the device's API into {address.key_from}"
            raise LocalProtocolError(f"{address}: the environment has no {address.key_from}", hint=hint)
    try:
        device = serialx.serial_for_url(
            f"esphome://{_host(address.host)}:{address.port}",
            baudrate=address.baud or START_BAUD,
            byte_size=int(address.format[0]),
            parity=address.format[1],
            stopbits=int(address.format[2]),
            port_name=address.path or None,
            key=key,
            connect_timeout=address.timeout or _CONNECT_TIMEOUT,
        )
        with ExitStack() as failing:
            failing.callback(_closed, device)
            device.open()
            port = SerialxPort(device, address)
            failing.pop_all()
            return port
    except (serialx.SerialException, OSError, ValueError) as error:
        raise _open_error(str(address), error) from error


class SerialxPort:
    """A line through serialx, whichever of its kinds it is.

    ``round_trip``: seconds of the quickest of some requests, measured when it was opened.
    """

    def __init__(self, device: BaseSerial, address: Address) -> None:
        self.name = str(address)
        self._device = device
        self._address = address
        self._baud = device.baudrate
        self._buffer = bytearray(READ_SIZE)
        self.round_trip = min(self._asked() for _ in range(_PROBES))

    def send(self, data: bytes) -> None:
        """Write, wait until the device says that it has, and not less than the computed line time."""
        started = time.monotonic()
        try:
            self._device.write(data)
            if self._address.drain != "compute":
                self._device.flush()
        except Exception as error:
            raise self._lost(error) from error
        if self._address.drain != "trust":
            self.sleep(started + line_time(self._address, self._baud, len(data)) - time.monotonic())

    def receive(self, timeout: float) -> bytes:
        """What has come."""
        wait = None if timeout == float("inf") else max(0.0, timeout)
        try:
            count = self._device.readinto(self._buffer, timeout=wait)
        except Exception as error:
            raise self._lost(error) from error
        return bytes(self._buffer[:count])

    def set_line(self, baud: int) -> None:
        """Change the speed; nothing else of the line is touched."""
        if baud == self._baud:
            return
        try:
            self._device.reconfigure_port(baudrate=baud)
        except Exception as error:
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
        _closed(self._device)

    def _asked(self) -> float:
        started = time.monotonic()
        try:
            self._device.flush()
        except Exception as error:
            raise self._lost(error) from error
        return time.monotonic() - started

    def _lost(self, error: Exception) -> MeterError:
        # serialx and the client library behind it each have exceptions of their own, and pass some of asyncio on.
        return PortClosed(f"{self.name}: {_said(error)}", layer="port", retryable=True)


def _closed(device: BaseSerial) -> None:
    # What a device says that is gone already is no news.
    with suppress(Exception):
        device.close()


def _serialx() -> ModuleType:
    try:
        import serialx
        from serialx.platforms import serial_esphome  # noqa: F401
    except ImportError as error:
        raise LocalProtocolError(
            "esphome:// needs the package serialx", hint='pip install "metersdk[serialx]"'
        ) from error
    return serialx


def _host(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _said(error: Exception) -> str:
    return str(error) or type(error).__name__


def _open_error(name: str, error: Exception) -> PortError:
    text = _said(error)
    if "in use" in text:
        return PortBusy(f"{name}: {text}", layer="port", retryable=True)
    return PortError(
        f"{name}: {text}",
        layer="port",
        retryable=True,
        hint="check the host, the name of its serial_proxy, and, for an encrypted API, ?key_from=VARIABLE",
    )
