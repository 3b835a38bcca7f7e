"""doctor: what is wrong with a port, and what mends it; on fake trees, and on a pseudo terminal."""

from __future__ import annotations

import errno
import sys
from pathlib import Path
from typing import Any

import pytest

from host_rig import FakeLine, FakeSystem
from metersdk.cli import doctor
from metersdk.port.host import ports

BY_ID = "/dev/serial/by-id/usb-FTDI_USB_Probe_A1-if00-port0"


@pytest.fixture
def computer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSystem:
    system = FakeSystem(tmp_path / "root")
    system.file("/etc/passwd", "anna:x:1000:1000::/home/anna:/bin/sh\n")
    system.file("/etc/group", "dialout:x:20:anna\n")
    system.line = FakeLine()
    for module in (sys.modules["metersdk.cli.doctor"], ports):
        monkeypatch.setattr(module, "System", lambda: system)
    monkeypatch.chdir(tmp_path)
    return system


def verdicts(ran: Any) -> dict[str, str]:
    return {check["name"]: check["verdict"] for check in ran.document["checks"]}


def test_a_good_probe(cli: Any, computer: FakeSystem) -> None:
    computer.probe(latency=1)
    ran = cli("doctor", "/dev/ttyUSB0")
    assert (ran.code, ran.err) == (0, "nothing wrong was found\n")
    lines = ran.out.splitlines()
    assert lines[0] == "/dev/ttyUSB0" and lines[1].split()[:2] == ["ok", "node"]
    assert sum(line.startswith("ok ") for line in lines) == 19
    assert [line for line in lines if line.startswith("not told")] == [
        "not told  reflection: put the probe on white paper and use --paper: it tells a dead probe"
    ]


def test_findings_and_what_mends_them(cli: Any, computer: FakeSystem) -> None:
    computer.probe()
    ran = cli("doctor", BY_ID)
    assert ran.code == 1
    assert "\nwarning   latency-timer  16 ms: " in ran.out
    rule = 'ACTION=="add", SUBSYSTEM=="usb-serial", DRIVER=="ftdi_sio", ATTR{latency_timer}="1"'
    assert f"\nlatency-timer: set it to 1 ms\n    {rule}\n" in ran.out
    assert ran.err.splitlines()[0] == "1 of 20 checks want attention" and "--fix writes" in ran.err


def test_for_programs(cli: Any, computer: FakeSystem) -> None:
    computer.probe()
    ran = cli("doctor", "/dev/ttyUSB0", "--json")
    document = ran.document
    assert ran.code == 1 and document["command"] == "doctor" and document["device"] == "/dev/ttyUSB0"
    assert document["counted"] == {"ok": 18, "warning": 1, "failure": 0, "not-applicable": 1}
    (found,) = [check for check in document["checks"] if check["verdict"] == "warning"]
    assert found["name"] == "latency-timer" and found["mend"]["rule"] and found["device"] == "/dev/ttyUSB0"
    *checks, end = cli("doctor", "/dev/ttyUSB0", "--jsonl").lines
    assert {line["type"] for line in checks} == {"check"} and len(checks) == 20
    assert end["type"] == "end" and end["counted"] == document["counted"]


def test_exit_codes_of_one_port(cli: Any, computer: FakeSystem) -> None:
    assert cli("doctor", "/dev/ttyUSB0").code == 3
    computer.probe(latency=1)
    computer.line = OSError(errno.EBUSY, "Device or resource busy")
    assert cli("doctor", "/dev/ttyUSB0").code == 9
    computer.line = FakeLine(free=False)
    assert cli("doctor", "/dev/ttyUSB0").code == 9
    computer.allowed = False
    assert cli("doctor", "/dev/ttyUSB0").code == 3


def test_all_ports_are_looked_at_and_none_is_opened(cli: Any, computer: FakeSystem) -> None:
    computer.probe()
    computer.process(812, "picocom", opened=computer.probe(1, serial="B", latency=1))
    ran = cli("doctor")
    # Of many ports each has its findings, and what is well in one line. 3 and 9 are for one that was named.
    assert ran.code == 1 and ran.out.count("\nok        node, ") == 2
    assert "FAILURE   in-use  open in pid 812 (picocom)" in ran.out and "    kill 812" in ran.out
    assert not computer.line.closed  # type: ignore[union-attr]
    assert {check["device"] for check in cli("doctor", "--json").document["checks"]} == {"/dev/ttyUSB0", "/dev/ttyUSB1"}
    assert len(cli("doctor", "--jsonl").lines) == 2 * 12 + 1


def test_no_port_at_all(cli: Any, computer: FakeSystem) -> None:
    ran = cli("doctor")
    assert (ran.code, ran.out) == (1, "") and ran.err.startswith("no serial port; ")
    usb = "/sys/bus/usb/devices/1-4"
    computer.file(f"{usb}/idVendor", "1a86\n")
    computer.file(f"{usb}/idProduct", "7523\n")
    assert "no driver has taken it" in cli("doctor").out


def test_only_ports_of_this_computer(cli: Any) -> None:
    ran = cli("doctor", "tcp://127.0.0.1:4059")
    assert ran.code == 2 and "is no port of this computer" in ran.err


def test_paper(cli: Any, computer: FakeSystem) -> None:
    computer.probe(latency=1)
    computer.line = FakeLine(echo=bytes)
    ran = cli("doctor", "/dev/ttyUSB0", "--paper", stdin="\n")
    assert ran.code == 0 and ran.err.startswith("Lay the probe on white paper") and "\nok        reflection " in ran.out
    computer.line = FakeLine()
    ran = cli("doctor", "/dev/ttyUSB0", "--paper", "--yes", "--json")
    assert ran.code == 1 and verdicts(ran)["reflection"] == "warning" and verdicts(ran)["echo"] == "not-applicable"


def test_nothing_is_sent_where_that_is_not_wanted(cli: Any, computer: FakeSystem) -> None:
    computer.probe(latency=1)
    ran = cli("doctor", "/dev/ttyUSB0", "--no-send", "--idle", "1", "-v")
    assert ran.code == 0 and computer.line.sent == b"" and computer.line.time == 1  # type: ignore[union-attr]
    assert "idle: silent for 1 s" in ran.err


# --fix --------------------------------------------------------------------------------------------------------------


def test_fix_shows_and_asks(cli: Any, computer: FakeSystem) -> None:
    computer.probe()
    ran = cli("doctor", "/dev/ttyUSB0", "--fix", stdin="n\n")
    assert ran.code == 1 and computer.line.flag is False  # type: ignore[union-attr]
    assert ran.err.startswith(
        "would tell the driver of /dev/ttyUSB0 to hand out octets at once\n"
        "would write 1 udev rule to 70-metersdk-probe.rules\n"
        "Do that? [y/N]: "
    )
    assert not Path(doctor.mending.FILE_NAME).exists()
    ran = cli("doctor", "/dev/ttyUSB0", "--fix", stdin="y\n")
    assert computer.line.flag is True  # type: ignore[union-attr]
    assert "    sudo install -m 644 70-metersdk-probe.rules /etc/udev/rules.d/" in ran.err
    assert 'ATTR{latency_timer}="1"' in Path(doctor.mending.FILE_NAME).read_text()


def test_fix_for_programs(cli: Any, computer: FakeSystem) -> None:
    computer.probe()
    shown = cli("doctor", "/dev/ttyUSB0", "--fix", "--json", "--rules", "r").document
    assert len(shown["planned"]) == 2 and shown["done"] == [] and not Path("r").exists()
    done = cli("doctor", "/dev/ttyUSB0", "--fix", "--json", "--rules", "r", "--yes").document
    assert done["done"][1] == "written: r" and "install -m 644 r " in done["install"] and Path("r").exists()


def test_nothing_to_fix(cli: Any, computer: FakeSystem) -> None:
    computer.probe(latency=1)
    assert "nothing here that --fix could do" in cli("doctor", "/dev/ttyUSB0", "--fix").err


# waiting ------------------------------------------------------------------------------------------------------------


def test_a_probe_that_is_plugged_in_while_it_is_waited_for(cli: Any, computer: FakeSystem) -> None:
    computer.plugs = [(4.0, lambda: computer.probe(3, latency=1))]
    ran = cli("doctor", BY_ID, "--wait", "10")
    assert ran.code == 0 and f"waiting 10 s for {BY_ID} to be plugged in" in ran.err
    assert f"{BY_ID} is /dev/ttyUSB3" in ran.out


def test_a_probe_that_goes_and_comes_back_under_another_number(cli: Any, computer: FakeSystem) -> None:
    computer.probe(latency=1)
    gone, back = FakeLine(gone=True), FakeLine()
    opened = iter((gone, back))

    def open_line(path: str) -> FakeLine:
        line = next(opened)
        if line is gone:
            computer.unplug()
            computer.plugs = [(computer.time + 2, lambda: computer.probe(5, latency=1))]
        return line

    computer.open_line = open_line  # type: ignore[method-assign]
    ran = cli("doctor", "/dev/ttyUSB0", "--wait", "10")
    assert ran.code == 0 and f"{BY_ID} is /dev/ttyUSB5" in ran.out and "is gone" in ran.out


def test_a_probe_that_does_not_come(cli: Any, computer: FakeSystem) -> None:
    ran = cli("doctor", BY_ID, "--wait", "10")
    assert ran.code == 3 and "was not plugged in within 10 s" in ran.err


def test_reading_waits_for_a_port(cli: Any, computer: FakeSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = cli("identify", BY_ID, "--wait-for-port", "2")
    assert ran.code == 3 and f"waiting 2 s for {BY_ID} to be plugged in\n" in ran.err
    assert f"error: {BY_ID} was not plugged in within 2 s [port]" in ran.err
    assert cli("identify", "sim://residential", "--wait-for-port", "2").code == 0


@pytest.mark.skipif(sys.platform != "linux", reason="pseudo terminals of Linux")
def test_a_pseudo_terminal(cli: Any, tmp_path: Path) -> None:
    from metersdk.port.pty import PtyWire

    wire = PtyWire()
    try:
        ran = cli("doctor", wire.path, "--idle", "0.01", "--no-send", "--json")
        assert ran.code == 0 and verdicts(ran)["baud"] == verdicts(ran)["lock"] == "ok"
    finally:
        wire.close()
    taken = PtyWire(busy=True)
    try:
        assert cli("doctor", taken.path).code == 9
    finally:
        taken.close()
