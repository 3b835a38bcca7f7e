"""The tables are closed and whole, and the windows count right."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import pytest

from metersdk.dialog.hdlc_states import (
    FLOWS,
    MAX_EMPTY_FRAMES,
    MODES,
    TURNS,
    Assembly,
    Flow,
    LinkEvent,
    Mode,
    ReceiveWindow,
    SendWindow,
    Turn,
    TurnEvent,
    follow,
)
from metersdk.errors import LimitExceeded, LinkError
from metersdk.frame.hdlc import FrameKind


@pytest.mark.parametrize(
    ("table", "states", "start"),
    [(MODES, Mode, Mode.DISCONNECTED), (TURNS, Turn, Turn.COMMAND), (FLOWS, Flow, Flow.READY)],
)
def test_every_state_has_a_row_and_is_reached(
    table: Mapping[Any, Mapping[Any, Any]], states: type[StrEnum], start: StrEnum
) -> None:
    assert set(table) == set(states)
    reached: set[Any] = set()
    todo = [start]
    while todo:
        state = todo.pop()
        if state not in reached:
            reached.add(state)
            todo += table[state].values()
    assert reached == set(states)


def test_every_way_leads_back_to_disconnected() -> None:
    for mode in Mode:
        if mode is not Mode.DISCONNECTED:
            assert follow(MODES, mode, LinkEvent.TIME_OUT) is Mode.DISCONNECTED


def test_what_the_table_does_not_hold_is_an_error_that_names_state_and_event() -> None:
    with pytest.raises(LinkError, match="UA is not allowed") as caught:
        follow(MODES, Mode.DISCONNECTED, LinkEvent.UA)
    assert caught.value.state == "NDM"
    with pytest.raises(LinkError):
        follow(TURNS, Turn.COMMAND, TurnEvent.FINAL)
    with pytest.raises(LinkError):
        follow(FLOWS, Flow.READY, FrameKind.SREJ)


@pytest.mark.parametrize("frames", range(1, 8))
def test_go_back_n(frames: int) -> None:
    window = SendWindow(4, frames)
    payload = bytes(range(100))
    window.load(payload)
    got = b""
    expected = 0
    lose = 0
    while window.outstanding:
        window.rewind()
        sent = window.take_window()
        assert 0 < len(sent) <= frames
        lose += 1
        for index, (number, piece, segmented) in enumerate(sent):
            # Every third window loses its last frame, every fourth its first.
            if (lose % 3 == 0 and index == len(sent) - 1) or (lose % 4 == 0 and index == 0):
                continue
            if number == expected:
                got += piece
                expected = (expected + 1) % 8
                assert segmented == (len(got) < len(payload))
        assert window.acknowledge(expected) is not None
    assert got == payload
    assert not window.unsent
    assert window.next_number == expected


def test_an_acknowledgement_of_what_was_not_sent_is_none() -> None:
    window = SendWindow(4, 3)
    window.load(bytes(40))
    assert window.acknowledge(0) == 0
    assert window.acknowledge(1) is None
    window.take_window()
    assert window.acknowledge(4) is None
    assert window.acknowledge(2) == 2
    # What was sent before going back may still be acknowledged after it.
    window.rewind()
    assert window.acknowledge(3) == 1
    assert window.next_number == 3


def test_order_of_receiving() -> None:
    window = ReceiveWindow(2)
    assert [window.accept(number) for number in (0, 1, 1, 3, 2)] == [True, True, False, False, True]
    assert window.expected == 3
    assert [window.is_repeated(number) for number in (1, 2, 4, 0)] == [True, True, False, False]


def test_assembly_bounds() -> None:
    assembly = Assembly(10)
    assert assembly.add(b"abc", True) is None
    assert assembly.add(b"d", False) == b"abcd"
    assert assembly.add(b"", False) is None
    for _ in range(MAX_EMPTY_FRAMES - 1):
        assert assembly.add(b"", True) is None
    with pytest.raises(LimitExceeded):
        assembly.add(b"", True)
    assembly.clear()
    assert assembly.add(bytes(13), False) == bytes(13)
    assert assembly.add(bytes(13), True) is None
    with pytest.raises(LimitExceeded):
        assembly.add(b"x", True)
