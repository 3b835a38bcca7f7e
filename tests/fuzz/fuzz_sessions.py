"""Whole sessions under fuzz: our client against a hostile meter, our meter against a hostile client.

The input is a row of choices, one octet for each thing that is sent: 0 leaves it alone, the others say what becomes of
it. Both sides speak properly by themselves, so the damage reaches every state; the clock is virtual.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import partial

from fuzz_mutation import Target, vectors
from fuzz_parsers import mend_hdlc

from metersdk.dialog.hearing import Hearing
from metersdk.dialog.opening import open_session
from metersdk.dialog.timing import GOODBYE, Timing
from metersdk.effects import Dialog, Effect, Send, Sleep
from metersdk.errors import LocalProtocolError, MeterError
from metersdk.meter import Meter
from metersdk.port.drive import Port, run
from metersdk.port.line import LineModel
from metersdk.port.virtual import VirtualPort
from metersdk.simulator.station import Speech
from session_rig import Rig

# Limits of each call, virtual seconds.
TIMING = Timing(response=4.0, total=60.0)
# Longer than any inactivity time-out: then the meter must be as new.
FORGOTTEN = 200.0
# Octets already on the way at 300 Bd may hold a call up: a send is not cut short.
STRAY = 10.0


class Choices:
    """One octet after the other; zeros when they are used up."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def next(self) -> int:
        self._at += 1
        return self._data[self._at - 1] if self._at <= len(self._data) else 0

    @property
    def used_up(self) -> bool:
        return self._at >= len(self._data)


Spoil = Callable[[bytes, Choices], bytes]


def hostile(dialog: Dialog[object], choices: Choices, spoil: Spoil) -> Dialog[object]:
    """``dialog``, whose octets are dropped, doubled, held back, delayed, cut or spoiled as the choices say."""
    held = b""
    answer: object = None
    error: BaseException | None = None
    while True:
        try:
            effect: Effect = dialog.throw(error) if error is not None else dialog.send(answer)
        except StopIteration as end:
            return end.value
        answer, error = None, None
        try:
            if isinstance(effect, Send):
                held = yield from _send(effect.data, held, choices, spoil)
            else:
                answer = yield effect
        except GeneratorExit:
            dialog.close()
            raise
        except BaseException as thrown:
            error = thrown


def _send(data: bytes, held: bytes, choices: Choices, spoil: Spoil) -> Generator[Effect, object, bytes]:
    """What leaves instead of ``data`` -> what is held back for later."""
    choice = choices.next()
    match choice % 11 if choice else -1:
        case 0:
            return held
        case 1:
            data += data
        case 2:
            return held + data
        case 3:
            yield Sleep(choices.next() / 50)
        case 4:
            data = data[: choices.next() % (len(data) + 1)]
        case 5:
            data = bytes((choices.next(),)) * (choices.next() + 1) + data
        case 6 if data:
            at = choices.next() * len(data) // 256
            data = data[:at] + bytes((data[at] ^ (choices.next() or 1),)) + data[at + 1 :]
        case 7 | 8 | 9 | 10:
            data = spoil(data, choices)
    yield Send(data + held)
    return b""


def _changed(apdu: bytes, choices: Choices) -> bytes:
    """Another APDU in the place of this one: changed in one octet, cut, lengthened, or a foreign one."""
    at = choices.next() * len(apdu) // 256
    match choices.next() % 5:
        case 0 if apdu:
            return apdu[:at] + bytes((choices.next(),)) + apdu[at + 1 :]
        case 1:
            return apdu[:at]
        case 2:
            return apdu[:at] + bytes((choices.next(),)) * choices.next() + apdu[at:]
        case 3:
            return b""
        case _:
            foreign = vectors("xDLMS", "ACSE", "GBT", "SN")
            return foreign[(choices.next() << 8 | choices.next()) % len(foreign)]


def in_wrapper(data: bytes, choices: Choices) -> bytes:
    apdu = _changed(data[8:], choices)
    return data[:6] + len(apdu).to_bytes(2, "big") + apdu


def in_hdlc(data: bytes, choices: Choices) -> bytes:
    """The first of the frames changed, its check sequences right again."""
    first, rest = _first_frame(data)
    if choices.next() & 1 and len(first) > 12:
        return mend_hdlc(first[:11] + _changed(first[11:-3], choices) + first[-3:]) + rest
    at = 1 + choices.next() % 8
    return mend_hdlc(first[:at] + bytes((choices.next(),)) + first[at + 1 :]) + rest


def _first_frame(data: bytes) -> tuple[bytes, bytes]:
    size = (int.from_bytes(data[1:3], "big") & 0x7FF) + 2
    return data[:size], data[size:]


def in_text(data: bytes, choices: Choices) -> bytes:
    """A message of 62056-21 changed within; HDLC where the line has gone over to it."""
    return in_hdlc(data, choices) if data[:1] == b"\x7e" else _changed(data, choices)


def rig(speech: Speech, client: int) -> Rig:
    """As ``client``; 0 reads the data message of IEC 62056-21 instead."""
    return Rig(
        speech=speech,
        client=client or 16,
        protocol=None if client else "iec62056-21",
        model=LineModel(baud=300) if speech == "optical" else LineModel(),
        timing=TIMING,
    )


class HostilePort:
    """``port``, on whose way out the choices are made."""

    def __init__(self, port: VirtualPort, choices: Choices, spoil: Spoil) -> None:
        self.port = port
        self.name = port.name
        self.receive, self.now, self.set_line, self.sleep = port.receive, port.now, port.set_line, port.sleep
        self._choices = choices
        self._spoil = spoil
        self._held = b""

    def send(self, data: bytes) -> None:
        for effect in (steps := _Steps(_send(data, self._held, self._choices, self._spoil))):
            if isinstance(effect, Send):
                self.port.send(effect.data)
            elif isinstance(effect, Sleep):
                self.port.sleep(effect.seconds)
        self._held = steps.result

    def close(self) -> None:
        """The port goes on: another client may come."""


class _Steps:
    """A generator's effects, and what it returned."""

    def __init__(self, generator: Generator[Effect, object, bytes]) -> None:
        self._generator = generator
        self.result = b""

    def __iter__(self) -> Generator[Effect, None, None]:
        self.result = yield from self._generator


def visit(port: Port, it: Rig) -> bool:
    """Open, read a bit of everything, leave; whether it went without an error. Every call keeps its time."""
    hearing = Hearing()
    start = port.now()

    def in_time(limit: float) -> None:
        nonlocal start
        taken, start = port.now() - start, port.now()
        assert taken <= limit, f"{taken} s of virtual time, {limit} allowed"

    limit = (TIMING.total or 0) + GOODBYE + STRAY
    try:
        meter = Meter(port, run(open_session(it.plan), port, hearing), hearing)
    except MeterError as error:
        str(error)
        return False
    finally:
        in_time(limit)
    good = True
    for step in _steps(meter):
        try:
            step()
        except LocalProtocolError as error:
            # A readout has no profile; and once the link is gone every further call says so.
            good = good and "over iec62056-21" in error.message
        except MeterError as error:
            str(error)
            good = False
        in_time(limit)
    meter.close()
    in_time(limit)
    return good


def _steps(meter: Meter) -> list[Callable[[], object]]:
    return [
        lambda: meter.identity,
        lambda: meter.objects,
        meter.registers,
        lambda: meter.get_profile(entries=(1, 12)),
        lambda: meter.get(1, "0.0.42.0.0.255", 2),
    ]


def against_meter(speech: Speech, client: int, spoil: Spoil, data: bytes) -> None:
    """Our client; the meter is hostile."""
    it = rig(speech, client).but(server=lambda served: hostile(served, Choices(data), spoil))
    visit(it.port(), it)


def against_client(speech: Speech, client: int, spoil: Spoil, data: bytes) -> None:
    """Our meter; the client is hostile. The next client must find the meter as if nothing had been."""
    it = rig(speech, client)
    device = it.device()
    port = it.port(device)
    visit(HostilePort(port, Choices(data), spoil), it)
    if speech == "wrapper":
        # A stream that is no row of WPDUs ends the connection; the next one finds the same device.
        port = it.port(device)
    port.sleep(FORGOTTEN)
    while port.receive(0.0):
        # Whoever opens a port drops what came before.
        pass
    assert port.server_error is None, port.server_error
    assert visit(port, rig(speech, 16)), "the meter does not serve the next client"


def _session(
    name: str, way: Callable[[Speech, int, Spoil, bytes], None], speech: Speech, client: int, spoil: Spoil
) -> Target:
    return Target(name, partial(way, speech, client, spoil), lambda: [b"\0"], (), decisions=True)


TARGETS = (
    _session("meter-wrapper", against_meter, "wrapper", 16, in_wrapper),
    _session("meter-hdlc", against_meter, "hdlc", 16, in_hdlc),
    _session("meter-ciphered", against_meter, "hdlc", 1, in_hdlc),
    _session("meter-optical", against_meter, "optical", 16, in_text),
    _session("meter-readout", against_meter, "optical", 0, in_text),
    _session("client-wrapper", against_client, "wrapper", 16, in_wrapper),
    _session("client-hdlc", against_client, "hdlc", 16, in_hdlc),
    _session("client-ciphered", against_client, "hdlc", 1, in_hdlc),
    _session("client-optical", against_client, "optical", 16, in_text),
    _session("client-readout", against_client, "optical", 0, in_text),
)
