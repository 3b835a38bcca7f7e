"""Vendor data put to the test: each vector of a family, carried out by the code that reads such a meter."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

from metersdk.apdu.ascii_profile import parse as parse_profile
from metersdk.apdu.dataset import parse
from metersdk.apdu.kmp import registers_in
from metersdk.dialog.iec62056_21 import SignOn, sign_on
from metersdk.dialog.opening import Plan
from metersdk.dialog.programming import ProgrammingSettings, open_programming
from metersdk.dialog.timing import Timing
from metersdk.effects import Dialog, Now, Receive, Send, SetLine, Sleep
from metersdk.errors import MeterError
from metersdk.frame.iec62056_21 import SOH, BlockScanner, bcc, from_line, parse_identification, to_line
from metersdk.frame.kmp import KmpFrame
from metersdk.model.ascii_profile import AsciiProfileBuilder
from metersdk.model.c1219.configuration import Configuration
from metersdk.model.c1219.readings import readings
from metersdk.model.c1219.registry import TableSet
from metersdk.model.c1219.vendor_tables import layouts_said
from metersdk.model.event import describe_status
from metersdk.model.obis import Obis
from metersdk.model.quirks import Quirks
from metersdk.model.reading import plain
from metersdk.vendor.book import Book
from metersdk.vendor.family import (
    BlockVector,
    DataVector,
    Family,
    IdentificationVector,
    KmpVector,
    ProfileVector,
    ProgrammingVector,
    SignOnVector,
    Step,
    TableOneVector,
    TableVector,
    Vector,
)

T = TypeVar("T")

# A dialog that goes on for so long without coming to the end of its vector never will.
_EFFECTS = 10_000


def check(family: Family, book: Book) -> Iterator[tuple[int, str]]:
    """Every vector that fails, by its number from 1 on, and why; 0 stands for the file as a whole."""
    lines = [each.line for each in family.said.vectors if isinstance(each, IdentificationVector)]
    for match in family.said.match:
        if not any(match.length(line) for line in lines):
            yield 0, f"no identification vector for the match {match.manufacturer} {match.model!r}"
    names = [(each.manufacturer, each.model) for each in family.said.vectors if isinstance(each, TableOneVector)]
    for table in family.said.table1:
        if not any(table.length(*name) for name in names):
            yield 0, f"no table-1 vector for {table.manufacturer} {table.model!r}"
    for number, vector in enumerate(family.said.vectors, 1):
        try:
            failure = _fails(family, book, vector)
        except MeterError as error:
            failure = error.message
        if failure:
            yield number, f"{vector.kind}: {failure}"


def _fails(family: Family, book: Book, vector: Vector) -> str:
    match vector:
        case IdentificationVector():
            return _identification(family, book, vector)
        case SignOnVector():
            return _sign_on(family, vector)
        case ProgrammingVector():
            return _programming(family, vector)
        case BlockVector():
            return _block(family, vector)
        case ProfileVector():
            return _profile(family, vector)
        case KmpVector():
            return _kmp(vector)
        case DataVector():
            return _data(vector)
        case TableVector():
            return _table(family, vector)
        case TableOneVector():
            return _table_1(family, book, vector)


def _table_1(family: Family, book: Book, vector: TableOneVector) -> str:
    found = book.match_table_1(vector.manufacturer, vector.model)
    wanted = family.name if vector.family is None else vector.family
    if (found.name if found else "") == wanted:
        return ""
    said = f"{vector.manufacturer} {vector.model}".rstrip()
    return f"{said} leads to {found.name if found else 'no family'}, not to {wanted or 'none'}"


def _table(family: Family, vector: TableVector) -> str:
    extra = layouts_said(family.quirks.c1219_layouts)
    if vector.number not in {model.NUMBER for model in extra}:
        return f"c1219_layouts describe no table {vector.number}"
    general = Configuration.build(order=vector.order).encode()
    tables = TableSet({0: general, vector.number: bytes.fromhex(vector.octets)}, extra)
    found = {}
    for reading in readings(tables):
        unit = f" {reading.unit.symbol}" if reading.unit else ""
        found[reading.obis.reduced] = f"{plain(reading.value)}{unit}"
    wanted = {Obis.parse(code).reduced: text for code, text in vector.registers.items()}
    wrong = [code for code, text in wanted.items() if found.get(code) != text]
    return "; ".join(f"{code} is {found.get(code, 'not there')}, not {wanted[code]}" for code in wrong)


def _plan(quirks: Quirks, address: str = "") -> Plan:
    return Plan.of(
        {"protocol": "auto", "address": address},
        medium="line",
        framing=None,
        baud=None,
        hardware_parity=False,
        password=None,
        keys=None,
        quirks=quirks,
        timing=Timing(),
    )


def _identification(family: Family, book: Book, vector: IdentificationVector) -> str:
    found = book.match(vector.line)
    wanted = family.name if vector.family is None else vector.family
    if (found.name if found else "") != wanted:
        return f"{vector.line} leads to {found.name if found else 'no family'}, not to {wanted or 'none'}"
    said = parse_identification(vector.line.encode("latin-1"))
    if said is None:
        return f"{vector.line} is no identification"
    settings = SignOn().adopting(found.quirks if found else Quirks())
    if vector.mode is not None and settings.mode_of(said) != vector.mode:
        return f"mode {settings.mode_of(said)}, not {vector.mode}"
    if vector.baud is not None and settings.baud_of(said) != vector.baud:
        return f"{settings.baud_of(said)} Bd, not {vector.baud}"
    return ""


def _sign_on(family: Family, vector: SignOnVector) -> str:
    settings = _plan(family.quirks, vector.address).sign_on
    signed = _played(sign_on(settings), vector.steps, plain=settings.parity == "hardware")
    if isinstance(signed, str):
        return signed
    if (signed.mode, signed.baud) != (vector.mode, vector.baud):
        return f"mode {signed.mode} at {signed.baud} Bd, not {vector.mode} at {vector.baud} Bd"
    return ""


def _programming(family: Family, vector: ProgrammingVector) -> str:
    settings = _plan(family.quirks, vector.address).sign_on

    def session() -> Dialog[tuple[str, ...]]:
        opened = yield from open_programming(settings, None, ProgrammingSettings(vector.password, vector.level))
        found = yield from opened.read_group(vector.read)
        yield from opened.close()
        return tuple(str(each.value) for each in found)

    values = _played(session(), vector.steps, plain=settings.parity == "hardware")
    if isinstance(values, str):
        return values
    return "" if values == vector.values else f"values {values}"


class _Mismatch(Exception):
    """The dialog did something else than the vector says."""


def _played(dialog: Dialog[T], steps: tuple[Step, ...], *, plain: bool) -> T | str:
    """The result of a dialog against the other side in ``steps``; or where it left them, in words."""
    left = list(steps)
    try:
        result = _stepped(dialog, left, plain)
    except _Mismatch as error:
        return f"step {len(steps) - len(left) + 1}: {error}"
    return f"done before step {len(steps) - len(left) + 1}" if left else result


def _stepped(dialog: Dialog[T], steps: list[Step], plain: bool) -> T:
    now, speed = 0.0, 0
    answer: bytes | float | None = None
    for _ in range(_EFFECTS):
        try:
            effect = dialog.send(answer)
        except StopIteration as end:
            result: T = end.value
            return result
        answer = None
        match effect:
            case Now():
                answer = now
            case Sleep(seconds):
                now += seconds
            case SetLine(baud) if baud != speed:
                speed = baud
                _expect(steps, Step(baud=baud))
            case Send(data):
                text = data if plain else from_line(data)[0]
                nuls = len(data) if not data.strip(b"\0") else None
                _expect(steps, Step(nuls=nuls) if nuls else Step(send=text.decode("latin-1")))
            case Receive(timeout):
                answer = _next(steps, plain)
                now += 0.0 if answer else timeout
    raise _Mismatch("it does not come to an end")


def _expect(steps: list[Step], done: Step) -> None:
    if not steps or steps[0] != done:
        text = ", ".join(f"{name} = {value!r}" for name, value in _said(done).items())
        raise _Mismatch(f"{text} was done" + (f", expected {_said(steps[0])}" if steps else ""))
    del steps[0]


def _said(step: Step) -> dict[str, Any]:
    return step.model_dump(exclude_none=True)


def _next(steps: list[Step], plain: bool) -> bytes:
    if not steps or steps[0].receive is None:
        return b""
    text = steps.pop(0).receive or ""
    octets = text.encode("latin-1")
    return octets if plain else to_line(octets)


def _block(family: Family, vector: BlockVector) -> str:
    octets = bytes.fromhex(vector.octets)
    add = family.quirks.block_check == "add"
    if octets[0] == SOH:
        body = octets[1:-1]
        check = sum(body) & 0x7F if add else bcc(body)
        return "" if check == octets[-1] else f"BCC is {octets[-1]:02X}, computed {check:02X}"
    scanner = BlockScanner(add=add)
    text, _ = scanner.feed(octets)
    if scanner.end is None or not scanner.end.proved:
        return "the block is not whole, or its BCC is wrong"
    addresses = tuple(each.address for each in parse(text)[0])
    return "" if addresses == vector.addresses else f"addresses {addresses}"


def _profile(family: Family, vector: ProfileVector) -> str:
    read, _ = parse_profile(vector.text.encode("latin-1"))
    builder = AsciiProfileBuilder(read[0].head.profile if read else "P.01", family.quirks)
    for rows in read:
        builder.add(rows)
    profile = builder.take()
    clock, status, *columns = profile.columns
    times = tuple(map(str, clock))
    if times != vector.times:
        return f"times {times}"
    values = tuple(zip(*(("" if value is None else str(value) for value in column) for column in columns), strict=True))
    if values != vector.values:
        return f"values {values}"
    words = tuple(describe_status(int(word), family.quirks) for word in status.raw)
    return "" if not vector.status or words == vector.status else f"status {words}"


def _kmp(vector: KmpVector) -> str:
    answer = KmpFrame.decode(bytes.fromhex(vector.octets))
    found = {
        str(each.number): " ".join((str(each.value), each.symbol)).rstrip() for each in registers_in(answer.payload)
    }
    return "" if found == vector.registers else f"registers {found}"


def _data(vector: DataVector) -> str:
    found = {each.address: tuple(map(str, each.values)) for each in parse(f"{vector.line}\r\n!\r\n".encode())[0]}
    return "" if found == vector.sets else f"parsed to {found}"
