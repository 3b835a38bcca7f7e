"""Ciphered pushes opened: the keys of who listens, the counters of each sender, and what came out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from metersdk.apdu.cipher import Protected, split, unseal
from metersdk.apdu.keys import Keys
from metersdk.errors import DecodeError, Finding, SecurityError
from metersdk.frame.telegram import TextTelegram, telegrams

_ENCRYPTED, _AUTHENTICATED = 0x20, 0x10
_TAG: Final = 12
# Pushes in a row that a key does not open before it is taken for the wrong one: damage looks the same.
_REFUSED: Final = 3
# Senders whose counters are kept.
_SENDERS: Final = 64
_NOTIFICATION: Final = 0x0F
_UNCHECKED = Finding(
    "push-tag-unchecked",
    "a ciphered push whose tag is not checked: nothing proves who sent it",
    "apdu",
    -1,
    "give the authentication key, too",
)


@dataclass(frozen=True, slots=True)
class OpenedPush:
    """What a ciphered push held: its octets, the P1 telegram that they are, who sent it, whether its tag is right."""

    plain: bytes
    telegram: TextTelegram | None
    title: bytes
    authentic: bool
    findings: tuple[Finding, ...] = ()


class PushOpener:
    """Opens ciphered pushes. A counter that does not rise is a replay.

    Args:
        keys: without an authentication key tags are not checked.
    """

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._last: dict[bytes, int] = {}
        self._refused = 0

    def open(self, apdu: bytes) -> OpenedPush:
        """Decipher one push.

        Raises:
            DecodeError: it is damaged, or was sent before.
            SecurityError: nothing was opened by these keys, several times in a row.
        """
        parts = split(apdu)
        title = parts.title or self._keys.server_title or b""
        if len(title) != 8:
            raise DecodeError("a ciphered push that does not tell who sent it", layer="apdu", data=apdu)
        try:
            plain, authentic = self._unsealed(parts, title)
            telegram = next(telegrams(plain), None) if plain.startswith(b"/") else None
            if telegram is None and not authentic and plain[:1] != bytes((_NOTIFICATION,)):
                raise SecurityError("what comes out is no telegram")
        except SecurityError as error:
            self._refused += 1
            if self._refused >= _REFUSED:
                hint = "check the encryption key and the authentication key of this meter"
                raise SecurityError(
                    f"these keys open none of {self._refused} pushes: {error.message}", layer="apdu", hint=hint
                ) from None
            raise DecodeError(f"it is damaged, or the key is wrong: {error.message}", layer="apdu") from None
        if parts.counter <= self._last.get(title, -1):
            raise DecodeError(f"it was sent before: counter {parts.counter}", layer="apdu")
        if title not in self._last and len(self._last) == _SENDERS:
            self._last.clear()
        self._last[title] = parts.counter
        self._refused = 0
        return OpenedPush(plain, telegram, title, authentic, () if authentic else (_UNCHECKED,))

    def _unsealed(self, parts: Protected, title: bytes) -> tuple[bytes, bool]:
        keys, control, body = self._keys, parts.control, parts.body
        authentic = bool(control & _AUTHENTICATED)
        if authentic and not len(keys.ak):
            if not control & _ENCRYPTED or len(body) < _TAG:
                raise SecurityError("without an authentication key it cannot be opened")
            control, body, authentic = control & ~_AUTHENTICATED, body[:-_TAG], False
        return unseal(control, parts.counter, title, keys.ek, keys.ak, body), authentic
