"""Line charts as SVG, by hand: one file each, readable on light and dark backgrounds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 720, 400, 70, 130, 50, 60
COLORS = {"trunkline": "#d9480f", "nginx": "#2b8a3e", "haproxy": "#1c7ed6"}


@dataclass(frozen=True)
class Line:
    name: str
    points: list[tuple[float, float]]
    dashed: bool = False
    label: str = ""


def ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten, for a logarithmic axis."""
    found = []
    for exponent in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1):
        found += [step * 10.0 ** exponent for step in (1, 2, 5)]
    return [tick for tick in found if low * 0.999 <= tick <= high * 1.001]


def bounds(values: list[float]) -> tuple[float, float]:
    return min(values) / 1.15, max(values) * 1.15


def number(value: float) -> str:
    return f"{value / 1000:g}k" if value >= 1000 else f"{value:g}"


def chart(path: Path, title: str, x_title: str, y_title: str, lines: list[Line]) -> None:
    points = [point for line in lines for point in line.points if point[0] > 0 and point[1] > 0]
    if len(points) < 2:
        return
    x_low, x_high = bounds([x for x, _ in points])
    y_low, y_high = bounds([y for _, y in points])

    def x_at(x: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * math.log(x / x_low) / math.log(x_high / x_low)

    def y_at(y: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * math.log(y / y_low) / math.log(y_high / y_low)

    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}">',
        "<style>text{font:13px system-ui,sans-serif;fill:#495057}.t{font-size:16px;font-weight:600}"
        "@media(prefers-color-scheme:dark){text{fill:#ced4da}.g{stroke:#495057}rect{fill:#1a1b1e}}</style>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        f'<text class="t" x="{LEFT}" y="28">{title}</text>',
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 16}" text-anchor="middle">{x_title}</text>',
        f'<text transform="translate(18 {(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)" text-anchor="middle">'
        f'{y_title}</text>',
    ]
    for tick in ticks(x_low, x_high):
        x = x_at(tick)
        out.append(f'<line class="g" x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{HEIGHT - BOTTOM}" stroke="#dee2e6"/>'
                   f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{number(tick)}</text>')
    for tick in ticks(y_low, y_high):
        y = y_at(tick)
        out.append(f'<line class="g" x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}" stroke="#dee2e6"/>'
                   f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{number(tick)}</text>')
    ends: list[tuple[float, str, str]] = []
    for line in lines:
        if not line.points:
            continue
        color = COLORS.get(line.name, "#868e96")
        path_points = " ".join(f"{x_at(x):.1f},{y_at(y):.1f}" for x, y in line.points)
        dash = ' stroke-dasharray="5 4"' if line.dashed else ""
        out.append(f'<polyline points="{path_points}" fill="none" stroke="{color}" stroke-width="2.5"{dash}/>')
        if not line.dashed:
            out += [f'<circle cx="{x_at(x):.1f}" cy="{y_at(y):.1f}" r="3.5" fill="{color}"/>' for x, y in line.points]
        ends.append((y_at(line.points[-1][1]) + 4, color, line.label or line.name))
    ends.sort()
    # Labels keep the order of the lines' ends; where those crowd, they move up as a block, then down one by one.
    spacing, at = 16.0, 0.0
    lowest = HEIGHT - BOTTOM - spacing * (len(ends) - 1)
    for index, (y, color, label) in enumerate(ends):
        at = max(min(y, lowest + spacing * index), at + spacing if index else 0)
        out.append(f'<text x="{WIDTH - RIGHT + 8}" y="{at:.1f}" style="fill:{color}">{label}</text>')
    out.append("</svg>")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(out) + "\n")
