"""The session of a meter in modes A to D: it sends all it has in one data message."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NoReturn, Protocol, TypeVar

from metersdk.apdu.dataset import DataSet
from metersdk.apdu.keys import Secret
from metersdk.dialog import ascii_session, iec62056_21, iec62056_21_readout
from metersdk.dialog.iec62056_21 import SignedOn, SignOn
from metersdk.dialog.iec62056_21_readout import Readout
from metersdk.dialog.programming import Programming, ProgrammingSettings, open_programming
from metersdk.dialog.session import Code
from metersdk.dialog.timing import Timing, limited
from metersdk.dialog.unserved import Unserved
from metersdk.effects import Dialog, Emit
from metersdk.errors import (
    Cancel,
    Finding,
    LocalProtocolError,
    MeterError,
    MeterReportedError,
    NoAnswer,
    RemoteProtocolError,
)
from metersdk.frame.buffer import ReceiveBuffer
from metersdk.frame.iec62056_21 import Identification
from metersdk.model.clock import DateTime
from metersdk.model.event import Event
from metersdk.model.identity import Identity
from metersdk.model.obis import Obis
from metersdk.model.profile import Profile
from metersdk.model.query import ProfileQuery
from metersdk.model.quirks import Quirks
from metersdk.model.reading import Reading
from metersdk.model.text import clock_of, is_at, readings_of

T = TypeVar("T")

# Where meters put their serial number in a readout, best first: C.1.0, 0.0.0, and the names of IEC 62056-61.
SERIAL_NUMBERS = ("C.1.0", "96.1.0", "C.1", "0.0.0", "0.0", "0.0.1")
# Seconds a data message may take in all: one that is kept, and one that is streamed.
_READOUT, _STREAM = 900.0, 7 * 86400.0
_ONE_MESSAGE = "a meter sends one message with all its registers; there are no single objects"


class Source(Protocol):
    """Where data messages come from."""

    @property
    def pending(self) -> bool:
        """One is on its way without being asked for."""

    @property
    def quirks(self) -> Quirks:
        """What is special about this meter, as far as it is known by now."""

    def next(self, *, keep: bool = True) -> Dialog[Readout]: ...
    def programming(self, wanted: ProgrammingSettings) -> Dialog[Programming]: ...
    def close(self) -> Dialog[None]: ...


class SignedOnSource:
    """Modes A to C: the meter sends its data message after each sign-on; ``signed`` is the first one, if it is made."""

    def __init__(self, signed: SignedOn | None, settings: SignOn, buffer: ReceiveBuffer) -> None:
        self._fresh = signed
        self._settings = settings if signed is None else signed.settings
        self._buffer = buffer

    @property
    def pending(self) -> bool:
        return self._fresh is not None

    @property
    def quirks(self) -> Quirks:
        return self._settings.quirks

    def next(self, *, keep: bool = True) -> Dialog[Readout]:
        # What is not kept may be of any size: only the caller's own time ends it, and the bound of a readout.
        total = _READOUT if keep else _STREAM
        signed, self._fresh = self._fresh or (yield from self._sign_on()), None
        try:
            return (yield from iec62056_21_readout.readout(signed, total=total, keep=keep))
        except NoAnswer:
            if not signed.fell_back:
                raise
        # A short data message at 300 Bd has gone by while HDLC, or the other speed, was tried.
        signed = yield from self._sign_on()
        return (yield from iec62056_21_readout.readout(signed, total=total, keep=keep))

    def programming(self, wanted: ProgrammingSettings) -> Dialog[Programming]:
        """Sign on anew, for programming mode."""
        self._fresh = None
        return open_programming(self._settings, self._buffer, wanted)

    def _sign_on(self) -> Dialog[SignedOn]:
        """For the data message: a meter that also offers HDLC is asked for mode C."""
        settings = self._settings
        plain = replace(settings, mode="C" if settings.mode == "E" else settings.mode, hdlc=False)
        signed = yield from iec62056_21.sign_on(plain, self._buffer)
        self._settings = signed.settings
        return signed

    def close(self) -> Dialog[None]:
        """B0, if the data message was not taken: a meter that has sent it has ended the session by itself."""
        if self._fresh is not None:
            yield from iec62056_21.sign_off(self._fresh)


class ReadoutSession(Unserved):
    """A meter and its data message, which is read when it is first needed."""

    def __init__(
        self, source: Source, identity: Identity, timing: Timing, password: Secret | bytes | str | None = None
    ) -> None:
        self._source = source
        self._identity = identity
        self._timing = timing
        self._password = password
        self._readout: Readout | None = None
        self._programming: Programming | None = None

    @property
    def name(self) -> str:
        return str(self._identity)

    def limited(self, dialog: Dialog[T]) -> Dialog[T]:
        return limited(dialog, self._timing)

    def iter_readout(self) -> Dialog[object]:
        """The data message, its data sets emitted and not kept."""
        home = yield from self._source.next(keep=False)
        yield from map(Emit, home.findings)
        return None

    def readout(self, strict: bool = False) -> Dialog[Readout]:
        """The data message; every call after the first signs on anew."""
        home = yield from self._source.next()
        for finding in home.findings:
            yield Emit(finding)
        if self._readout is None and home.identification is not None and self._identity.identification is None:
            self._identity = _identified(self._identity, home.identification)
        self._readout = home
        return iec62056_21_readout.conforming(home) if strict else home

    def programming(self, wanted: ProgrammingSettings) -> Dialog[Programming]:
        """Programming mode. The data message that is on its way already is heard out, and kept."""
        self._may_be_programmed()
        if self._source.pending:
            try:
                yield from self.readout()
            except (NoAnswer, RemoteProtocolError, MeterReportedError) as error:
                yield Emit(Finding("no-readout", f"before programming mode: {error.message}", error.layer))
        timing = self._timing
        timed = replace(wanted, response=timing.response, total=timing.total or wanted.total)
        self._programming = yield from self._source.programming(timed)
        return self._programming

    def _may_be_programmed(self) -> None:
        """A meter that said mode A or B would answer the sign-on with minutes of data, and hear nothing meanwhile."""
        identity = self._identity
        mode = identity.protocol.rpartition(":")[2]
        if identity.identification is not None and mode in ("A", "B") and not self._source.quirks.sessionless:
            raise LocalProtocolError(
                f"the meter speaks mode {mode}, which has no programming mode: no profiles, logs and single registers",
                hint="use registers() or readout(); where it takes mode C nevertheless: ?mode=C in the target",
            )

    def _held(self) -> Dialog[Readout]:
        return self._readout if self._readout is not None else (yield from self.readout())

    def identify(self) -> Dialog[Identity]:
        """With the serial number, which stands in the data message."""
        if self._identity.serial_number is None:
            found = _find((yield from self._held()), SERIAL_NUMBERS)
            self._identity = self._identity.model_copy(
                update={"serial_number": found.value.text.strip() if found else None}
            )
        return self._identity

    def telegrams(self, count: int | None) -> Dialog[object]:
        """This meter sends when it is asked."""
        raise LocalProtocolError(
            "telegrams are what a meter sends by itself; this one is asked", hint="readout() asks for the next one"
        )

    def registers(self) -> Dialog[list[Reading]]:
        home = yield from self._held()
        readings, findings = readings_of(home.data_sets)
        for finding in findings:
            yield Emit(finding)
        return list(readings)

    def read(self, obis: Code) -> Dialog[Reading]:
        code = Obis.parse(obis)
        for reading in (yield from self.registers()):
            if reading.obis == code:
                return reading
        raise LocalProtocolError(f"the readout of this meter holds no {code}", hint="see registers()")

    def clock(self) -> Dialog[DateTime]:
        """From 0.9.2 and 0.9.1, or 1.0.0; the meter's local time.

        Raises:
            LocalProtocolError: the readout holds no clock.
            DecodeError: not in a form known.
        """
        home = yield from self._held()
        found = clock_of(home.data_sets)
        if found is None:
            raise LocalProtocolError(
                "the readout of this meter holds no clock", layer="data", hint="use the time of this computer"
            )
        return found

    def get_profile(self, query: ProfileQuery) -> Dialog[Profile]:
        """From programming mode: P.01, unless the query names another."""
        return self._programmed(lambda opened: ascii_session.read_profile(opened, query, self._source.quirks))

    def iter_profile(self, query: ProfileQuery) -> Dialog[object]:
        """The same in pieces."""
        return self._programmed(lambda opened: ascii_session.iter_profile(opened, query, self._source.quirks))

    def events(self, query: ProfileQuery) -> Dialog[list[Event]]:
        """From programming mode: the log book P.98, unless the query names another."""
        return self._programmed(lambda opened: ascii_session.read_events(opened, query, self._source.quirks))

    def _programmed(self, make: Callable[[Programming], Dialog[T]]) -> Dialog[T]:
        """What ``make`` gives, in programming mode, which is left again."""
        opened = yield from self.programming(ProgrammingSettings(password=self._password))
        try:
            result = yield from make(opened)
        except (Cancel, MeterError):
            # Cancel: an iteration that was left between two pieces. The meter would wait for a command, deaf to 300 Bd.
            yield from opened.close()
            raise
        yield from opened.close()
        return result

    def _refuse(self, what: str) -> NoReturn:
        hint = "use registers() or read()"
        if any(protocol.startswith("dlms") for protocol in self._identity.protocols):
            hint += "; the meter offers mode E: connect(..., protocol='auto')"
        raise LocalProtocolError(f"{what}: over {self._identity.protocol} {_ONE_MESSAGE}", hint=hint)

    def close(self) -> Dialog[None]:
        """Never raises because of the line; what went wrong becomes a finding."""
        try:
            if self._programming is not None:
                yield from self._programming.close()
            yield from self._source.close()
        except MeterError as error:
            yield Emit(Finding("release", f"no good-bye to the meter: {error.message}", "line"))


def _identified(identity: Identity, said: Identification) -> Identity:
    return identity.model_copy(
        update={
            "manufacturer": said.manufacturer,
            "model": said.text,
            "identification": said.raw.decode("latin-1"),
        }
    )


def _find(home: Readout, addresses: Sequence[str]) -> DataSet | None:
    for address in addresses:
        for data_set in home.data_sets:
            if is_at(data_set, address):
                return data_set
    return None
