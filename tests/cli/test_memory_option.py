"""``--memory`` and ``--no-memory`` reach the door."""

from __future__ import annotations

from typing import Any

import pytest

from metersdk.cli import options


@pytest.mark.parametrize(("told", "wanted"), [((), None), (("--memory",), True), (("--no-memory",), False)])
def test_it_reaches_the_door(cli: Any, monkeypatch: pytest.MonkeyPatch, told: tuple[str, ...], wanted: object) -> None:
    given: list[object] = []
    door = options.connect

    def connect(target: str, **more: Any) -> object:
        given.append(more["memory"])
        return door(target, **{**more, "memory": False})

    monkeypatch.setattr(options, "connect", connect)
    assert cli("identify", "sim://residential", *told).code == 0
    assert given == [wanted]


def test_the_moment_to_change_the_speed_reaches_the_door(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[float | None] = []
    door = options.connect

    def connect(target: str, **more: Any) -> object:
        given.append(more["timing"].switch_margin)
        return door(target, **more)

    monkeypatch.setattr(options, "connect", connect)
    assert cli("identify", "sim://residential", "--switch-margin", "0.1").code == 0
    assert cli("identify", "sim://residential").code == 0
    assert given == [0.1, None]
