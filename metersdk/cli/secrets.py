"""Passwords and keys from where they are kept: the environment, a file, a keyring, a prompt; never the command line."""

from __future__ import annotations

import hashlib
import os
import sys
import tomllib
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

import click

from metersdk.apdu.keys import Keys, Secret, TicketKey
from metersdk.errors import LocalProtocolError, PortDenied, PortError, PortNotFound
from metersdk.port.counters import CounterFile

SERVICE = "metersdk"
_SOURCES = "write env:NAME, file:PATH, keyring:NAME, or - to be asked; a password itself does not belong here"
_KEYS = ("encryption", "authentication", "dedicated", "broadcast", "master")
_TITLES = ("system_title", "server_title")
_KNOWN = (*_KEYS, *_TITLES, "ticket", "suite", "invocation_counter", "counter_file")


def password(source: str) -> Secret:
    """The password that ``--password-from`` names.

    Raises:
        LocalProtocolError: no such source, or nothing there; what was written is not repeated, it may be the password.
    """
    kind, _, name = source.partition(":")
    match kind:
        case "-" if source == "-":
            return _asked()
        case "env" if name:
            if name not in os.environ:
                raise LocalProtocolError(
                    f"the environment variable {name} is not set",
                    hint=f"export {name}=... in this shell, or --password-from - to be asked",
                )
            return Secret(os.environ[name])
        case "file" if name:
            return Secret(read_private(name).rstrip(b"\r\n"))
        case "keyring" if name:
            return _from_keyring(name)
    raise LocalProtocolError("--password-from names no source", hint=_SOURCES)


def _asked() -> Secret:
    if sys.stdin.isatty():
        return Secret(click.prompt("Password", hide_input=True, err=True))
    return Secret(sys.stdin.readline().rstrip("\r\n"))


def _from_keyring(name: str) -> Secret:
    try:
        keyring = import_module("keyring")
    except ImportError as error:
        raise LocalProtocolError("the package keyring is not installed", hint="pip install keyring") from error
    found = keyring.get_password(SERVICE, name)
    if found is None:
        raise LocalProtocolError(
            f"the keyring holds nothing for {name}", hint=f"store it with: keyring set {SERVICE} {name}"
        )
    return Secret(found)


def read_private(path: str) -> bytes:
    """The octets of a file with secrets.

    Raises:
        PortError: it cannot be read.
    """
    try:
        return Path(path).expanduser().read_bytes()
    except FileNotFoundError:
        raise PortNotFound(f"{path}: no such file", layer="port", hint="check the name of the file") from None
    except PermissionError:
        raise PortDenied(f"{path} may not be read", layer="port", hint="check the permissions of the file") from None
    except OSError as error:
        raise PortError(f"{path}: {error.strerror or error}", layer="port") from error


def is_open_to_others(path: str) -> bool:
    """Whether other users of this computer may read the file."""
    try:
        return os.name == "posix" and bool(Path(path).expanduser().stat().st_mode & 0o077)
    except OSError:
        return False


class KeyFile:
    """The TOML file of ``--key-file``: keys and titles in hex, ``env:NAME`` for a key kept elsewhere.

    Known names: ``encryption authentication dedicated broadcast master system_title server_title ticket
    suite invocation_counter counter_file``. ``encryption`` is a must, or ``ticket``: the key of C12.21 authentication.

    Attributes:
        is_ticket: there is no other key than that.

    Raises:
        LocalProtocolError: no TOML, an unknown name, a key of the wrong length. No message repeats a value.
        PortError: it cannot be read.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        try:
            content = tomllib.loads(read_private(path).decode("utf-8"))
        except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            where = f": {error}" if isinstance(error, tomllib.TOMLDecodeError) else ""
            raise LocalProtocolError(f"{path} is no TOML{where}") from None
        content = content.get("keys", content)
        unknown = sorted(set(content) - set(_KNOWN)) if isinstance(content, dict) else ["keys"]
        if unknown:
            raise LocalProtocolError(f"{path}: {unknown[0]} is no name known", hint=f"known: {' '.join(_KNOWN)}")
        self.is_ticket = "ticket" in content and not set(content) & set(_KEYS)
        if "encryption" not in content and not self.is_ticket:
            raise LocalProtocolError(f"{path} holds no encryption key", hint='write encryption = "<32 hex digits>"')
        self._content: Mapping[str, object] = content
        self.counter_path = str(content.get("counter_file") or default_counter_path())
        self.names_counter = "invocation_counter" in content
        self._start = self._number("invocation_counter", 0)
        given = {name: self._secret(name) for name in _KEYS if name in content}
        titles = {name: self._octets(name) for name in _TITLES if name in content}
        suite = self._number("suite", 0)
        try:
            self._ticket = TicketKey(self._secret("ticket")) if "ticket" in content else None
            self._keys = None if self.is_ticket else Keys(**given, **titles, suite=suite)  # type: ignore[arg-type]
        except LocalProtocolError as error:
            where = "" if error.message.startswith(f"{path}: ") else f"{path}: "
            raise LocalProtocolError(f"{where}{error.message}", hint=error.hint) from None

    @property
    def keys(self) -> Keys:
        """All but the ticket key.

        Raises:
            LocalProtocolError: there is no other.
        """
        if self._keys is None:
            raise LocalProtocolError(f"{self.path} holds no encryption key", hint="its ticket key is for C12.18 alone")
        return self._keys

    @property
    def ticket(self) -> TicketKey:
        """The key of C12.21 authentication.

        Raises:
            LocalProtocolError: there is none.
        """
        if self._ticket is None:
            raise LocalProtocolError(
                f"{self.path} holds no ticket key, and C12.18 has no use for others",
                hint='write ticket = "<16 hex digits for DES, 32 for AES>"',
            )
        return self._ticket

    def _stored(self) -> tuple[CounterFile, str]:
        """The counter file, and a fingerprint of the key: a counter belongs to a title and a key."""
        mark = hashlib.sha256(b"metersdk counter" + bytes(self.keys.ek)).hexdigest()[:16]
        path = Path(self.counter_path).expanduser()
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise PortError(f"{path.parent}: {error.strerror or error}", layer="port") from error
        return CounterFile(path), mark

    def with_counter(self, start: int | None = None) -> Keys:
        """The keys with the counter kept on disk; ``start`` or the file's own value is where it begins at least."""
        store, mark = self._stored()
        first = self._start if start is None else start
        counter = store.counter(self.keys.system_title, mark, first)
        named = {name: getattr(self.keys, name) for name in (*_KEYS, *_TITLES, "suite")}
        return Keys(**named, invocation_counter=counter)

    def knows_counter(self) -> bool:
        """Whether a value to begin with is known: told in the file, or used before."""
        store, mark = self._stored()
        return self.names_counter or store.knows(self.keys.system_title, mark)

    def _secret(self, name: str) -> Secret:
        value = self._content[name]
        if not isinstance(value, str):
            raise LocalProtocolError(f"{self.path}: {name} is written as hex in quotes")
        if value.startswith("env:"):
            if value[4:] not in os.environ:
                raise LocalProtocolError(f"{self.path}: the environment variable of {name} is not set")
            value = os.environ[value[4:]]
        try:
            return Secret.from_hex(value)
        except LocalProtocolError:
            raise LocalProtocolError(f"{self.path}: {name} is not written in hexadecimal") from None

    def _octets(self, name: str) -> bytes:
        try:
            return bytes.fromhex(str(self._content[name]))
        except ValueError:
            raise LocalProtocolError(f"{self.path}: {name} is written in hex, 16 digits") from None

    def _number(self, name: str, default: int) -> int:
        value = self._content.get(name, default)
        if type(value) is not int:
            raise LocalProtocolError(f"{self.path}: {name} is a whole number")
        return value


def default_counter_path() -> Path:
    """Where invocation counters are kept: the user's state directory."""
    if os.name == "nt":
        home = Path(os.environ.get("LOCALAPPDATA", "~"))
    else:
        home = Path(os.environ.get("XDG_STATE_HOME") or "~/.local/state")
    return home.expanduser() / "metersdk" / "counters.json"
