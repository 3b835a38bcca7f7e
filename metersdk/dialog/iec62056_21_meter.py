"""The meter's side of IEC 62056-21: identify, acknowledge, change speed, send the data, repeat them, hand over to HDLC.

``serve`` is a whole optical meter of modes A to E, as settings and a function that gives the data lines. It keeps the
times of the standard, and makes the faults a reader has to live with on request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from metersdk.dialog.optical import OpticalLine, OpticalTiming, Parity
from metersdk.dialog.programming_meter import (
    CommandFaults,
    FaultsLeft,
    ProgrammingMeter,
    answer_sessionless,
    find_sessionless,
    serve_programming,
)
from metersdk.effects import Dialog, Emit, Now, Sleep, State
from metersdk.errors import LocalProtocolError
from metersdk.frame.buffer import ReceiveBuffer
from metersdk.frame.iec62056_21 import (
    ACK,
    INITIAL_BAUD,
    NAK,
    PREAMBLE_LIMIT,
    SIGN_OFF,
    Identification,
    OptionSelect,
    Request,
    block,
    find_option_select,
    find_request,
    parse_identification,
)

# An idle meter waits for ever; its dialog wakes up now and then, so that no timer runs for ever.
_IDLE = 3600.0
# Annex B: what a sleeping meter takes for a wake-up call.
WAKE_UP_MIN = 2.1
WAKE_UP_GAP = 0.005
WAKE_UP_PAUSE = 1.5
# Two readings of the same clock differ by rounding.
_EPSILON = 1e-6
# A reader that answers every block with NAK gets it so often.
_REPEATS = 10


@dataclass(frozen=True, slots=True)
class MeterFaults:
    """Faults to make, each so many times.

    Attributes:
        bad_bcc: blocks sent with a wrong BCC, after ``good_blocks`` right ones.
        deaf_acknowledgements: option selects not heard: after tt the meter goes on at 300 Bd.
    """

    bad_bcc: int = 0
    good_blocks: int = 0
    deaf_acknowledgements: int = 0


@dataclass(frozen=True, slots=True)
class OpticalMeter:
    """An optical meter. Times in seconds.

    Attributes:
        identification: ``/XXXZ...`` without CR LF; the mode follows from it, and its third letter says how fast it is.
        readout: gives the data lines, each with CR LF, without ``!``.
        address: device address; requests for another one are not answered. Leading zeros do not count.
        pusher: mode D: nothing is asked, the telegram goes out each ``push_period`` at ``push_baud``.
        reaction: tr; None for the shortest the identification allows.
        reply_time: tt, 1.5 to 2.2.
        inactivity: 60 to 120: an unfinished session ends after it.
        asleep: deaf until woken up with NULs (battery).
        wake_up: seconds of NULs that wake it.
        lists: other data lines by the start of the request that asks for them: ``/#`` ``/2``.
        bauds: speed characters of this maker alone; the meter is then one of mode C.
        echo_acknowledgement: mode E: ``ACK 2 Z 2`` is repeated before or after the change of speed, or not.
        block_size: the data go out in partial blocks (EOT) of so many octets.
        reserved_bauds: 7, 8, 9 are 38400, 57600, 115200.
        programming: programming mode; without it the meter signs off (B0) when it is asked for.
    """

    identification: bytes
    readout: Callable[[], bytes]
    address: str = ""
    pusher: bool = False
    push_period: float = 10.0
    push_baud: int = 2400
    initial_baud: int = INITIAL_BAUD
    reaction: float | None = None
    reply_time: float = 2.0
    inactivity: float = 90.0
    asleep: bool = False
    wake_up: float = WAKE_UP_MIN
    lists: Mapping[str, Callable[[], bytes]] = field(default_factory=dict)
    bauds: tuple[tuple[str, int], ...] = ()
    echo_acknowledgement: Literal["none", "before", "after"] = "none"
    block_size: int | None = None
    reserved_bauds: bool = False
    parity: Parity = "software"
    programming: ProgrammingMeter | None = None
    faults: MeterFaults = field(default_factory=MeterFaults)


@dataclass(frozen=True, slots=True)
class HandOver:
    """Mode E was acknowledged: HDLC follows on this line at ``baud``."""

    baud: int


@dataclass(frozen=True, slots=True)
class WokenUp:
    """Emitted when a sleeping meter has heard its call: how many NULs for how long, the longest gap, the pause."""

    nuls: int
    seconds: float
    gap: float
    pause: float


@dataclass(slots=True)
class _FaultsLeft:
    bad_bcc: int
    good_blocks: int
    deaf: int
    commands: FaultsLeft


def serve(
    meter: OpticalMeter, buffer: ReceiveBuffer | None = None, *, sessions: int | None = None
) -> Dialog[HandOver | None]:
    """Be the meter, session after session; ``HandOver`` once mode E is acknowledged, None after ``sessions``.

    What has come of the next protocol lies in ``buffer``.

    Raises:
        LocalProtocolError: ``identification`` is none.
    """
    identification = parse_identification(meter.identification)
    if identification is None or identification.raw != meter.identification:
        raise LocalProtocolError(f"{meter.identification!r} is no identification", hint="/XXXZ and 16 characters")
    timing = OpticalTiming(reply_max=meter.reply_time)
    line = OpticalLine(buffer if buffer is not None else ReceiveBuffer(), timing, meter.parity)
    made, commands = meter.faults, meter.programming.faults if meter.programming else CommandFaults()
    faults = _FaultsLeft(made.bad_bcc, made.good_blocks, made.deaf_acknowledgements, FaultsLeft(commands))
    served = 0
    while sessions is None or served < sessions:
        served += 1
        if meter.pusher:
            yield from _push(line, meter, identification)
            continue
        hand_over = yield from _session(line, meter, identification, faults)
        if hand_over is not None:
            return hand_over
    return None


def _push(line: OpticalLine, meter: OpticalMeter, identification: Identification) -> Dialog[None]:
    yield from line.set_speed(meter.push_baud)
    yield Sleep(meter.push_period)
    yield from line.send(identification.encode() + b"\r\n" + meter.readout() + b"!\r\n")


def _session(
    line: OpticalLine, meter: OpticalMeter, identification: Identification, faults: _FaultsLeft
) -> Dialog[HandOver | None]:
    reaction = meter.reaction
    if reaction is None:
        reaction = line.timing.reaction(identification.is_fast)
    yield from line.set_speed(meter.initial_baud)
    request = yield from _request(line, meter, faults, reaction)
    yield Sleep(reaction)
    line.buffer.clear()
    yield from line.send(identification.encode())
    own = dict(meter.bauds).get(identification.baud_character)
    baud = own or identification.baud(reserved=meter.reserved_bauds) or line.baud
    heard = True
    if identification.mode == "B":
        yield from line.set_speed(baud)
    elif identification.mode in "CE" or own:
        select = yield from _option_select(line, meter, faults)
        heard = select is not None
        if select is not None:
            yield Emit(State("acknowledged", f"{select.protocol}{select.baud_character}{select.option}"))
            # 6.3.14: the speed changes only if both Z are the same; else, and for what this meter does not know, the
            # dialogue goes on at 300 Bd.
            agreed = select.baud_character == identification.baud_character
            match select.protocol, select.option:
                case "2", "2" if agreed and identification.offers_hdlc:
                    yield from _to_hdlc(line, meter, select, baud, reaction)
                    return HandOver(baud)
                case "0", "0" if agreed:
                    yield from line.set_speed(baud)
                case "0", "1" if agreed or select.baud_character == "0":
                    yield from line.set_speed(baud if agreed else line.baud)
                    if meter.programming is None:
                        yield Sleep(reaction)
                        yield from line.send(SIGN_OFF)
                    else:
                        side = meter.programming
                        yield from serve_programming(line, side, faults.commands, reaction, meter.inactivity)
                    return None
    if heard:
        yield Sleep(reaction)
    yield from _data(line, meter, faults, reaction, request)
    return None


def _request(line: OpticalLine, meter: OpticalMeter, faults: _FaultsLeft, reaction: float) -> Dialog[Request]:
    """Wait for a request to this meter, without end; a sleeping meter is woken up first."""
    awake = not meter.asleep
    side = meter.programming
    while True:
        if not awake:
            yield from _woken(line, meter.wake_up)
            awake = True
        alone = find_sessionless(line.peek()) if side is not None and side.sessionless else None
        if side is not None and alone is not None:
            address, frame, end = alone
            line.take(end)
            if Request(address).is_for(meter.address):
                yield from answer_sessionless(line, side, faults.commands, frame, reaction)
            continue
        found = find_request(line.peek())
        if found is not None:
            request, end = found
            line.take(end)
            if request.is_for(meter.address):
                yield Emit(State("requested", request.address))
                return request
            continue
        if len(line.buffer) > PREAMBLE_LIMIT:
            line.take(len(line.buffer) - PREAMBLE_LIMIT)
        heard = yield from line.wait(line.timing.inactivity_min if meter.asleep else _IDLE)
        awake = heard or not meter.asleep


def _woken(line: OpticalLine, needed: float) -> Dialog[None]:
    """Sleep until NULs have come for 2.1 s without a gap, and 1.5 s of silence after them (annex B.1)."""
    begun = last = gap = 0.0
    nuls = 0
    line.buffer.clear()
    while True:
        heard = yield from line.wait(_IDLE)
        if not heard:
            continue
        now: float = yield Now()
        octets = line.buffer.take(len(line.buffer))
        # Where octets are handed on together, the first of them began so much earlier.
        start = now - len(octets) * line.character()
        pause = start - last
        if nuls and last - begun >= needed - _EPSILON and pause >= WAKE_UP_PAUSE - _EPSILON:
            line.buffer.feed(octets)
            yield Emit(WokenUp(nuls, last - begun, gap, pause))
            return
        if octets.strip(b"\0"):
            nuls = 0
        elif not nuls or pause > WAKE_UP_GAP + _EPSILON:
            begun, nuls, gap = start, len(octets), 0.0
        else:
            nuls += len(octets)
            gap = max(gap, pause)
        last = now


def _option_select(line: OpticalLine, meter: OpticalMeter, faults: _FaultsLeft) -> Dialog[OptionSelect | None]:
    """The acknowledgement, or None after tt: the meter goes on without one."""
    now: float = yield Now()
    deadline = now + meter.reply_time
    while True:
        found = find_option_select(line.peek())
        if found is not None:
            line.take(found[1])
            if not faults.deaf:
                return found[0]
            faults.deaf -= 1
        if len(line.buffer) > PREAMBLE_LIMIT:
            line.take()
        if not (yield from line.wait_until(deadline)):
            line.take()
            return None


def _to_hdlc(line: OpticalLine, meter: OpticalMeter, select: OptionSelect, baud: int, reaction: float) -> Dialog[None]:
    if meter.echo_acknowledgement == "before":
        yield Sleep(reaction)
        yield from line.send(select.encode())
    yield from line.set_speed(baud)
    if meter.echo_acknowledgement == "after":
        yield Sleep(reaction)
        yield from line.send(select.encode())


def _data(
    line: OpticalLine, meter: OpticalMeter, faults: _FaultsLeft, reaction: float, request: Request
) -> Dialog[None]:
    """The data message in one block or several, each again for every NAK."""
    text = meter.lists.get(request.start, meter.readout)() + b"!\r\n"
    size = meter.block_size or len(text)
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    for number, piece in enumerate(pieces):
        partial = number < len(pieces) - 1
        message = block(piece, partial=partial)
        for _ in range(_REPEATS):
            sent = message
            if faults.good_blocks:
                faults.good_blocks -= 1
            elif faults.bad_bcc:
                faults.bad_bcc -= 1
                sent = message[:-1] + bytes((message[-1] ^ 0x15,))
            yield from line.send(sent)
            yield from _forget(line)
            answer = yield from _reply(line, meter.inactivity if partial else meter.reply_time)
            if answer == "nak":
                yield Sleep(reaction)
                continue
            break
        else:
            return
        if partial and answer != "ack":
            yield Emit(State("ended", answer or "inactivity"))
            return
        if partial:
            yield Sleep(reaction)


def _forget(line: OpticalLine) -> Dialog[None]:
    """Half duplex: what came while the meter was sending was not heard."""
    yield from line.wait(0.0)
    line.take()


def _reply(line: OpticalLine, timeout: float) -> Dialog[str]:
    """``"ack" "nak" "off" "request"``, or ``""`` when nothing of it came in time. A request stays in the buffer."""
    now: float = yield Now()
    deadline = now + timeout
    while True:
        seen = line.peek()
        if SIGN_OFF in seen:
            line.take()
            return "off"
        if find_request(seen) is not None:
            return "request"
        for octet, name in ((NAK, "nak"), (ACK, "ack")):
            if octet in seen:
                line.take()
                return name
        if len(line.buffer) > PREAMBLE_LIMIT:
            line.take()
        if not (yield from line.wait_until(deadline)):
            line.take()
            return ""
