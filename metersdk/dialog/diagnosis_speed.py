"""Causes that lie in the speed: a wrong one, and the change of it after the acknowledgement (IEC 62056-21 6.4)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import combinations

from metersdk.dialog.causes import Cause, finding
from metersdk.dialog.facts import Answer, Facts, Kind
from metersdk.dialog.signatures import JUDGED_OCTETS, SLOWER, Sign, readable, sign_of
from metersdk.errors import Finding
from metersdk.frame.iec62056_21 import INITIAL_BAUD, from_line

# Less than this after the acknowledgement, and a probe with a buffer of its own is still sending.
_EARLY_MARGIN = 0.04
# The shortest tr of a meter of 20 ms, and one character of the margin's own inexactness.
_SHORTEST_REACTION = 0.012
# The share of characters in what is text.
_READABLE = 0.85
# Octets of a message that the change of speed may have made.
_FIRST = 5
# Octets that a sender 32 times as fast leaves of a short message.
_FEW_OCTETS = 3
# The first octets of a message, behind two that the change of speed may have made.
_BEGINNING = re.compile(rb"[\s\S]{0,2}(?:\x02|\x01[PBRW])")
_DATA_LINE = re.compile(rb"[\x02]?[0-9A-Fa-fCLP][0-9A-Za-z:.*&-]*\(")


def late_switch(facts: Facts) -> Iterator[Finding]:
    """The meter had begun to send its data before this side changed the speed."""
    for answer in _switched(facts):
        if not _fell_back(answer) and (seen := _late(answer)) is not None:
            yield finding(Cause.SWITCH_LATE, seen)
            return


def fall_back(facts: Facts) -> Iterator[Finding]:
    """The meter goes on at 300 Bd: it missed the acknowledgement, or the speed was changed before that had left."""
    missed = [answer for answer in _switched(facts) if _fell_back(answer)]
    if not missed:
        return
    margins = [_margin(answer) for answer in missed]
    text = f"the meter goes on at {INITIAL_BAUD} Bd after the acknowledgement"
    if _echo_was_cut(facts, missed) or min(margins) < _EARLY_MARGIN:
        text += f"; the speed was changed {1000 * min(margins):.0f} ms after its last bit, as computed"
        yield finding(Cause.SWITCH_EARLY, text)
    else:
        yield finding(Cause.FALL_BACK, text)


def _switched(facts: Facts) -> list[Answer]:
    return [answer for answer in facts.of(Kind.SELECT) if answer.first_switch is not None]


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
    returned = [moment for moment, speed in answer.turn.switches[1:] if speed == INITIAL_BAUD]
    ratio = SLOWER.get(sign, 1)
    if not returned:
        return ratio > 1 and baud // ratio <= INITIAL_BAUD
    after = b"".join(piece.octets for piece in answer.pieces if piece.at > returned[0])
    return readable(after) > _READABLE or baud // ratio <= INITIAL_BAUD


def _echo_was_cut(facts: Facts, missed: list[Answer]) -> bool:
    """A probe that returns all of the request, and not all of the acknowledgement, was still sending it."""
    requests = facts.of(Kind.REQUEST)
    if not requests or requests[0].echo != "full" or requests[0].echo_cut:
        return False
    return all(answer.echo_cut for answer in missed)


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
    if _DATA_LINE.match(text[1:]) or sum(at > _FIRST for at in from_line(octets)[1]) > 1:
        # Damaged by something else.
        return None
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
            if answer.kind is Kind.REQUEST and baud != answer.turn.baud:
                # What a meter said at 300 Bd, heard at the speed of the next try.
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
    few = JUDGED_OCTETS if any(answer.first_switch for answer in facts.of(Kind.SELECT)) else _FEW_OCTETS
    if lone and not any(block.proved for block in facts.blocks) and max(map(len, lone)) >= few:
        yield finding(Cause.BAUD_FASTER, f"{len(max(lone, key=len))} unreadable octets where data were to come")


def _alike(one: bytes, other: bytes) -> bool:
    size = min(len(one), len(other))
    if not size or abs(len(one) - len(other)) > 1 + size // 8:
        return False
    same = sum(a == b for a, b in zip(one, other, strict=False))
    return same * 4 >= size * 3
