"""What is known of a serial port."""

from __future__ import annotations

from dataclasses import dataclass

# Links that udev makes: they hold maker, model and serial number, and stay when ports change their numbers.
BY_ID = "/dev/serial/by-id"


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that has a port open."""

    pid: int
    command: str

    def __str__(self) -> str:
        return f"pid {self.pid} ({self.command})"


@dataclass(frozen=True, slots=True)
class PortInfo:
    """A serial port.

    Attributes:
        device: what to open, ``/dev/ttyUSB0``, ``/dev/cu.usbserial-A1``, ``COM3``.
        by_id: a name that stays when ports change their numbers; empty where there is none.
        driver: of the kernel.
        vid, pid: of USB; None for a port that is not on it.
        serial_number, product: as the device tells them.
        latency_ms: how long the chip may keep received octets back; None where it cannot be told (only FTDI has it).
        holders: who has it open, as far as this user may see.
        usb: its folder in /sys, for the checks.
    """

    device: str
    by_id: str = ""
    driver: str = ""
    vid: int | None = None
    pid: int | None = None
    serial_number: str = ""
    product: str = ""
    latency_ms: int | None = None
    holders: tuple[Holder, ...] = ()
    usb: str = ""

    @property
    def usb_id(self) -> str:
        """``0403:6001``, empty if it is not on USB."""
        return "" if self.vid is None or self.pid is None else f"{self.vid:04x}:{self.pid:04x}"
