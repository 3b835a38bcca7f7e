"""One session for the sake of the line: listen, sign on, read what the meter tells of itself, say what was found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from metersdk.dialog.evidence import LineCounters
from metersdk.dialog.opening import Plan, open_session
from metersdk.dialog.timing import within
from metersdk.dialog.watching import LineWatch
from metersdk.effects import Dialog, Emit, Now, Receive, SetLine, State
from metersdk.errors import Finding, MeterError
from metersdk.model.identity import Identity
from metersdk.model.line_report import LineReport

# Seconds to listen before anything is sent, at the speed of pushers and at that of the sign-on.
LISTEN = (2.0, 1.0)


@dataclass(frozen=True, slots=True)
class LineCheck:
    """What one session told of a line.

    Attributes:
        report: figures, and the findings with the likeliest cause first.
        identity: who answered, None if nobody did.
        error: what the session failed with, None if it did not.
    """

    report: LineReport
    identity: Identity | None
    error: MeterError | None

    @property
    def findings(self) -> tuple[Finding, ...]:
        return self.report.findings


def check_line(
    plan: Plan,
    *,
    counters: Callable[[], LineCounters | None] | None = None,
    listen: tuple[float, float] = LISTEN,
    total: float = 120.0,
) -> Dialog[LineCheck]:
    """Run one session on the line and judge it; nothing is written to the meter. Never raises because of the line.

    Args:
        plan: how to reach the meter.
        counters: asks the driver what it counted since the port was opened.
        listen: seconds of silence before the first request, at the speed of the plan and at 300 Bd.
        total: seconds for the session.
    """
    watch = LineWatch(timed=plan.medium == "line", counters=counters, parity=plan.sign_on.parity)
    identity: Identity | None = None
    error: MeterError | None = None
    try:
        if plan.medium == "line" and any(listen):
            yield Emit(State("listening", "nothing is sent yet"))
            yield from watch.over(_listen(plan, listen))
        identity = yield from watch.over(within(_session(plan), total))
    except MeterError as failure:
        error = failure
    return LineCheck(watch.report(error), identity, error)


def _listen(plan: Plan, seconds: tuple[float, float]) -> Dialog[None]:
    for baud, span in zip((plan.baud, plan.sign_on.initial_baud), seconds, strict=True):
        yield SetLine(baud)
        now: float = yield Now()
        until = now + span
        while now < until:
            yield Receive(until - now)
            now = yield Now()


def _session(plan: Plan) -> Dialog[Identity]:
    session = yield from open_session(plan)
    try:
        return (yield from session.identify())
    finally:
        yield from session.close()
