"""English names of OBIS codes: a table of fixed codes, and rules for the measured quantities (Blue Book part 1).

Groups are tried from the particular to the general: the exact code, the code of any channel, a rule of the medium.
"""

from __future__ import annotations

# (A, C, D, E) -> name, for any B and F. E None: any E.
_FIXED: dict[tuple[int, int, int, int | None], str] = {
    (0, 0, 1, 0): "Number of billing periods",
    (0, 0, 9, 1): "Local time",
    (0, 0, 9, 2): "Local date",
    (0, 1, 0, None): "Clock",
    (0, 2, 0, None): "Modem configuration",
    (0, 10, 0, None): "Script table",
    (0, 11, 0, None): "Special days table",
    (0, 12, 0, None): "Schedule",
    (0, 13, 0, None): "Activity calendar",
    (0, 14, 0, None): "Register activation",
    (0, 15, 0, None): "Single action schedule",
    (0, 16, 0, None): "Register monitor",
    (0, 17, 0, None): "Limiter",
    (0, 20, 0, 0): "IEC local port setup, optical",
    (0, 20, 0, 1): "IEC local port setup, electrical",
    (0, 21, 0, None): "Standard readout profile",
    (0, 22, 0, 0): "IEC HDLC setup",
    (0, 24, 1, 0): "M-Bus client",
    (0, 24, 2, None): "M-Bus value",
    (0, 24, 3, 0): "M-Bus profile",
    (0, 25, 0, 0): "TCP-UDP setup",
    (0, 25, 1, 0): "IPv4 setup",
    (0, 25, 4, 0): "GPRS modem setup",
    (0, 25, 6, 0): "GSM diagnostic",
    (0, 25, 7, 0): "IPv6 setup",
    (0, 25, 9, None): "Push setup",
    (0, 40, 0, 0): "Current association",
    (0, 40, 0, None): "Association",
    (0, 41, 0, 0): "SAP assignment",
    (0, 42, 0, 0): "COSEM logical device name",
    (0, 43, 0, None): "Security setup",
    (0, 43, 1, None): "Invocation counter",
    (0, 44, 0, None): "Image transfer",
    (0, 65, 0, None): "Standard table",
    (0, 66, 0, None): "Compact data",
    (0, 94, 31, None): "Country-specific object",
    (0, 96, 1, 0): "Device id 1, serial number",
    (0, 96, 1, None): "Device id",
    (0, 96, 2, 0): "Number of configuration changes",
    (0, 96, 3, 1): "Input control signals",
    (0, 96, 3, 2): "Output control signals",
    (0, 96, 3, 10): "Disconnect control",
    (0, 96, 5, 0): "Internal operating status",
    (0, 96, 6, 0): "Battery use time",
    (0, 96, 6, 1): "Battery charge",
    (0, 96, 6, 3): "Battery voltage",
    (0, 96, 7, 0): "Number of power failures, all phases",
    (0, 96, 7, 21): "Number of power failures, any phase",
    (0, 96, 7, 9): "Number of long power failures, any phase",
    (0, 96, 8, 0): "Operating time",
    (0, 96, 10, None): "Status register",
    (0, 96, 11, None): "Event code",
    (0, 96, 13, None): "Consumer message",
    (0, 96, 14, None): "Currently active tariff",
    (0, 96, 15, None): "Event counter",
    (0, 96, 20, 0): "Number of cover openings",
    (0, 97, 97, 0): "Error register",
    (0, 97, 97, None): "Error register",
    (0, 97, 98, None): "Alarm register",
    (0, 98, 1, None): "Billing values",
    (0, 98, 2, None): "Billing values 2",
    (0, 99, 98, None): "Event log",
    (1, 0, 0, None): "Electricity id",
    (1, 0, 1, 0): "Number of billing periods",
    (1, 0, 1, 2): "Time of the last billing reset",
    (1, 0, 2, 0): "Configuration program version",
    (1, 0, 2, 1): "Parameter record number",
    (1, 0, 2, 2): "Time switch program number",
    (1, 0, 4, 2): "Transformer ratio, current",
    (1, 0, 4, 3): "Transformer ratio, voltage",
    (1, 0, 8, 0): "Demand period 1",
    (1, 0, 8, 4): "Load profile 1 recording interval",
    (1, 0, 8, 5): "Load profile 2 recording interval",
    (1, 0, 9, 1): "Local time",
    (1, 0, 9, 2): "Local date",
    (1, 98, 1, None): "Billing values",
    (1, 98, 2, None): "Billing values 2",
    (1, 99, 1, None): "Load profile 1",
    (1, 99, 2, None): "Load profile 2",
    (1, 99, 97, None): "Power failure log",
    (1, 99, 98, None): "Event log",
    (6, 1, 0, 0): "Heat energy",
    (6, 2, 0, 0): "Heat volume",
    (6, 8, 0, 0): "Heat power",
    (6, 9, 0, 0): "Heat flow rate",
    (6, 10, 0, 0): "Flow temperature",
    (6, 11, 0, 0): "Return temperature",
    (6, 12, 0, 0): "Temperature difference",
    (6, 99, 1, None): "Heat load profile 1",
    (7, 1, 0, 0): "Gas volume, unconverted",
    (7, 3, 0, 0): "Gas volume",
    (7, 3, 1, 0): "Gas volume, unconverted",
    (7, 3, 2, 0): "Gas volume, converted to base conditions",
    (7, 13, 2, 0): "Gas volume, converted",
    (7, 23, 2, 0): "Gas volume, converted",
    (7, 42, 0, 0): "Gas pressure",
    (7, 41, 0, 0): "Gas temperature",
    (7, 99, 1, None): "Gas load profile 1",
    (8, 1, 0, 0): "Cold water volume",
    (8, 2, 0, 0): "Cold water flow rate",
    (8, 99, 1, None): "Cold water load profile 1",
    (9, 1, 0, 0): "Hot water volume",
    (9, 2, 0, 0): "Hot water flow rate",
    (9, 99, 1, None): "Hot water load profile 1",
}

# Electricity, group C modulo 20: sum of phases 1..20, L1 21..40, L2 41..60, L3 61..80.
_POWERS = {
    1: ("Active {} import", "+A"),
    2: ("Active {} export", "-A"),
    3: ("Reactive {} import", "+R"),
    4: ("Reactive {} export", "-R"),
    5: ("Reactive {} quadrant I", "Ri"),
    6: ("Reactive {} quadrant II", "Rc"),
    7: ("Reactive {} quadrant III", "-Ri"),
    8: ("Reactive {} quadrant IV", "-Rc"),
    9: ("Apparent {} import", "+E"),
    10: ("Apparent {} export", "-E"),
    15: ("Active {} absolute", "|A|"),
    16: ("Active {} net", "A"),
}
_OTHERS = {11: "Current", 12: "Voltage", 13: "Power factor", 14: "Frequency"}
_SINGLE = {
    81: "Phase angle",
    82: "Unitless quantity",
    88: "Ampere-squared hours",
    89: "Volt-squared hours",
    90: "Current, sum of phases",
    91: "Current, neutral",
    92: "Voltage, neutral",
}
_PHASES = ("", ", L1", ", L2", ", L3")

# Group D for powers: (what is measured, its suffix).
_PROCESSING = {
    2: ("demand", ", cumulative maximum"),
    4: ("demand", ", current average"),
    5: ("demand", ", last average"),
    6: ("demand", ", maximum"),
    7: ("power", ""),
    8: ("energy", ""),
    9: ("energy", ", since last reset"),
    16: ("energy", ", interval"),
    29: ("energy", ", interval"),
    30: ("energy", ", interval 2"),
}
# Group D for voltages, currents and the like.
_STATISTICS = {
    3: ", minimum",
    6: ", maximum",
    7: "",
    24: ", average",
    25: ", last average",
    26: ", maximum of period",
    31: ", threshold exceeded",
    32: ", number of sags",
    36: ", number of swells",
}


def name_of(a: int, b: int, c: int, d: int, e: int, f: int) -> str:
    """English name of the code with these groups, ``""`` where no table or rule knows it."""
    found = _FIXED.get((a, c, d, e)) or _FIXED.get((a, c, d, None))
    if not found and a == 1:
        found = _electricity(c, d, e)
    if not found and a in (0, 7) and (c, d) == (24, 2):
        found = "M-Bus value"
    if not found:
        return ""
    channel = f", channel {b}" if b and a != 1 else ""
    return found + channel + (f", billing period {f}" if f != 255 and c < 96 else "")


def _electricity(c: int, d: int, e: int) -> str:
    phase, quantity = divmod(c - 1, 20) if 1 <= c <= 80 else (0, -1)
    power, other = _POWERS.get(quantity + 1), _OTHERS.get(quantity + 1) or _SINGLE.get(c)
    if power and d in _PROCESSING:
        measured, suffix = _PROCESSING[d]
        tariff = f", tariff {e}" if e and d != 7 else ""
        return f"{power[0].format(measured)} ({power[1]}){_PHASES[phase]}{suffix}{tariff}"
    if other and d in _STATISTICS:
        return f"{other}{_PHASES[phase]}{_STATISTICS[d]}"
    return ""
