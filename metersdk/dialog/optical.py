"""One optical line, as both sides of IEC 62056-21 use it: its timing, its parity done in software, its echo."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from metersdk.effects import Dialog, Now, Receive, Send, SetLine, Sleep
from metersdk.errors import Finding, NoAnswer
from metersdk.frame.buffer import ReceiveBuffer
from metersdk.frame.iec62056_21 import INITIAL_BAUD, from_line, high_octets, line_format, to_line

Parity: TypeAlias = Literal["software", "hardware"]

CHARACTER_BITS = 10
# Positions of parity errors named one by one; beyond them a count says enough.
_NAMED_ERRORS = 8
# From so many octets on their parity tells the format.
_TELLING = 8
# Octets that light alone may make during a silence; more of them are a message.
_STRAY_OCTETS = 3
# The tail of a bad block may be long; what goes on after so much of it is no block, but light or a pusher.
_BUSY_SECONDS = 20.0
_BUSY_OCTETS = 4096


@dataclass(frozen=True, slots=True)
class OpticalTiming:
    """Times in seconds (IEC 62056-21 6.4 and annex B), all of which a meter family may change.

    Attributes:
        reaction_min, reaction_min_fast: tr, message received to answer sent; the fast one for a meter whose third
            letter is lower case. They bind the reader, too.
        reaction_max: the upper end of tr.
        reply_max: tt, how long a meter waits for an answer before it goes on without (1.5 to 2.2).
        octet_gap: ta, the longest pause between two characters of a message.
        inactivity_min, inactivity_max: after so long a silence the meter ends the session.
        wake_up, wake_up_pause: NULs for so long (2.1 to 2.3 s, gaps of 5 ms at most), then a pause (1.5 to 1.7 s).
        switch_margin: from the end of the acknowledgement to the change of speed, first and second try: the meter
            answers after reaction_min, so it must be less than that.
        switch_margin_fast: the same for a fast meter.
        flush_silence: silence that shows the rest of a bad block has gone by. Less than ta on purpose: the NAK must
            still come within the shortest tt, 1.5 s, and meters that pause amid a block do so for 80 ms.
        quiet_before: silence some meters want before a request (CE102: 0.1).
        latency: added to every wait for the meter: the round trip of TCP or GSM.
    """

    reaction_min: float = 0.2
    reaction_min_fast: float = 0.02
    reaction_max: float = 1.5
    reply_max: float = 2.2
    octet_gap: float = 1.5
    inactivity_min: float = 60.0
    inactivity_max: float = 120.0
    wake_up: float = 2.2
    wake_up_pause: float = 1.6
    switch_margin: tuple[float, float] = (0.06, 0.15)
    switch_margin_fast: tuple[float, float] = (0.012, 0.004)
    flush_silence: float = 0.5
    quiet_before: float = 0.0
    latency: float = 0.0

    def reaction(self, fast: bool) -> float:
        return self.reaction_min_fast if fast else self.reaction_min

    def margins(self, fast: bool) -> tuple[float, float]:
        return self.switch_margin_fast if fast else self.switch_margin


@dataclass(slots=True)
class ParityTally:
    """Parity of the octets taken since it was made."""

    octets: int = 0
    odd: int = 0
    high: int = 0
    places: list[int] = field(default_factory=list)

    @property
    def form(self) -> str:
        """The format these octets have (``line_format``), ``""`` while they are too few to tell."""
        return line_format(self.octets, self.odd, self.high)

    def add(self, octets: int, odd: Sequence[int], high: int, position: int) -> None:
        """Take octets, of which those at ``odd`` have odd parity, and the first is at ``position``."""
        room = _NAMED_ERRORS - len(self.places)
        self.octets += octets
        self.odd += len(odd)
        self.high += high
        self.places += [position + at for at in odd[: max(0, room)]]


class OpticalLine:
    """Text out, text in, over one buffer that HDLC may take over. Octets are kept raw until they are taken.

    Attributes:
        baud: present speed.
        findings: what was tolerated on this line, in order.
        echo: what the probe returns of our own light: ``none``, ``partial``, ``full``.
        tally: parity since it was last renewed, for one message.
        total: parity since the line was made.
    """

    __slots__ = ("baud", "buffer", "echo", "findings", "parity", "position", "sent", "tally", "timing", "total")

    def __init__(self, buffer: ReceiveBuffer, timing: OpticalTiming, parity: Parity = "software") -> None:
        self.buffer = buffer
        self.timing = timing
        self.parity = parity
        self.baud = INITIAL_BAUD
        self.findings: list[Finding] = []
        self.echo = "none"
        self.sent = b""
        self.tally = ParityTally()
        self.total = ParityTally()
        # Octets taken since the line was made: the offset of what is taken next.
        self.position = 0

    def set_speed(self, baud: int) -> Dialog[None]:
        yield SetLine(baud)
        self.baud = baud

    def send(self, text: bytes) -> Dialog[float]:
        """Send 7-bit text; the time it was handed to the port."""
        self.sent = text
        moment: float = yield Now()
        yield Send(to_line(text) if self.parity == "software" else text)
        return moment

    def left(self, written: float) -> float:
        """When the last stop bit of what was sent at ``written`` has left: a network, and a driver that does not drain,
        take it at once."""
        return written + len(self.sent) * self.character()

    def send_last(self, text: bytes) -> Dialog[None]:
        """Send the last words of a session, and let them leave: what comes next may be a change of speed, and not every
        driver knows when its chip is empty."""
        yield from self.send(text)
        yield Sleep(self.timing.reaction_min)

    def character(self) -> float:
        """Seconds one character takes."""
        return CHARACTER_BITS / self.baud

    def wait(self, timeout: float) -> Dialog[bool]:
        """True once something more lies in the buffer."""
        data: bytes = yield Receive(max(0.0, timeout))
        self.buffer.feed(data)
        return bool(data)

    def wait_until(self, deadline: float) -> Dialog[bool]:
        now: float = yield Now()
        if now >= deadline:
            return False
        return (yield from self.wait(deadline - now))

    def peek(self) -> bytes:
        """All that lies in the buffer, as 7-bit text."""
        octets = bytes(self.buffer.view())
        return from_line(octets)[0] if self.parity == "software" else octets

    def take(self, count: int | None = None) -> bytes:
        """Take octets off the buffer, all of them by default, as 7-bit text."""
        octets = self.buffer.take(len(self.buffer) if count is None else count)
        text = octets
        if self.parity == "software":
            text, odd = from_line(octets)
            high = high_octets(octets)
            for tally in (self.tally, self.total):
                tally.add(len(octets), odd, high, self.position)
        self.position += len(octets)
        return text

    def skip(self, count: int) -> None:
        """Drop octets that are not the meter's: an echo, noise. They tell nothing of its parity."""
        self.buffer.drop(count)
        self.position += count

    @property
    def _form(self) -> str:
        """A format without even parity, if the line has one: a short message alone does not tell."""
        if self.total.octets >= _TELLING and self.total.odd > max(1, 4 * self.total.high):
            # Echoes and noise may have bit 7 set here and there.
            return "8N1"
        return next((tally.form for tally in (self.tally, self.total) if tally.form not in ("7E1", "")), "")

    @property
    def parity_errors(self) -> int:
        """Octets of the present message that are damaged; 0 where the line has no even parity to tell."""
        return 0 if self._form else self.tally.odd

    def parity_findings(self) -> list[Finding]:
        """What the parity of the present message tells."""
        tally = self.tally
        if self._form:
            hint = "the gateway or the meter does not use parity: ?format=7E1 leaves the octets as they are"
            return [Finding("line-format", f"the octets look like {self._form}, not 7E1", "line", -1, hint)]
        found = [Finding("parity", f"wrong parity of octet {at}", "line", at) for at in tally.places]
        if tally.odd > len(found):
            found.append(Finding("parity", f"wrong parity of {tally.odd} octets in all", "line"))
        return found

    def flush(self, silence: float, deadline: float) -> Dialog[None]:
        """Let everything go by until the line is silent for ``silence`` seconds, but for a stray octet of light.

        Raises:
            NoAnswer: the peer does not stop before ``deadline``, or goes on for longer than a block.
        """
        self.position += len(self.buffer)
        self.buffer.clear()
        stray = 0
        now: float = yield Now()
        until = now + silence
        patience = now + _BUSY_SECONDS + _BUSY_OCTETS * self.character()
        while True:
            data: bytes = yield Receive(max(0.0, until - now))
            now = yield Now()
            self.position += len(data)
            stray += len(data)
            if stray > _STRAY_OCTETS:
                stray, until = 0, now + silence
            elif not data or now >= until:
                return
            if until > deadline or now > patience:
                raise NoAnswer(
                    "the line does not become silent", layer="line", hint="shade the probe; something else sends here"
                )

    def note(self, code: str, text: str, hint: str = "") -> None:
        self.findings.append(Finding(code, text, "line", self.position, hint))
