"""What is wrong with a simulated meter, or with the line to it: by name and value, as on a command line."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, get_args

from metersdk.dialog.iec62056_21_meter import MeterFaults, OpticalMeter
from metersdk.errors import LocalProtocolError
from metersdk.port.line import Echo, LineModel
from metersdk.simulator.c1219_faults import C1218Faults

# A meter whose table of speeds is wrong is off by one step as a rule.
_MISTUNED = 0.5


@dataclass(frozen=True, slots=True)
class Faults:
    """What is wrong. ``line`` holds anew for each connection.

    Attributes:
        line: what happens to octets on their way; its ``baud`` counts for nothing here.
        lost_ack: so many acknowledgements of the reader (option selects) are not heard.
        bad_bcc: so many blocks of a readout are sent with a wrong BCC.
        wrong_baud: the speed the meter really takes instead of the one agreed upon; 0 takes half of it.
        sleep: the optical port is asleep until it is woken up with NULs.
        silent: nothing is ever answered.
        busy: the device is held by another program; a connection is closed as soon as it stands.
        c1218: what is wrong with an ANSI meter, its lost acknowledgements among it.
    """

    line: LineModel = field(default_factory=LineModel)
    lost_ack: int = 0
    bad_bcc: int = 0
    wrong_baud: int | None = None
    sleep: bool = False
    silent: bool = False
    busy: bool = False
    c1218: C1218Faults = field(default_factory=C1218Faults)

    def optical(self, meter: OpticalMeter) -> OpticalMeter:
        """The same meter with its share of the faults."""
        faults = MeterFaults(bad_bcc=self.bad_bcc, deaf_acknowledgements=self.lost_ack)
        return replace(meter, asleep=meter.asleep or self.sleep, faults=faults)

    def tuned(self, baud: int) -> int:
        """The speed that is really taken when ``baud`` is agreed upon; 300 is always right, a session starts there."""
        if self.wrong_baud is None or baud == 300:
            return baud
        return self.wrong_baud or int(baud * _MISTUNED)

    @property
    def on_the_way(self) -> bool:
        """Whether octets need a model of the line: anything at all happens to them."""
        return replace(self.line, baud=None, seed=0) != LineModel()


def parse_faults(texts: Iterable[str]) -> Faults:
    """Faults as they are written on a command line: ``["noise=5", "bad-bcc=2"]``. See ``FAULT_HELP``.

    Raises:
        LocalProtocolError: no such fault, or a value that makes no sense; the hint lists what is known.
    """
    line: dict[str, Any] = {}
    meter: dict[str, Any] = {}
    ansi: dict[str, Any] = {}
    for text in texts:
        name, has_value, value = text.strip().partition("=")
        if name not in _KNOWN:
            raise LocalProtocolError(f"{name!r} is no fault", hint=f"known: {', '.join(FAULT_HELP)}")
        target, key, read, default = _KNOWN[name]
        if not has_value and default is None:
            raise LocalProtocolError(f"{name} needs a value", hint=f"{name}={FAULT_HELP[name]}")
        try:
            said = read(value) if has_value else default
        except ValueError as error:
            raise LocalProtocolError(f"{text}: the value makes no sense", hint=f"{name}={FAULT_HELP[name]}") from error
        kept = {"line": line, "meter": meter, "ansi": ansi}[target]
        if key in kept:
            raise LocalProtocolError(f"{name} is given twice")
        kept[key] = said
    if "lost_ack" in ansi:
        # The meter of 62056-21 counts them, that of C12.18 may lose a share.
        meter["lost_ack"] = int(ansi["lost_ack"])
    return Faults(line=LineModel(**line), c1218=C1218Faults(**ansi, seed=line.get("seed", 0)), **meter)


FAULT_HELP = {
    "echo": "full|partial|changed: the probe hands back what the reader sends, whole, with gaps, or with wrong octets",
    "noise": "5: octets a second that sunlight makes in the reader's receiver",
    "lamp": "100 or 120: pulses a second of a lamp on the mains",
    "lamp-share": "0.2: the share of these pulses that are strong enough to be seen",
    "dazzled": "3-8 or 0-2,5-9: seconds during which light holds the reader's receiver low",
    "flip": "0.001: probability for each octet that one bit is wrong",
    "bit-flip": "0.001: probability for each bit that it is wrong, as with a misaligned probe",
    "lose": "0.001: probability for each octet that it does not arrive",
    "fade": "2000: octets of the meter after which its lamp has faded, as with a low battery",
    "steal": "0.2: probability for each piece that another program reads a part of it away",
    "clock": "0.03: the meter's clock is 3 % fast; negative for slow",
    "format": "7O1|8N1|7N2|...: character format that the meter's text really has",
    "drop-answer": "3 or 1,4: these answers of the meter do not arrive",
    "drop-request": "3 or 1,4: these requests of the reader do not arrive",
    "late": "0.5 or 2:0.5: every answer, or the second one, comes so many seconds later",
    "latency": "0.016: seconds by which the probe hands octets on late",
    "sending-latency": "0.016: seconds by which the probe begins late to send",
    "delay": "0.3: seconds each way, as over GSM",
    "piece": "1: octets that arrive together at most",
    "close-after": "1000: the meter hangs up after so many octets",
    "seed": "7: another course of what is left to chance",
    "lost-ack": "1: so many acknowledgements are lost; C12.18 also: 0.1, a share of them",
    "bad-bcc": "2: so many blocks with a wrong BCC",
    "wrong-baud": "1200: the speed the meter takes instead of the agreed one; alone, half of it",
    "sleep": "asleep until woken up",
    "silent": "nothing is answered",
    "busy": "held by another program",
    "bad-crc": "2 or 0.05: so many packets of C12.18, or a share of them, have a wrong CRC",
    "repeat": "2 or 0.1: so many answers of C12.18, or a share, come twice",
    "stuck-toggle": "1: so many packets of C12.18 after which the toggle is not changed",
    "busy-answers": "3 or 0.1: so many reads and writes of C12 are answered: busy",
    "not-ready": "3 or 0.1: the same: data not ready",
    "lying-count": "1: so many answers of C12.18 tell more octets than they have",
    "lying-tables": "1: table 0 tells so many times dimensions that cannot be",
    "endless": "1: so many answers of C12.18 never end",
}


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 9:
        raise ValueError(text)
    return int(text)


def _positive(text: str) -> int:
    number = _count(text)
    if not number:
        raise ValueError(text)
    return number


def _amount(text: str) -> float:
    number = float(text)
    if not 0 <= number < 1e9:
        raise ValueError(text)
    return number


def _share(text: str) -> float:
    number = _amount(text)
    if number > 1:
        raise ValueError(text)
    return number


def _count_or_share(text: str) -> float:
    return _amount(text) if "." in text and _share(text) < 1 else _count(text)


def _signed(text: str) -> float:
    return -_amount(text[1:]) if text.startswith("-") else _amount(text)


def _spans(text: str) -> tuple[tuple[float, float], ...]:
    parts = (each.partition("-") for each in text.split(","))
    return tuple((_amount(start), _amount(end)) for start, _, end in parts)


def _format(text: str) -> str:
    if not re.fullmatch("[78][NEOM][12]", text):
        raise ValueError(text)
    return text


def _echo(text: str) -> str:
    if text not in get_args(Echo):
        raise ValueError(text)
    return text


def _frames(text: str) -> frozenset[int]:
    """Counted from 1 here, from 0 in the model of the line."""
    return frozenset(_positive(each) - 1 for each in text.split(","))


def _late(text: str) -> float | dict[int, float]:
    if ":" not in text:
        return _amount(text)
    parts = (each.partition(":") for each in text.split(","))
    return {_positive(number) - 1: _amount(seconds) for number, _, seconds in parts}


def _flag(text: str) -> bool:
    if text not in ("0", "1"):
        raise ValueError(text)
    return text == "1"


_KNOWN: dict[str, tuple[str, str, Callable[[str], object], object]] = {
    "echo": ("line", "echo", _echo, "full"),
    "noise": ("line", "noise", _amount, None),
    "lamp": ("line", "lamp", _amount, 100.0),
    "lamp-share": ("line", "lamp_share", _share, None),
    "dazzled": ("line", "dazzled", _spans, None),
    "flip": ("line", "flip", _share, None),
    "bit-flip": ("line", "bit_flip", _share, None),
    "lose": ("line", "lose", _share, None),
    "fade": ("line", "fade", _positive, None),
    "steal": ("line", "steal", _share, None),
    "clock": ("line", "clock_error", _signed, None),
    "format": ("line", "form", _format, None),
    "drop-answer": ("line", "drop_answers", _frames, None),
    "drop-request": ("line", "drop_requests", _frames, None),
    "late": ("line", "late", _late, None),
    "latency": ("line", "latency", _amount, None),
    "sending-latency": ("line", "sending_latency", _amount, None),
    "delay": ("line", "delay", _amount, None),
    "piece": ("line", "piece", _positive, None),
    "close-after": ("line", "close_after", _count, None),
    "seed": ("line", "seed", _count, None),
    "lost-ack": ("ansi", "lost_ack", _count_or_share, 1),
    "bad-bcc": ("meter", "bad_bcc", _count, 1),
    "wrong-baud": ("meter", "wrong_baud", _count, 0),
    "sleep": ("meter", "sleep", _flag, True),
    "silent": ("meter", "silent", _flag, True),
    "busy": ("meter", "busy", _flag, True),
    "bad-crc": ("ansi", "bad_crc", _count_or_share, 1),
    "repeat": ("ansi", "repeat", _count_or_share, 1),
    "stuck-toggle": ("ansi", "stuck_toggle", _count_or_share, 1),
    "busy-answers": ("ansi", "busy", _count_or_share, 1),
    "not-ready": ("ansi", "not_ready", _count_or_share, 1),
    "lying-count": ("ansi", "lying_count", _count_or_share, 1),
    "lying-tables": ("ansi", "lying_tables", _count_or_share, 1),
    "endless": ("ansi", "endless", _count_or_share, 1),
}
