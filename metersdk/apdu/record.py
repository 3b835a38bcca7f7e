"""Frozen values that are made by the thousand."""

from __future__ import annotations

from typing import ClassVar, SupportsIndex


class Record:
    """A frozen value that is told by what ``__match_args__`` names, some of which is worked out when asked for.

    Mixed into a tuple of what it is worked out from: a readout has thousands, and no other object is made as fast.
    """

    __slots__ = ()
    __match_args__: ClassVar[tuple[str, ...]] = ()

    def _told(self) -> tuple[object, ...]:
        return tuple([getattr(self, name) for name in self.__match_args__])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Record) and type(other) is type(self) and self._told() == other._told()

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(self._told())

    def __repr__(self) -> str:
        told = zip(self.__match_args__, self._told(), strict=True)
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in told)})"

    def __reduce_ex__(self, _: SupportsIndex) -> tuple[object, ...]:
        return type(self), self._told()
