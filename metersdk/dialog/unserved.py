"""What a session over a protocol of few services refuses; each overrides what its protocol does serve."""

from __future__ import annotations

from abc import abstractmethod
from datetime import datetime
from typing import NoReturn

from metersdk.apdu.axdr import Data
from metersdk.dialog.iec62056_21_readout import Readout
from metersdk.dialog.programming import Programming, ProgrammingSettings
from metersdk.dialog.session import Code
from metersdk.dialog.snapshot import Tableless, take_snapshot
from metersdk.effects import Dialog
from metersdk.model.clock import DateTime
from metersdk.model.cosem.view import ObjectView
from metersdk.model.event import Event
from metersdk.model.identity import Identity
from metersdk.model.profile import Profile
from metersdk.model.query import ProfileQuery
from metersdk.model.reading import Reading
from metersdk.model.snapshot import Snapshot


class Unserved(Tableless):
    """The services of ``Session`` that not every protocol has. Each raises ``LocalProtocolError``; nothing is sent."""

    @abstractmethod
    def identify(self) -> Dialog[Identity]: ...
    @abstractmethod
    def clock(self) -> Dialog[DateTime]: ...
    @abstractmethod
    def registers(self) -> Dialog[list[Reading]]: ...

    @abstractmethod
    def _refuse(self, what: str) -> NoReturn:
        """Raise the error that says why ``what`` is not served, and what is."""

    def objects(self) -> Dialog[ObjectView]:
        return self._refuse("objects")

    def set_clock(self, moment: datetime) -> Dialog[None]:
        return self._refuse("set_clock")

    def get(self, class_id: int, obis: Code, attribute: int, *, raw: bool = False) -> Dialog[object]:
        return self._refuse("get")

    def set(self, class_id: int, obis: Code, attribute: int, value: object) -> Dialog[None]:
        return self._refuse("set")

    def action(self, class_id: int, obis: Code, method: int, parameter: Data | None = None) -> Dialog[object]:
        return self._refuse("action")

    def readout(self, strict: bool = False) -> Dialog[Readout]:
        return self._refuse("readout")

    def iter_readout(self) -> Dialog[object]:
        return self._refuse("iter_readout")

    def telegrams(self, count: int | None) -> Dialog[object]:
        return self._refuse("telegrams")

    def programming(self, wanted: ProgrammingSettings) -> Dialog[Programming]:
        return self._refuse("programming")

    def get_profile(self, query: ProfileQuery) -> Dialog[Profile]:
        return self._refuse("get_profile")

    def iter_profile(self, query: ProfileQuery) -> Dialog[object]:
        return self._refuse("iter_profile")

    def events(self, query: ProfileQuery) -> Dialog[list[Event]]:
        return self._refuse("events")

    def snapshot(self) -> Dialog[Snapshot]:
        """What this protocol does serve."""
        return (yield from take_snapshot(self))
