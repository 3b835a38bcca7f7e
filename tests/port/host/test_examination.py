"""A whole examination: on fake trees with a scripted line, and on a pseudo terminal."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from host_rig import FakeLine, FakeSystem, by_name
from metersdk.port.host import mending
from metersdk.port.host.check import Action, Check, Mend, Verdict
from metersdk.port.host.examination import examine, survey
from metersdk.port.host.line_checks import Trial
from metersdk.port.host.system import System

OK, WARNING, FAILURE, SKIPPED = Verdict.OK, Verdict.WARNING, Verdict.FAILURE, Verdict.NOT_APPLICABLE
# Every check of 2.1 of the facts, in the order in which they are made.
NAMES = (
    *("node", "driver", "usb-id", "serial-number", "permission", "in-use", "lock-file", "modem-manager", "brltty"),
    *("console", "latency-timer", "autosuspend", "exclusive", "lock", "low-latency", "baud", "idle", "counters"),
    *("echo", "reflection"),
)


@pytest.fixture
def computer(tmp_path: Path) -> FakeSystem:
    system = FakeSystem(tmp_path)
    system.file("/etc/group", "dialout:x:20:anna\n")
    system.probe(latency=1)
    return system


def test_a_good_probe(computer: FakeSystem) -> None:
    computer.line = FakeLine()
    checks = by_name(examine(computer, "/dev/ttyUSB0"))
    assert tuple(checks) == NAMES
    assert [check.name for check in checks.values() if check.verdict is not OK] == ["reflection"]
    assert computer.line.closed


def test_a_port_that_this_user_may_not_open_is_not_opened(computer: FakeSystem) -> None:
    computer.allowed = False
    computer.line = FakeLine()
    checks = by_name(examine(computer, "/dev/ttyUSB0"))
    assert tuple(checks) == NAMES
    assert checks["permission"].verdict is FAILURE and checks["lock"].text == "the port cannot be opened"
    assert not computer.line.closed


@pytest.mark.parametrize("how", ["holder", "flock", "exclusive", "file"])
def test_a_port_of_somebody_else_is_not_listened_to(computer: FakeSystem, how: str) -> None:
    computer.line = FakeLine(script=[(0.1, b"his answer")], free=how != "flock", exclusive=how == "exclusive")
    if how in ("holder", "file"):
        computer.process(9, "picocom", opened="/dev/ttyUSB0" if how == "holder" else "")
    if how == "file":
        computer.file("/run/lock/LCK..ttyUSB0", "9\n")
    checks = by_name(examine(computer, "/dev/ttyUSB0"))
    assert checks["idle"].text.startswith("in use") and checks["echo"].verdict is SKIPPED
    assert computer.line.script and not computer.line.sent and computer.line.closed


def test_nothing_is_sent_to_a_console(computer: FakeSystem) -> None:
    computer.file("/proc/cmdline", "console=ttyUSB0,115200\n")
    computer.line = FakeLine()
    checks = by_name(examine(computer, "/dev/ttyUSB0"))
    assert checks["lock"].verdict is OK and checks["echo"].text.startswith("the console is on it")
    assert computer.line.sent == b"" and computer.line.time == 0


def test_a_port_that_opens_for_nobody(computer: FakeSystem) -> None:
    computer.line = OSError(errno.EBUSY, "Device or resource busy")
    checks = by_name(examine(computer, "/dev/ttyUSB0"))
    assert tuple(checks) == NAMES
    assert checks["exclusive"].verdict is FAILURE and checks["baud"].verdict is SKIPPED


def test_a_probe_that_is_pulled_out_meanwhile(computer: FakeSystem) -> None:
    computer.line = FakeLine(gone=True)
    checks = by_name(examine(computer, "/dev/ttyUSB0"))
    assert checks["open"].verdict is FAILURE and "gone" in checks["open"].text and computer.line.closed
    assert checks["idle"].text == "the device went away" and set(checks) == {*NAMES, "open"}


def test_a_survey_opens_nothing(computer: FakeSystem) -> None:
    computer.probe(1, serial="B")
    computer.line = FakeLine()
    found = list(survey(computer))
    assert [port.device for port, _ in found] == ["/dev/ttyUSB0", "/dev/ttyUSB1"]
    assert [check.name for check in found[0][1]] == list(NAMES[:12]) and not computer.line.closed


# mending ------------------------------------------------------------------------------------------------------------


def test_a_plan(computer: FakeSystem, tmp_path: Path) -> None:
    rule = Mend("x", rule="RULE 1")
    found = [
        ("/dev/ttyUSB0", Check("latency-timer", WARNING, "", Mend("x", rule="RULE 2", action=Action.LOW_LATENCY))),
        ("/dev/ttyUSB0", Check("modem-manager", WARNING, "", rule)),
        ("/dev/ttyUSB1", Check("modem-manager", WARNING, "", rule)),
        ("/dev/ttyUSB1", Check("in-use", FAILURE, "", Mend("x", command="kill 1"))),
        ("/dev/ttyUSB1", Check("autosuspend", OK, "", Mend("x", rule="RULE 3"))),
        ("/dev/ttyUSB1", Check("console", FAILURE, "")),
    ]
    rules = str(tmp_path / "probe.rules")
    plan = mending.plan(computer, found, rules)
    assert [step.text for step in plan.steps] == [
        "tell the driver of /dev/ttyUSB0 to hand out octets at once",
        f"write 2 udev rules to {rules}",
    ]
    assert plan.command.startswith(f"sudo install -m 644 {rules} /etc/udev/rules.d/")
    computer.line = FakeLine()
    assert [mending.carry_out(computer, step) for step in plan.steps] == [
        "the driver of /dev/ttyUSB0 hands out octets at once, until the probe is unplugged",
        f"written: {rules}",
    ]
    assert computer.line.flag is True and computer.line.closed
    assert Path(rules).read_text().splitlines()[1:] == ["RULE 2", "RULE 1"]


def test_what_this_user_may_not_do_is_not_planned(computer: FakeSystem) -> None:
    awake = Check("autosuspend", WARNING, "", Mend("x", action=Action.WRITE, path="/sys/power", value="on"))
    left = Check("lock-file", WARNING, "", Mend("x", action=Action.REMOVE, path="/run/lock/LCK..ttyUSB0"))
    found = [("/dev/ttyUSB0", awake), ("/dev/ttyUSB0", left)]
    assert mending.plan(computer, found) == mending.Plan(())
    computer.writable = {"/sys/power", "/run/lock"}
    computer.file("/run/lock/LCK..ttyUSB0", "1\n")
    steps = mending.plan(computer, found).steps
    said = [mending.carry_out(computer, step) for step in steps]
    assert said == ["written: on to /sys/power", "removed: /run/lock/LCK..ttyUSB0"]
    assert computer.read("/sys/power") == "on" and not computer.exists("/run/lock/LCK..ttyUSB0")
    assert mending.carry_out(computer, steps[1]).startswith("could not remove /run/lock/LCK..ttyUSB0: No such file")


def test_a_driver_without_the_flag(computer: FakeSystem) -> None:
    mend = Mend("x", action=Action.LOW_LATENCY, path="/sys/latency_timer", value="1")
    (step,) = mending.plan(computer, [("/dev/ttyUSB0", Check("latency-timer", WARNING, "", mend))]).steps
    computer.line = FakeLine(takes_flag=False)
    assert mending.carry_out(computer, step).endswith("does not take the flag; the udev rule does it")
    computer.writable = {"/sys/latency_timer"}
    assert mending.carry_out(computer, step) == "written: 1 to /sys/latency_timer"
    computer.line = OSError(errno.EACCES, "Permission denied")
    assert mending.carry_out(computer, step).endswith("at once: Permission denied")


# a pseudo terminal --------------------------------------------------------------------------------------------------

if os.name == "posix":
    import fcntl
    import termios
    import tty

    from metersdk.port.host.posix_line import Marks
    from metersdk.port.pty import PtyWire

pty = pytest.mark.skipif(sys.platform != "linux", reason="pseudo terminals and /proc of Linux")


@pytest.fixture
def terminal() -> Iterator[tuple[int, int, str]]:
    master, slave = os.openpty()
    tty.setraw(slave)
    yield master, slave, os.ttyname(slave)
    for descriptor in (master, slave):
        os.close(descriptor)


@pty
@pytest.mark.realtime
def test_a_pseudo_terminal(terminal: tuple[int, int, str]) -> None:
    _, slave, path = terminal
    before = termios.tcgetattr(slave)
    checks = by_name(examine(System(), path, Trial(idle=0.01, send=False)))
    assert tuple(checks) == NAMES
    told = {name for name, check in checks.items() if check.verdict is OK}
    # Whether others have it open only root is told.
    assert told - {"in-use"} == {"node", "permission", "lock-file", "exclusive", "lock", "baud", "idle"}
    # As it was found: settings, and free for everybody.
    assert termios.tcgetattr(slave) == before
    os.close(os.open(path, os.O_RDWR | os.O_NOCTTY))
    assert not fcntl.ioctl(slave, 0x80045440, bytes(4))[0]


@pty
def test_a_pseudo_terminal_that_is_locked(terminal: tuple[int, int, str]) -> None:
    _, slave, path = terminal
    fcntl.flock(slave, fcntl.LOCK_EX)
    checks = by_name(examine(System(), path))
    assert checks["lock"].verdict is FAILURE and checks["idle"].verdict is SKIPPED


@pty
def test_a_pseudo_terminal_that_is_kept(terminal: tuple[int, int, str]) -> None:
    _, slave, path = terminal
    fcntl.ioctl(slave, termios.TIOCEXCL)
    assert by_name(examine(System(), path))["exclusive"].verdict is FAILURE


@pty
def test_octets_from_the_sun(terminal: tuple[int, int, str]) -> None:
    master, _, path = terminal
    os.write(master, b"of before")
    line = System().open_line(path)
    try:
        line.configure()
        os.write(master, b"\x00\x80\xff")
        assert line.set_baud(9600) == 9600 and line.receive(1) == b"\x00\x80\xff" and line.receive(0) == b""
        assert (line.counters(), line.low_latency(), line.set_low_latency()) == (None, None, False)
        line.send(b"x")
        assert os.read(master, 1) == b"x"
        with pytest.raises(ValueError, match="1234"):
            line.set_baud(1234)
    finally:
        line.close()


@pty
def test_a_terminal_of_a_simulated_meter() -> None:
    wire = PtyWire()
    line = System().open_line(wire.path)
    try:
        line.configure()
        wire.write(b"\xff\x00\x80")
        assert line.receive(1) == b"\xff\x00\x80"
    finally:
        line.close()
        wire.close()


@pty
def test_damaged_octets_are_kept_as_they_came() -> None:
    marks = Marks()
    # PARMRK: FF 00 before what had a framing or parity error, FF before an FF that was good.
    assert marks.take_out(b"a\xff\x00\x78b\xff\xffc\xff\x00\x00") == b"a\x78b\xffc\x00"
    whole = b"\xff\x00\x80\xff\xff\xff\x00\xff"
    assert b"".join(marks.take_out(bytes((octet,))) for octet in whole) == b"\x80\xff\xff"


@pty
def test_what_is_no_terminal(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError) as caught:
        System().open_line(str(tmp_path / "file"))
    assert caught.value.errno == errno.ENOTTY


@pty
def test_this_computer() -> None:
    system = System()
    user = system.user()
    assert user.gid in user.groups and system.exists("/proc") and system.node("/dev/null").device == (1, 3)  # type: ignore[union-attr]
    assert system.node("/none") is system.read("/none") is system.names("/none") is system.link("/none") is None
    assert system.run(["echo", "x"]) == "x\n" and system.run(["no-such-command-here"]) is None
    assert system.run(["false"]) is None
    assert system.registry("SYSTEM") is None and system.registry_keys("SYSTEM") == []
    assert all(port.device for port in system.com_ports()) and system.now() > 0
