"""From the record of a line to its report."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from statistics import median

from metersdk.dialog.evidence import CHARACTER_BITS, Record
from metersdk.dialog.facts import Answer, Block, Kind, answers_of, blocks_in
from metersdk.errors import Finding
from metersdk.frame.buffer import FrameCounts
from metersdk.model.line_report import LineReport

# Turns in which the last message may stand: what follows it is a good-bye at most.
_LAST = 3


def report_of(
    record: Record, counts: Iterable[FrameCounts], tolerated: Mapping[str, int], findings: tuple[Finding, ...]
) -> LineReport:
    """The report of all that was recorded."""
    counted = list(counts)
    answers = list(answers_of(record.turns))
    waits = [
        answer.pieces[0].at - len(answer.pieces[0].octets) * CHARACTER_BITS / answer.pieces[0].baud - answer.turn.ended
        for answer in answers
        if answer.turn.sent and answer.pieces and answer.pieces[0].baud
    ]
    waits = [max(0.0, wait) for wait in waits]
    echoes = [answer.echo for answer in answers if answer.turn.sent]
    switched = [
        answer.first_switch[0] - answer.turn.line_end
        for answer in answers
        if answer.kind is Kind.SELECT and answer.first_switch is not None
    ]
    good, bad = sum(each.good for each in counted), sum(each.bad for each in counted)
    frames = max(1, good + bad)
    # A damaged frame costs as much as the others do on the average.
    wasted = record.refused_seconds + record.heard_seconds * bad / frames
    last = [block for answer in answers[-_LAST:] for block in _blocks(answer)]
    return LineReport(
        octets_sent=record.sent_octets,
        octets_received=record.heard_octets,
        frames_good=good + record.acknowledged + sum(bool(block.proved) for block in last[-1:]),
        frames_bad=bad + record.refused,
        retransmissions=sum(each.repeats for each in counted) + record.refused,
        errors=dict(tolerated),
        turnaround_min=min(waits, default=None),
        turnaround_median=median(waits) if waits else None,
        turnaround_max=max(waits, default=None),
        baud=record.baud or None,
        echo="full" if "full" in echoes else "partial" if echoes.count("partial") * 2 > len(echoes) else "none",
        switch_delay=switched[-1] if switched else None,
        repeat_time=wasted,
        line_time=record.sent_seconds + record.heard_seconds,
        findings=findings,
    )


def _blocks(answer: Answer) -> Iterator[Block]:
    if answer.kind in (Kind.REQUEST, Kind.SELECT, Kind.ACK, Kind.NAK):
        for _, octets in answer.by_speed:
            yield from blocks_in(octets, answer.turn)
