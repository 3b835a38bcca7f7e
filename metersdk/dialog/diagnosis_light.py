"""Causes that shine: sun, lamps on the mains, and light so strong that the receiver sees nothing else."""

from __future__ import annotations

from cmath import exp
from collections.abc import Iterator
from itertools import pairwise
from math import pi

from metersdk.dialog.causes import Cause, finding
from metersdk.dialog.evidence import CHARACTER_BITS, Piece
from metersdk.dialog.facts import Facts, Kind, bursts
from metersdk.dialog.signatures import FORMATS, JUDGED_OCTETS, Sign, readable, sign_of
from metersdk.errors import Finding
from metersdk.frame.iec62056_21 import INITIAL_BAUD

# Stray octets, and moments at which they came, before light is spoken of.
_FEW = 3
_PERIODIC = 8
# Length of the mean phase vector: 1 for a clock, about n ** -0.5 for chance.
_IN_PHASE = 0.5
# n times the square of that length: by chance above 9 once in 8000.
_NO_CHANCE = 9.0
# Seconds of NUL after NUL.
_DAZZLED = 0.8
# Seconds from the first stray octet to the last that no message accounts for.
_LASTING = 1.5
# Seconds by which the times of two octets may be off.
_SAME = 0.002
# An octet so often in a row, and those that messages hold in a row.
_AGAIN = 6
_FILLING = b"0123456789 .-*"
# Characters of a row that may be missing.
_A_FEW = 8
# Above this share of characters the strays are the rest of messages.
_TEXT = 0.6


def light(facts: Facts) -> Iterator[Finding]:
    """Octets where nobody spoke: without order from the sun, by the beat of the mains from a lamp."""
    if (span := _dazzled(facts)) is not None:
        yield finding(Cause.LIGHT_CONSTANT, f"NUL after NUL for {span:.1f} s")
        return
    for pieces in facts.quiet:
        if any(_known(burst) for burst in bursts(pieces)):
            continue
        frequency, moments = _beat([piece for piece in pieces if len(piece.octets) == 1])
        if frequency:
            yield finding(Cause.LAMP, f"{moments} octets that nobody sent, by the beat of {frequency} Hz")
            return
    strays = facts.strays
    octets = b"".join(piece.octets for piece in strays)
    if len(octets) < _FEW or len({round(piece.at, 1) for piece in strays}) < _FEW or readable(octets) > _TEXT:
        return
    kinds = " ".join(f"{octet:02X}" for octet in sorted(set(octets), key=octets.count, reverse=True)[:4])
    yield finding(Cause.SUNLIGHT, f"{len(octets)} octets that nobody sent, mostly {kinds}")


def _known(burst: list[Piece]) -> bool:
    """Whether a run of octets is text in some format."""
    octets = b"".join(piece.octets for piece in burst)
    return len(octets) >= JUDGED_OCTETS and _run(octets) is None and sign_of(octets) in (*FORMATS, Sign.TEXT_7E1)


def _dazzled(facts: Facts) -> float | None:
    """Seconds for which the receiver was held low: NULs back to back, denser than any slower sender makes them."""
    longest = 0.0
    for answer in facts.text_answers:
        if answer.kind is Kind.WAKE_UP:
            continue
        begun = last = None
        count = 0
        for piece in answer.pieces:
            if piece.octets.strip(b"\0") or not piece.baud:
                begun = last = None
                continue
            char = CHARACTER_BITS / piece.baud
            size = len(piece.octets)
            if begun is None or last is None or piece.at - last > 2 * (size + 1) * char + 0.005:
                begun, count = piece.at - size * char, 0
            count += size
            last = piece.at
            if last - begun < 1.3 * count * char and (piece.baud == INITIAL_BAUD or count > 32):
                longest = max(longest, last - begun)
    return longest if longest >= _DAZZLED else None


def _beat(pieces: list[Piece]) -> tuple[int, int]:
    """100 or 120 if single octets keep to that beat for long, else 0; and how many there are.

    At 300 Bd a character takes four periods of 120 Hz: there any message keeps to it, so what is one is left out.
    """
    if len(pieces) < _PERIODIC:
        return 0, 0
    octets = b"".join(piece.octets for piece in pieces)
    if (run := _run(octets)) is not None:
        pieces = pieces[run]
    elif pieces[0].baud == INITIAL_BAUD and pieces[-1].at - pieces[0].at < _LASTING:
        return 0, 0
    elif max(map(octets.count, set(octets))) * 2 < len(octets):
        # Characters in a row keep the beat of their own speed.
        pieces = [
            piece
            for before, piece in pairwise(pieces)
            if not _in_step(piece.at - before.at, CHARACTER_BITS / piece.baud)
        ]
        if len(pieces) < _PERIODIC:
            return 0, 0
    lengths = {f: abs(sum(exp(2j * pi * f * piece.at) for piece in pieces)) / len(pieces) for f in (100, 120)}
    best = max(lengths, key=lambda f: lengths[f])
    sure = lengths[best] >= _IN_PHASE and (run is not None or len(pieces) * lengths[best] ** 2 >= _NO_CHANCE)
    return (best if sure else 0), len(pieces)


def _in_step(seconds: float, char: float) -> bool:
    """Whether so much time is one character, or a few of which some are missing."""
    characters = round(seconds / char)
    return 1 <= characters <= _A_FEW and abs(seconds - characters * char) < _SAME


def _run(octets: bytes) -> slice | None:
    """Where one octet comes again and again that fills no message: each time the same pulses from its start bit on."""
    begun = 0
    for at in range(1, len(octets) + 1):
        if at < len(octets) and octets[at] == octets[begun]:
            continue
        octet = octets[begun]
        if at - begun >= _AGAIN and octet and (octet & 0x7F not in _FILLING or octet.bit_count() & 1):
            return slice(begun, at)
        begun = at
    return None
