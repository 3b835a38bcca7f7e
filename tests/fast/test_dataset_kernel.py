"""Data sets without liberties, read many at once: the C reader and its Python twin find the same, place by place."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from metersdk import fast
from metersdk.fast import pure_dataset
from metersdk.fast.pure_dataset import DataSets, Place

try:
    from metersdk.fast import native_dataset
except ImportError:
    native_dataset = None  # type: ignore[assignment]

Reader = Callable[[bytes, Place], DataSets]
READERS = [
    pytest.param(pure_dataset.data_sets, id="python"),
    pytest.param(
        getattr(native_dataset, "data_sets", None),
        id="c",
        marks=pytest.mark.skipif(native_dataset is None, reason="the C kernel is not built"),
    ),
]
LAST = b"9.9(0)"


@pytest.fixture(params=READERS)
def read(request: pytest.FixtureRequest) -> Reader:
    reader: Reader = request.param
    return reader


def test_the_kernel_in_use() -> None:
    assert fast.data_sets.__module__.endswith("native_dataset" if fast.IMPL == "c" else "pure_dataset")


def test_columns_and_place(read: Reader) -> None:
    block = b"1.8.0*01(0012.3*kWh)6.6(1)(2611221530)\r\n\r\nF.F()\r\n" + LAST
    found = read(block, Place(100, 7, 90))
    assert found.text == ["1.8.0*01(0012.3*kWh", "6.6(1)(2611221530", "F.F("]
    assert [*found.line] == [7, 7, 9]
    assert [*found.offset] == [100, 120, 142]
    assert found.place == Place(100 + block.index(b"\r\n9.9"), 9, 142)


@pytest.mark.parametrize("block", [b"", b"\r\n", LAST, b"(1)" + LAST, b"1.0", b"1.0(", b"1.0(1", b"1.0(1*", b"1.0(1*k"])
def test_nothing_to_count(read: Reader, block: bytes) -> None:
    found = read(block, Place(5, 1, 2))
    assert (found.text, [*found.line], [*found.offset], found.place) == ([], [], [], Place(5, 1, 2))


PLAIN = [
    *(
        b"A(1)",
        b"1234567890.:*&_-(x)",
        b"1.0()",
        b"1.0(" + b"8" * 60 + b")",
        b"1.0(*kWh)",
        b"1.0(1.5*1234567890123/,6)",
    ),
    *(b"1.0(170209094500W)", b"1.0(170209094500S)", b"1.0(L1-L2)", b"1.0( -x9)", b"1.0(5 <=>?@[]^_`{|}~\"'$;:)"),
]
LIBERTIES = [
    *(b".1(1)", b"12345678901234567(1)", b"1 (1)", b"1/0(1)", b"\n1(1)", b"\r1(1)", b")1.0(1)", b"1.0((1)", b"(1)"),
    *(b"1.0(" + b"7" * 129 + b")", b"1.0(1*)", b"1.0(1*12345678901234567)", b"1.0(1*a*b)", b"1.0(1#2)", b"1.0(1&2)"),
    *(b"1.0(1,5*kWh)", b"1.0(a/b)", b"1.0(a!b)", b"1.0(1*a!)", b"1.0(12kWh)", b"1.0( +12%)", b"1.0(70209094500W)"),
    *(
        b"1.0(0170209094500W)",
        b"1.0(1\r\n2)",
        b"1.0(\x7f)",
        b"1.0(\xb0C)",
        b"1.0(1)(2,0)",
        b"!",
        b"1.0(" + b"8" * 75 + b")",
    ),
]


@pytest.mark.parametrize("one", PLAIN)
def test_without_liberties(read: Reader, one: bytes) -> None:
    found = read(one + b"\r\n" + LAST, Place())
    assert found.text == [one[:-1].decode()]


@pytest.mark.parametrize("one", LIBERTIES)
def test_what_takes_liberties_ends_it(read: Reader, one: bytes) -> None:
    assert read(one + LAST, Place()).text == []
    # The one before it may go on in it.
    found = read(b"1(1)\r\n2(2)\r\n" + one + LAST, Place())
    assert (found.text, found.place) == (["1(1"], Place(4, 0, 0))


def test_a_line_of_78_octets(read: Reader) -> None:
    one = b"1.0(" + b"1" * 73 + b")"
    assert len(read(one + LAST, Place()).text) == 0
    assert len(read(one + b"\r\n" + LAST, Place()).text) == 1
    assert read(one + b"\r\n" + LAST, Place(1, 0, 0)).text == []


@pytest.mark.skipif(native_dataset is None, reason="the C kernel is not built")
def test_the_twins_agree() -> None:
    chance = Random(6)
    sets = [*PLAIN, *LIBERTIES]
    for _ in range(2000):
        several = (chance.choice(PLAIN if chance.random() < 0.9 else sets) for _ in range(chance.randrange(12)))
        block = bytearray(b"".join(one + b"\r\n" * chance.randrange(3) for one in several))
        for _ in range(chance.randrange(3) if block else 0):
            block[chance.randrange(len(block))] = chance.choice(b"()*&#!/.,:\r\n 0A%W\x00\xff")
        place = Place(chance.randrange(50, 90), chance.randrange(9), chance.randrange(50))
        data = bytes(block[chance.randrange(9) :])
        assert native_dataset.data_sets(data, place) == pure_dataset.data_sets(data, place)


def test_more_than_there_is_room_for(read: Reader) -> None:
    data, found, place = b"1(1)" * 19, 0, Place()
    while (some := read(data[place.offset :], place)).text:
        found += len(some.text)
        place = some.place
    assert (found, place) == (18, Place(72, 0, 0))
