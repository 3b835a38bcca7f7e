"""An opened port on Windows, by pyserial, with the error flags that pyserial drops."""

from __future__ import annotations

import ctypes
import errno
import time
from typing import Any

from metersdk.port.host.line import LineCounters

# winbase.h
_CE_RXOVER, _CE_OVERRUN, _CE_RXPARITY, _CE_FRAME, _CE_BREAK = 0x01, 0x02, 0x04, 0x08, 0x10
# Windows tells of a missing port, of one in use, and of settings it does not take, by text only.
_ERRORS = (("FileNotFoundError", errno.ENOENT), ("PermissionError", errno.EBUSY), ("OSError(22, ", errno.EINVAL))


class WindowsLine:
    """A COM port. Opening it is exclusive and sets the line at once.

    Args:
        device, win32: pyserial's ``Serial`` and its module of Windows calls; its own unless given.
    """

    def __init__(self, path: str, device: Any = None, win32: Any = None) -> None:
        import serial

        if win32 is None:
            from serial import win32 as calls

            win32 = calls
        self._win32 = win32
        self._counted = LineCounters()
        try:
            self._device: Any = device if device is not None else serial.Serial(path, 300, timeout=0)
        except (serial.SerialException, ValueError) as error:
            text = str(error)
            code = next((code for part, code in _ERRORS if part in text), errno.EIO)
            raise OSError(code, text) from error

    def is_exclusive(self) -> bool | None:
        """That it could be opened says that nobody else has it."""
        return False

    def lock(self) -> bool:
        """Opening locks."""
        return True

    def configure(self) -> None:
        """Done by opening: 8N1."""

    def set_baud(self, baud: int) -> int | None:
        """By SetCommState, asked back by GetCommState."""
        self._device.baudrate = baud
        state = self._win32.DCB()
        self._win32.GetCommState(self._device._port_handle, ctypes.byref(state))
        return int(state.BaudRate) or None

    def counters(self) -> LineCounters | None:
        """What ClearCommError has told so far: at least one error for each time that it was asked."""
        self._poll()
        return self._counted

    def low_latency(self) -> bool | None:
        """Drivers of Windows have no such flag."""
        return None

    def set_low_latency(self) -> bool:
        """Drivers of Windows have no such flag."""
        return False

    def send(self, data: bytes) -> None:
        """Write."""
        self._device.write(data)

    def receive(self, timeout: float) -> bytes:
        """What has come, in steps of 10 ms."""
        deadline = time.monotonic() + timeout
        while True:
            # Before pyserial asks how much waits: that clears the flags.
            self._poll()
            waiting = self._device.in_waiting
            if waiting:
                return bytes(self._device.read(waiting))
            left = deadline - time.monotonic()
            if left <= 0:
                return b""
            time.sleep(min(0.01, left))

    def now(self) -> float:
        """Monotonic seconds."""
        return time.monotonic()

    def close(self) -> None:
        """Give it back."""
        self._device.close()

    def _poll(self) -> None:
        flags, state = ctypes.c_ulong(), self._win32.COMSTAT()
        self._win32.ClearCommError(self._device._port_handle, ctypes.byref(flags), ctypes.byref(state))
        seen, was = flags.value, self._counted
        self._counted = LineCounters(
            was.received,
            was.sent,
            was.framing + bool(seen & _CE_FRAME),
            was.overrun + bool(seen & _CE_OVERRUN),
            was.parity + bool(seen & _CE_RXPARITY),
            was.breaks + bool(seen & _CE_BREAK),
            was.buffer_overrun + bool(seen & _CE_RXOVER),
        )
