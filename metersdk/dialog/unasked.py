"""Traffic with no session of ours: octets that come before the first request, or between two calls.

``Unasked`` stands between a dialog and its driver until the dialog sends something for the first time. It listens for
a moment before the first request of a connection, looks at what lies there before the first of each later call, and
makes a finding of what nobody had asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final, TypeVar

from metersdk.dialog.evidence import Turn
from metersdk.dialog.facts import Kind, blocks_in, kind_of
from metersdk.dialog.traffic import LOOKED_AT, look_at
from metersdk.effects import Answer, Dialog, Effect, Emit, Now, Receive, Send
from metersdk.errors import Finding
from metersdk.frame.buffer import ReceiveBuffer
from metersdk.frame.hdlc import Frame, Tally, take_frame
from metersdk.frame.iec62056_21 import SIGN_OFF, echo_of, to_line

T = TypeVar("T")

# Seconds to listen before the first request: three characters at 300 Bd.
LISTEN: Final = 0.1
# What ends a message or an idle line, with its parity bit and without, and belongs to nobody.
_FILL: Final = b"\0\r\n\x8d\x7e\xff"
_ENDS: Final = (SIGN_OFF, to_line(SIGN_OFF))
_HINT: Final = (
    "another reader, a probe left attached, or a meter that pushes: metersdk watch TARGET shows what goes over here"
)


class Unasked:
    """What came unasked on one line."""

    def __init__(self) -> None:
        self._connected = False
        self._given_up = False

    def over(self, dialog: Dialog[T], last: Turn) -> Dialog[T]:
        """``dialog``, with what comes before its first sending looked at; ``last`` is the turn before it."""
        given_up, self._given_up = self._given_up, True
        # What this call hears is put down in that turn, too, until it sends something itself.
        last = replace(last, pieces=[*last.pieces])
        result = yield from self._over(dialog, last, given_up)
        self._given_up = False
        return result

    def _over(self, dialog: Dialog[T], last: Turn, given_up: bool) -> Dialog[T]:
        before, self._connected = not self._connected, True
        # What is still on its way as answer to a call that was given up is not unasked.
        owed = given_up if not before else False
        heard = bytearray()
        try:
            effect: Effect = next(dialog)
            while True:
                try:
                    if type(effect) is Send:
                        held: bytes = yield from (_listen(LISTEN) if before else _waiting())
                        heard += held
                        if not owed and (finding := _finding(bytes(heard), last, before)) is not None:
                            yield Emit(finding)
                        break
                    answer: Answer = yield effect
                except BaseException as error:
                    effect = dialog.throw(error)
                    continue
                if type(effect) is Receive and len(heard) < LOOKED_AT:
                    heard += answer
                effect = dialog.send(answer)
            # Before the first request nothing can be the answer; later on it may be a push.
        except StopIteration as end:
            value: T = end.value
            return value
        return (yield from _handing(dialog, effect, b"" if before else held))


def _listen(seconds: float) -> Dialog[bytes]:
    now: float = yield Now()
    until = now + seconds
    heard = b""
    while now < until and len(heard) < LOOKED_AT:
        heard += yield Receive(until - now)
        now = yield Now()
    return heard


def _waiting() -> Dialog[bytes]:
    """What lies in the driver."""
    held = b""
    while len(held) < LOOKED_AT and (data := (yield Receive(0.0))):
        held += data
    return held


def _handing(dialog: Dialog[T], effect: Effect, held: bytes) -> Dialog[T]:
    """``dialog``, which gets ``held`` with the first octets it waits for."""
    try:
        while True:
            answer: Answer = None
            try:
                if held and type(effect) is Receive:
                    answer, held = held, b""
                else:
                    answer = yield effect
            except BaseException as error:
                effect = dialog.throw(error)
                continue
            if not held and answer is None:
                # Nothing is left to do here, and None is what next() sends.
                break
            effect = dialog.send(answer)
    except StopIteration as end:
        value: T = end.value
        return value
    return (yield from dialog)


def _finding(octets: bytes, last: Turn, before: bool) -> Finding | None:
    if not before:
        octets = unasked_in(octets, last)
    if not octets.strip(_FILL):
        return None
    when = "before the first request" if before else "between two calls"
    text = f"octets came {when}, and nobody here had asked: {look_at(octets).text}"
    return Finding("traffic", text, "line", -1, _HINT)


def unasked_in(octets: bytes, last: Turn) -> bytes:
    """What of ``octets`` is no echo of what was sent in the ``last`` turn, no answer to it, and no push of its peer."""
    heard = last.heard()
    skip = max(0, echo_of(last.sent, heard + octets)[1] - len(heard))
    octets = octets[skip:]
    kind = kind_of(last.sent)
    if kind is Kind.HDLC:
        return _foreign_frames(octets, last.sent, heard)
    if last.sent in _ENDS:
        return octets
    answered = heard[echo_of(last.sent, heard)[1] :]
    if kind in (Kind.REQUEST, Kind.SELECT, Kind.COMMAND, Kind.ACK, Kind.NAK):
        # A message that has not ended goes on; where it is damaged, nobody can tell whether it has.
        blocks = list(blocks_in(answered, last))
        return octets if blocks and (blocks[-1].proved or blocks[-1].added) else b""
    return octets if answered else b""


def _foreign_frames(octets: bytes, sent: bytes, heard: bytes) -> bytes:
    """``octets``, unless they are frames of the meter that ``sent`` went to: those are pushes.

    Where no frame of it was heard, what is no frame may be its answer: a meter that missed the acknowledgement of
    mode E sends its data message at 300 Bd.
    """
    own = next(_frames(sent, Tally()), None)
    if own is None:
        return octets
    tally = Tally()
    if any(frame.source != own.destination for frame in _frames(octets, tally)):
        return octets
    # The beginning of a frame that is still coming in is the next call's.
    strange = tally.noise + tally.bad_fcs + tally.bad_hcs
    answered = any(frame.source == own.destination for frame in _frames(heard, Tally()))
    return octets if strange and answered else b""


def _frames(octets: bytes, tally: Tally) -> Iterator[Frame]:
    buffer = ReceiveBuffer()
    buffer.feed(octets)
    while (frame := take_frame(buffer, tally)) is not None:
        yield frame
