"""Targets: what a user writes to say where the meter is. ``address.py`` opens them.

=========================================  =========================================================================
``/dev/ttyUSB0`` ``COM3`` ``serial://..``  a serial line; ``pty://PATH`` a pseudo terminal
``tcp://host:port?framing=wrapper|hdlc``   4059 unless said; ``framing=optical``, or ``socket://``: an optical head or
                                           serial line behind a raw TCP socket, signed on to at the speed it has
``udp://host:port``                        4059 unless said, as for ``tcp``; 1153 with ``protocol=c1222``. At 1153
                                           C12.22 is spoken, unless a protocol or a framing is said
``rfc2217://host:port``                    a serial line behind a server that can change its speed
``esphome://host/NAME``                    a serial_proxy of an ESPHome device (extra ``serialx``), 6053 unless said
``listen://[host]:port``                   the meter dials in
``sim://NAME``                             a simulated meter in this process
``trace://FILE``                           replay of a recorded session
=========================================  =========================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, cast
from urllib.parse import parse_qsl, unquote, urlsplit

from metersdk.errors import LocalProtocolError

Scheme = Literal["serial", "pty", "tcp", "udp", "rfc2217", "esphome", "listen", "sim", "trace"]
Framing = Literal["wrapper", "hdlc", "optical"]
Drain = Literal["auto", "trust", "compute"]

# IANA: dlms/cosem, and c1222-acse, TCP and UDP.
DLMS_PORT, C1222_PORT = 4059, 1153
# The native API of ESPHome.
ESPHOME_PORT = 6053

_LINES = ("serial", "pty", "rfc2217", "esphome")
_NETWORK = ("tcp", "udp", "rfc2217", "listen")
_FORMATS = ("8N1", "7E1", "7O1", "8E1", "8O1", "7N2", "8N2")
# What `connect` takes by the same names: handed through as text, its own checks apply.
_CONNECT_KEYS = (
    *("protocol", "authentication", "security", "client", "server"),
    *("address", "list", "mode", "wake_up", "physical", "address_size", "max_info", "window", "speech"),
    *("user", "user_id", "packet_size", "packets", "max_baud"),
    *("called", "calling", "key_id", "max_message"),
)
_SECRETS = ("password", "key", "keys", "encryption", "secret", "dedicated", "master")
_KEYS = ("baud", "format", "framing", "drain", "dtr", "rts", "timeout", "strict", "key_from", *_CONNECT_KEYS)


@dataclass(frozen=True, slots=True)
class Address:
    """A parsed target.

    Attributes:
        scheme: kind of port.
        path: device, file, name of the simulator, or of the serial_proxy of an ESPHome device.
        host, port: of a network target; host is empty where ``listen`` takes every interface.
        baud: speed the line is opened with; None leaves it to the protocol.
        format: characters of the UART; 8N1 unless the hardware shall do 7E1 itself.
        framing: what a TCP connection carries, None where the target does not say.
        drain: how ``send`` knows that the last stop bit has left: ``auto`` asks the driver and never trusts an answer
            earlier than the computed line time, ``trust`` only asks, ``compute`` only computes.
        dtr, rts: whether these lines are on while the port is open. They power many probes; few want one of them off.
        timeout: seconds to wait for a connection; None is 10 s, and for ``listen`` without end.
        key_from: the environment variable that holds the key of an ESPHome device.
        strict: a replay ends at the first octet that differs from the recording.
        options: the keys that ``connect`` takes by the same name, as text.
    """

    scheme: Scheme
    path: str = ""
    host: str = ""
    port: int = 0
    baud: int | None = None
    format: str = "8N1"
    framing: Framing | None = None
    drain: Drain = "auto"
    dtr: bool = True
    rts: bool = True
    timeout: float | None = None
    key_from: str | None = None
    strict: bool = True
    options: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def is_line(self) -> bool:
        """Whether a meter is signed on to: over a UART here or behind a socket; simulated, unless framing is said."""
        return self.scheme in _LINES or self.framing == "optical" or (self.scheme == "sim" and self.framing is None)

    @property
    def is_c1222(self) -> bool:
        """Whether the port is the one that IANA gave C12.22, and nothing else is said about the connection."""
        return self.scheme in ("tcp", "udp", "listen") and self.port == C1222_PORT and self.framing is None

    @property
    def is_datagram(self) -> bool:
        """Whether each piece received is one datagram."""
        return self.scheme == "udp"

    @property
    def char_bits(self) -> int:
        """Bits of one character on the line, start and stop bits counted."""
        return 1 + int(self.format[0]) + (self.format[1] != "N") + int(self.format[2])

    def __str__(self) -> str:
        if self.scheme == "serial":
            return self.path
        if self.scheme in _NETWORK or self.scheme == "esphome":
            host = f"[{self.host}]" if ":" in self.host else self.host
            return f"{self.scheme}://{host}:{self.port}" + (f"/{self.path}" if self.path else "")
        return f"{self.scheme}://{self.path}"


def parse_address(target: str | Address) -> Address:
    """Read a target; an ``Address`` is returned as it is.

    Raises:
        LocalProtocolError: unknown scheme or key, or a value that makes no sense; the hint lists what is known.
    """
    if isinstance(target, Address):
        return target
    text = target.strip()
    if not text:
        raise LocalProtocolError("the target is empty", hint="for example /dev/ttyUSB0 or tcp://192.0.2.1:4059")
    if "\0" in unquote(text):
        raise LocalProtocolError("a target holds no NUL")
    if "://" not in text:
        return _device(text)
    scheme, _, rest = text.partition("://")
    # urlsplit takes away the "#" of a Windows or by-path name, and knows the host of "//host" only.
    body, _, query = rest.partition("?")
    values = _query(query)
    match scheme.lower():
        case "serial" | "pty" | "sim" | "trace" as known:
            path = unquote(body)
            if not path:
                raise LocalProtocolError(f"{text}: a path or name must follow {scheme}://")
            return Address(cast(Scheme, known), path=path, **values)  # type: ignore[arg-type]
        case "tcp" | "udp" | "rfc2217" | "listen" as known:
            host, port = _host(text, body, known, _usual_port(values.get("options")))
            return Address(cast(Scheme, known), host=host, port=port, **values)  # type: ignore[arg-type]
        case "esphome":
            where, _, name = body.partition("/")
            if not name.strip("/"):
                raise LocalProtocolError(
                    f"{text}: the name of its serial_proxy must follow", hint="esphome://HOST/NAME"
                )
            host, port = _host(text, where, "esphome")
            return Address("esphome", unquote(name).strip("/"), host, port, **values)  # type: ignore[arg-type]
        case "socket":
            host, port = _host(text, body, "socket")
            values.setdefault("framing", "optical")
            return Address("tcp", host=host, port=port, **values)  # type: ignore[arg-type]
    raise LocalProtocolError(
        f"{scheme}:// is no kind of target",
        hint="known: a device name, serial:// pty:// tcp:// udp:// rfc2217:// socket:// esphome:// listen:// sim:// trace://",
    )


def _device(text: str) -> Address:
    """A bare device name, with query keys behind a question mark if any."""
    path, _, query = text.partition("?")
    if ":" in path.rstrip(":") and not path.startswith(("/", "\\", ".")) and path[1:2] != ":":
        raise LocalProtocolError(f"{text!r} is no device", hint=f"for a network target write tcp://{path}")
    return Address("serial", path=path, **_query(query))  # type: ignore[arg-type]


def _usual_port(options: object) -> int:
    spoken = options.get("protocol") if isinstance(options, Mapping) else None
    return C1222_PORT if spoken == "c1222" else DLMS_PORT


def _host(text: str, body: str, scheme: str, usual: int = DLMS_PORT) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{body}")
        host, port = unquote(parts.hostname or ""), parts.port
    except ValueError:
        raise LocalProtocolError(
            f"{text}: host and port cannot be read",
            hint="write host:port, an IPv6 address in brackets: [2001:db8::1]:4059",
        ) from None
    if parts.path.strip("/"):
        raise LocalProtocolError(f"{text}: nothing but host:port and ?keys may follow {scheme}://")
    if parts.username is not None or parts.password is not None:
        raise LocalProtocolError("a target takes no user or password", hint="give the password to connect()")
    try:
        # As the resolver will: labels of 1 to 63 octets.
        host.encode("idna")
    except UnicodeError:
        raise LocalProtocolError(f"{text}: {host!r} is no host name", hint="write host:port") from None
    if not host and scheme != "listen":
        raise LocalProtocolError(f"{text}: the host is missing", hint=f"write {scheme}://host:port")
    if port is None:
        if scheme in ("rfc2217", "socket"):
            raise LocalProtocolError(f"{text}: the port is missing", hint=f"write {scheme}://host:port")
        port = ESPHOME_PORT if scheme == "esphome" else usual
    return host, port


def _query(query: str) -> dict[str, object]:
    """The keys behind the question mark, checked."""
    values: dict[str, object] = {}
    options: dict[str, str] = {}
    for key, value in parse_qsl(query, keep_blank_values=True):
        if key in _SECRETS:
            raise LocalProtocolError(
                f"{key} does not belong into a target, which is shown and logged", hint="give it to connect()"
            )
        if key in values or key in options:
            raise LocalProtocolError(f"{key} is given twice in the target")
        match key:
            case "baud":
                values[key] = _positive(key, value)
            case "timeout":
                values[key] = float(_positive(key, value))
            case "format":
                values[key] = _one_of(key, value.upper(), _FORMATS)
            case "framing":
                values[key] = _one_of(key, value, ("wrapper", "hdlc", "optical"))
            case "drain":
                values[key] = _one_of(key, value, ("auto", "trust", "compute"))
            case "key_from":
                if not value.isidentifier():
                    raise LocalProtocolError("key_from names an environment variable", hint="key_from=ESPHOME_KEY")
                values[key] = value
            case "strict" | "dtr" | "rts":
                values[key] = _one_of(key, value, ("0", "1")) == "1"
            case _ if key in _CONNECT_KEYS:
                options[key] = value
            case _:
                raise LocalProtocolError(f"{key} is no key of a target", hint=f"known: {' '.join(_KEYS)}")
    if options:
        values["options"] = MappingProxyType(options)
    return values


def _positive(key: str, value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) < 10 and int(value)):
        raise LocalProtocolError(f"{key}={value}: a positive whole number is needed")
    return int(value)


def _one_of(key: str, value: str, known: tuple[str, ...]) -> str:
    if value not in known:
        raise LocalProtocolError(f"{key}={value} is unknown", hint=f"known: {' '.join(known)}")
    return value
