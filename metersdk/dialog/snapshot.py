"""What every session is asked for a snapshot, and what one answers whose meter has no tables."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import NoReturn, Protocol, TypeVar

from metersdk.dialog.passing import passed
from metersdk.effects import Answer, Dialog, Effect, Emit
from metersdk.errors import DecodeError, Finding, LocalProtocolError, ServiceError
from metersdk.model.clock import DateTime
from metersdk.model.identity import Identity
from metersdk.model.reading import Reading
from metersdk.model.snapshot import Snapshot

T = TypeVar("T")


class Shown(Protocol):
    """What a snapshot is made of."""

    def identify(self) -> Dialog[Identity]: ...
    def clock(self) -> Dialog[DateTime]: ...
    def registers(self) -> Dialog[list[Reading]]: ...


def noted(dialog: Dialog[T], findings: list[Finding]) -> Dialog[T]:
    """``dialog``, whose findings are kept in ``findings``, too."""

    def carry(effect: Effect) -> Dialog[Answer]:
        if isinstance(effect, Emit) and isinstance(effect.event, Finding):
            findings.append(effect.event)
        return (yield effect)

    return passed(dialog, carry)


def take_snapshot(session: Shown) -> Dialog[Snapshot]:
    """Identity, clock and registers; what the meter refuses, or does not have, is a finding."""
    findings: list[Finding] = []
    return (yield from noted(_taken(session, findings), findings))


def _taken(session: Shown, findings: list[Finding]) -> Dialog[Snapshot]:
    identity = yield from session.identify()
    clock = yield from tried(session.clock, "the clock")
    readings = yield from tried(session.registers, "the registers")
    return Snapshot(identity=identity, clock=clock, readings=tuple(readings or ()), findings=tuple(findings))


def tried(ask: Callable[[], Dialog[T]], what: str) -> Dialog[T | None]:
    """What ``ask`` gives; None, and a finding, where the meter refuses it or does not have it."""
    try:
        return (yield from ask())
    except (ServiceError, LocalProtocolError, DecodeError) as error:
        yield Emit(Finding("snapshot-unread", f"{what}: {error.message}", "data"))
        return None


class Tableless(ABC):
    """The doors of a session whose meter has no tables of ANSI C12.19; each raises ``LocalProtocolError``."""

    @property
    @abstractmethod
    def name(self) -> str:
        """Protocol and peer in some words."""

    def table(self, number: int, *, raw: bool = False) -> Dialog[object]:
        return _no_tables(f"table {number}", self.name)

    def write_table(
        self, number: int, octets: bytes, *, offset: int | None = None, write: bool = False
    ) -> Dialog[None]:
        return _no_tables(f"table {number}", self.name)

    def procedure(
        self, number: int | str, parameters: bytes = b"", *, manufacturer: bool = False, write: bool = False
    ) -> Dialog[bytes]:
        return _no_tables(f"procedure {number}", self.name)


def _no_tables(what: str, name: str) -> NoReturn:
    raise LocalProtocolError(
        f"{what}: tables and procedures are of ANSI C12.19; this session speaks {name or 'another protocol'}",
        hint="connect(..., protocol='c1218'); over DLMS there are objects and get()",
    )
