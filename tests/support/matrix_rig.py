"""The troubleshooting matrix, cause by cause: how each one is provoked on the simulated line, and what must be said.

Every row is a function of a seed: it gives a meter, a line and a plan. ``Case.check`` runs one session on it.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from metersdk.dialog.evidence import LineCounters
from metersdk.dialog.iec62056_21_meter import OpticalMeter, serve
from metersdk.dialog.line_check import LineCheck, check_line
from metersdk.dialog.opening import Plan
from metersdk.dialog.timing import Timing
from metersdk.effects import Dialog, Receive, Send, SetLine, Sleep
from metersdk.frame.hdlc import Frame, FrameKind, control_octet
from metersdk.frame.iec62056_21 import STX, to_line
from metersdk.model.quirks import Quirks
from metersdk.port.drive import run
from metersdk.port.line import LineModel
from metersdk.port.virtual import VirtualPort

LINES = b"".join(b"1-0:%d.8.%d(%06d.%02d*kWh)\r\n" % (k, k, k * 1234567 % 999999, k) for k in range(1, 6))
C1218_IDENTITY = bytes.fromhex("ee00000000012013 10")
SML_TELEGRAM = bytes.fromhex("1b1b1b1b01010101" + "76051122334462006200726500000101" * 8 + "1b1b1b1b1a00abcd")
HDLC_PUSH = Frame(b"\x03", b"\x21", control_octet(FrameKind.UI, poll=False), bytes.fromhex("e6e7000f00000001")).encode()


@dataclass
class Case:
    """One session to be judged."""

    server: Dialog[Any]
    model: LineModel = field(default_factory=LineModel)
    protocol: str = "iec62056-21"
    timing: Timing = field(default_factory=lambda: Timing(total=20.0))
    options: dict[str, object] = field(default_factory=dict)
    quirks: Quirks = field(default_factory=Quirks)
    listen: tuple[float, float] = (0.0, 0.0)
    counters: LineCounters | None = None

    @property
    def plan(self) -> Plan:
        return Plan.of(
            {"protocol": self.protocol, "mode": "C", **self.options},
            medium="line",
            framing=None,
            baud=9600,
            hardware_parity=False,
            password=None,
            keys=None,
            quirks=self.quirks,
            timing=self.timing,
        )

    def check(self, seed: int) -> LineCheck:
        port = VirtualPort(self.server, replace(self.model, baud=300, seed=seed))
        counters = (lambda: self.counters) if self.counters is not None else None
        return run(check_line(self.plan, counters=counters, listen=self.listen, total=40.0), port)


def meter(identification: bytes = b"/MSK5SMALL", lines: bytes = LINES, **more: Any) -> OpticalMeter:
    return OpticalMeter(identification=identification, readout=lambda: lines, **more)


def mode_c(identification: bytes = b"/MSK5SMALL", **more: Any) -> Dialog[Any]:
    return serve(meter(identification, **more))


def altered(server: Dialog[Any], change: Callable[[bytes, int], bytes]) -> Dialog[Any]:
    """``server``, whose n-th sending goes through ``change(octets, n)``."""
    number = 0
    effect = next(server)
    while True:
        if isinstance(effect, Send):
            effect, number = Send(change(effect.data, number)), number + 1
        answer = yield effect
        try:
            effect = server.send(answer)
        except StopIteration as end:
            return end.value


def mistuned(server: Dialog[Any], factor: float) -> Dialog[Any]:
    """``server``, whose table of speeds above 300 Bd is wrong."""
    effect = next(server)
    while True:
        if isinstance(effect, SetLine) and effect.baud > 300:
            effect = SetLine(round(effect.baud * factor))
        answer = yield effect
        try:
            effect = server.send(answer)
        except StopIteration as end:
            return end.value


def unasked_speed(server: Dialog[Any], baud: int) -> Dialog[Any]:
    """``server``, whose data go out at ``baud`` whatever was agreed."""
    effect = next(server)
    while True:
        if isinstance(effect, Send) and len(effect.data) > 40:
            yield SetLine(baud)
        answer = yield effect
        try:
            effect = server.send(answer)
        except StopIteration as end:
            return end.value


def pusher(octets: bytes, baud: int, period: float) -> Dialog[Any]:
    """Sends by itself, and never listens."""
    yield SetLine(baud)
    while True:
        yield Sleep(period)
        yield Send(octets)


def silent() -> Dialog[Any]:
    while True:
        yield Receive(1000.0)


def first_block(change: Callable[[bytearray, random.Random], bytes], seed: int) -> Callable[[bytes, int], bytes]:
    """A change of the first sending of the data block only."""
    chance = random.Random(seed)

    def changed(octets: bytes, number: int) -> bytes:
        return change(bytearray(octets), chance) if number == 1 else octets

    return changed


def flipped(octets: bytearray, chance: random.Random) -> bytes:
    octets[chance.randrange(1, len(octets) - 2)] ^= 1 << chance.randrange(7)
    return bytes(octets)


def flipped_pair(octets: bytearray, chance: random.Random) -> bytes:
    at = chance.choice([at for at, octet in enumerate(octets) if chr(octet & 0x7F).isdigit()])
    # Two bits of a digit, so that it stays one.
    octets[at] ^= 0b11
    return bytes(octets)


def shortened(octets: bytearray, chance: random.Random) -> bytes:
    del octets[chance.randrange(1, len(octets) - 2)]
    return bytes(octets)


def echoed(octets: bytearray, chance: random.Random) -> bytes:
    at = chance.randrange(4, len(octets) - 4)
    return bytes(octets[:at]) + to_line(b"\x06050\r\n") + bytes(octets[at:])


def summed(octets: bytes, number: int) -> bytes:
    text = bytes(octet & 0x7F for octet in octets)
    if text[0] != STX:
        return octets
    return to_line(text[:-1] + bytes((sum(text[1:-1]) & 0x7F,)))


def telegram(identification: bytes = b"/MSK5PUSH") -> bytes:
    return to_line(identification + b"\r\n\r\n" + LINES + b"!\r\n")


# For light that does not go out: long enough to see its beat.
SHORT = Timing(total=5.0)
BRIEFLY = (0.5, 0.5)
NEVER = 1e4


def late(margin: float) -> Timing:
    return Timing(total=20.0, switch_margin=margin)


# cause, how, and a case for each seed
Row = tuple[str, str, Callable[[int], Case]]
ROWS: tuple[Row, ...] = (
    ("silent", "nobody is there", lambda s: Case(silent())),
    ("echo-only", "the head returns its own light", lambda s: Case(silent(), LineModel(echo="full"))),
    ("asleep", "a meter on battery", lambda s: Case(mode_c(asleep=True))),
    ("battery-low", "the meter's lamp fades", lambda s: Case(mode_c(), LineModel(fade=120 + s))),
    ("unplugged", "the port closes", lambda s: Case(mode_c(), LineModel(close_after=5 + s))),
    ("two-readers", "half of the pieces are read away in part", lambda s: Case(mode_c(), LineModel(steal=0.5))),
    ("format-7o1", "odd parity", lambda s: Case(mode_c(), LineModel(form="7O1"))),
    ("format-8n1", "no parity", lambda s: Case(mode_c(), LineModel(form="8N1"))),
    ("format-7n2", "two stop bits, no parity", lambda s: Case(mode_c(), LineModel(form="7N2"))),
    ("format-7n1", "nine bits", lambda s: Case(mode_c(b"/M%cK5SMA%04d" % (65 + s % 26, s)), LineModel(form="7N1"))),
    (
        "format-8e1",
        "eleven bits, seen in the driver's counters",
        lambda s: Case(mode_c(), LineModel(form="8E1"), counters=LineCounters(framing=50 + s)),
    ),
    ("baud-slower", "2 times slower after the switch", lambda s: Case(mistuned(mode_c(), 0.5))),
    ("baud-slower", "4 times slower after the switch", lambda s: Case(mistuned(mode_c(), 0.25))),
    ("baud-slower", "8 times slower after the switch", lambda s: Case(mistuned(mode_c(), 0.125))),
    ("baud-faster", "2 times faster after the switch", lambda s: Case(mistuned(mode_c(), 2))),
    ("baud-faster", "4 times faster after the switch", lambda s: Case(mistuned(mode_c(b"/MSK3SMALL"), 4))),
    (
        "baud-faster",
        "32 times faster: it switches unasked",
        lambda s: Case(unasked_speed(mode_c(), 9600), quirks=Quirks(max_baud=300)),
    ),
    (
        "acknowledgement-missed",
        "the acknowledgement is lost: on at 300 Bd",
        lambda s: Case(mode_c(), LineModel(drop_requests=frozenset({1}), latency=s * 1e-4)),
    ),
    (
        "switch-early",
        "a chip that still sends, and a short margin",
        lambda s: Case(mode_c(), LineModel(drain_lies=True, sending_latency=0.03 + 0.0005 * s), timing=late(0.005)),
    ),
    (
        "switch-early",
        "a slow probe, seen in its echo",
        lambda s: Case(mode_c(), LineModel(drain_lies=True, sending_latency=0.07 + 0.0008 * s, echo="full")),
    ),
    ("switch-late", "a meter of 200 ms", lambda s: Case(mode_c(), timing=late(0.205 + 0.002 * s))),
    ("switch-late", "a meter of 20 ms", lambda s: Case(mode_c(b"/MSk5SMALL"), timing=late(0.024 + 0.002 * s))),
    ("checksum-parity", "one bit", lambda s: Case(altered(mode_c(), first_block(flipped, s)))),
    ("checksum-damaged", "two bits of one octet", lambda s: Case(altered(mode_c(), first_block(flipped_pair, s)))),
    ("checksum-lost-octets", "one octet is lost", lambda s: Case(altered(mode_c(), first_block(shortened, s)))),
    ("checksum-echo", "the acknowledgement amid the data", lambda s: Case(altered(mode_c(), first_block(echoed, s)))),
    ("checksum-sum", "a BCC by addition", lambda s: Case(altered(mode_c(), summed))),
    ("light-sun", "3 octets a second", lambda s: Case(mode_c(), LineModel(noise=3), listen=(2.0, 1.0))),
    ("light-sun", "8 octets a second", lambda s: Case(mode_c(), LineModel(noise=8), timing=SHORT, listen=BRIEFLY)),
    ("light-lamp", "100 Hz", lambda s: Case(mode_c(), LineModel(lamp=100), timing=SHORT, listen=BRIEFLY)),
    ("light-lamp", "120 Hz", lambda s: Case(mode_c(), LineModel(lamp=120), timing=SHORT, listen=BRIEFLY)),
    (
        "light-constant",
        "dazzled",
        lambda s: Case(mode_c(), LineModel(dazzled=((0.2 + 0.01 * s, NEVER),)), timing=SHORT, listen=BRIEFLY),
    ),
    ("misaligned", "one bit in 200", lambda s: Case(mode_c(), LineModel(bit_flip=0.005))),
    ("mode-d", "a pusher", lambda s: Case(pusher(telegram(), 9600, 1 + 0.02 * s), listen=(4.0, 0.0), timing=SHORT)),
    ("sml", "a pusher", lambda s: Case(pusher(SML_TELEGRAM, 9600, 1 + 0.02 * s), listen=(4.0, 0.0), timing=SHORT)),
    ("hdlc", "a pusher", lambda s: Case(pusher(HDLC_PUSH, 9600, 1 + 0.02 * s), listen=(4.0, 0.0), timing=SHORT)),
    ("c1218", "a pusher", lambda s: Case(pusher(C1218_IDENTITY, 9600, 1 + 0.02 * s), listen=(4.0, 0.0), timing=SHORT)),
)


def clean(seed: int) -> Case:
    """A session in order: any speed, mode, echo, head and meter."""
    chance = random.Random(f"clean:{seed}")
    third = chance.choice("Kk")
    lines = b"".join(
        b"1-0:%d.8.%d(%06d.%02d*kWh)\r\n" % (k, k, chance.randrange(10**6), k) for k in range(chance.randrange(1, 8))
    )
    mode = chance.choice("0123456AC")
    made = OpticalMeter(
        identification=f"/MS{third}{mode}METER".encode(),
        readout=lambda: lines,
        # A fast meter of mode B switches before a slow head has told of its identification: that is no clean session.
        reaction=chance.choice((None if mode.isdigit() else 0.2, 0.25, 0.6, 1.4)),
        block_size=chance.choice((None, None, 40)),
    )
    model = LineModel(
        echo=chance.choice(("none", "none", "full", "partial")),
        latency=chance.choice((0.0, 0.001, 0.016, 0.05)),
        piece=chance.choice((None, None, 1)),
        clock_error=chance.choice((0.0, 0.01, -0.01)),
    )
    options: dict[str, object] = {"mode": "auto"}
    return Case(serve(made), model, options=options, listen=(0.2, 0.2))
