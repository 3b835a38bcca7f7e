"""Watching a line: an observer between a dialog and its driver, who takes down what goes over and judges what failed.

``LineWatch.over(dialog)`` is the dialog itself, effect for effect, and asks for the time where it has none. An error
that the line may have caused leaves it with the findings of ``diagnosis``, and with the hint of the first of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from metersdk.dialog.adapting import Adaptation
from metersdk.dialog.diagnosis import diagnose
from metersdk.dialog.evidence import Evidence, LineCounters, Record
from metersdk.dialog.passing import Told, passed
from metersdk.dialog.reporting import report_of
from metersdk.dialog.unasked import Unasked
from metersdk.effects import Answer, Dialog, Effect, Emit, Now, Receive, Send, SetLine
from metersdk.errors import Finding, MeterError, NoAnswer, PortError, RemoteProtocolError
from metersdk.frame.buffer import FrameCounts
from metersdk.model.line_report import LineReport

T = TypeVar("T")

# What the line may have caused; refusals and wrong keys have other causes.
_OF_THE_LINE = (PortError, NoAnswer, RemoteProtocolError)


class LineWatch:
    """Watches one port for as long as it is open.

    Args:
        timed: there is a line with a speed, whose octets and pauses tell something; False only counts.
        counters: asks the driver for its counters; None where it has none.
        parity: see ``Evidence``.
        adaptation: learns from it.
        unasked: octets that come before the first request, or between two calls, are a finding.
    """

    def __init__(
        self,
        *,
        timed: bool = True,
        counters: Callable[[], LineCounters | None] | None = None,
        parity: str = "software",
        adaptation: Adaptation | None = None,
        unasked: bool = False,
    ) -> None:
        self.record = Record()
        self._adaptation = adaptation
        self._unasked = Unasked() if unasked and timed else None
        self._error: MeterError | None = None
        self.counts: list[FrameCounts] = []
        self.tolerated: dict[str, int] = {}
        self._timed = timed
        self._counters = counters
        self._parity = parity
        self._now = 0.0
        self._told: Told = {}
        if not timed:
            # A network brings thousands of small frames, and asking for the time would tell nothing of them.
            self._told = {Send: self._sent, Receive: self._heard, Now: self._waited, SetLine: self._speed}

    def evidence(self, error: MeterError | None = None) -> Evidence:
        """All that is known by now."""
        counters = self._counters() if self._counters is not None else None
        return Evidence(self.record.turns, error, counters, self._parity, self._timed)

    def findings(self, error: MeterError | None = None) -> tuple[Finding, ...]:
        """What the line suffers from, the likeliest cause first; nothing for a line in order."""
        return diagnose(self.evidence(error)) if self._timed or error is not None else ()

    def report(self, error: MeterError | None = None) -> LineReport:
        """Figures and findings of the line so far."""
        report = report_of(self.record, self.counts, self.tolerated, self.findings(error))
        return replace(report, best_baud=self._adaptation.best_baud if self._adaptation is not None else None)

    def tell(self, listener: Callable[[object], object]) -> None:
        """Show what was changed because of what is remembered."""
        for event in self._adaptation.told if self._adaptation is not None else ():
            listener(event)

    def remember(self) -> None:
        """The session is over: what it showed is kept for the next one, where anything is to be kept."""
        if self._adaptation is None or not self.record.turns:
            return
        evidence = self.evidence(self._error)
        good, bad = sum(each.good for each in self.counts), sum(each.bad for each in self.counts)
        self._adaptation.learn(evidence, FrameCounts(good, bad), diagnose(evidence), self.tolerated)

    def over(self, dialog: Dialog[T]) -> Dialog[T]:
        """``dialog``, watched."""
        if self._unasked is not None:
            dialog = self._unasked.over(dialog, self.record.last)
        try:
            return (yield from passed(dialog, self._carried, self._told))
        except _OF_THE_LINE as error:
            self._error = error
            if not error.findings:
                error.findings = self.findings(error)
                if error.findings:
                    error.hint = error.findings[0].hint
            raise

    def _carried(self, effect: Effect) -> Dialog[Answer]:
        """An effect on a line; on a network only what is emitted comes here."""
        answer: Answer = None
        match effect:
            case Receive():
                answer = yield effect
                if answer:
                    self._now = yield Now()
                self._heard(effect, answer)
            case Send(octets):
                begun: float = yield Now()
                yield effect
                self._now = yield Now()
                self.record.sent(octets, begun, self._now)
            case Now():
                answer = yield effect
                self._waited(effect, answer)
            case SetLine():
                yield effect
                self._now = yield Now()
                self._speed(effect, None)
            case Emit(FrameCounts() as counts):
                self.counts.append(counts)
            case Emit(event):
                if isinstance(event, Finding):
                    self.tolerated[event.code] = self.tolerated.get(event.code, 0) + 1
                yield effect
            case _:
                yield effect
        return answer

    def _sent(self, effect: Send, _: None) -> None:
        self.record.sent(effect.data, 0.0, 0.0)

    def _heard(self, _: Receive, octets: bytes) -> None:
        if octets:
            self.record.heard(octets, self._now)

    def _waited(self, _: Now, now: float) -> None:
        self._now = now
        self.record.waited(now)

    def _speed(self, effect: SetLine, _: None) -> None:
        self.record.speed(effect.baud, self._now)
