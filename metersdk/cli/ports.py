"""ports: the serial ports of this computer. Loads nothing of the protocols: it must be there at once."""

from __future__ import annotations

from dataclasses import asdict

from metersdk.cli.output import Output, grid
from metersdk.port.host.chips import chip_of
from metersdk.port.host.port_info import PortInfo
from metersdk.port.host.ports import hidden_processes, list_ports

# Columns of a screen that has room for the names of chips.
_WIDE = 110


def ports(out: Output) -> int:
    found = list_ports()
    hidden = hidden_processes()
    if not out.is_text:
        out.records("port", "ports", map(fields, found), **({"hidden_processes": hidden} if out.mode == "json" else {}))
    elif found:
        show(out, found)
        if hidden:
            out.say(f"not seen: what other users have open, {hidden} processes (sudo shows it)", "dim")
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
    wide = out.data.width >= _WIDE
    rows = []
    for port in found:
        chip = (chip_of(port.vid, port.pid) or port.product or "-",) if wide else ()
        latency = "-" if port.latency_ms is None else f"{port.latency_ms} ms"
        held = ", ".join(map(str, port.holders)) or "-"
        who = (port.device, port.driver or "-", port.usb_id or "-", *chip, port.serial_number or "-")
        rows.append((*who, latency, held))
    heads = ("Device", "Driver", "USB", *(("Chip",) if wide else ()), "Serial", "Latency", "Open in")
    out.show(grid(out.data, heads, rows, right=(len(heads) - 2,)))
    stable = [(port.device, port.by_id) for port in found if port.by_id and port.by_id != port.device]
    if stable:
        out.show(grid(out.data, ("Device", "Name that stays"), stable))
