"""udev rules that mend what a check finds. Each names one kind of USB device, and lets in a group, never everybody."""

from __future__ import annotations

from metersdk.port.host.port_info import PortInfo

# After 50-udev-default, which gives ports their group; before 77-mm and 85-brltty.
FILE_NAME = "70-metersdk-probe.rules"
FOLDER = "/etc/udev/rules.d"


def group_access(port: PortInfo, group: str) -> str:
    """The device belongs to a group, whose members may use it."""
    return f'SUBSYSTEM=="tty", {_attributes(port, "ATTRS")}, GROUP="{group}", MODE="0660"'


def no_modem(port: PortInfo) -> str:
    """ModemManager and the MTP prober leave the device alone."""
    ignore = 'ENV{ID_MM_DEVICE_IGNORE}="1", ENV{MTP_NO_PROBE}="1"'
    return f'SUBSYSTEM=="usb", {_attributes(port, "ATTR")}, {ignore}'


def latency(milliseconds: int = 1) -> str:
    """FTDI chips hand out what they received at once."""
    return f'ACTION=="add", SUBSYSTEM=="usb-serial", DRIVER=="ftdi_sio", ATTR{{latency_timer}}="{milliseconds}"'


def stay_awake(port: PortInfo) -> str:
    """The device is not put to sleep while nobody talks to it."""
    return f'ACTION=="add", SUBSYSTEM=="usb", {_attributes(port, "ATTR")}, ATTR{{power/control}}="on"'


def file_of(rules: tuple[str, ...]) -> str:
    """The text of a file of rules."""
    return "# Optical probes, written by metersdk doctor --fix\n" + "".join(f"{rule}\n" for rule in rules)


def install_command(path: str) -> str:
    """What puts a file of rules to work."""
    reload = "sudo udevadm control --reload && sudo udevadm trigger"
    return f"sudo install -m 644 {path} {FOLDER}/{FILE_NAME} && {reload}"


def _attributes(port: PortInfo, kind: str) -> str:
    return f'{kind}{{idVendor}}=="{port.vid or 0:04x}", {kind}{{idProduct}}=="{port.pid or 0:04x}"'
