"""From turns to what a diagnosis asks about: echoes, answers, strays of light, blocks and their check characters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property

from metersdk.dialog.evidence import CHARACTER_BITS, Evidence, Piece, Turn
from metersdk.dialog.signatures import Sign, readable, sign_of
from metersdk.frame.iec62056_21 import (
    ACK,
    EOT,
    ETX,
    INITIAL_BAUD,
    NAK,
    SOH,
    STX,
    bcc,
    echo_of,
    find_identification,
    from_line,
)

_FLAG = 0x7E
# A change of speed may hit an octet or two.
_HIT_BY_SWITCH = 2
_BURST_GAP = 0.06
_LONE_OCTETS = 3
# Octets at the speed agreed that are a message, readable or not; the longest pause amid one as a computer under load
# sees it, in seconds.
_MESSAGE_OCTETS = 4
_PAUSE = 0.4


class Kind(Enum):
    """What was sent in a turn."""

    NOTHING = 0
    WAKE_UP = 1
    REQUEST = 2
    SELECT = 3
    ACK = 4
    NAK = 5
    COMMAND = 6
    HDLC = 7
    OTHER = 8


def kind_of(sent: bytes) -> Kind:
    """The kind of a sending, parity bits taken off."""
    if not sent:
        return Kind.NOTHING
    text = bytes(octet & 0x7F for octet in sent)
    if not text.strip(b"\0"):
        return Kind.WAKE_UP
    if text == bytes((ACK,)):
        return Kind.ACK
    if text == bytes((NAK,)):
        return Kind.NAK
    if sent[0] == _FLAG:
        return Kind.HDLC
    if text[0] == ACK and text.endswith(b"\r\n"):
        return Kind.SELECT
    if text.startswith(b"/") and text.endswith(b"\r\n"):
        return Kind.REQUEST
    return Kind.COMMAND if text[0] == SOH else Kind.OTHER


@dataclass(frozen=True, slots=True)
class Block:
    """One message ``STX ... ETX|EOT BCC`` as it was heard, or what there is of it.

    Attributes:
        text: from STX to BCC, 7-bit.
        odd: octets of wrong parity in it.
        proved: its BCC is right, is wrong, or (None) never came.
        added: the BCC is the 7-bit sum of the block.
    """

    text: bytes = field(repr=False)
    odd: int
    proved: bool | None
    added: bool
    turn: Turn = field(repr=False)


@dataclass(frozen=True)
class Answer:
    """What was heard in one turn, its echo taken off.

    ``echo_cut``: octets of the echo are missing or damaged, or came at another speed than they were sent at.
    """

    turn: Turn
    kind: Kind
    echo: str
    echo_cut: bool
    pieces: tuple[Piece, ...]

    @cached_property
    def octets(self) -> bytes:
        return b"".join(piece.octets for piece in self.pieces)

    @cached_property
    def by_speed(self) -> tuple[tuple[int, bytes], ...]:
        """Stretches of octets heard at one speed each."""
        stretches: list[tuple[int, bytearray]] = []
        for piece in self.pieces:
            if not stretches or stretches[-1][0] != piece.baud:
                stretches.append((piece.baud, bytearray()))
            stretches[-1][1].extend(piece.octets)
        return tuple((baud, bytes(octets)) for baud, octets in stretches)

    @cached_property
    def first_switch(self) -> tuple[float, int] | None:
        """The change from 300 Bd to the speed agreed."""
        return self.turn.switches[0] if self.turn.switches else None


def answers_of(turns: Iterable[Turn]) -> Iterator[Answer]:
    """The turns without their echoes; that of a sending that was not listened after comes with the next one."""
    owed = b""
    for turn in turns:
        answer = answer_of(turn, owed) if owed else answer_of(turn)
        if owed and answer.echo == "none":
            answer = answer_of(turn)
        owed = owed + turn.sent if not turn.pieces else b""
        yield answer


def answer_of(turn: Turn, owed: bytes = b"") -> Answer:
    """The turn without its echo, and that of what was sent before."""
    kind = kind_of(turn.sent)
    heard = turn.heard()
    echo, length = echo_of(owed + turn.sent if kind is not Kind.WAKE_UP else owed, heard)
    if kind is Kind.WAKE_UP:
        # NULs come back as NULs, as many as there may be.
        nuls = min(len(heard) - length - len(heard[length:].lstrip(b"\0")), len(turn.sent))
        length += nuls
        echo = "full" if nuls else echo
    changed = turn.switches[0][0] if turn.switches else turn.over + 1.0
    before = sum(len(piece.octets) for piece in turn.pieces if piece.at <= changed and piece.baud == turn.baud)
    cut = echo == "partial" or (echo == "full" and before < length)
    return Answer(turn, kind, echo, cut, tuple(_without(turn.pieces, length)))


def _without(pieces: list[Piece], count: int) -> Iterator[Piece]:
    for piece in pieces:
        size = len(piece.octets)
        if count >= size:
            count -= size
            continue
        yield Piece(piece.at, piece.octets[count:], piece.baud) if count else piece
        count = 0


class Facts:
    """A session seen as a diagnosis needs it; everything is worked out when it is first asked for."""

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        self.answers = list(answers_of(evidence.turns))

    def of(self, *kinds: Kind) -> list[Answer]:
        """The answers to these kinds of sendings."""
        return [answer for answer in self.answers if answer.kind in kinds]

    @cached_property
    def spoke_hdlc(self) -> bool:
        """Whether HDLC frames were sent and answered by frames."""
        return any(sign_of(answer.octets) is Sign.HDLC for answer in self.of(Kind.HDLC))

    @cached_property
    def text_answers(self) -> list[Answer]:
        """All that is no answer to HDLC."""
        return [answer for answer in self.answers if answer.kind is not Kind.HDLC]

    @cached_property
    def echoes(self) -> int:
        return sum(answer.echo != "none" for answer in self.answers)

    @cached_property
    def identified(self) -> list[Answer]:
        """Requests that brought an identification."""
        return [answer for answer in self.of(Kind.REQUEST) if _identifies(answer)]

    @cached_property
    def unreadable(self) -> list[Answer]:
        """Requests that brought something that is no identification."""
        return [answer for answer in self.of(Kind.REQUEST) if answer.pieces and answer not in self.identified]

    @cached_property
    def blocks(self) -> list[Block]:
        """Every data message of modes A to C and of the programming mode, good or bad."""
        found: list[Block] = []
        for answer in self.of(Kind.REQUEST, Kind.SELECT, Kind.ACK, Kind.NAK, Kind.COMMAND):
            for baud, octets in answer.by_speed:
                if baud == INITIAL_BAUD and len(answer.by_speed) > 1 and sign_of(octets) is Sign.UNKNOWN:
                    continue
                found += blocks_in(octets, answer.turn)
        return found

    @cached_property
    def overruns(self) -> list[tuple[float, float]]:
        """From when to when a message went on that was begun at a speed agreed: a reader who gave it up, because he
        does not run at its speed, hears the rest of it at others."""
        found: list[tuple[float, float]] = []
        last: float | None = None
        for answer in self.answers:
            pieces = answer.pieces
            if answer.kind is Kind.SELECT and answer.first_switch is not None:
                fast = [piece for piece in pieces if piece.baud > INITIAL_BAUD]
                if sum(len(piece.octets) for piece in fast) >= _MESSAGE_OCTETS:
                    last = fast[-1].at
                    found.append((last, last))
            elif answer.kind is Kind.WAKE_UP and last is not None and pieces and answer.turn.begun - last <= _PAUSE:
                # Nobody listened during the call: what lies there came in the meantime.
                last = pieces[0].at
            for piece in pieces:
                if last is None or piece.at <= last:
                    continue
                last = piece.at if piece.at - last <= _PAUSE else None
            if last is not None:
                found[-1] = (found[-1][0], last)
        return found

    @cached_property
    def quiet(self) -> list[tuple[Piece, ...]]:
        """What was heard at speeds at which only this line speaks: without what follows a change of speed."""
        heard: list[tuple[Piece, ...]] = []
        overruns = self.overruns
        for answer in self.text_answers:
            if answer.kind is Kind.WAKE_UP:
                continue
            # A sender that has not changed its speed yet, or changed it first, leaves zeros that light makes, too.
            sent = answer.kind is not Kind.NOTHING
            speeds = {each.baud for each in answer.pieces}
            for baud in speeds if not sent else speeds & {answer.turn.baud}:
                pieces = (each for each in answer.pieces if each.baud == baud)
                heard.append(tuple(each for each in pieces if not any(a < each.at <= b for a, b in overruns)))
        return heard

    @cached_property
    def strays(self) -> list[Piece]:
        """Octets that stand alone, or in no order, where nobody spoke."""
        found: list[Piece] = []
        for pieces in self.quiet:
            for burst in bursts(pieces):
                if not is_message(burst):
                    found += burst
        return found


def _identifies(answer: Answer) -> bool:
    octets = b"".join(piece.octets for piece in answer.pieces if piece.baud == answer.turn.baud)
    return find_identification(from_line(octets)[0]) is not None


def bursts(pieces: tuple[Piece, ...]) -> Iterator[list[Piece]]:
    """Runs of pieces without a pause between them, at one speed each."""
    run: list[Piece] = []
    for piece in pieces:
        if run:
            before = run[-1]
            time = len(piece.octets) * CHARACTER_BITS / piece.baud if piece.baud else 0.0
            if piece.baud != before.baud or piece.at - time - before.at > _BURST_GAP:
                yield run
                run = []
        run.append(piece)
    if run:
        yield run


def is_message(burst: list[Piece]) -> bool:
    """Whether a run of octets may be a part of a message: of many kinds, and without pauses."""
    octets = b"".join(piece.octets for piece in burst)
    if len(octets) <= _LONE_OCTETS or len(set(octets)) * 6 < len(octets):
        return False
    return readable(octets) > 0.7 or sign_of(octets) is not Sign.UNKNOWN


def blocks_in(octets: bytes, turn: Turn) -> Iterator[Block]:
    """The messages in a stretch of octets."""
    text, odd = from_line(octets)
    at = _start(text, 0)
    while at >= 0:
        ends = [end for end in (text.find(ETX, at), text.find(EOT, at)) if end >= 0]
        stop = min(ends) + 2 if ends and min(ends) + 1 < len(text) else len(text)
        body = text[at:stop]
        wrong = sum(at <= place < stop for place in odd)
        if stop == len(text) and not (ends and min(ends) + 2 == stop):
            yield Block(body, wrong, None, False, turn)
            return
        proved = bcc(body[1:-1]) == body[-1]
        yield Block(body, wrong, proved, not proved and sum(body[1:-1]) & 0x7F == body[-1], turn)
        at = _start(text, stop)


def _start(text: bytes, at: int) -> int:
    starts = [start for start in (text.find(STX, at), text.find(SOH, at)) if start >= 0]
    return min(starts) if starts else -1
