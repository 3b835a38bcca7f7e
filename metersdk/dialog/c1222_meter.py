"""ANSI C12.22, the meter's side: messages in, messages out, over the PSEM state machine of ``psem_meter``."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from metersdk.apdu.c1222 import Control, Message, ResponseControl, SecurityMode
from metersdk.apdu.c1222_services import SESSION_CONTROL
from metersdk.apdu.c1222_titles import NETWORK, ApTitle
from metersdk.apdu.keys import Counter, RisingCounter, Secret
from metersdk.apdu.psem import Feature, Identification, Refusal, Response, Service, decode_answer
from metersdk.dialog.psem_meter import Intercept, PsemRules, PsemServer, Stage, TableDevice
from metersdk.effects import Dialog, Emit, Now, Receive, Send, Sleep, State
from metersdk.errors import DecodeError, Finding, FrameError, SecurityError
from metersdk.frame.buffer import ReceiveBuffer
from metersdk.frame.c1222 import take_message

# What a node of C12.22 agrees to: packets and speed are not its business.
RULES: Final = PsemRules(negotiates=False, disconnects=True, sessionless=True, too_large=Response.RSTL)
# Clients of one connection that are told apart; the one that was silent longest is forgotten first.
_MOST_CLIENTS: Final = 64
_PATIENCE: Final = 3600.0
_STANDARD: Final = 3
_NUMBER_SIZE: Final = 4
# Sessions, and tables without one.
_SESSIONS: Final = 0x81
_LAST_NUMBER: Final = 0x3FFF_FFFF

# (IV, number) of the last request that was believed, by ApTitle of its sender and key id.
Accepted = dict[tuple[str, int], tuple[int, int]]


@dataclass(frozen=True)
class C1222Meter:
    """A meter as a node of a network.

    Attributes:
        title: own ApTitle; a message for another one is refused (uat). None: whatever it says.
        keys: keys of 16 octets by their numbers.
        security: requests with less are refused (sme).
        vectors: initialisation vectors of its answers.
        network: what relative ApTitles are below.
        datagram: each message is one datagram.
        max_message: octets of a message at most; longer requests are refused (rqtl), longer answers, too (rstl).
        idle: seconds without a word after which a session ends, unless Logon asks for less.
        rules: what is agreed to.
        accepted: the last request that was believed of each sender; shared by all connections of one meter.
        reaction: seconds between a request and its answer.
    """

    title: ApTitle | None = None
    keys: Mapping[int, Secret] = field(default_factory=dict, repr=False)
    security: SecurityMode = SecurityMode.CLEAR
    vectors: Counter = field(default_factory=lambda: RisingCounter(1), repr=False)
    network: ApTitle = NETWORK
    datagram: bool = False
    max_message: int = 8192
    idle: float = 60.0
    rules: PsemRules = RULES
    accepted: Accepted = field(default_factory=dict)
    reaction: float = 0.0


def serve_c1222(
    device: TableDevice,
    settings: C1222Meter | None = None,
    buffer: ReceiveBuffer | None = None,
    *,
    intercept: Intercept | None = None,
) -> Dialog[None]:
    """Be a meter on one connection, or towards one sender of datagrams, until the port closes.

    A stream that holds no message ends it; the connection is of no more use.

    Args:
        device: its tables.
        settings: keys, titles and limits.
        buffer: the octets of the connection.
        intercept: responses in the place of answers, for faults.

    Raises:
        FrameError, LimitExceeded: the stream holds no message.
    """
    yield from _Node(device, settings or C1222Meter(), buffer or ReceiveBuffer(), intercept).run()


@dataclass
class _Client:
    """What is known of one sender."""

    server: PsemServer
    heard: float = 0.0
    idle: float = 0.0
    rest: float = 0.0
    key_id: int = 0
    iv: int = 0
    request: bytes = b""
    answer: bytes | None = None


class _Node:
    def __init__(
        self, device: TableDevice, settings: C1222Meter, buffer: ReceiveBuffer, intercept: Intercept | None
    ) -> None:
        self._device = device
        self._settings = settings
        self._buffer = buffer
        self._intercept = intercept
        self._clients: OrderedDict[str, _Client] = OrderedDict()
        self._number = 0
        self._iv = settings.vectors.next() if settings.keys else 0

    def run(self) -> Dialog[None]:
        while True:
            octets = yield from self._next()
            answer = yield from self._serve(octets)
            if answer is not None:
                if self._settings.reaction:
                    yield Sleep(self._settings.reaction)
                yield Send(answer)

    def _next(self) -> Dialog[bytes]:
        while True:
            if not self._settings.datagram:
                octets = take_message(self._buffer)
                if octets is not None:
                    return octets
            data: bytes = yield Receive(_PATIENCE)
            if not self._settings.datagram:
                self._buffer.feed(data)
            elif data:
                return data

    def _serve(self, octets: bytes) -> Dialog[bytes | None]:
        """The answer to one message; None where there is none."""
        settings = self._settings
        try:
            message = Message.decode(octets)
        except (DecodeError, FrameError) as error:
            yield from self._note("c1222-no-message", error.message)
            return None
        if message.called_id is not None:
            # Two nodes that answered each other's answers would never end.
            yield from self._note("c1222-no-message", f"an answer to request {message.called_id}, and none was made")
            return None
        if not self._is_mine(message):
            return self._refusal(message, Response.UAT)
        if message.segment:
            return self._refusal(message, Response.SGNP)
        client = yield from self._client(message)
        if octets == client.request and message.calling_id is not None:
            # The answer was lost: it is given again, and nothing is carried out twice.
            yield from self._note("c1222-repeated", f"request {message.calling_id} came again")
            return client.answer
        try:
            plain = self._proved(message, client)
        except SecurityError as error:
            yield from self._note("c1222-unproved", error.message)
            return self._refusal(message, Response.SME)
        if message.control.security is not SecurityMode.CLEAR and not self._is_fresh(plain):
            yield from self._note("c1222-replay", f"request {message.calling_id} is older than the last one")
            return None
        yield from self._heard(client, message)
        client.key_id, client.iv = plain.key_id or 0, plain.iv or 0
        client.request, client.answer = octets, None
        if len(octets) > settings.max_message:
            answers = [Refusal(Response.RQTL, settings.max_message.to_bytes(4, "big")).encode()]
        else:
            answers = self._carried_out(plain, message.control.security, client)
        client.answer = self._answered(plain, answers, message.control.security)
        return client.answer

    # --- who asks ---

    def _is_mine(self, message: Message) -> bool:
        if message.called is None or self._settings.title is None:
            return True
        network = self._settings.network
        return message.called.within(message.context or network) == self._settings.title.within(network)

    def _client(self, message: Message) -> Dialog[_Client]:
        """The sender, by its ApTitle, or a new one; a session that was left alone too long is over."""
        now: float = yield Now()
        client = self._clients.get(self._name(message))
        if client is None:
            return _Client(PsemServer(self._device, self._settings.rules, intercept=self._intercept))
        if client.server.stage is Stage.SESSION and client.idle and now - client.heard >= client.idle + client.rest:
            client.server.reset()
            yield Emit(State("timed-out", "no message for the idle time-out: the session is over"))
        return client

    def _heard(self, client: _Client, message: Message) -> Dialog[None]:
        """Keep a sender that is believed: what anybody can send ends no session of others, and keeps none alive."""
        client.heard = yield Now()
        client.rest = 0.0
        name = self._name(message)
        self._clients[name] = client
        self._clients.move_to_end(name)
        if len(self._clients) > _MOST_CLIENTS:
            self._clients.popitem(last=False)[1].server.reset()

    def _name(self, message: Message) -> str:
        base = message.context or self._settings.network
        return "" if message.calling is None else str(message.calling.within(base))

    # --- what is proved ---

    def _proved(self, message: Message, client: _Client) -> Message:
        """In clear, with the key id and the vector that it was proved with: its own, or those of the session."""
        if message.control.security < self._settings.security:
            raise SecurityError(f"a request in {message.control.security.name.lower()}", layer="association")
        if message.control.security is SecurityMode.CLEAR:
            return message
        key_id = client.key_id if message.key_id is None else message.key_id
        iv = client.iv if message.iv is None else message.iv
        key = self._settings.keys.get(key_id)
        if key is None:
            raise SecurityError(f"no key {key_id} is known", layer="association")
        return replace(message.opened(key, self._settings.network, key_id=key_id, iv=iv), key_id=key_id, iv=iv)

    def _is_fresh(self, plain: Message) -> bool:
        """No request of a sender is older than the last one that was believed: by its vector, then by its number."""
        name = self._name(plain), plain.key_id or 0
        mark = plain.iv or 0, plain.calling_id or 0
        if mark <= self._settings.accepted.get(name, (-1, -1)):
            return False
        self._settings.accepted[name] = mark
        return True

    # --- answers ---

    def _carried_out(self, plain: Message, mode: SecurityMode, client: _Client) -> list[bytes]:
        """What its requests are answered with, up to the first that is refused: what follows may count on it.

        A password that is right, and goes before something else, has no answer of its own (example 8 of C12.22-2008).
        """
        try:
            requests = plain.services
        except DecodeError:
            requests = (b"",)
        answers: list[bytes] = []
        room = self._settings.max_message - self._overhead(plain, mode)
        for left, request in zip(range(len(requests) - 1, -1, -1), requests, strict=True):
            answer = self._one(request, client, max(1, room)) if request else bytes((Response.ERR,))
            if left and not answer[0] and request[0] == Service.SECURITY:
                continue
            answers.append(answer)
            room -= len(answer) + _NUMBER_SIZE
            if answer[0]:
                break
        if client.server.stage is not Stage.SESSION:
            # A password without a session is good for one message.
            client.server.level = 0
        return answers

    def _answered(self, plain: Message, answers: list[bytes], mode: SecurityMode) -> bytes | None:
        wanted = plain.control.response
        refused = bool(answers and answers[-1][0])
        if wanted is ResponseControl.NEVER or (wanted is ResponseControl.ON_EXCEPTION and not refused):
            return None
        return self._message(plain, tuple(answers), mode)

    def _one(self, request: bytes, client: _Client, room: int) -> bytes:
        reply = client.server.handle(request, room)
        answer, client.rest = reply.answer, reply.wait
        if request[0] == Service.IDENTIFY and not answer[0]:
            return self._identification(answer)
        if request[0] == Service.LOGON and not answer[0]:
            asked = int.from_bytes(answer[1:3], "big")
            client.idle = min(float(asked), self._settings.idle) if asked else self._settings.idle
            return answer[:1] + (int(client.idle).to_bytes(2, "big") if answer[1:] else b"")
        return answer

    def _identification(self, answer: bytes) -> bytes:
        """As the device says, but of this standard, and with what C12.22 tells besides."""
        found = decode_answer(Service.IDENTIFY, answer)
        assert isinstance(found, Identification)
        features = found.features
        if found.feature(SESSION_CONTROL) is None:
            features = (*features, Feature(SESSION_CONTROL, bytes((_SESSIONS,))))
        return replace(found, standard=_STANDARD, features=features, trailing=b"").encode()

    def _refusal(self, message: Message, response: Response) -> bytes | None:
        """In clear: what is refused so, was not proved."""
        if message.control.response is ResponseControl.NEVER:
            return None
        return self._message(message, (Refusal(response).encode(),), SecurityMode.CLEAR)

    def _message(self, asked: Message, answers: tuple[bytes, ...], mode: SecurityMode) -> bytes:
        secured = mode is not SecurityMode.CLEAR
        self._number = self._number + 1 if self._number < _LAST_NUMBER else 1
        message = Message.of(
            answers,
            context=asked.context,
            called=asked.calling,
            called_id=asked.calling_id,
            calling=asked.called or self._settings.title,
            calling_id=self._number,
            key_id=(asked.key_id or 0) if secured else None,
            iv=self._iv if secured else None,
            control=Control(),
        )
        if secured:
            message = message.protected(mode, self._settings.keys[asked.key_id or 0], self._settings.network)
        return message.encode()

    def _overhead(self, asked: Message, mode: SecurityMode) -> int:
        """Octets of an answer without its services, and room for longer lengths."""
        number, self._number = self._number, _LAST_NUMBER - 1
        size = len(self._message(asked, (), mode)) + 16
        self._number = number
        return size

    def _note(self, code: str, text: str) -> Dialog[None]:
        yield Emit(Finding(code, text, "link"))
