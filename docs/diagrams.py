"""Draw the state diagrams of the docs from the transition tables themselves.

python docs/diagrams.py            write docs/diagrams/*.svg
python docs/diagrams.py --check    exit 1 if one of them is stale
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from html import escape
from pathlib import Path

from metersdk.dialog.hdlc_states import FLOWS, MODES, TURNS

HERE = Path(__file__).parent / "diagrams"
TABLES: dict[str, tuple[str, Mapping[object, Mapping[object, object]]]] = {
    "hdlc-modes": ("HDLC: the mode of the link", MODES),  # type: ignore[dict-item]
    "hdlc-turns": ("HDLC: whose turn it is", TURNS),  # type: ignore[dict-item]
    "hdlc-flows": ("HDLC: whether the peer takes I frames", FLOWS),  # type: ignore[dict-item]
}
WIDTH, RADIUS, BOX = 760, 190, (118, 40)
STYLE = (
    "text{font:13px sans-serif;text-anchor:middle;dominant-baseline:middle}"
    ".e{font-size:11px;fill:#444;paint-order:stroke;stroke:#fff;stroke-width:4px}"
    ".s{fill:#eef4fb;stroke:#345;stroke-width:1.2}.a{fill:none;stroke:#678;stroke-width:1.2}"
)


def draw(title: str, table: Mapping[object, Mapping[object, object]]) -> str:
    """One table as SVG: states on a circle, an arrow for each pair of states, its events written on it."""
    states = list(table)
    radius = RADIUS if len(states) > 2 else 150
    height = 2 * radius + 180 if len(states) > 2 else 260
    centre = (WIDTH / 2, height / 2 + 15)
    turn = -math.pi / 2 if len(states) > 2 else math.pi
    place = {
        state: (
            centre[0] + 1.35 * radius * math.cos(turn + 2 * math.pi * n / len(states)),
            centre[1] + radius * math.sin(turn + 2 * math.pi * n / len(states)),
        )
        for n, state in enumerate(states)
    }
    arrows: dict[tuple[object, object], list[str]] = {}
    for state, row in table.items():
        for event, after in row.items():
            arrows.setdefault((state, after), []).append(str(event))
    parts = [f'<text x="{WIDTH / 2}" y="18" style="font-weight:bold">{escape(title)}</text>']
    parts += [_arrow(place[a], place[b], centre, events) for (a, b), events in arrows.items()]
    for state, (x, y) in place.items():
        parts.append(
            f'<rect class="s" x="{x - BOX[0] / 2:.1f}" y="{y - BOX[1] / 2:.1f}" width="{BOX[0]}" height="{BOX[1]}"'
            ' rx="9"/>'
            f'<text x="{x:.1f}" y="{y:.1f}">{escape(str(state))}</text>'
        )
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" width="{WIDTH}"'
        f' height="{height:.0f}"><style>{STYLE}</style><defs><marker id="h" viewBox="0 0 8 8" refX="7" refY="4"'
        ' markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z" fill="#678"/></marker></defs>'
    )
    return head + "\n".join(parts) + "</svg>\n"


def _arrow(a: tuple[float, float], b: tuple[float, float], centre: tuple[float, float], events: list[str]) -> str:
    (ax, ay), (bx, by) = a, b
    if a == b:
        # A loop on the side that looks away from the centre.
        dx, dy = ax - centre[0], ay - centre[1]
        length = math.hypot(dx, dy) or 1.0
        side = (dx / length, dy / length)
        tip = (ax + side[0] * 115, ay + side[1] * 75)
        one = (ax + side[0] * 40 - side[1] * 24, ay + side[1] * 20 + side[0] * 20)
        two = (ax + side[0] * 40 + side[1] * 24, ay + side[1] * 20 - side[0] * 20)
        path = f"M{one[0]:.1f} {one[1]:.1f}Q{tip[0]:.1f} {tip[1]:.1f} {two[0]:.1f} {two[1]:.1f}"
        x, y = ax + side[0] * 105, ay + side[1] * 62
    else:
        dx, dy = bx - ax, by - ay
        length = math.hypot(dx, dy)
        bend = 0.13 * length
        control = ((ax + bx) / 2 + dy / length * bend, (ay + by) / 2 - dx / length * bend)
        start, end = _edge(a, control), _edge(b, control)
        path = f"M{start[0]:.1f} {start[1]:.1f}Q{control[0]:.1f} {control[1]:.1f} {end[0]:.1f} {end[1]:.1f}"
        x, y = control[0] - dy / length * bend * 0.35, control[1] + dx / length * bend * 0.35
    lines = "".join(
        f'<tspan x="{x:.1f}" dy="{0 if n == 0 else 13}">{escape(event)}</tspan>' for n, event in enumerate(events)
    )
    y -= 6.5 * (len(events) - 1)
    return f'<path class="a" d="{path}" marker-end="url(#h)"/><text class="e" x="{x:.1f}" y="{y:.1f}">{lines}</text>'


def _edge(box: tuple[float, float], towards: tuple[float, float]) -> tuple[float, float]:
    """Where the line from the middle of a box to a point leaves the box."""
    dx, dy = towards[0] - box[0], towards[1] - box[1]
    scale = min(BOX[0] / 2 / abs(dx) if dx else 9e9, BOX[1] / 2 / abs(dy) if dy else 9e9)
    return box[0] + dx * scale, box[1] + dy * scale


def main() -> int:
    stale = []
    for name, (title, table) in TABLES.items():
        path, drawing = HERE / f"{name}.svg", draw(title, table)
        if "--check" in sys.argv[1:]:
            if not path.exists() or path.read_text(encoding="utf-8") != drawing:
                stale.append(path.name)
        else:
            path.write_text(drawing, encoding="utf-8")
    if stale:
        print(f"stale: {', '.join(stale)}; run python docs/diagrams.py", file=sys.stderr)
    return len(stale) > 0


if __name__ == "__main__":
    sys.exit(main())
