"""One question and its answer in programming mode: turns, echoes, block checks, NAK, repeats, silence."""

from __future__ import annotations

from enum import Enum
from typing import Literal

from metersdk.dialog.optical import OpticalLine, ParityTally
from metersdk.effects import Dialog, Now, Sleep
from metersdk.errors import ChecksumError, MeterReportedError, NoAnswer
from metersdk.frame.iec62056_21 import ACK, NAK, SOH, STX, Command, echo_of
from metersdk.frame.iec62056_21_answer import Answer, AnswerScanner

# A damaged message is asked for again so often (own choice; the standard names no number).
REPEATS = 3
# Nothing at all came: so often.
_SILENCES = 1
# Pieces of our own light before an answer: so many.
_ECHOES = 3
# A message that broke off: so often.
_BREAKS = 1
# Before a good-bye: a pause of so many seconds shows that the meter has stopped, which is waited for so long.
_PAUSE, _HEARD_OUT = 0.15, 1.2

ACKNOWLEDGE = bytes((ACK,))
_OCTETS = {"ack": ACKNOWLEDGE, "nak": bytes((NAK,))}


class Silence(Enum):
    """What to do when nothing comes."""

    REPEAT = "send the same again"
    """For what may be done twice."""
    NAK = "ask the meter to repeat its last message"
    """After ACK: a second ACK would be taken for the next block's."""
    GIVE_UP = "give up"
    """For what must not be done twice: NAK would bring back the answer to what was asked before."""


class ProgrammingLine:
    """The line to a meter in programming mode.

    Args:
        line: signed on.
        check: BCC of both sides; ``auto`` finds out.
        response: seconds until an answer begins.
        reaction: tr, which binds the reader, too.
        prefix: what goes before every command where there is no session; then nothing is answered with NAK.
        repeats: so often a damaged message is asked for again.

    Attributes:
        add: the BCC is a 7-bit sum.
        doubt: since the last message that was taken the meter was asked to repeat, without a sign of another message.
    """

    def __init__(
        self,
        line: OpticalLine,
        check: Literal["auto", "xor", "add"],
        response: float,
        reaction: float,
        prefix: bytes = b"",
        repeats: int = REPEATS,
    ) -> None:
        self.line = line
        self.add = check == "add"
        self.doubt = False
        self._settled = check != "auto"
        self._doubtful: Answer | None = None
        self._response = response
        self._reaction = reaction
        self._prefix = prefix
        self._repeats = repeats
        self._heard: float | None = None
        self._sent = 0.0
        self._echo_due = False
        # The echo of an ACK or NAK of ours has come.
        self._octet_returned = False
        # Address of the present question; of one that was put twice, so that a second answer to it may come yet.
        self._asked = self._twice = b""

    def encode(self, command: Command) -> bytes:
        """The octets of ``command`` on this line."""
        return self._prefix + command.encode(add=self.add)

    def is_over(self) -> Dialog[bool]:
        """Whether the meter may have ended the session by itself, for nothing was said for so long."""
        now: float = yield Now()
        return self._heard is not None and now > self._heard + self.line.timing.inactivity_min

    def skip_echo(self) -> None:
        """Take what a probe returned of the option select off the buffer: it begins with ACK, too."""
        seen = self.line.peek()
        starts = [at for at in (seen.find(SOH), seen.find(STX)) if at >= 0]
        self.line.skip(min(starts) if starts else echo_of(self.line.sent, seen)[1])

    def ask(self, command: Command | None, deadline: float, silence: Silence, *, once: bool = False) -> Dialog[Answer]:
        """Send ``command``, ACK if it is None; the answer, proved.

        ``once``: it is not sent again even if the meter answers NAK.

        Raises:
            NoAnswer: nothing came, or not in time, or it broke off twice; ``retryable`` but for the time.
            ChecksumError: damaged after all repeats.
            MeterReportedError: NAK, code ``"NAK"``.
        """
        if command is not None:
            self._asked = _address(command.data)
        yield from self._send(command)
        return (yield from self.hear(command, deadline, silence, once=once))

    def hear(self, command: Command | None, deadline: float, silence: Silence, *, once: bool = False) -> Dialog[Answer]:
        """The answer to what was sent; arguments and errors as of ``ask``."""
        damaged = refused = silent = broken = echoes = 0
        self.doubt = False
        while True:
            scanner = AnswerScanner()
            yield from self._message(scanner, deadline)
            answer = scanner.answer
            if answer is not None and echoes < _ECHOES and self._is_ours(answer):
                echoes += 1
                continue
            if answer is None and not scanner.started and not scanner.noise:
                silent += 1
                if silent > _SILENCES or silence is Silence.GIVE_UP:
                    raise _silence(silence)
                self.line.note("no-answer", "nothing came; asked again")
                if silence is Silence.REPEAT:
                    self._twice = self._asked
                    yield from self._send(command)
                else:
                    self.doubt = True
                    yield from self._ask_again(command)
                continue
            if answer is None and scanner.started:
                broken += 1
                if broken > _BREAKS:
                    raise NoAnswer("the answer breaks off", layer="line", state="broken-off", retryable=True)
                self.line.note("answer-broken-off", "a message breaks off; it is asked for again")
                yield from self._ask_again(command)
                continue
            if answer is not None and answer.kind == "nak":
                refused += 1
                if once or refused > self._repeats:
                    raise MeterReportedError(
                        "the meter answers NAK",
                        code="NAK",
                        layer="frame",
                        state="programming",
                        hint="it refuses the command, or reckons its BCC otherwise: Quirks(block_check='add'), "
                        "or a file for --vendor that says so",
                    )
                self.line.note("nak", f"the meter asks for the message again, {refused} of {self._repeats}")
                yield from self._send(command)
                continue
            if answer is not None and self._is_proved(answer):
                if answer.nuls:
                    self.line.note("nul", "NULs amid the data")
                if self._is_late(answer):
                    self.line.note("answer-late", "a second answer to a question that was put twice; it is dropped")
                    continue
                return answer
            damaged += 1
            if answer is None and silence is Silence.GIVE_UP:
                # Octets that are no message: NAK might bring back the answer to what was asked before.
                raise _silence(silence)
            if damaged > self._repeats:
                raise ChecksumError(
                    f"an answer is damaged after {self._repeats} repeats",
                    layer="frame",
                    offset=self.line.position,
                    retryable=silence is not Silence.GIVE_UP,
                )
            self.line.findings += self.line.parity_findings()
            self.line.note("block-repeated", f"a damaged message is asked for again, {damaged} of {self._repeats}")
            now: float = yield Now()
            yield from self.line.flush(self.line.timing.flush_silence, max(deadline, now))
            yield from self._ask_again(command)

    def sign_off(self, command: Command) -> Dialog[None]:
        """Say good-bye, once the meter has stopped speaking: half duplex, it hears nothing before."""
        now: float = yield Now()
        try:
            yield from self.line.flush(_PAUSE, now + _HEARD_OUT)
        except NoAnswer:
            # Something else sends; B0 costs nothing.
            pass
        yield from self.line.send_last(self.encode(command))
        self.line.buffer.clear()

    def _send(self, command: Command | None) -> Dialog[None]:
        yield from self._say(ACKNOWLEDGE if command is None else self.encode(command))

    def _ask_again(self, command: Command | None) -> Dialog[None]:
        """NAK; without a session the meter keeps nothing to repeat, and the question is put again."""
        yield from self._say(self.encode(command) if self._prefix and command else bytes((NAK,)))

    def _say(self, message: bytes) -> Dialog[None]:
        line = self.line
        now: float = yield Now()
        if self._heard is not None and now < self._heard + self._reaction:
            yield Sleep(self._heard + self._reaction - now)
        yield from line.wait(0.0)
        if line.take().strip(b"\0"):
            line.note("unasked", "octets that nobody asked for, before a command")
        self._sent = line.left((yield from line.send(message)))
        self._echo_due = len(message) > 1
        self._octet_returned = False
        if line.echo != "none":
            # Of a partial echo nothing tells but that it comes before the meter may speak.
            until = self._sent + self._reaction / 2
            while (yield from line.wait_until(until)):
                pass
            self._octet_returned = line.peek().startswith(message)
            line.skip(len(message) if self._octet_returned else len(line.buffer))
            self._echo_due = False

    def _message(self, scanner: AnswerScanner, deadline: float) -> Dialog[None]:
        """One message into ``scanner``; returns without one when nothing more comes.

        Raises:
            NoAnswer: the total time is up.
        """
        line = self.line
        line.tally = ParityTally()
        now: float = yield Now()
        begin_by = max(now, self._sent) + self._response + line.timing.latency
        while scanner.answer is None:
            if not len(line.buffer) or self._is_echo_to_come():
                now = yield Now()
                if now >= deadline:
                    raise NoAnswer("the answer did not end in time", layer="line", state="programming")
                patience = line.timing.octet_gap + line.timing.latency if scanner.started else begin_by - now
                if patience > 0 and (yield from line.wait(min(patience, deadline - now))):
                    continue
                now = yield Now()
                if now >= deadline:
                    continue
                if not len(line.buffer):
                    break
                self._echo_due = False
            line.take(scanner.feed(line.peek()))
        self._heard = yield Now()

    def _is_echo_to_come(self) -> bool:
        """Takes the echo of what was sent off the buffer; True while it is not there as a whole."""
        if not self._echo_due:
            return False
        line = self.line
        seen = line.peek()
        if seen.startswith(line.sent):
            line.skip(len(line.sent))
            self._echo_due = False
            if line.echo == "none":
                line.echo = "full"
                line.note("echo-full", "the probe returns what it sends")
            return not len(line.buffer)
        self._echo_due = line.sent.startswith(seen)
        return self._echo_due

    def _is_ours(self, answer: Answer) -> bool:
        """What remains of our own light: no meter sends P1, R, W or E, nor our own text with a wrong BCC."""
        ours = answer.kind == "command" and answer.command[:1] not in ("B", "") and answer.command != "P0"
        if answer.kind in ("ack", "nak"):
            # A fast meter may answer before a slow head has returned the octet. None answers NAK with NAK.
            ours = self.line.echo != "none" and self.line.sent == _OCTETS[answer.kind] and not self._octet_returned
            self._octet_returned = self._octet_returned or ours
        if answer.kind == "data" and not answer.fits:
            ours = bool(answer.text) and (answer.text or b"") in self.line.sent
        if answer.kind == "broken":
            ours = self.line.echo != "none"
        if ours and self.line.echo != "partial":
            self.line.echo = "partial"
            self.line.note("echo-partial", "the probe returns part of what it sends")
        return ours

    def _is_late(self, answer: Answer) -> bool:
        """Whether it answers the question before, which was put twice because its answer took so long."""
        late = answer.kind == "data" and _address(answer.text) == self._twice != self._asked and bool(self._twice)
        if late:
            self._twice = b""
        return late

    def _is_proved(self, answer: Answer) -> bool:
        if answer.kind == "ack":
            return True
        # One wrong parity bit and a right BCC: the parity bit itself was hit. Two may be one column hit twice.
        if answer.kind == "broken" or self.line.parity_errors > 1:
            return False
        if ("add" if self.add else "xor") in answer.fits:
            # What fits both ways settles nothing.
            self._settled = self._settled or len(answer.fits) == 1
            return True
        if self._settled or "add" not in answer.fits:
            return False
        # One in 128 damaged messages fits the sum by chance, but not a second time with the same text.
        again, self._doubtful = answer == self._doubtful, answer
        if again:
            self.add = self._settled = True
            self.line.note(
                "block-check-add",
                "the BCC of this meter is a 7-bit sum, not the XOR of the standard",
                "Quirks(block_check='add'), or a file for --vendor that says so, spares the repeat",
            )
        return again


def _address(text: bytes | None) -> bytes:
    return (text or b"").partition(b"(")[0]


def _silence(silence: Silence) -> NoAnswer:
    if silence is Silence.GIVE_UP:
        return NoAnswer(
            "no answer that can be read: whether the meter has carried it out is not known",
            layer="line",
            state="programming",
            hint="read the value back before it is sent again",
        )
    return NoAnswer("no answer in programming mode", layer="line", state="programming", retryable=True)
