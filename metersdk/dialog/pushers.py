"""A line on which a meter speaks by itself: what it speaks, at which speed, and its telegrams one by one.

::

    tune ── octets ── recognised? ── yes ── next, next, ...           SML, mode D, P1, HDLC pushes; C12.18 is named
              │                      no ── the next speed, after a whole burst that was none

Nothing is ever sent. Silence tells nothing of the speed, so that a speed is left only for octets that make no sense at
it; a telegram that was joined amid is recognised all the same.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

from metersdk.apdu import axdr, sml, xdlms
from metersdk.apdu.cipher import is_protected
from metersdk.apdu.dataset import DataSet, DataSetParser
from metersdk.apdu.keys import Keys
from metersdk.dialog.iec62056_21_readout import Readout
from metersdk.dialog.passing import passed
from metersdk.dialog.push import PushReceiver
from metersdk.dialog.push_opener import PushOpener
from metersdk.effects import Answer, Dialog, Effect, Emit, Now, Push, Receive, Send, SetLine, State
from metersdk.errors import DecodeError, Finding, FrameError, LimitExceeded, NoAnswer, SecurityError
from metersdk.frame.buffer import ReceiveBuffer
from metersdk.frame.ciphered import CipheredScanner
from metersdk.frame.iec62056_21 import Identification, from_line, looks_slower
from metersdk.frame.recognise import Speech, recognise
from metersdk.frame.sml import SmlFrame, SmlScanner
from metersdk.frame.telegram import TelegramScanner, TextTelegram
from metersdk.model.clock import DateTime
from metersdk.model.identity import Identity
from metersdk.model.quirks import Quirks
from metersdk.model.reading import Reading
from metersdk.model.telegram import Telegram, from_notification, from_sml
from metersdk.model.text import clock_of, readings_of, serial_of

T = TypeVar("T")

# SML and many mode D meters; the speed of the standard's mode D, and of DLMS pushes; P1 from DSMR 4 on.
PUSH_BAUDS: Final = (9600, 2400, 115200, 19200, 4800, 300)
# A pause this long ends a burst: meters pause less within a telegram, and more between two.
_GAP: Final = 0.4
# Octets of one burst that are looked at before it counts as none of ours, and seconds: noise may fill every pause.
_BURST: Final = 4096
_BURST_TIME: Final = 6.0
# Octets a second that are more than light.
_DENSITY: Final = 30
# Fewer octets than this, burst after burst, tell nothing: they may be light.
_STRAY: Final = 8
# Octets that light may make while a meter is signed on to.
_LIGHT: Final = 3
_PUSH: Final = "dlms:push"
_BLOCK: Final = re.compile(rb"[\x01-\x04]")
_FLAG: Final = 0x7E
_NAMES: Final = {
    Speech.SML: "SML",
    Speech.TELEGRAM: "telegrams of IEC 62056-21 (mode D or P1)",
    Speech.HDLC: "HDLC frames",
    Speech.C1218: "ANSI C12.18 packets",
    Speech.CIPHERED: "ciphered telegrams (DLMS, general-glo-ciphering)",
}
# What a longer line or another paragraph is to a data block is none to P1, which has no such bounds.
_NO_MATTER: Final = frozenset(("line-length", "value-length", "value-on-next-line"))


@dataclass(frozen=True, slots=True)
class PushLine:
    """How to listen.

    Attributes:
        bauds: speeds to try, the likeliest first; none where there is no line.
        only: nothing else is wanted.
        hardware_parity: the port takes parity bits off itself.
        quirks: what is special about this meter.
        keys: open what is ciphered. Without an authentication key its tag is not checked, and a telegram in it is
            proved by its CRC alone.
        total: seconds to wait for a telegram.
    """

    bauds: tuple[int, ...] = PUSH_BAUDS
    only: Speech | None = None
    quirks: Quirks = field(default_factory=Quirks)
    keys: Keys | None = None
    total: float = 60.0


class Ear:
    """Counts what comes while something else is tried, but for an echo: somebody may speak by himself.

    A telegram of 115200 Bd leaves an octet or two at 300.
    """

    def __init__(self) -> None:
        self.heard = 0
        self._echo = b""

    @property
    def busy(self) -> bool:
        return self.heard > _LIGHT

    def over(self, dialog: Dialog[T]) -> Dialog[T]:
        """``dialog``, overheard."""
        return passed(dialog, self._carried)

    def _carried(self, effect: Effect) -> Dialog[Answer]:
        if isinstance(effect, Send):
            self._echo = effect.data
        answer = yield effect
        if isinstance(effect, Receive):
            same = _same(self._echo, answer)
            self._echo = self._echo[same:]
            self.heard += len(answer) - same
        return answer


def _same(one: bytes, other: bytes) -> int:
    """Octets at the head that are equal."""
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


class Pusher:
    """A meter that speaks by itself.

    Args:
        settings: how to listen.
        buffer: the octets of the line.

    Attributes:
        speech: what it speaks, once that is known.
        baud: the speed it was recognised at; None where there is no line.
        readout: the last telegram of mode D or P1 as it was sent.
    """

    def __init__(self, settings: PushLine, buffer: ReceiveBuffer) -> None:
        self.speech: Speech | None = None
        self.baud: int | None = settings.bauds[0] if settings.bauds else None
        self.readout: Readout | None = None
        self._settings = settings
        self._buffer = buffer
        self._sml = SmlScanner(buffer)
        self._text = TelegramScanner(buffer)
        self._hdlc = PushReceiver(buffer)
        self._ciphered = CipheredScanner(buffer)
        self._opener = None if settings.keys is None else PushOpener(settings.keys)
        self._joined = False

    def tune(self, deadline: float, *, first_by: float | None = None) -> Dialog[Speech]:
        """Find out what is spoken here; the octets that told it stay in the buffer.

        Raises:
            NoAnswer: silence until ``first_by``, or nothing that makes sense at any speed until ``deadline``.
            FrameError: C12.18, which nobody here reads.
        """
        turn = bursts = few = unknown = 0
        yield from self._set(turn)
        begun: float = yield Now()
        burst_by = deadline
        while True:
            now: float = yield Now()
            octets = bytes(self._buffer.view())
            # Light makes an octet now and then, a pusher hundreds at once.
            sparse = first_by is not None and unknown + len(octets) < _DENSITY * (first_by - begun)
            until = min(deadline, first_by) if sparse and first_by is not None else deadline
            if now >= until:
                raise self._silence(octets, unknown)
            data: bytes = yield Receive(min(until - now, _GAP) if octets else until - now)
            self._feed(data)
            if data and not octets:
                now = yield Now()
                burst_by = now + _BURST_TIME
            octets += data
            if data:
                speech = recognise(octets)
                if first_by is not None and speech is Speech.TELEGRAM and _BLOCK.search(from_line(octets)[0]):
                    # The blocks of a session that was left: no pusher frames its lines.
                    raise self._silence(octets, unknown)
                if speech is not None and self._settings.only in (None, speech):
                    return (yield from self._found(speech))
                if len(octets) < _BURST and now < burst_by:
                    continue
            unknown += len(octets)
            few += len(octets)
            if few >= _STRAY:
                bursts, few = bursts + 1, 0
                # A frame of HDLC that was joined amid ends in a flag, and tells nothing else: the next one will.
                if bursts > (_FLAG in octets[-2:]) and len(self._settings.bauds) > 1:
                    turn, bursts = self._next(turn, octets), 0
                    yield from self._set(turn)
            self._buffer.clear()

    def _feed(self, data: bytes) -> None:
        """Octets that nobody took are the oldest: they make room."""
        excess = len(self._buffer) + len(data) - self._buffer.limit
        if excess > 0:
            self._buffer.drop(excess)
        self._buffer.feed(data[-self._buffer.limit :])

    def _set(self, turn: int) -> Dialog[None]:
        bauds = self._settings.bauds
        if bauds:
            self.baud = bauds[turn % len(bauds)]
            yield SetLine(self.baud)

    def _next(self, turn: int, octets: bytes) -> int:
        """The next speed; a slower one at once where the octets say so."""
        bauds = self._settings.bauds
        for offset in range(1, len(bauds)):
            slower = bauds[(turn + offset) % len(bauds)]
            if self.baud and slower < self.baud and looks_slower(octets, self.baud / slower):
                return (turn + offset) % len(bauds)
        return (turn + 1) % len(bauds)

    def _found(self, speech: Speech) -> Dialog[Speech]:
        at = f" at {self.baud} Bd" if self.baud else ""
        yield Emit(State("pushed", f"{_NAMES[speech]}{at}"))
        if speech is Speech.C1218:
            raise FrameError(
                f"ANSI C12.18 is spoken on this line{at}",
                layer="frame",
                data=bytes(self._buffer.view()[:64]),
                hint="another reader talks to this meter; metersdk scan --kind c1218 shows its packets",
            )
        if speech is Speech.CIPHERED and self._opener is None:
            raise SecurityError(
                f"this meter ciphers what it sends{at}",
                layer="apdu",
                hint="ask the network operator for its key: keys=Keys(encryption=..., authentication=...), --key-file",
            )
        self.speech = speech
        return speech

    def _silence(self, octets: bytes, unknown: int) -> NoAnswer:
        if not unknown and not octets:
            return NoAnswer(
                "nothing is pushed here",
                layer="line",
                state="listening",
                retryable=True,
                hint="does this meter answer when asked (`metersdk identify`)? Probe straight? Some push only after a"
                " PIN, a switch, or over the request line of P1",
            )
        return NoAnswer(
            f"octets came ({unknown + len(octets)}), in no protocol that is known at these speeds",
            layer="line",
            state="listening",
            data=octets,
            retryable=True,
            hint="give ?baud=; P1 ports need an inverting cable; shade the probe",
        )

    def next(self, deadline: float) -> Dialog[Telegram]:
        """The next whole telegram; what is damaged is told by findings, and costs itself alone.

        Raises:
            NoAnswer: none by ``deadline``.
            FrameError: C12.18.
            SecurityError: it is ciphered, and no key opens it.
        """
        if self.speech is None:
            yield from self.tune(deadline)
        if self.speech is Speech.HDLC:
            return (yield from self._notification(deadline))
        while True:
            found = self._take(final=False)
            if found is None:
                now: float = yield Now()
                if now >= deadline:
                    raise NoAnswer(
                        "no whole telegram in time",
                        layer="line",
                        state="listening",
                        data=bytes(self._buffer.view()[:64]),
                        retryable=True,
                        hint="align the probe, shade it",
                    )
                data: bytes = yield Receive(min(_GAP, deadline - now) if len(self._buffer) else deadline - now)
                if data:
                    self._feed(data)
                    continue
                found = self._take(final=True) if len(self._buffer) else None
                if found is None:
                    continue
            telegram, findings = self._read(found)
            for finding in (*self._noise(), *findings):
                yield Emit(finding)
            if telegram is not None:
                self._joined = True
                return telegram

    @property
    def _scanner(self) -> SmlScanner | TelegramScanner | CipheredScanner:
        if self.speech is Speech.CIPHERED:
            return self._ciphered
        return self._sml if self.speech is Speech.SML else self._text

    def _take(self, *, final: bool) -> SmlFrame | TextTelegram | bytes | None:
        return self._scanner.take(final=final)

    def _noise(self) -> list[Finding]:
        scanner = self._scanner
        octets, scanner.noise = scanner.noise, 0
        if not octets:
            return []
        if not self._joined:
            return [Finding("joined-amid", f"{octets} octets before the first whole telegram", "line")]
        return [Finding("noise", f"{octets} octets between telegrams", "line", -1, "shade the probe")]

    def _read(self, found: SmlFrame | TextTelegram | bytes) -> tuple[Telegram | None, list[Finding]]:
        try:
            if isinstance(found, bytes):
                telegram = self._ciphered_telegram(found)
            else:
                telegram = self._sml_telegram(found) if isinstance(found, SmlFrame) else self._text_telegram(found)
        except (DecodeError, LimitExceeded) as error:
            hint = error.hint or "shade the probe"
            return None, [Finding("telegram-broken", f"a telegram is lost: {error.message}", "line", -1, hint)]
        told = telegram.identity.model_copy(update={"baud": self.baud})
        return replace(telegram, identity=told), list(telegram.findings)

    def _sml_telegram(self, frame: SmlFrame) -> Telegram:
        quirks = self._settings.quirks
        if frame.version != 1:
            raise DecodeError("an SML file in version 2 of the transport, which is not read", layer="frame")
        # Its messages prove themselves, whatever became of the octets around them.
        file = sml.decode(frame.payload, checksum=quirks.sml_checksum if frame.ok else "auto")
        notes: list[Finding] = []
        if not frame.ok:
            text = f"an SML file is damaged ({frame.reason.name.lower()}); a message in it proves itself"
            notes.append(Finding("sml-file-damaged", text, "frame", -1, "shade the probe, if it is often"))
        elif frame.check == "kermit":
            notes.append(Finding("sml-file-kermit", "SML files are checked by CRC-16/KERMIT instead of X.25", "frame"))
        telegram = from_sml(file, quirks, raw=frame.raw)
        return replace(telegram, findings=(*notes, *telegram.findings))

    def _text_telegram(self, found: TextTelegram) -> Telegram:
        if found.proved is False:
            raise DecodeError(f"its CRC is wrong: {found.crc:04X}", layer="frame")
        if found.damaged:
            raise DecodeError(f"{found.damaged} octets of wrong parity", layer="line")
        parser = DataSetParser()
        sets = (*parser.feed(found.body), *parser.finish())
        readings, notes = readings_of(sets)
        said = found.identification
        findings = (*said.findings, *(each for each in parser.findings if each.code not in _NO_MATTER), *notes)
        tail = "" if found.crc is None else f"{found.crc:04X}"
        self.readout = Readout(said, sets, found.body + b"!", found.proved, tail, True, findings, self.baud or 0)
        spoken = "p1" if found.is_p1 else "iec62056-21:D"
        told = _identity(said, spoken, serial_of(sets))
        return Telegram(spoken, readings, told, _time_of(sets), None, found.proved, findings, found.raw)

    def _ciphered_telegram(self, apdu: bytes) -> Telegram:
        assert self._opener is not None
        opened = self._opener.open(apdu)
        if opened.telegram is not None:
            telegram = self._text_telegram(opened.telegram)
            proved = opened.authentic or telegram.proved
        else:
            telegram = Telegram(_PUSH, self._pushed(opened.plain), Identity(protocols=(_PUSH,), protocol=_PUSH))
            proved = opened.authentic or None
        told = telegram.identity.model_copy(update={"system_title": opened.title.hex()})
        findings = (*opened.findings, *telegram.findings)
        return replace(telegram, identity=told, proved=proved, findings=findings, raw=apdu)

    def _pushed(self, apdu: bytes) -> tuple[Reading, ...]:
        unit = xdlms.decode(apdu)
        data = unit.data if isinstance(unit, xdlms.DataNotification) else b""
        return from_notification(axdr.decode_all(data)) if data else ()

    def _notification(self, deadline: float) -> Dialog[Telegram]:
        apdu = yield from self._hdlc.receive(deadline)
        yield Emit(Push(apdu))
        findings: list[Finding] = []
        readings: tuple[Reading, ...] = ()
        try:
            plain = apdu
            if is_protected(apdu) and self._opener is not None:
                opened = self._opener.open(apdu)
                plain, findings = opened.plain, [*opened.findings]
            if is_protected(plain):
                text = f"a ciphered push of {len(apdu)} octets"
                findings.append(Finding("push-ciphered", text, "apdu", -1, "it is kept on meter.pushes as it came"))
            else:
                readings = self._pushed(plain)
        except (DecodeError, LimitExceeded) as error:
            findings.append(Finding("telegram-broken", f"a push cannot be read: {error.message}", "apdu"))
        for finding in findings:
            yield Emit(finding)
        told = Identity(protocols=(_PUSH,), protocol=_PUSH, baud=self.baud)
        return Telegram(_PUSH, readings, told, proved=True, findings=tuple(findings), raw=apdu)


def _identity(said: Identification, spoken: str, serial: str | None) -> Identity:
    return Identity(
        manufacturer=said.manufacturer,
        model=said.text,
        serial_number=serial,
        identification=said.raw.decode("latin-1"),
        protocols=(spoken,),
        protocol=spoken,
    )


def _time_of(sets: tuple[DataSet, ...]) -> DateTime | None:
    """When the meter sent it; a time in no form known costs the time alone."""
    try:
        return clock_of(sets)
    except DecodeError:
        return None
