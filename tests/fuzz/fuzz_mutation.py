"""Mutated octets: seeds, what is done to them, and what every target tells of itself. Pure Python, no dependency."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
CORPUS = Path(os.environ.get("METERSDK_CORPUS", ROOT.parent / "shared" / "corpus"))

# Longer inputs find nothing that these do not, and cost executions.
LONGEST = 1 << 14
# Lengths and counts at the edges of their encodings, flags, control octets, and the tags of what nests.
_EDGES = bytes.fromhex("000102030408090c0f107e7f80818283848f90a0c0e0f0feff")
_LENGTHS = tuple(map(bytes.fromhex, ("80", "8101", "817f", "820000", "82ffff", "84ffffffff", "847fffffff", "8800")))


@dataclass(frozen=True)
class Target:
    """A parser, or a whole session, under fuzz.

    Args:
        name: what ``--target`` takes.
        run: takes one input; whatever it raises that is not in ``allowed`` is a finding.
        seeds: inputs to begin with.
        allowed: the documented errors.
        words: octets that mean something to this parser.
        mend: makes checksums right again, so that more than the checksum is tested; used on half of the inputs.
        decisions: the input is no message but a row of choices, so that random octets are as good as any.
    """

    name: str
    run: Callable[[bytes], object]
    seeds: Callable[[], Sequence[bytes]]
    allowed: tuple[type[Exception], ...]
    words: tuple[bytes, ...] = ()
    mend: Callable[[bytes], bytes] | None = None
    decisions: bool = field(default=False, kw_only=True)


@cache
def captures(*groups: str) -> tuple[bytes, ...]:
    """The corpus cases of these groups; none where there is no corpus."""
    if not (CORPUS / "index.json").exists():
        return ()
    found = []
    for meta in json.loads((CORPUS / "index.json").read_text("utf-8")):
        if meta["group"] in groups:
            raw = (CORPUS / meta["file"]).read_bytes()
            found.append(bytes.fromhex(raw.decode("ascii")) if meta["file"].endswith(".hex") else raw)
    return tuple(found)


@cache
def vectors(*topics: str) -> tuple[bytes, ...]:
    """The test vectors of these topics; all of them without one."""
    entries = json.loads((ROOT / "tests" / "vectors" / "dlms.json").read_text("utf-8"))
    return tuple(bytes.fromhex(entry["hex"]) for entry in entries if not topics or entry["topic"] in topics)


def mutated(target: Target, seeds: Sequence[bytes], seed: int, case: int) -> bytes:
    """The input of one case: the same for the same target, seed and number."""
    chance = random.Random(f"{target.name}:{seed}:{case}")
    if target.decisions:
        return _choices(chance)
    data = bytearray(chance.choice(seeds)[:LONGEST])
    for _ in range(chance.choice((0, 1, 1, 1, 2, 2, 3, 5, 8))):
        _mutate(data, target, seeds, chance)
    octets = bytes(data[:LONGEST])
    return target.mend(octets) if target.mend is not None and chance.random() < 0.5 else octets


def _choices(chance: random.Random) -> bytes:
    """Mostly zeros, which mean: leave it as it is; a session that is hostile throughout never gets anywhere."""
    rate = chance.choice((0.01, 0.03, 0.1, 0.3, 0.9))
    return bytes(chance.randrange(1, 256) if chance.random() < rate else 0 for _ in range(chance.randrange(1, 600)))


def _mutate(data: bytearray, target: Target, seeds: Sequence[bytes], chance: random.Random) -> None:
    at = chance.randrange(len(data) + 1)
    size = min(chance.choice((1, 1, 2, 3, 4, 8, 16, 64, 400)), len(data) - at)
    match chance.randrange(12):
        case 0 | 1 if at < len(data):
            data[at] ^= 1 << chance.randrange(8)
        case 2 | 3 if at < len(data):
            data[at] = chance.choice(_EDGES)
        case 4 if at < len(data):
            data[at] = chance.randrange(256)
        case 5:
            del data[at : at + size]
        case 6:
            data[at:at] = data[at : at + size] * chance.choice((1, 1, 2, 5, 300))
        case 7:
            del data[at:]
        case 8:
            other = chance.choice(seeds)[:LONGEST]
            start = chance.randrange(len(other) + 1)
            data[at:] = other[start:]
        case 9:
            data[at : at + chance.choice((0, 1))] = chance.choice(_LENGTHS)
        case 10 if target.words:
            data[at : at + chance.choice((0, size))] = chance.choice(target.words)
        case _:
            data[at:at] = chance.randbytes(chance.choice((1, 2, 4, 8, 40)))
