"""An observer between a dialog and its driver."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from metersdk.effects import Answer, Dialog, Effect

T = TypeVar("T")


def passed(dialog: Dialog[T], carry: Callable[[Effect], Dialog[Answer]]) -> Dialog[T]:
    """``dialog``, each effect of which goes through ``carry``: as a rule that yields it, and looks at it or its answer.

    What is thrown in at a ``yield`` of ``carry`` and not caught there is thrown into ``dialog``.
    """
    try:
        effect = next(dialog)
        while True:
            try:
                answer = yield from carry(effect)
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
