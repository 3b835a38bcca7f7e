"""From the record of a line to its report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from statistics import median

from metersdk.dialog.evidence import CHARACTER_BITS, Record
from metersdk.dialog.facts import Kind, answers_of
from metersdk.errors import Finding
from metersdk.frame.buffer import FrameCounts
from metersdk.model.line_report import LineReport


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
    wasted = sum(each.wasted for each in counted)
    return LineReport(
        octets_sent=record.sent_octets,
        octets_received=record.heard_octets,
        frames_good=sum(each.good for each in counted),
        frames_bad=sum(each.bad for each in counted),
        retransmissions=sum(each.repeats for each in counted),
        errors=dict(tolerated),
        turnaround_min=min(waits, default=None),
        turnaround_median=median(waits) if waits else None,
        turnaround_max=max(waits, default=None),
        baud=record.baud or None,
        echo="full" if "full" in echoes else "partial" if echoes.count("partial") * 2 > len(echoes) else "none",
        switch_delay=switched[-1] if switched else None,
        repeat_time=wasted * CHARACTER_BITS / record.baud if record.baud else 0.0,
        line_time=record.sent_seconds + record.heard_seconds,
        findings=findings,
    )
