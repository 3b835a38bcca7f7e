"""What a meter says in programming mode: bytes -> ACK, NAK, data message, command message (IEC 62056-21 6.3.3, 6.4.3).

::

    ACK | NAK | STX data ETX|EOT BCC | SOH C D [STX data] ETX|EOT BCC
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

from metersdk import fast
from metersdk.errors import LimitExceeded
from metersdk.frame.iec62056_21 import ACK, EOT, ETX, NAK, PREAMBLE_LIMIT, STX

Check: TypeAlias = Literal["xor", "add"]

# One message; at 19200 Bd it takes an hour and more.
MESSAGE_LIMIT = 8 << 20

_MARK = re.compile(rb"[\x01-\x04\x06\x15]")
_END = re.compile(rb"[\x03\x04]")


@dataclass(frozen=True, slots=True)
class Answer:
    """One message.

    Attributes:
        kind: ``broken`` for the end of a message whose beginning was lost.
        text: the data between STX and ETX or EOT; of a command None where it has none.
        command: ``P0`` and the like.
        partial: ended by EOT, another block follows.
        fits: what the BCC fits.
        nuls: NULs amid the text, which light makes and no BCC sees; they are left out.
    """

    kind: Literal["ack", "nak", "data", "command", "broken"]
    text: bytes | None = None
    command: str = ""
    partial: bool = False
    fits: frozenset[Check] = frozenset()
    nuls: bool = False

    def __repr__(self) -> str:
        # Of a password that a probe echoes nothing may show.
        shown = "" if self.text is None or self.command.startswith("P") else f", {self.text[:40]!r}"
        return f"Answer({self.command or self.kind}{shown})"


class AnswerScanner:
    """One message, fed as it arrives; steps over what precedes it. Holds ``MESSAGE_LIMIT`` octets at most."""

    __slots__ = ("_at", "_held", "_start", "answer")

    def __init__(self) -> None:
        self.answer: Answer | None = None
        self._held = bytearray()
        self._start = -1
        self._at = 0

    @property
    def started(self) -> bool:
        """A message has begun, and is not whole yet."""
        return self._start >= 0 and self.answer is None

    @property
    def noise(self) -> bytes:
        """What came, and began no message."""
        return bytes(self._held if self._start < 0 and self.answer is None else self._held[: max(0, self._start)])

    def feed(self, data: bytes) -> int:
        """Take ``data``; how many octets of it belong to the message or stand before it.

        Raises:
            LimitExceeded: a message without end.
        """
        before = len(self._held)
        self._held += data
        end = self._scan()
        if end is not None:
            return end - before
        if len(self._held) > MESSAGE_LIMIT:
            raise LimitExceeded(f"a message of more than {MESSAGE_LIMIT} octets", layer="frame", offset=MESSAGE_LIMIT)
        if self._start < 0 and len(self._held) > PREAMBLE_LIMIT:
            del self._held[:-PREAMBLE_LIMIT]
        return len(data)

    def _scan(self) -> int | None:
        """Offset after the message once it is whole."""
        if self._start < 0:
            mark = _MARK.search(self._held)
            if mark is None:
                return None
            octet = self._held[mark.start()]
            if octet in (ACK, NAK):
                self.answer = Answer("ack" if octet == ACK else "nak")
                return mark.end()
            if octet in (ETX, EOT):
                self.answer = Answer("broken")
                return mark.end()
            self._start, self._at = mark.start(), mark.end()
        end = _END.search(self._held, self._at)
        if end is None or end.end() == len(self._held):
            self._at = end.start() if end else len(self._held)
            return None
        self.answer = self._whole(bytes(self._held[self._start : end.end()]), self._held[end.end()])
        return end.end() + 1

    def _whole(self, message: bytes, check: int) -> Answer:
        body, partial = message[1:], message[-1] == EOT
        sums: tuple[tuple[Check, int], ...] = (("xor", fast.bcc(body)), ("add", sum(body) & 0x7F))
        fits = frozenset(name for name, value in sums if value == check)
        clean = body[:-1].replace(b"\0", b"")
        nuls = len(clean) < len(body) - 1
        if message[0] == STX:
            return Answer("data", clean, partial=partial, fits=fits, nuls=nuls)
        name, after = clean[:2], clean[2:3]
        if len(name) < 2 or after not in (b"", b"\x02"):
            return Answer("broken")
        return Answer("command", clean[3:] if after else None, name.decode("latin-1"), partial, fits, nuls)
