"""Every cause that the diagnosis tells: a stable code, and what a technician does about it."""

from __future__ import annotations

from enum import StrEnum

from metersdk.errors import Finding


class Cause(StrEnum):
    """Codes of the findings that name a cause. They stay as they are."""

    PORT_BUSY = "port-busy"
    UNPLUGGED = "unplugged"
    TWO_READERS = "two-readers"
    SILENT = "silent"
    ECHO_ONLY = "echo-only"
    ASLEEP = "asleep"
    BATTERY_LOW = "battery-low"
    FORMAT_8N1 = "format-8n1"
    FORMAT_7O1 = "format-7o1"
    FORMAT_7N2 = "format-7n2"
    FORMAT_7N1 = "format-7n1"
    FORMAT_8E1 = "format-8e1"
    BAUD_SLOWER = "baud-slower"
    BAUD_FASTER = "baud-faster"
    FALL_BACK = "acknowledgement-missed"
    SWITCH_EARLY = "switch-early"
    SWITCH_LATE = "switch-late"
    PARITY = "checksum-parity"
    LOST_OCTETS = "checksum-lost-octets"
    ECHO_MIXED_IN = "checksum-echo"
    SUM_CHECK = "checksum-sum"
    FLIPPED_PAIR = "checksum-damaged"
    BROKEN_OFF = "broken-off"
    SUNLIGHT = "light-sun"
    LAMP = "light-lamp"
    LIGHT_CONSTANT = "light-constant"
    MISALIGNED = "misaligned"
    MODE_D = "mode-d"
    SML = "sml"
    HDLC = "hdlc"
    C1218 = "c1218"


HINTS: dict[Cause, str] = {
    Cause.PORT_BUSY: "close the other program; ModemManager also opens new serial ports for some seconds",
    Cause.UNPLUGGED: "check the plug of the probe; plug it in again and repeat the call",
    Cause.TWO_READERS: "another program reads from this port, too: find it with `metersdk doctor` and stop it",
    Cause.SILENT: "check that the probe sits on the meter's optical port, cable down, and that the meter has power;"
    " some open the port by a button or a PIN only; try ?address=, ?wake_up=1, or another start of the request",
    Cause.ECHO_ONLY: "the probe works and the meter is silent: check the device address, whether it sleeps"
    " (?wake_up=1), and whether its port must be opened by a button or a PIN",
    Cause.ASLEEP: "a meter on battery: sign on with ?wake_up=1 at once; each reading costs minutes of battery life",
    Cause.BATTERY_LOW: "the light of the meter fades: read it with few long sessions, have its battery replaced; first"
    " check that the probe has not slipped",
    Cause.FORMAT_8N1: "the meter or a gateway sends 8N1 without parity; damage is found by checksums only",
    Cause.FORMAT_7O1: "the meter sends odd parity: set the gateway to 8N1 or 7E1, or use ?format=7O1",
    Cause.FORMAT_7N2: "the meter sends two stop bits and no parity: parity proves nothing, checksums do",
    Cause.FORMAT_7N1: "the meter sends 7 bits without parity: set the meter or the gateway to 7E1 or 8N1",
    Cause.FORMAT_8E1: "frames of 11 bits: use ?format=8E1",
    Cause.BAUD_SLOWER: "the sender is slower than this port: set the speed named here (?baud=)",
    Cause.BAUD_FASTER: "the sender is faster than this port: try the next higher speeds (?baud=)",
    Cause.FALL_BACK: "the meter did not hear the acknowledgement and goes on at 300 Bd: seat the probe anew;"
    " if it happens each time, switch later (--switch-margin, Timing.switch_margin)",
    Cause.SWITCH_EARLY: "the speed was changed while the acknowledgement was still leaving the probe: switch later"
    " (--switch-margin, Timing.switch_margin), or ?drain=compute",
    Cause.SWITCH_LATE: "the speed was changed after the meter had begun: switch earlier"
    " (--switch-margin, Timing.switch_margin)",
    Cause.PARITY: "single characters were hit: seat the probe anew, shade it, and repeat",
    Cause.LOST_OCTETS: "characters are missing: relieve the computer or the USB hub, close other readers",
    Cause.ECHO_MIXED_IN: "the probe returns what it sends into the answer: keep a longer pause before sending",
    Cause.SUM_CHECK: "the meter adds up its check character instead of XOR: Quirks(block_check='add'), or a file for"
    " --vendor that says so",
    Cause.FLIPPED_PAIR: "damage that parity does not show: seat the probe anew, shade it, and repeat",
    Cause.BROKEN_OFF: "the message broke off: hold the probe still; if it happens at the same place, the meter gave up",
    Cause.SUNLIGHT: "shade the probe from the sun and seat it flat on the meter",
    Cause.LAMP: "switch off or shade lamps near the meter, and seat the probe flat",
    Cause.LIGHT_CONSTANT: "strong light blinds the probe: shade it; a probe off the meter in the sun looks the same",
    Cause.MISALIGNED: "turn and seat the probe: cable down, flat, in the middle of the meter's ring; clean the window",
    Cause.MODE_D: "the meter pushes its data: ?mode=D with this speed",
    Cause.SML: "the meter pushes SML: metersdk listen PORT",
    Cause.HDLC: "the meter speaks HDLC without sign-on: protocol='dlms' with this speed",
    Cause.C1218: "an ANSI meter, and maybe another reader of it: protocol=c1218",
}


def finding(cause: Cause, text: str, *, hint: str = "") -> Finding:
    """The finding of a cause."""
    return Finding(str(cause), text, "line", -1, hint or HINTS[cause])
