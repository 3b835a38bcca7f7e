"""USB serial chips of optical probes: their numbers, their Linux drivers, and what to know about those."""

from __future__ import annotations

# (vendor, product) -> chip, Linux driver
CHIPS: dict[tuple[int, int], tuple[str, str]] = {
    (0x0403, 0x6001): ("FTDI FT232R", "ftdi_sio"),
    (0x0403, 0x6010): ("FTDI FT2232", "ftdi_sio"),
    (0x0403, 0x6011): ("FTDI FT4232H", "ftdi_sio"),
    (0x0403, 0x6014): ("FTDI FT232H", "ftdi_sio"),
    (0x0403, 0x6015): ("FTDI FT-X", "ftdi_sio"),
    (0x10C4, 0xEA60): ("Silicon Labs CP210x", "cp210x"),
    (0x10C4, 0xEA70): ("Silicon Labs CP2105", "cp210x"),
    (0x1A86, 0x7523): ("WCH CH340", "ch341"),
    (0x1A86, 0x5523): ("WCH CH341", "ch341"),
    (0x067B, 0x2303): ("Prolific PL2303", "pl2303"),
    (0x067B, 0x23A3): ("Prolific PL2303GC", "pl2303"),
}
# Linux driver -> what to know, empty if nothing.
DRIVERS: dict[str, str] = {
    "ftdi_sio": "",
    "cp210x": "counts line errors only while INPCK is set, as is done here",
    "ch341": "does not tell when the last octet has left: the line time is computed",
    "pl2303": "does not tell when the last octet has left: the line time is computed",
    "cdc_acm": "the device has a UART of its own, or none: speed and format are what its firmware makes of them",
    "serial8250": "",
    "serial": "",
    "8250": "",
    "uart-pl011": "",
    "of_serial": "",
    "dw-apb-uart": "",
    "rfcomm": "Bluetooth: the delay of the link comes to every answer",
}


def chip_of(vid: int | None, pid: int | None) -> str:
    """The name of a chip, empty if it is not known."""
    return "" if vid is None or pid is None else CHIPS.get((vid, pid), ("", ""))[0]
