"""Sessions with one ANSI meter, one after the other: a meter ends a session after some seconds of silence, and a line
may break off. What only reads is asked again in a new session.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol, TypeVar

from metersdk.apdu.psem import Response
from metersdk.dialog.psem import Psem
from metersdk.effects import Dialog, Emit, Now
from metersdk.errors import (
    AuthenticationFailed,
    ChecksumError,
    Finding,
    LinkError,
    LocalProtocolError,
    MeterError,
    NoAnswer,
    PsemError,
    RemoteProtocolError,
)
from metersdk.model.identity import Identity

T = TypeVar("T")

# Sessions in a row that bring nothing new.
_TRIES: Final = 3
# The meter is in another state than was thought, or asks for a new beginning.
_LOST: Final = (Response.ISSS, Response.RNO)


class Opener(Protocol):
    """Begins a session with a meter, from whatever state it is in."""

    @property
    def idle(self) -> float | None:
        """Seconds without a word after which the meter has ended the session; None: never."""

    def open(self) -> Dialog[tuple[Psem, Identity]]:
        """Signed and logged on; what was opened half-way is closed again before an error goes on."""

    def close(self, psem: Psem) -> Dialog[None]:
        """Say good-bye; never raises because of the meter."""


class C1219Connection:
    """The present session, and those after it.

    Attributes:
        identity: what the identification told, and the line.
        sessions: how many have been opened: whoever reads in parts asks whether it is still the same one.
    """

    def __init__(self, opener: Opener) -> None:
        self.identity = Identity()
        self.sessions = 0
        self._opener = opener
        self._psem: Psem | None = None
        self._heard = 0.0
        self._failures = 0
        self._refused = False

    @property
    def psem(self) -> Psem:
        """The present session."""
        if self._psem is None:
            raise LocalProtocolError("no session is open with this meter", hint="connect again")
        return self._psem

    def open(self) -> Dialog[None]:
        """Begin a session.

        Raises:
            LocalProtocolError: the password or the key was refused before.
            MeterError: as the opener.
        """
        self._psem = None
        if self._refused:
            raise LocalProtocolError(
                "the meter refused the password or key before; it is not tried again",
                layer="association",
                hint="connect again with the right one",
            )
        try:
            self._psem, self.identity = yield from self._opener.open()
        except AuthenticationFailed:
            self._refused = True
            raise
        self.sessions += 1
        self._heard = yield Now()

    def keep_asking(self, ask: Callable[[Psem], Dialog[T]]) -> Dialog[T]:
        """``ask``, again in a new session where the first broke off. For what may be asked twice: reading.

        Raises:
            MeterError: as ``ask``.
        """
        while True:
            try:
                result = yield from self.ask_once(ask)
            except MeterError as error:
                if not (yield from self._mended(error)):
                    raise
            else:
                self._failures = 0
                return result

    def ask_once(self, ask: Callable[[Psem], Dialog[T]]) -> Dialog[T]:
        """``ask`` in the present session; in a new one, if the meter has ended that for want of a word."""
        now: float = yield Now()
        idle = self._opener.idle
        if self._psem is None or (idle is not None and now - self._heard >= idle):
            yield from self._renew(
                "the meter ends a session after some seconds without a word", told=self._psem is None
            )
        result = yield from ask(self.psem)
        self._heard = yield Now()
        return result

    def _mended(self, error: MeterError) -> Dialog[bool]:
        """Whether there is a new session after ``error``."""
        if not _is_lost(error) or self._failures >= _TRIES:
            return False
        self._failures += 1
        try:
            yield from self._renew(error.message, told=True)
        except (NoAnswer, RemoteProtocolError, PsemError):
            return False
        return True

    def _renew(self, why: str, *, told: bool) -> Dialog[None]:
        if told:
            yield Emit(Finding("c12-session-renewed", f"a new session is begun: {why}", "link", hint="align the probe"))
        yield from self.open()

    def close(self) -> Dialog[None]:
        """Say good-bye, where the meter still listens."""
        psem, self._psem = self._psem, None
        if psem is None:
            return
        now: float = yield Now()
        idle = self._opener.idle
        if idle is None or now - self._heard < idle:
            yield from self._opener.close(psem)


def _is_lost(error: MeterError) -> bool:
    """Whether a new session may help."""
    if isinstance(error, PsemError):
        return error.response in _LOST
    return isinstance(error, NoAnswer | LinkError | ChecksumError)
