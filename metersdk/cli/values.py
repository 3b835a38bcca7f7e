"""A-XDR values as a person writes them, and as a person reads them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

from metersdk.apdu import axdr
from metersdk.apdu.axdr import Data, Tag
from metersdk.errors import DecodeError, LocalProtocolError, MeterError
from metersdk.model.clock import Date, DateTime, Time
from metersdk.model.cosem.kinds import DATE, DATE_TIME, TIME
from metersdk.model.cosem.registry import model_for
from metersdk.model.obis import Obis
from metersdk.model.reading import plain


def _octets(text: str) -> bytes:
    try:
        return bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        raise LocalProtocolError(f"{text!r:.40} is not hexadecimal") from None


def _number(text: str) -> int:
    try:
        return int(text, 0)
    except ValueError:
        raise LocalProtocolError(f"{text!r:.40} is no whole number") from None


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise LocalProtocolError(f"{text!r:.40} is no number") from None


def _boolean(text: str) -> bool:
    known = {"true": True, "1": True, "on": True, "yes": True, "false": False, "0": False, "off": False, "no": False}
    if text.lower() not in known:
        raise LocalProtocolError(f"{text!r:.40} is neither true nor false")
    return known[text.lower()]


def _stamp(text: str) -> bytes:
    try:
        return DateTime.from_datetime(datetime.fromisoformat(text)).to_octets()
    except ValueError:
        return _octets(text)


def _of(tag: Tag, read: Callable[[str], bool | int | float | str | bytes]) -> Callable[[str], Data]:
    return lambda text: Data(tag, read(text))


_READERS: dict[str, Callable[[str], Data]] = {
    "null": lambda text: axdr.null(),
    "boolean": _of(Tag.BOOLEAN, _boolean),
    "i8": _of(Tag.INTEGER, _number),
    "i16": _of(Tag.LONG, _number),
    "i32": _of(Tag.DOUBLE_LONG, _number),
    "i64": _of(Tag.LONG64, _number),
    "u8": _of(Tag.UNSIGNED, _number),
    "u16": _of(Tag.LONG_UNSIGNED, _number),
    "u32": _of(Tag.DOUBLE_LONG_UNSIGNED, _number),
    "u64": _of(Tag.LONG64_UNSIGNED, _number),
    "enum": _of(Tag.ENUM, _number),
    "bcd": _of(Tag.BCD, _number),
    "f32": _of(Tag.FLOAT32, _float),
    "f64": _of(Tag.FLOAT64, _float),
    "octets": _of(Tag.OCTET_STRING, _octets),
    "text": _of(Tag.OCTET_STRING, str.encode),
    "visible": _of(Tag.VISIBLE_STRING, str),
    "utf8": _of(Tag.UTF8_STRING, str),
    "bits": _of(Tag.BIT_STRING, str),
    "date-time": _of(Tag.DATE_TIME, _stamp),
    "time-octets": _of(Tag.OCTET_STRING, _stamp),
    "axdr": lambda text: axdr.decode_all(_octets(text)),
}
# Characters of a container that is shown on one line.
_LINE = 110
TYPES = tuple(_READERS)
_NAME_OF_TAG = {
    Tag.BOOLEAN: "boolean",
    Tag.INTEGER: "i8",
    Tag.LONG: "i16",
    Tag.DOUBLE_LONG: "i32",
    Tag.LONG64: "i64",
    Tag.UNSIGNED: "u8",
    Tag.LONG_UNSIGNED: "u16",
    Tag.DOUBLE_LONG_UNSIGNED: "u32",
    Tag.LONG64_UNSIGNED: "u64",
    Tag.ENUM: "enum",
    Tag.BCD: "bcd",
    Tag.FLOAT32: "f32",
    Tag.FLOAT64: "f64",
    Tag.OCTET_STRING: "octets",
    Tag.VISIBLE_STRING: "visible",
    Tag.UTF8_STRING: "utf8",
    Tag.BIT_STRING: "bits",
    Tag.DATE_TIME: "date-time",
}


def parse(text: str, kind: str) -> Data:
    """``text`` as a value of type ``kind``, one of ``TYPES``.

    Raises:
        LocalProtocolError: it is none, or does not fit the type.
    """
    try:
        value = _READERS[kind](text)
        axdr.encode(value)
    except DecodeError as error:
        raise LocalProtocolError(f"{text!r:.40} is no {kind}: {error.message}") from error
    return value


def parse_like(text: str, now: Data) -> Data:
    """``text`` with the type that ``now`` has."""
    if now.tag not in _NAME_OF_TAG:
        raise LocalProtocolError(
            f"the attribute holds {now.tag.standard_name}: say the type", hint="--type axdr takes encoded Data in hex"
        )
    return parse(text, _NAME_OF_TAG[now.tag])


def parse_parameter(text: str) -> Data:
    """``TYPE:VALUE``, or an encoded Data in hex."""
    kind, colon, value = text.partition(":")
    if colon and kind in _READERS:
        return parse(value, kind)
    if colon:
        raise LocalProtocolError(f"{kind!r:.20} is no type", hint=f"one of: {', '.join(TYPES)}")
    return parse(text, "axdr")


def as_time(class_id: int, attribute: int, data: Data) -> DateTime | Date | Time | None:
    """The time an attribute holds, where its class, its tag or its look says that it is one."""
    row = model_for(class_id).table(0).get(attribute)
    kind = row.kind if row is not None and row.kind in (DATE_TIME, DATE, TIME) else None
    if kind is None and (data.tag is Tag.DATE_TIME or looks_like_time(data)):
        kind = DATE_TIME
    if kind is None:
        return None
    try:
        time = kind.decode(data)
    except MeterError:
        return None
    return time if isinstance(time, (DateTime, Date, Time)) else None


def looks_like_time(data: Data) -> bool:
    """An octet-string of 12 octets that is a date-time of this age."""
    raw = data.value
    if data.tag is not Tag.OCTET_STRING or not isinstance(raw, bytes) or len(raw) != 12:
        return False
    return 0x07B0 <= int.from_bytes(raw[:2], "big") <= 0x0834 and 1 <= raw[2] <= 12 and 1 <= raw[3] <= 31 > raw[5]


def show(data: Data) -> str:
    """One value without its parts: ``double-long-unsigned 12345``."""
    value, name = data.value, data.tag.standard_name
    if isinstance(value, tuple):
        return f"{name} of {len(value)}"
    if isinstance(value, bytes):
        return f"{name} {value.hex()}{_meaning(data, value)}"
    return name if value is None else f"{name} {plain(value)}"


def _meaning(data: Data, octets: bytes) -> str:
    """What octets may stand for: a time, a logical name, text."""
    time = as_time(0, 0, data)
    if time is not None:
        return f"  {time}"
    text = octets.decode("latin-1")
    if octets and octets.isascii() and text.isprintable():
        return f'  "{text}"'
    return f"  {Obis(octets)}" if len(octets) == 6 and octets[5] == 0xFF else ""


def tree(data: Data, limit: int | None, depth: int = 0) -> Iterator[tuple[int, str]]:
    """A value and its parts as (depth, text); of each container the first ``limit`` parts. Short ones take one line."""
    if not isinstance(data.value, tuple):
        yield depth, show(data)
        return
    short = _inline(data, _LINE)
    if short is not None and data.value:
        yield depth, short
        return
    yield depth, show(data)
    parts = data.value if limit is None else data.value[:limit]
    for part in parts:
        yield from tree(part, limit, depth + 1)
    if len(parts) < len(data.value):
        yield depth + 1, f"... {len(data.value) - len(parts)} more"


def _inline(data: Data, room: int) -> str | None:
    """A value on one line, None where there is no room for it."""
    if not isinstance(data.value, tuple):
        return show(data)
    if len(data.value) * 4 > room:
        return None
    parts: list[str] = []
    for part in data.value:
        text = _inline(part, room - sum(map(len, parts)))
        if text is None:
            return None
        parts.append(text)
    line = f"{data.tag.standard_name} ({', '.join(parts)})"
    return line if len(line) <= room else None


def structured(data: Data) -> dict[str, object]:
    """A value for programs: its type and its plain value."""
    return {"type": data.tag.standard_name, "value": plain(data.python())}
