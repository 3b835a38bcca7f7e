"""ANSI C12.22, the client's side: one request of PSEM in one message, and the message that answers it.

A request has a number, its calling ApInvocationId, which the answer repeats: what answers another one came late, or
twice, and is dropped with a finding. Over UDP a request that nobody answers is sent again, octet for octet, so that a
meter that has carried it out already can tell; one that writes never is, for not every meter looks.

Under EAX' every answer must prove itself; a message in clear is no answer then, whatever it says.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from hmac import digest
from typing import Final

from metersdk.apdu.c1222 import IV_SIZE, Control, Message, ResponseControl, SecurityMode
from metersdk.apdu.c1222_services import size_allowed
from metersdk.apdu.c1222_titles import NETWORK, ApTitle
from metersdk.apdu.keys import Counter, Secret
from metersdk.apdu.psem import Refusal, Response, Service
from metersdk.apdu.psem_codes import FIRST_REQUEST
from metersdk.effects import Dialog, Emit, Now, Push, Receive, Send
from metersdk.errors import (
    DecodeError,
    Finding,
    FrameError,
    LimitExceeded,
    LocalProtocolError,
    MeterError,
    NoAnswer,
    SecurityError,
)
from metersdk.frame.buffer import ReceiveBuffer
from metersdk.frame.c1222 import MAX_MESSAGE, take_message

KEY_SIZE: Final = 16
# Octets of a message at most: over UDP what needs no fragments.
MAX_STREAM: Final = 8192
MAX_DATAGRAM: Final = 1232
_LEAST: Final = 128
# An answer has the number of its request besides what a request has, and each of its lengths may be longer.
_ANSWER_EXTRA: Final = 24
# Answered requests whose answers may come once more.
_REMEMBERED: Final = 64
# Messages that came unasked and are kept.
_MAX_PUSHES: Final = 256
_WRITES: Final = frozenset(range(Service.WRITE, Service.WRITE_OFFSET + 1))
_UNKNOWN: Final = "whether the meter carried it out is not known: read it back before trying again"
_LAST_ID: Final = 0x3FFF_FFFF
# Four octets each, so that no message is longer than another one.
_FIRST_ID: Final = 0x0100_0000


@dataclass(frozen=True, slots=True)
class C1222Settings:
    """How a meter is spoken to over a network.

    Attributes:
        called: ApTitle of the meter; None leaves it out, as between two nodes of one connection.
        calling: own ApTitle; relays need it, and a meter may know its clients by it.
        security: how requests are protected, and answers at least authenticated.
        key: 16 octets.
        key_id: the number under which the meter knows the key.
        vectors: gives the initialisation vector of a session, each once and rising; the standard wants UTC seconds.
        network: what relative ApTitles are below.
        datagram: each message is one datagram.
        response: seconds for one answer.
        retries: how often a datagram is sent again.
        max_message: octets of a message at most; None: 8192, and 1232 over UDP.
        first_id: where the numbers of the requests begin; None: under a key at a place that the initialisation vector
            gives, so that no answer on record of an earlier session has the number of a request of this one.
        recovery: ask for a recovery session.
        ed_class: four octets, or none.
    """

    called: ApTitle | None = None
    calling: ApTitle | None = None
    security: SecurityMode = SecurityMode.CLEAR
    key: Secret | None = field(default=None, repr=False)
    key_id: int = 0
    vectors: Counter | None = field(default=None, repr=False, compare=False)
    network: ApTitle = NETWORK
    datagram: bool = False
    response: float = 5.0
    retries: int = 2
    max_message: int | None = None
    first_id: int | None = None
    recovery: bool = False
    ed_class: bytes = b""

    def __post_init__(self) -> None:
        if self.security is not SecurityMode.CLEAR:
            if self.key is None or len(self.key) != KEY_SIZE:
                raise LocalProtocolError(
                    f"C12.22 needs a key of {KEY_SIZE} octets for this security", layer="association", hint="give keys"
                )
            if self.vectors is None:
                raise LocalProtocolError("C12.22 needs initialisation vectors for this security", layer="association")
        if not 0 <= self.key_id <= 0xFF:
            raise LocalProtocolError(f"key_id={self.key_id}: 0 to 255")
        if not _LEAST <= self.limit <= MAX_MESSAGE:
            raise LocalProtocolError(f"messages of {self.limit} octets: {_LEAST} to {MAX_MESSAGE} are possible")
        if self.first_id is not None and not 0 <= self.first_id <= _LAST_ID:
            raise LocalProtocolError(f"first_id={self.first_id}: 0 to {_LAST_ID}")

    @property
    def limit(self) -> int:
        """Octets of a message at most."""
        return self.max_message or (MAX_DATAGRAM if self.datagram else MAX_STREAM)


class C1222Transport:
    """Requests and answers of one client of one meter. A ``Transport`` of ``metersdk.dialog.psem_services``.

    Attributes:
        next_id: number of the next request.
        idle: seconds without a word after which the meter ends the session, once it has said so; 0: it never does.
        findings: what was tolerated, each code once; each is emitted, too.
        pushes: messages that came unasked, as octets.
    """

    def __init__(self, settings: C1222Settings, buffer: ReceiveBuffer | None = None) -> None:
        self.settings = settings
        self.idle: int | None = None
        self.findings: list[Finding] = []
        self.pushes: deque[bytes] = deque(maxlen=_MAX_PUSHES)
        self._buffer = buffer if buffer is not None else ReceiveBuffer()
        self._datagrams: deque[bytes] = deque()
        self._answered: deque[int] = deque(maxlen=_REMEMBERED)
        self._limit = settings.limit
        secured = settings.security is not SecurityMode.CLEAR
        # One for the session, as the standard has it: what makes messages differ is their number.
        self._iv = settings.vectors.next() if secured and settings.vectors is not None else None
        self.next_id = _first_id(settings, self._iv) if settings.first_id is None else settings.first_id
        # What the meter last used: in a session it need not tell it each time.
        self._peer_iv: int | None = None
        self._overhead = len(self._made(b"", ResponseControl.ALWAYS)) + _ANSWER_EXTRA

    @property
    def max_payload(self) -> int:
        """Octets of one request or answer at most."""
        return max(1, self._limit - self._overhead)

    def request(self, payload: bytes, timeout: float | None = None) -> Dialog[bytes]:
        """Send one request; its answer.

        Raises:
            NoAnswer: none in time; over UDP after all repeats. Not retryable for what writes: it may be carried out.
            SecurityError: the answer is not protected, or its MAC is wrong.
            DecodeError, FrameError, LimitExceeded: what came is no message.
        """
        if len(payload) > self.max_payload:
            raise LocalProtocolError(f"{len(payload)} octets do not fit a message of {self._limit}")
        octets, number = self._made(payload, ResponseControl.ALWAYS), self._count()
        wait = self.settings.response if timeout is None else timeout
        harmless = bool(payload) and payload[0] not in _WRITES
        retries = self.settings.retries if self.settings.datagram and harmless else 0
        for attempt in range(retries + 1):
            if attempt:
                text = f"no answer: request {number} was sent again, {attempt} of {retries}"
                yield from self._note("c1222-repeated", text)
                self._buffer.counts.repeats += 1
            yield Send(octets)
            try:
                answer = yield from self._answer(number, wait)
            except NoAnswer as silence:
                if attempt < retries:
                    continue
                if not harmless:
                    silence.retryable, silence.hint = False, _UNKNOWN
                raise
            self._answered.append(number)
            self._buffer.counts.good += 1
            yield from self._learn(payload, answer)
            return answer
        raise AssertionError("a request is sent at least once")

    def notify(self, payload: bytes) -> Dialog[None]:
        """Send a request that is not to be answered."""
        octets = self._made(payload, ResponseControl.NEVER)
        self._count()
        yield Send(octets)

    # --- sending ---

    def _count(self) -> int:
        number = self.next_id
        self.next_id = number + 1 if number < _LAST_ID else _FIRST_ID
        return number

    def _made(self, payload: bytes, response: ResponseControl) -> bytes:
        settings = self.settings
        secured = self._iv is not None
        message = Message.of(
            (payload,),
            ed_class=settings.ed_class,
            called=settings.called,
            calling=settings.calling,
            calling_id=self.next_id,
            key_id=settings.key_id if secured else None,
            iv=self._iv,
            control=Control(response=response, recovery=settings.recovery),
        )
        if secured and settings.key is not None:
            message = message.protected(settings.security, settings.key, settings.network)
        return message.encode()

    # --- receiving ---

    def _answer(self, number: int, wait: float) -> Dialog[bytes]:
        """The answer to request ``number``; what is none is dropped with a finding."""
        now: float = yield Now()
        deadline = now + wait
        problem: MeterError | None = None
        while True:
            while (octets := self._next()) is not None:
                try:
                    answer = yield from self._read(octets, number)
                except MeterError as error:
                    if not self.settings.datagram:
                        raise
                    # Anybody may send to a UDP port. Where nothing better comes, it was the answer after all.
                    problem = error
                    yield from self._note("c1222-datagram", f"a datagram was dropped: {error.message}")
                    continue
                if answer is not None:
                    return answer
            now = yield Now()
            if now >= deadline:
                raise problem or NoAnswer(
                    f"request {number} was not answered",
                    layer="link",
                    state="c1222",
                    retryable=True,
                    hint="check ApTitles, key and port; a meter answers no request that it cannot prove",
                )
            data: bytes = yield Receive(deadline - now)
            if not self.settings.datagram:
                self._buffer.feed(data)
            elif data:
                self._datagrams.append(data)

    def _next(self) -> bytes | None:
        if self.settings.datagram:
            return self._datagrams.popleft() if self._datagrams else None
        try:
            return take_message(self._buffer)
        except (FrameError, LimitExceeded):
            self._buffer.counts.bad += 1
            raise

    def _read(self, octets: bytes, number: int) -> Dialog[bytes | None]:
        """The answer in a message, or None if it is not that of request ``number``."""
        message = Message.decode(octets)
        if message.called_id is None and not self._is_tolerable(message, number):
            self.pushes.append(octets)
            yield from self._note("c1222-push", "a message came unasked; it is kept")
            yield Emit(Push(octets))
            return None
        if message.called_id not in (None, number):
            twice = message.called_id in self._answered
            code, what = ("c1222-duplicate", "came twice") if twice else ("c1222-late", "is waited for no longer")
            yield from self._note(code, f"the answer to request {message.called_id} {what}; it was dropped")
            return None
        if (text := self._wrong_titles(message)) is not None:
            yield from self._note("c1222-title", f"{text}; the message was dropped")
            return None
        if message.segment:
            raise DecodeError(
                "the answer comes in segments, which are not joined",
                layer="apdu",
                hint="ask for less at once: max_message",
            )
        plain = self._proved(message)
        services = plain.services
        if not services:
            raise DecodeError("the answer has no service in it", layer="apdu", state="c1222")
        if message.called_id is None:
            yield from self._note("c1222-called-id", "the answer does not say which request it answers")
        if len(services) > 1:
            yield from self._note("c1222-services", f"{len(services)} answers came to one request; the first counts")
        if self.settings.security > message.control.security:
            yield from self._note("c1222-less-protected", "the answer is authenticated only, the request was ciphered")
        return services[0]

    def _is_tolerable(self, message: Message, number: int) -> bool:
        """In clear, an answer that repeats the number as its own (seen in published captures)."""
        if message.calling_id != number or message.control.security is not SecurityMode.CLEAR:
            return False
        return any(service[0] < FIRST_REQUEST for service in message.services[:1])

    def _wrong_titles(self, message: Message) -> str | None:
        base = message.context or self.settings.network
        for name, have, want in (
            ("from", message.calling, self.settings.called),
            ("for", message.called, self.settings.calling),
        ):
            if have is not None and want is not None and have.within(base) != want.within(self.settings.network):
                return f"an answer {name} {have}, not {want}"
        return None

    def _proved(self, message: Message) -> Message:
        """The message with its services in clear.

        Raises:
            SecurityError: it is not protected as the request was, or not by this key.
        """
        settings, mode = self.settings, message.control.security
        if mode is SecurityMode.CLEAR:
            if self._iv is None:
                return message
            code = next((service[0] for service in message.services), 0)
            refused = f"refused the request ({Response(code).describe}) and said so" if code else "answered"
            raise SecurityError(
                f"the meter {refused} in clear, where {settings.security.name.lower()} was asked for",
                layer="association",
                hint="check key, key_id and the clock of this computer; nothing that comes in clear is believed",
            )
        if settings.key is None:
            raise SecurityError(
                f"the answer is {mode.name.lower()} under key {message.key_id or 0}",
                layer="association",
                hint="give keys",
            )
        if message.key_id not in (None, settings.key_id):
            raise SecurityError(
                f"the answer is under key {message.key_id}, the request was under key {settings.key_id}",
                layer="association",
                hint="check key_id",
            )
        known = self._peer_iv if self._peer_iv is not None else self._iv
        plain = message.opened(settings.key, settings.network, key_id=settings.key_id, iv=known or 0)
        self._peer_iv = known if message.iv is None else message.iv
        return plain

    def _learn(self, payload: bytes, answer: bytes) -> Dialog[None]:
        """What an answer tells about sizes and times."""
        if payload[:1] == bytes((Service.LOGON,)) and answer[:1] == b"\0" and len(answer) == 3:
            self.idle = int.from_bytes(answer[1:], "big")
        if answer[0] in (Response.RQTL, Response.RSTL):
            most = size_allowed(Refusal(Response(answer[0]), answer[1:]))
            if most is not None and _LEAST <= most < self._limit:
                self._limit = most
                yield from self._note("c1222-size", f"the meter takes and sends at most {most} octets at once")

    def _note(self, code: str, text: str) -> Dialog[None]:
        if not any(finding.code == code for finding in self.findings):
            finding = Finding(code, text, "link")
            self.findings.append(finding)
            yield Emit(finding)


def _first_id(settings: C1222Settings, iv: int | None) -> int:
    """An answer proves which number it answers, and not which vector: the number is what must not come again."""
    if iv is None or settings.key is None:
        return _FIRST_ID
    place = digest(bytes(settings.key), b"first ApInvocationId" + iv.to_bytes(IV_SIZE, "big"), "sha256")
    return _FIRST_ID + int.from_bytes(place[:8], "big") % (_LAST_ID - _FIRST_ID + 1)
