"""Client and application server joined in memory, without association, link and port."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from metersdk.apdu import axdr
from metersdk.apdu.initiate import CLIENT_CONFORMANCE, Conformance
from metersdk.apdu.xdlms import Invoke
from metersdk.dialog.serving import ApplicationServer
from metersdk.effects import Dialog, Emit
from metersdk.errors import ActionError, DataAccessError, Finding, NoAnswer

Handle = Callable[[bytes], bytes | None]


class TableDevice:
    """A device that is a table: attributes by (class, obis, attribute); methods give their parameters back."""

    system_title = b"MSDK0001"
    associations: dict[int, Any] = {}  # noqa: RUF012
    identification = b"/MSD5TABLE\r\n"

    def __init__(self) -> None:
        self.values: dict[tuple[int, bytes, int], bytes] = {}
        self.selections: list[tuple[int, bytes] | None] = []
        self.refuse_selector: dict[int, int] = {}
        self.clients: set[int] = set()
        self.answer: Callable[[tuple[int, bytes, int], tuple[int, bytes]], bytes] | None = None

    def readout(self) -> bytes:
        return b"!\r\n"

    def get(
        self, client: int, class_id: int, obis: bytes, attribute: int, selection: tuple[int, bytes] | None
    ) -> bytes:
        self.clients.add(client)
        self.selections.append(selection)
        key = (class_id, obis, attribute)
        if key not in self.values:
            raise DataAccessError("undefined", result=4)
        if selection is not None:
            if selection[0] in self.refuse_selector:
                raise DataAccessError("refused", result=self.refuse_selector[selection[0]])
            if self.answer is not None:
                return self.answer(key, selection)
        return self.values[key]

    def set(
        self, client: int, class_id: int, obis: bytes, attribute: int, selection: tuple[int, bytes] | None, data: bytes
    ) -> None:
        if attribute == 1:
            raise DataAccessError("logical names are constant", result=3)
        axdr.decode_all(data)
        self.selections.append(selection)
        self.values[class_id, obis, attribute] = data

    def action(self, client: int, class_id: int, obis: bytes, method: int, data: bytes | None) -> bytes | None:
        match method:
            case 1:
                return data
            case 2:
                return None
            case 3 if (class_id, obis, 2) in self.values:
                return self.values[class_id, obis, 2]
        raise ActionError("no such method", result=4)


class MemoryExchange:
    """An Exchange whose other end is a function; ``queued`` are answers that ``receive`` finds."""

    def __init__(self, handle: Handle, conformance: Conformance, max_pdu: int, max_pdu_client: int) -> None:
        self.handle = handle
        self.conformance = conformance
        self.max_pdu_server = max_pdu
        self.max_pdu_client = max_pdu_client
        self.overhead = 0
        self.sent: list[bytes] = []
        self.queued: list[bytes] = []
        self._id = 0

    def next_invoke(self) -> Invoke:
        self._id = (self._id + 1) % 16
        return Invoke(self._id)

    def exchange(self, apdu: bytes) -> Dialog[bytes]:
        assert not self.max_pdu_server or len(apdu) <= self.max_pdu_server
        self.sent.append(apdu)
        answer = self.handle(apdu)
        if answer is None:
            raise NoAnswer("silence")
        assert not self.max_pdu_client or len(answer) <= self.max_pdu_client
        return answer
        yield

    def receive(self) -> Dialog[bytes]:
        if not self.queued:
            raise NoAnswer("silence")
        return self.queued.pop(0)
        yield


class Rig:
    """A device, its server, and a client's exchange with it. ``run`` carries a dialog out and keeps its events."""

    def __init__(self, max_pdu: int = 0, conformance: Conformance = CLIENT_CONFORMANCE) -> None:
        self.device = TableDevice()
        self.server = ApplicationServer(self.device, 16, max_pdu, conformance)
        self.ex = MemoryExchange(self.server.handle, conformance, max_pdu, max_pdu)
        self.events: list[object] = []

    def run(self, dialog: Dialog[Any]) -> Any:
        while True:
            try:
                effect = next(dialog)
            except StopIteration as end:
                return end.value
            assert isinstance(effect, Emit)
            self.events.append(effect.event)

    @property
    def findings(self) -> list[str]:
        """The codes of the findings emitted so far."""
        return [event.code for event in self.events if isinstance(event, Finding)]

    def against(self, handle: Handle) -> Rig:
        """Put something else in the place of the server."""
        self.ex.handle = handle
        return self

    def scripted(self, *answers: bytes) -> Rig:
        """Answer with these, in order; the last one again and again."""
        supply: Iterator[bytes] = iter(answers)
        last = answers[-1]
        return self.against(lambda apdu: next(supply, last))


@pytest.fixture
def rig() -> Callable[..., Rig]:
    """``rig(max_pdu=64, conformance=..)``."""
    return Rig
