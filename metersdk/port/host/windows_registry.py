"""Keys of HKEY_LOCAL_MACHINE; nothing is found on other systems."""

from __future__ import annotations

import sys
from typing import Any


def _machine() -> Any:
    if sys.platform != "win32":
        return None
    import winreg

    return winreg


def values_of(key: str) -> dict[str, object] | None:
    """The values of a key; None where it cannot be read."""
    winreg = _machine()
    if winreg is None:
        return None
    try:
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, key) as opened:
            count = winreg.QueryInfoKey(opened)[1]
            return {name: value for name, value, _ in (winreg.EnumValue(opened, i) for i in range(count))}
    except OSError:
        return None


def keys_of(key: str) -> list[str]:
    """The names of the keys below a key."""
    winreg = _machine()
    if winreg is None:
        return []
    try:
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, key) as opened:
            return [winreg.EnumKey(opened, i) for i in range(winreg.QueryInfoKey(opened)[0])]
    except OSError:
        return []
