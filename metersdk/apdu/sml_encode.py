"""SML messages as a pusher sends them: for the simulator and for tests."""

from __future__ import annotations

from metersdk import fast
from metersdk.apdu.sml_tl import END_OF_MESSAGE, bad, boolean, integer, octets, sequence, unsigned
from metersdk.apdu.sml_types import (
    CLOSE,
    GET_LIST,
    OPEN,
    CloseResponse,
    GetListResponse,
    ListEntry,
    OpenResponse,
    Time,
    TimeKind,
)


def encode_time(time: Time | None) -> bytes:
    if time is None:
        return octets(None)
    seconds = unsigned(time.seconds, 4)
    if time.kind is TimeKind.LOCAL:
        seconds = sequence(seconds, integer(time.local_offset, 2), integer(time.season_offset, 2))
    return sequence(unsigned(int(time.kind)), seconds)


def encode_entry(entry: ListEntry) -> bytes:
    value = entry.value
    if isinstance(value, bool):
        body = boolean(value)
    elif isinstance(value, int):
        number = integer if entry.signed else unsigned
        body = number(value, entry.size or None)
    elif value is None or isinstance(value, bytes):
        body = octets(value)
    else:
        raise bad("values that are lists are not sent", b"", 0)
    return sequence(
        octets(entry.obis),
        unsigned(entry.status),
        encode_time(entry.time),
        unsigned(entry.unit, 1),
        integer(entry.scaler, 1),
        body,
        octets(entry.signature),
    )


def encode(body: OpenResponse | CloseResponse | GetListResponse, transaction: bytes, group: int = 0) -> bytes:
    """One message with its CRC."""
    match body:
        case OpenResponse():
            tag = OPEN
            content = sequence(
                octets(body.codepage),
                octets(body.client_id),
                octets(body.file_id),
                octets(body.server_id),
                encode_time(body.time),
                unsigned(body.version, 1),
            )
        case CloseResponse():
            tag, content = CLOSE, sequence(octets(body.signature))
        case GetListResponse():
            tag = GET_LIST
            content = sequence(
                octets(body.client_id),
                octets(body.server_id),
                octets(body.list_name),
                encode_time(body.sensor_time),
                sequence(*map(encode_entry, body.entries)),
                octets(body.signature),
                encode_time(body.gateway_time),
            )
    front = b"\x76" + octets(transaction) + unsigned(group, 1) + unsigned(0, 1)
    proved = front + sequence(unsigned(tag, 2), content)
    return proved + b"\x63" + fast.crc16(proved).to_bytes(2, "little") + END_OF_MESSAGE
