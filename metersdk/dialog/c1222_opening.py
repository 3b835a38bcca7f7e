"""From a connection to a session with an ANSI meter: messages of C12.22, Identify, Logon, Security."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from metersdk.apdu.c1222 import SecurityMode
from metersdk.apdu.c1222_titles import ApTitle
from metersdk.apdu.cipher import Keys, Security
from metersdk.dialog.c1219_connection import C1219Connection
from metersdk.dialog.c1219_family import FamilyChoice
from metersdk.dialog.c1219_settings import C1219Settings
from metersdk.dialog.c1222 import C1222Settings, C1222Transport
from metersdk.dialog.psem import Psem, PsemTiming
from metersdk.dialog.timing import Timing
from metersdk.effects import Dialog
from metersdk.errors import Cancel, LocalProtocolError, MeterError
from metersdk.frame.buffer import ReceiveBuffer
from metersdk.model.identity import Identity
from metersdk.model.quirks import Quirks

if TYPE_CHECKING:
    from metersdk.dialog.c1219_session import C1219Session

PROTOCOL: Final = "c1222"
# Seconds a session may rest, as asked for in Logon.
IDLE: Final = 60
# So long before that a meter is no longer counted on.
_MARGIN: Final = 0.5
_MODES: Final = {
    Security.NONE: SecurityMode.CLEAR,
    Security.AUTHENTICATED: SecurityMode.AUTHENTICATED,
    Security.ENCRYPTED: SecurityMode.CIPHERED,
    Security.AUTHENTICATED | Security.ENCRYPTED: SecurityMode.CIPHERED,
}


def c1222_settings(
    told: Mapping[str, object], *, keys: Keys | None, security: Security, datagram: bool, timing: Timing
) -> C1222Settings:
    """What a caller wrote: ``called``, ``calling``, ``key_id``, ``max_message``; keys and security as for DLMS.

    ``keys.encryption`` is the key of EAX', ``keys.counter`` gives the initialisation vectors.

    Raises:
        LocalProtocolError: no ApTitle, no number, or a security without its key.
    """
    mode = _MODES[security]
    if keys is not None and mode is SecurityMode.CLEAR:
        keys = None
    if keys is None and mode is not SecurityMode.CLEAR:
        raise LocalProtocolError(f"security {mode.name.lower()} needs a key", layer="association", hint="give keys")
    return C1222Settings(
        called=_title(told, "called"),
        calling=_title(told, "calling"),
        security=mode,
        key=None if keys is None else keys.ek,
        key_id=_number(told, "key_id", 0),
        vectors=None if keys is None else keys.counter,
        datagram=datagram,
        response=timing.response + timing.latency,
        max_message=_number(told, "max_message", 0) or None,
    )


def _title(told: Mapping[str, object], name: str) -> ApTitle | None:
    value = told.get(name)
    return ApTitle.parse(value if isinstance(value, ApTitle) else str(value)) if value else None


def _number(told: Mapping[str, object], name: str, default: int) -> int:
    value = told.get(name, default)
    if isinstance(value, int):
        return value
    text = str(value)
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise LocalProtocolError(f"{name}={text!r:.40}: a whole number is needed")
    return int(text)


class C1222Opener:
    """Sessions over one connection.

    Args:
        settings: titles, keys and limits.
        who: who logs on.
        buffer: the octets of the connection.
        timing: the caller's limits.
        quirks: what is special about this meter.
    """

    def __init__(
        self, settings: C1222Settings, who: C1219Settings, buffer: ReceiveBuffer, timing: Timing, quirks: Quirks
    ) -> None:
        self._settings = settings
        self._who = who
        self._buffer = buffer
        self._timing = timing
        self._choice = FamilyChoice(quirks, who.families)
        self._last: C1222Transport | None = None

    @property
    def quirks(self) -> Quirks:
        """What is special about this meter, as far as it is known by now."""
        return self._choice.quirks

    @property
    def idle(self) -> float | None:
        """As the meter said it to Logon; None: it never ends a session."""
        told = IDLE if self._last is None or self._last.idle is None else self._last.idle
        return told - _MARGIN if told else None

    def open(self) -> Dialog[tuple[Psem, Identity]]:
        """Identify, log on, show the password.

        Raises:
            NoAnswer: nobody speaks C12.22 here.
            AuthenticationFailed: the password is wrong; it is never tried again.
            SecurityError: the key is wrong, or the meter protects its answers otherwise.
        """
        if self._last is not None:
            # What answers a request of the session before is told from the answers of this one.
            self._settings = replace(self._settings, first_id=self._last.next_id)
        self._last = transport = C1222Transport(self._settings, self._buffer)
        psem = Psem(transport, PsemTiming(traffic=float(IDLE)))
        try:
            wanted = replace(self._who.sign_on(self.quirks), ask_padding=self._choice.padding, idle=IDLE)
            found = yield from psem.sign_on(wanted)
            yield from self._choice.look(psem)
        except (MeterError, Cancel) as error:
            self._choice.advise(error, self._who.key)
            yield from psem.close()
            raise
        return psem, Identity(
            identification=str(found), protocols=(PROTOCOL,), protocol=PROTOCOL, family=self.quirks.family or None
        )

    def close(self, psem: Psem) -> Dialog[None]:
        """Logoff and Terminate."""
        yield from psem.close()


def open_c1222(
    settings: C1222Settings, who: C1219Settings, buffer: ReceiveBuffer, timing: Timing, quirks: Quirks
) -> Dialog[C1219Session]:
    """A session with the meter on this connection.

    Raises:
        NoAnswer: nobody speaks C12.22 here.
        AuthenticationFailed: the password is wrong.
        SecurityError: the key is wrong, or an answer does not prove itself.
        RemoteProtocolError: what answers does not speak it well.
    """
    opener = C1222Opener(settings, who, buffer, timing, quirks)
    connection = C1219Connection(opener)
    yield from connection.open()
    # As in opening.py: the tables of C12.19 are loaded once there is a meter that has them.
    from metersdk.dialog.c1219_session import C1219Session

    return C1219Session(connection, timing, opener.quirks)
