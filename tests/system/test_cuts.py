"""Sessions that end in the middle: a typed error in time, and the next session works."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from metersdk.dialog.timing import GOODBYE, Timing
from metersdk.effects import Dialog, Send
from metersdk.errors import MeterError, NoAnswer, PartialResult, PortClosed
from metersdk.port.line import LineModel

MakeRig = Any
OPTICAL = LineModel(baud=300)
KINDS: dict[str, dict[str, Any]] = {
    "mode A": {"speech": "optical", "model": OPTICAL, "identification": "/MSK;SMALL"},
    "mode B": {"speech": "optical", "model": OPTICAL, "identification": "/MSKESMALL"},
    "mode C": {"speech": "optical", "model": OPTICAL, "identification": "/MSK5SMALL"},
    "mode E": {"speech": "optical", "model": OPTICAL},
    "mode E, password": {"speech": "optical", "model": OPTICAL, "client": 2},
    "mode E, ciphered": {"speech": "optical", "model": OPTICAL, "client": 1},
    "HDLC": {"speech": "hdlc", "model": LineModel(baud=9600)},
    "HDLC, octets one by one": {"speech": "hdlc", "model": LineModel(baud=9600, piece=1)},
    "HDLC, HLS": {"speech": "hdlc", "model": LineModel(baud=9600), "client": 3},
    "wrapper": {"speech": "wrapper"},
    "wrapper, ciphered": {"speech": "wrapper", "client": 1},
}
# Cut at every octet of the first so many, then at so many places in all.
ALL, MOST = 40, 110
TIMING = Timing(response=4.0, total=40.0)


def falls_silent(octets: int) -> Callable[[Dialog[Any]], Dialog[Any]]:
    """A meter that says so many octets in its life, and goes on listening."""

    def dress(dialog: Dialog[Any]) -> Dialog[Any]:
        left = octets
        answer: Any = None
        error: BaseException | None = None
        while True:
            try:
                effect = dialog.send(answer) if error is None else dialog.throw(error)
            except StopIteration as end:
                return end.value
            answer, error = None, None
            try:
                if isinstance(effect, Send):
                    said, left = effect.data[:left], max(0, left - len(effect.data))
                    answer = (yield Send(said)) if said else None
                else:
                    answer = yield effect
            except GeneratorExit:
                raise
            except BaseException as thrown:
                error = thrown

    return dress


def places(octets: int) -> list[int]:
    step = max(1, (octets - ALL) // (MOST - ALL))
    return [*range(min(ALL, octets)), *range(ALL, octets, step)]


@pytest.mark.parametrize("way", ["closed", "silent"])
@pytest.mark.parametrize("kind", KINDS)
def test_cut_at_every_octet(rig: MakeRig, kind: str, way: str) -> None:
    it = rig(timing=TIMING, **KINDS[kind])
    device = it.device()
    whole = it.port(device)
    expected = it.session(whole)
    octets = sum(len(event.data) for event in whole.log if event.side == "server")
    errors = set()
    for number, cut in enumerate(places(octets), 1):
        # A meter takes each invocation counter once.
        it = it.but(keys=it.new_keys(invocation_counter=1000 * number))
        if way == "closed":
            port = it.but(model=replace(it.model, close_after=cut)).port(device)
        else:
            port = it.but(server=falls_silent(cut)).port(device)
        calls: list[float] = []
        try:
            got = timed_session(it, port, calls)
        except MeterError as error:
            # Rows that came before are kept; why there are no more is its cause.
            why = error.__cause__ if isinstance(error, PartialResult) else error
            errors.add(type(why))
            assert error.layer or error.hint, repr(error)
        else:
            # The good-bye was cut: all that was asked for is there.
            assert got == expected, cut
        assert all(seconds <= TIMING.total + GOODBYE + 0.5 for seconds in calls), (cut, calls)
        again = it.but(keys=it.new_keys(invocation_counter=1000 * number + 500))
        assert number % 10 or again.session(again.port(device)) == expected
    awaited = PortClosed if way == "closed" else NoAnswer
    assert any(issubclass(error, awaited) for error in errors)
    # On an optical line a message cut short may also look damaged.
    assert kind.startswith("mode") or all(issubclass(error, awaited) for error in errors), errors


def timed_session(it: Any, port: Any, calls: list[float]) -> list[object]:
    """As ``Rig.session``; ``calls`` gets the seconds of opening, reading and leaving."""

    def timed(call: Callable[[], Any]) -> Any:
        start = port.now()
        try:
            return call()
        finally:
            calls.append(port.now() - start)

    meter = timed(lambda: it.connect(port))
    try:
        identity = timed(lambda: str(meter.identity))
        if "iec62056-21" in meter.identity.protocol:
            return [identity, [str(each) for each in timed(meter.readout).data_sets]]
        profile = timed(lambda: meter.get_profile("1.0.99.1.0.255"))
        return [identity, str(timed(lambda: meter.read("1.0.1.8.0.255"))), list(profile.rows()), profile.truncated]
    finally:
        timed(meter.close)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if not kind.startswith("mode")])
def test_silence_is_noticed_after_the_time_for_one_answer(rig: MakeRig, kind: str) -> None:
    """Without a total limit: an answer that does not come is missed after ``response``, and its frame's time."""
    it = rig(timing=Timing(response=4.0), **KINDS[kind])
    device = it.device()
    whole = it.port(device)
    it.session(whole)
    octets = sum(len(event.data) for event in whole.log if event.side == "server")
    for number, cut in enumerate(places(octets)[::7], 1):
        one = it.but(server=falls_silent(cut), keys=it.new_keys(invocation_counter=1000 * number))
        port = one.port(device)
        try:
            one.session(port)
        except (NoAnswer, PartialResult) as error:
            assert isinstance(error, NoAnswer) or isinstance(error.__cause__, NoAnswer)
            last = max((event.end for event in port.log if event.side == "server"), default=0.0)
            # A frame of 2047 octets at this speed; then RLRQ and DISC, 2 s each.
            frame = 2047 * 10 / 9600 if one.speech == "hdlc" else 0.0
            # The turn in which it broke off is not counted: it shows that the meter spoke.
            turn = 0.6
            assert port.now() - last <= 4.0 + frame + turn + 2 * 2.0 + 0.5, cut
