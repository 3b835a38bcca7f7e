"""What was learned of probes and meters, kept from one session to the next in one small JSON file.

The file carries a mark, ``"metersdk_memory": 1``. One without it is somebody else's, unless it is empty: it tells
nothing, and is left as it is. What cannot be read or written never fails a reading. ``METERSDK_STATE`` names another
file; set and empty, nothing is kept.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from metersdk.port.target import Address

VARIABLE = "METERSDK_STATE"
# Entries of one section; the one not used for longest goes first.
_KEPT = 200
_MARK = "metersdk_memory"
_VERSION = 1
# A file larger than this is not ours: neither read nor replaced. Octets.
_LIMIT = 1 << 20
_BY_ID = "/dev/serial/by-id"

Values = Mapping[str, object]


class MemoryFile:
    """Sections of entries by name: ``{"probes": {"<by-id name>": {...}}, "meters": {"<identification>": {...}}}``."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    def get(self, section: str, key: str) -> dict[str, object]:
        """What is known; empty if nothing is."""
        return dict(_entry(self._read(), section).get(key) or {})

    def put(self, section: str, key: str, values: Values) -> None:
        """Keep ``values``, empty ones forget the entry. The file is replaced whole, or not at all."""
        found = self._load()
        if found is None:
            return
        content = _sections(found)
        entries = _entry(content, section)
        entries.pop(key, None)
        if values:
            # Last in the file is last in use.
            entries[key] = dict(values)
        for oldest in list(entries)[:-_KEPT]:
            del entries[oldest]
        self._write({**content, section: entries})

    def sections(self) -> dict[str, dict[str, dict[str, object]]]:
        """All that is kept."""
        return self._read()

    @property
    def is_ours(self) -> bool:
        """Whether the file may be replaced: it is not there, is empty, or carries the mark."""
        return self._load() is not None

    def forget(self) -> None:
        """Forget everything."""
        if self._load() is None:
            return
        try:
            self.path.unlink(missing_ok=True)
        except OSError:
            pass

    def _read(self) -> dict[str, dict[str, dict[str, object]]]:
        return _sections(self._load() or {})

    def _load(self) -> dict[str, object] | None:
        """What the file holds, nothing if there is none; None where it is not ours to replace."""
        try:
            if not self.path.exists():
                return {}
            if not self.path.is_file():
                return None
            with open(self.path, "rb") as file:
                octets = file.read(_LIMIT + 1)
            if not octets:
                return {}
            content = json.loads(octets) if len(octets) <= _LIMIT else None
        except (OSError, ValueError, RecursionError):
            return None
        return content if isinstance(content, dict) and content.get(_MARK) == _VERSION else None

    def _write(self, content: Mapping[str, object]) -> None:
        fresh = self.path.with_name(f"{self.path.name}.{os.getpid()}.new")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            fresh.write_text(json.dumps({_MARK: _VERSION, **content}, indent=1), "utf-8")
            os.replace(fresh, self.path)
        except (OSError, ValueError):
            try:
                fresh.unlink(missing_ok=True)
            except OSError:
                pass


def _sections(content: Mapping[str, object]) -> dict[str, dict[str, dict[str, object]]]:
    return {
        str(section): {str(key): values for key, values in entries.items() if isinstance(values, dict)}
        for section, entries in content.items()
        if isinstance(entries, dict)
    }


def _entry(content: dict[str, dict[str, dict[str, object]]], section: str) -> dict[str, dict[str, object]]:
    return content.get(section) or {}


def default_path() -> Path | None:
    """Where this platform keeps the state of programs; None where ``METERSDK_STATE`` is set and empty."""
    told = os.environ.get(VARIABLE)
    if told is not None:
        return Path(told) if told else None
    try:
        home = Path.home()
    except RuntimeError:
        return None
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = home / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_STATE_HOME") or home / ".local" / "state")
    return base / "metersdk" / "line.json"


def memory_for(address: Address, wanted: bool | str | os.PathLike[str] | None) -> MemoryFile | None:
    """The memory of a connection: a file that is named, the default one for probes and heads, or none.

    ``wanted=None`` keeps what is learned of serial devices, RFC 2217 servers and heads behind sockets.
    """
    if wanted is False:
        return None
    if wanted is None and not (address.is_line and address.scheme in ("serial", "rfc2217", "tcp")):
        return None
    path = default_path() if wanted is None or wanted is True else Path(wanted)
    return None if path is None else MemoryFile(path)


def probe_of(address: Address) -> str:
    """The name of a probe that stays: below /dev/serial/by-id where it has one, else that of its port."""
    if address.scheme != "serial":
        return str(address)
    real = os.path.realpath(address.path)
    try:
        for name in sorted(os.listdir(_BY_ID)):
            if os.path.realpath(f"{_BY_ID}/{name}") == real:
                return name
    except OSError:
        pass
    # Unplugged it has its name nevertheless.
    return os.path.basename(address.path) if os.path.dirname(address.path) == _BY_ID else address.path
