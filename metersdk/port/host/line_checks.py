"""Checks of an opened port: locks, speeds, what comes unasked, and what comes back."""

from __future__ import annotations

import errno
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from metersdk.port.host.check import Check, Mend, Verdict, failure, ok, skipped, warning
from metersdk.port.host.line import Line, LineCounters

# IEC 62056-21 6.3.14.2, mode C.
SPEEDS = (300, 600, 1200, 2400, 4800, 9600, 19200)
BAUD_TOLERANCE = 0.02
# What pushes unasked (SML, mode D of today's meters) does so at this speed.
LISTEN_BAUD = 9600
ECHO_BAUD = 300
# Light and dark in all lengths. No "/", no HDLC flag: no meter takes it for the beginning of anything.
ECHO_PATTERN = bytes.fromhex("55aa0ff033cc")
# Seconds that a probe, its chip and its driver may be late beyond the line time.
ECHO_DELAY = 0.25
_CHARACTER_BITS = 10

# A change of the light within a character gives one edge: ones, or zeros, then the other.
_ONE_EDGE = frozenset((0xFF << n) & 0xFF for n in range(9)) | frozenset((1 << n) - 1 for n in range(9))
_MOSTLY = 0.7
# Mains lamps are dark twice in each period: seconds between two such times at 50 and 60 Hz.
_MAINS = ((50, 0.010), (60, 1 / 120))
_MAINS_TOLERANCE = 0.0007
_MAINS_GAPS = 8
_TELEGRAM = re.compile(rb"/[A-Za-z]{3}[!-~][ -~]*\r?\n")
_SML = b"\x1b\x1b\x1b\x1b"
_HDLC = re.compile(rb"\x7e[\xa0-\xaf]")
_SHADE = Mend("shade the probe from sun and lamps, and press it on the meter; cover it for a test")
_LOCKS = ("exclusive", "lock")
_SIGNALS = ("low-latency", "baud", "idle", "counters", "echo", "reflection")


@dataclass(frozen=True, slots=True)
class Trial:
    """What may be done to a port.

    Attributes:
        idle: seconds to listen without sending.
        send: a few octets may be sent, to see whether they come back.
        paper: the probe lies on white paper, and not on a meter.
    """

    idle: float = 3.0
    send: bool = True
    paper: bool = False


@dataclass(slots=True)
class Heard:
    """What came while nothing was sent."""

    seconds: float
    pieces: list[tuple[float, bytes]] = field(default_factory=list)
    counted: LineCounters | None = None

    @property
    def octets(self) -> bytes:
        """All of it."""
        return b"".join(piece for _, piece in self.pieces)


def unopened(why: str, made: Collection[str] = ()) -> Iterator[Check]:
    """The checks of an opened port, but for those that were ``made``, were not."""
    return (skipped(name, why) for name in (*_LOCKS, *_SIGNALS) if name not in made)


def unheard(why: str) -> Iterator[Check]:
    """The checks that use an opened port were not made."""
    return unopened(why, _LOCKS)


def open_failed(device: str, error: OSError) -> Check:
    """Why a device could not be opened."""
    said = error.strerror or str(error)
    match error.errno:
        case errno.EBUSY:
            mend = Mend("close the other program; `metersdk ports` shows whom this user may see, with sudo everybody")
            return failure("exclusive", f"another program keeps {device} for itself ({said})", mend)
        case errno.EACCES | errno.EPERM:
            return failure("open", f"{device}: {said}", Mend("see permission"))
        case errno.ENOENT | errno.ENODEV | errno.ENXIO | errno.EIO:
            return failure("open", f"{device} is gone ({said})", Mend("check the plug of the probe"))
        case errno.ENOTTY | errno.EINVAL:
            return failure("open", f"{device} is no serial port ({said})", Mend("list them", command="metersdk ports"))
    return failure("open", f"{device}: {said}")


def locks(line: Line) -> Iterator[Check]:
    """Both kinds of lock."""
    exclusive = line.is_exclusive()
    if exclusive:
        # Only root has got so far.
        mend = Mend("close the other program; root may open the port all the same, and both get a part")
        yield failure("exclusive", "another program keeps it for itself (TIOCEXCL)", mend)
    elif exclusive is None:
        yield ok("exclusive", "it could be opened, so nobody keeps it for himself")
    else:
        yield ok("exclusive", "nobody keeps it for himself (TIOCEXCL)")
    if line.lock():
        yield ok("lock", "free (flock)")
    else:
        yield failure("lock", "another program has locked it (flock)", Mend("close the other program"))


def signals(line: Line, trial: Trial) -> Iterator[Check]:
    """Everything that a port of one's own can be asked. OSError where the device goes meanwhile."""
    line.configure()
    yield latency(line)
    yield speeds(line)
    line.set_baud(LISTEN_BAUD)
    heard = listen(line, trial.idle)
    yield noise(heard)
    yield counters(heard)
    if not trial.send:
        yield from (skipped(name, "nothing was to be sent") for name in ("echo", "reflection"))
    elif heard.octets:
        yield from (skipped(name, "the line was not idle") for name in ("echo", "reflection"))
    else:
        back = send_and_hear(line)
        if trial.paper:
            yield skipped("echo", "the probe lies on paper")
            yield reflection(back)
        else:
            yield echo(back)
            yield skipped("reflection", "put the probe on white paper and use --paper: it tells a dead probe")


def latency(line: Line) -> Check:
    """ASYNC_LOW_LATENCY."""
    match line.low_latency():
        case None:
            return skipped("low-latency", "this driver has no such flag")
        case True:
            return ok("low-latency", "set")
    return ok("low-latency", "not set; metersdk sets it whenever it opens the port")


def speeds(line: Line) -> Check:
    """The speeds of IEC 62056-21, set and asked back."""
    wrong, untold = [], []
    for baud in SPEEDS:
        try:
            real = line.set_baud(baud)
        except (ValueError, OSError) as error:
            if isinstance(error, OSError) and error.errno in (errno.EIO, errno.ENODEV, errno.ENXIO):
                raise
            wrong.append(f"{baud} Bd is refused")
            continue
        if real is None:
            untold.append(baud)
        elif abs(real - baud) > baud * BAUD_TOLERANCE:
            wrong.append(f"{baud} Bd became {real} Bd")
    if wrong:
        mend = Mend("use a speed that is right, or a probe with another chip")
        # A session begins at 300 Bd.
        return (failure if wrong[0].startswith("300 ") else warning)("baud", ", ".join(wrong), mend)
    if untold:
        return skipped("baud", "the driver takes all speeds, and does not tell what it set")
    return ok("baud", f"{SPEEDS[0]} to {SPEEDS[-1]} Bd are set as asked")


def listen(line: Line, seconds: float) -> Heard:
    """What comes for so long while nothing is sent."""
    before = line.counters()
    started = line.now()
    heard = Heard(seconds)
    while (left := started + seconds - line.now()) > 0:
        piece = line.receive(left)
        if piece:
            heard.pieces.append((line.now() - started, piece))
    after = line.counters()
    if before is not None and after is not None:
        heard.counted = after.since(before)
    return heard


def noise(heard: Heard) -> Check:
    """What came unasked: nothing, a meter that sends by itself, light, or somebody else."""
    octets, counted = heard.octets, heard.counted
    length = f"{heard.seconds:g} s"
    if not heard.seconds:
        return skipped("idle", "there was no time to listen")
    if not octets:
        if counted is not None and counted.errors:
            return warning("idle", f"no octet, but {_told(counted)} in {length}: strong light on the receiver", _SHADE)
        return ok("idle", f"silent for {length} at {LISTEN_BAUD} Bd")
    came = f"{len(octets)} octets in {length} at {LISTEN_BAUD} Bd"
    if _SML in octets:
        return ok("idle", f"{came}: a meter sends SML by itself")
    if _TELEGRAM.search(bytes(octet & 0x7F for octet in octets)):
        return ok("idle", f"{came}: a meter sends telegrams by itself (mode D or P1)")
    if _HDLC.search(octets):
        mend = Mend("read it without a sign-on", command="metersdk identify --protocol dlms DEVICE")
        return warning("idle", f"{came}: HDLC frames, of a meter that pushes or of another reader", mend)
    if sum(octet in _ONE_EDGE for octet in octets) >= _MOSTLY * len(octets):
        mains = _mains(heard.pieces)
        lamp = f", in step with lamps on {mains} Hz" if mains else ""
        return warning("idle", f"{came}, like light and not like text ({octets[:8].hex(' ')}){lamp}", _SHADE)
    mend = Mend("look for another reader on this meter, or for a meter that sends at another speed; then shade it")
    return warning("idle", f"{came}, unasked ({octets[:8].hex(' ')})", mend)


def _mains(pieces: Sequence[tuple[float, bytes]]) -> int | None:
    """The frequency of the mains, if octets come in step with its lamps."""
    gaps = [later - earlier for (earlier, _), (later, _) in pairwise(pieces)]
    for hertz, period in _MAINS:
        near = sum(abs(gap - period) <= _MAINS_TOLERANCE for gap in gaps)
        if len(gaps) >= _MAINS_GAPS and near >= _MOSTLY * len(gaps):
            return hertz
    return None


def counters(heard: Heard) -> Check:
    """The driver's counters of errors, with INPCK set, over the time of listening."""
    if heard.counted is None:
        return skipped("counters", "this driver counts no line errors; parity is proved in software")
    if not heard.counted.errors:
        return ok("counters", f"no framing or parity error, break or overrun in {heard.seconds:g} s")
    return warning("counters", f"{_told(heard.counted)} in {heard.seconds:g} s", _SHADE)


def _told(counted: LineCounters) -> str:
    kinds = (
        (counted.framing, "framing error"),
        (counted.parity, "parity error"),
        (counted.breaks, "break"),
        (counted.overrun + counted.buffer_overrun, "overrun"),
    )
    return ", ".join(f"{number} {kind}{'s' if number > 1 else ''}" for number, kind in kinds if number)


def send_and_hear(line: Line) -> bytes:
    """What comes back of a few octets at 300 Bd."""
    line.set_baud(ECHO_BAUD)
    line.send(ECHO_PATTERN)
    deadline = line.now() + len(ECHO_PATTERN) * _CHARACTER_BITS / ECHO_BAUD + ECHO_DELAY
    back = b""
    while len(back) < len(ECHO_PATTERN) and (left := deadline - line.now()) > 0:
        back += line.receive(left)
    return back


def echo(back: bytes) -> Check:
    """Whether the probe sends back what it sends."""
    if not back:
        return ok("echo", "none")
    if back == ECHO_PATTERN:
        return ok("echo", "full: what is sent comes back, and is taken out of the answers")
    return warning(
        "echo",
        f"{len(back)} of {len(ECHO_PATTERN)} octets come back, {'damaged' if not _is_part(back) else 'undamaged'}: "
        "the light of the probe falls on its own receiver",
        Mend("clean the probe and the window of the meter, and press it on"),
    )


def _is_part(back: bytes) -> bool:
    """Whether it is what was sent with octets left out."""
    rest = iter(ECHO_PATTERN)
    return all(octet in rest for octet in back)


def reflection(back: bytes) -> Check:
    """White paper sends the light back to a probe that is alive."""
    if back == ECHO_PATTERN:
        return ok("reflection", "the paper sends back all that is sent: light and receiver of the probe work")
    if back:
        text = f"{len(back)} of {len(ECHO_PATTERN)} octets come back from the paper: light and receiver work, barely"
        return Check("reflection", Verdict.OK if len(back) * 2 >= len(ECHO_PATTERN) else Verdict.WARNING, text)
    mend = Mend(
        "turn it, and move it 1 cm off the paper; look at its light with the camera of a phone. Some probes hide "
        "their own light from their receiver: for those this says nothing"
    )
    return warning("reflection", "nothing comes back from the paper: light or receiver of the probe may be dead", mend)
