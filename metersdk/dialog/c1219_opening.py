"""From a silent line to a session with an ANSI meter: C12.18 packets, Identify, Negotiate, Logon, Authenticate and
Security.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from metersdk.apdu.psem import Identification
from metersdk.dialog.c1218_link import C1218Link, C1218Settings
from metersdk.dialog.c1219_connection import C1219Connection
from metersdk.dialog.c1219_family import FamilyChoice
from metersdk.dialog.c1219_session import C1219Session
from metersdk.dialog.c1219_settings import C1219Settings
from metersdk.dialog.psem import STANDARD_BAUDS, Psem, PsemTiming
from metersdk.dialog.timing import Timing
from metersdk.effects import Dialog
from metersdk.errors import Cancel, MeterError, NoAnswer, RemoteProtocolError
from metersdk.frame.buffer import ReceiveBuffer
from metersdk.model.identity import Identity
from metersdk.model.quirks import Quirks

PROTOCOL: Final = "c1218"
# So long before its traffic time-out a meter is no longer counted on.
_MARGIN: Final = 0.5
# Seconds for the good-bye of a session that the meter may have forgotten.
_FAREWELL: Final = 1.0
_DEFAULTS: Final = "psem-defaults"


class C1218Opener:
    """Sessions over an optical port, or over what carries its octets.

    Args:
        settings: who logs on, and what is offered.
        buffer: the octets of the line; an earlier protocol may have left some.
        timing: the caller's limits.
        quirks: what is special about this meter.
        is_line: there is a line, whose speed can be changed.
        retries: it is not known whether anybody speaks C12.18 here: a packet is sent so often again; None: as ever.
    """

    def __init__(
        self,
        settings: C1219Settings,
        buffer: ReceiveBuffer,
        timing: Timing,
        quirks: Quirks,
        *,
        is_line: bool = True,
        retries: int | None = None,
    ) -> None:
        self._settings = settings
        self._buffer = buffer
        self._timing = timing
        self._choice = FamilyChoice(quirks, settings.families)
        self._is_line = is_line
        self._retries = retries
        self._bauds = _speeds(settings) if is_line else ()
        self._last: C1218Link | None = None

    @property
    def quirks(self) -> Quirks:
        """What is special about this meter, as far as it is known by now."""
        return self._choice.quirks

    @property
    def idle(self) -> float | None:
        """C12.18: a meter ends a session after its traffic time-out."""
        return PsemTiming().traffic - _MARGIN

    def open(self) -> Dialog[tuple[Psem, Identity]]:
        """Sign on and log on; without other speeds where the line does not carry them.

        Raises:
            NoAnswer: nobody speaks C12.18 here.
            AuthenticationFailed: the password or the key is wrong; it is never tried again.
            SecurityError: the meter does not know the key.
            LocalProtocolError: the meter offers no authentication, or one for another key.
        """
        psem, found = yield from self._open()
        if self._bauds and any(finding.code == _DEFAULTS for finding in psem.findings):
            # Short packets at the first speed cost more than a second sign-on does.
            self._bauds = ()
            yield from psem.close()
            psem, found = yield from self._open()
        return psem, self._identity(psem, found)

    def close(self, psem: Psem) -> Dialog[None]:
        """Logoff and Terminate."""
        yield from psem.close()

    def _open(self) -> Dialog[tuple[Psem, Identification]]:
        link = C1218Link(self._link_settings(), self._buffer)
        psem = Psem(link)
        try:
            yield from self._reach(link)
            found = yield from self._signed_on(psem)
        except (MeterError, Cancel) as error:
            self._choice.advise(error, self._settings.key)
            yield from psem.close()
            if self._retries is not None and psem.identification is None and isinstance(error, RemoteProtocolError):
                # Octets of somebody else, or light.
                raise NoAnswer(error.message, layer="link", state="c1218", retryable=True) from error
            raise
        self._last, self._retries = link, None
        return psem, found

    def _reach(self, link: C1218Link) -> Dialog[None]:
        """Begin at the base speed. A meter that was left amid a session at another one hears nothing there."""
        last, self._last = self._last, None
        if last is not None and last.baud != link.settings.baud:
            # It may have ended the session by itself: that it does not answer tells nothing.
            last.settings = replace(last.settings, retries=0, response_timeout=_FAREWELL)
            farewell = Psem(last)
            farewell.state = "id"
            yield from farewell.close()
        yield from link.open()
        if last is not None:
            # The last ACK of that session may have been lost: then the meter repeats its good-bye at the old speed.
            link.other_baud = last.other_baud

    def _signed_on(self, psem: Psem) -> Dialog[Identification]:
        wanted = replace(
            self._settings.sign_on(self.quirks),
            ask_padding=self._choice.padding,
            bauds=self._bauds,
            recover=self._retries is None,
        )
        found = yield from psem.sign_on(wanted)
        yield from self._choice.look(psem)
        return found

    def _link_settings(self) -> C1218Settings:
        base = C1218Settings()
        return C1218Settings(
            baud=self._settings.baud,
            retries=base.retries if self._retries is None else self._retries,
            turnaround=self._timing.guard,
            wake_up=self.quirks.psem_wake_up,
            latency=self._timing.latency,
        )

    def _identity(self, psem: Psem, found: Identification) -> Identity:
        baud = self._last.baud if self._is_line and self._last is not None else None
        return Identity(
            identification=str(found),
            protocols=(PROTOCOL,),
            protocol=PROTOCOL,
            baud=baud,
            family=self.quirks.family or None,
        )


def _speeds(settings: C1219Settings) -> tuple[int, ...]:
    """The speeds to offer; none where there is only the one that the line has."""
    highest = settings.max_baud or max(STANDARD_BAUDS)
    known = tuple(baud for baud in STANDARD_BAUDS if settings.baud <= baud <= highest)
    return known if len(known) > 1 else ()


def open_c1218(
    settings: C1219Settings,
    buffer: ReceiveBuffer,
    timing: Timing,
    quirks: Quirks,
    *,
    is_line: bool = True,
    retries: int | None = None,
) -> Dialog[C1219Session]:
    """A session with the meter on this line.

    Raises:
        NoAnswer: nobody speaks C12.18 here.
        AuthenticationFailed: the password or the key is wrong.
        SecurityError: the meter does not know the key.
        LocalProtocolError: the meter offers no authentication, or one for another key.
        RemoteProtocolError: what answers does not speak it well.
    """
    opener = C1218Opener(settings, buffer, timing, quirks, is_line=is_line, retries=retries)
    connection = C1219Connection(opener)
    yield from connection.open()
    return C1219Session(connection, timing, opener.quirks)
