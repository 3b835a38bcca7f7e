"""An xDLMS APDU in words: its name, what it is about, its fields."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass

from metersdk.apdu import axdr, xdlms
from metersdk.apdu.results import ActionResult, DataAccessResult
from metersdk.cli import values
from metersdk.errors import MeterError
from metersdk.model.clock import DateTime
from metersdk.model.cosem.registry import class_name, model_for
from metersdk.model.obis import Obis
from metersdk.model.obis import name as name_of_code

Member = xdlms.AttributeDescriptor | xdlms.MethodDescriptor
# In these fields octets are an encoded Data.
_DATA = frozenset(("data", "results", "returned", "parameters"))
_TIMES = frozenset(("date_time", "time"))
# Shown in the headline, or of interest to nobody.
_SILENT = frozenset(("invoke", "long_invoke", "attribute", "method", "date_time_mark"))


def name_of(apdu: xdlms.Apdu) -> str:
    """``get-request``, ``get-response-block``: near to the terms of the standard."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", type(apdu).__name__).lower()


def subject(apdu: xdlms.Apdu) -> Member | None:
    """The attribute or method that a request names; None for a list, and for what names none."""
    member = getattr(apdu, "attribute", None) or getattr(apdu, "method", None)
    return member if isinstance(member, (xdlms.AttributeDescriptor, xdlms.MethodDescriptor)) else None


def headline(apdu: xdlms.Apdu) -> str:
    """What an APDU is about, if it says so itself."""
    member = subject(apdu)
    if member is not None:
        return member_text(member)
    told = getattr(apdu, "describe", None)
    return told if isinstance(told, str) else ""


def about(asked: Member | None, apdu: xdlms.Apdu) -> str:
    """What an answer is about: what was asked before."""
    single = isinstance(
        apdu,
        (xdlms.GetResponse, xdlms.GetResponseBlock, xdlms.SetResponse, xdlms.ActionResponse, xdlms.ActionResponseBlock),
    )
    return member_text(asked) if single and asked is not None else ""


def member_text(member: Member) -> str:
    """``1.0.1.8.0.255 attribute 2 (value) of Register, Active energy import (+A)``."""
    code = Obis(member.obis)
    named = name_of_code(code)
    model = model_for(member.class_id)
    if isinstance(member, xdlms.AttributeDescriptor):
        row = model.table(0).get(member.attribute)
        what = f"attribute {member.attribute}{f' ({row.name})' if row else ''}"
    else:
        method = model.methods(0).get(member.method)
        what = f"method {member.method}{f' ({method.name})' if method else ''}"
    return f"{code} {what} of {class_name(member.class_id)}{f', {named}' if named else ''}"


def lines(value: object, limit: int | None, depth: int = 1) -> Iterator[tuple[int, str]]:
    """The fields of an APDU as (depth, text); those the headline tells are left out."""
    if not is_dataclass(value):
        return
    for each in fields(value):
        if each.name not in _SILENT:
            yield from _field(each.name, getattr(value, each.name), limit, depth)


def _field(name: str, value: object, limit: int | None, depth: int) -> Iterator[tuple[int, str]]:
    label = name.replace("_", " ")
    match value:
        case None | () | b"" | DataAccessResult.SUCCESS:
            return
        case bytes() if name in _DATA:
            yield from _data(value, limit, depth)
        case bytes() if name in _TIMES and len(value) == 12:
            yield depth, f"{label} {DateTime.from_octets(value)}"
        case bytes():
            yield depth, f"{label}: {len(value)} octets"
        case DataAccessResult() | ActionResult():
            yield depth, f"{label} {value.describe}"
        case xdlms.AttributeDescriptor() | xdlms.MethodDescriptor():
            yield depth, member_text(value)
        case tuple():
            shown = value if limit is None else value[:limit]
            for item in shown:
                yield from _field(name, item, limit, depth)
            if len(shown) < len(value):
                yield depth, f"... {len(value) - len(shown)} more"
        case _ if is_dataclass(value):
            yield from lines(value, limit, depth)
        case _:
            yield depth, f"{label} {str(value).lower() if isinstance(value, bool) else value}"


def _data(octets: bytes, limit: int | None, depth: int) -> Iterator[tuple[int, str]]:
    try:
        data = axdr.decode_all(octets)
    except MeterError as error:
        yield depth, f"{octets[:32].hex()}{'...' if len(octets) > 32 else ''}: {error.message}"
        return
    for deeper, text in values.tree(data, limit):
        yield depth + deeper, text


def content(value: object) -> dict[str, object]:
    """The fields of an APDU for programs."""
    if not is_dataclass(value):
        return {}
    return {each.name: _plain(each.name, getattr(value, each.name)) for each in fields(value)}


def _plain(name: str, value: object) -> object:
    match value:
        case bytes() if name in _DATA:
            try:
                return values.structured(axdr.decode_all(value))
            except MeterError:
                return value.hex()
        case bytes() if name in _TIMES and len(value) == 12:
            return str(DateTime.from_octets(value))
        case bytes():
            return value.hex()
        case DataAccessResult() | ActionResult():
            return value.describe
        case xdlms.AttributeDescriptor(class_id, obis, attribute):
            return {"class_id": class_id, "obis": str(Obis(obis)), "attribute": attribute}
        case xdlms.MethodDescriptor(class_id, obis, method):
            return {"class_id": class_id, "obis": str(Obis(obis)), "method": method}
        case tuple():
            return [_plain(name, item) for item in value]
        case _ if is_dataclass(value):
            return content(value)
        case None | bool() | int() | str():
            return value
        case _:
            return str(value)
