"""Tables of C12.19 under fuzz: a whole meter, table 0 and all, of mutated octets."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import suppress

from fuzz_mutation import Target

from metersdk.errors import DecodeError, LocalProtocolError, RemoteProtocolError
from metersdk.model.c1219.configuration import Configuration
from metersdk.model.c1219.formats import NiFormat
from metersdk.model.c1219.layout import BitField, Record, elements
from metersdk.model.c1219.quantities import SourceWalk, Use
from metersdk.model.c1219.readings import readings
from metersdk.model.c1219.registry import STANDARD, TableSet, encode_table, needs, places, size_of
from metersdk.model.c1219.text import lines_of
from metersdk.model.c1219.vendor_tables import layouts_named

_LIMITS = sorted({needed for number in STANDARD for needed in needs(number)} - {0})


def dump(tables: TableSet) -> bytes:
    """Number and length of two octets each before every table."""
    return b"".join(
        number.to_bytes(2, "big") + len(tables.raw(number)).to_bytes(2, "big") + tables.raw(number) for number in tables
    )


def parts(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Any octets are such a dump; the last table may be cut."""
    while len(data) >= 4:
        number, size = int.from_bytes(data[:2], "big"), int.from_bytes(data[2:4], "big")
        yield number, data[4 : 4 + size]
        data = data[4 + size :]


def tables(data: bytes) -> None:
    """Everything that can be asked of a meter's tables; what is decoded is written as it was read."""
    found = TableSet()
    for number, octets in parts(data):
        found.add(number, octets)
    for number in found:
        try:
            table = found.get(number)
        except (DecodeError, LocalProtocolError) as error:
            assert error.offset <= len(data)
            continue
        str(table), table.model_dump_json(), list(lines_of(table))
        known = found.known(number)
        with suppress(DecodeError):
            places(number, known), size_of(number, known)
        # Text that is no UTF-8 is taken as Latin-1, and may then be longer than its field.
        with suppress(LocalProtocolError):
            written = encode_table(table, known, number)
            assert len(written) == len(found.raw(number)) or table.findings
            if number:
                again = TableSet({each: found.raw(each) for each in needs(number)} | {number: written})
                assert encode_table(again.get(number), known, number) == written
    walk = SourceWalk.of(found)
    for index in range(0, 256, 5):
        source = walk[index]
        source.obis(Use.INTERVAL), source.kind(), source.value(index), str(source)
    for reading in readings(found, findings=[]):
        reading.model_dump_json()
    for reading in readings(TableSet(dict(parts(data)), layouts_named("nes"))):
        str(reading)


def meters() -> list[bytes]:
    """Meters of all formats, with small dimensions."""
    made = []
    for seed in range(24):
        chance = random.Random(seed)
        configuration = Configuration.build(
            order="big" if seed % 2 else "little",
            tm_format=1 + seed % 4,
            ni_format1=seed % len(NiFormat),
            ni_format2=(seed + 5) % len(NiFormat),
            int_format=seed % 3,
            id_form=seed % 2,
            std_tables={*STANDARD, 64, 66},
            dim_mfg_status_used=seed % 3,
            nbr_pending=seed % 3,
        )
        found = TableSet({0: configuration.encode()})
        for number in _LIMITS:
            values = _limits(STANDARD[number], chance)
            if number == 11:
                values["constants_selector"] = 2
            found.add(number, encode_table(values, found.known(number), number))
        for number in STANDARD:
            if number not in found:
                size = size_of(number, found.known(number))
                found.add(number, bytes(chance.choices((0, 0, 0, 1, 2, 17, 32, 49), k=size if size is not None else 6)))
        made.append(dump(found))
    return made


def _limits(model: type[Record], chance: random.Random) -> dict[str, object]:
    values: dict[str, object] = {}
    for name, element in elements(model):
        record = element.record
        if record is None and element.when is None:
            values[name] = chance.randrange(4)
        elif record is not None and issubclass(record, BitField):
            flags = [each for each, info in record.model_fields.items() if info.annotation is bool]
            values[name] = {flag: chance.random() < 0.5 for flag in flags}
        elif record is not None:
            values[name] = _limits(record, chance) if name in ("set1", "set3") else None
    return values


TARGETS = (
    Target(
        "c1219-tables",
        tables,
        meters,
        (RemoteProtocolError,),
        (b"\0\0\0\x4f", b"\0\x15\0\x0a", b"\0\x17", b"\xff\xff\xff\xff", b"\0\x0b\0\x08", b"\0\x3d", b"\x08\0"),
    ),
)
