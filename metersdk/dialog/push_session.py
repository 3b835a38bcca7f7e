"""The session of a meter that speaks by itself: its last telegram, and those that follow."""

from __future__ import annotations

from typing import NoReturn, TypeVar

from metersdk.dialog.iec62056_21_readout import Readout, conforming
from metersdk.dialog.pushers import Pusher
from metersdk.dialog.session import Code
from metersdk.dialog.timing import Timing, within
from metersdk.dialog.unserved import Unserved
from metersdk.effects import Dialog, Emit, Now
from metersdk.errors import LocalProtocolError
from metersdk.model.clock import DateTime
from metersdk.model.identity import Identity
from metersdk.model.obis import Obis
from metersdk.model.reading import Reading
from metersdk.model.telegram import Telegram

T = TypeVar("T")


class PushSession(Unserved):
    """A meter that pushes; nothing is ever sent to it.

    Args:
        pusher: the line.
        first: its first telegram.
        timing: the caller's limits.
        patience: seconds to wait for a telegram.
    """

    def __init__(self, pusher: Pusher, first: Telegram, timing: Timing, patience: float) -> None:
        self._pusher = pusher
        self._last = first
        self._fresh = True
        self._timing = timing
        self._patience = patience

    @property
    def name(self) -> str:
        return str(self._last.identity)

    def limited(self, dialog: Dialog[T]) -> Dialog[T]:
        return within(dialog, self._timing.total)

    def telegram(self) -> Dialog[Telegram]:
        """The first telegram once, then the next that comes."""
        if not self._fresh:
            now: float = yield Now()
            self._last = yield from self._pusher.next(now + self._patience)
        self._fresh = False
        return self._last

    def telegrams(self, count: int | None = None) -> Dialog[object]:
        """Emit ``count`` telegrams as they come; None: without end.

        Raises:
            NoAnswer: the meter fell silent.
        """
        told = 0
        while count is None or told < count:
            yield Emit((yield from self.telegram()))
            told += 1
        return None

    def identify(self) -> Dialog[Identity]:
        """As the last telegram tells it."""
        yield from ()
        return self._last.identity

    def registers(self) -> Dialog[list[Reading]]:
        """The readings of the last telegram; ``readout`` or ``telegrams`` waits for the next."""
        yield from ()
        self._fresh = False
        return list(self._last.readings)

    def read(self, obis: Code) -> Dialog[Reading]:
        code = Obis.parse(obis)
        for reading in (yield from self.registers()):
            if reading.obis == code:
                return reading
        raise LocalProtocolError(f"the telegrams of this meter hold no {code}", hint="see registers()")

    def readout(self, strict: bool = False) -> Dialog[Readout]:
        """The next telegram of mode D or P1 as it was sent."""
        if self._pusher.readout is None:
            raise LocalProtocolError(
                f"a readout is a data message of IEC 62056-21; this meter pushes {self._last.protocol}",
                hint="use registers() or telegrams()",
            )
        yield from self.telegram()
        return conforming(self._pusher.readout) if strict else self._pusher.readout

    def clock(self) -> Dialog[DateTime]:
        """When the last telegram was sent, by the meter's clock.

        Raises:
            LocalProtocolError: it tells no time; many SML meters know their seconds of operation only.
        """
        yield from ()
        if self._last.time is None:
            raise LocalProtocolError(
                "the telegrams of this meter tell no time",
                layer="data",
                hint="use the time of this computer; telegram.sec_index counts the seconds of many SML meters",
            )
        return self._last.time

    def _refuse(self, what: str) -> NoReturn:
        raise LocalProtocolError(
            f"{what}: this meter speaks by itself ({self._last.protocol}) and is not asked",
            hint="use registers(), read() or telegrams()",
        )

    def close(self) -> Dialog[None]:
        """Nothing is sent."""
        yield from ()
