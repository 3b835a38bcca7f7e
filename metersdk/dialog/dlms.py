"""The client's side of GET, SET and ACTION over an association (IEC 62056-5-3, long transfers in clause 7.3.1.8 ff.).

Every function is a dialog: it yields effects and returns encoded ``Data``. Long transfers are checked block by block:
the numbers run 1, 2, 3 .., a block that is not the last holds at least one octet, and the total is bounded. An answer
with another invoke id is a late one: it is dropped, and the right one waited for. After any error the association can
be used again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol, TypeVar

from metersdk import errors
from metersdk.apdu import axdr, xdlms
from metersdk.apdu.initiate import Conformance
from metersdk.apdu.results import SERVICE_ERROR_HINTS, ActionResult, DataAccessResult
from metersdk.apdu.xdlms import AttributeDescriptor, Invoke, Item, MethodDescriptor, Outcome, Selection
from metersdk.apdu.xdlms_parts import Reader
from metersdk.effects import Dialog, Effect, Emit, Progress
from metersdk.errors import DataAccessError, DecodeError, Finding, LimitExceeded, LocalProtocolError, MeterError

# Whole-value bound: a year of 15-minute rows with 20 columns is about 5 MiB, the largest firmware images are some MiB.
MAX_VALUE = 64 * 1024 * 1024

# Invoke ids have four bits: after that many foreign answers in a row the peer is not talking to us.
LATE_ANSWERS = 16

# Largest list of one request: its count fits one octet, which every meter reads.
MAX_LIST = 127

OnBlock = Callable[[bytes], Iterable[Effect] | None]
"""Called with the contents of each block, in order; the effects it returns (``Emit``) are carried out."""

T = TypeVar("T")


class Exchange(Protocol):
    """What the services need of an association."""

    @property
    def conformance(self) -> Conformance:
        """Services that were proposed and answered."""

    @property
    def max_pdu_server(self) -> int:
        """Largest APDU the server takes, octets; 0 = no limit."""

    @property
    def max_pdu_client(self) -> int:
        """Largest APDU this client takes, octets; 0 = no limit."""

    @property
    def overhead(self) -> int:
        """Octets that protection adds to an APDU at most; 0 on a plain association."""

    def next_invoke(self) -> Invoke:
        """Invoke id and priority for a new request."""

    def exchange(self, apdu: bytes) -> Dialog[bytes]:
        """Send one plain APDU, return the plain answer, within the total time of one exchange. Pushes are set aside."""

    def receive(self) -> Dialog[bytes]:
        """Wait for one more answer under the deadline of the last ``exchange``."""


# --- GET -------------------------------------------------------------------------------------------------------------


def get(
    ex: Exchange,
    class_id: int,
    obis: bytes,
    attribute: int,
    selection: Selection | None = None,
    on_block: OnBlock | None = None,
    limit: int = MAX_VALUE,
) -> Dialog[bytes]:
    """Read one attribute -> its encoded Data.

    Emits ``Progress`` in octets while blocks arrive, or whatever ``on_block`` returns instead.

    Raises:
        DataAccessError, ExceptionResponse, ConfirmedServiceError: the meter refused.
        DecodeError: block numbers out of step, an answer of another service, a value that is no Data.
        LimitExceeded: empty blocks without end, or more than ``limit`` octets.
    """
    pieces: list[bytes] = []
    octets = 0

    def keep(raw: bytes) -> Iterable[Effect] | None:
        nonlocal octets
        pieces.append(raw)
        octets += len(raw)
        return (Emit(Progress(octets, None, "octets")),) if on_block is None else on_block(raw)

    yield from stream(ex, class_id, obis, attribute, selection, keep, limit)
    data = b"".join(pieces)
    if axdr.end_of(data) != len(data):
        raise DecodeError(f"octets after the value of {_name(class_id, obis, attribute)}", layer="apdu", data=data)
    return data


def stream(
    ex: Exchange,
    class_id: int,
    obis: bytes,
    attribute: int,
    selection: Selection | None,
    on_block: OnBlock,
    limit: int = MAX_VALUE,
) -> Dialog[int]:
    """Like ``get``, but keeps nothing: ``on_block`` sees each piece as it arrives. Returns the number of octets."""
    what = _name(class_id, obis, attribute)
    invoke = ex.next_invoke()
    request = xdlms.GetRequest(invoke, AttributeDescriptor(class_id, obis, attribute), selection)
    answer = yield from _ask(ex, request)
    match answer:
        case xdlms.GetResponse(data=bytes(data)):
            yield from _hand(on_block, data)
            return len(data)
        case xdlms.GetResponse(result=result):
            raise data_access_error(result, what)
        case xdlms.GetResponseBlock():
            return (yield from _get_blocks(ex, invoke, answer, on_block, what, limit))
    raise _unexpected(answer, "GET")


def get_list(ex: Exchange, items: Sequence[Item], *, singly: bool = False) -> Dialog[list[bytes | DataAccessResult]]:
    """Read several attributes -> for each its encoded Data or its result, in order.

    GET with list where it was negotiated, split so that no request is longer than the meter takes; one by one
    otherwise, or where the meter refuses the list as such or garbles its answer. ``singly`` is for meters that answer
    lists wrongly.
    """
    results: list[bytes | DataAccessResult] = []
    for group in _get_groups(ex, items, singly):
        if len(group) > 1 and not singly:
            try:
                results += yield from _get_group(ex, group)
                continue
            except (errors.ServiceError, DecodeError) as refused:
                # A widespread server refuses a list with `C4 03 inv n 03`: a count, and one result without its choice.
                yield from _note(
                    "get-with-list-refused", f"GET with list was not answered ({refused.message}); read one by one"
                )
                singly = True
        results += yield from _get_singly(ex, group)
    return results


def _get_groups(ex: Exchange, items: Sequence[Item], singly: bool) -> Iterator[Sequence[Item]]:
    if singly or Conformance.MULTIPLE_REFERENCES not in ex.conformance:
        yield from ((item,) for item in items)
        return
    room = _room(ex) - len(b"\xc0\x03\xc1\x7f")
    group: list[Item] = []
    size = 0
    for item in items:
        attribute, selection = item
        octets = len(xdlms.GetRequest(Invoke(), attribute, selection).body())
        if group and (size + octets > room or len(group) == MAX_LIST):
            yield tuple(group)
            group, size = [], 0
        group.append(item)
        size += octets
    if group:
        yield tuple(group)


def _get_singly(ex: Exchange, items: Sequence[Item]) -> Dialog[list[bytes | DataAccessResult]]:
    results: list[bytes | DataAccessResult] = []
    for attribute, selection in items:
        try:
            one: bytes | DataAccessResult = yield from get(
                ex, attribute.class_id, attribute.obis, attribute.attribute, selection
            )
        except DataAccessError as refusal:
            one = DataAccessResult(refusal.result)
        results.append(one)
    return results


def _get_group(ex: Exchange, items: Sequence[Item]) -> Dialog[tuple[bytes | DataAccessResult, ...]]:
    invoke, what = ex.next_invoke(), f"list of {len(items)} attributes"
    answer = yield from _ask(ex, xdlms.GetRequestList(invoke, tuple(items)))
    match answer:
        case xdlms.GetResponseList(results=results):
            pass
        case xdlms.GetResponse(data=None, result=result):
            raise data_access_error(result, what)
        case xdlms.GetResponseBlock():
            pieces: list[bytes] = []
            yield from _get_blocks(ex, invoke, answer, pieces.append, what, MAX_VALUE)
            joined = xdlms.decode(xdlms.GetResponseList.head + invoke.encode() + b"".join(pieces))
            results = joined.results if isinstance(joined, xdlms.GetResponseList) else ()
        case _:
            raise _unexpected(answer, "GET with list")
    if len(results) != len(items):
        raise DecodeError(f"{len(results)} results for a {what}", layer="apdu")
    return results


def _get_blocks(
    ex: Exchange, invoke: Invoke, first: xdlms.GetResponseBlock, on_block: OnBlock, what: str, limit: int
) -> Dialog[int]:
    answer: xdlms.Service = first
    check = _Blocks(what, limit)
    while True:
        match answer:
            case xdlms.GetResponseBlock(raw=bytes(raw), last=last, block=number):
                check.take(number, last, raw)
            case xdlms.GetResponseBlock(result=result) | xdlms.GetResponse(data=None, result=result):
                raise data_access_error(result, what)
            case _:
                raise _unexpected(answer, "GET, next block")
        yield from _hand(on_block, raw)
        if last:
            return check.octets
        answer = yield from _ask(ex, xdlms.GetRequestNext(invoke, number))


class _Blocks:
    """The rules for the blocks of one long answer."""

    def __init__(self, what: str, limit: int) -> None:
        self.what = what
        self.limit = limit
        self.expected = 1
        self.octets = 0

    def take(self, number: int, last: bool, raw: bytes) -> None:
        if number != self.expected:
            raise DecodeError(
                f"block {number} of {self.what} where block {self.expected} is next",
                layer="apdu",
                hint="repeat the request; if it comes back, read less at once",
            )
        if not raw and not last:
            raise LimitExceeded(f"block {number} of {self.what} is empty and not the last", layer="apdu")
        self.expected += 1
        self.octets += len(raw)
        if self.octets > self.limit:
            raise LimitExceeded(
                f"{self.what} is longer than {self.limit} octets", layer="apdu", hint="read a smaller range"
            )


# --- SET -------------------------------------------------------------------------------------------------------------


def set_(
    ex: Exchange, class_id: int, obis: bytes, attribute: int, data: bytes, selection: Selection | None = None
) -> Dialog[None]:
    """Write one attribute; ``data`` is encoded Data. In blocks where it is longer than the meter takes at once.

    Raises:
        LocalProtocolError: too long, and block transfer was not negotiated.
        DataAccessError, ExceptionResponse, ConfirmedServiceError: the meter refused.
        DecodeError: acknowledgements out of step, an answer of another service.
    """
    invoke, target = ex.next_invoke(), AttributeDescriptor(class_id, obis, attribute)
    what = _name(class_id, obis, attribute)
    request: xdlms.Service = xdlms.SetRequest(invoke, target, data, selection)
    if fits(ex, request):
        answer = yield from _ask(ex, request)
    else:
        _need(ex, Conformance.BLOCK_TRANSFER_SET, what)

        def first(last: bool, raw: bytes) -> xdlms.Service:
            return xdlms.SetRequestFirstBlock(invoke, target, selection, last, 1, raw)

        answer = yield from _set_blocks(ex, invoke, data, first)
    match answer:
        case xdlms.SetResponse(result=result) | xdlms.SetResponseLastBlock(result=result):
            if result != DataAccessResult.SUCCESS:
                raise data_access_error(result, what)
        case _:
            raise _unexpected(answer, "SET")


def set_list(ex: Exchange, items: Sequence[Item], data: Sequence[bytes]) -> Dialog[list[DataAccessResult]]:
    """Write several attributes -> the result of each. With list, in blocks, or one by one, as negotiated and fits."""
    if len(items) != len(data):
        raise LocalProtocolError(f"{len(items)} attributes and {len(data)} values", layer="apdu")
    if len(items) > 1 and Conformance.MULTIPLE_REFERENCES in ex.conformance:
        invoke, targets = ex.next_invoke(), tuple(items)
        request = xdlms.SetRequestList(invoke, targets, tuple(data))

        def first(last: bool, raw: bytes) -> xdlms.Service:
            return xdlms.SetRequestListFirstBlock(invoke, targets, last, 1, raw)

        whole = fits(ex, request)
        # All descriptors stand in the first block.
        if whole or (Conformance.BLOCK_TRANSFER_SET in ex.conformance and fits(ex, first(False, b""))):
            if whole:
                answer = yield from _ask(ex, request)
            else:
                answer = yield from _set_blocks(ex, invoke, axdr.encode_length(len(data)) + b"".join(data), first)
            return _list_results(answer, len(items))
    results: list[DataAccessResult] = []
    for (target, selection), value in zip(items, data, strict=True):
        try:
            yield from set_(ex, target.class_id, target.obis, target.attribute, value, selection)
        except DataAccessError as refusal:
            results.append(DataAccessResult(refusal.result))
        else:
            results.append(DataAccessResult.SUCCESS)
    return results


def _list_results(answer: xdlms.Service, count: int) -> list[DataAccessResult]:
    match answer:
        case xdlms.SetResponseList(results=results) | xdlms.SetResponseLastBlockList(results=results):
            if len(results) != count:
                raise DecodeError(f"{len(results)} results for a list of {count}", layer="apdu")
            return list(results)
        case xdlms.SetResponse(result=result) | xdlms.SetResponseLastBlock(result=result) if result:
            raise data_access_error(result, f"list of {count} attributes")
    raise _unexpected(answer, "SET with list")


def _set_blocks(
    ex: Exchange, invoke: Invoke, data: bytes, first: Callable[[bool, bytes], xdlms.Service]
) -> Dialog[xdlms.Service]:
    """Send ``data`` in blocks -> the answer to the last, or the first one that is a refusal."""
    for number, last, raw, request in _cut(ex, data, first, lambda *a: xdlms.SetRequestBlock(invoke, *a)):
        answer = yield from _ask(ex, request)
        if last or not isinstance(answer, xdlms.SetResponseBlock):
            break
        _acknowledged(answer.block, number)
        yield Emit(Progress(raw, len(data), "octets"))
    if not last and not _refuses(answer):
        raise _unexpected(answer, "SET, next block")
    return answer


def _refuses(answer: xdlms.Service) -> bool:
    match answer:
        case xdlms.SetResponse(result=result) | xdlms.SetResponseLastBlock(result=result):
            return result != DataAccessResult.SUCCESS
        case xdlms.SetResponseLastBlockList(results=results):
            return any(results)
    return False


# --- ACTION ----------------------------------------------------------------------------------------------------------


def action(ex: Exchange, class_id: int, obis: bytes, method: int, data: bytes | None = None) -> Dialog[bytes | None]:
    """Invoke a method with encoded parameters -> its encoded return value, None if it gives none.

    Raises:
        LocalProtocolError: too long, and block transfer was not negotiated.
        ActionError: an action-result other than success. DataAccessError: success, and an error in place of the value.
        ExceptionResponse, ConfirmedServiceError: the meter refused the service.
        DecodeError, LimitExceeded: as for ``get``.
    """
    invoke, target = ex.next_invoke(), MethodDescriptor(class_id, obis, method)
    what = _name(class_id, obis, method, "method")
    request: xdlms.Service = xdlms.ActionRequest(invoke, target, data)
    if data is None or fits(ex, request):
        answer = yield from _ask(ex, request)
    else:
        _need(ex, Conformance.BLOCK_TRANSFER_ACTION, what)

        def first(last: bool, raw: bytes) -> xdlms.Service:
            return xdlms.ActionRequestFirstBlock(invoke, target, last, 1, raw)

        answer = yield from _action_blocks(ex, invoke, data, first)
    match answer:
        case xdlms.ActionResponse(outcome=outcome):
            return _returned(outcome, what)
        case xdlms.ActionResponseBlock():
            raw = yield from _action_answer(ex, invoke, answer, what)
            return raw if isinstance(raw, bytes) else _returned(raw, what)
    raise _unexpected(answer, "ACTION")


def _action_blocks(
    ex: Exchange, invoke: Invoke, data: bytes, first: Callable[[bool, bytes], xdlms.Service]
) -> Dialog[xdlms.Service]:
    for number, last, sent, request in _cut(ex, data, first, lambda *a: xdlms.ActionRequestBlock(invoke, *a)):
        answer = yield from _ask(ex, request)
        if last or not isinstance(answer, xdlms.ActionResponseNext):
            break
        _acknowledged(answer.block, number)
        yield Emit(Progress(sent, len(data), "octets"))
    if not last and not (isinstance(answer, xdlms.ActionResponse) and answer.outcome.result):
        raise _unexpected(answer, "ACTION, next block")
    return answer


def _action_answer(
    ex: Exchange, invoke: Invoke, first: xdlms.ActionResponseBlock, what: str
) -> Dialog[bytes | Outcome]:
    """Fetch the blocks of a long return value.

    Two readings of the standard are on the market: the joined blocks are the bare return value (two stacks), or the
    result and the value as in an unblocked answer. Both are taken: nothing long enough to need blocks reads as both.
    """
    answer: xdlms.Service = first
    pieces: list[bytes] = []
    check = _Blocks(what, MAX_VALUE)
    while True:
        match answer:
            case xdlms.ActionResponseBlock(last=last, block=number, raw=raw):
                check.take(number, last, raw)
                pieces.append(raw)
            case xdlms.ActionResponse(outcome=Outcome(result=result)) if result:
                raise action_error(result, what)
            case _:
                raise _unexpected(answer, "ACTION, next block")
        yield Emit(Progress(check.octets, None, "octets"))
        if last:
            break
        answer = yield from _ask(ex, xdlms.ActionRequestNext(invoke, number))
    joined = b"".join(pieces)
    try:
        if axdr.end_of(joined) == len(joined):
            return joined
    except DecodeError:
        pass
    reader = Reader(joined)
    outcome = Outcome.read(reader)
    reader.finish()
    return outcome


def _returned(outcome: Outcome, what: str) -> bytes | None:
    if outcome.result != ActionResult.SUCCESS:
        raise action_error(outcome.result, what)
    if isinstance(outcome.returned, DataAccessResult):
        if outcome.returned != DataAccessResult.SUCCESS:
            raise data_access_error(outcome.returned, f"the return value of {what}")
        return None
    return outcome.returned


# --- shared ----------------------------------------------------------------------------------------------------------


def data_access_error(result: DataAccessResult, what: str) -> DataAccessError:
    """The exception for a Data-Access-Result."""
    again = result == DataAccessResult.TEMPORARY_FAILURE
    return DataAccessError(
        f"{what}: {result.describe}", result=int(result), layer="apdu", hint=result.hint, retryable=again
    )


def action_error(result: ActionResult, what: str) -> errors.ActionError:
    """The exception for an Action-Result."""
    again = result == ActionResult.TEMPORARY_FAILURE
    return errors.ActionError(
        f"{what}: {result.describe}", result=int(result), layer="apdu", hint=result.hint, retryable=again
    )


def refusal(apdu: bytes) -> errors.ServiceError | None:
    """The exception for an ExceptionResponse or a ConfirmedServiceError; None for any other APDU."""
    if apdu[:1] not in (b"\xd8", b"\x0e"):
        return None
    match xdlms.decode(apdu):
        case xdlms.ExceptionResponse(state, service, counter) as answer:
            return errors.ExceptionResponse(
                f"the meter refused the service: {answer.describe}",
                state_error=state,
                service_error=service,
                invocation_counter=counter,
                layer="apdu",
                data=apdu,
                hint=SERVICE_ERROR_HINTS.get(service, ""),
            )
        case xdlms.ConfirmedServiceError(service, error, value) as answer:
            return errors.ConfirmedServiceError(
                f"the meter refused the service: {answer.describe}",
                service=service,
                error=error,
                value=value,
                layer="apdu",
                data=apdu,
            )
    return None


def _ask(ex: Exchange, request: xdlms.Service) -> Dialog[xdlms.Service]:
    """One request, and the answer with its invoke id."""
    apdu = yield from ex.exchange(request.encode())
    for _ in range(LATE_ANSWERS):
        refused = refusal(apdu)
        if refused is not None:
            raise refused
        answer = xdlms.decode(apdu)
        if not isinstance(answer, xdlms.Service):
            raise _unexpected(answer, type(request).__name__)
        # The id is what a response repeats (5.3, Invoke-Id-And-Priority); some meters clear the other bits.
        if answer.invoke.id == request.invoke.id:
            return answer
        yield from _note(
            "late-answer", f"answer with invoke id {answer.invoke.id} dropped, {request.invoke.id} is awaited"
        )
        apdu = yield from ex.receive()
    raise LimitExceeded(f"{LATE_ANSWERS} answers in a row belong to other requests", layer="apdu")


def _note(code: str, text: str) -> Dialog[None]:
    yield Emit(Finding(code, text, "apdu"))


def _hand(on_block: OnBlock, raw: bytes) -> Dialog[None]:
    yield from on_block(raw) or ()


def _room(ex: Exchange) -> int:
    """Octets a plain request may have."""
    return ex.max_pdu_server - ex.overhead if ex.max_pdu_server else MAX_VALUE


def fits(ex: Exchange, request: xdlms.Service) -> bool:
    """Whether the meter takes this request without blocks."""
    return len(request.encode()) <= _room(ex)


def _need(ex: Exchange, service: Conformance, what: str) -> None:
    if service not in ex.conformance:
        raise LocalProtocolError(
            f"{what}: longer than the {ex.max_pdu_server} octets the meter takes, and no block transfer was negotiated",
            layer="apdu",
        )


def _cut(
    ex: Exchange,
    data: bytes,
    first: Callable[[bool, bytes], xdlms.Service],
    later: Callable[[bool, int, bytes], xdlms.Service],
) -> Iterator[tuple[int, bool, int, xdlms.Service]]:
    """Cut ``data`` into requests that fit -> (block number, last, octets sent with it, request)."""
    number, at = 1, 0
    while True:
        empty = first(False, b"") if number == 1 else later(False, number, b"")
        spare = _room(ex) - len(empty.encode())
        # A first block may be empty, where long descriptors fill the APDU; a later one must bring something.
        if spare < (0 if number == 1 else 1):
            raise LocalProtocolError(f"no block fits into {ex.max_pdu_server} octets", layer="apdu")
        # The length of the contents grows by as many octets as its own length form needs.
        size = max(spare - (len(axdr.encode_length(spare)) - 1), 0)
        raw = data[at : at + size]
        at += len(raw)
        last = at == len(data)
        yield number, last, at, first(last, raw) if number == 1 else later(last, number, raw)
        if last:
            return
        number += 1


def _acknowledged(block: int, number: int) -> None:
    if block != number:
        raise DecodeError(f"the meter acknowledges block {block}, sent was block {number}", layer="apdu")


def _unexpected(answer: object, request: str) -> MeterError:
    return DecodeError(f"{type(answer).__name__} in answer to {request}", layer="apdu")


def _name(class_id: int, obis: bytes, member: int, kind: str = "attribute") -> str:
    return f"class {class_id} {'.'.join(map(str, obis))} {kind} {member}"
