"""Invocation counters that are never given twice, not even after a power cut.

A value used twice under one key repeats an initialisation vector, and AES-GCM then gives its key away. So a block of
values is reserved on disk, with fsync and under a lock, before the first of them is used; what a killed process had
left of its block is lost, which costs nothing of the 2**32.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from metersdk.errors import LocalProtocolError, PortError

LAST_COUNTER = 0xFFFFFFFF
# Values reserved by one write: an fsync each 64 requests.
BLOCK = 64


class CounterFile:
    """A store of counters: one JSON object, ``{"<system title hex>/<key id>": first value not reserved yet}``.

    Safe for several processes and threads; made with the first counter.

    Args:
        path: the file; ``<path>.lock`` beside it carries the lock.
        block: values reserved at once.
    """

    def __init__(self, path: str | os.PathLike[str], block: int = BLOCK) -> None:
        if block < 1:
            raise LocalProtocolError("a block of counters has at least one value", layer="port")
        self.path = Path(path)
        self.block = block

    def counter(self, title: bytes, key_id: str | int = 0, start: int = 0) -> StoredCounter:
        """The counter of a system title and a key; ``start`` is where it begins if the file does not know it."""
        return StoredCounter(self, f"{title.hex()}/{key_id}", start)

    def knows(self, title: bytes, key_id: str | int) -> bool:
        """Whether a value of this counter was ever given. Raises PortError: the file cannot be read."""
        try:
            return f"{title.hex()}/{key_id}" in self._read()
        except OSError as error:
            raise PortError(f"{self.path}: {error.strerror or error}", layer="port") from error

    def advance(self, title: bytes, key_id: str | int, minimum: int) -> None:
        """Never give a value below ``minimum`` again: the meter told that it has seen higher ones."""
        self.reserve(f"{title.hex()}/{key_id}", minimum, 0)

    def reserve(self, name: str, minimum: int, count: int) -> range:
        """Take ``count`` values, none of them below ``minimum``; on disk when this returns.

        Raises:
            LocalProtocolError: the 32 bits are used up, and the key must be changed.
            PortError: the file cannot be read, understood, or written.
        """
        try:
            with self._locked():
                values = self._read()
                first = max(values.get(name, 0), minimum)
                if first + min(count, 1) > LAST_COUNTER + 1:
                    raise LocalProtocolError(
                        "the invocation counter is used up", layer="port", hint="transfer a new encryption key"
                    )
                end = min(first + count, LAST_COUNTER + 1)
                self._write({**values, name: end})
                return range(first, end)
        except OSError as error:
            raise PortError(
                f"{self.path}: {error.strerror or error}", layer="port", hint="no counter is given that is not on disk"
            ) from error

    @contextmanager
    def _locked(self) -> Iterator[None]:
        # A file of its own: the lock must outlive the file that is replaced.
        lock = os.open(f"{self.path}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _lock(lock)
            yield
        finally:
            # Closing lets go of the lock.
            os.close(lock)

    def _read(self) -> dict[str, int]:
        try:
            text = self.path.read_text("utf-8")
        except FileNotFoundError:
            return {}
        try:
            values = json.loads(text)
            if not isinstance(values, dict) or not all(
                type(value) is int and 0 <= value <= LAST_COUNTER + 1 for value in values.values()
            ):
                raise ValueError
        except (ValueError, RecursionError):
            # Starting anew would repeat counters.
            raise PortError(
                f"{self.path} is no counter file",
                layer="port",
                hint="restore it, or start above the meter's own counter",
            ) from None
        return values

    def _write(self, values: dict[str, int]) -> None:
        fresh = self.path.with_name(f"{self.path.name}.new")
        with open(fresh, "w", encoding="utf-8") as file:
            json.dump(values, file, indent=1, sort_keys=True)
            file.flush()
            os.fsync(file.fileno())
        os.replace(fresh, self.path)
        if os.name == "posix":
            # The new name itself is on disk only when its directory is.
            folder = os.open(self.path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)


class StoredCounter:
    """Gives the values of one counter, each once, strictly rising; reserves a block whenever the last is used up."""

    def __init__(self, store: CounterFile, name: str, start: int) -> None:
        if not 0 <= start <= LAST_COUNTER:
            raise LocalProtocolError(f"invocation counter {start} does not fit 32 bits", layer="port")
        self._store = store
        self._name = name
        self._start = start
        self._lock = threading.Lock()
        self._owner = os.getpid()
        self._block: Iterator[int] = iter(())

    def next(self) -> int:
        """The next value; errors as ``CounterFile.reserve``."""
        with self._lock:
            if self._owner != os.getpid():
                # A forked child must not use up its parent's block.
                self._owner, self._block = os.getpid(), iter(())
            value = next(self._block, None)
            if value is None:
                self._block = iter(self._store.reserve(self._name, self._start, self._store.block))
                value = next(self._block)
            return value


if os.name == "posix":
    import fcntl

    def _lock(fd: int) -> None:
        fcntl.flock(fd, fcntl.LOCK_EX)
else:
    import msvcrt
    import time

    def _lock(fd: int) -> None:
        while True:
            try:
                # LK_LOCK gives up after ten tries, one a second.
                msvcrt.locking(fd, msvcrt.LK_LOCK, 1)  # type: ignore[attr-defined]
                return
            except OSError:
                time.sleep(0.01)


class UtcVectors:
    """Initialisation vectors of ANSI C12.22: the UTC time in seconds, each given once in a process, and rising.

    A ``Counter`` for ``Keys``. What tells apart two messages of one second is the number of the message besides.
    """

    _lock: ClassVar[threading.Lock] = threading.Lock()
    _last: ClassVar[int] = 0

    def next(self) -> int:
        """The time now, or one more than the last value where that was as late.

        Raises:
            LocalProtocolError: the clock is beyond 2106, and the 32 bits are used up.
        """
        with UtcVectors._lock:
            value = max(int(time.time()), UtcVectors._last + 1)
            if value > LAST_COUNTER:
                raise LocalProtocolError("the clock of this computer is beyond 2106", layer="port")
            UtcVectors._last = value
            return value
