"""SML messages as values (BSI TR-03109-1 annex): what ``sml`` decodes, and ``sml_encode`` sends."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TypeAlias

from metersdk.apdu.sml_tl import Node
from metersdk.errors import Finding

OPEN, CLOSE, PROFILE_PACK, PROFILE_LIST = 0x0101, 0x0201, 0x0301, 0x0401
PROC_PARAMETER, GET_LIST, ATTENTION = 0x0501, 0x0701, 0xFF01


class TimeKind(IntEnum):
    """Which of its three forms a time has."""

    SEC_INDEX = 1
    """Seconds the meter has run, since its making or its start."""
    TIMESTAMP = 2
    """Seconds since 1970-01-01 UTC."""
    LOCAL = 3
    """The same, with the offsets of local time."""


@dataclass(frozen=True, slots=True)
class Time:
    """``seconds`` in the sense of ``kind``; the offsets in minutes, for ``LOCAL`` alone."""

    kind: TimeKind
    seconds: int
    local_offset: int = 0
    season_offset: int = 0


@dataclass(frozen=True, slots=True)
class ListEntry:
    """One value of a list: ``value * 10**scaler`` in ``unit``.

    ``value`` is bytes, int, bool, or a tuple where it is a list itself; ``signed`` and ``size`` tell what an int was
    sent as, ``size`` in octets. ``obis`` has six octets in all that were seen.
    """

    obis: bytes
    status: int | None
    time: Time | None
    unit: int | None
    scaler: int | None
    value: Node
    signature: bytes | None = None
    signed: bool = False
    size: int = 0


@dataclass(frozen=True, slots=True)
class OpenResponse:
    codepage: bytes | None
    client_id: bytes | None
    file_id: bytes | None
    server_id: bytes | None
    time: Time | None
    version: int | None


@dataclass(frozen=True, slots=True)
class CloseResponse:
    signature: bytes | None


@dataclass(frozen=True, slots=True)
class GetListResponse:
    """What a meter pushes: its values of now."""

    client_id: bytes | None
    server_id: bytes
    list_name: bytes | None
    sensor_time: Time | None
    entries: tuple[ListEntry, ...]
    signature: bytes | None
    gateway_time: Time | None


@dataclass(frozen=True, slots=True)
class Period:
    """One row of a profile; ``values`` in the order of the header."""

    time: Time | None
    status: int | None
    values: tuple[Node, ...]
    signature: bytes | None


@dataclass(frozen=True, slots=True)
class ProfileColumn:
    obis: bytes
    unit: int | None
    scaler: int | None


@dataclass(frozen=True, slots=True)
class GetProfilePackResponse:
    """A profile as a table. ``period`` in seconds."""

    server_id: bytes
    time: Time | None
    period: int
    path: tuple[bytes, ...]
    columns: tuple[ProfileColumn, ...]
    rows: tuple[Period, ...]
    raw: bytes | None
    signature: bytes | None


@dataclass(frozen=True, slots=True)
class GetProfileListResponse:
    """One row of a profile, as a list."""

    server_id: bytes
    time: Time | None
    period: int
    path: tuple[bytes, ...]
    row_time: Time | None
    status: int | None
    entries: tuple[ListEntry, ...]
    raw: bytes | None
    signature: bytes | None


@dataclass(frozen=True, slots=True)
class Tree:
    """A parameter, its value (the choice's number and what it holds) and its children."""

    name: bytes
    value: tuple[int, Node] | None
    children: tuple[Tree, ...] = ()


@dataclass(frozen=True, slots=True)
class GetProcParameterResponse:
    server_id: bytes
    path: tuple[bytes, ...]
    tree: Tree


@dataclass(frozen=True, slots=True)
class AttentionResponse:
    """The meter refused, or confirms: ``code`` 81 81 C7 C7 FE xx in all standard cases."""

    server_id: bytes
    code: bytes
    text: str | None
    details: Tree | None


@dataclass(frozen=True, slots=True)
class OtherBody:
    """A message of another kind: a request, or a service that no pusher has."""

    tag: int
    value: Node


Body: TypeAlias = (
    OpenResponse
    | CloseResponse
    | GetListResponse
    | GetProfilePackResponse
    | GetProfileListResponse
    | GetProcParameterResponse
    | AttentionResponse
    | OtherBody
)


@dataclass(frozen=True, slots=True)
class Message:
    """One message; ``offset`` in the payload, ``check`` what its CRC proved to be (``""``: not looked at)."""

    transaction: bytes
    group: int
    abort: int
    body: Body
    check: str = "x25"
    offset: int = 0


@dataclass(frozen=True, slots=True)
class File:
    """The good messages of one SML file."""

    messages: tuple[Message, ...]
    findings: tuple[Finding, ...] = ()

    @property
    def lists(self) -> tuple[GetListResponse, ...]:
        return tuple(each.body for each in self.messages if isinstance(each.body, GetListResponse))
