from __future__ import annotations

import pytest

from metersdk.errors import LimitExceeded
from metersdk.frame.buffer import ReceiveBuffer


def test_octets_leave_in_the_order_they_came() -> None:
    buffer = ReceiveBuffer()
    buffer.feed(b"ab")
    buffer.feed(b"cde")
    assert len(buffer) == 5
    assert buffer.find(b"c") == 2
    assert buffer.find(ord("a"), 1) == -1
    assert buffer.take(2) == b"ab"
    buffer.drop(1)
    assert bytes(buffer.view()) == b"de"
    assert buffer.take(9) == b"de"
    assert len(buffer) == 0


def test_beyond_the_limit_nothing_is_stored() -> None:
    buffer = ReceiveBuffer(limit=4)
    buffer.feed(b"abc")
    with pytest.raises(LimitExceeded) as caught:
        buffer.feed(b"de")
    assert caught.value.layer == "line"
    assert caught.value.data == b"abc"
    assert bytes(buffer.view()) == b"abc"
    buffer.feed(b"d")
    buffer.clear()
    assert len(buffer) == 0
