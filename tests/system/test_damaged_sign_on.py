"""Sign-on at 300 Bd and the hand-over to HDLC over lines that damage or lose octets; only the opening is played."""

from __future__ import annotations

from typing import Any

import pytest

from metersdk.dialog.iec62056_21 import SignOn, sign_on
from metersdk.dialog.opening import open_session
from metersdk.dialog.session import DlmsSession
from metersdk.effects import Dialog, Receive, Send, SetLine, Sleep
from metersdk.errors import NoAnswer
from metersdk.frame.iec62056_21 import to_line
from metersdk.port.drive import run
from metersdk.port.line import LineModel
from metersdk.port.virtual import VirtualPort

MakeRig = Any
# 36 and 82: the acknowledgement or all of SNRM is hit; 48, 51 and 93: the identification.
SEEDS = (*range(12), 36, 48, 51, 76, 82, 93)


@pytest.mark.parametrize("damage", [{"flip": 0.01}, {"lose": 0.005}], ids=["1 % damaged", "0.5 % lost"])
def test_mode_e_comes_home(rig: MakeRig, damage: dict[str, float]) -> None:
    kinds = {}
    for seed in SEEDS:
        it = rig(speech="optical", model=LineModel(baud=300, seed=seed, **damage), image="residential")
        kinds[seed] = type(run(open_session(it.plan), it.port(it.device())))
    assert set(kinds.values()) == {DlmsSession}, kinds


def damaged(times: int) -> Dialog[None]:
    """Answers with an identification of which the first octet is hit, ``times`` times; then with the whole of it."""
    yield SetLine(300)
    number = 0
    while True:
        heard = yield Receive(1000.0)
        if heard.endswith(b"\n"):
            yield Sleep(0.2)
            text = to_line(b"/MSK0METER\r\n")
            yield Send(text if number >= times else b"\xad" + text[1:])
            number += 1


@pytest.mark.parametrize(("times", "comes_home"), [(1, True), (3, True), (5, True), (6, False)])
def test_more_requests_where_damaged_answers_come(times: int, comes_home: bool) -> None:
    port = VirtualPort(damaged(times), LineModel(baud=300))
    if comes_home:
        signed = run(sign_on(SignOn(mode="A")), port)
        assert signed.identification is not None and signed.identification.raw == b"/MSK0METER"
    else:
        with pytest.raises(NoAnswer):
            run(sign_on(SignOn(mode="A")), port)
    assert port.now() < 3.0 * (times + 1)


def test_a_dead_line_is_asked_three_times_as_ever(rig: MakeRig) -> None:
    dead = rig(speech="optical", model=LineModel(baud=300, drop_requests=frozenset(range(30))))
    said: list[str] = []
    port = dead.port(dead.device())
    with pytest.raises(NoAnswer):
        run(open_session(dead.plan), port, lambda event: said.append(getattr(event, "text", "")))
    assert "request 3 of 3" in said and not any("of 6" in text for text in said) and port.now() < 28.0


def test_a_meter_that_missed_the_acknowledgement_is_told_of(rig: MakeRig) -> None:
    """Its data message at 300 Bd takes minutes, in which nobody would know why."""
    it = rig(speech="optical", model=LineModel(baud=300, drop_requests=frozenset({1})), image="residential")
    told: list[str] = []
    session = run(open_session(it.plan), it.port(it.device()), lambda event: told.append(getattr(event, "name", "")))
    assert isinstance(session, DlmsSession)
    states = [name for name in told if name in ("identified", "hand-over", "fall-back")]
    assert states == ["identified", "hand-over", "fall-back", "identified", "hand-over"]
