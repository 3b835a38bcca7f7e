"""Messages of ANSI C12.22: an ACSE association unit around an EPSEM envelope around services of PSEM.

::

    60 length                    the message
       A1 aSO context            what relative ApTitles are below; left out: that of the C12.22 network
       A2 called ApTitle         A4 called ApInvocationId: the request that this answers
       A6 calling ApTitle        A7 calling AE qualifier     A8 calling ApInvocationId
       A5 A9 AE invocation ids   of the segments of a long message: seen, and not joined
       8B mechanism name         AC calling authentication value: key id (80) and initialisation vector (81)
       BE 28 81 length           user information:
          control                flags and security mode
          [ED class]             four octets, where a flag says so
          length service ...     requests or answers of PSEM, one after the other
          [MAC]                  four octets, unless the mode is clear

In the mode *authenticated* the services can be read by anybody; in the mode *ciphered* ED class and services are
ciphertext. What both prove is the *canonical cleartext*: the elements around the services in one fixed order, ApTitles
absolute, key id and initialisation vector at its end. See ``eax`` for EAX' and the bound on its cleartext.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any, Final

from metersdk.apdu import ber
from metersdk.apdu.c1222_titles import NETWORK, ApTitle
from metersdk.apdu.eax import MAC_SIZE, eax_prime_decrypt, eax_prime_encrypt
from metersdk.apdu.keys import Secret
from metersdk.errors import DecodeError, LocalProtocolError, SecurityError

MESSAGE: Final = 0x60
ED_CLASS_SIZE: Final = 4
IV_SIZE: Final = 4
# Bits of the AE qualifier.
TEST, URGENT, NOTIFICATION = 0x01, 0x02, 0x04

_CONTEXT, _CALLED, _CALLED_ID, _CALLING, _QUALIFIER, _CALLING_ID = 0xA1, 0xA2, 0xA4, 0xA6, 0xA7, 0xA8
_SEGMENT_TAGS = (0xA5, 0xA9)
_MECHANISM, _AUTHENTICATION, _USER = 0x8B, 0xAC, 0xBE
_EXTERNAL, _INDIRECT, _OCTETS, _INTEGER = 0x28, 0x02, 0x81, 0x02
_NUMBERS = (_CALLED_ID, _QUALIFIER, _CALLING_ID)
_LARGEST_ID = 0xFFFF_FFFF
# Octets of a message that an error shows.
_SHOWN = 6
# 32 bits, and the zero that tells an INTEGER from a negative one.
_LONGEST_NUMBER = 5


class SecurityMode(IntEnum):
    """How the services of a message are protected."""

    CLEAR = 0
    AUTHENTICATED = 1
    CIPHERED = 2


class ResponseControl(IntEnum):
    """When the called node answers."""

    ALWAYS = 0
    ON_EXCEPTION = 1
    NEVER = 2


@dataclass(frozen=True, slots=True)
class Control:
    """The first octet of the user information. Bit 7 is always set."""

    security: SecurityMode = SecurityMode.CLEAR
    response: ResponseControl = ResponseControl.ALWAYS
    ed_class: bool = False
    proxy: bool = False
    recovery: bool = False

    def encode(self) -> bytes:
        flags = self.recovery << 6 | self.proxy << 5 | self.ed_class << 4
        return bytes((0x80 | flags | self.security << 2 | self.response,))

    @classmethod
    def decode(cls, octet: int) -> Control:
        """Raises: DecodeError: a security mode or response control that is reserved."""
        if octet & 0x0C == 0x0C or octet & 0x03 == 0x03:
            raise DecodeError(f"EPSEM control {octet:02X} has reserved values", layer="apdu")
        return cls(
            SecurityMode(octet >> 2 & 3),
            ResponseControl(octet & 3),
            bool(octet & 0x10),
            bool(octet & 0x20),
            bool(octet & 0x40),
        )


@dataclass(frozen=True, slots=True)
class Message:
    """One message.

    Attributes:
        called, calling: ApTitles of the receiver and the sender.
        called_id: in an answer the ``calling_id`` of its request.
        calling_id: number of this message at its sender.
        context: aSO context, what relative titles are below.
        qualifier: AE qualifier: ``TEST | URGENT | NOTIFICATION``.
        mechanism: mechanism name.
        key_id, iv: of the calling authentication value; the IV is a number of 32 bits, the time in UTC seconds.
        authentication: a calling authentication value of another kind (C12.21, octet-aligned), as it came.
        control: flags and security mode.
        body: ED class and services, ciphertext where the mode is ciphered.
        mac: four octets, or none.
        segment: the content of an AE invocation id: this is one segment of a longer message.
        unknown: tags of elements that are none of C12.22.
        head: the user information up to its control octet, as it came; empty in a message that is made here.
        numbers: tag and octets of the numbers that came with more octets than they need: the MAC is over those.
    """

    called: ApTitle | None = None
    calling: ApTitle | None = None
    calling_id: int | None = None
    called_id: int | None = None
    context: ApTitle | None = None
    qualifier: int | None = None
    mechanism: ApTitle | None = None
    key_id: int | None = None
    iv: int | None = None
    authentication: bytes = b""
    control: Control = Control()
    body: bytes = b""
    mac: bytes = b""
    segment: bytes = b""
    unknown: tuple[int, ...] = ()
    head: bytes = b""
    numbers: tuple[tuple[int, bytes], ...] = ()

    @classmethod
    def of(cls, services: Sequence[bytes], *, ed_class: bytes = b"", **more: Any) -> Message:
        """A message in clear with these services.

        Raises:
            LocalProtocolError: the ED class has not four octets.
        """
        if len(ed_class) not in (0, ED_CLASS_SIZE):
            raise LocalProtocolError(f"an ED class has {ED_CLASS_SIZE} octets", layer="apdu")
        control = replace(more.pop("control", Control()), ed_class=bool(ed_class), security=SecurityMode.CLEAR)
        return cls(control=control, body=ed_class + encode_services(services), **more)

    # --- octets ---

    def encode(self) -> bytes:
        """The message with its head.

        Raises:
            LocalProtocolError: a field does not fit its element.
        """
        parts = (
            _title(_CONTEXT, self.context),
            _title(_CALLED, self.called),
            self._number(_CALLED_ID, self.called_id),
            _title(_CALLING, self.calling),
            self._number(_QUALIFIER, self.qualifier),
            self._number(_CALLING_ID, self.calling_id),
            _mechanism(self.mechanism),
            self._authentication(),
            self._head(),
            self.control.encode(),
            self.body,
            self.mac,
        )
        return ber.encode(MESSAGE, b"".join(parts))

    @classmethod
    def decode(cls, raw: bytes) -> Message:
        """Read a whole message.

        Raises:
            DecodeError: cut off, an element misshapen or twice, octets behind the end. Its ``data`` are few: a request
                may hold a password.
        """
        try:
            return _decode(raw)
        except DecodeError as error:
            raise DecodeError(error.message, layer="apdu", offset=error.offset, data=raw[:_SHOWN]) from None

    def _number(self, tag: int, value: int | None) -> bytes:
        if value is None:
            return b""
        return ber.encode(tag, ber.encode(_INTEGER, dict(self.numbers).get(tag) or _shortest(value)))

    def _authentication(self) -> bytes:
        if self.authentication:
            return ber.encode(_AUTHENTICATION, self.authentication)
        if self.key_id is None and self.iv is None:
            return b""
        if self.iv is None:
            raise LocalProtocolError("a key id goes with an initialisation vector", layer="apdu")
        content = b"" if self.key_id is None else ber.encode(0x80, _fixed(self.key_id, 1, "key id"))
        content += ber.encode(0x81, _fixed(self.iv, IV_SIZE, "initialisation vector"))
        for tag in (0xA1, 0xA0, 0xA2):
            content = ber.encode(tag, content)
        return ber.encode(_AUTHENTICATION, content)

    def _head(self) -> bytes:
        """The user information up to its control octet."""
        if self.head:
            return self.head
        size = 1 + len(self.body) + len(self.mac)
        inner = bytes((_OCTETS,)) + ber.encode_length(size)
        external = bytes((_EXTERNAL,)) + ber.encode_length(len(inner) + size)
        return bytes((_USER,)) + ber.encode_length(len(external) + len(inner) + size) + external + inner

    # --- services ---

    @property
    def ed_class(self) -> bytes:
        """Four octets, or none; of a ciphered message only once it is opened."""
        return self.body[:ED_CLASS_SIZE] if self.control.ed_class else b""

    @property
    def services(self) -> tuple[bytes, ...]:
        """Its requests or answers.

        Raises:
            SecurityError: they are ciphered.
            DecodeError: the list is misshapen.
        """
        if self.control.security is SecurityMode.CIPHERED:
            raise SecurityError("the services are ciphered", layer="apdu", hint="a key opens them")
        if self.control.ed_class and len(self.body) < ED_CLASS_SIZE:
            raise DecodeError("the ED class is cut off", layer="apdu")
        return decode_services(self.body[len(self.ed_class) :])

    # --- security ---

    def cleartext(self, network: ApTitle = NETWORK, *, key_id: int | None = None, iv: int | None = None) -> bytes:
        """The canonical cleartext: what the MAC proves beside the services, and what stands for a nonce.

        Args:
            network: what relative ApTitles are below where the message brings no context of its own.
            key_id, iv: of the session, where this message has none.
        """
        base = self.context or network
        number = self.key_id if self.key_id is not None else key_id or 0
        vector = self.iv if self.iv is not None else iv or 0
        parts = (
            _title(_CONTEXT, self.context),
            _title(_CALLED, self.called and self.called.within(base)),
            self._number(_CALLED_ID, self.called_id),
            self._number(_QUALIFIER, self.qualifier),
            self._number(_CALLING_ID, self.calling_id),
            _mechanism(self.mechanism),
            self._authentication(),
            self._head(),
            self.control.encode(),
            _title(_CALLING, self.calling and self.calling.within(base)),
            _fixed(number, 1, "key id"),
            _fixed(vector, IV_SIZE, "initialisation vector"),
        )
        return b"".join(parts)

    def protected(
        self, mode: SecurityMode, key: Secret, network: ApTitle = NETWORK, *, key_id: int = 0, iv: int = 0
    ) -> Message:
        """This message, which is in clear, under ``key``; ``key_id`` and ``iv`` as for ``cleartext``.

        Raises:
            LocalProtocolError: no key of 16 octets.
        """
        if mode is SecurityMode.CLEAR:
            return self
        sized = replace(self, control=replace(self.control, security=mode), mac=bytes(MAC_SIZE), head=b"")
        clear = sized.cleartext(network, key_id=key_id, iv=iv)
        if mode is SecurityMode.AUTHENTICATED:
            return replace(sized, mac=eax_prime_encrypt(key, clear + self.body)[1])
        body, mac = eax_prime_encrypt(key, clear, self.body)
        return replace(sized, body=body, mac=mac)

    def opened(self, key: Secret, network: ApTitle = NETWORK, *, key_id: int = 0, iv: int = 0) -> Message:
        """This message with its services in clear, once its MAC is proved. A message in clear is returned as it is.

        Raises:
            SecurityError: the MAC is wrong.
        """
        clear = self.cleartext(network, key_id=key_id, iv=iv)
        match self.control.security:
            case SecurityMode.CLEAR:
                return self
            case SecurityMode.AUTHENTICATED:
                eax_prime_decrypt(key, clear + self.body, b"", self.mac)
                body = self.body
            case SecurityMode.CIPHERED:
                body = eax_prime_decrypt(key, clear, self.body, self.mac)
        return replace(self, control=replace(self.control, security=SecurityMode.CLEAR), body=body, mac=b"", head=b"")


# --- Services ---------------------------------------------------------------------------------------------------------


def encode_services(services: Sequence[bytes]) -> bytes:
    """Each service behind its length."""
    return b"".join(ber.encode_length(len(service)) + service for service in services)


def decode_services(octets: bytes) -> tuple[bytes, ...]:
    """The services of an EPSEM envelope; a length of zero ends it, and zeros behind it are padding.

    Raises:
        DecodeError: a service is cut off, or something else than padding follows the end.
    """
    services: list[bytes] = []
    at = 0
    while at < len(octets):
        try:
            size, start = ber.read_length(octets, at, len(octets))
        except DecodeError as error:
            # Without the octets: among them may be a password.
            raise DecodeError(error.message, layer="apdu", offset=error.offset) from None
        if not size:
            if any(octets[at:]):
                raise DecodeError("octets behind the end of the services", layer="apdu", offset=at)
            break
        if size > len(octets) - start:
            text = f"a service of {size} octets is announced, {len(octets) - start} are left"
            raise DecodeError(text, layer="apdu", offset=at)
        services.append(octets[start : start + size])
        at = start + size
    return tuple(services)


# --- Elements ---------------------------------------------------------------------------------------------------------


def _title(tag: int, title: ApTitle | None) -> bytes:
    return b"" if title is None else ber.encode(tag, title.encode())


def _mechanism(title: ApTitle | None) -> bytes:
    # Implicitly tagged: the content of an absolute identifier alone.
    return b"" if title is None else ber.encode(_MECHANISM, title.encode()[2:])


def _shortest(value: int) -> bytes:
    if not 0 <= value <= _LARGEST_ID:
        raise LocalProtocolError(f"{value} does not fit 32 bits", layer="apdu")
    return value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big")


def _fixed(value: int, size: int, what: str) -> bytes:
    if not 0 <= value < 1 << 8 * size:
        raise LocalProtocolError(f"{what} {value} does not fit {size} octets", layer="apdu")
    return value.to_bytes(size, "big")


def _decode(raw: bytes) -> Message:
    whole = ber.only(raw, MESSAGE)
    found: dict[str, Any] = {}
    unknown: list[int] = []
    numbers: list[tuple[int, bytes]] = []
    for item in ber.items(raw, whole.start, whole.start + len(whole.content)):
        if item.tag not in _ELEMENTS:
            unknown.append(item.tag)
            continue
        fields = _ELEMENTS[item.tag](raw, item)
        if fields.keys() & found.keys():
            raise DecodeError(f"element {item.tag:02X} is there twice", layer="apdu", offset=item.offset, data=raw)
        found.update(fields)
        if item.tag in _NUMBERS and (content := _integer(raw, item))[:1] == b"\0" != content:
            numbers.append((item.tag, content))
    if "control" not in found and "segment" not in found:
        raise DecodeError("the message has no user information", layer="apdu", offset=whole.start, data=raw)
    return Message(unknown=tuple(unknown), numbers=tuple(numbers), **found)


_Element = Callable[[bytes, ber.Tlv], dict[str, Any]]


def _title_in(name: str) -> _Element:
    return lambda raw, item: {name: ApTitle.decode(raw, item.start, item.start + len(item.content))}


def _number_in(name: str) -> _Element:
    return lambda raw, item: {name: int.from_bytes(_integer(raw, item), "big")}


def _integer(raw: bytes, item: ber.Tlv) -> bytes:
    content = ber.only(raw, _INTEGER, item.start, item.start + len(item.content)).content
    if not 1 <= len(content) <= _LONGEST_NUMBER or int.from_bytes(content, "big") > _LARGEST_ID:
        raise DecodeError(f"element {item.tag:02X} is no number", layer="apdu", offset=item.offset, data=raw)
    return content


def _mechanism_in(raw: bytes, item: ber.Tlv) -> dict[str, Any]:
    return {"mechanism": ApTitle.decode(b"\x06" + ber.encode_length(len(item.content)) + item.content)}


def _segment_in(raw: bytes, item: ber.Tlv) -> dict[str, Any]:
    return {"segment": item.content or b"\0"}


def _authentication_in(raw: bytes, item: ber.Tlv) -> dict[str, Any]:
    """Key id and initialisation vector, or the whole value where it is of another kind."""
    try:
        inner = item
        for tag in (0xA2, 0xA0, 0xA1):
            inner = ber.only(raw, tag, inner.start, inner.start + len(inner.content))
        parts = {part.tag: part.content for part in ber.items(raw, inner.start, inner.start + len(inner.content))}
    except DecodeError:
        return {"authentication": item.content, "key_id": None, "iv": None}
    key_id, iv = parts.get(0x80, b"\0"), parts.get(0x81, b"")
    if not parts.keys() <= {0x80, 0x81} or len(key_id) != 1 or len(iv) != IV_SIZE:
        raise DecodeError(
            "the calling authentication value has no key id and initialisation vector of C12.22",
            layer="apdu",
            offset=item.offset,
            data=raw,
        )
    number = key_id[0] if 0x80 in parts else None
    return {"key_id": number, "iv": int.from_bytes(iv, "big")}


def _user_in(raw: bytes, item: ber.Tlv) -> dict[str, Any]:
    external = ber.only(raw, _EXTERNAL, item.start, item.start + len(item.content))
    at, end = external.start, external.start + len(external.content)
    first = ber.read(raw, at, end)
    if first.tag == _INDIRECT:
        # A reference to an encoding: always that of C12.22.
        at = first.start + len(first.content)
    inner = ber.only(raw, _OCTETS, at, end)
    if not inner.content:
        raise DecodeError("the user information is empty", layer="apdu", offset=inner.offset, data=raw)
    control = Control.decode(inner.content[0])
    size = 0 if control.security is SecurityMode.CLEAR else MAC_SIZE
    body = inner.content[1:]
    if len(body) < size:
        raise DecodeError("the MAC is cut off", layer="apdu", offset=inner.start, data=raw)
    cut = len(body) - size
    return {"control": control, "body": body[:cut], "mac": body[cut:], "head": raw[item.offset : inner.start]}


_ELEMENTS: dict[int, _Element] = {
    _CONTEXT: _title_in("context"),
    _CALLED: _title_in("called"),
    _CALLED_ID: _number_in("called_id"),
    _CALLING: _title_in("calling"),
    _QUALIFIER: _number_in("qualifier"),
    _CALLING_ID: _number_in("calling_id"),
    _MECHANISM: _mechanism_in,
    _AUTHENTICATION: _authentication_in,
    _USER: _user_in,
    **dict.fromkeys(_SEGMENT_TAGS, _segment_in),
}
