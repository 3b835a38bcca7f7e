"""The Python twin of csrc/dataset.c; the contract stands in csrc/metersdk.h."""

from __future__ import annotations

import re
from array import array
from typing import NamedTuple

# Octets of a data set as a rule: there is room for so many. Where they are shorter, another call goes on behind it.
TYPICAL = 16
_LINE_LIMIT = 78
# Printable, without ( ) / ! & # * and the comma; and for units without ( ) ! & # *.
_TEXT = r"[ \"$%'+\-.0-9:-@A-Z\[-~]"
_UNIT = r"[ \"$%'+-/0-9:-@A-Z\[-~]"
_VALUE = (
    rf"(?:{_TEXT}{{0,128}}+\*{_UNIT}{{1,16}}+|\d{{12}}[WS](?=\))"
    rf"|(?![ +\-]*\d{_TEXT}*[A-Za-z%]){_TEXT}{{0,128}}+)(?=\))"
)
_DATA_SET = re.compile(
    rf"((?:\r\n)*)([0-9A-Za-z][0-9A-Za-z.:*&_\-]{{0,15}}+\({_VALUE}(?:\)\({_VALUE})*+)\)(?!\()", re.ASCII
)


class Place(NamedTuple):
    """Where a reader of a data block stands: offset in the block, line from 0, offset of that line's first octet."""

    offset: int = 0
    line: int = 0
    line_start: int = 0


class DataSets(NamedTuple):
    """Columns of data sets. ``text``: each as it stood, without its last bracket."""

    text: list[str]
    line: array[int]
    offset: array[int]
    place: Place


def data_sets(data: bytes, place: Place) -> DataSets:
    """The data sets at the head of ``data`` that take no liberties, without the last one, which may go on.

    Args:
        data: a piece of a data block, from the end of a data set on.
        place: where in the block it begins.
    """
    found = DataSets([], array("I"), array("Q"), place)
    block = data.decode("latin-1")
    base, line, line_start = place
    at = 0
    pending: tuple[str, int, Place] | None = None
    while len(found.text) <= len(data) // TYPICAL and (match := _DATA_SET.match(block, at)) is not None:
        ends, text = match.groups()
        at = match.end()
        if ends:
            line += len(ends) // 2
            line_start = base + match.start(2)
        if base + at - line_start > _LINE_LIMIT:
            break
        if pending is not None:
            found = _with(found, *pending)
        pending = text, base + match.start(2), Place(base + at, line, line_start)
    return found


def _with(found: DataSets, text: str, offset: int, place: Place) -> DataSets:
    found.text.append(text)
    found.line.append(place.line)
    found.offset.append(offset)
    return found._replace(place=place)
