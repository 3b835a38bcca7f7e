"""vendors: the meter families that are known, what is special about each, and the test of a file of one's own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from metersdk.cli.output import Output, grid, pairs
from metersdk.cli.vendor_check import check
from metersdk.vendor.book import Book, load, read_file
from metersdk.vendor.family import Family, TableOne

FINDING = 1
_ORIGINS = ("built in", "plug-in", "own file")


def vendors(out: Output, name: str | None, file: str | None) -> int:
    book = load()
    if file is not None:
        family = read_file(Path(file))
        return _checked(out, family, _with(book, family))
    if name is not None:
        _one(out, book, book.family(name))
    else:
        _all(out, book)
    return 0


def _with(book: Book, family: Family) -> Book:
    """The book as it will be once the file lies among the user's own."""
    return replace(
        book,
        families=MappingProxyType({**book.families, family.name: family}),
        ranks=MappingProxyType({**book.ranks, family.name: len(_ORIGINS) - 1}),
    )


def _all(out: Output, book: Book) -> None:
    families = sorted(book.families.values(), key=lambda family: family.name)
    if not out.is_text:
        out.records("family", "families", (_record(book, family) for family in families))
        return
    rows = [[each.name, each.said.title, _matches(each), ", ".join(each.differs) or _else(each)] for each in families]
    out.show(grid(out.data, ("Name", "Meters", "Identification", "Differs in"), rows))


def _one(out: Output, book: Book, family: Family) -> None:
    if not out.is_text:
        out.one(family.name, "family", _record(book, family))
        return
    out.show(
        pairs(
            (
                ("Name", family.name),
                ("Meters", family.said.title),
                ("Speaks", family.said.speaks),
                ("Identification", _matches(family)),
                ("Can be read", "yes" if family.said.supported else "not yet"),
                ("From", f"{_ORIGINS[book.ranks[family.name]]}, {family.file}"),
                ("Vectors", str(len(family.said.vectors))),
            )
        )
    )
    switches = ((switch, f"{value!r} ({fact.sure})") for switch, (value, fact) in family.differs.items())
    out.show(pairs(switches))
    facts = [[fact.what, fact.sure, fact.source] for fact in family.said.facts]
    facts += [[f"Its table 1 says {_table_1(each)}.", each.sure, each.source] for each in family.said.table1]
    out.show(grid(out.data, ("Known", "How sure", "Source"), facts))


def _checked(out: Output, family: Family, book: Book) -> int:
    failures = list(check(family, book))
    count = len(family.said.vectors)
    if out.is_text:
        for number, why in failures:
            out.say(f"vector {number}: {why}" if number else why, "red")
        good = count - len({number for number, _ in failures if number})
        out.show(pairs((("Family", family.name), ("Vectors", str(count)), ("Good", str(good)))))
        if not count:
            out.warn("the file has no vectors: nothing was proved but its form")
    else:
        listed = [{"vector": number, "why": why} for number, why in failures]
        out.one(family.file, "check", {"family": family.name, "vectors": count, "failures": listed})
    return FINDING if failures else 0


def _matches(family: Family) -> str:
    lines = [f"{each.manufacturer} {each.model}".strip() for each in family.said.match]
    lines += [f"table 1: {_table_1(each)}" for each in family.said.table1]
    return " | ".join(lines) or "(by name only)"


def _table_1(one: TableOne) -> str:
    return f"{one.manufacturer} {one.model}".strip()


def _else(family: Family) -> str:
    return "" if family.said.supported else f"cannot be read yet: {family.said.speaks}"


def _record(book: Book, family: Family) -> dict[str, object]:
    said = family.said
    return {
        "name": family.name,
        "title": said.title,
        "speaks": said.speaks,
        "supported": said.supported,
        "origin": _ORIGINS[book.ranks[family.name]],
        "file": family.file,
        "match": [each.model_dump() for each in said.match],
        "table1": [each.model_dump() for each in said.table1],
        "switches": {switch: _plain(value) for switch, (value, _) in family.differs.items()},
        "facts": [fact.model_dump(include={"what", "sure", "source"}) for fact in said.facts],
        "vectors": len(said.vectors),
    }


def _plain(value: object) -> object:
    return dict(value) if isinstance(value, tuple) and _is_pairs(value) else value


def _is_pairs(values: Iterable[object]) -> bool:
    return all(isinstance(each, tuple) and len(each) == 2 for each in values)
