"""Messages of ANSI C12.22 in words: titles, security, services."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, replace

from metersdk.apdu import c1222_services as services
from metersdk.apdu.c1222 import NOTIFICATION, TEST, URGENT, Message, ResponseControl, SecurityMode
from metersdk.apdu.c1222_services import ConnectionType, NodeType
from metersdk.apdu.cipher import Keys
from metersdk.apdu.psem import Request, Service
from metersdk.apdu.psem_codes import FIRST_REQUEST, service_of
from metersdk.cli.c1218 import Conversation
from metersdk.cli.layer import Layer
from metersdk.cli.units import Unit

# Messages whose answers are waited for.
_REMEMBERED = 256
_OF_THE_NETWORK = (Service.REGISTER, Service.DEREGISTER, Service.RESOLVE, Service.TRACE)
_QUALIFIERS = {TEST: "test", URGENT: "urgent", NOTIFICATION: "notification"}
_CONTROLS = {ResponseControl.ON_EXCEPTION: "answer on exception only", ResponseControl.NEVER: "no answer wanted"}


@dataclass(frozen=True, slots=True)
class _Asked:
    """One request: its service, and the request itself where it is one of C12.18."""

    service: Service | None
    request: Request | None


class Network:
    """Takes messages apart in their order; answers are read by what was asked.

    Args:
        keys: the encryption key opens what is ciphered, and checks every MAC.
        limit: lines of a table shown at most, None for all.
    """

    def __init__(self, keys: Keys | None, limit: int | None) -> None:
        self._keys = keys
        self._conversation = Conversation(limit)
        self._asked = _Asked(None, None)
        # What was asked in each message, by who asked and its number: answers may come late, or to somebody else.
        self._questions: OrderedDict[tuple[str, int | None], list[_Asked]] = OrderedDict()
        # Of a session: messages after its first need not tell them.
        self._vectors: dict[tuple[str, str], tuple[int, int]] = {}

    def layers(self, unit: Unit) -> Iterator[Layer]:
        """All layers of one message.

        Raises:
            DecodeError: it is none, or what it carries cannot be read.
            SecurityError: the key does not fit.
        """
        # Whatever becomes of it: among its octets may be a password.
        yield Layer("frame", "C12.22 message", f"{len(unit.octets)} octets", secret=True)
        message = Message.decode(unit.octets)
        yield Layer("apdu", "ACSE", _headline(message), _details(message), _content(message))
        if message.segment:
            yield Layer("apdu", "segment", f"AE invocation id {message.segment.hex()}; segments are not joined")
        plain = message
        if message.control.security is not SecurityMode.CLEAR:
            yield self._security(message)
            if self._keys is None and message.control.security is SecurityMode.CIPHERED:
                yield Layer("ciphering", "closed", f"{len(message.body)} octets; --key-file opens them")
                return
            plain = self._opened(message, unit)
        services = _services(plain)
        questions = self._asked_in(message, len(services))
        made: list[_Asked] = []
        for at, service in enumerate(services):
            if at < len(questions):
                self._asked, self._conversation.asked = questions[at], questions[at].request
            yield from self._service(service, unit.masked)
            if service[0] >= FIRST_REQUEST:
                made.append(_Asked(self._asked.service, self._conversation.asked))
                self._remember(message, made)

    def _asked_in(self, message: Message, count: int) -> list[_Asked]:
        """What the services of an answer answer, one by one; nothing where that is not known.

        One answer may be all there is to a password and what was asked behind it (example 8 of C12.22-2008).
        """
        if message.called_id is None:
            return []
        return self._questions.get((str(message.called), message.called_id), [])[-count:]

    def _remember(self, message: Message, made: list[_Asked]) -> None:
        self._questions[str(message.calling), message.calling_id] = made
        if len(self._questions) > _REMEMBERED:
            self._questions.popitem(last=False)

    def _security(self, message: Message) -> Layer:
        name = message.control.security.name.lower()
        key_id, iv = message.key_id, message.iv
        known = f"key {0 if key_id is None else key_id}" if iv is not None else "key and vector of the session"
        vector = "" if iv is None else f", vector {iv}"
        content: dict[str, object] = {"security": name, "key_id": key_id, "iv": iv, "mac": message.mac.hex()}
        checked = "" if self._keys is not None else ", not checked: --key-file does"
        return Layer("ciphering", name, f"{known}{vector}, MAC {message.mac.hex()}{checked}", content=content)

    def _opened(self, message: Message, unit: Unit) -> Message:
        """With the MAC proved where there is a key; nothing of a masked message can be proved."""
        lane = unit.direction, str(message.calling)
        key_id, iv = self._vectors.get(lane, (0, 0))
        key_id = key_id if message.key_id is None else message.key_id
        iv = iv if message.iv is None else message.iv
        self._vectors[lane] = key_id, iv
        if self._keys is None or unit.masked:
            return message
        return message.opened(self._keys.ek, key_id=key_id, iv=iv)

    def _service(self, octets: bytes, masked: bool) -> Iterator[Layer]:
        if octets[0] >= FIRST_REQUEST:
            service = service_of(octets[0])
            self._asked = _Asked(service, None)
            if service in _OF_THE_NETWORK and not masked:
                self._conversation.asked = None
                yield _of_the_network(service, services.decode_request(octets))
                return
            if not masked:
                # Its errors do not show the octets, among which may be a password.
                services.decode_request(octets)
        elif (service := self._asked.service) in _OF_THE_NETWORK:
            yield _of_the_network(service, services.decode_answer(service, octets), "answer to ")
            return
        yield from self._conversation.service(octets, masked)


def _services(message: Message) -> tuple[bytes, ...]:
    """Of an authenticated message, too, where no key is there to prove it by."""
    return replace(message, control=replace(message.control, security=SecurityMode.CLEAR)).services


def _headline(message: Message) -> str:
    ways = f"{message.calling or 'unnamed'} → {message.called or 'unnamed'}"
    number = "" if message.calling_id is None else f", number {message.calling_id}"
    answers = "" if message.called_id is None else f", answers {message.called_id}"
    return ways + number + answers


def _details(message: Message) -> tuple[tuple[int, str], ...]:
    control = message.control
    words = [name for bit, name in _QUALIFIERS.items() if (message.qualifier or 0) & bit]
    words += [_CONTROLS[control.response]] if control.response in _CONTROLS else []
    words += ["recovery session"] * control.recovery + ["sent through a proxy"] * control.proxy
    words += [f"context {message.context}"] if message.context is not None else []
    words += [f"mechanism {message.mechanism}"] if message.mechanism is not None else []
    words += [f"authentication value {len(message.authentication)} octets, not shown"] * bool(message.authentication)
    words += [f"ED class {message.ed_class!r}"] if control.ed_class and not _is_ciphered(message) else []
    words += [f"element {tag:02X}, unknown" for tag in message.unknown]
    return tuple((1, word) for word in words)


def _is_ciphered(message: Message) -> bool:
    return message.control.security is SecurityMode.CIPHERED


def _content(message: Message) -> dict[str, object]:
    control = message.control
    named = {name: getattr(message, name) for name in ("called", "calling", "context", "mechanism")}
    return {
        **{name: None if title is None else str(title) for name, title in named.items()},
        "called_id": message.called_id,
        "calling_id": message.calling_id,
        "qualifier": message.qualifier,
        "security": control.security.name.lower(),
        "response": control.response.name.lower(),
        "recovery": control.recovery,
        "proxy": control.proxy,
        "ed_class": None if _is_ciphered(message) or not control.ed_class else message.ed_class.hex(),
    }


def _of_the_network(service: Service, told: services.Request | services.Answer, answer: str = "") -> Layer:
    """Register, Deregister, Resolve and Trace."""
    content: dict[str, object] = {"code": int(service)} if not answer else {}
    match told:
        case services.Register():
            text = f"{told.title or 'wants an ApTitle'} at {told.address!r}, {_flags(told.node)}, {told.period} s"
            content |= {"connection": _flags(told.connection), "serial": str(told.serial or "")}
        case services.Registered():
            text = f"{told.title}, {told.period} s, {_flags(told.info)}"
        case services.Deregister() | services.Resolve():
            text = str(told.title)
        case services.Resolved():
            text = told.address.hex(" ")
        case services.Trace() | services.Traced():
            text = " → ".join(map(str, told.titles))
        case _:
            text = told.encode().hex(" ")
    return Layer("apdu", f"{answer}{service.describe}", text, content={**content, "text": text})


def _flags(flags: NodeType | ConnectionType) -> str:
    names = [flag.name for flag in type(flags) if flag in flags and flag.name]
    return " ".join(name.lower().replace("_", "-") for name in names) or "nothing"
