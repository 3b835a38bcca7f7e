"""OBIS: the names of what a meter measures, six value groups A-B:C.D.E*F (IEC 62056-61, Blue Book part 1 clause 6).

One code is written in many ways, and all of these name the same register::

    1.0.1.8.0.255      dotted, as COSEM tools write it; the form ``str()`` gives
    1-0:1.8.0*255      the standard's form; ``.idis``
    1-0:1.8.0          F left out: 255, the current value
    1.8.0              reduced, as in an IEC 62056-21 data line; ``.reduced``
    b"\\x01\\x00\\x01\\x08\\x00\\xff"

Reduced codes leave A and B out. ``C`` and ``F`` codes (96, 97: general data, error registers) then belong to medium 0,
all others to electricity.
"""

from __future__ import annotations

import re
from functools import lru_cache, total_ordering

from metersdk.errors import DecodeError, LocalProtocolError
from metersdk.model.obis_names import name_of

# IEC 62056-21 annex: letters that stand for a number in group C (and D: the error register is F.F).
LETTERS = {"C": 96, "F": 97, "L": 98, "P": 99}
LETTER_OF = {number: letter for letter, number in LETTERS.items()}

_PART = r"(?:\d{1,3}|[CFLPcflp])"
_CODE = re.compile(
    rf"\s*(?:(?P<a>\d{{1,3}})-(?P<b>\d{{1,3}}):)?"
    rf"(?P<c>{_PART})\.(?P<d>{_PART})(?:\.(?P<e>\d{{1,3}})(?:\.(?P<f2>\d{{1,3}}))?)?(?:[*&](?P<f>\d{{1,3}}))?\s*",
    re.ASCII,
)
_DOTTED = re.compile(r"\s*" + r"\.".join([r"(\d{1,3})"] * 6) + r"\s*", re.ASCII)


@total_ordering
class Obis:
    """One OBIS code: immutable, hashable, ordered by its octets.

    ``Obis("1-0:1.8.0*255") == Obis("1.8.0") == Obis(bytes.fromhex("0100010800ff"))``. A code is never equal to a text,
    since one code has many texts: compare ``str(code)``, or parse the text.

    Raises:
        LocalProtocolError: the text is no OBIS code, or a group is above 255.
    """

    __slots__ = ("octets",)

    octets: bytes

    def __init__(self, code: str | bytes | Obis) -> None:
        octets = code.octets if isinstance(code, Obis) else _parse(code) if isinstance(code, str) else _checked(code)
        object.__setattr__(self, "octets", octets)

    @classmethod
    def parse(cls, code: str | bytes | Obis) -> Obis:
        """The code itself if it is one already, else the code that a text or six octets spell."""
        return code if isinstance(code, Obis) else cls(code)

    @classmethod
    def from_octets(cls, octets: bytes) -> Obis:
        """A logical name as a meter sent it: anything but six octets is the meter's fault.

        Raises:
            DecodeError: not six octets.
        """
        if len(octets) != 6:
            raise DecodeError(f"a logical name has 6 octets, not {len(octets)}", layer="data", data=bytes(octets))
        return cls(bytes(octets))

    @property
    def a(self) -> int:
        """Medium: 0 abstract, 1 electricity, 4 heat cost, 5 cooling, 6 heat, 7 gas, 8 cold water, 9 hot water."""
        return self.octets[0]

    @property
    def b(self) -> int:
        """Channel, 0 where there is only one."""
        return self.octets[1]

    @property
    def c(self) -> int:
        """Quantity, in the sense of the medium."""
        return self.octets[2]

    @property
    def d(self) -> int:
        """Processing: 6 maximum, 7 instantaneous, 8 time integral, 29 interval, ..."""
        return self.octets[3]

    @property
    def e(self) -> int:
        """Classification, most often the tariff, 0 for the total."""
        return self.octets[4]

    @property
    def f(self) -> int:
        """Billing period, 255 for the current one."""
        return self.octets[5]

    @property
    def idis(self) -> str:
        """The standard's form with all six groups: ``1-0:1.8.0*255``."""
        a, b, c, d, e, f = self.octets
        return f"{a}-{b}:{c}.{d}.{e}*{f}"

    @property
    def reduced(self) -> str:
        """The form of an IEC 62056-21 data line: ``1.8.0``, ``1.8.0*01``, ``C.1.0``, ``F.F``.

        Groups A and B stay (``8-0:1.0.0``) where leaving them out would name something else.
        """
        a, b, c, d, e, f = self.octets
        text = "F.F" if (c, d, e) == (97, 97, 0) else f"{LETTER_OF.get(c, c)}.{d}.{e}"
        suffix = "" if f == 255 else f"*{f:02d}"
        return (text if (a, b) == (_medium(c), 0) else f"{a}-{b}:{text}") + suffix

    def __str__(self) -> str:
        return ".".join(map(str, self.octets))

    def __repr__(self) -> str:
        return f"Obis({str(self)!r})"

    def __bytes__(self) -> bytes:
        return self.octets

    def __eq__(self, other: object) -> bool:
        return self.octets == other.octets if isinstance(other, Obis) else NotImplemented

    def __lt__(self, other: Obis) -> bool:
        return self.octets < other.octets if isinstance(other, Obis) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.octets)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("an Obis cannot be changed")

    def __delattr__(self, name: str) -> None:
        raise AttributeError("an Obis cannot be changed")

    def __reduce__(self) -> tuple[type[Obis], tuple[bytes]]:
        return Obis, (self.octets,)


def name(obis: Obis | str | bytes) -> str:
    """English name of a code, ``""`` where metersdk knows none: ``"Active energy import (+A), tariff 1"``."""
    return name_of(*Obis.parse(obis).octets)


def _medium(c: int) -> int:
    """Medium of a reduced code: C.x.x and F.F are abstract objects (0-0:96.1.0, 0-0:97.97.0)."""
    return 0 if c in (96, 97) else 1


def _checked(octets: bytes) -> bytes:
    if not isinstance(octets, (bytes, bytearray, memoryview)) or len(octets) != 6:
        raise LocalProtocolError(f"an OBIS code has 6 octets: {octets!r:.40}", layer="data")
    return bytes(octets)


@lru_cache(maxsize=1024)
def _parse(text: str) -> bytes:
    if dotted := _DOTTED.fullmatch(text):
        groups = [int(part) for part in dotted.groups()]
    elif (code := _CODE.fullmatch(text)) and not (code["f"] and code["f2"]):
        c = _number(code["c"])
        groups = [
            int(code["a"]) if code["a"] else _medium(c),
            int(code["b"] or 0),
            c,
            _number(code["d"]),
            int(code["e"] or 0),
            int(code["f"] or code["f2"] or 255),
        ]
    else:
        raise LocalProtocolError(
            f"not an OBIS code: {text!r:.60}", layer="data", hint="write 1.0.1.8.0.255, 1-0:1.8.0*255 or 1.8.0"
        )
    if max(groups) > 255:
        raise LocalProtocolError(f"a group of an OBIS code is at most 255: {text!r:.60}", layer="data")
    return bytes(groups)


def _number(part: str) -> int:
    return LETTERS.get(part.upper()) or int(part)
