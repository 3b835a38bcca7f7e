"""Where a simulated meter listens, and how it is there: ``pty``, ``tcp://127.0.0.1:0?framing=hdlc``, ``rfc2217://...``."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast
from urllib.parse import parse_qsl

from metersdk.dialog.iec62056_21_meter import OpticalMeter
from metersdk.dialog.server_link import HdlcServerSettings
from metersdk.errors import LocalProtocolError
from metersdk.frame.iec62056_21 import BAUD_B, BAUD_C, Identification, parse_identification
from metersdk.port.target import Address, parse_address
from metersdk.simulator.device import MeterDevice
from metersdk.simulator.pusher import BAUD
from metersdk.simulator.station import Speech, StationSettings, optical_meter

Kind = Literal["pty", "tcp", "udp", "rfc2217", "dial"]
Mode = Literal["A", "B", "C", "D", "E"]

_MODES = ("A", "B", "C", "D", "E")
# The \\W sequence that offers HDLC, annex E.
_HDLC = "\\2"
_ECHOES = ("none", "before", "after")
_HINT = (
    "pty, tcp://127.0.0.1:4059?framing=wrapper|hdlc, udp://127.0.0.1:4059, rfc2217://127.0.0.1:2217, dial://HOST:4059"
)
_KEYS = (
    *("speech", "framing", "baud", "mode", "identification", "address", "reaction", "sleep", "echo_ack", "block_size"),
    *("push_period", "inactivity", "max_info", "window", "physical"),
)


@dataclass(frozen=True, slots=True)
class Listening:
    """One place where a meter listens.

    Attributes:
        kind: kind of port; host and port say where, port 0 takes a free one. ``dial`` calls a client there.
        speech: ``optical`` begins with a sign-on and hands over to HDLC in mode E; ``sml`` and ``p1`` push; the others
            speak at once. None: what is usual there for the meter.
        baud: speed of HDLC at once, and of pushes; in modes B to E the speed to change to.
        mode: mode of IEC 62056-21 the meter shall have, whatever its image says.
        identification: replaces that of the image, ``MSK5METER``.
        optical: what else is replaced of the optical port.
        hdlc: what it agrees to.
        inactivity: seconds without a word that end a session.
    """

    kind: Kind
    host: str = ""
    port: int = 0
    speech: Speech | None = None
    baud: int | None = None
    mode: Mode | None = None
    identification: str | None = None
    optical: dict[str, Any] = field(default_factory=dict)
    hdlc: HdlcServerSettings = field(default_factory=HdlcServerSettings)
    inactivity: float = 120.0

    def settings(self, device: MeterDevice) -> StationSettings:
        """How ``device`` behaves here.

        Raises:
            LocalProtocolError: it does not speak so.
        """
        speech = self.speech or (_ANSI if device.is_ansi else _USUAL)[self.kind]
        optical = self._optical(device) if speech == "optical" else None
        if speech in ("c1218", "c1222"):
            # An image that does not fit is told here, not to the first who calls.
            _ = device.c1219
        period = self.optical.get("push_period", 1.0)
        datagram = self.kind == "udp"
        return StationSettings(
            speech, self.baud, optical, self.hdlc, self.inactivity, push_period=period, datagram=datagram
        )

    def target(self, settings: StationSettings, path: str, port: int) -> str:
        """What a client takes to reach the meter."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        scheme = "listen" if self.kind == "dial" else self.kind
        where = path if self.kind == "pty" else f"{scheme}://{host}:{port}"
        keys = []
        speech = settings.speech
        if speech in ("sml", "p1"):
            keys.append("protocol=push")
            keys += [f"baud={self.baud or BAUD[speech]}"] if self.kind in ("pty", "rfc2217") else []
        elif speech in ("c1218", "c1222"):
            keys.append(f"protocol={speech}")
            keys += [f"baud={self.baud}"] if self.baud and self.kind in ("pty", "rfc2217") else []
        elif self.kind in ("tcp", "dial"):
            keys.append(f"framing={speech}")
        elif speech == "hdlc":
            keys += ["protocol=dlms", f"baud={settings.baud or 9600}"]
        if settings.optical is not None and settings.optical.pusher:
            keys += ["mode=D", f"baud={settings.optical.push_baud}"]
        if settings.optical is not None and settings.optical.asleep:
            keys.append("wake_up=1")
        return where + ("?" + "&".join(keys) if keys else "")

    def _optical(self, device: MeterDevice) -> OpticalMeter:
        changed = dict(self.optical)
        if self.mode is not None:
            changed["pusher"] = self.mode == "D"
        meter = optical_meter(device, **changed)
        line = meter.identification
        if self.identification is not None:
            line = b"/" + self.identification.encode("ascii", "replace")
        known = parse_identification(line)
        if known is None:
            raise LocalProtocolError(f"{line!r} is no identification", hint="XXXZ and 16 characters: MSK5METER")
        if meter.pusher and self.baud:
            meter = replace(meter, push_baud=self.baud)
        if self.mode is not None or self.baud is not None:
            line = _in_mode(known, self.mode or known.mode, self.baud)
        return replace(meter, identification=line)


def parse_listening(text: str) -> Listening:
    """Read ``pty?mode=C``, ``tcp://127.0.0.1:0?framing=hdlc`` and the like.

    Raises:
        LocalProtocolError: no such place, key or value.
    """
    where, _, query = text.strip().partition("?")
    kind, host, port = _place(where)
    values: dict[str, Any] = {}
    optical: dict[str, Any] = {}
    hdlc: dict[str, Any] = {}
    for key, value in parse_qsl(query, keep_blank_values=True):
        match key:
            case "speech" | "framing":
                values["speech"] = _one_of(text, value, _SPEECHES[kind])
            case "baud":
                values["baud"] = _number(text, value)
            case "mode":
                values["mode"] = _one_of(text, value, _MODES)
            case "identification":
                values["identification"] = value
            case "inactivity":
                values["inactivity"] = optical["inactivity"] = _seconds(text, value)
            case "address":
                optical["address"] = value
            case "reaction" | "push_period":
                optical[key] = _seconds(text, value)
            case "sleep":
                optical["asleep"] = _one_of(text, value, ("0", "1")) == "1"
            case "echo_ack":
                optical["echo_acknowledgement"] = _one_of(text, value, _ECHOES)
            case "block_size":
                optical["block_size"] = _number(text, value)
            case "max_info":
                hdlc["max_info_tx"] = hdlc["max_info_rx"] = _number(text, value)
            case "window":
                hdlc["window_tx"] = hdlc["window_rx"] = _number(text, value)
            case "physical":
                hdlc["physical"] = _number(text, value)
            case _:
                raise LocalProtocolError(f"{text}: {key} is no key", hint=f"known: {' '.join(_KEYS)}")
    return Listening(kind, host, port, optical=optical, hdlc=HdlcServerSettings(**hdlc), **values)


_SPEECHES: dict[str, tuple[str, ...]] = {
    "pty": ("optical", "hdlc", "sml", "p1", "c1218"),
    "rfc2217": ("optical", "hdlc", "sml", "p1", "c1218"),
    "tcp": ("wrapper", "hdlc", "optical", "sml", "p1", "c1218", "c1222"),
    "udp": ("datagram", "c1222"),
    "dial": ("wrapper", "hdlc", "c1218", "c1222"),
}
_USUAL: dict[Kind, Speech] = {
    "pty": "optical",
    "rfc2217": "optical",
    "tcp": "wrapper",
    "udp": "datagram",
    "dial": "wrapper",
}
_ANSI: dict[Kind, Speech] = {"pty": "c1218", "rfc2217": "c1218", "tcp": "c1222", "udp": "c1222", "dial": "c1222"}


def _place(where: str) -> tuple[Kind, str, int]:
    if where in ("pty", "pty://"):
        return "pty", "", 0
    scheme, there, rest = where.partition("://")
    if not there or scheme not in ("tcp", "udp", "rfc2217", "dial"):
        raise LocalProtocolError(f"{where!r} is no place to listen at", hint=_HINT)
    # Port 0 is a free one, which no target is: it is read apart.
    free = rest.endswith(":0")
    if scheme == "dial" and free:
        raise LocalProtocolError(f"{where!r}: there is no port 0 to call", hint=_HINT)
    known = "tcp" if scheme == "dial" else scheme
    address: Address = parse_address(f"{known}://{rest.removesuffix('0') + '1' if free else rest}")
    return cast(Kind, scheme), address.host, 0 if free else address.port


def _in_mode(known: Identification, mode: str, baud: int | None) -> bytes:
    """The identification with the speed character and the ``\\W`` sequences that make it one of ``mode``."""
    character = known.baud_character
    if mode == "A":
        # Neither a digit nor A to I (6.3.14).
        character = "Z"
    elif mode == "B":
        character = _character(BAUD_B, baud or 9600)
    elif mode == "D":
        character = "3"
    elif baud or not character.isdigit():
        character = _character(BAUD_C, baud or 9600)
    return f"/{known.manufacturer}{character}{_HDLC * (mode == 'E')}{known.text}".encode()


def _character(table: Any, baud: int) -> str:
    for character, speed in table.items():
        if speed == baud:
            return str(character)
    raise LocalProtocolError(f"no identification offers {baud} Bd", hint=f"known: {sorted(table.values())}")


def _one_of(text: str, value: str, known: tuple[str, ...]) -> str:
    if value not in known:
        raise LocalProtocolError(f"{text}: {value!r} is unknown", hint=f"known: {' '.join(known)}")
    return value


def _number(text: str, value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) < 10 and int(value)):
        raise LocalProtocolError(f"{text}: {value!r} is no positive whole number")
    return int(value)


def _seconds(text: str, value: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < 1e6:
        raise LocalProtocolError(f"{text}: {value!r} is no number of seconds")
    return seconds
