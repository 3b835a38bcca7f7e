"""Programming mode of IEC 62056-21, the reader's side (6.4.3): sign on, password, read, write, execute, sign off.

::

    open_programming ── ACK 0 Z 1 ── P0 (operand) ── P1 (password) or P2 (result) ── ACK ── Programming
        read            R1 R2     one message
        read_blocks     R3 to R6  partial blocks, each proved, acknowledged and handed out
        write, execute  W1 to W5, E2
        close           B0, or B1

A damaged message is asked for again with NAK, three times at most; one that breaks off, or does not come, once. A
reading that fails so begins anew in another session, once. What writes is sent again only if the meter says NAK; a
password only if it was taken before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, NoReturn, TypeVar

from metersdk.apdu.dataset import DataSet, parse, raise_error_message
from metersdk.apdu.keys import Secret
from metersdk.apdu.secure import Algorithm, algorithm_for
from metersdk.dialog.iec62056_21 import PROGRAMMING, SignedOn, SignOn, recover, sign_off, sign_on
from metersdk.dialog.optical import OpticalLine
from metersdk.dialog.programming_commands import (
    VALUE,
    Values,
    command_of,
    computed,
    groups,
    in_parts,
    inside,
    refusal,
    secrets_in,
)
from metersdk.dialog.programming_line import REPEATS, ProgrammingLine, Silence
from metersdk.effects import Dialog, Emit, Hide, Now, Progress, State
from metersdk.errors import (
    AuthenticationFailed,
    Cancel,
    ChecksumError,
    FrameError,
    LimitExceeded,
    LocalProtocolError,
    MeterError,
    MeterReportedError,
    NoAnswer,
    PartialResult,
    PortError,
    ServiceError,
)
from metersdk.frame.buffer import ReceiveBuffer
from metersdk.frame.iec62056_21 import Command, Request
from metersdk.frame.iec62056_21_answer import Answer

T = TypeVar("T")
# All blocks of one answer; the same as of a readout.
TEXT_LIMIT = 16 << 20
# Partial blocks without a character, one after the other, before it is enough.
_EMPTY_BLOCKS = 3


@dataclass(frozen=True, slots=True)
class ProgrammingSettings:
    """What the caller wants of programming mode; how the meter does it stands in its ``Quirks``.

    Attributes:
        password: None reads without one, as far as the meter allows it.
        level: 1: the password goes as it is, in P1; 2: through the algorithm, in P2; None: as the meter's family does.
        algorithm: for P2: a function, or the name of one; None: that of the family.
        write: allows ``write`` and ``execute``.
        response: seconds until an answer begins.
        total: seconds for one call in all; at 300 Bd 25 kB take 900.
        repeats: so often a damaged message is asked for again (own choice; the standard names no number).
        repeat_password: send it again when the meter says NAK. Some mean a damaged message by that, some a wrong
            password, and count it; left out, only a password that was taken before is sent again.
    """

    password: Secret | bytes | str | None = None
    level: Literal[1, 2] | None = None
    algorithm: Algorithm | str | None = None
    write: bool = False
    response: float = 5.0
    total: float = 900.0
    repeats: int = REPEATS
    repeat_password: bool = False

    def __post_init__(self) -> None:
        if self.password is not None:
            object.__setattr__(self, "password", Secret(self.password))
        if self.level not in (None, 1, 2):
            raise LocalProtocolError(f"there is no password level {self.level}", hint="1 (P1) or 2 (P2)")
        if isinstance(self.algorithm, str):
            object.__setattr__(self, "algorithm", algorithm_for(self.algorithm))


@dataclass(frozen=True, slots=True)
class Block:
    """Emitted for each block of an answer once its BCC has proved it.

    ``offset`` counts octets from the first block on; ``last``: no other follows.
    """

    number: int
    offset: int
    text: bytes
    last: bool


def open_programming(
    settings: SignOn | SignedOn,
    buffer: ReceiveBuffer | None = None,
    programming: ProgrammingSettings | None = None,
) -> Dialog[Programming]:
    """Sign on for programming mode, and give the password if there is one.

    A meter that signed on for programming already (``SignOn.option`` 1) goes on from there; one that signed on for
    something else is told B0, and called again. Nothing is sent to a family that takes commands without a session.

    Raises:
        AuthenticationFailed: the meter refused the password. It was sent once.
        MeterReportedError: the meter has no programming mode.
        NoAnswer: nobody answered.
    """
    wanted = programming or ProgrammingSettings()
    if isinstance(settings, SignOn):
        session = Programming(settings, buffer if buffer is not None else ReceiveBuffer(), wanted)
        yield from session.begin()
        return session
    signed = settings
    session = Programming(signed.settings, signed.line.buffer, wanted)
    if signed.acknowledged is not None and signed.acknowledged.option == PROGRAMMING:
        yield from session.begin(signed)
        return session
    if signed.mode == "C":
        yield from sign_off(signed)
    yield from session.begin()
    return session


@dataclass(slots=True)
class _Home:
    """The blocks of one answer so far."""

    pieces: list[bytes] = field(default_factory=list)
    octets: int = 0

    def add(self, text: bytes) -> None:
        if text:
            self.pieces.append(text)
        self.octets += len(text)
        if self.octets > TEXT_LIMIT:
            raise LimitExceeded(f"an answer of more than {TEXT_LIMIT} octets", layer="data", offset=TEXT_LIMIT)

    @property
    def text(self) -> bytes:
        return b"".join(self.pieces)


class Programming:
    """A meter in programming mode; made by ``open_programming``. Every method is a dialog.

    After a ``ServiceError`` the session goes on. Any other error ends it with B0; the next call signs on again, unless
    it was the password that failed. So does a call after a silence in which the meter may have ended the session.
    """

    def __init__(self, settings: SignOn, buffer: ReceiveBuffer, wanted: ProgrammingSettings) -> None:
        mode = "C" if settings.mode == "E" else settings.mode
        self._settings = replace(settings, option=PROGRAMMING, hdlc=False, mode=mode)
        self._buffer = buffer
        self._wanted = wanted
        self._line: ProgrammingLine | None = None
        self._add = False
        self._told = 0
        self._taken = False
        # The speed of the last session.
        self._baud: int | None = None
        self._refused: AuthenticationFailed | None = None

    def read(self, address: str, data: Values = "", command: str = "R1") -> Dialog[tuple[DataSet, ...]]:
        """Read a register: ``R1 address(data)``; several values of ``data`` get brackets each.

        Raises:
            MeterReportedError: the meter refused; ``code`` is what it said.
            ChecksumError, NoAnswer: damaged or silent, in a second session, too.
        """
        question = command_of("R", command, address, data)
        home: list[_Home] = []

        def once() -> Dialog[_Home]:
            home[:] = [_Home()]
            yield from self._blocks(question, home[0], emit=False)
            return home[0]

        return (yield from _taken((yield from self._twice(once, lambda: True)).text))

    def read_group(self, addresses: Sequence[str]) -> Dialog[tuple[DataSet, ...]]:
        """Several registers with as few requests as the meter's family allows (``Quirks.group_command``)."""
        quirks = self._settings.quirks
        found: list[DataSet] = []
        if not quirks.group_command:
            for address in addresses:
                found += yield from self.read(address)
            return tuple(found)
        limit = quirks.request_limit
        if limit is not None and quirks.sessionless:
            limit -= len(self._prefix())
        for question in groups(addresses, quirks.group_command, limit):
            home = _Home()

            def once(question: Command = question, home: _Home = home) -> Dialog[None]:
                home.pieces.clear()
                return self._blocks(question, home, emit=False)

            yield from self._twice(once, lambda: True)
            found += yield from _taken(home.text)
        return tuple(found)

    def read_blocks(self, address: str, data: Values = "", command: str = "R5") -> Dialog[bytes]:
        """The whole text of an answer in partial blocks, nothing put between them; each is emitted as a ``Block``.

        An answer of which nothing has come is asked for again in a second session; what breaks off later is not.

        Raises:
            PartialResult: it broke off; ``result`` is the text of the blocks that were proved, the cause is chained.
            MeterReportedError, ChecksumError, NoAnswer: and nothing came.
        """
        question = command_of("R", command, address, data)
        home = _Home()
        try:
            yield from self._twice(lambda: self._blocks(question, home, emit=True), lambda: not home.pieces)
        except MeterError as error:
            if not home.pieces:
                raise
            raise PartialResult(
                f"{address}: the answer broke off after {len(home.pieces)} blocks, {home.octets} octets: "
                f"{error.message}",
                result=home.text,
                layer=error.layer,
                state="programming",
                retryable=True,
                hint="what came is proved: ask for the rest",
            ) from error
        return home.text

    def write(self, address: str, value: Values, command: str = "W1") -> Dialog[None]:
        """Write a register: ``W1 address(value)``; W3 and W4 go in partial blocks.

        Raises:
            LocalProtocolError: writing was not allowed (``write=True``); nothing was sent.
            MeterReportedError: the meter refused.
            NoAnswer: whether it was written is not known.
        """
        self._may_write("write")
        parts = in_parts(command_of("W", command, address, value))
        yield from _hide(value)
        yield from self._carried(lambda: self._order(parts))

    def execute(self, address: str, data: Values = "", command: str = "E2") -> Dialog[tuple[DataSet, ...]]:
        """Have the meter do something: ``E2 address(data)``; what it answers, nothing as a rule.

        Raises:
            As ``write``.
        """
        self._may_write("execute")
        order = command_of("E", command, address, data)
        yield from _hide(data)
        return (yield from _taken((yield from self._carried(lambda: self._order([order])))))

    def close(self) -> Dialog[None]:
        """Sign off (B0); a second call does nothing. Never raises because of the meter or the line."""
        try:
            yield from self._hang_up()
        except Cancel:
            # B0 is on its way or not; there is nothing else to say.
            self._line = None
            raise

    def recover(self) -> Dialog[None]:
        """End a session that the meter holds open still, deaf to 300 Bd: the B0 that should have ended it was lost."""
        if self._line is not None or self._baud is None:
            return
        try:
            yield from recover(self._settings, last_baud=self._baud)
        except NoAnswer:
            # Somebody speaks there: the next sign-on will tell.
            return

    def begin(self, signed: SignedOn | None = None) -> Dialog[None]:
        """Sign on, and give the password; done by ``open_programming``, and again after a session that broke."""
        if self._refused is not None:
            raise self._refused
        quirks = self._settings.quirks
        if quirks.sessionless:
            yield from self._without_session()
            return
        if signed is None:
            signed = yield from sign_on(self._settings, self._buffer)
        if signed.mode != "C":
            yield from sign_off(signed)
            raise MeterReportedError(
                f"the meter identified itself for mode {signed.mode}, which has no programming mode to sign on to",
                layer="line",
                hint="where it takes mode C nevertheless: ?mode=C in the target",
            )
        self._settings = replace(signed.settings, option=PROGRAMMING)
        fast = signed.identification is not None and signed.identification.is_fast
        self._baud = signed.baud
        self._join(signed.line, signed.line.timing.reaction(fast))
        yield from self._guarded(self._enter(), entering=True)

    def _without_session(self) -> Dialog[None]:
        if self._wanted.password is not None or self._wanted.write:
            raise LocalProtocolError(
                "a meter that is asked without a session takes no password, and nothing is written"
            )
        settings = self._settings
        line = OpticalLine(self._buffer, settings.timing, settings.parity)
        yield from line.set_speed(settings.initial_baud)
        reaction = max(settings.timing.reaction_min_fast, settings.timing.quiet_before)
        self._join(line, reaction, self._prefix())

    def _prefix(self) -> bytes:
        """What goes before a command without a session."""
        return Request(self._settings.address, self._settings.start, "!").encode()

    def _join(self, line: OpticalLine, reaction: float, prefix: bytes = b"") -> None:
        check = "add" if self._add else self._settings.checksum
        wanted = self._wanted
        self._line = ProgrammingLine(line, check, wanted.response, reaction, prefix, wanted.repeats)
        self._told = 0

    def _enter(self) -> Dialog[None]:
        """From the acknowledgement to the password taken."""
        line, now = self._line_now, (yield Now())
        deadline = now + self._wanted.total
        operand = b""
        if self._settings.quirks.password_operand:
            line.skip_echo()
            answer = yield from line.hear(None, deadline, Silence.NAK, once=True)
            if answer.command == "P0":
                operand = inside(answer.text or b"")
            elif answer.kind == "command":
                self._ended(answer, "the meter does not let anybody into programming mode")
            else:
                line.line.note("no-operand", "programming mode begins without P0")
        if self._wanted.password is None:
            yield Emit(State("programming", "without a password"))
            return
        password = self._password(operand, Secret(self._wanted.password))
        once = not (self._taken or self._wanted.repeat_password)
        try:
            answer = yield from line.ask(password, deadline, Silence.GIVE_UP, once=once)
        except MeterReportedError as told:
            # It may also have been damaged on its way: whoever calls again may have it sent again.
            raise refusal(
                told.code, "or the line damaged it; some meters lock: check the password before trying it again"
            ) from None
        except (NoAnswer, ChecksumError) as error:
            # It may have been a refusal: nobody is told to try again.
            error.retryable = False
            raise
        if answer.command == "P0":
            raise FrameError("the meter asks for the password again", layer="association", state="password")
        if answer.kind == "command":
            self._line = None
            self._refuse(answer.command)
        if answer.kind == "data":
            try:
                raise_error_message(_data_sets(answer.text or b""))
            except MeterReportedError as told:
                self._refuse(told.code)
            line.line.note("password-answered", "the meter answers the password with data instead of ACK")
        self._taken = True
        yield Emit(State("programming", "password accepted"))

    def _password(self, operand: bytes, password: Secret) -> Command:
        quirks = self._settings.quirks
        level = self._wanted.level or quirks.password_level
        text = bytes(password)
        if level == 2:
            algorithm = self._wanted.algorithm or quirks.secure_algorithm
            if not algorithm:
                raise LocalProtocolError(
                    "P2 needs the secure algorithm of the meter's maker", hint="algorithm='energomera', or a function"
                )
            text = computed(algorithm_for(algorithm) if isinstance(algorithm, str) else algorithm, operand, password)
        if not VALUE.fullmatch(text.decode("latin-1")):
            raise LocalProtocolError("the password holds characters that no data set can carry")
        return Command("P", str(level), b"(" + text + b")")

    def _refuse(self, said: str) -> NoReturn:
        self._refused = refusal(said)
        raise self._refused

    def _ended(self, answer: Answer, message: str) -> NoReturn:
        """The meter signed off, or sent another command of the reader's."""
        if answer.command[:1] != "B":
            raise FrameError(f"the meter sent a command, {answer.command}", layer="frame", state="programming")
        self._line = None
        raise MeterReportedError(message, code=answer.command, layer="data", state="programming")

    @property
    def _line_now(self) -> ProgrammingLine:
        if self._line is None:
            raise LocalProtocolError("programming mode is over", hint="open it again")
        return self._line

    def _may_write(self, what: str) -> None:
        if not self._wanted.write:
            raise LocalProtocolError(f"{what}: writing was not allowed", hint="programming(..., write=True)")

    def _blocks(self, question: Command, home: _Home, *, emit: bool) -> Dialog[None]:
        line = self._line_now
        self._check_length(line, question)
        now: float = yield Now()
        deadline = now + self._wanted.total
        answer = yield from line.ask(question, deadline, Silence.REPEAT)
        last: bytes | None = None
        empty = 0
        while True:
            if answer.kind == "command":
                self._ended(answer, "the meter signed off instead of answering")
            text = answer.text
            if text is None:
                # ACK: late, or an echo of ours.
                line.line.note("unexpected-ack", "ACK where data were asked for")
                answer = yield from line.hear(None if last is not None else question, deadline, Silence.GIVE_UP)
                continue
            if not answer.partial and last is None:
                raise_error_message(_data_sets(text[:128]) if text.startswith(b"(") else ())
            if line.doubt and text == last:
                line.line.note("block-duplicate", "a block came twice, for the acknowledgement of the first was lost")
            else:
                empty = 0 if text else empty + 1
                if empty > _EMPTY_BLOCKS:
                    raise LimitExceeded("partial blocks without data, one after the other", layer="frame")
                if emit and (text or not answer.partial):
                    yield Emit(Block(len(home.pieces), home.octets, text, not answer.partial))
                home.add(text)
                yield Emit(Progress(home.octets, None, "octets"))
            if not answer.partial:
                return
            last = text
            answer = yield from line.ask(None, deadline, Silence.NAK)

    def _order(self, parts: Sequence[Command]) -> Dialog[bytes]:
        """Commands that change something, one after the other; the text the meter answers the last one with."""
        line = self._line_now
        for part in parts:
            self._check_length(line, part)
        now: float = yield Now()
        deadline = now + self._wanted.total
        text = b""
        for part in parts:
            answer = yield from line.ask(part, deadline, Silence.GIVE_UP)
            if answer.kind == "command":
                self._ended(answer, "the meter signed off instead of carrying it out")
            text = answer.text or b""
            raise_error_message(_data_sets(text))
            if answer.kind == "data" and part.command == "W":
                line.line.note("write-answered", "the meter answers a write with data instead of ACK")
        return text

    def _check_length(self, line: ProgrammingLine, command: Command) -> None:
        limit, length = self._settings.quirks.request_limit, len(line.encode(command))
        if limit is not None and length > limit:
            raise LocalProtocolError(f"a command of {length} octets, and this meter takes {limit}")

    def _twice(self, make: Callable[[], Dialog[T]], anew: Callable[[], bool]) -> Dialog[T]:
        """What ``make`` gives; a second time, in another session, if the line failed and ``anew`` says it may."""
        try:
            return (yield from self._carried(make))
        except (NoAnswer, ChecksumError) as error:
            if not error.retryable or not anew():
                raise
            yield Emit(State("programming", f"another session, for {error.message}"))
        return (yield from self._carried(make))

    def _carried(self, make: Callable[[], Dialog[T]]) -> Dialog[T]:
        line = self._line
        if line is not None and not self._settings.quirks.sessionless and (yield from line.is_over()):
            yield Emit(State("programming", "another session, for nothing was said for too long"))
            yield from self._hang_up()
        if self._line is None:
            yield from self.begin()
        return (yield from self._guarded(make()))

    def _guarded(self, dialog: Dialog[T], *, entering: bool = False) -> Dialog[T]:
        """``dialog``; what ends it ends the session, too, unless the meter merely refused something later on."""
        line = self._line
        try:
            result = yield from dialog
        except PortError:
            self._line = None
            raise
        except (Cancel, MeterError) as error:
            if entering or not isinstance(error, ServiceError | LocalProtocolError):
                yield from self._hang_up()
            else:
                yield from self._tell(line)
            raise
        yield from self._tell(line)
        return result

    def _tell(self, line: ProgrammingLine | None) -> Dialog[None]:
        if line is None:
            return
        self._add = line.add
        for finding in line.line.findings[self._told :]:
            self._told += 1
            yield Emit(finding)

    def _hang_up(self) -> Dialog[None]:
        line, self._line = self._line, None
        if line is None or self._settings.quirks.sessionless:
            return
        try:
            yield from line.sign_off(Command("B", self._settings.quirks.sign_off[1]))
            yield from self._tell(line)
        except MeterError:
            # What led here is what counts.
            return


def _hide(values: Values) -> Dialog[None]:
    for octets in secrets_in(values):
        yield Emit(Hide(octets))


def _data_sets(text: bytes) -> tuple[DataSet, ...]:
    """Raises: LimitExceeded."""
    return parse(text)[0]


def _taken(text: bytes) -> Dialog[tuple[DataSet, ...]]:
    """The data sets of an answer; the liberties it takes are emitted."""
    data_sets, findings = parse(text)
    yield from map(Emit, findings)
    return data_sets
