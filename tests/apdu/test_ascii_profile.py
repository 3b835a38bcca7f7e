"""Profiles and log books as text: whole, octet by octet, cut at every octet, and with the liberties of meters."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import pytest

from metersdk.apdu.ascii_profile import (
    FINDINGS_LIMIT,
    LINE_LIMIT,
    AsciiProfileParser,
    Channel,
    Rows,
    Season,
    Zst,
    is_missing,
    parse,
)
from metersdk.errors import DecodeError, LimitExceeded, MeterReportedError

HEAD = b"P.01(1260701001500)(00)(15)(2)(1.5)(kW)(5.5)(kvar)\r\n"
TWO_HEADS = (
    HEAD + b"(0.100)(0.010)\r\n(0.200)(0.020)\r\n"
    b"P.01(1260701010000)(80)(15)(2)(1.5)(kW)(5.5)(kvar)\r\n(0.300)(0.030)\r\n"
)


def values(rows: list[Rows]) -> list[tuple[str | None, ...]]:
    return [row for part in rows for row in zip(*part.columns, strict=True)]


def codes(parser: AsciiProfileParser) -> list[str]:
    return [finding.code for finding in parser.findings]


def test_two_heads() -> None:
    rows, parser = parse(TWO_HEADS, strict=True)
    assert values(rows) == [("0.100", "0.010"), ("0.200", "0.020"), ("0.300", "0.030")]
    assert [(part.head.status, part.head.stamp, part.first, part.count) for part in rows] == [
        ("00", Zst(datetime(2026, 7, 1, 0, 15), Season.SUMMER), 0, 2),
        ("80", Zst(datetime(2026, 7, 1, 1, 0), Season.SUMMER), 0, 1),
    ]
    assert rows[0].head.channels == (Channel("1.5", "kW"), Channel("5.5", "kvar"))
    assert (parser.total, parser.truncated, parser.findings) == (3, False, [])


def test_octet_by_octet_gives_the_same() -> None:
    parser = AsciiProfileParser()
    rows = [part for octet in TWO_HEADS for part in parser.feed(bytes((octet,)))] + parser.finish()
    assert values(rows) == values(parse(TWO_HEADS)[0])
    assert [part.first for part in rows] == [0, 1, 0]
    assert rows[2].head.offset == TWO_HEADS.rfind(b"P.01")


def test_cut_anywhere_gives_whole_rows_and_says_so() -> None:
    whole = values(parse(TWO_HEADS)[0])
    second = TWO_HEADS.rfind(b"P.01")
    for cut in range(len(TWO_HEADS)):
        text = TWO_HEADS[:cut]
        rows, parser = parse(text)
        got = values(rows)
        assert got == whole[: len(got)]
        assert len(got) == len(re.findall(rb"^\(0\.\d{3}\)\(0\.\d{3}\)", text, re.MULTILINE))
        # Behind a row, or a head, nothing tells that there was more.
        clean = not text or re.search(rb"(\(0\.\d{3}\)\(0\.\d{3}\)|\(kvar\))\s*$", text) is not None
        assert parser.truncated is not clean and ("truncated" in codes(parser)) is not clean, cut
        if parser.truncated and cut < second:
            assert parser.rows == len(got)
    _, parser = parse(TWO_HEADS[: TWO_HEADS.index(b"0.020") + 3])
    assert parser.truncated and parser.rows == 1


def test_truncated_raises_if_strict() -> None:
    with pytest.raises(DecodeError, match="breaks off"):
        parse(TWO_HEADS[:-6], strict=True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1260701001500", Zst(datetime(2026, 7, 1, 0, 15), Season.SUMMER)),
        ("02607010015", Zst(datetime(2026, 7, 1, 0, 15), Season.NORMAL)),
        ("2260701001507", Zst(datetime(2026, 7, 1, 0, 15, 7), Season.UTC)),
        ("2607010015", Zst(datetime(2026, 7, 1, 0, 15))),
        ("260701001507", Zst(datetime(2026, 7, 1, 0, 15, 7))),
        ("121030140000S", Zst(datetime(2012, 10, 30, 14), Season.SUMMER)),
        ("0991231235959", Zst(datetime(1999, 12, 31, 23, 59, 59), Season.NORMAL)),
    ],
)
def test_time_stamps(text: str, expected: Zst) -> None:
    assert Zst.parse(text) == expected


def test_a_time_stamp_is_written_as_it_was_read() -> None:
    assert Zst.parse("1260701001507").encode() == "1260701001507"
    assert Zst.parse("2607010015").encode(seconds=False) == "2607010015"


@pytest.mark.parametrize("text", ["", "1", "3260701001500", "1261301000000", "1260701006000", "0260732000000"])
def test_no_time_stamp(text: str) -> None:
    with pytest.raises(DecodeError):
        Zst.parse(text)


@pytest.mark.parametrize("text", ["-----", "", "ERROR", "ER01", "---.---", "*****", "  "])
def test_missing_values_stay_missing(text: str) -> None:
    assert is_missing(text)
    rows, parser = parse(HEAD + f"({text})(0.010)\r\n".encode(), strict=True)
    assert values(rows) == [(None, "0.010")] and parser.findings == []


def test_log_book_without_values_and_with_values_on_either_line() -> None:
    text = (
        b"P.98(1260901000000)(00000010)()(0)\r\n"
        b"P.98(1260902000005)(20)()(2)(0.9.1)()(0.9.2)()(1000010)(1260902)\r\n"
        b"P.98(0261102000005)(00)()(2)(0-0:C.11.0)()(0-0:C.11.10)()\r\n(4)(0)\r\n"
    )
    rows, parser = parse(text, strict=True)
    assert [(part.head.status, part.count, part.columns) for part in rows] == [
        ("00000010", 1, ()),
        ("20", 1, (("1000010",), ("1260902",))),
        ("00", 1, (("4",), ("0",))),
    ]
    assert parser.findings == []


def test_entries_without_heads() -> None:
    rows, parser = parse(b"(0260101120000)(80)\r\n(0260101120501)(40)\r\n")
    assert [(part.head.stamp.local.minute, part.head.status) for part in rows] == [(0, "80"), (5, "40")]
    assert codes(parser) == ["no-head", "no-head"]


@pytest.mark.parametrize("name", [b"P.98", b"1-0:P.98"])
def test_a_log_book_of_one_data_set(name: bytes) -> None:
    rows, parser = parse(name + b"(1260701001500)(80)(1260701010000)(40)(0261101000000)(20)\r\n")
    assert [(part.head.stamp.encode(), part.head.status, part.count) for part in rows] == [
        ("1260701001500", "80", 1),
        ("1260701010000", "40", 1),
        ("0261101000000", "20", 1),
    ]
    assert {part.head.profile for part in rows} == {name.decode()} and not parser.truncated


@pytest.mark.parametrize(
    ("body", "expected", "found"),
    [
        (b"(1)(2)(3)\r\n(4)\r\n", [("1", "2"), ("3", "4")], ["row-broken"]),
        (b"(1)\r\n(2)(3)\r\n", [(None, None), ("2", "3")], ["row-short"]),
        (b"(1)(2\r\n3)\r\n", [("1", "23")], ["broken-line"]),
        (b"(1)(2)(3)(4)\r\n", [("1", "2"), ("3", "4")], ["rows-on-line"]),
        (b"(1)(2)\n(3)(4)\n", [("1", "2"), ("3", "4")], []),
        (b"\r\n(1)(2)\r\n!\r\n", [("1", "2")], []),
        (b"0.0.0(12345678)\r\n(1)(2)\r\n", [("1", "2")], ["no-profile"]),
        (b"rubbish\r\n(1)(2)\r\n", [("1", "2")], ["stray"]),
    ],
)
def test_liberties_are_findings(body: bytes, expected: list[tuple[str, ...]], found: list[str]) -> None:
    rows, parser = parse(HEAD + body)
    assert values(rows) == expected and codes(parser) == found
    if found:
        with pytest.raises(DecodeError, match=found[0]):
            parse(HEAD + body, strict=True)


def test_two_heads_on_one_line() -> None:
    text = HEAD + b"(1)(2)P.01(0261101001500)(08)(15)(1)(1.5)(kW)(3)\r\n"
    rows, parser = parse(text)
    assert values(rows) == [("1", "2"), ("3",)]
    assert codes(parser) == ["values-behind-head"]


def test_heads_that_are_none() -> None:
    _, parser = parse(b"P.01(1269901001500)(00)(15)(1)(1.5)(kW)\r\n(1)\r\n")
    assert codes(parser)[0] == "head-time"
    _, parser = parse(b"P.01(1260701001500)(00)(quarter)(1)(1.5)(kW)\r\n(1)\r\n")
    assert codes(parser) == ["head-period"] and parser.head is not None and parser.head.period == 0
    _, parser = parse(b"P.98(1260701001500)(00)\r\n")
    assert codes(parser) == ["head-short"] and parser.total == 1
    _, parser = parse(b"P.98(1260701001500)(00)")
    assert parser.truncated and parser.total == 0
    assert parse(b"P.01()\r\n")[0] == []


def test_an_error_message_is_raised() -> None:
    with pytest.raises(MeterReportedError) as caught:
        parse(b"P.01(ERROR)\r\n")
    assert caught.value.code == "ERROR"


def test_bounds() -> None:
    with pytest.raises(LimitExceeded):
        AsciiProfileParser().feed(b"(" + b"1" * LINE_LIMIT * 2)
    with pytest.raises(LimitExceeded):
        parse(b"P.01(1260701001500)(00)(15)(256)(1.5)(kW)\r\n")
    _, parser = parse(b"rubbish\r\n" * 2 * FINDINGS_LIMIT)
    assert len(parser.findings) == FINDINGS_LIMIT


@pytest.mark.parametrize("width", [1, 8, 63, 64, 65, 255])
def test_any_number_of_columns(width: int) -> None:
    head = b"P.01(1260701001500)(00)(15)(%d)" % width + b"(1.5)(kW)" * width + b"\r\n"
    rows, parser = parse(head + b"(0.5)" * width + b"\r\n" + b"(1.5)" * width + b"\r\n", strict=True)
    assert values(rows) == [("0.5",) * width, ("1.5",) * width] and parser.findings == []


def test_a_large_profile_is_read_in_bounded_memory() -> None:
    parser = AsciiProfileParser()
    parser.feed(HEAD)
    block = b"(0.100)(0.010)\r\n" * 64
    for _ in range(1000):
        rows = parser.feed(block)
        assert [part.count for part in rows] == [64] and len(parser._kept) == 0
    assert parser.total == 64_000 and parser.finish() == []


@pytest.mark.captures("p1_ascii", "iec21_session", "iec21_readout")
def test_captures(capture: Any) -> None:
    """P1 telegrams hold the values of an M-Bus meter in the same form: 0-1:24.3.0(ZST)(S)(RP)(z)(KZ)(E) (Mw)."""
    rows, _ = parse(capture.bytes)
    wanted = capture.bytes.count(b":24.3.0(")
    assert len([part for part in rows if part.head.profile.endswith(":24.3.0")]) == wanted
    for part in rows:
        assert part.count == 1 and all(len(column) == 1 for column in part.columns)


@pytest.mark.parametrize("fields", [4, 5, 6, 7])
def test_a_head_over_two_lines(fields: int) -> None:
    # A data line has 78 characters at most, which six columns do not fit.
    cut = [found.end() for found in re.finditer(rb"\)", HEAD)][fields - 1]
    head = HEAD[:cut] + b"\r\n" + HEAD[cut:]
    text = head + b"(0.100)(0.010)\r\n(0.200)(0.020)\r\n"
    rows, parser = parse(text)
    assert values(rows) == [("0.100", "0.010"), ("0.200", "0.020")]
    assert rows[0].head.channels == (Channel("1.5", "kW"), Channel("5.5", "kvar"))
    assert codes(parser) == ["head-broken"] and not parser.truncated
    octets = AsciiProfileParser()
    assert values([part for octet in text for part in octets.feed(bytes((octet,)))] + octets.finish()) == values(rows)


@pytest.mark.parametrize(
    "head", [b"P.01(1260701001500)(00)(15)(2)\r\n", b"P.01(1260701001500)(00)(15)(2)(1.5)(kW)\r\n"]
)
def test_rows_are_no_columns_of_a_head_that_is_short(head: bytes) -> None:
    rows, parser = parse(head + b"(0.100)(0.010)\r\n" + TWO_HEADS)
    assert values(rows) == values(parse(TWO_HEADS)[0])
    assert parser.truncated and "head-broken" not in codes(parser)


def test_a_head_that_ends_amid_its_columns() -> None:
    rows, parser = parse(TWO_HEADS + HEAD.partition(b"(5.5)")[0] + b"\r\n")
    assert values(rows) == values(parse(TWO_HEADS)[0])
    assert parser.truncated
