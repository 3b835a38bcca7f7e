"""The data sets of IEC 62056-21: text of a data block <-> ``DataSet``, piece by piece as it arrives.

::

    data block ::= (data line CR LF)* "!" CR LF        data line ::= data set+       at most 78 characters
    data set   ::= [address] "(" [value ["*" unit]] ")"                              IEC 62056-21 6.4, annex A

Meters take liberties with it. All that were met are accepted, and each is reported as a ``Finding`` at its offset;
``strict=True`` turns them into errors. Values keep their text (leading zeros carry the digit count) next to an exact
``Decimal``; nothing passes through a float.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from itertools import repeat
from types import EllipsisType
from typing import Any

from metersdk import fast
from metersdk.apdu.record import Record
from metersdk.errors import DecodeError, Finding, LimitExceeded, MeterReportedError
from metersdk.fast.pure_dataset import Place

ADDRESS_LIMIT = 16
VALUE_LIMIT = 128
UNIT_LIMIT = 16
LINE_LIMIT = 78
# One data set that is not closed: an address, 128 characters of value, and much room (P1 messages have 2048 hex
# digits). What stays open longer is not a data block.
OPEN_LIMIT = 8192
# Values of one data set: rows of a profile that is read as text are such, a year of 15 minutes has 35040.
VALUES_LIMIT = 1 << 18
# A noisy line must not fill the memory with findings; the first of them tell what is wrong.
FINDINGS_LIMIT = 1000
# Data sets without liberties are read many at once, where there are octets enough for it to pay, and so many at most.
_MANY = 256
_AT_ONCE = 1 << 16
# Where hardly any are without, that is tried again only after so many others.
_PATIENCE = 1 << 12

_NUMBER = re.compile(r"[+-]?(?:\d+(?:[.,]\d*)?|[.,]\d+)")
_ADDRESS = re.compile(r"[0-9A-Za-z][0-9A-Za-z.:*&_-]*")
# Units seen inside values, `(123.34kWh)`: only known ones, for `1ESY1336001560` is a serial number.
_UNIT_INSIDE = re.compile(
    r"\s*([+-]?\d+(?:[.,]\d+)?)(\s*)"
    r"([kMG]?(?:Wh|varh|VArh|VAh|W|var|VAr|VA|J|cal)|[mk]?[VA]|Hz|m3(?:ph|/h)?|l(?:/h)?|h|s|min|°?[CK]|[Dd]eg|bar|%)"
)
# 170209094500W: a time stamp with its season, not watts.
_STAMP = re.compile(r"\d{12}[WS]")
# `.01`: reduced code C.D.E with the billing period as a fourth group.
_HISTORY = re.compile(r"(.*?\d)(?:([*&])(\d{1,3})|(?<=\d)(\.)(\d\d))")
_HISTORY_DOT = re.compile(r"(?:.*:)?[0-9A-Z]+\.\d+\.\d+")
# Make a data set and a value of what their tuples hold.
_make: Callable[[type[DataSet], tuple[str, int, int]], DataSet] = tuple.__new__
_make_value: Callable[[type[Value], tuple[str, EllipsisType, str | None, str]], Value] = tuple.__new__
_CONTROL = re.compile(r"[\x00-\x09\x0b\x0c\x0e-\x1f\x7f]+")


class Value(Record, tuple[str, "Decimal | EllipsisType | None", "str | None", str]):
    """One value as it stood there.

    ``number`` is None where ``text`` is no decimal number. ``unit`` is None where none was given, and ``""`` after a
    ``*`` that nothing follows. ``lead`` is what opened it: ``"("``, or the separator ``"&"`` or ``"#"``.
    """

    __slots__ = ()
    __match_args__ = ("text", "number", "unit", "lead")

    def __new__(
        cls, text: str, number: Decimal | EllipsisType | None = None, unit: str | None = None, lead: str = "("
    ) -> Value:
        """``number`` as it is; ``...`` is the one that ``text`` stands for."""
        return tuple.__new__(cls, (text, number, unit, lead))

    @property
    def text(self) -> str:
        return self[0]

    @property
    def number(self) -> Decimal | None:
        amount = self[1]
        return number(self[0]) if isinstance(amount, EllipsisType) else amount

    @property
    def unit(self) -> str | None:
        return self[2]

    @property
    def lead(self) -> str:
        return self[3]

    def __str__(self) -> str:
        return self.text if self.unit is None else f"{self.text}*{self.unit}"


@dataclass(frozen=True, slots=True)
class History:
    """A stored value of an earlier billing period: ``1.8.0*18`` is ``History("1.8.0", "*", 18)``.

    ``mark`` is ``"*"``, ``"."`` or ``"&"`` (reset by hand).
    """

    address: str
    mark: str
    number: int


class DataSet(Record, tuple[Any, ...]):
    """``address(value*unit)(value)...`` with ``offset`` and ``line`` (from 0) in the data block."""

    # Its tuple is (address, line, offset, values); of one that takes no liberties it is (text, line, offset), the text
    # as it stood, without the last bracket.
    __slots__ = ()
    __match_args__ = ("address", "values", "line", "offset")

    def __new__(cls, address: str, values: tuple[Value, ...], line: int = 0, offset: int = 0) -> DataSet:
        return tuple.__new__(cls, (address, line, offset, values))

    @property
    def address(self) -> str:
        text: str = self[0]
        return text if len(self) == 4 else text.partition("(")[0]

    @property
    def values(self) -> tuple[Value, ...]:
        return self[3] if len(self) == 4 else _plain_values(self[0])

    @property
    def line(self) -> int:
        line: int = self[1]
        return line

    @property
    def offset(self) -> int:
        offset: int = self[2]
        return offset

    @property
    def value(self) -> Value:
        """The first value."""
        return self.values[0]

    @property
    def history(self) -> History | None:
        """The billing period the address names; None for a present value (no suffix, or ``*255``)."""
        match = _HISTORY.fullmatch(self.address)
        if match is None:
            return None
        base, mark, number = match[1], match[2] or match[4], int(match[3] or match[5])
        if (mark == "." and not _HISTORY_DOT.fullmatch(base)) or number == 255:
            return None
        return History(base, mark, number)

    def encode(self) -> bytes:
        """The data set as it stood, without the liberties taken around it."""
        text = [self.address]
        for index, value in enumerate(self.values):
            if value.lead == "(":
                text.append(")(" if index else "(")
            else:
                text.append(value.lead)
            text.append(str(value))
        return ("".join(text) + ")").encode("latin-1")


def _plain_values(text: str) -> tuple[Value, ...]:
    """The values of ``1.6.1(27.19*kW)(1702090945``, in which there are no liberties."""
    _, _, inside = text.partition("(")
    if ")" not in inside:
        return (_plain_value(inside),)
    return tuple([_plain_value(part) for part in inside.split(")(")])


def _plain_value(text: str) -> Value:
    amount, star, unit = text.partition("*")
    return _make_value(Value, (amount, ..., unit if star else None, "("))


def number(text: str) -> Decimal | None:
    """The exact number a value's text stands for, decimal comma or point; None if it is none."""
    text = text.strip()
    return Decimal(text.replace(",", ".")) if _NUMBER.fullmatch(text) else None


def error_message(data_sets: Iterable[DataSet]) -> str | None:
    """The text of an error message, ``(ERROR)`` ``(ER01)`` ``(ERR14)`` as the whole answer; None if it is none."""
    match [*data_sets]:
        case [DataSet(address="", values=values)] if values[0].text.upper().startswith("ER"):
            return values[0].text
    return None


def raise_error_message(data_sets: Iterable[DataSet]) -> None:
    """Does nothing unless the meter answered with an error message.

    Raises:
        MeterReportedError: with the text it gave as ``code``.
    """
    text = error_message(data_sets)
    if text is not None:
        raise MeterReportedError(f"the meter answered with the error message ({text})", code=text, layer="data")


class DataSetParser:
    """Reads a data block piece by piece; memory is bounded by the one data set that is still open.

    Attributes:
        findings: liberties the block took, ``FINDINGS_LIMIT`` at most.
        ended: ``!`` was seen; what follows it is ``tail`` (a P1 CRC, or nothing).

    A data set is handed out once the next one begins, for its values may go on: ``1.6.1(12.3*kW)`` ``(2611221530)``.
    """

    __slots__ = (
        "_address",
        "_begun",
        "_last_line",
        "_line",
        "_line_start",
        "_offset",
        "_open",
        "_values",
        "ended",
        "findings",
        "strict",
        "tail",
    )

    def __init__(self, *, strict: bool = False) -> None:
        self.strict = strict
        self.findings: list[Finding] = []
        self.ended = False
        self.tail = ""
        self._open = bytearray()
        # Offset in the block of what _open holds.
        self._offset = 0
        self._line = 0
        self._line_start = 0
        self._address = ""
        self._begun = (0, 0)
        self._values: list[Value] = []

    @property
    def position(self) -> int:
        """Offset in the block of the first character that belongs to no data set handed out yet."""
        return self._begun[1] if self._values else self._offset

    def copy(self) -> DataSetParser:
        """A parser that goes on from here by itself: where a block must be read again, its first reading is dropped."""
        twin = DataSetParser(strict=self.strict)
        for name in self.__slots__:
            if hasattr(self, name):
                setattr(twin, name, getattr(self, name))
        twin.findings = self.findings.copy()
        twin._open = self._open.copy()
        twin._values = self._values.copy()
        return twin

    def feed(self, data: bytes) -> list[DataSet]:
        """The data sets that ``data`` completes.

        Raises:
            DecodeError: ``strict``, and the block breaks the grammar.
            LimitExceeded: a data set stays open for more than ``OPEN_LIMIT`` characters, or has more than
                ``VALUES_LIMIT`` values.
        """
        done: list[DataSet] = []
        if self.ended:
            self._take_tail(data)
            return done
        self._open += data
        if b")" in data:
            self._take(done)
        if self.ended:
            return done
        if b"!" in data and b"!" in self._open:
            self._end_mark()
        if len(self._open) > OPEN_LIMIT:
            raise LimitExceeded(
                f"a data set is not closed after {OPEN_LIMIT} characters",
                layer="data",
                offset=self._offset,
                data=bytes(self._open[:64]),
            )
        return done

    def finish(self) -> list[DataSet]:
        """The last data set; nothing more comes.

        Raises:
            DecodeError: ``strict``, and the block breaks off.
        """
        if not self.ended:
            text = self._open.decode("latin-1")
            if "(" in text:
                self._find("truncated", "the data break off inside a data set", self._offset)
            elif text.strip():
                self._between(text + "\r\n", self._offset, address=False)
            self._open.clear()
        done: list[DataSet] = []
        self._hand_out(done)
        return done

    def _take(self, done: list[DataSet]) -> None:
        """All that ends in ``)``: data sets without liberties by the dozen, the others piece by piece."""
        pieces = 1
        while True:
            many = self._take_many(done) if len(self._open) >= _MANY else 0
            pieces = 1 if many > pieces else min(2 * pieces, _PATIENCE)
            for _ in range(pieces):
                end = self._open.find(b")")
                if end < 0:
                    return
                piece = self._open[:end].decode("latin-1")
                del self._open[: end + 1]
                self._piece(piece, done)
                if self.ended:
                    return

    def _take_many(self, done: list[DataSet]) -> int:
        """The data sets that are next, as long as they take no liberties. Returns how many."""
        place = Place(self._offset, self._line, self._line_start)
        text, lines, offsets, place = fast.data_sets(bytes(self._open[:_AT_ONCE]), place)
        if offsets:
            # The first of them has an address, so that the one before it is whole.
            self._hand_out(done)
            done += map(_make, repeat(DataSet), zip(text, lines, offsets, strict=True))
            del self._open[: place.offset - self._offset]
            self._offset, self._line, self._line_start = place
        return len(offsets)

    def _piece(self, piece: str, done: list[DataSet]) -> None:
        """Everything up to one ``)``: line ends, an address, ``(``, a value."""
        before, opening, inside = piece.partition("(")
        start = self._offset
        if before:
            if "!" in before:
                self._end_mark(piece + ")")
                return
            address = self._between(before, start)
        else:
            address = ""
        if not opening:
            self._find("closing", "')' without '('", start + len(before))
            self._offset += len(piece) + 1
            return
        if "(" in inside:
            self._find("opening", "'(' inside a value", start + len(before) + 1)
            inside = inside.rpartition("(")[2]
        if "\r" in inside or "\n" in inside:
            self._find("broken-line", "a line ends inside a value", start + len(before))
            self._line += inside.count("\n")
            inside = inside.replace("\r", "").replace("\n", "")
        if address or not self._values:
            self._hand_out(done)
            self._address = address
            self._begun = (self._line, start + len(before) - len(address))
        elif before:
            self._find("value-on-next-line", f"a value of {self._address or 'no address'} on the next line", start)
        self._add_values(inside, start + len(before) + 1)
        self._offset += len(piece) + 1
        length = self._offset - self._line_start
        if length > LINE_LIMIT and length - len(piece) - 1 <= LINE_LIMIT:
            self._find("line-length", f"a line of more than {LINE_LIMIT} characters", self._line_start)

    def _between(self, text: str, start: int, *, address: bool = True) -> str:
        """What stands between two data sets: line ends, perhaps rubbish, and the address of the next."""
        if _ADDRESS.fullmatch(text):
            return self._check_address(text, start)
        line = start + text.rfind("\n") + 1
        lines = text.split("\n")
        self._line += len(lines) - 1
        if len(lines) > 1:
            self._line_start = line
            if any(not part.endswith("\r") for part in lines[:-1]):
                self._find("line-end", "a line ends in LF without CR", start)
        last = lines.pop().strip("\r") if address else ""
        stray = [part.strip("\r") for part in lines if part.strip("\r")]
        if stray and last and _joins(stray[-1], last):
            last = stray.pop() + last
            self._find("broken-line", f"a line ends inside the address {last}", start)
        if stray:
            self._find("stray", f"characters outside of any data set: {stray[0][:32]!r}", start)
        clean = _CONTROL.sub("", last)
        if clean != last:
            self._find("control", "control characters before an address", line)
        return self._check_address(clean, line) if clean else ""

    def _check_address(self, address: str, at: int) -> str:
        if not _ADDRESS.fullmatch(address):
            kept = address.strip()
            if kept != address:
                self._find("address-space", "spaces around an address", at)
            if "/" in kept:
                self._find("address-slash", f"'/' in the address {kept}", at)
            elif not kept.isprintable() or not kept.isascii():
                self._find("address-characters", f"characters in the address {kept[:32]!r}", at)
            address = kept
        if len(address) > ADDRESS_LIMIT:
            self._find("address-length", f"an address of {len(address)} characters, {ADDRESS_LIMIT} allowed", at)
        return address

    def _add_values(self, inside: str, at: int) -> None:
        if len(self._values) + inside.count("&") + inside.count("#") >= VALUES_LIMIT:
            raise LimitExceeded(
                f"data set {self._address} has more than {VALUES_LIMIT} values",
                layer="data",
                offset=at,
                hint="read it as a profile, or a shorter span of it",
            )
        if "&" not in inside and "#" not in inside:
            self._values.append(self._value(inside, "(", at))
            return
        self._find("separator", "several values in one pair of brackets", at)
        lead = "("
        for part in re.split("([&#])", inside):
            if part in ("&", "#"):
                lead = part
            else:
                self._values.append(self._value(part, lead, at))

    def _value(self, inside: str, lead: str, at: int) -> Value:
        text, star, unit = inside.partition("*")
        if not inside.isascii() or not inside.isprintable():
            self._find("value-characters", "unprintable characters in a value", at)
        elif "/" in text or "!" in text:
            # 6.4: a value holds none of ( ) * / !
            self._find("value-characters", f"'/' or '!' in the value {text[:32]!r}", at)
        if len(text) > VALUE_LIMIT:
            self._find("value-length", f"a value of {len(text)} characters, {VALUE_LIMIT} allowed", at)
        if not star:
            inner = _UNIT_INSIDE.fullmatch(text)
            if inner and not _STAMP.fullmatch(text):
                self._find("unit-in-value", f"the unit stands inside the value {text!r}", at)
                text, unit, star = inner[1], inner[3], "*"
        elif not unit:
            self._find("unit-missing", "'*' without a unit", at)
        elif len(unit) > UNIT_LIMIT or "*" in unit:
            self._find("unit", f"the unit {unit[:32]!r}", at)
        amount = number(text)
        if amount is not None and "," in text:
            self._find("decimal-comma", f"decimal comma in {text}", at)
        return Value(text, amount, unit if star else None, lead)

    def _hand_out(self, done: list[DataSet]) -> None:
        if self._values:
            done.append(DataSet(self._address, tuple(self._values), *self._begun))
            self._values = []

    def _end_mark(self, text: str | None = None) -> None:
        """``!`` outside of brackets ends the block; before it on its line stands nothing, or ``/`` (P1 by some)."""
        behind = b""
        if text is None:
            text = self._open.decode("latin-1")
            if "(" in text.partition("!")[0]:
                return
        else:
            behind = bytes(self._open)
        before, _, after = text.partition("!")
        if before.strip("\r\n"):
            kept = before.rpartition("\n")[2]
            if kept.strip("/"):
                self._between(before + "\r\n", self._offset, address=False)
            else:
                self._find("slash-before-end", "'/' before the end mark", self._offset)
        self.ended = True
        self._open.clear()
        self._take_tail(after.encode("latin-1"))
        self._take_tail(behind)

    def _take_tail(self, data: bytes) -> None:
        if len(self.tail) < OPEN_LIMIT:
            self.tail += data.decode("latin-1")[:OPEN_LIMIT]

    def _find(self, code: str, text: str, offset: int) -> None:
        if self.strict:
            raise DecodeError(f"{text} ({code})", layer="data", offset=offset, data=bytes(self._open[:64]))
        if len(self.findings) < FINDINGS_LIMIT:
            self.findings.append(Finding(code, text, "data", offset))


def _joins(head: str, tail: str) -> bool:
    """Two lines that are one address broken in two: the head ends openly, or the tail begins so."""
    whole = head + tail
    if len(whole) > 2 * ADDRESS_LIMIT or not _ADDRESS.fullmatch(whole):
        return False
    return head[-1] in ".:*&-" or tail[0] in ".:*&-"


def parse(block: bytes, *, strict: bool = False) -> tuple[tuple[DataSet, ...], tuple[Finding, ...]]:
    """All data sets of a whole data block, and the liberties it took.

    Raises:
        DecodeError: ``strict``, and the block breaks the grammar.
        LimitExceeded: a data set without end, or with too many values.
    """
    parser = DataSetParser(strict=strict)
    data_sets = parser.feed(block) + parser.finish()
    return tuple(data_sets), tuple(parser.findings)
