"""Which family a meter of ANSI C12 belongs to: nothing on the line tells its maker before table 1 is read.

Most meters give table 1 to everybody. So it is read between Logon and Security: what fills the password up differs from
maker to maker.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final, TypeAlias

from metersdk.apdu.psem_security import Padding
from metersdk.dialog.psem import Psem
from metersdk.effects import Dialog, Emit, State
from metersdk.errors import AuthenticationFailed, DecodeError, Finding, PsemError
from metersdk.model.quirks import Quirks

FamilyOf: TypeAlias = Callable[[str, str], tuple[Quirks, str] | None]
"""Manufacturer and model of table 1 -> the switches of their family, and how sure it is; None: none is known."""

STANDARD: Final = "ansi-c1218"
"""The vendor data of a meter whose maker is not listed."""
_IDENTIFICATION: Final = 1
_MANUFACTURER, _MODEL = slice(0, 4), slice(4, 12)


class FamilyChoice:
    """The switches that hold for a meter: those of the family that was named, or of the one that table 1 leads to.

    Args:
        quirks: what is said from the start.
        families: knows the families; None: nothing but ``quirks`` holds.

    Attributes:
        quirks: what holds by now.
    """

    def __init__(self, quirks: Quirks, families: FamilyOf | None) -> None:
        self.quirks = quirks
        self._families = families

    def padding(self, psem: Psem) -> Dialog[Padding]:
        """What fills a password up."""
        yield from self.look(psem)
        return self.quirks.psem_padding

    def advise(self, error: BaseException, key: object) -> None:
        """A password that is refused may be filled up wrongly, where nobody has said whose meter it is."""
        if isinstance(error, AuthenticationFailed) and key is None and self.quirks.family in ("", STANDARD):
            error.hint = (
                "check the password, and whose meter it is: its maker may fill it up otherwise (vendor=, --vendor); "
                "do not retry blindly, many meters lock"
            )

    def look(self, psem: Psem) -> Dialog[None]:
        """Read table 1, once; where it is refused, another try may have more rights."""
        if self._families is None:
            return
        try:
            octets = yield from psem.read(_IDENTIFICATION)
        except (PsemError, DecodeError):
            return
        families, self._families = self._families, None
        manufacturer, model = _text(octets[_MANUFACTURER]), _text(octets[_MODEL])
        found = families(manufacturer, model)
        if found is not None:
            yield from self._adopt(*found, f"{manufacturer} {model}".rstrip())

    def _adopt(self, quirks: Quirks, sure: str, name: str) -> Dialog[None]:
        before, self.quirks = self.quirks, replace(quirks, allow_plaintext=self.quirks.allow_plaintext)
        yield Emit(State("family", quirks.family))
        text = f"vendor data of {quirks.family} hold: table 1 says {name} (match: {sure})"
        hint = f"vendor= (--vendor) names another; {STANDARD} keeps to the standard"
        if _opening(before) != _opening(quirks):
            hint = (
                f"it is signed on to in its own way with vendor={quirks.family!r} (--vendor {quirks.family}); " + hint
            )
        yield Emit(Finding("c12-family", text, "data", hint=hint))


def _opening(quirks: Quirks) -> tuple[object, ...]:
    """What counts before table 1 can be read."""
    return (
        quirks.psem_wake_up,
        quirks.psem_user,
        quirks.psem_user_id,
        quirks.psem_negotiate,
        quirks.psem_packet_size,
    )


def _text(octets: bytes) -> str:
    return octets.decode("latin-1").strip(" \0")
