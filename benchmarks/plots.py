"""Bars and lines as SVG, readable on light and dark pages, with no library."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

__all__ = ["Bar", "Line", "bars", "lines", "nice_ticks"]

Place = Callable[[float], float]

WIDTH = 720
LEFT, RIGHT, TOP = 170, 90, 56
BAR, GAP = 22, 12
PLOT_HEIGHT = 260
TICKS = 5
OURS, THEIRS = "#0f766e", "#94a3b8"
SERIES = ("#0f766e", "#b45309", "#4338ca", "#be123c", "#0369a1")
STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#1f2937}.title{font-weight:600;font-size:15px}"
    ".soft{fill:#6b7280;font-size:12px}.grid{stroke:#d1d5db;stroke-width:1}.page{fill:#ffffff}"
    "@media (prefers-color-scheme:dark){text{fill:#e5e7eb}.soft{fill:#9ca3af}"
    ".grid{stroke:#374151}.page{fill:#111827}}"
)


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: its label, its value, and whether it is of this project."""

    label: str
    value: float
    ours: bool


@dataclass(frozen=True, slots=True)
class Line:
    """One series of points, x and y."""

    label: str
    points: Sequence[tuple[float, float]]


def bars(title: str, unit: str, rows: Sequence[Bar]) -> str:
    """Horizontal bars from zero, the value beside each."""
    top = nice_ticks(max((row.value for row in rows), default=1.0))[-1]
    span = WIDTH - LEFT - RIGHT
    height = TOP + len(rows) * (BAR + GAP) + GAP
    parts = [_text(16, 26, title, "title"), _text(16, 44, unit, "soft")]
    for number, row in enumerate(rows):
        y = TOP + GAP / 2 + number * (BAR + GAP)
        width = max(1.0, span * row.value / top)
        colour = OURS if row.ours else THEIRS
        parts.append(_text(LEFT - 10, y + BAR * 0.7, row.label, anchor="end"))
        parts.append(
            f'<rect x="{LEFT}" y="{y:.1f}" width="{width:.1f}" height="{BAR}" rx="3"'
            f' fill="{colour}"/>'
        )
        parts.append(_text(LEFT + width + 8, y + BAR * 0.7, told(row.value)))
    return _page(title, height, parts)


def lines(
    title: str, unit: str, x_title: str, series: Sequence[Line], *, logarithmic: bool = False
) -> str:
    """Series over a common x, y from zero; `logarithmic` is for x."""
    ticks = nice_ticks(max((y for one in series for _, y in one.points), default=1.0))
    xs = sorted({x for one in series for x, _ in one.points}) or [0.0, 1.0]
    left, width = 80, WIDTH - 80 - 40
    parts = [_text(16, 26, title, "title"), _text(16, 44, unit, "soft")]

    def place_x(x: float) -> float:
        low, high, at = (math.log10(1 + v) if logarithmic else v for v in (xs[0], xs[-1], x))
        return left + width * ((at - low) / (high - low) if high > low else 0.5)

    def place_y(y: float) -> float:
        return TOP + PLOT_HEIGHT * (1 - y / ticks[-1])

    for tick in ticks:
        y = place_y(tick)
        parts.append(
            f'<line class="grid" x1="{left}" x2="{left + width}" y1="{y:.1f}" y2="{y:.1f}"/>'
        )
        parts.append(_text(left - 8, y + 4, told(tick), "soft", anchor="end"))
    for x in xs:
        parts.append(_text(place_x(x), TOP + PLOT_HEIGHT + 20, told(x), "soft", anchor="middle"))
    parts.append(_text(left + width / 2, TOP + PLOT_HEIGHT + 42, x_title, "soft", anchor="middle"))
    for number, one in enumerate(series):
        parts += _series(one, number, left, place_x, place_y)
    return _page(title, TOP + PLOT_HEIGHT + 62 + 20 * len(series), parts)


def _series(one: Line, number: int, left: float, place_x: Place, place_y: Place) -> list[str]:
    colour = SERIES[number % len(SERIES)]
    points = [(place_x(x), place_y(y)) for x, y in one.points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    y = TOP + PLOT_HEIGHT + 64 + 20 * number
    return [
        f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2.5"/>',
        *(f'<circle cx="{x:.1f}" cy="{at:.1f}" r="4" fill="{colour}"/>' for x, at in points),
        f'<rect x="{left}" y="{y - 8}" width="14" height="4" fill="{colour}"/>',
        _text(left + 22, y - 1, one.label),
    ]


def nice_ticks(highest: float) -> list[float]:
    """Round numbers from zero up to at least `highest`."""
    rough = max(highest, 1e-9) / (TICKS - 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * size for size in (1, 2, 2.5, 5, 10) if power * size >= rough)
    count = math.ceil(highest / step) if highest > 0 else 1
    return [step * number for number in range(count + 1)]


def told(value: float) -> str:
    """A number as people read it: no more digits than the measurement has."""
    if value == 0:
        return "0"
    if abs(value) >= 1_000_000:
        return f"{value / 1_000_000:g} M" if value % 100_000 == 0 else f"{value / 1e6:.2f} M"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _text(x: float, y: float, text: str, kind: str = "", *, anchor: str = "start") -> str:
    css = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{css}>{escape(text)}</text>'


def _page(title: str, height: float, parts: Sequence[str]) -> str:
    size = f'viewBox="0 0 {WIDTH} {height:.0f}" width="{WIDTH}" height="{height:.0f}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img"'
    body = "\n".join(parts)
    return (
        f'{head} aria-label="{escape(title)}">\n<style>{STYLE}</style>\n'
        f'<rect class="page" width="100%" height="100%"/>\n{body}\n</svg>\n'
    )
