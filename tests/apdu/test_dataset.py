"""The data set grammar: what the standard allows, what meters do, and that pieces of any size give the same."""

from __future__ import annotations

import copy
import pickle
import random
from decimal import Decimal

import pytest

from metersdk.apdu.dataset import (
    FINDINGS_LIMIT,
    OPEN_LIMIT,
    DataSet,
    DataSetParser,
    History,
    Value,
    error_message,
    number,
    parse,
    raise_error_message,
)
from metersdk.errors import DecodeError, LimitExceeded, MeterError, MeterReportedError

CLEAN = (
    b"F.F(00000000)\r\n0.0.0( 20000)\r\n1-1:1.8.0*255(00051206*kWh)\r\n"
    b"6.6(0017.2*kW)6.6*01(0016.9*kW)\r\n1.6.1(27.19*kW)(1702090945)\r\nC.5.0(L1-L2-L3)\r\n(4)\r\n!\r\n"
)


def values(*pairs: tuple[str, str | None]) -> tuple[Value, ...]:
    return tuple(Value(text, number(text), unit) for text, unit in pairs)


CLEAN_SETS = (
    DataSet("F.F", values(("00000000", None)), 0, 0),
    DataSet("0.0.0", values((" 20000", None)), 1, 15),
    DataSet("1-1:1.8.0*255", values(("00051206", "kWh")), 2, 30),
    DataSet("6.6", values(("0017.2", "kW")), 3, 59),
    DataSet("6.6*01", values(("0016.9", "kW")), 3, 73),
    DataSet("1.6.1", values(("27.19", "kW"), ("1702090945", None)), 4, 92),
)


def test_what_the_standard_allows_has_no_findings() -> None:
    sets, findings = parse(CLEAN.replace(b"(4)\r\n", b""), strict=True)
    assert sets[:-1] == CLEAN_SETS
    assert sets[-1] == DataSet("C.5.0", (Value("L1-L2-L3"),), 5, 121)
    assert findings == ()


@pytest.mark.parametrize("size", [1, 2, 3, 5, 17, 1000])
def test_pieces_of_any_size(size: int) -> None:
    parser = DataSetParser()
    block = CLEAN + b"!A077\r\n"
    sets: list[DataSet] = []
    for at in range(0, len(block), size):
        sets += parser.feed(block[at : at + size])
    sets += parser.finish()
    assert tuple(sets) == parse(block)[0]
    assert parser.findings == list(parse(block)[1])
    assert parser.ended


def test_a_value_without_address_belongs_to_the_one_before() -> None:
    sets, findings = parse(b"0-1:24.3.0(161107190000)(m3)\r\n(00001.001)\r\n!\r\n")
    assert [str(v) for v in sets[0].values] == ["161107190000", "m3", "00001.001"]
    assert [f.code for f in findings] == ["value-on-next-line"]


LIBERTIES = [
    # block, (address, ((text, number, unit), ..)), codes
    (b"9.4(114.9*C&083.9*C)", "9.4", [("114.9", "114.9", "C"), ("083.9", "83.9", "C")], ["separator"]),
    (b"0.2.0(V01.69#EEA3546C)", "0.2.0", [("V01.69", None, None), ("EEA3546C", None, None)], ["separator"]),
    (b"1.8.0(0000000 kWh)", "1.8.0", [("0000000", "0", "kWh")], ["unit-in-value"]),
    (b"1.8.0(123.34kWh)", "1.8.0", [("123.34", "123.34", "kWh")], ["unit-in-value"]),
    (b"1.8.0(123,34*kWh)", "1.8.0", [("123,34", "123.34", "kWh")], ["decimal-comma"]),
    (b"1.8.0(013925.5*)", "1.8.0", [("013925.5", "13925.5", "")], ["unit-missing"]),
    (b"1.8/0(1)", "1.8/0", [("1", "1", None)], ["address-slash"]),
    (b"1.8.0(1\r\n23*kWh)", "1.8.0", [("123", "123", "kWh")], ["broken-line"]),
    (b"1.8.\r\n0(1)", "1.8.0", [("1", "1", None)], ["broken-line"]),
    (b"129-129:199.130.39*255(1)", "129-129:199.130.39*255", [("1", "1", None)], ["address-length"]),
    (b"1.0(" + b"7" * 129 + b")", "1.0", [("7" * 129, "7" * 129, None)], ["value-length", "line-length"]),
    (b"1.0((1)", "1.0", [("1", "1", None)], ["opening"]),
    (b"1.0(1))", "1.0", [("1", "1", None)], ["closing"]),
    (b"noise\r\n1.0(1)", "1.0", [("1", "1", None)], ["stray"]),
    (b"a\n1.0(1)", "1.0", [("1", "1", None)], ["line-end", "stray"]),
    (b"\x02\x011.0(1)", "1.0", [("1", "1", None)], ["control"]),
    (b" 1.0 (1)", "1.0", [("1", "1", None)], ["address-space"]),
    (b"1.0(a/b)", "1.0", [("a/b", None, None)], ["value-characters"]),
    (b"1.0(\xfc)", "1.0", [("\xfc", None, None)], ["value-characters"]),
    (b"1.0(1)2.0(3", "1.0", [("1", "1", None)], ["truncated"]),
    (b"1.0(1)\r\n//!D770\r\n", "1.0", [("1", "1", None)], ["slash-before-end"]),
    (b"1.0(1)Y\x01!\r\n", "1.0", [("1", "1", None)], ["stray"]),
]


@pytest.mark.parametrize(("block", "address", "expected", "codes"), LIBERTIES)
def test_liberties_are_accepted_and_reported(
    block: bytes, address: str, expected: list[tuple[str, str | None, str | None]], codes: list[str]
) -> None:
    sets, findings = parse(block)
    assert [f.code for f in findings] == codes
    assert all(f.layer == "data" and 0 <= f.offset < len(block) for f in findings)
    assert len(sets) == 1
    assert sets[0].address == address
    assert [(v.text, v.number, v.unit) for v in sets[0].values] == [
        (text, None if amount is None else Decimal(amount), unit) for text, amount, unit in expected
    ]
    with pytest.raises(DecodeError) as caught:
        parse(block, strict=True)
    assert caught.value.layer == "data" and caught.value.offset >= 0


@pytest.mark.parametrize(
    "text", ["1ESY1336001560", "170209094500W", "2017-01-18", "01-01", "R", "", "4B38", "12:30", "1.2.3", "-----", "+"]
)
def test_values_that_are_no_number_and_have_no_unit(text: str) -> None:
    sets, findings = parse(f"1.0({text})".encode())
    assert sets[0].values == (Value(text, None, None),)
    assert findings == ()


@pytest.mark.parametrize(
    ("text", "amount"),
    [("+000.8", "0.8"), ("-1", "-1"), ("00051206", "51206"), (" 80", "80"), (".5", "0.5"), ("1.", "1")],
)
def test_numbers_are_exact_and_keep_their_text(text: str, amount: str) -> None:
    value = parse(f"1.0({text}*kWh)".encode())[0][0].value
    assert (value.text, value.number, value.unit) == (text, Decimal(amount), "kWh")


@pytest.mark.parametrize(
    ("address", "history"),
    [
        ("1.8.0*18", History("1.8.0", "*", 18)),
        ("6.6*01", History("6.6", "*", 1)),
        ("1.8.0&01", History("1.8.0", "&", 1)),
        ("1.8.0.01", History("1.8.0", ".", 1)),
        ("1-1:1.6.1*17", History("1-1:1.6.1", "*", 17)),
        ("1.8.0", None),
        ("1.8.10", None),
        ("1-0:1.8.0*255", None),
        ("F.F", None),
        ("C.13.21", None),
        ("", None),
    ],
)
def test_history(address: str, history: History | None) -> None:
    assert DataSet(address, (Value(""),)).history == history


@pytest.mark.parametrize(
    "text",
    ["1.8.0(001*kWh)", "9.4(114.9*C&083.9*C)(x)", "0.2.0(V#E)", "1.8.0(1*)", "F.F()", "(ERROR)", "1.6.1(1*kW)(2)"],
)
def test_written_as_it_stood(text: str) -> None:
    assert parse(text.encode())[0][0].encode() == text.encode()


@pytest.mark.parametrize("text", ["ERROR", "ER01", "ERR14"])
def test_error_messages(text: str) -> None:
    sets, _ = parse(f"({text})".encode())
    assert error_message(sets) == text
    with pytest.raises(MeterReportedError) as caught:
        raise_error_message(sets)
    assert caught.value.code == text


@pytest.mark.parametrize("block", [b"", b"(1)", b"1.8.0(ERROR)", b"(ER01)\r\n1.8.0(1)", b"(1)(ER01)"])
def test_no_error_message(block: bytes) -> None:
    raise_error_message(parse(block)[0])


def test_a_set_without_end_is_bounded() -> None:
    parser = DataSetParser()
    with pytest.raises(LimitExceeded):
        for _ in range(OPEN_LIMIT + 1):
            parser.feed(b"1")


def test_values_of_a_set_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("metersdk.apdu.dataset.VALUES_LIMIT", 1000)
    assert len(parse(b"P.01" + b"(1)" * 1000)[0][0].values) == 1000
    for pieces in ([b"P.01" + b"(1)" * 1001], [b"P.01", *[b"(1)"] * 1001], [b"P.01(1" + b"&1" * 1000 + b")"]):
        parser = DataSetParser()
        with pytest.raises(LimitExceeded, match="more than 1000 values"):
            for piece in pieces:
                parser.feed(piece)
            parser.finish()


def test_findings_are_bounded() -> None:
    assert len(parse(b"1.0(1,0)" * (2 * FINDINGS_LIMIT))[1]) == FINDINGS_LIMIT


def test_a_copy_goes_its_own_way() -> None:
    parser = DataSetParser()
    parser.feed(b"1.0(1)\r\n2.0(2)\r\n3.")
    assert parser.position == 8
    twin = parser.copy()
    assert twin.feed(b"0(3,0)") == [DataSet("2.0", values(("2", None)), 1, 8)]
    assert parser.findings == []
    assert [s.address for s in parser.feed(b"1(4)") + parser.finish()] == ["2.0", "3.1"]
    assert [s.address for s in twin.finish()] == ["3.0"]


def test_anything_ends_in_sets_or_a_typed_error() -> None:
    chance = random.Random(21)
    alphabet = b"()*&#!/.,:\r\n 019AEFR-k\x00\x02\xff"
    for _ in range(3000):
        block = bytes(chance.choice(alphabet) for _ in range(chance.randrange(80)))
        sets, findings = parse(block)
        pieces = DataSetParser()
        split = [s for octet in block for s in pieces.feed(bytes((octet,)))] + pieces.finish()
        assert tuple(split) == sets
        assert len(findings) == len(pieces.findings)
        try:
            assert parse(block, strict=True) == (sets, ())
            assert not findings
        except MeterError:
            assert findings


MANY = [
    *(
        "1.8.0*01(0012.3*kWh)",
        "1.6.1(27.19*kW)(1702090945)",
        "F.F(00000000)",
        "6.6(1*kW)6.6*01(2*kW)",
        "0.9.1(170209094500W)",
    ),
    *("C.5.0(L1-L2-L3)", "1-0:1.8.0*255(+1.5*m3/h)", "0.0.0( 20000)", "1.0()"),
]
ODD = [*(block.decode("latin-1") for block, *_ in LIBERTIES), "(5)", "!", "!5", "1.8.0(1(", "12345678901234567(1)"]


def test_many_at_once_and_piece_by_piece_are_the_same() -> None:
    chance = random.Random(3)
    for _ in range(150):
        share, text = chance.choice([0, 0.02, 0.2]), ""
        for _ in range(chance.randrange(20, 60)):
            text += chance.choice(ODD if chance.random() < share else MANY)
            text += chance.choice(["\r\n"] * 9 + ["", "\n", "\r\n\r\n", "\r\r\n", " "])
        block = text.encode("latin-1")
        # Fed octet by octet, it is never enough for many at once.
        careful = DataSetParser()
        slowly = [each for octet in block for each in careful.feed(bytes((octet,)))] + careful.finish()
        for size in (300, 700, len(block)):
            parser = DataSetParser()
            sets = [each for at in range(0, len(block), size) for each in parser.feed(block[at : at + size])]
            assert parser.position <= len(block)
            sets += parser.finish()
            assert (sets, parser.findings) == (slowly, careful.findings)
            assert [each.encode() for each in sets] == [each.encode() for each in slowly]
            assert (parser.ended, parser.tail) == (careful.ended, careful.tail)
        try:
            assert parse(block, strict=True) == (tuple(slowly), ())
        except DecodeError as error:
            assert error.offset == careful.findings[0].offset


def test_however_it_was_read_a_data_set_is_the_same_value() -> None:
    block = b"1.6.1(27.19*kW)(1702090945)\r\n" * 20
    (first, *_), _ = parse(block)
    assert first == DataSet("1.6.1", values(("27.19", "kW"), ("1702090945", None)))
    assert hash(first) == hash(DataSet("1.6.1", first.values))
    assert first != DataSet("1.6.1", first.values, 1) and first != ("1.6.1", first.values, 0, 0)
    assert repr(first) == (
        "DataSet(address='1.6.1', values=(Value(text='27.19', number=Decimal('27.19'), unit='kW', lead='('), "
        "Value(text='1702090945', number=Decimal('1702090945'), unit=None, lead='(')), line=0, offset=0)"
    )
    assert pickle.loads(pickle.dumps(first)) == copy.deepcopy(first) == first
    with pytest.raises(AttributeError):
        first.line = 1  # type: ignore[misc]
    match first:
        case DataSet("1.6.1", (Value(text, amount), _)):
            assert (text, amount) == ("27.19", Decimal("27.19"))
        case _:
            raise AssertionError(first)


def test_a_number_that_was_given_stays() -> None:
    assert Value("5").number is None
    assert Value("5", Decimal(6)).number == 6
    assert Value("5", ...).number == 5
    assert Value("5") != Value("5", ...) == Value("5", Decimal(5))
