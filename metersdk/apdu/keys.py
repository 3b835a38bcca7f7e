"""Secrets, invocation counters, and the keys of one client towards one meter."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Protocol, runtime_checkable

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from metersdk.errors import LocalProtocolError

LAST_COUNTER = 0xFFFF_FFFF
CONTROL = tuple(bytes((control,)) for control in range(256))


class Secret:
    """A password or a key that never shows itself: ``repr``, ``str`` and format give ``Secret(***)``.

    ``bytes(secret)`` reveals it. Text is taken as UTF-8; use ``Secret.from_hex`` for a key written in hex.
    Comparison takes the same time wherever the difference is.
    """

    __slots__ = ("encrypt", "octets")

    # For ciphering alone: the octets in clear, and ``gcm()`` once that was asked for.
    octets: bytes
    encrypt: Callable[[bytes, bytes, bytes | None], bytes] | None

    def __init__(self, value: bytes | bytearray | str | Secret) -> None:
        if not isinstance(value, (bytes, bytearray, str, Secret)):
            # bytes(12345678) would be that many zeros.
            raise LocalProtocolError(f"a password or key is text or octets, no {type(value).__name__}")
        self.octets = value.encode() if isinstance(value, str) else bytes(value)
        self.encrypt = None

    @classmethod
    def from_hex(cls, text: str) -> Secret:
        """A key written in hex, blanks allowed."""
        try:
            return cls(bytes.fromhex(text))
        except ValueError:
            # The chained message of bytes.fromhex names a position only, yet `from None` keeps the text out for sure.
            raise LocalProtocolError("the key is not written in hexadecimal", layer="association") from None

    def gcm(self) -> Callable[[bytes, bytes, bytes | None], bytes]:
        """AES-GCM under this key, ``(iv, text, aad) -> cipher and 16-octet tag``.

        Made once, for the key schedule costs more than a short APDU.
        """
        if self.encrypt is None:
            self.encrypt = AESGCM(self.octets).encrypt
        return self.encrypt

    def aad(self, control: int) -> bytes:
        """SC || AK: what GCM authenticates beside the text, where this is the authentication key."""
        return CONTROL[control] + self.octets

    def __bytes__(self) -> bytes:
        return self.octets

    def __len__(self) -> int:
        return len(self.octets)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Secret | bytes):
            return hmac.compare_digest(self.octets, bytes(other))
        return NotImplemented

    def __hash__(self) -> int:
        return hash((Secret, self.octets))

    def __deepcopy__(self, memo: object) -> Secret:
        # It never changes, and one copy in memory is enough.
        return self

    def __repr__(self) -> str:
        return "Secret(***)"

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)


@runtime_checkable
class Counter(Protocol):
    """Gives invocation counters, each one once, strictly rising; a store on disk reserves them before it gives them."""

    def next(self) -> int: ...


class RisingCounter:
    """A ``Counter`` in memory; ``start`` is the first value it gives."""

    __slots__ = ("_values",)

    def __init__(self, start: int) -> None:
        if not 0 <= start <= LAST_COUNTER:
            raise LocalProtocolError(f"invocation counter {start} does not fit 32 bits", layer="association")
        # next() of itertools.count is one step for all threads; `+= 1` is not, and a value given twice repeats an IV.
        self._values = count(start)

    def next(self) -> int:
        """The next value."""
        value = next(self._values)
        if value > LAST_COUNTER:
            # Green Book 9.2.7.2.4.4: at the maximum the key must be changed; a wrap would repeat an IV.
            raise LocalProtocolError(
                "the invocation counter is used up", layer="association", hint="transfer a new encryption key"
            )
        return value


def _key(value: Secret | bytes | str | None, name: str, sizes: tuple[int, ...]) -> Secret | None:
    if value is None:
        return None
    secret = Secret.from_hex(value) if isinstance(value, str) else Secret(value)
    if len(secret) not in sizes:
        raise LocalProtocolError(
            f"the {name} key has {len(secret)} octets, not {' or '.join(map(str, sizes))}", layer="association"
        )
    return secret


@dataclass(frozen=True, slots=True)
class Keys:
    """Keys and titles of one client towards one meter.

    Keys are given as octets, as hex text, or as ``Secret``; they are kept as ``Secret``.

    Args:
        encryption: global unicast encryption key (EK): 16 octets, 32 in suite 2.
        authentication: authentication key (AK), as long as EK; None if only encryption is used.
        dedicated: dedicated key of the next association; None lets the association draw one.
        broadcast: global broadcast encryption key.
        master: key-encrypting key for key transfer.
        system_title: own title, 8 octets: three letters of the FLAG id and five octets. It must be unique among all
            clients that use the same EK, for it is half of the IV.
        server_title: title of the meter where its AARE does not tell it.
        invocation_counter: the next value to use, or a ``Counter``. A number becomes a counter held by these keys, so
            that sessions which share them never use a value twice. None: ``connect`` asks the meter, through its
            public client, for the last one it saw.
        suite: security suite 0 (AES-GCM-128), 1 (same cipher) or 2 (AES-GCM-256).
    """

    encryption: Secret | bytes | str
    authentication: Secret | bytes | str | None = None
    dedicated: Secret | bytes | str | None = None
    broadcast: Secret | bytes | str | None = None
    master: Secret | bytes | str | None = None
    system_title: bytes = b"MSDK\x00\x00\x00\x01"
    server_title: bytes | None = None
    invocation_counter: int | Counter | None = None
    suite: int = 0
    ek: Secret = field(init=False, repr=False, compare=False)
    ak: Secret = field(init=False, repr=False, compare=False)
    broadcast_key: Secret | None = field(init=False, repr=False, compare=False)
    counter: Counter | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.suite not in (0, 1, 2):
            raise LocalProtocolError(f"security suite {self.suite} is not 0, 1 or 2", layer="association")
        sizes = (32,) if self.suite == 2 else (16,)
        for name in ("encryption", "authentication", "dedicated", "broadcast", "master"):
            object.__setattr__(self, name, _key(getattr(self, name), name, sizes))
        for title in (self.system_title, self.server_title):
            if title is not None and len(title) != 8:
                raise LocalProtocolError(f"a system title has 8 octets, not {len(title)}", layer="association")
        counter = self.invocation_counter
        held = RisingCounter(counter) if isinstance(counter, int) else counter
        object.__setattr__(self, "invocation_counter", held)
        object.__setattr__(self, "counter", held)
        object.__setattr__(self, "ek", self.encryption)
        object.__setattr__(self, "broadcast_key", self.broadcast)
        object.__setattr__(self, "ak", self.authentication or Secret(b""))


@dataclass(frozen=True, slots=True)
class TicketKey:
    """The key of C12.21 authentication, for ``protocol="c1218"``: 8 octets for DES, 16 for AES.

    It is none of ``Keys``: who plays a meter chooses the block that is encrypted, and would learn from it what protects
    the messages of DLMS and C12.22 under the same key. Its number, where it is not 0, is ``key_id`` of the target.

    Args:
        key: octets, hex text, or a ``Secret``; it is kept as one.
    """

    key: Secret | bytes | str
    secret: Secret = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        secret = _key(self.key, "ticket", (8, 16))
        object.__setattr__(self, "key", secret)
        object.__setattr__(self, "secret", secret)
