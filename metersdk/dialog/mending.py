"""An association that is opened anew, with shorter frames, where the line damages too many of them.

Of octets of which one in a hundred is damaged a frame of 2030 has no chance, one of 32 arrives two times in three. What
the right length is shows only while reading. HDLC settles it once for a link, so the link is taken down and set up
again, and the association with it; what was asked is then asked again, and a profile goes on behind its last row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final, TypeVar

from metersdk.dialog.association import Association
from metersdk.dialog.link import HdlcLink
from metersdk.effects import Dialog, Emit
from metersdk.errors import Finding, LinkError, MeterError, NoAnswer

T = TypeVar("T")

# Octets of information in a frame, from one try to the next; the standard's default, and its least (6.4.4.4.3.2).
_SHORTER: Final = (128, 32)
# Openings and repeats in a row that bring nothing new.
_TRIES: Final = 4
# Turns spoiled on one link that make a damaged line of it. One may be the end of a meter that was cut off.
_SPOILED: Final = 2
# On a line that damages frames an answer may take so many times as long, for all that must be said again.
_PATIENCE: Final = 3


class Connection:
    """One association after the other with the same meter, on the same line.

    Args:
        make: an association over a new link whose frames carry so many octets of information at most.
        information: octets to begin with.

    Attributes:
        association: the present one.
        reopened: how often a link was given up for a new one.
    """

    def __init__(self, make: Callable[[int], Association], information: int) -> None:
        self._make = make
        self._information = information
        self._failures = 0
        self.reopened = 0
        self.association = self._made()

    @property
    def is_damaged(self) -> bool:
        """Whether this line was seen to damage anything."""
        link = self.association.link
        if self.reopened or not isinstance(link, HdlcLink):
            return self.reopened > 0
        return max(link.spoiled, link.tally.bad_fcs + link.tally.bad_hcs) >= _SPOILED

    @property
    def _is_there(self) -> bool:
        """Whether the meter answers in HDLC at all: noise and silence are not mended by asking more often."""
        link = self.association.link
        if not isinstance(link, HdlcLink):
            return False
        return link.parameters is not None or (self.reopened > 0 and link.damage > 0)

    def open(self) -> Dialog[None]:
        """Open the association; on a line that damages frames several times, if need be.

        Raises:
            MeterError: as ``Association.open``.
        """
        for left in reversed(range(_TRIES)):
            try:
                yield from self.association.open()
                return
            except (NoAnswer, LinkError):
                if not left or not self._is_there or not self.is_damaged:
                    raise
            yield from self._renew()

    def keep_asking(self, ask: Callable[[Association], Dialog[T]]) -> Dialog[T]:
        """``ask``, again over a new link where the line has damaged too much. For what may be asked twice: reading.

        Raises:
            MeterError: as ``ask``.
        """
        while True:
            try:
                result = yield from ask(self.association)
            except (NoAnswer, LinkError) as error:
                if (yield from self.mend(error, fresh=False)) is None:
                    raise
            else:
                self._failures = 0
                return result

    def mend(self, error: MeterError, fresh: bool) -> Dialog[Association | None]:
        """After ``error``: the association opened anew, or None where that is no help.

        Args:
            error: why the last question was not answered.
            fresh: it had brought something new; otherwise it counts as one of a few tries.
        """
        if not isinstance(error, NoAnswer | LinkError) or not error.retryable or not self.is_damaged:
            return None
        self._failures = 0 if fresh else self._failures + 1
        if self._failures >= _TRIES:
            return None
        yield from self._renew()
        try:
            yield from self.open()
        except (NoAnswer, LinkError):
            return None
        return self.association

    def _renew(self) -> Dialog[None]:
        """Hear the meter out, and make another link. SNRM ends the one before; DISC would end a session of mode E."""
        yield from self.association.link.settle()
        self.reopened += 1
        self._information = next((size for size in _SHORTER if size < self._information), self._information)
        self.association = self._made()
        text = f"the line damages frames: the link is opened again, with {self._information} octets in a frame"
        hint = "align the probe, shade it from sunlight and lamps"
        yield Emit(Finding("line-damaged", text, "link", hint=hint))

    def _made(self) -> Association:
        association = self._make(self._information)
        if self.reopened:
            settings = association.settings
            association.settings = replace(settings, timeout=_PATIENCE * settings.timeout)
        if isinstance(association.link, HdlcLink):
            association.link.shortest = _SHORTER[-1]
        return association
