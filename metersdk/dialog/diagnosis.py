"""The troubleshooting matrix: from what was sent and heard on a line to what is wrong with it.

``diagnose`` is a pure function of ``Evidence``. Each rule looks for one group of causes and gives ``Finding``s with a
stable code, what was seen, and what a technician does next. The first finding is the likeliest cause. A session in
order gives none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from metersdk.dialog.causes import Cause, finding
from metersdk.dialog.diagnosis_blocks import (
    damaged_blocks,
    fading,
    flipped_bits,
    hdlc_frames,
    parity_errors,
    two_readers,
)
from metersdk.dialog.diagnosis_light import light
from metersdk.dialog.diagnosis_speed import fall_back, late_switch, wrong_speed
from metersdk.dialog.evidence import Evidence
from metersdk.dialog.facts import Answer, Facts, Kind, kind_of
from metersdk.dialog.signatures import Sign, protocol_of, sign_of
from metersdk.errors import Finding, PortBusy, PortClosed
from metersdk.frame.c1218 import STP
from metersdk.frame.iec62056_21 import INITIAL_BAUD, find_identification, from_line
from metersdk.frame.recognise import Speech, recognise

# That all requests were lost has worse odds: the meter did not hear for another reason.
_NO_CHANCE = 0.01

Rule = Callable[[Facts], Iterator[Finding]]


def diagnose(evidence: Evidence) -> tuple[Finding, ...]:
    """What the line suffers from, the likeliest cause first, each cause once; nothing where all is well."""
    port = _port(evidence)
    if port is not None:
        return (port,)
    if _spoke_c1218(evidence):
        # Whose packets are acknowledged one by one; what became of them stands on the findings of its link.
        return ()
    facts = Facts(evidence)
    found: dict[str, Finding] = {}
    for rule, final in _RULES:
        for each in rule(facts):
            found.setdefault(each.code, each)
        if found and final:
            break
    return tuple(found.values())


def _port(evidence: Evidence) -> Finding | None:
    error = evidence.error
    if isinstance(error, PortBusy):
        return finding(Cause.PORT_BUSY, error.message)
    if isinstance(error, PortClosed) and evidence.line:
        return finding(Cause.TWO_READERS if error.state == "shared" else Cause.UNPLUGGED, error.message)
    return None


def _spoke_c1218(evidence: Evidence) -> bool:
    """Whether an ANSI meter answered: its packets hold any octet, and say nothing about light or speed."""
    return any(turn.sent[:1] == bytes((STP,)) and protocol_of(turn.heard()) is Sign.C1218 for turn in evidence.turns)


def _pushers(facts: Facts) -> Iterator[Finding]:
    """A meter that speaks by itself, or another protocol than the one that was asked for."""
    if facts.spoke_hdlc or facts.identified or any(block.proved for block in facts.blocks):
        return
    own = [turn.sent for turn in facts.evidence.turns if kind_of(turn.sent) is Kind.HDLC]
    asked = False
    for answer in facts.answers:
        asked |= answer.kind is Kind.REQUEST and bool(answer.pieces)
        for baud, heard in answer.by_speed:
            octets = heard
            for sent in own:
                octets = octets.replace(sent, b"")
            sign = protocol_of(octets)
            at = f"at {baud} Bd"
            if sign is Sign.SML:
                yield finding(Cause.SML, f"an SML transport message {at}")
            elif sign is Sign.C1218:
                yield finding(Cause.C1218, f"a packet of ANSI C12.18 {at}")
            elif sign is Sign.HDLC and answer.kind is not Kind.HDLC:
                yield finding(Cause.HDLC, f"HDLC frames {at}, without a sign-on")
            elif asked and baud == INITIAL_BAUD and answer.kind is not Kind.NOTHING:
                # A meter that was not acknowledged, its identification damaged, sends its data at 300 Bd (6.4.2).
                continue
            elif _unasked(answer, baud) and _is_telegram(octets):
                yield finding(Cause.MODE_D, f"a data message that nobody asked for {at}")


def _is_telegram(octets: bytes) -> bool:
    return recognise(octets) is Speech.TELEGRAM and find_identification(from_line(octets)[0]) is not None


def _unasked(answer: Answer, baud: int) -> bool:
    """Whether no data message may come now, at this speed."""
    if answer.kind is Kind.REQUEST:
        return baud != answer.turn.baud
    return answer.kind in (Kind.NOTHING, Kind.WAKE_UP, Kind.HDLC)


def _wrong_format(facts: Facts) -> Iterator[Finding]:
    """Formats are told from eight octets on: parity and bit 7 (``signatures.format_of``)."""
    if facts.evidence.parity != "software" or facts.spoke_hdlc:
        return
    signs = [sign for answer in facts.text_answers for sign in _text_signs(answer)]
    for sign in (Sign.TEXT_7O1, Sign.TEXT_8N1, Sign.TEXT_7N2, Sign.TEXT_7N1):
        # Once may be chance, unless everything looks like that.
        if signs.count(sign) and signs.count(sign) * 2 > len(signs):
            counters = facts.evidence.counters
            if sign is Sign.TEXT_8N1 and counters is not None and counters.framing:
                text = f"8 bits without parity, and {counters.framing} framing errors: the tenth bit is a parity bit"
                yield finding(Cause.FORMAT_8E1, text)
                return
            yield finding(_FORMATS[sign], f"the octets have the statistics of {sign}, not of 7E1")
            return


_FORMATS = {
    Sign.TEXT_7O1: Cause.FORMAT_7O1,
    Sign.TEXT_8N1: Cause.FORMAT_8N1,
    Sign.TEXT_7N2: Cause.FORMAT_7N2,
    Sign.TEXT_7N1: Cause.FORMAT_7N1,
}


def _text_signs(answer: Answer) -> Iterator[Sign]:
    for _, octets in answer.by_speed:
        stripped = octets.strip(b"\0")
        if len(stripped) >= 8:
            yield sign_of(stripped)


def _silence(facts: Facts) -> Iterator[Finding]:
    """Nothing came, or nothing but what was sent; or the meter had to be woken."""
    requests = facts.of(Kind.REQUEST)
    if not requests:
        if facts.of(Kind.HDLC) and not any(answer.pieces for answer in facts.answers):
            yield _silent(facts)
        return
    if facts.identified:
        first = facts.answers.index(facts.identified[0])
        woken = any(answer.kind is Kind.WAKE_UP for answer in facts.answers[:first])
        before = [answer for answer in facts.answers[:first] if answer.kind is Kind.REQUEST]
        if woken and before and not any(answer.pieces for answer in before) and not _lost(facts, before):
            yield finding(Cause.ASLEEP, f"silent to {len(before)} requests, answered after the wake-up call")
        return
    if not any(answer.pieces for answer in facts.answers):
        yield _silent(facts)


def _lost(facts: Facts, requests: list[Answer]) -> bool:
    """Whether the requests may have been damaged on their way, as the answers were: then silence tells nothing."""
    octets, wrong, _ = parity_errors(facts)
    if not wrong:
        return False
    chance = 1.0
    for request in requests:
        chance *= 1 - (1 - wrong / octets) ** len(request.turn.sent)
    return chance > _NO_CHANCE


def _silent(facts: Facts) -> Finding:
    counters = facts.evidence.counters
    if counters is not None and counters.breaks:
        return finding(Cause.LIGHT_CONSTANT, f"nothing but {counters.breaks} breaks: light holds the receiver low")
    if facts.echoes * 2 >= len(facts.answers):
        return finding(Cause.ECHO_ONLY, f"own octets came back {facts.echoes} times, and nothing else")
    asked = sum(answer.kind in (Kind.REQUEST, Kind.HDLC) for answer in facts.answers)
    return finding(Cause.SILENT, f"not one octet after {asked} requests")


# Each rule, and whether the search ends with what it found: what comes after would be its consequence.
_RULES: tuple[tuple[Rule, bool], ...] = (
    (_silence, True),
    (_pushers, True),
    (light, True),
    (_wrong_format, True),
    (late_switch, True),
    (fading, True),
    (flipped_bits, True),
    (fall_back, True),
    (two_readers, True),
    (wrong_speed, True),
    (damaged_blocks, False),
    (hdlc_frames, False),
)
