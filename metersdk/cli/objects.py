"""objects, get, set, action: the COSEM objects of a meter, one by one."""

from __future__ import annotations

import sys

from metersdk.apdu import axdr
from metersdk.apdu.axdr import Data, Tag
from metersdk.apdu.keys import Secret
from metersdk.cli import values
from metersdk.cli.options import Connection
from metersdk.cli.output import grid
from metersdk.cli.speech import ask
from metersdk.errors import LocalProtocolError
from metersdk.meter import Meter
from metersdk.model.cosem.base import Access, CosemObject
from metersdk.model.cosem.registry import class_name, model_for
from metersdk.model.cosem.secrets import is_secret_attribute
from metersdk.model.obis import Obis
from metersdk.model.reading import plain


def objects(connection: Connection, class_id: int | None) -> None:
    out = connection.out
    with connection.open() as meter:
        found = [item for item in meter.objects.all if class_id in (None, item.class_id)]
    if not out.is_text:
        out.records("object", "objects", map(_described, found), target=connection.name)
        return
    rows = [
        [
            str(item.logical_name),
            f"{item.class_id} v{item.version}",
            class_name(item.class_id),
            item.name,
            " ".join(f"{number}:{_letters(access)}" for number, access in sorted(item.attribute_access.items())),
        ]
        for item in found
    ]
    out.show(grid(out.data, ("OBIS", "Class", "Class name", "Name", "Attributes (r read, w write)"), rows))
    out.say(f"{len(found)} objects", "dim")


def _letters(access: Access) -> str:
    return ("r" if Access.READ in access else "") + ("w" if Access.WRITE in access else "") or "-"


def _described(item: CosemObject) -> dict[str, object]:
    return {
        "obis": str(item.logical_name),
        "class_id": item.class_id,
        "version": item.version,
        "class_name": class_name(item.class_id),
        "name": item.name,
        "attributes": {
            str(number): {"name": _attribute_name(item.class_id, item.version, number), "access": _words(access)}
            for number, access in sorted(item.attribute_access.items())
        },
        "methods": {str(number): Access.INVOKE in access for number, access in sorted(item.method_access.items())},
    }


def _words(access: Access) -> list[str]:
    return [word for word, right in (("read", Access.READ), ("write", Access.WRITE)) if right in access]


def _attribute_name(class_id: int, version: int, attribute: int) -> str:
    row = model_for(class_id, version).table(version).get(attribute)
    return row.name if row is not None else ""


def get(connection: Connection, raw: bool, class_id: int, obis: Obis, attribute: int) -> None:
    out = connection.out
    if raw:
        out.refuse_json("--raw")
    with connection.open() as meter:
        octets = _octets_of(meter, class_id, obis, attribute)
    if raw:
        sys.stdout.write(octets.hex() + "\n")
        return
    data = axdr.decode_all(octets)
    time = values.as_time(class_id, attribute, data)
    if out.is_text:
        for depth, line in values.tree(data, None):
            sys.stdout.write("  " * depth + (f"{line}  {time}" if time and str(time) not in line else line) + "\n")
        return
    content: dict[str, object] = {
        "class_id": class_id,
        "obis": str(obis),
        "attribute": attribute,
        "name": _attribute_name(class_id, 0, attribute),
        **values.structured(data),
        "raw": octets.hex(),
    }
    out.one(connection.name, "attribute", content if time is None else {**content, "time": str(time)})


def _octets_of(meter: Meter, class_id: int, obis: Obis, attribute: int) -> bytes:
    octets = meter.get(class_id, obis, attribute, raw=True)
    assert isinstance(octets, bytes)
    return octets


def set_(
    connection: Connection, kind: str | None, yes: bool, class_id: int, obis: Obis, attribute: int, value: str
) -> None:
    hidden = value == "-"
    value = sys.stdin.readline().rstrip("\r\n") if hidden else value
    data = None if kind is None else _parsed(value, kind, None, hidden)
    ask(f"Write {'this' if hidden else value} to {obis} attribute {attribute}?", yes)
    with connection.open() as meter:
        if data is None:
            # A careless meter would tell the password it has now.
            secret = is_secret_attribute(class_id, attribute)
            now = axdr.octets(b"") if secret else axdr.decode_all(_octets_of(meter, class_id, obis, attribute))
            data = _parsed(value, kind, now, hidden)
        told = Secret(data.value) if hidden and data.tag is Tag.OCTET_STRING else data  # type: ignore[arg-type]
        meter.set(class_id, obis, attribute, told)
    out = connection.out
    if out.is_text:
        out.say(f"{obis} attribute {attribute} written: {'what stdin gave' if hidden else values.show(data)}")
    else:
        content: dict[str, object] = {"class_id": class_id, "obis": str(obis), "attribute": attribute}
        out.one(connection.name, "written", content if hidden else {**content, **values.structured(data)})


def _parsed(text: str, kind: str | None, now: Data | None, hidden: bool) -> Data:
    try:
        return values.parse_like(text, now) if now is not None else values.parse(text, kind or "axdr")
    except LocalProtocolError as error:
        if not hidden:
            raise
        hint = error.hint
    # Outside of the handler: the message repeats the value, which may be a password.
    raise LocalProtocolError("what stdin gave does not fit the type", hint=hint)


def action(connection: Connection, parameter: str | None, yes: bool, class_id: int, obis: Obis, method: int) -> None:
    data: Data | None = None if parameter is None else values.parse_parameter(parameter)
    ask(f"Invoke method {method} of {obis}?", yes)
    with connection.open() as meter:
        result = meter.action(class_id, obis, method, data)
    out = connection.out
    if out.is_text:
        out.say(f"{obis} method {method}: done")
        if result is not None:
            sys.stdout.write(f"{plain(result)}\n")
    else:
        content: dict[str, object] = {"class_id": class_id, "obis": str(obis), "method": method}
        out.one(connection.name, "done", {**content, "result": plain(result)})
