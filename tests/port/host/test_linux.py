"""Ports and checks of Linux, on fake trees of /sys, /proc, /dev, /etc and /run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from host_rig import ME, FakeSystem, by_name
from metersdk.errors import PortDenied, PortNotFound
from metersdk.port.host import linux, linux_checks, udev
from metersdk.port.host.check import Action, Check, Verdict
from metersdk.port.host.examination import passive, port_of, survey
from metersdk.port.host.port_info import Holder, PortInfo
from metersdk.port.host.ports import await_return, by_id_of, list_ports
from metersdk.port.host.system import Node, User

BY_ID = "/dev/serial/by-id/usb-FTDI_USB_Probe_A1-if00-port0"
OK, WARNING, FAILURE, SKIPPED = Verdict.OK, Verdict.WARNING, Verdict.FAILURE, Verdict.NOT_APPLICABLE


@pytest.fixture
def computer(tmp_path: Path) -> FakeSystem:
    system = FakeSystem(tmp_path)
    system.file("/etc/passwd", "root:x:0:0::/root:/bin/sh\nanna:x:1000:1000::/home/anna:/bin/sh\n")
    system.file("/etc/group", "root:x:0:\nuucp:x:10:\ndialout:x:20:anna\nanna:x:1000:\n")
    system.file("/proc/consoles", "tty0                 -WU (EC  p  )    4:1\n")
    system.file("/proc/cmdline", "quiet splash\n")
    return system


def check(system: FakeSystem, name: str, given: str = "/dev/ttyUSB0") -> Check:
    known = list_ports(system)
    return by_name(passive(system, given, port_of(system, given, known), known))[name]


# ports --------------------------------------------------------------------------------------------------------------


def test_a_probe_as_the_kernel_shows_it(computer: FakeSystem) -> None:
    device = computer.probe()
    computer.process(812, "ModemManager", opened=device)
    computer.process(900, "python3", "/home/anna/read.py", "--password=geheim", opened=device)
    computer.process(901, "bash")
    (port,) = list_ports(computer)
    assert port == PortInfo(
        "/dev/ttyUSB0",
        BY_ID,
        "ftdi_sio",
        0x0403,
        0x6001,
        "A1",
        "USB Probe",
        16,
        (Holder(812, "ModemManager"), Holder(900, "python3 read.py")),
        "/sys/devices/pci0000:00/0000:00:14.0/usb1/1-1",
    )
    assert port.usb_id == "0403:6001"


def test_ports_come_by_number_and_only_with_hardware(computer: FakeSystem) -> None:
    for number in (10, 9, 2):
        computer.probe(number, serial=f"N{number}")
    computer.folder("/sys/class/tty/tty1")
    platform = "/sys/devices/platform/serial8250"
    for name, kind in (("ttyS0", "4"), ("ttyS1", "0")):
        # Linux 6.5 and later: a device of the port between UART and tty, with a driver called port.
        computer.folder(f"{platform}/{name}.0")
        computer.symlink(f"{platform}/{name}.0/driver", "../../../../bus/serial-base/drivers/port")
        computer.folder(f"/sys/class/tty/{name}")
        computer.symlink(f"/sys/class/tty/{name}/device", f"../../../devices/platform/serial8250/{name}.0")
        computer.file(f"/sys/class/tty/{name}/type", f"{kind}\n")
    computer.symlink(f"{platform}/driver", "../../../bus/platform/drivers/serial8250")
    ports = list_ports(computer)
    assert [port.device for port in ports] == ["/dev/ttyS0", "/dev/ttyUSB2", "/dev/ttyUSB9", "/dev/ttyUSB10"]
    assert (ports[0].driver, ports[0].usb_id, ports[0].latency_ms) == ("serial8250", "", None)


def test_a_computer_that_tells_nothing(computer: FakeSystem) -> None:
    assert list_ports(computer) == [] and list(survey(computer)) == []
    assert by_id_of("/dev/ttyUSB0", computer) == ""
    assert linux.command_of(computer, 77) == "?"


def test_the_name_that_stays(computer: FakeSystem) -> None:
    computer.probe()
    assert by_id_of("/dev/ttyUSB0", computer) == BY_ID == by_id_of(BY_ID, computer)
    assert by_id_of("/dev/ttyUSB1", computer) == ""


# waiting for a probe ------------------------------------------------------------------------------------------------


def test_a_probe_that_comes_back_under_another_number(computer: FakeSystem) -> None:
    computer.probe(0)
    computer.unplug(0)
    computer.plugs = [(4.0, lambda: computer.probe(3))]
    assert await_return(BY_ID, 10, computer) == "/dev/ttyUSB3"
    assert 4.0 <= computer.time < 4.5


def test_a_probe_that_does_not_come_back(computer: FakeSystem) -> None:
    with pytest.raises(PortNotFound, match=r"was not plugged in within 10 s") as caught:
        await_return(BY_ID, 10, computer)
    assert caught.value.retryable and computer.time == pytest.approx(10)


def test_a_probe_that_udev_has_not_given_away_yet(computer: FakeSystem) -> None:
    computer.probe()
    computer.allowed = False
    computer.plugs = [(0.5, lambda: setattr(computer, "allowed", True))]
    assert await_return(BY_ID, 1, computer) == "/dev/ttyUSB0" and 0.5 <= computer.time < 1
    computer.allowed = False
    with pytest.raises(PortDenied, match="may not open"):
        await_return(BY_ID, 1, computer)


# node, driver, numbers ----------------------------------------------------------------------------------------------


def test_a_node_that_is_there(computer: FakeSystem) -> None:
    computer.probe()
    assert check(computer, "node") == Check("node", OK, "/dev/ttyUSB0 exists")
    assert check(computer, "node", BY_ID).text == f"{BY_ID} is /dev/ttyUSB0"


def test_a_node_that_is_not_there(computer: FakeSystem) -> None:
    missing = check(computer, "node")
    assert missing.verdict is FAILURE and missing.text == "/dev/ttyUSB0 does not exist; no port is there"
    computer.probe(1)
    assert check(computer, "node").text.endswith(f"there is {BY_ID}")
    computer.probe(2, serial="B2")
    assert check(computer, "node").text.endswith("see `metersdk ports`")


def test_a_link_to_a_probe_that_was_unplugged(computer: FakeSystem) -> None:
    computer.symlink("/dev/probe", "ttyUSB7")
    dangling = check(computer, "node", "/dev/probe")
    assert dangling.verdict is FAILURE and dangling.text == "/dev/probe points to ttyUSB7, which is gone"


def test_what_is_no_serial_port(computer: FakeSystem) -> None:
    computer.probe()
    computer.folder("/sys/class/tty/tty1")
    for path, node in (
        ("/etc/hostname", Node(0o644, 0, 0, is_character=False)),
        ("/dev/null", Node(0o666, 0, 0, (1, 3))),
        ("/dev/tty1", Node(0o620, 0, 5, (4, 1))),
    ):
        computer.file(path)
        computer.nodes[path] = node
        # Whoever else has these open is nobody's business.
        (only,) = passive(computer, path, port_of(computer, path, ()), ())
        assert only.verdict is FAILURE and only.text == f"{path} is no serial port"


@pytest.mark.parametrize(
    ("driver", "verdict", "part"),
    [
        ("ftdi_sio", OK, "ftdi_sio"),
        ("cp210x", OK, "INPCK"),
        ("ch341", OK, "line time is computed"),
        ("strange", WARNING, "strange is not known"),
    ],
)
def test_drivers(computer: FakeSystem, driver: str, verdict: Verdict, part: str) -> None:
    computer.probe(driver=driver, latency=None)
    seen = check(computer, "driver")
    assert seen.verdict is verdict and part in seen.text


def test_a_pseudo_terminal_has_no_chip(computer: FakeSystem) -> None:
    computer.file("/dev/pts/3")
    computer.nodes["/dev/pts/3"] = Node(0o620, 1000, 5, (136, 3))
    checks = by_name(passive(computer, "/dev/pts/3", port_of(computer, "/dev/pts/3", ()), ()))
    told = {name for name, each in checks.items() if each.verdict is not SKIPPED}
    assert told == {"node", "permission", "in-use", "lock-file"}
    assert checks["permission"].text == "as its owner"


def test_numbers_of_usb(computer: FakeSystem) -> None:
    computer.probe(ids=("10c4", "ea60"), driver="cp210x", latency=None)
    assert check(computer, "usb-id").text == "10c4:ea60, Silicon Labs CP210x (USB Probe)"
    computer.probe(1, ids=("dead", "beef"), serial="B")
    assert "not known here" in check(computer, "usb-id", "/dev/ttyUSB1").text


def test_probes_that_cannot_be_told_apart(computer: FakeSystem) -> None:
    computer.probe(0, ids=("1a86", "7523"), driver="ch341", serial="")
    alone = check(computer, "serial-number")
    assert alone.verdict is OK and "none" in alone.text
    computer.probe(1, ids=("1a86", "7523"), driver="ch341", serial="")
    twins = check(computer, "serial-number")
    assert twins.verdict is WARNING and "/dev/ttyUSB1" in twins.text and twins.mend is not None
    assert twins.mend.command == "ls -l /dev/serial/by-path"


def test_a_chip_that_brltty_has_claimed(computer: FakeSystem) -> None:
    usb = "/sys/bus/usb/devices/1-4"
    computer.file(f"{usb}/idVendor", "1a86\n")
    computer.file(f"{usb}/idProduct", "7523\n")
    computer.folder(f"{usb}/1-4:1.0")
    computer.symlink(f"{usb}/1-4:1.0/driver", "../../../drivers/usbfs")
    computer.process(55, "brltty")
    claimed = check(computer, "brltty")
    assert (
        claimed.verdict is FAILURE
        and claimed.text == "WCH CH340 1a86:7523 is claimed by brltty (pid 55) and has no port"
    )
    assert claimed.mend is not None and "mask --now brltty" in claimed.mend.command


def test_a_chip_that_no_driver_has_taken(computer: FakeSystem) -> None:
    usb = "/sys/bus/usb/devices/1-4"
    computer.file(f"{usb}/idVendor", "0403\n")
    computer.file(f"{usb}/idProduct", "6001\n")
    computer.folder(f"{usb}/1-4:1.0")
    orphan = check(computer, "driver")
    assert orphan.verdict is FAILURE and orphan.mend is not None and orphan.mend.command == "sudo modprobe ftdi_sio"
    computer.answers["dmesg"] = "usb 1-4: usbfs: interface 0 claimed by ftdi_sio while 'brltty' sets config #1\n"
    assert check(computer, "brltty").text == "FTDI FT232R 0403:6001 has no driver: brltty took it away, says the kernel"


# rights -------------------------------------------------------------------------------------------------------------


def test_a_member_of_the_group(computer: FakeSystem) -> None:
    computer.probe()
    assert check(computer, "permission") == Check("permission", OK, "as a member of dialout")
    computer.me = User(1000, 1000, frozenset((1000,)))
    assert check(computer, "permission").text == "by an access list"


def test_a_member_who_has_not_logged_in_again(computer: FakeSystem) -> None:
    computer.probe()
    computer.allowed, computer.me = False, User(1000, 1000, frozenset((1000,)))
    seen = check(computer, "permission")
    assert seen.verdict is FAILURE and seen.text == "anna is in group dialout, and this login is older than that"
    assert seen.mend is not None and seen.mend.command == "newgrp dialout"


def test_a_user_who_is_no_member(computer: FakeSystem) -> None:
    computer.probe()
    computer.file("/etc/group", "root:x:0:\ndialout:x:20:berta\n")
    computer.allowed, computer.me = False, User(1000, 1000, frozenset((1000,)))
    seen = check(computer, "permission")
    assert seen.verdict is FAILURE and "belongs to group dialout, mode 0660" in seen.text
    assert seen.mend is not None and seen.mend.command == "sudo usermod -aG dialout anna"


def test_a_device_of_root_alone_is_given_to_a_group_and_never_to_all(computer: FakeSystem) -> None:
    computer.probe()
    computer.set_node("/dev/ttyUSB0", gid=0, mode=0o600)
    computer.allowed = False
    seen = check(computer, "permission")
    assert seen.verdict is FAILURE and seen.mend is not None
    rule = 'SUBSYSTEM=="tty", ATTRS{idVendor}=="0403", ATTRS{idProduct}=="6001", GROUP="dialout", MODE="0660"'
    assert seen.mend.rule == rule
    computer.file("/etc/group", "root:x:0:\nuucp:x:10:\n")
    again = check(computer, "permission").mend
    assert again is not None and 'GROUP="uucp"' in again.rule


def test_a_device_that_is_open_to_everybody(computer: FakeSystem) -> None:
    computer.probe()
    computer.set_node("/dev/ttyUSB0", mode=0o666)
    seen = check(computer, "permission")
    assert seen.verdict is WARNING and seen.mend is not None and 'MODE="0660"' in seen.mend.rule


def test_root(computer: FakeSystem) -> None:
    computer.probe()
    computer.me = User(0, 0, frozenset((0,)))
    assert "TIOCEXCL does not keep root out" in check(computer, "permission").text


def test_who_is_in_no_list(computer: FakeSystem) -> None:
    assert linux_checks.account_of(computer, replace(ME, uid=7, gid=8)) == ("user 7", 8)
    assert linux_checks.group_of(computer, 99) == ("number 99", ())


# others -------------------------------------------------------------------------------------------------------------


def test_one_holder(computer: FakeSystem) -> None:
    device = computer.probe()
    assert check(computer, "in-use") == Check("in-use", OK, "no process has it open")
    computer.process(812, "picocom", opened=device)
    seen = check(computer, "in-use")
    assert seen.verdict is FAILURE and seen.text == "open in pid 812 (picocom)"
    assert seen.mend is not None and seen.mend.command == "kill 812"


def test_two_readers(computer: FakeSystem) -> None:
    device = computer.probe()
    for pid in (5, 6):
        computer.process(pid, "cat", opened=device)
    assert check(computer, "in-use").text == "2 processes read it, each gets a part: pid 5 (cat), pid 6 (cat)"
    for pid in (7, 8):
        computer.process(pid, "cat", opened=device)
    assert check(computer, "in-use").text.endswith("pid 6 (cat), pid 7 (cat) and 1 more")


def test_modem_manager_is_waited_for_and_not_killed(computer: FakeSystem) -> None:
    computer.process(7, "ModemManager", opened=computer.probe())
    mend = check(computer, "in-use").mend
    assert mend is not None and mend.command == ""


def test_processes_of_others_are_not_overlooked_silently(computer: FakeSystem) -> None:
    device = computer.probe()
    computer.process(812, "picocom", opened=device, hidden=True)
    unseen = check(computer, "in-use")
    assert unseen.verdict is SKIPPED and "1 of others cannot be seen" in unseen.text
    # The kernel lists locks with the process, also those of others.
    computer.file(
        "/proc/locks", "1: POSIX  ADVISORY  READ 9 00:05:500 0 EOF\n2: FLOCK  ADVISORY  WRITE 812 00:05:500 0 EOF\n"
    )
    seen = check(computer, "in-use")
    assert seen.verdict is FAILURE and seen.text == "locked by pid 812 (picocom)"


def test_our_own_process_is_no_holder(computer: FakeSystem) -> None:
    computer.process(computer.pid, "metersdk", opened=computer.probe())
    assert check(computer, "in-use").verdict is OK


def test_a_simulated_meter_is_no_rival_on_its_own_terminal(computer: FakeSystem) -> None:
    computer.file("/dev/pts/3")
    computer.nodes["/dev/pts/3"] = Node(0o620, 1000, 5, (136, 3))
    computer.process(70, "metersdk", opened="/dev/pts/3")
    assert check(computer, "in-use", "/dev/pts/3").verdict is FAILURE
    computer.symlink("/proc/70/fd/4", "/dev/ptmx")
    assert check(computer, "in-use", "/dev/pts/3").verdict is OK


def test_lock_files(computer: FakeSystem) -> None:
    computer.probe()
    assert check(computer, "lock-file").verdict is OK
    computer.file("/run/lock/LCK..ttyUSB0", "       812\n")
    left = check(computer, "lock-file")
    assert left.verdict is WARNING and left.mend is not None and left.mend.action is Action.REMOVE
    computer.process(812, "minicom")
    held = check(computer, "lock-file")
    assert held.verdict is FAILURE and "pid 812 (minicom)" in held.text
    computer.file("/run/lock/LCK..ttyUSB0", "\x01\x02")
    assert check(computer, "lock-file").text == "/run/lock/LCK..ttyUSB0 names no process"


def test_modem_manager(computer: FakeSystem) -> None:
    computer.probe()
    assert check(computer, "modem-manager").text == "does not run"
    computer.process(700, "ModemManager")
    assert check(computer, "modem-manager").verdict is SKIPPED
    computer.file("/run/udev/data/c188:0", "E:ID_BUS=usb\nE:ID_MM_CANDIDATE=1\n")
    seen = check(computer, "modem-manager")
    assert (
        seen.verdict is WARNING
        and seen.mend is not None
        and seen.mend.rule
        == (
            'SUBSYSTEM=="usb", ATTR{idVendor}=="0403", ATTR{idProduct}=="6001", '
            'ENV{ID_MM_DEVICE_IGNORE}="1", ENV{MTP_NO_PROBE}="1"'
        )
    )
    computer.file("/run/udev/data/c188:0", "E:ID_MM_CANDIDATE=1\nE:ID_MM_DEVICE_IGNORE=1\n")
    assert check(computer, "modem-manager").verdict is OK
    computer.file("/run/udev/data/c188:0", "E:ID_BUS=usb\n")
    assert "no candidate" in check(computer, "modem-manager").text


def test_brltty(computer: FakeSystem) -> None:
    computer.probe(ids=("10c4", "ea60"), driver="cp210x", latency=None)
    assert check(computer, "brltty").text == "no rule and no process"
    rules = "/usr/lib/udev/rules.d/85-brltty.rules"
    computer.file(rules, '# ENV{PRODUCT}=="10c4/ea60/*", GOTO="x"\nENV{PRODUCT}=="403/6001/*", GOTO="x"\n')
    assert check(computer, "brltty").verdict is OK
    computer.file(rules, 'ENV{PRODUCT}=="10c4/ea60/*", ENV{BRLTTY_BRAILLE_DRIVER}="sk"\n')
    seen = check(computer, "brltty")
    assert seen.verdict is WARNING and f"does not run; {rules} starts it for 10c4:ea60" == seen.text
    computer.process(55, "brltty")
    assert check(computer, "brltty").text == f"runs (pid 55), and {rules} gives it 10c4:ea60"
    # An empty file of the same name in /etc switches the rules off.
    computer.file("/etc/udev/rules.d/85-brltty.rules", "")
    assert check(computer, "brltty").verdict is OK
    computer.file(
        "/etc/udev/rules.d/86-brltty-x.rules", 'ATTRS{idVendor}=="10C4", ATTRS{idProduct}=="EA60", RUN+="x"\n'
    )
    assert check(computer, "brltty").verdict is WARNING


def test_console_and_login(computer: FakeSystem) -> None:
    computer.probe()
    assert check(computer, "console").verdict is OK
    computer.file("/proc/cmdline", "console=ttyUSB0,115200 quiet\n")
    assert check(computer, "console").text == "the kernel writes its messages to it"
    computer.file("/proc/cmdline", "console=ttyUSB01 quiet\n")
    computer.file("/proc/consoles", "ttyUSB0    -W- (EC  p a)  188:0\n")
    assert check(computer, "console").verdict is FAILURE
    computer.process(33, "agetty", "-L", "ttyUSB0", "vt220")
    login = check(computer, "console")
    assert login.text == "a login waits on it (pid 33)" and login.mend is not None
    assert login.mend.command == "sudo systemctl disable --now serial-getty@ttyUSB0.service"


# the chip -----------------------------------------------------------------------------------------------------------


def test_latency(computer: FakeSystem) -> None:
    computer.probe(0)
    slow = check(computer, "latency-timer")
    assert slow.verdict is WARNING and slow.text.startswith("16 ms") and slow.mend is not None
    assert slow.mend.rule == udev.latency() and slow.mend.action is Action.LOW_LATENCY
    computer.probe(1, serial="B", latency=1)
    assert check(computer, "latency-timer", "/dev/ttyUSB1") == Check("latency-timer", OK, "1 ms")
    computer.probe(2, serial="C", driver="cp210x", latency=None)
    assert check(computer, "latency-timer", "/dev/ttyUSB2").text == "cp210x has none; FTDI chips do"


def test_autosuspend(computer: FakeSystem) -> None:
    computer.probe()
    power = "/sys/devices/pci0000:00/0000:00:14.0/usb1/1-1/power"
    assert check(computer, "autosuspend").text == "off"
    computer.file(f"{power}/control", "auto\n")
    computer.file(f"{power}/autosuspend_delay_ms", "2000\n")
    seen = check(computer, "autosuspend")
    assert seen.verdict is WARNING and "after 2000 ms" in seen.text and seen.mend is not None
    assert seen.mend.rule.endswith('ATTR{power/control}="on"') and seen.mend.path == f"{power}/control"
    computer.file(f"{power}/autosuspend_delay_ms", "-1000\n")
    assert check(computer, "autosuspend").verdict is OK


def test_no_rule_lets_in_everybody(computer: FakeSystem) -> None:
    port = PortInfo("/dev/ttyUSB0", vid=0x0403, pid=0x6001)
    rules = (udev.group_access(port, "dialout"), udev.no_modem(port), udev.latency(), udev.stay_awake(port))
    assert not any("666" in rule or "777" in rule for rule in rules)
    assert udev.file_of(rules).count("\n") == 5
    assert udev.install_command("x.rules") == (
        "sudo install -m 644 x.rules /etc/udev/rules.d/70-metersdk-probe.rules"
        " && sudo udevadm control --reload && sudo udevadm trigger"
    )
