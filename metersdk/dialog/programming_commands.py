"""The commands of programming mode as text: data sets that may be sent, groups, partial writes, passwords."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TypeAlias

from metersdk.apdu.keys import Secret
from metersdk.apdu.secure import Algorithm
from metersdk.errors import AuthenticationFailed, LocalProtocolError, MeterError
from metersdk.frame.iec62056_21 import Command

# A value that is a Secret stays out of records.
Values: TypeAlias = str | Secret | Sequence[str | Secret]

# Characters of W3 and W4 in one block.
WRITE_BLOCK = 128
# 6.3.2: the characters of a data set but for its brackets.
ADDRESS = re.compile(r"[^\x00-\x20()/!\x7f-\U0010ffff]*")
VALUE = re.compile(r"[^\x00-\x1f()\x7f-\U0010ffff]*")
# SOH R1 STX name( ) ETX BCC without the name.
_AROUND_GROUP = 8


def command_of(letter: str, command: str, address: str, values: Values) -> Command:
    """Raises: LocalProtocolError: no such command, or characters that no data set can carry; they are not repeated."""
    if len(command) != 2 or command[0] != letter or command[1] not in "123456789":
        raise LocalProtocolError(f"{command!r} is no such command", hint=f"{letter}1 to {letter}9")
    inside = ")(".join(checked(VALUE, _text(value), "a value") for value in _each(values))
    return Command(letter, command[1], f"{checked(ADDRESS, address, 'an address')}({inside})".encode("ascii"))


def secrets_in(values: Values) -> Iterator[bytes]:
    """The octets of those values that are secrets."""
    return (bytes(value) for value in _each(values) if isinstance(value, Secret))


def _each(values: Values) -> tuple[str | Secret, ...]:
    return (values,) if isinstance(values, str | Secret) else tuple(values)


def _text(value: str | Secret) -> str:
    return value if isinstance(value, str) else bytes(value).decode("latin-1")


def checked(allowed: re.Pattern[str], text: str, what: str) -> str:
    if not allowed.fullmatch(text):
        raise LocalProtocolError(f"{what} holds characters that no data set can carry")
    return text


def computed(algorithm: Algorithm, operand: bytes, password: Secret) -> bytes:
    try:
        return algorithm(operand, password)
    except MeterError:
        raise
    except Exception as error:
        # A plug-in; what its error says may hold the password, the place where it happened does not.
        name, place = getattr(algorithm, "__qualname__", "it"), error.__traceback__
        while place is not None and place.tb_next is not None:
            place = place.tb_next
        where = f", line {place.tb_lineno} of {place.tb_frame.f_code.co_filename}" if place is not None else ""
        raise LocalProtocolError(
            f"the secure algorithm failed with {type(error).__name__} ({name}{where})",
            hint="it gets the operand as bytes and the password as Secret, whose octets are bytes(password)",
        ) from None


def in_parts(whole: Command) -> list[Command]:
    """W3 and W4 go in partial blocks; any other command as it is."""
    if whole.command != "W" or whole.type not in "34" or whole.data is None:
        return [whole]
    text = whole.data
    pieces = [text[at : at + WRITE_BLOCK] for at in range(0, len(text), WRITE_BLOCK)]
    parts = [replace(whole, data=piece, partial=True) for piece in pieces]
    return [*parts[:-1], replace(parts[-1], partial=False)]


def groups(addresses: Sequence[str], name: str, limit: int | None) -> Iterator[Command]:
    """``R1 name(A()B()C())``, as many as it takes to keep each within ``limit`` octets."""
    room = None if limit is None else limit - _AROUND_GROUP - len(name)
    part = ""
    for address in addresses:
        one = f"{checked(ADDRESS, address, 'an address')}()"
        if part and room is not None and len(part) + len(one) > room:
            yield Command("R", "1", f"{name}({part})".encode("ascii"))
            part = ""
        part += one
    if part:
        yield Command("R", "1", f"{name}({part})".encode("ascii"))


def inside(text: bytes) -> bytes:
    """What stands in the brackets of P0; all of it where there are none."""
    return text[1:-1] if text.startswith(b"(") and text.endswith(b")") else text


def refusal(said: str, hint: str = "") -> AuthenticationFailed:
    """The error for a password that the meter answered with ``said``."""
    return AuthenticationFailed(
        f"the meter refused the password ({said})", layer="association", state="password", hint=hint
    )
