"""table, procedure, snapshot: what an ANSI C12.19 meter keeps in tables; and any meter as it is at this moment."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import BaseModel

from metersdk.cli.options import Connection
from metersdk.cli.output import Output, grid, pairs
from metersdk.cli.reading import show_readings, text_of
from metersdk.cli.speech import ask
from metersdk.errors import LocalProtocolError
from metersdk.model.c1219.configuration import PENDING
from metersdk.model.c1219.security_tables import SECRET_TABLES
from metersdk.model.c1219.table import C1219Table, Certainty
from metersdk.model.reading import plain
from metersdk.model.snapshot import Snapshot

_PROFILES = (64, 65, 66, 67)


def table(
    connection: Connection,
    raw: bool,
    new: str | None,
    offset: int | None,
    may_write: bool,
    yes: bool,
    number: int,
) -> None:
    out = connection.out
    if raw:
        out.refuse_json("--raw")
    if new is not None:
        _write(connection, number, new, offset, may_write=may_write, yes=yes)
        return
    if offset is not None or may_write:
        raise LocalProtocolError("--offset and --write are for --set")
    with connection.open() as meter:
        found = meter.table(number, raw=raw)
    if raw:
        sys.stdout.write(f"{_octets(found).hex()}\n")
    elif out.is_text:
        if isinstance(found, BaseModel):
            # Its findings went to stderr already.
            if isinstance(found, C1219Table):
                doubt = ", decoded from memory of the standard" if found.CERTAINTY is Certainty.MEMORY else ""
                out.say(f"table {number}: {found.NAME}{doubt}", "dim")
            out.show(pairs(_lines(found.model_dump(exclude={"findings"}))))
            if number % PENDING in SECRET_TABLES:
                out.say(f"passwords and keys of table {number} are not read", "dim")
        else:
            sys.stdout.write(f"{_octets(found).hex()}\n")
            better = "; metersdk profile decodes them" if number % PENDING in _PROFILES else ""
            out.say(f"table {number} is not decoded: these are its octets{better}", "dim")
    else:
        known = found.model_dump(mode="json") if isinstance(found, BaseModel) else None
        octets = None if known is not None else _octets(found).hex()
        out.one(connection.name, "table", {"number": number, "decoded": known, "octets": octets})


def _write(connection: Connection, number: int, new: str, offset: int | None, *, may_write: bool, yes: bool) -> None:
    hidden = new == "-"
    octets = _hex(sys.stdin.readline() if hidden else new, "--set", hidden=hidden)
    if not may_write:
        raise LocalProtocolError("--set changes the meter", hint="say so with --write")
    where = f"table {number}" if offset is None else f"table {number} from octet {offset} on"
    ask(f"Write {len(octets)} octets to {where}?", yes)
    with connection.open() as meter:
        meter.write_table(number, octets, offset=offset, write=True)
    out = connection.out
    if out.is_text:
        out.say(f"{where}: {len(octets)} octets written")
    else:
        out.one(connection.name, "written", {"number": number, "offset": offset, "count": len(octets)})


def procedure(connection: Connection, data: str, manufacturer: bool, may_write: bool, yes: bool, name: str) -> None:
    octets = _hex(sys.stdin.readline() if data == "-" else data, "--data", hidden=data == "-")
    wanted: int | str = int(name) if name.isascii() and name.isdigit() and len(name) < 6 else name
    if may_write:
        ask(f"Carry out procedure {name}?", yes)
    with connection.open() as meter:
        answer = meter.procedure(wanted, octets, manufacturer=manufacturer, write=may_write)
    out = connection.out
    if out.is_text:
        out.say(f"procedure {name}: done")
        if answer:
            sys.stdout.write(f"{answer.hex()}\n")
    else:
        out.one(connection.name, "done", {"procedure": wanted, "manufacturer": manufacturer, "answer": answer.hex()})


def snapshot(connection: Connection, path: str | None) -> None:
    out = connection.out
    target = None if path is None else Path(path)
    if target is not None and not target.parent.is_dir():
        raise FileNotFoundError(2, "there is no folder for it", str(target))
    with connection.open() as meter:
        found = meter.snapshot()
    if target is not None:
        target.write_text(found.model_dump_json(indent=1) + "\n", encoding="utf-8")
    if not out.is_text:
        out.one(connection.name, "snapshot", found.model_dump(mode="json"))
    elif target is None:
        _show(out, found)
    else:
        out.say(f"{target}: {len(found.readings)} registers, {len(found.tables)} tables")


def _show(out: Output, found: Snapshot) -> None:
    out.show(pairs((("Meter", found.identity), ("Clock", found.clock))))
    show_readings(out, found.readings)
    if found.tables:
        rows = [
            [str(each.number), str(len(each.octets) // 2), "" if each.decoded is None else type(each.decoded).__name__]
            for each in found.tables
        ]
        out.show(grid(out.data, ("Table", "Octets", "Decoded as"), rows, right=(1,)))
    out.say(f"{len(found.readings)} registers, {len(found.tables)} tables", "dim")


def _lines(value: object, name: str = "") -> Iterator[tuple[str, object]]:
    """Names and values of a table, nested ones with the name of what they stand in."""
    if isinstance(value, Mapping):
        for key, each in value.items():
            if key == "filler" and not each:
                # Bits without a meaning, and none of them is set.
                continue
            yield from _lines(each, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list | tuple) and any(isinstance(each, Mapping) for each in value):
        for number, each in enumerate(value):
            yield from _lines(each, f"{name}[{number}]")
    elif isinstance(value, set | frozenset):
        yield name, " ".join(map(str, sorted(value)))
    else:
        yield name, text_of(plain(value)) if isinstance(value, list | tuple | bytes) else value


def _octets(found: object) -> bytes:
    assert isinstance(found, bytes)
    return found


def _hex(text: str, option: str, *, hidden: bool) -> bytes:
    try:
        return bytes.fromhex(text.strip())
    except ValueError:
        what = "what stdin gave" if hidden else f"{text!r:.40}"
        raise LocalProtocolError(f"{option}: {what} is not written in hexadecimal") from None
