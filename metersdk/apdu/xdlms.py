"""``decode`` for every plain xDLMS APDU, and all their types under one roof (IEC 62056-5-3).

Payloads (attribute values, parameters, block contents) stay encoded octets: who needs values takes them to ``axdr``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from metersdk.apdu import xdlms_other as other
from metersdk.apdu import xdlms_sn as sn
from metersdk.apdu.results import ActionResult, DataAccessResult
from metersdk.apdu.xdlms_other import (
    AccessKind,
    AccessRequest,
    AccessResponse,
    AccessSpecification,
    ConfirmedServiceError,
    DataNotification,
    EventNotification,
    ExceptionResponse,
    GeneralBlockTransfer,
    GeneralCiphering,
)
from metersdk.apdu.xdlms_parts import (
    AttributeDescriptor,
    Invoke,
    LongInvoke,
    MethodDescriptor,
    Reader,
    Selection,
    read_result,
    read_selection,
)
from metersdk.apdu.xdlms_services import (
    ActionRequest,
    ActionRequestBlock,
    ActionRequestFirstBlock,
    ActionRequestList,
    ActionRequestListFirstBlock,
    ActionRequestNext,
    ActionResponse,
    ActionResponseBlock,
    ActionResponseList,
    ActionResponseNext,
    GetRequest,
    GetRequestList,
    GetRequestNext,
    GetResponse,
    GetResponseBlock,
    GetResponseList,
    Item,
    Outcome,
    Service,
    SetRequest,
    SetRequestBlock,
    SetRequestFirstBlock,
    SetRequestList,
    SetRequestListFirstBlock,
    SetResponse,
    SetResponseBlock,
    SetResponseLastBlock,
    SetResponseLastBlockList,
    SetResponseList,
)
from metersdk.apdu.xdlms_sn import InformationReport, ReadRequest, ReadResponse, WriteRequest, WriteResponse
from metersdk.errors import DecodeError

__all__ = [
    "AccessKind",
    "AccessRequest",
    "AccessResponse",
    "AccessSpecification",
    "ActionRequest",
    "ActionRequestBlock",
    "ActionRequestFirstBlock",
    "ActionRequestList",
    "ActionRequestListFirstBlock",
    "ActionRequestNext",
    "ActionResponse",
    "ActionResponseBlock",
    "ActionResponseList",
    "ActionResponseNext",
    "ActionResult",
    "Apdu",
    "AttributeDescriptor",
    "ConfirmedServiceError",
    "DataAccessResult",
    "DataNotification",
    "EventNotification",
    "ExceptionResponse",
    "GeneralBlockTransfer",
    "GeneralCiphering",
    "GetRequest",
    "GetRequestList",
    "GetRequestNext",
    "GetResponse",
    "GetResponseBlock",
    "GetResponseList",
    "InformationReport",
    "Invoke",
    "Item",
    "LongInvoke",
    "MethodDescriptor",
    "Outcome",
    "ReadRequest",
    "ReadResponse",
    "Selection",
    "Service",
    "SetRequest",
    "SetRequestBlock",
    "SetRequestFirstBlock",
    "SetRequestList",
    "SetRequestListFirstBlock",
    "SetResponse",
    "SetResponseBlock",
    "SetResponseLastBlock",
    "SetResponseLastBlockList",
    "SetResponseList",
    "WriteRequest",
    "WriteResponse",
    "decode",
]

Apdu: TypeAlias = (
    Service
    | DataNotification
    | EventNotification
    | ExceptionResponse
    | ConfirmedServiceError
    | GeneralBlockTransfer
    | GeneralCiphering
    | AccessRequest
    | AccessResponse
    | ReadRequest
    | ReadResponse
    | WriteRequest
    | WriteResponse
    | InformationReport
)


def _read_items(reader: Reader) -> tuple[Item, ...]:
    return tuple((AttributeDescriptor.read(reader), read_selection(reader)) for _ in range(reader.count()))


def _read_methods(reader: Reader) -> tuple[MethodDescriptor, ...]:
    return tuple(MethodDescriptor.read(reader) for _ in range(reader.count()))


def _read_block(reader: Reader) -> tuple[bool, int, bytes]:
    return reader.boolean(), reader.unsigned(4), reader.octets()


def _read_dars(reader: Reader) -> tuple[DataAccessResult, ...]:
    return tuple(DataAccessResult(octet) for octet in reader.take(reader.count()))


def _get_response(invoke: Invoke, reader: Reader) -> GetResponse:
    match read_result(reader):
        case bytes(data):
            return GetResponse(invoke, data)
        case result:
            return GetResponse(invoke, None, result)


def _get_response_block(invoke: Invoke, reader: Reader) -> GetResponseBlock:
    last, block = reader.boolean(), reader.unsigned(4)
    if reader.choice(0, 1):
        return GetResponseBlock(invoke, last, block, None, DataAccessResult(reader.unsigned(1)))
    return GetResponseBlock(invoke, last, block, reader.octets())


def _set_request(invoke: Invoke, reader: Reader) -> SetRequest:
    attribute, selection = AttributeDescriptor.read(reader), read_selection(reader)
    return SetRequest(invoke, attribute, reader.data(), selection)


def _set_request_list(invoke: Invoke, reader: Reader) -> SetRequestList:
    items, start = _read_items(reader), reader.at
    data = reader.data_list()
    if len(items) != len(data):
        reader.fail(f"{len(items)} attributes and {len(data)} values", start)
    return SetRequestList(invoke, items, data)


def _action_request_list(invoke: Invoke, reader: Reader) -> ActionRequestList:
    methods, start = _read_methods(reader), reader.at
    data = reader.data_list()
    if len(methods) != len(data):
        reader.fail(f"{len(methods)} methods and {len(data)} parameters", start)
    return ActionRequestList(invoke, methods, data)


_SERVICES: dict[bytes, Callable[[Invoke, Reader], Service]] = {
    GetRequest.head: lambda i, r: GetRequest(i, AttributeDescriptor.read(r), read_selection(r)),
    GetRequestNext.head: lambda i, r: GetRequestNext(i, r.unsigned(4)),
    GetRequestList.head: lambda i, r: GetRequestList(i, _read_items(r)),
    GetResponse.head: _get_response,
    GetResponseBlock.head: _get_response_block,
    GetResponseList.head: lambda i, r: GetResponseList(i, tuple(read_result(r) for _ in range(r.count()))),
    SetRequest.head: _set_request,
    SetRequestFirstBlock.head: lambda i, r: SetRequestFirstBlock(
        i, AttributeDescriptor.read(r), read_selection(r), *_read_block(r)
    ),
    SetRequestBlock.head: lambda i, r: SetRequestBlock(i, *_read_block(r)),
    SetRequestList.head: _set_request_list,
    SetRequestListFirstBlock.head: lambda i, r: SetRequestListFirstBlock(i, _read_items(r), *_read_block(r)),
    SetResponse.head: lambda i, r: SetResponse(i, DataAccessResult(r.unsigned(1))),
    SetResponseBlock.head: lambda i, r: SetResponseBlock(i, r.unsigned(4)),
    SetResponseLastBlock.head: lambda i, r: SetResponseLastBlock(i, DataAccessResult(r.unsigned(1)), r.unsigned(4)),
    SetResponseLastBlockList.head: lambda i, r: SetResponseLastBlockList(i, _read_dars(r), r.unsigned(4)),
    SetResponseList.head: lambda i, r: SetResponseList(i, _read_dars(r)),
    ActionRequest.head: lambda i, r: ActionRequest(i, MethodDescriptor.read(r), r.data() if r.choice(0, 1) else None),
    ActionRequestNext.head: lambda i, r: ActionRequestNext(i, r.unsigned(4)),
    ActionRequestList.head: _action_request_list,
    ActionRequestFirstBlock.head: lambda i, r: ActionRequestFirstBlock(i, MethodDescriptor.read(r), *_read_block(r)),
    ActionRequestListFirstBlock.head: lambda i, r: ActionRequestListFirstBlock(i, _read_methods(r), *_read_block(r)),
    ActionRequestBlock.head: lambda i, r: ActionRequestBlock(i, *_read_block(r)),
    ActionResponse.head: lambda i, r: ActionResponse(i, Outcome.read(r)),
    ActionResponseBlock.head: lambda i, r: ActionResponseBlock(i, *_read_block(r)),
    ActionResponseList.head: lambda i, r: ActionResponseList(i, tuple(Outcome.read(r) for _ in range(r.count()))),
    ActionResponseNext.head: lambda i, r: ActionResponseNext(i, r.unsigned(4)),
}
_SERVICE_TAGS = frozenset(head[0] for head in _SERVICES)

_OTHERS: dict[int, Callable[[Reader], Apdu]] = {**other.READERS, **sn.READERS}

# glo- and ded- forms of the services, general-glo, general-ded, general-signing.
_CIPHERED = frozenset((*range(0x21, 0x2F), 0x36, 0x38, *range(0x41, 0x4F), 0x56, 0x58, *range(0xC8, 0xD8), 0xDB, 0xDC))


def decode(apdu: bytes) -> Apdu:
    """Decode one plain xDLMS APDU; the whole of ``apdu`` must be used up.

    Raises:
        DecodeError: unknown tag, truncated, a count beyond the end, octets after the end; ``offset`` is in ``apdu``.
    """
    reader = Reader(bytes(apdu))
    tag = reader.unsigned(1)
    result: Apdu
    if tag in _SERVICE_TAGS:
        kind = reader.unsigned(1)
        read = _SERVICES.get(bytes((tag, kind)))
        if read is None:
            reader.fail(f"service {tag:02X} has no type {kind}", 1)
        result = read(Invoke.decode(reader.unsigned(1)), reader)
    elif tag in _OTHERS:
        result = _OTHERS[tag](reader)
    elif tag in _CIPHERED:
        raise DecodeError(
            f"APDU {tag:02X} is ciphered",
            layer="apdu",
            offset=0,
            data=reader.raw,
            hint="give the keys of the meter, so that it can be deciphered first",
        )
    else:
        reader.fail(f"{tag:02X} begins no xDLMS APDU", 0)
    reader.finish()
    return result
