"""Programming mode under fuzz: our reader against a hostile meter, our meter against a hostile reader."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from fuzz_mutation import Target
from fuzz_sessions import FORGOTTEN, STRAY, TIMING, Choices, HostilePort, Spoil, hostile, in_text, rig

from metersdk.dialog.hearing import Hearing
from metersdk.dialog.opening import open_session
from metersdk.dialog.timing import GOODBYE
from metersdk.errors import AuthenticationFailed, MeterError
from metersdk.frame.iec62056_21 import block_check, from_line, to_line
from metersdk.meter import Meter, Programming
from metersdk.port.drive import Port, run
from session_rig import PASSWORD, Rig

LIMIT = (TIMING.total or 0) + GOODBYE + STRAY


def in_command(data: bytes, choices: Choices) -> bytes:
    """A message changed within, its parity and its BCC right again: what is wrong then is what it says."""
    text = bytearray(from_line(data)[0])
    if len(text) < 4 or text[0] not in (1, 2) or choices.next() & 1:
        return in_text(data, choices)
    at = 1 + choices.next() * (len(text) - 2) // 256
    match choices.next() % 3:
        case 0:
            text[at] = choices.next() & 0x7F
        case 1:
            del text[at:-2]
        case _:
            text[at:at] = bytes((choices.next() & 0x7F,)) * choices.next()
    text[-1] = block_check(bytes(text[1:-1]), add=choices.next() & 7 == 0)
    return to_line(bytes(text))


def visit(port: Port, it: Rig) -> bool:
    """Open, read, write, leave; whether it went without an error. Every call keeps its time, every refusal its rule."""
    start = port.now()
    good = True

    def timed(step: Callable[[], object]) -> object:
        nonlocal start, good
        try:
            return step()
        except MeterError as error:
            assert PASSWORD not in f"{error} {error!r}"
            # The number alone proves nothing here: it is the meter's serial number, too, and stands in foreign APDUs.
            assert f"P1\x02({PASSWORD})".encode() not in error.data
            good = False
            if isinstance(error, AuthenticationFailed):
                raise
        finally:
            taken, start = port.now() - start, port.now()
            assert taken <= LIMIT, f"{taken} s of virtual time"
        return None

    hearing = Hearing()
    meter = timed(lambda: Meter(port, run(open_session(it.plan), port, hearing), hearing))
    if not isinstance(meter, Meter):
        return False
    programming = meter.programming(password=PASSWORD, write=True)
    try:
        if timed(programming.__enter__) is not None:
            for step in _steps(programming):
                timed(step)
    except AuthenticationFailed:
        return False
    finally:
        timed(programming.close)
        timed(meter.close)
    return good


def _steps(p: Programming) -> list[Callable[[], object]]:
    return [
        lambda: p.read("C.1.0"),
        lambda: p.read_blocks("1.8.0"),
        lambda: p.write("C.90", "5"),
        lambda: p.write("C.90", "x" * 200, command="W3"),
        lambda: p.execute("RESET"),
        lambda: p.read("C.90", command="R3"),
    ]


def against_meter(spoil: Spoil, data: bytes) -> None:
    """Our reader; the meter is hostile."""
    it = rig("optical", 0).but(server=lambda served: hostile(served, Choices(data), spoil))
    visit(it.port(), it)


def against_client(spoil: Spoil, data: bytes) -> None:
    """Our meter; the reader is hostile. The next reader must find the meter as if nothing had been."""
    it = rig("optical", 0)
    port = it.port(it.device())
    visit(HostilePort(port, Choices(data), spoil), it)
    port.sleep(FORGOTTEN)
    while port.receive(0.0):
        pass
    assert port.server_error is None, port.server_error
    assert visit(port, it), "the meter does not serve the next reader"


TARGETS = (
    Target("meter-programming", partial(against_meter, in_command), lambda: [b"\0"], (), decisions=True),
    Target("client-programming", partial(against_client, in_command), lambda: [b"\0"], (), decisions=True),
)
