"""The seam of a profile that broke off and went on, and the links that are made anew for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import pytest

from metersdk.apdu import axdr
from metersdk.dialog.seam import Seam
from metersdk.effects import Effect
from metersdk.model.clock import DateTime
from metersdk.model.column import CaptureObject
from metersdk.model.obis import Obis
from metersdk.model.profile import Profile

CLOCK = CaptureObject(8, Obis("0.0.1.0.0.255"), 2)
ENERGY = CaptureObject(3, Obis("1.0.1.8.0.255"), 2)


def stamp(hour: int, zone: int | None = 0) -> bytes:
    made = DateTime(2026, 10, 25, hour=hour, minute=0, second=0, hundredths=0, deviation=zone)
    return made.to_octets()


def rows(*pairs: tuple[int, int], zone: int | None = 0) -> Profile:
    buffer = axdr.array(*(axdr.structure(axdr.octets(stamp(hour, zone)), axdr.u32(value)) for hour, value in pairs))
    return Profile.from_axdr(axdr.encode(buffer), (CLOCK, ENERGY), period=3600)


class Kept:
    def __init__(self) -> None:
        self.pieces: list[Profile] = []

    def __call__(self, piece: Profile) -> Iterator[Effect]:
        self.pieces.append(piece)
        return iter(())

    @property
    def values(self) -> list[int]:
        return [int(str(row[1])) for piece in self.pieces for row in piece.rows()]


def joined(first: list[Profile], again: list[Profile], order: Literal[-1, 0, 1] = 1) -> tuple[list[int], Seam]:
    kept = Kept()
    seam = Seam(kept)
    for piece in first:
        list(seam.take(piece))
    seam.open(order=order)
    for piece in again:
        list(seam.take(piece))
    return kept.values, seam


def test_the_last_row_comes_again_and_is_dropped() -> None:
    values, seam = joined([rows((1, 10), (2, 20))], [rows((2, 20), (3, 30), (4, 40))])
    assert values == [10, 20, 30, 40]
    assert (seam.rows, seam.is_open) == (4, False)


def test_rows_before_it_are_dropped_over_several_pieces() -> None:
    values, seam = joined([rows((1, 10), (2, 20))], [rows((0, 5)), rows((1, 10)), rows((2, 20)), rows((3, 30))], 0)
    assert values == [10, 20, 30]
    assert not seam.is_open


def test_an_hour_that_comes_twice_is_told_apart_by_its_values() -> None:
    """Without a zone 02:00 stands for two moments when the clock goes back."""
    values, _ = joined([rows((1, 10), (2, 20), (2, 25), zone=None)], [rows((2, 20), (2, 25), (3, 30), zone=None)])
    assert values == [10, 20, 25, 30]


def test_a_meter_that_leaves_the_first_moment_out() -> None:
    values, seam = joined([rows((1, 10), (2, 20))], [rows((3, 30))])
    assert values == [10, 20, 30]
    assert not seam.is_open


def test_the_same_backwards() -> None:
    values, seam = joined([rows((9, 90), (8, 80))], [rows((8, 80), (7, 70))], -1)
    assert values == [90, 80, 70]
    assert not seam.is_open
    assert joined([rows((9, 90), (8, 80))], [rows((7, 70))], -1)[0] == [90, 80, 70]


@pytest.mark.parametrize("order", [-1, 0, 1])
def test_what_does_not_join_is_not_joined(order: Literal[-1, 0, 1]) -> None:
    later = rows((3, 30)) if order <= 0 else rows((1, 11))
    values, seam = joined([rows((1, 10), (2, 20))], [later], order)
    assert values == [10, 20]
    assert seam.is_open


def test_a_row_that_came_back_changed_takes_no_rows_with_it() -> None:
    """The piece that follows is later than the seam, but it is not what follows the seam."""
    values, seam = joined([rows((1, 10), (2, 20))], [rows((2, 21), (3, 30)), rows((4, 40))])
    assert values == [10, 20]
    assert seam.is_open


def test_a_row_with_nan_is_known_again() -> None:
    def measured(*pairs: tuple[int, float]) -> Profile:
        cells = (axdr.structure(axdr.octets(stamp(hour)), axdr.f32(value)) for hour, value in pairs)
        return Profile.from_axdr(axdr.encode(axdr.array(*cells)), (CLOCK, ENERGY), period=3600)

    seam = Seam(kept := Kept())
    list(seam.take(measured((1, 1.5), (2, float("nan")))))
    seam.open(order=1)
    list(seam.take(measured((2, float("nan")), (3, 2.5))))
    assert [str(row[1]) for piece in kept.pieces for row in piece.rows()] == ["1.5", "NaN", "2.5"]
    assert not seam.is_open


def test_nothing_had_come() -> None:
    values, seam = joined([], [rows((1, 10))])
    assert values == [10]
    assert not seam.is_open


def test_fresh_rows_are_told_once() -> None:
    seam = Seam(Kept())
    assert not seam.fresh
    list(seam.take(rows((1, 10))))
    assert seam.fresh
    assert not seam.fresh
    assert seam.moment is not None
    assert seam.moment.hour == 1
