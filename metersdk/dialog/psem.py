"""PSEM, the client's side: a session from the first Identify to the last good-bye.

What goes wrong on the way is made up for where the standard says how: a session that does not stand after Negotiate is
begun again with the defaults, and one that the meter gave up (rno) is begun again, too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from metersdk.apdu.keys import Secret
from metersdk.apdu.psem import Identification, Plain, Request, Response, Service, TimingSetup
from metersdk.apdu.psem_codes import BAUD_CODES
from metersdk.apdu.psem_security import Padding
from metersdk.dialog.psem_services import STANDARD_BAUDS as STANDARD_BAUDS
from metersdk.dialog.psem_services import Access as Access
from metersdk.dialog.psem_services import Link as Link
from metersdk.dialog.psem_services import PsemServices
from metersdk.dialog.psem_services import PsemTiming as PsemTiming
from metersdk.dialog.psem_services import Transport as Transport
from metersdk.effects import Dialog, Emit, Sleep, State
from metersdk.errors import (
    ChecksumError,
    DecodeError,
    LimitExceeded,
    LinkError,
    MeterError,
    NoAnswer,
    PortClosed,
    PsemError,
    RemoteProtocolError,
)

# Sessions in the place of one that the meter gave up (rno), at most.
_RENEWALS = 3
# What says that this meter has no such service, or not with these parameters, and nothing about the rest.
_NOT_SERVED = (Response.ERR, Response.SNS, Response.ONP, Response.IAR)
# What says that the meter is in another state than base.
_ELSEWHERE = (Response.ISSS, Response.RNO)
_READ, _LOGON = Service.READ, Service.LOGON


@dataclass(frozen=True, slots=True)
class SignOn:
    """How a session is begun.

    Attributes:
        user_id: what the meter writes down as who it was.
        user: the same as text, at most 10 characters.
        password: None: what everybody may read.
        padding: what fills the password up to 20 octets.
        ask_padding: the same, asked once the session is logged on; it may read what everybody may.
        key: for the authentication of C12.21, 8 octets (DES) or 16 (AES). With a password, too, it comes first: a meter
            that does not know the key is shown no password.
        key_id: the number under which the meter knows it.
        packet_size, packets, bauds: offered in Negotiate; no speeds: it stays as it is.
        negotiate: False: the defaults are good enough.
        timing: asked for by Timing set-up (C12.21).
        idle: idle time-out of the session in seconds (C12.22).
        recover: a meter that does not answer at first may be amid a session at another speed, which somebody left
            without a word: it is given the time to forget it, and asked once more.
    """

    user_id: int = 1
    user: str = "metersdk"
    password: Secret | None = None
    padding: Padding = "nul"
    ask_padding: Callable[[Psem], Dialog[Padding]] | None = field(default=None, repr=False, compare=False)
    key: Secret | None = field(default=None, repr=False)
    key_id: int = 0
    packet_size: int = 1024
    packets: int = 255
    bauds: tuple[int, ...] = ()
    negotiate: bool = True
    timing: TimingSetup | None = None
    idle: int | None = None
    recover: bool = False


class Psem(PsemServices):
    """A session with one meter."""

    def __init__(self, transport: Transport, timing: PsemTiming | None = None) -> None:
        super().__init__(transport, timing)
        self._wanted: SignOn | None = None
        self._renewals = 0

    def sign_on(self, wanted: SignOn) -> Dialog[Identification]:
        """Identify, Timing set-up, Negotiate, Logon, Authenticate, Security, as far as they are wanted.

        A session that does not stand after Negotiate (wrong speed, packets too long for somebody on the way) is begun
        again with the defaults, and told as a finding.

        Raises:
            AuthenticationFailed: the password or the key is wrong; it is never tried again.
            SecurityError: the meter does not know the key.
            LocalProtocolError: the meter offers no authentication, or one for another key.
            PsemError: a service was refused.
        """
        found = yield from self._identified(wanted.recover)
        yield Emit(State("identified", str(found)))
        if wanted.timing is not None:
            try:
                yield from self.timing_setup(wanted.timing)
            except PsemError as error:
                if error.response not in _NOT_SERVED:
                    raise
                yield from self._note("psem-timing", f"the meter keeps its own times: {error.message}")
        changed = False
        if wanted.negotiate and isinstance(self._transport, Link):
            changed = yield from self._negotiated(wanted)
        try:
            yield from self.logon(wanted.user_id, wanted.user, wanted.idle)
        except (NoAnswer, RemoteProtocolError) as error:
            if not changed or isinstance(error, LimitExceeded):
                raise
            yield from self._start_over(f"no session after Negotiate: {error.message}")
            yield from self.logon(wanted.user_id, wanted.user, wanted.idle)
        if wanted.key is not None:
            yield from self.authenticate(wanted.key, wanted.key_id)
        if wanted.password is not None:
            ask = wanted.ask_padding
            yield from self.security(wanted.password, wanted.padding if ask is None else (yield from ask(self)))
        yield Emit(State("associated", f"logged on as {wanted.user_id} {wanted.user!r}"))
        self._wanted = wanted
        return found

    def close(self) -> Dialog[None]:
        """Say good-bye from whatever state; what goes wrong in it no longer counts."""
        try:
            if self.state == "session":
                try:
                    yield from self._once(Plain(Service.LOGOFF))
                except (LinkError, ChecksumError, DecodeError):
                    # Its answer was lost behind that to a request that was interrupted. Terminate holds in any state.
                    pass
                self.state = "id"
            if self.state == "id":
                yield from self.terminate()
        except PortClosed:
            return
        except MeterError:
            yield from self._reset()

    def _identified(self, recover: bool) -> Dialog[Identification]:
        """Identify, also a meter that is still in the session of somebody who left without a word."""
        try:
            return (yield from self.identify())
        except PsemError as error:
            if error.response not in _ELSEWHERE:
                raise
            yield from self._note("psem-old-session", "the meter was still in an earlier session; that was ended")
            try:
                yield from self.terminate()
            except (PsemError, NoAnswer, RemoteProtocolError):
                yield from self._pause()
        except (NoAnswer, RemoteProtocolError) as error:
            if not recover or isinstance(error, LimitExceeded):
                raise
            yield from self._note("psem-no-identification", f"{error.message}; asked again after a pause")
            yield from self._pause()
        return (yield from self.identify())

    def _pause(self) -> Dialog[None]:
        """Be silent until the meter has forgotten whatever was, and be at the defaults as it is."""
        yield Sleep(self._timing.recovery)
        yield from self._reset()

    def _negotiated(self, wanted: SignOn) -> Dialog[bool]:
        """Negotiate as well as it goes -> whether anything has changed."""
        offers, again = list(dict.fromkeys((wanted.bauds, ()))), False
        while offers:
            bauds = offers[0]
            try:
                agreed = yield from self.negotiate(wanted.packet_size, wanted.packets, bauds)
            except PsemError as error:
                if error.response in _ELSEWHERE and not again:
                    # An answer of which it believed that we had it: it waited at another speed, and gave up.
                    again = True
                    yield from self._note("psem-renegotiated", "the meter had gone back to its base state")
                    yield from self._reset()
                    yield from self._identified(recover=False)
                    continue
                if error.response not in _NOT_SERVED:
                    raise
                what = "these speeds" if bauds else "longer packets"
                yield from self._note("psem-not-negotiated", f"the meter refuses {what}: {error.message}")
                del offers[0]
                continue
            except (NoAnswer, RemoteProtocolError) as error:
                yield from self._start_over(error.message)
                return False
            speed = f", {BAUD_CODES[agreed.baud]} Bd" if bauds and agreed.baud else ""
            yield Emit(State("negotiated", f"{agreed.packets} packets of {agreed.packet_size} octets{speed}"))
            return True
        return False

    def _start_over(self, why: str) -> Dialog[None]:
        """Wait until the meter has forgotten the session, and identify again with the defaults."""
        yield from self._note(
            "psem-defaults", f"{why}; it goes on with the default packets and speed", "offer less, or another probe"
        )
        yield from self._pause()
        yield from self.identify()

    def _renewed(self, request: Request) -> Dialog[bool]:
        wanted = self._wanted
        # Reading and writing alone: whatever else was said is part of a session that is no more.
        if wanted is None or not _READ <= request.encode()[0] < _LOGON or self._renewals >= _RENEWALS:
            return False
        self._wanted = None
        self._renewals += 1
        yield from self._note("psem-renegotiated", "the meter asked for a new session, and got it")
        yield from self._reset()
        yield from self.sign_on(wanted)
        return True
