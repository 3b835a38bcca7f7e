"""A replay goes the way the recorded session went: over a line, or over a connection."""

from __future__ import annotations

from pathlib import Path

import metersdk


def test_session_over_a_line_replays_with_its_sign_on(tmp_path: Path) -> None:
    record = tmp_path / "line.jsonl"
    with metersdk.connect("sim://residential", client=2, password="12345678", trace=record) as meter:
        was = meter.get(3, "1.0.1.8.0.255", 3)
    with metersdk.connect(f"trace://{record}", client=2, password="12345678") as meter:
        assert "at 9600 Bd" in repr(meter)
        assert meter.get(3, "1.0.1.8.0.255", 3) == was


def test_session_over_a_connection_replays_as_one(tmp_path: Path) -> None:
    record = tmp_path / "stream.jsonl"
    with metersdk.connect("sim://residential?framing=wrapper", trace=record) as meter:
        was = meter.get(3, "1.0.1.8.0.255", 3)
    with metersdk.connect(f"trace://{record}") as meter:
        assert "dlms:wrapper" in repr(meter)
        assert meter.get(3, "1.0.1.8.0.255", 3) == was
