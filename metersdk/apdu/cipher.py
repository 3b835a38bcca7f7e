"""Ciphering of xDLMS APDUs: AES-GCM under global and dedicated keys, the envelopes, AES key wrap.

Green Book 9.2; the security control octet, the initialisation vector (system title || invocation counter) and the
12-octet tag are as in 9.2.7.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Flag
from hmac import compare_digest
from typing import Literal

from cryptography.hazmat.primitives import keywrap

from metersdk.apdu import ber
from metersdk.apdu.keys import CONTROL
from metersdk.apdu.keys import Counter as Counter
from metersdk.apdu.keys import Keys as Keys
from metersdk.apdu.keys import RisingCounter as RisingCounter
from metersdk.apdu.keys import Secret as Secret
from metersdk.errors import DecodeError, Finding, LocalProtocolError, SecurityError


class Security(Flag):
    """Protection of an APDU: the two upper mode bits of the security control octet."""

    NONE = 0
    AUTHENTICATED = 0x10
    ENCRYPTED = 0x20
    AUTHENTICATED_ENCRYPTED = 0x30


# --- Tables -----------------------------------------------------------------------------------------------------------

# Green Book 9.5: service-specific ciphered tags; 0F D8 D9 DA have none.
GLO_TAG = {
    **{plain: plain | 0x20 for plain in (0x01, 0x05, 0x06, 0x08, 0x0C, 0x0D, 0x0E, 0x16, 0x18)},
    **{plain: plain + 0x08 for plain in (0xC0, 0xC1, 0xC2, 0xC3, 0xC4, 0xC5, 0xC7)},
}
DED_TAG = {plain: tag + 0x20 if tag < 0x40 else tag + 0x08 for plain, tag in GLO_TAG.items()}
GENERAL_GLO, GENERAL_DED, GENERAL_CIPHERING = 0xDB, 0xDC, 0xDD
_PLAIN_OF_GLO = {tag: plain for plain, tag in GLO_TAG.items()}
_PLAIN_OF_DED = {tag: plain for plain, tag in DED_TAG.items()}
_SERVICE_TAGS = {**_PLAIN_OF_GLO, **_PLAIN_OF_DED}
_DEDICATED_TAGS = frozenset((*_PLAIN_OF_DED, GENERAL_DED))

TAG_SIZE = 12
# Ends of slices: what the cipher's own tag of 16 octets has too many, and the two tags behind a plaintext.
_CUT, _TWO_TAGS = TAG_SIZE - 16, -TAG_SIZE - 16
_BROADCAST_BIT, _COMPRESSION_BIT = 0x40, 0x80
_MODE_BITS, _SUITE_BITS = 0x30, 0x0F
# SC and invocation counter stand before every protected body.
_HEADER_SIZE = 5

Envelope = Literal["service", "general", "ciphering"]


def overhead(envelope: Envelope) -> int:
    """Octets that protection adds to an APDU at most: tag, length, SC, counter, authentication tag, and the header."""
    header = {"service": 0, "general": 9, "ciphering": 24}[envelope]
    return 1 + 3 + _HEADER_SIZE + TAG_SIZE + header


# --- AES-GCM ----------------------------------------------------------------------------------------------------------
#
# DLMS cuts the tag to 12 octets, which the one-shot AESGCM of `cryptography` cannot check. Two one-shot *encryptions*
# do the same work four times as fast as its streaming Cipher. Review notes:
# - GCM encrypts by CTR (SP 800-38D 7.1): encrypting a ciphertext under the same key and IV gives the plaintext. The
#   tag of that first call is thrown away; it never leaves the function, so the repeated IV discloses nothing.
# - The second call encrypts that plaintext with the true AAD; its tag, cut to 12 octets, is the one the sender made
#   if and only if key, IV, AAD and ciphertext are his. SP 800-38D 5.2.1.2 allows 96 bits.
# - It is compared in constant time, and the plaintext leaves only afterwards.


def _iv(title: bytes, counter: int) -> bytes:
    return title + counter.to_bytes(4, "big")


def seal(control: int, counter: int, title: bytes, ek: Secret, ak: Secret, plain: bytes) -> bytes:
    """``plain`` protected as ``control`` says: text, cipher, or either with its 12-octet tag. Nothing is put before it.

    ``title`` is the sender's. The caller sees to it that (``ek``, ``title``, ``counter``) was never used before.
    """
    mode = control & _MODE_BITS
    encrypt, iv = ek.gcm(), _iv(title, counter)
    if mode == 0x30:
        return encrypt(iv, plain, ak.aad(control))[:_CUT]
    if mode == 0x20:
        return encrypt(iv, plain, None)[:-16]
    if mode == 0x10:
        aad = ak.aad(control) + plain
        return plain + encrypt(iv, b"", aad)[:TAG_SIZE]
    return plain


def unseal(control: int, counter: int, title: bytes, ek: Secret, ak: Secret, body: bytes) -> bytes:
    """The plaintext of ``body``; encryption alone (mode 20) proves nothing about who sent it.

    Raises:
        SecurityError: the tag is wrong or missing.
    """
    mode = control & _MODE_BITS
    if mode == 0x30:
        # A long read comes here for every block: what gcm() and aad() give is taken without a call.
        encrypt, iv = ek.encrypt or ek.gcm(), title + counter.to_bytes(4, "big")
        # The tag is run through too, and cut off with the one the call appends: cheaper than cutting it off first.
        plain = encrypt(iv, body, None)[:_TWO_TAGS]
        good = encrypt(iv, plain, CONTROL[control] + ak.octets)[-16:_CUT]
    elif mode == 0x10:
        plain = body[:-TAG_SIZE]
        good = ek.gcm()(_iv(title, counter), b"", ak.aad(control) + plain)[:TAG_SIZE]
    elif mode == 0x20:
        return ek.gcm()(_iv(title, counter), body, None)[:-16]
    else:
        return body
    # A body shorter than a tag has none, and is never equal to one.
    if not compare_digest(good, body[-TAG_SIZE:]):
        short = len(body) < TAG_SIZE
        text = "the protected APDU is shorter than its tag" if short else "the authentication tag is wrong"
        raise SecurityError(text, layer="association")
    return plain


# --- Envelopes --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Protected:
    """A ciphered APDU taken apart; ``title`` is empty where the envelope names no sender.

    ``body`` is what follows security control and counter: text, cipher, tag.
    """

    tag: int
    title: bytes
    control: int
    counter: int
    body: bytes

    @property
    def envelope(self) -> Envelope:
        """The form the APDU came in, so that the answer can take the same."""
        if self.tag == GENERAL_CIPHERING:
            return "ciphering"
        return "general" if self.tag in (GENERAL_GLO, GENERAL_DED) else "service"

    @property
    def dedicated(self) -> bool:
        """True under the dedicated key."""
        return self.tag in _DEDICATED_TAGS


def is_protected(apdu: bytes) -> bool:
    """True if the tag is one of a ciphered APDU."""
    return bool(apdu) and (apdu[0] in _SERVICE_TAGS or apdu[0] in (GENERAL_GLO, GENERAL_DED, GENERAL_CIPHERING))


def _octet_string(apdu: bytes, offset: int) -> tuple[bytes, int]:
    length, start = ber.read_length(apdu, offset, len(apdu))
    if length > len(apdu) - start:
        raise DecodeError(
            f"an octet-string claims {length} octets, {len(apdu) - start} are left",
            layer="apdu",
            offset=offset,
            data=apdu,
        )
    return apdu[start : start + length], start + length


def split(apdu: bytes) -> Protected:
    """The parts of a ciphered APDU, whichever envelope it wears; nothing is deciphered.

    Raises:
        DecodeError: it is cut off, too long, or no ciphered APDU.
        SecurityError: general-ciphering with a wrapped or agreed key.
    """
    if not is_protected(apdu):
        raise DecodeError("this is no ciphered APDU", layer="apdu", offset=0, data=apdu)
    tag, title, at = apdu[0], b"", 1
    if tag in (GENERAL_GLO, GENERAL_DED):
        title, at = _octet_string(apdu, at)
    elif tag == GENERAL_CIPHERING:
        title, at = _split_general_ciphering(apdu)
    if title and len(title) != 8:
        raise DecodeError(f"the system title has {len(title)} octets", layer="apdu", offset=1, data=apdu)
    content, end = _octet_string(apdu, at)
    if end != len(apdu):
        raise DecodeError(f"{len(apdu) - end} octets after the ciphered APDU", layer="apdu", offset=end, data=apdu)
    if len(content) < _HEADER_SIZE:
        raise DecodeError("the ciphered APDU has no invocation counter", layer="apdu", offset=at, data=apdu)
    counter = int.from_bytes(content[1:_HEADER_SIZE], "big")
    return Protected(tag, title, content[0], counter, content[_HEADER_SIZE:])


def _split_general_ciphering(apdu: bytes) -> tuple[bytes, int]:
    """Originator's title and the offset of the ciphered content. Green Book 9.5: General-Ciphering."""
    at, header = 1, []
    for _ in ("transaction-id", "originator", "recipient", "date-time", "other-information"):
        value, at = _octet_string(apdu, at)
        header.append(value)
    key_info = apdu[at : at + 3]
    if key_info[:1] == b"\x00":
        return header[1], at + 1
    # key-info present, choice identified-key [0], key-id global-unicast (0) or global-broadcast (1).
    if key_info in (b"\x01\x00\x00", b"\x01\x00\x01"):
        return header[1], at + 3
    if key_info[:2] in (b"\x01\x01", b"\x01\x02"):
        raise SecurityError(
            "general-ciphering with a wrapped or agreed key is not served", layer="apdu", offset=at, data=apdu
        )
    raise DecodeError("the key-info of general-ciphering is misshapen", layer="apdu", offset=at, data=apdu)


# --- Context ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Opened:
    """A deciphered APDU, and how it was protected."""

    plain: bytes
    security: Security
    envelope: Envelope
    dedicated: bool


class CounterReplayed(SecurityError):
    """The peer used an invocation counter that is not above ``last``, the last one accepted from it."""

    default_hint = "another reader may be talking to the meter; associate again"

    def __init__(self, message: str, *, last: int, data: bytes = b"") -> None:
        super().__init__(message, layer="association", data=data)
        self.last = last


class SecurityContext:
    """What one side of an association knows for ciphering: keys, titles, and the counters of both directions.

    Own counters rise strictly and each is used once, whatever it protects. A counter of the peer is taken once: one
    not above the last accepted, for that title and key, is a replay; it is moved on only after the tag was good.

    Args:
        keys: keys, own system title and own counter.
        security: protection of what is sent, and the least that is taken.
        peer_title: system title of the peer, where it is known before.
        allow_plaintext: take less protection than ``security``.
        accepted: last counter taken, by title and key; a meter keeps it over all associations.
    """

    def __init__(
        self,
        keys: Keys,
        security: Security,
        *,
        peer_title: bytes | None = None,
        allow_plaintext: bool = False,
        accepted: dict[tuple[bytes, str], int] | None = None,
    ) -> None:
        if Security.AUTHENTICATED in security and not keys.ak:
            raise LocalProtocolError("authenticated APDUs need an authentication key", layer="association")
        self.keys = keys
        self.security = security
        self.peer_title = peer_title
        self.allow_plaintext = allow_plaintext
        self.findings: list[Finding] = []
        self._dedicated: Secret | None = None
        self._sent = -1
        self._accepted: dict[tuple[bytes, str], int] = {} if accepted is None else accepted

    def __repr__(self) -> str:
        return f"SecurityContext({self.security}, suite {self.keys.suite}, peer {self.peer_title!r})"

    def use_dedicated(self, key: Secret) -> None:
        """Agree on ``key`` as dedicated key; the counters the peer used under another one mean nothing any more."""
        if len(key) != len(self.keys.ek):
            raise SecurityError(
                f"the dedicated key has {len(key)} octets, not {len(self.keys.ek)}", layer="association"
            )
        self._dedicated = key
        for held in [held for held in self._accepted if held[1] == "dedicated"]:
            del self._accepted[held]

    def _next_counter(self) -> int:
        if self.keys.counter is None:
            raise LocalProtocolError(
                "no invocation counter was given",
                layer="association",
                hint="Keys(invocation_counter=...): above the last one used with this key and title",
            )
        counter = self.keys.counter.next()
        if counter <= self._sent:
            raise LocalProtocolError(
                f"the counter gave {counter} after {self._sent}: an IV would be used twice",
                layer="association",
                hint="give each title and key one counter of its own",
            )
        self._sent = counter
        return counter

    def protect(
        self,
        plain: bytes,
        *,
        envelope: Envelope = "service",
        dedicated: bool = False,
        security: Security | None = None,
    ) -> bytes:
        """``plain`` as it travels, by ``self.security`` unless told. APDUs without a service-specific tag go in the
        general envelope."""
        key = self._dedicated if dedicated else self.keys.ek
        if dedicated and envelope == "ciphering":
            raise LocalProtocolError("general-ciphering has no form for the dedicated key", layer="association")
        if key is None:
            raise LocalProtocolError("there is no dedicated key in this association", layer="association")
        control = (self.security if security is None else security).value | self.keys.suite
        counter, title = self._next_counter(), self.keys.system_title
        sealed = seal(control, counter, title, key, self.keys.ak, plain)
        content = bytes((control,)) + counter.to_bytes(4, "big") + sealed
        body = ber.encode_length(len(content)) + content
        tag = (DED_TAG if dedicated else GLO_TAG).get(plain[0])
        if envelope == "service" and tag is not None:
            return bytes((tag,)) + body
        if envelope == "ciphering":
            recipient = self.peer_title or b""
            # No transaction id, date-time or other information; identified key, global-unicast.
            head = b"\xdd\x00\x08" + title + bytes((len(recipient),)) + recipient + bytes.fromhex("0000010000")
            return head + body
        return bytes((GENERAL_DED if dedicated else GENERAL_GLO, 8)) + title + body

    def unprotect(self, apdu: bytes) -> Opened:
        """Decipher ``apdu`` and prove it.

        Raises:
            DecodeError: it is misshapen.
            SecurityError: tag, title, counter or protection is not as it must be. No counter moves then.
        """
        parts = split(apdu)
        security = Security(parts.control & _MODE_BITS)
        if parts.control & _COMPRESSION_BIT:
            raise SecurityError("the APDU is compressed (V.44), which is not served", layer="association", data=apdu)
        if parts.control & _SUITE_BITS > 2:
            raise SecurityError(
                f"security suite {parts.control & _SUITE_BITS} is unknown", layer="association", data=apdu
            )
        if security & self.security != self.security and not self.allow_plaintext:
            raise SecurityError(
                f"the peer protects by {security}, this association by {self.security}",
                layer="association",
                data=apdu,
                hint="set the security the meter uses, or allow_plaintext after checking who answers",
            )
        title = self._title_of(parts)
        name, key = self._key_of(parts)
        last = self._accepted.get((title, name))
        if last is not None and parts.counter <= last:
            raise CounterReplayed(
                f"invocation counter {parts.counter} was used before, the last was {last}: a replay",
                last=last,
                data=apdu,
            )
        plain = unseal(parts.control, parts.counter, title, key, self.keys.ak, parts.body)
        expected = _SERVICE_TAGS.get(parts.tag)
        if expected is not None and plain[:1] != bytes((expected,)):
            # Encryption alone proves nothing: a wrong key shows up here.
            raise SecurityError("what was deciphered is not what its tag says", layer="association", data=apdu)
        if security:
            self._accept(title, name, parts.counter)
        return Opened(plain, security, parts.envelope, parts.dedicated)

    def _title_of(self, parts: Protected) -> bytes:
        title = self.peer_title or parts.title
        if not title:
            raise SecurityError(
                "the system title of the peer is not known",
                layer="association",
                hint="give keys.server_title; this meter does not tell its title in the AARE",
            )
        if parts.title and parts.title != title:
            raise SecurityError(
                f"the APDU comes from title {parts.title.hex()}, not {title.hex()}", layer="association"
            )
        return title

    def _key_of(self, parts: Protected) -> tuple[str, Secret]:
        if parts.dedicated:
            name, key = "dedicated", self._dedicated
        elif parts.control & _BROADCAST_BIT:
            name, key = "broadcast", self.keys.broadcast_key
        else:
            name, key = "unicast", self.keys.ek
        if key is None:
            raise SecurityError(f"the peer used a {name} key, which is not known here", layer="association")
        return name, key

    def _accept(self, title: bytes, name: str, counter: int) -> None:
        known = (title, name) in self._accepted
        if not known and counter == 0:
            self.findings.append(
                Finding("counter-zero", "the first invocation counter of the peer is 0", "association", hint="accepted")
            )
        self._accepted[title, name] = counter
        # Learned from the header of an APDU that was proven, where the AARE did not tell it.
        self.peer_title = title

    # IEC 62056-5-3 / Green Book 9.2.7.4: HLS mechanism 5.

    def gmac(self, challenge: bytes) -> bytes:
        """f(challenge) by GMAC, 17 octets: SC, own counter, tag. It uses up a counter of its own."""
        control, counter = Security.AUTHENTICATED.value | self.keys.suite, self._next_counter()
        head = bytes((control,)) + counter.to_bytes(4, "big")
        return head + _gmac_tag(control, counter, self.keys.system_title, self.keys, challenge)

    def verify_gmac(self, value: bytes, challenge: bytes) -> bool:
        """True if the peer, who knows EK and AK, made ``value`` for ``challenge``.

        The challenge is fresh, so an old counter proves no replay: it stands below that of the ACTION around it.
        """
        if len(value) != _HEADER_SIZE + TAG_SIZE or self.peer_title is None:
            return False
        control, counter = value[0], int.from_bytes(value[1:_HEADER_SIZE], "big")
        if control & ~_SUITE_BITS != Security.AUTHENTICATED.value or control & _SUITE_BITS > 2:
            return False
        good = _gmac_tag(control, counter, self.peer_title, self.keys, challenge)
        if not compare_digest(good, value[_HEADER_SIZE:]):
            return False
        if control & _SUITE_BITS != self.keys.suite:
            self.findings.append(
                Finding(
                    "gmac-suite",
                    f"the peer made its GMAC in suite {control & _SUITE_BITS}",
                    "association",
                    0,
                    "accepted",
                )
            )
        last = self._accepted.get((self.peer_title, "unicast"))
        if last is None:
            self._accept(self.peer_title, "unicast", counter)
        elif counter == last:
            self.findings.append(
                Finding(
                    "counter-reused",
                    f"the peer used counter {counter} for its GMAC and for the APDU around it",
                    "association",
                    hint="report it to the maker: GCM loses its secrecy under a repeated IV",
                )
            )
        return True


def _gmac_tag(control: int, counter: int, title: bytes, keys: Keys, challenge: bytes) -> bytes:
    aad = keys.ak.aad(control) + challenge
    return keys.ek.gcm()(_iv(title, counter), b"", aad)[:TAG_SIZE]


# --- Key wrap ---------------------------------------------------------------------------------------------------------


def wrap_key(master: Secret, key: Secret) -> bytes:
    """AES key wrap (RFC 3394) for key transfer: 16 -> 24, 32 -> 40 octets."""
    return keywrap.aes_key_wrap(bytes(master), bytes(key))


def unwrap_key(master: Secret, wrapped: bytes) -> Secret:
    """The key in ``wrapped``.

    Raises:
        SecurityError: it was not wrapped under ``master``, or is damaged.
    """
    try:
        return Secret(keywrap.aes_key_unwrap(bytes(master), wrapped))
    except (keywrap.InvalidUnwrap, ValueError):
        raise SecurityError("the wrapped key does not fit the master key", layer="association") from None
