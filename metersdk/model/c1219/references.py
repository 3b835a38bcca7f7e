"""What a description says of other tables: dimensions, conditions, and what can be computed of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from metersdk.model.c1219.formats import Formats


@dataclass(frozen=True)
class Scope:
    """What a description is bound to: formats, the tables it refers to, and what the table gave to its record."""

    formats: Formats
    known: Mapping[int, object] = field(default_factory=dict)
    given: object = None


class Expression:
    """A number, or a condition, that is known once the tables it refers to are."""

    tables: frozenset[int] = frozenset()

    def value(self, scope: Scope) -> int:
        raise TypeError("an expression has a value")

    def __add__(self, other: int) -> Expression:
        return Computed(self, lambda value: value + other, f"{self} + {other}")

    def __floordiv__(self, other: int) -> Expression:
        return Computed(self, lambda value: value // other, f"({self}) / {other}")


@dataclass(frozen=True)
class Reference(Expression):
    """A table, or a field of it: ``Reference(21).reg_func1_flags.cum_demand_flag``; 0 in a record that is absent."""

    table: int
    names: tuple[str, ...] = ()

    @property
    def tables(self) -> frozenset[int]:  # type: ignore[override]
        return frozenset() if self.table < 0 else frozenset((self.table,))

    def __getattr__(self, name: str) -> Reference:
        if name.startswith("_"):
            raise AttributeError(name)
        return Reference(self.table, (*self.names, name))

    def look_up(self, scope: Scope) -> Any:
        found: Any = scope.given if self.table < 0 else scope.known[self.table]
        for name in self.names:
            found = getattr(found, name, None)
        return found

    def value(self, scope: Scope) -> int:
        return int(self.look_up(scope) or 0)

    def __str__(self) -> str:
        return ".".join((f"T{self.table}" if self.table >= 0 else "given", *self.names))


CONFIG = Reference(0)
"""GEN_CONFIG_TBL."""

GIVEN = Reference(-1)
"""What a table gives to its record: ``record(Part, given={"size": ACT.size_set1})`` is ``GIVEN.size`` there."""


@dataclass(frozen=True)
class Computed(Expression):
    """An expression of another one."""

    of: Expression
    how: Callable[[int], int]
    text: str

    @property
    def tables(self) -> frozenset[int]:  # type: ignore[override]
        return self.of.tables

    def value(self, scope: Scope) -> int:
        return self.how(self.of.value(scope))

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Contains(Expression):
    """Whether a SET contains a number."""

    of: Reference
    number: int

    @property
    def tables(self) -> frozenset[int]:  # type: ignore[override]
        return self.of.tables

    def value(self, scope: Scope) -> int:
        return self.number in (self.of.look_up(scope) or ())

    def __str__(self) -> str:
        return f"{self.number} in {self.of}"


def equals(expression: Expression, number: int) -> Expression:
    return Computed(expression, lambda value: value == number, f"{expression} = {number}")


def at_least(expression: Expression, number: int) -> Expression:
    return Computed(expression, lambda value: value >= number, f"{expression} >= {number}")


def absent(expression: Expression) -> Expression:
    return Computed(expression, lambda value: not value, f"not {expression}")


Times: TypeAlias = Expression | int | None
"""The dimension of an array, or a size."""

When: TypeAlias = Expression | None
"""The condition of a field."""
