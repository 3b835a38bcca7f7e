"""What is checked of a USB chip on every system."""

from __future__ import annotations

from collections.abc import Iterator

from metersdk.port.host.check import Check, ok, skipped
from metersdk.port.host.chips import chip_of
from metersdk.port.host.port_info import PortInfo

NOT_USB = "not a USB device"


def check_usb_id(port: PortInfo) -> Check:
    """VID:PID, and the chip."""
    if not port.usb_id:
        return skipped("usb-id", NOT_USB)
    chip = chip_of(port.vid, port.pid) or "a chip that is not known here"
    return ok("usb-id", f"{port.usb_id}, {chip}" + (f" ({port.product})" if port.product else ""))


def identified(port: PortInfo, unnumbered: str) -> Iterator[Check]:
    """The chip and its serial number; ``unnumbered`` says what it means to have none."""
    yield check_usb_id(port)
    yield ok("serial-number", port.serial_number or unnumbered) if port.usb_id else skipped("serial-number", NOT_USB)
