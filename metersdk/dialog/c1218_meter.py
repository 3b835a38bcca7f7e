"""A meter of ANSI C12.18 or C12.21 on one line: the link and the services joined, session after session."""

from __future__ import annotations

from metersdk.apdu.psem_codes import BAUD_CODES
from metersdk.dialog.c1218_link import C1218Link, C1218Settings, LinkFaults
from metersdk.dialog.psem_meter import Intercept, PsemRules, PsemServer, Reply, Stage, TableDevice
from metersdk.effects import Dialog, Emit, Now, Sleep, State
from metersdk.errors import MeterError, NoAnswer, PortError
from metersdk.frame.buffer import ReceiveBuffer

# Seconds until a meter in its base state looks up: nobody is missed there.
_PATIENCE = 3600.0


def serve_c1218(
    device: TableDevice,
    settings: C1218Settings | None = None,
    buffer: ReceiveBuffer | None = None,
    faults: LinkFaults | None = None,
    *,
    rules: PsemRules | None = None,
    intercept: Intercept | None = None,
    reaction: float = 0.0,
) -> Dialog[None]:
    """Be a meter until the port closes.

    Args:
        device: its tables.
        settings: speed, packets and times to begin each session with.
        buffer: octets an earlier protocol has left.
        faults: what goes wrong on the link.
        rules: what is agreed to in Negotiate and Timing set-up.
        intercept: responses in the place of answers, for faults.
        reaction: seconds between a request and its answer.
    """
    yield from _Meter(device, settings or C1218Settings(), buffer, faults, rules, intercept, reaction).run()


class _Meter:
    def __init__(
        self,
        device: TableDevice,
        settings: C1218Settings,
        buffer: ReceiveBuffer | None,
        faults: LinkFaults | None,
        rules: PsemRules | None,
        intercept: Intercept | None,
        reaction: float,
    ) -> None:
        self._defaults = settings
        self._link = C1218Link(settings, buffer or ReceiveBuffer(), server=True, faults=faults)
        self._server = PsemServer(device, rules or PsemRules(), settings.baud, intercept)
        self._reaction = reaction
        self._rest = 0.0

    def run(self) -> Dialog[None]:
        yield from self._link.open()
        while True:
            request = yield from self._next()
            if request is not None:
                yield from self._serve(request)

    def _next(self) -> Dialog[bytes | None]:
        """The next request; None where there is none, and the session, if there was one, is over."""
        now: float = yield Now()
        traffic = _PATIENCE if self._server.stage is Stage.BASE else self._link.settings.traffic_timeout + self._rest
        self._rest = 0.0
        try:
            return (yield from self._link.receive(now + traffic))
        except PortError:
            raise
        except NoAnswer:
            if self._server.stage is not Stage.BASE:
                yield Emit(State("timed-out", "no packet for the channel traffic time-out: the session is over"))
                yield from self._over()
        except MeterError:
            # Packets that cannot be read: whoever sends them has to send them again.
            return None
        return None

    def _serve(self, request: bytes) -> Dialog[None]:
        reply = self._server.handle(request, self._link.max_payload)
        if self._reaction:
            yield Sleep(self._reaction)
        try:
            yield from self._link.send(reply.answer)
        except PortError:
            raise
        except MeterError:
            # Nobody acknowledged the answer: nothing of it holds.
            yield from self._over()
            return
        yield from self._change(reply)

    def _change(self, reply: Reply) -> Dialog[None]:
        if reply.base:
            yield from self._over()
            return
        self._rest = reply.wait
        if reply.timing is not None:
            self._link.keep_times(reply.timing)
        if (agreed := reply.negotiated) is not None:
            baud = BAUD_CODES.get(agreed.baud)
            yield from self._link.adopt(agreed.packet_size, agreed.packets, baud)

    def _over(self) -> Dialog[None]:
        """Back to the base state and its defaults, on both sides of the room."""
        self._server.reset()
        self._server.baud = self._defaults.baud
        yield from self._link.reset()
