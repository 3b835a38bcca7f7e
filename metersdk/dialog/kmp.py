"""KMP, the reader's side: one question, one answer; and a meter that is read so as a session like any other."""

from __future__ import annotations

from typing import NoReturn, TypeVar

from metersdk.apdu import kmp
from metersdk.apdu.kmp import KmpRegister
from metersdk.dialog.session import Code
from metersdk.dialog.timing import Timing, limited
from metersdk.dialog.unserved import Unserved
from metersdk.effects import Dialog, Emit, Now, Progress, Receive, Send, SetLine, State
from metersdk.errors import DecodeError, Finding, FrameError, LocalProtocolError, NoAnswer
from metersdk.frame.buffer import ReceiveBuffer
from metersdk.frame.kmp import ANSWER, FRAME_LIMIT, KmpFrame, find_kmp
from metersdk.model.clock import DateTime
from metersdk.model.identity import Identity
from metersdk.model.obis import Obis
from metersdk.model.quantity import Unit, scaled, unit_from_symbol
from metersdk.model.reading import Reading

T = TypeVar("T")

PROTOCOL = "kmp"
BAUD = 1200
MANUFACTURER = "KAM"
# A damaged or missing answer is asked for again so often.
REPEATS = 3
_CHARACTER_BITS = 11
_TIME, _DATE = 1002, 1003

# Number -> OBIS code where there is one for it, and the name in the maker's technical descriptions. The codes are those
# of a heat meter; of a water meter 68 is its volume all the same.
REGISTERS: dict[int, tuple[str, str]] = {
    60: ("6-0:1.0.0", "Heat energy E1"),
    63: ("5-0:1.0.0", "Cooling energy E3"),
    61: ("", "Flow energy E4"),
    62: ("", "Return flow energy E5"),
    68: ("6-0:2.0.0", "Volume V1"),
    69: ("", "Volume V2"),
    80: ("6-0:8.0.0", "Power"),
    74: ("6-0:9.0.0", "Flow rate V1"),
    75: ("", "Flow rate V2"),
    86: ("6-0:10.0.0", "Flow temperature T1"),
    87: ("6-0:11.0.0", "Return temperature T2"),
    89: ("6-0:12.0.0", "Temperature difference T1-T2"),
    88: ("", "Temperature T3"),
    72: ("", "Mass V1"),
    73: ("", "Mass V2"),
    94: ("", "Control energy E2"),
    95: ("", "Tap water energy E6"),
    96: ("", "Heat energy E7"),
    97: ("", "Energy E8, m³ x T1"),
    110: ("", "Energy E9, m³ x T2"),
    64: ("", "Tariff register TA2"),
    65: ("", "Tariff register TA3"),
    84: ("", "Input VA"),
    85: ("", "Input VB"),
    1004: ("", "Operating hours"),
    99: ("", "Info code"),
    113: ("", "Info event counter"),
    _DATE: ("", "Date"),
    _TIME: ("", "Time"),
}
# Group C of codes that are the maker's own; D and E are the number.
_MAKERS_OWN = 240


def code_of(number: int) -> Obis:
    """The OBIS code of a register: its own, or ``6-0:240.D.E`` with its number in D and E."""
    known = REGISTERS.get(number, ("", ""))[0]
    return Obis.parse(known or f"6-0:{_MAKERS_OWN}.{number >> 8}.{number & 0xFF}")


def number_of(code: Obis) -> int:
    """The register with this code.

    Raises:
        LocalProtocolError: there is none.
    """
    if code.a == 6 and code.c == _MAKERS_OWN:
        return code.d << 8 | code.e
    for number, (known, _) in REGISTERS.items():
        if known and Obis.parse(known) == code:
            return number
    hint = f"see registers(); 6-0:{_MAKERS_OWN}.D.E is the register with the number D x 256 + E"
    raise LocalProtocolError(f"no register has the code {code}", hint=hint)


class KmpLine:
    """Questions and answers over one line."""

    def __init__(self, buffer: ReceiveBuffer, response: float, baud: int) -> None:
        self._buffer = buffer
        self._response = response
        self._baud = baud

    def ask(self, command: bytes) -> Dialog[bytes]:
        """The answer to a command, CID and data, proved by its CRC.

        Raises:
            NoAnswer: nothing after three repeats.
            FrameError: every answer was damaged; the error is that of the last one.
        """
        question = KmpFrame(command).encode()
        damage: FrameError | None = None
        for attempt in range(REPEATS + 1):
            if attempt:
                why = damage.message if damage else "no answer"
                yield Emit(Finding("kmp-repeated", f"asked again, {attempt} of {REPEATS}: {why}", "frame"))
            self._buffer.feed((yield Receive(0.0)))
            self._buffer.clear()
            yield Send(question)
            try:
                answer = yield from self._answer(command[0])
            except FrameError as error:
                damage = error
                continue
            if answer is not None:
                return answer
        if damage is not None:
            raise damage
        raise NoAnswer(
            "the meter does not answer",
            layer="frame",
            state="kmp",
            retryable=True,
            hint="turn the head upside down; its magnet or a button wakes the port; some models rest after a while",
        )

    def _answer(self, command: int) -> Dialog[bytes | None]:
        """One answer; None if none came in time."""
        now: float = yield Now()
        deadline = now + self._response + FRAME_LIMIT * _CHARACTER_BITS / self._baud
        silent_by = now + self._response
        while True:
            octets = bytes(self._buffer.view())
            found = find_kmp(octets, ANSWER)
            if found is not None:
                start, end = found
                self._buffer.drop(end)
                frame = KmpFrame.decode(octets[start:end])
                if frame.payload[:1] == bytes((command,)):
                    return frame.payload
                # An answer to an earlier question, that came late.
                continue
            if len(octets) > FRAME_LIMIT:
                self._buffer.drop(len(octets) - FRAME_LIMIT)
            now = yield Now()
            limit = deadline if ANSWER in octets else silent_by
            if now >= limit:
                return None
            self._buffer.feed((yield Receive(limit - now)))


def open_kmp(baud: int, timing: Timing, family: str | None, buffer: ReceiveBuffer) -> Dialog[KmpSession]:
    """Set the speed and ask for the serial number, so that it is known whether anybody is there.

    Raises:
        NoAnswer: nobody answered.
    """
    yield SetLine(baud)
    line = KmpLine(buffer, timing.response + timing.latency, baud)
    serial = kmp.serial_in((yield from line.ask(bytes((kmp.GET_SERIAL,)))))
    yield Emit(State("identified", f"KMP, serial number {serial}"))
    identity = Identity(
        manufacturer=MANUFACTURER,
        serial_number=serial,
        protocols=(PROTOCOL,),
        protocol=PROTOCOL,
        baud=baud,
        family=family,
    )
    return KmpSession(line, identity, timing)


class KmpSession(Unserved):
    """A meter that speaks KMP."""

    def __init__(self, line: KmpLine, identity: Identity, timing: Timing) -> None:
        self._line = line
        self._identity = identity
        self._timing = timing

    @property
    def name(self) -> str:
        return str(self._identity)

    def limited(self, dialog: Dialog[T]) -> Dialog[T]:
        return limited(dialog, self._timing)

    def identify(self) -> Dialog[Identity]:
        """With type and software revision as the model."""
        if self._identity.model is None:
            number, revision = kmp.type_in((yield from self._line.ask(bytes((kmp.GET_TYPE,)))))
            model = f"type {number:04X}" + (f", software {revision}" if revision else "")
            self._identity = self._identity.model_copy(update={"model": model})
        return self._identity

    def registers(self) -> Dialog[list[Reading]]:
        """All registers in ``REGISTERS`` that the meter has, eight to a question."""
        numbers = tuple(REGISTERS)
        readings: list[Reading] = []
        for at in range(0, len(numbers), kmp.REGISTERS_AT_ONCE):
            part = numbers[at : at + kmp.REGISTERS_AT_ONCE]
            answer = yield from self._line.ask(kmp.get_registers(part))
            readings += map(_reading, kmp.registers_in(answer))
            yield Emit(Progress(at + len(part), len(numbers), "objects"))
        return readings

    def read(self, obis: Code) -> Dialog[Reading]:
        number = number_of(Obis.parse(obis))
        for found in kmp.registers_in((yield from self._line.ask(kmp.get_registers((number,))))):
            if found.number == number:
                return _reading(found)
        raise LocalProtocolError(f"the meter has no register {number}", hint="see registers()")

    def clock(self) -> Dialog[DateTime]:
        """The meter's local time.

        Raises:
            DecodeError: it tells none.
        """
        answer = yield from self._line.ask(kmp.get_registers((_DATE, _TIME)))
        told = {each.number: each.value for each in kmp.registers_in(answer)}
        day, of_day = told.get(_DATE), told.get(_TIME)
        if day is None or of_day is None:
            raise DecodeError("the meter tells no date and time", layer="data")
        return DateTime.from_zst(f"{day!s:0>6}{of_day!s:0>6}")

    def _refuse(self, what: str) -> NoReturn:
        raise LocalProtocolError(f"{what}: over KMP there are registers only", hint="use registers() or read()")

    def close(self) -> Dialog[None]:
        """Nothing to say: every question stands for itself."""
        yield from ()


def _reading(found: KmpRegister) -> Reading:
    code = code_of(found.number)
    name = REGISTERS.get(found.number, ("", f"Register {found.number}"))[1]
    if isinstance(found.value, str | bytes):
        return Reading(obis=code, value=found.value, name=name)
    value = scaled(found.value, found.exponent)
    if not found.symbol:
        return Reading(obis=code, value=value, name=name)
    known = unit_from_symbol(found.symbol)
    if known is None:
        return Reading(obis=code, value=value, unit=Unit.OTHER, name=f"{name} [{found.symbol}]")
    unit, exponent = known
    return Reading(obis=code, value=scaled(value, exponent), unit=unit, name=name)
