"""Mode E of IEC 62056-21, the reader's side: from the acknowledgement to HDLC, and back where the meter missed it.

::

    sign_on ─── E ─── hand_over ─── HDLC on the same buffer
                         └─ no HDLC: fall_back ─── call_again
"""

from __future__ import annotations

from metersdk.dialog.iec62056_21 import MESSAGE, SignedOn, note_preamble, sign_on
from metersdk.effects import Dialog, Now, Sleep
from metersdk.errors import LocalProtocolError, NoAnswer
from metersdk.frame.buffer import ReceiveBuffer
from metersdk.frame.iec62056_21 import INITIAL_BAUD, echo_of, looks_slower


def hand_over(signed: SignedOn) -> Dialog[bool]:
    """Mode E: leave the line at the speed agreed for HDLC, with what has come of it in the shared buffer.

    The meter may repeat ``ACK 2 Z 2``, and the probe may return ours: both are taken off the buffer. Returns as soon
    as something else comes, or after the time in which the meter may speak. False if the meter goes on with its data
    at 300 Bd: it missed the acknowledgement.
    """
    if signed.mode != "E" or signed.acknowledged is None:
        raise LocalProtocolError("not signed on for HDLC", hint="SignOn(mode='E')")
    line, select = signed.line, signed.acknowledged.encode()
    fast = signed.identification is not None and signed.identification.is_fast
    reaction = line.timing.reaction(fast)
    now: float = yield Now()
    limit = now + reaction + len(select) * line.character() + 0.1 + line.timing.latency
    while True:
        seen = line.peek()
        start = seen.find(select)
        if start >= 0:
            line.take(start + len(select))
            line.note("acknowledgement-repeated", "ACK 2 Z 2 came back, from the meter or the probe")
            continue
        _, echoed = echo_of(select, seen)
        octets = bytes(line.buffer.view())
        if looks_slower(octets[echoed:], line.baud / INITIAL_BAUD):
            # Repeated at 300 Bd, before the meter itself switches: wait for its end.
            line.note("acknowledgement-repeated", f"ACK 2 Z 2 came back at {INITIAL_BAUD} Bd")
            try:
                yield from line.flush(0.1, limit + 1.0)
            except NoAnswer:
                return False
            break
        if 0x7E in octets:
            # HDLC already: nothing of it is lost.
            line.take(octets.index(0x7E))
            return True
        if not (yield from line.wait_until(limit)):
            note_preamble(line, select, line.take())
            break
    # tr binds the reader, too; it has passed if nothing came.
    if seen:
        yield Sleep(reaction)
    return True


def fall_back(signed: SignedOn) -> Dialog[SignedOn]:
    """Mode E without HDLC after it: the meter missed the acknowledgement; take its readout at 300 Bd."""
    line = signed.line
    yield from line.set_speed(INITIAL_BAUD)
    line.note("acknowledgement-lost", "no HDLC after mode E: the meter goes on at 300 Bd")
    return SignedOn("C", INITIAL_BAUD, signed.identification, None, True, signed.settings, line)


def call_again(fallen: SignedOn, buffer: ReceiveBuffer) -> Dialog[SignedOn]:
    """After ``fall_back``: hear out the data message at 300 Bd, and sign on once more with the switch later.

    Raises:
        NoAnswer: the message is longer than the sign-on may take, or the meter does not identify itself any more.
    """
    now: float = yield Now()
    yield from fallen.line.flush(fallen.line.timing.octet_gap, now + MESSAGE)
    return (yield from sign_on(fallen.settings, buffer, first=1))
