"""One meter family as a TOML file says it: whom it is about, what differs from the standard, and vectors that prove it.

The format is told in docs/howto/vendor-data.md. It is strict: a key that is not known is an error that names the file,
the key and the keys there are.
"""

from __future__ import annotations

import re
import tomllib
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from difflib import get_close_matches
from functools import cache
from typing import Annotated, Any, Literal, TypeAlias, get_type_hints

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, create_model

from metersdk.errors import LocalProtocolError
from metersdk.model.quirks import Quirks

# How sure a fact is: the maker's document; read in a public program that reads such meters; told by several, by one;
# or from memory, and to be proved.
Sure: TypeAlias = Literal["documented", "program", "several reports", "one report", "unverified"]
Speaks: TypeAlias = Literal["iec62056-21", "dlms", "kmp", "sml", "p1", "mbus", "c1218"]

_NAME = r"^[a-z0-9][a-z0-9-]{1,47}$"
_LINE = re.compile(r"/([A-Za-z0-9]{3})(.)((?:\\.)*)(.*)", re.DOTALL)
# What pydantic calls a key, or a kind of vector, that is not known.
_NO_KIND = ("union_tag_invalid", "union_tag_not_found")
_UNKNOWN = ("extra_forbidden", *_NO_KIND)
# Switches that are numbers: none of these may be 0, and none of these negative.
_COUNTS = {"initial_baud", "push_baud", "max_baud", "address_digits", "inactivity", "request_limit"}
_COUNTS |= {"hdlc_information", "hdlc_window", "psem_packet_size"}
_AMOUNTS = {"wake_up_octets", "quiet_before", "guard", "profile_chunk", "profile_lead", "psem_user_id"}
# What to write, where the rule alone does not say it.
_WANTED = {
    "manufacturer": "what follows the / of the identification: three letters or digits",
    "octets": 'hexadecimal, like "02 31 2E 38"',
    "what": "a sentence: what is special about this meter",
    "source": "a few words: who says so, or where it was tried",
    "facts": "a [[facts]] with what, sure and source; switches, if it sets some",
    "title": 'the maker and the names on the meter: title = "..."',
}
# The family's own name is its file's.
_NO_SWITCH = ("family",)


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def _expression(text: str) -> str:
    try:
        with warnings.catch_warnings():
            # "[[" will mean something else one day: say it now, and to whom it concerns.
            warnings.simplefilter("error", FutureWarning)
            re.compile(text)
    except (re.error, OverflowError, RecursionError, FutureWarning) as error:
        raise ValueError(f"no regular expression: {error}") from None
    return text


Expression: TypeAlias = Annotated[str, AfterValidator(_expression)]


class Match(_Part):
    """Whose identification this is.

    Attributes:
        manufacturer: the three letters; their case, which tells the speed of reaction, does not count.
        model: a regular expression for the start of what follows the speed and the ``\\W`` sequences.
    """

    manufacturer: str = Field(pattern="^[A-Za-z0-9]{3}$")
    model: Expression = ""

    def length(self, line: str) -> int:
        """How many characters of an identification line agree; 0: it is another meter's."""
        parts = _LINE.fullmatch(line)
        if parts is None or parts[1].upper() != self.manufacturer.upper():
            return 0
        found = re.match(self.model, parts[4])
        return 0 if found is None else len(parts[1]) + found.end()


class TableOne(_Part):
    """Whose table 1 of ANSI C12.19 this is; nothing on the line tells the maker of such a meter before.

    Attributes:
        manufacturer: MANUFACTURER, at most four characters; their case does not count.
        model: a regular expression for the start of ED_MODEL.
        sure, source: as of a fact.
    """

    manufacturer: str = Field(pattern="^[!-~]{1,4}$")
    model: Expression = ""
    sure: Sure
    source: str = Field(min_length=1)

    def length(self, manufacturer: str, model: str) -> int:
        """How many characters of both agree; 0: it is another meter's."""
        if manufacturer.upper() != self.manufacturer.upper():
            return 0
        found = re.match(self.model, model)
        return 0 if found is None else len(manufacturer) + found.end()


class Fact(_Part):
    """What is known of a family: ``what`` in words, how ``sure``, from which ``source``, and the switches it sets."""

    what: str = Field(min_length=1)
    sure: Sure
    source: str = Field(min_length=1)
    switches: dict[str, Any] = {}


class Step(_Part):
    """One step of a sign-on: exactly one of the four. Text is 7-bit; ``nuls`` is a wake-up of so many NULs."""

    send: str | None = None
    receive: str | None = None
    baud: int | None = None
    nuls: int | None = None


class IdentificationVector(_Part):
    """An identification line, and the family it leads to: this one unless said, ``""`` for none."""

    kind: Literal["identification"]
    line: str
    family: str | None = None
    mode: str | None = None
    baud: int | None = None


class SignOnVector(_Part):
    """The octets both sides put on the line until the meter is signed on, in order, and what comes of it."""

    kind: Literal["sign-on"]
    steps: tuple[Step, ...] = Field(min_length=1)
    address: str = ""
    mode: str
    baud: int


class ProgrammingVector(_Part):
    """The octets of a whole session in programming mode that reads registers, and their ``values``.

    ``password`` is one that anybody may read: a default of the maker, or one made up.
    """

    kind: Literal["programming"]
    steps: tuple[Step, ...] = Field(min_length=1)
    address: str = ""
    password: str | None = None
    level: Literal[1, 2] | None = None
    read: tuple[str, ...] = Field(min_length=1)
    values: tuple[str, ...]


class BlockVector(_Part):
    """A whole block in hex, STX or SOH to BCC: its BCC is right, and its text parses to these addresses."""

    kind: Literal["block"]
    octets: str = Field(pattern="^([0-9A-Fa-f]{2} ?)+$")
    addresses: tuple[str, ...] = ()


class ProfileVector(_Part):
    """A text profile (P.01) as the meter sends it, and its rows: ``times`` as they are read, ``values`` row by row.

    A value that the meter does not have is ``""``. ``status``: the status word of each row, in words.
    """

    kind: Literal["profile"]
    text: str
    times: tuple[str, ...]
    values: tuple[tuple[str, ...], ...]
    status: tuple[str, ...] = ()


class KmpVector(_Part):
    """An answer over KMP, in hex from 40 to 0D, and the registers in it as ``number = "value unit"``."""

    kind: Literal["kmp"]
    octets: str = Field(pattern="^([0-9A-Fa-f]{2} ?)+$")
    registers: dict[str, str]


class DataVector(_Part):
    """A line of a readout, and the data sets in it as ``address = [values]``."""

    kind: Literal["data"]
    line: str
    sets: dict[str, tuple[str, ...]]


class TableVector(_Part):
    """A table of ANSI C12.19 as the maker describes it, octets in hex, and its registers as ``code = "value unit"``.

    ``order``: which octet of a number comes first, as table 0 says.
    """

    kind: Literal["c12-table"]
    number: int = Field(ge=1, lt=4096)
    octets: str = Field(pattern="^([0-9A-Fa-f]{2} ?)+$")
    order: Literal["little", "big"] = "little"
    registers: dict[str, str]


class TableOneVector(_Part):
    """What table 1 of an ANSI meter says, and the family it leads to: this one unless said, ``""`` for none."""

    kind: Literal["table-1"]
    manufacturer: str
    model: str = ""
    family: str | None = None


Vector: TypeAlias = Annotated[
    IdentificationVector
    | SignOnVector
    | ProgrammingVector
    | BlockVector
    | ProfileVector
    | KmpVector
    | DataVector
    | TableVector
    | TableOneVector,
    Field(discriminator="kind"),
]


class FamilyFile(_Part):
    """What stands in the file.

    Attributes:
        title: the maker and the names on the meter.
        speaks: the protocol of its optical port.
        supported: False for a family that is only described: it cannot be read yet.
        match: whose identification leads here; none, and no ``table1``: the family is chosen by name only.
        table1: which ANSI meters it is about, as their table 1 says.
    """

    title: str = Field(min_length=1)
    speaks: Speaks = "iec62056-21"
    supported: bool = True
    match: tuple[Match, ...] = ()
    table1: tuple[TableOne, ...] = ()
    facts: tuple[Fact, ...] = Field(min_length=1)
    vectors: tuple[Vector, ...] = ()


@dataclass(frozen=True, slots=True)
class Family:
    """A family, read and checked: its ``name``, the ``file`` it stands in, what that says, and the switches it sets."""

    name: str
    file: str
    said: FamilyFile
    quirks: Quirks

    def length(self, line: str) -> int:
        """How many characters of an identification line agree with the best of its matches; 0: none does."""
        return max((each.length(line) for each in self.said.match), default=0)

    def of_table_1(self, manufacturer: str, model: str) -> tuple[int, Sure]:
        """How many characters of table 1 agree with the best of its matches, and how sure that one is; 0: none does."""
        found: list[tuple[int, Sure]] = [(each.length(manufacturer, model), each.sure) for each in self.said.table1]
        return max(found, key=lambda each: each[0], default=(0, "unverified"))

    @property
    def differs(self) -> dict[str, tuple[object, Fact]]:
        """Each switch that is set: its value, and the fact it stands on."""
        return {
            name: (getattr(self.quirks, name), fact)
            for fact in self.said.facts
            for name in (*fact.switches,)
            if name in _switches().model_fields
        }


def parse_family(text: str, name: str, file: str) -> Family:
    """A family from the text of its file.

    Raises:
        LocalProtocolError: no TOML, an unknown key or switch, or a value of the wrong type; the message names the file
            and the key, the hint the keys there are.
    """
    if not re.match(_NAME, name):
        raise _wrong(file, f"{name!r} is no name of a family", "small letters, digits and hyphens")
    try:
        said = FamilyFile.model_validate(_tuples(tomllib.loads(text)))
    except ValidationError as error:
        raise _invalid(file, FamilyFile, error) from None
    except (ValueError, RecursionError) as error:
        # A number of too many digits is a plain ValueError.
        raise _wrong(file, f"no TOML: {error}") from None
    given: dict[str, object] = {}
    stands: dict[str, int] = {}
    for number, fact in enumerate(said.facts):
        for switch, value in fact.switches.items():
            if switch in given:
                raise _wrong(file, f"the switch {switch} is set twice")
            given[switch] = tuple(value.items()) if isinstance(value, dict) else value
            stands[switch] = number
    switches = _switches()
    try:
        checked = switches.model_validate(given)
    except ValidationError as error:
        raise _invalid(file, switches, error, stands) from None
    return Family(name, file, said, Quirks(family=name, **dict(checked)))


@cache
def _switches() -> type[BaseModel]:
    """A strict model of every switch a file may set, made of ``Quirks`` itself."""
    hints = get_type_hints(Quirks)
    wanted: dict[str, Any] = {
        field.name: (Annotated[hints[field.name], AfterValidator(_at_least(field.name))], field.default)
        for field in fields(Quirks)
        if field.name not in _NO_SWITCH
    }
    config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)
    return create_model("Switches", __config__=config, **wanted)


def _tuples(value: object) -> Any:
    """Lists as tuples, which is what frozen models hold."""
    if isinstance(value, list):
        return tuple(map(_tuples, value))
    return {key: _tuples(each) for key, each in value.items()} if isinstance(value, dict) else value


def _at_least(name: str) -> Callable[[object], object]:
    """A check that a number is not less than what makes sense; what type it has was checked before."""

    def checked(value: object) -> object:
        if name in _COUNTS and isinstance(value, (int, float)) and value <= 0:
            raise ValueError(f"{value:g} is not more than 0")
        if name in _AMOUNTS and isinstance(value, (int, float)) and value < 0:
            raise ValueError(f"{value:g} is less than 0")
        return value

    return checked


def _invalid(
    file: str, model: type[BaseModel], error: ValidationError, stands: Mapping[str, int] | None = None
) -> LocalProtocolError:
    """What the first thing is that is wrong; ``stands``: which of the facts a switch is set by."""
    found = error.errors(include_url=False, include_input=False)
    # A key that is spelled wrongly is missing, too: say which it was.
    first = next((each for each in found if each["type"] in _UNKNOWN), found[0])
    place, key = first["loc"], str(first["loc"][-1])
    if stands and key in stands:
        place = ("facts", stands[key], "switches", *place)
    if first["type"] in _NO_KIND:
        kind = str(first.get("ctx", {}).get("tag", ""))
        text = f"kind = {kind!r} is none there is" if kind else "kind: Field required"
        return _wrong(f"{file}: {_named(place)}", text, _choice(kind, [*_KINDS]))
    where = ": ".join((file, *filter(None, (_named(place[:-1]),))))
    if first["type"] in _UNKNOWN:
        return _wrong(where, f"unknown key {key}", _choice(key, _known(model, first["loc"])))
    return _wrong(where, f"{key}: {first['msg'].removeprefix('Value error, ')}", _WANTED.get(key, ""))


def _named(place: tuple[int | str, ...]) -> str:
    """A place as a person counts: ``vectors 2: steps 1``; the kind of a vector is no part of it."""
    parts = [str(part + 1) if isinstance(part, int) else part for part in place if part not in _KINDS]
    return re.sub(r": (\d+)", r" \1", ": ".join(parts))


def _choice(wrong: str, known: Sequence[str]) -> str:
    near = get_close_matches(wrong, known, 1)
    return f"{f'did you mean {near[0]}? ' if near else ''}known: {', '.join(known)}"


_KINDS: dict[str, type[BaseModel]] = {
    "identification": IdentificationVector,
    "sign-on": SignOnVector,
    "programming": ProgrammingVector,
    "block": BlockVector,
    "profile": ProfileVector,
    "kmp": KmpVector,
    "data": DataVector,
    "c12-table": TableVector,
    "table-1": TableOneVector,
}
_TABLES: dict[str, type[BaseModel]] = {"match": Match, "table1": TableOne, "facts": Fact, "steps": Step}


def _known(model: type[BaseModel], place: tuple[int | str, ...]) -> list[str]:
    """The keys of the table in which an unknown one stands at ``place``."""
    for part in place[:-1]:
        model = _TABLES.get(str(part)) or _KINDS.get(str(part)) or model
    return list(model.model_fields)


def _wrong(file: str, text: str, hint: str = "") -> LocalProtocolError:
    return LocalProtocolError(f"{file}: {text}", layer="data", hint=hint)
