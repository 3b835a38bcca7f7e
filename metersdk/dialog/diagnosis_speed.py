"""Causes that lie in the speed: a wrong one, and the change of it after the acknowledgement (IEC 62056-21 6.4)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import combinations

from metersdk.dialog.causes import Cause, finding
from metersdk.dialog.facts import Answer, Facts, Kind
from metersdk.dialog.signatures import JUDGED_OCTETS, SLOWER, Sign, sign_of
from metersdk.errors import Finding
from metersdk.frame.iec62056_21 import INITIAL_BAUD, from_line

# Less than this after the acknowledgement, and a probe with a buffer of its own is still sending.
_EARLY_MARGIN = 0.04
# The shortest tr of a meter of 20 ms, and one character of the margin's own inexactness.
_SHORTEST_REACTION = 0.012
# The first octets of a message, behind two that the change of speed may have made.
_BEGINNING = re.compile(rb"[^\r\n]{0,2}(?:\x02|\x01[PBRW])")
_DATA_LINE = re.compile(rb"[\x02]?[0-9A-Fa-fCLP][0-9A-Za-z:.*&-]*\(")


def switch_of_speed(facts: Facts) -> Iterator[Finding]:
    """Fallback to 300 Bd, and a change of speed too early or too late."""
    selects = [answer for answer in facts.of(Kind.SELECT) if answer.first_switch is not None]
    missed = [answer for answer in selects if _fell_back(answer)]
    if missed:
        margins = [_margin(answer) for answer in missed]
        text = f"the meter goes on at {INITIAL_BAUD} Bd after the acknowledgement"
        if _echo_was_cut(facts, missed) or min(margins) < _EARLY_MARGIN:
            text += f"; the speed was changed {1000 * min(margins):.0f} ms after its last bit, as computed"
            yield finding(Cause.SWITCH_EARLY, text)
        else:
            yield finding(Cause.FALL_BACK, text)
        return
    for answer in selects:
        if (seen := _late(answer)) is not None:
            yield finding(Cause.SWITCH_LATE, seen)
            return


def _margin(answer: Answer) -> float:
    assert answer.first_switch is not None
    return answer.first_switch[0] - answer.turn.line_end


def _fell_back(answer: Answer) -> bool:
    """Whether the meter went on at 300 Bd: read as such after going back, or seen as 00 at the higher speed."""
    assert answer.first_switch is not None
    _, baud = answer.first_switch
    if baud <= INITIAL_BAUD:
        return False
    octets = answer.turn.heard(baud)
    sign = sign_of(octets)
    if sign is Sign.SLOWER_16:
        return True
    # The first octet may have been hit by the change of speed.
    if len(octets) >= 4 and sign_of(octets[1:]) is Sign.SLOWER_16:
        return True
    returned = [speed for _, speed in answer.turn.switches[1:] if speed == INITIAL_BAUD]
    ratio = SLOWER.get(sign, 1)
    return bool(returned or ratio > 1) and baud // ratio <= INITIAL_BAUD


def _echo_was_cut(facts: Facts, missed: list[Answer]) -> bool:
    """A probe that returns all of the request, and not all of the acknowledgement, was still sending it."""
    requests = facts.of(Kind.REQUEST)
    return bool(requests) and requests[0].echo == "full" and all(answer.echo != "full" for answer in missed)


def _late(answer: Answer) -> str | None:
    """What shows that the meter had begun before the speed was changed."""
    assert answer.first_switch is not None
    moment, baud = answer.first_switch
    if baud <= INITIAL_BAUD or _margin(answer) < _SHORTEST_REACTION:
        return None
    before = sum(len(piece.octets) for piece in answer.pieces if piece.at <= moment and piece.baud != baud)
    octets = answer.turn.heard(baud)
    text = from_line(octets)[0].lstrip(b"\0")
    delay = f"the speed was changed {1000 * _margin(answer):.0f} ms after the acknowledgement"
    if not text:
        return f"{delay}; {before} octets came before, none after it" if before else None
    begins = _BEGINNING.match(text) is not None
    if before and not begins:
        return f"{delay}; {before} octets of the message came before"
    if len(text) < JUDGED_OCTETS or sign_of(octets) not in (Sign.TEXT_7E1, Sign.TEXT_8N1):
        return None
    if not begins and not _DATA_LINE.match(text):
        return f"{delay}; the message had begun: its first octets are {text[:12]!r}"
    return None


def wrong_speed(facts: Facts) -> Iterator[Finding]:
    """A sender at another speed than the receiver: its octets are of a few kinds only, or of all kinds each time."""
    strange: list[tuple[int, bytes, Answer]] = []
    for answer in facts.text_answers:
        if answer.kind is Kind.WAKE_UP:
            continue
        for baud, octets in answer.by_speed:
            if answer.kind is Kind.SELECT and baud == INITIAL_BAUD and answer.first_switch is not None:
                continue
            sign = sign_of(octets)
            if sign not in SLOWER and len(octets) > 8:
                # The change of speed may have hit the first.
                sign = sign_of(octets[1:]) if sign_of(octets[1:]) in SLOWER else sign
            ratio = SLOWER.get(sign)
            if ratio is not None and baud > INITIAL_BAUD and len(octets) >= 4:
                likely = max(baud // ratio, INITIAL_BAUD) if sign is not Sign.SLOWER_16 else INITIAL_BAUD
                if not (answer.kind is Kind.SELECT and likely == INITIAL_BAUD):
                    text = f"octets of a sender {sign} than {baud} Bd: {likely} Bd"
                    yield finding(Cause.BAUD_SLOWER, text, hint=f"use {likely} Bd for this meter (?baud={likely})")
                    return
            if sign is Sign.UNKNOWN:
                strange.append((baud, octets, answer))
    if facts.identified and not any(answer.kind is Kind.SELECT for _, _, answer in strange):
        return
    yield from _faster(facts, strange)


def _faster(facts: Facts, strange: list[tuple[int, bytes, Answer]]) -> Iterator[Finding]:
    """The same unreadable octets to the same question: no noise, but a sender that is too fast."""
    if any(block.proved for block in facts.blocks) and len(strange) < 2:
        return
    for (baud, one, asked), (other_baud, other, again) in combinations(strange, 2):
        if baud == other_baud and asked.kind == again.kind and _alike(one, other):
            times = "about twice as fast" if len(one) > 3 else "many times as fast"
            yield finding(Cause.BAUD_FASTER, f"the same {len(one)} unreadable octets each time: a sender {times}")
            return
    lone = [octets for _, octets, answer in strange if answer.kind is Kind.SELECT]
    if lone and not any(block.proved for block in facts.blocks) and max(map(len, lone)) >= JUDGED_OCTETS:
        yield finding(Cause.BAUD_FASTER, f"{len(max(lone, key=len))} unreadable octets where data were to come")


def _alike(one: bytes, other: bytes) -> bool:
    size = min(len(one), len(other))
    if not size or abs(len(one) - len(other)) > 1 + size // 8:
        return False
    same = sum(a == b for a, b in zip(one, other, strict=False))
    return same * 4 >= size * 3
