"""The server's side of GET, SET and ACTION: ``ApplicationServer`` answers plain APDUs out of a ``Device``.

No generator: one APDU in, one APDU or nothing out. The association around it ciphers, keeps time, and drops it when
the client leaves. Long answers are cut from one encoded value that is held once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from metersdk.apdu import axdr, xdlms
from metersdk.apdu.initiate import Conformance
from metersdk.apdu.results import ActionResult, DataAccessResult
from metersdk.apdu.xdlms import Invoke, Item, MethodDescriptor, Outcome, Selection, Service
from metersdk.apdu.xdlms_parts import Reader
from metersdk.errors import ActionError, DataAccessError, DecodeError, MeterError

# A long request is held until it is whole; firmware images travel in image blocks, nothing else comes near this.
MAX_LONG_REQUEST = 4 * 1024 * 1024

# What this server can do; an association offers these at most.
SERVER_CONFORMANCE = (
    Conformance.PRIORITY_MANAGEMENT
    | Conformance.BLOCK_TRANSFER_GET
    | Conformance.BLOCK_TRANSFER_SET
    | Conformance.BLOCK_TRANSFER_ACTION
    | Conformance.MULTIPLE_REFERENCES
    | Conformance.GET
    | Conformance.SET
    | Conformance.SELECTIVE_ACCESS
    | Conformance.ACTION
)

SERVICE_NOT_SUPPORTED = xdlms.ExceptionResponse(1, 2).encode()
OTHER_REASON = xdlms.ExceptionResponse(1, 3).encode()


class AccessRules(Protocol):
    """What one client of a device may do, and how it proves who it is; read by the association."""

    @property
    def conformance(self) -> Conformance:
        """Services offered to this client."""

    @property
    def max_pdu(self) -> int:
        """Largest APDU the device takes from it; 0 = no limit."""


class Device(Protocol):
    """A meter: COSEM objects by client, and the texts of IEC 62056-21."""

    @property
    def system_title(self) -> bytes:
        """Eight octets."""

    @property
    def associations(self) -> Mapping[int, AccessRules]:
        """By client SAP."""

    @property
    def identification(self) -> bytes:
        """The identification line of IEC 62056-21, ``/XXXZident\\r\\n``."""

    def readout(self) -> bytes:
        """The lines of the IEC 62056-21 data block."""

    def get(
        self, client: int, class_id: int, obis: bytes, attribute: int, selection: tuple[int, bytes] | None
    ) -> bytes:
        """Encoded Data of an attribute. Raises: DataAccessError."""

    def set(
        self,
        client: int,
        class_id: int,
        obis: bytes,
        attribute: int,
        selection: tuple[int, bytes] | None,
        data: bytes,
    ) -> None:
        """Write an attribute. Raises: DataAccessError."""

    def action(self, client: int, class_id: int, obis: bytes, method: int, data: bytes | None) -> bytes | None:
        """Invoke a method -> its encoded return value. Raises: ActionError."""


@dataclass(slots=True)
class _LongAnswer:
    """An encoded answer handed out in blocks; ``block`` is the number of the one sent last."""

    service: type[xdlms.GetResponseBlock] | type[xdlms.ActionResponseBlock]
    contents: memoryview
    at: int = 0
    block: int = 0


@dataclass(slots=True)
class _LongRequest:
    """A request that comes in blocks; ``block`` is the number of the one received last."""

    opening: xdlms.Service
    contents: bytearray
    block: int = 0


class ApplicationServer:
    """Answers the plain xDLMS APDUs of one client.

    Args:
        device: what is served.
        client_sap: handed to the device with every access.
        max_pdu_client: largest APDU the client takes, octets, protection included; 0 = no limit.
        conformance: services negotiated.
        overhead: octets that protection adds to an answer.
    """

    def __init__(
        self,
        device: Device,
        client_sap: int,
        max_pdu_client: int = 0,
        conformance: Conformance = SERVER_CONFORMANCE,
        *,
        overhead: int = 0,
    ) -> None:
        self.device = device
        self.client = client_sap
        self.conformance = conformance
        self.room = max(max_pdu_client - overhead, 1) if max_pdu_client else MAX_LONG_REQUEST * 16
        self._answer: _LongAnswer | None = None
        self._request: _LongRequest | None = None

    def handle(self, apdu: bytes) -> bytes | None:
        """One plain APDU -> its answer, None where none is due (unconfirmed SET and ACTION)."""
        try:
            request = xdlms.decode(apdu)
        except DecodeError:
            known = apdu[:1] in (b"\xc0", b"\xc1", b"\xc3")
            return OTHER_REASON if known else SERVICE_NOT_SUPPORTED
        handler = _HANDLERS.get(type(request))
        if handler is None or not isinstance(request, Service):
            return SERVICE_NOT_SUPPORTED
        needed, serve = handler
        if needed not in self.conformance:
            return SERVICE_NOT_SUPPORTED
        # A request that continues nothing ends what was going on: the client has given it up.
        if not isinstance(request, _CONTINUATIONS):
            self._answer = self._request = None
        answer = serve(self, request)
        silent = not request.invoke.confirmed and request.head[0] != 0xC0
        return None if silent else answer.encode()

    # --- device accesses, with errors as results ---

    def _read(self, item: Item) -> bytes | DataAccessResult:
        attribute, selection = item
        if selection is not None and Conformance.SELECTIVE_ACCESS not in self.conformance:
            return DataAccessResult.SCOPE_OF_ACCESS_VIOLATED
        try:
            return self.device.get(
                self.client, attribute.class_id, attribute.obis, attribute.attribute, _plain(selection)
            )
        except MeterError as error:
            return _dar(error)

    def _write(self, item: Item, data: bytes) -> DataAccessResult:
        attribute, selection = item
        if selection is not None and Conformance.SELECTIVE_ACCESS not in self.conformance:
            return DataAccessResult.SCOPE_OF_ACCESS_VIOLATED
        try:
            self.device.set(
                self.client, attribute.class_id, attribute.obis, attribute.attribute, _plain(selection), data
            )
        except MeterError as error:
            return _dar(error)
        return DataAccessResult.SUCCESS

    def _invoke(self, method: MethodDescriptor, data: bytes | None) -> Outcome:
        try:
            returned = self.device.action(self.client, method.class_id, method.obis, method.method, data)
        except ActionError as error:
            return Outcome(ActionResult(error.result))
        except MeterError as error:
            return Outcome(ActionResult(int(_dar(error))))
        return Outcome(ActionResult.SUCCESS, returned)

    # --- GET ---

    def _get(self, request: xdlms.GetRequest) -> Service:
        match self._read((request.attribute, request.selection)):
            case bytes(data):
                return self._long_or(xdlms.GetResponse(request.invoke, data), data)
            case result:
                return xdlms.GetResponse(request.invoke, None, result)

    def _get_list(self, request: xdlms.GetRequestList) -> Service:
        answer = xdlms.GetResponseList(request.invoke, tuple(map(self._read, request.items)))
        return self._long_or(answer, answer.body())

    def _long_or(self, answer: xdlms.GetResponse | xdlms.GetResponseList, contents: bytes) -> Service:
        """The answer itself if it fits, else its first block."""
        if len(answer.encode()) <= self.room:
            return answer
        if Conformance.BLOCK_TRANSFER_GET not in self.conformance:
            return xdlms.GetResponse(answer.invoke, None, DataAccessResult.OTHER_REASON)
        self._answer = _LongAnswer(xdlms.GetResponseBlock, memoryview(contents))
        return self._next_block(answer.invoke, self._answer)

    def _get_next(self, request: xdlms.GetRequestNext) -> Service:
        going = self._answer
        if going is None or going.service is not xdlms.GetResponseBlock:
            result = DataAccessResult.NO_LONG_GET_IN_PROGRESS
        elif request.block != going.block:
            result = DataAccessResult.DATA_BLOCK_NUMBER_INVALID
        else:
            return self._next_block(request.invoke, going)
        self._answer = None
        return xdlms.GetResponseBlock(request.invoke, True, request.block, None, result)

    def _next_block(self, invoke: Invoke, going: _LongAnswer) -> Service:
        head = len(going.service(invoke, False, 0, b"").encode()) - 1
        # At least one octet in each block: a client with an absurd limit gets a slow answer, not an endless one.
        size = max(self.room - head - len(axdr.encode_length(self.room)), 1)
        raw = bytes(going.contents[going.at : going.at + size])
        going.at += len(raw)
        going.block += 1
        last = going.at == len(going.contents)
        if last:
            self._answer = None
        return going.service(invoke, last, going.block, raw)

    # --- SET ---

    def _set(self, request: xdlms.SetRequest) -> Service:
        return xdlms.SetResponse(request.invoke, self._write((request.attribute, request.selection), request.data))

    def _set_list(self, request: xdlms.SetRequestList) -> Service:
        return xdlms.SetResponseList(request.invoke, tuple(map(self._write, request.items, request.data)))

    def _set_first(self, request: xdlms.SetRequestFirstBlock | xdlms.SetRequestListFirstBlock) -> Service:
        self._request = _LongRequest(request, bytearray())
        return self._set_take(request, self._request)

    def _set_next(self, request: xdlms.SetRequestBlock) -> Service:
        going = self._request
        if going is None or going.opening.head[0] != 0xC1:
            return xdlms.SetResponseLastBlock(request.invoke, DataAccessResult.NO_LONG_SET_IN_PROGRESS, request.block)
        return self._set_take(request, going)

    def _set_take(
        self,
        request: xdlms.SetRequestFirstBlock | xdlms.SetRequestListFirstBlock | xdlms.SetRequestBlock,
        going: _LongRequest,
    ) -> Service:
        opening = going.opening
        wrong = _take(going, request.last, request.block, request.raw)
        if wrong is None and not request.last:
            return xdlms.SetResponseBlock(request.invoke, request.block)
        self._request = None
        if isinstance(opening, xdlms.SetRequestListFirstBlock):
            values = _values(going.contents, len(opening.items)) if wrong is None else None
            if values is None:
                results = (wrong or DataAccessResult.TYPE_UNMATCHED,) * len(opening.items)
            else:
                results = tuple(map(self._write, opening.items, values))
            return xdlms.SetResponseLastBlockList(request.invoke, results, request.block)
        if wrong is None and isinstance(opening, xdlms.SetRequestFirstBlock):
            data = _one_value(going.contents)
            item = (opening.attribute, opening.selection)
            wrong = DataAccessResult.TYPE_UNMATCHED if data is None else self._write(item, data)
        return xdlms.SetResponseLastBlock(request.invoke, wrong or DataAccessResult.SUCCESS, request.block)

    # --- ACTION ---

    def _action(self, request: xdlms.ActionRequest) -> Service:
        return self._acted(request.invoke, self._invoke(request.method, request.data))

    def _action_list(self, request: xdlms.ActionRequestList) -> Service:
        return self._acted_list(request.invoke, request.methods, request.data)

    def _acted(self, invoke: Invoke, outcome: Outcome) -> Service:
        answer = xdlms.ActionResponse(invoke, outcome)
        if len(answer.encode()) <= self.room or not isinstance(outcome.returned, bytes):
            return answer
        # The blocks hold the bare return value: so do the stacks in the field, though the standard can be read
        # as putting the result before it.
        return self._long_action(invoke, outcome.returned)

    def _acted_list(self, invoke: Invoke, methods: tuple[MethodDescriptor, ...], data: tuple[bytes, ...]) -> Service:
        outcomes = (
            self._invoke(method, None if value == b"\x00" else value)
            for method, value in zip(methods, data, strict=True)
        )
        answer = xdlms.ActionResponseList(invoke, tuple(outcomes))
        return answer if len(answer.encode()) <= self.room else self._long_action(invoke, answer.body())

    def _long_action(self, invoke: Invoke, contents: bytes) -> Service:
        if Conformance.BLOCK_TRANSFER_ACTION not in self.conformance:
            return xdlms.ActionResponse(invoke, Outcome(ActionResult.SUCCESS, DataAccessResult.OTHER_REASON))
        self._answer = _LongAnswer(xdlms.ActionResponseBlock, memoryview(contents))
        return self._next_block(invoke, self._answer)

    def _action_next(self, request: xdlms.ActionRequestNext) -> Service:
        going = self._answer
        if going is None or going.service is not xdlms.ActionResponseBlock:
            result = ActionResult.NO_LONG_ACTION_IN_PROGRESS
        elif request.block != going.block:
            result = ActionResult.LONG_ACTION_ABORTED
        else:
            return self._next_block(request.invoke, going)
        self._answer = None
        return xdlms.ActionResponse(request.invoke, Outcome(result))

    def _action_first(self, request: xdlms.ActionRequestFirstBlock | xdlms.ActionRequestListFirstBlock) -> Service:
        self._request = _LongRequest(request, bytearray())
        return self._action_take(request, self._request)

    def _action_block(self, request: xdlms.ActionRequestBlock) -> Service:
        going = self._request
        if going is None or going.opening.head[0] != 0xC3:
            return xdlms.ActionResponse(request.invoke, Outcome(ActionResult.NO_LONG_ACTION_IN_PROGRESS))
        return self._action_take(request, going)

    def _action_take(
        self,
        request: xdlms.ActionRequestFirstBlock | xdlms.ActionRequestListFirstBlock | xdlms.ActionRequestBlock,
        going: _LongRequest,
    ) -> Service:
        opening = going.opening
        wrong = _take(going, request.last, request.block, request.raw)
        if wrong is None and not request.last:
            return xdlms.ActionResponseNext(request.invoke, request.block)
        self._request = None
        if wrong is not None:
            return xdlms.ActionResponse(request.invoke, Outcome(ActionResult.LONG_ACTION_ABORTED))
        if isinstance(opening, xdlms.ActionRequestListFirstBlock):
            values = _values(going.contents, len(opening.methods))
            if values is not None:
                return self._acted_list(request.invoke, opening.methods, values)
        elif isinstance(opening, xdlms.ActionRequestFirstBlock):
            data = _one_value(going.contents)
            if data is not None:
                return self._acted(request.invoke, self._invoke(opening.method, data))
        return xdlms.ActionResponse(request.invoke, Outcome(ActionResult.TYPE_UNMATCHED))


def _plain(selection: Selection | None) -> tuple[int, bytes] | None:
    return None if selection is None else (selection.selector, selection.parameters)


def _dar(error: MeterError) -> DataAccessResult:
    match error:
        case DataAccessError(result=result):
            return DataAccessResult(result)
        case DecodeError():
            return DataAccessResult.TYPE_UNMATCHED
    return DataAccessResult.OTHER_REASON


def _take(going: _LongRequest, last: bool, block: int, raw: bytes) -> DataAccessResult | None:
    """Add a block -> what is wrong with it, if anything."""
    if block != going.block + 1:
        return DataAccessResult.DATA_BLOCK_NUMBER_INVALID
    # Blocks that bring nothing could come for ever. A first block may be empty: long descriptors leave no room in it.
    if (not raw and not last and block > 1) or len(going.contents) + len(raw) > MAX_LONG_REQUEST:
        return DataAccessResult.LONG_SET_ABORTED
    going.block = block
    going.contents += raw
    return None


def _one_value(contents: bytearray) -> bytes | None:
    """The contents, if they are exactly one Data."""
    data = bytes(contents)
    try:
        return data if axdr.end_of(data) == len(data) else None
    except DecodeError:
        return None


def _values(contents: bytearray, count: int) -> tuple[bytes, ...] | None:
    """The contents, if they are exactly a list of ``count`` Data."""
    reader = Reader(bytes(contents))
    try:
        values = reader.data_list()
        reader.finish()
    except DecodeError:
        return None
    return values if len(values) == count else None


# What was negotiated, and the method that serves it. The key is the type of the argument, which no type can say.
_HANDLERS: dict[type, tuple[Conformance, Callable[[ApplicationServer, Any], Service]]] = {
    xdlms.GetRequest: (Conformance.GET, ApplicationServer._get),
    xdlms.GetRequestNext: (Conformance.GET | Conformance.BLOCK_TRANSFER_GET, ApplicationServer._get_next),
    xdlms.GetRequestList: (Conformance.GET | Conformance.MULTIPLE_REFERENCES, ApplicationServer._get_list),
    xdlms.SetRequest: (Conformance.SET, ApplicationServer._set),
    xdlms.SetRequestList: (Conformance.SET | Conformance.MULTIPLE_REFERENCES, ApplicationServer._set_list),
    xdlms.SetRequestFirstBlock: (Conformance.SET | Conformance.BLOCK_TRANSFER_SET, ApplicationServer._set_first),
    xdlms.SetRequestListFirstBlock: (
        Conformance.SET | Conformance.BLOCK_TRANSFER_SET | Conformance.MULTIPLE_REFERENCES,
        ApplicationServer._set_first,
    ),
    xdlms.SetRequestBlock: (Conformance.SET | Conformance.BLOCK_TRANSFER_SET, ApplicationServer._set_next),
    xdlms.ActionRequest: (Conformance.ACTION, ApplicationServer._action),
    xdlms.ActionRequestNext: (Conformance.ACTION | Conformance.BLOCK_TRANSFER_ACTION, ApplicationServer._action_next),
    xdlms.ActionRequestList: (Conformance.ACTION | Conformance.MULTIPLE_REFERENCES, ApplicationServer._action_list),
    xdlms.ActionRequestFirstBlock: (
        Conformance.ACTION | Conformance.BLOCK_TRANSFER_ACTION,
        ApplicationServer._action_first,
    ),
    xdlms.ActionRequestListFirstBlock: (
        Conformance.ACTION | Conformance.BLOCK_TRANSFER_ACTION | Conformance.MULTIPLE_REFERENCES,
        ApplicationServer._action_first,
    ),
    xdlms.ActionRequestBlock: (Conformance.ACTION | Conformance.BLOCK_TRANSFER_ACTION, ApplicationServer._action_block),
}
_CONTINUATIONS = (
    xdlms.GetRequestNext,
    xdlms.SetRequestBlock,
    xdlms.ActionRequestNext,
    xdlms.ActionRequestBlock,
)
