"""What a line does to frames, and what a client makes of it: how long it waits, and when a link is given up."""

from __future__ import annotations

from typing import Final

from metersdk.dialog.hdlc_station import CONNECT_AGAIN
from metersdk.errors import LinkError
from metersdk.frame.hdlc import Tally

# On a line that damages frames, a meter that is silent for so many times its slowest answer has not heard the command;
# never less than the first figure, and the second one until it has answered at all.
_SILENT_FOR: Final = 3.0
_LEAST_SILENCE: Final = 0.5
_FIRST_SILENCE: Final = 1.0
# Damaged frames in a row before the caller of a link is told that it is hopeless.
_HOPELESS: Final = 4


class Condition:
    """The condition of a line, as one client has seen it.

    Args:
        tally: what the station passes over.
        response_timeout: seconds of silence after which a meter on a good line is polled again.

    Attributes:
        spoiled: turns in which something came damaged, and commands that did not arrive.
        heard: good frames of the meter within a link.
        asked: when the meter was asked last; None once it has answered.
    """

    def __init__(self, tally: Tally, response_timeout: float) -> None:
        self._tally = tally
        self._response_timeout = response_timeout
        self._bad_before = 0
        self.spoiled = 0
        self.heard = 0
        self.asked: float | None = None
        self._slowest = 0.0

    @property
    def damage(self) -> int:
        """How much is known to have come damaged, or not at all."""
        return self._tally.damage + self.spoiled

    @property
    def patience(self) -> float:
        """Seconds of silence after which the meter is polled again."""
        if not self.damage:
            return self._response_timeout
        least = max(_LEAST_SILENCE, _SILENT_FOR * self._slowest) if self._slowest else _FIRST_SILENCE
        return min(self._response_timeout, least)

    def answered(self, now: float) -> None:
        """The meter answers; how long it takes for that at most says when it has not heard."""
        if self.asked is not None:
            self._slowest = max(self._slowest, now - self.asked)
            self.asked = None

    def progress(self) -> None:
        """A frame brought what was next."""
        self._bad_before = self._tally.bad

    def hopeless(self) -> LinkError | None:
        """The error for a link most of whose frames are damaged: it may go on for ever, and a new one with shorter
        frames does not. None while there is hope."""
        bad = self._tally.bad
        if bad - self._bad_before < _HOPELESS and (bad <= self.heard or bad < 2 * _HOPELESS):
            return None
        text = f"of {bad + self.heard} frames {bad} were damaged"
        return LinkError(text, layer="link", state="NRM", retryable=True, hint=CONNECT_AGAIN)
