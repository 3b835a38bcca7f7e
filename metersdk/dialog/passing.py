"""An observer between a dialog and its driver."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias, TypeVar

from metersdk.effects import Answer, Dialog, Effect

T = TypeVar("T")
Told: TypeAlias = Mapping[type, Callable[[Answer, Answer], None]]
"""For some kinds of effects, who is told of one and of its answer."""


def passed(
    dialog: Dialog[T], carry: Callable[[Effect], Dialog[Answer]], told: Told = MappingProxyType({})
) -> Dialog[T]:
    """``dialog``, each effect of which goes through ``carry``: as a rule that yields it, and looks at it or its answer.

    Effects of a kind in ``told`` go through as they are, which costs less; they and their answers are only told of.

    What is thrown in at a ``yield`` of ``carry`` and not caught there is thrown into ``dialog``.
    """
    try:
        effect = next(dialog)
        while True:
            try:
                tell = told.get(type(effect))
                if tell is None:
                    answer = yield from carry(effect)
                else:
                    answer = yield effect
                    tell(effect, answer)
            except GeneratorExit:
                dialog.close()
                raise
            except BaseException as error:
                effect = dialog.throw(error)
            else:
                effect = dialog.send(answer)
    except StopIteration as end:
        value: T = end.value
        return value
