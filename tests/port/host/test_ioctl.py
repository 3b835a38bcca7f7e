"""What is asked of drivers by ioctl, on a driver that is played: a pseudo terminal knows none of it."""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Iterator

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="ioctls of Linux")
if sys.platform == "linux":
    import fcntl

    from metersdk.port.host import icounter, posix_line
    from metersdk.port.host.line import LineCounters
    from metersdk.port.host.posix_line import PosixLine

TIOCGSERIAL, TIOCSSERIAL, TIOCGICOUNT = 0x541E, 0x541F, 0x545D
LOW_LATENCY = 0x2000


class Driver:
    """``flags`` of struct serial_struct, and the counters of struct serial_icounter_struct."""

    def __init__(self) -> None:
        self.flags = 0x40
        self.refuses = False
        self.before = fcntl.ioctl

    def ioctl(self, descriptor: int, request: int, argument: bytes) -> object:
        if request == TIOCGSERIAL:
            return struct.pack("iiIii", 4, 0, 0x3F8, 4, self.flags) + argument[20:]
        if request == TIOCSSERIAL:
            if self.refuses:
                raise PermissionError(1, "Operation not permitted")
            assert len(argument) == 72 and struct.unpack_from("iiIi", argument) == (4, 0, 0x3F8, 4)
            (self.flags,) = struct.unpack_from("i", argument, 16)
            return argument
        if request == TIOCGICOUNT:
            # cts dsr rng dcd rx tx frame overrun parity brk buf_overrun
            return struct.pack("20i", 0, 0, 0, 0, 100, 50, 1, 2, 3, 4, 5, *[0] * 9)
        return self.before(descriptor, request, argument)


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Driver:
    played = Driver()
    for module in (icounter, posix_line):
        monkeypatch.setattr(module.fcntl, "ioctl", played.ioctl)
    return played


@pytest.fixture
def line(driver: Driver) -> Iterator[PosixLine]:
    master, slave = os.openpty()
    line = PosixLine(os.ttyname(slave))
    yield line
    line.close()
    for descriptor in (master, slave):
        os.close(descriptor)


def test_counters(line: PosixLine) -> None:
    told = line.counters()
    assert told == LineCounters(100, 50, framing=1, overrun=2, parity=3, breaks=4, buffer_overrun=5)
    assert told.errors == 15 and told.since(LineCounters(90, 50, parity=1)) == LineCounters(10, 0, 1, 2, 2, 4, 5)


def test_the_flag_of_low_latency_is_set_and_nothing_else(line: PosixLine, driver: Driver) -> None:
    assert line.low_latency() is False
    assert line.set_low_latency() is True and driver.flags == 0x40 | LOW_LATENCY
    assert line.low_latency() is True


def test_a_driver_that_refuses_the_flag(line: PosixLine, driver: Driver) -> None:
    driver.refuses = True
    assert line.set_low_latency() is False and driver.flags == 0x40
