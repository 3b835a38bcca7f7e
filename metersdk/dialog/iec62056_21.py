"""The reader's side of IEC 62056-21, first half: sign on in modes A to E, sign off.

::

    sign_on ─┬─ A  300 Bd, data follow ──────────────┐
             ├─ B  the meter switches by itself ─────┼─ readout (iec62056_21_readout)
             ├─ C  ACK 0 Z Y, then both switch ──────┴─ programming (Y = 1)
             └─ E  ACK 2 Z 2, then both switch ──────── HDLC (iec62056_21_hand_over)

The UART runs 8N1 throughout; 7E1 is done in software unless the port does it. Every dialog ends within its total time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from metersdk.dialog.optical import OpticalLine, OpticalTiming, Parity
from metersdk.effects import Dialog, Emit, Now, Send, SetLine, Sleep, State
from metersdk.errors import Cancel, Finding, LocalProtocolError, NoAnswer
from metersdk.frame.buffer import ReceiveBuffer
from metersdk.frame.iec62056_21 import (
    ACK,
    IDENTIFICATION_LIMIT,
    INITIAL_BAUD,
    NAK,
    PREAMBLE_LIMIT,
    SIGN_OFF,
    SOH,
    STX,
    Identification,
    OptionSelect,
    Request,
    check_address,
    echo_of,
    find_identification,
    from_line,
    high_octets,
    line_format,
    looks_slower,
)
from metersdk.model.quirks import Quirks

Mode: TypeAlias = Literal["auto", "A", "B", "C", "E"]

# From so many octets on their parity tells whether they were read at the right speed.
_JUDGED_OCTETS = 8
# Y of the acknowledgement that asks for programming mode.
PROGRAMMING = "1"
# Requests in all where damaged identifications come back: somebody is there, and worth more than a dead line.
_REQUESTS_DAMAGED = 6
# Data messages that are let go by for the sake of a better identification.
_HEARD_OUT = 2
# Seconds for a data message that is let go by.
MESSAGE = 180.0
# Octets that are left of a damaged identification at least.
_FEW_OCTETS = 6
# Seconds of silence after which an ACK is all that came.
_ALONE = 0.3
# HDLC DISC from client 16 to server 1: ends a session that was left open, before a new one (IEC 62056-46).
DISCONNECT = bytes.fromhex("7ea00703215303c77e")


@dataclass(frozen=True, slots=True)
class SignOn:
    """How to sign on.

    Attributes:
        address: device address; none calls every meter.
        mode: ``auto`` takes E where HDLC is offered, then what the identification says.
        hdlc: False takes C where ``auto`` would take E.
        option: Y of the acknowledgement in mode C: 0 readout, 1 programming, 6 to 9 the manufacturer's.
        start, end: around the address in the request; ``/#`` and others for some families.
        wake_up: NULs and a pause before the request, for meters on battery.
        wake_up_octets: so many NULs; None: as many as the standard's time holds.
        retries: further requests after the first without an answer; up to five where a damaged answer comes.
        initial_baud: 300 but for meters that never switch.
        max_baud: where the meter offers more, stay at 300 (another speed than the offered one is not allowed).
        reserved_bauds: take 7, 8, 9 as 38400, 57600, 115200.
        bauds: what other characters of an identification mean to this family: ``((":", 9600),)``.
        parity: ``software``, or ``hardware`` where the port or a gateway does 7E1.
        checksum: ``add`` for meters whose BCC is a 7-bit sum (Energomera).
        quirks: the family these settings were made for.
        families: knows the family of an identification line, asked once the meter has sent it.
        total: seconds the whole sign-on may take.
    """

    address: str = ""
    mode: Mode = "auto"
    hdlc: bool = True
    option: str = "0"
    start: str = "/?"
    end: str = "!\r\n"
    wake_up: bool = False
    wake_up_octets: int | None = None
    retries: int = 2
    initial_baud: int = INITIAL_BAUD
    max_baud: int | None = None
    reserved_bauds: bool = False
    bauds: tuple[tuple[str, int], ...] = ()
    parity: Parity = "software"
    checksum: Literal["auto", "xor", "add"] = "auto"
    timing: OpticalTiming = field(default_factory=OpticalTiming)
    quirks: Quirks = field(default_factory=Quirks)
    families: Callable[[str], Quirks | None] | None = field(default=None, repr=False, compare=False)
    total: float = 60.0

    def __post_init__(self) -> None:
        check_address(self.address)
        if self.mode not in ("auto", "A", "B", "C", "E"):
            raise LocalProtocolError(
                f"{self.mode!r} is no mode to sign on in", hint="protocol='push' listens to mode D"
            )

    def opened_for(self, quirks: Quirks) -> SignOn:
        """These settings for a family known beforehand: how it is woken and called, and all that ``adopting`` takes."""
        opened = replace(
            self,
            start=quirks.request_start,
            end=quirks.request_end,
            wake_up=self.wake_up or quirks.wake_up,
            wake_up_octets=quirks.wake_up_octets,
            initial_baud=quirks.initial_baud,
            parity="hardware" if quirks.parity == "none" else self.parity,
        )
        return opened.adopting(quirks)

    def adopting(self, quirks: Quirks) -> SignOn:
        """These settings for the rest of a session with a meter of this family. A mode that was asked for stays."""
        timing = replace(self.timing, quiet_before=max(self.timing.quiet_before, quirks.quiet_before))
        if quirks.inactivity is not None:
            timing = replace(timing, inactivity_min=quirks.inactivity, inactivity_max=quirks.inactivity)
        return replace(
            self,
            mode=quirks.mode if self.mode == "auto" and quirks.mode != "D" else self.mode,
            max_baud=quirks.max_baud,
            reserved_bauds=quirks.reserved_bauds,
            bauds=quirks.baud_characters,
            checksum=quirks.block_check,
            timing=timing,
            quirks=quirks,
            families=None,
        )

    def mode_of(self, identification: Identification) -> str:
        """The mode to go on in."""
        if self.mode != "auto":
            mode: str = self.mode
        elif identification.baud_character in dict(self.bauds):
            mode = "E" if identification.offers_hdlc else "C"
        else:
            mode = identification.mode
        return "C" if mode == "E" and not self.hdlc else mode

    @property
    def takes_hdlc(self) -> bool:
        """Whether HDLC is taken where it is offered."""
        return self.hdlc and self.mode in ("auto", "E")

    def baud_of(self, identification: Identification) -> int | None:
        """The speed offered; None if its character means nothing."""
        told = dict(self.bauds).get(identification.baud_character)
        return told or identification.baud(reserved=self.reserved_bauds)


@dataclass(frozen=True, slots=True)
class SignedOn:
    """A meter that answered. ``identification`` is None where it sent its data at once.

    ``baud`` is what the line runs at now; ``fell_back``: the meter missed the acknowledgement and goes on at 300 Bd.
    """

    mode: str
    baud: int
    identification: Identification | None
    acknowledged: OptionSelect | None
    fell_back: bool
    settings: SignOn
    line: OpticalLine = field(repr=False, compare=False)

    @property
    def findings(self) -> tuple[Finding, ...]:
        return tuple(self.line.findings)


def sign_on(settings: SignOn, buffer: ReceiveBuffer | None = None, *, first: int = 0) -> Dialog[SignedOn]:
    """Request, identification, acknowledgement, change of speed; ready for ``readout`` or ``hand_over``.

    When the data do not come at the speed agreed, it signs on again: the same speed with the switch at another moment,
    then 300 Bd. A meter that missed the acknowledgement goes on at 300 Bd by itself; that is seen and followed.
    ``first=1`` begins with the later moment of the switch.

    Raises:
        NoAnswer: no identification after all retries, or no data after all speeds.
        MeterReportedError: the meter refused (SOH B0).
    """
    line = OpticalLine(buffer if buffer is not None else ReceiveBuffer(), settings.timing, settings.parity)
    started: float = yield Now()
    deadline = started + settings.total
    for rung in range(first, 3):
        identification = yield from _identify(line, settings, deadline)
        if identification is not None and settings.families is not None:
            settings = yield from _by_family(line, settings, settings.families(identification.raw.decode("latin-1")))
        try:
            signed = yield from _select(line, settings, identification, rung, deadline)
        except Cancel:
            yield from line.send(SIGN_OFF)
            raise
        if signed is not None and not (signed.fell_back and settings.option == PROGRAMMING):
            return signed
        if signed is not None:
            # What comes is the data message, for which nobody asked: the meter is heard out, and called again.
            yield from line.flush(line.timing.octet_gap, deadline)
            continue
        line.note("no-data-at-speed", f"no readable data at {line.baud} Bd after the acknowledgement")
    hint = "try ?format=7E1, or another moment to switch (timing.switch_margin)"
    if settings.option == PROGRAMMING:
        hint += (
            "; a meter that is silent until it is told its password: Quirks(password_operand=False), or a file for "
            "--vendor that says so"
        )
    raise NoAnswer(
        "the meter identified itself, but sent no readable data at any speed",
        layer="line",
        state="acknowledged",
        retryable=True,
        hint=hint,
    )


def _by_family(line: OpticalLine, settings: SignOn, family: Quirks | None) -> Dialog[SignOn]:
    """The settings once the meter has said who it is; how it was called and woken cannot change any more."""
    if family is None:
        return replace(settings, families=None)
    if family.family:
        yield Emit(State("family", family.family))
    own = (family.request_start, family.request_end, family.wake_up_octets)
    standard = Quirks()
    if own not in (
        (standard.request_start, standard.request_end, None),
        (settings.start, settings.end, settings.wake_up_octets),
    ):
        hint = f"connect(vendor={family.family!r}) asks in its way"
        line.note("family-request", f"{family.family} gives more when it is asked in its own way", hint)
    adopted = settings.adopting(family)
    line.timing = adopted.timing
    return adopted


def _identify(line: OpticalLine, settings: SignOn, deadline: float) -> Dialog[Identification | None]:
    """Ask until the meter identifies itself; None if it sends its data at once."""
    timing = settings.timing
    request = Request(settings.address, settings.start, settings.end).encode()
    requests = settings.retries + 1
    attempt = heard_out = 0
    while attempt < requests:
        yield from line.set_speed(settings.initial_baud)
        if settings.wake_up:
            yield from _wake_up(line, settings.wake_up_octets)
        yield from _quiet(line, timing.quiet_before, deadline)
        yield Emit(State("sign-on", f"request {attempt + 1} of {requests}"))
        attempt += 1
        sent = line.left((yield from line.send(request)))
        first_by = min(deadline, sent + timing.reply_max + timing.latency)
        whole_by = min(deadline, first_by + (IDENTIFICATION_LIMIT + len(request)) * line.character())
        seen, found = yield from _answer(line, request, first_by, whole_by)
        if found is None and not _has_data(seen):
            if seen:
                line.note("unreadable-answer", f"{len(seen)} octets that hold no identification")
                if _is_damaged(line, echo_of(request, seen)[1]):
                    requests = max(requests, _REQUESTS_DAMAGED)
        elif heard_out < _HEARD_OUT and settings.takes_hdlc and _lost_offer(line, request, seen, found):
            deadline = yield from _hear_out(line, deadline)
            heard_out += 1
            requests = max(requests, _REQUESTS_DAMAGED)
        elif found is None:
            line.note("no-identification", "the meter sent data without identifying itself")
            return None
        else:
            identification, start, end = found
            note_preamble(line, request, seen[:start])
            line.skip(start)
            line.take(end - start)
            line.findings += identification.findings
            yield Emit(State("identified", identification.raw.decode("latin-1")))
            return identification
        now: float = yield Now()
        if now >= deadline:
            break
    raise _no_identification(line, request)


def _answer(
    line: OpticalLine, request: bytes, first_by: float, whole_by: float
) -> Dialog[tuple[bytes, tuple[Identification, int, int] | None]]:
    """What has come, and the identification in it with its bounds. Returns once there is one, or data, or the time is
    up: ``first_by`` where no identification has begun, ``whole_by`` where one has."""
    while True:
        seen = line.peek()
        found = _identification_in(seen, request)
        if found is not None or _has_data(seen):
            return seen, found
        if len(line.buffer) > PREAMBLE_LIMIT:
            line.take(len(line.buffer) - PREAMBLE_LIMIT)
        # What looks like an echo may reach into the answer; the echo has one "/" only, and that comes first.
        begun = b"/" in seen[echo_of(request, seen)[1] :] or seen.rfind(b"/") > 0
        if not (yield from line.wait_until(whole_by if begun else first_by)):
            return seen, None


def _has_data(seen: bytes) -> bool:
    """A data message has begun."""
    return STX in seen and b"(" in seen[seen.find(STX) :]


def _identification_in(seen: bytes, request: bytes) -> tuple[Identification, int, int] | None:
    """As ``find_identification``; an echo of a request for ``12345678`` that has lost ``?`` and ``!`` is none.

    Nor is an echo of a maker's own request, ``/A523.12345678``; its meter answers ``/g523.12345678``.
    """
    found = find_identification(seen)
    if found is None or found[0].manufacturer.isalpha():
        return found
    _, start, end = found
    left = iter(request)
    is_echo = all(octet in left for octet in seen[start:end])
    return find_identification(seen, end) if is_echo else found


def _is_damaged(line: OpticalLine, echoed: int) -> bool:
    """Whether what lies in the buffer after an echo is an identification line with octets damaged or lost."""
    octets = bytes(line.buffer.view())[echoed:].strip(b"\0")
    text, odd = from_line(octets)
    if len(text) < _FEW_OCTETS or (b"/" not in text and b"\n" not in text and b"\r" not in text):
        return False
    return line.parity == "hardware" or line_format(len(octets), len(odd), high_octets(octets)) == "7E1"


def _lost_offer(line: OpticalLine, request: bytes, seen: bytes, found: tuple[Identification, int, int] | None) -> bool:
    """Whether damage may have taken ``\\2``, the offer of HDLC, from an identification, or all of it but that."""
    if found is None:
        return rb"\2" in seen[echo_of(request, seen)[1] : seen.find(STX)]
    identification, start, _ = found
    if identification.offers_hdlc or line.parity == "hardware":
        return False
    offer = slice(start + 5, start + 7)
    octets = bytes(line.buffer.view())
    whole = line_format(len(octets), len(from_line(octets)[1]), high_octets(octets)) == "7E1"
    text, odd = from_line(octets[offer])
    return whole and bool(odd) and (text[:1] == b"\\" or text[1:] == b"2")


def _hear_out(line: OpticalLine, deadline: float) -> Dialog[float]:
    """Let the data message go by that a meter sends after tt when its identification was not acknowledged; the deadline
    afterwards."""
    line.note("identification-damaged", "the identification was damaged; asking once more")
    begun: float = yield Now()
    yield from line.flush(line.timing.reply_max + line.timing.latency + _ALONE, begun + MESSAGE)
    now: float = yield Now()
    return deadline + now - begun


def _no_identification(line: OpticalLine, request: bytes) -> NoAnswer:
    seen = line.peek()
    kind, length = echo_of(request, seen)
    if kind != "none" and len(seen) <= length:
        hint = (
            "only our own echo came back: the meter is silent; check its address, whether it sleeps (?wake_up=1),"
            " its port"
        )
    elif seen:
        hint = "octets came, but no identification: speed, parity, or light on the probe"
    else:
        hint = ""
    return NoAnswer(
        "the meter does not identify itself", layer="line", data=seen, state="sign-on", retryable=True, hint=hint
    )


def note_preamble(line: OpticalLine, sent: bytes, seen: bytes) -> None:
    """Tell the echo from noise in what came before the answer."""
    kind, length = echo_of(sent, seen.lstrip(b"\0"))
    if kind != "none":
        line.echo = kind
        line.note(f"echo-{kind}", "the probe returns what it sends")
    rest = seen.lstrip(b"\0")[length:].strip(b"\0\r\n")
    if rest:
        line.note("noise", f"{len(rest)} octets of noise before the answer")


def _wake_up(line: OpticalLine, octets: int | None) -> Dialog[None]:
    """Annex B.1: NULs without gaps for 2.1 to 2.3 s, or so many ``octets``, then 1.5 to 1.7 s of silence."""
    count = round(line.timing.wake_up / line.character()) if octets is None else octets
    sent = line.left((yield from line.send(bytes(count))))
    now: float = yield Now()
    yield Sleep(sent + line.timing.wake_up_pause - now)


def _quiet(line: OpticalLine, silence: float, deadline: float) -> Dialog[None]:
    """What lies there before a request belongs to no answer; some meters want silence before it, too."""
    if silence:
        yield from line.flush(silence, deadline)
    else:
        yield from line.wait(0.0)
        line.take()


def _select(
    line: OpticalLine, settings: SignOn, identification: Identification | None, rung: int, deadline: float
) -> Dialog[SignedOn | None]:
    """Acknowledge and change the speed as the mode wants it; None if no data came at that speed."""

    def signed(mode: str, select: OptionSelect | None = None, *, fell_back: bool = False) -> SignedOn:
        return SignedOn(mode, line.baud, identification, select, fell_back, settings, line)

    if identification is None:
        return signed("A")
    mode = settings.mode_of(identification)
    if mode == "A":
        return signed("A")
    if mode == "B":
        baud = settings.baud_of(identification)
        if baud is None:
            line.note("baud-reserved", f"speed {identification.baud_character!r} is reserved: staying at 300 Bd")
        # The meter switches within tr after its last character, without being told.
        yield from line.set_speed(baud or line.baud)
        followed = yield from _follow(line, b"", deadline)
        return signed("B", fell_back=followed == "slow") if followed else None
    if mode == "E" and not identification.offers_hdlc:
        line.note("hdlc-not-offered", "mode E was asked for, and the meter does not offer it")
    character, baud = _speed(line, settings, identification, rung)
    fast = identification.is_fast
    # tr binds the reader, too.
    yield Sleep(settings.timing.reaction(fast))
    yield from line.wait(0.0)
    if STX in line.peek():
        line.note("acknowledgement-late", f"the meter goes on at {line.baud} Bd before it was acknowledged")
        return signed("C", fell_back=True)
    select = OptionSelect("2", character, "2") if mode == "E" else OptionSelect("0", character, settings.option)
    written = yield from line.send(select.encode())
    if baud != line.baud:
        margin = settings.timing.margins(fast)[min(rung, 1)]
        if not (yield from _switch(line, baud, written, margin, select.encode())):
            return signed("C", select, fell_back=True)
    yield Emit(State("speed", f"mode {mode} at {line.baud} Bd"))
    if mode == "E":
        return signed("E", select)
    programming = settings.option == PROGRAMMING
    if programming and not settings.quirks.password_operand:
        return signed("C", select)
    followed = yield from _follow(line, select.encode(), deadline, receipt=programming)
    return signed("C", select, fell_back=followed == "slow") if followed else None


def _speed(line: OpticalLine, settings: SignOn, identification: Identification, rung: int) -> tuple[str, int]:
    """Z of the acknowledgement, and its speed: the offered one or 0, never another (6.3.14)."""
    told = identification.mode in "CE" or identification.baud_character in dict(settings.bauds)
    baud = settings.baud_of(identification) if told else None
    if baud is None:
        text = f"speed {identification.baud_character!r} is not one of mode C: staying at 300 Bd"
        line.note("baud-reserved", text, "reserved_bauds takes 7, 8, 9 as 38400, 57600, 115200")
    elif rung < 2 and (settings.max_baud is None or baud <= settings.max_baud):
        return identification.baud_character, baud
    return "0", settings.initial_baud


def _switch(line: OpticalLine, baud: int, written: float, margin: float, sent: bytes) -> Dialog[bool]:
    """Change the speed ``margin`` after the last stop bit of what was ``written``, at once if that has passed.

    What comes until then is kept (an echo).
    False if the meter was sending its data already: the acknowledgement came too late for it.
    """
    left = line.left(written)
    now: float = yield Now()
    # Without a line in between (TCP), or with a driver that does not drain, time does not tell who spoke first.
    timed = now > (written + left) / 2
    moment = left + margin
    while (yield from line.wait_until(moment)):
        pass
    seen = line.peek()
    if timed and STX in seen[echo_of(sent, seen)[1] :]:
        line.note("acknowledgement-late", f"the meter goes on at {line.baud} Bd before it was acknowledged")
        return False
    if timed and sent[1:2] != b"2" and len(seen) > echo_of(sent, seen)[1]:
        # Only in mode E the meter may say something at this speed still: what is read of the other one is no answer.
        line.note("before-switch", f"{len(seen)} octets before the change of speed: it may come too late")
        line.take()
    yield from line.set_speed(baud)
    return True


def _follow(line: OpticalLine, sent: bytes, deadline: float, *, receipt: bool = False) -> Dialog[str]:
    """Wait for the first readable characters: ``"data"``, ``"slow"`` once 300 Bd were seen and taken, ``""`` if none.

    ``receipt``: a lone ACK will do, too, for a meter in programming mode that has no operand to send.

    A meter that missed the acknowledgement goes on at 300 Bd after tt (6.4.2): read at a higher speed that is nothing
    but 00 and the like, which is certain after three or four octets.
    """
    timing = line.timing
    now: float = yield Now()
    # One character at 300 Bd more: tt ends with its first start bit.
    limit = min(deadline, now + timing.reply_max + timing.latency + 0.3)
    while True:
        seen = line.peek()
        _, length = echo_of(sent, seen)
        answer = seen[length:]
        start = _data_start(answer)
        if start >= 0:
            now = yield Now()
            more_by = min(deadline, now + timing.octet_gap + timing.latency)
            if len(answer) - start < _JUDGED_OCTETS and (yield from line.wait_until(more_by)):
                continue
            if _is_readable(line, length + start):
                note_preamble(line, sent, seen[: length + start])
                return "data"
        if receipt and answer == bytes((ACK,)):
            if (yield from line.wait(_ALONE)):
                continue
            return "data"
        if answer.startswith(bytes((NAK,))):
            line.note("nak", "the meter answered the acknowledgement with NAK")
            line.take()
            return ""
        octets, ratio = bytes(line.buffer.view())[length:], line.baud / INITIAL_BAUD
        # The first octet may have been hit by the change of speed.
        if looks_slower(octets, ratio) or looks_slower(octets[1:], ratio):
            text = f"the meter missed the acknowledgement, and goes on at {INITIAL_BAUD} Bd"
            line.note("acknowledgement-lost", text, "a later switch may help: timing.switch_margin")
            line.buffer.clear()
            yield from line.set_speed(INITIAL_BAUD)
            yield Emit(State("speed", text))
            return "slow"
        if len(line.buffer) > PREAMBLE_LIMIT or not (yield from line.wait_until(limit)):
            line.take()
            return ""


def _data_start(text: bytes) -> int:
    """Where a message begins: at STX or SOH, or with text that holds a data set, its STX lost; -1 if nowhere."""
    starts = [at for at in (text.find(STX), text.find(SOH)) if at >= 0]
    if starts:
        return min(starts)
    opening = text.find(b"(")
    return 0 if opening >= 0 and text.find(b"\n", opening) >= 0 else -1


def _is_readable(line: OpticalLine, start: int) -> bool:
    """False for octets that no line format explains: what a wrong speed makes of text holds STX and brackets, too."""
    octets = bytes(line.buffer.view())[start:]
    if line.parity == "hardware" or len(octets) < _JUDGED_OCTETS:
        return True
    return line_format(len(octets), len(from_line(octets)[1]), high_octets(octets)) != ""


def sign_off(signed: SignedOn) -> Dialog[None]:
    """``SOH B0 ETX BCC``: end the session at the present speed."""
    yield from signed.line.send_last(SIGN_OFF)


def recover(
    settings: SignOn, *, last_baud: int = INITIAL_BAUD, disconnect: bytes = DISCONNECT, wait_out: bool = False
) -> Dialog[None]:
    """Get a meter out of a session that was left open: its reader crashed, or the cable was pulled.

    Listens for 1 s, then sends B0 and an HDLC DISC at the last speed and B0 at 300 Bd; none of them is answered by a
    meter that is idle. ``wait_out``: wait for the meter's own inactivity time, 120 s, as the last resort.
    """
    line = OpticalLine(ReceiveBuffer(), settings.timing, settings.parity)
    now: float = yield Now()
    yield from line.set_speed(last_baud)
    yield from line.flush(1.0, now + settings.total)
    yield from line.send(SIGN_OFF)
    if last_baud != INITIAL_BAUD:
        yield Sleep(settings.timing.reaction_min)
        yield Send(disconnect)
        yield Sleep(settings.timing.reaction_min)
        yield from line.set_speed(INITIAL_BAUD)
        yield from line.send(SIGN_OFF)
    yield Sleep(settings.timing.inactivity_max if wait_out else settings.timing.reaction_max)
    yield SetLine(settings.initial_baud)
