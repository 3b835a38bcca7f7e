"""Causes that show in messages: damaged, missing or foreign octets, and other check characters."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import SequenceMatcher
from itertools import pairwise

from metersdk.dialog.causes import Cause, finding
from metersdk.dialog.evidence import CHARACTER_BITS
from metersdk.dialog.facts import Answer, Block, Facts, Kind
from metersdk.dialog.signatures import JUDGED_OCTETS, readable
from metersdk.errors import Finding
from metersdk.frame.buffer import ReceiveBuffer
from metersdk.frame.hdlc import Tally, take_frame
from metersdk.frame.iec62056_21 import ACK, NAK, STX, from_line

# More damage than this is no accident.
_MANY_ERRORS = 3
_OFTEN = 0.004
# Another reader takes whole pieces, a busy computer single octets.
_RUN_OF_PIECES = 2.5
# An echo shorter than this proves nothing.
_ECHO_OCTETS = 4
# Where the wrong octets lie on the average, in what was heard: damage all over gives a half.
_AT_THE_END = 0.7
# What a meter answers.
_ASKING = (Kind.REQUEST, Kind.SELECT, Kind.NAK, Kind.ACK)
# Two copies of one message that differ in more places are shifted against each other.
_FEW_DIFFER = 6
# So many octets missing in one session are no accident of the computer.
_MANY_MISSING = 3
_MANY_HOLES = 6
# Characters by which a gap may differ from a whole number of them.
_IN_STEP = 0.05
_LINE_END = re.compile(rb"[\r\n]+")
_DATA_LINE = re.compile(rb"(?:[^()!]+(?:\([^()]*\))+)+")
# Messages are compared as far as this.
_COMPARED = 600


def fading(facts: Facts) -> Iterator[Finding]:
    """Good at first, then more and more damage, then nothing, though it was asked again."""
    if facts.evidence.error is None or facts.spoke_hdlc:
        return
    asked = [answer for answer in facts.answers if answer.kind in _ASKING]
    spoke = [index for index, answer in enumerate(asked) if len(answer.octets) >= JUDGED_OCTETS]
    if not spoke:
        return
    silent = [answer for answer in asked[spoke[-1] + 1 :] if len(answer.octets) < JUDGED_OCTETS]
    if len(silent) < 2 or readable(asked[spoke[0]].octets) < 0.8:
        return
    octets = b"".join(asked[index].octets for index in spoke)
    wrong = from_line(octets)[1]
    if wrong and sum(wrong) / len(wrong) > _AT_THE_END * len(octets):
        text = f"answers that end in damage, and none to the last {len(silent)} requests"
        yield finding(Cause.BATTERY_LOW, text)


def _odd(answer: Answer) -> int:
    return len(from_line(answer.octets)[1])


def two_readers(facts: Facts) -> Iterator[Finding]:
    """Runs of octets are missing, and parity is right throughout: somebody else has them."""
    if facts.evidence.parity != "software" or facts.spoke_hdlc:
        return
    if sum(_odd(answer) for answer in facts.text_answers):
        return
    runs = [run for bad, good in _pairs(facts.blocks) for run in _missing(bad, good)]
    proved = [id(block.turn) for block in facts.blocks if block.proved]
    torn = sum(
        _torn_lines(from_line(octets)[0])
        for answer in facts.of(*_ASKING)
        for _, octets in answer.by_speed
        if id(answer.turn) not in proved and readable(octets) > 0.9
    )
    if (len(runs) >= 2 and sum(runs) / len(runs) >= _RUN_OF_PIECES) or sum(runs) + torn >= _MANY_MISSING:
        places = max(len(runs), torn)
        yield finding(Cause.TWO_READERS, f"octets are missing at {places} places, and what there is is right")
        return
    holes = sum(_holes(answer) for answer in facts.of(*_ASKING) if readable(answer.octets) > 0.9)
    if holes >= _MANY_HOLES:
        yield finding(Cause.TWO_READERS, f"{holes} gaps amid messages, each as long as a few characters")
        return
    fragments = [answer for answer in facts.unreadable if readable(answer.octets) > 0.9]
    if not facts.identified and fragments:
        text = f"{len(fragments)} identifications with octets missing, and what there is is right"
        yield finding(Cause.TWO_READERS, text)


def _holes(answer: Answer) -> int:
    """Gaps of two to eight character times amid a message: what was lost left its time behind."""
    count = 0
    for before, piece in pairwise(answer.pieces):
        if len(piece.octets) == 1 and piece.baud == before.baud:
            characters = (piece.at - before.at) * piece.baud / CHARACTER_BITS
            count += 1.5 < characters < 8.5 and abs(characters - round(characters)) < _IN_STEP
    return count


def _torn_lines(text: bytes) -> int:
    """Lines of a message that are no data sets: brackets, or the ends of lines, may be what is missing."""
    lines = [line for line in _LINE_END.split(text[text.find(STX) + 1 :])[:-1] if line.strip(b"\x03!")]
    torn = [not _DATA_LINE.fullmatch(line) for line in lines if not line.startswith(b"/")]
    return sum(torn) if len(lines) > 1 else 0


def _pairs(blocks: list[Block]) -> Iterator[tuple[bytes, bytes]]:
    """Each damaged message with what it should have been: the good repeat of it, else the longest one."""
    for index, block in enumerate(blocks):
        if block.proved:
            continue
        later = [each for each in blocks[index + 1 :] if each.proved]
        others = [each for each in blocks if each is not block]
        if later:
            yield block.text, later[0].text
        elif others:
            best = max(others, key=lambda each: len(each.text))
            if len(best.text) > len(block.text):
                yield block.text, best.text


def _missing(bad: bytes, good: bytes) -> list[int]:
    """Lengths of the runs of ``good`` that ``bad`` lacks; nothing if they are two different messages."""
    if bad == good[: len(bad)]:
        return []
    matcher = SequenceMatcher(None, bad[:_COMPARED], good[:_COMPARED], autojunk=False)
    blocks = matcher.get_matching_blocks()
    if sum(size for _, _, size in blocks) * 2 < min(len(bad), _COMPARED):
        return []
    runs = []
    at_bad = at_good = 0
    for in_bad, in_good, size in blocks:
        gap = (in_good - at_good) - (in_bad - at_bad)
        if gap > 0 and size:
            runs.append(gap)
        at_bad, at_good = in_bad + size, in_good + size
    return runs


def flipped_bits(facts: Facts) -> Iterator[Finding]:
    """Wrong parity here and there, in all that comes: the probe does not see well."""
    octets, wrong, hit = parity_errors(facts)
    if wrong:
        yield finding(Cause.MISALIGNED, f"wrong parity of {wrong} in {octets} octets, in {hit} answers")


def parity_errors(facts: Facts) -> tuple[int, int, int]:
    """Octets of readable answers, those of wrong parity, answers with such; three times 0 where they are few."""
    if facts.evidence.parity != "software":
        return 0, 0, 0
    octets = wrong = 0
    hit = 0
    for answer in facts.text_answers:
        for _, heard in answer.by_speed:
            if len(heard) >= JUDGED_OCTETS and readable(heard) > 0.6:
                odd = len(from_line(heard)[1])
                # More than a quarter, and it is another format or speed.
                if odd * 4 <= len(heard):
                    octets, wrong, hit = octets + len(heard), wrong + odd, hit + bool(odd)
    return (octets, wrong, hit) if wrong >= _MANY_ERRORS and wrong > _OFTEN * octets else (0, 0, 0)


def damaged_blocks(facts: Facts) -> Iterator[Finding]:
    """Why a check character was wrong."""
    blocks = facts.blocks
    bad = [block for block in blocks if block.proved is False]
    if not bad and facts.evidence.error is not None and any(block.proved is None for block in blocks):
        yield finding(Cause.BROKEN_OFF, "a message broke off before its end")
        return
    if bad and all(block.added and not block.odd for block in bad):
        yield finding(Cause.SUM_CHECK, f"the 7-bit sum of {len(bad)} messages is right where XOR is not")
        return
    for block in bad:
        yield from _why(block, blocks)


def _why(block: Block, blocks: list[Block]) -> Iterator[Finding]:
    if block.odd:
        yield finding(Cause.PARITY, f"a message with {block.odd} octets of wrong parity")
        return
    sent = bytes(octet & 0x7F for octet in block.turn.sent)
    if (len(sent) >= _ECHO_OCTETS and sent in block.text) or any(each in block.text for each in (ACK, NAK)):
        yield finding(Cause.ECHO_MIXED_IN, "what was sent stands amid the message")
        return
    twins = [each for each in blocks if each.proved and abs(len(each.text) - len(block.text)) < len(each.text) // 4]
    others = [each for each in blocks if each is not block]
    whole = twins[0] if twins else max(others, key=lambda each: len(each.text)) if others else None
    differing = sum(a != b for a, b in zip(block.text, whole.text, strict=False)) if whole is not None else 0
    if whole is not None and len(whole.text) > len(block.text):
        yield finding(Cause.LOST_OCTETS, f"{len(whole.text) - len(block.text)} octets are missing in a message")
    elif whole is not None and whole.proved is False and differing > _FEW_DIFFER:
        yield finding(Cause.LOST_OCTETS, "two copies of a message are shifted against each other")
    elif _looks_cut(block.text):
        yield finding(Cause.LOST_OCTETS, "octets are missing in a message: its brackets do not fit")
    else:
        yield finding(Cause.FLIPPED_PAIR, "a wrong check character, though parity is right throughout")


def _looks_cut(text: bytes) -> bool:
    return text.count(b"(") != text.count(b")") or text.count(b"\r") != text.count(b"\n")


def hdlc_frames(facts: Facts) -> Iterator[Finding]:
    """Damaged HDLC frames, and whether octets of them are missing."""
    tally, good, short, whole = Tally(), 0, 0, 0
    for answer in facts.of(Kind.HDLC):
        buffer = ReceiveBuffer()
        buffer.feed(answer.octets)
        while take_frame(buffer, tally) is not None:
            good += 1
        for length, present in _lengths(answer.octets):
            short += present < length
            whole += present == length
    bad = tally.bad_fcs + tally.bad_hcs
    if not bad and not short:
        return
    if short * 2 > bad:
        yield finding(Cause.LOST_OCTETS, f"{short} frames are shorter than they say, {good} are good")
    elif bad >= _MANY_ERRORS:
        yield finding(Cause.MISALIGNED, f"{bad} frames with a wrong check sequence, {good} good ones")
    else:
        yield finding(Cause.PARITY, f"{bad} frames with a wrong check sequence, {good} good ones")


def _lengths(octets: bytes) -> Iterator[tuple[int, int]]:
    """What each stretch between flags says of its length, and what it is."""
    for stretch in octets.split(b"\x7e"):
        if len(stretch) >= 2 and stretch[0] & 0xF0 == 0xA0:
            yield int.from_bytes(stretch[:2], "big") & 0x7FF, len(stretch)
