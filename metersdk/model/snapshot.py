"""All that one visit to a meter tells, in one object that can be written down: ``model_dump(mode="json")``."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, SerializeAsAny

from metersdk.errors import Finding
from metersdk.model.fields import DateTimeField
from metersdk.model.identity import Identity
from metersdk.model.reading import Reading


class TableContent(BaseModel):
    """One table of ANSI C12.19 as it was read.

    Attributes:
        number: 2048 and above: the manufacturer's own.
        octets: in hex, as they came; empty where the table holds secrets.
        decoded: its fields; None where they are not known, or do not fit the octets.
    """

    model_config = ConfigDict(frozen=True)

    number: int
    octets: str
    decoded: SerializeAsAny[BaseModel] | None = None


class Snapshot(BaseModel):
    """What a meter showed at one moment.

    Attributes:
        identity: who it is.
        clock: its time; None where it tells none.
        readings: its registers.
        findings: what was tolerated meanwhile, and what could not be read.
        tables: over ANSI C12, by number; never passwords, access rights by key, or keys (tables 42, 44, 45).
    """

    model_config = ConfigDict(frozen=True)

    identity: Identity
    clock: DateTimeField | None = None
    readings: tuple[Reading, ...] = ()
    findings: tuple[Finding, ...] = ()
    tables: tuple[TableContent, ...] = ()
