"""The computer as the checks see it: files, links, processes, commands, registry, time; no check asks for more.

A tree of files under another root, and answers recorded elsewhere, do as well as the computer itself.
"""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from metersdk.port.host.line import Line

# What is read of a file of /proc or /sys at most.
_READ_LIMIT = 1 << 20


@dataclass(frozen=True, slots=True)
class Node:
    """What stat says of a device: ``device`` (major, minor), and where the node itself lies."""

    mode: int
    uid: int
    gid: int
    device: tuple[int, int] = (0, 0)
    is_character: bool = True
    filesystem: tuple[int, int] = (0, 0)
    inode: int = 0


@dataclass(frozen=True, slots=True)
class User:
    """Who runs this process, and the groups that it has now."""

    uid: int
    gid: int
    groups: frozenset[int]


class ComPort(Protocol):
    """A port as ``serial.tools.list_ports`` describes it, on systems without sysfs."""

    device: str
    description: str
    hwid: str
    vid: int | None
    pid: int | None
    serial_number: str | None
    manufacturer: str | None


class System:
    """This computer, or a copy of its files below ``root``.

    What is missing, and what this user may not see, is None: a check that needs to know which asks for it.
    """

    def __init__(self, root: str = "/", platform: str = sys.platform) -> None:
        self.root = root.rstrip("/")
        self.platform = platform
        self.pid = os.getpid()

    # files ------------------------------------------------------------------------------------------------------

    def read(self, path: str) -> str | None:
        """A small text file."""
        try:
            with open(self._real(path), "rb") as file:
                return file.read(_READ_LIMIT).decode("utf-8", "replace")
        except OSError:
            return None

    def names(self, path: str) -> list[str] | None:
        """What a directory holds, sorted."""
        try:
            return sorted(os.listdir(self._real(path)))
        except OSError:
            return None

    def link(self, path: str) -> str | None:
        """Where a link points, as it is written."""
        try:
            return os.readlink(self._real(path))
        except OSError:
            return None

    def resolve(self, path: str) -> str:
        """The path behind all links; what does not exist stays as it is."""
        real = os.path.realpath(self._real(path))
        root = os.path.realpath(self.root) if self.root else ""
        return real.removeprefix(root) or "/"

    def exists(self, path: str) -> bool:
        """Whether it is there, links followed."""
        return os.path.exists(self._real(path))

    def node(self, path: str) -> Node | None:
        """What stat says."""
        try:
            found = os.stat(self._real(path))
        except (OSError, ValueError):
            return None
        device, filesystem = ((os.major(it), os.minor(it)) for it in (found.st_rdev, found.st_dev))
        mode, character = stat.S_IMODE(found.st_mode), stat.S_ISCHR(found.st_mode)
        return Node(mode, found.st_uid, found.st_gid, device, character, filesystem, found.st_ino)

    def may_open(self, path: str) -> bool:
        """Whether this user may read and write it; access lists count, and root may always."""
        return os.access(self._real(path), os.R_OK | os.W_OK)

    def may_write(self, path: str) -> bool:
        """Whether this user may write it."""
        return os.access(self._real(path), os.W_OK)

    def write(self, path: str, text: str) -> None:
        """Write a file of /sys; OSError where it cannot."""
        with open(self._real(path), "w", encoding="utf-8") as file:
            file.write(text)

    def remove(self, path: str) -> None:
        """Remove a file; OSError where it cannot."""
        os.unlink(self._real(path))

    # processes and users ----------------------------------------------------------------------------------------

    def user(self) -> User:
        """Who runs this process."""
        if not hasattr(os, "getuid"):
            return User(-1, -1, frozenset())
        return User(os.geteuid(), os.getegid(), frozenset((*os.getgroups(), os.getegid())))

    def run(self, command: Iterable[str], timeout: float = 5.0) -> str | None:
        """What a command prints; None where there is no such command, it fails, or takes longer."""
        with suppress(OSError, subprocess.SubprocessError):
            done = subprocess.run(
                [*command], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, check=False
            )
            # lsof says 1 where it has found nothing, or only a part.
            return done.stdout if done.returncode == 0 or done.stdout else None
        return None

    def registry(self, key: str) -> dict[str, object] | None:
        """The values of a key below HKEY_LOCAL_MACHINE."""
        from metersdk.port.host.windows_registry import values_of

        return values_of(key)

    def registry_keys(self, key: str) -> list[str]:
        """The names of the keys below a key of HKEY_LOCAL_MACHINE."""
        from metersdk.port.host.windows_registry import keys_of

        return keys_of(key)

    # ports ------------------------------------------------------------------------------------------------------

    def com_ports(self) -> list[ComPort]:
        """The serial ports as pyserial lists them."""
        from serial.tools.list_ports import comports

        return list(comports())

    def open_line(self, path: str) -> Line:
        """The device, opened; nothing of it is changed yet. OSError as the system gives it."""
        if self.platform == "win32":
            from metersdk.port.host.windows_line import WindowsLine

            return WindowsLine(path)
        from metersdk.port.host.posix_line import PosixLine

        return PosixLine(self._real(path))

    # time -------------------------------------------------------------------------------------------------------

    def now(self) -> float:
        """Monotonic seconds."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        time.sleep(seconds)

    def _real(self, path: str) -> str:
        return self.root + path if self.root else path
