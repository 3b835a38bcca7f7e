"""ports: the serial ports of this computer. Loads nothing of the protocols: it must be there at once."""

from __future__ import annotations

from dataclasses import asdict

import click

from metersdk.cli.output import Output, grid
from metersdk.cli.speech import speaks
from metersdk.port.host.chips import chip_of
from metersdk.port.host.port_info import PortInfo
from metersdk.port.host.ports import list_ports


@click.command()
@speaks
def ports(out: Output) -> int:
    """The serial ports of this computer: stable name, driver, chip, and who has them open. None: exit code 1."""
    found = list_ports()
    if not out.is_text:
        out.records("port", "ports", map(fields, found))
    elif found:
        show(out, found)
    else:
        out.say("no serial port; `metersdk doctor` looks for the reason", "yellow")
    return 0 if found else 1


def fields(port: PortInfo) -> dict[str, object]:
    """A port for programs."""
    told = {**asdict(port), "usb_id": port.usb_id, "chip": chip_of(port.vid, port.pid)}
    del told["usb"]
    return told


def show(out: Output, found: list[PortInfo]) -> None:
    """A row for each port, and below it the name that stays: it is long."""
    rows = [
        (
            port.device,
            port.driver or "-",
            port.usb_id or "-",
            chip_of(port.vid, port.pid) or port.product or "-",
            port.serial_number or "-",
            "-" if port.latency_ms is None else f"{port.latency_ms} ms",
            ", ".join(map(str, port.holders)) or "-",
        )
        for port in found
    ]
    heads = ("Device", "Driver", "USB", "Chip", "Serial number", "Latency", "Open in")
    out.show(grid(out.data, heads, rows, right=(5,)))
    stable = [(port.device, port.by_id) for port in found if port.by_id and port.by_id != port.device]
    if stable:
        out.show(grid(out.data, ("Device", "Name that stays"), stable))
