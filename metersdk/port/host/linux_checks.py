"""Checks of a port that need not open it: what /sys, /dev, /proc and /etc say on Linux."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator

from metersdk.port.host import linux, udev
from metersdk.port.host.check import Action, Check, Mend, Verdict, failure, ok, skipped, warning
from metersdk.port.host.chips import CHIPS, DRIVERS
from metersdk.port.host.port_info import BY_ID, Holder, PortInfo
from metersdk.port.host.system import Node, System, User
from metersdk.port.host.usb_checks import NOT_USB, check_usb_id

# Unix 98 pseudo terminals.
_PTY_MAJORS = range(136, 144)
# Who serial ports belong to: Debian and most others, Arch, some older ones.
_GROUPS = ("dialout", "uucp", "plugdev")
_LOCK_FOLDERS = ("/run/lock", "/var/lock", "/run/lock/lockdev")
_RULE_FOLDERS = ("/etc/udev/rules.d", "/run/udev/rules.d", "/usr/lib/udev/rules.d", "/lib/udev/rules.d")
# The terminals of screen and keyboard, and the one of whoever asks.
_SCREEN = re.compile(r"tty\d*|console|ptmx")
# What the kernel says when a program takes a device away from its driver.
_CLAIMED = "while 'brltty' sets config"
# Processes that are named at most.
_NAMED = 3


def is_pty(node: Node | None) -> bool:
    """Whether a device is a pseudo terminal."""
    return node is not None and node.device[0] in _PTY_MAJORS


def passive(system: System, given: str, port: PortInfo, others: Iterable[PortInfo] = ()) -> Iterator[Check]:
    """All checks of a port that need not open it.

    Args:
        given: the name that the user gave, perhaps a link.
        port: what is known of the device behind it.
        others: the other ports of this computer.
    """
    node = system.node(port.device)
    there = check_node(system, given, node)
    yield there
    if node is None:
        yield from absent(system)
    if node is None or there.verdict is Verdict.FAILURE:
        return
    yield check_driver(port, node)
    yield check_usb_id(port)
    yield check_serial_number(port, others)
    yield check_permission(system, port, node)
    yield check_holder(system, port, node)
    yield check_uucp_lock(system, port)
    yield check_modem_manager(system, port, node)
    yield check_brltty(system, port)
    yield check_console(system, port, node)
    yield check_latency(system, port)
    yield check_autosuspend(system, port)


# the device ---------------------------------------------------------------------------------------------------------


def check_node(system: System, given: str, node: Node | None) -> Check:
    """The device node is there, and is one."""
    if node is None:
        target = system.link(given)
        if target is not None:
            return failure("node", f"{given} points to {target}, which is gone", Mend("plug the probe in again"))
        known = [f"{BY_ID}/{name}" for name in system.names(BY_ID) or ()]
        there = f"there is {known[0]}" if len(known) == 1 else "see `metersdk ports`" if known else "no port is there"
        return failure("node", f"{given} does not exist; {there}", Mend("plug the probe in, or check the name"))
    behind = system.resolve(given)
    if not node.is_character or not (is_pty(node) or is_serial(system, behind)):
        return failure("node", f"{given} is no serial port", Mend("list the ports", command="metersdk ports"))
    if behind != given:
        return ok("node", f"{given} is {behind}")
    if is_pty(node):
        return ok("node", f"{given} is a pseudo terminal")
    return ok("node", f"{given} exists")


def is_serial(system: System, device: str) -> bool:
    """Whether a device is a tty that is no screen; where /sys tells nothing it may be one."""
    name = os.path.basename(device)
    known = system.names(linux.TTYS)
    return known is None or (name in known and not _SCREEN.fullmatch(name))


def absent(system: System) -> Iterator[Check]:
    """Why a probe that is plugged in may have no device."""
    orphans = list(unbound(system))
    if not orphans:
        yield skipped("driver", "no USB serial chip without a driver is plugged in")
    for usb_id, chip, driver, claimed in orphans:
        if claimed:
            # The only driver that takes a whole device for a program; brltty does so while it looks for Braille.
            brltty = linux.running(system, "brltty")
            who = f"brltty (pid {brltty})" if brltty else "a program (brltty does that to probes)"
            yield failure("brltty", f"{chip} {usb_id} is claimed by {who} and has no port", _STOP_BRLTTY)
        elif _CLAIMED in (system.run(["dmesg"]) or ""):
            yield failure(
                "brltty", f"{chip} {usb_id} has no driver: brltty took it away, says the kernel", _STOP_BRLTTY
            )
        else:
            mend = Mend(f"load the driver {driver}", command=f"sudo modprobe {driver}")
            yield failure("driver", f"{chip} {usb_id} is plugged in and no driver has taken it", mend)


def unbound(system: System) -> Iterator[tuple[str, str, str, bool]]:
    """USB serial chips without a tty: their number, name, driver, and whether a program has claimed them."""
    for name in system.names(linux.USB_DEVICES) or ():
        folder = f"{linux.USB_DEVICES}/{name}"
        try:
            key = int(system.read(f"{folder}/idVendor") or "", 16), int(system.read(f"{folder}/idProduct") or "", 16)
        except ValueError:
            continue
        if key not in CHIPS:
            continue
        faces = [face for face in system.names(folder) or () if face.startswith(f"{name}:")]
        drivers = {os.path.basename(system.link(f"{folder}/{face}/driver") or "") for face in faces}
        if drivers <= {"", "usbfs"}:
            yield f"{key[0]:04x}:{key[1]:04x}", *CHIPS[key], "usbfs" in drivers


def check_driver(port: PortInfo, node: Node) -> Check:
    """Which driver has the device, and what is to know of it."""
    if is_pty(node):
        return skipped("driver", "a pseudo terminal has none")
    if not port.driver:
        return skipped("driver", f"/sys does not tell the driver of {port.device}")
    known = DRIVERS.get(port.driver)
    if known is None:
        return warning("driver", f"{port.driver} is not known here: speeds and the end of sending may not be as told")
    return ok("driver", f"{port.driver}; {known}" if known else port.driver)


def check_serial_number(port: PortInfo, others: Iterable[PortInfo]) -> Check:
    """Two probes can be told apart."""
    if not port.usb_id:
        return skipped("serial-number", NOT_USB)
    twins = [each.device for each in others if each.usb_id == port.usb_id and each.device != port.device]
    same = [each.device for each in others if each.device in twins and each.serial_number == port.serial_number]
    # A chip with several ports has one number for all, and its names carry the port.
    if same and not port.by_id:
        mend = Mend("name it by the socket it is plugged into", command="ls -l /dev/serial/by-path")
        return warning("serial-number", f"{port.device} and {same[0]} cannot be told apart by number", mend)
    if not port.serial_number:
        return ok("serial-number", "none: a second probe of this kind would have the same name")
    return ok("serial-number", f"{port.serial_number}; a name that stays: {port.by_id}" if port.by_id else "known")


# rights -------------------------------------------------------------------------------------------------------------


def check_permission(system: System, port: PortInfo, node: Node) -> Check:
    """This user may open the device, now and not only after the next login."""
    user = system.user()
    group, members = group_of(system, node.gid)
    owner = f"{port.device} belongs to group {group}, mode {node.mode:04o}"
    if system.may_open(port.device):
        if user.uid == 0:
            return ok("permission", f"root may open any device ({owner}); TIOCEXCL does not keep root out")
        if node.mode & 0o006 == 0o006:
            rule = _group_rule(system, port)
            mend = Mend("let in a group instead of everybody", rule=rule) if rule else None
            return warning("permission", f"every user and program may open it: {owner}", mend)
        how = f"as a member of {group}" if node.gid in user.groups and node.mode & 0o060 else "by an access list"
        return ok("permission", "as its owner" if node.uid == user.uid else how)
    name, primary = account_of(system, user)
    if node.mode & 0o060 == 0o060 and node.gid != 0:
        if name in members or primary == node.gid:
            mend = Mend("log out and in again, or begin a shell that has the group", command=f"newgrp {group}")
            return failure("permission", f"{name} is in group {group}, and this login is older than that", mend)
        mend = Mend("join the group, then log out and in again", command=f"sudo usermod -aG {group} {name}")
        return failure("permission", f"{name} may not open it: {owner}", mend)
    rule = _group_rule(system, port)
    mend = Mend("give it to a group that this user is in", rule=rule) if rule else Mend("ask for access to it")
    return failure("permission", f"{name} may not open it: {owner}", mend)


def group_of(system: System, gid: int) -> tuple[str, tuple[str, ...]]:
    """The name of a group, and the users that /etc/group lists for it."""
    for name, number, members in _groups(system):
        if number == gid:
            return name, members
    return f"number {gid}", ()


def account_of(system: System, user: User) -> tuple[str, int]:
    """The name of a user, and the group that /etc/passwd gives."""
    for line in (system.read("/etc/passwd") or "").splitlines():
        fields = line.split(":")
        if len(fields) > 3 and fields[2] == str(user.uid) and fields[3].isdecimal():
            return fields[0], int(fields[3])
    return f"user {user.uid}", user.gid


def _groups(system: System) -> Iterator[tuple[str, int, tuple[str, ...]]]:
    for line in (system.read("/etc/group") or "").splitlines():
        fields = line.split(":")
        if len(fields) > 3 and fields[2].isdecimal():
            yield fields[0], int(fields[2]), tuple(filter(None, fields[3].split(",")))


def _group_rule(system: System, port: PortInfo) -> str:
    """The rule that gives a USB port to the group for it; empty where there is nothing to name it by."""
    names = [name for name, _, _ in _groups(system)]
    group = next((each for each in _GROUPS if each in names), "")
    return udev.group_access(port, group) if port.usb_id and group else ""


# others -------------------------------------------------------------------------------------------------------------


def check_holder(system: System, port: PortInfo, node: Node) -> Check:
    """Nobody else has it open."""
    rivals = rivals_of(system, port, node)
    holders = rivals or linux.lockers(system, node)
    more = f" and {len(holders) - _NAMED} more" if len(holders) > _NAMED else ""
    who = ", ".join(map(str, holders[:_NAMED])) + more
    if len(holders) > 1:
        return failure("in-use", f"{len(holders)} processes read it, each gets a part: {who}", _stop(holders))
    if holders:
        return failure("in-use", f"{'open in' if rivals else 'locked by'} {who}", _stop(holders))
    hidden = linux.hidden_processes(system)
    if hidden:
        return skipped("in-use", f"no process of this user has it open; {hidden} of others cannot be seen without sudo")
    return ok("in-use", "no process has it open")


def rivals_of(system: System, port: PortInfo, node: Node) -> tuple[Holder, ...]:
    """Who has it open and takes octets away: not this process, nor the far end of a pseudo terminal."""
    others = (holder for holder in port.holders if holder.pid != system.pid)
    return tuple(holder for holder in others if not (is_pty(node) and linux.is_other_end(system, holder.pid)))


def _stop(holders: tuple[Holder, ...]) -> Mend:
    if any(holder.command == "ModemManager" for holder in holders):
        return Mend("wait half a minute, or tell ModemManager to leave the device alone (see modem-manager)")
    return Mend("close that program, or end it", command=f"kill {' '.join(str(holder.pid) for holder in holders)}")


def check_uucp_lock(system: System, port: PortInfo) -> Check:
    """No lock file of the old kind."""
    name = f"LCK..{os.path.basename(port.device)}"
    for folder in _LOCK_FOLDERS:
        path = f"{folder}/{name}"
        if not system.exists(path):
            continue
        found = re.match(r"\s*(\d+)", system.read(path) or "")
        if found is None:
            return warning("lock-file", f"{path} names no process", Mend("remove it", command=f"rm {path}"))
        pid = int(found[1])
        if system.exists(f"/proc/{pid}"):
            who = Holder(pid, linux.command_of(system, pid))
            return failure("lock-file", f"{path} is held by {who}", _stop((who,)))
        mend = Mend("remove the left lock file", command=f"rm {path}", action=Action.REMOVE, path=path)
        return warning("lock-file", f"{path} was left behind by pid {pid}, which has ended", mend)
    return ok("lock-file", f"no {name}")


def check_modem_manager(system: System, port: PortInfo, node: Node) -> Check:
    """ModemManager does not try whether the probe is a modem."""
    if not port.usb_id:
        return skipped("modem-manager", NOT_USB)
    pid = linux.running(system, "ModemManager")
    if pid is None:
        return ok("modem-manager", "does not run")
    seen = system.read(f"/run/udev/data/c{node.device[0]}:{node.device[1]}")
    if seen is None:
        return skipped("modem-manager", f"runs (pid {pid}); udev does not tell what it does with {port.device}")
    if re.search(r"^E:ID_MM_(DEVICE|PORT)_IGNORE=1$", seen, re.MULTILINE):
        return ok("modem-manager", f"runs (pid {pid}), and is told to leave {port.device} alone")
    if "E:ID_MM_CANDIDATE=1" not in seen:
        return ok("modem-manager", f"runs (pid {pid}), and {port.device} is no candidate for it")
    return warning(
        "modem-manager",
        f"runs (pid {pid}), and may send AT commands to the probe for some seconds after it is plugged in",
        Mend("tell ModemManager to leave the device alone", rule=udev.no_modem(port)),
    )


_STOP_BRLTTY = Mend(
    "if nobody here uses a Braille display: keep brltty from taking the chip, then plug the probe in again",
    command="sudo systemctl mask --now brltty-udev.service brltty.service",
)


def check_brltty(system: System, port: PortInfo) -> Check:
    """brltty does not take the chip for a Braille display."""
    if port.vid is None or port.pid is None:
        return skipped("brltty", NOT_USB)
    pid = linux.running(system, "brltty")
    rules = [path for path in _brltty_rules(system) if _names(system.read(path) or "", port.vid, port.pid)]
    if rules and pid is not None:
        return warning("brltty", f"runs (pid {pid}), and {rules[0]} gives it {port.usb_id}", _STOP_BRLTTY)
    if rules:
        return warning("brltty", f"does not run; {rules[0]} starts it for {port.usb_id}", _STOP_BRLTTY)
    return ok("brltty", f"runs (pid {pid}); no rule gives it {port.usb_id}" if pid else "no rule and no process")


def _brltty_rules(system: System) -> Iterator[str]:
    seen = set()
    for folder in _RULE_FOLDERS:
        for name in system.names(folder) or ():
            # A file in /etc hides the one of the same name in /usr/lib.
            if "brltty" in name and name.endswith(".rules") and name not in seen:
                seen.add(name)
                yield f"{folder}/{name}"


def _names(rules: str, vid: int, pid: int) -> bool:
    """Whether a rule that is not commented out matches a device: PRODUCT is hex without leading zeros."""
    product = re.compile(rf'^[^#]*"{vid:x}/{pid:x}/', re.MULTILINE | re.IGNORECASE)
    vendor, model = f'idVendor}}=="{vid:04x}"', f'idProduct}}=="{pid:04x}"'
    lines = (line.partition("#")[0].lower() for line in rules.splitlines())
    return bool(product.search(rules)) or any(vendor.lower() in line and model.lower() in line for line in lines)


def check_console(system: System, port: PortInfo, node: Node) -> Check:
    """The kernel and the login do not use it."""
    name = os.path.basename(port.device)
    if is_pty(node):
        return skipped("console", "a pseudo terminal is none")
    unit = f"sudo systemctl disable --now serial-getty@{name}.service"
    login = next((pid for pid in linux.processes(system) if _is_login(system, pid, name)), None)
    if login is not None:
        return failure("console", f"a login waits on it (pid {login})", Mend("end the login there", command=unit))
    consoles = (line.split()[0] for line in (system.read("/proc/consoles") or "").splitlines() if line.split())
    wanted = re.search(rf"\bconsole={name}(,\S*)?(\s|$)", system.read("/proc/cmdline") or "")
    if name in consoles or wanted:
        mend = Mend(f"take console={name} out of the kernel's command line, and start again", command=unit)
        return failure("console", "the kernel writes its messages to it", mend)
    return ok("console", "neither the kernel nor a login uses it")


def _is_login(system: System, pid: int, name: str) -> bool:
    words = (system.read(f"/proc/{pid}/cmdline") or "").split("\0")
    return "getty" in os.path.basename(words[0]) and any(word in (name, f"/dev/{name}") for word in words[1:])


# the chip -----------------------------------------------------------------------------------------------------------


def check_latency(system: System, port: PortInfo) -> Check:
    """The chip hands out at once what it received."""
    if port.latency_ms is None:
        return skipped("latency-timer", f"{port.driver or 'this port'} has none; FTDI chips do")
    if port.latency_ms <= 1:
        return ok("latency-timer", f"{port.latency_ms} ms")
    path = f"{linux.TTYS}/{os.path.basename(port.device)}/device/latency_timer"
    return warning(
        "latency-timer",
        f"{port.latency_ms} ms: the chip keeps the end of each answer so long (HDLC suffers, readouts do not)",
        Mend("set it to 1 ms", rule=udev.latency(), action=Action.LOW_LATENCY, path=path, value="1"),
    )


def check_autosuspend(system: System, port: PortInfo) -> Check:
    """USB does not put the probe to sleep."""
    if not port.usb:
        return skipped("autosuspend", NOT_USB)
    path = f"{port.usb}/power/control"
    control = (system.read(path) or "").strip()
    delay = (system.read(f"{port.usb}/power/autosuspend_delay_ms") or "").strip()
    if not control:
        return skipped("autosuspend", f"{path} does not tell")
    if control != "auto" or delay.startswith("-"):
        return ok("autosuspend", "off")
    return warning(
        "autosuspend",
        f"on{f', after {delay} ms' if delay else ''}: a sleeping probe loses its light and the first octets",
        Mend("keep the device awake", rule=udev.stay_awake(port), action=Action.WRITE, path=path, value="on"),
    )
